/*
 * The source: the bytes of the inputs, one after the other. Inputs are paths, descriptors, a
 * callback or what the host pushes; who reads does not see which, nor that what is compressed goes
 * through a filter on its way.
 */
#ifndef TM_PIPELINE_SOURCE_H
#define TM_PIPELINE_SOURCE_H

#include "base/buf.h"
#include "base/err.h"
#include "pipeline/fdio.h"
#include "pipeline/filter.h"
#include "pipeline/loop.h"

enum input_kind { INPUT_PATH, INPUT_FD, INPUT_CALLBACK, INPUT_PUSH };

struct input {
    enum input_kind kind;
    char *path; /* of INPUT_PATH */
    char *name; /* for messages and for the format by extension */
    int fd;
    tidemill_read_fn read;
    void *context;
};

struct source {
    struct loop *loop;
    struct input *inputs;
    size_t n, cap;
    size_t next; /* the input that is opened next */
    bool open;   /* inputs[next - 1] is being read */
    struct fdio io;
    bool fifo; /* io is a FIFO that was opened by its path */
    struct watch watch;
    struct buf pushed; /* what the host pushed and nobody has read */
    bool push_ended;
    uint64_t total; /* bytes of all inputs as they are stored, 0: not known */
    uint64_t taken; /* of them, so far */
    uint64_t read;  /* bytes of the open input given out so far */

    int compression; /* of all inputs: enum compression */
    struct filter_config config;
    char head[FILTER_MAGIC_MAX]; /* the open input's first bytes, while they are too few to tell */
    size_t head_n;
    bool looked; /* it is known whether the open input is compressed */
    bool packed; /* an input was */
    struct filter filter;
    bool raw_ended;  /* all of the open input was read, or all that could be read of it */
    err raw_failure; /* status: reading the open input for the filter failed */
};

enum source_read {
    SOURCE_BYTES,
    SOURCE_END,     /* of this input */
    SOURCE_BLOCKED, /* nothing now: tm_source_want, or wait for the host */
    SOURCE_FAILED,  /* err */
};

#define SOURCE_PUSH_MAX ((size_t)1 << 20)

/* `loop` is borrowed: descriptors are polled through it. */
void tm_source_init(struct source *s, struct loop *loop);
void tm_source_release(struct source *s);
/* How inputs are compressed, and how filters are started. Without it by their first bytes. */
void tm_source_unpack(struct source *s, int compression, const struct filter_config *config);

/* All return TIDEMILL_OK or E_MEMORY; the glob E_INPUT when nothing matches. Names are copied. */
int tm_source_add_path(struct source *s, const char *path, err *e);
int tm_source_add_glob(struct source *s, const char *pattern, err *e);
int tm_source_add_fd(struct source *s, int fd, const char *name, err *e);
int tm_source_add_callback(struct source *s, tidemill_read_fn read, void *context, const char *name,
                           err *e);
int tm_source_add_push(struct source *s, const char *name, err *e);

/* Before the first byte is read: every path is there and can be read. Adds up the sizes. */
int tm_source_check(struct source *s, err *e);

/* Open the next input. *more is false when there is none. */
int tm_source_open(struct source *s, bool *more, err *e);
/* The input that is open, or could not be opened. */
const struct input *tm_source_input(const struct source *s);
/* Up to `size` (>= FILTER_MAGIC_MAX) bytes; *got says how many for SOURCE_BYTES. */
enum source_read tm_source_read(struct source *s, char *p, size_t size, size_t *got, err *e);
/* The open input was read to its end. */
void tm_source_close(struct source *s);

/* Compressed bytes move on. Once a turn. */
void tm_source_move(struct source *s);
/* Poll what it takes to have bytes: for those to be read only if `read`; `any` false: for nothing. */
int tm_source_want(struct source *s, bool any, bool read, err *e);
bool tm_source_ready(const struct source *s);
/* The last read said BLOCKED: is it the host who has to do something? */
bool tm_source_waits_for_host(const struct source *s);

/* An estimate of the bytes of the open input that are still to be read; false: not known. */
bool tm_source_remaining(const struct source *s, uint64_t *bytes);
/* An estimate of the bytes of all inputs as tm_source_read gives them, of which it gave `so_far`; 0:
   not known. */
uint64_t tm_source_total(const struct source *s, uint64_t so_far);

#endif
