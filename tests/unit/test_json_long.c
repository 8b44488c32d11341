/*
 * Lengths beyond 32 bits: a record of more than 4 GiB, which takes 48 MiB of memory, as one file of
 * that size is mapped again and again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/json.h"

#define PIECE  ((size_t)16 << 20)
#define PIECES ((size_t)257)

/* PIECES times a file of 'x', but the first and the last piece can be written to; NULL: no room. */
static char *map_long_text(void)
{
    int fd = memfd_create("long", MFD_CLOEXEC);
    char *base = mmap(NULL, PIECE * PIECES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                      -1, 0);
    if (fd < 0 || base == MAP_FAILED || ftruncate(fd, (off_t)PIECE) != 0)
        return NULL;
    for (size_t i = 0; i < PIECES; i++) {
        bool end = i == 0 || i == PIECES - 1;
        if (mmap(base + i * PIECE, PIECE, PROT_READ | PROT_WRITE,
                 MAP_FIXED | (end ? MAP_PRIVATE : MAP_SHARED), fd, 0) == MAP_FAILED)
            return NULL;
        if (i == 1)
            memset(base + PIECE, 'x', PIECE);
    }
    close(fd);
    return base;
}

static void long_string(void **state)
{
    char *base = sizeof(size_t) > 4 ? map_long_text() : NULL;
    size_t n = PIECE * PIECES, where = 0;
    struct node *record;
    struct value v;
    struct arena arena;
    err e = {0};
    (void)state;
    if (!base) {
        skip();
        return;
    }
    memcpy(base, "{\"a\":\"", 6);
    memcpy(base + n - 2, "\"}", 2);
    struct json_reader *r = tm_json_reader_new(0);
    tm_arena_init(&arena);
    assert_int_equal(tm_json_read(r, &arena, (struct slice){base, n}, &record, &where, &e), 0);
    assert_true(record->source.n == n && node_fields(record)[0].source.n == n - 6);
    assert_int_equal(tm_node_get(record, 0, &v), TIDEMILL_OK);
    assert_true(v.kind == VALUE_TEXT && v.text.n == n - 8);
    base[n - 5] = '\x01';
    assert_int_equal(tm_json_read(r, &arena, (struct slice){base, n}, &record, &where, &e),
                     TIDEMILL_E_RECORD);
    assert_true(where == n - 5);
    tm_arena_release(&arena);
    tm_json_reader_free(r);
    munmap(base, n);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(long_string)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
