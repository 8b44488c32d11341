/*
 * The quick way through a record that looks like the one before: the same keys in the same order,
 * no white space, no nested values, no escapes. What flows in is where a value should be; what flows
 * out is where it ends, or NULL for everything that does not go without saying: json_read.c reads it
 * in the general way then, and is the one to say what is wrong. For json_read.c alone.
 */
#ifndef TM_RECORD_JSON_QUICK_H
#define TM_RECORD_JSON_QUICK_H

#include "base/utf8.h"
#include "record/json_text.h"

/* So many bytes may be looked at at once. */
#define JSON_STRIDE 16

/* A key that is expected. */
struct known_key {
    struct slice key;
    char spelt[JSON_STRIDE]; /* with its quotes and colon */
    uint32_t n;              /* bytes of that; 0: it has no room there */
    uint32_t mask;           /* as many bits */
};

static inline struct known_key json_known_key(struct slice key)
{
    struct known_key k = {.key = key};
    if (key.n + 3 <= sizeof k.spelt) {
        k.n = (uint32_t)key.n + 3;
        k.spelt[0] = '"';
        memcpy(k.spelt + 1, key.p, key.n);
        k.spelt[k.n - 2] = '"';
        k.spelt[k.n - 1] = ':';
        k.mask = (1u << k.n) - 1;
    }
    return k;
}

/* Are the key and its colon at p? JSON_STRIDE bytes are there. */
static inline bool json_begins_with(const char *p, const struct known_key *k)
{
#ifdef JSON_SSE2
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i key = _mm_loadu_si128((const __m128i *)(const void *)k->spelt);
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, key));
    return k->n && (same & k->mask) == k->mask;
#else
    return k->n && memcmp(p, k->spelt, k->n) == 0;
#endif
}

static inline const char *json_skip_digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') < 10)
        p++;
    return p;
}

/* Behind the digits at p; eight bytes are there. */
static inline const char *json_quick_digits(const char *p, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t eight;
    memcpy(&eight, p, sizeof eight);
    /* A byte is a digit if its high half is 3, and still is with 6 added. A sum that overflows into
       its neighbour comes from a byte that is none, behind which nothing matters. */
    uint64_t high = eight & 0xf0f0f0f0f0f0f0f0u;
    uint64_t sum = (eight + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u;
    uint64_t other = (high ^ 0x3030303030303030u) | (sum ^ 0x3030303030303030u);
    if (other)
        return p + (__builtin_ctzll(other) >> 3);
    p += sizeof eight;
#endif
    return json_skip_digits(p, end);
}

/* RFC 8259 section 6, without an exponent. */
static inline const char *json_quick_number(const char *p, const char *end)
{
    const char *digits = p + (*p == '-');
    p = json_quick_digits(digits, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return NULL;
    if (end - p > JSON_STRIDE && *p == '.') {
        digits = p + 1;
        p = json_quick_digits(digits, end);
        if (p == digits)
            return NULL;
    }
    return p;
}

static inline const char *json_quick_string(const char *p, const char *end)
{
    bool high = false;
    const char *quote = json_find_special(p + 1, end, &high);
    if (quote == end || *quote != '"')
        return NULL;
    struct slice inside = {p + 1, (size_t)(quote - p) - 1};
    return high && tm_utf8_check(inside) < inside.n ? NULL : quote + 1;
}

/* Behind the scalar at p, which a comma, a brace or white space ends. */
static inline const char *json_quick_scalar(const char *p, const char *end)
{
    if (end - p <= JSON_STRIDE)
        return NULL;
    if (*p == '"')
        p = json_quick_string(p, end);
    else if (*p <= '9')
        p = json_quick_number(p, end);
    else if (*p == 't')
        p = memcmp(p, "true", 4) == 0 ? p + 4 : NULL;
    else if (*p == 'f')
        p = memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
    else
        p = memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
    return p && p < end && (*p == ',' || *p == '}' || json_is_space(*p)) ? p : NULL;
}

#endif
