/*
 * Counts add up at every moment of a run, grow only, and end as the input, the script and the policy
 * have it; the bytes too.
 */
#include "host.h"

#define RECORDS 3000

/* Keeps, drops, fails, doubles, emits: by turns of seven. */
static const char script[] = "return function(r)\n"
                             "  local k = r.x % 7\n"
                             "  if k == 0 then return nil end\n"
                             "  if k == 1 then error 'no' end\n"
                             "  if k == 2 then return r, r end\n"
                             "  if k == 3 then tidemill.emit(r) return nil end\n"
                             "  if k == 4 then return nil, 'why' end\n"
                             "  return r\n"
                             "end";

static struct bytes in;

static void check_sums(const tidemill_stats *now, tidemill_stats *before)
{
    CHECK(now->read == now->kept + now->dropped + now->failed);
    CHECK(now->read >= before->read && now->kept >= before->kept);
    CHECK(now->dropped >= before->dropped && now->failed >= before->failed);
    CHECK(now->written >= before->written && now->bytes_out >= before->bytes_out);
    CHECK(now->bytes_in >= before->bytes_in && now->bytes_in <= in.n);
    CHECK(now->bytes_total == 0 || now->bytes_total == in.n);
    CHECK(now->workers >= before->workers && now->workers <= 3);
    *before = *now;
}

/* Counts are right inside callbacks too. */
struct watcher {
    tidemill_run *run;
    tidemill_stats before;
    size_t bytes;
};

static int write_watched(void *context, const char *data, size_t length)
{
    struct watcher *w = context;
    tidemill_stats now;
    CHECK(data && length);
    w->bytes += length;
    tidemill_run_stats(w->run, &now);
    check_sums(&now, &w->before);
    return 0;
}

static void run_watched(const char *chunk, const char *policy, const char *max, int expected)
{
    struct watcher w = {0};
    tidemill_stats now;
    int status;
    tidemill_job *job = JOB("input.path", "in.jsonl", "workers", "3", "chunk", chunk,
                            "errors.policy", policy, "errors.max", max, "transform.inline", script);
    if (strcmp(policy, "quarantine") == 0)
        CHECK_OK(tidemill_job_set(job, "errors.quarantine", "rejects.jsonl", &error));
    opened(job);
    w.run = new_run(job, NULL);
    CHECK_OK(tidemill_run_output_callback(w.run, write_watched, &w, &error));
    do {
        tidemill_run_stats(w.run, &now);
        check_sums(&now, &w.before);
        status = tidemill_run_step(w.run, 100, &error);
    } while (status == TIDEMILL_AGAIN);
    CHECK_STATUS(expected, status);
    tidemill_run_stats(w.run, &now);
    check_sums(&now, &w.before);
    CHECK(now.bytes_out == w.bytes && now.bytes_total == in.n);
    if (expected == TIDEMILL_OK) {
        CHECK(now.read == RECORDS && now.bytes_in == in.n);
        CHECK(now.dropped == (RECORDS + 6) / 7);
        CHECK(now.failed == (RECORDS + 5) / 7 + (RECORDS + 2) / 7);
        CHECK(now.kept == RECORDS - now.dropped - now.failed);
        CHECK(now.written == now.kept + (RECORDS + 4) / 7);
    } else if (strcmp(policy, "fail") == 0) {
        CHECK(now.read == 2 && now.dropped == 1 && now.failed == 1 && now.written == 0);
        CHECK(error.record == 2 && error.line == 2);
    } else {
        /* Record max+1 fails the job: x = 1, 4, 8, 11, 15, 18 fail. */
        CHECK(now.failed == 6 && now.read == 19);
    }
    tidemill_run_free(w.run);
    tidemill_job_free(job);
}

int main(void)
{
    in = numbers(0, RECORDS, 1);
    write_file("in.jsonl", in.p, in.n);
    static const char *const chunks[] = {"1B", "100B", "4KiB", "1MiB"};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        run_watched(chunks[i], "skip", "unlimited", TIDEMILL_OK);
        run_watched(chunks[i], "quarantine", "unlimited", TIDEMILL_OK);
        run_watched(chunks[i], "fail", "unlimited", TIDEMILL_E_SCRIPT);
        run_watched(chunks[i], "skip", "5", TIDEMILL_E_TOO_MANY);
        run_watched(chunks[i], "quarantine", "5", TIDEMILL_E_TOO_MANY);
    }
    bytes_free(&in);
    return 0;
}
