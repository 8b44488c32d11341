/*
 * Stretches of memory that the system may back with one huge page each (madvise(2), MADV_HUGEPAGE): all of it
 * for the price of one page fault, where page by page it is some five hundred.
 */
#ifndef TM_BASE_HUGE_H
#define TM_BASE_HUGE_H

#include <stddef.h>

/* A huge page of x86-64, and of arm64 where pages are of 4 KiB. */
#define HUGE_SIZE ((size_t)2 << 20)

/* `n` bytes, of which as many pages as there are may be huge: aligned to HUGE_SIZE, all zero; NULL with errno.
   munmap(2) gives them back. */
void *tm_huge_map(size_t n);

/*
 * What lies between `p` and the `n`th byte behind it, if it is HUGE_SIZE or more, may be backed with huge pages, as
 * far as they fit in there. What is a mapping of its own has to be named from end to end: else it is two from then
 * on, and mremap(2) takes but one.
 */
void tm_huge_advise(void *p, size_t n);

#endif
