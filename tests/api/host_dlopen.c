/*
 * A plugin's view: the library is opened with dlopen and RTLD_LOCAL, so Lua's symbols are not
 * visible to anybody else; scripts can require C modules all the same, in forked workers and in
 * executed ones. Closing the library leaves nothing behind.
 */
#include "host.h"

#include <dlfcn.h>

/* The functions that are used, by name. */
static struct {
    tidemill_job *(*job_new)(void);
    void (*job_free)(tidemill_job *);
    int (*job_set)(tidemill_job *, const char *, const char *, tidemill_error *);
    int (*job_open)(tidemill_job *, tidemill_error *);
    tidemill_run *(*run_new)(tidemill_job *, tidemill_pool *, tidemill_error *);
    void (*run_free)(tidemill_run *);
    int (*input_push)(tidemill_run *, const char *, tidemill_error *);
    ptrdiff_t (*push)(tidemill_run *, const char *, size_t, tidemill_error *);
    int (*push_end)(tidemill_run *, tidemill_error *);
    int (*output_pull)(tidemill_run *, tidemill_error *);
    size_t (*pull)(tidemill_run *, char *, size_t);
    int (*wait)(tidemill_run *, tidemill_error *);
} api;

static const struct {
    const char *name;
    void *function;
} names[] = {
    {"tidemill_job_new", &api.job_new},
    {"tidemill_job_free", &api.job_free},
    {"tidemill_job_set", &api.job_set},
    {"tidemill_job_open", &api.job_open},
    {"tidemill_run_new", &api.run_new},
    {"tidemill_run_free", &api.run_free},
    {"tidemill_run_input_push", &api.input_push},
    {"tidemill_run_push", &api.push},
    {"tidemill_run_push_end", &api.push_end},
    {"tidemill_run_output_pull", &api.output_pull},
    {"tidemill_run_pull", &api.pull},
    {"tidemill_run_wait", &api.wait},
};

static void *open_library(void)
{
    void *library = dlopen(getenv("TIDEMILL_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *symbol = dlsym(library, names[i].name);
        CHECK(symbol);
        memcpy(names[i].function, &symbol, sizeof symbol);
    }
    return library;
}

static void succeed(int status)
{
    if (status != TIDEMILL_OK)
        fprintf(stderr, "%d: %s\n", status, error.message);
    CHECK(status == TIDEMILL_OK);
}

/* Status of a run of this script; what it gave for {"x":[1,2]} in `out`. */
static int run_script(const char *isolation, const char *script, char *out, size_t size)
{
    static const char in[] = "{\"x\":[1,2]}\n";
    tidemill_job *job = api.job_new();
    succeed(api.job_set(job, "input.format", "jsonl", &error));
    succeed(api.job_set(job, "isolation", isolation, &error));
    succeed(api.job_set(job, "transform.inline", script, &error));
    succeed(api.job_open(job, &error));
    tidemill_run *run = api.run_new(job, NULL, &error);
    CHECK(run);
    succeed(api.input_push(run, "in", &error));
    CHECK(api.push(run, in, sizeof in - 1, &error) == sizeof in - 1);
    succeed(api.push_end(run, &error));
    succeed(api.output_pull(run, &error));
    int status = api.wait(run, &error);
    size_t n = api.pull(run, out, size - 1);
    out[n] = '\0';
    api.run_free(run);
    api.job_free(job);
    return status;
}

static int module_is_there(void)
{
    char out[100];
    succeed(run_script("exec",
                       "local there = package.searchpath('cjson', package.cpath)\n"
                       "return function(r) return {there = there and true or false} end",
                       out, sizeof out));
    return strcmp(out, "{\"there\":true}\n") == 0;
}

int main(void)
{
    static const char script[] = "local cjson = require 'cjson'\n"
                                 "return function(r)\n"
                                 "  r.text = cjson.encode(tidemill.table(r.x))\n"
                                 "  return r\n"
                                 "end";
    static const char *const isolations[] = {"fork", "exec"};
    char out[100];
    void *library = open_library();
    CHECK(!dlsym(RTLD_DEFAULT, "lua_newstate"));
    if (!module_is_there()) {
        fprintf(stderr, "no lua-cjson\n");
        return 77;
    }
    for (int i = 0; i < 2; i++) {
        succeed(run_script(isolations[i], script, out, sizeof out));
        CHECK(strcmp(out, "{\"x\":[1,2],\"text\":\"[1,2]\"}\n") == 0);
    }
    /* The host's own process is as it was. */
    CHECK(!dlsym(RTLD_DEFAULT, "lua_newstate"));
    CHECK(dlclose(library) == 0 && !has_children());
    return 0;
}
