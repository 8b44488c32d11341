/*
 * What Lua does with values: it computes, compares, and asks whether they are true, as its manual says (sections
 * 3.4.1 to 3.4.5) and its lvm.c does. What is not done here (text that is taken for a number, metamethods, errors)
 * is said to be unknown, which leaves it to Lua. For plan_run.c alone.
 */
#ifndef TM_SCRIPT_PLAN_VALUES_H
#define TM_SCRIPT_PLAN_VALUES_H

#include <math.h>

#include "script/plan_steps.h"

static inline bool is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_FLOAT;
}

static inline double as_float(const struct value *v)
{
    return v->kind == VALUE_INT ? (double)v->i : v->d;
}

static inline void set_int(struct value *out, int64_t i)
{
    out->kind = VALUE_INT;
    out->i = i;
}

static inline void set_float(struct value *out, double d)
{
    out->kind = VALUE_FLOAT;
    out->d = d;
}

/* Rounded down; b is not 0. */
static inline int64_t divide_int(int64_t a, int64_t b)
{
    if (b == -1)
        return (int64_t)(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a ^ b) < 0);
}

static inline int64_t modulo_int(int64_t a, int64_t b)
{
    if (b == -1)
        return 0;
    int64_t m = a % b;
    return m != 0 && (m ^ b) < 0 ? m + b : m;
}

static inline double modulo_float(double a, double b)
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

static inline enum answer answer(bool yes)
{
    return yes ? YES : NO;
}

/* Beyond, not every integer is a double, and comparing both takes more than is worth it here. */
#define EXACT ((int64_t)1 << 53)

/* Can these be compared as doubles, or as integers? */
static inline bool are_comparable(const struct value *a, const struct value *b)
{
    if (!is_number(a) || !is_number(b))
        return false;
    return a->kind == b->kind || (a->kind == VALUE_INT ? a->i >= -EXACT && a->i <= EXACT
                                                       : b->i >= -EXACT && b->i <= EXACT);
}

static inline enum answer is_less(const struct value *a, const struct value *b)
{
    if (!are_comparable(a, b))
        return UNKNOWN;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return answer(a->i < b->i);
    return answer(as_float(a) < as_float(b));
}

static inline enum answer is_at_most(const struct value *a, const struct value *b)
{
    if (!are_comparable(a, b))
        return UNKNOWN;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return answer(a->i <= b->i);
    return answer(as_float(a) <= as_float(b));
}

static inline enum answer is_equal(const struct value *a, const struct value *b)
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

static inline enum answer is_true(const struct value *v)
{
    if (v->kind == VALUE_UNKNOWN)
        return UNKNOWN;
    return answer(v->kind != VALUE_NONE && v->kind != VALUE_FALSE);
}

static inline bool negate(const struct value *b, struct value *a)
{
    if (b->kind == VALUE_INT)
        set_int(a, (int64_t)(0 - (uint64_t)b->i));
    else if (b->kind == VALUE_FLOAT)
        set_float(a, -b->d);
    else
        return false;
    return true;
}

static inline bool invert(const struct value *b, struct value *a)
{
    enum answer yes = is_true(b);
    a->kind = yes == YES ? VALUE_FALSE : VALUE_TRUE;
    return yes != UNKNOWN;
}

#endif
