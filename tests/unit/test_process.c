/*
 * Processes that cannot start, where the host ignores its children: they may be gone, and their numbers
 * others', before anything of them is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/process.h"

#define TIMES 300

static void test_no_program(void **state)
{
    (void)state;
    char path[] = "/tmp/tidemill-program.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "no program\n", 11) == 11 && fchmod(fd, 0700) == 0);
    close(fd);
    struct process_config config = {.exec = true, .program = path, .log_fd = -1, .pipe_size = 4096};
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < TIMES; i++) {
        struct process p;
        int status;
        err e;
        tm_process_init(&p);
        assert_int_equal(tm_process_start(&p, &config, &e), TIDEMILL_OK);
        /* By its number alone only what is there, or what a kernel without pidfds tells us of. */
        assert_true(p.pidfd >= 0 || p.pid == 0);
        tm_process_kill(&p);
        tm_process_wait(&p, &status);
        assert_int_equal(status, -1);
    }
    signal(SIGCHLD, SIG_DFL);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_program)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
