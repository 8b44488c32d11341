/*
 * Small files, such as the kernel's (proc(5)), without a stream: read once, as far as there is room.
 */
#ifndef TM_BASE_HEAD_H
#define TM_BASE_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/* What the file begins with, and a zero byte, in the `cap` bytes at `text`. False with errno: it cannot be read. */
bool tm_head(const char *path, char *text, size_t cap);

#endif
