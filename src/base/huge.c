/*
 * The system aligns to pages: twice as much is mapped, and what is not aligned given back.
 */
#include "base/huge.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

void *tm_huge_map(void)
{
    char *all = mmap(NULL, 2 * HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)all & (HUGE_SIZE - 1);
    if (before)
        munmap(all, before);
    char *huge = all + before;
    munmap(huge + HUGE_SIZE, HUGE_SIZE - before);
    tm_huge_advise(huge, HUGE_SIZE);
    return huge;
}

void tm_huge_advise(void *p, size_t n)
{
    size_t before = -(uintptr_t)p & (HUGE_SIZE - 1);
    if (n < before + HUGE_SIZE)
        return;
    int why = errno; /* the system may not know them: nothing of the caller's has failed */
    madvise((char *)p + before, (n - before) & ~(HUGE_SIZE - 1), MADV_HUGEPAGE);
    errno = why;
}
