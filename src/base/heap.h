/*
 * Memory as malloc(3) gives it, for all that may live in a worker. There it comes from the worker's region (region.h)
 * as long as that has room, and else from malloc: a worker that starts then touches no page of the heap, each of
 * which costs it a page fault, and a copy where the page is its parent's.
 *
 * What is taken here is given back here. Several threads may do so.
 */
#ifndef TM_BASE_HEAP_H
#define TM_BASE_HEAP_H

#include <stddef.h>

/* A piece that is so much smaller than a power of two wastes nothing. */
#define HEAP_HEAD ((size_t)16)

/* `n` bytes, aligned to 16, not zeroed; NULL with ENOMEM. Of no bytes there is one, here and below. */
void *tm_heap_new(size_t n);
/* `n` times `size` bytes, zeroed. */
void *tm_heap_zeroed(size_t n, size_t size);
/* Make it `n` bytes, with as many of those before as fit; p == NULL: new. NULL: p is as it was. */
void *tm_heap_grow(void *p, size_t n);
/* NULL is fine. */
void tm_heap_free(void *p);

/*
 * realloc(3), of NULL malloc(3), and for free(3): never from the region. In a worker huge pages may back what is large
 * (huge.h); the heap of a host is the host's.
 */
void *tm_heap_realloc(void *p, size_t n);

#endif
