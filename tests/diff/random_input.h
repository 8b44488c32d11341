/*
 * Random input for a format: words of its alphabet, files that it reads, and such files broken in a
 * few places. Seeded: the same bytes each time.
 */
#ifndef TIDEMILL_TEST_RANDOM_INPUT_H
#define TIDEMILL_TEST_RANDOM_INPUT_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static uint64_t random_state;

/* splitmix64 (S. Vigna). */
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return (size_t)(next_random() % n);
}

static const struct words {
    const char *format;
    struct slice words[40];
} vocabularies[] = {
    {"csv", {SLICE(","),        SLICE(","),         SLICE(","),
             SLICE(";"),        SLICE("\""),        SLICE("\""),
             SLICE("\""),       SLICE("\"\""),      SLICE("'"),
             SLICE("'"),        SLICE("\n"),        SLICE("\n"),
             SLICE("\n"),       SLICE("\r\n"),      SLICE("\r"),
             SLICE("#"),        SLICE("//"),        SLICE(" "),
             SLICE("a"),        SLICE("x1"),        SLICE("-1.50"),
             SLICE("\0"),       SLICE("\xff"),      SLICE("\xc3\xa9"),
             SLICE("\"x,y\""),  SLICE("\"a\nb\","), SLICE("abcdefghijklmnop"),
             SLICE(",1,2,3\n"), SLICE("a,b\n")}},
    {"tsv",
     {SLICE("\t"),
      SLICE("\t"),
      SLICE("\t"),
      SLICE("\\"),
      SLICE("\\t"),
      SLICE("\\n"),
      SLICE("\\\\"),
      SLICE("\n"),
      SLICE("\n"),
      SLICE("\r\n"),
      SLICE("\r"),
      SLICE("\""),
      SLICE("#"),
      SLICE("a"),
      SLICE("12"),
      SLICE("x y"),
      SLICE("\0"),
      SLICE("\xe9"),
      SLICE("abcdefghijklmnop"),
      SLICE("a\tb\n"),
      SLICE("\\r")}},
    {"json",
     {SLICE("{"),
      SLICE("}"),
      SLICE("["),
      SLICE("]"),
      SLICE("{"),
      SLICE("}"),
      SLICE("["),
      SLICE("]"),
      SLICE(","),
      SLICE(","),
      SLICE(":"),
      SLICE("\""),
      SLICE("\"a\""),
      SLICE("\"b\":"),
      SLICE("\"c\":{"),
      SLICE("{\"a\":1}"),
      SLICE("{\"a\":\"]}\"}"),
      SLICE("\\\""),
      SLICE("\\\\"),
      SLICE("\"\\ud83d\\ude00\""),
      SLICE("\\u00e9"),
      SLICE("\xc3\xa9"),
      SLICE("\xc3"),
      SLICE("-0"),
      SLICE("1.5e+3"),
      SLICE("01"),
      SLICE("true"),
      SLICE("fals"),
      SLICE("null"),
      SLICE(" "),
      SLICE("\n"),
      SLICE("\n"),
      SLICE("\r\n"),
      SLICE("\t"),
      SLICE("[{\"a\":1},\n{\"b\":[]}]"),
      SLICE("\0")}},
    {"text",
     {SLICE("\n"), SLICE("\r\n"), SLICE("\r"), SLICE("a"), SLICE("abcdefghijkl"), SLICE("\0"),
      SLICE("\x80"), SLICE("\x81"), SLICE(" "), SLICE("\\n")}},
};

static const struct words *vocabulary_of(const char *format)
{
    if (strcmp(format, "jsonl") == 0)
        format = "json";
    for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++)
        if (strcmp(vocabularies[i].format, format) == 0)
            return &vocabularies[i];
    abort();
}

static void add_words(struct buf *b, const struct words *v, size_t n)
{
    size_t count = 0;
    while (count < sizeof v->words / sizeof *v->words && v->words[count].p)
        count++;
    while (n--)
        buf_slice(b, v->words[below(count)]);
}

static void add_value(struct buf *b, int depth)
{
    static const char *const scalars[] = {"1", "-0.5e3", "\"\"", "\"]},{[\\\"\"", "null", "true"};
    size_t kind = below(depth > 4 ? 1 : 3), n = below(4);
    if (kind == 0) {
        buf_slice(b, slice_of(scalars[below(sizeof scalars / sizeof *scalars)]));
        return;
    }
    buf_byte(b, "[{"[kind - 1]);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_byte(b, ',');
        if (kind == 2)
            tm_buf_printf(b, "%s\"%c\":", below(4) ? "" : " ", (char)('a' + (char)i));
        add_value(b, depth + 1);
    }
    buf_byte(b, "]}"[kind - 1]);
}

/* A file that the format reads: rows of a table, or objects. */
static void add_valid(struct buf *b, const char *format)
{
    bool json = strcmp(format, "json") == 0, lines = strcmp(format, "jsonl") == 0;
    size_t columns = 1 + below(4), rows = below(20);
    const char *end = below(3) ? "\n" : "\r\n";
    buf_slice(b, slice_of(json ? "[" : ""));
    for (size_t i = 0; i < rows; i++) {
        if (json && i)
            buf_slice(b, slice_of(below(2) ? "," : " ,\n"));
        if (json || lines) {
            tm_buf_printf(b, "{\"a\":%zu,\"b\":", below(100));
            add_value(b, 0);
            buf_byte(b, '}');
        }
        for (size_t k = 0; k < columns && !json && !lines; k++) {
            static const char *const cells[] = {"x", "\"a,b\"", "\"c\"\"\nd\"", "12", ""};
            bool csv = strcmp(format, "csv") == 0;
            if (k)
                buf_byte(b, csv ? ',' : '\t');
            tm_buf_printf(b, "%s", i ? cells[csv ? below(5) : 3 * below(2)] : "");
            if (!i)
                tm_buf_printf(b, "c%zu", k);
        }
        if (!json)
            buf_slice(b, slice_of(end));
    }
    buf_slice(b, slice_of(json ? "]\n" : ""));
}

/* Bytes lost, doubled, changed, put in. */
static void mutate(struct buf *b, const struct words *v)
{
    for (size_t times = below(4); times-- && b->n;) {
        size_t at = below(b->n);
        struct slice word = v->words[below(10)];
        switch (below(4)) {
        case 0:
            b->p[at] = (char)below(256);
            break;
        case 1:
            memmove(b->p + at, b->p + at + 1, b->n - at - 1);
            b->n--;
            break;
        case 2:
            for (size_t i = 0; i < word.n && at + i < b->n; i++)
                b->p[at + i] = word.p[i];
            break;
        default:
            b->n = at;
        }
    }
}

/* A line that is larger than what is kept of records that are too large: a comment, or a blank one. */
static void add_long_line(struct buf *b)
{
    size_t n = 4000 + below(5000);
    buf_byte(b, '\n');
    buf_byte(b, below(2) ? '#' : ' ');
    while (n--)
        buf_byte(b, ' ');
    buf_byte(b, '\n');
}

static inline void make_random(struct buf *b, const char *format)
{
    const struct words *v = vocabulary_of(format);
    buf_reset(b);
    if (below(8) == 0)
        buf_slice(b, SLICE("\xef\xbb\xbf"));
    switch (below(3)) {
    case 0:
        add_words(b, v, below(120));
        break;
    case 1:
        add_valid(b, format);
        mutate(b, v);
        break;
    default:
        add_valid(b, format);
        add_words(b, v, below(20));
    }
    if (below(500) == 0) {
        add_words(b, v, 60000);
    } else if (below(100) == 0) {
        add_long_line(b);
        add_words(b, v, below(50));
    }
}

#endif
