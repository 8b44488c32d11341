/*
 * One worker process, or filter, as its parent sees it: started, killed, waited for.
 *
 * The child holds its own descriptors and no others, has default signals, and dies with its parent
 * even while it spins. The parent reaps this child only, and takes "no such child" for an answer:
 * hosts may ignore SIGCHLD or wait for everything themselves.
 */
#ifndef TM_PIPELINE_PROCESS_H
#define TM_PIPELINE_PROCESS_H

#include <sys/types.h>

#include "base/err.h"
#include "script/script.h"

struct process {
    pid_t pid; /* 0: none */
    int pidfd; /* -1: none (kernels before 5.3) */
    int in;    /* write end of its input, non-blocking */
    int out;   /* read end of its output, non-blocking */
    int life;  /* closing it kills the child */
};

#define ROLE_FORK_SERVER "fork-server"

struct process_config {
    const char *role; /* NULL: a worker; or ROLE_FORK_SERVER, or a filter's name (filter_main.h) */
    bool exec;        /* run the worker program; otherwise fork where that is safe */
    const char *program; /* path of the worker program, NULL: look for it */
    int log_fd;          /* becomes the child's 1 and 2; -1: /dev/null */
    size_t pipe_size;    /* asked for; what the system gives is fine */
    bool little;         /* a forked worker has little to do, and takes small pages (region.h) */
    const struct script_function *functions;
    size_t functions_n;
};

void tm_process_init(struct process *p);

/* Fork (or fork and execute) it. E_WORKER with what was refused. */
int tm_process_start(struct process *p, const struct process_config *config, err *e);

/* SIGKILL, if it is still there, to it and to what it has started in its process group. */
void tm_process_kill(struct process *p);

/* Send it a signal that it listens to. */
void tm_process_signal(const struct process *p, int number);

/*
 * Wait until it is gone and close everything. *status is as waitpid gives it, -1 when somebody
 * else has reaped it. Blocks until the process ends: kill it first, or know that it is ending.
 */
void tm_process_wait(struct process *p, int *status);

/* Does it end by itself within so many ms? Yes, where the system cannot tell (kernels before 5.3). */
bool tm_process_ends(const struct process *p, int ms);

/* Is it a child of ours that was not reaped, whether it lives or not? */
bool tm_process_is_ours(const struct process *p);

/* Has somebody stopped it (SIGSTOP)? */
bool tm_process_is_stopped(const struct process *p);

/* How it ended, in words: "was killed by signal 9 (Killed)", "exited with status 3". */
void tm_process_describe(int status, char *text, size_t size);

/* In the child: be killed when the other end of WORKER_FD_LIFE closes. False: it is closed now. */
bool tm_process_watch_parent(void);

#endif
