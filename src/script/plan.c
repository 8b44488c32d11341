/*
 * Which functions have a plan, and what it is: their instructions become steps, once. All registers, constants and
 * jumps must be where they can be, and jumps lead forward, so that a plan comes to its end.
 */
#include "base/heap.h"
#include "script/bytecode.h"
#include "script/plan_steps.h"

/* So many instructions does a function have at most. */
#define OPS_MAX 1000

/* What b, c or the field of a step is, by the parts of its instruction. */
enum part {
    NOTHING,
    REGISTER_A,
    REGISTER_B,
    REGISTER_C,
    CONSTANT_B,
    CONSTANT_C,
    CONSTANT_BX,
    EITHER_C, /* a constant with k, else a register */
    INT_B,    /* what stands in it */
    INT_C,
    INT_BX,
    FLOAT_BX,
    IS_FALSE,
    IS_TRUE,
};

/* What the steps of Lua's instructions are. */
static const struct form {
    enum step_kind kind;
    enum part b, c, field;
    bool passes; /* it may pass over the next one */
} forms[128] = {
    [OP_MOVE] = {.kind = STEP_COPY, .b = REGISTER_B},
    [OP_LOADI] = {.kind = STEP_COPY, .b = INT_BX},
    [OP_LOADF] = {.kind = STEP_COPY, .b = FLOAT_BX},
    [OP_LOADK] = {.kind = STEP_COPY, .b = CONSTANT_BX},
    [OP_LOADFALSE] = {.kind = STEP_COPY, .b = IS_FALSE},
    [OP_LFALSESKIP] = {.kind = STEP_FALSE_JUMP, .passes = true},
    [OP_LOADTRUE] = {.kind = STEP_COPY, .b = IS_TRUE},
    [OP_LOADNIL] = {.kind = STEP_NIL},
    [OP_GETUPVAL] = {.kind = STEP_UPVALUE},
    [OP_GETFIELD] = {.kind = STEP_FIELD, .b = REGISTER_B, .field = CONSTANT_C},
    [OP_SETFIELD] = {.kind = STEP_ASSIGN, .c = EITHER_C, .field = CONSTANT_B},
    [OP_ADDI] = {.kind = STEP_ADD, .b = REGISTER_B, .c = INT_C, .passes = true},
    [OP_ADDK] = {.kind = STEP_ADD, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_SUBK] = {.kind = STEP_SUBTRACT, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_MULK] = {.kind = STEP_MULTIPLY, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_MODK] = {.kind = STEP_MODULO, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_POWK] = {.kind = STEP_POWER, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_DIVK] = {.kind = STEP_DIVIDE, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_IDIVK] = {.kind = STEP_FLOOR_DIVIDE, .b = REGISTER_B, .c = CONSTANT_C, .passes = true},
    [OP_ADD] = {.kind = STEP_ADD, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    [OP_SUB] = {.kind = STEP_SUBTRACT, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    [OP_MUL] = {.kind = STEP_MULTIPLY, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    [OP_MOD] = {.kind = STEP_MODULO, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    [OP_POW] = {.kind = STEP_POWER, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    [OP_DIV] = {.kind = STEP_DIVIDE, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    [OP_IDIV] = {.kind = STEP_FLOOR_DIVIDE, .b = REGISTER_B, .c = REGISTER_C, .passes = true},
    /* What Lua does when one of those before cannot be done. */
    [OP_MMBIN] = {.kind = STEP_LEAVE},
    [OP_MMBINI] = {.kind = STEP_LEAVE},
    [OP_MMBINK] = {.kind = STEP_LEAVE},
    [OP_UNM] = {.kind = STEP_NEGATE, .b = REGISTER_B},
    [OP_NOT] = {.kind = STEP_NOT, .b = REGISTER_B},
    [OP_JMP] = {.kind = STEP_JUMP},
    [OP_EQ] = {.kind = STEP_EQUAL, .b = REGISTER_A, .c = REGISTER_B, .passes = true},
    [OP_LT] = {.kind = STEP_LESS, .b = REGISTER_A, .c = REGISTER_B, .passes = true},
    [OP_LE] = {.kind = STEP_AT_MOST, .b = REGISTER_A, .c = REGISTER_B, .passes = true},
    [OP_EQK] = {.kind = STEP_EQUAL, .b = REGISTER_A, .c = CONSTANT_B, .passes = true},
    [OP_EQI] = {.kind = STEP_EQUAL, .b = REGISTER_A, .c = INT_B, .passes = true},
    [OP_LTI] = {.kind = STEP_LESS, .b = REGISTER_A, .c = INT_B, .passes = true},
    [OP_LEI] = {.kind = STEP_AT_MOST, .b = REGISTER_A, .c = INT_B, .passes = true},
    [OP_GTI] = {.kind = STEP_LESS, .b = INT_B, .c = REGISTER_A, .passes = true},
    [OP_GEI] = {.kind = STEP_AT_MOST, .b = INT_B, .c = REGISTER_A, .passes = true},
    [OP_TEST] = {.kind = STEP_TRUE, .b = REGISTER_A, .passes = true},
    [OP_TESTSET] = {.kind = STEP_TRUE_COPY, .b = REGISTER_B, .passes = true},
    [OP_RETURN0] = {.kind = STEP_LEAVE},
    [OP_RETURN1] = {.kind = STEP_RETURN},
};

struct translation {
    struct plan *plan;
    const struct bytecode *code;
    struct key *keys; /* by constant, of those that are text */
    bool bad;         /* there is something that no plan has */
};

/* Is `i` one of n? If not, there is no plan. */
static bool is_there(struct translation *t, unsigned i, uint32_t n)
{
    t->bad |= i >= n;
    return !t->bad;
}

static struct value *take_register(struct translation *t, unsigned i)
{
    return is_there(t, i, t->plan->stack) ? &t->plan->registers[i] : NULL;
}

static const struct value *take_constant(struct translation *t, unsigned i)
{
    return is_there(t, i, t->code->constants_n) ? &t->code->constants[i] : NULL;
}

/* A number that stands in the instruction. */
static const struct value *take_int(struct step *s, int i)
{
    s->own.kind = VALUE_INT;
    s->own.i = i;
    return &s->own;
}

static const struct value *take_part(struct translation *t, struct step *s, enum part part,
                                     uint32_t op)
{
    switch (part) {
    case NOTHING:
        return NULL;
    case REGISTER_A:
        return take_register(t, bytecode_a(op));
    case REGISTER_B:
        return take_register(t, bytecode_b(op));
    case REGISTER_C:
        return take_register(t, bytecode_c(op));
    case CONSTANT_B:
        return take_constant(t, bytecode_b(op));
    case CONSTANT_C:
        return take_constant(t, bytecode_c(op));
    case CONSTANT_BX:
        return take_constant(t, bytecode_bx(op));
    case EITHER_C:
        return take_part(t, s, bytecode_k(op) ? CONSTANT_C : REGISTER_C, op);
    case INT_B:
        return take_int(s, bytecode_signed(bytecode_b(op)));
    case INT_C:
        return take_int(s, bytecode_signed(bytecode_c(op)));
    case INT_BX:
        return take_int(s, bytecode_sbx(op));
    case FLOAT_BX:
        s->own = (struct value){.kind = VALUE_FLOAT, .d = bytecode_sbx(op)};
        return &s->own;
    default:
        s->own.kind = part == IS_TRUE ? VALUE_TRUE : VALUE_FALSE;
        return &s->own;
    }
}

/* The field whose name is that constant. */
static struct key *take_field(struct translation *t, const struct value *name)
{
    t->bad |= !name || name->kind != VALUE_TEXT;
    return t->bad ? NULL : &t->keys[name - t->code->constants];
}

/* The step `n` behind this one. */
static const struct step *take_target(struct translation *t, const struct step *s, int n)
{
    t->bad |= n < 1 || (size_t)n >= t->code->ops_n - (size_t)(s - t->plan->steps);
    return t->bad ? NULL : s + n;
}

static void translate(struct translation *t, struct step *s, uint32_t op)
{
    const struct form *form = &forms[bytecode_op(op)];
    *s = (struct step){.kind = form->kind, .asked = bytecode_k(op)};
    t->bad |= form->kind == STEP_NONE;
    if (form->kind != STEP_JUMP && form->kind != STEP_LEAVE)
        s->a = take_register(t, bytecode_a(op));
    s->b = take_part(t, s, form->b, op);
    s->c = take_part(t, s, form->c, op);
    if (form->field != NOTHING)
        s->key = take_field(t, take_part(t, s, form->field, op));
    if (form->passes)
        s->to = take_target(t, s, 2);
    else if (form->kind == STEP_JUMP)
        s->to = take_target(t, s, bytecode_jump(op) + 1);
    s->n = bytecode_b(op);
    if (form->kind == STEP_NIL)
        take_register(t, bytecode_a(op) + s->n);
}

/* All steps, and room for a run; false: it has no plan, or memory is out. */
static bool make(struct plan *p, const struct bytecode *code)
{
    struct translation t = {.plan = p, .code = code};
    p->params = code->params;
    p->stack = code->stack;
    if (code->vararg || p->params == 0 || p->params > p->stack || code->ops_n == 0 ||
        code->ops_n > OPS_MAX || bytecode_op(code->ops[code->ops_n - 1]) != OP_RETURN0)
        return false;
    p->registers = arena_alloc(&p->arena, p->stack * sizeof *p->registers);
    p->steps = arena_alloc(&p->arena, code->ops_n * sizeof *p->steps);
    t.keys = arena_alloc(&p->arena, code->constants_n * sizeof *t.keys);
    if (!p->registers || !p->steps || !t.keys)
        return false;
    memset(p->registers, 0, p->stack * sizeof *p->registers);
    for (uint32_t i = 0; i < code->constants_n; i++)
        if (code->constants[i].kind == VALUE_TEXT)
            t.keys[i] = (struct key){.text = code->constants[i].text};
    for (uint32_t i = 0; i < code->ops_n && !t.bad; i++)
        translate(&t, &p->steps[i], code->ops[i]);
    return !t.bad;
}

struct plan *tm_plan_new(lua_State *L)
{
    struct bytecode code;
    struct plan *p = tm_heap_zeroed(1, sizeof *p);
    if (!p)
        return NULL;
    tm_arena_init(&p->arena);
    if (tm_bytecode_read(L, &p->arena, &code) && make(p, &code))
        return p;
    tm_plan_free(p);
    return NULL;
}

void tm_plan_free(struct plan *p)
{
    if (!p)
        return;
    tm_arena_release(&p->arena);
    tm_heap_free(p);
}
