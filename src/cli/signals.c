/*
 * Signals of the command: the first SIGINT or SIGTERM asks the run to end, a second one kills.
 * A handler has no context, so what it needs stands in two static variables here.
 */
#include <signal.h>
#include <stddef.h>

#include "cli/cli.h"

static tidemill_run *volatile watched;
static volatile sig_atomic_t caught;

static const int numbers[] = {SIGINT, SIGTERM};
enum { NUMBERS = sizeof numbers / sizeof *numbers };
static struct sigaction before[NUMBERS];

static void on_signal(int number)
{
    tidemill_run *run = watched;
    if (caught || run == NULL) {
        /* Blocked until the handler returns, then it ends the process. */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    caught = number;
    tidemill_run_stop(run);
}

void tm_signals_watch(tidemill_run *run)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    caught = 0;
    watched = run;
    for (size_t i = 0; i < NUMBERS; i++) {
        sigaction(numbers[i], &action, &before[i]);
        /* Who started us wants this signal to pass by: nohup, a shell's background job. */
        if (before[i].sa_handler == SIG_IGN)
            sigaction(numbers[i], &before[i], NULL);
    }
}

int tm_signals_unwatch(void)
{
    for (size_t i = 0; i < NUMBERS; i++)
        sigaction(numbers[i], &before[i], NULL);
    watched = NULL;
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
