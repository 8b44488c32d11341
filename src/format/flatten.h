/*
 * Nested values as columns, for every format with columns: output.nested: flatten.
 */
#ifndef TM_FORMAT_FLATTEN_H
#define TM_FORMAT_FLATTEN_H

#include "format/format.h"

struct flatten_level;

struct flatten {
    struct slice separator;
    size_t names_max;    /* bytes of a record's names; of parts they have in common many copies */
    struct arena record; /* the last record given */
    struct arena known[2];
    unsigned current;
    uint32_t known_n; /* the names seen last: all different, in an arena of `known` */
    const struct slice *known_names;
    struct buf name;              /* of the field in hand */
    struct buf behind;            /* for each column the number of its field in the record */
    struct flatten_level *levels; /* from the record down to it */
    size_t levels_n, levels_cap;
};

void tm_flatten_init(struct flatten *f, const struct output_dialect *d, size_t names_max);
void tm_flatten_release(struct flatten *f);

/*
 * *out, when something is nested: the record with columns `a.b`, `a.1` in place of nested values, an
 * empty one being the text {} or []. It lives until the next call. Own bytes of fields stay. E_WRITE when two columns would have one name, or names are too long; E_MEMORY.
 */
int tm_flatten(struct flatten *f, const struct node *record, const struct node **out, err *e);

#endif
