/*
 * Signals of the command: the first SIGINT or SIGTERM asks the run to end, a second one kills.
 * A handler has no context, so what it needs stands in static variables here.
 */
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "cli/cli.h"

static tidemill_run *volatile watched;
static volatile sig_atomic_t caught;
static struct timespec caught_at; /* the handlers' own */

static const int numbers[] = {SIGINT, SIGTERM};
enum { NUMBERS = sizeof numbers / sizeof *numbers };
static struct sigaction before[NUMBERS];

/*
 * timeout(1), and others that signal a process and then its group, send the same thing twice: what
 * comes within a quarter of a second is no second wish.
 */
static bool is_echo(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* signal-safety(7) */
    int64_t passed = (int64_t)(now.tv_sec - caught_at.tv_sec) * 1000000000 +
                     (now.tv_nsec - caught_at.tv_nsec);
    return passed < 250000000;
}

static void on_signal(int number)
{
    tidemill_run *run = watched;
    if (!caught && run) {
        caught = number;
        clock_gettime(CLOCK_MONOTONIC, &caught_at);
        tidemill_run_stop(run);
    } else if (!caught || !is_echo()) {
        /* Blocked until the handler returns, then it ends the process. */
        signal(number, SIG_DFL);
        raise(number);
    }
}

void tm_signals_watch(tidemill_run *run)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < NUMBERS; i++)
        sigaddset(&action.sa_mask, numbers[i]); /* one handler at a time */
    caught = 0;
    watched = run;
    for (size_t i = 0; i < NUMBERS; i++) {
        sigaction(numbers[i], &action, &before[i]);
        /* Who started us wants this signal to pass by: nohup, a shell's background job. */
        if (before[i].sa_handler == SIG_IGN)
            sigaction(numbers[i], &before[i], NULL);
    }
}

int tm_signals_caught(void)
{
    return caught;
}

int tm_signals_unwatch(void)
{
    watched = NULL;
    for (size_t i = 0; i < NUMBERS && !caught; i++) /* an echo may still come */
        sigaction(numbers[i], &before[i], NULL);
    return caught;
}

void tm_signals_die_of_pipe(void)
{
    sigset_t set;
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGPIPE);
}
