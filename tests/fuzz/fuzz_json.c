/*
 * Any bytes as a JSON record. What is accepted must come back byte for byte after everything in it
 * was opened and after it was copied, and still be a record after everything was assigned anew, and
 * after elements were put in, taken out and reordered. With duplicate keys allowed and other values
 * wrapped more is accepted, and gives records that are.
 */
#include <stdint.h>
#include <stdlib.h>

#include "record/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
    if (!good)
        abort();
}

/* Open all that is below n; with `assign`, give every scalar its own value again. */
static void touch(struct node *n, bool assign)
{
    for (uint32_t i = 0; i < n->count; i++) {
        struct value v;
        require(tm_node_get(n, i, &v) == TIDEMILL_OK);
        require(n->kind == NODE_ARRAY || tm_node_find(n, node_fields(n)[i].key) == i);
        if (v.kind == VALUE_NODE)
            touch(v.node, assign);
        else if (assign)
            tm_node_set(n, i, v);
    }
}

static struct slice print(struct arena *arena, const struct node *n)
{
    struct buf out;
    tm_buf_init(&out);
    require(tm_json_write_node(&out, n, NULL) == TIDEMILL_OK);
    struct slice copy = tm_arena_copy(arena, buf_view(&out));
    tm_buf_release(&out);
    return copy;
}

/* Turn every array around, with one more element in it and another one gone. */
static void shuffle(struct node *n)
{
    for (uint32_t i = 0; i < n->count; i++) {
        struct value v;
        require(tm_node_get(n, i, &v) == TIDEMILL_OK);
        if (v.kind == VALUE_NODE)
            shuffle(v.node);
    }
    if (n->kind != NODE_ARRAY || n->count == 0)
        return;
    uint32_t count = n->count, *order = arena_alloc(n->arena, (count + 1) * sizeof *order);
    require(order &&
            tm_array_insert(n, count / 2, (struct value){.kind = VALUE_NULL}) == TIDEMILL_OK);
    for (uint32_t i = 0; i <= count; i++)
        order[i] = count - i;
    require(tm_array_reorder(n, order) == TIDEMILL_OK);
    tm_array_remove(n, count / 3);
    require(n->count == count);
}

static void check_accepted(struct json_reader *r, struct arena *arena, struct node *n)
{
    struct node *again;
    struct slice source = n->source;
    touch(n, false);
    require(slice_eq(print(arena, n), source));
    struct node *other = tm_node_copy(arena, n);
    touch(n, true);
    struct slice printed = print(arena, n);
    require(slice_eq(print(arena, tm_node_copy(arena, n)), printed));
    require(tm_json_read(r, arena, printed, &again, NULL, NULL) == TIDEMILL_OK);
    require(again->count == n->count);
    require(other);
    shuffle(other);
    printed = print(arena, other);
    require(slice_eq(print(arena, tm_node_copy(arena, other)), printed));
    require(tm_json_read(r, arena, printed, &again, NULL, NULL) == TIDEMILL_OK);
    require(again->count == n->count);
}

/* What the options let in is a record to a reader without them. */
static void check_options(struct json_reader *strict, struct arena *arena, struct slice text,
                          bool accepted)
{
    for (int duplicates = DUPLICATES_LAST; duplicates <= DUPLICATES_NUMBER; duplicates++) {
        struct json_reader *r = tm_json_reader_new(200);
        struct node *n, *again;
        require(r);
        tm_json_reader_set(r, (enum duplicates)duplicates, SLICE("w"), "end of line");
        int status = tm_json_read(r, arena, text, &n, NULL, NULL);
        require(!accepted || status == TIDEMILL_OK);
        if (status == TIDEMILL_OK) {
            struct slice printed = print(arena, n);
            require(!accepted || slice_eq(printed, n->source));
            require(tm_json_read(strict, arena, printed, &again, NULL, NULL) == TIDEMILL_OK);
            check_accepted(strict, arena, again);
        }
        tm_json_reader_free(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct node *n;
    size_t where = 0;
    err e = {0};
    struct slice text = {(const char *)data, size};
    struct json_reader *r = tm_json_reader_new(200);
    tm_arena_init(&arena);
    bool accepted = tm_json_read(r, &arena, text, &n, &where, &e) == TIDEMILL_OK;
    if (accepted)
        check_accepted(r, &arena, n);
    require(accepted || where <= size || where == SIZE_MAX);
    require(accepted || e.message[0] != '\0');
    check_options(r, &arena, text, accepted);
    tm_json_reader_free(r);
    tm_arena_release(&arena);
    return 0;
}
