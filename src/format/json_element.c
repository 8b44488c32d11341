/*
 * The machine that finds an element's end. It steps from quote to quote and bracket to bracket, goes
 * on where it stopped, and so looks at each byte once, however the bytes come.
 */
#include "format/json_element.h"

#include "record/json_text.h"

enum machine { START, NESTED, STRING, SCALAR };

static bool ends_scalar(char c)
{
    return json_between(c) || c == '"' || c == '[' || c == ']' || c == '{' || c == '}';
}

/* Each takes `at` in its state, and leaves it at what comes next. True: the element ends there. */

static bool pass_nested(struct split_state *s, const char **at, const char *end)
{
    const char *p = json_find_structure(*at, end);
    *at = p + (p < end);
    if (p == end)
        return false;
    if (*p == '"')
        s->machine = STRING;
    else
        s->depth += *p == '{' || *p == '[' ? 1 : (uint64_t)-1;
    return s->depth == 0;
}

static bool pass_string(struct split_state *s, const char **at, const char *end)
{
    bool high = false; /* whether it is UTF-8 is the parser's to say */
    const char *p = json_find_special(*at, end, &high);
    *at = p + (p < end);
    if (p == end)
        return false;
    if (*p == '\\')
        /* What is escaped may not be there yet. */
        *at = end - p > 1 ? p + 2 : p;
    if (*p == '"')
        s->machine = NESTED;
    return *p == '"' && s->depth == 0;
}

static bool pass_scalar(const char **at, const char *end)
{
    const char *p = *at;
    while (p < end && !ends_scalar(*p))
        p++;
    *at = p;
    return p < end;
}

static enum machine first_machine(char c)
{
    return c == '"' ? STRING : c == '{' || c == '[' ? NESTED : SCALAR;
}

/* Go on until the element ends (true), or nothing is left that can be judged. */
static bool pass(struct split_state *s, const char **at, const char *end)
{
    bool ended = false;
    const char *before = NULL;
    while (!ended && *at < end && *at != before) {
        before = *at;
        if (s->machine == NESTED)
            ended = pass_nested(s, at, end);
        else if (s->machine == STRING)
            ended = pass_string(s, at, end);
        else
            ended = pass_scalar(at, end);
    }
    return ended;
}

enum split_verdict tm_json_element(struct split_state *s, const char *p, size_t n, bool final,
                                   struct extent *out, err *e)
{
    const char *at = p + s->scanned, *begin = at;
    if (s->machine == START) {
        s->machine = first_machine(*p);
        /* A scalar's or a string's first byte; a stray bracket too, so that all go on. */
        at += s->machine != NESTED;
    }
    bool ended = pass(s, &at, p + n);
    s->lines += json_count_lines(begin, at);
    s->scanned = (size_t)(at - p);
    if (!ended && !final)
        return SPLIT_MORE;
    *out = (struct extent){s->scanned, s->lines};
    if (ended || s->machine == SCALAR)
        return SPLIT_RECORD;
    *out = (struct extent){n, 0};
    tm_err_set(e, TIDEMILL_E_INPUT, "the file ends inside the record that begins here%s",
               s->machine == STRING ? ", in a string" : "");
    return SPLIT_ERROR;
}
