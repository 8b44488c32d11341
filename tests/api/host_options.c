/*
 * Options by name: the table to its end, every value there and back; the mistakes of a job one by
 * one; the error as a line of text, whole and cut.
 */
#include "host.h"

static void table(void)
{
    size_t n = 0;
    tidemill_option option;
    tidemill_job *job = tidemill_job_new(), *copy = tidemill_job_new();
    CHECK(job && copy);
    while (tidemill_option_at(n, &option)) {
        CHECK(option.name[0] && option.type[0] && option.value && option.choices);
        CHECK(option.help[0] && option.help[strlen(option.help) - 1] != '.');
        /* The default is in force, and what get gives is what set takes. */
        const char *value = tidemill_job_get(job, option.name);
        CHECK(value && strcmp(value, option.value) == 0);
        CHECK_OK(tidemill_job_set(copy, option.name, value, &error));
        CHECK(strcmp(tidemill_job_get(copy, option.name), option.value) == 0);
        n++;
    }
    CHECK(n > 30);
    CHECK(!tidemill_option_at(n, &option) && !tidemill_option_at((size_t)-1, &option));
    tidemill_job_free(job);
    tidemill_job_free(copy);
}

/* What a host sets, and what it reads then. */
static const struct {
    const char *key, *value, *seen;
} settings[] = {
    {"workers", "3", "3"},
    {"workers", "auto", "auto"},
    {"chunk", "1024KiB", "1MiB"},
    {"chunk", "1B", "1B"},
    {"limits.record_time", "1500ms", "1500ms"},
    {"limits.record_time", "2000ms", "2s"},
    {"limits.memory", "unlimited", "unlimited"},
    {"input.path", "a.csv", "a.csv"},
    {"input.path", "[\"a.csv\", \"b*.csv\"]", "[\"a.csv\",\"b*.csv\"]"},
    {"input.delimiter", "tab", "tab"},
    {"input.delimiter", ";", ";"},
    {"input.format", "csv", "csv"},
    {"output.columns", "[\"b\", \"a\"]", "[\"b\",\"a\"]"},
    {"output.path", "-", "-"},
    {"errors.policy", "skip", "skip"},
    {"errors.max", "0", "0"},
    {"transform.params.rate", "1.5", "1.5"},
    {"transform.params.name", "a \"b\"", "\"a \\\"b\\\"\""},
    {"transform.params", "{\"n\":1}", "{\"n\":1}"},
    {"transform.inline", "return print\n", "return print\n"},
    {"seed", "18446744073709551615", "18446744073709551615"},
};

static void there_and_back(void)
{
    tidemill_job *job = tidemill_job_new(), *copy = tidemill_job_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *key = settings[i].key;
        CHECK_OK(tidemill_job_set(job, key, settings[i].value, &error));
        const char *seen = tidemill_job_get(job, key);
        CHECK(seen);
        if (strcmp(seen, settings[i].seen) != 0) {
            fprintf(stderr, "%s: set %s, got %s, not %s\n", key, settings[i].value, seen,
                    settings[i].seen);
            _exit(1);
        }
        CHECK_OK(tidemill_job_set(copy, key, seen, &error));
        CHECK(strcmp(tidemill_job_get(copy, key), settings[i].seen) == 0);
    }
    tidemill_job_free(job);
    tidemill_job_free(copy);
}

/* ---- Mistakes ---- */

static const char wrong[] = "input:\n"
                            "  path: in.csv\n"
                            "  quoote: x\n"
                            "wrokers: 2\n"
                            "chunk: 12\n";

static void problems(void)
{
    tidemill_error first, e;
    tidemill_job *job = tidemill_job_new();
    CHECK(tidemill_job_parse(job, NULL, 0, "job.yaml", &first) == TIDEMILL_E_SPEC);
    CHECK(strstr(first.message, "empty"));
    CHECK(tidemill_job_parse(job, wrong, sizeof wrong - 1, "job.yaml", &first) == TIDEMILL_E_SPEC);
    CHECK(tidemill_job_problems(job) == 3);
    for (size_t i = 0; i < 3; i++) {
        memset(&e, 0x55, sizeof e);
        CHECK(tidemill_job_problem(job, i, &e) == TIDEMILL_OK);
        CHECK(e.status == TIDEMILL_E_SPEC && strcmp(e.file, "job.yaml") == 0);
        CHECK(e.line == 3 + i && e.column > 0 && e.record == 0 && e.message[0]);
        if (i == 0)
            CHECK(e.line == first.line && strcmp(e.message, first.message) == 0);
    }
    CHECK(tidemill_job_problem(job, 1, NULL) == TIDEMILL_OK);
    CHECK(tidemill_job_problem(job, 3, &e) == TIDEMILL_E_ARGUMENT);
    /* The next call has its own. */
    CHECK(tidemill_job_set(job, "workers", "many", &e) == TIDEMILL_E_SPEC);
    CHECK(tidemill_job_problems(job) == 1 && strcmp(tidemill_job_get(job, "workers"), "auto") == 0);
    CHECK_OK(tidemill_job_set(job, "workers", "2", &e));
    CHECK(tidemill_job_problems(job) == 0);
    CHECK(tidemill_job_load(job, "missing.yaml", &e) == TIDEMILL_E_SPEC);
    CHECK(strcmp(e.file, "missing.yaml") == 0 && e.system_errno == ENOENT);
    tidemill_job_free(job);
}

/* ---- The line of text ---- */

static const struct {
    tidemill_error e;
    const char *text;
} lines[] = {
    {{.message = "it broke"}, "it broke"},
    {{.file = "a.csv", .message = "it broke"}, "a.csv: it broke"},
    {{.file = "a.csv", .line = 7, .message = "it broke"}, "a.csv:7: it broke"},
    {{.file = "j.yaml", .line = 7, .column = 3, .message = "it broke"}, "j.yaml:7:3: it broke"},
    {{.file = "a.csv", .line = 7, .record = 6, .offset = 99, .message = "it broke"},
     "a.csv:7: record 6: it broke"},
    {{.record = 6, .message = "it broke"}, "record 6: it broke"},
    {{.line = 7, .column = 3, .message = "it broke"}, "it broke"},
    {{.message = ""}, ""},
};

static void texts(void)
{
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t length = strlen(lines[i].text);
        CHECK(tidemill_error_text(&lines[i].e, NULL, 0) == length);
        for (size_t size = 1; size < length + 3; size++) {
            char text[64];
            memset(text, 'x', sizeof text);
            CHECK(tidemill_error_text(&lines[i].e, text, size) == length);
            size_t kept = size - 1 < length ? size - 1 : length;
            CHECK(strlen(text) == kept && memcmp(text, lines[i].text, kept) == 0);
            CHECK(text[kept + 1] == 'x');
        }
    }
}

/* The longest there is. */
static void longest(void)
{
    static tidemill_error e = {.line = UINT64_MAX, .column = UINT64_MAX, .record = UINT64_MAX};
    static char text[4096];
    memset(e.file, 'f', sizeof e.file - 1);
    memset(e.message, 'm', sizeof e.message - 1);
    size_t length = tidemill_error_text(&e, text, sizeof text);
    CHECK(length == strlen(text) && length < sizeof text && text[length - 1] == 'm');
    CHECK(length == 1023 + 1 + 20 + 1 + 20 + 2 + strlen("record : ") + 20 + 2047);
}

int main(void)
{
    table();
    there_and_back();
    problems();
    texts();
    longest();
    return 0;
}
