/*
 * Blocks of 64 bytes, and where in them given bytes stand, as bits: what flows in is a block, what
 * flows out is a word of 64 bits for each byte, or class of bytes, that is looked for. There is a way
 * for each kind of processor, and one for all; which one is best is seen at run time.
 */
#ifndef TM_BASE_BLOCK_H
#define TM_BASE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK 64

/* Bit i of bits[b]: byte i of block b, of the `blocks` at p, is `wanted`. */
typedef void block_find(const char *p, unsigned blocks, char wanted, uint64_t *bits);

/* The best way that this processor has; with TM_PORTABLE the one for all. */
block_find *tm_block_find(void);

/* All ways that this processor has, from the slowest to the best: NULL behind the last. For tests. */
block_find *tm_block_find_at(unsigned i);

/* Of the bytes of blocks, as bits, a word for each block: */
struct block_classes {
    uint64_t *special; /* '"', '\\' and control characters: what no string of JSON holds as it is */
    uint64_t *other;   /* what is no decimal digit */
    uint64_t *high;    /* what is beyond ASCII */
};

/* The classes of the `blocks` blocks at p. */
typedef void block_classify(const char *p, unsigned blocks, const struct block_classes *out);

/* As tm_block_find() and tm_block_find_at(). */
block_classify *tm_block_classify(void);
block_classify *tm_block_classify_at(unsigned i);

/* How rows are cut. */
struct cut_rule {
    char delimiter;
    char quote;  /* what is inside these cuts nothing, see quotes.h; '\n': there are none */
    char escape; /* where there are none: gets a mark; '\n': nothing does */
};

struct quotes;

/*
 * For each of the blocks at p, a word: where in it LF stands outside of quotes, and what wants a closer look. *q is
 * what is known where they begin, and then where they end.
 */
typedef void block_lines(const char *p, unsigned blocks, const struct cut_rule *rule,
                         struct quotes *q, uint64_t *feeds, uint64_t *marks);

/* As tm_block_find() and tm_block_find_at(). */
block_lines *tm_block_lines(void);
block_lines *tm_block_lines_at(unsigned i);

/*
 * Where up to BLOCK_CUTS blocks, the first of which begins a row, are cut, as offsets from that. Arrays have room for
 * BLOCK_CUT_ROOM.
 */
struct block_cuts {
    uint32_t *ends, ends_n;   /* what is `delimiter` or LF, */
    uint32_t *feeds, feeds_n; /* and what of that is LF */
    uint64_t *marks;          /* as bits, a word for each block, what wants a closer look, */
    uint64_t *quotes;         /* and quotes */
};

#define BLOCK_CUTS     64u
#define BLOCK_CUT_ROOM ((size_t)BLOCK_CUTS * BLOCK + 16)

typedef void block_cut(const char *p, unsigned blocks, const struct cut_rule *rule,
                       struct block_cuts *out);

/* As tm_block_find() and tm_block_find_at(). */
block_cut *tm_block_cut(void);
block_cut *tm_block_cut_at(unsigned i);

/* The bits below the first one that is set in `stop`. */
static inline uint64_t block_before(uint64_t bits, uint64_t stop)
{
    return stop ? bits & ((stop & -stop) - 1) : bits;
}

#endif
