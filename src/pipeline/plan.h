/*
 * A plan: what runs and workers need to know of an opened job. The job owns all of it and outlives
 * its pools and runs.
 */
#ifndef TM_PIPELINE_PLAN_H
#define TM_PIPELINE_PLAN_H

#include "pipeline/protocol.h"

struct plan {
    const struct spec *spec;
    enum script_form form;
    struct slice script;
    const char *chunk_name, *folder; /* folder may be NULL */
    uint32_t first_line;
    const struct script_function *functions;
    size_t functions_n;
    uint32_t workers;                    /* at most */
    const struct format *input, *output; /* NULL: by the inputs' names */
    int log_fd; /* of workers' own standard output and error; -1: /dev/null */
};

#endif
