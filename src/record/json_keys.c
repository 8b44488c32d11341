/*
 * Duplicate keys. Names are pushed while an object is read and compared when it ends: a few with
 * each other, behind a filter of 64 bits; many through a hash table. Hash values that meet too
 * often, by chance or by malice, end in sorting: nothing here is quadratic.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "record/json_scan.h"

#define FEW 24

void tm_json_keys_release(struct json_keys *k)
{
    tm_heap_free(k->list);
    tm_heap_free(k->table);
    *k = (struct json_keys){0};
}

bool tm_json_keys_push(struct json_keys *k, struct slice name, const char *at)
{
    if (k->n == k->cap) {
        size_t cap = k->cap ? k->cap * 2 : 64;
        struct json_key *list = NULL;
        if (cap <= UINT32_MAX / 2 && cap <= SIZE_MAX / sizeof *list)
            list = tm_heap_grow(k->list, cap * sizeof *list);
        if (!list)
            return false;
        k->list = list;
        k->cap = cap;
    }
    k->list[k->n++] = (struct json_key){name, at};
    return true;
}

static bool few_differ(const struct json_key *keys, size_t n, struct json_key *twice)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        struct slice name = keys[i].name;
        unsigned mix = (unsigned)name.n;
        if (name.n)
            mix += (unsigned char)name.p[0] * 5u + (unsigned char)name.p[name.n - 1] * 3u;
        uint64_t bit = (uint64_t)1 << (mix & 63);
        for (size_t j = 0; (seen & bit) && j < i; j++) {
            if (slice_eq(keys[j].name, name)) {
                *twice = keys[i];
                return false;
            }
        }
        seen |= bit;
    }
    return true;
}

static uint64_t hash(struct slice s)
{
    uint64_t h = s.n * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < s.n;) {
        uint64_t word = 0;
        size_t take = s.n - i < sizeof word ? s.n - i : sizeof word;
        memcpy(&word, s.p + i, take);
        h = (h ^ word) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
        i += take;
    }
    return h;
}

static int compare(const void *a, const void *b)
{
    const struct json_key *x = a, *y = b;
    int c = slice_cmp(x->name, y->name);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* The last resort. Of several duplicates the first one in the text is told. */
static bool sorted_differ(struct json_key *keys, size_t n, struct json_key *twice)
{
    bool differ = true;
    qsort(keys, n, sizeof *keys, compare);
    for (size_t i = 1; i < n; i++) {
        if (slice_eq(keys[i].name, keys[i - 1].name) && (differ || keys[i].at < twice->at)) {
            *twice = keys[i];
            differ = false;
        }
    }
    return differ;
}

/* A table at least twice as large as n, all empty. */
static size_t clear_table(struct json_keys *k, size_t n)
{
    size_t size = 64;
    while (size < n * 2)
        size *= 2;
    if (size > k->table_cap) {
        uint32_t *table = tm_heap_grow(k->table, size * sizeof *table);
        if (!table)
            return 0;
        k->table = table;
        k->table_cap = size;
    }
    memset(k->table, 0, size * sizeof *k->table);
    return size;
}

static bool many_differ(struct json_keys *k, size_t base, struct json_key *twice)
{
    struct json_key *keys = k->list + base;
    size_t n = k->n - base, meetings = 0;
    size_t size = clear_table(k, n);
    *twice = (struct json_key){.name = {NULL, 0}};
    if (!size)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t slot = (size_t)hash(keys[i].name) & (size - 1);
        for (; k->table[slot]; slot = (slot + 1) & (size - 1)) {
            if (slice_eq(keys[k->table[slot] - 1].name, keys[i].name)) {
                *twice = keys[i];
                return false;
            }
            if (++meetings > 8 * n)
                return sorted_differ(keys, n, twice);
        }
        k->table[slot] = (uint32_t)i + 1;
    }
    return true;
}

bool tm_json_keys_differ(struct json_keys *k, size_t base, struct json_key *twice)
{
    size_t n = k->n - base;
    bool differ = n <= 1 ||
                  (n <= FEW ? few_differ(k->list + base, n, twice) : many_differ(k, base, twice));
    k->n = base;
    return differ;
}
