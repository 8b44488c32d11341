/*
 * Blocks for Lua. Lua tells the size of what it gives back, so blocks need no headers.
 */
#include "script/memory.h"

#include <stdlib.h>
#include <string.h>

#define SLAB_SIZE ((size_t)32 << 10)

#if defined(__SANITIZE_ADDRESS__)
#define POOLED false
#elif defined(__has_feature)
#define POOLED (!__has_feature(address_sanitizer) && !__has_feature(memory_sanitizer))
#else
#define POOLED true
#endif

static inline bool is_small(size_t size)
{
    return POOLED && size <= MEMORY_SMALL;
}

static inline size_t class_of(size_t size)
{
    return (size - 1) / 16;
}

/* A new slab; what was left of the last one is too small for anything and stays unused. */
static bool add_slab(struct memory *m)
{
    char *slab = malloc(SLAB_SIZE);
    if (!slab)
        return false;
    memcpy(slab, &m->slabs, sizeof m->slabs);
    m->slabs = slab;
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

static void give_small(struct memory *m, void *p, size_t size)
{
    void **list = &m->free[class_of(size)];
    memcpy(p, list, sizeof *list);
    *list = p;
}

static void give(struct memory *m, void *p, size_t size)
{
    if (size && is_small(size))
        give_small(m, p, size);
    else
        free(p);
}

/* Another block for what `p` holds. Where neither is small, realloc may do better. */
static void *move(struct memory *m, void *p, size_t old, size_t size)
{
    if (!is_small(size) && !is_small(old))
        return realloc(p, size);
    if (is_small(size) && is_small(old) && class_of(old) == class_of(size))
        return p;
    void *q = is_small(size) ? take_small(m, size) : malloc(size);
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
        give(m, p, old);
        m->used -= old;
        return NULL;
    }
    if (size > old && m->cap && m->used + (size - old) > m->cap) {
        return deny(m, size, true);
    }
    void *q = !p ? is_small(size) ? take_small(m, size) : malloc(size) : move(m, p, old, size);
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
