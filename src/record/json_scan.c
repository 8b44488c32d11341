/*
 * One JSON value with all that is in it, checked: strings, numbers and literals, and the brackets
 * around them, which are kept on a stack (there is no recursion).
 */
#include "record/json_scan.h"
#include "base/utf8.h"

/* ---- strings, numbers, literals: each takes p at its first byte and returns what is behind ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

const char *tm_json_scan_escape(struct json_scan *s, const char *p)
{
    if (s->end - p < 2)
        return tm_json_expected(s, s->end, "the rest of an escape");
    if (p[1] != 'u') {
        if (memchr("\"\\/bfnrt", p[1], 8))
            return p + 2;
        return tm_json_expected(s, p + 1, "one of \"\\/bfnrtu after a backslash");
    }
    int32_t c = hex4(p + 2, s->end);
    if (c < 0)
        return tm_json_fail(s, p, "\\u without four hexadecimal digits");
    if (c < 0xd800 || c > 0xdfff)
        return p + 6;
    /* RFC 8259 section 8.2: what a lone half of a pair means nobody can tell. */
    int32_t low = c < 0xdc00 && s->end - p >= 8 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, s->end)
                                                                               : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return tm_json_fail(s, p, "a lone surrogate, \\u%04x, is no character", (unsigned)c);
    return p + 12;
}

const char *tm_json_scan_string(struct json_scan *s, const char *quote, bool *escaped)
{
    bool high = false;
    const char *p = json_find_special(quote + 1, s->end, &high);
    while (p == s->end || *p != '"') {
        if (p == s->end || *p != '\\')
            return tm_json_bad_string(s, quote, p);
        *escaped = true;
        p = tm_json_scan_escape(s, p);
        if (!p)
            return NULL;
        p = json_find_special(p, s->end, &high);
    }
    if (high) {
        struct slice inside = {quote + 1, (size_t)(p - quote) - 1};
        size_t good = tm_utf8_check(inside);
        if (good < inside.n)
            return tm_json_fail(s, inside.p + good, "invalid UTF-8 in a string (byte 0x%02x)",
                                (unsigned char)inside.p[good]);
    }
    return p + 1;
}

/* RFC 8259 section 6. */
static const char *scan_number(struct json_scan *s, const char *p)
{
    const char *end = s->end, *digits = p + (*p == '-');
    p = json_skip_digits(digits, end);
    if (p == digits)
        return tm_json_expected(s, p, "a digit after '-'");
    if (*digits == '0' && p - digits > 1)
        return tm_json_fail(s, digits, "a number begins with a needless 0");
    if (p < end && *p == '.') {
        digits = p + 1;
        p = json_skip_digits(digits, end);
        if (p == digits)
            return tm_json_expected(s, p, "a digit after '.'");
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = json_skip_digits(digits, end);
        if (p == digits)
            return tm_json_expected(s, p, "a digit in an exponent");
    }
    return p;
}

static const char *scan_literal(struct json_scan *s, const char *p, struct slice word)
{
    if ((size_t)(s->end - p) < word.n || memcmp(p, word.p, word.n) != 0)
        return tm_json_expected(s, p, "a value");
    return p + word.n;
}

static const char *scan_scalar(struct json_scan *s, const char *p)
{
    bool escaped = false;
    if (p == s->end)
        return tm_json_expected(s, p, "a value");
    switch (*p) {
    case '"':
        return tm_json_scan_string(s, p, &escaped);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(s, p);
    case 't':
        return scan_literal(s, p, SLICE("true"));
    case 'f':
        return scan_literal(s, p, SLICE("false"));
    case 'n':
        return scan_literal(s, p, SLICE("null"));
    default:
        return tm_json_expected(s, p, "a value");
    }
}

/* ---- nested values ---- */

/* A key (in an object) and all that stands before the value. `first`: of its container. */
static const char *scan_member(struct json_scan *s, const struct json_bracket *b, const char *p,
                               bool first)
{
    bool escaped = false;
    if (!b->object)
        return p;
    if (p == s->end || *p != '"')
        return tm_json_expected(s, p, first ? "a key or '}'" : "a key after ','");
    const char *behind = tm_json_scan_string(s, p, &escaped);
    if (!behind)
        return NULL;
    struct slice name = tm_json_key(s->arena, p, behind, escaped);
    if (!name.p || !tm_json_keys_push(&s->nest->keys, name, p))
        return tm_json_no_memory(s);
    return json_scan_colon(s, behind);
}

static bool at_close(const struct json_scan *s, const struct json_bracket *b, const char *p)
{
    return p < s->end && *p == (b->object ? '}' : ']');
}

bool tm_json_end_object(struct json_scan *s, size_t base, const char *close)
{
    struct json_key twice = {.name = {"", 0}};
    struct json_nest *nest = s->nest;
    size_t n = nest->keys.n - base;
    if (tm_json_keys_differ(&nest->keys, base, &twice))
        return true;
    if (nest->duplicates == DUPLICATES_ERROR || !twice.name.p)
        tm_json_twice(s, &twice);
    else if (tm_json_edits_add(&nest->edits, s->arena, nest->duplicates, nest->keys.list + base, n,
                               close))
        return true;
    else
        tm_json_no_memory(s);
    return false;
}

/* Close all brackets that end at p; depth goes down. */
static const char *scan_closes(struct json_scan *s, const char *p, uint32_t outside,
                               uint32_t *depth)
{
    struct json_nest *nest = s->nest;
    for (;; p++) {
        p = json_skip_space(p, s->end);
        const struct json_bracket *b = &nest->stack[*depth - 1];
        if (!at_close(s, b, p))
            return p;
        if (b->object && !tm_json_end_object(s, b->keys, p))
            return NULL;
        if (--*depth == outside)
            return p + 1;
    }
}

const char *tm_json_scan_value(struct json_scan *s, const char *p, uint32_t outside)
{
    uint32_t depth = outside;
    struct json_bracket *stack = s->nest->stack;
    for (;;) {
        bool opens = p < s->end && (*p == '{' || *p == '[');
        if (opens) {
            if (depth == s->nest->max_depth)
                return tm_json_fail(s, p, "nested deeper than %u levels%s", depth,
                                    s->of_records ? " (limits.depth)" : "");
            stack[depth++] = (struct json_bracket){*p == '{', s->nest->keys.n};
            p = json_skip_space(p + 1, s->end);
        } else {
            p = scan_scalar(s, p);
            if (!p || depth == outside)
                return p;
        }
        bool first = opens && !at_close(s, &stack[depth - 1], p);
        if (!first) {
            p = scan_closes(s, p, outside, &depth);
            if (!p || depth == outside)
                return p;
            if (p == s->end || *p != ',')
                return tm_json_expected(s, p,
                                        stack[depth - 1].object ? "',' or '}' after a value"
                                                                : "',' or ']' after a value");
            p = json_skip_space(p + 1, s->end);
        }
        p = scan_member(s, &stack[depth - 1], p, first);
        if (!p)
            return NULL;
    }
}
