/*
 * Frames: how messages travel through the pipes between the parent and a worker.
 *
 * A frame is 8 bytes of header (u32 length of the payload, u8 type, three zero bytes) and the
 * payload, numbers little-endian. Nothing that comes out of a pipe is trusted: a length is checked
 * against the reader's maximum before memory is taken for it.
 */
#ifndef TM_PIPELINE_FRAME_H
#define TM_PIPELINE_FRAME_H

#include "base/buf.h"
#include "base/err.h"

#define FRAME_HEADER 8

struct frame {
    uint8_t type;
    struct slice payload; /* the reader's, until its next fill or release */
};

/* Begin a frame in `b`; end it with tm_frame_end, which fills in the length. Gives its offset. */
size_t tm_frame_begin(struct buf *b, uint8_t type);
/* `extra`: bytes of the payload that are not in `b` but follow it. False when it grew too large. */
bool tm_frame_end(struct buf *b, size_t begin, size_t extra);

/* The receiving end. */
struct frame_reader {
    struct buf in;
    size_t at;   /* start of the first frame not yet taken */
    size_t max;  /* largest payload */
    size_t last; /* bytes of the frame that was taken last */
};

void tm_frame_reader_init(struct frame_reader *r, size_t max);
/* Another sender: what the last one has sent is forgotten. */
void tm_frame_reader_reset(struct frame_reader *r);
void tm_frame_reader_release(struct frame_reader *r);

enum frame_fill {
    FILL_BYTES, /* something was read */
    FILL_END,   /* end of file */
    FILL_BLOCK, /* nothing there now (descriptors with O_NONBLOCK) */
    FILL_ERROR, /* errno says why */
};

/* One read(2). */
enum frame_fill tm_frame_fill(struct frame_reader *r, int fd);

enum frame_next {
    FRAME_TAKEN, /* *out is the next frame */
    FRAME_WAIT,  /* not all there */
    FRAME_BAD,   /* a header that no honest peer sends */
};

enum frame_next tm_frame_next(struct frame_reader *r, struct frame *out);

/*
 * Read of a frame, of which nothing is there yet, the header and the first `payload` bytes: with one read(2). For
 * frames whose rest may stay in the pipe.
 */
enum frame_fill tm_frame_fill_head(struct frame_reader *r, int fd, size_t payload);
/* A frame that has begun: out->payload is what is there of it, if only a byte; *rest is how much is not. False: none. */
bool tm_frame_begun(const struct frame_reader *r, struct frame *out, size_t *rest);
/* Take what is there of that; its rest is taken, without the reader, from the pipe. */
void tm_frame_take_begun(struct frame_reader *r, const struct frame *f, size_t rest);

/* Put the frame (of another reader) behind those that `r` holds. False: memory is out. */
bool tm_frame_keep(struct frame_reader *r, const struct frame *f);

/* The type of the frame that tm_frame_next would give; 0: it is not all there, or bad. */
uint8_t tm_frame_type(const struct frame_reader *r);

/* Bytes that wait in the reader. */
static inline size_t frame_pending(const struct frame_reader *r)
{
    return r->in.n - r->at;
}

/* Write all of it to a blocking descriptor. False: errno says why. */
bool tm_write_all(int fd, struct slice s);

#endif
