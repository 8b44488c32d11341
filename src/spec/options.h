/*
 * THE table: one row an option. All that knows options walks it: the YAML loader, key=value
 * settings, packing for workers, help, the JSON Schema.
 *
 * A value enters as text, through tm_option_parse(), and leaves as text that parses to the same
 * value, through tm_option_print(). What the types mean is told in kinds.c.
 */
#ifndef TM_SPEC_OPTIONS_H
#define TM_SPEC_OPTIONS_H

#include "spec/spec.h"

enum option_type {
    OPTION_BOOL,          /* bool */
    OPTION_COUNT,         /* uint32_t or uint64_t */
    OPTION_SIZE,          /* uint64_t, bytes */
    OPTION_DURATION,      /* uint64_t, nanoseconds */
    OPTION_CHOICE,        /* int: the value of one of the words */
    OPTION_INPUT_FORMAT,  /* char *: the name of a format that can be read */
    OPTION_OUTPUT_FORMAT, /* char *: the name of a format that can be written */
    OPTION_BYTE,          /* char *: one ASCII character, "" for the word `none` */
    OPTION_STRING,        /* char * */
    OPTION_CODE,          /* char *: Lua, taken as it is */
    OPTION_PATH,          /* char * */
    OPTION_PATHS,         /* struct spec_list: glob patterns, `\` escapes */
    OPTION_STRINGS,       /* struct spec_list */
    OPTION_TYPES,         /* struct spec_types */
    OPTION_PARAMS,        /* char *: a JSON object */
    OPTION_TYPES_N
};

/* A word that a value may be, and what it stands for. Lists end with a NULL name. */
struct option_word {
    const char *name;
    uint64_t value;
};

struct option {
    const char *key; /* dotted, one dot at most */
    enum option_type type;
    size_t offset, width;            /* of the field in struct spec_values */
    const char *fallback;            /* the default, as text */
    const char *absent;              /* char * fields: the text that stands for NULL; or NULL */
    const struct option_word *words; /* or NULL */
    uint64_t min, max;               /* of numbers; words lie outside */
    const char *accepts;             /* words and range as people read them; a test holds it true */
    const char *help;                /* one sentence */
};

extern const struct option tm_options[];
extern const size_t tm_options_n;

/* The row with this key, or NULL. */
const struct option *tm_option_find(struct slice key);
/* The part of a key before its dot; empty when there is none. */
struct slice tm_option_section_of(struct slice key);
/* Is `name` the section of some row? */
bool tm_option_section(struct slice name);

/* What YAML nodes a type can be made from. */
enum { TAKES_SCALAR = 1, TAKES_LIST = 2, TAKES_MAP = 4 };

struct option_kind {
    const char *name;     /* "size" */
    const char *expected; /* "a size such as 256KiB"; NULL: one of the words */
    unsigned takes;
    bool expands;       /* ${NAME} is replaced in a job file */
    bool empty;         /* "" may be given in a job file */
    const char *schema; /* the JSON Schema of a value; NULL: made from the row */
    int (*parse)(const struct option *o, void *field, struct slice text, struct arena *a, err *e);
    void (*print)(const struct option *o, const void *field, struct buf *out);
};

extern const struct option_kind tm_option_kinds[OPTION_TYPES_N];

/*
 * Text to the option's field, memory from the arena. E_SPEC with a message that names neither key
 * nor place ("expected true or false, got 'no'"), E_MEMORY; the field is then as before.
 */
int tm_option_parse(const struct option *o, struct spec_values *v, struct slice text,
                    struct arena *a, err *e);
void tm_option_print(const struct option *o, const struct spec_values *v, struct buf *out);

/* "expected WHAT, got GOT"; `got` is put in as it is. */
int tm_option_expected(const struct option *o, const char *got, err *e);

/* Storage, for those that have something better than text. */
static inline void *option_field(const struct option *o, struct spec_values *v)
{
    return (char *)v + o->offset;
}
static inline const void *option_peek(const struct option *o, const struct spec_values *v)
{
    return (const char *)v + o->offset;
}

/* A terminated copy in the arena; E_SPEC when there is a NUL inside. */
int tm_string_copy(struct arena *a, struct slice text, char **out, err *e);

/* A text of a message: cut to a length that can be read. */
struct slice tm_shown(struct slice text);

#endif
