/*
 * What stands around CSV and TSV rows, and rows laid out anew: rows of a worker flow in, cut by the one
 * machine but not looked into, and flow out under other columns. The rows come from another process,
 * so their form is checked.
 */
#include "base/heap.h"
#include "format/csv.h"
#include "format/layout.h"

struct finish {
    const struct output_dialect *dialect;
};

struct finish *tm_csv_finish_new(const struct output_dialect *d)
{
    struct finish *f = tm_heap_new(sizeof *f);
    if (f)
        f->dialect = d;
    return f;
}

void tm_csv_finish_free(struct finish *f)
{
    tm_heap_free(f);
}

/* A header under work. */
struct heading {
    const struct output_dialect *dialect;
    struct name_index like; /* of the first input's names; n 0: its header is in another dialect */
    struct buf defused;
};

static bool heading_begin(struct heading *h, const struct output_dialect *d)
{
    const struct columns *like = d->like;
    *h = (struct heading){.dialect = d};
    if (!like || !like->raw || like->delimiter != d->delimiter || like->quote != d->quote ||
        like->escapes != d->escapes)
        return true;
    return tm_name_index_init(&h->like, like->n, like->names);
}

/* The cell of the first input's header with this name; p is NULL where there is none. */
static struct slice own_cell(const struct heading *h, uint32_t i, struct slice name)
{
    uint32_t at = tm_name_index_find(&h->like, name, i);
    return at == NO_COLUMN ? (struct slice){NULL, 0} : h->dialect->like->raw[at];
}

static int put_name(struct heading *h, struct buf *out, uint32_t i, struct slice name, bool lonely)
{
    const struct output_dialect *d = h->dialect;
    struct slice own = own_cell(h, i, name);
    if (tm_csv_is_formula(d, name)) {
        name = tm_csv_defuse(&h->defused, name);
        own.p = NULL;
    }
    bool special = tm_csv_is_special(d, name);
    bool blank = lonely && name.n == 0;
    if (special ? !csv_has_guard(d) : blank && d->quote == '\0')
        return TIDEMILL_E_WRITE;
    if (own.p)
        buf_slice(out, own);
    else if (special || blank)
        tm_csv_put_guarded(d, out, name);
    else
        buf_slice(out, name);
    return h->defused.failed ? TIDEMILL_E_MEMORY : TIDEMILL_OK;
}

/* The header line. Without a guard in the dialect, names that need one are E_WRITE. */
int tm_csv_finish_begin(struct finish *f, struct buf *out, uint32_t n, const struct slice *names)
{
    const struct output_dialect *d = f->dialect;
    struct heading h;
    int status = TIDEMILL_OK;
    if (!d->header || n == 0)
        return TIDEMILL_OK;
    if (!heading_begin(&h, d))
        return TIDEMILL_E_MEMORY;
    for (uint32_t i = 0; i < n && status == TIDEMILL_OK; i++) {
        if (i > 0)
            buf_byte(out, d->delimiter);
        status = put_name(&h, out, i, names[i], n == 1);
    }
    if (status == TIDEMILL_OK)
        buf_slice(out, d->crlf ? SLICE("\r\n") : SLICE("\n"));
    tm_name_index_release(&h.like);
    tm_buf_release(&h.defused);
    return out->failed ? TIDEMILL_E_MEMORY : status;
}

/* A row under work. */
struct relayout {
    const struct output_dialect *dialect;
    struct csv_cell *cells; /* from_n */
    uint32_t from_n;
    uint32_t *map; /* to_n: a cell, or NO_COLUMN */
    uint32_t to_n;
    struct arena arena; /* for content with doubled quotes */
};

/* The cells of the next row, and its line end; false when it is no row of the layout. */
static bool cut_row(struct relayout *r, struct csv_scan *s, struct slice *line_end)
{
    struct csv_cell cell;
    enum csv_class class;
    uint32_t n = 0;
    do {
        class = csv_cut(s, &cell);
        if (n == r->from_n)
            return false;
        r->cells[n++] = cell;
    } while (class == CSV_DELIMITER);
    const char *end = cell.raw.p + cell.raw.n;
    *line_end = (struct slice){end, (size_t)(s->from - end)};
    return class == CSV_LF && n == r->from_n;
}

static bool put_cell(struct relayout *r, struct buf *out, const struct csv_cell *cell)
{
    struct slice raw = cell->raw;
    bool lonely = raw.n == 0 && r->to_n == 1 && r->dialect->quote != '\0';
    bool joins = raw.n && raw.p[raw.n - 1] == '\r' && csv_has_guard(r->dialect);
    if (!lonely && !joins) {
        buf_slice(out, raw);
        return true;
    }
    tm_arena_reset(&r->arena);
    struct slice content = tm_csv_content(cell, r->dialect->quote, &r->arena);
    tm_csv_put_guarded(r->dialect, out, content);
    return content.p != NULL;
}

static bool put_row(struct relayout *r, struct buf *out, struct slice line_end)
{
    static const struct csv_cell missing = {.raw = {"", 0}};
    for (uint32_t i = 0; i < r->to_n; i++) {
        if (i > 0)
            buf_byte(out, r->dialect->delimiter);
        if (!put_cell(r, out, r->map[i] == NO_COLUMN ? &missing : &r->cells[r->map[i]]))
            return false;
    }
    buf_slice(out, line_end);
    return !out->failed;
}

int tm_csv_relayout(const struct output_dialect *d, struct slice rows, uint32_t from_n,
                    const struct slice *from, uint32_t to_n, const struct slice *to,
                    struct buf *out, err *e)
{
    struct relayout r = {.dialect = d, .from_n = from_n, .to_n = to_n};
    r.cells = tm_heap_zeroed(from_n ? from_n : 1, sizeof *r.cells);
    r.map = tm_layout_map(from_n, from, to_n, to);
    int status = TIDEMILL_OK;
    if (!r.cells || !r.map) {
        status = tm_err_memory(e, "rows");
        goto out;
    }
    struct csv_scan s = csv_cells_begin(d->delimiter, d->quote, d->escapes, rows.n ? rows.p : "",
                                        rows.n);
    while (s.from < s.end) {
        struct slice line_end;
        if (!cut_row(&r, &s, &line_end)) {
            status = tm_err_set(e, TIDEMILL_E_WORKER, "a worker sent rows that are broken");
            goto out;
        }
        if (!put_row(&r, out, line_end)) {
            status = tm_err_memory(e, "rows");
            goto out;
        }
    }
out:
    tm_heap_free(r.cells);
    tm_heap_free(r.map);
    tm_arena_release(&r.arena);
    return status;
}
