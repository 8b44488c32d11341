/*
 * What the JSON parts share: scanning of bytes, and reading of text that is known to be valid.
 * For src/record, and for formats that hold JSON.
 */
#ifndef TM_RECORD_JSON_TEXT_H
#define TM_RECORD_JSON_TEXT_H

#include "base/sse2.h"
#include "base/words.h"
#include "record/json.h"

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline const char *json_skip_space(const char *p, const char *end)
{
    while (p < end && json_is_space(*p))
        p++;
    return p;
}

/* White space before p, not beyond begin. */
static inline const char *json_back_space(const char *p, const char *begin)
{
    while (p > begin && json_is_space(p[-1]))
        p--;
    return p;
}

#ifdef TM_SSE2
/* Bytes of x that do not stand in a string as they are: all bits of them are set, of others none. */
static inline __m128i json_specials(__m128i x)
{
    __m128i special = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    return _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x));
}

/* Those, and those beyond ASCII, have their high bit set. */
static inline __m128i json_not_plain(__m128i x)
{
    return _mm_or_si128(json_specials(x), x);
}
#endif

/*
 * The next byte of a string's inside that is '"', '\\' or a control character, or `end`.
 * *high is set when a byte beyond ASCII was passed (it may also lie a few bytes behind the answer's
 * string, never before p).
 */
static inline const char *json_find_special(const char *p, const char *end, bool *high)
{
#ifdef TM_SSE2
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned found = (unsigned)_mm_movemask_epi8(json_specials(x));
        unsigned beyond = (unsigned)_mm_movemask_epi8(x);
        if (found) {
            *high |= (beyond & (found ^ (found - 1))) != 0;
            return p + __builtin_ctz(found);
        }
        *high |= beyond != 0;
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *high |= c >= 0x80;
    }
    return p;
}

/* The next quote or bracket at or behind p, outside of strings; or `end`. */
static inline const char *json_find_structure(const char *p, const char *end)
{
#ifdef TM_SSE2
    /* Bit 0x20 is what '[' and '{', ']' and '}' differ in; outside strings nothing else meets. */
    const __m128i bit = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"');
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i y = _mm_or_si128(x, bit);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(y, open), _mm_cmpeq_epi8(y, close));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, _mm_cmpeq_epi8(x, quote)));
        if (found)
            return p + __builtin_ctz(found);
    }
#endif
    while (p < end && *p != '"' && *p != '{' && *p != '}' && *p != '[' && *p != ']')
        p++;
    return p;
}

/* Eight bytes that are ASCII, and stand in a string as they are. */
static inline bool json_word_is_plain(const void *unused, uint64_t word)
{
    (void)unused;
    uint64_t quotes = word_has(word, WORD_OF((uint64_t)'"'));
    uint64_t escapes = word_has(word, WORD_OF((uint64_t)'\\'));
    /* A byte below 0x20 borrows from its high bit; so may one behind such a byte. */
    return !(((word | (word - WORD_OF(UINT64_C(0x20)))) & WORD_HIGH) | quotes | escapes);
}

#ifdef TM_SSE2
static inline bool json_copy_plain_16(char *to, const char *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    _mm_storeu_si128((__m128i *)(void *)to, x);
    return !_mm_movemask_epi8(json_not_plain(x));
}
#endif

/* Copies a string's inside if all of it is ASCII that needs no escapes; see copy_tested(). */
static inline bool json_copy_plain(char *to, const char *p, size_t n)
{
#ifdef TM_SSE2
    if (n >= 16) {
        for (size_t i = 0; n - i > 16; i += 16)
            if (!json_copy_plain_16(to + i, p + i))
                return false;
        return json_copy_plain_16(to + n - 16, p + n - 16);
    }
#endif
    return copy_tested(to, p, n, json_word_is_plain, NULL);
}

/* Line feeds from p to end. */
static inline uint64_t json_count_lines(const char *p, const char *end)
{
    uint64_t lines = 0;
#ifdef TM_SSE2
    const __m128i feed = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i ones = _mm_sub_epi8(zero, _mm_cmpeq_epi8(x, feed));
        __m128i sums = _mm_sad_epu8(ones, zero);
        lines += (unsigned)_mm_cvtsi128_si32(sums) + (unsigned)_mm_extract_epi16(sums, 4);
    }
#endif
    for (; p < end; p++)
        lines += *p == '\n';
    return lines;
}

/*
 * Append a string literal. Returns text.n, or the offset of the first byte that is not UTF-8, which
 * JSON cannot hold: then what was appended is to be cut off. Memory failures stick in `out`.
 */
size_t tm_json_put_text(struct buf *out, struct slice text);
/* The same, for text that json_copy_plain() does not copy. */
size_t tm_json_put_escaped(struct buf *out, struct slice text);

/* Behind the string whose opening quote p stands at. Valid text only. */
const char *tm_json_skip_string(const char *p, const char *end, bool *escaped);
/* Behind the value at p. Valid text only. */
const char *tm_json_skip_value(const char *p, const char *end);
/* Are brackets nested more than `levels` deep in it? Valid text only. */
bool tm_json_is_deeper(struct slice text, uint32_t levels);

/*
 * What the inside of a string literal means, into `out`, which has room for `text.n` bytes (escapes
 * only shrink). Valid text only. Returns the length.
 */
size_t tm_json_unescape(char *out, struct slice text);

/* The key literal from quote to quote as a name: itself, or decoded in the arena. p NULL: memory. */
struct slice tm_json_key(struct arena *arena, const char *p, const char *end, bool escaped);

/*
 * Decode one valid value: scalars as they are (TEXT into the arena where it has escapes), a
 * container as a NODE indexed one level deep, with its source and `parent` set.
 */
int tm_json_decode(struct arena *arena, struct slice text, struct node *parent, struct value *out);

static inline bool json_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline const char *json_skip_digits(const char *p, const char *end)
{
    while (p < end && json_is_digit(*p))
        p++;
    return p;
}

#endif
