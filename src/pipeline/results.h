/*
 * Results: the RESULT frame that a worker builds while it works through a chunk.
 *
 * A call (a record, or a batch) is atomic: rows go straight into the frame, and a call that fails
 * takes them back. Rows of neighbouring records share one item where nothing has to tell them
 * apart, so that a chunk is a few items, whatever the number of its records.
 */
#ifndef TM_PIPELINE_RESULTS_H
#define TM_PIPELINE_RESULTS_H

#include "format/flatten.h"
#include "pipeline/protocol.h"

struct results {
    /* Set once a run. */
    const struct format *format;
    struct writer *writer;
    const struct output_dialect *dialect;
    struct writer *own; /* never told of fixed columns; NULL where rows do not lose or gain cells
                                by them: limits.result_size is judged by a row's own layout */
    size_t call_max;    /* limits.result_size */
    uint32_t fixed_n;   /* the output's columns, once `fixed` */
    const struct slice *fixed_names;
    bool fixed; /* columns are fixed, or the format has none */

    size_t room;              /* for a usual frame, and kept from run to run */
    struct buf out;           /* the frame */
    size_t frame, through_at; /* where it begins; where its `through` is written */
    bool open;                /* a frame has begun */
    uint32_t through;
    size_t item;                  /* the ROWS item that is open, or NO_ITEM */
    size_t item_bytes;            /* where its bytes begin */
    uint32_t kept, dropped, rows; /* of the open item */
    uint64_t named;               /* serial of the layout named last in this frame, 0: none */

    /* The call in hand. */
    struct results_mark {
        size_t n, item, item_bytes;
        uint32_t kept, dropped, rows;
        uint64_t named;
    } mark;
    const uint32_t *members;
    uint32_t members_n;
    uint32_t call_rows;
    size_t call_bytes; /* of its rows */
    bool first_item;   /* the call has no item of its own yet */
    bool misfit;       /* a row does not fit the fixed columns: `misfit_err` */
    err misfit_err;
    err why; /* the writer's, of a row that may be such a one */
    struct flatten flatten;
    struct buf row;  /* a row whose layout is not known before it is written */
    struct buf log;  /* items of what the call printed */
    uint64_t log_at; /* where the text of the last one begins, 0: none */
    int log_level;
    bool log_full;
};

/* With room for a frame of so many bytes; larger ones grow. */
void tm_results_init(struct results *r, size_t room);
/* A run begins: from now on rows are written so. */
void tm_results_use(struct results *r, const struct format *format, struct writer *writer,
                    const struct output_dialect *dialect, size_t call_max);
void tm_results_release(struct results *r);

/* Begin a chunk's first frame, or go on with the next. */
void tm_results_begin(struct results *r, uint64_t sequence, uint32_t through);
/* The frame, in `out`, is finished; false when it could not be held. Send it, then begin again. */
bool tm_results_end(struct results *r, uint64_t nanoseconds);

/* A call begins, for these records (borrowed until it ends). */
void tm_results_call(struct results *r, const uint32_t *members, uint32_t n);
/*
 * One row of it. E_WRITE or E_MEMORY; the call must then be failed. A row that does not fit the
 * fixed columns is no failure before commit: whether columns are fixed yet is a matter of timing,
 * and what the script does next must not depend on it.
 */
int tm_results_row(struct results *r, const struct node *record, err *e);
/* Something that it printed. */
void tm_results_log(struct results *r, int level, struct slice text);
/*
 * It ends well: `kept` of its members gave rows. E_WRITE where a row did not fit and E_MEMORY: the
 * caller must fail it.
 */
int tm_results_commit(struct results *r, uint32_t kept, err *e);
/* It ends with every member failed for this reason. What it printed stays. */
void tm_results_fail(struct results *r, const err *why);

/* The output's columns are known now. Names must outlive the results. */
int tm_results_fix_columns(struct results *r, uint32_t n, const struct slice *names, err *e);

#endif
