/*
 * How many CPUs this process may use.
 */
#ifndef TM_PIPELINE_CPUS_H
#define TM_PIPELINE_CPUS_H

#include <stdint.h>

/*
 * The least of the affinity mask (sched_getaffinity(2)) and the CPU quotas of the control groups
 * that the process is in (cgroups(7): cpu.max, or cpu.cfs_quota_us), rounded up. At least 1.
 */
uint32_t tm_cpus(void);

/* The same, of `n` CPUs, by a list of the groups (/proc/self/cgroup) and the folder where their files are. */
uint32_t tm_cpus_of(uint32_t n, const char *groups, const char *root);

#endif
