/*
 * The format csv: its row of the list. Each part has a file of its own.
 */
#include "format/csv.h"
#include "format/formats.h"

static const char *const extensions[] = {".csv", NULL};

const struct format tm_format_csv = {
    .name = "csv",
    .extensions = extensions,
    .help = "comma-separated values by RFC 4180, with a header line unless told otherwise",
    .delimiter = ',',
    .quote = '"',
    .has_columns = true,
    .split = tm_csv_split,
    .run = tm_csv_run,
    .header = tm_csv_header,
    .reader_new = tm_csv_reader_new,
    .reader_free = tm_csv_reader_free,
    .begin = tm_csv_reader_begin,
    .parse = tm_csv_parse,
    .writer_new = tm_csv_writer_new,
    .writer_free = tm_csv_writer_free,
    .verbatim = tm_csv_verbatim,
    .write = tm_csv_write,
    .layout = tm_csv_layout,
    .fix_columns = tm_csv_fix_columns,
    .finish_new = tm_csv_finish_new,
    .finish_free = tm_csv_finish_free,
    .finish_begin = tm_csv_finish_begin,
    .relayout = tm_csv_relayout,
};
