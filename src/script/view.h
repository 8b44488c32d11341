/*
 * Views: what Lua holds of a node. A view owns nothing but its own few bytes; it is alive as long
 * as what it looks at, which a generation tells.
 *
 * Nested values, and what owns its memory, are full userdata. A record that is handed to the script is
 * a light one, its handle: it costs no memory and no garbage, and its view is the script's own. No two
 * records have the same handle, so that one that was kept is never taken for another.
 */
#ifndef TM_SCRIPT_VIEW_H
#define TM_SCRIPT_VIEW_H

#include "script/state.h"

struct view {
    const struct script *script; /* tells our userdata from others' */
    struct node *node;
    const uint64_t *now; /* the generation of the call, or of the memory that owns the node */
    uint64_t born;       /* *now when the view was made; dead when it has moved on */
};

static inline bool view_is_alive(const struct view *v)
{
    return *v->now == v->born && v->node;
}

/*
 * Handles: odd, so that none is the address of a full userdata, and in the upper half of what there is,
 * where the light userdata of C modules seldom are.
 */
#define HANDLE_FIRST (~(UINTPTR_MAX >> 1) | 1)
#define HANDLE_STEP  ((uintptr_t)2)

/* The view of the record whose handle `p` is, while it is alive; else NULL. */
static inline struct view *record_of(const struct script *s, const void *p)
{
    uintptr_t steps = (uintptr_t)p - s->call.first;
    return steps < s->call.handed * HANDLE_STEP && steps % HANDLE_STEP == 0
               ? &s->call.views[steps / HANDLE_STEP]
               : NULL;
}

/* Have the script know `n` records, which Lua is to be handed; false when memory is out. */
bool tm_view_hand_over(struct script *s, struct node *const *records, size_t n);
/* They are no more, nor are the values inside them. */
void tm_view_take_back(struct script *s);

/*
 * Raise an error where handles have lost their metatable: a C module may give all light userdata another. False:
 * they have it, but a script has changed how fields are read or assigned (debug.getmetatable gets it).
 */
bool tm_lj_view_own_handles(lua_State *L);

/* The handle of record `i` of those. */
static inline void *handle_of(const struct call *call, size_t i)
{
    return (void *)(call->first + i * HANDLE_STEP);
}

/* The nested value, or what owns its memory, at `index`, dead ones too; NULL when there is something else. */
static inline struct view *view_at(lua_State *L, int index)
{
    struct view *v = lua_touserdata(L, index);
    /* A light userdata has length 0. No other userdata begins with the script's address. */
    if (!v || lua_rawlen(L, index) < sizeof *v || v->script != script_of(L))
        return NULL;
    return v;
}

/* Is there a view at `index`, a record's or another, dead or alive? */
static inline bool is_view(lua_State *L, int index)
{
    const struct call *call = &script_of(L)->call;
    uintptr_t handle = (uintptr_t)lua_touserdata(L, index);
    uintptr_t end = call->first + call->handed * HANDLE_STEP;
    return (handle >= HANDLE_FIRST && handle < end && handle % HANDLE_STEP) || view_at(L, index);
}

static inline bool is_null(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && !lua_touserdata(L, index);
}

/* A light userdata that is no record: null, or a C module's. */
static inline bool is_other(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && !is_view(L, index);
}

/* What something is, as messages have it. */
static inline const char *type_name(lua_State *L, int index)
{
    return is_null(L, index) ? "null" : luaL_typename(L, index);
}

/* The view at `index`, or an error that says what is wrong with it. */
struct view *tm_lj_view_check(lua_State *L, int index);

struct path;

/*
 * What is at `index` as a value to be assigned in `v`, where `path` says. Finalizers may run: what is
 * known of `v` is to be looked at again.
 */
void tm_lj_view_value(lua_State *L, const struct view *v, int index, struct path *path,
                      struct value *out);

/* Have *value, which `from` holds, as a value that may be assigned in `v`. */
void tm_lj_view_keep(lua_State *L, const struct view *v, const struct view *from,
                     struct value *value);

/*
 * Push what field `i` of the view at `index` holds. Returns its kind, as it was or as it is known to be now:
 * only what is nothing, or null, may be nil.
 */
enum value_kind tm_lj_view_push_field(lua_State *L, int index, struct view *v, uint32_t i);

/*
 * Push a new object or array that owns its memory, some `size` bytes to begin with. Its node is
 * NULL until the caller has made one in *arena.
 */
struct view *tm_lj_view_new_owned(lua_State *L, enum node_kind kind, size_t size,
                                  struct arena **arena);

/* walk.c: push the __pairs of views. */
void tm_lj_push_pairs(lua_State *L);

/* The field that a key at `key` means: its index, or UINT32_MAX when there is none. */
uint32_t tm_lj_view_find(lua_State *L, struct view *v, int key);

#endif
