/*
 * Whatever comes out of a worker's pipe: it is cut into frames, and results are committed to a chunk
 * of three records, or to a part of it. Never more is committed than the part has, the counts add up,
 * and a failed record is never passed over.
 *
 * The first byte chooses the output format, the policy, the part, and whether columns are fixed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "format/formats.h"
#include "pipeline/frame.h"
#include "pipeline/merger.h"
#include "pipeline/protocol.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { CSV = 1, SKIP = 2, PART = 4, FIXED = 8, TABLE = 16 };

static struct spec spec;
static struct slice names[] = {SLICE("a"), SLICE("b")};

static int swallow(void *context, const char *data, size_t length)
{
    (void)context;
    return data || !length ? 0 : -1;
}

static void prepare_spec(void)
{
    static bool done;
    if (!done)
        CHECK(tm_spec_init(&spec) == TIDEMILL_OK);
    done = true;
}

/* Records "1\n", "2\n" and "3\n"; of a part, the first one is done. */
static struct chunk *new_chunk(bool part)
{
    static const char text[] = "1\n2\n3\n";
    struct input_file *file = tm_input_file_new("input", &tm_format_jsonl, 1);
    struct chunk *c = file ? tm_chunk_new(CHUNK_RECORDS, file, NULL) : NULL;
    CHECK(c);
    tm_input_file_unref(file);
    c->p = text;
    c->n = sizeof text - 1;
    c->records = 3;
    c->first_record = c->first_line = 1;
    c->part = c->done = part;
    c->part_end = part ? 2 : 3;
    return c;
}

static void commit(struct merger *m, struct frame_reader *reader, bool skip)
{
    struct chunk *c = m->first;
    uint32_t before = c->done;
    struct frame f;
    err e = {0};
    int status = TIDEMILL_OK;
    while (status == TIDEMILL_OK && tm_frame_next(reader, &f) == FRAME_TAKEN)
        status = tm_merger_result(m, f.payload, (struct piped){0}, &e);
    CHECK(e.status == status);
    CHECK(c->done <= c->part_end);
    CHECK(m->stats.read == m->stats.kept + m->stats.dropped + m->stats.failed);
    CHECK(status != TIDEMILL_OK || m->stats.read == c->done - before);
    CHECK(m->stats.read <= c->done - before);
    CHECK(skip || m->stats.failed == (status != TIDEMILL_OK && e.record != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const uint8_t how = data[0];
    struct output_dialect dialect = {.delimiter = ',', .quote = '"', .header = true};
    struct sink sink;
    struct output output;
    struct merger merger;
    struct frame_reader reader;
    prepare_spec();
    spec.values.errors.policy = how & SKIP ? POLICY_SKIP : POLICY_FAIL;
    if (how & FIXED) {
        dialect.columns_n = 2;
        dialect.columns = names;
    }
    tm_sink_init(&sink, NULL);
    CHECK(tm_sink_open_callback(&sink, swallow, NULL, NULL) == TIDEMILL_OK);
    CHECK(tm_output_init(&output,
                         how & CSV     ? &tm_format_csv
                         : how & TABLE ? &tm_format_table
                                       : &tm_format_jsonl,
                         &dialect, &sink, NULL) == TIDEMILL_OK);
    tm_merger_init(&merger, &spec, &output, NULL);
    tm_merger_add(&merger, new_chunk(how & PART));
    tm_frame_reader_init(&reader, 1 << 20);
    buf_append(&reader.in, data + 1, size - 1);
    commit(&merger, &reader, how & SKIP);
    tm_frame_reader_release(&reader);
    tm_merger_release(&merger);
    tm_output_release(&output);
    tm_sink_release(&sink);
    return 0;
}
