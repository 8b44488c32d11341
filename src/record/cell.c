/*
 * CSV cells become values here, and numbers text again. The content is borrowed; numbers are read
 * from it, text points to it.
 */
#include "record/cell.h"

#include "base/number.h"

struct value tm_cell_value(struct slice content)
{
    struct value v = {.kind = VALUE_TEXT};
    switch (tm_number_cell(content, &v.i, &v.d)) {
    case NUMBER_INT:
        v.kind = VALUE_INT;
        return v;
    case NUMBER_FLOAT:
        v.kind = VALUE_FLOAT;
        return v;
    default:
        v.text = content;
        return v;
    }
}

void tm_cell_put_number(struct buf *out, const struct value *v)
{
    if (!buf_reserve(out, NUMBER_TEXT_MAX))
        return;
    char *p = out->p + out->n;
    out->n += v->kind == VALUE_INT ? tm_number_print_int(p, v->i) : tm_number_print_float(p, v->d);
}
