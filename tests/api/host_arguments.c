/*
 * What does not fit, a NULL or a handle in another state, gives TIDEMILL_E_ARGUMENT with a message,
 * changes nothing, and never crashes; with and without an error struct.
 */
#include "host.h"

#define WRONG(call)                                                 \
    do {                                                            \
        memset(&error, 0x55, sizeof error);                         \
        CHECK((call) == TIDEMILL_E_ARGUMENT);                       \
        CHECK(error.status == TIDEMILL_E_ARGUMENT);                 \
        CHECK(error.message[0] && !error.file[0] && !error.record); \
    } while (0)

static ptrdiff_t no_input(void *context, char *data, size_t size)
{
    (void)context, (void)data, (void)size;
    return 0;
}

static int no_output(void *context, const char *data, size_t length)
{
    (void)context, (void)data, (void)length;
    return 0;
}

static int nothing(struct lua_State *L)
{
    (void)L;
    return 0;
}

static tidemill_job *new_job(void)
{
    return JOB("input.format", "jsonl", "transform.inline", DOUBLE);
}

/* Everything takes a NULL handle, and NULL for the error too. */
static void no_handle(void)
{
    char c;
    tidemill_error e;
    tidemill_stats stats = {.read = 7};
    tidemill_job_free(NULL);
    tidemill_run_free(NULL);
    tidemill_run_stop(NULL);
    tidemill_run_on_message(NULL, NULL, NULL);
    CHECK_OK(tidemill_pool_free(NULL, &error));
    CHECK(tidemill_job_get(NULL, "workers") == NULL);
    CHECK(tidemill_job_problems(NULL) == 0);
    CHECK(tidemill_job_problem(NULL, 0, &e) == TIDEMILL_E_ARGUMENT);
    CHECK(tidemill_run_fd(NULL) == -1);
    CHECK(tidemill_run_pull(NULL, &c, 1) == 0);
    tidemill_run_stats(NULL, &stats);
    CHECK(stats.read == 0);
    CHECK(tidemill_option_at(0, NULL) == 0);
    CHECK(tidemill_error_text(NULL, &c, 1) == 0 && c == '\0');
    WRONG(tidemill_job_load(NULL, "job.yaml", &error));
    WRONG(tidemill_job_parse(NULL, "", 0, "job", &error));
    WRONG(tidemill_job_set(NULL, "workers", "1", &error));
    WRONG(tidemill_job_register(NULL, "f", nothing, &error));
    WRONG(tidemill_job_log_fd(NULL, 2, &error));
    WRONG(tidemill_job_open(NULL, &error));
    WRONG(tidemill_job_check(NULL, NULL, NULL, &error));
    CHECK(!tidemill_pool_new(NULL, &error) && error.status == TIDEMILL_E_ARGUMENT);
    CHECK(!tidemill_run_new(NULL, NULL, &error) && error.status == TIDEMILL_E_ARGUMENT);
    WRONG(tidemill_run_input_path(NULL, "in", &error));
    WRONG(tidemill_run_input_fd(NULL, 0, "in", &error));
    WRONG(tidemill_run_input_callback(NULL, no_input, NULL, "in", &error));
    WRONG(tidemill_run_input_push(NULL, "in", &error));
    CHECK(tidemill_run_push(NULL, "", 0, &error) == -1 && error.status == TIDEMILL_E_ARGUMENT);
    WRONG(tidemill_run_push_end(NULL, &error));
    WRONG(tidemill_run_output_path(NULL, "out", &error));
    WRONG(tidemill_run_output_fd(NULL, 1, &error));
    WRONG(tidemill_run_output_callback(NULL, no_output, NULL, &error));
    WRONG(tidemill_run_output_pull(NULL, &error));
    WRONG(tidemill_run_step(NULL, 0, &error));
    WRONG(tidemill_run_wait(NULL, &error));
    CHECK(tidemill_job_open(NULL, NULL) == TIDEMILL_E_ARGUMENT);
    CHECK(tidemill_run_step(NULL, 0, NULL) == TIDEMILL_E_ARGUMENT);
    CHECK(tidemill_run_push(NULL, "", 0, NULL) == -1);
}

static void job_arguments(void)
{
    tidemill_job *job = new_job();
    WRONG(tidemill_job_load(job, NULL, &error));
    WRONG(tidemill_job_parse(job, NULL, 1, "job", &error));
    WRONG(tidemill_job_parse(job, "", 0, NULL, &error));
    WRONG(tidemill_job_set(job, NULL, "1", &error));
    WRONG(tidemill_job_set(job, "workers", NULL, &error));
    CHECK(tidemill_job_get(job, NULL) == NULL);
    CHECK(tidemill_job_get(job, "no.such") == NULL);
    WRONG(tidemill_job_register(job, NULL, nothing, &error));
    WRONG(tidemill_job_register(job, "", nothing, &error));
    WRONG(tidemill_job_register(job, "f", NULL, &error));
    CHECK_OK(tidemill_job_register(job, "f", nothing, &error));
    WRONG(tidemill_job_register(job, "f", nothing, &error));
    WRONG(tidemill_job_log_fd(job, -2, &error));
    WRONG(tidemill_job_log_fd(job, 12345, &error));
    CHECK_OK(tidemill_job_log_fd(job, -1, &error));
    CHECK(tidemill_job_problem(job, 0, &error) == TIDEMILL_E_ARGUMENT);
    /* Not opened yet. */
    WRONG(tidemill_job_check(job, NULL, NULL, &error));
    CHECK(!tidemill_pool_new(job, &error) && error.status == TIDEMILL_E_ARGUMENT);
    CHECK(!tidemill_run_new(job, NULL, &error) && error.status == TIDEMILL_E_ARGUMENT);
    /* Opened. */
    CHECK_OK(tidemill_job_open(job, &error));
    WRONG(tidemill_job_open(job, &error));
    WRONG(tidemill_job_load(job, "job.yaml", &error));
    WRONG(tidemill_job_parse(job, "workers: 2", 10, "job", &error));
    WRONG(tidemill_job_set(job, "workers", "2", &error));
    WRONG(tidemill_job_register(job, "g", nothing, &error));
    WRONG(tidemill_job_log_fd(job, 2, &error));
    CHECK(strcmp(tidemill_job_get(job, "workers"), "auto") == 0);
    tidemill_job_free(job);
}

/* A job that could not be opened can be mended and opened. */
static void mended(void)
{
    tidemill_job *job = JOB("input.format", "jsonl");
    CHECK(tidemill_job_open(job, &error) == TIDEMILL_E_SPEC && tidemill_job_problems(job) > 0);
    CHECK_OK(tidemill_job_set(job, "transform.script", "missing.lua", &error));
    CHECK(tidemill_job_open(job, &error) == TIDEMILL_E_SPEC);
    CHECK(strstr(error.message, "missing.lua"));
    CHECK_OK(tidemill_job_set(job, "transform.script", "", &error));
    CHECK_OK(tidemill_job_set(job, "transform.inline", DOUBLE, &error));
    CHECK_OK(tidemill_job_open(job, &error));
    CHECK(tidemill_job_problems(job) == 0);
    tidemill_job_free(job);
}

static void run_arguments(tidemill_job *job)
{
    tidemill_run *run = new_run(job, NULL);
    WRONG(tidemill_run_input_path(run, NULL, &error));
    WRONG(tidemill_run_input_fd(run, -1, "in", &error));
    WRONG(tidemill_run_input_fd(run, 0, NULL, &error));
    WRONG(tidemill_run_input_callback(run, NULL, NULL, "in", &error));
    WRONG(tidemill_run_input_callback(run, no_input, NULL, NULL, &error));
    WRONG(tidemill_run_input_push(run, NULL, &error));
    WRONG(tidemill_run_output_path(run, NULL, &error));
    WRONG(tidemill_run_output_fd(run, -1, &error));
    WRONG(tidemill_run_output_callback(run, NULL, NULL, &error));
    /* Push needs its input; pull its output. */
    CHECK(tidemill_run_push(run, "", 0, &error) == -1 && error.status == TIDEMILL_E_ARGUMENT);
    WRONG(tidemill_run_push_end(run, &error));
    char c;
    CHECK(tidemill_run_pull(run, &c, 1) == 0);
    CHECK(tidemill_run_pull(run, NULL, 0) == 0);
    /* One output only; pushed input stands alone. */
    CHECK_OK(tidemill_run_output_pull(run, &error));
    WRONG(tidemill_run_output_path(run, "out", &error));
    WRONG(tidemill_run_output_pull(run, &error));
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    WRONG(tidemill_run_input_push(run, "again", &error));
    WRONG(tidemill_run_input_path(run, "in", &error));
    WRONG(tidemill_run_input_fd(run, 0, "in", &error));
    WRONG(tidemill_run_input_callback(run, no_input, NULL, "in", &error));
    CHECK(tidemill_run_push(run, NULL, 1, &error) == -1 && error.status == TIDEMILL_E_ARGUMENT);
    CHECK(tidemill_run_push(run, NULL, 0, &error) == 0);
    /* Begun. */
    CHECK(tidemill_run_step(run, 0, &error) == TIDEMILL_AGAIN);
    WRONG(tidemill_run_input_path(run, "in", &error));
    WRONG(tidemill_run_output_path(run, "out", &error));
    WRONG(tidemill_run_wait(run, &error));
    CHECK_OK(tidemill_run_push_end(run, &error));
    WRONG(tidemill_run_push_end(run, &error));
    CHECK(tidemill_run_push(run, "x", 1, &error) == -1 && error.status == TIDEMILL_E_ARGUMENT);
    CHECK_OK(tidemill_run_wait(run, &error));
    /* Over. */
    WRONG(tidemill_run_output_pull(run, &error));
    tidemill_run_stop(run);
    CHECK_OK(tidemill_run_step(run, -1, &error));
    tidemill_run_stats(run, NULL);
    tidemill_run_free(run);
}

/* An output that cannot be had may be tried again elsewhere. */
static void second_output(tidemill_job *job)
{
    tidemill_run *run = new_run(job, NULL);
    CHECK_STATUS(TIDEMILL_E_OUTPUT, tidemill_run_output_path(run, "no/such/folder/out", &error));
    CHECK(error.system_errno == ENOENT && strstr(error.message, "no/such/folder/out"));
    CHECK_OK(tidemill_run_input_callback(run, no_input, NULL, "empty", &error));
    CHECK_OK(tidemill_run_output_callback(run, no_output, NULL, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
}

static void pool_arguments(tidemill_job *job)
{
    tidemill_job *other = opened(new_job());
    tidemill_pool *pool = tidemill_pool_new(job, &error);
    CHECK(pool);
    tidemill_run *run = new_run(job, pool);
    CHECK(!tidemill_run_new(job, pool, &error) && error.status == TIDEMILL_E_ARGUMENT);
    CHECK(strstr(error.message, "in use"));
    tidemill_run_free(run);
    CHECK(!tidemill_run_new(other, pool, &error) && error.status == TIDEMILL_E_ARGUMENT);
    CHECK(strstr(error.message, "another job"));
    CHECK_OK(tidemill_pool_free(pool, &error));
    tidemill_job_free(other);
}

/* A callback must not step its own run. */
static ptrdiff_t step_inside(void *context, char *data, size_t size)
{
    (void)data, (void)size;
    WRONG(tidemill_run_step(*(tidemill_run **)context, 0, &error));
    WRONG(tidemill_run_wait(*(tidemill_run **)context, &error));
    return 0;
}

static void nested(tidemill_job *job)
{
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, step_inside, &run, "nested", &error));
    CHECK_OK(tidemill_run_output_callback(run, no_output, NULL, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
}

static void names(void)
{
    CHECK(strcmp(tidemill_status_name(TIDEMILL_OK), "OK") == 0);
    CHECK(strcmp(tidemill_status_name(TIDEMILL_E_SPEC), "E_SPEC") == 0);
    CHECK(strcmp(tidemill_status_name(TIDEMILL_AGAIN), "AGAIN") == 0);
    CHECK(strcmp(tidemill_status_name(-1), "E_UNKNOWN") == 0);
    CHECK(strcmp(tidemill_status_name(15), "E_UNKNOWN") == 0);
    CHECK(strcmp(tidemill_status_text(TIDEMILL_E_STOPPED), "the run was stopped") == 0);
    CHECK(strcmp(tidemill_status_text(1000), "unknown status") == 0);
    CHECK(strcmp(tidemill_version(), TIDEMILL_VERSION) == 0);
}

int main(void)
{
    no_handle();
    names();
    job_arguments();
    mended();
    tidemill_job *job = opened(new_job());
    run_arguments(job);
    second_output(job);
    pool_arguments(job);
    nested(job);
    tidemill_job_free(job);
    CHECK(!has_children());
    return 0;
}
