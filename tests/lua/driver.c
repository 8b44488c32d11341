/*
 * What scripts see, case by case: reads FILE.test, runs each case, and compares what comes out.
 *
 *     # a comment
 *     % null nil                            settings, see the table below
 *     return function(r) r.b = 2 return r end
 *     < {"a":1}
 *     {"a":1,"b":2}
 *
 * A case is script lines, input records each after "< ", and the expected output; a blank line ends
 * it. "<" alone stands for no input. Output is a record a line; "error: MESSAGE" for a record that
 * failed (and for a script that cannot be loaded), "log: TEXT" and "warning: TEXT" for what the
 * script logged. A dropped record gives nothing.
 *
 *     driver FILE...       compare; the last line says "N passed, N failed"
 *     driver -p FILE       print the file with what was seen instead of what is expected
 */
#include <stdio.h>
#include <stdlib.h>

#include "record/cell.h"
#include "record/json.h"
#include "script/script.h"

enum { RECORDS_MAX = 64, COLUMNS_MAX = 16 };

struct test {
    unsigned line; /* of its first line */
    struct buf head, script, input, expected;
    bool batch, each, null_as_nil, check, positional, csv;
    unsigned first_line;
    size_t memory;
    uint64_t seed;
    struct slice params;
    struct slice columns[COLUMNS_MAX];
    uint32_t columns_n;
};

struct run {
    const struct test *test;
    struct json_reader *reader;
    struct arena arena;
    struct columns columns;
    struct buf seen, records; /* all output; that of the record in hand */
    size_t current;
    struct slice rest; /* of the input */
    struct script_place place;
};

/* ---- lines ---- */

static struct slice take_line(struct slice *rest)
{
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    struct slice line = {rest->p, n};
    n += end != NULL;
    *rest = (struct slice){rest->p + n, rest->n - n};
    return line;
}

static bool starts(struct slice s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && memcmp(s.p, with, n) == 0;
}

static struct slice behind(struct slice s, size_t n)
{
    return n < s.n ? (struct slice){s.p + n, s.n - n} : SLICE("");
}

static void add_line(struct buf *b, struct slice line)
{
    buf_slice(b, line);
    buf_byte(b, '\n');
}

/* ---- settings ---- */

static void set_batch(struct test *t, struct slice value)
{
    (void)value;
    t->batch = true;
}

static void set_each(struct test *t, struct slice value)
{
    (void)value;
    t->each = true;
}

static void set_check(struct test *t, struct slice value)
{
    (void)value;
    t->check = true;
}

static void set_null(struct test *t, struct slice value)
{
    t->null_as_nil = slice_is(value, "nil");
}

static void set_positional(struct test *t, struct slice value)
{
    (void)value;
    t->csv = t->positional = true;
}

/* Cells up to the last, behind which rest->p is NULL. */
static struct slice take_cell(struct slice *rest)
{
    const char *end = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    struct slice cell = {rest->p, n};
    *rest = end ? (struct slice){rest->p + n + 1, rest->n - n - 1} : (struct slice){NULL, 0};
    return cell;
}

static void set_csv(struct test *t, struct slice value)
{
    t->csv = true;
    while (value.p && t->columns_n < COLUMNS_MAX)
        t->columns[t->columns_n++] = take_cell(&value);
}

static void set_params(struct test *t, struct slice value)
{
    t->params = value;
}

static void set_line(struct test *t, struct slice value)
{
    t->first_line = (unsigned)strtoul(value.p, NULL, 10);
}

static void set_memory(struct test *t, struct slice value)
{
    t->memory = strtoul(value.p, NULL, 10);
}

static void set_seed(struct test *t, struct slice value)
{
    t->seed = strtoul(value.p, NULL, 10);
}

static const struct {
    const char *name;
    void (*set)(struct test *t, struct slice value);
} settings[] = {
    {"% batch", set_batch}, {"% each", set_each},      {"% check", set_check},
    {"% null ", set_null},  {"% csv ", set_csv},       {"% positional", set_positional},
    {"% line ", set_line},  {"% memory ", set_memory}, {"% params ", set_params},
    {"% seed ", set_seed},
};

static bool set(struct test *t, struct slice line)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (starts(line, settings[i].name)) {
            settings[i].set(t, behind(line, strlen(settings[i].name)));
            return true;
        }
    fprintf(stderr, "unknown setting '%.*s'\n", (int)line.n, line.p);
    return false;
}

/* ---- cases ---- */

/* Read one case; false at the file's end. Blank lines and comments before it go to the head. */
static bool read_test(struct slice *rest, unsigned *line_number, struct test *t)
{
    bool input = false, begun = false;
    *t = (struct test){.first_line = 1, .params = SLICE("{}")};
    while (rest->n) {
        struct slice line = take_line(rest);
        ++*line_number;
        if (line.n == 0 && begun)
            return true;
        if (!begun && (line.n == 0 || line.p[0] == '#' || line.p[0] == '%')) {
            add_line(&t->head, line);
            if (line.n && line.p[0] == '%' && !set(t, line))
                exit(EXIT_FAILURE);
            continue;
        }
        if (!begun)
            t->line = *line_number;
        begun = true;
        bool is_input = starts(line, "< ") || slice_is(line, "<");
        input |= is_input;
        add_line(is_input ? &t->input : input ? &t->expected : &t->script, line);
    }
    return begun;
}

static void release_test(struct test *t)
{
    tm_buf_release(&t->head);
    tm_buf_release(&t->script);
    tm_buf_release(&t->input);
    tm_buf_release(&t->expected);
}

/* ---- the host ---- */

static int emit(void *data, const struct node *record, err *e)
{
    struct run *run = data;
    if (run->test->batch)
        tm_buf_printf(&run->records, "%zu ", run->current + 1);
    int status = tm_json_write_node(&run->records, record, e);
    buf_byte(&run->records, '\n');
    return status;
}

static void take_log(void *data, int level, struct slice text)
{
    struct run *run = data;
    bool ended = text.n && text.p[text.n - 1] == '\n';
    tm_buf_printf(&run->seen, "%s: %.*s%s", level == TIDEMILL_LOG_SCRIPT ? "log" : "warning",
                  (int)text.n, text.p, ended ? "" : "\n");
}

static void note_error(struct run *run, const err *e)
{
    const char *kind = e->status == TIDEMILL_E_SCRIPT ? "" : tidemill_status_name(e->status);
    tm_buf_printf(&run->seen, "error: %s%s%s\n", kind, *kind ? ": " : "", e->message);
}

static struct node *csv_record(struct run *run, struct slice text)
{
    const struct test *t = run->test;
    static const char *const numbers[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    struct node *n = tm_node_new(&run->arena, NODE_OBJECT, COLUMNS_MAX);
    n->source = text;
    n->columns = &run->columns;
    for (struct slice rest = text; rest.p;) {
        struct field *f = tm_node_append(n);
        f->source = take_cell(&rest);
        f->key = t->positional ? slice_of(numbers[n->count - 1]) : t->columns[n->count - 1];
        f->value = (struct value){.kind = VALUE_CELL, .text = f->source};
    }
    n->originals = n->count;
    return n;
}

/* The bytes go to the arena, so that both end with the record. */
static struct node *read_record(struct run *run, struct slice line)
{
    struct node *n = NULL;
    struct slice text = tm_arena_copy(&run->arena, line);
    size_t where;
    err e;
    if (run->test->csv)
        return csv_record(run, text);
    if (tm_json_read(run->reader, &run->arena, text, &n, &where, &e))
        fprintf(stderr, "broken input: %s\n", e.message);
    return n;
}

/* A script_source's: the lines of the input. */
static struct node *next_record(void *data, const struct script_place **place)
{
    struct run *run = data;
    while (run->rest.n) {
        struct slice line = take_line(&run->rest);
        struct node *record = line.n < 2 ? NULL : read_record(run, behind(line, 2));
        if (!record)
            continue;
        uint64_t index = run->place.index + 1;
        run->place = (struct script_place){index, index + 100, "in.jsonl"};
        *place = &run->place;
        return record;
    }
    return NULL;
}

static void end_record(void *data, enum script_outcome outcome, bool brief, err *e)
{
    (void)brief;
    struct run *run = data;
    if (outcome == SCRIPT_FAILED)
        note_error(run, e);
    else
        buf_slice(&run->seen, buf_view(&run->records));
    buf_reset(&run->records);
    tm_arena_release(&run->arena);
}

static void run_batch(struct run *run, struct script *s)
{
    const struct script_place first = {.index = 1, .line = 101, .file = "in.jsonl"}, *place;
    struct node *records[RECORDS_MAX];
    enum script_outcome outcomes[RECORDS_MAX];
    size_t n = 0;
    err e;
    while (n < RECORDS_MAX && (records[n] = next_record(run, &place)))
        n++;
    if (tm_script_batch(s, records, n, &first, outcomes, &run->current, &e) == SCRIPT_FAILED) {
        note_error(run, &e);
        return;
    }
    buf_slice(&run->seen, buf_view(&run->records));
    for (size_t i = 0; i < n; i++)
        if (outcomes[i] == SCRIPT_DROPPED)
            tm_buf_printf(&run->seen, "%zu dropped\n", i + 1);
}

static void run_records(struct run *run, struct script *s)
{
    struct script_source source = {run, next_record, end_record};
    run->rest = buf_view(&run->test->input);
    if (run->test->batch)
        run_batch(run, s);
    else
        tm_script_run(s, &source);
}

/* lua_CFunction of the host: tidemill.host.answer. */
static int answer(struct lua_State *L)
{
    (void)L;
    return 0;
}

static void run_test(struct run *run, const struct test *t)
{
    static const struct script_function functions[] = {{"answer", answer}};
    struct script_host host = {run, emit, take_log};
    struct slice text = buf_view(&t->script);
    struct script_config c = {
        .form = t->each ? SCRIPT_EACH : SCRIPT_FILE,
        .text = {text.p, text.n ? text.n - 1 : 0},
        .chunk_name = t->each ? "each" : "t.lua",
        .first_line = t->first_line,
        .folder = TIDEMILL_SOURCE_DIR "/tests/lua",
        .params = t->params,
        .seed = t->seed,
        .worker = 3,
        .batch = t->batch,
        .null_as_nil = t->null_as_nil,
        .memory = t->memory,
        .functions = functions,
        .functions_n = 1,
    };
    err e;
    run->test = t;
    run->columns = (struct columns){
        .n = t->columns_n, .positional = t->positional, .names = t->columns, .cells = t->columns_n};
    if (t->check) {
        if (tm_script_check(&c, &host, &e))
            note_error(run, &e);
        return;
    }
    struct script *s = tm_script_new(&c, &host, &e);
    if (!s) {
        note_error(run, &e);
        return;
    }
    run_records(run, s);
    if (tm_script_teardown(s, &e))
        note_error(run, &e);
    tm_script_free(s);
}

/* ---- files ---- */

static bool read_file(const char *path, struct buf *out)
{
    char block[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return false;
    }
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        buf_append(out, block, n);
    fclose(f);
    return !out->failed;
}

static void show(FILE *to, const struct buf *b)
{
    if (b->n)
        fwrite(b->p, 1, b->n, to);
}

static bool compare(const char *path, const struct test *t, const struct buf *seen)
{
    if (slice_eq(buf_view(&t->expected), buf_view(seen)))
        return true;
    fprintf(stderr, "%s:%u: expected\n", path, t->line);
    show(stderr, &t->expected);
    fprintf(stderr, "seen\n");
    show(stderr, seen);
    return false;
}

static void print_test(const struct test *t, const struct buf *seen)
{
    show(stdout, &t->head);
    show(stdout, &t->script);
    show(stdout, &t->input);
    show(stdout, seen);
    putchar('\n');
}

struct score {
    unsigned passed, failed;
};

static void run_file(const char *path, bool print, struct score *score)
{
    struct buf text = {0};
    struct test t;
    unsigned line = 0;
    if (!read_file(path, &text)) {
        score->failed++;
        return;
    }
    for (struct slice rest = buf_view(&text); read_test(&rest, &line, &t); release_test(&t)) {
        struct run run = {.reader = tm_json_reader_new(NODE_DEPTH_MAX)};
        run_test(&run, &t);
        if (print)
            print_test(&t, &run.seen);
        else if (compare(path, &t, &run.seen))
            score->passed++;
        else
            score->failed++;
        tm_json_reader_free(run.reader);
        tm_arena_release(&run.arena);
        tm_buf_release(&run.seen);
        tm_buf_release(&run.records);
    }
    release_test(&t);
    tm_buf_release(&text);
}

int main(int argc, char **argv)
{
    struct score score = {0};
    bool print = argc > 1 && strcmp(argv[1], "-p") == 0;
    for (int i = 1 + print; i < argc; i++)
        run_file(argv[i], print, &score);
    if (!print)
        printf("%u passed, %u failed\n", score.passed, score.failed);
    return score.failed || argc < 2 ? EXIT_FAILURE : EXIT_SUCCESS;
}
