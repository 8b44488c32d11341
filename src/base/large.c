/*
 * Large pieces of memory, apart from the heap. Each begins with its place in the list of all.
 */
#include "base/large.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/heap.h"
#include "base/region.h"
#include "base/sanitized.h"

#define MAPPED_MIN ((size_t)64 << 10)

struct piece {
    _Alignas(64) struct piece *next;
    struct piece **link; /* that points to it */
    size_t size;         /* with this head */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *pieces;

static bool is_mapped(size_t n)
{
    return n >= MAPPED_MIN && !SANITIZED;
}

/* Of `n` bytes and the head; 0 with ENOMEM: there is no such size. */
static size_t whole(size_t n)
{
    if (n <= SIZE_MAX - sizeof(struct piece))
        return n + sizeof(struct piece);
    errno = ENOMEM;
    return 0;
}

static struct piece *piece_of(void *p)
{
    return (struct piece *)p - 1;
}

/* Under the lock. */
static void add(struct piece *piece, size_t size)
{
    *piece = (struct piece){pieces, &pieces, size};
    if (pieces)
        pieces->link = &piece->next;
    pieces = piece;
}

/* Under the lock. */
static void take_out(struct piece *piece)
{
    *piece->link = piece->next;
    if (piece->next)
        piece->next->link = piece->link;
}

void *tm_large_new(size_t n)
{
    if (!is_mapped(n))
        return tm_heap_new(n);
    void *part = tm_region_take(n);
    if (part)
        return part;
    size_t size = whole(n);
    if (!size)
        return NULL;
    struct piece *piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                               0);
    if (piece == MAP_FAILED)
        return NULL;
    pthread_mutex_lock(&lock);
    add(piece, size);
    pthread_mutex_unlock(&lock);
    return piece + 1;
}

/* A mapped piece, larger; it may move. */
static void *remap(struct piece *piece, size_t n)
{
    size_t old = piece->size, size = whole(n);
    if (!size)
        return NULL;
    pthread_mutex_lock(&lock);
    take_out(piece);
    void *moved = mremap(piece, old, size, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED)
        add(moved, size);
    else
        add(piece, old);
    pthread_mutex_unlock(&lock);
    return moved == MAP_FAILED ? NULL : (struct piece *)moved + 1;
}

void *tm_large_grow(void *p, size_t old, size_t n)
{
    bool inside = is_mapped(old) && tm_region_has(p);
    if (!is_mapped(n))
        return tm_heap_grow(p, n);
    if (inside && tm_region_resize(p, old, n))
        return p;
    if (is_mapped(old) && !inside)
        return remap(piece_of(p), n);
    void *more = tm_large_new(n);
    if (more && p) {
        memcpy(more, p, old);
        tm_large_free(p, old);
    }
    return more;
}

void tm_large_free(void *p, size_t n)
{
    if (!is_mapped(n)) {
        tm_heap_free(p);
        return;
    }
    if (tm_region_has(p)) {
        tm_region_resize(p, n, 0);
        return;
    }
    struct piece *piece = piece_of(p);
    pthread_mutex_lock(&lock);
    take_out(piece);
    pthread_mutex_unlock(&lock);
    munmap(piece, piece->size);
}

/* Where the system knows no such thing, forks are slower. */
static void advise(int advice)
{
    pthread_mutex_lock(&lock);
    for (struct piece *piece = pieces; piece; piece = piece->next)
        madvise(piece, piece->size, advice);
    pthread_mutex_unlock(&lock);
}

void tm_large_hide(void)
{
    advise(MADV_DONTFORK);
}

void tm_large_show(void)
{
    advise(MADV_DOFORK);
}

void tm_large_forget(void)
{
    pieces = NULL;
}
