/*
 * CSV cells become values here, and numbers text again. The content is borrowed; numbers are read
 * from it, text points to it.
 */
#include "record/cell.h"

#include "base/number.h"

void tm_cell_value(struct slice content, struct value *out)
{
    switch (tm_number_cell(content, &out->i, &out->d)) {
    case NUMBER_INT:
        out->kind = VALUE_INT;
        break;
    case NUMBER_FLOAT:
        out->kind = VALUE_FLOAT;
        break;
    default:
        out->kind = VALUE_TEXT;
        out->text = content;
        break;
    }
}

void tm_cell_put_number(struct buf *out, const struct value *v)
{
    if (!buf_reserve(out, NUMBER_TEXT_MAX))
        return;
    char *p = out->p + out->n;
    out->n += v->kind == VALUE_INT ? tm_number_print_int(p, v->i) : tm_number_print_float(p, v->d);
}
