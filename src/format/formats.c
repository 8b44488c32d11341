/*
 * The only list of formats, and finding in it. To add a format: a file that defines its row, a line
 * in formats.h and one here.
 */
#include "format/formats.h"

static const struct format *const formats[] = {
    &tm_format_csv,  &tm_format_tsv,  &tm_format_jsonl,
    &tm_format_json, &tm_format_text, &tm_format_table,
};

/* What may stand behind a format's extension: the compressions. */
static const char *const wrappings[] = {".gz", ".zst"};

const struct format *tm_format_at(size_t i)
{
    return i < sizeof formats / sizeof *formats ? formats[i] : NULL;
}

const struct format *tm_format_find(struct slice name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (slice_is(name, formats[i]->name))
            return formats[i];
    return NULL;
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

/* In any case, as "ORDERS.CSV" is common; the name before the extension must not be empty. */
static bool ends_with(struct slice path, const char *extension)
{
    size_t n = strlen(extension);
    if (path.n <= n || path.p[path.n - n - 1] == '/')
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(path.p[path.n - n + i]) != extension[i])
            return false;
    return true;
}

const struct format *tm_format_by_path(const char *path)
{
    struct slice name = slice_of(path);
    for (size_t i = 0; i < sizeof wrappings / sizeof *wrappings; i++)
        if (ends_with(name, wrappings[i])) {
            name.n -= strlen(wrappings[i]);
            break;
        }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (const char *const *x = formats[i]->extensions; x && *x; x++)
            if (ends_with(name, *x))
                return formats[i];
    return NULL;
}

bool tm_format_verbatim(const struct format *in, const struct input_dialect *id,
                        const struct format *out, const struct output_dialect *od)
{
    if (in != out)
        return false;
    return !in->has_columns || (id->delimiter == od->delimiter && id->quote == od->quote);
}
