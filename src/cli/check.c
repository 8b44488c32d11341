/*
 * tidemill check: everything that can be known about a job without running it.
 */
#include "cli/cli.h"

static void show_warning(void *context, int level, const char *text, size_t length)
{
    (void)context;
    tm_say("%s%.*s", level == TIDEMILL_LOG_WARNING ? "warning: " : "", (int)length, text);
}

int tm_command_check(struct options *o)
{
    const char *path = o->operands[0];
    tidemill_error error = {.status = TIDEMILL_E_MEMORY, .message = "out of memory"};
    tidemill_job *job = tidemill_job_new();
    int result;

    if (job == NULL || tidemill_job_load(job, path, &error) != TIDEMILL_OK)
        result = tm_say_problems(job, &error);
    else if ((result = tm_job_configure(job, o)) != EXIT_DONE)
        ; /* said */
    else if (tidemill_job_open(job, &error) != TIDEMILL_OK ||
             tidemill_job_check(job, show_warning, NULL, &error) != TIDEMILL_OK)
        result = tm_say_problems(job, &error);
    else
        printf("%s: ok\n", path);
    tidemill_job_free(job);
    return result;
}
