/*
 * Are there vectors of sixteen bytes? Every x86-64 has SSE2; a build with TM_PORTABLE does as if none had.
 */
#ifndef TM_BASE_SSE2_H
#define TM_BASE_SSE2_H

#if defined(__SSE2__) && !defined(TM_PORTABLE)
#define TM_SSE2 1
#include <emmintrin.h>
#endif

#endif
