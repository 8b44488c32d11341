/*
 * Memory for the bytes that flow through: input on its way to workers, results on their way out.
 * Large pieces lie in huge pages (huge.h), as what flows through them would else touch hundreds of small ones at
 * the start of a run, when all wait for it; the largest are mapped by themselves, in huge pages of their own, and the
 * first of a job that may be small in small ones. Those of a worker are in its region (region.h), as long as that has
 * room.
 *
 * A worker that is forked does not get its parent's: else each fork costs the parent a copy of every page that it
 * writes to afterwards, and those are the pages that it writes to all the time. Whatever else is forked, by a host or
 * a script, does.
 *
 * The pieces of a process are known in one place, under a lock. A huge page is kept as long as anything is in it; one
 * small mapping that is given back is kept for whoever asks for the next.
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

/* What is forked from now on does not get what is large now (madvise(2), MADV_DONTFORK), */
void tm_large_hide(void);
/* and now it does again. */
void tm_large_show(void);
/* In a child that was forked between the two: nothing of it is there. */
void tm_large_forget(void);

#endif
