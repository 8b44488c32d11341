/*
 * One call of a script: a record, or a batch of them, goes in as views; what the function returns
 * and emits goes out to the host. What all results are, and what is none, is decided here.
 */
#include "script/convert.h"
#include "script/plan.h"

/* Upvalues of the function that the funnel calls. */
enum { UP_FUNCTION = 1, UP_CTX = 2 };

/* ---- giving records to the host ---- */

static void lj_emit_node(lua_State *L, const struct node *n)
{
    struct script *s = script_of(L);
    struct call *call = &s->call;
    if (!call->refused) {
        if (call->current_out)
            *call->current_out = call->current;
        call->refused = s->host.emit(s->host.data, n, &call->err) != TIDEMILL_OK;
    }
    if (call->refused) {
        lua_pushstring(L, call->err.message);
        lua_error(L);
    }
    call->outcomes[call->current] = SCRIPT_KEPT;
}

/* The record in hand; what scripts build goes to its arena. */
static struct node *current_record(const struct call *call)
{
    return call->records[call->current];
}

static void lj_emit_table(lua_State *L, int index)
{
    const struct call *call = &script_of(L)->call;
    struct node *record = current_record(call);
    struct target t = {record->arena, &call->generation};
    struct path path = {0};
    lj_emit_node(L, tm_lj_to_object(L, index, &t, &path, record));
}

static _Noreturn void lj_refuse(lua_State *L, int index, const char *what, bool sequence)
{
    tm_lj_fail(L, "%s %s%s: a record%s is expected", what,
               lua_isnil(L, index) || is_null(L, index) ? "" : "a ", type_name(L, index),
               sequence ? ", true, nil or a sequence of records" : " or true");
}

static void lj_emit_value(lua_State *L, int index, const char *what, bool sequence);

/* Each element of the sequence at `index`, which `n` of them make. */
static void lj_emit_sequence(lua_State *L, int index, lua_Integer n)
{
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, index, i);
        lj_emit_value(L, lua_gettop(L), "the function returned a sequence with", false);
        lua_pop(L, 1);
    }
}

static void lj_emit_plain(lua_State *L, int index, const char *what, bool sequence)
{
    struct path path = {0};
    struct table_shape shape = tm_lj_table_shape(L, index, &path);
    if (shape.kind == TABLE_EMPTY)
        tm_lj_fail(L, "%s {}, which is no record: tidemill.object{} is an empty one, nil drops",
                   what);
    if (shape.kind == TABLE_OBJECT)
        lj_emit_table(L, index);
    else if (sequence)
        lj_emit_sequence(L, index, shape.n);
    else
        tm_lj_fail(L, "%s an array, not a record", what);
}

/* The value at `index` (absolute), as one record or, where that is allowed, as several. */
static void lj_emit_value(lua_State *L, int index, const char *what, bool sequence)
{
    int type = lua_type(L, index);
    if (is_view(L, index)) {
        const struct view *v = tm_lj_view_check(L, index);
        if (v->node->kind == NODE_OBJECT)
            lj_emit_node(L, v->node);
        else if (sequence)
            lj_emit_sequence(L, index, v->node->count);
        else
            tm_lj_fail(L, "%s an array, not a record", what);
    } else if (type == LUA_TTABLE) {
        lj_emit_plain(L, index, what, sequence);
    } else if (type == LUA_TBOOLEAN && lua_toboolean(L, index)) {
        lj_emit_node(L, current_record(&script_of(L)->call));
    } else {
        lj_refuse(L, index, what, sequence);
    }
}

int tm_lj_emit(lua_State *L)
{
    int n = lua_gettop(L);
    if (!script_of(L)->call.active)
        tm_lj_fail(L, "emit works only while a record is being handled");
    if (n == 0)
        tm_lj_fail(L, "emit takes a record, got nothing");
    for (int i = 1; i <= n; i++)
        lj_emit_value(L, i, "emit was given", false);
    return 0;
}

/* ---- results of record ---- */

/* `return nil, "why"`: the reason as it is, without a place. */
static void lj_fail_with_reason(lua_State *L, int index)
{
    if (lua_type(L, index) == LUA_TSTRING || lua_type(L, index) == LUA_TNUMBER)
        lua_pushvalue(L, index);
    else if (!lua_islightuserdata(L, index) && !view_at(L, index) &&
             luaL_getmetafield(L, index, "__tostring") != LUA_TNIL)
        luaL_tolstring(L, index, NULL);
    else
        tm_lj_fail(L, "the function returned nil and a %s: return nil, \"why\" fails a record",
                   type_name(L, index));
    lua_error(L);
}

/* Results `first` .. top of the function, for the record in hand. */
static void lj_take_results(lua_State *L, int first)
{
    const struct call *call = &script_of(L)->call;
    int last = lua_gettop(L);
    if (last == first && lua_touserdata(L, first) == handle_of(call, 0)) {
        lj_emit_node(L, current_record(call));
        return;
    }
    if (last < first) {
        if (call->outcomes[call->current] != SCRIPT_KEPT)
            tm_lj_fail(L, "the function returned nothing: return r to keep the record, nil to "
                          "drop it");
        return;
    }
    while (last > first && lua_isnil(L, last))
        last--;
    if (!lua_toboolean(L, first)) {
        if (last > first)
            lj_fail_with_reason(L, first + 1);
        return;
    }
    for (int i = first; i <= last; i++)
        lj_emit_value(L, i, "the function returned", true);
}

/* ---- results of batch ---- */

static void lj_push_records(lua_State *L, struct script *s)
{
    const struct call *call = &s->call;
    tm_lj_view_own_handles(L);
    if (!tm_view_hand_over(s, call->records, call->n))
        tm_lj_memory(L);
    lua_createtable(L, (int)call->n, 0);
    for (size_t i = 0; i < call->n; i++) {
        lua_pushlightuserdata(L, handle_of(call, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* An array's keys are 1 .. n, not all of them there; the first wrong one must not vary. */
static void lj_check_entries(lua_State *L, int index, size_t n)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (i < 1 || (size_t)i > n)
            tm_lj_fail(L, "batch returned entries that no record has: its keys are 1 .. %I",
                       (lua_Integer)n);
        lua_pop(L, 1);
    }
}

static void lj_take_entries(lua_State *L, int index)
{
    struct call *call = &script_of(L)->call;
    for (size_t i = 0; i < call->n; i++) {
        call->current = i;
        lua_geti(L, index, (lua_Integer)i + 1);
        if (lua_toboolean(L, -1))
            lj_emit_value(L, lua_gettop(L), "batch returned an entry with", true);
        lua_pop(L, 1);
    }
}

static int lj_batch(lua_State *L)
{
    struct script *s = script_of(L);
    struct call *call = &s->call;
    lua_pushvalue(L, lua_upvalueindex(UP_FUNCTION));
    lj_push_records(L, s);
    lua_pushvalue(L, lua_upvalueindex(UP_CTX));
    lua_call(L, 2, LUA_MULTRET);
    int results = lua_gettop(L);
    if (results == 0) {
        if (call->outcomes[0] != SCRIPT_KEPT)
            tm_lj_fail(L, "batch returned nothing: return an array with a result for each record");
        return 0;
    }
    if (results > 1 && !lua_toboolean(L, 1) && !lua_isnil(L, 2))
        lj_fail_with_reason(L, 2);
    if (lua_istable(L, 1))
        lj_check_entries(L, 1, call->n);
    else
        tm_lj_fail(L, "batch returned %s%s: an array with a result for each record is expected",
                   lua_isnil(L, 1) ? "" : "a ", luaL_typename(L, 1));
    lj_take_entries(L, 1);
    return 0;
}

/* ---- calls ---- */

static void lj_interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_pushliteral(L, "interrupted");
    lua_error(L);
}

void tm_script_interrupt(struct script *s)
{
    s->interrupted = 1;
    lua_sethook(s->L, lj_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static void begin_call(struct script *s)
{
    struct call *call = &s->call;
    s->at_limit = s->out_of_memory = false;
    tm_memory_forgive(&s->memory);
    call->active = true;
    call->refused = false;
    call->random.ready = false;
    call->current = 0;
    call->spent = 0;
}

/* `e` has the cause of a failure, unless the host had one: what it refused stays refused. */
static int end_call(struct script *s, int status, err *e)
{
    struct call *call = &s->call;
    if (call->refused)
        status = tm_err_pass(e, &call->err);
    call->active = false;
    tm_view_take_back(s);
    return status;
}

/* ---- a run of records ---- */

/* Take the next record in hand; false when there is none. */
static bool begin_record(struct script *s)
{
    struct call *call = &s->call;
    script_calm(s); /* the one before is not in hand any more: nobody interrupts now */
    call->record = call->source->next(call->source->data, &call->place);
    if (!call->record)
        return false;
    begin_call(s);
    call->outcome = SCRIPT_DROPPED;
    return true;
}

/* call->why has the cause of a failure. */
static inline void end_record(struct script *s, int status, bool brief)
{
    struct call *call = &s->call;
    bool failed = end_call(s, status, &call->why) != TIDEMILL_OK;
    call->source->done(call->source->data, failed ? SCRIPT_FAILED : call->outcome, brief,
                       &call->why);
}

/* What lies on the stack while records are called. */
enum { AT_FUNCTION = 1, AT_CTX, AT_RESULTS };

/* Does the function take ctx? C functions may, and what has `...`. */
static bool lj_takes_ctx(lua_State *L)
{
    lua_Debug ar;
    lua_pushvalue(L, AT_FUNCTION);
    lua_getinfo(L, ">u", &ar);
    return ar.isvararg || ar.nparams > 1;
}

/* The record in hand by the function's plan, if there is one; false: Lua has to call the function. */
static bool lj_follow_plan(lua_State *L, struct script *s, struct plan *plan)
{
    struct node *record = s->call.record;
    if (!plan)
        return false;
    enum plan_outcome outcome = tm_plan_run(plan, L, AT_FUNCTION, record, s->config.null_as_nil);
    if (outcome == PLAN_LEFT)
        return false;
    tm_lj_plan_assign(plan, L, record);
    if (outcome == PLAN_KEEP)
        lj_emit_node(L, record);
    return true;
}

/* The record in hand by a call of the function. */
static void lj_call_function(lua_State *L, struct script *s, bool takes_ctx)
{
    struct call *call = &s->call;
    if (!tm_view_hand_over(s, &call->record, 1))
        tm_lj_memory(L);
    lua_pushvalue(L, AT_FUNCTION);
    lua_pushlightuserdata(L, handle_of(call, 0));
    if (takes_ctx)
        lua_pushvalue(L, AT_CTX);
    lua_call(L, 1 + takes_ctx, LUA_MULTRET);
    lj_take_results(L, AT_RESULTS);
    lua_settop(L, AT_CTX);
}

/*
 * The record in hand, and all others up to the first that raises an error: it costs much less to
 * go on than to leave the protected call and to enter it again.
 */
static int lj_records(lua_State *L)
{
    struct script *s = script_of(L);
    lua_settop(L, 0);
    struct plan *plan = tm_lj_view_own_handles(L) ? s->plan : NULL;
    bool watched = lua_gethook(L) != NULL; /* a hook of the script's wants to see the calls */
    lua_pushvalue(L, lua_upvalueindex(UP_FUNCTION));
    lua_pushvalue(L, lua_upvalueindex(UP_CTX));
    bool takes_ctx = lj_takes_ctx(L);
    do {
        bool brief = !watched && lj_follow_plan(L, s, plan);
        if (!brief) {
            lj_call_function(L, s, takes_ctx);
            watched = lua_gethook(L) != NULL;
        }
        end_record(s, TIDEMILL_OK, brief);
    } while (begin_record(s));
    return 0;
}

void tm_script_run(struct script *s, const struct script_source *source)
{
    struct call *call = &s->call;
    int status;
    call->source = source;
    call->records = &call->record;
    call->n = 1;
    call->outcomes = &call->outcome;
    call->current_out = NULL;
    for (bool more = begin_record(s); more; more = begin_record(s)) {
        lua_pushvalue(s->L, 2);
        if ((status = tm_script_enter(s, 0, 0, "", &call->why)) == TIDEMILL_OK)
            return;
        end_record(s, status, false);
    }
}

/* ---- a batch ---- */

enum script_outcome tm_script_batch(struct script *s, struct node **records, size_t n,
                                    const struct script_place *place, enum script_outcome *outcomes,
                                    size_t *current, err *e)
{
    struct call *call = &s->call;
    bool kept = false;
    if (n == 0)
        return SCRIPT_DROPPED;
    *current = 0;
    call->records = records;
    call->n = n;
    call->place = place;
    call->outcomes = outcomes;
    call->current_out = current;
    for (size_t i = 0; i < n; i++)
        outcomes[i] = SCRIPT_DROPPED;
    begin_call(s);
    lua_pushvalue(s->L, 2);
    bool failed = end_call(s, tm_script_enter(s, 0, 0, "", e), e) != TIDEMILL_OK;
    for (size_t i = 0; i < n; i++) {
        if (failed)
            outcomes[i] = SCRIPT_FAILED;
        kept |= outcomes[i] == SCRIPT_KEPT;
    }
    return failed ? SCRIPT_FAILED : kept ? SCRIPT_KEPT : SCRIPT_DROPPED;
}

void tm_lj_call_bind(lua_State *L, struct script *s)
{
    /* Under limits.memory Lua counts what it reads: whether a record fails may not depend on who does it. */
    if (!s->config.batch && !s->config.memory)
        s->plan = tm_plan_new(L);
    tm_lj_open_ctx(L);
    lua_pushcclosure(L, s->config.batch ? lj_batch : lj_records, 2);
}
