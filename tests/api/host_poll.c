/*
 * Runs that are stepped with timeout 0, and only after poll() said that tidemill_run_fd is readable;
 * what the host gives and takes in between makes it so. None may sleep for ever: a poll that waits
 * longer than the deadline fails.
 */
#include "host.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#define DEADLINE 60000
/* So much output waits before the run does. */
#define FULL (256 << 10)

static int readable(tidemill_run *run, int timeout)
{
    struct pollfd p = {tidemill_run_fd(run), POLLIN, 0};
    int n;
    do
        n = poll(&p, 1, timeout);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

/* What the host does when the run has nothing to do: true when it did something. */
typedef int act_fn(tidemill_run *run, void *context);

static int drive(tidemill_run *run, act_fn *act, void *context)
{
    int status = TIDEMILL_AGAIN;
    uint64_t read = 0;
    while (status == TIDEMILL_AGAIN) {
        tidemill_stats stats;
        if (!readable(run, 0)) {
            if (act && act(run, context))
                continue;
            CHECK(readable(run, DEADLINE));
        }
        status = tidemill_run_step(run, 0, &error);
        tidemill_run_stats(run, &stats);
        CHECK(stats.read == stats.kept + stats.dropped + stats.failed && stats.read >= read);
        read = stats.read;
    }
    CHECK(tidemill_run_step(run, 0, &error) == status);
    return status;
}

static tidemill_job *double_job(const char *workers, const char *chunk)
{
    return opened(JOB("input.format", "jsonl", "workers", workers, "chunk", chunk,
                      "transform.inline", DOUBLE));
}

/* ---- Paths and callbacks, with nothing for the host to do ---- */

static void files(const char *workers, const char *chunk, int records)
{
    struct bytes in = numbers(0, records, 1), expected = numbers(0, records, 2), out = {0};
    write_file("in.jsonl", in.p, in.n);
    tidemill_job *job = double_job(workers, chunk);
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_path(run, "in.jsonl", &error));
    CHECK_OK(tidemill_run_output_path(run, "out.jsonl", &error));
    CHECK_OK(drive(run, NULL, NULL));
    tidemill_run_free(run);
    tidemill_job_free(job);
    out = read_file("out.jsonl");
    check_same(&out, &expected);
    bytes_free(&in);
    bytes_free(&out);
    bytes_free(&expected);
}

/* ---- Push and pull ---- */

struct traffic {
    struct bytes in, out;
    size_t at;
    unsigned turn;
    int ended, emptying, full;
    size_t piece, sip; /* bytes a push, a pull */
};

static int take(tidemill_run *run, struct traffic *t)
{
    char block[70000];
    size_t n = tidemill_run_pull(run, block, t->sip);
    bytes_add(&t->out, block, n);
    return n > 0;
}

static int give(tidemill_run *run, struct traffic *t)
{
    size_t n = t->in.n - t->at < t->piece ? t->in.n - t->at : t->piece;
    if (t->ended)
        return 0;
    if (n == 0) {
        CHECK_OK(tidemill_run_push_end(run, &error));
        return t->ended = 1;
    }
    ptrdiff_t taken = tidemill_run_push(run, t->in.p + t->at, n, &error);
    CHECK(taken >= 0 && (size_t)taken <= n);
    t->at += (size_t)taken;
    return taken > 0;
}

/* Input first: the output is left full for as long as any input is taken. */
static int push_first(tidemill_run *run, void *context)
{
    return give(run, context) || take(run, context);
}

static int pull_first(tidemill_run *run, void *context)
{
    return take(run, context) || give(run, context);
}

static int by_turns(tidemill_run *run, void *context)
{
    struct traffic *t = context;
    return t->turn++ % 3 ? push_first(run, t) : pull_first(run, t);
}

/* The output is left until the run rests because of it, and then taken to the last byte. */
static int when_full(tidemill_run *run, void *context)
{
    struct traffic *t = context;
    tidemill_stats stats;
    tidemill_run_stats(run, &stats);
    size_t pending = stats.bytes_out - t->out.n;
    CHECK(pending < FULL + (1 << 20));
    if (give(run, t))
        return 1;
    t->emptying = (t->emptying || pending >= FULL) && take(run, t);
    t->full += t->emptying;
    return t->emptying;
}

static void push_pull(act_fn *act, size_t piece, size_t sip, int records)
{
    struct bytes expected = numbers(0, records, 2);
    struct traffic t = {.in = numbers(0, records, 1), .piece = piece, .sip = sip};
    tidemill_job *job = double_job("2", "16KiB");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK_OK(drive(run, act, &t));
    while (take(run, &t))
        ;
    check_same(&t.out, &expected);
    CHECK(act != when_full || t.full);
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&t.in);
    bytes_free(&t.out);
    bytes_free(&expected);
}

/* All input is given, and all output taken whenever the run has had nothing to say for a while. */
static int when_at_rest(tidemill_run *run, void *context)
{
    struct traffic *t = context;
    if (give(run, t) || readable(run, 20))
        return 1;
    int took = 0;
    while (take(run, t))
        took = 1;
    return took;
}

/*
 * One worker, whose results are ten times its input and come in pieces: when the host takes what is pending, all
 * that the worker has been given may be done, and waits in the parent to be committed. There is more for it then.
 */
static void many_results(const char *chunk, int records)
{
    struct traffic t = {.in = numbers(0, records, 1), .piece = 60000, .sip = 65536};
    tidemill_job *job = opened(
        JOB("input.format", "jsonl", "workers", "1", "chunk", chunk, "transform.inline",
            "return function(r) local t = os.clock() + 0.0002 while os.clock() < t do end "
            "for i = 1, 10 do tidemill.emit(r) end return nil end"));
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK_OK(drive(run, when_at_rest, &t));
    while (take(run, &t))
        ;
    CHECK(t.out.n == 10 * t.in.n);
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&t.in);
    bytes_free(&t.out);
}

/* ---- A callback that has nothing now ---- */

struct slow {
    struct bytes in;
    size_t at, ready; /* up to `ready` has arrived */
    int wants;        /* it said -2 */
};

static ptrdiff_t read_slow(void *context, char *data, size_t size)
{
    struct slow *s = context;
    size_t n = s->ready - s->at < size ? s->ready - s->at : size;
    if (n == 0 && s->ready < s->in.n) {
        s->wants = 1;
        return -2;
    }
    memcpy(data, s->in.p + s->at, n);
    s->at += n;
    return (ptrdiff_t)n;
}

/* More has arrived: the host steps by itself, as the header says. */
static int arrive(tidemill_run *run, void *context)
{
    struct slow *s = context;
    if (!s->wants)
        return 0;
    s->wants = 0;
    s->ready += 97;
    if (s->ready > s->in.n)
        s->ready = s->in.n;
    CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 0, &error));
    return 1;
}

static void slow_callback(void)
{
    struct slow s = {.in = numbers(0, 1000, 1)};
    struct bytes out = {0}, expected = numbers(0, 1000, 2);
    tidemill_job *job = double_job("2", "1KiB");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, read_slow, &s, "slow", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &out, &error));
    CHECK_STATUS(TIDEMILL_E_ARGUMENT, tidemill_run_wait(run, &error)); /* it waits for us */
    CHECK_OK(drive(run, arrive, &s));
    check_same(&out, &expected);
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&s.in);
    bytes_free(&out);
    bytes_free(&expected);
}

/* ---- Descriptors that fill and empty ---- */

struct wire {
    int in, out; /* our ends */
    struct bytes data, seen;
    size_t at;
};

static int feed_wire(tidemill_run *run, void *context)
{
    struct wire *w = context;
    char block[5000];
    ssize_t n = recv(w->out, block, sizeof block, MSG_DONTWAIT);
    (void)run;
    if (n > 0) {
        bytes_add(&w->seen, block, (size_t)n);
        return 1;
    }
    if (w->in < 0)
        return 0;
    size_t left = w->data.n - w->at < 3000 ? w->data.n - w->at : 3000;
    n = left ? send(w->in, w->data.p + w->at, left, MSG_DONTWAIT) : 0;
    if (n > 0)
        w->at += (size_t)n;
    if (left == 0) {
        close(w->in);
        w->in = -1;
    }
    return n > 0 || left == 0;
}

static void sockets(void)
{
    int in[2], out[2];
    struct bytes expected = numbers(0, 50000, 2);
    struct wire w = {.data = numbers(0, 50000, 1)};
    char block[5000];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, in) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, out) == 0);
    w.in = in[1];
    w.out = out[1];
    tidemill_job *job = double_job("2", "64KiB");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_fd(run, in[0], "wire", &error));
    CHECK_OK(tidemill_run_output_fd(run, out[0], &error));
    CHECK_OK(drive(run, feed_wire, &w));
    tidemill_run_free(run);
    close(out[0]);
    for (ssize_t n; (n = read(w.out, block, sizeof block)) > 0;)
        bytes_add(&w.seen, block, (size_t)n);
    check_same(&w.seen, &expected);
    close(in[0]);
    close(w.out);
    tidemill_job_free(job);
    bytes_free(&w.data);
    bytes_free(&w.seen);
    bytes_free(&expected);
}

/* ---- Timers ---- */

/* A batch is not full, nothing more comes, and the wait is over: the descriptor says so. */
static void batch_wait(void)
{
    struct bytes in = numbers(0, 3, 1);
    char block[100];
    tidemill_job *job = opened(JOB("input.format", "jsonl", "transform.batch", "10",
                                   "transform.batch_wait", "20ms", "transform.inline",
                                   "return {batch = function(records) return records end}"));
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    CHECK(tidemill_run_push(run, in.p, in.n, &error) == (ptrdiff_t)in.n);
    size_t n = 0;
    while (n == 0) {
        CHECK(readable(run, DEADLINE));
        CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 0, &error));
        n = tidemill_run_pull(run, block, sizeof block);
    }
    CHECK(n == in.n && memcmp(block, in.p, n) == 0);
    CHECK_OK(tidemill_run_push_end(run, &error));
    CHECK_OK(drive(run, NULL, NULL));
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&in);
}

/* ---- Scripts that are slow, fail or die ---- */

static int scripted(const char *script, const char *policy, uint64_t *failed)
{
    struct bytes in = numbers(1, 40, 1), out = {0};
    struct traffic t = {.in = in, .piece = 100};
    tidemill_stats stats;
    tidemill_job *job = opened(JOB("input.format", "jsonl", "workers", "3", "chunk", "64B",
                                   "errors.policy", policy, "transform.inline", script));
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &out, &error));
    int status = drive(run, push_first, &t);
    tidemill_run_stats(run, &stats);
    *failed = stats.failed;
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&in);
    bytes_free(&out);
    bytes_free(&t.out);
    return status;
}

#define SPIN "local t = os.clock() + 0.003 while os.clock() < t do end "

static void scripts(void)
{
    uint64_t failed;
    CHECK_OK(scripted("return function(r) " SPIN "return r end", "fail", &failed));
    CHECK_OK(scripted("return {setup = function() " SPIN "end, teardown = function() " SPIN
                      "end, record = function(r) return r end}",
                      "fail", &failed));
    CHECK_STATUS(TIDEMILL_E_SCRIPT, scripted("return {teardown = function() error 'no end' end, "
                                             "record = function(r) return r end}",
                                             "fail", &failed));
    CHECK_STATUS(
        TIDEMILL_E_SCRIPT,
        scripted("return {setup = function() error 'no' end, record = print}", "fail", &failed));
    CHECK_STATUS(TIDEMILL_E_SCRIPT,
                 scripted("return function(r) if r.x == 20 then error 'bad' end return r end",
                          "fail", &failed));
    CHECK(failed == 1);
    CHECK_OK(scripted("return function(r) if r.x == 20 then error 'bad' end return r end", "skip",
                      &failed));
    CHECK(failed == 1);
    CHECK_OK(scripted("return function(r) if r.x == 20 then os.exit(3) end return r end", "skip",
                      &failed));
    CHECK(failed == 1);
}

/* ---- Stops ---- */

static void *stop_it(void *run)
{
    tidemill_run_stop(run);
    return NULL;
}

static void stop_while_waiting(void)
{
    tidemill_job *job = double_job("1", "1KiB");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK_OK(tidemill_run_output_pull(run, &error));
    while (readable(run, 0))
        CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, 0, &error));
    tidemill_run_stop(run);
    CHECK_STATUS(TIDEMILL_E_STOPPED, drive(run, NULL, NULL));
    tidemill_run_free(run);
    tidemill_job_free(job);
}

static ptrdiff_t stop_and_wait(void *context, char *data, size_t size)
{
    (void)data, (void)size;
    tidemill_run_stop(*(tidemill_run **)context);
    return -2;
}

/* A stop within a step, which has looked for one already. */
static void stop_inside(void)
{
    struct bytes out = {0};
    tidemill_job *job = double_job("1", "1KiB");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_callback(run, stop_and_wait, &run, "stops", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &out, &error));
    CHECK_STATUS(TIDEMILL_E_STOPPED, drive(run, NULL, NULL));
    tidemill_run_free(run);
    tidemill_job_free(job);
}

/* A stop that falls anywhere, also into a step. */
static void stop_races(void)
{
    tidemill_job *job = opened(JOB("input.format", "jsonl", "workers", "1", "isolation", "exec",
                                   "transform.inline", DOUBLE));
    tidemill_pool *pool = tidemill_pool_new(job, &error);
    CHECK(pool);
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        tidemill_run *run = new_run(job, pool);
        CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
        CHECK_OK(tidemill_run_output_pull(run, &error));
        CHECK(tidemill_run_push(run, "{\"x\":1}\n", 8, &error) == 8);
        CHECK(pthread_create(&thread, NULL, stop_it, run) == 0);
        CHECK_STATUS(TIDEMILL_E_STOPPED, drive(run, NULL, NULL));
        pthread_join(thread, NULL);
        tidemill_run_free(run);
    }
    CHECK_OK(tidemill_pool_free(pool, &error));
    tidemill_job_free(job);
}

int main(void)
{
    files("1", "256KiB", 0);
    files("1", "256KiB", 10);
    files("2", "64B", 2000);
    files("4", "256KiB", 60000);
    push_pull(push_first, 1000, 100, 5000);
    push_pull(push_first, 60000, 7000, 100000);
    push_pull(pull_first, 60000, 7000, 50000);
    push_pull(when_full, 60000, 7000, 100000);
    push_pull(by_turns, 13, 11, 2000);
    push_pull(by_turns, 60000, 70000, 100000);
    many_results("4KiB", 8000);
    many_results("16KiB", 8000);
    slow_callback();
    sockets();
    batch_wait();
    scripts();
    stop_while_waiting();
    stop_inside();
    stop_races();
    CHECK(!has_children());
    return 0;
}
