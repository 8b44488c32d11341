/*
 * The list of problems of a spec, in the order of their places.
 */
#include "spec/problems.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"

void tm_problems_clear(struct spec *s)
{
    tm_heap_free(s->problems);
    s->problems = NULL;
    s->problems_n = 0;
    s->out_of_memory = false;
}

bool tm_problems_full(const struct spec *s)
{
    return s->problems_n >= PROBLEMS_MAX;
}

static bool before(const err *a, const err *b)
{
    return a->line < b->line || (a->line == b->line && a->column < b->column);
}

void tm_problem_add(struct spec *s, const err *e)
{
    if (e->status == TIDEMILL_E_MEMORY)
        s->out_of_memory = true;
    if (s->out_of_memory || tm_problems_full(s))
        return;
    err *grown = tm_heap_grow(s->problems, (s->problems_n + 1) * sizeof *grown);
    if (!grown) {
        s->out_of_memory = true;
        return;
    }
    s->problems = grown;
    size_t i = s->problems_n++;
    for (; i > 0 && before(e, &grown[i - 1]); i--)
        grown[i] = grown[i - 1];
    grown[i] = *e;
}

void tm_problem_at(const struct job_text *t, size_t at, const char *format, ...)
{
    char message[sizeof((err *)0)->message];
    va_list args;
    err e;
    if (tm_problems_full(t->spec))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct spec_place place = tm_place(t, at);
    tm_err_text(&e, TIDEMILL_E_SPEC, slice_of(message));
    tm_err_at(&e, t->name, place.line, place.column);
    tm_problem_add(t->spec, &e);
}

int tm_problems_status(const struct spec *s, err *e)
{
    if (s->out_of_memory)
        return tm_err_memory(e, "the job's options");
    return s->problems_n ? tm_err_pass(e, &s->problems[0]) : TIDEMILL_OK;
}

struct spec_place tm_place(const struct job_text *t, size_t at)
{
    struct spec_place place = {1, 1};
    const char *p = t->bytes.p;
    for (size_t i = 0, characters = 0; i < t->bytes.n; i++) {
        bool inside = ((unsigned char)p[i] & 0xc0) == 0x80; /* of a UTF-8 sequence */
        if (!inside && characters++ == at)
            break;
        bool ends = p[i] == '\n' || (p[i] == '\r' && (i + 1 == t->bytes.n || p[i + 1] != '\n'));
        place.column++;
        if (ends)
            place = (struct spec_place){place.line + 1, 1};
    }
    return place;
}
