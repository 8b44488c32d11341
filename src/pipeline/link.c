/*
 * The queue of a link: an array of segments, written with writev(2), large chunks lent with vmsplice(2).
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

static int no_memory(err *e)
{
    return tm_err_memory(e, "a message to a worker");
}

int tm_link_put(struct link *l, struct buf *b, err *e)
{
    if (b->failed || !make_room(l)) {
        tm_buf_release(b);
        return no_memory(e);
    }
    l->segments[l->first + l->n++] = (struct segment){b->p, false, buf_view(b)};
    tm_buf_init(b);
    return TIDEMILL_OK;
}

int tm_link_lend(struct link *l, struct slice head, struct slice body, err *e)
{
    /* Both go with one call, so that who waits for them wakes once. */
    bool lent = body.n >= LEND_MIN;
    if (!make_room(l))
        return no_memory(e);
    l->segments[l->first + l->n++] = (struct segment){NULL, lent, head};
    l->segments[l->first + l->n++] = (struct segment){NULL, lent, body};
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

/* Write what goes of the first segments: those that are lent, or those that are copied. */
static ssize_t write_some(const struct link *l, int fd)
{
    struct iovec parts[BATCH];
    const struct segment *first = &l->segments[l->first];
    size_t count = 0;
    for (; count < l->n && count < BATCH && first[count].lent == first->lent; count++) {
        struct slice left = first[count].left;
        parts[count] = (struct iovec){(void *)(uintptr_t)left.p, left.n};
    }
    /*
     * vmsplice(2): the bytes of a chunk stay as they are until it is committed, and then a worker that tells
     * the truth has read them; one that dies takes its pipe with it.
     */
    if (first->lent) {
        ssize_t n = vmsplice(fd, parts, count, SPLICE_F_NONBLOCK);
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
