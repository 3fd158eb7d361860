/* FieldDescriptorProto and EnumDescriptorProto → structs. */
#include "server/grpc/protos_reader.h"

#include <stdlib.h>

/* fields */

enum { LABEL_OPTIONAL = 1, LABEL_REQUIRED = 2, LABEL_REPEATED = 3 };

/* What a FieldDescriptorProto says before it is put together. */
struct field_parts {
    uint64_t label;
    int64_t number;
    uint64_t kind;
    bool has_oneof;
    uint64_t oneof;
    bool proto3_optional;
    bool has_packed;
    bool packed;
};

static bool read_field_options(struct reader *reader, const struct wire_field *options,
                               struct field_parts *parts)
{
    enum { PACKED = 2 };
    struct str bytes;
    struct wire_field field;
    uint64_t value = 0;
    if (!reader_bytes(reader, options, &bytes))
        return false;
    struct wire wire = {.bytes = bytes, .offset = options->content};
    while (wire_next(&wire, &field)) {
        if (field.number != PACKED)
            continue;
        if (!reader_number(reader, &field, &value))
            return false;
        parts->has_packed = true;
        parts->packed = value != 0;
    }
    return reader_ended(reader, &wire);
}

static bool read_field_part(struct reader *reader, const struct wire_field *part,
                            struct proto_field *field, struct field_parts *parts)
{
    uint64_t value = 0;
    enum {
        NAME = 1,
        EXTENDEE,
        NUMBER,
        LABEL,
        TYPE,
        TYPE_NAME,
        DEFAULT,
        OPTIONS,
        ONEOF,
        JSON_NAME,
        OPTIONAL = 17
    };
    switch (part->number) {
    case NAME:
        return reader_name(reader, part, false, &field->name);
    case EXTENDEE:
        return reader_name(reader, part, true, &field->extendee);
    case NUMBER:
        if (!reader_number(reader, part, &value))
            return false;
        parts->number = (int32_t)value;
        return true;
    case LABEL:
        return reader_number(reader, part, &parts->label);
    case TYPE:
        return reader_number(reader, part, &parts->kind);
    case TYPE_NAME:
        return reader_name(reader, part, true, &field->type_name);
    case DEFAULT:
        field->has_default = true;
        return reader_bytes(reader, part, &field->default_text);
    case OPTIONS:
        return read_field_options(reader, part, parts);
    case ONEOF:
        parts->has_oneof = true;
        return reader_number(reader, part, &parts->oneof);
    case JSON_NAME:
        return reader_bytes(reader, part, &field->json_name) &&
               (reader_is_text(field->json_name) ||
                reader_fail(reader, part->offset, "a JSON name that is no text"));
    case OPTIONAL:
        if (!reader_number(reader, part, &value))
            return false;
        parts->proto3_optional = value != 0;
        return true;
    default:
        return true;
    }
}

/* lowerCamelCase as protoc makes it: what follows an underscore is a capital. */
static struct str make_json_name(struct arena *arena, struct str name)
{
    char *made = arena_alloc(arena, name.size + 1);
    size_t size = 0;
    bool capital = false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c == '_') {
            capital = true;
            continue;
        }
        made[size++] = capital && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        capital = false;
    }
    return size ? (struct str){made, size} : name;
}

static bool is_packable(uint64_t kind)
{
    return kind != 0 && kind != PROTO_STRING && kind != PROTO_BYTES && kind != PROTO_MESSAGE &&
           kind != PROTO_GROUP;
}

static bool check_field(struct reader *reader, size_t offset, const struct proto_field *field,
                        const struct field_parts *parts)
{
    if (field->name.size == 0)
        return reader_fail(reader, offset, "a field has no name");
    if (parts->number < 1 || parts->number > WIRE_MOST_NUMBER)
        return reader_fail(reader, offset, "field '" STR_FMT "' has a number outside 1 to %d",
                           STR_ARG(field->name), WIRE_MOST_NUMBER);
    if (parts->label > LABEL_REPEATED)
        return reader_fail(reader, offset, "field '" STR_FMT "' has an unknown label",
                           STR_ARG(field->name));
    if (parts->kind > PROTO_SINT64 || (parts->kind == 0 && field->type_name.size == 0))
        return reader_fail(reader, offset, "field '" STR_FMT "' has an unknown type",
                           STR_ARG(field->name));
    return true;
}

bool reader_field(struct reader *reader, const struct wire_field *from, struct proto_field *field,
                  const struct proto_message *message)
{
    struct field_parts parts = {0};
    struct wire_field part;
    struct str bytes;
    if (!reader_bytes(reader, from, &bytes))
        return false;
    struct wire wire = {.bytes = bytes, .offset = from->content};
    while (wire_next(&wire, &part)) {
        if (!read_field_part(reader, &part, field, &parts))
            return false;
    }
    if (!reader_ended(reader, &wire) || !check_field(reader, from->offset, field, &parts))
        return false;
    field->file = reader->file;
    field->number = (uint32_t)parts.number;
    field->kind = (enum proto_kind)parts.kind;
    field->repeated = parts.label == LABEL_REPEATED;
    field->required = parts.label == LABEL_REQUIRED && message;
    field->has_default = field->has_default && !reader->file->proto3;
    field->packed = field->repeated && is_packable(parts.kind) &&
                    (parts.has_packed ? parts.packed : reader->file->proto3);
    if (field->json_name.size == 0)
        field->json_name = make_json_name(reader->protos->arena, field->name);
    if (parts.has_oneof && !parts.proto3_optional && message) {
        if (parts.oneof >= message->oneof_count || field->repeated)
            return reader_fail(reader, from->offset,
                               "field '" STR_FMT "' is of no oneof it can be of",
                               STR_ARG(field->name));
        field->oneof = &message->oneofs[parts.oneof];
    }
    field->presence = !field->repeated &&
                      (!reader->file->proto3 || !message || field->oneof || parts.proto3_optional ||
                       parts.kind == PROTO_MESSAGE || parts.kind == PROTO_GROUP);
    return true;
}

bool reader_extension(struct reader *reader, const struct wire_field *from,
                      struct proto_field *field)
{
    if (!reader_field(reader, from, field, NULL) ||
        !reader_full_name(reader, from->offset, field->name, &field->name))
        return false;
    field->json_name = arena_printf(reader->protos->arena, "[" STR_FMT "]", STR_ARG(field->name));
    return field->extendee.size ||
           reader_fail(reader, from->offset, "extension '" STR_FMT "' does not say what it extends",
                       STR_ARG(field->name));
}

/* enums */

static int by_value_name(const void *a, const void *b)
{
    const struct proto_enum_value *const *left = a;
    const struct proto_enum_value *const *right = b;
    return str_compare((*left)->name, (*right)->name);
}

static int by_value_number(const void *a, const void *b)
{
    const struct proto_enum_value *left = *(const struct proto_enum_value *const *)a;
    const struct proto_enum_value *right = *(const struct proto_enum_value *const *)b;
    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return left < right ? -1 : left > right;
}

static bool read_value(struct reader *reader, const struct wire_field *from,
                       struct proto_enum_value *value)
{
    enum { NAME = 1, NUMBER = 2 };
    struct wire_field part;
    struct str bytes;
    uint64_t number = 0;
    if (!reader_bytes(reader, from, &bytes))
        return false;
    struct wire wire = {.bytes = bytes, .offset = from->content};
    while (wire_next(&wire, &part)) {
        if ((part.number == NAME && !reader_name(reader, &part, false, &value->name)) ||
            (part.number == NUMBER && !reader_number(reader, &part, &number)))
            return false;
    }
    value->number = (int32_t)number;
    return reader_ended(reader, &wire) &&
           (value->name.size || reader_fail(reader, from->offset, "a value has no name"));
}

static bool index_values(struct reader *reader, size_t offset, struct proto_enum *e)
{
    struct arena *arena = reader->protos->arena;
    if (e->value_count == 0)
        return reader_fail(reader, offset, "the enum has no values");
    e->by_name = arena_alloc_array(arena, e->value_count, sizeof *e->by_name);
    e->by_number = arena_alloc_array(arena, e->value_count, sizeof *e->by_number);
    for (size_t i = 0; i < e->value_count; i++)
        e->by_name[i] = e->by_number[i] = &e->values[i];
    qsort(e->by_name, e->value_count, sizeof *e->by_name, by_value_name);
    qsort(e->by_number, e->value_count, sizeof *e->by_number, by_value_number);
    for (size_t i = 1; i < e->value_count; i++) {
        if (str_equal(e->by_name[i - 1]->name, e->by_name[i]->name))
            return reader_fail(reader, offset, "the value '" STR_FMT "' is there twice",
                               STR_ARG(e->by_name[i]->name));
    }
    return true;
}

bool reader_enum(struct reader *reader, const struct wire_field *from, struct proto_enum *e)
{
    enum { NAME = 1, VALUE = 2 };
    struct wire_field part;
    struct str bytes;
    struct str outer = reader->scope;
    if (!reader_bytes(reader, from, &bytes) ||
        !reader_reserve(reader, from->offset, bytes, VALUE, sizeof *e->values, &e->values))
        return false;
    struct wire wire = {.bytes = bytes, .offset = from->content};
    while (wire_next(&wire, &part)) {
        if ((part.number == NAME && !reader_name(reader, &part, false, &e->name)) ||
            (part.number == VALUE && !read_value(reader, &part, &e->values[e->value_count++])))
            return false;
    }
    e->file = reader->file;
    if (!reader_ended(reader, &wire) || !reader_full_name(reader, from->offset, e->name, &e->name))
        return false;
    reader->scope = e->name;
    bool good = index_values(reader, from->offset, e);
    reader->scope = outer;
    return good;
}
