/*
 * What the files of the command share. The command is one host of libtidemill: it includes
 * tidemill.h and nothing else of ours (but to know of sanitizers), and it alone prints, exits and takes signals.
 */
#ifndef TM_CLI_CLI_H
#define TM_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tidemill.h"

/* Exit statuses; a signal adds its number to EXIT_SIGNAL, as shells count. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

/* ---- options.c: what the command line says ---- */

/* Which options a command takes. */
enum { TAKES_JOB = 1, TAKES_RUN = 2 };

struct setting {
    const char *key, *value;
};

struct options {
    struct setting *settings; /* for the job, in the order given; later ones win */
    size_t settings_n;
    const char *stats; /* file for the counts, or NULL */
    bool quiet, help;
    char **operands; /* what is no option; points into argv */
    int operands_n;
};

struct command;

/* Fills `o`; on a mistake says it and returns EXIT_USAGE. Release in any case. */
int tm_options_parse(struct options *o, const struct command *command, int argc, char **argv);
void tm_options_release(struct options *o);
/* The options that a command takes, as rows of its help. */
void tm_options_help(FILE *out, unsigned takes);

/* ---- main.c: the commands ---- */

struct command {
    const char *name;
    const char *operands; /* as usage shows them */
    const char *summary;  /* half a line */
    const char *details;  /* the text of `help NAME`, with its line ends */
    unsigned takes;
    int operands_min, operands_max; /* max -1: any number */
    int (*run)(struct options *o);
};

extern const struct command tm_commands[]; /* ends with a NULL name */

/* The command of this name; else says that there is none, with what was perhaps meant, and NULL. */
const struct command *tm_command_find(const char *name);

int tm_command_run(struct options *o);
int tm_command_each(struct options *o);
int tm_command_check(struct options *o);
int tm_command_help(struct options *o);
int tm_command_version(struct options *o);

void tm_help_usage(FILE *out);
void tm_help_command(FILE *out, const struct command *command);

/* ---- message.c: lines on standard error ---- */

/* One line with "tidemill: " in front. */
void tm_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An error as a line, place first. */
void tm_say_error(const tidemill_error *error);
/* The exit status for a status of the library. */
int tm_exit_status(int status);
/* Says every problem of a job, or `error` when it has none listed; returns the exit status. */
int tm_say_problems(const tidemill_job *job, const tidemill_error *error);
/* `word` among `names` (NULL at the end) with at most two slips, or NULL. */
const char *tm_cli_suggest(const char *word, const char *const *names);

/* ---- execute.c: a job from its options to the exit status ---- */

/* Gives the settings of the command line to the job; all that are wrong are said. */
int tm_job_configure(tidemill_job *job, const struct options *o);
/* Open and run; counts, messages and signals included. Returns the exit status. */
int tm_job_execute(tidemill_job *job, const struct options *o, char **inputs, int inputs_n);

/* ---- signals.c ---- */

/* From here on the first SIGINT or SIGTERM stops `run`, the second kills. */
void tm_signals_watch(tidemill_run *run);
/* The signal that came since then, or 0. */
int tm_signals_caught(void);
/* Back to before. Returns the signal that came, or 0. */
int tm_signals_unwatch(void);
/* Die of SIGPIPE, whatever was made of it before. */
void tm_signals_die_of_pipe(void);

/* ---- progress.c: the line that tells how far a run is, and the summary ---- */

struct progress {
    bool on;                /* may be drawn at all */
    bool shown;             /* is on the screen now */
    bool midline;           /* the script left the cursor inside a line of its own: keep off */
    bool terminal;          /* standard error is one */
    int64_t started, drawn; /* ns */
};

void tm_progress_init(struct progress *p, bool quiet, bool output_on_terminal);
/* Draw, at most five times a second. */
void tm_progress_draw(struct progress *p, const tidemill_stats *stats);
/* Take the line off the screen: a message comes. */
void tm_progress_hide(struct progress *p);
double tm_progress_seconds(const struct progress *p);
void tm_progress_summary(const struct progress *p, const tidemill_stats *stats);

/* ---- stats.c: the counts as JSON ---- */

struct stats_file {
    FILE *file; /* NULL: none is wanted */
    const char *path;
};

/*
 * Opened before the run, so that a path which cannot be written is known before the work, or one that the
 * run reads or writes.
 */
int tm_stats_open(struct stats_file *s, const char *path, tidemill_job *job, char **inputs,
                  int inputs_n);
/* Written and closed; EXIT_DONE or, after a message, EXIT_FAILED. */
int tm_stats_write(struct stats_file *s, const tidemill_stats *stats, double seconds);

#endif
