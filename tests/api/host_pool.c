/*
 * A pool: the same worker processes over a hundred runs of several formats and columns; two pools
 * side by side; failed, stopped, abandoned and killed runs before good ones; the order in which a
 * host frees things; jobs that a worker runs.
 */
#include "host.h"

#include <signal.h>

#include <lauxlib.h>
#include <lua.h>

static int host_getpid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

static tidemill_pool *new_pool(tidemill_job *job)
{
    tidemill_pool *pool = tidemill_pool_new(job, &error);
    if (!pool)
        CHECK_OK(error.status);
    return pool;
}

/* One run: `in` pushed, everything pulled. */
static int run_once(tidemill_job *job, tidemill_pool *pool, const char *name, const char *in,
                    struct bytes *out)
{
    tidemill_run *run = new_run(job, pool);
    bytes_free(out);
    bytes_add(out, "", 0);
    CHECK_OK(tidemill_run_input_push(run, name, &error));
    CHECK(tidemill_run_push(run, in, strlen(in), &error) == (ptrdiff_t)strlen(in));
    CHECK_OK(tidemill_run_push_end(run, &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, out, &error));
    int status = tidemill_run_wait(run, &error);
    tidemill_run_free(run);
    return status;
}

/* ---- Warm ---- */

#define PIDS_MAX 8
static long pids[PIDS_MAX];
static int pids_n;

static void note_pid(long pid)
{
    for (int i = 0; i < pids_n; i++)
        if (pids[i] == pid)
            return;
    CHECK(pids_n < PIDS_MAX);
    pids[pids_n++] = pid;
}

static long field(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    CHECK(at);
    return strtol(at + strlen(key), NULL, 10);
}

/* CSV in, other columns each time; the input's name says the format. */
static void csv_run(tidemill_job *job, tidemill_pool *pool, int i)
{
    struct bytes out = {0};
    char in[200], expected[200];
    snprintf(in, sizeof in, "c%d,d%d\n1,2\n3,4\n", i, i);
    CHECK_OK(run_once(job, pool, "in.csv", in, &out));
    long pid = strtol(strrchr(out.p, ',') + 1, NULL, 10);
    note_pid(pid);
    snprintf(expected, sizeof expected, "c%d,d%d,pid,", i, i);
    CHECK(strncmp(out.p, expected, strlen(expected) - 1) == 0);
    CHECK(out.p[strlen(expected) - 1] == '\n');
    CHECK(strstr(out.p, "\n1,2,") && strstr(out.p, "\n3,4,"));
    bytes_free(&out);
}

static void jsonl_run(tidemill_job *job, tidemill_pool *pool, int i)
{
    struct bytes out = {0};
    char in[200], expected[200];
    snprintf(in, sizeof in, "{\"k%d\": 1}\n", i);
    CHECK_OK(run_once(job, pool, "in.jsonl", in, &out));
    snprintf(expected, sizeof expected, "{\"k%d\": 1,", i);
    CHECK(strncmp(out.p, expected, strlen(expected)) == 0);
    note_pid(field(out.p, "\"pid\":"));
    bytes_free(&out);
}

/* The format of the output by the name of its file. */
static void file_run(tidemill_job *job, tidemill_pool *pool, int i)
{
    static const struct {
        const char *name, *begin;
    } outputs[] = {{"out.csv", "a,pid\n1,"}, {"out.jsonl", "{\"a\":1,\"pid\":"}, {"out.tsv", NULL}};
    int kind = i % 2;
    tidemill_run *run = new_run(job, pool);
    write_file("in.jsonl", "{\"a\":1}\n", 8);
    CHECK_OK(tidemill_run_input_path(run, "in.jsonl", &error));
    CHECK_OK(tidemill_run_output_path(run, outputs[kind].name, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    struct bytes out = read_file(outputs[kind].name);
    CHECK(strncmp(out.p, outputs[kind].begin, strlen(outputs[kind].begin)) == 0);
    note_pid(strtol(out.p + strlen(outputs[kind].begin), NULL, 10));
    bytes_free(&out);
}

static void warm(void)
{
    tidemill_stats stats;
    tidemill_job *job = JOB("workers", "2", "transform.inline",
                            "local runs = 0\n"
                            "return function(r) r.pid = tidemill.host.getpid() return r end");
    CHECK_OK(tidemill_job_register(job, "getpid", host_getpid, &error));
    CHECK_OK(tidemill_job_open(job, &error));
    tidemill_pool *pool = new_pool(job);
    CHECK(!has_children()); /* none before there is work */
    int before = -1;
    for (int i = 0; i < 100; i++) {
        (i % 3 == 0 ? csv_run : i % 3 == 1 ? jsonl_run : file_run)(job, pool, i);
        if (i == 10)
            before = open_descriptors();
    }
    CHECK(pids_n == 1); /* two records fork one worker only */
    CHECK(open_descriptors() <= before + 3);
    tidemill_run *run = new_run(job, pool);
    tidemill_run_stats(run, &stats);
    CHECK(stats.workers == 1 && stats.read == 0);
    tidemill_run_free(run);
    CHECK_OK(tidemill_pool_free(pool, &error));
    CHECK(!has_children());
    tidemill_job_free(job);
}

/* ---- Two at once ---- */

struct lane {
    tidemill_pool *pool;
    tidemill_run *run;
    struct bytes in, out, expected;
    size_t at;
    int status, ended;
};

static void open_lane(struct lane *l, tidemill_job *job, int first)
{
    *l = (struct lane){.pool = new_pool(job), .status = TIDEMILL_AGAIN};
    l->in = numbers(first, 20000, 1);
    l->expected = numbers(first, 20000, 2);
    l->run = new_run(job, l->pool);
    CHECK_OK(tidemill_run_input_push(l->run, "lane", &error));
    CHECK_OK(tidemill_run_output_pull(l->run, &error));
}

static void turn_lane(struct lane *l)
{
    char block[3000];
    size_t left = l->in.n - l->at;
    if (left) {
        ptrdiff_t n = tidemill_run_push(l->run, l->in.p + l->at, left < 5000 ? left : 5000, &error);
        CHECK(n >= 0);
        l->at += (size_t)n;
    } else if (!l->ended) {
        CHECK_OK(tidemill_run_push_end(l->run, &error));
        l->ended = 1;
    }
    if (l->status == TIDEMILL_AGAIN)
        l->status = tidemill_run_step(l->run, 0, &error);
    bytes_add(&l->out, block, tidemill_run_pull(l->run, block, sizeof block));
}

static void close_lane(struct lane *l)
{
    char block[3000];
    CHECK_OK(l->status);
    for (size_t n; (n = tidemill_run_pull(l->run, block, sizeof block)) > 0;)
        bytes_add(&l->out, block, n);
    check_same(&l->out, &l->expected);
    tidemill_run_free(l->run);
    CHECK_OK(tidemill_pool_free(l->pool, &error));
    bytes_free(&l->in);
    bytes_free(&l->out);
    bytes_free(&l->expected);
}

static void interleaved(void)
{
    struct lane a, b;
    tidemill_job *job = opened(
        JOB("input.format", "jsonl", "workers", "2", "chunk", "4KiB", "transform.inline", DOUBLE));
    open_lane(&a, job, 0);
    open_lane(&b, job, 1000000);
    while (a.status == TIDEMILL_AGAIN || b.status == TIDEMILL_AGAIN) {
        turn_lane(&a);
        turn_lane(&b);
    }
    close_lane(&a);
    close_lane(&b);
    tidemill_job_free(job);
}

/* ---- After a bad run ---- */

static void good(tidemill_job *job, tidemill_pool *pool)
{
    struct bytes out = {0};
    CHECK_OK(run_once(job, pool, "good", "{\"x\":1}\n{\"x\":2}\n", &out));
    CHECK(strcmp(out.p, "{\"x\":2}\n{\"x\":4}\n") == 0);
    bytes_free(&out);
}

static void after_failures(void)
{
    struct bytes out = {0};
    tidemill_job *job = JOB("input.format", "jsonl", "workers", "2", "chunk", "64B",
                            "transform.inline",
                            "return function(r) if r.die then os.exit(1) end r.x = r.x * 2 "
                            "r.pid = r.who and tidemill.host.getpid() return r end");
    CHECK_OK(tidemill_job_register(job, "getpid", host_getpid, &error));
    CHECK_OK(tidemill_job_open(job, &error));
    tidemill_pool *pool = new_pool(job);
    good(job, pool);
    CHECK_STATUS(TIDEMILL_E_RECORD,
                 run_once(job, pool, "bad", "{\"x\":1}\n{\"x\":}\n{\"x\":2}\n", &out));
    CHECK(error.record == 2 && error.line == 2 && error.offset == 8 &&
          strcmp(error.file, "bad") == 0);
    CHECK(strcmp(out.p, "{\"x\":2}\n") == 0);
    good(job, pool);
    CHECK_STATUS(TIDEMILL_E_SCRIPT, run_once(job, pool, "bad", "{\"y\":1}\n", &out));
    good(job, pool);
    CHECK_STATUS(TIDEMILL_E_WORKER,
                 run_once(job, pool, "bad", "{\"x\":1}\n{\"x\":1,\"die\":1}\n", &out));
    CHECK(strcmp(out.p, "{\"x\":2}\n") == 0);
    good(job, pool);
    /* A worker that somebody killed between two runs. */
    CHECK_OK(run_once(job, pool, "who", "{\"x\":1,\"who\":1}\n", &out));
    pid_t pid = (pid_t)field(out.p, "\"pid\":");
    siginfo_t info;
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    good(job, pool);
    CHECK_OK(run_once(job, pool, "who", "{\"x\":1,\"who\":1}\n", &out));
    CHECK(field(out.p, "\"pid\":") != pid);
    bytes_free(&out);
    CHECK_OK(tidemill_pool_free(pool, &error));
    tidemill_job_free(job);
}

/* ---- Abandoned ---- */

static ptrdiff_t endless(void *context, char *data, size_t size)
{
    static const char record[] = "{\"x\":1}\n";
    (void)context;
    CHECK(size >= 8);
    memcpy(data, record, 8);
    return 8;
}

static void abandoned(void)
{
    struct bytes out = {0};
    tidemill_job *job = opened(
        JOB("input.format", "jsonl", "workers", "2", "chunk", "1KiB", "transform.inline", DOUBLE));
    tidemill_pool *pool = new_pool(job);
    for (int steps = 0; steps < 30; steps += 3) {
        tidemill_run *run = new_run(job, pool);
        CHECK_OK(tidemill_run_input_callback(run, endless, NULL, "endless", &error));
        CHECK_OK(tidemill_run_output_callback(run, write_bytes, &out, &error));
        for (int i = 0; i < steps; i++)
            CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 10, &error));
        tidemill_run_free(run);
        good(job, pool);
    }
    bytes_free(&out);
    /* A run that is over leaves the pool to the next before it is freed. */
    tidemill_run *first = new_run(job, pool);
    CHECK_OK(tidemill_run_input_push(first, "first", &error));
    CHECK_OK(tidemill_run_output_pull(first, &error));
    CHECK_OK(tidemill_run_push_end(first, &error));
    CHECK_OK(tidemill_run_wait(first, &error));
    tidemill_run *second = new_run(job, pool);
    CHECK_OK(tidemill_run_input_push(second, "second", &error));
    CHECK_OK(tidemill_run_output_pull(second, &error));
    CHECK(tidemill_run_push(second, "{\"x\":1}\n", 8, &error) == 8);
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(second, 0, &error));
    tidemill_run_free(first);
    CHECK(!tidemill_run_new(job, pool, &error)); /* still in use */
    CHECK_OK(tidemill_run_push_end(second, &error));
    CHECK_OK(tidemill_run_wait(second, &error));
    /* And the pool may go before a run that is over. */
    tidemill_stats stats;
    CHECK_OK(tidemill_pool_free(pool, &error));
    tidemill_run_stats(second, &stats);
    CHECK(stats.read == 1 && stats.workers >= 1 && stats.deaths == 0);
    char block[10];
    CHECK(tidemill_run_pull(second, block, sizeof block) == 8);
    tidemill_run_free(second);
    tidemill_job_free(job);
}

/* What teardown raises is the pool's to tell. */
static void teardown(void)
{
    struct bytes out = {0};
    tidemill_job *job = opened(JOB("input.format", "jsonl", "transform.inline",
                                   "return {record = function(r) return r end,\n"
                                   "teardown = function() error('not closed') end}"));
    tidemill_pool *pool = new_pool(job);
    CHECK_OK(run_once(job, pool, "in", "{}\n{\"x\":1}\n", &out));
    CHECK(tidemill_pool_free(pool, &error) == TIDEMILL_E_SCRIPT);
    CHECK(strstr(error.message, "not closed"));
    CHECK_STATUS(TIDEMILL_E_SCRIPT, run_once(job, NULL, "in", "{}\n", &out));
    CHECK_OK(tidemill_pool_free(new_pool(job), &error)); /* no worker, no teardown */
    bytes_free(&out);
    tidemill_job_free(job);
}

/* ---- Functions of the host ---- */

static FILE *notes;
static int host_file = -1;

/* How many bytes of the host's file can be read, and whether its notes can be written: neither, in a worker. */
static int host_use(lua_State *L)
{
    char byte;
    errno = 0;
    lua_pushinteger(L, read(host_file, &byte, 1) < 0 ? errno : 0);
    errno = 0;
    lua_pushinteger(L, fputc('x', notes) == EOF || fflush(notes) ? errno : 0);
    clearerr(notes);
    return 2;
}

/* The host opened files before all else: their numbers are not those of the worker's pipes. */
static void own_descriptors(void)
{
    struct bytes out = {0};
    host_file = open("/dev/zero", O_RDONLY);
    notes = fopen("notes", "w");
    CHECK(host_file == 3 && notes && fileno(notes) == 4);
    tidemill_job *job = JOB(
        "workers", "2", "limits.record_time", "10s", "transform.inline",
        "return function(r) r.read, r.wrote = tidemill.host.use() return r end");
    CHECK_OK(tidemill_job_register(job, "use", host_use, &error));
    CHECK_OK(tidemill_job_open(job, &error));
    CHECK_OK(run_once(job, NULL, "in.jsonl", "{}\n{}\n{}\n", &out));
    char line[64];
    snprintf(line, sizeof line, "{\"wrote\":%d,\"read\":%d}\n", EBADF, EBADF);
    CHECK(out.n == 3 * strlen(line) && strncmp(out.p, line, strlen(line)) == 0);
    bytes_free(&out);
    tidemill_job_free(job);
    CHECK(close(host_file) == 0 && fclose(notes) == 0);
}

/* ---- A job within a worker ---- */

static int host_twice(lua_State *L)
{
    lua_pushinteger(L, 2 * lua_tointeger(L, 1));
    return 1;
}

/* The output of a job over its text, one with functions of the host's where the second argument says so. */
static int host_inner(lua_State *L)
{
    struct bytes out = {0};
    tidemill_job *job = JOB("workers", "2", "transform.inline",
                            "return function(r) r.twice = (tidemill.host.twice or "
                            "function(n) return n + n end)(r.n) return r end");
    if (lua_toboolean(L, 2))
        CHECK_OK(tidemill_job_register(job, "twice", host_twice, &error));
    CHECK_OK(tidemill_job_open(job, &error));
    CHECK_OK(run_once(job, NULL, "inner.jsonl", lua_tostring(L, 1), &out));
    lua_pushlstring(L, out.p, out.n);
    bytes_free(&out);
    tidemill_job_free(job);
    return 1;
}

static void nested(void)
{
    static const char wanted[] = "{\"a\":\"{\\\"n\\\":4,\\\"twice\\\":8}\\n\","
                                 "\"b\":\"{\\\"n\\\":5,\\\"twice\\\":10}\\n\"}\n";
    struct bytes out = {0};
    tidemill_job *job = JOB("workers", "2", "transform.inline",
                            "return function(r) local inner = tidemill.host.inner "
                            "r.a = inner('{\"n\":4}', true) r.b = inner('{\"n\":5}', false) "
                            "return r end");
    CHECK_OK(tidemill_job_register(job, "inner", host_inner, &error));
    CHECK_OK(tidemill_job_open(job, &error));
    CHECK_OK(run_once(job, NULL, "in.jsonl", "{}\n{}\n", &out));
    CHECK(out.n == 2 * strlen(wanted));
    CHECK(strncmp(out.p, wanted, strlen(wanted)) == 0);
    bytes_free(&out);
    tidemill_job_free(job);
}

/* ---- A host that changes between runs ---- */

/* Who takes a dead worker's place finds the host's folder as it is in this run. */
static void changed(void)
{
    static const char *const isolations[] = {"fork", "exec"};
    char here[3000], script[4000];
    CHECK(getcwd(here, sizeof here));
    snprintf(script, sizeof script,
             "return function(r) if r.n == 2 and os.remove('%s/mark') then os.exit(3) end "
             "local f = io.popen('pwd') r.folder = f:read() f:close() return r end",
             here);
    for (size_t i = 0; i < 2; i++) {
        tidemill_job *job = opened(
            JOB("workers", "1", "isolation", isolations[i], "transform.inline", script));
        tidemill_pool *pool = tidemill_pool_new(job, &error);
        CHECK(pool);
        for (int run = 0; run < 2; run++) {
            struct bytes out = {0};
            char last[4000];
            write_file("mark", "", 0);
            CHECK(chdir(run ? "/" : here) == 0);
            CHECK_OK(run_once(job, pool, "in.jsonl", "{\"n\":1}\n{\"n\":2}\n", &out));
            int n = snprintf(last, sizeof last, "{\"n\":2,\"folder\":\"%s\"}\n", run ? "/" : here);
            CHECK(n > 0 && out.n > (size_t)n && memcmp(out.p + out.n - n, last, (size_t)n) == 0);
            CHECK(chdir(here) == 0);
            bytes_free(&out);
        }
        CHECK_OK(tidemill_pool_free(pool, &error));
        tidemill_job_free(job);
    }
}

int main(void)
{
    /* What the test was started with is not to be in the way of own_descriptors(). */
    for (int fd = 3; fd < 10; fd++)
        close(fd);
    int before = open_descriptors();
    own_descriptors();
    warm();
    interleaved();
    after_failures();
    abandoned();
    teardown();
    nested();
    changed();
    CHECK(open_descriptors() == before && !has_children());
    return 0;
}
