/*
 * zstd (RFC 8878) by libzstd: frames one after the other in, skippable ones among them; one frame
 * with a checksum out.
 */
#include <inttypes.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "pipeline/filter_main.h"

/* RFC 8878 section 3.1.1.2: the header that stands before each block. */
#define BLOCK_HEADER 3
/*
 * What a frame may ask for, as zstd(1) has it: 128 MiB. A larger window, from --long, would be
 * memory that the input chooses.
 */
#define WINDOW_LOG_MAX 27

#define CALLS(CALL)              \
    CALL(ZSTD_createDCtx)        \
    CALL(ZSTD_DCtx_setParameter) \
    CALL(ZSTD_decompressStream)  \
    CALL(ZSTD_freeDCtx)          \
    CALL(ZSTD_createCCtx)        \
    CALL(ZSTD_CCtx_setParameter) \
    CALL(ZSTD_compressStream2)   \
    CALL(ZSTD_freeCCtx)          \
    CALL(ZSTD_isError)           \
    CALL(ZSTD_getErrorCode)      \
    CALL(ZSTD_getErrorName)

static struct {
    CALLS(FILTER_CALL)
} lib;

const struct filter_library tm_filter_libzstd = {
    "zstd", "libzstd.so." FILTER_TEXT(ZSTD_VERSION_MAJOR),
    (const char *const[]){CALLS(FILTER_NAME) NULL}, &lib};

static int failed(const struct filter_io *io, bool first, size_t code, err *e)
{
    switch (lib.ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return tm_err_memory(e, "zstd data");
    case ZSTD_error_prefix_unknown:
        if (!first)
            return tm_err_set(e, TIDEMILL_E_INPUT,
                              "something that is not zstd data follows the zstd data, near "
                              "compressed byte %" PRIu64,
                              io->used);
        break;
    case ZSTD_error_frameParameter_windowTooLarge:
        return tm_err_set(e, TIDEMILL_E_INPUT,
                          "the zstd data needs a window of more than %d MiB (zstd --long made it; "
                          "compress it again without)",
                          1 << (WINDOW_LOG_MAX - 20));
    case ZSTD_error_dictionary_wrong:
        return tm_err_set(e, TIDEMILL_E_INPUT, "the zstd data needs a dictionary");
    default:
        break;
    }
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "the zstd data is corrupt near compressed byte %" PRIu64 ": %s", io->used,
                      lib.ZSTD_getErrorName(code));
}

static int cut_short(const struct filter_io *io, err *e)
{
    return tm_err_set(e, TIDEMILL_E_INPUT,
                      "the zstd data is cut short: it ends at compressed byte %" PRIu64,
                      io->used + filter_have(io).n);
}

/* The first `n` bytes go in, all that they give comes out. *hint is what comes next: 0, a frame's end. */
static int decompress_some(struct filter_io *io, ZSTD_DCtx *z, size_t n, bool first, size_t *hint,
                           err *e)
{
    ZSTD_inBuffer in = {filter_have(io).p, n, 0};
    ZSTD_outBuffer out;
    do {
        out = (ZSTD_outBuffer){io->made, FILTER_OUT, 0};
        *hint = lib.ZSTD_decompressStream(z, &out, &in);
        if (lib.ZSTD_isError(*hint))
            return failed(io, first, *hint, e);
        int status = tm_filter_emit(io, out.pos, e);
        if (status != TIDEMILL_OK)
            return status;
    } while (*hint && (in.pos < in.size || out.pos == out.size));
    filter_use(io, in.pos);
    return TIDEMILL_OK;
}

/*
 * A call that fails keeps what it had made before, and says nothing of where. So each gets what
 * belongs together and no more: a block without the header of the next one, which the library would
 * read as well. Then what comes out before an error does not depend on how the input came in.
 */
static int decompress_frames(struct filter_io *io, ZSTD_DCtx *z, err *e)
{
    size_t hint = 0;
    bool first = true;
    for (;;) {
        size_t n = hint > BLOCK_HEADER ? hint - BLOCK_HEADER : hint ? hint : 1;
        if (n > FILTER_IN)
            n = FILTER_IN; /* a skippable frame: its size is not ours to hold */
        int status = tm_filter_need(io, n, e);
        size_t have = filter_have(io).n;
        if (status != TIDEMILL_OK || (!have && !hint && !first))
            return status;
        if (have < n)
            return cut_short(io, e);
        status = decompress_some(io, z, n, first, &hint, e);
        if (status != TIDEMILL_OK)
            return status;
        first = first && hint;
    }
}

int tm_filter_unzstd(struct filter_io *io, err *e)
{
    ZSTD_DCtx *z = lib.ZSTD_createDCtx();
    if (!z ||
        lib.ZSTD_isError(lib.ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        lib.ZSTD_freeDCtx(z);
        return tm_err_memory(e, "zstd data");
    }
    int status = decompress_frames(io, z, e);
    lib.ZSTD_freeDCtx(z);
    return status;
}

static int compress_all(struct filter_io *io, ZSTD_CCtx *z, err *e)
{
    bool last = false;
    while (!last) {
        int status = tm_filter_need(io, FILTER_IN, e);
        struct slice have = filter_have(io);
        ZSTD_inBuffer in = {have.p, have.n, 0};
        size_t left = 1;
        last = have.n < FILTER_IN;
        while (status == TIDEMILL_OK && (last ? left > 0 : in.pos < in.size)) {
            ZSTD_outBuffer out = {io->made, FILTER_OUT, 0};
            left = lib.ZSTD_compressStream2(z, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
            if (lib.ZSTD_isError(left))
                return tm_err_memory(e, "zstd data");
            status = tm_filter_emit(io, out.pos, e);
        }
        if (status != TIDEMILL_OK)
            return status;
        filter_use(io, have.n);
    }
    return TIDEMILL_OK;
}

/* The same input must give the same output: it goes in by whole buffers, however it came. */
int tm_filter_zstd(struct filter_io *io, err *e)
{
    ZSTD_CCtx *z = lib.ZSTD_createCCtx();
    if (!z || lib.ZSTD_isError(lib.ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1))) {
        lib.ZSTD_freeCCtx(z);
        return tm_err_memory(e, "zstd data");
    }
    int status = compress_all(io, z, e);
    lib.ZSTD_freeCCtx(z);
    return status;
}
