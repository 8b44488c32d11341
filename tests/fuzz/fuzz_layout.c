/*
 * The promise that lets workers write CSV rows before the output's columns are known: a row in the
 * record's own layout, laid out anew, has the bytes that a writer with fixed columns gives.
 *
 * The first bytes choose the dialect, what a script does to each record, and the columns.
 */
#include <stdint.h>
#include <stdlib.h>

#include "format/formats.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const struct format *const f = &tm_format_csv;

struct plan {
    uint8_t delete, set, add, columns, value;
};

static const struct value values[] = {
    {.kind = VALUE_NULL},
    {.kind = VALUE_TEXT, .text = {"a,b\r", 4}},
    {.kind = VALUE_TEXT, .text = {"", 0}},
    {.kind = VALUE_INT, .i = -7},
};

/* As a script would: delete, assign, add. */
static void edit(struct node *n, const struct plan *plan)
{
    for (uint32_t i = 0; i < 8 && i < n->count; i++) {
        if (plan->delete >> i & 1 && n->live > 1)
            tm_node_delete(n, i);
        else if (plan->set >> i & 1)
            tm_node_set(n, i, values[plan->value & 3]);
    }
    if (plan->add & 1 && tm_node_find(n, SLICE("added")) == UINT32_MAX)
        CHECK(tm_node_add(n, SLICE("added"), values[plan->value >> 2 & 3]) == TIDEMILL_OK);
}

/* Some of the record's names in some order, and one that it may not have. */
static uint32_t choose(const struct node *n, const struct plan *plan, struct slice *names)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->count && count < 8; i++) {
        uint32_t from = plan->columns & 1 ? n->count - 1 - i : i;
        if (!(plan->columns >> (i % 6 + 2) & 1) && node_fields(n)[from].value.kind != VALUE_NONE)
            names[count++] = node_fields(n)[from].key;
    }
    for (uint32_t i = 0; i < count; i++)
        if (slice_is(names[i], "added"))
            return count;
    if (plan->columns & 2 || count == 0)
        names[count++] = SLICE("added");
    return count;
}

static bool same_names(const struct layout *l, uint32_t n, const struct slice *names)
{
    bool same = l->n == n;
    for (uint32_t i = 0; same && i < n; i++)
        same = slice_eq(l->names[i], names[i]);
    return same;
}

static void compare(const struct output_dialect *d, struct reader *origin, const struct node *n,
                    uint32_t count, const struct slice *names)
{
    struct writer *own = f->writer_new(d), *fixed = f->writer_new(d);
    struct buf first, anew, direct;
    tm_buf_init(&first);
    tm_buf_init(&anew);
    tm_buf_init(&direct);
    CHECK(own && fixed && f->fix_columns(fixed, count, names) == TIDEMILL_OK);
    if (f->verbatim) {
        f->verbatim(own, origin);
        f->verbatim(fixed, origin);
    }
    int status = f->write(own, &first, n, NULL);
    CHECK(f->write(fixed, &direct, n, NULL) == status);
    if (status == TIDEMILL_OK) {
        const struct layout *l = f->layout(own);
        if (same_names(l, count, names))
            buf_slice(&anew, buf_view(&first));
        else
            CHECK(f->relayout(d, buf_view(&first), l->n, l->names, count, names, &anew, NULL) ==
                  TIDEMILL_OK);
        CHECK(slice_eq(buf_view(&anew), buf_view(&direct)));
    }
    tm_buf_release(&first);
    tm_buf_release(&anew);
    tm_buf_release(&direct);
    f->writer_free(own);
    f->writer_free(fixed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 7)
        return 0;
    const struct plan plan = {data[1], data[2], data[3], data[4], data[5]};
    struct input_dialect d = {.delimiter = ',', .quote = '"', .header = data[0] & 1};
    struct output_dialect od = {.delimiter = ',', .quote = '"'};
    od.extra = EXTRA_DROP;
    od.missing = MISSING_EMPTY;
    od.crlf = data[0] >> 1 & 1;
    d.lazy_quotes = data[0] >> 2 & 1;
    d.duplicates = data[0] >> 3 & 1 ? DUPLICATES_LAST : DUPLICATES_NUMBER;
    d.ragged = data[0] >> 4 & 1 ? RAGGED_FILL : RAGGED_TRIM;

    const char *p = (const char *)data + 6;
    size_t n = size - 6;
    struct arena arena;
    struct split_state s = {0};
    struct extent x = {0};
    struct columns *columns;
    struct reader *r = NULL;
    tm_arena_init(&arena);
    if (f->split(&d, &s, p, n, true, &x, NULL) == SPLIT_RECORD &&
        f->header(&d, &arena, (struct slice){p, x.length}, &columns, NULL) == TIDEMILL_OK)
        r = f->reader_new(&d, columns);
    for (struct parsed parsed; r && n > 0; p += parsed.length, n -= parsed.length) {
        struct slice names[10];
        if (f->parse(r, &arena, p, n, &parsed, NULL) != PARSE_RECORD)
            continue;
        edit(parsed.record, &plan);
        compare(&od, data[0] >> 5 & 1 ? NULL : r, parsed.record,
                choose(parsed.record, &plan, names), names);
    }
    f->reader_free(r);
    tm_arena_release(&arena);
    return 0;
}
