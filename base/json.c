/* Making, finding and copying values; reading, writing and comparing stand in files of their own.
 */
#include "base/json.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct json *json_make(struct arena *arena, enum json_kind kind)
{
    struct json *value = arena_alloc(arena, sizeof *value);
    value->kind = kind;
    return value;
}

struct json *json_null(struct arena *arena)
{
    return json_make(arena, JSON_NULL);
}

struct json *json_bool(struct arena *arena, bool value)
{
    struct json *made = json_make(arena, JSON_BOOL);
    made->boolean = value;
    return made;
}

struct json *json_number(struct arena *arena, struct str text)
{
    struct json *made = json_make(arena, JSON_NUMBER);
    made->text = text;
    return made;
}

struct json *json_integer(struct arena *arena, int64_t value)
{
    return json_number(arena, arena_printf(arena, "%" PRId64, value));
}

static struct str double_text(struct arena *arena, double value)
{
    char text[64];
    if (isnan(value))
        return STR(".nan");
    if (isinf(value))
        return value < 0 ? STR("-.inf") : STR(".inf");
    if (value == floor(value) && fabs(value) < 1e15)
        return arena_printf(arena, "%.0f", value);
    /* 15 digits are always exact as text, 17 always as double; below DBL_MIN fewer may do. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return arena_copy(arena, str_of(text));
}

struct json *json_double(struct arena *arena, double value)
{
    return json_number(arena, double_text(arena, value));
}

struct json *json_string(struct arena *arena, struct str text)
{
    struct json *made = json_make(arena, JSON_STRING);
    made->text = text;
    return made;
}

struct json *json_array(struct arena *arena)
{
    return json_make(arena, JSON_ARRAY);
}

struct json *json_object(struct arena *arena)
{
    return json_make(arena, JSON_OBJECT);
}

/* No capacity is kept: room is always the count rounded up to a power of two, here and in the
 * reader. */
static bool is_at_capacity(size_t count)
{
    return (count & (count - 1)) == 0;
}

void json_push(struct arena *arena, struct json *array, struct json *element)
{
    GOTO_ASSERT(array->kind == JSON_ARRAY);
    size_t capacity = array->count;
    if (capacity == 0)
        array->elements = arena_alloc(arena, sizeof *array->elements);
    else if (is_at_capacity(capacity))
        arena_grow(arena, &array->elements, array->count, &capacity, sizeof *array->elements);
    array->elements[array->count++] = element;
}

void json_put(struct arena *arena, struct json *object, struct str name, struct json *value)
{
    GOTO_ASSERT(object->kind == JSON_OBJECT);
    size_t capacity = object->count;
    if (capacity == 0)
        object->members = arena_alloc(arena, sizeof *object->members);
    else if (is_at_capacity(capacity))
        arena_grow(arena, &object->members, object->count, &capacity, sizeof *object->members);
    object->members[object->count++] = (struct json_member){name, value};
}

const struct json *json_get(const struct json *object, struct str name)
{
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (size_t i = object->count; i > 0; i--) {
        if (str_equal(object->members[i - 1].name, name))
            return object->members[i - 1].value;
    }
    return NULL;
}

struct json *json_copy(struct arena *arena, const struct json *value)
{
    struct json *copy = json_make(arena, value->kind);
    copy->boolean = value->boolean;
    copy->line = value->line;
    copy->column = value->column;
    if (value->kind == JSON_NUMBER || value->kind == JSON_STRING)
        copy->text = arena_copy(arena, value->text);
    for (size_t i = 0; value->kind == JSON_ARRAY && i < value->count; i++)
        json_push(arena, copy, json_copy(arena, value->elements[i]));
    for (size_t i = 0; value->kind == JSON_OBJECT && i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        json_put(arena, copy, arena_copy(arena, member->name), json_copy(arena, member->value));
    }
    return copy;
}

const char *json_type_name(const struct json *value)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };
    return json_is_integer(value) ? "integer" : names[value->kind];
}

bool json_is_integer(const struct json *number)
{
    return number->kind == JSON_NUMBER && number_is_integer(number->text);
}
