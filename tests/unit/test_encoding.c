/*
 * Encodings: bytes and the UTF-8 that they stand for. The rows on ill-formed UTF-8 are those of
 * Unicode 14, section 3.9, tables 3-8 to 3-11. tests/diff holds random bytes against Python.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/encoding.h"
#include "format/formats.h"
#include "format/intake.h"

#define R "\xef\xbf\xbd"

static const struct input_dialect bytes = {.encoding = ENCODING_BYTES},
                                  utf8 = {.encoding = ENCODING_UTF8},
                                  latin1 = {.encoding = ENCODING_LATIN1},
                                  windows = {.encoding = ENCODING_WINDOWS_1252};

static const struct {
    const struct input_dialect *dialect;
    struct slice input, expected;
    size_t invalid; /* the first byte that is nothing; SIZE_MAX: none */
} rows[] = {
    {&utf8, SLICE(""), SLICE(""), SIZE_MAX},
    {&utf8, SLICE("plain, ASCII\0\x7f"), SLICE("plain, ASCII\0\x7f"), SIZE_MAX},
    {&utf8, SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a"),
     SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a"), SIZE_MAX},
    {&utf8, SLICE("\xef\xbf\xbd"), SLICE(R), SIZE_MAX},
    /* 3-8: not the shortest form */
    {&utf8,
     SLICE("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
           "A"),
     SLICE(R R R R R R R R "A"), 0},
    /* 3-9: surrogates */
    {&utf8,
     SLICE("\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
           "A"),
     SLICE(R R R R R R R R "A"), 0},
    /* 3-10: beyond U+10FFFF, never bytes of UTF-8, continuations alone */
    {&utf8,
     SLICE("\xf4\x91\x92\x93\xff"
           "A"
           "\x80\xbf"
           "B"),
     SLICE(R R R R R "A" R R "B"), 0},
    /* 3-11: cut off */
    {&utf8,
     SLICE("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
           "A"),
     SLICE(R R R R "A"), 0},
    /* cut off by the end */
    {&utf8, SLICE("ab\xf0\x9f\x8c"), SLICE("ab" R), 2},
    {&utf8, SLICE("ab\xe2\x82"), SLICE("ab" R), 2},
    {&utf8, SLICE("ab\xf0"), SLICE("ab" R), 2},
    {&utf8, SLICE("0123456789\xc3\xa9\xc3"), SLICE("0123456789\xc3\xa9" R), 12},
    {&latin1, SLICE("caf\xe9 \x80\xff"), SLICE("caf\xc3\xa9 \xc2\x80\xc3\xbf"), SIZE_MAX},
    {&windows, SLICE("\x80 \x93x\x94 \xe9"),
     SLICE("\xe2\x82\xac \xe2\x80\x9cx\xe2\x80\x9d \xc3\xa9"), SIZE_MAX},
    {&windows, SLICE("01234567\x81\x8d\x8f\x90\x9d"), SLICE("01234567" R R R R R), 8},
    {&bytes, SLICE("\xff\xc3"), {NULL, 0}, SIZE_MAX},
};

static void test_decoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        bool same = slice_eq(rows[i].input, rows[i].expected);
        tm_buf_init(&out);
        if (rows[i].expected.p) {
            tm_encoding_decode(rows[i].dialect, rows[i].input, &out);
            if (!slice_eq(buf_view(&out), rows[i].expected))
                fail_msg("row %zu", i);
            /* What is UTF-8 may be used as it is; what is ASCII must be. */
            assert_int_equal(tm_encoding_plain(rows[i].dialect, rows[i].input), same);
        } else {
            assert_true(tm_encoding_plain(rows[i].dialect, rows[i].input));
        }
        tm_buf_release(&out);
    }
}

static void test_checking(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct input_dialect d = *rows[i].dialect;
        char place[32];
        err e = {0};
        int status = tm_encoding_check(&d, rows[i].input, &e);
        assert_int_equal(status, rows[i].invalid == SIZE_MAX ? TIDEMILL_OK : TIDEMILL_E_RECORD);
        if (status != TIDEMILL_OK) {
            assert_true(snprintf(place, sizeof place, "byte %zu (", rows[i].invalid + 1) > 0);
            assert_memory_equal(e.message, place, strlen(place));
        }
        d.on_invalid = INVALID_REPLACE;
        assert_int_equal(tm_encoding_check(&d, rows[i].input, &e), TIDEMILL_OK);
    }
}

/* All upper bytes of windows-1252, as its table at unicode.org has them. */
static void test_windows_1252(void **state)
{
    static const char expected[] = "€" R "‚ƒ„…†‡ˆ‰Š‹Œ" R "Ž" R R "‘’“”•–—˜™š›œ" R "žŸ";
    struct buf out;
    char input[32];
    (void)state;
    for (int i = 0; i < 32; i++)
        input[i] = (char)(0x80 + i);
    tm_buf_init(&out);
    tm_encoding_decode(&windows, (struct slice){input, 32}, &out);
    assert_true(slice_is(buf_view(&out), expected));
    tm_buf_release(&out);
}

/* ---- records ---- */

static struct slice names[] = {{"a", 1}, {"b", 1}};
static const struct columns columns = {.n = 2, .names = names, .cells = 2};

/* Lengths and lines are those of the file, whatever a record is decoded to. */
static void test_records(void **state)
{
    static const char input[] = "1,x\n\xe9,\"\xe8\n\xff\"\r\n\n\xe9\n2,y\n";
    static const struct {
        enum parse_verdict verdict;
        size_t length;
        uint64_t lines;
        const char *second;
    } expected[] = {{PARSE_RECORD, 4, 1, "x"},
                    {PARSE_RECORD, 9, 2, "è\nÿ"},
                    {PARSE_SKIP, 1, 1, NULL},
                    {PARSE_FAILED, 2, 1, NULL},
                    {PARSE_RECORD, 4, 1, "y"}};
    struct intake in = {.format = &tm_format_csv, .dialect = latin1};
    struct arena arena;
    const char *p = input, *end = input + sizeof input - 1;
    (void)state;
    in.dialect.delimiter = ',';
    in.dialect.quote = '"';
    in.dialect.header = true;
    tm_arena_init(&arena);
    assert_int_equal(tm_intake_open(&in, &arena, &columns, NULL), TIDEMILL_OK);
    tm_intake_begin(&in, (struct slice){p, sizeof input - 1});
    assert_true(in.foreign);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct parsed parsed;
        assert_int_equal(tm_intake_parse(&in, &arena, p, (size_t)(end - p), &parsed, NULL),
                         expected[i].verdict);
        assert_int_equal(parsed.length, expected[i].length);
        assert_int_equal(parsed.lines, expected[i].lines);
        if (expected[i].second)
            assert_true(slice_is(node_fields(parsed.record)[1].value.text, expected[i].second));
        p += parsed.length;
    }
    assert_ptr_equal(p, end);
    tm_intake_begin(&in, SLICE("1,x\n"));
    assert_false(in.foreign);
    tm_intake_close(&in);
    tm_intake_close(&in);
    tm_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_checking),
        cmocka_unit_test(test_windows_1252),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
