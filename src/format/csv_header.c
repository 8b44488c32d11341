/*
 * The header of a CSV or TSV file: its first record flows in, column names flow out, all different.
 * Everything made here lives in the caller's arena.
 */
#include <stdio.h>

#include "format/csv.h"
#include "format/layout.h"

/* Names under work. */
struct header {
    const struct input_dialect *dialect;
    struct arena *arena;
    struct slice *names, *raw;
    uint32_t n;
    uint8_t *skipped; /* DUPLICATES_LAST: n flags, once one is set */
};

/* Cells of the record, by the machine. */
static size_t count_cells(const struct input_dialect *d, struct slice first)
{
    struct csv_scan s = csv_cells_begin(d->delimiter, d->quote, d->escapes, first.p, first.n);
    struct csv_cell cell;
    size_t n = 1;
    while (csv_cut(&s, &cell) == CSV_DELIMITER)
        n++;
    return n;
}

static int wrong_cell(const struct header *h, const struct csv_cell *cell, uint32_t i, err *e)
{
    bool lazy = h->dialect->lazy_quotes;
    if (cell->marks & CSV_HAS_NO_CLOSE)
        return tm_err_set(e, TIDEMILL_E_INPUT,
                          "the quote that opens column %u of the header is never closed", i + 1);
    if (!lazy && cell->marks & (CSV_HAS_TAIL | CSV_HAS_STRAY))
        return tm_err_set(e, TIDEMILL_E_INPUT,
                          "%s column %u of the header: a name with quotes must be quoted as a "
                          "whole, and quotes inside doubled",
                          cell->marks & CSV_HAS_TAIL ? "text after the closing quote of"
                                                     : "stray quote in",
                          i + 1);
    return TIDEMILL_OK;
}

/* Lines that end in CR alone would make the whole file one header. */
static int wrong_line_end(const struct csv_cell *cell, uint32_t i, err *e)
{
    if ((cell->marks && cell->marks != CSV_HAS_ESCAPES) || cell->raw.n == 0 ||
        !memchr(cell->raw.p, '\r', cell->raw.n))
        return TIDEMILL_OK;
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "column %u of the header holds a bare CR: lines end in LF or CRLF, not in CR "
                      "alone",
                      i + 1);
}

static int read_names(struct header *h, struct slice first, err *e)
{
    const struct input_dialect *d = h->dialect;
    struct csv_scan s = csv_cells_begin(d->delimiter, d->quote, d->escapes, first.p, first.n);
    struct csv_cell cell;
    for (uint32_t i = 0; i < h->n; i++) {
        csv_cut(&s, &cell);
        int status = wrong_cell(h, &cell, i, e);
        if (status == TIDEMILL_OK)
            status = wrong_line_end(&cell, i, e);
        if (status != TIDEMILL_OK)
            return status;
        struct slice name = tm_csv_content(&cell, d->quote, h->arena);
        if (name.p)
            name = tm_arena_copy(h->arena, name);
        h->raw[i] = tm_arena_copy(h->arena, cell.raw);
        if (!name.p || !h->raw[i].p)
            return tm_err_memory(e, "the header");
        h->names[i] = name;
    }
    return TIDEMILL_OK;
}

/* "7" or, with a base, "base_7". p is NULL when memory is out. */
static struct slice numbered(struct arena *arena, struct slice base, uint32_t number)
{
    char text[16];
    int n = snprintf(text, sizeof text, base.n ? "_%u" : "%u", number);
    char *p = arena_alloc(arena, base.n + (size_t)n);
    if (!p)
        return (struct slice){NULL, 0};
    if (base.n)
        memcpy(p, base.p, base.n);
    memcpy(p + base.n, text, (size_t)n);
    return (struct slice){p, base.n + (size_t)n};
}

/* Positions as names: for files without a header. */
static int positions(struct header *h, err *e)
{
    for (uint32_t i = 0; i < h->n; i++) {
        h->names[i] = numbered(h->arena, (struct slice){NULL, 0}, i + 1);
        if (!h->names[i].p)
            return tm_err_memory(e, "the header");
    }
    return TIDEMILL_OK;
}

static int check_empty(struct header *h, err *e)
{
    for (uint32_t i = 0; i < h->n; i++) {
        if (h->names[i].n)
            continue;
        if (h->dialect->duplicates != DUPLICATES_NUMBER)
            return tm_err_set(e, TIDEMILL_E_INPUT,
                              "column %u has no name (input.duplicates: number names it '%u')",
                              i + 1, i + 1);
        h->names[i] = numbered(h->arena, h->names[i], i + 1);
        if (!h->names[i].p)
            return tm_err_memory(e, "the header");
    }
    return TIDEMILL_OK;
}

/* The end of the run of equal names that begins at order[at]. */
static uint32_t run_end(const struct name_index *x, uint32_t at)
{
    uint32_t end = at + 1;
    while (end < x->n && slice_eq(x->names[x->order[end]], x->names[x->order[at]]))
        end++;
    return end;
}

/* Of all duplicates, name the one that comes first in the line. */
static int refuse_duplicates(const struct name_index *x, err *e)
{
    uint32_t first = 0, second = UINT32_MAX;
    for (uint32_t at = 0, end; at < x->n; at = end) {
        end = run_end(x, at);
        if (end - at > 1 && x->order[at + 1] < second) {
            first = x->order[at];
            second = x->order[at + 1];
        }
    }
    if (second == UINT32_MAX)
        return TIDEMILL_OK;
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "column name '%.*s' stands twice in the header (columns %u and %u; "
                      "input.duplicates: number or last allows it)",
                      NAME_ARGS(x->names[first]), first + 1, second + 1);
}

/*
 * a, a_2, a_3, passing over names that are in the header. What is made cannot meet what is made
 * from another name: the digits behind the last underscore part them.
 */
static int number_duplicates(struct header *h, const struct name_index *x, err *e)
{
    /* A list of its own: the index looks at the names as they were. */
    struct slice *names = arena_alloc(h->arena, h->n * sizeof *names);
    if (!names)
        return tm_err_memory(e, "the header");
    memcpy(names, h->names, h->n * sizeof *names);
    for (uint32_t at = 0, end; at < x->n; at = end) {
        end = run_end(x, at);
        for (uint32_t i = at + 1, number = 2; i < end; number++) {
            struct slice name = numbered(h->arena, x->names[x->order[at]], number);
            if (!name.p)
                return tm_err_memory(e, "the header");
            if (tm_name_index_find(x, name, NO_COLUMN) == NO_COLUMN)
                names[x->order[i++]] = name;
        }
    }
    h->names = names;
    return TIDEMILL_OK;
}

/* Leave out the columns that a later one of the same name hides. */
static int keep_last(struct header *h, const struct name_index *x, err *e)
{
    for (uint32_t at = 0, end; at < x->n; at = end) {
        end = run_end(x, at);
        if (end - at > 1 && !h->skipped) {
            h->skipped = arena_alloc(h->arena, h->n);
            if (!h->skipped)
                return tm_err_memory(e, "the header");
            memset(h->skipped, 0, h->n);
        }
        for (uint32_t i = at; i + 1 < end; i++)
            h->skipped[x->order[i]] = 1;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->n; i++)
        if (!h->skipped || !h->skipped[i])
            h->names[kept++] = h->names[i];
    h->n = kept;
    return TIDEMILL_OK;
}

static int part_names(struct header *h, err *e)
{
    struct name_index index;
    int status = check_empty(h, e);
    if (status != TIDEMILL_OK)
        return status;
    if (!tm_name_index_init(&index, h->n, h->names))
        return tm_err_memory(e, "the header");
    switch (h->dialect->duplicates) {
    case DUPLICATES_ERROR:
        status = refuse_duplicates(&index, e);
        break;
    case DUPLICATES_LAST:
        status = keep_last(h, &index, e);
        break;
    case DUPLICATES_NUMBER:
        status = number_duplicates(h, &index, e);
        break;
    }
    tm_name_index_release(&index);
    return status;
}

/* Is one a slip of the other: a byte more, less or other, or two neighbours swapped? */
static bool is_slip(struct slice a, struct slice b)
{
    while (a.n && b.n && a.p[0] == b.p[0]) {
        a = (struct slice){a.p + 1, a.n - 1};
        b = (struct slice){b.p + 1, b.n - 1};
    }
    while (a.n && b.n && a.p[a.n - 1] == b.p[b.n - 1]) {
        a.n--;
        b.n--;
    }
    if (a.n == 2 && b.n == 2)
        return a.p[0] == b.p[1] && a.p[1] == b.p[0];
    return a.n <= 1 && b.n <= 1;
}

static int unknown_type(const struct header *h, struct slice name, err *e)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (is_slip(name, h->names[i]))
            return tm_err_set(e, TIDEMILL_E_INPUT,
                              "input.types names a column '%.*s' that the header does not have "
                              "(did you mean '%.*s'?)",
                              NAME_ARGS(name), NAME_ARGS(h->names[i]));
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "input.types names a column '%.*s' that the %s does not have",
                      NAME_ARGS(name), h->dialect->header ? "header" : "first record");
}

/* A flag a column; *out is NULL when none is text. */
static int text_flags(const struct header *h, uint8_t **out, err *e)
{
    const struct column_types *types = &h->dialect->types;
    struct name_index index;
    int status = TIDEMILL_OK;
    *out = NULL;
    if (!types->all_text && types->n == 0)
        return TIDEMILL_OK;
    uint8_t *flags = arena_alloc(h->arena, h->n);
    if (!flags || !tm_name_index_init(&index, h->n, h->names))
        return tm_err_memory(e, "the header");
    memset(flags, types->all_text, h->n);
    for (uint32_t i = 0; i < types->n && status == TIDEMILL_OK; i++) {
        uint32_t column = tm_name_index_find(&index, types->names[i], NO_COLUMN);
        if (column == NO_COLUMN)
            status = unknown_type(h, types->names[i], e);
        else
            flags[column] = types->text[i];
    }
    tm_name_index_release(&index);
    *out = flags;
    return status;
}

int tm_csv_header(const struct input_dialect *d, struct arena *arena, struct slice first,
                  struct columns **out, err *e)
{
    size_t cells = count_cells(d, first);
    if (cells >= UINT32_MAX / sizeof(struct field))
        return tm_err_set(e, TIDEMILL_E_INPUT, "the first record has too many columns");
    struct header h = {.dialect = d, .arena = arena, .n = (uint32_t)cells};
    struct columns *columns = arena_alloc(arena, sizeof *columns);
    h.names = arena_alloc(arena, cells * sizeof *h.names);
    h.raw = arena_alloc(arena, cells * sizeof *h.raw);
    if (!columns || !h.names || !h.raw)
        return tm_err_memory(e, "the header");
    int status = d->header ? read_names(&h, first, e) : positions(&h, e);
    if (status == TIDEMILL_OK && d->header)
        status = part_names(&h, e);
    uint8_t *as_text = NULL;
    if (status == TIDEMILL_OK)
        status = text_flags(&h, &as_text, e);
    if (status != TIDEMILL_OK)
        return status;
    *columns = (struct columns){
        .n = h.n,
        .positional = !d->header,
        .crlf = first.n >= 2 && memcmp(first.p + first.n - 2, "\r\n", 2) == 0,
        .names = h.names,
        .raw = d->header && d->duplicates == DUPLICATES_ERROR ? h.raw : NULL,
        .delimiter = d->delimiter,
        .quote = d->quote,
        .escapes = d->escapes,
        .as_text = as_text,
        .cells = (uint32_t)cells,
        .skipped = h.skipped,
    };
    *out = columns;
    return TIDEMILL_OK;
}
