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

/* Shapes of records that stand many times in a chunk. */
static const char *const shapes[] = {
    "{\"id\":1,\"name\":\"user-01\",\"x\":-5.25,\"ok\":true,\"none\":null,\"note\":\"a, b, c, d, "
    "e\"}",
    "{\"id\": 1, \"name\": \"user-01\", \"x\": -5.25, \"ok\": true, \"note\": \"Z\xc3\xbcrich and "
    "more\"}",
    "{ \"a key of more than sixteen bytes\" : 17 ,\t\"b\" : [1, {\"c\": 2}], \"d\" : \"text\", "
    "\"e\" : false }",
    "{\"a\":true,\"b\":false,\"c\":null,\"d\":true,\"e\":false,\"f\":null,\"g\":true,\"h\":true,"
    "\"i\":1}",
    "{\"n\":1234567890123456789012345678901234567890123456789012345678901234567890.123456789,"
    "\"s\":\"a text of more than sixty-four bytes, so that it begins in one block and ends in "
    "another one, \xe6\x9d\xb1\xe4\xba\xac\",\"e\":-0.5e-7}",
    NULL, /* one of more than a window */
};

#define SHAPES     (sizeof shapes / sizeof *shapes)
#define CHUNKS     3000
#define IN_CHUNK   24
#define RECORD_MAX 8192

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
        const struct field *f = &node_fields(a->node)[i], *g = &node_fields(b->node)[i];
        assert_true(slice_eq(f->key, g->key));
        assert_ptr_equal(f->start, g->start);
        assert_slices(f->source, g->source);
        assert_int_equal(f->value.kind, g->value.kind);
        assert_slices(f->value.text, g->value.text);
    }
}

/* A text from a place of exactly its size, so that a sanitizer sees who looks behind the end: both
   readers must give the same. Returns the status. */
static int read_alike(struct json_reader *warm, struct json_reader *cold, const char *p, size_t n)
{
    struct reading a, b;
    char *exact = malloc(n);
    assert_non_null(exact);
    memcpy(exact, p, n);
    read_into(warm, (struct slice){exact, n}, &a);
    read_into(cold, (struct slice){exact, n}, &b);
    assert_same(&a, &b);
    tm_arena_release(&a.arena);
    tm_arena_release(&b.arena);
    free(exact);
    return a.status;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Less than `changes` bytes of the record put in, taken out or changed. */
static struct slice mutate(char *text, const char *record, uint32_t changes, uint64_t *state)
{
    static const char bytes[] = "\"\\{}[],:0123456789-+.eE truefalsn\t\n\x80\xc3\xbc\x01";
    size_t n = strlen(record);
    memcpy(text, record, n);
    for (uint32_t i = next_random(state) % changes; i > 0 && n > 1; i--) {
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
        struct slice text = mutate(buffer, records[next_random(&seed) % RECORDS], 4, &seed);
        struct json_reader *cold = tm_json_reader_new(0);
        assert_non_null(cold);
        read_alike(warm, cold, text.p, text.n);
        tm_json_reader_free(cold);
    }
    tm_json_reader_free(warm);
}

static const char *long_shape(char *text)
{
    size_t n = (size_t)sprintf(text, "{\"first\":1");
    for (int i = 0; i < 200; i++)
        n += (size_t)sprintf(text + n, ",\"f%d\":\"%.*s\"", i, i % 40,
                             "some text, of which there may be more");
    sprintf(text + n, "}");
    return text;
}

/* Lines of one shape, some of them broken, without what stands behind the last one. */
static struct slice make_chunk(char *text, const char *shape, uint64_t *state)
{
    size_t n = 0;
    for (uint32_t i = 1 + next_random(state) % IN_CHUNK; i > 0; i--) {
        char *line = text + n;
        n += mutate(line, shape, next_random(state) % 4 ? 1 : 4, state).n;
        for (char *p = line; p < text + n; p++)
            *p = *p == '\n' ? ' ' : *p;
        text[n++] = '\n';
    }
    return (struct slice){text, n};
}

/* The line at p: what is behind it. *quick: a glance was enough. */
static const char *check_line(struct json_reader *warm, const char *p, const char *end, bool *quick)
{
    const char *feed = memchr(p, '\n', (size_t)(end - p)), *behind;
    struct slice line = {p, (size_t)(feed - p)};
    struct reading a = {.status = TIDEMILL_OK}, b;
    struct json_reader *cold = tm_json_reader_new(0);
    assert_non_null(cold);
    read_into(cold, line, &b);
    tm_arena_init(&a.arena);
    a.node = tm_json_read_like(warm, &a.arena, p, end, &behind);
    *quick = a.node && behind == feed;
    if (!*quick) {
        tm_arena_release(&a.arena);
        read_into(warm, line, &a);
    }
    assert_same(&a, &b);
    tm_arena_release(&a.arena);
    tm_arena_release(&b.arena);
    tm_json_reader_free(cold);
    return feed + 1;
}

/* Lines of a chunk are not looked at twice: what was seen of one must not be taken for another's. */
static void in_a_chunk(void **state)
{
    (void)state;
    static char buffer[IN_CHUNK * RECORD_MAX], wide[RECORD_MAX];
    uint64_t seed = 2, lines = 0, quick = 0;
    struct json_reader *warm = tm_json_reader_new(0);
    assert_non_null(warm);
    /* At one place again and again, as a worker reads its chunks. */
    char *place = malloc(sizeof buffer);
    assert_non_null(place);
    for (int i = 0; i < CHUNKS; i++) {
        const char *shape = shapes[next_random(&seed) % SHAPES];
        struct slice text = make_chunk(buffer, shape ? shape : long_shape(wide), &seed);
        char *exact = i % 2 ? malloc(text.n) : place + sizeof buffer - text.n;
        assert_non_null(exact);
        memcpy(exact, text.p, text.n);
        text.p = exact;
        tm_json_reader_begin(warm, i % 8 < 6 ? text : (struct slice){"", 0});
        for (const char *p = text.p; p < text.p + text.n; lines++) {
            bool glance;
            p = check_line(warm, p, text.p + text.n, &glance);
            quick += glance;
        }
        if (i % 2)
            free(exact);
    }
    /* Else little of this was about chunks. */
    assert_true(quick > lines / 6);
    free(place);
    tm_json_reader_free(warm);
}

/* The text ends inside a value, at every place of a block and of a window. */
static void cut_short(void **state)
{
    (void)state;
    struct json_reader *warm = tm_json_reader_new(0), *cold = tm_json_reader_new(0);
    char text[2][4000];
    assert_true(warm && cold);
    for (int which = 0; which < 2; which++) {
        struct reading whole;
        size_t n = (size_t)sprintf(text[which], "{\"a\":1,\"b\":%s", which ? "\"" : "");
        memset(text[which] + n, which ? 'x' : '1', sizeof *text - n);
        memcpy(text[which] + sizeof *text - 2, which ? "\"}" : "1}", 2);
        read_into(warm, (struct slice){text[which], sizeof *text}, &whole);
        assert_int_equal(whole.status, TIDEMILL_OK);
        tm_arena_release(&whole.arena);
        for (n = 20; n < sizeof *text; n++) {
            int status = read_alike(warm, cold, text[which], n);
            assert_int_not_equal(status, TIDEMILL_OK);
        }
    }
    tm_json_reader_free(warm);
    tm_json_reader_free(cold);
}

/* White space is learned anew where it has changed for good. */
static void other_spaces(void **state)
{
    (void)state;
    static const char tight[] =
        "{\"a\":1,\"b\":\"two\",\"c\":3}\n{\"a\":1,\"b\":\"two\",\"c\":3}\n";
    static const char loose[] =
        "{\"a\": 1, \"b\": \"two\", \"c\": 3}\n{\"a\": 1, \"b\": \"two\", \"c\": 3}\n";
    struct json_reader *r = tm_json_reader_new(0);
    assert_non_null(r);
    for (int i = 0; i < 6; i++) {
        char text[2000];
        const char *behind, *lines = i % 2 ? loose : tight;
        size_t n = strlen(lines);
        memset(text, ' ', sizeof text);
        memcpy(text, lines, n);
        struct arena arena;
        struct node *node;
        tm_arena_init(&arena);
        tm_json_reader_begin(r, (struct slice){text, sizeof text});
        /* The spacing of the round before is not met here. */
        assert_null(tm_json_read_like(r, &arena, text, text + sizeof text, &behind));
        struct slice first = {text, n / 2 - 1};
        int status = tm_json_read(r, &arena, first, &node, NULL, NULL);
        assert_int_equal(status, TIDEMILL_OK);
        node = tm_json_read_like(r, &arena, text + n / 2, text + sizeof text, &behind);
        assert_non_null(node);
        assert_int_equal(node->count, 3);
        assert_ptr_equal(behind, text + n - 1);
        tm_arena_release(&arena);
    }
    tm_json_reader_free(r);
}

/* More white space than is remembered: the next text may end before it could stand there. */
static void wide_spaces(void **state)
{
    (void)state;
    static const char *const ends[] = {"{\"a\":1}", "{\"a\":1 ", "{\"a\":\"x\"", "{\"a\":12"};
    char wide[2000];
    struct json_reader *warm = tm_json_reader_new(0), *cold = tm_json_reader_new(0);
    assert_true(warm && cold);
    memset(wide, ' ', sizeof wide);
    memcpy(wide, "{\"a\":1,", 7);
    memcpy(wide + sizeof wide - 6, "\"b\":2}", 6);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct reading whole;
        read_into(warm, (struct slice){wide, sizeof wide}, &whole);
        assert_int_equal(whole.status, TIDEMILL_OK);
        tm_arena_release(&whole.arena);
        read_alike(warm, cold, ends[i], strlen(ends[i]));
    }
    tm_json_reader_free(warm);
    tm_json_reader_free(cold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_one_before), cmocka_unit_test(in_a_chunk),
        cmocka_unit_test(cut_short), cmocka_unit_test(other_spaces), cmocka_unit_test(wide_spaces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
