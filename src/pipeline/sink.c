/*
 * Writing. A file is made without a name in the folder of its path (O_TMPFILE, open(2)), or under a
 * temporary one; commit gives it the final name by rename(2), which replaces an older file at once.
 */
#include "pipeline/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define STANDARD_OUTPUT "standard output"

/* Compressed bytes are taken so many at a time, and so often a turn. */
#define DRAIN_SIZE ((size_t)64 << 10)
#define DRAINS_MAX 16
/* Fewer bytes than this are not worth a system call of their own. */
#define GATHER_MAX ((size_t)64 << 10)

void tm_sink_init(struct sink *s, struct loop *loop)
{
    *s = (struct sink){.loop = loop, .io.fd = -1, .watch.fd = -1};
    tm_buf_init_large(&s->pending);
    tm_filter_init(&s->filter, loop);
}

void tm_sink_close(struct sink *s)
{
    tm_sink_abandon(s);
    tm_loop_forget(s->loop, &s->watch);
    tm_fdio_close(&s->io);
}

void tm_sink_release(struct sink *s)
{
    tm_sink_close(s);
    if (s->temp)
        unlink(s->temp);
    free(s->temp);
    free(s->path);
    free(s->name);
    tm_buf_release(&s->pending);
    tm_buf_release(&s->made);
    tm_sink_init(s, s->loop);
}

static const char *quote_of(const struct sink *s)
{
    return strcmp(s->name, STANDARD_OUTPUT) == 0 ? "" : "'";
}

static int cannot(const struct sink *s, int number, err *e)
{
    const char *quote = quote_of(s);
    return tm_err_errno(e, TIDEMILL_E_OUTPUT, number, "cannot write %s%s%s", quote, s->name, quote);
}

/* The same, where errno has no word for it. */
static int cannot_as(const struct sink *s, const char *why, err *e)
{
    const char *quote = quote_of(s);
    return tm_err_set(e, TIDEMILL_E_OUTPUT, "cannot write %s%s%s: %s", quote, s->name, quote, why);
}

/* ---- Opening ---- */

static int name_it(struct sink *s, const char *name, err *e)
{
    s->name = strdup(name);
    return s->name ? TIDEMILL_OK : tm_err_memory(e, "the output");
}

/*
 * The descriptor that a path stands for (/dev/stdout leads to such a one, bash's >(...) is one), -1
 * for other paths. It is used as it is: opened by its path again, a file would be written from its
 * beginning, or replaced. See proc(5).
 */
static int descriptor_of(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t n = strlen(folders[i]);
        if (strncmp(path, folders[i], n) != 0)
            continue;
        size_t digits = strspn(path + n, "0123456789");
        if (digits && digits < 8 && !path[n + digits])
            return atoi(path + n);
    }
    return -1;
}

/*
 * Follow symbolic links by hand: the last one may point to nothing yet, and what leads to an open
 * descriptor has no path. malloc'ed; NULL with errno.
 */
static char *resolve(const char *path)
{
    char *at = strdup(path);
    for (int links = 0; at && links < 40; links++) {
        if (descriptor_of(at) >= 0)
            return at;
        char target[PATH_MAX];
        ssize_t n = readlink(at, target, sizeof target - 1);
        if (n < 0)
            return at;
        target[n] = '\0';
        char *slash = strrchr(at, '/');
        size_t folder = target[0] == '/' || !slash ? 0 : (size_t)(slash - at) + 1;
        char *next = malloc(folder + (size_t)n + 1);
        if (next) {
            memcpy(next, at, folder);
            memcpy(next + folder, target, (size_t)n + 1);
        }
        free(at);
        at = next;
    }
    if (at) {
        free(at);
        errno = ELOOP;
    }
    return NULL;
}

/* The folder of a path, malloc'ed. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A name in the same folder that nobody has. */
static char *temporary_name(const char *path, unsigned attempt)
{
    char *name = NULL;
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    if (asprintf(&name, "%.*s.tidemill-%ld-%u.tmp", folder, path, (long)getpid(), attempt) < 0)
        return NULL;
    return name;
}

#define ATTEMPTS 100

static int open_named(struct sink *s)
{
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        char *name = temporary_name(s->path, i);
        if (!name)
            return -1;
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            s->temp = name;
            return fd;
        }
        int number = errno;
        free(name);
        errno = number;
        if (number != EEXIST)
            return -1;
    }
    return -1;
}

/* The new file looks like the one that it will replace. */
static void take_over_mode(int fd, const struct stat *old)
{
    if (fchown(fd, old->st_uid, old->st_gid) < 0 && fchown(fd, (uid_t)-1, old->st_gid) < 0)
        (void)0; /* not ours to give away: it stays the caller's */
    fchmod(fd, old->st_mode & 07777);
}

static int open_file(struct sink *s, const struct stat *old, err *e)
{
    s->kind = SINK_FILE;
    if (old && access(s->path, W_OK) < 0)
        return cannot(s, errno, e);
    char *folder = folder_of(s->path);
    if (!folder)
        return tm_err_memory(e, "the output");
    /* Without /proc a file without a name could never be given one. */
    bool proc = access("/proc/self/fd", X_OK) == 0;
    int fd = proc ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    int number = proc ? errno : EOPNOTSUPP;
    free(folder);
    if (fd < 0 &&
        (number == EOPNOTSUPP || number == EISDIR || number == EINVAL || number == ENOENT)) {
        fd = open_named(s);
        number = errno;
    }
    if (fd < 0)
        return cannot(s, number, e);
    if (old)
        take_over_mode(fd, old);
    s->io = (struct fdio){.fd = fd, .owned = true, .kind = FDIO_FILE};
    return TIDEMILL_OK;
}

static int open_stream(struct sink *s, int fd, bool own, err *e)
{
    err why;
    struct stat st;
    s->kind = SINK_STREAM;
    int status = own ? tm_fdio_own(&s->io, fd, O_WRONLY, &why)
                     : tm_fdio_open(&s->io, fd, O_WRONLY, &why);
    if (status != TIDEMILL_OK)
        return cannot(s, why.system_errno, e);
    s->watch = (struct watch){.fd = s->io.fd};
    s->at_once = fstat(s->io.fd, &st) == 0 && S_ISCHR(st.st_mode);
    return TIDEMILL_OK;
}

/* FIFOs are opened without waiting for a reader (ENXIO, fifo(7)): the loop has more to do. */
static int open_fifo(struct sink *s, err *e)
{
    int fd = open(s->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    s->kind = SINK_UNREAD;
    if (fd < 0)
        return errno == ENXIO ? TIDEMILL_OK : cannot(s, errno, e);
    return open_stream(s, fd, true, e);
}

int tm_sink_open_path(struct sink *s, const char *path, err *e)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return tm_sink_open_fd(s, STDOUT_FILENO, STANDARD_OUTPUT, e);
    if (name_it(s, path, e) != TIDEMILL_OK)
        return TIDEMILL_E_MEMORY;
    s->path = resolve(path);
    if (!s->path)
        return cannot(s, errno, e);
    int open_already = descriptor_of(s->path);
    if (open_already >= 0)
        return open_stream(s, open_already, false, e);
    bool there = stat(s->path, &st) == 0;
    if (!there && errno != ENOENT)
        return cannot(s, errno, e);
    if (!there || S_ISREG(st.st_mode))
        return open_file(s, there ? &st : NULL, e);
    if (S_ISFIFO(st.st_mode))
        return open_fifo(s, e);
    int fd = open(s->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return cannot(s, errno, e);
    return open_stream(s, fd, true, e);
}

int tm_sink_open_fd(struct sink *s, int fd, const char *name, err *e)
{
    if (name_it(s, name, e) != TIDEMILL_OK)
        return TIDEMILL_E_MEMORY;
    return open_stream(s, fd, false, e);
}

int tm_sink_open_callback(struct sink *s, tidemill_write_fn write, void *context, err *e)
{
    s->kind = SINK_CALLBACK;
    s->write = write;
    s->context = context;
    return name_it(s, "the host's callback", e);
}

int tm_sink_open_pull(struct sink *s, err *e)
{
    s->kind = SINK_PULL;
    return name_it(s, "the host", e);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool tm_sink_same(const struct sink *a, const struct sink *b)
{
    struct stat in[2];
    if (a->kind != SINK_FILE || b->kind != SINK_FILE ||
        strcmp(base_name(a->path), base_name(b->path)) != 0)
        return false;
    char *folders[] = {folder_of(a->path), folder_of(b->path)};
    bool seen = true;
    for (int i = 0; i < 2; i++) {
        seen = folders[i] && stat(folders[i], &in[i]) == 0 && seen;
        free(folders[i]);
    }
    return seen && fdio_same_file(&in[0], &in[1]);
}

/* ---- Writing ---- */

/* Write what goes; *bytes is what is left. */
static int write_now(struct sink *s, struct slice *bytes, err *e)
{
    while (bytes->n) {
        ssize_t n = tm_fdio_write(&s->io, bytes->p, bytes->n);
        if (n < 0 && errno == EAGAIN)
            return TIDEMILL_OK;
        if (n < 0 && errno != EINTR) {
            s->broken = errno;
            return cannot(s, s->broken, e);
        }
        if (n > 0) {
            bytes->p += n;
            bytes->n -= (size_t)n;
        }
    }
    return TIDEMILL_OK;
}

/* `n` pending bytes are gone. */
static void pass(struct sink *s, size_t n)
{
    s->at += n;
    if (s->at == s->pending.n) {
        s->at = 0;
        buf_reset(&s->pending);
    }
}

static bool has_descriptor(const struct sink *s)
{
    return s->kind == SINK_FILE || s->kind == SINK_STREAM;
}

/* As far as it goes. */
static int write_pending(struct sink *s, err *e)
{
    size_t before = sink_pending(s);
    if (!has_descriptor(s) || before == 0)
        return TIDEMILL_OK;
    struct slice left = {s->pending.p + s->at, before};
    int status = write_now(s, &left, e);
    if (status == TIDEMILL_OK)
        pass(s, before - left.n);
    return status;
}

/* So many bytes are worth a system call. */
static int write_much(struct sink *s, struct slice *bytes, err *e)
{
    int status = write_pending(s, e);
    return status == TIDEMILL_OK && sink_pending(s) == 0 ? write_now(s, bytes, e) : status;
}

/* Bytes as they are to be stored. */
static int store(struct sink *s, struct slice bytes, err *e)
{
    if (s->kind == SINK_CALLBACK) {
        errno = 0;
        if (bytes.n && s->write(s->context, bytes.p, bytes.n) < 0)
            return cannot(s, errno, e);
        return TIDEMILL_OK;
    }
    /* Where so much is pending already, nothing could be written. */
    size_t least = s->at_once ? 1 : GATHER_MAX;
    bool much = sink_pending(s) < least && sink_pending(s) + bytes.n >= least;
    int status = has_descriptor(s) && much ? write_much(s, &bytes, e) : TIDEMILL_OK;
    if (status != TIDEMILL_OK || bytes.n == 0)
        return status;
    if (s->at) {
        tm_buf_consume(&s->pending, s->at);
        s->at = 0;
    }
    buf_slice(&s->pending, bytes);
    return s->pending.failed ? tm_err_memory(e, "the output") : TIDEMILL_OK;
}

/* ---- Compressed ---- */

int tm_sink_pack(struct sink *s, int compression, err *e)
{
    s->packing = tm_filter_kind(compression);
    if (compression == COMPRESSION_AUTO && s->path)
        s->packing = tm_filter_by_name(s->name);
    return tm_filter_built(s->packing, s->name, e);
}

int tm_sink_start(struct sink *s, const struct filter_config *config, err *e)
{
    if (!s->packing)
        return TIDEMILL_OK;
    int status = tm_filter_start(&s->filter, s->packing, true, config, e);
    s->packs = status == TIDEMILL_OK;
    return status;
}

/* Of what the filter makes, more may be taken now. At the end the rest of it is little. */
static bool has_room(const struct sink *s)
{
    return s->filter.closing || sink_pending(s) < SINK_PENDING_MAX;
}

/* The filter did not come to a good end, and so the output does not. */
static int filter_failed(struct sink *s, const err *why, err *e)
{
    tm_sink_abandon(s);
    return cannot_as(s, why->message, e);
}

/* What the filter has made is stored, as far as it is there. */
static int drain(struct sink *s, err *e)
{
    int status = TIDEMILL_OK;
    if (!buf_reserve(&s->made, DRAIN_SIZE))
        return tm_err_memory(e, "the output");
    tm_filter_move(&s->filter);
    for (int i = 0; i < DRAINS_MAX && has_room(s) && status == TIDEMILL_OK; i++) {
        size_t got = 0;
        err why = {0};
        switch (tm_filter_read(&s->filter, s->made.p, DRAIN_SIZE, &got, &why)) {
        case FILTER_BYTES:
            status = store(s, (struct slice){s->made.p, got}, e);
            break;
        case FILTER_BLOCKED:
            return TIDEMILL_OK;
        case FILTER_END:
            tm_filter_stop(&s->filter);
            s->packs = false;
            return TIDEMILL_OK;
        case FILTER_FAILED:
            return filter_failed(s, &why, e);
        }
    }
    return status;
}

void tm_sink_finish(struct sink *s)
{
    if (s->packs)
        tm_filter_close(&s->filter);
}

void tm_sink_abandon(struct sink *s)
{
    if (!s->packs)
        return;
    tm_filter_stop(&s->filter);
    s->packs = false;
    s->abandoned = true;
    s->broken = EIO;
}

bool tm_sink_is_stuck(const struct sink *s)
{
    return s->packs && tm_process_is_stopped(&s->filter.process);
}

int tm_sink_write(struct sink *s, struct slice bytes, err *e)
{
    s->bytes += bytes.n;
    if (s->abandoned)
        return TIDEMILL_OK;
    return s->packs ? tm_filter_put(&s->filter, bytes, e) : store(s, bytes, e);
}

bool tm_sink_splices(const struct sink *s)
{
    bool own = s->kind == SINK_FILE;
    bool device = s->kind == SINK_STREAM && s->io.kind == FDIO_REOPENED && s->io.device;
    return (own || device) && !s->no_splice && !s->packs && !s->abandoned && sink_pending(s) == 0;
}

/* Bytes of a pipe become pending. */
static int take_piped(struct sink *s, struct piped bytes, err *e)
{
    if (!buf_reserve(&s->pending, bytes.n)) {
        s->broken = ENOMEM;
        return tm_err_memory(e, "the output");
    }
    while (bytes.n) {
        ssize_t n = read(bytes.fd, s->pending.p + s->pending.n, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            s->broken = EIO;
            return cannot_as(s, "a worker has taken back results that it had sent", e);
        }
        s->pending.n += (size_t)n;
        bytes.n -= (size_t)n;
    }
    return TIDEMILL_OK;
}

int tm_sink_splice(struct sink *s, struct piped bytes, err *e)
{
    s->bytes += bytes.n;
    while (bytes.n) {
        ssize_t n = tm_fdio_splice(&s->io, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            /* What is wrong, if anything is, write(2) says. */
            s->no_splice = n == 0 || errno != EAGAIN;
            int status = take_piped(s, bytes, e);
            return status == TIDEMILL_OK && s->no_splice ? write_pending(s, e) : status;
        }
        bytes.n -= (size_t)n;
    }
    return TIDEMILL_OK;
}

int tm_sink_flush(struct sink *s, err *e)
{
    int drained = s->packs ? drain(s, e) : TIDEMILL_OK;
    if (drained == TIDEMILL_OK && s->kind == SINK_UNREAD)
        drained = open_fifo(s, e);
    return drained == TIDEMILL_OK ? write_pending(s, e) : drained;
}

int tm_sink_push(struct sink *s, err *e)
{
    /* What is polled has refused to take more. */
    return s->watch.have ? TIDEMILL_OK : write_pending(s, e);
}

size_t tm_sink_pull(struct sink *s, char *p, size_t size)
{
    size_t n = sink_pending(s) < size ? sink_pending(s) : size;
    if (n) {
        memcpy(p, s->pending.p + s->at, n);
        pass(s, n);
    }
    return n;
}

int tm_sink_want(struct sink *s, err *e)
{
    bool write = s->kind == SINK_STREAM && sink_pending(s);
    int status = tm_loop_want(s->loop, &s->watch, write ? EPOLLOUT : 0, e);
    return status == TIDEMILL_OK ? tm_filter_want(&s->filter, true, has_room(s), e) : status;
}

bool tm_sink_ready(const struct sink *s)
{
    return s->watch.ready || filter_ready(&s->filter);
}

/* ---- The end ---- */

/* Give a file without a name the temporary one: linkat cannot replace a file, rename can. */
static int name_file(struct sink *s)
{
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", s->io.fd);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        char *name = temporary_name(s->path, i);
        if (!name)
            return -1;
        if (linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            s->temp = name;
            return 0;
        }
        int number = errno;
        free(name);
        errno = number;
        if (number != EEXIST)
            return -1;
    }
    return -1;
}

static int sync_folder(const struct sink *s)
{
    char *folder = folder_of(s->path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int status = fd < 0 ? -1 : fsync(fd);
    int number = errno;
    if (fd >= 0)
        close(fd);
    free(folder);
    errno = number;
    /* Some file systems cannot sync folders and say so. */
    return status < 0 && number != EINVAL && number != EACCES ? -1 : 0;
}

int tm_sink_commit(struct sink *s, err *e)
{
    if (s->kind != SINK_FILE)
        return TIDEMILL_OK;
    if (s->broken)
        return cannot(s, s->broken, e);
    if (write_pending(s, e) != TIDEMILL_OK)
        return TIDEMILL_E_OUTPUT;
    if (fsync(s->io.fd) < 0 || (!s->temp && name_file(s) < 0))
        return cannot(s, errno, e);
    int closed = close(s->io.fd);
    s->io.fd = -1;
    if (closed < 0 || rename(s->temp, s->path) < 0)
        return cannot(s, errno, e);
    free(s->temp);
    s->temp = NULL;
    return sync_folder(s) < 0 ? cannot(s, errno, e) : TIDEMILL_OK;
}
