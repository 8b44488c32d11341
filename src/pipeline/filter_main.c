/*
 * The frame that all filters run in: their bytes in and out, and their last word.
 */
#include "pipeline/filter_main.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pipeline/frame.h"

/* The only list of filters; a NULL ends it. */
static const struct {
    const char *name;
    const struct filter_library *library;
    int (*run)(struct filter_io *io, err *e);
    bool tells;
} filters[] = {
#ifdef TIDEMILL_GZIP
    {"gunzip", &tm_filter_zlib, tm_filter_gunzip, true},
    {"gzip", &tm_filter_zlib, tm_filter_gzip, false},
#endif
#ifdef TIDEMILL_ZSTD
    {"unzstd", &tm_filter_libzstd, tm_filter_unzstd, true},
    {"zstd", &tm_filter_libzstd, tm_filter_zstd, false},
#endif
    {NULL, NULL, NULL, false},
};

/* As ps and top show it: somebody may wonder who is at work. */
static void name_process(const char *name)
{
    char text[16];
    snprintf(text, sizeof text, "tidemill-%s", name);
    prctl(PR_SET_NAME, text);
}

/* A frame of this type, what follows of it in `b` behind the header. */
static bool say(const struct filter_io *io, struct buf *b, size_t begin)
{
    bool said = tm_frame_end(b, begin, 0) && tm_write_all(io->report, buf_view(b));
    tm_buf_release(b);
    return said;
}

/*
 * Whoever gives us bytes may wait for us to be done with them. They are written out before we say
 * so: what we made of them is in the pipe when the word comes.
 */
static bool say_hungry(const struct filter_io *io)
{
    struct pollfd p = {io->in, POLLIN, 0};
    struct buf b;
    if (!io->tells || poll(&p, 1, 0) != 0)
        return true;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, FILTER_SAYS_HUNGRY);
    tm_buf_u64(&b, io->used + io->n - io->at);
    return say(io, &b, begin);
}

static bool say_end(const struct filter_io *io, int status, const char *message)
{
    struct buf b;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, FILTER_SAYS_END);
    tm_buf_u32(&b, (uint32_t)status);
    tm_buf_bytes(&b, slice_of(message));
    return say(io, &b, begin);
}

int tm_filter_need(struct filter_io *io, size_t n, err *e)
{
    if (io->n - io->at >= n)
        return TIDEMILL_OK;
    memmove(io->have, io->have + io->at, io->n - io->at);
    io->n -= io->at;
    io->at = 0;
    while (io->n < n) {
        if (!say_hungry(io))
            return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "the filter cannot say that it waits");
        ssize_t got = read(io->in, io->have + io->n, FILTER_IN - io->n);
        if (got == 0)
            return TIDEMILL_OK;
        if (got < 0 && errno != EINTR)
            return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "the filter cannot read");
        io->n += got > 0 ? (size_t)got : 0;
    }
    return TIDEMILL_OK;
}

int tm_filter_emit(struct filter_io *io, size_t n, err *e)
{
    if (tm_write_all(io->out, (struct slice){io->made, n}))
        return TIDEMILL_OK;
    return tm_err_errno(e, TIDEMILL_E_SYSTEM, errno, "the filter cannot write");
}

static int load(const struct filter_library *library, err *e)
{
    /* It is never closed: this process is there for nothing else. */
    void *loaded = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; loaded && library->names[i]; i++) {
        void *call = dlsym(loaded, library->names[i]);
        if (!call)
            loaded = NULL;
        /* A pointer to a function, as dlsym(3) hands it out. */
        memcpy((char *)library->calls + i * sizeof call, &call, sizeof call);
    }
    return loaded ? TIDEMILL_OK
                  : tm_err_set(e, TIDEMILL_E_SYSTEM, "cannot load what %s data needs: %s",
                               library->kind, dlerror());
}

/*
 * What a library, or who loads it, has to say on the way is nobody's to hear: standard output and error are where
 * frames go.
 */
static int load_quietly(const struct filter_library *library, err *e)
{
    const int outputs[] = {STDOUT_FILENO, STDERR_FILENO};
    int kept[] = {-1, -1}, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 2 && null >= 0; i++)
        if ((kept[i] = fcntl(outputs[i], F_DUPFD_CLOEXEC, 0)) >= 0)
            dup2(null, outputs[i]);
    int status = load(library, e);
    for (int i = 0; i < 2; i++)
        if (kept[i] >= 0) {
            dup2(kept[i], outputs[i]);
            close(kept[i]);
        }
    if (null >= 0)
        close(null);
    return status;
}

int tm_filter_main(const char *name, int in, int out, int report)
{
    struct filter_io io = {.in = in, .out = out, .report = report};
    err why = {0};
    size_t i = 0;
    while (filters[i].name && strcmp(filters[i].name, name) != 0)
        i++;
    if (!filters[i].name)
        return 2; /* started by hand, or by another version of us */
    int status = load_quietly(filters[i].library, &why);
    /* Whoever finds it by its name finds it at its work. */
    name_process(name);
    io.tells = filters[i].tells;
    io.have = malloc(FILTER_IN);
    io.made = malloc(FILTER_OUT);
    if (status == TIDEMILL_OK)
        status = io.have && io.made ? filters[i].run(&io, &why) : tm_err_memory(&why, "");
    free(io.have);
    free(io.made);
    return say_end(&io, status, why.message) ? 0 : 1;
}
