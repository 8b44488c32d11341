/*
 * A function's instructions are looked at once: all registers, constants and jumps must be where they can be,
 * and jumps lead forward, so that a plan comes to its end. Then values flow through registers, as in Lua;
 * how Lua computes and compares is in its manual (sections 3.4.1 to 3.4.4), and in its lvm.c.
 */
#include "script/plan.h"

#include <math.h>

#include "base/heap.h"
#include "script/bytecode.h"

/* So many fields are assigned at most. */
#define WRITES 16

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

struct plan {
    struct arena arena;
    struct bytecode code;
    struct key *keys;        /* by constant, of those that are text */
    struct value *registers; /* code.stack of them */
    struct write writes[WRITES];
    uint32_t writes_n;
    uint32_t pass, passes; /* records that are left to Lua untried; and how many the next time */
};

/* ---- which functions have one ---- */

/* What an instruction's parts are. */
enum part {
    NO_OP = 0, /* none of ours */
    A = 1,     /* registers */
    B = 2,
    C = 4,
    B_FIELD = 8, /* constants: names, */
    C_FIELD = 16,
    B_CONSTANT = 32, /* or any */
    C_CONSTANT = 64,
    TWO_ON = 128, /* the next instruction may be passed over */
    PLAIN = 256,  /* nothing but what is checked by its name */
};

static const uint16_t parts[128] = {
    [OP_MOVE] = A | B,
    [OP_LOADI] = A,
    [OP_LOADF] = A,
    [OP_LOADK] = A,
    [OP_LOADFALSE] = A,
    [OP_LFALSESKIP] = A | TWO_ON,
    [OP_LOADTRUE] = A,
    [OP_LOADNIL] = A,
    [OP_GETUPVAL] = A,
    [OP_GETFIELD] = A | B | C_FIELD,
    [OP_SETFIELD] = A | B_FIELD,
    [OP_ADDI] = A | B | TWO_ON,
    [OP_ADDK] = A | B | C_CONSTANT | TWO_ON,
    [OP_SUBK] = A | B | C_CONSTANT | TWO_ON,
    [OP_MULK] = A | B | C_CONSTANT | TWO_ON,
    [OP_MODK] = A | B | C_CONSTANT | TWO_ON,
    [OP_POWK] = A | B | C_CONSTANT | TWO_ON,
    [OP_DIVK] = A | B | C_CONSTANT | TWO_ON,
    [OP_IDIVK] = A | B | C_CONSTANT | TWO_ON,
    [OP_ADD] = A | B | C | TWO_ON,
    [OP_SUB] = A | B | C | TWO_ON,
    [OP_MUL] = A | B | C | TWO_ON,
    [OP_MOD] = A | B | C | TWO_ON,
    [OP_POW] = A | B | C | TWO_ON,
    [OP_DIV] = A | B | C | TWO_ON,
    [OP_IDIV] = A | B | C | TWO_ON,
    [OP_MMBIN] = PLAIN,
    [OP_MMBINI] = PLAIN,
    [OP_MMBINK] = PLAIN,
    [OP_UNM] = A | B,
    [OP_NOT] = A | B,
    [OP_JMP] = PLAIN,
    [OP_EQ] = A | B | TWO_ON,
    [OP_LT] = A | B | TWO_ON,
    [OP_LE] = A | B | TWO_ON,
    [OP_EQK] = A | B_CONSTANT | TWO_ON,
    [OP_EQI] = A | TWO_ON,
    [OP_LTI] = A | TWO_ON,
    [OP_LEI] = A | TWO_ON,
    [OP_GTI] = A | TWO_ON,
    [OP_GEI] = A | TWO_ON,
    [OP_TEST] = A | TWO_ON,
    [OP_TESTSET] = A | B | TWO_ON,
    [OP_RETURN0] = PLAIN,
    [OP_RETURN1] = A,
};

static bool is_register(const struct bytecode *code, unsigned i)
{
    return i < code->stack;
}

static bool is_constant(const struct bytecode *code, unsigned i)
{
    return i < code->constants_n;
}

static bool is_field(const struct bytecode *code, unsigned i)
{
    return is_constant(code, i) && code->constants[i].kind == VALUE_TEXT;
}

/* What the table does not say. */
static bool is_special(const struct bytecode *code, uint32_t at, uint32_t op)
{
    switch (bytecode_op(op)) {
    case OP_LOADK:
        return is_constant(code, bytecode_bx(op));
    case OP_LOADNIL:
        return is_register(code, bytecode_a(op) + bytecode_b(op));
    case OP_SETFIELD:
        return bytecode_k(op) ? is_constant(code, bytecode_c(op))
                              : is_register(code, bytecode_c(op));
    case OP_JMP:
        return bytecode_jump(op) >= 0 && (uint32_t)bytecode_jump(op) < code->ops_n - 1 - at;
    default:
        return true;
    }
}

/* May it be carried out at `at`? */
static bool is_ours(const struct bytecode *code, uint32_t at)
{
    uint32_t op = code->ops[at];
    unsigned has = parts[bytecode_op(op)], b = bytecode_b(op), c = bytecode_c(op);
    return has != NO_OP && (!(has & A) || is_register(code, bytecode_a(op))) &&
           (!(has & B) || is_register(code, b)) && (!(has & C) || is_register(code, c)) &&
           (!(has & B_FIELD) || is_field(code, b)) && (!(has & C_FIELD) || is_field(code, c)) &&
           (!(has & B_CONSTANT) || is_constant(code, b)) &&
           (!(has & C_CONSTANT) || is_constant(code, c)) &&
           (!(has & TWO_ON) || at + 2 < code->ops_n) && is_special(code, at, op);
}

static bool has_plan(const struct bytecode *code)
{
    if (code->vararg || code->params == 0 || code->params > code->stack || code->ops_n == 0 ||
        bytecode_op(code->ops[code->ops_n - 1]) != OP_RETURN0)
        return false;
    for (uint32_t i = 0; i < code->ops_n; i++)
        if (!is_ours(code, i))
            return false;
    return true;
}

/* Room for a run; false when memory is out. */
static bool make_room(struct plan *p)
{
    const struct bytecode *code = &p->code;
    p->keys = arena_alloc(&p->arena, code->constants_n * sizeof *p->keys);
    p->registers = arena_alloc(&p->arena, code->stack * sizeof *p->registers);
    if (!p->keys || !p->registers)
        return false;
    for (uint32_t i = 0; i < code->constants_n; i++)
        if (code->constants[i].kind == VALUE_TEXT)
            p->keys[i] = (struct key){.text = code->constants[i].text};
    return true;
}

struct plan *tm_plan_new(lua_State *L)
{
    struct plan *p = tm_heap_zeroed(1, sizeof *p);
    if (!p)
        return NULL;
    tm_arena_init(&p->arena);
    if (tm_bytecode_read(L, &p->arena, &p->code) && has_plan(&p->code) && make_room(p))
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

static bool compute_ints(unsigned op, int64_t a, int64_t b, struct value *out)
{
    switch (op) {
    case OP_ADD:
        set_int(out, (int64_t)((uint64_t)a + (uint64_t)b));
        return true;
    case OP_SUB:
        set_int(out, (int64_t)((uint64_t)a - (uint64_t)b));
        return true;
    case OP_MUL:
        set_int(out, (int64_t)((uint64_t)a * (uint64_t)b));
        return true;
    case OP_MOD:
        if (b)
            set_int(out, modulo_int(a, b));
        return b != 0;
    default:
        if (b)
            set_int(out, divide_int(a, b));
        return b != 0;
    }
}

static void compute_floats(unsigned op, double a, double b, struct value *out)
{
    switch (op) {
    case OP_ADD:
        set_float(out, a + b);
        break;
    case OP_SUB:
        set_float(out, a - b);
        break;
    case OP_MUL:
        set_float(out, a * b);
        break;
    case OP_MOD:
        set_float(out, modulo_float(a, b));
        break;
    case OP_POW:
        set_float(out, b == 2 ? a * a : pow(a, b));
        break;
    case OP_DIV:
        set_float(out, a / b);
        break;
    default:
        set_float(out, floor(a / b));
        break;
    }
}

/* OP_ADD to OP_IDIV; false: not with these. */
static inline bool compute(unsigned op, const struct value *a, const struct value *b,
                           struct value *out)
{
    if (!is_number(a) || !is_number(b))
        return false;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT && op != OP_POW && op != OP_DIV)
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

static void begin(struct plan *p, struct node *record)
{
    for (unsigned i = 0; i < p->code.stack; i++)
        p->registers[i].kind = VALUE_NONE;
    p->registers[0].kind = VALUE_NODE;
    p->registers[0].node = record;
    if (p->code.params > 1)
        p->registers[1].kind = VALUE_UNKNOWN;
    p->writes_n = 0;
}

/* From the first instruction to a return. */
static enum plan_outcome carry_out(struct plan *p, lua_State *L, int function, struct node *record,
                                   bool null_as_nil)
{
    struct value *r = p->registers;
    const struct value *constants = p->code.constants;
    for (const uint32_t *at = p->code.ops;; at++) {
        uint32_t op = *at;
        struct value *a = &r[bytecode_a(op)];
        const struct value *b = &r[bytecode_b(op)], *c;
        struct value immediate;
        enum answer cond;
        switch (bytecode_op(op)) {
        case OP_MOVE:
            value_copy(a, b);
            break;
        case OP_LOADI:
            set_int(a, bytecode_sbx(op));
            break;
        case OP_LOADF:
            set_float(a, bytecode_sbx(op));
            break;
        case OP_LOADK:
            value_copy(a, &constants[bytecode_bx(op)]);
            break;
        case OP_LFALSESKIP:
            a->kind = VALUE_FALSE;
            at++;
            break;
        case OP_LOADFALSE:
            a->kind = VALUE_FALSE;
            break;
        case OP_LOADTRUE:
            a->kind = VALUE_TRUE;
            break;
        case OP_LOADNIL:
            for (unsigned i = 0; i <= bytecode_b(op); i++)
                a[i].kind = VALUE_NONE;
            break;
        case OP_GETUPVAL:
            if (!read_upvalue(L, function, bytecode_b(op), a))
                return PLAN_LEFT;
            break;
        case OP_GETFIELD:
            if (b->kind != VALUE_NODE ||
                !read_field(p, record, &p->keys[bytecode_c(op)], null_as_nil, a))
                return PLAN_LEFT;
            break;
        case OP_SETFIELD:
            c = bytecode_k(op) ? &constants[bytecode_c(op)] : &r[bytecode_c(op)];
            if (a->kind != VALUE_NODE || !write_field(p, &p->keys[bytecode_b(op)], c))
                return PLAN_LEFT;
            break;
        case OP_ADDI:
            set_int(&immediate, bytecode_signed(bytecode_c(op)));
            if (!compute(OP_ADD, b, &immediate, a))
                return PLAN_LEFT;
            at++;
            break;
        case OP_ADDK:
        case OP_SUBK:
        case OP_MULK:
        case OP_MODK:
        case OP_POWK:
        case OP_DIVK:
        case OP_IDIVK:
            if (!compute(bytecode_op(op) - OP_ADDK + OP_ADD, b, &constants[bytecode_c(op)], a))
                return PLAN_LEFT;
            at++;
            break;
        case OP_ADD:
        case OP_SUB:
        case OP_MUL:
        case OP_MOD:
        case OP_POW:
        case OP_DIV:
        case OP_IDIV:
            if (!compute(bytecode_op(op), b, &r[bytecode_c(op)], a))
                return PLAN_LEFT;
            at++;
            break;
        case OP_UNM:
            if (b->kind == VALUE_INT)
                set_int(a, (int64_t)(0 - (uint64_t)b->i));
            else if (b->kind == VALUE_FLOAT)
                set_float(a, -b->d);
            else
                return PLAN_LEFT;
            break;
        case OP_NOT:
            cond = is_true(b);
            if (cond == UNKNOWN)
                return PLAN_LEFT;
            a->kind = cond == YES ? VALUE_FALSE : VALUE_TRUE;
            break;
        case OP_JMP:
            at += bytecode_jump(op);
            break;
        case OP_EQ:
            cond = is_equal(a, b);
            goto branch;
        case OP_LT:
            cond = is_less(a, b);
            goto branch;
        case OP_LE:
            cond = is_at_most(a, b);
            goto branch;
        case OP_EQK:
            cond = is_equal(a, &constants[bytecode_b(op)]);
            goto branch;
        case OP_EQI:
            set_int(&immediate, bytecode_signed(bytecode_b(op)));
            cond = is_equal(a, &immediate);
            goto branch;
        case OP_LTI:
            set_int(&immediate, bytecode_signed(bytecode_b(op)));
            cond = is_less(a, &immediate);
            goto branch;
        case OP_LEI:
            set_int(&immediate, bytecode_signed(bytecode_b(op)));
            cond = is_at_most(a, &immediate);
            goto branch;
        case OP_GTI:
            set_int(&immediate, bytecode_signed(bytecode_b(op)));
            cond = is_less(&immediate, a);
            goto branch;
        case OP_GEI:
            set_int(&immediate, bytecode_signed(bytecode_b(op)));
            cond = is_at_most(&immediate, a);
            goto branch;
        case OP_TEST:
            cond = is_true(a);
            goto branch;
        case OP_TESTSET:
            cond = is_true(b);
            if (cond == (bytecode_k(op) ? YES : NO))
                value_copy(a, b);
            goto branch;
        case OP_RETURN1:
            if (a->kind == VALUE_NODE || a->kind == VALUE_TRUE)
                return PLAN_KEEP;
            return a->kind == VALUE_NONE || a->kind == VALUE_FALSE ? PLAN_DROP : PLAN_LEFT;
        default:
            return PLAN_LEFT;
        }
        continue;
branch:
        /* The next instruction is the jump; it is passed over where the condition is not the one that was asked for. */
        if (cond == UNKNOWN)
            return PLAN_LEFT;
        at += cond != (bytecode_k(op) ? YES : NO);
    }
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
