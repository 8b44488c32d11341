/*
 * A fork server: a small process that forks workers for their parent. Each death costs a worker's start, and
 * a program that was executed and linked once, and has little memory to copy, starts one in half the time. So
 * a pool has one from the first death in a run to the run's end.
 *
 * Its workers are children of its parent (clone(2), CLONE_PARENT), who reaps them as all others. Whatever it
 * fails at, the parent starts the worker itself: nothing depends on it.
 */
#ifndef TM_PIPELINE_FORK_SERVER_H
#define TM_PIPELINE_FORK_SERVER_H

#include "pipeline/process.h"

struct fork_server {
    struct process process;
    int futile;    /* times in a row that it did not work */
    bool hopeless; /* not to be tried again */
};

void tm_fork_server_init(struct fork_server *s);
/* Kill it, if there is one; the next start has another. Its workers live on. */
void tm_fork_server_release(struct fork_server *s);

/* The same for good, where processes or descriptors are short. False: there was none. */
bool tm_fork_server_resign(struct fork_server *s);

/*
 * Have it start a worker, as tm_process_start() does, and start the server itself first where there is none. False:
 * nothing was started. Blocks until the worker is there: for a second at most, if the server is neither
 * gone nor stopped and says nothing.
 */
bool tm_fork_server_start(struct fork_server *s, struct process *p,
                          const struct process_config *config);

/*
 * In the server: fork until the parent goes. Returns its exit status; a worker that it forks does not return.
 * WORKER_FD_IN is a socket. Messages from the parent carry a worker's three ends, in their order; the answer is its
 * number and a pidfd of it, or the negative errno.
 */
int tm_fork_server_main(void);

#endif
