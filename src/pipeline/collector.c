/*
 * Frames of workers: everything but results is taken as it comes; results wait for their turn.
 */
#include "pipeline/collector.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "base/clock.h"

/* Results of this size are worth a look whether they can go on unread. */
#define SPLICED_MIN ((size_t)64 << 10)
/* So long they wait in their pipe for it, while nobody makes progress. Their worker can go on, up to its next results. */
#define KEEP_NS 2000000

static void take_log(const struct collector *c, const struct frame *f)
{
    struct cursor in = {f->payload.p, f->payload.n, false};
    uint8_t level = tm_cursor_u8(&in);
    struct slice text = tm_cursor_bytes(&in);
    if (!in.bad)
        tm_merger_message(c->merger, level, text);
}

static int take_answer(struct collector *c, struct worker_handle *w, const struct frame *f, err *e)
{
    int status = TIDEMILL_OK;
    if (f->type == FRAME_LOG) {
        take_log(c, f);
    } else if (f->type == FRAME_BUSY) {
        tm_pool_busy(w, f);
    } else {
        status = tm_pool_answer(w, f, e);
        if (w->state == WORKER_READY)
            tm_recovery_ready(c->recovery);
    }
    return status;
}

/*
 * Frames up to the next RESULT. A frame that no worker sends, as a RESULT of one that was told to end, makes
 * it one that is gone. What it is busy with comes after what processes before it have said.
 */
static int take_answers(struct collector *c, struct worker_handle *w, err *e)
{
    struct frame f;
    uint8_t type;
    while ((type = tm_frame_type(&w->reader)) != FRAME_RESULT || w->state == WORKER_ENDING) {
        if (type == FRAME_BUSY && frame_pending(&w->left))
            return TIDEMILL_OK;
        enum frame_next next = tm_frame_next(&w->reader, &f);
        if (next == FRAME_BAD)
            w->gone = w->garbage = true;
        if (next != FRAME_TAKEN)
            return TIDEMILL_OK;
        int status = take_answer(c, w, &f, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

static bool is_ready(const struct worker_handle *w)
{
    return w->state != WORKER_NONE && !w->gone && (w->out.ready || w->end.ready || w->keeps);
}

/* One read of a worker's pipe, and what can be taken of it before its turn. */
static int read_worker(struct collector *c, struct worker_handle *w, err *e)
{
    bool ended = w->end.ready;
    w->out.ready = w->end.ready = 0;
    w->keeps = false;
    switch (tm_frame_fill(&w->reader, w->process.out)) {
    case FILL_BYTES:
        break;
    case FILL_BLOCK:
        /* What it has started may hold its end of the pipe; it has ended nevertheless. */
        w->gone = ended;
        break;
    case FILL_END:
        w->gone = true;
        break;
    case FILL_ERROR:
        if (errno == ENOMEM)
            return tm_err_memory(e, "results");
        w->gone = true;
        break;
    }
    return take_answers(c, w, e);
}

/* May the worker's next frame be one that is spliced at its turn? */
static bool may_splice(const struct collector *c, const struct worker_handle *w)
{
    return w->reader.last >= SPLICED_MIN && !frame_pending(&w->reader) &&
           !frame_pending(&w->left) && w->state == WORKER_READY &&
           tm_output_splices(c->merger->output);
}

/* May what the worker has said wait in its pipe? Somebody else has the turn, and does not take long. */
static bool may_keep(const struct collector *c, const struct worker_handle *w)
{
    const struct chunk *first = c->merger->first;
    return !c->kept_long && !w->end.ready && first && first->worker && first->worker != w &&
           may_splice(c, w);
}

int tm_collector_read(struct collector *c, err *e)
{
    int status = TIDEMILL_OK;
    int64_t now = clock_now();
    bool any = false;
    c->kept_long = c->kept_long || (c->keep_until && now >= c->keep_until);
    for (uint32_t i = 0; i < c->pool->plan->workers && status == TIDEMILL_OK; i++) {
        struct worker_handle *w = &c->pool->workers[i];
        if (!is_ready(w))
            continue;
        w->keeps = may_keep(c, w);
        any = any || w->keeps;
        if (w->keeps)
            w->out.ready = 0;
        else
            status = read_worker(c, w, e);
    }
    c->keep_until = !any ? 0 : c->keep_until ? c->keep_until : now + KEEP_NS;
    return status;
}

/* A RESULT in its turn. */
struct result {
    struct frame frame;
    struct piped piped; /* what comes behind that, in the pipe */
};

/* Commit one frame of the worker of the first chunk. */
static int commit(struct collector *c, struct worker_handle *w, const struct result *result, err *e)
{
    struct chunk *chunk = c->merger->first;
    if (w->hand_n == 0 || w->hand[0] != chunk)
        return tm_recovery_died(c->recovery, w, RECOVERY_GARBAGE, e);
    uint32_t before = chunk->done;
    int status = tm_merger_result(c->merger, result->frame.payload, result->piped, e);
    if (chunk->done > before) {
        tm_recovery_progress(c->recovery, chunk);
        c->keep_until = 0;
        c->kept_long = false;
    }
    /* A record that fails the job has a number; a frame that is broken has none. */
    if (status == TIDEMILL_E_WORKER && e->record == 0)
        return tm_recovery_died(c->recovery, w, RECOVERY_GARBAGE, e);
    return status == TIDEMILL_OK ? tm_recovery_next(c->recovery, w, e) : status;
}

/* Are all these bytes in the pipe? See ioctl(2), FIONREAD. */
static bool is_there(int pipe, size_t n)
{
    int there;
    return ioctl(pipe, FIONREAD, &there) == 0 && there >= 0 && (size_t)there >= n;
}

/*
 * A worker's next frame, if its last one was large, and this is nothing but rows that can go on as they are: only the
 * beginning is read. All of it is there, so that a worker's death cannot leave a part of it written.
 */
static bool read_begin(const struct collector *c, struct worker_handle *w, struct result *result)
{
    struct frame *f = &result->frame;
    int pipe = w->process.out;
    size_t rest;
    if (!may_splice(c, w) || tm_frame_fill_head(&w->reader, pipe, RESULT_ROWS_AT) != FILL_BYTES ||
        !tm_frame_begun(&w->reader, f, &rest) || f->type != FRAME_RESULT ||
        !tm_protocol_only_rows(f->payload, rest) || !is_there(pipe, rest))
        return false;
    tm_frame_take_begun(&w->reader, f, rest);
    result->piped = (struct piped){pipe, rest};
    w->out.ready = w->end.ready = 0;
    w->keeps = false;
    return true;
}

/* The next RESULT that was said, or left by processes before. */
static bool next_result(struct frame_reader *from, struct result *result)
{
    return tm_frame_type(from) == FRAME_RESULT &&
           tm_frame_next(from, &result->frame) == FRAME_TAKEN;
}

/* Let the worker of the first chunk have a frame committed. *more: there may be another. */
static int take_result(struct collector *c, struct worker_handle *w, bool *more, err *e)
{
    struct result result = {0};
    const struct chunk *chunk = c->merger->first;
    bool left = frame_pending(&w->left) > 0;
    bool begun = is_ready(w) && read_begin(c, w, &result);
    int status = TIDEMILL_OK;
    if (!begun)
        status = is_ready(w) ? read_worker(c, w, e) : take_answers(c, w, e);
    if (status != TIDEMILL_OK)
        return status;
    *more = true;
    if (left && next_result(&w->left, &result))
        return commit(c, w, &result, e);
    if (w->state == WORKER_NONE) {
        status = tm_recovery_restart(c->recovery, w, e);
        *more = w->state != WORKER_NONE || w->hand_n == 0;
        return status;
    }
    if (!begun && !next_result(&w->reader, &result)) {
        *more = w->gone;
        const char *garbage = w->garbage ? RECOVERY_GARBAGE : NULL;
        return w->gone ? tm_recovery_died(c->recovery, w, garbage, e) : TIDEMILL_OK;
    }
    /* Nobody has results of a chunk that was not handed over wholly. */
    if (tm_link_holds(&w->link, (struct slice){chunk->p, chunk->n}))
        return tm_recovery_died(c->recovery, w, RECOVERY_GARBAGE, e);
    return commit(c, w, &result, e);
}

int tm_collector_merge(struct collector *c, err *e)
{
    bool more = true;
    while (more) {
        int status = tm_merger_advance(c->merger, e);
        const struct chunk *first = c->merger->first;
        if (status != TIDEMILL_OK || !first || !first->worker || merger_blocked(c->merger))
            return status;
        status = take_result(c, first->worker, &more, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}
