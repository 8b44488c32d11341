/*
 * What stands around the records of a JSON document: everything but the elements of the one array
 * that input.at names. Bytes flow in as they come, in any pieces; they are validated as strictly as
 * records are (RFC 8259), and nothing of them is kept but the brackets that are open.
 *
 * Keys are compared with the names that input.at is made of, and with nothing else: a second member
 * that input.at could mean is an error, other duplicates around the records are not looked for.
 */
#ifndef TM_FORMAT_JSON_DOCUMENT_H
#define TM_FORMAT_JSON_DOCUMENT_H

#include "format/format.h"

/* Of split: as in struct format. `d` and what it points to outlives the document. */
struct document *tm_json_document_new(const struct input_dialect *d);
void tm_json_document_free(struct document *doc);
int tm_json_document_end(const struct document *doc, err *e);

enum document_next {
    DOCUMENT_PASSED,  /* out->length bytes were no part of a record */
    DOCUMENT_ELEMENT, /* a record begins at p; none of it was looked at */
    DOCUMENT_MORE,    /* what is at p cannot be judged before more bytes are there */
    DOCUMENT_BROKEN,  /* p is where the document breaks: E_INPUT in e, with its column */
};

/*
 * Look at p[0 .. n), n > 0, behind all that was passed and taken before; `final`: nothing follows. The
 * answer for a byte is the same however the bytes are cut.
 */
enum document_next tm_json_document_pass(struct document *doc, const char *p, size_t n, bool final,
                                         struct extent *out, err *e);
/* The element that the document stood at was taken, whatever it was: `x` at p. */
void tm_json_document_taken(struct document *doc, const char *p, const struct extent *x);

#endif
