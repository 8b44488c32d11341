/*
 * What those share who start processes: the parent itself (process_start.c) and a fork server for it
 * (fork_server.c).
 */
#ifndef TM_PIPELINE_PROCESS_START_H
#define TM_PIPELINE_PROCESS_START_H

#include "pipeline/process.h"

/* Both ends of what a child has: it reads `in`, writes `out` and dies with `life`. */
struct pipes {
    int in[2], out[2], life[2];
};

/* The child's of them. */
#define ENDS 3

/* Make them, the parent's ends non-blocking. E_WORKER. */
int tm_pipes_open(struct pipes *pipes, const struct process_config *config, err *e);
/* Hand the parent's ends to `p` and close the others. */
void tm_pipes_keep(struct pipes *pipes, struct process *p);
/* Close what is open of them. */
void tm_pipes_close(const struct pipes *pipes);

/* In the child, whose tm_worker_ends are its own now: be what it is to be. Returns its exit status. */
int tm_process_main(const struct process_config *config);
/* In the child: end, with what C code has left in stdout written. */
_Noreturn void tm_process_leave(int status);

#endif
