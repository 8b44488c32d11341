/*
 * How many CPUs control groups leave of those there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/cpus.h"

#define FILES_MAX 4

/* Of version 1, the files of the group /a. */
#define V1 "cpu/a/cpu.cfs_"

static const struct {
    uint32_t of, wanted;
    const char *groups, *files[FILES_MAX][2]; /* a path below the root, and what is in it */
} cases[] = {
    {8, 8, "0::/\n", {{"cpu.max", "max 100000\n"}}},
    {8, 2, "0::/\n", {{"cpu.max", "150000 100000\n"}}},
    {8, 2, "0::/\n", {{"cpu.max", "200000 100000\n"}}},
    {8, 1, "0::/\n", {{"cpu.max", "1000 100000\n"}}},
    {8, 8, "0::/\n", {{"cpu.max", "900000 100000\n"}}},
    {1, 1, "0::/\n", {{"cpu.max", "150000 100000\n"}}},
    /* The group's own, and those above. */
    {8, 3, "0::/a/b\n", {{"a/b/cpu.max", "max 100000\n"}, {"a/cpu.max", "300000 100000\n"}}},
    {8, 2, "0::/a/b\n", {{"a/b/cpu.max", "200000 100000\n"}, {"a/cpu.max", "300000 100000\n"}}},
    {8, 4, "0::/a/b\n", {{"a/b/cpu.max", "max 100000\n"}, {"cpu.max", "400000 100000\n"}}},
    {8, 8, "0::/a\n", {{"b/cpu.max", "100000 100000\n"}, {"ab/cpu.max", "100000 100000\n"}}},
    /* Version 1, alone and beside version 2. */
    {8, 3, "4:cpu,cpuacct:/a\n0::/\n", {{V1 "quota_us", "250000\n"}, {V1 "period_us", "100000\n"}}},
    {8, 8, "4:cpu,cpuacct:/a\n", {{V1 "quota_us", "-1\n"}, {V1 "period_us", "100000\n"}}},
    {8, 8, "4:cpu,cpuacct:/a\n", {{V1 "quota_us", "100000\n"}}},
    {8, 8, "3:cpuset:/a\n", {{V1 "quota_us", "100000\n"}, {V1 "period_us", "100000\n"}}},
    {8, 8, "3:cpuacct:/a\n", {{V1 "quota_us", "100000\n"}, {V1 "period_us", "100000\n"}}},
    {8, 1, "3:cpuacct,cpu:/a\n", {{V1 "quota_us", "100000\n"}, {V1 "period_us", "100000\n"}}},
    {8, 1, "3:cpu:/a//b/\n", {{V1 "quota_us", "100000\n"}, {V1 "period_us", "100000\n"}}},
    /* Nothing of it is what it should be. */
    {8, 8, "0::/\n", {{"cpu.max", "100000 0\n"}}},
    {8, 8, "0::/\n", {{"cpu.max", "100000"}}},
    {8, 8, "0::/\n", {{"cpu.max", "none\n"}}},
    {8, 1, "0::/\n", {{"cpu.max", "99999999999999999999 99999999999999999999\n"}}},
    {8, 1, "\n:\n::\n0:\n0::", {{"cpu.max", "100000 100000\n"}}},
    {8, 1, "0::a\n", {{"cpu.max", "100000 100000\n"}}},
    {8, 8, "", {{"cpu.max", "100000 100000\n"}}},
};

static char root[] = "/tmp/tidemill-cpus.XXXXXX";

static const char *under(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", under(name));
    for (char *slash = strchr(path + sizeof root, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The file, and the folders that were made for it as far as nothing else is in them. */
static void remove_file(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", under(name));
    unlink(path);
    for (char *slash = strrchr(path, '/'); slash > path + sizeof root; slash = strrchr(path, '/')) {
        *slash = '\0';
        rmdir(path);
    }
}

static uint32_t cpus(uint32_t of)
{
    char groups[PATH_MAX];
    snprintf(groups, sizeof groups, "%s", under("groups"));
    return tm_cpus_of(of, groups, root);
}

static void test_quotas(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file("groups", cases[i].groups);
        for (size_t j = 0; j < FILES_MAX && cases[i].files[j][0]; j++)
            write_file(cases[i].files[j][0], cases[i].files[j][1]);
        if (cpus(cases[i].of) != cases[i].wanted)
            fail_msg("case %zu: %u CPUs, not %u", i, cpus(cases[i].of), cases[i].wanted);
        for (size_t j = 0; j < FILES_MAX && cases[i].files[j][0]; j++)
            remove_file(cases[i].files[j][0]);
    }
    remove_file("groups");
    assert_int_equal(cpus(8), 8);
}

/* Paths of groups, and lists of them, of any length. */
static void test_lengths(void **state)
{
    static char list[20000];
    (void)state;
    write_file("cpu.max", "100000 100000\n");
    for (size_t n = 0; n < sizeof list - 5; n += n < 4000 || n > 4200 ? 97 : 1) {
        memcpy(list, "0::/", 4);
        memset(list + 4, 'a', n);
        list[n + 4] = '\0';
        write_file("groups", list);
        assert_in_range(cpus(8), 1, 8);
    }
    remove_file("groups");
    remove_file("cpu.max");
}

static void test_this_process(void **state)
{
    (void)state;
    assert_in_range(tm_cpus(), 1, (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_this_process),
    };
    if (!mkdtemp(root))
        return 1;
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(root);
    return status;
}
