/*
 * A filter: the process that compresses or decompresses. Bytes come in through one pipe and leave
 * through another; what it has to say goes through a third, as frames.
 */
#ifndef TM_PIPELINE_FILTER_MAIN_H
#define TM_PIPELINE_FILTER_MAIN_H

#include "base/buf.h"
#include "base/err.h"

/* Descriptors of a filter: a worker's, and what it says goes to standard error. */
enum { FILTER_FD_REPORT = 2 };

/* What a filter says: the types of its frames. */
enum {
    FILTER_SAYS_HUNGRY = 1, /* u64: all bytes that it was given, so many, are used; it waits */
    FILTER_SAYS_END = 2,    /* u32 status, bytes: the message. Nothing follows */
};

/* No frame of a filter is larger. */
#define FILTER_FRAME_MAX ((size_t)3 << 10)

#define FILTER_IN  ((size_t)256 << 10)
#define FILTER_OUT ((size_t)64 << 10)

/* What a compression sees of its process. */
struct filter_io {
    int in, out, report;
    bool tells;    /* says when it waits for input */
    char *have;    /* FILTER_IN bytes of room: [at, n) were read and are not used yet */
    char *made;    /* FILTER_OUT bytes of room, to make output in */
    size_t at, n;  /* of `have` */
    uint64_t used; /* bytes of the input that were used */
};

/* Bytes to use; valid until more are read. */
static inline struct slice filter_have(const struct filter_io *io)
{
    return (struct slice){io->have + io->at, io->n - io->at};
}

static inline void filter_use(struct filter_io *io, size_t n)
{
    io->at += n;
    io->used += n;
}

/* All return TIDEMILL_OK, or what ends the filter. */
/* Have at least `n` (up to FILTER_IN) bytes; fewer only at the end of the input. */
int tm_filter_need(struct filter_io *io, size_t n, err *e);
/* The first `n` bytes of `made` leave. */
int tm_filter_emit(struct filter_io *io, size_t n, err *e);

/*
 * What a compression calls of its library, as a list CALLS(CALL) names it: a struct of pointers, and the names
 * that they are found by.
 */
#define FILTER_CALL(name)    __typeof__(name) *(name);
#define FILTER_NAME(name)    #name,
#define FILTER_TEXT(major)   FILTER_TEXT_OF(major)
#define FILTER_TEXT_OF(text) #text

/* A shared library that a filter loads (dlopen(3)) before all else: who compresses nothing neither links nor loads it. */
struct filter_library {
    const char *kind, *file;
    const char *const *names; /* of the calls; a NULL ends them */
    void *calls;              /* the struct of their pointers */
};
extern const struct filter_library tm_filter_zlib, tm_filter_libzstd;

/* One filter: the whole input to the whole output. */
int tm_filter_gunzip(struct filter_io *io, err *e);
int tm_filter_gzip(struct filter_io *io, err *e);
int tm_filter_unzstd(struct filter_io *io, err *e);
int tm_filter_zstd(struct filter_io *io, err *e);

/*
 * Be the filter of this name on these descriptors. Returns the exit status of the process: 0 when
 * its end was told, whether it was good or bad.
 */
int tm_filter_main(const char *name, int in, int out, int report);

#endif
