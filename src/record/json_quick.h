/*
 * The quick way through a record that looks like the one before: the same keys in the same order,
 * spelt and spaced the same, no nested values, no escapes. What stands around values is compared as
 * it is; a string or a number ends at a mark (json_marks.h). What flows in is where a value should be;
 * what flows out is where it ends, or NULL for everything that does not go without saying:
 * json_read.c reads it in the general way then, and is the one to say what is wrong. For json_read.c
 * alone.
 */
#ifndef TM_RECORD_JSON_QUICK_H
#define TM_RECORD_JSON_QUICK_H

#include "base/utf8.h"
#include "record/json_marks.h"
#include "record/json_text.h"

/* So many bytes may be looked at at once. */
#define JSON_STRIDE 16

/*
 * What is expected between two values: `{"id":`, then `, "name": `, `}` at last. It is valid there,
 * as it was in an earlier record.
 */
struct known_text {
    char head[JSON_STRIDE]; /* how it begins, */
    uint32_t mask;          /* a bit for each byte of that, and JSON_LONG */
    uint32_t key_at;        /* where the key's first byte stands in it */
    const char *text;       /* all of it, */
    size_t n;               /* how long it is, */
    size_t room;            /* and what has to be there of the record, SIZE_MAX: it is never met */
    struct slice key;
};

/* In the mask: a look at the head is not enough. */
#define JSON_LONG (1u << JSON_STRIDE)
/* More white space than that, in bytes, is not expected again. */
#define JSON_KNOWN_MAX 1000u

/* `key_at`: as in known_text; key_n bytes are the key's. */
static inline struct known_text json_known(struct slice text, size_t key_at, size_t key_n)
{
    struct known_text k = {.room = SIZE_MAX, .key = {text.p + key_at, key_n}};
    if (text.n <= JSON_KNOWN_MAX) {
        size_t n = text.n < JSON_STRIDE ? text.n : JSON_STRIDE;
        memcpy(k.head, text.p, n);
        k.mask = ((1u << n) - 1) | (n < text.n ? JSON_LONG : 0);
        k.key_at = (uint32_t)key_at;
        k.text = text.p;
        k.n = text.n;
        k.room = text.n + JSON_STRIDE;
    }
    return k;
}

/* Is that at p, and JSON_STRIDE bytes more before `end`? */
static inline bool json_is_known(const struct known_text *k, const char *p, const char *end)
{
    if ((size_t)(end - p) < k->room)
        return false;
#ifdef TM_SSE2
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i head = _mm_loadu_si128((const __m128i *)(const void *)k->head);
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, head));
    if ((same & k->mask) == k->mask)
        return true;
    if (!(k->mask & JSON_LONG))
        return false;
#endif
    return memcmp(p, k->text, k->n) == 0;
}

/*
 * In what follows a value begins at byte `at` of the window, and JSON_STRIDE bytes of it are in the text.
 * Returned is where it ends, a byte of the window as it is then, or 0 for what does not go without saying
 * (and for the few that end where a window begins).
 */

/* The same for a mark that is farther than the window's next few bytes. */
static inline uint32_t json_far(const struct json_marks *m, const char *mark)
{
    return (uint32_t)(mark - m->from);
}

/*
 * RFC 8259 section 6, without an exponent. Where it ends is found before its first byte is known, which
 * may have a mark, as '-' has.
 */
static inline uint32_t json_quick_number(struct json_marks *m, uint32_t at)
{
    const char *p = m->from + at;
    uint64_t others = json_marks_ahead(m->other, at) & ~UINT64_C(1);
    uint32_t end = others ? json_mark_at(at, others) : json_far(m, tm_json_far_other(m, p + 1));
    const char *digits = p + (*p == '-'), *stop = m->from + end;
    if (!json_is_digit(*digits) || (*digits == '0' && stop - digits > 1))
        return 0;
    if (*stop != '.')
        return end;
    others &= others - 1;
    end = others ? json_mark_at(at, others) : json_far(m, tm_json_far_other(m, stop + 1));
    return m->from + end > stop + 1 ? end : 0;
}

/* A string that ends at `quote`, if it does, with bytes beyond ASCII. */
static inline uint32_t json_quick_utf8(const struct json_marks *m, const char *p, const char *quote)
{
    struct slice inside = {p, (size_t)(quote - p)};
    /* With the quote before it, as JSON_STRIDE bytes are there from that on. */
    bool valid = utf8_short_is_valid(p - 1, inside.n + 1) || tm_utf8_check(inside) == inside.n;
    return *quote == '"' && valid ? json_far(m, quote + 1) : 0;
}

static inline uint32_t json_quick_string(struct json_marks *m, uint32_t at)
{
    const char *p = m->from + ++at;
    uint64_t specials = json_marks_ahead(m->special, at);
    if (!specials)
        return json_quick_utf8(m, p, tm_json_far_special(m, p));
    uint32_t quote = json_mark_at(at, specials);
    if (json_marks_ahead(m->high, at) & (specials ^ (specials - 1)))
        return json_quick_utf8(m, p, m->from + quote);
    return m->from[quote] == '"' ? quote + 1 : 0;
}

/* true, false, null: which one it is nobody foresees, so that nothing branches on it. */
static inline uint32_t json_quick_name(const struct json_marks *m, uint32_t at)
{
    const char *p = m->from + at;
    uint32_t four, names[3];
    memcpy(&four, p, 4);
    memcpy(names, "truenullfals", sizeof names);
    unsigned is_false = (four == names[2]) & (p[4] == 'e');
    /* A sum, as compilers make branches of an or. */
    return (is_false + (four == names[0]) + (four == names[1])) ? at + 4 + is_false : 0;
}

/* A scalar; what stands behind it was not looked at. */
static inline uint32_t json_quick_scalar(struct json_marks *m, uint32_t at)
{
    char first = m->from[at];
    if (first == '"')
        return json_quick_string(m, at);
    return first <= '9' ? json_quick_number(m, at) : json_quick_name(m, at);
}

#endif
