/*
 * Quotes in rows, 64 bytes at a time: what stands inside of them cuts nothing. Where quotes stand as RFC 4180 has
 * them is settled here, by bits alone; what it does not have (a quote inside a cell without quotes, text behind a
 * closing quote), and what means more than it says (doubled quotes, line ends inside), gets a mark.
 */
#ifndef TM_BASE_QUOTES_H
#define TM_BASE_QUOTES_H

#include <stdint.h>

/* What is known where a block begins. */
struct quotes {
    uint64_t inside; /* quotes are open: all ones, else 0 */
    uint64_t closed; /* 1: the byte before is a quote that closes, */
    uint64_t begins; /* or the end of a cell or a row, or such a quote */
};

/* Where a row begins. */
#define QUOTES_AT_START ((struct quotes){.begins = 1})

/* Each bit is whether there is an odd number of them up to here, itself included. */
static inline uint64_t quotes_parity(uint64_t bits)
{
    for (unsigned n = 1; n < 64; n *= 2)
        bits ^= bits << n;
    return bits;
}

/* Of bytes behind a closing quote that do not end the cell: those that are not CR with LF behind. */
static inline uint64_t quotes_not_crlf(const char *block, uint64_t bits, uint64_t feeds)
{
    uint64_t wrong = 0;
    for (; bits; bits &= bits - 1)
        if (block[__builtin_ctzll(bits)] != '\r' || !((bits & -bits) << 1 & feeds))
            wrong |= bits & -bits;
    return wrong;
}

/*
 * In `block`, `quotes` are where they are; *ends are delimiters and LF, *feeds LF: those inside quotes go. Returned
 * are the marks: up to the first one, from the row's start on, all is as it looks.
 */
static inline uint64_t quotes_settle(struct quotes *q, const char *block, uint64_t quotes,
                                     uint64_t *ends, uint64_t *feeds)
{
    if (!(quotes | q->inside | q->closed)) {
        q->begins = *ends >> 63;
        return 0;
    }
    uint64_t inside = quotes_parity(quotes) ^ q->inside; /* the opening quote included */
    uint64_t opening = quotes & inside, closing = quotes & ~inside;
    uint64_t behind = closing << 1 | q->closed;
    uint64_t lines = *feeds & inside;
    *ends &= ~inside;
    *feeds &= ~inside;
    uint64_t begins = (*ends | closing) << 1 | q->begins;
    uint64_t odd = quotes_not_crlf(block, behind & ~(*ends | opening), *feeds);
    q->inside = inside >> 63 ? UINT64_MAX : 0;
    q->closed = closing >> 63;
    q->begins = (*ends | closing) >> 63;
    return (opening & ~begins) | odd | (opening & behind) | lines;
}

#endif
