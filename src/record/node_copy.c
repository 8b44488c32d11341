/*
 * Values and records made ready to live elsewhere. Nodes flow in and stay as they are; what flows
 * out hangs on the arena given. A shallow copy shares the bytes (same arena, or longer-lived), a
 * deep one takes them along. Copies are as deep as what they copy, which is bounded: reading stops at
 * NODE_DEPTH_MAX, and so does this.
 */
#include "record/json_text.h"

struct copier {
    struct arena *arena;
    bool deep;
    /* The source that is copied as one piece, and where its copy begins. */
    struct slice source;
    const char *moved;
};

static struct node *copy_node(const struct copier *outer, const struct node *n, unsigned depth);

/* `s` in the copy; p NULL when memory is out. */
static struct slice copy_text(const struct copier *c, struct slice s)
{
    if (!c->deep || !s.p)
        return s;
    uintptr_t at = (uintptr_t)s.p, begin = (uintptr_t)c->source.p;
    if (c->source.p && at >= begin && at - begin <= c->source.n &&
        s.n <= c->source.n - (at - begin))
        return (struct slice){c->moved + (at - begin), s.n};
    return tm_arena_copy(c->arena, s);
}

/* A value: text where it was not changed, so that its own bytes stay. */
static bool copy_value(const struct copier *c, const struct value *v, unsigned depth,
                       struct value *out)
{
    *out = *v;
    switch (v->kind) {
    case VALUE_JSON:
    case VALUE_CELL:
    case VALUE_TEXT:
    case VALUE_NUMBER:
        out->text = copy_text(c, v->text);
        return out->text.p || !v->text.p;
    case VALUE_NODE:
        if (!v->node->changed && tm_json_has_source(v->node)) {
            *out = (struct value){.kind = VALUE_JSON, .text = copy_text(c, v->node->source)};
            return out->text.p != NULL;
        }
        out->node = copy_node(c, v->node, depth + 1);
        return out->node != NULL;
    default:
        return true;
    }
}

static bool copy_field(const struct copier *c, struct node *to, const struct field *f,
                       unsigned depth)
{
    struct field *out = tm_node_append(to);
    if (!out)
        return false;
    out->key = copy_text(c, f->key);
    out->source = copy_text(c, f->source);
    out->start = f->start && c->deep ? c->moved + (f->start - c->source.p) : f->start;
    if ((f->key.p && !out->key.p) || (f->source.p && !out->source.p) ||
        !copy_value(c, &f->value, depth, &out->value))
        return false;
    if (out->value.kind == VALUE_NODE)
        out->value.node->parent = to;
    return true;
}

static struct node *copy_node(const struct copier *outer, const struct node *n, unsigned depth)
{
    struct copier c = {outer->arena, outer->deep, n->source, n->source.p};
    struct node *to = depth > NODE_DEPTH_MAX ? NULL : tm_node_new(c.arena, n->kind, n->count);
    if (!to)
        return NULL;
    if (c.deep && n->source.p) {
        c.moved = tm_arena_copy(c.arena, n->source).p;
        if (!c.moved)
            return NULL;
    }
    for (uint32_t i = 0; i < n->count; i++)
        if (!copy_field(&c, to, &n->fields[i], depth))
            return NULL;
    to->changed = n->changed;
    to->reshaped = n->reshaped;
    to->live = n->live;
    to->originals = n->originals;
    to->source = (struct slice){c.moved, n->source.n};
    to->positional = n->positional || (n->columns && n->columns->positional);
    to->origin = n->origin;
    return to;
}

int tm_value_keep(struct arena *arena, const struct value *v, bool deep, struct value *out)
{
    struct copier c = {.arena = arena, .deep = deep};
    struct value copy;
    if (!copy_value(&c, v, 0, &copy))
        return TIDEMILL_E_MEMORY;
    *out = copy;
    return TIDEMILL_OK;
}

struct node *tm_node_copy(struct arena *arena, const struct node *n)
{
    struct copier c = {.arena = arena, .deep = true};
    struct node *to = copy_node(&c, n, 0);
    if (!to)
        return NULL;
    to->line_end = tm_arena_copy(arena, n->line_end);
    if (!to->line_end.p)
        return NULL;
    return to;
}
