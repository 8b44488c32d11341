/*
 * An arena: memory that is given back all at once. The newest block of an ordinary
 * size survives tm_arena_reset(), so that a stream settles into no allocation at all.
 */
#ifndef TM_BASE_ARENA_H
#define TM_BASE_ARENA_H

#include <stdint.h>

#include "base/slice.h"

struct arena_block;

struct arena {
    char *p, *end;             /* what is left of the current block */
    struct arena_block *block; /* the current block; older ones hang on it */
};

void tm_arena_init(struct arena *a);
void tm_arena_reset(struct arena *a);
void tm_arena_release(struct arena *a);
void *tm_arena_grow(struct arena *a, size_t size);

/* `size` bytes aligned to 16, not zeroed; NULL when memory is out. Yours until reset. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    size_t room = (size_t)(a->end - a->p);
    size_t take = (size + !size + 15) & ~(size_t)15;
    if (take < size || room < take)
        return tm_arena_grow(a, size);
    void *p = a->p;
    a->p += take;
    return p;
}

/* A copy of `s` in the arena; p is NULL when memory is out (also for an empty s it is not). */
struct slice tm_arena_copy(struct arena *a, struct slice s);

#endif
