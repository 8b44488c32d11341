/*
 * Rows of cells to aligned lines. The first rows are held back until their widths are known; they
 * set the widths of all that follow, which may overflow and shift their own line. Owns the rows that
 * it holds back and copies of the names.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/number.h"
#include "base/utf8.h"
#include "format/layout.h"
#include "format/table.h"

/* What is held back at most. */
#define HELD_ROWS  1000
#define HELD_BYTES ((size_t)1 << 20)

struct column {
    size_t width;
    bool number; /* a cell was a number */
    bool text;   /* a cell was none */
};

struct finish {
    const struct output_dialect *dialect;
    struct arena arena; /* names, columns, cells */
    uint32_t n;
    const struct slice *names;
    struct column *columns;
    struct slice *cells; /* of the row in hand */
    struct buf held;
    uint64_t held_rows;
    bool flowing;    /* the held rows are out */
    struct buf text; /* a cell made printable */
};

struct finish *tm_table_finish_new(const struct output_dialect *d)
{
    struct finish *f = tm_heap_zeroed(1, sizeof *f);
    if (f)
        f->dialect = d;
    return f;
}

void tm_table_finish_free(struct finish *f)
{
    if (!f)
        return;
    tm_arena_release(&f->arena);
    tm_buf_release(&f->held);
    tm_buf_release(&f->text);
    tm_heap_free(f);
}

bool tm_table_take_row(struct cursor *c, uint32_t n, struct slice *cells)
{
    if (tm_cursor_u32(c) != n || c->bad)
        return false;
    for (uint32_t i = 0; i < n; i++)
        cells[i] = tm_cursor_bytes(c);
    return !c->bad;
}

static void put_escape(struct buf *out, uint32_t c)
{
    static const char *const names[] = {['\t'] = "\\t", ['\n'] = "\\n", ['\r'] = "\\r"};
    if (c < sizeof names / sizeof *names && names[c])
        buf_slice(out, slice_of(names[c]));
    else
        tm_buf_printf(out, "\\x%02x", (unsigned)c);
}

/*
 * Text that keeps to its line and cannot talk to the terminal: C0 and C1 controls as escapes, what
 * is not UTF-8 as U+FFFD.
 */
static struct slice printable(struct finish *f, struct slice text)
{
    buf_reset(&f->text);
    while (text.n > 0) {
        uint32_t c;
        size_t n = tm_utf8_decode(text, &c);
        if (n == 0)
            buf_append(&f->text, "\xef\xbf\xbd", 3);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            put_escape(&f->text, c);
        else
            buf_append(&f->text, text.p, n);
        n += n == 0;
        text = (struct slice){text.p + n, text.n - n};
    }
    return buf_view(&f->text);
}

/* ---- widths ---- */

static void measure(struct finish *f, struct column *column, struct slice cell)
{
    size_t width = tm_utf8_width(printable(f, cell));
    if (width > column->width)
        column->width = width;
}

static void measure_row(struct finish *f)
{
    for (uint32_t i = 0; i < f->n; i++) {
        struct column *column = &f->columns[i];
        int64_t integer;
        double number;
        measure(f, column, f->cells[i]);
        if (f->cells[i].n == 0)
            continue;
        if (tm_number_json(f->cells[i], &integer, &number) == NUMBER_NONE)
            column->text = true;
        else
            column->number = true;
    }
}

/* ---- lines ---- */

static void put_blanks(struct buf *out, size_t n)
{
    static const char blanks[] = "                                                                ";
    while (n > 0) {
        size_t take = n < sizeof blanks - 1 ? n : sizeof blanks - 1;
        buf_append(out, blanks, take);
        n -= take;
    }
}

/* Blanks are written when something follows them, so that no line ends in padding. */
static void put_row(struct finish *f, struct buf *out, const struct slice *cells)
{
    size_t pending = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct column *column = &f->columns[i];
        struct slice text = printable(f, cells[i]);
        size_t width = tm_utf8_width(text);
        size_t padding = width < column->width ? column->width - width : 0;
        bool right = column->number && !column->text;
        if (text.n > 0) {
            put_blanks(out, pending + (right ? padding : 0));
            buf_slice(out, text);
            pending = right ? 0 : padding;
        } else {
            pending += padding;
        }
        pending += 2;
    }
    buf_byte(out, '\n');
}

static void put_dashes(const struct finish *f, struct buf *out)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (i > 0)
            put_blanks(out, 2);
        for (size_t k = 0; k < f->columns[i].width; k++)
            buf_byte(out, '-');
    }
    buf_byte(out, '\n');
}

static void put_header(struct finish *f, struct buf *out)
{
    if (!f->dialect->header || f->n == 0)
        return;
    put_row(f, out, f->names);
    put_dashes(f, out);
}

/* ---- the stream ---- */

int tm_table_finish_begin(struct finish *f, struct buf *out, uint32_t n, const struct slice *names)
{
    (void)out;
    f->n = n;
    f->names = tm_names_copy(&f->arena, n, names);
    f->columns = arena_alloc(&f->arena, n * sizeof *f->columns);
    f->cells = arena_alloc(&f->arena, n * sizeof *f->cells);
    if (!f->names || !f->columns || !f->cells) {
        f->n = 0;
        return TIDEMILL_E_MEMORY;
    }
    for (uint32_t i = 0; i < n; i++) {
        f->columns[i] = (struct column){0};
        if (f->dialect->header)
            measure(f, &f->columns[i], names[i]);
    }
    return f->text.failed ? TIDEMILL_E_MEMORY : TIDEMILL_OK;
}

/* The held rows were checked when they came. */
static int flow(struct finish *f, struct buf *out)
{
    struct cursor c = {f->held.p, f->held.n, false};
    f->flowing = true;
    put_header(f, out);
    while (c.n > 0 && tm_table_take_row(&c, f->n, f->cells))
        put_row(f, out, f->cells);
    bool failed = f->held.failed || f->text.failed || out->failed;
    tm_buf_release(&f->held);
    return failed ? TIDEMILL_E_MEMORY : TIDEMILL_OK;
}

static int take_rows(struct finish *f, struct buf *out, struct cursor *c, err *e)
{
    while (c->n > 0) {
        const char *begin = c->p;
        if (!tm_table_take_row(c, f->n, f->cells))
            return tm_err_set(e, TIDEMILL_E_WORKER, "a worker sent rows that are broken");
        if (f->flowing) {
            put_row(f, out, f->cells);
            continue;
        }
        measure_row(f);
        buf_append(&f->held, begin, (size_t)(c->p - begin));
        f->held_rows++;
        if (f->held_rows < HELD_ROWS && f->held.n < HELD_BYTES)
            continue;
        int status = flow(f, out);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

int tm_table_finish_rows(struct finish *f, struct buf *out, struct slice rows, err *e)
{
    struct cursor c = {rows.p, rows.n, false};
    int status = take_rows(f, out, &c, e);
    if (status == TIDEMILL_E_WORKER)
        return status;
    if (status != TIDEMILL_OK || f->held.failed || f->text.failed || out->failed)
        return tm_err_memory(e, "the table");
    return TIDEMILL_OK;
}

int tm_table_finish_end(struct finish *f, struct buf *out)
{
    return f->flowing ? TIDEMILL_OK : flow(f, out);
}
