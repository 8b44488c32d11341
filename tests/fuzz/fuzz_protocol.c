/*
 * What a worker is told, out of arbitrary bytes: every decoder takes or refuses them, and what a FILE
 * or a list of names was taken for is encoded to the same thing again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "pipeline/frame.h"
#include "pipeline/protocol.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void job(struct cursor c)
{
    struct protocol_job job;
    struct spec spec;
    err e = {0};
    CHECK(tm_spec_init(&spec) == TIDEMILL_OK);
    int status = tm_protocol_get_job(&c, &job, &spec, &e);
    CHECK(e.status == status);
    tm_spec_release(&spec);
}

static void chunk(struct cursor c)
{
    struct protocol_chunk chunk;
    struct buf b;
    size_t n = c.n;
    tm_buf_init(&b);
    if (tm_protocol_get_chunk(&c, &chunk)) {
        CHECK(tm_protocol_put_chunk(&b, &chunk, c.n));
        CHECK(b.n == FRAME_HEADER + n - c.n);
    }
    tm_buf_release(&b);
}

static bool get_file(struct cursor c, struct arena *arena, struct buf *again)
{
    uint32_t id;
    struct slice name, format;
    struct columns *columns;
    if (!tm_protocol_get_file(&c, arena, &id, &name, &format, &columns))
        return false;
    tm_protocol_put_file(again, id, name, format, columns);
    return !again->failed;
}

static void file(struct cursor c)
{
    struct arena arena;
    struct buf first, second;
    tm_arena_init(&arena);
    tm_buf_init(&first);
    tm_buf_init(&second);
    if (get_file(c, &arena, &first)) {
        struct cursor again = {first.p + FRAME_HEADER, first.n - FRAME_HEADER, false};
        CHECK(get_file(again, &arena, &second));
        CHECK(slice_eq(buf_view(&first), buf_view(&second)));
    }
    tm_buf_release(&first);
    tm_buf_release(&second);
    tm_arena_release(&arena);
}

static void names(struct cursor c)
{
    struct arena arena;
    struct slice *names;
    struct buf b;
    uint32_t n;
    const char *begin = c.p;
    tm_arena_init(&arena);
    tm_buf_init(&b);
    if (tm_protocol_get_names(&c, &arena, &n, &names)) {
        tm_protocol_put_names(&b, n, names);
        CHECK(slice_eq(buf_view(&b), (struct slice){begin, (size_t)(c.p - begin)}));
    }
    tm_buf_release(&b);
    tm_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct cursor) = {job, chunk, file, names};
    if (size < 1)
        return 0;
    decoders[data[0] % 4]((struct cursor){(const char *)data + 1, size - 1, false});
    return 0;
}
