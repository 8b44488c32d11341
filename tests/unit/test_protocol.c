/*
 * The protocol: what one side encodes the other decodes, and a frame that is cut short anywhere is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/frame.h"
#include "pipeline/protocol.h"

static struct cursor payload(const struct buf *b, size_t begin)
{
    return (struct cursor){b->p + begin, b->n - begin, false};
}

static void test_job(void **state)
{
    (void)state;
    static const struct protocol_job jobs[] = {
        {1, false, SCRIPT_FILE, SLICE("return 1"), SLICE("@x.lua"), {NULL, 0}, 1},
        {1024, true, SCRIPT_EACH, SLICE(""), SLICE(""), SLICE(""), 77},
        {3, false, SCRIPT_FILE, SLICE("a\0b"), SLICE("=each"), SLICE("/folder"), UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        struct spec from, to;
        struct protocol_job job;
        struct buf b;
        assert_int_equal(tm_spec_init(&from) | tm_spec_init(&to), TIDEMILL_OK);
        assert_int_equal(tm_spec_set(&from, "seed", "42", NULL), TIDEMILL_OK);
        tm_buf_init(&b);
        tm_protocol_put_job(&b, &jobs[i], &from);
        struct cursor c = payload(&b, 0);
        assert_int_equal(tm_protocol_get_job(&c, &job, &to, NULL), TIDEMILL_OK);
        assert_int_equal(job.worker, jobs[i].worker);
        assert_int_equal(job.check, jobs[i].check);
        assert_int_equal(job.form, jobs[i].form);
        assert_int_equal(job.first_line, jobs[i].first_line);
        assert_true(slice_eq(job.script, jobs[i].script));
        assert_true(slice_eq(job.chunk_name, jobs[i].chunk_name));
        assert_true(slice_eq(job.folder, jobs[i].folder));
        assert_int_equal(job.folder.p == NULL, jobs[i].folder.p == NULL);
        assert_int_equal(to.values.seed, 42);
        tm_spec_release(&to);
        for (size_t n = 0; n < b.n; n++) {
            err e = {0};
            struct cursor cut = {b.p, n, false};
            assert_int_equal(tm_spec_init(&to), TIDEMILL_OK);
            assert_int_equal(tm_protocol_get_job(&cut, &job, &to, &e), TIDEMILL_E_WORKER);
            tm_spec_release(&to);
        }
        tm_spec_release(&from);
        tm_buf_release(&b);
    }
}

/* Another program, or another version of ours, is told apart from broken bytes. */
static void test_strangers(void **state)
{
    (void)state;
    struct spec spec;
    struct protocol_job job = {0};
    struct buf b;
    err e = {0};
    tm_buf_init(&b);
    assert_int_equal(tm_spec_init(&spec), TIDEMILL_OK);
    tm_protocol_put_job(&b, &job, &spec);
    b.p[8]++;
    struct cursor c = payload(&b, 0);
    assert_int_equal(tm_protocol_get_job(&c, &job, &spec, &e), TIDEMILL_E_WORKER);
    assert_non_null(strstr(e.message, "version"));
    b.p[0]++;
    c = payload(&b, 0);
    assert_int_equal(tm_protocol_get_job(&c, &job, &spec, &e), TIDEMILL_E_WORKER);
    assert_non_null(strstr(e.message, "something else"));
    tm_spec_release(&spec);
    tm_buf_release(&b);
}

static const struct slice names[] = {SLICE("a"), SLICE(""), SLICE("\xff\0x")};
static const uint8_t flags[] = {0, 1, 0}, skipped[] = {0, 1, 0, 0};

static bool get_file(const struct buf *b, size_t n, struct arena *arena, struct columns **columns)
{
    struct cursor c = {b->p + FRAME_HEADER, n, false};
    uint32_t id;
    struct slice name, format;
    bool taken = tm_protocol_get_file(&c, arena, &id, &name, &format, columns);
    if (taken) {
        assert_int_equal(id, 7);
        assert_true(slice_is(name, "in.csv"));
        assert_true(slice_is(format, "csv"));
        assert_int_equal(c.n, 0);
    }
    return taken;
}

static void test_file(void **state)
{
    (void)state;
    static const struct columns cases[] = {
        {.n = 3, .names = names, .cells = 3},
        {.n = 3, .names = names, .cells = 4, .as_text = flags, .skipped = skipped, .crlf = true},
        {.n = 0, .names = names, .cells = 0, .positional = true},
    };
    for (size_t i = 0; i < 4; i++) {
        const struct columns *from = i < 3 ? &cases[i] : NULL;
        struct columns *to;
        struct arena arena;
        struct buf b;
        tm_arena_init(&arena);
        tm_buf_init(&b);
        tm_protocol_put_file(&b, 7, SLICE("in.csv"), SLICE("csv"), from);
        assert_true(get_file(&b, b.n - FRAME_HEADER, &arena, &to));
        assert_int_equal(to == NULL, from == NULL);
        if (from && to) {
            assert_int_equal(to->n, from->n);
            assert_int_equal(to->cells, from->cells);
            assert_int_equal(to->positional, from->positional);
            assert_int_equal(to->crlf, from->crlf);
            assert_int_equal(to->as_text == NULL, from->as_text == NULL);
            assert_int_equal(to->skipped == NULL, from->skipped == NULL);
            if (from->as_text)
                assert_memory_equal(to->as_text, from->as_text, from->n);
            if (from->skipped)
                assert_memory_equal(to->skipped, from->skipped, from->cells);
        }
        for (uint32_t k = 0; from && to && k < from->n; k++)
            assert_true(slice_eq(to->names[k], from->names[k]));
        for (size_t n = 0; n < b.n - FRAME_HEADER; n++)
            assert_false(get_file(&b, n, &arena, &to));
        tm_buf_release(&b);
        tm_arena_release(&arena);
    }
}

/* A count that lies takes no memory. */
static void test_lying_names(void **state)
{
    (void)state;
    struct arena arena;
    struct slice *got;
    uint32_t n;
    tm_arena_init(&arena);
    struct cursor c = {"\xff\xff\xff\xff\0\0\0\0", 8, false};
    assert_false(tm_protocol_get_names(&c, &arena, &n, &got));
    assert_null(arena.block);
    tm_arena_release(&arena);
}

static void test_chunk(void **state)
{
    (void)state;
    const struct protocol_chunk from = {UINT64_MAX, 2, 1ULL << 40,          1ULL << 41,
                                        7,          5, {4096, 9000, 250, 3}};
    struct protocol_chunk to;
    struct buf b;
    tm_buf_init(&b);
    assert_true(tm_protocol_put_chunk(&b, &from, 1000));
    struct cursor c = payload(&b, FRAME_HEADER);
    assert_true(tm_protocol_get_chunk(&c, &to));
    assert_int_equal(c.n, 0);
    assert_true(to.sequence == from.sequence && to.file == from.file &&
                to.records == from.records && to.first == from.first &&
                to.first_record == from.first_record && to.first_line == from.first_line &&
                to.pace.bytes == from.pace.bytes && to.pace.every == from.pace.every &&
                to.pace.first_every == from.pace.first_every && to.pace.times == from.pace.times);
    c = payload(&b, 0);
    assert_int_equal(tm_cursor_u32(&c), b.n - FRAME_HEADER + 1000);
    for (size_t n = 0; n < b.n - FRAME_HEADER; n++) {
        struct cursor cut = {b.p + FRAME_HEADER, n, false};
        assert_false(tm_protocol_get_chunk(&cut, &to));
    }
    buf_reset(&b);
    assert_false(tm_protocol_put_chunk(&b, &from, UINT32_MAX));
    tm_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),   cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_file),  cmocka_unit_test(test_lying_names),
        cmocka_unit_test(test_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
