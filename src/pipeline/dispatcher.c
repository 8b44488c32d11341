/*
 * Who gets the next chunk, and how large it is.
 */
#include "pipeline/dispatcher.h"

#include "base/clock.h"

#define TARGET_FIRST ((size_t)16 << 10)
#define TARGET_MIN   512
/* A chunk should not keep a worker longer than this. */
#define CHUNK_NS 20000000.0
/* Results that are more than so many times their input are not told in one piece. */
#define GROWTH_MAX 4
/* Records so dear that a second chunk in a busy worker's pipe gains nothing. */
#define DEAR_NS 50000000.0
/* Somebody has to be busy for so long before another worker is forked for a small input. */
#define FORK_AFTER_NS 2000000
#define FORK_AT_ONCE  ((uint64_t)256 << 10)
#define READS_MAX     8
/* Of an input that is known to be smaller, a worker needs a few pages only. */
#define LITTLE ((uint64_t)64 << 10)
/* The system had no process for us: so long it is not asked again. */
#define FORK_AGAIN_NS 100000000
/* Failed records wait in the merger without a worker; not without limit. */
#define WAITING_MAX 64
/* More than HAND_MAX chunks are in a worker's hand while they are no more bytes than this. */
#define WAITING_BYTES ((size_t)1 << 20)

void tm_dispatcher_init(struct dispatcher *d, struct splitter *splitter, struct pool *pool,
                        struct merger *merger, const struct recovery *recovery)
{
    *d = (struct dispatcher){
        .splitter = splitter, .pool = pool, .merger = merger, .recovery = recovery};
    uint64_t all = tm_splitter_remaining(splitter);
    pool->little = all && all < LITTLE;
}

/* There may be something to do at `when`, if it is not 0. */
static void wait_until(struct dispatcher *d, int64_t when)
{
    if (when && (!d->recheck || when < d->recheck))
        d->recheck = when;
}

static bool is_idle(const struct dispatcher *d, struct worker_handle *w)
{
    return tm_recovery_undone(d->recovery, w) == 0;
}

/* Has some worker been at its chunk for long enough that another one pays? */
static bool somebody_is_slow(struct dispatcher *d)
{
    const struct pool *p = d->pool;
    int64_t now = clock_now(), oldest = INT64_MAX;
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        if (w->state == WORKER_READY && !is_idle(d, w) && w->began < oldest)
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
    if (p->started && clock_now() < d->refused) {
        wait_until(d, d->refused);
        return false;
    }
    return p->started == 0 || tm_splitter_remaining(d->splitter) >= FORK_AT_ONCE ||
           somebody_is_slow(d);
}

/* Is a second chunk in the pipe of a busy worker worth it? */
static bool may_queue(const struct dispatcher *d)
{
    return d->merger->pace * (double)d->target < DEAR_NS || d->pool->plan->workers == 1;
}

/* Is there room for one more chunk behind what waits for its turn? */
static bool has_room(const struct worker_handle *w)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < w->hand_n; i++)
        bytes += w->hand[i]->n;
    return w->hand_n < HAND_MAX || (w->hand_n < HAND_ROOM && bytes < WAITING_BYTES);
}

/* Who could take a chunk now: an idle worker, a new one, or one that is at its last chunk. */
static struct worker_handle *pick(struct dispatcher *d)
{
    struct pool *p = d->pool;
    struct worker_handle *none = NULL, *queue = NULL;
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        if (w->state == WORKER_NONE && w->hand_n == 0 && !none)
            none = w;
        if (!worker_alive(w) || !has_room(w))
            continue;
        if (is_idle(d, w))
            return w;
        if (tm_recovery_undone(d->recovery, w) < HAND_MAX && (!queue || w->began < queue->began))
            queue = w;
    }
    if (none && may_fork(d))
        return none;
    return queue && may_queue(d) ? queue : NULL;
}

/*
 * What waits in a pipe is to be there as a whole, or somebody waits for the rest of it: a chunk in its worker's,
 * and its results in the parent's, unless they are so many that they come in pieces anyway.
 */
static size_t whole_chunk(double growth)
{
    if (growth <= 1 || growth > GROWTH_MAX)
        return POOL_PIPE_WHOLE;
    return (size_t)((double)POOL_PIPE_WHOLE / growth);
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
    size_t whole = whole_chunk(d->merger->growth);
    if (target > whole && target <= POOL_PIPE_SIZE)
        target = whole;
    d->target = target ? target : 1;
    if (remaining && remaining / (4 * workers) < d->target)
        d->target = remaining / (4 * workers) > TARGET_MIN ? (size_t)(remaining / (4 * workers))
                                                           : TARGET_MIN;
}

static bool anybody_alive(const struct pool *p)
{
    for (uint32_t i = 0; i < p->plan->workers; i++)
        if (worker_alive(&p->workers[i]))
            return true;
    return false;
}

/* A process for this worker. It may have none after this: then others do its work. */
static int start_worker(struct dispatcher *d, struct worker_handle *w, err *e)
{
    err why = {0};
    if (tm_pool_start(d->pool, w, &why) == TIDEMILL_OK)
        return TIDEMILL_OK;
    if (tm_pool_is_short(&why) && anybody_alive(d->pool)) {
        d->refused = clock_now() + FORK_AGAIN_NS;
        return TIDEMILL_OK;
    }
    return tm_err_pass(e, &why);
}

/* Give the chunk to this worker, or hold it for another one. */
static int hand_out(struct dispatcher *d, struct worker_handle *w, struct chunk *c, err *e)
{
    int status = w->state == WORKER_NONE ? start_worker(d, w, e) : TIDEMILL_OK;
    d->held = w->state == WORKER_NONE ? c : NULL;
    if (status != TIDEMILL_OK || d->held)
        return status;
    tm_pool_give(w, c);
    return tm_pool_send(d->pool, w, d->merger->output, e);
}

/* A chunk that was cut takes its place in the order, and goes to this worker if it needs one. */
static int add_chunk(struct dispatcher *d, struct worker_handle *w, struct chunk *c, err *e)
{
    tm_merger_add(d->merger, c);
    return c->kind == CHUNK_RECORDS ? hand_out(d, w, c, e) : TIDEMILL_OK;
}

int tm_dispatcher_feed(struct dispatcher *d, bool *more, err *e)
{
    int reads = 0, status = TIDEMILL_OK;
    *more = false;
    d->wants_input = false;
    d->recheck = 0;
    while (status == TIDEMILL_OK && (d->held || !d->done) &&
           d->merger->chunks < WAITING_MAX + (size_t)HAND_ROOM * d->pool->plan->workers) {
        struct worker_handle *w = pick(d);
        struct chunk *c = NULL;
        if (!w)
            return TIDEMILL_OK;
        if (d->held) {
            status = hand_out(d, w, d->held, e);
            continue;
        }
        aim(d);
        switch (tm_splitter_next(d->splitter, d->target, is_idle(d, w), &c, e)) {
        case SPLITTER_CHUNK:
            status = add_chunk(d, w, c, e);
            break;
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
    return status;
}
