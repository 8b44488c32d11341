/*
 * The format tsv: its row of the list, and what escapes mean. All else is CSV's (csv.h): cells flow
 * from there to here with their escapes, and back without them.
 *
 * IANA's text/tab-separated-values knows no way to write a tab or a line end in a field. The escapes
 * that others read and write are taken: \t, \n, \r and \\. A backslash before any other byte is a
 * backslash; what is written anew has it doubled, so that every reader of escapes reads it back.
 */
#include "format/csv.h"
#include "format/formats.h"

/* What stands for a byte behind the backslash; '\0': nothing. */
static char escape_of(char c)
{
    switch (c) {
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\\':
        return '\\';
    default:
        return '\0';
    }
}

/* The byte that an escape stands for; '\0': it is none. */
static char escaped_by(char c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case '\\':
        return '\\';
    default:
        return '\0';
    }
}

struct slice tm_tsv_content(struct slice raw, struct arena *arena)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    char *out = arena_alloc(arena, raw.n);
    size_t n = 0;
    if (!out)
        return (struct slice){NULL, 0};
    while (p < end) {
        char byte = *p == '\\' && p + 1 < end ? escaped_by(p[1]) : '\0';
        out[n++] = byte ? byte : *p;
        p += byte ? 2 : 1;
    }
    return (struct slice){out, n};
}

void tm_tsv_put(struct buf *out, struct slice text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++) {
        char escape = escape_of(text.p[i]);
        if (!escape)
            continue;
        buf_append(out, text.p + from, i - from);
        buf_byte(out, '\\');
        buf_byte(out, escape);
        from = i + 1;
    }
    if (from < text.n)
        buf_append(out, text.p + from, text.n - from);
}

static const char *const extensions[] = {".tsv", ".tab", NULL};

const struct format tm_format_tsv = {
    .name = "tsv",
    .extensions = extensions,
    .help = "tab-separated values, a record a line; \\t, \\n, \\r and \\\\ stand for these bytes",
    .delimiter = '\t',
    .escapes = true,
    .has_columns = true,
    .line_records = true,
    .split = tm_csv_split,
    .run = tm_csv_run,
    .header = tm_csv_header,
    .reader_new = tm_csv_reader_new,
    .reader_free = tm_csv_reader_free,
    .begin = tm_csv_reader_begin,
    .parse = tm_csv_parse,
    .writer_new = tm_csv_writer_new,
    .writer_free = tm_csv_writer_free,
    .verbatim = tm_csv_verbatim,
    .write = tm_csv_write,
    .layout = tm_csv_layout,
    .fix_columns = tm_csv_fix_columns,
    .finish_new = tm_csv_finish_new,
    .finish_free = tm_csv_finish_free,
    .finish_begin = tm_csv_finish_begin,
    .relayout = tm_csv_relayout,
};
