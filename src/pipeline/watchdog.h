/*
 * The watchdog of a worker: a timer that notices a call which takes long. It tells the parent which
 * records are in hand (FRAME_BUSY), so that the parent's clock knows whom to blame, and when
 * limits.record_time is over it asks the script's Lua state to raise an error, which is kinder than
 * the parent's SIGKILL. It counts its own ticks, not the time of day: a process that was stopped has
 * not been slow.
 *
 * One a process: signal handlers have no other place to look.
 */
#ifndef TM_PIPELINE_WATCHDOG_H
#define TM_PIPELINE_WATCHDOG_H

#include <signal.h>

#include "script/script.h"
#include "spec/spec.h"

#define WATCHDOG_TICK_NS 10000000
/* The parent waits so much longer than the limit before it kills: the friendly way comes first. */
#define WATCHDOG_GRACE_NS 25000000

/* Start ticking. Does nothing without limits.record_time. False: the system refused. */
bool tm_watchdog_start(const struct spec *spec, struct script *script);

/*
 * The parent asks with this signal to stop after the record in hand. Listening begins before there
 * is any; tm_watchdog_stop_asked() says whether it has come. While no records are done, in setup and
 * in teardown, it ends the process.
 */
#define WATCHDOG_STOP_SIGNAL (SIGRTMAX - 2)
bool tm_watchdog_listen(void);
void tm_watchdog_records(bool on);
bool tm_watchdog_stop_asked(void);

/* A call begins for the records first .. end-1 of the chunk in hand; and it ends. */
void tm_watchdog_enter(uint64_t sequence, uint32_t first, uint32_t end);
/* True: it was over its time, and must fail with tm_watchdog_text(). */
bool tm_watchdog_leave(void);

/*
 * The script's state is to be closed: finalizers that hang as records do end the process, by SIGALRM.
 * All that could fail was told before.
 */
void tm_watchdog_close(const struct spec *spec);

/* The one text of this failure, for workers and for the parent: E_SCRIPT. */
void tm_watchdog_text(const struct spec *spec, err *e);
/* The same of limits.setup_time; `what` is "setup" or "teardown". Gives E_SCRIPT. */
int tm_watchdog_setup_text(const struct spec *spec, const char *what, err *e);

#endif
