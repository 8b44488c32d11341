/*
 * A field's value as the text of a cell, for every format with cells. Values flow in, slices flow
 * out: of the record's own bytes where they say it already, else of the caller's scratch buffer.
 */
#include "format/layout.h"
#include "record/cell.h"
#include "record/json.h"
#include "record/json_text.h"

static int no_nesting(const struct field *f, err *e)
{
    return tm_err_set(e, TIDEMILL_E_WRITE,
                      "field '%.*s' is an array or an object, which output.nested: error forbids",
                      NAME_ARGS(f->key));
}

/* A JSON value that nobody has looked at. */
static int json_text(const struct output_dialect *d, const struct field *f, struct buf *scratch,
                     struct slice *out, err *e)
{
    struct slice text = f->value.text;
    *out = text;
    if (text.n == 0)
        return TIDEMILL_OK;
    switch (text.p[0]) {
    case 'n':
        *out = (struct slice){"", 0};
        return TIDEMILL_OK;
    case '{':
    case '[':
        if (d->nested == NESTED_ERROR)
            return no_nesting(f, e);
        /* Its own bytes, but as one line. */
        if (memchr(text.p, '\n', text.n)) {
            buf_slice(scratch, text);
            tm_json_one_line(scratch, 0);
            *out = buf_view(scratch);
        }
        return TIDEMILL_OK;
    case '"':
        *out = (struct slice){text.p + 1, text.n - 2};
        if (!memchr(out->p, '\\', out->n))
            return TIDEMILL_OK;
        if (!buf_reserve(scratch, out->n))
            return tm_err_memory(e, "a cell");
        scratch->n = tm_json_unescape(scratch->p, *out);
        *out = buf_view(scratch);
        return TIDEMILL_OK;
    default:
        return TIDEMILL_OK;
    }
}

/*
 * JSON's messages know the place inside the value only: "field 'b[2]' is NaN" or "the value is
 * ...". Put the field's name before it.
 */
static int name_field(const struct field *f, err *e)
{
    static const char begin[] = "field '", value[] = "the value ";
    char text[sizeof e->message];
    if (!e)
        return TIDEMILL_E_WRITE;
    memcpy(text, e->message, sizeof text);
    if (strncmp(text, value, sizeof value - 1) == 0)
        return tm_err_set(e, TIDEMILL_E_WRITE, "field '%.*s' %s", NAME_ARGS(f->key),
                          text + sizeof value - 1);
    if (strncmp(text, begin, sizeof begin - 1) != 0)
        return TIDEMILL_E_WRITE;
    const char *rest = text + sizeof begin - 1;
    return tm_err_set(e, TIDEMILL_E_WRITE, "field '%.*s%s%s", NAME_ARGS(f->key),
                      *rest == '[' ? "" : ".", rest);
}

static int node_text(const struct output_dialect *d, const struct field *f, struct buf *scratch,
                     struct slice *out, err *e)
{
    if (d->nested == NESTED_ERROR)
        return no_nesting(f, e);
    int status = tm_json_write_value(scratch, &f->value, e);
    tm_json_one_line(scratch, 0);
    *out = buf_view(scratch);
    return status == TIDEMILL_E_WRITE ? name_field(f, e) : status;
}

int tm_cell_text(const struct output_dialect *d, const struct field *f, struct buf *scratch,
                 struct slice *out, err *e)
{
    const struct value *v = &f->value;
    int status = TIDEMILL_OK;
    buf_reset(scratch);
    *out = (struct slice){"", 0};
    switch (v->kind) {
    case VALUE_NONE:
    case VALUE_NULL:
        break;
    case VALUE_FALSE:
        *out = SLICE("false");
        break;
    case VALUE_TRUE:
        *out = SLICE("true");
        break;
    case VALUE_INT:
    case VALUE_FLOAT:
        tm_cell_put_number(scratch, v);
        *out = buf_view(scratch);
        break;
    case VALUE_CELL:
    case VALUE_TEXT:
    case VALUE_NUMBER:
        *out = v->text;
        break;
    case VALUE_JSON:
        status = json_text(d, f, scratch, out, e);
        break;
    case VALUE_NODE:
        status = node_text(d, f, scratch, out, e);
        break;
    }
    if (status == TIDEMILL_OK && scratch->failed)
        return tm_err_memory(e, "a cell");
    return status;
}

bool tm_cell_may_fail(const struct output_dialect *d, const struct field *f)
{
    const struct value *v = &f->value;
    return v->kind == VALUE_NODE || (v->kind == VALUE_JSON && d->nested == NESTED_ERROR);
}
