/*
 * What comes before a file's first record: a byte order mark, input.skip lines, blank and comment
 * lines, the header.
 */
#ifndef TM_PIPELINE_PREAMBLE_H
#define TM_PIPELINE_PREAMBLE_H

#include "pipeline/splitter.h"

enum preamble {
    PREAMBLE_DONE,
    PREAMBLE_MORE,   /* more bytes are needed */
    PREAMBLE_BROKEN, /* err; its line counts from the splitter's next one */
};

/* Take it off the front of the bytes. *n: how many bytes are there behind what was taken. */
enum preamble tm_preamble(struct splitter *s, size_t *n, err *e);

/* "the record is larger than 64 bytes (limits.record_size)". Returns the status. */
int tm_splitter_too_large(const struct splitter *s, const char *what, int status, err *e);

#endif
