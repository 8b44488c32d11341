/*
 * Data for measurements and for comparisons with other programs: N records of eight fields, as JSON
 * lines of some 130 bytes or as CSV rows of some 73, on standard output. Record i depends on the seed
 * and on i alone, so that both forms say the same on every machine.
 *
 * No value of x becomes whole when it is doubled: programs differ in how they write 502.0.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const cities[] = {
    "Berlin", "Zürich", "Oslo",      "Łódź", "Madrid", "東京",      "New York", "København",
    "Paris",  "Lagos",  "São Paulo", "Lima", "Cairo",  "Reykjavík", "Pune",     "Vilnius",
};

static const char *const words[] = {
    "amber", "brook", "cedar", "drift",  "ember", "fern",  "gale", "harbor",
    "inlet", "jetty", "kelp",  "lagoon", "marsh", "north", "oar",  "pier",
};

struct record {
    unsigned long id;
    unsigned number; /* of its name */
    int x, y;        /* thousandths */
    const char *city;
    bool flag;
    unsigned score; /* 0 .. 9999, evenly */
    const char *note[3];
    bool comma, quotes; /* in the note */
};

/* splitmix64: a good stream from any seed, also from neighbouring ones. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static unsigned below(uint64_t *state, unsigned n)
{
    return (unsigned)((next_random(state) >> 32) * n >> 32);
}

static struct record make_record(uint64_t seed, unsigned long id)
{
    uint64_t state = seed * 0x2545f4914f6cdd1du + id;
    struct record r = {.id = id};
    r.number = below(&state, 10000000);
    r.x = (int)below(&state, 199999) * 10 - 999995 + (int)below(&state, 4) + 1;
    r.y = (int)below(&state, 200000) - 100000;
    r.city = cities[below(&state, COUNT(cities))];
    r.flag = below(&state, 2) == 1;
    r.score = below(&state, 10000);
    for (size_t i = 0; i < COUNT(r.note); i++)
        r.note[i] = words[below(&state, COUNT(words))];
    r.comma = below(&state, 20) == 0;
    r.quotes = below(&state, 100) == 0;
    return r;
}

static const char *sign(int thousandths)
{
    return thousandths < 0 ? "-" : "";
}

/* The words of the note with what is around them in its form: `quote` is an escaped quote. */
static void print_note(const struct record *r, const char *quote)
{
    if (!r->quotes)
        quote = "";
    printf("%s%s%s %s%s %s", quote, r->note[0], quote, r->note[1], r->comma ? "," : "", r->note[2]);
}

static void print_json(const struct record *r)
{
    printf("{\"id\":%lu,\"name\":\"user-%07u\",\"x\":%s%d.%03d,\"y\":%s%d.%03d,\"city\":\"%s\","
           "\"flag\":%s,"
           "\"score\":%u,\"note\":\"",
           r->id, r->number, sign(r->x), abs(r->x) / 1000, abs(r->x) % 1000, sign(r->y),
           abs(r->y) / 1000, abs(r->y) % 1000, r->city, r->flag ? "true" : "false", r->score);
    print_note(r, "\\\"");
    fputs("\"}\n", stdout);
}

static void print_csv(const struct record *r)
{
    const char *quote = r->comma || r->quotes ? "\"" : "";
    printf("%lu,user-%07u,%s%d.%03d,%s%d.%03d,%s,%s,%u,%s", r->id, r->number, sign(r->x),
           abs(r->x) / 1000, abs(r->x) % 1000, sign(r->y), abs(r->y) / 1000, abs(r->y) % 1000,
           r->city, r->flag ? "true" : "false", r->score, quote);
    print_note(r, "\"\"");
    printf("%s\n", quote);
}

static bool number(const char *text, unsigned long *out)
{
    char *end;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    unsigned long count = 1000000, seed = 1;
    bool csv = argc > 1 && strcmp(argv[1], "csv") == 0;
    if ((!csv && (argc < 2 || strcmp(argv[1], "jsonl") != 0)) || argc > 4 ||
        (argc > 2 && !number(argv[2], &count)) || (argc > 3 && !number(argv[3], &seed))) {
        fputs("usage: make_data jsonl|csv [RECORDS [SEED]]\n", stderr);
        return 2;
    }
    if (csv)
        puts("id,name,x,y,city,flag,score,note");
    for (unsigned long id = 1; id <= count; id++) {
        struct record r = make_record(seed, id);
        (csv ? print_csv : print_json)(&r);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("make_data: cannot write");
        return 1;
    }
    return 0;
}
