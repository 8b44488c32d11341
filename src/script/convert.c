/*
 * Lua values to values of records, and back to plain tables.
 *
 * A plain table says by its keys what it is: exactly 1 .. n an array, names an object; tidemill.array
 * and tidemill.object say it by a mark, a metatable that all such tables share. Everything a value
 * points to is copied to the arena that it goes to; names are sorted, as the order of a Lua table
 * differs from worker to worker.
 */
#include "script/convert.h"

#include <stdlib.h>

/* ---- paths ---- */

static void lj_push_path(lua_State *L, const struct path *p)
{
    luaL_checkstack(L, 4, NULL);
    if (p->up)
        lj_push_path(L, p->up);
    else
        lua_pushliteral(L, "");
    if (!p->key.p && p->index == 0)
        return; /* a root without a name */
    bool first = lua_rawlen(L, -1) == 0;
    if (p->key.p) {
        lua_pushstring(L, first ? "" : ".");
        lua_pushlstring(L, p->key.p, p->key.n);
        lua_concat(L, 3);
    } else {
        lua_pushfstring(L, "[%I]", p->index);
        lua_concat(L, 2);
    }
}

/* "field 'a.b[2]' WHAT" */
static _Noreturn void lj_refuse(lua_State *L, const struct path *path, const char *what)
{
    lua_pushstring(L, what);
    lj_push_path(L, path);
    if (lua_rawlen(L, -1) == 0)
        tm_lj_fail(L, "the value %s", lua_tostring(L, -2));
    tm_lj_fail(L, "field '%s' %s", lua_tostring(L, -1), lua_tostring(L, -2));
}

/* ---- what a plain table is ---- */

/* What was found while walking over the keys. */
struct keys {
    lua_Integer names, positions, last;
    int odd; /* the lowest type of a key that is neither, or LUA_TNONE */
};

static void count_key(lua_State *L, struct keys *k)
{
    int type = lua_type(L, -2);
    if (type == LUA_TSTRING) {
        k->names++;
    } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1) {
        lua_Integer i = lua_tointeger(L, -2);
        k->positions++;
        k->last = i > k->last ? i : k->last;
    } else if (k->odd == LUA_TNONE || type < k->odd) {
        k->odd = type;
    }
}

/* The mark of a table: NODE_ARRAY, NODE_OBJECT, or -1. */
static int mark_of(lua_State *L, int index)
{
    const struct script *s = script_of(L);
    int mark = -1;
    if (!lua_getmetatable(L, index))
        return -1;
    for (int kind = NODE_OBJECT; kind <= NODE_ARRAY; kind++) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.mark[kind]);
        if (lua_rawequal(L, -1, -2))
            mark = kind;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return mark;
}

static void lj_check_keys(lua_State *L, const struct keys *k, int mark, const struct path *path)
{
    if (k->odd == LUA_TNUMBER)
        lj_refuse(L, path, "has a number as a key that is no position: keys are 1 .. n or names");
    if (k->odd != LUA_TNONE) {
        lua_pushfstring(L, "has a %s as a key: keys are 1 .. n or names", lua_typename(L, k->odd));
        lj_refuse(L, path, lua_tostring(L, -1));
    }
    if (k->positions && mark == NODE_OBJECT)
        lj_refuse(L, path, "is marked as an object, but has elements");
    if (k->names && mark == NODE_ARRAY)
        lj_refuse(L, path, "is marked as an array, but has names as keys");
    if (k->names && k->positions)
        lj_refuse(L, path,
                  "mixes elements and names: keys are 1 .. n for an array, or names for "
                  "an object");
    if (k->last != k->positions) {
        lua_pushfstring(L,
                        "is an array with holes (elements: %I, the last is [%I]): "
                        "tidemill.null may stand in them",
                        k->positions, k->last);
        lj_refuse(L, path, lua_tostring(L, -1));
    }
    if (k->names + k->positions >= UINT32_MAX)
        tm_lj_memory(L);
}

struct shape tm_lj_shape(lua_State *L, int index, const struct path *path)
{
    struct keys k = {.odd = LUA_TNONE};
    int mark = mark_of(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        count_key(L, &k);
        lua_pop(L, 1);
    }
    lj_check_keys(L, &k, mark, path);
    struct shape shape = {TABLE_OBJECT, mark >= 0, (uint32_t)(k.names + k.positions)};
    if (k.positions || mark == NODE_ARRAY)
        shape.kind = TABLE_ARRAY;
    else if (!k.names && mark < 0)
        shape.kind = TABLE_EMPTY;
    return shape;
}

/* ---- plain tables to nodes ---- */

struct name {
    struct slice text;
    bool used;
};

static int by_text(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    return slice_cmp(x->text, y->text);
}

static void *lj_alloc(lua_State *L, struct arena *arena, size_t n, size_t size)
{
    tm_lj_charge(L, n * size);
    void *p = arena_alloc(arena, n * size);
    if (!p)
        tm_lj_memory(L);
    return p;
}

/* The string keys of the table at `index`, sorted, copied to the arena. At most *n, then set. */
static struct name *lj_names(lua_State *L, int index, struct arena *arena, uint32_t *n)
{
    struct name *names = lj_alloc(L, arena, *n, sizeof *names);
    uint32_t found = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (found < *n && lua_type(L, -2) == LUA_TSTRING)
            names[found++] = (struct name){tm_lj_copy(L, arena, lua_slice(L, -2)), false};
        lua_pop(L, 1);
    }
    qsort(names, found, sizeof *names, by_text);
    *n = found;
    return names;
}

static struct node *lj_node(lua_State *L, struct arena *arena, enum node_kind kind, uint32_t n)
{
    tm_lj_charge(L, sizeof(struct node) + n * sizeof(struct field));
    struct node *node = tm_node_new(arena, kind, n);
    if (!node)
        tm_lj_memory(L);
    return node;
}

/* Add the value on top of the stack, and pop it. */
static void lj_add(lua_State *L, struct node *node, const struct target *t, const struct path *path)
{
    struct value value;
    tm_lj_to_value(L, lua_gettop(L), t, path, &value);
    lua_pop(L, 1);
    if (tm_node_add(node, path->key, value))
        tm_lj_memory(L);
}

static void lj_add_name(lua_State *L, int index, struct node *node, const struct target *t,
                        const struct path *here, struct name *name)
{
    struct path path = {.up = here, .key = name->text, .depth = here->depth + 1};
    name->used = true;
    lua_pushlstring(L, name->text.p, name->text.n);
    lua_rawget(L, index);
    lj_add(L, node, t, &path);
}

struct node *tm_lj_to_object(lua_State *L, int index, const struct target *t,
                             const struct path *path, const struct node *order)
{
    struct path here = *path;
    uint32_t n = tm_lj_shape(L, index, path).n;
    struct name *names = lj_names(L, index, t->arena, &n);
    struct node *node = lj_node(L, t->arena, NODE_OBJECT, n);
    here.table = lua_topointer(L, index);
    for (uint32_t i = 0; order && i < order->originals; i++) {
        struct name key = {order->fields[i].key, false};
        struct name *name = bsearch(&key, names, n, sizeof *names, by_text);
        if (name)
            lj_add_name(L, index, node, t, &here, name);
    }
    for (uint32_t i = 0; i < n; i++)
        if (!names[i].used)
            lj_add_name(L, index, node, t, &here, &names[i]);
    return node;
}

static struct node *lj_to_array(lua_State *L, int index, const struct target *t,
                                const struct path *path, uint32_t n)
{
    struct path here = *path;
    struct node *node = lj_node(L, t->arena, NODE_ARRAY, n);
    here.table = lua_topointer(L, index);
    for (lua_Integer i = 1; i <= n; i++) {
        struct path element = {.up = &here, .index = i, .depth = here.depth + 1};
        lua_rawgeti(L, index, i);
        lj_add(L, node, t, &element);
    }
    return node;
}

static struct node *lj_to_node(lua_State *L, int index, const struct target *t,
                               const struct path *path)
{
    const void *table = lua_topointer(L, index);
    for (const struct path *p = path->up; p; p = p->up)
        if (p->table == table)
            lj_refuse(L, path, "is a cycle: it contains itself");
    if (path->depth > NODE_DEPTH_MAX)
        tm_lj_fail(L, "values are nested deeper than %d levels", NODE_DEPTH_MAX);
    if (!lua_checkstack(L, 16))
        tm_lj_memory(L);
    struct shape shape = tm_lj_shape(L, index, path);
    if (shape.kind == TABLE_ARRAY)
        return lj_to_array(L, index, t, path, shape.n);
    return tm_lj_to_object(L, index, t, path, NULL);
}

/* ---- other values ---- */

/* How deep the part of a node goes that is copied as nodes: unchanged parts are copied as text. */
static uint32_t changed_depth(const struct node *n, uint32_t limit)
{
    uint32_t deepest = 0;
    for (uint32_t i = 0; i < n->count && limit > 0; i++) {
        const struct value *v = &n->fields[i].value;
        if (v->kind != VALUE_NODE || (!v->node->changed && v->node->source.p))
            continue;
        uint32_t depth = 1 + changed_depth(v->node, limit - 1);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

void tm_lj_check_depth(lua_State *L, const struct node *n, uint32_t depth)
{
    if (depth + changed_depth(n, NODE_DEPTH_MAX + 1) > NODE_DEPTH_MAX)
        tm_lj_fail(L, "values are nested deeper than %d levels", NODE_DEPTH_MAX);
}

static void lj_view_to_value(lua_State *L, int index, const struct target *t,
                             const struct path *path, struct value *out)
{
    const struct view *v = tm_lj_view_check(L, index);
    struct value value = {.kind = VALUE_NODE, .node = v->node};
    tm_lj_check_depth(L, v->node, path->depth);
    tm_lj_charge(L, v->node->count * sizeof(struct field));
    if (tm_value_keep(t->arena, &value, v->now != t->now, out))
        tm_lj_memory(L);
}

static void lj_userdata_to_value(lua_State *L, int index, const struct target *t,
                                 const struct path *path, struct value *out)
{
    struct slice digits = tm_wide_digits(L, index);
    if (digits.p)
        *out = (struct value){.kind = VALUE_NUMBER, .text = tm_lj_copy(L, t->arena, digits)};
    else if (view_at(L, index))
        lj_view_to_value(L, index, t, path, out);
    else
        lj_refuse(L, path, "is a userdata, which a record cannot hold");
}

static struct value number_value(lua_State *L, int index)
{
    if (lua_isinteger(L, index))
        return (struct value){.kind = VALUE_INT, .i = lua_tointeger(L, index)};
    return (struct value){.kind = VALUE_FLOAT, .d = lua_tonumber(L, index)};
}

static _Noreturn void lj_refuse_type(lua_State *L, int index, const struct path *path)
{
    if (lua_isnil(L, index))
        lj_refuse(L, path, "is nil: tidemill.null is the null of JSON");
    lua_pushfstring(L, "is a %s, which a record cannot hold", luaL_typename(L, index));
    lj_refuse(L, path, lua_tostring(L, -1));
}

void tm_lj_to_value(lua_State *L, int index, const struct target *t, const struct path *path,
                    struct value *out)
{
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        *out = number_value(L, index);
        break;
    case LUA_TSTRING:
        *out = (struct value){.kind = VALUE_TEXT,
                              .text = tm_lj_copy(L, t->arena, lua_slice(L, index))};
        break;
    case LUA_TBOOLEAN:
        out->kind = lua_toboolean(L, index) ? VALUE_TRUE : VALUE_FALSE;
        break;
    case LUA_TTABLE:
        *out = (struct value){.kind = VALUE_NODE, .node = lj_to_node(L, index, t, path)};
        break;
    case LUA_TUSERDATA:
        lj_userdata_to_value(L, index, t, path, out);
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == NULL) {
            out->kind = VALUE_NULL;
            break;
        } /* fall through */
    default:
        lj_refuse_type(L, index, path);
    }
}

/* ---- nodes to plain tables ---- */

bool tm_lj_push_scalar(lua_State *L, const struct value *v)
{
    switch (v->kind) {
    case VALUE_INT:
        lua_pushinteger(L, v->i);
        return true;
    case VALUE_FLOAT:
        lua_pushnumber(L, v->d);
        return true;
    case VALUE_TEXT:
        lua_pushlstring(L, v->text.p, v->text.n);
        return true;
    case VALUE_TRUE:
    case VALUE_FALSE:
        lua_pushboolean(L, v->kind == VALUE_TRUE);
        return true;
    case VALUE_NULL:
        if (!script_of(L)->config.null_as_nil) {
            lua_pushlightuserdata(L, NULL);
            return true;
        } /* fall through */
    case VALUE_NONE:
        lua_pushnil(L);
        return true;
    case VALUE_NUMBER:
        tm_lj_wide_push(L, v->text);
        return true;
    default:
        return false;
    }
}

/* Push element or field `i` as plain Lua. A null in an array stays, for the others' places. */
static void lj_push_plain_field(lua_State *L, struct node *n, uint32_t i)
{
    struct value v;
    if (tm_node_get(n, i, &v))
        tm_lj_memory(L);
    if (v.kind == VALUE_NULL && n->kind == NODE_ARRAY)
        lua_pushlightuserdata(L, NULL);
    else
        tm_lj_push_plain(L, &v);
}

static void lj_push_plain_node(lua_State *L, struct node *n)
{
    int hint = n->live > 1 << 20 ? 1 << 20 : (int)n->live;
    bool array = n->kind == NODE_ARRAY;
    if (!lua_checkstack(L, 16))
        tm_lj_memory(L);
    lua_createtable(L, array ? hint : 0, array ? 0 : hint);
    for (uint32_t i = 0; i < n->count; i++) {
        if (n->fields[i].value.kind == VALUE_NONE)
            continue;
        if (array) {
            lua_pushinteger(L, (lua_Integer)i + 1);
        } else {
            struct slice key = n->fields[i].key;
            lua_pushlstring(L, key.p, key.n);
        }
        lj_push_plain_field(L, n, i);
        lua_rawset(L, -3);
    }
    if (array || n->live == 0) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.mark[n->kind]);
        lua_setmetatable(L, -2);
    }
}

void tm_lj_push_plain(lua_State *L, const struct value *v)
{
    if (!tm_lj_push_scalar(L, v))
        lj_push_plain_node(L, v->node);
}
