/*
 * The region of a worker: a stretch of memory for what a worker takes first and keeps, that the system may back with
 * one huge page (madvise(2), MADV_HUGEPAGE), unless there is little to do. A process that starts pays for each page
 * that it touches; of this it gets all for the price of one, which is a good part of its start where page faults are
 * dear, as in virtual machines.
 *
 * Only workers open one. Elsewhere, and when it is used up, it gives nothing, and who asks goes to the
 * system. Once it is open, several threads may use it.
 */
#ifndef TM_BASE_REGION_H
#define TM_BASE_REGION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Before the process has threads. Where the system refuses, there is none. A worker of a worker opens one more; what
 * was taken from the one before stays. Not `huge`: of small pages, for one that touches a few of them. They cost little
 * more than a huge one, and less by far in a virtual machine whose host has yet to find the memory for it.
 */
void tm_region_open(bool huge);
bool tm_region_is_open(void);
/* `n` bytes, aligned to 64; NULL: it has not so many. */
void *tm_region_take(size_t n);
/* All zero, and not touched for that where nobody had it before. */
void *tm_region_take_zeroed(size_t n);
/* Was it taken here, or where a parent took it? */
bool tm_region_has(const void *p);
/*
 * Make it `n` bytes where it is; 0 gives it back. What was taken last can grow, if there is room, and leaves room
 * when it shrinks; all else can only shrink, and leaves none.
 */
bool tm_region_resize(void *p, size_t old, size_t n);

#endif
