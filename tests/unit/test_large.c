/*
 * Large pieces of memory: what they hold stays as they grow, and who is forked while they are hidden
 * does not have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/large.h"
#include "base/region.h"
#include "base/sanitized.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Of the heap, mapped by themselves, parts of a huge page, all of one, and more than that. */
static const size_t sizes[] = {
    1,         4096,          64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 1,
    128 * KIB, 128 * KIB + 1, MIB,          2 * MIB,  2 * MIB + 1,  3000001};

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

static bool inside(const char *p, const char *huge)
{
    return (size_t)(p - huge) < 2 * MIB;
}

/* Parts of a page lie beside each other, grow where there is room, and leave room for others. */
static void test_parts(void **state)
{
    (void)state;
    if (SANITIZED)
        return;
    char *a = tm_large_new(MIB), *b = tm_large_new(100 * KIB), *c = tm_large_new(800 * KIB);
    assert_int_equal((uintptr_t)a % (2 * MIB), 0);
    assert_ptr_equal(b, a + MIB);
    assert_ptr_equal(c, a + MIB + 128 * KIB);
    fill((void *)b, 100 * KIB);
    /* Up to its neighbour, and from there on elsewhere. */
    assert_ptr_equal(tm_large_grow(b, 100 * KIB, 128 * KIB), b);
    char *moved = tm_large_grow(b, 128 * KIB, 128 * KIB + 1);
    assert_false(inside(moved, a));
    check((void *)moved, 100 * KIB);
    /* The last part, to the end of the page and no further. */
    assert_ptr_equal(tm_large_grow(c, 800 * KIB, 896 * KIB), c);
    char *more = tm_large_grow(c, 896 * KIB, 896 * KIB + 1);
    assert_false(inside(more, a));
    /* What was left is there for others. */
    char *d = tm_large_new(MIB), *e = tm_large_new(64 * KIB);
    assert_ptr_equal(d, a + MIB);
    assert_false(inside(e, a));
    tm_large_free(a, MIB);
    assert_ptr_equal(tm_large_new(MIB), a);
    tm_large_free(a, MIB);
    tm_large_free(d, MIB);
    tm_large_free(e, 64 * KIB);
    tm_large_free(more, 896 * KIB + 1);
    tm_large_free(moved, 128 * KIB + 1);
    /* Nothing is left of the page: a small piece does not find one. */
    char *f = tm_large_new(64 * KIB);
    assert_int_not_equal((uintptr_t)f % (64 * KIB), 0);
    tm_large_free(f, 64 * KIB);
}

static bool is_mapped(const char *p)
{
    unsigned char page;
    uintptr_t address = (uintptr_t)p & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
    return mincore((void *)address, 1, &page) == 0;
}

/* What is given back first, if it is not too large, is there for the next that it is large enough for, but for a child
   that has nothing of it. */
static void test_spare(void **state)
{
    (void)state;
    if (SANITIZED)
        return;
    /* The first takes what the tests before have left. */
    char *first = tm_large_new(64 * KIB), *a = tm_large_new(100 * KIB),
         *b = tm_large_new(127 * KIB);
    fill((void *)a, 100 * KIB);
    tm_large_free(a, 100 * KIB);
    assert_true(is_mapped(a));
    tm_large_free(b, 127 * KIB);
    assert_false(is_mapped(b));
    b = tm_large_new(100 * KIB + 8192);
    assert_ptr_not_equal(b, a);
    char *again = tm_large_new(70 * KIB);
    assert_ptr_equal(again, a);
    tm_large_hide();
    tm_large_free(again, 70 * KIB);
    pid_t pid = fork();
    if (pid == 0) {
        tm_large_forget();
        char *mine = is_mapped(a) ? NULL : tm_large_new(100 * KIB);
        if (mine)
            fill((void *)mine, 100 * KIB);
        _exit(!mine);
    }
    tm_large_show();
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_ptr_equal(tm_large_grow(NULL, 0, 100 * KIB), a);
    check((void *)a, 70 * KIB);
    /* It is moved to where it fits as a whole. */
    char *more = tm_large_grow(a, 70 * KIB, MIB);
    check((void *)more, 70 * KIB);
    tm_large_free(more, MIB);
    tm_large_free(b, 100 * KIB + 8192);
    tm_large_free(first, 64 * KIB);
}

static void *take_and_give(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        tm_large_free(tm_large_new(100 * KIB), 100 * KIB);
    return NULL;
}

/* A child that the host forks while another thread is here: it can exit. */
static void test_exits(void **state)
{
    atomic_bool stop = false;
    pthread_t thread;
    (void)state;
    if (SANITIZED)
        return;
    assert_int_equal(pthread_create(&thread, NULL, take_and_give, &stop), 0);
    for (int i = 0; i < 200; i++) {
        int status;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(10);
            exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/* More huge pages than are kept in mind: what is beyond is mapped by itself, and is as good. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 70 };
    unsigned char *p[N];
    for (size_t i = 0; i < N; i++) {
        assert_non_null(p[i] = tm_large_new(2 * MIB));
        p[i][0] = p[i][2 * MIB - 1] = (unsigned char)i;
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(p[i][0], i);
        assert_int_equal(p[i][2 * MIB - 1], i);
        tm_large_free(p[i], 2 * MIB);
    }
}

/* Is there such a thing here, and are pieces mapped? */
static bool has_huge(void)
{
    return !SANITIZED && access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;
}

/* May huge pages back all `n` bytes, and are they one mapping, which mremap(2) can move? By smaps (proc(5)). */
static bool is_huge(const void *p, size_t n)
{
    char line[4096];
    uintptr_t from, to, at = (uintptr_t)p;
    bool here = false, huge = false;
    FILE *f = fopen("/proc/self/smaps", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            here = from <= at && at < to && n <= to - at;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            huge = strstr(line, " hg") != NULL;
    }
    fclose(f);
    return huge;
}

/* What is larger than a huge page is made of those, however it grows, and what is smaller is not. */
static void test_huge(void **state)
{
    (void)state;
    char *p = tm_large_new(5 * MIB + 123), *small = tm_large_new(64 * KIB);
    assert_true(!has_huge() || is_huge(p, 5 * MIB + 123));
    assert_true(!has_huge() || !is_huge(small, 64 * KIB));
    p = tm_large_grow(p, 5 * MIB + 123, 50 * MIB + 1);
    assert_true(!has_huge() || is_huge(p, 50 * MIB + 1));
    tm_large_free(p, 50 * MIB + 1);
    /* Now there may be room behind this one: it need not be aligned. */
    for (size_t n = 64 * KIB, more; n < 40 * MIB; n = more) {
        more = n + n / 2 + 4097;
        fill((void *)small, n);
        small = tm_large_grow(small, n, more);
        assert_non_null(small);
        check((void *)small, n);
        if (has_huge() && more >= 2 * MIB)
            assert_true(is_huge(small, more));
        if (more >= 40 * MIB)
            tm_large_free(small, more);
    }
}

/* In a worker also what malloc gave; in any other process its heap is left alone. */
static void test_heap_of_worker(void **state)
{
    int status = 0;
    (void)state;
    char *p = tm_heap_new(70 * MIB + 5);
    assert_false(is_huge(p, 70 * MIB + 5));
    tm_heap_free(p);
    pid_t pid = fork();
    if (pid == 0) {
        tm_region_open(true);
        p = tm_heap_new(70 * MIB + 5);
        bool good = p && (!has_huge() || is_huge(p, 70 * MIB + 5));
        p = tm_heap_grow(p, 90 * MIB);
        good = good && p && (!has_huge() || is_huge(p, 90 * MIB));
        tm_heap_free(p);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
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
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_spare),
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_heap_of_worker),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_buf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
