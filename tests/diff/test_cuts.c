/*
 * Wherever the bytes of an input are cut on their way to the library, and whatever the chunks and the
 * workers: the same output, messages, counts and quarantine file. Each file below arrives in two
 * pieces, cut at every byte, at pools of one worker and of three with chunks of a byte and of seven;
 * then as a whole at pools of one and of three with chunks of every size up to the file's own.
 *
 * (That holds for every format and many more dialects in test_agree.c, without processes.)
 * TIDEMILL_LONG=1: with all formats and files of tests/cases and of the fuzzers' corpora.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tidemill.h"

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "test_cuts.c:%d: %s: %s\n", __LINE__, #condition, error.message); \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

static tidemill_error error;

/* Reads everything, says where it stands, changes nothing. */
static const char script[] =
    "local function read(t)\n"
    "  for _, v in pairs(t) do\n"
    "    if type(v) == 'userdata' and v ~= tidemill.null then read(v) end\n"
    "  end\n"
    "end\n"
    "return function(r, ctx)\n"
    "  read(r)\n"
    "  print(ctx.index, ctx.file, ctx.line, #r)\n"
    "  return r\n"
    "end\n";

static const struct how {
    const char *workers, *chunk;
} hows[] = {{"1", "64KiB"}, {"1", "1B"}, {"3", "1B"}, {"3", "7B"}};
#define HOWS (sizeof hows / sizeof *hows)

static const struct {
    const char *settings[9];
} dialects[] = {
    {{0}},
    {{"input.lazy_quotes", "true", "input.comment", "#", "input.ragged", "fill", "input.duplicates",
      "number"}},
};
#define DIALECTS (sizeof dialects / sizeof *dialects)

static struct lane {
    tidemill_job *job;
    tidemill_pool *pool;
} lanes[DIALECTS][HOWS];

static char quarantine[64];

static void open_lane(struct lane *l, const char *const *settings, const struct how *how)
{
    l->job = tidemill_job_new();
    CHECK(l->job);
    CHECK(tidemill_job_set(l->job, "transform.inline", script, &error) == 0);
    CHECK(tidemill_job_set(l->job, "workers", how->workers, &error) == 0);
    CHECK(tidemill_job_set(l->job, "chunk", how->chunk, &error) == 0);
    CHECK(tidemill_job_set(l->job, "errors.policy", "quarantine", &error) == 0);
    CHECK(tidemill_job_set(l->job, "errors.quarantine", quarantine, &error) == 0);
    for (int i = 0; settings[i]; i += 2)
        CHECK(tidemill_job_set(l->job, settings[i], settings[i + 1], &error) == 0);
    CHECK(tidemill_job_open(l->job, &error) == 0);
    l->pool = tidemill_pool_new(l->job, &error);
    CHECK(l->pool);
}

static void close_lane(struct lane *l)
{
    CHECK(tidemill_pool_free(l->pool, &error) == 0);
    tidemill_job_free(l->job);
}

/* ---- one run, and an account of it ---- */

struct text {
    char *p;
    size_t n, cap;
};

static void add(struct text *t, const char *p, size_t n)
{
    if (t->cap - t->n < n) {
        t->cap = 2 * (t->n + n);
        t->p = realloc(t->p, t->cap);
        CHECK(t->p);
    }
    if (n)
        memcpy(t->p + t->n, p, n);
    t->n += n;
}

static int write_text(void *context, const char *data, size_t length)
{
    add(context, data, length);
    return 0;
}

static void on_message(void *context, int level, const char *data, size_t length)
{
    char mark = (char)('0' + level);
    add(context, &mark, 1);
    add(context, data, length);
    add(context, "\n", 1);
}

struct pieces {
    const char *p;
    size_t n, cut;
};

static ptrdiff_t read_piece(void *context, char *data, size_t size)
{
    struct pieces *in = context;
    size_t n = in->cut ? in->cut : in->n;
    n = n < size ? n : size;
    memcpy(data, in->p, n);
    in->p += n;
    in->n -= n;
    in->cut = 0;
    return (ptrdiff_t)n;
}

static void add_file(struct text *t, const char *path)
{
    char block[4096];
    FILE *file = fopen(path, "rb");
    CHECK(file);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        add(t, block, n);
    fclose(file);
}

static void account(struct text *t, const struct lane *l, const char *name, struct pieces in)
{
    char line[1500];
    struct text messages = {0};
    tidemill_stats stats;
    tidemill_run *run = tidemill_run_new(l->job, l->pool, &error);
    CHECK(run);
    t->n = 0;
    CHECK(tidemill_run_input_callback(run, read_piece, &in, name, &error) == 0);
    CHECK(tidemill_run_output_callback(run, write_text, t, &error) == 0);
    tidemill_run_on_message(run, on_message, &messages);
    memset(&error, 0, sizeof error);
    int status = tidemill_run_wait(run, &error);
    tidemill_run_stats(run, &stats);
    tidemill_run_free(run);
    add(t, messages.p, messages.n);
    size_t n = (size_t)snprintf(line, sizeof line,
                                "status %d %s\nread %ju kept %ju failed %ju written %ju\n", status,
                                error.message, (uintmax_t)stats.read, (uintmax_t)stats.kept,
                                (uintmax_t)stats.failed, (uintmax_t)stats.written);
    add(t, line, n);
    add_file(t, quarantine);
    free(messages.p);
}

/* ---- every cut, every size of chunks ---- */

static struct file {
    char name[16];
    char *p;
    size_t n;
    struct text wanted[DIALECTS];
} * files;
static size_t files_n;
static unsigned long runs;

/* Has the file, in this way, the account that is wanted? */
static void expect_same(const struct file *f, size_t d, const struct lane *lane,
                        const struct how *how, size_t cut)
{
    static struct text seen;
    const struct text *wanted = &f->wanted[d];
    account(&seen, lane, f->name, (struct pieces){f->p, f->n, cut});
    runs++;
    if (seen.n == wanted->n && memcmp(wanted->p, seen.p, seen.n) == 0)
        return;
    fprintf(stderr, "%s, dialect %zu, %s workers, chunks of %s, cut at %zu\n", f->name, d,
            how->workers, how->chunk, cut);
    fprintf(stderr, "wanted:\n%.*s\nseen:\n%.*s\n", (int)wanted->n, wanted->p, (int)seen.n, seen.p);
    exit(1);
}

static void cut_everywhere(const char *name, const char *p, size_t n)
{
    files = realloc(files, (files_n + 1) * sizeof *files);
    CHECK(files);
    struct file *f = &files[files_n++];
    *f = (struct file){.n = n, .p = malloc(n + 1)};
    CHECK(f->p);
    memcpy(f->p, p, n);
    snprintf(f->name, sizeof f->name, "%s", name);
    for (size_t d = 0; d < DIALECTS; d++) {
        account(&f->wanted[d], &lanes[d][0], name, (struct pieces){p, n, 0});
        for (size_t how = 0; how < HOWS; how++)
            for (size_t cut = how == 0; cut < n; cut++)
                expect_same(f, d, &lanes[d][how], &hows[how], cut);
    }
}

/* All files that are not smaller, with chunks of this size; how many there were. */
static size_t chunk_files(size_t size, const char *workers)
{
    char chunk[24];
    size_t used = 0;
    snprintf(chunk, sizeof chunk, "%zuB", size);
    const struct how how = {workers, chunk};
    for (size_t d = 0; d < DIALECTS; d++) {
        struct lane lane;
        open_lane(&lane, dialects[d].settings, &how);
        for (size_t i = 0; i < files_n; i++)
            if (files[i].n >= size) {
                expect_same(&files[i], d, &lane, &how, 0);
                used++;
            }
        close_lane(&lane);
    }
    return used;
}

#define FILE_OF(name, text)         \
    {                               \
        name, text, sizeof text - 1 \
    }

static const struct {
    const char *name, *p;
    size_t n;
} built_in[] = {
    FILE_OF("in.csv", "\xef\xbb\xbf"
                      "a,b\r\n1,\"x\r\ny\"\r\n\n#c\r\n2,\"\"\"\"\n3,5\" p\n4,\"x\"y\n5"),
    FILE_OF("in.csv", "a,a\n1,2\n\"x\n"),
    FILE_OF("in.tsv", "a\tb\n1\\t2\t\\\\\r\n\"q\t\n#c\tx\n\nend"),
    FILE_OF(
        "in.jsonl",
        "\xef\xbb\xbf{\"a\": 1, \"b\": [\"\xc3\xa9\", {}]}\r\n \n{\"a\":01}\n[1]\n{\"c\":null}"),
    FILE_OF("in.json",
            " [ {\"a\" : 1} ,\r\n{\"b\":\"]\\\\\\\"\xe2\x82\xac\"}\n,1,{\"b\":01},{}]\n"),
    FILE_OF("in.json", "[{\"a\":1},{\"b\":[2]} {\"c\":3}]"),
    FILE_OF("in.txt", "one\r\n\n\xe9two\rx\nthree"),
};

static const char *const extensions[] = {".csv", ".tsv", ".jsonl", ".json", ".txt"};
#define EXTENSIONS (sizeof extensions / sizeof *extensions)

static void cut_file(const char *path)
{
    static char data[8192];
    char name[16];
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    size_t n = fread(data, 1, sizeof data, file);
    CHECK(n < sizeof data); /* all of it */
    fclose(file);
    for (size_t i = 0; i < EXTENSIONS; i++) {
        snprintf(name, sizeof name, "in%s", extensions[i]);
        cut_everywhere(name, data, n);
    }
}

static bool is_data(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < EXTENSIONS; i++)
        if (strcmp(dot, extensions[i]) == 0)
            return true;
    return strstr(path, "/corpus/csv/") || strstr(path, "/corpus/tsv/") ||
           strstr(path, "/corpus/json/");
}

static void cut_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
            cut_folder(name);
        else if (entry->d_name[0] != '.' && is_data(name))
            cut_file(name);
    }
    closedir(folder);
}

int main(void)
{
    strcpy(quarantine, "/tmp/tidemill-cuts.XXXXXX");
    int fd = mkstemp(quarantine);
    CHECK(fd >= 0);
    close(fd);
    for (size_t d = 0; d < DIALECTS; d++)
        for (size_t how = 0; how < HOWS; how++)
            open_lane(&lanes[d][how], dialects[d].settings, &hows[how]);
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        cut_everywhere(built_in[i].name, built_in[i].p, built_in[i].n);
    if (getenv("TIDEMILL_LONG")) {
        cut_folder(TIDEMILL_SOURCE_DIR "/tests/fuzz/corpus");
        cut_folder(TIDEMILL_SOURCE_DIR "/tests/cases");
    }
    for (size_t size = 1; chunk_files(size, "1") && chunk_files(size, "3");)
        size++;
    for (size_t d = 0; d < DIALECTS; d++)
        for (size_t how = 0; how < HOWS; how++)
            close_lane(&lanes[d][how]);
    unlink(quarantine);
    for (size_t i = 0; i < files_n; i++) {
        for (size_t d = 0; d < DIALECTS; d++)
            free(files[i].wanted[d].p);
        free(files[i].p);
    }
    free(files);
    printf("%lu runs over %zu files\n", runs, files_n);
    return 0;
}
