/*
 * The queue of a link: an array of segments, written with writev(2).
 */
#include "pipeline/link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#define BATCH 16

void tm_link_release(struct link *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->segments[l->first + i].owned);
    free(l->segments);
    *l = (struct link){0};
}

/* Room for two more segments. */
static bool make_room(struct link *l)
{
    if (l->n == 0)
        l->first = 0;
    if (l->first + l->n + 2 <= l->cap)
        return true;
    if (l->first) {
        memmove(l->segments, l->segments + l->first, l->n * sizeof *l->segments);
        l->first = 0;
    }
    if (l->n + 2 <= l->cap)
        return true;
    size_t cap = l->cap ? l->cap * 2 : 8;
    struct segment *more = realloc(l->segments, cap * sizeof *more);
    if (!more)
        return false;
    l->segments = more;
    l->cap = cap;
    return true;
}

int tm_link_put(struct link *l, struct buf *b, struct slice borrowed, err *e)
{
    if (b->failed || !make_room(l)) {
        tm_buf_release(b);
        return tm_err_memory(e, "a message to a worker");
    }
    struct segment *s = &l->segments[l->first + l->n++];
    *s = (struct segment){b->p, buf_view(b)};
    tm_buf_init(b);
    if (borrowed.n)
        l->segments[l->first + l->n++] = (struct segment){NULL, borrowed};
    return TIDEMILL_OK;
}

/* `n` bytes are written. */
static void pass(struct link *l, size_t n)
{
    while (l->n) {
        struct segment *s = &l->segments[l->first];
        size_t take = n < s->left.n ? n : s->left.n;
        s->left.p += take;
        s->left.n -= take;
        n -= take;
        if (s->left.n)
            return;
        free(s->owned);
        l->first++;
        l->n--;
    }
}

int tm_link_flush(struct link *l, int fd)
{
    while (l->n) {
        struct iovec parts[BATCH];
        size_t count = l->n < BATCH ? l->n : BATCH;
        for (size_t i = 0; i < count; i++) {
            struct slice left = l->segments[l->first + i].left;
            parts[i] = (struct iovec){(void *)(uintptr_t)left.p, left.n};
        }
        ssize_t n = writev(fd, parts, (int)count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        pass(l, (size_t)n);
    }
    return 0;
}
