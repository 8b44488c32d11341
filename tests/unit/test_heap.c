/*
 * Memory as malloc gives it: from the region where there is one, from malloc where there is none, or none left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/region.h"
#include "base/sanitized.h"
#include "play.h"

#define LARGEST ((size_t)(32 << 10) - HEAP_HEAD)

static void open_one(void)
{
    tm_region_open(true);
    if (SANITIZED)
        skip();
}

/* First of all: later tests open one. */
static void test_none(void **state)
{
    (void)state;
    assert_false(tm_region_is_open());
    char *p = tm_heap_new(100);
    assert_non_null(p);
    memset(p, 1, 100);
    p = tm_heap_grow(p, 1000);
    assert_true(p && p[99] == 1);
    free(p); /* malloc's own */
    char *zeros = tm_heap_zeroed(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    tm_heap_free(zeros);
    tm_heap_free(NULL);
    char *none[] = {tm_heap_new(0), tm_heap_zeroed(0, 8), tm_heap_zeroed(8, 0),
                    tm_heap_grow(NULL, 0)};
    for (int i = 0; i < 4; i++)
        assert_non_null(none[i]);
    none[0] = tm_heap_grow(none[0], 0); /* which realloc(3) may take for free(3) */
    assert_non_null(none[0]);
    for (int i = 0; i < 4; i++)
        tm_heap_free(none[i]);
}

/* The first blocks of an arena are no more than pieces have room for. Before others have left some. */
static void test_arena(void **state)
{
    struct arena a;
    (void)state;
    open_one();
    tm_arena_init(&a);
    for (int i = 0; i < 1000; i++)
        memset(arena_alloc(&a, 30), 1, 30);
    char *end = tm_region_take(1), *last = arena_alloc(&a, 16);
    assert_true(tm_region_has(last));
    /* 2, 4, 8, 16 and 32 KiB, one behind the other; the arena has 32000 bytes, and heads. */
    assert_int_equal((uintptr_t)end % (2 << 20), 62 << 10);
    tm_arena_release(&a);
}

/* What was given back is the next of its class, and of no other. */
static void test_classes(void **state)
{
    static const struct {
        size_t size, again, other;
    } rows[] = {
        {0, 48, 49},
        {1, 48, 49},
        {49, 112, 48},
        {2048 - HEAP_HEAD, 1100, 2049},
        {LARGEST, LARGEST / 2 + 100, LARGEST / 2 - 100},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_one();
        char *p = tm_heap_new(rows[i].size);
        assert_true(tm_region_has(p) && (uintptr_t)p % 16 == 0);
        memset(p, 0xff, rows[i].size);
        tm_heap_free(p);
        char *other = tm_heap_new(rows[i].other);
        assert_ptr_not_equal(other, p);
        char *again = tm_heap_zeroed(1, rows[i].again);
        assert_ptr_equal(again, p);
        for (size_t k = 0; k < rows[i].again; k++)
            assert_int_equal(again[k], 0);
        /* Within its class it stays where it is. */
        assert_ptr_equal(tm_heap_grow(again, rows[i].size), p);
        tm_heap_free(again);
        tm_heap_free(other);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        size_t n, size;
    } too_large[] = {{SIZE_MAX, 1}, {SIZE_MAX / 2, 3}, {1, SIZE_MAX}, {SIZE_MAX / 16 + 2, 16}};
    (void)state;
    open_one();
    /* What is large is malloc's, and what grows becomes it. */
    char *large = tm_heap_new(LARGEST + 1), *p = tm_heap_new(LARGEST);
    assert_true(tm_region_has(p) && !tm_region_has(large));
    memset(p, 5, LARGEST);
    char *grown = tm_heap_grow(p, LARGEST + 1);
    assert_false(tm_region_has(grown));
    for (size_t i = 0; i < LARGEST; i++)
        assert_int_equal(grown[i], 5);
    assert_ptr_equal(tm_heap_new(LARGEST), p);
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        errno = 0;
        assert_null(tm_heap_zeroed(too_large[i].n, too_large[i].size));
        assert_int_equal(errno, ENOMEM);
    }
    assert_null(tm_heap_new(SIZE_MAX - HEAP_HEAD + 1));
    assert_null(tm_heap_grow(p, SIZE_MAX - HEAP_HEAD / 2));
    assert_non_null(tm_heap_zeroed(SIZE_MAX, 0));
    free(large);
    free(grown);
}

/* A worker's worker has a region of its own, and what came from the one before is given back as it was. */
static void test_nested(void **state)
{
    (void)state;
    open_one();
    char *older = tm_heap_new(3000);
    memset(older, 3, 3000);
    open_one();
    char *newer = tm_heap_new(30000);
    assert_true(tm_region_has(older) && tm_region_has(newer));
    char *grown = tm_heap_grow(older, 9000);
    assert_true(tm_region_has(grown) && grown != older);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(grown[i], 3);
    assert_ptr_equal(tm_heap_new(3000), older);
    tm_heap_free(newer);
    tm_heap_free(grown);
}

static void *resize(void *data, void *p, size_t old, size_t n)
{
    (void)data;
    (void)old;
    if (n) {
        p = tm_heap_grow(p, n);
        assert_true((uintptr_t)p % 16 == 0);
        return p;
    }
    tm_heap_free(p);
    return NULL;
}

static void test_random(void **state)
{
    (void)state;
    while (tm_region_take(1))
        continue;
    play(resize, NULL); /* used up: malloc's, and what the tests before gave back */
    tm_region_open(true);
    play(resize, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),  cmocka_unit_test(test_arena),  cmocka_unit_test(test_classes),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_nested), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
