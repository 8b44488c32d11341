/*
 * The life of a Lua state: made, filled with what scripts see, loaded with one, closed. The funnel
 * that every call goes through, and how errors are raised.
 */
#include "script/state.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "script/plan.h"
#include "script/view.h"

/* ---- memory ---- */

static lua_State *open_state(struct script *s)
{
    lua_State *L = lua_newstate(tm_memory_allocate, &s->memory);
    if (L)
        memcpy(lua_getextraspace(L), &s, sizeof s);
    return L;
}

/* "512MiB", or bytes where no unit fits. */
static void print_size(char *out, size_t size, size_t bytes)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, size, "%zu%s", bytes, unit ? units[unit] : " bytes");
}

static int memory_error(struct script *s, const char *prefix, err *e)
{
    char size[32];
    bool refused = tm_memory_was_refused(&s->memory);
    s->at_limit = refused;
    if (!refused)
        return tm_err_set(e, TIDEMILL_E_MEMORY, "%s" MEMORY_TEXT, prefix);
    print_size(size, sizeof size, s->memory.cap);
    return tm_err_set(e, TIDEMILL_E_MEMORY,
                      "%s" MEMORY_TEXT
                      ": the script's Lua state is at its limit of %s (limits.memory)",
                      prefix, size);
}

/* ---- errors ---- */

/* "double.lua:2: " of the Lua function that is running; false when none is. */
static bool lj_push_running(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
            return true;
        }
    }
    return false;
}

/* The same, or where the script's function begins. */
static void lj_push_place(lua_State *L)
{
    const struct script *s = script_of(L);
    if (lj_push_running(L))
        return;
    if (s->origin.line)
        lua_pushfstring(L, "%s:%d: ", s->origin.source, s->origin.line);
    else
        lua_pushliteral(L, "");
}

_Noreturn static void lj_throw(lua_State *L)
{
    lua_error(L);
    __builtin_unreachable();
}

_Noreturn void tm_lj_fail_dead(lua_State *L)
{
    tm_lj_fail(L, "this record's function has returned; keep tidemill.copy(r) instead");
}

_Noreturn void tm_lj_fail(lua_State *L, const char *format, ...)
{
    va_list args;
    luaL_checkstack(L, 4, NULL);
    lj_push_place(L);
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 2);
    lj_throw(L);
}

_Noreturn void tm_lj_memory(lua_State *L)
{
    script_of(L)->out_of_memory = true;
    lua_pushliteral(L, MEMORY_TEXT);
    lj_throw(L);
}

_Noreturn void tm_lj_raise(lua_State *L, const err *e)
{
    if (e->status == TIDEMILL_E_MEMORY)
        tm_lj_memory(L);
    tm_lj_fail(L, "%s", e->message);
}

void tm_lj_charge(lua_State *L, size_t size)
{
    struct script *s = script_of(L);
    s->call.spent += size;
    if (s->memory.cap && s->call.spent > s->memory.cap) {
        s->memory.refused = true;
        tm_lj_memory(L);
    }
}

struct slice tm_lj_copy(lua_State *L, struct arena *arena, struct slice text)
{
    tm_lj_charge(L, text.n);
    struct slice copy = tm_arena_copy(arena, text);
    if (!copy.p)
        tm_lj_memory(L);
    return copy;
}

/* Beyond this the scratch is given back once it was used. */
static const size_t scratch_kept = (size_t)1 << 20;

void tm_lj_push_scratch(lua_State *L)
{
    struct script *s = script_of(L);
    if (s->scratch.failed)
        tm_lj_memory(L);
    lua_pushlstring(L, s->scratch.p, s->scratch.n);
    if (s->scratch.cap > scratch_kept)
        tm_buf_release(&s->scratch);
}

/*
 * Whether the function that raised is one of C to which Lua gives no position: table.sort comparing
 * what cannot be compared, assert with a message. What error() was told is as the script wants it.
 */
static bool lacks_place(lua_State *L)
{
    lua_Debug ar;
    if (slice_is(lua_slice(L, 1), MEMORY_TEXT) || !lua_getstack(L, 1, &ar))
        return false;
    lua_getinfo(L, "Sf", &ar);
    lua_getglobal(L, "error");
    bool lacks = *ar.what == 'C' && !lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return lacks;
}

/* Put the place of the running Lua function before the text at 1, unless it is there. */
static void lj_add_place(lua_State *L)
{
    if (!lj_push_running(L))
        return;
    struct slice text = lua_slice(L, 1), place = lua_slice(L, 2);
    if (text.n >= place.n && memcmp(text.p, place.p, place.n) == 0) {
        lua_pop(L, 1);
        return;
    }
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
}

/*
 * Runs where an error was raised, still protected: makes a text of whatever was thrown. Most have
 * their position already, as Lua's error() and our tm_lj_fail() put it there.
 */
static int lj_message(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING) {
        if (lacks_place(L))
            lj_add_place(L);
        return 1;
    }
    if (lua_type(L, 1) == LUA_TNUMBER ||
        (!is_other(L, 1) && luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL)) {
        luaL_tolstring(L, 1, NULL);
        return 1;
    }
    lua_pushfstring(L, "(error object is a %s value)", type_name(L, 1));
    return 1;
}

/* ---- the funnel ---- */

/* The error on top of the stack. Nothing here may raise: only a string is looked at. */
static int take_error(struct script *s, int status, const char *prefix, err *e)
{
    struct slice text = SLICE("an error in error handling");
    char message[sizeof e->message];
    if (lua_type(s->L, -1) == LUA_TSTRING)
        text = lua_slice(s->L, -1);
    /* To Lua all errors of this text are of memory. The script may have caught one, and raised it anew. */
    bool denied = s->out_of_memory || tm_memory_was_refused(&s->memory) ||
                  tm_memory_was_starved(&s->memory);
    if (denied && (status == LUA_ERRMEM || slice_is(text, MEMORY_TEXT)))
        return memory_error(s, prefix, e);
    tm_printable(message, sizeof message, text);
    return tm_err_set(e, TIDEMILL_E_SCRIPT, "%s%s", prefix, message);
}

int tm_script_enter(struct script *s, int nargs, int nresults, const char *prefix, err *e)
{
    lua_State *L = s->L;
    int function = lua_gettop(L) - nargs;
    s->call.spent = 0;
    s->out_of_memory = false;
    tm_memory_forgive(&s->memory);
    int status = lua_pcall(L, nargs, nresults, 1);
    script_calm(s);
    if (status == LUA_OK)
        return TIDEMILL_OK;
    int result = take_error(s, status, prefix, e);
    lua_settop(L, function - 1);
    return result;
}

/* ---- opening ---- */

static int workspace_gc(lua_State *L)
{
    tm_arena_release(lua_touserdata(L, 1));
    return 0;
}

struct arena *tm_lj_workspace(lua_State *L)
{
    struct arena *a = lua_newuserdatauv(L, sizeof *a, 0);
    tm_arena_init(a);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref.workspace);
    lua_setmetatable(L, -2);
    return a;
}

static void lj_open_workspace(lua_State *L, struct script *s)
{
    lua_newtable(L);
    lua_pushcfunction(L, workspace_gc);
    lua_setfield(L, -2, "__gc");
    s->ref.workspace = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Numbers answer to string methods, as "Numbers answer ..." of the contract has it. */
static void lj_open_number_methods(lua_State *L)
{
    lua_pushinteger(L, 0);
    lua_createtable(L, 0, 1);
    lua_getglobal(L, "string");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* `require` looks beside the script first. */
static void lj_open_folder(lua_State *L, const char *folder)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", folder, folder, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 1);
    lua_getfield(L, -1, "cpath");
    lua_pushfstring(L, "%s/?.so;%s", folder, lua_tostring(L, -1));
    lua_setfield(L, -3, "cpath");
    lua_pop(L, 2);
}

void tm_lj_replace(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

int tm_lj_original(lua_State *L, int i)
{
    lua_CFunction original = lua_tocfunction(L, lua_upvalueindex(i));
    if (!original)
        tm_lj_fail(L, "the function of Lua that this one stands for was taken away");
    return original(L);
}

static int lj_open(lua_State *L)
{
    struct script *s = script_of(L);
    luaL_openlibs(L);
    lj_open_workspace(L, s);
    lj_open_number_methods(L);
    tm_lj_open_keys(L, s);
    tm_lj_open_pairs(L, s);
    tm_lj_open_view(L, s);
    tm_lj_open_wide(L, s);
    tm_lj_open_table(L);
    tm_lj_open_random(L);
    tm_lj_open_print(L, s);
    tm_lj_open_os(L);
    tm_lj_open_json(L);
    tm_lj_open_tidemill(L, s);
    if (s->config.folder)
        lj_open_folder(L, s->config.folder);
    return 0;
}

/* ---- life ---- */

static int lj_load(lua_State *L)
{
    struct script *s = script_of(L);
    tm_lj_load(L, s);
    tm_lj_call_bind(L, s);
    return 1;
}

/* setup(job) */
static int lj_setup(lua_State *L)
{
    const struct script *s = script_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.setup);
    lua_createtable(L, 0, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref.params);
    lua_setfield(L, -2, "params");
    lua_pushinteger(L, s->config.worker);
    lua_setfield(L, -2, "worker");
    lua_call(L, 1, 0);
    return 0;
}

/* Enter a function of ours that takes nothing, with random numbers from the start. */
static int enter_function(struct script *s, lua_CFunction function, int nresults,
                          const char *prefix, err *e)
{
    s->call.random.ready = false;
    lua_pushcfunction(s->L, function);
    return tm_script_enter(s, 0, nresults, prefix, e);
}

static struct script *script_make(const struct script_config *c, const struct script_host *host)
{
    struct script *s = tm_heap_zeroed(1, sizeof *s);
    if (!s)
        return NULL;
    s->config = *c;
    s->host = *host;
    s->memory.cap = c->memory;
    s->ref.setup = s->ref.teardown = LUA_NOREF;
    s->config.max_depth = json_max_depth(c->max_depth);
    s->reader = tm_json_reader_new(c->max_depth);
    s->L = s->reader ? open_state(s) : NULL;
    if (!s->L) {
        tm_script_free(s);
        return NULL;
    }
    lua_pushcfunction(s->L, lj_message); /* stays at 1, for the funnel */
    return s;
}

struct script *tm_script_new(const struct script_config *c, const struct script_host *host, err *e)
{
    struct script *s = script_make(c, host);
    if (!s) {
        tm_err_memory(e, "the script's Lua state");
        return NULL;
    }
    if (enter_function(s, lj_open, 0, "", e) || enter_function(s, lj_load, 1, "", e))
        goto fail;
    if (s->ref.setup != LUA_NOREF && enter_function(s, lj_setup, 0, "setup: ", e))
        goto fail;
    s->memory.base = s->memory.used;
    /* What these point to is the caller's again. */
    s->config.text = s->config.params = (struct slice){NULL, 0};
    s->config.chunk_name = s->config.folder = NULL;
    s->config.functions = NULL;
    return s;
fail:
    tm_script_free(s);
    return NULL;
}

static int lj_compile(lua_State *L)
{
    tm_lj_compile(L, &script_of(L)->config);
    return 0;
}

int tm_script_check(const struct script_config *c, const struct script_host *host, err *e)
{
    struct script *s = script_make(c, host);
    if (!s)
        return tm_err_memory(e, "the script's Lua state");
    int status = enter_function(s, lj_compile, 0, "", e);
    tm_script_free(s);
    if (status == TIDEMILL_OK)
        tm_script_lint(c, host);
    return status;
}

bool tm_script_at_limit(const struct script *s)
{
    return s->at_limit;
}

bool tm_script_is_doubtful(const struct script *s)
{
    return tm_memory_is_doubtful(&s->memory);
}

int tm_script_teardown(struct script *s, err *e)
{
    if (s->ref.teardown == LUA_NOREF)
        return TIDEMILL_OK;
    s->call.random.ready = false;
    lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->ref.teardown);
    return tm_script_enter(s, 0, 0, "teardown: ", e);
}

void tm_script_free(struct script *s)
{
    if (!s)
        return;
    if (s->L)
        lua_close(s->L); /* finalizers run, and may look at all the rest */
    tm_memory_release(&s->memory);
    tm_plan_free(s->plan);
    tm_json_reader_free(s->reader);
    tm_buf_release(&s->scratch);
    tm_buf_release(&s->warning);
    tm_heap_free(s->call.views);
    tm_heap_free(s->walks);
    tm_heap_free(s);
}
