/*
 * The splitter: reads the source and cuts it into chunks of whole records. It finds where records
 * end and counts records, lines and bytes; it never looks at fields (but for the header of a file,
 * which belongs to the file and not to a chunk).
 */
#ifndef TM_PIPELINE_SPLITTER_H
#define TM_PIPELINE_SPLITTER_H

#include "pipeline/chunk.h"
#include "pipeline/source.h"
#include "spec/spec.h"

/* A point behind a whole record, counted from the chunk's start. */
struct split_mark {
    size_t at;
    uint32_t records;
    uint64_t lines;
};

struct splitter {
    struct source *source;
    const struct spec *spec;
    const struct format *format; /* of all inputs; NULL: by each one's name */
    size_t chunk_max, record_max;
    uint64_t batch; /* chunks end at multiples of so many records of a file; 1: anywhere */

    struct input_file *file; /* the open one */
    uint32_t files;
    struct columns *first_columns; /* of the first file that had any: in first_arena */
    bool leading;                  /* no record comes before them */
    struct arena first_arena;

    struct block_store *store;
    struct block *block;
    size_t start;             /* of the chunk in the making, in the block */
    size_t end;               /* of the bytes read */
    struct split_mark scan;   /* behind the last record seen */
    struct split_mark last;   /* behind the last record: less than `scan` by what followed it */
    struct split_mark cut;    /* the last place where a chunk may end */
    struct split_state state; /* of the record behind scan */
    uint64_t file_records;    /* of this file, up to scan */
    uint64_t skip;            /* lines at the file's start that are still to be passed over */
    bool at_start;            /* the BOM, skipped lines and the header come next */
    bool final;               /* the input was read to its end */
    bool passing;             /* over the rest of a record that is too large */
    bool batch_over;          /* no other record of the open batch may come */
    int64_t give_up;          /* when a batch waits no longer for more records; 0: none waits */

    /* Of the chunk in the making. */
    uint64_t next_record, next_line, next_offset;
    uint64_t sequence;
    uint64_t bytes; /* read of all inputs */
    bool ended;     /* no chunk comes any more */
    bool stopped;

    struct chunk *waiting; /* cut, and to be given out next */
};

enum splitter_next {
    SPLITTER_CHUNK,
    SPLITTER_AGAIN, /* one read was made; call again */
    SPLITTER_WAIT,  /* the source has nothing now */
    SPLITTER_END,
    SPLITTER_FAILED, /* err: not the input's fault (memory) */
};

void tm_splitter_init(struct splitter *s, struct source *source, const struct spec *spec,
                      const struct format *format);
void tm_splitter_release(struct splitter *s);

/*
 * The next chunk, of at most `target` bytes unless one record (or batch) is larger. `eager`: when
 * the source has nothing more now, give what there is. Errors of the input come as chunks, in
 * their place.
 */
enum splitter_next tm_splitter_next(struct splitter *s, size_t target, bool eager,
                                    struct chunk **out, err *e);

/* Read no more: what was not cut yet is forgotten, and END comes next. */
void tm_splitter_stop(struct splitter *s);

/*
 * When it should be asked again although the source has nothing (transform.batch_wait), by
 * clock_now; 0: never.
 */
int64_t tm_splitter_deadline(const struct splitter *s);

/* Bytes of the open input that were not cut yet, and may be read before: 0 when not known. */
uint64_t tm_splitter_remaining(const struct splitter *s);

#endif
