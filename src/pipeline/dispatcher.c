/*
 * Who gets the next chunk, and how large it is.
 */
#include "pipeline/dispatcher.h"

#include "base/clock.h"

#define TARGET_FIRST ((size_t)16 << 10)
#define TARGET_MIN   512
/* A chunk should not keep a worker longer than this. */
#define CHUNK_NS 20000000.0
/* Records so dear that a second chunk in a busy worker's pipe gains nothing. */
#define DEAR_NS 50000000.0
/* Somebody has to be busy for so long before another worker is forked for a small input. */
#define FORK_AFTER_NS 2000000
#define FORK_AT_ONCE  ((uint64_t)256 << 10)
#define READS_MAX     8
/* Failed records wait in the merger without a worker; not without limit. */
#define WAITING_MAX 64

void tm_dispatcher_init(struct dispatcher *d, struct splitter *splitter, struct pool *pool,
                        struct merger *merger)
{
    *d = (struct dispatcher){.splitter = splitter, .pool = pool, .merger = merger};
}

/* There may be something to do at `when`, if it is not 0. */
static void wait_until(struct dispatcher *d, int64_t when)
{
    if (when && (!d->recheck || when < d->recheck))
        d->recheck = when;
}

/* Has some worker been at its chunk for long enough that another one pays? */
static bool somebody_is_slow(struct dispatcher *d)
{
    const struct pool *p = d->pool;
    int64_t now = clock_now(), oldest = INT64_MAX;
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        const struct worker_handle *w = &p->workers[i];
        if (w->hand_n && w->state == WORKER_READY && w->began < oldest)
            oldest = w->began;
    }
    if (oldest == INT64_MAX)
        return false;
    if (now - oldest >= FORK_AFTER_NS)
        return true;
    wait_until(d, oldest + FORK_AFTER_NS);
    return false;
}

static bool may_fork(struct dispatcher *d)
{
    const struct pool *p = d->pool;
    if (p->started == p->plan->workers)
        return false;
    return p->started == 0 || tm_splitter_remaining(d->splitter) >= FORK_AT_ONCE ||
           somebody_is_slow(d);
}

static bool alive(const struct worker_handle *w)
{
    return !w->gone && (w->state == WORKER_STARTING || w->state == WORKER_READY);
}

/* Is a second chunk in the pipe of a busy worker worth it? */
static bool may_queue(const struct dispatcher *d)
{
    return d->merger->pace * (double)d->target < DEAR_NS || d->pool->plan->workers == 1;
}

/* Who could take a chunk now: an idle worker, a new one, or one that is at its last chunk. */
static struct worker_handle *pick(struct dispatcher *d)
{
    struct pool *p = d->pool;
    struct worker_handle *none = NULL, *queue = NULL;
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        if (w->state == WORKER_NONE && !none)
            none = w;
        if (!alive(w))
            continue;
        if (w->hand_n == 0)
            return w;
        if (w->hand_n < HAND_MAX && (!queue || w->began < queue->began))
            queue = w;
    }
    if (none && may_fork(d))
        return none;
    return queue && may_queue(d) ? queue : NULL;
}

/* Larger while records are cheap; smaller towards the end, so that all finish together. */
static void aim(struct dispatcher *d)
{
    uint64_t remaining = tm_splitter_remaining(d->splitter);
    uint32_t workers = d->pool->plan->workers;
    double pace = d->merger->pace;
    size_t target = d->target ? d->target : TARGET_FIRST;
    if (pace > 0) {
        double want = CHUNK_NS / pace;
        double most = (double)target * 8;
        target = (size_t)(want < most ? want : most);
    }
    if (target > d->splitter->chunk_max)
        target = d->splitter->chunk_max;
    d->target = target ? target : 1;
    if (remaining && remaining / (4 * workers) < d->target)
        d->target = remaining / (4 * workers) > TARGET_MIN ? (size_t)(remaining / (4 * workers))
                                                           : TARGET_MIN;
}

static int hand_out(struct dispatcher *d, struct worker_handle *w, struct chunk *c, err *e)
{
    int status = TIDEMILL_OK;
    tm_merger_add(d->merger, c);
    if (c->kind != CHUNK_RECORDS)
        return TIDEMILL_OK;
    if (w->state == WORKER_NONE)
        status = tm_pool_start(d->pool, w, e);
    tm_pool_give(w, c);
    return status == TIDEMILL_OK ? tm_pool_send(w, d->merger->output, e) : status;
}

int tm_dispatcher_feed(struct dispatcher *d, bool *more, err *e)
{
    int reads = 0;
    *more = false;
    d->wants_input = false;
    d->recheck = 0;
    while (!d->done &&
           d->merger->chunks < WAITING_MAX + (size_t)HAND_MAX * d->pool->plan->workers) {
        struct worker_handle *w = pick(d);
        struct chunk *c = NULL;
        if (!w)
            return TIDEMILL_OK;
        aim(d);
        switch (tm_splitter_next(d->splitter, d->target, w->hand_n == 0, &c, e)) {
        case SPLITTER_CHUNK: {
            int status = hand_out(d, w, c, e);
            if (status != TIDEMILL_OK)
                return status;
            break;
        }
        case SPLITTER_AGAIN:
            if (++reads == READS_MAX) {
                *more = true;
                return TIDEMILL_OK;
            }
            break;
        case SPLITTER_WAIT:
            d->wants_input = true;
            wait_until(d, tm_splitter_deadline(d->splitter));
            return TIDEMILL_OK;
        case SPLITTER_END:
            d->done = true;
            break;
        case SPLITTER_FAILED:
            return e ? e->status : TIDEMILL_E_MEMORY;
        }
    }
    return TIDEMILL_OK;
}
