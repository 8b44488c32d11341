/*
 * A chunk in a worker. For each of its records: parse it, call the script, write what it gives. RESULT frames
 * flow out, each a committed piece of the chunk. Nothing of one record, or of one batch, outlives its call but
 * what is in the frame.
 */
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/protocol.h"
#include "pipeline/watchdog.h"
#include "pipeline/worker_state.h"

#define BRIEF_CALLS  32       /* a few microseconds, */
#define BRIEF_SIZE   4096     /* of records that are no larger */
#define COMMIT_EXACT 10000000 /* ns: below, the coarse clock is too coarse */

/* ---- Results ---- */

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
    uint64_t spent = (uint64_t)(clock_now() - w->began);
    if (!tm_results_end(&w->results, spent))
        leave_for_memory();
    if (!tm_lender_send(&w->lender, tm_worker_ends.out, &w->results.out))
        _exit(WORKER_EXIT_LOST);
    w->flushed = clock_now();
    w->handed = w->results.through;
    if (w->pace.times && --w->pace.times == 0)
        w->commit = (int64_t)w->pace.every * 1000;
    tm_results_begin(&w->results, w->sequence, w->results.through);
}

/* Is it time to hand over what is done? */
static bool is_time(const struct worker *w)
{
    /* Read for each record that Lua was called for: the coarse clock will do where its few milliseconds are little. */
    int64_t now = w->commit < COMMIT_EXACT ? clock_now() : clock_coarse();
    return now - w->flushed >= w->commit;
}

/* After a record. One that was `brief` alone takes no time that matters: of many, the clock is read once. */
static void flush_if_due(struct worker *w, bool brief)
{
    /* With a little left to do, that goes with the rest. */
    size_t most = w->rest.n > w->pace.bytes / 8 ? w->pace.bytes : 2 * (size_t)w->pace.bytes;
    w->brief = brief ? w->brief + 1 : 0;
    bool due = w->results.out.n >= most || (w->brief % BRIEF_CALLS == 0 && is_time(w));
    if (due && w->results.through > w->handed)
        flush_results(w);
}

/* ---- Calls ---- */

/* What the call gave is committed; false: it failed, and `why` says why. */
static bool settle_call(struct worker *w, enum script_outcome *outcome, bool brief, uint32_t kept,
                        err *why)
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
    w->has_called |= !brief;
    if (*outcome != SCRIPT_FAILED && tm_results_commit(&w->results, kept, why) == TIDEMILL_OK)
        return true;
    if (why->status == TIDEMILL_E_MEMORY && !tm_script_at_limit(w->script))
        leave_for_memory();
    return false;
}

static void forget_call(struct worker *w, bool brief)
{
    tm_arena_reset(&w->arena);
    flush_if_due(w, brief);
}

/* ---- Batches ---- */

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
 * Call the batch function with what there is; false: that failed, and nothing is told yet. Rows that do not
 * fit the output are told as the parent tells them where it alone knows its columns: before what is malformed.
 */
static bool call_members(struct worker *w, err *why)
{
    struct worker_batch *b = &w->batch;
    uint32_t kept = 0;
    tm_results_call(&w->results, b->members, b->n);
    /* Malformed members included: who takes over must not begin inside a batch. */
    uint32_t size = (uint32_t)w->spec.values.transform.batch;
    uint32_t first = b->members[0] - b->members[0] % size;
    uint32_t end = w->end - first > size ? first + size : w->end;
    tm_watchdog_enter(w->sequence, first, end);
    enum script_outcome outcome = tm_script_batch(w->script, b->records, b->n, &b->place,
                                                  b->outcomes, &b->current, why);
    for (uint32_t i = 0; i < b->n; i++)
        kept += b->outcomes[i] == SCRIPT_KEPT;
    if (settle_call(w, &outcome, false, kept, why))
        return true;
    if (outcome == SCRIPT_FAILED)
        return false;
    tm_results_fail(&w->results, why);
    return true;
}

static void call_batch(struct worker *w)
{
    struct worker_batch *b = &w->batch;
    err why = {0};
    if (b->n && !call_members(w, &why))
        fail_batch(w, &why);
    else
        for (const struct bad_member *bad = b->bad; bad; bad = bad->next)
            tell_bad(w, bad);
    b->n = 0;
    b->bad = NULL;
    forget_call(w, false);
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
        flush_if_due(w, false);
}

/* ---- Records ---- */

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
        enum parse_verdict verdict = tm_intake_parse(&w->file.input, &w->arena, w->rest.p,
                                                     w->rest.n, &parsed, &w->why);
        if (verdict == PARSE_MEMORY)
            leave_for_memory();
        if (parsed.length == 0 || parsed.length > w->rest.n)
            tm_worker_give_up_text("the parser of the input format did not go on");
        w->rest = (struct slice){w->rest.p + parsed.length, w->rest.n - parsed.length};
        w->lines = parsed.lines;
        w->size = parsed.length;
        if (verdict == PARSE_RECORD)
            return parsed.record;
        if (verdict == PARSE_FAILED)
            bad_record(w, &w->why);
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

static void on_done(void *data, enum script_outcome outcome, bool brief, err *why)
{
    struct worker *w = data;
    brief = brief && w->size <= BRIEF_SIZE;
    if (!settle_call(w, &outcome, brief, outcome == SCRIPT_KEPT, why))
        tm_results_fail(&w->results, why);
    forget_call(w, brief);
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

void tm_worker_chunk(struct worker *w, struct cursor *c)
{
    struct protocol_chunk chunk;
    if (!tm_protocol_get_chunk(c, &chunk) || !w->file.input.reader || chunk.file != w->file.id ||
        chunk.records > UINT32_MAX - chunk.first)
        tm_worker_give_up_text("the worker got a broken chunk");
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
        tm_worker_give_up_text("the splitter and the parser of the input format disagree");
    /* The last record may have been handed over as it was done; nothing is said twice. */
    if (w->results.through > w->handed)
        flush_results(w);
    w->in_chunk = false;
}
