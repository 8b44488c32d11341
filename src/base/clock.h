/*
 * Time that only goes forward, in nanoseconds.
 */
#ifndef TM_BASE_CLOCK_H
#define TM_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clock_now(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* Cheaper, a few milliseconds coarse. */
static inline int64_t clock_coarse(void)
{
    return clock_read(CLOCK_MONOTONIC_COARSE);
}

#endif
