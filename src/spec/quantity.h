/*
 * Numbers with units: sizes and times, as text and back, exactly.
 */
#ifndef TM_SPEC_QUANTITY_H
#define TM_SPEC_QUANTITY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum quantity { QUANTITY_SIZE /* bytes */, QUANTITY_DURATION /* nanoseconds */ };

/* Decimal digits, the whole of `s`; false when it is anything else or beyond 64 bits. */
bool tm_count_read(struct slice s, uint64_t *v);

/*
 * "256KiB", "1.5s", "0". E_SPEC with a message for a missing or unknown unit, for what 64 bits do
 * not hold, and for a fraction of the smallest unit. QUANTITY_NOT_A_NUMBER: not even digits; no
 * message, as the caller knows better what could stand there.
 */
enum { QUANTITY_NOT_A_NUMBER = -1 };
int tm_quantity_read(enum quantity q, struct slice s, uint64_t *v, err *e);

/* In the largest unit that needs no fraction. */
void tm_quantity_print(enum quantity q, uint64_t v, struct buf *out);

#endif
