/*
 * Rows at a glance: a window goes over the chunk from front to back, and is looked at once, whatever rows begin and
 * end in it. It becomes smaller where that does not pay.
 */
#include "format/csv_window.h"

/* After a row that is longer than a window. */
#define REST 15

#define NOWHERE UINT32_MAX

void tm_csv_window_init(struct csv_window *w, const struct cut_rule *rule)
{
    w->rule = *rule;
    w->cut = tm_block_cut();
    w->most = BLOCK_CUTS;
    w->rest = 0;
    w->ends[CSV_ENDS_BEFORE - 1] =
        NOWHERE; /* the end before the first one is that of the row before */
    w->cuts = (struct block_cuts){.ends = w->ends + CSV_ENDS_BEFORE,
                                  .feeds = w->feeds,
                                  .marks = w->marks,
                                  .quotes = w->quotes};
    tm_csv_window_begin(w, SLICE(""));
}

void tm_csv_window_begin(struct csv_window *w, struct slice bytes)
{
    w->chunk = w->from = w->behind = w->next = bytes.p;
    w->limit = bytes.p + bytes.n;
}

/* The first of these bits of the window that is not before byte `at` of it. */
static uint32_t find_bit(const struct csv_window *w, const uint64_t *bits, uint32_t at)
{
    uint32_t blocks = (uint32_t)(w->behind - w->from) / BLOCK;
    uint64_t before = ((uint64_t)1 << at % BLOCK) - 1;
    for (uint32_t b = at / BLOCK; b < blocks; b++, before = 0)
        if (bits[b] & ~before)
            return b * BLOCK + (uint32_t)__builtin_ctzll(bits[b] & ~before);
    return NOWHERE;
}

/* The cursors to byte `at` of the window, not before where they are. */
static void seek(struct csv_window *w, uint32_t at)
{
    while (w->cuts.ends[w->end] < at)
        w->end++;
    while (w->cuts.feeds[w->feed] < at)
        w->feed++;
    w->mark = find_bit(w, w->marks, at);
    w->quote = find_bit(w, w->quotes, at);
    w->next = w->from + at;
}

/* The next window begins with the row at p, as far as there are whole blocks; the one after that is twice as large. */
static void move(struct csv_window *w, const char *p)
{
    size_t blocks = (size_t)(w->limit - p) / BLOCK;
    unsigned n = blocks < w->most ? (unsigned)blocks : w->most;
    w->most = 2 * w->most < BLOCK_CUTS ? 2 * w->most : BLOCK_CUTS;
    w->cut(p, n, &w->rule, &w->cuts);
    w->cuts.ends[w->cuts.ends_n] = w->cuts.feeds[w->cuts.feeds_n] = NOWHERE;
    w->from = p;
    w->behind = p + (size_t)n * BLOCK;
    w->end = w->feed = 0;
    seek(w, 0);
}

/*
 * On to the row at p, in the window but not right behind the one before: what is between them took a closer look, and
 * may have been no row. False: quotes there were not what they looked like, as the line end before p is inside.
 */
static bool pass_over(struct csv_window *w, const char *p)
{
    seek(w, (uint32_t)(p - w->from));
    return w->feed && w->cuts.feeds[w->feed - 1] == (uint32_t)(p - w->from) - 1;
}

/* Have the cursors at the row at p, and a window in which that ends; false: there is none. */
static bool stand_at(struct csv_window *w, const char *p)
{
    bool inside = p >= w->next && p < w->behind;
    if (!inside && (uintptr_t)p - (uintptr_t)w->chunk >= (size_t)(w->limit - w->chunk))
        return false;
    if (inside && p != w->next && !pass_over(w, p)) {
        inside = false;
        w->most = 1; /* the next row may be another one of those */
    }
    if (!inside)
        move(w, p);
    while (w->cuts.feeds[w->feed] == NOWHERE) {
        size_t size = (size_t)(w->behind - w->from);
        if (w->from == p && size == (size_t)BLOCK_CUTS * BLOCK)
            w->rest = REST;
        if (w->from == p && (w->rest || (size_t)(w->limit - w->behind) < BLOCK))
            return false;
        move(w, p);
    }
    return true;
}

const uint32_t *tm_csv_window_row(struct csv_window *w, const char *p, uint32_t cells,
                                  uint32_t *length, bool *quoted)
{
    if (w->rest) {
        w->rest--;
        return NULL;
    }
    if (!stand_at(w, p))
        return NULL;
    const uint32_t *ends = w->cuts.ends + w->end;
    uint32_t feed = w->cuts.feeds[w->feed];
    if (feed > w->mark || cells > w->cuts.ends_n - w->end || ends[cells - 1] != feed)
        return NULL;
    *quoted = w->quote < feed;
    if (*quoted)
        w->quote = find_bit(w, w->quotes, feed);
    w->end += cells;
    w->feed++;
    w->next = w->from + feed + 1;
    *length = (uint32_t)(w->next - p);
    return ends;
}
