/*
 * The output as a whole: rows in order become a file, with what stands around them (a header,
 * brackets, aligned columns). Columns are fixed here, by the first rows committed.
 */
#ifndef TM_PIPELINE_OUTPUT_H
#define TM_PIPELINE_OUTPUT_H

#include "format/format.h"
#include "pipeline/sink.h"

/* Rows as a worker named their layout. */
struct rows {
    bool fixed; /* in the fixed columns already, or of a format without columns */
    uint32_t n; /* of names */
    const struct slice *names;
    struct slice bytes;
    struct piped piped; /* instead of those: see tm_output_splices() */
};

struct output {
    const struct format *format;
    struct output_dialect dialect;
    struct sink *sink;
    struct finish *finish;
    struct arena arena; /* of the columns */
    bool fixed;         /* columns are known */
    bool begun;         /* what stands before the rows is written */
    uint32_t n;
    const struct slice *names;
    struct buf scratch, relaid;
};

/* `dialect` is copied; what it points to and the sink are borrowed. */
int tm_output_init(struct output *o, const struct format *format,
                   const struct output_dialect *dialect, struct sink *sink, err *e);
void tm_output_release(struct output *o);

/*
 * May these rows, all of one record (or batch), be written? E_WRITE with the reason when their
 * fields are not the output's columns. `n` items. Fixes nothing.
 */
int tm_output_fits(const struct output *o, const struct rows *rows, size_t n, err *e);

/* May rows in the fixed columns go from a pipe to where the output goes, as they are and unread? */
bool tm_output_splices(const struct output *o);

/* Write rows that fit; the first ones fix the columns. */
int tm_output_rows(struct output *o, const struct rows *rows, err *e);

/* Everything is written. Without rows, `first` (may be NULL) are the columns of the first input. */
int tm_output_end(struct output *o, const struct columns *first, err *e);

#endif
