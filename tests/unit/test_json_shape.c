/*
 * Records that look like the one before are read in a quicker way: whatever the bytes, it must give
 * what a reader gives that has seen nothing before. Records are mutated at random, from a fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "record/json.h"

static const char *const records[] = {
    "{\"id\":1,\"name\":\"user-01\",\"x\":-5.25,\"ok\":true,\"none\":null,\"note\":\"a, b\"}",
    "{\"id\":1234567890123,\"name\":\"\",\"x\":0.5e3,\"ok\":false,\"none\":null,\"note\":"
    "\"Z\xc3\xbcrich\"}",
    "{\"id\":0,\"name\":\"a longer name than sixteen bytes\",\"x\":12345678.12345678,\"ok\":true,"
    "\"none\":[1,{}],\"note\":\"\\n\"}  ",
    "{\"id\":12345678,\"name\":\"x\", \"x\":-0,\"ok\":true,\"note\":\"\",\"none\":1}",
    "{\"a key of more than sixteen bytes\":1,\"id\":2,\"name\":\"\",\"x\":9}",
};

#define RECORDS (sizeof records / sizeof *records)
#define ROUNDS  60000

struct reading {
    int status;
    size_t where;
    err why;
    struct node *node;
    struct arena arena;
};

static void read_into(struct json_reader *r, struct slice text, struct reading *out)
{
    tm_arena_init(&out->arena);
    out->where = 0;
    err_clear(&out->why);
    out->status = tm_json_read(r, &out->arena, text, &out->node, &out->where, &out->why);
}

static void assert_slices(struct slice a, struct slice b)
{
    assert_ptr_equal(a.p, b.p);
    assert_int_equal(a.n, b.n);
}

static void assert_same(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->status, b->status);
    if (a->status != TIDEMILL_OK) {
        assert_string_equal(a->why.message, b->why.message);
        assert_int_equal(a->where, b->where);
        return;
    }
    assert_int_equal(a->node->count, b->node->count);
    assert_int_equal(a->node->live, b->node->live);
    assert_slices(a->node->source, b->node->source);
    for (uint32_t i = 0; i < a->node->count; i++) {
        const struct field *f = &a->node->fields[i], *g = &b->node->fields[i];
        assert_true(slice_eq(f->key, g->key));
        assert_ptr_equal(f->start, g->start);
        assert_slices(f->source, g->source);
        assert_int_equal(f->value.kind, g->value.kind);
        assert_slices(f->value.text, g->value.text);
    }
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Some bytes of the record put in, taken out or changed. */
static struct slice mutate(char *text, const char *record, uint64_t *state)
{
    static const char bytes[] = "\"\\{}[],:0123456789-+.eE truefalsn\t\n\x80\xc3\xbc\x01";
    size_t n = strlen(record);
    memcpy(text, record, n);
    for (uint32_t i = next_random(state) % 4; i > 0 && n > 1; i--) {
        size_t at = next_random(state) % n;
        switch (next_random(state) % 3) {
        case 0:
            text[at] = bytes[next_random(state) % (sizeof bytes - 1)];
            break;
        case 1:
            memmove(text + at, text + at + 1, --n - at);
            break;
        default:
            memmove(text + at + 1, text + at, n - at);
            text[at] = bytes[next_random(state) % (sizeof bytes - 1)];
            n++;
        }
    }
    return (struct slice){text, n};
}

static void like_the_one_before(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct json_reader *warm = tm_json_reader_new(0);
    assert_non_null(warm);
    for (int i = 0; i < ROUNDS; i++) {
        char buffer[256];
        struct slice text = mutate(buffer, records[next_random(&seed) % RECORDS], &seed);
        /* Of exactly this size, so that a sanitizer sees who looks behind the end. */
        char *exact = malloc(text.n);
        assert_non_null(exact);
        memcpy(exact, text.p, text.n);
        text.p = exact;
        struct json_reader *cold = tm_json_reader_new(0);
        assert_non_null(cold);
        struct reading a, b;
        read_into(warm, text, &a);
        read_into(cold, text, &b);
        assert_same(&a, &b);
        tm_arena_release(&a.arena);
        tm_arena_release(&b.arena);
        tm_json_reader_free(cold);
        free(exact);
    }
    tm_json_reader_free(warm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_the_one_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
