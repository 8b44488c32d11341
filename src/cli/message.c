/*
 * Lines on standard error: what goes wrong, one line each, place first.
 */
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"

void tm_say(const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "tidemill: %s\n", line);
}

void tm_say_error(const tidemill_error *error)
{
    char text[sizeof error->file + sizeof error->message + 128];
    tidemill_error_text(error, text, sizeof text);
    tm_say("%s", text);
}

int tm_exit_status(int status)
{
    switch (status) {
    case TIDEMILL_OK:
        return EXIT_DONE;
    case TIDEMILL_E_SPEC:
    case TIDEMILL_E_ARGUMENT:
        return EXIT_USAGE;
    default:
        return EXIT_FAILED;
    }
}

int tm_say_problems(const tidemill_job *job, const tidemill_error *error)
{
    size_t count = error->status == TIDEMILL_E_SPEC ? tidemill_job_problems(job) : 0;
    tidemill_error problem;
    for (size_t i = 0; i < count; i++)
        if (tidemill_job_problem(job, i, &problem) == TIDEMILL_OK)
            tm_say_error(&problem);
    if (count == 0)
        tm_say_error(error);
    return tm_exit_status(error->status);
}

enum { WORD_MAX = 31 };

/* How many letters must change, come, go or trade places with the next: "optimal alignment". */
static int slips(const char *a, const char *b)
{
    int d[WORD_MAX + 1][WORD_MAX + 1];
    int n = (int)strlen(a), m = (int)strlen(b);
    for (int i = 0; i <= n; i++)
        for (int j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *tm_cli_suggest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    int least = strlen(word) < 4 ? 1 : 2;
    if (strlen(word) > WORD_MAX)
        return NULL;
    for (; *names; names++) {
        int count = slips(word, *names);
        if (count <= least && (nearest == NULL || count < least)) {
            nearest = *names;
            least = count;
        }
    }
    return nearest;
}
