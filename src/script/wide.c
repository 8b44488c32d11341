/*
 * Wide numbers: JSON numbers that neither int64 nor a float holds. A script sees a userdata with the
 * digits; equal digits are one value, so that it works as a table key and with ==. Arithmetic and
 * comparison are those of floats, tonumber gives one, string methods work on the digits, and it is
 * written back as it came.
 */
#include "script/convert.h"

struct wide {
    size_t n;
    char digits[]; /* and a NUL */
};

static struct wide *wide_at(lua_State *L, int index)
{
    void *p = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    if (!p || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.wide);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is ? p : NULL;
}

struct slice tm_wide_digits(lua_State *L, int index)
{
    const struct wide *w = wide_at(L, index);
    return w ? (struct slice){w->digits, w->n} : (struct slice){NULL, 0};
}

void tm_lj_wide_push(lua_State *L, struct slice digits)
{
    const struct references *ref = &script_of(L)->ref;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref->wides);
    lua_pushlstring(L, digits.p, digits.n);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        struct wide *w = lua_newuserdatauv(L, sizeof *w + digits.n + 1, 0);
        w->n = digits.n;
        memcpy(w->digits, digits.p, digits.n);
        w->digits[digits.n] = '\0';
        lua_rawgeti(L, LUA_REGISTRYINDEX, ref->wide);
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Push operand `index` as a number; a wide one as the nearest float. */
static void lj_push_operand(lua_State *L, int index, const char *what)
{
    const struct wide *w = wide_at(L, index);
    if (w) {
        lua_Number d = lua_stringtonumber(L, w->digits) ? lua_tonumber(L, -1) : 0;
        lua_pop(L, 1);
        lua_pushnumber(L, d);
    } else if (lua_isnumber(L, index)) {
        lua_pushnumber(L, lua_tonumber(L, index));
    } else {
        tm_lj_fail(L, "attempt to %s a %s value", what, luaL_typename(L, index));
    }
}

/* Upvalue: the LUA_OP* number. */
static int lj_arith(lua_State *L)
{
    int op = (int)lua_tointeger(L, lua_upvalueindex(1));
    lua_settop(L, 2);
    lj_push_operand(L, 1, "perform arithmetic on");
    if (op != LUA_OPUNM)
        lj_push_operand(L, 2, "perform arithmetic on");
    lua_arith(L, op);
    return 1;
}

/* Upvalue: the LUA_OP* number. Lua compares strings with numbers never, so neither do we. */
static int lj_compare(lua_State *L)
{
    for (int i = 1; i <= 2; i++)
        if (!lua_isnumber(L, i) || lua_type(L, i) == LUA_TSTRING)
            if (!wide_at(L, i))
                tm_lj_fail(L, "attempt to compare a number with a %s", luaL_typename(L, i));
    lj_push_operand(L, 1, "compare");
    lj_push_operand(L, 2, "compare");
    lua_pushboolean(L, lua_compare(L, -2, -1, (int)lua_tointeger(L, lua_upvalueindex(1))));
    return 1;
}

/* tonumber as Lua has it, upvalue 1, and the nearest float for a wide number. */
static int lj_tonumber(lua_State *L)
{
    if (lua_gettop(L) != 1 || !wide_at(L, 1))
        return tm_lj_original(L, 1);
    lj_push_operand(L, 1, "");
    return 1;
}

static int lj_tostring(lua_State *L)
{
    const struct wide *w = wide_at(L, 1);
    if (!w)
        tm_lj_fail(L, "a wide number expected, got %s", luaL_typename(L, 1));
    lua_pushlstring(L, w->digits, w->n);
    return 1;
}

static int lj_concat(lua_State *L)
{
    lua_settop(L, 2);
    for (int i = 1; i <= 2; i++) {
        struct slice digits = tm_wide_digits(L, i);
        if (digits.p)
            lua_pushlstring(L, digits.p, digits.n);
        else if (lua_isstring(L, i))
            lua_pushvalue(L, i);
        else
            tm_lj_fail(L, "attempt to concatenate a %s value", luaL_typename(L, i));
    }
    lua_concat(L, 2);
    return 1;
}

/* A string method, upvalue 1, called with the digits instead of the number. */
static int lj_method(lua_State *L)
{
    struct slice digits = tm_wide_digits(L, 1);
    if (digits.p) {
        lua_pushlstring(L, digits.p, digits.n);
        lua_replace(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Upvalue: the table of string functions. */
static int lj_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_gettable(L, lua_upvalueindex(1)) == LUA_TFUNCTION)
        lua_pushcclosure(L, lj_method, 1);
    return 1;
}

static void lj_open_operators(lua_State *L)
{
    static const struct {
        const char *name;
        lua_CFunction function;
        int op;
    } rows[] = {
        {"__add", lj_arith, LUA_OPADD}, {"__sub", lj_arith, LUA_OPSUB},
        {"__mul", lj_arith, LUA_OPMUL}, {"__div", lj_arith, LUA_OPDIV},
        {"__mod", lj_arith, LUA_OPMOD}, {"__pow", lj_arith, LUA_OPPOW},
        {"__unm", lj_arith, LUA_OPUNM}, {"__idiv", lj_arith, LUA_OPIDIV},
        {"__lt", lj_compare, LUA_OPLT}, {"__le", lj_compare, LUA_OPLE},
        {"__concat", lj_concat, 0},     {"__tostring", lj_tostring, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lua_pushinteger(L, rows[i].op);
        lua_pushcclosure(L, rows[i].function, 1);
        lua_setfield(L, -2, rows[i].name);
    }
}

void tm_lj_open_wide(lua_State *L, struct script *s)
{
    lua_newtable(L);
    lj_open_operators(L);
    lua_getglobal(L, "string");
    lua_pushcclosure(L, lj_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "wide number");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__name");
    lua_setfield(L, -2, "__metatable");
    s->ref.wide = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushglobaltable(L);
    tm_lj_replace(L, "tonumber", lj_tonumber);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    s->ref.wides = luaL_ref(L, LUA_REGISTRYINDEX);
}
