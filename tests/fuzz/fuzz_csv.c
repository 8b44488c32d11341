/*
 * CSV: split and parse must agree on every record's bounds, wherever the bytes are cut, strict or
 * lazy; a parsed record that nobody touched is written as it came, and read again says the same.
 *
 * The first bytes choose the dialect and the cuts: delimiter, quote, flags, piece.
 */
#include <stdint.h>
#include <stdlib.h>

#include "format/formats.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* Feed the splitter piece by piece: where does the record at p end? */
static enum split_verdict split(const struct input_dialect *d, const char *p, size_t n,
                                size_t piece, struct extent *x)
{
    struct split_state s = {0};
    enum split_verdict verdict = SPLIT_MORE;
    for (size_t seen = 0; verdict == SPLIT_MORE;) {
        seen = n - seen > piece ? seen + piece : n;
        /* A block of its own size: reading past it is seen. */
        char *block = malloc(seen);
        CHECK(block);
        memcpy(block, p, seen);
        verdict = tm_format_csv.split(d, &s, block, seen, seen == n, x, NULL);
        free(block);
        CHECK(verdict != SPLIT_MORE || seen < n);
        CHECK(verdict == SPLIT_MORE || s.scanned + s.lines + s.machine + s.opened_line == 0);
    }
    CHECK(x->length > 0 && x->length <= n);
    return verdict;
}

/* In its own dialect a record goes out as it came in, with a line end. */
static void check_copy(struct reader *r, const struct output_dialect *od, const struct node *n)
{
    struct writer *w = tm_format_csv.writer_new(od);
    struct buf out;
    tm_buf_init(&out);
    CHECK(w);
    tm_format_csv.verbatim(w, r);
    CHECK(tm_format_csv.write(w, &out, n, NULL) == TIDEMILL_OK);
    struct slice source = n->source;
    bool joins = !n->line_end.n && source.n && source.p[source.n - 1] == '\r';
    if (!n->changed && !joins)
        CHECK(out.n >= source.n && memcmp(out.p, source.p, source.n) == 0);
    struct extent x;
    struct input_dialect again = {.delimiter = od->delimiter, .quote = od->quote};
    if (out.n > 2)
        CHECK(split(&again, out.p, out.n, out.n, &x) == SPLIT_RECORD && x.length == out.n);
    tm_buf_release(&out);
    tm_format_csv.writer_free(w);
}

/* What a reader that knows its chunk says of a record is what one says that looks at each byte. */
static void check_same(const struct node *a, const struct node *b)
{
    CHECK(a->count == b->count && a->changed == b->changed);
    CHECK(slice_eq(a->source, b->source) && slice_eq(a->line_end, b->line_end));
    for (uint32_t i = 0; i < a->count; i++) {
        const struct field *f = &node_fields(a)[i], *g = &node_fields(b)[i];
        CHECK(slice_eq(f->key, g->key) && slice_eq(f->source, g->source));
        CHECK(f->value.kind == g->value.kind && slice_eq(f->value.text, g->value.text));
    }
}

/* Records that are found at a glance are those that split finds. */
static void check_run(const struct input_dialect *d, const char *p, size_t n)
{
    size_t length = 0, at = 0;
    for (uint32_t left = tm_format_csv.run(d, p, n, &length); left > 0; left--) {
        struct split_state state = {0};
        struct extent x;
        CHECK(tm_format_csv.split(d, &state, p + at, n - at, false, &x, NULL) == SPLIT_RECORD);
        CHECK(x.lines == 1);
        at += x.length;
    }
    CHECK(at == length && length <= n);
}

static void check(const struct input_dialect *d, const struct output_dialect *od, const char *p,
                  size_t n, size_t piece)
{
    struct arena arena, header;
    struct columns *columns = NULL;
    struct reader *r = NULL, *slow = NULL;
    tm_arena_init(&arena);
    tm_arena_init(&header);
    while (n > 0) {
        check_run(d, p, n);
        struct extent x = {0};
        enum split_verdict verdict = split(d, p, n, piece, &x);
        if (!columns && verdict == SPLIT_RECORD) {
            struct slice first = {p, x.length};
            struct input_dialect plain = *d;
            plain.header = false;
            if (tm_format_csv.header(d, &header, first, &columns, NULL) != TIDEMILL_OK)
                tm_format_csv.header(&plain, &header, first, &columns, NULL);
            CHECK(columns);
            CHECK(columns->n > 0);
            r = tm_format_csv.reader_new(d, columns);
            CHECK(r);
            tm_format_csv.begin(r, (struct slice){p, n});
            slow = tm_format_csv.reader_new(d, columns);
            CHECK(slow);
        }
        struct parsed parsed = {0};
        enum parse_verdict parse = r ? tm_format_csv.parse(r, &arena, p, n, &parsed, NULL)
                                     : PARSE_MEMORY;
        if (r) {
            CHECK(parsed.length == x.length);
            CHECK((parse == PARSE_SKIP) == (verdict == SPLIT_SKIP));
            CHECK(verdict != SPLIT_ERROR || parse == PARSE_FAILED);
            CHECK(verdict == SPLIT_ERROR || parsed.lines == x.lines);
        }
        if (parse == PARSE_RECORD) {
            CHECK(parsed.record->source.n + parsed.record->line_end.n == x.length);
            CHECK(parsed.record->count == columns->n);
            struct parsed again = {0};
            CHECK(tm_format_csv.parse(slow, &arena, p, n, &again, NULL) == PARSE_RECORD);
            check_same(parsed.record, again.record);
            check_copy(r, od, parsed.record);
        }
        p += x.length;
        n -= x.length;
        tm_arena_reset(&arena);
    }
    tm_format_csv.reader_free(r);
    tm_format_csv.reader_free(slow);
    tm_arena_release(&arena);
    tm_arena_release(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = ",;\t|", quotes[] = "\"'\0\"";
    if (size < 4)
        return 0;
    struct input_dialect d = {
        .delimiter = delimiters[data[0] & 3],
        .quote = quotes[data[1] & 3],
        .header = data[2] & 1,
        .lazy_quotes = data[2] >> 1 & 1,
        .comment = data[2] >> 2 & 1   ? SLICE("#")
                   : data[2] >> 3 & 1 ? SLICE("//")
                                      : SLICE(""),
        .ragged = (enum ragged)((data[2] >> 4 & 3) % 3),
        .duplicates = (enum duplicates)((data[2] >> 6 & 3) % 3),
    };
    struct output_dialect od = {.delimiter = d.delimiter, .quote = d.quote, .header = true};
    check(&d, &od, (const char *)data + 4, size - 4, (size_t)data[3] + 1);
    return 0;
}
