/*
 * Committing results. Frames come from workers: whatever they say is checked against the chunk that
 * was sent before it counts.
 */
#include "pipeline/merger.h"

#include "pipeline/policy.h"
#include "pipeline/protocol.h"

/* A ROWS item, taken apart. */
struct rows_item {
    uint32_t kept, dropped, rows;
    struct rows as;
    uint32_t members_n;
    struct slice members; /* u32 each */
};

/* One frame on its way through. */
struct commit {
    struct merger *m;
    struct chunk *chunk;
    struct cursor in;
    struct piped piped; /* what comes behind that */
    uint32_t n;         /* names of the rows before, for LAYOUT_SAME */
    const struct slice *names;
};

void tm_merger_init(struct merger *m, const struct spec *spec, struct output *output,
                    struct sink *quarantine)
{
    *m = (struct merger){.spec = spec, .output = output, .quarantine = quarantine};
}

static void drop_first(struct merger *m)
{
    struct chunk *c = m->first;
    m->first = c->next;
    if (!m->first)
        m->last = NULL;
    m->chunks--;
    tm_chunk_free(c);
}

void tm_merger_release(struct merger *m)
{
    while (m->first)
        drop_first(m);
    tm_buf_release(&m->entry);
    tm_arena_release(&m->arena);
}

void tm_merger_add(struct merger *m, struct chunk *c)
{
    c->next = NULL;
    if (m->last)
        m->last->next = c;
    else
        m->first = c;
    m->last = c;
    m->chunks++;
}

void tm_merger_message(const struct merger *m, int level, struct slice text)
{
    /* Where both go to one place, rows of earlier records are seen first. An error comes again. */
    tm_sink_push(m->output->sink, NULL);
    if (m->message)
        m->message(m->message_context, level, text.p ? text.p : "", text.n);
}

static int broken(err *e)
{
    return tm_err_set(e, TIDEMILL_E_WORKER, "a worker sent a broken result");
}

int tm_merger_fail(struct merger *m, struct chunk *c, uint32_t number, const err *why, err *e)
{
    struct failed_record failed = {.chunk = c, .number = number, .why = why};
    m->stats.read++;
    m->stats.failed++;
    return tm_policy_apply(m, &failed, e);
}

/* ---- Items ---- */

static bool get_rows(struct commit *t, struct rows_item *item)
{
    struct cursor *in = &t->in;
    *item = (struct rows_item){.kept = tm_cursor_u32(in)};
    item->dropped = tm_cursor_u32(in);
    item->rows = tm_cursor_u32(in);
    uint8_t layout = tm_cursor_u8(in);
    if (layout > LAYOUT_NAMES || (layout != LAYOUT_FIXED && !t->m->output->format->has_columns))
        return false;
    item->as.fixed = layout == LAYOUT_FIXED;
    if (layout == LAYOUT_NAMES) {
        struct slice *names;
        if (!tm_protocol_get_names(in, &t->m->arena, &t->n, &names))
            return false;
        t->names = names;
    }
    if (layout != LAYOUT_FIXED) {
        item->as.n = t->n;
        item->as.names = t->names;
        item->members_n = tm_cursor_u32(in);
        item->members = tm_cursor_take(in, (size_t)item->members_n * 4);
        if (!t->names)
            return false;
    }
    if (in->n == sizeof(uint32_t) && t->piped.n) {
        item->as.piped = t->piped;
        in->bad = tm_cursor_u32(in) != t->piped.n;
    } else {
        item->as.bytes = tm_cursor_bytes(in);
    }
    /* Rows in fixed columns before any were fixed would be rows under no header. */
    bool early = item->as.fixed && item->rows && !t->m->output->fixed;
    return !in->bad && !early && (item->rows > 0 || item->as.bytes.n + item->as.piped.n == 0);
}

static bool has_record(const struct commit *t, uint32_t number)
{
    return number < t->chunk->part_end;
}

/* Records that are done; false when there are more than the part has. */
static bool count(struct commit *t, uint64_t records)
{
    if (records > t->chunk->part_end - t->chunk->done)
        return false;
    t->chunk->done += (uint32_t)records;
    return true;
}

static int fail_members(struct commit *t, const struct rows_item *item, const err *why, err *e)
{
    struct cursor members = {item->members.p, item->members.n, false};
    if (!count(t, item->members_n))
        return broken(e);
    for (uint32_t i = 0; i < item->members_n; i++) {
        uint32_t number = tm_cursor_u32(&members);
        if (!has_record(t, number))
            return broken(e);
        int status = tm_merger_fail(t->m, t->chunk, number, why, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

static int write_items(struct commit *t, const struct rows_item *items, size_t n, err *e)
{
    struct merger *m = t->m;
    uint64_t records = 0;
    for (size_t i = 0; i < n; i++)
        records += (uint64_t)items[i].kept + items[i].dropped;
    if (!count(t, records))
        return broken(e);
    for (size_t i = 0; i < n; i++) {
        if (items[i].rows) {
            int status = tm_output_rows(m->output, &items[i].as, e);
            if (status != TIDEMILL_OK)
                return status;
        }
        m->stats.read += (uint64_t)items[i].kept + items[i].dropped;
        m->stats.kept += items[i].kept;
        m->stats.dropped += items[i].dropped;
        m->stats.written += items[i].rows;
    }
    return TIDEMILL_OK;
}

/* Room for one more, in the frame's arena; false when memory is out. */
static bool grow_items(struct arena *arena, struct rows_item **items, size_t n, size_t *cap)
{
    if (n < *cap)
        return true;
    struct rows_item *more = arena_alloc(arena, 2 * *cap * sizeof *more);
    if (!more)
        return false;
    memcpy(more, *items, n * sizeof *more);
    *items = more;
    *cap *= 2;
    return true;
}

/* All rows of a record (or batch) in layouts of their own: written together, or failed together. */
static int commit_group(struct commit *t, const struct rows_item *first, err *e)
{
    struct rows_item one = *first, *items = &one;
    size_t n = 1, cap = 1;
    err why = {0};
    while (items[n - 1].kept + items[n - 1].dropped == 0) {
        if (!grow_items(&t->m->arena, &items, n, &cap))
            return tm_err_memory(e, "a result");
        if (tm_cursor_u8(&t->in) != ITEM_ROWS || !get_rows(t, &items[n++]))
            return broken(e);
    }
    struct rows *rows = n == 1 ? &items->as : arena_alloc(&t->m->arena, n * sizeof *rows);
    if (!rows)
        return tm_err_memory(e, "a result");
    for (size_t i = 0; n > 1 && i < n; i++)
        rows[i] = items[i].as;
    int fits = tm_output_fits(t->m->output, rows, n, &why);
    /* Memory that is out here is no fault of the record's. */
    if (fits == TIDEMILL_E_MEMORY)
        return tm_err_memory(e, "a result");
    if (fits != TIDEMILL_OK)
        return fail_members(t, first, &why, e);
    return write_items(t, items, n, e);
}

static int commit_rows(struct commit *t, err *e)
{
    struct rows_item item;
    if (!get_rows(t, &item))
        return broken(e);
    return item.as.fixed ? write_items(t, &item, 1, e) : commit_group(t, &item, e);
}

static int commit_log(struct commit *t, err *e)
{
    uint32_t record = tm_cursor_u32(&t->in);
    uint8_t level = tm_cursor_u8(&t->in);
    struct slice text = tm_cursor_bytes(&t->in);
    if (t->in.bad || !has_record(t, record))
        return broken(e);
    tm_merger_message(t->m, level, text);
    return TIDEMILL_OK;
}

static int commit_failure(struct commit *t, err *e)
{
    err why = {0};
    uint32_t record = tm_cursor_u32(&t->in);
    uint32_t status = tm_cursor_u32(&t->in);
    struct slice text = tm_cursor_bytes(&t->in);
    bool failure = status > TIDEMILL_OK && status < TIDEMILL_AGAIN;
    if (t->in.bad || !failure || !has_record(t, record) || !count(t, 1))
        return broken(e);
    tm_err_text(&why, (int)status, text);
    return tm_merger_fail(t->m, t->chunk, record, &why, e);
}

static int (*const items[])(struct commit *, err *) = {
    [ITEM_ROWS] = commit_rows,
    [ITEM_LOG] = commit_log,
    [ITEM_FAILURE] = commit_failure,
};

/* What was known before counts more: chunks differ. */
static double learned(double before, double now)
{
    return before > 0 ? 0.75 * before + 0.25 * now : now;
}

static void note_pace(struct merger *m, const struct chunk *c, uint64_t spent)
{
    m->pace = learned(m->pace, (double)spent / (double)c->n);
    m->growth = learned(m->growth, (double)c->given / (double)c->n);
}

int tm_merger_result(struct merger *m, struct slice payload, struct piped piped, err *e)
{
    struct commit t = {
        .m = m, .chunk = m->first, .in = {payload.p, payload.n, false}, .piped = piped};
    tm_arena_reset(&m->arena);
    uint64_t sequence = tm_cursor_u64(&t.in);
    uint32_t through = tm_cursor_u32(&t.in);
    uint64_t spent = tm_cursor_u64(&t.in);
    if (t.in.bad || !t.chunk || t.chunk->kind != CHUNK_RECORDS || sequence != t.chunk->sequence)
        return broken(e);
    while (t.in.n) {
        uint8_t type = tm_cursor_u8(&t.in);
        if (type >= sizeof items / sizeof *items || !items[type])
            return broken(e);
        int status = items[type](&t, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    if (through != t.chunk->done)
        return broken(e);
    t.chunk->given += payload.n + piped.n;
    if (through == t.chunk->records && !t.chunk->part)
        note_pace(m, t.chunk, spent);
    return TIDEMILL_OK;
}

int tm_merger_advance(struct merger *m, err *e)
{
    while (m->first) {
        struct chunk *c = m->first;
        if (c->kind == CHUNK_BROKEN)
            return tm_err_pass(e, c->failure);
        if (c->kind == CHUNK_FAILURE && !c->done) {
            c->done = 1;
            int status = tm_merger_fail(m, c, 0, c->failure, e);
            if (status != TIDEMILL_OK)
                return status;
        }
        if (c->done < c->records)
            return TIDEMILL_OK;
        drop_first(m);
    }
    return TIDEMILL_OK;
}
