/*
 * Life of chunks and of what they share.
 */
#include "pipeline/chunk.h"

#include <stdlib.h>

#include "base/large.h"

#define SPARE_MAX 8

struct block_store {
    uint32_t refs; /* the owner, and blocks that are out */
    uint32_t n;
    size_t cap;
    struct block *spare[SPARE_MAX];
};

static void free_block(struct block *b)
{
    tm_large_free(b, sizeof *b + b->cap);
}

struct block_store *tm_block_store_new(size_t cap)
{
    struct block_store *s = calloc(1, sizeof *s);
    if (s) {
        s->refs = 1;
        s->cap = cap;
    }
    return s;
}

void tm_block_store_unref(struct block_store *s)
{
    if (!s || --s->refs)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        free_block(s->spare[i]);
    free(s);
}

struct block *tm_block_new(struct block_store *s, size_t cap)
{
    struct block *b = NULL;
    bool stored = s && cap == s->cap;
    if (stored && s->n)
        b = s->spare[--s->n];
    else if (cap <= SIZE_MAX - sizeof *b)
        b = tm_large_new(sizeof *b + cap);
    if (!b)
        return NULL;
    b->refs = 1;
    b->cap = cap;
    b->store = stored ? s : NULL;
    if (stored)
        s->refs++;
    return b;
}

void tm_block_unref(struct block *b)
{
    if (!b || --b->refs)
        return;
    struct block_store *s = b->store;
    if (s && s->refs > 1 && s->n < SPARE_MAX)
        s->spare[s->n++] = b;
    else
        free_block(b);
    tm_block_store_unref(s);
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
    tm_buf_release(&c->head);
    free(c->failure);
    free(c);
}

struct record_place tm_chunk_find(struct chunk *c, uint32_t number)
{
    const struct format *f = c->file->format;
    struct chunk_mark at = c->found;
    if (at.line == 0 || number < at.number)
        at = (struct chunk_mark){0, 0, c->first_line};
    struct record_place place = {{c->p + at.at, 0}, at.line, c->offset + at.at};
    while (at.at < c->n) {
        struct split_state state = {0};
        struct extent extent = {0};
        enum split_verdict verdict = f->split(&c->file->dialect, &state, c->p + at.at, c->n - at.at,
                                              true, &extent, NULL);
        if (verdict != SPLIT_RECORD && verdict != SPLIT_SKIP)
            break;
        if (verdict == SPLIT_RECORD && at.number == number) {
            c->found = at;
            return (struct record_place){{c->p + at.at, extent.length}, at.line, c->offset + at.at};
        }
        at.number += verdict == SPLIT_RECORD;
        at.at += extent.length;
        at.line += extent.lines;
    }
    return place;
}
