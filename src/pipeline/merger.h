/*
 * The merger: chunks in input order, results as they come, one output. It commits record by record:
 * writes rows, passes on what was printed, applies the policy to failed records, and counts.
 */
#ifndef TM_PIPELINE_MERGER_H
#define TM_PIPELINE_MERGER_H

#include "pipeline/chunk.h"
#include "pipeline/output.h"
#include "spec/spec.h"

struct merger {
    const struct spec *spec;
    struct output *output;
    struct sink *quarantine; /* NULL: none */
    tidemill_message_fn message;
    void *message_context;
    struct chunk *first, *last; /* chunks that are not committed wholly, in order */
    size_t chunks;
    tidemill_stats stats;
    double pace;     /* ns a byte that workers take, of chunks of late; 0: not known */
    double growth;   /* bytes of results a byte, of chunks of late */
    uint64_t warned; /* skipped records told of so far */
    struct buf entry;
    struct arena arena; /* of one frame: names, members */
};

void tm_merger_init(struct merger *m, const struct spec *spec, struct output *output,
                    struct sink *quarantine);
void tm_merger_release(struct merger *m);

/* Append a chunk in input order; the merger owns it from now on. */
void tm_merger_add(struct merger *m, struct chunk *c);

/*
 * Commit one RESULT frame of the first chunk's worker; `piped` are the last bytes of it, which are rows then
 * (tm_protocol_only_rows), where they were left in the pipe. E_WORKER when it is broken; the status of a
 * record when that fails the job; E_OUTPUT, E_MEMORY.
 */
int tm_merger_result(struct merger *m, struct slice payload, struct piped piped, err *e);

/* Commit chunks at the front that need no worker, and take out those that are done. */
int tm_merger_advance(struct merger *m, err *e);

/* Record `number` (from 0) of chunk `c` failed with `why`: place it and apply the policy. */
int tm_merger_fail(struct merger *m, struct chunk *c, uint32_t number, const err *why, err *e);

/* Must committing wait, because a sink is full? */
static inline bool merger_blocked(const struct merger *m)
{
    return sink_full(m->output->sink) || (m->quarantine && sink_full(m->quarantine));
}

void tm_merger_message(const struct merger *m, int level, struct slice text);

#endif
