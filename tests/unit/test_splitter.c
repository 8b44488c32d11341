/*
 * The splitter: whatever the input's pieces and the chunks' size, chunks hold the same records,
 * with the same numbers, lines and offsets; batches stay together; what is broken has its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "format/formats.h"
#include "pipeline/splitter.h"

/* ---- Input in pieces ---- */

struct pieces {
    struct slice left;
    size_t size;
    bool pause; /* nothing now, before each piece */
    bool paused;
};

static ptrdiff_t read_piece(void *context, char *data, size_t size)
{
    struct pieces *p = context;
    if (p->pause && !p->paused) {
        p->paused = true;
        return -2;
    }
    p->paused = false;
    size_t n = p->left.n < p->size ? p->left.n : p->size;
    n = n < size ? n : size;
    memcpy(data, p->left.p, n);
    p->left.p += n;
    p->left.n -= n;
    return (ptrdiff_t)n;
}

struct input_case {
    const struct format *format;
    struct slice text;
    struct setting {
        const char *key, *value;
    } settings[3];
    /* A line a record: "NUMBER@FILE:LINE+OFFSET BYTES", shown with \n, and "!" before errors. */
    const char *wanted;
};

struct how {
    size_t piece, target;
    bool pause, eager;
};

static void show(struct buf *b, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n')
            buf_append(b, "\\n", 2);
        else if (bytes.p[i] == '\r')
            buf_append(b, "\\r", 2);
        else
            buf_byte(b, bytes.p[i]);
    }
}

static void show_chunk(struct buf *b, struct chunk *c)
{
    for (uint32_t i = 0; c->kind == CHUNK_RECORDS && i < c->records; i++) {
        struct record_place place = tm_chunk_find(c, i);
        tm_buf_printf(b, "%d@%u:%d+%d ", (int)(c->first_record + i), c->file->id, (int)place.line,
                      (int)place.offset);
        show(b, place.raw);
        buf_byte(b, '\n');
    }
    if (c->failure)
        tm_buf_printf(b, "!%s %d@%u:%d+%d %s\n", c->kind == CHUNK_BROKEN ? "!" : "",
                      (int)c->failure->record, c->file->id, (int)c->failure->line,
                      (int)c->failure->offset, c->failure->message);
}

/* All chunks of one splitter, as text. *chunks: how many. */
static void split(struct splitter *s, const struct how *how, struct buf *seen, int *chunks)
{
    uint64_t next = 1, sequence = 0;
    for (*chunks = 0;;) {
        struct chunk *c = NULL;
        enum splitter_next answer = tm_splitter_next(s, how->target, how->eager, &c, NULL);
        assert_int_not_equal(answer, SPLITTER_FAILED);
        if (answer == SPLITTER_END)
            return;
        if (answer != SPLITTER_CHUNK)
            continue;
        ++*chunks;
        assert_int_equal(c->sequence, sequence++);
        assert_int_equal(c->first_record, next);
        next += c->records;
        show_chunk(seen, c);
        bool broken = c->kind == CHUNK_BROKEN;
        tm_chunk_free(c);
        if (broken)
            return;
    }
}

static int run_case(const struct input_case *t, const struct how *how)
{
    struct pieces first = {t->text, how->piece, how->pause, false}, second = first;
    struct loop loop;
    struct source source;
    struct splitter splitter;
    struct spec spec;
    struct buf seen;
    int chunks;
    assert_int_equal(tm_loop_init(&loop, NULL) | tm_spec_init(&spec), TIDEMILL_OK);
    for (int i = 0; i < 3 && t->settings[i].key; i++)
        assert_int_equal(tm_spec_set(&spec, t->settings[i].key, t->settings[i].value, NULL),
                         TIDEMILL_OK);
    tm_source_init(&source, &loop);
    tm_buf_init(&seen);
    assert_int_equal(tm_source_add_callback(&source, read_piece, &first, "a", NULL) |
                         tm_source_add_callback(&source, read_piece, &second, "b", NULL),
                     TIDEMILL_OK);
    tm_splitter_init(&splitter, &source, &spec, t->format);
    split(&splitter, how, &seen, &chunks);
    buf_byte(&seen, '\0');
    if (strcmp(seen.p, t->wanted) != 0)
        fail_msg("pieces of %zu, chunks of %zu:\n%s", how->piece, how->target, seen.p);
    tm_buf_release(&seen);
    tm_splitter_release(&splitter);
    tm_source_release(&source);
    tm_spec_release(&spec);
    tm_loop_release(&loop);
    return chunks;
}

static const struct input_case cases[] = {
    {&tm_format_jsonl,
     SLICE("1\n\n22\r\n  \n333"),
     {{0}},
     "1@1:1+0 1\\n\n2@1:3+3 22\\r\\n\n3@1:5+10 333\n"
     "4@2:1+0 1\\n\n5@2:3+3 22\\r\\n\n6@2:5+10 333\n"},
    {&tm_format_jsonl, SLICE(""), {{0}}, ""},
    {&tm_format_jsonl, SLICE("\xef\xbb\xbf"), {{0}}, ""},
    {&tm_format_jsonl,
     SLICE("\xef\xbb\xbf"
           "1\n"),
     {{0}},
     "1@1:1+3 1\\n\n2@2:1+3 1\\n\n"},
    {&tm_format_csv,
     SLICE("\xef\xbb\xbf"
           "a,b\r\n1,\"x\ny\"\n\n2,z"),
     {{0}},
     "1@1:2+8 1,\"x\\ny\"\\n\n2@1:5+17 2,z\n3@2:2+8 1,\"x\\ny\"\\n\n4@2:5+17 2,z\n"},
    {&tm_format_csv,
     SLICE("#c\na\n#\n1\n#x\n2\n"),
     {{"input.comment", "#"}},
     "1@1:4+7 1\\n\n2@1:6+12 2\\n\n3@2:4+7 1\\n\n4@2:6+12 2\\n\n"},
    {&tm_format_csv, SLICE("a\n"), {{0}}, ""},
    {&tm_format_csv,
     SLICE("a\n1\n\"2\n3\n"),
     {{0}},
     "1@1:2+2 1\\n\n!! 2@1:3+4 unterminated quote: opened here, the input ends before it is "
     "closed\n"},
    {&tm_format_csv,
     SLICE("a,a\n1\n"),
     {{0}},
     "!! 0@1:1+0 column name 'a' stands twice in the header (columns 1 and 2; "
     "input.duplicates: number or last allows it)\n"},
    {&tm_format_jsonl,
     SLICE("1\n22222222\n3\n"),
     {{"limits.record_size", "4B"}},
     "1@1:1+0 1\\n\n! 2@1:2+2 the record is larger than 4 bytes (limits.record_size)\n3@1:3+11 "
     "3\\n\n"
     "4@2:1+0 1\\n\n! 5@2:2+2 the record is larger than 4 bytes (limits.record_size)\n6@2:3+11 "
     "3\\n\n"},
    {&tm_format_csv,
     SLICE("a\n1\n22222222\n3\n"),
     {{"limits.record_size", "4B"}},
     "1@1:2+2 1\\n\n!! 2@1:3+4 the record is larger than 4 bytes (limits.record_size)\n"},
};

static const struct how hows[] = {
    {1000, 1000, false, false}, {1, 1000, false, false}, {1000, 1, false, false},
    {1, 1, false, false},       {2, 4, true, false},     {3, 1000, true, true},
    {1, 1, true, true},         {7, 7, false, true},     {5, 3, true, false},
};

static void test_same_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof hows / sizeof *hows; k++)
            run_case(&cases[i], &hows[k]);
}

/* As many chunks as there are records, or files, when the target says so. */
static void test_targets(void **state)
{
    (void)state;
    assert_int_equal(run_case(&cases[0], &hows[0]), 2);
    assert_int_equal(run_case(&cases[0], &hows[2]), 6);
}

/* Chunks end where batches do, batches begin anew with each file. */
static void test_batches(void **state)
{
    (void)state;
    static const struct input_case t = {
        &tm_format_jsonl,
        SLICE("1\n2\n3\n4\n5\n"),
        {{"transform.batch", "2"}},
        "1@1:1+0 1\\n\n2@1:2+2 2\\n\n3@1:3+4 3\\n\n4@1:4+6 4\\n\n5@1:5+8 5\\n\n"
        "6@2:1+0 1\\n\n7@2:2+2 2\\n\n8@2:3+4 3\\n\n9@2:4+6 4\\n\n10@2:5+8 5\\n\n"};
    for (size_t k = 0; k < sizeof hows / sizeof *hows; k++) {
        int chunks = run_case(&t, &hows[k]);
        if (hows[k].target < 4)
            assert_int_equal(chunks, 6);
        else
            assert_true(chunks >= 2 && chunks <= 6);
    }
}

/* What a slow source has delivered is given when somebody is eager, else kept back. */
static void test_eager(void **state)
{
    (void)state;
    static const struct how eager = {2, 1000, true, true}, patient = {2, 1000, true, false};
    static const struct input_case t = {&tm_format_jsonl,
                                        SLICE("1\n2\n3\n"),
                                        {{0}},
                                        "1@1:1+0 1\\n\n2@1:2+2 2\\n\n3@1:3+4 3\\n\n"
                                        "4@2:1+0 1\\n\n5@2:2+2 2\\n\n6@2:3+4 3\\n\n"};
    assert_int_equal(run_case(&t, &eager), 6);
    assert_int_equal(run_case(&t, &patient), 2);
}

/* The record that a block of reads cannot hold: blocks grow, and nothing is lost. */
static void test_large(void **state)
{
    (void)state;
    struct buf text, wanted;
    tm_buf_init(&text);
    tm_buf_init(&wanted);
    size_t at = 0;
    for (int file = 1, record = 1; file <= 2; file++, at = 0) {
        for (int i = 1; i <= 3; i++, record++) {
            size_t n = i == 2 ? 300000 : 100000;
            tm_buf_printf(&wanted, "%d@%d:%d+%zu ", record, file, i, at);
            for (size_t k = 0; k < n; k++) {
                if (file == 1)
                    buf_byte(&text, (char)('a' + k % 26));
                buf_byte(&wanted, (char)('a' + k % 26));
            }
            buf_append(&text, "\n", file == 1);
            buf_append(&wanted, "\\n\n", 3);
            at += n + 1;
        }
    }
    buf_byte(&wanted, '\0');
    static const struct how how[] = {{1 << 20, 1, false, false}, {4095, 1 << 20, true, true}};
    struct input_case t = {&tm_format_jsonl, buf_view(&text), {{"chunk", "64KiB"}}, wanted.p};
    for (size_t k = 0; k < 2; k++)
        run_case(&t, &how[k]);
    tm_buf_release(&text);
    tm_buf_release(&wanted);
}

/* ---- Between records ---- */

/* `text`, in which each '~' becomes 5050 times the byte behind it. */
static void blow_up(struct buf *b, const char *text)
{
    for (; *text; text++) {
        size_t n = *text == '~' ? 5050 : 1;
        text += n > 1;
        while (n--)
            buf_byte(b, *text);
    }
}

/* More than a record may be, and than is looked at of one that is too large. */
static void test_long_between(void **state)
{
    (void)state;
    struct buf text;
    tm_buf_init(&text);
    static const struct {
        const struct format *format;
        const char *text, *batch, *wanted;
    } rows[] = {
        {&tm_format_csv, "#~x\na\n#~x\n1\n#~\n2\n#~x", "0",
         "1@1:4+10106 1\\n\n2@1:5055+15159 2\\n\n3@2:4+10106 1\\n\n4@2:5055+15159 2\\n\n"},
        {&tm_format_tsv, "#~x\na\tb\n1\t2\n#~x\n", "3", "1@1:3+5056 1\t2\\n\n2@2:3+5056 1\t2\\n\n"},
        {&tm_format_csv, "a\n1\n2\n3\n~\n4\n", "2",
         "1@1:2+2 1\\n\n2@1:3+4 2\\n\n3@1:4+6 3\\n\n"
         "!! 4@1:5055+5058 more than 4096 bytes that are no record lie between this record and the "
         "one before it, which is in the same batch (limits.record_size)\n"},
        {&tm_format_jsonl, "1\n~ \n2\n", "0",
         "1@1:1+0 1\\n\n! 2@1:2+2 the record is larger than 128 bytes (limits.record_size)\n"
         "3@1:3+5053 2\\n\n4@2:1+0 1\\n\n! 5@2:2+2 the record is larger than 128 bytes "
         "(limits.record_size)\n6@2:3+5053 2\\n\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_reset(&text);
        blow_up(&text, rows[i].text);
        const struct input_case t = {rows[i].format,
                                     buf_view(&text),
                                     {{"limits.record_size", "128B"},
                                      {"input.comment", "#"},
                                      {"transform.batch", rows[i].batch}},
                                     rows[i].wanted};
        for (size_t k = 0; k < sizeof hows / sizeof *hows; k++)
            run_case(&t, &hows[k]);
    }
    tm_buf_release(&text);
}

/* ---- Memory ---- */

/* `text` once, then `lines` lines of `length` bytes. */
struct endless {
    struct slice text;
    size_t lines, length, at;
};

static ptrdiff_t read_endless(void *context, char *data, size_t size)
{
    struct endless *e = context;
    size_t n = 0;
    for (; e->text.n && n < size; n++, e->text.n--)
        data[n] = *e->text.p++;
    for (; e->lines && n < size; n++) {
        bool end = ++e->at == e->length;
        data[n] = end ? '\n' : 'x';
        e->lines -= end;
        e->at = end ? 0 : e->at;
    }
    return (ptrdiff_t)n;
}

/* The largest block, and the most bytes that failed records hold while all of them wait. */
static void hold(struct endless *input, const struct format *format, const char *batch,
                 size_t *block, size_t *failed)
{
    struct loop loop;
    struct source source;
    struct splitter s;
    struct spec spec;
    struct chunk *c, *all = NULL;
    enum splitter_next answer;
    assert_int_equal(tm_loop_init(&loop, NULL) | tm_spec_init(&spec), TIDEMILL_OK);
    assert_int_equal(tm_spec_set(&spec, "limits.record_size", "64KiB", NULL) |
                         tm_spec_set(&spec, "input.comment", "#", NULL) |
                         tm_spec_set(&spec, "transform.batch", batch, NULL),
                     TIDEMILL_OK);
    tm_source_init(&source, &loop);
    assert_int_equal(tm_source_add_callback(&source, read_endless, input, "a", NULL), TIDEMILL_OK);
    tm_splitter_init(&s, &source, &spec, format);
    *block = *failed = 0;
    while ((answer = tm_splitter_next(&s, 4096, true, &c, NULL)) != SPLITTER_END) {
        *block = s.block && s.block->cap > *block ? s.block->cap : *block;
        if (answer != SPLITTER_CHUNK)
            continue;
        *failed += c->kind == CHUNK_FAILURE ? c->block->cap : 0;
        c->next = all;
        all = c;
    }
    for (; (c = all); tm_chunk_free(c))
        all = c->next;
    tm_splitter_release(&s);
    tm_source_release(&source);
    tm_spec_release(&spec);
    tm_loop_release(&loop);
}

static void test_memory(void **state)
{
    (void)state;
    size_t block, failed;
    static const char records[] = "{\"a\": 1}\n";
    struct endless blank = {slice_of(records), 4 << 20, 1, 0};
    hold(&blank, &tm_format_jsonl, "0", &block, &failed);
    assert_true(block <= 1 << 20);
    struct endless batch = {slice_of(records), 4 << 20, 1, 0};
    hold(&batch, &tm_format_jsonl, "2", &block, &failed);
    assert_true(block <= 1 << 20);
    struct endless comment = {SLICE("a\n1\n#"), 1, 4 << 20, 0};
    hold(&comment, &tm_format_csv, "0", &block, &failed);
    assert_true(block <= 1 << 20);
    struct endless large = {SLICE(""), 50, 200 << 10, 0};
    hold(&large, &tm_format_jsonl, "0", &block, &failed);
    assert_true(failed > 0 && failed <= 50 * 8192);
}

/* How often the bytes of a record were moved to another block while it came; *first: the size of the first one. */
static int moves(struct pieces *input, size_t *first)
{
    struct loop loop;
    struct source source;
    struct splitter s;
    struct spec spec;
    struct chunk *c;
    int n = -1;
    const struct block *before = NULL;
    assert_int_equal(tm_loop_init(&loop, NULL) | tm_spec_init(&spec), TIDEMILL_OK);
    tm_source_init(&source, &loop);
    assert_int_equal(tm_source_add_callback(&source, read_piece, input, "a", NULL), TIDEMILL_OK);
    tm_splitter_init(&s, &source, &spec, &tm_format_jsonl);
    *first = 0;
    while (tm_splitter_next(&s, 4096, true, &c, NULL) != SPLITTER_CHUNK) {
        *first = !*first && s.block ? s.block->cap : *first;
        n += s.block != before;
        before = s.block;
    }
    tm_chunk_free(c);
    tm_splitter_release(&s);
    tm_source_release(&source);
    tm_spec_release(&spec);
    tm_loop_release(&loop);
    return n;
}

/* Little is read into little, and a record that comes byte by byte is not copied again and again. */
static void test_trickle(void **state)
{
    (void)state;
    static char record[62000];
    size_t first;
    memset(record, 'x', sizeof record - 1);
    record[sizeof record - 1] = '\n';
    struct pieces one = {{record, sizeof record}, 1, false, false};
    assert_in_range(moves(&one, &first), 1, 2);
    assert_in_range(first, 1, 128 << 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_records), cmocka_unit_test(test_targets),
        cmocka_unit_test(test_batches),      cmocka_unit_test(test_eager),
        cmocka_unit_test(test_large),        cmocka_unit_test(test_long_between),
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_trickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
