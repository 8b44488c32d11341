/*
 * Deaths, and the clock of records.
 */
#include "pipeline/recovery.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "pipeline/protocol.h"
#include "pipeline/watchdog.h"
#include "pipeline/worker.h"

/* Deaths in a row: without any progress, by a crash before anything was ready, of a record alone. */
#define FUTILE_MAX       20
#define START_DEATHS_MAX 3
#define ALONE_MAX        3
/* The same while somebody kills workers, of deaths that may be his. */
#define FUTILE_OUTSIDE_MAX 200
#define ALONE_OUTSIDE_MAX  50
/* So much of a turn counts at most: while there are limits of time, and while there are none. */
#define TURN_NS      100000000
#define LONG_TURN_NS 1000000000
#define SILENCE_NS   120000000
/* Who is silent is looked at after the one, and ended after the other, if nothing can be going on. */
#define LOOK_NS  1000000000
#define STUCK_NS WORKER_STUCK_NS
/* The system is asked for a process so often, at such a distance, before another gives its place. */
#define REFUSED_MAX 20
#define AGAIN_NS    100000000

/* ---- Deaths ---- */

/*
 * Was it killed by a signal that others send? All else is what a process brings upon itself. Where the
 * host has reaped it, nobody knows.
 */
static bool may_be_sent(int status, const char *garbage)
{
    static const int sent[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    if (garbage || (status != -1 && !WIFSIGNALED(status)))
        return false;
    if (status == -1)
        return true;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        if (WTERMSIG(status) == sent[i])
            return true;
    return false;
}

/* Deaths in a row without progress that are too many. */
static uint32_t futile_max(const struct recovery *r)
{
    return r->outside ? FUTILE_OUTSIDE_MAX : FUTILE_MAX;
}

/*
 * A worker died before it could work. One that exits does so again, and one that crashed is likely
 * to; who was killed by somebody may be lucky next time.
 */
static int died_starting(struct recovery *r, const struct worker_handle *w, int status, bool sent,
                         const char *how, err *e)
{
    if (w->slow)
        return tm_watchdog_setup_text(r->pool->plan->spec, "setup", e);
    r->start_killed = r->start_killed || sent;
    if (status != -1 && WIFSIGNALED(status) &&
        ++r->start_deaths < (sent ? futile_max(r) : START_DEATHS_MAX))
        return TIDEMILL_OK;
    return tm_err_set(e, TIDEMILL_E_WORKER, "worker %u %s while it started (the script's setup)",
                      w->number, how);
}

/* A worker died while it ended: that is told, though it may spoil nothing. */
static int died_ending(const struct recovery *r, const struct worker_handle *w, int status,
                       const char *how, err *e)
{
    char text[256];
    if (w->slow)
        return tm_watchdog_setup_text(r->pool->plan->spec, tm_pool_stage(w), e);
    int result = tm_pool_died_ending(w, status, how, e);
    if (result != TIDEMILL_OK)
        return result;
    snprintf(text, sizeof text, "worker %u %s in its %s", w->number, how, tm_pool_stage(w));
    tm_merger_message(r->merger, TIDEMILL_LOG_WARNING, slice_of(text));
    return TIDEMILL_OK;
}

/* How many records the script is given at a time. */
static uint32_t call_size(const struct recovery *r)
{
    uint64_t batch = r->pool->plan->spec->values.transform.batch;
    return batch ? (uint32_t)batch : 1;
}

/* The next records of `c`, up to `end`, fail with `why`. */
static int condemn(struct recovery *r, struct chunk *c, uint32_t end, const err *why, err *e)
{
    r->futile = 0;
    c->alone = c->killed = 0;
    c->doomed = 0;
    while (c->done < end) {
        int status = tm_merger_fail(r->merger, c, c->done++, why, e);
        if (status != TIDEMILL_OK)
            return status;
    }
    return TIDEMILL_OK;
}

static int condemn_deadly(struct recovery *r, struct chunk *c, const char *how, err *e)
{
    err why = {0};
    tm_err_set(&why, TIDEMILL_E_WORKER, "the worker process %s", how);
    return condemn(r, c, c->part_end, &why, e);
}

static int condemn_slow(struct recovery *r, struct chunk *c, err *e)
{
    err why = {0};
    tm_watchdog_text(r->pool->plan->spec, &why);
    return condemn(r, c, c->doomed_end, &why, e);
}

/* Is the next record to do (or its batch) all that the part has left? */
static bool is_alone(const struct recovery *r, const struct chunk *c)
{
    return c->part_end - c->done <= call_size(r);
}

/* Which part of the chunk comes next, and how often it is to be committed. */
static void next_part(const struct recovery *r, struct chunk *c)
{
    uint32_t next = c->said > c->done ? c->said : c->done;
    bool alone = c->care == CARE_ALONE && c->records - next > call_size(r);
    c->part = next;
    c->part_end = alone ? next + call_size(r) : c->records;
    if (c->doomed && c->doomed - 1 > c->done)
        c->part_end = c->doomed - 1;
}

static void be_careful(struct chunk *c)
{
    if (c->care < CARE_ALONE)
        c->care++;
    c->commits = 0;
}

/* Results of the chunk have come. Enough of them, and what ended the last process lies behind. */
static void count_commits(struct chunk *c, uint32_t n)
{
    c->commits += n;
    if (c->commits >= tm_pool_cares[c->care].times)
        c->care = CARE_NONE;
}

/* A chunk has lost its worker; `how` it ended. */
static int count_death(struct recovery *r, struct chunk *c, bool sent, const char *how, err *e)
{
    bool alone = c->care >= CARE_RECORD && is_alone(r, c);
    uint32_t *deaths = sent ? &c->killed : &c->alone;
    uint32_t most = sent && r->outside ? ALONE_OUTSIDE_MAX : ALONE_MAX;
    be_careful(c);
    if (alone)
        return ++*deaths >= most ? condemn_deadly(r, c, how, e) : TIDEMILL_OK;
    c->alone = c->killed = 0;
    return TIDEMILL_OK;
}

/* Has it left because it was asked to? */
static bool has_stopped(const struct recovery *r, int status)
{
    return r->stopping && status != -1 && WIFEXITED(status) &&
           WEXITSTATUS(status) == WORKER_EXIT_STOPPED;
}

static void note_death(struct recovery *r)
{
    r->merger->stats.deaths++;
    tm_pool_note_death(r->pool);
}

/* Who gives its place to `w`: one that is idle, or else the one that is furthest from its turn. */
static struct worker_handle *find_place(const struct recovery *r, const struct worker_handle *w)
{
    struct worker_handle *furthest = NULL;
    for (uint32_t i = 0; i < r->pool->plan->workers; i++) {
        struct worker_handle *other = &r->pool->workers[i];
        if (other == w || other->state == WORKER_NONE)
            continue;
        if (other->hand_n == 0)
            return other;
        if (!furthest || other->hand[0]->sequence > furthest->hand[0]->sequence)
            furthest = other;
    }
    return furthest;
}

/* All that `from` has in hand goes to one that has nothing. */
static void pass_hand(struct worker_handle *from, struct worker_handle *to)
{
    for (uint32_t i = 0; i < from->hand_n; i++) {
        uint32_t part_end = from->hand[i]->part_end;
        tm_pool_give(to, from->hand[i]);
        from->hand[i]->part_end = part_end;
    }
    from->hand_n = 0;
}

/*
 * A process for what `w` has in hand. Where the system has none to give, an idle worker takes over;
 * without such a one it is asked again for a while. At last, as all others may be waiting for the
 * turn of their results, which is after w's, one of them ends: its own work is done when it is due.
 */
static int revive(struct recovery *r, struct worker_handle *w, err *e)
{
    err why = {0};
    int ignored;
    if (clock_now() < r->again)
        return TIDEMILL_OK;
    while (tm_pool_start(r->pool, w, &why) != TIDEMILL_OK) {
        bool is_short = tm_pool_is_short(&why);
        struct worker_handle *other = is_short ? find_place(r, w) : NULL;
        if (other && other->hand_n == 0 && worker_alive(other)) {
            pass_hand(w, other);
            return tm_pool_send(r->pool, other, r->merger->output, e);
        }
        if (is_short && r->refused++ < REFUSED_MAX) {
            r->again = clock_now() + AGAIN_NS;
            return TIDEMILL_OK;
        }
        if (!other)
            return tm_err_pass(e, &why);
        note_death(r);
        tm_pool_stop(r->pool, other, r->loop, &ignored);
    }
    r->refused = 0;
    return tm_pool_send(r->pool, w, r->merger->output, e);
}

int tm_recovery_restart(struct recovery *r, struct worker_handle *w, err *e)
{
    if (r->stopping)
        return tm_err_set(e, TIDEMILL_E_STOPPED, RECOVERY_STOPPED);
    struct chunk *c = w->hand[0];
    next_part(r, c);
    w->sent_n = 1;
    if (c->done == c->records)
        tm_pool_part_done(w);
    w->sent_n = 0;
    return w->hand_n ? revive(r, w, e) : TIDEMILL_OK;
}

void tm_recovery_stop(struct recovery *r)
{
    r->stopping = true;
    for (uint32_t i = 0; i < r->pool->plan->workers; i++) {
        struct worker_handle *w = &r->pool->workers[i];
        bool begun = w->state == WORKER_STARTING || w->state == WORKER_READY;
        w->told_stop = (w->hand_n && begun) || w->state == WORKER_ENDING;
        if (w->told_stop)
            tm_process_signal(&w->process, WATCHDOG_STOP_SIGNAL);
    }
}

int tm_recovery_died(struct recovery *r, struct worker_handle *w, const char *garbage, err *e)
{
    char how[128];
    int wait_status, status = TIDEMILL_OK;
    struct chunk *c = w->hand_n ? w->hand[0] : NULL;
    enum worker_state state = w->state;
    bool starting = state == WORKER_STARTING, slow = w->slow && w->busy_end;
    bool ours = w->slow || w->garbage; /* we killed it */
    /* Which record was over its time is known: what comes before it is done again, then it fails. */
    if (slow && c && w->busy >= c->done) {
        c->doomed = w->busy + 1;
        c->doomed_end = w->busy_end;
    }
    tm_pool_stop(r->pool, w, r->loop, &wait_status);
    tm_pool_drop_left(w);
    tm_process_describe(wait_status, how, sizeof how);
    if (!has_stopped(r, wait_status))
        note_death(r);
    bool sent = may_be_sent(wait_status, garbage);
    r->outside = r->outside || (sent && !ours && !c && state == WORKER_READY);
    /* Its chunk is not finished, and nothing that comes after it counts. */
    if (r->stopping && c)
        return tm_err_set(e, TIDEMILL_E_STOPPED, RECOVERY_STOPPED);
    if (r->stopping && state == WORKER_ENDING)
        return tm_err_set(e, TIDEMILL_E_STOPPED, RECOVERY_STOPPED);
    if (state == WORKER_ENDING)
        return died_ending(r, w, wait_status, how, e);
    if (starting)
        status = died_starting(r, w, wait_status, sent, garbage ? garbage : how, e);
    else if (c && ++r->futile > futile_max(r)) /* who has nothing in hand can make no progress */
        status = tm_err_set(e, TIDEMILL_E_WORKER, "workers keep dying: the last one %s",
                            garbage ? garbage : how);
    if (status != TIDEMILL_OK || !c)
        return status;
    if (c->doomed && c->doomed - 1 == c->done)
        status = condemn_slow(r, c, e);
    else if (!starting && !slow)
        status = count_death(r, c, sent, garbage ? garbage : how, e);
    return status == TIDEMILL_OK ? tm_recovery_restart(r, w, e) : status;
}

/* ---- Deaths before their turn ---- */

/*
 * Can another process go on before the results of this one are committed? Where the record is known
 * that is to be condemned or is looked for by being alone, everything before it is committed first.
 */
static bool may_go_ahead(const struct recovery *r, const struct worker_handle *w)
{
    bool may = !r->stopping && !w->garbage && !w->slow &&
               (w->state == WORKER_STARTING || w->state == WORKER_READY);
    for (uint32_t i = 0; i < w->hand_n && may; i++) {
        const struct chunk *c = w->hand[i];
        may = c->part_end == c->records && !c->doomed && c->care < CARE_RECORD;
    }
    return may;
}

/* How far a dead worker came: chunks in hand that are done, and what is done of the next one. */
struct progress {
    uint32_t chunks;
    uint32_t records, commits;
};

/* What processes before it have done. */
static struct progress progress_left(const struct worker_handle *w)
{
    struct progress p = {0};
    while (p.chunks < w->hand_n && w->hand[p.chunks]->said == w->hand[p.chunks]->records)
        p.chunks++;
    if (p.chunks < w->hand_n)
        p.records = w->hand[p.chunks]->said;
    return p;
}

/* And what is in the reader. False: that is not what a worker says of its chunks. */
static bool read_progress(const struct worker_handle *w, struct progress *p)
{
    struct frame_reader ahead = w->reader;
    enum frame_next next;
    struct frame f;
    *p = progress_left(w);
    while ((next = tm_frame_next(&ahead, &f)) == FRAME_TAKEN) {
        struct cursor in = {f.payload.p, f.payload.n, false};
        const struct chunk *c = p->chunks < w->sent_n ? w->hand[p->chunks] : NULL;
        if (f.type == FRAME_BUSY)
            continue;
        if (f.type != FRAME_RESULT || !c || tm_link_holds(&w->link, (struct slice){c->p, c->n}) ||
            tm_cursor_u64(&in) != c->sequence)
            return false;
        uint32_t through = tm_cursor_u32(&in);
        if (in.bad || through <= p->records || through > c->records)
            return false;
        p->records = through;
        p->commits++;
        if (through == c->records)
            *p = (struct progress){.chunks = p->chunks + 1};
    }
    return next == FRAME_WAIT;
}

uint32_t tm_recovery_undone(const struct recovery *r, struct worker_handle *w)
{
    struct progress p;
    size_t waiting = frame_pending(&w->left) + frame_pending(&w->reader);
    /* What has its turn is merged, and goes. */
    if (w->hand_n == 0 || r->merger->first == w->hand[0])
        return w->hand_n;
    /* The oldest is, as most results are all that their chunk gives. Where they are not, it has one more for a while. */
    if (w->keeps)
        return w->hand_n > 1 ? w->hand_n - 1 : 1;
    if (waiting != w->looked) {
        uint32_t before = w->ahead;
        w->looked = waiting;
        w->ahead = read_progress(w, &p) ? p.chunks : 0;
        if (w->ahead != before)
            w->began = clock_now();
    }
    return w->ahead < w->hand_n ? w->hand_n - w->ahead : 0;
}

static int keep_results(struct worker_handle *w, const struct progress *p, err *e)
{
    struct frame f;
    while (tm_frame_next(&w->reader, &f) == FRAME_TAKEN)
        if (f.type == FRAME_RESULT && !tm_frame_keep(&w->left, &f))
            return tm_err_memory(e, "results");
    for (uint32_t i = 0; i < p->chunks; i++)
        w->hand[i]->said = w->hand[i]->records;
    if (p->chunks < w->hand_n)
        w->hand[p->chunks]->said = p->records;
    return TIDEMILL_OK;
}

/*
 * What is not said goes to a new process, if there is one to be had; else it is seen to at its turn. Where
 * all is said, there may be more to do before that.
 */
static int go_ahead(struct recovery *r, struct worker_handle *w, const struct progress *p, err *e)
{
    w->sent_n = p->chunks;
    if (p->chunks < w->hand_n)
        next_part(r, w->hand[p->chunks]);
    err why = {0};
    int status = tm_pool_start(r->pool, w, &why);
    if (status != TIDEMILL_OK)
        return w->state == WORKER_NONE ? TIDEMILL_OK : tm_err_pass(e, &why);
    w->sent_n = p->chunks;
    return tm_pool_send(r->pool, w, r->merger->output, e);
}

int tm_recovery_died_early(struct recovery *r, struct worker_handle *w, err *e)
{
    char how[128];
    int wait_status, status;
    struct progress p;
    bool starting = w->state == WORKER_STARTING;
    if (r->merger->first == w->hand[0] || !may_go_ahead(r, w) || !read_progress(w, &p))
        return TIDEMILL_OK;
    status = keep_results(w, &p, e);
    if (status != TIDEMILL_OK)
        return status;
    tm_pool_stop(r->pool, w, r->loop, &wait_status);
    tm_process_describe(wait_status, how, sizeof how);
    note_death(r);
    bool sent = may_be_sent(wait_status, NULL);
    r->outside = r->outside || (sent && !starting && p.chunks == w->hand_n);
    if (starting) {
        status = died_starting(r, w, wait_status, sent, how, e);
    } else if (p.chunks < w->hand_n) {
        count_commits(w->hand[p.chunks], p.commits);
        be_careful(w->hand[p.chunks]);
    }
    return status == TIDEMILL_OK ? go_ahead(r, w, &p, e) : status;
}

void tm_recovery_ready(struct recovery *r)
{
    r->outside = r->outside || r->start_killed;
    r->start_killed = false;
    r->start_deaths = 0;
}

void tm_recovery_progress(struct recovery *r, struct chunk *c)
{
    r->futile = 0;
    /* What a dead worker had said was counted when it died. */
    if (c->done > c->said)
        count_commits(c, 1);
    /* Whoever killed a worker over the record that now is done, it was not the record. */
    r->outside = r->outside || c->killed;
    c->alone = c->killed = 0;
    /* The record that had to be alone is done. */
    if (c->care == CARE_ALONE) {
        c->care = CARE_RECORD;
        c->commits = 0;
    }
}

int tm_recovery_next(struct recovery *r, struct worker_handle *w, err *e)
{
    struct chunk *c = w->hand[0];
    int status = TIDEMILL_OK;
    if (c->done < c->part_end)
        return TIDEMILL_OK;
    if (c->doomed && c->doomed - 1 == c->done)
        status = condemn_slow(r, c, e);
    if (status != TIDEMILL_OK)
        return status;
    tm_pool_part_done(w);
    return w->state == WORKER_NONE ? TIDEMILL_OK : tm_pool_send(r->pool, w, r->merger->output, e);
}

/* ---- The clock of what workers are at ---- */

/* What the worker is at may take so long (ns); 0: as long as it likes. */
static int64_t limit_of(const struct recovery *r, const struct worker_handle *w)
{
    const struct spec_values *v = &r->pool->plan->spec->values;
    bool at_records = w->state == WORKER_READY;
    uint64_t limit = at_records ? v->limits.record_time : v->limits.setup_time;
    uint32_t times = at_records ? call_size(r) : 1;
    if (limit == SPEC_UNLIMITED || limit > INT64_MAX / 2 / times)
        return 0;
    return (int64_t)limit * times;
}

/* A turn lasts so long at most while somebody is timed, and no more of it counts. */
static int64_t turn_max(const struct recovery *r)
{
    const struct spec_values *v = &r->pool->plan->spec->values;
    bool limited = v->limits.record_time != SPEC_UNLIMITED ||
                   v->limits.setup_time != SPEC_UNLIMITED;
    return limited ? TURN_NS : LONG_TURN_NS;
}

/*
 * A worker that has said what it is busy with is over its time soon after the limit. One that has
 * not may have to commit first, and what it said may stand behind results that wait for their turn.
 */
static int64_t patience(const struct worker_handle *w)
{
    return w->busy_end ? WATCHDOG_GRACE_NS : SILENCE_NS;
}

/*
 * Only a worker who has something to do, and whose pipe is empty, is timed. That more waits to be
 * written to it says nothing: a worker that is busy does not read. One that does is not silent.
 */
static bool is_timed(const struct worker_handle *w)
{
    bool owes = w->state == WORKER_READY ? w->hand_n > 0
                                         : w->state == WORKER_STARTING || w->state == WORKER_ENDING;
    return owes && !w->gone && !w->slow && w->out.have;
}

static bool has_moved(const struct worker_handle *w)
{
    return w->out.ready || (w->in.ready & EPOLLOUT);
}

/* What a worker has said that waits for its turn. */
struct said {
    bool all;  /* it is done with what it was sent */
    bool half; /* a frame has begun, and goes no further */
};

static struct said look_ahead(const struct worker_handle *w)
{
    struct frame_reader ahead = w->reader; /* looked at: nothing is taken */
    const struct chunk *last = w->sent_n ? w->hand[w->sent_n - 1] : NULL;
    /* Processes before it may have done all that it has in hand. */
    struct said said = {.all = w->state == WORKER_READY && last && last->said == last->records};
    struct frame f;
    while (tm_frame_next(&ahead, &f) == FRAME_TAKEN) {
        struct cursor in = {f.payload.p, f.payload.n, false};
        if (f.type == FRAME_RESULT)
            said.all = last && tm_cursor_u64(&in) == last->sequence &&
                       tm_cursor_u32(&in) == last->part_end;
    }
    said.half = frame_pending(&ahead) > 0;
    return said;
}

/*
 * A worker that is silent: is it done for? One over its limit is. One that is stopped, while we are
 * not, will never go on by itself, and its record is innocent. One that sends half a frame and goes
 * to sleep does not write frames: who does writes them whole, or fills its pipe.
 */
static void judge(const struct recovery *r, struct worker_handle *w, int64_t passed)
{
    int64_t limit = limit_of(r, w);
    bool over = limit && w->silent >= limit + patience(w);
    if (!over && w->silent < LOOK_NS)
        return;
    struct said said = look_ahead(w);
    bool stopped = tm_process_is_stopped(&w->process);
    bool half = said.half && !stopped && w->silent >= STUCK_NS;
    w->stopped = stopped ? w->stopped + passed : 0;
    if (said.all && !said.half) {
        w->silent = 0;
    } else if (over || half || w->stopped >= STUCK_NS) {
        w->garbage = half;
        w->slow = !half && !stopped;
        w->silent = w->stopped = 0;
        tm_process_kill(&w->process);
    }
}

void tm_recovery_time(struct recovery *r)
{
    int64_t now = clock_now(), passed = r->last_turn ? now - r->last_turn : 0;
    r->last_turn = now;
    if (passed > turn_max(r))
        passed = turn_max(r);
    for (uint32_t i = 0; i < r->pool->plan->workers; i++) {
        struct worker_handle *w = &r->pool->workers[i];
        w->silent = is_timed(w) && !has_moved(w) ? w->silent + passed : 0;
        judge(r, w, passed);
    }
}

int64_t tm_recovery_deadline(const struct recovery *r)
{
    int64_t now = clock_now(), turn = turn_max(r), when = r->again > now ? r->again : 0;
    for (uint32_t i = 0; i < r->pool->plan->workers; i++) {
        const struct worker_handle *w = &r->pool->workers[i];
        int64_t limit = limit_of(r, w), left = limit + patience(w) - w->silent;
        /* The same time for many turns, so that the timer is set but once. */
        int64_t due = now - now % turn + turn;
        if (limit && now + left < due)
            due = now + left;
        if (is_timed(w) && (!when || due < when))
            when = due;
    }
    return when;
}
