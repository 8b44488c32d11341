/*
 * Rows that are spans: all that is known of their fields is where the cells stand, and that nothing there wants a
 * second look. Slots are filled from that when somebody asks for fields.
 */
#include "record/node.h"

/* What one takes; false: more than there can be. */
static bool size_of(const struct node *like, size_t *size)
{
    size_t slots, spans;
    *size = sizeof *like;
    return !__builtin_mul_overflow((size_t)like->cap, sizeof *like->slots, &slots) &&
           !__builtin_mul_overflow((size_t)like->originals + SPAN_STRIDE, sizeof *like->spans,
                                   &spans) &&
           !__builtin_add_overflow(*size, slots, size) &&
           !__builtin_add_overflow(*size, spans, size);
}

bool tm_node_like(struct node *like, const struct columns *columns, uint32_t spare)
{
    size_t size;
    uint32_t n = columns->n;
    *like = (struct node){.kind = NODE_OBJECT,
                          .count = n,
                          .live = n,
                          .originals = n,
                          .assigned = ASSIGNED_NONE,
                          .columns = columns};
    return !__builtin_add_overflow(n, spare, &like->cap) && size_of(like, &size);
}

struct node *tm_node_new_spans(struct arena *arena, const struct node *like, struct span **spans)
{
    size_t slots = like->cap * sizeof *like->slots;
    size_t size = sizeof *like + slots + (like->originals + SPAN_STRIDE) * sizeof *like->spans;
    struct node *n = arena_alloc(arena, size);
    if (!n)
        return NULL;
    *n = *like;
    n->slots = (struct field *)(n + 1);
    *spans = (struct span *)(n->slots + like->cap);
    n->spans = *spans;
    n->arena = arena;
    return n;
}

void tm_node_fill(struct node *n)
{
    for (uint32_t i = 0; i < n->originals; i++) {
        struct field *f = &n->slots[i];
        if (i + 1 == n->filled)
            continue;
        f->key = n->columns->names[i];
        f->start = NULL;
        f->value.text = node_span(n, i);
        f->source = node_span_own(n, f->value.text);
        f->value.kind = node_span_kind(n, i);
    }
    n->spans = NULL;
}
