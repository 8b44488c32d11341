/*
 * The counts of a run as a JSON object in a file, for the program that started us.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/* What every file of ours begins with. */
#define COUNTS_START "{\"read\": "

static int refused(const struct stats_file *s, int number)
{
    tm_say("cannot write '%s': %s", s->path, strerror(number));
    return EXIT_FAILED;
}

/* Does the file hold something else than counts? It may be an input, and is nobody's to empty. */
static bool is_precious(const char *path)
{
    char start[sizeof COUNTS_START] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t n = fread(start, 1, sizeof COUNTS_START - 1, file);
    fclose(file);
    return n > 0 && strcmp(start, COUNTS_START) != 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_file(const struct stat *st, const char *path)
{
    struct stat other;
    return path != NULL && stat(path, &other) == 0 && is_same(st, &other);
}

/* The file that we made is taken away again: not a link that leads to it. */
static void take_away(const char *path)
{
    char *file = realpath(path, NULL);
    if (file)
        unlink(file);
    free(file);
}

/* What else the file of this path is to the run, if it is a file; NULL: nothing. */
static const char *other_use(const char *path, tidemill_job *job, char **inputs, int inputs_n)
{
    static const struct {
        const char *option, *use;
    } options[] = {{"output.path", "the output"},
                   {"errors.quarantine", "the quarantine"},
                   {"input.path", "an input"},
                   {"transform.script", "the script"}};
    struct stat st, standard;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    if (fstat(STDIN_FILENO, &standard) == 0 && is_same(&st, &standard))
        return "an input";
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (is_file(&st, tidemill_job_get(job, options[i].option)))
            return options[i].use;
    for (int i = 0; i < inputs_n; i++)
        if (is_file(&st, inputs[i]))
            return "an input";
    const char *output = tidemill_job_get(job, "output.path");
    bool written = output != NULL && strcmp(output, "-") == 0 &&
                   fstat(STDOUT_FILENO, &standard) == 0 && is_same(&st, &standard);
    return written ? "the output" : NULL;
}

static int is_used(const char *path, const char *use)
{
    tm_say("cannot write the counts to '%s': it is %s", path, use);
    return EXIT_FAILED;
}

int tm_stats_open(struct stats_file *s, const char *path, tidemill_job *job, char **inputs,
                  int inputs_n)
{
    struct stat st;
    *s = (struct stats_file){.path = path};
    if (path == NULL)
        return EXIT_DONE;
    bool is_new = stat(path, &st) != 0;
    const char *use = other_use(path, job, inputs, inputs_n);
    if (use != NULL)
        return is_used(path, use);
    if (!is_new && S_ISREG(st.st_mode) && is_precious(path)) {
        tm_say("cannot write '%s': it holds something else than the counts of a run", path);
        return EXIT_FAILED;
    }
    s->file = fopen(path, "we");
    if (s->file == NULL)
        return refused(s, errno);
    /* Now that it is there, another name for it is seen to be one. */
    use = is_new ? other_use(path, job, inputs, inputs_n) : NULL;
    if (use == NULL)
        return EXIT_DONE;
    fclose(s->file);
    s->file = NULL;
    take_away(path);
    return is_used(path, use);
}

int tm_stats_write(struct stats_file *s, const tidemill_stats *stats, double seconds)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"read", stats->read},           {"kept", stats->kept},       {"dropped", stats->dropped},
        {"failed", stats->failed},       {"written", stats->written}, {"bytes_in", stats->bytes_in},
        {"bytes_out", stats->bytes_out}, {"workers", stats->workers}, {"deaths", stats->deaths},
    };
    if (s->file == NULL)
        return EXIT_DONE;
    errno = 0;
    fputc('{', s->file);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(s->file, "\"%s\": %" PRIu64 ", ", rows[i].name, rows[i].count);
    fprintf(s->file, "\"seconds\": %.6f}\n", seconds);
    int failed = ferror(s->file);
    failed |= fclose(s->file);
    s->file = NULL;
    return failed ? refused(s, errno) : EXIT_DONE;
}
