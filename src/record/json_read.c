/*
 * Reading of JSON: one pass over the bytes of a record that checks all of it (RFC 8259, UTF-8,
 * depth, duplicate keys; values in json_scan.c) and indexes its first level. The node and its fields
 * go to the arena and point into the text, which is the caller's. The reader keeps scratch memory
 * from record to record: what is open around a value, and the keys of the record before, whose like
 * is recognised without looking for duplicates again.
 */
#include "base/heap.h"
#include "record/json_quick.h"
#include "record/json_scan.h"

struct json_reader {
    struct json_nest nest;
    /* The keys of an earlier record, all different and without escapes, with all that stood between
       its values, of which there is one more; and the bytes of that. */
    struct known_text *known;
    uint32_t known_n, known_cap;
    uint64_t shape; /* of records that have just these */
    struct buf known_bytes;
    struct slice bytes; /* where texts come from, one behind the other; n == 0: from anywhere */
    struct json_marks marks;
    uint32_t expected; /* fields of the record before */
    uint32_t unlike;   /* records that tm_json_read_like() is to pass over, */
    uint32_t pass;     /* and how many when it fails again */
    bool of_records;   /* messages may hint at options */
    struct slice wrap;
    const char *end_name;
};

#define KNOWN_MAX    4096u /* wider records are looked through each time */
#define EXPECTED_MAX 1024u
#define SPARE_FIELDS 4u /* so that a script may add a few in place */

struct json_reader *tm_json_reader_new(uint32_t max_depth)
{
    struct json_reader *r = tm_heap_zeroed(1, sizeof *r);
    if (!r)
        return NULL;
    r->nest.max_depth = json_max_depth(max_depth);
    r->end_name = "end of line";
    r->expected = 12;
    r->nest.stack = tm_heap_new(r->nest.max_depth * sizeof *r->nest.stack);
    if (!r->nest.stack) {
        tm_heap_free(r);
        return NULL;
    }
    return r;
}

void tm_json_reader_free(struct json_reader *r)
{
    if (!r)
        return;
    tm_json_keys_release(&r->nest.keys);
    tm_json_edits_release(&r->nest.edits);
    tm_buf_release(&r->known_bytes);
    tm_heap_free(r->known);
    tm_heap_free(r->nest.stack);
    tm_heap_free(r);
}

void tm_json_reader_set(struct json_reader *r, enum duplicates duplicates, struct slice wrap,
                        const char *end_name)
{
    r->of_records = true;
    r->nest.duplicates = duplicates;
    r->wrap = wrap;
    r->end_name = end_name;
}

void tm_json_reader_begin(struct json_reader *r, struct slice bytes)
{
    r->bytes = bytes;
    tm_json_marks_begin(&r->marks, bytes);
}

/* Marks are needed of this text. */
static void mark(struct json_reader *r, struct slice text)
{
    /* Bytes that it does not lie in begin behind it, or end before it. */
    size_t at = (size_t)((uintptr_t)text.p - (uintptr_t)r->bytes.p);
    if (at > r->bytes.n || text.n > r->bytes.n - at)
        tm_json_marks_begin(&r->marks, text);
    else if (r->marks.begin != r->bytes.p || r->marks.end != r->bytes.p + r->bytes.n)
        tm_json_marks_begin(&r->marks, r->bytes);
}

/* How far the record's keys are among the known ones. */
struct match {
    uint32_t next; /* the next known key that may come */
    bool known;    /* all keys so far were known, in their order: so they all differ */
    bool respaced; /* but there was other white space around them */
    bool escaped;  /* a key was not spelt as it reads */
};

/* Is the known key number `i` at p? */
static inline bool is_known(const struct json_scan *s, uint32_t i, const char *p)
{
    struct slice key = s->r->known[i].key;
    return (size_t)(s->end - p) >= key.n + 2 && p[key.n + 1] == '"' &&
           memcmp(p + 1, key.p, key.n) == 0;
}

#define SKIPPED_KEYS 4 /* so many in a row may be missing in a known shape */

/* The key at p, which is a quote; returns what is behind the closing one. */
static const char *read_key(struct json_scan *s, struct match *match, struct field *f,
                            const char *p)
{
    bool escaped = false;
    const struct json_reader *r = s->r;
    for (uint32_t i = match->next; match->known; i++) {
        if (i >= r->known_n || i - match->next >= SKIPPED_KEYS) {
            match->known = false;
        } else if (is_known(s, i, p)) {
            match->next = i + 1;
            f->key = (struct slice){p + 1, r->known[i].key.n};
            return p + f->key.n + 2;
        }
    }
    const char *behind = tm_json_scan_string(s, p, &escaped);
    if (!behind)
        return NULL;
    f->key = tm_json_key(s->arena, p, behind, escaped);
    match->escaped |= escaped;
    return f->key.p ? behind : tm_json_no_memory(s);
}

/* The field at p, into a new slot of n; returns what is behind it. */
static const char *read_field(struct json_scan *s, struct node *n, struct match *match,
                              const char *p)
{
    if (p == s->end || *p != '"')
        return tm_json_expected(s, p, n->count ? "a key after ','" : "a key or '}'");
    struct field *f = tm_node_append(n);
    if (!f)
        return tm_json_no_memory(s);
    f->start = p;
    p = read_key(s, match, f, p);
    if (p)
        p = json_scan_colon(s, p);
    if (!p)
        return NULL;
    const char *behind = tm_json_scan_value(s, p, 1);
    if (!behind)
        return NULL;
    f->source = (struct slice){p, (size_t)(behind - p)};
    f->value = (struct value){.kind = VALUE_JSON, .text = f->source};
    return behind;
}

/*
 * Remember the keys of n, which are known to differ, and what stands between its values from `open` to
 * `close`, its brackets. Failing only costs time.
 */
static void learn(struct json_reader *r, const struct node *n, const char *open, const char *close)
{
    const struct field *f = node_fields(n);
    r->known_n = 0;
    if (n->count > KNOWN_MAX)
        return;
    if (n->count >= r->known_cap) {
        struct known_text *known = tm_heap_grow(r->known, (n->count + 1) * sizeof *known);
        if (!known)
            return;
        r->known = known;
        r->known_cap = n->count + 1;
    }
    buf_reset(&r->known_bytes);
    const char *from = open;
    for (uint32_t i = 0; i < n->count; i++) {
        buf_append(&r->known_bytes, from, (size_t)(f[i].source.p - from));
        from = f[i].source.p + f[i].source.n;
    }
    buf_append(&r->known_bytes, from, (size_t)(close + 1 - from));
    if (r->known_bytes.failed)
        return;
    const char *p = r->known_bytes.p;
    from = open;
    for (uint32_t i = 0; i < n->count; i++) {
        struct slice text = {p, (size_t)(f[i].source.p - from)};
        r->known[i] = json_known(text, (size_t)(f[i].key.p - from), f[i].key.n);
        from = f[i].source.p + f[i].source.n;
        p += text.n;
    }
    r->known[n->count] = json_known((struct slice){p, (size_t)(close + 1 - from)}, 0, 0);
    r->known_n = n->count;
    r->shape = tm_shape_new();
}

/* Are the record's keys all different, or may they be the same? p (its closing bracket), or NULL. */
static const char *check_keys(struct json_scan *s, struct node *n, const struct match *match,
                              const char *open, const char *p)
{
    struct json_reader *r = s->r;
    size_t edits = r->nest.edits.n;
    if (match->known) {
        if (match->respaced && n->count == r->known_n)
            learn(r, n, open, p);
        n->shape = n->count == r->known_n ? r->shape : 0;
        return p;
    }
    for (uint32_t i = 0; i < n->count; i++)
        if (!tm_json_keys_push(&r->nest.keys, node_fields(n)[i].key, node_fields(n)[i].start))
            return tm_json_no_memory(s);
    if (!tm_json_end_object(s, 0, p))
        return NULL;
    if (!match->escaped && r->nest.edits.n == edits)
        learn(r, n, open, p);
    return p;
}

/*
 * Fields that are as expected, into `f`: they begin at p, with what is known to stand before the first
 * value at k. Returns how many there are, `most` at the most, and *behind is what is behind the last
 * one.
 */
static inline uint32_t quick_fields(struct json_marks *m, const struct known_text *k,
                                    struct field *f, uint32_t most, const char *p, const char *end,
                                    const char **behind)
{
    const struct known_text *first = k, *none = k + most;
    if (p < m->from)
        tm_json_marks_move(m, p);
    for (size_t at = (size_t)(p - m->from);; k++, f++) {
        p = m->from + at;
        if (k == none || !json_is_known(k, p, end))
            break;
        const char *value = p + k->n;
        at += k->n;
        if (value >= m->behind) {
            tm_json_marks_move(m, value);
            at = (size_t)(value - m->from);
        }
        at = json_quick_scalar(m, (uint32_t)at);
        if (!at)
            break;
        struct slice text = {value, (size_t)(m->from + at - value)};
        f->key = (struct slice){p + k->key_at, k->key.n};
        f->start = f->key.p - 1;
        f->source = text;
        f->value.kind = VALUE_JSON;
        f->value.text = text;
    }
    /* A number may go on where digits end, or where the text does. */
    if (k > first && p < end && (*p == 'e' || *p == 'E' || json_is_digit(*p)))
        p = (--f)->source.p - (--k)->n;
    *behind = p;
    return (uint32_t)(k - first);
}

/* At p, which is the object's bracket or behind a value: what is behind the values as expected there. */
static const char *read_expected(struct json_scan *s, struct node *n, struct match *match,
                                 const char *p)
{
    const char *behind;
    const struct known_text *k = s->r->known + match->next;
    uint32_t known = s->r->known_n - match->next, room = n->cap - n->count;
    uint32_t more = quick_fields(&s->r->marks, k, node_fields(n) + n->count,
                                 known < room ? known : room, p, s->end, &behind);
    match->next += more;
    n->count += more;
    n->live = n->count;
    k += more;
    bool room_for_it = (size_t)(s->end - behind) >= k->room;
    match->respaced |= room_for_it && !json_is_known(k, behind, s->end);
    return behind;
}

/* The object at p; what is behind it. */
static const char *read_object(struct json_scan *s, const char *p, struct node *n)
{
    struct match match = {.known = s->r->known_n != 0};
    const char *begin = p;
    for (;;) {
        if (match.known)
            p = read_expected(s, n, &match, p);
        p = json_skip_space(n->count ? p : p + 1, s->end);
        if (p < s->end && *p == '}')
            break;
        if (n->count) {
            if (p == s->end || *p != ',')
                return tm_json_expected(s, p, "',' or '}' after a value");
            p = json_skip_space(p + 1, s->end);
        }
        p = read_field(s, n, &match, p);
        if (!p)
            return NULL;
    }
    p = check_keys(s, n, &match, begin, p);
    if (!p)
        return NULL;
    n->originals = n->count;
    n->assigned = ASSIGNED_NONE;
    n->source = (struct slice){begin, (size_t)(p + 1 - begin)};
    return p + 1;
}

/* Nothing but white space may follow. */
static bool at_end(struct json_scan *s, const char *p)
{
    p = json_skip_space(p, s->end);
    if (p < s->end)
        tm_json_expected(s, p, s->end_name);
    return p == s->end;
}

static const char *kind_name(char first)
{
    switch (first) {
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return "a number";
    }
}

/* A valid value that is no record: wrapped as one, or a failure that has no place to point at. */
static struct node *read_other(struct json_scan *s, const char *p)
{
    struct json_reader *r = s->r;
    const char *behind = tm_json_scan_value(s, p, r->wrap.n ? 1 : 0);
    if (!behind || !at_end(s, behind))
        return NULL;
    if (!r->wrap.n) {
        tm_json_fail(s, s->begin, "the record is %s, not an object%s", kind_name(*p),
                     s->of_records ? " (input.wrap can name a field for it)" : "");
        if (s->where)
            *s->where = SIZE_MAX;
        return NULL;
    }
    struct slice text = {p, (size_t)(behind - p)};
    if (r->nest.edits.n)
        text = tm_json_edits_apply(&r->nest.edits, s->arena, text);
    struct node *n = text.p ? tm_node_new(s->arena, NODE_OBJECT, 1 + SPARE_FIELDS) : NULL;
    if (!n) {
        tm_json_no_memory(s);
        return NULL;
    }
    struct field *f = tm_node_append(n);
    f->key = r->wrap;
    f->value = (struct value){.kind = VALUE_JSON, .text = text};
    n->originals = 1;
    return n;
}

static struct json_scan start(struct json_reader *r, struct arena *arena, struct slice text,
                              size_t *where, err *e)
{
    r->nest.keys.n = 0;
    r->nest.edits.n = 0;
    if (!text.p)
        text.p = "";
    mark(r, text);
    return (struct json_scan){
        .r = r,
        .nest = &r->nest,
        .arena = arena,
        .begin = text.p,
        .end = text.p + text.n,
        .end_name = r->end_name,
        .of_records = r->of_records,
        .where = where,
        .e = e,
    };
}

/* The object at p, and what is behind it. NULL: s->status says why. */
static struct node *read_record(struct json_scan *s, const char *p, const char **behind)
{
    struct json_reader *r = s->r;
    uint32_t expected = r->expected < EXPECTED_MAX ? r->expected : EXPECTED_MAX;
    struct node *n = tm_node_new(s->arena, NODE_OBJECT, expected + SPARE_FIELDS);
    if (!n) {
        tm_json_no_memory(s);
        return NULL;
    }
    p = read_object(s, p, n);
    if (!p)
        return NULL;
    r->expected = n->count;
    *behind = p;
    return n;
}

/* The record again, from a text of its own that has no duplicate keys any more. */
static struct node *read_edited(struct json_scan *s, struct slice source)
{
    struct json_scan again = *s;
    const char *behind;
    source = tm_json_edits_apply(&s->r->nest.edits, s->arena, source);
    if (!source.p) {
        tm_json_no_memory(s);
        return NULL;
    }
    again.begin = source.p;
    again.end = source.p + source.n;
    mark(s->r, source);
    struct node *n = read_record(&again, again.begin, &behind);
    s->status = again.status;
    return n;
}

int tm_json_read(struct json_reader *r, struct arena *arena, struct slice text, struct node **out,
                 size_t *where, err *e)
{
    struct json_scan s = start(r, arena, text, where, e);
    const char *behind = NULL, *p = json_skip_space(s.begin, s.end);
    bool object = p < s.end && *p == '{';
    struct node *n = object ? read_record(&s, p, &behind) : read_other(&s, p);
    if (n && object && !at_end(&s, behind))
        n = NULL;
    if (n && r->nest.edits.n)
        n = read_edited(&s, n->source);
    if (n)
        *out = n;
    return s.status;
}

/* Where no records are alike, no more than one in so many is tried. */
#define PASS_MAX 31

/* A record that is not like the one before: the next ones are not tried. */
static struct node *pass_some(struct json_reader *r)
{
    r->unlike = r->pass;
    r->pass = r->pass < PASS_MAX ? 2 * r->pass + 1 : PASS_MAX;
    return NULL;
}

struct node *tm_json_read_like(struct json_reader *r, struct arena *arena, const char *p,
                               const char *end, const char **behind)
{
    const char *close = p;
    if (r->unlike) {
        r->unlike--;
        return NULL;
    }
    struct node *n = NULL;
    if (r->known_n)
        n = tm_node_new(arena, NODE_OBJECT, r->known_n + SPARE_FIELDS);
    if (!n)
        return pass_some(r);
    mark(r, (struct slice){p, (size_t)(end - p)});
    const struct known_text *last = r->known + r->known_n;
    if (quick_fields(&r->marks, r->known, node_fields(n), r->known_n, p, end, &close) !=
            r->known_n ||
        !json_is_known(last, close, end))
        return pass_some(r);
    r->pass = 0;
    n->count = n->live = n->originals = r->known_n;
    n->shape = r->shape;
    n->assigned = ASSIGNED_NONE;
    *behind = close + last->n;
    n->source = (struct slice){p, (size_t)(*behind - p)};
    return n;
}

int tm_json_read_first(struct json_reader *r, struct arena *arena, struct slice text,
                       size_t *length, struct node **out)
{
    struct json_scan s = start(r, arena, text, NULL, NULL);
    const char *behind = NULL;
    struct node *n = read_record(&s, s.begin, &behind);
    if (n && r->nest.edits.n)
        n = read_edited(&s, n->source);
    if (!n)
        return s.status;
    *length = (size_t)(behind - s.begin);
    *out = n;
    return TIDEMILL_OK;
}

int tm_json_read_value(struct json_reader *r, struct arena *arena, struct slice text,
                       struct value *out, size_t *where, err *e)
{
    struct json_scan s = start(r, arena, text, where, e);
    s.end_name = "end of text";
    s.of_records = false;
    const char *p = json_skip_space(s.begin, s.end);
    const char *behind = tm_json_scan_value(&s, p, 0);
    if (!behind || !at_end(&s, behind))
        return s.status;
    if (tm_json_decode(arena, (struct slice){p, (size_t)(behind - p)}, NULL, out) != TIDEMILL_OK)
        return tm_err_memory(e, "a value");
    return TIDEMILL_OK;
}
