/*
 * A run: one input to one output, through the pipeline.
 */
#ifndef TM_RUN_H
#define TM_RUN_H

#include <stdatomic.h>

#include "job.h"
#include "pipeline/collector.h"
#include "pipeline/dispatcher.h"

enum run_phase {
    RUN_NEW,      /* nothing has happened but settings */
    RUN_GOING,    /* chunks flow */
    RUN_TEARDOWN, /* all records are committed; the run's own workers end */
    RUN_FLUSHING, /* the sinks take what is pending */
    RUN_OVER,     /* `status` and `failure` are what step returns for ever */
};

struct tidemill_run {
    const struct plan *plan;
    struct pool own, *pool; /* own is used when the host gave none */
    struct loop loop;
    struct source source;
    struct splitter splitter;
    struct dispatcher dispatcher;
    struct merger merger;
    struct recovery recovery;
    struct collector collector;
    struct sink out, quarantine;
    struct output output;
    struct arena arena; /* of the output's dialect */
    enum run_phase phase;
    int status;
    err failure;
    atomic_bool stop;
    bool stopping;    /* stop was seen */
    bool moved;       /* the last turn read, wrote or committed something */
    bool timed_out;   /* the last turn's wait took the timer's word, which its beginning acts on */
    bool wired;       /* splitter, output and merger are set up */
    bool inside;      /* a turn, which calls the host's callbacks */
    bool attached;    /* the pool is busy with this run */
    bool polled;      /* the host has the descriptor that says when to step */
    uint32_t workers; /* the pool's peak, when it was left */
};

int tm_run_init(struct tidemill_run *run, const struct plan *plan, struct pool *pool, err *e);
void tm_run_release(struct tidemill_run *run);

/*
 * Inputs, output and formats of a new run, without reading or writing anything. *columns: an input
 * has columns, whose cells are typed when a script touches them.
 */
int tm_run_check(struct tidemill_run *run, bool *columns, err *e);

/* Does the run wait for its host: for input, or for output to be taken? */
bool tm_run_waits_for_host(const struct tidemill_run *run);

/* Would another turn find something to do without waiting for the host or for events? True more
 * often than need be. */
bool tm_run_has_more(const struct tidemill_run *run);

/* One turn of the loop, waiting for up to `timeout` ms. The statuses of tidemill_run_step. */
int tm_run_step(struct tidemill_run *run, int timeout, err *e);

#endif
