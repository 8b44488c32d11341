/*
 * An input as a worker reads it: what is done to a record's bytes before its format parses them, and
 * to the record afterwards, the same for all formats.
 */
#ifndef TM_FORMAT_INTAKE_H
#define TM_FORMAT_INTAKE_H

#include "format/unflatten.h"

struct intake {
    const struct format *format;
    struct input_dialect dialect;
    struct reader *reader;
    struct unflatten *unflatten; /* NULL: records stay as they are */
    bool foreign; /* the chunk's bytes are not what they stand for: records are decoded singly */
};

/*
 * With format and dialect set: records of this file come next. The columns, and what else lives in
 * the arena, outlive the intake. E_INPUT for columns that cannot nest, E_MEMORY.
 */
int tm_intake_open(struct intake *in, struct arena *arena, const struct columns *columns, err *e);
/* Also when it was never opened. */
void tm_intake_close(struct intake *in);

/* Whole records in `bytes` come next. */
void tm_intake_begin(struct intake *in, struct slice bytes);

/* As format->parse; `length` and `lines` count bytes of the file. */
enum parse_verdict tm_intake_parse(struct intake *in, struct arena *arena, const char *p, size_t n,
                                   struct parsed *out, err *e);

#endif
