/*
 * The worker's loop. Frames flow in from the parent: the job, the run, files and columns, which are seen to
 * here, and chunks (worker_chunk.c). Answers flow out, and what is said outside of chunks.
 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/head.h"
#include "base/heap.h"
#include "base/region.h"
#include "base/sanitized.h"
#include "pipeline/protocol.h"
#include "pipeline/watchdog.h"
#include "pipeline/worker_state.h"

#define MEMORY_ROOM ((rlim_t)8 << 20)
/* Less than that, as the memory that malloc keeps is part of the process. */
#define HEAP_KEPT ((size_t)4 << 20)
/* A frame of results is the pipe's, or up to twice that where little is left of its chunk; then it grows. */
#define RESULTS_ROOM ((size_t)384 << 10)

struct worker_ends tm_worker_ends = {WORKER_FD_IN, WORKER_FD_OUT, WORKER_FD_LIFE};

/* ---- Answers ---- */

void tm_worker_send(struct slice s)
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
    tm_worker_send(buf_view(&b));
    tm_buf_release(&b);
}

void tm_worker_give_up(const err *why)
{
    send_status(FRAME_FAILED, why->status, why->message);
    _exit(WORKER_EXIT_PROTOCOL);
}

void tm_worker_give_up_text(const char *text)
{
    err why = {0};
    tm_err_set(&why, TIDEMILL_E_WORKER, "%s", text);
    tm_worker_give_up(&why);
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
        tm_worker_send(buf_view(&b));
    tm_buf_release(&b);
}

/* ---- Frames ---- */

static void close_file(struct worker *w)
{
    tm_intake_close(&w->file.input);
    tm_arena_release(&w->file.arena);
}

static void handle_file(struct worker *w, struct cursor *c)
{
    struct slice name, format;
    struct columns *columns;
    close_file(w);
    if (!tm_protocol_get_file(c, &w->file.arena, &w->file.id, &name, &format, &columns))
        tm_worker_give_up_text("the worker got a broken file");
    char *text = arena_alloc(&w->file.arena, name.n + 1);
    w->file.input.format = tm_format_find(format);
    if (!text || !w->file.input.format || !w->file.input.format->parse)
        tm_worker_give_up_text("the worker got a file of an unknown format");
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    w->file.name = text;
    if (tm_dialect_input(&w->spec, w->file.input.format, &w->file.arena, &w->file.input.dialect,
                         &w->why))
        tm_worker_give_up(&w->why);
    if (tm_intake_open(&w->file.input, &w->file.arena, columns, &w->why) != TIDEMILL_OK)
        tm_worker_give_up(&w->why);
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
    if (tm_results_fix_columns(&w->results, n, names, &w->why) != TIDEMILL_OK)
        tm_worker_give_up(&w->why);
}

static void handle_columns(struct worker *w, struct cursor *c)
{
    uint32_t n;
    struct slice *names;
    if (!tm_protocol_get_names(c, &w->run_arena, &n, &names))
        tm_worker_give_up_text("the worker got broken columns");
    for (uint32_t i = 0; i < n; i++) {
        names[i] = tm_arena_copy(&w->run_arena, names[i]);
        if (!names[i].p)
            tm_worker_give_up_text("out of memory for the output's columns");
    }
    fix_columns(w, n, names);
}

/* A copy with a terminator in the job's arena. */
static const char *job_text(struct worker *w, struct slice s)
{
    char *text = arena_alloc(&w->job_arena, s.n + 1);
    if (!text)
        tm_worker_give_up_text("out of memory for the job");
    memcpy(text, s.n ? s.p : "", s.n);
    text[s.n] = '\0';
    return text;
}

static void make_batch(struct worker *w, uint64_t n)
{
    w->batch.records = tm_heap_zeroed(n, sizeof *w->batch.records);
    w->batch.members = tm_heap_zeroed(n, sizeof *w->batch.members);
    w->batch.outcomes = tm_heap_zeroed(n, sizeof *w->batch.outcomes);
    if (!w->batch.records || !w->batch.members || !w->batch.outcomes)
        tm_worker_give_up_text("out of memory for transform.batch");
}

static void release_output(struct worker *w)
{
    if (!w->writer)
        return;
    if (w->results.own)
        w->output->writer_free(w->results.own);
    w->output->writer_free(w->writer);
    w->writer = NULL;
    tm_arena_reset(&w->run_arena);
}

static void handle_run(struct worker *w, struct cursor *c)
{
    release_output(w);
    w->output = tm_format_find(tm_cursor_bytes(c));
    if (c->bad || !w->output || !w->output->write)
        tm_worker_give_up_text("the worker got an unknown output format");
    if (tm_dialect_output(&w->spec, w->output, &w->run_arena, &w->dialect, &w->why))
        tm_worker_give_up(&w->why);
    w->writer = w->output->writer_new(&w->dialect);
    if (!w->writer)
        tm_worker_give_up_text("out of memory for the output format");
    tm_results_use(&w->results, w->output, w->writer, &w->dialect,
                   w->spec.values.limits.result_size);
    bool fits = w->dialect.extra == EXTRA_DROP || w->dialect.missing == MISSING_EMPTY;
    if (w->output->has_columns && !w->dialect.columns_n && fits &&
        !(w->results.own = w->output->writer_new(&w->dialect)))
        tm_worker_give_up_text("out of memory for the output format");
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
    char pages[256];
    if (limit == SPEC_UNLIMITED || SANITIZED || !tm_head("/proc/self/statm", pages, sizeof pages))
        return;
    rlim_t now = (rlim_t)strtoull(pages, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
    if (!now)
        return;
    rlim_t most = now + limit + MEMORY_ROOM + 4 * spec->values.chunk;
    struct rlimit cap = {most, most};
    setrlimit(RLIMIT_AS, &cap);
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
    int status;
    if (job->check) {
        status = tm_script_check(&config, &host, &w->why);
    } else {
        w->script = tm_script_new(&config, &host, &w->why);
        status = w->script ? TIDEMILL_OK : w->why.status;
    }
    if (status != TIDEMILL_OK) {
        send_status(FRAME_FAILED, status, w->why.message);
        _exit(0);
    }
    if (!job->check && !tm_watchdog_start(&w->spec, w->script))
        tm_worker_give_up_text("the worker cannot have a timer for limits.record_time");
    tm_watchdog_records(true);
    send_status(FRAME_READY, 0, "");
}

static void handle_job(struct worker *w, struct cursor *c)
{
    struct protocol_job job;
    if (w->has_job)
        tm_worker_give_up_text("the worker got a second job");
    w->has_job = true;
    if (tm_spec_init(&w->spec) != TIDEMILL_OK)
        tm_worker_give_up_text("out of memory for the job");
    if (tm_protocol_get_job(c, &job, &w->spec, &w->why) != TIDEMILL_OK)
        tm_worker_give_up(&w->why);
    if (w->spec.values.transform.batch)
        make_batch(w, w->spec.values.transform.batch);
    limit_memory(&w->spec);
    make_script(w, &job);
}

/* A normal end: teardown, and everything is given back, so that leak checkers have a say. */
static void handle_end(struct worker *w, struct cursor *c)
{
    (void)c;
    tm_watchdog_records(false);
    int status = tm_script_teardown(w->script, &w->why);
    tm_watchdog_close(&w->spec);
    tm_script_free(w->script);
    w->script = NULL;
    send_status(FRAME_DONE, status, w->why.message);
}

static void release(struct worker *w)
{
    tm_script_free(w->script);
    close_file(w);
    release_output(w);
    tm_arena_release(&w->run_arena);
    if (w->has_job)
        tm_spec_release(&w->spec);
    tm_heap_free(w->batch.records);
    tm_heap_free(w->batch.members);
    tm_heap_free(w->batch.outcomes);
    tm_arena_release(&w->arena);
    tm_arena_release(&w->job_arena);
    tm_frame_reader_release(&w->in);
    tm_results_release(&w->results);
    tm_lender_release(&w->lender);
    tm_heap_free(w);
}

/* What a frame needs to have come before it, and who takes it. */
enum { NEEDS_NOTHING, NEEDS_JOB, NEEDS_RUN };

static const struct {
    void (*handle)(struct worker *w, struct cursor *c);
    int needs;
} frames[] = {
    [FRAME_JOB] = {handle_job, NEEDS_NOTHING},    [FRAME_RUN] = {handle_run, NEEDS_JOB},
    [FRAME_FILE] = {handle_file, NEEDS_RUN},      [FRAME_COLUMNS] = {handle_columns, NEEDS_RUN},
    [FRAME_CHUNK] = {tm_worker_chunk, NEEDS_RUN}, [FRAME_END] = {handle_end, NEEDS_JOB},
};

/* One frame; false after the last. */
static bool handle(struct worker *w, const struct frame *f)
{
    struct cursor c = {f->payload.p, f->payload.n, false};
    if (f->type >= sizeof frames / sizeof *frames || !frames[f->type].handle)
        tm_worker_give_up_text("the worker got an unknown frame");
    if (frames[f->type].needs > (w->writer ? NEEDS_RUN : w->has_job ? NEEDS_JOB : NEEDS_NOTHING))
        tm_worker_give_up_text("the worker got a frame before its time");
    err_clear(&w->why);
    frames[f->type].handle(w, &c);
    return f->type != FRAME_END;
}

/*
 * The C locale rules everywhere: numbers, sorting, os.date, and programs that the script starts. They find it in an
 * environment of our own making (environ(7)): setenv(3) and putenv(3) take memory of malloc(3), and have the linker
 * look for that, which in a forked worker takes a tenth of the pages of its whole start.
 */
static bool rule_by_c(void)
{
    static char entry[] = "LC_ALL=C", **own;
    char **before = own; /* where a worker is started by another one */
    size_t n = 0, kept = 0;
    setlocale(LC_ALL, "C");
    while (environ && environ[n])
        n++;
    char **all = tm_heap_new((n + 2) * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], entry, sizeof "LC_ALL=" - 1) != 0)
            all[kept++] = environ[i];
    all[kept++] = entry;
    all[kept] = NULL;
    environ = own = all;
    tm_heap_free(before);
    return true;
}

/*
 * Garbage of Lua's goes in cycles. Have malloc keep its heap from one to the next, where it would give back all but
 * 128 KiB and touch each page anew: once it gave back a block of its own pages, it keeps as much as two of those
 * (mallopt(3), M_MMAP_THRESHOLD; and unlike with M_TRIM_THRESHOLD, more where a script's blocks are larger).
 */
static void keep_heap(void)
{
    /* A sanitizer has a malloc of its own, which keeps what it has. */
    void *volatile block = SANITIZED ? NULL : malloc(HEAP_KEPT / 2);
    free(block);
}

int tm_worker_prepare(bool little)
{
    tm_region_open(!little);
    keep_heap();
    if (!rule_by_c())
        return WORKER_EXIT_MEMORY;
    if (!tm_watchdog_listen())
        return WORKER_EXIT_PROTOCOL;
    tm_script_promote_lua();
    return 0;
}

int tm_worker_main(const struct script_function *functions, size_t functions_n)
{
    struct worker *w = tm_heap_zeroed(1, sizeof *w);
    struct frame f;
    bool more = true;
    if (!w)
        return WORKER_EXIT_MEMORY;
    w->functions = functions;
    w->functions_n = functions_n;
    tm_frame_reader_init(&w->in, UINT32_MAX);
    tm_results_init(&w->results, RESULTS_ROOM);
    w->lender.room = RESULTS_ROOM;
    while (more) {
        switch (tm_frame_next(&w->in, &f)) {
        case FRAME_TAKEN:
            more = handle(w, &f);
            break;
        case FRAME_BAD:
            tm_worker_give_up_text("the worker got a broken frame");
        case FRAME_WAIT:
            /* End of file here is a parent that ended without a word: nobody wants an answer. */
            switch (tm_frame_fill(&w->in, tm_worker_ends.in)) {
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
    release(w);
    return 0;
}
