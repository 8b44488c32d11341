/*
 * Functions that need no Lua to run. What most of them do is plain: they read fields, compare and compute with
 * numbers, assign fields, and keep the record or drop it. Such a function has a plan, Lua's own instructions,
 * and that is carried out here, without Lua's calls for each field.
 *
 * A plan never does a thing that Lua would do otherwise. It looks at all that the function looks at, and keeps
 * to itself what that assigns; as soon as something comes up that it does not do itself (text in an
 * addition, a nested value, an error), it leaves the record alone, and Lua calls the function as if nothing
 * had been. Only a plan that has come to its end changes the record.
 */
#ifndef TM_SCRIPT_PLAN_H
#define TM_SCRIPT_PLAN_H

#include "script/state.h"

enum plan_outcome {
    PLAN_LEFT, /* nothing was done: Lua has to call the function */
    PLAN_KEEP, /* the function returned the record, or true, */
    PLAN_DROP, /* nil or false. What it assigned waits for tm_lj_plan_assign() */
};

struct plan;

/* The plan of the function on top of the stack, which stays there; NULL: it has none. Raises no error. */
struct plan *tm_plan_new(lua_State *L);
void tm_plan_free(struct plan *p);

/*
 * Carry it out for a record, without a change to that. `function` is where on the stack the function is, for its
 * upvalues. `null_as_nil`: as in script_config. Raises no error.
 */
enum plan_outcome tm_plan_run(struct plan *p, lua_State *L, int function, struct node *record,
                              bool null_as_nil);

/* Assign what the run before has assigned. */
void tm_lj_plan_assign(struct plan *p, lua_State *L, struct node *record);

#endif
