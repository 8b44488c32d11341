/*
 * A CSV or TSV record to a node, in one pass: the chunk's bytes flow in and stay where they are, cells
 * point into them. Only content with doubled quotes or escapes is copied, to the arena. The reader owns
 * nothing but itself; the columns are its maker's.
 */
#include <stdio.h>

#include "base/block.h"
#include "base/heap.h"
#include "format/csv.h"
#include "format/csv_window.h"

/* Room for the fields that a script may add to a record before its node has to grow. */
#define SPARE_FIELDS 4

struct reader {
    struct input_dialect dialect;
    const struct columns *columns;
    uint64_t shape; /* of its records */
    size_t cells; /* in a proper row: one a column, and those that lost their name to a later one */
    bool spans;   /* rows without quotes and escapes are spans, */
    struct node like; /* as this one is */
    struct csv_window window;
};

/* A record under work. */
struct row {
    struct node *node;
    size_t cells;
    uint32_t fields;
    uint64_t lines; /* line ends inside quotes */
    unsigned wrong; /* marks of the first cell that breaks the rules */
    size_t wrong_cell;
    bool memory;
};

const void *tm_csv_origin(const struct reader *r)
{
    static const char origins[2];
    return r ? &origins[r->dialect.escapes] : NULL;
}

struct reader *tm_csv_reader_new(const struct input_dialect *d, const struct columns *columns)
{
    struct reader *r = tm_heap_new(sizeof *r);
    if (!r)
        return NULL;
    r->dialect = *d;
    r->columns = columns;
    r->shape = tm_shape_new();
    r->cells = columns->skipped ? columns->cells : columns->n;
    r->spans = columns->n && !columns->skipped && tm_node_like(&r->like, columns, SPARE_FIELDS);
    r->like.origin = tm_csv_origin(r);
    r->like.quote = d->escapes ? '\0' : d->quote;
    r->like.shape = r->shape;
    const struct cut_rule rule = {.delimiter = d->delimiter,
                                  .quote = d->quote && !d->escapes ? d->quote : '\n',
                                  .escape = d->escapes ? '\\' : '\n'};
    tm_csv_window_init(&r->window, &rule);
    return r;
}

void tm_csv_reader_free(struct reader *r)
{
    tm_heap_free(r);
}

void tm_csv_reader_begin(struct reader *r, struct slice bytes)
{
    tm_csv_window_begin(&r->window, bytes);
}

/* `at` is the first backslash: the cell goes to the next delimiter or line end, whatever is in it. */
static enum csv_class cut_escaped(struct csv_scan *s, struct csv_cell *cell, const char *at)
{
    enum csv_class class = CSV_QUOTE;
    while (class == CSV_QUOTE) {
        at = csv_scan_next(s);
        class = csv_class_at(s, at);
    }
    cell->marks = CSV_HAS_ESCAPES;
    cell->lines = 0;
    csv_cell_end(s, cell, at, class);
    return class;
}

enum csv_class tm_csv_cut_quoted(struct csv_scan *s, struct csv_cell *cell, const char *at)
{
    if (s->escapes)
        return cut_escaped(s, cell, at);
    static const unsigned marks[] = {[CSV_START] = CSV_HAS_QUOTES,
                                     [CSV_UNQUOTED] = CSV_HAS_STRAY,
                                     [CSV_CLOSED] = CSV_HAS_DOUBLED};
    enum csv_state state = CSV_START;
    enum csv_class class;
    cell->marks = 0;
    cell->lines = 0;
    for (const char *from = s->from;; at = csv_scan_next(s)) {
        class = csv_class_at(s, at);
        if (at > from) {
            bool line_end = class == CSV_LF && at - from == 1 && *from == '\r';
            if (state == CSV_CLOSED && !line_end)
                cell->marks |= CSV_HAS_TAIL;
            state = csv_step(state, CSV_OTHER);
        }
        if (class == CSV_NOTHING)
            break;
        enum csv_state then = csv_step(state, class);
        if (then == CSV_START || then == CSV_END)
            break;
        if (class == CSV_QUOTE && state != CSV_QUOTED)
            cell->marks |= marks[state];
        cell->lines += class == CSV_LF;
        state = then;
        from = at + 1;
    }
    if (class == CSV_NOTHING && state == CSV_QUOTED)
        cell->marks |= CSV_HAS_NO_CLOSE;
    csv_cell_end(s, cell, at, class);
    return class;
}

struct slice tm_csv_content(const struct csv_cell *cell, char quote, struct arena *arena)
{
    const char *p = cell->raw.p, *end = p + cell->raw.n;
    if (cell->marks & CSV_HAS_ESCAPES)
        return tm_tsv_content(cell->raw, arena);
    if (!(cell->marks & CSV_HAS_QUOTES))
        return cell->raw;
    if (cell->marks == CSV_HAS_QUOTES)
        return (struct slice){p + 1, cell->raw.n - 2};
    char *out = arena_alloc(arena, cell->raw.n);
    if (!out)
        return (struct slice){NULL, 0};
    size_t n = 0;
    for (bool quoted = true, first = true; p < end; first = false) {
        char c = *p++;
        if (!quoted || c != quote)
            out[n++] = c;
        else if (first)
            continue;
        else if (p < end && *p == quote)
            out[n++] = *p++;
        else
            quoted = false;
    }
    return (struct slice){out, n};
}

/* A cell with quotes or escapes: its content, or the note of what is wrong with it. */
static struct slice marked_cell(const struct reader *r, struct row *row,
                                const struct csv_cell *cell, struct arena *arena)
{
    unsigned wrong = cell->marks & CSV_HAS_NO_CLOSE;
    if (!r->dialect.lazy_quotes)
        wrong |= cell->marks & (CSV_HAS_TAIL | CSV_HAS_STRAY);
    row->lines += cell->lines;
    if (wrong) {
        if (!row->wrong) {
            row->wrong = wrong;
            row->wrong_cell = row->cells;
        }
        return cell->raw;
    }
    struct slice content = tm_csv_content(cell, r->dialect.quote, arena);
    if (!content.p)
        row->memory = true;
    return content;
}

static void add_field(const struct reader *r, struct row *row, struct slice raw,
                      struct slice content)
{
    const struct columns *columns = r->columns;
    uint32_t i = row->fields++;
    struct field *f = &row->node->slots[i];
    f->key = columns->names[i];
    f->start = NULL;
    f->source = raw;
    f->value.kind = columns->as_text && columns->as_text[i] ? VALUE_TEXT : VALUE_CELL;
    f->value.text = content;
}

/* ---- rows that are what they look like ---- */

/*
 * The cells that end there, n of them, in a row that begins at byte `at` of the window: right behind what ends
 * the cell before it, which is the LF of another row.
 */
static inline void put_spans(struct span *to, const uint32_t *ends, uint32_t n, uint32_t at)
{
#ifdef TM_SSE2
    const __m128i zero = _mm_set1_epi32((int)at), before = _mm_set1_epi32((int)at - 1);
    for (uint32_t i = 0; i < n; i += 4) {
        __m128i *out = (__m128i *)(void *)(to + i);
        __m128i begin = _mm_loadu_si128((const __m128i *)(const void *)(ends + i - 1));
        __m128i end = _mm_loadu_si128((const __m128i *)(const void *)(ends + i));
        begin = _mm_sub_epi32(begin, before);
        end = _mm_sub_epi32(end, zero);
        _mm_storeu_si128(out, _mm_unpacklo_epi32(begin, end));
        _mm_storeu_si128(out + 1, _mm_unpackhi_epi32(begin, end));
    }
#else
    const uint32_t *before = ends - 1;
    for (uint32_t i = 0; i < n; i++)
        to[i] = (struct span){before[i] + 1 - at, ends[i] - at};
#endif
}

/* Cut all cells; the last one's end is returned, where the line end begins. */
static const char *cut_row(const struct reader *r, struct csv_scan *s, struct row *row,
                           struct arena *arena)
{
    const uint8_t *skipped = r->columns->skipped;
    struct csv_cell cell;
    enum csv_class class;
    do {
        class = csv_cut(s, &cell);
        struct slice content = cell.raw;
        if (cell.marks)
            content = marked_cell(r, row, &cell, arena);
        if (row->cells < r->cells && !(skipped && skipped[row->cells]))
            add_field(r, row, cell.raw, content);
        row->cells++;
    } while (class == CSV_DELIMITER);
    return cell.raw.p + cell.raw.n;
}

static int wrong_quote(const struct reader *r, const struct row *row, err *e)
{
    char place[160];
    size_t cell = row->wrong_cell;
    const struct columns *columns = r->columns;
    if (cell < columns->n && !columns->positional && !columns->skipped) {
        struct slice name = columns->names[cell];
        snprintf(place, sizeof place, "field %zu ('%.*s')", cell + 1,
                 (int)(name.n < 100 ? name.n : 100), name.p);
    } else {
        snprintf(place, sizeof place, "field %zu", cell + 1);
    }
    if (row->wrong & CSV_HAS_NO_CLOSE)
        return tm_err_set(e, TIDEMILL_E_RECORD, "the quote that opens %s is never closed", place);
    if (row->wrong & CSV_HAS_TAIL)
        return tm_err_set(e, TIDEMILL_E_RECORD,
                          "text after the closing quote of %s: a field with quotes must be quoted "
                          "as a whole, and quotes inside doubled",
                          place);
    return tm_err_set(e, TIDEMILL_E_RECORD,
                      "stray quote in %s: a field with quotes must be quoted as a whole, and "
                      "quotes inside doubled",
                      place);
}

static int wrong_count(const struct reader *r, const struct row *row, err *e)
{
    const char *hint = "";
    if (row->cells < r->cells && r->dialect.ragged == RAGGED_TRIM)
        hint = "; input.ragged: trim only cuts off what is too much";
    if (row->cells > r->cells && r->dialect.ragged == RAGGED_FILL)
        hint = "; input.ragged: fill only adds what is missing";
    return tm_err_set(e, TIDEMILL_E_RECORD, "expected %zu field%s as in the %s, found %zu%s",
                      r->cells, r->cells == 1 ? "" : "s",
                      r->columns->positional ? "first record" : "header", row->cells, hint);
}

/*
 * Bring a row that has not as many cells as the header to its form. Its own bytes are no proper row
 * then, so it counts as changed and is written cell by cell.
 */
static bool mend_row(const struct reader *r, struct row *row, const char *end)
{
    enum ragged ragged = r->dialect.ragged;
    const uint8_t *skipped = r->columns->skipped;
    if (row->cells < r->cells && ragged != RAGGED_FILL)
        return false;
    if (row->cells > r->cells && ragged != RAGGED_TRIM)
        return false;
    for (size_t i = row->cells; i < r->cells; i++)
        if (!(skipped && skipped[i]))
            add_field(r, row, (struct slice){end, 0}, (struct slice){end, 0});
    row->node->changed = true;
    return true;
}

/* The record's length by the machine alone, for when there is no memory to parse it. */
static enum parse_verdict no_memory(const struct reader *r, const char *p, size_t n,
                                    struct parsed *out, err *e)
{
    struct split_state s = {0};
    struct extent extent;
    tm_csv_split(&r->dialect, &s, p, n, true, &extent, NULL);
    *out = (struct parsed){NULL, extent.length, extent.lines};
    tm_err_memory(e, "a record");
    return PARSE_MEMORY;
}

static enum parse_verdict skip_line(const char *p, size_t n, struct parsed *out)
{
    const char *lf = memchr(p, '\n', n);
    *out = (struct parsed){NULL, lf ? (size_t)(lf - p) + 1 : n, 1};
    return PARSE_SKIP;
}

/* The cells are cut: is the row as it should be? */
static bool check_row(const struct reader *r, struct row *row, const char *end, err *e)
{
    if (row->wrong)
        wrong_quote(r, row, e);
    else if (row->cells != r->cells && !mend_row(r, row, end))
        wrong_count(r, row, e);
    else
        return true;
    return false;
}

/* Cells of the row at p that have quotes, none inside: what they say is between those. */
static void take_off_quotes(struct span *spans, uint32_t n, const char *p, char quote)
{
    for (uint32_t i = 0; i < n; i++) {
        if (spans[i].begin < spans[i].end && p[spans[i].begin] == quote) {
            spans[i].begin++;
            spans[i].end--;
        }
    }
}

/* The row at p as spans, if it is one of those and there is memory for it; else NULL. */
static struct node *parse_spans(struct reader *r, struct arena *arena, const char *p)
{
    struct span *spans;
    uint32_t length, n = r->columns->n;
    bool quoted;
    const uint32_t *ends = tm_csv_window_row(&r->window, p, n, &length, &quoted);
    struct node *node = ends ? tm_node_new_spans(arena, &r->like, &spans) : NULL;
    if (!node)
        return NULL;
    put_spans(spans, ends, n, ends[n - 1] + 1 - length);
    const char *next = p + length, *end = next - 1;
    if (end > p && end[-1] == '\r' && spans[n - 1].end > spans[n - 1].begin) {
        end--;
        spans[n - 1].end--;
    }
    node->source = (struct slice){p, (size_t)(end - p)};
    node->line_end = (struct slice){end, (size_t)(next - end)};
    if (quoted)
        take_off_quotes(spans, n, p, r->dialect.quote);
    return node;
}

/* A function of its own, as most rows never come here. */
static __attribute__((noinline)) enum parse_verdict
parse(struct reader *r, struct arena *arena, const char *p, size_t n, struct parsed *out, err *e)
{
    uint32_t columns = r->columns->n;
    struct node *node = NULL;
    if (columns <= UINT32_MAX - SPARE_FIELDS)
        node = tm_node_new(arena, NODE_OBJECT, columns + SPARE_FIELDS);
    if (!node)
        return no_memory(r, p, n, out, e);

    struct row row = {.node = node};
    struct csv_scan s = csv_cells_begin(r->dialect.delimiter, r->dialect.quote, r->dialect.escapes,
                                        p, n);
    const char *end = cut_row(r, &s, &row, arena), *next = s.from;
    out->record = NULL;
    out->length = (size_t)(next - p);
    out->lines = row.lines + 1;
    if (row.memory) {
        tm_err_memory(e, "a record");
        return PARSE_MEMORY;
    }
    if (!check_row(r, &row, end, e))
        return PARSE_FAILED;
    node->count = node->live = node->originals = row.fields;
    node->changed |= r->columns->skipped != NULL;
    node->assigned = node->changed ? 0 : ASSIGNED_NONE;
    node->source = (struct slice){p, (size_t)(end - p)};
    node->line_end = (struct slice){end, (size_t)(next - end)};
    node->origin = tm_csv_origin(r);
    node->columns = r->columns;
    node->shape = r->shape;
    out->record = node;
    return PARSE_RECORD;
}

enum parse_verdict tm_csv_parse(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e)
{
    if (csv_line_at(&r->dialect, p, n, true) != CSV_RECORD)
        return skip_line(p, n, out);
    struct node *record = r->spans ? parse_spans(r, arena, p) : NULL;
    if (!record)
        return parse(r, arena, p, n, out, e);
    *out = (struct parsed){record, record->source.n + record->line_end.n, 1};
    return PARSE_RECORD;
}
