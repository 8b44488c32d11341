/*
 * Non-blocking use of descriptors that are not ours. See pipe(7), proc(5) on /proc/PID/fd, and
 * signal(7) on SIGPIPE.
 */
#include "pipeline/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum fdio_kind kind_of(const struct stat *st)
{
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) || S_ISDIR(st->st_mode))
        return FDIO_FILE;
    if (S_ISSOCK(st->st_mode))
        return FDIO_SOCKET;
    return FDIO_CAREFUL;
}

/* A description of our own for the same pipe, terminal or device; -1 when it cannot be had. */
static int reopen(int fd, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* Is it open for what we do with it? To open it anew would get around that. */
static bool is_open_for(int fd, int flags)
{
    int how = fcntl(fd, F_GETFL), mode = how & O_ACCMODE;
    return how >= 0 && !(how & O_PATH) && (mode == O_RDWR || mode == (flags & O_ACCMODE));
}

int tm_fdio_open(struct fdio *f, int fd, int flags, err *e)
{
    struct stat st;
    *f = (struct fdio){.fd = fd, .owned = false};
    if (fstat(fd, &st) < 0)
        return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "descriptor %d cannot be used", fd);
    f->kind = kind_of(&st);
    f->device = S_ISCHR(st.st_mode);
    if (f->kind == FDIO_FILE)
        return TIDEMILL_OK;
    if (!is_open_for(fd, flags))
        return tm_err_errno(e, TIDEMILL_E_SYSTEM, EBADF, "descriptor %d cannot be used", fd);
    /* epoll takes a descriptor once only, and a socket may be input and output of one run. */
    int own = f->kind == FDIO_CAREFUL ? reopen(fd, flags) : -1;
    if (own >= 0)
        f->kind = FDIO_REOPENED;
    else if ((own = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "descriptor %d cannot be used", fd);
    f->fd = own;
    f->owned = true;
    return TIDEMILL_OK;
}

int tm_fdio_own(struct fdio *f, int fd, int flags, err *e)
{
    int status = tm_fdio_open(f, fd, flags, e);
    if (status == TIDEMILL_OK && f->fd != fd)
        close(fd);
    f->owned = true;
    return status;
}

void tm_fdio_close(struct fdio *f)
{
    if (f->owned && f->fd >= 0)
        close(f->fd);
    *f = (struct fdio){.fd = -1};
}

/* May a blocking descriptor be used now without blocking? */
static bool ready(int fd, short events)
{
    struct pollfd p = {fd, events, 0};
    return poll(&p, 1, 0) > 0;
}

ssize_t tm_fdio_read(const struct fdio *f, void *p, size_t n)
{
    if (f->kind == FDIO_SOCKET)
        return recv(f->fd, p, n, MSG_DONTWAIT);
    if (f->kind == FDIO_CAREFUL && !ready(f->fd, POLLIN)) {
        errno = EAGAIN;
        return -1;
    }
    return read(f->fd, p, n);
}

ssize_t tm_fdio_write(const struct fdio *f, const void *p, size_t n)
{
    if (f->kind == FDIO_SOCKET)
        return send(f->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (f->kind == FDIO_CAREFUL) {
        if (!ready(f->fd, POLLOUT)) {
            errno = EAGAIN;
            return -1;
        }
        /* poll promises room for this much only. */
        n = n < PIPE_BUF ? n : PIPE_BUF;
    }
    return write(f->fd, p, n);
}

ssize_t tm_fdio_splice(const struct fdio *f, struct piped bytes)
{
    return splice(bytes.fd, NULL, f->fd, NULL, bytes.n, SPLICE_F_NONBLOCK);
}

void tm_sigpipe_enter(struct sigpipe_guard *g)
{
    sigset_t pipe, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &g->before);
    /* One that is the host's can only wait where it was blocked before. */
    g->pending = sigismember(&g->before, SIGPIPE) == 1 && sigpending(&pending) == 0 &&
                 sigismember(&pending, SIGPIPE) == 1;
}

void tm_sigpipe_leave(struct sigpipe_guard *g)
{
    sigset_t pipe;
    struct timespec now = {0, 0};
    int number = errno;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!g->pending)
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &g->before, NULL);
    errno = number;
}
