/*
 * Line ends, and the quotes that they may be inside of, 64 bytes at a time, as bits.
 */
#include "format/lines.h"

#include "base/block.h"
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

/*
 * The lines of whole blocks, to the first mark. More and more blocks are looked at at once: the run may end
 * soon.
 */
static void run_blocks(struct run *run, const char *p, const char *end)
{
    enum { MOST = 32 };
    const struct cut_rule rule = {run->rule->delimiter, run->rule->quote, '\n'};
    uint64_t feeds[MOST], marks[MOST] = {0};
    struct quotes quotes = QUOTES_AT_START;
    block_find *find = rule.quote == '\n' ? tm_block_find() : NULL;
    block_lines *lines = tm_block_lines();
    for (size_t most = 1; end - p >= BLOCK; most = most < MOST ? 2 * most : MOST) {
        size_t left = (size_t)(end - p) / BLOCK;
        unsigned n = (unsigned)(left < most ? left : most);
        if (find)
            find(p, n, '\n', feeds);
        else
            lines(p, n, &rule, &quotes, feeds, marks);
        for (unsigned i = 0; i < n; i++, p += BLOCK)
            if (!take_lines(run, p, block_before(feeds[i], marks[i])) || marks[i])
                return;
    }
}

uint32_t tm_line_run(const struct line_rule *rule, const char *p, size_t n, size_t *length)
{
    struct run run = {.rule = rule, .line = p};
    *length = 0;
    if (n == 0 || is_odd(rule, p))
        return 0;
    run_blocks(&run, p, p + n);
    *length = (size_t)(run.line - p);
    return run.records;
}
