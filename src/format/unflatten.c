/*
 * Flat records to nested ones. Once a file: column names flow in, and a tree of what holds what flows
 * out. Then for each record: its fields flow in and hang, as they are, on the nodes of that tree; own
 * bytes stay with them.
 *
 * A part that is a number says an array where the parts beside it are 1, 2, ... in order. A name with
 * an empty part ("No.", "a..b") is one part as a whole. A cell {} or [] becomes an empty object or
 * array, for this is what flattening makes of one; a column whose type is text keeps its text.
 */
#include "format/unflatten.h"

#include <stdlib.h>

#include "base/number.h"
#include "format/layout.h"

#define NO_BRANCH UINT32_MAX
/* Fields that a script may add to a record before its node has to grow. */
#define SPARE_FIELDS 4

/* A field of a branch. */
struct entry {
    uint32_t branch; /* that it belongs to */
    struct slice key;
    uint32_t first; /* the first column in it: the order among its neighbours */
    uint32_t holds; /* a branch; NO_BRANCH: it is the column `first` */
};

/* An object or array; branch 0 is the record. */
struct branch {
    enum node_kind kind;
    uint32_t entry, n; /* its entries stand together */
};

struct unflatten {
    const struct columns *flat;
    struct slice separator;
    uint32_t branches_n, entries_n;
    struct branch *branches;
    struct entry *entries;
    struct columns columns; /* what a record's fields are called */
    uint64_t shape;
};

/* ---- names in parts ---- */

struct parts {
    uint32_t n;            /* columns */
    const uint32_t *first; /* n + 1: where a column's parts begin */
    const struct slice *parts;
};

/* The next part off the front of `rest`. */
static struct slice cut_part(struct slice *rest, struct slice separator, bool *last)
{
    struct slice part = *rest;
    const char *at = rest->n ? memmem(rest->p, rest->n, separator.p, separator.n) : NULL;
    *last = !at;
    if (at) {
        part.n = (size_t)(at - rest->p);
        *rest = (struct slice){at + separator.n, rest->n - part.n - separator.n};
    }
    return part;
}

/* How many parts has the name? 1 where one would be empty. */
static uint32_t count_parts(struct slice name, struct slice separator)
{
    uint32_t n = 0;
    for (bool last = false; !last; n++)
        if (cut_part(&name, separator, &last).n == 0)
            return 1;
    return n;
}

/* false when memory is out. */
static bool cut_names(const struct columns *columns, struct slice separator, struct arena *arena,
                      struct parts *out)
{
    size_t total = 0;
    uint32_t *first = arena_alloc(arena, (columns->n + (size_t)1) * sizeof *first);
    for (uint32_t i = 0; first && i < columns->n; i++) {
        first[i] = (uint32_t)total;
        total += count_parts(columns->names[i], separator);
    }
    struct slice *parts = total < UINT32_MAX ? arena_alloc(arena, total * sizeof *parts) : NULL;
    if (!first || !parts)
        return false;
    first[columns->n] = (uint32_t)total;
    for (uint32_t i = 0; i < columns->n; i++) {
        struct slice rest = columns->names[i];
        bool last;
        for (uint32_t k = first[i]; k < first[i + 1]; k++)
            parts[k] = first[i + 1] - first[i] == 1 ? rest : cut_part(&rest, separator, &last);
    }
    *out = (struct parts){columns->n, first, parts};
    return true;
}

static uint32_t parts_of(const struct parts *p, uint32_t column)
{
    return p->first[column + 1] - p->first[column];
}

/* How many parts two names have in common at their beginning. */
static uint32_t common(const struct parts *p, uint32_t a, uint32_t b)
{
    uint32_t n = parts_of(p, a) < parts_of(p, b) ? parts_of(p, a) : parts_of(p, b);
    uint32_t i = 0;
    while (i < n && slice_eq(p->parts[p->first[a] + i], p->parts[p->first[b] + i]))
        i++;
    return i;
}

/* Part by part, so that what has a beginning in common stands together, the shortest first. */
static int compare_parts(const void *a, const void *b, void *context)
{
    const struct parts *p = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    uint32_t at = common(p, i, j);
    if (at == parts_of(p, i) || at == parts_of(p, j))
        return (parts_of(p, i) > parts_of(p, j)) - (parts_of(p, i) < parts_of(p, j));
    return slice_cmp(p->parts[p->first[i] + at], p->parts[p->first[j] + at]);
}

/* ---- the tree ---- */

/* A tree under work: columns come sorted, so that each shares what it can with the one before. */
struct grower {
    struct unflatten *u;
    const struct parts *parts;
    uint32_t *path; /* the entries of the column before, from the record down */
};

static void add_column(struct grower *g, uint32_t column, uint32_t shared)
{
    struct unflatten *u = g->u;
    uint32_t n = parts_of(g->parts, column);
    for (uint32_t i = 0; i < shared; i++)
        if (column < u->entries[g->path[i]].first)
            u->entries[g->path[i]].first = column;
    for (uint32_t i = shared; i < n; i++) {
        g->path[i] = u->entries_n;
        u->entries[u->entries_n++] = (struct entry){
            .branch = i ? u->entries[g->path[i - 1]].holds : 0,
            .key = g->parts->parts[g->parts->first[column] + i],
            .first = column,
            .holds = i + 1 < n ? u->branches_n++ : NO_BRANCH,
        };
    }
}

static int grow(struct grower *g, const uint32_t *order, err *e)
{
    const struct parts *p = g->parts;
    const struct slice *names = g->u->flat->names;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t shared = i ? common(p, order[i - 1], order[i]) : 0;
        if (i && shared == parts_of(p, order[i - 1]))
            return tm_err_set(e, TIDEMILL_E_INPUT,
                              "column '%.*s' is a value, and column '%.*s' a part of it "
                              "(input.unflatten)",
                              NAME_ARGS(names[order[i - 1]]), NAME_ARGS(names[order[i]]));
        add_column(g, order[i], shared);
    }
    return TIDEMILL_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->branch != y->branch)
        return x->branch < y->branch ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* Do the branch's keys count from 1? */
static bool counts(const struct unflatten *u, const struct branch *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        char text[NUMBER_TEXT_MAX];
        size_t n = tm_number_print_int(text, (int64_t)i + 1);
        if (!slice_eq(u->entries[b->entry + i].key, (struct slice){text, n}))
            return false;
    }
    return true;
}

static void sort_entries(struct unflatten *u)
{
    qsort(u->entries, u->entries_n, sizeof *u->entries, compare_entries);
    for (uint32_t i = 0; i < u->entries_n; i++) {
        struct branch *b = &u->branches[u->entries[i].branch];
        if (b->n++ == 0)
            b->entry = i;
    }
    for (uint32_t i = 0; i < u->branches_n; i++)
        u->branches[i].kind = i && counts(u, &u->branches[i]) ? NODE_ARRAY : NODE_OBJECT;
}

/*
 * The columns in the order in which they stand in the tree, by walking it. `path` has room for an
 * entry a level.
 */
static void walk(const struct unflatten *u, uint32_t *path, uint32_t *columns)
{
    uint32_t n = 0, depth = 0;
    path[0] = 0;
    for (;;) {
        const struct entry *at = &u->entries[path[depth]];
        if (at->holds != NO_BRANCH) {
            path[++depth] = u->branches[at->holds].entry;
            continue;
        }
        columns[n++] = at->first;
        /* On to the next entry, up where a branch ends. */
        for (;; depth--) {
            const struct branch *b = &u->branches[u->entries[path[depth]].branch];
            if (++path[depth] < b->entry + b->n)
                break;
            if (depth == 0)
                return;
        }
    }
}

static int check_depth(const struct input_dialect *d, const struct parts *p,
                       const struct columns *columns, uint32_t *most, err *e)
{
    *most = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (parts_of(p, i) > *most)
            *most = parts_of(p, i);
        if (parts_of(p, i) > d->max_depth)
            return tm_err_set(e, TIDEMILL_E_INPUT,
                              "column '%.*s' is nested more than %u deep (input.unflatten, "
                              "limits.depth)",
                              NAME_ARGS(columns->names[i]), (unsigned)d->max_depth);
    }
    return TIDEMILL_OK;
}

static int no_memory(err *e)
{
    tm_err_memory(e, "a header");
    return TIDEMILL_E_MEMORY;
}

/* The tree, its entries in their places; `scratch` is given back by the caller. */
static int make_tree(const struct input_dialect *d, struct unflatten *u, struct arena *arena,
                     struct arena *scratch, err *e)
{
    struct parts parts;
    uint32_t most;
    uint32_t n = u->flat->n;
    uint32_t *order = arena_alloc(scratch, n * sizeof *order);
    if (!order || !cut_names(u->flat, d->separator, arena, &parts))
        return no_memory(e);
    int status = check_depth(d, &parts, u->flat, &most, e);
    if (status != TIDEMILL_OK)
        return status;
    struct grower g = {u, &parts, arena_alloc(scratch, most * sizeof *g.path)};
    u->entries = arena_alloc(arena, parts.first[n] * sizeof *u->entries);
    u->branches = arena_alloc(arena, (parts.first[n] + (size_t)1) * sizeof *u->branches);
    if (!g.path || !u->entries || !u->branches)
        return no_memory(e);
    memset(u->branches, 0, (parts.first[n] + (size_t)1) * sizeof *u->branches);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof *order, compare_parts, &parts);
    status = grow(&g, order, e);
    if (status != TIDEMILL_OK)
        return status;
    sort_entries(u);
    return TIDEMILL_OK;
}

/* The fields of a record, as columns. */
static bool name_fields(struct unflatten *u, struct arena *arena)
{
    const struct branch *record = &u->branches[0];
    struct slice *names = arena_alloc(arena, record->n * sizeof *names);
    for (uint32_t i = 0; names && i < record->n; i++)
        names[i] = u->entries[record->entry + i].key;
    u->columns = (struct columns){.n = record->n, .names = names, .cells = record->n};
    return names != NULL;
}

int tm_unflatten_new(const struct input_dialect *d, struct arena *arena,
                     const struct columns *columns, struct unflatten **out, err *e)
{
    *out = NULL;
    if (!d->unflatten || !columns || columns->positional || columns->n == 0)
        return TIDEMILL_OK;
    struct arena scratch;
    struct unflatten *u = arena_alloc(arena, sizeof *u);
    if (!u)
        return no_memory(e);
    *u = (struct unflatten){
        .flat = columns, .separator = d->separator, .branches_n = 1, .shape = tm_shape_new()};
    tm_arena_init(&scratch);
    int status = make_tree(d, u, arena, &scratch, e);
    tm_arena_release(&scratch);
    if (status == TIDEMILL_OK && !name_fields(u, arena))
        status = no_memory(e);
    if (status == TIDEMILL_OK)
        *out = u;
    return status;
}

/* ---- records ---- */

/* What flattening makes of an empty object or array; it stays unread until somebody looks. */
static void open_empty(struct field *f)
{
    struct slice text = f->value.text;
    if (f->value.kind != VALUE_CELL || text.n != 2)
        return;
    if (memcmp(text.p, "{}", 2) == 0 || memcmp(text.p, "[]", 2) == 0)
        f->value.kind = VALUE_JSON;
}

static void fill_branch(const struct unflatten *u, const struct branch *b, struct node *to,
                        struct node *nodes, const struct node *flat)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const struct entry *entry = &u->entries[b->entry + i];
        struct field *f = &node_fields(to)[i];
        if (entry->holds == NO_BRANCH) {
            *f = node_fields(flat)[entry->first];
        } else {
            struct node *inner = &nodes[entry->holds];
            *f = (struct field){.value = {.kind = VALUE_NODE, .node = inner}};
            inner->parent = to;
        }
        f->key = entry->key;
    }
    to->count = to->live = to->originals = b->n;
}

/* Nodes for all branches, with room for their fields; NULL when memory is out. */
static struct node *new_nodes(const struct unflatten *u, struct arena *arena,
                              const struct node *flat)
{
    size_t fields_n = (size_t)u->entries_n + SPARE_FIELDS;
    struct node *nodes = arena_alloc(arena, u->branches_n * sizeof *nodes);
    struct field *fields = arena_alloc(arena, fields_n * sizeof *fields);
    if (!nodes || !fields)
        return NULL;
    for (uint32_t i = 0; i < u->branches_n; i++) {
        const struct branch *b = &u->branches[i];
        nodes[i] = (struct node){.kind = b->kind,
                                 .cap = i ? b->n : b->n + SPARE_FIELDS,
                                 .slots = fields + b->entry + (i ? SPARE_FIELDS : 0),
                                 .arena = arena,
                                 .origin = flat->origin};
    }
    return nodes;
}

struct node *tm_unflatten(const struct unflatten *u, struct arena *arena, struct node *flat)
{
    for (uint32_t i = 0; i < flat->count; i++)
        if (!flat->spans || flat->spans[i].end - flat->spans[i].begin == 2)
            open_empty(&node_fields(flat)[i]);
    if (u->branches_n == 1)
        return flat;
    struct node *record = new_nodes(u, arena, flat);
    for (uint32_t i = 0; record && i < u->branches_n; i++)
        fill_branch(u, &u->branches[i], &record[i], record, flat);
    if (!record)
        return NULL;
    /* Its own bytes are no row of its fields: what is copied are cells, and runs of them. */
    record->changed = true;
    record->source = flat->source;
    record->line_end = flat->line_end;
    record->columns = &u->columns;
    record->shape = u->shape;
    return record;
}

/* ---- an output without records ---- */

/* The name with another separator; p NULL when memory is out. */
static struct slice rename_column(const struct unflatten *u, const struct output_dialect *od,
                                  struct arena *arena, struct slice name)
{
    uint32_t n = count_parts(name, u->separator);
    if (n == 1 || slice_eq(u->separator, od->separator))
        return name;
    char *p = arena_alloc(arena, name.n + (n - 1) * od->separator.n);
    size_t length = 0;
    bool last = !p;
    while (!last) {
        struct slice part = cut_part(&name, u->separator, &last);
        memcpy(p + length, part.p, part.n);
        length += part.n;
        if (!last)
            memcpy(p + length, od->separator.p, od->separator.n);
        length += last ? 0 : od->separator.n;
    }
    return (struct slice){p, length};
}

/* Columns of a flattened record, by the walk. */
static int name_flattened(const struct unflatten *u, const struct output_dialect *od,
                          struct arena *arena, struct columns *columns, struct slice *names,
                          struct slice *raw)
{
    uint32_t *path = arena_alloc(arena, u->entries_n * sizeof *path);
    uint32_t *order = arena_alloc(arena, columns->n * sizeof *order);
    if (!path || !order)
        return TIDEMILL_E_MEMORY;
    walk(u, path, order);
    for (uint32_t i = 0; i < columns->n; i++) {
        struct slice name = columns->names[order[i]];
        names[i] = rename_column(u, od, arena, name);
        if (!names[i].p && name.n)
            return TIDEMILL_E_MEMORY;
        if (columns->raw && names[i].p == name.p)
            raw[i] = columns->raw[order[i]];
    }
    return TIDEMILL_OK;
}

/* Names of the first level. They are copied, as the file's own go with it. */
static int name_nested(const struct unflatten *u, struct arena *arena,
                       const struct columns *columns, struct slice *names, struct slice *raw)
{
    for (uint32_t i = 0; i < u->columns.n; i++) {
        const struct entry *entry = &u->entries[u->branches[0].entry + i];
        names[i] = tm_arena_copy(arena, entry->key);
        if (!names[i].p)
            return TIDEMILL_E_MEMORY;
        if (columns->raw && entry->holds == NO_BRANCH)
            raw[i] = columns->raw[entry->first];
    }
    return TIDEMILL_OK;
}

int tm_unflatten_header(const struct unflatten *u, const struct output_dialect *od,
                        struct arena *arena, struct columns *columns)
{
    bool flat = od->nested == NESTED_FLATTEN;
    uint32_t n = flat ? columns->n : u->columns.n;
    struct slice *names = arena_alloc(arena, n * sizeof *names);
    struct slice *raw = arena_alloc(arena, n * sizeof *raw);
    int status = names && raw ? TIDEMILL_OK : TIDEMILL_E_MEMORY;
    if (status != TIDEMILL_OK)
        return status;
    memset(raw, 0, n * sizeof *raw);
    if (flat)
        status = name_flattened(u, od, arena, columns, names, raw);
    else
        status = name_nested(u, arena, columns, names, raw);
    columns->n = n;
    columns->names = names;
    columns->raw = columns->raw ? raw : NULL;
    return status;
}
