/*
 * Blocks of 64 bytes, and where in them a byte stands, as bits.
 */
#ifndef TM_FORMAT_BLOCK_H
#define TM_FORMAT_BLOCK_H

#include <stdint.h>

#if defined(__SSE2__) && !defined(TM_PORTABLE)
#include <emmintrin.h>
#endif

#define BLOCK 64

/* Bit i: byte i of the block at p is `c`. */
static inline uint64_t block_find(const char *p, char c)
{
    uint64_t bits = 0;
#if defined(__SSE2__) && !defined(TM_PORTABLE)
    const __m128i wanted = _mm_set1_epi8(c);
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, wanted)) << i;
    }
#else
    for (unsigned i = 0; i < BLOCK; i++)
        bits |= (uint64_t)(p[i] == c) << i;
#endif
    return bits;
}

/* The bits below the first one that is set in `stop`. */
static inline uint64_t block_before(uint64_t bits, uint64_t stop)
{
    return stop ? bits & ((stop & -stop) - 1) : bits;
}

#endif
