/*
 * Text: a record a line, with the one field `line`. Every line is a record, blank ones too. A CR
 * before the LF belongs to the line end; all other bytes are the field's.
 */
#include "base/heap.h"
#include "format/formats.h"
#include "format/layout.h"
#include "format/lines.h"

static const struct slice line_name[] = {SLICE("line")};
static const struct columns line_column = {.n = 1, .names = line_name, .cells = 1};

struct reader {
    uint64_t shape; /* of its records */
};

struct writer {
    const struct output_dialect *dialect;
    bool verbatim;   /* records of text keep their line end */
    struct buf text; /* of tm_cell_text() */
};

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
    *s = (struct split_state){.document = s->document};
    *out = (struct extent){.length = feed ? (size_t)(feed - p) + 1 : n, .lines = 1};
    return SPLIT_RECORD;
}

static uint32_t run(const struct input_dialect *d, const char *p, size_t n, size_t *length)
{
    static const struct line_rule rule = {.skips = false, .comment = '\n', .quote = '\n'};
    (void)d;
    return tm_line_run(&rule, p, n, length);
}

static struct reader *reader_new(const struct input_dialect *d, const struct columns *columns)
{
    (void)d;
    (void)columns;
    struct reader *r = tm_heap_zeroed(1, sizeof *r);
    if (r)
        r->shape = tm_shape_new();
    return r;
}

static void reader_free(struct reader *r)
{
    tm_heap_free(r);
}

static enum parse_verdict parse(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e)
{
    const char *feed = memchr(p, '\n', n);
    struct slice line = {p, feed ? (size_t)(feed - p) : n};
    *out = (struct parsed){.length = feed ? line.n + 1 : n, .lines = 1};
    struct node *node = tm_node_new(arena, NODE_OBJECT, 4);
    if (!node) {
        tm_err_memory(e, "a record");
        return PARSE_MEMORY;
    }
    if (feed && line.n && line.p[line.n - 1] == '\r')
        line.n--;
    *tm_node_append(node) = (struct field){
        .key = line_name[0], .source = line, .value = {.kind = VALUE_TEXT, .text = line}};
    node->originals = 1;
    node->source = line;
    node->line_end = (struct slice){p + line.n, out->length - line.n};
    node->origin = &line_column;
    node->columns = &line_column;
    node->shape = r->shape;
    out->record = node;
    return PARSE_RECORD;
}

static struct writer *writer_new(const struct output_dialect *d)
{
    struct writer *w = tm_heap_zeroed(1, sizeof *w);
    if (w)
        w->dialect = d;
    return w;
}

static void writer_free(struct writer *w)
{
    if (!w)
        return;
    tm_buf_release(&w->text);
    tm_heap_free(w);
}

static void verbatim(struct writer *w, const struct reader *origin)
{
    w->verbatim = origin != NULL;
}

/* The field `line`; NULL with a refusal, or without one where a missing field is empty. */
static const struct field *find_line(const struct writer *w, const struct node *record, int *status,
                                     err *e)
{
    const struct field *line = NULL;
    *status = TIDEMILL_OK;
    const struct field *f = node_fields(record), *end = f + record->count;
    for (; f < end; f++) {
        if (f->value.kind == VALUE_NONE)
            continue;
        if (slice_eq(f->key, line_name[0]))
            line = f;
        else if (w->dialect->extra == EXTRA_ERROR)
            *status = tm_err_set(e, TIDEMILL_E_WRITE,
                                 "field '%.*s' cannot be written as text, which has the field "
                                 "'line' alone (output.extra: drop leaves others out)",
                                 NAME_ARGS(f->key));
        if (*status != TIDEMILL_OK)
            return NULL;
    }
    if (!line && w->dialect->missing == MISSING_ERROR)
        *status = tm_err_set(e, TIDEMILL_E_WRITE,
                             "the record has no field 'line', which is what text is written from "
                             "(output.missing: empty writes an empty line)");
    return line;
}

/*
 * A line that ends in CR would lose it to an LF behind it: after CRLF it is read back.
 */
static struct slice line_end(const struct writer *w, const struct node *record, struct slice text)
{
    if (w->verbatim && record->origin == &line_column && record->line_end.n == 2)
        return record->line_end;
    return text.n && text.p[text.n - 1] == '\r' ? SLICE("\r\n") : SLICE("\n");
}

static int write(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    struct slice text = {NULL, 0};
    int status;
    const struct field *line = find_line(w, record, &status, e);
    if (status == TIDEMILL_OK && line)
        status = tm_cell_text(w->dialect, line, &w->text, &text, e);
    if (status != TIDEMILL_OK)
        return status;
    if (text.n && memchr(text.p, '\n', text.n))
        return tm_err_set(e, TIDEMILL_E_WRITE,
                          "field 'line' holds a line end, which would make two lines of it");
    buf_slice(out, text);
    buf_slice(out, line_end(w, record, text));
    return out->failed ? tm_err_memory(e, "a line") : TIDEMILL_OK;
}

static const char *const extensions[] = {".txt", ".text", ".log", NULL};

const struct format tm_format_text = {
    .name = "text",
    .extensions = extensions,
    .help = "text: each line is a record with the one field line",
    .line_records = true,
    .split = split,
    .run = run,
    .reader_new = reader_new,
    .reader_free = reader_free,
    .parse = parse,
    .writer_new = writer_new,
    .writer_free = writer_free,
    .verbatim = verbatim,
    .write = write,
};
