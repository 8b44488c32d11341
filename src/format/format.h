/*
 * What a format is: three separate parts and what they share.
 *
 *   split  in the parent: where the next record ends. Never looks at fields.
 *   parse  in a worker: one record of a chunk to a node.
 *   write  in a worker: one node to output bytes.
 *
 * split and parse of a format share one state machine: for every byte string they agree on where
 * records begin and end, and so on their number. formats.c holds the only list of formats.
 */
#ifndef TM_FORMAT_FORMAT_H
#define TM_FORMAT_FORMAT_H

#include "base/buf.h"
#include "base/err.h"
#include "record/node.h"

/* How bytes are read or written; a format looks at what concerns it. Plain data, never changes. */

/*
 * A row with fewer cells than the header is an error but under FILL, which adds empty ones; one
 * with more is an error but under TRIM, which cuts them off.
 */
enum ragged { RAGGED_ERROR, RAGGED_FILL, RAGGED_TRIM };
enum extra { EXTRA_ERROR, EXTRA_DROP };
enum missing { MISSING_ERROR, MISSING_EMPTY };
enum nested { NESTED_JSON, NESTED_FLATTEN, NESTED_ERROR };
/*
 * What bytes of an input stand for. BYTES: whatever they are, they are passed on; the others are
 * made UTF-8 before a format sees them, so that a file's own bytes are those of its UTF-8 form.
 */
enum encoding { ENCODING_BYTES, ENCODING_UTF8, ENCODING_LATIN1, ENCODING_WINDOWS_1252 };
enum on_invalid { INVALID_ERROR, INVALID_REPLACE };
enum compression { COMPRESSION_AUTO, COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

/* `input.types`: a default for all columns, and columns that differ from it. */
struct column_types {
    bool all_text;
    uint32_t n;
    const struct slice *names;
    const bool *text;
};

struct input_dialect {
    char delimiter, quote; /* quote '\0': none */
    bool escapes;          /* \t, \n, \r and \\ in a cell stand for these bytes; quote is '\0' */
    bool header;
    struct slice comment; /* prefix of lines to skip at a record's start; n == 0: none */
    enum ragged ragged;
    enum duplicates duplicates;
    bool lazy_quotes; /* quotes inside an unquoted field, and bytes behind a closing quote, are
                             data and no error */
    struct column_types types;
    uint32_t max_depth;
    enum encoding encoding;
    enum on_invalid on_invalid;
    uint64_t skip;     /* lines passed over at the file's start, before the header */
    struct slice at;   /* a JSON Pointer (RFC 6901) to the array of records; n == 0: the document */
    struct slice wrap; /* the field for a JSON value that is no object; n == 0: it fails */
    bool unflatten;    /* columns a.b and a.c become a field a */
    struct slice separator;        /* between the parts of such a name, not empty */
    const struct columns *columns; /* the file's, once its header was read; else NULL */
};

struct output_dialect {
    char delimiter, quote;
    bool escapes; /* as of an input */
    bool header;
    bool crlf; /* line end of the header, and of records that have none of their own */
    enum extra extra;
    enum missing missing;
    enum nested nested;
    struct slice separator; /* for NESTED_FLATTEN: between the parts of a name, not empty */
    bool escape_formulas;   /* a ' before text that a spreadsheet would run */
    uint32_t max_depth;
    uint32_t columns_n; /* `output.columns`; 0: those of the first record written */
    const struct slice *columns;
    const struct columns *like; /* NULL, or the first input's: a column of the same name is headed
                                   as it is there, if the dialect is the same */
};

/* ---- split ---- */

enum split_verdict {
    SPLIT_RECORD, /* [0, length) is one record with its line end */
    SPLIT_SKIP,   /* [0, length) lies between records: a blank or comment line */
    SPLIT_MORE,   /* no end in sight: call again with the same start and more bytes, or final */
    SPLIT_ERROR,  /* the input ends or breaks inside a record: err is filled; of length 0: it
                     breaks at p, and no record is to blame */
};

struct extent {
    size_t length;
    uint64_t lines; /* line ends inside; a last line without one counts as well. For SPLIT_ERROR:
                       line ends between the record's start and the place that err speaks of */
    bool comment;   /* SPLIT_SKIP: a comment. SPLIT_MORE: so are all bytes up to here, which may be
                       left out: the next call, with `scanned` less by them, begins behind */
};

/*
 * What split knows of a file from record to record, for formats whose records stand inside something
 * (an array). Made by format->document_new; the format knows what is in it.
 */
struct document;

/*
 * Where the scan of an unfinished record stands, so that it is never scanned twice. All zero at
 * every record's start, but for `document`: the file's, or NULL where records of a chunk are found
 * again. Then what is not a record is known to be what stands between two of them.
 */
struct split_state {
    size_t scanned;
    uint64_t lines;
    uint32_t machine;     /* the format's own */
    uint64_t opened_line; /* lines before the quote that is open, for the message */
    uint64_t depth;       /* of open brackets */
    struct document *document;
};

/* ---- parse ---- */

/* A file's reader in a worker. Made by format->reader_new; the format knows what is in it. */
struct reader;

struct parsed {
    struct node *record; /* NULL for PARSE_SKIP and PARSE_FAILED */
    size_t length;       /* bytes that it took, line end included; set for every verdict */
    uint64_t lines;
};

enum parse_verdict {
    PARSE_RECORD,
    PARSE_SKIP,
    PARSE_FAILED, /* the record is malformed: E_RECORD in err; `length` leads to the next one */
    PARSE_MEMORY,
};

/* ---- write ---- */

struct writer;

/*
 * How the rows of a format with columns are laid out: by their names in order. The writer changes
 * its layout when a record has other fields; whoever puts rows together reads it after each write.
 */
struct layout {
    uint64_t serial; /* changes whenever the names do */
    uint32_t n;
    const struct slice *names; /* the writer's, until its next write */
};

struct format {
    const char *name;
    const char *const *extensions; /* ".csv", ..., NULL at the end */
    const char *help;              /* one sentence */
    char delimiter, quote;         /* where no option names others; '\0': has none */
    bool escapes;                  /* of its dialects; no option changes delimiter and quote then */
    bool has_columns;              /* output rows have columns, fixed by the first one */
    bool line_records; /* input: a record is one line, so that one beyond limits.record_size can be
                          passed over; elsewhere it hides where the next record begins */

    /* Input; NULL where a format is output only. */

    /*
     * p[0 .. n) begins at a record's start, or at what stands before, between or behind records;
     * `final`: nothing follows. Never reads past n. For a final n > 0 the answer is never
     * SPLIT_MORE. What lies between records may be given in pieces, as it comes.
     */
    enum split_verdict (*split)(const struct input_dialect *d, struct split_state *s, const char *p,
                                size_t n, bool final, struct extent *out, err *e);
    /*
     * Records that end within p[0 .. n), which begins at a record's start, found at a glance, each of
     * them one line: their number, and *length what they take. 0 where it takes a closer look: split.
     * NULL: this format has no such records.
     */
    uint32_t (*run)(const struct input_dialect *d, const char *p, size_t n, size_t *length);
    /* All three or none. _new is NULL when memory is out. */
    struct document *(*document_new)(const struct input_dialect *d);
    void (*document_free)(struct document *doc);
    /* The file has ended behind the last byte that was split: E_INPUT when something is open. */
    int (*document_end)(const struct document *doc, err *e);
    /*
     * The header record that split found at the file's start, as column names; NULL: this format
     * or dialect has none. Names live in the arena. `first` is the first record after skipped
     * lines; without a header (d->header false) it is called with the first data record, to count
     * its columns, and the record stays data.
     */
    int (*header)(const struct input_dialect *d, struct arena *arena, struct slice first,
                  struct columns **out, err *e);
    /* `columns` outlives the reader. NULL when memory is out. */
    struct reader *(*reader_new)(const struct input_dialect *d, const struct columns *columns);
    void (*reader_free)(struct reader *r);
    /*
     * What is parsed next lies in `bytes`, a chunk that stays as it is until the next call; or, where
     * there are none, anywhere. A NULL op: it does not matter.
     */
    void (*begin)(struct reader *r, struct slice bytes);
    /* p begins at a record's start, n > 0; the chunk ends at a record's end. */
    enum parse_verdict (*parse)(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e);

    /* Output; NULL where a format is input only. */

    /* The dialect's names outlive the writer. NULL when memory is out. */
    struct writer *(*writer_new)(const struct output_dialect *d);
    void (*writer_free)(struct writer *w);
    /*
     * Records come from a new reader from now on: to be called for each one, before its first
     * record. `origin` is that reader where tm_format_verbatim() holds, so that own bytes of its
     * records may be copied; else NULL. A NULL op: nothing to be told.
     */
    void (*verbatim)(struct writer *w, const struct reader *origin);
    /*
     * Append one record as a whole row with its line end. E_WRITE with a message on failure (what
     * was appended is cut off by the caller), E_MEMORY when memory is out.
     */
    int (*write)(struct writer *w, struct buf *out, const struct node *record, err *e);
    /* has_columns: the layout of the row written last. */
    const struct layout *(*layout)(const struct writer *w);
    /* has_columns: from now on rows have these columns; records that do not fit fail or are fitted. */
    int (*fix_columns)(struct writer *w, uint32_t n, const struct slice *names);

    /* What stands around the rows; runs where the output is put together. NULL: nothing does. */

    struct finish *(*finish_new)(const struct output_dialect *d);
    void (*finish_free)(struct finish *f);
    /* Before the first row, and also when there is none (n may then be 0). */
    int (*finish_begin)(struct finish *f, struct buf *out, uint32_t n, const struct slice *names);
    /* Whole rows; NULL: they are passed on as they are. Checks them: they come from a worker. */
    int (*finish_rows)(struct finish *f, struct buf *out, struct slice rows, err *e);
    int (*finish_end)(struct finish *f, struct buf *out);
    /*
     * has_columns: rows of layout `from` laid out anew as `to`. tm_layout_fits() has said that they
     * fit. Checks the rows: they come from a worker; E_WORKER when they are broken.
     */
    int (*relayout)(const struct output_dialect *d, struct slice rows, uint32_t from_n,
                    const struct slice *from, uint32_t to_n, const struct slice *to,
                    struct buf *out, err *e);
};

/* By name; NULL when there is none. */
const struct format *tm_format_find(struct slice name);
/* By a file's name (".gz" and ".zst" behind the extension are passed over); NULL: unknown. */
const struct format *tm_format_by_path(const char *path);
/* Row i of the list, NULL past its end. */
const struct format *tm_format_at(size_t i);

/* Are `in` and `out` one dialect of `f`, so that untouched bytes may be copied from one to the other? */
bool tm_format_verbatim(const struct format *in, const struct input_dialect *id,
                        const struct format *out, const struct output_dialect *od);

/*
 * May rows with columns `from` be written under the fixed columns `to`? The one place that judges
 * it, for writers and for whoever puts rows together, so that the message is the same:
 * E_WRITE "field 'z' is not among the output's columns (output.extra: drop leaves it out)".
 */
int tm_layout_fits(const struct output_dialect *d, uint32_t from_n, const struct slice *from,
                   uint32_t to_n, const struct slice *to, err *e);

#endif
