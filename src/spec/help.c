/*
 * What the option table says, as rows for help texts and as a JSON Schema. Only the table flows in.
 */
#include "spec/help.h"

#include <inttypes.h>

#include "format/format.h"
#include "record/json.h"
#include "spec/options.h"

int tidemill_option_at(size_t i, tidemill_option *option)
{
    if (i >= tm_options_n || !option)
        return 0;
    const struct option *o = &tm_options[i];
    *option = (tidemill_option){.name = o->key,
                                .type = tm_option_kinds[o->type].name,
                                .value = o->fallback,
                                .choices = o->accepts,
                                .help = o->help};
    return 1;
}

static void put(struct buf *out, const char *text)
{
    buf_slice(out, slice_of(text));
}

static void quoted(struct buf *out, const char *text)
{
    tm_json_write_text(out, slice_of(text), NULL);
}

/* The alternatives of an option, parted by commas, each an object. */
static void words(const struct option *o, struct buf *out)
{
    const char *glue = "";
    put(out, "{\"enum\": [");
    for (const struct option_word *w = o->words; w && w->name; w++, glue = ", ") {
        put(out, glue);
        quoted(out, w->name);
    }
    put(out, "]}");
}

static void formats(const struct option *o, struct buf *out)
{
    const struct format *f;
    put(out, "{\"enum\": [");
    quoted(out, o->absent);
    for (size_t i = 0; (f = tm_format_at(i)); i++)
        if (o->type == OPTION_INPUT_FORMAT ? f->split != NULL : f->write != NULL) {
            put(out, ", ");
            quoted(out, f->name);
        }
    put(out, "]}");
}

static void count(const struct option *o, struct buf *out)
{
    tm_buf_printf(out, "{\"type\": \"integer\", \"minimum\": %" PRIu64, o->min);
    /* Beyond 2^53 a schema's numbers are not exact everywhere. */
    if (o->max <= (uint64_t)1 << 53)
        tm_buf_printf(out, ", \"maximum\": %" PRIu64, o->max);
    put(out, "}");
}

static void type_schema(const struct option *o, struct buf *out)
{
    const struct option_kind *kind = &tm_option_kinds[o->type];
    bool text = kind->schema && strstr(kind->schema, "\"string\"");
    if (kind->schema)
        put(out, kind->schema);
    else if (o->type == OPTION_COUNT)
        count(o, out);
    else if (o->type == OPTION_CHOICE)
        words(o, out);
    else
        formats(o, out);
    if (o->words && o->type != OPTION_CHOICE && !text) {
        put(out, ", ");
        words(o, out);
    }
    if (kind->expands && !text)
        put(out, ", {\"$ref\": \"#/$defs/variable\"}");
}

static void option_schema(const struct option *o, const char *indent, struct buf *out)
{
    const char *name = strchr(o->key, '.') ? strchr(o->key, '.') + 1 : o->key;
    bool bare = o->type == OPTION_BOOL || o->type == OPTION_PARAMS ||
                (o->type == OPTION_COUNT && *o->fallback >= '0' && *o->fallback <= '9');
    put(out, indent);
    quoted(out, name);
    tm_buf_printf(out, ": {\n%s  \"description\": ", indent);
    quoted(out, o->help);
    if (*o->fallback) {
        tm_buf_printf(out, ",\n%s  \"default\": ", indent);
        bare ? put(out, o->fallback) : quoted(out, o->fallback);
    }
    tm_buf_printf(out, ",\n%s  \"anyOf\": [", indent);
    type_schema(o, out);
    tm_buf_printf(out, "]\n%s}", indent);
}

/* Rows of a section stand together: it is opened with the first one and closed with the last. */
static void properties(struct buf *out)
{
    struct slice open = {NULL, 0};
    for (size_t i = 0; i < tm_options_n; i++) {
        struct slice section = tm_option_section_of(slice_of(tm_options[i].key));
        bool same = i > 0 && slice_eq(section, open);
        if (open.n && !same)
            put(out, "\n      }\n    }");
        if (i > 0)
            put(out, ",\n");
        if (section.n && !same)
            tm_buf_printf(out,
                          "    \"%.*s\": {\n      \"type\": \"object\",\n"
                          "      \"additionalProperties\": false,\n      \"properties\": {\n",
                          (int)section.n, section.p);
        option_schema(&tm_options[i], section.n ? "        " : "    ", out);
        open = section;
    }
    put(out, open.n ? "\n      }\n    }\n" : "\n");
}

static const char defs[] =
    "  \"$defs\": {\n"
    "    \"variable\": {\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"},\n"
    "    \"size\": {\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
    "\"^(0|[0-9]+(\\\\.[0-9]+)?([KMGT]i?)?B)$\"}]},\n"
    "    \"duration\": {\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
    "\"^(0|[0-9]+(\\\\.[0-9]+)?(ns|us|ms|s|m|h))$\"}]},\n"
    "    \"texts\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": "
    "{\"type\": \"string\"}}]},\n"
    "    \"types\": {\"anyOf\": [{\"enum\": [\"auto\", \"text\"]}, {\"type\": \"object\", "
    "\"additionalProperties\": {\"enum\": [\"auto\", \"text\"]}}]}\n"
    "  }\n";

void tm_spec_schema(struct buf *out)
{
    put(out, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
             "  \"title\": \"tidemill job file\",\n  \"type\": \"object\",\n"
             "  \"additionalProperties\": false,\n  \"properties\": {\n");
    properties(out);
    put(out, "  },\n");
    put(out, defs);
    put(out, "}\n");
}
