/*
 * From the bytes of a file to a record: decoded where another encoding needs it, then parsed, then
 * nested if columns say so.
 */
#include "format/intake.h"

#include "format/encoding.h"

int tm_intake_open(struct intake *in, struct arena *arena, const struct columns *columns, err *e)
{
    in->dialect.columns = columns;
    in->reader = in->format->reader_new(&in->dialect, columns);
    if (!in->reader)
        return tm_err_memory(e, "an input file");
    return tm_unflatten_new(&in->dialect, arena, columns, &in->unflatten, e);
}

void tm_intake_close(struct intake *in)
{
    if (in->reader)
        in->format->reader_free(in->reader);
    in->reader = NULL;
    in->unflatten = NULL;
}

void tm_intake_begin(struct intake *in, struct slice bytes)
{
    in->foreign = !tm_encoding_plain(&in->dialect, bytes);
    if (in->format->begin)
        in->format->begin(in->reader, in->foreign ? SLICE("") : bytes);
}

/*
 * A record whose bytes are not UTF-8 yet: its end is found in them, as the splitter found it; what is
 * parsed is a copy that lives as long as the record.
 */
static enum parse_verdict parse_foreign(struct intake *in, struct arena *arena, const char *p,
                                        size_t n, struct parsed *out, err *e)
{
    struct split_state state = {0};
    struct extent extent = {0};
    struct buf text;
    enum split_verdict verdict = in->format->split(&in->dialect, &state, p, n, true, &extent, e);
    struct slice raw = {p, extent.length};
    *out = (struct parsed){NULL, extent.length, extent.lines};
    if (verdict == SPLIT_RECORD && tm_encoding_check(&in->dialect, raw, e) != TIDEMILL_OK)
        return PARSE_FAILED;
    tm_buf_init(&text);
    tm_encoding_decode(&in->dialect, raw, &text);
    struct slice copy = tm_arena_copy(arena, buf_view(&text));
    bool failed = text.failed || !copy.p;
    tm_buf_release(&text);
    if (failed)
        return PARSE_MEMORY;
    enum parse_verdict parsed = in->format->parse(in->reader, arena, copy.p, copy.n, out, e);
    out->length = extent.length;
    return parsed;
}

enum parse_verdict tm_intake_parse(struct intake *in, struct arena *arena, const char *p, size_t n,
                                   struct parsed *out, err *e)
{
    enum parse_verdict verdict = in->foreign ? parse_foreign(in, arena, p, n, out, e)
                                             : in->format->parse(in->reader, arena, p, n, out, e);
    if (verdict != PARSE_RECORD || !in->unflatten)
        return verdict;
    out->record = tm_unflatten(in->unflatten, arena, out->record);
    return out->record ? PARSE_RECORD : PARSE_MEMORY;
}
