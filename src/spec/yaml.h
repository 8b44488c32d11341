/*
 * YAML as a tree with places: libyaml's events in, nodes out. Only the plain part of YAML passes;
 * anchors, aliases, tags, several documents, duplicate keys and deep nesting are problems.
 */
#ifndef TM_SPEC_YAML_H
#define TM_SPEC_YAML_H

#include "spec/problems.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };
enum yaml_style { YAML_PLAIN, YAML_QUOTED, YAML_LITERAL, YAML_FOLDED };

/* All is the arena's. Nothing of it is known to be sane but what is said here. */
struct yaml_node {
    enum yaml_kind kind;
    enum yaml_style style;
    bool spoilt;           /* a problem was told about it: complain no more */
    size_t at;             /* where it begins: characters from 0 */
    struct slice text;     /* YAML_TEXT: valid UTF-8, may hold any control character */
    struct yaml_node *key; /* entries of a mapping: a YAML_TEXT, not empty */
    size_t n;              /* of items or entries */
    struct yaml_node *first, *last, *next;
};

#define YAML_SIZE_MAX  ((size_t)1 << 20)
#define YAML_DEPTH_MAX 64

/*
 * Read the whole of t->bytes. *root is NULL when there is nothing in it; after a mistake it is what
 * was understood so far. Problems (and out_of_memory) go to the spec.
 */
void tm_yaml_read(const struct job_text *t, struct arena *a, struct yaml_node **root);

/* A plain scalar that YAML takes for null. */
bool tm_yaml_null(const struct yaml_node *node);
/* "a list", "a mapping", "text". */
const char *tm_yaml_kind(const struct yaml_node *node);

#endif
