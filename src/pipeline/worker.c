/*
 * The worker's loop. Frames flow in from the parent: the job, files, chunks. For each record of a
 * chunk: parse it, call the script, write what it gives. RESULT frames flow out, each a committed
 * piece of the chunk. Nothing of one record outlives its call but what is in the frame.
 */
#include "pipeline/worker.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sanitized.h"
#include "format/intake.h"
#include "pipeline/frame.h"
#include "pipeline/protocol.h"
#include "pipeline/results.h"
#include "pipeline/watchdog.h"

#define COMMIT_EXACT 10000000 /* ns: below, the coarse clock is too coarse */
#define MEMORY_ROOM  ((rlim_t)8 << 20)

/* The file that chunks come from now. */
struct worker_file {
    struct arena arena; /* name, columns */
    uint32_t id;
    const char *name;
    struct intake input;
};

/* A malformed record of a batch, which waits for the others to be done. */
struct bad_member {
    uint32_t number;
    int status;
    struct slice message;
    struct bad_member *next;
};

/* Records that wait for the batch function, and those that it is not given; both in the arena of the call. */
struct worker_batch {
    struct bad_member *bad, **bad_end;
    uint32_t n;
    struct node **records;
    uint32_t *members;
    enum script_outcome *outcomes;
    struct script_place place; /* of the first */
    size_t current;
};

struct worker {
    struct frame_reader in;
    struct arena job_arena; /* what the script is told at its start */
    struct arena run_arena; /* the output's dialect and columns */
    struct spec spec;
    bool has_job;
    const struct script_function *functions;
    size_t functions_n;
    struct script *script;
    const struct format *output;
    struct output_dialect dialect;
    struct writer *writer;
    struct results results;
    bool in_chunk;
    bool has_called; /* the script, for a record */
    struct worker_file file;
    struct arena arena; /* of the call in hand */
    struct worker_batch batch;
    uint64_t sequence;
    uint32_t end;              /* of its part in hand: the number behind the last record */
    struct slice rest;         /* of it, from the next record on */
    uint32_t number;           /* of the record in hand, in the chunk */
    struct script_place place; /* its place */
    uint64_t lines;            /* that it takes */
    int64_t began;             /* the chunk, by the exact clock */
    uint32_t handed;           /* records of the chunk whose results are handed over */
    struct commit_pace pace;
    int64_t flushed; /* when they were handed over last, */
    int64_t commit;  /* and after how many ns they are again */
};

struct worker_ends tm_worker_ends = {WORKER_FD_IN, WORKER_FD_OUT, WORKER_FD_LIFE};

/* ---- Answers ---- */

static void send_bytes(struct slice s)
{
    if (!tm_write_all(tm_worker_ends.out, s))
        _exit(WORKER_EXIT_LOST);
}

static void send_status(uint8_t type, int status, const char *message)
{
    struct buf b;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, type);
    if (type != FRAME_READY) {
        tm_buf_u32(&b, (uint32_t)status);
        tm_buf_bytes(&b, slice_of(message));
    }
    if (!tm_frame_end(&b, begin, 0))
        _exit(WORKER_EXIT_MEMORY);
    send_bytes(buf_view(&b));
    tm_buf_release(&b);
}

/* For what cannot go on: the parent is told, and the process ends. */
static void __attribute__((noreturn)) give_up(const err *why)
{
    send_status(FRAME_FAILED, why->status, why->message);
    _exit(WORKER_EXIT_PROTOCOL);
}

static void __attribute__((noreturn)) give_up_text(const char *text)
{
    err why = {0};
    tm_err_set(&why, TIDEMILL_E_WORKER, "%s", text);
    give_up(&why);
}

/*
 * The system has no memory, whatever the script's own limit says. It may be that C code has kept it
 * since an earlier record: a fresh process does this one again, and it is to blame when that one
 * dies of it, too. What is not committed is lost with us.
 */
static void __attribute__((noreturn)) leave_for_memory(void)
{
    _exit(WORKER_EXIT_MEMORY);
}

/* Hand over what is done of the chunk, and begin the next frame. */
static void flush_results(struct worker *w)
{
    struct slice frame;
    err why = {0};
    uint64_t spent = (uint64_t)(clock_now() - w->began);
    if (tm_results_end(&w->results, spent, &frame, &why) != TIDEMILL_OK)
        leave_for_memory();
    send_bytes(frame);
    w->flushed = clock_now();
    w->handed = w->results.through;
    if (w->pace.times && --w->pace.times == 0)
        w->commit = (int64_t)w->pace.every * 1000;
    tm_results_begin(&w->results, w->sequence, w->results.through);
}

static void flush_if_due(struct worker *w)
{
    /* Read for each record: the coarse clock will do where its few milliseconds are little. */
    int64_t now = w->commit < COMMIT_EXACT ? clock_now() : clock_coarse();
    /* With a little left to do, that goes with the rest. */
    size_t most = w->rest.n > w->pace.bytes / 8 ? w->pace.bytes : 2 * (size_t)w->pace.bytes;
    bool due = w->results.out.n >= most || now - w->flushed >= w->commit;
    if (due && w->results.through > w->handed)
        flush_results(w);
}

/* ---- What the script calls ---- */

static int on_emit(void *data, const struct node *record, err *e)
{
    struct worker *w = data;
    return tm_results_row(&w->results, record, e);
}

static void on_log(void *data, int level, struct slice text)
{
    struct worker *w = data;
    if (w->in_chunk) {
        tm_results_log(&w->results, level, text);
        return;
    }
    struct buf b;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, FRAME_LOG);
    buf_u8(&b, (uint8_t)level);
    tm_buf_bytes(&b, text);
    if (tm_frame_end(&b, begin, 0))
        send_bytes(buf_view(&b));
    tm_buf_release(&b);
}

/* ---- Records ---- */

/* What the call gave is committed; false: it failed, and `why` says why. */
static bool settle_call(struct worker *w, enum script_outcome *outcome, uint32_t kept, err *why)
{
    if (tm_watchdog_leave()) {
        *outcome = SCRIPT_FAILED;
        tm_watchdog_text(&w->spec, why);
    }
    /*
     * What earlier records have left behind may be the reason, as Lua does not always collect it first, and
     * the script may have made do without: only what a fresh process says does not depend on them.
     */
    if (tm_script_is_doubtful(w->script) && w->has_called)
        leave_for_memory();
    w->has_called = true;
    if (*outcome != SCRIPT_FAILED && tm_results_commit(&w->results, kept, why) == TIDEMILL_OK)
        return true;
    if (why->status == TIDEMILL_E_MEMORY && !tm_script_at_limit(w->script))
        leave_for_memory();
    return false;
}

static void forget_call(struct worker *w)
{
    tm_arena_reset(&w->arena);
    flush_if_due(w);
}

static void finish_call(struct worker *w, enum script_outcome outcome, uint32_t kept, err *why)
{
    if (!settle_call(w, &outcome, kept, why))
        tm_results_fail(&w->results, why);
    forget_call(w);
}

static void fail_one(struct worker *w, const uint32_t *number, const err *why)
{
    tm_results_call(&w->results, number, 1);
    tm_results_fail(&w->results, why);
}

static void tell_bad(struct worker *w, const struct bad_member *bad)
{
    err why;
    err_clear(&why);
    tm_err_text(&why, bad->status, bad->message);
    fail_one(w, &bad->number, &why);
}

/* The call in hand, of all members, has failed: they and the malformed ones are told in their order. */
static void fail_batch(struct worker *w, const err *why)
{
    struct worker_batch *b = &w->batch;
    uint32_t i = 0;
    /* First of all comes what the batch printed. */
    w->results.members_n = 0;
    tm_results_fail(&w->results, why);
    for (const struct bad_member *bad = b->bad; bad; bad = bad->next) {
        while (i < b->n && b->members[i] < bad->number)
            fail_one(w, &b->members[i++], why);
        tell_bad(w, bad);
    }
    while (i < b->n)
        fail_one(w, &b->members[i++], why);
}

/*
 * Call the batch function with what there is; false: that failed, and all is told. Rows that do not fit the
 * output are told as the parent tells them where it alone knows its columns: before what is malformed.
 */
static bool call_members(struct worker *w)
{
    struct worker_batch *b = &w->batch;
    err why = {0};
    uint32_t kept = 0;
    tm_results_call(&w->results, b->members, b->n);
    /* Malformed members included: who takes over must not begin inside a batch. */
    uint32_t size = (uint32_t)w->spec.values.transform.batch;
    uint32_t first = b->members[0] - b->members[0] % size;
    uint32_t end = w->end - first > size ? first + size : w->end;
    tm_watchdog_enter(w->sequence, first, end);
    enum script_outcome outcome = tm_script_batch(w->script, b->records, b->n, &b->place,
                                                  b->outcomes, &b->current, &why);
    for (uint32_t i = 0; i < b->n; i++)
        kept += b->outcomes[i] == SCRIPT_KEPT;
    if (settle_call(w, &outcome, kept, &why))
        return true;
    if (outcome == SCRIPT_FAILED)
        fail_batch(w, &why);
    else
        tm_results_fail(&w->results, &why);
    return outcome != SCRIPT_FAILED;
}

static void call_batch(struct worker *w)
{
    struct worker_batch *b = &w->batch;
    bool told = b->n && !call_members(w);
    for (const struct bad_member *bad = told ? NULL : b->bad; bad; bad = bad->next)
        tell_bad(w, bad);
    b->n = 0;
    b->bad = NULL;
    forget_call(w);
}

static void add_to_batch(struct worker *w, struct node *record)
{
    struct worker_batch *b = &w->batch;
    if (b->n == 0)
        b->place = w->place;
    b->records[b->n] = record;
    b->members[b->n++] = w->number;
}

static void add_bad(struct worker *w, const err *why)
{
    struct worker_batch *b = &w->batch;
    struct bad_member *bad = arena_alloc(&w->arena, sizeof *bad);
    struct slice message = tm_arena_copy(&w->arena, slice_of(why->message));
    if (!bad || !message.p)
        leave_for_memory();
    *bad = (struct bad_member){w->number, why->status, message, NULL};
    *(b->bad ? b->bad_end : &b->bad) = bad;
    b->bad_end = &bad->next;
}

/*
 * A malformed record inside a batch fails alone, and is told after the others, so that none of them is
 * lost. Where a failure ends the job nothing comes after it: the records before it are a batch of their
 * own. What is committed ends with a batch: after a death the next one begins there.
 */
static void bad_record(struct worker *w, const err *why)
{
    const struct spec_values *v = &w->spec.values;
    bool last = v->errors.policy == POLICY_FAIL || v->errors.max == 0;
    if (v->transform.batch && !last) {
        add_bad(w, why);
        return;
    }
    if (v->transform.batch)
        call_batch(w);
    fail_one(w, &w->number, why);
    if (!v->transform.batch)
        flush_if_due(w);
}

/* The run is stopped: what is done is handed over, and nobody wants more. */
static _Noreturn void stop_here(struct worker *w)
{
    if (w->results.through > w->handed)
        flush_results(w);
    _exit(WORKER_EXIT_STOPPED);
}

/* Behind a record, or (it does not count) behind what lies between two. */
static void advance(struct worker *w, uint64_t lines, bool counts)
{
    uint64_t batch = w->spec.values.transform.batch;
    w->place.line += lines;
    if (counts) {
        w->place.index++;
        w->number++;
        if (batch && w->number % batch == 0)
            call_batch(w);
    }
    if (tm_watchdog_stop_asked() && !w->batch.n && !w->batch.bad)
        stop_here(w);
}

/* Parse up to the next record that can be called; NULL at the end of the chunk. */
static struct node *next_record(struct worker *w)
{
    while (w->rest.n) {
        struct parsed parsed = {0};
        err why;
        err_clear(&why);
        enum parse_verdict verdict = tm_intake_parse(&w->file.input, &w->arena, w->rest.p,
                                                     w->rest.n, &parsed, &why);
        if (verdict == PARSE_MEMORY)
            leave_for_memory();
        if (parsed.length == 0 || parsed.length > w->rest.n)
            give_up_text("the parser of the input format did not go on");
        w->rest = (struct slice){w->rest.p + parsed.length, w->rest.n - parsed.length};
        w->lines = parsed.lines;
        if (verdict == PARSE_RECORD)
            return parsed.record;
        if (verdict == PARSE_FAILED)
            bad_record(w, &why);
        advance(w, parsed.lines, verdict == PARSE_FAILED);
    }
    return NULL;
}

static struct node *on_next(void *data, const struct script_place **place)
{
    struct worker *w = data;
    struct node *record = next_record(w);
    if (record) {
        tm_results_call(&w->results, &w->number, 1);
        tm_watchdog_enter(w->sequence, w->number, w->number + 1);
        *place = &w->place;
    }
    return record;
}

static void on_done(void *data, enum script_outcome outcome, err *why)
{
    struct worker *w = data;
    finish_call(w, outcome, outcome == SCRIPT_KEPT, why);
    advance(w, w->lines, true);
}

static void run_batches(struct worker *w)
{
    struct node *record;
    while ((record = next_record(w))) {
        add_to_batch(w, record);
        advance(w, w->lines, true);
    }
    call_batch(w);
}

static void handle_chunk(struct worker *w, struct cursor *c)
{
    struct protocol_chunk chunk;
    if (!tm_protocol_get_chunk(c, &chunk) || !w->file.input.reader || chunk.file != w->file.id ||
        chunk.records > UINT32_MAX - chunk.first)
        give_up_text("the worker got a broken chunk");
    w->rest = (struct slice){c->p, c->n};
    w->number = chunk.first;
    w->place = (struct script_place){chunk.first_record, chunk.first_line, w->file.name};
    w->sequence = chunk.sequence;
    w->end = chunk.first + chunk.records;
    w->in_chunk = true;
    w->began = clock_now();
    w->flushed = w->began;
    w->handed = chunk.first;
    w->pace = chunk.pace;
    w->commit = (int64_t)(w->pace.times ? w->pace.first_every : w->pace.every) * 1000;
    tm_intake_begin(&w->file.input, w->rest);
    tm_results_begin(&w->results, chunk.sequence, chunk.first);
    if (w->spec.values.transform.batch)
        run_batches(w);
    else
        tm_script_run(w->script, &(struct script_source){w, on_next, on_done});
    if (w->number != w->end)
        give_up_text("the splitter and the parser of the input format disagree");
    /* The last record may have been handed over as it was done; nothing is said twice. */
    if (w->results.through > w->handed)
        flush_results(w);
    w->in_chunk = false;
}

/* ---- The other frames ---- */

static void close_file(struct worker *w)
{
    tm_intake_close(&w->file.input);
    tm_arena_release(&w->file.arena);
}

static void handle_file(struct worker *w, struct cursor *c)
{
    struct slice name, format;
    struct columns *columns;
    err why = {0};
    close_file(w);
    if (!tm_protocol_get_file(c, &w->file.arena, &w->file.id, &name, &format, &columns))
        give_up_text("the worker got a broken file");
    char *text = arena_alloc(&w->file.arena, name.n + 1);
    w->file.input.format = tm_format_find(format);
    if (!text || !w->file.input.format || !w->file.input.format->parse)
        give_up_text("the worker got a file of an unknown format");
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    w->file.name = text;
    if (tm_dialect_input(&w->spec, w->file.input.format, &w->file.arena, &w->file.input.dialect,
                         &why))
        give_up(&why);
    if (tm_intake_open(&w->file.input, &w->file.arena, columns, &why) != TIDEMILL_OK)
        give_up(&why);
    bool same = tm_format_verbatim(w->file.input.format, &w->file.input.dialect, w->output,
                                   &w->dialect);
    /* What is added to a CRLF file ends its lines in the same way. */
    w->dialect.crlf = columns && columns->crlf;
    if (w->output->verbatim)
        w->output->verbatim(w->writer, same ? w->file.input.reader : NULL);
    if (w->output->verbatim && w->results.own)
        w->output->verbatim(w->results.own, same ? w->file.input.reader : NULL);
}

static void fix_columns(struct worker *w, uint32_t n, const struct slice *names)
{
    err why = {0};
    if (tm_results_fix_columns(&w->results, n, names, &why) != TIDEMILL_OK)
        give_up(&why);
}

static void handle_columns(struct worker *w, struct cursor *c)
{
    uint32_t n;
    struct slice *names;
    if (!tm_protocol_get_names(c, &w->run_arena, &n, &names))
        give_up_text("the worker got broken columns");
    for (uint32_t i = 0; i < n; i++) {
        names[i] = tm_arena_copy(&w->run_arena, names[i]);
        if (!names[i].p)
            give_up_text("out of memory for the output's columns");
    }
    fix_columns(w, n, names);
}

/* A copy with a terminator in the job's arena. */
static const char *job_text(struct worker *w, struct slice s)
{
    char *text = arena_alloc(&w->job_arena, s.n + 1);
    if (!text)
        give_up_text("out of memory for the job");
    memcpy(text, s.n ? s.p : "", s.n);
    text[s.n] = '\0';
    return text;
}

static void make_batch(struct worker *w, uint64_t n)
{
    w->batch.records = calloc(n, sizeof *w->batch.records);
    w->batch.members = calloc(n, sizeof *w->batch.members);
    w->batch.outcomes = calloc(n, sizeof *w->batch.outcomes);
    if (!w->batch.records || !w->batch.members || !w->batch.outcomes)
        give_up_text("out of memory for transform.batch");
}

static void release_output(struct worker *w)
{
    if (!w->writer)
        return;
    if (w->results.own)
        w->output->writer_free(w->results.own);
    tm_results_release(&w->results);
    w->output->writer_free(w->writer);
    w->writer = NULL;
    tm_arena_reset(&w->run_arena);
}

static void handle_run(struct worker *w, struct cursor *c)
{
    err why = {0};
    release_output(w);
    w->output = tm_format_find(tm_cursor_bytes(c));
    if (c->bad || !w->output || !w->output->write)
        give_up_text("the worker got an unknown output format");
    if (tm_dialect_output(&w->spec, w->output, &w->run_arena, &w->dialect, &why))
        give_up(&why);
    w->writer = w->output->writer_new(&w->dialect);
    if (!w->writer)
        give_up_text("out of memory for the output format");
    tm_results_init(&w->results, w->output, w->writer, &w->dialect,
                    w->spec.values.limits.result_size);
    bool fits = w->dialect.extra == EXTRA_DROP || w->dialect.missing == MISSING_EMPTY;
    if (w->output->has_columns && !w->dialect.columns_n && fits &&
        !(w->results.own = w->output->writer_new(&w->dialect)))
        give_up_text("out of memory for the output format");
    if (w->output->has_columns && w->dialect.columns_n)
        fix_columns(w, w->dialect.columns_n, w->dialect.columns);
}

/*
 * A cap on the address space, for C code that Lua's allocator does not see: what the process has at
 * its start (a forked host may be large), the limit, and some room for chunks and results.
 */
static void limit_memory(const struct spec *spec)
{
    uint64_t limit = spec->values.limits.memory;
    unsigned long long pages = 0;
    FILE *f = limit == SPEC_UNLIMITED || SANITIZED ? NULL : fopen("/proc/self/statm", "re");
    if (!f)
        return;
    if (fscanf(f, "%llu", &pages) == 1) {
        rlim_t now = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
        rlim_t most = now + limit + MEMORY_ROOM + 4 * spec->values.chunk;
        struct rlimit cap = {most, most};
        setrlimit(RLIMIT_AS, &cap);
    }
    fclose(f);
}

static bool is_text(const void *types, struct slice field)
{
    const struct spec_types *t = types;
    for (size_t i = 0; i < t->n; i++)
        if (slice_is(field, t->names[i]))
            return t->text[i];
    return t->all_text;
}

static void make_script(struct worker *w, const struct protocol_job *job)
{
    const struct spec_values *v = &w->spec.values;
    struct script_config config = {
        .form = job->form,
        .text = job->script,
        .chunk_name = job_text(w, job->chunk_name),
        .first_line = job->first_line,
        .folder = job->folder.p ? job_text(w, job->folder) : NULL,
        .params = slice_of(v->transform.params),
        .seed = v->seed,
        .worker = job->worker,
        .batch = v->transform.batch > 0,
        .null_as_nil = v->input.null == NULL_NIL,
        .max_depth = v->limits.depth,
        .memory = v->limits.memory == SPEC_UNLIMITED ? 0 : (size_t)v->limits.memory,
        .functions = w->functions,
        .functions_n = w->functions_n,
        .is_text = is_text,
        .types = &v->input.types,
    };
    struct script_host host = {w, on_emit, on_log};
    err why = {0};
    int status;
    if (job->check) {
        status = tm_script_check(&config, &host, &why);
    } else {
        w->script = tm_script_new(&config, &host, &why);
        status = w->script ? TIDEMILL_OK : why.status;
    }
    if (status != TIDEMILL_OK) {
        send_status(FRAME_FAILED, status, why.message);
        _exit(0);
    }
    if (!job->check && !tm_watchdog_start(&w->spec, w->script))
        give_up_text("the worker cannot have a timer for limits.record_time");
    tm_watchdog_records(true);
    send_status(FRAME_READY, 0, "");
}

static void handle_job(struct worker *w, struct cursor *c)
{
    struct protocol_job job;
    err why = {0};
    if (w->has_job)
        give_up_text("the worker got a second job");
    w->has_job = true;
    if (tm_spec_init(&w->spec) != TIDEMILL_OK)
        give_up_text("out of memory for the job");
    if (tm_protocol_get_job(c, &job, &w->spec, &why) != TIDEMILL_OK)
        give_up(&why);
    if (w->spec.values.transform.batch)
        make_batch(w, w->spec.values.transform.batch);
    limit_memory(&w->spec);
    make_script(w, &job);
}

/* A normal end: teardown, and everything is given back, so that leak checkers have a say. */
static void handle_end(struct worker *w, struct cursor *c)
{
    (void)c;
    err why = {0};
    tm_watchdog_records(false);
    int status = tm_script_teardown(w->script, &why);
    tm_watchdog_close(&w->spec);
    tm_script_free(w->script);
    w->script = NULL;
    send_status(FRAME_DONE, status, why.message);
}

static void release(struct worker *w)
{
    tm_script_free(w->script);
    close_file(w);
    release_output(w);
    tm_arena_release(&w->run_arena);
    if (w->has_job)
        tm_spec_release(&w->spec);
    free(w->batch.records);
    free(w->batch.members);
    free(w->batch.outcomes);
    tm_arena_release(&w->arena);
    tm_arena_release(&w->job_arena);
    tm_frame_reader_release(&w->in);
}

/* What a frame needs to have come before it, and who takes it. */
enum { NEEDS_NOTHING, NEEDS_JOB, NEEDS_RUN };

static const struct {
    void (*handle)(struct worker *w, struct cursor *c);
    int needs;
} frames[] = {
    [FRAME_JOB] = {handle_job, NEEDS_NOTHING}, [FRAME_RUN] = {handle_run, NEEDS_JOB},
    [FRAME_FILE] = {handle_file, NEEDS_RUN},   [FRAME_COLUMNS] = {handle_columns, NEEDS_RUN},
    [FRAME_CHUNK] = {handle_chunk, NEEDS_RUN}, [FRAME_END] = {handle_end, NEEDS_JOB},
};

/* One frame; false after the last. */
static bool handle(struct worker *w, const struct frame *f)
{
    struct cursor c = {f->payload.p, f->payload.n, false};
    if (f->type >= sizeof frames / sizeof *frames || !frames[f->type].handle)
        give_up_text("the worker got an unknown frame");
    if (frames[f->type].needs > (w->writer ? NEEDS_RUN : w->has_job ? NEEDS_JOB : NEEDS_NOTHING))
        give_up_text("the worker got a frame before its time");
    frames[f->type].handle(w, &c);
    return f->type != FRAME_END;
}

int tm_worker_main(const struct script_function *functions, size_t functions_n)
{
    struct worker w = {.functions = functions, .functions_n = functions_n};
    struct frame f;
    bool more = true;
    /* The C locale rules everywhere: numbers, sorting, os.date. */
    setlocale(LC_ALL, "C");
    setenv("LC_ALL", "C", 1);
    if (!tm_watchdog_listen())
        return WORKER_EXIT_PROTOCOL;
    tm_script_promote_lua();
    tm_frame_reader_init(&w.in, UINT32_MAX);
    while (more) {
        switch (tm_frame_next(&w.in, &f)) {
        case FRAME_TAKEN:
            more = handle(&w, &f);
            break;
        case FRAME_BAD:
            give_up_text("the worker got a broken frame");
        case FRAME_WAIT:
            /* End of file here is a parent that ended without a word: nobody wants an answer. */
            switch (tm_frame_fill(&w.in, tm_worker_ends.in)) {
            case FILL_BYTES:
            case FILL_BLOCK:
                break;
            case FILL_END:
                _exit(WORKER_EXIT_LOST);
            case FILL_ERROR:
                _exit(errno == ENOMEM ? WORKER_EXIT_MEMORY : WORKER_EXIT_LOST);
            }
        }
    }
    release(&w);
    return 0;
}
