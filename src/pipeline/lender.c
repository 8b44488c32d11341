/*
 * Which buffers are free is known by how many bytes the pipe still holds (FIONREAD, ioctl(2)): whoever reads takes
 * them in order, and who has spliced them to a file or a device has copied them by then (tm_sink_splices()).
 */
#include "pipeline/lender.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "pipeline/frame.h"

/* A buffer that can be filled now, in which nobody reads; NULL: there is none. */
static struct loan *find_free(struct lender *l, int fd)
{
    int unread;
    if (ioctl(fd, FIONREAD, &unread) < 0 || unread < 0)
        return NULL;
    for (size_t i = 0; i < LOANS; i++) {
        struct loan *loan = &l->loans[i];
        if (!loan->buf.p) {
            tm_buf_init_large(&loan->buf);
            return buf_reserve(&loan->buf, l->room) ? loan : NULL;
        }
        /* Bytes that others have written to the pipe make it later, not sooner. */
        if ((uint64_t)unread <= l->sent - loan->end)
            return loan;
    }
    return NULL;
}

/* Lend as much as goes; what is left is to be written. */
static struct slice lend(struct lender *l, int fd, struct slice s)
{
    while (s.n && !l->copies) {
        struct iovec part = {(void *)(uintptr_t)s.p, s.n};
        ssize_t n = vmsplice(fd, &part, 1, 0);
        if (n > 0)
            s = (struct slice){s.p + n, s.n - (size_t)n};
        /* A sandbox may know only the calls that everybody makes. What else is wrong, write(2) says. */
        l->copies = n == 0 || (n < 0 && errno != EINTR);
    }
    return s;
}

bool tm_lender_send(struct lender *l, int fd, struct buf *b)
{
    bool may = b->n >= LEND_MIN && b->cap <= LEND_MAX && !l->copies;
    struct loan *next = may ? find_free(l, fd) : NULL;
    struct slice left = next ? lend(l, fd, buf_view(b)) : buf_view(b);
    if (!tm_write_all(fd, left))
        return false;
    l->sent += b->n;
    bool shrinks = b->cap > LEND_MAX && b->n <= l->room;
    if (next) {
        struct buf lent = *b;
        *b = next->buf;
        *next = (struct loan){lent, l->sent};
    }
    buf_reset(b);
    /* Large frames may be over: what they took is not kept, nor lent. */
    if (shrinks) {
        tm_buf_release(b);
        buf_reserve(b, l->room);
    }
    return true;
}

void tm_lender_release(struct lender *l)
{
    for (size_t i = 0; i < LOANS; i++)
        tm_buf_release(&l->loans[i].buf);
}
