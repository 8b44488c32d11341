/*
 * require "tidemill.json": JSON text to plain Lua tables and back, by the reader and the writer that
 * records go through.
 */
#include "script/convert.h"

/* decode(text): any JSON value; null is tidemill.null, empty arrays and objects stay what they are. */
static int lj_decode(lua_State *L)
{
    struct script *s = script_of(L);
    struct slice text;
    struct value value;
    size_t where = 0;
    err e;
    text.p = luaL_checklstring(L, 1, &text.n);
    struct arena *arena = tm_lj_workspace(L);
    int status = tm_json_read_value(s->reader, arena, text, &value, &where, &e);
    if (status == TIDEMILL_E_MEMORY)
        tm_lj_memory(L);
    if (status)
        tm_lj_fail(L, "invalid JSON at byte %I: %s", (lua_Integer)where + 1, e.message);
    tm_lj_push_plain(L, &value);
    tm_arena_release(arena);
    return 1;
}

/* encode(value): one line, keys of plain tables sorted. */
static int lj_encode(lua_State *L)
{
    struct script *s = script_of(L);
    struct value value;
    struct path path = {0};
    err e;
    luaL_checkany(L, 1);
    struct arena *arena = tm_lj_workspace(L);
    struct target t = {arena, NULL};
    if (lua_isnil(L, 1))
        value.kind = VALUE_NULL;
    else
        tm_lj_to_value(L, 1, &t, &path, &value);
    buf_reset(&s->scratch);
    if (tm_json_write_value(&s->scratch, &value, &e))
        tm_lj_raise(L, &e);
    tm_json_one_line(&s->scratch, 0);
    tm_lj_push_scratch(L);
    tm_arena_release(arena);
    return 1;
}

static int lj_module(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"decode", lj_decode}, {"encode", lj_encode}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}

void tm_lj_open_json(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, lj_module);
    lua_setfield(L, -2, "tidemill.json");
    lua_pop(L, 1);
}
