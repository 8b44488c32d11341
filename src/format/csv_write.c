/*
 * A record to a CSV or TSV row: a node flows in, bytes are appended. In the reader's own dialect a record
 * that nobody changed is copied with its line end, and so is each cell that nobody assigned; all
 * else is written anew, quoted (in TSV: escaped) only where it must be.
 *
 * Rows that a writer laid out in another order than the output's are laid out anew by
 * csv_relayout.c. What comes out of that must be what a writer that knew the order would have
 * written, so two rules look odd here but hold both together:
 * - A cell that ends in CR gets quotes (or an escape) in a row laid out anew, as the row's LF may come to follow
 *   it. In the record's own order only the last one needs them.
 * - The only cell of a record, when empty, is written as "" under any layout: alone in a row it would
 *   be a blank line, which readers skip. (Without quotes in the dialect it stays a blank line, which
 *   is a record there.)
 * For the same reason a value that cannot be written fails its record also where the layout leaves
 * it out, and comes before a layout that does not fit.
 *
 * Under output.escape_formulas each cell is looked at, also one that is copied otherwise.
 *
 * Null is an empty cell. Comments are no part of output dialects: '#' is a byte like any other.
 */
#include "base/heap.h"
#include "base/words.h"
#include "format/csv.h"
#include "format/layout.h"
#include "record/cell.h"

/* Bytes that numbers are written with, "nan" and "inf" included, true and false. */
#define SCALAR_BYTES "0123456789+-.eEinfatruls"

/* A delimiter, a quote, both kinds of line end, and what escapes begin with. */
#define WATCHED 5

struct writer {
    const struct output_dialect *dialect;
    bool plain_scalars;        /* no number, true or false is special */
    uint64_t watched[WATCHED]; /* words of the bytes that copy_string() stops at */
    const void *origin;        /* of records whose cells may be copied, NULL: none */
    struct row_layout rows;
    struct buf text;    /* of tm_cell_text() */
    struct buf defused; /* of tm_csv_defuse() */
    struct buf trial;   /* of check_values() */
};

/* How cells of the row in hand are written. */
struct row {
    bool raw;    /* cells that have their own bytes are copied */
    bool lonely; /* the only cell: must not be empty */
    bool moved;  /* a cell may come to stand before another byte than in the source */
};

/* Without a quote a line end stands in for it: that is looked for anyway. */
static char quote_of(const struct output_dialect *d)
{
    return d->quote != '\0' ? d->quote : '\n';
}

struct writer *tm_csv_writer_new(const struct output_dialect *d)
{
    struct writer *w = tm_heap_zeroed(1, sizeof *w);
    if (!w)
        return NULL;
    w->dialect = d;
    w->plain_scalars = !strchr(SCALAR_BYTES, d->delimiter) &&
                       (d->quote == '\0' || !strchr(SCALAR_BYTES, d->quote));
    const char watched[WATCHED] = {d->delimiter, quote_of(d), '\n', '\r', '\\'};
    for (size_t i = 0; i < WATCHED; i++)
        w->watched[i] = WORD_OF((uint64_t)(unsigned char)watched[i]);
    tm_row_layout_init(&w->rows, d);
    return w;
}

void tm_csv_writer_free(struct writer *w)
{
    if (!w)
        return;
    tm_row_layout_release(&w->rows);
    tm_buf_release(&w->text);
    tm_buf_release(&w->defused);
    tm_buf_release(&w->trial);
    tm_heap_free(w);
}

void tm_csv_verbatim(struct writer *w, const struct reader *origin)
{
    w->origin = tm_csv_origin(origin);
}

const struct layout *tm_csv_layout(const struct writer *w)
{
    return &w->rows.layout;
}

int tm_csv_fix_columns(struct writer *w, uint32_t n, const struct slice *names)
{
    return tm_row_layout_fix(&w->rows, n, names);
}

#ifdef TM_SSE2

/* Which of 16 bytes are special, a bit each. */
static unsigned special_bits(const char *p, char delimiter, char quote)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(delimiter)),
                                _mm_cmpeq_epi8(x, _mm_set1_epi8(quote)));
    hits = _mm_or_si128(hits, _mm_cmpeq_epi8(x, _mm_set1_epi8('\n')));
    hits = _mm_or_si128(hits, _mm_cmpeq_epi8(x, _mm_set1_epi8('\r')));
    return (unsigned)_mm_movemask_epi8(hits);
}

static bool any_special(const char *p, const char *end, char delimiter, char quote)
{
    char rest[16] = "";
    for (; end - p >= 16; p += 16)
        if (special_bits(p, delimiter, quote))
            return true;
    memcpy(rest, p, (size_t)(end - p));
    return special_bits(rest, delimiter, quote) & ((1u << (end - p)) - 1);
}

#else

static bool any_special(const char *p, const char *end, char delimiter, char quote)
{
    for (; p < end; p++)
        if (*p == delimiter || *p == quote || *p == '\n' || *p == '\r')
            return true;
    return false;
}

#endif

bool tm_csv_is_special(const struct output_dialect *d, struct slice text)
{
    const char *p = text.n ? text.p : "";
    return any_special(p, p + text.n, d->delimiter, d->escapes ? '\\' : quote_of(d));
}

static void put_quoted(struct buf *out, char quote, struct slice text)
{
    const char *p = text.n ? text.p : "", *end = p + text.n;
    buf_byte(out, quote);
    while (p < end) {
        const char *at = memchr(p, quote, (size_t)(end - p));
        const char *stop = at ? at + 1 : end;
        buf_append(out, p, (size_t)(stop - p));
        if (at)
            buf_byte(out, quote);
        p = stop;
    }
    buf_byte(out, quote);
}

void tm_csv_put_guarded(const struct output_dialect *d, struct buf *out, struct slice text)
{
    if (d->escapes)
        tm_tsv_put(out, text);
    else
        put_quoted(out, d->quote, text);
}

static int write_text(const struct output_dialect *d, struct buf *out, const struct field *f,
                      struct slice text, bool lonely, err *e)
{
    bool special = tm_csv_is_special(d, text);
    if (special && !csv_has_guard(d))
        return tm_err_set(e, TIDEMILL_E_WRITE,
                          "field '%.*s' holds a delimiter or a line end, which cannot be written "
                          "without quotes",
                          NAME_ARGS(f->key));
    if (special || (lonely && text.n == 0 && d->quote != '\0'))
        tm_csv_put_guarded(d, out, text);
    else
        buf_slice(out, text);
    return TIDEMILL_OK;
}

/* Copy the cell's own bytes if they may stand as they are. */
static bool copy_cell(const struct output_dialect *d, struct buf *out, const struct row *row,
                      struct slice source)
{
    if (source.n == 0 && row->lonely && d->quote != '\0')
        return false;
    if (row->moved && source.n && source.p[source.n - 1] == '\r' && csv_has_guard(d))
        return false;
    buf_slice(out, source);
    return true;
}

/* Looked at before anything else, as own bytes may be a formula. */
static int defuse_cell(struct writer *w, const struct field *f, struct slice *text, err *e)
{
    int status = tm_cell_text(w->dialect, f, &w->text, text, e);
    if (status != TIDEMILL_OK)
        return status;
    if (!tm_csv_is_formula(w->dialect, *text))
        *text = (struct slice){NULL, 0};
    else
        *text = tm_csv_defuse(&w->defused, *text);
    return w->defused.failed ? tm_err_memory(e, "a cell") : TIDEMILL_OK;
}

static bool is_unwatched(const void *context, uint64_t word)
{
    const struct writer *w = context;
    uint64_t hits = 0;
    for (size_t i = 0; i < WATCHED; i++)
        hits |= word_has(word, w->watched[i]);
    return !hits;
}

/* The inside of a JSON string that means itself and may stand in any cell. */
static bool copy_string(const struct writer *w, struct buf *out, const char *p, size_t n)
{
    if (n == 0 || !buf_reserve(out, n) || !copy_tested(out->p + out->n, p, n, is_unwatched, w))
        return false;
    out->n += n;
    return true;
}

/* A JSON value whose cell is its own bytes, or those inside its quotes. */
static bool copy_scalar(const struct writer *w, struct buf *out, struct slice json)
{
    if (json.n == 0 || !w->plain_scalars)
        return false;
    switch (json.p[0]) {
    case '{':
    case '[':
    case 'n':
        return false;
    case '"':
        return copy_string(w, out, json.p + 1, json.n - 2);
    default:
        buf_slice(out, json);
        return true;
    }
}

static int write_cell(struct writer *w, struct buf *out, const struct row *row,
                      const struct field *f, err *e)
{
    struct slice text;
    if (w->dialect->escape_formulas) {
        int status = defuse_cell(w, f, &text, e);
        if (status != TIDEMILL_OK || text.p)
            return status == TIDEMILL_OK ? write_text(w->dialect, out, f, text, false, e) : status;
    }
    if (row->raw && f->source.p && copy_cell(w->dialect, out, row, f->source))
        return TIDEMILL_OK;
    if (f->value.kind == VALUE_JSON && copy_scalar(w, out, f->value.text))
        return TIDEMILL_OK;
    if (w->plain_scalars && (f->value.kind == VALUE_INT || f->value.kind == VALUE_FLOAT)) {
        tm_cell_put_number(out, &f->value);
        return TIDEMILL_OK;
    }
    int status = tm_cell_text(w->dialect, f, &w->text, &text, e);
    if (status == TIDEMILL_OK)
        status = write_text(w->dialect, out, f, text, row->lonely, e);
    return status;
}

static struct slice line_end(const struct writer *w, const struct node *record, bool raw)
{
    if (raw && record->line_end.n)
        return record->line_end;
    return w->dialect->crlf ? SLICE("\r\n") : SLICE("\n");
}

/* How many fields from i on stand side by side in the source, untouched. */
static uint32_t own_run(const struct node *record, uint32_t i)
{
    const struct field *f = node_fields(record);
    struct slice source = record->source;
    uint32_t j = i + 1;
    /* Cells of a copied record have places of their own, which may be neighbours by chance. */
    if (!f[i].source.p || (uintptr_t)f[i].source.p - (uintptr_t)source.p > source.n)
        return 0;
    const char *end = source.p + source.n;
    /* Behind its end another record may begin, whose cells a script has put in here. */
    while (j < record->count && f[j].source.p == f[j - 1].source.p + f[j - 1].source.n + 1 &&
           f[j].source.p <= end && f[j].value.kind != VALUE_NONE)
        j++;
    return j - i;
}

/* Copy the run at field i with its delimiters; the number of fields copied, 0 or more than 1. */
static uint32_t copy_run(struct buf *out, const struct node *record, uint32_t i, bool guard_last)
{
    const struct field *f = &node_fields(record)[i];
    uint32_t n = own_run(record, i);
    struct slice last = n ? f[n - 1].source : (struct slice){NULL, 0};
    if (guard_last && last.n && last.p[last.n - 1] == '\r')
        last = --n ? f[n - 1].source : last;
    if (n < 2)
        return 0;
    buf_append(out, f->source.p, (size_t)(last.p + last.n - f->source.p));
    return n;
}

/* All fields in their order. */
static int write_own(struct writer *w, struct buf *out, const struct node *record, struct row row,
                     err *e)
{
    struct slice end = line_end(w, record, row.raw);
    uint32_t left = record->live;
    row.lonely = left == 1;
    for (uint32_t i = 0; left > 0;) {
        if (!node_is_there(record, i)) {
            i++;
            continue;
        }
        if (left < record->live)
            buf_byte(out, w->dialect->delimiter);
        bool runs = row.raw && !w->dialect->escape_formulas;
        uint32_t run = runs ? copy_run(out, record, i, end.n == 1) : 0;
        row.moved = left == 1 && end.n == 1;
        if (run == 0) {
            int status = write_cell(w, out, &row, &node_fields(record)[i], e);
            if (status != TIDEMILL_OK)
                return status;
            run = 1;
        }
        i += run;
        left -= run;
    }
    buf_slice(out, end);
    return TIDEMILL_OK;
}

/* Fields by the map of the fixed columns. */
static int write_fitted(struct writer *w, struct buf *out, const struct node *record,
                        struct row row, err *e)
{
    static const struct field missing = {.value = {.kind = VALUE_NULL}};
    const struct row_layout *l = &w->rows;
    row.lonely = record->live == 1 || l->layout.n == 1;
    row.moved = true;
    for (uint32_t i = 0; i < l->layout.n; i++) {
        const struct field *f = l->map[i] == NO_COLUMN ? NULL : &node_fields(record)[l->map[i]];
        if (i > 0)
            buf_byte(out, w->dialect->delimiter);
        struct row cell = row;
        if (!f)
            cell.lonely = l->layout.n == 1;
        int status = write_cell(w, out, &cell, f ? f : &missing, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    buf_slice(out, line_end(w, record, row.raw));
    return TIDEMILL_OK;
}

/* Can every value be written, also those that the layout leaves out? */
static int check_values(struct writer *w, const struct node *record, const struct row *row, err *e)
{
    bool all = !csv_has_guard(w->dialect);
    for (uint32_t i = 0; i < record->count; i++) {
        const struct field *f = &node_fields(record)[i];
        if (!all && !tm_cell_may_fail(w->dialect, f))
            continue;
        buf_reset(&w->trial);
        int status = write_cell(w, &w->trial, row, f, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

/* A record as it came, if it is a whole row of this layout. */
static bool copy_record(const struct writer *w, struct buf *out, const struct node *record)
{
    struct slice end = line_end(w, record, true);
    struct slice source = record->source;
    if (record->changed || !source.p || source.n == 0 || w->dialect->escape_formulas)
        return false;
    /* Only the last line of a file has no line end: the new one must not join a CR. */
    if (record->line_end.n == 0 && end.n == 1 && source.p[source.n - 1] == '\r')
        return false;
    buf_slice(out, source);
    buf_slice(out, end);
    return true;
}

/* May write_around() do it? A lonely cell, and a last line that has no line end, have rules of their own. */
static bool is_around(const struct writer *w, const struct node *record)
{
    return record->assigned > 0 && record->assigned <= record->originals && record->count > 1 &&
           record->line_end.n && !w->dialect->escape_formulas;
}

/* A record with its line end, as it came but for one field: what is on both sides of that is copied. */
static int write_around(struct writer *w, struct buf *out, const struct node *record,
                        const struct row *row, err *e)
{
    uint32_t i = record->assigned - 1;
    const struct field *f = &record->slots[i];
    const char *begin = record->source.p, *at = begin;
    const char *end = record->line_end.p + record->line_end.n;
    if (record->spans)
        at = node_span_source(record, i).p;
    else if (i > 0)
        at = f[-1].source.p + f[-1].source.n + 1;
    buf_append(out, begin, (size_t)(at - begin));
    int status = write_cell(w, out, row, f, e);
    at += f->source.n;
    buf_append(out, at, (size_t)(end - at));
    return status;
}

/* May write_behind() do it? */
static bool is_behind(const struct writer *w, const struct node *record)
{
    return record->spans && !record->filled && node_is_longer(record) && record->source.n &&
           !w->dialect->escape_formulas;
}

/* A record as it came, with a cell more. */
static int write_behind(struct writer *w, struct buf *out, const struct node *record,
                        const struct row *row, err *e)
{
    buf_slice(out, record->source);
    buf_byte(out, w->dialect->delimiter);
    int status = write_cell(w, out, row, &record->slots[record->originals], e);
    buf_slice(out, line_end(w, record, true));
    return status;
}

/* As most records are: in the writer's own layout, and with no more than a number that is new. */
static bool write_number(struct writer *w, struct buf *out, const struct node *record)
{
    if (!record->spans || !row_layout_is_own(&w->rows, record) || record->origin != w->origin ||
        !is_around(w, record) || !w->plain_scalars)
        return false;
    const struct value *v = &record->slots[record->assigned - 1].value;
    struct slice old = node_span_source(record, record->assigned - 1);
    if (v->kind != VALUE_INT && v->kind != VALUE_FLOAT)
        return false;
    const char *begin = record->source.p, *end = begin + record->source.n + record->line_end.n;
    buf_append(out, begin, (size_t)(old.p - begin));
    tm_cell_put_number(out, v);
    buf_append(out, old.p + old.n, (size_t)(end - old.p) - old.n);
    return true;
}

int tm_csv_write(struct writer *w, struct buf *out, const struct node *record, err *e)
{
    if (write_number(w, out, record))
        return out->failed ? tm_err_memory(e, "a row") : TIDEMILL_OK;
    bool own = false;
    struct row row = {.raw = w->origin && record->origin == w->origin};
    int fits = tm_row_layout_take(&w->rows, record, &own, e);
    if (fits == TIDEMILL_E_MEMORY)
        return fits;
    int status = TIDEMILL_OK;
    if (!own)
        status = check_values(w, record, &row, e);
    if (status == TIDEMILL_OK)
        status = fits;
    if (status != TIDEMILL_OK)
        return status;
    if (!own)
        status = write_fitted(w, out, record, row, e);
    else if (row.raw && is_around(w, record))
        status = write_around(w, out, record, &row, e);
    else if (row.raw && is_behind(w, record))
        status = write_behind(w, out, record, &row, e);
    else if (!row.raw || !copy_record(w, out, record))
        status = write_own(w, out, record, row, e);
    if (status == TIDEMILL_OK && out->failed)
        status = tm_err_memory(e, "a row");
    return status;
}
