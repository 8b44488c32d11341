/*
 * A table from libyaml's texts to ours, and the look at the line that tells whether a bare value
 * should have been quoted.
 */
#include "spec/yaml_error.h"

#include "base/utf8.h"

/* The rows are tried in order; `context` and `problem` are beginnings of libyaml's texts. */
static const struct {
    const char *context, *problem, *text;
    bool opening; /* the place is where the context began */
} texts[] = {
    {"while scanning a quoted scalar", "found unexpected end of stream",
     "the quote is never closed", true},
    {"while scanning a quoted scalar", "found unexpected document indicator",
     "the quote is not closed before the end of the document", true},
    {"while parsing a quoted scalar", "found unknown escape character",
     "unknown escape in double quotes (write \\\\ for a backslash, or use single quotes)", false},
    {"while parsing a quoted scalar", "did not find expected hexdecimal number",
     "bad escape in double quotes: expected hexadecimal digits", false},
    {"while parsing a quoted scalar", "found invalid Unicode character escape code",
     "bad escape in double quotes: not a Unicode character", false},
    {"while scanning an alias", "", "'*' cannot begin a bare value", false},
    {"while scanning an anchor", "", "'&' cannot begin a bare value", false},
    {"while scanning a tag", "", "'!' cannot begin a bare value", false},
    {"while parsing a tag", "", "'!' cannot begin a bare value", false},
    {"while scanning a %TAG", "", "'%' cannot begin a line", false},
    {"while scanning a directive", "", "'%' cannot begin a line", false},
    {"while parsing a node", "found undefined tag handle", "'!' cannot begin a bare value", false},
    {"while parsing a flow sequence", "", "expected ',' or ']' in the list", false},
    {"while parsing a flow mapping", "", "expected ',' or '}' in the mapping", false},
    {"while parsing a block mapping", "did not find expected key",
     "expected a key at this indentation", false},
    {"while parsing a block collection", "did not find expected '-' indicator",
     "expected another '- ' item at this indentation", false},
    {"while scanning a simple key", "could not find expected ':'", "expected ':' after the key",
     true},
    {"while scanning a block scalar", "found a tab", "a tab cannot indent (use spaces)", false},
    {"", "mapping values are not allowed",
     "unexpected ':' (quote a value that contains ': ', or check the indentation)", false},
    {"", "block sequence entries are not allowed",
     "unexpected '- ' (a list begins on a line of its own)", false},
    {"", "found a tab character", "a tab cannot indent (use spaces)", false},
    {"", "did not find expected <document start>",
     "expected the end of the file (a job file is one mapping)", false},
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text ? text : "", with, strlen(with)) == 0;
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

/* The first byte of the line's value: behind `- ` and `key: `. '\0' when there is none. */
static char value_start(struct slice text, size_t offset)
{
    size_t i = offset < text.n ? offset : text.n;
    while (i > 0 && text.p[i - 1] != '\n')
        i--;
    for (size_t j = i; j < text.n && text.p[j] != '\n'; j++) {
        if (text.p[j] == ' ' && j > i && (text.p[j - 1] == ':' || text.p[j - 1] == '-'))
            i = j + 1;
        if (i == j + 1 && j + 1 < text.n && !strchr(" -", text.p[j + 1]))
            break;
    }
    while (i < text.n && text.p[i] == ' ')
        i++;
    return i < text.n ? text.p[i] : '\0';
}

/* A character that means something to YAML, at the place or where the line's value begins. */
static char special(struct slice text, size_t offset)
{
    static const char marks[] = "*&!%@`{[";
    char here = offset < text.n ? text.p[offset] : '\0';
    char start = value_start(text, offset);
    if (here == '@' || here == '`' || here == '%')
        return here;
    return start && strchr(marks, start) ? start : '\0';
}

void tm_yaml_explain(const struct job_text *t, const yaml_parser_t *parser)
{
    const char *text = NULL;
    bool opening = false;
    if (parser->error == YAML_MEMORY_ERROR) {
        t->spec->out_of_memory = true;
        return;
    }
    for (size_t i = 0; !text && i < sizeof texts / sizeof *texts; i++)
        if (begins(parser->context, texts[i].context) &&
            begins(parser->problem, texts[i].problem)) {
            text = texts[i].text;
            opening = texts[i].opening;
        }
    size_t at = opening ? parser->context_mark.index : parser->problem_mark.index;
    size_t offset = offset_of(t->bytes, at);
    char mark = special(t->bytes, offset);
    if (!text && begins(parser->problem, "found character that cannot start any token") &&
        offset < t->bytes.n && t->bytes.p[offset] == '\t')
        tm_problem_at(t, at, "a tab cannot indent (use spaces)");
    else if (!text && mark)
        tm_problem_at(t, at, "'%c' cannot begin a bare value (quote the value)", mark);
    else if (text && mark && !opening && !strchr(text, '('))
        tm_problem_at(t, at, "%s (quote a value that begins with '%c')", text, mark);
    else
        tm_problem_at(t, at, "%s", text ? text : parser->problem ? parser->problem : "not YAML");
}
