/*
 * A periodic timer and its signal handler. The handler touches this file's state, writes one frame
 * of fewer than PIPE_BUF bytes, and sets a Lua hook; all of it while a call is on, and so never
 * between two writes of another frame.
 */
#include "pipeline/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/frame.h"
#include "pipeline/protocol.h"
#include "pipeline/worker.h"

/* To give back much memory takes time as well. */
#define CLOSE_MIN_NS  ((uint64_t)1000000000)
#define CLOSE_TICK_NS 100000000

static struct {
    struct script *script;
    uint64_t limit; /* ns a record */
    uint64_t sequence;
    uint32_t first, end;
    volatile sig_atomic_t in_call; /* counts calls while one is on, else 0 */
    sig_atomic_t calls;
    sig_atomic_t seen; /* the call that the last tick saw */
    uint32_t ticks;    /* that saw it */
    volatile sig_atomic_t over;
    volatile sig_atomic_t records;
    volatile sig_atomic_t stop;
    volatile sig_atomic_t left; /* ticks, until the state has to be closed */
} dog;

static void tell_parent(void)
{
    unsigned char frame[FRAME_HEADER + 16] = {16, 0, 0, 0, FRAME_BUSY};
    for (size_t i = 0; i < 8; i++)
        frame[FRAME_HEADER + i] = dog.sequence >> 8 * i & 0xff;
    for (size_t i = 0; i < 4; i++) {
        frame[FRAME_HEADER + 8 + i] = dog.first >> 8 * i & 0xff;
        frame[FRAME_HEADER + 12 + i] = dog.end >> 8 * i & 0xff;
    }
    (void)!write(tm_worker_ends.out, frame, sizeof frame);
}

/* The same call as at the last tick: is it over its time? */
static void count_tick(void)
{
    dog.ticks++;
    if ((uint64_t)dog.ticks * WATCHDOG_TICK_NS / (dog.end - dog.first) >= dog.limit) {
        dog.over = 1;
        tm_script_interrupt(dog.script);
    }
}

static void tick(int number)
{
    int kept = errno;
    (void)number;
    if (!dog.in_call || dog.over)
        return;
    if (dog.seen == dog.in_call) {
        count_tick();
    } else {
        dog.seen = dog.in_call;
        dog.ticks = 0;
        tell_parent();
    }
    errno = kept;
}

static void on_stop(int number)
{
    (void)number;
    if (!dog.records)
        _exit(WORKER_EXIT_STOPPED);
    dog.stop = 1;
}

bool tm_watchdog_listen(void)
{
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    return sigaction(WATCHDOG_STOP_SIGNAL, &action, NULL) == 0;
}

void tm_watchdog_records(bool on)
{
    dog.records = on;
    if (!on && dog.stop)
        _exit(WORKER_EXIT_STOPPED);
}

bool tm_watchdog_stop_asked(void)
{
    return dog.stop;
}

bool tm_watchdog_start(const struct spec *spec, struct script *script)
{
    uint64_t limit = spec->values.limits.record_time;
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    /* To this thread: a module may have started others, which know nothing of records. */
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMAX - 1};
    event._sigev_un._tid = gettid();
    struct itimerspec every = {{0, WATCHDOG_TICK_NS}, {0, WATCHDOG_TICK_NS}};
    timer_t timer;
    if (limit == SPEC_UNLIMITED)
        return true;
    dog.script = script;
    dog.limit = limit;
    return sigaction(event.sigev_signo, &action, NULL) == 0 &&
           timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
           timer_settime(timer, 0, &every, NULL) == 0;
}

void tm_watchdog_enter(uint64_t sequence, uint32_t first, uint32_t end)
{
    if (!dog.script)
        return;
    dog.sequence = sequence;
    dog.first = first;
    dog.end = end;
    dog.over = 0;
    dog.calls = dog.calls == SIG_ATOMIC_MAX ? 1 : dog.calls + 1;
    dog.in_call = dog.calls;
}

bool tm_watchdog_leave(void)
{
    dog.in_call = 0;
    return dog.over;
}

/* Ticks of a process that is stopped are one: to be stopped is no timeout. */
static void count_down(int number)
{
    if (--dog.left > 0)
        return;
    /* Blocked until the handler returns, then it ends the process. */
    signal(number, SIG_DFL);
    raise(number);
}

void tm_watchdog_close(const struct spec *spec)
{
    uint64_t limit = spec->values.limits.record_time;
    uint64_t ticks = (limit < CLOSE_MIN_NS ? CLOSE_MIN_NS : limit) / CLOSE_TICK_NS;
    struct sigaction action = {.sa_handler = count_down, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, CLOSE_TICK_NS / 1000}, {0, CLOSE_TICK_NS / 1000}};
    if (limit == SPEC_UNLIMITED)
        return;
    dog.left = ticks < SIG_ATOMIC_MAX ? (sig_atomic_t)ticks : SIG_ATOMIC_MAX;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

void tm_watchdog_text(const struct spec *spec, err *e)
{
    uint64_t ns = spec->values.limits.record_time;
    tm_err_set(e, TIDEMILL_E_SCRIPT, "the script took longer than %g s (limits.record_time)",
               (double)ns / 1e9);
}

int tm_watchdog_setup_text(const struct spec *spec, const char *what, err *e)
{
    uint64_t ns = spec->values.limits.setup_time;
    return tm_err_set(e, TIDEMILL_E_SCRIPT, "%s took longer than %g s (limits.setup_time)", what,
                      (double)ns / 1e9);
}
