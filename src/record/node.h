/*
 * Nodes: records, and the arrays and objects inside them, parsed lazily.
 *
 * A record is an object node. Its fields point into the bytes it was read from; a nested value stays
 * text (VALUE_JSON) until somebody opens it, which makes a node of its own one level deep. What
 * nobody assigned is written with the bytes it came with: `changed` says, for a whole subtree at
 * once, whether there is anything to write anew.
 *
 * Everything that hangs on a node lives in its arena: nothing is freed singly. Text that a field
 * points to must live as long as the arena's content does; who puts it in has to see to that
 * (tm_value_keep copies it).
 */
#ifndef TM_RECORD_NODE_H
#define TM_RECORD_NODE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "record/value.h"

enum node_kind { NODE_OBJECT, NODE_ARRAY };

/*
 * Names that stand twice in a header or an object. Columns. LAST: the last column of a name has it,
 * the earlier ones are left out of the record and of what is written. NUMBER: a, a_2, a_3; a column
 * without a name gets its number as its name. An empty name is an error but under NUMBER. Keys of
 * JSON objects, at every level. LAST: the last value stands where the first one stood. NUMBER: as
 * columns; an empty name is one like any other.
 */
enum duplicates { DUPLICATES_ERROR, DUPLICATES_LAST, DUPLICATES_NUMBER };

/*
 * One field of an object, or one element of an array (key unused).
 * A cache line on 64-bit machines.
 */
struct field {
    struct slice key;    /* the decoded name */
    const char *start;   /* JSON: where the field begins in the node's source, at the key's quote or
                            the element; NULL for CSV, for a field that was added, and for an
                            element that changed its place */
    struct slice source; /* the value's own bytes in the source, a CSV cell's quotes included;
                            p is NULL once it was assigned (n stays) or when it was added */
    struct value value;  /* JSON or CELL or TEXT as read; NODE once opened, TEXT once a JSON string
                            with escapes was decoded (source stays); VALUE_NONE: deleted */
};

/* Where in its row stands what a CSV cell says, without quotes around it, if it stands there as it is. */
struct span {
    uint32_t begin, end; /* bytes from the source's first */
};

/* Who writes the spans of a record may write this many at a time, beyond the last one. */
#define SPAN_STRIDE 4

/* The names of a CSV header. Outlives every record that was read under it. */
struct columns {
    uint32_t n;
    bool positional;           /* no header: scripts say r[i]; names are "1", "2", ... */
    bool crlf;                 /* the file's first record ends in CRLF */
    const struct slice *names; /* n of them, all different */
    const struct slice *raw;   /* n header cells as they stand in the file, quotes included; NULL
                                  where they do not matter or no name is quite the file's */
    char delimiter, quote;     /* that `raw` was written with */
    bool escapes;              /* likewise */
    const uint8_t *as_text;    /* n flags: the column's cells are VALUE_TEXT; NULL: none is */
    uint32_t cells;            /* in a row of the file; n, unless columns lost their name to a later
                                  one of the same name and are left out */
    const uint8_t *skipped;    /* `cells` flags: left out; NULL: none is */
};

#define ASSIGNED_NONE UINT32_MAX

struct node {
    enum node_kind kind;
    bool changed;   /* something in here or below was assigned, added or deleted */
    bool reshaped;  /* objects: a field was added or deleted: the names differ from the source's */
    char quote;     /* with spans: what a cell may stand between in the source; '\0': nothing */
    uint32_t count; /* fields in use, deleted ones included */
    uint32_t cap;
    uint32_t live;       /* fields that are not deleted; == count for arrays, which have no holes */
    uint32_t originals;  /* fields 0 .. originals-1 came from the source, in its order */
    uint32_t assigned;   /* i + 1: field i, assigned or added, and nothing else, is not what the
                           source says; or ASSIGNED_NONE; or 0: nobody knows */
    struct field *slots; /* the fields: ask node_fields() for them, as long as there are spans */
    /* Not NULL: of the originals of a row, of which nobody has asked for more than a value or two, and none is deleted. */
    const struct span *spans;
    uint32_t filled;     /* with spans, i + 1: original i has a value in its slot; 0: none has */
    struct node *parent; /* whom to tell of changes; NULL for a record */
    struct arena *arena;
    struct slice source; /* own bytes: JSON from bracket to bracket, CSV and text the record without
                              its line end; p is NULL when built by a script */
    struct slice line_end; /* records: the bytes of their line end ("", "\n", "\r\n") */
    const void *origin;    /* what read it: one address for each format, NULL when built. A writer
                              copies own bytes of formats other than JSON only from its own one */
    const struct columns *columns; /* CSV records: the header they were read under, else NULL */
    /* Not 0: its originals have the names, in their order, that those of all nodes of this shape have. */
    uint64_t shape;
    bool positional; /* copies of records without a header: columns is NULL, yet r[i] is field i */
    uint32_t passed; /* fields that tm_node_find() has passed over in all */
    struct node_index *index; /* by name, once that was many; NULL: none */
};

/* How deep arrays and objects are nested at most: unless told otherwise, and whatever is told. */
#define NODE_DEPTH_MAX   1000
#define NODE_DEPTH_LIMIT 10000

/* An empty node with room for `cap` fields; NULL when memory is out. */
struct node *tm_node_new(struct arena *arena, enum node_kind kind, uint32_t cap);
/*
 * Rows that are spans, of all columns, with room for `spare` fields more: what is to be copied for each. Who reads
 * them sets what else they have in common. False: there are too many.
 */
bool tm_node_like(struct node *like, const struct columns *columns, uint32_t spare);
/*
 * Such a record. The caller writes its spans to *spans, and sets the source that they lie in. NULL when memory is
 * out.
 */
struct node *tm_node_new_spans(struct arena *arena, const struct node *like, struct span **spans);

/* Fill the slots of a row that has spans: it has none any more. */
void tm_node_fill(struct node *n);

/* All fields. Nobody sees that a row fills its slots when it is asked, so that it may be a const one. */
static inline struct field *node_fields(const struct node *n)
{
    if (n->spans)
        tm_node_fill((struct node *)(uintptr_t)n);
    return n->slots;
}

/* Is field `i` a span, and nothing else yet? */
static inline bool node_is_span(const struct node *n, uint32_t i)
{
    return n->spans && i < n->originals && i + 1 != n->filled;
}

/* The text of a field that is. */
static inline struct slice node_span(const struct node *n, uint32_t i)
{
    struct span s = n->spans[i];
    return (struct slice){n->source.p + s.begin, s.end - s.begin};
}

/* The bytes of a row's own that this cell is, quotes included. */
static inline struct slice node_span_own(const struct node *n, struct slice cell)
{
    /* It begins behind a delimiter, or first of all: or behind its quote. */
    bool quoted = n->quote && cell.p > n->source.p && cell.p[-1] == n->quote;
    return quoted ? (struct slice){cell.p - 1, cell.n + 2} : cell;
}

static inline struct slice node_span_source(const struct node *n, uint32_t i)
{
    return node_span_own(n, node_span(n, i));
}

/* The kind of its value. */
static inline enum value_kind node_span_kind(const struct node *n, uint32_t i)
{
    return n->columns->as_text && n->columns->as_text[i] ? VALUE_TEXT : VALUE_CELL;
}

/* Is field `i` (< count) there, not deleted? */
static inline bool node_is_there(const struct node *n, uint32_t i)
{
    return (n->spans && i < n->originals) || n->slots[i].value.kind != VALUE_NONE;
}

/*
 * A slot behind the last field, zeroed, counted as live; NULL when memory is out. For readers and
 * builders: sets neither `changed` nor `reshaped`.
 */
struct field *tm_node_append(struct node *n);

/* A number for records with the same names in the same order: no other records have it, in this process. */
uint64_t tm_shape_new(void);

/* The shape that it still has; 0: nobody knows. */
static inline uint64_t node_shape(const struct node *n)
{
    return n->reshaped ? 0 : n->shape;
}

/* Are its fields all originals, and just one that was added? */
static inline bool node_is_longer(const struct node *n)
{
    return n->count == n->originals + 1 && n->live == n->count;
}

/* Index of the live field named `key`, or UINT32_MAX. */
uint32_t tm_node_find(struct node *n, struct slice key);

/* Is it there, and named `key`? */
static inline bool field_has(const struct field *f, struct slice key)
{
    return f->value.kind != VALUE_NONE && slice_eq_short(f->key, key);
}

/* The same of field `i` (any number). */
static inline bool node_has(const struct node *n, uint32_t i, struct slice key)
{
    return i < n->count && field_has(&node_fields(n)[i], key);
}

/* For tm_node_find(). Have an index of all fields; false when memory is out. */
bool tm_node_index(struct node *n);
/* As tm_node_find(), by the index. */
uint32_t tm_node_lookup(const struct node *n, struct slice key);

/*
 * What field `i` (< count) holds, decoded: NONE, NULL, FALSE, TRUE, INT, FLOAT, TEXT, NUMBER or
 * NODE, never JSON or CELL. Opens a nested value on first touch. TEXT without escapes points into
 * the source. Returns TIDEMILL_OK or TIDEMILL_E_MEMORY.
 */
int tm_node_get(struct node *n, uint32_t i, struct value *out);

/*
 * The field's own bytes: for JSON strings their decoded content, for other JSON values their text;
 * for CSV the cell's content. For an assigned value, as it would be written to JSON (strings: their
 * bytes). May use the arena. `err` as for writing.
 */
int tm_node_text(struct node *n, uint32_t i, struct slice *out, err *e);

/*
 * Assign. The value is taken as it is: its text must live in (or as long as) the node's arena, a
 * node in it must be fresh, unshared and of the same arena; see tm_value_keep. Marks `changed` up
 * to the record.
 */
void tm_node_set(struct node *n, uint32_t i, struct value v);
/*
 * The same for a scalar, which the caller writes to where this returns: what is written in parts and read
 * as a whole at once, as by a copy, costs as much as to find the field.
 */
struct value *tm_node_assign(struct node *n, uint32_t i);
/* Append a new field to an object or an element to an array. E_MEMORY when memory is out. */
int tm_node_add(struct node *n, struct slice key, struct value v);
/* Delete a field of an object (its slot stays, as VALUE_NONE), or the last element of an array. */
void tm_node_delete(struct node *n, uint32_t i);

/*
 * Arrays (node_array.c). An element at `i` (<= count), before those that are there; as for tm_node_add.
 * Element `i` (< count) goes, those behind it move up. Element order[i] comes to stand at `i`; order
 * has each of 0 .. count-1 once. What only moves keeps its own bytes. E_MEMORY, and nothing was done.
 */
int tm_array_insert(struct node *n, uint32_t i, struct value v);
void tm_array_remove(struct node *n, uint32_t i);
int tm_array_reorder(struct node *n, const uint32_t *order);

/*
 * A copy of `v` that may be assigned to a node of `arena`: containers are copied deeply where they
 * are changed and as text where they are not. `deep` copies text too, for values that outlive what
 * they point to. `out->node->parent` is set by tm_node_set/add. E_WRITE when it is nested more than
 * `levels` deep, E_MEMORY when memory is out.
 */
int tm_value_keep(struct arena *arena, const struct value *v, bool deep, uint32_t levels,
                  struct value *out);

/*
 * A deep copy of a record that lives in `arena` alone, and may outlive the record's reader: columns
 * is NULL (see positional); own bytes, line end and origin stay, origin only to be compared.
 * NULL when memory is out.
 */
struct node *tm_node_copy(struct arena *arena, const struct node *n);

#endif
