/*
 * As large as a huge page, and as aligned. What is taken begins where the piece before ends.
 */
#include "base/region.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/sanitized.h"

/* A huge page of x86-64, and of arm64 where pages are of 4 KiB. */
#define REGION_SIZE ((size_t)2 << 20)
#define ALIGNMENT   ((size_t)64)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *begin, *at, *end;

void tm_region_open(void)
{
    if (SANITIZED)
        return;
    char *all = mmap(NULL, 2 * REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
    if (all == MAP_FAILED)
        return;
    size_t before = -(uintptr_t)all & (REGION_SIZE - 1), after = REGION_SIZE - before;
    if (before)
        munmap(all, before);
    begin = at = all + before;
    end = begin + REGION_SIZE;
    munmap(end, after);
    madvise(begin, REGION_SIZE, MADV_HUGEPAGE);
}

/* Of at most REGION_SIZE. */
static size_t rounded(size_t n)
{
    return (n + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

void *tm_region_take(size_t n)
{
    void *p = NULL;
    if (!begin || n > REGION_SIZE)
        return NULL;
    pthread_mutex_lock(&lock);
    if (rounded(n) <= (size_t)(end - at)) {
        p = at;
        at += rounded(n);
    }
    pthread_mutex_unlock(&lock);
    return p;
}

bool tm_region_has(const void *p)
{
    return begin && (const char *)p >= begin && (const char *)p < end;
}

bool tm_region_resize(void *p, size_t old, size_t n)
{
    char *piece = p;
    bool done = n <= old;
    pthread_mutex_lock(&lock);
    if (piece + rounded(old) == at && n <= (size_t)(end - piece)) {
        at = piece + rounded(n);
        done = true;
    }
    pthread_mutex_unlock(&lock);
    return done;
}
