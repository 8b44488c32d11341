/*
 * A table from libyaml's texts to ours, and the look at the line that tells whether a bare value
 * should have been quoted.
 */
#include "spec/yaml_error.h"

#include <stdio.h>

struct row {
    const char *context, *problem; /* beginnings of libyaml's texts; "" fits all */
    const char *text, *hint;       /* ours; hint NULL: from what the line looks like */
    bool opening;                  /* the place is where the context began */
};

#define ESCAPE_HINT "write \\\\ for a backslash, or use single quotes"

/* Tried in order. */
static const struct row rows[] = {
    {"while scanning a quoted scalar", "found unexpected end of stream",
     "the quote is never closed", "", true},
    {"while scanning a quoted scalar", "", "the quote is not closed", "", true},
    {"while parsing a quoted scalar", "found unknown escape character",
     "unknown escape in double quotes", ESCAPE_HINT, false},
    {"while parsing a quoted scalar", "", "bad escape in double quotes", ESCAPE_HINT, false},
    {"while scanning an alias", "", "'*' cannot begin a bare value", NULL, false},
    {"while scanning an anchor", "", "'&' cannot begin a bare value", NULL, false},
    {"while scanning a tag", "", "'!' cannot begin a bare value", NULL, false},
    {"while parsing a tag", "", "'!' cannot begin a bare value", NULL, false},
    {"while parsing a node", "", "'!' cannot begin a bare value", NULL, false},
    {"while scanning a %TAG", "", "'%' cannot begin a line", NULL, false},
    {"while parsing a %TAG", "", "'%' cannot begin a line", NULL, false},
    {"while scanning a directive", "", "'%' cannot begin a line", NULL, false},
    {"while parsing a flow sequence", "", "expected ',' or ']' in the list", NULL, false},
    {"while parsing a flow mapping", "", "expected ',' or '}' in the mapping", NULL, false},
    {"while parsing a flow node", "", "expected a value or a closing bracket", NULL, false},
    {"while parsing a block node", "", "expected a value", NULL, false},
    {"while parsing a block mapping", "", "expected a key at this indentation", NULL, false},
    {"while parsing a block collection", "", "expected another '- ' item at this indentation", NULL,
     false},
    {"while scanning a simple key", "", "expected ':' after the key", NULL, true},
    {"while scanning a block scalar", "found a tab", "a tab cannot indent", "use spaces", false},
    {"while scanning a block scalar", "", "expected the text on the lines after | or >", NULL,
     false},
    {"", "mapping values are not allowed", "unexpected ':'",
     "quote a value that contains ': ', or check the indentation", false},
    {"", "block sequence entries are not allowed", "unexpected '- '",
     "a list begins on a line of its own", false},
    {"", "found a tab character", "a tab cannot indent", "use spaces", false},
    {"", "did not find expected <document start>", "expected the end of the file",
     "a job file is one mapping", false},
};

static const struct row tab_row = {"", "", "a tab cannot indent", "use spaces", false};

static bool begins(const char *text, const char *with)
{
    return strncmp(text ? text : "", with, strlen(with)) == 0;
}

static char byte_at(struct slice s, size_t i)
{
    if (i < s.n)
        return s.p[i];
    return '\0';
}

/* The byte offset of a character. */
static size_t offset_of(struct slice s, size_t at)
{
    size_t i = 0;
    for (size_t characters = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80 && characters++ == at)
            break;
    return i;
}

/* The first byte of the value on the place's line: behind `- ` and `key: `. '\0': there is none. */
static char value_start(struct slice text, size_t offset)
{
    size_t start = offset < text.n ? offset : text.n;
    while (start > 0 && text.p[start - 1] != '\n')
        start--;
    struct slice line = {text.p + start, text.n - start};
    const char *end = memchr(line.p, '\n', line.n);
    line.n = end ? (size_t)(end - line.p) : line.n;
    const char *colon = memmem(line.p, line.n, ": ", 2);
    size_t i = colon ? (size_t)(colon - line.p) + 2 : 0;
    while (i < line.n && (line.p[i] == ' ' || line.p[i] == '-'))
        i++;
    return byte_at(line, i);
}

static const struct row *find_row(const yaml_parser_t *parser)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (begins(parser->context, rows[i].context) && begins(parser->problem, rows[i].problem))
            return &rows[i];
    return NULL;
}

/* What the place looks like, where no row knows better; "" for nothing. */
static void look(const struct job_text *t, const yaml_parser_t *parser, const struct row *row,
                 size_t offset, char *hint, size_t size)
{
    struct slice text = t->bytes;
    /* In {path: *.csv} the value is not the first thing after `key: `; the text names the byte. */
    char mark = row && *row->text == '\'' ? row->text[1] : value_start(text, offset);
    uint64_t line = tm_place(t, parser->context_mark.index).line;
    bool flow = begins(parser->context, "while parsing a flow ");
    *hint = '\0';
    if (offset > 0 && offset < text.n && memcmp(text.p + offset - 1, "${", 2) == 0)
        snprintf(hint, size, "quote a value that contains '${'");
    else if (flow && line != tm_place(t, parser->problem_mark.index).line)
        snprintf(hint, size, "it begins on line %llu", (unsigned long long)line);
    else if (mark && strchr("*&!%@`{[", mark))
        snprintf(hint, size, "quote a value that begins with '%c'", mark);
}

void tm_yaml_explain(const struct job_text *t, const yaml_parser_t *parser)
{
    const struct row *row = find_row(parser);
    char text[128], seen[64];
    if (parser->error == YAML_MEMORY_ERROR) {
        t->spec->out_of_memory = true;
        return;
    }
    size_t at = row && row->opening ? parser->context_mark.index : parser->problem_mark.index;
    size_t offset = offset_of(t->bytes, at);
    char here = byte_at(t->bytes, offset);
    bool stray = begins(parser->problem, "found character that cannot start any token");
    if (stray && here == '\t')
        row = &tab_row;
    if (row)
        snprintf(text, sizeof text, "%s", row->text);
    else if (stray)
        snprintf(text, sizeof text, "'%c' cannot begin a bare value", here);
    else
        snprintf(text, sizeof text, "not YAML: %s", parser->problem ? parser->problem : "unknown");
    look(t, parser, row, offset, seen, sizeof seen);
    const char *hint = row && row->hint ? row->hint : stray ? "quote the value" : seen;
    tm_problem_at(t, at, "%s%s%s%s", text, *hint ? " (" : "", hint, *hint ? ")" : "");
}
