/* Scalars: JSON → the wire and back, by kind. */
#include "server/grpc/message_private.h"

#include "base/base64.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row a kind: how it stands on the wire, and for integers their bounds. */
struct kind_row {
    enum wire_type wire;
    bool is_signed;
    const char *least; /* NULL: no integer */
    const char *most;
    bool quoted; /* 64 bits are too many for the numbers of many JSON readers */
};

static const struct kind_row kinds[] = {
    [PROTO_DOUBLE] = {WIRE_FIXED64, true, NULL, NULL, false},
    [PROTO_FLOAT] = {WIRE_FIXED32, true, NULL, NULL, false},
    [PROTO_INT64] = {WIRE_VARINT, true, "-9223372036854775808", "9223372036854775807", true},
    [PROTO_UINT64] = {WIRE_VARINT, false, "0", "18446744073709551615", true},
    [PROTO_INT32] = {WIRE_VARINT, true, "-2147483648", "2147483647", false},
    [PROTO_FIXED64] = {WIRE_FIXED64, false, "0", "18446744073709551615", true},
    [PROTO_FIXED32] = {WIRE_FIXED32, false, "0", "4294967295", false},
    [PROTO_BOOL] = {WIRE_VARINT, false, NULL, NULL, false},
    [PROTO_STRING] = {WIRE_BYTES, false, NULL, NULL, false},
    [PROTO_GROUP] = {WIRE_GROUP, false, NULL, NULL, false},
    [PROTO_MESSAGE] = {WIRE_BYTES, false, NULL, NULL, false},
    [PROTO_BYTES] = {WIRE_BYTES, false, NULL, NULL, false},
    [PROTO_UINT32] = {WIRE_VARINT, false, "0", "4294967295", false},
    [PROTO_ENUM] = {WIRE_VARINT, true, "-2147483648", "2147483647", false},
    [PROTO_SFIXED32] = {WIRE_FIXED32, true, "-2147483648", "2147483647", false},
    [PROTO_SFIXED64] = {WIRE_FIXED64, true, "-9223372036854775808", "9223372036854775807", true},
    [PROTO_SINT32] = {WIRE_VARINT, true, "-2147483648", "2147483647", false},
    [PROTO_SINT64] = {WIRE_VARINT, true, "-9223372036854775808", "9223372036854775807", true},
};

enum wire_type kind_wire_type(enum proto_kind kind)
{
    return kinds[kind].wire;
}

bool kind_is_message(enum proto_kind kind)
{
    return kind == PROTO_MESSAGE || kind == PROTO_GROUP;
}

bool scalar_is_zero(const struct scalar *scalar)
{
    return scalar->number == 0 && scalar->bytes.size == 0;
}

bool scalar_is_null(const struct proto_field *field)
{
    return field->kind == PROTO_ENUM &&
           str_is(field->enumeration->name, "google.protobuf.NullValue");
}

uint64_t scalar_normal(enum proto_kind kind, uint64_t number)
{
    switch (kind) {
    case PROTO_BOOL:
        return number != 0;
    case PROTO_INT32:
    case PROTO_ENUM:
        return (uint64_t)(int64_t)(int32_t)(uint32_t)number;
    case PROTO_UINT32:
    case PROTO_SINT32:
        return (uint32_t)number;
    default:
        return number;
    }
}

uint64_t scalar_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

double scalar_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_from_bits(uint64_t number)
{
    uint32_t bits = (uint32_t)number;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* An integer's wire form as its value (unsigned ones as they are), and back. */
static int64_t integer_of(enum proto_kind kind, uint64_t number)
{
    switch (kind) {
    case PROTO_SINT32:
    case PROTO_SINT64:
        return wire_unzigzag(number);
    case PROTO_SFIXED32:
        return (int32_t)(uint32_t)number;
    default:
        return (int64_t)number;
    }
}

static uint64_t integer_to_wire(enum proto_kind kind, uint64_t value)
{
    switch (kind) {
    case PROTO_SINT32:
    case PROTO_SINT64:
        return wire_zigzag((int64_t)value);
    case PROTO_SFIXED32:
        return (uint32_t)value;
    default:
        return value;
    }
}

int scalar_compare(enum proto_kind kind, const struct scalar *a, const struct scalar *b)
{
    if (kinds[kind].wire == WIRE_BYTES)
        return str_compare(a->bytes, b->bytes);
    if (!kinds[kind].is_signed)
        return a->number < b->number ? -1 : a->number > b->number;
    int64_t left = integer_of(kind, a->number);
    int64_t right = integer_of(kind, b->number);
    return left < right ? -1 : left > right;
}

void scalar_put(struct buf *into, enum proto_kind kind, const struct scalar *scalar)
{
    if (kinds[kind].wire != WIRE_BYTES) {
        wire_put_value(into, kinds[kind].wire, scalar->number);
        return;
    }
    wire_put_varint(into, scalar->bytes.size);
    (void)!buf_append(into, scalar->bytes);
}

/* numbers as texts */

/*
 * The digits of a number text that is known to be an integer within 64 bits: `12.50e1` is read as
 * the digits 1250 of which the first 2 + 1 stand before the point.
 */
static uint64_t magnitude(struct str text)
{
    uint64_t sum = 0;
    int64_t exponent = 0;
    size_t end = 0;
    while (end < text.size && text.data[end] != 'e' && text.data[end] != 'E')
        end++;
    if (end < text.size) {
        bool negative = end + 1 < text.size && text.data[end + 1] == '-';
        for (size_t i = end + 1; i < text.size; i++) {
            if (text.data[i] >= '0' && text.data[i] <= '9' && exponent < INT32_MAX)
                exponent = exponent * 10 + (text.data[i] - '0');
        }
        exponent = negative ? -exponent : exponent;
    }
    ptrdiff_t point = str_find_byte(str_slice(text, 0, end), '.');
    int64_t whole = (point < 0 ? (int64_t)end : point) + exponent;
    size_t at = 0;
    for (int64_t i = 0; i < whole; i++, at++) {
        at += point >= 0 && at == (size_t)point;
        if (at >= end && sum == 0)
            break;
        sum = sum * 10 + (at < end ? (uint64_t)(text.data[at] - '0') : 0);
    }
    return sum;
}

bool scalar_integer(struct str text, const char *least, const char *most, uint64_t *value)
{
    bool ordered = false;
    if (!number_is_integer(text) || number_compare(text, str_of(least), &ordered) < 0 ||
        number_compare(text, str_of(most), &ordered) > 0)
        return false;
    bool negative = text.data[0] == '-';
    uint64_t size = magnitude(str_from(text, negative || text.data[0] == '+'));
    *value = negative ? 0 - size : size;
    return true;
}

bool scalar_double(struct arena *arena, struct str text, double *value)
{
    bool negative = text.size && text.data[0] == '-';
    struct str bare = str_from(text, negative || (text.size && text.data[0] == '+'));
    if (str_equal_nocase(bare, STR(".inf"))) {
        *value = negative ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    if (str_equal_nocase(bare, STR(".nan"))) {
        *value = (double)NAN;
        return true;
    }
    *value = strtod(arena_copy(arena, text).data, NULL);
    return isfinite(*value);
}

/* reading */

struct str scalar_shown(struct arena *arena, const struct json *value)
{
    enum { MOST = 40 };
    struct str shown = {0};
    if (value->kind == JSON_BOOL)
        return value->boolean ? STR("true") : STR("false");
    if (value->kind == JSON_NUMBER && value->text.size <= MOST)
        return value->text;
    if (value->kind == JSON_STRING) {
        struct buf buf;
        struct str text = str_slice(value->text, 0, MOST);
        /* not in the middle of a character */
        while (text.size < value->text.size && text.size &&
               ((unsigned char)value->text.data[text.size] & 0xc0) == 0x80)
            text.size--;
        buf_init(&buf, BUF_OWN);
        json_write_string(text, &buf);
        shown = arena_printf(arena, STR_FMT "%s", STR_ARG(buf_str(&buf)),
                             text.size < value->text.size ? "…" : "");
        buf_clear(&buf);
        return shown;
    }
    const char *type = json_type_name(value);
    if (value->kind == JSON_NULL)
        return STR("null");
    return arena_printf(arena, "%s %s", strchr("aeiou", type[0]) ? "an" : "a", type);
}

static const char *expected(struct arena *arena, const char *what, const struct json *value)
{
    return arena_printf(arena, "expected %s, got " STR_FMT, what,
                        STR_ARG(scalar_shown(arena, value)))
        .data;
}

/* The text of a number, also when it stands in quotes; an empty one if there is none. */
static struct str number_text(const struct json *value)
{
    if (value->kind == JSON_NUMBER || (value->kind == JSON_STRING && number_is_valid(value->text)))
        return value->text;
    return (struct str){0};
}

/** Up to nine digits: what every kind of integer holds. */
static bool read_small(struct str text, uint64_t *number)
{
    enum { MOST = 9 };
    uint64_t value = 0;
    if (text.size == 0 || text.size > MOST)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *number = value;
    return true;
}

static const char *read_integer(struct arena *arena, enum proto_kind kind, const struct json *value,
                                uint64_t *number)
{
    const struct kind_row *row = &kinds[kind];
    struct str text = number_text(value);
    if (read_small(text, number) ||
        (text.size && scalar_integer(text, row->least, row->most, number))) {
        *number = integer_to_wire(kind, *number);
        return NULL;
    }
    return expected(arena,
                    arena_printf(arena, "an integer from %s to %s (%s)", row->least, row->most,
                                 proto_kind_name(kind))
                        .data,
                    value);
}

static bool read_special(struct str text, double *value)
{
    static const struct {
        const char *name;
        double value;
    } rows[] = {
        {"NaN", (double)NAN}, {"Infinity", (double)INFINITY}, {"-Infinity", -(double)INFINITY}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (str_is(text, rows[i].name)) {
            *value = rows[i].value;
            return true;
        }
    }
    return false;
}

static const char *read_double(struct arena *arena, enum proto_kind kind, const struct json *value,
                               uint64_t *number)
{
    /* from here on a double does not round to the largest float any more */
    const double float_end = 0x1.ffffffp+127;
    struct str text = number_text(value);
    double real = 0;
    if (!(value->kind == JSON_STRING && read_special(value->text, &real))) {
        if (text.size == 0)
            return expected(arena, "a number (or \"NaN\", \"Infinity\", \"-Infinity\")", value);
        if (!scalar_double(arena, text, &real) ||
            (kind == PROTO_FLOAT && isfinite(real) && fabs(real) >= float_end))
            return expected(arena,
                            kind == PROTO_FLOAT ? "a number that fits a float"
                                                : "a number that fits a double",
                            value);
    }
    *number = kind == PROTO_FLOAT ? float_bits((float)real) : scalar_bits(real);
    return NULL;
}

static const char *read_enum(struct arena *arena, const struct proto_field *field,
                             const struct json *value, uint64_t *number, struct str *help)
{
    const struct proto_enum *type = field->enumeration;
    const struct proto_enum_value *named = NULL;
    if (value->kind == JSON_NULL && scalar_is_null(field)) {
        *number = 0;
        return NULL;
    }
    if (value->kind == JSON_STRING) {
        named = proto_value_by_name(type, value->text);
        if (!named)
            *help = proto_nearest_value(type, value->text).best;
    } else if (value->kind == JSON_NUMBER && scalar_integer(value->text, kinds[PROTO_ENUM].least,
                                                            kinds[PROTO_ENUM].most, number)) {
        if (!field->closed_enum)
            return NULL;
        named = proto_value_by_number(type, (int32_t)*number);
    }
    if (named) {
        *number = (uint64_t)(int64_t)named->number;
        return NULL;
    }
    return expected(arena,
                    arena_printf(arena, "a value of the enum " STR_FMT, STR_ARG(type->name)).data,
                    value);
}

static const char *read_text(struct arena *arena, const struct json *value, struct str *bytes)
{
    if (value->kind != JSON_STRING)
        return expected(arena, "a string", value);
    if (!str_is_utf8(value->text, NULL))
        return "expected UTF-8, got other bytes";
    *bytes = value->text;
    return NULL;
}

const char *scalar_read(struct arena *arena, const struct proto_field *field,
                        const struct json *value, struct scalar *scalar, struct str *help)
{
    *scalar = (struct scalar){0};
    switch (field->kind) {
    case PROTO_DOUBLE:
    case PROTO_FLOAT:
        return read_double(arena, field->kind, value, &scalar->number);
    case PROTO_BOOL:
        if (value->kind != JSON_BOOL)
            return expected(arena, "true or false", value);
        scalar->number = value->boolean;
        return NULL;
    case PROTO_STRING:
        return read_text(arena, value, &scalar->bytes);
    case PROTO_BYTES:
        if (value->kind == JSON_STRING && base64_read(arena, value->text, &scalar->bytes))
            return NULL;
        return expected(arena, "Base64 (bytes)", value);
    case PROTO_ENUM:
        return read_enum(arena, field, value, &scalar->number, help);
    default:
        return read_integer(arena, field->kind, value, &scalar->number);
    }
}

const char *scalar_read_key(struct arena *arena, const struct proto_field *field, struct str key,
                            struct scalar *scalar)
{
    struct json text = {.kind = JSON_STRING, .text = key};
    *scalar = (struct scalar){0};
    switch (field->kind) {
    case PROTO_BOOL:
        scalar->number = str_is(key, "true");
        if (scalar->number || str_is(key, "false"))
            return NULL;
        return expected(arena, "the key \"true\" or \"false\"", &text);
    case PROTO_STRING:
        return read_text(arena, &text, &scalar->bytes);
    default:
        return read_integer(arena, field->kind, &text, &scalar->number);
    }
}

/* writing */

static struct json *special_json(struct arena *arena, double value)
{
    if (isnan(value))
        return json_string(arena, STR("NaN"));
    return json_string(arena, value < 0 ? STR("-Infinity") : STR("Infinity"));
}

/* The shortest text that reads back as the same float. */
static struct json *float_json(struct arena *arena, float value)
{
    char text[64];
    if (!isfinite(value))
        return special_json(arena, (double)value);
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return json_number(arena, arena_copy(arena, str_of(text)));
}

static struct json *enum_json(struct arena *arena, const struct proto_field *field, int32_t number)
{
    const struct proto_enum_value *named = proto_value_by_number(field->enumeration, number);
    if (number == 0 && scalar_is_null(field))
        return json_null(arena);
    return named ? json_string(arena, named->name) : json_integer(arena, number);
}

static struct str integer_text(struct arena *arena, enum proto_kind kind, uint64_t number)
{
    enum { MOST = 24 };
    char *text = arena_alloc(arena, MOST);
    size_t at = MOST - 1;
    bool negative = kinds[kind].is_signed && integer_of(kind, number) < 0;
    if (negative)
        number = 0 - (uint64_t)integer_of(kind, number);
    else if (kinds[kind].is_signed)
        number = (uint64_t)integer_of(kind, number);
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    if (negative)
        text[--at] = '-';
    return (struct str){text + at, MOST - 1 - at};
}

struct json *scalar_json(struct arena *arena, const struct proto_field *field,
                         const struct scalar *scalar)
{
    double value;
    switch (field->kind) {
    case PROTO_DOUBLE:
        value = scalar_from_bits(scalar->number);
        return isfinite(value) ? json_double(arena, value) : special_json(arena, value);
    case PROTO_FLOAT:
        return float_json(arena, float_from_bits(scalar->number));
    case PROTO_BOOL:
        return json_bool(arena, scalar->number != 0);
    case PROTO_STRING:
        return json_string(arena, scalar->bytes);
    case PROTO_BYTES:
        return json_string(arena, base64_write(arena, scalar->bytes, true));
    case PROTO_ENUM:
        return enum_json(arena, field, (int32_t)scalar->number);
    default:
        break;
    }
    struct str text = integer_text(arena, field->kind, scalar->number);
    return kinds[field->kind].quoted ? json_string(arena, text) : json_number(arena, text);
}

struct str scalar_key(struct arena *arena, const struct proto_field *field,
                      const struct scalar *scalar)
{
    if (field->kind == PROTO_STRING)
        return scalar->bytes;
    if (field->kind == PROTO_BOOL)
        return scalar->number ? STR("true") : STR("false");
    return integer_text(arena, field->kind, scalar->number);
}
