/*
 * Processes that cannot start, where the host ignores its children: they may be gone, and their numbers
 * others', before anything of them is known. And fork servers, good and bad: this program is the bad ones itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../left.h"
#include "base/clock.h"
#include "pipeline/fork_server.h"
#include "pipeline/process.h"
#include "pipeline/worker.h"

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

/* ---- Fork servers ---- */

/* Nothing is left of what a test has started. */
static void nobody_is_left(int descriptors)
{
    assert_false(has_children());
    assert_int_equal(open_descriptors(), descriptors);
}

/* A server and a worker that are not there yet; how many descriptors are open. */
static int begin(struct fork_server *s, struct process *p)
{
    tm_fork_server_init(s);
    tm_process_init(p);
    return open_descriptors();
}

static const struct process_config forked = {.log_fd = -1, .pipe_size = 4096};
static const struct process_config bad = {
    .exec = true, .program = "/proc/self/exe", .log_fd = -1, .pipe_size = 4096};

static void test_workers(void **state)
{
    (void)state;
    struct fork_server s;
    struct process p[3];
    int before = open_descriptors(), status;
    tm_fork_server_init(&s);
    for (int i = 0; i < 3; i++) {
        tm_process_init(&p[i]);
        assert_true(tm_fork_server_start(&s, &p[i], &forked));
        assert_true(p[i].pidfd >= 0 && p[i].in >= 0 && p[i].out >= 0 && p[i].life >= 0);
        assert_true(tm_process_is_ours(&p[i]));
        assert_int_equal(getpgid(p[i].pid), p[i].pid);
        assert_int_equal(getpgid(s.process.pid), s.process.pid);
    }
    /* Killed; without its server; seen off by the end of what it reads. */
    tm_process_kill(&p[0]);
    tm_process_wait(&p[0], &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    tm_fork_server_release(&s);
    assert_false(tm_process_ends(&p[1], 10));
    for (int i = 1; i < 3; i++) {
        tm_process_wait(&p[i], &status);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_LOST);
    }
    nobody_is_left(before);
}

static void test_host_that_ignores_children(void **state)
{
    (void)state;
    struct fork_server s;
    struct process p;
    int before = begin(&s, &p), status;
    signal(SIGCHLD, SIG_IGN);
    assert_true(tm_fork_server_start(&s, &p, &forked));
    tm_process_kill(&p);
    tm_process_wait(&p, &status);
    assert_int_equal(status, -1);
    tm_fork_server_release(&s);
    signal(SIGCHLD, SIG_DFL);
    nobody_is_left(before);
}

/* The host's functions see what it has in memory now, which a server does not have. */
static void test_functions(void **state)
{
    (void)state;
    struct fork_server s;
    struct process p;
    struct process_config config = forked;
    config.functions_n = 1;
    begin(&s, &p);
    assert_false(tm_fork_server_start(&s, &p, &config));
    assert_true(s.process.pid == 0 && !s.hopeless);
}

static void start_and_end(struct fork_server *s)
{
    struct process p;
    int status;
    tm_process_init(&p);
    assert_true(tm_fork_server_start(s, &p, &forked));
    tm_process_kill(&p);
    tm_process_wait(&p, &status);
}

static void test_killed(void **state)
{
    (void)state;
    struct fork_server s;
    struct process p;
    int before = begin(&s, &p);
    for (int i = 0; i < 10; i++) {
        start_and_end(&s);
        assert_int_equal(kill(s.process.pid, SIGKILL), 0);
        assert_false(tm_fork_server_start(&s, &p, &forked));
    }
    start_and_end(&s);
    tm_fork_server_release(&s);
    nobody_is_left(before);
}

static void test_stopped(void **state)
{
    (void)state;
    struct fork_server s;
    struct process p;
    int before = begin(&s, &p);
    start_and_end(&s);
    assert_int_equal(kill(s.process.pid, SIGSTOP), 0);
    assert_false(tm_fork_server_start(&s, &p, &forked));
    assert_true(s.hopeless);
    assert_false(tm_fork_server_start(&s, &p, &forked));
    nobody_is_left(before);
}

/* Who may not kill it need not wait for it either. */
static void test_another_user(void **state)
{
    (void)state;
    struct fork_server s;
    struct process p;
    int before = begin(&s, &p), status;
    if (geteuid() != 0)
        skip();
    alarm(30);
    assert_true(tm_fork_server_start(&s, &p, &forked));
    assert_int_equal(setresuid(54321, 54321, 0), 0);
    tm_fork_server_release(&s);
    tm_process_kill(&p);
    tm_process_wait(&p, &status);
    assert_int_equal(setresuid(0, 0, 0), 0);
    assert_int_not_equal(status, -1);
    alarm(0);
    nobody_is_left(before);
}

static void answer(int socket, int number, int fds)
{
    int copies[] = {0, 1};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof copies)];
    } control = {0};
    struct iovec bytes = {&number, sizeof number};
    struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (fds) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){CMSG_LEN((size_t)fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), copies, (size_t)fds * sizeof(int));
    }
    sendmsg(socket, &m, MSG_NOSIGNAL);
}

/* A child of our parent that nobody tells of. */
static void leave_a_child(void)
{
    struct clone_args args = {.flags = CLONE_PARENT};
    if (syscall(SYS_clone3, &args, CLONE_ARGS_SIZE_VER0) == 0)
        for (close(WORKER_FD_IN);;)
            pause();
}

enum badness {
    LEAVES,
    FAILS,
    TELLS_NO_FD,
    TELLS_TWO_FDS,
    TELLS_NO_NUMBER,
    TELLS_OF_ANOTHER, /* who is no child of ours */
    HIDES,
    HIDES_AND_HANGS,
};

static int be_bad(enum badness how)
{
    char request[100];
    if (how == LEAVES || !tm_process_watch_parent())
        return 2;
    (void)!read(WORKER_FD_IN, request, sizeof request);
    if (how == HIDES || how == HIDES_AND_HANGS)
        leave_a_child();
    switch (how) {
    case FAILS:
        answer(WORKER_FD_IN, -EAGAIN, 0);
        break;
    case TELLS_NO_FD:
        answer(WORKER_FD_IN, 1, 0);
        break;
    case TELLS_TWO_FDS:
        answer(WORKER_FD_IN, 1, 2);
        break;
    case TELLS_NO_NUMBER:
        answer(WORKER_FD_IN, 0, 1);
        break;
    case TELLS_OF_ANOTHER:
        answer(WORKER_FD_IN, 1, 1);
        break;
    default:
        break;
    }
    while (how != HIDES)
        pause();
    return 0;
}

/* Each costs a worker that is started otherwise, and after some they are not tried any more, or at once when one says
   nothing for a second: on a busy machine they all may. */
static void test_bad(void **state)
{
    (void)state;
    for (enum badness how = LEAVES; how <= HIDES_AND_HANGS; how++) {
        struct fork_server s;
        struct process p;
        int before = begin(&s, &p), times = 0;
        bool silent = how == HIDES_AND_HANGS;
        char text[2] = {(char)('0' + how), '\0'};
        setenv("BADNESS", text, 1);
        for (; !s.hopeless; times++) {
            int64_t began = clock_now();
            assert_false(tm_fork_server_start(&s, &p, &bad));
            silent = silent || clock_now() - began >= 1000000000;
        }
        assert_true(silent ? times <= 4 : times == 4);
        assert_true(how != HIDES_AND_HANGS || times == 1);
        assert_false(tm_fork_server_start(&s, &p, &bad));
        assert_int_equal(s.process.pid, 0);
        assert_int_equal(p.pid, 0);
        nobody_is_left(before);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], ROLE_FORK_SERVER) == 0)
        return be_bad((enum badness)(getenv("BADNESS")[0] - '0'));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_host_that_ignores_children),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_another_user),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
