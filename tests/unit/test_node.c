/*
 * Nodes: finding, assigning, adding, deleting, and copies that outlive what they were made from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "record/cell.h"
#include "record/json.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static int set_up(void **state)
{
    struct arena *arena = malloc(sizeof *arena);
    tm_arena_init(arena);
    *state = arena;
    return 0;
}

static int tear_down(void **state)
{
    tm_arena_release(*state);
    free(*state);
    return 0;
}

static struct value int_value(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .i = i};
}

static struct value text_value(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = slice_of(text)};
}

/* A record read from JSON that lies in `text`, of the caller. */
static struct node *read_json(struct arena *arena, struct slice text)
{
    struct json_reader *r = tm_json_reader_new(0);
    struct node *n = NULL;
    assert_int_equal(tm_json_read(r, arena, text, &n, NULL, NULL), TIDEMILL_OK);
    tm_json_reader_free(r);
    return n;
}

static void expect_json(const struct node *n, const char *want)
{
    struct buf out;
    tm_buf_init(&out);
    assert_int_equal(tm_json_write_node(&out, n, NULL), TIDEMILL_OK);
    if (!slice_is(buf_view(&out), want))
        fail_msg("wrote %.*s, not %s", (int)out.n, out.p, want);
    tm_buf_release(&out);
}

static void fields_are_found(void **state)
{
    struct node *n = tm_node_new(*state, NODE_OBJECT, 0);
    static char names[100][8];
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "f%u", i);
        assert_int_equal(tm_node_add(n, slice_of(names[i]), int_value(i)), TIDEMILL_OK);
    }
    assert_int_equal(tm_node_add(n, SLICE(""), int_value(100)), TIDEMILL_OK);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(tm_node_find(n, slice_of(names[i])), i);
        for (uint32_t j = 0; j < 101; j++)
            assert_int_equal(node_has(n, j, slice_of(names[i])), i == j);
        assert_false(node_has(n, 4711, slice_of(names[i])));
        assert_false(node_has(n, UINT32_MAX, slice_of(names[i])));
    }
    assert_int_equal(tm_node_find(n, SLICE("")), 100);
    assert_int_equal(tm_node_find(n, (struct slice){NULL, 0}), 100);
    assert_int_equal(tm_node_find(n, SLICE("f")), UINT32_MAX);
    assert_int_equal(tm_node_find(n, SLICE("f1000")), UINT32_MAX);
    assert_int_equal(n->live, 101);
    tm_node_delete(n, 7);
    tm_node_delete(n, 7);
    assert_int_equal(tm_node_find(n, SLICE("f7")), UINT32_MAX);
    assert_false(node_has(n, 7, SLICE("f7")));
    assert_int_equal(n->live, 100);
    assert_int_equal(n->count, 101);
}

/*
 * Of many fields one is found without passing over the others, whatever was added and deleted in
 * between, and as often as it is asked for.
 */
static void one_of_many_is_found(void **state)
{
    enum { MANY = 5000 };
    static char names[MANY][24];
    static uint32_t places[MANY]; /* UINT32_MAX: not there */
    struct node *n = tm_node_new(*state, NODE_OBJECT, 0);
    uint64_t random = 1;
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], i % 2 ? "name of field %u" : "%u", i);
        places[i] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < 4 * MANY; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t k = (uint32_t)(random >> 33) % MANY;
        assert_int_equal(tm_node_find(n, slice_of(names[k])), places[k]);
        if (places[k] == UINT32_MAX) {
            places[k] = n->count;
            assert_int_equal(tm_node_add(n, slice_of(names[k]), int_value(k)), TIDEMILL_OK);
        } else if (random >> 63) {
            tm_node_delete(n, places[k]);
            places[k] = UINT32_MAX;
        }
    }
    for (uint32_t k = 0; k < MANY; k++)
        assert_int_equal(tm_node_find(n, slice_of(names[k])), places[k]);
    assert_true(n->passed < 16 * n->count);
}

/* Names of all lengths around those that are compared in pieces: every byte counts. */
static void names_are_compared(void **state)
{
    (void)state;
    char a[12] = "abcdefghijk", b[12];
    for (size_t n = 0; n <= 11; n++) {
        memcpy(b, a, sizeof b);
        assert_true(slice_eq_short((struct slice){a, n}, (struct slice){b, n}));
        assert_false(slice_eq_short((struct slice){a, n}, (struct slice){b, n + 1}));
        for (size_t i = 0; i < n; i++) {
            b[i] ^= 1;
            assert_false(slice_eq_short((struct slice){a, n}, (struct slice){b, n}));
            b[i] ^= 1;
        }
    }
    assert_true(slice_eq_short((struct slice){NULL, 0}, SLICE("")));
}

static void changes_are_told_upwards(void **state)
{
    static const char text[] = "{\"a\":{\"b\":{\"c\":1}},\"d\":{\"e\":2}}";
    struct node *n = read_json(*state, slice_of(text));
    struct value a, b, d;
    tm_node_get(n, 0, &a);
    tm_node_get(a.node, 0, &b);
    tm_node_get(n, 1, &d);
    assert_false(n->changed || a.node->changed || b.node->changed || d.node->changed);
    tm_node_set(b.node, 0, int_value(2));
    assert_true(n->changed && a.node->changed && b.node->changed && !d.node->changed);
    assert_false(n->reshaped || b.node->reshaped);
    assert_null(node_fields(b.node)[0].source.p);
    assert_non_null(node_fields(b.node)[0].start);
    tm_node_delete(d.node, 0);
    assert_true(d.node->changed && d.node->reshaped && !n->reshaped);
    tm_node_add(n, SLICE("f"), int_value(1));
    assert_true(n->reshaped);
    assert_int_equal(n->originals, 2);
    expect_json(n, "{\"a\":{\"b\":{\"c\":2}},\"d\":{},\"f\":1}");
}

static void arrays_have_no_holes(void **state)
{
    static const char text[] = "{\"l\":[1,2,3]}";
    struct node *n = read_json(*state, slice_of(text));
    struct value l;
    tm_node_get(n, 0, &l);
    tm_node_delete(l.node, 2);
    tm_node_delete(l.node, 1);
    assert_int_equal(l.node->count, 1);
    assert_int_equal(l.node->live, 1);
    assert_int_equal(l.node->originals, 1);
    assert_int_equal(tm_node_add(l.node, SLICE(""), text_value("x")), TIDEMILL_OK);
    assert_int_equal(l.node->count, 2);
    assert_false(l.node->reshaped);
    expect_json(n, "{\"l\":[1,\"x\"]}");
}

static void texts(void **state)
{
    static const char text[] = "{\"s\":\"a\\u00e9\",\"p\":\"plain\",\"n\":1.50,\"o\":{ \"x\": 1 },"
                               "\"b\":true,\"c\":{ \"x\": 1 }}";
    static const char *const want[] = {"a\xc3\xa9",    "plain", "1.50",
                                       "{ \"x\": 1 }", "true",  "{ \"x\": 2 }"};
    struct node *n = read_json(*state, slice_of(text));
    struct slice s;
    struct value v;
    err e = {0};
    tm_node_get(n, 3, &v); /* opened, not changed */
    tm_node_get(n, 5, &v);
    tm_node_set(v.node, 0, int_value(2));
    for (int twice = 0; twice < 2; twice++) {
        for (uint32_t i = 0; i < LENGTH(want); i++) {
            assert_int_equal(tm_node_text(n, i, &s, &e), TIDEMILL_OK);
            assert_true(slice_is(s, want[i]));
        }
    }
    tm_node_set(n, 0, (struct value){.kind = VALUE_FLOAT, .d = 10});
    assert_int_equal(tm_node_text(n, 0, &s, &e), TIDEMILL_OK);
    assert_true(slice_is(s, "10.0"));
    tm_node_set(n, 0, (struct value){.kind = VALUE_FLOAT, .d = 1e308 * 10});
    assert_int_equal(tm_node_text(n, 0, &s, &e), TIDEMILL_E_WRITE);
    assert_string_equal(e.message, "the value is infinite, which JSON cannot say");
    tm_node_set(n, 0, text_value("raw \xff"));
    assert_int_equal(tm_node_text(n, 0, &s, &e), TIDEMILL_OK);
    assert_true(slice_is(s, "raw \xff"));
}

static void cells(void **state)
{
    static const struct {
        const char *content;
        enum value_kind kind;
    } rows[] = {{"12", VALUE_INT},   {"-1.5", VALUE_FLOAT}, {"", VALUE_TEXT},
                {"007", VALUE_TEXT}, {"1e5", VALUE_TEXT},   {"-0", VALUE_TEXT},
                {"true", VALUE_TEXT}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct node *n = tm_node_new(*state, NODE_OBJECT, 1);
        struct field *f = tm_node_append(n);
        struct value v;
        struct slice s;
        f->value = (struct value){.kind = VALUE_CELL, .text = slice_of(rows[i].content)};
        assert_int_equal(tm_node_get(n, 0, &v), TIDEMILL_OK);
        assert_int_equal(v.kind, rows[i].kind);
        tm_cell_value(f->value.text, &v);
        assert_int_equal(v.kind, rows[i].kind);
        assert_int_equal(f->value.kind, VALUE_CELL);
        assert_int_equal(tm_node_text(n, 0, &s, NULL), TIDEMILL_OK);
        assert_true(slice_is(s, rows[i].content));
    }
}

/* Opening a record's values again and again takes memory once. */
static void getting_settles(void **state)
{
    static const char text[] = "{\"s\":\"a\\u00e9\",\"o\":{\"x\":1},\"p\":\"plain\"}";
    struct arena *arena = *state;
    struct node *n = read_json(arena, slice_of(text));
    struct value v;
    char *p = NULL;
    for (int k = 0; k < 100; k++) {
        for (uint32_t i = 0; i < n->count; i++)
            assert_int_equal(tm_node_get(n, i, &v), TIDEMILL_OK);
        if (k == 0)
            p = arena->p;
    }
    assert_ptr_equal(arena->p, p);
}

static void values_are_kept(void **state)
{
    static const char text[] = "{\"a\":{ \"b\": [1, 2] },\"c\":0,\"d\":0}";
    struct node *n = read_json(*state, slice_of(text));
    struct value a, b, kept, again;
    tm_node_get(n, 0, &a);
    assert_int_equal(tm_value_keep(*state, &a, false, NODE_DEPTH_MAX, &kept), TIDEMILL_OK);
    assert_int_equal(kept.kind, VALUE_JSON); /* not changed: its text */
    assert_true(kept.text.p == a.node->source.p);
    tm_node_set(n, 1, kept);
    tm_node_get(a.node, 0, &b);
    tm_node_set(b.node, 0, int_value(9));
    assert_int_equal(tm_value_keep(*state, &a, false, NODE_DEPTH_MAX, &again), TIDEMILL_OK);
    assert_int_equal(again.kind, VALUE_NODE);
    assert_true(again.node != a.node && again.node->parent == NULL);
    tm_node_set(n, 2, again);
    assert_true(again.node->parent == n);
    tm_node_set(b.node, 1, int_value(8));
    expect_json(n, "{\"a\":{ \"b\": [9, 8] },\"c\":{ \"b\": [1, 2] },\"d\":{ \"b\": [9, 2] }}");
    tm_node_get(n, 1, &kept); /* the copy that is text opens as any other */
    tm_node_add(kept.node, SLICE("z"), int_value(1));
    expect_json(n, "{\"a\":{ \"b\": [9, 8] },\"c\":{ \"b\": [1, 2],\"z\":1 },"
                   "\"d\":{ \"b\": [9, 2] }}");
}

/* Everything a deep copy needs is its own: the source is overwritten and its arena given back. */
static void copies_outlive(void **state)
{
    char text[] = "{\"k\\u0065y\" : \"a\\n\" , \"o\":{ \"x\": [1, 2] },\"u\":{ \"v\": 3 },\"d\":1}";
    struct arena arena, *kept = *state;
    struct value v, w, scalar;
    char key[] = "added", value[] = "text";
    tm_arena_init(&arena);
    struct node *n = read_json(&arena, slice_of(text));
    tm_node_get(n, 0, &v);
    tm_node_get(n, 1, &v);
    tm_node_get(v.node, 0, &w);
    tm_node_set(w.node, 1, int_value(5));
    tm_node_get(n, 2, &v);
    tm_node_delete(n, 3);
    tm_node_add(n, slice_of(key), text_value(value));
    n->line_end = SLICE("\r\n");
    n->origin = &arena;
    struct node *copy = tm_node_copy(kept, n);
    assert_int_equal(tm_value_keep(kept, &node_fields(n)[4].value, true, 0, &scalar), TIDEMILL_OK);
    tm_arena_release(&arena);
    memset(text, '#', sizeof text);
    memset(key, '#', sizeof key);
    memset(value, '#', sizeof value);
    assert_true(slice_is(scalar.text, "text"));
    expect_json(copy, "{\"k\\u0065y\" : \"a\\n\" , \"o\":{ \"x\": [1, 5] },\"u\":{ \"v\": 3 },"
                      "\"added\":\"text\"}");
    assert_true(slice_is(node_fields(copy)[0].key, "key"));
    assert_true(slice_is(copy->line_end, "\r\n") && copy->origin == &arena);
    tm_node_get(copy, 1, &v);
    assert_true(v.node->parent == copy);
    tm_node_get(copy, 2, &v);
    tm_node_set(v.node, 0, int_value(4));
    expect_json(copy, "{\"k\\u0065y\" : \"a\\n\" , \"o\":{ \"x\": [1, 5] },\"u\":{ \"v\": 4 },"
                      "\"added\":\"text\"}");
}

static void csv_copies_outlive(void **state)
{
    char text[] = "12,\"a\"\"b\"", content[] = "a\"b", name[] = "12";
    struct slice names[] = {slice_of(name), slice_of(name)};
    struct columns columns = {.n = 2, .positional = true, .names = names};
    struct arena arena;
    struct slice s;
    tm_arena_init(&arena);
    names[0].n = names[1].n = 1;
    names[1].p++;
    struct node *n = tm_node_new(&arena, NODE_OBJECT, 2);
    n->source = slice_of(text);
    n->columns = &columns;
    for (uint32_t i = 0; i < 2; i++) {
        struct field *f = tm_node_append(n);
        f->key = names[i];
        f->source = i ? (struct slice){text + 3, 6} : (struct slice){text, 2};
        f->value.kind = VALUE_CELL;
        f->value.text = i ? slice_of(content) : f->source;
    }
    n->originals = n->count;
    struct node *copy = tm_node_copy(*state, n);
    tm_arena_release(&arena);
    memset(text, '#', sizeof text);
    memset(content, '#', sizeof content);
    memset(name, '#', sizeof name);
    assert_true(copy->positional && !copy->columns && copy->originals == 2);
    assert_true(slice_is(copy->source, "12,\"a\"\"b\""));
    assert_true(slice_is(node_fields(copy)[1].source, "\"a\"\"b\""));
    assert_int_equal(tm_node_text(copy, 1, &s, NULL), TIDEMILL_OK);
    assert_true(slice_is(s, "a\"b"));
    expect_json(copy, "{\"1\":12,\"2\":\"a\\\"b\"}");
}

/* What moves keeps its bytes, read or not; what stands before it also what is around them. */
static void elements_move(void **state)
{
    static const char text[] = "{\"a\":[ 1.50, \"\\u0041\" , {\"x\" :1E5} , 2 ]}";
    static const uint32_t backwards[] = {3, 2, 1, 0}, last_two[] = {0, 1, 3, 2},
                          as_it_is[] = {0, 1, 2, 3};
    struct value a, v;
    struct node *n = read_json(*state, slice_of(text));
    tm_node_get(n, 0, &a);
    assert_int_equal(tm_array_reorder(a.node, as_it_is), TIDEMILL_OK);
    assert_false(n->changed);
    assert_int_equal(tm_array_reorder(a.node, last_two), TIDEMILL_OK);
    assert_true(n->changed && a.node->changed);
    expect_json(n, "{\"a\":[ 1.50, \"\\u0041\",2,{\"x\" :1E5} ]}");
    for (uint32_t i = 0; i < 4; i++)
        tm_node_get(a.node, i, &v);
    assert_int_equal(tm_array_reorder(a.node, backwards), TIDEMILL_OK);
    expect_json(n, "{\"a\":[{\"x\" :1E5},2,\"\\u0041\",1.50]}");
    tm_node_set(v.node, 0, int_value(7));
    assert_int_equal(tm_array_insert(a.node, 4, int_value(8)), TIDEMILL_OK);
    assert_int_equal(tm_array_insert(a.node, 0, int_value(9)), TIDEMILL_OK);
    tm_array_remove(a.node, 2);
    expect_json(n, "{\"a\":[9,{\"x\" :7},\"\\u0041\",1.50,8]}");
    while (a.node->count)
        tm_array_remove(a.node, 0);
    assert_int_equal(tm_array_reorder(a.node, NULL), TIDEMILL_OK);
    expect_json(n, "{\"a\":[]}");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(one_of_many_is_found),
        cmocka_unit_test(names_are_compared),
        cmocka_unit_test(changes_are_told_upwards),
        cmocka_unit_test(arrays_have_no_holes),
        cmocka_unit_test(texts),
        cmocka_unit_test(cells),
        cmocka_unit_test(getting_settles),
        cmocka_unit_test(values_are_kept),
        cmocka_unit_test(copies_outlive),
        cmocka_unit_test(csv_copies_outlive),
        cmocka_unit_test(elements_move),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
