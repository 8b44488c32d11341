/*
 * Plans carried out: values flow from fields through registers, as in Lua, to what is assigned, which waits until the
 * function has returned.
 */
#include "script/plan_steps.h"
#include "script/plan_values.h"

/* As long as records come that are left to Lua, no more than one in so many is tried. */
#define PASS_MAX 31

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
    if (p->writes_n == PLAN_WRITES || v->kind == VALUE_UNKNOWN || v->kind == VALUE_NODE)
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
