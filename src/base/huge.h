/*
 * Stretches of memory that the system may back with one huge page each (madvise(2), MADV_HUGEPAGE): all of it
 * for the price of one page fault, where page by page it is some five hundred.
 */
#ifndef TM_BASE_HUGE_H
#define TM_BASE_HUGE_H

#include <stddef.h>

/* A huge page of x86-64, and of arm64 where pages are of 4 KiB. */
#define HUGE_SIZE ((size_t)2 << 20)

/* HUGE_SIZE bytes, aligned to as many, all zero; NULL with errno. munmap(2) gives them back. */
void *tm_huge_map(void);

/* What of `n` bytes from `p` on is whole huge pages may be backed with those, as its pages are touched first. */
void tm_huge_advise(void *p, size_t n);

#endif
