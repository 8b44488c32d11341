/*
 * Documents of the format json: split in pieces must say what split says of the whole; the records it
 * finds, as the chunk that the bytes between the first and the last of them are, must be found again
 * by split and by parse; and what is written of them must be an array of as many.
 *
 * The first bytes choose the options and the pieces: flags, piece.
 */
#include <stdint.h>
#include <stdlib.h>

#include "format/formats.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const struct format *const json = &tm_format_json;

/* What split said of a document. */
struct found {
    size_t first, last; /* the records reach from here to there */
    uint32_t records;
    uint64_t lines;
    bool good;
    size_t stop; /* where it was no document any more */
    err why;
};

static void split_all(const struct input_dialect *d, const char *p, size_t n, size_t piece,
                      struct found *f)
{
    struct split_state s = {.document = json->document_new(d)};
    size_t have = n < piece ? n : piece;
    bool final = false;
    *f = (struct found){.good = true};
    CHECK(s.document);
    while (f->good && f->stop < n) {
        struct extent x = {0};
        size_t at = f->stop, length = have - at;
        /* A block of its own size: reading past it is seen. */
        char *block = malloc(length + !length);
        CHECK(block);
        memcpy(block, p + at, length);
        enum split_verdict v = json->split(d, &s, block, length, final, &x, &f->why);
        free(block);
        if (v == SPLIT_MORE) {
            CHECK(!final || length == 0);
            final = have == n;
            have = n - have > piece ? have + piece : n;
            continue;
        }
        f->good = v != SPLIT_ERROR;
        CHECK(!f->good || (x.length > 0 && x.length <= length));
        if (v == SPLIT_RECORD && !f->records++)
            f->first = at;
        f->stop += f->good ? x.length : 0;
        f->lines += x.lines;
        if (v == SPLIT_RECORD)
            f->last = f->stop;
        s = (struct split_state){.document = s.document};
    }
    if (f->good)
        f->good = json->document_end(s.document, &f->why) == TIDEMILL_OK;
    CHECK(f->good || (f->why.status == TIDEMILL_E_INPUT && f->why.message[0]));
    json->document_free(s.document);
}

/* The records again, as a worker sees them. Gives the number of rows that were written. */
static uint32_t convert(const struct input_dialect *d, const char *p, size_t n, uint32_t *records,
                        struct buf *rows)
{
    static const struct output_dialect od = {.max_depth = 60};
    struct reader *r = json->reader_new(d, NULL);
    struct writer *w = json->writer_new(&od);
    struct arena arena;
    uint32_t written = 0;
    CHECK(r && w);
    tm_arena_init(&arena);
    for (*records = 0; n;) {
        struct parsed parsed;
        struct split_state s = {0};
        struct extent x = {0};
        enum split_verdict split = json->split(d, &s, p, n, true, &x, NULL);
        enum parse_verdict parse = json->parse(r, &arena, p, n, &parsed, NULL);
        CHECK(split == SPLIT_SKIP || split == SPLIT_RECORD);
        CHECK(parsed.length == x.length && parsed.lines == x.lines && x.length > 0);
        CHECK((split == SPLIT_SKIP) == (parse == PARSE_SKIP) && parse != PARSE_MEMORY);
        *records += split == SPLIT_RECORD;
        if (parse == PARSE_RECORD) {
            CHECK(json->write(w, rows, parsed.record, NULL) == TIDEMILL_OK);
            written++;
        }
        p += x.length;
        n -= x.length;
        tm_arena_reset(&arena);
    }
    tm_arena_release(&arena);
    json->writer_free(w);
    json->reader_free(r);
    return written;
}

static void check_output(struct slice rows, uint32_t written)
{
    static const struct output_dialect od = {0};
    static const struct input_dialect plain = {.max_depth = 100};
    struct finish *f = json->finish_new(&od);
    struct found again;
    struct buf out;
    tm_buf_init(&out);
    CHECK(json->finish_begin(f, &out, 0, NULL) == TIDEMILL_OK);
    if (written)
        CHECK(json->finish_rows(f, &out, rows, NULL) == TIDEMILL_OK);
    CHECK(json->finish_end(f, &out) == TIDEMILL_OK);
    split_all(&plain, out.p, out.n, out.n, &again);
    CHECK(again.good && again.records == written);
    json->finish_free(f);
    tm_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const pointers[] = {"",     "/a",        "/0", "/a/b",
                                           "/a/1", "/\xc3\xa9", "/",  "/a~1~0"};
    struct found whole, pieces;
    struct buf rows;
    uint32_t records;
    if (size < 2)
        return 0;
    struct input_dialect d = {
        .at = slice_of(pointers[data[0] & 7]),
        .wrap = data[0] >> 3 & 1 ? SLICE("v") : SLICE(""),
        .duplicates = (enum duplicates)((data[0] >> 4 & 3) % 3),
        .encoding = data[0] >> 6 & 1 ? ENCODING_LATIN1 : ENCODING_BYTES,
        .max_depth = 50,
    };
    const char *p = (const char *)data + 2;
    size -= 2;
    split_all(&d, p, size, size, &whole);
    split_all(&d, p, size, (size_t)data[1] + 1, &pieces);
    CHECK(whole.good == pieces.good && whole.stop == pieces.stop && whole.lines == pieces.lines);
    CHECK(whole.first == pieces.first && whole.last == pieces.last);
    CHECK(whole.records == pieces.records && strcmp(whole.why.message, pieces.why.message) == 0);
    tm_buf_init(&rows);
    uint32_t written = convert(&d, p + whole.first, whole.last - whole.first, &records, &rows);
    CHECK(records == whole.records);
    check_output(buf_view(&rows), written);
    tm_buf_release(&rows);
    return 0;
}
