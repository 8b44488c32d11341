/*
 * Duplicate keys where they are allowed: the keys of objects that have them flow in, and edits of the
 * record's text are kept; a text without duplicates flows out, in which every other byte is as it
 * was. Cold code, but linear in the text (and a sort of the keys), whatever the text is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "record/json_scan.h"
#include "record/json_text.h"

/* A member of the object: from its key's quote to behind its value. */
struct member {
    struct slice name;
    const char *at, *end;
};

void tm_json_edits_release(struct json_edits *x)
{
    tm_heap_free(x->list);
    *x = (struct json_edits){0};
}

static bool add_edit(struct json_edits *x, struct json_edit edit)
{
    if (x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 16;
        struct json_edit *list = cap > SIZE_MAX / sizeof *list
                                     ? NULL
                                     : tm_heap_grow(x->list, cap * sizeof *list);
        if (!list)
            return false;
        x->list = list;
        x->cap = cap;
    }
    x->list[x->n++] = edit;
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct json_key *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_name(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = slice_cmp(x->name, y->name);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* The comma before the member whose key is at `at`, which is not the first. */
static const char *comma_before(const char *at)
{
    do
        at--;
    while (*at != ',');
    return at;
}

/* The members by name, those of one name by place. NULL when memory is out. */
static struct member *sort_members(struct json_key *keys, size_t n, const char *close)
{
    struct member *members = tm_heap_zeroed(n, sizeof *members);
    if (!members)
        return NULL;
    qsort(keys, n, sizeof *keys, by_place);
    for (size_t i = 0; i < n; i++) {
        const char *end = i + 1 < n ? comma_before(keys[i + 1].at) : close;
        members[i] = (struct member){keys[i].name, keys[i].at, json_back_space(end, keys[i].at)};
    }
    qsort(members, n, sizeof *members, by_name);
    return members;
}

static struct slice value_of(const struct member *m)
{
    bool escaped;
    const char *p = json_skip_space(tm_json_skip_string(m->at, m->end, &escaped), m->end);
    p = json_skip_space(p + 1, m->end);
    return (struct slice){p, (size_t)(m->end - p)};
}

/* The last value goes to the first one's place; all but the first go. */
static bool keep_last(struct json_edits *x, const struct member *same, size_t n)
{
    struct slice first = value_of(&same[0]);
    if (!add_edit(x, (struct json_edit){first.p, same[0].end, value_of(&same[n - 1]), true}))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!add_edit(x, (struct json_edit){comma_before(same[i].at), same[i].end, {"", 0}, false}))
            return false;
    return true;
}

/* Is there a member with the name and what is put behind it? */
static bool is_taken(const struct member *all, size_t n, struct slice name, struct slice suffix)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct slice other = all[middle].name;
        struct slice front = {other.p, other.n < name.n ? other.n : name.n};
        struct slice rest = {other.p + front.n, other.n - front.n};
        int c = slice_cmp(front, name);
        if (c == 0)
            c = slice_cmp(rest, suffix);
        if (c == 0)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/*
 * a, a_2, a_3, passing over names that are there. What is made cannot meet what is made from another
 * name: the digits behind the last underscore part them.
 */
static bool number(struct json_edits *x, struct arena *arena, const struct member *all,
                   size_t all_n, const struct member *same, size_t n)
{
    bool escaped;
    size_t next = 2;
    for (size_t i = 1; i < n; next++) {
        char text[24];
        size_t length = (size_t)snprintf(text, sizeof text, "_%zu", next);
        if (is_taken(all, all_n, same[0].name, (struct slice){text, length}))
            continue;
        const char *quote = tm_json_skip_string(same[i].at, same[i].end, &escaped) - 1;
        struct slice suffix = tm_arena_copy(arena, (struct slice){text, length});
        if (!suffix.p || !add_edit(x, (struct json_edit){quote, quote, suffix, false}))
            return false;
        i++;
    }
    return true;
}

bool tm_json_edits_add(struct json_edits *x, struct arena *arena, enum duplicates duplicates,
                       struct json_key *keys, size_t n, const char *close)
{
    bool good = true;
    struct member *members = sort_members(keys, n, close);
    for (size_t at = 0, end; members && good && at < n; at = end) {
        for (end = at + 1; end < n && slice_eq(members[end].name, members[at].name);)
            end++;
        if (end - at > 1)
            good = duplicates == DUPLICATES_LAST
                       ? keep_last(x, members + at, end - at)
                       : number(x, arena, members, n, members + at, end - at);
    }
    good = good && members;
    tm_heap_free(members);
    return good;
}

/* ---- the text without duplicates ---- */

static int by_edit_place(const void *a, const void *b)
{
    const struct json_edit *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* The first edit at or behind p, or NULL. */
static const struct json_edit *next_edit(const struct json_edits *x, const char *p)
{
    size_t low = 0, high = x->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->list[middle].at < p)
            low = middle + 1;
        else
            high = middle;
    }
    return low < x->n ? &x->list[low] : NULL;
}

/* A stretch of the text that is being copied, with its edits. */
struct stretch {
    struct stretch *up;
    const char *p, *end;
};

/* NULL when memory is out. */
static struct stretch *begin_stretch(struct arena *arena, struct stretch *up, struct slice text)
{
    struct stretch *s = arena_alloc(arena, sizeof *s);
    if (s)
        *s = (struct stretch){up, text.p, text.p + text.n};
    return s;
}

struct slice tm_json_edits_apply(struct json_edits *x, struct arena *arena, struct slice text)
{
    struct buf out;
    tm_buf_init(&out);
    qsort(x->list, x->n, sizeof *x->list, by_edit_place);
    struct stretch *s = begin_stretch(arena, NULL, text);
    bool failed = !s;
    while (s) {
        const struct json_edit *edit = next_edit(x, s->p);
        if (!edit || edit->at >= s->end) {
            buf_append(&out, s->p, (size_t)(s->end - s->p));
            s = s->up;
            continue;
        }
        buf_append(&out, s->p, (size_t)(edit->at - s->p));
        s->p = edit->end;
        if (!edit->inside) {
            buf_slice(&out, edit->put);
            /* What was put in before a quote is behind us: the quote itself comes next. */
            if (edit->end == edit->at)
                buf_byte(&out, *s->p++);
        } else if (!(s = begin_stretch(arena, s, edit->put))) {
            failed = true;
        }
    }
    struct slice copy = {NULL, 0};
    if (!failed && !out.failed)
        copy = tm_arena_copy(arena, buf_view(&out));
    tm_buf_release(&out);
    x->n = 0;
    return copy;
}
