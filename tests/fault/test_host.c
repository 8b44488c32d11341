/*
 * The library as a guest: what it leaves of a host's stdio, signals, children, descriptors and
 * files, whatever happens to a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lua.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../left.h"
#include "tidemill.h"

static char folder[] = "/tmp/tidemill-host.XXXXXX";

/* ---- One run, as told by a row ---- */

enum { OPTIONS_MAX = 6 };

struct setting {
    const char *key, *value;
};

struct work {
    const char *script; /* the whole of it */
    struct setting settings[OPTIONS_MAX];
    const char *input;                   /* path, else... */
    tidemill_read_fn read;               /* ... a callback, else records() */
    tidemill_write_fn write;             /* callback, else... */
    int fd;                              /* ... a descriptor, else output.path */
    int (*function)(struct lua_State *); /* becomes tidemill.host.act */
    int steps;                           /* give up after so many, 0: go on to the end */
    int stop;                            /* ask it to stop after so many steps */
    int log_fd;                          /* of workers, 0: none */
    bool pool;
    int status; /* wanted */
};

static const char keep[] = "return function(r) return r end";

/* Records {"x":1} .. {"x":3000}. */
struct records {
    int next;
};

static ptrdiff_t records(void *context, char *data, size_t size)
{
    struct records *r = context;
    size_t n = 0;
    while (r->next < 3000 && size - n > 32)
        n += (size_t)snprintf(data + n, size - n, "{\"x\":%d}\n", ++r->next);
    return (ptrdiff_t)n;
}

static int swallow(void *context, const char *data, size_t length)
{
    (void)data;
    *(size_t *)context += length;
    return 0;
}

static int configure(tidemill_job *job, const struct work *w, tidemill_error *e)
{
    int status = tidemill_job_set(job, "transform.inline", w->script, e);
    if (status == TIDEMILL_OK)
        status = tidemill_job_set(job, "input.format", "jsonl", e);
    for (int i = 0; i < OPTIONS_MAX && status == TIDEMILL_OK && w->settings[i].key; i++)
        status = tidemill_job_set(job, w->settings[i].key, w->settings[i].value, e);
    if (status == TIDEMILL_OK && w->log_fd)
        status = tidemill_job_log_fd(job, w->log_fd, e);
    if (status == TIDEMILL_OK && w->function)
        status = tidemill_job_register(job, "act", w->function, e);
    return status == TIDEMILL_OK ? tidemill_job_open(job, e) : status;
}

static int connect_run(tidemill_run *run, const struct work *w, struct records *source, size_t *got,
                       tidemill_error *e)
{
    int status = w->input ? tidemill_run_input_path(run, w->input, e)
                          : tidemill_run_input_callback(run, w->read ? w->read : records, source,
                                                        "records", e);
    if (status == TIDEMILL_OK && w->write)
        status = tidemill_run_output_callback(run, w->write, got, e);
    if (status == TIDEMILL_OK && w->fd)
        status = tidemill_run_output_fd(run, w->fd, e);
    return status;
}

static int drive(tidemill_run *run, const struct work *w, tidemill_error *e)
{
    int status = TIDEMILL_AGAIN;
    for (int step = 1; status == TIDEMILL_AGAIN && (!w->steps || step <= w->steps); step++) {
        if (step == w->stop)
            tidemill_run_stop(run);
        status = tidemill_run_step(run, -1, e);
    }
    return status;
}

/* The status of a whole run; *got counts the bytes that callbacks took. */
static int work(const struct work *w, size_t *got, tidemill_error *e)
{
    struct records source = {0};
    tidemill_job *job = tidemill_job_new();
    tidemill_pool *pool = NULL;
    tidemill_run *run = NULL;
    int status = configure(job, w, e);
    if (status == TIDEMILL_OK && w->pool && !(pool = tidemill_pool_new(job, e)))
        status = e->status;
    if (status == TIDEMILL_OK && !(run = tidemill_run_new(job, pool, e)))
        status = e->status;
    if (status == TIDEMILL_OK)
        status = connect_run(run, w, &source, got, e);
    if (status == TIDEMILL_OK)
        status = drive(run, w, e);
    tidemill_run_free(run);
    int ended = tidemill_pool_free(pool, status == TIDEMILL_OK ? e : NULL);
    tidemill_job_free(job);
    return status == TIDEMILL_OK ? ended : status;
}

static void expect(const struct work *w, int wanted)
{
    tidemill_error e = {0};
    size_t got = 0;
    int status = work(w, &got, &e);
    if (status != wanted)
        fail_msg("%s: %s (%s)", w->script, tidemill_status_name(status), e.message);
}

/* ---- What is left ---- */

/* The folder holds these names, separated by spaces. */
static void files_are(const char *wanted)
{
    struct dirent **entries;
    char seen[1024] = "";
    size_t used = 0;
    int n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' || strlen(entries[i]->d_name) > 2) {
            used += (size_t)snprintf(seen + used, sizeof seen - used, "%s ", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    assert_string_equal(seen, wanted);
}

static ptrdiff_t read_fails(void *context, char *data, size_t size)
{
    ptrdiff_t n = records(context, data, size);
    errno = EIO;
    return n ? n : -1;
}

static int write_fails(void *context, const char *data, size_t length)
{
    size_t *got = context;
    (void)data;
    *got += length;
    errno = EIO;
    return *got > 10000 ? -1 : 0;
}

/* Every way in which a run can go, and the status that it then has. */
static const struct work ways[] = {
    {keep, .write = swallow},
    {keep, .settings = {{"workers", "5"}, {"chunk", "100B"}}, .write = swallow},
    {keep, .settings = {{"output.path", "out.jsonl"}}},
    {keep, .settings = {{"output.path", "out.jsonl"}}, .pool = true},
    {"return nothing at all", .write = swallow, .status = TIDEMILL_E_SCRIPT},
    {"return 5", .write = swallow, .status = TIDEMILL_E_SCRIPT},
    {"return function(r) error('x') end", .settings = {{"output.path", "out.jsonl"}},
     .status = TIDEMILL_E_SCRIPT},
    {"return function(r) if r.x > 2000 then error('x') end return r end",
     .settings = {{"output.path", "out.jsonl"}, {"workers", "3"}, {"chunk", "1B"}},
     .status = TIDEMILL_E_SCRIPT},
    {"return function(r) if r.x > 2000 then error('x') end return r end",
     .settings = {{"workers", "3"}}, .write = swallow, .pool = true, .status = TIDEMILL_E_SCRIPT},
    {"return function(r) error('x') end",
     .settings = {{"errors.policy", "quarantine"}, {"errors.quarantine", "no/folder/q"}},
     .write = swallow, .status = TIDEMILL_E_OUTPUT},
    {"return function(r) error('x') end",
     .settings = {{"errors.policy", "skip"}, {"errors.max", "100"}}, .write = swallow,
     .status = TIDEMILL_E_TOO_MANY},
    {"return {setup = function() error('x') end, record = function(r) return r end}",
     .write = swallow, .status = TIDEMILL_E_SCRIPT},
    {"return {setup = function() os.exit(3) end, record = function(r) return r end}",
     .write = swallow, .status = TIDEMILL_E_WORKER},
    {"return {teardown = function() error('x') end, record = function(r) return r end}",
     .settings = {{"output.path", "out.jsonl"}}, .status = TIDEMILL_E_SCRIPT},
    {"return {teardown = function() error('x') end, record = function(r) return r end}",
     .write = swallow, .pool = true, .status = TIDEMILL_E_SCRIPT},
    {"return function(r) if r.x == 9 then os.exit(3) end return r end",
     .settings = {{"output.path", "out.jsonl"}}, .status = TIDEMILL_E_WORKER},
    {keep, .input = "not/there", .write = swallow, .status = TIDEMILL_E_INPUT},
    {keep, .input = "/", .write = swallow, .status = TIDEMILL_E_INPUT},
    {keep, .read = read_fails, .write = swallow, .status = TIDEMILL_E_INPUT},
    {keep, .write = write_fails, .status = TIDEMILL_E_OUTPUT},
    {keep, .settings = {{"output.path", "no/folder/out"}}, .status = TIDEMILL_E_OUTPUT},
    {keep, .settings = {{"output.path", "/dev/full"}}, .status = TIDEMILL_E_OUTPUT},
    {keep, .settings = {{"output.path", "out.jsonl"}, {"limits.result_size", "3B"}},
     .status = TIDEMILL_E_WRITE},
    {keep, .settings = {{"output.path", "out.jsonl"}, {"limits.record_size", "3B"}},
     .status = TIDEMILL_E_RECORD},
    {keep, .settings = {{"output.path", "out.jsonl"}, {"chunk", "1B"}, {"workers", "2"}},
     .stop = 20, .status = TIDEMILL_E_STOPPED},
    {keep, .settings = {{"chunk", "1B"}}, .write = swallow, .steps = 1, .status = TIDEMILL_AGAIN},
    {keep, .settings = {{"output.path", "out.jsonl"}, {"chunk", "1B"}, {"workers", "4"}},
     .steps = 30, .status = TIDEMILL_AGAIN},
    {keep, .settings = {{"chunk", "1B"}}, .write = swallow, .steps = 9, .pool = true,
     .status = TIDEMILL_AGAIN},
    {"return function(r) while true do end end", .settings = {{"workers", "2"}, {"chunk", "1B"}},
     .write = swallow, .steps = 3, .status = TIDEMILL_AGAIN},
};

static void nothing_is_left(const char *isolation)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct work w = ways[i];
        int n = 0;
        while (w.settings[n].key)
            n++;
        w.settings[n] = (struct setting){"isolation", isolation};
        int before = open_descriptors();
        for (int again = 0; again < 2; again++)
            expect(&w, w.status);
        if (open_descriptors() != before)
            fail_msg("descriptors are left by way %zu: %s", i, w.script);
        assert_false(has_children());
        unlink("out.jsonl");
        files_are("");
    }
}

static void test_nothing_is_left_by_forked(void **state)
{
    (void)state;
    nothing_is_left("fork");
}

static void test_nothing_is_left_by_executed(void **state)
{
    (void)state;
    nothing_is_left("exec");
}

static void test_failed_output_is_untouched(void **state)
{
    (void)state;
    char seen[64] = "";
    FILE *file = fopen("out.jsonl", "w");
    fputs("what was there", file);
    fclose(file);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (ways[i].status == TIDEMILL_OK || ways[i].write ||
            strcmp(ways[i].settings[0].value, "out.jsonl") != 0)
            continue;
        expect(&ways[i], ways[i].status);
        file = fopen("out.jsonl", "r");
        assert_non_null(fgets(seen, sizeof seen, file));
        fclose(file);
        assert_string_equal(seen, "what was there");
        files_are("out.jsonl ");
    }
    unlink("out.jsonl");
}

/* ---- In a process of its own, as signals and stdio are the whole process's ---- */

static void in_process(int (*act)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(120);
        int result = act();
        _exit(result);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("the host ended with status %#x", (unsigned)status);
}

/* Fails the host with the number of the check that does not hold. */
#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            return 1;                                                       \
        }                                                                   \
    } while (0)

static int whole_run(const struct work *w, int wanted)
{
    tidemill_error e = {0};
    size_t got = 0;
    int status = work(w, &got, &e);
    if (status != wanted)
        fprintf(stderr, "%s (%s)\n", tidemill_status_name(status), e.message);
    return status == wanted;
}

/* Workers' standard output leads to the same file as the host's. */
static int buffered_text(void)
{
    struct work prints = {"return function(r) print(r.x) return r end",
                          .settings = {{"workers", "3"}}, .write = swallow, .log_fd = 1};
    struct work dies = prints;
    char seen[256];
    FILE *other = fopen("other", "w");
    int fd = open("stdout", O_RDWR | O_CREAT | O_TRUNC, 0600);
    dies.script = "return function(r) os.exit(3, true) end";
    CHECK(other && fd >= 0 && dup2(fd, 1) == 1);
    setvbuf(stdout, NULL, _IOFBF, 4096);
    printf("once");
    fprintf(other, "once");
    CHECK(whole_run(&prints, TIDEMILL_OK));
    CHECK(whole_run(&dies, TIDEMILL_E_WORKER));
    CHECK(fflush(stdout) == 0 && fclose(other) == 0);
    CHECK(pread(fd, seen, sizeof seen, 0) == 4 && memcmp(seen, "once", 4) == 0);
    fd = open("other", O_RDONLY);
    CHECK(pread(fd, seen, sizeof seen, 0) == 4);
    return unlink("stdout") | unlink("other");
}

static void test_no_double_flush(void **state)
{
    (void)state;
    in_process(buffered_text);
}

/* What a run may not change: disposition, mask, and what is pending. */
static int broken_output(int fd, bool pending_before)
{
    const struct work w = {keep, .fd = fd};
    struct sigaction action;
    sigset_t set, mask;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (pending_before) {
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGPIPE);
    }
    CHECK(whole_run(&w, TIDEMILL_E_OUTPUT));
    sigpending(&set);
    CHECK(sigismember(&set, SIGPIPE) == pending_before);
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 &&
          sigismember(&mask, SIGPIPE) == pending_before);
    return 0;
}

static int broken_pipe(void)
{
    int fds[2];
    CHECK(pipe(fds) == 0 && close(fds[0]) == 0);
    return broken_output(fds[1], false);
}

static int broken_pipe_pending(void)
{
    int fds[2];
    CHECK(pipe(fds) == 0 && close(fds[0]) == 0);
    return broken_output(fds[1], true);
}

static int broken_socket(void)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && close(fds[0]) == 0);
    return broken_output(fds[1], false);
}

static void test_broken_pipe(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    in_process(broken_pipe);
    in_process(broken_pipe_pending);
    in_process(broken_socket);
}

/* Workers that die while their input is being written, under the default SIGPIPE. */
static int dying_workers(void)
{
    static const struct work w = {"return function(r) os.exit(3) end",
                                  .settings = {{"errors.policy", "skip"}, {"errors.max", "20"}},
                                  .write = swallow};
    return !whole_run(&w, TIDEMILL_E_TOO_MANY);
}

static void test_dying_workers_do_not_hurt(void **state)
{
    (void)state;
    in_process(dying_workers);
}

static const struct work one_dies = {
    "return function(r) if r.x == 9 then os.exit(3) end return r end", .write = swallow};
static const struct work some = {keep, .settings = {{"workers", "3"}, {"chunk", "100B"}},
                                 .write = swallow};

static int children_ignored(void)
{
    signal(SIGCHLD, SIG_IGN);
    CHECK(whole_run(&some, TIDEMILL_OK));
    CHECK(whole_run(&one_dies, TIDEMILL_E_WORKER));
    return dying_workers();
}

static void reap_all(int number)
{
    int error = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = error;
}

static int children_reaped(void)
{
    struct sigaction action = {.sa_handler = reap_all}, after;
    sigaction(SIGCHLD, &action, NULL);
    CHECK(whole_run(&some, TIDEMILL_OK));
    CHECK(whole_run(&one_dies, TIDEMILL_E_WORKER));
    CHECK(sigaction(SIGCHLD, NULL, &after) == 0 && after.sa_handler == reap_all);
    return dying_workers();
}

static int own_child(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    CHECK(whole_run(&some, TIDEMILL_OK));
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    return 0;
}

static void test_children(void **state)
{
    (void)state;
    in_process(children_ignored);
    in_process(children_reaped);
    in_process(own_child);
}

/* ---- Pools whose workers die, or are stopped, between runs ---- */

struct warm {
    tidemill_job *job;
    tidemill_pool *pool;
    pid_t worker; /* idle */
};

static int note_pid(void *context, const char *data, size_t length)
{
    char line[64];
    snprintf(line, sizeof line, "%.*s", (int)length, data);
    return sscanf(line, "{\"x\":1,\"pid\":%d", (int *)context) == 1 ? 0 : -1;
}

static bool warm_up(struct warm *w)
{
    static const struct work told = {
        "local f = io.open('/proc/self/stat') local pid = f:read('n') f:close()\n"
        "return function(r) if r.x > 1 then return nil end r.pid = pid return r end",
        .settings = {{"workers", "1"}}, .write = note_pid};
    struct records source = {0};
    tidemill_error e = {0};
    *w = (struct warm){.job = tidemill_job_new()};
    if (configure(w->job, &told, &e) != TIDEMILL_OK || !(w->pool = tidemill_pool_new(w->job, &e)))
        return false;
    tidemill_run *run = tidemill_run_new(w->job, w->pool, &e);
    int status = tidemill_run_input_callback(run, records, &source, "records", &e);
    if (status == TIDEMILL_OK)
        status = tidemill_run_output_callback(run, note_pid, &w->worker, &e);
    if (status == TIDEMILL_OK)
        status = drive(run, &told, &e);
    tidemill_run_free(run);
    return status == TIDEMILL_OK && w->worker > 0;
}

static int cool_down(struct warm *w)
{
    tidemill_error e = {0};
    int status = tidemill_pool_free(w->pool, &e);
    if (status != TIDEMILL_OK)
        fprintf(stderr, "%s\n", e.message);
    tidemill_job_free(w->job);
    return status;
}

/* All records are done: that somebody has killed, or stopped, a worker since then is no failure. */
static int idle_is_hurt(int number)
{
    struct warm w;
    CHECK(warm_up(&w));
    CHECK(kill(w.worker, number) == 0);
    CHECK(cool_down(&w) == TIDEMILL_OK);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    return 0;
}

static int idle_is_killed(void)
{
    return idle_is_hurt(SIGKILL);
}

static int idle_is_stopped(void)
{
    return idle_is_hurt(SIGSTOP);
}

/*
 * A child of this number that leads a group and answers at ends[1], until ends[0] is closed. False: that
 * cannot be had here.
 */
static bool take_number(pid_t number, const int ends[2])
{
    int fd = ends[1];
    for (int i = 0; i < 50; i++) {
        FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
        if (!last || fprintf(last, "%d", (int)number - 1) < 0 || fclose(last) != 0)
            return false;
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            close(ends[0]);
            while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
                ;
            _exit(0);
        }
        setpgid(pid, pid);
        if (pid == number)
            return true;
        kill(pid, SIGKILL);
    }
    return false;
}

/* The host has reaped a worker, and its number is another process's: that one is left alone. */
static int number_is_taken(void)
{
    struct sigaction action = {.sa_handler = reap_all, .sa_flags = SA_RESTART};
    struct warm w;
    int ends[2];
    char byte = 1;
    sigaction(SIGCHLD, &action, NULL);
    CHECK(warm_up(&w) && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(kill(w.worker, SIGKILL) == 0);
    while (kill(w.worker, 0) == 0)
        sched_yield();
    if (!take_number(w.worker, ends)) {
        fprintf(stderr, "not shown: numbers of processes cannot be chosen here\n");
        return cool_down(&w);
    }
    close(ends[1]);
    CHECK(cool_down(&w) == TIDEMILL_OK);
    CHECK(write(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1);
    return 0;
}

static void test_between_runs(void **state)
{
    (void)state;
    in_process(idle_is_killed);
    in_process(idle_is_stopped);
    in_process(number_is_taken);
}

static void *sleep_on(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static int return_self(struct lua_State *L)
{
    (void)L;
    return 1;
}

/* Several threads: workers are executed, and the host's functions cannot be had. */
static int with_threads(void)
{
    static const struct work own = {"return function(r) return tidemill.host.act(r) end",
                                    .function = return_self, .write = swallow};
    pthread_t thread;
    CHECK(whole_run(&own, TIDEMILL_OK));
    CHECK(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
    CHECK(whole_run(&some, TIDEMILL_OK));
    CHECK(whole_run(&own, TIDEMILL_E_WORKER));
    return 0;
}

static void test_threads(void **state)
{
    (void)state;
    in_process(with_threads);
}

/* ---- Deaths that a script alone cannot die ---- */

#define DESCRIPTORS 1024

/* Where this worker writes its results: the only pipe that it writes to, beside standard output and error. */
static int results(void)
{
    struct stat st;
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
            (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
            return fd;
    return -1;
}

static int close_results(struct lua_State *L)
{
    (void)L;
    close(results());
    return 0;
}

static int close_everything(struct lua_State *L)
{
    (void)L;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        close(fd);
    return 0;
}

static int __attribute__((noreturn)) abort_here(struct lua_State *L)
{
    (void)L;
    signal(SIGABRT, SIG_DFL);
    abort();
}

static int sink_garbage(struct lua_State *L)
{
    static const char garbage[4096] = "\x10\0\0\0\x0a\0\0\0 and what then is no result at all";
    (void)L;
    return write(results(), garbage, sizeof garbage) < 0;
}

static void test_strange_deaths(void **state)
{
    (void)state;
    int (*const acts[])(struct lua_State *) = {close_results, close_everything, abort_here,
                                               sink_garbage};
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        struct work w = {
            "return function(r) if r.x % 1000 == 1 then tidemill.host.act() end return r end",
            .settings = {{"errors.policy", "skip"}, {"errors.max", "3"}}, .function = acts[i],
            .write = swallow};
        int before = open_descriptors();
        expect(&w, TIDEMILL_OK);
        w.settings[1].value = "2";
        expect(&w, TIDEMILL_E_TOO_MANY);
        assert_int_equal(open_descriptors(), before);
        assert_false(has_children());
    }
}

static int go_there(void **state)
{
    (void)state;
    alarm(500); /* a hang is a failure */
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") | rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_left_by_forked),
        cmocka_unit_test(test_nothing_is_left_by_executed),
        cmocka_unit_test(test_failed_output_is_untouched),
        cmocka_unit_test(test_no_double_flush),
        cmocka_unit_test(test_broken_pipe),
        cmocka_unit_test(test_dying_workers_do_not_hurt),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_between_runs),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_strange_deaths),
    };
    return cmocka_run_group_tests(tests, go_there, leave);
}
