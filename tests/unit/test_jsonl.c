/*
 * JSON Lines: where records end, however the bytes come; what is read; which line ends are written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "format/formats.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const struct format *const jsonl = &tm_format_jsonl;
static const struct input_dialect dialect = {.max_depth = 100};
static const struct output_dialect output = {.max_depth = 100};

/* "R12 S1 ...": the verdicts and lengths of all of `text`, given in pieces of `piece` bytes. */
static void split_all(struct buf *out, struct slice text, size_t piece)
{
    size_t at = 0, have = 0;
    struct split_state state = {0};
    while (at < text.n) {
        struct extent extent;
        bool final = have == text.n;
        size_t before = state.scanned;
        switch (jsonl->split(&dialect, &state, text.p + at, have - at, final, &extent, NULL)) {
        case SPLIT_MORE:
            assert_false(final);
            assert_true(state.scanned == have - at && state.scanned >= before);
            have = text.n - have > piece ? have + piece : text.n;
            continue;
        case SPLIT_RECORD:
            tm_buf_printf(out, "R%zu ", extent.length);
            break;
        case SPLIT_SKIP:
            tm_buf_printf(out, "S%zu ", extent.length);
            break;
        case SPLIT_ERROR:
            fail();
        }
        assert_int_equal(extent.lines, 1);
        at += extent.length;
        state = (struct split_state){0};
    }
}

static void splits(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"\n", "S1 "},
        {" \t\r\n{}\n", "S4 R3 "},
        {"{}", "R2 "},
        {"{}\n{\"a\":1}\r\n", "R3 R9 "},
        {"{}\n  ", "R3 S2 "},
        {"nonsense\n\n\"\n", "R9 S1 R2 "},
        {"{\"a\":\"b\\\n\"}\n", "R9 R3 "},
        {"\v\n", "R2 "},
    };
    struct buf got;
    (void)state;
    tm_buf_init(&got);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        for (size_t piece = 1; piece < 20; piece++) {
            buf_reset(&got);
            split_all(&got, slice_of(rows[i].text), piece);
            if (!slice_is(buf_view(&got), rows[i].want))
                fail_msg("row %zu in pieces of %zu: %.*s", i, piece, (int)got.n, got.p);
        }
    }
    tm_buf_release(&got);
}

/* Read everything in `text` and write it again; failures as "!MESSAGE\n". */
static void convert(struct buf *out, struct slice text, bool touch)
{
    struct reader *r = jsonl->reader_new(&dialect, NULL);
    struct writer *w = jsonl->writer_new(&output);
    struct arena arena;
    tm_arena_init(&arena);
    jsonl->verbatim(w, r);
    for (size_t at = 0; at < text.n;) {
        struct parsed got;
        struct split_state state = {0};
        struct extent extent;
        err e = {0};
        enum split_verdict split = jsonl->split(&dialect, &state, text.p + at, text.n - at, true,
                                                &extent, NULL);
        enum parse_verdict parse = jsonl->parse(r, &arena, text.p + at, text.n - at, &got, &e);
        assert_true(got.length == extent.length && got.lines == extent.lines);
        assert_true((split == SPLIT_SKIP) == (parse == PARSE_SKIP));
        if (parse == PARSE_RECORD) {
            /* Whoever reads them: a copy may outlive its reader, whose address another one may have. */
            static const void *origin;
            origin = origin ? origin : got.record->origin;
            assert_true(origin && origin != r && got.record->origin == origin);
            if (touch)
                tm_node_add(got.record, SLICE("x"), (struct value){.kind = VALUE_TRUE});
            assert_int_equal(jsonl->write(w, out, got.record, &e), TIDEMILL_OK);
        } else {
            assert_null(got.record);
        }
        if (parse == PARSE_FAILED) {
            assert_int_equal(e.status, TIDEMILL_E_RECORD);
            tm_buf_printf(out, "!%s\n", e.message);
        }
        at += got.length;
        tm_arena_reset(&arena);
    }
    tm_arena_release(&arena);
    jsonl->writer_free(w);
    jsonl->reader_free(r);
}

static void converts(void **state)
{
    static const struct {
        const char *text, *want, *touched;
    } rows[] = {
        {"{\"a\": 1}\n{\"b\" :2}\r\n", "{\"a\": 1}\n{\"b\" :2}\r\n",
         "{\"a\": 1,\"x\":true}\n{\"b\" :2,\"x\":true}\r\n"},
        {"{}", "{}\n", "{\"x\":true}\n"},
        {"\n \n {} \n\n", "{}\n", "{\"x\":true}\n"},
        {"{}\r", "{}\n", "{\"x\":true}\n"},
        {"{}\r\r\n", "{}\r\n", "{\"x\":true}\r\n"},
        {"{\n", "!invalid JSON at column 2: expected a key or '}', got end of line\n", NULL},
        {"\t17\r\n",
         "!the record is a number, not an object (input.wrap can name a field for it)\n", NULL},
        {"{}\n[\n{}\n", "{}\n!invalid JSON at column 2: expected a value, got end of line\n{}\n",
         NULL},
        {"{\"a\":1,\"a\":2}\n",
         "!invalid JSON at column 8: duplicate key 'a' (input.duplicates: last or number allows "
         "it)\n",
         NULL},
    };
    struct buf got;
    (void)state;
    tm_buf_init(&got);
    for (size_t i = 0; i < LENGTH(rows) * 2; i++) {
        const char *want = i & 1 ? rows[i / 2].touched : rows[i / 2].want;
        buf_reset(&got);
        convert(&got, slice_of(rows[i / 2].text), i & 1);
        if (want && !slice_is(buf_view(&got), want))
            fail_msg("row %zu: %.*s", i / 2, (int)got.n, got.p);
    }
    tm_buf_release(&got);
}

/* Records of other formats end in a line feed, whatever they ended in. */
static void other_records(void **state)
{
    struct arena arena;
    struct buf out;
    struct writer *w = jsonl->writer_new(&output);
    (void)state;
    tm_arena_init(&arena);
    tm_buf_init(&out);
    struct node *n = tm_node_new(&arena, NODE_OBJECT, 1);
    struct field *f = tm_node_append(n);
    f->key = SLICE("a");
    f->source = SLICE("1");
    f->value = (struct value){.kind = VALUE_CELL, .text = f->source};
    n->originals = 1;
    n->source = SLICE("1");
    n->line_end = SLICE("\r\n");
    n->origin = &arena;
    assert_int_equal(jsonl->write(w, &out, n, NULL), TIDEMILL_OK);
    assert_true(slice_is(buf_view(&out), "{\"a\":1}\n"));
    buf_reset(&out);
    assert_int_equal(jsonl->write(w, &out, tm_node_new(&arena, NODE_OBJECT, 0), NULL), TIDEMILL_OK);
    assert_true(slice_is(buf_view(&out), "{}\n"));
    tm_buf_release(&out);
    tm_arena_release(&arena);
    jsonl->writer_free(w);
}

/* What a reader says of the text's first line: verdict, length, place of its fields, message. */
static void say(struct buf *out, struct reader *r, struct slice text)
{
    struct arena arena;
    struct parsed parsed = {0};
    err why = {0};
    tm_arena_init(&arena);
    enum parse_verdict verdict = jsonl->parse(r, &arena, text.p, text.n, &parsed, &why);
    tm_buf_printf(out, "%d, %zu bytes, %s", (int)verdict, parsed.length, why.message);
    const struct node *n = parsed.record;
    if (n)
        tm_buf_printf(out, " %u %u %u %zu+%zu %zu", n->count, n->live, n->originals,
                      (size_t)(n->source.p - text.p), n->source.n, n->line_end.n);
    for (uint32_t i = 0; n && i < n->count; i++) {
        const struct field *f = &node_fields(n)[i];
        tm_buf_printf(out, " [%.*s: %zu %zu+%zu %d]", (int)f->key.n, f->key.p,
                      (size_t)(f->start - text.p), (size_t)(f->source.p - text.p), f->source.n,
                      (int)f->value.kind);
    }
    tm_arena_release(&arena);
}

/*
 * A line that looks like the one before is read in a quicker way, which must say the same as the
 * other one about whatever comes: each byte of a line changed to each that matters, and cut off.
 */
static void lines_alike(void **state)
{
    static const char usual[] =
        "{\"id\":17,\"x\":-5.25,\"name\":\"a b\",\"ok\":true,\"no\":null}\n";
    static const char bytes[] = "\"\\{}[],:.-+0123456789eEtrufalsn \t\r\n\x01\x80\xc3\xa4x";
    struct reader *fresh, *warm = jsonl->reader_new(&dialect, NULL);
    struct buf one, other;
    (void)state;
    tm_buf_init(&one);
    tm_buf_init(&other);
    for (size_t at = 0; at < sizeof usual - 1; at++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            char line[2 * sizeof usual];
            memcpy(line, usual, sizeof usual);
            memcpy(line + sizeof usual - 1, usual, sizeof usual);
            line[at] = bytes[b];
            /* The last one is '\0': the line ends there. */
            struct slice text = {line, bytes[b] ? 2 * (sizeof usual - 1) : at};
            if (text.n == 0)
                continue;
            say(&other, warm, slice_of(usual));
            buf_reset(&one);
            buf_reset(&other);
            fresh = jsonl->reader_new(&dialect, NULL);
            say(&one, fresh, text);
            jsonl->reader_free(fresh);
            say(&other, warm, text);
            if (!slice_eq(buf_view(&one), buf_view(&other)))
                fail_msg("byte %zu is 0x%02x: %.*s, not %.*s", at, (unsigned char)bytes[b],
                         (int)other.n, other.p, (int)one.n, one.p);
        }
    }
    jsonl->reader_free(warm);
    tm_buf_release(&one);
    tm_buf_release(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits),
        cmocka_unit_test(converts),
        cmocka_unit_test(other_records),
        cmocka_unit_test(lines_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
