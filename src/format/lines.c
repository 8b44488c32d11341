/*
 * Line ends and quotes of 64 bytes at a time, as bits.
 */
#include "format/lines.h"

#include "format/block.h"

/* May the line at p be one to skip? */
static inline bool is_odd(const struct line_rule *rule, const char *p)
{
    return rule->skips && ((unsigned char)*p <= ' ' || *p == rule->comment);
}

uint32_t tm_line_run(const struct line_rule *rule, const char *p, size_t n, size_t *length)
{
    const char *line = p, *end = p + n;
    uint32_t records = 0;
    for (const char *block = p; end - block >= BLOCK; block += BLOCK) {
        uint64_t quotes = rule->quote == '\n' ? 0 : block_find(block, rule->quote);
        uint64_t ends = block_before(block_find(block, '\n'), quotes);
        for (; ends; ends &= ends - 1) {
            if (is_odd(rule, line) || records == UINT32_MAX)
                goto done;
            records++;
            line = block + __builtin_ctzll(ends) + 1;
        }
        if (quotes)
            break;
    }
done:
    *length = (size_t)(line - p);
    return records;
}
