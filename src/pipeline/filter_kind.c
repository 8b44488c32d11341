/*
 * Telling compressed files by their names and by their first bytes: RFC 1952 section 2.3.1 for
 * gzip, RFC 8878 sections 3.1.1 and 3.1.2 for zstd, whose files may begin with a skippable frame.
 */
#include "pipeline/filter_kind.h"

#include <strings.h>

#ifdef TIDEMILL_GZIP
#define HAVE_GZIP true
#else
#define HAVE_GZIP false
#endif
#ifdef TIDEMILL_ZSTD
#define HAVE_ZSTD true
#else
#define HAVE_ZSTD false
#endif

static const struct filter_kind kinds[] = {
    {COMPRESSION_GZIP, "gzip", ".gz", "gunzip", "gzip", HAVE_GZIP},
    {COMPRESSION_ZSTD, "zstd", ".zst", "unzstd", "zstd", HAVE_ZSTD},
};

static const struct {
    enum compression compression;
    struct slice magic;
    unsigned char first; /* bits of the first byte that count */
} magics[] = {
    {COMPRESSION_GZIP, {"\x1f\x8b", 2}, 0xff},
    {COMPRESSION_ZSTD, {"\x28\xb5\x2f\xfd", 4}, 0xff},
    {COMPRESSION_ZSTD, {"\x50\x2a\x4d\x18", 4}, 0xf0},
};

#define ROWS(table) (sizeof(table) / sizeof *(table))

const struct filter_kind *tm_filter_kind(int compression)
{
    for (size_t i = 0; i < ROWS(kinds); i++)
        if ((int)kinds[i].compression == compression)
            return &kinds[i];
    return NULL;
}

const struct filter_kind *tm_filter_by_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < ROWS(kinds); i++) {
        size_t suffix = strlen(kinds[i].suffix);
        if (n > suffix && strcasecmp(name + n - suffix, kinds[i].suffix) == 0)
            return &kinds[i];
    }
    return NULL;
}

/* Do these bytes agree with row i, as far as both go? */
static bool agrees(struct slice head, size_t i)
{
    struct slice magic = magics[i].magic;
    size_t n = head.n < magic.n ? head.n : magic.n;
    if (n && ((head.p[0] ^ magic.p[0]) & magics[i].first))
        return false;
    return n < 2 || memcmp(head.p + 1, magic.p + 1, n - 1) == 0;
}

enum filter_look tm_filter_look(struct slice head, const struct filter_kind **kind)
{
    enum filter_look look = LOOK_PLAIN;
    for (size_t i = 0; i < ROWS(magics); i++) {
        if (!agrees(head, i))
            continue;
        look = LOOK_MORE;
        if (head.n < magics[i].magic.n)
            continue;
        *kind = tm_filter_kind((int)magics[i].compression);
        return LOOK_PACKED;
    }
    return look;
}

int tm_filter_built(const struct filter_kind *kind, const char *what, err *e)
{
    if (!kind || kind->built)
        return TIDEMILL_OK;
    return tm_err_set(e, TIDEMILL_E_SPEC, "'%s': this tidemill was built without %s", what,
                      kind->name);
}
