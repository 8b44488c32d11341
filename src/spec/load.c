/*
 * The job file's tree is walked beside the option table. Nodes flow in, values in the spec's arena
 * flow out, with the place of each option kept for later messages.
 */
#include "spec/load.h"

#include <stdio.h>

#include "spec/expand.h"
#include "spec/lists.h"
#include "spec/options.h"
#include "spec/params.h"
#include "spec/suggest.h"

struct loader {
    const struct job_text *t;
    struct spec *spec;
    struct slice folder; /* of the job file, with its slash; "" for the working directory */
    struct buf expanded; /* of the scalar at hand */
    struct buf path;     /* the same with the folder */
};

static void report(struct loader *l, const struct yaml_node *node, const err *e)
{
    if (e->status == TIDEMILL_E_MEMORY)
        l->spec->out_of_memory = true;
    else
        tm_problem_at(l->t, node->at, "%s", e->message);
}

static bool is_path(const struct option *o)
{
    return o->type == OPTION_PATH || o->type == OPTION_PATHS;
}

/* Relative paths get the job file's folder; where globs are meant, it is made to match itself. */
static struct slice resolve(struct loader *l, const struct option *o, struct slice path)
{
    if (path.n == 0 || *path.p == '/' || slice_is(path, "-"))
        return path;
    buf_reset(&l->path);
    for (size_t i = 0; i < l->folder.n; i++) {
        if (o->type == OPTION_PATHS && strchr("*?[\\", l->folder.p[i]))
            buf_byte(&l->path, '\\');
        buf_byte(&l->path, l->folder.p[i]);
    }
    buf_slice(&l->path, path);
    return buf_view(&l->path);
}

/* What a scalar says: variables replaced, paths resolved. Valid until the next call. */
static int scalar(struct loader *l, const struct option *o, const struct yaml_node *node,
                  struct slice *out, err *e)
{
    const struct option_kind *kind = &tm_option_kinds[o->type];
    *out = node->text;
    if (node->kind != YAML_TEXT)
        return tm_err_set(e, TIDEMILL_E_SPEC, "expected text, got %s", tm_yaml_kind(node));
    if (kind->expands) {
        buf_reset(&l->expanded);
        int status = tm_expand(node->text, &l->expanded, e);
        if (status)
            return status;
        *out = buf_view(&l->expanded);
    }
    if (out->n == 0 && !kind->empty)
        return tm_err_set(e, TIDEMILL_E_SPEC, "'%s' is empty", o->key);
    if (is_path(o))
        *out = resolve(l, o, *out);
    return l->path.failed ? tm_err_memory(e, "") : TIDEMILL_OK;
}

static bool has_value(struct loader *l, const struct yaml_node *node, const char *name, size_t n)
{
    if (!tm_yaml_null(node))
        return true;
    struct slice text = node->text;
    if (text.n == 0)
        tm_problem_at(l->t, node->at, "'%.*s' has no value", (int)n, name);
    else
        tm_problem_at(l->t, node->at, "'%.*s' has no value (quote '%.*s' if it is meant as text)",
                      (int)n, name, (int)text.n, text.p);
    return false;
}

static bool load_scalar(struct loader *l, const struct option *o, const struct yaml_node *node)
{
    struct slice text;
    err e;
    int status = scalar(l, o, node, &text, &e);
    if (status == TIDEMILL_OK)
        status = tm_option_parse(o, &l->spec->values, text, &l->spec->arena, &e);
    if (status)
        report(l, node, &e);
    return status == TIDEMILL_OK;
}

/* Items of a list; a scalar is a list of one. */
static bool load_list(struct loader *l, const struct option *o, const struct yaml_node *node)
{
    const struct yaml_node *item = node->kind == YAML_LIST ? node->first : node;
    struct spec_list list;
    struct slice text;
    bool good = true;
    err e;
    if (!item && o->type == OPTION_PATHS) {
        tm_problem_at(l->t, node->at, "'%s' is an empty list", o->key);
        return false;
    }
    if (tm_list_room(&list, node->kind == YAML_LIST ? node->n : 1, &l->spec->arena, &e)) {
        report(l, node, &e);
        return false;
    }
    for (; item; item = node->kind == YAML_LIST ? item->next : NULL) {
        int status = TIDEMILL_OK;
        if (item->spoilt || !has_value(l, item, o->key, strlen(o->key))) {
            good = false;
            continue;
        }
        status = scalar(l, o, item, &text, &e);
        if (status == TIDEMILL_OK)
            status = tm_list_add(&list, text, &l->spec->arena, &e);
        if (status)
            report(l, item, &e);
        good &= status == TIDEMILL_OK;
    }
    if (good)
        *(struct spec_list *)option_field(o, &l->spec->values) = list;
    return good;
}

static bool load_types(struct loader *l, const struct option *o, const struct yaml_node *node)
{
    struct spec_types types;
    struct slice word;
    bool good = true;
    err e;
    if (tm_types_room(&types, node->n, &l->spec->arena, &e)) {
        report(l, node, &e);
        return false;
    }
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        struct slice name = tm_shown(item->key->text);
        if (item->spoilt || !has_value(l, item, name.p, name.n)) {
            good = false;
            continue;
        }
        int status = scalar(l, o, item, &word, &e);
        if (status == TIDEMILL_OK)
            status = tm_types_add(&types, item->key->text, word, &l->spec->arena, &e);
        if (status)
            report(l, item, &e);
        good &= status == TIDEMILL_OK;
    }
    if (good)
        *(struct spec_types *)option_field(o, &l->spec->values) = types;
    return good;
}

static bool load_params(struct loader *l, const struct option *o, const struct yaml_node *node)
{
    size_t problems = l->spec->problems_n;
    struct buf json;
    err e;
    tm_buf_init(&json);
    tm_params_write(l->t, node, &json);
    l->spec->out_of_memory |= json.failed;
    bool good = !l->spec->out_of_memory && l->spec->problems_n == problems;
    if (good &&
        tm_string_copy(&l->spec->arena, buf_view(&json), option_field(o, &l->spec->values), &e)) {
        report(l, node, &e);
        good = false;
    }
    tm_buf_release(&json);
    return good;
}

/* Where the text of `transform.inline` begins, so that Lua's messages can name the job file's lines. */
static void note_inline(struct loader *l, const struct yaml_node *node)
{
    uint64_t line = tm_place(l->t, node->at).line;
    l->spec->inline_exact = node->style == YAML_LITERAL;
    l->spec->inline_line = (uint32_t)line +
                           (node->style == YAML_LITERAL || node->style == YAML_FOLDED);
}

static void load_option(struct loader *l, const struct option *o, const struct yaml_node *node)
{
    static const unsigned bits[] = {
        [YAML_TEXT] = TAKES_SCALAR, [YAML_LIST] = TAKES_LIST, [YAML_MAP] = TAKES_MAP};
    bool good;
    err e;
    l->spec->places[o - tm_options] = tm_place(l->t, node->key->at);
    if (node->spoilt || !has_value(l, node, o->key, strlen(o->key)))
        return;
    if (!(tm_option_kinds[o->type].takes & bits[node->kind])) {
        tm_option_expected(o, tm_yaml_kind(node), &e);
        report(l, node, &e);
        return;
    }
    if (o->type == OPTION_PARAMS)
        good = load_params(l, o, node);
    else if (node->kind == YAML_MAP)
        good = load_types(l, o, node);
    else if (node->kind == YAML_LIST || o->type == OPTION_PATHS)
        good = load_list(l, o, node);
    else
        good = load_scalar(l, o, node);
    if (good && o->offset == offsetof(struct spec_values, transform.inline_text))
        note_inline(l, node);
}

/* The nearest name among those of this mapping, else an option that is found elsewhere. */
static struct slice nearest(struct slice section, struct slice key, struct slice dotted)
{
    struct suggestion near = {0};
    for (size_t i = 0; i < tm_options_n; i++) {
        struct slice row = slice_of(tm_options[i].key), head = tm_option_section_of(row);
        struct slice tail = head.n ? (struct slice){row.p + head.n + 1, row.n - head.n - 1} : row;
        if (slice_eq(section, head))
            tm_suggest(&near, key, tail, tail);
        else if (section.n == 0)
            tm_suggest(&near, key, head, head);
    }
    return near.best.n ? near.best : tm_suggest_option(dotted);
}

static void unknown(struct loader *l, const struct yaml_node *node, struct slice section,
                    struct slice dotted)
{
    struct slice key = node->key->text, shown = tm_shown(key);
    char in[32] = "";
    const char *dot = memchr(key.p, '.', key.n);
    if (section.n)
        snprintf(in, sizeof in, " in '%.*s'", (int)section.n, section.p);
    if (section.n == 0 && dot && tm_option_find(key)) {
        tm_problem_at(l->t, node->key->at, "unknown key '%.*s' (write '%.*s' inside of '%.*s:')",
                      (int)key.n, key.p, (int)(key.n - (size_t)(dot + 1 - key.p)), dot + 1,
                      (int)(dot - key.p), key.p);
        return;
    }
    struct slice near = nearest(section, key, dotted);
    bool top = section.n && tm_option_section_of(near).n == 0 && tm_option_find(near);
    if (near.n)
        tm_problem_at(l->t, node->key->at, "unknown key '%.*s'%s (did you mean '%.*s'%s?)",
                      (int)shown.n, shown.p, in, (int)near.n, near.p,
                      top ? " at the top of the file" : "");
    else
        tm_problem_at(l->t, node->key->at, "unknown key '%.*s'%s", (int)shown.n, shown.p, in);
}

/* The top of the file (section "") or one section. */
static void load_map(struct loader *l, const struct yaml_node *map, struct slice section)
{
    struct buf dotted;
    tm_buf_init(&dotted);
    for (const struct yaml_node *node = map->first; node && !tm_problems_full(l->spec);
         node = node->next) {
        struct slice key = node->key->text;
        buf_reset(&dotted);
        buf_slice(&dotted, section);
        if (section.n)
            buf_byte(&dotted, '.');
        buf_slice(&dotted, key);
        bool plain = !memchr(key.p, '.', key.n);
        const struct option *o = plain ? tm_option_find(buf_view(&dotted)) : NULL;
        if (dotted.failed)
            l->spec->out_of_memory = true;
        else if (o)
            load_option(l, o, node);
        else if (section.n || !plain || !tm_option_section(key))
            unknown(l, node, section, buf_view(&dotted));
        else if (node->kind == YAML_MAP)
            load_map(l, node, key);
        else if (!node->spoilt && has_value(l, node, key.p, key.n))
            tm_problem_at(l->t, node->at, "expected a mapping of options, got %s",
                          tm_yaml_kind(node));
    }
    tm_buf_release(&dotted);
}

void tm_spec_from_tree(const struct job_text *t, const struct yaml_node *root)
{
    const char *slash = strrchr(t->name, '/');
    struct loader l = {.t = t, .spec = t->spec};
    l.folder = (struct slice){t->name, slash ? (size_t)(slash - t->name) + 1 : 0};
    if (root->kind != YAML_MAP) {
        tm_problem_at(t, root->at, "a job file is a mapping of options, not %s",
                      tm_yaml_kind(root));
        return;
    }
    load_map(&l, root, SLICE(""));
    tm_buf_release(&l.expanded);
    tm_buf_release(&l.path);
}
