/*
 * Nodes: finding, reading, assigning, adding and deleting of fields. Values flow in ready to keep
 * (node_copy.c makes them so); bytes are read only where somebody asks for a field.
 */
#include "record/node.h"

#include <assert.h>
#include <stdatomic.h>

#include "record/cell.h"
#include "record/json.h"
#include "record/json_text.h"

struct node *tm_node_new(struct arena *arena, enum node_kind kind, uint32_t cap)
{
    size_t size;
    if (__builtin_mul_overflow(cap, sizeof(struct field), &size) ||
        __builtin_add_overflow(size, sizeof(struct node), &size))
        return NULL;
    struct node *n = arena_alloc(arena, size);
    if (n)
        *n = (struct node){
            .kind = kind, .cap = cap, .arena = arena, .slots = (struct field *)(n + 1)};
    return n;
}

uint64_t tm_shape_new(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static bool grow(struct node *n)
{
    /* UINT32_MAX stands for "no such field" and is no count. */
    uint32_t cap = n->cap < 4 ? 8 : n->cap < UINT32_MAX / 2 ? n->cap * 2 : UINT32_MAX - 1;
    struct field *fields;
    size_t size;
    if (cap <= n->cap || __builtin_mul_overflow(cap, sizeof *fields, &size))
        return false;
    fields = arena_alloc(n->arena, size);
    if (!fields)
        return false;
    if (n->count)
        memcpy(fields, n->slots, n->count * sizeof *fields);
    n->slots = fields;
    n->cap = cap;
    return true;
}

struct field *tm_node_append(struct node *n)
{
    if (n->count == n->cap && !grow(n))
        return NULL;
    struct field *f = &n->slots[n->count++];
    *f = (struct field){0};
    n->live++;
    return f;
}

/* An index is worth its while in a node of many fields that were passed over many times. */
#define MANY   32
#define PASSES 8

uint32_t tm_node_find(struct node *n, struct slice key)
{
    if (n->count > MANY && n->passed / PASSES > n->count && tm_node_index(n))
        return tm_node_lookup(n, key);
    uint32_t i = 0;
    const struct field *f = node_fields(n);
    while (i < n->count && !field_has(&f[i], key))
        i++;
    n->passed += n->passed < UINT32_MAX - i ? i : 0;
    return i < n->count ? i : UINT32_MAX;
}

int tm_node_get(struct node *n, uint32_t i, struct value *out)
{
    assert(i < n->count);
    if (node_is_span(n, i)) {
        if (node_span_kind(n, i) == VALUE_CELL)
            tm_cell_value(node_span(n, i), out);
        else
            *out = (struct value){.kind = VALUE_TEXT, .text = node_span(n, i)};
        return TIDEMILL_OK;
    }
    struct field *f = &n->slots[i];
    if (f->value.kind == VALUE_CELL) {
        tm_cell_value(f->value.text, out);
        return TIDEMILL_OK;
    }
    if (f->value.kind != VALUE_JSON) {
        value_copy(out, &f->value);
        return TIDEMILL_OK;
    }
    struct slice text = f->value.text;
    int status = tm_json_decode(n->arena, text, n, out);
    /* What took memory is kept, so that a loop over one field takes it once. */
    bool took = out->kind == VALUE_NODE || (out->kind == VALUE_TEXT && out->text.p != text.p + 1);
    if (status == TIDEMILL_OK && took)
        f->value = *out;
    return status;
}

/* The value as JSON text, in the arena. */
static int print(struct arena *arena, const struct value *v, struct slice *out, err *e)
{
    struct buf text;
    tm_buf_init(&text);
    int status = tm_json_write_value(&text, v, e);
    if (status == TIDEMILL_OK) {
        *out = text.failed ? (struct slice){NULL, 0} : tm_arena_copy(arena, buf_view(&text));
        if (!out->p)
            status = tm_err_memory(e, "a field's text");
    }
    tm_buf_release(&text);
    return status;
}

int tm_node_text(struct node *n, uint32_t i, struct slice *out, err *e)
{
    assert(i < n->count);
    struct field *f = &node_fields(n)[i];
    struct value v = f->value;
    if (v.kind == VALUE_JSON && v.text.p[0] == '"' && tm_node_get(n, i, &v) != TIDEMILL_OK)
        return tm_err_memory(e, "a field's text");
    bool whole = f->start && f->source.p && (v.kind != VALUE_NODE || !v.node->changed);
    switch (v.kind) {
    case VALUE_NONE:
        *out = (struct slice){"", 0};
        return TIDEMILL_OK;
    case VALUE_CELL:
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_NUMBER:
        *out = v.text;
        return TIDEMILL_OK;
    default:
        if (!whole)
            return print(n->arena, &v, out, e);
        *out = f->source;
        return TIDEMILL_OK;
    }
}

/* From here up to the record; whoever is marked has marked all above. */
static void mark_changed(struct node *n, uint32_t assigned)
{
    n->assigned = assigned;
    if (n->changed)
        return;
    n->changed = true;
    for (n = n->parent; n; n = n->parent) {
        n->changed = true;
        n->assigned = 0;
    }
}

static void put(struct node *n, struct value *to, struct value v)
{
    assert(v.kind != VALUE_NONE);
    *to = v;
    if (v.kind == VALUE_NODE)
        v.node->parent = n;
}

struct value *tm_node_assign(struct node *n, uint32_t i)
{
    assert(i < n->count);
    struct field *f = &n->slots[i];
    if (node_is_span(n, i)) {
        /* One value beside the spans is kept there, of more all slots are filled. */
        if (n->filled) {
            tm_node_fill(n);
        } else {
            f->key = n->columns->names[i];
            f->start = NULL;
            f->source.n = node_span_source(n, i).n;
            f->value.kind = node_span_kind(n, i);
            n->filled = i + 1;
        }
    }
    if (f->value.kind == VALUE_NONE)
        n->live++;
    f->source.p = NULL;
    bool alone = n->assigned == ASSIGNED_NONE || n->assigned == i + 1;
    mark_changed(n, alone ? i + 1 : 0);
    return &f->value;
}

void tm_node_set(struct node *n, uint32_t i, struct value v)
{
    put(n, tm_node_assign(n, i), v);
}

int tm_node_add(struct node *n, struct slice key, struct value v)
{
    struct field *f = tm_node_append(n);
    if (!f)
        return TIDEMILL_E_MEMORY;
    f->key = key;
    n->reshaped |= n->kind == NODE_OBJECT;
    put(n, &f->value, v);
    mark_changed(n, n->assigned == ASSIGNED_NONE ? n->count : 0);
    return TIDEMILL_OK;
}

void tm_node_delete(struct node *n, uint32_t i)
{
    assert(i < n->count);
    struct field *f = &node_fields(n)[i];
    if (f->value.kind == VALUE_NONE)
        return;
    f->value = (struct value){.kind = VALUE_NONE};
    f->source = (struct slice){NULL, 0};
    n->live--;
    if (n->kind == NODE_OBJECT) {
        n->reshaped = true;
    } else {
        assert(i == n->count - 1);
        n->count--;
        if (n->originals > n->count)
            n->originals = n->count;
    }
    mark_changed(n, 0);
}
