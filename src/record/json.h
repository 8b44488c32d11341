/*
 * JSON (RFC 8259) as nodes: one strict validating pass that indexes the first level, opening of
 * nested values on demand, and writing by copying spans of what was not changed.
 */
#ifndef TM_RECORD_JSON_H
#define TM_RECORD_JSON_H

#include "record/node.h"

/* Scratch memory kept from record to record: the nesting stack, known keys. */
struct json_reader;

/* What is meant by a limit of depth: 0 is NODE_DEPTH_MAX, and nothing is beyond NODE_DEPTH_LIMIT. */
static inline uint32_t json_max_depth(uint32_t max_depth)
{
    uint32_t most = max_depth < NODE_DEPTH_LIMIT ? max_depth : NODE_DEPTH_LIMIT;
    return most ? most : NODE_DEPTH_MAX;
}

/* Brackets may be nested max_depth deep, as json_max_depth says. NULL: out of memory. */
struct json_reader *tm_json_reader_new(uint32_t max_depth);
void tm_json_reader_free(struct json_reader *r);
/*
 * For records: what becomes of keys that an object has twice; the field for values that are no object
 * (n == 0: they fail), which lives as long as the reader; what messages call the end of the text.
 * Unless told, such keys and values fail, and the text is a line.
 */
void tm_json_reader_set(struct json_reader *r, enum duplicates duplicates, struct slice wrap,
                        const char *end_name);

/*
 * Texts that are read from now on lie in `bytes`, one behind the other, until the next call; these
 * are not looked at twice then, and must stay as they are. n == 0, and at first: they lie anywhere.
 */
void tm_json_reader_begin(struct json_reader *r, struct slice bytes);

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

/*
 * The object at p, if a glance shows that it is valid and has the very keys of the record before, with
 * the same white space around them and no nested values, and ends well before `end`; *behind is what
 * follows it. NULL: tm_json_read() has to look at it.
 */
struct node *tm_json_read_like(struct json_reader *r, struct arena *arena, const char *p,
                               const char *end, const char **behind);

/*
 * The object that `text` begins with, behind which anything may stand; *length is what it takes. For
 * those who know where it ends when it is not valid: *out is set on success alone, and nothing is
 * said on failure.
 */
int tm_json_read_first(struct json_reader *r, struct arena *arena, struct slice text,
                       size_t *length, struct node **out);

/* Any one value, validated: for params and tests. Scalars decoded, containers VALUE_NODE. */
int tm_json_read_value(struct json_reader *r, struct arena *arena, struct slice text,
                       struct value *out, size_t *where, err *e);

/* Are the node's own bytes JSON (and not a CSV record or a line of text)? */
bool tm_json_has_source(const struct node *n);

/*
 * Write. Fails with E_WRITE for what JSON cannot say: NaN, infinity, text that is not UTF-8, nesting
 * beyond NODE_DEPTH_LIMIT; the message names the path ("field 'a.b[2]' is NaN, which JSON cannot
 * say"). What was appended before a failure stays; the caller cuts it off.
 * tm_json_write_node writes no line end. Memory failures stick in `out`.
 */
int tm_json_write_node(struct buf *out, const struct node *n, err *e);
int tm_json_write_value(struct buf *out, const struct value *v, err *e);
/*
 * The same for a row of an output: nested max_depth deep at most (as json_max_depth), whoever built
 * it.
 */
int tm_json_write_row(struct buf *out, const struct node *n, uint32_t max_depth, err *e);

/*
 * Write a record that was read as JSON, with its line end, which stands right behind it, if no more of it is
 * new than one of its values, a scalar. False: nothing was written, tm_json_write_row() has to do it.
 */
bool tm_json_write_line(struct buf *out, const struct node *n);

/* The names of rows that were written, as they are written. All zero: none yet. */
struct json_names {
    uint32_t n;
    struct json_name *of;
    uint64_t shape; /* of the last row, or 0, */
    size_t length;  /* and how long all names of that are */
};
void tm_json_names_release(struct json_names *names);
/*
 * Write a row that nobody read as JSON and that has neither nested values nor anything that cannot be
 * said in JSON: it takes one line. False: nothing was written, tm_json_write_row() has to do it.
 */
bool tm_json_write_flat(struct json_names *names, struct buf *out, const struct node *n);

/*
 * Make one line of the JSON that stands in `out` from `from` on: where it has a line feed (which is
 * outside of strings, as JSON has none inside), all white space outside of strings goes.
 */
void tm_json_one_line(struct buf *out, size_t from);
/* A string with its quotes; E_WRITE when not UTF-8. Escapes ", \, and control characters only. */
int tm_json_write_text(struct buf *out, struct slice text, err *e);

#endif
