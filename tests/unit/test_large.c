/*
 * Large pieces of memory: what they hold stays as they grow, and who is forked while they are hidden
 * does not have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/large.h"
#include "base/sanitized.h"

static const size_t sizes[] = {1, 4096, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20, 3000001};

static void fill(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 7 + i / 251);
}

static void check(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i], (unsigned char)(i * 7 + i / 251));
}

static void test_growth(void **state)
{
    (void)state;
    for (size_t from = 0; from < sizeof sizes / sizeof *sizes; from++) {
        void *p = tm_large_grow(NULL, 0, sizes[from]);
        size_t n = sizes[from];
        assert_non_null(p);
        fill(p, n);
        for (size_t to = from + 1; to < sizeof sizes / sizeof *sizes; to++) {
            void *other = tm_large_new(sizes[to]);
            p = tm_large_grow(p, n, sizes[to]);
            assert_non_null(p);
            check(p, n);
            n = sizes[to];
            fill(p, n);
            tm_large_free(other, sizes[to]);
        }
        check(p, n);
        tm_large_free(p, n);
    }
    /* A sanitizer would report that somebody asks for so much. */
    if (!SANITIZED) {
        assert_null(tm_large_new(SIZE_MAX));
        assert_null(tm_large_new(SIZE_MAX / 2));
    }
}

/* The status of a child that looks at p. */
static int child_status(const volatile char *p, bool forget)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (forget)
            tm_large_forget();
        signal(SIGSEGV, SIG_DFL);
        _exit(p ? *p : 7);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_children(void **state)
{
    (void)state;
    char *first = tm_large_new(1 << 20), *second = tm_large_new(100000), *small = tm_large_new(100);
    *first = *second = *small = 5;
    assert_int_equal(WEXITSTATUS(child_status(first, false)), 5);
    tm_large_hide();
    if (!SANITIZED) {
        assert_true(WIFSIGNALED(child_status(first, true)));
        assert_true(WIFSIGNALED(child_status(second, true)));
    }
    assert_int_equal(WEXITSTATUS(child_status(small, true)), 5);
    assert_int_equal(WEXITSTATUS(child_status(NULL, true)), 7);
    tm_large_show();
    assert_int_equal(WEXITSTATUS(child_status(first, false)), 5);
    assert_int_equal(WEXITSTATUS(child_status(second, false)), 5);
    tm_large_free(first, 1 << 20);
    tm_large_hide();
    tm_large_show();
    tm_large_free(second, 100000);
    tm_large_free(small, 100);
}

/* A buffer of that kind, used again after it was released. */
static void test_buf(void **state)
{
    (void)state;
    struct buf b;
    tm_buf_init_large(&b);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 100000; i++)
            tm_buf_u32(&b, i);
        assert_false(b.failed);
        struct cursor c = {b.p, b.n, false};
        for (uint32_t i = 0; i < 100000; i++)
            assert_int_equal(tm_cursor_u32(&c), i);
        tm_buf_release(&b);
        assert_true(b.large);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_buf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
