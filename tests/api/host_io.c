/*
 * A blocking run for every way to give input times every way to take output; several inputs of
 * different kinds in one run; one socket for both directions.
 */
#include "host_outputs.h"

#include <sys/socket.h>

#define RECORDS 500

static struct bytes input, expected;

/* ---- Input ---- */

static ptrdiff_t read_some(void *context, char *data, size_t size)
{
    size_t *at = context;
    size_t n = input.n - *at;
    n = n < size ? n : size;
    n = n < 77 ? n : 77;
    memcpy(data, input.p + *at, n);
    *at += n;
    return (ptrdiff_t)n;
}

static size_t at;
static int in_fd = -1, in_other = -1;

static void input_path(tidemill_run *run)
{
    CHECK_OK(tidemill_run_input_path(run, "in.jsonl", &error));
}

static void input_file(tidemill_run *run)
{
    in_fd = open("in.jsonl", O_RDONLY);
    CHECK(in_fd >= 0);
    CHECK_OK(tidemill_run_input_fd(run, in_fd, "file", &error));
}

static void input_pipe(tidemill_run *run)
{
    int fds[2];
    CHECK(pipe(fds) == 0 && write(fds[1], input.p, input.n) == (ssize_t)input.n);
    close(fds[1]);
    in_fd = fds[0];
    CHECK_OK(tidemill_run_input_fd(run, in_fd, "pipe", &error));
}

static void input_socket(tidemill_run *run)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(write(fds[1], input.p, input.n) == (ssize_t)input.n);
    CHECK(shutdown(fds[1], SHUT_WR) == 0);
    in_fd = fds[0];
    in_other = fds[1];
    CHECK_OK(tidemill_run_input_fd(run, in_fd, "socket", &error));
}

static void input_callback(tidemill_run *run)
{
    at = 0;
    CHECK_OK(tidemill_run_input_callback(run, read_some, &at, "callback", &error));
}

static void input_push(tidemill_run *run)
{
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK(tidemill_run_push(run, input.p, input.n, &error) == (ptrdiff_t)input.n);
    CHECK_OK(tidemill_run_push_end(run, &error));
}

/* ---- Output ---- */

static int out_read = -1;

static void output_pipe(tidemill_run *run)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    out_fd = fds[1];
    out_read = fds[0];
    CHECK_OK(tidemill_run_output_fd(run, out_fd, &error));
}

static void take_fd(tidemill_run *run)
{
    char block[4096];
    (void)run;
    CHECK(close(out_fd) == 0); /* still ours */
    out_fd = -1;
    for (ssize_t n; (n = read(out_read, block, sizeof block)) > 0;)
        bytes_add(&output, block, (size_t)n);
}

static void output_socket(tidemill_run *run)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    out_fd = fds[1];
    out_read = fds[0];
    CHECK_OK(tidemill_run_output_fd(run, out_fd, &error));
}

/* ---- All of them ---- */

static void (*const inputs[])(tidemill_run *) = {input_path,   input_file,     input_pipe,
                                                 input_socket, input_callback, input_push};
static const struct {
    void (*give)(tidemill_run *);
    void (*take)(tidemill_run *);
} outputs[] = {{output_path, take_file},        {output_file, take_file},
               {output_pipe, take_fd},          {output_socket, take_fd},
               {output_callback, take_nothing}, {output_pull, take_pulled}};

static void close_all(void)
{
    int *const all[] = {&in_fd, &in_other, &out_fd, &out_read};
    for (int i = 0; i < 4; i++) {
        if (*all[i] >= 0)
            CHECK(close(*all[i]) == 0);
        *all[i] = -1;
    }
}

static void every_pair(tidemill_job *job)
{
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (size_t o = 0; o < sizeof outputs / sizeof *outputs; o++) {
            tidemill_stats stats;
            tidemill_run *run = new_run(job, NULL);
            inputs[i](run);
            outputs[o].give(run);
            CHECK_OK(tidemill_run_wait(run, &error));
            CHECK_OK(tidemill_run_wait(run, &error)); /* the same again */
            outputs[o].take(run);
            check_same(&output, &expected);
            tidemill_run_stats(run, &stats);
            CHECK(stats.read == RECORDS && stats.kept == RECORDS && stats.written == RECORDS);
            CHECK(stats.bytes_in == input.n && stats.bytes_out == expected.n && stats.deaths == 0);
            tidemill_run_free(run);
            close_all();
            bytes_free(&output);
        }
}

/* Kinds of input one after the other. */
static void several(tidemill_job *job)
{
    struct bytes all = {NULL, 0, 0};
    tidemill_run *run = new_run(job, NULL);
    input_path(run);
    input_pipe(run);
    input_callback(run);
    input_path(run);
    output_callback(run);
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    for (int i = 0; i < 4; i++)
        bytes_add(&all, expected.p, expected.n);
    check_same(&output, &all);
    bytes_free(&all);
    bytes_free(&output);
    close_all();
}

/* As a server would: a request comes in and the answer goes out through one descriptor. */
static void one_socket(tidemill_job *job)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(write(fds[1], input.p, input.n) == (ssize_t)input.n && shutdown(fds[1], SHUT_WR) == 0);
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_fd(run, fds[0], "request", &error));
    CHECK_OK(tidemill_run_output_fd(run, fds[0], &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    out_fd = fds[0];
    out_read = fds[1];
    take_fd(NULL);
    check_same(&output, &expected);
    bytes_free(&output);
    close_all();
}

/* What a callback is given is there in a process that it forks. */
static int write_by_child(void *context, const char *data, size_t size)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(write(*(int *)context, data, size) == (ssize_t)size ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static void host_that_forks(tidemill_job *job)
{
    int fd = open("forked.jsonl", O_RDWR | O_CREAT | O_TRUNC, 0600);
    tidemill_run *run = new_run(job, NULL);
    input_path(run);
    CHECK_OK(tidemill_run_output_callback(run, write_by_child, &fd, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    char *seen = malloc(expected.n + 1);
    CHECK(seen && pread(fd, seen, expected.n + 1, 0) == (ssize_t)expected.n);
    CHECK(memcmp(seen, expected.p, expected.n) == 0);
    free(seen);
    close(fd);
}

/* The job's own paths, relative to the working directory. */
static void from_options(void)
{
    tidemill_job *job = opened(
        JOB("input.path", "in.jsonl", "output.path", "out.jsonl", "transform.inline", DOUBLE));
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    tidemill_job_free(job);
    take_file(NULL);
    check_same(&output, &expected);
    bytes_free(&output);
}

/* What is open for one thing is not opened anew for the other. */
static void wrong_ends(tidemill_job *job)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    tidemill_run *run = new_run(job, NULL);
    CHECK(tidemill_run_output_path(run, "", &error) == TIDEMILL_E_ARGUMENT);
    CHECK(tidemill_run_output_fd(run, fds[0], &error) == TIDEMILL_E_OUTPUT);
    CHECK(error.system_errno == EBADF);
    CHECK_OK(tidemill_run_input_fd(run, fds[1], "in", &error));
    CHECK(tidemill_run_wait(run, &error) == TIDEMILL_E_INPUT && error.system_errno == EBADF);
    tidemill_run_free(run);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
}

int main(void)
{
    input = numbers(0, RECORDS, 1);
    expected = numbers(0, RECORDS, 2);
    write_file("in.jsonl", input.p, input.n);
    int before = open_descriptors();
    tidemill_job *job = opened(JOB("input.format", "jsonl", "output.format", "jsonl", "workers",
                                   "2", "chunk", "2KiB", "transform.inline", DOUBLE));
    every_pair(job);
    several(job);
    one_socket(job);
    host_that_forks(job);
    wrong_ends(job);
    tidemill_job_free(job);
    from_options();
    CHECK(open_descriptors() == before && !has_children());
    bytes_free(&input);
    bytes_free(&expected);
    return 0;
}
