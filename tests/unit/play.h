/*
 * Pieces of memory of all sizes, made, resized and given back at random by an allocator: each keeps what it holds.
 * For tests of those; after cmocka.h.
 */
#ifndef TIDEMILL_TEST_PLAY_H
#define TIDEMILL_TEST_PLAY_H

#include <stddef.h>
#include <stdint.h>

/* Make `p` of `old` bytes `n` bytes; p == NULL: new; n == 0: give it back, and return NULL. */
typedef void *play_resize(void *data, void *p, size_t old, size_t n);

static unsigned char play_byte(size_t piece, size_t i)
{
    return (unsigned char)(piece + 7 * i);
}

static void play(play_resize *resize, void *data)
{
    static const size_t most[] = {40, 600, 5000, 70000};
    struct {
        unsigned char *p;
        size_t n;
    } pieces[64] = {{NULL, 0}};
    uint32_t random = 17;
    for (int turn = 0; turn < 20000; turn++) {
        random = random * 1664525 + 1013904223;
        size_t k = random >> 26;
        random = random * 1664525 + 1013904223;
        unsigned char *p = pieces[k].p;
        size_t old = pieces[k].n, size = (random >> 4) % most[random >> 30];
        p = resize(data, p, old, size);
        assert_true(p || !size);
        for (size_t i = 0; i < old && i < size; i++)
            if (p[i] != play_byte(k, i))
                fail_msg("turn %d: byte %zu of %zu", turn, i, size);
        for (size_t i = old; i < size; i++)
            p[i] = play_byte(k, i);
        pieces[k].p = p;
        pieces[k].n = size;
    }
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
        resize(data, pieces[k].p, pieces[k].n, 0);
}

#endif
