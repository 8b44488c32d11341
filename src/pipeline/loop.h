/*
 * The loop's one pollable descriptor: epoll with an eventfd (stop, and work that is there already)
 * and a timerfd. What to poll for is derived from state at each turn: users say what they want of a
 * descriptor now, and only differences become system calls.
 */
#ifndef TM_PIPELINE_LOOP_H
#define TM_PIPELINE_LOOP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

struct loop {
    int epoll, wake, timer;
    int64_t armed; /* the timer's time, 0: not armed */
    bool woken;    /* the eventfd was left readable on purpose */
};

/* One descriptor that is polled. All zero but fd = -1 to begin with. */
struct watch {
    int fd;
    uint32_t have;  /* events registered */
    uint32_t ready; /* events seen this turn */
    bool known;     /* to epoll */
    bool always;    /* epoll does not take it (a regular file): it never blocks */
};

int tm_loop_init(struct loop *l, err *e);
void tm_loop_release(struct loop *l);

/*
 * Poll `w->fd` for `events` (EPOLLIN, EPOLLOUT or 0) from now on; clears w->ready. For descriptors
 * that epoll does not take, w->always is set and w->ready is `events`.
 */
int tm_loop_want(struct loop *l, struct watch *w, uint32_t events, err *e);
/* Forget it, before it is closed. */
void tm_loop_forget(struct loop *l, struct watch *w);

/* Wake up at `when` (clock_now's time), 0: never. */
void tm_loop_timer(struct loop *l, int64_t when);

/* Make the loop's descriptor readable until the next wait: there is work already. */
void tm_loop_wake(struct loop *l);

/*
 * Wait up to `timeout` ms (-1: without limit) and set `ready` of the watches. An interrupted wait
 * is one without events.
 */
int tm_loop_wait(struct loop *l, int timeout, err *e);

#endif
