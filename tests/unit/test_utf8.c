/*
 * UTF-8: every character there and back, and everything else refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "random.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void all_characters(void **state)
{
    char text[4];
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint32_t back = UINT32_MAX;
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        size_t n = tm_utf8_encode(text, c);
        assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        assert_int_equal(tm_utf8_decode((struct slice){text, n}, &back), n);
        assert_int_equal(back, c);
        assert_int_equal(tm_utf8_check((struct slice){text, n}), n);
        if (n > 1)
            assert_int_equal(tm_utf8_decode((struct slice){text, n - 1}, &back), 0);
    }
}

/* As many byte strings are valid as there are characters of that length, and no more. */
static void nothing_else(void **state)
{
    size_t two = 0, three = 0, four = 0;
    uint32_t c;
    (void)state;
    for (uint32_t v = 0; v < 1u << 16; v++) {
        const char text[2] = {(char)(v >> 8), (char)v};
        two += tm_utf8_decode((struct slice){text, 2}, &c) == 2;
    }
    for (uint32_t v = 0; v < 1u << 22; v++) {
        /* All lead bytes twice, of the third bytes every fourth. */
        const char text[3] = {(char)(v >> 14 | 0x80), (char)(v >> 6), (char)(v << 2)};
        three += tm_utf8_decode((struct slice){text, 3}, &c) == 3;
    }
    for (uint32_t v = 0; v < 1u << 19; v++) {
        const char text[4] = {(char)(v >> 16 | 0xf0), (char)(v >> 8), (char)v, (char)0xbf};
        four += tm_utf8_decode((struct slice){text, 4}, &c) == 4;
    }
    assert_int_equal(two, 0x800 - 0x80);
    assert_int_equal(three, 2 * (0x10000 - 0x800 - 0x800) / 4);
    assert_int_equal(four, 0x100000 / 64);
}

static void first_bad_byte(void **state)
{
    static const struct {
        struct slice text;
        size_t at;
    } rows[] = {
        {{"", 0}, 0},
        {{NULL, 0}, 0},
        {{"abc", 3}, 3},
        {{"a\0b", 3}, 3},
        {{"caf\xc3\xa9", 5}, 5},
        {{"0123456789abcdef\xff", 17}, 16},
        {{"0123456789abcde\xc3", 16}, 15},
        {{"\xc0\x80", 2}, 0},             /* overlong */
        {{"\xe0\x80\x80", 3}, 0},         /* overlong */
        {{"\xf0\x80\x80\x80", 4}, 0},     /* overlong */
        {{"x\xed\xa0\x80", 4}, 1},        /* U+D800 */
        {{"\xed\xbf\xbf", 3}, 0},         /* U+DFFF */
        {{"\xf4\x90\x80\x80", 4}, 0},     /* U+110000 */
        {{"\xf8\x88\x80\x80\x80", 5}, 0}, /* five bytes */
        {{"\x80", 1}, 0},
        {{"\xe2\x82", 2}, 0},
        {{"\xe2\x82\x41", 3}, 0},
        {{"01234567\xf0\x9f\x98\x80z\xfe", 14}, 13},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++)
        if (tm_utf8_check(rows[i].text) != rows[i].at)
            fail_msg("row %zu: %zu", i, tm_utf8_check(rows[i].text));
}

static void widths(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } rows[] = {
        {"", 0},
        {"abc", 3},
        {"caf\xc3\xa9", 4},
        {"cafe\xcc\x81", 4},                     /* a combining accent */
        {"\xe6\x9d\xb1\xe4\xba\xac", 4},         /* two ideographs */
        {"\xf0\x9f\x98\x80", 2},                 /* a face */
        {"\xef\xbc\xa1", 2},                     /* fullwidth A */
        {"\xef\xbd\xb1", 1},                     /* halfwidth kana */
        {"\xe1\x84\x80\xe1\x85\xa1", 2},         /* Hangul joined from two */
        {"\xe2\x80\x8b", 0},                     /* zero width space */
        {"a\xff", 2},                            /* what is no character shows as one */
        {"\xce\xb1\xce\xb2", 2},                 /* Greek */
        {"\xf0\xa0\x80\x80\xf3\xa0\x87\xaf", 2}, /* plane 2, a variation selector */
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++)
        if (tm_utf8_width(slice_of(rows[i].text)) != rows[i].width)
            fail_msg("row %zu: %zu", i, tm_utf8_width(slice_of(rows[i].text)));
}

/* Characters of all lengths, bytes at which rules begin and end, and characters that are cut short. */
static size_t random_text(char *text, size_t n)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                          0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
                                          0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
    static const uint32_t firsts[] = {0, 0x80, 0x800, 0x1000, 0xd000, 0xe000, 0x10000};
    static const uint32_t counts[] = {0x80, 0x780, 0x800, 0xc000, 0x800, 0x2000, 0x100000};
    size_t used = 0;
    uint32_t wrong = random_bits() % 3 ? 64 : 4;
    while (used + 4 <= n) {
        size_t kind = random_bits() % LENGTH(firsts);
        if (random_bits() % wrong == 0)
            text[used++] = (char)edges[random_bits() % sizeof edges];
        else if (random_bits() % (8 * wrong) == 0)
            used += tm_utf8_encode(text + used,
                                   0xd800 + (uint32_t)random_bits() % 0x800); /* a surrogate */
        else
            used += tm_utf8_encode(text + used,
                                   firsts[kind] + (uint32_t)random_bits() % counts[kind]);
        used -= random_bits() % 200 == 0 && used;
    }
    return used;
}

/* What a glance is for: text of up to three bytes a character, the few with limits of their own left out. */
static void glances_see(void **state)
{
    (void)state;
#ifdef TM_SSE2
    for (uint32_t c = 0; c < 0x10000; c++) {
        char text[UTF8_GLANCE] = "", *p = text + c % 12;
        bool limits = (c >= 0x800 && c < 0x1000) || (c >= 0xd000 && c < 0xe000);
        size_t n = tm_utf8_encode(p, c);
        assert_int_equal(utf8_short_is_valid(text, (size_t)(p - text) + n), !limits);
        assert_true(n == 1 || !utf8_short_is_valid(text, (size_t)(p - text) + n - 1));
    }
#endif
}

/* Many bytes at once are what they are one character after the other. */
static void glances(void **state)
{
    char text[128];
    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        char *p = text + round % 16;
        struct slice s = {p, random_text(p, random_bits() % 100)};
        size_t good = 0, n = 1;
        uint32_t c;
        while (good < s.n && (n = tm_utf8_decode((struct slice){p + good, s.n - good}, &c)))
            good += n;
        assert_int_equal(tm_utf8_check(s), good);
        s.n = s.n < UTF8_GLANCE ? s.n : UTF8_GLANCE;
        if (utf8_short_is_valid(p, s.n))
            assert_true(good >= s.n && tm_utf8_check(s) == s.n);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_characters), cmocka_unit_test(nothing_else),
        cmocka_unit_test(first_bad_byte), cmocka_unit_test(glances),
        cmocka_unit_test(glances_see),    cmocka_unit_test(widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
