/*
 * The memory of a Lua state: counted, capped, and quick for the many small things that Lua makes
 * and drops again for each record.
 *
 * Small blocks come in classes of 16 bytes from slabs, medium ones in classes of powers of two from the
 * region of a worker, as long as it has room; a freed one waits in the list of its class for the next of its
 * size. Slabs of malloc's go back when the state is closed. All other blocks are malloc's; under sanitizers
 * all are, so that nothing hides from them.
 */
#ifndef TM_SCRIPT_MEMORY_H
#define TM_SCRIPT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_SMALL   256 /* bytes of the largest small block */
#define MEMORY_CLASSES (MEMORY_SMALL / 16)
#define MEMORY_MEDIUMS 7 /* classes of medium ones: 2 * MEMORY_SMALL bytes, 4 * MEMORY_SMALL, ... */

struct memory {
    size_t used;   /* bytes that Lua has */
    size_t cap;    /* 0: none */
    size_t base;   /* what is used anyhow, as far as is known */
    bool refused;  /* the cap has said no since that was forgiven, */
    bool starved;  /* or malloc has, to what the cap allows; */
    bool doubtful; /* and without garbage, or in a fresh process, it might have been yes */
    size_t denied; /* bytes of the last request, if it was denied; 0: it was not */
    bool by_cap;   /* by the cap */
    void *free[MEMORY_CLASSES];   /* each block begins with a pointer to the next */
    void *medium[MEMORY_MEDIUMS]; /* likewise */
    char *slab, *slab_end;        /* what is left of the newest slab */
    void *slabs;                  /* malloc's: each begins with a pointer to the one before */
};

/* A lua_Alloc; `data` is the struct memory, zeroed but for its cap. */
void *tm_memory_allocate(void *data, void *p, size_t old, size_t size);

/* What was denied is forgotten. */
void tm_memory_forgive(struct memory *m);

/* Was something denied since, and could that depend on what was done before? */
bool tm_memory_is_doubtful(const struct memory *m);
/* By the cap, or by the system? */
bool tm_memory_was_refused(const struct memory *m);
bool tm_memory_was_starved(const struct memory *m);

/* Give back the slabs, after the state is closed. */
void tm_memory_release(struct memory *m);

#endif
