/*
 * Sizes and times. Decimal units of size (KB) count in thousands, binary ones (KiB) in 1,024s.
 */
#include "spec/quantity.h"

#include <inttypes.h>

#define FRACTION_DIGITS 9
#define SHOWN           40 /* bytes of the text in a message */

struct unit {
    const char *name;
    uint64_t factor;
    bool print; /* used by tm_quantity_print */
};

/* Largest first; the last one is the base. */
static const struct unit size_units[] = {{"TiB", (uint64_t)1 << 40, true},
                                         {"TB", 1000000000000, false},
                                         {"GiB", 1 << 30, true},
                                         {"GB", 1000000000, false},
                                         {"MiB", 1 << 20, true},
                                         {"MB", 1000000, false},
                                         {"KiB", 1 << 10, true},
                                         {"KB", 1000, false},
                                         {"B", 1, true},
                                         {NULL, 0, false}};
static const struct unit time_units[] = {{"h", 3600000000000, true},
                                         {"m", 60000000000, true},
                                         {"s", 1000000000, true},
                                         {"ms", 1000000, true},
                                         {"us", 1000, true},
                                         {"ns", 1, true},
                                         {NULL, 0, false}};

static const struct {
    const struct unit *units;
    const char *names;
    const char *one, *other; /* to suggest where none was written */
} quantities[] = {
    [QUANTITY_SIZE] = {size_units, "B KB MB GB TB KiB MiB GiB TiB", "B", "KiB"},
    [QUANTITY_DURATION] = {time_units, "ns us ms s m h", "s", "ms"},
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct slice s, size_t from)
{
    size_t i = from;
    while (i < s.n && digit(s.p[i]))
        i++;
    return i - from;
}

bool tm_count_read(struct slice s, uint64_t *v)
{
    uint64_t n = 0;
    if (s.n == 0 || digits(s, 0) != s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(s.p[i] - '0'), &n))
            return false;
    *v = n;
    return true;
}

static const struct unit *find_unit(const struct unit *units, struct slice name)
{
    for (; units->name; units++)
        if (slice_is(name, units->name))
            return units;
    return NULL;
}

/* number * factor for "WHOLE.FRACTION"; false when that is not a whole number of 64 bits. */
static bool scale(struct slice whole, struct slice fraction, uint64_t factor, uint64_t *v)
{
    uint64_t w, f = 0, ten = 1;
    if (!tm_count_read(whole, &w) || __builtin_mul_overflow(w, factor, &w))
        return false;
    while (fraction.n && fraction.p[fraction.n - 1] == '0')
        fraction.n--;
    if (fraction.n > FRACTION_DIGITS || (fraction.n && !tm_count_read(fraction, &f)))
        return false;
    for (size_t i = 0; i < fraction.n; i++)
        ten *= 10;
    if (__builtin_mul_overflow(f, factor, &f) || f % ten != 0)
        return false;
    return !__builtin_add_overflow(w, f / ten, v);
}

int tm_quantity_read(enum quantity q, struct slice s, uint64_t *v, err *e)
{
    struct slice whole = {s.p, digits(s, 0)}, fraction = {NULL, 0};
    if (whole.n == 0)
        return QUANTITY_NOT_A_NUMBER;
    size_t used = whole.n;
    if (used + 1 < s.n && s.p[used] == '.' && digit(s.p[used + 1])) {
        fraction = (struct slice){s.p + used + 1, digits(s, used + 1)};
        used += 1 + fraction.n;
    }
    int shown = s.n > SHOWN ? SHOWN : (int)s.n;
    struct slice name = {s.p + used, s.n - used};
    const struct unit *unit = find_unit(quantities[q].units, name);
    if (name.n == 0 && slice_is(whole, "0") && fraction.n == 0)
        *v = 0;
    else if (name.n == 0)
        return tm_err_set(e, TIDEMILL_E_SPEC, "'%.*s' has no unit (write %.*s%s or %.*s%s)", shown,
                          s.p, shown, s.p, quantities[q].one, shown, s.p, quantities[q].other);
    else if (!unit)
        return tm_err_set(e, TIDEMILL_E_SPEC, "unknown unit in '%.*s' (units are %s)", shown, s.p,
                          quantities[q].names);
    else if (!scale(whole, fraction, unit->factor, v))
        return tm_err_set(e, TIDEMILL_E_SPEC, "'%.*s' is too large or too fine", shown, s.p);
    return TIDEMILL_OK;
}

void tm_quantity_print(enum quantity q, uint64_t v, struct buf *out)
{
    const struct unit *unit = quantities[q].units;
    if (v == 0) {
        buf_byte(out, '0');
        return;
    }
    while (!unit->print || v % unit->factor != 0)
        unit++;
    tm_buf_printf(out, "%" PRIu64 "%s", v / unit->factor, unit->name);
}
