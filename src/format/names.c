/*
 * Lists of column names: found by binary search, copied as one.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "format/layout.h"

/* By name, equal ones by place: every order is one of a kind, whatever qsort_r does. */
static int compare(const void *a, const void *b, void *names)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct slice *s = names;
    int c = slice_cmp(s[i], s[j]);
    return c ? c : (i > j) - (i < j);
}

bool tm_name_index_init(struct name_index *x, uint32_t n, const struct slice *names)
{
    /* qsort_r passes its context without const. */
    union {
        const struct slice *in;
        void *out;
    } context = {names};
    uint32_t *order = tm_heap_zeroed(n ? n : 1, sizeof *order);
    if (!order)
        return false;
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof *order, compare, context.out);
    *x = (struct name_index){n, names, order};
    return true;
}

void tm_name_index_release(struct name_index *x)
{
    tm_heap_free(x->order);
    *x = (struct name_index){0};
}

uint32_t tm_name_index_find(const struct name_index *x, struct slice name, uint32_t hint)
{
    if (hint < x->n && slice_eq(x->names[hint], name))
        return hint;
    uint32_t low = 0, high = x->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = slice_cmp(x->names[x->order[middle]], name);
        if (c == 0)
            return x->order[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NO_COLUMN;
}

struct slice *tm_names_copy(struct arena *arena, uint32_t n, const struct slice *names)
{
    struct slice *copy = arena_alloc(arena, n * sizeof *copy);
    for (uint32_t i = 0; copy && i < n; i++) {
        copy[i] = tm_arena_copy(arena, names[i]);
        if (!copy[i].p)
            return NULL;
    }
    return copy;
}
