/*
 * What no option can know alone. Values flow in, problems flow out; nothing is changed.
 */
#include "spec/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "format/format.h"
#include "spec/options.h"
#include "spec/problems.h"

/* A problem where `key` was given; one that the command line or the host set has no place. */
__attribute__((format(printf, 3, 4))) static void complain(struct spec *s, const char *key,
                                                           const char *format, ...)
{
    char message[512];
    va_list args;
    err e;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    tm_err_text(&e, TIDEMILL_E_SPEC, slice_of(message));
    tm_spec_locate(s, key, &e);
    tm_problem_add(s, &e);
}

/* Its value may be another than the file meant: the file has mistakes, perhaps this one. */
static bool unsure(const struct spec *s, const char *key, bool clean)
{
    return !clean && s->places[tm_option_find(slice_of(key)) - tm_options].line;
}

static void check_script(struct spec *s, bool clean)
{
    const struct {
        const char *key, *value;
    } forms[] = {{"transform.script", s->values.transform.script},
                 {"transform.inline", s->values.transform.inline_text},
                 {"transform.each", s->values.transform.each}};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].value && first)
            complain(s, forms[i].key, "'%s' and '%s' are both given (keep one of them)", first,
                     forms[i].key);
        if (forms[i].value && !first)
            first = forms[i].key;
    }
    if (!first && clean) {
        err e;
        tm_err_set(&e, TIDEMILL_E_SPEC,
                   "'transform.script' is missing: name a Lua file, or write 'transform.inline'");
        if (s->file)
            tm_err_at(&e, s->file, 0, 0);
        tm_problem_add(s, &e);
    }
}

static void check_batch(struct spec *s, bool clean)
{
    if (s->values.transform.batch_wait && !s->values.transform.batch &&
        !unsure(s, "transform.batch", clean))
        complain(s, "transform.batch_wait",
                 "'transform.batch_wait' needs 'transform.batch', the number of records");
    if (s->values.transform.each && s->values.transform.batch)
        complain(s, "transform.batch",
                 "'transform.batch' needs a script with a batch function, not 'transform.each'");
}

static void check_quarantine(struct spec *s, bool clean)
{
    bool wanted = s->values.errors.policy == POLICY_QUARANTINE;
    const char *path = s->values.errors.quarantine;
    if (wanted && !path && !unsure(s, "errors.quarantine", clean))
        complain(
            s, "errors.policy",
            "policy 'quarantine' needs 'errors.quarantine', the file that failed records go to");
    if (!wanted && path && !unsure(s, "errors.policy", clean))
        complain(s, "errors.quarantine",
                 "'errors.quarantine' is used only with 'errors.policy: quarantine'");
    if (path && strcmp(path, s->values.output.path) == 0)
        complain(s, "errors.quarantine", "'errors.quarantine' and 'output.path' are the same file");
}

/* The delimiter and quote in force: those of CSV where none are given. */
static void check_dialect(struct spec *s, const char *key, const char *delimiter, const char *quote)
{
    const char *d = delimiter ? delimiter : ",", *q = quote ? quote : "\"";
    if (*d == *q)
        complain(s, key, "delimiter and quote are both '%c'", *d);
}

static void check_tsv(struct spec *s, const char *format, const char *key, const char *value)
{
    if (format && value && strcmp(format, "tsv") == 0)
        complain(
            s, key,
            "'%s' is given, but fields of tsv are parted by tabs and never quoted (csv takes it)",
            key);
}

static void check_dialects(struct spec *s, bool clean)
{
    const struct spec_values *v = &s->values;
    const char *comment = v->input.comment;
    const char *quote = v->input.quote ? v->input.quote : "\"";
    (void)clean;
    check_dialect(s, v->input.delimiter ? "input.delimiter" : "input.quote", v->input.delimiter,
                  v->input.quote);
    check_dialect(s, v->output.delimiter ? "output.delimiter" : "output.quote", v->output.delimiter,
                  v->output.quote);
    check_tsv(s, v->input.format, "input.delimiter", v->input.delimiter);
    check_tsv(s, v->input.format, "input.quote", v->input.quote);
    check_tsv(s, v->output.format, "output.delimiter", v->output.delimiter);
    check_tsv(s, v->output.format, "output.quote", v->output.quote);
    if (strpbrk(comment, "\r\n"))
        complain(s, "input.comment", "'input.comment' contains a line end");
    if (*comment && *comment == *quote)
        complain(s, "input.comment", "'input.comment' begins with the quote");
}

/* Records are found in a file's own bytes: what they are found by must be the same in every encoding. */
static void check_encoding(struct spec *s, bool clean)
{
    const struct spec_values *v = &s->values;
    const struct {
        const char *key, *value;
    } marks[] = {{"input.delimiter", v->input.delimiter},
                 {"input.quote", v->input.quote},
                 {"input.comment", v->input.comment}};
    if (v->input.encoding == ENCODING_BYTES || unsure(s, "input.encoding", clean))
        return;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        for (const char *c = marks[i].value; c && *c; c++)
            if ((unsigned char)*c >= 0x80) {
                complain(s, marks[i].key, "'%s' must be ASCII when input.encoding is given",
                         marks[i].key);
                break;
            }
}

/* Parts of a name are found by it. */
static void check_separators(struct spec *s, bool clean)
{
    (void)clean;
    if (!*s->values.input.separator)
        complain(s, "input.separator", "'input.separator' is empty");
    if (!*s->values.output.separator)
        complain(s, "output.separator", "'output.separator' is empty");
}

/* RFC 6901 section 3. */
static void check_pointer(struct spec *s, bool clean)
{
    const char *at = s->values.input.at;
    struct slice shown = tm_shown(slice_of(at));
    (void)clean;
    if (*at && *at != '/')
        complain(s, "input.at", "'%.*s' is no JSON Pointer: it begins with '/', as /items does",
                 (int)shown.n, shown.p);
    for (const char *tilde = strchr(at, '~'); tilde; tilde = strchr(tilde + 1, '~'))
        if (tilde[1] != '0' && tilde[1] != '1') {
            complain(s, "input.at", "'%.*s' is no JSON Pointer: in names '~' is written ~0, '/' ~1",
                     (int)shown.n, shown.p);
            break;
        }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_columns(struct spec *s, bool clean)
{
    const struct spec_list *columns = &s->values.output.columns;
    (void)clean;
    if (columns->n < 2)
        return;
    char **sorted = tm_heap_new(columns->n * sizeof *sorted);
    if (!sorted) {
        s->out_of_memory = true;
        return;
    }
    memcpy(sorted, columns->items, columns->n * sizeof *sorted);
    qsort(sorted, columns->n, sizeof *sorted, by_name);
    for (size_t i = 1; i < columns->n; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            struct slice shown = tm_shown(slice_of(sorted[i]));
            complain(s, "output.columns", "column '%.*s' is listed twice", (int)shown.n, shown.p);
            break;
        }
    tm_heap_free(sorted);
}

void tm_spec_contradictions(struct spec *s)
{
    static void (*const checks[])(struct spec *, bool) = {
        check_script,   check_batch,      check_quarantine, check_dialects,
        check_encoding, check_separators, check_pointer,    check_columns};
    bool clean = s->problems_n == 0;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](s, clean);
}
