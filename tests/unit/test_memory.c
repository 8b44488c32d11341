/*
 * Lua's allocator: what is denied, how that ends, and when it may depend on what was done before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "base/heap.h"

#define HUGE_CAP   (SIZE_MAX / 4)
#define SYSTEM_HAS (HUGE_CAP / 2) /* bytes in one block */

/* The system's; asked for more than there is, sanitizers would report it. */
static void *system_malloc(size_t size)
{
    return size > SYSTEM_HAS ? NULL : malloc(size);
}

static void *system_realloc(void *p, size_t size)
{
    return size > SYSTEM_HAS ? NULL : realloc(p, size);
}

#define malloc          system_malloc
#define tm_heap_realloc system_realloc
#include "script/memory.c"
#undef malloc
#undef tm_heap_realloc

enum act { END, TAKE, DENIED, FREE }; /* a block; one that is denied; all that was taken */

static void denials(void **state)
{
    static const struct {
        const char *what;
        size_t cap, base;
        struct {
            enum act act;
            size_t size;
        } steps[6];
        bool refused, starved, doubtful;
    } rows[] = {
        {"nothing", 1000, 0, {{TAKE, 500}}, false, false, false},
        {"more than the cap", 1000, 0, {{DENIED, 2000}}, true, false, false},
        {"garbage may be in the way", 1000, 0, {{TAKE, 900}, {DENIED, 500}}, true, false, true},
        {"so it was",
         1000,
         0,
         {{TAKE, 900}, {DENIED, 500}, {FREE, 0}, {TAKE, 500}},
         false,
         false,
         false},
        {"so it was not", 1000, 0, {{TAKE, 900}, {DENIED, 500}, {DENIED, 500}}, true, false, false},
        {"nobody tried again",
         1000,
         0,
         {{TAKE, 900}, {DENIED, 500}, {TAKE, 10}},
         true,
         false,
         true},
        {"nor then",
         1000,
         0,
         {{TAKE, 900}, {DENIED, 500}, {DENIED, 400}, {FREE, 0}, {TAKE, 400}},
         true,
         false,
         true},
        {"what is there anyhow",
         1000,
         800,
         {{TAKE, 900}, {DENIED, 500}, {TAKE, 10}},
         true,
         false,
         false},
        {"the system", HUGE_CAP, 0, {{DENIED, HUGE_CAP - 100}}, false, true, true},
        {"twice",
         HUGE_CAP,
         0,
         {{DENIED, HUGE_CAP - 100}, {DENIED, HUGE_CAP - 100}},
         false,
         true,
         true},
        {"the cap, then the system",
         HUGE_CAP,
         0,
         {{TAKE, 900}, {DENIED, HUGE_CAP - 100}, {FREE, 0}, {DENIED, HUGE_CAP - 100}, {TAKE, 10}},
         false,
         true,
         true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct memory m = {.cap = rows[i].cap, .base = rows[i].base};
        void *taken[6];
        size_t sizes[6], n = 0;
        for (size_t k = 0; k <= 6; k++) {
            enum act act = k < 6 ? rows[i].steps[k].act : END;
            size_t size = act == TAKE || act == DENIED ? rows[i].steps[k].size : 0;
            if (act == DENIED)
                assert_null(tm_memory_allocate(&m, NULL, 0, size));
            if (act == TAKE) {
                sizes[n] = size;
                assert_non_null(taken[n++] = tm_memory_allocate(&m, NULL, 0, size));
            }
            bool refused = tm_memory_was_refused(&m), starved = tm_memory_was_starved(&m);
            if (k == 6 && (refused != rows[i].refused || starved != rows[i].starved ||
                           tm_memory_is_doubtful(&m) != rows[i].doubtful))
                fail_msg("%s: refused %d, starved %d, doubtful %d", rows[i].what, refused, starved,
                         tm_memory_is_doubtful(&m));
            while ((act == FREE || k == 6) && n > 0) {
                n--;
                tm_memory_allocate(&m, taken[n], sizes[n], 0);
            }
        }
        tm_memory_forgive(&m);
        assert_false(tm_memory_was_refused(&m) || tm_memory_was_starved(&m) ||
                     tm_memory_is_doubtful(&m));
        assert_int_equal(m.used, 0);
        tm_memory_release(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(denials)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
