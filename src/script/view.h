/*
 * Views: what Lua holds of a node. A view owns nothing but its own few bytes; it is alive as long
 * as what it looks at, which a generation tells.
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

/* The view at `index`, dead ones too; NULL when there is something else. */
static inline struct view *view_at(lua_State *L, int index)
{
    struct view *v = lua_touserdata(L, index);
    /* A light userdata has length 0. No other userdata begins with the script's address. */
    if (!v || lua_rawlen(L, index) < sizeof *v || v->script != script_of(L))
        return NULL;
    return v;
}

/* The view at `index`, or an error that says what is wrong with it. */
struct view *tm_lj_view_check(lua_State *L, int index);

/* Push the metatable of views of objects, or of arrays. */
void tm_lj_view_push_metatable(lua_State *L, enum node_kind kind);
/* Push a view of a record of the call in hand; the metatable of its kind is at `metatable`. */
struct view *tm_lj_view_push_record(lua_State *L, struct node *n, int metatable);

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

/* Push what field `i` of the view at `index` holds. */
void tm_lj_view_push_field(lua_State *L, int index, struct view *v, uint32_t i);

/*
 * Push a new object or array that owns its memory, some `size` bytes to begin with. Its node is
 * NULL until the caller has made one in *arena.
 */
struct view *tm_lj_view_new_owned(lua_State *L, enum node_kind kind, size_t size,
                                  struct arena **arena);

/* The field that a key at `key` means: its index, or UINT32_MAX when there is none. */
uint32_t tm_lj_view_find(lua_State *L, struct view *v, int key);

#endif
