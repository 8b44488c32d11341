/*
 * The list of formats: finding by name and by path, and that each row is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/formats.h"

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(tm_format_find(SLICE("csv")), &tm_format_csv);
    assert_ptr_equal(tm_format_find(SLICE("tsv")), &tm_format_tsv);
    assert_ptr_equal(tm_format_find(SLICE("jsonl")), &tm_format_jsonl);
    assert_ptr_equal(tm_format_find(SLICE("text")), &tm_format_text);
    assert_ptr_equal(tm_format_find(SLICE("table")), &tm_format_table);
    assert_null(tm_format_find(SLICE("CSV")));
    assert_null(tm_format_find(SLICE("csv2")));
    assert_null(tm_format_find(SLICE("")));
}

static void test_by_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const struct format *format;
    } cases[] = {
        {"a.csv", &tm_format_csv},
        {"/x.jsonl/ORDERS.CSV", &tm_format_csv},
        {"a.csv.gz", &tm_format_csv},
        {"a.jsonl.zst", &tm_format_jsonl},
        {"a.csv.jsonl", &tm_format_jsonl},
        {"a.tsv", &tm_format_tsv},
        {"a.TAB", &tm_format_tsv},
        {"a.txt", &tm_format_text},
        {"a.text", &tm_format_text},
        {"a.log.gz", &tm_format_text},
        {"a.csv.gz.zst", NULL},
        {"a.table", NULL},
        {"csv", NULL},
        {".csv", NULL},
        {"a/.csv", NULL},
        {"a.csv/b", NULL},
        {"a.gz", NULL},
        {"-", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (tm_format_by_path(cases[i].path) != cases[i].format)
            fail_msg("%s", cases[i].path);
}

static void test_rows(void **state)
{
    (void)state;
    size_t n = 0;
    for (const struct format *f; (f = tm_format_at(n)); n++) {
        assert_ptr_equal(tm_format_find(slice_of(f->name)), f);
        assert_non_null(f->help);
        bool reads = f->split, writes = f->writer_new;
        assert_true(reads || writes);
        assert_int_equal(reads, f->parse && f->reader_new && f->reader_free);
        assert_int_equal(writes, f->write && f->writer_free);
        assert_int_equal(f->has_columns,
                         f->layout && f->fix_columns && f->relayout && f->finish_begin);
        assert_int_equal(f->finish_new != NULL, f->finish_free != NULL);
    }
    assert_true(n >= 5);
    assert_null(tm_format_at(n + 1));
}

static void test_verbatim(void **state)
{
    (void)state;
    const struct input_dialect in = {.delimiter = ',', .quote = '"'};
    const struct output_dialect same = {.delimiter = ',', .quote = '"', .crlf = true},
                                other = {.delimiter = ';', .quote = '"'},
                                unquoted = {.delimiter = ','};
    const struct format *csv = &tm_format_csv, *jsonl = &tm_format_jsonl;
    assert_true(tm_format_verbatim(csv, &in, csv, &same));
    assert_false(tm_format_verbatim(csv, &in, csv, &other));
    assert_false(tm_format_verbatim(csv, &in, csv, &unquoted));
    assert_false(tm_format_verbatim(csv, &in, jsonl, &same));
    assert_false(tm_format_verbatim(csv, &in, &tm_format_table, &same));
    assert_true(tm_format_verbatim(jsonl, &in, jsonl, &other));
    const struct input_dialect tabs = {.delimiter = '\t', .escapes = true};
    const struct output_dialect tabs_out = {.delimiter = '\t', .escapes = true};
    assert_true(tm_format_verbatim(&tm_format_tsv, &tabs, &tm_format_tsv, &tabs_out));
    assert_false(tm_format_verbatim(csv, &tabs, &tm_format_tsv, &tabs_out));
    assert_true(tm_format_verbatim(&tm_format_text, &in, &tm_format_text, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_by_path),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_verbatim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
