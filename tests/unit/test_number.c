/*
 * Numbers: tables of texts, then random doubles against the C library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/powers.h"
#include "random.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

struct row {
    const char *text;
    enum number_kind kind;
    int64_t i;
    double d;
};

static void check_row(const struct row *row, enum number_kind kind, int64_t i, double d)
{
    if (kind != row->kind || (kind == NUMBER_INT && i != row->i) ||
        (kind == NUMBER_FLOAT && (d != row->d || signbit(d) != signbit(row->d))))
        fail_msg("'%s' gives kind %d, %lld, %a", row->text, (int)kind, (long long)i, d);
}

static void json_reads(void **state)
{
    static const struct row rows[] = {
        {"0", NUMBER_INT, 0, 0},
        {"-0", NUMBER_FLOAT, 0, -0.0},
        {"7", NUMBER_INT, 7, 0},
        {"-12", NUMBER_INT, -12, 0},
        {"9223372036854775807", NUMBER_INT, INT64_MAX, 0},
        {"-9223372036854775808", NUMBER_INT, INT64_MIN, 0},
        {"9223372036854775808", NUMBER_WIDE, 0, 0},
        {"-9223372036854775809", NUMBER_WIDE, 0, 0},
        {"18446744073709551616", NUMBER_WIDE, 0, 0},
        {"10000000000000000000", NUMBER_WIDE, 0, 0},
        {"100000000000000000000000", NUMBER_WIDE, 0, 0},
        {"0.0", NUMBER_FLOAT, 0, 0.0},
        {"-0.0", NUMBER_FLOAT, 0, -0.0},
        {"0e5", NUMBER_FLOAT, 0, 0.0},
        {"1.5", NUMBER_FLOAT, 0, 1.5},
        {"1e2", NUMBER_FLOAT, 0, 100.0},
        {"1E+2", NUMBER_FLOAT, 0, 100.0},
        {"1e-2", NUMBER_FLOAT, 0, 0.01},
        {"0.1", NUMBER_FLOAT, 0, 0.1},
        {"1e22", NUMBER_FLOAT, 0, 1e22},
        {"1e23", NUMBER_FLOAT, 0, 1e23},
        {"123456789012345678901.0", NUMBER_FLOAT, 0, 123456789012345678901.0},
        {"1.7976931348623157e308", NUMBER_FLOAT, 0, 1.7976931348623157e308},
        {"1.7976931348623159e308", NUMBER_WIDE, 0, 0},
        {"1e309", NUMBER_WIDE, 0, 0},
        {"-1e309", NUMBER_WIDE, 0, 0},
        {"1e99999999999999999999", NUMBER_WIDE, 0, 0},
        {"1e-99999999999999999999", NUMBER_FLOAT, 0, 0.0},
        {"0e99999999999999999999", NUMBER_FLOAT, 0, 0.0},
        {"4.9406564584124654e-324", NUMBER_FLOAT, 0, 0x1p-1074},
        {"2.4703282292062327e-324", NUMBER_FLOAT, 0, 0.0},
        {"2.4703282292062328e-324", NUMBER_FLOAT, 0, 0x1p-1074},
        {"2.2250738585072011e-308", NUMBER_FLOAT, 0, 2.2250738585072011e-308},
        {"9007199254740993.0", NUMBER_FLOAT, 0, 9007199254740992.0},
        {"9007199254740995.0", NUMBER_FLOAT, 0, 9007199254740996.0},
        {"", NUMBER_NONE, 0, 0},
        {"-", NUMBER_NONE, 0, 0},
        {"+1", NUMBER_NONE, 0, 0},
        {"01", NUMBER_NONE, 0, 0},
        {"00", NUMBER_NONE, 0, 0},
        {"-01", NUMBER_NONE, 0, 0},
        {"1.", NUMBER_NONE, 0, 0},
        {".5", NUMBER_NONE, 0, 0},
        {"1e", NUMBER_NONE, 0, 0},
        {"1e+", NUMBER_NONE, 0, 0},
        {"1.e5", NUMBER_NONE, 0, 0},
        {"1.5 ", NUMBER_NONE, 0, 0},
        {" 1", NUMBER_NONE, 0, 0},
        {"0x10", NUMBER_NONE, 0, 0},
        {"1e5.0", NUMBER_NONE, 0, 0},
        {"NaN", NUMBER_NONE, 0, 0},
        {"Infinity", NUMBER_NONE, 0, 0},
        {"1,5", NUMBER_NONE, 0, 0},
    };
    (void)state;
    for (size_t k = 0; k < LENGTH(rows); k++) {
        int64_t i = 0;
        double d = 0;
        enum number_kind kind = tm_number_json(slice_of(rows[k].text), &i, &d);
        check_row(&rows[k], kind, i, d);
    }
}

static void cell_reads(void **state)
{
    static const struct row rows[] = {
        {"0", NUMBER_INT, 0, 0},
        {"-12", NUMBER_INT, -12, 0},
        {"1.50", NUMBER_FLOAT, 0, 1.5},
        {"-0.0", NUMBER_FLOAT, 0, -0.0},
        {"9223372036854775807", NUMBER_INT, INT64_MAX, 0},
        {"-0", NUMBER_NONE, 0, 0},
        {"007", NUMBER_NONE, 0, 0},
        {"+1", NUMBER_NONE, 0, 0},
        {"1E5", NUMBER_NONE, 0, 0},
        {"1e5", NUMBER_NONE, 0, 0},
        {"NaN", NUMBER_NONE, 0, 0},
        {"", NUMBER_NONE, 0, 0},
        {" 1", NUMBER_NONE, 0, 0},
        {"1 ", NUMBER_NONE, 0, 0},
        {"12345678901234567890", NUMBER_NONE, 0, 0},
        {"1-2", NUMBER_NONE, 0, 0},
        {"1.2.3", NUMBER_NONE, 0, 0},
    };
    (void)state;
    for (size_t k = 0; k < LENGTH(rows); k++) {
        int64_t i = 0;
        double d = 0;
        enum number_kind kind = tm_number_cell(slice_of(rows[k].text), &i, &d);
        check_row(&rows[k], kind, i, d);
    }
}

/* 9007199254740993 lies between two doubles; what decides may come very late. */
static void long_digits(void **state)
{
    static char text[20000];
    int64_t i;
    double d = 0;
    (void)state;
    for (size_t zeros = 0; zeros < 19000; zeros = zeros * 2 + 1) {
        size_t n = (size_t)sprintf(text, "9007199254740993.");
        memset(text + n, '0', zeros);
        text[n + zeros] = '1';
        assert_int_equal(tm_number_json((struct slice){text, n + zeros + 1}, &i, &d), NUMBER_FLOAT);
        assert_true(d == 9007199254740994.0);
        text[n + zeros] = '0';
        assert_int_equal(tm_number_cell((struct slice){text, n + zeros + 1}, &i, &d), NUMBER_FLOAT);
        assert_true(d == 9007199254740992.0);
    }
    memset(text, '0', sizeof text);
    text[1] = '.';
    memcpy(text + 15000, "25e15000", 8);
    assert_int_equal(tm_number_json((struct slice){text, 15008}, &i, &d), NUMBER_FLOAT);
    assert_true(d == 25.0);
    memset(text, '9', sizeof text);
    assert_int_equal(tm_number_json((struct slice){text, 15000}, &i, &d), NUMBER_WIDE);
    text[400] = '.';
    assert_int_equal(tm_number_cell((struct slice){text, 15000}, &i, &d), NUMBER_NONE);
}

static void int_prints(void **state)
{
    static const struct {
        int64_t i;
        const char *text;
    } rows[] = {{0, "0"},
                {-1, "-1"},
                {42, "42"},
                {INT64_MAX, "9223372036854775807"},
                {INT64_MIN, "-9223372036854775808"}};
    char text[NUMBER_TEXT_MAX];
    (void)state;
    for (size_t k = 0; k < LENGTH(rows); k++) {
        struct slice got = {text, tm_number_print_int(text, rows[k].i)};
        assert_true(slice_is(got, rows[k].text));
    }
}

/* As the C library prints it, in no more than the room that is asked for. */
static void check_int(int64_t i)
{
    char want[64], got[64];
    memset(got, '#', sizeof got);
    int n = snprintf(want, sizeof want, "%" PRId64, i);
    if (tm_number_print_int(got, i) != (size_t)n || memcmp(got, want, (size_t)n) != 0)
        fail_msg("%s is printed as %.*s", want, n, got);
    for (size_t k = NUMBER_TEXT_MAX; k < sizeof got; k++)
        assert_int_equal(got[k], '#');
}

static void int_lengths(void **state)
{
    (void)state;
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10)
        for (int64_t digit = 1; digit <= 9; digit++)
            for (int64_t near = -1; near <= 1; near++) {
                check_int(power * digit + near);
                check_int(-power * digit + near);
            }
}

static void float_prints(void **state)
{
    static const struct {
        double d;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-10.0, "-10.0"},
        {0.1, "0.1"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.5, "1.5"},
        {100000.0, "100000.0"},
        {123456.789, "123456.789"},
        {0.001, "0.001"},
        {0x1.0624dd2f1a9fbp-10, "0.0009999999999999998"},
        {0x1.0624dd2f1a9fdp-10, "0.0010000000000000002"},
        {0x1p-10, "0.0009765625"},
        {0.125, "0.125"},
        {0.0625, "0.0625"},
        {0.998, "0.998"},
        {-7.05, "-7.05"},
        {9.999, "9.999"},
        {-99999.999, "-99999.999"},
        {100000.001, "100000.001"},
        {0x1p20, "1048576.0"},
        {99999999.99, "99999999.99"},
        {999999999999.999, "999999999999.999"},
        {1e12, "1000000000000.0"},
        {1000000000000.001, "1000000000000.001"},
        {8951972181702.54, "8951972181702.54"},
        {1e15, "1000000000000000.0"},
        {999999999999999.9, "999999999999999.9"},
        {1234567890123456.0, "1234567890123456.0"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e16, "1e16"},
        {1.5e16, "1.5e16"},
        {12345678901234568.0, "1.2345678901234568e16"},
        {1e22, "1e22"},
        {1e23, "1e23"},
        {1e300, "1e300"},
        {0.00001, "0.00001"},
        {0.000012345, "0.000012345"},
        {0.000001, "1e-6"},
        {1.5e-7, "1.5e-7"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {0x1p-1074, "5e-324"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1022 - 0x1p-1074, "2.225073858507201e-308"},
        {2e-44, "2e-44"},
        {HUGE_VAL, "inf"},
        {-HUGE_VAL, "-inf"},
    };
    char text[NUMBER_TEXT_MAX];
    (void)state;
    for (size_t k = 0; k < LENGTH(rows); k++) {
        size_t n = tm_number_print_float(text, rows[k].d);
        if (!slice_is((struct slice){text, n}, rows[k].text))
            fail_msg("%a gives %.*s, not %s", rows[k].d, (int)n, text, rows[k].text);
    }
    assert_int_equal(tm_number_print_float(text, (double)NAN), 3);
    assert_memory_equal(text, "nan", 3);
}

/* Doubles of many kinds: any bits, subnormal, powers of two, prices, integers, fractions, thousandths and what is beside them. */
static double random_double(unsigned kind)
{
    uint64_t bits = random_bits();
    double d;
    switch (kind % 8) {
    case 1:
        bits &= 0x800fffffffffffffu >> random_bits() % 50;
        break;
    case 2:
        bits &= 0xfff0000000000000u;
        break;
    case 3:
        return (double)(int64_t)(bits % 2000000) / 100.0;
    case 4:
        return (double)(bits % 1000) * 1.1;
    case 5:
        return (double)bits;
    case 6:
        return (double)(bits >> 11) * 0x1p-53;
    case 7:
        d = (double)(int64_t)((bits >> 4) % 10000000000000001 >> bits % 50) / 1000.0;
        return bits & 0x1000 ? d : nextafter(d, bits & 0x2000 ? 0 : 1e300);
    default:
        break;
    }
    memcpy(&d, &bits, sizeof d);
    return isfinite(d) ? d : 0.5;
}

/* The fewest significant digits with which the C library brings `d` back. */
static size_t fewest_digits(double d)
{
    char text[64];
    for (int n = 1; n < 17; n++) {
        snprintf(text, sizeof text, "%.*e", n - 1, d);
        if (strtod(text, NULL) == d)
            return (size_t)n;
    }
    return 17;
}

static size_t count_digits(const char *text)
{
    size_t n = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text == '.' || *text == '-' || (n == 0 && *text == '0'))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros;
}

static void random_round_trips(void **state)
{
    char text[NUMBER_TEXT_MAX + 1];
    (void)state;
    for (unsigned k = 0; k < 200000; k++) {
        double d = random_double(k), back = 0;
        int64_t i;
        size_t n = tm_number_print_float(text, d);
        text[n] = '\0';
        enum number_kind kind = tm_number_json((struct slice){text, n}, &i, &back);
        if (kind != NUMBER_FLOAT || back != d || signbit(back) != signbit(d) ||
            strtod(text, NULL) != d)
            fail_msg("%a gives %s, which reads as %a", d, text, back);
        /* Beside a power of two a shorter one than the C library's nearest may do. */
        if (k % 15 == 0 && d != 0 && count_digits(text) > fewest_digits(d))
            fail_msg("%a gives %s, which is not the shortest", d, text);
    }
}

static void random_reads(void **state)
{
    char text[64];
    (void)state;
    for (unsigned k = 0; k < 200000; k++) {
        double d = random_double(k), back = 0;
        int64_t i;
        int n = snprintf(text, sizeof text, "%.*e", (int)(random_bits() % 25), d * 1.001);
        double want = strtod(text, NULL);
        enum number_kind kind = tm_number_json((struct slice){text, (size_t)n}, &i, &back);
        if (isfinite(want) ? kind != NUMBER_FLOAT || back != want : kind == NUMBER_FLOAT)
            fail_msg("%s reads as %a, not %a", text, back, want);
    }
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?, said as it stands there. */
static bool is_plain(const char *p, bool *negative, bool *point)
{
    *negative = *p == '-';
    p += *negative;
    size_t whole = strspn(p, "0123456789");
    if (whole == 0 || (*p == '0' && whole > 1))
        return false;
    p += whole;
    *point = *p == '.';
    if (!*point)
        return *p == '\0';
    size_t fraction = strspn(++p, "0123456789");
    return fraction && p[fraction] == '\0';
}

/* One text of plain characters, at the end of a block of its own, so that nothing behind it is looked at. */
static void check_plain(const char *text, size_t n)
{
    int64_t i;
    double d;
    bool negative, point;
    char *p = malloc(n + 1);
    memcpy(p, text, n);
    struct slice s = {p, n};
    if (!is_plain(text, &negative, &point)) {
        assert_int_equal(tm_number_json(s, &i, &d), NUMBER_NONE);
        assert_int_equal(tm_number_cell(s, &i, &d), NUMBER_NONE);
        assert_false(number_is_cell(s));
    } else if (point || (negative && text[1] == '0')) {
        bool cell = point;
        assert_int_equal(tm_number_json(s, &i, &d), NUMBER_FLOAT);
        assert_true(d == strtod(text, NULL));
        assert_int_equal(tm_number_cell(s, &i, &d), cell ? NUMBER_FLOAT : NUMBER_NONE);
        assert_int_equal(number_is_cell(s), cell);
    } else {
        assert_int_equal(tm_number_json(s, &i, &d), NUMBER_INT);
        assert_true(i == strtoll(text, NULL, 10));
        assert_int_equal(tm_number_cell(s, &i, &d), NUMBER_INT);
        assert_true(i == strtoll(text, NULL, 10));
        assert_true(number_is_cell(s));
    }
    free(p);
}

/* All texts of up to seven of these, and some longer ones with each of them in each place. */
static void all_short_texts(void **state)
{
    static const char alphabet[] = "-.019/:";
    char text[32];
    (void)state;
    for (size_t n = 1, all = LENGTH(alphabet) - 1; n <= 7; n++, all *= LENGTH(alphabet) - 1) {
        for (size_t k = 0; k < all; k++) {
            size_t rest = k;
            for (size_t at = 0; at < n; at++, rest /= LENGTH(alphabet) - 1)
                text[at] = alphabet[rest % (LENGTH(alphabet) - 1)];
            text[n] = '\0';
            check_plain(text, n);
        }
    }
    for (size_t n = 8; n <= 18; n++) {
        for (unsigned byte = 1; byte < 256; byte++) {
            if (byte == 'e' || byte == 'E')
                continue; /* exponents are not plain */
            for (size_t at = 0; at < n; at++) {
                memcpy(text, "1234567890123456789", n);
                text[at] = (char)byte;
                text[n] = '\0';
                check_plain(text, n);
                text[0] = '-';
                check_plain(text, n);
            }
        }
    }
}

static void locale_is_ignored(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    char text[NUMBER_TEXT_MAX];
    bool found = false;
    int64_t i;
    double d = 0;
    (void)state;
    for (size_t k = 0; k < LENGTH(names) && !found; k++)
        found = setlocale(LC_NUMERIC, names[k]) != NULL;
    /* 25 digits: the way through strtod. */
    assert_int_equal(tm_number_json(SLICE("1.500000000000000000000001"), &i, &d), NUMBER_FLOAT);
    assert_true(d == 1.5);
    assert_true(slice_is((struct slice){text, tm_number_print_float(text, 1.5)}, "1.5"));
    setlocale(LC_NUMERIC, "C");
    if (!found)
        skip();
}

/* Big integers, little end first, for making the table of powers again. */
#define WORDS 44

static void multiply(uint32_t *words, uint32_t by)
{
    uint64_t carry = 0;
    for (size_t k = 0; k < WORDS; k++) {
        carry += (uint64_t)words[k] * by;
        words[k] = (uint32_t)carry;
        carry >>= 32;
    }
    assert_int_equal(carry, 0);
}

static bool divide(uint32_t *words, uint32_t by)
{
    uint64_t rest = 0;
    for (size_t k = WORDS; k-- > 0;) {
        rest = rest << 32 | words[k];
        words[k] = (uint32_t)(rest / by);
        rest %= by;
    }
    return rest != 0;
}

static bool bit(const uint32_t *words, int k)
{
    return k >= 0 && words[k / 32] >> (k % 32) & 1;
}

/* ceil(10^e * 2^shift) must be the row. */
static void check_power(int e, int shift, const struct power *row)
{
    uint32_t words[WORDS] = {0};
    bool inexact = false;
    uint64_t hi = 0, lo = 0;
    int first = shift > 0 ? shift : 0;
    words[first / 32] = (uint32_t)1 << (first % 32);
    for (int k = 0; k < e; k++)
        multiply(words, 10);
    for (int k = 0; k > e; k--)
        inexact |= divide(words, 10);
    int low = first - shift; /* shifting right cuts bits off */
    for (int k = 0; k < low; k++)
        inexact |= bit(words, k);
    for (int k = 0; k < 64; k++) {
        lo |= (uint64_t)bit(words, low + k) << k;
        hi |= (uint64_t)bit(words, low + 64 + k) << k;
    }
    lo += inexact;
    if (hi != row->hi || lo != row->lo || !(hi >> 63))
        fail_msg("10^%d is %016llx %016llx", e, (unsigned long long)hi, (unsigned long long)lo);
}

static void powers_are_right(void **state)
{
    (void)state;
    for (int e = POWER_MIN; e <= POWER_MAX; e++) {
        double log2 = floor((double)e * 3.32192809488736234787);
        check_power(e, 127 - (int)log2, &powers[e - POWER_MIN]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_reads),         cmocka_unit_test(cell_reads),
        cmocka_unit_test(long_digits),        cmocka_unit_test(int_prints),
        cmocka_unit_test(int_lengths),        cmocka_unit_test(float_prints),
        cmocka_unit_test(random_round_trips), cmocka_unit_test(random_reads),
        cmocka_unit_test(locale_is_ignored),  cmocka_unit_test(powers_are_right),
        cmocka_unit_test(all_short_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
