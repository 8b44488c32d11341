/*
 * Encodings of inputs: bytes of a file flow in, UTF-8 flows out, before a format looks at them. All
 * of them have ASCII where ASCII is, so that records can be found in the file's own bytes.
 */
#ifndef TM_FORMAT_ENCODING_H
#define TM_FORMAT_ENCODING_H

#include "format/format.h"

/* Is there nothing to decode: are the bytes what they stand for? True for ASCII always. */
bool tm_encoding_plain(const struct input_dialect *d, struct slice bytes);

/*
 * The same text in UTF-8, appended; what the encoding does not know becomes U+FFFD, for UTF-8 one
 * for each maximal subpart (Unicode 14, section 3.9, U+FFFD substitution). Memory failures stick in
 * `out`.
 */
void tm_encoding_decode(const struct input_dialect *d, struct slice bytes, struct buf *out);

/*
 * How many bytes of the file became `text`, which was decoded; not quite so where one of UTF-8 was
 * replaced.
 */
size_t tm_encoding_taken(enum encoding encoding, struct slice text);

/*
 * Under INVALID_ERROR: E_RECORD when there are bytes that the encoding does not know, with the first
 * of them and its place in `bytes`.
 */
int tm_encoding_check(const struct input_dialect *d, struct slice bytes, err *e);

#endif
