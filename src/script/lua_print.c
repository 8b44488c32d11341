/*
 * print, warn, io.write, io.stdout and io.stderr: what a script writes goes to the host's log, in
 * record order; standard output belongs to the records. io.output(FILE) still redirects io.write.
 */
#include "script/convert.h"

/* io.stdout and io.stderr: a userdata with this and nothing else in it. */
static const char stream_tag;

static bool is_stream(lua_State *L, int index)
{
    const void **tag = lua_touserdata(L, index);
    return tag && lua_rawlen(L, index) == sizeof *tag && *tag == &stream_tag;
}

static void log_text(lua_State *L, int level, int index)
{
    const struct script *s = script_of(L);
    s->host.log(s->host.data, level, lua_slice(L, index));
}

static int lj_print(lua_State *L)
{
    luaL_Buffer b;
    int n = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_addchar(&b, '\n');
    luaL_pushresult(&b);
    log_text(L, TIDEMILL_LOG_SCRIPT, -1);
    return 0;
}

/* Arguments `first` .. top as one piece of the log. */
static void lj_write(lua_State *L, int first)
{
    luaL_Buffer b;
    int n = lua_gettop(L);
    for (int i = first; i <= n; i++) {
        struct slice digits = tm_wide_digits(L, i);
        if (digits.p) {
            lua_pushlstring(L, digits.p, digits.n);
            lua_replace(L, i);
        }
        luaL_checkstring(L, i);
    }
    luaL_buffinit(L, &b);
    for (int i = first; i <= n; i++) {
        lua_pushvalue(L, i);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    log_text(L, TIDEMILL_LOG_SCRIPT, -1);
    lua_settop(L, n);
}

/* ---- streams ---- */

static void lj_check_stream(lua_State *L)
{
    if (!is_stream(L, 1))
        luaL_typeerror(L, 1, "FILE*");
}

static int lj_stream_write(lua_State *L)
{
    lj_check_stream(L);
    lj_write(L, 2);
    lua_settop(L, 1);
    return 1;
}

/* flush, setvbuf, close: there is nothing to do. */
static int lj_stream_yes(lua_State *L)
{
    lj_check_stream(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* flush gives the file, so that calls can be chained. */
static int lj_stream_flush(lua_State *L)
{
    lj_check_stream(L);
    lua_settop(L, 1);
    return 1;
}

/* seek, read, lines: what a pipe answers. */
static int lj_stream_no(lua_State *L)
{
    lj_check_stream(L);
    luaL_pushfail(L);
    lua_pushliteral(L, "Illegal seek");
    return 2;
}

static int lj_stream_read(lua_State *L)
{
    lj_check_stream(L);
    luaL_pushfail(L);
    lua_pushliteral(L, "Bad file descriptor");
    return 2;
}

static int lj_stream_tostring(lua_State *L)
{
    lua_pushliteral(L, "file (tidemill's log)");
    return 1;
}

static void lj_new_stream(lua_State *L)
{
    const void **tag = lua_newuserdatauv(L, sizeof *tag, 0);
    *tag = &stream_tag;
    lua_pushvalue(L, -2);
    lua_setmetatable(L, -2);
}

/* ---- io.write, io.output ---- */

/* Upvalue of these: a table with the current output at 1, and Lua's own functions. */

static void lj_push_output(lua_State *L)
{
    lua_rawgeti(L, lua_upvalueindex(1), 1);
}

static int lj_io_write(lua_State *L)
{
    lj_push_output(L);
    if (is_stream(L, -1)) {
        lua_pop(L, 1);
        lj_write(L, 1);
        lj_push_output(L);
        return 1;
    }
    lua_getfield(L, -1, "write");
    lua_insert(L, 1);
    lua_insert(L, 2);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Call Lua's own function `name` of io with the arguments on the stack. */
static int lj_original(lua_State *L, const char *name)
{
    lua_getfield(L, lua_upvalueindex(1), name);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int lj_io_output(lua_State *L)
{
    if (!lua_isnoneornil(L, 1)) {
        if (!is_stream(L, 1))
            lj_original(L, "output");
        lua_settop(L, 1);
        lua_rawseti(L, lua_upvalueindex(1), 1);
    }
    lj_push_output(L);
    return 1;
}

static int lj_io_close(lua_State *L)
{
    if (lua_isnone(L, 1))
        lj_push_output(L);
    if (!is_stream(L, 1))
        return lj_original(L, "close");
    lua_pushboolean(L, 1);
    return 1;
}

static int lj_io_type(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!is_stream(L, 1))
        return lj_original(L, "type");
    lua_pushliteral(L, "file");
    return 1;
}

static void lj_open_io(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"write", lj_stream_write},
        {"flush", lj_stream_flush},
        {"close", lj_stream_yes},
        {"setvbuf", lj_stream_yes},
        {"seek", lj_stream_no},
        {"read", lj_stream_read},
        {"lines", lj_stream_read},
        {"__tostring", lj_stream_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"write", lj_io_write}, {"output", lj_io_output},
        {"close", lj_io_close}, {"type", lj_io_type},
        {NULL, NULL},
    };
    lua_getglobal(L, "io");
    lua_newtable(L); /* the upvalue */
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_getfield(L, -2, f->name);
        lua_setfield(L, -2, f->name);
    }
    luaL_newlib(L, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "FILE*");
    lua_setfield(L, -2, "__name");
    lj_new_stream(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, 1);
    lua_setfield(L, -4, "stdout");
    lj_new_stream(L);
    lua_setfield(L, -4, "stderr");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 1);
    lua_pop(L, 1);
}

/* ---- warn ---- */

/* lua_WarnFunction: pieces until one is not continued. "@on" and "@off" are Lua's own words. */
static void warning(void *data, const char *text, int continued)
{
    struct script *s = data;
    if (!continued && s->warning.n == 0 && *text == '@') {
        if (strcmp(text, "@on") == 0 || strcmp(text, "@off") == 0)
            s->warnings = text[2] == 'n';
        return;
    }
    buf_slice(&s->warning, slice_of(text));
    if (continued)
        return;
    if (s->warnings && !s->warning.failed)
        s->host.log(s->host.data, TIDEMILL_LOG_WARNING, buf_view(&s->warning));
    buf_reset(&s->warning);
}

void tm_lj_open_print(lua_State *L, struct script *s)
{
    lua_pushcfunction(L, lj_print);
    lua_setglobal(L, "print");
    lj_open_io(L);
    lua_setwarnf(L, warning, s);
}
