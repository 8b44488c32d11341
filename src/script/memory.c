/*
 * Blocks for Lua. Lua tells the size of what it gives back, so blocks need no headers.
 */
#include "script/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/region.h"
#include "base/sanitized.h"

#define SLAB_SIZE ((size_t)32 << 10)

static inline bool is_small(size_t size)
{
    return !SANITIZED && size <= MEMORY_SMALL;
}

static inline size_t class_of(size_t size)
{
    return (size - 1) / 16;
}

/* A new slab; what was left of the last one is too small for anything and stays unused. */
static bool add_slab(struct memory *m)
{
    char *slab = tm_region_take(SLAB_SIZE);
    if (!slab) {
        slab = malloc(SLAB_SIZE);
        if (!slab)
            return false;
        memcpy(slab, &m->slabs, sizeof m->slabs);
        m->slabs = slab;
    }
    m->slab = slab + 16;
    m->slab_end = slab + SLAB_SIZE;
    return true;
}

static void *take_small(struct memory *m, size_t size)
{
    size_t class = class_of(size), bytes = (class + 1) * 16;
    void *p = m->free[class];
    if (p) {
        memcpy(&m->free[class], p, sizeof p);
        return p;
    }
    if ((size_t)(m->slab_end - m->slab) < bytes && !add_slab(m))
        return NULL;
    p = m->slab;
    m->slab += bytes;
    return p;
}

/* MEMORY_MEDIUMS and more: it is larger than those. */
static inline size_t medium_of(size_t size)
{
    size_t medium = 0;
    for (size_t n = (size - 1) / (2 * MEMORY_SMALL); n; n /= 2)
        medium++;
    return medium;
}

static void *take_more(struct memory *m, size_t size)
{
    size_t medium = medium_of(size);
    if (medium >= MEMORY_MEDIUMS)
        return tm_heap_realloc(NULL, size);
    void *p = m->medium[medium];
    if (p)
        memcpy(&m->medium[medium], p, sizeof p);
    else
        p = tm_region_take(2 * (size_t)MEMORY_SMALL << medium);
    return p ? p : malloc(size);
}

static void give(struct memory *m, void *p, size_t size)
{
    void **list = NULL;
    if (is_small(size))
        list = &m->free[class_of(size)];
    else if (tm_region_has(p))
        list = &m->medium[medium_of(size)];
    if (list) {
        memcpy(p, list, sizeof *list);
        *list = p;
    } else {
        free(p);
    }
}

/* Would both sizes get the same block, if it is not malloc's? */
static bool is_same_class(size_t a, size_t b)
{
    if (is_small(a) || is_small(b))
        return is_small(a) && is_small(b) && class_of(a) == class_of(b);
    return medium_of(a) == medium_of(b);
}

/* Another block for what `p` holds. Where neither is small, realloc may do better. */
static void *move(struct memory *m, void *p, size_t old, size_t size)
{
    bool pooled = is_small(old) || tm_region_has(p);
    if (!pooled && !is_small(size))
        return tm_heap_realloc(p, size);
    if (pooled && is_same_class(old, size))
        return p;
    void *q = is_small(size) ? take_small(m, size) : take_more(m, size);
    if (q) {
        memcpy(q, p, old < size ? old : size);
        give(m, p, old);
    }
    return q;
}

/*
 * Where Lua itself is denied memory it collects its garbage and asks for the same at once; its buffers
 * (luaL_Buffer) do not. So what is denied stays open until the next request: the same one tells how it ended,
 * another one that nobody has tried again.
 */

/* Might what is open be had without garbage, or in a fresh process? There slabs keep nothing. */
static bool could_be_garbage(const struct memory *m)
{
    return !m->by_cap || (m->denied <= m->cap && m->base <= m->cap - m->denied);
}

/* What is open was denied, and stays so: collected or not, where `tried_again`. */
static void close_denied(struct memory *m, bool tried_again)
{
    m->doubtful = m->doubtful || (could_be_garbage(m) && !(tried_again && m->by_cap));
    m->refused = m->refused || m->by_cap;
    m->starved = m->starved || !m->by_cap;
    m->denied = 0;
}

static void __attribute__((cold)) grant(struct memory *m, size_t size)
{
    if (size == m->denied)
        m->denied = 0;
    else
        close_denied(m, false);
}

static void *__attribute__((cold)) deny(struct memory *m, size_t size, bool by_cap)
{
    bool again = m->denied == size;
    if (m->denied && !again)
        close_denied(m, false);
    m->denied = size;
    m->by_cap = by_cap;
    if (again)
        close_denied(m, true);
    return NULL;
}

void tm_memory_forgive(struct memory *m)
{
    m->refused = m->starved = m->doubtful = false;
    m->denied = 0;
}

bool tm_memory_is_doubtful(const struct memory *m)
{
    return m->doubtful || (m->denied && could_be_garbage(m));
}

bool tm_memory_was_refused(const struct memory *m)
{
    return m->refused || (m->denied && m->by_cap);
}

bool tm_memory_was_starved(const struct memory *m)
{
    return m->starved || (m->denied && !m->by_cap);
}

void *tm_memory_allocate(void *data, void *p, size_t old, size_t size)
{
    struct memory *m = data;
    if (!p || old == 0) {
        old = 0; /* of nothing it is no size, but says what the block is for */
        p = NULL;
    }
    if (size == 0) {
        if (p)
            give(m, p, old);
        m->used -= old;
        return NULL;
    }
    if (size > old && m->cap && m->used + (size - old) > m->cap) {
        return deny(m, size, true);
    }
    void *q = !p ? is_small(size) ? take_small(m, size) : take_more(m, size)
                 : move(m, p, old, size);
    if (!q && size <= old)
        return p; /* Lua takes it for granted that shrinking works */
    if (!q)
        return deny(m, size, false);
    if (m->denied && size > old)
        grant(m, size);
    m->used = m->used - old + size;
    return q;
}

void tm_memory_release(struct memory *m)
{
    while (m->slabs) {
        void *before;
        memcpy(&before, m->slabs, sizeof before);
        free(m->slabs);
        m->slabs = before;
    }
}
