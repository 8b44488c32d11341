/*
 * Frames in and out of byte buffers; both ends of a pipe use this file.
 */
#include "pipeline/frame.h"

#include <errno.h>
#include <unistd.h>

#define READ_MIN ((size_t)64 << 10)
/* Frames of a run are alike, within so many bytes. */
#define ALIKE ((size_t)4 << 10)
/* A reader that is reset keeps no more. */
#define KEPT_MAX ((size_t)1 << 20)

size_t tm_frame_begin(struct buf *b, uint8_t type)
{
    size_t begin = b->n;
    tm_buf_u32(b, 0);
    buf_u8(b, type);
    buf_append(b, "\0\0", 3);
    return begin;
}

bool tm_frame_end(struct buf *b, size_t begin, size_t extra)
{
    if (b->failed)
        return false;
    size_t length = b->n - begin - FRAME_HEADER;
    if (length > UINT32_MAX || extra > UINT32_MAX - length)
        return false;
    length += extra;
    for (size_t i = 0; i < 4; i++)
        b->p[begin + i] = (char)(length >> 8 * i & 0xff);
    return true;
}

void tm_frame_reader_init(struct frame_reader *r, size_t max)
{
    tm_buf_init_large(&r->in);
    r->at = r->last = 0;
    r->max = max;
}

void tm_frame_reader_reset(struct frame_reader *r)
{
    buf_reset(&r->in);
    r->at = r->last = 0;
    if (r->in.cap > KEPT_MAX)
        tm_buf_release(&r->in);
}

void tm_frame_reader_release(struct frame_reader *r)
{
    tm_buf_release(&r->in);
    r->at = r->last = 0;
}

/* The header at `at`, if it is all there and sane. */
static enum frame_next peek(const struct frame_reader *r, uint8_t *type, size_t *length)
{
    if (frame_pending(r) < FRAME_HEADER)
        return FRAME_WAIT;
    struct cursor c = {r->in.p + r->at, FRAME_HEADER, false};
    *length = tm_cursor_u32(&c);
    *type = tm_cursor_u8(&c);
    struct slice zero = tm_cursor_take(&c, 3);
    if (*length > r->max || memcmp(zero.p, "\0\0", 3) != 0)
        return FRAME_BAD;
    return FRAME_TAKEN;
}

/* What was taken makes room. */
static void forget_taken(struct frame_reader *r)
{
    if (r->at)
        tm_buf_consume(&r->in, r->at);
    r->at = 0;
}

/*
 * How much to ask for: of a large frame the rest, and the header of the next one, as what more was read of that
 * would have to be moved to the front. One that is not known yet may be as large as the last, where there is room.
 */
static size_t wanted(const struct frame_reader *r)
{
    uint8_t type;
    size_t length, want = READ_MIN, room = r->in.cap - r->in.n;
    if (peek(r, &type, &length) != FRAME_TAKEN) {
        size_t guess = r->last + ALIKE < room ? r->last + ALIKE : room;
        return guess > want ? guess : want;
    }
    size_t whole = FRAME_HEADER + length;
    return whole > READ_MIN && whole > r->in.n ? whole - r->in.n + FRAME_HEADER : want;
}

static enum frame_fill fill(struct frame_reader *r, int fd, size_t want)
{
    if (!buf_reserve(&r->in, want)) {
        errno = ENOMEM;
        return FILL_ERROR;
    }
    ssize_t n = read(fd, r->in.p + r->in.n, want);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? FILL_BLOCK : FILL_ERROR;
    r->in.n += (size_t)n;
    return n ? FILL_BYTES : FILL_END;
}

enum frame_fill tm_frame_fill(struct frame_reader *r, int fd)
{
    forget_taken(r);
    return fill(r, fd, wanted(r));
}

enum frame_fill tm_frame_fill_head(struct frame_reader *r, int fd, size_t payload)
{
    forget_taken(r);
    return fill(r, fd, FRAME_HEADER + payload);
}

bool tm_frame_begun(const struct frame_reader *r, struct frame *out, size_t *rest)
{
    size_t length, there;
    if (peek(r, &out->type, &length) != FRAME_TAKEN)
        return false;
    there = frame_pending(r) - FRAME_HEADER;
    out->payload = (struct slice){r->in.p + r->at + FRAME_HEADER, there < length ? there : length};
    *rest = length - out->payload.n;
    return *rest > 0;
}

void tm_frame_take_begun(struct frame_reader *r, const struct frame *f, size_t rest)
{
    size_t there = FRAME_HEADER + f->payload.n;
    r->last = there + rest;
    r->at += there;
}

enum frame_next tm_frame_next(struct frame_reader *r, struct frame *out)
{
    size_t length;
    enum frame_next verdict = peek(r, &out->type, &length);
    if (verdict != FRAME_TAKEN)
        return verdict;
    if (frame_pending(r) - FRAME_HEADER < length)
        return FRAME_WAIT;
    out->payload = (struct slice){r->in.p + r->at + FRAME_HEADER, length};
    r->last = FRAME_HEADER + length;
    r->at += r->last;
    return FRAME_TAKEN;
}

bool tm_frame_keep(struct frame_reader *r, const struct frame *f)
{
    size_t n = FRAME_HEADER + f->payload.n;
    forget_taken(r);
    if (!buf_reserve(&r->in, n))
        return false;
    buf_append(&r->in, f->payload.p - FRAME_HEADER, n);
    return true;
}

uint8_t tm_frame_type(const struct frame_reader *r)
{
    uint8_t type;
    size_t length;
    if (peek(r, &type, &length) != FRAME_TAKEN || frame_pending(r) - FRAME_HEADER < length)
        return 0;
    return type;
}

bool tm_write_all(int fd, struct slice s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            s.p += n;
            s.n -= (size_t)n;
        }
    }
    return true;
}
