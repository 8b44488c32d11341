/*
 * From libyaml's events to nodes. The text flows in, nodes flow out, owned by the caller's arena;
 * libyaml's own memory ends with tm_yaml_read(). Limits are checked on the events, because libyaml
 * has none of its own.
 */
#include "spec/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/utf8.h"
#include "spec/options.h"
#include "spec/yaml_error.h"

struct reader {
    const struct job_text *t;
    struct arena *arena;
    struct yaml_node *root;
    struct yaml_node *open[YAML_DEPTH_MAX]; /* containers, the innermost last */
    struct yaml_node *keys[YAML_DEPTH_MAX]; /* of each that is a mapping: waits for its value */
    size_t depth;
    bool done;
};

static const char *const kind_names[] = {"text", "a list", "a mapping"};

const char *tm_yaml_kind(const struct yaml_node *node)
{
    return kind_names[node->kind];
}

bool tm_yaml_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != YAML_TEXT || node->style != YAML_PLAIN)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_is(node->text, words[i]))
            return true;
    return false;
}

static void append(struct yaml_node *parent, struct yaml_node *node)
{
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->n++;
}

static void check_key(struct reader *r, struct yaml_node *key)
{
    if (key->kind != YAML_TEXT)
        tm_problem_at(r->t, key->at, "a key must be a name, not %s", tm_yaml_kind(key));
    else if (key->text.n == 0 && !key->spoilt)
        tm_problem_at(r->t, key->at, "a key must be a name, not empty");
    key->spoilt |= key->kind != YAML_TEXT || key->text.n == 0;
}

/* A new node goes where its parent waits for one: as item, as key, or as value of the key. */
static void place_node(struct reader *r, struct yaml_node *node)
{
    if (r->depth == 0) {
        r->root = node;
        return;
    }
    struct yaml_node *parent = r->open[r->depth - 1];
    struct yaml_node **key = &r->keys[r->depth - 1];
    if (parent->kind == YAML_LIST) {
        append(parent, node);
    } else if (!*key) {
        check_key(r, node);
        *key = node;
    } else {
        node->key = *key;
        *key = NULL;
        if (!node->key->spoilt)
            append(parent, node);
    }
}

static struct yaml_node *new_node(struct reader *r, enum yaml_kind kind, const yaml_event_t *event)
{
    struct yaml_node *node = arena_alloc(r->arena, sizeof *node);
    if (!node) {
        r->t->spec->out_of_memory = true;
        return NULL;
    }
    *node = (struct yaml_node){.kind = kind, .at = event->start_mark.index};
    return node;
}

static void refuse_marks(struct reader *r, struct yaml_node *node, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
    static const char core[] = "tag:yaml.org,2002:"; /* what !! stands for */
    const char *name = (const char *)tag;
    bool short_form = name && strncmp(name, core, sizeof core - 1) == 0;
    if (anchor)
        tm_problem_at(r->t, node->at,
                      "anchor '&%s' (job files have none; quote text that begins with &)",
                      (const char *)anchor);
    if (name)
        tm_problem_at(r->t, node->at,
                      "tag '%s%s' (job files have none; quote text that begins with !)",
                      short_form ? "!!" : "", short_form ? name + sizeof core - 1 : name);
    node->spoilt |= anchor || tag;
}

static enum yaml_style style_of(yaml_scalar_style_t style)
{
    switch (style) {
    case YAML_LITERAL_SCALAR_STYLE:
        return YAML_LITERAL;
    case YAML_FOLDED_SCALAR_STYLE:
        return YAML_FOLDED;
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return YAML_QUOTED;
    default:
        return YAML_PLAIN;
    }
}

static void on_scalar(struct reader *r, const yaml_event_t *event)
{
    struct yaml_node *node = new_node(r, YAML_TEXT, event);
    if (!node)
        return;
    node->style = style_of(event->data.scalar.style);
    node->text = tm_arena_copy(r->arena, (struct slice){(const char *)event->data.scalar.value,
                                                        event->data.scalar.length});
    r->t->spec->out_of_memory |= !node->text.p;
    refuse_marks(r, node, event->data.scalar.anchor, event->data.scalar.tag);
    place_node(r, node);
}

static void on_alias(struct reader *r, const yaml_event_t *event)
{
    struct yaml_node *node = new_node(r, YAML_TEXT, event);
    if (!node)
        return;
    node->spoilt = true;
    tm_problem_at(r->t, node->at,
                  "alias '*%s' (job files have none; quote text that begins with *)",
                  (const char *)event->data.alias.anchor);
    place_node(r, node);
}

static void on_open(struct reader *r, enum yaml_kind kind, const yaml_event_t *event,
                    const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct yaml_node *node = new_node(r, kind, event);
    if (!node)
        return;
    refuse_marks(r, node, anchor, tag);
    place_node(r, node);
    if (r->depth == YAML_DEPTH_MAX) {
        tm_problem_at(r->t, node->at, "nested deeper than %d levels", YAML_DEPTH_MAX);
        r->done = true;
        return;
    }
    r->keys[r->depth] = NULL;
    r->open[r->depth++] = node;
}

static int by_key(const void *a, const void *b)
{
    const struct yaml_node *x = *(const struct yaml_node *const *)a;
    const struct yaml_node *y = *(const struct yaml_node *const *)b;
    int c = slice_cmp(x->key->text, y->key->text);
    return c ? c : (x->key->at > y->key->at) - (x->key->at < y->key->at);
}

/* Sorted, so that a file of many keys takes no quadratic time. */
static void find_duplicates(struct reader *r, const struct yaml_node *map)
{
    const struct yaml_node **entries = arena_alloc(r->arena, map->n * sizeof *entries);
    size_t n = 0;
    if (!entries) {
        r->t->spec->out_of_memory = true;
        return;
    }
    for (const struct yaml_node *node = map->first; node; node = node->next)
        entries[n++] = node;
    qsort(entries, n, sizeof *entries, by_key);
    for (size_t i = 1, first = 0; i < n && !tm_problems_full(r->t->spec); i++) {
        const struct yaml_node *key = entries[i]->key;
        struct slice shown = tm_shown(key->text);
        if (!slice_eq(key->text, entries[first]->key->text)) {
            first = i;
            continue;
        }
        tm_problem_at(r->t, key->at, "duplicate key '%.*s' (first on line %llu)", (int)shown.n,
                      shown.p, (unsigned long long)tm_place(r->t, entries[first]->key->at).line);
    }
}

static void on_close(struct reader *r)
{
    if (r->depth == 0)
        return;
    const struct yaml_node *node = r->open[--r->depth];
    if (node->kind == YAML_MAP)
        find_duplicates(r, node);
}

static void on_document(struct reader *r, const yaml_event_t *event)
{
    if (!r->root)
        return;
    tm_problem_at(r->t, event->start_mark.index, "a second document (a job file has only one)");
    r->done = true;
}

static void on_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(r, event);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(r, event);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(r, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(r, YAML_LIST, event, event->data.sequence_start.anchor,
                event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(r, YAML_MAP, event, event->data.mapping_start.anchor,
                event->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(r);
        break;
    case YAML_STREAM_END_EVENT:
        r->done = true;
        break;
    default:
        break;
    }
}

/* What YAML 1.1 calls c-printable, section 5.1; the rest would end in libyaml's reader. */
static bool printable(uint32_t c)
{
    if (c < 0x20)
        return c == '\t' || c == '\n' || c == '\r';
    if (c >= 0x7f && c < 0xa0)
        return c == 0x85;
    return c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static bool check_bytes(const struct job_text *t)
{
    for (size_t i = 0, characters = 0; i < t->bytes.n; characters++) {
        uint32_t c;
        size_t n = tm_utf8_decode((struct slice){t->bytes.p + i, t->bytes.n - i}, &c);
        if (n == 0)
            tm_problem_at(t, characters, "invalid UTF-8: byte 0x%02x",
                          (unsigned char)t->bytes.p[i]);
        else if (!printable(c))
            tm_problem_at(t, characters, "the character U+%04X cannot stand in a job file", c);
        else {
            i += n;
            continue;
        }
        return false;
    }
    return true;
}

void tm_yaml_read(const struct job_text *t, struct arena *a, struct yaml_node **root)
{
    struct reader r = {.t = t, .arena = a};
    yaml_parser_t parser;
    *root = NULL;
    if (!check_bytes(t))
        return;
    if (!yaml_parser_initialize(&parser)) {
        t->spec->out_of_memory = true;
        return;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)t->bytes.p, t->bytes.n);
    while (!r.done && !t->spec->out_of_memory) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            tm_yaml_explain(t, &parser);
            break;
        }
        on_event(&r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    *root = r.root;
}
