/*
 * What happens to a failed record: errors.policy.
 */
#ifndef TM_PIPELINE_POLICY_H
#define TM_PIPELINE_POLICY_H

#include "pipeline/merger.h"

struct failed_record {
    struct chunk *chunk;
    uint32_t number; /* from 0 in the chunk */
    const err *why;
};

/*
 * fail: E_... of the record, placed. skip: a warning for the first few. quarantine: an entry. When
 * there are more than errors.max, E_TOO_MANY.
 */
int tm_policy_apply(struct merger *m, const struct failed_record *f, err *e);

#endif
