/*
 * Growing buffers and the cursor that reads frames.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/large.h"

void tm_buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void tm_buf_init_large(struct buf *b)
{
    *b = (struct buf){.large = true};
}

void tm_buf_release(struct buf *b)
{
    if (b->large && b->p)
        tm_large_free(b->p, b->cap);
    else
        tm_heap_free(b->p);
    *b = (struct buf){.large = b->large};
}

bool tm_buf_grow(struct buf *b, size_t more)
{
    size_t want = b->n + more;
    size_t cap = b->cap + b->cap / 2;
    if (b->failed || want < more)
        goto fail;
    if (cap < want)
        cap = want < 256 ? 256 : want;
    char *p = b->large ? tm_large_grow(b->p, b->cap, cap) : tm_heap_grow(b->p, cap);
    if (!p)
        goto fail;
    b->p = p;
    b->cap = cap;
    return true;
fail:
    b->failed = true;
    return false;
}

void tm_buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* vsnprintf wants room for a terminator, which is not part of the buffer. */
    if (n < 0 || !buf_reserve(b, (size_t)n + 1)) {
        b->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

void tm_buf_consume(struct buf *b, size_t n)
{
    if (n < b->n)
        memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

/* Little-endian, whatever the machine. */
static void put(struct buf *b, uint64_t v, size_t bytes)
{
    if (!buf_reserve(b, bytes))
        return;
    for (size_t i = 0; i < bytes; i++)
        b->p[b->n++] = (char)(v >> 8 * i & 0xff);
}

void tm_buf_u32(struct buf *b, uint32_t v)
{
    put(b, v, 4);
}

void tm_buf_u64(struct buf *b, uint64_t v)
{
    put(b, v, 8);
}

void tm_buf_bytes(struct buf *b, struct slice s)
{
    if (s.n > UINT32_MAX) {
        b->failed = true;
        return;
    }
    tm_buf_u32(b, (uint32_t)s.n);
    buf_slice(b, s);
}

struct slice tm_cursor_take(struct cursor *c, size_t n)
{
    if (c->bad || c->n < n) {
        c->bad = true;
        return (struct slice){NULL, 0};
    }
    struct slice s = {c->p, n};
    c->p += n;
    c->n -= n;
    return s;
}

static uint64_t get(struct cursor *c, size_t bytes)
{
    struct slice s = tm_cursor_take(c, bytes);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v |= (uint64_t)(unsigned char)s.p[i] << 8 * i;
    return v;
}

uint8_t tm_cursor_u8(struct cursor *c)
{
    return (uint8_t)get(c, 1);
}

uint32_t tm_cursor_u32(struct cursor *c)
{
    return (uint32_t)get(c, 4);
}

uint64_t tm_cursor_u64(struct cursor *c)
{
    return get(c, 8);
}

struct slice tm_cursor_bytes(struct cursor *c)
{
    uint32_t n = tm_cursor_u32(c);
    return tm_cursor_take(c, n);
}
