/*
 * A slice: bytes that somebody else owns. No terminator; NUL is a byte like any other.
 */
#ifndef TM_BASE_SLICE_H
#define TM_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p; /* NULL only together with n == 0 */
    size_t n;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The same, for names: most are shorter than the call of a function is worth. */
static inline bool slice_eq_short(struct slice a, struct slice b)
{
    uint32_t x[2], y[2];
    size_t n = a.n;
    if (n != b.n || n > 8)
        return slice_eq(a, b);
    if (n < 4)
        return n == 0 || (a.p[0] == b.p[0] && a.p[n / 2] == b.p[n / 2] && a.p[n - 1] == b.p[n - 1]);
    memcpy(x, a.p, 4);
    memcpy(y, b.p, 4);
    memcpy(x + 1, a.p + n - 4, 4);
    memcpy(y + 1, b.p + n - 4, 4);
    return x[0] == y[0] && x[1] == y[1];
}

/* memcpy, for what is mostly too short to be worth a call. */
static inline void copy_short(char *to, const char *p, size_t n)
{
    uint64_t word[2];
    uint32_t half[2];
    if (n - 8 <= 8) {
        memcpy(word, p, 8);
        memcpy(word + 1, p + n - 8, 8);
        memcpy(to, word, 8);
        memcpy(to + n - 8, word + 1, 8);
    } else if (n - 4 < 4) {
        memcpy(half, p, 4);
        memcpy(half + 1, p + n - 4, 4);
        memcpy(to, half, 4);
        memcpy(to + n - 4, half + 1, 4);
    } else if (n < 4) {
        for (size_t i = 0; i < n; i++)
            to[i] = p[i];
    } else if (p) {
        memcpy(to, p, n);
    }
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_of(text));
}

/* Bytewise order, a prefix before what it is a prefix of. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

#endif
