/*
 * Elements that change their places in an array. Those before the first such place stay in the source;
 * the others have no place in it any more, but keep their own bytes.
 */
#include "record/node.h"

/* Elements from `i` on are no longer found in the source. */
static void loosen(struct node *n, uint32_t i)
{
    uint32_t end = n->originals;
    if (i >= end)
        return;
    n->originals = i;
    for (; i < end; i++)
        node_fields(n)[i].start = NULL;
}

int tm_array_insert(struct node *n, uint32_t i, struct value v)
{
    int status = tm_node_add(n, SLICE(""), v);
    if (status != TIDEMILL_OK)
        return status;
    loosen(n, i);
    struct field *f = &node_fields(n)[i], added = node_fields(n)[n->count - 1];
    memmove(f + 1, f, (n->count - 1 - i) * sizeof *f);
    *f = added;
    return TIDEMILL_OK;
}

void tm_array_remove(struct node *n, uint32_t i)
{
    loosen(n, i);
    struct field *f = &node_fields(n)[i], removed = *f;
    memmove(f, f + 1, (n->count - 1 - i) * sizeof *f);
    node_fields(n)[n->count - 1] = removed;
    tm_node_delete(n, n->count - 1);
}

int tm_array_reorder(struct node *n, const uint32_t *order)
{
    struct field *sorted;
    uint32_t same = 0;
    while (same < n->count && order[same] == same)
        same++;
    if (same == n->count)
        return TIDEMILL_OK;
    sorted = arena_alloc(n->arena, (n->count - same) * sizeof *sorted);
    if (!sorted)
        return TIDEMILL_E_MEMORY;
    loosen(n, same);
    for (uint32_t i = same; i < n->count; i++)
        sorted[i - same] = node_fields(n)[order[i]];
    memcpy(node_fields(n) + same, sorted, (n->count - same) * sizeof *sorted);
    /* To assign the last one what it is tells all above of the change. */
    struct field *last = &node_fields(n)[n->count - 1];
    struct slice source = last->source;
    tm_node_set(n, n->count - 1, last->value);
    last->source = source;
    return TIDEMILL_OK;
}
