/*
 * Chunks: runs of whole records on their way from the splitter to the merger.
 *
 * A chunk keeps its input bytes until its last record is committed: what a dead worker had not
 * committed is sent again, and what a failed record looked like is cut from here. Bytes live in
 * blocks that neighbouring chunks share by reference.
 */
#ifndef TM_PIPELINE_CHUNK_H
#define TM_PIPELINE_CHUNK_H

#include "base/buf.h"
#include "format/format.h"

/*
 * Blocks that nobody holds, to be used again: memory from the system has to be cleared, page by page.
 * Lives until its owner and the last block taken from it are gone.
 */
struct block_store;

struct block {
    uint32_t refs;
    size_t cap;
    struct block_store *store; /* where it goes when nobody holds it; NULL: it is freed */
    char bytes[];
};

/* An input file as chunks, workers and messages know it. */
struct input_file {
    uint32_t refs;
    uint32_t id; /* 1, 2, ... in the run */
    char *name;
    const struct format *format;
    struct input_dialect dialect;
    struct columns *columns; /* of its header; NULL: none */
    struct arena arena;      /* of columns and dialect */
};

enum chunk_kind {
    CHUNK_RECORDS, /* for a worker */
    CHUNK_FAILURE, /* one record that failed before it could be sent; `failure` says why */
    CHUNK_BROKEN,  /* the input ends here with an error: `failure` */
};

/*
 * How often results are committed: the more deaths a chunk has seen, the more often. The deadly
 * record, if there is one, lies within one commit of where the last process ended; past that, the
 * chunk is like any other.
 */
enum chunk_care {
    CARE_NONE,
    CARE_AGAIN,  /* whoever killed the worker may have been anybody */
    CARE_TIME,   /* the distance is short enough that every record can be committed over it */
    CARE_RECORD, /* every record, so that the next death names the one that was in hand */
    CARE_ALONE,  /* every record, and the next one is sent alone */
};

struct chunk {
    struct chunk *next; /* in the merger's order */
    enum chunk_kind kind;
    uint64_t sequence;
    struct input_file *file;
    struct block *block;
    const char *p;
    size_t n;
    uint64_t first_record; /* 1-based in the job */
    uint64_t first_line;   /* 1-based in the file */
    uint64_t offset;       /* of p in the file */
    uint32_t records;
    err *failure;

    struct worker_handle *worker; /* who has it; NULL: nobody yet */
    uint32_t done;                /* records committed, */
    uint64_t given;               /* and bytes of their results */
    struct chunk_mark {           /* the record that tm_chunk_find found last */
        uint32_t number;
        size_t at;
        uint64_t line;
    } found;
    uint32_t part, part_end; /* records of the part that the worker has: all, unless one died */
    struct buf head;         /* the frames that the worker gets before the bytes of the part */
    uint32_t said;           /* records done by a dead worker, whose results wait for their turn */
    enum chunk_care care;
    uint32_t commits; /* since the last death */
    uint32_t alone;   /* deaths in a row with record `done` (or its batch) alone in hand, */
    uint32_t killed;  /* and beside them those by a signal that somebody may have sent */
    uint32_t doomed;  /* 1 + the record that was over its time, 0: none; up to doomed_end */
    uint32_t doomed_end;
};

/* Keeps blocks of `cap` bytes. NULL when memory is out. */
struct block_store *tm_block_store_new(size_t cap);
void tm_block_store_unref(struct block_store *s);

/* Of at least `cap` bytes. `s` may be NULL. */
struct block *tm_block_new(struct block_store *s, size_t cap);
void tm_block_unref(struct block *b);

struct input_file *tm_input_file_new(const char *name, const struct format *format, uint32_t id);
void tm_input_file_unref(struct input_file *f);

/* Takes new references to file and block (block may be NULL). NULL when memory is out. */
struct chunk *tm_chunk_new(enum chunk_kind kind, struct input_file *file, struct block *block);
void tm_chunk_free(struct chunk *c);

/* Where record `number` (from 0) of a chunk lies. */
struct record_place {
    struct slice raw; /* its bytes in the chunk, line end included */
    uint64_t line, offset;
};

/*
 * Found by splitting the chunk again: for failed records, not for every one. Goes on from where it
 * was last time when it can, so that a chunk full of failures is split but once.
 */
struct record_place tm_chunk_find(struct chunk *c, uint32_t number);

#endif
