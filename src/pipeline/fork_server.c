/*
 * The fork server and its parent's side.
 *
 * A worker is in the server's process group until its parent knows of it, and gives it a group of its own. So the
 * parent of a server that is gone, or to be killed, can find whoever it forked at last.
 */
#include "pipeline/fork_server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/process_start.h"
#include "pipeline/worker.h"

#define ANSWER_NS  1000000000
#define LOOK_MS    10
#define FUTILE_MAX 4
/* What this process may have at least, of which half the descriptors are left. */
#define FILES_MIN     64
#define PROCESSES_MIN 256

/* ---- Messages: a number and descriptors ---- */

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(ENDS * sizeof(int))];
};

static bool send_message(int socket, int number, const int *fds, size_t n)
{
    union control control = {0};
    struct iovec bytes = {&number, sizeof number};
    struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};
    ssize_t sent;
    if (n) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n * sizeof *fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof *fds);
        memcpy(CMSG_DATA(c), fds, n * sizeof *fds);
    }
    do
        sent = sendmsg(socket, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof number;
}

/* False unless there are `n` of them, one at least: what came is closed then. */
static bool receive_message(int socket, int *number, int *fds, size_t n)
{
    union control control = {0};
    struct iovec bytes = {number, sizeof *number};
    struct msghdr m = {.msg_iov = &bytes,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t got;
    do
        got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    const struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&m);
    bool any = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
    size_t came = any ? (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds : 0;
    if (got == (ssize_t)sizeof *number && came == n) {
        memcpy(fds, CMSG_DATA(c), n * sizeof *fds);
        return true;
    }
    for (size_t i = 0; i < came; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        close(fd);
    }
    return false;
}

/* ---- In the server ---- */

/*
 * As fork(3), but for whose child it is. What fork(3) does in the child for the C library is the kernel's to do or
 * done here: where the number of the thread is kept, and the list of mutexes that are freed when it dies.
 */
static pid_t fork_sibling(int *pidfd)
{
    int *number = NULL;
    void *mutexes = NULL;
    size_t size = 0;
#ifdef __GLIBC__ /* another may keep something else there */
    prctl(PR_GET_TID_ADDRESS, &number);
    syscall(SYS_get_robust_list, 0, &mutexes, &size);
#endif
    /* The signal at its end is the server's own, SIGCHLD. */
    struct clone_args args = {
        .flags = CLONE_PARENT | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .child_tid = (uintptr_t)number,
    };
    if (number)
        args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, CLONE_ARGS_SIZE_VER0);
    if (pid == 0 && mutexes)
        syscall(SYS_set_robust_list, mutexes, size);
    return pid;
}

static _Noreturn void live(const struct worker_ends *ends)
{
    tm_worker_ends = *ends;
    tm_process_leave(tm_process_watch_parent() ? tm_worker_main(NULL, 0) : WORKER_EXIT_LOST);
}

int tm_fork_server_main(void)
{
    int ends[ENDS], pidfd, number;
    /* The lowest numbers that are free are those of a worker's ends, which come in this order. */
    int socket = fcntl(tm_worker_ends.in, F_DUPFD_CLOEXEC, WORKER_FD_LIFE + 1);
    int life = fcntl(tm_worker_ends.life, F_DUPFD_CLOEXEC, WORKER_FD_LIFE + 1);
    close(WORKER_FD_IN);
    close(WORKER_FD_OUT);
    close(WORKER_FD_LIFE);
    while (receive_message(socket, &number, ends, ENDS)) {
        pid_t pid = fork_sibling(&pidfd);
        if (pid == 0) {
            close(socket);
            close(life);
            live(&(struct worker_ends){ends[0], ends[1], ends[2]});
        }
        bool told = pid < 0 ? send_message(socket, -errno, NULL, 0)
                            : send_message(socket, pid, &pidfd, 1);
        for (int i = 0; i < ENDS; i++)
            close(ends[i]);
        if (pid > 0)
            close(pidfd);
        if (!told)
            break;
    }
    return 0;
}

/* ---- In the parent ---- */

void tm_fork_server_init(struct fork_server *s)
{
    *s = (struct fork_server){0};
    tm_process_init(&s->process);
}

/*
 * Whoever it has forked and not told of is in its group, and dies with it. All are our children, and are reaped
 * before its number can be another's: unless it is not ours (any more), as the host reaps for itself.
 */
void tm_fork_server_release(struct fork_server *s)
{
    siginfo_t info;
    int status;
    tm_process_kill(&s->process);
    if (tm_process_is_ours(&s->process))
        while (waitid(P_PGID, (id_t)s->process.pid, &info, WEXITED) == 0 || errno == EINTR)
            continue;
    tm_process_wait(&s->process, &status);
}

bool tm_fork_server_resign(struct fork_server *s)
{
    bool was = s->process.life >= 0;
    s->hopeless = true;
    tm_fork_server_release(s);
    return was;
}

/* Where there is little room for them, descriptors and processes are for those who do the work. */
static bool is_room(const struct fork_server *s)
{
    struct rlimit files, processes;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 && getrlimit(RLIMIT_NPROC, &processes) == 0 &&
           files.rlim_cur >= FILES_MIN &&
           (rlim_t)s->process.life < files.rlim_cur - FILES_MIN / 2 &&
           processes.rlim_cur >= PROCESSES_MIN;
}

static bool begin_server(struct fork_server *s, const struct process_config *config)
{
    struct process_config own = *config;
    err ignored = {0};
    own.role = ROLE_FORK_SERVER;
    if (tm_process_start(&s->process, &own, &ignored) != TIDEMILL_OK)
        return false;
    if (!is_room(s))
        tm_fork_server_resign(s);
    return !s->hopeless;
}

/* Wait until something can be read; false when it takes too long, or somebody has stopped the server. */
static bool await_answer(const struct fork_server *s)
{
    struct pollfd in = {s->process.in, POLLIN, 0};
    int64_t end = clock_now() + ANSWER_NS;
    int ready = poll(&in, 1, LOOK_MS);
    while (ready <= 0 && clock_now() < end && !tm_process_is_stopped(&s->process))
        ready = poll(&in, 1, LOOK_MS);
    return ready > 0;
}

/*
 * A worker that is a child of ours, in a group of its own from now on. It does not run a script before it is told its
 * job: whatever that starts is in the new group. (A program around the worker's may have it for a child instead.)
 */
static bool take_answer(int socket, struct process *p)
{
    int number, pidfd;
    if (!receive_message(socket, &number, &pidfd, 1))
        return false;
    if (number > 0 && setpgid(number, number) == 0) {
        p->pid = number;
        p->pidfd = pidfd;
        return true;
    }
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    close(pidfd);
    return false;
}

/*
 * It does not answer, or says that it cannot. One that was killed is replaced when the next is needed, as a worker
 * would be: unless none ever works, or this one was stopped or hangs, which takes time to see.
 */
static void give_up(struct fork_server *s, bool silent)
{
    s->futile++;
    s->hopeless = silent || s->futile == FUTILE_MAX;
    tm_fork_server_release(s);
}

bool tm_fork_server_start(struct fork_server *s, struct process *p,
                          const struct process_config *config)
{
    struct pipes pipes;
    err ignored = {0};
    /* Functions of the host are to see its memory as it is now. */
    if (s->hopeless || config->functions_n)
        return false;
    if (s->process.life < 0 && !begin_server(s, config))
        return false;
    if (tm_pipes_open(&pipes, config, &ignored) != TIDEMILL_OK)
        return false;
    const int ends[ENDS] = {pipes.in[0], pipes.out[1], pipes.life[0]};
    bool sent = send_message(s->process.in, 0, ends, ENDS);
    bool answered = sent && await_answer(s);
    if (!answered || !take_answer(s->process.in, p)) {
        tm_pipes_close(&pipes);
        give_up(s, sent && !answered);
        return false;
    }
    s->futile = 0;
    tm_pipes_keep(&pipes, p);
    return true;
}
