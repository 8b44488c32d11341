/*
 * A job from the settings of the command line to the exit status: opened, run with its progress
 * and messages shown, and told about at the end. The caller keeps the job.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* Records in hand that take longer than this after an interrupt are worth a word. */
#define HINT_MS 1000

int tm_job_configure(tidemill_job *job, const struct options *o)
{
    int worst = EXIT_DONE;
    for (size_t i = 0; i < o->settings_n; i++) {
        tidemill_error error;
        if (tidemill_job_set(job, o->settings[i].key, o->settings[i].value, &error) == TIDEMILL_OK)
            continue;
        tm_say_error(&error);
        worst = tm_exit_status(error.status);
    }
    return worst;
}

/* Messages come from inside tidemill_run_step, in record order. */
static void show_message(void *context, int level, const char *text, size_t length)
{
    struct progress *progress = context;
    if (length == 0)
        return;
    tm_progress_hide(progress);
    if (level == TIDEMILL_LOG_SCRIPT) {
        fwrite(text, 1, length, stderr);
        progress->midline = text[length - 1] != '\n';
        if (progress->midline)
            fflush(stderr);
        return;
    }
    if (progress->midline)
        fputc('\n', stderr);
    progress->midline = false;
    fputs(level == TIDEMILL_LOG_WARNING ? "tidemill: warning: " : "tidemill: ", stderr);
    fwrite(text, 1, length, stderr);
    fputc('\n', stderr);
}

static int add_inputs(tidemill_run *run, char **inputs, int n, tidemill_error *error)
{
    for (int i = 0; i < n; i++) {
        int status = tidemill_run_input_path(run, inputs[i], error);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

/* How long a step may wait: a terminal sees progress, and who interrupted sees why nothing ends. */
static int step_time(const struct progress *progress, bool hint)
{
    return progress->on ? 100 : hint ? HINT_MS : -1;
}

static int go(tidemill_run *run, struct progress *progress, tidemill_error *error)
{
    int status;
    double since = 0;
    bool told = false;
    while ((status = tidemill_run_step(run, step_time(progress, since > 0 && !told), error)) ==
           TIDEMILL_AGAIN) {
        if (tm_signals_caught() && since == 0)
            since = tm_progress_seconds(progress);
        if (since > 0 && !told && tm_progress_seconds(progress) - since >= HINT_MS / 1000.0) {
            told = true;
            tm_progress_hide(progress);
            tm_say("waiting for the records in hand; the same signal once more ends at once");
        }
        if (progress->on) {
            tidemill_stats stats;
            tidemill_run_stats(run, &stats);
            tm_progress_draw(progress, &stats);
        }
    }
    return status;
}

static bool to_standard_output(tidemill_job *job)
{
    const char *path = tidemill_job_get(job, "output.path");
    return path != NULL && strcmp(path, "-") == 0;
}

/* What ended the run, as a line, and as an exit status. */
static int tell_end(struct progress *progress, const tidemill_error *error, int status, int number)
{
    tm_progress_hide(progress);
    if (progress->midline)
        fputc('\n', stderr);
    if (status == TIDEMILL_OK)
        return EXIT_DONE;
    /* A terminal interrupts the workers as well: then their end is ours. */
    if (number != 0 && (status == TIDEMILL_E_STOPPED || status == TIDEMILL_E_WORKER)) {
        tm_say(number == SIGINT ? "interrupted" : "terminated");
        return EXIT_SIGNAL + number;
    }
    tm_say_error(error);
    return tm_exit_status(status);
}

/* A run that has its inputs. What is written where the reader has gone away ends us silently. */
static int run_and_tell(tidemill_run *run, const struct options *o, struct stats_file *counts,
                        bool standard_output, bool *reader_gone)
{
    struct progress progress;
    tidemill_error error = {0};
    tidemill_stats stats;

    tm_progress_init(&progress, o->quiet, standard_output && isatty(STDOUT_FILENO));
    tidemill_run_on_message(run, show_message, &progress);
    tm_signals_watch(run);
    int status = go(run, &progress, &error);
    int number = tm_signals_unwatch();
    tidemill_run_stats(run, &stats);
    *reader_gone = standard_output && status == TIDEMILL_E_OUTPUT && error.system_errno == EPIPE;
    int result = EXIT_FAILED;
    if (*reader_gone) {
        tm_progress_hide(&progress);
    } else {
        result = tell_end(&progress, &error, status, number);
        if (!o->quiet)
            tm_progress_summary(&progress, &stats);
    }
    int written = tm_stats_write(counts, &stats, tm_progress_seconds(&progress));
    return result != EXIT_DONE ? result : written;
}

int tm_job_execute(tidemill_job *job, const struct options *o, char **inputs, int inputs_n)
{
    tidemill_error error = {0};
    tidemill_run *run = NULL;
    struct stats_file counts = {0};
    bool reader_gone = false;
    int result;

    if (tidemill_job_log_fd(job, STDERR_FILENO, &error) != TIDEMILL_OK ||
        tidemill_job_open(job, &error) != TIDEMILL_OK)
        return tm_say_problems(job, &error);
    result = tm_stats_open(&counts, o->stats, job, inputs, inputs_n);
    if (result != EXIT_DONE)
        return result;
    run = tidemill_run_new(job, NULL, &error);
    if (run == NULL || add_inputs(run, inputs, inputs_n, &error) != TIDEMILL_OK) {
        tm_say_error(&error);
        tm_stats_write(&counts, &(tidemill_stats){0}, 0);
        result = tm_exit_status(error.status);
    } else {
        result = run_and_tell(run, o, &counts, to_standard_output(job), &reader_gone);
    }
    tidemill_run_free(run);
    if (reader_gone)
        tm_signals_die_of_pipe();
    return result;
}
