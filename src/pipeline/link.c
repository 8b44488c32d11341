/*
 * The queue of a link: an array of segments, written with writev(2), the large ones of chunks lent
 * with vmsplice(2).
 */
#include "pipeline/link.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "base/heap.h"

#define BATCH    16
#define LEND_MIN ((size_t)16 << 10)

void tm_link_release(struct link *l)
{
    for (size_t i = 0; i < l->n; i++)
        tm_heap_free(l->segments[l->first + i].owned);
    tm_heap_free(l->segments);
    *l = (struct link){0};
}

bool tm_link_holds(const struct link *l, struct slice bytes)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct segment *s = &l->segments[l->first + i];
        if (!s->owned && (uintptr_t)s->left.p - (uintptr_t)bytes.p < bytes.n)
            return true;
    }
    return false;
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
    struct segment *more = tm_heap_grow(l->segments, cap * sizeof *more);
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
        tm_heap_free(s->owned);
        l->first++;
        l->n--;
    }
}

/* Does it pay to lend the pages of a segment to the pipe, instead of copying them? */
static bool is_lent(const struct segment *s)
{
    return !s->owned && s->left.n >= LEND_MIN;
}

/* Write what goes of the first segments, up to the next that is lent. */
static ssize_t write_some(const struct link *l, int fd)
{
    struct iovec parts[BATCH];
    size_t count = 0;
    for (; count < l->n && count < BATCH; count++) {
        const struct segment *s = &l->segments[l->first + count];
        if (count && is_lent(s))
            break;
        parts[count] = (struct iovec){(void *)(uintptr_t)s->left.p, s->left.n};
    }
    /*
     * vmsplice(2): the bytes of a chunk stay as they are until it is committed, and then the worker
     * has read them; a worker that dies takes its pipe with it.
     */
    if (is_lent(&l->segments[l->first])) {
        ssize_t n = vmsplice(fd, parts, 1, SPLICE_F_NONBLOCK);
        /* A sandbox may know only the calls that everybody makes. */
        if (n >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL))
            return n;
    }
    return writev(fd, parts, (int)count);
}

int tm_link_flush(struct link *l, int fd)
{
    while (l->n) {
        ssize_t n = write_some(l, fd);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        pass(l, (size_t)n);
    }
    return 0;
}
