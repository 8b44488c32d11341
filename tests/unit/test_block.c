/*
 * Looking for bytes in a block: all ways that this processor has say the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/block.h"
#include "base/quotes.h"

static uint64_t expected(const char *p, char wanted)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        if (p[i] == wanted)
            bits |= (uint64_t)1 << i;
    return bits;
}

static void check_find(block_find *find, const char *p, unsigned blocks)
{
    uint64_t bits[5] = {7, 7, 7, 7, 7};
    find(p, blocks, ',', bits);
    for (unsigned b = 0; b < blocks; b++)
        assert_true(bits[b] == expected(p + (size_t)b * BLOCK, ','));
    assert_true(bits[blocks] == 7);
}

static void test_find(void **state)
{
    (void)state;
    char bytes[4 * BLOCK + 32];
    for (int round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = round % 2 ? ",x"[rand() % 2] : (char)rand();
        for (unsigned way = 0; tm_block_find_at(way); way++)
            check_find(tm_block_find_at(way), bytes + round % 32, (unsigned)round % 5);
    }
}

static void check_classes(block_classify *classify, const char *p, unsigned blocks)
{
    uint64_t special[5] = {7, 7, 7, 7, 7}, other[5] = {7, 7, 7, 7, 7}, high[5] = {7, 7, 7, 7, 7};
    classify(p, blocks, &(struct block_classes){special, other, high});
    for (unsigned i = 0; i < blocks * BLOCK; i++) {
        unsigned char c = (unsigned char)p[i];
        uint64_t bit = (uint64_t)1 << i % BLOCK;
        assert_true(!(special[i / BLOCK] & bit) == !(c == '"' || c == '\\' || c < 0x20));
        assert_true(!(other[i / BLOCK] & bit) == (c >= '0' && c <= '9'));
        assert_true(!(high[i / BLOCK] & bit) == (c < 0x80));
    }
    assert_true(special[blocks] == 7 && other[blocks] == 7 && high[blocks] == 7);
}

static void test_classes(void **state)
{
    (void)state;
    char bytes[4 * BLOCK + 32];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (unsigned way = 0; tm_block_classify_at(way); way++)
        for (unsigned blocks = 0; blocks <= 4; blocks++)
            for (unsigned shift = 0; shift < 32; shift++)
                check_classes(tm_block_classify_at(way), bytes + shift, blocks);
}

/* What one way says of the blocks. */
struct cuts {
    struct block_cuts out;
    uint32_t ends[BLOCK_CUT_ROOM], feeds[BLOCK_CUT_ROOM];
    uint64_t marks[BLOCK_CUTS], quotes[BLOCK_CUTS];
};

static void cut(struct cuts *c, block_cut *way, const char *p, unsigned blocks,
                const struct cut_rule *rule)
{
    c->out = (struct block_cuts){
        .ends = c->ends, .feeds = c->feeds, .marks = c->marks, .quotes = c->quotes};
    way(p, blocks, rule, &c->out);
}

/* Byte for byte, where there are no quotes. */
static void check_plain(const struct cuts *c, const char *p, unsigned blocks, char escape)
{
    uint32_t ends_n = 0, feeds_n = 0;
    for (unsigned i = 0; i < blocks * BLOCK; i++) {
        if (p[i] == ',' || p[i] == '\n')
            assert_true(ends_n < c->out.ends_n && c->ends[ends_n++] == i);
        if (p[i] == '\n')
            assert_true(feeds_n < c->out.feeds_n && c->feeds[feeds_n++] == i);
        assert_true((c->marks[i / BLOCK] >> i % BLOCK & 1) == (escape != '\n' && p[i] == escape));
        assert_true(!c->quotes[i / BLOCK]);
    }
    assert_int_equal(ends_n, c->out.ends_n);
    assert_int_equal(feeds_n, c->out.feeds_n);
}

/* The lines of one way are the feeds and marks of its cuts, be they asked for at once or in two parts. */
static void check_lines(const struct cuts *c, block_lines *way, const char *p, unsigned blocks,
                        const struct cut_rule *rule)
{
    uint64_t feeds[BLOCK_CUTS], marks[BLOCK_CUTS];
    struct quotes q = QUOTES_AT_START;
    unsigned half = blocks / 2;
    uint32_t n = 0;
    way(p, half, rule, &q, feeds, marks);
    way(p + (size_t)half * BLOCK, blocks - half, rule, &q, feeds + half, marks + half);
    assert_memory_equal(marks, c->marks, blocks * sizeof *marks);
    for (unsigned b = 0; b < blocks; b++)
        for (; feeds[b]; feeds[b] &= feeds[b] - 1)
            assert_true(n < c->out.feeds_n &&
                        c->feeds[n++] == b * BLOCK + (unsigned)__builtin_ctzll(feeds[b]));
    assert_int_equal(n, c->out.feeds_n);
}

static void check_same(const struct cuts *a, const struct cuts *b, unsigned blocks)
{
    assert_int_equal(a->out.ends_n, b->out.ends_n);
    assert_int_equal(a->out.feeds_n, b->out.feeds_n);
    assert_memory_equal(a->ends, b->ends, a->out.ends_n * sizeof *a->ends);
    assert_memory_equal(a->feeds, b->feeds, a->out.feeds_n * sizeof *a->feeds);
    assert_memory_equal(a->marks, b->marks, blocks * sizeof *a->marks);
    assert_memory_equal(a->quotes, b->quotes, blocks * sizeof *a->quotes);
}

/* From no cut to nothing else, in few blocks and in as many as there may be. What quotes mean: test_csv. */
static void test_cuts(void **state)
{
    (void)state;
    static char bytes[BLOCK_CUTS * BLOCK + 32];
    static struct cuts first, other;
    for (int round = 0; round < 1200; round++) {
        int others = round % 100;
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = ",\n,\"\\\r"[rand() % 6];
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = rand() % 100 < others ? 'x' : bytes[i];
        unsigned blocks = round % 3 ? (unsigned)round % 5 : BLOCK_CUTS;
        const struct cut_rule rules[] = {{',', '\n', '\\'}, {',', '\n', '\n'}, {',', '"', '\n'}};
        const struct cut_rule *rule = &rules[round % 7 % 3];
        const char *p = bytes + round % 32;
        cut(&first, tm_block_cut_at(0), p, blocks, rule);
        if (rule->quote == '\n')
            check_plain(&first, p, blocks, rule->escape);
        for (unsigned way = 0; tm_block_lines_at(way); way++)
            check_lines(&first, tm_block_lines_at(way), p, blocks, rule);
        for (unsigned way = 1; tm_block_cut_at(way); way++) {
            cut(&other, tm_block_cut_at(way), p, blocks, rule);
            check_same(&first, &other, blocks);
        }
    }
}

static void test_choice(void **state)
{
    (void)state;
    unsigned n = 0;
    while (tm_block_find_at(n))
        n++;
    assert_true(n >= 1);
    assert_true(tm_block_find() == tm_block_find_at(n - 1));
    assert_true(!tm_block_find_at(n));
    assert_true(tm_block_cut() == tm_block_cut_at(n - 1));
    assert_true(!tm_block_cut_at(n));
    assert_true(tm_block_lines() == tm_block_lines_at(n - 1));
    assert_true(!tm_block_lines_at(n));
    assert_true(tm_block_classify() == tm_block_classify_at(n - 1));
    assert_true(!tm_block_classify_at(n));
}

static void test_before(void **state)
{
    (void)state;
    assert_true(block_before(0xff, 0) == 0xff);
    assert_true(block_before(0xff, 0x10) == 0x0f);
    assert_true(block_before(0xff, 0x90) == 0x0f);
    assert_true(block_before(0xff, 1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_before),  cmocka_unit_test(test_find),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
