/*
 * The counts of a run as a JSON object in a file, for the program that started us.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

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

int tm_stats_open(struct stats_file *s, const char *path)
{
    *s = (struct stats_file){.path = path};
    if (path == NULL)
        return EXIT_DONE;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && is_precious(path)) {
        tm_say("cannot write '%s': it holds something else than the counts of a run", path);
        return EXIT_FAILED;
    }
    s->file = fopen(path, "we");
    return s->file ? EXIT_DONE : refused(s, errno);
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
