/*
 * Starting worker processes. Between fork and exec (or the worker's main) only async-signal-safe calls are
 * made: the host may have threads that held locks.
 */
#include "pipeline/process_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/large.h"
#include "base/sanitized.h"
#include "pipeline/filter_main.h"
#include "pipeline/fork_server.h"
#include "pipeline/worker.h"

#ifndef TIDEMILL_WORKER_PATH
#define TIDEMILL_WORKER_PATH "/usr/local/libexec/tidemill/tidemill-worker"
#endif

/* It calls little but the system, whose calls may be looked up first. */
#define CHILD_STACK ((size_t)32 << 10)

static bool is_fork_server(const struct process_config *config)
{
    return config->role && strcmp(config->role, ROLE_FORK_SERVER) == 0;
}

/* ---- In the child ---- */

static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL); /* refused for SIGKILL and SIGSTOP, rightly */
}

/* Everything from `first` on, without /proc if need be. */
static void close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0)
        return;
    struct rlimit limit;
    int max = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20
                  ? (int)limit.rlim_cur
                  : 1 << 20;
    for (int fd = first; fd < max; fd++)
        close(fd);
}

/* Everything but these: what the host has open must not be what the child has no room for. */
static void close_others(const int *kept, size_t n)
{
    for (int first = 0, next; first < INT_MAX; first = next + 1) {
        next = INT_MAX;
        for (size_t i = 0; i < n; i++)
            if (kept[i] >= first && kept[i] < next)
                next = kept[i];
        if (next > first)
            syscall(SYS_close_range, (unsigned)first, (unsigned)next - 1, 0);
        if (next == INT_MAX)
            return;
    }
}

/* Lay out 0 .. 5 as worker.h says. Sources are moved out of the way first. */
static bool lay_out(const struct pipes *pipes, int log_fd)
{
    const int kept[] = {log_fd, pipes->in[0], pipes->out[1], pipes->life[0]};
    close_others(kept, sizeof kept / sizeof *kept);
    const int targets[] = {0, 1, 2, WORKER_FD_IN, WORKER_FD_OUT, WORKER_FD_LIFE};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int sources[6];
    if (null < 0)
        return false;
    int log = log_fd >= 0 ? log_fd : null;
    const int wanted[] = {null, log, log, pipes->in[0], pipes->out[1], pipes->life[0]};
    for (int i = 0; i < 6; i++)
        if ((sources[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, WORKER_FD_LIFE + 1)) < 0)
            return false;
    for (int i = 0; i < 6; i++)
        if (dup2(sources[i], targets[i]) < 0)
            return false;
    close_from(WORKER_FD_LIFE + 1);
    return true;
}

static bool prepare_child(const struct pipes *pipes, int log_fd)
{
    struct rlimit none = {0, 0};
    sigset_t empty;
    setrlimit(RLIMIT_CORE, &none);
    if (!lay_out(pipes, log_fd))
        return false;
    default_signals();
    /* A group of its own: the terminal's Ctrl-C is for the parent to answer, and what a script has
       started can be ended together with the worker. */
    setpgid(0, 0);
    sigemptyset(&empty);
    return sigprocmask(SIG_SETMASK, &empty, NULL) == 0;
}

/* Functions of the host know its descriptors by their numbers: those are closed, and not ours now. */
static bool move_ends(const int *places)
{
    int *ends[] = {&tm_worker_ends.in, &tm_worker_ends.out, &tm_worker_ends.life};
    for (int i = 0; i < ENDS; i++) {
        if (dup3(*ends[i], places[i], O_CLOEXEC) < 0)
            return false;
        close(*ends[i]);
        *ends[i] = places[i];
    }
    return true;
}

/* What the child is told. */
struct start {
    const struct pipes *pipes;
    const struct process_config *config;
    const char *program; /* to execute; NULL: none */
    const int *places;   /* of its ends at last; NULL: where they are at first */
};

int tm_process_main(const struct process_config *config)
{
    if (!tm_process_watch_parent())
        return 125;
    if (config->role && !is_fork_server(config))
        return tm_filter_main(config->role, WORKER_FD_IN, WORKER_FD_OUT, FILTER_FD_REPORT);
    int status = tm_worker_prepare(config->little);
    if (status)
        return status;
    return config->role ? tm_fork_server_main()
                        : tm_worker_main(config->functions, config->functions_n);
}

/* What the host had buffered is the host's to read and to write. Where it has nothing to write, the page stays shared. */
static void drop_buffered(void)
{
    FILE *const streams[] = {stdout, stderr};
    __fpurge(stdin);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (__fpending(streams[i]))
            __fpurge(streams[i]);
}

void tm_process_leave(int status)
{
    if (__fpending(stdout))
        fflush(stdout);
    _exit(status);
}

static int __attribute__((noreturn)) child(void *data)
{
    const struct start *start = data;
    const struct process_config *config = start->config;
    if (!prepare_child(start->pipes, config->log_fd))
        _exit(126);
    if (start->program) {
        char *const argv[] = {(char[]){"tidemill-worker"}, (char *)(uintptr_t)config->role, NULL};
        execv(start->program, argv);
        _exit(127);
    }
    for (int fd = WORKER_FD_IN; fd <= WORKER_FD_LIFE; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    /* The parent may be a worker too, with ends elsewhere: a host's function may run a job of its own. */
    tm_worker_ends = (struct worker_ends){WORKER_FD_IN, WORKER_FD_OUT, WORKER_FD_LIFE};
    if (start->places && !move_ends(start->places))
        _exit(126);
    drop_buffered();
    tm_process_leave(tm_process_main(config));
}

/* ---- In the parent ---- */

/* Is there one thread only? Where /proc cannot be read, nobody knows. */
static bool single_threaded(void)
{
    /* Each has a folder there, which links to it as any does to its parent; so do `.` and its own name. */
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == 3;
}

/*
 * Numbers for a worker's ends that no descriptor of ours has, behind those that they have at first. Of many
 * descriptors the first are looked at.
 */
static bool find_places(int *places)
{
    bool used[4096] = {false};
    struct rlimit limit;
    DIR *open_now = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = 0;
    while (open_now && (entry = readdir(open_now))) {
        long fd = entry->d_name[0] == '.' ? -1 : strtol(entry->d_name, NULL, 10);
        if (fd >= 0 && fd < (long)(sizeof used / sizeof *used))
            used[fd] = true;
    }
    if (!open_now || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        limit.rlim_cur = 0;
    if (open_now)
        closedir(open_now);
    for (int fd = WORKER_FD_LIFE + 1; found < ENDS && fd < (int)(sizeof used / sizeof *used); fd++)
        if (!used[fd] && (rlim_t)fd < limit.rlim_cur)
            places[found++] = fd;
    return found == ENDS;
}

/* A name beside (or near) the program that runs now. */
static bool beside_self(char *path, size_t size, const char *name)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = slash ? size - (size_t)(slash + 1 - path) : 0;
    if (!slash || strlen(name) >= room)
        return false;
    memcpy(slash + 1, name, strlen(name) + 1);
    return access(path, X_OK) == 0;
}

/* The worker program: by option, by environment, as installed, as built. */
static int find_program(const struct process_config *config, char *path, size_t size, err *e)
{
    const char *named = config->program ? config->program : getenv("TIDEMILL_WORKER");
    if (named) {
        if (strlen(named) >= size || access(named, X_OK) != 0)
            return tm_err_errno(e, TIDEMILL_E_WORKER, errno,
                                "cannot execute the worker program '%s'", named);
        memcpy(path, named, strlen(named) + 1);
        return TIDEMILL_OK;
    }
    if (beside_self(path, size, "tidemill-worker") ||
        beside_self(path, size, "../libexec/tidemill/tidemill-worker"))
        return TIDEMILL_OK;
    if (access(TIDEMILL_WORKER_PATH, X_OK) == 0) {
        snprintf(path, size, "%s", TIDEMILL_WORKER_PATH);
        return TIDEMILL_OK;
    }
    return tm_err_set(e, TIDEMILL_E_WORKER,
                      "the worker program is not at '%s' (set TIDEMILL_WORKER to its path)",
                      TIDEMILL_WORKER_PATH);
}

void tm_pipes_close(const struct pipes *pipes)
{
    const int *all[] = {pipes->in, pipes->out, pipes->life};
    for (int i = 0; i < ENDS; i++)
        for (int end = 0; end < 2; end++)
            if (all[i][end] >= 0)
                close(all[i][end]);
}

static const char *kind_of(const struct process_config *config)
{
    if (!config->role)
        return "a worker";
    return is_fork_server(config) ? "a fork server" : "a filter";
}

/* Whoever is asked to fork is handed descriptors. */
static int open_in(int *in, const struct process_config *config)
{
    if (is_fork_server(config))
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, in);
    return pipe2(in, O_CLOEXEC);
}

int tm_pipes_open(struct pipes *pipes, const struct process_config *config, err *e)
{
    *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (open_in(pipes->in, config) || pipe2(pipes->out, O_CLOEXEC) ||
        pipe2(pipes->life, O_CLOEXEC) || fcntl(pipes->in[1], F_SETFL, O_NONBLOCK) ||
        fcntl(pipes->out[0], F_SETFL, O_NONBLOCK)) {
        int number = errno;
        tm_pipes_close(pipes);
        return tm_err_errno(e, TIDEMILL_E_WORKER, number, "cannot make the pipes of %s",
                            kind_of(config));
    }
    /* EPERM where the user's pipe pages are spent: any capacity will do. */
    (void)!fcntl(pipes->in[1], F_SETPIPE_SZ, (int)config->pipe_size);
    (void)!fcntl(pipes->out[0], F_SETPIPE_SZ, (int)config->pipe_size);
    return TIDEMILL_OK;
}

void tm_pipes_keep(struct pipes *pipes, struct process *p)
{
    p->in = pipes->in[1];
    p->out = pipes->out[0];
    p->life = pipes->life[1];
    pipes->in[1] = pipes->out[0] = pipes->life[1] = -1;
    tm_pipes_close(pipes);
}

/* A fork that does not get the buffers of this process. */
static pid_t fork_worker(struct start *start)
{
    tm_large_hide();
    pid_t pid = fork();
    if (pid == 0) {
        tm_large_forget();
        child(start);
    }
    int number = errno;
    tm_large_show();
    errno = number;
    return pid;
}

/*
 * Who executes a program needs no copy of this process, which copying would slow down for long after.
 * It borrows the memory until then, on a stack of its own, while this thread waits, as under
 * posix_spawn(3), which has no way to lay out descriptors with O_ASYNC and limits. It makes system calls
 * only.
 */
static pid_t start_program(struct start *start)
{
    _Alignas(64) char stack[CHILD_STACK];
    pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
    sanitized_forget(stack, sizeof stack);
    return pid;
}

int tm_process_start(struct process *p, const struct process_config *config, err *e)
{
    char program[4096];
    struct pipes pipes;
    sigset_t all, before;
    bool exec = config->exec || !single_threaded();
    if (exec && config->functions_n)
        return tm_err_set(e, TIDEMILL_E_WORKER,
                          "the host's own functions need a forked worker, and this process cannot "
                          "fork one safely: it has several threads");
    if (exec && find_program(config, program, sizeof program, e) != TIDEMILL_OK)
        return TIDEMILL_E_WORKER;
    int places[ENDS];
    bool moves = config->functions_n > 0;
    if (moves && !find_places(places))
        return tm_err_errno(e, TIDEMILL_E_WORKER, EMFILE, "cannot make the pipes of %s",
                            kind_of(config));
    if (tm_pipes_open(&pipes, config, e) != TIDEMILL_OK)
        return TIDEMILL_E_WORKER;
    /* No handler of the host's may run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct start start = {&pipes, config, exec ? program : NULL, moves ? places : NULL};
    pid_t pid = exec ? start_program(&start) : fork_worker(&start);
    int number = errno;
    /* Before a handler of the host's may reap it, and its number is another's: as far as it is not gone
       already, because it could not execute its program and the host ignores its children. */
    int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    bool gone = pid > 0 && pidfd < 0 && errno == ESRCH;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        tm_pipes_close(&pipes);
        return tm_err_errno(e, TIDEMILL_E_WORKER, number, "cannot fork %s", kind_of(config));
    }
    p->pid = gone ? 0 : pid;
    p->pidfd = pidfd;
    tm_pipes_keep(&pipes, p);
    return TIDEMILL_OK;
}
