/*
 * A JSON Pointer (RFC 6901) in parts, and what is said when it does not lead to an array.
 */
#ifndef TM_FORMAT_JSON_POINTER_H
#define TM_FORMAT_JSON_POINTER_H

#include "base/err.h"
#include "base/slice.h"

struct pointer_part {
    struct slice name; /* without escapes, in memory of the pointer */
    uint64_t index;    /* of an array's element; UINT64_MAX: the name is none */
    size_t begin, end; /* where it is in the text, the slash included */
};

struct json_pointer {
    struct slice text; /* borrowed */
    uint32_t n;
    struct pointer_part *parts;
    char *names;
};

/* Text that is no pointer is read as one that is, as far as can be. False when memory is out. */
bool tm_json_pointer_init(struct json_pointer *p, struct slice text);
void tm_json_pointer_release(struct json_pointer *p);

/* E_INPUT: the value of the first `i` parts is what `what` says ("a string"), and cannot lead on. */
int tm_json_pointer_no_way(const struct json_pointer *p, uint32_t i, const char *what, err *e);
/* E_INPUT: it lacks part `i`, of an object or of an array with `elements` elements. */
int tm_json_pointer_missing(const struct json_pointer *p, uint32_t i, bool object,
                            uint64_t elements, err *e);
/* E_INPUT: part `i` is there a second time. */
int tm_json_pointer_twice(const struct json_pointer *p, uint32_t i, err *e);

/*
 * E_INPUT: the document is an object, though no pointer was given. `text` is the document's beginning:
 * the names of arrays one level inside are told, or what the file looks like instead.
 */
int tm_json_pointer_wanted(struct slice text, err *e);

#endif
