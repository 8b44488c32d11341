/*
 * Opening and reading inputs.
 */
#include "pipeline/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define STANDARD_INPUT "standard input"

/* Compressed bytes are read so many at a time, and so often a turn. */
#define FEED_SIZE ((size_t)64 << 10)
#define FEEDS_MAX 16
/* What compressed text may grow by, for estimates. */
#define GROWTH 4

void tm_source_init(struct source *s, struct loop *loop)
{
    *s = (struct source){.loop = loop, .io.fd = -1, .watch.fd = -1};
    tm_filter_init(&s->filter, loop);
}

void tm_source_unpack(struct source *s, int compression, const struct filter_config *config)
{
    s->compression = compression;
    s->config = *config;
}

void tm_source_release(struct source *s)
{
    tm_source_close(s);
    for (size_t i = 0; i < s->n; i++) {
        free(s->inputs[i].path);
        free(s->inputs[i].name);
    }
    free(s->inputs);
    tm_buf_release(&s->pushed);
    tm_source_init(s, s->loop);
}

/* A new row, or NULL when memory is out. */
static struct input *add(struct source *s, enum input_kind kind, const char *name)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 4;
        struct input *inputs = realloc(s->inputs, cap * sizeof *inputs);
        if (!inputs)
            return NULL;
        s->inputs = inputs;
        s->cap = cap;
    }
    struct input *input = &s->inputs[s->n];
    *input = (struct input){.kind = kind, .fd = -1, .name = strdup(name)};
    if (!input->name)
        return NULL;
    s->n++;
    return input;
}

int tm_source_add_path(struct source *s, const char *path, err *e)
{
    if (strcmp(path, "-") == 0)
        return tm_source_add_fd(s, STDIN_FILENO, STANDARD_INPUT, e);
    struct input *input = add(s, INPUT_PATH, path);
    if (!input || !(input->path = strdup(path)))
        return tm_err_memory(e, "the input");
    return TIDEMILL_OK;
}

int tm_source_add_fd(struct source *s, int fd, const char *name, err *e)
{
    struct input *input = add(s, INPUT_FD, name);
    if (!input)
        return tm_err_memory(e, "the input");
    input->fd = fd;
    return TIDEMILL_OK;
}

int tm_source_add_callback(struct source *s, tidemill_read_fn read, void *context, const char *name,
                           err *e)
{
    struct input *input = add(s, INPUT_CALLBACK, name);
    if (!input)
        return tm_err_memory(e, "the input");
    input->read = read;
    input->context = context;
    return TIDEMILL_OK;
}

int tm_source_add_push(struct source *s, const char *name, err *e)
{
    return add(s, INPUT_PUSH, name) ? TIDEMILL_OK : tm_err_memory(e, "the input");
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int tm_source_add_glob(struct source *s, const char *pattern, err *e)
{
    glob_t found;
    int status = TIDEMILL_OK;
    if (strcmp(pattern, "-") == 0 || !strpbrk(pattern, "*?[\\"))
        return tm_source_add_path(s, pattern, e);
    /* Sorted here: glob() would sort by the locale. */
    int code = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    if (code == GLOB_NOMATCH || (code == GLOB_ABORTED && errno == ENOENT))
        return tm_err_set(e, TIDEMILL_E_INPUT, "no file matches '%s'", pattern);
    if (code == GLOB_NOSPACE)
        return tm_err_memory(e, "the input");
    if (code)
        return tm_err_errno(e, TIDEMILL_E_INPUT, errno, "cannot look for '%s'", pattern);
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare_paths);
    for (size_t i = 0; i < found.gl_pathc && status == TIDEMILL_OK; i++)
        status = tm_source_add_path(s, found.gl_pathv[i], e);
    globfree(&found);
    return status;
}

static int cannot_read(const char *name, int number, err *e)
{
    return tm_err_errno(e, TIDEMILL_E_INPUT, number, "cannot read '%s'", name);
}

int tm_source_check(struct source *s, err *e)
{
    struct stat st;
    bool known = true;
    uint64_t total = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct input *input = &s->inputs[i];
        bool path = input->kind == INPUT_PATH;
        int got = path                      ? stat(input->path, &st)
                  : input->kind == INPUT_FD ? fstat(input->fd, &st)
                                            : 0;
        if (got < 0)
            return cannot_read(input->name, errno, e);
        if ((path || input->kind == INPUT_FD) && S_ISDIR(st.st_mode))
            return cannot_read(input->name, EISDIR, e);
        if (path && access(input->path, R_OK) < 0)
            return cannot_read(input->name, errno, e);
        if ((path || input->kind == INPUT_FD) && S_ISREG(st.st_mode))
            total += (uint64_t)st.st_size;
        else
            known = false;
    }
    s->total = known ? total : 0;
    return TIDEMILL_OK;
}

/*
 * A FIFO is opened without waiting for its writer: the loop has more to do than to wait. Such a
 * descriptor is ours and does not block, so it is used as it is.
 */
static int open_path(struct source *s, const char *path, err *e)
{
    struct stat st;
    s->fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (s->fifo ? O_NONBLOCK : 0));
    if (fd < 0)
        return tm_err_errno(e, TIDEMILL_E_INPUT, errno, "cannot open it");
    if (!s->fifo)
        return tm_fdio_own(&s->io, fd, O_RDONLY, e);
    s->io = (struct fdio){.fd = fd, .owned = true, .kind = FDIO_REOPENED};
    return TIDEMILL_OK;
}

static int open_descriptor(struct source *s, const struct input *input, err *e)
{
    err why;
    s->fifo = false;
    int status = input->kind == INPUT_PATH ? open_path(s, input->path, &why)
                                           : tm_fdio_open(&s->io, input->fd, O_RDONLY, &why);
    if (status != TIDEMILL_OK)
        return cannot_read(input->name, why.system_errno, e);
    s->watch = (struct watch){.fd = s->io.fd};
    return TIDEMILL_OK;
}

int tm_source_open(struct source *s, bool *more, err *e)
{
    *more = s->next < s->n;
    if (!*more)
        return TIDEMILL_OK;
    const struct input *input = &s->inputs[s->next++];
    if (input->kind == INPUT_PATH || input->kind == INPUT_FD) {
        int status = open_descriptor(s, input, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    s->open = true;
    s->read = 0;
    s->head_n = 0;
    s->looked = s->compression == COMPRESSION_NONE;
    s->raw_ended = false;
    s->raw_failure.status = TIDEMILL_OK;
    return TIDEMILL_OK;
}

const struct input *tm_source_input(const struct source *s)
{
    return &s->inputs[s->next - 1];
}

/*
 * Nothing was there to read. Has every writer gone, or has none come yet? Linux reports no POLLHUP
 * to a reader that came before the first writer.
 */
static bool is_over(int fifo)
{
    struct pollfd p = {fifo, POLLIN, 0};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) && !(p.revents & POLLIN);
}

static enum source_read read_descriptor(struct source *s, char *p, size_t size, size_t *got, err *e)
{
    ssize_t n = tm_fdio_read(&s->io, p, size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return SOURCE_BLOCKED;
    if (n < 0) {
        cannot_read(tm_source_input(s)->name, errno, e);
        return SOURCE_FAILED;
    }
    if (n == 0 && s->fifo && !is_over(s->io.fd))
        return SOURCE_BLOCKED;
    *got = (size_t)n;
    return n ? SOURCE_BYTES : SOURCE_END;
}

static enum source_read read_callback(struct source *s, char *p, size_t size, size_t *got, err *e)
{
    const struct input *input = tm_source_input(s);
    errno = 0;
    ptrdiff_t n = input->read(input->context, p, size);
    if (n == -2)
        return SOURCE_BLOCKED;
    if (n < 0 || (size_t)n > size) {
        tm_err_errno(e, TIDEMILL_E_INPUT, n == -1 ? errno : 0, "cannot read '%s'%s", input->name,
                     n == -1 ? "" : ": the callback returned a wrong count");
        return SOURCE_FAILED;
    }
    *got = (size_t)n;
    return n ? SOURCE_BYTES : SOURCE_END;
}

static enum source_read read_pushed(struct source *s, char *p, size_t size, size_t *got)
{
    if (s->pushed.n == 0)
        return s->push_ended ? SOURCE_END : SOURCE_BLOCKED;
    *got = s->pushed.n < size ? s->pushed.n : size;
    memcpy(p, s->pushed.p, *got);
    tm_buf_consume(&s->pushed, *got);
    return SOURCE_BYTES;
}

/* Bytes as they are stored. */
static enum source_read read_raw(struct source *s, char *p, size_t size, size_t *got, err *e)
{
    enum source_read answer;
    switch (tm_source_input(s)->kind) {
    case INPUT_CALLBACK:
        answer = read_callback(s, p, size, got, e);
        break;
    case INPUT_PUSH:
        answer = read_pushed(s, p, size, got);
        break;
    default:
        answer = read_descriptor(s, p, size, got, e);
        break;
    }
    if (answer == SOURCE_BYTES)
        s->taken += *got;
    return answer;
}

/* ---- Compressed inputs ---- */

static bool is_fed(const struct source *s)
{
    return filter_running(&s->filter);
}

/* The name of the open input, or an option, says what its first bytes do not. */
static enum source_read not_what_it_says(const struct filter_kind *kind, bool by_name, err *e)
{
    if (by_name)
        tm_err_set(e, TIDEMILL_E_INPUT,
                   "it is named %s, but does not hold %s data (input.compression: none reads it as "
                   "it is)",
                   kind->suffix, kind->name);
    else
        tm_err_set(e, TIDEMILL_E_INPUT, "it does not hold %s data (input.compression)", kind->name);
    return SOURCE_FAILED;
}

/* What is wrong with a filter has its place in the file, as what is wrong with its bytes has. */
static enum source_read filter_failed(err *e)
{
    if (e)
        e->system_errno = 0;
    return SOURCE_FAILED;
}

/* BYTES: a filter runs, and has the first bytes. */
static enum source_read start_filter(struct source *s, const struct filter_kind *kind,
                                     struct slice first, err *e)
{
    s->packed = true;
    if (!kind->built) {
        tm_err_set(e, TIDEMILL_E_INPUT, "it holds %s data, and this tidemill was built without %s",
                   kind->name, kind->name);
        return SOURCE_FAILED;
    }
    int status = tm_filter_start(&s->filter, kind, false, &s->config, e);
    if (status == TIDEMILL_OK)
        status = tm_filter_put(&s->filter, first, e);
    return status == TIDEMILL_OK ? SOURCE_BYTES : filter_failed(e);
}

/* The first `n` bytes of the open input: what is it? BYTES: all is well. */
static enum source_read judge(struct source *s, const struct filter_kind *kind, struct slice first,
                              err *e)
{
    const struct filter_kind *wanted = tm_filter_kind(s->compression);
    const struct filter_kind *named = tm_filter_by_name(tm_source_input(s)->name);
    s->looked = true;
    if (wanted ? kind != wanted : !kind && named)
        return not_what_it_says(wanted ? wanted : named, !wanted, e);
    return kind ? start_filter(s, kind, first, e) : SOURCE_BYTES;
}

/*
 * Read the first bytes of the open input, and look at them. They are read as all others are, since
 * what a descriptor or a callback gives may come in pieces that are lost when they do not fit.
 */
static enum source_read read_first(struct source *s, char *p, size_t size, size_t *got, err *e)
{
    const struct filter_kind *kind = NULL;
    enum source_read answer = SOURCE_BYTES;
    while (!s->looked) {
        size_t n = 0;
        memcpy(p, s->head, s->head_n);
        answer = read_raw(s, p + s->head_n, size - s->head_n, &n, e);
        if (answer == SOURCE_BLOCKED || answer == SOURCE_FAILED)
            return answer;
        s->raw_ended = answer == SOURCE_END;
        n += s->head_n;
        *got = n;
        if (tm_filter_look((struct slice){p, n}, &kind) == LOOK_MORE && !s->raw_ended) {
            memcpy(s->head, p, n);
            s->head_n = n;
        } else if (judge(s, kind, (struct slice){p, n}, e) == SOURCE_FAILED) {
            return SOURCE_FAILED;
        }
    }
    return *got ? SOURCE_BYTES : SOURCE_END;
}

/* Bytes as they are stored go to the filter, as many as go without waiting. */
static void feed(struct source *s)
{
    tm_filter_move(&s->filter);
    for (int i = 0; i < FEEDS_MAX && !filter_pending(&s->filter) && !s->raw_ended; i++) {
        size_t got = 0;
        char *room = tm_filter_room(&s->filter, FEED_SIZE);
        enum source_read answer = room ? read_raw(s, room, FEED_SIZE, &got, &s->raw_failure)
                                       : SOURCE_FAILED;
        if (!room)
            tm_err_memory(&s->raw_failure, "the input");
        if (answer == SOURCE_BLOCKED)
            return;
        tm_filter_take(&s->filter, got);
        s->raw_ended = answer != SOURCE_BYTES;
        if (s->raw_ended)
            tm_filter_close(&s->filter);
    }
}

/* What could not be read ends the input early, behind what could: that is the cause to tell. */
static enum source_read read_filter(struct source *s, char *p, size_t size, size_t *got, err *e)
{
    feed(s);
    enum filter_read answer = tm_filter_read(&s->filter, p, size, got, e);
    if (answer == FILTER_BYTES || answer == FILTER_BLOCKED)
        return answer == FILTER_BYTES ? SOURCE_BYTES : SOURCE_BLOCKED;
    if (s->raw_failure.status != TIDEMILL_OK) {
        *e = s->raw_failure;
        return SOURCE_FAILED;
    }
    return answer == FILTER_END ? SOURCE_END : filter_failed(e);
}

enum source_read tm_source_read(struct source *s, char *p, size_t size, size_t *got, err *e)
{
    enum source_read answer = SOURCE_BLOCKED;
    if (!s->looked)
        answer = read_first(s, p, size, got, e);
    else if (!is_fed(s))
        answer = s->raw_ended ? SOURCE_END : read_raw(s, p, size, got, e);
    if (is_fed(s) && answer != SOURCE_FAILED)
        answer = read_filter(s, p, size, got, e);
    if (answer == SOURCE_BYTES)
        s->read += *got;
    return answer;
}

void tm_source_move(struct source *s)
{
    if (is_fed(s))
        feed(s);
}

int tm_source_want(struct source *s, bool any, bool read, err *e)
{
    bool hungry = is_fed(s) ? any && !filter_pending(&s->filter) && !s->raw_ended : any && read;
    int status = tm_loop_want(s->loop, &s->watch, hungry ? EPOLLIN : 0, e);
    return status == TIDEMILL_OK ? tm_filter_want(&s->filter, any, read, e) : status;
}

bool tm_source_ready(const struct source *s)
{
    return s->watch.ready || filter_ready(&s->filter);
}

bool tm_source_waits_for_host(const struct source *s)
{
    if (!s->open || s->watch.fd >= 0)
        return false;
    return !is_fed(s) || (s->filter.idle && !s->raw_ended);
}

bool tm_source_remaining(const struct source *s, uint64_t *bytes)
{
    uint64_t left = s->total > s->taken ? s->total - s->taken : 0;
    *bytes = is_fed(s) ? left * GROWTH : left;
    /* Nobody knows what the filter still makes of the last that it got. */
    return s->n == 1 && s->total && (left || !is_fed(s));
}

uint64_t tm_source_total(const struct source *s, uint64_t so_far)
{
    if (!s->packed || !s->total || !s->taken)
        return s->total;
    /* The rest is like what is known. */
    return (uint64_t)((double)so_far * ((double)s->total / (double)s->taken));
}

void tm_source_close(struct source *s)
{
    tm_filter_stop(&s->filter);
    tm_loop_forget(s->loop, &s->watch);
    tm_fdio_close(&s->io);
    s->open = false;
}
