/*
 * pairs over records and nested values: in field order, whatever is assigned and deleted on the way.
 *
 * How far a loop has come is its walk. The walks of loops over records lie with the script, in slots; the
 * state of such a loop is a light userdata that stands for one walk alone. So the usual loop allocates
 * nothing. Where all slots are taken (by loops inside of loops, or by some that were left early, until
 * the function returns), and for nested values, which have to be kept alive, the walk is in a closure
 * of its own.
 */
#include "base/heap.h"
#include "script/view.h"

struct walk {
    struct view view;   /* as it was then: the script's own goes from record to record */
    uint32_t next, end; /* of its fields; those that are added on the way are not visited */
    bool ended;
    void *state; /* of the loop over a record that walks here; NULL: none yet */
};

enum { WALKS = 8 };

/* Even, so that none is a record's handle. */
#define STATE_FIRST (HANDLE_FIRST - 1)

/*
 * The names that were pushed last are kept, as strings in the table at `names`, so that they are not made
 * again: records of one shape have the same ones in the same places.
 */
static bool is_kept(const struct script *s, const struct node *n, uint32_t i)
{
    if (i < s->names_n && n->shape == s->names_shape)
        return true;
    return i < KNOWN_NAMES && s->names[i].p && slice_eq_short(s->names[i], node_fields(n)[i].key);
}

/* Field `i` of n has the name that is kept for its place. */
static void note_shape(struct script *s, const struct node *n, uint32_t i)
{
    if (n->shape != s->names_shape)
        s->names_n = 0;
    s->names_shape = n->shape;
    if (n->shape && i < n->originals && i == s->names_n)
        s->names_n = i + 1;
}

static void lj_push_name(lua_State *L, const struct node *n, uint32_t i, int names)
{
    struct script *s = script_of(L);
    if (is_kept(s, n, i)) {
        note_shape(s, n, i);
        lua_rawgeti(L, names, (lua_Integer)i + 1);
        return;
    }
    struct slice key = node_fields(n)[i].key;
    lua_pushlstring(L, key.p, key.n);
    if (i < KNOWN_NAMES) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, names, (lua_Integer)i + 1);
        s->names[i] = lua_slice(L, -1);
        note_shape(s, n, i);
    }
}

/*
 * Push the next name and value of a walk; 0 when there is none. `view` is where its view is; for one over a
 * record any light userdata will do.
 */
static int lj_step(lua_State *L, struct walk *walk, int view, int names)
{
    const struct node *n = walk->view.node;
    for (uint32_t i = walk->next; i < walk->end && i < n->count; i++) {
        if (!node_is_there(n, i))
            continue;
        if (n->kind == NODE_ARRAY)
            lua_pushinteger(L, (lua_Integer)i + 1);
        else
            lj_push_name(L, n, i, names);
        enum value_kind kind = tm_lj_view_push_field(L, view, &walk->view, i);
        if ((kind != VALUE_NULL && kind != VALUE_NONE) || !lua_isnil(L, -1)) {
            walk->next = i + 1;
            return 2;
        }
        lua_pop(L, 2);
    }
    walk->next = walk->end;
    walk->ended = true;
    return 0;
}

static void lj_check(lua_State *L, const struct walk *walk)
{
    if (!view_is_alive(&walk->view))
        tm_lj_fail_dead(L);
}

/* ---- over records ---- */

enum { RECORD_NAMES = 1 }; /* upvalue of the iterator */

/* The iterator: takes a state. */
static int lj_next_of_record(lua_State *L)
{
    const void *state = lua_touserdata(L, 1);
    struct walk *walk = &script_of(L)->walks[(uintptr_t)state / HANDLE_STEP % WALKS];
    if ((uintptr_t)state < STATE_FIRST)
        tm_lj_fail(L, "the iterator of a record takes the state that pairs gave beside it");
    if (walk->state != state)
        tm_lj_fail(L, "this loop over a record has ended");
    lj_check(L, walk);
    return lj_step(L, walk, 1, lua_upvalueindex(RECORD_NAMES));
}

static bool is_taken(const struct walk *walk)
{
    return walk->state && !walk->ended && view_is_alive(&walk->view);
}

/* Begin a walk in the next free slot and return its state; NULL where all are taken. */
static void *begin_walk(struct script *s, const struct view *v)
{
    for (unsigned tries = 0; tries < WALKS; tries++) {
        struct walk *walk = &s->walks[s->walked % WALKS];
        void *state = (void *)(STATE_FIRST + s->walked++ * HANDLE_STEP);
        if (is_taken(walk))
            continue;
        *walk = (struct walk){*v, 0, v->node->count, false, state};
        return state;
    }
    return NULL;
}

/* ---- over everything else ---- */

enum { VALUE_VIEW = 1, VALUE_WALK, VALUE_NAMES }; /* upvalues of an iterator */

static int lj_next_of_value(lua_State *L)
{
    struct walk *walk = lua_touserdata(L, lua_upvalueindex(VALUE_WALK));
    lj_check(L, walk);
    return lj_step(L, walk, lua_upvalueindex(VALUE_VIEW), lua_upvalueindex(VALUE_NAMES));
}

/* ---- pairs ---- */

enum { PAIRS_ITERATOR = 1, PAIRS_NAMES, PAIRS_ORIGINAL }; /* upvalues of both */

/* Of the view at 1. */
static int lj_pairs_of(lua_State *L, const struct view *v)
{
    void *state = lua_islightuserdata(L, 1) ? begin_walk(script_of(L), v) : NULL;
    if (state) {
        lua_pushvalue(L, lua_upvalueindex(PAIRS_ITERATOR));
        lua_pushlightuserdata(L, state);
        lua_pushnil(L);
        return 3;
    }
    lua_settop(L, 1);
    struct walk *walk = lua_newuserdatauv(L, sizeof *walk, 0);
    *walk = (struct walk){*v, 0, v->node->count, false, NULL};
    lua_pushvalue(L, lua_upvalueindex(PAIRS_NAMES));
    lua_pushcclosure(L, lj_next_of_value, 3);
    return 1;
}

static int lj_view_pairs(lua_State *L)
{
    return lj_pairs_of(L, tm_lj_view_check(L, 1));
}

/* The global one: for a record it need not look for __pairs. */
static int lj_pairs(lua_State *L)
{
    const struct view *v = record_of(script_of(L), lua_touserdata(L, 1));
    return v ? lj_pairs_of(L, v) : tm_lj_original(L, PAIRS_ORIGINAL);
}

void tm_lj_push_pairs(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.pairs);
}

void tm_lj_open_pairs(lua_State *L, struct script *s)
{
    s->walks = tm_heap_zeroed(WALKS, sizeof *s->walks);
    if (!s->walks)
        tm_lj_memory(L);
    lua_createtable(L, KNOWN_NAMES, 0);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, lj_next_of_record, 1);
    lua_insert(L, -2);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, lj_view_pairs, 2);
    s->ref.pairs = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getglobal(L, "pairs");
    lua_pushcclosure(L, lj_pairs, 3);
    lua_setglobal(L, "pairs");
}
