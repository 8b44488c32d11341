/*
 * Numbers as text and back, exactly and without the locale.
 */
#ifndef TM_BASE_NUMBER_H
#define TM_BASE_NUMBER_H

#include <stdint.h>

#include "base/slice.h"

enum number_kind {
    NUMBER_NONE,  /* not of the grammar */
    NUMBER_INT,   /* *i holds it */
    NUMBER_FLOAT, /* *d holds it, correctly rounded, finite */
    NUMBER_WIDE,  /* of the grammar, but an integer beyond int64 or a float beyond double */
};

/*
 * RFC 8259 section 6: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?, the whole of `s`.
 * Without fraction and exponent it is an integer ("-0" is the float -0.0, to keep its sign).
 */
enum number_kind tm_number_json(struct slice s, int64_t *i, double *d);

/*
 * The grammar of CSV cells: -?(0|[1-9][0-9]*)(\.[0-9]+)?, no exponent, and not "-0". Anything else,
 * or an integer or float too large to hold, is NUMBER_NONE.
 */
enum number_kind tm_number_cell(struct slice s, int64_t *i, double *d);

/* Is what begins like one anything else than NUMBER_NONE? */
bool tm_number_fits_cell(struct slice s);

/* The same of any cell: most are words, and their first byte tells. */
static inline bool number_is_cell(struct slice s)
{
    return s.n && (*s.p == '-' || (unsigned char)(*s.p - '0') < 10) && tm_number_fits_cell(s);
}

#define NUMBER_TEXT_MAX 32

/* Write to `out`, of NUMBER_TEXT_MAX bytes; returns the length. No terminator. */
size_t tm_number_print_int(char *out, int64_t i);
/*
 * The shortest decimal that reads back as the same double, always with a point or an exponent
 * ("10.0", "1e+300" as "1e300"). NaN and infinity give "nan", "inf", "-inf".
 */
size_t tm_number_print_float(char *out, double d);

#endif
