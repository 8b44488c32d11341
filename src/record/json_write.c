/*
 * Writing of JSON. Nodes flow in and are only read; bytes are appended to the caller's buffer. What
 * was not changed is copied from the source in spans as long as can be: a whole node, or a run of
 * fields with the white space and commas between them; a changed field keeps its own key. What has
 * no JSON source (CSV records, what scripts built) is written compactly. There is no recursion: the
 * nodes that are open are frames in a list.
 */
#include <math.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/number.h"
#include "base/utf8.h"
#include "record/cell.h"
#include "record/json.h"
#include "record/json_text.h"

/* A node that is being written field by field. */
struct frame {
    const struct node *n;
    uint32_t next;  /* the field behind the one at hand */
    bool built;     /* it has no source */
    bool any;       /* a field was written */
    bool neighbour; /* and was the one before this */
};

#define FEW 16

struct json_writer {
    struct buf *out;
    const char *from, *to; /* source bytes that are still to be copied */
    uint32_t max_depth;
    err *e;
    struct frame *frames; /* `few`, or on the heap */
    uint32_t depth, cap;
    struct frame few[FEW];
};

/* The frames live in the writer, so it is not to be moved. */
static void writer_init(struct json_writer *w, struct buf *out, uint32_t max_depth, err *e)
{
    w->out = out;
    w->from = w->to = NULL;
    w->max_depth = max_depth;
    w->e = e;
    w->frames = w->few;
    w->depth = 0;
    w->cap = FEW;
}

static void writer_release(struct json_writer *w)
{
    if (w->frames != w->few)
        tm_heap_free(w->frames);
}

/* ---- failing ---- */

#define PATH_MAX_BYTES 200

static void print_path(struct buf *out, const struct json_writer *w)
{
    for (uint32_t i = 0; i < w->depth && out->n <= PATH_MAX_BYTES; i++) {
        const struct frame *f = &w->frames[i];
        if (f->n->kind == NODE_ARRAY) {
            tm_buf_printf(out, "[%u]", f->next); /* as Lua counts */
            continue;
        }
        struct slice key = node_fields(f->n)[f->next - 1].key;
        if (i)
            buf_byte(out, '.');
        buf_append(out, key.p, key.n < PATH_MAX_BYTES ? key.n : PATH_MAX_BYTES);
    }
}

/* "field 'a.b[2]' PROBLEM", for the fields at hand */
static int fail(struct json_writer *w, const char *problem)
{
    if (!w->depth)
        return tm_err_set(w->e, TIDEMILL_E_WRITE, "the value %s", problem);
    struct buf text;
    tm_buf_init(&text);
    print_path(&text, w);
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

size_t tm_json_put_escaped(struct buf *out, struct slice text)
{
    bool high = false;
    const char *p = text.n ? text.p : "", *end = p + text.n;
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

size_t tm_json_put_text(struct buf *out, struct slice text)
{
    if (!buf_reserve(out, text.n + 2))
        return text.n;
    if (!json_copy_plain(out->p + out->n + 1, text.n ? text.p : "", text.n))
        return tm_json_put_escaped(out, text);
    out->p[out->n] = '"';
    out->n += text.n + 2;
    out->p[out->n - 1] = '"';
    return text.n;
}

static int write_string(struct json_writer *w, struct slice text, bool name)
{
    char problem[96];
    size_t good = tm_json_put_text(w->out, text);
    if (good == text.n)
        return TIDEMILL_OK;
    snprintf(problem, sizeof problem,
             "%s not UTF-8 (byte 0x%02x), so JSON cannot hold it: see input.encoding",
             name ? "has a name that is" : "is", (unsigned char)text.p[good]);
    return fail(w, problem);
}

/* ---- values ---- */

/* A scalar. False: JSON cannot say it, or it is none; what was appended of it is to be cut off. */
static bool put_scalar(struct buf *out, const struct value *v)
{
    switch (v->kind) {
    case VALUE_FLOAT:
        if (!isfinite(v->d))
            return false;
        /* fall through */
    case VALUE_INT:
        tm_cell_put_number(out, v);
        return true;
    case VALUE_TEXT:
        return tm_json_put_text(out, v->text) == v->text.n;
    case VALUE_NUMBER:
        buf_slice(out, v->text);
        return true;
    case VALUE_FALSE:
        buf_slice(out, SLICE("false"));
        return true;
    case VALUE_TRUE:
        buf_slice(out, SLICE("true"));
        return true;
    case VALUE_NONE:
    case VALUE_NULL:
        buf_slice(out, SLICE("null"));
        return true;
    default:
        return false;
    }
}

static int refuse_scalar(struct json_writer *w, const struct value *v)
{
    if (v->kind == VALUE_TEXT)
        return write_string(w, v->text, false);
    return fail(w, isnan(v->d) ? "is NaN, which JSON cannot say"
                               : "is infinite, which JSON cannot say");
}

/* A cell that reads as a number is one in JSON, with the digits it came with. */
static int write_cell(struct json_writer *w, struct slice cell)
{
    if (!number_is_cell(cell))
        return write_string(w, cell, false);
    buf_slice(w->out, cell);
    return TIDEMILL_OK;
}

static bool grow(struct json_writer *w)
{
    uint32_t cap = w->cap * 2;
    struct frame *frames = tm_heap_grow(w->frames == w->few ? NULL : w->frames,
                                        cap * sizeof *frames);
    if (!frames)
        return false;
    if (w->frames == w->few)
        memcpy(frames, w->few, sizeof w->few);
    w->frames = frames;
    w->cap = cap;
    return true;
}

/* Write a node whole, or begin to write its fields. */
static int begin_node(struct json_writer *w, const struct node *n)
{
    bool built = !tm_json_has_source(n);
    if (w->depth == w->max_depth)
        return fail(w, "is nested too deeply (limits.depth)");
    if (!built && !n->changed) {
        copy_span(w, n->source.p, n->source.p + n->source.n);
        flush(w);
        return TIDEMILL_OK;
    }
    if (w->depth == w->cap && !grow(w))
        return tm_err_memory(w->e, "a result");
    w->frames[w->depth++] = (struct frame){.n = n, .built = built};
    if (built)
        buf_byte(w->out, n->kind == NODE_OBJECT ? '{' : '[');
    return TIDEMILL_OK;
}

static int write_value(struct json_writer *w, const struct value *v)
{
    switch (v->kind) {
    case VALUE_JSON:
        copy_span(w, v->text.p, v->text.p + v->text.n);
        flush(w);
        return TIDEMILL_OK;
    case VALUE_CELL:
        return write_cell(w, v->text);
    case VALUE_NODE:
        return begin_node(w, v->node);
    default:
        return put_scalar(w->out, v) ? TIDEMILL_OK : refuse_scalar(w, v);
    }
}

/* ---- nodes: each step writes a field (or more), or ends the frame ---- */

/* Move on to the next field that is there; false: there is none. */
static bool next_field(struct frame *f)
{
    while (f->next < f->n->count) {
        if (node_fields(f->n)[f->next++].value.kind != VALUE_NONE)
            return true;
        f->neighbour = false;
    }
    return false;
}

static bool untouched(const struct field *f)
{
    return f->source.p && f->value.kind != VALUE_NONE &&
           (f->value.kind != VALUE_NODE || !f->value.node->changed);
}

/* A field without a place in the source; an element that had one keeps its bytes. */
static int write_built_field(struct json_writer *w, const struct frame *f)
{
    const struct field *field = &node_fields(f->n)[f->next - 1];
    if (f->n->kind == NODE_ARRAY && f->n->source.p && untouched(field)) {
        buf_slice(w->out, field->source);
        return TIDEMILL_OK;
    }
    if (f->n->kind == NODE_OBJECT) {
        int status = write_string(w, field->key, true);
        if (status != TIDEMILL_OK)
            return status;
        buf_byte(w->out, ':');
    }
    return write_value(w, &field->value);
}

static int step_built(struct json_writer *w, struct frame *f)
{
    if (!next_field(f)) {
        buf_byte(w->out, f->n->kind == NODE_OBJECT ? '}' : ']');
        w->depth--;
        return TIDEMILL_OK;
    }
    if (f->any)
        buf_byte(w->out, ',');
    f->any = true;
    return write_built_field(w, f);
}

/* From the field's start to its value: the key as it is spelt, the colon, white space. */
static inline const char *find_value(const struct node *n, const struct field *f)
{
    const char *end = n->source.p + n->source.n, *p = f->start;
    bool escaped;
    if (n->kind == NODE_ARRAY)
        return p;
    /* A key without escapes is a slice of the source. */
    p = f->key.p == p + 1 ? p + f->key.n + 2 : tm_json_skip_string(p, end, &escaped);
    return json_skip_space(json_skip_space(p, end) + 1, end);
}

/*
 * Fields that came from the source: the one at hand and those behind it if they are untouched, with
 * what stands between them, or the one that was changed.
 */
static int write_originals(struct json_writer *w, struct frame *f)
{
    const struct node *n = f->n;
    const struct field *field = &node_fields(n)[f->next - 1];
    const char *start = field->start;
    if (!untouched(field)) {
        copy_span(w, start, find_value(n, field));
        flush(w);
        return write_value(w, &field->value);
    }
    while (f->next < n->originals && untouched(&node_fields(n)[f->next]))
        f->next++;
    struct slice last = node_fields(n)[f->next - 1].source;
    copy_span(w, start, last.p + last.n);
    return TIDEMILL_OK;
}

/* What stands between the field at `start` and the one before it. */
static void copy_separator(struct json_writer *w, const struct node *n, const char *start)
{
    const char *comma = json_back_space(start, n->source.p) - 1;
    copy_span(w, json_back_space(comma, n->source.p), start);
}

/* The node's last bytes, with white space before the bracket if fields of the source had any. */
static void end_changed(struct json_writer *w, const struct frame *f)
{
    const struct node *n = f->n;
    const char *close = n->source.p + n->source.n - 1;
    if (!f->any)
        copy_span(w, n->source.p, n->source.p + 1);
    copy_span(w, f->any && n->originals ? json_back_space(close, n->source.p) : close, close + 1);
    flush(w);
    w->depth--;
}

static int step_changed(struct json_writer *w, struct frame *f)
{
    static const char comma[] = ",";
    const struct node *n = f->n;
    if (!next_field(f)) {
        end_changed(w, f);
        return TIDEMILL_OK;
    }
    bool original = f->next <= n->originals;
    const char *start = node_fields(n)[f->next - 1].start;
    if (!f->any)
        copy_span(w, n->source.p, original ? node_fields(n)[0].start : n->source.p + 1);
    else if (original && f->neighbour)
        copy_separator(w, n, start);
    else
        copy_span(w, comma, comma + 1);
    f->any = f->neighbour = true;
    if (original)
        return write_originals(w, f);
    flush(w);
    return write_built_field(w, f);
}

/* What was begun, to its end. */
static int finish(struct json_writer *w, int status)
{
    while (status == TIDEMILL_OK && w->depth) {
        struct frame *f = &w->frames[w->depth - 1];
        status = f->built ? step_built(w, f) : step_changed(w, f);
    }
    writer_release(w);
    return status;
}

/* An object in which nothing but one field was assigned, or added: the rest is copied around that. */
static int write_around(struct json_writer *w, const struct node *n)
{
    const struct field *f = &node_fields(n)[n->assigned - 1];
    const char *begin = n->source.p, *end = begin + n->source.n, *behind;
    int status = TIDEMILL_OK;
    w->few[0] = (struct frame){.n = n, .next = n->assigned};
    w->depth = 1; /* for messages */
    if (f->start) {
        const char *value = find_value(n, f);
        behind = value + f->source.n;
        buf_append(w->out, begin, (size_t)(value - begin));
        status = write_value(w, &f->value);
    } else {
        const struct slice last = n->originals ? f[-1].source : (struct slice){begin, 1};
        behind = n->originals ? json_back_space(end - 1, begin) : end - 1;
        buf_append(w->out, begin, (size_t)(last.p + last.n - begin));
        if (n->originals)
            buf_byte(w->out, ',');
        status = write_built_field(w, &w->few[0]);
    }
    w->depth = 0;
    buf_append(w->out, behind, (size_t)(end - behind));
    return status;
}

static bool is_around(const struct node *n)
{
    if (n->assigned == 0 || n->assigned > n->count || n->kind != NODE_OBJECT)
        return false;
    const struct field *f = &node_fields(n)[n->assigned - 1];
    return tm_json_has_source(n) && f->value.kind != VALUE_NODE &&
           (f->start || n->assigned == n->originals + 1);
}

bool tm_json_write_line(struct buf *out, const struct node *n)
{
    const char *begin = n->source.p, *end = begin + n->source.n + n->line_end.n;
    if (n->assigned == ASSIGNED_NONE) {
        buf_append(out, begin, (size_t)(end - begin));
        return true;
    }
    if (n->assigned == 0 || n->assigned > n->originals)
        return false;
    const struct field *f = &node_fields(n)[n->assigned - 1];
    const char *value = find_value(n, f), *behind = value + f->source.n;
    size_t before = out->n;
    buf_append(out, begin, (size_t)(value - begin));
    if (!put_scalar(out, &f->value)) {
        out->n = before;
        return false;
    }
    buf_append(out, behind, (size_t)(end - behind));
    return true;
}

int tm_json_write_row(struct buf *out, const struct node *n, uint32_t max_depth, err *e)
{
    struct json_writer w;
    writer_init(&w, out, json_max_depth(max_depth), e);
    if (is_around(n))
        return write_around(&w, n);
    return finish(&w, begin_node(&w, n));
}

int tm_json_write_node(struct buf *out, const struct node *n, err *e)
{
    return tm_json_write_row(out, n, NODE_DEPTH_LIMIT, e);
}

int tm_json_write_value(struct buf *out, const struct value *v, err *e)
{
    struct json_writer w;
    writer_init(&w, out, NODE_DEPTH_LIMIT, e);
    return finish(&w, write_value(&w, v));
}

int tm_json_write_text(struct buf *out, struct slice text, err *e)
{
    struct json_writer w;
    writer_init(&w, out, NODE_DEPTH_LIMIT, e);
    return finish(&w, write_string(&w, text, false));
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
