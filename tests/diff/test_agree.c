/*
 * Split and parse agree: what the splitter cuts into chunks, the parser of the worker finds again,
 * record by record, with the same bounds, lines and count; and what is read does not depend on how
 * the bytes arrive, nor on the size of chunks. For every format and dialect below:
 *
 *   every cut    known nasty files, cut in two at every byte, with chunks of every size
 *   random       random and mutated files, in pieces and chunks of random sizes
 *
 * TIDEMILL_LONG=1: 100,000,000 bytes of random input instead of one million, and every cut with every
 * size of chunks; TIDEMILL_PART=N: an Nth of it. SEED=N: other random bytes.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/formats.h"
#include "format/intake.h"
#include "pipeline/protocol.h"
#include "pipeline/splitter.h"

#include "random_input.h"

#define CHECK(condition)                  \
    do {                                  \
        if (!(condition))                 \
            broken(__LINE__, #condition); \
    } while (0)

/* ---- dialects ---- */

static const struct dialect {
    const char *format;
    const char *settings[9]; /* key, value, ... */
} dialects[] = {
    {"csv", {0}},
    {"csv", {"input.lazy_quotes", "true"}},
    {"csv", {"input.header", "false", "input.lazy_quotes", "true", "input.comment", "#"}},
    {"csv", {"input.delimiter", ";", "input.quote", "'", "input.comment", "//"}},
    {"csv", {"input.quote", "none", "input.header", "false", "input.ragged", "fill"}},
    {"csv", {"input.duplicates", "number", "input.ragged", "trim"}},
    {"csv", {"input.skip", "2", "input.duplicates", "last", "input.ragged", "fill"}},
    {"csv", {"limits.record_size", "32B", "input.header", "false", "input.ragged", "fill"}},
    {"csv",
     {"limits.record_size", "64B", "input.quote", "none", "input.comment", "#", "transform.batch",
      "3"}},
    {"csv", {"input.encoding", "latin1", "input.header", "false"}},
    {"tsv", {0}},
    {"tsv", {"input.header", "false", "input.ragged", "fill"}},
    {"tsv", {"input.comment", "#", "input.duplicates", "number", "limits.record_size", "32B"}},
    {"jsonl", {0}},
    {"jsonl", {"limits.depth", "3", "limits.record_size", "32B", "transform.batch", "2"}},
    {"jsonl", {"input.duplicates", "last", "input.wrap", "v"}},
    {"jsonl", {"input.encoding", "utf-8", "input.on_invalid", "replace"}},
    {"json", {0}},
    {"json", {"input.at", "/a"}},
    {"json", {"input.at", "/a/1/b"}},
    {"json", {"input.wrap", "v", "input.duplicates", "last"}},
    {"json", {"limits.depth", "3", "limits.record_size", "32B", "transform.batch", "2"}},
    {"text", {0}},
    {"text", {"limits.record_size", "8B", "input.skip", "1"}},
    {"text", {"input.encoding", "windows-1252"}},
};
#define DIALECTS (sizeof dialects / sizeof *dialects)

/* ---- a trial: bytes flow through splitter and parser, an account of it flows out ---- */

/* How bytes arrive and are cut. */
struct how {
    size_t first;  /* bytes of the first read */
    size_t piece;  /* of the others */
    size_t target; /* of a chunk */
};

static const struct how plain = {SIZE_MAX, SIZE_MAX, 1 << 20};

static struct trial {
    const struct dialect *dialect;
    const struct format *format;
    struct spec spec;
    struct loop loop;
    struct slice text;
    struct how how;
    struct buf account;
    /* The file that chunks come from. */
    const struct input_file *file;
    struct intake intake;
    struct output_dialect output;
    struct writer *writer;
    struct arena arena, record;
    struct buf row;
} trial;

static uint64_t bytes_seen, records_seen, trials;

static void __attribute__((noreturn)) broken(int line, const char *what)
{
    const struct trial *t = &trial;
    fprintf(stderr, "test_agree.c:%d: %s\n%s", line, what, t->dialect ? t->dialect->format : "");
    for (int i = 0; t->dialect && t->dialect->settings[i]; i++)
        fprintf(stderr, " %s", t->dialect->settings[i]);
    fprintf(stderr, "\nfirst %zu piece %zu target %zu, %zu bytes: \"", t->how.first, t->how.piece,
            t->how.target, t->text.n);
    for (size_t i = 0; i < t->text.n && i < 2000; i++) {
        unsigned char c = (unsigned char)t->text.p[i];
        fprintf(stderr, c < 0x20 || c > 0x7e ? "\\%03o" : c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    fprintf(stderr, "\"\n%.*s\n", (int)(t->account.n < 4000 ? t->account.n : 4000), t->account.p);
    abort();
}

static ptrdiff_t read_piece(void *context, char *data, size_t size)
{
    struct {
        struct slice left;
        struct how how;
    } *in = context;
    size_t n = in->how.first;
    n = n < in->left.n ? n : in->left.n;
    n = n < size ? n : size;
    memcpy(data, in->left.p, n);
    in->left.p += n;
    in->left.n -= n;
    in->how.first = in->how.piece;
    return (ptrdiff_t)n;
}

static void close_file(struct trial *t)
{
    if (t->intake.reader)
        t->format->reader_free(t->intake.reader);
    if (t->writer)
        t->format->writer_free(t->writer);
    t->intake.reader = NULL;
    t->writer = NULL;
    t->file = NULL;
    tm_arena_reset(&t->arena);
}

/* As a worker does when it is told of a file. */
static void open_file(struct trial *t, const struct input_file *file)
{
    struct columns *columns = file->columns;
    if (t->file == file)
        return;
    close_file(t);
    t->file = file;
    t->intake.format = t->format;
    CHECK(tm_dialect_input(&t->spec, t->format, &t->arena, &t->intake.dialect, NULL) == 0);
    CHECK(tm_dialect_output(&t->spec, t->format, &t->arena, &t->output, NULL) == 0);
    t->intake.dialect.columns = columns;
    t->intake.reader = t->format->reader_new(&t->intake.dialect, columns);
    t->writer = t->format->writer_new(&t->output);
    CHECK(t->intake.reader && t->writer);
    bool same = tm_format_verbatim(t->format, &t->intake.dialect, t->format, &t->output);
    if (t->format->verbatim)
        t->format->verbatim(t->writer, same ? t->intake.reader : NULL);
}

/* What is written of a record that nobody touched: its own bytes, where the line end is its own. */
static void tell_row(struct trial *t, const struct node *record)
{
    err e = {0};
    buf_reset(&t->row);
    int status = t->format->write(t->writer, &t->row, record, &e);
    if (status != TIDEMILL_OK) {
        tm_buf_printf(&t->account, " not written: %s", e.message);
        return;
    }
    struct slice source = record->source, end = record->line_end;
    bool own = !t->intake.dialect.wrap.n && t->intake.dialect.duplicates == DUPLICATES_ERROR;
    if (own && !record->changed && end.n) {
        CHECK(t->row.n == source.n + end.n);
        CHECK(memcmp(t->row.p, source.p, source.n) == 0);
        CHECK(memcmp(t->row.p + source.n, end.p, end.n) == 0);
    }
    tm_buf_printf(&t->account, " %u fields: ", record->count);
    buf_slice(&t->account, buf_view(&t->row));
}

/* One record, or what lies between two, by the splitter's rules and by the parser's. */
static size_t step(struct trial *t, struct chunk *c, const char *p, size_t n, uint32_t *number)
{
    struct split_state state = {0};
    struct extent extent = {0};
    struct parsed parsed = {0};
    err e = {0};
    enum split_verdict split = t->format->split(&t->intake.dialect, &state, p, n, true, &extent,
                                                NULL);
    enum parse_verdict parse = tm_intake_parse(&t->intake, &t->record, p, n, &parsed, &e);
    CHECK(split == SPLIT_RECORD || split == SPLIT_SKIP);
    CHECK(extent.length > 0 && extent.length <= n);
    CHECK(parsed.length == extent.length && parsed.lines == extent.lines);
    CHECK(parse != PARSE_MEMORY && (parse == PARSE_SKIP) == (split == SPLIT_SKIP));
    if (split == SPLIT_RECORD) {
        struct record_place place = tm_chunk_find(c, *number);
        CHECK(place.raw.n == extent.length &&
              place.offset == c->offset + (size_t)(place.raw.p - c->p));
        tm_buf_printf(&t->account, "%ju line %ju offset %ju length %zu",
                      (uintmax_t)(c->first_record + *number), (uintmax_t)place.line,
                      (uintmax_t)place.offset, extent.length);
        ++*number;
        records_seen++;
    }
    if (parse == PARSE_FAILED)
        tm_buf_printf(&t->account, " %s", e.message);
    if (parse == PARSE_RECORD)
        tell_row(t, parsed.record);
    if (split == SPLIT_RECORD)
        buf_byte(&t->account, '\n');
    tm_arena_reset(&t->record);
    return parsed.length;
}

static void take_chunk(struct trial *t, struct chunk *c)
{
    uint32_t number = 0;
    if (c->kind == CHUNK_RECORDS) {
        /* A block of its own size: reading past it is seen. */
        char *copy = malloc(c->n);
        CHECK(copy);
        memcpy(copy, c->p, c->n);
        open_file(t, c->file);
        tm_intake_begin(&t->intake, (struct slice){copy, c->n});
        for (size_t at = 0; at < c->n;)
            at += step(t, c, copy + at, c->n - at, &number);
        CHECK(number == c->records);
        free(copy);
    }
    if (c->failure)
        tm_buf_printf(&t->account, "%s %ju line %ju offset %ju %s\n",
                      c->kind == CHUNK_BROKEN ? "broken" : "failed", (uintmax_t)c->failure->record,
                      (uintmax_t)c->failure->line, (uintmax_t)c->failure->offset,
                      c->failure->message);
}

/* The account of reading t->text in this way is in t->account afterwards. */
static void read_all(struct trial *t, struct how how)
{
    struct {
        struct slice left;
        struct how how;
    } in = {t->text, how};
    struct source source;
    struct splitter splitter;
    t->how = how;
    buf_reset(&t->account);
    tm_source_init(&source, &t->loop);
    CHECK(tm_source_add_callback(&source, read_piece, &in, "in", NULL) == TIDEMILL_OK);
    tm_splitter_init(&splitter, &source, &t->spec, t->format);
    for (bool more = true; more;) {
        struct chunk *c = NULL;
        enum splitter_next next = tm_splitter_next(&splitter, how.target, false, &c, NULL);
        CHECK(next == SPLITTER_CHUNK || next == SPLITTER_AGAIN || next == SPLITTER_END);
        more = next != SPLITTER_END;
        if (next != SPLITTER_CHUNK)
            continue;
        take_chunk(t, c);
        more = c->kind != CHUNK_BROKEN;
        tm_chunk_free(c);
    }
    close_file(t);
    tm_splitter_release(&splitter);
    tm_source_release(&source);
    trials++;
    bytes_seen += t->text.n;
}

static bool use_dialect(struct trial *t, const struct dialect *d)
{
    t->dialect = d;
    t->format = tm_format_find(slice_of(d->format));
    if (!t->format)
        return false;
    CHECK(tm_spec_init(&t->spec) == TIDEMILL_OK);
    CHECK(tm_spec_set(&t->spec, "chunk", "64KiB", NULL) == TIDEMILL_OK);
    for (int i = 0; d->settings[i]; i += 2)
        CHECK(tm_spec_set(&t->spec, d->settings[i], d->settings[i + 1], NULL) == TIDEMILL_OK);
    return true;
}

/* The way bytes arrive and are cut makes no difference. */
static void expect_same(struct trial *t, struct slice wanted, struct how how)
{
    read_all(t, how);
    if (!slice_eq(wanted, buf_view(&t->account))) {
        fprintf(stderr, "read at once:\n%.*s\n", (int)(wanted.n < 4000 ? wanted.n : 4000),
                wanted.p);
        broken(__LINE__, "the account depends on how the bytes arrive or are cut");
    }
}

/* ---- every cut ---- */

/* An Nth of the work is done. */
static int part = 1;

/* Read at once, then in every way; `all`: every cut with every size of chunks. */
static void cut_everywhere(struct trial *t, struct slice text, bool all)
{
    static struct buf wanted;
    t->text = text;
    read_all(t, plain);
    buf_reset(&wanted);
    buf_slice(&wanted, buf_view(&t->account));
    struct slice w = buf_view(&wanted);
    /* Of a part, the dialects share the places among them. */
    size_t step = (size_t)part, first = 1 + (size_t)(t->dialect - dialects) % step;
    for (size_t size = first; size <= text.n; size += step) {
        expect_same(t, w, (struct how){SIZE_MAX, SIZE_MAX, size});
        expect_same(t, w, (struct how){size, size, size});
    }
    for (size_t cut = first; cut < text.n; cut += step)
        for (size_t size = 1; size <= text.n; size = all ? size + 1 : size * text.n)
            expect_same(t, w, (struct how){cut, SIZE_MAX, size});
}

static const struct slice nasty[] = {
    SLICE(""),
    SLICE("\n"),
    SLICE("\xef\xbb\xbf"),
    SLICE("\xef\xbb"),
    SLICE("\xef\xbb\xbf"
          "a,b\r\n1,\"x\r\ny\"\r\n\r\n\n#c\r\n2,\"\"\"\"\n3,5\" pipe\n4,\"x\"y\n5,\"\"\"\n\"\n6"),
    SLICE("a,a,\n1,2,3\n\"1\",\"2\"\n,,,\n\"\"\n \n\r\n\r\r\n\"\r\"\n"),
    SLICE("a\n\"open\n\n,\"\"\n"),
    SLICE("a;b\n'x;''y';//\n//c;'\n/;'\n'z'z;1\n'\n//\n';2"),
    SLICE("x\r"),
    SLICE("a\tb\n1\\t2\\\\\\n\t\\\r\n\"q\t\"\"\n\n\t\n#c\tx\nend"),
    SLICE("{\"a\":[1,{\"b\":[{\"c\":\"\\u00e9\\ud83d\\ude00\\\"}]\"},{}]}]}\n"),
    SLICE("[ {\"a\" : 1} ,\r\n{\"b\":\"]\\\\\"},\n[],1,\"x\" , null\t]\n \n"),
    SLICE("{\"a\":1}\r\n\r\n "
          "\t\n{\"a\":\"\xc3\xa9\xe2\x82\xac\"}\n{\"a\":\"\xe2\x82\"}\n[1]\n{\"a\":1,\"a\":2}\n{"
          "\"a\":"),
    SLICE("[{\"a\":1},]"),
    SLICE("[{\"a\":1}{\"a\":2}]"),
    SLICE("[{\"a\":1}]]"),
    SLICE("[{\"a\":[[[[1]]]]},{\"a\":1},{\"a\":"
          "\"01234567890123456789012345678901234567890123456789\"}]"),
    SLICE("[\"\\\"]\",{\"x\":\"[{\\\\\"}]"),
    SLICE("{\"x\":[{\"a\":0}],\"a\":[{\"n\":1},{\"b\":[{\"n\":2},{\"n\":3}]},4],\"y\":[{}]}"),
    SLICE("\xef\xbb\xbf[\n]"),
    SLICE("[1,2"),
    SLICE("0123456789abcdef\nshort\n0123456789012345678901234567890123456789\n\x80\x81\xe9\n\0\n\r"
          "\r\n"),
};

/* The time goes with the square of a file's length, and with the cube when all is cut. */
#define LENGTH_SHORT 120
#define LENGTH_LONG  300
#define LENGTH_ALL   64
#define FILES_SHORT  40 /* of a folder */

static size_t cut_files;

static void cut_file(struct trial *t, const char *path, bool full)
{
    char data[LENGTH_LONG];
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    size_t n = fread(data, 1, full ? LENGTH_LONG : LENGTH_SHORT, file);
    fclose(file);
    cut_everywhere(t, (struct slice){data, n}, full && n <= LENGTH_ALL);
    cut_files++;
}

/* Files of the fuzzers' corpora for every dialect, those of tests/cases for their own format. */
static bool is_wanted(const struct trial *t, const char *path)
{
    const char *dot = strrchr(path, '.');
    if (strstr(path, "/corpus/"))
        return strstr(path, "/csv/") || strstr(path, "/json/") || strstr(path, t->dialect->format);
    return dot &&
           strcmp(dot + 1, strcmp(t->dialect->format, "text") ? t->dialect->format : "txt") == 0;
}

static void cut_folder(struct trial *t, const char *path, bool full)
{
    DIR *folder = opendir(path);
    int files = 0;
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            cut_folder(t, name, full);
        else if (is_wanted(t, name) && (full || files++ < FILES_SHORT / part))
            cut_file(t, name, full);
    }
    closedir(folder);
}

/* ---- random ---- */

static struct how random_how(size_t n)
{
    static const size_t pieces[] = {1, 2, 3, 7, 15, 16, 17, 64, 1000, 65536};
    struct how how = {pieces[below(10)], pieces[below(10)], pieces[below(10)]};
    if (below(2))
        how.first = 1 + below(n + 1);
    if (n > 20000)
        how.first = how.piece = 1000 + below(60000);
    return how;
}

static void random_input(struct trial *t)
{
    static struct buf text, wanted;
    make_random(&text, t->dialect->format);
    if (text.n == 0)
        return;
    CHECK(!text.failed);
    t->text = (struct slice){text.p, text.n};
    read_all(t, plain);
    buf_reset(&wanted);
    buf_slice(&wanted, buf_view(&t->account));
    expect_same(t, buf_view(&wanted), random_how(text.n));
}

/* ---- all of it ---- */

int main(void)
{
    bool full = getenv("TIDEMILL_LONG") != NULL;
    if (getenv("TIDEMILL_PART"))
        part = atoi(getenv("TIDEMILL_PART"));
    CHECK(part > 0);
    uint64_t goal = (full ? 100000000u : 1000000u / (unsigned)part) / DIALECTS, cuts = 0;
    size_t used = 0;
    random_state = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 1;
    CHECK(tm_loop_init(&trial.loop, NULL) == TIDEMILL_OK);
    for (size_t i = 0; i < DIALECTS; i++) {
        if (!use_dialect(&trial, &dialects[i])) {
            printf("no format %s\n", dialects[i].format);
            continue;
        }
        uint64_t before = trials;
        for (size_t k = 0; k < sizeof nasty / sizeof *nasty; k++)
            cut_everywhere(&trial, nasty[k], full);
        cut_folder(&trial, TIDEMILL_SOURCE_DIR "/tests/fuzz/corpus", full);
        cut_folder(&trial, TIDEMILL_SOURCE_DIR "/tests/cases", full);
        cuts += trials - before;
        /* Every input is read twice, and counts once. */
        for (uint64_t begin = bytes_seen; bytes_seen - begin < 2 * goal;)
            random_input(&trial);
        used++;
        tm_spec_release(&trial.spec);
    }
    printf("%zu dialects: %ju bytes of random input; %ju readings of %zu files cut everywhere; %ju "
           "records\n",
           used, (uintmax_t)(goal * used), (uintmax_t)cuts,
           cut_files + used * (sizeof nasty / sizeof *nasty), (uintmax_t)records_seen);
    tm_buf_release(&trial.account);
    tm_buf_release(&trial.row);
    tm_arena_release(&trial.arena);
    tm_arena_release(&trial.record);
    tm_loop_release(&trial.loop);
    return 0;
}
