/*
 * Recovery: what happens when a worker dies, hangs or talks nonsense. What it had committed stands;
 * a new process goes on from the next record; a record that kills every worker is condemned.
 *
 * Nobody says which of the records in hand was the deadly one, so a chunk that loses its worker is
 * sent again with results committed in ever smaller pieces (enum chunk_care), until the first record
 * that is not committed is the one that was in hand. It is condemned after three deaths during
 * which it was all that the worker had.
 *
 * A worker need not have the turn to be replaced: results that it has sent wait with its handle, in
 * front of those of the next process.
 *
 * A worker that is killed may be killed by its record (the system had no memory left) or by somebody
 * from outside, who may come back before any record is done. Once workers were killed that had nothing
 * in hand, or over a record that was harmless after all, deaths by such a signal prove little, and it
 * takes many of them.
 */
#ifndef TM_PIPELINE_RECOVERY_H
#define TM_PIPELINE_RECOVERY_H

#include "pipeline/merger.h"
#include "pipeline/pool.h"

struct recovery {
    struct pool *pool;
    struct merger *merger;
    struct loop *loop;
    uint32_t futile;       /* deaths in a row without a commit or a condemnation */
    uint32_t start_deaths; /* in a row, of workers that never got ready */
    bool start_killed;     /* one of them by a signal that somebody may have sent */
    bool outside;      /* somebody does kill workers, whatever they have in hand: that was seen */
    bool stopping;     /* the run is to end: workers stop after the record in hand */
    int64_t last_turn; /* of the clock that times records; 0: it stands */
    uint32_t refused;  /* processes in a row that the system would not start */
    int64_t again;     /* ask for none before this time */
};

/* How the end of a stopped run is told. */
#define RECOVERY_STOPPED "stopped before all was done"

/* Why the parent itself ended a worker; NULL in tm_recovery_died: it died by itself. */
#define RECOVERY_GARBAGE "sent what no worker sends"

/* The run is to end: workers are asked to stop after the record in hand, or in setup and teardown at
   once. Those that have nothing to do are left alone. */
void tm_recovery_stop(struct recovery *r);

/*
 * A worker is gone, or must go: all its frames that count were taken. Starts a new process where it
 * had something in hand. E_WORKER when there is no use in going on; the status of a record that was
 * condemned, when that fails the job.
 */
int tm_recovery_died(struct recovery *r, struct worker_handle *w, const char *garbage, err *e);

/*
 * A worker with something in hand is gone before the turn of its results: they are kept, and a new
 * process goes on behind them. Nothing is done where that has to wait for its turn.
 */
int tm_recovery_died_early(struct recovery *r, struct worker_handle *w, err *e);

/*
 * How many chunks in hand are not done. The results of those that are may have to wait for their turn;
 * their worker need not.
 */
uint32_t tm_recovery_undone(const struct recovery *r, struct worker_handle *w);

/*
 * Start a process again for what a worker without one has in hand, if anything is left of it. It may
 * have to wait for one: then this is to be called again.
 */
int tm_recovery_restart(struct recovery *r, struct worker_handle *w, err *e);

/* A worker has got ready: its script's setup is none that kills. */
void tm_recovery_ready(struct recovery *r);

/* There was progress on chunk `c`: deaths count from the beginning again. */
void tm_recovery_progress(struct recovery *r, struct chunk *c);

/* The part of the oldest chunk in hand may be done: condemn what is due, send what comes next. */
int tm_recovery_next(struct recovery *r, struct worker_handle *w, err *e);

/*
 * Let the clocks of limits.record_time and limits.setup_time go on for workers that are silent with
 * something to do, and kill those that are over them; also, after ten seconds, who is stopped
 * (SIGSTOP, SIGTTOU) or has fallen asleep over half a frame. Called once a turn, after the wait: at
 * most 100 ms count for one turn (a second without limits), so that a process group that was stopped
 * has not timed out.
 */
void tm_recovery_time(struct recovery *r);
/* When tm_recovery_time has to be called again at the latest, by clock_now; 0: nobody is timed. */
int64_t tm_recovery_deadline(const struct recovery *r);

#endif
