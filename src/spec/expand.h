/*
 * Variables of the environment in values of a job file.
 */
#ifndef TM_SPEC_EXPAND_H
#define TM_SPEC_EXPAND_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Append `text` to `out` with ${NAME} replaced by the variable's value and ${NAME:-default} by the
 * default where the variable is unset or empty, as shells do; `$${` becomes `${`. What was put in
 * is not looked at again. E_SPEC for a variable that is not set and for bad syntax.
 */
int tm_expand(struct slice text, struct buf *out, err *e);

#endif
