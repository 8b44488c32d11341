/*
 * What looks wrong in a script that compiles. One check so far: a field compared with a text that a
 * CSV cell would never be, as it reads as a number: r.status == "200".
 *
 * A lexer walks over the text; names that are the first parameter of a function (and r) are taken
 * for records. It knows comments and strings, and no grammar beyond that.
 */
#include <stdio.h>

#include "base/number.h"
#include "script/state.h"

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_TEXT, TOKEN_SIGN };

struct token {
    enum token_kind kind;
    uint32_t line;
    struct slice text; /* of TOKEN_TEXT: between the quotes, escapes as they are */
};

enum { WINDOW = 8, NAMES = 16 };

struct lexer {
    const char *p, *end;
    uint32_t line;
    struct slice names[NAMES]; /* what records are called */
    unsigned names_n;
    struct token last[WINDOW]; /* the newest at 0 */
};

/* ---- tokens ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

static char peek(const struct lexer *l, size_t ahead)
{
    if ((size_t)(l->end - l->p) <= ahead)
        return '\0';
    return l->p[ahead];
}

/* Pass `n` bytes, counting lines. */
static void pass(struct lexer *l, size_t n)
{
    for (; n > 0 && l->p < l->end; n--)
        l->line += *l->p++ == '\n';
}

/* At a `[`: the number of `=` in a long bracket `[==[`, or -1. */
static int long_bracket(const struct lexer *l)
{
    size_t n = 1;
    while (peek(l, n) == '=')
        n++;
    return peek(l, n) == '[' ? (int)n - 1 : -1;
}

/* Pass a long string or comment; the text inside. */
static struct slice pass_long(struct lexer *l, int level)
{
    pass(l, (size_t)level + 2);
    const char *start = l->p;
    for (; l->p < l->end; pass(l, 1)) {
        size_t n = 1;
        while (*l->p == ']' && peek(l, n) == '=')
            n++;
        if (*l->p == ']' && n == (size_t)level + 1 && peek(l, n) == ']') {
            struct slice text = {start, (size_t)(l->p - start)};
            pass(l, n + 1);
            return text;
        }
    }
    return (struct slice){start, (size_t)(l->p - start)};
}

static void pass_comment(struct lexer *l)
{
    pass(l, 2);
    int level = peek(l, 0) == '[' ? long_bracket(l) : -1;
    if (level >= 0)
        pass_long(l, level);
    else
        while (l->p < l->end && *l->p != '\n')
            pass(l, 1);
}

static struct slice pass_quoted(struct lexer *l)
{
    char quote = *l->p;
    pass(l, 1);
    const char *start = l->p;
    while (l->p < l->end && *l->p != quote && *l->p != '\n')
        pass(l, *l->p == '\\' ? 2 : 1);
    struct slice text = {start, (size_t)(l->p - start)};
    pass(l, 1);
    return text;
}

/* Signs that are more than one byte and matter here. */
static size_t sign_length(const struct lexer *l)
{
    static const char *const signs[] = {"...", "==", "~=", "<=", ">=", "..", "//", "::"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i]);
        if ((size_t)(l->end - l->p) >= n && memcmp(l->p, signs[i], n) == 0)
            return n;
    }
    return 1;
}

static struct token next(struct lexer *l)
{
    for (;; pass(l, 1)) {
        while (peek(l, 0) == '-' && peek(l, 1) == '-')
            pass_comment(l);
        if (l->p == l->end || !strchr(" \t\r\n\f\v", *l->p))
            break;
    }
    struct token t = {TOKEN_END, l->line, {l->p, 0}};
    if (l->p == l->end)
        return t;
    int level = *l->p == '[' ? long_bracket(l) : -1;
    if (level >= 0 || *l->p == '"' || *l->p == '\'') {
        t.kind = TOKEN_TEXT;
        t.text = level >= 0 ? pass_long(l, level) : pass_quoted(l);
        return t;
    }
    t.kind = is_name(*l->p) ? TOKEN_NAME : TOKEN_SIGN;
    size_t n = t.kind == TOKEN_SIGN ? sign_length(l) : 0;
    while (t.kind == TOKEN_NAME && is_name(peek(l, n)))
        n++;
    t.text.n = n;
    pass(l, n);
    return t;
}

/* ---- the check ---- */

static bool is(const struct token *t, const char *text)
{
    return t->kind != TOKEN_TEXT && slice_is(t->text, text);
}

static bool is_record(const struct lexer *l, const struct token *t)
{
    for (unsigned i = 0; t->kind == TOKEN_NAME && i < l->names_n; i++)
        if (slice_eq(l->names[i], t->text))
            return true;
    return false;
}

static bool is_comparison(const struct token *t)
{
    return is(t, "==") || is(t, "~=");
}

static bool is_cell_number(const struct token *t)
{
    int64_t i;
    double d;
    return t->kind == TOKEN_TEXT && tm_number_cell(t->text, &i, &d) != NUMBER_NONE;
}

/* Is `t` a sign that binds its neighbours closer than a comparison does? */
static bool binds(const struct token *t)
{
    static const char *const signs[] = {".", ":", "..", "+", "-", "*", "/",  "//",
                                        "%", "^", "#",  "&", "|", "~", "not"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (is(t, signs[i]))
            return true;
    return false;
}

/* Does `t` go on with what stands before it: a call, an index, a method? */
static bool continues(const struct token *t)
{
    return binds(t) || t->kind == TOKEN_TEXT || is(t, "(") || is(t, "[") || is(t, "{");
}

/* Is `t` what a string literal behind it is the argument of: f"1"? */
static bool calls(const struct token *t)
{
    static const char *const keywords[] = {"and", "or", "return", "if", "elseif", "while", "until"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (is(t, keywords[i]))
            return false;
    return t->kind == TOKEN_NAME || t->kind == TOKEN_TEXT || is(t, ")") || is(t, "]");
}

/*
 * The field that tokens `newest` and older end: its name, with the number of tokens in *n; or NULL.
 * r.name is three tokens, r["name"] four.
 */
static const struct token *field_at(const struct lexer *l, unsigned newest, unsigned *n)
{
    const struct token *t = &l->last[newest];
    *n = 3;
    if (t[0].kind == TOKEN_NAME && is(&t[1], ".") && is_record(l, &t[2]))
        return &t[0];
    *n = 4;
    if (is(&t[0], "]") && t[1].kind == TOKEN_TEXT && is(&t[2], "[") && is_record(l, &t[3]))
        return &t[1];
    return NULL;
}

static void warn(const struct script_config *c, const struct script_host *host,
                 const struct token *field, const struct token *sign, const struct token *literal)
{
    char text[512];
    if (c->is_text && c->is_text(c->types, field->text))
        return;
    int n = snprintf(text, sizeof text,
                     "%s:%u: the comparison of field '%.*s' with \"%.*s\" is always %s where the "
                     "cell reads as a number: compare with %.*s, or set input.types",
                     c->chunk_name, literal->line, (int)field->text.n, field->text.p,
                     (int)literal->text.n, literal->text.p, is(sign, "==") ? "false" : "true",
                     (int)literal->text.n, literal->text.p);
    if (n > 0 && (size_t)n < sizeof text)
        host->log(host->data, TIDEMILL_LOG_WARNING, (struct slice){text, (size_t)n});
}

/* Look at the tokens before the newest, which ends what is compared. */
static void look(const struct lexer *l, const struct script_config *c,
                 const struct script_host *host)
{
    const struct token *t = l->last, *field;
    unsigned n;
    /* t[0] follows; FIELD == "1" */
    if (is_cell_number(&t[1]) && is_comparison(&t[2]) && (field = field_at(l, 3, &n)) &&
        !continues(&t[0]) && !binds(&t[3 + n]))
        warn(c, host, field, &t[2], &t[1]);
    /* "1" == FIELD */
    if ((field = field_at(l, 1, &n)) && !continues(&t[0]) && is_comparison(&t[1 + n]) &&
        is_cell_number(&t[2 + n]) && !binds(&t[3 + n]) && !calls(&t[3 + n]))
        warn(c, host, field, &t[1 + n], &t[2 + n]);
}

/* `function NAME... ( FIRST`: what its first parameter is called is a record. */
static void note_parameter(struct lexer *l)
{
    const struct token *t = l->last;
    unsigned i = 2;
    if (t[0].kind != TOKEN_NAME || !is(&t[1], "(") || l->names_n == NAMES)
        return;
    while (i < WINDOW - 1 && (t[i].kind == TOKEN_NAME || is(&t[i], ".") || is(&t[i], ":")) &&
           !is(&t[i], "function"))
        i++;
    if (is(&t[i], "function"))
        l->names[l->names_n++] = t[0].text;
}

void tm_script_lint(const struct script_config *c, const struct script_host *host)
{
    struct lexer l = {.p = c->text.p,
                      .end = c->text.p + c->text.n,
                      .line = c->first_line ? c->first_line : 1,
                      .names = {SLICE("r")},
                      .names_n = 1};
    do {
        memmove(l.last + 1, l.last, sizeof l.last - sizeof *l.last);
        l.last[0] = next(&l);
        note_parameter(&l);
        look(&l, c, host);
    } while (l.last[0].kind != TOKEN_END);
}
