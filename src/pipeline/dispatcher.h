/*
 * The dispatcher: cuts chunks when somebody can take them, and decides who does. Chunks are large
 * where records are cheap and small where they are dear or few, so that nobody idles while another
 * has a queue, nor while results wait for their turn; workers are forked when there is work for them.
 * Where the system refuses one, those that live do its work.
 */
#ifndef TM_PIPELINE_DISPATCHER_H
#define TM_PIPELINE_DISPATCHER_H

#include "pipeline/recovery.h"
#include "pipeline/splitter.h"

struct dispatcher {
    struct splitter *splitter;
    struct pool *pool;
    struct merger *merger;
    const struct recovery *recovery;
    size_t target;      /* bytes of the next chunk */
    bool wants_input;   /* the source had nothing when somebody could have taken it */
    bool done;          /* all input is cut */
    int64_t recheck;    /* when to feed again at the latest, after the last feed; 0: no such time */
    struct chunk *held; /* cut, but its worker could not be started; the merger's */
    int64_t refused;    /* no other worker is started before this time */
};

void tm_dispatcher_init(struct dispatcher *d, struct splitter *splitter, struct pool *pool,
                        struct merger *merger, const struct recovery *recovery);

/*
 * Cut and hand out as much as goes without waiting. *more: call again before you wait. Errors are
 * those of starting workers and of memory; the input's own travel as chunks.
 */
int tm_dispatcher_feed(struct dispatcher *d, bool *more, err *e);

#endif
