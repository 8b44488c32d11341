/*
 * The compressions that files come in: how each is told by name and by its first bytes. The enum
 * of format.h says which; the table in filter_kind.c is the only list.
 */
#ifndef TM_PIPELINE_FILTER_KIND_H
#define TM_PIPELINE_FILTER_KIND_H

#include "base/err.h"
#include "format/format.h"

struct filter_kind {
    enum compression compression;
    const char *name;                  /* as the options and messages have it */
    const char *suffix;                /* of files' names */
    const char *decompress, *compress; /* the filters, by their names in filter_main.c */
    bool built;                        /* into this library */
};

/* NULL for COMPRESSION_AUTO and COMPRESSION_NONE. */
const struct filter_kind *tm_filter_kind(int compression);
/* By the suffix of a file's name, in any case; NULL: none. */
const struct filter_kind *tm_filter_by_name(const char *name);

enum filter_look {
    LOOK_PLAIN,  /* these bytes begin no compressed file */
    LOOK_MORE,   /* they might: more are needed to tell, if there are more */
    LOOK_PACKED, /* they do: *kind says which */
};

/* So many bytes are always enough to tell. */
#define FILTER_MAGIC_MAX 4

enum filter_look tm_filter_look(struct slice head, const struct filter_kind **kind);

/* E_SPEC when this library was built without it; `what` needs it. NULL is fine. */
int tm_filter_built(const struct filter_kind *kind, const char *what, err *e);

#endif
