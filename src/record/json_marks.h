/*
 * Where the bytes of a text stand at which strings and numbers end, as bits. The text is read from
 * front to back, and looked at a window at a time, each block of it once and not before somebody
 * asks. For json_read.c.
 */
#ifndef TM_RECORD_JSON_MARKS_H
#define TM_RECORD_JSON_MARKS_H

#include "base/block.h"
#include "base/slice.h"

#define JSON_WINDOW 32u /* blocks */

struct json_marks {
    const char *begin, *end; /* the text */
    const char *from,
        *behind; /* the window: whole blocks of the text, the last one may go beyond it */
    block_classify *classify; /* the way to look at it */
    /* A bit for each byte of the window, as struct block_classes says, and a word of zeros behind
       them. The last byte of the text has a mark, whatever it is: all searches end there. */
    uint64_t special[JSON_WINDOW + 1];
    uint64_t other[JSON_WINDOW + 1];
    uint64_t high[JSON_WINDOW + 1];
};

/* The text is this one from now on. It stays as it is until another one takes its place. */
void tm_json_marks_begin(struct json_marks *m, struct slice text);

/* The next window begins with p's block. */
void tm_json_marks_move(struct json_marks *m, const char *p);

/*
 * The first mark at or behind p, which may be far; the window moves. p lies in the text; for the others
 * it may be the end.
 */
const char *tm_json_far_special(struct json_marks *m, const char *p) __attribute__((cold));
const char *tm_json_far_other(struct json_marks *m, const char *p) __attribute__((cold));

/* The marks from byte `at` of the window on, or from the one behind it: the next few, maybe not 64. */
static inline uint64_t json_marks_ahead(const uint64_t *marks, uint32_t at)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, (const char *)marks + at / 8, sizeof word);
    return word >> at % 8;
#else
    return marks[at / BLOCK] >> at % BLOCK;
#endif
}

/*
 * The first of the marks ahead of byte `at`, of which there is one. A window is small, and what is found
 * in it is where to look on: 32 bits take a cycle or two less each time than pointers.
 */
static inline uint32_t json_mark_at(uint32_t at, uint64_t marks)
{
    return at + (uint32_t)__builtin_ctzll(marks);
}

#endif
