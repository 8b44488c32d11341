/*
 * Life of chunks and of what they share.
 */
#include "pipeline/chunk.h"

#include <stdlib.h>

struct block *tm_block_new(size_t cap)
{
    struct block *b = cap > SIZE_MAX - sizeof *b ? NULL : malloc(sizeof *b + cap);
    if (b) {
        b->refs = 1;
        b->cap = cap;
    }
    return b;
}

void tm_block_unref(struct block *b)
{
    if (b && --b->refs == 0)
        free(b);
}

struct input_file *tm_input_file_new(const char *name, const struct format *format, uint32_t id)
{
    struct input_file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->refs = 1;
    f->id = id;
    f->format = format;
    f->name = strdup(name);
    if (!f->name) {
        free(f);
        return NULL;
    }
    return f;
}

void tm_input_file_unref(struct input_file *f)
{
    if (!f || --f->refs)
        return;
    tm_arena_release(&f->arena);
    free(f->name);
    free(f);
}

struct chunk *tm_chunk_new(enum chunk_kind kind, struct input_file *file, struct block *block)
{
    struct chunk *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->kind = kind;
    c->file = file;
    file->refs++;
    c->block = block;
    if (block)
        block->refs++;
    return c;
}

void tm_chunk_free(struct chunk *c)
{
    if (!c)
        return;
    tm_block_unref(c->block);
    tm_input_file_unref(c->file);
    free(c->failure);
    free(c);
}

struct record_place tm_chunk_find(const struct chunk *c, uint32_t number)
{
    const struct format *f = c->file->format;
    struct record_place place = {{c->p, 0}, c->first_line, c->offset};
    size_t at = 0;
    for (uint32_t i = 0; at < c->n;) {
        struct split_state state = {0};
        struct extent extent = {0};
        enum split_verdict verdict = f->split(&c->file->dialect, &state, c->p + at, c->n - at, true,
                                              &extent, NULL);
        if (verdict != SPLIT_RECORD && verdict != SPLIT_SKIP)
            break;
        if (verdict == SPLIT_RECORD && i++ == number) {
            place.raw = (struct slice){c->p + at, extent.length};
            break;
        }
        at += extent.length;
        place.line += extent.lines;
        place.offset += extent.length;
    }
    return place;
}
