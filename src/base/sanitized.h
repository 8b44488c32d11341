/*
 * Is this a build with sanitizers? They take terabytes of address space, and guard what malloc(3)
 * gives, but not what is mapped.
 */
#ifndef TM_BASE_SANITIZED_H
#define TM_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(memory_sanitizer))
#else
#define SANITIZED 0
#endif

/* What another process has called on this stack never returned: its frames are gone nevertheless. */
#if SANITIZED
#include <sanitizer/asan_interface.h>
#define sanitized_forget(stack, n) ASAN_UNPOISON_MEMORY_REGION(stack, n)
#else
#define sanitized_forget(stack, n) ((void)0)
#endif

#endif
