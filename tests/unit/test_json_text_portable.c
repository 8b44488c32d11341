/*
 * test_json_text.c without vector instructions.
 */
#define TM_PORTABLE 1
#include "test_json_text.c"
