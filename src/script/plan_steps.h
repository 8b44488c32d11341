/*
 * Plans inside: the steps that plan.c makes of a function's instructions, and plan_run.c carries out.
 */
#ifndef TM_SCRIPT_PLAN_STEPS_H
#define TM_SCRIPT_PLAN_STEPS_H

#include "script/plan.h"

/* So many fields are assigned at most. */
#define PLAN_WRITES 16

/*
 * In registers: NONE is nil, NODE the record; JSON is what nobody knows here, such as ctx. The others are what
 * they are; TEXT is the record's, a constant's or an upvalue's.
 */
#define VALUE_UNKNOWN VALUE_JSON

struct write {
    struct key *key;
    struct value value; /* NONE: the field is deleted */
};

/* What a step does with its a, b and c. */
enum step_kind {
    STEP_NONE,  /* no plan has it */
    STEP_LEAVE, /* nothing that is done here */
    STEP_COPY,
    STEP_NIL, /* a, and `n` registers behind it */
    STEP_UPVALUE,
    STEP_FIELD,
    STEP_ASSIGN,
    STEP_ADD,
    STEP_SUBTRACT,
    STEP_MULTIPLY,
    STEP_MODULO,
    STEP_POWER,
    STEP_DIVIDE,
    STEP_FLOOR_DIVIDE,
    STEP_NEGATE,
    STEP_NOT,
    STEP_JUMP,
    STEP_FALSE_JUMP, /* with false in a */
    STEP_EQUAL,      /* these pass over the next step unless b and c are as `asked` */
    STEP_LESS,
    STEP_AT_MOST,
    STEP_TRUE,
    STEP_TRUE_COPY, /* and copy b to a if they are */
    STEP_RETURN,
};

/* One of Lua's instructions. */
struct step {
    enum step_kind kind;
    bool asked;
    unsigned n; /* see STEP_NIL; an upvalue's number */
    struct value *a;
    const struct value *b, *c;
    struct key *key;       /* of a field */
    const struct step *to; /* where a jump leads, or what comes behind a step that is passed over */
    struct value own;      /* what stands in the instruction itself, for b or c */
};

struct plan {
    struct arena arena;
    unsigned params, stack;
    struct value *registers; /* `stack` of them */
    struct step *steps;
    struct write writes[PLAN_WRITES];
    uint32_t writes_n;
    uint32_t pass, passes; /* records that are left to Lua untried; and how many the next time */
};

#endif
