/*
 * A host with threads: workers are executed, not forked; functions of the host cannot be had then,
 * and that is said; two threads with a job each do not disturb each other.
 */
#include "host.h"

#include <pthread.h>

#include <lauxlib.h>
#include <lua.h>

/* A thread that is there until the pipe is closed. */
static int gate[2];

static void *wait_at_gate(void *context)
{
    char c;
    while (read(gate[0], &c, 1) < 0 && errno == EINTR)
        ;
    return context;
}

static int host_seven(lua_State *L)
{
    lua_pushinteger(L, 7);
    return 1;
}

static int run_pushed(tidemill_job *job, const char *in, struct bytes *out)
{
    tidemill_run *run = new_run(job, NULL);
    bytes_free(out);
    bytes_add(out, "", 0);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK(tidemill_run_push(run, in, strlen(in), &error) == (ptrdiff_t)strlen(in));
    CHECK_OK(tidemill_run_push_end(run, &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, out, &error));
    int status = tidemill_run_wait(run, &error);
    tidemill_run_free(run);
    return status;
}

/* What program a worker is; an executed one is not the host. */
#define COMM                                                                   \
    "return function(r) local f <close> = assert(io.open('/proc/self/comm')) " \
    "r.comm = f:read('l') return r end"

static void check_program(const char *isolation, const char *program)
{
    struct bytes out = {0};
    char expected[100];
    tidemill_job *job = opened(
        JOB("input.format", "jsonl", "isolation", isolation, "transform.inline", COMM));
    CHECK_OK(run_pushed(job, "{}\n", &out));
    snprintf(expected, sizeof expected, "{\"comm\":\"%s\"}\n", program);
    if (strcmp(out.p, expected) != 0)
        fprintf(stderr, "%s: %s", isolation, out.p);
    CHECK(strcmp(out.p, expected) == 0);
    tidemill_job_free(job);
    bytes_free(&out);
}

static tidemill_job *registered(const char *isolation)
{
    tidemill_job *job = JOB("input.format", "jsonl", "isolation", isolation, "transform.inline",
                            "return function(r) r.x = tidemill.host.seven() return r end");
    CHECK_OK(tidemill_job_register(job, "seven", host_seven, &error));
    return job;
}

static void one_thread(void)
{
    struct bytes out = {0};
    tidemill_job *job = opened(registered("fork"));
    CHECK_OK(run_pushed(job, "{\"x\":1}\n", &out));
    CHECK(strcmp(out.p, "{\"x\":7}\n") == 0);
    bytes_free(&out);
    tidemill_job_free(job);
    job = registered("exec");
    CHECK(tidemill_job_open(job, &error) == TIDEMILL_E_SPEC);
    CHECK(strstr(error.message, "'seven'") && strstr(error.message, "exec"));
    tidemill_job_free(job);
    check_program("fork", "host");
    check_program("exec", "tidemill-worker");
}

static void two_threads(void)
{
    struct bytes out = {0};
    tidemill_job *job = opened(registered("fork"));
    CHECK(run_pushed(job, "{\"x\":1}\n", &out) == TIDEMILL_E_WORKER);
    CHECK(strstr(error.message, "several threads") && out.n == 0);
    tidemill_job_free(job);
    bytes_free(&out);
    check_program("fork", "tidemill-worker");
    check_program("exec", "tidemill-worker");
}

/* The program is looked for where the environment or the option says, and its lack is an error. */
static void where_the_program_is(void)
{
    struct bytes out = {0};
    char kept[4096];
    snprintf(kept, sizeof kept, "%s", getenv("TIDEMILL_WORKER"));
    tidemill_job *job = opened(
        JOB("input.format", "jsonl", "isolation", "exec", "transform.inline", DOUBLE));
    setenv("TIDEMILL_WORKER", "/no/such/worker", 1);
    CHECK(run_pushed(job, "{\"x\":1}\n", &out) == TIDEMILL_E_WORKER);
    CHECK(strstr(error.message, "'/no/such/worker'") && error.system_errno == ENOENT);
    tidemill_job_free(job);
    job = opened(JOB("input.format", "jsonl", "isolation", "exec", "worker_program", kept,
                     "transform.inline", DOUBLE));
    CHECK_OK(run_pushed(job, "{\"x\":1}\n", &out));
    tidemill_job_free(job);
    /* A program that is no worker. */
    job = opened(JOB("input.format", "jsonl", "isolation", "exec", "worker_program", "/bin/true",
                     "transform.inline", DOUBLE));
    CHECK(run_pushed(job, "{\"x\":1}\n", &out) == TIDEMILL_E_WORKER && error.message[0]);
    tidemill_job_free(job);
    setenv("TIDEMILL_WORKER", kept, 1);
    bytes_free(&out);
}

/* ---- A job in each thread ---- */

static void *own_job(void *context)
{
    long first = (long)context;
    struct bytes in = numbers((int)first, 3000, 1), expected = numbers((int)first, 3000, 2);
    for (int i = 0; i < 5; i++) {
        char name[64];
        tidemill_error e;
        tidemill_job *job = tidemill_job_new();
        snprintf(name, sizeof name, "out-%ld.jsonl", first);
        CHECK(tidemill_job_set(job, "input.format", "jsonl", &e) == TIDEMILL_OK);
        CHECK(tidemill_job_set(job, "workers", "2", &e) == TIDEMILL_OK);
        CHECK(tidemill_job_set(job, "transform.inline", DOUBLE, &e) == TIDEMILL_OK);
        CHECK(tidemill_job_open(job, &e) == TIDEMILL_OK);
        tidemill_run *run = tidemill_run_new(job, NULL, &e);
        CHECK(run && tidemill_run_input_push(run, "in", &e) == TIDEMILL_OK);
        CHECK(tidemill_run_push(run, in.p, in.n, &e) == (ptrdiff_t)in.n);
        CHECK(tidemill_run_push_end(run, &e) == TIDEMILL_OK);
        CHECK(tidemill_run_output_path(run, name, &e) == TIDEMILL_OK);
        CHECK(tidemill_run_wait(run, &e) == TIDEMILL_OK);
        tidemill_run_free(run);
        tidemill_job_free(job);
        struct bytes out = read_file(name);
        check_same(&out, &expected);
        bytes_free(&out);
    }
    bytes_free(&in);
    bytes_free(&expected);
    return NULL;
}

int main(void)
{
    pthread_t waiting, threads[3];
    one_thread();
    CHECK(pipe(gate) == 0);
    CHECK(pthread_create(&waiting, NULL, wait_at_gate, NULL) == 0);
    two_threads();
    where_the_program_is();
    for (long i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, own_job, (void *)(i * 1000000)) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    close(gate[1]);
    pthread_join(waiting, NULL);
    CHECK(!has_children());
    return 0;
}
