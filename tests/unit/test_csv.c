/*
 * Reading CSV and TSV: rows of input and of what split, header and parse make of it. In what is expected a
 * line is a verdict: H header, R record, S skipped, F failed, E no header, X no end of the record;
 * cells are parted by '|', CR is ^M, LF ^J and NUL ^@.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/formats.h"

static const struct format *const csv = &tm_format_csv;

#define DIALECT .delimiter = ',', .quote = '"', .header = true
#define TSV     .delimiter = '\t', .escapes = true, .header = true

static void put_text(struct buf *b, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\r' || c == '\n' || c == '\0')
            tm_buf_printf(b, "^%c", c + 64);
        else
            buf_byte(b, c);
    }
}

static void put_names(struct buf *b, char kind, const struct columns *columns)
{
    tm_buf_printf(b, "%c ", kind);
    for (uint32_t i = 0; i < columns->n; i++) {
        buf_append(b, "|", i > 0);
        put_text(b, columns->names[i]);
        buf_append(b, ":text", columns->as_text && columns->as_text[i] ? 5 : 0);
    }
    buf_byte(b, '\n');
}

static void put_record(struct buf *b, const struct node *n, const struct columns *columns)
{
    buf_append(b, "R ", 2);
    assert_int_equal(n->count, columns->n);
    assert_int_equal(n->live, columns->n);
    assert_int_equal(n->originals, columns->n);
    assert_true(n->cap > n->count);
    assert_ptr_equal(n->columns, columns);
    assert_non_null(n->origin);
    for (uint32_t i = 0; i < n->count; i++) {
        const struct field *f = &node_fields(n)[i];
        bool text = columns->as_text && columns->as_text[i];
        assert_true(slice_eq(f->key, columns->names[i]));
        assert_int_equal(f->value.kind, text ? VALUE_TEXT : VALUE_CELL);
        assert_null(f->start);
        assert_non_null(f->source.p);
        buf_append(b, "|", i > 0);
        put_text(b, f->value.text);
    }
    buf_append(b, " changed", n->changed ? 8 : 0);
    buf_byte(b, '\n');
}

/* Read all of `input`; a file's header is told apart as whoever splits does it. */
static void read_all(const struct input_dialect *dialect, struct slice input, struct buf *out)
{
    struct input_dialect file = *dialect, *d = &file;
    struct arena arena;
    struct columns *columns = NULL;
    struct reader *r = NULL;
    err e;
    tm_arena_init(&arena);
    while (input.n > 0) {
        struct split_state s = {0};
        struct extent x;
        struct parsed parsed;
        enum split_verdict verdict = csv->split(d, &s, input.p, input.n, true, &x, &e);
        struct slice record = {input.p, x.length};
        if (verdict == SPLIT_ERROR) {
            tm_buf_printf(out, "X %s @%d\n", e.message, (int)x.lines);
            assert_int_equal(e.status, TIDEMILL_E_INPUT);
            break;
        }
        if (verdict == SPLIT_RECORD && !columns) {
            if (csv->header(d, &arena, record, &columns, &e) != TIDEMILL_OK) {
                tm_buf_printf(out, "E %s\n", e.message);
                assert_int_equal(e.status, TIDEMILL_E_INPUT);
                break;
            }
            put_names(out, columns->positional ? 'P' : 'H', columns);
            file.columns = columns;
            r = csv->reader_new(d, columns);
            assert_non_null(r);
            if (d->header)
                goto next;
        }
        if (!columns) {
            assert_int_equal(verdict, SPLIT_SKIP);
            tm_buf_printf(out, "S\n");
            goto next;
        }
        enum parse_verdict what = csv->parse(r, &arena, input.p, input.n, &parsed, &e);
        assert_int_equal(parsed.length, x.length);
        assert_int_equal(parsed.lines, x.lines);
        assert_int_equal(what == PARSE_SKIP, verdict == SPLIT_SKIP);
        if (what == PARSE_RECORD)
            put_record(out, parsed.record, columns);
        else if (what == PARSE_FAILED)
            tm_buf_printf(out, "F %s\n", e.message);
        else
            tm_buf_printf(out, "S\n");
next:
        input = (struct slice){input.p + x.length, input.n - x.length};
    }
    csv->reader_free(r);
    tm_arena_release(&arena);
}

#define STRAY ": a field with quotes must be quoted as a whole, and quotes inside doubled\n"

static const struct {
    const char *name;
    struct input_dialect dialect;
    struct slice input;
    const char *expected;
} rows[] = {
    {"plain", {DIALECT}, SLICE("a,b\n1,x\n2,y\n"), "H a|b\nR 1|x\nR 2|y\n"},
    {"no last line end", {DIALECT}, SLICE("a,b\n1,x"), "H a|b\nR 1|x\n"},
    {"header alone", {DIALECT}, SLICE("a,b"), "H a|b\n"},
    {"CRLF", {DIALECT}, SLICE("a,b\r\n1,x\r\n"), "H a|b\nR 1|x\n"},
    {"mixed line ends", {DIALECT}, SLICE("a,b\r\n1,x\n2,y\r\n"), "H a|b\nR 1|x\nR 2|y\n"},
    {"lone CR is data", {DIALECT}, SLICE("a,b\n1\r2,x\r\r\n"), "H a|b\nR 1^M2|x^M\n"},
    {"CR at the end", {DIALECT}, SLICE("a\n1\r"), "H a\nR 1^M\n"},
    {"empty cells", {DIALECT}, SLICE("a,b,c\n,,\n"), "H a|b|c\nR ||\n"},
    {"quotes",
     {DIALECT},
     SLICE("\"a\",b\n\"1,2\",\"x\ny\"\n\"\",\"z\"\r\n"),
     "H a|b\nR 1,2|x^Jy\nR |z\n"},
    {"doubled quotes",
     {DIALECT},
     SLICE("\"a \"\"b\"\"\",b\n\"\"\"\",\"x\"\"\"\n"),
     "H a \"b\"|b\nR \"|x\"\n"},
    {"quoted CRLF", {DIALECT}, SLICE("a\n\"x\r\ny\"\r\n"), "H a\nR x^M^Jy\n"},
    {"NUL", {DIALECT}, SLICE("a,b\n\0,\"\0\"\n"), "H a|b\nR ^@|^@\n"},
    {"not UTF-8", {DIALECT}, SLICE("a\n\xff\n"), "H a\nR \xff\n"},
    {"blank lines", {DIALECT}, SLICE("\n\r\na\n\n1\n\r\n\n"), "S\nS\nH a\nS\nR 1\nS\nS\n"},
    {"a blank is no blank line", {DIALECT}, SLICE("a\n \n"), "H a\nR  \n"},
    {"quoted empty line", {DIALECT}, SLICE("a\n\"\"\n"), "H a\nR \n"},
    {"comments",
     {DIALECT, .comment = {"#", 1}},
     SLICE("# \"one\na,b\n1,#x\n#2,y\n\"#3\",z\n#"),
     "S\nH a|b\nR 1|#x\nS\nR #3|z\nS\n"},
    {"long comment prefix",
     {DIALECT, .comment = {"//", 2}},
     SLICE("a\n/\n//x\n/"),
     "H a\nR /\nS\nR /\n"},
    {"no comments", {DIALECT}, SLICE("a\n#1\n"), "H a\nR #1\n"},
    {"other bytes",
     {.delimiter = ';', .quote = '\'', .header = true},
     SLICE("a;b\n1,5;'x;''\"'\n"),
     "H a|b\nR 1,5|x;'\"\n"},
    {"no quotes",
     {.delimiter = '\t', .header = true},
     SLICE("a\tb\n\"1\t\0\"\n"),
     "H a|b\nR \"1|^@\"\n"},
    {"no header",
     {.delimiter = ',', .quote = '"'},
     SLICE("1,x\n2,\"y\"\n"),
     "P 1|2\nR 1|x\nR 2|y\n"},
    {"stray quote",
     {DIALECT},
     SLICE("a,name\n1,x \"y\" z\n2,ok\n"),
     "H a|name\nF stray quote in field 2 ('name')" STRAY "R 2|ok\n"},
    {"stray quote without header",
     {.delimiter = ',', .quote = '"'},
     SLICE("1,2\n1\"\",2\n"),
     "P 1|2\nR 1|2\nF stray quote in field 1" STRAY},
    {"tail",
     {DIALECT},
     SLICE("a,b\n1,\"x\"y\n2,\"x\" \n3,\"x\"\r\r\n"),
     "H a|b\n"
     "F text after the closing quote of field 2 ('b')" STRAY
     "F text after the closing quote of field 2 ('b')" STRAY
     "F text after the closing quote of field 2 ('b')" STRAY},
    {"lazy quotes",
     {DIALECT, .lazy_quotes = true},
     SLICE("a,b\n1,5\" pipe\n1,\"x\"y\n1,\"x\"y\"z\"\n1,\"x\"\"\"y\n2,\"a\"\rb\n"),
     "H a|b\nR 1|5\" pipe\nR 1|xy\nR 1|xy\"z\"\nR 1|x\"y\nR 2|a^Mb\n"},
    {"tail ends the quotes",
     {DIALECT, .lazy_quotes = true},
     SLICE("a,b\n\"x\"y,\"\n\"\n"),
     "H a|b\nR xy|^J\n"},
    {"too few",
     {DIALECT},
     SLICE("a,b\n1\n"),
     "H a|b\nF expected 2 fields as in the header, found 1\n"},
    {"too many",
     {DIALECT},
     SLICE("a\n1,2,\n"),
     "H a\nF expected 1 field as in the header, found 3\n"},
    {"ragged without header",
     {.delimiter = ',', .quote = '"'},
     SLICE("1,2\n1\n"),
     "P 1|2\nR 1|2\nF expected 2 fields as in the first record, found 1\n"},
    {"fill",
     {DIALECT, .ragged = RAGGED_FILL},
     SLICE("a,b,c\n1\n1,2,3\n1,2,3,4\n"),
     "H a|b|c\nR 1|| changed\nR 1|2|3\n"
     "F expected 3 fields as in the header, found 4; input.ragged: fill only adds what is "
     "missing\n"},
    {"trim",
     {DIALECT, .ragged = RAGGED_TRIM},
     SLICE("a,b\n1,2,\"3\n\"\n1\n"),
     "H a|b\nR 1|2 changed\n"
     "F expected 2 fields as in the header, found 1; input.ragged: trim only cuts off what is too "
     "much\n"},
    {"a stray quote comes before the count",
     {DIALECT},
     SLICE("a,b\n1,2,x\"\n"),
     "H a|b\nF stray quote in field 3" STRAY},
    {"open quote",
     {DIALECT},
     SLICE("a,b\n1,\"x\n2,y\n"),
     "H a|b\nX unterminated quote: opened here, the input ends before it is closed @0\n"},
    {"open quote further down",
     {DIALECT},
     SLICE("a,b\n\"1\n\n\",\"x\n"),
     "H a|b\nX unterminated quote: opened here, the input ends before it is closed @2\n"},
    {"open quote in the header",
     {DIALECT},
     SLICE("a,\"b\n"),
     "X unterminated quote: opened here, the input ends before it is closed @0\n"},
    {"duplicate name",
     {DIALECT},
     SLICE("id,x,y,id,x\n"),
     "E column name 'id' stands twice in the header (columns 1 and 4; input.duplicates: number or "
     "last allows it)\n"},
    {"no name",
     {DIALECT},
     SLICE("a,b,,\"\"\n"),
     "E column 3 has no name (input.duplicates: number names it '3')\n"},
    {"stray quote in the header",
     {DIALECT},
     SLICE("a,b\"c\n"),
     "E stray quote in column 2 of the header: a name with quotes must be quoted as a whole, and "
     "quotes inside doubled\n"},
    {"lazy header", {DIALECT, .lazy_quotes = true}, SLICE("a,b\"c,\"d\"e\n"), "H a|b\"c|de\n"},
    {"numbered",
     {DIALECT, .duplicates = DUPLICATES_NUMBER},
     SLICE("a,b,a,a_2,a,b,\n"),
     "H a|b|a_3|a_2|a_4|b_2|7\n"},
    {"numbered without names",
     {DIALECT, .duplicates = DUPLICATES_NUMBER},
     SLICE("3,3,,3_2\n1,2,3,4\n"),
     "H 3|3_3|3_4|3_2\nR 1|2|3|4\n"},
    {"last",
     {DIALECT, .duplicates = DUPLICATES_LAST},
     SLICE("a,b,a,c,a\n1,2,\"3,\",4,5\n1,2,3,4\n"),
     "H b|c|a\nR 2|4|5 changed\nF expected 5 fields as in the header, found 4\n"},
    {"last, nothing twice",
     {DIALECT, .duplicates = DUPLICATES_LAST},
     SLICE("a,b\n1,2\n"),
     "H a|b\nR 1|2\n"},
    {"tabs", {TSV}, SLICE("a\tb\n1\tx y\n\t\"q\n"), "H a|b\nR 1|x y\nR |\"q\n"},
    {"escapes",
     {TSV},
     SLICE("a\\tb\tc\n\\\\\tx\\ty\\nz\\r\n\\t\t\\\\t\n"),
     "H a\tb|c\nR \\|x\ty^Jz^M\nR \t|\\t\n"},
    {"what is no escape",
     {TSV},
     SLICE("a\tb\nC:\\dir\tx\\\n\\\t\\\\\\\n\\q\\\0\t\\N\n"),
     "H a|b\nR C:\\dir|x\\\nR \\|\\\\\nR \\q\\^@|\\N\n"},
    {"line ends of TSV",
     {TSV},
     SLICE("a\tb\r\n1\tx\r\n2\ty\\\r\n3\tz\r\r\n4\t\r"),
     "H a|b\nR 1|x\nR 2|y\\\nR 3|z^M\nR 4|^M\n"},
    {"blank lines between columns",
     {TSV},
     SLICE("\na\tb\n\n1\t2\n\r\n"),
     "S\nH a|b\nS\nR 1|2\nS\n"},
    {"blank lines of one column", {TSV}, SLICE("\na\n\n1\n\r\n\n"), "S\nH a\nR \nR 1\nR \nR \n"},
    {"comments of TSV",
     {TSV, .comment = {"#", 1}},
     SLICE("#\na\n\n#x\\\n\\#\n"),
     "S\nH a\nR \nS\nR \\#\n"},
    {"TSV without header",
     {.delimiter = '\t', .escapes = true},
     SLICE("1\t\\n\n\n2\t\n"),
     "P 1|2\nR 1|^J\nS\nR 2|\n"},
    {"one column without header",
     {.delimiter = '\t', .escapes = true},
     SLICE("\n\n1\n"),
     "P 1\nR \nR \nR 1\n"},
    {"one column without quotes",
     {.delimiter = ',', .header = true},
     SLICE("\na\n\n1\n"),
     "S\nH a\nR \nR 1\n"},
    {"ragged TSV",
     {TSV},
     SLICE("a\tb\n1\n"),
     "H a|b\nF expected 2 fields as in the header, found 1\n"},
    {"filled TSV", {TSV, .ragged = RAGGED_FILL}, SLICE("a\tb\n\\t\n"), "H a|b\nR \t| changed\n"},
    {"duplicate names by what they say",
     {TSV},
     SLICE("a\\\\b\ta\\b\n"),
     "E column name 'a\\b' stands twice in the header (columns 1 and 2; input.duplicates: number "
     "or "
     "last allows it)\n"},
    {"a CR in the header",
     {TSV},
     SLICE("a\\n\rb\tc\n"),
     "E column 1 of the header holds a bare CR: lines end in LF or CRLF, not in CR alone\n"},
    {"last and fill",
     {DIALECT, .duplicates = DUPLICATES_LAST, .ragged = RAGGED_FILL},
     SLICE("a,b,a\n1\n"),
     "H b|a\nR | changed\n"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        tm_buf_init(&out);
        read_all(&rows[i].dialect, rows[i].input, &out);
        if (!slice_is(buf_view(&out), rows[i].expected))
            fail_msg("%s: expected\n%sgot\n%.*s", rows[i].name, rows[i].expected, (int)out.n,
                     out.p);
        tm_buf_release(&out);
    }
}

/* Extents must not depend on how the bytes arrive, nor may a byte be looked at twice. */
static void test_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct input_dialect *d = &rows[i].dialect;
        struct slice left = rows[i].input;
        for (struct extent whole, x; left.n > 0; left.p += whole.length, left.n -= whole.length) {
            struct split_state s = {0};
            enum split_verdict want = csv->split(d, &s, left.p, left.n, true, &whole, NULL);
            enum split_verdict got = SPLIT_MORE;
            for (size_t n = 1; got == SPLIT_MORE; n++) {
                assert_true(n <= left.n);
                got = csv->split(d, &s, left.p, n, n == left.n, &x, NULL);
                assert_true(got != SPLIT_MORE || s.scanned == n || s.scanned == 0);
            }
            assert_int_equal(got, want);
            assert_int_equal(x.length, whole.length);
            assert_int_equal(x.lines, whole.lines);
        }
    }
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        struct slice input;
        uint64_t lines;
    } cases[] = {
        {SLICE("a,b\n"), 1},
        {SLICE("a,b"), 1},
        {SLICE("\"a\n\n\",b\nx"), 3},
        {SLICE("\"\n\""), 2},
    };
    static const struct input_dialect d = {DIALECT};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct split_state s = {0};
        struct extent x;
        csv->split(&d, &s, cases[i].input.p, cases[i].input.n, true, &x, NULL);
        assert_int_equal(x.lines, cases[i].lines);
    }
}

/* What a record points to are the input's own bytes; only doubled quotes are copied. */
static void test_slices(void **state)
{
    (void)state;
    static const char input[] = "12,\"x\",\"a\"\"b\"\r\nrest";
    static const struct slice names[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    static const struct columns columns = {.n = 3, .names = names};
    static const struct input_dialect d = {DIALECT};
    struct arena arena;
    struct parsed parsed;
    tm_arena_init(&arena);
    struct reader *r = csv->reader_new(&d, &columns);
    assert_int_equal(csv->parse(r, &arena, input, sizeof input - 1, &parsed, NULL), PARSE_RECORD);
    const struct node *n = parsed.record;
    assert_true(n->source.p == input && n->source.n == 13);
    assert_true(n->line_end.p == input + 13 && n->line_end.n == 2);
    assert_true(node_fields(n)[0].value.text.p == input);
    assert_true(node_fields(n)[1].value.text.p == input + 4 && node_fields(n)[1].value.text.n == 1);
    assert_true(node_fields(n)[1].source.p == input + 3 && node_fields(n)[1].source.n == 3);
    assert_true(slice_is(node_fields(n)[2].value.text, "a\"b"));
    assert_true(node_fields(n)[2].source.p == input + 7 && node_fields(n)[2].source.n == 6);
    csv->reader_free(r);
    tm_arena_release(&arena);
}

/* What is read at p: the cells with their places, or the message. */
static void say_row(struct buf *out, struct reader *r, const char *p, size_t n,
                    struct parsed *parsed)
{
    struct arena arena;
    err why = {0};
    tm_arena_init(&arena);
    *parsed = (struct parsed){0};
    enum parse_verdict verdict = csv->parse(r, &arena, p, n, parsed, &why);
    tm_buf_printf(out, "%d %zu %d %s", (int)verdict, parsed->length, (int)parsed->lines,
                  why.message);
    const struct node *node = parsed->record;
    for (uint32_t i = 0; node && i < node->count; i++) {
        const struct field *f = &node_fields(node)[i];
        tm_buf_printf(out, "|%.*s=%zu+%zu %.*s", (int)f->key.n, f->key.p, (size_t)(f->source.p - p),
                      f->source.n, (int)f->value.text.n, f->value.text.p);
    }
    if (node)
        tm_buf_printf(out, " %zu+%zu", node->source.n, node->line_end.n);
    tm_arena_release(&arena);
}

/* Quotes of all kinds, at any place in a block. */
static const char *odd_line(void)
{
    static const char *const some[] = {"",    "",      "\"", "\"\"", "\"q\"",
                                       ",\"", "\",\"", "\r", "\"\r", "\"\n"};
    static char line[160];
    unsigned x[4];
    for (unsigned i = 0; i < 4; i++)
        x[i] = (unsigned)rand();
    snprintf(line, sizeof line, "%s%.*s%s,%s%s,%s\n", x[0] % 4 ? "" : "\"", (int)(x[1] % 70),
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
             some[x[2] % 10], some[x[3] % 10], some[x[3] / 10 % 10], some[x[2] / 10 % 10]);
    return line;
}

/*
 * A reader looks at a window of the chunk at once. It must say what one that knows no chunk does, also when
 * other chunks have come to stand in the same place, be the one before read to its end or not.
 */
static void test_chunks(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "1,2,3\n",
        "long enough to go over a block,and more,and more of it\n",
        ",,\r\n",
        "\"q\",\"a\"\"b\",\"c,\nd\"\n",
        "#comment, of \"any kind\n",
        "\n",
        "1,2\n",
        "1,2,3,4\n",
        "a\"b,c,d\n",
        "\"q\",b,\"c\"\r\n",
        "\"\",\"\",\"\"\n",
        ",\"a,b\",\n",
        "\"a\"\r,b,c\n",
        "\"a\" ,b,c\n",
        "\"a\"\"b\",c,d\n",
        "a,\"b\"c,d\n",
        "a,\"b\n\",c\n",
        "a,b,\"\n",
        "#\"\n",
        "#,\"a\n",
        "#,\"a\",b\n",
        "\"a\"\n",
        "\"a\",\"b\"\r\n",
        "\"long enough, in quotes, to go over more than a single block of all those\",y,\"z\"\n",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl,x,y\n",
    };
    static const struct slice names[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    static const struct columns columns = {.n = 3, .names = names};
    static const struct input_dialect d = {DIALECT, .comment = {"#", 1}};
    static char chunk[10000], row[5000] = "longer than a window,b,";
    memset(row + strlen(row), 'c', sizeof row - 1 - strlen(row));
    row[sizeof row - 2] = '\n';
    struct reader *warm = csv->reader_new(&d, &columns);
    struct buf one, other;
    tm_buf_init(&one);
    tm_buf_init(&other);
    srand(7);
    size_t begin = 0, n = sizeof chunk;
    for (int round = 0; round < 3000; round++) {
        bool plain = round % 4 == 0, quoted = round % 4 == 1;
        for (size_t at = begin; at < n;) {
            const char *line = lines[rand() % (plain ? 4 : (int)(sizeof lines / sizeof *lines))];
            if (rand() % 128 == 0)
                line = row;
            if (round % 4 == 2 && rand() % 2)
                line = odd_line();
            if (quoted && rand() % 64)
                line = lines[9 + rand() % 3];
            size_t length = strlen(line);
            if (length > n - at)
                length = n - at;
            memcpy(chunk + at, line, length);
            at += length;
        }
        csv->begin(warm, (struct slice){chunk + begin, n - begin});
        /* The next one begins where a record of this one did, and ends in the same place. */
        size_t next = 0;
        for (size_t at = begin; at < n;) {
            struct parsed parsed, again;
            struct reader *fresh = csv->reader_new(&d, &columns);
            buf_reset(&one);
            buf_reset(&other);
            say_row(&one, fresh, chunk + at, n - at, &parsed);
            if (rand() % 16 == 0) {
                say_row(&other, warm, chunk + at, n - at, &again);
                buf_reset(&other);
            }
            say_row(&other, warm, chunk + at, n - at, &again);
            csv->reader_free(fresh);
            if (!slice_eq(buf_view(&one), buf_view(&other)))
                fail_msg("%.*s\nnot %.*s", (int)other.n, other.p, (int)one.n, one.p);
            /* Or where the last one that was looked at did. */
            if (rand() % 128 == 0) {
                next = at;
                break;
            }
            at += parsed.length;
            next = at < n && rand() % 2 ? at : next;
        }
        begin = next;
    }
    csv->reader_free(warm);
    tm_buf_release(&one);
    tm_buf_release(&other);
}

static void test_types(void **state)
{
    (void)state;
    static const struct slice names[] = {{"zip", 3}, {"n", 1}}, wrong = {"zpi", 3},
                              far = {"postcode", 8}, second = {"2", 1};
    static const bool text[] = {true, false}, yes = true;
    static const struct {
        struct column_types types;
        bool header;
        const char *expected;
    } cases[] = {
        {{.n = 1, .names = names, .text = text}, true, "H n|zip:text|x\n"},
        {{.all_text = true}, true, "H n:text|zip:text|x:text\n"},
        {{.all_text = true, .n = 2, .names = names, .text = text}, true, "H n|zip:text|x:text\n"},
        {{.n = 1, .names = &second, .text = &yes}, false, "P 1|2:text|3\nR n|zip|x\n"},
        {{.n = 1, .names = &wrong, .text = &yes},
         true,
         "E input.types names a column 'zpi' that the header does not have (did you mean "
         "'zip'?)\n"},
        {{.n = 1, .names = &far, .text = &yes},
         true,
         "E input.types names a column 'postcode' that the header does not have\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct input_dialect d = {.delimiter = ',', .quote = '"'};
        struct buf out;
        d.header = cases[i].header;
        d.types = cases[i].types;
        tm_buf_init(&out);
        read_all(&d, SLICE("n,zip,x\n"), &out);
        buf_byte(&out, '\0');
        assert_string_equal(out.p, cases[i].expected);
        tm_buf_release(&out);
    }
}

/* 100,000 names, all the same or all different: finding duplicates must not take their square. */
static void test_wide_header(void **state)
{
    (void)state;
    struct input_dialect d = {DIALECT, .duplicates = DUPLICATES_NUMBER};
    for (int same = 0; same < 2; same++) {
        struct buf line;
        struct arena arena;
        struct columns *columns = NULL;
        err e;
        tm_buf_init(&line);
        tm_arena_init(&arena);
        for (int i = 0; i < 100000; i++)
            tm_buf_printf(&line, "%scolumn%d", i ? "," : "", same ? 0 : i);
        assert_int_equal(csv->header(&d, &arena, buf_view(&line), &columns, &e), TIDEMILL_OK);
        assert_int_equal(columns->n, 100000);
        assert_true(slice_is(columns->names[99999], same ? "column0_100000" : "column99999"));
        tm_arena_release(&arena);
        tm_buf_release(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_lines),       cmocka_unit_test(test_slices),
        cmocka_unit_test(test_chunks),      cmocka_unit_test(test_types),
        cmocka_unit_test(test_wide_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
