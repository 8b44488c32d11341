/*
 * Lua values to values of records, and back to plain tables.
 */
#ifndef TM_SCRIPT_CONVERT_H
#define TM_SCRIPT_CONVERT_H

#include "script/view.h"

/* Where a converted value goes to live. */
struct target {
    struct arena *arena;
    const uint64_t *now; /* of the view that it is for: text of the same call need not be copied */
};

/* The way to the value in hand, for messages and for finding cycles. The root has no key. */
struct path {
    const struct path *up;
    struct slice key;  /* p is NULL: an element */
    lua_Integer index; /* of the element */
    const void *table; /* whose contents are being converted */
    uint32_t depth;    /* containers around it */
};

/* What the value at `index` is as a value of a record; nil is an error. */
void tm_lj_to_value(lua_State *L, int index, const struct target *t, const struct path *path,
                    struct value *out);

/* Have *v, which is held by `from`, as a value of its own where it goes to; `path` says how deep that is. */
void tm_lj_keep(lua_State *L, const struct target *t, const struct path *path,
                const struct view *from, struct value *v);

/*
 * The plain table at `index` as an object. Keys that `order` came with go first, in its order; the
 * rest sorted. `order` may be NULL.
 */
struct node *tm_lj_to_object(lua_State *L, int index, const struct target *t,
                             const struct path *path, const struct node *order);

/* What a plain table is, by its keys and its mark. */
enum table_kind {
    TABLE_EMPTY, /* no keys and no mark */
    TABLE_ARRAY, /* keys 1 .. n, or marked */
    TABLE_OBJECT,
};

struct table_shape {
    enum table_kind kind;
    bool marked;
    uint32_t n;
};

/* An error that names the path when it is neither array nor object. */
struct table_shape tm_lj_table_shape(lua_State *L, int index, const struct path *path);

/* The number at `index`. */
static inline void lj_number(lua_State *L, int index, struct value *out)
{
    if (lua_isinteger(L, index)) {
        out->i = lua_tointeger(L, index);
        out->kind = VALUE_INT;
    } else {
        out->d = lua_tonumber(L, index);
        out->kind = VALUE_FLOAT;
    }
}

/* Push a value that a node gave (tm_node_get), containers as plain tables, deeply. */
void tm_lj_push_plain(lua_State *L, const struct value *v);
/* The same for a scalar; false and nothing pushed for a container. */
bool tm_lj_push_scalar(lua_State *L, const struct value *v);

/* wide.c: the one value for these digits. */
void tm_lj_wide_push(lua_State *L, struct slice digits);
/* The digits of the wide number at `index`; p is NULL when it is none. */
struct slice tm_wide_digits(lua_State *L, int index);

#endif
