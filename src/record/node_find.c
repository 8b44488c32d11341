/*
 * One field of many: where a record with thousands of fields is asked for one after the other, names
 * flow in, and a table of them, made on the way, says where they are. It hangs on the node and lives in
 * its arena.
 *
 * Names come from the input, so the table is hashed with a secret of the process: nobody can choose names
 * that all fall into one slot.
 */
#include <sys/auxv.h>

#include "record/node.h"

struct node_index {
    uint64_t secret;
    uint32_t fields; /* 0 .. fields-1 are in it, deleted ones too */
    uint32_t mask;   /* slots, less one; at most half of them are taken */
    uint32_t *slots; /* a field's number plus one; 0: free */
};

__extension__ typedef unsigned __int128 wide;

/* The product of two, folded: each bit of it depends on all of both. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(uint64_t secret, struct slice text)
{
    uint64_t h = secret ^ text.n, eight;
    for (; text.n >= sizeof eight; text.p += sizeof eight, text.n -= sizeof eight) {
        memcpy(&eight, text.p, sizeof eight);
        h = fold(h ^ eight, secret);
    }
    eight = 0;
    if (text.n)
        memcpy(&eight, text.p, text.n);
    return fold(h ^ eight, secret);
}

/* Random bytes that the kernel gave the process (getauxval(3)). */
static uint64_t secret(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    uint64_t bits = 0;
    if (random)
        memcpy(&bits, random, sizeof bits);
    return bits | 1;
}

/* A new table with room for twice as many fields as there are; false when memory is out. */
static bool renew(struct node *n)
{
    uint32_t slots = 64;
    while (slots / 4 < n->count && slots <= UINT32_MAX / 2)
        slots *= 2;
    if (slots / 2 < n->count)
        return false;
    struct node_index *x = arena_alloc(n->arena, sizeof *x);
    if (!x)
        return false;
    *x = (struct node_index){.secret = secret(), .mask = slots - 1};
    x->slots = arena_alloc(n->arena, slots * sizeof *x->slots);
    if (!x->slots)
        return false;
    memset(x->slots, 0, slots * sizeof *x->slots);
    n->index = x;
    return true;
}

/* The next slot that could be the key's. */
static uint32_t next_slot(const struct node_index *x, uint32_t slot)
{
    return (slot + 1) & x->mask;
}

static void add_field(struct node_index *x, const struct node *n, uint32_t i)
{
    uint32_t slot = (uint32_t)hash(x->secret, node_fields(n)[i].key) & x->mask;
    while (x->slots[slot])
        slot = next_slot(x, slot);
    x->slots[slot] = i + 1;
}

bool tm_node_index(struct node *n)
{
    struct node_index *x = n->index;
    if ((!x || n->count > (x->mask + 1) / 2) && !renew(n))
        return false;
    for (x = n->index; x->fields < n->count; x->fields++)
        add_field(x, n, x->fields);
    return true;
}

uint32_t tm_node_lookup(const struct node *n, struct slice key)
{
    const struct node_index *x = n->index;
    uint32_t slot = (uint32_t)hash(x->secret, key) & x->mask;
    for (; x->slots[slot]; slot = next_slot(x, slot))
        if (node_has(n, x->slots[slot] - 1, key))
            return x->slots[slot] - 1;
    return UINT32_MAX;
}
