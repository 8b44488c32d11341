/*
 * The worker as a program of its own (isolation: exec, and hosts with threads). Its descriptors are
 * laid out by whoever started it; see worker.h.
 */
#include <fcntl.h>

#include "pipeline/process.h"
#include "pipeline/worker.h"

int main(void)
{
    for (int fd = WORKER_FD_IN; fd <= WORKER_FD_LIFE; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return 2; /* started by hand: there is nobody to talk to */
    if (!tm_process_watch_parent())
        return 2;
    return tm_worker_main(NULL, 0);
}
