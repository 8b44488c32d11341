/*
 * Failed records: placed, told of, put aside. An entry of the quarantine holds nothing that differs
 * from run to run.
 */
#include "pipeline/policy.h"

#include <stdio.h>

#include "record/json.h"

#define RAW_MAX      4096
#define WARNINGS_MAX 10

/* Which step the record did not survive. */
static const char *stage_of(int status)
{
    switch (status) {
    case TIDEMILL_E_RECORD:
        return "parse";
    case TIDEMILL_E_WRITE:
        return "write";
    default:
        return "script";
    }
}

/* The failure with its place in the input. */
static err placed(const struct failed_record *f, const struct record_place *place)
{
    err e = *f->why;
    e.record = f->chunk->first_record + f->number;
    e.offset = place->offset;
    tm_err_at(&e, f->chunk->file->name, place->line, 0);
    return e;
}

static struct record_place place_of(const struct failed_record *f)
{
    struct chunk *c = f->chunk;
    if (c->kind == CHUNK_RECORDS)
        return tm_chunk_find(c, f->number);
    return (struct record_place){{c->p, c->n}, c->first_line, c->offset};
}

static void put_base64(struct buf *b, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_byte(b, i + k > s.n ? '=' : digits[v >> (18 - 6 * k) & 63]);
    }
}

/* A string; what is not UTF-8 is shown as tm_printable does. */
static void put_string(struct buf *b, struct slice text)
{
    char shown[sizeof((err *)0)->message];
    err ignored;
    size_t before = b->n;
    if (tm_json_write_text(b, text, &ignored) == TIDEMILL_OK)
        return;
    b->n = before;
    tm_printable(shown, sizeof shown, text);
    tm_json_write_text(b, slice_of(shown), &ignored);
}

static void put_text(struct buf *b, const char *name, struct slice text)
{
    tm_buf_printf(b, ",\"%s\":", name);
    put_string(b, text);
}

/* So many bytes of a long record are kept: RAW_MAX, but no part of a UTF-8 sequence. */
static size_t cut_raw(struct slice raw)
{
    size_t n = RAW_MAX;
    while (n > RAW_MAX - 3 && ((unsigned char)raw.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void put_raw(struct buf *b, struct slice raw)
{
    err ignored;
    bool cut = raw.n > RAW_MAX;
    if (cut)
        raw.n = cut_raw(raw);
    else if (raw.n && raw.p[raw.n - 1] == '\n')
        raw.n -= raw.n > 1 && raw.p[raw.n - 2] == '\r' ? 2 : 1;
    size_t before = b->n;
    buf_append(b, ",\"raw\":", 7);
    if (tm_json_write_text(b, raw, &ignored) != TIDEMILL_OK) {
        b->n = before;
        buf_append(b, ",\"raw_base64\":\"", 15);
        put_base64(b, raw);
        buf_byte(b, '"');
    }
    if (cut)
        buf_append(b, ",\"raw_truncated\":true", 21);
}

static void put_columns(struct buf *b, const struct columns *columns)
{
    buf_append(b, ",\"columns\":[", 12);
    for (uint32_t i = 0; i < columns->n; i++) {
        if (i)
            buf_byte(b, ',');
        put_string(b, columns->names[i]);
    }
    buf_byte(b, ']');
}

static int quarantine(struct merger *m, const struct failed_record *f, const err *at,
                      const struct record_place *place, err *e)
{
    struct buf *b = &m->entry;
    const struct columns *columns = f->chunk->file->columns;
    buf_reset(b);
    tm_buf_printf(b, "{\"record\":%llu", (unsigned long long)at->record);
    put_text(b, "file", slice_of(f->chunk->file->name));
    tm_buf_printf(b, ",\"line\":%llu,\"offset\":%llu", (unsigned long long)at->line,
                  (unsigned long long)at->offset);
    put_text(b, "stage", slice_of(stage_of(at->status)));
    put_text(b, "error", slice_of(at->message));
    if (columns && !columns->positional)
        put_columns(b, columns);
    put_raw(b, place->raw);
    buf_append(b, "}\n", 2);
    if (b->failed)
        return tm_err_memory(e, "the quarantine");
    return tm_sink_write(m->quarantine, buf_view(b), e);
}

static void warn(struct merger *m, const err *at)
{
    char text[sizeof at->file + sizeof at->message + 128];
    if (m->warned > WARNINGS_MAX)
        return;
    if (m->warned++ == WARNINGS_MAX) {
        tm_merger_message(m, TIDEMILL_LOG_WARNING,
                          SLICE("further skipped records are only counted"));
        return;
    }
    int n = snprintf(text, sizeof text, "skipped: ");
    tidemill_error_text(at, text + n, sizeof text - (size_t)n);
    tm_merger_message(m, TIDEMILL_LOG_WARNING, slice_of(text));
}

int tm_policy_apply(struct merger *m, const struct failed_record *f, err *e)
{
    const struct spec_values *v = &m->spec->values;
    struct record_place place = place_of(f);
    err at = placed(f, &place);
    bool many = m->stats.failed > v->errors.max;
    int status = TIDEMILL_OK;
    if (v->errors.policy == POLICY_QUARANTINE)
        status = quarantine(m, f, &at, &place, e);
    else if (v->errors.policy == POLICY_SKIP && !many)
        warn(m, &at);
    if (status != TIDEMILL_OK)
        return status;
    if (v->errors.policy == POLICY_FAIL)
        return tm_err_pass(e, &at);
    if (!many)
        return TIDEMILL_OK;
    if (e) {
        char message[sizeof at.message];
        snprintf(message, sizeof message, "%s", at.message);
        *e = at;
        snprintf(e->message, sizeof e->message,
                 "more records failed than errors.max (%llu) allows: %.1900s",
                 (unsigned long long)v->errors.max, message);
        e->status = TIDEMILL_E_TOO_MANY;
    }
    return TIDEMILL_E_TOO_MANY;
}
