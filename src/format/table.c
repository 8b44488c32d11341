/*
 * A table for people's eyes, output only. In a worker: a record flows in, a row of counted cells
 * flows out (u32 cells; for each u32 length and bytes). Where the output is put together: such rows
 * flow in, aligned lines flow out (table_print.c).
 *
 * The same rules as for CSV hold for columns; null is an empty cell.
 */
#include "format/table.h"

#include "base/heap.h"
#include "format/formats.h"
#include "format/layout.h"

struct writer {
    const struct output_dialect *dialect;
    struct row_layout rows;
    struct buf text; /* of tm_cell_text() */
};

static struct writer *writer_new(const struct output_dialect *d)
{
    struct writer *w = tm_heap_zeroed(1, sizeof *w);
    if (!w)
        return NULL;
    w->dialect = d;
    tm_row_layout_init(&w->rows, d);
    return w;
}

static void writer_free(struct writer *w)
{
    if (!w)
        return;
    tm_row_layout_release(&w->rows);
    tm_buf_release(&w->text);
    tm_heap_free(w);
}

static const struct layout *layout(const struct writer *w)
{
    return &w->rows.layout;
}

static int fix_columns(struct writer *w, uint32_t n, const struct slice *names)
{
    return tm_row_layout_fix(&w->rows, n, names);
}

static int write_cell(struct writer *w, struct buf *out, const struct field *f, err *e)
{
    struct slice text;
    int status = tm_cell_text(w->dialect, f, &w->text, &text, e);
    if (status == TIDEMILL_OK)
        tm_buf_bytes(out, text);
    return status;
}

/* All fields in their order: what a row is under its own layout, and a trial under another one. */
static int write_own(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    tm_buf_u32(out, record->live);
    const struct field *f = node_fields(record), *end = f + record->count;
    for (; f < end; f++) {
        if (f->value.kind == VALUE_NONE)
            continue;
        int status = write_cell(w, out, f, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

static int write_fitted(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    static const struct field missing = {.value = {.kind = VALUE_NULL}};
    const struct row_layout *l = &w->rows;
    tm_buf_u32(out, l->layout.n);
    for (uint32_t i = 0; i < l->layout.n; i++) {
        const struct field *f = l->map[i] == NO_COLUMN ? &missing : &node_fields(record)[l->map[i]];
        int status = write_cell(w, out, f, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

/*
 * A value that cannot be written fails its record under any layout, and comes before a layout that
 * does not fit: so the message does not depend on what the writer knew of the columns.
 */
static int write_row(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    bool own = false;
    size_t begin = out->n;
    int fits = tm_row_layout_take(&w->rows, record, &own, e);
    if (fits == TIDEMILL_E_MEMORY)
        return fits;
    int status = write_own(w, out, record, e);
    if (status != TIDEMILL_OK)
        return status;
    if (fits != TIDEMILL_OK)
        return fits;
    if (!own) {
        out->n = begin;
        status = write_fitted(w, out, record, e);
    }
    if (status == TIDEMILL_OK && out->failed)
        status = tm_err_memory(e, "a row");
    return status;
}

/* ---- rows laid out anew ---- */

static int relayout_rows(struct cursor *c, uint32_t from_n, struct slice *cells, uint32_t to_n,
                         const uint32_t *map, struct buf *out, err *e)
{
    while (c->n > 0) {
        if (!tm_table_take_row(c, from_n, cells))
            return tm_err_set(e, TIDEMILL_E_WORKER, "a worker sent rows that are broken");
        tm_buf_u32(out, to_n);
        for (uint32_t i = 0; i < to_n; i++)
            tm_buf_bytes(out, map[i] == NO_COLUMN ? (struct slice){NULL, 0} : cells[map[i]]);
    }
    return out->failed ? tm_err_memory(e, "rows") : TIDEMILL_OK;
}

static int relayout(const struct output_dialect *d, struct slice rows, uint32_t from_n,
                    const struct slice *from, uint32_t to_n, const struct slice *to,
                    struct buf *out, err *e)
{
    uint32_t *map = tm_layout_map(from_n, from, to_n, to);
    struct slice *cells = tm_heap_zeroed(from_n ? from_n : 1, sizeof *cells);
    struct cursor c = {rows.p, rows.n, false};
    int status;
    (void)d;
    if (map && cells)
        status = relayout_rows(&c, from_n, cells, to_n, map, out, e);
    else
        status = tm_err_memory(e, "rows");
    tm_heap_free(cells);
    tm_heap_free(map);
    return status;
}

const struct format tm_format_table = {
    .name = "table",
    .help = "aligned columns for people's eyes; output only",
    .has_columns = true,
    .writer_new = writer_new,
    .writer_free = writer_free,
    .write = write_row,
    .layout = layout,
    .fix_columns = fix_columns,
    .finish_new = tm_table_finish_new,
    .finish_free = tm_table_finish_free,
    .finish_begin = tm_table_finish_begin,
    .finish_rows = tm_table_finish_rows,
    .finish_end = tm_table_finish_end,
    .relayout = relayout,
};
