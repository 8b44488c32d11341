/*
 * The command line: argv flows in, a struct options flows out. One table declares every option for
 * the parser and for the help; most are short ways to set an option of the job.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { LETTER_SET = 256, LETTER_STATS }; /* options without a letter */

static const struct option_row {
    const char *name;
    int letter;
    const char *argument; /* NULL: takes none */
    const char *key;      /* the job's option that it sets, or NULL */
    unsigned takes;       /* commands that take any of these */
    const char *help;
} rows[] = {
    {"output", 'o', "FILE", "output.path", TAKES_RUN, "write to FILE; '-' is standard output"},
    {"input-format", 'i', "FORMAT", "input.format", TAKES_RUN, "the input is csv, jsonl, ..."},
    {"output-format", 't', "FORMAT", "output.format", TAKES_RUN,
     "the output is to be csv, jsonl, table, ..."},
    {"workers", 'w', "N", "workers", TAKES_RUN, "so many worker processes"},
    {"set", LETTER_SET, "KEY=VALUE", NULL, TAKES_JOB | TAKES_RUN,
     "set any option of the job ('tidemill help job' lists them)"},
    {"stats", LETTER_STATS, "FILE", NULL, TAKES_RUN, "write the counts to FILE as JSON"},
    {"quiet", 'q', NULL, NULL, TAKES_RUN, "no progress, no summary; warnings and errors only"},
    {"help", 'h', NULL, NULL, ~0u, "this text"},
};

enum { ROWS = sizeof rows / sizeof *rows };

static bool taken(const struct option_row *row, unsigned takes)
{
    return row->takes == ~0u || (row->takes & takes) != 0;
}

static const struct option_row *row_of(int letter)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

/* The rows in the form that getopt_long wants. `letters` has room for 2 + 2 * ROWS. */
static void declare(unsigned takes, struct option *longs, char *letters)
{
    *letters++ = ':'; /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &rows[i];
        if (!taken(row, takes))
            continue;
        *longs++ = (struct option){row->name, row->argument ? required_argument : no_argument, NULL,
                                   row->letter};
        if (row->letter < 256) {
            *letters++ = (char)row->letter;
            if (row->argument)
                *letters++ = ':';
        }
    }
    *longs = (struct option){0};
    *letters = '\0';
}

static int unknown(const struct command *command, const char *word)
{
    const char *names[ROWS + 1];
    char name[64] = "";
    size_t n = 0, length = strcspn(word, "=");
    for (size_t i = 0; i < ROWS; i++)
        if (taken(&rows[i], command->takes))
            names[n++] = rows[i].name;
    names[n] = NULL;
    if (length > 2 && word[1] == '-')
        snprintf(name, sizeof name, "%.*s", (int)length - 2, word + 2);
    const char *meant = tm_cli_suggest(name, names);
    if (meant)
        tm_say("unknown option '%.*s' (did you mean '--%s'?)", (int)length, word, meant);
    else
        tm_say("unknown option '%.*s' (see 'tidemill help %s')", (int)length, word, command->name);
    return EXIT_USAGE;
}

/* What getopt_long refused: `word` is the argument that it stood at, `letter` its optopt. */
static int refuse(const struct command *command, const char *word, int letter, bool missing)
{
    const struct option_row *row = letter ? row_of(letter) : NULL;
    char text[] = {'-', (char)letter, '\0'};
    if (row == NULL || !taken(row, command->takes))
        return unknown(command, letter ? text : word);
    if (missing)
        tm_say("option '--%s' wants %s", row->name, row->argument);
    else
        tm_say("option '--%s' takes no value", row->name);
    return EXIT_USAGE;
}

static int add_setting(struct options *o, const char *key, const char *value)
{
    struct setting *grown = realloc(o->settings, (o->settings_n + 1) * sizeof *grown);
    if (grown == NULL) {
        tm_say("out of memory");
        return EXIT_FAILED;
    }
    o->settings = grown;
    o->settings[o->settings_n++] = (struct setting){key, value};
    return EXIT_DONE;
}

/* KEY=VALUE is cut in place: argv is ours. */
static int add_pair(struct options *o, char *pair)
{
    char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        tm_say("option '--set' wants KEY=VALUE, not '%s'", pair);
        return EXIT_USAGE;
    }
    *equals = '\0';
    return add_setting(o, pair, equals + 1);
}

static int accept_option(struct options *o, const struct option_row *row, char *value)
{
    if (row->key)
        return add_setting(o, row->key, value);
    switch (row->letter) {
    case LETTER_SET:
        return add_pair(o, value);
    case LETTER_STATS:
        o->stats = value;
        break;
    case 'q':
        o->quiet = true;
        break;
    case 'h':
        o->help = true;
        break;
    }
    return EXIT_DONE;
}

static int count_operands(const struct options *o, const struct command *command)
{
    const char *operands = command->operands;
    if (o->help)
        return EXIT_DONE;
    if (o->operands_n < command->operands_min) {
        tm_say("%.*s is missing (usage: tidemill %s %s)", (int)strcspn(operands, " "), operands,
               command->name, operands);
        return EXIT_USAGE;
    }
    if (command->operands_max >= 0 && o->operands_n > command->operands_max) {
        tm_say("unexpected '%s' (usage: tidemill %s%s%s)", o->operands[command->operands_max],
               command->name, *operands ? " " : "", operands);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

int tm_options_parse(struct options *o, const struct command *command, int argc, char **argv)
{
    struct option longs[ROWS + 1];
    char letters[2 + 2 * ROWS];
    int status = EXIT_DONE, letter;

    *o = (struct options){0};
    declare(command->takes, longs, letters);
    opterr = 0;
    optind = 0;
    while (status == EXIT_DONE && (letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (letter == '?' || letter == ':')
            status = refuse(command, argv[optind - 1], optopt, letter == ':');
        else
            status = accept_option(o, row_of(letter), optarg);
    }
    if (status != EXIT_DONE)
        return status;
    o->operands = argv + optind;
    o->operands_n = argc - optind;
    return count_operands(o, command);
}

void tm_options_release(struct options *o)
{
    free(o->settings);
    o->settings = NULL;
    o->settings_n = 0;
}

void tm_options_help(FILE *out, unsigned takes)
{
    fputs("\noptions:\n", out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &rows[i];
        char left[64], letter[] = {'-', (char)row->letter, ',', ' ', '\0'};
        if (!taken(row, takes))
            continue;
        snprintf(left, sizeof left, "%s--%s%s%s", row->letter < 256 ? letter : "    ", row->name,
                 row->argument ? " " : "", row->argument ? row->argument : "");
        fprintf(out, "  %-28s %s\n", left, row->help);
    }
}
