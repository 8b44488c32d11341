/*
 * RFC 8259, value by value: what every reader of JSON takes (Y) and what none does (N), and what the
 * RFC leaves open, as decided (I: taken, or R: refused). Each text is read as a value, in a field that
 * nobody asks for, and by the machine that reads what stands around records, in pieces of every size;
 * all must agree. What is taken comes back byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "format/formats.h"
#include "record/json.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* clang-format off */
#define Y(text) {true, {text, sizeof(text) - 1}}
#define N(text) {false, {text, sizeof(text) - 1}}
#define I(text) Y(text)
#define R(text) N(text)
/* clang-format on */

struct row {
    bool taken;
    struct slice text;
};

/* clang-format off */

/* Section 2 and 3: structure, white space, literals. */
static const struct row structure[] = {
    Y("null"), Y("true"), Y("false"), Y(" null"), Y("null "), Y("\t\n\r null\r\n\t"), Y("{}"),
    Y("[]"), Y("[ ]"), Y("{ }"), Y("[\n]"), Y("{\t}"), Y("[[]]"), Y("[{}]"), Y("{\"\":{}}"),
    Y("[null]"), Y("[null,null]"), Y("[ null , null ]"), Y("[1,[2,[3,[]]],{}]"), Y("{\"a\":null}"),
    Y("{\"a\" : null}"), Y("{\"a\":{\"a\":{\"a\":[]}}}"), Y("{\"a\":1,\"b\":2}"),
    Y("{ \"a\" : 1 , \"b\" : 2 }"), Y("{\"a\":1,\"A\":1}"), Y("[\"a\",1,true,false,null,{},[]]"),
    Y("[\r\n1\r\n,\r\n2\r\n]"), Y("{\"a\":\"{\"}"), Y("[\"]\"]"), Y("{\"}\":\"[\"}"), N(""), N(" "),
    N("nul"), N("nulll"), N("Null"), N("NULL"), N("tru"), N("truee"), N("True"), N("fals"),
    N("FALSE"), N("undefined"), N("None"), N("nil"), N("x"), N("'a'"), N("`a`"), N("["), N("{"),
    N("]"), N("[1"), N("[1,"), N("[,1]"), N("[1,]"), N("[1,,2]"), N("[1 2]"), N("[1;2]"),
    N("[1:2]"), N("[1}"), N("{]"), N("[[]"), N("[]]"), N("[\"a\" \"b\"]"), N("[true false]"),
    N("[null null]"), N("{\"a\""), N("{\"a\":"), N("{\"a\":1"), N("{\"a\":1,}"), N("{,}"),
    N("{\"a\"}"), N("{\"a\":}"), N("{\"a\",1}"), N("{\"a\" 1}"), N("{\"a\":1 \"b\":2}"),
    N("{\"a\":1,,\"b\":2}"), N("{\"a\"::1}"), N("{a:1}"), N("{'a':1}"), N("{1:1}"), N("{null:1}"),
    N("{[]:1}"), N("{\"a\":1]"), N("{\"a\":(1)}"), N("[1]x"), N("1 2"), N("{}{}"), N("[][]"),
    N("null,"), N("[1]#"), N("/**/1"), N("1//"), N("[1,/*x*/2]"), N("#1"), N("[\v1]"), N("[\f]"),
    N("[\xc2\xa0]"), N("[\xe2\x80\xa8]"), N("[\xe2\x81\xa0]"), N("[\xef\xbb\xbf]"), N("[\b]"),
    N("[\0]"), N("\0"), N("[\x7f]"), N("[1\0]"), N("[\x01]"), N("\xff"), N("[\xc3\xa9]"),
    N("<null>"), N("*"), N("$1"), N("@"), N(":"), N(","), N("\\u0031"), N("[\\n]"), N("-true"),
};

/* Section 6. */
static const struct row numbers[] = {
    Y("0"), Y("-0"), Y("1"), Y("-1"), Y("9"), Y("10"), Y("1234567890"), Y("0.0"), Y("-0.0"),
    Y("0.5"), Y("1.5"), Y("1.50"), Y("0.1000"), Y("0e0"), Y("0E0"), Y("0e+1"), Y("0e-1"), Y("1e5"),
    Y("1E5"), Y("1e+5"), Y("1e-5"), Y("1E+05"), Y("1e00"), Y("123e65"), Y("1.5e10"), Y("-1.5E-10"),
    Y("9223372036854775807"), Y("-9223372036854775808"), Y("[0,-0,0]"), Y("1.0000000000000001"),
    Y("0.00000000000000000000000000000000000000000000000000000000000000000000000000000000001"),
    I("9223372036854775808"), I("-9223372036854775809"), I("18446744073709551616"),
    I("123456789012345678901234567890"), I("1e999"), I("-1e999"), I("1e-999"),
    I("1e99999999999999"), I("1e-99999999999999"), I("0e99999999999999999999"),
    I("1.7976931348623157e308"), I("1.8e308"), I("4.9e-324"), I("2e-324"),
    I("0.1234567890123456789012345678901234567890"), N("-"), N("+1"), N("++1"), N("--1"), N("+0"),
    N("+"), N("- 1"), N("00"), N("01"), N("-01"), N("-00"), N("00.5"), N("012"), N("."), N(".5"),
    N("-.5"), N("1."), N("-1."), N("0."), N("1.e1"), N(".e1"), N("1..2"), N("1.2.3"), N("1e"),
    N("1E"), N("1e+"), N("1e-"), N("1.5e"), N("0e"), N("0e+"), N("1e1.5"), N("1e1e1"), N("1e +1"),
    N("1 e1"), N("1eE2"), N("e1"), N("1+2"), N("1-2"), N("1/2"), N("0x1"), N("0x"), N("0b1"),
    N("0o7"), N("1a"), N("1_000"), N("1,000"), N("1 000"), N("NaN"), N("-NaN"), N("nan"),
    N("Infinity"), N("-Infinity"), N("+Infinity"), N("inf"), N("-inf"), N("\xef\xbc\x91"),
    N("\xd9\xa1"), N("1\xc2\xb2"), N("1L"), N("1f"), N("1.0d"), N("$1"), N("1%"), N("-\"1\""),
    N("-[]"), N("1\0"), N("-\0"),
};

/* Section 7, and 8.1 and 8.2. */
static const struct row strings[] = {
    Y("\"\""), Y("\"a\""), Y("\" \""), Y("\"\\\"\""), Y("\"\\\\\""), Y("\"\\/\""), Y("\"/\""),
    Y("\"\\b\\f\\n\\r\\t\""), Y("\"\\u0041\""), Y("\"\\u00e9\""), Y("\"\\u00E9\""),
    Y("\"\\u20ac\""), Y("\"\\ud834\\udd1e\""), Y("\"\\uD834\\uDD1E\""), Y("\"\\udbff\\udfff\""),
    Y("\"\\ud800\\udc00\""), Y("\"\\uffff\""), Y("\"\\ufffe\""), Y("\"\\ufdd0\""), Y("\"\\u0000\""),
    Y("\"a\\u0000b\""), Y("{\"\\u0000\":1}"), Y("{\"\\ud834\\udd1e\":1}"), Y("\"\\u001f\""),
    Y("\"\x7f\""), Y("\"\\u007f\""), Y("\"\xc3\xa9\""), Y("\"\xe2\x82\xac\""),
    Y("\"\xf0\x9d\x84\x9e\""), Y("\"\xc2\x80\""), Y("\"\xdf\xbf\""), Y("\"\xe0\xa0\x80\""),
    Y("\"\xed\x9f\xbf\""), Y("\"\xee\x80\x80\""), Y("\"\xef\xbf\xbf\""), Y("\"\xf0\x90\x80\x80\""),
    Y("\"\xf4\x8f\xbf\xbf\""), Y("\"\xe2\x80\xa8\""), Y("\"\xe2\x80\xa9\""), Y("\"\xef\xbb\xbf\""),
    Y("\"\\\\u0041\""), Y("\"\\\\\\\"\""), Y("\"// no comment\""), Y("\"/* none */\""), Y("\"'\""),
    Y("{\"a\xc3\xa9\":\"\xc3\xa9\"}"),
    Y("\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\xc3\xa9\""), N("\""), N("\"a"),
    N("a\""), N("\"\"\""), N("\"a\"b\""), N("\"\\\""), N("\"\\"), N("\"\\a\""), N("\"\\x41\""),
    N("\"\\0\""), N("\"\\'\""), N("\"\\v\""), N("\"\\e\""), N("\"\\ \""), N("\"\\\n\""),
    N("\"\\N\""), N("\"\\U0041\""), N("\"\\u\""), N("\"\\u0\""), N("\"\\u00\""), N("\"\\u004\""),
    N("\"\\u004g\""), N("\"\\u 041\""), N("\"\\u-041\""), N("\"\\u+041\""), N("\"\\u00\xc3\xa9\""),
    N("\"\\\xc3\xa9\""), N("\"\\\0\""), N("\"\t\""), N("\"\n\""), N("\"\r\""), N("\"a\nb\""),
    N("\"\0\""), N("\"a\0b\""), N("\"\x01\""), N("\"\x1f\""), N("\"\b\""), N("\"\f\""),
    N("{\"\n\":1}"), N("{\"\0\":1}"),
    /* Half of a surrogate pair: what it means nobody can tell, so it is refused. */
    R("\"\\ud800\""), R("\"\\udbff\""), R("\"\\udc00\""), R("\"\\udfff\""), R("\"\\ud800x\""),
    R("\"\\ud800\\n\""), R("\"\\ud800\\u0041\""), R("\"\\ud800\\ud800\""), R("\"\\udc00\\ud800\""),
    R("\"\\ud834\\\\dd1e\""), R("\"\\ud834\\udd1\""), R("{\"\\ud800\":1}"), R("\"\\ud800\\ue000\""),
    /* UTF-8 by RFC 3629. */
    N("\"\x80\""), N("\"\xbf\""), N("\"\xc3\""), N("\"\xc3x\""), N("\"\xc0\x80\""),
    N("\"\xc0\xaf\""), N("\"\xc1\xbf\""), N("\"\xe0\x80\x80\""), N("\"\xe0\x9f\xbf\""),
    N("\"\xe2\x82\""), N("\"\xe2\""), N("\"\xed\xa0\x80\""), N("\"\xed\xbf\xbf\""),
    N("\"\xed\xa0\x80\xed\xb0\x80\""), N("\"\xf0\x80\x80\x80\""), N("\"\xf0\x8f\xbf\xbf\""),
    N("\"\xf0\x9d\x84\""), N("\"\xf0\x9d\""), N("\"\xf4\x90\x80\x80\""), N("\"\xf5\x80\x80\x80\""),
    N("\"\xf8\x88\x80\x80\x80\""), N("\"\xfc\""), N("\"\xfe\""), N("\"\xff\""), N("\"\xff\xfe\""),
    N("\"\xe9\""), N("{\"\xe9\":1}"), N("\"abc\xc3\""),
    N("\"0123456789abcdef0123456789abcdef\xc3\x28\""),
    /* Objects whose names are not all different. */
    R("{\"a\":1,\"a\":2}"), R("{\"a\":1,\"b\":2,\"a\":1}"), R("{\"a\":1,\"\\u0061\":2}"),
    R("{\"\":1,\"\":2}"), R("[{\"a\":{\"b\":1,\"b\":1}}]"), Y("[{\"a\":1},{\"a\":2}]"),
    Y("{\"a\":{\"a\":1}}"), Y("{\"a\":1,\"a \":2}"), Y("{\"\xc3\xa9\":1,\"e\xcc\x81\":2}"),
};

/* clang-format on */

static const struct {
    const char *name;
    const struct row *rows;
    size_t n;
} groups[] = {
    {"structure", structure, LENGTH(structure)},
    {"numbers", numbers, LENGTH(numbers)},
    {"strings", strings, LENGTH(strings)},
};

/* ---- the ways to read a text ---- */

static bool as_value(struct arena *arena, struct slice text)
{
    struct json_reader *r = tm_json_reader_new(100);
    struct value value;
    err e = {0};
    size_t where = SIZE_MAX;
    int status = tm_json_read_value(r, arena, text, &value, &where, &e);
    assert_true(status == TIDEMILL_OK || (status == TIDEMILL_E_RECORD && where <= text.n));
    assert_int_equal(status == TIDEMILL_OK, e.message[0] == '\0');
    tm_json_reader_free(r);
    return status == TIDEMILL_OK;
}

static void put(struct buf *b, const char *before, struct slice text, const char *behind)
{
    buf_reset(b);
    buf_slice(b, slice_of(before));
    buf_slice(b, text);
    buf_slice(b, slice_of(behind));
}

/* As a field that nobody reads, before another one that is assigned: its bytes stay. */
static bool as_field(struct arena *arena, struct slice text)
{
    struct json_reader *r = tm_json_reader_new(100);
    struct node *n = NULL;
    struct buf in, out;
    tm_buf_init(&in);
    tm_buf_init(&out);
    put(&in, "{\"field\":", text, ",\"x\":1}");
    int status = tm_json_read(r, arena, buf_view(&in), &n, NULL, NULL);
    if (status == TIDEMILL_OK) {
        assert_int_equal(tm_json_write_node(&out, n, NULL), TIDEMILL_OK);
        assert_true(slice_eq(buf_view(&out), buf_view(&in)));
        tm_node_set(n, 1, (struct value){.kind = VALUE_INT, .i = 1});
        buf_reset(&out);
        assert_int_equal(tm_json_write_node(&out, n, NULL), TIDEMILL_OK);
        assert_true(slice_eq(buf_view(&out), buf_view(&in)));
    }
    tm_buf_release(&in);
    tm_buf_release(&out);
    tm_json_reader_free(r);
    return status == TIDEMILL_OK;
}

/* All of `text` through split in pieces: is it a document, and how many records has it? */
static bool split_all(const struct input_dialect *d, struct slice text, size_t piece, int *records)
{
    const struct format *f = &tm_format_json;
    struct split_state s = {.document = f->document_new(d)};
    size_t at = 0, have = 0;
    bool good = true, final = false;
    *records = 0;
    while (good && at < text.n) {
        struct extent x = {0};
        err e = {0};
        char *block = malloc(have - at + 1);
        memcpy(block, text.p + at, have - at);
        enum split_verdict v = f->split(d, &s, block, have - at, final, &x, &e);
        free(block);
        good = v != SPLIT_ERROR;
        assert_true(good || (e.status == TIDEMILL_E_INPUT && e.message[0]));
        *records += v == SPLIT_RECORD;
        at += good ? x.length : 0;
        if (v == SPLIT_RECORD || v == SPLIT_SKIP)
            s = (struct split_state){.document = s.document};
        if (v == SPLIT_MORE) {
            assert_false(final && have > at);
            final = have == text.n;
            have = text.n - have > piece ? have + piece : text.n;
        }
    }
    good = good && f->document_end(s.document, NULL) == TIDEMILL_OK;
    f->document_free(s.document);
    return good;
}

/* Before, and behind, the records of a document; in pieces of every size. */
static bool around_records(struct slice text)
{
    struct input_dialect d = {.at = SLICE("/r")};
    struct buf in;
    bool taken = false;
    int records;
    tm_buf_init(&in);
    for (int behind = 0; behind < 2; behind++) {
        if (behind)
            put(&in, "{\"r\":[1,2],\"x\":", text, "}");
        else
            put(&in, "{\"x\":", text, ",\"r\":[1,2]}");
        for (size_t piece = 1; piece <= in.n; piece++) {
            bool good = split_all(&d, buf_view(&in), piece, &records);
            if ((piece > 1 || behind) && good != taken)
                fail_msg("%.*s in pieces of %zu: %d", (int)in.n, in.p, piece, good);
            assert_true(!good || records == 2);
            taken = good;
        }
    }
    tm_buf_release(&in);
    return taken;
}

static bool has_duplicates(struct slice text)
{
    return memmem(text.p, text.n, "\"a\":1,\"a\":", 10) ||
           memmem(text.p, text.n, "\"b\":2,\"a\":1}", 12) || memmem(text.p, text.n, "\\u0061", 6) ||
           memmem(text.p, text.n, "\"\":1,\"\":", 8) ||
           memmem(text.p, text.n, "\"b\":1,\"b\":", 10);
}

static void every_text(void **state)
{
    struct arena arena;
    (void)state;
    tm_arena_init(&arena);
    for (size_t i = 0; i < LENGTH(groups); i++) {
        for (size_t j = 0; j < groups[i].n; j++) {
            const struct row *row = &groups[i].rows[j];
            struct slice text = row->text;
            /* Names are compared in records alone. */
            bool around = row->taken || has_duplicates(text);
            if (as_value(&arena, text) != row->taken)
                fail_msg("%s %zu as a value: %.*s", groups[i].name, j, (int)text.n, text.p);
            if (as_field(&arena, text) != row->taken)
                fail_msg("%s %zu as a field: %.*s", groups[i].name, j, (int)text.n, text.p);
            if (around_records(text) != around)
                fail_msg("%s %zu around records: %.*s", groups[i].name, j, (int)text.n, text.p);
            tm_arena_reset(&arena);
        }
    }
    tm_arena_release(&arena);
}

/* ---- what is too large for a table ---- */

/* Digits and strings of any length are taken, and kept. */
static void long_texts(void **state)
{
    static const struct {
        const char *before, *repeat, *behind;
        bool taken;
    } rows[] = {
        {"1", "0", "", true},
        {"-1", "9", "", true},
        {"0.", "1", "", true},
        {"1e", "9", "", true},
        {"1e-", "0", "5", true},
        {"0.", "0", "1e5", true},
        {"\"", "x", "\"", true},
        {"\"", "\\n", "\"", true},
        {"\"", "\xc3\xa9", "\"", true},
        {"\"", "\\u00e9", "\"", true},
        {"\"", "\\ud834\\udd1e", "\"", true},
        {"0", "0", "", false},
        {"1", "0", ".", false},
        {"\"", "x", "", false},
        {"\"", "\\\\", "\"", true},
        {"[", "1,", "1]", true},
        {"[", "1,", "]", false},
        {"", " ", "1", true},
    };
    struct arena arena;
    struct buf text;
    (void)state;
    tm_arena_init(&arena);
    tm_buf_init(&text);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        buf_reset(&text);
        buf_slice(&text, slice_of(rows[i].before));
        for (int n = 0; n < 10000; n++)
            buf_slice(&text, slice_of(rows[i].repeat));
        buf_slice(&text, slice_of(rows[i].behind));
        if (as_value(&arena, buf_view(&text)) != rows[i].taken ||
            as_field(&arena, buf_view(&text)) != rows[i].taken)
            fail_msg("row %zu: %s%s...", i, rows[i].before, rows[i].repeat);
        tm_arena_reset(&arena);
    }
    tm_buf_release(&text);
    tm_arena_release(&arena);
}

/* What no number of C holds keeps its digits; what one holds is that. */
static void kinds_of_numbers(void **state)
{
    static const struct {
        const char *text;
        enum value_kind kind;
    } rows[] = {
        {"9223372036854775807", VALUE_INT},
        {"9223372036854775808", VALUE_NUMBER},
        {"-9223372036854775808", VALUE_INT},
        {"-9223372036854775809", VALUE_NUMBER},
        {"12345678901234567890", VALUE_NUMBER},
        {"1e999", VALUE_NUMBER},
        {"-1e999", VALUE_NUMBER},
        {"1.8e308", VALUE_NUMBER},
        {"1.7976931348623157e308", VALUE_FLOAT},
        {"1e5", VALUE_FLOAT},
        {"1.0", VALUE_FLOAT},
        {"0", VALUE_INT},
    };
    struct arena arena;
    (void)state;
    tm_arena_init(&arena);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct json_reader *r = tm_json_reader_new(1);
        struct value v;
        assert_int_equal(tm_json_read_value(r, &arena, slice_of(rows[i].text), &v, NULL, NULL),
                         TIDEMILL_OK);
        if (v.kind != rows[i].kind)
            fail_msg("%s: kind %d", rows[i].text, (int)v.kind);
        if (v.kind == VALUE_NUMBER)
            assert_true(slice_is(v.text, rows[i].text));
        tm_json_reader_free(r);
    }
    tm_arena_release(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(kinds_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
