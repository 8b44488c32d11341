/*
 * CSV and TSV inside: the one state machine and the one scanner that split, parse, header and
 * relayout share, so that they agree on every byte string.
 *
 * RFC 4180, and for what it leaves open: a quote opens only at a field's start; a byte behind a
 * closing quote other than delimiter, quote or line end returns to unquoted; a record ends at LF or
 * CRLF outside quotes, a lone CR is data; blank and comment lines exist only at a record's start.
 * The strict rules (stray quotes, ragged rows) decide what a record is worth, never where it ends.
 *
 * TSV is CSV with tabs, without quotes, and with escapes in its cells (dialect.escapes). As without
 * quotes nothing can tell an empty cell from an empty line, a blank line is a record in a file of one
 * column then.
 */
#ifndef TM_FORMAT_CSV_H
#define TM_FORMAT_CSV_H

#include "base/sse2.h"
#include "format/format.h"

/* ---- the machine ---- */

enum csv_state {
    CSV_START,    /* at a field's first byte; 0, as a record starts */
    CSV_UNQUOTED, /* inside a field, outside quotes */
    CSV_QUOTED,   /* inside quotes */
    CSV_CLOSED,   /* behind a quote that closes, unless another one follows */
    CSV_END,      /* behind a record */
    CSV_COMMENT,  /* split only: in a comment line whose end was not in sight */
};

enum csv_class {
    CSV_OTHER,
    CSV_DELIMITER,
    CSV_QUOTE,
    CSV_LF,
    CSV_NOTHING, /* the input's end */
};

static const uint8_t csv_next_state[4][4] = {
    [CSV_START] = {CSV_UNQUOTED, CSV_START, CSV_QUOTED, CSV_END},
    [CSV_UNQUOTED] = {CSV_UNQUOTED, CSV_START, CSV_UNQUOTED, CSV_END},
    [CSV_QUOTED] = {CSV_QUOTED, CSV_QUOTED, CSV_CLOSED, CSV_QUOTED},
    [CSV_CLOSED] = {CSV_UNQUOTED, CSV_START, CSV_QUOTED, CSV_END},
};

static inline enum csv_state csv_step(enum csv_state state, enum csv_class class)
{
    return (enum csv_state)csv_next_state[state][class];
}

enum csv_line { CSV_RECORD, CSV_BLANK_LINE, CSV_COMMENT_LINE, CSV_UNSURE };

/*
 * Is a blank line a record with one empty cell? Without a header the first record says how many
 * columns there are, so that a blank line there is one.
 */
static inline bool csv_blank_is_record(const struct input_dialect *d)
{
    return d->quote == '\0' && (d->columns ? d->columns->cells == 1 : !d->header);
}

/* What begins at p, a record's start: UNSURE when more bytes are needed to know (never if final). */
static inline enum csv_line csv_line_at(const struct input_dialect *d, const char *p, size_t n,
                                        bool final)
{
    if (n == 0)
        return CSV_UNSURE;
    if (p[0] == '\n' || (p[0] == '\r' && n > 1 && p[1] == '\n'))
        return csv_blank_is_record(d) ? CSV_RECORD : CSV_BLANK_LINE;
    if (p[0] == '\r' && n == 1 && !final)
        return CSV_UNSURE;
    if (d->comment.n == 0)
        return CSV_RECORD;
    size_t seen = n < d->comment.n ? n : d->comment.n;
    if (memcmp(p, d->comment.p, seen) != 0)
        return CSV_RECORD;
    if (seen == d->comment.n)
        return CSV_COMMENT_LINE;
    return final ? CSV_RECORD : CSV_UNSURE;
}

/* ---- the scanner: the bytes that the machine cares for, one after the other ---- */

struct csv_scan {
    const char *from; /* where the field in hand begins; kept by csv_cut() */
    const char *next; /* not looked at yet, up to `end` */
    const char *end;
    const char *block; /* bit i of `hits` stands for block[i] */
    uint32_t hits;
    char delimiter;
    char quote; /* '\n' where there are no quotes: finds nothing that is not found anyway; the
                   backslash for csv_cells_begin() with escapes */
    bool escapes;
};

static inline struct csv_scan csv_scan_begin(char delimiter, char quote, const char *p, size_t n)
{
    return (struct csv_scan){.from = p,
                             .next = p,
                             .end = p + n,
                             .delimiter = delimiter,
                             .quote = quote == '\0' ? '\n' : quote};
}

/* For csv_cut(), which wants to know of escapes as well. */
static inline struct csv_scan csv_cells_begin(char delimiter, char quote, bool escapes,
                                              const char *p, size_t n)
{
    struct csv_scan s = csv_scan_begin(delimiter, escapes ? '\\' : quote, p, n);
    s.escapes = escapes;
    return s;
}

#ifdef TM_SSE2
static inline uint32_t csv_hits_16(const struct csv_scan *s, const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i hits = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(s->delimiter));
    hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(s->quote)));
    hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));
    return (uint32_t)_mm_movemask_epi8(hits);
}
#endif

/* Look at the next block, at least one byte. */
static inline void csv_scan_block(struct csv_scan *s)
{
    size_t room = (size_t)(s->end - s->next);
    size_t n = room < 16 ? room : 16;
    uint32_t hits = 0;
    s->block = s->next;
    s->next += n;
#ifdef TM_SSE2
    if (n == 16) {
        s->hits = csv_hits_16(s, s->block);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++) {
        char c = s->block[i];
        hits |= (uint32_t)(c == s->delimiter || c == s->quote || c == '\n') << i;
    }
    s->hits = hits;
}

/* The next delimiter, quote or LF; the end when there is none. */
static inline const char *csv_scan_next(struct csv_scan *s)
{
    while (s->hits == 0) {
        if (s->next == s->end)
            return s->end;
        csv_scan_block(s);
    }
    const char *at = s->block + __builtin_ctz(s->hits);
    s->hits &= s->hits - 1;
    return at;
}

static inline enum csv_class csv_class_at(const struct csv_scan *s, const char *at)
{
    if (at == s->end)
        return CSV_NOTHING;
    return *at == '\n' ? CSV_LF : *at == s->delimiter ? CSV_DELIMITER : CSV_QUOTE;
}

/* ---- cells ---- */

enum {
    CSV_HAS_QUOTES = 1,    /* begins with a quote */
    CSV_HAS_DOUBLED = 2,   /* has doubled quotes inside */
    CSV_HAS_TAIL = 4,      /* bytes behind the closing quote */
    CSV_HAS_STRAY = 8,     /* a quote inside an unquoted field */
    CSV_HAS_NO_CLOSE = 16, /* the input ends inside quotes */
    CSV_HAS_ESCAPES = 32   /* has backslashes, where they escape; no other mark then */
};

struct csv_cell {
    struct slice raw; /* with its quotes, without what ends it */
    unsigned marks;   /* CSV_HAS_... */
    uint64_t lines;   /* line ends inside quotes */
};

/* The rest of csv_cut() for a field with quotes or escapes; `at` is the first of them. */
enum csv_class tm_csv_cut_quoted(struct csv_scan *s, struct csv_cell *cell, const char *at);

static inline void csv_cell_end(struct csv_scan *s, struct csv_cell *cell, const char *at,
                                enum csv_class class)
{
    const char *end = at;
    if (class == CSV_LF && at > s->from && at[-1] == '\r')
        end--;
    cell->raw = (struct slice){s->from, (size_t)(end - s->from)};
    s->from = at == s->end ? at : at + 1;
}

/*
 * Cut the next cell and step behind what ends it, which is returned: DELIMITER, LF or NOTHING.
 * Bytes from the last cell's end to s->from are the record's line end.
 */
static inline enum csv_class csv_cut(struct csv_scan *s, struct csv_cell *cell)
{
    const char *at = csv_scan_next(s);
    enum csv_class class = csv_class_at(s, at);
    if (class == CSV_QUOTE)
        return tm_csv_cut_quoted(s, cell, at);
    cell->marks = 0;
    cell->lines = 0;
    csv_cell_end(s, cell, at, class);
    return class;
}

/*
 * What a cell says: its bytes without quotes and escapes. Only doubled quotes, tails and escapes need
 * the arena. p is NULL when memory is out.
 */
struct slice tm_csv_content(const struct csv_cell *cell, char quote, struct arena *arena);

/* ---- the parts ---- */

enum split_verdict tm_csv_split(const struct input_dialect *d, struct split_state *s, const char *p,
                                size_t n, bool final, struct extent *out, err *e);
uint32_t tm_csv_run(const struct input_dialect *d, const char *p, size_t n, size_t *length);
int tm_csv_header(const struct input_dialect *d, struct arena *arena, struct slice first,
                  struct columns **out, err *e);

struct reader *tm_csv_reader_new(const struct input_dialect *d, const struct columns *columns);
void tm_csv_reader_free(struct reader *r);
void tm_csv_reader_begin(struct reader *r, struct slice bytes);
/*
 * What its records have as their origin: the same for all readers of a format, as a job has one dialect
 * for it and a record may be kept longer than its reader. NULL for NULL.
 */
const void *tm_csv_origin(const struct reader *r);
enum parse_verdict tm_csv_parse(struct reader *r, struct arena *arena, const char *p, size_t n,
                                struct parsed *out, err *e);

struct writer *tm_csv_writer_new(const struct output_dialect *d);
void tm_csv_writer_free(struct writer *w);
void tm_csv_verbatim(struct writer *w, const struct reader *origin);
int tm_csv_write(struct writer *w, struct buf *out, const struct node *record, err *e);
const struct layout *tm_csv_layout(const struct writer *w);
int tm_csv_fix_columns(struct writer *w, uint32_t n, const struct slice *names);

struct finish *tm_csv_finish_new(const struct output_dialect *d);
void tm_csv_finish_free(struct finish *f);
int tm_csv_finish_begin(struct finish *f, struct buf *out, uint32_t n, const struct slice *names);
int tm_csv_relayout(const struct output_dialect *d, struct slice rows, uint32_t from_n,
                    const struct slice *from, uint32_t to_n, const struct slice *to,
                    struct buf *out, err *e);

/* Has the dialect a way to write what is special? */
static inline bool csv_has_guard(const struct output_dialect *d)
{
    return d->quote != '\0' || d->escapes;
}

/* Does the text need a guard: has it a delimiter, a quote (or a backslash), CR or LF? */
bool tm_csv_is_special(const struct output_dialect *d, struct slice text);
/* Write it in quotes, those inside doubled, or with escapes: the dialect has one of them. */
void tm_csv_put_guarded(const struct output_dialect *d, struct buf *out, struct slice text);

/* output.escape_formulas: would a spreadsheet run it? False without the option. */
bool tm_csv_is_formula(const struct output_dialect *d, struct slice text);
/* The text with a ' before it, in `scratch`, which sticks when memory is out. */
struct slice tm_csv_defuse(struct buf *scratch, struct slice text);

/* The text of a TSV cell, escapes undone; for content that has some. */
struct slice tm_tsv_content(struct slice raw, struct arena *arena);
/* And back. */
void tm_tsv_put(struct buf *out, struct slice text);

#endif
