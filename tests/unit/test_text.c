/*
 * Text: rows of input, of what split and parse make of it however it arrives, and of lines written.
 * In what is expected CR is ^M, LF ^J and NUL ^@.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/formats.h"
#include "record/json.h"

static const struct format *const text = &tm_format_text;

static void put(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            tm_buf_printf(b, "^%c", s.p[i] + 64);
        else
            buf_byte(b, s.p[i]);
}

/* Each record as "line|line end". */
static void test_reading(void **state)
{
    static const struct {
        struct slice input;
        const char *expected;
    } rows[] = {
        {SLICE("a\n\n b,\"c\"\n"), "a|^J\n|^J\n b,\"c\"|^J\n"},
        {SLICE("a\r\n\r\nb"), "a|^M^J\n|^M^J\nb|\n"},
        {SLICE("a\rb\r\r\nc\r"), "a^Mb^M|^M^J\nc^M|\n"},
        {SLICE("\0\xff\n"), "^@\xff|^J\n"},
        {SLICE("\r"), "^M|\n"},
        {SLICE(""), ""},
    };
    (void)state;
    struct reader *r = text->reader_new(&(struct input_dialect){0}, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 8; piece++) {
            struct slice left = rows[i].input;
            struct buf out;
            struct arena arena;
            tm_buf_init(&out);
            tm_arena_init(&arena);
            while (left.n) {
                struct split_state s = {0};
                struct extent x;
                struct parsed parsed;
                enum split_verdict verdict = SPLIT_MORE;
                for (size_t n = 0; verdict == SPLIT_MORE;) {
                    n = n + piece < left.n ? n + piece : left.n;
                    verdict = text->split(NULL, &s, left.p, n, n == left.n, &x, NULL);
                }
                assert_int_equal(verdict, SPLIT_RECORD);
                assert_int_equal(text->parse(r, &arena, left.p, left.n, &parsed, NULL),
                                 PARSE_RECORD);
                assert_int_equal(parsed.length, x.length);
                assert_int_equal(parsed.lines, x.lines);
                assert_int_equal(node_fields(parsed.record)[0].value.kind, VALUE_TEXT);
                put(&out, node_fields(parsed.record)[0].value.text);
                buf_byte(&out, '|');
                put(&out, parsed.record->line_end);
                buf_byte(&out, '\n');
                left = (struct slice){left.p + x.length, left.n - x.length};
            }
            if (!slice_is(buf_view(&out), rows[i].expected))
                fail_msg("expected\n%sgot\n%.*s", rows[i].expected, (int)out.n, out.p);
            tm_arena_release(&arena);
            tm_buf_release(&out);
        }
    text->reader_free(r);
}

static void test_writing(void **state)
{
    static const struct output_dialect strict,
        loose = {.extra = EXTRA_DROP, .missing = MISSING_EMPTY},
        no_nesting = {.nested = NESTED_ERROR};
    static const struct {
        const struct output_dialect *dialect;
        const char *record, *expected; /* "!": refused, and why */
    } rows[] = {
        {&strict, "{\"line\":\"a b\"}", "a b\n"},
        {&strict, "{\"line\":\"\"}", "\n"},
        {&strict, "{\"line\":null}", "\n"},
        {&strict, "{\"line\":1.50}", "1.50\n"},
        {&strict, "{\"line\":true}", "true\n"},
        {&strict, "{\"line\":{\"a\": \"\\n\"}}", "{\"a\": \"\\n\"}\n"},
        {&strict, "{\"line\":\"a\\rb\"}", "a\rb\n"},
        {&strict, "{\"line\":\"a\\r\"}", "a\r\r\n"},
        {&strict, "{\"line\":\"a\\nb\"}",
         "!field 'line' holds a line end, which would make two lines of it"},
        {&strict, "{\"line\":\"a\",\"x\":1}",
         "!field 'x' cannot be written as text, which has the field 'line' alone (output.extra: "
         "drop "
         "leaves others out)"},
        {&strict, "{}",
         "!the record has no field 'line', which is what text is written from (output.missing: "
         "empty "
         "writes an empty line)"},
        {&loose, "{\"x\":1,\"line\":\"a\"}", "a\n"},
        {&loose, "{\"x\":1}", "\n"},
        {&no_nesting, "{\"line\":[]}",
         "!field 'line' is an array or an object, which output.nested: error forbids"},
    };
    (void)state;
    struct json_reader *json = tm_json_reader_new(64);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct writer *w = text->writer_new(rows[i].dialect);
        struct arena arena;
        struct buf out;
        struct node *n;
        size_t where;
        err e;
        tm_arena_init(&arena);
        tm_buf_init(&out);
        assert_int_equal(tm_json_read(json, &arena, slice_of(rows[i].record), &n, &where, &e), 0);
        int status = text->write(w, &out, n, &e);
        if (rows[i].expected[0] == '!') {
            assert_int_equal(status, TIDEMILL_E_WRITE);
            assert_string_equal(e.message, rows[i].expected + 1);
        } else {
            assert_int_equal(status, TIDEMILL_OK);
            assert_true(slice_is(buf_view(&out), rows[i].expected));
        }
        tm_buf_release(&out);
        tm_arena_release(&arena);
        text->writer_free(w);
    }
    tm_json_reader_free(json);
}

/* Own line ends go from text to text only. */
static void test_line_ends(void **state)
{
    static const struct output_dialect d;
    static const char input[] = "a\r\nb\nc\r";
    (void)state;
    struct reader *r = text->reader_new(&(struct input_dialect){0}, NULL);
    for (int same = 0; same < 2; same++) {
        struct writer *w = text->writer_new(&d);
        struct arena arena;
        struct buf out;
        tm_arena_init(&arena);
        tm_buf_init(&out);
        text->verbatim(w, same ? r : NULL);
        struct parsed parsed;
        for (size_t at = 0; at < sizeof input - 1; at += parsed.length) {
            text->parse(r, &arena, input + at, sizeof input - 1 - at, &parsed, NULL);
            assert_int_equal(text->write(w, &out, parsed.record, NULL), TIDEMILL_OK);
        }
        assert_true(slice_is(buf_view(&out), same ? "a\r\nb\nc\r\r\n" : "a\nb\nc\r\r\n"));
        tm_buf_release(&out);
        tm_arena_release(&arena);
        text->writer_free(w);
    }
    text->reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_line_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
