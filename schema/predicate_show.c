/* Predicates and values in words. */
#include "schema/predicate_private.h"

#include <inttypes.h>

enum { MOST_SHOWN = 400, MOST_AROUND = 24 };

const char *json_kind_words(const struct json *value)
{
    static const char *const words[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "a list",   [JSON_OBJECT] = "an object",
    };
    return words[value->kind];
}

bool json_is_structured(const struct json *value)
{
    return value->kind == JSON_ARRAY || value->kind == JSON_OBJECT;
}

/** A start of the text that ends between two characters. */
static struct str text_start(struct str text, size_t most)
{
    if (text.size <= most)
        return text;
    while (most && ((unsigned char)text.data[most] & 0xc0) == 0x80)
        most--;
    return str_slice(text, 0, most);
}

void show_text(struct str text, struct buf *into)
{
    struct str start = text_start(text, MOST_SHOWN);
    json_write_string(start, into);
    if (start.size < text.size)
        buf_printf(into, "… (%zu bytes)", text.size);
}

static void show_json(const struct json *value, struct buf *into)
{
    if (value->kind == JSON_STRING) {
        show_text(value->text, into);
        return;
    }
    struct buf whole;
    buf_init(&whole, BUF_OWN);
    json_write(value, &whole);
    struct str start = text_start(buf_str(&whole), MOST_SHOWN);
    buf_append(into, start);
    if (start.size < whole.size)
        buf_printf(into, "… (%zu bytes)", whole.size);
    buf_clear(&whole);
}

/** A time so exactly that two that differ look different. */
static void show_time(struct str number, struct buf *into)
{
    uint64_t ns;
    if (!str_to_u64(number, INT64_MAX, &ns)) {
        buf_printf(into, STR_FMT " ns", STR_ARG(number));
        return;
    }
    struct buf rounded;
    int64_t back = -1;
    buf_init(&rounded, BUF_OWN);
    units_write_time((int64_t)ns, &rounded);
    buf_append(into, buf_str(&rounded));
    if (!units_read_time(buf_str(&rounded), false, &back) || back != (int64_t)ns)
        buf_printf(into, " (%" PRIu64 " ns)", ns);
    buf_clear(&rounded);
}

static void show_size(struct str number, struct buf *into)
{
    uint64_t bytes;
    buf_printf(into, STR_FMT " byte%s", STR_ARG(number), str_is(number, "1") ? "" : "s");
    if (!str_to_u64(number, UINT64_MAX, &bytes) || bytes < 1024)
        return;
    buf_append_string(into, " (");
    units_write_size(bytes, into);
    buf_append_byte(into, ')');
}

void show_value(const struct kind *kind, const struct json *value, struct buf *into)
{
    bool number = value->kind == JSON_NUMBER;
    if (kind->subject == SUBJECT_CHOICE && value->kind == JSON_ARRAY && value->count)
        value = value->elements[0];
    if (kind->subject == SUBJECT_CHOICE && value->kind == JSON_STRING && value->text.size)
        buf_append(into, text_start(value->text, MOST_SHOWN));
    else if (kind->subject == SUBJECT_DURATION && number)
        show_time(value->text, into);
    else if (kind->subject == SUBJECT_SIZE && number)
        show_size(value->text, into);
    else if (kind->subject == SUBJECT_COUNT && value->kind == JSON_ARRAY && value->count == 2)
        buf_printf(into, STR_FMT " of " STR_FMT, STR_ARG(value->elements[0]->text),
                   STR_ARG(value->elements[1]->text));
    else
        show_json(value, into);
}

struct str show_text_difference(struct arena *arena, struct str expected, struct str actual)
{
    if (expected.size <= MOST_SHOWN / 4 && actual.size <= MOST_SHOWN / 4)
        return STR("");
    size_t at = 0;
    while (at < expected.size && at < actual.size && expected.data[at] == actual.data[at])
        at++;
    while (at && at < actual.size && ((unsigned char)actual.data[at] & 0xc0) == 0x80)
        at--;
    struct str before = str_slice(actual, 0, at);
    size_t line = 1;
    for (ptrdiff_t end = str_find_byte(before, '\n'); end >= 0; end = str_find_byte(before, '\n')) {
        before = str_from(before, (size_t)end + 1);
        line++;
    }
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_printf(&buf, "they differ first at line %zu, character %zu: expected ", line,
               str_characters(before) + 1);
    json_write_string(text_start(str_from(expected, at), MOST_AROUND), &buf);
    buf_append_string(&buf, ", found ");
    json_write_string(text_start(str_from(actual, at), MOST_AROUND), &buf);
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

/** A literal as its writer would write it. */
static void show_literal(const struct test *test, const struct literal *literal, struct buf *into)
{
    bool quoted = test->kind->subject == SUBJECT_TEXT || test->kind->subject == SUBJECT_JSON;
    if ((quoted && literal->quantity == QUANTITY_NUMBER) || literal->written.size == 0)
        show_json(literal->value, into);
    else
        buf_append(into, text_start(literal->written, MOST_SHOWN));
}

static void show_literals(const struct test *test, const char *between, struct buf *into)
{
    for (size_t i = 0; i < test->count; i++) {
        if (i)
            buf_append_string(into, between);
        show_literal(test, &test->literals[i], into);
    }
}

void show_test(const struct test *test, struct buf *into)
{
    test->row->describe(test, into);
    if (test->ignore_case)
        buf_append_string(into, ", ignoring case");
}

void describe_equals(const struct test *test, struct buf *into)
{
    if (test->list)
        buf_append_byte(into, '[');
    show_literals(test, ", ", into);
    if (test->list)
        buf_append_byte(into, ']');
}

void describe_not(const struct test *test, struct buf *into)
{
    bool several = test->inner->count > 1;
    buf_append_string(into, several ? "not (" : "not ");
    predicate_describe(test->inner, into);
    if (several)
        buf_append_byte(into, ')');
}

void describe_in(const struct test *test, struct buf *into)
{
    if (test->count > 1)
        buf_append_string(into, "one of ");
    show_literals(test, ", ", into);
}

void describe_contains(const struct test *test, struct buf *into)
{
    buf_append_string(into, "to contain ");
    show_literals(test, "", into);
}

void describe_starts_with(const struct test *test, struct buf *into)
{
    buf_append_string(into, "to start with ");
    show_literals(test, "", into);
}

void describe_ends_with(const struct test *test, struct buf *into)
{
    buf_append_string(into, "to end with ");
    show_literals(test, "", into);
}

void describe_matches(const struct test *test, struct buf *into)
{
    buf_append_string(into, "to match ");
    show_text(test->literals[0].value->text, into);
}

void describe_exists(const struct test *test, struct buf *into)
{
    buf_append_string(into, test->flag ? "to exist" : "not to exist");
}

void describe_empty(const struct test *test, struct buf *into)
{
    buf_append_string(into, test->flag ? "to be empty" : "not to be empty");
}

void describe_type(const struct test *test, struct buf *into)
{
    buf_printf(into, "of type " STR_FMT, STR_ARG(test->literals[0].value->text));
}

void describe_bound(const struct test *test, struct buf *into)
{
    for (const char *at = test->row->name; *at; at++)
        buf_append_byte(into, *at == '-' ? ' ' : *at);
    buf_append_byte(into, ' ');
    show_literals(test, "", into);
}

void describe_between(const struct test *test, struct buf *into)
{
    buf_append_string(into, "between ");
    show_literals(test, " and ", into);
}

void describe_nested(const struct test *test, struct buf *into)
{
    buf_printf(into, "%s ", test->row->name);
    predicate_describe(test->inner, into);
}
