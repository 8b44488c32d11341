/*
 * tidemill each: a job of one line of Lua.
 */
#include "cli/cli.h"

int tm_command_each(struct options *o)
{
    tidemill_error error = {.status = TIDEMILL_E_MEMORY, .message = "out of memory"};
    tidemill_job *job = tidemill_job_new();
    const char *code = *o->operands[0] ? o->operands[0] : " "; /* "" is as good as not given */
    int result;

    if (job == NULL || tidemill_job_set(job, "transform.each", code, &error) != TIDEMILL_OK)
        result = tm_say_problems(job, &error);
    else if ((result = tm_job_configure(job, o)) == EXIT_DONE)
        result = tm_job_execute(job, o, o->operands + 1, o->operands_n - 1);
    tidemill_job_free(job);
    return result;
}
