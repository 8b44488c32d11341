/*
 * Encoding and decoding of frame payloads. Decoders take whatever bytes there are.
 */
#include "pipeline/protocol.h"

#include "pipeline/frame.h"

static const struct slice magic = SLICE("tidemill");

void tm_protocol_put_job(struct buf *b, const struct protocol_job *job, const struct spec *spec)
{
    buf_slice(b, magic);
    tm_buf_u32(b, PROTOCOL_VERSION);
    tm_buf_u32(b, job->worker);
    buf_u8(b, job->check);
    buf_u8(b, (uint8_t)job->form);
    tm_buf_u32(b, job->first_line);
    tm_buf_bytes(b, job->script);
    tm_buf_bytes(b, job->chunk_name);
    buf_u8(b, job->folder.p != NULL);
    tm_buf_bytes(b, job->folder);
    tm_spec_pack(spec, b);
}

int tm_protocol_get_job(struct cursor *c, struct protocol_job *job, struct spec *spec, err *e)
{
    if (!slice_eq(tm_cursor_take(c, magic.n), magic))
        return tm_err_set(e, TIDEMILL_E_WORKER, "the worker was started by something else");
    uint32_t version = tm_cursor_u32(c);
    if (version != PROTOCOL_VERSION)
        return tm_err_set(e, TIDEMILL_E_WORKER,
                          "the worker program is of another version of tidemill (protocol %d, not "
                          "%u)",
                          PROTOCOL_VERSION, version);
    job->worker = tm_cursor_u32(c);
    job->check = tm_cursor_u8(c);
    job->form = tm_cursor_u8(c);
    job->first_line = tm_cursor_u32(c);
    job->script = tm_cursor_bytes(c);
    job->chunk_name = tm_cursor_bytes(c);
    bool folder = tm_cursor_u8(c);
    job->folder = tm_cursor_bytes(c);
    if (!folder)
        job->folder.p = NULL;
    if (c->bad || job->form > SCRIPT_EACH)
        return tm_err_set(e, TIDEMILL_E_WORKER, "the worker got a broken job");
    return tm_spec_unpack(spec, c, e);
}

void tm_protocol_put_names(struct buf *b, uint32_t n, const struct slice *names)
{
    tm_buf_u32(b, n);
    for (uint32_t i = 0; i < n; i++)
        tm_buf_bytes(b, names[i]);
}

bool tm_protocol_get_names(struct cursor *c, struct arena *arena, uint32_t *n, struct slice **names)
{
    *n = tm_cursor_u32(c);
    /* Each name takes four bytes at least, so a lying count cannot make us allocate. */
    if (c->bad || *n > c->n / 4)
        return false;
    *names = arena_alloc(arena, *n * sizeof **names);
    if (!*names)
        return false;
    for (uint32_t i = 0; i < *n; i++)
        (*names)[i] = tm_cursor_bytes(c);
    return !c->bad;
}

/* A flag each, or that there are none. */
static void put_flags(struct buf *b, const uint8_t *flags, uint32_t n)
{
    buf_u8(b, flags != NULL);
    if (flags)
        buf_append(b, flags, n);
}

static bool get_flags(struct cursor *c, struct arena *arena, uint32_t n, const uint8_t **flags)
{
    *flags = NULL;
    if (!tm_cursor_u8(c))
        return !c->bad;
    struct slice copy = tm_arena_copy(arena, tm_cursor_take(c, n));
    *flags = (const uint8_t *)copy.p;
    return !c->bad && copy.p;
}

void tm_protocol_put_file(struct buf *b, uint32_t id, struct slice name, struct slice format,
                          const struct columns *columns)
{
    size_t begin = tm_frame_begin(b, FRAME_FILE);
    tm_buf_u32(b, id);
    tm_buf_bytes(b, name);
    tm_buf_bytes(b, format);
    buf_u8(b, columns != NULL);
    if (columns) {
        buf_u8(b, columns->positional);
        buf_u8(b, columns->crlf);
        tm_protocol_put_names(b, columns->n, columns->names);
        put_flags(b, columns->as_text, columns->n);
        tm_buf_u32(b, columns->cells);
        put_flags(b, columns->skipped, columns->cells);
    }
    if (!tm_frame_end(b, begin, 0))
        b->failed = true;
}

static bool get_columns(struct cursor *c, struct arena *arena, struct columns **out)
{
    struct columns *columns = arena_alloc(arena, sizeof *columns);
    struct slice *names;
    if (!columns)
        return false;
    columns->positional = tm_cursor_u8(c);
    columns->crlf = tm_cursor_u8(c);
    if (!tm_protocol_get_names(c, arena, &columns->n, &names))
        return false;
    for (uint32_t i = 0; i < columns->n; i++) {
        names[i] = tm_arena_copy(arena, names[i]);
        if (!names[i].p)
            return false;
    }
    columns->names = names;
    columns->raw = NULL; /* workers write no headers */
    if (!get_flags(c, arena, columns->n, &columns->as_text))
        return false;
    columns->cells = tm_cursor_u32(c);
    *out = columns;
    return get_flags(c, arena, columns->cells, &columns->skipped);
}

bool tm_protocol_get_file(struct cursor *c, struct arena *arena, uint32_t *id, struct slice *name,
                          struct slice *format, struct columns **columns)
{
    *id = tm_cursor_u32(c);
    *name = tm_arena_copy(arena, tm_cursor_bytes(c));
    *format = tm_cursor_bytes(c);
    *columns = NULL;
    if (tm_cursor_u8(c) && !get_columns(c, arena, columns))
        return false;
    return !c->bad && name->p;
}

bool tm_protocol_put_chunk(struct buf *b, const struct protocol_chunk *chunk, size_t length)
{
    size_t begin = tm_frame_begin(b, FRAME_CHUNK);
    tm_buf_u64(b, chunk->sequence);
    tm_buf_u32(b, chunk->file);
    tm_buf_u64(b, chunk->first_record);
    tm_buf_u64(b, chunk->first_line);
    tm_buf_u32(b, chunk->first);
    tm_buf_u32(b, chunk->records);
    tm_buf_u32(b, chunk->pace.bytes);
    tm_buf_u32(b, chunk->pace.every);
    tm_buf_u32(b, chunk->pace.first_every);
    tm_buf_u32(b, chunk->pace.times);
    return tm_frame_end(b, begin, length);
}

bool tm_protocol_get_chunk(struct cursor *c, struct protocol_chunk *chunk)
{
    chunk->sequence = tm_cursor_u64(c);
    chunk->file = tm_cursor_u32(c);
    chunk->first_record = tm_cursor_u64(c);
    chunk->first_line = tm_cursor_u64(c);
    chunk->first = tm_cursor_u32(c);
    chunk->records = tm_cursor_u32(c);
    chunk->pace.bytes = tm_cursor_u32(c);
    chunk->pace.every = tm_cursor_u32(c);
    chunk->pace.first_every = tm_cursor_u32(c);
    chunk->pace.times = tm_cursor_u32(c);
    return !c->bad;
}

bool tm_protocol_only_rows(struct slice begin, size_t rest)
{
    struct cursor c = {begin.p, begin.n, false};
    tm_cursor_take(&c, 8 + 4 + 8);
    bool rows = tm_cursor_u8(&c) == ITEM_ROWS;
    tm_cursor_take(&c, 3 * sizeof(uint32_t));
    bool fixed = tm_cursor_u8(&c) == LAYOUT_FIXED;
    return begin.n == RESULT_ROWS_AT && rows && fixed && tm_cursor_u32(&c) == rest && !c.bad;
}
