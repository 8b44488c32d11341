/*
 * Records that are spans: all that is known of their fields is where in their source the values stand, and
 * that nothing there wants a second look. Slots are filled from that when somebody asks for fields:
 * names come from the columns, or are found before their values.
 */
#include "record/json_text.h"
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

bool tm_node_like(struct node *like, uint32_t n, uint32_t spare)
{
    size_t size;
    *like = (struct node){
        .kind = NODE_OBJECT, .count = n, .live = n, .originals = n, .assigned = ASSIGNED_NONE};
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

/* The name before a value of JSON, which stands between `from`, behind the bracket or the value before, and that. */
static void find_key(struct field *f, const char *from, const char *value)
{
    const char *p = json_skip_space(from, value);
    if (*p == ',')
        p = json_skip_space(p + 1, value);
    const char *colon = json_back_space(value, p) - 1;
    const char *quote = json_back_space(colon, p) - 1;
    f->start = p;
    f->key = (struct slice){p + 1, (size_t)(quote - p) - 1};
}

void tm_node_fill(struct node *n)
{
    const struct columns *columns = n->columns;
    const char *from = n->source.p + 1;
    for (uint32_t i = 0; i < n->originals; i++) {
        struct field *f = &n->slots[i];
        struct slice text = node_span(n, i);
        if (columns) {
            f->key = columns->names[i];
            f->start = NULL;
        } else {
            find_key(f, from, text.p);
            from = text.p + text.n;
        }
        if (i + 1 == n->filled)
            continue;
        f->source = node_span_source(n, i);
        f->value.kind = node_span_kind(n, i);
        f->value.text = text;
    }
    n->spans = NULL;
}
