/*
 * Suggestions by optimal string alignment: Levenshtein's distance where a swap of neighbours costs
 * one as well. Names flow in, nothing is kept.
 */
#include "spec/suggest.h"

#include <stdint.h>

#include "spec/options.h"

#define LONGEST  64
#define FARTHEST 2

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t tm_distance(struct slice a, struct slice b)
{
    size_t rows[3][LONGEST + 1]; /* of the matrix: i - 2, i - 1 and i, in turn */
    if (a.n > LONGEST || b.n > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replaced = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                row[j] = least(row[j], higher[j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n] > FARTHEST ? SIZE_MAX : rows[a.n % 3][b.n];
}

void tm_suggest(struct suggestion *s, struct slice name, struct slice candidate, struct slice offer)
{
    size_t d = tm_distance(name, candidate);
    /* A word of three letters with two changes is another word. */
    if (d == SIZE_MAX || d * 2 > candidate.n)
        return;
    if (s->best.n == 0 || d < s->distance)
        *s = (struct suggestion){offer, d};
}

static struct slice last_part(struct slice key)
{
    const char *dot = key.n ? memrchr(key.p, '.', key.n) : NULL;
    if (!dot)
        return key;
    return (struct slice){dot + 1, key.n - (size_t)(dot + 1 - key.p)};
}

struct slice tm_suggest_option(struct slice key)
{
    struct suggestion whole = {0}, last = {0};
    for (size_t i = 0; i < tm_options_n; i++) {
        struct slice row = slice_of(tm_options[i].key);
        tm_suggest(&whole, key, row, row);
        tm_suggest(&last, last_part(key), last_part(row), row);
    }
    return whole.best.n ? whole.best : last.best;
}
