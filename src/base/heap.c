/*
 * Pieces of the region are powers of two, with a head of 16 bytes that tells which. Those that are given back are
 * kept for the next of their size.
 */
#include "base/heap.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "base/region.h"

#define SMALLEST ((size_t)64)
/* What is larger is few, and would take the region from Lua and from the bytes that flow through. */
#define CLASSES 10
#define LARGEST (SMALLEST << (CLASSES - 1))

struct piece {
    _Alignas(HEAP_HEAD) size_t class;
    struct piece *next; /* while it is kept */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *kept[CLASSES];

static size_t class_of(size_t n)
{
    size_t class = 0;
    while (SMALLEST << class < n + HEAP_HEAD)
        class += 1;
    return class;
}

static struct piece *piece_of(void *p)
{
    return (struct piece *)(void *)((char *)p - HEAP_HEAD);
}

static size_t room(void *p)
{
    return (SMALLEST << piece_of(p)->class) - HEAP_HEAD;
}

static void *of_class(struct piece *piece, size_t class)
{
    piece->class = class;
    return (char *)piece + HEAP_HEAD;
}

static struct piece *take_kept(size_t class)
{
    pthread_mutex_lock(&lock);
    struct piece *piece = kept[class];
    if (piece)
        kept[class] = piece->next;
    pthread_mutex_unlock(&lock);
    return piece;
}

void *tm_heap_realloc(void *p, size_t n)
{
    void *more = realloc(p, n);
    if (more && n >= HUGE_SIZE && tm_region_is_open())
        tm_huge_advise(more, malloc_usable_size(more));
    return more;
}

void *tm_heap_new(size_t n)
{
    n += !n;
    if (!tm_region_is_open() || n > LARGEST - HEAP_HEAD)
        return tm_heap_realloc(NULL, n);
    size_t class = class_of(n);
    struct piece *piece = take_kept(class);
    if (!piece)
        piece = tm_region_take(SMALLEST << class);
    return piece ? of_class(piece, class) : malloc(n);
}

void *tm_heap_zeroed(size_t n, size_t size)
{
    if (!n || !size)
        n = size = 1;
    if (!tm_region_is_open() || n > (LARGEST - HEAP_HEAD) / size)
        return calloc(n, size);
    size_t class = class_of(n * size);
    struct piece *piece = take_kept(class);
    if (piece)
        return memset(of_class(piece, class), 0, n * size);
    piece = tm_region_take_zeroed(SMALLEST << class);
    return piece ? of_class(piece, class) : calloc(n, size);
}

void *tm_heap_grow(void *p, size_t n)
{
    n += !n;
    if (!p)
        return tm_heap_new(n);
    if (!tm_region_has(p))
        return tm_heap_realloc(p, n);
    size_t old = room(p);
    if (n <= old)
        return p;
    void *more = tm_heap_new(n);
    if (more) {
        memcpy(more, p, old);
        tm_heap_free(p);
    }
    return more;
}

void tm_heap_free(void *p)
{
    if (!tm_region_has(p)) {
        free(p);
        return;
    }
    struct piece *piece = piece_of(p);
    pthread_mutex_lock(&lock);
    piece->next = kept[piece->class];
    kept[piece->class] = piece;
    pthread_mutex_unlock(&lock);
}
