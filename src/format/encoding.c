/*
 * Decoding. Windows-1252 is what its name's owner says (five bytes of it stand for nothing); Latin-1
 * is ISO 8859-1, where every byte is the character of its number.
 */
#include "format/encoding.h"

#include "base/utf8.h"

#define REPLACEMENT 0xfffd

/* What 0x80 .. 0x9f stand for in windows-1252; 0: nothing. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

/* How many bytes from p on are ASCII. */
static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;
    uint64_t eight;
    for (; n - i >= sizeof eight; i += sizeof eight) {
        memcpy(&eight, p + i, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (i < n && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

bool tm_encoding_plain(const struct input_dialect *d, struct slice bytes)
{
    if (d->encoding == ENCODING_BYTES)
        return true;
    if (d->encoding == ENCODING_UTF8)
        return tm_utf8_check(bytes) == bytes.n;
    return ascii_run(bytes.p, bytes.n) == bytes.n;
}

/* How many bytes at p, which are not UTF-8, are the beginning of a character whose rest is not there. */
static size_t subpart(const char *p, size_t n)
{
    for (size_t have = n < 3 ? n : 3; have > 1; have--) {
        char whole[4];
        uint32_t c;
        memcpy(whole, p, have);
        memset(whole + have, 0x80, sizeof whole - have);
        if (tm_utf8_decode((struct slice){whole, sizeof whole}, &c) > have)
            return have;
    }
    return 1;
}

/* One character that is not ASCII. Gives its length in the input. */
static size_t decode_one(const struct input_dialect *d, const char *p, size_t n, uint32_t *c)
{
    unsigned char byte = (unsigned char)*p;
    size_t length = 1;
    switch (d->encoding) {
    case ENCODING_UTF8:
        length = tm_utf8_decode((struct slice){p, n}, c);
        if (length == 0) {
            *c = REPLACEMENT;
            length = subpart(p, n);
        }
        break;
    case ENCODING_WINDOWS_1252:
        *c = byte >= 0xa0                ? byte
             : windows_1252[byte - 0x80] ? windows_1252[byte - 0x80]
                                         : REPLACEMENT;
        break;
    default:
        *c = byte;
    }
    return length;
}

void tm_encoding_decode(const struct input_dialect *d, struct slice bytes, struct buf *out)
{
    const char *p = bytes.p, *end = bytes.p + bytes.n;
    while (p < end) {
        size_t run = ascii_run(p, (size_t)(end - p));
        char text[4];
        uint32_t c;
        buf_append(out, p, run);
        p += run;
        if (p == end)
            break;
        p += decode_one(d, p, (size_t)(end - p), &c);
        buf_append(out, text, tm_utf8_encode(text, c));
    }
}

size_t tm_encoding_taken(enum encoding encoding, struct slice text)
{
    size_t n = 0;
    if (encoding == ENCODING_BYTES || encoding == ENCODING_UTF8)
        return text.n;
    /* A byte a character, and all bytes of a character but the first are 10xxxxxx. */
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

/* Where the first byte is that the encoding does not know; bytes.n: nowhere. */
static size_t first_invalid(const struct input_dialect *d, struct slice bytes)
{
    if (d->encoding == ENCODING_UTF8)
        return tm_utf8_check(bytes);
    if (d->encoding != ENCODING_WINDOWS_1252)
        return bytes.n;
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char byte = (unsigned char)bytes.p[i];
        if (byte >= 0x80 && byte < 0xa0 && !windows_1252[byte - 0x80])
            return i;
    }
    return bytes.n;
}

int tm_encoding_check(const struct input_dialect *d, struct slice bytes, err *e)
{
    size_t at = d->on_invalid == INVALID_ERROR ? first_invalid(d, bytes) : bytes.n;
    if (at == bytes.n)
        return TIDEMILL_OK;
    return tm_err_set(e, TIDEMILL_E_RECORD,
                      "byte %zu (0x%02X) is not %s (input.encoding; input.on_invalid: replace "
                      "reads it as U+FFFD)",
                      at + 1, (unsigned)(unsigned char)bytes.p[at],
                      d->encoding == ENCODING_UTF8 ? "UTF-8" : "windows-1252");
}
