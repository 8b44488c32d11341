/*
 * The region of a worker: pieces that do not overlap, the last of which may grow, until it is used up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/large.h"
#include "base/region.h"
#include "base/sanitized.h"
#include "play.h"
#include "script/memory.h"

#define REGION ((size_t)2 << 20)

/* First of all: later tests open one. */
static void test_none(void **state)
{
    int here;
    (void)state;
    assert_null(tm_region_take(1));
    assert_false(tm_region_has(&here));
    assert_false(tm_region_has(NULL));
}

/* A fresh one; sanitizers allow none. */
static void open_one(void)
{
    tm_region_open(true);
    if (SANITIZED)
        skip();
}

static void test_pieces(void **state)
{
    (void)state;
    open_one();
    char *first = tm_region_take(100), *second = tm_region_take(1), *third = tm_region_take(64);
    assert_true((uintptr_t)first % REGION == 0);
    assert_ptr_equal(second, first + 128);
    assert_ptr_equal(third, second + 64);
    assert_true(tm_region_has(first) && tm_region_has(third + 63));
    assert_false(tm_region_has(first - 1) || tm_region_has(first + REGION));
    memset(first, 1, 100);
    memset(third, 3, 64);
    /* Only the last one grows; any may shrink. */
    assert_false(tm_region_resize(first, 100, 101));
    assert_true(tm_region_resize(first, 100, 10));
    assert_true(tm_region_resize(third, 64, 1000));
    char *fourth = tm_region_take(1);
    assert_ptr_equal(fourth, third + 1024);
    assert_true(tm_region_resize(fourth, 1, 0));
    assert_ptr_equal(tm_region_take(5), fourth);
    assert_true(tm_region_resize(first, 10, 0)); /* leaves no room */
    assert_true(tm_region_take(1) > (void *)fourth);
    for (int i = 0; i < 64; i++)
        assert_int_equal(third[i], 3);
}

static void test_end(void **state)
{
    static const size_t too_large[] = {REGION + 1, SIZE_MAX - 62, SIZE_MAX};
    (void)state;
    open_one();
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++)
        assert_null(tm_region_take(too_large[i]));
    char *all = tm_region_take(REGION - 64), *last = tm_region_take(64);
    assert_non_null(all);
    assert_ptr_equal(last, all + REGION - 64);
    memset(all, 7, REGION);
    assert_null(tm_region_take(1));
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++)
        assert_false(tm_region_resize(last, 64, too_large[i]));
    assert_true(tm_region_resize(last, 64, 0));
    assert_ptr_equal(tm_region_take(64), last);
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

/* Pages of the region that were touched. */
static size_t touched(char *region)
{
    unsigned char pages[REGION / 4096];
    size_t n = 0;
    assert_int_equal(mincore(region, REGION, pages), 0);
    for (size_t i = 0; i < sizeof pages; i++)
        n += pages[i] & 1;
    return n;
}

/* What somebody had is cleared, what nobody had is not touched; of small pages, others are not there either. */
static void test_zeroed(void **state)
{
    (void)state;
    tm_region_open(false);
    if (SANITIZED || sysconf(_SC_PAGESIZE) != 4096)
        skip();
    char *all = tm_region_take(REGION / 2);
    memset(all, 7, 3 * 4096);
    assert_int_equal(touched(all), 3);
    assert_true(tm_region_resize(all, REGION / 2, 4096));
    char *used = tm_region_take_zeroed(4096), *half = tm_region_take_zeroed(REGION / 2);
    assert_int_equal(used - all, 4096);
    assert_true(is_zero(used, 4096) && half == used + 4096);
    size_t before = touched(all);
    char *fresh = tm_region_take_zeroed(100000);
    assert_int_equal(touched(all), before);
    assert_true(is_zero(half, REGION / 2) && is_zero(fresh, 100000));
    assert_null(tm_region_take_zeroed(REGION));
}

/* The heap's: from the region, from what was given back, and from the system. */
static void test_heap_zeroed(void **state)
{
    (void)state;
    tm_region_open(false);
    for (size_t n = 1; n < 200000; n = n * 3 + 1) {
        char *held[3] = {NULL};
        for (int turn = 0; turn < 40; turn++) {
            char *p = tm_heap_zeroed(n, 1);
            assert_non_null(p);
            assert_true(is_zero(p, n));
            memset(p, 5, n);
            tm_heap_free(held[turn % 3]);
            held[turn % 3] = p;
        }
        for (int i = 0; i < 3; i++)
            tm_heap_free(held[i]);
    }
    if (!SANITIZED) /* it would end the process for that */
        assert_null(tm_heap_zeroed(SIZE_MAX / 2, 3));
}

/* Buffers of the pipes: inside as long as there is room, and moved out of it with what they hold. */
static void test_large(void **state)
{
    (void)state;
    open_one();
    size_t n = 64 << 10, more = 3 * REGION;
    unsigned char *a = tm_large_new(n), *b = tm_large_new(n);
    assert_true(tm_region_has(a) && tm_region_has(b));
    memset(a, 1, n);
    memset(b, 2, n);
    assert_ptr_equal(tm_large_grow(b, n, 2 * n), b);
    unsigned char *moved = tm_large_grow(a, n, 3 * n);
    assert_true(moved > b && tm_region_has(moved));
    moved = tm_large_grow(moved, 3 * n, more);
    assert_false(tm_region_has(moved));
    for (size_t i = 0; i < n; i++)
        assert_true(moved[i] == 1 && b[i] == 2);
    moved[more - 1] = 1;
    tm_large_free(moved, more);
    /* What the moved one had is there again. */
    unsigned char *next = tm_large_new(3 * n);
    assert_ptr_equal(next, b + 2 * n);
    tm_large_free(next, 3 * n);
    tm_large_free(b, 2 * n);
    unsigned char *rest = tm_large_new(REGION - n), *outside = tm_large_new(n);
    assert_ptr_equal(rest, b);
    assert_false(tm_region_has(outside));
    tm_large_free(outside, n);
}

/* Blocks of Lua's that are not small: in classes, each of which uses again what was given back. */
static void test_classes(void **state)
{
    static const struct {
        size_t size, again, other;
    } rows[] = {
        {257, 512, 513},    {512, 257, 1025},      {513, 1024, 512},
        {1025, 2048, 1024}, {16385, 32768, 16384}, {32768, 16385, 8192},
    };
    (void)state;
    open_one();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct memory m = {0};
        char *p = tm_memory_allocate(&m, NULL, 0, rows[i].size);
        assert_true(tm_region_has(p));
        tm_memory_allocate(&m, p, rows[i].size, 0);
        char *other = tm_memory_allocate(&m, NULL, 0, rows[i].other);
        assert_ptr_not_equal(other, p);
        assert_ptr_equal(tm_memory_allocate(&m, NULL, 0, rows[i].again), p);
        /* Within its class it stays where it is. */
        assert_ptr_equal(tm_memory_allocate(&m, p, rows[i].again, rows[i].size), p);
        assert_int_equal(m.used, rows[i].size + rows[i].other);
        char *large = tm_memory_allocate(&m, p, rows[i].size, 32769);
        assert_non_null(large);
        assert_false(tm_region_has(large));
        tm_memory_allocate(&m, large, 32769, 0);
        tm_memory_allocate(&m, other, rows[i].other, 0);
        tm_memory_release(&m);
    }
}

static void play_with_lua_memory(void)
{
    struct memory m = {0};
    play(tm_memory_allocate, &m);
    assert_int_equal(m.used, 0);
    tm_memory_release(&m);
}

static void test_lua_memory(void **state)
{
    (void)state;
    play_with_lua_memory(); /* in what the tests before have left: nothing */
    tm_region_open(true);
    play_with_lua_memory(); /* in one that is soon used up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),    cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_zeroed),  cmocka_unit_test(test_heap_zeroed),
        cmocka_unit_test(test_end),     cmocka_unit_test(test_large),
        cmocka_unit_test(test_classes), cmocka_unit_test(test_lua_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
