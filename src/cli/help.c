/*
 * tidemill help: the commands, one command, the options of a job, and how to write scripts.
 */
#include <string.h>

#include "cli/cli.h"

static const char lua_page[] =
    "A script returns a function that is called once a record, or a table of functions:\n"
    "\n"
    "  return function(r, ctx)          return {\n"
    "    r.total = r.price * r.count      setup    = function(job) end,     once a worker\n"
    "    return r                         record   = function(r, ctx) end,  or batch, with\n"
    "  end                                teardown = function() end,        transform.batch\n"
    "                                   }\n"
    "\n"
    "Results\n"
    "  return r, return true        write the record\n"
    "  return nil, return false     drop it\n"
    "  return a, b                  write several; so does a sequence of records\n"
    "  tidemill.emit(r)             write one now, before what is returned\n"
    "  return nil, \"why\"            the record fails, with this reason\n"
    "  error(\"why\")                 the same, and what it emitted is taken back\n"
    "  Returning nothing at all is an error: forgetting `return r` must not empty a file.\n"
    "\n"
    "The record\n"
    "  r.name, r[\"two words\"]       read; nil where there is no such field\n"
    "  r.name = value               assign in place, or append; = nil deletes\n"
    "  pairs(r), #r                 its fields in order, and how many\n"
    "  tidemill.text(r, \"name\")     the bytes of a field as they came\n"
    "  tidemill.copy(r)             a copy that outlives the call\n"
    "  tidemill.table(r)            a plain table, for next, rawget and C modules\n"
    "  What is not assigned leaves with the bytes it came with.\n"
    "\n"
    "Values\n"
    "  tidemill.null                JSON's null\n"
    "  tidemill.array{}             a table that is an array, even when empty\n"
    "  tidemill.object{}            one that is an object\n"
    "  tidemill.record{{\"a\", 1}, {\"b\", 2}}   a record with its fields in this order\n"
    "  tidemill.sorted(t)           pairs in the order of the keys\n"
    "  CSV: -?(0|[1-9][0-9]*)(\\.[0-9]+)? is a number, all else text; an empty cell is \"\".\n"
    "\n"
    "Around it\n"
    "  ctx.index, ctx.file, ctx.line    where the record stands\n"
    "  ctx.params, tidemill.params      transform.params of the job\n"
    "  ctx.worker                       the number of the worker process\n"
    "  print, io.write, tidemill.log    write to standard error, in record order\n"
    "  require \"name\"                   finds modules beside the script, and Lua 5.4's own\n";

static void print_wrapped(FILE *out, const char *text, size_t indent)
{
    enum { WIDTH = 96 };
    while (*text) {
        size_t n = strlen(text);
        if (n > WIDTH - indent) {
            for (n = WIDTH - indent; n > 0 && text[n] != ' '; n--)
                ;
            if (n == 0)
                n = WIDTH - indent;
        }
        fprintf(out, "%*s%.*s\n", (int)indent, "", (int)n, text);
        text += n;
        while (*text == ' ')
            text++;
    }
}

/* Every row of the library's option table. */
static void help_job(FILE *out)
{
    tidemill_option row;
    fputs("Options of a job, as sections of its YAML file or as --set NAME=VALUE:\n", out);
    for (size_t i = 0; tidemill_option_at(i, &row); i++) {
        fprintf(out, "\n  %s  %s", row.name, row.type);
        if (*row.choices)
            fprintf(out, ": %s", row.choices);
        if (*row.value)
            fprintf(out, "  (default %s)", row.value);
        fputc('\n', out);
        print_wrapped(out, row.help, 6);
    }
}

static void help_lua(FILE *out)
{
    fputs(lua_page, out);
}

static const struct {
    const char *name;
    void (*print)(FILE *out);
} topics[] = {{"job", help_job}, {"lua", help_lua}};

void tm_help_usage(FILE *out)
{
    fputs(
        "tidemill runs a Lua function over every record of a stream, on all CPUs, and writes the\n"
        "results in input order.\n"
        "\n"
        "usage:\n",
        out);
    for (const struct command *c = tm_commands; c->name; c++) {
        char left[64];
        snprintf(left, sizeof left, "tidemill %s %s", c->name, c->operands);
        fprintf(out, "  %-36s %s\n", left, c->summary);
    }
    fputs("\nStart with: tidemill each 'r.x = r.x * 2' numbers.csv\n", out);
}

void tm_help_command(FILE *out, const struct command *command)
{
    fprintf(out, "usage: tidemill %s%s%s%s\n\n", command->name,
            command->takes ? " [OPTION...]" : "", *command->operands ? " " : "", command->operands);
    if (*command->details)
        fputs(command->details, out);
    else
        fprintf(out, "%s\n", command->summary);
    tm_options_help(out, command->takes);
}

int tm_command_help(struct options *o)
{
    if (o->operands_n == 0) {
        tm_help_usage(stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (strcmp(topics[i].name, o->operands[0]) == 0) {
            topics[i].print(stdout);
            return EXIT_DONE;
        }
    const struct command *command = tm_command_find(o->operands[0]);
    if (command == NULL)
        return EXIT_USAGE;
    tm_help_command(stdout, command);
    return EXIT_DONE;
}
