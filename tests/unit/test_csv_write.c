/*
 * Writing CSV and TSV: rows of input, of what a script does to it, and of the rows that come out. In what
 * is expected "[a|b]" tells that the layout changed, "E " begins the message of a refused record.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/formats.h"
#include "record/json.h"

static const struct format *const csv = &tm_format_csv;

static uint32_t split_names(const char *text, struct slice *names)
{
    uint32_t n = 0;
    for (const char *end; text; text = *end ? end + 1 : NULL) {
        end = strchrnul(text, ',');
        names[n++] = (struct slice){text, (size_t)(end - text)};
    }
    return n;
}

/* ---- what scripts do ---- */

static void set_second(struct node *n)
{
    tm_node_set(n, 1, (struct value){.kind = VALUE_INT, .i = 7});
}

static void set_text(struct node *n)
{
    tm_node_set(n, 0, (struct value){.kind = VALUE_TEXT, .text = SLICE("x,\"y\"\n")});
}

static void set_empty(struct node *n)
{
    tm_node_set(n, 0, (struct value){.kind = VALUE_TEXT});
}

static void add(struct node *n)
{
    tm_node_add(n, SLICE("z"), (struct value){.kind = VALUE_FLOAT, .d = 10});
}

static void delete_first(struct node *n)
{
    tm_node_delete(n, 0);
}

static void delete_last(struct node *n)
{
    tm_node_delete(n, n->count - 1);
}

static void delete_all(struct node *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        tm_node_delete(n, i);
}

static void delete_and_add(struct node *n)
{
    delete_first(n);
    add(n);
}

static void set_kinds(struct node *n)
{
    static const struct value values[] = {
        {.kind = VALUE_NULL},
        {.kind = VALUE_TRUE},
        {.kind = VALUE_FALSE},
        {.kind = VALUE_FLOAT, .d = NAN},
        {.kind = VALUE_FLOAT, .d = -INFINITY},
        {.kind = VALUE_NUMBER, .text = {"12345678901234567890", 20}},
    };
    for (uint32_t i = 0; i < sizeof values / sizeof *values; i++)
        tm_node_set(n, i, values[i]);
}

/* Field 0: [1, {"k": NaN}], built. */
static void set_nan_inside(struct node *n)
{
    struct node *list = tm_node_new(n->arena, NODE_ARRAY, 2);
    struct node *object = tm_node_new(n->arena, NODE_OBJECT, 1);
    tm_node_add(object, SLICE("k"), (struct value){.kind = VALUE_FLOAT, .d = NAN});
    tm_node_add(list, SLICE(""), (struct value){.kind = VALUE_INT, .i = 1});
    tm_node_add(list, SLICE(""), (struct value){.kind = VALUE_NODE, .node = object});
    tm_node_set(n, 0, (struct value){.kind = VALUE_NODE, .node = list});
}

/* ---- reading, editing and writing ---- */

struct test {
    const char *name;
    const char *
        input; /* CSV with a header, TSV where that has tabs, JSON lines where it begins with '{' */
    void (*edit)(struct node *);
    struct output_dialect dialect; /* delimiter '\0': as the input's */
    const char *fixed;
    const char *expected;
};

static struct output_dialect dialect_of(const struct test *t)
{
    struct output_dialect d = t->dialect;
    if (d.delimiter == '\0') {
        d.delimiter = ',';
        d.quote = '"';
    }
    return d;
}

struct bench {
    struct writer *writer;
    const struct test *test;
    uint64_t serial;
    struct buf out;
};

static void write_record(struct bench *b, struct node *n)
{
    size_t begin = b->out.n;
    err e;
    if (b->test->edit)
        b->test->edit(n);
    if (csv->write(b->writer, &b->out, n, &e) != TIDEMILL_OK) {
        b->out.n = begin;
        tm_buf_printf(&b->out, "E %s\n", e.message);
        assert_int_equal(e.status, TIDEMILL_E_WRITE);
        return;
    }
    const struct layout *l = csv->layout(b->writer);
    if (l->serial == b->serial)
        return;
    b->serial = l->serial;
    buf_byte(&b->out, '[');
    for (uint32_t i = 0; i < l->n; i++)
        tm_buf_printf(&b->out, "%s%.*s", i ? "|" : "", (int)l->names[i].n, l->names[i].p);
    buf_append(&b->out, "]\n", 2);
}

static void write_csv(struct bench *b, struct arena *arena)
{
    const bool tabs = b->test->input[strcspn(b->test->input, "\t\n")] == '\t';
    const struct input_dialect d = {.delimiter = tabs ? '\t' : ',',
                                    .quote = tabs ? '\0' : '"',
                                    .escapes = tabs,
                                    .header = true,
                                    .lazy_quotes = true,
                                    .ragged = RAGGED_FILL,
                                    .duplicates = DUPLICATES_LAST};
    const struct output_dialect od = dialect_of(b->test);
    const struct format *in = tabs ? &tm_format_tsv : csv, *out = od.escapes ? &tm_format_tsv : csv;
    const char *p = b->test->input, *end = p + strlen(p);
    struct split_state s = {0};
    struct extent x;
    struct columns *columns;
    struct parsed parsed;
    assert_int_equal(csv->split(&d, &s, p, (size_t)(end - p), true, &x, NULL), SPLIT_RECORD);
    assert_int_equal(csv->header(&d, arena, (struct slice){p, x.length}, &columns, NULL), 0);
    struct reader *r = csv->reader_new(&d, columns);
    csv->verbatim(b->writer, tm_format_verbatim(in, &d, out, &od) ? r : NULL);
    for (p += x.length; p < end; p += parsed.length)
        if (csv->parse(r, arena, p, (size_t)(end - p), &parsed, NULL) == PARSE_RECORD)
            write_record(b, parsed.record);
    csv->reader_free(r);
}

static void write_jsonl(struct bench *b, struct arena *arena)
{
    struct json_reader *r = tm_json_reader_new(64);
    const char *p = b->test->input;
    csv->verbatim(b->writer, NULL);
    for (const char *end; *p; p = end + 1) {
        struct node *n;
        size_t where;
        err e;
        end = strchr(p, '\n');
        assert_int_equal(
            tm_json_read(r, arena, (struct slice){p, (size_t)(end - p)}, &n, &where, &e), 0);
        write_record(b, n);
    }
    tm_json_reader_free(r);
}

static void run(const struct test *t)
{
    struct output_dialect d = dialect_of(t);
    struct bench b = {.test = t, .writer = csv->writer_new(&d)};
    struct arena arena;
    struct slice names[16];
    tm_arena_init(&arena);
    tm_buf_init(&b.out);
    if (t->fixed) {
        uint32_t n = split_names(t->fixed, names);
        assert_int_equal(csv->fix_columns(b.writer, n, names), TIDEMILL_OK);
        b.serial = csv->layout(b.writer)->serial;
    }
    if (t->input[0] == '{')
        write_jsonl(&b, &arena);
    else
        write_csv(&b, &arena);
    buf_byte(&b.out, '\0');
    if (strcmp(b.out.p, t->expected) != 0)
        fail_msg("%s: expected\n%sgot\n%s", t->name, t->expected, b.out.p);
    tm_buf_release(&b.out);
    csv->writer_free(b.writer);
    tm_arena_release(&arena);
}

#define PIPE                            \
    {                                   \
        .delimiter = '|', .quote = '\'' \
    }
#define TSV                                \
    {                                      \
        .delimiter = '\t', .escapes = true \
    }
#define NO_QUOTE                        \
    {                                   \
        .delimiter = ',', .quote = '\0' \
    }
#define DEFUSE                                                  \
    {                                                           \
        .delimiter = ',', .quote = '"', .escape_formulas = true \
    }
#define FIT                                           \
    {                                                 \
        .extra = EXTRA_DROP, .missing = MISSING_EMPTY \
    }

static const struct test tests[] = {
    /* Untouched is untouched. */
    {"as it came",
     "a,b\n1,\"x\"\r\n\"2\",x\"y\n3,\"\"\n",
     NULL,
     {0},
     NULL,
     "1,\"x\"\r\n[a|b]\n\"2\",x\"y\n3,\"\"\n"},
    {"the last line gets an end", "a,b\n1,2", NULL, {0}, NULL, "1,2\n[a|b]\n"},
    {"or the one asked for", "a,b\n1,2", NULL, {.crlf = true}, NULL, "1,2\r\n[a|b]\n"},
    {"which must not join a CR", "a,b\n1,2\r", NULL, {0}, NULL, "1,\"2\r\"\n[a|b]\n"},
    {"one cell assigned",
     "a,b,c,d\n\"1\",\"x\",\"3\"\"\",\"4\"\r\n",
     set_second,
     {0},
     NULL,
     "\"1\",7,\"3\"\"\",\"4\"\r\n[a|b|c|d]\n"},
    {"the first assigned",
     "a,b\n1,\"2\"\n",
     set_text,
     {0},
     NULL,
     "\"x,\"\"y\"\"\n\",\"2\"\n[a|b]\n"},
    {"a field added", "a,b\n1,\"2\"\r\n", add, {0}, NULL, "1,\"2\",10.0\r\n[a|b|z]\n"},
    {"a field deleted", "a,b,c\n1,\"2\",3\n", delete_first, {0}, NULL, "\"2\",3\n[b|c]\n"},
    {"a CR comes to stand last", "a,b\n1\r,2\n", delete_last, {0}, NULL, "\"1\r\"\n[a]\n"},
    {"filled rows are written whole",
     "a,b,c\n\"1\"\n1,2,3\n",
     NULL,
     {0},
     NULL,
     "\"1\",,\n[a|b|c]\n1,2,3\n"},
    {"hidden columns are left out", "a,b,a\n1,\"2\",3\n", NULL, {0}, NULL, "\"2\",3\n[b|a]\n"},

    /* Other dialects: cells by what they say. */
    {"pipes", "a,b\n\"1\",x|y\r\n'2,\"3 \"\"4\"\"\"\n", NULL, PIPE, NULL,
     "1|'x|y'\n[a|b]\n'''2'|3 \"4\"\n"},
    {"what only quotes can hold", "a,b\n1,2\n\"1,\",2\n\"1\n\",2\n", NULL, NO_QUOTE, NULL,
     "1,2\n[a|b]\n"
     "E field 'a' holds a delimiter or a line end, which cannot be written without quotes\n"
     "E field 'a' holds a delimiter or a line end, which cannot be written without quotes\n"},

    /* TSV. */
    {"TSV as it came", "a\tb\nC:\\dir\t\\t\r\n\"\t\\\\\n", NULL, TSV, NULL,
     "C:\\dir\t\\t\r\n[a|b]\n\"\t\\\\\n"},
    {"TSV, one cell assigned", "a\tb\tc\nC:\\dir\t\\t\tx\\y\r\n", set_second, TSV, NULL,
     "C:\\dir\t7\tx\\y\r\n[a|b|c]\n"},
    {"TSV, text that wants escapes", "a\tb\n1\t\\q\n", set_text, TSV, NULL,
     "x,\"y\"\\n\t\\q\n[a|b]\n"},
    {"TSV, a CR comes to stand last", "a\tb\n1\\q\r\t2\n", delete_last, TSV, NULL,
     "1\\\\q\\r\n[a]\n"},
    {"TSV, the last line must not join a CR", "a\tb\n1\t2\r", NULL, TSV, NULL, "1\t2\\r\n[a|b]\n"},
    {"TSV, the only cell is empty", "a\tb\n1\t\n", delete_first, TSV, NULL, "\n[b]\n"},
    {"TSV in another order", "a\tb\n\\q\r\t2\\t\r\n", NULL, TSV, "b,a", "2\\t\t\\\\q\\r\r\n"},
    {"CSV to TSV", "a,b,c\n\"x\"\"\",C:\\dir,\"\n\"\r\n", NULL, TSV, NULL,
     "x\"\tC:\\\\dir\t\\n\n[a|b|c]\n"},
    {"TSV to CSV",
     "a\tb\tc\nx\\ty\tC:\\dir\\n,\t\"\r\n",
     NULL,
     {0},
     NULL,
     "x\ty,\"C:\\dir\n,\",\"\"\"\"\n[a|b|c]\n"},
    {"JSON to TSV", "{\"a\":\"x\\ty\\\\\",\"b\":{\"c\":\"\\n\"}}\n", NULL, TSV, NULL,
     "x\\ty\\\\\t{\"c\":\"\\\\n\"}\n[a|b]\n"},
    {"TSV formulas",
     "a\tb\n\\t=1\t-x\n",
     NULL,
     {.delimiter = '\t', .escapes = true, .escape_formulas = true},
     NULL,
     "'\\t=1\t'-x\n[a|b]\n"},

    /* Values. */
    {"kinds",
     "a,b,c,d,e,f,g\n1,2,3,4,5,6,\n",
     set_kinds,
     {0},
     NULL,
     ",true,false,nan,-inf,12345678901234567890,\n[a|b|c|d|e|f|g]\n"},
    {"from JSON",
     "{\"a\":1.50,\"b\":\"x\\ny\",\"c\":null,\"d\":true,\"e\":\"plain\",\"f\":\"\\u00e9\"}\n",
     NULL,
     {0},
     NULL,
     "1.50,\"x\ny\",,true,plain,\xc3\xa9\n[a|b|c|d|e|f]\n"},
    {"nested",
     "{\"a\":[1, 2],\"b\":{\"k\":\"v\"},\"c\":[]}\n",
     NULL,
     {0},
     NULL,
     "\"[1, 2]\",\"{\"\"k\"\":\"\"v\"\"}\",[]\n[a|b|c]\n"},
    {"nested is refused",
     "{\"a\":[1]}\n{\"a\":1}\n",
     NULL,
     {.nested = NESTED_ERROR},
     NULL,
     "E field 'a' is an array or an object, which output.nested: error forbids\n1\n[a]\n"},
    {"NaN inside",
     "{\"a\":1}\n",
     set_nan_inside,
     {0},
     NULL,
     "E field 'a[2].k' is NaN, which JSON cannot say\n"},
    {"a long text",
     "{\"a\":\"0123456789abcdef0123456789,\"}\n",
     NULL,
     {0},
     NULL,
     "\"0123456789abcdef0123456789,\"\n[a]\n"},

    /* What a spreadsheet would run. */
    {"formulas", "a,b,c,d\n=1+1,\"+x\",@a,\"-x\"\n\"\t=\",\"\r\",-,--1\n\"=a,b\",=\"x\",-1.,1\n",
     NULL, DEFUSE, NULL,
     "'=1+1,'+x,'@a,'-x\n[a|b|c|d]\n'\t=,\"'\r\",'-,'--1\n\"'=a,b\",\"'=\"\"x\"\"\",'-1.,1\n"},
    {"plain numbers and other cells stay as they are",
     "a,b,c,d\n-5,\"-5\",-0.50,-1E+5\n\"x\",a=b,'=1,\r\n", NULL, DEFUSE, NULL,
     "-5,\"-5\",-0.50,-1E+5\n[a|b|c|d]\n\"x\",a=b,'=1,\r\n"},
    {"and without the option all do", "a,b\n=1,\"+x\"\n", NULL, {0}, NULL, "=1,\"+x\"\n[a|b]\n"},
    {"formulas in another order", "a,b\n=1,\"x\"\n", NULL, DEFUSE, "b,a", "\"x\",'=1\n"},

    /* A row must not be a blank line. */
    {"the only cell is empty", "a\n1\n", set_empty, {0}, NULL, "\"\"\n[a]\n"},
    {"it becomes the only one", "a,b\n1,\n", delete_first, {0}, NULL, "\"\"\n[b]\n"},
    {"the only column is missing", "{\"b\":1}\n", NULL, FIT, "a", "\"\"\n"},
    {"no fields",
     "a,b\n1,2\n",
     delete_all,
     {0},
     NULL,
     "E the record has no fields: a row needs one at least\n"},
    {"no fields never fit", "{}\n", NULL, FIT, "a",
     "E the record has no fields: a row needs one at least\n"},

    /* Layouts. */
    {"changing",
     "{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}\n{\"b\":5,\"a\":6}\n{\"a\":7}\n",
     NULL,
     {0},
     NULL,
     "1,2\n[a|b]\n3,4\n5,6\n[b|a]\n7\n[a]\n"},
    {"fixed and the same", "a,b\n\"1\",2\r\n", NULL, {0}, "a,b", "\"1\",2\r\n"},
    {"fixed in another order",
     "a,b,c\n\"1\",2\r,3\r\n4,5,6\n",
     NULL,
     {0},
     "c,a,b",
     "3,\"1\",\"2\r\"\r\n6,4,5\n"},
    {"JSON in another order",
     "{\"a\":1,\"b\":2}\n{\"b\":3,\"a\":4}\n",
     NULL,
     {0},
     "b,a",
     "2,1\n3,4\n"},
    {"extra",
     "{\"a\":1,\"z\":2}\n{\"a\":3}\n",
     NULL,
     {0},
     "a",
     "E field 'z' is not among the output's columns (a); output.extra: drop leaves it out\n3\n"},
    {"extra dropped", "{\"a\":1,\"z\":2}\n", NULL, FIT, "a", "1\n"},
    {"missing",
     "{\"a\":1}\n",
     NULL,
     {0},
     "a,b",
     "E field 'b' is missing from the record (a); output.missing: empty writes an empty cell\n"},
    {"missing is empty", "{\"b\":1}\n", NULL, FIT, "a,b,c", ",1,\n"},
    {"deleted and added", "a,b\n1,\"2\"\n", delete_and_add, FIT, "z,a,b", "10.0,,\"2\"\n"},
    {"a bad value comes before a bad layout",
     "{\"a\":1,\"z\":[1]}\n",
     NULL,
     {.nested = NESTED_ERROR},
     "a,b",
     "E field 'z' is an array or an object, which output.nested: error forbids\n"},
    {"a bad value counts where it is dropped",
     "{\"a\":1,\"z\":[1]}\n",
     NULL,
     {.nested = NESTED_ERROR, .extra = EXTRA_DROP},
     "a",
     "E field 'z' is an array or an object, which output.nested: error forbids\n"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        run(&tests[i]);
}

/* A copy that a script keeps has its own bytes, its cells neither neighbours nor lost. */
static void test_copy(void **state)
{
    (void)state;
    static const struct input_dialect d = {.delimiter = ',', .quote = '"', .header = true};
    static const struct output_dialect od = {.delimiter = ',', .quote = '"'};
    static const char row[] = "\"0123456789abc\",\"0123456789abc\",x\r\n";
    struct arena arena, own;
    struct columns *columns;
    struct parsed parsed;
    struct buf out;
    tm_arena_init(&arena);
    tm_arena_init(&own);
    tm_buf_init(&out);
    assert_int_equal(csv->header(&d, &arena, SLICE("a,b,c\n"), &columns, NULL), 0);
    struct reader *r = csv->reader_new(&d, columns);
    struct writer *w = csv->writer_new(&od);
    csv->verbatim(w, r);
    csv->parse(r, &arena, row, sizeof row - 1, &parsed, NULL);
    struct node *copy = tm_node_copy(&own, parsed.record);
    assert_int_equal(csv->write(w, &out, copy, NULL), TIDEMILL_OK);
    assert_true(slice_is(buf_view(&out), row));
    buf_reset(&out);
    tm_node_set(copy, 2, (struct value){.kind = VALUE_NULL});
    assert_int_equal(csv->write(w, &out, copy, NULL), TIDEMILL_OK);
    assert_true(slice_is(buf_view(&out), "\"0123456789abc\",\"0123456789abc\",\r\n"));
    buf_reset(&out);
    node_fields(copy)[0].source = (struct slice){"1;2", 1};
    node_fields(copy)[1].source = (struct slice){node_fields(copy)[0].source.p + 2, 1};
    assert_int_equal(csv->write(w, &out, copy, NULL), TIDEMILL_OK);
    assert_true(slice_is(buf_view(&out), "1,2,\r\n"));
    csv->writer_free(w);
    csv->reader_free(r);
    tm_buf_release(&out);
    tm_arena_release(&own);
    tm_arena_release(&arena);
}

/* The next file's columns may lie where the last one's did. */
static void test_next_file(void **state)
{
    (void)state;
    static const struct input_dialect d = {.delimiter = ',', .quote = '"', .header = true};
    static const struct output_dialect od = {.delimiter = ',', .quote = '"'};
    struct slice names[2];
    struct columns columns = {.n = split_names("a,b", names), .names = names};
    struct writer *w = csv->writer_new(&od);
    struct arena arena;
    struct parsed parsed;
    struct buf out;
    tm_buf_init(&out);
    tm_arena_init(&arena);
    for (int file = 0; file < 2; file++) {
        struct reader *r = csv->reader_new(&d, &columns);
        csv->verbatim(w, r);
        csv->parse(r, &arena, "1,2\n", 4, &parsed, NULL);
        assert_int_equal(csv->write(w, &out, parsed.record, NULL), TIDEMILL_OK);
        if (file == 0)
            assert_int_equal(csv->fix_columns(w, 2, csv->layout(w)->names), TIDEMILL_OK);
        split_names("b,a", names);
        csv->reader_free(r);
    }
    assert_true(slice_is(buf_view(&out), "1,2\n2,1\n"));
    assert_int_equal(csv->fix_columns(w, 0, NULL), TIDEMILL_E_ARGUMENT);
    csv->writer_free(w);
    tm_buf_release(&out);
    tm_arena_release(&arena);
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        struct output_dialect dialect;
        const char *names;
        int status;
        const char *expected;
    } cases[] = {
        {{.delimiter = ',', .quote = '"', .header = true},
         "a,b c,\"d\"",
         0,
         "a,b c,\"\"\"d\"\"\"\n"},
        {{.delimiter = 'b', .quote = '"', .header = true, .crlf = true}, "a,b", 0, "ab\"b\"\r\n"},
        {{.delimiter = ',', .quote = '"', .header = true}, "", 0, "\"\"\n"},
        {{.delimiter = ',', .quote = '"', .header = true}, NULL, 0, ""},
        {{.delimiter = ',', .quote = '"'}, "a,b", 0, ""},
        {{.delimiter = ',', .quote = '"', .header = true, .escape_formulas = true},
         "a,=b,@\"c\"",
         0,
         "a,'=b,\"'@\"\"c\"\"\"\n"},
        {{.delimiter = '\t', .escapes = true, .header = true},
         "a,\"b\",\tc\\",
         0,
         "a\t\"b\"\t\\tc\\\\\n"},
        {{.delimiter = '\t', .escapes = true, .header = true}, "", TIDEMILL_E_WRITE, ""},
        {{.delimiter = 'b', .header = true}, "a,b", TIDEMILL_E_WRITE, "ab"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice names[8];
        struct buf out;
        struct finish *f = csv->finish_new(&cases[i].dialect);
        tm_buf_init(&out);
        uint32_t n = split_names(cases[i].names, names);
        assert_int_equal(csv->finish_begin(f, &out, n, names), cases[i].status);
        assert_true(slice_is(buf_view(&out), cases[i].expected));
        tm_buf_release(&out);
        csv->finish_free(f);
    }
}

static void test_relayout(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *rows, *expected; /* NULL: broken */
    } cases[] = {
        {"a,b", "b,a", "1,\"2,\n\"\r\n3,4\n", "\"2,\n\",1\r\n4,3\n"},
        {"a,b", "c,b,d", "1,2\n", ",2,\n"},
        {"a,b", "b", "1,\n", "\"\"\n"},
        {"a,b", "c", "1,2\n", "\"\"\n"},
        {"a", "b,a", "\"\"\n#x\n", ",\"\"\n,#x\n"},
        {"a,b", "b,a", "1\r,2\n", "2,\"1\r\"\n"},
        {"a,b", "b,a", "\"1\"\r,\"2\"3\n", "\"2\"3,\"1\r\"\n"},
        {"a,b", "b,a", "C:\\d\t\\t\r\n\t\"\n", "\\t\tC:\\d\r\n\"\t\n"},
        {"a,b", "b,a", "\\q\r\t2\n", "2\t\\\\q\\r\n"},
        {"a,b", "b", "1\t\n", "\n"},
        {"a,b", "b,a", "1\t2", NULL},
        {"a,b", "b,a", "1\t2\t3\n", NULL},
        {"a,b", "b,a", "", ""},
        {"a,b", "b,a", "1\n", NULL},
        {"a,b", "b,a", "1,2,3\n", NULL},
        {"a,b", "b,a", "1,2", NULL},
        {"a,b", "b,a", "1,\"2\n", NULL},
    };
    static const struct output_dialect dialects[] = {{.delimiter = ',', .quote = '"'}, TSV};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct output_dialect d = dialects[strchr(cases[i].rows, '\t') != NULL];
        struct slice from[4], to[4];
        uint32_t from_n = split_names(cases[i].from, from), to_n = split_names(cases[i].to, to);
        struct buf out;
        tm_buf_init(&out);
        int status = csv->relayout(&d, slice_of(cases[i].rows), from_n, from, to_n, to, &out, NULL);
        assert_int_equal(status, cases[i].expected ? TIDEMILL_OK : TIDEMILL_E_WORKER);
        if (cases[i].expected && !slice_is(buf_view(&out), cases[i].expected))
            fail_msg("%s: got %.*s", cases[i].rows, (int)out.n, out.p);
        tm_buf_release(&out);
    }
}

static void test_fits(void **state)
{
    (void)state;
    static const struct output_dialect strict, drop = {.extra = EXTRA_DROP},
                                               empty = {.missing = MISSING_EMPTY};
    static const struct {
        const struct output_dialect *dialect;
        const char *from, *to, *message; /* NULL: fits */
    } cases[] = {
        {&strict, "a,b", "b,a", NULL},
        {&strict, "a,b,z", "a,b",
         "field 'z' is not among the output's columns (a, b); output.extra: drop leaves it out"},
        {&drop, "a,b,z", "a,b", NULL},
        {&drop, "a", "a,b",
         "field 'b' is missing from the record (a); output.missing: empty writes an empty cell"},
        {&empty, "a", "a,b", NULL},
        {&empty, "z", "a,b,c,d,e,f,g,h,i,j,k",
         "field 'z' is not among the output's columns (a, b, c, d, e, f, g, h, i, j, ... 11 in "
         "all); output.extra: drop leaves it out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice from[16], to[16];
        uint32_t from_n = split_names(cases[i].from, from), to_n = split_names(cases[i].to, to);
        err e;
        int status = tm_layout_fits(cases[i].dialect, from_n, from, to_n, to, &e);
        assert_int_equal(status, cases[i].message ? TIDEMILL_E_WRITE : TIDEMILL_OK);
        if (cases[i].message)
            assert_string_equal(e.message, cases[i].message);
    }
}

/* The row of two fields that hold this, or "E" where it is refused. */
static void write_pair(const struct output_dialect *d, struct value v, struct buf *out)
{
    struct arena arena;
    err e;
    tm_arena_init(&arena);
    struct writer *w = csv->writer_new(d);
    struct node *n = tm_node_new(&arena, NODE_OBJECT, 2);
    tm_node_add(n, SLICE("a"), v);
    tm_node_add(n, SLICE("b"), v);
    buf_reset(out);
    if (csv->write(w, out, n, &e) != TIDEMILL_OK) {
        buf_reset(out);
        buf_byte(out, 'E');
    }
    csv->writer_free(w);
    tm_arena_release(&arena);
}

/* A JSON scalar is written as what it means is, wherever in it a byte stands that needs care. */
static void test_json_scalars(void **state)
{
    static const struct output_dialect dialects[] = {
        {.delimiter = ',', .quote = '"'},
        PIPE,
        TSV,
        NO_QUOTE,
        {.delimiter = 't', .quote = '"'},
        {.delimiter = ' ', .quote = 'e'},
        {.delimiter = 'E', .quote = '\''},
        {.delimiter = '1', .quote = '\0'},
    };
    static const struct {
        const char *json, *means;
    } bytes[] = {
        {"x", "x"},    {",", ","},    {"\\n", "\n"}, {"\\\\", "\\"},           {"\\\"", "\""},
        {"'", "'"},    {"t", "t"},    {" ", " "},    {"\xc3\xa9", "\xc3\xa9"}, {"|", "|"},
        {"\\t", "\t"}, {"\\r", "\r"},
    };
    static const char *const scalars[] = {"1",   "true",        "false", "-1.5e3",
                                          "1E5", "12345678.25", "1e-7"};
    static const char as[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const char bs[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    struct buf seen, wanted;
    char json[64], means[64];
    (void)state;
    tm_buf_init(&seen);
    tm_buf_init(&wanted);
    for (size_t k = 0; k < sizeof dialects / sizeof *dialects; k++) {
        for (int n = 0; n < 36; n++)
            for (int at = 0; at < n; at++)
                for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
                    int length = snprintf(json, sizeof json, "\"%.*s%s%.*s\"", at, as,
                                          bytes[i].json, n - at - 1, bs);
                    int size = snprintf(means, sizeof means, "%.*s%s%.*s", at, as, bytes[i].means,
                                        n - at - 1, bs);
                    write_pair(&dialects[k],
                               (struct value){.kind = VALUE_JSON, .text = {json, (size_t)length}},
                               &seen);
                    write_pair(&dialects[k],
                               (struct value){.kind = VALUE_TEXT, .text = {means, (size_t)size}},
                               &wanted);
                    assert_int_equal(seen.n, wanted.n);
                    assert_memory_equal(seen.p, wanted.p, seen.n);
                }
        for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
            write_pair(&dialects[k],
                       (struct value){.kind = VALUE_JSON, .text = slice_of(scalars[i])}, &seen);
            write_pair(&dialects[k],
                       (struct value){.kind = VALUE_TEXT, .text = slice_of(scalars[i])}, &wanted);
            assert_int_equal(seen.n, wanted.n);
            assert_memory_equal(seen.p, wanted.p, seen.n);
        }
    }
    tm_buf_release(&seen);
    tm_buf_release(&wanted);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_copy),
        cmocka_unit_test(test_next_file),    cmocka_unit_test(test_header),
        cmocka_unit_test(test_relayout),     cmocka_unit_test(test_fits),
        cmocka_unit_test(test_json_scalars),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
