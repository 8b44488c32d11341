/*
 * What is wrong with a job: collected, so that all mistakes of a file are told at once.
 */
#ifndef TM_SPEC_PROBLEMS_H
#define TM_SPEC_PROBLEMS_H

#include "spec/spec.h"

#define PROBLEMS_MAX 50 /* more are not collected */

/* A job file while it is read. Borrows all of it. */
struct job_text {
    struct spec *spec;
    struct slice bytes;
    const char *name;
};

void tm_problems_clear(struct spec *s);
bool tm_problems_full(const struct spec *s);
/* Put a copy of `e` in, by its place: behind those of the same place. */
void tm_problem_add(struct spec *s, const err *e);
/* A mistake at the character number `at`, from 0, of a job file. */
void tm_problem_at(const struct job_text *t, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* OK when nothing was found, else E_MEMORY or the first problem. */
int tm_problems_status(const struct spec *s, err *e);

/* Line and column in bytes, as editors count: libyaml counts characters, and U+2028 as a line end. */
struct spec_place tm_place(const struct job_text *t, size_t at);

#endif
