/* google.protobuf.Struct, Value and ListValue: JSON itself, as messages. */
#include "server/grpc/message_private.h"

#include <math.h>
#include <stdlib.h>

enum { STRUCT_FIELDS = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2, LIST_VALUES = 1 };
enum value_kind {
    VALUE_NONE,
    VALUE_NULL,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_STRUCT,
    VALUE_LIST
};

/* encoding */

static int by_name(const void *a, const void *b)
{
    const struct json_member *left = *(const struct json_member *const *)a;
    const struct json_member *right = *(const struct json_member *const *)b;
    int order = str_compare(left->name, right->name);
    if (order)
        return order;
    return left < right ? -1 : left > right;
}

static bool encode_member(struct encoder *encoder, const struct path *path,
                          const struct json_member *member)
{
    if (!encoder_enter(encoder, path, member->value))
        return false;
    size_t entry = wire_open(encoder->into, STRUCT_FIELDS);
    wire_put_bytes(encoder->into, ENTRY_KEY, member->name);
    bool good = encoder_enter(encoder, path, member->value);
    if (good) {
        size_t value = wire_open(encoder->into, ENTRY_VALUE);
        good = encode_value(encoder, path, member->value);
        wire_close(encoder->into, value);
        encoder->depth--;
    }
    wire_close(encoder->into, entry);
    encoder->depth--;
    return good;
}

bool encode_struct(struct encoder *encoder, const struct path *path, const struct json *value)
{
    bool good = true;
    if (value->kind != JSON_OBJECT)
        return encoder_expected(encoder, path, value, "an object");
    const struct json_member **members =
        arena_alloc_array(encoder->scratch, value->count, sizeof *members);
    for (size_t i = 0; i < value->count; i++)
        members[i] = &value->members[i];
    qsort(members, value->count, sizeof *members, by_name);
    for (size_t i = 0; i < value->count; i++) {
        struct path step = {.up = path, .name = members[i]->name, .key = true};
        if (!step.name.data)
            step.name = STR("");
        if (i && str_equal(members[i - 1]->name, members[i]->name))
            good = encoder_fail(encoder, &step, members[i]->value, "the name is there twice");
        else if (!str_is_utf8(step.name, NULL))
            good = encoder_fail(encoder, &step, members[i]->value, "the name is not UTF-8");
        else
            good = encode_member(encoder, &step, members[i]) && good;
    }
    return good;
}

bool encode_list(struct encoder *encoder, const struct path *path, const struct json *value)
{
    bool good = true;
    if (value->kind != JSON_ARRAY)
        return encoder_expected(encoder, path, value, "a list");
    for (size_t i = 0; i < value->count; i++) {
        struct path step = {.up = path, .index = i};
        if (!encoder_enter(encoder, &step, value->elements[i]))
            return false;
        size_t mark = wire_open(encoder->into, LIST_VALUES);
        good = encode_value(encoder, &step, value->elements[i]) && good;
        wire_close(encoder->into, mark);
        encoder->depth--;
    }
    return good;
}

static bool encode_container(struct encoder *encoder, const struct path *path,
                             const struct json *value)
{
    bool list = value->kind == JSON_ARRAY;
    if (!encoder_enter(encoder, path, value))
        return false;
    size_t mark = wire_open(encoder->into, list ? VALUE_LIST : VALUE_STRUCT);
    bool good = list ? encode_list(encoder, path, value) : encode_struct(encoder, path, value);
    wire_close(encoder->into, mark);
    encoder->depth--;
    return good;
}

bool encode_value(struct encoder *encoder, const struct path *path, const struct json *value)
{
    double number;
    switch (value->kind) {
    case JSON_NULL:
        wire_put_number(encoder->into, VALUE_NULL, WIRE_VARINT, 0);
        return true;
    case JSON_BOOL:
        wire_put_number(encoder->into, VALUE_BOOL, WIRE_VARINT, value->boolean);
        return true;
    case JSON_NUMBER:
        if (!scalar_double(encoder->scratch, value->text, &number) || !isfinite(number))
            return encoder_expected(encoder, path, value, "a number that fits a double");
        wire_put_number(encoder->into, VALUE_NUMBER, WIRE_FIXED64, scalar_bits(number));
        return true;
    case JSON_STRING:
        if (!str_is_utf8(value->text, NULL))
            return encoder_fail(encoder, path, value, "expected UTF-8, got other bytes");
        wire_put_bytes(encoder->into, VALUE_STRING, value->text);
        return true;
    default:
        return encode_container(encoder, path, value);
    }
}

/* decoding */

/* The parts of one message, on the way. */
struct piece_list {
    struct piece *items;
    size_t count;
    size_t room;
};

static void add_piece(struct decoder *decoder, struct piece_list *list,
                      const struct wire_field *field)
{
    arena_grow(decoder->arena, &list->items, list->count, &list->room, sizeof *list->items);
    list->items[list->count++] = (struct piece){field->bytes, field->content};
}

static struct pieces pieces_of(const struct piece_list *list)
{
    return (struct pieces){list->items, list->count};
}

static bool decode_entry(struct decoder *decoder, const struct path *path,
                         const struct wire_field *from, struct map_entry *entry)
{
    struct wire wire = {.bytes = from->bytes, .offset = from->content};
    struct piece_list value = {0};
    struct wire_field field;
    struct path step = {.up = path, .key = true, .name = STR("")};
    while (wire_next(&wire, &field)) {
        if (field.number > ENTRY_VALUE)
            continue;
        if (!decode_expect(decoder, &step, &field, WIRE_BYTES))
            return false;
        if (field.number == ENTRY_VALUE) {
            add_piece(decoder, &value, &field);
            continue;
        }
        if (!decode_is_text(decoder, &step, field.bytes, field.content))
            return false;
        entry->key.bytes = field.bytes;
        step.name = field.bytes;
    }
    if (wire.error)
        return decoder_fail(decoder, &step, wire.error_offset, "%s", wire.error);
    if (!decoder_enter(decoder, &step, from->offset))
        return false;
    entry->kind = PROTO_STRING;
    entry->value = decode_value(decoder, &step, pieces_of(&value));
    decoder->depth--;
    return entry->value != NULL;
}

struct json *decode_struct(struct decoder *decoder, const struct path *path, struct pieces pieces)
{
    struct map_entry *entries = NULL;
    size_t count = 0;
    size_t room = 0;
    for (size_t i = 0; i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes, .offset = pieces.items[i].offset};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (field.number > STRUCT_FIELDS)
                continue;
            arena_grow(decoder->arena, &entries, count, &room, sizeof *entries);
            entries[count] = (struct map_entry){.order = count};
            if (!decode_expect(decoder, path, &field, WIRE_BYTES) ||
                !decoder_enter(decoder, path, field.offset) ||
                !decode_entry(decoder, path, &field, &entries[count]))
                return NULL;
            decoder->depth--;
            count++;
        }
        if (wire.error) {
            decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
            return NULL;
        }
    }
    struct json *object = json_object(decoder->arena);
    decode_put_entries(decoder, NULL, entries, count, object);
    return object;
}

struct json *decode_list(struct decoder *decoder, const struct path *path, struct pieces pieces)
{
    struct json *array = json_array(decoder->arena);
    for (size_t i = 0; i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes, .offset = pieces.items[i].offset};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (field.number > LIST_VALUES)
                continue;
            struct path step = {.up = path, .index = array->count};
            struct piece piece = {field.bytes, field.content};
            if (!decode_expect(decoder, &step, &field, WIRE_BYTES) ||
                !decoder_enter(decoder, &step, field.offset))
                return NULL;
            struct json *value = decode_value(decoder, &step, (struct pieces){&piece, 1});
            decoder->depth--;
            if (!value)
                return NULL;
            json_push(decoder->arena, array, value);
        }
        if (wire.error) {
            decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
            return NULL;
        }
    }
    return array;
}

/* What a Value was set to last; a struct or a list may come in pieces. */
struct value_state {
    enum value_kind kind;
    struct wire_field field;
    struct piece_list pieces;
};

static bool read_value_piece(struct decoder *decoder, const struct path *path,
                             const struct piece *piece, struct value_state *state)
{
    static const enum wire_type types[] = {
        [VALUE_NULL] = WIRE_VARINT, [VALUE_NUMBER] = WIRE_FIXED64, [VALUE_STRING] = WIRE_BYTES,
        [VALUE_BOOL] = WIRE_VARINT, [VALUE_STRUCT] = WIRE_BYTES,   [VALUE_LIST] = WIRE_BYTES};
    struct wire wire = {.bytes = piece->bytes, .offset = piece->offset};
    struct wire_field field;
    while (wire_next(&wire, &field)) {
        if (field.number > VALUE_LIST)
            continue;
        if (!decode_expect(decoder, path, &field, types[field.number]))
            return false;
        if (state->kind != (enum value_kind)field.number)
            state->pieces.count = 0;
        state->kind = (enum value_kind)field.number;
        state->field = field;
        if (state->kind >= VALUE_STRUCT)
            add_piece(decoder, &state->pieces, &field);
    }
    return !wire.error || decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
}

static struct json *decode_container(struct decoder *decoder, const struct path *path,
                                     const struct value_state *state)
{
    struct json *value;
    if (!decoder_enter(decoder, path, state->field.offset))
        return NULL;
    if (state->kind == VALUE_STRUCT)
        value = decode_struct(decoder, path, pieces_of(&state->pieces));
    else
        value = decode_list(decoder, path, pieces_of(&state->pieces));
    decoder->depth--;
    return value;
}

struct json *decode_value(struct decoder *decoder, const struct path *path, struct pieces pieces)
{
    struct value_state state = {0};
    if (!decoder_count(decoder, path, pieces.count ? pieces.items[0].offset : 0))
        return NULL;
    for (size_t i = 0; i < pieces.count; i++) {
        if (!read_value_piece(decoder, path, &pieces.items[i], &state))
            return NULL;
    }
    double number = scalar_from_bits(state.field.value);
    switch (state.kind) {
    case VALUE_NUMBER:
        if (isfinite(number))
            return json_double(decoder->arena, number);
        decoder_fail(decoder, path, state.field.offset,
                     "a Value cannot be infinite or NaN in JSON");
        return NULL;
    case VALUE_STRING:
        if (!decode_is_text(decoder, path, state.field.bytes, state.field.content))
            return NULL;
        return json_string(decoder->arena, state.field.bytes);
    case VALUE_BOOL:
        return json_bool(decoder->arena, state.field.value != 0);
    case VALUE_STRUCT:
    case VALUE_LIST:
        return decode_container(decoder, path, &state);
    default:
        return json_null(decoder->arena);
    }
}
