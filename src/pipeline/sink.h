/*
 * A sink: where output bytes go, through a filter if they are to be compressed. A file appears whole
 * or not at all; everything else is written as it comes, without blocking the loop where the
 * descriptor allows that.
 */
#ifndef TM_PIPELINE_SINK_H
#define TM_PIPELINE_SINK_H

#include "base/buf.h"
#include "base/err.h"
#include "pipeline/fdio.h"
#include "pipeline/filter.h"
#include "pipeline/loop.h"

enum sink_kind {
    SINK_NONE,
    SINK_FILE,
    SINK_STREAM,
    SINK_UNREAD, /* a FIFO that nobody reads: a STREAM once somebody does */
    SINK_CALLBACK,
    SINK_PULL,
};

struct sink {
    struct loop *loop;
    enum sink_kind kind;
    char *name; /* as messages show it */
    char *path; /* FILE: the final path, symbolic links resolved */
    char *temp; /* FILE: the temporary name, NULL while the file has none */
    struct fdio io;
    struct watch watch;
    tidemill_write_fn write;
    void *context;
    bool no_splice;     /* splice(2) was tried and is not to be had, or has failed */
    bool at_once;       /* nothing is gathered: what a terminal shows, and other devices */
    struct buf pending; /* written by nobody yet */
    size_t at;
    uint64_t bytes;                    /* taken, before they are compressed */
    const struct filter_kind *packing; /* NULL: none */
    struct filter filter;
    bool packs;      /* bytes go through the filter, which has not ended yet */
    bool abandoned;  /* what it held is lost, and what comes behind is not wanted */
    struct buf made; /* room for what it makes */
    int broken;      /* errno of the write that failed: a FILE is not whole, and stays hidden */
};

#define SINK_PENDING_MAX ((size_t)256 << 10)

void tm_sink_init(struct sink *s, struct loop *loop);
/* Nothing more is written; what is pending may still be pulled. */
void tm_sink_close(struct sink *s);
/* What was not committed is taken away. */
void tm_sink_release(struct sink *s);

/* "-" is standard output. Regular files are written beside and renamed; others in place. */
int tm_sink_open_path(struct sink *s, const char *path, err *e);
int tm_sink_open_fd(struct sink *s, int fd, const char *name, err *e);
int tm_sink_open_callback(struct sink *s, tidemill_write_fn write, void *context, err *e);
int tm_sink_open_pull(struct sink *s, err *e);

/* Would both replace one file? */
bool tm_sink_same(const struct sink *a, const struct sink *b);

/*
 * Bytes will be compressed: as the option says, or as the name of a path does. E_SPEC when this
 * library cannot. Then start what does it: E_WORKER.
 */
int tm_sink_pack(struct sink *s, int compression, err *e);
int tm_sink_start(struct sink *s, const struct filter_config *config, err *e);

/* Take bytes: all of them, unless it fails with E_OUTPUT (path and reason) or E_MEMORY. */
int tm_sink_write(struct sink *s, struct slice bytes, err *e);
/*
 * Bytes of a pipe go where the output goes by splice(2), without a copy through this process; all of them, but
 * what cannot go now is pending then. Only while tm_sink_splices(): to files of our own and to devices (tm_fdio_splice()),
 * and not while something is pending, which comes before. As tm_sink_write; E_OUTPUT also when the bytes are no longer
 * there, as some of them may have been written.
 */
bool tm_sink_splices(const struct sink *s);
int tm_sink_splice(struct sink *s, struct piped bytes, err *e);
/* Small pieces are gathered: let go of them, before there is anything to wait for. */
int tm_sink_push(struct sink *s, err *e);
/* Write what is pending, as far as it goes without blocking. Once a turn. */
int tm_sink_flush(struct sink *s, err *e);
/* No more bytes come: what a filter holds is to be written as well. */
void tm_sink_finish(struct sink *s);
/* Forget what a filter holds. */
void tm_sink_abandon(struct sink *s);
/* Is the filter stopped (SIGSTOP)? What it holds may never come then. */
bool tm_sink_is_stuck(const struct sink *s);

/* Poll what it takes to write on. */
int tm_sink_want(struct sink *s, err *e);
bool tm_sink_ready(const struct sink *s);

static inline size_t sink_pending(const struct sink *s)
{
    return s->pending.n - s->at;
}

/* So much is pending that whoever produces should wait. */
static inline bool sink_full(const struct sink *s)
{
    return sink_pending(s) >= SINK_PENDING_MAX || filter_pending(&s->filter) >= SINK_PENDING_MAX;
}

/* Is there still something to be written, or made, before it can be committed? */
static inline bool sink_waits(const struct sink *s)
{
    return s->packs || s->kind == SINK_UNREAD || (s->kind == SINK_STREAM && sink_pending(s));
}

/* PULL: hand over up to `size` bytes. */
size_t tm_sink_pull(struct sink *s, char *p, size_t size);

/* Everything is written: make it durable and visible. It does not wait (sink_waits). */
int tm_sink_commit(struct sink *s, err *e);

#endif
