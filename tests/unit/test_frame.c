/*
 * Frames: through a pipe in pieces of any size, in order, and refused before memory is taken for
 * them when they are larger than allowed or not frames at all.
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

#include "pipeline/frame.h"

#define PAYLOAD_MAX 100000

/* Frame `i`: type and length follow from the number. */
static size_t length_of(int i)
{
    static const size_t lengths[] = {0, 1, 7, 8, 9, 4096, 70000, 3, PAYLOAD_MAX, 0};
    return lengths[i % 10];
}

static void put(struct buf *b, int i)
{
    size_t begin = tm_frame_begin(b, (uint8_t)(i + 1));
    for (size_t k = 0; k < length_of(i); k++)
        buf_byte(b, (char)(i + (int)k));
    assert_true(tm_frame_end(b, begin, 0));
}

static void check(const struct frame *f, int i)
{
    assert_int_equal(f->type, i + 1);
    assert_int_equal(f->payload.n, length_of(i));
    for (size_t k = 0; k < f->payload.n; k++)
        if (f->payload.p[k] != (char)(i + (int)k))
            fail_msg("frame %d differs at %zu", i, k);
}

/* Take what is there; gives the number of the next frame. */
static int take(struct frame_reader *r, int next)
{
    struct frame f;
    while (tm_frame_type(r)) {
        assert_int_equal(tm_frame_type(r), next + 1);
        assert_int_equal(tm_frame_next(r, &f), FRAME_TAKEN);
        check(&f, next++);
    }
    assert_int_equal(tm_frame_next(r, &f), FRAME_WAIT);
    return next;
}

static void through_pipe(size_t piece)
{
    struct buf b;
    struct frame_reader r;
    int fds[2], next = 0;
    tm_buf_init(&b);
    for (int i = 0; i < 20; i++)
        put(&b, i);
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    tm_frame_reader_init(&r, PAYLOAD_MAX);
    assert_int_equal(tm_frame_fill(&r, fds[0]), FILL_BLOCK);
    for (size_t at = 0; at < b.n; at += piece) {
        size_t n = b.n - at < piece ? b.n - at : piece;
        assert_true(tm_write_all(fds[1], (struct slice){b.p + at, n}));
        while (tm_frame_fill(&r, fds[0]) == FILL_BYTES)
            next = take(&r, next);
    }
    close(fds[1]);
    assert_int_equal(tm_frame_fill(&r, fds[0]), FILL_END);
    assert_int_equal(next, 20);
    assert_int_equal(frame_pending(&r), 0);
    close(fds[0]);
    assert_int_equal(tm_frame_fill(&r, fds[0]), FILL_ERROR);
    tm_frame_reader_release(&r);
    tm_buf_release(&b);
}

static void test_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 8, 9, 4096, 60000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        through_pipe(pieces[i]);
}

/* How many reads it takes until a frame of so many bytes is there, with a little of the next one behind it. */
static int fills(struct frame_reader *r, const int *fds, size_t length)
{
    struct buf b;
    struct frame f;
    int n = 0;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, 1);
    for (size_t k = 0; k < length; k++)
        buf_byte(&b, (char)k);
    assert_true(tm_frame_end(&b, begin, 0));
    assert_true(tm_write_all(fds[1], buf_view(&b)));
    tm_buf_release(&b);
    while (tm_frame_next(r, &f) == FRAME_WAIT) {
        assert_int_equal(tm_frame_fill(r, fds[0]), FILL_BYTES);
        n++;
    }
    assert_int_equal(f.payload.n, length);
    for (size_t k = 0; k < length; k++)
        assert_true(f.payload.p[k] == (char)k);
    return n;
}

/* A large frame after one of nearly its size is read at once; the reader takes no more memory for that. */
static void test_alike(void **state)
{
    struct frame_reader r;
    int fds[2];
    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
    tm_frame_reader_init(&r, 1 << 20);
    assert_int_equal(fills(&r, fds, 300000), 2);
    assert_int_equal(fills(&r, fds, 300100), 2); /* the room for it is not there yet */
    size_t cap = r.in.cap;
    assert_int_equal(fills(&r, fds, 300050), 1);
    assert_int_equal(fills(&r, fds, 303000), 1);
    assert_int_equal(fills(&r, fds, 10), 1);
    assert_int_equal(fills(&r, fds, 300000), 2);
    assert_int_equal(fills(&r, fds, 299000), 1);
    assert_int_equal(r.in.cap, cap);
    tm_frame_reader_reset(&r);
    assert_int_equal(fills(&r, fds, 299000), 2);
    tm_frame_reader_release(&r);
    close(fds[0]);
    close(fds[1]);
}

/* A frame of which the reader gets the beginning, and somebody else the rest; then one as usual. */
static void test_begun(void **state)
{
    struct frame_reader r;
    struct frame f = {0};
    struct buf b;
    int fds[2];
    size_t rest = 0;
    char behind[60];
    (void)state;
    tm_buf_init(&b);
    put(&b, 5);
    put(&b, 3);
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    tm_frame_reader_init(&r, PAYLOAD_MAX);
    assert_false(tm_frame_begun(&r, &f, &rest));
    assert_int_equal(tm_frame_fill_head(&r, fds[0], 10), FILL_BLOCK);
    assert_true(tm_write_all(fds[1], (struct slice){b.p, 5}));
    assert_int_equal(tm_frame_fill_head(&r, fds[0], 10), FILL_BYTES);
    assert_false(tm_frame_begun(&r, &f, &rest));
    tm_frame_reader_reset(&r);
    assert_true(tm_write_all(fds[1], buf_view(&b)));
    assert_int_equal(tm_frame_fill_head(&r, fds[0], 10), FILL_BYTES);
    assert_true(tm_frame_begun(&r, &f, &rest));
    size_t length = f.payload.n + rest;
    assert_int_equal(f.type, 6);
    assert_int_equal(f.payload.n, 10);
    assert_memory_equal(f.payload.p, b.p + FRAME_HEADER, 10);
    tm_frame_take_begun(&r, &f, rest);
    assert_int_equal(r.last, FRAME_HEADER + length);
    assert_int_equal(frame_pending(&r), 0);
    while (rest) {
        ssize_t n = read(fds[0], behind, rest < sizeof behind ? rest : sizeof behind);
        assert_true(n > 0);
        rest -= (size_t)n;
    }
    assert_int_equal(tm_frame_fill(&r, fds[0]), FILL_BYTES);
    /* All of it is there: nothing of it is anywhere else. */
    assert_false(tm_frame_begun(&r, &f, &rest));
    assert_int_equal(tm_frame_next(&r, &f), FRAME_TAKEN);
    check(&f, 3);
    tm_frame_reader_release(&r);
    tm_buf_release(&b);
    close(fds[0]);
    close(fds[1]);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        struct slice bytes;
        enum frame_next verdict;
    } cases[] = {
        {{"", 0}, FRAME_WAIT},
        {{"\x64\0\0\0\1\0\0", 7}, FRAME_WAIT},
        {{"\x64\0\0\0\1\0\0\0", 8}, FRAME_WAIT},
        {{"\x65\0\0\0\1\0\0\0", 8}, FRAME_BAD},
        {{"\xff\xff\xff\xff\1\0\0\0", 8}, FRAME_BAD},
        {{"\0\0\0\0\1\1\0\0", 8}, FRAME_BAD},
        {{"\0\0\0\0\1\0\0\1", 8}, FRAME_BAD},
        {{"\0\0\0\0\1\0\0\0", 8}, FRAME_TAKEN},
        {{"\0\0\0\0\0\0\0\0", 8}, FRAME_TAKEN}, /* type 0 is for the protocol to refuse */
        {{"not a frame at all", 18}, FRAME_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame_reader r;
        struct frame f;
        tm_frame_reader_init(&r, 100);
        buf_slice(&r.in, cases[i].bytes);
        if (cases[i].verdict != FRAME_TAKEN)
            assert_int_equal(tm_frame_type(&r), 0);
        if (tm_frame_next(&r, &f) != cases[i].verdict)
            fail_msg("case %zu", i);
        tm_frame_reader_release(&r);
    }
}

/* Bytes that follow a frame's buffer count; a length that no u32 holds is refused. */
static void test_end(void **state)
{
    (void)state;
    struct buf b;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, 1);
    tm_buf_u32(&b, 7);
    assert_true(tm_frame_end(&b, begin, 1000));
    struct cursor c = {b.p, b.n, false};
    assert_int_equal(tm_cursor_u32(&c), 1004);
    assert_true(tm_frame_end(&b, begin, UINT32_MAX - 4));
    assert_false(tm_frame_end(&b, begin, UINT32_MAX - 3));
    assert_false(tm_frame_end(&b, begin, SIZE_MAX));
    b.failed = true;
    assert_false(tm_frame_end(&b, begin, 0));
    tm_buf_release(&b);
}

/* Frames that change readers: in order, and what was taken takes no room. */
static void kept_frames(void **state)
{
    struct frame_reader from, to;
    struct frame f;
    size_t cap = 0;
    int put_n = 0, next = 0;
    (void)state;
    tm_frame_reader_init(&from, PAYLOAD_MAX);
    tm_frame_reader_init(&to, PAYLOAD_MAX);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 3; i++)
            put(&from.in, put_n++ % 10);
        while (tm_frame_next(&from, &f) == FRAME_TAKEN)
            assert_true(tm_frame_keep(&to, &f));
        assert_int_equal(frame_pending(&from), 0);
        from.in.n = from.at = 0;
        /* One is left for the next round, so that there is always something to be moved. */
        for (; next < put_n - 1; next++) {
            assert_int_equal(tm_frame_next(&to, &f), FRAME_TAKEN);
            check(&f, next % 10);
        }
        if (round == 50)
            cap = to.in.cap;
    }
    assert_int_equal(to.in.cap, cap);
    tm_frame_reader_release(&from);
    tm_frame_reader_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_alike),  cmocka_unit_test(test_bad),
        cmocka_unit_test(test_end),    cmocka_unit_test(kept_frames), cmocka_unit_test(test_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
