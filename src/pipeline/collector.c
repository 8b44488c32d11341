/*
 * Frames of workers: everything but results is taken as it comes; results wait for their turn.
 */
#include "pipeline/collector.h"

#include <errno.h>

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

int tm_collector_read(struct collector *c, struct worker_handle *w, err *e)
{
    switch (tm_frame_fill(&w->reader, w->process.out)) {
    case FILL_BYTES:
        break;
    case FILL_BLOCK:
        /* What it has started may hold its end of the pipe; it has ended nevertheless. */
        w->gone = w->end.ready;
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

/* Commit one frame of the worker of the first chunk, from this reader. */
static int commit(struct collector *c, struct worker_handle *w, struct frame_reader *from, err *e)
{
    struct frame f;
    struct chunk *chunk = c->merger->first;
    if (tm_frame_next(from, &f) != FRAME_TAKEN || w->hand_n == 0 || w->hand[0] != chunk)
        return tm_recovery_died(c->recovery, w, RECOVERY_GARBAGE, e);
    uint32_t before = chunk->done;
    int status = tm_merger_result(c->merger, f.payload, e);
    if (chunk->done > before)
        tm_recovery_progress(c->recovery, chunk);
    /* A record that fails the job has a number; a frame that is broken has none. */
    if (status == TIDEMILL_E_WORKER && e->record == 0)
        return tm_recovery_died(c->recovery, w, RECOVERY_GARBAGE, e);
    return status == TIDEMILL_OK ? tm_recovery_next(c->recovery, w, e) : status;
}

/* Let the worker of the first chunk have a frame committed. *more: there may be another. */
static int take_result(struct collector *c, struct worker_handle *w, bool *more, err *e)
{
    const struct chunk *chunk = c->merger->first;
    int status = take_answers(c, w, e);
    if (status != TIDEMILL_OK)
        return status;
    *more = true;
    if (frame_pending(&w->left))
        return commit(c, w, &w->left, e);
    if (w->state == WORKER_NONE) {
        status = tm_recovery_restart(c->recovery, w, e);
        *more = w->state != WORKER_NONE || w->hand_n == 0;
        return status;
    }
    if (tm_frame_type(&w->reader) != FRAME_RESULT) {
        *more = w->gone;
        const char *garbage = w->garbage ? RECOVERY_GARBAGE : NULL;
        return w->gone ? tm_recovery_died(c->recovery, w, garbage, e) : TIDEMILL_OK;
    }
    /* Nobody has results of a chunk that was not handed over wholly. */
    if (tm_link_holds(&w->link, (struct slice){chunk->p, chunk->n}))
        return tm_recovery_died(c->recovery, w, RECOVERY_GARBAGE, e);
    return commit(c, w, &w->reader, e);
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
