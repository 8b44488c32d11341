/*
 * The parent's side of a filter: three pipes and a process.
 */
#include "pipeline/filter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "pipeline/filter_main.h"

#define PIPE_SIZE ((size_t)256 << 10)

void tm_filter_init(struct filter *f, struct loop *loop)
{
    *f = (struct filter){.loop = loop, .report = -1};
    f->in.fd = f->out.fd = f->says.fd = -1;
    tm_process_init(&f->process);
    tm_frame_reader_init(&f->reader, FILTER_FRAME_MAX);
}

int tm_filter_start(struct filter *f, const struct filter_kind *kind, bool compress,
                    const struct filter_config *config, err *e)
{
    int report[2];
    int status = TIDEMILL_OK;
    assert(kind->built);
    if (pipe2(report, O_CLOEXEC))
        return tm_err_errno(e, TIDEMILL_E_WORKER, errno, "cannot make the pipes of a filter");
    struct process_config process = {
        .role = compress ? kind->compress : kind->decompress,
        .exec = config->exec,
        .program = config->program,
        .log_fd = report[1],
        .pipe_size = PIPE_SIZE,
    };
    if (fcntl(report[0], F_SETFL, O_NONBLOCK) < 0)
        status = tm_err_errno(e, TIDEMILL_E_WORKER, errno, "cannot make the pipes of a filter");
    else
        status = tm_process_start(&f->process, &process, e);
    close(report[1]);
    if (status != TIDEMILL_OK) {
        close(report[0]);
        return status;
    }
    f->report = report[0];
    f->doing = compress ? "compresses" : "decompresses";
    f->in.fd = f->process.in;
    f->out.fd = f->process.out;
    f->says.fd = f->report;
    return TIDEMILL_OK;
}

/* It says no more. */
static void close_report(struct filter *f)
{
    tm_loop_forget(f->loop, &f->says);
    if (f->report >= 0)
        close(f->report);
    f->report = -1;
}

/* It is gone when this returns; *status is as waitpid gives it. */
static void reap(struct filter *f, int *status)
{
    tm_loop_forget(f->loop, &f->in);
    tm_loop_forget(f->loop, &f->out);
    tm_process_kill(&f->process);
    tm_process_wait(&f->process, status);
}

void tm_filter_stop(struct filter *f)
{
    int ignored;
    if (filter_running(f))
        reap(f, &ignored);
    close_report(f);
    tm_frame_reader_release(&f->reader);
    tm_buf_release(&f->pending);
    tm_filter_init(f, f->loop);
}

/* ---- In ---- */

static void close_in(struct filter *f)
{
    tm_loop_forget(f->loop, &f->in);
    if (f->process.in >= 0)
        close(f->process.in);
    f->process.in = -1;
}

/* Write what goes; -1 when it reads no more, which the end of its output explains. */
static ssize_t write_some(struct filter *f, struct slice bytes)
{
    ssize_t n;
    if (f->process.in < 0)
        return -1;
    do
        n = write(f->process.in, bytes.p, bytes.n);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0) {
        f->refused = errno;
        close_in(f);
        return n;
    }
    f->given += (uint64_t)n;
    return n;
}

static void drop_pending(struct filter *f)
{
    f->at = 0;
    buf_reset(&f->pending);
}

static void flush(struct filter *f)
{
    ssize_t n = 1;
    while (filter_pending(f) && n > 0) {
        n = write_some(f, (struct slice){f->pending.p + f->at, filter_pending(f)});
        f->at += n > 0 ? (size_t)n : 0;
    }
    if (n < 0 || !filter_pending(f))
        drop_pending(f);
    if (f->closing && !filter_pending(f))
        close_in(f);
}

char *tm_filter_room(struct filter *f, size_t size)
{
    if (f->at) {
        tm_buf_consume(&f->pending, f->at);
        f->at = 0;
    }
    return buf_reserve(&f->pending, size) ? f->pending.p + f->pending.n : NULL;
}

void tm_filter_take(struct filter *f, size_t n)
{
    f->pending.n += n;
    f->idle = false;
    flush(f);
}

int tm_filter_put(struct filter *f, struct slice bytes, err *e)
{
    if (bytes.n && !filter_pending(f)) {
        ssize_t n = write_some(f, bytes);
        bytes.p += n > 0 ? n : 0;
        bytes.n -= n > 0 ? (size_t)n : n < 0 ? bytes.n : 0;
    }
    if (!bytes.n)
        return TIDEMILL_OK;
    char *room = tm_filter_room(f, bytes.n);
    if (!room)
        return tm_err_memory(e, "a filter");
    memcpy(room, bytes.p, bytes.n);
    f->pending.n += bytes.n;
    return TIDEMILL_OK;
}

void tm_filter_close(struct filter *f)
{
    f->closing = true;
    flush(f);
}

/* ---- What it says ---- */

/* Frames that make no sense end its word: then its death is all there is to tell. */
static bool understand(struct filter *f, const struct frame *frame)
{
    struct cursor c = {frame->payload.p, frame->payload.n, false};
    if (frame->type == FILTER_SAYS_HUNGRY) {
        f->asked = tm_cursor_u64(&c);
        return !c.bad;
    }
    int status = (int)tm_cursor_u32(&c);
    struct slice message = tm_cursor_bytes(&c);
    if (frame->type != FILTER_SAYS_END || c.bad)
        return false;
    f->has_ended = true;
    f->end = status;
    snprintf(f->message, sizeof f->message, "%.*s", (int)message.n, message.p ? message.p : "");
    return true;
}

static void hear(struct filter *f)
{
    struct frame frame;
    while (f->report >= 0) {
        enum frame_next next = tm_frame_next(&f->reader, &frame);
        if (next == FRAME_TAKEN && understand(f, &frame))
            continue;
        enum frame_fill fill = next == FRAME_WAIT ? tm_frame_fill(&f->reader, f->report)
                                                  : FILL_ERROR;
        if (fill == FILL_BLOCK)
            return;
        if (fill != FILL_BYTES)
            close_report(f);
    }
}

void tm_filter_move(struct filter *f)
{
    if (!filter_running(f))
        return;
    flush(f);
    hear(f);
}

/* ---- Out ---- */

/* Its output has ended. */
static enum filter_read last_word(struct filter *f, err *e)
{
    char how[128];
    int status;
    reap(f, &status);
    hear(f);
    if (f->has_ended && f->end == TIDEMILL_OK && !f->refused)
        return FILTER_END;
    tm_process_describe(status, how, sizeof how);
    if (f->has_ended && f->end != TIDEMILL_OK)
        tm_err_text(e, f->end, slice_of(f->message));
    else if (f->refused && f->refused != EPIPE)
        tm_err_errno(e, TIDEMILL_E_SYSTEM, f->refused, "cannot write to the filter that %s it",
                     f->doing);
    else
        tm_err_set(e, TIDEMILL_E_WORKER, "the filter that %s it %s", f->doing, how);
    return FILTER_FAILED;
}

enum filter_read tm_filter_read(struct filter *f, char *p, size_t size, size_t *got, err *e)
{
    /* What it said before is true of what is read now. */
    hear(f);
    ssize_t n = read(f->process.out, p, size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        f->idle = errno == EAGAIN && f->asked == f->given && !filter_pending(f);
        return FILTER_BLOCKED;
    }
    if (n < 0) {
        tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "cannot read from the filter that %s it",
                     f->doing);
        return FILTER_FAILED;
    }
    *got = (size_t)n;
    return n ? FILTER_BYTES : last_word(f, e);
}

int tm_filter_want(struct filter *f, bool any, bool read, err *e)
{
    int status = TIDEMILL_OK;
    if (!filter_running(f))
        return status;
    status = tm_loop_want(f->loop, &f->in, any && filter_pending(f) ? EPOLLOUT : 0, e);
    if (status == TIDEMILL_OK)
        status = tm_loop_want(f->loop, &f->says, any ? EPOLLIN : 0, e);
    return status == TIDEMILL_OK ? tm_loop_want(f->loop, &f->out, any && read ? EPOLLIN : 0, e)
                                 : status;
}
