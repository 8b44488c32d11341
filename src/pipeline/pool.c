/*
 * Workers' lives and what they are told.
 */
#include "pipeline/pool.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "pipeline/fdio.h"
#include "pipeline/watchdog.h"

#define TURN_MS  100
#define LEAVE_MS 1000
/* From commit to commit (us), usually and when a worker has died within so many ns. */
#define CALM_US  10000
#define ALERT_US 1000
#define ALERT_NS 1000000000
/* Beyond what limits.result_size lets through: rows of other records, what was printed, headers. */
#define FRAME_SLACK ((uint64_t)16 << 20)

static size_t frame_max(const struct spec *spec)
{
    uint64_t result = spec->values.limits.result_size;
    if (result > (UINT32_MAX - FRAME_SLACK) / 2)
        return UINT32_MAX;
    return (size_t)(2 * result + FRAME_SLACK);
}

int tm_pool_init(struct pool *p, const struct plan *plan, err *e)
{
    *p = (struct pool){.plan = plan};
    tm_fork_server_init(&p->server);
    p->workers = calloc(plan->workers, sizeof *p->workers);
    if (!p->workers)
        return tm_err_memory(e, "the workers");
    for (uint32_t i = 0; i < plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        w->number = i + 1;
        tm_process_init(&w->process);
        tm_frame_reader_init(&w->reader, frame_max(plan->spec));
        tm_frame_reader_init(&w->left, frame_max(plan->spec));
        w->in.fd = w->out.fd = w->end.fd = -1;
    }
    return TIDEMILL_OK;
}

void tm_pool_stop(struct pool *p, struct worker_handle *w, struct loop *loop, int *status)
{
    *status = -1;
    if (w->state == WORKER_NONE)
        return;
    if (loop) {
        tm_loop_forget(loop, &w->in);
        tm_loop_forget(loop, &w->out);
        tm_loop_forget(loop, &w->end);
    }
    /* Who has said its last word exits at once, unless somebody has stopped it just then. */
    if (w->state != WORKER_ENDED || !tm_process_ends(&w->process, LEAVE_MS))
        tm_process_kill(&w->process);
    tm_process_wait(&w->process, status);
    tm_link_release(&w->link);
    tm_frame_reader_reset(&w->reader);
    w->ahead = 0;
    w->looked = 0;
    w->in.fd = w->out.fd = w->end.fd = -1;
    w->state = WORKER_NONE;
    w->gone = w->keeps = false;
    p->started--;
}

void tm_pool_release(struct pool *p)
{
    int status;
    for (uint32_t i = 0; p->workers && i < p->plan->workers; i++) {
        tm_pool_stop(p, &p->workers[i], NULL, &status);
        tm_frame_reader_release(&p->workers[i].reader);
        tm_pool_drop_left(&p->workers[i]);
    }
    if (p->workers)
        tm_fork_server_release(&p->server);
    free(p->workers);
    *p = (struct pool){0};
}

static int send_job(struct pool *p, struct worker_handle *w, err *e)
{
    const struct plan *plan = p->plan;
    struct protocol_job job = {
        .worker = w->number,
        .check = p->check,
        .form = plan->form,
        .script = plan->script,
        .chunk_name = slice_of(plan->chunk_name),
        .folder = slice_of(plan->folder),
        .first_line = plan->first_line,
    };
    struct buf b;
    tm_buf_init(&b);
    size_t begin = tm_frame_begin(&b, FRAME_JOB);
    tm_protocol_put_job(&b, &job, plan->spec);
    if (!tm_frame_end(&b, begin, 0))
        b.failed = true;
    return tm_link_put(&w->link, &b, e);
}

/* A worker that takes the place of a dead one is forked by the fork server, where that can be had. */
static int start_process(struct pool *p, struct process *process, err *e)
{
    const struct plan *plan = p->plan;
    struct process_config config = {
        .exec = plan->spec->values.isolation == ISOLATION_EXEC,
        .program = plan->spec->values.worker_program,
        .log_fd = plan->log_fd,
        .pipe_size = POOL_PIPE_SIZE,
        .little = p->check || p->little,
        .functions = plan->functions,
        .functions_n = plan->functions_n,
    };
    if (p->died && tm_fork_server_start(&p->server, process, &config))
        return TIDEMILL_OK;
    int status = tm_process_start(process, &config, e);
    if (status == TIDEMILL_OK || !tm_pool_is_short(e) || !tm_fork_server_resign(&p->server))
        return status;
    /* What the server has taken is there for a worker now. */
    return tm_process_start(process, &config, e);
}

int tm_pool_start(struct pool *p, struct worker_handle *w, err *e)
{
    int status = start_process(p, &w->process, e);
    if (status != TIDEMILL_OK)
        return status;
    w->state = WORKER_STARTING;
    w->started = w->told_run = w->told_columns = w->told_stop = false;
    w->gone = w->slow = w->garbage = false;
    w->told_file = w->sent_n = w->busy_end = 0;
    w->silent = w->stopped = 0;
    w->began = clock_now();
    w->in = (struct watch){.fd = w->process.in};
    w->out = (struct watch){.fd = w->process.out};
    w->end = (struct watch){.fd = w->process.pidfd};
    if (++p->started > p->peak)
        p->peak = p->started;
    return send_job(p, w, e);
}

bool tm_pool_is_short(const err *e)
{
    int number = e->system_errno;
    return e->status == TIDEMILL_E_WORKER &&
           (number == EAGAIN || number == ENOMEM || number == EMFILE || number == ENFILE);
}

void tm_pool_attach(struct pool *p)
{
    p->busy = true;
    p->peak = p->started;
    p->died = 0;
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        w->told_run = w->told_columns = false;
        w->told_file = 0;
        w->hand_n = w->sent_n = w->ahead = 0;
        w->looked = 0;
        w->keeps = false;
    }
}

void tm_pool_detach(struct pool *p, struct loop *loop)
{
    p->busy = false;
    /* The next run may find the host in another folder, or as another user. */
    tm_fork_server_release(&p->server);
    tm_fork_server_init(&p->server);
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        struct watch *watches[] = {&w->in, &w->out, &w->end};
        for (size_t k = 0; k < sizeof watches / sizeof *watches; k++) {
            int fd = watches[k]->fd;
            tm_loop_forget(loop, watches[k]);
            watches[k]->fd = fd;
        }
    }
}

/* ---- Messages ---- */

static void put_run(struct buf *b, const struct format *output)
{
    size_t begin = tm_frame_begin(b, FRAME_RUN);
    tm_buf_bytes(b, slice_of(output->name));
    if (!tm_frame_end(b, begin, 0))
        b->failed = true;
}

static void put_columns(struct buf *b, const struct output *output)
{
    size_t begin = tm_frame_begin(b, FRAME_COLUMNS);
    tm_protocol_put_names(b, output->n, output->names);
    if (!tm_frame_end(b, begin, 0))
        b->failed = true;
}

/* The bytes of a chunk's part, and the line where they begin. */
static struct record_place part_place(struct chunk *c)
{
    struct record_place place = {{c->p, c->n}, c->first_line, c->offset};
    if (c->part) {
        place = tm_chunk_find(c, c->part);
        place.raw.n = c->n - (size_t)(place.raw.p - c->p);
    }
    if (c->part_end < c->records)
        place.raw.n = (size_t)(tm_chunk_find(c, c->part_end).raw.p - place.raw.p);
    return place;
}

/*
 * Large pieces are cheap, and what is not committed is lost with its worker: the pipe takes one that
 * is large, or two.
 */
static const struct commit_pace calm = {POOL_PIPE_WHOLE, CALM_US, 0, 0};
static const struct commit_pace alert = {POOL_PIPE_WHOLE / 2, ALERT_US, 0, 0};

/* Each goes on for well over one commit of the one before. */
const struct care_pace tm_pool_cares[] = {
    [CARE_NONE] = {0, 0},           [CARE_AGAIN] = {ALERT_US, 2 * CALM_US / ALERT_US},
    [CARE_TIME] = {250, 10},        [CARE_RECORD] = {0, 1000},
    [CARE_ALONE] = {0, UINT32_MAX},
};

void tm_pool_note_death(struct pool *p)
{
    p->died = clock_now();
}

static struct commit_pace pace_of(const struct pool *p, const struct chunk *c)
{
    struct commit_pace pace = p->died && clock_now() - p->died < ALERT_NS ? alert : calm;
    pace.first_every = tm_pool_cares[c->care].every;
    pace.times = tm_pool_cares[c->care].times;
    return pace;
}

static int send_part(const struct pool *p, struct worker_handle *w, struct chunk *c,
                     const struct output *output, err *e)
{
    const struct input_file *file = c->file;
    struct record_place place = part_place(c);
    struct protocol_chunk chunk = {.sequence = c->sequence,
                                   .file = file->id,
                                   .first_record = c->first_record + c->part,
                                   .first_line = place.line,
                                   .first = c->part,
                                   .records = c->part_end - c->part,
                                   .pace = pace_of(p, c)};
    /* Columns that output.columns names are known to the worker from its job. */
    bool fixed = output->format->has_columns && output->fixed && !output->dialect.columns_n;
    struct buf b;
    tm_buf_init(&b);
    if (!w->told_run)
        put_run(&b, output->format);
    if (fixed && !w->told_columns)
        put_columns(&b, output);
    if (w->told_file != file->id)
        tm_protocol_put_file(&b, file->id, slice_of(file->name), slice_of(file->format->name),
                             file->columns);
    if (!tm_protocol_put_chunk(&b, &chunk, place.raw.n))
        b.failed = true;
    /* The one before was of a part that is done, or for a worker that is no more. */
    tm_buf_release(&c->head);
    c->head = b;
    if (b.failed)
        return tm_err_memory(e, "a message to a worker");
    int status = tm_link_lend(&w->link, buf_view(&c->head), place.raw, e);
    if (status != TIDEMILL_OK)
        return status;
    w->told_run = true;
    w->told_columns = w->told_columns || fixed;
    w->told_file = file->id;
    return TIDEMILL_OK;
}

void tm_pool_give(struct worker_handle *w, struct chunk *c)
{
    c->worker = w;
    c->part_end = c->records;
    if (w->hand_n == 0)
        w->began = clock_now();
    w->hand[w->hand_n++] = c;
}

int tm_pool_send(const struct pool *p, struct worker_handle *w, const struct output *output, err *e)
{
    while (w->sent_n < w->hand_n) {
        const struct chunk *before = w->sent_n ? w->hand[w->sent_n - 1] : NULL;
        if (before && before->part_end < before->records)
            return TIDEMILL_OK;
        int status = send_part(p, w, w->hand[w->sent_n], output, e);
        if (status != TIDEMILL_OK)
            return status;
        w->sent_n++;
    }
    return TIDEMILL_OK;
}

void tm_pool_busy(struct worker_handle *w, const struct frame *f)
{
    struct cursor in = {f->payload.p, f->payload.n, false};
    const struct chunk *c = w->hand_n ? w->hand[0] : NULL;
    uint64_t sequence = tm_cursor_u64(&in);
    uint32_t first = tm_cursor_u32(&in), end = tm_cursor_u32(&in);
    w->busy_end = 0;
    if (in.bad || !c || c->sequence != sequence || first >= end || end > c->part_end)
        return;
    w->busy = first;
    w->busy_end = end;
}

void tm_pool_drop_left(struct worker_handle *w)
{
    tm_frame_reader_release(&w->left);
    for (uint32_t i = 0; i < w->hand_n; i++) {
        w->hand[i]->said = 0;
        w->hand[i]->part = w->hand[i]->done;
    }
}

void tm_pool_part_done(struct worker_handle *w)
{
    struct chunk *c = w->hand[0];
    w->busy_end = 0;
    w->began = clock_now();
    w->ahead = 0;
    w->looked = 0;
    w->sent_n--;
    if (c->done < c->records) {
        c->part = c->done;
        c->part_end = c->records;
        return;
    }
    w->hand_n--;
    memmove(w->hand, w->hand + 1, w->hand_n * sizeof(struct chunk *));
}

int tm_pool_send_end(struct worker_handle *w, err *e)
{
    struct buf b;
    tm_buf_init(&b);
    if (!tm_frame_end(&b, tm_frame_begin(&b, FRAME_END), 0))
        b.failed = true;
    w->state = WORKER_ENDING;
    w->slow = false; /* so it was with records, which are all done */
    return tm_link_put(&w->link, &b, e);
}

int tm_pool_answer(struct worker_handle *w, const struct frame *f, err *e)
{
    struct cursor c = {f->payload.p, f->payload.n, false};
    if (f->type == FRAME_READY && !w->started) {
        w->started = true;
        w->began = clock_now();
        if (w->state == WORKER_STARTING)
            w->state = WORKER_READY;
        return TIDEMILL_OK;
    }
    int status = (int)tm_cursor_u32(&c);
    struct slice message = tm_cursor_bytes(&c);
    bool expected = f->type == FRAME_FAILED ? status != TIDEMILL_OK
                                            : f->type == FRAME_DONE && w->state == WORKER_ENDING;
    if (c.bad || !expected) {
        w->gone = w->garbage = true;
        return TIDEMILL_OK;
    }
    w->state = WORKER_ENDED;
    return status == TIDEMILL_OK ? TIDEMILL_OK : tm_err_text(e, status, message);
}

/* ---- The end without a loop ---- */

/* Who hears what is printed, and how long workers were waited for (ns): they run side by side. */
struct hearing {
    tm_pool_log *log;
    void *context;
    int64_t waited;
};

static void pass_log(const struct frame *f, tm_pool_log *log, void *context)
{
    struct cursor c = {f->payload.p, f->payload.n, false};
    uint8_t level = tm_cursor_u8(&c);
    struct slice text = tm_cursor_bytes(&c);
    if (log && !c.bad)
        log(context, level, text);
}

/*
 * Write and read what goes, once; false when the worker is gone. *waited grows by the time it took,
 * by a turn's at most: who was stopped himself has not waited. A worker that somebody has stopped is
 * not waited for without end.
 */
static bool exchange(struct worker_handle *w, int64_t *waited)
{
    bool write = link_waiting(&w->link);
    struct pollfd fds[] = {
        {w->process.pidfd, POLLIN, 0}, {w->process.out, POLLIN, 0}, {w->process.in, POLLOUT, 0}};
    int64_t before = clock_now();
    poll(fds, write ? 3 : 2, TURN_MS);
    int64_t passed = clock_now() - before;
    *waited += passed < TURN_MS * 1000000 ? passed : TURN_MS * 1000000;
    if (write && tm_link_flush(&w->link, w->process.in) < 0) {
        tm_link_release(&w->link);
        tm_process_kill(&w->process);
    }
    if (*waited >= WORKER_STUCK_NS && tm_process_is_stopped(&w->process))
        tm_process_kill(&w->process);
    enum frame_fill fill = tm_frame_fill(&w->reader, w->process.out);
    /* Others may hold its end of the pipe; it has ended nevertheless. */
    bool ended = fds[0].revents && fill == FILL_BLOCK;
    return fill != FILL_END && fill != FILL_ERROR && !ended;
}

/*
 * Frames of a worker until it has come to this state, or has taken too long for that; one that has
 * ended before is one that is gone.
 */
static int hear_out(const struct pool *p, struct worker_handle *w, enum worker_state state,
                    struct hearing *h, err *e)
{
    uint64_t limit = p->plan->spec->values.limits.setup_time;
    struct frame f;
    bool alive = true;
    while (w->state < state) {
        enum frame_next next = tm_frame_next(&w->reader, &f);
        w->gone = w->gone || next == FRAME_BAD || (next == FRAME_WAIT && !alive);
        if (w->gone)
            return TIDEMILL_OK;
        if (next == FRAME_WAIT && (uint64_t)h->waited > limit)
            return tm_watchdog_setup_text(p->plan->spec, tm_pool_stage(w), e);
        if (next == FRAME_WAIT) {
            alive = exchange(w, &h->waited);
        } else if (f.type == FRAME_LOG) {
            pass_log(&f, h->log, h->context);
        } else {
            int status = tm_pool_answer(w, &f, e);
            if (status != TIDEMILL_OK)
                return status;
        }
    }
    return TIDEMILL_OK;
}

int tm_pool_check(struct pool *p, tm_pool_log *log, void *context, err *e)
{
    struct worker_handle *w = &p->workers[0];
    struct hearing h = {log, context, 0};
    struct sigpipe_guard guard;
    int ignored;
    p->check = true;
    int status = tm_pool_start(p, w, e);
    if (status != TIDEMILL_OK)
        return status;
    tm_sigpipe_enter(&guard);
    status = hear_out(p, w, WORKER_READY, &h, e);
    if (w->gone)
        status = tm_err_set(e, TIDEMILL_E_WORKER, "worker %u died while it started", w->number);
    tm_pool_stop(p, w, NULL, &ignored);
    tm_sigpipe_leave(&guard);
    return status;
}

const char *tm_pool_stage(const struct worker_handle *w)
{
    return w->started ? "teardown" : "setup";
}

int tm_pool_died_ending(const struct worker_handle *w, int status, const char *how, err *e)
{
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status))
        return tm_err_set(e, TIDEMILL_E_SCRIPT, "%s: worker %u %s", tm_pool_stage(w), w->number,
                          how);
    return TIDEMILL_OK;
}

/* Hear a worker's last words, and see it off. */
static int see_off(struct pool *p, struct worker_handle *w, struct hearing *h, err *e)
{
    char how[128];
    int wait_status, status = hear_out(p, w, WORKER_ENDED, h, e);
    bool died = w->gone;
    tm_pool_stop(p, w, NULL, &wait_status);
    tm_process_describe(wait_status, how, sizeof how);
    return died ? tm_pool_died_ending(w, wait_status, how, e) : status;
}

int tm_pool_end(struct pool *p, tm_pool_log *log, void *context, err *e)
{
    struct hearing h = {log, context, 0};
    struct sigpipe_guard guard;
    int result = TIDEMILL_OK;
    tm_sigpipe_enter(&guard);
    /* All are told first, so that teardowns run side by side. Who cannot be told would wait for ever. */
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        if (w->state != WORKER_STARTING && w->state != WORKER_READY)
            continue;
        int status = tm_pool_send_end(w, result == TIDEMILL_OK ? e : NULL);
        if (status == TIDEMILL_OK)
            tm_link_flush(&w->link, w->process.in);
        else
            tm_process_kill(&w->process);
        if (result == TIDEMILL_OK)
            result = status;
    }
    for (uint32_t i = 0; i < p->plan->workers; i++) {
        struct worker_handle *w = &p->workers[i];
        if (w->state == WORKER_NONE)
            continue;
        int status = see_off(p, w, &h, result == TIDEMILL_OK ? e : NULL);
        if (result == TIDEMILL_OK)
            result = status;
    }
    tm_sigpipe_leave(&guard);
    return result;
}
