/*
 * The two halves of the table: table.c in a worker, table_print.c where the output is put together.
 */
#ifndef TM_FORMAT_TABLE_H
#define TM_FORMAT_TABLE_H

#include "format/format.h"

struct finish *tm_table_finish_new(const struct output_dialect *d);
void tm_table_finish_free(struct finish *f);
int tm_table_finish_begin(struct finish *f, struct buf *out, uint32_t n, const struct slice *names);
int tm_table_finish_rows(struct finish *f, struct buf *out, struct slice rows, err *e);
int tm_table_finish_end(struct finish *f, struct buf *out);

/* The next row's n cells; false when the bytes are no row of n cells. */
bool tm_table_take_row(struct cursor *c, uint32_t n, struct slice *cells);

#endif
