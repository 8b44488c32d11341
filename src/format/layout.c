/*
 * Columns of output rows. Records flow in, and for each one the answer how its fields make a row
 * flows out. The layout's names are copies of the writer's own, as records come and go.
 */
#include "format/layout.h"

#include "base/heap.h"

void tm_row_layout_init(struct row_layout *l, const struct output_dialect *d)
{
    *l = (struct row_layout){.dialect = d};
}

void tm_row_layout_release(struct row_layout *l)
{
    tm_arena_release(&l->names[0]);
    tm_arena_release(&l->names[1]);
    tm_name_index_release(&l->index);
    tm_heap_free(l->map);
}

/* The next name list, beside the one in use, which may be what it is made from. */
static struct arena *next_names(struct row_layout *l)
{
    struct arena *arena = &l->names[!l->current];
    tm_arena_reset(arena);
    return arena;
}

static void use_names(struct row_layout *l, uint32_t n, const struct slice *names)
{
    l->current = !l->current;
    l->layout = (struct layout){l->layout.serial + 1, n, names};
    l->known = l->known_longer = 0;
}

int tm_row_layout_fix(struct row_layout *l, uint32_t n, const struct slice *names)
{
    struct name_index index = {0};
    if (n == 0)
        return TIDEMILL_E_ARGUMENT;
    struct slice *copy = tm_names_copy(next_names(l), n, names);
    uint32_t *map = tm_heap_zeroed(n, sizeof *map);
    if (!copy || !map || !tm_name_index_init(&index, n, copy)) {
        tm_heap_free(map);
        return TIDEMILL_E_MEMORY;
    }
    tm_name_index_release(&l->index);
    tm_heap_free(l->map);
    l->index = index;
    l->map = map;
    l->fixed = true;
    use_names(l, n, copy);
    return TIDEMILL_OK;
}

/* The names of the fields that are there; NULL when memory is out. */
static struct slice *live_names(struct arena *arena, const struct node *record)
{
    struct slice *names = arena_alloc(arena, record->live * sizeof *names);
    uint32_t n = 0;
    for (uint32_t i = 0; names && i < record->count; i++)
        if (node_fields(record)[i].value.kind != VALUE_NONE)
            names[n++] = node_fields(record)[i].key;
    return names;
}

static bool has_layout(const struct node *record, const struct layout *layout)
{
    uint32_t n = 0;
    if (record->live != layout->n)
        return false;
    const struct field *f = node_fields(record), *end = f + record->count;
    for (; f < end; f++) {
        if (f->value.kind != VALUE_NONE && !slice_eq_short(f->key, layout->names[n++]))
            return false;
    }
    return true;
}

/* Rows take the form of this record. */
static int adopt(struct row_layout *l, const struct node *record, err *e)
{
    struct arena *arena = next_names(l);
    struct slice *names = live_names(arena, record);
    if (names)
        names = tm_names_copy(arena, record->live, names);
    if (!names)
        return tm_err_memory(e, "column names");
    use_names(l, record->live, names);
    return TIDEMILL_OK;
}

/* The same words as for whoever puts rows of workers together. */
static int explain(const struct row_layout *l, const struct node *record, err *e)
{
    struct arena arena;
    tm_arena_init(&arena);
    struct slice *names = live_names(&arena, record);
    int status = names ? tm_layout_fits(l->dialect, record->live, names, l->layout.n,
                                        l->layout.names, e)
                       : tm_err_memory(e, "column names");
    tm_arena_release(&arena);
    return status;
}

/* Find each column's field by name. */
static int fit(struct row_layout *l, const struct node *record, err *e)
{
    uint32_t seen = 0, live = 0;
    for (uint32_t i = 0; i < l->layout.n; i++)
        l->map[i] = NO_COLUMN;
    for (uint32_t i = 0; i < record->count; i++) {
        const struct field *f = &node_fields(record)[i];
        if (f->value.kind == VALUE_NONE)
            continue;
        uint32_t column = tm_name_index_find(&l->index, f->key, live++);
        if (column == NO_COLUMN)
            continue;
        seen += l->map[column] == NO_COLUMN;
        l->map[column] = i;
    }
    if ((seen < live && l->dialect->extra == EXTRA_ERROR) ||
        (seen < l->layout.n && l->dialect->missing == MISSING_ERROR))
        return explain(l, record, e);
    return TIDEMILL_OK;
}

int tm_row_layout_take(struct row_layout *l, const struct node *record, bool *own, err *e)
{
    uint64_t shape = node_shape(record);
    int status = TIDEMILL_OK;
    if (shape && shape == l->known) {
        *own = l->known_own;
        return TIDEMILL_OK;
    }
    if (row_layout_is_own(l, record)) {
        *own = true;
        return TIDEMILL_OK;
    }
    if (record->live == 0)
        return tm_err_set(e, TIDEMILL_E_WRITE,
                          "the record has no fields: a row needs one at least");
    bool same = has_layout(record, &l->layout);
    *own = same || !l->fixed;
    l->known = 0;
    if (l->fixed && !same)
        status = fit(l, record, e);
    else if (!same)
        status = adopt(l, record, e);
    if (status == TIDEMILL_OK) {
        l->known = shape;
        l->known_own = *own;
        l->known_longer = *own && node_is_longer(record) ? record->shape : 0;
    }
    return status;
}

uint32_t *tm_layout_map(uint32_t from_n, const struct slice *from, uint32_t to_n,
                        const struct slice *to)
{
    struct name_index index;
    uint32_t *map = tm_heap_zeroed(to_n ? to_n : 1, sizeof *map);
    if (!map || !tm_name_index_init(&index, from_n, from)) {
        tm_heap_free(map);
        return NULL;
    }
    for (uint32_t i = 0; i < to_n; i++)
        map[i] = tm_name_index_find(&index, to[i], i);
    tm_name_index_release(&index);
    return map;
}

/* "a, b, c, ..." for a message. */
static void put_names(struct buf *b, uint32_t n, const struct slice *names)
{
    for (uint32_t i = 0; i < n && i < 10; i++) {
        if (i)
            buf_append(b, ", ", 2);
        buf_append(b, names[i].p, names[i].n < 100 ? names[i].n : 100);
    }
    if (n > 10)
        tm_buf_printf(b, ", ... %u in all", n);
}

static int refuse(err *e, const char *problem, struct slice name, uint32_t n,
                  const struct slice *names, const char *hint)
{
    struct buf list;
    tm_buf_init(&list);
    put_names(&list, n, names);
    tm_err_set(e, TIDEMILL_E_WRITE, "field '%.*s' is %s (%.*s); %s", NAME_ARGS(name), problem,
               (int)list.n, list.p ? list.p : "", hint);
    tm_buf_release(&list);
    return TIDEMILL_E_WRITE;
}

static int judge(const struct output_dialect *d, const struct name_index *index, uint32_t from_n,
                 const struct slice *from, bool *seen, err *e)
{
    for (uint32_t i = 0; i < from_n; i++) {
        uint32_t column = tm_name_index_find(index, from[i], i);
        if (column != NO_COLUMN)
            seen[column] = true;
        else if (d->extra == EXTRA_ERROR)
            return refuse(e, "not among the output's columns", from[i], index->n, index->names,
                          "output.extra: drop leaves it out");
    }
    for (uint32_t i = 0; i < index->n && d->missing == MISSING_ERROR; i++)
        if (!seen[i])
            return refuse(e, "missing from the record", index->names[i], from_n, from,
                          "output.missing: empty writes an empty cell");
    return TIDEMILL_OK;
}

int tm_layout_fits(const struct output_dialect *d, uint32_t from_n, const struct slice *from,
                   uint32_t to_n, const struct slice *to, err *e)
{
    struct name_index index = {0};
    bool *seen = tm_heap_zeroed(to_n ? to_n : 1, sizeof *seen);
    int status = TIDEMILL_E_MEMORY;
    if (!seen || !tm_name_index_init(&index, to_n, to))
        tm_err_memory(e, "column names");
    else
        status = judge(d, &index, from_n, from, seen, e);
    tm_name_index_release(&index);
    tm_heap_free(seen);
    return status;
}
