/*
 * Values and records made ready to live elsewhere. Nodes flow in and stay as they are; what flows
 * out hangs on the arena given. A shallow copy shares the bytes (same arena, or longer-lived), a
 * deep one takes them along. There is no recursion: the nodes that are being copied are a list.
 */
#include "record/json_text.h"

/* A node that is being copied, and the ones around it. */
struct frame {
    struct frame *up, *down; /* `down` is kept to be used again */
    const struct node *from;
    struct node *to;
    uint32_t next;
    /* The source that is copied as one piece, and where its copy begins. */
    struct slice source;
    const char *moved;
};

struct copier {
    struct arena *arena;
    bool deep;
    struct frame *frame; /* the innermost */
    uint32_t levels;     /* so many more may be opened in it */
    bool too_deep;
};

/* `s` in the copy; p NULL when memory is out. */
static struct slice copy_text(const struct copier *c, struct slice s)
{
    if (!c->deep || !s.p)
        return s;
    if (c->frame && c->frame->source.p) {
        struct slice source = c->frame->source;
        uintptr_t at = (uintptr_t)s.p, begin = (uintptr_t)source.p;
        if (at >= begin && at - begin <= source.n && s.n <= source.n - (at - begin))
            return (struct slice){c->frame->moved + (at - begin), s.n};
    }
    return tm_arena_copy(c->arena, s);
}

/* A frame inside the innermost one; NULL when memory is out. */
static struct frame *new_frame(struct copier *c)
{
    struct frame *up = c->frame, *f = up ? up->down : NULL;
    if (!f) {
        f = arena_alloc(c->arena, sizeof *f);
        if (!f)
            return NULL;
        f->down = NULL;
        f->up = up;
        if (up)
            up->down = f;
    }
    return f;
}

/* Begin to copy `n`, whose fields come next; NULL when it is too deep, or memory is out. */
static struct node *begin_node(struct copier *c, const struct node *n)
{
    struct slice source = n->source;
    c->too_deep = c->levels == 0;
    struct frame *f = c->too_deep ? NULL : new_frame(c);
    struct node *to = f ? tm_node_new(c->arena, n->kind, n->count) : NULL;
    if (!to)
        return NULL;
    if (c->deep && source.p) {
        source = tm_arena_copy(c->arena, source);
        if (!source.p)
            return NULL;
    }
    to->parent = c->frame ? c->frame->to : NULL;
    to->changed = n->changed;
    to->reshaped = n->reshaped;
    to->originals = n->originals;
    to->source = source;
    to->positional = n->positional || (n->columns && n->columns->positional);
    to->origin = n->origin;
    f->from = n;
    f->to = to;
    f->next = 0;
    f->source = n->source;
    f->moved = source.p;
    c->frame = f;
    c->levels--;
    return to;
}

/* Text of the source, which may come to stand deeper than it did. */
static bool copy_json(struct copier *c, struct slice text, struct value *out)
{
    c->too_deep = tm_json_is_deeper(text, c->levels);
    if (c->too_deep)
        return false;
    *out = (struct value){.kind = VALUE_JSON, .text = copy_text(c, text)};
    return out->text.p != NULL;
}

/* A value: text where it was not changed, so that its own bytes stay. A node is begun. */
static bool copy_value(struct copier *c, const struct value *v, struct value *out)
{
    *out = *v;
    switch (v->kind) {
    case VALUE_JSON:
        return copy_json(c, v->text, out);
    case VALUE_CELL:
    case VALUE_TEXT:
    case VALUE_NUMBER:
        out->text = copy_text(c, v->text);
        return out->text.p || !v->text.p;
    case VALUE_NODE:
        if (!v->node->changed && tm_json_has_source(v->node))
            return copy_json(c, v->node->source, out);
        out->node = begin_node(c, v->node);
        return out->node != NULL;
    default:
        return true;
    }
}

static bool copy_field(struct copier *c, const struct field *f)
{
    const struct frame *frame = c->frame;
    struct field *out = tm_node_append(frame->to);
    if (!out)
        return false;
    out->key = copy_text(c, f->key);
    out->source = copy_text(c, f->source);
    out->start = f->start && c->deep ? frame->moved + (f->start - frame->source.p) : f->start;
    return (out->key.p || !f->key.p) && (out->source.p || !f->source.p) &&
           copy_value(c, &f->value, &out->value);
}

/* All that was begun. False as begin_node() is NULL. */
static bool finish(struct copier *c)
{
    while (c->frame) {
        struct frame *f = c->frame;
        if (f->next < f->from->count) {
            if (!copy_field(c, &node_fields(f->from)[f->next++]))
                return false;
        } else {
            f->to->live = f->from->live;
            c->frame = f->up;
            c->levels++;
        }
    }
    return true;
}

int tm_value_keep(struct arena *arena, const struct value *v, bool deep, uint32_t levels,
                  struct value *out)
{
    struct copier c = {.arena = arena, .deep = deep, .levels = levels};
    struct value copy;
    if (!copy_value(&c, v, &copy) || !finish(&c))
        return c.too_deep ? TIDEMILL_E_WRITE : TIDEMILL_E_MEMORY;
    *out = copy;
    return TIDEMILL_OK;
}

struct node *tm_node_copy(struct arena *arena, const struct node *n)
{
    struct copier c = {.arena = arena, .deep = true, .levels = UINT32_MAX};
    struct node *to = begin_node(&c, n);
    if (!to || !finish(&c))
        return NULL;
    to->line_end = tm_arena_copy(arena, n->line_end);
    return to->line_end.p ? to : NULL;
}
