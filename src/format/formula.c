/*
 * Cells that a spreadsheet would run: text flows in, and the answer, or the text made harmless, flows
 * out. What begins a formula is OWASP's list ("CSV Injection"): = + - @, tab and CR. A plain number is
 * none, though it may begin with a minus.
 */
#include "format/csv.h"

static size_t digits(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

/* A minus, digits, perhaps a fraction and an exponent. */
static bool is_negative_number(struct slice text)
{
    const char *p = text.p + 1, *end = text.p + text.n;
    size_t n = digits(p, end);
    if (n && p + n < end && p[n] == '.') {
        p += n + 1;
        n = digits(p, end);
    }
    if (n && p + n < end && (p[n] == 'e' || p[n] == 'E')) {
        p += n + 1;
        p += p < end && (*p == '+' || *p == '-');
        n = digits(p, end);
    }
    return n && p + n == end;
}

bool tm_csv_is_formula(const struct output_dialect *d, struct slice text)
{
    if (!d->escape_formulas || text.n == 0)
        return false;
    if (text.p[0] == '-')
        return !is_negative_number(text);
    return memchr("=+@\t\r", text.p[0], 5) != NULL;
}

struct slice tm_csv_defuse(struct buf *scratch, struct slice text)
{
    buf_reset(scratch);
    buf_byte(scratch, '\'');
    buf_slice(scratch, text);
    return buf_view(scratch);
}
