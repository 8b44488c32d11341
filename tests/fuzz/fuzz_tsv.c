/*
 * TSV: split and parse agree wherever the bytes are cut; a record that nobody touched leaves with its
 * own bytes; written anew it reads back as the same; laid out anew it is what a writer that knew the
 * columns would have written.
 *
 * The first bytes choose the dialect, the cuts, and what is deleted of each record.
 */
#include <stdint.h>
#include <stdlib.h>

#include "format/formats.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const struct format *const f = &tm_format_tsv;
static const struct output_dialect output = {
    .delimiter = '\t', .escapes = true, .extra = EXTRA_DROP, .missing = MISSING_EMPTY};

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
        verdict = f->split(d, &s, block, seen, seen == n, x, NULL);
        free(block);
        CHECK(verdict != SPLIT_MORE || seen < n);
    }
    CHECK(verdict != SPLIT_ERROR && x->length > 0 && x->length <= n && x->lines == 1);
    CHECK(p[x->length - 1] == '\n' || x->length == n);
    return verdict;
}

static void write(struct buf *out, struct reader *origin, const struct node *n, uint32_t fixed_n,
                  const struct slice *fixed, struct layout *layout, struct arena *arena)
{
    struct writer *w = f->writer_new(&output);
    CHECK(w && (!fixed_n || f->fix_columns(w, fixed_n, fixed) == TIDEMILL_OK));
    tm_buf_init(out);
    f->verbatim(w, origin);
    CHECK(f->write(w, out, n, NULL) == TIDEMILL_OK);
    if (layout) {
        *layout = *f->layout(w);
        struct slice *names = arena_alloc(arena, layout->n * sizeof *names);
        for (uint32_t i = 0; i < layout->n; i++)
            names[i] = tm_arena_copy(arena, layout->names[i]);
        layout->names = names;
    }
    f->writer_free(w);
}

/* Written by what its cells say, and read under the same header. */
static void check_anew(const struct input_dialect *d, struct reader *r, const struct node *n)
{
    struct buf out;
    struct arena arena;
    struct extent x;
    struct parsed parsed;
    struct input_dialect plain = *d;
    /* Columns that were left out are not written. */
    struct columns columns = *d->columns;
    columns.cells = columns.n;
    columns.skipped = NULL;
    plain.comment.n = 0;
    plain.columns = &columns;
    struct reader *again = f->reader_new(&plain, &columns);
    tm_arena_init(&arena);
    write(&out, NULL, n, 0, NULL, NULL, NULL);
    bool blank = split(&plain, out.p, out.n, out.n, &x) == SPLIT_SKIP;
    CHECK(!blank && x.length == out.n);
    CHECK(f->parse(again, &arena, out.p, out.n, &parsed, NULL) == PARSE_RECORD);
    for (uint32_t i = 0; i < n->count; i++)
        CHECK(slice_eq(node_fields(parsed.record)[i].value.text, node_fields(n)[i].value.text));
    tm_buf_release(&out);
    if (!n->changed) {
        write(&out, r, n, 0, NULL, NULL, NULL);
        bool joins = !n->line_end.n && n->source.n && n->source.p[n->source.n - 1] == '\r';
        CHECK(joins || (out.n >= n->source.n && memcmp(out.p, n->source.p, n->source.n) == 0));
        CHECK(!n->line_end.n || out.n == n->source.n + n->line_end.n);
        tm_buf_release(&out);
    }
    f->reader_free(again);
    tm_arena_release(&arena);
}

/* In the record's own layout and then in another, or there at once. */
static void check_relayout(struct reader *origin, struct node *n, uint8_t delete)
{
    struct slice names[5];
    struct layout own;
    struct arena arena;
    struct buf first, direct, anew;
    uint32_t count = 0;
    for (uint32_t i = 0; i < 8 && i < n->count; i++)
        if (delete >> i & 1 && n->live > 1)
            tm_node_delete(n, i);
    for (uint32_t i = n->count; i-- > 0 && count < 4;)
        if (delete &1 || i % 2)
            names[count++] = node_fields(n)[i].key;
    names[count++] = SLICE("added\t");
    tm_arena_init(&arena);
    tm_buf_init(&anew);
    write(&first, origin, n, 0, NULL, &own, &arena);
    write(&direct, origin, n, count, names, NULL, NULL);
    if (own.n == count && slice_eq(own.names[0], names[0]))
        buf_slice(&anew, buf_view(&direct));
    else
        CHECK(f->relayout(&output, buf_view(&first), own.n, own.names, count, names, &anew, NULL) ==
              TIDEMILL_OK);
    CHECK(slice_eq(buf_view(&anew), buf_view(&direct)));
    tm_buf_release(&first);
    tm_buf_release(&direct);
    tm_buf_release(&anew);
    tm_arena_release(&arena);
}

/* The first record is the header, or counts its cells where that cannot be. */
static struct reader *open_file(struct input_dialect *d, struct arena *arena, struct slice first)
{
    struct columns *columns = NULL;
    if (f->header(d, arena, first, &columns, NULL) != TIDEMILL_OK) {
        d->header = false;
        CHECK(f->header(d, arena, first, &columns, NULL) == TIDEMILL_OK);
    }
    d->columns = columns;
    return f->reader_new(d, columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct input_dialect d = {
        .delimiter = '\t',
        .escapes = true,
        .header = data[0] & 1,
        .comment = data[0] >> 1 & 1   ? SLICE("#")
                   : data[0] >> 2 & 1 ? SLICE("\\n")
                                      : SLICE(""),
        .ragged = (enum ragged)((data[0] >> 3 & 3) % 3),
        .duplicates = (enum duplicates)((data[0] >> 5 & 3) % 3),
    };
    const char *p = (const char *)data + 3;
    struct arena arena, header;
    struct reader *r = NULL;
    tm_arena_init(&arena);
    tm_arena_init(&header);
    for (size_t n = size - 3, length; n > 0; p += length, n -= length) {
        struct extent x = {0};
        struct parsed parsed = {0};
        enum split_verdict verdict = split(&d, p, n, (size_t)data[1] + 1, &x);
        length = x.length;
        if (!r && verdict == SPLIT_RECORD) {
            r = open_file(&d, &header, (struct slice){p, length});
            CHECK(r);
            if (d.header)
                continue;
        }
        if (!r)
            continue;
        enum parse_verdict parse = f->parse(r, &arena, p, n, &parsed, NULL);
        CHECK(parsed.length == length && parsed.lines == x.lines);
        CHECK((parse == PARSE_SKIP) == (verdict == SPLIT_SKIP));
        if (parse == PARSE_RECORD) {
            CHECK(parsed.record->source.n + parsed.record->line_end.n == length);
            check_anew(&d, r, parsed.record);
            check_relayout(data[2] >> 7 ? r : NULL, parsed.record, data[2]);
        }
        tm_arena_reset(&arena);
    }
    f->reader_free(r);
    tm_arena_release(&arena);
    tm_arena_release(&header);
    return 0;
}
