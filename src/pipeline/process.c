/*
 * The life of worker processes, and their ends, as their parent sees them. How they start: process_start.c.
 */
#include "pipeline/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/worker.h"

void tm_process_init(struct process *p)
{
    *p = (struct process){.pidfd = -1, .in = -1, .out = -1, .life = -1};
}

bool tm_process_watch_parent(void)
{
    struct pollfd life = {tm_worker_ends.life, 0, 0};
    if (fcntl(life.fd, F_SETOWN, getpid()) < 0 || fcntl(life.fd, F_SETSIG, SIGKILL) < 0 ||
        fcntl(life.fd, F_SETFL, O_ASYNC) < 0)
        return false;
    /* It may have closed before anybody listened. */
    return poll(&life, 1, 0) == 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2) /* Linux 6.9 */
#endif

/* Waits for nothing and takes nothing away; false when it is no child of ours (any more). */
static bool ask(const struct process *p, int what, siginfo_t *info)
{
    idtype_t by = p->pidfd >= 0 ? P_PIDFD : P_PID;
    id_t id = (id_t)(p->pidfd >= 0 ? p->pidfd : p->pid);
    *info = (siginfo_t){0};
    return p->pid > 0 && waitid(by, id, info, what | WNOHANG | WNOWAIT) == 0;
}

/*
 * The group is known by a number alone on older kernels. Where the host has reaped the process, the
 * number may be somebody else's by now.
 */
static void kill_group(const struct process *p)
{
    siginfo_t info;
    long sent = -1;
    errno = EINVAL;
    if (p->pidfd >= 0)
        sent = syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, PIDFD_SIGNAL_PROCESS_GROUP);
    if (sent < 0 && errno == EINVAL && ask(p, WEXITED, &info))
        kill(-p->pid, SIGKILL);
}

void tm_process_kill(struct process *p)
{
    /* That does it too, where the host is another user by now. */
    close_fd(&p->life);
    kill_group(p);
    if (p->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
    else if (p->pid > 0)
        kill(p->pid, SIGKILL);
}

void tm_process_signal(const struct process *p, int number)
{
    if (p->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0);
    else if (p->pid > 0)
        kill(p->pid, number);
}

/* waitid on the pidfd cannot meet another process of the same number. */
static int wait_pidfd(int pidfd)
{
    siginfo_t info = {0};
    int got;
    do
        got = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
}

static int wait_pid(pid_t pid)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -1 : status;
}

void tm_process_wait(struct process *p, int *status)
{
    /* -1 is ECHILD as well: the host reaps or ignores children. */
    *status = -1;
    close_fd(&p->in);
    close_fd(&p->out);
    if (p->pidfd >= 0)
        *status = wait_pidfd(p->pidfd);
    else if (p->pid > 0)
        *status = wait_pid(p->pid);
    close_fd(&p->life);
    close_fd(&p->pidfd);
    tm_process_init(p);
}

bool tm_process_is_ours(const struct process *p)
{
    siginfo_t info;
    return ask(p, WEXITED, &info);
}

bool tm_process_is_stopped(const struct process *p)
{
    siginfo_t info;
    return ask(p, WSTOPPED, &info) && info.si_pid;
}

bool tm_process_ends(const struct process *p, int ms)
{
    int64_t left, end = clock_now() + (int64_t)ms * 1000000;
    struct pollfd over = {p->pidfd, POLLIN, 0};
    int got = p->pidfd < 0;
    while (got <= 0 && (left = end - clock_now()) > 0)
        got = poll(&over, 1, (int)(left / 1000000) + 1);
    return got > 0;
}

void tm_process_describe(int status, char *text, size_t size)
{
    if (status == -1)
        snprintf(text, size, "ended");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == WORKER_EXIT_MEMORY)
        snprintf(text, size, "ran out of memory (limits.memory)");
    else if (WEXITSTATUS(status) >= 125 && WEXITSTATUS(status) <= 127)
        snprintf(text, size, "could not start (exit status %d)", WEXITSTATUS(status));
    else
        snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}
