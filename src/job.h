/*
 * The job behind tidemill_job, and the parts of a run that its own files share.
 */
#ifndef TM_JOB_H
#define TM_JOB_H

#include "pipeline/plan.h"
#include "pipeline/pool.h"

struct tidemill_job {
    struct spec spec;
    struct plan plan; /* once opened */
    bool opened;
    struct buf script;
    char *chunk_name, *folder;
    struct script_function *functions;
    size_t functions_n;
    int log_fd;
};

struct tidemill_pool {
    struct pool pool;
};

/* tidemill_job_open and _check without their argument checks. */
int tm_job_open(struct tidemill_job *job, err *e);
int tm_job_check(const struct tidemill_job *job, tidemill_message_fn message, void *context,
                 err *e);

#endif
