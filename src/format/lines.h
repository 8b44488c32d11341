/*
 * Runs of plain lines: many records found at once, where a glance is enough. What flows in is where a
 * record begins; what flows out is how many records end before anything that wants a closer look.
 * For split, in formats whose records are lines, or lines unless quotes say otherwise.
 */
#ifndef TM_FORMAT_LINES_H
#define TM_FORMAT_LINES_H

#include "format/format.h"

/* Lines that are looked at closely: those to skip, and those whose quotes are not plainly around cells. */
struct line_rule {
    bool skips;     /* there may be lines to skip: they begin with white space, */
    char comment;   /* or with this byte ('\n': none) */
    char quote;     /* '\n': there are none */
    char delimiter; /* of cells */
};

/* The records of p[0 .. n); returns their number, *length is what they take. */
uint32_t tm_line_run(const struct line_rule *rule, const char *p, size_t n, size_t *length);

#endif
