/*
 * Columns a.b and a.c as one nested value a: input.unflatten, for every format with a header.
 */
#ifndef TM_FORMAT_UNFLATTEN_H
#define TM_FORMAT_UNFLATTEN_H

#include "format/format.h"

/* How a file's columns nest. */
struct unflatten;

/*
 * By the columns' names, which are borrowed; *out is NULL when nothing is to be done: no option, or no
 * header. All else lives in the arena. E_INPUT when a column is a value and holds others, or lies too
 * deep; E_MEMORY.
 */
int tm_unflatten_new(const struct input_dialect *d, struct arena *arena,
                     const struct columns *columns, struct unflatten **out, err *e);

/* A record with nested values of one that was read under the columns; NULL when memory is out. */
struct node *tm_unflatten(const struct unflatten *u, struct arena *arena, struct node *flat);

/*
 * The header of an output that gets no record: the names of a record's fields, or if `od` flattens them,
 * of its columns; `raw` as columns->raw, p NULL where a name is not the file's. `columns` are those of
 * tm_unflatten_new(). E_MEMORY.
 */
int tm_unflatten_header(const struct unflatten *u, const struct output_dialect *od,
                        struct arena *arena, struct columns *columns);

#endif
