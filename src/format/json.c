/*
 * JSON: the elements of one array are the records. Split passes over what stands around them and
 * validates it (json_document.c), and finds where each ends (json_element.c); parse reads one as JSON
 * Lines are read; write puts a comma and a line feed before each row, of which the first comma is
 * taken off where the output is put together.
 */
#include "base/heap.h"
#include "format/encoding.h"
#include "format/formats.h"
#include "format/json_document.h"
#include "format/json_element.h"
#include "format/json_reader.h"
#include "record/json_text.h"

struct writer {
    uint32_t max_depth;
    struct json_names names;
};

struct finish {
    bool any; /* a row was written */
};

/* ---- split ---- */

/* Between the records of a chunk. */
static enum split_verdict pass_between(const char *p, size_t n, struct extent *out)
{
    size_t i = 0;
    while (i < n && json_between(p[i]))
        i++;
    *out = (struct extent){.length = i, .lines = json_count_lines(p, p + i)};
    return SPLIT_SKIP;
}

static enum split_verdict split(const struct input_dialect *d, struct split_state *s, const char *p,
                                size_t n, bool final, struct extent *out, err *e)
{
    (void)d;
    if (n == 0)
        return SPLIT_MORE;
    if (!s->document && s->scanned == 0 && json_between(*p))
        return pass_between(p, n, out);
    if (s->document && s->scanned == 0) {
        switch (tm_json_document_pass(s->document, p, n, final, out, e)) {
        case DOCUMENT_PASSED:
            return SPLIT_SKIP;
        case DOCUMENT_MORE:
            return SPLIT_MORE;
        case DOCUMENT_BROKEN:
            return SPLIT_ERROR;
        case DOCUMENT_ELEMENT:
            break;
        }
    }
    enum split_verdict verdict = tm_json_element(s, p, n, final, out, e);
    if (verdict == SPLIT_RECORD && s->document)
        tm_json_document_taken(s->document, p, out);
    return verdict;
}

/* ---- parse ---- */

static struct reader *reader_new(const struct input_dialect *d, const struct columns *columns)
{
    (void)columns;
    return tm_json_records_new(d, "the end of the record");
}

/* An element's place in the file is its first line: the rest of the way is told in the message. */
static enum parse_verdict fail(const struct reader *r, int status, const char *p, size_t where,
                               err *e)
{
    if (status == TIDEMILL_E_MEMORY)
        return PARSE_MEMORY;
    if (!e || where == SIZE_MAX)
        return PARSE_FAILED;
    const char *feed = memrchr(p, '\n', where);
    const char *line = feed ? feed + 1 : p;
    struct slice before = {line, (size_t)(p + where - line)};
    size_t column = tm_encoding_taken(r->encoding, before) + 1;
    if (feed)
        tm_err_set(e, status, "invalid JSON in line %llu of the record, column %zu: %s",
                   (unsigned long long)json_count_lines(p, p + where) + 1, column, e->message);
    else
        tm_err_set(e, status, "invalid JSON at column %zu of the record: %s", column, e->message);
    return PARSE_FAILED;
}

static enum parse_verdict parse(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e)
{
    struct split_state state = {0};
    struct extent extent = {0};
    size_t where = SIZE_MAX;
    *out = (struct parsed){0};
    if (json_between(*p)) {
        pass_between(p, n, &extent);
        *out = (struct parsed){NULL, extent.length, extent.lines};
        return PARSE_SKIP;
    }
    /* A valid object ends where its brackets do: then it is looked at but once. */
    struct slice rest = {p, n};
    if (*p == '{' &&
        tm_json_read_first(r->json, arena, rest, &out->length, &out->record) == TIDEMILL_OK) {
        out->lines = json_count_lines(p, p + out->length);
        return PARSE_RECORD;
    }
    tm_json_element(&state, p, n, true, &extent, NULL);
    struct slice record = {p, extent.length};
    out->length = record.n;
    out->lines = json_count_lines(p, p + record.n);
    int status = tm_json_read(r->json, arena, record, &out->record, &where, e);
    return status == TIDEMILL_OK ? PARSE_RECORD : fail(r, status, p, where, e);
}

/* ---- write ---- */

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

static int write(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    buf_slice(out, SLICE(",\n"));
    int status = TIDEMILL_OK;
    if (!tm_json_write_flat(&w->names, out, record))
        status = tm_json_write_row(out, record, w->max_depth, e);
    if (status != TIDEMILL_OK)
        return status;
    return out->failed ? tm_err_memory(e, "a result") : TIDEMILL_OK;
}

/* ---- around the rows ---- */

static struct finish *finish_new(const struct output_dialect *d)
{
    (void)d;
    return tm_heap_zeroed(1, sizeof(struct finish));
}

static void finish_free(struct finish *f)
{
    tm_heap_free(f);
}

static int finish_begin(struct finish *f, struct buf *out, uint32_t n, const struct slice *names)
{
    (void)f;
    (void)n;
    (void)names;
    buf_byte(out, '[');
    return out->failed ? TIDEMILL_E_MEMORY : TIDEMILL_OK;
}

static int finish_rows(struct finish *f, struct buf *out, struct slice rows, err *e)
{
    if (rows.n < 4 || memcmp(rows.p, ",\n{", 3) != 0 || rows.p[rows.n - 1] != '}')
        return tm_err_set(e, TIDEMILL_E_WORKER, "a worker sent broken rows");
    buf_append(out, rows.p + !f->any, rows.n - !f->any);
    f->any = true;
    return out->failed ? tm_err_memory(e, "the output") : TIDEMILL_OK;
}

static int finish_end(struct finish *f, struct buf *out)
{
    buf_slice(out, f->any ? SLICE("\n]\n") : SLICE("]\n"));
    return out->failed ? TIDEMILL_E_MEMORY : TIDEMILL_OK;
}

static const char *const extensions[] = {".json", NULL};

const struct format tm_format_json = {
    .name = "json",
    .extensions = extensions,
    .help = "JSON: an array of objects, the whole document or the one at input.at",
    .split = split,
    .document_new = tm_json_document_new,
    .document_free = tm_json_document_free,
    .document_end = tm_json_document_end,
    .reader_new = reader_new,
    .reader_free = tm_json_records_free,
    .begin = tm_json_records_begin,
    .parse = parse,
    .writer_new = writer_new,
    .writer_free = writer_free,
    .write = write,
    .finish_new = finish_new,
    .finish_free = finish_free,
    .finish_begin = finish_begin,
    .finish_rows = finish_rows,
    .finish_end = finish_end,
};
