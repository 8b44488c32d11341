/*
 * ctx, the second argument of a script's function: where the record comes from. One userdata for all
 * calls; what it answers is looked up when it is asked.
 */
#include "script/state.h"

/* The place of the record in hand. */
static const struct script_place *lj_place(lua_State *L)
{
    const struct call *call = &script_of(L)->call;
    if (!call->active)
        tm_lj_fail(L, "ctx knows a record only while the function runs");
    return call->place;
}

static void lj_push_index(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lj_place(L)->index);
}

static void lj_push_file(lua_State *L)
{
    lua_pushstring(L, lj_place(L)->file);
}

static void lj_push_line(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lj_place(L)->line);
}

static void lj_push_params(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.params);
}

static void lj_push_worker(lua_State *L)
{
    lua_pushinteger(L, script_of(L)->config.worker);
}

static const struct {
    const char *name;
    void (*push)(lua_State *L);
} rows[] = {
    {"index", lj_push_index},   {"file", lj_push_file},     {"line", lj_push_line},
    {"params", lj_push_params}, {"worker", lj_push_worker},
};

enum { ROWS = sizeof rows / sizeof *rows };

static int lj_index(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    for (int i = 0; i < ROWS; i++)
        if (strcmp(name, rows[i].name) == 0) {
            rows[i].push(L);
            return 1;
        }
    return 0;
}

static int lj_newindex(lua_State *L)
{
    tm_lj_fail(L, "ctx cannot be changed");
}

/* Upvalue: the next row. */
static int lj_next(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));
    if (i >= ROWS)
        return 0;
    lua_pushinteger(L, i + 1);
    lua_replace(L, lua_upvalueindex(1));
    lua_pushstring(L, rows[i].name);
    rows[i].push(L);
    return 2;
}

static int lj_pairs(lua_State *L)
{
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, lj_next, 1);
    return 1;
}

void tm_lj_open_ctx(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"__index", lj_index}, {"__newindex", lj_newindex}, {"__pairs", lj_pairs}, {NULL, NULL}};
    lua_newuserdatauv(L, 0, 0);
    luaL_newlib(L, methods);
    lua_pushliteral(L, "ctx");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__name");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}
