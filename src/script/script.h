/*
 * A script's life in one Lua state: load, setup, a call a record (or a batch), teardown.
 *
 * Records flow in as nodes; results flow out through the host's emit, while the call runs. What the
 * host does with them (format, keep until the call has ended, take back) is its own affair.
 * Only workers have scripts; this part knows records and base, nothing of formats or processes.
 */
#ifndef TM_SCRIPT_SCRIPT_H
#define TM_SCRIPT_SCRIPT_H

#include "record/node.h"

struct lua_State;
struct script;

enum script_form {
    SCRIPT_FILE, /* text returns a function or a table of functions */
    SCRIPT_EACH, /* text is a function's body, tried as `CODE\nreturn r`, `CODE`, `return CODE` */
};

struct script_function { /* of the C host, as tidemill.host.NAME */
    const char *name;
    int (*function)(struct lua_State *);
};

struct script_config {
    enum script_form form;
    struct slice text;
    const char *chunk_name; /* as messages show it: "double.lua", "double.yaml", "each" */
    uint32_t first_line;    /* the line in chunk_name at which text begins, from 1 */
    const char *folder;     /* where `require` looks first; NULL: nowhere special */
    struct slice params;    /* a JSON object */
    uint64_t seed;
    uint32_t worker;    /* 1-based */
    bool batch;         /* the script must have `batch`, else `record` */
    bool null_as_nil;   /* input.null: nil */
    size_t memory;      /* cap of the Lua state in bytes, 0: none */
    uint32_t max_depth; /* of arrays and objects, as json_max_depth */
    const struct script_function *functions;
    size_t functions_n;
    /* For the warnings of a check: does this field always read as text? NULL: none does. */
    bool (*is_text)(const void *types, struct slice field);
    const void *types;
};

struct script_host {
    void *data;
    /*
     * One output record. Nodes are valid for the time of the call. A failure (E_WRITE, E_MEMORY)
     * fails the record; the script cannot catch it.
     */
    int (*emit)(void *data, const struct node *record, err *e);
    /* Bytes printed (TIDEMILL_LOG_SCRIPT: line ends included), or one line (other levels). */
    void (*log)(void *data, int level, struct slice text);
};

/* Where a record comes from, for ctx. */
struct script_place {
    uint64_t index; /* 1-based, in the job */
    uint64_t line;  /* 1-based, in the file */
    const char *file;
};

enum script_outcome {
    SCRIPT_KEPT,    /* one output or more was emitted */
    SCRIPT_DROPPED, /* none */
    SCRIPT_FAILED,  /* err has the cause; what was emitted must be taken back */
};

/* Let C modules that scripts require find Lua, however this library was opened. Once a process. */
void tm_script_promote_lua(void);

/*
 * Load: compile, run the chunk, check what it returned; then setup(job). E_SCRIPT with the message
 * as Lua gives it ("double.lua:2: ..."), "setup: " before it for setup's; E_MEMORY.
 */
struct script *tm_script_new(const struct script_config *c, const struct script_host *host, err *e);

/* Compile only, run nothing. Warnings (such as comparing a CSV field with "200") go to host->log. */
int tm_script_check(const struct script_config *c, const struct script_host *host, err *e);

/* Where the records of a run come from, and who hears of each. Neither may call into the script. */
struct script_source {
    void *data;
    /*
     * The next record and its place, both with everything in the record's arena to stay until it
     * is done; NULL: that was all.
     */
    struct node *(*next)(void *data, const struct script_place **place);
    /*
     * The call for that record is over, and every view that Lua holds of it is dead. On FAILED `e`
     * has the cause: E_SCRIPT for what the script did, E_WRITE for what emit refused, E_MEMORY; else
     * what it holds is of no meaning, and it may be used. `brief`: no Lua has run, so that it took next to no time.
     */
    void (*done)(void *data, enum script_outcome outcome, bool brief, err *e);
};

/* Call `record` for each record in turn. One that fails is no reason to stop. */
void tm_script_run(struct script *s, const struct script_source *source);

/* Was the E_MEMORY of the call in `done`, or of the last batch, the script's own, as it had all that limits.memory allows it? */
bool tm_script_at_limit(const struct script *s);

/*
 * Was Lua denied memory in that call, by its limit or by the system, because of what calls before have left
 * behind, as far as can be known? Whatever the script made of it.
 */
bool tm_script_is_doubtful(const struct script *s);

/*
 * Call `batch` for n records (ctx speaks of the first). outcomes[i] is KEPT or DROPPED for record i;
 * the host's emit is told which record an output belongs to by *current, set before each emit
 * (what tidemill.emit gives belongs to the first). On failure SCRIPT_FAILED is returned for all n.
 */
enum script_outcome tm_script_batch(struct script *s, struct node **records, size_t n,
                                    const struct script_place *place, enum script_outcome *outcomes,
                                    size_t *current, err *e);

/*
 * Make the call in hand raise an error as soon as Lua runs again; the host fails the call whatever
 * becomes of that error. Only stops code that runs in the call's own coroutine. Made for signal
 * handlers (lua_sethook is); to be called during a call only.
 */
void tm_script_interrupt(struct script *s);

/* teardown(), once, at a normal end. E_SCRIPT with "teardown: ..." */
int tm_script_teardown(struct script *s, err *e);
/* lua_close and all memory. NULL is fine. */
void tm_script_free(struct script *s);

#endif
