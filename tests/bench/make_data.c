/*
 * Data for measurements and for comparisons with other programs, on standard output: N records of
 * eight fields as JSON lines of some 130 bytes or as CSV or TSV rows of some 73, and what else a
 * table of forms has below. Record i depends on the seed and on i alone, so that all forms say the
 * same on every machine.
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

static void print_tsv(const struct record *r)
{
    printf("%lu\tuser-%07u\t%s%d.%03d\t%s%d.%03d\t%s\t%s\t%u\t%s %s %s\n", r->id, r->number,
           sign(r->x), abs(r->x) / 1000, abs(r->x) % 1000, sign(r->y), abs(r->y) / 1000,
           abs(r->y) % 1000, r->city, r->flag ? "true" : "false", r->score, r->note[0], r->note[1],
           r->note[2]);
}

/* Text with an escape every few characters. */
static void print_escaped_json(const struct record *r)
{
    printf(
        "{\"id\":%lu,\"x\":%s%d.%03d,\"path\":\"C:\\\\%s\\\\%s\",\"text\":\"%s\\n\\\"%s\\\"\\t%s "
        "\\u00e9\\n\\\"%s\\\"\\\\\",\"city\":\"%s\"}\n",
        r->id, sign(r->x), abs(r->x) / 1000, abs(r->x) % 1000, r->note[0], r->note[1], r->note[0],
        r->note[1], r->note[2], r->note[0], r->city);
}

static void print_escaped_csv(const struct record *r)
{
    printf("%lu,%s%d.%03d,\"%s\n\"\"%s\"\", %s\",\"\"\"%s\"\",\"\"%s\"\"\",%s\n", r->id, sign(r->x),
           abs(r->x) / 1000, abs(r->x) % 1000, r->note[0], r->note[1], r->note[2], r->note[0],
           r->note[1], r->city);
}

/* A hundred fields. */
static void print_wide(const struct record *r)
{
    printf("{\"id\":%lu,\"x\":%s%d.%03d", r->id, sign(r->x), abs(r->x) / 1000, abs(r->x) % 1000);
    for (unsigned i = 3; i <= 100; i++)
        if (i % 2)
            printf(",\"f%u\":%u", i, r->number + i);
        else
            printf(",\"f%u\":\"%s %s\"", i, r->note[i % 3], r->city);
    fputs("}\n", stdout);
}

/* A megabyte. */
static void print_large(const struct record *r)
{
    printf("{\"id\":%lu,\"x\":%s%d.%03d,\"text\":\"", r->id, sign(r->x), abs(r->x) / 1000,
           abs(r->x) % 1000);
    for (unsigned n = 0; n < 1000000; n += (unsigned)strlen(r->note[n % 3]) + 1)
        printf("%s ", r->note[n % 3]);
    fputs("\"}\n", stdout);
}

static void print_nested(const struct record *r)
{
    printf("{\"id\":%lu,\"user\":{\"name\":\"user-%07u\",\"address\":{\"city\":\"%s\",\"zip\":\"%"
           "05u\"},"
           "\"tags\":[\"%s\",\"%s\"]},\"total\":{\"net\":%s%d.%03d,\"tax\":%u},\"flag\":%s}\n",
           r->id, r->number, r->city, r->score, r->note[0], r->note[1], sign(r->x),
           abs(r->x) / 1000, abs(r->x) % 1000, r->score, r->flag ? "true" : "false");
}

static void print_text(const struct record *r)
{
    printf("2026-11-22T%02u:%02u:%02uZ %s worker-%u %s: request /%s/%s/%lu took %u ms\n",
           r->number % 24, r->number % 60, r->score % 60, r->flag ? "INFO" : "WARN", r->score % 8,
           r->note[0], r->note[1], r->note[2], r->id, r->score);
}

static const struct form {
    const char *name;
    void (*print)(const struct record *r);
    const char *header;
} forms[] = {
    {"jsonl", print_json, NULL},
    {"csv", print_csv, "id,name,x,y,city,flag,score,note"},
    {"tsv", print_tsv, "id\tname\tx\ty\tcity\tflag\tscore\tnote"},
    {"escaped.jsonl", print_escaped_json, NULL},
    {"escaped.csv", print_escaped_csv, "id,x,text,quote,city"},
    {"wide.jsonl", print_wide, NULL},
    {"large.jsonl", print_large, NULL},
    {"nested.jsonl", print_nested, NULL},
    {"text", print_text, NULL},
};

static const struct form *find_form(const char *name)
{
    for (size_t i = 0; i < COUNT(forms); i++)
        if (strcmp(name, forms[i].name) == 0)
            return &forms[i];
    return NULL;
}

static int usage(void)
{
    fputs("usage: make_data FORM [RECORDS [SEED]]\nforms:", stderr);
    for (size_t i = 0; i < COUNT(forms); i++)
        fprintf(stderr, " %s", forms[i].name);
    fputc('\n', stderr);
    return 2;
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
    const struct form *form = argc > 1 ? find_form(argv[1]) : NULL;
    if (!form || argc > 4 || (argc > 2 && !number(argv[2], &count)) ||
        (argc > 3 && !number(argv[3], &seed)))
        return usage();
    if (form->header)
        puts(form->header);
    for (unsigned long id = 1; id <= count; id++) {
        struct record r = make_record(seed, id);
        form->print(&r);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("make_data: cannot write");
        return 1;
    }
    return 0;
}
