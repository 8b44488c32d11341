/*
 * What the files of this folder share: the state of a script, the call in hand, and how errors are
 * raised.
 *
 * Everything that runs Lua goes through tm_script_enter(), the one funnel: nothing else calls
 * lua_pcall, and outside of it only functions of Lua that cannot raise are used.
 *
 * Functions named lj_* (tm_lj_* where other files call them) may longjmp into the funnel. What they
 * acquire therefore belongs to somebody who outlives them: the arena of the record, a userdata, or
 * the script.
 */
#ifndef TM_SCRIPT_STATE_H
#define TM_SCRIPT_STATE_H

#include <signal.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "record/json.h"
#include "script/memory.h"
#include "script/script.h"

/* The text of Lua's own memory errors, and of ours, so that both are told apart from others. */
#define MEMORY_TEXT "not enough memory"

/* xoshiro256**; see lua_random.c. */
struct random {
    uint64_t s[4];
    bool ready; /* seeded in this call */
};

/* All that belongs to one call of `record` or `batch`. */
struct call {
    uint64_t generation; /* of the views that this call made; counted up when it ends */
    /* The records that the script was handed: `handed` views, the first of them has the handle `first`;
       see view.h. */
    struct view *views;
    size_t views_cap, handed;
    uintptr_t first;
    bool family; /* nested values were touched: ref.family is theirs */
    bool active;
    const struct script_source *source; /* of the run */
    struct node *record;                /* of the run that is in hand */
    enum script_outcome outcome;
    struct node **records; /* n of them, `record` has one: the above */
    size_t n;
    const struct script_place *place; /* of the first */
    size_t current;                   /* the record that outputs belong to now */
    size_t *current_out;              /* where the host reads it, or NULL */
    enum script_outcome *outcomes;    /* n of them: KEPT once an output was emitted */
    bool refused;                     /* emit failed: err has why, and the script cannot undo it */
    err err;
    err why;      /* the record in hand failed of, when that is known */
    size_t spent; /* bytes that assigned values took, beside Lua's own */
    struct random random;
};

/* Things kept in Lua's registry, by number. */
struct references {
    int view[2], owned[2]; /* by node_kind: metatables of views, and of those that own memory */
    int family;            /* the views inside the records of the call, or nil; see view.c */
    int wide, wides;       /* metatable of wide numbers; all that live, by their digits */
    int mark[2];           /* by node_kind: metatables that mark plain tables */
    int params;
    int keys;      /* table that keeps the strings of script.keys */
    int pairs;     /* __pairs of views */
    int workspace; /* metatable of memory that a function uses while it runs */
    int setup, teardown;
};

/* A name by which scripts know a field; see keys.c. */
struct key {
    const void *string; /* Lua's own; NULL: the slot is empty */
    struct slice text;
    uint32_t hint;  /* the field that had it last */
    uint64_t shape; /* not 0: that field has it in all records of this shape, */
    uint64_t lacks; /* and no field has it in those of this one */
    bool used;      /* since it was last asked to go */
};

enum { KEYS = 256, KNOWN_NAMES = 256 };

struct script {
    lua_State *L;
    struct memory memory;
    struct script_config config;
    struct script_host host;
    struct json_reader *reader;
    struct references ref;
    struct call call;
    struct buf scratch; /* text on its way to Lua; nobody keeps anything in it across calls */
    struct {
        char source[LUA_IDSIZE];
        int line;
    } origin;                          /* where the function was defined; line 0: unknown */
    bool warnings;                     /* warn("@on") */
    bool at_limit;                     /* the last E_MEMORY was the limit's */
    bool out_of_memory;                /* we have said so in this call */
    volatile sig_atomic_t interrupted; /* a hook that raises is set */
    struct buf warning;                /* pieces of a warning that has not ended */
    struct key keys[KEYS];
    /* Of fields by their places, as pairs gave them last; the first `names_n` are those of that shape; see walk.c. */
    struct slice names[KNOWN_NAMES];
    uint64_t names_shape;
    uint32_t names_n;
    struct plan *plan;   /* of the function that takes records, or NULL; see plan.h */
    const void *handles; /* the metatable of light userdata */
    struct walk *walks;  /* slots for loops over records; see walk.c */
    uintptr_t walked;    /* how many slots were looked at */
};

static inline struct script *script_of(lua_State *L)
{
    struct script *s;
    memcpy(&s, lua_getextraspace(L), sizeof s);
    return s;
}

/* Undo tm_script_interrupt(). */
static inline void script_calm(struct script *s)
{
    if (s->interrupted) {
        lua_sethook(s->L, NULL, 0, 0);
        s->interrupted = 0;
    }
}

/*
 * Call what lies on the stack below its `nargs` arguments. TIDEMILL_OK, or E_MEMORY, E_SCRIPT and
 * the message with `prefix` before it. Results are left on the stack; nothing is after a failure.
 */
int tm_script_enter(struct script *s, int nargs, int nresults, const char *prefix, err *e);

/* Raise "PLACE: message"; the place is that of the Lua function that runs. Format as lua_pushfstring. */
_Noreturn void tm_lj_fail(lua_State *L, const char *format, ...) __attribute__((cold));
_Noreturn void tm_lj_memory(lua_State *L) __attribute__((cold));
/* What a view looked at is no more. */
_Noreturn void tm_lj_fail_dead(lua_State *L) __attribute__((cold));
/* Raise the message of an error of ours. */
_Noreturn void tm_lj_raise(lua_State *L, const err *e) __attribute__((cold));
/* Count `size` bytes that a value takes outside of Lua, within limits.memory. */
void tm_lj_charge(lua_State *L, size_t size);
/* A copy of the bytes in an arena, charged. */
struct slice tm_lj_copy(lua_State *L, struct arena *arena, struct slice text);

/*
 * In the table on top of the stack, have `function` stand for the C function `name` of Lua, which has no
 * upvalues and becomes its upvalue 1. tm_lj_original: have upvalue `i`, such a one, do the call.
 */
void tm_lj_replace(lua_State *L, const char *name, lua_CFunction function);
int tm_lj_original(lua_State *L, int i);

/* Push what is in the script's scratch. */
void tm_lj_push_scratch(lua_State *L);

/* Memory for the time that a function runs, in a userdata that is pushed; may be released early. */
struct arena *tm_lj_workspace(lua_State *L);

static inline struct slice lua_slice(lua_State *L, int index)
{
    struct slice s;
    s.p = lua_tolstring(L, index, &s.n);
    return s;
}

/* load.c: compile config's text (no running), leaving the chunk on the stack. */
void tm_lj_compile(lua_State *L, const struct script_config *c);
/*
 * Run the chunk and sort out what it returned: setup and teardown to the registry, the function
 * that takes records is left on the stack.
 */
void tm_lj_load(lua_State *L, struct script *s);

/* keys.c */
void tm_lj_open_keys(lua_State *L, struct script *s);
struct key *tm_lj_new_key(lua_State *L, int index, struct key *slot, struct key *spare);
uint32_t tm_key_search(struct key *k, struct node *n);

/*
 * The string at `index` as a key, NULL when there is none. It is `spare` or lives until the next
 * call of this; its text lives as long as the string.
 */
static inline struct key *lj_key(lua_State *L, int index, struct key *spare)
{
    const void *string = lua_topointer(L, index);
    uintptr_t at = (uintptr_t)string;
    struct key *slot = &script_of(L)->keys[(at >> 4 ^ at >> 12) % KEYS];
    if (!string || slot->string != string)
        return tm_lj_new_key(L, index, slot, spare);
    slot->used = true;
    return slot;
}

/* The field that it means, or UINT32_MAX. */
static inline uint32_t key_find(struct key *k, struct node *n)
{
    bool known = n->shape && n->shape == k->shape && node_is_there(n, k->hint);
    return known ? k->hint : tm_key_search(k, n);
}

/* lint.c: what looks wrong in a script that compiles, as warnings to the host. */
void tm_script_lint(const struct script_config *c, const struct script_host *host);

/* call.c: replace the function on the stack by what the funnel calls for a record, or a batch. */
void tm_lj_call_bind(lua_State *L, struct script *s);

/* The modules; each sets what scripts see of it. */
void tm_lj_open_view(lua_State *L, struct script *s);
void tm_lj_open_pairs(lua_State *L, struct script *s);
void tm_lj_open_wide(lua_State *L, struct script *s);
void tm_lj_open_tidemill(lua_State *L, struct script *s);
/* Leaves ctx on the stack. */
void tm_lj_open_ctx(lua_State *L);
void tm_lj_open_print(lua_State *L, struct script *s);
void tm_lj_open_table(lua_State *L);
void tm_lj_open_os(lua_State *L);
void tm_lj_open_random(lua_State *L);
void tm_lj_open_json(lua_State *L);
int tm_lj_emit(lua_State *L);

#endif
