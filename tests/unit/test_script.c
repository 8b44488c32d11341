/*
 * Scripts through their C interface: what the cases in tests/lua cannot see. Outcomes, what the host
 * is told and when, memory limits at every size, the speed of nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/json.h"
#include "script/script.h"

/* A host that keeps what it was given. */
struct host {
    struct json_reader *reader;
    struct arena arena;
    struct buf out, log;
    int fail; /* the status that emit answers, 0: fine */
    unsigned emits;
    size_t current;
    int level;
};

static int emit(void *data, const struct node *record, err *e)
{
    struct host *h = data;
    h->emits++;
    if (h->fail)
        return tm_err_set(e, h->fail, "the host says no");
    tm_buf_printf(&h->out, "%zu:", h->current);
    int status = tm_json_write_node(&h->out, record, e);
    buf_byte(&h->out, '\n');
    return status;
}

static void take_log(void *data, int level, struct slice text)
{
    struct host *h = data;
    h->level = level;
    buf_slice(&h->log, text);
}

static int set_up(void **state)
{
    static struct host host;
    host = (struct host){.reader = tm_json_reader_new(100)};
    *state = &host;
    return host.reader ? 0 : -1;
}

static int tear_down(void **state)
{
    struct host *h = *state;
    tm_json_reader_free(h->reader);
    tm_arena_release(&h->arena);
    tm_buf_release(&h->out);
    tm_buf_release(&h->log);
    return 0;
}

static struct script_config config_of(const char *text)
{
    return (struct script_config){.text = slice_of(text),
                                  .chunk_name = "s.lua",
                                  .first_line = 1,
                                  .params = SLICE("{}"),
                                  .worker = 1};
}

static struct script *script_new(struct host *h, const struct script_config *c, err *e)
{
    struct script_host host = {h, emit, take_log};
    return tm_script_new(c, &host, e);
}

static struct script *load(struct host *h, const char *text)
{
    err e = {0};
    struct script_config c = config_of(text);
    struct script *s = script_new(h, &c, &e);
    if (!s)
        fail_msg("%s", e.message);
    return s;
}

static struct node *read_record(struct host *h, const char *text)
{
    struct node *n = NULL;
    size_t where;
    err e;
    assert_int_equal(tm_json_read(h->reader, &h->arena, slice_of(text), &n, &where, &e), 0);
    return n;
}

/* A run of records, and what became of them. */
struct input {
    struct host *host;
    const char *const *records; /* NULL after the last */
    size_t begun, done;
    enum script_outcome outcomes[8];
    err errors[8];
    struct script_place place;
};

static struct node *next_record(void *data, const struct script_place **place)
{
    struct input *in = data;
    assert_int_equal(in->begun, in->done);
    if (!in->records[in->begun])
        return NULL;
    in->place = (struct script_place){.index = in->begun + 1, .line = 1, .file = "in"};
    *place = &in->place;
    return read_record(in->host, in->records[in->begun++]);
}

static void end_record(void *data, enum script_outcome outcome, bool brief, err *e)
{
    (void)brief;
    struct input *in = data;
    in->outcomes[in->done] = outcome;
    in->errors[in->done++] = *e;
    assert_int_equal(in->begun, in->done);
}

static void run(struct input *in, struct script *s)
{
    struct script_source source = {in, next_record, end_record};
    tm_script_run(s, &source);
    assert_null(in->records[in->done]);
}

static enum script_outcome call(struct host *h, struct script *s, const char *record, err *e)
{
    const char *const records[] = {record, NULL};
    struct input in = {.host = h, .records = records};
    run(&in, s);
    if (e)
        *e = in.errors[0];
    return in.outcomes[0];
}

static void assert_text(const struct buf *b, const char *text)
{
    assert_int_equal(b->n, strlen(text));
    assert_memory_equal(b->p ? b->p : "", text, b->n);
}

/* ---- outcomes ---- */

static void test_outcomes(void **state)
{
    static const struct {
        const char *text;
        enum script_outcome outcome;
        int status;
        const char *message;
    } rows[] = {
        {"return function(r) return r end", SCRIPT_KEPT, 0, ""},
        {"return function(r) return nil end", SCRIPT_DROPPED, 0, ""},
        {"return function(r) return tidemill.array{} end", SCRIPT_DROPPED, 0, ""},
        {"return function(r) tidemill.emit(r) return nil end", SCRIPT_KEPT, 0, ""},
        {"return function(r) error('x') end", SCRIPT_FAILED, TIDEMILL_E_SCRIPT, "s.lua:1: x"},
        {"return function(r) return nil, 'why' end", SCRIPT_FAILED, TIDEMILL_E_SCRIPT, "why"},
        {"return function(r) r.x = 0/0 return r end", SCRIPT_FAILED, TIDEMILL_E_WRITE,
         "field 'x' is NaN, which JSON cannot say"},
        {"return function(r) error('not enough memory', 0) end", SCRIPT_FAILED, TIDEMILL_E_SCRIPT,
         "not enough memory"},
        {"return function(r) return nil, 'not enough memory' end", SCRIPT_FAILED, TIDEMILL_E_SCRIPT,
         "not enough memory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        err e = {0};
        struct script *s = load(*state, rows[i].text);
        assert_int_equal(call(*state, s, "{\"a\":1}", &e), rows[i].outcome);
        assert_int_equal(e.status, rows[i].status);
        assert_string_equal(e.message, rows[i].message);
        /* The error may be of no interest. */
        assert_int_equal(call(*state, s, "{\"a\":1}", NULL), rows[i].outcome);
        tm_script_free(s);
    }
}

static void test_emit_refused(void **state)
{
    struct host *h = *state;
    static const int statuses[] = {TIDEMILL_E_WRITE, TIDEMILL_E_MEMORY};
    struct script *s = load(h, "return function(r) for i = 1, 5 do pcall(tidemill.emit, r) end "
                               "return r end");
    for (size_t i = 0; i < 2; i++) {
        err e = {0};
        h->fail = statuses[i];
        h->emits = 0;
        assert_int_equal(call(h, s, "{}", &e), SCRIPT_FAILED);
        assert_int_equal(e.status, statuses[i]);
        assert_string_equal(e.message, "the host says no");
        assert_int_equal(h->emits, 1); /* after a refusal it is left in peace */
    }
    h->fail = 0;
    assert_int_equal(call(h, s, "{}", NULL), SCRIPT_KEPT);
    tm_script_free(s);
}

/* ---- runs ---- */

/* One record's failure, of every kind and at every place of a run, is its own. */
static void test_run(void **state)
{
    static const char *const records[] = {"{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":4}",
                                          "{\"a\":5}", "{\"a\":6}", "{\"a\":7}", NULL};
    static const char *const messages[] = {"s.lua:2: first",
                                           "",
                                           "field 'x' is NaN, which JSON cannot say",
                                           "",
                                           "not enough memory",
                                           "",
                                           "why"};
    struct host *h = *state;
    struct script *s = load(h, "return function(r, ctx) tidemill.emit(r)\n"
                               "if r.a == 1 then error('first') end\n"
                               "if r.a == 3 then r.x = 0/0 pcall(tidemill.emit, r) end\n"
                               "if r.a == 4 then return nil end\n"
                               "if r.a == 5 then error('not enough memory', 0) end\n"
                               "if r.a == 7 then return nil, 'why' end\n"
                               "r.i = ctx.index return r end");
    struct input in = {.host = h, .records = records};
    run(&in, s);
    assert_int_equal(in.done, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(in.outcomes[i], *messages[i] ? SCRIPT_FAILED : SCRIPT_KEPT);
        if (in.outcomes[i] != SCRIPT_FAILED)
            continue; /* the error is of no meaning */
        assert_string_equal(in.errors[i].message, messages[i]);
        assert_int_not_equal(in.errors[i].status, TIDEMILL_OK);
    }
    static const char *const none[] = {NULL};
    in = (struct input){.host = h, .records = none};
    run(&in, s);
    tm_script_free(s);
}

/* What interrupts a call ends with it. */
static struct script *interrupted;

static int lj_stop(lua_State *L)
{
    (void)L;
    tm_script_interrupt(interrupted);
    return 0;
}

static void test_interrupt(void **state)
{
    static const char *const records[] = {"{}", "{\"stop\":1}", "{}", "{\"stop\":2}", "{}", NULL};
    static const struct script_function functions[] = {{"stop", lj_stop}};
    struct script_config c = config_of("return function(r) local f = tidemill.host.stop\n"
                                       "if r.stop == 1 then f() end\n"
                                       "if r.stop == 2 then pcall(f) end\n"
                                       "return r end");
    err e = {0};
    c.functions = functions;
    c.functions_n = 1;
    struct script *s = interrupted = script_new(*state, &c, &e);
    struct input in = {.host = *state, .records = records};
    assert_non_null(s);
    run(&in, s);
    assert_int_equal(in.outcomes[0], SCRIPT_KEPT);
    assert_int_equal(in.outcomes[1], SCRIPT_FAILED);
    assert_string_equal(in.errors[1].message, "s.lua:2: interrupted");
    assert_int_equal(in.outcomes[2], SCRIPT_KEPT);
    assert_int_equal(in.outcomes[3], SCRIPT_FAILED);
    assert_int_equal(in.outcomes[4], SCRIPT_KEPT);
    tm_script_free(s);
}

/* ---- batches ---- */

static void test_batch(void **state)
{
    struct host *h = *state;
    enum script_outcome outcomes[4];
    struct script_place place = {.index = 1, .line = 1, .file = "in"};
    err e = {0};
    struct script_config c = config_of("return {batch = function(rs) tidemill.emit{e = 1} "
                                       "if rs[1].fail then error('all') end "
                                       "return {nil, {rs[2], rs[2]}, true, false} end}");
    c.batch = true;
    struct script *s = script_new(h, &c, &e);
    assert_non_null(s);
    struct node *records[4];
    for (int i = 0; i < 4; i++)
        records[i] = read_record(h, i == 0 ? "{\"a\":0}" : "{\"a\":1}");
    h->current = 99;
    assert_int_equal(tm_script_batch(s, records, 4, &place, outcomes, &h->current, &e),
                     SCRIPT_KEPT);
    assert_text(&h->out, "0:{\"e\":1}\n1:{\"a\":1}\n1:{\"a\":1}\n2:{\"a\":1}\n");
    assert_int_equal(outcomes[0], SCRIPT_KEPT);
    assert_int_equal(outcomes[1], SCRIPT_KEPT);
    assert_int_equal(outcomes[2], SCRIPT_KEPT);
    assert_int_equal(outcomes[3], SCRIPT_DROPPED);
    records[0] = read_record(h, "{\"fail\":true}");
    assert_int_equal(tm_script_batch(s, records, 4, &place, outcomes, &h->current, &e),
                     SCRIPT_FAILED);
    for (int i = 0; i < 4; i++)
        assert_int_equal(outcomes[i], SCRIPT_FAILED);
    assert_int_equal(tm_script_batch(s, records, 0, &place, outcomes, &h->current, &e),
                     SCRIPT_DROPPED);
    tm_script_free(s);
}

/* ---- log ---- */

static void test_log_levels(void **state)
{
    struct host *h = *state;
    struct script *s = load(h, "return function(r) if r.log then tidemill.log('l') else print('p') "
                               "end return nil end");
    call(h, s, "{\"log\":true}", NULL);
    assert_int_equal(h->level, TIDEMILL_LOG_WARNING);
    assert_text(&h->log, "l");
    call(h, s, "{}", NULL);
    assert_int_equal(h->level, TIDEMILL_LOG_SCRIPT);
    assert_text(&h->log, "lp\n");
    tm_script_free(s);
}

/* ---- memory ---- */

/* Under every cap, loading and calling either works or is E_MEMORY; nothing is left behind. */
static void test_every_cap(void **state)
{
    struct host *h = *state;
    struct script_config c = config_of(
        "local t = {} for i = 1, 50 do t[i] = {i} end\n"
        "return {setup = function() t.s = string.rep('x', 3000) end, record = function(r) "
        "r.t = {t[1], {a = {r.l}}} local c = tidemill.copy(r) r.l[1] = t.s .. tostring(r) "
        "local x = tidemill.table(c) for k in tidemill.sorted(x) do r[k] = r.w end "
        "for k, v in pairs(r) do t[1] = {k} end print(r, r.w) "
        "return c, r, tidemill.record{{'a', t.s}}, require 'tidemill.json'.decode(tostring(r)) "
        "end}");
    c.params = SLICE("{\"a\":[1,2,{\"b\":12345678901234567890123}]}");
    bool loaded = false, called = false;
    for (c.memory = 1000; !called && c.memory < 1000000; c.memory += 97) {
        err e = {0};
        struct script *s = script_new(h, &c, &e);
        if (!s) {
            assert_int_equal(e.status, TIDEMILL_E_MEMORY);
            continue;
        }
        loaded = true;
        called = call(h, s, "{\"l\":[1,[2]],\"w\":12345678901234567890123}", &e) == SCRIPT_KEPT;
        if (!called)
            assert_int_equal(e.status, TIDEMILL_E_MEMORY);
        tm_script_free(s);
        buf_reset(&h->out);
        buf_reset(&h->log);
        tm_arena_reset(&h->arena);
    }
    assert_true(loaded);
    assert_true(called);
}

static void test_cap_message(void **state)
{
    static const struct {
        size_t cap;
        const char *message;
    } rows[] = {
        {(size_t)2 << 20, "not enough memory: the script's Lua state is at its limit of 2MiB "
                          "(limits.memory)"},
        {1000001, "not enough memory: the script's Lua state is at its limit of 1000001 bytes "
                  "(limits.memory)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        err e = {0};
        struct script_config c = config_of(
            "return function(r) local t = {} while true do t[#t + 1] = {} end end");
        c.memory = rows[i].cap;
        struct script *s = script_new(*state, &c, &e);
        assert_non_null(s);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(call(*state, s, "{}", &e), SCRIPT_FAILED);
            assert_int_equal(e.status, TIDEMILL_E_MEMORY);
            assert_string_equal(e.message, rows[i].message);
        }
        tm_script_free(s);
    }
}

/* ---- life ---- */

static int lj_twice(lua_State *L)
{
    lua_pushinteger(L, 2 * luaL_checkinteger(L, 1));
    return 1;
}

/* A script that has functions of its host. */
static struct script *script_with(struct host *h, const char *text,
                                  const struct script_function *functions, size_t n)
{
    struct script_config c = config_of(text);
    c.functions = functions;
    c.functions_n = n;
    struct script *s = script_new(h, &c, NULL);
    assert_non_null(s);
    return s;
}

static void test_host_functions(void **state)
{
    struct host *h = *state;
    static const struct script_function functions[] = {{"twice", lj_twice}};
    struct script *s = script_with(
        h, "return function(r) r.x = tidemill.host.twice(r.x) return r end", functions, 1);
    err e = {0};
    assert_int_equal(call(h, s, "{\"x\":21}", &e), SCRIPT_KEPT);
    assert_text(&h->out, "0:{\"x\":42}\n");
    assert_int_equal(call(h, s, "{\"x\":null}", &e), SCRIPT_FAILED);
    assert_string_equal(
        e.message, "s.lua:1: bad argument #1 to 'twice' (number expected, got record or null)");
    tm_script_free(s);
}

/* What C modules may do with light userdata, which records are. */
static int lj_light(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)UINTPTR_MAX); /* a sentinel that many have */
    return 1;
}

static int lj_steal(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
    lua_newtable(L);
    lua_setmetatable(L, -2);
    return 0;
}

static void test_light_userdata(void **state)
{
    struct host *h = *state;
    static const struct script_function functions[] = {{"light", lj_light}, {"steal", lj_steal}};
    struct script *s = script_with(
        h,
        "return function(r) if r.x then tidemill.host.steal() return nil end "
        "local l = tidemill.host.light() "
        "r.s = tostring(l):gsub('0x%x+', '') r.m = getmetatable(l) == nil "
        "r.e = select(2, pcall(function() r.l = l end)) return r end",
        functions, 2);
    err e = {0};
    assert_int_equal(call(h, s, "{}", &e), SCRIPT_KEPT);
    assert_text(&h->out, "0:{\"s\":\"userdata: \",\"m\":true,\"e\":"
                         "\"s.lua:1: field 'l' is a userdata, which a record cannot hold\"}\n");
    assert_int_equal(call(h, s, "{\"x\":1}", &e), SCRIPT_DROPPED);
    assert_int_equal(call(h, s, "{\"x\":1}", &e), SCRIPT_FAILED);
    assert_string_equal(e.message, "s.lua:1: a C module has replaced the metatable of light "
                                   "userdata, which records are");
    tm_script_free(s);
}

static void test_teardown(void **state)
{
    err e = {0};
    struct script *s = load(*state,
                            "return {record = print, teardown = function() error('x') end}");
    assert_int_equal(tm_script_teardown(s, &e), TIDEMILL_E_SCRIPT);
    assert_string_equal(e.message, "teardown: s.lua:1: x");
    tm_script_free(s);
    s = load(*state, "return print");
    assert_int_equal(tm_script_teardown(s, &e), TIDEMILL_OK);
    tm_script_free(s);
    tm_script_free(NULL);
}

/* Finalizers run at the end of the state, newest first; what they look at is there, or says so. */
static void test_finalizers_at_the_end(void **state)
{
    struct host *h = *state;
    struct script *s = load(
        h, "local kept\n"
           "older = setmetatable({}, {__gc = function() print(pcall(tostring, kept.a)) end})\n"
           "return function(r) kept = {a = tidemill.copy(r), r = r}\n"
           "newer = setmetatable({}, {__gc = function() print(kept.a.b.c) "
           "print(pcall(tidemill.emit, {a = 1})) print(pcall(tostring, kept.r)) end})\n"
           "return nil end");
    call(h, s, "{\"b\":{\"c\":1}}", NULL);
    tm_script_free(s);
    assert_text(
        &h->log,
        "1\n"
        "false\ts.lua:4: emit works only while a record is being handled\n"
        "false\ts.lua:4: this record's function has returned; keep tidemill.copy(r) instead\n"
        "false\ts.lua:2: this record's function has returned; keep tidemill.copy(r) instead\n");
}

/* os.exit ends the process at once: no handler of the host runs, no output is flushed twice. */
static void test_exit(void **state)
{
    struct script *s = load(*state, "return function(r) os.exit(r.code) end");
    static const struct {
        const char *record;
        int code;
    } rows[] = {{"{\"code\":7}", 7}, {"{\"code\":true}", 0}, {"{\"code\":false}", 1}, {"{}", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            call(*state, s, rows[i].record, NULL);
            _exit(99);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), rows[i].code);
    }
    tm_script_free(s);
}

/* Only text is loaded, and long first lines of a job file are no problem. */
static void test_load(void **state)
{
    err e = {0};
    struct script_config c = config_of("\033Lua");
    assert_null(script_new(*state, &c, &e));
    assert_string_equal(e.message, "s.lua: this is compiled Lua, only source is taken");
    c = config_of("error('x')");
    c.first_line = 100000;
    assert_null(script_new(*state, &c, &e));
    assert_string_equal(e.message, "s.lua:100000: x");
    c = config_of("return function(r) return r end");
    c.params = SLICE("{\"a\":");
    assert_null(script_new(*state, &c, &e));
    assert_memory_equal(e.message, "the params cannot be read: ", 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outcomes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_emit_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_cap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cap_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_host_functions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_light_userdata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_teardown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finalizers_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_load, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("script", tests, NULL, NULL);
}
