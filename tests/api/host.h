/*
 * What the hosts under test share: checks that say where they failed, jobs from a list of settings,
 * and what a process can know about itself.
 */
#ifndef HOST_H
#define HOST_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tidemill.h>

#include "../left.h"

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            _exit(1);                                                                             \
        }                                                                                         \
    } while (0)

/* Filled by the calls under test. */
static tidemill_error error;

static inline void check_status(const char *file, int line, const char *call, int expected,
                                int status)
{
    char text[3200] = "";
    if (status == expected)
        return;
    tidemill_error_text(&error, text, sizeof text);
    fprintf(stderr, "%s:%d: %s gave %s, not %s: %s\n", file, line, call,
            tidemill_status_name(status), tidemill_status_name(expected), text);
    _exit(1);
}

#define CHECK_STATUS(expected, call) check_status(__FILE__, __LINE__, #call, expected, call)
#define CHECK_OK(call)               CHECK_STATUS(TIDEMILL_OK, call)

/* A job with these settings: key, value, ... NULL. Not opened. */
static inline tidemill_job *job_with(const char *const *settings)
{
    tidemill_job *job = tidemill_job_new();
    CHECK(job);
    for (; *settings; settings += 2)
        CHECK_OK(tidemill_job_set(job, settings[0], settings[1], &error));
    return job;
}

#define JOB(...) job_with((const char *const[]){__VA_ARGS__, NULL})

static inline tidemill_job *opened(tidemill_job *job)
{
    CHECK_OK(tidemill_job_open(job, &error));
    return job;
}

static inline tidemill_run *new_run(tidemill_job *job, tidemill_pool *pool)
{
    tidemill_run *run = tidemill_run_new(job, pool, &error);
    if (!run)
        check_status(__FILE__, __LINE__, "tidemill_run_new", TIDEMILL_OK, error.status);
    return run;
}

/* ---- Bytes ---- */

struct bytes {
    char *p;
    size_t n, cap;
};

static inline void bytes_add(struct bytes *b, const char *p, size_t n)
{
    if (b->cap - b->n < n + 1) {
        b->cap = (b->cap + n + 1) * 2;
        b->p = realloc(b->p, b->cap);
        CHECK(b->p);
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

static inline void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){NULL, 0, 0};
}

/* {"x":FIRST} .. one a line, each times `factor`. */
static inline struct bytes numbers(int first, int count, int factor)
{
    struct bytes b = {NULL, 0, 0};
    char line[64];
    for (int i = first; i < first + count; i++)
        bytes_add(&b, line, (size_t)snprintf(line, sizeof line, "{\"x\":%d}\n", i * factor));
    return b;
}

#define DOUBLE "return function(r) r.x = r.x * 2 return r end"

static inline int write_bytes(void *context, const char *data, size_t length)
{
    bytes_add(context, data, length);
    return 0;
}

static inline void write_file(const char *path, const char *p, size_t n)
{
    FILE *f = fopen(path, "w");
    CHECK(f && (n == 0 || fwrite(p, 1, n, f) == n) && fclose(f) == 0);
}

static inline struct bytes read_file(const char *path)
{
    struct bytes b = {NULL, 0, 0};
    char block[4096];
    FILE *f = fopen(path, "r");
    CHECK(f);
    bytes_add(&b, "", 0);
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        bytes_add(&b, block, n);
    fclose(f);
    return b;
}

static inline void check_same(const struct bytes *seen, const struct bytes *expected)
{
    CHECK(seen->n == expected->n);
    CHECK(seen->n == 0 || memcmp(seen->p, expected->p, seen->n) == 0);
}

#endif
