/*
 * Objects that nobody read as JSON, whose values are cells and scalars: rows of CSV and text on their way to
 * JSON. A row is written in one go, without the frames that nested values need; whatever it does not
 * know it leaves to tm_json_write_row, which also says what is wrong.
 *
 * Names are written from one record to the next as they were: what stands before the value of field i,
 * the comma and the colon included, is kept, for as long as its name is the same.
 */
#include <math.h>

#include "base/heap.h"
#include "base/number.h"
#include "base/utf8.h"
#include "record/cell.h"
#include "record/json.h"
#include "record/json_text.h"

/* Rows of more fields are not for us. */
#define NAMES_MAX 1024

/* So many bytes of a name are copied at once, whatever it has of them, and as many of room are there. */
#define NAME_HEAD 32

/* `,"NAME":` as it is written, if its name needs no escapes; else nothing. */
struct json_name {
    struct buf text; /* NAME_HEAD + 1 bytes at least */
};

void tm_json_names_release(struct json_names *names)
{
    for (uint32_t i = 0; i < names->n; i++)
        tm_buf_release(&names->of[i].text);
    tm_heap_free(names->of);
    *names = (struct json_names){0};
}

static bool is_name(const struct json_name *name, struct slice key)
{
    return name->text.n == key.n + 4 &&
           slice_eq_short((struct slice){name->text.p + 2, key.n}, key);
}

/* Another name for a field; false where there is nothing to be gained. */
static bool keep_name(struct json_name *name, struct slice key)
{
    struct buf *text = &name->text;
    buf_reset(text);
    if (!buf_reserve(text, NAME_HEAD + 1))
        return false;
    buf_byte(text, ',');
    bool plain = tm_json_put_text(text, key) == key.n && text->n == key.n + 3;
    buf_byte(text, ':');
    if (!plain || text->failed)
        buf_reset(text);
    return text->n > 0;
}

static struct json_name *name_at(struct json_names *names, uint32_t i)
{
    if (i >= NAMES_MAX)
        return NULL;
    if (i >= names->n) {
        uint32_t n = 2 * i + 16;
        struct json_name *more = tm_heap_grow(names->of, n * sizeof *more);
        if (!more)
            return NULL;
        memset(more + names->n, 0, (n - names->n) * sizeof *more);
        names->of = more;
        names->n = n;
    }
    return &names->of[i];
}

/* The comma, the name and the colon before field i; NULL: there is more to them. */
static const struct json_name *find_name(struct json_names *names, uint32_t i, struct slice key)
{
    struct json_name *name = i < names->n ? &names->of[i] : name_at(names, i);
    if (!name)
        return NULL;
    return is_name(name, key) || keep_name(name, key) ? name : NULL;
}

static char *put(char *to, struct slice s)
{
    copy_short(to, s.p, s.n);
    return to + s.n;
}

/* What is kept of a name from byte `skip` on, which is 0 or 1. */
static char *put_name(char *to, const struct json_name *name, size_t skip)
{
    const char *p = name->text.p + skip;
    size_t n = name->text.n - skip;
    if (n <= NAME_HEAD / 2)
        memcpy(to, p, NAME_HEAD / 2);
    else if (n <= NAME_HEAD)
        memcpy(to, p, NAME_HEAD);
    else
        memcpy(to, p, n);
    return to + n;
}

/* Where to go on at `to`, with so much room; NULL when memory is out. */
static char *make_room(struct buf *out, const char *to, size_t room)
{
    out->n = (size_t)(to - out->p);
    return buf_reserve(out, room) ? out->p + out->n : NULL;
}

/*
 * Text of any length and with escapes, which may be a number. `room` is what the rest of the row takes, its
 * quotes included.
 */
static char *put_any_text(struct buf *out, char *to, struct slice text, bool number, size_t room)
{
    to = make_room(out, to, text.n + room);
    if (!to)
        return NULL;
    if (number && number_is_cell(text))
        return put(to, text);
    if (json_copy_plain(to + 1, text.p, text.n)) {
        *to = '"';
        to += text.n + 1;
        *to++ = '"';
        return to;
    }
    out->n = (size_t)(to - out->p);
    if (tm_json_put_escaped(out, text) != text.n)
        return NULL;
    return make_room(out, out->p + out->n, room);
}

/* ---- cells at a glance: sixteen bytes are looked at and written, whatever the cell has of them ---- */

#define GLANCE 16

/* The bytes of a row at which GLANCE bytes can be read. */
static struct slice window_of(const struct node *n)
{
    struct slice own = n->source;
    size_t size = own.n;
    if (own.p && n->line_end.p == own.p + own.n)
        size += n->line_end.n;
    return (struct slice){own.p, !own.p || size < GLANCE ? 0 : size - GLANCE + 1};
}

#ifdef TM_SSE2
/*
 * As number_is_cell(), of n <= GLANCE bytes at p, one of which can be read in any case; `other` has the
 * bits of those that are no digits.
 */
static inline bool is_number_at_a_glance(const char *p, size_t n, unsigned other)
{
    size_t sign = *p == '-' && n;
    other >>= sign;
    n -= sign;
    if (other & 1 || n == 0)
        return false;
    if (other == 0)
        return p[sign] != '0' || (n == 1 && !sign);
    size_t whole = (size_t)__builtin_ctz(other);
    return !(other & (other - 1)) && whole + 1 < n && p[sign + whole] == '.' &&
           (p[sign] != '0' || whole == 1);
}

static inline __m128i digits_of(__m128i x)
{
    __m128i digit = _mm_sub_epi8(x, _mm_set1_epi8('0'));
    return _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
}

/*
 * A cell, or with `text` what is never a number. NULL: it lies elsewhere, is longer, wants escapes, or a
 * closer look.
 */
static inline char *put_at_a_glance(char *to, struct slice window, struct slice s, bool text)
{
    if ((uintptr_t)s.p - (uintptr_t)window.p >= window.n || s.n > GLANCE)
        return NULL;
    unsigned mask = (1u << s.n) - 1;
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)s.p);
    unsigned odd = (unsigned)_mm_movemask_epi8(json_not_plain(x)) & mask;
    unsigned other = ~(unsigned)_mm_movemask_epi8(digits_of(x)) & mask;
    if (odd && (odd & ~(unsigned)_mm_movemask_epi8(x) || !utf8_is_whole(x, mask)))
        return NULL;
    size_t quotes = text || !is_number_at_a_glance(s.p, s.n, other);
    *to = '"';
    _mm_storeu_si128((__m128i *)(void *)(to + quotes), x);
    to[quotes + s.n] = '"';
    return to + s.n + 2 * quotes;
}
#else
static inline char *put_at_a_glance(char *to, struct slice window, struct slice s, bool text)
{
    (void)to;
    (void)window;
    (void)s;
    (void)text;
    return NULL;
}
#endif

static char *put_number(struct buf *out, char *to, const struct value *v)
{
    if (v->kind == VALUE_FLOAT && !isfinite(v->d))
        return NULL;
    out->n = (size_t)(to - out->p);
    tm_cell_put_number(out, v);
    return out->p + out->n;
}

/* What a value takes at most, but for texts that put_any_text() makes room for. */
#define VALUE_ROOM (NUMBER_TEXT_MAX + 8)
_Static_assert(VALUE_ROOM >= NAME_HEAD && VALUE_ROOM > GLANCE + 1,
               "names and cells are copied with what stands behind them");

/* A cell, or with `text` what is never a number. `room`: as for put_any_text(). NULL: it is not for us. */
static inline char *put_text(struct buf *out, char *to, struct slice window, struct slice s,
                             bool text, size_t room)
{
    char *end = put_at_a_glance(to, window, s, text);
    return end ? end : put_any_text(out, to, s, !text, room);
}

/* Any value, likewise. */
static inline char *put_value(struct buf *out, char *to, struct slice window, const struct value *v,
                              size_t room)
{
    switch (v->kind) {
    case VALUE_TEXT:
    case VALUE_CELL:
        return put_text(out, to, window, v->text, v->kind == VALUE_TEXT, room);
    case VALUE_INT:
    case VALUE_FLOAT:
        return put_number(out, to, v);
    case VALUE_NULL:
        return put(to, SLICE("null"));
    case VALUE_TRUE:
        return put(to, SLICE("true"));
    case VALUE_FALSE:
        return put(to, SLICE("false"));
    default:
        return NULL;
    }
}

/* All names of the row are known; false: this is no row for us. */
static bool find_names(struct json_names *names, const struct node *n)
{
    uint64_t shape = node_shape(n);
    if (shape && shape == names->shape)
        return true;
    names->shape = 0;
    names->length = 0;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct json_name *name = find_name(names, i, node_fields(n)[i].key);
        if (!name)
            return false;
        names->length += name->text.n;
    }
    names->shape = shape;
    return true;
}

/* The originals of a row that has spans. */
static char *put_spans(struct buf *out, char *to, struct slice window, const struct json_name *name,
                       const struct node *n, size_t room)
{
    const uint8_t *as_text = n->columns->as_text;
    for (uint32_t i = 0; i < n->originals && to; i++, name++) {
        to = put_name(to, name, i == 0);
        if (node_is_span(n, i))
            to = put_text(out, to, window, node_span(n, i), as_text && as_text[i], room);
        else
            to = put_value(out, to, window, &n->slots[i].value, room);
    }
    return to;
}

static bool write_row(struct json_names *names, struct buf *out, const struct node *n)
{
    if (!find_names(names, n))
        return false;
    size_t begin = out->n, room = 2 + names->length + (size_t)n->count * VALUE_ROOM, skip = 1;
    if (!buf_reserve(out, room))
        return false;
    /* Copies, as bytes that are written could be anything for all that a compiler knows. */
    const struct field *f = n->slots, *end = f + n->count;
    const struct json_name *name = names->of;
    const struct slice window = window_of(n);
    char *to = out->p + out->n;
    *to++ = '{';
    if (n->spans) {
        to = put_spans(out, to, window, name, n, room);
        f += n->originals;
        name += n->originals;
        skip = n->originals == 0;
    }
    for (; f < end && to; f++, name++) {
        if (f->value.kind == VALUE_NONE)
            continue;
        to = put_name(to, name, skip);
        to = put_value(out, to, window, &f->value, room);
        skip = 0;
    }
    out->n = begin;
    if (!to)
        return false;
    *to++ = '}';
    out->n = (size_t)(to - out->p);
    return true;
}

bool tm_json_write_flat(struct json_names *names, struct buf *out, const struct node *n)
{
    return n->kind == NODE_OBJECT && !tm_json_has_source(n) && write_row(names, out, n);
}
