/*
 * Filling and printing of the error struct. Text flows in from everywhere, also from scripts and
 * files; what leaves is one printable line.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

static const struct {
    int number;
    const char *name, *text;
} statuses[] = {
#define STATUS_ROW(name, number, sentence) {number, #name, sentence},
    TIDEMILL_STATUSES(STATUS_ROW)
#undef STATUS_ROW
};

const char *tidemill_status_name(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].number == status)
            return statuses[i].name;
    return "E_UNKNOWN";
}

const char *tidemill_status_text(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].number == status)
            return statuses[i].text;
    return "unknown status";
}

const char *tidemill_version(void)
{
    return TIDEMILL_VERSION;
}

void tm_printable(char *out, size_t size, struct slice text)
{
    size_t used = 0;
    if (size == 0)
        return;
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        struct slice rest = {text.p + i, text.n - i};
        size_t length = tm_utf8_decode(rest, &c);
        bool keep = length > 0 && c >= 0x20 && c != 0x7f;
        size_t take = length ? length : 1;
        if (used + (keep ? take : 1) >= size)
            break;
        if (keep)
            memcpy(out + used, rest.p, take);
        else
            out[used] = c == '\n' || c == '\t' ? ' ' : '?';
        used += keep ? take : 1;
        i += take;
    }
    out[used] = '\0';
}

int tm_err_text(err *e, int status, struct slice text)
{
    if (e) {
        e->status = status;
        e->system_errno = 0;
        e->record = e->line = e->column = e->offset = 0;
        e->file[0] = '\0';
        tm_printable(e->message, sizeof e->message, text);
    }
    return status;
}

/* Format to the error; `number` is errno, or 0 for none. */
static int set(err *e, int status, int number, const char *format, va_list args)
{
    char text[sizeof e->message];
    int n = vsnprintf(text, sizeof text, format, args);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    if (number && used < sizeof text - 1) {
        char words[128] = "";
        /* The GNU form: `words` may stay empty, the result is what counts. */
        const char *reason = strerror_r(number, words, sizeof words);
        n = snprintf(text + used, sizeof text - used, ": %s", reason);
        used += n < 0 ? 0 : (size_t)n < sizeof text - used ? (size_t)n : sizeof text - used - 1;
    }
    tm_err_text(e, status, (struct slice){text, used});
    e->system_errno = number;
    return status;
}

int tm_err_set(err *e, int status, const char *format, ...)
{
    va_list args;
    if (!e)
        return status;
    va_start(args, format);
    set(e, status, 0, format, args);
    va_end(args);
    return status;
}

int tm_err_errno(err *e, int status, int number, const char *format, ...)
{
    va_list args;
    if (!e)
        return status;
    va_start(args, format);
    set(e, status, number, format, args);
    va_end(args);
    return status;
}

int tm_err_memory(err *e, const char *what)
{
    if (*what)
        return tm_err_set(e, TIDEMILL_E_MEMORY, "out of memory for %s", what);
    return tm_err_set(e, TIDEMILL_E_MEMORY, "out of memory");
}

int tm_err_pass(err *e, const err *why)
{
    if (e)
        *e = *why;
    return why->status;
}

void tm_err_at(err *e, const char *file, uint64_t line, uint64_t column)
{
    if (!e)
        return;
    tm_printable(e->file, sizeof e->file, slice_of(file));
    e->line = line;
    e->column = column;
}

size_t tidemill_error_text(const tidemill_error *e, char *text, size_t size)
{
    static const tidemill_error none;
    if (!e)
        e = &none;
    char place[sizeof e->file + 96] = "";
    int n = 0;
    if (e->file[0])
        n = snprintf(place, sizeof place, "%s:", e->file);
    if (e->file[0] && e->line)
        n += snprintf(place + n, sizeof place - (size_t)n, "%llu:", (unsigned long long)e->line);
    if (e->file[0] && e->line && e->column)
        n += snprintf(place + n, sizeof place - (size_t)n, "%llu:", (unsigned long long)e->column);
    if (n)
        n += snprintf(place + n, sizeof place - (size_t)n, " ");
    if (e->record)
        snprintf(place + n, sizeof place - (size_t)n,
                 "record %llu: ", (unsigned long long)e->record);
    int length = snprintf(text, size, "%s%s", place, e->message);
    return length < 0 ? 0 : (size_t)length;
}
