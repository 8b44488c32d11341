/*
 * Views of nodes as Lua sees them: something that behaves like a table in field order.
 *
 * A nested value gets a view when it is touched; the views inside the records of a call are kept in a
 * table, by node, so that r.a is one value each time. So are those inside of what owns its memory; that
 * table is the user value of all of them, as it also keeps the owner alive.
 */
#include "script/view.h"

#include "base/heap.h"
#include "base/number.h"
#include "script/convert.h"

/* A view with memory of its own, which begins behind the struct. */
struct owned {
    struct view view;
    uint64_t generation;
    struct arena arena;
};

static struct view *lj_check(lua_State *L, int index)
{
    struct view *v = view_at(L, index);
    if (v && view_is_alive(v))
        return v;
    if (is_view(L, index))
        tm_lj_fail_dead(L);
    tm_lj_fail(L, "a record or a nested value expected, got %s", type_name(L, index));
}

struct view *tm_lj_view_check(lua_State *L, int index)
{
    struct view *v = record_of(script_of(L), lua_touserdata(L, index));
    return v ? v : lj_check(L, index);
}

/* As tm_lj_view_check(), of what stands before the dot or the bracket of the key at 2. */
static struct view *lj_check_indexed(lua_State *L)
{
    if (is_other(L, 1))
        tm_lj_fail(L, "attempt to index a %s value (key '%s')", type_name(L, 1),
                   luaL_tolstring(L, 2, NULL));
    return lj_check(L, 1);
}

static inline struct view *lj_view_indexed(lua_State *L)
{
    struct view *v = record_of(script_of(L), lua_touserdata(L, 1));
    return v ? v : lj_check_indexed(L);
}

bool tm_view_hand_over(struct script *s, struct node *const *records, size_t n)
{
    struct call *call = &s->call;
    if (n > call->views_cap) {
        struct view *more = NULL;
        if (n <= SIZE_MAX / sizeof *more)
            more = tm_heap_grow(call->views, n * sizeof *more);
        if (!more)
            return false;
        call->views = more;
        call->views_cap = n;
    }
    for (size_t i = 0; i < n; i++)
        call->views[i] = (struct view){s, records[i], &call->generation, call->generation};
    call->handed = n;
    return true;
}

void tm_view_take_back(struct script *s)
{
    struct call *call = &s->call;
    call->first += call->handed * HANDLE_STEP;
    call->handed = 0;
    call->generation++;
    if (call->family) {
        call->family = false;
        lua_pushnil(s->L);
        lua_rawseti(s->L, LUA_REGISTRYINDEX, s->ref.family);
    }
}

/* Push a view of `n`, which lives as long as what the view `from` looks at. */
static void lj_push_view(lua_State *L, const struct view *from, struct node *n)
{
    struct view *v = lua_newuserdatauv(L, sizeof *v, 1);
    *v = *from;
    v->node = n;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.view[n->kind]);
    lua_setmetatable(L, -2);
}

struct view *tm_lj_view_new_owned(lua_State *L, enum node_kind kind, size_t size,
                                  struct arena **arena)
{
    const struct script *s = script_of(L);
    struct owned *o = lua_newuserdatauv(L, sizeof *o + 16 + size, 1);
    *o = (struct owned){.view = {.script = s, .now = &o->generation}};
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.owned[kind]);
    lua_setmetatable(L, -2);
    char *p = (char *)(o + 1);
    o->arena.p = p + (16 - (uintptr_t)p % 16) % 16;
    o->arena.end = o->arena.p + size;
    *arena = &o->arena;
    return &o->view;
}

static int lj_owned_gc(lua_State *L)
{
    struct view *v = view_at(L, 1);
    if (!v || lua_rawlen(L, 1) < sizeof(struct owned))
        return 0;
    struct owned *o = (struct owned *)(void *)v;
    o->generation++;
    o->view.node = NULL;
    tm_arena_release(&o->arena);
    return 0;
}

/* Push the table of the views inside the records of the call. A script can reach the registry, too. */
static void lj_push_records_family(lua_State *L)
{
    struct script *s = script_of(L);
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.family) == LUA_TTABLE && s->call.family)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, s->ref.family);
    s->call.family = true;
}

/* Push the table of the views that belong together with the one at `index`. */
static void lj_push_family(lua_State *L, int index, const struct view *v)
{
    if (lua_islightuserdata(L, index)) {
        lj_push_records_family(L);
        return;
    }
    if (lua_getiuservalue(L, index, 1) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, index);
    lua_rawsetp(L, -2, v->node);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, 1);
}

/* Push the one view of `n`, which lies in what the view at `index` (absolute) looks at. */
static void lj_push_child(lua_State *L, int index, const struct view *v, struct node *n)
{
    lj_push_family(L, index, v);
    lua_rawgetp(L, -1, n);
    const struct view *known = view_at(L, -1);
    if (!known || known->node != n) {
        lua_pop(L, 1);
        lj_push_view(L, v, n);
        lua_pushvalue(L, -2);
        lua_setiuservalue(L, -2, 1);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, n);
    }
    lua_remove(L, -2);
}

/* ---- what is read most often: scalars go straight from the text to Lua ---- */

static inline bool lj_push_number(lua_State *L, enum number_kind kind, int64_t i, double d)
{
    if (kind == NUMBER_INT)
        lua_pushinteger(L, i);
    else if (kind == NUMBER_FLOAT)
        lua_pushnumber(L, d);
    return kind == NUMBER_INT || kind == NUMBER_FLOAT;
}

static inline void lj_push_cell(lua_State *L, struct slice text)
{
    int64_t i;
    double d;
    enum number_kind kind = tm_number_cell(text, &i, &d);
    if (!lj_push_number(L, kind, i, d))
        lua_pushlstring(L, text.p, text.n);
}

/* Valid JSON; false: it is neither a number nor a string without escapes. */
static inline bool lj_push_json(lua_State *L, struct slice text)
{
    int64_t i;
    double d;
    if (*text.p == '"' && !memchr(text.p, '\\', text.n)) {
        lua_pushlstring(L, text.p + 1, text.n - 2);
        return true;
    }
    if (*text.p == '"' || *text.p > '9')
        return false;
    enum number_kind kind = tm_number_json(text, &i, &d);
    if (!lj_push_number(L, kind, i, d))
        tm_lj_wide_push(L, text);
    return true;
}

enum value_kind tm_lj_view_push_field(lua_State *L, int index, struct view *v, uint32_t i)
{
    /* To push a text may run finalizers: the field is not looked at again. */
    const struct node *n = v->node;
    if (node_is_span(n, i) && node_span_kind(n, i) == VALUE_CELL) {
        lj_push_cell(L, node_span(n, i));
        return VALUE_CELL;
    }
    const struct value *from = &n->slots[i].value;
    enum value_kind kind = node_is_span(n, i) ? VALUE_TEXT : from->kind;
    struct value value;
    if (kind == VALUE_JSON && lj_push_json(L, from->text))
        return kind;
    if (kind == VALUE_CELL) {
        lj_push_cell(L, from->text);
        return kind;
    }
    if (tm_node_get(v->node, i, &value))
        tm_lj_memory(L);
    if (!tm_lj_push_scalar(L, &value))
        lj_push_child(L, index, v, value.node);
    return value.kind;
}

/* ---- keys ---- */

/* The name of field `key` of a record without header. */
static struct slice lj_positional_name(lua_State *L, const struct node *n, int key,
                                       char text[static NUMBER_TEXT_MAX])
{
    int whole;
    lua_Integer i = lua_tointegerx(L, key, &whole);
    if (!n->positional && (!n->columns || !n->columns->positional))
        tm_lj_fail(L, "fields have names here, not numbers: there is no [%s]%s",
                   luaL_tolstring(L, key, NULL),
                   n->count ? "" : " (tidemill.array{} is an empty array, {} an empty object)");
    if (!whole || i < 1)
        tm_lj_fail(L, "fields are numbered from 1: there is no [%s]", luaL_tolstring(L, key, NULL));
    return (struct slice){text, tm_number_print_int(text, i)};
}

uint32_t tm_lj_view_find(lua_State *L, struct view *v, int key)
{
    char text[NUMBER_TEXT_MAX];
    struct key spare, *name;
    struct node *n = v->node;
    if (n->kind == NODE_ARRAY) {
        int whole = 0;
        lua_Integer i = lua_type(L, key) == LUA_TNUMBER ? lua_tointegerx(L, key, &whole) : 0;
        return whole && i >= 1 && i <= n->count ? (uint32_t)(i - 1) : UINT32_MAX;
    }
    if ((name = lj_key(L, key, &spare)))
        return key_find(name, n);
    if (lua_type(L, key) == LUA_TNUMBER)
        return tm_node_find(n, lj_positional_name(L, n, key, text));
    return UINT32_MAX;
}

/* ---- reading ---- */

static int lj_index(lua_State *L)
{
    struct view *v = lj_view_indexed(L);
    uint32_t i = tm_lj_view_find(L, v, 2);
    if (i == UINT32_MAX)
        lua_pushnil(L);
    else
        tm_lj_view_push_field(L, 1, v, i);
    return 1;
}

static int lj_len(lua_State *L)
{
    if (is_other(L, 1))
        tm_lj_fail(L, "attempt to get length of a %s value", type_name(L, 1));
    const struct node *n = tm_lj_view_check(L, 1)->node;
    lua_pushinteger(L, n->live);
    return 1;
}

static int lj_tostring(lua_State *L)
{
    struct script *s = script_of(L);
    if (is_other(L, 1)) {
        lua_pushfstring(L, is_null(L, 1) ? "null" : "userdata: %p", lua_touserdata(L, 1));
        return 1;
    }
    const struct view *v = tm_lj_view_check(L, 1);
    err e;
    buf_reset(&s->scratch);
    if (tm_json_write_node(&s->scratch, v->node, &e))
        tm_lj_raise(L, &e);
    tm_lj_push_scratch(L);
    return 1;
}

/* ---- writing ---- */

/* How many containers are around a node. */
static uint32_t depth_of(const struct node *n)
{
    uint32_t depth = 0;
    for (; n->parent; n = n->parent)
        depth++;
    return depth;
}

void tm_lj_view_value(lua_State *L, const struct view *v, int index, struct path *path,
                      struct value *out)
{
    struct target t = {v->node->arena, v->now};
    int type = lua_type(L, index);
    if (type == LUA_TTABLE || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA)
        path->depth = depth_of(v->node) + 1;
    tm_lj_to_value(L, index, &t, path, out);
}

void tm_lj_view_keep(lua_State *L, const struct view *v, const struct view *from,
                     struct value *value)
{
    struct target t = {v->node->arena, v->now};
    struct path path = {.depth = depth_of(v->node) + 1};
    tm_lj_keep(L, &t, &path, from, value);
}

/* Numbers and strings at stack index 3, as most values are, go straight into field `i`; false: it is neither. */
static inline bool lj_assign_plain(lua_State *L, struct node *n, uint32_t i, int type)
{
    if (type == LUA_TNUMBER) {
        lj_number(L, 3, tm_node_assign(n, i));
    } else if (type == LUA_TSTRING) {
        struct slice text = tm_lj_copy(L, n->arena, lua_slice(L, 3));
        struct value *to = tm_node_assign(n, i);
        to->kind = VALUE_TEXT;
        to->text = text;
    } else {
        return false;
    }
    return true;
}

/* Is the userdata at stack index 3 the view of what field `i` holds already? */
static bool same_node(lua_State *L, const struct node *n, uint32_t i)
{
    const struct view *v = view_at(L, 3);
    return v && i < n->count && node_fields(n)[i].value.kind == VALUE_NODE &&
           node_fields(n)[i].value.node == v->node;
}

static void lj_set_field(lua_State *L, const struct view *v, struct key *name)
{
    struct node *n = v->node;
    int type = lua_type(L, 3);
    struct key own;
    uint32_t i;
    if (type <= LUA_TNIL) {
        i = key_find(name, n);
        if (i != UINT32_MAX)
            tm_node_delete(n, i);
        return;
    }
    i = key_find(name, n);
    if (i != UINT32_MAX && lj_assign_plain(L, n, i, type))
        return;
    if (type == LUA_TUSERDATA && same_node(L, n, i))
        return;
    bool plain = type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN;
    if (!plain) {
        /* Converting a container may run finalizers, and they may do anything. */
        own = *name;
        name = &own;
    }
    struct path path = {.key = name->text};
    struct value value;
    tm_lj_view_value(L, v, 3, &path, &value);
    if (!plain)
        i = key_find(name, n);
    if (i != UINT32_MAX) {
        tm_node_set(n, i, value);
        return;
    }
    if (tm_node_add(n, tm_lj_copy(L, n->arena, name->text), value))
        tm_lj_memory(L);
}

/* nil at `i` of an array (0-based): only its end can go. */
static void lj_delete_element(lua_State *L, struct node *n, lua_Integer i)
{
    if (i < 0 || i >= n->count)
        return;
    if (i == n->count - 1)
        tm_node_delete(n, (uint32_t)i);
    else if (script_of(L)->config.null_as_nil)
        tm_node_set(n, (uint32_t)i, (struct value){.kind = VALUE_NULL});
    else
        tm_lj_fail(L,
                   "nil at [%I] would leave a hole in an array of %I: assign tidemill.null, "
                   "or use table.remove",
                   i + 1, (lua_Integer)n->count);
}

static void lj_set_element(lua_State *L, const struct view *v)
{
    int whole = 0;
    lua_Integer key = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &whole) : 0;
    int type = lua_type(L, 3);
    struct node *n = v->node;
    if (!whole)
        tm_lj_fail(L, "an array has elements 1 .. n only: cannot assign to [%s]",
                   luaL_tolstring(L, 2, NULL));
    if (type <= LUA_TNIL) {
        lj_delete_element(L, n, key - 1);
        return;
    }
    if (type == LUA_TUSERDATA && key >= 1 && key <= n->count &&
        same_node(L, n, (uint32_t)(key - 1)))
        return;
    if (key >= 1 && key <= n->count && lj_assign_plain(L, n, (uint32_t)(key - 1), type))
        return;
    struct path path = {.index = key};
    struct value value;
    tm_lj_view_value(L, v, 3, &path, &value);
    if (key < 1 || key > (lua_Integer)n->count + 1)
        tm_lj_fail(L, "[%I] would leave a hole in an array of %I: the next is [%I]", key,
                   (lua_Integer)n->count, (lua_Integer)n->count + 1);
    if (key <= n->count)
        tm_node_set(n, (uint32_t)(key - 1), value);
    else if (tm_node_add(n, SLICE(""), value))
        tm_lj_memory(L);
}

static int lj_newindex(lua_State *L)
{
    char text[NUMBER_TEXT_MAX];
    struct key spare, *name;
    const struct view *v = lj_view_indexed(L);
    if (v->node->kind == NODE_ARRAY) {
        lj_set_element(L, v);
    } else if ((name = lj_key(L, 2, &spare))) {
        lj_set_field(L, v, name);
    } else if (lua_type(L, 2) == LUA_TNUMBER) {
        spare = (struct key){.text = lj_positional_name(L, v->node, 2, text), .hint = UINT32_MAX};
        lj_set_field(L, v, &spare);
    } else {
        tm_lj_fail(L, "a field's name must be a string, got %s", luaL_typename(L, 2));
    }
    return 0;
}

/* ---- metatables ---- */

/* Push a metatable of views: what getmetatable says of them, and what messages of Lua call them. */
static void lj_push_metatable(lua_State *L, const char *said, const char *name)
{
    static const luaL_Reg methods[] = {
        {"__index", lj_index}, {"__newindex", lj_newindex},
        {"__len", lj_len},     {"__tostring", lj_tostring},
        {NULL, NULL},
    };
    /* With room to spare, the first two are found at once: Lua asks for one of them at every field. */
    lua_createtable(L, 0, 16);
    luaL_setfuncs(L, methods, 0);
    tm_lj_push_pairs(L);
    lua_setfield(L, -2, "__pairs");
    lua_pushstring(L, said);
    lua_setfield(L, -2, "__metatable");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
}

static int lj_metatable(lua_State *L, const char *name, bool owns)
{
    lj_push_metatable(L, name, name);
    if (owns) {
        lua_pushcfunction(L, lj_owned_gc);
        lua_setfield(L, -2, "__gc");
    }
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* getmetatable, to which only records have one: "object" is what scripts know them by. */
static int lj_getmetatable(lua_State *L)
{
    if (!is_other(L, 1))
        return tm_lj_original(L, 1);
    lua_pushnil(L);
    return 1;
}

/* debug.setmetatable, but for what has its metatable from us. */
static int lj_setmetatable(lua_State *L)
{
    if (lua_islightuserdata(L, 1))
        tm_lj_fail(L, "records and null share one metatable, which cannot be replaced");
    return tm_lj_original(L, 1);
}

/* Light userdata have one metatable for all: records and null, and those of C modules too. */
static void lj_open_handles(lua_State *L, struct script *s)
{
    lua_pushglobaltable(L);
    tm_lj_replace(L, "getmetatable", lj_getmetatable);
    lua_getfield(L, -1, "debug");
    tm_lj_replace(L, "setmetatable", lj_setmetatable);
    lua_pushlightuserdata(L, NULL);
    lj_push_metatable(L, "object", "record or null");
    s->handles = lua_topointer(L, -1);
    lua_setmetatable(L, -2);
    lua_pop(L, 3);
}

/* Is entry `name` of the table on top still this function? */
static bool lj_is_own(lua_State *L, const char *name, lua_CFunction function)
{
    lua_pushstring(L, name);
    bool own = lua_rawget(L, -2) == LUA_TFUNCTION && lua_tocfunction(L, -1) == function;
    lua_pop(L, 1);
    return own;
}

bool tm_lj_view_own_handles(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
    if (!lua_getmetatable(L, -1) || lua_topointer(L, -1) != script_of(L)->handles)
        tm_lj_fail(L, "a C module has replaced the metatable of light userdata, which records are");
    bool own = lj_is_own(L, "__index", lj_index) && lj_is_own(L, "__newindex", lj_newindex);
    lua_pop(L, 2);
    return own;
}

void tm_lj_open_view(lua_State *L, struct script *s)
{
    lua_newtable(L);
    s->ref.family = luaL_ref(L, LUA_REGISTRYINDEX);
    s->ref.view[NODE_OBJECT] = lj_metatable(L, "object", false);
    s->ref.view[NODE_ARRAY] = lj_metatable(L, "array", false);
    s->ref.owned[NODE_OBJECT] = lj_metatable(L, "object", true);
    s->ref.owned[NODE_ARRAY] = lj_metatable(L, "array", true);
    s->call.first = HANDLE_FIRST;
    lj_open_handles(L, s);
}
