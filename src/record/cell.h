/*
 * CSV cells as values: typed when touched.
 */
#ifndef TM_RECORD_CELL_H
#define TM_RECORD_CELL_H

#include "record/value.h"

/* INT, FLOAT or TEXT by tm_number_cell's grammar. TEXT points to the content. */
struct value tm_cell_value(struct slice content);

#endif
