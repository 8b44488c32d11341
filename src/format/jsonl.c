/*
 * JSON Lines: a JSON object a line, lines of white space between them skipped. Split finds line
 * ends and looks at nothing else; parse reads the line; write gives a record its own bytes where
 * they are JSON. A carriage return before the line feed belongs to the line end.
 */
#include "base/heap.h"
#include "format/encoding.h"
#include "format/formats.h"
#include "format/json_reader.h"
#include "format/lines.h"

struct writer {
    uint32_t max_depth;
    bool verbatim; /* line ends of records that were read here may be copied */
    struct json_names names;
};

/* Of all records that are read here; a copy of one may outlive its reader. */
static const char origin;

static bool is_blank(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n'))
        i++;
    return i == n;
}

static enum split_verdict split(const struct input_dialect *d, struct split_state *s, const char *p,
                                size_t n, bool final, struct extent *out, err *e)
{
    (void)d;
    (void)e;
    const char *feed = n > s->scanned ? memchr(p + s->scanned, '\n', n - s->scanned) : NULL;
    if (!feed && (!final || n == 0)) {
        s->scanned = n;
        return SPLIT_MORE;
    }
    *out = (struct extent){.length = feed ? (size_t)(feed - p) + 1 : n, .lines = 1};
    return is_blank(p, out->length) ? SPLIT_SKIP : SPLIT_RECORD;
}

static uint32_t run(const struct input_dialect *d, const char *p, size_t n, size_t *length)
{
    static const struct line_rule rule = {.skips = true, .comment = '\n', .quote = '\n'};
    (void)d;
    return tm_line_run(&rule, p, n, length);
}

static struct reader *reader_new(const struct input_dialect *d, const struct columns *columns)
{
    (void)columns;
    return tm_json_records_new(d, "end of line");
}

static enum parse_verdict fail(const struct reader *r, int status, const char *p, size_t where,
                               err *e)
{
    if (status == TIDEMILL_E_MEMORY)
        return PARSE_MEMORY;
    if (e && where != SIZE_MAX)
        tm_err_set(e, status, "invalid JSON at column %zu: %s",
                   tm_encoding_taken(r->encoding, (struct slice){p, where}) + 1, e->message);
    return PARSE_FAILED;
}

static enum parse_verdict parse_line(struct reader *r, struct arena *arena, const char *p, size_t n,
                                     struct parsed *out, err *e)
{
    size_t where = SIZE_MAX;
    const char *feed = memchr(p, '\n', n);
    struct slice line = {p, feed ? (size_t)(feed - p) : n};
    *out = (struct parsed){.length = feed ? line.n + 1 : n, .lines = 1};
    if (is_blank(line.p, line.n))
        return PARSE_SKIP;
    if (feed && line.p[line.n - 1] == '\r')
        line.n--;
    int status = tm_json_read(r->json, arena, line, &out->record, &where, e);
    if (status != TIDEMILL_OK)
        return fail(r, status, p, where, e);
    out->record->line_end = (struct slice){line.p + line.n, out->length - line.n};
    out->record->origin = &origin;
    return PARSE_RECORD;
}

/* The bytes of the line end at p; 0: there is something else. */
static size_t line_end_at(const char *p, const char *end)
{
    if (p < end && *p == '\n')
        return 1;
    return end - p > 1 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

static enum parse_verdict parse(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e)
{
    const char *behind;
    struct node *record = tm_json_read_like(r->json, arena, p, p + n, &behind);
    size_t line_end = record ? line_end_at(behind, p + n) : 0;
    if (!line_end)
        return parse_line(r, arena, p, n, out, e);
    record->line_end = (struct slice){behind, line_end};
    record->origin = &origin;
    *out = (struct parsed){record, record->source.n + line_end, 1};
    return PARSE_RECORD;
}

static struct writer *writer_new(const struct output_dialect *d)
{
    struct writer *w = tm_heap_new(sizeof *w);
    if (w)
        *w = (struct writer){.max_depth = d->max_depth};
    return w;
}

static void writer_free(struct writer *w)
{
    tm_json_names_release(&w->names);
    tm_heap_free(w);
}

static void verbatim(struct writer *w, const struct reader *reader)
{
    w->verbatim = reader != NULL;
}

/* Was it read as this format, and may its own bytes be copied? */
static bool is_own(const struct writer *w, const struct node *record)
{
    return w->verbatim && record->origin == &origin;
}

/* A record that came as a line is one still, if no more than a scalar was put into it. */
static bool is_line(const struct writer *w, const struct node *record)
{
    if (!is_own(w, record) || record->assigned == 0)
        return false;
    if (record->assigned == ASSIGNED_NONE)
        return true;
    enum value_kind kind = node_fields(record)[record->assigned - 1].value.kind;
    return kind != VALUE_JSON && kind != VALUE_NODE;
}

/* A record of this format that goes out with its own line end, which stands right behind it. */
static bool write_line(const struct writer *w, struct buf *out, const struct node *record)
{
    struct slice own = record->source, line_end = record->line_end;
    return is_own(w, record) && line_end.n && line_end.p == own.p + own.n &&
           tm_json_write_line(out, record);
}

static int write(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    size_t begin = out->n;
    if (write_line(w, out, record))
        return out->failed ? tm_err_memory(e, "a result") : TIDEMILL_OK;
    if (!tm_json_write_flat(&w->names, out, record)) {
        int status = tm_json_write_row(out, record, w->max_depth, e);
        if (status != TIDEMILL_OK)
            return status;
        if (!is_line(w, record))
            tm_json_one_line(out, begin);
    }
    bool own_end = record->line_end.n && is_own(w, record);
    buf_slice(out, own_end ? record->line_end : SLICE("\n"));
    return out->failed ? tm_err_memory(e, "a result") : TIDEMILL_OK;
}

static const char *const extensions[] = {".jsonl", ".ndjson", NULL};

const struct format tm_format_jsonl = {
    .name = "jsonl",
    .extensions = extensions,
    .help = "JSON Lines: one JSON object a line",
    .line_records = true,
    .split = split,
    .run = run,
    .reader_new = reader_new,
    .reader_free = tm_json_records_free,
    .begin = tm_json_records_begin,
    .parse = parse,
    .writer_new = writer_new,
    .writer_free = writer_free,
    .verbatim = verbatim,
    .write = write,
};
