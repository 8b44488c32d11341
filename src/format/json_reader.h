/*
 * The reader of the formats whose records are JSON objects.
 */
#ifndef TM_FORMAT_JSON_READER_H
#define TM_FORMAT_JSON_READER_H

#include "format/format.h"
#include "record/json.h"

struct reader {
    struct json_reader *json;
    enum encoding encoding;
};

/* `end_name`: what messages call the end of a record. NULL when memory is out. */
struct reader *tm_json_records_new(const struct input_dialect *d, const char *end_name);
void tm_json_records_free(struct reader *r);
void tm_json_records_begin(struct reader *r, struct slice bytes);

#endif
