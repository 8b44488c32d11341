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

#define PATH_SHOWN 400 /* bytes, and a little more */

/* The step `i` of `n`, from the root on. */
static const struct path *step_of(const struct path *p, uint32_t i, uint32_t n)
{
    for (; i + 1 < n; i++)
        p = p->up;
    return p;
}

static void lj_push_path(lua_State *L, const struct path *path)
{
    luaL_Buffer b;
    uint32_t n = 0;
    size_t shown = 0;
    luaL_checkstack(L, 8, NULL);
    for (const struct path *p = path; p; p = p->up)
        n++;
    luaL_buffinit(L, &b);
    for (uint32_t i = 0; i < n && shown < PATH_SHOWN; i++) {
        const struct path *p = step_of(path, i, n);
        if (p->key.p) {
            size_t length = p->key.n < PATH_SHOWN ? p->key.n : PATH_SHOWN;
            if (shown)
                luaL_addchar(&b, '.');
            luaL_addlstring(&b, p->key.p, length);
            shown += length + 1;
        } else if (p->index) {
            lua_pushfstring(L, "[%I]", p->index);
            shown += lua_rawlen(L, -1);
            luaL_addvalue(&b);
        } /* else a root without a name */
    }
    luaL_pushresult(&b);
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

struct table_shape tm_lj_table_shape(lua_State *L, int index, const struct path *path)
{
    struct keys k = {.odd = LUA_TNONE};
    int mark = mark_of(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        count_key(L, &k);
        lua_pop(L, 1);
    }
    lj_check_keys(L, &k, mark, path);
    struct table_shape shape = {TABLE_OBJECT, mark >= 0, (uint32_t)(k.names + k.positions)};
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

/*
 * A table that is being converted, and the ones around it: a list instead of recursion, as tables
 * may be nested as deep as input is.
 */
struct build {
    struct build *up, *down; /* `down` is kept to be used again */
    struct path path;
    struct node *node;
    int table;          /* its place on Lua's stack */
    struct name *names; /* in their order; NULL: an array */
    uint32_t n, next;
};

/* Names that `order` came with to the front, in its order. */
static struct name *lj_sort_names(lua_State *L, struct arena *arena, struct name *names, uint32_t n,
                                  const struct node *order)
{
    uint32_t found = 0;
    struct name *sorted = lj_alloc(L, arena, n, sizeof *sorted);
    for (uint32_t i = 0; i < order->originals && found < n; i++) {
        struct name key = {node_fields(order)[i].key, false};
        struct name *name = bsearch(&key, names, n, sizeof *names, by_text);
        if (name && !name->used) {
            name->used = true;
            sorted[found++] = *name;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (!names[i].used)
            sorted[found++] = names[i];
    return sorted;
}

static void lj_check_place(lua_State *L, const struct path *path, const void *table)
{
    uint32_t most = script_of(L)->config.max_depth;
    for (const struct path *p = path->up; p; p = p->up)
        if (p->table == table)
            lj_refuse(L, path, "is a cycle: it contains itself");
    if (path->depth >= most)
        tm_lj_fail(L, "values are nested deeper than %d levels", (int)most);
}

/* Begin to convert the table at `index`. `order` may be NULL. */
static struct build *lj_begin(lua_State *L, struct build *up, int index, const struct target *t,
                              const struct path *path, const struct node *order)
{
    struct build *b = up ? up->down : NULL;
    lj_check_place(L, path, lua_topointer(L, index));
    if (!lua_checkstack(L, 16))
        tm_lj_memory(L);
    struct table_shape shape = tm_lj_table_shape(L, index, path);
    bool array = shape.kind == TABLE_ARRAY && !order;
    if (!b) {
        b = lj_alloc(L, t->arena, 1, sizeof *b);
        b->down = NULL;
        if (up)
            up->down = b;
    }
    b->up = up;
    b->path = *path;
    b->path.table = lua_topointer(L, index);
    b->table = index;
    b->next = 0;
    b->n = shape.n;
    b->names = array ? NULL : lj_names(L, index, t->arena, &b->n);
    if (order)
        b->names = lj_sort_names(L, t->arena, b->names, b->n, order);
    b->node = lj_node(L, t->arena, array ? NODE_ARRAY : NODE_OBJECT, b->n);
    return b;
}

/* Push the next value of the table; the path to it. */
static struct path lj_push_next(lua_State *L, struct build *b)
{
    struct path path = {.up = &b->path, .depth = b->path.depth + 1};
    uint32_t i = b->next++;
    if (b->names) {
        path.key = b->names[i].text;
        lua_pushlstring(L, path.key.p, path.key.n);
        lua_rawget(L, b->table);
    } else {
        path.index = (lua_Integer)i + 1;
        lua_rawgeti(L, b->table, path.index);
    }
    return path;
}

/* The plain table at `index` as a node. */
static struct node *lj_build(lua_State *L, int index, const struct target *t,
                             const struct path *path, const struct node *order)
{
    struct build *b = lj_begin(L, NULL, index, t, path, order);
    while (b->up || b->next < b->n) {
        struct value value;
        struct slice key;
        if (b->next < b->n) {
            struct path next = lj_push_next(L, b);
            if (lua_type(L, -1) == LUA_TTABLE) {
                b = lj_begin(L, b, lua_gettop(L), t, &next, NULL);
                continue;
            }
            tm_lj_to_value(L, lua_gettop(L), t, &next, &value);
            key = next.key;
        } else {
            value = (struct value){.kind = VALUE_NODE, .node = b->node};
            key = b->path.key;
            b = b->up;
        }
        lua_pop(L, 1);
        if (tm_node_add(b->node, key, value))
            tm_lj_memory(L);
    }
    return b->node;
}

struct node *tm_lj_to_object(lua_State *L, int index, const struct target *t,
                             const struct path *path, const struct node *order)
{
    static const struct node none;
    return lj_build(L, index, t, path, order ? order : &none);
}

/* ---- other values ---- */

void tm_lj_keep(lua_State *L, const struct target *t, const struct path *path,
                const struct view *from, struct value *v)
{
    uint32_t most = script_of(L)->config.max_depth;
    uint32_t levels = most > path->depth ? most - path->depth : 0;
    if (v->kind == VALUE_NODE)
        tm_lj_charge(L, v->node->count * sizeof(struct field));
    int status = tm_value_keep(t->arena, v, from->now != t->now, levels, v);
    if (status == TIDEMILL_E_WRITE)
        tm_lj_fail(L, "values are nested deeper than %d levels", (int)most);
    if (status)
        tm_lj_memory(L);
}

static void lj_view_to_value(lua_State *L, int index, const struct target *t,
                             const struct path *path, struct value *out)
{
    const struct view *v = tm_lj_view_check(L, index);
    *out = (struct value){.kind = VALUE_NODE, .node = v->node};
    tm_lj_keep(L, t, path, v, out);
}

static void lj_userdata_to_value(lua_State *L, int index, const struct target *t,
                                 const struct path *path, struct value *out)
{
    struct slice digits = tm_wide_digits(L, index);
    if (digits.p)
        *out = (struct value){.kind = VALUE_NUMBER, .text = tm_lj_copy(L, t->arena, digits)};
    else if (is_view(L, index))
        lj_view_to_value(L, index, t, path, out);
    else
        lj_refuse(L, path, "is a userdata, which a record cannot hold");
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
        lj_number(L, index, out);
        break;
    case LUA_TSTRING:
        *out = (struct value){.kind = VALUE_TEXT,
                              .text = tm_lj_copy(L, t->arena, lua_slice(L, index))};
        break;
    case LUA_TBOOLEAN:
        out->kind = lua_toboolean(L, index) ? VALUE_TRUE : VALUE_FALSE;
        break;
    case LUA_TTABLE:
        *out = (struct value){.kind = VALUE_NODE, .node = lj_build(L, index, t, path, NULL)};
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == NULL) {
            out->kind = VALUE_NULL;
            break;
        } /* fall through */
    case LUA_TUSERDATA:
        lj_userdata_to_value(L, index, t, path, out);
        break;
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

/* Push field `i` as plain Lua, unless it is a container. A null in an array stays, for the others' places. */
static bool lj_push_plain_field(lua_State *L, struct node *n, uint32_t i, struct value *v)
{
    if (tm_node_get(n, i, v))
        tm_lj_memory(L);
    if (v->kind != VALUE_NULL || n->kind != NODE_ARRAY)
        return tm_lj_push_scalar(L, v);
    lua_pushlightuserdata(L, NULL);
    return true;
}

static void lj_begin_table(lua_State *L, const struct node *n)
{
    int hint = n->live > 1 << 20 ? 1 << 20 : (int)n->live;
    bool array = n->kind == NODE_ARRAY;
    if (!lua_checkstack(L, 16))
        tm_lj_memory(L);
    lua_createtable(L, array ? hint : 0, array ? 0 : hint);
    if (array || n->live == 0) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.mark[n->kind]);
        lua_setmetatable(L, -2);
    }
}

/* What is on top of the stack goes into the table below it, as field `i`. */
static void lj_set_plain(lua_State *L, const struct node *n, uint32_t i)
{
    struct slice key = node_fields(n)[i].key;
    if (n->kind == NODE_ARRAY)
        lua_pushinteger(L, (lua_Integer)i + 1);
    else
        lua_pushlstring(L, key.p, key.n);
    lua_insert(L, -2);
    lua_rawset(L, -3);
}

/*
 * Tables that are being filled are on the stack, each with its node and the place in it that comes next.
 * To push a value may run finalizers, which change nodes: shorten them, or put them elsewhere.
 */
static void lj_push_plain_node(lua_State *L, struct node *n)
{
    uint32_t i = 0, depth = 0;
    lj_begin_table(L, n);
    while (depth || i < n->count) {
        struct value v;
        if (i >= n->count) {
            depth--;
            n = lua_touserdata(L, -3);
            i = (uint32_t)lua_tointeger(L, -2);
            lua_replace(L, -3);
            lua_pop(L, 1);
            lj_set_plain(L, n, i++);
        } else if (node_fields(n)[i].value.kind == VALUE_NONE) {
            i++;
        } else if (lj_push_plain_field(L, n, i, &v)) {
            lj_set_plain(L, n, i++);
        } else {
            depth++;
            lua_pushlightuserdata(L, n);
            lua_pushinteger(L, i);
            n = v.node;
            i = 0;
            lj_begin_table(L, n);
        }
    }
}

void tm_lj_push_plain(lua_State *L, const struct value *v)
{
    if (!tm_lj_push_scalar(L, v))
        lj_push_plain_node(L, v->node);
}
