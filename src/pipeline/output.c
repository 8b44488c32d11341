/*
 * From rows to the bytes of the output. Rows in another layout than the fixed columns are laid out
 * anew here: only what workers had in hand before they knew the columns can need it.
 */
#include "pipeline/output.h"

int tm_output_init(struct output *o, const struct format *format,
                   const struct output_dialect *dialect, struct sink *sink, err *e)
{
    *o = (struct output){.format = format, .dialect = *dialect, .sink = sink};
    if (format->finish_new && !(o->finish = format->finish_new(&o->dialect)))
        return tm_err_memory(e, "the output");
    o->fixed = !format->has_columns;
    if (dialect->columns_n && format->has_columns) {
        o->n = dialect->columns_n;
        o->names = dialect->columns;
        o->fixed = true;
    }
    return TIDEMILL_OK;
}

void tm_output_release(struct output *o)
{
    if (o->finish)
        o->format->finish_free(o->finish);
    tm_arena_release(&o->arena);
    tm_buf_release(&o->scratch);
    tm_buf_release(&o->relaid);
    *o = (struct output){0};
}

int tm_output_fits(const struct output *o, const struct rows *rows, size_t n, err *e)
{
    uint32_t to_n = o->n;
    const struct slice *to = o->names;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].fixed)
            continue;
        if (!o->fixed && i == 0) {
            to_n = rows[0].n;
            to = rows[0].names;
        }
        int status = tm_layout_fits(&o->dialect, rows[i].n, rows[i].names, to_n, to, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

static int fix(struct output *o, uint32_t n, const struct slice *names, err *e)
{
    struct slice *copy = arena_alloc(&o->arena, n * sizeof *copy);
    if (!copy)
        return tm_err_memory(e, "the output's columns");
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = tm_arena_copy(&o->arena, names[i]);
        if (!copy[i].p)
            return tm_err_memory(e, "the output's columns");
    }
    o->n = n;
    o->names = copy;
    o->fixed = true;
    return TIDEMILL_OK;
}

static int write_scratch(struct output *o, err *e)
{
    if (o->scratch.failed)
        return tm_err_memory(e, "the output");
    int status = tm_sink_write(o->sink, buf_view(&o->scratch), e);
    buf_reset(&o->scratch);
    return status;
}

static int begin(struct output *o, err *e)
{
    o->begun = true;
    if (!o->finish || !o->format->finish_begin)
        return TIDEMILL_OK;
    int status = o->format->finish_begin(o->finish, &o->scratch, o->n, o->names);
    if (status == TIDEMILL_E_WRITE)
        return tm_err_set(e, status, "%s, which cannot be written without quotes%s",
                          o->n == 1 && !o->names[0].n
                              ? "the name of the only column is empty"
                              : "the name of a column holds a delimiter or a line end",
                          o->format->escapes ? "" : " (output.quote)");
    return status == TIDEMILL_OK ? write_scratch(o, e) : tm_err_memory(e, "the output");
}

static bool same_names(const struct output *o, const struct rows *rows)
{
    if (rows->n != o->n)
        return false;
    for (uint32_t i = 0; i < o->n; i++)
        if (!slice_eq(rows->names[i], o->names[i]))
            return false;
    return true;
}

/* Do rows become other bytes here? */
static bool finishes_rows(const struct output *o)
{
    return o->finish && o->format->finish_rows;
}

bool tm_output_splices(const struct output *o)
{
    return o->begun && !finishes_rows(o) && tm_sink_splices(o->sink);
}

int tm_output_rows(struct output *o, const struct rows *rows, err *e)
{
    struct slice bytes = rows->bytes;
    int status;
    if (!o->fixed && !rows->fixed && (status = fix(o, rows->n, rows->names, e)) != TIDEMILL_OK)
        return status;
    if (!o->begun && (status = begin(o, e)) != TIDEMILL_OK)
        return status;
    if (!rows->fixed && !same_names(o, rows)) {
        buf_reset(&o->relaid);
        status = o->format->relayout(&o->dialect, bytes, rows->n, rows->names, o->n, o->names,
                                     &o->relaid, e);
        if (status != TIDEMILL_OK)
            return status;
        if (o->relaid.failed)
            return tm_err_memory(e, "the output");
        bytes = buf_view(&o->relaid);
    }
    if (rows->piped.n)
        return tm_sink_splice(o->sink, rows->piped, e);
    if (!finishes_rows(o))
        return tm_sink_write(o->sink, bytes, e);
    status = o->format->finish_rows(o->finish, &o->scratch, bytes, e);
    return status == TIDEMILL_OK ? write_scratch(o, e) : status;
}

int tm_output_end(struct output *o, const struct columns *first, err *e)
{
    int status = TIDEMILL_OK;
    if (!o->fixed && first && (status = fix(o, first->n, first->names, e)) != TIDEMILL_OK)
        return status;
    if (!o->begun && (status = begin(o, e)) != TIDEMILL_OK)
        return status;
    if (!o->finish || !o->format->finish_end)
        return TIDEMILL_OK;
    if (o->format->finish_end(o->finish, &o->scratch) != TIDEMILL_OK)
        return tm_err_memory(e, "the output");
    return write_scratch(o, e);
}
