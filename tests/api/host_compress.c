/*
 * Compressed input and output in every way that a host can give and take them; a host that pushes and
 * pulls; and nothing left behind: no process, no descriptor, no flag.
 */
#include "host_outputs.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

#define RECORDS  20000
#define DEADLINE 60000

static const char *kind;              /* gzip or zstd */
static struct bytes packed, expected; /* the input; the output before it is compressed */

static tidemill_job *job_of(const char *packing, const char *isolation)
{
    return opened(JOB("input.format", "jsonl", "workers", "2", "transform.inline", DOUBLE,
                      "output.compression", packing, "isolation", isolation));
}

/* ---- Input ---- */

static size_t at;
static int in_fd = -1;

static ptrdiff_t read_some(void *context, char *data, size_t size)
{
    size_t n = packed.n - at < 777 ? packed.n - at : 777;
    (void)context;
    n = n < size ? n : size;
    memcpy(data, packed.p + at, n);
    at += n;
    return (ptrdiff_t)n;
}

static void input_path(tidemill_run *run)
{
    write_file("in.jsonl", packed.p, packed.n);
    CHECK_OK(tidemill_run_input_path(run, "in.jsonl", &error));
}

static void input_fd(tidemill_run *run)
{
    write_file("in.jsonl", packed.p, packed.n);
    in_fd = open("in.jsonl", O_RDONLY | O_CLOEXEC);
    CHECK_OK(tidemill_run_input_fd(run, in_fd, "a file", &error));
}

/* Blocking, and of one packet a read: what is cut off is lost. */
static void input_packets(tidemill_run *run)
{
    int fds[2], large = 4 << 20;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    CHECK(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &large, sizeof large) == 0);
    for (size_t sent = 0, n; sent < packed.n; sent += n) {
        n = packed.n - sent < 4096 ? packed.n - sent : 4096;
        CHECK(send(fds[1], packed.p + sent, n, MSG_DONTWAIT) == (ssize_t)n);
    }
    CHECK(close(fds[1]) == 0);
    in_fd = fds[0];
    CHECK_OK(tidemill_run_input_fd(run, in_fd, "packets", &error));
}

static void input_callback(tidemill_run *run)
{
    at = 0;
    CHECK_OK(tidemill_run_input_callback(run, read_some, NULL, "callback", &error));
}

static void input_push(tidemill_run *run)
{
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    CHECK(tidemill_run_push(run, packed.p, packed.n, &error) == (ptrdiff_t)packed.n);
    CHECK_OK(tidemill_run_push_end(run, &error));
}

/* ---- All of them ---- */

static void (*const inputs[])(tidemill_run *) = {input_path, input_fd, input_packets,
                                                 input_callback, input_push};
static const struct {
    void (*give)(tidemill_run *);
    void (*take)(tidemill_run *);
} outputs[] = {{output_path, take_file},
               {output_file, take_file},
               {output_callback, take_nothing},
               {output_pull, take_pulled}};

static void close_all(void)
{
    CHECK((in_fd < 0 || close(in_fd) == 0) && (out_fd < 0 || close(out_fd) == 0));
    in_fd = out_fd = -1;
}

/* What `output` holds, decompressed. */
static struct bytes unpacked(void)
{
    struct bytes plain = {NULL, 0, 0}, in = packed;
    tidemill_job *job = opened(JOB("input.format", "jsonl", "transform.inline",
                                   "return function(r) return r end", "input.compression", kind));
    tidemill_run *run = new_run(job, NULL);
    packed = output;
    input_callback(run);
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &plain, &error));
    CHECK_OK(tidemill_run_wait(run, &error));
    tidemill_run_free(run);
    tidemill_job_free(job);
    packed = in;
    return plain;
}

/* Every input with every output, or with every nth of those, each of them in its turn. */
static void pairs(const char *isolation, size_t every)
{
    tidemill_job *job = job_of(kind, isolation);
    int before = open_descriptors();
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (size_t o = i % every; o < sizeof outputs / sizeof *outputs; o += every) {
            tidemill_stats stats;
            tidemill_run *run = new_run(job, NULL);
            inputs[i](run);
            outputs[o].give(run);
            CHECK_OK(tidemill_run_wait(run, &error));
            outputs[o].take(run);
            tidemill_run_stats(run, &stats);
            CHECK(stats.read == RECORDS && stats.written == RECORDS);
            /* Bytes of records, whatever they were stored as. */
            CHECK(stats.bytes_out == expected.n && stats.bytes_in < expected.n);
            tidemill_run_free(run);
            close_all();
            CHECK(!has_children() && open_descriptors() == before);
            struct bytes plain = unpacked();
            check_same(&plain, &expected);
            bytes_free(&plain);
            bytes_free(&output);
        }
    tidemill_job_free(job);
}

/* ---- Push and pull ---- */

static int readable(tidemill_run *run, int timeout)
{
    struct pollfd p = {tidemill_run_fd(run), POLLIN, 0};
    return poll(&p, 1, timeout) == 1;
}

/* Only after poll said so is a step made; nobody sleeps for ever. */
static void drive(tidemill_run *run, size_t piece)
{
    int status = TIDEMILL_AGAIN;
    bytes_free(&output);
    at = 0;
    while (status == TIDEMILL_AGAIN) {
        take_pulled(run);
        size_t n = packed.n - at < piece ? packed.n - at : piece;
        if (!readable(run, 0) && at < packed.n) {
            ptrdiff_t taken = tidemill_run_push(run, packed.p + at, n, &error);
            CHECK(taken >= 0);
            at += (size_t)taken;
            if (at == packed.n)
                CHECK_OK(tidemill_run_push_end(run, &error));
        } else {
            CHECK(readable(run, DEADLINE));
            status = tidemill_run_step(run, 0, &error);
        }
    }
    CHECK_OK(status);
    take_pulled(run);
}

static void push_and_pull(const char *compression, size_t piece)
{
    tidemill_job *job = job_of(compression, "fork");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    output_pull(run);
    drive(run, piece);
    tidemill_run_free(run);
    tidemill_job_free(job);
    struct bytes plain = {NULL, 0, 0};
    bool is_plain = strcmp(compression, "none") == 0;
    if (!is_plain)
        plain = unpacked();
    check_same(is_plain ? &output : &plain, &expected);
    bytes_free(&plain);
    bytes_free(&output);
}

/* A step without a limit comes back when it is the host's turn, also behind a filter. */
static void unlimited_steps(void)
{
    tidemill_job *job = job_of("none", "fork");
    tidemill_run *run = new_run(job, NULL);
    CHECK_OK(tidemill_run_input_push(run, "pushed", &error));
    output_pull(run);
    bytes_free(&output);
    for (at = 0; at < packed.n;) {
        size_t n = packed.n - at < 5000 ? packed.n - at : 5000;
        ptrdiff_t taken = tidemill_run_push(run, packed.p + at, n, &error);
        CHECK(taken >= 0);
        at += (size_t)taken;
        for (int i = 0; i < 20; i++)
            CHECK_STATUS(TIDEMILL_AGAIN, tidemill_run_step(run, -1, &error));
        take_pulled(run);
    }
    CHECK_STATUS(TIDEMILL_E_ARGUMENT, tidemill_run_wait(run, &error));
    CHECK_OK(tidemill_run_push_end(run, &error));
    while (tidemill_run_step(run, -1, &error) == TIDEMILL_AGAIN)
        take_pulled(run);
    CHECK_OK(tidemill_run_wait(run, &error));
    take_pulled(run);
    check_same(&output, &expected);
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&output);
}

/* ---- Endings ---- */

/* Cut short, stopped, or given up: nothing stays. */
static void endings(void)
{
    tidemill_job *job = job_of(kind, "fork");
    int before = open_descriptors();
    struct bytes whole = packed;
    for (int i = 0; i < 4; i++) {
        tidemill_run *run = new_run(job, NULL);
        packed.n = i == 0 ? whole.n / 2 : whole.n;
        input_callback(run);
        CHECK_OK(tidemill_run_output_path(run, "out.jsonl", &error));
        if (i == 1)
            tidemill_run_stop(run);
        if (i < 3)
            for (int j = 0; j < 1 + 20 * i; j++)
                tidemill_run_step(run, 1, &error);
        if (i < 2)
            CHECK_STATUS(i == 0 ? TIDEMILL_E_INPUT : TIDEMILL_E_STOPPED,
                         tidemill_run_wait(run, &error));
        tidemill_run_free(run);
        CHECK(!has_children() && open_descriptors() == before);
        unlink("out.jsonl");
    }
    packed = whole;
    tidemill_job_free(job);
}

/* ---- A host with threads ---- */

static volatile int over;

static void *wait_for_the_end(void *context)
{
    while (!over)
        poll(NULL, 0, 1);
    return context;
}

/* Filters are executed then, as workers are; and a host's own functions are no reason against it. */
static void threads(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_the_end, NULL) == 0);
    pairs("fork", 4);
    over = 1;
    pthread_join(thread, NULL);
}

static void pack(void)
{
    struct bytes plain = numbers(0, RECORDS, 1);
    tidemill_job *job = opened(JOB("input.format", "jsonl", "transform.inline",
                                   "return function(r) return r end", "output.compression", kind));
    tidemill_run *run = new_run(job, NULL);
    bytes_free(&packed);
    write_file("in.jsonl", plain.p, plain.n);
    CHECK_OK(tidemill_run_input_path(run, "in.jsonl", &error));
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &packed, &error));
    if (tidemill_run_wait(run, &error) == TIDEMILL_E_SPEC)
        _exit(77); /* built without */
    CHECK(packed.n > 0 && packed.n < plain.n / 2);
    tidemill_run_free(run);
    tidemill_job_free(job);
    bytes_free(&plain);
}

int main(void)
{
    static const char *const kinds[] = {"gzip", "zstd"};
    expected = numbers(0, RECORDS, 2);
    for (int i = 0; i < 2; i++) {
        kind = kinds[i];
        over = 0;
        pack();
        pairs("fork", 1);
        pairs("exec", 2);
        push_and_pull(kind, 10);
        push_and_pull(kind, 100000);
        push_and_pull("none", 1000);
        unlimited_steps();
        endings();
        threads();
    }
    bytes_free(&packed);
    bytes_free(&expected);
    return 0;
}
