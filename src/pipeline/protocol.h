/*
 * The protocol between the parent and a worker: which frames there are and what is in them.
 *
 *   parent -> worker   JOB; for each run: RUN, then any of FILE, COLUMNS, CHUNK; then END
 *   worker -> parent   READY or FAILED; LOG and RESULT; after END: DONE
 *
 * A worker learns everything from its first frame; it may be a fork of the host or a program of its
 * own. All frames of a direction are handled in order.
 */
#ifndef TM_PIPELINE_PROTOCOL_H
#define TM_PIPELINE_PROTOCOL_H

#include "format/format.h"
#include "script/script.h"
#include "spec/spec.h"

#define PROTOCOL_VERSION 3

enum frame_type {
    FRAME_JOB = 1, /* what to do: see struct protocol_job */
    FRAME_RUN,     /* output format: a run begins, and what the last one fixed is forgotten */
    FRAME_FILE,    /* u32 id, name, format, columns: chunks of this file follow */
    FRAME_COLUMNS, /* u32 n, names: the output's columns are fixed */
    FRAME_CHUNK,   /* struct protocol_chunk, then the bytes */
    FRAME_END,     /* nothing: teardown, please */

    FRAME_READY,  /* nothing: loaded and set up */
    FRAME_FAILED, /* u32 status, message: the script cannot be used */
    FRAME_LOG,    /* u8 level, text: printed outside records */
    FRAME_BUSY, /* u64 sequence, u32 first, u32 end: these records have been in hand for a while */
    FRAME_RESULT, /* u64 sequence, u32 through, u64 nanoseconds spent on the chunk so far, then items:
                     see enum item_type */
    FRAME_DONE,   /* u32 status, message: how teardown went */
};

/*
 * Items of a RESULT, in record order. Record numbers count from 0 in the chunk, whichever part of it
 * was sent; the frame's `through` says how many of its records are done, and equals what the items of
 * all its frames so far add up to. All that a record (or a batch) gave is in one frame.
 */
enum item_type {
    /*
     * u32 kept, u32 dropped, u32 rows, u8 layout (enum item_layout), [LAYOUT_NAMES: u32 n, names],
     * [not LAYOUT_FIXED: u32 n, n x u32 members], bytes.
     * Members: the records that fail together when the rows do not fit the output's columns.
     * Rows of theirs in several layouts are several items: members are named by the first, and
     * kept == dropped == 0 but for the last.
     */
    ITEM_ROWS = 1,
    ITEM_LOG,     /* u32 record, u8 level, text */
    ITEM_FAILURE, /* u32 record, u32 status, message */
};

enum item_layout {
    LAYOUT_FIXED, /* in the columns that the parent fixed, or a format without columns */
    LAYOUT_SAME,  /* as the rows before it in this frame */
    LAYOUT_NAMES, /* named here */
};

/* So much of a RESULT comes before the bytes of its first item, if these are rows in fixed columns. */
#define RESULT_ROWS_AT 38

struct protocol_job {
    uint32_t worker; /* 1-based */
    bool check;      /* compile the script, answer, end */
    enum script_form form;
    struct slice script, chunk_name, folder; /* folder.p == NULL: none */
    uint32_t first_line;
};

/*
 * How often results are committed: as soon as they are so many bytes, or so many microseconds have
 * passed. The first `times` come at a distance of their own.
 */
struct commit_pace {
    uint32_t bytes, every;
    uint32_t first_every, times;
};

/* A part of a chunk: all of it, unless a worker died over it. */
struct protocol_chunk {
    uint64_t sequence;
    uint32_t file;
    uint64_t first_record; /* 1-based in the job */
    uint64_t first_line;   /* 1-based in the file */
    uint32_t first;        /* how many of the chunk's records come before this part of it */
    uint32_t records;      /* of the part */
    struct commit_pace pace;
};

void tm_protocol_put_job(struct buf *b, const struct protocol_job *job, const struct spec *spec);
/* Slices point into the frame. `spec` is initialised by the caller. E_WORKER for a strange frame. */
int tm_protocol_get_job(struct cursor *c, struct protocol_job *job, struct spec *spec, err *e);

void tm_protocol_put_names(struct buf *b, uint32_t n, const struct slice *names);
/* Names as slices into the frame, the array in the arena. False: broken, or memory is out. */
bool tm_protocol_get_names(struct cursor *c, struct arena *arena, uint32_t *n,
                           struct slice **names);

void tm_protocol_put_file(struct buf *b, uint32_t id, struct slice name, struct slice format,
                          const struct columns *columns);
/* All copied to the arena. *columns is NULL when the format has none. */
bool tm_protocol_get_file(struct cursor *c, struct arena *arena, uint32_t *id, struct slice *name,
                          struct slice *format, struct columns **columns);

/* A frame of FRAME_CHUNK up to its bytes, of which `length` follow. False when too large. */
bool tm_protocol_put_chunk(struct buf *b, const struct protocol_chunk *chunk, size_t length);
/* What remains in the cursor are the bytes. */
bool tm_protocol_get_chunk(struct cursor *c, struct protocol_chunk *chunk);

/* Is a RESULT that begins like this, and has `rest` bytes more, nothing but rows in fixed columns? */
bool tm_protocol_only_rows(struct slice begin, size_t rest);

/* How a job's options and a format make a dialect; the same on both sides. */
int tm_dialect_input(const struct spec *spec, const struct format *f, struct arena *arena,
                     struct input_dialect *out, err *e);
int tm_dialect_output(const struct spec *spec, const struct format *f, struct arena *arena,
                      struct output_dialect *out, err *e);

#endif
