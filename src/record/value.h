/*
 * A value: what a field holds. Slices until somebody asks.
 */
#ifndef TM_RECORD_VALUE_H
#define TM_RECORD_VALUE_H

#include <stdint.h>

#include "base/slice.h"

struct node;

enum value_kind {
    VALUE_NONE, /* nothing: a deleted or missing field */
    VALUE_JSON, /* .text is one valid JSON value without outer white space, not looked at yet */
    VALUE_CELL, /* .text is the content of a CSV cell, typed when it is touched */
    VALUE_NULL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_INT,    /* .i */
    VALUE_FLOAT,  /* .d; a script may make it NaN or infinite */
    VALUE_TEXT,   /* .text: bytes, UTF-8 or not */
    VALUE_NUMBER, /* .text: a JSON number that neither int64 nor double holds, its own digits */
    VALUE_NODE,   /* .node: an opened or built array or object */
};

struct value {
    enum value_kind kind;
    union {
        struct slice text;
        int64_t i;
        double d;
        struct node *node;
    };
};

/* Does it have text? */
static inline bool value_is_text(const struct value *v)
{
    return v->kind == VALUE_TEXT || v->kind == VALUE_CELL || v->kind == VALUE_JSON ||
           v->kind == VALUE_NUMBER;
}

/*
 * *to = *from, part by part: values are written like that, and what was written in parts and is read as a whole
 * at once costs as much as to find a field.
 */
static inline void value_copy(struct value *to, const struct value *from)
{
    to->kind = from->kind;
    if (value_is_text(from))
        to->text = from->text;
    else
        to->i = from->i;
}

#endif
