/*
 * A growing byte buffer. Its memory failure sticks: appends after one do nothing, and whoever
 * finishes the buffer asks tm_buf_failed() once.
 */
#ifndef TM_BASE_BUF_H
#define TM_BASE_BUF_H

#include <stdint.h>

#include "base/slice.h"

struct buf {
    char *p;
    size_t n, cap;
    bool failed;
    bool large; /* of bytes that flow through (large.h) */
};

void tm_buf_init(struct buf *b);
void tm_buf_init_large(struct buf *b);
/* It may be used again. */
void tm_buf_release(struct buf *b);
/* Room for `more` bytes behind n; false (and sticky) when memory is out. */
bool tm_buf_grow(struct buf *b, size_t more);
void tm_buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Take out the first `n` bytes, moving the rest to the front. */
void tm_buf_consume(struct buf *b, size_t n);

static inline void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

static inline bool buf_reserve(struct buf *b, size_t more)
{
    return b->cap - b->n >= more ? !b->failed : tm_buf_grow(b, more);
}

static inline void buf_append(struct buf *b, const void *p, size_t n)
{
    if (n && buf_reserve(b, n)) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    }
}

static inline void buf_byte(struct buf *b, char c)
{
    if (buf_reserve(b, 1))
        b->p[b->n++] = c;
}

static inline void buf_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.p, s.n);
}

static inline struct slice buf_view(const struct buf *b)
{
    return (struct slice){b->p, b->n};
}

/* Numbers in a fixed byte order, for frames. */
static inline void buf_u8(struct buf *b, uint8_t v)
{
    buf_byte(b, (char)v);
}
void tm_buf_u32(struct buf *b, uint32_t v);
void tm_buf_u64(struct buf *b, uint64_t v);
/* Length (u32) and bytes. */
void tm_buf_bytes(struct buf *b, struct slice s);

/*
 * Reading them back: a cursor that never passes the end. `bad` sticks once something was missing,
 * and every later read gives zero.
 */
struct cursor {
    const char *p;
    size_t n;
    bool bad;
};

uint8_t tm_cursor_u8(struct cursor *c);
uint32_t tm_cursor_u32(struct cursor *c);
uint64_t tm_cursor_u64(struct cursor *c);
struct slice tm_cursor_bytes(struct cursor *c);
/* Just `n` bytes. */
struct slice tm_cursor_take(struct cursor *c, size_t n);

#endif
