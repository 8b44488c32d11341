/*
 * From a job's options to the dialect of a format: the same in the parent and in its workers.
 */
#include "pipeline/protocol.h"

/* Borrowed names as slices; NULL when memory is out. */
static struct slice *slices(struct arena *arena, char *const *items, size_t n)
{
    struct slice *out = arena_alloc(arena, n * sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        out[i] = slice_of(items[i]);
    return out;
}

/* A one-byte option: `byte` when it was not given, '\0' for "". */
static char byte_of(const char *option, char byte)
{
    return option ? option[0] : byte;
}

/* Told where the format is known: it may go by a file's name. */
static int refuse_byte(const struct spec *spec, const char *key, const struct format *f, err *e)
{
    tm_err_set(e, TIDEMILL_E_SPEC,
               "'%s' is given, but fields of %s are parted by tabs and never quoted (csv takes it)",
               key, f->name);
    tm_spec_locate(spec, key, e);
    return TIDEMILL_E_SPEC;
}

int tm_dialect_input(const struct spec *spec, const struct format *f, struct arena *arena,
                     struct input_dialect *out, err *e)
{
    const struct spec_values *v = &spec->values;
    const struct spec_types *types = &v->input.types;
    if (f->escapes && (v->input.delimiter || v->input.quote))
        return refuse_byte(spec, v->input.delimiter ? "input.delimiter" : "input.quote", f, e);
    *out = (struct input_dialect){
        .delimiter = byte_of(v->input.delimiter, f->delimiter),
        .quote = byte_of(v->input.quote, f->quote),
        .escapes = f->escapes,
        .header = v->input.header,
        .comment = slice_of(v->input.comment),
        .ragged = (enum ragged)v->input.ragged,
        .duplicates = (enum duplicates)v->input.duplicates,
        .lazy_quotes = v->input.lazy_quotes,
        .types = {types->all_text, (uint32_t)types->n, slices(arena, types->names, types->n),
                  types->text},
        .max_depth = v->limits.depth,
        .encoding = (enum encoding)v->input.encoding,
        .on_invalid = (enum on_invalid)v->input.on_invalid,
        .skip = v->input.skip,
        .at = slice_of(v->input.at),
        .wrap = slice_of(v->input.wrap),
        .unflatten = v->input.unflatten,
        .separator = slice_of(v->input.separator),
    };
    return out->types.names ? TIDEMILL_OK : tm_err_memory(e, "the input's dialect");
}

/* Who names columns means to have those and no others: that is not passed over in silence. */
static int refuse_columns(const struct spec *spec, const struct format *f, err *e)
{
    tm_err_set(e, TIDEMILL_E_SPEC,
               "'output.columns' is given, but %s has no columns (csv, tsv and table have)",
               f->name);
    tm_spec_locate(spec, "output.columns", e);
    return TIDEMILL_E_SPEC;
}

int tm_dialect_output(const struct spec *spec, const struct format *f, struct arena *arena,
                      struct output_dialect *out, err *e)
{
    const struct spec_values *v = &spec->values;
    /* Where nothing else is said, the output is written as the input was read. */
    char delimiter = f->escapes ? f->delimiter : byte_of(v->input.delimiter, f->delimiter);
    char quote = f->escapes ? f->quote : byte_of(v->input.quote, f->quote);
    if (f->escapes && (v->output.delimiter || v->output.quote))
        return refuse_byte(spec, v->output.delimiter ? "output.delimiter" : "output.quote", f, e);
    if (v->output.columns.n && !f->has_columns)
        return refuse_columns(spec, f, e);
    *out = (struct output_dialect){
        .delimiter = byte_of(v->output.delimiter, delimiter),
        .quote = byte_of(v->output.quote, quote),
        .escapes = f->escapes,
        .header = v->output.header == HEADER_AUTO ? v->input.header
                                                  : v->output.header == HEADER_TRUE,
        .extra = (enum extra)v->output.extra,
        .missing = (enum missing)v->output.missing,
        .nested = (enum nested)v->output.nested,
        .separator = slice_of(v->output.separator),
        .escape_formulas = v->output.escape_formulas,
        .max_depth = v->limits.depth,
        .columns_n = (uint32_t)v->output.columns.n,
        .columns = slices(arena, v->output.columns.items, v->output.columns.n),
    };
    return out->columns ? TIDEMILL_OK : tm_err_memory(e, "the output's dialect");
}
