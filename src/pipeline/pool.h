/*
 * The pool: the worker processes of a job and what each has in hand. It lives for one run or for
 * many; while a run goes on, that run's loop polls the workers.
 */
#ifndef TM_PIPELINE_POOL_H
#define TM_PIPELINE_POOL_H

#include "pipeline/chunk.h"
#include "pipeline/fork_server.h"
#include "pipeline/frame.h"
#include "pipeline/link.h"
#include "pipeline/loop.h"
#include "pipeline/output.h"
#include "pipeline/plan.h"
#include "pipeline/process.h"
#include "pipeline/protocol.h"

enum worker_state {
    WORKER_NONE,     /* no process */
    WORKER_STARTING, /* told its job */
    WORKER_READY,
    WORKER_ENDING, /* told to end; may not have started yet */
    WORKER_ENDED,  /* has said how its teardown went */
};

/* Who was stopped by somebody (SIGSTOP) for so long may never go on. */
#define WORKER_STUCK_NS 10000000000

/* One works while the other waits in the pipe; */
#define HAND_MAX 2
/* and before these two come those that are done, whose results wait for their turn. */
#define HAND_ROOM 64
/* The pipes of a worker, in bytes: where the system has room for them (pipe(7)). */
#define POOL_PIPE_SIZE ((size_t)256 << 10)
/* So much is in one as a whole: a few pages are for the frame around it, and for those that it fills in part. */
#define POOL_PIPE_WHOLE (POOL_PIPE_SIZE - ((size_t)16 << 10))

struct worker_handle {
    uint32_t number; /* 1-based */
    enum worker_state state;
    struct process process;
    struct watch in, out, end; /* its pipes, and its pidfd */
    struct frame_reader reader;
    struct frame_reader left; /* RESULTs of processes before this one, which wait for their turn */
    struct link link;
    struct chunk *hand[HAND_ROOM]; /* oldest first; the merger's */
    uint32_t hand_n;
    uint32_t sent_n; /* of them, told to the process */
    uint32_t ahead;  /* of them, done, as far as is known: see tm_recovery_undone() */
    size_t looked;   /* bytes of results that waited when that was seen */
    bool started;    /* its setup is done */
    bool told_run, told_columns, told_stop;
    uint32_t told_file;
    int64_t began; /* when it could begin the oldest chunk that is not done, as far as is known */
    uint32_t busy, busy_end; /* records of the oldest chunk that a BUSY frame named; end 0: none */
    int64_t silent;          /* ns that it has been at something without a word */
    int64_t stopped;         /* ns of them that somebody has stopped it */
    bool garbage;            /* gone because it sent what no worker sends */
    bool slow;               /* killed because it was over its time */
    bool gone;               /* its results have ended; what is in the reader may still count */
    bool keeps;              /* results wait in its pipe, unread, for their turn (collector.h) */
};

struct pool {
    const struct plan *plan;
    struct worker_handle *workers; /* plan->workers of them */
    struct fork_server server;     /* of those that replace others in this run */
    uint32_t started;              /* workers with a process */
    uint32_t peak;                 /* `started` at its highest */
    bool busy;                     /* a run uses it */
    int64_t died;                  /* when a worker did last in this run; 0: none has */
    bool check;                    /* workers only compile the script */
    bool little;                   /* this run has little to read */
};

int tm_pool_init(struct pool *p, const struct plan *plan, err *e);
/* Let one worker compile the script and say what it thinks of it. `log` may be NULL. */
typedef void tm_pool_log(void *context, int level, struct slice text);
int tm_pool_check(struct pool *p, tm_pool_log *log, void *context, err *e);
/* Whatever still lives is killed and reaped. */
void tm_pool_release(struct pool *p);

/* Start a process for this worker and tell it its job. */
int tm_pool_start(struct pool *p, struct worker_handle *w, err *e);
/* Was that refused for want of processes, memory or descriptors, of which others may give back some? */
bool tm_pool_is_short(const err *e);
/* Kill and reap; *status is as waitpid gives it, or -1. Chunks in hand stay listed. */
void tm_pool_stop(struct pool *p, struct worker_handle *w, struct loop *loop, int *status);

/* A run begins or ends: who was told what is forgotten; descriptors leave the loop. */
void tm_pool_attach(struct pool *p);
void tm_pool_detach(struct pool *p, struct loop *loop);

/* Can this worker do something? */
static inline bool worker_alive(const struct worker_handle *w)
{
    return !w->gone && (w->state == WORKER_STARTING || w->state == WORKER_READY);
}

/* The first commits of a chunk's part, by enum chunk_care: at so many microseconds, so many times. */
struct care_pace {
    uint32_t every, times;
};
extern const struct care_pace tm_pool_cares[];

/* A worker has died: for a while all commit more often, as the next may be near. */
void tm_pool_note_death(struct pool *p);

/* Put a chunk in a worker's hand. */
void tm_pool_give(struct worker_handle *w, struct chunk *c);
/*
 * Queue what the worker has in hand and was not sent, and whatever it has to know before: run,
 * columns, file. A part of a chunk is finished before anything behind it is sent.
 */
int tm_pool_send(const struct pool *p, struct worker_handle *w, const struct output *output,
                 err *e);
/* A BUSY frame: remembered if it speaks of the oldest chunk in hand. */
void tm_pool_busy(struct worker_handle *w, const struct frame *f);
/* What dead processes had said of the chunks in hand is not to be used. */
void tm_pool_drop_left(struct worker_handle *w);
/* The part of the oldest chunk is committed; with the whole chunk it leaves the hand. */
void tm_pool_part_done(struct worker_handle *w);
int tm_pool_send_end(struct worker_handle *w, err *e);

/* What a worker that is starting or ending is at: "setup" or "teardown". */
const char *tm_pool_stage(const struct worker_handle *w);

/*
 * A worker died while it ended, `how` in words: every record is committed, so a signal (somebody's
 * from outside) spoils nothing; a teardown that exits with a failure is the script's own. E_SCRIPT.
 */
int tm_pool_died_ending(const struct worker_handle *w, int status, const char *how, err *e);

/*
 * End all workers normally and wait for them, without a loop. The first teardown error is in err;
 * messages printed by teardown go to `log`, which may be NULL. Who was killed has no teardown.
 */
int tm_pool_end(struct pool *p, tm_pool_log *log, void *context, err *e);

/*
 * READY, FAILED and DONE frames: the state moves on. E_SCRIPT and others: what the worker says. A
 * frame that makes no sense makes the worker one that is gone.
 */
int tm_pool_answer(struct worker_handle *w, const struct frame *f, err *e);

#endif
