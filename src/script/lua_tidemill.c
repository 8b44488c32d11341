/*
 * The global `tidemill`: what scripts have beside records and plain Lua.
 */
#include <stdlib.h>

#include "script/convert.h"

/* ---- copies, and objects that own their memory ---- */

/*
 * About what a copy of the node takes; too little costs an allocation, too much some bytes. What is
 * changed two levels inside is not looked at.
 */
static size_t copy_size(const struct node *n)
{
    size_t size = sizeof *n + 32 + n->source.n + n->line_end.n + n->count * sizeof(struct field);
    for (uint32_t i = 0; i < n->count; i++) {
        const struct field *f = &node_fields(n)[i];
        if (f->source.p == NULL)
            size += f->key.n + 16;
        const struct node *inner = f->value.kind == VALUE_NODE ? f->value.node : NULL;
        if (inner && inner->changed)
            size += sizeof *inner + inner->source.n + inner->count * sizeof(struct field);
        else if (f->source.p == NULL &&
                 (f->value.kind == VALUE_TEXT || f->value.kind == VALUE_JSON))
            size += f->value.text.n + 16;
    }
    return size;
}

static int lj_copy(lua_State *L)
{
    struct arena *arena;
    luaL_checkany(L, 1);
    if (lua_istable(L, 1) || lua_isfunction(L, 1))
        tm_lj_fail(L, "copy takes a record or one of its values, got a %s", luaL_typename(L, 1));
    if (lua_type(L, 1) == LUA_TUSERDATA ? tm_wide_digits(L, 1).p != NULL : !is_view(L, 1)) {
        lua_settop(L, 1);
        return 1; /* scalars are what they are */
    }
    const struct node *from = tm_lj_view_check(L, 1)->node;
    struct view *v = tm_lj_view_new_owned(L, from->kind, copy_size(from), &arena);
    struct node *copy = tm_node_copy(arena, from);
    if (!copy)
        tm_lj_memory(L);
    v->node = copy;
    return 1;
}

/* Add pair `i` of tidemill.record, a table on top of the stack, and pop it. */
static void lj_add_pair(lua_State *L, struct node *node, const struct target *t, lua_Integer i)
{
    int pair = lua_gettop(L);
    if (!lua_istable(L, pair))
        tm_lj_fail(L, "record takes pairs {{\"a\", 1}, {\"b\", 2}}, but entry %I is a %s", i,
                   luaL_typename(L, pair));
    lua_rawgeti(L, pair, 1);
    lua_rawgeti(L, pair, 2);
    if (lua_type(L, pair + 1) != LUA_TSTRING)
        tm_lj_fail(L, "the name in pair %I of a record is a %s, not a string", i,
                   luaL_typename(L, pair + 1));
    struct slice name = lua_slice(L, pair + 1);
    if (tm_node_find(node, name) != UINT32_MAX)
        tm_lj_fail(L, "the name '%s' is twice in a record", name.p);
    if (!lua_isnil(L, pair + 2)) {
        struct path path = {.key = name, .depth = 1};
        struct value value;
        tm_lj_to_value(L, pair + 2, t, &path, &value);
        if (tm_node_add(node, tm_lj_copy(L, t->arena, name), value))
            tm_lj_memory(L);
    }
    lua_settop(L, pair - 1);
}

/* record{{"a", 1}, {"b", 2}}: an object with its fields in this order; nil leaves a field out. */
static int lj_record(lua_State *L)
{
    struct arena *arena;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (i < 1 || i > n)
            tm_lj_fail(L, "record takes pairs {{\"a\", 1}, {\"b\", 2}} and nothing else");
        lua_pop(L, 1);
    }
    size_t size = sizeof(struct node) + 32 + (size_t)n * (sizeof(struct field) + 64);
    struct view *v = tm_lj_view_new_owned(L, NODE_OBJECT, size, &arena);
    struct target t = {arena, v->now};
    struct node *node = tm_node_new(arena, NODE_OBJECT, (uint32_t)n);
    if (!node)
        tm_lj_memory(L);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        lj_add_pair(L, node, &t, i);
    }
    v->node = node;
    return 1;
}

/* ---- plain tables ---- */

/* array(t) and object(t): mark a plain table, a new one without t. */
static int lj_mark(lua_State *L, enum node_kind kind)
{
    const char *name = kind == NODE_ARRAY ? "array" : "object";
    int mark = script_of(L)->ref.mark[kind];
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    lua_settop(L, 1);
    if (is_view(L, 1) && tm_lj_view_check(L, 1)->node->kind == kind)
        return 1;
    if (!lua_istable(L, 1))
        tm_lj_fail(L, "%s takes a plain table, got a %s", name, luaL_typename(L, 1));
    lua_rawgeti(L, LUA_REGISTRYINDEX, mark);
    if (lua_getmetatable(L, 1)) {
        for (int i = NODE_OBJECT; i <= NODE_ARRAY; i++)
            lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.mark[i]);
        if (!lua_rawequal(L, 3, 4) && !lua_rawequal(L, 3, 5))
            tm_lj_fail(L, "%s cannot mark this table: it has a metatable already", name);
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int lj_array(lua_State *L)
{
    return lj_mark(L, NODE_ARRAY);
}

static int lj_object(lua_State *L)
{
    return lj_mark(L, NODE_OBJECT);
}

/* table(v): a record or nested value as plain tables, deeply; anything else is given back. */
static int lj_table(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (is_view(L, 1)) {
        struct value v = {.kind = VALUE_NODE, .node = tm_lj_view_check(L, 1)->node};
        tm_lj_push_plain(L, &v);
    }
    return 1;
}

/* text(r, key): the field's own bytes, nil when there is no such field. */
static int lj_text(lua_State *L)
{
    struct view *v = tm_lj_view_check(L, 1);
    uint32_t i = tm_lj_view_find(L, v, 2);
    struct slice text;
    err e;
    luaL_checkany(L, 2);
    if (i == UINT32_MAX) {
        lua_pushnil(L);
        return 1;
    }
    if (tm_node_text(v->node, i, &text, &e))
        tm_lj_raise(L, &e);
    lua_pushlstring(L, text.p, text.n);
    return 1;
}

/* ---- sorted ---- */

/* A key: numbers before strings, strings by their bytes, which Lua keeps while they are in a table. */
struct sort_key {
    bool number, whole;
    lua_Integer i;
    lua_Number d;
    struct slice text;
    lua_Integer at; /* in the table of keys */
};

static int by_key(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    if (x->number != y->number)
        return x->number ? -1 : 1;
    if (!x->number)
        return slice_cmp(x->text, y->text);
    if (x->whole && y->whole)
        return (x->i > y->i) - (x->i < y->i);
    return (x->d > y->d) - (x->d < y->d);
}

static struct sort_key lj_sort_key(lua_State *L, int index, lua_Integer at)
{
    struct sort_key k = {.number = lua_type(L, index) == LUA_TNUMBER, .at = at};
    if (k.number) {
        k.whole = lua_isinteger(L, index);
        k.i = k.whole ? lua_tointeger(L, index) : 0;
        k.d = lua_tonumber(L, index);
    } else if (lua_type(L, index) == LUA_TSTRING) {
        k.text = lua_slice(L, index);
    } else {
        tm_lj_fail(L, "sorted takes keys that are numbers or strings, got a %s",
                   luaL_typename(L, index));
    }
    return k;
}

/* Append the keys that an iterator gives, below which the table of keys lies. */
static lua_Integer lj_take_keys(lua_State *L, int keys)
{
    lua_Integer n = 0;
    for (;;) {
        for (int i = 1; i <= 3; i++)
            lua_pushvalue(L, keys + i);
        lua_call(L, 2, 1);
        if (lua_isnil(L, -1))
            return n;
        lua_pushvalue(L, -1);
        lua_replace(L, keys + 3);
        lua_rawseti(L, keys, ++n);
    }
}

/* Push a table of the keys of what is at 1: all that pairs() gives. */
static lua_Integer lj_push_keys(lua_State *L)
{
    lua_Integer n = 0;
    lua_newtable(L);
    int keys = lua_gettop(L);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        n = lj_take_keys(L, keys);
        lua_settop(L, keys);
        return n;
    }
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, keys, ++n);
    }
    return n;
}

/* Push a table of the keys in the table on top, sorted. */
static void lj_push_sorted(lua_State *L, lua_Integer n)
{
    int keys = lua_gettop(L);
    struct sort_key *order = lua_newuserdatauv(L, (size_t)n * sizeof *order, 0);
    for (lua_Integer i = 0; i < n; i++) {
        lua_rawgeti(L, keys, i + 1);
        order[i] = lj_sort_key(L, -1, i + 1);
        lua_pop(L, 1);
    }
    qsort(order, (size_t)n, sizeof *order, by_key);
    lua_createtable(L, 0, 0);
    for (lua_Integer i = 0; i < n; i++) {
        lua_rawgeti(L, keys, order[i].at);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Upvalues: what is iterated, its keys in order, the next position. */
static int lj_sorted_next(lua_State *L)
{
    for (;;) {
        lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));
        lua_pushinteger(L, i + 1);
        lua_replace(L, lua_upvalueindex(3));
        if (lua_rawgeti(L, lua_upvalueindex(2), i) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_gettable(L, lua_upvalueindex(1)) != LUA_TNIL)
            return 2;
        lua_settop(L, 0); /* deleted on the way */
    }
}

/* for k, v in sorted(t): in the order of the keys. */
static int lj_sorted(lua_State *L)
{
    if (!is_view(L, 1))
        luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lj_push_sorted(L, lj_push_keys(L));
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_pushinteger(L, 1);
    lua_pushcclosure(L, lj_sorted_next, 3);
    return 1;
}

/* ---- log ---- */

/* log(...): one line, arguments as print has them. */
static int lj_log(lua_State *L)
{
    const struct script *s = script_of(L);
    luaL_Buffer b;
    int n = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    char *p = luaL_buffaddr(&b);
    for (size_t i = 0; i < luaL_bufflen(&b); i++)
        if (p[i] == '\n' || p[i] == '\r')
            p[i] = ' ';
    luaL_pushresult(&b);
    s->host.log(s->host.data, TIDEMILL_LOG_WARNING, lua_slice(L, -1));
    return 0;
}

/* ---- opening ---- */

/* Nothing is in them: marked tables print and fail as plain ones do. */
static void lj_open_marks(lua_State *L, struct script *s)
{
    for (int kind = NODE_OBJECT; kind <= NODE_ARRAY; kind++) {
        lua_newtable(L);
        s->ref.mark[kind] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

static void lj_open_params(lua_State *L, struct script *s)
{
    struct value value;
    size_t where;
    err e;
    struct slice text = s->config.params.n ? s->config.params : SLICE("{}");
    struct arena *arena = tm_lj_workspace(L);
    if (tm_json_read_value(s->reader, arena, text, &value, &where, &e)) {
        lua_pushfstring(L, "the params cannot be read: %s", e.message);
        lua_error(L);
    }
    tm_lj_push_plain(L, &value);
    tm_arena_release(arena);
    s->ref.params = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
}

static void lj_open_host(lua_State *L, const struct script *s)
{
    lua_newtable(L);
    for (size_t i = 0; i < s->config.functions_n; i++) {
        lua_pushcfunction(L, s->config.functions[i].function);
        lua_setfield(L, -2, s->config.functions[i].name);
    }
    lua_setfield(L, -2, "host");
}

void tm_lj_open_tidemill(lua_State *L, struct script *s)
{
    static const luaL_Reg functions[] = {
        {"emit", tm_lj_emit},  {"copy", lj_copy},   {"record", lj_record}, {"array", lj_array},
        {"object", lj_object}, {"table", lj_table}, {"text", lj_text},     {"sorted", lj_sorted},
        {"log", lj_log},       {NULL, NULL},
    };
    lj_open_marks(L, s);
    lj_open_params(L, s);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, TIDEMILL_VERSION);
    lua_setfield(L, -2, "version");
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.params);
    lua_setfield(L, -2, "params");
    lj_open_host(L, s);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "tidemill");
    lua_pop(L, 1);
    lua_setglobal(L, "tidemill");
}
