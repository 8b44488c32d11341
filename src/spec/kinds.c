/*
 * What the types of options mean: text to a field and back. Lists and mappings are in lists.c.
 * Text flows in and is never kept; what a field points to is the arena's.
 */
#include <inttypes.h>
#include <stdio.h>

#include "format/format.h"
#include "spec/lists.h"
#include "spec/options.h"
#include "spec/params.h"
#include "spec/quantity.h"
#include "spec/suggest.h"

#define SHOWN 100

struct slice tm_shown(struct slice text)
{
    if (text.n <= SHOWN)
        return text;
    size_t n = SHOWN;
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return (struct slice){text.p, n};
}

int tm_string_copy(struct arena *a, struct slice text, char **out, err *e)
{
    if (text.n && memchr(text.p, 0, text.n))
        return tm_err_set(e, TIDEMILL_E_SPEC, "a NUL byte cannot stand here");
    char *copy = arena_alloc(a, text.n + 1);
    if (!copy)
        return tm_err_memory(e, "");
    if (text.n)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *out = copy;
    return TIDEMILL_OK;
}

/* "a whole number or auto", "fail, skip or quarantine". */
static void describe(const struct option *o, char *out, size_t size)
{
    const char *kind = tm_option_kinds[o->type].expected;
    size_t used = 0;
    int n = snprintf(out, size, "%s", kind ? kind : "");
    for (const struct option_word *w = o->words; n >= 0 && w && w->name; w++) {
        used += (size_t)n;
        if (used >= size)
            return;
        const char *glue = used == 0 ? "" : w[1].name ? ", " : " or ";
        n = snprintf(out + used, size - used, "%s%s", glue, w->name);
    }
}

int tm_option_expected(const struct option *o, const char *got, err *e)
{
    char what[256];
    describe(o, what, sizeof what);
    return tm_err_set(e, TIDEMILL_E_SPEC, "expected %s, got %s", what, got);
}

/* The same for a text, with the word that it may have been meant to be. */
static int unexpected(const struct option *o, struct slice text, err *e)
{
    char what[256];
    struct suggestion near = {0};
    struct slice shown = tm_shown(text);
    describe(o, what, sizeof what);
    for (const struct option_word *w = o->words; w && w->name; w++)
        tm_suggest(&near, text, slice_of(w->name), slice_of(w->name));
    if (near.best.n)
        return tm_err_set(e, TIDEMILL_E_SPEC, "expected %s, got '%.*s' (did you mean '%.*s'?)",
                          what, (int)shown.n, shown.p, (int)near.best.n, near.best.p);
    return tm_err_set(e, TIDEMILL_E_SPEC, "expected %s, got '%.*s'", what, (int)shown.n, shown.p);
}

static const struct option_word *find_word(const struct option *o, struct slice text)
{
    for (const struct option_word *w = o->words; w && w->name; w++)
        if (slice_is(text, w->name))
            return w;
    return NULL;
}

static int parse_bool(const struct option *o, void *field, struct slice text, struct arena *a,
                      err *e)
{
    (void)a;
    if (!slice_is(text, "true") && !slice_is(text, "false"))
        return unexpected(o, text, e);
    *(bool *)field = slice_is(text, "true");
    return TIDEMILL_OK;
}

static void print_bool(const struct option *o, const void *field, struct buf *out)
{
    (void)o;
    buf_slice(out, slice_of(*(const bool *)field ? "true" : "false"));
}

static uint64_t load_number(const struct option *o, const void *field)
{
    return o->width == sizeof(uint32_t) ? *(const uint32_t *)field : *(const uint64_t *)field;
}

static void store_number(const struct option *o, void *field, uint64_t v)
{
    if (o->width == sizeof(uint32_t))
        *(uint32_t *)field = (uint32_t)v;
    else
        *(uint64_t *)field = v;
}

static int take_number(const struct option *o, void *field, struct slice text, uint64_t v, err *e)
{
    struct slice shown = tm_shown(text);
    if (v < o->min || v > o->max)
        return tm_err_set(e, TIDEMILL_E_SPEC, "'%.*s' is out of range (%s)", (int)shown.n, shown.p,
                          o->accepts);
    store_number(o, field, v);
    return TIDEMILL_OK;
}

static int parse_count(const struct option *o, void *field, struct slice text, struct arena *a,
                       err *e)
{
    const struct option_word *word = find_word(o, text);
    uint64_t v;
    (void)a;
    if (word)
        store_number(o, field, word->value);
    else if (tm_count_read(text, &v))
        return take_number(o, field, text, v, e);
    else
        return unexpected(o, text, e);
    return TIDEMILL_OK;
}

static int parse_quantity(const struct option *o, void *field, struct slice text, struct arena *a,
                          err *e)
{
    enum quantity q = o->type == OPTION_SIZE ? QUANTITY_SIZE : QUANTITY_DURATION;
    const struct option_word *word = find_word(o, text);
    uint64_t v;
    (void)a;
    if (word) {
        store_number(o, field, word->value);
        return TIDEMILL_OK;
    }
    int status = tm_quantity_read(q, text, &v, e);
    if (status == QUANTITY_NOT_A_NUMBER)
        return unexpected(o, text, e);
    return status ? status : take_number(o, field, text, v, e);
}

static void print_number(const struct option *o, const void *field, struct buf *out)
{
    uint64_t v = load_number(o, field);
    for (const struct option_word *w = o->words; w && w->name; w++)
        if (w->value == v) {
            buf_slice(out, slice_of(w->name));
            return;
        }
    if (o->type == OPTION_COUNT)
        tm_buf_printf(out, "%" PRIu64, v);
    else
        tm_quantity_print(o->type == OPTION_SIZE ? QUANTITY_SIZE : QUANTITY_DURATION, v, out);
}

static int parse_choice(const struct option *o, void *field, struct slice text, struct arena *a,
                        err *e)
{
    const struct option_word *word = find_word(o, text);
    (void)a;
    if (!word)
        return unexpected(o, text, e);
    *(int *)field = (int)word->value;
    return TIDEMILL_OK;
}

static void print_choice(const struct option *o, const void *field, struct buf *out)
{
    for (const struct option_word *w = o->words; w->name; w++)
        if ((int)w->value == *(const int *)field)
            buf_slice(out, slice_of(w->name));
}

static int parse_string(const struct option *o, void *field, struct slice text, struct arena *a,
                        err *e)
{
    if (o->absent && slice_is(text, o->absent)) {
        *(char **)field = NULL;
        return TIDEMILL_OK;
    }
    return tm_string_copy(a, text, field, e);
}

static void print_string(const struct option *o, const void *field, struct buf *out)
{
    const char *text = *(char *const *)field;
    buf_slice(out, slice_of(text ? text : o->absent));
}

static int parse_path(const struct option *o, void *field, struct slice text, struct arena *a,
                      err *e)
{
    if (text.n == 0 && !o->absent)
        return tm_err_set(e, TIDEMILL_E_SPEC, "the path is empty");
    return parse_string(o, field, text, a, e);
}

/* Can `f` do what the option is for? */
static bool serves(const struct option *o, const struct format *f)
{
    return o->type == OPTION_INPUT_FORMAT ? f->split != NULL : f->write != NULL;
}

static int unknown_format(const struct option *o, struct slice text, err *e)
{
    struct suggestion near = {0};
    struct slice shown = tm_shown(text);
    char known[256] = "";
    const struct format *f;
    for (size_t i = 0, used = 0; (f = tm_format_at(i)); i++) {
        if (!serves(o, f) || used >= sizeof known)
            continue;
        tm_suggest(&near, text, slice_of(f->name), slice_of(f->name));
        int n = snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", f->name);
        used += n < 0 ? 0 : (size_t)n;
    }
    if (near.best.n)
        return tm_err_set(e, TIDEMILL_E_SPEC, "unknown format '%.*s' (did you mean '%.*s'?)",
                          (int)shown.n, shown.p, (int)near.best.n, near.best.p);
    return tm_err_set(e, TIDEMILL_E_SPEC, "unknown format '%.*s' (known are %s)", (int)shown.n,
                      shown.p, known);
}

static int parse_format(const struct option *o, void *field, struct slice text, struct arena *a,
                        err *e)
{
    const struct format *f = tm_format_find(text);
    if (slice_is(text, o->absent))
        return parse_string(o, field, text, a, e);
    if (!f)
        return unknown_format(o, text, e);
    if (!serves(o, f))
        return tm_err_set(e, TIDEMILL_E_SPEC, "format '%s' is for %s only", f->name,
                          o->type == OPTION_INPUT_FORMAT ? "output" : "input");
    return parse_string(o, field, text, a, e);
}

/* `tab`, and \t as a shell passes it on, beside the character itself. */
static int parse_byte(const struct option *o, void *field, struct slice text, struct arena *a,
                      err *e)
{
    struct slice c = slice_is(text, "tab") || slice_is(text, "\\t") ? SLICE("\t") : text;
    if (slice_is(text, o->absent))
        return parse_string(o, field, text, a, e);
    if (find_word(o, text) || (text.n == 0 && o->words))
        return tm_string_copy(a, SLICE(""), field, e);
    if (c.n != 1 || (unsigned char)*c.p >= 0x7f)
        return unexpected(o, text, e);
    if ((unsigned char)*c.p < 0x20 && *c.p != '\t')
        return tm_err_set(e, TIDEMILL_E_SPEC, "a control character cannot stand here");
    return tm_string_copy(a, c, field, e);
}

static void print_byte(const struct option *o, const void *field, struct buf *out)
{
    const char *text = *(char *const *)field;
    if (text && strcmp(text, "\t") == 0)
        buf_slice(out, SLICE("tab"));
    else if (text && !*text)
        buf_slice(out, SLICE("none"));
    else
        print_string(o, field, out);
}

static int parse_params(const struct option *o, void *field, struct slice text, struct arena *a,
                        err *e)
{
    (void)o;
    return tm_params_read(a, text, field, e);
}

#define TEXT_SCHEMA "{\"type\": \"string\"}"

const struct option_kind tm_option_kinds[OPTION_TYPES_N] = {
    [OPTION_BOOL] = {"bool", "true or false", TAKES_SCALAR, true, true, "{\"type\": \"boolean\"}",
                     parse_bool, print_bool},
    [OPTION_COUNT] = {"count", "a whole number", TAKES_SCALAR, true, true, NULL, parse_count,
                      print_number},
    [OPTION_SIZE] = {"size", "a size such as 256KiB", TAKES_SCALAR, true, true,
                     "{\"$ref\": \"#/$defs/size\"}", parse_quantity, print_number},
    [OPTION_DURATION] = {"duration", "a time such as 5s or 100ms", TAKES_SCALAR, true, true,
                         "{\"$ref\": \"#/$defs/duration\"}", parse_quantity, print_number},
    [OPTION_CHOICE] = {"choice", NULL, TAKES_SCALAR, true, true, NULL, parse_choice, print_choice},
    [OPTION_INPUT_FORMAT] = {"format", "a format's name", TAKES_SCALAR, true, false, NULL,
                             parse_format, print_string},
    [OPTION_OUTPUT_FORMAT] = {"format", "a format's name", TAKES_SCALAR, true, false, NULL,
                              parse_format, print_string},
    [OPTION_BYTE] = {"character", "one ASCII character such as ; or tab", TAKES_SCALAR, true, true,
                     TEXT_SCHEMA, parse_byte, print_byte},
    [OPTION_STRING] = {"text", "text", TAKES_SCALAR, true, true, TEXT_SCHEMA, parse_string,
                       print_string},
    [OPTION_CODE] = {"code", "Lua code", TAKES_SCALAR, false, false, TEXT_SCHEMA, parse_string,
                     print_string},
    [OPTION_PATH] = {"path", "a path", TAKES_SCALAR, true, false, TEXT_SCHEMA, parse_path,
                     print_string},
    [OPTION_PATHS] = {"paths", "a path or a list of paths", TAKES_SCALAR | TAKES_LIST, true, false,
                      "{\"$ref\": \"#/$defs/texts\"}", tm_paths_parse, tm_list_print},
    [OPTION_STRINGS] = {"list", "a list of names", TAKES_SCALAR | TAKES_LIST, true, false,
                        "{\"$ref\": \"#/$defs/texts\"}", tm_strings_parse, tm_list_print},
    [OPTION_TYPES] = {"types", "auto, text or a mapping of columns to these",
                      TAKES_SCALAR | TAKES_MAP, true, true, "{\"$ref\": \"#/$defs/types\"}",
                      tm_types_parse, tm_types_print},
    [OPTION_PARAMS] = {"mapping", "a mapping of names to values", TAKES_MAP, false, true,
                       "{\"type\": \"object\"}", parse_params, print_string},
};

int tm_option_parse(const struct option *o, struct spec_values *v, struct slice text,
                    struct arena *a, err *e)
{
    return tm_option_kinds[o->type].parse(o, option_field(o, v), text, a, e);
}

void tm_option_print(const struct option *o, const struct spec_values *v, struct buf *out)
{
    tm_option_kinds[o->type].print(o, option_peek(o, v), out);
}
