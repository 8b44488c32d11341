/*
 * A host whose scripts call into it: a C function looks up a price in the host's own memory, and
 * the script reaches it as tidemill.host.price. Workers are forked, so each has the table as it
 * was when the worker was started, without copying it; what the function changed would stay there.
 *
 *     cc register.c $(pkg-config --cflags --libs tidemill lua5.4) -o register && ./register
 *
 * Lua is linked as well, because the function speaks to it.
 */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <tidemill.h>

/* Large, costly to load, loaded once: what a host would rather not pass to scripts as text. */
static const struct {
    const char *article;
    lua_Number price;
} prices[] = {{"bolt", 0.2}, {"nut", 0.1}, {"washer", 0.05}};

/* price(article): a number, or nil and why. A lua_CFunction like any other. */
static int price(lua_State *L)
{
    const char *article = luaL_checkstring(L, 1);
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++)
        if (strcmp(prices[i].article, article) == 0) {
            lua_pushnumber(L, prices[i].price);
            return 1;
        }
    lua_pushnil(L);
    lua_pushfstring(L, "no price for '%s'", article);
    return 2;
}

static const char orders[] = "article,count\n"
                             "bolt,10\n"
                             "washer,200\n"
                             "sprocket,1\n"
                             "nut,5\n";

/* A record that has no price fails with the reason, and the policy leaves it out. */
static const char script[] = "return function(r)\n"
                             "  local price, why = tidemill.host.price(r.article)\n"
                             "  if not price then return nil, why end\n"
                             "  r.total = price * r.count\n"
                             "  return r\n"
                             "end\n";

static const char *const options[][2] = {
    {"input.format", "csv"},
    {"output.format", "jsonl"},
    {"errors.policy", "skip"},
    {"transform.inline", script},
};

static int write_result(void *context, const char *data, size_t length)
{
    return fwrite(data, 1, length, context) == length ? 0 : -1;
}

/* Warnings, such as the records that were left out, and what scripts print. */
static void show_message(void *context, int level, const char *text, size_t length)
{
    fprintf(context, "%s%.*s%s", level == TIDEMILL_LOG_SCRIPT ? "" : "warning: ", (int)length, text,
            level == TIDEMILL_LOG_SCRIPT ? "" : "\n");
}

static int open_job(tidemill_job *job, tidemill_error *error)
{
    int status = TIDEMILL_OK;
    for (size_t i = 0; i < sizeof options / sizeof *options && status == TIDEMILL_OK; i++)
        status = tidemill_job_set(job, options[i][0], options[i][1], error);
    if (status == TIDEMILL_OK)
        status = tidemill_job_register(job, "price", price, error);
    return status == TIDEMILL_OK ? tidemill_job_open(job, error) : status;
}

static int run_job(tidemill_job *job, tidemill_error *error)
{
    int status;
    tidemill_stats stats;
    tidemill_run *run = tidemill_run_new(job, NULL, error);
    if (run == NULL)
        return error->status;
    tidemill_run_on_message(run, show_message, stdout);
    /* So little input fits at once; poll.c shows how to hand over more. */
    if ((status = tidemill_run_input_push(run, "orders", error)) == TIDEMILL_OK &&
        (status = tidemill_run_output_callback(run, write_result, stdout, error)) == TIDEMILL_OK &&
        tidemill_run_push(run, orders, sizeof orders - 1, error) == sizeof orders - 1 &&
        (status = tidemill_run_push_end(run, error)) == TIDEMILL_OK)
        status = tidemill_run_wait(run, error);
    tidemill_run_stats(run, &stats);
    printf("%llu of %llu orders have a price\n", (unsigned long long)stats.kept,
           (unsigned long long)stats.read);
    tidemill_run_free(run);
    return status;
}

int main(void)
{
    tidemill_error error = {0};
    tidemill_job *job = tidemill_job_new();
    int status = job ? open_job(job, &error) : TIDEMILL_E_MEMORY;

    if (status == TIDEMILL_OK)
        status = run_job(job, &error);
    tidemill_job_free(job);
    if (status == TIDEMILL_OK)
        return 0;
    char text[512];
    tidemill_error_text(&error, text, sizeof text);
    fprintf(stderr, "register: %s\n", job ? text : tidemill_status_text(status));
    return 1;
}
