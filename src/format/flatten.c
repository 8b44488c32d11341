/*
 * Nested values to columns: a record flows in, and one with a field for each part of it flows out, to
 * be written. Both stay as they are. Nothing here recurses, as a record may be nested deeply.
 */
#include "format/flatten.h"

#include "base/heap.h"
#include "base/number.h"
#include "format/layout.h"
#include "record/json_text.h"

/* A node whose fields are being gone through. */
struct flatten_level {
    const struct node *node;
    uint32_t next;
    size_t prefix; /* bytes of the name up to here */
};

void tm_flatten_init(struct flatten *f, const struct output_dialect *d, size_t names_max)
{
    *f = (struct flatten){.separator = d->separator, .names_max = names_max};
}

void tm_flatten_release(struct flatten *f)
{
    tm_arena_release(&f->record);
    tm_arena_release(&f->known[0]);
    tm_arena_release(&f->known[1]);
    tm_buf_release(&f->name);
    tm_buf_release(&f->behind);
    tm_heap_free(f->levels);
}

static bool is_nested(const struct value *v)
{
    return v->kind == VALUE_NODE ||
           (v->kind == VALUE_JSON && v->text.n && (v->text.p[0] == '{' || v->text.p[0] == '['));
}

static bool has_nested(const struct node *record)
{
    for (uint32_t i = 0; i < record->count; i++)
        if (!node_is_span(record, i) && is_nested(&record->slots[i].value))
            return true;
    return false;
}

/* What a nested value holds; NULL when memory is out. */
static const struct node *open_nested(struct flatten *f, const struct value *v)
{
    struct value opened;
    if (v->kind == VALUE_NODE)
        return v->node;
    if (tm_json_decode(&f->record, v->text, NULL, &opened) != TIDEMILL_OK)
        return NULL;
    return opened.node;
}

static bool enter(struct flatten *f, const struct node *node, size_t prefix)
{
    if (f->levels_n == f->levels_cap) {
        size_t cap = f->levels_cap ? f->levels_cap * 2 : 16;
        struct flatten_level *levels = tm_heap_grow(f->levels, cap * sizeof *levels);
        if (!levels)
            return false;
        f->levels = levels;
        f->levels_cap = cap;
    }
    f->levels[f->levels_n++] = (struct flatten_level){.node = node, .prefix = prefix};
    return true;
}

/* The name of field i of the level. */
static void put_name(struct flatten *f, const struct flatten_level *at, uint32_t i)
{
    f->name.n = at->prefix;
    if (f->levels_n > 1)
        buf_slice(&f->name, f->separator);
    if (at->node->kind == NODE_OBJECT)
        buf_slice(&f->name, node_fields(at->node)[i].key);
    else if (buf_reserve(&f->name, NUMBER_TEXT_MAX))
        f->name.n += tm_number_print_int(f->name.p + f->name.n, (int64_t)i + 1);
}

/*
 * A field that holds no others. Own bytes count where the field stands in the record, or in what its
 * reader made of it: what was assigned may come from anywhere.
 */
static bool put_leaf(struct flatten *f, const struct flatten_level *at, const struct field *from,
                     const struct node *empty, const struct node *record, struct node *out)
{
    bool own = at->node == record || (record->origin && at->node->origin == record->origin);
    struct field *to = tm_node_append(out);
    if (!to)
        return false;
    *to = (struct field){.value = from->value};
    if (own && !(empty && empty->changed))
        to->source = from->source;
    if (empty)
        to->value = (struct value){.kind = VALUE_TEXT,
                                   .text = empty->kind == NODE_OBJECT ? SLICE("{}") : SLICE("[]")};
    to->key = at->node == record ? from->key : tm_arena_copy(&f->record, buf_view(&f->name));
    uint32_t top = f->levels[0].next - 1;
    buf_append(&f->behind, &top, sizeof top);
    return !f->behind.failed && (to->key.p || at->node == record);
}

/* The next field; false when memory is out. */
static bool take_field(struct flatten *f, const struct node *record, struct node *out)
{
    struct flatten_level *at = &f->levels[f->levels_n - 1];
    uint32_t i = at->next++;
    const struct field *field = &node_fields(at->node)[i];
    const struct node *inner = NULL;
    if (field->value.kind == VALUE_NONE)
        return true;
    put_name(f, at, i);
    if (f->name.failed || (is_nested(&field->value) && !(inner = open_nested(f, &field->value))))
        return false;
    if (inner && inner->live)
        return enter(f, inner, f->name.n);
    return put_leaf(f, at, field, inner, record, out);
}

static int take_all(struct flatten *f, const struct node *record, struct node *out, err *e)
{
    size_t names = 0;
    f->levels_n = 0;
    buf_reset(&f->name);
    if (!enter(f, record, 0))
        return tm_err_memory(e, "a flattened record");
    while (f->levels_n) {
        const struct flatten_level *at = &f->levels[f->levels_n - 1];
        if (at->next == at->node->count) {
            f->levels_n--;
            continue;
        }
        if (!take_field(f, record, out))
            return tm_err_memory(e, "a flattened record");
        names += f->name.n;
        if (names > f->names_max)
            return tm_err_set(e, TIDEMILL_E_WRITE,
                              "the names of the flattened record are larger than %zu bytes "
                              "(limits.result_size)",
                              f->names_max);
    }
    return TIDEMILL_OK;
}

/* ---- names ---- */

static bool are_known(const struct flatten *f, const struct node *n)
{
    if (n->count != f->known_n)
        return false;
    for (uint32_t i = 0; i < n->count; i++)
        if (!slice_eq(node_fields(n)[i].key, f->known_names[i]))
            return false;
    return true;
}

/* Which field of the record a column comes from. */
static struct slice field_behind(const struct flatten *f, const struct node *record,
                                 uint32_t column)
{
    uint32_t i;
    memcpy(&i, f->behind.p + column * sizeof i, sizeof i);
    return node_fields(record)[i].key;
}

static int refuse(const struct flatten *f, const struct node *record, const struct node *flat,
                  uint32_t first, uint32_t second, err *e)
{
    struct slice a = field_behind(f, record, first), b = field_behind(f, record, second);
    struct slice name = node_fields(flat)[first].key;
    if (slice_eq(a, b))
        return tm_err_set(e, TIDEMILL_E_WRITE,
                          "field '%.*s' gives the column '%.*s' twice (output.separator)",
                          NAME_ARGS(a), NAME_ARGS(name));
    return tm_err_set(e, TIDEMILL_E_WRITE,
                      "fields '%.*s' and '%.*s' both give the column '%.*s' (output.separator)",
                      NAME_ARGS(a), NAME_ARGS(b), NAME_ARGS(name));
}

/* Of all columns with the name of an earlier one, tell of the first. */
static int find_twice(const struct flatten *f, const struct node *record, const struct node *flat,
                      const struct slice *names, err *e)
{
    struct name_index x;
    uint32_t first = 0, second = UINT32_MAX;
    if (!tm_name_index_init(&x, flat->count, names))
        return tm_err_memory(e, "column names");
    for (uint32_t i = 1; i < x.n; i++)
        if (slice_eq(names[x.order[i - 1]], names[x.order[i]]) && x.order[i] < second) {
            first = x.order[i - 1];
            second = x.order[i];
        }
    tm_name_index_release(&x);
    return second == UINT32_MAX ? TIDEMILL_OK : refuse(f, record, flat, first, second, e);
}

/* Most records have the names of the one before. */
static int check_names(struct flatten *f, const struct node *record, const struct node *flat,
                       err *e)
{
    if (are_known(f, flat))
        return TIDEMILL_OK;
    struct arena *arena = &f->known[!f->current];
    tm_arena_reset(arena);
    struct slice *names = arena_alloc(arena, flat->count * sizeof *names);
    for (uint32_t i = 0; names && i < flat->count; i++) {
        names[i] = tm_arena_copy(arena, node_fields(flat)[i].key);
        if (!names[i].p)
            names = NULL;
    }
    if (!names)
        return tm_err_memory(e, "column names");
    int status = find_twice(f, record, flat, names, e);
    if (status != TIDEMILL_OK)
        return status;
    f->current = !f->current;
    f->known_n = flat->count;
    f->known_names = names;
    return TIDEMILL_OK;
}

int tm_flatten(struct flatten *f, const struct node *record, const struct node **out, err *e)
{
    if (!has_nested(record))
        return TIDEMILL_OK;
    tm_arena_reset(&f->record);
    buf_reset(&f->behind);
    struct node *flat = tm_node_new(&f->record, NODE_OBJECT, record->count);
    if (!flat)
        return tm_err_memory(e, "a flattened record");
    int status = take_all(f, record, flat, e);
    if (status == TIDEMILL_OK)
        status = check_names(f, record, flat, e);
    if (status != TIDEMILL_OK)
        return status;
    flat->changed = record->changed;
    flat->originals = flat->count;
    flat->source = record->source;
    flat->line_end = record->line_end;
    flat->origin = record->origin;
    *out = flat;
    return TIDEMILL_OK;
}
