/*
 * A filter as its parent sees it: bytes are put in, other bytes are read out, and neither ever
 * waits. What is put in beyond the room of its pipe stays in `pending`; who puts asks for it.
 *
 * Sources and sinks own one each. A filter dies with its parent, and by tm_filter_stop().
 */
#ifndef TM_PIPELINE_FILTER_H
#define TM_PIPELINE_FILTER_H

#include "base/buf.h"
#include "pipeline/filter_kind.h"
#include "pipeline/frame.h"
#include "pipeline/loop.h"
#include "pipeline/process.h"

/* How processes are started, from the job. Strings are borrowed. */
struct filter_config {
    bool exec;
    const char *program;
};

struct filter {
    struct loop *loop;
    const char *doing; /* "decompresses", for messages; NULL: it was not started */
    struct process process;
    int report; /* the read end of what it says, -1 once it says no more */
    struct watch in, out, says;
    struct frame_reader reader;
    struct buf pending;
    size_t at;
    bool closing;          /* nothing comes behind `pending` */
    int refused;           /* errno of the write that failed: it did not get all */
    uint64_t given, asked; /* bytes that it was given; so many, when it last waited for more */
    bool idle;             /* it waits for more, and all that it made has been read */
    bool has_ended;        /* it has told how: */
    int end;
    char message[256];
};

void tm_filter_init(struct filter *f, struct loop *loop);
/* Of a kind that is built in (tm_filter_built). E_WORKER when there can be no process. */
int tm_filter_start(struct filter *f, const struct filter_kind *kind, bool compress,
                    const struct filter_config *config, err *e);
/* Kill it if it is still there, and be as after init. */
void tm_filter_stop(struct filter *f);

static inline bool filter_running(const struct filter *f)
{
    return f->doing;
}

static inline size_t filter_pending(const struct filter *f)
{
    return f->pending.n - f->at;
}

/* Room for `size` bytes behind those that are pending, NULL when memory is out; then how many came. */
char *tm_filter_room(struct filter *f, size_t size);
void tm_filter_take(struct filter *f, size_t n);
/* Put in bytes; E_MEMORY. */
int tm_filter_put(struct filter *f, struct slice bytes, err *e);
/* Nothing more is put in. */
void tm_filter_close(struct filter *f);

/* Write what is pending, as far as it goes; hear what it says. Once a turn. */
void tm_filter_move(struct filter *f);

enum filter_read {
    FILTER_BYTES,
    FILTER_END,     /* all is read, and all was well */
    FILTER_BLOCKED, /* nothing now */
    FILTER_FAILED,  /* err: what it said, or how it died (E_WORKER) */
};

enum filter_read tm_filter_read(struct filter *f, char *p, size_t size, size_t *got, err *e);

/* Poll it: for what it makes only if `read`. `any` false: for nothing. */
int tm_filter_want(struct filter *f, bool any, bool read, err *e);

static inline bool filter_ready(const struct filter *f)
{
    return f->in.ready || f->out.ready || f->says.ready;
}

#endif
