/*
 * Arena blocks: a chain, newest first, each twice as large as the one before up to BLOCK_MAX, or as
 * large as the one thing that asked for it.
 */
#include "base/arena.h"

#include "base/heap.h"

struct arena_block {
    struct arena_block *older;
    size_t size;
    _Alignas(16) char bytes[];
};

/* With all heads no more than a power of two, also when doubled. */
#define BLOCK_MIN (((size_t)2 << 10) - sizeof(struct arena_block) - HEAP_HEAD)
#define BLOCK_MAX ((size_t)1 << 20)

void tm_arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

static void use(struct arena *a, struct arena_block *block)
{
    a->block = block;
    a->p = block->bytes;
    a->end = block->bytes + block->size;
}

/* Free `block` and all older ones. */
static void free_chain(struct arena_block *block)
{
    while (block) {
        struct arena_block *older = block->older;
        tm_heap_free(block);
        block = older;
    }
}

void tm_arena_reset(struct arena *a)
{
    while (a->block && a->block->size > BLOCK_MAX) {
        struct arena_block *older = a->block->older;
        tm_heap_free(a->block);
        a->block = older;
    }
    if (!a->block) {
        tm_arena_init(a);
        return;
    }
    free_chain(a->block->older);
    a->block->older = NULL;
    use(a, a->block);
}

void tm_arena_release(struct arena *a)
{
    free_chain(a->block);
    tm_arena_init(a);
}

void *tm_arena_grow(struct arena *a, size_t size)
{
    size_t want = a->block ? a->block->size * 2 : BLOCK_MIN;
    if (want > BLOCK_MAX)
        want = BLOCK_MAX;
    if (want < size)
        want = size;
    if (want > SIZE_MAX - sizeof(struct arena_block) - 16)
        return NULL;
    want = (want + 15) & ~(size_t)15;
    struct arena_block *block = tm_heap_new(sizeof *block + want);
    if (!block)
        return NULL;
    block->older = a->block;
    block->size = want;
    use(a, block);
    a->p += (size + !size + 15) & ~(size_t)15;
    return block->bytes;
}

struct slice tm_arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n);
    if (!p)
        return (struct slice){NULL, 0};
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct slice){p, s.n};
}
