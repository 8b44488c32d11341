/*
 * Parameters as JSON. A YAML tree or a setting flows in, the text of one object flows out.
 */
#include "spec/params.h"

#include <strings.h>

#include "base/number.h"
#include "record/json.h"
#include "spec/expand.h"
#include "spec/options.h"

/* Words that YAML 1.1 reads as something else than a string, and what to write instead. */
static const struct {
    const char *word, *instead;
} refused[] = {
    {"yes", "true"},  {"on", "true"},     {"true", "true"}, {"no", "false"},
    {"off", "false"}, {"false", "false"}, {"null", "null"}, {"~", "null"},
};

static bool same_word(struct slice text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

/* Append a bare scalar: true, false, null and numbers as they are, all else as a string. */
static int write_bare(struct slice text, struct buf *out, err *e)
{
    int64_t i;
    double d;
    if (slice_is(text, "true") || slice_is(text, "false") || slice_is(text, "null") ||
        tm_number_json(text, &i, &d) != NUMBER_NONE) {
        buf_slice(out, text);
        return TIDEMILL_OK;
    }
    for (size_t w = 0; w < sizeof refused / sizeof *refused; w++)
        if (same_word(text, refused[w].word))
            return tm_err_set(e, TIDEMILL_E_SPEC,
                              "a bare '%.*s' is ambiguous (write %s, or \"%.*s\" for the text)",
                              (int)text.n, text.p, refused[w].instead, (int)text.n, text.p);
    return tm_json_write_text(out, text, e);
}

/* ---- From YAML ---- */

static void write_scalar(const struct job_text *t, const struct yaml_node *node, struct buf *out)
{
    struct buf text;
    err e;
    tm_buf_init(&text);
    int status = tm_expand(node->text, &text, &e);
    if (status == TIDEMILL_OK && node->style == YAML_PLAIN && text.n > 0)
        status = write_bare(buf_view(&text), out, &e);
    else if (status == TIDEMILL_OK)
        status = tm_json_write_text(out, buf_view(&text), &e);
    if (status == TIDEMILL_E_MEMORY)
        t->spec->out_of_memory = true;
    else if (status == TIDEMILL_E_WRITE)
        tm_problem_at(t, node->at, "the value is not valid UTF-8");
    else if (status)
        tm_problem_at(t, node->at, "%s", e.message);
    tm_buf_release(&text);
}

static void no_value(const struct job_text *t, const struct yaml_node *node)
{
    struct slice name = node->key ? tm_shown(node->key->text) : SLICE("");
    if (node->key)
        tm_problem_at(t, node->at, "'%.*s' has no value (write null or \"\")", (int)name.n, name.p);
    else
        tm_problem_at(t, node->at, "an item has no value (write null or \"\")");
}

/* At most YAML_DEPTH_MAX deep, which the reader has checked. */
static void write_node(const struct job_text *t, const struct yaml_node *node, struct buf *out)
{
    bool map = node->kind == YAML_MAP;
    if (node->spoilt)
        return;
    if (node->kind == YAML_TEXT) {
        if (node->style == YAML_PLAIN && node->text.n == 0)
            no_value(t, node);
        else
            write_scalar(t, node, out);
        return;
    }
    buf_byte(out, map ? '{' : '[');
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        if (child != node->first)
            buf_byte(out, ',');
        if (map) {
            tm_json_write_text(out, child->key->text, NULL);
            buf_byte(out, ':');
        }
        write_node(t, child, out);
    }
    buf_byte(out, map ? '}' : ']');
}

void tm_params_write(const struct job_text *t, const struct yaml_node *map, struct buf *out)
{
    write_node(t, map, out);
}

/* ---- Settings ---- */

/* Validate `text`; NULL on failure, E_SPEC with JSON's own message. */
static struct node *read_object(struct arena *a, struct slice text, int *status, err *e)
{
    struct json_reader *reader = tm_json_reader_new(YAML_DEPTH_MAX);
    struct node *n = NULL;
    size_t where;
    err detail;
    *status = TIDEMILL_E_MEMORY;
    if (reader)
        *status = tm_json_read(reader, a, text, &n, &where, &detail);
    tm_json_reader_free(reader);
    if (*status == TIDEMILL_OK)
        return n;
    struct slice shown = tm_shown(text);
    if (*status == TIDEMILL_E_MEMORY)
        *status = tm_err_memory(e, "");
    else if (text.n && *text.p == '{')
        *status = tm_err_set(e, TIDEMILL_E_SPEC, "expected a JSON object (%s)", detail.message);
    else
        *status = tm_err_set(e, TIDEMILL_E_SPEC, "expected a JSON object, got '%.*s'", (int)shown.n,
                             shown.p);
    return NULL;
}

int tm_params_read(struct arena *a, struct slice text, char **out, err *e)
{
    int status;
    struct node *n = read_object(a, text, &status, e);
    return n ? tm_string_copy(a, n->source, out, e) : status;
}

/* The JSON of a setting's value. */
static int setting(struct arena *a, struct slice value, struct buf *out, err *e)
{
    struct json_reader *reader = tm_json_reader_new(YAML_DEPTH_MAX);
    struct value parsed;
    size_t where;
    int status = TIDEMILL_E_RECORD;
    if (!reader)
        return tm_err_memory(e, "");
    if (value.n && strchr("\"[{", *value.p) && *value.p)
        status = tm_json_read_value(reader, a, value, &parsed, &where, NULL);
    tm_json_reader_free(reader);
    if (status == TIDEMILL_E_MEMORY)
        return tm_err_memory(e, "");
    if (status == TIDEMILL_OK) {
        while (strchr(" \t\r\n", value.p[value.n - 1]))
            value.n--;
        buf_slice(out, value);
        return TIDEMILL_OK;
    }
    status = write_bare(value, out, e);
    return status == TIDEMILL_E_WRITE ? tm_err_set(e, TIDEMILL_E_SPEC, "not valid UTF-8") : status;
}

/* Cut the part before the first dot off. */
static struct slice next_part(struct slice *name)
{
    const char *dot = memchr(name->p, '.', name->n);
    struct slice part = {name->p, dot ? (size_t)(dot - name->p) : name->n};
    size_t used = part.n + (dot != NULL);
    *name = (struct slice){name->p + used, name->n - used};
    return part;
}

static bool name_fits(struct slice name)
{
    return name.n && name.p[0] != '.' && name.p[name.n - 1] != '.' &&
           !memmem(name.p, name.n, "..", 2);
}

/* The object in field `i` of n, or NULL. */
static struct node *inner_object(struct node *n, uint32_t i, int *status)
{
    struct value v;
    *status = tm_node_get(n, i, &v);
    bool object = *status == TIDEMILL_OK && v.kind == VALUE_NODE && v.node->kind == NODE_OBJECT;
    return object ? v.node : NULL;
}

static struct node *add_object(struct arena *a, struct node *n, struct slice name)
{
    struct value v = {.kind = VALUE_NODE, .node = tm_node_new(a, NODE_OBJECT, 4)};
    return v.node && tm_node_add(n, name, v) == TIDEMILL_OK ? v.node : NULL;
}

/* Go down to where `name` leads, making objects that are missing, and put the value there. */
static int put(struct arena *a, struct node *n, struct slice name, struct slice json, err *e)
{
    struct value v = {.kind = VALUE_JSON, .text = json};
    struct slice part = next_part(&name);
    for (; name.n; part = next_part(&name)) {
        uint32_t i = tm_node_find(n, part);
        int status = TIDEMILL_E_MEMORY;
        n = i == UINT32_MAX ? add_object(a, n, part) : inner_object(n, i, &status);
        if (!n && status == TIDEMILL_OK)
            return tm_err_set(e, TIDEMILL_E_SPEC, "'%.*s' is not a mapping", (int)part.n, part.p);
        if (!n)
            return tm_err_memory(e, "");
    }
    uint32_t i = tm_node_find(n, part);
    if (i != UINT32_MAX)
        tm_node_set(n, i, v);
    else if (tm_node_add(n, part, v) != TIDEMILL_OK)
        return tm_err_memory(e, "");
    return TIDEMILL_OK;
}

/* `root` with the change, as text. */
static int change(struct arena *a, struct node *root, struct slice name, struct slice value,
                  struct buf *text, err *e)
{
    struct buf json;
    tm_buf_init(&json);
    int status = setting(a, value, &json, e);
    if (!status && json.failed)
        status = tm_err_memory(e, "");
    if (!status)
        status = put(a, root, name, buf_view(&json), e);
    if (!status)
        status = tm_json_write_node(text, root, e);
    if (!status && text->failed)
        status = tm_err_memory(e, "");
    tm_buf_release(&json);
    return status == TIDEMILL_E_WRITE ? TIDEMILL_E_SPEC : status;
}

int tm_params_set(struct arena *a, const char *params, struct slice name, struct slice value,
                  char **out, err *e)
{
    struct arena scratch;
    struct buf text;
    int status;
    if (!name_fits(name))
        return tm_err_set(e, TIDEMILL_E_SPEC, "a parameter's name is empty");
    tm_arena_init(&scratch);
    tm_buf_init(&text);
    struct node *root = read_object(&scratch, slice_of(params), &status, e);
    if (root)
        status = change(&scratch, root, name, value, &text, e);
    if (!status)
        status = tm_params_read(a, buf_view(&text), out, e);
    tm_buf_release(&text);
    tm_arena_release(&scratch);
    return status;
}

bool tm_params_get(const char *params, struct slice name, struct buf *out)
{
    struct arena scratch;
    bool found = false;
    int status;
    tm_arena_init(&scratch);
    struct node *n = name_fits(name) ? read_object(&scratch, slice_of(params), &status, NULL)
                                     : NULL;
    while (n && !found) {
        uint32_t i = tm_node_find(n, next_part(&name));
        found = i != UINT32_MAX && name.n == 0;
        if (found)
            buf_slice(out, node_fields(n)[i].source);
        else
            n = i == UINT32_MAX ? NULL : inner_object(n, i, &status);
    }
    tm_arena_release(&scratch);
    return found;
}
