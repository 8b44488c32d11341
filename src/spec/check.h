/*
 * Options against each other.
 */
#ifndef TM_SPEC_CHECK_H
#define TM_SPEC_CHECK_H

#include "spec/spec.h"

/*
 * Add a problem for each contradiction, at the place of the option that it is about. In a file
 * with other problems, what may come of these is left out.
 */
void tm_spec_contradictions(struct spec *s);

#endif
