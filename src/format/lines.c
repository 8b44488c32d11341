/*
 * Line ends, and the quotes that they may be inside of, 64 bytes at a time, as bits.
 */
#include "format/lines.h"

#include "base/quotes.h"

/* May the line at p be one to skip? */
static inline bool is_odd(const struct line_rule *rule, const char *p)
{
    return rule->skips && ((unsigned char)*p <= ' ' || *p == rule->comment);
}

struct run {
    const struct line_rule *rule;
    uint32_t records;
    const char *line; /* behind the last of them */
};

/* The lines that end in a block; false: the run ends before one of them. */
static inline bool take_lines(struct run *run, const char *block, uint64_t ends)
{
    for (; ends; ends &= ends - 1) {
        if (is_odd(run->rule, run->line) || run->records == UINT32_MAX)
            return false;
        run->records++;
        run->line = block + __builtin_ctzll(ends) + 1;
    }
    return true;
}

/* Where quotes mean nothing, more and more blocks are looked at at once: the run may end soon. */
static void run_plain(struct run *run, const char *p, const char *end)
{
    enum { MOST = 32 };
    uint64_t ends[MOST];
    block_find *find = tm_block_find();
    for (size_t most = 1; end - p >= BLOCK; most = most < MOST ? 2 * most : MOST) {
        size_t left = (size_t)(end - p) / BLOCK;
        unsigned n = (unsigned)(left < most ? left : most);
        find(p, n, '\n', ends);
        for (unsigned i = 0; i < n; i++, p += BLOCK)
            if (!take_lines(run, p, ends[i]))
                return;
    }
}

/* To the first quote that wants a closer look. */
static void run_quoted(struct run *run, const char *p, const char *end)
{
    const char wanted[3] = {run->rule->delimiter, '\n', run->rule->quote};
    block_scan *scan = tm_block_scan();
    struct quotes quotes = QUOTES_AT_START;
    for (uint64_t marks = 0; end - p >= BLOCK && !marks; p += BLOCK) {
        uint64_t bits[3];
        scan(p, wanted, 3, bits);
        uint64_t feeds = bits[1], ends = bits[0] | feeds;
        marks = quotes_settle(&quotes, p, bits[2], &ends, &feeds);
        if (!take_lines(run, p, block_before(feeds, marks)))
            return;
    }
}

uint32_t tm_line_run(const struct line_rule *rule, const char *p, size_t n, size_t *length)
{
    struct run run = {.rule = rule, .line = p};
    *length = 0;
    if (n == 0 || is_odd(rule, p))
        return 0;
    if (rule->quote == '\n')
        run_plain(&run, p, p + n);
    else
        run_quoted(&run, p, p + n);
    *length = (size_t)(run.line - p);
    return run.records;
}
