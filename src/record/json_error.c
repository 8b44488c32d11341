/*
 * What is told about text that is not JSON: what was expected, what stands there instead, and a hint
 * for the mistakes that other languages' habits lead to. Cold code; bytes flow in, one line out.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "record/json_scan.h"

const char *tm_json_fail(struct json_scan *s, const char *at, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    s->status = tm_err_text(s->e, TIDEMILL_E_RECORD, (struct slice){text, used});
    if (s->where)
        *s->where = (size_t)(at - s->begin);
    return NULL;
}

const char *tm_json_no_memory(struct json_scan *s)
{
    s->status = tm_err_memory(s->e, "a record");
    return NULL;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

/* Describe what stands at s, to `out` of `size` bytes. */
static void describe(char *out, size_t size, struct slice s)
{
    uint32_t c;
    size_t n = 0;
    while (n < s.n && n < 20 && is_word(s.p[n]))
        n++;
    if (n == 0)
        n = tm_utf8_decode(s, &c);
    if (s.p[0] == '\0')
        snprintf(out, size, "a NUL byte");
    else if (n == 0)
        snprintf(out, size, "byte 0x%02x, which is not UTF-8", (unsigned char)s.p[0]);
    else if ((unsigned char)s.p[0] < 0x20 || s.p[0] == 0x7f)
        snprintf(out, size, "control character 0x%02x", (unsigned char)s.p[0]);
    else if (n == 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        snprintf(out, size, "a byte order mark");
    else
        snprintf(out, size, "'%.*s'", (int)n, s.p);
}

static const struct {
    const char *begin, *hint;
} hints[] = {
    {"'", "strings take double quotes"},   {"True", "JSON spells it true"},
    {"False", "JSON spells it false"},     {"None", "JSON spells it null"},
    {"NULL", "JSON spells it null"},       {"nil", "JSON spells it null"},
    {"undefined", "JSON spells it null"},  {"NaN", "JSON has no such number"},
    {"nan", "JSON has no such number"},    {"Infinity", "JSON has no such number"},
    {"inf", "JSON has no such number"},    {"/", "JSON has no comments"},
    {"#", "JSON has no comments"},         {"+", "a number has no '+' before it"},
    {".", "a number begins with a digit"},
};

static const char *find_hint(struct slice s)
{
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        struct slice begin = slice_of(hints[i].begin);
        if (s.n >= begin.n && memcmp(s.p, begin.p, begin.n) == 0)
            return hints[i].hint;
    }
    return NULL;
}

const char *tm_json_expected(struct json_scan *s, const char *at, const char *what)
{
    char got[64];
    struct slice rest = {at, (size_t)(s->end - at)};
    if (rest.n == 0)
        return tm_json_fail(s, at, "expected %s, got %s", what, s->end_name);
    describe(got, sizeof got, rest);
    const char *hint = find_hint(rest);
    return tm_json_fail(s, at, hint ? "expected %s, got %s (%s)" : "expected %s, got %s", what, got,
                        hint);
}

const char *tm_json_bad_string(struct json_scan *s, const char *quote, const char *at)
{
    static const char short_forms[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (at == s->end)
        return tm_json_fail(s, quote, "a string has no closing '\"'");
    unsigned char c = (unsigned char)*at;
    if (c == 0)
        return tm_json_fail(s, at, "a NUL byte in a string (write it as \\u0000)");
    if (c < sizeof short_forms && short_forms[c])
        return tm_json_fail(s, at, "control character 0x%02x in a string (write it as \\%c)", c,
                            short_forms[c]);
    return tm_json_fail(s, at, "control character 0x%02x in a string (write it as \\u%04x)", c, c);
}

const char *tm_json_twice(struct json_scan *s, const struct json_key *twice)
{
    char name[100];
    if (!twice->name.p)
        return tm_json_no_memory(s);
    tm_printable(name, sizeof name, twice->name);
    return tm_json_fail(s, twice->at, "duplicate key '%s'%s", name,
                        s->of_records ? " (input.duplicates: last or number allows it)" : "");
}
