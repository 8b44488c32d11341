/*
 * The public functions: arguments are checked here, then the call goes in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "run.h"

static int misuse(err *e, const char *what)
{
    return tm_err_set(e, TIDEMILL_E_ARGUMENT, "%s", what);
}

/* ---- Jobs ---- */

tidemill_job *tidemill_job_new(void)
{
    tidemill_job *job = calloc(1, sizeof *job);
    if (job && tm_spec_init(&job->spec) != TIDEMILL_OK) {
        free(job);
        return NULL;
    }
    if (job)
        job->log_fd = -1;
    return job;
}

void tidemill_job_free(tidemill_job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->functions_n; i++)
        free((void *)(uintptr_t)job->functions[i].name);
    free(job->functions);
    tm_buf_release(&job->script);
    free(job->chunk_name);
    free(job->folder);
    tm_spec_release(&job->spec);
    free(job);
}

static int must_be_closed(const tidemill_job *job, err *e)
{
    if (!job)
        return misuse(e, "the job is NULL");
    return job->opened ? misuse(e, "the job is opened and does not change any more") : TIDEMILL_OK;
}

static int must_be_open(const tidemill_job *job, err *e)
{
    if (!job)
        return misuse(e, "the job is NULL");
    return job->opened ? TIDEMILL_OK : misuse(e, "the job is not opened (tidemill_job_open)");
}

int tidemill_job_load(tidemill_job *job, const char *path, tidemill_error *e)
{
    int status = must_be_closed(job, e);
    if (status == TIDEMILL_OK && !path)
        return misuse(e, "a job file needs a path");
    return status == TIDEMILL_OK ? tm_spec_load(&job->spec, path, e) : status;
}

int tidemill_job_parse(tidemill_job *job, const char *text, size_t length, const char *name,
                       tidemill_error *e)
{
    int status = must_be_closed(job, e);
    if (status == TIDEMILL_OK && (!name || (!text && length)))
        return misuse(e, "a job file needs a text and a name");
    struct slice all = {text ? text : "", length};
    return status == TIDEMILL_OK ? tm_spec_parse(&job->spec, all, name, e) : status;
}

int tidemill_job_set(tidemill_job *job, const char *key, const char *value, tidemill_error *e)
{
    int status = must_be_closed(job, e);
    if (status == TIDEMILL_OK && (!key || !value))
        return misuse(e, "an option needs a name and a value");
    return status == TIDEMILL_OK ? tm_spec_set(&job->spec, key, value, e) : status;
}

const char *tidemill_job_get(tidemill_job *job, const char *key)
{
    return job && key ? tm_spec_get(&job->spec, key) : NULL;
}

size_t tidemill_job_problems(const tidemill_job *job)
{
    return job ? job->spec.problems_n : 0;
}

int tidemill_job_problem(const tidemill_job *job, size_t i, tidemill_error *e)
{
    if (!job || i >= job->spec.problems_n)
        return misuse(e, "there is no such problem");
    if (e)
        *e = job->spec.problems[i];
    return TIDEMILL_OK;
}

int tidemill_job_register(tidemill_job *job, const char *name, int (*function)(struct lua_State *),
                          tidemill_error *e)
{
    int status = must_be_closed(job, e);
    if (status != TIDEMILL_OK)
        return status;
    if (!name || !*name || !function)
        return misuse(e, "a function of the host needs a name and an address");
    for (size_t i = 0; i < job->functions_n; i++)
        if (strcmp(job->functions[i].name, name) == 0)
            return tm_err_set(e, TIDEMILL_E_ARGUMENT,
                              "a function of the host is named '%s' already", name);
    struct script_function *more = realloc(job->functions,
                                           (job->functions_n + 1) * sizeof *job->functions);
    if (!more)
        return tm_err_memory(e, "a function of the host");
    job->functions = more;
    char *copy = strdup(name);
    if (!copy)
        return tm_err_memory(e, "a function of the host");
    job->functions[job->functions_n++] = (struct script_function){copy, function};
    return TIDEMILL_OK;
}

int tidemill_job_log_fd(tidemill_job *job, int fd, tidemill_error *e)
{
    int status = must_be_closed(job, e);
    if (status == TIDEMILL_OK && fd != -1 && fcntl(fd, F_GETFD) < 0)
        return misuse(e, "the workers' log is no open descriptor");
    if (status == TIDEMILL_OK)
        job->log_fd = fd;
    return status;
}

int tidemill_job_open(tidemill_job *job, tidemill_error *e)
{
    int status = must_be_closed(job, e);
    return status == TIDEMILL_OK ? tm_job_open(job, e) : status;
}

int tidemill_job_check(tidemill_job *job, tidemill_message_fn message, void *context,
                       tidemill_error *e)
{
    int status = must_be_open(job, e);
    return status == TIDEMILL_OK ? tm_job_check(job, message, context, e) : status;
}

/* ---- Pools ---- */

tidemill_pool *tidemill_pool_new(tidemill_job *job, tidemill_error *e)
{
    if (must_be_open(job, e) != TIDEMILL_OK)
        return NULL;
    tidemill_pool *pool = malloc(sizeof *pool);
    if (!pool) {
        tm_err_memory(e, "a pool");
        return NULL;
    }
    if (tm_pool_init(&pool->pool, &job->plan, e) != TIDEMILL_OK) {
        free(pool);
        return NULL;
    }
    return pool;
}

int tidemill_pool_free(tidemill_pool *pool, tidemill_error *e)
{
    if (!pool)
        return TIDEMILL_OK;
    int status = tm_pool_end(&pool->pool, NULL, NULL, e);
    tm_pool_release(&pool->pool);
    free(pool);
    return status;
}

/* ---- Runs ---- */

tidemill_run *tidemill_run_new(tidemill_job *job, tidemill_pool *pool, tidemill_error *e)
{
    if (must_be_open(job, e) != TIDEMILL_OK)
        return NULL;
    if (pool && (pool->pool.plan != &job->plan || pool->pool.busy)) {
        misuse(e, pool->pool.busy ? "the pool is in use by another run"
                                  : "the pool belongs to another job");
        return NULL;
    }
    tidemill_run *run = malloc(sizeof *run);
    if (!run) {
        tm_err_memory(e, "a run");
        return NULL;
    }
    if (tm_run_init(run, &job->plan, pool ? &pool->pool : NULL, e) != TIDEMILL_OK) {
        free(run);
        return NULL;
    }
    return run;
}

void tidemill_run_free(tidemill_run *run)
{
    if (!run)
        return;
    tm_run_release(run);
    free(run);
}

static int must_be_new(const tidemill_run *run, err *e)
{
    if (!run)
        return misuse(e, "the run is NULL");
    return run->phase == RUN_NEW ? TIDEMILL_OK : misuse(e, "the run has begun");
}

/* `named`: what has to be there, the name among it, is there. */
static int must_take_input(const tidemill_run *run, bool named, err *e)
{
    int status = must_be_new(run, e);
    if (status != TIDEMILL_OK)
        return status;
    if (!named)
        return misuse(e, "an input needs what to read and a name");
    if (run->source.n && run->source.inputs[0].kind == INPUT_PUSH)
        return misuse(e, "pushed input must be the only input");
    return TIDEMILL_OK;
}

int tidemill_run_input_path(tidemill_run *run, const char *path, tidemill_error *e)
{
    int status = must_take_input(run, path, e);
    return status == TIDEMILL_OK ? tm_source_add_path(&run->source, path, e) : status;
}

int tidemill_run_input_fd(tidemill_run *run, int fd, const char *name, tidemill_error *e)
{
    int status = must_take_input(run, fd >= 0 && name, e);
    return status == TIDEMILL_OK ? tm_source_add_fd(&run->source, fd, name, e) : status;
}

int tidemill_run_input_callback(tidemill_run *run, tidemill_read_fn read, void *context,
                                const char *name, tidemill_error *e)
{
    int status = must_take_input(run, read && name, e);
    return status == TIDEMILL_OK ? tm_source_add_callback(&run->source, read, context, name, e)
                                 : status;
}

int tidemill_run_input_push(tidemill_run *run, const char *name, tidemill_error *e)
{
    int status = must_take_input(run, name, e);
    if (status == TIDEMILL_OK && run->source.n)
        return misuse(e, "pushed input must be the only input");
    return status == TIDEMILL_OK ? tm_source_add_push(&run->source, name, e) : status;
}

static int must_be_pushed(const tidemill_run *run, err *e)
{
    if (!run || run->source.n != 1 || run->source.inputs[0].kind != INPUT_PUSH)
        return misuse(e, "the run has no pushed input (tidemill_run_input_push)");
    return run->source.push_ended ? misuse(e, "the pushed input has ended") : TIDEMILL_OK;
}

ptrdiff_t tidemill_run_push(tidemill_run *run, const char *data, size_t length, tidemill_error *e)
{
    if (must_be_pushed(run, e) != TIDEMILL_OK)
        return -1;
    if (!data && length) {
        misuse(e, "the pushed bytes are NULL");
        return -1;
    }
    struct buf *pushed = &run->source.pushed;
    size_t room = pushed->n < SOURCE_PUSH_MAX ? SOURCE_PUSH_MAX - pushed->n : 0;
    size_t take = length < room ? length : room;
    if (!buf_reserve(pushed, take)) {
        pushed->failed = false;
        tm_err_memory(e, "the input");
        return -1;
    }
    buf_append(pushed, data, take);
    tm_loop_wake(&run->loop);
    return (ptrdiff_t)take;
}

int tidemill_run_push_end(tidemill_run *run, tidemill_error *e)
{
    int status = must_be_pushed(run, e);
    if (status == TIDEMILL_OK) {
        run->source.push_ended = true;
        tm_loop_wake(&run->loop);
    }
    return status;
}

static int must_take_output(const tidemill_run *run, bool named, err *e)
{
    int status = must_be_new(run, e);
    if (status == TIDEMILL_OK && run->out.kind != SINK_NONE)
        return misuse(e, "the run has an output already");
    if (status == TIDEMILL_OK && !named)
        return misuse(e, "an output needs where to write");
    return status;
}

/* What could not be opened leaves the run as it was. */
static int output_opened(tidemill_run *run, int status)
{
    if (status != TIDEMILL_OK)
        tm_sink_release(&run->out);
    return status;
}

int tidemill_run_output_path(tidemill_run *run, const char *path, tidemill_error *e)
{
    int status = must_take_output(run, path && *path, e);
    return status == TIDEMILL_OK ? output_opened(run, tm_sink_open_path(&run->out, path, e))
                                 : status;
}

int tidemill_run_output_fd(tidemill_run *run, int fd, tidemill_error *e)
{
    int status = must_take_output(run, fd >= 0, e);
    return status == TIDEMILL_OK
               ? output_opened(run, tm_sink_open_fd(&run->out, fd, "the output", e))
               : status;
}

int tidemill_run_output_callback(tidemill_run *run, tidemill_write_fn write, void *context,
                                 tidemill_error *e)
{
    int status = must_take_output(run, write, e);
    return status == TIDEMILL_OK
               ? output_opened(run, tm_sink_open_callback(&run->out, write, context, e))
               : status;
}

int tidemill_run_output_pull(tidemill_run *run, tidemill_error *e)
{
    int status = must_take_output(run, true, e);
    return status == TIDEMILL_OK ? output_opened(run, tm_sink_open_pull(&run->out, e)) : status;
}

size_t tidemill_run_pull(tidemill_run *run, char *data, size_t size)
{
    if (!run || run->out.kind != SINK_PULL)
        return 0;
    bool full = sink_full(&run->out);
    size_t n = tm_sink_pull(&run->out, data, size);
    if (full && n)
        tm_loop_wake(&run->loop);
    return n;
}

void tidemill_run_on_message(tidemill_run *run, tidemill_message_fn message, void *context)
{
    if (!run)
        return;
    run->merger.message = message;
    run->merger.message_context = context;
}

void tidemill_run_stats(const tidemill_run *run, tidemill_stats *stats)
{
    if (!stats)
        return;
    *stats = (tidemill_stats){0};
    if (!run)
        return;
    *stats = run->merger.stats;
    stats->bytes_in = run->splitter.bytes;
    stats->bytes_out = run->out.bytes;
    stats->bytes_total = tm_source_total(&run->source, run->splitter.bytes);
    stats->workers = run->attached ? run->pool->peak : run->workers;
}

/* Callbacks run inside a step. */
static int must_be_outside(const tidemill_run *run, err *e)
{
    if (!run)
        return misuse(e, "the run is NULL");
    return run->inside ? misuse(e, "the run is stepped from its own callback") : TIDEMILL_OK;
}

/* A host that polls the descriptor must be told that what came in has opened more to do. */
static void tell_poller(tidemill_run *run)
{
    if (run->polled && tm_run_has_more(run))
        tm_loop_wake(&run->loop);
}

int tidemill_run_step(tidemill_run *run, int timeout, tidemill_error *e)
{
    if (must_be_outside(run, e) != TIDEMILL_OK)
        return TIDEMILL_E_ARGUMENT;
    int status = tm_run_step(run, timeout, e);
    if (status == TIDEMILL_AGAIN)
        tell_poller(run);
    return status;
}

int tidemill_run_wait(tidemill_run *run, tidemill_error *e)
{
    int status = must_be_outside(run, e);
    if (status != TIDEMILL_OK)
        return status;
    do {
        status = tm_run_step(run, -1, e);
        if (status == TIDEMILL_AGAIN && tm_run_waits_for_host(run))
            return misuse(e, "the run waits for its host: drive it with tidemill_run_step");
    } while (status == TIDEMILL_AGAIN);
    return status;
}

int tidemill_run_fd(const tidemill_run *run)
{
    if (!run)
        return -1;
    /* Nothing that a host can see changes. */
    tidemill_run *own = (tidemill_run *)(uintptr_t)run;
    own->polled = true;
    tell_poller(own);
    return run->loop.epoll;
}

void tidemill_run_stop(tidemill_run *run)
{
    uint64_t one = 1;
    int number = errno;
    if (!run)
        return;
    atomic_store(&run->stop, true);
    /* The counter can only be full when the loop is awake anyway. */
    (void)!write(run->loop.wake, &one, sizeof one);
    errno = number;
}
