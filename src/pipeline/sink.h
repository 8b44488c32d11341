/*
 * A sink: where output bytes go. A file appears whole or not at all; everything else is written as
 * it comes, without blocking the loop where the descriptor allows that.
 */
#ifndef TM_PIPELINE_SINK_H
#define TM_PIPELINE_SINK_H

#include "base/buf.h"
#include "base/err.h"
#include "pipeline/fdio.h"
#include "pipeline/loop.h"

enum sink_kind { SINK_NONE, SINK_FILE, SINK_STREAM, SINK_CALLBACK, SINK_PULL };

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
    struct buf pending; /* STREAM, PULL: written by nobody yet */
    size_t at;
    uint64_t bytes; /* taken */
    int broken;     /* errno of the write that failed: a FILE is not whole, and stays hidden */
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

/* Take bytes: all of them, unless it fails with E_OUTPUT (path and reason) or E_MEMORY. */
int tm_sink_write(struct sink *s, struct slice bytes, err *e);
/* Write what is pending, as far as it goes without blocking. */
int tm_sink_flush(struct sink *s, err *e);

static inline size_t sink_pending(const struct sink *s)
{
    return s->pending.n - s->at;
}

/* So much is pending that whoever produces should wait. */
static inline bool sink_full(const struct sink *s)
{
    return sink_pending(s) >= SINK_PENDING_MAX;
}

/* PULL: hand over up to `size` bytes. */
size_t tm_sink_pull(struct sink *s, char *p, size_t size);

/* Everything is written: make it durable and visible. Nothing may be pending (PULL excepted). */
int tm_sink_commit(struct sink *s, err *e);

#endif
