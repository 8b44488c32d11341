/*
 * As large as a huge page, and as aligned. What is taken begins where the piece before ends.
 */
#include "base/region.h"

#include <pthread.h>
#include <stdint.h>

#include "base/huge.h"
#include "base/sanitized.h"

#define REGION_SIZE HUGE_SIZE
#define ALIGNMENT   ((size_t)64)
/* Nobody nests workers that deep; the rest would share the last. */
#define REGIONS_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The newest is the last, of which this is left. */
static char *regions[REGIONS_MAX], *at, *end;
static unsigned regions_n;

void tm_region_open(void)
{
    if (SANITIZED || regions_n == REGIONS_MAX)
        return;
    char *huge = tm_huge_map(REGION_SIZE);
    if (!huge)
        return;
    at = regions[regions_n++] = huge;
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

void *tm_region_take(size_t n)
{
    void *p = NULL;
    if (!regions_n || n > REGION_SIZE)
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
        at = piece + rounded(n);
        done = true;
    }
    pthread_mutex_unlock(&lock);
    return done;
}
