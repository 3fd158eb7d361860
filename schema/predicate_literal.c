/* What stands behind the key of a predicate: its literals, and the forms in which they are written.
 */
#include "schema/predicate_private.h"

#include <string.h>

/* Literals */

static void release_regex(void *regex)
{
    regex_free(regex);
}

/** The bytes of the source from a place on, to the end of the line. */
static struct str place_rest(struct place place)
{
    struct str rest = place.source ? place.source->text : STR("");
    for (uint32_t line = 1; line < place.line; line++) {
        ptrdiff_t end = str_find_byte(rest, '\n');
        if (end < 0)
            return STR("");
        rest = str_from(rest, (size_t)end + 1);
    }
    for (uint32_t column = 1; column < place.column && rest.size; column++) {
        uint32_t code;
        size_t size = str_decode(rest, &code);
        rest = str_from(rest, size ? size : 1);
    }
    return rest;
}

struct place node_place_at(const struct node *node, size_t offset)
{
    if (!node->place.source || node->place.line == 0)
        return node->place;
    struct str written = place_rest(node->place);
    uint32_t quote = node->quoted && written.size ? 1 : 0;
    if (!str_starts(str_from(written, quote), node->text))
        return node->place;
    uint32_t before = (uint32_t)str_characters(str_slice(node->text, 0, offset));
    return place_inside(node->place, before + quote, 1);
}

/** Compiles a pattern that lives as long as the reader's arena; errors are placed in the node's
 * text. */
static struct regex *pattern_compile(struct reader *reader, const struct node *node,
                                     struct str pattern, size_t prefix)
{
    struct regex_error error;
    struct regex *regex = regex_new(pattern, &error);
    if (regex) {
        arena_defer(reader->arena, release_regex, regex);
        return regex;
    }
    size_t offset = error.offset > prefix ? error.offset - prefix : 0;
    diagnostics_add(reader->diagnostics, node_place_at(node, offset),
                    "wrong regular expression: %s", error.message);
    return NULL;
}

static struct str text_join(struct arena *arena, struct str first, struct str second)
{
    char *text = arena_alloc(arena, first.size + second.size + 1);
    memcpy(text, first.data, first.size);
    if (second.size)
        memcpy(text + first.size, second.data, second.size);
    return (struct str){text, first.size + second.size};
}

/** A pattern for just this text, whatever its case. */
static struct str text_pattern(struct arena *arena, const struct test *test, struct str text)
{
    bool start = test->row->test == test_starts_with;
    bool end = test->row->test == test_ends_with;
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_append_string(&buf, start ? "(?i)\\A" : "(?i)");
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool letter = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= 'a' && byte <= 'z');
        if (byte > 0x20 && byte < 0x7f && !letter)
            buf_append_byte(&buf, '\\');
        buf_append_byte(&buf, (char)byte);
    }
    if (end)
        buf_append_string(&buf, "\\z");
    struct str pattern = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return pattern;
}

/** Prepares a literal to be compared without regard to case. */
static enum read_result literal_fold(struct reader *reader, const struct test *test,
                                     const struct node *node, struct literal *literal)
{
    if (literal->value->kind != JSON_STRING) {
        diagnostics_add(reader->diagnostics, node->place,
                        "with 'ignore-case' this has to be a text");
        return READ_FAILED;
    }
    struct str text = literal->value->text;
    bool whole = test->row->test == test_equals || test->row->test == test_in;
    if (test->kind->output && whole)
        text = text_without_newline(text);
    literal->regex = pattern_compile(reader, node, text_pattern(reader->arena, test, text), 0);
    return literal->regex ? READ_OK : READ_FAILED;
}

bool node_is_nothing(const struct node *node)
{
    return node->kind == NODE_NULL && node->text.size == 0;
}

enum read_result nothing_given(struct reader *reader, const struct node *node,
                               const struct kind *kind)
{
    struct str what = arena_printf(reader->arena, "%s or a predicate", kind->what);
    reader_expected(reader, node, what.data);
    diagnostics_help(reader->diagnostics, kind->subject == SUBJECT_JSON
                                              ? "write null to compare with null"
                                              : "write \"\" for an empty text");
    return READ_FAILED;
}

static bool is_sha256(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!strchr("0123456789abcdefABCDEF", text.data[i]) || !text.data[i])
            return false;
    return text.size == 64;
}

static struct str lower_case(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++)
        copy[i] =
            text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] | 0x20) : text.data[i];
    return (struct str){copy, text.size};
}

static enum read_result literal_text(struct reader *reader, const struct test *test,
                                     const struct node *node, struct literal *literal)
{
    bool whole = test->row->test == test_equals || test->row->test == test_in;
    struct str text = node_scalar_text(node);
    if (node_is_nothing(node))
        return nothing_given(reader, node, test->kind);
    if (!node_is_scalar(node))
        return reader_expected(reader, node, "a text");
    if (test->kind->sha256 && whole) {
        if (!is_sha256(text))
            return reader_expected(reader, node, "a SHA-256 of 64 hexadecimal digits");
        text = lower_case(reader->arena, text);
    }
    literal->value = json_string(reader->arena, text);
    return READ_OK;
}

static enum read_result literal_json(struct reader *reader, const struct test *test,
                                     const struct node *node, struct literal *literal)
{
    if (node_is_nothing(node))
        return nothing_given(reader, node, test->kind);
    literal->value = node_to_json(reader->arena, node);
    return READ_OK;
}

/** A number, also one that a variable gives as text; NULL if it is none. */
static struct json *node_number(struct reader *reader, const struct node *node)
{
    if (node->kind == NODE_NUMBER)
        return node_to_json(reader->arena, node);
    bool text = node->kind == NODE_STRING && number_is_valid(node->text);
    return text ? json_number(reader->arena, node->text) : NULL;
}

static enum read_result literal_number(struct reader *reader, const struct test *test,
                                       const struct node *node, struct literal *literal)
{
    (void)test;
    literal->value = node_number(reader, node);
    return literal->value ? READ_OK : reader_expected(reader, node, "a number");
}

/** The text of a value that may have a unit; empty for what is neither string nor number. */
static struct str unit_text(struct reader *reader, const struct node *node)
{
    if (node->kind == NODE_NUMBER)
        return node_to_json(reader->arena, node)->text;
    return node->kind == NODE_STRING ? node->text : STR("");
}

static enum read_result literal_duration(struct reader *reader, const struct test *test,
                                         const struct node *node, struct literal *literal)
{
    int64_t ns;
    struct str text = unit_text(reader, node);
    (void)test;
    if (!units_read_time(text, false, &ns)) {
        reader_expected(reader, node, "a duration such as 300ms");
        if (number_is_valid(text) && !str_starts(text, STR("-")))
            diagnostics_help(reader->diagnostics, "write " STR_FMT "ms or " STR_FMT "s",
                             STR_ARG(reader_shown(reader, text)),
                             STR_ARG(reader_shown(reader, text)));
        return READ_FAILED;
    }
    literal->value = json_integer(reader->arena, ns);
    return READ_OK;
}

static struct json *json_u64(struct arena *arena, uint64_t value)
{
    return json_number(arena, arena_printf(arena, "%llu", (unsigned long long)value));
}

static enum read_result literal_size(struct reader *reader, const struct test *test,
                                     const struct node *node, struct literal *literal)
{
    uint64_t bytes;
    (void)test;
    if (!units_read_size(unit_text(reader, node), &bytes))
        return reader_expected(reader, node, "a size such as 512 or 64KiB");
    literal->value = json_u64(reader->arena, bytes);
    return READ_OK;
}

static enum read_result literal_status(struct reader *reader, const struct test *test,
                                       const struct node *node, struct literal *literal)
{
    struct str text = unit_text(reader, node);
    uint64_t status;
    (void)test;
    literal->value = json_number(reader->arena, text);
    if (text.size == 3 && text.data[0] >= '1' && text.data[0] <= '9' &&
        str_equal_nocase(str_from(text, 1), STR("xx"))) {
        literal->status_class = (unsigned)(text.data[0] - '0');
        return READ_OK;
    }
    if (!str_to_u64(text, 999, &status) || status < 100)
        return reader_expected(reader, node, "a status such as 200 or 2xx");
    return READ_OK;
}

static enum read_result literal_count(struct reader *reader, const struct test *test,
                                      const struct node *node, struct literal *literal)
{
    double share;
    (void)test;
    if (node->kind == NODE_STRING && units_read_share(node->text, &share)) {
        literal->share = true;
        literal->value = json_double(reader->arena, share);
        return READ_OK;
    }
    literal->value = node_number(reader, node);
    return literal->value ? READ_OK
                          : reader_expected(reader, node, "a count or a share such as 25%");
}

typedef enum read_result (*literal_reader)(struct reader *reader, const struct test *test,
                                           const struct node *node, struct literal *literal);

static const literal_reader literal_readers[] = {
    [SUBJECT_TEXT] = literal_text,     [SUBJECT_JSON] = literal_json,
    [SUBJECT_NUMBER] = literal_number, [SUBJECT_DURATION] = literal_duration,
    [SUBJECT_SIZE] = literal_size,     [SUBJECT_STATUS] = literal_status,
    [SUBJECT_CHOICE] = literal_text,   [SUBJECT_COUNT] = literal_count,
};

static enum read_result literal_read(struct reader *reader, const struct test *test,
                                     literal_reader read, const struct node *node,
                                     struct literal *literal)
{
    literal->place = node->place;
    literal->written = node_scalar_text(node);
    enum read_result result = read(reader, test, node, literal);
    if (result == READ_OK && test->ignore_case)
        result = literal_fold(reader, test, node, literal);
    return result;
}

/** Reads `count` nodes into the literals of a test. */
static enum read_result literals_read(struct reader *reader, struct test *test, literal_reader read,
                                      const struct node *const *nodes, size_t count)
{
    enum read_result result = READ_OK;
    test->literals = arena_alloc_array(reader->arena, count, sizeof *test->literals);
    test->count = count;
    for (size_t i = 0; i < count; i++)
        result = read_worse(result, literal_read(reader, test, read, nodes[i], &test->literals[i]));
    return result;
}

/* Forms */

static enum read_result read_value(struct reader *reader, const struct node *node,
                                   struct test *test)
{
    literal_reader read = literal_readers[test->kind->subject];
    bool text = test->kind->subject == SUBJECT_TEXT && test->row->test == test_equals;
    enum read_result result = reader_resolve_tree(reader, node, &node);
    if (result != READ_OK)
        return result;
    if (node->kind != NODE_LIST || !text)
        return literals_read(reader, test, read, &node, 1);
    test->list = true;
    return literals_read(reader, test, read, (const struct node *const *)node->items, node->count);
}

static enum read_result read_list(struct reader *reader, const struct node *node, struct test *test)
{
    enum read_result result = reader_resolve_tree(reader, node, &node);
    if (result != READ_OK)
        return result;
    if (node->kind != NODE_LIST)
        return reader_expected_container(reader, node, "a list", "write what it may be: [a, b]");
    if (node->count == 0) {
        diagnostics_add(reader->diagnostics, node->place, "an empty list: nothing is in it");
        return READ_FAILED;
    }
    return literals_read(reader, test, literal_readers[test->kind->subject],
                         (const struct node *const *)node->items, node->count);
}

static enum read_result read_text(struct reader *reader, const struct node *node, struct test *test)
{
    enum read_result result = reader_resolve_tree(reader, node, &node);
    return result == READ_OK ? literals_read(reader, test, literal_text, &node, 1) : result;
}

static enum read_result read_pattern(struct reader *reader, const struct node *node,
                                     struct test *test)
{
    bool fold = test->ignore_case;
    test->ignore_case = false;
    enum read_result result = read_text(reader, node, test);
    test->ignore_case = fold;
    if (result != READ_OK)
        return result;
    (void)reader_resolve_tree(reader, node, &node);
    struct str pattern = test->literals[0].value->text;
    size_t prefix = fold ? 4 : 0;
    if (fold)
        pattern = text_join(reader->arena, STR("(?i)"), pattern);
    test->regex = pattern_compile(reader, node, pattern, prefix);
    return test->regex ? READ_OK : READ_FAILED;
}

static enum read_result read_flag(struct reader *reader, const struct node *node, struct test *test)
{
    return reader_read(reader, &type_bool, node, &test->flag);
}

static const char *const json_types[] = {"string", "number", "integer", "boolean",
                                         "null",   "array",  "object"};

static bool is_json_type(struct str text)
{
    for (size_t i = 0; i < COUNT_OF(json_types); i++)
        if (str_is(text, json_types[i]))
            return true;
    return false;
}

static enum read_result read_type(struct reader *reader, const struct node *node, struct test *test)
{
    enum read_result result = reader_resolve_tree(reader, node, &node);
    if (result != READ_OK)
        return result;
    struct str text = node_scalar_text(node);
    if (!is_json_type(text)) {
        reader_expected(reader, node,
                        "a type: string, number, integer, boolean, null, array or object");
        struct nearest nearest = {.wanted = text};
        for (size_t i = 0; i < COUNT_OF(json_types); i++)
            str_nearest(&nearest, str_of(json_types[i]));
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
        return READ_FAILED;
    }
    test->ignore_case = false;
    return literals_read(reader, test, literal_text, &node, 1);
}

/** A number, or of a text also a duration or a size, each with its unit. */
static enum read_result literal_quantity(struct reader *reader, const struct test *test,
                                         const struct node *node, struct literal *literal)
{
    int64_t ns;
    uint64_t bytes;
    literal->value = node_number(reader, node);
    if (literal->value)
        return READ_OK;
    if (test->kind->subject != SUBJECT_TEXT)
        return reader_expected(reader, node, "a number");
    if (units_read_time(unit_text(reader, node), false, &ns)) {
        literal->quantity = QUANTITY_TIME;
        literal->value = json_integer(reader->arena, ns);
    } else if (units_read_size(unit_text(reader, node), &bytes)) {
        literal->quantity = QUANTITY_SIZE;
        literal->value = json_u64(reader->arena, bytes);
    }
    return literal->value ? READ_OK : reader_expected(reader, node, "a number, duration or size");
}

/** How a bound on this subject is read: as its values are, but text by its quantity. */
static literal_reader quantity_reader(enum subject subject)
{
    bool own = subject == SUBJECT_DURATION || subject == SUBJECT_SIZE || subject == SUBJECT_COUNT;
    return own ? literal_readers[subject] : literal_quantity;
}

/** Reads literals that `ignore-case` does not concern. */
static enum read_result quantities_read(struct reader *reader, struct test *test,
                                        const struct node *const *nodes, size_t count)
{
    bool fold = test->ignore_case;
    test->ignore_case = false;
    enum read_result result =
        literals_read(reader, test, quantity_reader(test->kind->subject), nodes, count);
    test->ignore_case = fold;
    return result;
}

static enum read_result read_quantity(struct reader *reader, const struct node *node,
                                      struct test *test)
{
    enum read_result result = reader_resolve_tree(reader, node, &node);
    return result == READ_OK ? quantities_read(reader, test, &node, 1) : result;
}

static enum read_result read_pair(struct reader *reader, const struct node *node, struct test *test)
{
    enum read_result result = reader_resolve_tree(reader, node, &node);
    if (result != READ_OK)
        return result;
    if (node->kind != NODE_LIST || node->count != 2) {
        reader_expected(reader, node, "a list of two: the lowest and the highest");
        diagnostics_help(reader->diagnostics, "write between: [10, 20]");
        return READ_FAILED;
    }
    result = quantities_read(reader, test, (const struct node *const *)node->items, 2);
    if (result != READ_OK)
        return result;
    const struct literal *low = &test->literals[0];
    const struct literal *high = &test->literals[1];
    bool ordered;
    if (low->quantity != high->quantity || low->share != high->share) {
        diagnostics_add(reader->diagnostics, high->place, "the two ends are of different kinds");
        return READ_FAILED;
    }
    if (number_compare(low->value->text, high->value->text, &ordered) > 0) {
        diagnostics_add(reader->diagnostics, low->place,
                        "the first end is above the second: nothing is between them");
        return READ_FAILED;
    }
    return READ_OK;
}

static enum read_result inner_read(struct reader *reader, const struct kind *kind,
                                   const struct node *node, struct test *test)
{
    const struct type type = {.name = kind->what,
                              .size = sizeof(struct predicate *),
                              .read = predicate_read,
                              .extra = kind};
    return reader_read(reader, &type, node, &test->inner);
}

static enum read_result read_predicate(struct reader *reader, const struct node *node,
                                       struct test *test)
{
    return inner_read(reader, test->kind, node, test);
}

static enum read_result read_member(struct reader *reader, const struct node *node,
                                    struct test *test)
{
    return inner_read(reader,
                      test->kind->subject == SUBJECT_JSON ? test->kind : type_predicate_body.extra,
                      node, test);
}

static enum read_result read_count(struct reader *reader, const struct node *node,
                                   struct test *test)
{
    return inner_read(reader, &kind_number, node, test);
}

/* What a literal of each form may look like, before variables are known. */

static bool fits_any(const struct node *node)
{
    return !node_is_nothing(node);
}

static bool fits_list(const struct node *node)
{
    return node->kind == NODE_LIST;
}

static bool fits_text(const struct node *node)
{
    return node->kind == NODE_STRING;
}

static bool fits_flag(const struct node *node)
{
    return node->kind == NODE_BOOL;
}

static bool fits_type(const struct node *node)
{
    return node_is_scalar(node) && is_json_type(node_scalar_text(node));
}

static bool fits_quantity(const struct node *node)
{
    int64_t ns;
    uint64_t bytes;
    return node->kind == NODE_NUMBER ||
           (node->kind == NODE_STRING &&
            (units_read_time(node->text, false, &ns) || units_read_size(node->text, &bytes)));
}

static bool fits_pair(const struct node *node)
{
    return node->kind == NODE_LIST && node->count == 2;
}

static bool fits_predicate(const struct node *node)
{
    return node->kind == NODE_MAP && predicate_looks_like(node);
}

static bool fits_count(const struct node *node)
{
    return node->kind == NODE_NUMBER || fits_predicate(node);
}

/* Schemas of the literals. */

static struct json *schema_literal(struct schema_writer *writer, const struct kind *kind)
{
    static const struct type *const types[] = {
        [SUBJECT_TEXT] = &type_text, [SUBJECT_NUMBER] = NULL,       [SUBJECT_DURATION] = &type_time,
        [SUBJECT_SIZE] = &type_size, [SUBJECT_CHOICE] = &type_text,
    };
    if (kind->subject < COUNT_OF(types) && types[kind->subject])
        return schema_of(writer, types[kind->subject]);
    if (kind->subject == SUBJECT_NUMBER)
        return schema_or_variable(writer, schema_text(writer, "{\"type\": \"number\"}"));
    if (kind->subject == SUBJECT_STATUS)
        return schema_text(writer,
                           "{\"type\": [\"integer\", \"string\"], \"minimum\": 100, "
                           "\"maximum\": 999, \"pattern\": \"^[1-9][xX][xX]$|\\\\$\\\\{\"}");
    if (kind->subject == SUBJECT_COUNT)
        return schema_either(writer, schema_text(writer, "{\"type\": \"number\"}"),
                             schema_of(writer, &type_share));
    return NULL;
}

static struct json *schema_value(struct schema_writer *writer, const struct kind *kind)
{
    struct json *literal = schema_literal(writer, kind);
    if (!literal || kind->subject != SUBJECT_TEXT)
        return literal;
    return schema_either(writer, literal, form_list.schema(writer, kind));
}

static struct json *schema_list(struct schema_writer *writer, const struct kind *kind)
{
    struct json *list = schema_text(writer, "{\"type\": \"array\"}");
    struct json *literal = schema_literal(writer, kind);
    if (literal)
        json_put(schema_arena(writer), list, STR("items"), literal);
    return list;
}

static struct json *schema_string(struct schema_writer *writer, const struct kind *kind)
{
    (void)kind;
    return schema_of(writer, &type_text);
}

static struct json *schema_flag(struct schema_writer *writer, const struct kind *kind)
{
    (void)kind;
    return schema_of(writer, &type_bool);
}

static struct json *schema_type(struct schema_writer *writer, const struct kind *kind)
{
    (void)kind;
    return schema_text(writer, "{\"enum\": [\"string\", \"number\", \"integer\", \"boolean\", "
                               "\"null\", null, \"array\", \"object\"]}");
}

static struct json *schema_quantity(struct schema_writer *writer, const struct kind *kind)
{
    bool own = quantity_reader(kind->subject) != literal_quantity;
    return own ? schema_literal(writer, kind)
               : schema_text(writer, "{\"type\": [\"number\", \"string\"]}");
}

static struct json *schema_pair(struct schema_writer *writer, const struct kind *kind)
{
    struct json *pair =
        schema_text(writer, "{\"type\": \"array\", \"minItems\": 2, \"maxItems\": 2}");
    json_put(schema_arena(writer), pair, STR("items"), schema_quantity(writer, kind));
    return pair;
}

static struct json *schema_inner(struct schema_writer *writer, const struct kind *kind)
{
    const struct type type = {.schema = predicate_schema, .extra = kind};
    return schema_of(writer, &type);
}

static struct json *schema_count(struct schema_writer *writer, const struct kind *kind)
{
    (void)kind;
    return schema_inner(writer, &kind_number);
}

#define SHOWN(text)                                                                                \
    {                                                                                              \
        .name = (text)                                                                             \
    }

const struct literal_form form_value = {SHOWN("a literal"), read_value, fits_any, schema_value};
const struct literal_form form_list = {SHOWN("a list of literals"), read_list, fits_list,
                                       schema_list};
const struct literal_form form_text = {SHOWN("a text"), read_text, fits_text, schema_string};
const struct literal_form form_pattern = {SHOWN("a regular expression"), read_pattern, fits_text,
                                          schema_string};
const struct literal_form form_flag = {SHOWN("true or false"), read_flag, fits_flag, schema_flag};
const struct literal_form form_type = {
    SHOWN("string, number, integer, boolean, null, array or object"), read_type, fits_type,
    schema_type};
const struct literal_form form_quantity = {SHOWN("a number, duration or size"), read_quantity,
                                           fits_quantity, schema_quantity};
const struct literal_form form_pair = {SHOWN("a list of two numbers, durations or sizes"),
                                       read_pair, fits_pair, schema_pair};
const struct literal_form form_predicate = {SHOWN("a literal or predicate"), read_predicate,
                                            fits_any, schema_inner};
const struct literal_form form_member = {SHOWN("a literal or predicate"), read_member,
                                         fits_predicate, schema_inner};
const struct literal_form form_count = {SHOWN("a number or predicate"), read_count, fits_count,
                                        schema_count};
