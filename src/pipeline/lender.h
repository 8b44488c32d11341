/*
 * A lender: how a worker hands what it has made to its parent. A large buffer is lent to the pipe, page by page
 * (vmsplice(2)), and not copied; it stays as it is until the parent has taken it, and another one is filled
 * meanwhile.
 */
#ifndef TM_PIPELINE_LENDER_H
#define TM_PIPELINE_LENDER_H

#include "base/buf.h"

/* One buffer may be in the pipe as a whole, and the end of one before it. */
#define LOANS 2
/* Less is not worth the calls that lending takes; what is larger is not kept two more times. */
#define LEND_MIN ((size_t)64 << 10)
#define LEND_MAX ((size_t)1 << 20)

struct loan {
    struct buf buf;
    uint64_t end; /* so many bytes were sent with it, and before */
};

/* All zero to begin with. */
struct lender {
    size_t room;   /* of another buffer */
    uint64_t sent; /* bytes */
    bool copies;   /* the system has refused to take a loan once, and is not asked again */
    struct loan loans[LOANS];
};

/*
 * Send all that is in `b`, of tm_buf_init_large(), to the pipe `fd`, which blocks. Then `b` is empty, and maybe another
 * buffer. False: errno says why.
 */
bool tm_lender_send(struct lender *l, int fd, struct buf *b);

/* At the end of the process, when nobody takes memory any more: what the pipe still holds of ours stays as it is. */
void tm_lender_release(struct lender *l);

#endif
