/*
 * What the writers of formats with columns share: which fields make a row, in which order, and what
 * a field's text is.
 */
#ifndef TM_FORMAT_LAYOUT_H
#define TM_FORMAT_LAYOUT_H

#include "format/format.h"

#define NO_COLUMN UINT32_MAX

/* Names to find by: sorted, so that no choice of names makes it slow. Borrows the names. */
struct name_index {
    uint32_t n;
    const struct slice *names;
    uint32_t *order; /* by name; equal names by their place */
};

/* false when memory is out. */
bool tm_name_index_init(struct name_index *x, uint32_t n, const struct slice *names);
void tm_name_index_release(struct name_index *x);
/* A place where the name stands, or NO_COLUMN. `hint` is tried first; any number will do. */
uint32_t tm_name_index_find(const struct name_index *x, struct slice name, uint32_t hint);

/* A copy of names and text in the arena; NULL when memory is out (not for n == 0). */
struct slice *tm_names_copy(struct arena *arena, uint32_t n, const struct slice *names);

/* A writer's columns. */
struct row_layout {
    const struct output_dialect *dialect;
    struct layout layout;
    struct arena names[2]; /* the layout's, and the next one's */
    unsigned current;
    bool fixed;
    struct name_index index; /* of the fixed columns */
    uint32_t *map;           /* fixed: for each column the record's field, or NO_COLUMN */
    /* Not 0: records of this shape have this layout (`known_own`), or fit it by this map. */
    uint64_t known;
    bool known_own;
    uint64_t
        known_longer; /* not 0: those of this shape have this layout, if a field of its last name was added */
};

void tm_row_layout_init(struct row_layout *l, const struct output_dialect *d);
void tm_row_layout_release(struct row_layout *l);
/* Fix the columns; names are copied. E_MEMORY; E_ARGUMENT for no columns at all. */
int tm_row_layout_fix(struct row_layout *l, uint32_t n, const struct slice *names);

/*
 * How the record makes a row. *own: its fields in their order; the layout is theirs. Else the row
 * is, for each column i of the layout, the field map[i]. E_WRITE when the record has no fields or
 * does not fit, E_MEMORY.
 */
int tm_row_layout_take(struct row_layout *l, const struct node *record, bool *own, err *e);

/* Is it known that the record's fields, in their order, make a row of the layout? */
static inline bool row_layout_is_own(const struct row_layout *l, const struct node *record)
{
    if (!record->shape)
        return false;
    if (!record->reshaped)
        return record->shape == l->known && l->known_own;
    return record->shape == l->known_longer && node_is_longer(record) &&
           slice_eq_short(record->slots[record->count - 1].key, l->layout.names[record->count - 1]);
}

/*
 * For rows of layout `from` that are laid out as `to`: for each of the to_n columns the one it comes
 * from, or NO_COLUMN. To be freed; NULL when memory is out.
 */
uint32_t *tm_layout_map(uint32_t from_n, const struct slice *from, uint32_t to_n,
                        const struct slice *to);

/*
 * A field's text, as a cell shows it: text as it is, numbers in their shortest form, "true" and
 * "false", nothing for null, JSON for arrays and objects. `scratch` is overwritten. NaN and
 * infinities are nan, inf, -inf. E_WRITE for nested values under NESTED_ERROR and for what JSON
 * cannot say; E_MEMORY.
 */
int tm_cell_text(const struct output_dialect *d, const struct field *f, struct buf *scratch,
                 struct slice *out, err *e);
/* May tm_cell_text() refuse it? */
bool tm_cell_may_fail(const struct output_dialect *d, const struct field *f);

/* Names are cut in messages; for "%.*s". */
#define NAME_ARGS(name) (int)((name).n < 100 ? (name).n : 100), (name).p ? (name).p : ""

#endif
