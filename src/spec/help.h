/*
 * The option table for people and for editors. tidemill_option_at(), in help.c too, is public.
 */
#ifndef TM_SPEC_HELP_H
#define TM_SPEC_HELP_H

#include "base/buf.h"

/* The JSON Schema (draft 2020-12) of job files; config/job.schema.json is this text. */
void tm_spec_schema(struct buf *out);

#endif
