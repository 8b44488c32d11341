/*
 * A link: the frames that wait to be written to a worker, in order. Bytes of chunks are not copied;
 * their chunks live until they are committed, and so outlive the link's interest in them.
 */
#ifndef TM_PIPELINE_LINK_H
#define TM_PIPELINE_LINK_H

#include "base/buf.h"
#include "base/err.h"

struct segment {
    char *owned; /* freed once written; NULL: borrowed */
    bool lent;   /* its pages are given to the pipe: they stay as they are until it was read */
    struct slice left;
};

struct link {
    struct segment *segments;
    size_t first, n, cap; /* segments[first .. first + n) are waiting */
};

void tm_link_release(struct link *l);
/* Queue the content of `b`, which is left empty. */
int tm_link_put(struct link *l, struct buf *b, err *e);
/* Queue bytes of which both parts are borrowed: until the link's end, or an answer to them. */
int tm_link_lend(struct link *l, struct slice head, struct slice body, err *e);
/* Write as much as goes. -1 with errno when the pipe is broken (or another failure). */
int tm_link_flush(struct link *l, int fd);

/* Does any of these bytes wait to be written? */
bool tm_link_holds(const struct link *l, struct slice bytes);

static inline bool link_waiting(const struct link *l)
{
    return l->n > 0;
}

#endif
