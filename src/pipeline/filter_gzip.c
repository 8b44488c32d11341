/*
 * gzip (RFC 1952) by zlib: members one after the other in, one member without name and time out.
 */
#define ZLIB_CONST
#include <inttypes.h>
#include <zlib.h>

#include "pipeline/filter_main.h"

/* inflateInit2 and deflateInit2, zlib.h: a window of 32 KiB, in gzip's wrapping. */
#define WINDOW_GZIP (15 + 16)
#define MEMORY      8

#define CALLS(CALL)     \
    CALL(inflateInit2_) \
    CALL(inflate)       \
    CALL(inflateReset)  \
    CALL(inflateEnd)    \
    CALL(deflateInit2_) \
    CALL(deflate)       \
    CALL(deflateEnd)

static struct {
    CALLS(FILTER_CALL)
} lib;

const struct filter_library tm_filter_zlib = {"gzip", "libz.so." FILTER_TEXT(ZLIB_VER_MAJOR),
                                              (const char *const[]){CALLS(FILTER_NAME) NULL}, &lib};

static int failed(const struct filter_io *io, const z_stream *z, int code, err *e)
{
    if (code == Z_MEM_ERROR)
        return tm_err_memory(e, "gzip data");
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "the gzip data is corrupt near compressed byte %" PRIu64 ": %s", io->used,
                      z->msg ? z->msg : "unknown error");
}

static int cut_short(const struct filter_io *io, err *e)
{
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "the gzip data is cut short: it ends at compressed byte %" PRIu64, io->used);
}

/* What was read goes in, all that it gives comes out. *code is inflate's. */
static int inflate_some(struct filter_io *io, z_stream *z, int *code, err *e)
{
    struct slice have = filter_have(io);
    int status = TIDEMILL_OK;
    z->next_in = (const Bytef *)have.p;
    z->avail_in = (uInt)have.n;
    do {
        z->next_out = (Bytef *)io->made;
        z->avail_out = (uInt)FILTER_OUT;
        *code = lib.inflate(z, Z_NO_FLUSH);
        /* Also before an error: records in front of it count. */
        status = tm_filter_emit(io, FILTER_OUT - z->avail_out, e);
    } while (status == TIDEMILL_OK && *code == Z_OK && z->avail_out == 0);
    filter_use(io, have.n - z->avail_in);
    if (status == TIDEMILL_OK && *code != Z_OK && *code != Z_STREAM_END && *code != Z_BUF_ERROR)
        return failed(io, z, *code, e);
    return status;
}

static int inflate_member(struct filter_io *io, z_stream *z, err *e)
{
    int code = Z_OK, status = TIDEMILL_OK;
    while (status == TIDEMILL_OK && code != Z_STREAM_END) {
        status = tm_filter_need(io, 1, e);
        if (status == TIDEMILL_OK && !filter_have(io).n)
            return cut_short(io, e);
        if (status == TIDEMILL_OK)
            status = inflate_some(io, z, &code, e);
    }
    return status;
}

/*
 * Behind a member: another one, nothing, or zeros up to the end, which tapes and block devices
 * leave behind and gzip(1) takes.
 */
static int next_member(struct filter_io *io, bool *more, err *e)
{
    struct slice have;
    bool padded = false;
    for (;;) {
        int status = tm_filter_need(io, 1, e);
        have = filter_have(io);
        *more = false;
        if (status != TIDEMILL_OK || !have.n)
            return status;
        if (have.p[0])
            break;
        padded = true;
        filter_use(io, 1);
    }
    *more = !padded && have.p[0] == '\x1f';
    return *more ? TIDEMILL_OK
                 : tm_err_set(e, TIDEMILL_E_INPUT,
                              "something that is not gzip data follows the gzip data, at "
                              "compressed byte %" PRIu64,
                              io->used);
}

int tm_filter_gunzip(struct filter_io *io, err *e)
{
    z_stream z = {0};
    bool more = true;
    int status = TIDEMILL_OK;
    if (lib.inflateInit2_(&z, WINDOW_GZIP, ZLIB_VERSION, (int)sizeof z) != Z_OK)
        return tm_err_memory(e, "gzip data");
    while (status == TIDEMILL_OK && more) {
        status = inflate_member(io, &z, e);
        if (status == TIDEMILL_OK)
            status = next_member(io, &more, e);
        lib.inflateReset(&z);
    }
    lib.inflateEnd(&z);
    return status;
}

/* The same input must give the same output: it goes in by whole buffers, however it came. */
int tm_filter_gzip(struct filter_io *io, err *e)
{
    z_stream z = {0};
    bool last = false;
    int status = TIDEMILL_OK;
    if (lib.deflateInit2_(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, MEMORY,
                          Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int)sizeof z) != Z_OK)
        return tm_err_memory(e, "gzip data");
    while (status == TIDEMILL_OK && !last) {
        status = tm_filter_need(io, FILTER_IN, e);
        struct slice have = filter_have(io);
        last = have.n < FILTER_IN;
        z.next_in = (const Bytef *)have.p;
        z.avail_in = (uInt)have.n;
        z.avail_out = 0;
        while (status == TIDEMILL_OK && z.avail_out == 0) {
            z.next_out = (Bytef *)io->made;
            z.avail_out = (uInt)FILTER_OUT;
            lib.deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
            status = tm_filter_emit(io, FILTER_OUT - z.avail_out, e);
        }
        filter_use(io, have.n);
    }
    lib.deflateEnd(&z);
    return status;
}
