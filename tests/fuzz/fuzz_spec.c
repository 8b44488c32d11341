/*
 * Job files: any bytes load or are refused with problems, and what loads survives the way to a
 * worker and back.
 */
#include <stdint.h>
#include <stdlib.h>

#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct spec *s)
{
    struct spec copy;
    struct buf packed, again;
    if (tm_spec_init(&copy) != TIDEMILL_OK)
        abort();
    tm_buf_init(&packed);
    tm_buf_init(&again);
    tm_spec_pack(s, &packed);
    struct cursor in = {packed.p, packed.n, false};
    if (tm_spec_unpack(&copy, &in, NULL) != TIDEMILL_OK)
        abort();
    tm_spec_pack(&copy, &again);
    if (!slice_eq(buf_view(&packed), buf_view(&again)))
        abort();
    tm_buf_release(&packed);
    tm_buf_release(&again);
    tm_spec_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec s;
    err e;
    if (tm_spec_init(&s) != TIDEMILL_OK)
        return 0;
    int status = tm_spec_parse(&s, (struct slice){(const char *)data, size}, "d/job.yaml", &e);
    if ((status == TIDEMILL_OK) != (s.problems_n == 0))
        abort();
    if (status == TIDEMILL_OK)
        round_trip(&s);
    /* The bytes as what a worker is sent, too. */
    struct cursor in = {(const char *)data, size, false};
    tm_spec_unpack(&s, &in, &e);
    tm_spec_check(&s, &e);
    tm_spec_release(&s);
    return 0;
}
