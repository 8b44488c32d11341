/*
 * The life of a spec: defaults, the job file, settings, and its way to another process. All strings
 * are the spec's arena's; values that were replaced stay in it until the spec is released.
 */
#include "spec/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "spec/check.h"
#include "spec/load.h"
#include "spec/options.h"
#include "spec/params.h"
#include "spec/problems.h"
#include "spec/suggest.h"

int tm_spec_init(struct spec *s)
{
    *s = (struct spec){0};
    tm_arena_init(&s->arena);
    tm_buf_init(&s->scratch);
    s->places = arena_alloc(&s->arena, tm_options_n * sizeof *s->places);
    int status = s->places ? TIDEMILL_OK : TIDEMILL_E_MEMORY;
    for (size_t i = 0; status == TIDEMILL_OK && i < tm_options_n; i++) {
        s->places[i] = (struct spec_place){0};
        status = tm_option_parse(&tm_options[i], &s->values, slice_of(tm_options[i].fallback),
                                 &s->arena, NULL);
    }
    if (status)
        tm_spec_release(s);
    return status;
}

void tm_spec_release(struct spec *s)
{
    tm_problems_clear(s);
    tm_arena_release(&s->arena);
    tm_buf_release(&s->scratch);
    *s = (struct spec){0};
}

/* ---- The job file ---- */

static void read_tree(const struct job_text *t)
{
    struct arena scratch;
    struct yaml_node *root;
    tm_arena_init(&scratch);
    tm_yaml_read(t, &scratch, &root);
    bool empty = !root || (root->kind == YAML_TEXT && tm_yaml_null(root));
    if (empty && t->spec->problems_n == 0)
        tm_problem_at(t, 0, "the job file is empty");
    else if (!empty && !root->spoilt)
        tm_spec_from_tree(t, root);
    if (t->spec->problems_n && !t->spec->out_of_memory)
        tm_spec_contradictions(t->spec);
    tm_arena_release(&scratch);
}

int tm_spec_parse(struct spec *s, struct slice text, const char *name, err *e)
{
    struct slice mark = SLICE("\xef\xbb\xbf"); /* a byte order mark is no part of the text */
    tm_problems_clear(s);
    s->is_file = false;
    if (text.n >= mark.n && memcmp(text.p, mark.p, mark.n) == 0)
        text = (struct slice){text.p + mark.n, text.n - mark.n};
    struct job_text t = {s, text, name};
    if (tm_string_copy(&s->arena, slice_of(name), &s->file, NULL))
        s->out_of_memory = true;
    else if (text.n > YAML_SIZE_MAX)
        tm_problem_at(&t, 0, "the job file is larger than 1 MiB");
    else
        read_tree(&t);
    return tm_problems_status(s, e);
}

/* At most a byte more than is allowed; -1 with errno. */
static int read_file(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failed = 0;
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && text->n <= YAML_SIZE_MAX && buf_reserve(text, 1 << 16)) {
        n = read(fd, text->p + text->n, 1 << 16);
        text->n += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        failed = errno;
    if (fd >= 0)
        close(fd);
    errno = failed;
    return failed ? -1 : 0;
}

int tm_spec_load(struct spec *s, const char *path, err *e)
{
    struct buf text;
    err problem;
    tm_buf_init(&text);
    tm_problems_clear(s);
    int status = read_file(path, &text);
    if (text.failed) {
        status = tm_err_memory(e, "the job file");
    } else if (status) {
        tm_err_errno(&problem, TIDEMILL_E_SPEC, errno, "cannot read the job file");
        tm_err_at(&problem, path, 0, 0);
        tm_problem_add(s, &problem);
        status = tm_problems_status(s, e);
    } else {
        status = tm_spec_parse(s, buf_view(&text), path, e);
        s->is_file = true;
    }
    tm_buf_release(&text);
    return status;
}

/* ---- Settings ---- */

/* What stands behind "transform.params."; p is NULL when the key is another one. */
static struct slice parameter(const char *key)
{
    static const char prefix[] = "transform.params.";
    bool is = strncmp(key, prefix, sizeof prefix - 1) == 0;
    return slice_of(is ? key + sizeof prefix - 1 : NULL);
}

static int unknown_option(struct slice key, err *e)
{
    struct slice near = tm_suggest_option(key), shown = tm_shown(key);
    if (tm_option_section(key))
        return tm_err_set(e, TIDEMILL_E_SPEC, "'%.*s' is a group of options, not one of them",
                          (int)shown.n, shown.p);
    if (near.n)
        return tm_err_set(e, TIDEMILL_E_SPEC, "unknown option '%.*s' (did you mean '%.*s'?)",
                          (int)shown.n, shown.p, (int)near.n, near.p);
    return tm_err_set(e, TIDEMILL_E_SPEC, "unknown option '%.*s'", (int)shown.n, shown.p);
}

static int set(struct spec *s, const char *key, const char *value, err *e)
{
    const struct option *o = tm_option_find(slice_of(key));
    struct slice name = parameter(key);
    char **params = &s->values.transform.params;
    err detail;
    int status;
    if (name.p)
        status = tm_params_set(&s->arena, *params, name, slice_of(value), params, &detail);
    else if (o)
        status = tm_option_parse(o, &s->values, slice_of(value), &s->arena, &detail);
    else
        return unknown_option(slice_of(key), e);
    if (status == TIDEMILL_OK && o)
        s->places[o - tm_options] = (struct spec_place){0};
    if (status == TIDEMILL_OK && o &&
        o->offset == offsetof(struct spec_values, transform.inline_text)) {
        s->inline_line = 0;
        s->inline_exact = false;
    }
    if (status == TIDEMILL_E_SPEC)
        return tm_err_set(e, status, "%s: %s", key, detail.message);
    return status ? tm_err_memory(e, "") : TIDEMILL_OK;
}

int tm_spec_set(struct spec *s, const char *key, const char *value, err *e)
{
    err problem;
    tm_problems_clear(s);
    int status = set(s, key, value, &problem);
    if (status == TIDEMILL_OK)
        return status;
    tm_problem_add(s, &problem);
    return tm_problems_status(s, e);
}

const char *tm_spec_get(struct spec *s, const char *key)
{
    const struct option *o = tm_option_find(slice_of(key));
    struct slice name = parameter(key);
    bool found = o != NULL;
    buf_reset(&s->scratch);
    if (o)
        tm_option_print(o, &s->values, &s->scratch);
    else if (name.p)
        found = tm_params_get(s->values.transform.params, name, &s->scratch);
    buf_byte(&s->scratch, '\0');
    return found && !s->scratch.failed ? s->scratch.p : NULL;
}

int tm_spec_check(struct spec *s, err *e)
{
    tm_problems_clear(s);
    tm_spec_contradictions(s);
    return tm_problems_status(s, e);
}

void tm_spec_locate(const struct spec *s, const char *key, err *e)
{
    struct spec_place place = s->places[tm_option_find(slice_of(key)) - tm_options];
    if (s->file && place.line)
        tm_err_at(e, s->file, place.line, place.column);
}
