/*
 * JSON: what is refused and where, what is read, and that writing keeps every byte nobody changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/json.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

struct fixture {
    struct json_reader *reader;
    struct arena arena;
    struct buf out;
};

static int set_up(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    f->reader = tm_json_reader_new(64);
    tm_arena_init(&f->arena);
    tm_buf_init(&f->out);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tm_json_reader_free(f->reader);
    tm_arena_release(&f->arena);
    tm_buf_release(&f->out);
    free(f);
    return 0;
}

static struct node *read_text(struct fixture *f, const char *text)
{
    err e = {0};
    size_t where = 0;
    struct node *n = NULL;
    int status = tm_json_read(f->reader, &f->arena, slice_of(text), &n, &where, &e);
    if (status != TIDEMILL_OK)
        fail_msg("%s: %zu: %s", text, where, e.message);
    return n;
}

static void expect_text(struct fixture *f, const struct node *n, const char *want)
{
    err e = {0};
    buf_reset(&f->out);
    if (tm_json_write_node(&f->out, n, &e) != TIDEMILL_OK)
        fail_msg("%s: %s", want, e.message);
    if (!slice_is(buf_view(&f->out), want))
        fail_msg("wrote %.*s, not %s", (int)f->out.n, f->out.p, want);
}

/* ---- reading ---- */

struct bad {
    struct slice text;
    size_t where;
    const char *message;
};

#define BAD(text, where, message)                \
    {                                            \
        {text, sizeof(text) - 1}, where, message \
    }

static const struct bad bad_structure[] = {
    BAD("", 0, "expected a value, got end of line"),
    BAD("  ", 2, "expected a value, got end of line"),
    BAD("{", 1, "expected a key or '}', got end of line"),
    BAD("{\"a\"", 4, "expected ':' after a key, got end of line"),
    BAD("{\"a\":", 5, "expected a value, got end of line"),
    BAD("{\"a\":1", 6, "expected ',' or '}' after a value, got end of line"),
    BAD("{\"a\":1,", 7, "expected a key after ',', got end of line"),
    BAD("{\"a\":1,}", 7, "expected a key after ',', got '}'"),
    BAD("{,}", 1, "expected a key or '}', got ','"),
    BAD("{a:1}", 1, "expected a key or '}', got 'a'"),
    BAD("{'a':1}", 1, "expected a key or '}', got ''' (strings take double quotes)"),
    BAD("{\"a\" 1}", 5, "expected ':' after a key, got '1'"),
    BAD("{\"a\":1 \"b\":2}", 7, "expected ',' or '}' after a value, got '\"'"),
    BAD("{\"a\":1}}", 7, "expected end of line, got '}'"),
    BAD("{\"a\":1} {\"b\":2}", 8, "expected end of line, got '{'"),
    BAD("{\"a\":1},", 7, "expected end of line, got ','"),
    BAD("{\"a\":[1,]}", 8, "expected a value, got ']'"),
    BAD("{\"a\":[,1]}", 6, "expected a value, got ','"),
    BAD("{\"a\":[1}", 7, "expected ',' or ']' after a value, got '}'"),
    BAD("{\"a\":{]}", 6, "expected a key or '}', got ']'"),
    BAD("{\"a\":{\"b\":1]}", 11, "expected ',' or '}' after a value, got ']'"),
    BAD("{\"a\":{\"b\":1,}}", 12, "expected a key after ',', got '}'"),
    BAD("{\"a\":{\"b\"}}", 9, "expected ':' after a key, got '}'"),
    BAD("{\"a\":[[1 2]]}", 9, "expected ',' or ']' after a value, got '2'"),
    BAD("{\"a\":[", 6, "expected a value, got end of line"),
    BAD("{\"a\":[1", 7, "expected ',' or ']' after a value, got end of line"),
    BAD("{\"a\":tru}", 5, "expected a value, got 'tru'"),
    BAD("{\"a\":truee}", 9, "expected ',' or '}' after a value, got 'e'"),
    BAD("{\"a\":True}", 5, "expected a value, got 'True' (JSON spells it true)"),
    BAD("{\"a\":None}", 5, "expected a value, got 'None' (JSON spells it null)"),
    BAD("{\"a\":NaN}", 5, "expected a value, got 'NaN' (JSON has no such number)"),
    BAD("// x", 0, "expected a value, got '/' (JSON has no comments)"),
    BAD("\xef\xbb\xbf{}", 0, "expected a value, got a byte order mark"),
    BAD("{} \xc3\xa9", 3, "expected end of line, got '\xc3\xa9'"),
    BAD("{} \xff", 3, "expected end of line, got byte 0xff, which is not UTF-8"),
    BAD("{}\0", 2, "expected end of line, got a NUL byte"),
    BAD("\0{}", 0, "expected a value, got a NUL byte"),
    BAD("{}\x01", 2, "expected end of line, got control character 0x01"),
    BAD("{}\x0b", 2, "expected end of line, got control character 0x0b"),
};

static const struct bad bad_scalars[] = {
    BAD("{\"a\":-}", 6, "expected a digit after '-', got '}'"),
    BAD("{\"a\":-", 6, "expected a digit after '-', got end of line"),
    BAD("{\"a\":+1}", 5, "expected a value, got '+' (a number has no '+' before it)"),
    BAD("{\"a\":.5}", 5, "expected a value, got '.' (a number begins with a digit)"),
    BAD("{\"a\":01}", 5, "a number begins with a needless 0"),
    BAD("{\"a\":-00}", 6, "a number begins with a needless 0"),
    BAD("{\"a\":1.}", 7, "expected a digit after '.', got '}'"),
    BAD("{\"a\":1e}", 7, "expected a digit in an exponent, got '}'"),
    BAD("{\"a\":1e+}", 8, "expected a digit in an exponent, got '}'"),
    BAD("{\"a\":0x1}", 6, "expected ',' or '}' after a value, got 'x'"),
    BAD("{\"a", 1, "a string has no closing '\"'"),
    BAD("{\"a\":\"", 5, "a string has no closing '\"'"),
    BAD("{\"a\":\"b\\\"", 5, "a string has no closing '\"'"),
    BAD("{\"a\":\"\\", 7, "expected the rest of an escape, got end of line"),
    BAD("{\"a\":\"\\x\"}", 7, "expected one of \"\\/bfnrtu after a backslash, got 'x'"),
    BAD("{\"a\":\"\\\0\"}", 7, "expected one of \"\\/bfnrtu after a backslash, got a NUL byte"),
    BAD("{\"a\":\"\\u12\"}", 6, "\\u without four hexadecimal digits"),
    BAD("{\"a\":\"\\u12", 6, "\\u without four hexadecimal digits"),
    BAD("{\"a\":\"\\u12g4\"}", 6, "\\u without four hexadecimal digits"),
    BAD("{\"a\":\"\\ud800\"}", 6, "a lone surrogate, \\ud800, is no character"),
    BAD("{\"a\":\"\\ud800\\u0041\"}", 6, "a lone surrogate, \\ud800, is no character"),
    BAD("{\"a\":\"\\ud800\\ud800\"}", 6, "a lone surrogate, \\ud800, is no character"),
    BAD("{\"a\":\"\\udc00\"}", 6, "a lone surrogate, \\udc00, is no character"),
    BAD("{\"a\":\"\\udc00\\ud800\"}", 6, "a lone surrogate, \\udc00, is no character"),
    BAD("{\"a\":\"\\ud800", 6, "a lone surrogate, \\ud800, is no character"),
    BAD("{\"\\udfff\":1}", 2, "a lone surrogate, \\udfff, is no character"),
    BAD("{\"a\":\"x\ty\"}", 7, "control character 0x09 in a string (write it as \\t)"),
    BAD("{\"a\":\"x\x01y\"}", 7, "control character 0x01 in a string (write it as \\u0001)"),
    BAD("{\"a\":\"x\0y\"}", 7, "a NUL byte in a string (write it as \\u0000)"),
    BAD("{\"a\":\"0123456789abcdef\x1f\"}", 22,
        "control character 0x1f in a string (write it as \\u001f)"),
    BAD("{\"a\":\"\xff\"}", 6, "invalid UTF-8 in a string (byte 0xff)"),
    BAD("{\"a\":\"\xc3\"}", 6, "invalid UTF-8 in a string (byte 0xc3)"),
    BAD("{\"a\":\"x\xed\xa0\x80\"}", 7, "invalid UTF-8 in a string (byte 0xed)"),
    BAD("{\"a\":\"\xc3\xa9 and \\n then \xc0\x80\"}", 21, "invalid UTF-8 in a string (byte 0xc0)"),
    BAD("{\"\xfe\":1}", 2, "invalid UTF-8 in a string (byte 0xfe)"),
    BAD("{\"a\":{\"\xfe\":1}}", 7, "invalid UTF-8 in a string (byte 0xfe)"),
};

static const struct bad bad_records[] = {
    BAD("{\"a\":1,\"a\":2}", 7, "duplicate key 'a'"),
    BAD("{\"a\":1,\"b\":2,\"a\":3}", 13, "duplicate key 'a'"),
    BAD("{\"\":1,\"\":2}", 6, "duplicate key ''"),
    BAD("{\"a\":1,\"\\u0061\":2}", 7, "duplicate key 'a'"),
    BAD("{\"\\/\":1,\"/\":2}", 8, "duplicate key '/'"),
    BAD("{\"a\":{\"z\":1,\"z\":2}}", 12, "duplicate key 'z'"),
    BAD("{\"a\":[{\"z\":1},{\"z\":1,\"y\":2,\"z\":2}]}", 27, "duplicate key 'z'"),
    BAD("{\"a\":{\"b\":{\"c\":1},\"\\u0062\":2}}", 18, "duplicate key 'b'"),
    BAD("[1,2]", SIZE_MAX, "the record is an array, not an object"),
    BAD(" 17 ", SIZE_MAX, "the record is a number, not an object"),
    BAD("-1", SIZE_MAX, "the record is a number, not an object"),
    BAD("\"x\"", SIZE_MAX, "the record is a string, not an object"),
    BAD("true", SIZE_MAX, "the record is a boolean, not an object"),
    BAD("null", SIZE_MAX, "the record is null, not an object"),
    BAD("[1,2", 4, "expected ',' or ']' after a value, got end of line"),
};

static void refuse(struct fixture *f, const struct bad *row)
{
    err e = {0};
    size_t where = 12345;
    struct node *n = NULL;
    /* On the heap, so that sanitizers see a read past the end. */
    char *bytes = malloc(row->text.n + !row->text.n);
    assert_non_null(bytes);
    memcpy(bytes, row->text.p, row->text.n);
    struct slice text = {bytes, row->text.n};
    int status = tm_json_read(f->reader, &f->arena, text, &n, &where, &e);
    if (status != TIDEMILL_E_RECORD || where != row->where || strcmp(e.message, row->message) != 0)
        fail_msg("%s: %d at %zu: %s", row->text.p, status, where, e.message);
    assert_int_equal(e.status, TIDEMILL_E_RECORD);
    assert_int_equal(tm_json_read(f->reader, &f->arena, text, &n, NULL, NULL), TIDEMILL_E_RECORD);
    tm_arena_reset(&f->arena);
    free(bytes);
}

static void refuses(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < LENGTH(bad_structure); i++)
        refuse(f, &bad_structure[i]);
    for (size_t i = 0; i < LENGTH(bad_scalars); i++)
        refuse(f, &bad_scalars[i]);
    for (size_t i = 0; i < LENGTH(bad_records); i++)
        refuse(f, &bad_records[i]);
    err e = {0};
    struct node *n;
    assert_int_equal(tm_json_read(f->reader, &f->arena, (struct slice){NULL, 0}, &n, NULL, &e),
                     TIDEMILL_E_RECORD);
}

static void accepts(void **state)
{
    static const char *const rows[] = {
        "{}",
        "{ }",
        "\t{\r\n}\r\n ",
        "{\"\":0}",
        "{\"a\":[],\"b\":{},\"c\":[[],[{}]]}",
        "{\"a\" : [ 1 , -0 , 1.5e-300 , 1E+400 ] , \"b\" : { \"a\" : { \"a\" : null } } }",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD83D\\ude00\"}",
        "{\"a\":\"\xf0\x9f\x98\x80 and \xc3\xa9 beyond sixteen bytes \xef\xbf\xbf\x7f\"}",
        "{\"a\":true,\"b\":false,\"c\":null}",
        "{\"a\":123456789012345678901234567890}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct node *n = read_text(f, rows[i]);
        const char *begin = strchr(rows[i], '{'), *end = strrchr(rows[i], '}') + 1;
        assert_true(n->source.p == begin && n->source.p + n->source.n == end);
        assert_int_equal(n->count, n->originals);
        buf_reset(&f->out);
        assert_int_equal(tm_json_write_node(&f->out, n, NULL), TIDEMILL_OK);
        assert_true(slice_eq(buf_view(&f->out), n->source));
    }
}

static void depth_is_limited(void **state)
{
    struct fixture *f = *state;
    char text[400];
    for (int deep = 60; deep < 70; deep++) {
        int n = sprintf(text, "{\"a\":");
        for (int i = 1; i < deep; i++)
            text[n++] = '[';
        for (int i = 1; i < deep; i++)
            text[n++] = ']';
        text[n++] = '}';
        text[n] = '\0';
        err e = {0};
        size_t where = 0;
        struct node *node;
        int status = tm_json_read(f->reader, &f->arena, slice_of(text), &node, &where, &e);
        assert_int_equal(status, deep <= 64 ? TIDEMILL_OK : TIDEMILL_E_RECORD);
        if (status != TIDEMILL_OK) {
            assert_string_equal(e.message, "nested deeper than 64 levels");
            assert_int_equal(where, 5 + 63);
        }
    }
}

/* Known keys are a shortcut; records of changing shapes must not slip through it. */
static void duplicates_behind_known_keys(void **state)
{
    struct fixture *f = *state;
    struct node *n;
    for (int i = 0; i < 3; i++) {
        read_text(f, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7}");
        read_text(f, "{\"a\":1,\"b\":2,\"g\":3}");
        read_text(f, "{\"g\":1,\"b\":2}");
        read_text(f, "{\"c\":1,\"a\":2}");
        read_text(f, "{}");
        read_text(f, "{\"a\\u0062\":1,\"ab\\\\\":2}");
        read_text(f, "{\"ab\":1,\"abc\":2,\"\":3}");
        assert_int_equal(
            tm_json_read(f->reader, &f->arena, SLICE("{\"ab\":1,\"ab\":2}"), &n, NULL, NULL),
            TIDEMILL_E_RECORD);
        read_text(f, "{\"a\":1,\"b\":2,\"c\":3}");
        assert_int_equal(tm_json_read(f->reader, &f->arena,
                                      SLICE("{\"a\":1,\"b\":2,\"c\":3,\"b\":4}"), &n, NULL, NULL),
                         TIDEMILL_E_RECORD);
        assert_int_equal(tm_json_read(f->reader, &f->arena,
                                      SLICE("{\"a\":1,\"c\":2,\"b\":3,\"c\":4}"), &n, NULL, NULL),
                         TIDEMILL_E_RECORD);
    }
}

/* Objects of many keys, with and without a duplicate, at both levels. */
static void many_keys(void **state)
{
    static const unsigned sizes[] = {23, 24, 25, 26, 100, 1000, 20000};
    struct fixture *f = *state;
    struct buf text;
    tm_buf_init(&text);
    for (size_t k = 0; k < LENGTH(sizes) * 4; k++) {
        unsigned n = sizes[k / 4];
        bool nested = k & 1, twice = k & 2;
        buf_reset(&text);
        tm_buf_printf(&text, nested ? "{\"o\":{" : "{");
        for (unsigned i = 0; i < n; i++)
            tm_buf_printf(&text, "\"key%u\":%u,", i * 7919 % n, i);
        tm_buf_printf(&text, nested ? "\"key%u\":0}}" : "\"key%u\":0}", twice ? n / 2 : n);
        struct node *node;
        err e = {0};
        size_t where;
        int status = tm_json_read(f->reader, &f->arena, buf_view(&text), &node, &where, &e);
        assert_int_equal(status, twice ? TIDEMILL_E_RECORD : TIDEMILL_OK);
        if (twice)
            assert_true(strncmp(e.message, "duplicate key 'key", 18) == 0);
        tm_arena_reset(&f->arena);
    }
    tm_buf_release(&text);
}

static void values_decode(void **state)
{
    struct fixture *f = *state;
    struct node *n = read_text(
        f, "{\"i\":-5,\"z\":-0,\"d\":2.50,\"w\":123456789012345678901,\"h\":1e999,\"s\":\"plain\","
           "\"e\":\"a\\u00e9\\ud83d\\ude00\\n\\u0000\",\"t\":true,\"f\":false,\"n\":null,"
           "\"l\":[1,[2]],\"o\":{\"x\\u0079\":1}}");
    struct value v, again;
    assert_int_equal(tm_node_get(n, 0, &v), 0);
    assert_true(v.kind == VALUE_INT && v.i == -5);
    assert_int_equal(tm_node_get(n, 1, &v), 0);
    assert_true(v.kind == VALUE_FLOAT && v.d == 0 && signbit(v.d));
    assert_int_equal(tm_node_get(n, 2, &v), 0);
    assert_true(v.kind == VALUE_FLOAT && v.d == 2.5);
    assert_int_equal(tm_node_get(n, 3, &v), 0);
    assert_true(v.kind == VALUE_NUMBER && slice_is(v.text, "123456789012345678901"));
    assert_int_equal(tm_node_get(n, 4, &v), 0);
    assert_true(v.kind == VALUE_NUMBER && slice_is(v.text, "1e999"));
    assert_int_equal(tm_node_get(n, 5, &v), 0);
    assert_true(v.kind == VALUE_TEXT && v.text.p == node_fields(n)[5].source.p + 1 &&
                v.text.n == 5);
    assert_int_equal(tm_node_get(n, 6, &v), 0);
    assert_true(v.kind == VALUE_TEXT && v.text.n == 9);
    assert_memory_equal(v.text.p, "a\xc3\xa9\xf0\x9f\x98\x80\n\0", 9);
    assert_int_equal(tm_node_get(n, 6, &again), 0);
    assert_true(v.text.p == again.text.p);
    assert_int_equal(tm_node_get(n, 7, &v) + (v.kind != VALUE_TRUE), 0);
    assert_int_equal(tm_node_get(n, 8, &v) + (v.kind != VALUE_FALSE), 0);
    assert_int_equal(tm_node_get(n, 9, &v) + (v.kind != VALUE_NULL), 0);
    assert_int_equal(tm_node_get(n, 10, &v), 0);
    assert_true(v.kind == VALUE_NODE && v.node->kind == NODE_ARRAY && v.node->count == 2);
    assert_true(v.node->parent == n && !v.node->changed && slice_is(v.node->source, "[1,[2]]"));
    assert_int_equal(tm_node_get(n, 11, &v), 0);
    assert_true(v.kind == VALUE_NODE && v.node->kind == NODE_OBJECT);
    assert_true(slice_is(node_fields(v.node)[0].key, "xy"));
    assert_false(n->changed);
}

static void any_value_reads(void **state)
{
    struct fixture *f = *state;
    struct value v;
    err e = {0};
    size_t where;
    assert_int_equal(tm_json_read_value(f->reader, &f->arena, SLICE(" \"x\" "), &v, &where, &e), 0);
    assert_true(v.kind == VALUE_TEXT && slice_is(v.text, "x"));
    assert_int_equal(
        tm_json_read_value(f->reader, &f->arena, SLICE("[1,{\"a\":\"]\"}]"), &v, &where, &e), 0);
    assert_true(v.kind == VALUE_NODE && v.node->count == 2);
    assert_int_equal(tm_json_read_value(f->reader, &f->arena, SLICE("12 "), &v, NULL, NULL), 0);
    assert_true(v.kind == VALUE_INT && v.i == 12);
    assert_int_equal(tm_json_read_value(f->reader, &f->arena, SLICE("[1"), &v, &where, &e),
                     TIDEMILL_E_RECORD);
    assert_string_equal(e.message, "expected ',' or ']' after a value, got end of text");
    assert_int_equal(tm_json_read_value(f->reader, &f->arena, SLICE("1 2"), &v, &where, &e),
                     TIDEMILL_E_RECORD);
    assert_int_equal(where, 2);
}

/* ---- writing ---- */

static struct value text_value(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = slice_of(text)};
}

static struct value value_of(struct fixture *f, const char *json)
{
    struct value v;
    assert_int_equal(tm_json_read_value(f->reader, &f->arena, slice_of(json), &v, NULL, NULL),
                     TIDEMILL_OK);
    return v;
}

static uint32_t find(struct node *n, const char *key)
{
    if (n->kind == NODE_ARRAY)
        return (uint32_t)strtoul(key, NULL, 10);
    return tm_node_find(n, slice_of(key));
}

/*
 * One edit: "in KEY", "up", "set KEY=JSON", "add KEY=JSON", "push JSON", "del KEY", "pop". Keys of
 * arrays are indices from 0.
 */
static struct node *edit(struct fixture *f, struct node *n, char *step)
{
    char *argument = strchr(step, ' ') ? strchr(step, ' ') + 1 : step, *json = strchr(step, '=');
    struct value v;
    if (json)
        *json++ = '\0';
    if (strncmp(step, "in ", 3) == 0) {
        assert_int_equal(tm_node_get(n, find(n, argument), &v), TIDEMILL_OK);
        assert_int_equal(v.kind, VALUE_NODE);
        return v.node;
    }
    if (strcmp(step, "up") == 0)
        return n->parent;
    if (strncmp(step, "set ", 4) == 0)
        tm_node_set(n, find(n, argument), value_of(f, json));
    else if (strncmp(step, "add ", 4) == 0)
        assert_int_equal(tm_node_add(n, slice_of(argument), value_of(f, json)), TIDEMILL_OK);
    else if (strncmp(step, "push ", 5) == 0)
        assert_int_equal(tm_node_add(n, SLICE(""), value_of(f, argument)), TIDEMILL_OK);
    else if (strncmp(step, "del ", 4) == 0)
        tm_node_delete(n, find(n, argument));
    else if (strcmp(step, "pop") == 0)
        tm_node_delete(n, n->count - 1);
    else
        fail_msg("no edit: %s", step);
    return n;
}

static const struct {
    const char *text, *edits, *want;
} edits[] = {
    {"{\"a\": 1, \"x\": 2, \"b\": 3}", "set x=4", "{\"a\": 1, \"x\": 4, \"b\": 3}"},
    {"{ \"x\" :\t2 }", "set x=\"y\"", "{ \"x\" :\t\"y\" }"},
    {"{\"x\\u0079\" : 2}", "set xy=3", "{\"x\\u0079\" : 3}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", "set a=9;set b=8;set c=7", "{\"a\":9,\"b\":8,\"c\":7}"},
    {"{\"a\":1 , \"b\":2 , \"c\":3}", "set b=8", "{\"a\":1 , \"b\":8 , \"c\":3}"},
    {"{\"a\":1 , \"b\":2 , \"c\":3}", "set b=[1,2];set c={}", "{\"a\":1 , \"b\":[1,2] , \"c\":{}}"},
    /* deleting */
    {"{\"a\": 1, \"b\": 2}", "del a", "{\"b\": 2}"},
    {"{\"a\": 1, \"b\": 2}", "del b", "{\"a\": 1}"},
    {"{ \"a\": 1, \"b\": 2 }", "del b", "{ \"a\": 1 }"},
    {"{ \"a\": 1, \"b\": 2 }", "del a;del b", "{}"},
    {"{\"a\": 1, \"b\": 2, \"c\": 3}", "del b", "{\"a\": 1,\"c\": 3}"},
    {"{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}", "del b;set d=5", "{\"a\": 1,\"c\": 3, \"d\": 5}"},
    {"{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}", "del b;del c", "{\"a\": 1,\"d\": 4}"},
    /* adding */
    {"{}", "add x=1", "{\"x\":1}"},
    {"{ }", "add x=1;add y=2", "{\"x\":1,\"y\":2}"},
    {"{\"a\": 1}", "add x=1.5;add y=null", "{\"a\": 1,\"x\":1.5,\"y\":null}"},
    {"{ \"a\": 1 }", "del a;add x=1", "{\"x\":1 }"},
    {"{\"a\": 1}", "add x=1;del x", "{\"a\": 1}"},
    {"{\"a\": 1}", "add x=1;add y=2;del x", "{\"a\": 1,\"y\":2}"},
    {"{\"a\": 1}", "del a;add a=2", "{\"a\":2}"},
    {"{\"a\":1}", "add q\"\\\n=1", "{\"a\":1,\"q\\\"\\\\\\n\":1}"},
    {"{\"a\":1}", "add =1", "{\"a\":1,\"\":1}"},
    /* below */
    {"{\"o\" : { \"p\" : [ 1 , 2 ] , \"q\" : 3 } , \"r\":0}", "in o;in p;set 1=5",
     "{\"o\" : { \"p\" : [ 1 , 5 ] , \"q\" : 3 } , \"r\":0}"},
    {"{\"o\":{\"p\":{}}}", "in o;in p;add x=1", "{\"o\":{\"p\":{\"x\":1}}}"},
    {"{\"o\": {\"p\": 1}, \"x\": {\"y\": 2}}", "in o;up;in x;set y=3",
     "{\"o\": {\"p\": 1}, \"x\": {\"y\": 3}}"},
    {"{\"o\": {\"p\": 1}}", "in o;set p=2;up;set o=0", "{\"o\": 0}"},
    {"{\"s\":\"\\u0041\\/\",\"t\":1}", "set t=2", "{\"s\":\"\\u0041\\/\",\"t\":2}"},
    {"{\"s\":1.50e0,\"t\":1}", "set t=1.50", "{\"s\":1.50e0,\"t\":1.5}"},
    {"{\"k\\\"y\" : 1,\"l\":[\"a\\\"],\\\\\",2]}", "in l;set 1=3",
     "{\"k\\\"y\" : 1,\"l\":[\"a\\\"],\\\\\",3]}"},
    {"{\"k\\\"y\" : 1}", "set k\"y=2", "{\"k\\\"y\" : 2}"},
    /* arrays */
    {"{\"l\":[1, 2 , 3 ]}", "in l;pop", "{\"l\":[1, 2 ]}"},
    {"{\"l\":[1, 2]}", "in l;pop;pop", "{\"l\":[]}"},
    {"{\"l\":[ ]}", "in l;push 1;push [2]", "{\"l\":[1,[2]]}"},
    {"{\"l\":[1, 2]}", "in l;pop;push 3;push 4", "{\"l\":[1,3,4]}"},
    {"{\"l\":[1, 2, 3]}", "in l;set 0=0;set 2=9", "{\"l\":[0, 2, 9]}"},
    {"{\"l\":[{\"a\": 1}, {\"a\": 2}]}", "in l;in 1;set a=3", "{\"l\":[{\"a\": 1}, {\"a\": 3}]}"},
    {"{\"l\":[1, 2]}", "in l;pop;pop;push 7;up;add m=[]", "{\"l\":[7],\"m\":[]}"},
};

static void edits_keep_the_rest(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < LENGTH(edits); i++) {
        struct node *record = read_text(f, edits[i].text), *n = record;
        char steps[200];
        snprintf(steps, sizeof steps, "%s", edits[i].edits);
        for (char *rest = NULL, *step = strtok_r(steps, ";", &rest); step;
             step = strtok_r(NULL, ";", &rest))
            n = edit(f, n, step);
        assert_true(record->changed);
        expect_text(f, record, edits[i].want);
        struct node *copy = tm_node_copy(&f->arena, record);
        expect_text(f, copy, edits[i].want);
    }
}

static void opening_changes_nothing(void **state)
{
    const char *text = "{\"a\" :[ 1 ,{ \"b\":\"\\u0041\" } ] , \"c\":{ }}";
    struct fixture *f = *state;
    struct node *n = read_text(f, text);
    struct value v, w;
    assert_int_equal(tm_node_get(n, 0, &v), 0);
    assert_int_equal(tm_node_get(v.node, 1, &w), 0);
    assert_int_equal(tm_node_get(w.node, 0, &w), 0);
    assert_int_equal(tm_node_get(n, 1, &w), 0);
    expect_text(f, n, text);
    tm_node_set(n, 1, text_value("x"));
    expect_text(f, n, "{\"a\" :[ 1 ,{ \"b\":\"\\u0041\" } ] , \"c\":\"x\"}");
}

static void built_nodes(void **state)
{
    struct fixture *f = *state;
    struct node *n = tm_node_new(&f->arena, NODE_OBJECT, 0);
    struct node *list = tm_node_new(&f->arena, NODE_ARRAY, 2);
    expect_text(f, n, "{}");
    expect_text(f, list, "[]");
    tm_node_add(list, SLICE(""), (struct value){.kind = VALUE_INT, .i = INT64_MIN});
    tm_node_add(list, SLICE(""), (struct value){.kind = VALUE_FLOAT, .d = -0.0});
    tm_node_add(list, SLICE(""), (struct value){.kind = VALUE_NUMBER, .text = SLICE("1e999")});
    tm_node_add(list, SLICE(""), text_value("\x01\x1f\"\\/\b\f\n\r\t\x7f\xc3\xa9"));
    tm_node_add(n, SLICE("a"), (struct value){.kind = VALUE_NODE, .node = list});
    tm_node_add(n, SLICE("b"), (struct value){.kind = VALUE_TRUE});
    tm_node_add(n, SLICE("c"), (struct value){.kind = VALUE_FALSE});
    tm_node_add(n, SLICE("d"), (struct value){.kind = VALUE_NULL});
    tm_node_delete(n, 2);
    expect_text(f, n,
                "{\"a\":[-9223372036854775808,-0.0,1e999,"
                "\"\\u0001\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\x7f\xc3\xa9\"],\"b\":true,\"d\":null}");
    assert_true(list->parent == n);
}

/* A CSV record: cells that read as numbers go bare, with their own digits. */
static void csv_records(void **state)
{
    static const struct {
        const char *key, *raw, *content;
        enum value_kind kind;
    } cells[] = {
        {"n", "1.50", "1.50", VALUE_CELL},
        {"q", "\"12\"", "12", VALUE_CELL},
        {"z", "007", "007", VALUE_CELL},
        {"t", "12", "12", VALUE_TEXT},
        {"brace", "\"{\"\"a\"\":1}\"", "{\"a\":1}", VALUE_CELL},
        {"e", "", "", VALUE_CELL},
    };
    struct fixture *f = *state;
    struct node *n = tm_node_new(&f->arena, NODE_OBJECT, 1);
    for (size_t i = 0; i < LENGTH(cells); i++) {
        struct field *field = tm_node_append(n);
        field->key = slice_of(cells[i].key);
        field->source = slice_of(cells[i].raw);
        field->value = (struct value){.kind = cells[i].kind, .text = slice_of(cells[i].content)};
    }
    n->originals = n->count;
    n->source = SLICE("{1.50,\"12\",007,12,\"{\"\"a\"\":1}\",}");
    const char *want =
        "{\"n\":1.50,\"q\":12,\"z\":\"007\",\"t\":\"12\",\"brace\":\"{\\\"a\\\":1}\","
        "\"e\":\"\"}";
    expect_text(f, n, want);
    assert_false(tm_json_has_source(n));
    expect_text(f, tm_node_copy(&f->arena, n), want);
    tm_node_set(n, 1, text_value("12"));
    tm_node_delete(n, 4);
    expect_text(f, n, "{\"n\":1.50,\"q\":\"12\",\"z\":\"007\",\"t\":\"12\",\"e\":\"\"}");
}

static void refuse_to_write(struct fixture *f, const struct node *n, const char *message)
{
    err e = {0};
    buf_reset(&f->out);
    assert_int_equal(tm_json_write_node(&f->out, n, &e), TIDEMILL_E_WRITE);
    assert_string_equal(e.message, message);
    assert_int_equal(tm_json_write_node(&f->out, n, NULL), TIDEMILL_E_WRITE);
}

static void what_json_cannot_say(void **state)
{
    struct fixture *f = *state;
    struct node *n = read_text(f, "{\"a\":{\"b\":[1,2,{\"c\":3}]},\"x\":1}");
    struct value a, b, c;
    tm_node_set(n, 1, (struct value){.kind = VALUE_FLOAT, .d = (double)NAN});
    refuse_to_write(f, n, "field 'x' is NaN, which JSON cannot say");
    tm_node_set(n, 1, (struct value){.kind = VALUE_FLOAT, .d = -HUGE_VAL});
    refuse_to_write(f, n, "field 'x' is infinite, which JSON cannot say");
    tm_node_set(n, 1, text_value("caf\xe9"));
    refuse_to_write(
        f, n, "field 'x' is not UTF-8 (byte 0xe9), so JSON cannot hold it: see input.encoding");
    tm_node_get(n, 0, &a);
    tm_node_get(a.node, 0, &b);
    tm_node_get(b.node, 2, &c);
    tm_node_add(c.node, SLICE("k\xff"), (struct value){.kind = VALUE_NULL});
    refuse_to_write(f, n,
                    "field 'a.b[3].k?' has a name that is not UTF-8 (byte 0xff), so JSON cannot "
                    "hold it: see input.encoding");
    struct value nan = {.kind = VALUE_FLOAT, .d = (double)NAN};
    err e = {0};
    assert_int_equal(tm_json_write_value(&f->out, &nan, &e), TIDEMILL_E_WRITE);
    assert_string_equal(e.message, "the value is NaN, which JSON cannot say");
    assert_int_equal(tm_json_write_text(&f->out, SLICE("\xff"), &e), TIDEMILL_E_WRITE);
    assert_string_equal(
        e.message,
        "the value is not UTF-8 (byte 0xff), so JSON cannot hold it: see input.encoding");
}

static void written_depth_is_limited(void **state)
{
    struct fixture *f = *state;
    for (int deep = NODE_DEPTH_MAX - 1; deep < NODE_DEPTH_MAX + 3; deep++) {
        struct node *n = tm_node_new(&f->arena, NODE_ARRAY, 1);
        for (int i = 1; i < deep; i++) {
            struct node *outer = tm_node_new(&f->arena, NODE_ARRAY, 1);
            tm_node_add(outer, SLICE(""), (struct value){.kind = VALUE_NODE, .node = n});
            n = outer;
        }
        buf_reset(&f->out);
        err e = {0};
        int status = tm_json_write_row(&f->out, n, 0, &e);
        assert_int_equal(status, deep <= NODE_DEPTH_MAX ? TIDEMILL_OK : TIDEMILL_E_WRITE);
        if (status != TIDEMILL_OK)
            assert_non_null(strstr(e.message, "is nested too deeply"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(accepts),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(duplicates_behind_known_keys),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(values_decode),
        cmocka_unit_test(any_value_reads),
        cmocka_unit_test(edits_keep_the_rest),
        cmocka_unit_test(opening_changes_nothing),
        cmocka_unit_test(built_nodes),
        cmocka_unit_test(csv_records),
        cmocka_unit_test(what_json_cannot_say),
        cmocka_unit_test(written_depth_is_limited),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
