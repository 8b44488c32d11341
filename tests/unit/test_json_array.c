/*
 * The format json: where records are in a document and what is wrong around them, with line and
 * offset, however the bytes are cut; that parse finds the same records; what is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "format/formats.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const struct format *const json = &tm_format_json;

/* ---- documents ---- */

struct row {
    const char *at, *text;
    const char *want; /* "<RECORD>" each, then "!LINE:OFFSET MESSAGE" if it breaks */
};

static const struct row arrays[] = {
    {"", "[]", ""},
    {"", " \n[ \n] \n", ""},
    {"", "[{}]", "<{}>"},
    {"", "[{},{}]", "<{}><{}>"},
    {"", "\t[\r\n  {\"a\": 1} ,\r\n  {\"b\": [\r\n]}\r\n]\r\n", "<{\"a\": 1}><{\"b\": [\r\n]}>"},
    {"", "[1,-2.5e3 ,\"x\\\"]\",null,[[]],true]", "<1><-2.5e3><\"x\\\"]\"><null><[[]]><true>"},
    {"", "[{\"a\":\"}{][\\\\\"},{\"\\\"\":\"\\\"\"}]",
     "<{\"a\":\"}{][\\\\\"}><{\"\\\"\":\"\\\"\"}>"},
    /* What is wrong inside of an element is the record's own. */
    {"", "[{\"a\":1],{\"b\":01}]", "<{\"a\":1]><{\"b\":01}>"},
    {"", "[nul,x:y,\x01,{,},\"\n\"]", "<nul><x:y><\x01><{,}><\"\n\">"},
    {"", "[\xff,{\"\xff\":1}]", "<\xff><{\"\xff\":1}>"},
};

static const struct row pointers[] = {
    {"/a", "{\"a\":[{}]}", "<{}>"},
    {"/a", "{\"b\":[1],\"a\":[2],\"c\":[3]}", "<2>"},
    {"/a", "{\"b\":{\"a\":[1]},\"a\":[2],\"c\":{\"a\":[3]}}", "<2>"},
    {"/a/b", "{\"a\":{\"a\":[1],\"b\":[2],\"c\":{\"b\":[4]}},\"b\":[3]}", "<2>"},
    {"/0", "[[1,2],[3]]", "<1><2>"},
    {"/1", "[[1,2],[3],{\"a\":4}]", "<3>"},
    {"/1/x/0", "[0,{\"y\":1,\"x\":[[5,6],7]},8]", "<5><6>"},
    {"/10", "[0,1,2,3,4,5,6,7,8,9,[10]]", "<10>"},
    {"/", "{\"\":[1]}", "<1>"},
    {"//", "{\"\":{\"\":[1]}}", "<1>"},
    {"/a~1b", "{\"a/b\":[1]}", "<1>"},
    {"/m~0n", "{\"m~n\":[1]}", "<1>"},
    {"/~01", "{\"~1\":[1]}", "<1>"},
    {"/c%d e^f|g\\h\"i", "{\"c%d e^f|g\\\\h\\\"i\":[1]}", "<1>"},
    {"/a", "{\"\\u0061\":[1]}", "<1>"},
    {"/\xc3\xa9", "{\"e\":[0],\"\xc3\xa9\":[1]}", "<1>"},
    {"/\xc3\xa9", "{\"\\u00e9\":[1]}", "<1>"},
    {"/\xf0\x9d\x84\x9e", "{\"\\ud834\\udd1e\":[1]}", "<1>"},
    {"/0", "{\"0\":[1]}", "<1>"},
    {"/01", "{\"01\":[1]}", "<1>"},
    {"/ab", "{\"a\":[0],\"abc\":[0],\"b\":[0],\"ab\":[1]}", "<1>"},
    {"/a", "{\"x\":\"\\\"a\\\":[\",\"a\":[1]}", "<1>"},
};

static const struct row broken[] = {
    {"", "", "!1:0 expected an array of records, got the end of the file"},
    {"", "\n \n", "!3:3 expected an array of records, got the end of the file"},
    {"", "\n17", "!2:1 expected an array of records, got '1'"},
    {"", "x", "!1:0 expected an array of records, got 'x'"},
    {"", "{",
     "!1:0 the document is an object, not an array of records (input.at can name an array "
     "inside, as /items does)"},
    {"", "\n{\"n\":1,\"items\":[1],\"t/~u\":[[],{\"x\":[]}]}",
     "!2:1 the document is an object, not an array of records (input.at: /items or /t~1~0u names "
     "an "
     "array inside)"},
    {"", "{\"a\":[1]}\n{\"a\":[2]}\n",
     "!1:0 the document is one object after another, not an array of records (input.format: "
     "jsonl)"},
    {"", "[", "!1:1 expected a record or ']', got the end of the file"},
    {"", "[\n", "!2:2 expected a record or ']', got the end of the file"},
    {"", "[{}", "<{}>!1:3 expected ',' or ']' after a record, got the end of the file"},
    {"", "[{},\n", "<{}>!2:5 expected a record after ',', got the end of the file"},
    {"", "[{},\n\n{\"a\":1,\n\"b\":[{}",
     "<{}>!3:6 the file ends inside the record that begins here"},
    {"", "[\n\"a", "!2:2 the file ends inside the record that begins here, in a string"},
    {"", "[\n\"a\\", "!2:2 the file ends inside the record that begins here, in a string"},
    {"", "[1,\n2", "<1><2>!2:5 expected ',' or ']' after a record, got the end of the file"},
    {"", "[,1]", "!1:1 expected a record or ']', got ','"},
    {"", "[1,\n]", "<1>!2:4 expected a record after ',', got ']'"},
    {"", "[1,,2]", "<1>!1:3 expected a record after ',', got ','"},
    {"", "[1\n2]", "<1>!2:3 expected ',' or ']' after a record, got '2'"},
    {"", "[{}{}]", "<{}>!1:3 expected ',' or ']' after a record, got '{'"},
    {"", "[{}\n}]", "<{}>!2:4 expected ',' or ']' after a record, got '}'"},
    {"", "[{}]\n]", "<{}>!2:5 expected the end of the file, got ']'"},
    {"", "[{}]\n\n[{}]", "<{}>!3:6 expected the end of the file, got '['"},
    {"", "[{}]\nfalse", "<{}>!2:5 expected the end of the file, got 'false'"},
    {"", "[{}]\xff", "<{}>!1:4 expected the end of the file, got byte 0xff, which is not UTF-8"},
    {"", "[}]", "!1:1 expected a record or ']', got '}'"},
    {"/a", "", "!1:0 expected a document with an array of records, got the end of the file"},
    {"/a", "{\"a\":[1]", "<1>!1:8 expected ',' or '}' after a value, got the end of the file"},
    {"/a", "{\"a\":[1],", "<1>!1:9 expected a key after ',', got the end of the file"},
    {"/a", "{\"a\":[1],\"b\"", "<1>!1:12 expected ':' after a key, got the end of the file"},
    {"/a", "{\"a\":[1],\"b\":", "<1>!1:13 expected a value, got the end of the file"},
    {"/a", "{\"a\":[1],\"b", "<1>!1:11 the file ends inside a string"},
    {"/a", "{\"a\":[1],\"b\":-", "<1>!1:14 expected a digit after '-', got the end of the file"},
    {"/a", "{\"a\":[1],\"b\":1",
     "<1>!1:14 expected ',' or a bracket after a value, got the end of "
     "the file"},
    {"/a", "{\"b\":\"\n\",\"a\":[1]}", "!1:6 control character 0x0a in a string (write it as \\n)"},
    {"/a", "{\"b\":\n\"x\xffy\",\"a\":[1]}", "!2:8 invalid UTF-8 in a string (byte 0xff)"},
    {"/a", "{\"b\":\"\\ud800\",\"a\":[1]}", "!1:6 a lone surrogate, \\ud800, is no character"},
    {"/a", "{\"b\":\"\\x\",\"a\":[1]}",
     "!1:6 expected one of \"\\/bfnrtu after a backslash, got 'x'"},
    {"/a", "{\"b\":[1,2],\"c\":tru,\"a\":[1]}", "!1:15 expected a value, got 'tru'"},
    {"/a", "{\"b\":NaN,\"a\":[1]}", "!1:5 expected a value, got 'NaN' (JSON has no such number)"},
    {"/a", "{\"b\":\n01,\"a\":[1]}", "!2:7 a number begins with a needless 0"},
    {"/a", "{\"b\":{],\"a\":[1]}", "!1:6 expected a key or '}', got ']'"},
    {"/a", "{\"b\":[[[[[1]]]]],\"a\":[1]}", "!1:9 nested deeper than 5 levels (limits.depth)"},
    {"/a", "{\"b\":[[[[]]]],\"a\":[[[[[[[1]]]]]]]}", "<[[[[[[1]]]]]]>"},
};

static const struct row nowhere[] = {
    {"/a", "[]", "!1:0 input.at '/a' leads nowhere: the document is an array, with no 'a' in it"},
    {"/0", "\n[]",
     "!2:2 input.at '/0' leads nowhere: the document is an array of 0 elements, with no "
     "'0' in it"},
    {"/2", "[1,2\n]",
     "!2:5 input.at '/2' leads nowhere: the document is an array of 2 elements, with "
     "no '2' in it"},
    {"/1/0", "[1,[],3]",
     "!1:4 input.at '/1/0' leads nowhere: '/1' is an array of 0 elements, with no "
     "'0' in it"},
    {"/a", "17", "!1:0 input.at '/a' leads nowhere: the document is a number, with no 'a' in it"},
    {"/a", "{}", "!1:1 input.at '/a' leads nowhere: the document has no member 'a'"},
    {"/a", "{\"b\":{\"a\":[]}\n}",
     "!2:14 input.at '/a' leads nowhere: the document has no member 'a'"},
    {"/a/b", "{\"a\":{\"c\":1}}", "!1:11 input.at '/a/b' leads nowhere: '/a' has no member 'b'"},
    {"/a/b", "{\"a\":\"x\"}",
     "!1:5 input.at '/a/b' leads nowhere: '/a' is a string, with no 'b' in it"},
    {"/a/-", "{\"a\":[1]}",
     "!1:5 input.at '/a/-' leads nowhere: '/a' is an array, with no '-' in it"},
    {"/a/00", "{\"a\":[1]}",
     "!1:5 input.at '/a/00' leads nowhere: '/a' is an array, with no '00' in it"},
    {"/a", "{\"a\":{}}", "!1:5 input.at '/a' is an object, not an array of records"},
    {"/a", "{\"a\":null}", "!1:5 input.at '/a' is null, not an array of records"},
    {"/a", "{\"a\":true}", "!1:5 input.at '/a' is a boolean, not an array of records"},
    {"/a", "{\"a\":?}", "!1:5 expected a value, got '?'"},
    {"/a", "{\"a\":[1],\n\"a\":[2]}",
     "<1>!2:12 duplicate key 'a': input.at '/a' could mean either of two values"},
    {"/a/b", "{\"a\":{\"b\":[1],\"\\u0062\":3}}",
     "<1>!1:21 duplicate key 'b': input.at '/a/b' could mean either of two values"},
    {"/a/b", "{\"a\":{\"b\":[1]},\"a\":3}",
     "<1>!1:17 duplicate key 'a': input.at '/a/b' could mean either of two values"},
    {"/a/b", "{\"a\":{\"b\":[1]},\"b\":3,\"x\":{\"a\":1,\"a\":2}}", "<1>"},
};

static uint64_t lines_in(const char *p, size_t n)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n';
    return lines;
}

/* The document as a splitter sees it: `first` bytes, then `piece` by `piece`, then its end. */
static void split_all(struct buf *out, const struct row *row, size_t first, size_t piece)
{
    struct slice text = slice_of(row->text);
    struct input_dialect d = {.at = slice_of(row->at), .max_depth = 5};
    struct split_state s = {.document = json->document_new(&d)};
    size_t at = 0, have = first < text.n ? first : text.n;
    bool final = false;
    err e = {0};
    buf_reset(out);
    assert_non_null(s.document);
    for (;;) {
        struct extent x = {0};
        /* A block of its own size: reading past it is seen. */
        char *block = malloc(have - at + !(have - at));
        memcpy(block, text.p + at, have - at);
        enum split_verdict v = at == text.n ? SPLIT_MORE
                                            : json->split(&d, &s, block, have - at, final, &x, &e);
        free(block);
        if (v == SPLIT_ERROR) {
            tm_buf_printf(out, "!%zu:%zu %s", (size_t)(lines_in(text.p, at) + x.lines + 1), at,
                          e.message);
            break;
        }
        if (v == SPLIT_MORE && final && at == text.n)
            break;
        if (v == SPLIT_MORE) {
            assert_false(final && have == text.n && at < text.n);
            final = have == text.n;
            have = text.n - have > piece ? have + piece : text.n;
            continue;
        }
        assert_true(x.length > 0 && x.length <= have - at);
        assert_int_equal(x.lines, lines_in(text.p + at, x.length));
        if (v == SPLIT_RECORD)
            tm_buf_printf(out, "<%.*s>", (int)x.length, text.p + at);
        at += x.length;
        s = (struct split_state){.document = s.document};
    }
    if (at == text.n && json->document_end(s.document, &e) != TIDEMILL_OK)
        tm_buf_printf(out, "!%zu:%zu %s", (size_t)lines_in(text.p, at) + 1, at, e.message);
    assert_true(e.status == 0 || e.status == TIDEMILL_E_INPUT);
    json->document_free(s.document);
}

/* The same at every single cut, and in pieces of every size. */
static void check_row(struct buf *got, const struct row *row)
{
    size_t n = strlen(row->text);
    for (size_t i = 0; i <= n; i++) {
        split_all(got, row, i, n + 1);
        if (!slice_is(buf_view(got), row->want))
            fail_msg("%s cut at %zu:\n%.*s, not\n%s", row->text, i, (int)got->n, got->p, row->want);
        split_all(got, row, 0, i + 1);
        if (!slice_is(buf_view(got), row->want))
            fail_msg("%s in pieces of %zu:\n%.*s, not\n%s", row->text, i + 1, (int)got->n, got->p,
                     row->want);
    }
}

static void documents(void **state)
{
    static const struct {
        const struct row *rows;
        size_t n;
    } tables[] = {{arrays, LENGTH(arrays)},
                  {pointers, LENGTH(pointers)},
                  {broken, LENGTH(broken)},
                  {nowhere, LENGTH(nowhere)}};
    struct buf got;
    (void)state;
    tm_buf_init(&got);
    for (size_t i = 0; i < LENGTH(tables); i++)
        for (size_t j = 0; j < tables[i].n; j++)
            check_row(&got, &tables[i].rows[j]);
    tm_buf_release(&got);
}

/* What stands around records is passed as it comes, and never held back but for a few bytes. */
static void nothing_is_held(void **state)
{
    static const char *const openings[] = {"{\"x\":\"", "{\"x\":[1",           "{\"x\":1",
                                           " ",         "{\"a\":[1],\"x\":\"", "{\"a\":[1]"};
    struct input_dialect d = {.at = SLICE("/a")};
    char text[5000];
    (void)state;
    for (size_t i = 0; i < LENGTH(openings); i++) {
        size_t n = strlen(openings[i]), at = 0;
        struct split_state s = {.document = json->document_new(&d)};
        memset(text,
               openings[i][n - 1] == '1'   ? '7'
               : openings[i][n - 1] == '"' ? 'x'
                                           : ' ',
               sizeof text);
        memcpy(text, openings[i], n);
        while (at < sizeof text) {
            struct extent x = {0};
            enum split_verdict v = json->split(&d, &s, text + at, sizeof text - at, false, &x,
                                               NULL);
            assert_true(v == SPLIT_SKIP || v == SPLIT_RECORD);
            at += x.length;
            s = (struct split_state){.document = s.document};
        }
        json->document_free(s.document);
    }
}

/* ---- encodings ---- */

static void foreign_encodings(void **state)
{
    static const struct {
        enum encoding encoding;
        enum on_invalid on_invalid;
        const char *at, *text, *want;
    } rows[] = {
        {ENCODING_LATIN1, INVALID_ERROR, "/\xc3\xa9", "{\"\xe9\":[1],\"x\":\"\x80\"}", "<1>"},
        {ENCODING_WINDOWS_1252, INVALID_ERROR, "/\xe2\x82\xac", "{\"\x80\":[1]}", "<1>"},
        {ENCODING_WINDOWS_1252, INVALID_ERROR, "/a", "{\"a\":[1],\"x\":\"\x81\"}",
         "<1>!1:14 byte 0x81 is not windows-1252 (input.encoding)"},
        {ENCODING_WINDOWS_1252, INVALID_REPLACE, "/a", "{\"a\":[1],\"x\":\"\x81\"}", "<1>"},
        {ENCODING_UTF8, INVALID_ERROR, "/a", "{\"a\":[1],\"x\":\"\x81\"}",
         "<1>!1:14 invalid UTF-8 in a string (byte 0x81)"},
        {ENCODING_UTF8, INVALID_REPLACE, "/\xc3\xa9", "{\"x\":\"\x81\xc3\",\"\xc3\xa9\":[1]}",
         "<1>"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct input_dialect d = {.at = slice_of(rows[i].at),
                                  .encoding = rows[i].encoding,
                                  .on_invalid = rows[i].on_invalid};
        struct split_state s = {.document = json->document_new(&d)};
        struct slice text = slice_of(rows[i].text);
        struct buf got;
        err e = {0};
        tm_buf_init(&got);
        for (size_t at = 0; at < text.n;) {
            struct extent x = {0};
            enum split_verdict v = json->split(&d, &s, text.p + at, text.n - at, true, &x, &e);
            s = (struct split_state){.document = s.document};
            if (v == SPLIT_RECORD)
                tm_buf_printf(&got, "<%.*s>", (int)x.length, text.p + at);
            if (v == SPLIT_ERROR)
                tm_buf_printf(&got, "!1:%zu %s", at, e.message);
            at = v == SPLIT_ERROR ? text.n : at + x.length;
        }
        if (!slice_is(buf_view(&got), rows[i].want))
            fail_msg("row %zu: %.*s", i, (int)got.n, got.p);
        tm_buf_release(&got);
        json->document_free(s.document);
    }
}

/* ---- chunks: parse, and split again ---- */

/* "<WRITTEN>" or "!MESSAGE" for each record of a chunk, which split finds in the same places. */
static void convert(struct buf *out, const struct input_dialect *d, struct slice text)
{
    static const struct output_dialect od = {0};
    struct reader *r = json->reader_new(d, NULL);
    struct writer *w = json->writer_new(&od);
    struct arena arena;
    tm_arena_init(&arena);
    for (size_t at = 0; at < text.n;) {
        struct parsed got;
        struct split_state s = {0};
        struct extent x = {0};
        err e = {0};
        enum split_verdict split = json->split(d, &s, text.p + at, text.n - at, true, &x, NULL);
        enum parse_verdict parse = json->parse(r, &arena, text.p + at, text.n - at, &got, &e);
        assert_true(got.length == x.length && got.lines == x.lines);
        assert_true((split == SPLIT_SKIP) == (parse == PARSE_SKIP));
        if (parse == PARSE_RECORD) {
            size_t begin = out->n;
            assert_int_equal(json->write(w, out, got.record, &e), TIDEMILL_OK);
            assert_memory_equal(out->p + begin, ",\n", 2);
            memmove(out->p + begin + 1, out->p + begin + 2, out->n - begin - 2);
            out->p[begin] = '<';
            out->p[out->n - 1] = '>';
        } else if (parse == PARSE_FAILED) {
            assert_int_equal(e.status, TIDEMILL_E_RECORD);
            tm_buf_printf(out, "!%s", e.message);
        }
        at += got.length;
        tm_arena_reset(&arena);
    }
    tm_arena_release(&arena);
    json->writer_free(w);
    json->reader_free(r);
}

static void chunks(void **state)
{
    static const struct {
        const char *text, *want, *wrapped;
    } rows[] = {
        {"{\"a\" :1}", "<{\"a\" :1}>", NULL},
        {" ,\n{\"a\":1}\n ,{\"b\":\n2} ", "<{\"a\":1}><{\"b\":\n2}>", NULL},
        {"{}{}", "<{}><{}>", NULL},
        {"{\"a\":1],{}",
         "!invalid JSON at column 7 of the record: expected ',' or '}' after a value, "
         "got ']'<{}>",
         NULL},
        {"{\"a\":\n 01},{}",
         "!invalid JSON in line 2 of the record, column 2: a number begins with a "
         "needless 0<{}>",
         NULL},
        {"nul , {}", "!invalid JSON at column 1 of the record: expected a value, got 'nul'<{}>",
         NULL},
        {"1x", "!invalid JSON at column 2 of the record: expected the end of the record, got 'x'",
         NULL},
        {"17,\"x\"",
         "!the record is a number, not an object (input.wrap can name a field for it)!the "
         "record is a string, not an object (input.wrap can name a field for it)",
         "<{\"v\":17}><{\"v\":\"x\"}>"},
        {"[1,\n 2],null,{\"v\":1}", NULL, "<{\"v\":[1,\n 2]}><{\"v\":null}><{\"v\":1}>"},
        {"]", "!invalid JSON at column 1 of the record: expected a value, got ']'", NULL},
    };
    struct input_dialect d = {0}, wrap = {.wrap = SLICE("v")};
    struct buf got;
    (void)state;
    tm_buf_init(&got);
    for (size_t i = 0; i < LENGTH(rows) * 2; i++) {
        const char *want = i & 1 ? rows[i / 2].wrapped : rows[i / 2].want;
        buf_reset(&got);
        convert(&got, i & 1 ? &wrap : &d, slice_of(rows[i / 2].text));
        if (want && !slice_is(buf_view(&got), want))
            fail_msg("row %zu: %.*s", i / 2, (int)got.n, got.p);
    }
    tm_buf_release(&got);
}

/* ---- output ---- */

static void finishes(void **state)
{
    static const struct {
        const char *rows[3], *want;
    } cases[] = {
        {{NULL}, "[]\n"},
        {{",\n{}"}, "[\n{}\n]\n"},
        {{",\n{\"a\":\n1},\n{}", ",\n{}"}, "[\n{\"a\":\n1},\n{},\n{}\n]\n"},
    };
    static const char *const bad[] = {"",     ",",     ",\n",   "{}",    ",\n{",
                                      "\n{}", ",\n[]", ",{}\n", ",\n{} "};
    struct output_dialect d = {0};
    struct buf out;
    err e = {0};
    (void)state;
    tm_buf_init(&out);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct finish *f = json->finish_new(&d);
        buf_reset(&out);
        assert_int_equal(json->finish_begin(f, &out, 0, NULL), TIDEMILL_OK);
        for (size_t j = 0; j < 3 && cases[i].rows[j]; j++)
            assert_int_equal(json->finish_rows(f, &out, slice_of(cases[i].rows[j]), &e),
                             TIDEMILL_OK);
        assert_int_equal(json->finish_end(f, &out), TIDEMILL_OK);
        assert_true(slice_is(buf_view(&out), cases[i].want));
        for (size_t j = 0; j < LENGTH(bad); j++)
            assert_int_equal(json->finish_rows(f, &out, slice_of(bad[j]), &e), TIDEMILL_E_WORKER);
        json->finish_free(f);
    }
    tm_buf_release(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),         cmocka_unit_test(nothing_is_held),
        cmocka_unit_test(foreign_encodings), cmocka_unit_test(chunks),
        cmocka_unit_test(finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
