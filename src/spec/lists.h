/*
 * Options that hold several texts: lists, and the types of columns.
 */
#ifndef TM_SPEC_LISTS_H
#define TM_SPEC_LISTS_H

#include "spec/options.h"

/*
 * From text: a JSON array of strings, else one path as it is, or names parted by commas. Types: one
 * of its words, or a JSON object of columns to words.
 */
int tm_paths_parse(const struct option *o, void *field, struct slice text, struct arena *a, err *e);
int tm_strings_parse(const struct option *o, void *field, struct slice text, struct arena *a,
                     err *e);
int tm_types_parse(const struct option *o, void *field, struct slice text, struct arena *a, err *e);
void tm_list_print(const struct option *o, const void *field, struct buf *out);
void tm_types_print(const struct option *o, const void *field, struct buf *out);

/* From parts, one call an item; the room for `n` items comes first. */
int tm_list_room(struct spec_list *list, size_t n, struct arena *a, err *e);
int tm_list_add(struct spec_list *list, struct slice text, struct arena *a, err *e);
int tm_types_room(struct spec_types *types, size_t n, struct arena *a, err *e);
int tm_types_add(struct spec_types *types, struct slice name, struct slice word, struct arena *a,
                 err *e);

#endif
