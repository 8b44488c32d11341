/*
 * Records found at a glance are those that split finds one by one: for random bytes and every format
 * that has a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/formats.h"

static const struct {
    const struct format *format;
    struct input_dialect dialect;
} rows[] = {
    {&tm_format_csv, {.delimiter = ',', .quote = '"'}},
    {&tm_format_csv, {.delimiter = ';', .quote = '\'', .comment = {"#", 1}}},
    {&tm_format_csv, {.delimiter = '\t', .comment = {"//", 2}}},
    {&tm_format_tsv, {.delimiter = '\t', .comment = {"#", 1}}},
    {&tm_format_jsonl, {.max_depth = 10}},
    {&tm_format_text, {.header = false}},
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Cells, most of them in quotes as they should be. */
static void fill_cells(char *p, size_t n, uint64_t *state)
{
    static const char *const cells[] = {"\"x\"",      "\"x,y\"",  "\"\"",    "'x'",  "x",   "'a;b'",
                                        "\"x\"\"y\"", "\"x\ny\"", "\"x\"\r", "x\"y", "'x'y"};
    static const char between[] = ",,,,,;;\t\n\n";
    for (size_t i = 0; i < n;) {
        uint32_t r = next_random(state);
        const char *cell = cells[r % 64 < 11 ? r % 64 : r % 6];
        size_t length = strlen(cell);
        if (length > n - i)
            length = n - i;
        memcpy(p + i, cell, length);
        i += length;
        if (i < n)
            p[i++] = between[(r >> 16) % (sizeof between - 1)];
    }
}

/* Mostly letters; the rarer the odd bytes, the longer the runs. */
static void fill(char *p, size_t n, unsigned rare, uint64_t *state)
{
    static const char odd[] = "\"'#/ \t\r\n\n,;";
    if (next_random(state) % 2) {
        fill_cells(p, n, state);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t r = next_random(state);
        p[i] = r % rare == 0 ? odd[(r >> 16) % (sizeof odd - 1)] : r % 11 == 0 ? '\n' : 'x';
    }
}

static size_t check(size_t row, const char *p, size_t n)
{
    const struct format *f = rows[row].format;
    size_t length = SIZE_MAX, at = 0;
    uint32_t records = f->run(&rows[row].dialect, p, n, &length);
    assert_true(length <= n);
    for (uint32_t i = 0; i < records; i++) {
        struct split_state state = {0};
        struct extent extent = {0};
        assert_int_equal(f->split(&rows[row].dialect, &state, p + at, n - at, false, &extent, NULL),
                         SPLIT_RECORD);
        assert_int_equal(extent.lines, 1);
        at += extent.length;
    }
    assert_int_equal(at, length);
    return length;
}

static void as_split_finds_them(void **unused)
{
    (void)unused;
    uint64_t state = 7;
    size_t found = 0;
    for (int round = 0; round < 4000; round++) {
        /* Of exactly this size, so that a sanitizer sees who looks behind the end. */
        size_t n = next_random(&state) % 400;
        char *p = malloc(n + !n);
        assert_non_null(p);
        fill(p, n, 1u << (2 + round % 8), &state);
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
            found += check(row, p, n);
        free(p);
    }
    /* A run that finds nothing would be right, and of no use. */
    assert_true(found > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_split_finds_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
