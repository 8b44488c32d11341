/*
 * ${NAME}, once and from left to right. The environment is read, never changed.
 */
#include "spec/expand.h"

#include <stdlib.h>

#define NAME_MAX_LENGTH 255

static bool name_byte(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return letter || (!first && c >= '0' && c <= '9');
}

/* `inside` is what stands between the braces. */
static int expand_one(struct slice inside, struct buf *out, err *e)
{
    char name[NAME_MAX_LENGTH + 1];
    size_t n = 0;
    while (n < inside.n && name_byte(inside.p[n], n == 0))
        n++;
    struct slice rest = {inside.p + n, inside.n - n};
    bool fallback = rest.n >= 2 && memcmp(rest.p, ":-", 2) == 0;
    if (n == 0 || n > NAME_MAX_LENGTH || (rest.n && !fallback))
        return tm_err_set(e, TIDEMILL_E_SPEC,
                          "'${%.*s}' is no variable (write ${NAME} or ${NAME:-default}, and $${ "
                          "for a literal ${)",
                          inside.n > 60 ? 60 : (int)inside.n, inside.p);
    memcpy(name, inside.p, n);
    name[n] = '\0';
    const char *value = getenv(name);
    if (fallback && (!value || !*value))
        buf_append(out, rest.p + 2, rest.n - 2);
    else if (value)
        buf_slice(out, slice_of(value));
    else
        return tm_err_set(e, TIDEMILL_E_SPEC,
                          "environment variable '%s' is not set (${%s:-default} gives a default)",
                          name, name);
    return TIDEMILL_OK;
}

int tm_expand(struct slice text, struct buf *out, err *e)
{
    for (size_t i = 0; i < text.n;) {
        struct slice rest = {text.p + i, text.n - i};
        if (rest.n >= 3 && memcmp(rest.p, "$${", 3) == 0) {
            buf_slice(out, SLICE("${"));
            i += 3;
        } else if (rest.n >= 2 && memcmp(rest.p, "${", 2) == 0) {
            const char *close = memchr(rest.p, '}', rest.n);
            if (!close)
                return tm_err_set(e, TIDEMILL_E_SPEC,
                                  "'${' has no '}' (write $${ for a literal ${)");
            struct slice inside = {rest.p + 2, (size_t)(close - rest.p) - 2};
            if (memmem(inside.p, inside.n, "${", 2))
                return tm_err_set(e, TIDEMILL_E_SPEC, "'${' inside a default is not replaced");
            int status = expand_one(inside, out, e);
            if (status)
                return status;
            i += inside.n + 3;
        } else {
            buf_byte(out, *rest.p);
            i++;
        }
    }
    return out->failed ? tm_err_memory(e, "") : TIDEMILL_OK;
}
