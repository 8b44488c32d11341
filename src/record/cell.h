/*
 * CSV cells as values: typed when touched.
 */
#ifndef TM_RECORD_CELL_H
#define TM_RECORD_CELL_H

#include "base/buf.h"
#include "record/value.h"

/* INT, FLOAT or TEXT by tm_number_cell's grammar. TEXT points to the content. */
void tm_cell_value(struct slice content, struct value *out);
/* Append an INT or a FLOAT as it is written in a cell, and in JSON when it is finite. */
void tm_cell_put_number(struct buf *out, const struct value *v);

#endif
