/*
 * The line on a terminal that tells how far a run is, and the one that sums it up. Counts flow in;
 * the line is drawn over itself and taken away before anything else is printed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define SECOND        1000000000
#define BETWEEN_DRAWS (SECOND / 5)

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

void tm_progress_init(struct progress *p, bool quiet, bool output_on_terminal)
{
    const char *kind = getenv("TERM");
    bool plain = kind == NULL || strcmp(kind, "dumb") == 0; /* cannot erase a line */
    *p = (struct progress){.started = now()};
    p->terminal = isatty(STDERR_FILENO);
    p->on = p->terminal && !quiet && !output_on_terminal && !plain;
    p->drawn = p->started; /* a run that ends at once shows none */
}

double tm_progress_seconds(const struct progress *p)
{
    return (double)(now() - p->started) / SECOND;
}

/* 1234567 as 1,234,567; `out` has room for 32. */
static void group_digits(char *out, uint64_t number)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < n; i++) {
        *out++ = digits[i];
        if (i + 1 < n && (n - i - 1) % 3 == 0)
            *out++ = ',';
    }
    *out = '\0';
}

/* 75 s, 12 min, 3.5 h */
static void time_left(char *out, size_t size, double seconds)
{
    if (seconds < 100)
        snprintf(out, size, "%.0f s", seconds);
    else if (seconds < 6000)
        snprintf(out, size, "%.0f min", seconds / 60);
    else
        snprintf(out, size, "%.1f h", seconds / 3600);
}

static void progress_text(char *out, size_t size, const tidemill_stats *stats, double seconds)
{
    char records[32], left[32];
    double rate = seconds > 0 ? (double)stats->bytes_in / seconds : 0;
    group_digits(records, stats->read);
    int used = snprintf(out, size, "%s records, %.1f MB/s", records, rate / 1e6);
    if (stats->bytes_total == 0 || stats->bytes_in == 0 || stats->bytes_in > stats->bytes_total)
        return;
    time_left(left, sizeof left, (double)(stats->bytes_total - stats->bytes_in) / rate);
    snprintf(out + used, size - (size_t)used, ", %.0f %%, %s left",
             100.0 * (double)stats->bytes_in / (double)stats->bytes_total, left);
}

static int screen_columns(void)
{
    struct winsize window = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 2)
        return 79;
    return window.ws_col - 1; /* a full line would wrap */
}

void tm_progress_draw(struct progress *p, const tidemill_stats *stats)
{
    char text[160];
    int64_t time = now();
    if (!p->on || p->midline || time - p->drawn < BETWEEN_DRAWS)
        return;
    p->drawn = time;
    p->shown = true;
    progress_text(text, sizeof text, stats, (double)(time - p->started) / SECOND);
    fprintf(stderr, "\r\033[K%.*s", screen_columns(), text);
    fflush(stderr);
}

void tm_progress_hide(struct progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->shown = false;
}

void tm_progress_summary(const struct progress *p, const tidemill_stats *stats)
{
    char time[40] = "";
    if (p->terminal) /* elsewhere the same run gives the same bytes */
        snprintf(time, sizeof time, " in %.2f s", tm_progress_seconds(p));
    tm_say("%" PRIu64 " read, %" PRIu64 " kept, %" PRIu64 " dropped, %" PRIu64 " failed; %" PRIu64
           " written%s",
           stats->read, stats->kept, stats->dropped, stats->failed, stats->written, time);
}
