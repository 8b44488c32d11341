/*
 * The Nth call of a kind fails in a host of the library, once or with all that follow it, for N = 1,
 * 2, ... until none is left to fail. Whatever fails: once job, pool and run are freed, no memory, no
 * descriptor, no child and no temporary file is left of them.
 *
 * The calls fail in shim.so, under which this program starts itself again. The short form leaves
 * some N out, more of them where a run waits for what the system refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tidemill.h"

static char folder[] = "/tmp/tidemill-leaks.XXXXXX";
static void (*arm)(const char *call, int number, long nth, int on);
static int (*fired)(void);
static bool every; /* N, that is: the long form */

/* ---- The work ---- */

enum { OPTIONS_MAX = 6, RECORDS = 60 };

struct work {
    const char *name;
    struct {
        const char *key, *value;
    } settings[OPTIONS_MAX];
    int runs; /* that share a pool; 0: one without */
};

static const char script[] = "return function(r)\n"
                             "  if r.x % 10 == 3 then error('no') end\n"
                             "  if r.x == 25 then os.exit(3) end\n"
                             "  return r\n"
                             "end\n";

#define QUARANTINE                           \
    {"errors.policy", "quarantine"},         \
    {                                        \
        "errors.quarantine", "rejects.jsonl" \
    }

static const struct work works[] = {
    {"forked", {{"output.path", "out.jsonl"}, {"workers", "2"}, {"chunk", "100B"}, QUARANTINE}, 0},
    {"executed",
     {{"output.path", "out.csv"}, {"output.format", "csv"}, {"isolation", "exec"}, QUARANTINE},
     0},
    {"compressed",
     {{"output.path", "out.jsonl.gz"}, {"workers", "1"}, {"errors.policy", "skip"}},
     0},
    {"pooled", {{"output.path", "out.jsonl"}, {"workers", "2"}, {"chunk", "100B"}, QUARANTINE}, 2},
};

static ptrdiff_t records(void *context, char *data, size_t size)
{
    int *next = context;
    size_t n = 0;
    while (*next < RECORDS && size - n > 32)
        n += (size_t)snprintf(data + n, size - n, "{\"x\":%d}\n", ++*next);
    return (ptrdiff_t)n;
}

static int run_once(tidemill_job *job, tidemill_pool *pool, tidemill_error *e)
{
    int next = 0;
    tidemill_run *run = tidemill_run_new(job, pool, e);
    if (!run)
        return e->status;
    int status = tidemill_run_input_callback(run, records, &next, "records", e);
    if (status == TIDEMILL_OK)
        status = tidemill_run_wait(run, e);
    tidemill_run_free(run);
    return status;
}

static int configure(tidemill_job *job, const struct work *w, tidemill_error *e)
{
    int status = tidemill_job_set(job, "transform.inline", script, e);
    if (status == TIDEMILL_OK)
        status = tidemill_job_set(job, "input.format", "jsonl", e);
    for (int i = 0; i < OPTIONS_MAX && status == TIDEMILL_OK && w->settings[i].key; i++)
        status = tidemill_job_set(job, w->settings[i].key, w->settings[i].value, e);
    return status == TIDEMILL_OK ? tidemill_job_open(job, e) : status;
}

static int work(const struct work *w, tidemill_error *e)
{
    tidemill_job *job = tidemill_job_new();
    tidemill_pool *pool = NULL;
    int status = job ? configure(job, w, e) : TIDEMILL_E_MEMORY;
    if (status == TIDEMILL_OK && w->runs && !(pool = tidemill_pool_new(job, e)))
        status = e->status;
    for (int i = 0; i < (w->runs ? w->runs : 1) && status == TIDEMILL_OK; i++)
        status = run_once(job, pool, e);
    int ended = tidemill_pool_free(pool, status == TIDEMILL_OK ? e : NULL);
    tidemill_job_free(job);
    return status == TIDEMILL_OK ? ended : status;
}

/* ---- What is left ---- */

static int entries_of(const char *path, const char *prefix)
{
    DIR *d = opendir(path);
    struct dirent *entry;
    int n = 0;
    assert_non_null(d);
    while ((entry = readdir(d)))
        n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return n;
}

struct left {
    size_t memory;
    int descriptors;
};

static struct left look(void)
{
    struct left left = {.descriptors = entries_of("/proc/self/fd", "")};
    left.memory = mallinfo2().uordblks;
    return left;
}

struct fault {
    const char *call;
    int number;
    bool on;
};

static bool attempt(const struct work *w, const struct fault *f, long nth, struct left *left)
{
    tidemill_error e = {0};
    arm(f->call, f->number, nth, f->on);
    int status = work(w, &e);
    bool failed = fired();
    arm("", 0, 0, 0);
    *left = look();
    if (status == TIDEMILL_AGAIN || (status != TIDEMILL_OK && !failed))
        fail_msg("%s: %s, number %ld: %s", w->name, f->call, nth, e.message);
    if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
        fail_msg("%s: %s, number %ld: a child is left", w->name, f->call, nth);
    if (entries_of(folder, ".tidemill") > 0)
        fail_msg("%s: %s, number %ld: a temporary file is left", w->name, f->call, nth);
    return failed;
}

/* What the C library makes once, when it is first needed, is not lost: only what grows each time is. */
static bool attempt_twice(const struct work *w, const struct fault *f, long nth)
{
    struct left before = look(), first, second;
    bool failed = attempt(w, f, nth, &first);
    if (first.memory == before.memory && first.descriptors == before.descriptors)
        return failed;
    attempt(w, f, nth, &second);
    if (second.memory > first.memory || second.descriptors > first.descriptors)
        fail_msg("%s: %s, number %ld%s: %zd bytes and %d descriptors are left", w->name, f->call,
                 nth, f->on ? " and on" : "", (ptrdiff_t)(second.memory - first.memory),
                 second.descriptors - first.descriptors);
    return failed;
}

static const struct fault faults[] = {
    {"malloc", ENOMEM, false},    {"malloc", ENOMEM, true},    {"read", EIO, false},
    {"read", EIO, true},          {"write", EIO, false},       {"write", ENOSPC, true},
    {"writev", EPIPE, false},     {"writev", EPIPE, true},     {"fork", EAGAIN, false},
    {"fork", EAGAIN, true},       {"pipe2", EMFILE, false},    {"pipe2", EMFILE, true},
    {"open", EMFILE, false},      {"open", EMFILE, true},      {"fcntl", EMFILE, false},
    {"fcntl", EMFILE, true},      {"close", EIO, false},       {"close", EIO, true},
    {"fsync", EIO, false},        {"rename", EACCES, false},   {"linkat", EDQUOT, false},
    {"epoll_wait", EINTR, false}, {"epoll_wait", EBADF, true},
};

static void test_nothing_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        long total = 0;
        tidemill_error e = {0};
        if (work(&works[i], &e) != TIDEMILL_OK)
            fail_msg("%s: %s", works[i].name, e.message);
        for (size_t k = 0; k < sizeof faults / sizeof *faults; k++)
            for (long nth = 1; attempt_twice(&works[i], &faults[k], nth); total++)
                nth += every ? 1 : faults[k].on ? 1 + 2 * nth : 1 + nth / 2;
        if (every)
            printf("%s: nothing is left by %ld faults\n", works[i].name, total);
    }
}

/* ---- */

static void find(const char *name, void *function)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &found, sizeof found);
}

/* Once more, with shim.so before the C library. Returns when that cannot be. */
static void start_again(char **argv)
{
    char path[4096];
    const char *build = getenv("TIDEMILL_BUILD");
    snprintf(path, sizeof path, "%s/tests/shim.so", build ? build : "build");
    if (getenv("LD_PRELOAD") || access(path, R_OK) != 0)
        return;
    setenv("LD_PRELOAD", path, 1);
    /* What is kept to be used again would not be told from what is in use. */
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
}

static int go_there(void **state)
{
    (void)state;
    alarm(every ? 3600 : 500); /* a hang is a failure */
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    static const char *const names[] = {"out.jsonl", "out.csv", "out.jsonl.gz", "rejects.jsonl"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    return chdir("/") | rmdir(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_left)};
    (void)argc;
#if defined(__SANITIZE_ADDRESS__)
    puts("skipped: sanitizers have memory of their own");
    return 77;
#endif
    find("shim_arm", &arm);
    find("shim_fired", &fired);
    if (!arm || !fired) {
        start_again(argv);
        puts("skipped: shim.so is not there");
        return 77;
    }
    every = getenv("TIDEMILL_LONG") && strcmp(getenv("TIDEMILL_LONG"), "0") != 0;
    return cmocka_run_group_tests(tests, go_there, leave);
}
