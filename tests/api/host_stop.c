/*
 * A run is stopped: before it began, from a callback, a signal handler and another thread, after its
 * end. What was in hand is finished, and the output holds whole records.
 */
#include "host.h"

#include <pthread.h>
#include <signal.h>

static tidemill_run *the_run;
static struct bytes output;

/* {"x":0} {"x":1} ... without an end. */
static ptrdiff_t count_up(void *context, char *data, size_t size)
{
    int *next = context;
    CHECK(size > 32);
    return snprintf(data, size, "{\"x\":%d}\n", (*next)++);
}

/* What came out are the doubled numbers from 0 on, each whole. */
static void check_output(uint64_t records)
{
    struct bytes expected = numbers(0, (int)records, 2);
    check_same(&output, &expected);
    bytes_free(&expected);
    bytes_free(&output);
}

static tidemill_job *endless_job(void)
{
    return opened(
        JOB("input.format", "jsonl", "workers", "2", "chunk", "1KiB", "transform.inline", DOUBLE));
}

/* Runs until something stops it. */
static void run_until_stopped(tidemill_job *job, tidemill_write_fn write)
{
    int next = 0;
    tidemill_stats stats;
    tidemill_run *run = the_run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, count_up, &next, "numbers", &error));
    CHECK_OK(tidemill_run_output_callback(run, write, &output, &error));
    CHECK_STATUS(TIDEMILL_E_STOPPED, tidemill_run_wait(run, &error));
    CHECK_STATUS(TIDEMILL_E_STOPPED, tidemill_run_step(run, 0, &error));
    CHECK(error.status == TIDEMILL_E_STOPPED && error.message[0]);
    tidemill_run_stats(run, &stats);
    CHECK(stats.read == stats.kept && stats.read == stats.written && stats.read <= (uint64_t)next);
    tidemill_run_free(run);
    check_output(stats.read);
}

static void before_the_start(tidemill_job *job)
{
    int next = 0;
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, count_up, &next, "numbers", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &output, &error));
    tidemill_run_stop(run);
    tidemill_run_stop(run);
    CHECK_STATUS(TIDEMILL_E_STOPPED, tidemill_run_wait(run, &error));
    CHECK(next == 0 && output.n == 0 && !has_children());
    tidemill_run_free(run);
}

static int stop_in_callback(void *context, const char *data, size_t length)
{
    write_bytes(context, data, length);
    if (output.n > 10000)
        tidemill_run_stop(the_run);
    return 0;
}

/* ---- A signal handler ---- */

static volatile sig_atomic_t handled, kept;

static void on_signal(int number)
{
    (void)number;
    errno = E2BIG;
    tidemill_run_stop(the_run);
    tidemill_run_stop(the_run);
    kept = errno == E2BIG;
    handled = 1;
}

static int raise_in_callback(void *context, const char *data, size_t length)
{
    write_bytes(context, data, length);
    if (output.n > 10000)
        CHECK(raise(SIGUSR1) == 0);
    return 0;
}

static void from_handler(tidemill_job *job)
{
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    run_until_stopped(job, raise_in_callback);
    CHECK(handled && kept);
}

/* The counter that wakes the loop is as full as can be: writing to it fails, which nobody sees. */
static void with_full_counter(tidemill_job *job)
{
    int next = 0, full = 0;
    uint64_t one, most = UINT64_MAX - 1;
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, count_up, &next, "numbers", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &output, &error));
    CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 0, &error));
    for (int fd = 0; fd < 100; fd++) {
        char path[64], target[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 &&
            strcmp(target, "anon_inode:[eventfd]") == 0)
            full = (read(fd, &one, sizeof one) > 0 || errno == EAGAIN) &&
                   write(fd, &most, sizeof most) > 0;
    }
    CHECK(full);
    errno = E2BIG;
    tidemill_run_stop(run);
    CHECK(errno == E2BIG);
    CHECK_STATUS(TIDEMILL_E_STOPPED, tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    bytes_free(&output);
}

/* The signal comes while the run sleeps: nothing is pushed and nothing happens. */
static void asleep(tidemill_job *job)
{
    int fds[2];
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(pipe(fds) == 0);
    tidemill_run *run = the_run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_fd(run, fds[0], "a pipe that stays empty", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &output, &error));
    CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 0, &error));
    pthread_sigmask(SIG_BLOCK, &set, &before);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) { /* waits until its parent sleeps: "PID (host) S ..." */
        char stat[256] = "", path[64];
        snprintf(path, sizeof path, "/proc/%d/stat", getppid());
        for (const char *state = stat; *state != 'S';) {
            int fd = open(path, O_RDONLY);
            ssize_t n = read(fd, stat, sizeof stat - 1);
            CHECK(n > 0 && close(fd) == 0);
            stat[n] = '\0';
            state = strrchr(stat, ')') + 2;
        }
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    CHECK_STATUS(TIDEMILL_E_STOPPED, tidemill_run_wait(run, &error));
    CHECK(waitpid(child, NULL, 0) == child);
    tidemill_run_free(run);
    close(fds[0]);
    close(fds[1]);
}

/* ---- Another thread ---- */

static pthread_barrier_t barrier;

static void *stop_in_thread(void *context)
{
    (void)context;
    pthread_barrier_wait(&barrier);
    tidemill_run_stop(the_run);
    return NULL;
}

static int tell_thread(void *context, const char *data, size_t length)
{
    static int told;
    write_bytes(context, data, length);
    if (!told && output.n > 10000) {
        told = 1;
        pthread_barrier_wait(&barrier);
    }
    return 0;
}

static void from_thread(tidemill_job *job)
{
    pthread_t thread;
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, stop_in_thread, NULL) == 0);
    run_until_stopped(job, tell_thread);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
}

/* ---- Files ---- */

/* An output file is whole or untouched, so a stopped run leaves it untouched. */
static void to_a_file(tidemill_job *job)
{
    int next = 0;
    write_file("out.jsonl", "before\n", 7);
    tidemill_run *run = the_run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, count_up, &next, "numbers", &error));
    CHECK_OK(tidemill_run_output_path(run, "out.jsonl", &error));
    while (next < 1000)
        CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 100, &error));
    tidemill_run_stop(run);
    CHECK_STATUS(TIDEMILL_E_STOPPED, tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    struct bytes b = read_file("out.jsonl");
    CHECK(strcmp(b.p, "before\n") == 0);
    bytes_free(&b);
}

static void after_the_end(tidemill_job *job)
{
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "in", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK_OK(tidemill_run_push_end(run, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_stop(run);
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
}

/* All is read, and one record is in hand: no teardown comes after it, so this is no whole run. */
static void during_the_last_record(void)
{
    static const char input[] = "{\"n\":1}\n{\"n\":2}\n";
    tidemill_stats stats = {0};
    tidemill_job *job = opened(
        JOB("input.format", "jsonl", "workers", "2", "chunk", "1B", "transform.inline",
            "return function(r) if r.n == 2 then repeat until io.open('go') end return r end"));
    tidemill_pool *pool = tidemill_pool_new(job, &error);
    CHECK(pool);
    for (int stop = 1; stop >= 0; stop--) {
        tidemill_run *run = new_run(job, pool);
        CHECK_OK(tidemill_run_input_push(run, "in", &error));
        CHECK(tidemill_run_push(run, input, strlen(input), &error) == (ptrdiff_t)strlen(input));
        CHECK_OK(tidemill_run_push_end(run, &error));
        CHECK_OK(tidemill_run_output_callback(run, write_bytes, &output, &error));
        do {
            CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 100, &error));
            tidemill_run_stats(run, &stats);
        } while (stats.read == 0);
        for (int i = 0; i < 20; i++) /* the end of the input is seen */
            CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 1, &error));
        if (stop)
            tidemill_run_stop(run);
        write_file("go", "", 0);
        CHECK_STATUS(stop ? TIDEMILL_E_STOPPED : TIDEMILL_OK, tidemill_run_wait(run, &error));
        tidemill_run_stats(run, &stats);
        CHECK(stats.read == 2 && stats.written == 2 && stats.deaths == 0);
        tidemill_run_free(run);
        CHECK(unlink("go") == 0 && output.n == strlen(input));
        bytes_free(&output);
    }
    CHECK_OK(tidemill_pool_free(pool, &error));
    tidemill_job_free(job);
}

int main(void)
{
    int before = open_descriptors();
    tidemill_job *job = endless_job();
    before_the_start(job);
    run_until_stopped(job, stop_in_callback);
    from_handler(job);
    with_full_counter(job);
    asleep(job);
    to_a_file(job);
    after_the_end(job);
    during_the_last_record();
    from_thread(job);
    tidemill_job_free(job);
    CHECK(open_descriptors() == before && !has_children());
    return 0;
}
