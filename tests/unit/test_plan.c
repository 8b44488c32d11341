/*
 * Functions that have a plan: which have one, and that what it does is what Lua does. For that, random functions
 * are run twice, once as they are and once with a call in them, which no plan has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "format/formats.h"
#include "script/plan.h"

/* ---- which have one ---- */

static const struct {
    const char *function;
    bool plan;
} functions[] = {
    {"function(r) return r end", true},
    {"function(r, ctx) return r end", true},
    {"function(r) r.x = r.x * 2 return r end", true},
    {"function(r) if r.a == 'x' and r.b then r.c = not r.d else r.c = -r.e end return r end", true},
    {"function(r) local a = r.x + 1.5 r.y = a // 3 % 2 ^ a / 7 - 1 return a > 3 end", true},
    {"function(r) return end", true},
    {"function(r) return r.x == up end", true},
    {"function() return true end", false},
    {"function(...) return ... end", false},
    {"function(r) return math.abs(r.x) end", false},
    {"function(r) return nil, 'no' end", false},
    {"function(r) return r.x .. 'a' end", false},
    {"function(r) return #r end", false},
    {"function(r) return r[1] end", false},
    {"function(r) return r.x & 1 end", false},
    {"function(r) while r.x do r.x = nil end return r end", false},
    {"function(r) for i = 1, 3 do r.x = i end return r end", false},
    {"function(r) return {x = r.x} end", false},
    {"function(r) up = 1 return r end", false},
    {"function(r) return function() return r end end", false},
    {"function(r) goto a ::b:: r.x = 1 do return r end ::a:: goto b end", false},
    {"print", false},
    {"nil", false},
};

static void test_functions(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushfstring(L, "local up = 3 return %s", functions[i].function);
        assert_int_equal(luaL_dostring(L, lua_tostring(L, -1)), LUA_OK);
        struct plan *p = tm_plan_new(L);
        if (!p != !functions[i].plan)
            fail_msg("%s", functions[i].function);
        tm_plan_free(p);
        lua_settop(L, 0);
    }
    lua_close(L);
}

/* ---- random functions ---- */

static unsigned dice(unsigned n)
{
    return (unsigned)rand() % n;
}

static const char *pick(const char *const *list)
{
    unsigned n = 0;
    while (list[n])
        n++;
    return list[dice(n)];
}

static const char *const fields[] = {"a", "a", "b",   "b",   "c",     "d", "e",
                                     "f", "g", "new", "new", "other", NULL};
static const char *const constants[] = {
    "0",     "1",
    "-1",    "2",
    "7",     "100",
    "127",   "128",
    "-127",  "-128",
    "3.0",   "0.5",
    "-2.5",  "1e300",
    "0/0",   "9007199254740993",
    "nil",   "true",
    "false", "'x'",
    "'1'",   "''",
    "1e15",  "9223372036854775807",
    "up",    "word",
    "none",  "flag",
    "-0.0",  "math.mininteger",
    "r",     "ctx",
    "2^53",  "'long text that Lua does not keep but once, as it is over forty'",
    NULL};
static const char *const arithmetic[] = {"+", "-", "*", "/", "//", "%", "^", NULL};
static const char *const comparisons[] = {"==", "~=", "<", "<=", ">", ">=", NULL};

static void put_expression(struct buf *b, unsigned depth)
{
    unsigned what = dice(depth ? 12 : 4);
    if (what < 3) {
        tm_buf_printf(b, "r.%s", pick(fields));
    } else if (what < 4) {
        const char *text;
        do
            text = pick(constants);
        while (strncmp(text, "math", 4) == 0); /* a call of a global is in no plan */
        tm_buf_printf(b, " %s ", text);
    } else if (what < 5) {
        tm_buf_printf(b, "l%u", dice(2));
    } else if (what < 6) {
        buf_slice(b, dice(2) ? SLICE("not ") : SLICE("- "));
        put_expression(b, depth - 1);
    } else {
        static const char *const logic[] = {"and", "or", NULL};
        buf_byte(b, '(');
        put_expression(b, depth - 1);
        tm_buf_printf(b, " %s ", pick(what < 9 ? arithmetic : what < 11 ? comparisons : logic));
        put_expression(b, depth - 1);
        buf_byte(b, ')');
    }
}

static void put_statements(struct buf *b, unsigned depth);

static void put_statement(struct buf *b, unsigned depth)
{
    unsigned what = dice(depth ? 8 : 5);
    if (what < 4)
        tm_buf_printf(b, " r.%s = ", pick(fields));
    else if (what < 5)
        tm_buf_printf(b, " l%u = ", dice(2));
    if (what < 5) {
        put_expression(b, 1 + dice(3));
        return;
    }
    buf_slice(b, SLICE(" if "));
    put_expression(b, 2);
    buf_slice(b, SLICE(" then"));
    if (what < 6) {
        buf_slice(b, SLICE(" do return "));
        put_expression(b, dice(2));
        buf_slice(b, SLICE(" end"));
    } else {
        put_statements(b, depth - 1);
        if (what == 7)
            buf_slice(b, SLICE(" else"));
        if (what == 7)
            put_statements(b, depth - 1);
    }
    buf_slice(b, SLICE(" end"));
}

static void put_statements(struct buf *b, unsigned depth)
{
    for (unsigned n = dice(6); n > 0; n--)
        put_statement(b, depth);
}

/* `call`: the function cannot have a plan. */
static void put_script(struct buf *b, struct slice body, bool call)
{
    static const char head[] =
        "local up, word, flag, none = 2.5, 'x', true local function f() end "
        "return function(r, ctx) do local p, q, s = 1, 2, 3 end "
        "local p, q, s if s then r.s = s end local n0, n1, n2 local l0, l1 = 1, r.a ";
    buf_append(b, head, sizeof head - 1);
    buf_slice(b, call ? SLICE("f() ") : SLICE(""));
    buf_slice(b, body);
    buf_slice(b, SLICE(" end"));
}

/* ---- random records ---- */

static const char *const json_values[] = {"0",
                                          "1",
                                          "-3",
                                          "2.5",
                                          "1e2",
                                          "-0",
                                          "-0.0",
                                          "1e400",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "123456789012345678901",
                                          "9007199254740993",
                                          "\"x\"",
                                          "\"1\"",
                                          "\"\"",
                                          "\"a\\u0041\"",
                                          "true",
                                          "false",
                                          "null",
                                          "[1]",
                                          "{\"x\":2}",
                                          "7",
                                          "7.0",
                                          "12345",
                                          "0.1",
                                          NULL};
static const char *const cells[] = {"0",
                                    "1",
                                    "-3",
                                    "2.5",
                                    "1e2",
                                    "-0",
                                    "007",
                                    "x",
                                    "",
                                    "true",
                                    "7",
                                    "7.0",
                                    "0.1",
                                    "9223372036854775807",
                                    "99999999999999999999",
                                    "9007199254740993",
                                    NULL};

static void put_json(struct buf *b)
{
    buf_byte(b, '{');
    for (unsigned i = 0; i < 7; i++)
        if (i == 0 || dice(10))
            tm_buf_printf(b, "%s\"%c\": %s", i ? ", " : "", "abcdefg"[i], pick(json_values));
    buf_byte(b, '}');
}

static void put_row(struct buf *b)
{
    for (unsigned i = 0; i < 7; i++)
        tm_buf_printf(b, "%s%s", i ? "," : "", pick(cells));
    buf_byte(b, '\n');
}

/* ---- both ---- */

enum { RECORDS = 24 };

struct run {
    struct slice texts[RECORDS];
    bool json;
    struct json_reader *reader;
    struct reader *csv;
    struct arena arena;
    unsigned begun;
    struct buf out; /* what was seen */
    struct script_place place;
};

static int emit(void *data, const struct node *record, err *e)
{
    struct run *run = data;
    return tm_json_write_node(&run->out, record, e);
}

static void take_log(void *data, int level, struct slice text)
{
    struct run *run = data;
    tm_buf_printf(&run->out, "%d ", level);
    buf_slice(&run->out, text);
}

static struct node *next(void *data, const struct script_place **place)
{
    struct run *run = data;
    struct node *n = NULL;
    struct parsed parsed;
    err e;
    if (run->begun == RECORDS)
        return NULL;
    struct slice text = run->texts[run->begun++];
    if (run->json)
        assert_int_equal(tm_json_read(run->reader, &run->arena, text, &n, &(size_t){0}, &e), 0);
    else if (tm_format_csv.parse(run->csv, &run->arena, text.p, text.n, &parsed, &e) ==
             PARSE_RECORD)
        n = parsed.record;
    assert_non_null(n);
    *place = &run->place;
    return n;
}

static void done(void *data, enum script_outcome outcome, bool brief, err *e)
{
    (void)brief;
    struct run *run = data;
    tm_buf_printf(&run->out, " %d %s\n", (int)outcome, outcome == SCRIPT_FAILED ? e->message : "");
    tm_arena_reset(&run->arena);
}

static void play(struct run *run, struct slice body, bool call, bool null_as_nil)
{
    struct buf text;
    err e = {0};
    tm_buf_init(&text);
    put_script(&text, body, call);
    struct script_config c = {.text = buf_view(&text),
                              .chunk_name = "s",
                              .first_line = 1,
                              .params = SLICE("{}"),
                              .worker = 1,
                              .null_as_nil = null_as_nil};
    struct script *s = tm_script_new(&c, &(struct script_host){run, emit, take_log}, &e);
    if (!s)
        fail_msg("%s: %.*s", e.message, (int)text.n, text.p);
    if (!s->plan != call)
        fail_msg("plan %p: %.*s", (void *)s->plan, (int)text.n, text.p);
    run->begun = 0;
    buf_reset(&run->out);
    tm_script_run(s, &(struct script_source){run, next, done});
    tm_script_free(s);
    tm_buf_release(&text);
}

static void check(struct run *run, struct slice body, bool null_as_nil)
{
    struct buf first;
    tm_buf_init(&first);
    play(run, body, false, null_as_nil);
    buf_slice(&first, buf_view(&run->out));
    play(run, body, true, null_as_nil);
    if (!slice_eq(buf_view(&first), buf_view(&run->out)))
        fail_msg("%.*s\n%.*s\nnot\n%.*s", (int)body.n, body.p, (int)first.n, first.p,
                 (int)run->out.n, run->out.p);
    tm_buf_release(&first);
}

/* Records, all in one chunk. */
static void make_records(struct run *run, struct buf *chunk)
{
    size_t ends[RECORDS];
    buf_reset(chunk);
    for (unsigned i = 0; i < RECORDS; i++) {
        if (run->json)
            put_json(chunk);
        else
            put_row(chunk);
        ends[i] = chunk->n;
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t from = i ? ends[i - 1] : 0;
        run->texts[i] = (struct slice){chunk->p + from,
                                       run->json ? ends[i] - from : chunk->n - from};
    }
    if (!run->json)
        tm_format_csv.begin(run->csv, buf_view(chunk));
}

static void test_random(void **state)
{
    (void)state;
    static const struct slice names[7] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1},
                                          {"e", 1}, {"f", 1}, {"g", 1}};
    static const struct columns columns = {.n = 7, .names = names};
    struct input_dialect d = {.delimiter = ',', .quote = '"', .header = true, .columns = &columns};
    struct run run = {.reader = tm_json_reader_new(100),
                      .csv = tm_format_csv.reader_new(&d, &columns)};
    struct buf body, chunk;
    tm_buf_init(&body);
    tm_buf_init(&chunk);
    srand(11);
    for (int round = 0; round < 4000; round++) {
        run.json = round % 2;
        make_records(&run, &chunk);
        buf_reset(&body);
        put_statements(&body, 2);
        if (dice(4) == 0) {
            buf_slice(&body, SLICE(" return "));
            put_expression(&body, 2);
        } else {
            buf_slice(&body, SLICE(" return r"));
        }
        check(&run, buf_view(&body), round % 8 >= 4);
    }
    tm_buf_release(&body);
    tm_buf_release(&chunk);
    tm_buf_release(&run.out);
    tm_arena_release(&run.arena);
    tm_json_reader_free(run.reader);
    tm_format_csv.reader_free(run.csv);
}

/* ---- every two numbers ---- */

static const char *const numbers[] = {"0",
                                      "1",
                                      "-1",
                                      "2",
                                      "-7",
                                      "127",
                                      "0.0",
                                      "-0.0",
                                      "2.0",
                                      "-1.0",
                                      "0.5",
                                      "-2.5",
                                      "5.5",
                                      "-7.25",
                                      "1e308",
                                      "-1e308",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9007199254740992.0",
                                      "-9007199254740993",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "9223372036854775808.0",
                                      "\"1\"",
                                      NULL};

static void check_body(struct run *run, const char *format, const char *op, const char *literal)
{
    struct buf body;
    tm_buf_init(&body);
    for (const char *p = format; *p; p++) {
        if (*p == '@')
            buf_slice(&body, slice_of(op));
        else if (*p == '#')
            buf_slice(&body, slice_of(literal));
        else
            buf_byte(&body, *p);
    }
    check(run, buf_view(&body), false);
    tm_buf_release(&body);
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const ops[] = {"+",  "-",  "*", "/",  "//", "%",  "^",
                                      "==", "~=", "<", "<=", ">",  ">=", NULL};
    struct run run = {.json = true, .reader = tm_json_reader_new(100)};
    struct buf chunk;
    size_t ends[RECORDS];
    tm_buf_init(&chunk);
    for (unsigned b = 0; numbers[b]; b++) {
        /* "- 9223372036854775808" is a float to Lua; its least integer is this. */
        const char *least = "(-9223372036854775807 - 1)";
        const char *literal = strcmp(numbers[b], "-9223372036854775808") ? numbers[b] : least;
        buf_reset(&chunk);
        for (unsigned a = 0; a < RECORDS; a++) {
            tm_buf_printf(&chunk, "{\"a\":%s,\"b\":%s}", numbers[a], numbers[b]);
            ends[a] = chunk.n;
        }
        for (unsigned a = 0; a < RECORDS; a++) {
            size_t from = a ? ends[a - 1] : 0;
            run.texts[a] = (struct slice){chunk.p + from, ends[a] - from};
        }
        for (unsigned op = 0; ops[op]; op++) {
            check_body(&run, "r.y = r.a @ r.b r.z = - r.a return r", ops[op], literal);
            check_body(&run, "r.y = r.a @ # return r", ops[op], literal);
            check_body(&run, "r.y = # @ r.a return r", ops[op], literal);
            check_body(&run, "if r.a @ # then r.y = 1 else r.y = 2 end return r", ops[op], literal);
        }
    }
    tm_buf_release(&chunk);
    tm_buf_release(&run.out);
    tm_arena_release(&run.arena);
    tm_json_reader_free(run.reader);
}

/* Lua counts what it reads, and a plan would not. */
static void test_memory(void **state)
{
    (void)state;
    for (size_t memory = 0; memory <= 1 << 20; memory += 1 << 20) {
        err e = {0};
        struct run run = {0};
        struct script_config c = {.text = SLICE("return function(r) return r end"),
                                  .chunk_name = "s",
                                  .first_line = 1,
                                  .params = SLICE("{}"),
                                  .memory = memory};
        struct script *s = tm_script_new(&c, &(struct script_host){&run, emit, take_log}, &e);
        assert_non_null(s);
        assert_true(!s->plan == (memory != 0));
        tm_script_free(s);
    }
}

/* More than a plan keeps. */
static void test_many(void **state)
{
    (void)state;
    struct run run = {.json = true, .reader = tm_json_reader_new(100)};
    struct buf body;
    tm_buf_init(&body);
    for (unsigned i = 0; i < RECORDS; i++)
        run.texts[i] = SLICE("{\"a\":1}");
    for (unsigned n = 0; n < 40; n++) {
        buf_reset(&body);
        for (unsigned i = 0; i < n; i++)
            tm_buf_printf(&body, "r.f%u = %u r.a = r.f%u ", i, i, i / 2);
        buf_slice(&body, SLICE("return r"));
        check(&run, buf_view(&body), false);
    }
    tm_buf_release(&body);
    tm_buf_release(&run.out);
    tm_arena_release(&run.arena);
    tm_json_reader_free(run.reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions), cmocka_unit_test(test_random),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
