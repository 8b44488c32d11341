/*
 * `transform.params`: kept as the text of a JSON object, made from YAML or from settings.
 */
#ifndef TM_SPEC_PARAMS_H
#define TM_SPEC_PARAMS_H

#include "spec/yaml.h"

/* A JSON object, validated, as a string in the arena. */
int tm_params_read(struct arena *a, struct slice text, char **out, err *e);

/*
 * `params` with the one that `name` leads to (dots lead into objects, made where there are none)
 * set to `value`: JSON when it is valid JSON, else a string.
 */
int tm_params_set(struct arena *a, const char *params, struct slice name, struct slice value,
                  char **out, err *e);

/* Append the parameter as JSON; false when there is none. Memory failures stick in `out`. */
bool tm_params_get(const char *params, struct slice name, struct buf *out);

/*
 * Append the JSON of a mapping: plain scalars as JSON has them, else strings. Variables are
 * replaced before that. Problems go to t, memory failures stick in `out` or the spec.
 */
void tm_params_write(const struct job_text *t, const struct yaml_node *map, struct buf *out);

#endif
