/*
 * UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#ifndef TM_BASE_UTF8_H
#define TM_BASE_UTF8_H

#include <stdint.h>

#include "base/slice.h"

/* The offset of the first byte that is not valid, or s.n when all is. */
size_t tm_utf8_check(struct slice s);
/* Encode a scalar value (<= 0x10FFFF, no surrogate) to `out` of 4 bytes; returns the length. */
size_t tm_utf8_encode(char *out, uint32_t c);
/*
 * Decode the character at s.p: its length (1..4) and value in *c; 0 when it is not valid.
 * s.n must be at least 1.
 */
size_t tm_utf8_decode(struct slice s, uint32_t *c);
/* Columns that the text takes on a terminal: wide characters 2, combining ones 0. */
size_t tm_utf8_width(struct slice s);

#endif
