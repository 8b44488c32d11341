/*
 * The rows of the list of formats; see formats.c.
 */
#ifndef TM_FORMAT_FORMATS_H
#define TM_FORMAT_FORMATS_H

#include "format/format.h"

extern const struct format tm_format_csv;
extern const struct format tm_format_tsv;
extern const struct format tm_format_jsonl;
extern const struct format tm_format_json;
extern const struct format tm_format_text;
extern const struct format tm_format_table;

#endif
