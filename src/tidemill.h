/*
 * tidemill: run a Lua function over every record of a stream, on all CPUs, and write the results
 * in input order.
 *
 * Three opaque things:
 *
 *   tidemill_job   what to do: options, script, the host's own C functions. Fixed once opened.
 *   tidemill_pool  its worker processes, each with a Lua state. Kept warm between runs.
 *   tidemill_run   one input to one output: blocking (tidemill_run_wait) or step by step from the
 *                  host's own event loop (tidemill_run_fd, tidemill_run_step).
 *
 * Conventions. A function that can fail returns a status (TIDEMILL_OK is 0) and takes the error
 * struct last: filled on failure, untouched on success, may be NULL. Strings given to tidemill are
 * copied. Handles are not locked: use a handle from one thread at a time, except where a function
 * says otherwise.
 *
 * Guest rules. The library never exits, aborts or prints, installs no signal handler, changes no
 * signal disposition, reaps only its own children, changes no flag of a descriptor that it did not
 * create, and leaves neither descriptors nor children behind once the handles are freed.
 */
#ifndef TIDEMILL_H
#define TIDEMILL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TIDEMILL_API __attribute__((visibility("default")))
#else
#define TIDEMILL_API
#endif

#define TIDEMILL_VERSION "0.1.0"

struct lua_State;

/*
 * Every status: name, number and sentence. The one list that C, Lua and the docs are made from.
 * Numbers never change; new ones go at the end.
 */
#define TIDEMILL_STATUSES(X)                                                           \
    X(OK, 0, "success")                                                                \
    X(E_MEMORY, 1, "out of memory")                                                    \
    X(E_ARGUMENT, 2, "the call does not fit its arguments or the state of the handle") \
    X(E_SPEC, 3, "the job file or an option is wrong")                                 \
    X(E_INPUT, 4, "the input cannot be read any further")                              \
    X(E_RECORD, 5, "a record is malformed")                                            \
    X(E_SCRIPT, 6, "the script failed")                                                \
    X(E_WRITE, 7, "a result cannot be written in the output format")                   \
    X(E_OUTPUT, 8, "the output cannot be written")                                     \
    X(E_TOO_MANY, 9, "more records failed than errors.max allows")                     \
    X(E_WORKER, 10, "a worker process died or cannot be started")                      \
    X(E_STOPPED, 11, "the run was stopped")                                            \
    X(E_SYSTEM, 12, "the operating system refused a call")                             \
    X(E_INTERNAL, 13, "a defect in tidemill")                                          \
    X(AGAIN, 14, "not finished: call again")

typedef enum tidemill_status {
#define TIDEMILL_STATUS_ENUM(name, number, sentence) TIDEMILL_##name = number,
    TIDEMILL_STATUSES(TIDEMILL_STATUS_ENUM)
#undef TIDEMILL_STATUS_ENUM
} tidemill_status;

/** The name of a status ("E_SPEC"), or "E_UNKNOWN". Static; never NULL. */
TIDEMILL_API const char *tidemill_status_name(int status);
/** The sentence of a status, or "unknown status". Static; never NULL. */
TIDEMILL_API const char *tidemill_status_text(int status);
/** The version of the library, as TIDEMILL_VERSION was when it was built. */
TIDEMILL_API const char *tidemill_version(void);

/**
 * What went wrong, and where. Owned by the caller; zero-initialise it or not, as you like.
 * Position is data: a member that does not apply is 0 or "". tidemill_error_text() joins them.
 */
typedef struct tidemill_error {
    int status;         /**< a tidemill_status */
    int system_errno;   /**< errno where the operating system refused something, else 0 */
    uint64_t record;    /**< 1-based number of the record in the whole job */
    uint64_t line;      /**< 1-based line in `file` */
    uint64_t column;    /**< 1-based column (bytes) in that line; job files, JSON documents */
    uint64_t offset;    /**< byte offset in `file` where the record begins; with `record` only */
    char file[1024];    /**< the file that `line` speaks of */
    char message[2048]; /**< UTF-8, one line, no full stop */
} tidemill_error;

/**
 * Write the error as one line: "orders.csv:1042: record 1041: MESSAGE" with what is known.
 *
 * @param size  Of `text`; the result is cut to fit and always terminated when size > 0.
 * @return the length that the whole text has, as snprintf does.
 */
TIDEMILL_API size_t tidemill_error_text(const tidemill_error *err, char *text, size_t size);

typedef struct tidemill_job tidemill_job;
typedef struct tidemill_pool tidemill_pool;
typedef struct tidemill_run tidemill_run;

/* ---- Jobs ---------------------------------------------------------------------------------- */

/** A new job with every option at its default, or NULL when memory is out. */
TIDEMILL_API tidemill_job *tidemill_job_new(void);

/** Free a job; NULL is fine. Its pools and runs must have been freed before. */
TIDEMILL_API void tidemill_job_free(tidemill_job *job);

/**
 * Read a YAML job file. Paths in it are relative to it. All its mistakes are collected: `err` has
 * the first, tidemill_job_problem() each.
 *
 * @return TIDEMILL_OK, TIDEMILL_E_SPEC, TIDEMILL_E_MEMORY; TIDEMILL_E_ARGUMENT once opened
 */
TIDEMILL_API int tidemill_job_load(tidemill_job *job, const char *path, tidemill_error *err);

/**
 * The same from memory. `name` stands for the file in messages; paths are relative to `name`'s
 * folder (the working directory when it has none).
 */
TIDEMILL_API int tidemill_job_parse(tidemill_job *job, const char *text, size_t length,
                                    const char *name, tidemill_error *err);

/**
 * Set one option by its dotted name ("output.path", "transform.params.rate"), as `--set` does.
 * Paths are relative to the working directory. The value is read by the option's type; under
 * transform.params it is a JSON-like scalar.
 */
TIDEMILL_API int tidemill_job_set(tidemill_job *job, const char *key, const char *value,
                                  tidemill_error *err);

/**
 * The value in force of one option, as text that tidemill_job_set() would take.
 *
 * @return valid until the next call on this job; NULL when there is no such option.
 */
TIDEMILL_API const char *tidemill_job_get(tidemill_job *job, const char *key);

/** How many mistakes the last load, parse, set or open found. */
TIDEMILL_API size_t tidemill_job_problems(const tidemill_job *job);
/** Copy mistake `i` (from 0) to `err`. @return TIDEMILL_OK, or TIDEMILL_E_ARGUMENT past the end */
TIDEMILL_API int tidemill_job_problem(const tidemill_job *job, size_t i, tidemill_error *err);

/**
 * Make a C function of the host known to scripts as `tidemill.host.NAME`, in every worker.
 * The function runs in the worker process, in a forked copy of the host: what it changes in memory
 * stays there. Needs isolation fork; with isolation exec opening the job fails.
 *
 * @param function  a lua_CFunction, int (*)(lua_State *)
 */
TIDEMILL_API int tidemill_job_register(tidemill_job *job, const char *name,
                                       int (*function)(struct lua_State *), tidemill_error *err);

/**
 * Finish a job: options are checked against each other and the script is read. From here on it
 * does not change. Paths of the input are looked up only by a run.
 */
TIDEMILL_API int tidemill_job_open(tidemill_job *job, tidemill_error *err);

/**
 * Where the standard output and error of workers lead: what a C module or a program that a script
 * starts writes there. (What scripts print goes to tidemill_run_on_message.) Before the job is
 * opened. -1, the default, is /dev/null.
 */
TIDEMILL_API int tidemill_job_log_fd(tidemill_job *job, int fd, tidemill_error *err);

/** Levels of tidemill_message_fn. */
enum { TIDEMILL_LOG_SCRIPT = 0, TIDEMILL_LOG_WARNING = 1, TIDEMILL_LOG_ERROR = 2 };
/**
 * Messages in record order: what scripts print (level SCRIPT: bytes as printed, line ends
 * included) and warnings of tidemill and of scripts (one line without its end).
 */
typedef void (*tidemill_message_fn)(void *context, int level, const char *text, size_t length);

/**
 * Everything that can be known without running an opened job: the script compiles (in a worker),
 * the inputs are there, the output can be written. Nothing is read or written.
 *
 * @param message  Gets warnings about the script; may be NULL.
 */
TIDEMILL_API int tidemill_job_check(tidemill_job *job, tidemill_message_fn message, void *context,
                                    tidemill_error *err);

/* ---- Options, for help texts ---------------------------------------------------------------- */

typedef struct tidemill_option {
    const char *name;    /**< dotted */
    const char *type;    /**< "size", "duration", "choice", ... */
    const char *value;   /**< default, as text */
    const char *choices; /**< "a | b | c", a range, or "" */
    const char *help;    /**< one sentence */
} tidemill_option;

/** Row `i` (from 0) of the option table. @return 0 past the end, else 1. */
TIDEMILL_API int tidemill_option_at(size_t i, tidemill_option *option);

/* ---- Pools ---------------------------------------------------------------------------------- */

/**
 * A pool for an opened job. No process is started before there is work for it.
 * @return NULL on failure, with `err`.
 */
TIDEMILL_API tidemill_pool *tidemill_pool_new(tidemill_job *job, tidemill_error *err);

/**
 * End the workers: teardown runs in each, then they are reaped. Blocks for as long as teardown does.
 * NULL is fine. A run that uses the pool and is not over must have been freed before.
 *
 * @return TIDEMILL_OK, or what a teardown raised. The pool is freed in any case.
 */
TIDEMILL_API int tidemill_pool_free(tidemill_pool *pool, tidemill_error *err);

/* ---- Runs ----------------------------------------------------------------------------------- */

/**
 * A run of a job.
 *
 * @param pool  NULL: the run has workers of its own and ends them (teardown included) before its
 *              output is committed. Otherwise borrowed; one run at a time uses a pool.
 */
TIDEMILL_API tidemill_run *tidemill_run_new(tidemill_job *job, tidemill_pool *pool,
                                            tidemill_error *err);

/**
 * Free a run, not from its callbacks; an unfinished one is abandoned: its output file stays untouched. NULL
 * is fine. A process that the host has forked must leave its copies of runs and pools alone.
 */
TIDEMILL_API void tidemill_run_free(tidemill_run *run);

/*
 * Input: the job's input.path unless one of these is called before the first step.
 * Several paths are read one after the other; `format` NULL means the job's.
 */
/** Add a path, relative to the working directory; "-" is standard input. Not a glob. */
TIDEMILL_API int tidemill_run_input_path(tidemill_run *run, const char *path, tidemill_error *err);
/** Read from a descriptor; still the caller's, its flags and (where possible) nothing else change. */
TIDEMILL_API int tidemill_run_input_fd(tidemill_run *run, int fd, const char *name,
                                       tidemill_error *err);
/**
 * Read through a callback, called from step: up to `size` bytes to `data`.
 * @return the count, 0 at the end, -1 on failure (errno names it), -2: nothing now (the host calls
 * tidemill_run_step again when there is more).
 */
typedef ptrdiff_t (*tidemill_read_fn)(void *context, char *data, size_t size);
TIDEMILL_API int tidemill_run_input_callback(tidemill_run *run, tidemill_read_fn read,
                                             void *context, const char *name, tidemill_error *err);
/**
 * Push input: the host hands over bytes with tidemill_run_push() and ends them with
 * tidemill_run_push_end().
 */
TIDEMILL_API int tidemill_run_input_push(tidemill_run *run, const char *name, tidemill_error *err);
/**
 * Hand over bytes; between steps.
 * @return how many of them were taken (0: full, step first), or -1 with `err`.
 */
TIDEMILL_API ptrdiff_t tidemill_run_push(tidemill_run *run, const char *data, size_t length,
                                         tidemill_error *err);
TIDEMILL_API int tidemill_run_push_end(tidemill_run *run, tidemill_error *err);

/* Output: the job's output.path unless one of these is called before the first step. */
/** A path relative to the working directory; "-" is standard output. */
TIDEMILL_API int tidemill_run_output_path(tidemill_run *run, const char *path, tidemill_error *err);
/** A descriptor; still the caller's. */
TIDEMILL_API int tidemill_run_output_fd(tidemill_run *run, int fd, tidemill_error *err);
/**
 * Write through a callback, called from step with all of `length` bytes.
 * @return 0, or -1 on failure (errno names it), which fails the run.
 */
typedef int (*tidemill_write_fn)(void *context, const char *data, size_t length);
TIDEMILL_API int tidemill_run_output_callback(tidemill_run *run, tidemill_write_fn write,
                                              void *context, tidemill_error *err);
/** Pull output: step stores it until the host takes it with tidemill_run_pull(). */
TIDEMILL_API int tidemill_run_output_pull(tidemill_run *run, tidemill_error *err);
/** Take up to `size` bytes of output. @return the count, 0 when none is there now. */
TIDEMILL_API size_t tidemill_run_pull(tidemill_run *run, char *data, size_t size);

/** Who gets the messages of a run. Called from step. Without one they are dropped. */
TIDEMILL_API void tidemill_run_on_message(tidemill_run *run, tidemill_message_fn message,
                                          void *context);

/** What happened so far. Grows at its end only. */
typedef struct tidemill_stats {
    uint64_t read, kept, dropped, failed; /**< records; read = kept + dropped + failed */
    uint64_t written;                     /**< outputs written */
    uint64_t bytes_in, bytes_out; /**< taken from the input, given to the output; not compressed */
    uint64_t bytes_total; /**< size of the inputs, 0 when unknown, an estimate where they are
                               compressed; for a progress display */
    uint32_t workers;     /**< processes started at most at the same time */
    uint32_t deaths;      /**< workers that died */
} tidemill_stats;
/** Counts of committed records. Any time, from the run's thread. */
TIDEMILL_API void tidemill_run_stats(const tidemill_run *run, tidemill_stats *stats);

/**
 * Go on with a run.
 *
 * @param timeout  Milliseconds to wait for something to do; 0 returns at once, -1 waits. Where it is the
 *                 host who has something to do (push, pull, a callback that has nothing), it returns at once.
 * @return TIDEMILL_AGAIN      not finished
 *         TIDEMILL_OK         every record was read and the output is complete
 *         TIDEMILL_E_SCRIPT   (or E_RECORD, E_WRITE) a record failed under errors.policy fail
 *         TIDEMILL_E_STOPPED  tidemill_run_stop() was called; the output holds whole records (an
 *                             output file is untouched)
 *         another             what ended the run; the same again when called once more
 * Callbacks run on this thread and must not step their own run. Forks workers as there is work, and
 * reaps exactly those. SIGPIPE is blocked for this thread during the call and restored.
 */
TIDEMILL_API int tidemill_run_step(tidemill_run *run, int timeout, tidemill_error *err);

/**
 * Step until the run ends. Blocks. TIDEMILL_E_ARGUMENT when the run waits for the host itself: for
 * input that is pushed or that a callback has not got yet, or for output to be pulled.
 */
TIDEMILL_API int tidemill_run_wait(tidemill_run *run, tidemill_error *err);

/** A descriptor that polls readable when tidemill_run_step() has something to do. Not yours. */
TIDEMILL_API int tidemill_run_fd(const tidemill_run *run);

/**
 * Ask a run to end: nothing more is read, records in hand are finished, and workers that had any see to
 * no teardown. The run ends with TIDEMILL_E_STOPPED, unless all was committed before, or a record in hand
 * fails it. What was committed is written first: an output that takes nothing is waited for.
 * From any thread and from signal handlers; errno is kept.
 */
TIDEMILL_API void tidemill_run_stop(tidemill_run *run);

#ifdef __cplusplus
}
#endif
#endif
