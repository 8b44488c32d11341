/*
 * Line ends and quotes of 64 bytes at a time, as bits.
 */
#include "format/lines.h"

#include "base/block.h"

/* May the line at p be one to skip? */
static inline bool is_odd(const struct line_rule *rule, const char *p)
{
    return rule->skips && ((unsigned char)*p <= ' ' || *p == rule->comment);
}

uint32_t tm_line_run(const struct line_rule *rule, const char *p, size_t n, size_t *length)
{
    const char *line = p, *end = p + n;
    const char wanted[2] = {'\n', rule->quote};
    unsigned kinds = rule->quote == '\n' ? 1 : 2;
    block_scan *scan = tm_block_scan();
    uint32_t records = 0;
    uint64_t bits[2] = {0};
    for (const char *block = p; end - block >= BLOCK; block += BLOCK) {
        scan(block, wanted, kinds, bits);
        uint64_t quotes = bits[1], ends = block_before(bits[0], quotes);
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
