/*
 * Records that are spans: all that is known of their fields is where in their source the values stand, and
 * that nothing there wants a second look. Slots are filled from that when somebody asks for fields:
 * names come from the columns, or are found before their values.
 */
#include "record/json_text.h"
#include "record/node.h"

struct node *tm_node_new_spans(struct arena *arena, uint32_t n, uint32_t spare, struct span **spans)
{
    size_t fields, own, size = sizeof(struct node);
    uint32_t cap;
    if (__builtin_add_overflow(n, spare, &cap) ||
        __builtin_mul_overflow(cap, sizeof(struct field), &fields) ||
        __builtin_mul_overflow((size_t)n + SPAN_STRIDE, sizeof **spans, &own) ||
        __builtin_add_overflow(size, fields, &size) || __builtin_add_overflow(size, own, &size))
        return NULL;
    struct node *node = arena_alloc(arena, size);
    if (!node)
        return NULL;
    struct field *slots = (struct field *)(node + 1);
    *spans = (struct span *)(slots + cap);
    *node = (struct node){.kind = NODE_OBJECT,
                          .count = n,
                          .cap = cap,
                          .live = n,
                          .originals = n,
                          .assigned = ASSIGNED_NONE,
                          .slots = slots,
                          .spans = *spans,
                          .arena = arena};
    return node;
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
        f->source = text;
        f->value.kind = node_span_kind(n, i);
        f->value.text = text;
    }
    n->spans = NULL;
}
