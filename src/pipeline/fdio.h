/*
 * Descriptors that belong to the host: read and written without ever blocking the loop where that
 * can be had, and without touching their flags, which other processes share.
 */
#ifndef TM_PIPELINE_FDIO_H
#define TM_PIPELINE_FDIO_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * How a descriptor can be used. A pipe, FIFO or terminal is opened once more through
 * /proc/self/fd, with O_NONBLOCK on that new description; a socket takes MSG_DONTWAIT a call.
 * Where neither can be had, reads and writes happen only when poll says so, and small.
 */
enum fdio_kind { FDIO_FILE, FDIO_REOPENED, FDIO_SOCKET, FDIO_CAREFUL };

struct fdio {
    int fd;     /* to use */
    bool owned; /* to close */
    enum fdio_kind kind;
    bool device; /* a character device, such as a terminal or /dev/null */
};

/* Do both speak of the same file? */
static inline bool fdio_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* `flags`: O_RDONLY or O_WRONLY. E_SYSTEM when it is no descriptor that is open for that. */
int tm_fdio_open(struct fdio *f, int fd, int flags, err *e);
/* A descriptor that was opened for us: closed by tm_fdio_close. */
int tm_fdio_own(struct fdio *f, int fd, int flags, err *e);
void tm_fdio_close(struct fdio *f);

/* As read(2) and write(2); -1 with EAGAIN when it would block. */
ssize_t tm_fdio_read(const struct fdio *f, void *p, size_t n);
ssize_t tm_fdio_write(const struct fdio *f, const void *p, size_t n);

/* Bytes that were all in a pipe of ours, unread, when somebody looked. */
struct piped {
    int fd;
    size_t n; /* 0: none */
};

/*
 * As splice(2), from the pipe; waits for neither, but as tm_fdio_write does for a file. For devices, and for files that
 * nobody else has open: unlike write(2), splice(2) does not keep others from the position of a description meanwhile,
 * and what both have written is lost. What is gone from the pipe then was copied, or dropped: not so with pipes and
 * sockets, which would keep the pages of whoever lent them to the pipe.
 */
ssize_t tm_fdio_splice(const struct fdio *f, struct piped bytes);

/*
 * SIGPIPE, kept from the host: blocked for this thread between the two, and one that our writes
 * caused is taken back.
 */
struct sigpipe_guard {
    sigset_t before;
    bool pending; /* it was pending already, so it is not ours to take */
};

void tm_sigpipe_enter(struct sigpipe_guard *g);
void tm_sigpipe_leave(struct sigpipe_guard *g);

#endif
