/*
 * Numbers as text and back. Text flows in as slices that are only read; doubles come out correctly
 * rounded, and go out in their shortest form. Nothing depends on the locale or takes memory.
 *
 * Reading: up to 19 digits are an integer w, the number is w * 10^e. Where both are small the
 * division or product of two exact doubles is exact (W. D. Clinger, How to Read Floating Point
 * Numbers Accurately, 1990); else a 192-bit product decides unless it lies at a boundary; what
 * remains goes to strtod.
 *
 * Writing: Schubfach (R. Giulietti, The Schubfach way to render doubles, 2020): of the decimals
 * with the fewest digits inside the rounding interval, the one nearest to the double.
 */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/powers.h"
#include "base/words.h"

__extension__ typedef unsigned __int128 wide;

/* floor(log2(10^e)) and floor(log10(2^e)), right for all exponents that doubles have. */
static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

static int floor_log10_pow2(int e)
{
    return (e * 1262611) >> 22;
}

/* ---- reading ---- */

#define MANTISSA_DIGITS 19
#define EXPONENT_HUGE   ((int64_t)1 << 40) /* beyond what digits within memory could make up for */

/* A number taken apart: w * 10^e10, `cut` when digits other than 0 were left out of w. */
struct decimal {
    bool negative, integer, cut;
    uint64_t w;
    unsigned digits; /* of w */
    int64_t e10;
    const char *whole, *fraction; /* the digits, for strtod */
    size_t whole_n, fraction_n;
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Take a run of digits; each one moves the exponent by `used` when it enters w, else by `left`. */
static const char *take_digits(struct decimal *d, const char *p, const char *end, int used,
                               int left)
{
    for (; p < end && is_digit(*p); p++) {
        if (d->digits < MANTISSA_DIGITS) {
            d->w = d->w * 10 + (uint64_t)(*p - '0');
            d->digits += d->w != 0;
            d->e10 += used;
        } else {
            d->cut |= *p != '0';
            d->e10 += left;
        }
    }
    return p;
}

/* [eE][+-]?[0-9]+ at p, into *e; NULL when it is none. */
static const char *take_exponent(const char *p, const char *end, int64_t *e)
{
    bool negative = false;
    p++;
    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end || !is_digit(*p))
        return NULL;
    for (*e = 0; p < end && is_digit(*p); p++)
        if (*e < EXPONENT_HUGE)
            *e = *e * 10 + (*p - '0');
    if (negative)
        *e = -*e;
    return p;
}

static bool take_apart(struct slice s, bool exponents, struct decimal *d)
{
    const char *p = s.p, *end = s.p + s.n;
    *d = (struct decimal){.integer = true};
    if (p < end && *p == '-') {
        d->negative = true;
        p++;
    }
    d->whole = p;
    if (p < end && *p == '0')
        p++;
    else
        p = take_digits(d, p, end, 0, 1);
    d->whole_n = (size_t)(p - d->whole);
    if (d->whole_n == 0)
        return false;
    if (p < end && *p == '.') {
        d->integer = false;
        d->fraction = ++p;
        p = take_digits(d, p, end, -1, 0);
        d->fraction_n = (size_t)(p - d->fraction);
        if (d->fraction_n == 0)
            return false;
    }
    if (exponents && p < end && (*p == 'e' || *p == 'E')) {
        int64_t e;
        d->integer = false;
        p = take_exponent(p, end, &e);
        if (!p)
            return false;
        d->e10 += e;
    }
    return p == end;
}

/* The digits from p on, behind those in *w; returns what is behind them. */
static inline const char *take_run(const char *p, const char *end, uint64_t *w)
{
    uint64_t v = *w;
    for (unsigned digit; p < end && (digit = (unsigned)(unsigned char)*p - '0') < 10; p++)
        v = v * 10 + digit;
    *w = v;
    return p;
}

/*
 * Digits with or without a point among them, eight bytes at the most, looked at all at once: a word has
 * the first byte lowest, and zeros as digits behind the last one.
 */
#define WORD_BYTES 8

struct short_number {
    uint64_t digits; /* their values, and what is not '0' about the point */
    unsigned n;      /* bytes of text */
    unsigned whole;  /* digits before the point; n: there is none */
};

static inline uint64_t load(const char *p, unsigned n)
{
    uint32_t half[2];
    uint64_t word;
    if (n == WORD_BYTES) {
        memcpy(&word, p, WORD_BYTES);
        return word;
    }
    if (n >= 4) {
        /* Where the halves overlap they are the same. */
        memcpy(half, p, 4);
        memcpy(half + 1, p + n - 4, 4);
        word = half[0] | (uint64_t)half[1] << 8 * (n - 4);
    } else {
        word = (unsigned char)p[0];
        word |= (uint64_t)(unsigned char)p[n / 2] << 8 * (n / 2);
        word |= (uint64_t)(unsigned char)p[n - 1] << 8 * (n - 1);
    }
    return word | WORD_OF((uint64_t)'0') << 8 * n;
}

/* Is that what the n bytes at p are? 1 to WORD_BYTES of them, where the low byte of a word comes first. */
static inline bool look(const char *p, size_t n, struct short_number *s)
{
    uint64_t x = load(p, (unsigned)n) ^ WORD_OF((uint64_t)'0');
    uint64_t others = (((x & ~WORD_HIGH) + WORD_OF(UINT64_C(0x7f - 9))) | x) & WORD_HIGH;
    *s = (struct short_number){x, (unsigned)n, (unsigned)n};
    if (others) {
        s->whole = (unsigned)__builtin_ctzll(others) / 8;
        if (others & (others - 1) || p[s->whole] != '.' || s->whole + 1 == s->n)
            return false;
    }
    return s->whole == 1 || (s->whole && *p != '0');
}

static inline uint64_t value_of(const struct short_number *s)
{
    uint64_t x = s->digits;
    unsigned n = s->n;
    if (s->whole < n) {
        uint64_t before = (UINT64_C(1) << 8 * s->whole) - 1;
        x = (x & before) | (x >> 8 & ~before);
        n--;
    }
    /* Pairs of digits, then pairs of those, then both halves. */
    x <<= 8 * (WORD_BYTES - n);
    x = x * 10 + (x >> 8);
    return ((x & UINT64_C(0xff000000ff)) * UINT64_C(0xf424000000064) +
            (x >> 16 & UINT64_C(0xff000000ff)) * UINT64_C(0x271000000001)) >>
           32;
}

static inline bool is_word(size_t n)
{
    return n - 1 < WORD_BYTES && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
}

/*
 * A number taken apart as take_apart() does, for what most are: no more digits than w has room for, no
 * exponent. False for everything else, right or wrong.
 */
static inline bool take_short(struct slice s, struct decimal *d)
{
    const char *p = s.p, *end = s.p + s.n;
    if (s.n == 0 || s.n > MANTISSA_DIGITS)
        return false;
    d->negative = *p == '-';
    d->cut = false;
    d->w = 0;
    d->e10 = 0;
    p += d->negative;
    const char *first = p;
    if (is_word((size_t)(end - p))) {
        struct short_number number;
        if (!look(p, (size_t)(end - p), &number))
            return false;
        d->integer = number.whole == number.n;
        d->e10 = d->integer ? 0 : (int64_t)number.whole + 1 - number.n;
        d->w = value_of(&number);
        return true;
    }
    p = take_run(p, end, &d->w);
    if (p == first || (*first == '0' && p - first > 1))
        return false;
    d->integer = p == end;
    if (d->integer)
        return true;
    if (*p++ != '.' || p == end)
        return false;
    d->e10 = p - end;
    return take_run(p, end, &d->w) == end;
}

/* A double holds at most 767 significant digits; what follows counts only as "a bit more". */
#define DIGITS_MAX 800

static size_t copy_digits(char *out, size_t n, const char *p, size_t count, bool *more)
{
    for (size_t i = 0; i < count; i++) {
        if (n == 0 && p[i] == '0')
            continue;
        if (n < DIGITS_MAX)
            out[n++] = p[i];
        else
            *more |= p[i] != '0';
    }
    return n;
}

/* The C library does it, from digits and an exponent: without a radix there is no locale. */
static double convert_slowly(const struct decimal *d)
{
    char text[DIGITS_MAX + 32];
    bool more = false;
    size_t whole = copy_digits(text, 0, d->whole, d->whole_n, &more);
    size_t n = copy_digits(text, whole, d->fraction, d->fraction_n, &more);
    if (more)
        text[n++] = '1';
    /* w's exponent is that of its last digit; move it to the last one here. */
    int64_t e10 = d->e10 + (int64_t)d->digits - (int64_t)n;
    if (e10 > 100000 || e10 < -100000)
        e10 = e10 < 0 ? -100000 : 100000;
    snprintf(text + n, sizeof text - n, "e%d", (int)e10);
    return strtod(text, NULL);
}

static double double_of_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/*
 * w * 10^e, for w > 0, where 128 bits of the power are enough to tell. The row g is too large by
 * less than 1, the product by less than 2^64: so its upper 128 bits, m, are off by less than one.
 * If m has any bit set below the 54 that count, the true value lies strictly between two
 * neighbouring 54-bit numbers, and there is no tie.
 */
static bool convert_by_product(uint64_t w, int e, double *out)
{
    const struct power *g = &powers[e - POWER_MIN];
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    wide m = (wide)w * g->hi + (((wide)w * g->lo) >> 64);
    int bits = (uint64_t)(m >> 127) ? 128 : 127;
    if ((m & (((wide)1 << (bits - 54)) - 1)) == 0)
        return false;
    uint64_t mantissa = (uint64_t)(m >> (bits - 54));
    mantissa = (mantissa >> 1) + (mantissa & 1);
    int e2 = bits - 53 + 64 - zeros + floor_log2_pow10(e) - 127;
    if (mantissa >> 53) {
        mantissa >>= 1;
        e2++;
    }
    if (e2 < -1074 || e2 > 971)
        return false;
    *out = double_of_bits((uint64_t)(e2 + 1075) << 52 | (mantissa & (((uint64_t)1 << 52) - 1)));
    return true;
}

/* Powers of ten that a double holds exactly. */
static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Without a branch, as nobody foresees the signs of data. */
static inline double with_sign(double d, bool negative)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return double_of_bits(bits | (uint64_t)negative << 63);
}

/* Both are exact, so their division or product is rounded once. */
static inline bool convert_exactly(const struct decimal *d, double *out)
{
    if (d->cut || d->w >> 53 || d->e10 < -22 || d->e10 > 22)
        return false;
    double w = (double)(int64_t)d->w; /* signed, as processors have no other conversion */
    *out = d->e10 < 0 ? w / exact[-d->e10] : w * exact[d->e10];
    return true;
}

static double convert(const struct decimal *d)
{
    double out;
    if (d->w == 0)
        return 0.0;
    if (convert_exactly(d, &out))
        return out;
    if (!d->cut && d->e10 >= POWER_MIN && d->e10 <= 308 &&
        convert_by_product(d->w, (int)d->e10, &out))
        return out;
    return convert_slowly(d);
}

static enum number_kind finish(const struct decimal *d, int64_t *i, double *f)
{
    if (d->integer && !(d->negative && d->w == 0)) {
        if (d->e10 || d->w > (uint64_t)INT64_MAX + d->negative)
            return NUMBER_WIDE;
        *i = (int64_t)(d->negative ? 0 - d->w : d->w);
        return NUMBER_INT;
    }
    double value = convert(d);
    if (isinf(value))
        return NUMBER_WIDE;
    *f = with_sign(value, d->negative);
    return NUMBER_FLOAT;
}

/* Integers and floats as most are; NUMBER_NONE: to be looked at in the general way. */
static inline enum number_kind read_short(struct slice s, int64_t *i, double *f)
{
    struct decimal d;
    if (!take_short(s, &d))
        return NUMBER_NONE;
    if (d.integer) {
        /* -0 is a float, and 19 digits may be too large. */
        if (d.w >> 62 || (d.negative && d.w == 0))
            return NUMBER_NONE;
        *i = (int64_t)(d.negative ? 0 - d.w : d.w);
        return NUMBER_INT;
    }
    double value;
    if (!convert_exactly(&d, &value))
        return NUMBER_NONE;
    *f = with_sign(value, d.negative);
    return NUMBER_FLOAT;
}

enum number_kind tm_number_json(struct slice s, int64_t *i, double *d)
{
    struct decimal parts;
    enum number_kind kind = read_short(s, i, d);
    if (kind != NUMBER_NONE)
        return kind;
    return take_apart(s, true, &parts) ? finish(&parts, i, d) : NUMBER_NONE;
}

enum number_kind tm_number_cell(struct slice s, int64_t *i, double *d)
{
    struct decimal parts;
    /* Most cells are words: their first byte tells. */
    if (s.n == 0 || (s.p[0] != '-' && !is_digit(s.p[0])))
        return NUMBER_NONE;
    enum number_kind kind = read_short(s, i, d);
    if (kind != NUMBER_NONE)
        return kind;
    if (!take_apart(s, false, &parts) || (parts.integer && parts.negative && parts.w == 0))
        return NUMBER_NONE;
    kind = finish(&parts, i, d);
    return kind == NUMBER_WIDE ? NUMBER_NONE : kind;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

bool tm_number_fits_cell(struct slice s)
{
    int64_t i;
    double d;
    const char *p = s.p, *end = s.p + s.n;
    if (s.n >= MANTISSA_DIGITS)
        return tm_number_cell(s, &i, &d) != NUMBER_NONE;
    bool negative = *p == '-';
    const char *first = p + negative;
    struct short_number number;
    if (is_word((size_t)(end - first)))
        return look(first, (size_t)(end - first), &number) &&
               !(negative && *first == '0' && number.n == 1);
    p = skip_digits(first, end);
    if (p == first || (*first == '0' && p - first > 1))
        return false;
    if (p == end)
        return !(negative && *first == '0');
    return *p == '.' && p + 1 < end && skip_digits(p + 1, end) == end;
}

/* ---- writing ---- */

#define E8 UINT64_C(100000000)

/*
 * The eight decimal digits of v, which is less than E8, as the bytes of a word, the first digit lowest:
 * both halves of v, then both of each, then both of each are taken apart at once, by multiplication.
 * Nothing depends on how many digits v has, which nobody foresees.
 */
static inline uint64_t eight_digits(uint64_t v)
{
    uint64_t fours = v / 10000 | v % 10000 << 32;
    uint64_t hundreds = fours * 10486 >> 20 & UINT64_C(0x7f0000007f);
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = twos * 103 >> 10 & UINT64_C(0x000f000f000f000f);
    return tens | (twos - tens * 10) << 8;
}

/* Those digits as text, without the first `skip` of them (at most 7); all eight bytes are written. */
static inline void put_digits(char *out, uint64_t digits, unsigned skip)
{
    uint64_t text = (digits | WORD_OF((uint64_t)'0')) >> 8 * skip;
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    text = __builtin_bswap64(text);
#endif
    memcpy(out, &text, sizeof text);
}

/* How many of the first digits are zeros, of which `most` may be left out. */
static inline unsigned leading_zeros(uint64_t digits, unsigned most)
{
    return (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 8 * most) / 8;
}

/* 24 bytes may be written to, whatever the number of digits, which is returned. */
static size_t print_digits(char *out, uint64_t v)
{
    if (v >= E8) {
        size_t n = print_digits(out, v / E8);
        put_digits(out + n, eight_digits(v % E8), 0);
        return n + 8;
    }
    uint64_t digits = eight_digits(v);
    unsigned skip = leading_zeros(digits, 7);
    put_digits(out, digits, skip);
    return 8 - skip;
}

size_t tm_number_print_int(char *out, int64_t i)
{
    size_t sign = i < 0;
    *out = '-';
    return sign + print_digits(out + sign, sign ? 0 - (uint64_t)i : (uint64_t)i);
}

/* floor(g * c / 2^128) with its last bit set when anything was cut off (rounding to odd). */
static uint64_t multiply_to_odd(const struct power *g, uint64_t c)
{
    wide low = (wide)g->lo * c;
    wide high = (wide)g->hi * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest digits and their exponent of the double c * 2^q; `narrow`: a power of two. */
static uint64_t shortest(uint64_t c, int q, bool narrow, int *exponent)
{
    uint64_t odd = c & 1;
    int k = narrow ? (q * 1262611 - 524031) >> 22 /* of 3/4 * 2^q */ : floor_log10_pow2(q);
    const struct power *g = &powers[-k - POWER_MIN];
    int h = q + floor_log2_pow10(-k) + 1;
    /* Four times the value and the ends of its rounding interval, scaled by 10^-k. */
    uint64_t value = multiply_to_odd(g, (4 * c) << h);
    uint64_t lower = multiply_to_odd(g, (4 * c - 2 + narrow) << h) + odd;
    uint64_t upper = multiply_to_odd(g, (4 * c + 2) << h) - odd;
    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
        *exponent = k + 1;
        if (down != up)
            return tens + up;
    }
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    *exponent = k;
    if (down != up)
        return s + up;
    uint64_t middle = 4 * s + 2;
    return s + (value > middle || (value == middle && (s & 1)));
}

/* Digits of numbers that people write end in many zeros, as doubles have 16 or 17. */
static uint64_t without_zeros(uint64_t digits, int *exponent)
{
    if (digits > 0 && digits % 100000000 == 0) {
        digits /= 100000000;
        *exponent += 8;
    }
    for (; digits >= 10 && digits % 10 == 0; digits /= 10)
        ++*exponent;
    return digits;
}

/*
 * What people write has few decimals: is c * 2^q, of 53 bits, what thousands / 1000 reads as? Two different
 * decimals of up to 15 digits are never read as one double, so there is none shorter than this one
 * (without its zeros). thousands is 1000 c * 2^q, rounded, and it is read as that double if it is less than
 * half of the distance to the next one away: of 1000, in units of 2^q. (A power of two has a nearer neighbour
 * below; but 1000 c is 125 * 2^55 then: nothing was rounded, or far more.)
 */
static inline bool has_few_decimals(uint64_t c, int q, uint64_t *thousands)
{
    int s = -q;
    if (s < 1 || s > 62)
        return false;
    uint64_t t = 1000 * c; /* less than 2^63 */
    *thousands = (t + (UINT64_C(1) << (s - 1))) >> s;
    uint64_t off = (*thousands << s) - t;
    return *thousands - 1 < UINT64_C(1000000000000000) - 1 && off + 499 <= 2 * 499;
}

/* thousands / 1000 with one decimal at least. Three are written; how many count is not foreseen. */
static size_t print_few_decimals(char *out, uint64_t thousands)
{
    size_t n;
    uint64_t digits;
    if (thousands < E8) {
        digits = eight_digits(thousands);
        unsigned skip = leading_zeros(digits, 4);
        put_digits(out, digits, skip);
        n = 5 - skip;
    } else {
        digits = eight_digits(thousands % 1000);
        n = print_digits(out, thousands / 1000);
    }
    out[n] = '.';
    put_digits(out + n + 1, digits, 5);
    return n + 2 + (digits >> 48 != 0) + (digits >> 56 != 0);
}

/*
 * digits * 10^exponent with a point or an exponent: positional when the first digit stands for
 * 10^-5 .. 10^15, else scientific, without '+'.
 */
static size_t print_decimal(char *out, uint64_t digits, int exponent)
{
    char text[24] = "";
    size_t n = print_digits(text, without_zeros(digits, &exponent)), used = 0;
    int first = exponent + (int)n - 1;
    if (first >= 16 || first < -5) {
        out[used++] = text[0];
        if (n > 1)
            out[used++] = '.';
        memcpy(out + used, text + 1, n - 1);
        used += n - 1;
        out[used++] = 'e';
        return used + tm_number_print_int(out + used, first);
    }
    if (first < 0) {
        used = (size_t)(1 - first);
        memcpy(out, "0.00000", used);
        memcpy(out + used, text, n);
        return used + n;
    }
    size_t whole = (size_t)first + 1, before = n < whole ? n : whole;
    memcpy(out, text, before);
    memset(out + before, '0', whole - before);
    out[whole] = '.';
    if (n <= whole) {
        out[whole + 1] = '0';
        return whole + 2;
    }
    memcpy(out + whole + 1, text + whole, n - whole);
    return n + 1;
}

size_t tm_number_print_float(char *out, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1), c = fraction | (uint64_t)1 << 52, digits;
    int biased = (int)(bits >> 52 & 0x7ff), exponent = 0;
    size_t sign = bits >> 63;
    *out = '-';
    if (has_few_decimals(c, biased - 1075, &digits))
        return sign + print_few_decimals(out + sign, digits);
    if (biased == 0x7ff) {
        sign = fraction ? 0 : sign;
        memcpy(out + sign, fraction ? "nan" : "inf", 3);
        return sign + 3;
    }
    out += sign;
    double size = fabs(d);
    if (size < 1e15 && size == (double)(uint64_t)size)
        return sign + print_decimal(out, (uint64_t)size, 0);
    digits = biased ? shortest(c, biased - 1075, fraction == 0 && biased > 1, &exponent)
                    : shortest(fraction, -1074, false, &exponent);
    return sign + print_decimal(out, digits, exponent);
}
