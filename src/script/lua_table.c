/*
 * table.insert, remove, sort, move and concat for arrays of records, as Lua's manual has them. Lua's own
 * work on them as well, but read every element that they move as a value and assign it anew; here it
 * keeps its bytes. The same is sorted in the same way, always. Everything else is handed on to Lua's, in
 * the same call.
 */
#include <ctype.h>

#include "script/convert.h"

/* The array at `index`, or NULL for anything else. */
static struct view *lj_array_at(lua_State *L, int index)
{
    struct view *v = lua_type(L, index) == LUA_TUSERDATA ? view_at(L, index) : NULL;
    return v && tm_lj_view_check(L, index)->node->kind == NODE_ARRAY ? v : NULL;
}

/* ---- insert and remove ---- */

static int lj_insert(lua_State *L)
{
    struct view *v = lj_array_at(L, 1);
    int top = lua_gettop(L);
    if (!v || top < 2 || top > 3 || lua_isnil(L, top))
        return tm_lj_original(L, 1);
    lua_Integer at = top == 3 ? luaL_checkinteger(L, 2) : (lua_Integer)v->node->count + 1;
    struct path path = {.index = at};
    struct value value;
    tm_lj_view_value(L, v, top, &path, &value);
    luaL_argcheck(L, at >= 1 && at <= (lua_Integer)v->node->count + 1, 2, "position out of bounds");
    if (tm_array_insert(v->node, (uint32_t)(at - 1), value))
        tm_lj_memory(L);
    return 0;
}

static int lj_remove(lua_State *L)
{
    struct view *v = lj_array_at(L, 1);
    if (!v)
        return tm_lj_original(L, 1);
    lua_Integer size = v->node->count, at = luaL_optinteger(L, 2, size);
    luaL_argcheck(L, at == size || (at >= 1 && at <= size + 1), 2, "position out of bounds");
    if (at < 1 || at > size) {
        lua_pushnil(L);
        return 1;
    }
    tm_lj_view_push_field(L, 1, v, (uint32_t)(at - 1));
    if (at <= (lua_Integer)v->node->count)
        tm_array_remove(v->node, (uint32_t)(at - 1));
    return 1;
}

/* ---- sort ---- */

/* Where things are while an array is sorted. */
enum { AT_ARRAY = 1, AT_LESS, AT_VALUES };

/* Is element `i` (0-based) less than `k`? */
static bool lj_is_less(lua_State *L, uint32_t i, uint32_t k)
{
    bool ordered = lua_isnil(L, AT_LESS);
    if (!ordered)
        lua_pushvalue(L, AT_LESS);
    lua_rawgeti(L, AT_VALUES, (lua_Integer)i + 1);
    lua_rawgeti(L, AT_VALUES, (lua_Integer)k + 1);
    if (!ordered)
        lua_call(L, 2, 1);
    bool less = ordered ? lua_compare(L, -2, -1, LUA_OPLT) : lua_toboolean(L, -1);
    lua_settop(L, AT_VALUES + 1);
    return less;
}

/* Two runs of `from`, which reach to `middle` and to `end`, as one in `to`. */
static void lj_merge(lua_State *L, const uint32_t *from, uint32_t *to, uint32_t begin,
                     uint32_t middle, uint32_t end)
{
    uint32_t a = begin, b = middle;
    for (uint32_t i = begin; i < end; i++) {
        bool second = a == middle || (b < end && lj_is_less(L, from[b], from[a]));
        to[i] = second ? from[b++] : from[a++];
    }
}

/* The order of `n` elements, in one of two halves of `room`. What is equal stays as it was. */
static const uint32_t *lj_order(lua_State *L, uint32_t *room, uint32_t n)
{
    uint32_t *from = room, *to = room + n;
    for (uint32_t i = 0; i < n; i++)
        from[i] = i;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t begin = 0; begin < n; begin += 2 * width) {
            uint64_t middle = begin + width < n ? begin + width : n;
            uint64_t end = middle + width < n ? middle + width : n;
            lj_merge(L, from, to, (uint32_t)begin, (uint32_t)middle, (uint32_t)end);
        }
        uint32_t *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

/* Push the values, a plain table of `n`; their order is what comes back. */
static const uint32_t *lj_sorted(lua_State *L, struct view *v, uint32_t n)
{
    luaL_argcheck(L, n < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, AT_LESS))
        luaL_checktype(L, AT_LESS, LUA_TFUNCTION);
    lua_settop(L, AT_LESS);
    lua_createtable(L, (int)n, 0);
    for (uint32_t i = 0; i < n; i++) {
        if (!v)
            lua_geti(L, AT_ARRAY, (lua_Integer)i + 1);
        else if (i < v->node->count)
            tm_lj_view_push_field(L, AT_ARRAY, v, i);
        else
            lua_pushnil(L);
        lua_rawseti(L, AT_VALUES, (lua_Integer)i + 1);
    }
    return lj_order(L, lua_newuserdatauv(L, 2 * n * sizeof(uint32_t), 0), n);
}

/* Beyond so many elements Lua's own sort takes pivots by the clock, and orders so what is equal. */
#define BY_LUA 100

static int lj_sort_table(lua_State *L)
{
    lua_Integer n = luaL_len(L, 1);
    if (n <= BY_LUA || n >= INT_MAX) /* of so many it says that they are too many */
        return tm_lj_original(L, 1);
    const uint32_t *order = lj_sorted(L, NULL, (uint32_t)n);
    for (uint32_t i = 0; i < (uint32_t)n; i++) {
        if (order[i] == i)
            continue;
        lua_rawgeti(L, AT_VALUES, (lua_Integer)order[i] + 1);
        lua_seti(L, AT_ARRAY, (lua_Integer)i + 1);
    }
    return 0;
}

static int lj_sort(lua_State *L)
{
    struct view *v = lj_array_at(L, 1);
    if (!v)
        return lua_istable(L, 1) ? lj_sort_table(L) : tm_lj_original(L, 1);
    uint32_t n = v->node->count;
    const uint32_t *order = lj_sorted(L, v, n);
    if (tm_lj_view_check(L, AT_ARRAY)->node->count != n)
        tm_lj_fail(L, "the array became longer or shorter while it was sorted");
    if (tm_array_reorder(v->node, order))
        tm_lj_memory(L);
    return 0;
}

/* ---- move ---- */

/* Has the element kept the digits that it came with? */
static bool has_digits(const struct field *f)
{
    return f->value.kind == VALUE_JSON &&
           (f->value.text.p[0] == '-' || isdigit((unsigned char)f->value.text.p[0]));
}

/* to[k] = from[i]; numbers with their digits. */
static void lj_move_element(lua_State *L, const struct view *from, lua_Integer i,
                            const struct view *to, lua_Integer k)
{
    struct node *n = to->node;
    bool element = i >= 1 && i <= from->node->count && k >= 1 && k <= (lua_Integer)n->count + 1;
    if (!element || !has_digits(&node_fields(from->node)[i - 1])) {
        lua_geti(L, 1, i);
        lua_seti(L, -2, k);
        return;
    }
    struct value value = node_fields(from->node)[i - 1].value;
    tm_lj_view_keep(L, to, from, &value);
    if (k <= n->count)
        tm_node_set(n, (uint32_t)(k - 1), value);
    else if (tm_node_add(n, SLICE(""), value))
        tm_lj_memory(L);
}

static int lj_move(lua_State *L)
{
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    const struct view *from = lj_array_at(L, 1), *to = from ? lj_array_at(L, target) : NULL;
    if (!to)
        return tm_lj_original(L, 1);
    lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3);
    lua_Integer t = luaL_checkinteger(L, 4);
    lua_pushvalue(L, target);
    if (e < f)
        return 1;
    luaL_argcheck(L, f > 0 || e < LUA_MAXINTEGER + f, 3, "too many elements to move");
    lua_Integer n = e - f + 1;
    luaL_argcheck(L, t <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    if (t > e || t <= f || from->node != to->node)
        for (lua_Integer i = 0; i < n; i++)
            lj_move_element(L, from, f + i, to, t + i);
    else
        for (lua_Integer i = n; i-- > 0;)
            lj_move_element(L, from, f + i, to, t + i);
    return 1;
}

/* ---- concat ---- */

/* For plain tables too, as numbers that are wide are none to Lua. */
static int lj_concat(lua_State *L)
{
    luaL_Buffer b;
    size_t n;
    if (!lua_istable(L, 1) && !lj_array_at(L, 1))
        return tm_lj_original(L, 1);
    lua_Integer last = luaL_len(L, 1);
    const char *separator = luaL_optlstring(L, 2, "", &n);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    last = luaL_optinteger(L, 4, last);
    luaL_buffinit(L, &b);
    for (bool more = i <= last; more;) {
        lua_geti(L, 1, i);
        struct slice digits = tm_wide_digits(L, -1);
        if (digits.p) {
            lua_pushlstring(L, digits.p, digits.n);
            lua_replace(L, -2);
        } else if (!lua_isstring(L, -1)) {
            tm_lj_fail(L, "invalid value (%s) at index %I in table for 'concat'",
                       luaL_typename(L, -1), i);
        }
        luaL_addvalue(&b);
        more = i < last;
        i += more;
        if (more)
            luaL_addlstring(&b, separator, n);
    }
    luaL_pushresult(&b);
    return 1;
}

void tm_lj_open_table(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"insert", lj_insert}, {"remove", lj_remove}, {"sort", lj_sort},
        {"move", lj_move},     {"concat", lj_concat},
    };
    lua_getglobal(L, "table");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        tm_lj_replace(L, functions[i].name, functions[i].func);
    lua_pop(L, 1);
}
