/*
 * Rows of CSV and TSV that are what they look like: a cell for each column, and no quotes but those that stand around
 * whole cells, none of them doubled, and no escapes. They are found in a window of the chunk, in which all that cuts
 * rows is known (block.h). Everything else takes a closer look: csv_read.c.
 */
#ifndef TM_FORMAT_CSV_WINDOW_H
#define TM_FORMAT_CSV_WINDOW_H

#include "base/block.h"
#include "base/slice.h"

/* So many ends can be read before a row's first one, the last of which is that of the row before. */
#define CSV_ENDS_BEFORE 4

/* All of this is the window's own; there is no memory to free. */
struct csv_window {
    const char *chunk, *limit; /* where that begins and ends; empty: there is none */
    const char *from, *behind; /* the window: whole blocks of the chunk, none outside of chunks */
    const char *next;          /* the row that the cursors stand at */
    uint32_t end, feed;        /* cursors: the first ends and feeds that are not before `next`, */
    uint32_t mark, quote;      /* and where the first such mark and quote are, if anywhere */
    unsigned most;             /* blocks of the next window, */
    unsigned rest; /* and rows that go without: those before were longer than any window */
    struct cut_rule rule;
    block_cut *cut;
    struct block_cuts cuts; /* behind the last of its ends and feeds stands UINT32_MAX */
    uint64_t marks[BLOCK_CUTS], quotes[BLOCK_CUTS];
    uint32_t ends[CSV_ENDS_BEFORE + BLOCK_CUT_ROOM];
    uint32_t feeds[BLOCK_CUT_ROOM];
};

void tm_csv_window_init(struct csv_window *w, const struct cut_rule *rule);

/* Rows are asked for in their order, in `bytes`, a chunk that stays as it is until the next call. Empty: in none. */
void tm_csv_window_begin(struct csv_window *w, struct slice bytes);

/*
 * The row at p, of so many cells, one at least: *length is what it takes, with its LF, and the ends of its cells, the
 * last of which is that LF, are returned, as offsets from anywhere; 3 more can be read. *quoted: there are quotes.
 * NULL: it takes a closer look.
 */
const uint32_t *tm_csv_window_row(struct csv_window *w, const char *p, uint32_t cells,
                                  uint32_t *length, bool *quoted);

#endif
