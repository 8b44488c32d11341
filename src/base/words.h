/*
 * Bytes looked at eight at a time, as a word, while they are copied: most text is short and has nothing
 * to be found in it.
 */
#ifndef TM_BASE_WORDS_H
#define TM_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_OF(byte) ((byte)*UINT64_C(0x0101010101010101))
#define WORD_HIGH     WORD_OF(UINT64_C(0x80))

/* Where a byte of `word` is the one of which `bytes` is made, the high bit of a byte is set; without
   such a byte there is none. */
static inline uint64_t word_has(uint64_t word, uint64_t bytes)
{
    uint64_t x = word ^ bytes;
    return (x - WORD_OF(UINT64_C(1))) & ~x & WORD_HIGH;
}

/* May these eight bytes be copied? Words of fewer are filled up with spaces, or with bytes of theirs. */
typedef bool word_test(const void *context, uint64_t word);

/*
 * Copies n bytes if all words of them pass the test. False: one does not, and what was written to `to`
 * (n bytes at most) is nothing. Inlined with its test.
 */
static inline __attribute__((always_inline)) bool copy_tested(char *to, const char *p, size_t n,
                                                              word_test *test, const void *context)
{
    uint64_t word = WORD_OF(UINT64_C(0x20));
    uint32_t half[2];
    if (n < 4) {
        for (size_t i = 0; i < n; i++)
            word = word << 8 | (unsigned char)(to[i] = p[i]);
    } else if (n < 8) {
        memcpy(half, p, 4);
        memcpy(half + 1, p + n - 4, 4);
        memcpy(to, half, 4);
        memcpy(to + n - 4, half + 1, 4);
        memcpy(&word, half, 8);
    } else {
        for (size_t i = 0; n - i > 8; i += 8) {
            memcpy(&word, p + i, 8);
            memcpy(to + i, &word, 8);
            if (!test(context, word))
                return false;
        }
        memcpy(&word, p + n - 8, 8);
        memcpy(to + n - 8, &word, 8);
    }
    return test(context, word);
}

#endif
