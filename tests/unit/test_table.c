/*
 * Tables: JSON records through the writer and through what puts the lines together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/formats.h"
#include "record/json.h"

static const struct format *const table = &tm_format_table;
static const struct output_dialect plain = {.header = true};

/* Rows of JSON lines, as a worker writes them. */
static void write_rows(struct writer *w, const char *p, struct buf *rows)
{
    struct json_reader *r = tm_json_reader_new(64);
    struct arena arena;
    tm_arena_init(&arena);
    for (const char *end; *p; p = end + 1) {
        struct node *n;
        size_t where;
        err e;
        end = strchr(p, '\n');
        assert_int_equal(
            tm_json_read(r, &arena, (struct slice){p, (size_t)(end - p)}, &n, &where, &e), 0);
        assert_int_equal(table->write(w, rows, n, &e), TIDEMILL_OK);
    }
    tm_arena_release(&arena);
    tm_json_reader_free(r);
}

/* The lines of these records, all of one layout. */
static void print(const struct output_dialect *d, const char *records, struct buf *out)
{
    struct writer *w = table->writer_new(d);
    struct finish *f = table->finish_new(d);
    struct buf rows;
    tm_buf_init(&rows);
    write_rows(w, records, &rows);
    const struct layout *l = table->layout(w);
    assert_int_equal(table->finish_begin(f, out, l->n, l->names), TIDEMILL_OK);
    assert_int_equal(table->finish_rows(f, out, buf_view(&rows), NULL), TIDEMILL_OK);
    assert_int_equal(table->finish_end(f, out), TIDEMILL_OK);
    tm_buf_release(&rows);
    table->finish_free(f);
    table->writer_free(w);
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        struct output_dialect dialect;
        const char *records, *expected;
    } cases[] = {
        {{.header = true},
         "{\"x\":0,\"name\":\"a\"}\n{\"x\":18,\"name\":\"long\"}\n",
         " x  name\n"
         "--  ----\n"
         " 0  a\n"
         "18  long\n"},
        {{.header = true},
         "{\"name\":\"a\",\"x\":1.5,\"y\":\"7\"}\n{\"name\":\"bcd\",\"x\":null,\"y\":\"b\"}\n",
         "name    x  y\n"
         "----  ---  -\n"
         "a     1.5  7\n"
         "bcd        b\n"},
        {{.header = true},
         "{\"a\":\"\",\"b\":\"\"}\n{\"a\":\"\",\"b\":\"x\"}\n",
         "a  b\n"
         "-  -\n"
         "\n"
         "   x\n"},
        {{.header = true},
         "{\"a\":\"x\\ny\\t\\u0001\\u007f\\u009b\",\"b\":1}\n",
         "a                   b\n"
         "------------------  -\n"
         "x\\ny\\t\\x01\\x7f\\x9b  1\n"},
        {{.header = true},
         "{\"k\":\"\xe6\xbc\xa2\",\"v\":[1,{}]}\n{\"k\":\"\xc3\xa9\",\"v\":true}\n",
         "k   v\n"
         "--  ------\n"
         "\xe6\xbc\xa2  [1,{}]\n"
         "\xc3\xa9   true\n"},
        {{.header = false}, "{\"name\":1,\"b\":2}\n", "1  2\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        tm_buf_init(&out);
        print(&cases[i].dialect, cases[i].records, &out);
        if (!slice_is(buf_view(&out), cases[i].expected))
            fail_msg("expected\n%sgot\n%.*s", cases[i].expected, (int)out.n, out.p);
        tm_buf_release(&out);
    }
}

static void test_not_utf8(void **state)
{
    (void)state;
    static const struct slice name = {"a\xff\xc3", 3};
    struct finish *f = table->finish_new(&plain);
    struct buf out;
    tm_buf_init(&out);
    assert_int_equal(table->finish_begin(f, &out, 1, &name), TIDEMILL_OK);
    assert_int_equal(table->finish_end(f, &out), TIDEMILL_OK);
    assert_true(slice_is(buf_view(&out), "a\xef\xbf\xbd\xef\xbf\xbd\n---\n"));
    tm_buf_release(&out);
    table->finish_free(f);
}

static void test_nothing(void **state)
{
    (void)state;
    struct finish *f = table->finish_new(&plain);
    struct buf out;
    tm_buf_init(&out);
    assert_int_equal(table->finish_begin(f, &out, 0, NULL), TIDEMILL_OK);
    assert_int_equal(table->finish_end(f, &out), TIDEMILL_OK);
    assert_int_equal(out.n, 0);
    tm_buf_release(&out);
    table->finish_free(f);
}

/* `n` rows of one column, each its number. */
static void put_numbers(struct buf *rows, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        char text[16];
        int length = snprintf(text, sizeof text, "%u", i);
        tm_buf_u32(rows, 1);
        tm_buf_bytes(rows, (struct slice){text, (size_t)length});
    }
}

/* Nothing comes before the thousandth row; rows behind it overflow the widths. */
static void test_held_rows(void **state)
{
    (void)state;
    static const struct slice name = {"n", 1};
    struct finish *f = table->finish_new(&plain);
    struct buf out, rows;
    tm_buf_init(&out);
    tm_buf_init(&rows);
    assert_int_equal(table->finish_begin(f, &out, 1, &name), TIDEMILL_OK);
    put_numbers(&rows, 0, 999);
    assert_int_equal(table->finish_rows(f, &out, buf_view(&rows), NULL), TIDEMILL_OK);
    assert_int_equal(out.n, 0);
    buf_reset(&rows);
    put_numbers(&rows, 999, 2);
    assert_int_equal(table->finish_rows(f, &out, buf_view(&rows), NULL), TIDEMILL_OK);
    assert_int_equal(table->finish_end(f, &out), TIDEMILL_OK);
    assert_true(out.n > 25);
    assert_memory_equal(out.p, "  n\n---\n  0\n  1\n", 16);
    assert_memory_equal(out.p + out.n - 13, "998\n999\n1000\n", 13);
    tm_buf_release(&out);
    tm_buf_release(&rows);
    table->finish_free(f);
}

/* Few rows may be large: they are not held back without end. */
static void test_held_bytes(void **state)
{
    (void)state;
    static char text[1 << 19];
    static const struct slice name = {"n", 1};
    struct finish *f = table->finish_new(&plain);
    struct buf out, rows;
    memset(text, 'x', sizeof text);
    tm_buf_init(&out);
    tm_buf_init(&rows);
    for (int i = 0; i < 2; i++) {
        tm_buf_u32(&rows, 1);
        tm_buf_bytes(&rows, (struct slice){text, sizeof text});
    }
    assert_int_equal(table->finish_begin(f, &out, 1, &name), TIDEMILL_OK);
    assert_int_equal(table->finish_rows(f, &out, buf_view(&rows), NULL), TIDEMILL_OK);
    assert_true(out.n > 2 * sizeof text);
    tm_buf_release(&out);
    tm_buf_release(&rows);
    table->finish_free(f);
}

/* Rows come from another process: every way to break them is noticed. */
static void test_broken_rows(void **state)
{
    (void)state;
    static const struct slice names[] = {{"a", 1}, {"b", 1}}, swapped[] = {{"b", 1}, {"a", 1}};
    struct buf row;
    tm_buf_init(&row);
    tm_buf_u32(&row, 2);
    tm_buf_bytes(&row, SLICE("x"));
    tm_buf_bytes(&row, SLICE("yz"));
    for (size_t cut = 0; cut <= row.n; cut++) {
        struct finish *f = table->finish_new(&plain);
        struct slice part = {row.p, cut};
        struct buf out;
        tm_buf_init(&out);
        int want = cut == 0 || cut == row.n ? TIDEMILL_OK : TIDEMILL_E_WORKER;
        assert_int_equal(table->finish_begin(f, &out, 2, names), TIDEMILL_OK);
        assert_int_equal(table->finish_rows(f, &out, part, NULL), want);
        assert_int_equal(table->relayout(&plain, part, 2, names, 2, swapped, &out, NULL), want);
        if (cut) {
            assert_int_equal(table->relayout(&plain, part, 1, names, 2, swapped, &out, NULL),
                             TIDEMILL_E_WORKER);
        }
        tm_buf_release(&out);
        table->finish_free(f);
    }
    row.p[4] = row.p[5] = row.p[6] = row.p[7] = '\xff';
    struct finish *f = table->finish_new(&plain);
    struct buf out;
    tm_buf_init(&out);
    assert_int_equal(table->finish_begin(f, &out, 2, names), TIDEMILL_OK);
    assert_int_equal(table->finish_rows(f, &out, buf_view(&row), NULL), TIDEMILL_E_WORKER);
    table->finish_free(f);
    tm_buf_release(&out);
    tm_buf_release(&row);
}

/* Laid out anew, a row has the bytes that a writer with fixed columns gives. */
static void test_relayout(void **state)
{
    (void)state;
    static const char records[] = "{\"a\":1,\"b\":[2]}\n{\"a\":\"x\",\"b\":null}\n";
    static const struct output_dialect fit = {.extra = EXTRA_DROP, .missing = MISSING_EMPTY};
    static const struct slice to[] = {{"b", 1}, {"z", 1}};
    struct writer *own = table->writer_new(&fit), *fixed = table->writer_new(&fit);
    struct buf rows, anew, direct;
    tm_buf_init(&rows);
    tm_buf_init(&anew);
    tm_buf_init(&direct);
    assert_int_equal(table->fix_columns(fixed, 2, to), TIDEMILL_OK);
    write_rows(own, records, &rows);
    write_rows(fixed, records, &direct);
    const struct layout *l = table->layout(own);
    assert_int_equal(table->relayout(&fit, buf_view(&rows), l->n, l->names, 2, to, &anew, NULL),
                     TIDEMILL_OK);
    assert_true(anew.n > 0 && slice_eq(buf_view(&anew), buf_view(&direct)));
    tm_buf_release(&rows);
    tm_buf_release(&anew);
    tm_buf_release(&direct);
    table->writer_free(own);
    table->writer_free(fixed);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct output_dialect strict = {.nested = NESTED_ERROR};
    static const struct slice name = {"a", 1}, json = {"{\"b\":[1]}", 9};
    struct writer *w = table->writer_new(&strict);
    struct json_reader *r = tm_json_reader_new(64);
    struct arena arena;
    struct node *n;
    struct buf out;
    size_t where;
    err e;
    tm_arena_init(&arena);
    tm_buf_init(&out);
    assert_int_equal(table->fix_columns(w, 1, &name), TIDEMILL_OK);
    assert_int_equal(tm_json_read(r, &arena, json, &n, &where, &e), TIDEMILL_OK);
    assert_int_equal(table->write(w, &out, n, &e), TIDEMILL_E_WRITE);
    assert_string_equal(e.message,
                        "field 'b' is an array or an object, which output.nested: error forbids");
    tm_node_set(n, 0, (struct value){.kind = VALUE_INT, .i = 1});
    assert_int_equal(table->write(w, &out, n, &e), TIDEMILL_E_WRITE);
    assert_string_equal(e.message, "field 'b' is not among the output's columns (a); "
                                   "output.extra: drop leaves it out");
    tm_buf_release(&out);
    tm_arena_release(&arena);
    tm_json_reader_free(r);
    table->writer_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),      cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_nothing),    cmocka_unit_test(test_held_rows),
        cmocka_unit_test(test_held_bytes), cmocka_unit_test(test_broken_rows),
        cmocka_unit_test(test_relayout),   cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
