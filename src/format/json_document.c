/*
 * The machine that reads a JSON document around its records. It has one step a state; a step looks at
 * the byte at hand, or at an atom of a few bytes that may need more than is there, and moves on or
 * changes nothing. There is no recursion: which brackets are open is a bit each.
 */
#include "format/json_document.h"

#include "base/heap.h"
#include "base/utf8.h"
#include "format/encoding.h"
#include "format/json_pointer.h"
#include "record/json_scan.h"
#include "record/json_text.h"

enum stage {
    BEFORE, /* the array of records */
    RECORDS,
    BEHIND,
};

/* What comes next; the first three groups have white space before them. */
enum state {
    FIRST_VALUE, /* of an array */
    VALUE,
    FIRST_KEY,
    KEY,
    COLON,
    COMMA,
    END,
    STRING, /* its rest */
    NUMBER,
};

/* What a number has come to. RFC 8259 section 6. */
enum number { MINUS, ZERO, DIGITS, POINT, FRACTION, E, SIGN, EXPONENT, NOWHERE };

struct document {
    struct input_dialect dialect;
    struct json_pointer at;
    enum stage stage;
    enum state state;
    enum number number;
    uint32_t depth, max_depth;
    uint64_t *objects; /* a bit for each open bracket: is it an object's? */
    uint32_t on_path;  /* open brackets, from the outermost, that input.at leads through */
    bool match;        /* the value that comes is where it leads on */
    uint64_t elements; /* of the innermost array that it leads through, up to the one at hand */
    uint64_t column;   /* bytes of the line before those at hand */
    bool is_key;       /* the string at hand */
    bool compared;     /* this key, with the part of input.at: */
    bool same;         /* as far as it was read, and so far it was: */
    size_t seen;
};

/* The bytes at hand. Steps move scan.begin. */
struct window {
    struct json_scan scan;
    bool final;
};

enum step { STEP_ON, STEP_MORE, STEP_ELEMENT, STEP_BROKEN };

/* So many bytes are enough to judge an atom (a \u pair is the longest) and to describe what is wrong. */
#define ATOM 32
/* So much of an object is looked at for arrays. What is not a record may be held back for as long. */
#define LOOK 4096

struct document *tm_json_document_new(const struct input_dialect *d)
{
    struct document *doc = tm_heap_zeroed(1, sizeof *doc);
    if (!doc)
        return NULL;
    doc->dialect = *d;
    doc->max_depth = json_max_depth(d->max_depth);
    doc->state = VALUE;
    doc->match = true;
    doc->objects = tm_heap_zeroed(doc->max_depth / 64 + 1, sizeof *doc->objects);
    if (!doc->objects || !tm_json_pointer_init(&doc->at, d->at)) {
        tm_json_document_free(doc);
        return NULL;
    }
    return doc;
}

void tm_json_document_free(struct document *doc)
{
    if (!doc)
        return;
    tm_json_pointer_release(&doc->at);
    tm_heap_free(doc->objects);
    tm_heap_free(doc);
}

/* ---- breaking ---- */

/* Are there too few bytes to say what is wrong? The message must not depend on how bytes are cut. */
static bool too_few(const struct window *w, size_t wanted)
{
    return !w->final && (size_t)(w->scan.end - w->scan.begin) < wanted;
}

/* The scan has failed with a message, as records fail; around records it is the input that does. */
static enum step broken(const struct window *w)
{
    if (w->scan.e)
        w->scan.e->status = TIDEMILL_E_INPUT;
    return STEP_BROKEN;
}

static enum step unexpected(struct window *w, const char *wanted)
{
    if (too_few(w, ATOM))
        return STEP_MORE;
    tm_json_expected(&w->scan, w->scan.begin, wanted);
    return broken(w);
}

static bool in_object(const struct document *doc)
{
    uint32_t i = doc->depth - 1;
    return doc->depth && (doc->objects[i / 64] >> i % 64 & 1);
}

static const char *wanted(const struct document *doc)
{
    static const char *const words[] = {
        [FIRST_VALUE] = "a value or ']'", [VALUE] = "a value",
        [FIRST_KEY] = "a key or '}'",     [KEY] = "a key after ','",
        [COLON] = "':' after a key",      [END] = "the end of the file",
    };
    if (doc->state == COMMA && doc->stage == RECORDS)
        return "',' or ']' after a record";
    if (doc->state == COMMA)
        return in_object(doc) ? "',' or '}' after a value" : "',' or ']' after a value";
    if (doc->stage == RECORDS)
        return doc->state == VALUE ? "a record after ','" : "a record or ']'";
    if (doc->depth == 0 && doc->state == VALUE)
        return doc->at.n ? "a document with an array of records" : "an array of records";
    return words[doc->state];
}

/* ---- brackets ---- */

static enum step open_bracket(struct document *doc, struct window *w)
{
    bool object = *w->scan.begin == '{';
    uint64_t bit = (uint64_t)1 << doc->depth % 64;
    if (doc->depth == doc->max_depth) {
        tm_json_fail(&w->scan, w->scan.begin, "nested deeper than %u levels (limits.depth)",
                     doc->depth);
        return broken(w);
    }
    doc->objects[doc->depth / 64] &= ~bit;
    doc->objects[doc->depth / 64] |= object ? bit : 0;
    doc->depth++;
    doc->match = false;
    doc->state = object ? FIRST_KEY : FIRST_VALUE;
    w->scan.begin++;
    return STEP_ON;
}

static enum step close_bracket(struct document *doc, struct window *w)
{
    if (doc->stage == BEFORE && doc->depth == doc->on_path) {
        uint64_t elements = doc->elements + (doc->state == COMMA);
        tm_json_pointer_missing(&doc->at, doc->depth - 1, in_object(doc), elements, w->scan.e);
        return STEP_BROKEN;
    }
    if (doc->stage == RECORDS)
        doc->stage = BEHIND;
    doc->depth--;
    if (doc->on_path > doc->depth)
        doc->on_path = doc->depth;
    doc->state = doc->depth ? COMMA : END;
    w->scan.begin++;
    return STEP_ON;
}

/* ---- the way to the array ---- */

static const struct pointer_part *next_part(const struct document *doc)
{
    return &doc->at.parts[doc->depth - 1];
}

static const char *kind_of(char c)
{
    switch (c) {
    case '{':
        return "an object";
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
        return c == '-' || (c >= '0' && c <= '9') ? "a number" : NULL;
    }
}

/* The value at hand is where input.at leads on, or to: it cannot be so. */
static enum step no_way(struct document *doc, struct window *w)
{
    const char *kind = kind_of(*w->scan.begin);
    size_t left = (size_t)(w->scan.end - w->scan.begin);
    if (!kind || (doc->at.n == 0 && *w->scan.begin != '{'))
        return unexpected(w, wanted(doc));
    if (doc->at.n) {
        tm_json_pointer_no_way(&doc->at, doc->depth, kind, w->scan.e);
        return STEP_BROKEN;
    }
    if (too_few(w, LOOK))
        return STEP_MORE;
    tm_json_pointer_wanted((struct slice){w->scan.begin, left < LOOK ? left : LOOK}, w->scan.e);
    return STEP_BROKEN;
}

static enum step path_value(struct document *doc, struct window *w)
{
    char c = *w->scan.begin;
    bool there = doc->depth == doc->at.n;
    bool way = there ? c == '['
                     : c == '{' || (c == '[' && doc->at.parts[doc->depth].index != UINT64_MAX);
    if (!way)
        return no_way(doc, w);
    enum step step = open_bracket(doc, w);
    if (step != STEP_ON)
        return step;
    if (there) {
        doc->stage = RECORDS;
        return STEP_ON;
    }
    doc->on_path = doc->depth;
    doc->elements = 0;
    doc->match = c == '[' && next_part(doc)->index == 0;
    return STEP_ON;
}

/* ---- values ---- */

static enum step literal(struct document *doc, struct window *w)
{
    static const struct slice words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    size_t left = (size_t)(w->scan.end - w->scan.begin);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (left < words[i].n || memcmp(w->scan.begin, words[i].p, words[i].n) != 0)
            continue;
        w->scan.begin += words[i].n;
        doc->state = COMMA;
        return STEP_ON;
    }
    return unexpected(w, wanted(doc));
}

static enum step value(struct document *doc, struct window *w)
{
    char c = *w->scan.begin;
    if (doc->state == FIRST_VALUE && c == ']')
        return close_bracket(doc, w);
    if (doc->stage == RECORDS)
        return c == ',' || c == ':' || c == ']' || c == '}' ? unexpected(w, wanted(doc))
                                                            : STEP_ELEMENT;
    if (doc->match)
        return path_value(doc, w);
    if (c == '{' || c == '[')
        return open_bracket(doc, w);
    if (c == '"') {
        doc->state = STRING;
        doc->is_key = false;
        w->scan.begin++;
        return STEP_ON;
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        doc->state = NUMBER;
        doc->number = c == '-' ? MINUS : c == '0' ? ZERO : DIGITS;
        w->scan.begin++;
        return STEP_ON;
    }
    return literal(doc, w);
}

static enum step key(struct document *doc, struct window *w)
{
    char c = *w->scan.begin;
    if (c == '}' && doc->state == FIRST_KEY)
        return close_bracket(doc, w);
    if (c != '"')
        return unexpected(w, wanted(doc));
    doc->state = STRING;
    doc->is_key = true;
    doc->compared = doc->depth && doc->depth == doc->on_path;
    doc->same = true;
    doc->seen = 0;
    w->scan.begin++;
    return STEP_ON;
}

static enum step colon(struct document *doc, struct window *w)
{
    if (*w->scan.begin != ':')
        return unexpected(w, wanted(doc));
    doc->state = VALUE;
    w->scan.begin++;
    return STEP_ON;
}

static enum step comma(struct document *doc, struct window *w)
{
    char c = *w->scan.begin;
    bool object = in_object(doc);
    if (c == (object ? '}' : ']'))
        return close_bracket(doc, w);
    if (c != ',')
        return unexpected(w, wanted(doc));
    doc->state = object ? KEY : VALUE;
    if (!object && doc->stage == BEFORE && doc->depth == doc->on_path)
        doc->match = ++doc->elements == next_part(doc)->index;
    w->scan.begin++;
    return STEP_ON;
}

static enum step end(struct document *doc, struct window *w)
{
    return unexpected(w, wanted(doc));
}

/* ---- strings ---- */

/* `text` is the next piece of a key: does it read as the part of input.at does? */
static void compare(struct document *doc, struct slice text)
{
    struct slice name = next_part(doc)->name;
    if (doc->same && text.n <= name.n - doc->seen &&
        memcmp(name.p + doc->seen, text.p, text.n) == 0)
        doc->seen += text.n;
    else
        doc->same = false;
}

/* The same, for bytes that are not UTF-8 yet, one at a time. */
static void compare_foreign(struct document *doc, struct slice bytes)
{
    struct buf text;
    tm_buf_init(&text);
    tm_encoding_decode(&doc->dialect, bytes, &text);
    if (text.failed)
        doc->same = false;
    else
        compare(doc, buf_view(&text));
    tm_buf_release(&text);
}

/* A byte that UTF-8 does not have is at hand, or the beginning of a character. */
static enum step beyond_utf8(struct document *doc, struct window *w)
{
    struct slice byte = {w->scan.begin, 1};
    if (doc->dialect.encoding == ENCODING_BYTES ||
        (doc->dialect.encoding == ENCODING_UTF8 && doc->dialect.on_invalid == INVALID_ERROR)) {
        if (too_few(w, 4))
            return STEP_MORE;
        tm_json_fail(&w->scan, byte.p, "invalid UTF-8 in a string (byte 0x%02x)",
                     (unsigned char)*byte.p);
        return broken(w);
    }
    if (doc->dialect.encoding == ENCODING_UTF8 && too_few(w, 4))
        return STEP_MORE;
    if (doc->dialect.encoding != ENCODING_UTF8 &&
        tm_encoding_check(&doc->dialect, byte, NULL) != TIDEMILL_OK) {
        tm_json_fail(&w->scan, byte.p, "byte 0x%02x is not windows-1252 (input.encoding)",
                     (unsigned char)*byte.p);
        return broken(w);
    }
    if (doc->is_key && doc->compared)
        compare_foreign(doc, byte);
    w->scan.begin++;
    return STEP_ON;
}

static enum step end_string(struct document *doc, struct window *w)
{
    if (!doc->is_key) {
        doc->state = COMMA;
    } else {
        bool found = doc->compared && doc->same && doc->seen == next_part(doc)->name.n;
        if (found && doc->stage == BEHIND) {
            tm_json_pointer_twice(&doc->at, doc->depth - 1, w->scan.e);
            return STEP_BROKEN;
        }
        doc->match = found;
        doc->state = COLON;
    }
    w->scan.begin++;
    return STEP_ON;
}

static enum step escape(struct document *doc, struct window *w)
{
    char text[12];
    const char *p = w->scan.begin;
    if (too_few(w, ATOM))
        return STEP_MORE;
    const char *behind = tm_json_scan_escape(&w->scan, p);
    if (!behind)
        return broken(w);
    if (doc->is_key && doc->compared) {
        size_t n = tm_json_unescape(text, (struct slice){p, (size_t)(behind - p)});
        compare(doc, (struct slice){text, n});
    }
    w->scan.begin = behind;
    return STEP_ON;
}

/* How much of `run` can be taken as it is. */
static size_t plain_run(const struct document *doc, struct slice run)
{
    if (doc->dialect.encoding == ENCODING_BYTES || doc->dialect.encoding == ENCODING_UTF8)
        return tm_utf8_check(run);
    size_t n = 0;
    while (n < run.n && (unsigned char)run.p[n] < 0x80)
        n++;
    return n;
}

static enum step string(struct document *doc, struct window *w)
{
    bool high = false;
    const char *p = w->scan.begin;
    struct slice run = {p, (size_t)(json_find_special(p, w->scan.end, &high) - p)};
    if (high)
        run.n = plain_run(doc, run);
    if (run.n) {
        if (doc->is_key && doc->compared)
            compare(doc, run);
        w->scan.begin += run.n;
        return STEP_ON;
    }
    if (*p == '"')
        return end_string(doc, w);
    if (*p == '\\')
        return escape(doc, w);
    if ((unsigned char)*p >= 0x80)
        return beyond_utf8(doc, w);
    tm_json_bad_string(&w->scan, p, p);
    return broken(w);
}

/* ---- numbers ---- */

static const struct {
    uint8_t digit, point, exponent, sign; /* what each leads to */
    const char *wanted;                   /* NULL: the number may end */
} numbers[] = {
    [MINUS] = {DIGITS, NOWHERE, NOWHERE, NOWHERE, "a digit after '-'"},
    [ZERO] = {NOWHERE, POINT, E, NOWHERE, NULL},
    [DIGITS] = {DIGITS, POINT, E, NOWHERE, NULL},
    [POINT] = {FRACTION, NOWHERE, NOWHERE, NOWHERE, "a digit after '.'"},
    [FRACTION] = {FRACTION, NOWHERE, E, NOWHERE, NULL},
    [E] = {EXPONENT, NOWHERE, NOWHERE, SIGN, "a digit in an exponent"},
    [SIGN] = {EXPONENT, NOWHERE, NOWHERE, NOWHERE, "a digit in an exponent"},
    [EXPONENT] = {EXPONENT, NOWHERE, NOWHERE, NOWHERE, NULL},
};

static enum step number(struct document *doc, struct window *w)
{
    char c = *w->scan.begin;
    uint8_t next = NOWHERE;
    bool digit = c >= '0' && c <= '9';
    if (digit)
        next = numbers[doc->number].digit;
    else if (c == '.')
        next = numbers[doc->number].point;
    else if (c == 'e' || c == 'E')
        next = numbers[doc->number].exponent;
    else if (c == '+' || c == '-')
        next = numbers[doc->number].sign;
    if (doc->number == MINUS && c == '0')
        next = ZERO;
    if (next != NOWHERE) {
        doc->number = next;
        w->scan.begin++;
        return STEP_ON;
    }
    if (numbers[doc->number].wanted)
        return unexpected(w, numbers[doc->number].wanted);
    if (digit) {
        tm_json_fail(&w->scan, w->scan.begin, "a number begins with a needless 0");
        return broken(w);
    }
    doc->state = COMMA;
    return STEP_ON;
}

/* ---- the whole ---- */

static enum step (*const steps[])(struct document *, struct window *) = {
    [FIRST_VALUE] = value, [VALUE] = value, [FIRST_KEY] = key, [KEY] = key,       [COLON] = colon,
    [COMMA] = comma,       [END] = end,     [STRING] = string, [NUMBER] = number,
};

/* The bytes at p are behind us. */
static void advance(struct document *doc, const char *p, const struct extent *x)
{
    const char *feed = x->lines ? memrchr(p, '\n', x->length) : NULL;
    doc->column = feed ? (uint64_t)(p + x->length - feed) - 1 : doc->column + x->length;
}

enum document_next tm_json_document_pass(struct document *doc, const char *p, size_t n, bool final,
                                         struct extent *out, err *e)
{
    static const enum document_next answers[] = {[STEP_MORE] = DOCUMENT_MORE,
                                                 [STEP_ELEMENT] = DOCUMENT_ELEMENT,
                                                 [STEP_BROKEN] = DOCUMENT_BROKEN};
    struct window w = {{.end = p + n, .end_name = "the end of the file"}, final};
    enum step step = STEP_ON;
    w.scan.begin = p;
    while (step == STEP_ON && w.scan.begin < w.scan.end) {
        if (doc->state < STRING)
            w.scan.begin = json_skip_space(w.scan.begin, w.scan.end);
        if (w.scan.begin == w.scan.end)
            break;
        /* A mistake is told when it is all that is left: behind what was passed. */
        w.scan.e = w.scan.begin == p ? e : NULL;
        step = steps[doc->state](doc, &w);
    }
    if (w.scan.begin == p) {
        if (step == STEP_BROKEN && e)
            e->column = doc->column + 1;
        return answers[step];
    }
    *out = (struct extent){.length = (size_t)(w.scan.begin - p),
                           .lines = json_count_lines(p, w.scan.begin)};
    advance(doc, p, out);
    return DOCUMENT_PASSED;
}

void tm_json_document_taken(struct document *doc, const char *p, const struct extent *x)
{
    advance(doc, p, x);
    doc->state = COMMA;
}

int tm_json_document_end(const struct document *doc, err *e)
{
    struct json_scan scan = {.begin = "", .end_name = "the end of the file", .e = e};
    scan.end = scan.begin;
    if (doc->state == END)
        return TIDEMILL_OK;
    if (doc->state == STRING)
        tm_json_fail(&scan, scan.begin, "the file ends inside a string");
    else if (doc->state == NUMBER && numbers[doc->number].wanted)
        tm_json_expected(&scan, scan.begin, numbers[doc->number].wanted);
    else
        tm_json_expected(&scan, scan.begin,
                         doc->state == NUMBER ? "',' or a bracket after a value" : wanted(doc));
    if (e) {
        e->status = TIDEMILL_E_INPUT;
        e->column = doc->column + 1;
    }
    return TIDEMILL_E_INPUT;
}
