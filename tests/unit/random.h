/*
 * The same random numbers in each run, everywhere: xorshift (G. Marsaglia, Xorshift RNGs, 2003).
 */
#ifndef TM_TESTS_RANDOM_H
#define TM_TESTS_RANDOM_H

#include <stdint.h>

static inline uint64_t random_bits(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

#endif
