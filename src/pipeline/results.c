/*
 * Building RESULT frames. See protocol.h for the items.
 */
#include "pipeline/results.h"

#include "pipeline/frame.h"

#define NO_ITEM SIZE_MAX

#define LEFT_OUT "the rest of what this record printed is left out"

void tm_results_init(struct results *r, size_t room)
{
    *r = (struct results){.room = room, .item = NO_ITEM};
    tm_buf_init_large(&r->out);
}

void tm_results_use(struct results *r, const struct format *format, struct writer *writer,
                    const struct output_dialect *dialect, size_t call_max)
{
    tm_buf_release(&r->row);
    tm_buf_release(&r->log);
    tm_flatten_release(&r->flatten);
    if (r->out.cap > r->room)
        tm_buf_release(&r->out);
    buf_reset(&r->out);
    buf_reserve(&r->out, r->room); /* a frame that finds none takes what it needs */
    *r = (struct results){.format = format,
                          .writer = writer,
                          .dialect = dialect,
                          .call_max = call_max,
                          .fixed = !format->has_columns,
                          .room = r->room,
                          .out = r->out,
                          .item = NO_ITEM};
    tm_flatten_init(&r->flatten, dialect, call_max);
}

void tm_results_release(struct results *r)
{
    tm_buf_release(&r->out);
    tm_buf_release(&r->row);
    tm_buf_release(&r->log);
    tm_flatten_release(&r->flatten);
}

static void patch_u32(struct buf *b, size_t at, size_t v)
{
    for (size_t i = 0; i < 4; i++)
        b->p[at + i] = (char)(v >> 8 * i & 0xff);
}

/* The counts of the open item become final. */
static void close_item(struct results *r)
{
    if (r->item == NO_ITEM || r->out.failed)
        return;
    patch_u32(&r->out, r->item + 1, r->kept);
    patch_u32(&r->out, r->item + 5, r->dropped);
    patch_u32(&r->out, r->item + 9, r->rows);
    patch_u32(&r->out, r->item_bytes - 4, r->out.n - r->item_bytes);
    r->item = NO_ITEM;
    r->kept = r->dropped = r->rows = 0;
}

/* A new ROWS item at the end of the frame. `layout` is NULL for fixed columns. */
static void open_item(struct results *r, const struct layout *layout)
{
    close_item(r);
    r->item = r->out.n;
    buf_u8(&r->out, ITEM_ROWS);
    for (size_t i = 0; i < 3; i++)
        tm_buf_u32(&r->out, 0);
    if (!layout) {
        buf_u8(&r->out, LAYOUT_FIXED);
    } else {
        bool same = r->named == layout->serial;
        buf_u8(&r->out, same ? LAYOUT_SAME : LAYOUT_NAMES);
        if (!same)
            tm_protocol_put_names(&r->out, layout->n, layout->names);
        r->named = layout->serial;
        uint32_t n = r->first_item ? r->members_n : 0;
        tm_buf_u32(&r->out, n);
        for (uint32_t i = 0; i < n; i++)
            tm_buf_u32(&r->out, r->members[i]);
    }
    tm_buf_u32(&r->out, 0);
    r->item_bytes = r->out.n;
}

void tm_results_begin(struct results *r, uint64_t sequence, uint32_t through)
{
    buf_reset(&r->out);
    r->item = NO_ITEM;
    r->named = 0;
    r->through = through;
    r->frame = tm_frame_begin(&r->out, FRAME_RESULT);
    tm_buf_u64(&r->out, sequence);
    r->through_at = r->out.n;
    tm_buf_u32(&r->out, 0);
    tm_buf_u64(&r->out, 0);
}

bool tm_results_end(struct results *r, uint64_t nanoseconds)
{
    close_item(r);
    if (!tm_frame_end(&r->out, r->frame, 0))
        return false;
    patch_u32(&r->out, r->through_at, r->through);
    patch_u32(&r->out, r->through_at + 4, nanoseconds & UINT32_MAX);
    patch_u32(&r->out, r->through_at + 8, nanoseconds >> 32);
    return true;
}

void tm_results_call(struct results *r, const uint32_t *members, uint32_t n)
{
    r->mark = (struct results_mark){r->out.n,   r->item, r->item_bytes, r->kept,
                                    r->dropped, r->rows, r->named};
    r->members = members;
    r->members_n = n;
    r->call_rows = 0;
    r->call_bytes = 0;
    r->first_item = true;
    r->misfit = false;
    buf_reset(&r->log);
    r->log_at = 0;
    r->log_full = false;
}

/* Cut off all that the call in hand has given. */
static void take_back(struct results *r)
{
    r->out.n = r->mark.n;
    r->out.failed = false;
    r->item = r->mark.item;
    r->item_bytes = r->mark.item_bytes;
    r->kept = r->mark.kept;
    r->dropped = r->mark.dropped;
    r->rows = r->mark.rows;
    r->named = r->mark.named;
}

/* A row whose layout is only known once it is written. */
static int row_with_layout(struct results *r, const struct node *record, err *e)
{
    buf_reset(&r->row);
    int status = r->format->write(r->writer, &r->row, record, e);
    if (status != TIDEMILL_OK)
        return status;
    if (r->row.failed)
        return tm_err_memory(e, "a result");
    const struct layout *layout = r->format->layout(r->writer);
    if (r->first_item || r->named != layout->serial) {
        /* The counts of an item that stays open over a call belong to the calls before it. */
        if (r->first_item && r->item != NO_ITEM)
            close_item(r);
        open_item(r, layout);
        r->first_item = false;
    }
    r->call_bytes += r->row.n;
    buf_slice(&r->out, buf_view(&r->row));
    return TIDEMILL_OK;
}

/*
 * Was it the record's names that the fixed columns refused? `refusal` is what the writer said: a
 * value that cannot be written comes first, as it does where the columns are not known yet.
 */
static bool misfits(struct results *r, const struct node *record, const err *refusal)
{
    err why;
    size_t bytes = record->live * sizeof(struct slice);
    buf_reset(&r->row);
    if (!r->format->has_columns || !buf_reserve(&r->row, bytes + 1))
        return false;
    struct slice *names = (void *)r->row.p;
    uint32_t n = 0;
    const struct field *f = node_fields(record), *end = f + record->count;
    for (; f < end; f++)
        if (f->value.kind != VALUE_NONE)
            names[n++] = f->key;
    if (tm_layout_fits(r->dialect, n, names, r->fixed_n, r->fixed_names, &why) == TIDEMILL_OK ||
        strcmp(why.message, refusal->message) != 0)
        return false;
    if (!r->misfit)
        r->misfit_err = why;
    r->misfit = true;
    return true;
}

/*
 * The size of a row as it would be without fixed columns: whether they are fixed yet is a matter of
 * timing, and cells that they leave out or add must not make the difference.
 */
static int count_own(struct results *r, const struct node *record, err *e)
{
    buf_reset(&r->row);
    int status = r->format->write(r->own, &r->row, record, e);
    if (status == TIDEMILL_OK && r->row.failed)
        status = tm_err_memory(e, "a result");
    r->call_bytes += r->row.n;
    return status;
}

static int row_fixed(struct results *r, const struct node *record, err *e)
{
    err *why = &r->why;
    if (r->item == NO_ITEM)
        open_item(r, NULL);
    size_t before = r->out.n;
    int status = r->format->write(r->writer, &r->out, record, why);
    if (status == TIDEMILL_E_WRITE && misfits(r, record, why)) {
        r->out.n = before;
        return TIDEMILL_OK;
    }
    if (status != TIDEMILL_OK)
        tm_err_pass(e, why);
    if (status == TIDEMILL_OK && r->own)
        return count_own(r, record, e);
    r->call_bytes += r->out.n - before;
    return status;
}

int tm_results_row(struct results *r, const struct node *record, err *e)
{
    int status = TIDEMILL_OK;
    if (r->format->has_columns && r->dialect->nested == NESTED_FLATTEN)
        status = tm_flatten(&r->flatten, record, &record, e);
    if (status == TIDEMILL_OK)
        status = r->fixed ? row_fixed(r, record, e) : row_with_layout(r, record, e);
    if (status != TIDEMILL_OK)
        return status;
    if (r->out.failed)
        return tm_err_memory(e, "a result");
    if (r->call_bytes > r->call_max)
        return tm_err_set(e, TIDEMILL_E_WRITE,
                          "the result is larger than %zu bytes (limits.result_size)", r->call_max);
    r->rows++;
    r->call_rows++;
    return TIDEMILL_OK;
}

void tm_results_log(struct results *r, int level, struct slice text)
{
    if (r->log_full || r->log.failed)
        return;
    if (text.n > r->call_max || r->log.n + text.n > r->call_max) {
        r->log_full = true;
        r->log_at = 0;
        level = TIDEMILL_LOG_WARNING;
        text = SLICE(LEFT_OUT " (limits.result_size)");
    }
    if (r->log_at && level == TIDEMILL_LOG_SCRIPT && r->log_level == level) {
        buf_slice(&r->log, text);
        if (!r->log.failed)
            patch_u32(&r->log, r->log_at - 4, r->log.n - r->log_at);
        return;
    }
    buf_u8(&r->log, ITEM_LOG);
    tm_buf_u32(&r->log, r->members_n ? r->members[0] : 0);
    buf_u8(&r->log, (uint8_t)level);
    tm_buf_bytes(&r->log, text);
    r->log_at = r->log.n - text.n;
    r->log_level = level;
}

/*
 * What the call printed. It comes before rows that the parent may find not to fit: a failure is told
 * after what the record printed, whoever notices it.
 */
/* There was no memory for what was printed: at least that is told. */
static void leave_out_log(struct results *r)
{
    tm_buf_release(&r->log);
    r->log_full = false;
    r->log_at = 0;
    tm_results_log(r, TIDEMILL_LOG_WARNING, SLICE(LEFT_OUT));
}

/* Room that may be refused without the buffer being spoilt for the rest. */
static bool has_room(struct buf *b, size_t more)
{
    bool failed = b->failed, room = buf_reserve(b, more);
    b->failed = failed;
    return room;
}

static void put_log(struct results *r)
{
    if (r->log.failed || !has_room(&r->out, r->log.n))
        leave_out_log(r);
    if (r->log.n == 0 || r->log.failed || !has_room(&r->out, r->log.n))
        return;
    close_item(r);
    size_t at = r->fixed ? r->out.n : r->mark.n;
    memmove(r->out.p + at + r->log.n, r->out.p + at, r->out.n - at);
    memcpy(r->out.p + at, r->log.p, r->log.n);
    r->out.n += r->log.n;
}

int tm_results_commit(struct results *r, uint32_t kept, err *e)
{
    if (r->misfit)
        return tm_err_pass(e, &r->misfit_err);
    if (!r->fixed && r->call_rows == 0 && r->item != NO_ITEM)
        close_item(r);
    if (r->item == NO_ITEM)
        open_item(r, NULL);
    r->kept += kept;
    r->dropped += r->members_n - kept;
    if (!r->fixed)
        close_item(r);
    if (r->log.n || r->log.failed)
        put_log(r);
    if (r->out.failed)
        return tm_err_memory(e, "a result");
    r->through += r->members_n;
    return TIDEMILL_OK;
}

void tm_results_fail(struct results *r, const err *why)
{
    take_back(r);
    put_log(r);
    close_item(r);
    for (uint32_t i = 0; i < r->members_n; i++) {
        buf_u8(&r->out, ITEM_FAILURE);
        tm_buf_u32(&r->out, r->members[i]);
        tm_buf_u32(&r->out, (uint32_t)why->status);
        tm_buf_bytes(&r->out, slice_of(why->message));
    }
    r->through += r->members_n;
}

int tm_results_fix_columns(struct results *r, uint32_t n, const struct slice *names, err *e)
{
    if (!r->format->has_columns)
        return tm_err_set(e, TIDEMILL_E_WORKER, "the output format has no columns");
    int status = r->format->fix_columns(r->writer, n, names);
    if (status != TIDEMILL_OK)
        return tm_err_memory(e, "the output's columns");
    r->fixed_n = n;
    r->fixed_names = names;
    r->fixed = true;
    return TIDEMILL_OK;
}
