/*
 * Cutting. Bytes are read into a block; the scan moves over whole records; chunks are views of the
 * block between two cuts. When the block is full, what was not cut yet moves to a new one.
 */
#include "pipeline/splitter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "pipeline/preamble.h"
#include "pipeline/protocol.h"

/* Less room than this is not worth a system call, and more is not read by one. */
#define READ_MIN ((size_t)64 << 10)
#define READ_MAX ((size_t)256 << 10)
/* So much of a failed record is told, so it must be seen before the rest is passed over. */
#define RAW_MIN 4096
/* One byte more shows that there was more. */
#define RAW_KEPT (RAW_MIN + 1)
/* In an error: no record is to blame, but what stands around them. */
#define NO_RECORD UINT64_MAX

void tm_splitter_init(struct splitter *s, struct source *source, const struct spec *spec,
                      const struct format *format)
{
    const struct spec_values *v = &spec->values;
    *s = (struct splitter){
        .source = source,
        .spec = spec,
        .format = format,
        .chunk_max = (size_t)v->chunk,
        .record_max = (size_t)v->limits.record_size,
        .batch = v->transform.batch ? v->transform.batch : 1,
        .next_record = 1,
    };
}

/* At a record's start: what the format knows of the file stays. */
static void reset_state(struct splitter *s)
{
    s->state = (struct split_state){.document = s->state.document};
}

static void free_document(struct splitter *s)
{
    if (s->state.document)
        s->file->format->document_free(s->state.document);
    s->state.document = NULL;
}

void tm_splitter_release(struct splitter *s)
{
    free_document(s);
    tm_chunk_free(s->waiting);
    tm_block_unref(s->block);
    tm_block_store_unref(s->store);
    tm_input_file_unref(s->file);
    tm_arena_release(&s->first_arena);
    *s = (struct splitter){0};
}

void tm_splitter_stop(struct splitter *s)
{
    s->stopped = true;
}

int64_t tm_splitter_deadline(const struct splitter *s)
{
    return s->give_up;
}

uint64_t tm_splitter_remaining(const struct splitter *s)
{
    uint64_t unread;
    return tm_source_remaining(s->source, &unread) ? unread + (s->end - s->start) : 0;
}

/* ---- Chunks ---- */

/* A chunk of `n` bytes from the start on, placed; counts move on. NULL when memory is out. */
static struct chunk *new_chunk(struct splitter *s, enum chunk_kind kind, size_t n, uint32_t records,
                               uint64_t lines)
{
    struct chunk *c = tm_chunk_new(kind, s->file, s->block);
    if (!c)
        return NULL;
    c->sequence = s->sequence++;
    c->p = s->block ? s->block->bytes + s->start : "";
    c->n = n;
    c->records = records;
    c->first_record = s->next_record;
    c->first_line = s->next_line;
    c->offset = s->next_offset;
    s->next_record += records;
    s->next_line += lines;
    s->next_offset += n;
    s->start += n;
    return c;
}

/* A mark, counted from a later start. */
static struct split_mark mark_from(struct split_mark mark, struct split_mark start)
{
    if (mark.at < start.at)
        return (struct split_mark){0};
    return (struct split_mark){mark.at - start.at, mark.records - start.records,
                               mark.lines - start.lines};
}

/* Everything up to `mark` leaves; marks behind it count from the new start. */
static void move_marks(struct splitter *s, struct split_mark mark)
{
    s->scan = mark_from(s->scan, mark);
    s->last = mark_from(s->last, mark);
    s->cut = (struct split_mark){0};
}

static struct chunk *cut_chunk(struct splitter *s, struct split_mark mark)
{
    struct chunk *c = new_chunk(s, CHUNK_RECORDS, mark.at, mark.records, mark.lines);
    if (c)
        move_marks(s, mark);
    return c;
}

/* Bytes between records that no chunk needs. */
static void drop_skipped(struct splitter *s)
{
    if (s->scan.records || !s->scan.at)
        return;
    s->start += s->scan.at;
    s->next_offset += s->scan.at;
    s->next_line += s->scan.lines;
    move_marks(s, s->scan);
}

/* Failed records may wait in number: each keeps what will be told of it, not the whole of it. */
static bool keep_front(struct chunk *c)
{
    if (c->n <= RAW_KEPT)
        return true;
    struct block *block = tm_block_new(NULL, RAW_KEPT);
    if (!block)
        return false;
    memcpy(block->bytes, c->p, RAW_KEPT);
    tm_block_unref(c->block);
    c->block = block;
    c->p = block->bytes;
    c->n = RAW_KEPT;
    return true;
}

/* The chunk of a record, or of the input, that `why` says is broken: the next `n` bytes. */
static struct chunk *failure_chunk(struct splitter *s, enum chunk_kind kind, size_t n,
                                   uint64_t lines, const err *why)
{
    uint64_t at_line = s->next_line + why->line;
    struct chunk *c = new_chunk(s, kind, n, kind == CHUNK_FAILURE, lines);
    if (!c || !keep_front(c) || !(c->failure = malloc(sizeof *c->failure))) {
        tm_chunk_free(c);
        return NULL;
    }
    *c->failure = *why;
    /* What the system refused is about the file, not about a place in it. */
    if (why->system_errno)
        return c;
    c->failure->record = s->at_start || why->record == NO_RECORD ? 0 : c->first_record;
    c->failure->offset = c->offset;
    tm_err_at(c->failure, s->file->name, at_line, why->column);
    return c;
}

/*
 * What comes next is `failure`, after the records before it. `why.line` counts from the record's
 * first line.
 */
static enum splitter_next fail(struct splitter *s, enum chunk_kind kind, size_t n, uint64_t lines,
                               const err *why, struct chunk **out, err *e)
{
    struct chunk *before = NULL;
    if (s->last.records && !(before = cut_chunk(s, s->last)))
        goto memory;
    drop_skipped(s);
    struct chunk *failure = failure_chunk(s, kind, n, lines, why);
    if (!failure) {
        tm_chunk_free(before);
        goto memory;
    }
    s->ended = kind == CHUNK_BROKEN;
    reset_state(s);
    *out = before ? before : failure;
    s->waiting = before ? failure : NULL;
    return SPLITTER_CHUNK;
memory:
    tm_err_memory(e, "a chunk");
    return SPLITTER_FAILED;
}

/* ---- Records ---- */

/*
 * The record behind the scan is larger than allowed; `length` bytes of it are there, all of it if
 * `whole`. A line is passed over; elsewhere the input cannot go on.
 */
static enum splitter_next oversized(struct splitter *s, size_t length, bool whole,
                                    struct chunk **out, err *e)
{
    bool line = s->file->format->line_records;
    err why = {0};
    tm_splitter_too_large(s, "record", line ? TIDEMILL_E_RECORD : TIDEMILL_E_INPUT, &why);
    s->passing = line && !whole;
    s->file_records = 0; /* batches begin anew behind it */
    s->batch_over = false;
    return fail(s, line ? CHUNK_FAILURE : CHUNK_BROKEN, length, line && whole, &why, out, e);
}

/* Drop the rest of a large record; true when its end was found. */
static bool pass_over(struct splitter *s)
{
    const char *p = s->block->bytes + s->start;
    size_t n = s->end - s->start;
    const char *newline = n ? memchr(p, '\n', n) : NULL;
    size_t take = newline ? (size_t)(newline + 1 - p) : n;
    s->start += take;
    s->next_offset += take;
    if (!newline && !s->final)
        return false;
    s->next_line++;
    s->passing = false;
    return true;
}

static void count_record(struct splitter *s, const struct extent *extent)
{
    s->scan.at += extent->length;
    s->scan.lines += extent->lines;
    s->scan.records++;
    s->file_records++;
    s->last = s->scan;
    if (s->file_records % s->batch == 0)
        s->cut = s->scan;
}

static enum splitter_next give(struct splitter *s, struct split_mark mark, struct chunk **out,
                               err *e)
{
    *out = cut_chunk(s, mark);
    s->give_up = 0;
    if (*out)
        return SPLITTER_CHUNK;
    tm_err_memory(e, "a chunk");
    return SPLITTER_FAILED;
}

/*
 * Records that a glance is enough for, no more than make a chunk of the target's size. None is larger
 * than allowed, as all of them together are not.
 */
static bool scan_run(struct splitter *s, size_t target)
{
    const struct format *f = s->file->format;
    size_t at = s->start + s->scan.at, length;
    size_t room = target > s->scan.at ? target - s->scan.at : 0;
    if (!f->run || s->batch > 1 || s->state.scanned || s->state.machine)
        return false;
    if (room > s->record_max)
        room = s->record_max;
    if (room > s->end - at)
        room = s->end - at;
    uint32_t records = f->run(&s->file->dialect, s->block->bytes + at, room, &length);
    if (!records || records > UINT32_MAX - s->scan.records)
        return false;
    s->scan.at += length;
    s->scan.lines += records;
    s->scan.records += records;
    s->file_records += records;
    s->last = s->cut = s->scan;
    return true;
}

/* Of what may turn out to be a record so many bytes are looked at, whatever becomes of it. */
static size_t look_max(const struct splitter *s)
{
    return s->record_max > RAW_MIN ? s->record_max : RAW_MIN;
}

/* Bytes between records. AGAIN: scan on. */
static enum splitter_next pass_between(struct splitter *s, const struct extent *extent,
                                       size_t target, struct chunk **out, err *e)
{
    s->scan.at += extent->length;
    s->scan.lines += extent->lines;
    drop_skipped(s);
    /* A batch is held in one piece: where that would be too large, no other record of it may come. */
    if (s->last.at > s->cut.at && s->scan.at - s->last.at > look_max(s)) {
        s->batch_over = true;
        return give(s, s->last, out, e);
    }
    /* Bytes that are no record fill no chunk: they could be as many as the input's. */
    if (s->cut.at && s->scan.at >= target)
        return give(s, s->cut, out, e);
    return SPLITTER_AGAIN;
}

static enum splitter_next batch_too_wide(struct splitter *s, const struct extent *extent,
                                         struct chunk **out, err *e)
{
    err why = {0};
    tm_err_set(&why, TIDEMILL_E_INPUT,
               "more than %zu bytes that are no record lie between this record and the one before "
               "it, which is in the same batch (limits.record_size)",
               look_max(s));
    return fail(s, CHUNK_BROKEN, extent->length, 0, &why, out, e);
}

/* The end of what begins at `at` is not in sight. WAIT: it may come. */
static enum splitter_next want_more(struct splitter *s, size_t at, struct extent *extent,
                                    size_t target, struct chunk **out, err *e)
{
    size_t n = s->end - at;
    if (!extent->comment)
        return n > look_max(s) ? oversized(s, n, false, out, e) : SPLITTER_WAIT;
    extent->length = n;
    s->state.scanned = 0;
    enum splitter_next answer = pass_between(s, extent, target, out, e);
    return answer == SPLITTER_AGAIN ? SPLITTER_WAIT : answer;
}

/* Scan what has been read. WAIT: more bytes are needed for a chunk of the target's size. */
static enum splitter_next scan(struct splitter *s, size_t target, struct chunk **out, err *e)
{
    const struct format *f = s->file->format;
    for (;;) {
        struct extent extent = {0};
        err why;
        size_t at = s->start + s->scan.at;
        if (s->scan.records == UINT32_MAX || (s->cut.at && s->cut.at >= target))
            return give(s, s->cut.at ? s->cut : s->last, out, e);
        if (at == s->end)
            return SPLITTER_WAIT;
        if (scan_run(s, target))
            continue;
        err_clear(&why);
        switch (f->split(&s->file->dialect, &s->state, s->block->bytes + at, s->end - at, s->final,
                         &extent, &why)) {
        case SPLIT_RECORD:
            reset_state(s);
            if (extent.length > s->record_max)
                return oversized(s, extent.length, true, out, e);
            if (s->batch_over)
                return batch_too_wide(s, &extent, out, e);
            if (s->cut.at && s->scan.at + extent.length > target) {
                struct split_mark mark = s->cut;
                count_record(s, &extent);
                struct split_mark cut = s->cut;
                enum splitter_next answer = give(s, mark, out, e);
                /* The record just counted may be a place to cut as well. */
                if (cut.at != mark.at)
                    s->cut = s->scan;
                return answer;
            }
            count_record(s, &extent);
            break;
        case SPLIT_SKIP: {
            reset_state(s);
            /* A blank line is known by its end, and before that it could be a record. */
            if (f->line_records && !extent.comment && extent.length > look_max(s))
                return oversized(s, extent.length, true, out, e);
            enum splitter_next answer = pass_between(s, &extent, target, out, e);
            if (answer != SPLITTER_AGAIN)
                return answer;
            break;
        }
        case SPLIT_MORE:
            return want_more(s, at, &extent, target, out, e);
        case SPLIT_ERROR:
            why.line = extent.lines;
            why.record = extent.length ? 0 : NO_RECORD;
            return fail(s, CHUNK_BROKEN, s->end - at, 0, &why, out, e);
        }
    }
}

/* ---- Files ---- */

static const struct format *format_of(const struct splitter *s, const struct input *input)
{
    return s->format ? s->format : tm_format_by_path(input->name);
}

/* Also where it cannot be opened there is a file, which chunks and messages name. */
static int open_file(struct splitter *s, bool *more, err *e)
{
    int opened = tm_source_open(s->source, more, e);
    if (!*more)
        return opened;
    const struct input *input = tm_source_input(s->source);
    const struct format *format = format_of(s, input);
    if (!format)
        return tm_err_set(e, TIDEMILL_E_SPEC, "the format of '%s' is not known (input.format)",
                          input->name);
    s->file = tm_input_file_new(input->name, format, ++s->files);
    if (!s->file)
        return tm_err_memory(e, "an input file");
    s->at_start = true;
    s->skip = s->spec->values.input.skip;
    s->final = s->passing = s->batch_over = false;
    s->file_records = 0;
    s->next_line = 1;
    s->next_offset = 0;
    s->scan = s->last = s->cut = (struct split_mark){0};
    reset_state(s);
    if (opened != TIDEMILL_OK)
        return opened;
    int status = tm_dialect_input(s->spec, format, &s->file->arena, &s->file->dialect, e);
    if (status != TIDEMILL_OK || !format->document_new)
        return status;
    s->state.document = format->document_new(&s->file->dialect);
    return s->state.document ? TIDEMILL_OK : tm_err_memory(e, "an input file");
}

static void close_file(struct splitter *s)
{
    tm_source_close(s->source);
    free_document(s);
    tm_input_file_unref(s->file);
    s->file = NULL;
    tm_block_unref(s->block);
    s->block = NULL;
    s->start = s->end = 0;
}

/* What comes before the first record. AGAIN: it is done with, scan on. */
static enum splitter_next start_file(struct splitter *s, struct chunk **out, err *e)
{
    err why = {0};
    size_t n = 0;
    switch (tm_preamble(s, &n, &why)) {
    case PREAMBLE_DONE:
        reset_state(s);
        s->at_start = false;
        return SPLITTER_AGAIN;
    case PREAMBLE_MORE:
        return SPLITTER_WAIT;
    case PREAMBLE_BROKEN:
        break;
    }
    return fail(s, CHUNK_BROKEN, n, 0, &why, out, e);
}

/* ---- Reading ---- */

/* Of several chunks, as what was not cut yet is moved from one to the next; a round size with its head. */
static size_t block_size(const struct splitter *s)
{
    size_t chunk = s->chunk_max > READ_MIN ? s->chunk_max : READ_MIN;
    return chunk + 3 * (chunk < READ_MAX ? chunk : READ_MAX) - sizeof(struct block);
}

/* Little has come so far, and as far as can be known little will. */
static bool is_small(const struct splitter *s)
{
    uint64_t unread;
    return s->bytes < READ_MIN && (!tm_source_remaining(s->source, &unread) || unread < READ_MIN);
}

/* Room to read into: what was not cut yet stays in front. */
static bool make_room(struct splitter *s)
{
    size_t have = s->end - s->start, want = block_size(s);
    size_t room = s->block ? s->block->cap - s->end : 0;
    if (room >= READ_MIN)
        return true;
    if (!s->store)
        s->store = tm_block_store_new(want);
    /* A first block alone: a record that comes in small pieces must not fill one after the other. */
    if (!s->block && is_small(s))
        want = READ_MIN + READ_MIN / 2;
    if (have > want / 2)
        want = have * 2;
    struct block *block = tm_block_new(s->store, want);
    if (!block)
        return false;
    if (have && s->block)
        memcpy(block->bytes, s->block->bytes + s->start, have);
    tm_block_unref(s->block);
    s->block = block;
    s->start = 0;
    s->end = have;
    return true;
}

/* One read. AGAIN: there is more, or the end was seen. */
static enum splitter_next read_once(struct splitter *s, struct chunk **out, err *e)
{
    size_t got = 0;
    err why = {0};
    if (!make_room(s)) {
        tm_err_memory(e, "the input");
        return SPLITTER_FAILED;
    }
    size_t room = s->block->cap - s->end;
    switch (tm_source_read(s->source, s->block->bytes + s->end, room < READ_MAX ? room : READ_MAX,
                           &got, &why)) {
    case SOURCE_BYTES:
        s->end += got;
        s->bytes += got;
        return SPLITTER_AGAIN;
    case SOURCE_END:
        s->final = true;
        return SPLITTER_AGAIN;
    case SOURCE_BLOCKED:
        return SPLITTER_WAIT;
    case SOURCE_FAILED:
        break;
    }
    return fail(s, CHUNK_BROKEN, s->end - s->start - s->scan.at, 0, &why, out, e);
}

/* The file is read to its end and scanned: what is left is its last chunk. */
static enum splitter_next last_chunk(struct splitter *s, struct chunk **out, err *e)
{
    enum splitter_next answer = SPLITTER_AGAIN;
    const struct format *f = s->file->format;
    err why = {0};
    if (s->state.document && f->document_end(s->state.document, &why) != TIDEMILL_OK) {
        why.record = NO_RECORD;
        return fail(s, CHUNK_BROKEN, 0, 0, &why, out, e);
    }
    if (s->last.records)
        answer = give(s, s->last, out, e);
    close_file(s);
    return answer;
}

static enum splitter_next next_file(struct splitter *s, struct chunk **out, err *e)
{
    bool more = false;
    err why = {0};
    int status = open_file(s, &more, &why);
    /* Refused by the system: told behind the records of the files before. */
    if (status == TIDEMILL_E_INPUT && s->file)
        return fail(s, CHUNK_BROKEN, 0, 0, &why, out, e);
    if (status != TIDEMILL_OK) {
        tm_err_pass(e, &why);
        return SPLITTER_FAILED;
    }
    s->ended = !more;
    return more ? SPLITTER_AGAIN : SPLITTER_END;
}

/* The source has nothing now. */
static enum splitter_next nothing_now(struct splitter *s, bool eager, struct chunk **out, err *e)
{
    int64_t wait = (int64_t)s->spec->values.transform.batch_wait;
    if (eager && s->cut.at)
        return give(s, s->cut, out, e);
    if (!wait || !s->scan.records)
        return SPLITTER_WAIT;
    if (!s->give_up)
        s->give_up = clock_now() + wait;
    if (clock_now() < s->give_up)
        return SPLITTER_WAIT;
    s->give_up = 0;
    s->file_records = 0; /* batches begin anew behind a short one */
    return give(s, s->last, out, e);
}

/* Scan, then read if there was too little: one turn. */
static enum splitter_next turn(struct splitter *s, size_t target, bool eager, struct chunk **out,
                               err *e)
{
    enum splitter_next answer;
    if (!s->file)
        return next_file(s, out, e);
    if (s->passing && !(s->block && pass_over(s)))
        return s->final ? SPLITTER_AGAIN : read_once(s, out, e);
    if (s->at_start) {
        answer = s->block || s->final ? start_file(s, out, e) : SPLITTER_WAIT;
        if (answer != SPLITTER_WAIT)
            return answer;
    } else {
        answer = scan(s, target, out, e);
        if (answer != SPLITTER_WAIT)
            return answer;
    }
    if (s->final)
        return last_chunk(s, out, e);
    answer = read_once(s, out, e);
    return answer == SPLITTER_WAIT ? nothing_now(s, eager, out, e) : answer;
}

enum splitter_next tm_splitter_next(struct splitter *s, size_t target, bool eager,
                                    struct chunk **out, err *e)
{
    if (s->waiting) {
        *out = s->waiting;
        s->waiting = NULL;
        return SPLITTER_CHUNK;
    }
    if (s->ended || s->stopped)
        return SPLITTER_END;
    return turn(s, target < s->chunk_max ? target : s->chunk_max, eager, out, e);
}
