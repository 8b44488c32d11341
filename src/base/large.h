/*
 * Memory for the bytes that flow through: input on its way to workers, results on their way out.
 * Large pieces are mapped by themselves, and a child that is forked does not get them
 * (madvise(2), MADV_DONTFORK): else each fork costs the parent a copy of every page that it writes to
 * afterwards, and those are the pages that it writes to all the time.
 */
#ifndef TM_BASE_LARGE_H
#define TM_BASE_LARGE_H

#include <stddef.h>

/* NULL with ENOMEM. */
void *tm_large_new(size_t n);
/* Make it `n` > `old` bytes, with the first `old` as they were; p == NULL: new. NULL: p is as it was. */
void *tm_large_grow(void *p, size_t old, size_t n);
/* `n` as it was made or grown last. */
void tm_large_free(void *p, size_t n);

#endif
