/*
 * JSON (RFC 8259) as nodes: one strict validating pass that indexes the first level, opening of
 * nested values on demand, and writing by copying spans of what was not changed.
 */
#ifndef TM_RECORD_JSON_H
#define TM_RECORD_JSON_H

#include "record/node.h"

/* Scratch memory kept from record to record: the nesting stack, known keys. */
struct json_reader;

/* Brackets may be nested max_depth deep (0, or beyond NODE_DEPTH_MAX: that). NULL: out of memory. */
struct json_reader *tm_json_reader_new(uint32_t max_depth);
void tm_json_reader_free(struct json_reader *r);

/*
 * Validate all of `text` (structure, numbers, escapes, control characters, UTF-8, depth, duplicate
 * keys at every level) and index it as an object node with its source set (white space around the
 * value belongs to neither). On failure E_RECORD (or E_MEMORY) with a message such as
 * "expected ':' after a key, got '}'", to which the caller adds what it read and where: *where is
 * the byte offset in `text`. A valid value that is no object is a failure too ("the record is a
 * number, not an object"); *where is then SIZE_MAX, for there is nothing to point at.
 */
int tm_json_read(struct json_reader *r, struct arena *arena, struct slice text, struct node **out,
                 size_t *where, err *e);

/* Any one value, validated: for params and tests. Scalars decoded, containers VALUE_NODE. */
int tm_json_read_value(struct json_reader *r, struct arena *arena, struct slice text,
                       struct value *out, size_t *where, err *e);

/* Are the node's own bytes JSON (and not a CSV record or a line of text)? */
bool tm_json_has_source(const struct node *n);

/*
 * Write. Fails with E_WRITE for what JSON cannot say: NaN, infinity, text that is not UTF-8, nesting
 * beyond NODE_DEPTH_MAX; the message names the path ("field 'a.b[2]' is NaN, which JSON cannot
 * say"). What was appended before a failure stays; the caller cuts it off.
 * tm_json_write_node writes no line end. Memory failures stick in `out`.
 */
int tm_json_write_node(struct buf *out, const struct node *n, err *e);
int tm_json_write_value(struct buf *out, const struct value *v, err *e);
/* A string with its quotes; E_WRITE when not UTF-8. Escapes ", \, and control characters only. */
int tm_json_write_text(struct buf *out, struct slice text, err *e);

#endif
