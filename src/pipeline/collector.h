/*
 * The collector: takes the frames that workers sent, in their turn, and has them committed.
 */
#ifndef TM_PIPELINE_COLLECTOR_H
#define TM_PIPELINE_COLLECTOR_H

#include "pipeline/recovery.h"

struct collector {
    struct pool *pool;
    struct merger *merger;
    struct recovery *recovery;
    int64_t keep_until; /* so long results may wait in pipes; 0: none do */
    bool kept_long;     /* they have waited so long for those that come before them */
};

/* So much of a worker's results is read before its turn. */
#define COLLECTOR_AHEAD_MAX ((size_t)256 << 10)

/* Has this worker the chunk that is committed next? */
static inline bool collector_turn(const struct collector *c, const struct worker_handle *w)
{
    return c->merger->first && c->merger->first->worker == w && !merger_blocked(c->merger);
}

/* Should more of this worker's frames be read? */
static inline bool collector_wants(const struct collector *c, const struct worker_handle *w)
{
    size_t ahead = frame_pending(&w->left) + frame_pending(&w->reader);
    return !w->gone && (collector_turn(c, w) || (ahead < COLLECTOR_AHEAD_MAX && !w->keeps));
}

/*
 * Once a turn of the loop. First commit what is there and has its turn: whose pipe is ready is read when its turn
 * comes, as its results need not be read at all where they can go on as they are. Then, in any phase, read whoever is
 * ready still; but results that may be spliced soon wait in their pipe, up to c->keep_until, when this is to be called
 * again. The statuses of tm_merger_result.
 */
int tm_collector_merge(struct collector *c, err *e);
int tm_collector_read(struct collector *c, err *e);

#endif
