/*
 * Messages with a JSON form of their own. Their fields are read and written by number, whatever a
 * descriptor says about them, for the JSON form depends on them.
 */
#include "server/grpc/message_private.h"

#include "base/base64.h"

/* Any */

enum { ANY_URL = 1, ANY_BYTES = 2 };

/* The type behind the last slash of a type URL; empty when there is none. */
static struct str any_type_name(struct str url)
{
    size_t at = url.size;
    while (at && url.data[at - 1] != '/')
        at--;
    return at ? str_from(url, at) : (struct str){0};
}

static void any_put(struct encoder *encoder, struct str url, struct str bytes)
{
    if (url.size)
        wire_put_bytes(encoder->into, ANY_URL, url);
    if (bytes.size)
        wire_put_bytes(encoder->into, ANY_BYTES, bytes);
}

/* {"@type": url, "@value": Base64}: bytes of a type that need not be known. */
static bool encode_any_bytes(struct encoder *encoder, const struct path *path,
                             const struct json *object, struct str url)
{
    struct path step = {.up = path, .name = STR("@value")};
    const struct json *value = json_get(object, step.name);
    struct str bytes;
    if (object->count != 2)
        return encoder_fail(encoder, path, object, "beside '@value' only '@type' can stand");
    if (value->kind != JSON_STRING || !base64_read(encoder->scratch, value->text, &bytes))
        return encoder_expected(encoder, &step, value, "Base64 (bytes)");
    any_put(encoder, url, bytes);
    return true;
}

/* The JSON of a known type stands under "value", the fields of others beside "@type". */
static bool encode_any_content(struct encoder *encoder, const struct path *path,
                               const struct proto_message *type, const struct json *object)
{
    if (type->known == PROTO_PLAIN)
        return encode_fields(encoder, path, type, object, true);
    struct path step = {.up = path, .name = STR("value")};
    const struct json *value = json_get(object, step.name);
    if (!value || object->count != 2)
        return encoder_fail(encoder, path, object,
                            "expected '@type' and 'value' and nothing else, for " STR_FMT,
                            STR_ARG(type->name));
    return encode_message(encoder, &step, type, value);
}

static bool unknown_type(struct encoder *encoder, const struct path *path, const struct json *type,
                         struct str name)
{
    struct nearest nearest = protos_nearest_message(encoder->protos, name);
    encoder_fail(encoder, path, type, "no message type is known for " STR_FMT,
                 STR_ARG(scalar_shown(encoder->scratch, type)));
    encoder_help(encoder, &nearest);
    return false;
}

static bool encode_any(struct encoder *encoder, const struct path *path, const struct json *object)
{
    struct path step = {.up = path, .name = STR("@type")};
    if (object->kind != JSON_OBJECT)
        return encoder_expected(encoder, path, object, "an object with '@type'");
    const struct json *url = json_get(object, step.name);
    if (!url && object->count == 0) {
        encode_unknown(encoder, object);
        return true;
    }
    if (!url)
        return encoder_fail(encoder, path, object, "'@type' is missing");
    struct str name = url->kind == JSON_STRING ? any_type_name(url->text) : (struct str){0};
    if (name.size == 0)
        return encoder_expected(encoder, &step, url,
                                "a type as in \"type.googleapis.com/package.Message\"");
    encode_unknown(encoder, url);
    if (json_get(object, STR("@value")))
        return encode_any_bytes(encoder, path, object, url->text);
    const struct proto_message *type = protos_message(encoder->protos, name);
    if (!type)
        return unknown_type(encoder, &step, url, name);
    if (!encoder_enter(encoder, path, object))
        return false;
    struct buf *outer = encoder->into;
    struct buf content;
    buf_init(&content, outer->most);
    encoder->into = &content;
    bool good = encode_any_content(encoder, path, type, object);
    encoder->into = outer;
    outer->full = outer->full || content.full;
    if (good)
        any_put(encoder, url->text, buf_str(&content));
    buf_clear(&content);
    encoder->depth--;
    return good;
}

/* The last of each counts. */
static bool read_any(struct decoder *decoder, const struct path *path, struct pieces pieces,
                     struct wire_field *url, struct piece *content)
{
    for (size_t i = 0; i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes, .offset = pieces.items[i].offset};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (field.number > ANY_BYTES)
                continue;
            if (!decode_expect(decoder, path, &field, WIRE_BYTES))
                return false;
            if (field.number == ANY_URL)
                *url = field;
            else
                *content = (struct piece){field.bytes, field.content};
        }
        if (wire.error)
            return decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
    }
    return decode_is_text(decoder, path, url->bytes, url->content);
}

static bool decode_any_content(struct decoder *decoder, const struct path *path,
                               const struct proto_message *type, const struct piece *content,
                               struct json *object)
{
    struct pieces pieces = {content, 1};
    if (type->known == PROTO_PLAIN)
        return decode_fields(decoder, path, type, pieces, object);
    struct path step = {.up = path, .name = STR("value")};
    struct json *value = decode_message(decoder, &step, type, pieces);
    if (value)
        json_put(decoder->arena, object, step.name, value);
    return value != NULL;
}

static struct json *decode_any(struct decoder *decoder, const struct path *path,
                               struct pieces pieces)
{
    struct json *object = json_object(decoder->arena);
    struct wire_field url = {0};
    struct piece content = {{0}, pieces.count ? pieces.items[0].offset : 0};
    if (!read_any(decoder, path, pieces, &url, &content))
        return NULL;
    if (url.bytes.size == 0 && content.bytes.size == 0) {
        decode_keep_above(decoder, object, pieces, ANY_BYTES);
        return object;
    }
    struct str name = any_type_name(url.bytes);
    if (name.size == 0) {
        decoder_fail(decoder, path, url.content, "an Any whose type URL has no type");
        return NULL;
    }
    struct json *type_json = json_string(decoder->arena, url.bytes);
    json_put(decoder->arena, object, STR("@type"), type_json);
    decode_keep_above(decoder, type_json, pieces, ANY_BYTES);
    const struct proto_message *type = protos_message(decoder->protos, name);
    if (!type) {
        json_put(decoder->arena, object, STR("@value"),
                 json_string(decoder->arena, base64_write(decoder->arena, content.bytes, true)));
        return object;
    }
    if (!decoder_enter(decoder, path, url.offset))
        return NULL;
    bool good = decode_any_content(decoder, path, type, &content, object);
    decoder->depth--;
    return good ? object : NULL;
}

/* Timestamp and Duration */

enum { MOMENT_SECONDS = 1, MOMENT_NANOS = 2 };

static bool encode_moment(struct encoder *encoder, const struct path *path,
                          const struct proto_message *type, const struct json *value)
{
    struct moment moment = {0};
    bool timestamp = type->known == PROTO_TIMESTAMP;
    if (value->kind != JSON_STRING)
        return encoder_expected(encoder, path, value,
                                timestamp ? "a time as a string (RFC 3339)"
                                          : "a duration as a string (\"1.5s\")");
    const char *wrong = timestamp ? moment_read_timestamp(value->text, &moment)
                                  : moment_read_duration(value->text, &moment);
    if (wrong)
        return encoder_fail(encoder, path, value, "%s, got " STR_FMT, wrong,
                            STR_ARG(scalar_shown(encoder->scratch, value)));
    if (moment.seconds)
        wire_put_number(encoder->into, MOMENT_SECONDS, WIRE_VARINT, (uint64_t)moment.seconds);
    if (moment.nanos)
        wire_put_number(encoder->into, MOMENT_NANOS, WIRE_VARINT, (uint64_t)(int64_t)moment.nanos);
    encode_unknown(encoder, value);
    return true;
}

static struct json *decode_moment(struct decoder *decoder, const struct path *path,
                                  const struct proto_message *type, struct pieces pieces)
{
    struct moment moment = {0};
    struct str text;
    for (size_t i = 0; i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes, .offset = pieces.items[i].offset};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (field.number > MOMENT_NANOS)
                continue;
            if (!decode_expect(decoder, path, &field, WIRE_VARINT))
                return NULL;
            if (field.number == MOMENT_SECONDS)
                moment.seconds = (int64_t)field.value;
            else
                moment.nanos = (int32_t)(uint32_t)field.value;
        }
        if (wire.error) {
            decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
            return NULL;
        }
    }
    const char *wrong = type->known == PROTO_TIMESTAMP
                            ? moment_write_timestamp(decoder->arena, moment, &text)
                            : moment_write_duration(decoder->arena, moment, &text);
    if (wrong) {
        decoder_fail(decoder, path, pieces.count ? pieces.items[0].offset : 0, "%s", wrong);
        return NULL;
    }
    struct json *value = json_string(decoder->arena, text);
    decode_keep_above(decoder, value, pieces, MOMENT_NANOS);
    return value;
}

/* FieldMask: paths with commas between */

enum { MASK_PATHS = 1 };

static bool encode_mask(struct encoder *encoder, const struct path *path, const struct json *value)
{
    if (value->kind != JSON_STRING)
        return encoder_expected(encoder, path, value, "field paths as a string (\"a,b.cD\")");
    struct str rest = value->text;
    while (value->text.size) {
        ptrdiff_t comma = str_find_byte(rest, ',');
        struct str one = comma < 0 ? rest : str_slice(rest, 0, (size_t)comma);
        struct str made;
        if (!mask_read_path(encoder->scratch, one, &made))
            return encoder_expected(encoder, path, value,
                                    "field paths in lowerCamelCase (\"a,b.cD\")");
        wire_put_bytes(encoder->into, MASK_PATHS, made);
        if (comma < 0)
            break;
        rest = str_from(rest, (size_t)comma + 1);
    }
    encode_unknown(encoder, value);
    return true;
}

static bool decode_mask_piece(struct decoder *decoder, const struct path *path,
                              const struct piece *piece, struct buf *text)
{
    struct wire wire = {.bytes = piece->bytes, .offset = piece->offset};
    struct wire_field field;
    while (wire_next(&wire, &field)) {
        if (field.number > MASK_PATHS)
            continue;
        if (!decode_expect(decoder, path, &field, WIRE_BYTES) ||
            !decode_is_text(decoder, path, field.bytes, field.content))
            return false;
        if (text->size)
            (void)!buf_append_byte(text, ',');
        if (!mask_write_path(field.bytes, text))
            return decoder_fail(decoder, path, field.content, "a field path that has no JSON form");
    }
    return !wire.error || decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
}

static struct json *decode_mask(struct decoder *decoder, const struct path *path,
                                struct pieces pieces)
{
    struct json *value = NULL;
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (size_t i = 0; i < pieces.count; i++) {
        if (!decode_mask_piece(decoder, path, &pieces.items[i], &text))
            goto out;
    }
    value = json_string(decoder->arena, arena_copy(decoder->arena, buf_str(&text)));
    decode_keep_above(decoder, value, pieces, MASK_PATHS);
out:
    buf_clear(&text);
    return value;
}

/* wrappers: the JSON of their one field */

static bool encode_wrapper(struct encoder *encoder, const struct path *path,
                           const struct proto_message *type, const struct json *value)
{
    const struct proto_field *field = proto_field_by_number(type, 1);
    struct scalar scalar;
    struct str help = {0};
    const char *wrong = scalar_read(encoder->scratch, field, value, &scalar, &help);
    if (wrong)
        return encoder_fail(encoder, path, value, "%s", wrong);
    if (!scalar_is_zero(&scalar)) {
        wire_put_tag(encoder->into, field->number, kind_wire_type(field->kind));
        scalar_put(encoder->into, field->kind, &scalar);
    }
    encode_unknown(encoder, value);
    return true;
}

static struct json *decode_wrapper(struct decoder *decoder, const struct path *path,
                                   const struct proto_message *type, struct pieces pieces)
{
    const struct proto_field *wrapped = proto_field_by_number(type, 1);
    struct scalar scalar = {0};
    for (size_t i = 0; i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes, .offset = pieces.items[i].offset};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (field.number > 1)
                continue;
            if (!decode_expect(decoder, path, &field, kind_wire_type(wrapped->kind)) ||
                (wrapped->kind == PROTO_STRING &&
                 !decode_is_text(decoder, path, field.bytes, field.content)))
                return NULL;
            scalar.number = scalar_normal(wrapped->kind, field.value);
            scalar.bytes = field.bytes;
        }
        if (wire.error) {
            decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
            return NULL;
        }
    }
    struct json *value = scalar_json(decoder->arena, wrapped, &scalar);
    decode_keep_above(decoder, value, pieces, 1);
    return value;
}

/* all of them */

bool encode_known(struct encoder *encoder, const struct path *path,
                  const struct proto_message *type, const struct json *value)
{
    switch (type->known) {
    case PROTO_ANY:
        return encode_any(encoder, path, value);
    case PROTO_DURATION:
    case PROTO_TIMESTAMP:
        return encode_moment(encoder, path, type, value);
    case PROTO_FIELD_MASK:
        return encode_mask(encoder, path, value);
    case PROTO_LIST_VALUE:
        return encode_list(encoder, path, value);
    case PROTO_STRUCT:
        return encode_struct(encoder, path, value);
    case PROTO_VALUE:
        return encode_value(encoder, path, value);
    default:
        return encode_wrapper(encoder, path, type, value);
    }
}

struct json *decode_known(struct decoder *decoder, const struct path *path,
                          const struct proto_message *type, struct pieces pieces)
{
    switch (type->known) {
    case PROTO_ANY:
        return decode_any(decoder, path, pieces);
    case PROTO_DURATION:
    case PROTO_TIMESTAMP:
        return decode_moment(decoder, path, type, pieces);
    case PROTO_FIELD_MASK:
        return decode_mask(decoder, path, pieces);
    case PROTO_LIST_VALUE:
        return decode_list(decoder, path, pieces);
    case PROTO_STRUCT:
        return decode_struct(decoder, path, pieces);
    case PROTO_VALUE:
        return decode_value(decoder, path, pieces);
    default:
        return decode_wrapper(decoder, path, type, pieces);
    }
}
