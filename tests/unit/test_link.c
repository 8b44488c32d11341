/*
 * Links: what is queued arrives in its order, whatever of it is copied or lent, and however little the pipe
 * takes at a time.
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
#include <sys/ioctl.h>
#include <unistd.h>

#include "pipeline/fdio.h"
#include "pipeline/link.h"

#define LENT_SIZE ((size_t)40000)

struct ends {
    int in, out;
};

static struct ends open_ends(int size)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, size) > 0);
    return (struct ends){fds[1], fds[0]};
}

static void close_ends(struct ends ends)
{
    close(ends.in);
    close(ends.out);
}

/* Bytes that differ from their neighbours, and in each part. */
static void fill(char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251 + seed);
}

/* Read what is there, up to `most` at a time, and compare. */
static size_t take(struct ends ends, size_t most, const char *expected, size_t left)
{
    char got[5000];
    ssize_t n = read(ends.out, got, most);
    if (n < 0 && errno == EAGAIN)
        return 0;
    assert_true(n >= 0 && (size_t)n <= left);
    assert_memory_equal(got, expected, (size_t)n);
    return (size_t)n;
}

/* Copied and lent parts in turns, large and small ones. */
static void through(int pipe_size, size_t most)
{
    static const size_t heads[] = {60, 1, 300, 60, 5000},
                        bodies[] = {LENT_SIZE, 100, LENT_SIZE - 1, 16384, 16383};
    static char lent[5][LENT_SIZE], head[5][5000];
    struct ends ends = open_ends(pipe_size);
    struct link link = {0};
    struct buf all;
    size_t at = 0;
    tm_buf_init(&all);
    for (unsigned i = 0; i < 5; i++) {
        struct buf b;
        char own[700];
        tm_buf_init(&b);
        fill(own, sizeof own, i + 100);
        fill(head[i], heads[i], i + 50);
        fill(lent[i], bodies[i], i);
        /* Two messages before the first chunk, none before the next, one before the others. */
        for (unsigned k = 0; k < (i == 0 ? 2 : i == 1 ? 0 : 1); k++) {
            buf_append(&b, own, sizeof own);
            buf_append(&all, own, sizeof own);
            assert_int_equal(tm_link_put(&link, &b, NULL), TIDEMILL_OK);
        }
        struct slice parts[] = {{head[i], heads[i]}, {lent[i], bodies[i]}};
        assert_int_equal(tm_link_lend(&link, parts[0], parts[1], NULL), TIDEMILL_OK);
        buf_slice(&all, parts[0]);
        buf_slice(&all, parts[1]);
    }
    assert_true(tm_link_holds(&link, (struct slice){lent[4], bodies[4]}));
    while (at < all.n) {
        assert_int_equal(tm_link_flush(&link, ends.in), 0);
        at += take(ends, most, all.p + at, all.n - at);
    }
    assert_false(link_waiting(&link));
    assert_false(tm_link_holds(&link, (struct slice){lent[4], bodies[4]}));
    tm_link_release(&link);
    tm_buf_release(&all);
    close_ends(ends);
}

static void test_order(void **state)
{
    (void)state;
    for (int size = 4096; size <= 1 << 18; size *= 4)
        for (size_t most = 37; most <= 5000; most += 1241)
            through(size, most);
}

/* The head of a large chunk does not go before it: who waits for both would wake twice. */
static void test_whole(void **state)
{
    static char body[LENT_SIZE];
    struct ends ends = open_ends(1 << 16);
    struct link link = {0};
    char head[60] = "head";
    int there = 0;
    (void)state;
    body[0] = 'b'; /* a page that nobody has written to is another one once somebody does */
    assert_int_equal(tm_link_lend(&link, (struct slice){head, sizeof head},
                                  (struct slice){body, sizeof body}, NULL),
                     TIDEMILL_OK);
    assert_int_equal(tm_link_flush(&link, ends.in), 0);
    assert_int_equal(ioctl(ends.out, FIONREAD, &there), 0);
    assert_int_equal(there, sizeof head + sizeof body);
    /* Lent, not copied: what is written there is read. */
    head[0] = 'H';
    body[0] = 'B';
    char got[61];
    assert_int_equal(read(ends.out, got, sizeof got), sizeof got);
    assert_true(got[0] == 'H' && got[60] == 'B');
    tm_link_release(&link);
    close_ends(ends);
}

static void test_broken(void **state)
{
    struct sigpipe_guard guard;
    struct ends ends = open_ends(4096);
    struct link link = {0};
    char head[60] = {0};
    (void)state;
    assert_int_equal(tm_link_lend(&link, (struct slice){head, sizeof head},
                                  (struct slice){head, sizeof head}, NULL),
                     TIDEMILL_OK);
    close(ends.out);
    tm_sigpipe_enter(&guard);
    assert_int_equal(tm_link_flush(&link, ends.in), -1);
    assert_int_equal(errno, EPIPE);
    tm_sigpipe_leave(&guard);
    tm_link_release(&link);
    close(ends.in);
}

/*
 * The signal of a write of ours is taken; one of the host's, which waits because he has blocked it, is not, and
 * what was blocked is what is blocked again.
 */
static void test_signal(void **state)
{
    static const struct {
        bool blocked, waits, ours;
    } rows[] = {{false, false, false}, {false, false, true}, {true, false, false},
                {true, false, true},   {true, true, false},  {true, true, true}};
    sigset_t pipe, before, now;
    (void)state;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sigpipe_guard guard;
        assert_int_equal(pthread_sigmask(SIG_BLOCK, &pipe, &before), 0);
        if (!rows[i].blocked)
            assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
        if (rows[i].waits)
            raise(SIGPIPE);
        tm_sigpipe_enter(&guard);
        if (rows[i].ours)
            raise(SIGPIPE);
        tm_sigpipe_leave(&guard);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        assert_int_equal(sigismember(&now, SIGPIPE), rows[i].blocked);
        assert_int_equal(sigpending(&now), 0);
        if (sigismember(&now, SIGPIPE) != rows[i].waits)
            fail_msg("row %zu", i);
        if (rows[i].waits)
            assert_int_equal(sigtimedwait(&pipe, NULL, &(struct timespec){0, 0}), SIGPIPE);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
