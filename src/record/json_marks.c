/*
 * Windows of marks.
 */
#include "record/json_marks.h"

void tm_json_marks_begin(struct json_marks *m, struct slice text)
{
    if (!m->classify)
        m->classify = tm_block_classify();
    m->begin = m->from = m->behind = text.p;
    m->end = text.p + text.n;
}

/* Look at `blocks` blocks of what is at p, for the window's blocks from number `at` on. */
static void look(struct json_marks *m, const char *p, unsigned at, unsigned blocks)
{
    m->classify(p, blocks, &(struct block_classes){m->special + at, m->other + at, m->high + at});
}

/* The text's last bytes, less than a block of them: what is behind them does not matter. */
static void look_at_rest(struct json_marks *m, const char *p, unsigned at, size_t n)
{
    char last[BLOCK] = {0};
    memcpy(last, p, n);
    look(m, last, at, 1);
}

void tm_json_marks_move(struct json_marks *m, const char *p)
{
    m->from = p - (size_t)(p - m->begin) % BLOCK;
    size_t there = (size_t)(m->end - m->from), rest = there % BLOCK;
    unsigned n = there / BLOCK < JSON_WINDOW ? (unsigned)(there / BLOCK) : JSON_WINDOW;
    look(m, m->from, 0, n);
    if (n < JSON_WINDOW && rest) {
        look_at_rest(m, m->from + (size_t)n * BLOCK, n, rest);
        n++;
    }
    m->special[n] = m->other[n] = m->high[n] = 0;
    m->behind = m->from + (size_t)n * BLOCK;
    if (there && m->behind >= m->end) {
        size_t last = there - 1;
        m->special[last / BLOCK] |= (uint64_t)1 << last % BLOCK;
        m->other[last / BLOCK] |= (uint64_t)1 << last % BLOCK;
    }
}

static inline const char *far(struct json_marks *m, const uint64_t *marks, const char *p)
{
    for (;; p += BLOCK - (size_t)(p - m->begin) % BLOCK) {
        if (p < m->from || p >= m->behind)
            tm_json_marks_move(m, p);
        size_t at = (size_t)(p - m->from);
        uint64_t found = marks[at / BLOCK] >> at % BLOCK;
        if (found)
            return p + __builtin_ctzll(found);
    }
}

const char *tm_json_far_special(struct json_marks *m, const char *p)
{
    return far(m, m->special, p);
}

const char *tm_json_far_other(struct json_marks *m, const char *p)
{
    return p == m->end ? p : far(m, m->other, p);
}
