/*
 * A Lua C module that does harm, for tests alone: whatever a script may load must cost no more than
 * the record that called it. Scripts find it with
 *
 *   package.cpath = BUILD .. "/tests/?.so"
 */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static int crash(lua_State *L)
{
    volatile int *volatile nowhere = NULL;
    (void)L;
    *nowhere = 1;
    return 0;
}

/* All the memory that there is, in pieces of a MiB that are used and kept; then an error. */
static int eat(lua_State *L)
{
    for (char *p; (p = malloc(MIB)) != NULL;)
        memset(p, 1, MIB);
    return luaL_error(L, "nothing is left to eat");
}

/* As a library does that takes no failure for an answer. */
static int eat_and_abort(lua_State *L)
{
    (void)L;
    for (char *p; (p = malloc(MIB)) != NULL;)
        memset(p, 1, MIB);
    abort();
}

static int spin(lua_State *L)
{
    (void)L;
    for (volatile int going = 1; going;)
        ;
    return 0;
}

/* sleep(SECONDS), whatever signal comes. */
static int sleep_on(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) < 0)
        ;
    return 0;
}

/* burn(MICROSECONDS): so much work. */
static int burn(lua_State *L)
{
    struct timespec now;
    lua_Integer end;
    clock_gettime(CLOCK_MONOTONIC, &now);
    end = (lua_Integer)now.tv_sec * 1000000000 + now.tv_nsec + luaL_checkinteger(L, 1) * 1000;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((lua_Integer)now.tv_sec * 1000000000 + now.tv_nsec < end);
    return 0;
}

/* A process beside this one, which has all that it has and does nothing. */
static int linger(lua_State *L)
{
    if (fork() == 0)
        for (;;)
            pause();
    (void)L;
    return 0;
}

static void leave(int number)
{
    (void)number;
    _exit(3);
}

/* Exit with status 3 at the signal SIGUSR1, wherever the process is. */
static int exit_on_signal(lua_State *L)
{
    struct sigaction action = {.sa_handler = leave};
    sigaction(SIGUSR1, &action, NULL);
    (void)L;
    return 0;
}

/* child(FUNCTION): forks a process that calls it and exits with what it gives; gives its status, or minus
   the signal that it died of. */
static int child(lua_State *L)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        lua_call(L, 0, 1);
        _exit((int)lua_tointeger(L, -1));
    }
    waitpid(pid, &status, 0);
    lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    return 1;
}

/* Does the C library know this thread by its number, and the kernel the mutexes to free when it dies? */
static int is_known(lua_State *L)
{
    pthread_mutexattr_t kind;
    pthread_mutex_t mutex;
    void *mutexes = NULL;
    size_t size = 0;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &kind);
    pthread_mutex_lock(&mutex);
#ifdef __GLIBC__
    bool numbered = mutex.__data.__owner == gettid();
#else
    bool numbered = true;
#endif
    pthread_mutex_unlock(&mutex);
    pthread_mutex_destroy(&mutex);
    pthread_mutexattr_destroy(&kind);
    syscall(SYS_get_robust_list, 0, &mutexes, &size);
    lua_pushboolean(L, numbered && mutexes);
    return 1;
}

int luaopen_poison(lua_State *L);
int luaopen_poison(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"crash", crash},    {"eat", eat},
        {"spin", spin},      {"eat_and_abort", eat_and_abort},
        {"sleep", sleep_on}, {"burn", burn},
        {"linger", linger},  {"exit_on_signal", exit_on_signal},
        {"child", child},    {"is_known", is_known},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
