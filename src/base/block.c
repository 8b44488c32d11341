/*
 * The ways to look at the bytes of a block.
 */
#include "base/block.h"

#include <stddef.h>

#include "base/quotes.h"

#if defined(__x86_64__) && !defined(TM_PORTABLE)
#define VECTORS true
#include <immintrin.h>
/* glibc knows the processor; gcc's own way asks it anew in each process, which a virtual machine has to answer. */
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS(feature, name) CPU_FEATURE_ACTIVE(feature)
#else
#define HAS(feature, name) __builtin_cpu_supports(name)
#endif
/* All that came with AVX2, or before it. */
#define HAS_AVX2 (HAS(AVX2, "avx2") && HAS(BMI1, "bmi") && HAS(POPCNT, "popcnt"))
#define FOR_AVX2 __attribute__((target("avx2,bmi,popcnt")))
#else
#define VECTORS false
#endif

/* Bit i of bits[k]: byte i of the block at p is wanted[k]; `n` of them. */
typedef void block_scan(const char *p, const char *wanted, unsigned n, uint64_t *bits);

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

/* The bits of the block at `base`, as offsets, behind the `n` that are there; how many there are then. */
static inline uint32_t put_offsets(uint32_t *to, uint32_t n, uint64_t bits, uint32_t base)
{
    for (; bits; bits &= bits - 1)
        to[n++] = base + (uint32_t)__builtin_ctzll(bits);
    return n;
}

/* The byte that is looked for beside delimiters and LF. */
static char watched(const struct cut_rule *rule)
{
    return rule->quote != '\n' ? rule->quote : rule->escape;
}

/* A block, in which `seen` are the bytes that are watched for: the marks. */
static inline uint64_t settle(const struct cut_rule *rule, struct quotes *q, const char *block,
                              uint64_t seen, uint64_t *ends, uint64_t *feeds)
{
    if (rule->quote != '\n')
        return quotes_settle(q, block, seen, ends, feeds);
    return rule->escape != '\n' ? seen : 0;
}

static void lines_by(block_scan *scan, const char *p, unsigned blocks, const struct cut_rule *rule,
                     struct quotes *q, uint64_t *feeds, uint64_t *marks)
{
    const char wanted[3] = {rule->delimiter, '\n', watched(rule)};
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t bits[3];
        scan(p, wanted, 3, bits);
        uint64_t ends = bits[0] | bits[1];
        feeds[b] = bits[1];
        marks[b] = settle(rule, q, p, bits[2], &ends, &feeds[b]);
    }
}

static void lines_any(const char *p, unsigned blocks, const struct cut_rule *rule, struct quotes *q,
                      uint64_t *feeds, uint64_t *marks)
{
    lines_by(scan_any, p, blocks, rule, q, feeds, marks);
}

static void cut_by(block_scan *scan, const char *p, unsigned blocks, const struct cut_rule *rule,
                   struct block_cuts *out)
{
    const char wanted[3] = {rule->delimiter, '\n', watched(rule)};
    struct quotes q = QUOTES_AT_START;
    out->ends_n = out->feeds_n = 0;
    for (uint32_t b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t bits[3];
        scan(p, wanted, 3, bits);
        uint64_t ends = bits[0] | bits[1], feeds = bits[1];
        out->quotes[b] = rule->quote != '\n' ? bits[2] : 0;
        out->marks[b] = settle(rule, &q, p, bits[2], &ends, &feeds);
        out->ends_n = put_offsets(out->ends, out->ends_n, ends, b * BLOCK);
        out->feeds_n = put_offsets(out->feeds, out->feeds_n, feeds, b * BLOCK);
    }
}

static void cut_any(const char *p, unsigned blocks, const struct cut_rule *rule,
                    struct block_cuts *out)
{
    cut_by(scan_any, p, blocks, rule, out);
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

static void lines_sse2(const char *p, unsigned blocks, const struct cut_rule *rule,
                       struct quotes *q, uint64_t *feeds, uint64_t *marks)
{
    lines_by(scan_sse2, p, blocks, rule, q, feeds, marks);
}

static void cut_sse2(const char *p, unsigned blocks, const struct cut_rule *rule,
                     struct block_cuts *out)
{
    cut_by(scan_sse2, p, blocks, rule, out);
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

/* Which bytes of both halves of a block have their top bit. */
FOR_AVX2 static inline uint64_t bits_of(__m256i low, __m256i high)
{
    return (uint64_t)(unsigned)_mm256_movemask_epi8(high) << 32 |
           (unsigned)_mm256_movemask_epi8(low);
}

FOR_AVX2 static void find_avx2(const char *p, unsigned blocks, char wanted, uint64_t *bits)
{
    const __m256i c = _mm256_set1_epi8(wanted);
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        const __m256i *q = (const __m256i *)(const void *)p;
        __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256(q), c);
        __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256(q + 1), c);
        bits[b] = bits_of(low, high);
    }
}

/*
 * As put_offsets(): eight at a time, and more than there are, as that many or fewer stand in most blocks of most
 * files, and how many is nothing that a processor foresees.
 */
FOR_AVX2 static inline uint32_t put_offsets_avx2(uint32_t *to, uint32_t n, uint64_t bits,
                                                 uint32_t base)
{
    uint32_t behind = n + (uint32_t)__builtin_popcountll(bits);
    do {
        for (unsigned i = 0; i < 8; i++, bits &= bits - 1)
            to[n++] = base + (uint32_t)_tzcnt_u64(bits);
    } while (bits);
    return behind;
}

/* What is looked for, in all bytes of a vector. */
struct vectors {
    __m256i delimiter, feed, watched;
};

FOR_AVX2 static inline struct vectors vectors_of(const struct cut_rule *rule)
{
    return (struct vectors){_mm256_set1_epi8(rule->delimiter), _mm256_set1_epi8('\n'),
                            _mm256_set1_epi8(watched(rule))};
}

/* Of the block at p: *ends, *feeds, and what is watched for. */
FOR_AVX2 static inline uint64_t look_avx2(const char *p, const struct vectors *v, uint64_t *ends,
                                          uint64_t *feeds)
{
    const __m256i *at = (const __m256i *)(const void *)p;
    __m256i x = _mm256_loadu_si256(at), y = _mm256_loadu_si256(at + 1);
    __m256i xf = _mm256_cmpeq_epi8(x, v->feed), yf = _mm256_cmpeq_epi8(y, v->feed);
    __m256i xe = _mm256_or_si256(_mm256_cmpeq_epi8(x, v->delimiter), xf);
    __m256i ye = _mm256_or_si256(_mm256_cmpeq_epi8(y, v->delimiter), yf);
    *ends = bits_of(xe, ye);
    *feeds = bits_of(xf, yf);
    return bits_of(_mm256_cmpeq_epi8(x, v->watched), _mm256_cmpeq_epi8(y, v->watched));
}

FOR_AVX2 static void lines_avx2(const char *p, unsigned blocks, const struct cut_rule *rule,
                                struct quotes *q, uint64_t *feeds, uint64_t *marks)
{
    const struct vectors v = vectors_of(rule);
    struct quotes at = *q;
    for (unsigned b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t ends, seen = look_avx2(p, &v, &ends, &feeds[b]);
        marks[b] = settle(rule, &at, p, seen, &ends, &feeds[b]);
    }
    *q = at;
}

FOR_AVX2 static void cut_avx2(const char *p, unsigned blocks, const struct cut_rule *rule,
                              struct block_cuts *out)
{
    const struct vectors v = vectors_of(rule);
    const bool quotes = rule->quote != '\n';
    struct quotes q = QUOTES_AT_START;
    uint32_t ends_n = 0, feeds_n = 0;
    for (uint32_t b = 0; b < blocks; b++, p += BLOCK) {
        uint64_t ends, feeds, seen = look_avx2(p, &v, &ends, &feeds);
        out->quotes[b] = quotes ? seen : 0;
        out->marks[b] = settle(rule, &q, p, seen, &ends, &feeds);
        ends_n = put_offsets_avx2(out->ends, ends_n, ends, b * BLOCK);
        feeds_n = put_offsets(out->feeds, feeds_n, feeds, b * BLOCK);
    }
    out->ends_n = ends_n;
    out->feeds_n = feeds_n;
}

FOR_AVX2 static void classify_avx2(const char *p, unsigned blocks, const struct block_classes *out)
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

/* Of one kind of processor, what it can do. */
struct way {
    block_find *find;
    block_classify *classify;
    block_cut *cut;
    block_lines *lines;
};

static struct way way_at(unsigned i)
{
#if VECTORS
    static const struct way ways[] = {
        {find_any, classify_any, cut_any, lines_any},
        {find_sse2, classify_sse2, cut_sse2, lines_sse2},
        {find_avx2, classify_avx2, cut_avx2, lines_avx2},
    };
    unsigned n = HAS_AVX2 ? 3 : 2;
#else
    static const struct way ways[] = {{find_any, classify_any, cut_any, lines_any}};
    unsigned n = 1;
#endif
    return i < n ? ways[i] : (struct way){NULL, NULL, NULL, NULL};
}

static struct way best_way(void)
{
    struct way best = way_at(0);
    for (unsigned i = 1; way_at(i).find; i++)
        best = way_at(i);
    return best;
}

block_find *tm_block_find_at(unsigned i)
{
    return way_at(i).find;
}

block_classify *tm_block_classify_at(unsigned i)
{
    return way_at(i).classify;
}

block_cut *tm_block_cut_at(unsigned i)
{
    return way_at(i).cut;
}

block_lines *tm_block_lines_at(unsigned i)
{
    return way_at(i).lines;
}

block_find *tm_block_find(void)
{
    return best_way().find;
}

block_classify *tm_block_classify(void)
{
    return best_way().classify;
}

block_cut *tm_block_cut(void)
{
    return best_way().cut;
}

block_lines *tm_block_lines(void)
{
    return best_way().lines;
}
