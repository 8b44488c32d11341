/*
 * The state of one pass over JSON text, shared by json_read.c (records), json_scan.c (values),
 * json_keys.c and json_unique.c (duplicate keys) and json_error.c (what to say when it ends early).
 * For src/record, and for the format that reads what stands around records piece by piece.
 */
#ifndef TM_RECORD_JSON_SCAN_H
#define TM_RECORD_JSON_SCAN_H

#include "record/json.h"
#include "record/json_text.h"

/* Names of the objects that are open, and a hash table for those that have many. */
struct json_key {
    struct slice name; /* decoded */
    const char *at;    /* its opening quote, for the message */
};

struct json_keys {
    struct json_key *list;
    size_t n, cap;
    uint32_t *table; /* index + 1, or 0 */
    size_t table_cap;
};

void tm_json_keys_release(struct json_keys *k);
/* False when memory is out. */
bool tm_json_keys_push(struct json_keys *k, struct slice name, const char *at);
/*
 * Are the names from `base` on all different? Takes them off the list. On false *twice is one that
 * was there before; its name is NULL when memory ran out. The time is O(bytes) for all names that
 * people write, and O(bytes log n) for whatever an attacker can write.
 */
bool tm_json_keys_differ(struct json_keys *k, size_t base, struct json_key *twice);

/*
 * What is to be done to a record's text to rid it of duplicate keys: instead of its bytes from `at`
 * to `end` stands `put`, which is text of the record itself if `inside`, and then has edits as well.
 */
struct json_edit {
    const char *at, *end;
    struct slice put;
    bool inside;
};

struct json_edits {
    struct json_edit *list;
    size_t n, cap;
};

void tm_json_edits_release(struct json_edits *x);
/*
 * An object that has duplicates, with all its keys (which are sorted here) and the place of its
 * closing bracket; valid text only. False when memory is out.
 */
bool tm_json_edits_add(struct json_edits *x, struct arena *arena, enum duplicates duplicates,
                       struct json_key *keys, size_t n, const char *close);
/* The text with all edits done, which are forgotten, in the arena. p NULL: memory is out. */
struct slice tm_json_edits_apply(struct json_edits *x, struct arena *arena, struct slice text);

struct json_bracket {
    bool object;
    size_t keys; /* where its names begin in the list */
};

/* What is open around a value; scratch memory that is kept from record to record. */
struct json_nest {
    uint32_t max_depth;
    struct json_bracket *stack; /* max_depth of them */
    struct json_keys keys;
    enum duplicates duplicates;
    struct json_edits edits; /* of the record at hand, where duplicates are allowed */
};

struct json_scan {
    struct json_reader *r;
    struct json_nest *nest;
    struct arena *arena;
    const char *begin, *end;
    const char *end_name; /* what messages call the end of the text */
    bool of_records;      /* messages may hint at the options for records */
    size_t *where;
    err *e;
    int status; /* set on failure */
};

/*
 * The ways to fail: the message goes to s->e, the place to *s->where, the status to s->status.
 * All return NULL.
 */
const char *tm_json_fail(struct json_scan *s, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* "expected WHAT, got" and a description of the bytes at `at`, with a hint for usual mistakes. */
const char *tm_json_expected(struct json_scan *s, const char *at, const char *what)
    __attribute__((cold));
/* A string that began at `quote` and breaks at `at`: it ends there or has a control character. */
const char *tm_json_bad_string(struct json_scan *s, const char *quote, const char *at)
    __attribute__((cold));
const char *tm_json_twice(struct json_scan *s, const struct json_key *twice) __attribute__((cold));
const char *tm_json_no_memory(struct json_scan *s) __attribute__((cold));

/* The escape whose backslash is at p, validated: what is behind it. Nothing but s->end limits it. */
const char *tm_json_scan_escape(struct json_scan *s, const char *p);
/* The string that begins at `quote`: what is behind it. *escaped becomes true if it has an escape. */
const char *tm_json_scan_string(struct json_scan *s, const char *quote, bool *escaped);
/* The value at p, with all that is in it; `outside` brackets are open around it. */
const char *tm_json_scan_value(struct json_scan *s, const char *p, uint32_t outside);
/*
 * The object whose names begin at `base` in the list ends at `close`: they all differ, or are allowed
 * not to. False: they do not, or memory is out.
 */
bool tm_json_end_object(struct json_scan *s, size_t base, const char *close);

/* Over the colon behind a key, to the value. */
static inline const char *json_scan_colon(struct json_scan *s, const char *p)
{
    p = json_skip_space(p, s->end);
    if (p == s->end || *p != ':')
        return tm_json_expected(s, p, "':' after a key");
    return json_skip_space(p + 1, s->end);
}

#endif
