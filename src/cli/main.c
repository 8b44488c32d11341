/*
 * The command: a table of commands, and the way from argv to one of them and to the exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitized.h"
#include "cli/cli.h"

const struct command tm_commands[] = {
    {"run", "JOB.yaml [INPUT...]", "run a job",
     "Runs the job over its inputs, or over those given here. '-' is standard input.\n", TAKES_RUN,
     1, -1, tm_command_run},
    {"each", "CODE [INPUT...]", "run a line of Lua over every record",
     "CODE sees the record as r and its surroundings as ctx. It may change r, tell by a\n"
     "condition which records stay, or return what is to be written:\n"
     "\n"
     "  tidemill each 'r.total = r.price * r.count' orders.csv\n"
     "  tidemill each 'r.status >= 500' -t table access.jsonl\n"
     "  zcat big.csv.gz | tidemill each -i csv -t jsonl 'return {id = r.id}'\n"
     "\n"
     "Without INPUT it reads standard input, whose format -i names.\n",
     TAKES_RUN, 1, -1, tm_command_each},
    {"check", "JOB.yaml", "say what is wrong with a job, without running it",
     "Reads the job file, compiles its script, and looks for its inputs and output.\n", TAKES_JOB,
     1, 1, tm_command_check},
    {"help", "[job | lua | COMMAND]", "explain the job file, the scripts, or a command",
     "'tidemill help job' lists every option of a job file, 'tidemill help lua' shows on one\n"
     "page how to write scripts.\n",
     0, 0, 1, tm_command_help},
    {"version", "", "print the version", "", 0, 0, 0, tm_command_version},
    {0},
};

const struct command *tm_command_find(const char *name)
{
    const char *names[sizeof tm_commands / sizeof *tm_commands];
    size_t n = 0;
    for (const struct command *c = tm_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
        names[n++] = c->name;
    }
    names[n] = NULL;
    const char *meant = tm_cli_suggest(name, names);
    if (meant)
        tm_say("unknown command '%s' (did you mean '%s'?)", name, meant);
    else
        tm_say("unknown command '%s' (see 'tidemill help')", name);
    return NULL;
}

/*
 * A file opened later must not become standard input, output or error. A closed one of these is
 * held by a descriptor whose use fails with EBADF as before (O_PATH in open(2); of a regular file,
 * as the library looks at the kind). But who closed standard error wants to see nothing.
 */
static int hold_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int held = fd == STDERR_FILENO ? open("/dev/null", O_WRONLY)
                                       : open("/proc/self/exe", O_PATH);
        if (held < 0)
            held = open("/", O_PATH);
        if (held != fd)
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct options options;
    int result = tm_options_parse(&options, command, argc, argv);
    if (result == EXIT_DONE && options.help)
        tm_help_command(stdout, command);
    else if (result == EXIT_DONE)
        result = command->run(&options);
    tm_options_release(&options);
    return result;
}

/* What we printed must have arrived; the records themselves are the library's care. */
static int close_streams(int result)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        tm_say("cannot write standard output: %s", strerror(errno));
        result = result == EXIT_DONE ? EXIT_FAILED : result;
    }
    if ((fflush(stderr) != 0 || ferror(stderr)) && result == EXIT_DONE)
        result = EXIT_FAILED;
    return result;
}

/*
 * Nothing is left for exit(3) to do: it would go through all libraries, and touch pages of each, for as long as a
 * twentieth of a small job. (A build with sanitizers looks for leaks there.)
 */
static void __attribute__((noreturn)) leave(int result)
{
    if (SANITIZED)
        exit(result);
    _exit(result);
}

/* `tidemill --help` and `tidemill --version`, as every command has them. */
static const char *command_name(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

int main(int argc, char **argv)
{
    static char lines[64 << 10];
    if (hold_standard_descriptors() != EXIT_DONE)
        return EXIT_FAILED;
    /* A line is one write(2), which no other process's line comes between. */
    setvbuf(stderr, lines, _IOLBF, sizeof lines);
    if (argc < 2) {
        tm_help_usage(stderr);
        return EXIT_USAGE;
    }
    const struct command *command = tm_command_find(command_name(argv[1]));
    if (command == NULL)
        return EXIT_USAGE;
    leave(close_streams(run_command(command, argc - 1, argv + 1)));
}
