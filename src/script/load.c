/*
 * From text to the functions that are called: compiling, running the chunk, and sorting out what it
 * returned.
 */
#include "script/state.h"

/* ---- compiling ---- */

/* What lua_load reads: line ends, so that the lines count as in the file, then up to four parts. */
enum { PARTS = 4 };
struct source {
    uint32_t lines;
    unsigned next;
    struct slice parts[PARTS];
};

static const char *read_source(lua_State *L, void *data, size_t *n)
{
    static const char lines[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
    struct source *s = data;
    (void)L;
    if (s->lines) {
        *n = s->lines < sizeof lines - 1 ? s->lines : sizeof lines - 1;
        s->lines -= (uint32_t)*n;
        return lines;
    }
    while (s->next < PARTS && s->parts[s->next].n == 0)
        s->next++;
    *n = s->next < PARTS ? s->parts[s->next].n : 0;
    return *n ? s->parts[s->next++].p : NULL;
}

/* As luaL_loadfile does: no byte order mark, no first line with # (its line end stays). In CODE # is the length. */
static struct slice skip_start(struct slice text, enum script_form form)
{
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text = (struct slice){text.p + 3, text.n - 3};
    if (form == SCRIPT_FILE && text.n && text.p[0] == '#') {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        text = (struct slice){text.p + n, text.n - n};
    }
    return text;
}

/* Push the compiled chunk, or the message; true when it is the chunk. */
static bool lj_try(lua_State *L, const struct script_config *c, const char *head,
                   const char *before, const char *after)
{
    struct slice text = skip_start(c->text, c->form);
    struct source source = {
        .lines = c->first_line ? c->first_line - 1 : 0,
        .parts = {slice_of(head), slice_of(before), text, slice_of(after)},
    };
    if (text.n && *text.p == *LUA_SIGNATURE) {
        lua_pushfstring(L, "%s: this is compiled Lua, only source is taken", c->chunk_name);
        return false;
    }
    lua_pushfstring(L, "@%s", c->chunk_name);
    int status = lua_load(L, read_source, &source, lua_tostring(L, -1), "t");
    lua_remove(L, -2);
    if (status == LUA_ERRMEM)
        tm_lj_memory(L);
    return status == LUA_OK;
}

/* Does the message at `index` say that the text ended too early? */
static bool ends_early(lua_State *L, int index)
{
    struct slice text = lua_slice(L, index);
    return text.n >= 5 && memcmp(text.p + text.n - 5, "<eof>", 5) == 0;
}

/*
 * What the CODE of `each` may be, in the order in which it is tried, as a chunk and as a function.
 * The chunk says what is valid; the function is what is called, as it takes its arguments for less.
 */
static const struct {
    const char *before, *after, *function_after;
} forms[] = {
    {"", "\nreturn r", "\nreturn r end"}, /* statements that change r */
    {"", "", "\nend"},                    /* statements that return */
    {"return ", "", "\nend"},             /* an expression */
};

/*
 * When it is none of them, the message is that of the plain statements, unless only the expression
 * got to the end.
 */
static void lj_compile_each(lua_State *L, const struct script_config *c)
{
    /* What does not say ctx need not be given it. */
    const char *function = memmem(c->text.p, c->text.n, "ctx", 3) ? "return function(r, ctx) "
                                                                  : "return function(r) ";
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!lj_try(L, c, "local r, ctx = ...; ", forms[i].before, forms[i].after))
            continue;
        if (lj_try(L, c, function, forms[i].before, forms[i].function_after))
            lua_call(L, 0, 1);
        else
            lua_pop(L, 1); /* it says `...`: the chunk will do */
        return;
    }
    if (!ends_early(L, -1) || ends_early(L, -2))
        lua_pop(L, 1);
    lua_error(L);
}

void tm_lj_compile(lua_State *L, const struct script_config *c)
{
    if (c->form == SCRIPT_EACH)
        lj_compile_each(L, c);
    else if (!lj_try(L, c, "", "", ""))
        lua_error(L);
}

/* ---- what the chunk returned ---- */

/* The functions of a script's table. */
static const char *const names[] = {"setup", "record", "batch", "teardown"};

static bool known_name(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static _Noreturn void lj_refuse(lua_State *L, const struct script *s, const char *what)
{
    lua_pushfstring(L, "%s: %s", s->config.chunk_name, what);
    lua_error(L);
    __builtin_unreachable();
}

/* The key `name` of the table on top is no function that a script has. */
static _Noreturn void lj_refuse_key(lua_State *L, const struct script *s, const char *name)
{
    if (!known_name(name)) {
        lua_pushfstring(L,
                        "unknown key '%s' in the table that the script returned: it may hold "
                        "setup, record, batch and teardown",
                        name);
        lj_refuse(L, s, lua_tostring(L, -1));
    }
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    lua_pushfstring(L, "'%s' in the table that the script returned must be a function, got a %s",
                    name, luaL_typename(L, -1));
    lj_refuse(L, s, lua_tostring(L, -1));
}

/* Check every key of the table on top. The message must not depend on their order. */
static void lj_check_keys(lua_State *L, const struct script *s)
{
    const char *first = NULL;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            lj_refuse(L, s,
                      "the script returned a table with keys that are no names: it must "
                      "return a function, or a table of functions");
        const char *name = lua_tostring(L, -2);
        bool fits = known_name(name) && lua_isfunction(L, -1);
        if (!fits && (!first || strcmp(name, first) < 0))
            first = name;
        lua_pop(L, 1);
    }
    if (first)
        lj_refuse_key(L, s, first);
}

/* A reference to function `name` of the table on top, or LUA_NOREF. */
static int lj_reference(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    return LUA_NOREF;
}

/* Replace the table on top by the function that takes records. */
static void lj_take_table(lua_State *L, struct script *s)
{
    const char *name = s->config.batch ? "batch" : "record";
    lj_check_keys(L, s);
    s->ref.setup = lj_reference(L, "setup");
    s->ref.teardown = lj_reference(L, "teardown");
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) == LUA_TNIL)
        lj_refuse(L, s,
                  s->config.batch ? "transform.batch is set, but the script has no function 'batch'"
                                  : "the script's table has no function 'record'");
    lua_remove(L, -2);
}

/* Note where the function on top was defined, for errors in what it returns. */
static void lj_note_place(lua_State *L, struct script *s)
{
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &ar);
    if (*ar.what == 'C')
        return;
    memcpy(s->origin.source, ar.short_src, sizeof s->origin.source);
    s->origin.line = ar.linedefined > 0 ? ar.linedefined : (int)s->config.first_line;
    if (s->origin.line <= 0)
        s->origin.line = 1;
}

void tm_lj_load(lua_State *L, struct script *s)
{
    tm_lj_compile(L, &s->config);
    if (s->config.form == SCRIPT_FILE)
        lua_call(L, 0, 1);
    if (lua_istable(L, -1))
        lj_take_table(L, s);
    else if (lua_isnil(L, -1))
        lj_refuse(L, s, "the script returned nothing: end it with return function(r, ctx) ... end");
    else if (!lua_isfunction(L, -1)) {
        lua_pushfstring(L,
                        "the script returned a %s: it must return a function, or a table of "
                        "functions",
                        luaL_typename(L, -1));
        lj_refuse(L, s, lua_tostring(L, -1));
    } else if (s->config.batch && s->config.form == SCRIPT_FILE)
        lj_refuse(L, s,
                  "transform.batch is set: the script must return a table with a function "
                  "'batch'");
    lj_note_place(L, s);
}
