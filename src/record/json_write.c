/*
 * Writing of JSON. Nodes flow in and are only read; bytes are appended to the caller's buffer. What
 * was not changed is copied from the source in spans as long as can be: a whole node, or a run of
 * fields with the white space and commas between them; a changed field keeps its own key. What has
 * no JSON source (CSV records, what scripts built) is written compactly.
 */
#include <math.h>
#include <stdio.h>

#include "base/number.h"
#include "base/utf8.h"
#include "record/json.h"
#include "record/json_text.h"

struct json_writer {
    struct buf *out;
    const char *from, *to; /* source bytes that are still to be copied */
    uint32_t max_depth;
    err *e;
};

/* Where in the record the writer is, for messages: a chain up the stack. */
struct path {
    const struct path *up;
    const struct node *n;
    uint32_t i;
};

/* ---- failing ---- */

#define PATH_MAX_BYTES 200

static void print_path(struct buf *out, const struct path *p)
{
    if (p->up)
        print_path(out, p->up);
    if (out->n > PATH_MAX_BYTES)
        return;
    if (p->n->kind == NODE_ARRAY) {
        tm_buf_printf(out, "[%u]", p->i + 1); /* as Lua counts */
        return;
    }
    struct slice key = p->n->fields[p->i].key;
    if (p->up)
        buf_byte(out, '.');
    buf_append(out, key.p, key.n < PATH_MAX_BYTES ? key.n : PATH_MAX_BYTES);
}

/* "field 'a.b[2]' PROBLEM" */
static int fail(struct json_writer *w, const struct path *path, const char *problem)
{
    if (!path)
        return tm_err_set(w->e, TIDEMILL_E_WRITE, "the value %s", problem);
    struct buf text;
    tm_buf_init(&text);
    print_path(&text, path);
    int n = text.failed ? 0 : (int)text.n;
    tm_err_set(w->e, TIDEMILL_E_WRITE, "field '%.*s' %s", n, n ? text.p : "", problem);
    tm_buf_release(&text);
    return TIDEMILL_E_WRITE;
}

/* ---- spans ---- */

static void flush(struct json_writer *w)
{
    buf_append(w->out, w->from, (size_t)(w->to - w->from));
    w->from = w->to;
}

/* Source bytes go out through here alone, in as long spans as can be. */
static void copy_span(struct json_writer *w, const char *from, const char *to)
{
    if (w->from != w->to && w->to != from)
        flush(w);
    if (w->from == w->to)
        w->from = from;
    w->to = to;
}

/* ---- text ---- */

static void write_escape(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char short_forms[256] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                          ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    char text[6] = {'\\', short_forms[c]};
    size_t n = 2;
    if (!short_forms[c]) {
        memcpy(text + 1, "u00", 3);
        text[4] = digits[c >> 4];
        text[5] = digits[c & 15];
        n = 6;
    }
    buf_append(out, text, n);
}

/* Returns the offset of the first byte that is not UTF-8, or text.n when all was written. */
static size_t write_text(struct buf *out, struct slice text)
{
    bool high = false;
    const char *p = text.n ? text.p : "", *end = p + text.n;
    if (!buf_reserve(out, text.n + 2))
        return text.n;
    buf_byte(out, '"');
    while (p < end) {
        const char *stop = json_find_special(p, end, &high);
        buf_append(out, p, (size_t)(stop - p));
        if (stop < end)
            write_escape(out, (unsigned char)*stop++);
        p = stop;
    }
    buf_byte(out, '"');
    return high ? tm_utf8_check(text) : text.n;
}

static int fail_text(struct json_writer *w, const struct path *path, bool name, unsigned char c)
{
    char problem[96];
    snprintf(problem, sizeof problem, "%s not UTF-8 (byte 0x%02x), so JSON cannot hold it",
             name ? "has a name that is" : "is", c);
    return fail(w, path, problem);
}

static int write_string(struct json_writer *w, struct slice text, const struct path *path,
                        bool name)
{
    size_t good = write_text(w->out, text);
    if (good < text.n)
        return fail_text(w, path, name, (unsigned char)text.p[good]);
    return TIDEMILL_OK;
}

/* ---- values ---- */

static int write_node(struct json_writer *w, const struct node *n, const struct path *path,
                      unsigned depth);

static int write_float(struct json_writer *w, double d, const struct path *path)
{
    char text[NUMBER_TEXT_MAX];
    if (!isfinite(d))
        return fail(w, path,
                    isnan(d) ? "is NaN, which JSON cannot say"
                             : "is infinite, which JSON cannot say");
    buf_append(w->out, text, tm_number_print_float(text, d));
    return TIDEMILL_OK;
}

/* A cell that reads as a number is one in JSON, with the digits it came with. */
static int write_cell(struct json_writer *w, struct slice cell, const struct path *path)
{
    int64_t i;
    double d;
    if (tm_number_cell(cell, &i, &d) == NUMBER_NONE)
        return write_string(w, cell, path, false);
    buf_slice(w->out, cell);
    return TIDEMILL_OK;
}

static int write_value(struct json_writer *w, const struct value *v, const struct path *path,
                       unsigned depth)
{
    char text[NUMBER_TEXT_MAX];
    switch (v->kind) {
    case VALUE_JSON:
        copy_span(w, v->text.p, v->text.p + v->text.n);
        flush(w);
        return TIDEMILL_OK;
    case VALUE_CELL:
        return write_cell(w, v->text, path);
    case VALUE_FALSE:
        buf_slice(w->out, SLICE("false"));
        return TIDEMILL_OK;
    case VALUE_TRUE:
        buf_slice(w->out, SLICE("true"));
        return TIDEMILL_OK;
    case VALUE_INT:
        buf_append(w->out, text, tm_number_print_int(text, v->i));
        return TIDEMILL_OK;
    case VALUE_FLOAT:
        return write_float(w, v->d, path);
    case VALUE_TEXT:
        return write_string(w, v->text, path, false);
    case VALUE_NUMBER:
        buf_slice(w->out, v->text);
        return TIDEMILL_OK;
    case VALUE_NODE:
        return write_node(w, v->node, path, depth + 1);
    case VALUE_NONE:
    case VALUE_NULL:
        break;
    }
    buf_slice(w->out, SLICE("null"));
    return TIDEMILL_OK;
}

/* ---- nodes ---- */

/* A field without a place in the source. */
static int write_built_field(struct json_writer *w, const struct path *at, unsigned depth)
{
    const struct field *f = &at->n->fields[at->i];
    if (at->n->kind == NODE_OBJECT) {
        int status = write_string(w, f->key, at, true);
        if (status != TIDEMILL_OK)
            return status;
        buf_byte(w->out, ':');
    }
    return write_value(w, &f->value, at, depth);
}

static int write_built(struct json_writer *w, const struct node *n, const struct path *up,
                       unsigned depth)
{
    bool any = false;
    buf_byte(w->out, n->kind == NODE_OBJECT ? '{' : '[');
    for (uint32_t i = 0; i < n->count; i++) {
        struct path at = {up, n, i};
        if (n->fields[i].value.kind == VALUE_NONE)
            continue;
        if (any)
            buf_byte(w->out, ',');
        any = true;
        int status = write_built_field(w, &at, depth);
        if (status != TIDEMILL_OK)
            return status;
    }
    buf_byte(w->out, n->kind == NODE_OBJECT ? '}' : ']');
    return TIDEMILL_OK;
}

/* From the field's start to its value: the key as it is spelt, the colon, white space. */
static const char *find_value(const struct node *n, const char *start, const char *end)
{
    bool escaped;
    if (n->kind == NODE_ARRAY)
        return start;
    const char *p = json_skip_space(tm_json_skip_string(start, end, &escaped), end);
    return json_skip_space(p + 1, end);
}

static bool untouched(const struct field *f)
{
    return f->source.p && f->value.kind != VALUE_NONE &&
           (f->value.kind != VALUE_NODE || !f->value.node->changed);
}

/*
 * Fields that came from the source: those from at->i on that are untouched, with what stands between
 * them, or the one that was changed. at->i becomes the last one written.
 */
static int write_originals(struct json_writer *w, struct path *at, unsigned depth)
{
    const struct node *n = at->n;
    const char *start = n->fields[at->i].start;
    if (!untouched(&n->fields[at->i])) {
        copy_span(w, start, find_value(n, start, n->source.p + n->source.n));
        flush(w);
        return write_value(w, &n->fields[at->i].value, at, depth);
    }
    while (at->i + 1 < n->originals && untouched(&n->fields[at->i + 1]))
        at->i++;
    struct slice last = n->fields[at->i].source;
    copy_span(w, start, last.p + last.n);
    return TIDEMILL_OK;
}

/* What stands between the field at `start` and the one before it. */
static void copy_separator(struct json_writer *w, const struct node *n, const char *start)
{
    const char *comma = json_back_space(start, n->source.p) - 1;
    copy_span(w, json_back_space(comma, n->source.p), start);
}

static int write_changed(struct json_writer *w, const struct node *n, const struct path *up,
                         unsigned depth)
{
    static const char comma[] = ",";
    const char *close = n->source.p + n->source.n - 1;
    bool any = false, neighbour = false;
    for (uint32_t i = 0; i < n->count; i++) {
        struct path at = {up, n, i};
        const struct field *f = &n->fields[i];
        bool original = i < n->originals;
        if (f->value.kind == VALUE_NONE) {
            neighbour = false;
            continue;
        }
        if (!any)
            copy_span(w, n->source.p, original ? n->fields[0].start : n->source.p + 1);
        else if (original && neighbour)
            copy_separator(w, n, f->start);
        else
            copy_span(w, comma, comma + 1);
        any = neighbour = true;
        if (!original)
            flush(w);
        int status = original ? write_originals(w, &at, depth) : write_built_field(w, &at, depth);
        if (status != TIDEMILL_OK)
            return status;
        i = at.i;
    }
    if (!any)
        copy_span(w, n->source.p, n->source.p + 1);
    copy_span(w, any && n->originals ? json_back_space(close, n->source.p) : close, close + 1);
    flush(w);
    return TIDEMILL_OK;
}

static int write_node(struct json_writer *w, const struct node *n, const struct path *path,
                      unsigned depth)
{
    if (depth > w->max_depth)
        return fail(w, path, "is nested too deeply");
    if (!tm_json_has_source(n))
        return write_built(w, n, path, depth);
    if (n->changed)
        return write_changed(w, n, path, depth);
    copy_span(w, n->source.p, n->source.p + n->source.n);
    flush(w);
    return TIDEMILL_OK;
}

int tm_json_write_node(struct buf *out, const struct node *n, err *e)
{
    struct json_writer w = {.out = out, .max_depth = NODE_DEPTH_LIMIT, .e = e};
    return write_node(&w, n, NULL, 1);
}

int tm_json_write_row(struct buf *out, const struct node *n, uint32_t max_depth, err *e)
{
    struct json_writer w = {.out = out, .max_depth = json_max_depth(max_depth), .e = e};
    return write_node(&w, n, NULL, 1);
}

void tm_json_one_line(struct buf *out, size_t from)
{
    bool escaped;
    if (out->failed || out->n == from || !memchr(out->p + from, '\n', out->n - from))
        return;
    char *to = out->p + from;
    const char *p = to, *end = out->p + out->n;
    while (p < end) {
        const char *begin = p;
        if (json_is_space(*p)) {
            p++;
            continue;
        }
        p = *p == '"' ? tm_json_skip_string(p, end, &escaped) : p + 1;
        memmove(to, begin, (size_t)(p - begin));
        to += p - begin;
    }
    out->n = (size_t)(to - out->p);
}

int tm_json_write_value(struct buf *out, const struct value *v, err *e)
{
    struct json_writer w = {.out = out, .max_depth = NODE_DEPTH_LIMIT, .e = e};
    return write_value(&w, v, NULL, 0);
}

int tm_json_write_text(struct buf *out, struct slice text, err *e)
{
    struct json_writer w = {.out = out, .max_depth = NODE_DEPTH_LIMIT, .e = e};
    return write_string(&w, text, NULL, false);
}
