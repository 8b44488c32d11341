/*
 * Lenders: what was sent arrives as it was, however soon the buffer is filled again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipeline/lender.h"

#define ROOM ((size_t)200000)

struct post {
    struct lender lender;
    struct buf b;
    int in, out;
    unsigned put, got; /* frames */
};

static void open_post(struct post *post, size_t room)
{
    int fds[2];
    *post = (struct post){.lender.room = room};
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 256 << 10) >= 256 << 10);
    post->out = fds[0];
    post->in = fds[1];
    tm_buf_init_large(&post->b);
    assert_true(buf_reserve(&post->b, room));
}

static void close_post(struct post *post)
{
    close(post->out);
    close(post->in);
    tm_buf_release(&post->b);
    tm_lender_release(&post->lender);
}

static char byte_of(unsigned frame, size_t i)
{
    return (char)(i * 7 + i / 251 + 31 * (size_t)frame);
}

/* Send a frame of `n` bytes, and use the buffer for something else at once. True: it was lent. */
static bool put(struct post *post, size_t n)
{
    const char *before;
    for (size_t i = 0; i < n; i++)
        buf_byte(&post->b, byte_of(post->put, i));
    before = post->b.p;
    assert_true(tm_lender_send(&post->lender, post->in, &post->b));
    assert_int_equal(post->b.n, 0);
    post->put++;
    memset(post->b.p, 'x', post->b.cap);
    return post->b.p != before;
}

/* Read the next frame from byte `at` to `end`. */
static void get_part(struct post *post, size_t at, size_t end)
{
    static char seen[2 * ROOM];
    while (at < end) {
        ssize_t got = read(post->out, seen, end - at);
        assert_true(got > 0);
        for (size_t i = 0; i < (size_t)got; i++, at++)
            if (seen[i] != byte_of(post->got, at))
                fail_msg("frame %u differs at %zu", post->got, at);
    }
}

static void get(struct post *post, size_t n)
{
    get_part(post, 0, n);
    post->got++;
}

/* While the reader keeps up, two buffers are enough: the one that is filled, and the one that is read. */
static void test_in_turn(void **state)
{
    (void)state;
    struct post post;
    open_post(&post, ROOM);
    const char *first = post.b.p;
    for (int i = 0; i < 10; i++) {
        assert_true(put(&post, 120000 + (size_t)i));
        get(&post, 120000 + (size_t)i);
    }
    assert_ptr_equal(post.b.p, first);
    assert_null(post.lender.loans[1].buf.p);
    close_post(&post);
}

/* A buffer that was not read is not filled: there is a third one, and then frames are copied. */
static void test_behind(void **state)
{
    (void)state;
    struct post post;
    open_post(&post, ROOM);
    assert_true(put(&post, 65536));
    assert_true(put(&post, 65537));
    assert_false(put(&post, 65538));
    get(&post, 65536);
    assert_true(put(&post, 65539));
    get(&post, 65537);
    get(&post, 65538);
    assert_true(put(&post, 65540));
    get(&post, 65539);
    get(&post, 65540);
    close_post(&post);
}

/* Not before its last byte is read; and what others write to the pipe makes it no sooner. */
static void test_last_byte(void **state)
{
    (void)state;
    struct post post;
    char rest[4];
    open_post(&post, ROOM);
    assert_true(put(&post, 100000));
    get_part(&post, 0, 99999);
    assert_true(put(&post, 100000));
    assert_non_null(post.lender.loans[1].buf.p);
    get_part(&post, 99999, 100000);
    post.got++;
    get(&post, 100000);
    close_post(&post);
    open_post(&post, ROOM);
    assert_true(put(&post, 100000));
    assert_false(put(&post, 1));
    assert_int_equal(write(post.in, "abc", 3), 3);
    get(&post, 100000);
    const char *lent = post.lender.loans[0].buf.p;
    assert_true(put(&post, 100001));
    assert_ptr_equal(post.lender.loans[0].buf.p, lent);
    get(&post, 1);
    assert_int_equal(read(post.out, rest, 3), 3);
    assert_true(put(&post, 70000));
    assert_ptr_equal(post.b.p, lent);
    get(&post, 100001);
    get(&post, 70000);
    close_post(&post);
}

/* Neither the small nor the very large: their memory would be kept. */
static void test_sizes(void **state)
{
    (void)state;
    struct post post;
    open_post(&post, ROOM);
    assert_false(put(&post, LEND_MIN - 1));
    get(&post, LEND_MIN - 1);
    assert_true(put(&post, LEND_MIN));
    get(&post, LEND_MIN);
    assert_true(buf_reserve(&post.b, LEND_MAX + 1));
    assert_false(put(&post, ROOM + 1));
    get(&post, ROOM + 1);
    assert_true(post.b.cap > LEND_MAX);
    /* Once they are as usual again, so is their memory. */
    put(&post, LEND_MIN);
    get(&post, LEND_MIN);
    assert_int_equal(post.b.cap, ROOM);
    assert_true(put(&post, LEND_MIN));
    get(&post, LEND_MIN);
    close_post(&post);
}

/* Where nothing can be lent, as to a socket here, all is written. */
static void test_refused(void **state)
{
    (void)state;
    struct post post;
    int fds[2], size = 1 << 20;
    open_post(&post, ROOM);
    close(post.in);
    close(post.out);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    post.in = fds[0];
    post.out = fds[1];
    for (size_t i = 0; i < 3; i++) {
        put(&post, LEND_MIN + i);
        assert_true(post.lender.copies);
        get(&post, LEND_MIN + i);
    }
    assert_false(put(&post, LEND_MIN));
    get(&post, LEND_MIN);
    close(post.out);
    signal(SIGPIPE, SIG_IGN);
    assert_false(tm_lender_send(&post.lender, post.in, &(struct buf){.p = (char[]){"x"}, .n = 1}));
    assert_int_equal(errno, EPIPE);
    post.out = -1;
    close_post(&post);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_turn),   cmocka_unit_test(test_behind),
        cmocka_unit_test(test_last_byte), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
