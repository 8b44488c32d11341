/*
 * Counting CPUs. Quotas are read for the process's own group and all groups above it, in version 2
 * and version 1 of control groups, as far as the files can be read.
 */
#include "pipeline/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_MAX 4096

static uint32_t affinity(void)
{
    /* Machines with more than 1024 CPUs need a larger mask than cpu_set_t. */
    for (size_t n = 1024; n <= 1 << 20; n *= 4) {
        cpu_set_t *set = CPU_ALLOC(n);
        size_t size = CPU_ALLOC_SIZE(n);
        if (!set)
            break;
        int status = sched_getaffinity(0, size, set);
        int count = status == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (uint32_t)count;
    }
    return 1;
}

/* Numbers of a one-line file; "max" and absence give -1. */
static int read_numbers(const char *path, double *a, double *b)
{
    FILE *f = fopen(path, "re");
    int n = f ? fscanf(f, "%lf %lf", a, b) : -1;
    if (f)
        fclose(f);
    return n;
}

/* CPUs that the group in `folder` may use; 0: no limit. */
static double quota_of(const char *folder)
{
    char path[GROUP_MAX + 64];
    double quota = 0, period = 0, none;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_numbers(path, &quota, &period) == 2 && period > 0)
        return quota / period;
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (read_numbers(path, &quota, &none) < 1 || quota <= 0)
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    return read_numbers(path, &period, &none) >= 1 && period > 0 ? quota / period : 0;
}

/* The smallest quota on the way from the group up to the root of its hierarchy. */
static double smallest_quota(const char *root, char *group, double least)
{
    char folder[GROUP_MAX];
    for (;;) {
        snprintf(folder, sizeof folder, "%s%s", root, group);
        double quota = quota_of(folder);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(group, '/');
        if (!slash || group[0] == '\0')
            return least;
        *slash = '\0';
    }
}

static double group_quota(void)
{
    char line[GROUP_MAX];
    double least = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) {
        /* hierarchy:controllers:path */
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        if (controllers[1] == '\0')
            least = smallest_quota("/sys/fs/cgroup", path, least);
        else if (strstr(controllers, "cpu") && !strstr(controllers, "cpuset"))
            least = smallest_quota("/sys/fs/cgroup/cpu", path, least);
    }
    if (f)
        fclose(f);
    return least;
}

uint32_t tm_cpus(void)
{
    uint32_t n = affinity();
    double quota = group_quota();
    if (quota > 0 && quota < n) {
        uint32_t whole = (uint32_t)quota;
        n = whole + (quota > whole);
    }
    return n ? n : 1;
}
