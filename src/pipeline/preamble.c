/*
 * The beginning of a file: the splitter's first bytes flow in; byte order mark, skipped lines and
 * header are taken off their front. The header's columns are the file's.
 */
#include "pipeline/preamble.h"

#include "format/encoding.h"
#include "format/unflatten.h"
#include "pipeline/protocol.h"

/* NULL when memory is out. */
static const struct slice *copy_cells(struct arena *arena, uint32_t n, const struct slice *cells)
{
    struct slice *copies = arena_alloc(arena, n * sizeof *copies);
    for (uint32_t i = 0; copies && i < n; i++) {
        copies[i] = tm_arena_copy(arena, cells[i]);
        if (!copies[i].p)
            return NULL;
    }
    return copies;
}

/*
 * The first header outlives its file: it heads an output without rows, and lends its quotes and line
 * end to one with rows, unless records came before it: how far we have read is no matter of theirs.
 */
static int keep_first_columns(struct splitter *s, const struct columns *columns,
                              const struct unflatten *nested, err *e)
{
    if (s->first_columns || !columns)
        return TIDEMILL_OK;
    struct columns *copy = arena_alloc(&s->first_arena, sizeof *copy);
    if (!copy)
        return tm_err_memory(e, "a header");
    *copy = (struct columns){.n = columns->n,
                             .positional = columns->positional,
                             .crlf = columns->crlf,
                             .delimiter = columns->delimiter,
                             .quote = columns->quote,
                             .escapes = columns->escapes};
    copy->names = copy_cells(&s->first_arena, columns->n, columns->names);
    if (columns->raw)
        copy->raw = copy_cells(&s->first_arena, columns->n, columns->raw);
    if (!copy->names || (columns->raw && !copy->raw))
        return tm_err_memory(e, "a header");
    if (nested) {
        const struct spec_values *v = &s->spec->values;
        const struct output_dialect od = {.nested = (enum nested)v->output.nested,
                                          .separator = slice_of(v->output.separator)};
        if (tm_unflatten_header(nested, &od, &s->first_arena, copy) != TIDEMILL_OK)
            return tm_err_memory(e, "a header");
    }
    s->first_columns = copy;
    s->leading = s->next_record == 1;
    return TIDEMILL_OK;
}

static void drop_front(struct splitter *s, const struct extent *extent)
{
    s->start += extent->length;
    s->next_offset += extent->length;
    s->next_line += extent->lines;
    s->state = (struct split_state){.document = s->state.document};
}

/* Leave out the beginning of a comment whose end has not come yet. */
static void drop_comment(struct splitter *s, size_t n)
{
    s->start += n;
    s->next_offset += n;
    s->state.scanned = 0;
}

/* Leave out a byte order mark; false when it takes more bytes to see. */
static bool pass_bom(struct splitter *s)
{
    static const char bom[] = "\xef\xbb\xbf";
    size_t n = s->end - s->start;
    if (s->next_offset || n == 0 || !s->block)
        return n > 0 || s->final;
    const char *p = s->block->bytes + s->start;
    if (memcmp(p, bom, n < 3 ? n : 3) != 0)
        return true;
    if (n < 3)
        return s->final;
    s->start += 3;
    s->next_offset = 3;
    return true;
}

/* Leave out input.skip lines; false when it takes more bytes. */
static bool pass_lines(struct splitter *s)
{
    while (s->skip && s->block && s->start < s->end) {
        const char *p = s->block->bytes + s->start;
        size_t n = s->end - s->start;
        const char *lf = memchr(p, '\n', n);
        size_t take = lf ? (size_t)(lf - p) + 1 : n;
        s->start += take;
        s->next_offset += take;
        s->next_line += lf != NULL;
        s->skip -= lf != NULL;
    }
    return !s->skip || s->final;
}

/* The header, in UTF-8 if the input is; without one, the first record for its number of cells. */
static int read_header(struct splitter *s, struct slice first, err *e)
{
    const struct input_dialect *d = &s->file->dialect;
    struct unflatten *nested = NULL;
    struct buf text;
    int status = TIDEMILL_OK;
    tm_buf_init(&text);
    if (d->header && tm_encoding_check(d, first, e) != TIDEMILL_OK)
        return e->status = TIDEMILL_E_INPUT;
    if (d->header && !tm_encoding_plain(d, first)) {
        tm_encoding_decode(d, first, &text);
        first = buf_view(&text);
        status = text.failed ? tm_err_memory(e, "a header") : TIDEMILL_OK;
    }
    if (status == TIDEMILL_OK)
        status = s->file->format->header(d, &s->file->arena, first, &s->file->columns, e);
    s->file->dialect.columns = s->file->columns;
    if (status == TIDEMILL_OK)
        status = tm_unflatten_new(d, &s->file->arena, s->file->columns, &nested, e);
    if (status == TIDEMILL_OK)
        status = keep_first_columns(s, s->file->columns, nested, e);
    tm_buf_release(&text);
    return status;
}

int tm_splitter_too_large(const struct splitter *s, const char *what, int status, err *e)
{
    return tm_err_set(e, status, "the %s is larger than %zu bytes (limits.record_size)", what,
                      s->record_max);
}

/* What stands in front of the splitter's bytes: the header, or a line to leave out before it. */
static enum preamble take_header(struct splitter *s, size_t *n, err *e)
{
    const struct format *f = s->file->format;
    const struct input_dialect *d = &s->file->dialect;
    struct extent extent = {0};
    const char *p = s->block->bytes + s->start;
    *n = s->end - s->start;
    enum split_verdict verdict = f->split(d, &s->state, p, *n, s->final, &extent, e);
    size_t length = verdict == SPLIT_MORE ? *n : extent.length;
    if (length > s->record_max && !extent.comment) {
        tm_splitter_too_large(s, "header", TIDEMILL_E_INPUT, e);
        return PREAMBLE_BROKEN;
    }
    switch (verdict) {
    case SPLIT_MORE:
        if (extent.comment)
            drop_comment(s, length);
        return PREAMBLE_MORE;
    case SPLIT_SKIP:
        drop_front(s, &extent);
        return PREAMBLE_DONE;
    case SPLIT_RECORD:
        if (read_header(s, (struct slice){p, extent.length}, e) != TIDEMILL_OK)
            return PREAMBLE_BROKEN;
        if (d->header)
            drop_front(s, &extent);
        return PREAMBLE_DONE;
    case SPLIT_ERROR:
        break;
    }
    e->line = extent.lines;
    return PREAMBLE_BROKEN;
}

enum preamble tm_preamble(struct splitter *s, size_t *n, err *e)
{
    if (!pass_bom(s) || !pass_lines(s))
        return PREAMBLE_MORE;
    while (s->file->format->header && !s->file->columns) {
        if (s->start == s->end)
            return s->final ? PREAMBLE_DONE : PREAMBLE_MORE;
        enum preamble answer = take_header(s, n, e);
        if (answer != PREAMBLE_DONE)
            return answer;
    }
    return PREAMBLE_DONE;
}
