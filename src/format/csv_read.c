/*
 * A CSV or TSV record to a node, in one pass: the chunk's bytes flow in and stay where they are, cells
 * point into them. Only content with doubled quotes or escapes is copied, to the arena. The reader owns
 * nothing but itself; the columns are its maker's.
 */
#include <stdio.h>

#include "base/block.h"
#include "base/heap.h"
#include "format/csv.h"

/* Room for the fields that a script may add to a record before its node has to grow. */
#define SPARE_FIELDS 4

/*
 * Blocks are looked at once, whatever records begin and end in them. What is known of the one at hand
 * is of use for the next record if that begins where the last one ended.
 */
struct ahead {
    const char *next, *limit; /* the next record, and the chunk's end; NULL between chunks */
    const char *block, *rest; /* the block at hand, and what was not looked at yet */
    uint64_t feeds;           /* where in the block LF stands, */
    uint64_t ends;            /* LF or a delimiter, not before `next`, */
    uint64_t marks;           /* quotes or backslashes, not before `next` */
};

struct reader {
    struct input_dialect dialect;
    const struct columns *columns;
    uint64_t shape; /* of its records */
    size_t cells; /* in a proper row: one a column, and those that lost their name to a later one */
    block_scan *scan;
    struct ahead ahead;
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
    *r = (struct reader){.dialect = *d, .columns = columns, .shape = tm_shape_new()};
    r->cells = columns->skipped ? columns->cells : columns->n;
    r->scan = tm_block_scan();
    return r;
}

void tm_csv_reader_free(struct reader *r)
{
    tm_heap_free(r);
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

static inline void put_field(struct field *f, struct slice name, bool text, struct slice raw,
                             struct slice content)
{
    f->key = name;
    f->start = NULL;
    f->source = raw;
    f->value.kind = text ? VALUE_TEXT : VALUE_CELL;
    f->value.text = content;
}

static void add_field(const struct reader *r, struct row *row, struct slice raw,
                      struct slice content)
{
    const struct columns *columns = r->columns;
    uint32_t i = row->fields++;
    put_field(&row->node->fields[i], columns->names[i], columns->as_text && columns->as_text[i],
              raw, content);
}

/* The next block; false when there is no whole one. */
static inline bool look_ahead(const struct reader *r, struct ahead *a)
{
    const struct input_dialect *d = &r->dialect;
    const char wanted[3] = {'\n', d->delimiter, d->escapes ? '\\' : d->quote};
    uint64_t bits[3];
    if (a->limit - a->rest < BLOCK)
        return false;
    a->block = a->rest;
    a->rest += BLOCK;
    r->scan(a->block, wanted, 3, bits);
    a->feeds = bits[0];
    a->ends = bits[0] | bits[1];
    a->marks = wanted[2] ? bits[2] : 0;
    return true;
}

/*
 * The row's first cells, as long as they are what they look like. Returns where the others begin;
 * *end is where the line end does, if that was among them, else NULL.
 */
static const char *cut_plain(struct reader *r, struct row *row, const char *p, const char **end)
{
    /* Copies, as fields that are written could be anything for all that a compiler knows. */
    const struct columns *columns = r->columns;
    const struct slice *name = columns->names;
    const uint8_t *as_text = columns->as_text;
    uint32_t i = 0, n = columns->n;
    struct field *f = row->node->fields;
    struct ahead *a = &r->ahead;
    const char *from = p;
    *end = NULL;
    if (columns->skipped)
        return p;
    do {
        const char *block = a->block;
        uint64_t ends = block_before(a->ends, a->marks), feed = ends & a->feeds;
        feed &= -feed;
        uint64_t cells = block_before(ends, feed);
        for (; cells; cells &= cells - 1, i++) {
            const char *at = block + __builtin_ctzll(cells);
            struct slice raw = {from, (size_t)(at - from)};
            if (i < n)
                put_field(f++, *name++, as_text && as_text[i], raw, raw);
            from = at + 1;
        }
        if (feed) {
            const char *at = block + __builtin_ctzll(feed);
            struct slice raw = {from, (size_t)(at - from)};
            raw.n -= raw.n && at[-1] == '\r';
            if (i < n)
                put_field(f, *name, as_text && as_text[i], raw, raw);
            a->ends &= ~(feed | (feed - 1));
            a->next = at + 1;
            *end = raw.p + raw.n;
            row->cells = i + 1;
            row->fields = i < n ? i + 1 : n;
            return a->next;
        }
    } while (!a->marks && look_ahead(r, a));
    row->cells = i;
    row->fields = i < n ? i : n;
    return from;
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

static enum parse_verdict parse(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e)
{
    uint32_t columns = r->columns->n;
    struct node *node = NULL;
    if (columns <= UINT32_MAX - SPARE_FIELDS)
        node = tm_node_new(arena, NODE_OBJECT, columns + SPARE_FIELDS);
    if (!node)
        return no_memory(r, p, n, out, e);

    struct row row = {.node = node};
    const char *end, *next = cut_plain(r, &row, p, &end);
    if (!end) {
        struct csv_scan s = csv_cells_begin(r->dialect.delimiter, r->dialect.quote,
                                            r->dialect.escapes, next, n - (size_t)(next - p));
        end = cut_row(r, &s, &row, arena);
        next = s.from;
    }
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
    enum parse_verdict verdict;
    if (r->ahead.next != p || r->ahead.limit != p + n)
        r->ahead = (struct ahead){.next = p, .limit = p + n, .rest = p};
    if (csv_line_at(&r->dialect, p, n, true) != CSV_RECORD)
        verdict = skip_line(p, n, out);
    else
        verdict = parse(r, arena, p, n, out, e);
    /* Other bytes may come to stand where these do; and behind a row that was not plain all is new. */
    if (out->length == n || r->ahead.next == p)
        r->ahead.next = NULL;
    return verdict;
}
