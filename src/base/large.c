/*
 * Large pieces of memory, apart from the heap.
 */
#include "base/large.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sanitized.h"

#define MAPPED_MIN ((size_t)64 << 10)

static bool is_mapped(size_t n)
{
    return n >= MAPPED_MIN && !SANITIZED;
}

void *tm_large_new(size_t n)
{
    if (!is_mapped(n))
        return malloc(n);
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    /* Where the system has no such thing, forks are slower. */
    madvise(p, n, MADV_DONTFORK);
    return p;
}

void *tm_large_grow(void *p, size_t old, size_t n)
{
    if (!is_mapped(n))
        return realloc(p, n);
    if (is_mapped(old)) {
        void *moved = mremap(p, old, n, MREMAP_MAYMOVE);
        return moved == MAP_FAILED ? NULL : moved;
    }
    void *more = tm_large_new(n);
    if (more && p) {
        memcpy(more, p, old);
        free(p);
    }
    return more;
}

void tm_large_free(void *p, size_t n)
{
    if (is_mapped(n))
        munmap(p, n);
    else
        free(p);
}
