/*
 * The reader that JSON Lines and JSON have in common: the JSON parser as the dialect wants it.
 */
#include "format/json_reader.h"

#include "base/heap.h"

struct reader *tm_json_records_new(const struct input_dialect *d, const char *end_name)
{
    struct reader *r = tm_heap_new(sizeof *r);
    if (!r)
        return NULL;
    *r = (struct reader){tm_json_reader_new(d->max_depth), d->encoding};
    if (!r->json) {
        tm_heap_free(r);
        return NULL;
    }
    tm_json_reader_set(r->json, d->duplicates, d->wrap, end_name);
    return r;
}

void tm_json_records_free(struct reader *r)
{
    if (!r)
        return;
    tm_json_reader_free(r->json);
    tm_heap_free(r);
}

void tm_json_records_begin(struct reader *r, struct slice bytes)
{
    tm_json_reader_begin(r->json, bytes);
}
