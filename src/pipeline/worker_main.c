/*
 * The worker as a program of its own (isolation: exec, and hosts with threads). `tidemill-worker ROLE` is
 * something else instead: a filter, or a fork server. Descriptors are laid out by whoever started it; see
 * worker.h, filter_main.h and fork_server.h.
 */
#include <fcntl.h>

#include "pipeline/process_start.h"
#include "pipeline/worker.h"

int main(int argc, char **argv)
{
    for (int fd = WORKER_FD_IN; fd <= WORKER_FD_LIFE; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return 2; /* started by hand: there is nobody to talk to */
    return tm_process_main(&(struct process_config){.role = argc > 1 ? argv[1] : NULL});
}
