/*
 * A job as data: every option's value, read from YAML and from key=value settings through the one
 * option table. What flows in is text with places; what flows out is this struct and, when
 * something is wrong, a list of problems.
 */
#ifndef TM_SPEC_SPEC_H
#define TM_SPEC_SPEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum spec_policy { POLICY_FAIL, POLICY_SKIP, POLICY_QUARANTINE };
enum spec_isolation { ISOLATION_FORK, ISOLATION_EXEC };
enum spec_header { HEADER_AUTO, HEADER_TRUE, HEADER_FALSE };
enum spec_null { NULL_VALUE, NULL_NIL };

#define SPEC_UNLIMITED UINT64_MAX

struct spec_list {
    size_t n;
    char **items; /* NUL-terminated, none NULL */
};

/* `input.types`: `auto`, `text`, or a mapping of column to `auto` or `text`. */
struct spec_types {
    bool all_text;
    size_t n;
    char **names;
    bool *text;
};

/*
 * Values as the options say, defaults filled in. Strings are NULL where "not given" differs from
 * empty. All memory is the spec's.
 */
struct spec_values {
    struct {
        struct spec_list
            path;        /* as in the file, made relative to the working directory; default "-" */
        char *format;    /* NULL: from the path */
        int compression; /* enums of format.h */
        int encoding, on_invalid;
        uint64_t skip;
        char *at;   /* "": the document itself */
        char *wrap; /* "": none */
        bool unflatten;
        char *separator;
        char *delimiter; /* NULL: the format's; else one byte, "\t" spelt tab or \t */
        char *quote;     /* NULL: the format's; "" none; else one byte */
        bool header;
        char *comment; /* "" none */
        int ragged;    /* enum ragged */
        int duplicates;
        bool lazy_quotes;
        struct spec_types types;
        int null; /* enum spec_null */
    } input;
    struct {
        char *script;        /* path; NULL when not given */
        char *inline_text;   /* NULL when not given */
        char *each;          /* NULL when not given */
        char *params;        /* a JSON object, "{}" when none */
        uint64_t batch;      /* 0: records one by one */
        uint64_t batch_wait; /* ns, 0: none */
    } transform;
    struct {
        char *path;   /* default "-" */
        char *format; /* NULL: from the path, else the input's */
        char *delimiter;
        char *quote;
        int header; /* enum spec_header */
        struct spec_list columns;
        int extra, missing, nested; /* enums of format.h */
        char *separator;
        bool escape_formulas;
        int compression;
    } output;
    uint32_t workers; /* 0: auto */
    uint64_t chunk;   /* bytes */
    struct {
        int policy;       /* enum spec_policy */
        char *quarantine; /* path, NULL when not given */
        uint64_t max;     /* SPEC_UNLIMITED */
    } errors;
    struct {
        uint64_t record_time; /* ns, SPEC_UNLIMITED: none */
        uint64_t setup_time;  /* likewise; of setup, and of teardown */
        uint64_t memory;      /* bytes, SPEC_UNLIMITED: none */
        uint64_t record_size, result_size;
        uint32_t depth;
    } limits;
    int isolation;
    char *worker_program; /* path; NULL when not given */
    uint64_t seed;
};

/* Where in the job file an option was given, counted from 1; line 0: it was not. */
struct spec_place {
    uint64_t line, column;
};

struct spec {
    struct spec_values values;
    struct arena arena;        /* owns every string in values */
    char *file;                /* the job file's name as given, or NULL */
    bool is_file;              /* and it was read from there */
    uint32_t inline_line;      /* line of the job file where transform.inline's text begins, or 0 */
    bool inline_exact;         /* a literal block: its lines are the job file's lines */
    struct spec_place *places; /* one a row of the option table */
    size_t problems_n;
    err *problems;      /* malloc'ed, in the order of their places */
    bool out_of_memory; /* sticks while a file is read or options are checked */
    struct buf scratch; /* of tm_spec_get */
};

/* All defaults. E_MEMORY. */
int tm_spec_init(struct spec *s);
void tm_spec_release(struct spec *s);

/*
 * Read YAML (at most 1 MiB). All mistakes become problems; the first is in err as well.
 * `name` is the file's name for messages; paths are relative to its folder.
 */
int tm_spec_parse(struct spec *s, struct slice text, const char *name, err *e);
int tm_spec_load(struct spec *s, const char *path, err *e);

/*
 * One option by dotted key; `transform.params.NAME...` sets one parameter (JSON, or else a string).
 * A list is one item, or a JSON array of strings. Fails without having changed anything.
 */
int tm_spec_set(struct spec *s, const char *key, const char *value, err *e);

/* The value in force as tm_spec_set would take it; valid until the next call; NULL: no such key. */
const char *tm_spec_get(struct spec *s, const char *key);

/*
 * Options against each other (script or inline or each, quarantine needs a path, ...). Problems as
 * above.
 */
int tm_spec_check(struct spec *s, err *e);

/* Give an error about an option the place where the job file has it; none when it was set. */
void tm_spec_locate(const struct spec *s, const char *key, err *e);

/*
 * All values for another process, and back. `e` is E_WORKER when the bytes are not what pack wrote.
 */
void tm_spec_pack(const struct spec *s, struct buf *out);
int tm_spec_unpack(struct spec *s, struct cursor *in, err *e);

#endif
