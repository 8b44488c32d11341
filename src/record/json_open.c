/*
 * Opening of JSON values that were validated when their record was read: text flows in, decoded
 * scalars and one-level nodes flow out. Nothing is checked again, so nothing here may be given
 * bytes that did not pass json_read.c. No recursion: what is nested stays text.
 */
#include "base/number.h"
#include "base/utf8.h"
#include "record/json_text.h"

const char *tm_json_skip_string(const char *p, const char *end, bool *escaped)
{
    bool high = false;
    for (p = json_find_special(p + 1, end, &high); p < end && *p == '\\';) {
        *escaped = true;
        p = json_find_special(p + 2, end, &high);
    }
    return p + 1;
}

static const char *skip_container(const char *p, const char *end)
{
    size_t depth = 0;
    bool escaped;
    while (p < end) {
        if (*p == '"') {
            p = tm_json_skip_string(p, end, &escaped);
        } else {
            depth = *p == '{' || *p == '[' ? depth + 1 : depth - 1;
            p++;
            if (depth == 0)
                break;
        }
        p = json_find_structure(p, end);
    }
    return p;
}

const char *tm_json_skip_value(const char *p, const char *end)
{
    bool escaped;
    if (*p == '"')
        return tm_json_skip_string(p, end, &escaped);
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_is_space(*p))
        p++;
    return p;
}

bool tm_json_is_deeper(struct slice text, uint32_t levels)
{
    const char *p = text.p, *end = text.p + text.n;
    uint32_t depth = 0;
    bool escaped;
    if (text.n / 2 <= levels) /* a level takes two brackets */
        return false;
    while ((p = json_find_structure(p, end)) < end) {
        if (*p == '"') {
            p = tm_json_skip_string(p, end, &escaped);
        } else {
            depth = *p == '{' || *p == '[' ? depth + 1 : depth - 1;
            if (depth > levels)
                return true;
            p++;
        }
    }
    return false;
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

/* One escape at *p (the backslash), which is left behind it. RFC 8259 section 7. */
static size_t unescape_one(char *out, const char **p)
{
    static const char plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    const char *s = *p + 1;
    if (*s != 'u') {
        *out = plain[(unsigned char)*s];
        *p = s + 1;
        return 1;
    }
    uint32_t c = hex4(s + 1);
    s += 5;
    if (c >= 0xd800 && c < 0xdc00) {
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(s + 2) - 0xdc00);
        s += 6;
    }
    *p = s;
    return tm_utf8_encode(out, c);
}

size_t tm_json_unescape(char *out, struct slice text)
{
    const char *p = text.p, *end = text.p + text.n;
    size_t n = 0;
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((stop ? stop : end) - p);
        memcpy(out + n, p, run);
        n += run;
        p += run;
        if (stop)
            n += unescape_one(out + n, &p);
    }
    return n;
}

struct slice tm_json_key(struct arena *arena, const char *p, const char *end, bool escaped)
{
    struct slice inside = {p + 1, (size_t)(end - p) - 2};
    if (!escaped)
        return inside;
    char *out = arena_alloc(arena, inside.n);
    if (!out)
        return (struct slice){NULL, 0};
    return (struct slice){out, tm_json_unescape(out, inside)};
}

bool tm_json_has_source(const struct node *n)
{
    if (!n->source.p)
        return false;
    if (n->spans)
        return false;
    if (n->originals)
        return node_fields(n)[0].start != NULL;
    return n->source.n && (n->source.p[0] == '{' || n->source.p[0] == '[');
}

/* Index the next field at p, which is at its key or element; NULL: out of memory. */
static const char *open_field(struct node *n, const char *p, const char *end)
{
    struct field *f = tm_node_append(n);
    if (!f)
        return NULL;
    f->start = p;
    if (n->kind == NODE_OBJECT) {
        bool escaped = false;
        const char *behind = tm_json_skip_string(p, end, &escaped);
        f->key = tm_json_key(n->arena, p, behind, escaped);
        if (!f->key.p)
            return NULL;
        p = json_skip_space(behind, end) + 1;
        p = json_skip_space(p, end);
    }
    const char *behind = tm_json_skip_value(p, end);
    f->source = (struct slice){p, (size_t)(behind - p)};
    f->value = (struct value){.kind = VALUE_JSON, .text = f->source};
    return json_skip_space(behind, end);
}

static struct node *open_container(struct arena *arena, struct slice text, struct node *parent)
{
    struct node *n = tm_node_new(arena, text.p[0] == '{' ? NODE_OBJECT : NODE_ARRAY, 0);
    if (!n)
        return NULL;
    n->source = text;
    n->parent = parent;
    const char *end = text.p + text.n - 1;
    const char *p = json_skip_space(text.p + 1, end);
    while (p < end) {
        p = open_field(n, p, end);
        if (!p)
            return NULL;
        if (p < end)
            p = json_skip_space(p + 1, end);
    }
    n->originals = n->count;
    return n;
}

static int decode_number(struct slice text, struct value *out)
{
    switch (tm_number_json(text, &out->i, &out->d)) {
    case NUMBER_INT:
        out->kind = VALUE_INT;
        break;
    case NUMBER_FLOAT:
        out->kind = VALUE_FLOAT;
        break;
    default:
        *out = (struct value){.kind = VALUE_NUMBER, .text = text};
        break;
    }
    return TIDEMILL_OK;
}

static int decode_string(struct arena *arena, struct slice text, struct value *out)
{
    bool escaped = memchr(text.p, '\\', text.n) != NULL;
    out->kind = VALUE_TEXT;
    out->text = tm_json_key(arena, text.p, text.p + text.n, escaped);
    return out->text.p ? TIDEMILL_OK : TIDEMILL_E_MEMORY;
}

int tm_json_decode(struct arena *arena, struct slice text, struct node *parent, struct value *out)
{
    switch (text.p[0]) {
    case '"':
        return decode_string(arena, text, out);
    case '{':
    case '[':
        out->kind = VALUE_NODE;
        out->node = open_container(arena, text, parent);
        return out->node ? TIDEMILL_OK : TIDEMILL_E_MEMORY;
    case 'n':
        out->kind = VALUE_NULL;
        return TIDEMILL_OK;
    case 't':
        out->kind = VALUE_TRUE;
        return TIDEMILL_OK;
    case 'f':
        out->kind = VALUE_FALSE;
        return TIDEMILL_OK;
    default:
        return decode_number(text, out);
    }
}
