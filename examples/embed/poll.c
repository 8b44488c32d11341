/*
 * A host with an event loop of its own: what arrives on standard input is pushed to a run, its
 * results are pulled and go to standard output, and one poll() waits for both. A record that comes
 * in leaves at once; the loop never blocks anywhere else.
 *
 *     cc poll.c $(pkg-config --cflags --libs tidemill) -o poll
 *     (echo '{"x": 1}'; sleep 1; echo '{"x": 2}') | ./poll
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <tidemill.h>

/* What was read from standard input, and how much of it the run has taken. */
struct feed {
    char data[4096];
    size_t length, taken;
    bool ended;
};

/* Read when there is nothing left to hand over. */
static int fill(struct feed *feed)
{
    ssize_t n = read(STDIN_FILENO, feed->data, sizeof feed->data);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    feed->length = (size_t)n;
    feed->taken = 0;
    feed->ended = n == 0;
    return 0;
}

/* Hand over what the run takes now; the rest stays for the next time. */
static int give(tidemill_run *run, struct feed *feed, tidemill_error *error)
{
    if (feed->ended)
        return tidemill_run_push_end(run, error);
    ptrdiff_t n = tidemill_run_push(run, feed->data + feed->taken, feed->length - feed->taken,
                                    error);
    if (n < 0)
        return error->status;
    feed->taken += (size_t)n;
    return TIDEMILL_OK;
}

/* Take all output that is there. */
static void take(tidemill_run *run)
{
    char data[4096];
    size_t n;
    while ((n = tidemill_run_pull(run, data, sizeof data)) > 0)
        fwrite(data, 1, n, stdout);
    fflush(stdout);
}

static int loop(tidemill_run *run, tidemill_error *error)
{
    struct feed feed = {.length = 0};
    int status;
    while ((status = tidemill_run_step(run, 0, error)) == TIDEMILL_AGAIN) {
        take(run);
        bool hungry = !feed.ended && feed.taken == feed.length;
        struct pollfd fds[] = {
            {.fd = tidemill_run_fd(run), .events = POLLIN},
            {.fd = hungry ? STDIN_FILENO : -1, .events = POLLIN},
            /* ... and whatever else this program waits for */
        };
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents && fill(&feed) < 0)
            tidemill_run_stop(run);
        else if ((fds[1].revents && feed.ended) || feed.taken < feed.length)
            status = give(run, &feed, error);
        if (status != TIDEMILL_OK && status != TIDEMILL_AGAIN)
            break;
    }
    take(run);
    return status;
}

static int run(tidemill_job *job, tidemill_error *error)
{
    int status;
    if ((status = tidemill_job_set(job, "input.format", "jsonl", error)) != TIDEMILL_OK ||
        (status = tidemill_job_set(job, "transform.each", "r.x = r.x * 2", error)) != TIDEMILL_OK ||
        (status = tidemill_job_open(job, error)) != TIDEMILL_OK)
        return status;
    tidemill_run *run = tidemill_run_new(job, NULL, error);
    if (run == NULL)
        return error->status;
    if ((status = tidemill_run_input_push(run, "standard input", error)) == TIDEMILL_OK &&
        (status = tidemill_run_output_pull(run, error)) == TIDEMILL_OK)
        status = loop(run, error);
    tidemill_run_free(run);
    return status;
}

int main(void)
{
    tidemill_error error = {0};
    tidemill_job *job = tidemill_job_new();
    int status = job ? run(job, &error) : TIDEMILL_E_MEMORY;

    tidemill_job_free(job);
    if (status == TIDEMILL_OK)
        return 0;
    char text[512];
    tidemill_error_text(&error, text, sizeof text);
    fprintf(stderr, "poll: %s\n", job ? text : tidemill_status_text(status));
    return 1;
}
