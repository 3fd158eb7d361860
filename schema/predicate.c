#include "schema/predicate_private.h"

#include <inttypes.h>
#include <stdio.h>

#define ON(subject) (1u << SUBJECT_##subject)
#define ON_ALL (~0u)
#define ON_TEXT (ON(TEXT) | ON(JSON) | ON(CHOICE))
#define ON_LISTS (ON(TEXT) | ON(JSON))
#define ON_QUANTITY                                                                                \
    (ON(TEXT) | ON(JSON) | ON(NUMBER) | ON(DURATION) | ON(SIZE) | ON(STATUS) | ON(COUNT))

/** How a count compares with the i-th literal; ORDER_NONE where that depends on a whole. */
static int count_order(const struct test *test, size_t i, uint64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRIu64, value);
    const struct literal *literal = &test->literals[i];
    bool ordered;
    if (literal->share || literal->status_class || literal->value->kind != JSON_NUMBER)
        return ORDER_NONE;
    int order = number_compare((struct str){text, (size_t)size}, literal->value->text, &ordered);
    return ordered ? order : ORDER_NONE;
}

static bool possible_equals(const struct test *test, uint64_t value)
{
    for (size_t i = 0; i < test->count; i++) {
        int order = count_order(test, i, value);
        if (order <= 0 || order == ORDER_NONE)
            return true;
    }
    return false;
}

static bool possible_below(const struct test *test, uint64_t value)
{
    int order = count_order(test, 0, value);
    return order < 0 || order == ORDER_NONE;
}

static bool possible_at_most(const struct test *test, uint64_t value)
{
    int order = count_order(test, test->count - 1, value);
    return order <= 0 || order == ORDER_NONE;
}

static bool certain_above(const struct test *test, uint64_t value)
{
    int order = count_order(test, 0, value);
    return order > 0 && order != ORDER_NONE;
}

static bool certain_at_least(const struct test *test, uint64_t value)
{
    int order = count_order(test, 0, value);
    return order >= 0 && order != ORDER_NONE;
}

static bool possible_not(const struct test *test, uint64_t value)
{
    return !predicate_count_certain(test->inner, value);
}

static bool certain_not(const struct test *test, uint64_t value)
{
    return !predicate_count_possible(test->inner, value);
}

static bool possible_exists(const struct test *test, uint64_t value)
{
    (void)value;
    return test->flag;
}

/*
 * The predicates, a row each: name, form of its literal, subjects that can take it, flags, its
 * functions (test, words, and what a growing count does to it), and a line of doc.
 */
#define PREDICATES(ROW)                                                                            \
    ROW("equals", value, ON_ALL, PREDICATE_TEXT, test_equals, describe_equals, possible_equals,    \
        NULL, "Equals the value; a list only in the same order. A scalar alone means this.")       \
    ROW("not", predicate, ON_ALL, PREDICATE_WHOLE, test_not, describe_not, possible_not,           \
        certain_not,                                                                               \
        "The negation of the whole predicate. Fails for a missing value, except `not: {exists: "   \
        "true}`.")                                                                                 \
    ROW("in", list, ON_ALL, PREDICATE_TEXT, test_in, describe_in, possible_equals, NULL,           \
        "Equals one of these.")                                                                    \
    ROW("contains", value, ON_TEXT, PREDICATE_TEXT, test_contains, describe_contains, NULL, NULL,  \
        "Text: has this text in it. A list: has an equal member.")                                 \
    ROW("starts-with", text, ON_TEXT, PREDICATE_TEXT, test_starts_with, describe_starts_with,      \
        NULL, NULL, "Text that starts with this.")                                                 \
    ROW("ends-with", text, ON_TEXT, PREDICATE_TEXT, test_ends_with, describe_ends_with, NULL,      \
        NULL, "Text that ends with this.")                                                         \
    ROW("matches", pattern, ON_TEXT, PREDICATE_TEXT, test_matches, describe_matches, NULL, NULL,   \
        "Text in which this regular expression (PCRE2) is found; `^` and `$` bind it.")            \
    ROW("ignore-case", flag, ON_TEXT, 0, NULL, NULL, NULL, NULL,                                   \
        "Beside text predicates: they compare without regard to case.")                            \
    ROW("exists", flag, ON_ALL, PREDICATE_WHOLE, test_exists, describe_exists, possible_exists,    \
        NULL, "Whether there is a value at all; null is one.")                                     \
    ROW("empty", flag, ON_TEXT, 0, test_empty, describe_empty, NULL, NULL,                         \
        "Whether a text, list or object is empty.")                                                \
    ROW("type", type, ON_ALL, PREDICATE_WHOLE, test_type, describe_type, NULL, NULL,               \
        "The JSON type; an integer is a number, too.")                                             \
    ROW("count", count, ON_LISTS, PREDICATE_LIST, test_count, describe_nested, NULL, NULL,         \
        "A predicate on the number of members of a list, or of characters of a text.")             \
    ROW("above", quantity, ON_QUANTITY, PREDICATE_LOWER, test_above, describe_bound, NULL,         \
        certain_above, "More than this.")                                                          \
    ROW("below", quantity, ON_QUANTITY, PREDICATE_UPPER, test_below, describe_bound,               \
        possible_below, NULL, "Less than this.")                                                   \
    ROW("at-least", quantity, ON_QUANTITY, PREDICATE_LOWER, test_at_least, describe_bound, NULL,   \
        certain_at_least, "This or more.")                                                         \
    ROW("at-most", quantity, ON_QUANTITY, PREDICATE_UPPER, test_at_most, describe_bound,           \
        possible_at_most, NULL, "This or less.")                                                   \
    ROW("between", pair, ON_QUANTITY, PREDICATE_LOWER | PREDICATE_UPPER, test_between,             \
        describe_between, possible_at_most, NULL, "Between two values, both included.")            \
    ROW("each", member, ON_LISTS, PREDICATE_LIST, test_each, describe_nested, NULL, NULL,          \
        "A predicate that all members of a list fulfil; so do those of an empty list.")            \
    ROW("any", member, ON_LISTS, PREDICATE_LIST, test_any, describe_nested, NULL, NULL,            \
        "A predicate that at least one member of a list fulfils.")                                 \
    ROW("none", member, ON_LISTS, PREDICATE_LIST, test_none, describe_nested, NULL, NULL,          \
        "A predicate that no member of a list fulfils.")

#define PREDICATE_ROW(key, form, subjects, flags, test, describe, possible, certain, doc)          \
    {key, &form_##form, subjects, flags, test, describe, possible, certain, doc},
#define PREDICATE_KEY(key, form, subjects, flags, test, describe, possible, certain, doc)          \
    {key, &form_##form.shown, 0, 0, NULL, doc},

const struct predicate_row predicate_rows[] = {PREDICATES(PREDICATE_ROW)};
const size_t predicate_row_count = COUNT_OF(predicate_rows);

static const struct row reference_rows[] = {PREDICATES(PREDICATE_KEY)};

/** All predicates, whatever they can be used on: what the reference shows. */
static const struct table reference_table = {
    TABLE_ROWS("predicate", reference_rows),
    .doc = "What a value is compared with. A scalar means `equals`, a list equals this list (for "
           "status, method, error and signal it means `in`), a mapping is always predicates, all "
           "of which have to hold. A missing value fails all but `exists: false`, and so does a "
           "value of a type that the predicate cannot take.",
};

const struct predicate_row *predicate_row_find(struct str name)
{
    for (size_t i = 0; i < predicate_row_count; i++)
        if (str_is(name, predicate_rows[i].name))
            return &predicate_rows[i];
    return NULL;
}

static const struct kind kind_text = {.subject = SUBJECT_TEXT, .what = "a text"};
static const struct kind kind_json = {.subject = SUBJECT_JSON, .what = "a JSON value"};
static const struct kind kind_duration = {.subject = SUBJECT_DURATION, .what = "a duration"};
static const struct kind kind_size = {.subject = SUBJECT_SIZE, .what = "a size"};
static const struct kind kind_status = {.subject = SUBJECT_STATUS, .what = "a status"};
static const struct kind kind_choice = {.subject = SUBJECT_CHOICE, .what = "a name"};
static const struct kind kind_count = {.subject = SUBJECT_COUNT, .what = "a count"};
static const struct kind kind_output = {
    .subject = SUBJECT_TEXT, .what = "an output", .output = true, .single = true};
static const struct kind kind_body = {.subject = SUBJECT_TEXT, .what = "a body", .single = true};
static const struct kind kind_nodes = {
    .subject = SUBJECT_TEXT, .what = "the text of a node", .nodes = true};
static const struct kind kind_sha256 = {
    .subject = SUBJECT_TEXT, .what = "a SHA-256 in hex", .single = true, .sha256 = true};
const struct kind kind_number = {.subject = SUBJECT_NUMBER, .what = "a number"};

/* Scalars are resolved here, so that `not` and lists inside can be treated alike. */
#define TYPE_PREDICATE(type_name, kind_pointer)                                                    \
    {                                                                                              \
        .name = (type_name), .size = sizeof(struct predicate *), .read = predicate_read,           \
        .schema = predicate_schema, .table = &reference_table, .extra = (kind_pointer)             \
    }

const struct type type_predicate_text = TYPE_PREDICATE("a text or predicate", &kind_text);
const struct type type_predicate_json = TYPE_PREDICATE("a value or predicate", &kind_json);
const struct type type_predicate_number = TYPE_PREDICATE("a number or predicate", &kind_number);
const struct type type_predicate_duration =
    TYPE_PREDICATE("a duration or predicate", &kind_duration);
const struct type type_predicate_size = TYPE_PREDICATE("a size or predicate", &kind_size);
const struct type type_predicate_status = TYPE_PREDICATE("a status or predicate", &kind_status);
const struct type type_predicate_choice = TYPE_PREDICATE("a name or predicate", &kind_choice);
const struct type type_predicate_count = TYPE_PREDICATE("a count or predicate", &kind_count);
const struct type type_predicate_output = TYPE_PREDICATE("a text or predicate", &kind_output);
const struct type type_predicate_body = TYPE_PREDICATE("a text or predicate", &kind_body);
const struct type type_predicate_nodes = TYPE_PREDICATE("a text or predicate", &kind_nodes);
const struct type type_predicate_sha256 = TYPE_PREDICATE("a SHA-256 or predicate", &kind_sha256);

struct place predicate_place(const struct predicate *predicate)
{
    return predicate->place;
}

bool predicate_is_exists_false(const struct predicate *predicate)
{
    if (predicate->count != 1)
        return false;
    const struct test *test = &predicate->tests[0];
    if (test->row->test == test_exists)
        return !test->flag;
    const struct test *inner =
        test->row->test == test_not && test->inner->count == 1 ? &test->inner->tests[0] : NULL;
    return inner && inner->row->test == test_exists && inner->flag;
}

void predicate_describe(const struct predicate *predicate, struct buf *into)
{
    for (size_t i = 0; i < predicate->count; i++) {
        if (i)
            buf_append_string(into, " and ");
        show_test(&predicate->tests[i], into);
    }
}

bool predicate_count_possible(const struct predicate *predicate, uint64_t value)
{
    for (size_t i = 0; i < predicate->count; i++) {
        const struct test *test = &predicate->tests[i];
        if (test->row->possible && !test->row->possible(test, value))
            return false;
    }
    return true;
}

bool predicate_count_certain(const struct predicate *predicate, uint64_t value)
{
    for (size_t i = 0; i < predicate->count; i++) {
        const struct test *test = &predicate->tests[i];
        if (!test->row->certain || !test->row->certain(test, value))
            return false;
    }
    return true;
}

static bool predicate_has_bound(const struct predicate *predicate, unsigned bound)
{
    for (size_t i = 0; i < predicate->count; i++) {
        const struct test *test = &predicate->tests[i];
        unsigned other = bound == PREDICATE_UPPER ? PREDICATE_LOWER : PREDICATE_UPPER;
        if (test->row->test == test_not ? predicate_has_bound(test->inner, other)
                                        : (test->row->flags & bound) != 0)
            return true;
    }
    return false;
}

bool predicate_has_upper_bound(const struct predicate *predicate)
{
    return predicate_has_bound(predicate, PREDICATE_UPPER);
}

void predicate_visit_literals(const struct predicate *predicate,
                              void (*visit)(void *context, struct str literal, struct place place),
                              void *context)
{
    for (size_t i = 0; i < predicate->count; i++) {
        const struct test *test = &predicate->tests[i];
        if (test->inner)
            predicate_visit_literals(test->inner, visit, context);
        bool names = test->row->test == test_equals || test->row->test == test_in;
        for (size_t j = 0; names && j < test->count; j++)
            visit(context, test->literals[j].written, test->literals[j].place);
    }
}

bool predicate_looks_like(const struct node *map)
{
    if (!map || map->kind != NODE_MAP || map->count == 0)
        return false;
    for (size_t i = 0; i < map->count; i++) {
        const struct predicate_row *row = predicate_row_find(map->pairs[i].key->text);
        if (!row || !row->form->fits(map->pairs[i].value))
            return false;
    }
    bool lone_count = map->count == 1 && str_is(map->pairs[0].key->text, "count") &&
                      map->pairs[0].value->kind == NODE_NUMBER;
    return !lone_count;
}

/* What a schema is made from: the rows that a subject knows, each with the schema of its literal.
 */
struct literal_schema {
    const struct kind *kind;
    const struct literal_form *form;
};

static struct json *literal_schema_make(struct schema_writer *writer, const struct type *type)
{
    const struct literal_schema *literal = type->extra;
    return literal->form->schema ? literal->form->schema(writer, literal->kind) : NULL;
}

static const struct kind *const subject_kinds[] = {
    [SUBJECT_TEXT] = &kind_text,     [SUBJECT_JSON] = &kind_json,
    [SUBJECT_NUMBER] = &kind_number, [SUBJECT_DURATION] = &kind_duration,
    [SUBJECT_SIZE] = &kind_size,     [SUBJECT_STATUS] = &kind_status,
    [SUBJECT_CHOICE] = &kind_choice, [SUBJECT_COUNT] = &kind_count,
};

/** The table of a subject while it is put together from the rows. */
struct subject_table {
    struct table table;
    struct row rows[COUNT_OF(predicate_rows)];
    struct type types[COUNT_OF(predicate_rows)];
    struct literal_schema literals[COUNT_OF(predicate_rows)];
};

static void subject_table_add(struct subject_table *made, enum subject subject,
                              const struct predicate_row *row)
{
    size_t at = made->table.count++;
    made->literals[at] = (struct literal_schema){subject_kinds[subject], row->form};
    made->types[at] = row->form->shown;
    made->types[at].schema = literal_schema_make;
    made->types[at].extra = &made->literals[at];
    made->rows[at] = (struct row){.key = row->name, .type = &made->types[at], .doc = row->doc};
}

const struct table *predicate_table(enum subject subject)
{
    static const char *const names[] = {
        [SUBJECT_TEXT] = "text-predicate",     [SUBJECT_JSON] = "json-predicate",
        [SUBJECT_NUMBER] = "number-predicate", [SUBJECT_DURATION] = "duration-predicate",
        [SUBJECT_SIZE] = "size-predicate",     [SUBJECT_STATUS] = "status-predicate",
        [SUBJECT_CHOICE] = "name-predicate",   [SUBJECT_COUNT] = "count-predicate",
    };
    static struct subject_table made[COUNT_OF(names)];
    struct subject_table *one = &made[subject];
    if (one->table.count)
        return &one->table;
    one->table =
        (struct table){.name = names[subject], .rows = one->rows, .doc = reference_table.doc};
    for (size_t i = 0; i < predicate_row_count; i++)
        if (predicate_rows[i].subjects & 1u << subject)
            subject_table_add(one, subject, &predicate_rows[i]);
    return &one->table;
}

struct json *predicate_schema(struct schema_writer *writer, const struct type *type)
{
    const struct kind *kind = type->extra;
    const struct type mapping = TYPE_TABLE(predicate_table(kind->subject), struct predicate *);
    struct json *map = schema_of(writer, &mapping);
    if (kind->subject == SUBJECT_JSON)
        return schema_either(writer, map,
                             schema_text(writer, "{\"type\": [\"string\", \"number\", "
                                                 "\"boolean\", \"null\", \"array\"]}"));
    struct json *scalar = form_value.schema(writer, kind);
    if (kind->subject == SUBJECT_TEXT || kind->subject == SUBJECT_STATUS ||
        kind->subject == SUBJECT_CHOICE)
        scalar = schema_either(writer, scalar, form_list.schema(writer, kind));
    return schema_either(writer, scalar, map);
}

/** The names, each also as `name(…)`. */
static struct json *schema_names(struct schema_writer *writer, const char *const *names)
{
    struct arena *arena = schema_arena(writer);
    struct json *plain = json_object(arena);
    struct json *list = json_array(arena);
    struct json *detailed = schema_text(writer, "{\"type\": \"string\"}");
    struct str pattern = STR("");
    for (size_t i = 0; names[i]; i++) {
        json_push(arena, list, json_string(arena, str_of(names[i])));
        pattern = arena_printf(arena, STR_FMT "%s%s", STR_ARG(pattern), i ? "|" : "", names[i]);
    }
    pattern = arena_printf(arena, "^(" STR_FMT ")\\(.+\\)$|\\$\\{", STR_ARG(pattern));
    json_put(arena, plain, STR("enum"), list);
    json_put(arena, detailed, STR("pattern"), json_string(arena, pattern));
    return schema_either(writer, plain, detailed);
}

/** One of what `names` takes, a list of it, or a predicate. */
static struct json *schema_chosen(struct schema_writer *writer, struct json *names)
{
    struct json *list = schema_text(writer, "{\"type\": \"array\"}");
    const struct type mapping = TYPE_TABLE(predicate_table(SUBJECT_CHOICE), struct predicate *);
    json_put(schema_arena(writer), list, STR("items"), names);
    return schema_either(writer, schema_either(writer, names, list), schema_of(writer, &mapping));
}

struct json *predicate_schema_choice(struct schema_writer *writer, const struct type *type)
{
    return schema_chosen(writer, schema_names(writer, type->extra));
}

struct json *predicate_schema_code(struct schema_writer *writer, const struct type *type)
{
    const char *const *names = type->extra;
    size_t count = 0;
    while (names[count])
        count++;
    struct str number =
        arena_printf(schema_arena(writer), "{\"type\": \"integer\", \"minimum\": %zu}", count);
    return schema_chosen(writer, schema_either(writer, schema_names(writer, names),
                                               schema_text(writer, number.data)));
}
