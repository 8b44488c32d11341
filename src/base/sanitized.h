/*
 * Is this a build with sanitizers? They take terabytes of address space, and guard what malloc(3)
 * gives, but not what is mapped.
 */
#ifndef TM_BASE_SANITIZED_H
#define TM_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(memory_sanitizer))
#else
#define SANITIZED false
#endif

#endif
