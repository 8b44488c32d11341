/*
 * Options: every row of the table, settings, job files, checks, and the way to another process.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "format/format.h"
#include "spec/help.h"
#include "spec/options.h"
#include "spec/problems.h"
#include "spec/suggest.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void start(struct spec *s)
{
    assert_int_equal(tm_spec_init(s), TIDEMILL_OK);
}

/* ---- the table ---- */

static void defaults(void **state)
{
    struct spec s;
    (void)state;
    start(&s);
    for (size_t i = 0; i < tm_options_n; i++)
        assert_string_equal(tm_spec_get(&s, tm_options[i].key), tm_options[i].fallback);
    assert_int_equal(s.values.workers, 0);
    assert_int_equal(s.values.chunk, 256 << 10);
    assert_int_equal(s.values.errors.max, SPEC_UNLIMITED);
    assert_int_equal(s.values.limits.record_time, SPEC_UNLIMITED);
    assert_string_equal(s.values.input.path.items[0], "-");
    assert_string_equal(s.values.transform.params, "{}");
    assert_null(s.values.input.format);
    assert_null(s.values.transform.script);
    assert_true(s.values.input.header);
    tm_spec_release(&s);
}

/* Words and ends of ranges that people read in `accepts` are those that are accepted. */
static void accepts(void **state)
{
    struct spec s;
    (void)state;
    start(&s);
    for (size_t i = 0; i < tm_options_n; i++) {
        const struct option *o = &tm_options[i];
        char text[256];
        snprintf(text, sizeof text, "%s", o->accepts);
        for (char *save, *word = strtok_r(text, " |.", &save); word;
             word = strtok_r(NULL, " |.", &save))
            if (tm_spec_set(&s, o->key, word, NULL) != TIDEMILL_OK)
                fail_msg("%s does not accept '%s'", o->key, word);
        for (const struct option_word *w = o->words; w && w->name; w++)
            if (!strstr(o->accepts, w->name))
                fail_msg("%s does not tell of '%s'", o->key, w->name);
        const struct format *f;
        for (size_t j = 0; (f = tm_format_at(j)); j++)
            if ((o->type == OPTION_INPUT_FORMAT && f->split && !strstr(o->accepts, f->name)) ||
                (o->type == OPTION_OUTPUT_FORMAT && f->write && !strstr(o->accepts, f->name)))
                fail_msg("%s does not tell of '%s'", o->key, f->name);
    }
    tm_spec_release(&s);
}

static void public_rows(void **state)
{
    tidemill_option option;
    size_t i = 0;
    (void)state;
    for (; tidemill_option_at(i, &option); i++) {
        assert_string_equal(option.name, tm_options[i].key);
        assert_true(*option.type && *option.help);
        assert_non_null(option.value);
        assert_non_null(option.choices);
        assert_true(option.help[strlen(option.help) - 1] != '.');
    }
    assert_int_equal(i, tm_options_n);
    assert_int_equal(tidemill_option_at(SIZE_MAX, &option), 0);
}

static void schema_file(void **state)
{
    struct buf made, stored;
    FILE *file = fopen(TIDEMILL_SOURCE_DIR "/config/job.schema.json", "r");
    (void)state;
    assert_non_null(file);
    tm_buf_init(&made);
    tm_buf_init(&stored);
    tm_spec_schema(&made);
    assert_false(made.failed);
    for (int c; (c = fgetc(file)) != EOF;)
        buf_byte(&stored, (char)c);
    fclose(file);
    if (!slice_eq(buf_view(&made), buf_view(&stored)))
        fail_msg("config/job.schema.json is not what tm_spec_schema() writes; it should be:\n%.*s",
                 (int)made.n, made.p);
    tm_buf_release(&made);
    tm_buf_release(&stored);
}

/* Does the section of the job file have the option? */
static bool has_option(const char *file, const struct option *o)
{
    const char *dot = strchr(o->key, '.'), *from = file, *to = file + strlen(file);
    char head[64], line[64];
    if (dot) {
        snprintf(head, sizeof head, "\n%.*s:\n", (int)(dot - o->key), o->key);
        from = strstr(file, head);
        for (to = from ? from + strlen(head) : to; from && *to; to++)
            if (to[-1] == '\n' && islower((unsigned char)*to))
                break;
    }
    snprintf(line, sizeof line,
             strcmp(o->key, "input.null") ? "%s:" : "\"%s\":", dot ? dot + 1 : o->key);
    return from && memmem(from, (size_t)(to - from), line, strlen(line));
}

static void template_file(void **state)
{
    struct spec s;
    err e;
    char text[16384] = "";
    (void)state;
    start(&s);
    if (tm_spec_load(&s, TIDEMILL_SOURCE_DIR "/config/job.yaml", &e) || tm_spec_check(&s, &e)) {
        tidemill_error_text(&e, text, sizeof text);
        fail_msg("%s", text);
    }
    tm_spec_release(&s);
    FILE *file = fopen(TIDEMILL_SOURCE_DIR "/config/job.yaml", "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    for (size_t i = 0; i < tm_options_n; i++)
        if (!has_option(text, &tm_options[i]))
            fail_msg("config/job.yaml: %s is missing", tm_options[i].key);
}

/* ---- settings ---- */

/* `result` is what tm_spec_get gives afterwards, or with ! before it the error's beginning. */
static const struct setting {
    const char *key, *value, *result;
} settings[] = {
    {"workers", "4", "4"},
    {"workers", "0004", "4"},
    {"workers", "auto", "auto"},
    {"workers", "0", "!workers: '0' is out of range (auto | 1 .. 1024)"},
    {"workers", "1025", "!workers: '1025' is out of range (auto | 1 .. 1024)"},
    {"workers", "0x10", "!workers: expected a whole number or auto, got '0x10'"},
    {"workers", "-1", "!workers: expected a whole number or auto, got '-1'"},
    {"workers", "1_000", "!workers: expected a whole number or auto, got '1_000'"},
    {"workers", "99999999999999999999", "!workers: expected a whole number or auto, got '9999"},
    {"workers", "", "!workers: expected a whole number or auto, got ''"},
    {"workers", "atuo",
     "!workers: expected a whole number or auto, got 'atuo' (did you mean 'auto'?)"},
    {"chunk", "1B", "1B"},
    {"chunk", "1KiB", "1KiB"},
    {"chunk", "64KB", "64000B"},
    {"chunk", "1.5KiB", "1536B"},
    {"chunk", "0.5MiB", "512KiB"},
    {"chunk", "64MiB", "64MiB"},
    {"chunk", "65MiB", "!chunk: '65MiB' is out of range (1B .. 64MiB)"},
    {"chunk", "0", "!chunk: '0' is out of range (1B .. 64MiB)"},
    {"chunk", "512", "!chunk: '512' has no unit (write 512B or 512KiB)"},
    {"chunk", "0.3B", "!chunk: '0.3B' is too large or too fine"},
    {"chunk", "99999999999999999999B", "!chunk: '99999999999999999999B' is too large or too fine"},
    {"chunk", "17179869184GiB", "!chunk: '17179869184GiB' is too large or too fine"},
    {"chunk", "256k", "!chunk: unknown unit in '256k' (units are B KB MB GB TB KiB MiB GiB TiB)"},
    {"chunk", "256 KiB", "!chunk: unknown unit in '256 KiB'"},
    {"chunk", ".5KiB", "!chunk: expected a size such as 256KiB, got '.5KiB'"},
    {"chunk", "1.KiB", "!chunk: unknown unit in '1.KiB'"},
    {"limits.record_time", "5s", "5s"},
    {"limits.record_time", "1.5s", "1500ms"},
    {"limits.record_time", "90m", "90m"},
    {"limits.record_time", "60m", "1h"},
    {"limits.record_time", "unlimited", "unlimited"},
    {"limits.record_time", "5", "!limits.record_time: '5' has no unit (write 5s or 5ms)"},
    {"limits.record_time", "1us", "!limits.record_time: '1us' is out of range"},
    {"limits.record_time", "5sec", "!limits.record_time: unknown unit in '5sec'"},
    {"limits.record_time", "x",
     "!limits.record_time: expected a time such as 5s or 100ms or unlimited, got 'x'"},
    {"limits.memory", "512MiB", "512MiB"},
    {"limits.memory", "8TiB", "8TiB"},
    {"transform.batch_wait", "0", "0"},
    {"transform.batch_wait", "250us", "250us"},
    {"errors.max", "1000", "1000"},
    {"errors.max", "unlimited", "unlimited"},
    {"errors.policy", "skip", "skip"},
    {"errors.policy", "fial",
     "!errors.policy: expected fail, skip or quarantine, got 'fial' (did you mean 'fail'?)"},
    {"errors.policy", "", "!errors.policy: expected fail, skip or quarantine, got ''"},
    {"seed", "18446744073709551615", "18446744073709551615"},
    {"seed", "18446744073709551616", "!seed: expected a whole number, got '18446744073709551616'"},
    {"input.header", "false", "false"},
    {"input.header", "no", "!input.header: expected true or false, got 'no'"},
    {"input.header", "True", "!input.header: expected true or false, got 'True'"},
    {"input.format", "csv", "csv"},
    {"input.format", "auto", "auto"},
    {"input.format", "cvs", "!input.format: unknown format 'cvs' (did you mean 'csv'?)"},
    {"input.format", "protobuf",
     "!input.format: unknown format 'protobuf' (known are csv, tsv, jsonl"},
    {"input.format", "table", "!input.format: format 'table' is for output only"},
    {"output.format", "table", "table"},
    {"input.delimiter", ";", ";"},
    {"input.delimiter", "\t", "tab"},
    {"input.delimiter", "\\t", "tab"},
    {"input.delimiter", "tab", "tab"},
    {"input.delimiter", "auto", "auto"},
    {"input.delimiter", "\n", "!input.delimiter: a control character"},
    {"input.delimiter", "", "!input.delimiter: expected one ASCII character"},
    {"input.delimiter", "ab", "!input.delimiter: expected one ASCII character"},
    {"input.delimiter", "\xc2\xa7", "!input.delimiter: expected one ASCII character"},
    {"input.quote", "none", "none"},
    {"input.quote", "", "none"},
    {"input.quote", "'", "'"},
    {"input.comment", "#", "#"},
    {"input.types", "text", "text"},
    {"input.types", "{\"a\":\"text\", \"b\":\"auto\"}", "{\"a\":\"text\",\"b\":\"auto\"}"},
    {"input.types", "{\"a\":\"txt\"}", "!input.types: expected auto or text, got 'txt'"},
    {"input.types", "{\"a\":1}", "!input.types: expected auto, text or a mapping"},
    {"input.types", "[]", "!input.types: expected auto, text or a mapping"},
    {"input.path", "a,b.csv", "a,b.csv"},
    {"input.path", "[ab]*.csv", "[\"[ab]*.csv\"]"},
    {"input.path", "[\"a\", \"b\"]", "[\"a\",\"b\"]"},
    {"input.path", "[\"a\"]", "a"},
    {"input.path", "", "!input.path: the path is empty"},
    {"input.path", "[]", "!input.path: the list is empty"},
    {"output.columns", "a,b c,", "[\"a\",\"b c\",\"\"]"},
    {"output.columns", "[\"a,b\"]", "[\"a,b\"]"},
    {"output.columns", "a", "a"},
    {"output.columns", "", ""},
    {"output.columns", "[a", "!output.columns: "},
    {"output.columns", "[1]", "!output.columns: expected a list of names, got an entry that"},
    {"output.path", "x/y.csv", "x/y.csv"},
    {"output.path", "", "!output.path: the path is empty"},
    {"transform.script", "a.lua", "a.lua"},
    {"transform.script", "", ""},
    {"worker", "3", "!unknown option 'worker' (did you mean 'workers'?)"},
    {"input.workers", "3", "!unknown option 'input.workers' (did you mean 'workers'?)"},
    {"script", "3", "!unknown option 'script' (did you mean 'transform.script'?)"},
    {"outptu.path", "3", "!unknown option 'outptu.path' (did you mean 'output.path'?)"},
    {"input", "3", "!'input' is a group of options, not one of them"},
    {"xyzzy", "3", "!unknown option 'xyzzy'"},
    {"", "3", "!unknown option ''"},
};

static void setting_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(settings); i++) {
        const struct setting *row = &settings[i];
        struct spec s;
        err e = {.message = ""};
        start(&s);
        int status = tm_spec_set(&s, row->key, row->value, &e);
        const char *got = status ? e.message : tm_spec_get(&s, row->key);
        bool wrong = *row->result == '!'
                         ? status != TIDEMILL_E_SPEC ||
                               strncmp(got, row->result + 1, strlen(row->result + 1)) != 0
                         : status != TIDEMILL_OK || strcmp(got, row->result) != 0;
        if (wrong)
            fail_msg("%s=%s gives '%s'", row->key, row->value, got);
        assert_int_equal(s.problems_n, status != TIDEMILL_OK);
        /* What get says, set takes. */
        if (!status)
            assert_int_equal(tm_spec_set(&s, row->key, row->result, NULL), TIDEMILL_OK);
        if (!status)
            assert_string_equal(tm_spec_get(&s, row->key), row->result);
        if (status && tm_option_find(slice_of(row->key)))
            assert_string_equal(tm_spec_get(&s, row->key),
                                tm_option_find(slice_of(row->key))->fallback);
        tm_spec_release(&s);
    }
}

/* One after the other on one spec; `params` is all of them afterwards. */
static void parameters(void **state)
{
    static const struct {
        const char *name, *value, *params, *error;
    } rows[] = {
        {"rate", "1.10", "{\"rate\":1.10}", NULL},
        {"a.b.c", "x", "{\"rate\":1.10,\"a\":{\"b\":{\"c\":\"x\"}}}", NULL},
        {"a.b.d", "true", "{\"rate\":1.10,\"a\":{\"b\":{\"c\":\"x\",\"d\":true}}}", NULL},
        {"rate", "123456789012345678901",
         "{\"rate\":123456789012345678901,\"a\":{\"b\":{\"c\":\"x\",\"d\":true}}}", NULL},
        {"a", "[1, {\"x\":null}] ", "{\"rate\":123456789012345678901,\"a\":[1, {\"x\":null}]}",
         NULL},
        {"a.b", "1", NULL, "'a' is not a mapping"},
        {"rate.x", "1", NULL, "'rate' is not a mapping"},
        {"", "1", NULL, "a parameter's name is empty"},
        {"x..y", "1", NULL, "a parameter's name is empty"},
        {"rate", "yes", NULL, "a bare 'yes' is ambiguous (write true, or \"yes\" for the text)"},
        {"rate", "NULL", NULL, "a bare 'NULL' is ambiguous (write null, or \"NULL\" for the text)"},
        {"rate", "\"yes\"", "{\"rate\":\"yes\",\"a\":[1, {\"x\":null}]}", NULL},
        {"rate", "[x", "{\"rate\":\"[x\",\"a\":[1, {\"x\":null}]}", NULL},
        {"a", "", "{\"rate\":\"[x\",\"a\":\"\"}", NULL},
        {"a", "\xff", NULL, "not valid UTF-8"},
        {"a", "007", "{\"rate\":\"[x\",\"a\":\"007\"}", NULL},
        {"a", "${HOME}", "{\"rate\":\"[x\",\"a\":\"${HOME}\"}", NULL},
    };
    struct spec s;
    err e;
    char key[64];
    (void)state;
    start(&s);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        snprintf(key, sizeof key, "transform.params.%s", rows[i].name);
        int status = tm_spec_set(&s, key, rows[i].value, &e);
        assert_int_equal(status, rows[i].error ? TIDEMILL_E_SPEC : TIDEMILL_OK);
        if (rows[i].error)
            assert_string_equal(e.message + strlen(key) + 2, rows[i].error);
        else
            assert_string_equal(tm_spec_get(&s, "transform.params"), rows[i].params);
    }
    assert_string_equal(tm_spec_get(&s, "transform.params.a"), "\"${HOME}\"");
    assert_null(tm_spec_get(&s, "transform.params.b"));
    assert_null(tm_spec_get(&s, "transform.params."));
    assert_int_equal(tm_spec_set(&s, "transform.params", " {\"x\": {\"y\": [1]}} ", &e), 0);
    assert_string_equal(tm_spec_get(&s, "transform.params.x.y"), "[1]");
    assert_int_equal(tm_spec_set(&s, "transform.params", "[1]", &e), TIDEMILL_E_SPEC);
    assert_int_equal(tm_spec_set(&s, "transform.params", "{\"x\":1,}", &e), TIDEMILL_E_SPEC);
    tm_spec_release(&s);
}

/* ---- job files ---- */

/* Parse and check under the name; all problems, a line each. Keeps the spec. */
static void problems_of(struct spec *s, struct slice text, const char *name, struct buf *out)
{
    char line[4096];
    err e;
    int status = tm_spec_parse(s, text, name, &e);
    if (!status)
        status = tm_spec_check(s, &e);
    assert_int_equal(status, s->problems_n ? TIDEMILL_E_SPEC : TIDEMILL_OK);
    for (size_t i = 0; i < s->problems_n; i++) {
        tidemill_error_text(&s->problems[i], line, sizeof line);
        tm_buf_printf(out, "%s%s", i ? "\n" : "", line);
    }
    buf_byte(out, '\0');
}

static const struct file_row {
    const char *text, *expected;
} files[] = {
    {"", "j.yaml:1:1: the job file is empty"},
    {"# only this\n", "j.yaml:1:1: the job file is empty"},
    {"---\n", "j.yaml:1:1: the job file is empty"},
    {"null\n", "j.yaml:1:1: the job file is empty"},
    {"- a\n", "j.yaml:1:1: a job file is a mapping of options, not a list"},
    {"run\n", "j.yaml:1:1: a job file is a mapping of options, not text"},
    {"workers: 3\n", "j.yaml: 'transform.script' is missing: name a Lua file, or write "
                     "'transform.inline'"},
    {"transform: {each: x}\n", ""},
    {"\xef\xbb\xbftransform: {each: x}\n", ""},
    {"input:\n  wrokers: 4\nworkers:\n  - 3\nwrokers: 4\nchunk: {}\n",
     "j.yaml:2:3: unknown key 'wrokers' in 'input' (did you mean 'workers' at the top of the "
     "file?)\n"
     "j.yaml:4:3: expected a whole number or auto, got a list\n"
     "j.yaml:5:1: unknown key 'wrokers' (did you mean 'workers'?)\n"
     "j.yaml:6:8: expected a size such as 256KiB, got a mapping"},
    {"inptu: {}\nscript: a.lua\noutput: x\nerrors:\nxyzzy: 1\n",
     "j.yaml:1:1: unknown key 'inptu' (did you mean 'input'?)\n"
     "j.yaml:2:1: unknown key 'script' (did you mean 'transform.script'?)\n"
     "j.yaml:3:9: expected a mapping of options, got text\n"
     "j.yaml:4:8: 'errors' has no value\n"
     "j.yaml:5:1: unknown key 'xyzzy'"},
    {"input.path: a\nlimits: {a.b: 1}\n",
     "j.yaml:1:1: unknown key 'input.path' (write 'path' inside of 'input:')\n"
     "j.yaml:2:10: unknown key 'a.b' in 'limits'"},
    {"input: {header: no, lazy_quotes: \"true\"}\nworkers: 0777\nchunk: 0x10\nseed: 1e3\n",
     "j.yaml:1:17: expected true or false, got 'no'\n"
     "j.yaml:3:8: unknown unit in '0x10' (units are B KB MB GB TB KiB MiB GiB TiB)\n"
     "j.yaml:4:7: expected a whole number, got '1e3'"},
    {"workers:\nchunk: ~\noutput: {path: null, format: ''}\n",
     "j.yaml:1:9: 'workers' has no value\n"
     "j.yaml:2:8: 'chunk' has no value (quote '~' if it is meant as text)\n"
     "j.yaml:3:16: 'output.path' has no value (quote 'null' if it is meant as text)\n"
     "j.yaml:3:30: 'output.format' is empty"},
    {"input: {path: [], types: {a: int, b: , c: [x]}}\noutput: {columns: [a, ~, {b: c}]}\n",
     "j.yaml:1:15: 'input.path' is an empty list\n"
     "j.yaml:1:30: expected auto or text, got 'int'\n"
     "j.yaml:1:38: 'b' has no value\n"
     "j.yaml:1:43: expected text, got a list\n"
     "j.yaml:2:23: 'output.columns' has no value (quote '~' if it is meant as text)\n"
     "j.yaml:2:26: expected text, got a mapping"},
    {"transform:\n  params: {a: yes, b: Off, c: TRUE, d: ~, e: , f: [~, ], g: \"no\"}\n",
     "j.yaml:2:15: a bare 'yes' is ambiguous (write true, or \"yes\" for the text)\n"
     "j.yaml:2:23: a bare 'Off' is ambiguous (write false, or \"Off\" for the text)\n"
     "j.yaml:2:31: a bare 'TRUE' is ambiguous (write true, or \"TRUE\" for the text)\n"
     "j.yaml:2:40: a bare '~' is ambiguous (write null, or \"~\" for the text)\n"
     "j.yaml:2:46: 'e' has no value (write null or \"\")\n"
     "j.yaml:2:52: a bare '~' is ambiguous (write null, or \"~\" for the text)"},
    {"transform: {each: x, params: 3}\n",
     "j.yaml:1:30: expected a mapping of names to values, got text"},
    {"transform: {inline: \"a\\0b\"}\n", "j.yaml:1:21: a NUL byte cannot stand here"},
    {"workers: *x\nwrokers: 3\n",
     "j.yaml:1:10: alias '*x' (job files have none; quote text that begins with *)\n"
     "j.yaml:2:1: unknown key 'wrokers' (did you mean 'workers'?)"},
    {"transform: {each: x, script: a, batch: 3, batch_wait: 1s}\n",
     "j.yaml:1:13: 'transform.script' and 'transform.each' are both given (keep one of them)\n"
     "j.yaml:1:33: 'transform.batch' needs a script with a batch function, not 'transform.each'"},
    {"transform: {script: a, batch_wait: 1s}\n",
     "j.yaml:1:24: 'transform.batch_wait' needs 'transform.batch', the number of records"},
    {"transform: {each: x}\nerrors: {policy: quarantine}\n",
     "j.yaml:2:10: policy 'quarantine' needs 'errors.quarantine', the file that failed records go "
     "to"},
    {"transform: {each: x}\nerrors: {policy: skip, quarantine: a}\n",
     "j.yaml:2:24: 'errors.quarantine' is used only with 'errors.policy: quarantine'"},
    {"transform: {each: x}\noutput: {path: a}\nerrors: {policy: quarantine, quarantine: a}\n",
     "j.yaml:3:30: 'errors.quarantine' and 'output.path' are the same file"},
    {"transform: {each: x}\ninput: {quote: ','}\noutput: {delimiter: '\"', columns: [a, b, a]}\n",
     "j.yaml:2:9: delimiter and quote are both ','\n"
     "j.yaml:3:10: delimiter and quote are both '\"'\n"
     "j.yaml:3:26: column 'a' is listed twice"},
    {"transform: {each: x}\ninput: {comment: \"#\\n\"}\n",
     "j.yaml:2:9: 'input.comment' contains a line end"},
};

static void file_rows(void **state)
{
    struct buf out;
    (void)state;
    tm_buf_init(&out);
    for (size_t i = 0; i < LENGTH(files); i++) {
        struct spec s;
        start(&s);
        buf_reset(&out);
        problems_of(&s, slice_of(files[i].text), "j.yaml", &out);
        tm_spec_release(&s);
        if (strcmp(out.p, files[i].expected) != 0)
            fail_msg("row %zu gives\n%s\ninstead of\n%s", i, out.p, files[i].expected);
    }
    tm_buf_release(&out);
}

/* Key, a value in a job file of the folder d[1], and what comes of it. */
static void file_values(void **state)
{
    static const struct {
        const char *text, *key, *expected;
    } rows[] = {
        {"input: {path: a.csv}", "input.path", "d\\[1]/a.csv"},
        {"input: {path: [a*.csv, /b, '-', ../c]}", "input.path",
         "[\"d\\\\[1]/a*.csv\",\"/b\",\"-\",\"d\\\\[1]/../c\"]"},
        {"input: {path: '[\"a\"]'}", "input.path", "d\\[1]/[\"a\"]"},
        {"output: {path: o.csv}", "output.path", "d[1]/o.csv"},
        {"output: {path: '-'}", "output.path", "-"},
        {"output: {path: /o}", "output.path", "/o"},
        {"transform: {script: s.lua}", "transform.script", "d[1]/s.lua"},
        {"errors: {quarantine: q}", "errors.quarantine", "d[1]/q"},
        {"output: {path: '${TM_DIR}/o'}", "output.path", "/there/o"},
        {"workers: ${TM_NUMBER}", "workers", "7"},
        {"chunk: ${TM_NONE:-1}${TM_NONE:-KiB}", "chunk", "1KiB"},
        {"input: {comment: '$${TM_DIR} $ $$ ${TM_EMPTY:-e}${TM_EMPTY}'}", "input.comment",
         "${TM_DIR} $ $$ e"},
        {"input: {comment: '${TM_NESTED}'}", "input.comment", "${TM_DIR}"},
        {"input: {types: {a: text, '${x}': '${TM_NONE:-auto}'}}", "input.types",
         "{\"a\":\"text\",\"${x}\":\"auto\"}"},
        {"transform: {each: 'r.x = \"${TM_NONE}\"'}", "transform.each", "r.x = \"${TM_NONE}\""},
        {"transform: {inline: '${TM_NONE}'}", "transform.inline", "${TM_NONE}"},
        {"transform:\n  params:\n    a: ${TM_NUMBER}\n    b: \"${TM_NUMBER}\"\n    c: ${TM_EMPTY}\n"
         "    ${d}: 1\n    e: $${f}",
         "transform.params", "{\"a\":7,\"b\":\"7\",\"c\":\"\",\"${d}\":1,\"e\":\"${f}\"}"},
        {"transform: {params: {a: 1.10, b: 123456789012345678901, c: -0, d: 1E5, e: 007, f: .5, g: "
         "0x1, h: 1_0, i: 2024-01-01, j: .inf, k: '1', l: null, m: true, n: no way, o: [], p: {}}}",
         "transform.params",
         "{\"a\":1.10,\"b\":123456789012345678901,\"c\":-0,\"d\":1E5,\"e\":\"007\",\"f\":\".5\","
         "\"g\":\"0x1\",\"h\":\"1_0\",\"i\":\"2024-01-01\",\"j\":\".inf\",\"k\":\"1\",\"l\":null,"
         "\"m\":true,\"n\":\"no way\",\"o\":[],\"p\":{}}"},
        {"transform: {params: {\"a\\0\\\"\": \"\\0\\t\"}}", "transform.params",
         "{\"a\\u0000\\\"\":\"\\u0000\\t\"}"},
        {"output: {columns: a}", "output.columns", "a"},
        {"output: {columns: []}", "output.columns", ""},
        {"'workers': \"0777\"", "workers", "777"},
    };
    (void)state;
    setenv("TM_DIR", "/there", 1);
    setenv("TM_NUMBER", "7", 1);
    setenv("TM_EMPTY", "", 1);
    setenv("TM_NESTED", "${TM_DIR}", 1);
    unsetenv("TM_NONE");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct spec s;
        err e = {.message = ""};
        start(&s);
        if (tm_spec_parse(&s, slice_of(rows[i].text), "d[1]/j.yaml", &e))
            fail_msg("row %zu: %s", i, e.message);
        if (strcmp(tm_spec_get(&s, rows[i].key), rows[i].expected) != 0)
            fail_msg("row %zu gives %s", i, tm_spec_get(&s, rows[i].key));
        tm_spec_release(&s);
    }
}

static void variables(void **state)
{
    static const struct file_row rows[] = {
        {"workers: ${TM_NONE}", "j:1:10: environment variable 'TM_NONE' is not set (${TM_NONE:-"
                                "default} gives a default)"},
        {"workers: ${TM_NONE", "j:1:10: '${' has no '}' (write $${ for a literal ${)"},
        {"workers: ${}", "j:1:10: '${}' is no variable (write ${NAME} or ${NAME:-default}, and $${ "
                         "for a literal ${)"},
        {"workers: ${1A}", "j:1:10: '${1A}' is no variable (write ${NAME} or ${NAME:-default}, and "
                           "$${ for a literal ${)"},
        {"workers: ${A-3}", "j:1:10: '${A-3}' is no variable (write ${NAME} or ${NAME:-default}, "
                            "and $${ for a literal ${)"},
        {"workers: ${A:-${B}}", "j:1:10: '${' inside a default is not replaced"},
        {"workers: ${TM_EMPTY}", "j:1:10: expected a whole number or auto, got ''"},
        {"output: {path: \"${TM_EMPTY}\"}", "j:1:16: 'output.path' is empty"},
        {"transform: {params: {a: \"${TM_BYTES}\"}}", "j:1:25: the value is not valid UTF-8"},
        {"transform: {params: {a: [\"${TM_NONE}\"]}}",
         "j:1:26: environment variable 'TM_NONE' is not set (${TM_NONE:-default} gives a default)"},
    };
    struct buf out;
    (void)state;
    setenv("TM_EMPTY", "", 1);
    setenv("TM_BYTES", "\xff", 1);
    unsetenv("TM_NONE");
    tm_buf_init(&out);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct spec s;
        start(&s);
        buf_reset(&out);
        problems_of(&s, slice_of(rows[i].text), "j", &out);
        tm_spec_release(&s);
        if (strcmp(out.p, rows[i].expected) != 0)
            fail_msg("row %zu gives\n%s\ninstead of\n%s", i, out.p, rows[i].expected);
    }
    tm_buf_release(&out);
}

static void inline_places(void **state)
{
    static const struct {
        const char *text;
        uint32_t line;
        bool exact;
    } rows[] = {
        {"transform:\n  inline: |\n    return 1\n", 3, true},
        {"transform:\n  inline: |2-\n\n    return 1\n", 3, true},
        {"transform:\n  inline: >\n    return 1\n", 3, false},
        {"transform:\n  inline:\n    return\n    1\n", 3, false},
        {"transform: {inline: \"return 1\"}\n", 1, false},
        {"transform: {script: a}\n", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct spec s;
        start(&s);
        assert_int_equal(tm_spec_parse(&s, slice_of(rows[i].text), "j", NULL), TIDEMILL_OK);
        assert_int_equal(s.inline_line, rows[i].line);
        assert_int_equal(s.inline_exact, rows[i].exact);
        assert_int_equal(tm_spec_set(&s, "transform.inline", "return 2", NULL), TIDEMILL_OK);
        assert_int_equal(s.inline_line, 0);
        tm_spec_release(&s);
    }
}

/* A setting has no place, also when the file gave the option before. */
static void settings_over_files(void **state)
{
    struct spec s;
    err e;
    (void)state;
    start(&s);
    assert_int_equal(tm_spec_parse(&s,
                                   SLICE("transform: {each: x}\nworkers: 3\nchunk: 1KiB\n"
                                         "errors: {policy: skip}\n"),
                                   "j", &e),
                     TIDEMILL_OK);
    assert_int_equal(tm_spec_set(&s, "workers", "5", &e), TIDEMILL_OK);
    assert_int_equal(tm_spec_set(&s, "errors.policy", "quarantine", &e), TIDEMILL_OK);
    assert_int_equal(s.values.workers, 5);
    assert_int_equal(s.values.chunk, 1024);
    assert_int_equal(tm_spec_check(&s, &e), TIDEMILL_E_SPEC);
    assert_string_equal(e.file, "");
    assert_int_equal(e.line, 0);
    assert_int_equal(tm_spec_set(&s, "errors.quarantine", "q", &e), TIDEMILL_OK);
    assert_int_equal(tm_spec_check(&s, &e), TIDEMILL_OK);
    assert_int_equal(s.problems_n, 0);
    tm_spec_release(&s);
}

static void limits_of_files(void **state)
{
    struct buf text;
    struct spec s;
    err e;
    (void)state;
    tm_buf_init(&text);
    start(&s);
    for (int i = 0; i < 60; i++)
        tm_buf_printf(&text, "xyzzy%d: 1\n", i);
    assert_int_equal(tm_spec_parse(&s, buf_view(&text), "j", &e), TIDEMILL_E_SPEC);
    assert_int_equal(s.problems_n, PROBLEMS_MAX);
    assert_int_equal(s.problems[49].line, 50);
    buf_reset(&text);
    tm_buf_printf(&text, "%-*s", 1 << 20, "seed: 3");
    assert_int_equal(tm_spec_parse(&s, buf_view(&text), "j", &e), TIDEMILL_OK);
    buf_byte(&text, ' ');
    assert_int_equal(tm_spec_parse(&s, buf_view(&text), "j", &e), TIDEMILL_E_SPEC);
    assert_string_equal(e.message, "the job file is larger than 1 MiB");
    tm_spec_release(&s);
    tm_buf_release(&text);
}

static void unreadable(void **state)
{
    struct spec s;
    err e;
    (void)state;
    start(&s);
    assert_int_equal(tm_spec_load(&s, "/nonexistent/j.yaml", &e), TIDEMILL_E_SPEC);
    assert_string_equal(e.file, "/nonexistent/j.yaml");
    assert_string_equal(e.message, "cannot read the job file: No such file or directory");
    assert_int_equal(e.system_errno, 2);
    assert_int_equal(tm_spec_load(&s, "/", &e), TIDEMILL_E_SPEC);
    assert_string_equal(e.message, "cannot read the job file: Is a directory");
    assert_int_equal(tm_spec_load(&s, "/dev/zero", &e), TIDEMILL_E_SPEC);
    assert_string_equal(e.message, "the job file is larger than 1 MiB");
    assert_int_equal(s.problems_n, 1);
    tm_spec_release(&s);
}

/* ---- another process ---- */

static void fill(struct spec *s)
{
    static const char text[] = "input: {path: [a, b], format: csv, quote: none, delimiter: tab, "
                               "types: {a: text}}\nworkers: 3\nchunk: 1KiB\n"
                               "errors: {policy: skip, max: 4}\nlimits: {record_time: 5s}\n"
                               "transform:\n  inline: |\n    return 1\n  params: {a: [1, x]}\n";
    assert_int_equal(tm_spec_parse(s, slice_of(text), "d/j.yaml", NULL), TIDEMILL_OK);
    /* A path need not be UTF-8. */
    assert_int_equal(tm_spec_set(s, "input.path", "[a]\xff", NULL), TIDEMILL_OK);
}

static void packing(void **state)
{
    struct spec from, to;
    struct buf packed, again;
    err e;
    (void)state;
    start(&from);
    start(&to);
    fill(&from);
    tm_buf_init(&packed);
    tm_buf_init(&again);
    tm_spec_pack(&from, &packed);
    struct cursor in = {packed.p, packed.n, false};
    assert_int_equal(tm_spec_unpack(&to, &in, &e), TIDEMILL_OK);
    assert_int_equal(in.n, 0);
    tm_spec_pack(&to, &again);
    assert_memory_equal(packed.p, again.p, packed.n);
    assert_int_equal(packed.n, again.n);
    assert_string_equal(to.values.input.path.items[0], "[a]\xff");
    assert_string_equal(to.values.input.quote, "");
    assert_string_equal(to.file, "d/j.yaml");
    assert_int_equal(to.inline_line, 8);
    assert_true(to.inline_exact);
    assert_null(to.values.transform.script);
    for (size_t n = 0; n < packed.n; n++) {
        in = (struct cursor){packed.p, n, false};
        assert_int_equal(tm_spec_unpack(&to, &in, &e), TIDEMILL_E_WORKER);
    }
    for (size_t i = 0; i < packed.n; i++) {
        packed.p[i] = (char)(packed.p[i] ^ 0x81);
        in = (struct cursor){packed.p, packed.n, false};
        int status = tm_spec_unpack(&to, &in, &e);
        assert_true(status == TIDEMILL_OK || status == TIDEMILL_E_WORKER);
        packed.p[i] = (char)(packed.p[i] ^ 0x81);
    }
    tm_buf_release(&packed);
    tm_buf_release(&again);
    tm_spec_release(&from);
    tm_spec_release(&to);
}

static void distances(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},
        {"a", "", 1},
        {"workers", "workers", 0},
        {"wrokers", "workers", 1},
        {"workes", "workers", 1},
        {"wprkers", "workers", 1},
        {"abcd", "badc", 2},
        {"abc", "xyz", SIZE_MAX},
        {"ca", "abc", SIZE_MAX},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_int_equal(tm_distance(slice_of(rows[i].a), slice_of(rows[i].b)), rows[i].distance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),        cmocka_unit_test(accepts),
        cmocka_unit_test(public_rows),     cmocka_unit_test(schema_file),
        cmocka_unit_test(template_file),   cmocka_unit_test(setting_rows),
        cmocka_unit_test(parameters),      cmocka_unit_test(file_rows),
        cmocka_unit_test(file_values),     cmocka_unit_test(variables),
        cmocka_unit_test(inline_places),   cmocka_unit_test(settings_over_files),
        cmocka_unit_test(limits_of_files), cmocka_unit_test(unreadable),
        cmocka_unit_test(packing),         cmocka_unit_test(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
