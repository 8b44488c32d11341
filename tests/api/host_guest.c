/*
 * A polite guest. Whatever a host does with the library, finished runs and failed ones, freed with
 * and without a step: afterwards the process is as before. Its signals, mask, descriptors and their
 * flags, children, folder, locale, environment and umask; and nothing was printed.
 */
#include "host.h"

#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

extern char **environ;

struct process {
    struct sigaction actions[65];
    sigset_t mask, pending;
    int descriptors;
    int flags[8], status_flags[8];
    char folder[4096];
    char locale[256];
    char *environment[1000];
    int environment_n;
    mode_t mask_of_files;
    struct rlimit core, as, nofile;
    pid_t group;
};

static void look(struct process *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 1; i <= 64; i++)
        sigaction(i, NULL, &p->actions[i]); /* 32 and 33 are the C library's own */
    sigprocmask(SIG_SETMASK, NULL, &p->mask);
    sigpending(&p->pending);
    p->descriptors = open_descriptors();
    for (int fd = 0; fd < 8; fd++) {
        p->flags[fd] = fcntl(fd, F_GETFD);
        p->status_flags[fd] = fcntl(fd, F_GETFL);
    }
    CHECK(getcwd(p->folder, sizeof p->folder));
    snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
    for (char **e = environ; *e && p->environment_n < 1000; e++)
        p->environment[p->environment_n++] = *e;
    p->mask_of_files = umask(0);
    umask(p->mask_of_files);
    getrlimit(RLIMIT_CORE, &p->core);
    getrlimit(RLIMIT_AS, &p->as);
    getrlimit(RLIMIT_NOFILE, &p->nofile);
    p->group = getpgrp();
}

static void check_unchanged(const struct process *before)
{
    struct process now;
    look(&now);
    for (int i = 1; i <= 64; i++) {
        CHECK(now.actions[i].sa_handler == before->actions[i].sa_handler);
        CHECK(now.actions[i].sa_flags == before->actions[i].sa_flags);
        for (int s = 1; s <= 64; s++)
            CHECK(sigismember(&now.actions[i].sa_mask, s) ==
                  sigismember(&before->actions[i].sa_mask, s));
    }
    for (int s = 1; s <= 64; s++) {
        CHECK(sigismember(&now.mask, s) == sigismember(&before->mask, s));
        CHECK(sigismember(&now.pending, s) == sigismember(&before->pending, s));
    }
    CHECK(now.descriptors == before->descriptors);
    CHECK(memcmp(now.flags, before->flags, sizeof now.flags) == 0);
    CHECK(memcmp(now.status_flags, before->status_flags, sizeof now.status_flags) == 0);
    CHECK(strcmp(now.folder, before->folder) == 0 && strcmp(now.locale, before->locale) == 0);
    CHECK(memcmp(now.environment, before->environment, sizeof now.environment) == 0);
    CHECK(now.mask_of_files == before->mask_of_files && now.group == before->group);
    CHECK(now.core.rlim_cur == before->core.rlim_cur && now.as.rlim_cur == before->as.rlim_cur &&
          now.nofile.rlim_cur == before->nofile.rlim_cur);
    CHECK(!has_children());
}

/* ---- What a host may do ---- */

static int broken_output(void *context, const char *data, size_t length)
{
    (void)context, (void)data, (void)length;
    errno = ENOSPC;
    return -1;
}

static ptrdiff_t broken_input(void *context, char *data, size_t size)
{
    (void)context, (void)data, (void)size;
    errno = EIO;
    return -1;
}

static ptrdiff_t two_records(void *context, char *data, size_t size)
{
    int *calls = context;
    CHECK(size > 16);
    return (*calls)++ ? 0 : snprintf(data, size, "{\"x\":1}\n{\"x\":2}\n");
}

/* What scripts print comes as bytes, in record order, however many calls that takes. */
static void keep_message(void *context, int level, const char *text, size_t length)
{
    CHECK(level == TIDEMILL_LOG_SCRIPT && text && length);
    bytes_add(context, text, length);
}

#define PRINTS                                                             \
    "print('to the host') io.write('too\\n') io.stderr:write('noise\\n') " \
    "os.execute('echo noise; echo noise >&2') "

static void script_noise(void)
{
    int calls = 0;
    struct bytes out = {0}, printed = {0};
    tidemill_job *job = opened(JOB("input.format", "jsonl", "transform.inline",
                                   "return function(r) " PRINTS "return r end"));
    tidemill_run *run = new_run(job, NULL);
    tidemill_run_on_message(run, keep_message, &printed);
    CHECK_OK(tidemill_run_input_callback(run, two_records, &calls, "two", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &out, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    CHECK(strcmp(out.p, "{\"x\":1}\n{\"x\":2}\n") == 0);
    CHECK(strcmp(printed.p, "to the host\ntoo\nnoise\nto the host\ntoo\nnoise\n") == 0);
    tidemill_run_free(run);
    /* Without a listener they are dropped. */
    calls = 0;
    run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, two_records, &calls, "two", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &out, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&out);
    bytes_free(&printed);
}

static tidemill_job *plain_job(void)
{
    return opened(JOB("input.format", "jsonl", "workers", "3", "transform.inline", DOUBLE));
}

static void failures(void)
{
    int calls = 0;
    tidemill_job *job = plain_job();
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, two_records, &calls, "two", &error));
    CHECK_OK(tidemill_run_output_callback(run, broken_output, NULL, &error));
    CHECK_STATUS(TIDEMILL_E_OUTPUT, tidemill_run_wait(run, &error));
    CHECK(error.system_errno == ENOSPC);
    tidemill_run_free(run);
    run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, broken_input, NULL, "broken", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK_STATUS(TIDEMILL_E_INPUT, tidemill_run_wait(run, &error));
    CHECK(error.system_errno == EIO && strstr(error.message, "'broken'"));
    tidemill_run_free(run);
    run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_path(run, "missing.jsonl", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK_STATUS(TIDEMILL_E_INPUT, tidemill_run_wait(run, &error));
    CHECK(error.system_errno == ENOENT);
    tidemill_run_free(run);
    run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_fd(run, 1000, "closed", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK_STATUS(TIDEMILL_E_INPUT, tidemill_run_wait(run, &error));
    CHECK(error.system_errno == EBADF);
    tidemill_run_free(run);
    tidemill_job_free(job);
}

/* A reader that went away is an error of the run, not the host's death: pipe and socket. */
static void broken_pipes(void)
{
    int fds[2];
    tidemill_job *job = plain_job();
    for (int i = 0; i < 2; i++) {
        int calls = 0;
        CHECK((i ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds)) == 0);
        close(fds[0]);
        tidemill_run *run = new_run(job, NULL);
        CHECK_OK(tidemill_run_input_callback(run, two_records, &calls, "two", &error));
        CHECK_OK(tidemill_run_output_fd(run, fds[1], &error));
        CHECK_STATUS(TIDEMILL_E_OUTPUT, tidemill_run_wait(run, &error));
        CHECK(error.system_errno == EPIPE);
        tidemill_run_free(run);
        close(fds[1]);
    }
    tidemill_job_free(job);
}

/* Freed without a step, and at every number of steps; the output file stays as it was. */
static void abandoned(void)
{
    struct bytes in = numbers(0, 5000, 1);
    write_file("in.jsonl", in.p, in.n);
    write_file("out.jsonl", "before\n", 7);
    tidemill_job *job = opened(JOB("input.path", "in.jsonl", "output.path", "out.jsonl", "workers",
                                   "2", "chunk", "1KiB", "errors.policy", "quarantine",
                                   "errors.quarantine", "rejects.jsonl", "transform.inline",
                                   DOUBLE));
    for (int steps = 0; steps < 12; steps++) {
        tidemill_run *run = new_run(job, NULL);
        for (int i = 0; i < steps; i++)
            CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 0, &error));
        tidemill_run_free(run);
        CHECK(!has_children());
    }
    struct bytes out = read_file("out.jsonl");
    CHECK(strcmp(out.p, "before\n") == 0);
    CHECK(access("rejects.jsonl", F_OK) < 0);
    /* No file was left under another name. */
    int n = 0;
    DIR *d = opendir(".");
    while (readdir(d))
        n++;
    closedir(d);
    CHECK(n == 2 + 2);
    tidemill_job_free(job);
    bytes_free(&in);
    bytes_free(&out);
}

/* Descriptors of the host, blocking and not, keep their flags and stay open. */
static void flags_of(int kind, int nonblock)
{
    int in[2], out[2];
    struct bytes bytes = numbers(0, 100, 1), doubled = numbers(0, 100, 2);
    char block[4096];
    tidemill_job *job = plain_job();
    CHECK((kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, in) : pipe(in)) == 0);
    CHECK((kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, out) : pipe(out)) == 0);
    CHECK(write(in[1], bytes.p, bytes.n) == (ssize_t)bytes.n);
    close(in[1]);
    if (nonblock)
        CHECK(fcntl(in[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(out[1], F_SETFL, O_NONBLOCK) == 0);
    int flags[] = {fcntl(in[0], F_GETFL), fcntl(out[1], F_GETFL), fcntl(in[0], F_GETFD),
                   fcntl(out[1], F_GETFD)};
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_fd(run, in[0], "in", &error));
    CHECK_OK(tidemill_run_output_fd(run, out[1], &error));
    while (tidemill_run_step(run, -1, &error) == TIDEMILL_AGAIN)
        CHECK(fcntl(in[0], F_GETFL) == flags[0] && fcntl(out[1], F_GETFL) == flags[1]);
    CHECK_OK(tidemill_run_step(run, 0, &error));
    tidemill_run_free(run);
    CHECK(fcntl(in[0], F_GETFL) == flags[0] && fcntl(out[1], F_GETFL) == flags[1]);
    CHECK(fcntl(in[0], F_GETFD) == flags[2] && fcntl(out[1], F_GETFD) == flags[3]);
    CHECK(read(out[0], block, sizeof block) == (ssize_t)doubled.n);
    close(in[0]);
    close(out[0]);
    close(out[1]);
    bytes_free(&bytes);
    bytes_free(&doubled);
    tidemill_job_free(job);
}

/* A job that never opens, and checks of good and bad ones. */
static void no_runs(void)
{
    struct bytes printed = {0};
    tidemill_job *job = tidemill_job_new();
    CHECK(tidemill_job_open(job, &error) == TIDEMILL_E_SPEC);
    tidemill_job_free(job);
    job = opened(
        JOB("input.path", "in.jsonl", "output.path", "out.jsonl", "transform.inline", DOUBLE));
    CHECK_OK(tidemill_job_check(job, keep_message, &printed, &error));
    tidemill_job_free(job);
    job = opened(JOB("input.path", "in.jsonl", "transform.inline", "return function("));
    CHECK_STATUS(TIDEMILL_E_SCRIPT, tidemill_job_check(job, keep_message, &printed, &error));
    tidemill_job_free(job);
    struct bytes out = read_file("out.jsonl");
    CHECK(strcmp(out.p, "before\n") == 0);
    CHECK(printed.n == 0);
    bytes_free(&out);
}

static void ignore(int number)
{
    (void)number;
}

static void everything(void)
{
    static struct process before;
    look(&before);
    script_noise();
    failures();
    broken_pipes();
    abandoned();
    for (int kind = 0; kind < 2; kind++)
        for (int nonblock = 0; nonblock < 2; nonblock++)
            flags_of(kind, nonblock);
    no_runs();
    check_unchanged(&before);
    CHECK(unlink("in.jsonl") == 0 && unlink("out.jsonl") == 0);
}

/* The host's own standard output and error, as files that must stay empty. */
static int silent(int fd, const char *path)
{
    int kept = dup(fd);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(kept >= 0 && file >= 0 && dup2(file, fd) == fd && close(file) == 0);
    return kept;
}

static void loud(int fd, int kept, const char *path)
{
    struct stat st;
    CHECK(fsync(fd) == 0 && stat(path, &st) == 0 && st.st_size == 0);
    CHECK(dup2(kept, fd) == fd && close(kept) == 0);
}

/* What the host has pushed back into a standard input that it has not read is not for its workers. */
static void private_input(void)
{
    write_file("in.jsonl", "{}\n", 3);
    CHECK(ungetc('U', stdin) == 'U');
    tidemill_job *job = opened(JOB("input.path", "in.jsonl", "output.path", "out.jsonl",
                                   "transform.inline",
                                   "return function(r) r.s = io.read('a') return r end"));
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    tidemill_job_free(job);
    struct bytes out = read_file("out.jsonl");
    CHECK(strcmp(out.p, "{\"s\":\"\"}\n") == 0);
    bytes_free(&out);
    CHECK(getchar() == 'U');
}

int main(void)
{
    private_input();
    /* Buffered output of the host is written once, by the host. */
    int out = silent(STDOUT_FILENO, "../stdout");
    everything();
    loud(STDOUT_FILENO, out, "../stdout");
    int err = silent(STDERR_FILENO, "../stderr");
    everything();
    loud(STDERR_FILENO, err, "../stderr");
    /* Another setting, which must stay as it is as well. */
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGPIPE);
    sigaddset(&action.sa_mask, SIGALRM);
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "C.UTF-8");
    umask(027);
    everything();
    /* A SIGPIPE that was pending before is still the host's. */
    CHECK(raise(SIGPIPE) == 0);
    everything();
    /* A host that does not want to hear of its children. */
    signal(SIGCHLD, SIG_IGN);
    everything();
    return 0;
}
