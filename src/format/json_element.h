/*
 * Where an element of an array ends: by brackets, strings and scalars alone. Split and parse of the
 * format json agree because both ask here.
 */
#ifndef TM_FORMAT_JSON_ELEMENT_H
#define TM_FORMAT_JSON_ELEMENT_H

#include "format/format.h"

/*
 * p[0 .. n), n > 0, begins at an element's first byte; s->scanned of it were looked at before. Brackets
 * of both kinds are counted alike, as what is between them is judged when the record is parsed; a
 * scalar is whatever ends before white space, a comma, a quote or a bracket. SPLIT_RECORD,
 * SPLIT_MORE, or for a final p SPLIT_ERROR: the input ends inside of the element.
 */
enum split_verdict tm_json_element(struct split_state *s, const char *p, size_t n, bool final,
                                   struct extent *out, err *e);

/* May the byte stand between two elements of a chunk? */
static inline bool json_between(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

#endif
