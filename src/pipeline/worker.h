/*
 * A worker: the process that parses, calls Lua and formats.
 */
#ifndef TM_PIPELINE_WORKER_H
#define TM_PIPELINE_WORKER_H

#include "script/script.h"

/* Descriptors of a worker as it begins, the same whether it was forked or executed. */
enum {
    WORKER_FD_IN = 3,   /* frames from the parent */
    WORKER_FD_OUT = 4,  /* frames to the parent */
    WORKER_FD_LIFE = 5, /* its other end closes when the parent is gone */
};

/* Where they are now: a forked worker has them where its host had none, as functions of the host may use theirs. */
struct worker_ends {
    int in, out, life;
};
extern struct worker_ends tm_worker_ends;

/* Exit statuses of ours, beside 0. */
enum {
    WORKER_EXIT_LOST = 111,     /* the parent is gone */
    WORKER_EXIT_PROTOCOL = 112, /* the parent was told why */
    WORKER_EXIT_STOPPED = 114,  /* as it was asked to */
    WORKER_EXIT_MEMORY = 113,   /* the system has no memory for it */
};

/*
 * What a process does once before it, or those that it forks, are workers. Returns its exit status where that fails,
 * or 0. `little`: it will have little to do.
 */
int tm_worker_prepare(bool little);

/*
 * Live as a worker on those descriptors until the END frame or the end of input. Returns the exit
 * status of the process. `functions` are the host's own, none in an executed worker.
 */
int tm_worker_main(const struct script_function *functions, size_t functions_n);

#endif
