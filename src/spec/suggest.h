/*
 * "did you mean": the nearest of some names.
 */
#ifndef TM_SPEC_SUGGEST_H
#define TM_SPEC_SUGGEST_H

#include "base/slice.h"

/* The best of what was offered so far; all zero at first. */
struct suggestion {
    struct slice best; /* n == 0: none */
    size_t distance;
};

/*
 * How many insertions, deletions, replacements and swaps of neighbours make `b` of `a`; names
 * longer than 64 bytes, and anything above 2, are SIZE_MAX.
 */
size_t tm_distance(struct slice a, struct slice b);

/* `candidate` is what `name` is compared with, `offer` what is suggested then; it must last. */
void tm_suggest(struct suggestion *s, struct slice name, struct slice candidate,
                struct slice offer);

/* For an option that does not exist: the dotted key that may be meant, or an empty slice. */
struct slice tm_suggest_option(struct slice key);

#endif
