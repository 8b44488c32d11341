/*
 * A run, wired: source -> splitter -> dispatcher -> workers -> merger -> output -> sink, and the
 * loop that turns it. One turn feeds the workers, waits for descriptors, moves bytes both ways, and
 * commits what is due.
 */
#include "run.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/policy.h"

/* So much of a worker's results is read before its turn. */
#define AHEAD_MAX ((size_t)256 << 10)
/* Deaths in a row: without any progress, before anything was ready, of a record alone in hand. */
#define FUTILE_MAX       20
#define START_DEATHS_MAX 3
#define ALONE_MAX        3

int tm_run_init(struct tidemill_run *run, const struct plan *plan, struct pool *pool, err *e)
{
    *run = (struct tidemill_run){.plan = plan, .pool = pool ? pool : &run->own};
    atomic_init(&run->stop, false);
    int status = tm_loop_init(&run->loop, e);
    if (status != TIDEMILL_OK)
        return status;
    tm_source_init(&run->source, &run->loop);
    tm_sink_init(&run->out, &run->loop);
    tm_sink_init(&run->quarantine, &run->loop);
    if (!pool && (status = tm_pool_init(&run->own, plan, e)) != TIDEMILL_OK) {
        tm_loop_release(&run->loop);
        return status;
    }
    tm_pool_attach(run->pool);
    return TIDEMILL_OK;
}

/* Workers that hold something of this run are of no use to the next. */
static void leave_pool(struct tidemill_run *run)
{
    int ignored;
    if (!run->pool->busy)
        return;
    for (uint32_t i = 0; i < run->plan->workers; i++) {
        struct worker_handle *w = &run->pool->workers[i];
        if (w->hand_n || link_waiting(&w->link) || w->gone || run->pool == &run->own)
            tm_pool_stop(run->pool, w, &run->loop, &ignored);
        w->hand_n = 0;
    }
    tm_pool_detach(run->pool, &run->loop);
}

void tm_run_release(struct tidemill_run *run)
{
    leave_pool(run);
    if (run->pool == &run->own)
        tm_pool_release(&run->own);
    if (run->wired) {
        tm_merger_release(&run->merger);
        tm_splitter_release(&run->splitter);
        tm_output_release(&run->output);
    }
    tm_source_release(&run->source);
    tm_sink_release(&run->out);
    tm_sink_release(&run->quarantine);
    tm_arena_release(&run->arena);
    tm_loop_release(&run->loop);
}

/* ---- The start ---- */

static int default_input(struct tidemill_run *run, err *e)
{
    const struct spec_list *paths = &run->plan->spec->values.input.path;
    for (size_t i = 0; i < paths->n; i++) {
        int status = tm_source_add_glob(&run->source, paths->items[i], e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

static int format_unknown(const char *what, const char *name, const char *option, err *e)
{
    return tm_err_set(e, TIDEMILL_E_SPEC, "the format of %s '%s' is not known: set %s", what, name,
                      option);
}

/* Every input has a format, and the output has one. */
static int find_formats(struct tidemill_run *run, const struct format **output, err *e)
{
    const struct plan *plan = run->plan;
    const struct format *first = plan->input;
    for (size_t i = 0; i < run->source.n && !plan->input; i++) {
        const char *name = run->source.inputs[i].name;
        const struct format *f = tm_format_by_path(name);
        if (!f || !f->split)
            return format_unknown("the input", name, "input.format", e);
        if (i == 0)
            first = f;
    }
    *output = plan->output;
    if (!*output && run->out.name)
        *output = tm_format_by_path(run->out.name);
    if (!*output)
        *output = first;
    if (!*output || !(*output)->write)
        return format_unknown("the output", run->out.name, "output.format", e);
    return TIDEMILL_OK;
}

/* Writing a file that is read is a mistake, even though the old one would survive it. */
static int not_input(const struct tidemill_run *run, const struct sink *sink, err *e)
{
    struct stat out, in;
    if (!sink->path || stat(sink->path, &out) < 0 || !S_ISREG(out.st_mode))
        return TIDEMILL_OK;
    for (size_t i = 0; i < run->source.n; i++) {
        const struct input *input = &run->source.inputs[i];
        int got = input->kind == INPUT_PATH ? stat(input->path, &in)
                  : input->kind == INPUT_FD ? fstat(input->fd, &in)
                                            : -1;
        if (got == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            return tm_err_set(e, TIDEMILL_E_OUTPUT, "'%s' is an input and the %s at once", sink->name,
                              sink == &run->out ? "output" : "quarantine");
    }
    return TIDEMILL_OK;
}

static int open_sinks(struct tidemill_run *run, err *e)
{
    const struct spec_values *v = &run->plan->spec->values;
    int status;
    if (v->errors.policy == POLICY_QUARANTINE &&
        (status = tm_sink_open_path(&run->quarantine, v->errors.quarantine, e)) != TIDEMILL_OK)
        return status;
    if (run->out.kind == SINK_NONE &&
        (status = tm_sink_open_path(&run->out, v->output.path, e)) != TIDEMILL_OK)
        return status;
    if (tm_sink_same(&run->out, &run->quarantine))
        return tm_err_set(e, TIDEMILL_E_OUTPUT, "'%s' is the output and the quarantine at once",
                          run->quarantine.name);
    return TIDEMILL_OK;
}

/* Look at everything that a run needs, and open what can be opened before there is work. */
static int prepare(struct tidemill_run *run, const struct format **format,
                   struct output_dialect *dialect, err *e)
{
    int status = open_sinks(run, e);
    if (status == TIDEMILL_OK && !run->source.n)
        status = default_input(run, e);
    if (status == TIDEMILL_OK)
        status = tm_source_check(&run->source, e);
    if (status == TIDEMILL_OK)
        status = not_input(run, &run->out, e);
    if (status == TIDEMILL_OK)
        status = not_input(run, &run->quarantine, e);
    if (status == TIDEMILL_OK)
        status = find_formats(run, format, e);
    if (status == TIDEMILL_OK)
        status = tm_dialect_output(run->plan->spec, *format, &run->arena, dialect, e);
    return status;
}

int tm_run_check(struct tidemill_run *run, err *e)
{
    const struct format *format = NULL;
    struct output_dialect dialect;
    return prepare(run, &format, &dialect, e);
}

static int start(struct tidemill_run *run, err *e)
{
    const struct format *format = NULL;
    struct output_dialect dialect;
    int status = prepare(run, &format, &dialect, e);
    if (status != TIDEMILL_OK)
        return status;
    tidemill_message_fn message = run->merger.message;
    void *context = run->merger.message_context;
    run->wired = true;
    tm_splitter_init(&run->splitter, &run->source, run->plan->spec, run->plan->input);
    tm_merger_init(&run->merger, run->plan->spec, &run->output,
                   run->quarantine.kind == SINK_NONE ? NULL : &run->quarantine);
    run->merger.message = message;
    run->merger.message_context = context;
    tm_dispatcher_init(&run->dispatcher, &run->splitter, run->pool, &run->merger);
    run->phase = RUN_GOING;
    return tm_output_init(&run->output, format, &dialect, &run->out, e);
}

/* ---- Results ---- */

#define GARBAGE "sent what no worker sends"

/*
 * A worker died before it could work. One that exits does so again; a signal may have come from
 * outside, so it is tried a few times.
 */
static int died_starting(struct tidemill_run *run, const struct worker_handle *w, int status,
                         const char *how, err *e)
{
    if (status != -1 && WIFSIGNALED(status) && ++run->start_deaths < START_DEATHS_MAX)
        return TIDEMILL_OK;
    return tm_err_set(e, TIDEMILL_E_WORKER, "worker %u %s while it started (the script's setup)",
                      w->number, how);
}

/* The record (or batch) that killed its worker again and again while it was alone in hand. */
static int condemn(struct tidemill_run *run, struct chunk *c, const char *how, err *e)
{
    err why = {0};
    tm_err_set(&why, TIDEMILL_E_WORKER, "the worker process %s", how);
    run->futile = 0;
    c->deaths = c->alone = 0;
    for (uint32_t last = c->part_end; c->done < last;) {
        int status = tm_merger_fail(&run->merger, c, c->done++, &why, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

/* What the dead worker's first chunk needs now: the rest again, or one record (or batch) alone. */
static void next_part(const struct tidemill_run *run, struct chunk *c)
{
    uint64_t batch = run->plan->spec->values.transform.batch;
    uint32_t one = batch ? (uint32_t)batch : 1;
    c->part = c->done;
    c->part_end = c->deaths > 1 && c->records - c->done > one ? c->done + one : c->records;
}

/* Is the next record to do (or its batch) all that the part has left? */
static bool is_alone(const struct tidemill_run *run, const struct chunk *c)
{
    uint64_t batch = run->plan->spec->values.transform.batch;
    return c->part_end - c->done <= (batch ? batch : 1);
}

/*
 * The worker of the first chunk is gone: by itself, or because it sent what no worker sends. All
 * that it had committed is. A new one goes on from there.
 */
static int died(struct tidemill_run *run, struct worker_handle *w, const char *garbage, err *e)
{
    char how[128];
    int wait_status, status = TIDEMILL_OK;
    struct chunk *c = w->hand_n ? w->hand[0] : NULL;
    bool starting = w->state == WORKER_STARTING;
    tm_pool_stop(run->pool, w, &run->loop, &wait_status);
    tm_process_describe(wait_status, how, sizeof how);
    run->merger.stats.deaths++;
    if (starting)
        status = died_starting(run, w, wait_status, how, e);
    else if (++run->futile > FUTILE_MAX)
        status = tm_err_set(e, TIDEMILL_E_WORKER, "workers keep dying: the last one %s",
                            garbage ? garbage : how);
    if (status != TIDEMILL_OK || !c)
        return status;
    if (!starting) {
        c->deaths++;
        c->alone = is_alone(run, c) ? c->alone + 1 : 0;
        if (c->alone == ALONE_MAX)
            status = condemn(run, c, garbage ? garbage : how, e);
    }
    if (status != TIDEMILL_OK)
        return status;
    w->sent_n = 1;
    next_part(run, c);
    if (c->done == c->records)
        tm_pool_part_done(w);
    w->sent_n = 0;
    if (w->hand_n == 0)
        return TIDEMILL_OK;
    status = tm_pool_start(run->pool, w, e);
    return status == TIDEMILL_OK ? tm_pool_send(w, &run->output, e) : status;
}

static void pass_log(struct tidemill_run *run, const struct frame *f)
{
    struct cursor c = {f->payload.p, f->payload.n, false};
    uint8_t level = tm_cursor_u8(&c);
    struct slice text = tm_cursor_bytes(&c);
    if (!c.bad)
        tm_merger_message(&run->merger, level, text);
}

/* There was progress: deaths count from the beginning again. */
static void committed(struct tidemill_run *run, struct chunk *c)
{
    run->futile = 0;
    c->deaths = c->alone = 0;
}

/* Frames of a worker up to the next RESULT, which waits for its turn. */
static int take_answers(struct tidemill_run *run, struct worker_handle *w, err *e)
{
    struct frame f;
    for (;;) {
        if (tm_frame_type(&w->reader) == FRAME_RESULT)
            return TIDEMILL_OK;
        switch (tm_frame_next(&w->reader, &f)) {
        case FRAME_BAD:
            w->gone = true;
            return TIDEMILL_OK;
        case FRAME_WAIT:
            return TIDEMILL_OK;
        case FRAME_TAKEN:
            break;
        }
        if (f.type == FRAME_LOG) {
            pass_log(run, &f);
            continue;
        }
        int status = tm_pool_answer(w, &f, e);
        if (status != TIDEMILL_OK)
            return status;
        run->start_deaths = 0;
    }
}

/* Commit what the worker of the first chunk has sent. *progress: there may be more to take. */
static int take_result(struct tidemill_run *run, struct worker_handle *w, bool *progress, err *e)
{
    struct frame f;
    const struct chunk *c = run->merger.first;
    int status = take_answers(run, w, e);
    if (status != TIDEMILL_OK || w->state == WORKER_NONE)
        return status;
    if (tm_frame_type(&w->reader) != FRAME_RESULT) {
        *progress = w->gone;
        return w->gone ? died(run, w, NULL, e) : TIDEMILL_OK;
    }
    *progress = true;
    if (tm_frame_next(&w->reader, &f) != FRAME_TAKEN || w->hand_n == 0 || w->hand[0] != c)
        return died(run, w, GARBAGE, e);
    uint32_t before = c->done;
    status = tm_merger_result(&run->merger, f.payload, e);
    if (c->done > before)
        committed(run, w->hand[0]);
    if (status == TIDEMILL_E_WORKER && e->record == 0)
        return died(run, w, GARBAGE, e);
    if (status != TIDEMILL_OK || c->done < c->part_end)
        return status;
    tm_pool_part_done(w);
    return tm_pool_send(w, &run->output, e);
}

static int merge(struct tidemill_run *run, err *e)
{
    bool progress = true;
    while (progress) {
        int status = tm_merger_advance(&run->merger, e);
        const struct chunk *c = run->merger.first;
        if (status != TIDEMILL_OK || !c || !c->worker || sink_full(&run->out))
            return status;
        status = take_result(run, c->worker, &progress, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

/* ---- Descriptors ---- */

static bool has_turn(const struct tidemill_run *run, const struct worker_handle *w)
{
    return run->merger.first && run->merger.first->worker == w && !sink_full(&run->out);
}

static int want_worker(struct tidemill_run *run, struct worker_handle *w, err *e)
{
    bool read = !w->gone && (has_turn(run, w) || frame_pending(&w->reader) < AHEAD_MAX);
    if (w->state == WORKER_NONE)
        return TIDEMILL_OK;
    int status = tm_loop_want(&run->loop, &w->in, link_waiting(&w->link) ? EPOLLOUT : 0, e);
    return status == TIDEMILL_OK ? tm_loop_want(&run->loop, &w->out, read ? EPOLLIN : 0, e)
                                 : status;
}

/* What to poll for, from the state of things. */
static int want(struct tidemill_run *run, err *e)
{
    struct sink *sinks[] = {&run->out, &run->quarantine};
    bool read = run->phase == RUN_GOING && run->dispatcher.wants_input && !run->stopping;
    int status = tm_loop_want(&run->loop, &run->source.watch, read ? EPOLLIN : 0, e);
    for (int i = 0; i < 2 && status == TIDEMILL_OK; i++)
        status = tm_loop_want(
            &run->loop, &sinks[i]->watch,
            sinks[i]->kind == SINK_STREAM && sink_pending(sinks[i]) ? EPOLLOUT : 0, e);
    for (uint32_t i = 0; i < run->plan->workers && status == TIDEMILL_OK; i++)
        status = want_worker(run, &run->pool->workers[i], e);
    return status;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a == 0 || (b && b < a) ? b : a;
}

static int move_worker(struct tidemill_run *run, struct worker_handle *w, err *e)
{
    if (w->state == WORKER_NONE)
        return TIDEMILL_OK;
    /* A broken pipe shows as the end of the results, which say more. */
    if (link_waiting(&w->link) && tm_link_flush(&w->link, w->process.in) < 0)
        tm_link_release(&w->link);
    if (!w->out.ready || w->gone)
        return TIDEMILL_OK;
    switch (tm_frame_fill(&w->reader, w->process.out)) {
    case FILL_BYTES:
    case FILL_BLOCK:
        break;
    case FILL_END:
        w->gone = true;
        break;
    case FILL_ERROR:
        if (errno == ENOMEM)
            return tm_err_memory(e, "results");
        w->gone = true;
        break;
    }
    return take_answers(run, w, e);
}

/* Workers that are gone with nothing left to say and nothing in hand. */
static int bury(struct tidemill_run *run, err *e)
{
    int status = TIDEMILL_OK;
    for (uint32_t i = 0; i < run->plan->workers && status == TIDEMILL_OK; i++) {
        struct worker_handle *w = &run->pool->workers[i];
        if (w->gone && !w->hand_n && w->state != WORKER_NONE && w->state != WORKER_ENDED)
            status = died(run, w, NULL, e);
    }
    return status;
}

static int move_bytes(struct tidemill_run *run, err *e)
{
    int status = tm_sink_flush(&run->out, e);
    if (status == TIDEMILL_OK)
        status = tm_sink_flush(&run->quarantine, e);
    for (uint32_t i = 0; i < run->plan->workers && status == TIDEMILL_OK; i++)
        status = move_worker(run, &run->pool->workers[i], e);
    return status;
}

/* ---- The end ---- */

static bool workers_ended(const struct tidemill_run *run)
{
    for (uint32_t i = 0; i < run->plan->workers; i++) {
        enum worker_state state = run->pool->workers[i].state;
        if (state != WORKER_NONE && state != WORKER_ENDED)
            return false;
    }
    return true;
}

/* Every record is committed. */
static int all_committed(struct tidemill_run *run, err *e)
{
    if (run->stopping)
        return tm_err_set(e, TIDEMILL_E_STOPPED, "stopped before the input was read to its end");
    int status = tm_output_end(&run->output, run->splitter.first_columns, e);
    run->phase = run->pool == &run->own ? RUN_TEARDOWN : RUN_FLUSHING;
    for (uint32_t i = 0; i < run->plan->workers && run->phase == RUN_TEARDOWN; i++) {
        struct worker_handle *w = &run->pool->workers[i];
        if (status == TIDEMILL_OK && (w->state == WORKER_STARTING || w->state == WORKER_READY))
            status = tm_pool_send_end(w, e);
    }
    return status;
}

static bool sinks_wait(const struct tidemill_run *run)
{
    return (run->out.kind == SINK_STREAM && sink_pending(&run->out)) ||
           (run->quarantine.kind == SINK_STREAM && sink_pending(&run->quarantine));
}

/* Nothing is pending any more: outputs become visible, and the run has a result. */
static void complete(struct tidemill_run *run)
{
    err why;
    leave_pool(run);
    if (run->quarantine.kind != SINK_NONE) {
        int status = tm_sink_commit(&run->quarantine, &why);
        if (status != TIDEMILL_OK && run->status == TIDEMILL_OK) {
            run->status = status;
            run->failure = why;
        }
    }
    if (run->status == TIDEMILL_OK)
        run->status = tm_sink_commit(&run->out, &run->failure);
    run->phase = RUN_OVER;
}

/* Before a start that failed, may the quarantine be emptied? Not where it is something else. */
static bool may_replace(const struct tidemill_run *run)
{
    return run->status != TIDEMILL_E_SPEC && !tm_sink_same(&run->out, &run->quarantine) &&
           not_input(run, &run->quarantine, NULL) == TIDEMILL_OK;
}

/* The run cannot go on; what was committed still reaches the output. */
static void fail(struct tidemill_run *run, int status)
{
    err ignored;
    enum run_phase before = run->phase;
    run->status = status;
    run->failure.status = status;
    if (before == RUN_GOING && run->output.begun && status != TIDEMILL_E_OUTPUT)
        tm_output_end(&run->output, NULL, &ignored);
    leave_pool(run);
    run->phase = RUN_FLUSHING;
    if (before == RUN_NEW && !may_replace(run))
        run->phase = RUN_OVER;
    else if (before == RUN_NEW || status == TIDEMILL_E_OUTPUT)
        complete(run);
}

static int advance(struct tidemill_run *run, err *e)
{
    int status = TIDEMILL_OK;
    if (run->phase == RUN_GOING)
        status = merge(run, e);
    if (status == TIDEMILL_OK)
        status = bury(run, e);
    if (status == TIDEMILL_OK && run->phase == RUN_GOING && run->dispatcher.done &&
        !run->merger.first)
        status = all_committed(run, e);
    if (status == TIDEMILL_OK && run->phase == RUN_TEARDOWN && workers_ended(run))
        run->phase = RUN_FLUSHING;
    return status;
}

/* Did the wait find anything ready? */
static bool has_events(const struct tidemill_run *run)
{
    bool events = run->source.watch.ready || run->out.watch.ready || run->quarantine.watch.ready;
    for (uint32_t i = 0; i < run->plan->workers && !events; i++)
        events = run->pool->workers[i].in.ready || run->pool->workers[i].out.ready;
    return events;
}

bool tm_run_waits_for_host(const struct tidemill_run *run)
{
    if (run->phase != RUN_GOING)
        return false;
    if (run->out.kind == SINK_PULL && sink_full(&run->out))
        return true;
    return run->dispatcher.wants_input && !run->merger.first && run->source.open &&
           run->source.watch.fd < 0;
}

bool tm_run_has_more(const struct tidemill_run *run)
{
    return run->moved;
}

/* One turn; the error of whatever fails is in `e`. */
static int turn(struct tidemill_run *run, int timeout, err *e)
{
    bool more = false;
    int status = TIDEMILL_OK;
    if (run->phase == RUN_NEW)
        status = start(run, e);
    if (status == TIDEMILL_OK && !run->stopping && atomic_load(&run->stop)) {
        run->stopping = true;
        tm_splitter_stop(&run->splitter);
    }
    if (status == TIDEMILL_OK && run->phase == RUN_GOING && !sink_full(&run->out))
        status = tm_dispatcher_feed(&run->dispatcher, &more, e);
    if (!run->output.begun && run->splitter.first_columns)
        run->output.dialect.crlf = run->splitter.first_columns->crlf;
    if (status == TIDEMILL_OK)
        status = advance(run, e);
    if (status == TIDEMILL_OK)
        status = want(run, e);
    if (status != TIDEMILL_OK || (run->phase == RUN_FLUSHING && !sinks_wait(run)))
        return status;
    if (more || run->source.watch.ready || run->out.watch.ready || tm_run_waits_for_host(run))
        timeout = 0;
    tm_loop_timer(&run->loop,
                  sooner(run->dispatcher.recheck, tm_splitter_deadline(&run->splitter)));
    status = tm_loop_wait(&run->loop, timeout, e);
    run->moved = more || has_events(run);
    if (status == TIDEMILL_OK)
        status = move_bytes(run, e);
    return status == TIDEMILL_OK ? advance(run, e) : status;
}

int tm_run_step(struct tidemill_run *run, int timeout, err *e)
{
    struct sigpipe_guard guard;
    if (run->phase != RUN_OVER) {
        tm_sigpipe_enter(&guard);
        err why = {0};
        int status = turn(run, timeout, &why);
        if (status != TIDEMILL_OK && run->phase == RUN_FLUSHING) {
            if (run->status == TIDEMILL_OK) {
                run->status = status;
                run->failure = why;
            }
            complete(run);
        } else if (status != TIDEMILL_OK) {
            run->failure = why;
            fail(run, status);
        }
        if (run->phase == RUN_FLUSHING && !sinks_wait(run))
            complete(run);
        tm_sigpipe_leave(&guard);
    }
    if (run->phase != RUN_OVER)
        return TIDEMILL_AGAIN;
    if (run->status != TIDEMILL_OK && e)
        *e = run->failure;
    return run->status;
}
