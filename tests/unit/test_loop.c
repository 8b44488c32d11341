/*
 * The loop: what is wanted is polled and nothing else, by one descriptor that hosts can poll
 * themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/loop.h"

static struct loop l;
static int fds[2];

static int setup(void **state)
{
    (void)state;
    return tm_loop_init(&l, NULL) | pipe(fds);
}

static int teardown(void **state)
{
    (void)state;
    tm_loop_release(&l);
    return close(fds[0]) | close(fds[1]);
}

static bool readable(void)
{
    struct pollfd p = {l.epoll, POLLIN, 0};
    return poll(&p, 1, 0) == 1;
}

static void wait_now(void)
{
    assert_int_equal(tm_loop_wait(&l, 0, NULL), TIDEMILL_OK);
}

static void want(struct watch *w, uint32_t events)
{
    assert_int_equal(tm_loop_want(&l, w, events, NULL), TIDEMILL_OK);
    assert_int_equal(w->ready, w->always ? events : 0);
}

static void test_watch(void **state)
{
    (void)state;
    struct watch in = {.fd = fds[0]}, out = {.fd = fds[1]};
    want(&in, EPOLLIN);
    want(&out, 0);
    wait_now();
    assert_int_equal(in.ready | out.ready, 0);
    want(&out, EPOLLOUT);
    assert_true(readable());
    wait_now();
    assert_int_equal(in.ready, 0);
    assert_int_equal(out.ready, EPOLLOUT);
    assert_int_equal(write(fds[1], "x", 1), 1);
    want(&out, 0);
    want(&in, EPOLLIN);
    wait_now();
    assert_int_equal(in.ready, EPOLLIN);
    assert_int_equal(out.ready, 0);
    /* Nobody wants it: no events, and the loop is not readable for it. */
    want(&in, 0);
    assert_false(readable());
    wait_now();
    assert_int_equal(in.ready, 0);
    want(&in, EPOLLIN);
    tm_loop_forget(&l, &in);
    assert_int_equal(in.fd, -1);
    assert_false(readable());
}

/* epoll takes no regular files: they are always ready. */
static void test_file(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct watch w = {.fd = fileno(file)}, none = {.fd = -1};
    assert_int_equal(tm_loop_want(&l, &w, EPOLLIN, NULL), TIDEMILL_OK);
    assert_true(w.always);
    assert_int_equal(w.ready, EPOLLIN);
    want(&w, 0);
    want(&none, EPOLLIN);
    tm_loop_forget(&l, &w);
    fclose(file);
}

static void test_wake(void **state)
{
    (void)state;
    assert_false(readable());
    tm_loop_wake(&l);
    tm_loop_wake(&l);
    assert_true(readable());
    assert_int_equal(tm_loop_wait(&l, -1, NULL), TIDEMILL_OK);
    assert_false(readable());
}

static void test_timer(void **state)
{
    (void)state;
    int64_t now = clock_now();
    tm_loop_timer(&l, now + 20000000);
    assert_false(readable());
    assert_int_equal(tm_loop_wait(&l, -1, NULL), TIDEMILL_OK);
    assert_true(clock_now() >= now + 20000000);
    assert_false(readable());
    /* The same time again is armed again. */
    tm_loop_timer(&l, now + 20000000);
    assert_int_equal(tm_loop_wait(&l, -1, NULL), TIDEMILL_OK);
    tm_loop_timer(&l, clock_now() + 3600 * (int64_t)1000000000);
    tm_loop_timer(&l, 0);
    assert_false(readable());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
