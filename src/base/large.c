/*
 * Large pieces of memory, apart from the heap. Those of a middling size are parts of huge pages, each a run of
 * bits of its page; others are mapped by themselves, and begin with their place in the list of all.
 */
#include "base/large.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/heap.h"
#include "base/huge.h"
#include "base/region.h"
#include "base/sanitized.h"

#define MAPPED_MIN ((size_t)64 << 10)
/* No huge page is taken for less: it costs as much as several small ones, and there may be little to do. */
#define HUGE_MIN  ((size_t)128 << 10)
#define PART_SIZE (HUGE_SIZE / 32)
/* One that is mapped by itself and no larger is kept for the next that fits, with its pages: runs of little input
   need one each, and the system takes as long to map it as half of such a run takes. */
#define SPARE_MAX HUGE_MIN
/* More are not needed for what flows through; what does not find a place here is mapped by itself. */
#define HUGES_MAX 64

struct huge {
    char *p;
    uint32_t used; /* a bit for each PART_SIZE bytes */
};

struct piece {
    _Alignas(64) struct piece *next;
    struct piece **link; /* that points to it */
    size_t size;         /* with this head */
};

/* Of all below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *pieces;
static struct piece *spare; /* of them, nobody's; NULL: none */
static struct huge huges[HUGES_MAX];
static unsigned huges_n;

/* ---- Parts of huge pages, under the lock ---- */

/* As bits: those that `n` bytes from `offset` on take. */
static uint32_t bits_of(size_t offset, size_t n)
{
    size_t count = (n + PART_SIZE - 1) / PART_SIZE;
    return (uint32_t)((((uint64_t)1 << count) - 1) << offset / PART_SIZE);
}

static struct huge *huge_of(const void *p)
{
    for (unsigned i = 0; i < huges_n; i++)
        if ((uintptr_t)p - (uintptr_t)huges[i].p < HUGE_SIZE)
            return &huges[i];
    return NULL;
}

static void *take_from(struct huge *h, size_t n)
{
    for (size_t at = 0; at + n <= HUGE_SIZE; at += PART_SIZE) {
        if (h->used & bits_of(at, n))
            continue;
        h->used |= bits_of(at, n);
        return h->p + at;
    }
    return NULL;
}

/* NULL: no huge page has room, and the system gives no more, or there are too many already. A page is given back
   when nothing is left in it. */
static void *take_part(size_t n)
{
    if (n > HUGE_SIZE)
        return NULL;
    for (unsigned i = 0; i < huges_n; i++) {
        void *p = take_from(&huges[i], n);
        if (p)
            return p;
    }
    char *p = n >= HUGE_MIN && huges_n < HUGES_MAX ? tm_huge_map(HUGE_SIZE) : NULL;
    if (!p)
        return NULL;
    huges[huges_n] = (struct huge){p, 0};
    return take_from(&huges[huges_n++], n);
}

/* Larger where it is, if what lies behind it is free. */
static bool grow_part(struct huge *h, const char *p, size_t old, size_t n)
{
    size_t offset = (size_t)(p - h->p);
    uint32_t others = h->used & ~bits_of(offset, old);
    if (n > HUGE_SIZE - offset || (others & bits_of(offset, n)))
        return false;
    h->used = others | bits_of(offset, n);
    return true;
}

static void free_part(struct huge *h, const char *p, size_t n)
{
    h->used &= ~bits_of((size_t)(p - h->p), n);
    if (h->used)
        return;
    munmap(h->p, HUGE_SIZE);
    *h = huges[--huges_n];
}

/* ---- Pieces mapped by themselves ---- */

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

static struct piece *take_spare(size_t size)
{
    pthread_mutex_lock(&lock);
    struct piece *piece = spare && size <= spare->size ? spare : NULL;
    if (piece)
        spare = NULL;
    pthread_mutex_unlock(&lock);
    return piece;
}

static void *new_piece(size_t n)
{
    size_t size = whole(n);
    if (!size)
        return NULL;
    struct piece *piece = take_spare(size);
    if (piece)
        return piece + 1;
    piece = size >= HUGE_SIZE ? tm_huge_map(size) : NULL;
    if (!piece) {
        piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED)
            return NULL;
        tm_huge_advise(piece, size);
    }
    pthread_mutex_lock(&lock);
    add(piece, size);
    pthread_mutex_unlock(&lock);
    return piece + 1;
}

/*
 * A mapping where it is, or where huge pages go on being huge, or, as there may be no room for both, wherever the
 * system moves it.
 */
static void *move(void *from, size_t old, size_t n)
{
    void *moved = mremap(from, old, n, 0);
    void *to = moved == MAP_FAILED && n >= HUGE_SIZE ? tm_huge_map(n) : NULL;
    /* Where it fails nobody knows whether `to` is still there: it is left. */
    if (to)
        moved = mremap(from, old, n, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (moved == MAP_FAILED)
        moved = mremap(from, old, n, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED)
        tm_huge_advise(moved, n);
    return moved;
}

/* It may move. */
static void *remap(struct piece *piece, size_t n)
{
    size_t old = piece->size, size = whole(n);
    if (!size)
        return NULL;
    pthread_mutex_lock(&lock);
    take_out(piece);
    void *moved = move(piece, old, size);
    if (moved != MAP_FAILED)
        add(moved, size);
    else
        add(piece, old);
    pthread_mutex_unlock(&lock);
    return moved == MAP_FAILED ? NULL : (struct piece *)moved + 1;
}

static void free_piece(struct piece *piece)
{
    pthread_mutex_lock(&lock);
    bool kept = !spare && piece->size <= whole(SPARE_MAX);
    if (kept)
        spare = piece;
    else
        take_out(piece);
    pthread_mutex_unlock(&lock);
    if (!kept)
        munmap(piece, piece->size);
}

/*
 * A host may close the library, and go on. Where it exits nothing has to be done, nor waited for: a child that it has
 * forked may have the lock from a thread that it has not.
 */
static void __attribute__((destructor)) give_back(void)
{
    if (pthread_mutex_trylock(&lock))
        return;
    if (spare) {
        take_out(spare);
        munmap(spare, spare->size);
    }
    spare = NULL;
    pthread_mutex_unlock(&lock);
}

/* ---- All ---- */

static bool is_of_heap(size_t n)
{
    return n < MAPPED_MIN || SANITIZED;
}

/* Small pieces are of the heap; where a large one is, its address tells. */
enum home { HOME_HEAP, HOME_REGION, HOME_HUGE, HOME_MAPPING };

static enum home home_of(const void *p, size_t n)
{
    if (is_of_heap(n))
        return HOME_HEAP;
    if (tm_region_has(p))
        return HOME_REGION;
    pthread_mutex_lock(&lock);
    bool part = huge_of(p);
    pthread_mutex_unlock(&lock);
    return part ? HOME_HUGE : HOME_MAPPING;
}

void *tm_large_new(size_t n)
{
    if (is_of_heap(n))
        return tm_heap_new(n);
    void *p = tm_region_take(n);
    if (!p) {
        pthread_mutex_lock(&lock);
        p = take_part(n);
        pthread_mutex_unlock(&lock);
    }
    return p ? p : new_piece(n);
}

static bool grow_here(enum home home, void *p, size_t old, size_t n)
{
    if (home == HOME_REGION)
        return tm_region_resize(p, old, n);
    if (home != HOME_HUGE)
        return false;
    pthread_mutex_lock(&lock);
    bool done = grow_part(huge_of(p), p, old, n);
    pthread_mutex_unlock(&lock);
    return done;
}

void *tm_large_grow(void *p, size_t old, size_t n)
{
    if (!p)
        return tm_large_new(n);
    if (is_of_heap(n))
        return tm_heap_grow(p, n);
    enum home home = home_of(p, old);
    /* One that began by itself goes on in a huge page, as long as it fits there. */
    if (home == HOME_MAPPING && n > HUGE_SIZE)
        return remap(piece_of(p), n);
    if (grow_here(home, p, old, n))
        return p;
    void *more = tm_large_new(n);
    if (more) {
        memcpy(more, p, old);
        tm_large_free(p, old);
    }
    return more;
}

void tm_large_free(void *p, size_t n)
{
    switch (home_of(p, n)) {
    case HOME_HEAP:
        tm_heap_free(p);
        break;
    case HOME_REGION:
        tm_region_resize(p, n, 0);
        break;
    case HOME_HUGE:
        pthread_mutex_lock(&lock);
        free_part(huge_of(p), p, n);
        pthread_mutex_unlock(&lock);
        break;
    case HOME_MAPPING:
        free_piece(piece_of(p));
        break;
    }
}

/* Where the system knows no such thing, forks are slower. */
static void advise(int advice)
{
    pthread_mutex_lock(&lock);
    for (struct piece *piece = pieces; piece; piece = piece->next)
        madvise(piece, piece->size, advice);
    for (unsigned i = 0; i < huges_n; i++)
        madvise(huges[i].p, HUGE_SIZE, advice);
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
    pieces = spare = NULL;
    huges_n = 0;
}
