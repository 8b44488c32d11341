/*
 * The ways to look at the bytes of a block.
 */
#include "base/block.h"

#include <stddef.h>

#if defined(__x86_64__) && !defined(TM_PORTABLE)
#define VECTORS true
#include <immintrin.h>
/* glibc knows the processor; gcc's own way asks it anew in each process, which a virtual machine has to answer. */
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS_AVX2 CPU_FEATURE_ACTIVE(AVX2)
#else
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#endif
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

static void find_any(const char *p, unsigned blocks, char wanted, uint64_t *bits)
{
    for (unsigned b = 0; b < blocks; b++, p += BLOCK)
        scan_any(p, &wanted, 1, bits + b);
}

enum { SPECIAL = 1, OTHER = 2, HIGH = 4 };

static unsigned class_of(unsigned char c)
{
    unsigned of = c < 0x20 || c == '"' || c == '\\' ? SPECIAL : 0;
    return of | ((unsigned char)(c - '0') < 10 ? 0 : OTHER) | (c < 0x80 ? 0 : HIGH);
}

static void classify_any(const char *p, unsigned blocks, const struct block_classes *out)
{
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t special = 0, other = 0, high = 0;
        for (unsigned i = 0; i < BLOCK; i++) {
            uint64_t of = class_of((unsigned char)p[i]);
            special |= (of & SPECIAL) << i;
            other |= (of / OTHER & 1) << i;
            high |= of / HIGH << i;
        }
        out->special[b] = special;
        out->other[b] = other;
        out->high[b] = high;
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

static void find_sse2(const char *p, unsigned blocks, char wanted, uint64_t *bits)
{
    for (unsigned b = 0; b < blocks; b++, p += BLOCK)
        scan_sse2(p, &wanted, 1, bits + b);
}

static void classify_sse2(const char *p, unsigned blocks, const struct block_classes *out)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f), zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9);
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t specials = 0, digits = 0, high = 0;
        for (unsigned i = 0; i < BLOCK; i += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
            __m128i y = _mm_sub_epi8(x, zero);
            __m128i special = _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash));
            special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(x, control), x));
            __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(y, nine), y);
            specials |= (uint64_t)(unsigned)_mm_movemask_epi8(special) << i;
            digits |= (uint64_t)(unsigned)_mm_movemask_epi8(digit) << i;
            high |= (uint64_t)(unsigned)_mm_movemask_epi8(x) << i;
        }
        out->special[b] = specials;
        out->other[b] = ~digits;
        out->high[b] = high;
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

__attribute__((target("avx2"))) static void find_avx2(const char *p, unsigned blocks, char wanted,
                                                      uint64_t *bits)
{
    const __m256i c = _mm256_set1_epi8(wanted);
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        const __m256i *q = (const __m256i *)(const void *)p;
        __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256(q), c);
        __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256(q + 1), c);
        uint64_t above = (unsigned)_mm256_movemask_epi8(high);
        bits[b] = above << 32 | (unsigned)_mm256_movemask_epi8(low);
    }
}

__attribute__((target("avx2"))) static void classify_avx2(const char *p, unsigned blocks,
                                                          const struct block_classes *out)
{
    const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
    const __m256i control = _mm256_set1_epi8(0x1f), zero = _mm256_set1_epi8('0');
    const __m256i nine = _mm256_set1_epi8(9);
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t specials = 0, digits = 0, high = 0;
        for (unsigned i = 0; i < BLOCK; i += 32) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
            __m256i y = _mm256_sub_epi8(x, zero);
            __m256i special = _mm256_or_si256(_mm256_cmpeq_epi8(x, quote),
                                              _mm256_cmpeq_epi8(x, backslash));
            special = _mm256_or_si256(special, _mm256_cmpeq_epi8(_mm256_min_epu8(x, control), x));
            __m256i digit = _mm256_cmpeq_epi8(_mm256_min_epu8(y, nine), y);
            specials |= (uint64_t)(unsigned)_mm256_movemask_epi8(special) << i;
            digits |= (uint64_t)(unsigned)_mm256_movemask_epi8(digit) << i;
            high |= (uint64_t)(unsigned)_mm256_movemask_epi8(x) << i;
        }
        out->special[b] = specials;
        out->other[b] = ~digits;
        out->high[b] = high;
    }
}

#endif

/* Of one kind of processor, the three things it can do. */
struct way {
    block_scan *scan;
    block_find *find;
    block_classify *classify;
};

static struct way way_at(unsigned i)
{
#if VECTORS
    static const struct way ways[] = {
        {scan_any, find_any, classify_any},
        {scan_sse2, find_sse2, classify_sse2},
        {scan_avx2, find_avx2, classify_avx2},
    };
    unsigned n = HAS_AVX2 ? 3 : 2;
#else
    static const struct way ways[] = {{scan_any, find_any, classify_any}};
    unsigned n = 1;
#endif
    return i < n ? ways[i] : (struct way){NULL, NULL, NULL};
}

static struct way best_way(void)
{
    struct way best = way_at(0);
    for (unsigned i = 1; way_at(i).scan; i++)
        best = way_at(i);
    return best;
}

block_scan *tm_block_scan_at(unsigned i)
{
    return way_at(i).scan;
}

block_find *tm_block_find_at(unsigned i)
{
    return way_at(i).find;
}

block_classify *tm_block_classify_at(unsigned i)
{
    return way_at(i).classify;
}

block_scan *tm_block_scan(void)
{
    return best_way().scan;
}

block_find *tm_block_find(void)
{
    return best_way().find;
}

block_classify *tm_block_classify(void)
{
    return best_way().classify;
}
