/*
 * What a worker knows, and the files of a worker share: worker.c and worker_chunk.c alone.
 */
#ifndef TM_PIPELINE_WORKER_STATE_H
#define TM_PIPELINE_WORKER_STATE_H

#include "format/intake.h"
#include "pipeline/frame.h"
#include "pipeline/lender.h"
#include "pipeline/results.h"
#include "pipeline/worker.h"

/* The file that chunks come from now. */
struct worker_file {
    struct arena arena; /* name, columns */
    uint32_t id;
    const char *name;
    struct intake input;
};

/* A malformed record of a batch, which waits for the others to be done. */
struct bad_member {
    uint32_t number;
    int status;
    struct slice message;
    struct bad_member *next;
};

/* Records that wait for the batch function, and those that it is not given; both in the arena of the call. */
struct worker_batch {
    struct bad_member *bad, **bad_end;
    uint32_t n;
    struct node **records;
    uint32_t *members;
    enum script_outcome *outcomes;
    struct script_place place; /* of the first */
    size_t current;
};

/* Of the heap, with an error in hand: those are large, and a stack that stays small is soon there. */
struct worker {
    err why; /* what is wrong with the frame or record in hand */
    struct frame_reader in;
    struct arena job_arena; /* what the script is told at its start */
    struct arena run_arena; /* the output's dialect and columns */
    struct spec spec;
    bool has_job;
    const struct script_function *functions;
    size_t functions_n;
    struct script *script;
    const struct format *output;
    struct output_dialect dialect;
    struct writer *writer;
    struct results results;
    struct lender lender; /* of their frames */
    bool in_chunk;
    size_t size;     /* of the record in hand */
    uint32_t brief;  /* calls that took next to no time, since the last that did */
    bool has_called; /* the script, for a record */
    struct worker_file file;
    struct arena arena; /* of the call in hand */
    struct worker_batch batch;
    uint64_t sequence;
    uint32_t end;              /* of its part in hand: the number behind the last record */
    struct slice rest;         /* of it, from the next record on */
    uint32_t number;           /* of the record in hand, in the chunk */
    struct script_place place; /* its place */
    uint64_t lines;            /* that it takes */
    int64_t began;             /* the chunk, by the exact clock */
    uint32_t handed;           /* records of the chunk whose results are handed over */
    struct commit_pace pace;
    int64_t flushed; /* when they were handed over last, */
    int64_t commit;  /* and after how many ns they are again */
};

/* Write to the parent, all of it; the process ends when that is gone. */
void tm_worker_send(struct slice s);

/* For what cannot go on: the parent is told, and the process ends. */
void tm_worker_give_up(const err *why) __attribute__((noreturn));
void tm_worker_give_up_text(const char *text) __attribute__((noreturn));

/* A CHUNK frame: its records are done, and what they gave is handed over. */
void tm_worker_chunk(struct worker *w, struct cursor *c);

#endif
