/*
 * A function's instructions become steps, once: all registers, constants and jumps must be where they can be,
 * and jumps lead forward, so that a plan comes to its end. Then values flow through registers, as in Lua;
 * how Lua computes and compares is in its manual (sections 3.4.1 to 3.4.4), and in its lvm.c.
 */
#include "script/plan.h"

#include <math.h>

#include "base/heap.h"
#include "script/bytecode.h"

/* So many fields are assigned at most, and so many instructions does a function have. */
#define WRITES  16
#define OPS_MAX 1000

/* As long as records come that are left to Lua, no more than one in so many is tried. */
#define PASS_MAX 31

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
    struct write writes[WRITES];
    uint32_t writes_n;
    uint32_t pass, passes; /* records that are left to Lua untried; and how many the next time */
};

/* ---- from instructions to steps ---- */

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

static struct value *take_register(struct translation *t, unsigned i)
{
    t->bad |= i >= t->plan->stack;
    return t->bad ? NULL : &t->plan->registers[i];
}

static const struct value *take_constant(struct translation *t, unsigned i)
{
    t->bad |= i >= t->code->constants_n;
    return t->bad ? NULL : &t->code->constants[i];
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

/* ---- what Lua does with values ---- */

static bool is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_FLOAT;
}

static double as_float(const struct value *v)
{
    return v->kind == VALUE_INT ? (double)v->i : v->d;
}

static void set_int(struct value *out, int64_t i)
{
    out->kind = VALUE_INT;
    out->i = i;
}

static void set_float(struct value *out, double d)
{
    out->kind = VALUE_FLOAT;
    out->d = d;
}

/* Rounded down; b is not 0. */
static int64_t divide_int(int64_t a, int64_t b)
{
    if (b == -1)
        return (int64_t)(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a ^ b) < 0);
}

static int64_t modulo_int(int64_t a, int64_t b)
{
    if (b == -1)
        return 0;
    int64_t m = a % b;
    return m != 0 && (m ^ b) < 0 ? m + b : m;
}

static double modulo_float(double a, double b)
{
    double m = fmod(a, b);
    return (m > 0 ? b < 0 : m < 0 && b > 0) ? m + b : m;
}

static inline bool compute_ints(enum step_kind op, int64_t a, int64_t b, struct value *out)
{
    switch (op) {
    case STEP_ADD:
        set_int(out, (int64_t)((uint64_t)a + (uint64_t)b));
        return true;
    case STEP_SUBTRACT:
        set_int(out, (int64_t)((uint64_t)a - (uint64_t)b));
        return true;
    case STEP_MULTIPLY:
        set_int(out, (int64_t)((uint64_t)a * (uint64_t)b));
        return true;
    case STEP_MODULO:
        if (b)
            set_int(out, modulo_int(a, b));
        return b != 0;
    default:
        if (b)
            set_int(out, divide_int(a, b));
        return b != 0;
    }
}

static inline void compute_floats(enum step_kind op, double a, double b, struct value *out)
{
    switch (op) {
    case STEP_ADD:
        set_float(out, a + b);
        break;
    case STEP_SUBTRACT:
        set_float(out, a - b);
        break;
    case STEP_MULTIPLY:
        set_float(out, a * b);
        break;
    case STEP_MODULO:
        set_float(out, modulo_float(a, b));
        break;
    case STEP_POWER:
        set_float(out, b == 2 ? a * a : pow(a, b));
        break;
    case STEP_DIVIDE:
        set_float(out, a / b);
        break;
    default:
        set_float(out, floor(a / b));
        break;
    }
}

/* ADD to FLOOR_DIVIDE; false: not with these. */
static inline bool compute(enum step_kind op, const struct value *a, const struct value *b,
                           struct value *out)
{
    if (!is_number(a) || !is_number(b))
        return false;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT && op != STEP_POWER && op != STEP_DIVIDE)
        return compute_ints(op, a->i, b->i, out);
    compute_floats(op, as_float(a), as_float(b), out);
    return true;
}

enum answer { NO, YES, UNKNOWN };

static enum answer answer(bool yes)
{
    return yes ? YES : NO;
}

/* Beyond, not every integer is a double, and comparing both takes more than is worth it here. */
#define EXACT ((int64_t)1 << 53)

/* Can these be compared as doubles, or as integers? */
static bool are_comparable(const struct value *a, const struct value *b)
{
    if (!is_number(a) || !is_number(b))
        return false;
    return a->kind == b->kind || (a->kind == VALUE_INT ? a->i >= -EXACT && a->i <= EXACT
                                                       : b->i >= -EXACT && b->i <= EXACT);
}

static enum answer is_less(const struct value *a, const struct value *b)
{
    if (!are_comparable(a, b))
        return UNKNOWN;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return answer(a->i < b->i);
    return answer(as_float(a) < as_float(b));
}

static enum answer is_at_most(const struct value *a, const struct value *b)
{
    if (!are_comparable(a, b))
        return UNKNOWN;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return answer(a->i <= b->i);
    return answer(as_float(a) <= as_float(b));
}

static enum answer is_equal(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_UNKNOWN || b->kind == VALUE_UNKNOWN)
        return UNKNOWN;
    if (is_number(a) && is_number(b)) {
        if (!are_comparable(a, b))
            return UNKNOWN;
        return answer(a->kind == VALUE_INT && b->kind == VALUE_INT ? a->i == b->i
                                                                   : as_float(a) == as_float(b));
    }
    if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT)
        return answer(slice_eq(a->text, b->text));
    return answer(a->kind == b->kind); /* nil, booleans, null, and the one record */
}

static enum answer is_true(const struct value *v)
{
    if (v->kind == VALUE_UNKNOWN)
        return UNKNOWN;
    return answer(v->kind != VALUE_NONE && v->kind != VALUE_FALSE);
}

/* ---- fields ---- */

/* What the plan has assigned to the field last. */
static const struct value *assigned(const struct plan *p, const struct key *key)
{
    for (uint32_t i = p->writes_n; i-- > 0;)
        if (p->writes[i].key == key || slice_eq(p->writes[i].key->text, key->text))
            return &p->writes[i].value;
    return NULL;
}

/* False: it is a value that Lua has to look at. */
static inline bool read_field(const struct plan *p, struct node *record, struct key *key,
                              bool null_as_nil, struct value *out)
{
    const struct value *own = p->writes_n ? assigned(p, key) : NULL;
    if (own) {
        value_copy(out, own);
        return true;
    }
    uint32_t i = key_find(key, record);
    if (i == UINT32_MAX) {
        out->kind = VALUE_NONE;
        return true;
    }
    if (tm_node_get(record, i, out) != TIDEMILL_OK)
        return false;
    if (out->kind == VALUE_NULL && null_as_nil)
        out->kind = VALUE_NONE;
    return out->kind != VALUE_NODE && out->kind != VALUE_NUMBER;
}

static bool write_field(struct plan *p, struct key *key, const struct value *v)
{
    if (p->writes_n == WRITES || v->kind == VALUE_UNKNOWN || v->kind == VALUE_NODE)
        return false;
    struct write *w = &p->writes[p->writes_n++];
    w->key = key;
    value_copy(&w->value, v);
    return true;
}

static bool read_upvalue(lua_State *L, int function, unsigned i, struct value *out)
{
    if (!lua_getupvalue(L, function, (int)i + 1))
        return false;
    int type = lua_type(L, -1);
    if (type == LUA_TNIL) {
        out->kind = VALUE_NONE;
    } else if (type == LUA_TBOOLEAN) {
        out->kind = lua_toboolean(L, -1) ? VALUE_TRUE : VALUE_FALSE;
    } else if (type == LUA_TNUMBER) {
        if (lua_isinteger(L, -1))
            set_int(out, lua_tointeger(L, -1));
        else
            set_float(out, lua_tonumber(L, -1));
    } else if (type == LUA_TSTRING) {
        out->kind = VALUE_TEXT;
        out->text = lua_slice(L, -1); /* which the upvalue keeps alive */
    } else {
        out->kind = VALUE_UNKNOWN;
    }
    lua_pop(L, 1);
    return true;
}

/* ---- a run ---- */

static inline void begin(struct plan *p, struct node *record)
{
    for (unsigned i = 1; i < p->stack; i++)
        p->registers[i].kind = VALUE_NONE;
    p->registers[0].kind = VALUE_NODE;
    p->registers[0].node = record;
    if (p->params > 1)
        p->registers[1].kind = VALUE_UNKNOWN;
    p->writes_n = 0;
}

static void set_nil(struct value *a, unsigned more)
{
    for (unsigned i = 0; i <= more; i++)
        a[i].kind = VALUE_NONE;
}

static bool negate(const struct value *b, struct value *a)
{
    if (b->kind == VALUE_INT)
        set_int(a, (int64_t)(0 - (uint64_t)b->i));
    else if (b->kind == VALUE_FLOAT)
        set_float(a, -b->d);
    else
        return false;
    return true;
}

static bool invert(const struct value *b, struct value *a)
{
    enum answer yes = is_true(b);
    a->kind = yes == YES ? VALUE_FALSE : VALUE_TRUE;
    return yes != UNKNOWN;
}

/* On to the next step, or, unless the answer is what was asked for, over it. False: nobody knows. */
static inline bool turn(const struct step **s, enum answer answered)
{
    *s += answered != answer((*s)->asked);
    return answered != UNKNOWN;
}

static enum plan_outcome outcome_of(const struct value *a)
{
    if (a->kind == VALUE_NODE || a->kind == VALUE_TRUE)
        return PLAN_KEEP;
    return a->kind == VALUE_NONE || a->kind == VALUE_FALSE ? PLAN_DROP : PLAN_LEFT;
}

/* From the first step to a return. */
static inline enum plan_outcome carry_out(struct plan *p, lua_State *L, int function,
                                          struct node *record, bool null_as_nil)
{
    bool done = true;
    for (const struct step *s = p->steps; done; s++) {
        struct value *a = s->a;
        switch (s->kind) {
        case STEP_COPY:
            value_copy(a, s->b);
            break;
        case STEP_NIL:
            set_nil(a, s->n);
            break;
        case STEP_UPVALUE:
            done = read_upvalue(L, function, s->n, a);
            break;
        case STEP_FIELD:
            done = s->b->kind == VALUE_NODE && read_field(p, record, s->key, null_as_nil, a);
            break;
        case STEP_ASSIGN:
            done = a->kind == VALUE_NODE && write_field(p, s->key, s->c);
            break;
        case STEP_NEGATE:
            done = negate(s->b, a);
            break;
        case STEP_NOT:
            done = invert(s->b, a);
            break;
        case STEP_FALSE_JUMP:
            a->kind = VALUE_FALSE; /* fall through */
        case STEP_JUMP:
            s = s->to - 1;
            break;
        case STEP_EQUAL:
            done = turn(&s, is_equal(s->b, s->c));
            break;
        case STEP_LESS:
            done = turn(&s, is_less(s->b, s->c));
            break;
        case STEP_AT_MOST:
            done = turn(&s, is_at_most(s->b, s->c));
            break;
        case STEP_TRUE_COPY:
            if (is_true(s->b) == answer(s->asked))
                value_copy(a, s->b); /* fall through */
        case STEP_TRUE:
            done = turn(&s, is_true(s->b));
            break;
        case STEP_RETURN:
            return outcome_of(a);
        case STEP_NONE:
        case STEP_LEAVE:
            return PLAN_LEFT;
        default:
            done = compute(s->kind, s->b, s->c, a);
            s++;
            break;
        }
    }
    return PLAN_LEFT;
}

enum plan_outcome tm_plan_run(struct plan *p, lua_State *L, int function, struct node *record,
                              bool null_as_nil)
{
    if (p->pass) {
        p->pass--;
        return PLAN_LEFT;
    }
    begin(p, record);
    enum plan_outcome outcome = carry_out(p, L, function, record, null_as_nil);
    if (outcome == PLAN_LEFT) {
        p->pass = p->passes;
        p->passes = p->passes < PASS_MAX ? 2 * p->passes + 1 : PASS_MAX;
    } else {
        p->passes = 0;
    }
    return outcome;
}

void tm_lj_plan_assign(struct plan *p, lua_State *L, struct node *record)
{
    for (uint32_t w = 0; w < p->writes_n; w++) {
        struct key *key = p->writes[w].key;
        struct value *value = &p->writes[w].value;
        uint32_t i = key_find(key, record);
        if (value->kind == VALUE_NONE) {
            if (i != UINT32_MAX)
                tm_node_delete(record, i);
            continue;
        }
        if (value->kind == VALUE_TEXT)
            value->text = tm_lj_copy(L, record->arena, value->text);
        if (i != UINT32_MAX)
            value_copy(tm_node_assign(record, i), value);
        else if (tm_node_add(record, tm_lj_copy(L, record->arena, key->text), *value))
            tm_lj_memory(L);
    }
}
