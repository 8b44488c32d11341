/*
 * Results and the merger, a pipe's two ends without the pipe: what a worker puts together out of
 * calls is committed to the same output, counts and messages, wherever its frames are cut and
 * whenever it learns the output's columns. And what no worker sends is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/formats.h"
#include "pipeline/frame.h"
#include "pipeline/merger.h"
#include "pipeline/results.h"

/*
 * Calls, a letter each:
 *   k keep   b the same with its fields turned round   d drop   m three rows   p keep and print
 *   e both layouts in one call   x a field that does not fit   y a row, then one that does not fit
 *   f print, a row, then fail   n a value that cannot be written, in a field that does not fit
 */

struct bench {
    const struct format *format;
    struct output_dialect dialect;
    struct spec spec;
    struct sink sink;
    struct output output;
    struct merger merger;
    struct writer *writer;
    struct results results;
    struct arena arena;
    struct buf seen, told;
};

static int take_output(void *context, const char *data, size_t length)
{
    buf_append(context, data, length);
    return 0;
}

static void take_message(void *context, int level, const char *text, size_t length)
{
    struct buf *told = context;
    buf_append(told, text, length);
    if (level != TIDEMILL_LOG_SCRIPT)
        buf_byte(told, '\n');
}

static void set_up(struct bench *b, const struct format *format, uint32_t records)
{
    *b = (struct bench){.format = format,
                        .dialect = {.delimiter = ',', .quote = '"', .header = true}};
    b->dialect.nested = NESTED_ERROR;
    struct input_file *file = tm_input_file_new("in", &tm_format_jsonl, 1);
    struct block *block = tm_block_new(NULL, 2 * (size_t)records);
    struct chunk *c = tm_chunk_new(CHUNK_RECORDS, file, block);
    for (uint32_t i = 0; i < records; i++)
        memcpy(block->bytes + 2 * (size_t)i, "1\n", 2);
    c->p = block->bytes;
    c->n = 2 * (size_t)records;
    c->records = c->part_end = records;
    c->first_record = c->first_line = 1;
    tm_input_file_unref(file);
    tm_block_unref(block);
    assert_int_equal(tm_spec_init(&b->spec), TIDEMILL_OK);
    b->spec.values.errors.policy = POLICY_SKIP;
    tm_sink_init(&b->sink, NULL);
    assert_int_equal(tm_sink_open_callback(&b->sink, take_output, &b->seen, NULL), TIDEMILL_OK);
    assert_int_equal(tm_output_init(&b->output, format, &b->dialect, &b->sink, NULL), TIDEMILL_OK);
    tm_merger_init(&b->merger, &b->spec, &b->output, NULL);
    b->merger.message = take_message;
    b->merger.message_context = &b->told;
    tm_merger_add(&b->merger, c);
    b->writer = format->writer_new(&b->dialect);
    tm_results_init(&b->results, 0);
    tm_results_use(&b->results, format, b->writer, &b->dialect, 1000);
    tm_results_begin(&b->results, 0, 0);
    if (format->verbatim)
        format->verbatim(b->writer, NULL);
}

static void tear_down(struct bench *b)
{
    tm_results_release(&b->results);
    b->format->writer_free(b->writer);
    tm_merger_release(&b->merger);
    tm_output_release(&b->output);
    tm_sink_release(&b->sink);
    tm_spec_release(&b->spec);
    tm_arena_release(&b->arena);
    tm_buf_release(&b->seen);
    tm_buf_release(&b->told);
}

/* A row with these one-letter fields. */
static int row(struct bench *b, const char *fields, uint32_t number, err *e)
{
    struct node *n = tm_node_new(&b->arena, NODE_OBJECT, 2);
    for (; *fields; fields++) {
        struct value v = {.kind = VALUE_INT, .i = *fields * 1000 + (int64_t)number};
        if (*fields == 'N')
            v = (struct value){.kind = VALUE_NODE, .node = tm_node_new(&b->arena, NODE_ARRAY, 0)};
        tm_node_add(n, tm_arena_copy(&b->arena, (struct slice){fields, 1}), v);
    }
    return tm_results_row(&b->results, n, e);
}

static void print(struct bench *b, uint32_t number)
{
    char text[32];
    snprintf(text, sizeof text, "said by %u\n", number);
    tm_results_log(&b->results, TIDEMILL_LOG_SCRIPT, slice_of(text));
}

static const struct {
    char letter;
    const char *rows[3];
    bool prints, fails;
} acts[] = {
    {'k', {"ab"}, false, false},
    {'b', {"ba"}, false, false},
    {'d', {NULL}, false, false},
    {'m', {"ab", "ab", "ab"}, false, false},
    {'p', {"ab"}, true, false},
    {'e', {"ab", "ba", "ab"}, false, false},
    {'x', {"az"}, false, false},
    {'y', {"ba", "abz"}, false, false},
    {'f', {"ba", "ab"}, true, true},
    {'n', {"aN"}, true, false},
    {0},
};

static void call(struct bench *b, char letter, uint32_t number)
{
    err why = {0};
    int status = TIDEMILL_OK, i = 0;
    while (acts[i].letter != letter)
        i++;
    tm_results_call(&b->results, &number, 1);
    if (acts[i].prints)
        print(b, number);
    for (int k = 0; k < 3 && acts[i].rows[k] && status == TIDEMILL_OK; k++)
        status = row(b, acts[i].rows[k], number, &why);
    if (status == TIDEMILL_OK && acts[i].fails)
        status = tm_err_set(&why, TIDEMILL_E_SCRIPT, "failed by %u", number);
    if (status == TIDEMILL_OK)
        status = tm_results_commit(&b->results, acts[i].rows[0] != NULL, &why);
    if (status != TIDEMILL_OK)
        tm_results_fail(&b->results, &why);
}

static unsigned unread; /* frames whose rows were left in a pipe */

/* Commit a frame; where that is nothing but rows, these come through a pipe. */
static int merge(struct bench *b, struct slice payload, err *e)
{
    char taken[4096];
    struct slice begin = {payload.p, RESULT_ROWS_AT};
    size_t rest = payload.n - begin.n, n;
    int fds[2];
    if (payload.n <= begin.n || b->format->finish_rows || !tm_protocol_only_rows(begin, rest))
        return tm_merger_result(&b->merger, payload, (struct piped){0}, e);
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_int_equal(write(fds[1], payload.p + begin.n, rest), rest);
    int status = tm_merger_result(&b->merger, begin, (struct piped){fds[0], rest}, e);
    while ((n = tm_sink_pull(&b->sink, taken, sizeof taken)))
        buf_append(&b->seen, taken, n);
    close(fds[0]);
    close(fds[1]);
    unread++;
    return status;
}

static void flush(struct bench *b, bool tell)
{
    assert_true(tm_results_end(&b->results, 1000));
    struct slice frame = buf_view(&b->results.out);
    frame.p += FRAME_HEADER;
    frame.n -= FRAME_HEADER;
    assert_int_equal(merge(b, frame, NULL), TIDEMILL_OK);
    assert_int_equal(b->merger.first->done, b->results.through);
    tm_results_begin(&b->results, 0, b->results.through);
    if (tell && b->format->has_columns && b->output.fixed && !b->results.fixed)
        assert_int_equal(tm_results_fix_columns(&b->results, b->output.n, b->output.names, NULL),
                         TIDEMILL_OK);
}

/* Flush after every `every` calls; tell the worker the columns from call `tell` on. */
static void work(struct bench *b, const struct format *format, const char *calls, uint32_t every,
                 uint32_t tell)
{
    uint32_t n = (uint32_t)strlen(calls);
    set_up(b, format, n);
    for (uint32_t i = 0; i < n; i++) {
        call(b, calls[i], i);
        if ((i + 1) % every == 0 || i + 1 == n)
            flush(b, i >= tell);
    }
    const tidemill_stats *s = &b->merger.stats;
    assert_int_equal(s->read, n);
    assert_int_equal(s->read, s->kept + s->dropped + s->failed);
    assert_int_equal(tm_output_end(&b->output, NULL, NULL), TIDEMILL_OK);
}

static void compare(const struct format *format, const char *calls)
{
    static const uint32_t cuts[][2] = {{1, 100}, {2, 100}, {1, 0}, {3, 0}, {7, 0}, {2, 5}};
    struct bench wanted, seen;
    work(&wanted, format, calls, UINT32_MAX, UINT32_MAX);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        work(&seen, format, calls, cuts[i][0], cuts[i][1]);
        if (!slice_eq(buf_view(&seen.seen), buf_view(&wanted.seen)))
            fail_msg("%s of '%s' (%zu):\n%.*s\nnot\n%.*s", format->name, calls, i, (int)seen.seen.n,
                     seen.seen.p, (int)wanted.seen.n, wanted.seen.p);
        if (!slice_eq(buf_view(&seen.told), buf_view(&wanted.told)))
            fail_msg("%s of '%s' (%zu):\n%.*s\nnot\n%.*s", format->name, calls, i, (int)seen.told.n,
                     seen.told.p, (int)wanted.told.n, wanted.told.p);
        assert_memory_equal(&seen.merger.stats, &wanted.merger.stats, sizeof(tidemill_stats));
        tear_down(&seen);
    }
    tear_down(&wanted);
}

static const struct format *const formats[] = {&tm_format_csv, &tm_format_jsonl, &tm_format_table};

static void test_cuts(void **state)
{
    (void)state;
    static const char *const rows[] = {"k",      "d",        "f",     "kkkkkkkk", "bkbkbk",
                                       "mmm",    "dddk",     "fffkf", "ebkb",     "kxkykfkb",
                                       "pdpfpk", "ffpmxeyb", "knkp"};
    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            compare(formats[f], rows[i]);
}

static void test_random_calls(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int i = 0; i < 300; i++) {
        char calls[21] = "";
        for (int k = 0; k < 20; k++) {
            seed = seed * 1103515245 + 12345;
            calls[k] = "kbdmpexyfn"[(seed >> 16) % 10];
        }
        compare(formats[i % 3], calls);
    }
}

static void test_output(void **state)
{
    (void)state;
    struct bench b;
    work(&b, &tm_format_csv, "bkxfdp", 1, 100);
    buf_byte(&b.seen, '\0');
    buf_byte(&b.told, '\0');
    assert_string_equal(b.seen.p, "b,a\n98000,97000\n98001,97001\n98005,97005\n");
    assert_non_null(strstr(b.told.p, "in:3: record 3: field 'z' is not among"));
    assert_non_null(
        strstr(b.told.p, "said by 3\nskipped: in:4: record 4: failed by 3\nsaid by 5\n"));
    tear_down(&b);
}

static void test_result_size(void **state)
{
    (void)state;
    struct bench b;
    err e = {0};
    const uint32_t number = 0;
    int rows = 0;
    set_up(&b, &tm_format_jsonl, 1);
    tm_results_call(&b.results, &number, 1);
    while (row(&b, "ab", 0, &e) == TIDEMILL_OK)
        rows++;
    assert_int_equal(e.status, TIDEMILL_E_WRITE);
    assert_int_equal(rows, 1000 / 22);
    tm_results_fail(&b.results, &e);
    flush(&b, false);
    assert_int_equal(b.seen.n, 0);
    assert_int_equal(b.merger.stats.failed, 1);
    tear_down(&b);
}

/* ---- What no worker sends ---- */

static void put_head(struct buf *b, uint64_t sequence, uint32_t through)
{
    tm_buf_u64(b, sequence);
    tm_buf_u32(b, through);
    tm_buf_u64(b, 0);
}

static void put_rows(struct buf *b, uint32_t kept, uint32_t rows, struct slice bytes)
{
    buf_u8(b, ITEM_ROWS);
    tm_buf_u32(b, kept);
    tm_buf_u32(b, 0);
    tm_buf_u32(b, rows);
    buf_u8(b, LAYOUT_FIXED);
    tm_buf_bytes(b, bytes);
}

static void put_failure(struct buf *b, uint32_t number, uint32_t status)
{
    buf_u8(b, ITEM_FAILURE);
    tm_buf_u32(b, number);
    tm_buf_u32(b, status);
    tm_buf_bytes(b, SLICE("why"));
}

static void refused(const struct format *format, const struct buf *payload, const char *what)
{
    struct bench b;
    err e = {0};
    set_up(&b, format, 2);
    if (merge(&b, buf_view(payload), &e) != TIDEMILL_E_WORKER || e.record)
        fail_msg("taken: %s", what);
    assert_true(b.merger.first->done <= 2);
    assert_int_equal(b.merger.stats.read, b.merger.first->done);
    tear_down(&b);
}

static void test_refused(void **state)
{
    (void)state;
    struct buf p;
    tm_buf_init(&p);
    refused(&tm_format_jsonl, &p, "nothing");
    put_head(&p, 1, 0);
    refused(&tm_format_jsonl, &p, "another chunk's result");
    buf_reset(&p);
    put_head(&p, 0, 1);
    refused(&tm_format_jsonl, &p, "a record done that nothing is said of");
    buf_reset(&p);
    put_head(&p, 0, 3);
    put_rows(&p, 3, 3, SLICE("1\n2\n3\n"));
    refused(&tm_format_jsonl, &p, "more records than the chunk has");
    buf_reset(&p);
    put_head(&p, 0, 1);
    put_rows(&p, 1, 1, SLICE("1\n"));
    refused(&tm_format_csv, &p, "rows in columns that are not fixed");
    buf_reset(&p);
    put_head(&p, 0, 1);
    put_rows(&p, 1, 0, SLICE("1\n"));
    refused(&tm_format_jsonl, &p, "bytes that are no rows");
    buf_reset(&p);
    put_head(&p, 0, 1);
    put_failure(&p, 2, TIDEMILL_E_SCRIPT);
    refused(&tm_format_jsonl, &p, "a failure of a record that is not there");
    buf_reset(&p);
    put_head(&p, 0, 1);
    put_failure(&p, 0, TIDEMILL_OK);
    refused(&tm_format_jsonl, &p, "a failure that is none");
    buf_reset(&p);
    put_head(&p, 0, 1);
    put_failure(&p, 0, TIDEMILL_AGAIN);
    refused(&tm_format_jsonl, &p, "a failure of another kind");
    buf_reset(&p);
    put_head(&p, 0, 0);
    buf_u8(&p, 77);
    refused(&tm_format_jsonl, &p, "an unknown item");
    buf_reset(&p);
    put_head(&p, 0, 2);
    put_rows(&p, 2, 2, SLICE("1\n2\n"));
    while (p.n-- > 1)
        refused(&tm_format_jsonl, &p, "a part of a result");
    tm_buf_release(&p);
    assert_true(unread > 100);
}

/* A run after a large result takes no more memory than the first. */
static void test_room(void **state)
{
    (void)state;
    struct results r;
    struct output_dialect dialect = {0};
    tm_results_init(&r, 1000);
    for (int run = 0; run < 2; run++) {
        tm_results_use(&r, &tm_format_jsonl, NULL, &dialect, 1);
        assert_int_equal(r.out.cap, 1000);
        assert_int_equal(r.row.cap + r.log.cap, 0);
        assert_true(buf_reserve(&r.out, 200000) && buf_reserve(&r.row, 1) &&
                    buf_reserve(&r.log, 1));
    }
    tm_results_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),    cmocka_unit_test(test_random_calls),
        cmocka_unit_test(test_output),  cmocka_unit_test(test_result_size),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
