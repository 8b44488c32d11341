/*
 * The worker as a program of its own (isolation: exec, and hosts with threads), and the filters:
 * `tidemill-worker NAME` is the one of that name. Descriptors are laid out by whoever started it;
 * see worker.h and filter_main.h.
 */
#include <fcntl.h>

#include "pipeline/filter_main.h"
#include "pipeline/process.h"
#include "pipeline/worker.h"

int main(int argc, char **argv)
{
    for (int fd = WORKER_FD_IN; fd <= WORKER_FD_LIFE; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return 2; /* started by hand: there is nobody to talk to */
    if (!tm_process_watch_parent())
        return 2;
    return argc > 1 ? tm_filter_main(argv[1], WORKER_FD_IN, WORKER_FD_OUT, FILTER_FD_REPORT)
                    : tm_worker_main(NULL, 0);
}
