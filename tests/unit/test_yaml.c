/*
 * Job files as YAML: what is refused, with its place and words, and what passes, as a tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "spec/yaml.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* The tree in one line: [a, b], {k=v}, quoted text in '', a literal block in ||. */
static void draw(const struct yaml_node *node, struct buf *out)
{
    static const char *const marks[] = {"", "'", "|", ">"};
    if (!node)
        return;
    if (node->kind == YAML_TEXT) {
        buf_slice(out, slice_of(marks[node->style]));
        buf_slice(out, node->text);
        buf_slice(out, slice_of(marks[node->style]));
        return;
    }
    buf_byte(out, node->kind == YAML_MAP ? '{' : '[');
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        if (child != node->first)
            buf_slice(out, SLICE(", "));
        if (child->key) {
            buf_slice(out, child->key->text);
            buf_byte(out, '=');
        }
        draw(child, out);
    }
    buf_byte(out, node->kind == YAML_MAP ? '}' : ']');
}

/* The tree drawn, or the problems, a line each. */
static void read_text(struct slice text, struct buf *out)
{
    struct spec s;
    struct arena arena;
    struct yaml_node *root;
    char line[4096];
    assert_int_equal(tm_spec_init(&s), TIDEMILL_OK);
    tm_arena_init(&arena);
    struct job_text t = {&s, text, "j"};
    tm_yaml_read(&t, &arena, &root);
    assert_false(s.out_of_memory);
    if (s.problems_n == 0)
        draw(root, out);
    for (size_t i = 0; i < s.problems_n; i++) {
        tidemill_error_text(&s.problems[i], line, sizeof line);
        tm_buf_printf(out, "%s%s", i ? "\n" : "", line);
    }
    buf_byte(out, '\0');
    tm_arena_release(&arena);
    tm_spec_release(&s);
}

struct row {
    struct slice text;
    const char *expected;
};

static void check_rows(const struct row *rows, size_t n)
{
    struct buf out;
    tm_buf_init(&out);
    for (size_t i = 0; i < n; i++) {
        buf_reset(&out);
        read_text(rows[i].text, &out);
        if (strcmp(out.p, rows[i].expected) != 0)
            fail_msg("row %zu gives\n%s\ninstead of\n%s", i, out.p, rows[i].expected);
    }
    tm_buf_release(&out);
}

static void trees(void **state)
{
    static const struct row rows[] = {
        {SLICE(""), ""},
        {SLICE("# nothing\n\n"), ""},
        {SLICE("a"), "a"},
        {SLICE("a: b\r\nc: 'd'\r\n"), "{a=b, c='d'}"},
        {SLICE("a:\n- b\n- c: d\n  e: \"f\\tg\"\n"), "{a=[b, {c=d, e='f\tg'}]}"},
        {SLICE("a: |\n  b\n\n   c\nd: >\n  e\n  f\n"), "{a=|b\n\n c\n|, d=>e f\n>}"},
        {SLICE("{a: [], b: {}, c: }"), "{a=[], b={}, c=}"},
        {SLICE("a: no\nb: ~\nc: 0777\n"), "{a=no, b=~, c=0777}"},
        {SLICE("---\na: b\n...\n"), "{a=b}"},
        {SLICE("a: https://x.org/#y # z\n"), "{a=https://x.org/#y}"},
    };
    (void)state;
    check_rows(rows, LENGTH(rows));
}

static void refusals(void **state)
{
    static const struct row rows[] = {
        {SLICE("a: 1\nb: 2\na: 3\na: 4\n"),
         "j:3:1: duplicate key 'a' (first on line 1)\nj:4:1: duplicate key 'a' (first on line 1)"},
        {SLICE("a: {b: 1, c: 2, 'b': 3}\n"), "j:1:17: duplicate key 'b' (first on line 1)"},
        {SLICE("a: &b 1\nc: *b\n"),
         "j:1:4: anchor '&b' (job files have none; quote text that begins with &)\n"
         "j:2:4: alias '*b' (job files have none; quote text that begins with *)"},
        {SLICE("a: !!int 1\nb: !c {}\nd: ! 'e'\n"),
         "j:1:4: tag '!!int' (job files have none; quote text that begins with !)\n"
         "j:2:4: tag '!c' (job files have none; quote text that begins with !)\n"
         "j:3:4: tag '!' (job files have none; quote text that begins with !)"},
        {SLICE("a: 1\n---\nb: 2\n"), "j:2:1: a second document (a job file has only one)"},
        {SLICE("? [a]\n: b\n? {c: d}\n: e\n"),
         "j:1:3: a key must be a name, not a list\nj:3:3: a key must be a name, not a mapping"},
        {SLICE("? ~\n: b\n?\n: a\n"), "j:3:2: a key must be a name, not empty"},
    };
    (void)state;
    check_rows(rows, LENGTH(rows));
}

static void syntax(void **state)
{
    static const struct row rows[] = {
        {SLICE("a: *.csv\n"),
         "j:1:5: '*' cannot begin a bare value (quote a value that begins with '*')"},
        {SLICE("a: {b: *.csv}\n"),
         "j:1:9: '*' cannot begin a bare value (quote a value that begins with '*')"},
        {SLICE("a: {b}.csv\n"),
         "j:1:7: expected a key at this indentation (quote a value that begins with '{')"},
        {SLICE("a:\n  - [b].csv\n"), "j:2:8: expected another '- ' item at this indentation (quote "
                                     "a value that begins with '[')"},
        {SLICE("a: & b\n"),
         "j:1:5: '&' cannot begin a bare value (quote a value that begins with '&')"},
        {SLICE("a: @b\n"), "j:1:4: '@' cannot begin a bare value (quote the value)"},
        {SLICE("a: `b\n"), "j:1:4: '`' cannot begin a bare value (quote the value)"},
        {SLICE("a: %b\n"), "j:1:4: '%' cannot begin a bare value (quote the value)"},
        {SLICE("a: {b: ${C}}\n"),
         "j:1:9: expected ',' or '}' in the mapping (quote a value that contains '${')"},
        {SLICE("a: [b, c\nd: e\n"), "j:2:2: expected ',' or ']' in the list (it begins on line 1)"},
        {SLICE("a: 'b\nc: d\n"), "j:1:4: the quote is never closed"},
        {SLICE("a: \"\\q\"\n"), "j:1:5: unknown escape in double quotes (write \\\\ for a "
                                "backslash, or use single quotes)"},
        {SLICE("a:\n\tb: c\n"), "j:2:1: a tab cannot indent (use spaces)"},
        {SLICE("a: b: c\n"), "j:1:5: unexpected ':' (quote a value that contains ': ', or check "
                             "the indentation)"},
        {SLICE("a: - b\n"), "j:1:4: unexpected '- ' (a list begins on a line of its own)"},
        {SLICE("a: b\n...\nc\n"),
         "j:3:1: expected the end of the file (a job file is one mapping)"},
        {SLICE("a: b\n\xc3\xa4: \xc3\xa4 \xff\n"), "j:2:8: invalid UTF-8: byte 0xff"},
        {SLICE("a: b\0c\n"), "j:1:5: the character U+0000 cannot stand in a job file"},
        {SLICE("a: \x1b[0m\n"), "j:1:4: the character U+001B cannot stand in a job file"},
        {SLICE("a: \xef\xbb\xbf"), "j:1:4: the character U+FEFF cannot stand in a job file"},
    };
    (void)state;
    check_rows(rows, LENGTH(rows));
}

/* Columns are bytes, lines are those of editors. */
static void places(void **state)
{
    static const struct row rows[] = {
        {SLICE("'\xc3\xa4\xe2\x82\xac': *b\n"),
         "j:1:10: alias '*b' (job files have none; quote text that begins with *)"},
        {SLICE("a: '\xe2\x80\xa8'\r\nb: c\rd: *e\n"),
         "j:3:4: alias '*e' (job files have none; quote text that begins with *)"},
    };
    (void)state;
    check_rows(rows, LENGTH(rows));
}

static void nest(struct buf *text, size_t levels)
{
    for (size_t i = 0; i < levels; i++)
        buf_byte(text, '[');
    for (size_t i = 0; i < levels; i++)
        buf_byte(text, ']');
}

static void depth(void **state)
{
    struct buf text, out;
    (void)state;
    tm_buf_init(&text);
    tm_buf_init(&out);
    nest(&text, YAML_DEPTH_MAX);
    read_text(buf_view(&text), &out);
    assert_int_equal(out.p[0], '[');
    buf_reset(&text);
    buf_reset(&out);
    nest(&text, YAML_DEPTH_MAX + 1);
    read_text(buf_view(&text), &out);
    assert_string_equal(out.p, "j:1:65: nested deeper than 64 levels");
    buf_reset(&text);
    buf_reset(&out);
    nest(&text, 100000);
    read_text(buf_view(&text), &out);
    assert_string_equal(out.p, "j:1:65: nested deeper than 64 levels");
    tm_buf_release(&text);
    tm_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees),  cmocka_unit_test(refusals), cmocka_unit_test(syntax),
        cmocka_unit_test(places), cmocka_unit_test(depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
