/*
 * A run, wired: source -> splitter -> dispatcher -> workers -> merger -> output -> sink, and the
 * loop that turns it. One turn feeds the workers, waits for descriptors, moves bytes both ways, and
 * commits what is due.
 */
#include "run.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/policy.h"

/* A run that ends looks after its filter so often. */
#define LOOK_NS 100000000

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
    run->attached = true;
    /* The first step has something to do, which a host that polls must be told. */
    tm_loop_wake(&run->loop);
    return TIDEMILL_OK;
}

/* Workers that hold something of this run are of no use to the next. */
static void dismiss_workers(struct tidemill_run *run)
{
    int ignored;
    for (uint32_t i = 0; i < run->plan->workers; i++) {
        struct worker_handle *w = &run->pool->workers[i];
        if (w->hand_n || link_waiting(&w->link) || w->gone || w->told_stop ||
            run->pool == &run->own)
            tm_pool_stop(run->pool, w, &run->loop, &ignored);
        tm_pool_drop_left(w);
        w->hand_n = 0;
    }
}

/* The pool is the next run's, and may be freed before this one. */
static void leave_pool(struct tidemill_run *run)
{
    if (!run->attached)
        return;
    dismiss_workers(run);
    tm_pool_detach(run->pool, &run->loop);
    run->workers = run->pool->peak;
    run->attached = false;
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

static const struct format *input_format(const struct tidemill_run *run, size_t i)
{
    return run->plan->input ? run->plan->input : tm_format_by_path(run->source.inputs[i].name);
}

/* Every input has a format, and the output has one. */
static int find_formats(struct tidemill_run *run, const struct format **output, err *e)
{
    const struct plan *plan = run->plan;
    const struct format *first = plan->input;
    for (size_t i = 0; i < run->source.n && !plan->input; i++) {
        const struct format *f = input_format(run, i);
        if (!f || !f->split)
            return format_unknown("the input", run->source.inputs[i].name, "input.format", e);
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

/* Which file is at a sink's end, if it is one. (A descriptor that is not for writing says so later.) */
static bool sink_file(const struct sink *sink, struct stat *out)
{
    bool writes = sink->kind == SINK_STREAM &&
                  (fcntl(sink->io.fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    int got = sink->path ? stat(sink->path, out) : writes ? fstat(sink->io.fd, out) : -1;
    return got == 0 && S_ISREG(out->st_mode);
}

/*
 * Writing a file that is read is a mistake, even though the old one would survive it. One that is
 * appended to would never end. Nor is a job written over by what it makes.
 */
static int not_read(const struct tidemill_run *run, const struct sink *sink, err *e)
{
    const struct spec *spec = run->plan->spec;
    const struct {
        const char *path, *what;
    } own[] = {{spec->values.transform.script, "the script"},
               {spec->is_file ? spec->file : NULL, "the job file"}};
    struct stat out, in;
    if (!sink_file(sink, &out))
        return TIDEMILL_OK;
    const char *role = sink == &run->out ? "output" : "quarantine";
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i].path && stat(own[i].path, &in) == 0 && fdio_same_file(&in, &out))
            return tm_err_set(e, TIDEMILL_E_OUTPUT, "'%s' is %s and the %s at once", sink->name,
                              own[i].what, role);
    for (size_t i = 0; i < run->source.n; i++) {
        const struct input *input = &run->source.inputs[i];
        int got = input->kind == INPUT_PATH ? stat(input->path, &in)
                  : input->kind == INPUT_FD ? fstat(input->fd, &in)
                                            : -1;
        if (got == 0 && fdio_same_file(&in, &out))
            return tm_err_set(e, TIDEMILL_E_OUTPUT, "'%s' is an input and the %s at once",
                              sink->name, role);
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
    status = tm_filter_built(tm_filter_kind(v->input.compression), "input.compression", e);
    return status == TIDEMILL_OK ? tm_sink_pack(&run->out, v->output.compression, e) : status;
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
        status = not_read(run, &run->out, e);
    if (status == TIDEMILL_OK)
        status = not_read(run, &run->quarantine, e);
    if (status == TIDEMILL_OK)
        status = find_formats(run, format, e);
    if (status == TIDEMILL_OK)
        status = tm_dialect_output(run->plan->spec, *format, &run->arena, dialect, e);
    return status;
}

int tm_run_check(struct tidemill_run *run, bool *columns, err *e)
{
    const struct format *format = NULL;
    struct output_dialect dialect;
    int status = prepare(run, &format, &dialect, e);
    *columns = false;
    for (size_t i = 0; i < run->source.n && status == TIDEMILL_OK; i++)
        *columns = *columns || input_format(run, i)->header;
    return status;
}

/* Whatever is compressed goes through filters. */
static int start_filters(struct tidemill_run *run, err *e)
{
    const struct spec_values *v = &run->plan->spec->values;
    struct filter_config config = {v->isolation == ISOLATION_EXEC, v->worker_program};
    tm_source_unpack(&run->source, v->input.compression, &config);
    return tm_sink_start(&run->out, &config, e);
}

static int start(struct tidemill_run *run, err *e)
{
    const struct format *format = NULL;
    struct output_dialect dialect;
    int status = prepare(run, &format, &dialect, e);
    if (status == TIDEMILL_OK)
        status = start_filters(run, e);
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
    tm_dispatcher_init(&run->dispatcher, &run->splitter, run->pool, &run->merger, &run->recovery);
    run->recovery = (struct recovery){
        .pool = run->pool, .merger = &run->merger, .loop = &run->loop};
    run->collector = (struct collector){
        .pool = run->pool, .merger = &run->merger, .recovery = &run->recovery};
    run->phase = RUN_GOING;
    return tm_output_init(&run->output, format, &dialect, &run->out, e);
}

/* ---- Descriptors ---- */

/* Who cannot be told anything has ended, or has closed its input. What it has said still counts. */
static void tell(struct worker_handle *w)
{
    if (link_waiting(&w->link) && tm_link_flush(&w->link, w->process.in) < 0) {
        tm_link_release(&w->link);
        tm_process_kill(&w->process);
    }
}

static int want_worker(struct tidemill_run *run, struct worker_handle *w, err *e)
{
    bool read = collector_wants(&run->collector, w);
    if (w->state == WORKER_NONE)
        return TIDEMILL_OK;
    /* Who is polled has not taken all before. */
    if (!w->in.have)
        tell(w);
    int status = tm_loop_want(&run->loop, &w->in, link_waiting(&w->link) ? EPOLLOUT : 0, e);
    if (status == TIDEMILL_OK)
        status = tm_loop_want(&run->loop, &w->out, read ? EPOLLIN : 0, e);
    bool end = read || w->keeps;
    return status == TIDEMILL_OK ? tm_loop_want(&run->loop, &w->end, end ? EPOLLIN : 0, e) : status;
}

/* What to poll for, from the state of things. */
static int want(struct tidemill_run *run, err *e)
{
    bool going = run->phase == RUN_GOING && !run->stopping;
    /* Who cannot write on does not ask for more: see turn(). */
    bool read = going && run->dispatcher.wants_input && !sink_full(&run->out);
    int status = tm_source_want(&run->source, going, read, e);
    if (status == TIDEMILL_OK)
        status = tm_sink_want(&run->out, e);
    if (status == TIDEMILL_OK)
        status = tm_sink_want(&run->quarantine, e);
    for (uint32_t i = 0; i < run->plan->workers && status == TIDEMILL_OK; i++)
        status = want_worker(run, &run->pool->workers[i], e);
    return status;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a == 0 || (b && b < a) ? b : a;
}

/* Workers that are gone, but for the one whose turn it is: what that has said counts first. */
static int bury(struct tidemill_run *run, err *e)
{
    int status = TIDEMILL_OK;
    for (uint32_t i = 0; i < run->plan->workers && status == TIDEMILL_OK; i++) {
        struct worker_handle *w = &run->pool->workers[i];
        if (!w->gone || w->state == WORKER_NONE || w->state == WORKER_ENDED)
            continue;
        status = w->hand_n ? tm_recovery_died_early(&run->recovery, w, e)
                           : tm_recovery_died(&run->recovery, w, NULL, e);
    }
    return status;
}

static int move_bytes(struct tidemill_run *run, err *e)
{
    int status = tm_sink_flush(&run->out, e);
    if (status == TIDEMILL_OK)
        status = tm_sink_flush(&run->quarantine, e);
    if (run->phase == RUN_GOING && !run->stopping)
        tm_source_move(&run->source);
    for (uint32_t i = 0; i < run->plan->workers; i++)
        if (run->pool->workers[i].state != WORKER_NONE && run->pool->workers[i].in.ready)
            tell(&run->pool->workers[i]);
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

/* Every record is committed. Workers that were told to stop do not see to their teardown. */
static int all_committed(struct tidemill_run *run, err *e)
{
    if (run->stopping)
        return tm_err_set(e, TIDEMILL_E_STOPPED, RECOVERY_STOPPED);
    int status = tm_output_end(&run->output, run->splitter.first_columns, e);
    tm_sink_finish(&run->out);
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
    return sink_waits(&run->out) || sink_waits(&run->quarantine);
}

/* Nothing will be read or written any more; the host may be waiting for the end of a pipe. */
static void end(struct tidemill_run *run)
{
    leave_pool(run);
    tm_source_close(&run->source);
    tm_sink_close(&run->out);
    tm_sink_close(&run->quarantine);
    run->phase = RUN_OVER;
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
    end(run);
}

/* Before a start that failed, may the quarantine be emptied? Not where it is something else. */
static bool may_replace(const struct tidemill_run *run)
{
    return run->status != TIDEMILL_E_SPEC && !tm_sink_same(&run->out, &run->quarantine) &&
           not_read(run, &run->quarantine, NULL) == TIDEMILL_OK;
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
    tm_sink_finish(&run->out);
    if (run->out.kind == SINK_FILE)
        tm_sink_abandon(&run->out);
    dismiss_workers(run);
    run->phase = RUN_FLUSHING;
    if (before == RUN_NEW && !may_replace(run))
        end(run);
    else if (before == RUN_NEW || status == TIDEMILL_E_OUTPUT)
        complete(run);
}

static int advance(struct tidemill_run *run, err *e)
{
    int status = TIDEMILL_OK;
    if (run->phase == RUN_GOING)
        status = tm_collector_merge(&run->collector, e);
    if (status == TIDEMILL_OK)
        status = tm_collector_read(&run->collector, e);
    if (status == TIDEMILL_OK)
        status = bury(run, e);
    if (status == TIDEMILL_OK && run->phase == RUN_GOING && run->dispatcher.done &&
        !run->merger.first)
        status = all_committed(run, e);
    if (status == TIDEMILL_OK && run->phase == RUN_TEARDOWN && workers_ended(run))
        run->phase = RUN_FLUSHING;
    if (status == TIDEMILL_OK)
        status = tm_sink_push(&run->out, e);
    return status == TIDEMILL_OK ? tm_sink_push(&run->quarantine, e) : status;
}

/* Did the wait find anything ready? */
static bool has_events(const struct tidemill_run *run)
{
    bool events = tm_source_ready(&run->source) || tm_sink_ready(&run->out) ||
                  tm_sink_ready(&run->quarantine);
    for (uint32_t i = 0; i < run->plan->workers && !events; i++)
        events = run->pool->workers[i].in.ready || run->pool->workers[i].out.ready ||
                 run->pool->workers[i].end.ready;
    return events;
}

/* tidemill_run_stop() was called since the turn looked. */
static bool stop_is_new(const struct tidemill_run *run)
{
    return atomic_load(&run->stop) && !run->stopping;
}

bool tm_run_waits_for_host(const struct tidemill_run *run)
{
    if (run->phase != RUN_GOING || stop_is_new(run))
        return false;
    if (run->out.kind == SINK_PULL && sink_pending(&run->out) >= SINK_PENDING_MAX)
        return true;
    return run->dispatcher.wants_input && !run->merger.first &&
           tm_source_waits_for_host(&run->source);
}

bool tm_run_has_more(const struct tidemill_run *run)
{
    return run->timed_out || stop_is_new(run) || (run->moved && !tm_run_waits_for_host(run));
}

static bool is_unread(const struct tidemill_run *run)
{
    return run->out.kind == SINK_UNREAD || run->quarantine.kind == SINK_UNREAD;
}

/*
 * A run that was asked to end does not wait for a filter that somebody has stopped, nor for somebody
 * to read a FIFO.
 */
static int pass_by_sinks(struct tidemill_run *run, err *e)
{
    if (!run->stopping || !(is_unread(run) || tm_sink_is_stuck(&run->out)))
        return TIDEMILL_OK;
    tm_sink_abandon(&run->out);
    return tm_err_set(e, TIDEMILL_E_STOPPED, RECOVERY_STOPPED);
}

/* When something has to be looked at though no descriptor says so; 0: never. */
static int64_t deadline(const struct tidemill_run *run, bool feed)
{
    int64_t when = sooner(tm_recovery_deadline(&run->recovery), feed ? run->dispatcher.recheck : 0);
    when = sooner(when, run->collector.keep_until);
    if (is_unread(run))
        when = sooner(when, clock_now() + LOOK_NS);
    return sooner(when, run->stopping && run->out.packs ? clock_now() + LOOK_NS : 0);
}

/* One turn; the error of whatever fails is in `e`. */
static int turn(struct tidemill_run *run, int timeout, err *e)
{
    bool more = false;
    int status = TIDEMILL_OK;
    if (run->phase == RUN_NEW)
        status = start(run, e);
    if (status == TIDEMILL_OK && stop_is_new(run)) {
        run->stopping = true;
        tm_splitter_stop(&run->splitter);
        if (run->phase == RUN_GOING || run->phase == RUN_TEARDOWN)
            tm_recovery_stop(&run->recovery);
    }
    if (status == TIDEMILL_OK)
        status = pass_by_sinks(run, e);
    bool feed = run->phase == RUN_GOING && !sink_full(&run->out);
    if (status == TIDEMILL_OK && feed)
        status = tm_dispatcher_feed(&run->dispatcher, &more, e);
    if (!run->output.begun && run->splitter.leading) {
        run->output.dialect.crlf = run->splitter.first_columns->crlf;
        run->output.dialect.like = run->splitter.first_columns;
    }
    /* A host may have made room for what was read before: whose chunk is committed now can have another one. */
    size_t chunks = run->merger.chunks;
    if (status == TIDEMILL_OK)
        status = advance(run, e);
    more = more || (feed && run->merger.chunks < chunks);
    if (status == TIDEMILL_OK)
        status = want(run, e);
    if (status != TIDEMILL_OK || (run->phase == RUN_FLUSHING && !sinks_wait(run)))
        return status;
    if (more || run->source.watch.ready || run->out.watch.ready || tm_run_waits_for_host(run))
        timeout = 0;
    tm_loop_timer(&run->loop, deadline(run, feed));
    int64_t armed = run->loop.armed;
    status = tm_loop_wait(&run->loop, timeout, e);
    run->timed_out = run->loop.armed != armed;
    run->moved = more || has_events(run);
    tm_recovery_time(&run->recovery);
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
        run->inside = true;
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
        run->inside = false;
        tm_sigpipe_leave(&guard);
    }
    if (run->phase != RUN_OVER)
        return TIDEMILL_AGAIN;
    if (run->status != TIDEMILL_OK && e)
        *e = run->failure;
    return run->status;
}
