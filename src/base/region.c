/*
 * As large as a huge page, and as aligned. What is taken begins where the piece before ends.
 */
#include "base/region.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/huge.h"
#include "base/sanitized.h"

#define REGION_SIZE HUGE_SIZE
#define ALIGNMENT   ((size_t)64)
/* Nobody nests workers that deep; the rest would share the last. */
#define REGIONS_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The newest is the last, of which this is left; from `fresh` on nobody had any of it. */
static char *regions[REGIONS_MAX], *at, *fresh, *end;
static unsigned regions_n;

void tm_region_open(bool huge)
{
    if (SANITIZED || regions_n == REGIONS_MAX)
        return;
    char *region = tm_huge_map(REGION_SIZE);
    if (!region)
        return;
    if (!huge)
        madvise(region, REGION_SIZE, MADV_NOHUGEPAGE);
    at = fresh = regions[regions_n++] = region;
    end = at + REGION_SIZE;
}

bool tm_region_is_open(void)
{
    return regions_n;
}

/* Of at most REGION_SIZE. */
static size_t rounded(size_t n)
{
    return (n + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* Under the lock: what is taken ends here now. */
static void move_end(char *p)
{
    at = p;
    if (fresh < at)
        fresh = at;
}

/* *used: of its bytes, so many may not be zero. */
static void *take(size_t n, size_t *used)
{
    char *p = NULL;
    *used = 0;
    if (!regions_n || n > REGION_SIZE)
        return NULL;
    pthread_mutex_lock(&lock);
    if (rounded(n) <= (size_t)(end - at)) {
        p = at;
        *used = (size_t)(fresh - p) < n ? (size_t)(fresh - p) : n;
        move_end(p + rounded(n));
    }
    pthread_mutex_unlock(&lock);
    return p;
}

void *tm_region_take(size_t n)
{
    size_t used;
    return take(n, &used);
}

void *tm_region_take_zeroed(size_t n)
{
    size_t used;
    void *p = take(n, &used);
    return p ? memset(p, 0, used) : NULL;
}

bool tm_region_has(const void *p)
{
    for (unsigned i = 0; i < regions_n; i++)
        if ((uintptr_t)p - (uintptr_t)regions[i] < REGION_SIZE)
            return true;
    return false;
}

bool tm_region_resize(void *p, size_t old, size_t n)
{
    char *piece = p;
    bool done = n <= old;
    pthread_mutex_lock(&lock);
    if (piece + rounded(old) == at && n <= (size_t)(end - piece)) {
        move_end(piece + rounded(n));
        done = true;
    }
    pthread_mutex_unlock(&lock);
    return done;
}
