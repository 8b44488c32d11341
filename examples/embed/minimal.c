/*
 * The smallest useful host: records from a callback, through a line of Lua, to a callback.
 *
 *     cc minimal.c $(pkg-config --cflags --libs tidemill) -o minimal && ./minimal
 */
#include <stdio.h>
#include <string.h>

#include <tidemill.h>

/* Ten records, handed over as the engine asks for bytes. */
struct numbers {
    int next;
    char line[32];
    size_t length, taken;
};

static ptrdiff_t read_numbers(void *context, char *data, size_t size)
{
    struct numbers *n = context;
    if (n->taken == n->length) {
        if (n->next == 10)
            return 0;
        n->length = (size_t)snprintf(n->line, sizeof n->line, "{\"x\": %d}\n", n->next++);
        n->taken = 0;
    }
    if (size > n->length - n->taken)
        size = n->length - n->taken;
    memcpy(data, n->line + n->taken, size);
    n->taken += size;
    return (ptrdiff_t)size;
}

static int write_result(void *context, const char *data, size_t length)
{
    return fwrite(data, 1, length, context) == length ? 0 : -1;
}

static int run(tidemill_job *job, tidemill_error *error)
{
    struct numbers numbers = {0};
    tidemill_run *run = NULL;
    int status = TIDEMILL_OK;

    if ((status = tidemill_job_set(job, "input.format", "jsonl", error)) != TIDEMILL_OK ||
        (status = tidemill_job_set(job, "transform.inline",
                                   "return function(r) r.x = r.x * 2 return r end", error)) !=
            TIDEMILL_OK ||
        (status = tidemill_job_open(job, error)) != TIDEMILL_OK)
        return status;
    run = tidemill_run_new(job, NULL, error);
    if (run == NULL)
        return error->status;
    if ((status = tidemill_run_input_callback(run, read_numbers, &numbers, "numbers", error)) ==
            TIDEMILL_OK &&
        (status = tidemill_run_output_callback(run, write_result, stdout, error)) == TIDEMILL_OK)
        status = tidemill_run_wait(run, error);
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
    fprintf(stderr, "minimal: %s\n", job ? text : tidemill_status_text(status));
    return 1;
}
