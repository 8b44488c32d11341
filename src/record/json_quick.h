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
#ifdef JSON_SSE2
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
 * RFC 8259 section 6, without an exponent. Where it ends is found before its first byte is known, which
 * may have a mark, as '-' has.
 */
static inline const char *json_quick_number(struct json_marks *m, const char *p)
{
    uint64_t others = json_marks_ahead(m->other, (size_t)(p - m->from)) & ~UINT64_C(1);
    const char *stop = others ? json_mark_at(p, others) : tm_json_far_other(m, p + 1);
    const char *digits = p + (*p == '-');
    if (!json_is_digit(*digits) || (*digits == '0' && stop - digits > 1))
        return NULL;
    if (*stop != '.')
        return stop;
    const char *point = stop;
    others &= others - 1;
    stop = others ? json_mark_at(p, others) : tm_json_far_other(m, point + 1);
    return stop > point + 1 ? stop : NULL;
}

/* Behind the string that ends at `quote`, if it does. */
static inline const char *json_quick_utf8(const char *p, const char *quote)
{
    struct slice inside = {p, (size_t)(quote - p)};
    return *quote == '"' && tm_utf8_check(inside) == inside.n ? quote + 1 : NULL;
}

static inline const char *json_quick_string(struct json_marks *m, const char *p)
{
    size_t at = (size_t)(++p - m->from);
    uint64_t specials = json_marks_ahead(m->special, at);
    if (!specials)
        return json_quick_utf8(p, tm_json_far_special(m, p));
    const char *quote = json_mark_at(p, specials);
    if (json_marks_ahead(m->high, at) & (specials ^ (specials - 1)))
        return json_quick_utf8(p, quote);
    return *quote == '"' ? quote + 1 : NULL;
}

/* true, false, null: which one it is nobody foresees, so that nothing branches on it. */
static inline const char *json_quick_name(const char *p)
{
    uint32_t four, names[3];
    memcpy(&four, p, 4);
    memcpy(names, "truenullfals", sizeof names);
    unsigned is_false = (four == names[2]) & (p[4] == 'e');
    return is_false | (four == names[0]) | (four == names[1]) ? p + 4 + is_false : NULL;
}

/*
 * Behind the scalar at p, which is in the window, and JSON_STRIDE bytes of it in the text; what ends
 * it was not looked at.
 */
static inline const char *json_quick_scalar(struct json_marks *m, const char *p)
{
    if (*p == '"')
        return json_quick_string(m, p);
    return *p <= '9' ? json_quick_number(m, p) : json_quick_name(p);
}

#endif
