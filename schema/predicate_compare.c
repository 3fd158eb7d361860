/* One value against one literal: equality and order, by the kind of the subject. */
#include "schema/predicate_private.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trial_note(struct trial *trial, const char *format, ...)
{
    if (!trial->explain)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    GOTO_ASSERT(size >= 0);
    size_t used = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    trial->note = arena_copy(trial->arena, (struct str){text, used});
}

enum outcome trial_cannot(struct trial *trial, const char *format, ...)
{
    if (!trial->explain)
        return CANNOT;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    trial_note(trial, "%s", text);
    return CANNOT;
}

struct str text_without_newline(struct str text)
{
    if (str_ends(text, STR("\r\n")))
        return str_slice(text, 0, text.size - 2);
    return str_ends(text, STR("\n")) ? str_slice(text, 0, text.size - 1) : text;
}

/** The number in a value for a number-like subject; NULL with a note when it is none. */
static const struct json *number_of(struct trial *trial, const struct test *test,
                                    const struct json *value)
{
    if (test->kind->subject == SUBJECT_COUNT && value->kind == JSON_ARRAY && value->count == 2)
        value = value->elements[0];
    if (value->kind == JSON_NUMBER)
        return value;
    (void)trial_cannot(trial, "'%s' needs a number here; this is %s", test->row->name,
                       json_kind_words(value));
    return NULL;
}

static double number_double(struct str text)
{
    char copy[64];
    size_t size = text.size < sizeof copy ? text.size : sizeof copy - 1;
    memcpy(copy, text.data, size);
    copy[size] = '\0';
    return strtod(copy, NULL);
}

/** Orders a count by its share of the whole. */
static enum outcome share_compare(struct trial *trial, const struct literal *literal,
                                  const struct json *value, int *order)
{
    if (value->kind != JSON_ARRAY || value->count != 2 || value->elements[0]->kind != JSON_NUMBER ||
        value->elements[1]->kind != JSON_NUMBER)
        return trial_cannot(trial, "a share needs a whole, which this count does not have");
    double whole = number_double(value->elements[1]->text);
    double count = number_double(value->elements[0]->text);
    double bound = number_double(literal->value->text) * whole;
    double near = 1e-9 * (whole > 1 ? whole : 1);
    *order = fabs(count - bound) <= near ? 0 : count < bound ? -1 : 1;
    return HOLDS;
}

static int text_order(struct str a, struct str b)
{
    bool ordered;
    int order = number_compare(a, b, &ordered);
    return ordered ? order : ORDER_NONE;
}

/** Orders a text that has to read as what the literal is. */
static enum outcome quantity_compare(struct trial *trial, const struct test *test,
                                     const struct literal *literal, struct str text, int *order)
{
    static const char *const names[] = {"number", "duration", "size"};
    char number[24];
    int64_t ns;
    uint64_t bytes;
    struct str read = str_trim(text);
    if (literal->quantity == QUANTITY_TIME && units_read_time(read, false, &ns)) {
        int size = snprintf(number, sizeof number, "%lld", (long long)ns);
        read = (struct str){number, (size_t)size};
    } else if (literal->quantity == QUANTITY_SIZE && units_read_size(read, &bytes)) {
        int size = snprintf(number, sizeof number, "%llu", (unsigned long long)bytes);
        read = (struct str){number, (size_t)size};
    } else if (literal->quantity != QUANTITY_NUMBER || !number_is_valid(read)) {
        return trial_cannot(trial, "'%s' needs a %s here, which this text is not", test->row->name,
                            names[literal->quantity]);
    }
    *order = text_order(read, literal->value->text);
    return HOLDS;
}

enum outcome literal_compare(struct trial *trial, const struct test *test,
                             const struct literal *literal, const struct json *value, int *order)
{
    enum subject subject = test->kind->subject;
    if (literal->share)
        return share_compare(trial, literal, value, order);
    if (subject == SUBJECT_TEXT && value->kind == JSON_STRING)
        return quantity_compare(trial, test, literal, value->text, order);
    if (subject == SUBJECT_TEXT || subject == SUBJECT_JSON) {
        if (value->kind != JSON_NUMBER || literal->quantity != QUANTITY_NUMBER)
            return trial_cannot(trial, "'%s' compares numbers; this is %s", test->row->name,
                                json_kind_words(value));
    } else {
        value = number_of(trial, test, value);
        if (!value)
            return CANNOT;
    }
    *order = text_order(value->text, literal->value->text);
    return HOLDS;
}

static enum outcome outcome_of(bool holds)
{
    return holds ? HOLDS : FAILS;
}

static enum outcome folded_equals(struct trial *trial, const struct literal *literal,
                                  struct str text)
{
    int matched = regex_matches_whole(literal->regex, text);
    if (matched < 0)
        return trial_cannot(trial, "the text is too long to be compared without regard to case");
    return outcome_of(matched == 1);
}

static enum outcome text_equals(struct trial *trial, const struct test *test,
                                const struct literal *literal, const struct json *value)
{
    struct str expected = literal->value->text;
    struct str actual = value->text;
    if (value->kind == JSON_NUMBER)
        return outcome_of(number_is_valid(expected) && text_order(actual, expected) == 0);
    if (value->kind == JSON_BOOL)
        return outcome_of(str_is(expected, value->boolean ? "true" : "false"));
    if (value->kind != JSON_STRING)
        return FAILS;
    if (test->kind->output) {
        expected = text_without_newline(expected);
        actual = text_without_newline(actual);
    }
    return literal->regex ? folded_equals(trial, literal, actual)
                          : outcome_of(str_equal(expected, actual));
}

static enum outcome status_equals(struct trial *trial, const struct test *test,
                                  const struct literal *literal, const struct json *value)
{
    value = number_of(trial, test, value);
    if (!value)
        return CANNOT;
    if (!literal->status_class)
        return outcome_of(text_order(value->text, literal->value->text) == 0);
    uint64_t status;
    return outcome_of(str_to_u64(value->text, 999, &status) &&
                      status / 100 == literal->status_class);
}

enum outcome literal_equals(struct trial *trial, const struct test *test,
                            const struct literal *literal, const struct json *value)
{
    enum subject subject = test->kind->subject;
    int order = ORDER_NONE;
    if (subject == SUBJECT_TEXT || subject == SUBJECT_CHOICE)
        return text_equals(trial, test, literal, value);
    if (subject == SUBJECT_STATUS)
        return status_equals(trial, test, literal, value);
    if (subject != SUBJECT_JSON) {
        enum outcome outcome = literal_compare(trial, test, literal, value, &order);
        return outcome == HOLDS ? outcome_of(order == 0) : outcome;
    }
    if (literal->regex)
        return value->kind == JSON_STRING ? folded_equals(trial, literal, value->text) : FAILS;
    return outcome_of(json_equal(literal->value, value));
}
