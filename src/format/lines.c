/*
 * Line ends and quotes of 64 bytes at a time, as bits.
 */
#include "format/lines.h"

#if defined(__SSE2__) && !defined(TM_PORTABLE)
#include <emmintrin.h>
#endif

#define BLOCK 64

/* Bit i: byte i of the block at p is `c`. */
static inline uint64_t find(const char *p, char c)
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

/* May the line at p be one to skip? */
static inline bool is_odd(const struct line_rule *rule, const char *p)
{
    return rule->skips && ((unsigned char)*p <= ' ' || *p == rule->comment);
}

uint32_t tm_line_run(const struct line_rule *rule, const char *p, size_t n, size_t *length)
{
    const char *line = p, *end = p + n;
    uint32_t records = 0;
    for (const char *block = p; end - block >= BLOCK; block += BLOCK) {
        uint64_t ends = find(block, '\n');
        uint64_t quotes = rule->quote == '\n' ? 0 : find(block, rule->quote);
        if (quotes)
            ends &= (quotes & -quotes) - 1; /* those before the first one */
        for (; ends; ends &= ends - 1) {
            if (is_odd(rule, line) || records == UINT32_MAX)
                goto done;
            records++;
            line = block + __builtin_ctzll(ends) + 1;
        }
        if (quotes)
            break;
    }
done:
    *length = (size_t)(line - p);
    return records;
}
