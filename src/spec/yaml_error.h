/*
 * libyaml's errors in words for the person who wrote the file.
 */
#ifndef TM_SPEC_YAML_ERROR_H
#define TM_SPEC_YAML_ERROR_H

#include <yaml.h>

#include "spec/problems.h"

/* Add the problem that `parser`, which has failed, met. */
void tm_yaml_explain(const struct job_text *t, const yaml_parser_t *parser);

#endif
