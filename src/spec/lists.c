/*
 * Lists of texts and the mapping `input.types`, from text and back. Memory is the arena's.
 */
#include "spec/lists.h"

#include "record/json.h"

#define DEPTH 4 /* of the JSON; more than a list or an object of strings needs */

int tm_list_room(struct spec_list *list, size_t n, struct arena *a, err *e)
{
    if (n > SIZE_MAX / sizeof *list->items)
        return tm_err_memory(e, "");
    *list = (struct spec_list){0, arena_alloc(a, n * sizeof *list->items)};
    return list->items ? TIDEMILL_OK : tm_err_memory(e, "");
}

int tm_list_add(struct spec_list *list, struct slice text, struct arena *a, err *e)
{
    int status = tm_string_copy(a, text, &list->items[list->n], e);
    list->n += status == TIDEMILL_OK;
    return status;
}

int tm_types_room(struct spec_types *types, size_t n, struct arena *a, err *e)
{
    if (n > SIZE_MAX / sizeof *types->names)
        return tm_err_memory(e, "");
    *types = (struct spec_types){false, 0, arena_alloc(a, n * sizeof *types->names),
                                 arena_alloc(a, n * sizeof *types->text)};
    return types->names && types->text ? TIDEMILL_OK : tm_err_memory(e, "");
}

int tm_types_add(struct spec_types *types, struct slice name, struct slice word, struct arena *a,
                 err *e)
{
    struct slice shown = tm_shown(word);
    if (!slice_is(word, "auto") && !slice_is(word, "text"))
        return tm_err_set(e, TIDEMILL_E_SPEC, "expected auto or text, got '%.*s'", (int)shown.n,
                          shown.p);
    types->text[types->n] = slice_is(word, "text");
    int status = tm_string_copy(a, name, &types->names[types->n], e);
    types->n += status == TIDEMILL_OK;
    return status;
}

/* One JSON array or object whose values are strings, opened; NULL on failure. */
static struct node *read_json(const struct option *o, struct slice text, struct arena *a,
                              int *status, err *e)
{
    struct json_reader *reader = tm_json_reader_new(DEPTH);
    struct value v = {0};
    size_t where;
    err detail;
    *status = TIDEMILL_E_MEMORY;
    if (reader)
        *status = tm_json_read_value(reader, a, text, &v, &where, &detail);
    tm_json_reader_free(reader);
    if (*status == TIDEMILL_OK && v.kind == VALUE_NODE)
        return v.node;
    if (*status == TIDEMILL_E_MEMORY)
        *status = tm_err_memory(e, "");
    else if (*status == TIDEMILL_OK)
        *status = tm_option_expected(o, "another value", e);
    else
        *status = tm_err_set(e, TIDEMILL_E_SPEC, "%s", detail.message);
    return NULL;
}

/* Entry `i` as a string; p is NULL on failure. */
static struct slice read_entry(const struct option *o, struct node *n, uint32_t i, int *status,
                               err *e)
{
    struct value v;
    *status = tm_node_get(n, i, &v);
    if (*status == TIDEMILL_OK && v.kind == VALUE_TEXT)
        return v.text;
    if (*status == TIDEMILL_OK)
        *status = tm_option_expected(o, "an entry that is not a string", e);
    else
        *status = tm_err_memory(e, "");
    return (struct slice){NULL, 0};
}

static int list_json(const struct option *o, struct spec_list *list, struct slice text,
                     struct arena *a, err *e)
{
    int status;
    struct node *n = read_json(o, text, a, &status, e);
    if (!n)
        return status;
    if (n->kind != NODE_ARRAY)
        return tm_option_expected(o, "an object", e);
    status = tm_list_room(list, n->count, a, e);
    for (uint32_t i = 0; status == TIDEMILL_OK && i < n->count; i++) {
        struct slice item = read_entry(o, n, i, &status, e);
        if (status == TIDEMILL_OK)
            status = tm_list_add(list, item, a, e);
    }
    return status;
}

static bool begins(struct slice text, char c)
{
    return text.n && *text.p == c;
}

int tm_paths_parse(const struct option *o, void *field, struct slice text, struct arena *a, err *e)
{
    struct spec_list list = {0};
    int status = TIDEMILL_E_SPEC;
    if (text.n == 0)
        return tm_err_set(e, TIDEMILL_E_SPEC, "the path is empty");
    /* `[ab]*.csv` is a glob; what is no JSON is one path. */
    if (begins(text, '['))
        status = list_json(o, &list, text, a, NULL);
    if (status == TIDEMILL_OK && list.n == 0)
        return tm_err_set(e, TIDEMILL_E_SPEC, "the list is empty");
    if (status == TIDEMILL_E_SPEC) {
        status = tm_list_room(&list, 1, a, e);
        if (status == TIDEMILL_OK)
            status = tm_list_add(&list, text, a, e);
    }
    if (status == TIDEMILL_OK)
        *(struct spec_list *)field = list;
    return status == TIDEMILL_E_MEMORY ? tm_err_memory(e, "") : status;
}

/* Parted by commas; "" is the empty list. */
static int list_commas(struct spec_list *list, struct slice text, struct arena *a, err *e)
{
    size_t n = text.n ? 1 : 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ',';
    int status = tm_list_room(list, n, a, e);
    for (size_t i = 0; status == TIDEMILL_OK && i < n; i++) {
        const char *comma = text.n ? memchr(text.p, ',', text.n) : NULL;
        size_t length = comma ? (size_t)(comma - text.p) : text.n;
        status = tm_list_add(list, (struct slice){text.p, length}, a, e);
        text.p += length + (comma != NULL);
        text.n -= length + (comma != NULL);
    }
    return status;
}

int tm_strings_parse(const struct option *o, void *field, struct slice text, struct arena *a,
                     err *e)
{
    struct spec_list list = {0};
    int status = begins(text, '[') ? list_json(o, &list, text, a, e)
                                   : list_commas(&list, text, a, e);
    if (status == TIDEMILL_OK)
        *(struct spec_list *)field = list;
    return status;
}

/* Can the list's one item stand without brackets? */
static bool alone(const struct option *o, const struct spec_list *list)
{
    const char *item = list->n == 1 ? list->items[0] : "[";
    return *item && *item != '[' && (o->type == OPTION_PATHS || !strchr(item, ','));
}

void tm_list_print(const struct option *o, const void *field, struct buf *out)
{
    const struct spec_list *list = field;
    if (list->n == 0)
        return;
    if (alone(o, list)) {
        buf_slice(out, slice_of(list->items[0]));
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        buf_byte(out, i ? ',' : '[');
        size_t start = out->n;
        /* A file's name need not be UTF-8, but then JSON has no way to say it. */
        if (tm_json_write_text(out, slice_of(list->items[i]), NULL) == TIDEMILL_E_WRITE) {
            out->n = start;
            buf_slice(out, SLICE("\"?\""));
        }
    }
    buf_byte(out, ']');
}

static int types_json(const struct option *o, struct spec_types *types, struct slice text,
                      struct arena *a, err *e)
{
    int status;
    struct node *n = read_json(o, text, a, &status, e);
    if (!n)
        return status;
    status = tm_types_room(types, n->count, a, e);
    for (uint32_t i = 0; status == TIDEMILL_OK && i < n->count; i++) {
        struct slice word = read_entry(o, n, i, &status, e);
        if (status == TIDEMILL_OK)
            status = tm_types_add(types, node_fields(n)[i].key, word, a, e);
    }
    return status;
}

int tm_types_parse(const struct option *o, void *field, struct slice text, struct arena *a, err *e)
{
    struct spec_types types = {.all_text = slice_is(text, "text")};
    struct slice shown = tm_shown(text);
    int status = TIDEMILL_OK;
    if (begins(text, '{'))
        status = types_json(o, &types, text, a, e);
    else if (!types.all_text && !slice_is(text, "auto"))
        status = tm_err_set(e, TIDEMILL_E_SPEC, "expected %s, got '%.*s'",
                            tm_option_kinds[o->type].expected, (int)shown.n, shown.p);
    if (status == TIDEMILL_OK)
        *(struct spec_types *)field = types;
    return status;
}

void tm_types_print(const struct option *o, const void *field, struct buf *out)
{
    const struct spec_types *types = field;
    (void)o;
    if (types->n == 0) {
        buf_slice(out, slice_of(types->all_text ? "text" : "auto"));
        return;
    }
    for (size_t i = 0; i < types->n; i++) {
        buf_byte(out, i ? ',' : '{');
        tm_json_write_text(out, slice_of(types->names[i]), NULL);
        buf_slice(out, types->text[i] ? SLICE(":\"text\"") : SLICE(":\"auto\""));
    }
    buf_byte(out, '}');
}
