/*
 * UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#ifndef TM_BASE_UTF8_H
#define TM_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/sse2.h"

/* The offset of the first byte that is not valid, or s.n when all is. */
size_t tm_utf8_check(struct slice s);

/* A glance at text reads so many bytes. */
#define UTF8_GLANCE 16

#ifdef TM_SSE2
/*
 * The bytes of x that `mask` has a bit for: are those that go on a character just where its first byte
 * wants them? *wanted has the bits that characters before want here, and gets those that are wanted behind
 * x. False also where the second byte has other limits than 80..BF, and for what is four bytes long.
 */
static inline bool utf8_glance(__m128i x, unsigned mask, unsigned *wanted)
{
    const __m128i e0 = _mm_set1_epi8((char)0xe0), ed = _mm_set1_epi8((char)0xed);
    const __m128i c0 = _mm_set1_epi8((char)0xc0), pair = _mm_set1_epi8((char)0xfe);
    /* As signed bytes: 80..BF are -128..-65, E0 is -32, F0 is -16. */
    unsigned high = (unsigned)_mm_movemask_epi8(x) & mask;
    unsigned goes_on = (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(x, _mm_set1_epi8(-64))) & mask;
    unsigned three = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(x, _mm_set1_epi8(-33))) & high;
    unsigned four = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(x, _mm_set1_epi8(-17))) & high;
    __m128i limits = _mm_or_si128(_mm_cmpeq_epi8(x, e0), _mm_cmpeq_epi8(x, ed));
    limits = _mm_or_si128(limits, _mm_cmpeq_epi8(_mm_and_si128(x, pair), c0));
    unsigned closer = ((unsigned)_mm_movemask_epi8(limits) & mask) | four;
    unsigned all = (high & ~goes_on) << 1 | three << 2 | *wanted;
    *wanted = all & ~mask;
    return !closer && (all & mask) == goes_on;
}

/* Are they whole characters, valid all? As utf8_glance(), where nothing is before and nothing behind them. */
static inline bool utf8_is_whole(__m128i x, unsigned mask)
{
    unsigned wanted = 0;
    return utf8_glance(x, mask, &wanted) && !wanted;
}
#endif

/* Is that valid? UTF8_GLANCE bytes at p can be read, n of them count. False: tm_utf8_check() knows. */
static inline bool utf8_short_is_valid(const char *p, size_t n)
{
#ifdef TM_SSE2
    return n <= UTF8_GLANCE &&
           utf8_is_whole(_mm_loadu_si128((const __m128i *)(const void *)p), (1u << n) - 1);
#else
    (void)p;
    (void)n;
    return false;
#endif
}

/* Encode a scalar value (<= 0x10FFFF, no surrogate) to `out` of 4 bytes; returns the length. */
size_t tm_utf8_encode(char *out, uint32_t c);
/*
 * Decode the character at s.p: its length (1..4) and value in *c; 0 when it is not valid.
 * s.n must be at least 1.
 */
size_t tm_utf8_decode(struct slice s, uint32_t *c);
/* Columns that the text takes on a terminal: wide characters 2, combining ones 0. */
size_t tm_utf8_width(struct slice s);

#endif
