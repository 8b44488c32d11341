/*
 * The system aligns to pages: more is mapped, and what is not aligned given back.
 */
#include "base/huge.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *tm_huge_map(size_t n)
{
    size_t page = page_size();
    if (n > SIZE_MAX - HUGE_SIZE - page) {
        errno = ENOMEM;
        return NULL;
    }
    n = (n + page - 1) & ~(page - 1);
    char *all = mmap(NULL, n + HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)all & (HUGE_SIZE - 1);
    if (before)
        munmap(all, before);
    char *huge = all + before;
    munmap(huge + n, HUGE_SIZE - before);
    tm_huge_advise(huge, n);
    return huge;
}

void tm_huge_advise(void *p, size_t n)
{
    if (n < HUGE_SIZE)
        return;
    int why = errno; /* the system may not know them: nothing of the caller's has failed */
    size_t before = (uintptr_t)p & (page_size() - 1);
    madvise((char *)p - before, n + before, MADV_HUGEPAGE);
    errno = why;
}
