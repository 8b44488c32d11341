/*
 * Preloaded into the command and its workers: makes chosen calls fail, or pipes small.
 *
 *   SHIM_CALL=read SHIM_NTH=3 SHIM_MARK=FILE [SHIM_WHO=parent|worker] [SHIM_ERRNO=5]
 *       The third read(2) that such a process makes fails, unless FILE is there, and makes FILE:
 *       so that one call of the whole run fails, and who started it learns that it did.
 *   SHIM_ON=1
 *       As well as all that such a process makes after it, and in others of its kind likewise.
 *   SHIM_CALL=malloc
 *       Workers have no region (region.c), too: all that they take is malloc's.
 *   SHIM_PIPE=4096
 *       Pipes hold so much, and F_SETPIPE_SZ is refused.
 *
 * A program that looks for shim_arm() and shim_fired() with dlsym(3) can have calls of its own fail:
 * see test_leaks.c.
 *
 * A worker is a process that forked from one that was already counting, or the worker program.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    int ready;
    pid_t parent;
    int is_worker_program;
    const char *call, *who, *mark;
    long nth, number;
    int on;
    int pipe_size;
    long seen;
    pid_t counting; /* the process that `seen` is of */
    int fired;
} shim;

static const char *text(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

__attribute__((constructor)) static void start(void)
{
    char self[4096] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    shim.parent = getpid();
    shim.is_worker_program = n > 6 && strcmp(self + n - 6, "worker") == 0;
    shim.call = text("SHIM_CALL", "");
    shim.who = text("SHIM_WHO", "");
    shim.mark = text("SHIM_MARK", "");
    shim.nth = atol(text("SHIM_NTH", "0"));
    shim.on = atoi(text("SHIM_ON", "0"));
    shim.number = atol(text("SHIM_ERRNO", "5"));
    shim.pipe_size = atoi(text("SHIM_PIPE", "0"));
    shim.ready = 1;
}

void shim_arm(const char *call, int number, long nth, int on);
int shim_fired(void);

/* From now on the nth `call` of this process fails, and with `on` those after it. */
void shim_arm(const char *call, int number, long nth, int on)
{
    shim.call = call;
    shim.who = "parent";
    shim.number = number;
    shim.nth = nth;
    shim.on = on;
    shim.seen = 0;
    shim.fired = 0;
}

/* Did it? */
int shim_fired(void)
{
    return shim.fired;
}

/* False: another one failed before. */
static int leave_mark(void)
{
    int before = shim.fired;
    shim.fired = 1;
    if (!shim.mark[0])
        return !before;
    long fd = syscall(SYS_openat, AT_FDCWD, shim.mark, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        syscall(SYS_close, fd);
    return fd >= 0;
}

/* Is it this call's turn to fail? */
static int fails(const char *call)
{
    if (!shim.ready || strcmp(call, shim.call) != 0)
        return 0;
    pid_t self = (pid_t)syscall(SYS_getpid);
    int worker = shim.is_worker_program || self != shim.parent;
    if (shim.who[0] && (shim.who[0] == 'w') != worker)
        return 0;
    if (shim.counting != self) {
        shim.counting = self;
        shim.seen = 0;
    }
    shim.seen++;
    if (shim.on ? shim.seen < shim.nth : shim.seen != shim.nth)
        return 0;
    if (!leave_mark() && !shim.on)
        return 0;
    errno = (int)shim.number;
    return 1;
}

/* The real one, looked up once. */
#define REAL(type, name, parameters)          \
    static type(*real) parameters;            \
    if (!real) {                              \
        void *found = dlsym(RTLD_NEXT, name); \
        memcpy(&real, &found, sizeof found);  \
    }

void *malloc(size_t n)
{
    REAL(void *, "malloc", (size_t))
    return fails("malloc") ? NULL : real(n);
}

/* Looking up the real one may allocate itself. */
void *calloc(size_t n, size_t size)
{
    static _Alignas(16) char early[4096];
    static size_t used;
    static int looking;
    if (looking) {
        void *p = early + used;
        used += (n * size + 15) & ~(size_t)15;
        return used <= sizeof early ? p : NULL;
    }
    looking = 1;
    REAL(void *, "calloc", (size_t, size_t))
    looking = 0;
    return fails("malloc") ? NULL : real(n, size);
}

void *realloc(void *p, size_t n)
{
    REAL(void *, "realloc", (void *, size_t))
    return fails("malloc") ? NULL : real(p, n);
}

/* What tm_huge_map() asks for one huge page: without a region, what was of it is of malloc, and may fail. */
static int is_huge(size_t n, int fd)
{
    return fd < 0 && n == (size_t)4 << 20 && strcmp(shim.call, "malloc") == 0;
}

void *mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset)
{
    REAL(void *, "mmap", (void *, size_t, int, int, int, off_t))
    if (is_huge(n, fd)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return fd < 0 && fails("malloc") ? MAP_FAILED : real(p, n, protection, flags, fd, offset);
}

/* Only ever called with these: where the new place is given is a fifth argument. */
void *mremap(void *p, size_t old, size_t n, int flags, ...)
{
    REAL(void *, "mremap", (void *, size_t, size_t, int, ...))
    return fails("malloc") ? MAP_FAILED : real(p, old, n, flags);
}

ssize_t read(int fd, void *p, size_t n)
{
    REAL(ssize_t, "read", (int, void *, size_t))
    return fails("read") ? -1 : real(fd, p, n);
}

ssize_t write(int fd, const void *p, size_t n)
{
    REAL(ssize_t, "write", (int, const void *, size_t))
    return fails("write") ? -1 : real(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    REAL(ssize_t, "writev", (int, const struct iovec *, int))
    return fails("writev") ? -1 : real(fd, parts, n);
}

ssize_t vmsplice(int fd, const struct iovec *parts, size_t n, unsigned flags)
{
    REAL(ssize_t, "vmsplice", (int, const struct iovec *, size_t, unsigned))
    return fails("vmsplice") ? -1 : real(fd, parts, n, flags);
}

/* A close that fails has closed nevertheless: see close(2). */
int close(int fd)
{
    REAL(int, "close", (int))
    int failed = fails("close"), number = errno, status = real(fd);
    errno = failed ? number : errno;
    return failed ? -1 : status;
}

pid_t fork(void)
{
    REAL(pid_t, "fork", (void))
    return fails("fork") ? -1 : real();
}

/* A fork serves as well, and what the child counts is its own. */
int clone(int (*child)(void *), void *stack, int flags, void *data, ...)
{
    (void)stack;
    (void)flags;
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(data));
    return pid;
}

/* What a fork server forks with has no other name. */
long syscall(long number, ...)
{
    REAL(long, "syscall", (long, ...))
    long a[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    return number == SYS_clone3 && fails("fork") ? -1
                                                 : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    REAL(ssize_t, "sendmsg", (int, const struct msghdr *, int))
    return fails("sendmsg") ? -1 : real(fd, m, flags);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    REAL(ssize_t, "recvmsg", (int, struct msghdr *, int))
    return fails("recvmsg") ? -1 : real(fd, m, flags);
}

static void make_small(int *fds)
{
    if (shim.pipe_size)
        syscall(SYS_fcntl, fds[0], F_SETPIPE_SZ, shim.pipe_size);
}

int pipe2(int fds[2], int flags)
{
    REAL(int, "pipe2", (int *, int))
    if (fails("pipe2"))
        return -1;
    int status = real(fds, flags);
    if (status == 0)
        make_small(fds);
    return status;
}

static int do_fcntl(int fd, int command, void *argument)
{
    if (command == F_SETPIPE_SZ && shim.pipe_size) {
        errno = EPERM;
        return -1;
    }
    /* To ask for flags fails for no other reason than that the descriptor is not open. */
    if (command != F_GETFD && fails("fcntl"))
        return -1;
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

#define FCNTL(name)                                 \
    int name(int fd, int command, ...)              \
    {                                               \
        va_list arguments;                          \
        va_start(arguments, command);               \
        void *argument = va_arg(arguments, void *); \
        va_end(arguments);                          \
        return do_fcntl(fd, command, argument);     \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define OPEN(name)                                                                         \
    int name(const char *path, int flags, ...)                                             \
    {                                                                                      \
        va_list arguments;                                                                 \
        va_start(arguments, flags);                                                        \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;     \
        va_end(arguments);                                                                 \
        return fails("open") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int fsync(int fd)
{
    REAL(int, "fsync", (int))
    return fails("fsync") ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    REAL(int, "rename", (const char *, const char *))
    return fails("rename") ? -1 : real(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    REAL(int, "linkat", (int, const char *, int, const char *, int))
    return fails("linkat") ? -1 : real(from_folder, from, to_folder, to, flags);
}

int epoll_wait(int fd, void *events, int n, int timeout)
{
    REAL(int, "epoll_wait", (int, void *, int, int))
    return fails("epoll_wait") ? -1 : real(fd, events, n, timeout);
}

int dup2(int from, int to)
{
    REAL(int, "dup2", (int, int))
    return fails("dup2") ? -1 : real(from, to);
}
