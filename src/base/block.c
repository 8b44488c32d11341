/*
 * The ways to look for bytes in a block.
 */
#include "base/block.h"

#include <stddef.h>

#if defined(__x86_64__) && !defined(TM_PORTABLE)
#define VECTORS true
#include <immintrin.h>
#else
#define VECTORS false
#endif

static void scan_any(const char *p, const char *wanted, unsigned n, uint64_t *bits)
{
    for (unsigned k = 0; k < n; k++) {
        bits[k] = 0;
        for (unsigned i = 0; i < BLOCK; i++)
            bits[k] |= (uint64_t)(p[i] == wanted[k]) << i;
    }
}

#if VECTORS

static void scan_sse2(const char *p, const char *wanted, unsigned n, uint64_t *bits)
{
    const __m128i *q = (const __m128i *)(const void *)p;
    __m128i x[4];
    for (unsigned i = 0; i < 4; i++)
        x[i] = _mm_loadu_si128(q + i);
    for (unsigned k = 0; k < n; k++) {
        const __m128i c = _mm_set1_epi8(wanted[k]);
        uint64_t found = 0;
        for (unsigned i = 0; i < 4; i++)
            found |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x[i], c)) << 16 * i;
        bits[k] = found;
    }
}

__attribute__((target("avx2"))) static void scan_avx2(const char *p, const char *wanted, unsigned n,
                                                      uint64_t *bits)
{
    const __m256i *q = (const __m256i *)(const void *)p;
    __m256i low = _mm256_loadu_si256(q), high = _mm256_loadu_si256(q + 1);
    for (unsigned k = 0; k < n; k++) {
        const __m256i c = _mm256_set1_epi8(wanted[k]);
        uint64_t above = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, c));
        bits[k] = above << 32 | (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, c));
    }
}

#endif

block_scan *tm_block_scan_at(unsigned i)
{
#if VECTORS
    static block_scan *const ways[] = {scan_any, scan_sse2, scan_avx2};
    unsigned n = __builtin_cpu_supports("avx2") ? 3 : 2;
#else
    static block_scan *const ways[] = {scan_any};
    unsigned n = 1;
#endif
    return i < n ? ways[i] : NULL;
}

block_scan *tm_block_scan(void)
{
    unsigned best = 0;
    while (tm_block_scan_at(best + 1))
        best++;
    return tm_block_scan_at(best);
}
