/*
 * Opening a job: its options are final, its script is read, and what workers need to know stands in
 * one plan.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/cpus.h"
#include "run.h"

#define SCRIPT_MAX ((size_t)16 << 20)

/* A whole file; E_SPEC when it cannot be read. */
static int read_script(struct buf *out, const char *path, err *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return tm_err_errno(e, TIDEMILL_E_SPEC, errno, "cannot read the script '%s'", path);
    size_t got = 1;
    while (got && out->n <= SCRIPT_MAX && buf_reserve(out, 16384)) {
        got = fread(out->p + out->n, 1, out->cap - out->n, f);
        out->n += got;
    }
    int number = ferror(f) ? errno : 0;
    fclose(f);
    if (number)
        return tm_err_errno(e, TIDEMILL_E_SPEC, number, "cannot read the script '%s'", path);
    if (out->failed)
        return tm_err_memory(e, "the script");
    if (out->n > SCRIPT_MAX)
        return tm_err_set(e, TIDEMILL_E_SPEC, "the script '%s' is larger than 16 MiB", path);
    return TIDEMILL_OK;
}

/* The folder that a path names a file in, malloc'ed. */
static char *folder_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

static int name_script(struct tidemill_job *job, const char *chunk_name, const char *beside, err *e)
{
    job->chunk_name = strdup(chunk_name);
    job->folder = folder_of(beside);
    return job->chunk_name && job->folder ? TIDEMILL_OK : tm_err_memory(e, "the script");
}

static int open_script(struct tidemill_job *job, err *e)
{
    const struct spec_values *v = &job->spec.values;
    struct plan *plan = &job->plan;
    plan->form = v->transform.each ? SCRIPT_EACH : SCRIPT_FILE;
    plan->first_line = 1;
    if (v->transform.script) {
        int status = read_script(&job->script, v->transform.script, e);
        if (status != TIDEMILL_OK) {
            tm_spec_locate(&job->spec, "transform.script", e);
            return status;
        }
        return name_script(job, v->transform.script, v->transform.script, e);
    }
    const char *text = v->transform.each ? v->transform.each : v->transform.inline_text;
    buf_slice(&job->script, slice_of(text));
    if (job->script.failed)
        return tm_err_memory(e, "the script");
    if (v->transform.each)
        return name_script(job, "each", NULL, e);
    if (!job->spec.inline_line)
        return name_script(job, "transform.inline", job->spec.file, e);
    plan->first_line = job->spec.inline_line;
    return name_script(job, job->spec.file, job->spec.file, e);
}

static const struct format *format_named(const char *name)
{
    return name ? tm_format_find(slice_of(name)) : NULL;
}

int tm_job_open(struct tidemill_job *job, err *e)
{
    const struct spec_values *v = &job->spec.values;
    int status = tm_spec_check(&job->spec, e);
    if (status != TIDEMILL_OK)
        return status;
    if (job->functions_n && v->isolation == ISOLATION_EXEC)
        return tm_err_set(e, TIDEMILL_E_SPEC,
                          "isolation exec cannot have functions of the host: '%s' lives in its "
                          "memory only",
                          job->functions[0].name);
    tm_buf_init(&job->script);
    status = open_script(job, e);
    if (status != TIDEMILL_OK) {
        tm_buf_release(&job->script);
        free(job->chunk_name);
        free(job->folder);
        job->chunk_name = job->folder = NULL;
        return status;
    }
    struct plan *plan = &job->plan;
    plan->spec = &job->spec;
    plan->script = buf_view(&job->script);
    plan->chunk_name = job->chunk_name;
    plan->folder = job->folder;
    plan->functions = job->functions;
    plan->functions_n = job->functions_n;
    plan->workers = v->workers ? v->workers : tm_cpus();
    plan->input = format_named(v->input.format);
    plan->output = format_named(v->output.format);
    plan->log_fd = job->log_fd;
    job->opened = true;
    return TIDEMILL_OK;
}

struct listener {
    tidemill_message_fn message;
    void *context;
    bool typed; /* cells are typed when touched, which is what the warnings are about */
};

static void listen(void *context, int level, struct slice text)
{
    const struct listener *l = context;
    if (l->message && l->typed)
        l->message(l->context, level, text.p ? text.p : "", text.n);
}

int tm_job_check(const struct tidemill_job *job, tidemill_message_fn message, void *context, err *e)
{
    struct tidemill_run run;
    struct listener listener = {.message = message, .context = context};
    int status = tm_run_init(&run, &job->plan, NULL, e);
    if (status != TIDEMILL_OK)
        return status;
    status = tm_run_check(&run, &listener.typed, e);
    if (status == TIDEMILL_OK)
        status = tm_pool_check(run.pool, listen, &listener, e);
    tm_run_release(&run);
    return status;
}
