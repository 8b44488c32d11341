/*
 * Where a CSV record ends: bytes of a file flow in, an extent flows out. Nothing is owned; the
 * state of an unfinished record is the caller's.
 *
 * Most records have no quotes, and then the next LF is the end. The machine runs for the others,
 * and goes on where it stood when more bytes have come.
 */
#include "format/csv.h"
#include "format/lines.h"

static enum split_verdict done(struct split_state *s, struct extent *out,
                               enum split_verdict verdict, size_t length, uint64_t lines)
{
    *s = (struct split_state){.document = s->document};
    out->length = length;
    out->lines = lines;
    return verdict;
}

/* A comment line goes to its LF, whatever is in it. */
static enum split_verdict split_comment(struct split_state *s, const char *p, size_t n, bool final,
                                        struct extent *out)
{
    const char *lf = memchr(p + s->scanned, '\n', n - s->scanned);
    out->comment = true;
    if (lf)
        return done(s, out, SPLIT_SKIP, (size_t)(lf - p) + 1, 1);
    if (final)
        return done(s, out, SPLIT_SKIP, n, 1);
    s->machine = CSV_COMMENT;
    s->scanned = n;
    return SPLIT_MORE;
}

/*
 * The input ended inside quotes. The extent tells how many line ends lie before the quote that was
 * never closed, for the message's place.
 */
static enum split_verdict unterminated(struct split_state *s, size_t n, struct extent *out, err *e)
{
    tm_err_set(e, TIDEMILL_E_INPUT,
               "unterminated quote: opened here, the input ends before it is closed");
    return done(s, out, SPLIT_ERROR, n, s->opened_line);
}

/* Run the machine from where it stands over the rest. */
static enum split_verdict split_machine(const struct input_dialect *d, struct split_state *s,
                                        const char *p, size_t n, bool final, struct extent *out,
                                        err *e)
{
    enum csv_state state = (enum csv_state)s->machine;
    struct csv_scan scan = csv_scan_begin(d->delimiter, d->quote, p + s->scanned, n - s->scanned);
    for (const char *from = scan.from;;) {
        const char *at = csv_scan_next(&scan);
        enum csv_class class = csv_class_at(&scan, at);
        if (at > from)
            state = csv_step(state, CSV_OTHER);
        if (class == CSV_NOTHING)
            break;
        if (state == CSV_START && class == CSV_QUOTE)
            s->opened_line = s->lines;
        s->lines += class == CSV_LF;
        state = csv_step(state, class);
        if (state == CSV_END)
            return done(s, out, SPLIT_RECORD, (size_t)(at - p) + 1, s->lines);
        from = at + 1;
    }
    s->machine = state;
    s->scanned = n;
    if (!final)
        return SPLIT_MORE;
    if (state == CSV_QUOTED)
        return unterminated(s, n, out, e);
    return done(s, out, SPLIT_RECORD, n, s->lines + 1);
}

enum split_verdict tm_csv_split(const struct input_dialect *d, struct split_state *s, const char *p,
                                size_t n, bool final, struct extent *out, err *e)
{
    if (s->machine == CSV_COMMENT)
        return split_comment(s, p, n, final, out);
    if (s->scanned > 0)
        return split_machine(d, s, p, n, final, out, e);
    switch (csv_line_at(d, p, n, final)) {
    case CSV_UNSURE:
        return SPLIT_MORE;
    case CSV_BLANK_LINE:
        return done(s, out, SPLIT_SKIP, p[0] == '\n' ? 1 : 2, 1);
    case CSV_COMMENT_LINE:
        return split_comment(s, p, n, final, out);
    case CSV_RECORD:
        break;
    }
    const char *lf = memchr(p, '\n', n);
    if (lf && (d->quote == '\0' || !memchr(p, d->quote, (size_t)(lf - p))))
        return done(s, out, SPLIT_RECORD, (size_t)(lf - p) + 1, 1);
    return split_machine(d, s, p, n, final, out, e);
}

uint32_t tm_csv_run(const struct input_dialect *d, const char *p, size_t n, size_t *length)
{
    struct line_rule rule = {.skips = true,
                             .comment = d->comment.n ? d->comment.p[0] : '\n',
                             .quote = d->quote ? d->quote : '\n',
                             .delimiter = d->delimiter};
    return tm_line_run(&rule, p, n, length);
}
