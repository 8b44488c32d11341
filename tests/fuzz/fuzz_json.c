/*
 * Any bytes as a JSON record. What is accepted must come back byte for byte after everything in it
 * was opened and after it was copied, and still be a record after everything was assigned anew.
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
        require(n->kind == NODE_ARRAY || tm_node_find(n, n->fields[i].key) == i);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct node *n, *again;
    size_t where = 0;
    err e = {0};
    struct slice text = {(const char *)data, size};
    struct json_reader *r = tm_json_reader_new(200);
    tm_arena_init(&arena);
    if (tm_json_read(r, &arena, text, &n, &where, &e) == TIDEMILL_OK) {
        touch(n, false);
        require(slice_eq(print(&arena, n), n->source));
        touch(n, true);
        struct slice printed = print(&arena, n);
        require(slice_eq(print(&arena, tm_node_copy(&arena, n)), printed));
        require(tm_json_read(r, &arena, printed, &again, NULL, &e) == TIDEMILL_OK);
        require(again->count == n->count);
    } else {
        require(where <= size || where == SIZE_MAX);
        require(e.message[0] != '\0');
    }
    tm_json_reader_free(r);
    tm_arena_release(&arena);
    return 0;
}
