/*
 * Output in the ways that a host can take it, collected in `output`.
 */
#ifndef HOST_OUTPUTS_H
#define HOST_OUTPUTS_H

#include "host.h"

static struct bytes output;
static int out_fd = -1;

static inline void output_path(tidemill_run *run)
{
    CHECK_OK(tidemill_run_output_path(run, "out.jsonl", &error));
}

static inline void output_file(tidemill_run *run)
{
    out_fd = open("out.jsonl", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(out_fd >= 0);
    CHECK_OK(tidemill_run_output_fd(run, out_fd, &error));
}

static inline void take_file(tidemill_run *run)
{
    (void)run;
    output = read_file("out.jsonl");
    CHECK(unlink("out.jsonl") == 0);
}

static inline void output_callback(tidemill_run *run)
{
    CHECK_OK(tidemill_run_output_callback(run, write_bytes, &output, &error));
}

static inline void take_nothing(tidemill_run *run)
{
    (void)run;
}

static inline void output_pull(tidemill_run *run)
{
    CHECK_OK(tidemill_run_output_pull(run, &error));
}

static inline void take_pulled(tidemill_run *run)
{
    char block[1000];
    for (size_t n; (n = tidemill_run_pull(run, block, sizeof block)) > 0;)
        bytes_add(&output, block, n);
}

#endif
