/*
 * The names of fields as scripts say them. Most are constants of the script, and Lua has one string
 * for all that are equal: a key is known again by the address of that string, without a look at its
 * bytes, and remembers where records had it. The strings are kept alive, so that an address
 * stands for one text.
 */
#include "script/state.h"

/* Longer strings have many addresses for one text. (LUAI_MAXSHORTLEN of Lua itself) */
#define TEXT_MAX 40

void tm_lj_open_keys(lua_State *L, struct script *s)
{
    lua_createtable(L, KEYS, 0);
    s->ref.keys = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Two names that want one slot: the one in it goes when it was not used since the other came. */
static bool is_due(struct key *k)
{
    bool due = !k->used;
    k->used = false;
    return due;
}

/* Have `slot` keep the string at `index`, and `key` for it. */
static void lj_keep(lua_State *L, int index, struct key *slot, const struct key *key)
{
    struct script *s = script_of(L);
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.keys) == LUA_TTABLE) {
        lua_pushvalue(L, index);
        lua_rawseti(L, -2, slot - s->keys + 1);
        *slot = *key;
    }
    lua_pop(L, 1);
}

struct key *tm_lj_new_key(lua_State *L, int index, struct key *slot, struct key *spare)
{
    const void *string = lua_topointer(L, index);
    if (lua_type(L, index) != LUA_TSTRING)
        return NULL;
    *spare = (struct key){.string = string, .text = lua_slice(L, index), .hint = slot->hint};
    if (spare->text.n > TEXT_MAX || !is_due(slot))
        return spare;
    lj_keep(L, index, slot, spare);
    return slot;
}

uint32_t tm_key_search(struct key *k, struct node *n)
{
    uint64_t shape = node_shape(n);
    if (shape && shape == k->lacks)
        return UINT32_MAX;
    uint32_t i = node_has(n, k->hint, k->text) ? k->hint : tm_node_find(n, k->text);
    if (i == UINT32_MAX) {
        k->lacks = shape;
    } else {
        k->hint = i;
        k->shape = i < n->originals ? n->shape : 0;
    }
    return i;
}
