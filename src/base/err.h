/*
 * Errors inside the library: the public struct, and ways to fill it in one line.
 *
 * The first cause wins: err_set() fills, callers above add position with err_at(). Every function
 * takes err == NULL for "not interested" and returns the status, so that
 *     return tm_err_set(err, TIDEMILL_E_SPEC, "unknown key '%.*s'", n, p);
 * is a whole failure path. Messages are lower case, problem first, subject quoted, no full stop.
 */
#ifndef TM_BASE_ERR_H
#define TM_BASE_ERR_H

#include "base/slice.h"
#include "tidemill.h"

typedef struct tidemill_error err;

/* No error. For paths that each record takes: {0} would write all of its kilobytes. */
static inline void err_clear(err *e)
{
    e->status = e->system_errno = 0;
    e->record = e->line = e->column = e->offset = 0;
    e->file[0] = e->message[0] = '\0';
}

/* Fill `e` (message cut at a character's start when too long; control bytes shown as '?'). */
int tm_err_set(err *e, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* The same, with errno's number kept and ": " strerror(number) added. */
int tm_err_errno(err *e, int status, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));
/* Out of memory; `what` names what it was for, "" if there is nothing to tell. */
int tm_err_memory(err *e, const char *what) __attribute__((cold));
/* An error that is at hand as a whole: copied; its status. */
int tm_err_pass(err *e, const err *why) __attribute__((cold));
/* A place in a file, for an error already filled. line and column 0: unknown. */
void tm_err_at(err *e, const char *file, uint64_t line, uint64_t column);
/* Take a message as bytes (not a format), made printable as tm_err_set does. */
int tm_err_text(err *e, int status, struct slice text);
/* Copy `text` to `out` of `size` bytes: terminated, one line, valid UTF-8, cut at a character. */
void tm_printable(char *out, size_t size, struct slice text);

#endif
