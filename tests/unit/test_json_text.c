/*
 * The byte scanners of JSON against the plainest loops that say the same. Built twice: with vector
 * instructions where there are any, and portably (test_json_text_portable.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "random.h"
#include "record/json_text.h"

static unsigned next(void)
{
    return (unsigned)(random_bits() >> 20);
}

/* Mostly letters, so that runs get long; `few` says which others may come. */
static void fill(char *p, size_t n, const char *few, size_t few_n)
{
    for (size_t i = 0; i < n; i++)
        if (next() % 24)
            p[i] = "etaoinshrdlu"[next() % 12];
        else
            p[i] = few[next() % few_n];
}

static void special_bytes_are_found(void **state)
{
    static const char few[] = "\"\\\x1f\x20\x21\x7f\x80\xff\0\n\xc3\xa9";
    (void)state;
    for (unsigned k = 0; k < 60000; k++) {
        size_t n = next() % 80, i = 0;
        bool high = false, want_high = false;
        char *p = malloc(n + 1); /* exact, for the sanitizers */
        fill(p, n, few, sizeof few - 1);
        for (; i < n && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] >= 0x20; i++)
            want_high |= (unsigned char)p[i] >= 0x80;
        assert_int_equal(json_find_special(p, p + n, &high) - p, i);
        assert_int_equal(high, want_high);
        free(p);
    }
}

static void structure_is_found(void **state)
{
    static const char few[] = "\"{}[]\x1b\x1d;=,: \x5c\xfb\xdb";
    (void)state;
    for (unsigned k = 0; k < 60000; k++) {
        size_t n = next() % 80, i = 0;
        char *p = malloc(n + 1);
        fill(p, n, few, sizeof few - 1);
        while (i < n && !memchr("\"{}[]", p[i], 5))
            i++;
        assert_int_equal(json_find_structure(p, p + n) - p, i);
        free(p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_bytes_are_found),
        cmocka_unit_test(structure_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
