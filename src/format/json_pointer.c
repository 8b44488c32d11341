/*
 * JSON Pointers: text flows in, names without escapes flow out. And the messages of those that lead
 * nowhere, which say the part that is to blame.
 */
#include "format/json_pointer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/heap.h"
#include "record/json_text.h"

/* RFC 6901 section 4: digits without a leading 0; '-' is the element behind the last, which is none. */
static uint64_t index_of(struct slice name)
{
    uint64_t index = 0;
    if (name.n == 0 || (name.n > 1 && name.p[0] == '0'))
        return UINT64_MAX;
    for (size_t i = 0; i < name.n; i++) {
        unsigned digit = (unsigned char)name.p[i] - (unsigned)'0';
        if (digit > 9 || index > (UINT64_MAX - 10) / 10)
            return UINT64_MAX;
        index = index * 10 + digit;
    }
    return index;
}

/* The part whose slash is at `at`; its name goes to *out, which is moved on. */
static struct pointer_part read_part(struct slice text, size_t at, char **out)
{
    char *name = *out;
    size_t i = at + 1;
    for (; i < text.n && text.p[i] != '/'; i++) {
        bool escape = text.p[i] == '~' && i + 1 < text.n;
        char c = text.p[i];
        if (escape && (text.p[i + 1] == '0' || text.p[i + 1] == '1'))
            c = text.p[++i] == '0' ? '~' : '/';
        *(*out)++ = c;
    }
    struct slice read = {name, (size_t)(*out - name)};
    return (struct pointer_part){read, index_of(read), at, i};
}

bool tm_json_pointer_init(struct json_pointer *p, struct slice text)
{
    *p = (struct json_pointer){.text = text};
    uint32_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '/';
    p->parts = tm_heap_zeroed(n ? n : 1, sizeof *p->parts);
    p->names = tm_heap_new(text.n + 1);
    if (!p->parts || !p->names)
        return false;
    char *out = p->names;
    for (size_t at = 0; p->n < n; p->n++) {
        p->parts[p->n] = read_part(text, at, &out);
        at = p->parts[p->n].end;
    }
    return true;
}

void tm_json_pointer_release(struct json_pointer *p)
{
    tm_heap_free(p->parts);
    tm_heap_free(p->names);
    *p = (struct json_pointer){0};
}

/* ---- messages ---- */

#define TEXT_ARGS(s) (int)((s).n < 200 ? (s).n : 200), (s).p

/* The first `i` parts as they are written. */
static struct slice first_parts(const struct json_pointer *p, uint32_t i)
{
    return (struct slice){p->text.p, i ? p->parts[i - 1].end : 0};
}

int tm_json_pointer_no_way(const struct json_pointer *p, uint32_t i, const char *what, err *e)
{
    struct slice here = first_parts(p, i);
    if (i == p->n)
        return tm_err_set(e, TIDEMILL_E_INPUT, "input.at '%.*s' is %s, not an array of records",
                          TEXT_ARGS(p->text), what);
    if (i == 0)
        return tm_err_set(e, TIDEMILL_E_INPUT,
                          "input.at '%.*s' leads nowhere: the document is %s, with no '%.*s' in it",
                          TEXT_ARGS(p->text), what, TEXT_ARGS(p->parts[0].name));
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "input.at '%.*s' leads nowhere: '%.*s' is %s, with no '%.*s' in it",
                      TEXT_ARGS(p->text), TEXT_ARGS(here), what, TEXT_ARGS(p->parts[i].name));
}

int tm_json_pointer_missing(const struct json_pointer *p, uint32_t i, bool object,
                            uint64_t elements, err *e)
{
    char what[64];
    struct slice here = first_parts(p, i), name = p->parts[i].name;
    snprintf(what, sizeof what, "an array of %" PRIu64 "%s", elements,
             elements == 1 ? " element" : " elements");
    if (!object)
        return tm_json_pointer_no_way(p, i, what, e);
    if (i == 0)
        return tm_err_set(e, TIDEMILL_E_INPUT,
                          "input.at '%.*s' leads nowhere: the document has no member '%.*s'",
                          TEXT_ARGS(p->text), TEXT_ARGS(name));
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "input.at '%.*s' leads nowhere: '%.*s' has no member '%.*s'",
                      TEXT_ARGS(p->text), TEXT_ARGS(here), TEXT_ARGS(name));
}

int tm_json_pointer_twice(const struct json_pointer *p, uint32_t i, err *e)
{
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "duplicate key '%.*s': input.at '%.*s' could mean either of two values",
                      TEXT_ARGS(p->parts[i].name), TEXT_ARGS(p->text));
}

/* ---- the array that was perhaps meant ---- */

#define NAMES_MAX 3

/* A walk over the beginning of an object that nobody has validated. */
struct look {
    const char *p, *end;
    size_t depth;
    struct slice key; /* the last string, without its quotes: before a bracket it is the key */
    struct buf names; /* of the arrays one level inside, as pointers */
    int found;
};

static void look_string(struct look *l)
{
    const char *begin = ++l->p;
    while (l->p < l->end && *l->p != '"')
        l->p += *l->p == '\\' && l->end - l->p > 1 ? 2 : 1;
    l->key = (struct slice){begin, (size_t)(l->p - begin)};
    l->p += l->p < l->end;
}

/* A name with escapes is better not guessed. */
static void add_name(struct look *l)
{
    struct slice key = l->key;
    if (l->found == NAMES_MAX || key.n > 60 || memchr(key.p, '\\', key.n))
        return;
    buf_slice(&l->names, l->found++ ? SLICE(" or /") : SLICE("/"));
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '~' || key.p[i] == '/')
            buf_slice(&l->names, key.p[i] == '~' ? SLICE("~0") : SLICE("~1"));
        else
            buf_byte(&l->names, key.p[i]);
    }
}

/* Stops behind the object, or at the end. */
static void look_around(struct look *l)
{
    do {
        l->p = json_find_structure(l->p, l->end);
        if (l->p == l->end)
            return;
        if (*l->p == '"') {
            look_string(l);
            continue;
        }
        bool opens = *l->p == '{' || *l->p == '[';
        if (*l->p == '[' && l->depth == 1 && l->key.p)
            add_name(l);
        l->depth += opens ? 1 : (size_t)-1;
        l->p++;
    } while (l->depth);
    l->p = json_skip_space(l->p, l->end);
}

int tm_json_pointer_wanted(struct slice text, err *e)
{
    struct look l = {.p = text.p, .end = text.p + text.n};
    int status;
    tm_buf_init(&l.names);
    look_around(&l);
    if (l.p < l.end && *l.p == '{')
        status = tm_err_set(e, TIDEMILL_E_INPUT,
                            "the document is one object after another, not an array of records "
                            "(input.format: jsonl)");
    else if (l.found && !l.names.failed)
        status = tm_err_set(e, TIDEMILL_E_INPUT,
                            "the document is an object, not an array of records (input.at: %.*s "
                            "names an array inside)",
                            (int)l.names.n, l.names.p);
    else
        status = tm_err_set(e, TIDEMILL_E_INPUT,
                            "the document is an object, not an array of records (input.at can "
                            "name an array inside, as /items does)");
    tm_buf_release(&l.names);
    return status;
}
