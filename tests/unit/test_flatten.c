/*
 * Flattening and nesting where it is deep or wide: nothing recurses, nothing takes the square of the
 * columns. What values become is shown by tests/cases/flatten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/flatten.h"
#include "format/unflatten.h"
#include "record/json.h"

static const struct output_dialect flat = {.nested = NESTED_FLATTEN, .separator = {".", 1}};

static struct node *read_json(struct arena *arena, struct slice text)
{
    struct json_reader *r = tm_json_reader_new(NODE_DEPTH_MAX);
    struct node *n;
    size_t where;
    assert_int_equal(tm_json_read(r, arena, text, &n, &where, NULL), TIDEMILL_OK);
    tm_json_reader_free(r);
    return n;
}

static void test_deep(void **state)
{
    struct buf text, name;
    struct arena arena;
    struct flatten f;
    const struct node *out = NULL;
    (void)state;
    tm_buf_init(&text);
    tm_buf_init(&name);
    tm_arena_init(&arena);
    tm_buf_printf(&text, "{\"a\":");
    tm_buf_printf(&name, "a");
    for (int i = 0; i < NODE_DEPTH_MAX - 1; i++) {
        buf_byte(&text, '[');
        tm_buf_printf(&name, ".1");
    }
    tm_buf_printf(&text, "1.50");
    for (int i = 0; i < NODE_DEPTH_MAX - 1; i++)
        buf_byte(&text, ']');
    buf_byte(&text, '}');
    struct node *record = read_json(&arena, buf_view(&text));
    tm_flatten_init(&f, &flat, 1 << 20);
    assert_int_equal(tm_flatten(&f, record, &out, NULL), TIDEMILL_OK);
    assert_int_equal(out->count, 1);
    assert_true(slice_eq(node_fields(out)[0].key, buf_view(&name)));
    assert_true(slice_is(node_fields(out)[0].value.text, "1.50"));
    assert_int_equal(node_fields(record)[0].value.kind, VALUE_JSON);
    tm_flatten_release(&f);
    tm_arena_release(&arena);
    tm_buf_release(&name);
    tm_buf_release(&text);
}

/* A record without nested values is not touched, and nothing is made of it. */
static void test_nothing_nested(void **state)
{
    struct arena arena;
    struct flatten f;
    const struct node *out = NULL;
    (void)state;
    tm_arena_init(&arena);
    tm_flatten_init(&f, &flat, 1 << 20);
    struct node *record = read_json(&arena, SLICE("{\"a.b\":1,\"c\":\"{}\"}"));
    assert_int_equal(tm_flatten(&f, record, &out, NULL), TIDEMILL_OK);
    assert_null(out);
    tm_flatten_release(&f);
    tm_arena_release(&arena);
}

static struct columns *make_columns(struct arena *arena, uint32_t n, const char *format)
{
    struct columns *columns = arena_alloc(arena, sizeof *columns);
    struct slice *names = arena_alloc(arena, n * sizeof *names);
    for (uint32_t i = 0; i < n; i++) {
        char text[128];
        snprintf(text, sizeof text, format, i % 300, i);
        names[i] = tm_arena_copy(arena, slice_of(text));
    }
    *columns = (struct columns){.n = n, .names = names, .cells = n};
    return columns;
}

/* A record of the columns, each cell a number of its own. */
static struct node *make_record(struct arena *arena, const struct columns *columns)
{
    struct node *n = tm_node_new(arena, NODE_OBJECT, columns->n);
    for (uint32_t i = 0; i < columns->n; i++)
        *tm_node_append(n) = (struct field){.key = columns->names[i],
                                            .value = {.kind = VALUE_INT, .i = i}};
    return n;
}

static void test_wide(void **state)
{
    static const char *const formats[] = {"c%u.%u", "a.b.c.d.e.f%u.g%u", "%2$u", "x.%2$u"};
    static const struct input_dialect d = {
        .unflatten = true, .separator = {".", 1}, .max_depth = NODE_DEPTH_MAX};
    const uint32_t n = 100000;
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct arena arena;
        struct unflatten *u = NULL;
        struct flatten f;
        const struct node *out = NULL;
        tm_arena_init(&arena);
        struct columns *columns = make_columns(&arena, n, formats[i]);
        assert_int_equal(tm_unflatten_new(&d, &arena, columns, &u, NULL), TIDEMILL_OK);
        assert_non_null(u);
        struct node *record = tm_unflatten(u, &arena, make_record(&arena, columns));
        assert_non_null(record);
        assert_int_equal(record->live, i == 0 ? 300 : i == 2 ? n : 1);
        tm_flatten_init(&f, &flat, 64 << 20);
        assert_int_equal(tm_flatten(&f, record, &out, NULL), TIDEMILL_OK);
        assert_int_equal(out ? out->count : record->count, n);
        for (uint32_t k = 0; out && k < n; k++)
            assert_true(
                slice_eq(columns->names[node_fields(out)[k].value.i], node_fields(out)[k].key));
        tm_flatten_release(&f);
        tm_arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_nothing_nested),
        cmocka_unit_test(test_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
