/*
 * Rows of cells as JSON: what is written in one go is what the general way writes; what is left to it
 * has to be.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../diff/random_input.h"
#include "base/number.h"
#include "record/json.h"

#define ROUNDS 100000

static struct slice random_text(struct arena *arena, const struct slice *words, size_t n)
{
    struct buf b;
    tm_buf_init(&b);
    for (size_t i = below(7); i; i--)
        buf_slice(&b, words[below(n)]);
    struct slice text = tm_arena_copy(arena, buf_view(&b));
    tm_buf_release(&b);
    return text;
}

static const struct slice texts[] = {
    SLICE("0"),    SLICE("7"),    SLICE("-"),        SLICE("."),
    SLICE("e"),    SLICE("12"),   SLICE("\xc3\xa9"), SLICE("twelve bytes"),
    SLICE("abcd"), SLICE("x"),    SLICE("\""),       SLICE("\\"),
    SLICE("\n"),   SLICE("\x7f"), SLICE("\x1f"),     SLICE("ab"),
    SLICE("\0"),
};
#define TEXTS (sizeof texts / sizeof *texts)

static struct value random_value(struct arena *arena)
{
    static const enum value_kind kinds[] = {VALUE_CELL, VALUE_CELL, VALUE_CELL,
                                            VALUE_TEXT, VALUE_INT,  VALUE_FLOAT,
                                            VALUE_NULL, VALUE_TRUE, VALUE_FALSE};
    struct value v = {.kind = kinds[below(sizeof kinds / sizeof *kinds)]};
    if (v.kind == VALUE_CELL || v.kind == VALUE_TEXT)
        v.text = random_text(arena, texts, TEXTS);
    else if (v.kind == VALUE_INT)
        v.i = (int64_t)next_random() >> below(64);
    else if (v.kind == VALUE_FLOAT)
        v.d = (double)(int64_t)next_random() / 1e3;
    return v;
}

/* One of three layouts, the last with a name that needs an escape. */
static struct node *random_row(struct arena *arena, size_t layout)
{
    static const struct slice names[][4] = {
        {SLICE("a"), SLICE("name"), SLICE("a longer name than most"), SLICE("\xc3\xa9")},
        {SLICE("b"), SLICE("name"), SLICE("another name that is long"), SLICE("")},
        {SLICE("a"), SLICE("na\"e"), SLICE("c"), SLICE("d")},
    };
    struct node *n = tm_node_new(arena, NODE_OBJECT, 4);
    for (size_t i = 0, count = below(5); i < count; i++) {
        tm_node_add(n, names[layout][i], random_value(arena));
        if (below(8) == 0)
            tm_node_delete(n, n->count - 1);
    }
    return n;
}

/* A row written in both ways. */
struct trial {
    struct json_names names;
    struct arena arena;
    struct buf seen, wanted;
    size_t written; /* rows that were written in one go */
};

static void begin(struct trial *t)
{
    *t = (struct trial){0};
    tm_buf_init(&t->seen);
    tm_buf_init(&t->wanted);
}

static void end(struct trial *t)
{
    tm_json_names_release(&t->names);
    tm_buf_release(&t->seen);
    tm_buf_release(&t->wanted);
    tm_arena_release(&t->arena);
}

/* Write it behind what stands in both buffers; true: in one go, with the bytes of the general way. */
static bool try_row(struct trial *t, const struct node *n, int *status)
{
    err e;
    *status = tm_json_write_row(&t->wanted, n, 0, &e);
    bool flat = tm_json_write_flat(&t->names, &t->seen, n);
    if (flat) {
        assert_int_equal(t->seen.n, t->wanted.n);
        assert_memory_equal(t->seen.p, t->wanted.p, t->wanted.n);
        t->written++;
    }
    return flat;
}

static void as_in_general(void **state)
{
    struct trial t;
    int status;
    (void)state;
    begin(&t);
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t layout = below(10) ? below(2) : 2;
        const struct node *n = random_row(&t.arena, layout);
        buf_reset(&t.seen);
        buf_reset(&t.wanted);
        buf_slice(&t.seen, SLICE("before"));
        buf_slice(&t.wanted, SLICE("before"));
        if (!try_row(&t, n, &status)) {
            assert_int_equal(layout, 2);
            assert_int_equal(t.seen.n, 6);
        }
        assert_int_equal(status, TIDEMILL_OK);
        tm_arena_reset(&t.arena);
    }
    assert_true(t.written > ROUNDS / 2);
    end(&t);
}

/* What cells are made of: next to nothing but numbers, then words, then bytes that are hard to say. */
static const char *const alphabets[] = {"0123456789.-",
                                        "00.-1",
                                        "abc xyz,-0",
                                        "a\"\\\n\x1f\x7f",
                                        "\xc3\xa9\xe6\x9d\xb1 a",
                                        "\xf0\x9f\x98\x80\xc0\xed\xa0z"};

#define LONGEST 1500

/* Cells with `delimiter` between them, in memory of just that size, and a node of them that came from there. */
static struct node *row_with_source(struct arena *arena, char delimiter, char **memory)
{
    static const struct slice names[] = {
        SLICE("a"),
        SLICE("a name of 20 letters"),
        SLICE("c"),
        SLICE("a name that is longer than what is copied at once"),
        SLICE("a name of 28 and some letters"),
    };
    static char text[5 * (LONGEST + 1)];
    uint32_t count = (uint32_t)below(6);
    size_t from[5], size[5], n = 0;
    for (size_t i = 0; i < count; i++) {
        const char *alphabet = alphabets[below(sizeof alphabets / sizeof *alphabets)];
        from[i] = n;
        size[i] = below(8) ? below(18) : below(8) ? below(40) : below(LONGEST);
        for (size_t k = 0; k < size[i]; k++)
            text[n++] = alphabet[below(strlen(alphabet))];
        if (i + 1 < count)
            text[n++] = delimiter;
    }
    size_t line_end = below(3);
    *memory = malloc(n + line_end + !n);
    assert_non_null(*memory);
    memcpy(*memory, text, n);
    memcpy(*memory + n, &"\r\n"[2 - line_end], line_end);
    struct node *row = tm_node_new(arena, NODE_OBJECT, 5);
    row->source = (struct slice){*memory, n};
    row->line_end = (struct slice){*memory + n, line_end};
    for (size_t i = 0; i < count; i++) {
        struct field *f = tm_node_append(row);
        f->key = names[i];
        f->source = (struct slice){*memory + from[i], size[i]};
        f->value.kind = below(4) ? VALUE_CELL : VALUE_TEXT;
        f->value.text = f->source;
    }
    row->originals = count;
    return row;
}

/*
 * Cells that lie in their row are looked at sixteen bytes at a time, but for the last ones. What is written to has
 * to grow, sooner or later.
 */
static void from_a_source(void **state)
{
    struct trial t;
    int status;
    (void)state;
    begin(&t);
    for (size_t round = 0; round < 5 * ROUNDS; round++) {
        char *memory;
        const struct node *n = row_with_source(&t.arena, below(4) ? ',' : '-', &memory);
        tm_buf_release(&t.seen);
        tm_buf_init(&t.seen);
        buf_reserve(&t.seen, 1 + below(300));
        buf_reset(&t.wanted);
        bool flat = try_row(&t, n, &status);
        assert_int_equal(flat, status == TIDEMILL_OK);
        free(memory);
        tm_arena_reset(&t.arena);
    }
    assert_true(t.written > 2 * ROUNDS);
    end(&t);
}

/* What cannot be said, or is not flat, is none of its business; nothing of it is written. */
static void left_alone(void **state)
{
    struct arena arena = {0};
    struct json_names names = {0};
    struct buf out;
    const struct value values[] = {
        {.kind = VALUE_TEXT, .text = SLICE("\xff")},
        {.kind = VALUE_CELL, .text = SLICE("a\"\xc3")},
        {.kind = VALUE_FLOAT, .d = NAN},
        {.kind = VALUE_FLOAT, .d = INFINITY},
        {.kind = VALUE_NUMBER, .text = SLICE("1e999")},
        {.kind = VALUE_JSON, .text = SLICE("[1]")},
        {.kind = VALUE_NODE, .node = tm_node_new(&arena, NODE_ARRAY, 0)},
    };
    (void)state;
    tm_buf_init(&out);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct node *n = tm_node_new(&arena, NODE_OBJECT, 2);
        tm_node_add(n, SLICE("a"), (struct value){.kind = VALUE_TEXT, .text = SLICE("\xc3\xa9")});
        assert_true(tm_json_write_flat(&names, &out, n));
        buf_reset(&out);
        tm_node_add(n, SLICE("b"), values[i]);
        assert_false(tm_json_write_flat(&names, &out, n));
        assert_int_equal(out.n, 0);
    }
    assert_false(tm_json_write_flat(&names, &out, values[6].node));
    struct node *n = tm_node_new(&arena, NODE_OBJECT, 1);
    tm_node_add(n, SLICE("\xff"), (struct value){.kind = VALUE_NULL});
    assert_false(tm_json_write_flat(&names, &out, n));
    tm_json_names_release(&names);
    tm_buf_release(&out);
    tm_arena_release(&arena);
}

static void cells_are_told_apart(void **state)
{
    struct arena arena = {0};
    int64_t i;
    double d;
    (void)state;
    for (size_t round = 0; round < 5 * ROUNDS; round++) {
        /* Digits and what stands between them, mostly. */
        struct slice s = random_text(&arena, texts, below(8) ? 6 : TEXTS);
        assert_int_equal(number_is_cell(s), tm_number_cell(s, &i, &d) != NUMBER_NONE);
        tm_arena_reset(&arena);
    }
    tm_arena_release(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_in_general),
        cmocka_unit_test(from_a_source),
        cmocka_unit_test(left_alone),
        cmocka_unit_test(cells_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
