/*
 * epoll, eventfd and timerfd behind struct loop.
 */
#include "pipeline/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX 64

static int add_own(struct loop *l, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
}

int tm_loop_init(struct loop *l, err *e)
{
    *l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC),
                       .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                       .timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    if (l->epoll < 0 || l->wake < 0 || l->timer < 0 || add_own(l, l->wake) ||
        add_own(l, l->timer)) {
        int number = errno;
        tm_loop_release(l);
        return tm_err_errno(e, TIDEMILL_E_SYSTEM, number, "cannot make an epoll descriptor");
    }
    return TIDEMILL_OK;
}

void tm_loop_release(struct loop *l)
{
    int fds[] = {l->epoll, l->wake, l->timer};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    l->epoll = l->wake = l->timer = -1;
}

int tm_loop_want(struct loop *l, struct watch *w, uint32_t events, err *e)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    w->ready = 0;
    if (w->fd < 0)
        return TIDEMILL_OK;
    if (w->always) {
        w->ready = events;
        return TIDEMILL_OK;
    }
    if (w->known ? w->have == events : events == 0)
        return TIDEMILL_OK;
    int how = !w->known ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    if (epoll_ctl(l->epoll, how, w->fd, &event) < 0) {
        if (errno != EPERM)
            return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "cannot poll a descriptor");
        w->always = true;
        w->ready = events;
        return TIDEMILL_OK;
    }
    w->known = events != 0;
    w->have = events;
    return TIDEMILL_OK;
}

void tm_loop_forget(struct loop *l, struct watch *w)
{
    struct epoll_event event = {0};
    if (w->known)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, &event);
    *w = (struct watch){.fd = -1};
}

void tm_loop_timer(struct loop *l, int64_t when)
{
    struct itimerspec t = {.it_value = {when / 1000000000, when % 1000000000}};
    if (when == l->armed)
        return;
    timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL);
    l->armed = when;
}

void tm_loop_wake(struct loop *l)
{
    uint64_t one = 1;
    if (!l->woken && write(l->wake, &one, sizeof one) == sizeof one)
        l->woken = true;
}

int tm_loop_wait(struct loop *l, int timeout, err *e)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t count;
    if (l->woken)
        timeout = 0;
    int n = epoll_wait(l->epoll, events, EVENTS_MAX, timeout);
    if (n < 0 && errno != EINTR)
        return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "cannot wait for events");
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        if (w) {
            w->ready |= events[i].events;
            continue;
        }
        /* The timer or the eventfd: they have said what they had to. */
        if (read(l->wake, &count, sizeof count) > 0)
            l->woken = false;
        if (read(l->timer, &count, sizeof count) > 0)
            l->armed = 0;
    }
    return TIDEMILL_OK;
}
