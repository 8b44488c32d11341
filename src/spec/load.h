/*
 * A tree of YAML to the values of a spec.
 */
#ifndef TM_SPEC_LOAD_H
#define TM_SPEC_LOAD_H

#include "spec/yaml.h"

/* Every mistake goes to t's spec as a problem; what is right is set. */
void tm_spec_from_tree(const struct job_text *t, const struct yaml_node *root);

#endif
