/*
 * Counting CPUs. Quotas are read for the process's own group and all groups above it, in version 2
 * and version 1 of control groups, as far as the files can be read.
 */
#include "pipeline/cpus.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/head.h"

#define GROUP_MAX   4096
#define GROUPS_MAX  16384
#define NUMBERS_MAX 64

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

/* A group's folder, to which names of files are added. */
struct folder {
    char path[GROUP_MAX];
    size_t n;
};

static bool add(struct folder *folder, const char *name)
{
    size_t n = strlen(name);
    if (n >= sizeof folder->path - folder->n)
        return false;
    memcpy(folder->path + folder->n, name, n + 1);
    folder->n += n;
    return true;
}

static bool read_numbers(struct folder *folder, const char *name, char text[NUMBERS_MAX])
{
    size_t n = folder->n;
    bool done = add(folder, name) && tm_head(folder->path, text, NUMBERS_MAX);
    folder->n = n;
    return done;
}

/* CPUs that the group may use; 0: no limit. "max" and -1 are none. */
typedef double quota_fn(struct folder *folder);

static double quota_v2(struct folder *folder)
{
    char text[NUMBERS_MAX], *end;
    if (!read_numbers(folder, "/cpu.max", text))
        return 0;
    long long quota = strtoll(text, &end, 10), period = strtoll(end, NULL, 10);
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

static double quota_v1(struct folder *folder)
{
    char text[NUMBERS_MAX];
    long long quota = read_numbers(folder, "/cpu.cfs_quota_us", text) ? strtoll(text, NULL, 10) : 0;
    long long period = quota > 0 && read_numbers(folder, "/cpu.cfs_period_us", text)
                           ? strtoll(text, NULL, 10)
                           : 0;
    return period > 0 ? (double)quota / (double)period : 0;
}

/* The smallest quota on the way from the group up to the root of its hierarchy, which is in `root`. */
static double smallest_quota(const char *root, const char *hierarchy, const char *group,
                             quota_fn *quota_of, double least)
{
    struct folder folder;
    folder.n = 0;
    if (!add(&folder, root) || !add(&folder, hierarchy))
        return least;
    size_t top = folder.n;
    if (!add(&folder, group))
        return least;
    for (;;) {
        while (folder.n > top && folder.path[folder.n - 1] == '/')
            folder.n--;
        double quota = quota_of(&folder);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        if (folder.n == top)
            return least;
        while (folder.n > top && folder.path[folder.n - 1] != '/')
            folder.n--;
    }
}

/* Is "cpu" one of them? There are "cpuset" and "cpuacct" as well. */
static bool names_cpu(char *controllers)
{
    for (char *name = strsep(&controllers, ","); name; name = strsep(&controllers, ","))
        if (strcmp(name, "cpu") == 0)
            return true;
    return false;
}

static double group_quota(const char *groups, const char *root)
{
    char lines[GROUPS_MAX], *rest = lines;
    double least = 0;
    if (!tm_head(groups, lines, sizeof lines))
        return 0;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        /* hierarchy:controllers:path */
        strsep(&line, ":");
        char *controllers = strsep(&line, ":");
        if (!line)
            continue;
        if (controllers[0] == '\0')
            least = smallest_quota(root, "", line, quota_v2, least);
        else if (names_cpu(controllers))
            least = smallest_quota(root, "/cpu", line, quota_v1, least);
    }
    return least;
}

uint32_t tm_cpus_of(uint32_t n, const char *groups, const char *root)
{
    double quota = n > 1 ? group_quota(groups, root) : 0;
    if (quota > 0 && quota < n) {
        uint32_t whole = (uint32_t)quota;
        n = whole + (quota > whole);
    }
    return n;
}

uint32_t tm_cpus(void)
{
    return tm_cpus_of(affinity(), "/proc/self/cgroup", "/sys/fs/cgroup");
}
