/* The scalar types of the language (LANGUAGE section 2): how each is read and how a schema shows
 * it. */
#include "base/buf.h"
#include "schema/predicate.h"
#include "schema/table.h"

#include <stdlib.h>

/** Numbers with a fraction or an exponent are exact up to here. */
static const double exact_most = 9007199254740992.0;

/**
 * The text of a number as JSON writes it; false for anything else. What comes out of a variable may
 * be a string that holds one: the environment knows no numbers.
 */
static bool number_text(struct reader *reader, const struct node *node, struct str *text)
{
    if (node->kind == NODE_NUMBER)
        *text = node_to_json(reader->arena, node)->text;
    else if (node->kind == NODE_STRING && reader->resolved && number_is_valid(node->text))
        *text = node->text;
    else
        return false;
    return true;
}

/** A whole number, as sign and amount. */
struct whole {
    bool negative;
    uint64_t amount;
};

static bool whole_read(struct reader *reader, const struct node *node, struct whole *whole)
{
    struct str text;
    if (!number_text(reader, node, &text))
        return false;
    whole->negative = str_starts(text, STR("-"));
    struct str digits = whole->negative ? str_from(text, 1) : text;
    if (str_to_u64(digits, UINT64_MAX, &whole->amount))
        return true;
    struct json *number = json_number(reader->arena, text);
    if (!number_is_valid(text) || !json_is_integer(number))
        return false;
    char *copy = arena_alloc(reader->arena, digits.size + 1);
    for (size_t i = 0; i < digits.size; i++)
        copy[i] = digits.data[i];
    double value = strtod(copy, NULL);
    if (!(value <= exact_most))
        return false;
    whole->amount = (uint64_t)value;
    return true;
}

/** Reads a whole number between two bounds. */
static enum read_result count_read(struct reader *reader, const struct node *node, uint64_t least,
                                   uint64_t most, const char *what, uint64_t *into)
{
    struct whole whole;
    if (!whole_read(reader, node, &whole) || (whole.negative && whole.amount) ||
        whole.amount < least || whole.amount > most)
        return reader_expected(reader, node, what);
    *into = whole.amount;
    return READ_OK;
}

static enum read_result read_count(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    return count_read(reader, node, 0, UINT64_MAX, type->name, into);
}

static enum read_result read_positive(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    return count_read(reader, node, 1, UINT64_MAX, type->name, into);
}

static enum read_result read_status(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    return count_read(reader, node, 100, 999, type->name, into);
}

static enum read_result read_integer(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct whole whole;
    uint64_t most = (uint64_t)INT64_MAX;
    if (!whole_read(reader, node, &whole) || whole.amount > most + (whole.negative ? 1 : 0))
        return reader_expected(reader, node, type->name);
    *(int64_t *)into = (int64_t)(whole.negative ? 0 - whole.amount : whole.amount);
    return READ_OK;
}

static enum read_result read_bool(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    bool word = node->kind == NODE_STRING && reader->resolved &&
                (str_is(text, "true") || str_is(text, "false"));
    if (node->kind == NODE_BOOL || word) {
        *(bool *)into = word ? str_is(text, "true") : node->boolean;
        return READ_OK;
    }
    reader_expected(reader, node, type->name);
    if (node->kind != NODE_STRING)
        return READ_FAILED;
    if (str_equal_nocase(text, STR("yes")) || str_equal_nocase(text, STR("on")) ||
        str_equal_nocase(text, STR("true")))
        diagnostics_help(reader->diagnostics, "write true");
    else if (str_equal_nocase(text, STR("no")) || str_equal_nocase(text, STR("off")) ||
             str_equal_nocase(text, STR("false")))
        diagnostics_help(reader->diagnostics, "write false");
    return READ_FAILED;
}

static enum read_result read_true(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    if (node->kind != NODE_NULL)
        return read_bool(reader, type, node, into);
    *(bool *)into = true;
    return READ_OK;
}

static enum read_result read_text(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    if (!node_is_scalar(node) || node->kind == NODE_NULL) {
        reader_expected(reader, node, type->name);
        if (node->kind == NODE_NULL)
            diagnostics_help(reader->diagnostics, text.size ? "write \"null\" for the text"
                                                            : "write \"\" for an empty text");
        return READ_FAILED;
    }
    *(struct str *)into = text;
    return READ_OK;
}

static enum read_result read_string(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    if (node->kind == NODE_STRING) {
        *(struct str *)into = text;
        return READ_OK;
    }
    reader_expected(reader, node, type->name);
    if (node->kind == NODE_NUMBER || node->kind == NODE_BOOL)
        diagnostics_help(reader->diagnostics, "write it in quotes: \"" STR_FMT "\"",
                         STR_ARG(reader_shown(reader, text)));
    return READ_FAILED;
}

enum read_result reader_check_name(struct reader *reader, const struct node *node, struct str name)
{
    if (str_is_name(name))
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "'" STR_FMT "' is not a name",
                    STR_ARG(reader_shown(reader, name)));
    diagnostics_help(reader->diagnostics,
                     "a name starts with a letter a-z and holds letters a-z, digits and '-'");
    return READ_FAILED;
}

static enum read_result read_new_name(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    if (!node_is_scalar(node) || node->kind == NODE_NULL)
        return reader_expected(reader, node, type->name);
    struct str name = node_scalar_text(node);
    if (reader_check_name(reader, node, name) != READ_OK)
        return READ_FAILED;
    *(struct str *)into = name;
    return READ_OK;
}

/** The text of a value with a unit: a string, or a bare number as it was written. */
static struct str unit_text(const struct node *node)
{
    bool has = node->kind == NODE_STRING || node->kind == NODE_NUMBER;
    return has ? node_scalar_text(node) : STR("");
}

/** Says that it is no duration, and how a bare number would be one. */
static enum read_result time_expected(struct reader *reader, const struct type *type,
                                      const struct node *node)
{
    reader_expected(reader, node, type->name);
    struct str text = unit_text(node);
    struct duration range;
    if (number_is_valid(text) && !str_starts(text, STR("-")))
        diagnostics_help(reader->diagnostics, "write " STR_FMT "ms or " STR_FMT "s",
                         STR_ARG(reader_shown(reader, text)), STR_ARG(reader_shown(reader, text)));
    else if ((type == &type_time || type == &type_time_positive) &&
             units_read_duration(text, &range))
        diagnostics_help(reader->diagnostics, "one fixed duration stands here, nothing is drawn");
    return READ_FAILED;
}

static enum read_result read_time(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    if (!units_read_time(unit_text(node), false, into))
        return time_expected(reader, type, node);
    return READ_OK;
}

static enum read_result read_time_positive(struct reader *reader, const struct type *type,
                                           const struct node *node, void *into)
{
    int64_t time_ns = 0;
    struct str text = unit_text(node);
    bool is_time = str_is(text, "0") || units_read_time(text, false, &time_ns);
    if (!is_time)
        return time_expected(reader, type, node);
    if (time_ns == 0)
        return reader_expected(reader, node, "a duration above 0");
    *(int64_t *)into = time_ns;
    return READ_OK;
}

static enum read_result read_duration(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    if (!units_read_duration(unit_text(node), into))
        return time_expected(reader, type, node);
    return READ_OK;
}

/** The text of a size: bare numbers may be written in any integer form. */
static struct str size_text(struct reader *reader, const struct node *node)
{
    return node->kind == NODE_NUMBER ? node_to_json(reader->arena, node)->text : unit_text(node);
}

static enum read_result read_size(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct size_range range;
    struct str text = size_text(reader, node);
    if (units_read_size(text, into))
        return READ_OK;
    reader_expected(reader, node, type->name);
    if (units_read_size_range(text, &range))
        diagnostics_help(reader->diagnostics, "one fixed size stands here, nothing is drawn");
    return READ_FAILED;
}

static enum read_result read_size_range(struct reader *reader, const struct type *type,
                                        const struct node *node, void *into)
{
    if (!units_read_size_range(size_text(reader, node), into))
        return reader_expected(reader, node, type->name);
    return READ_OK;
}

static enum read_result read_share(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct str text = unit_text(node);
    if (units_read_share(text, into))
        return READ_OK;
    reader_expected(reader, node, type->name);
    if (number_is_valid(text) && !str_starts(text, STR("-")))
        diagnostics_help(reader->diagnostics, "write " STR_FMT "%%",
                         STR_ARG(reader_shown(reader, text)));
    return READ_FAILED;
}

static enum read_result read_json(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    (void)type;
    const struct node *resolved;
    enum read_result result = reader_resolve_tree(reader, node, &resolved);
    if (result == READ_OK)
        *(struct json **)into = node_to_json(reader->arena, resolved);
    return result;
}

/** Refuses what looks like a predicate in the tree as written; what a variable holds is data. */
static enum read_result literal_check(struct reader *reader, const struct node *node)
{
    enum read_result result = READ_OK;
    if (node->kind == NODE_MAP && node->count && predicate_looks_like(node)) {
        const struct node *key = node->pairs[0].key;
        diagnostics_add(reader->diagnostics, key->place,
                        "'" STR_FMT "' here looks like a predicate; 'json' takes literals only",
                        STR_ARG(reader_shown(reader, key->text)));
        diagnostics_help(reader->diagnostics, "use jsonpath: {$.path: {" STR_FMT ": …}}",
                         STR_ARG(reader_shown(reader, key->text)));
        return READ_FAILED;
    }
    for (size_t i = 0; i < node->count && !node_is_scalar(node); i++)
        result = read_worse(
            result,
            literal_check(reader, node->kind == NODE_LIST ? node->items[i] : node->pairs[i].value));
    return result;
}

static enum read_result read_json_literal(struct reader *reader, const struct type *type,
                                          const struct node *node, void *into)
{
    enum read_result result = reader->resolved ? READ_OK : literal_check(reader, node);
    return read_worse(result, read_json(reader, type, node, into));
}

static enum read_result read_node(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    (void)type;
    const struct node *resolved;
    if (reader_resolve_tree(reader, node, &resolved) == READ_FAILED)
        return READ_FAILED;
    *(const struct node **)into = reader_keep(reader, node);
    return READ_OK;
}

static enum read_result read_place(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    (void)reader;
    (void)type;
    *(struct place *)into = node->place;
    return READ_OK;
}

#define VARIABLE "\\\\$\\\\{"
#define TIME_PATTERN "[0-9]+(\\\\.[0-9]+)?(us|ms|s|m|h|d)"
#define SIZE_PATTERN "[0-9]+(\\\\.[0-9]+)?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?"

/* What `.extra` of the scalars below holds is their JSON Schema: strings in them may hold a
 * variable. */
static struct json *schema_extra(struct schema_writer *writer, const struct type *type)
{
    return schema_text(writer, type->extra);
}

const struct type type_bool = {
    .name = "true or false",
    .size = sizeof(bool),
    .read = read_bool,
    .schema = schema_extra,
    .extra = "{\"type\": [\"boolean\", \"string\"], \"pattern\": \"" VARIABLE "\"}",
};

const struct type type_true = {
    .name = "true, false, or nothing",
    .size = sizeof(bool),
    .read = read_true,
    .schema = schema_extra,
    .extra = "{\"type\": [\"boolean\", \"null\", \"string\"], \"pattern\": \"" VARIABLE "\"}",
};

const struct type type_count = {
    .name = "a whole number",
    .size = sizeof(uint64_t),
    .read = read_count,
    .schema = schema_extra,
    .extra = "{\"type\": [\"integer\", \"string\"], \"minimum\": 0, \"pattern\": \"" VARIABLE "\"}",
};

const struct type type_positive = {
    .name = "a whole number from 1",
    .size = sizeof(uint64_t),
    .read = read_positive,
    .schema = schema_extra,
    .extra = "{\"type\": [\"integer\", \"string\"], \"minimum\": 1, \"pattern\": \"" VARIABLE "\"}",
};

const struct type type_integer = {
    .name = "a whole number",
    .size = sizeof(int64_t),
    .read = read_integer,
    .schema = schema_extra,
    .extra = "{\"type\": [\"integer\", \"string\"], \"pattern\": \"" VARIABLE "\"}",
};

const struct type type_status = {
    .name = "a status from 100 to 999",
    .size = sizeof(uint64_t),
    .read = read_status,
    .schema = schema_extra,
    .extra = "{\"type\": [\"integer\", \"string\"], \"minimum\": 100, \"maximum\": 999, "
             "\"pattern\": \"" VARIABLE "\"}",
};

const struct type type_text = {
    .name = "a text",
    .size = sizeof(struct str),
    .read = read_text,
    .schema = schema_extra,
    .extra = "{\"type\": [\"string\", \"number\", \"boolean\"]}",
};

const struct type type_string = {
    .name = "a string",
    .size = sizeof(struct str),
    .read = read_string,
    .schema = schema_extra,
    .extra = "{\"type\": \"string\"}",
};

const struct type type_new_name = {
    .name = "a name",
    .size = sizeof(struct str),
    .read = read_new_name,
    .schema = schema_extra,
    .extra = "{\"type\": \"string\", \"pattern\": \"^[a-z][a-z0-9-]*$|" VARIABLE "\"}",
};

const struct type type_time = {
    .name = "a duration such as 300ms",
    .size = sizeof(int64_t),
    .read = read_time,
    .schema = schema_extra,
    .extra = "{\"type\": [\"string\", \"integer\"], \"minimum\": 0, \"maximum\": 0, "
             "\"pattern\": \"^(0|" TIME_PATTERN ")$|" VARIABLE "\"}",
};

const struct type type_time_positive = {
    .name = "a duration such as 300ms",
    .size = sizeof(int64_t),
    .read = read_time_positive,
    .schema = schema_extra,
    .extra = "{\"type\": \"string\", \"pattern\": \"^(?=.*[1-9])" TIME_PATTERN "$|" VARIABLE "\"}",
};

const struct type type_duration = {
    .name = "a duration such as 300ms, 1s-3s or 20ms~5ms",
    .size = sizeof(struct duration),
    .read = read_duration,
    .schema = schema_extra,
    .extra = "{\"type\": [\"string\", \"integer\"], \"minimum\": 0, \"maximum\": 0, "
             "\"pattern\": \"^(0|" TIME_PATTERN ")([-~](0|" TIME_PATTERN "))?$|" VARIABLE "\"}",
};

const struct type type_size = {
    .name = "a size such as 512 or 64KiB",
    .size = sizeof(uint64_t),
    .read = read_size,
    .schema = schema_extra,
    .extra = "{\"type\": [\"string\", \"integer\"], \"minimum\": 0, "
             "\"pattern\": \"^" SIZE_PATTERN "$|" VARIABLE "\"}",
};

const struct type type_size_range = {
    .name = "a size such as 64KiB or 10-100",
    .size = sizeof(struct size_range),
    .read = read_size_range,
    .schema = schema_extra,
    .extra = "{\"type\": [\"string\", \"integer\"], \"minimum\": 0, "
             "\"pattern\": \"^" SIZE_PATTERN "(-" SIZE_PATTERN ")?$|" VARIABLE "\"}",
};

const struct type type_share = {
    .name = "a share such as 25%",
    .size = sizeof(double),
    .read = read_share,
    .schema = schema_extra,
    .extra = "{\"type\": \"string\", \"pattern\": \"^[0-9]+(\\\\.[0-9]+)?%$|" VARIABLE "\"}",
};

const struct type type_json = {
    .name = "any value",
    .size = sizeof(struct json *),
    .read = read_json,
};

const struct type type_json_literal = {
    .name = "a literal value",
    .size = sizeof(struct json *),
    .read = read_json_literal,
    .raw = true,
};

const struct type type_node = {
    .name = "any value",
    .size = sizeof(const struct node *),
    .read = read_node,
    .raw = true,
};

const struct type type_place = {
    .name = "any value",
    .size = sizeof(struct place),
    .read = read_place,
    .raw = true,
};
