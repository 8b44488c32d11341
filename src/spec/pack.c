/*
 * A spec for another process: each option with its key and its text, in the order of the table.
 * Lists go as they are, because names of files need not be UTF-8 and their text is JSON.
 */
#include "spec/lists.h"
#include "spec/options.h"
#include "spec/spec.h"

static bool is_list(const struct option *o)
{
    return o->type == OPTION_PATHS || o->type == OPTION_STRINGS;
}

static void pack_list(const struct spec_list *list, struct buf *out)
{
    tm_buf_u32(out, (uint32_t)list->n);
    for (size_t i = 0; i < list->n; i++)
        tm_buf_bytes(out, slice_of(list->items[i]));
}

void tm_spec_pack(const struct spec *s, struct buf *out)
{
    struct buf text;
    tm_buf_init(&text);
    tm_buf_u32(out, (uint32_t)tm_options_n);
    for (size_t i = 0; i < tm_options_n; i++) {
        const struct option *o = &tm_options[i];
        tm_buf_bytes(out, slice_of(o->key));
        if (is_list(o)) {
            pack_list(option_peek(o, &s->values), out);
            continue;
        }
        buf_reset(&text);
        tm_option_print(o, &s->values, &text);
        out->failed |= text.failed;
        tm_buf_bytes(out, buf_view(&text));
    }
    buf_u8(out, s->file != NULL);
    tm_buf_bytes(out, slice_of(s->file));
    tm_buf_u32(out, s->inline_line);
    buf_u8(out, s->inline_exact);
    tm_buf_release(&text);
}

static int broken(err *e)
{
    return tm_err_set(e, TIDEMILL_E_WORKER, "the job that came to the worker is broken");
}

static int unpack_list(struct spec *s, const struct option *o, struct cursor *in, err *e)
{
    struct spec_list list;
    uint32_t n = tm_cursor_u32(in);
    /* Each item has a length of four bytes: no count can ask for more memory than was sent. */
    if (in->bad || n > in->n / 4)
        return broken(e);
    int status = tm_list_room(&list, n, &s->arena, e);
    for (uint32_t i = 0; status == TIDEMILL_OK && i < n; i++)
        status = tm_list_add(&list, tm_cursor_bytes(in), &s->arena, e);
    if (status == TIDEMILL_OK && !in->bad)
        *(struct spec_list *)option_field(o, &s->values) = list;
    return status;
}

static int unpack_option(struct spec *s, const struct option *o, struct cursor *in, err *e)
{
    if (!slice_is(tm_cursor_bytes(in), o->key) || in->bad)
        return broken(e);
    if (is_list(o))
        return unpack_list(s, o, in, e);
    struct slice text = tm_cursor_bytes(in);
    return in->bad ? broken(e) : tm_option_parse(o, &s->values, text, &s->arena, e);
}

int tm_spec_unpack(struct spec *s, struct cursor *in, err *e)
{
    char *file = NULL;
    int status = tm_cursor_u32(in) == tm_options_n ? TIDEMILL_OK : TIDEMILL_E_WORKER;
    for (size_t i = 0; status == TIDEMILL_OK && i < tm_options_n; i++)
        status = unpack_option(s, &tm_options[i], in, e);
    bool named = tm_cursor_u8(in) != 0;
    struct slice name = tm_cursor_bytes(in);
    s->inline_line = tm_cursor_u32(in);
    s->inline_exact = tm_cursor_u8(in) != 0;
    if (status == TIDEMILL_OK && named)
        status = tm_string_copy(&s->arena, name, &file, e);
    s->file = file;
    if (status == TIDEMILL_E_MEMORY)
        return tm_err_memory(e, "");
    return status || in->bad ? broken(e) : TIDEMILL_OK;
}
