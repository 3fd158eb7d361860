/* FileDescriptorProto → structs, as descriptor.proto numbers its fields. Names of types stay as
 * written; protos_link() resolves them. */
#include "server/grpc/protos_reader.h"

#include <stdlib.h>

/* messages */

static int by_field_number(const void *a, const void *b)
{
    const struct proto_field *left = *(const struct proto_field *const *)a;
    const struct proto_field *right = *(const struct proto_field *const *)b;
    return left->number < right->number ? -1 : left->number > right->number;
}

static int by_field_name(const void *a, const void *b)
{
    const struct proto_field_name *left = a;
    const struct proto_field_name *right = b;
    return str_compare(left->name, right->name);
}

/*
 * Two fields may come to one JSON name (`foo_bar` and `fooBar`; protoc only warns in proto2): both
 * then go by their original names.
 */
static bool index_json_names(struct proto_message *message)
{
    struct proto_field_name *names = message->json_names;
    size_t count = message->field_count;
    for (int round = 0; round < 2; round++) {
        bool unique = true;
        for (size_t i = 0; i < count; i++)
            names[i] = (struct proto_field_name){message->fields[i].json_name, &message->fields[i]};
        qsort(names, count, sizeof *names, by_field_name);
        for (size_t i = 1; i < count; i++) {
            if (!str_equal(names[i - 1].name, names[i].name))
                continue;
            unique = false;
            struct proto_field *first = &message->fields[names[i - 1].field - message->fields];
            struct proto_field *second = &message->fields[names[i].field - message->fields];
            first->json_name = first->name;
            second->json_name = second->name;
        }
        if (unique)
            return true;
    }
    return false;
}

static bool index_fields(struct reader *reader, size_t offset, struct proto_message *m)
{
    struct arena *arena = reader->protos->arena;
    if (m->field_count == 0)
        return true;
    m->by_number = arena_alloc_array(arena, m->field_count, sizeof *m->by_number);
    m->json_names = arena_alloc_array(arena, m->field_count, sizeof *m->json_names);
    m->original_names = arena_alloc_array(arena, m->field_count, sizeof *m->original_names);
    for (size_t i = 0; i < m->field_count; i++) {
        m->by_number[i] = &m->fields[i];
        m->original_names[i] = (struct proto_field_name){m->fields[i].name, &m->fields[i]};
        m->required_count += m->fields[i].required;
    }
    qsort(m->by_number, m->field_count, sizeof *m->by_number, by_field_number);
    qsort(m->original_names, m->field_count, sizeof *m->original_names, by_field_name);
    for (size_t i = 1; i < m->field_count; i++) {
        if (m->by_number[i - 1]->number == m->by_number[i]->number)
            return reader_fail(reader, offset, "two fields have the number %u",
                               m->by_number[i]->number);
        if (str_equal(m->original_names[i - 1].name, m->original_names[i].name))
            return reader_fail(reader, offset, "two fields have the name '" STR_FMT "'",
                               STR_ARG(m->original_names[i].name));
    }
    return index_json_names(m) || reader_fail(reader, offset, "two fields have one JSON name");
}

static bool read_oneof(struct reader *reader, const struct wire_field *from,
                       struct proto_message *message)
{
    enum { NAME = 1 };
    struct proto_oneof *oneof = &message->oneofs[message->oneof_count];
    struct wire_field part;
    struct str bytes;
    oneof->index = message->oneof_count++;
    if (!reader_bytes(reader, from, &bytes))
        return false;
    struct wire wire = {.bytes = bytes, .offset = from->content};
    while (wire_next(&wire, &part)) {
        if (part.number == NAME && !reader_name(reader, &part, false, &oneof->name))
            return false;
    }
    return reader_ended(reader, &wire) &&
           (oneof->name.size || reader_fail(reader, from->offset, "a oneof has no name"));
}

static bool read_message_options(struct reader *reader, const struct wire_field *options,
                                 struct proto_message *message)
{
    enum { MAP_ENTRY = 7 };
    struct wire_field field;
    struct str bytes;
    uint64_t value = 0;
    if (!reader_bytes(reader, options, &bytes))
        return false;
    struct wire wire = {.bytes = bytes, .offset = options->content};
    while (wire_next(&wire, &field)) {
        if (field.number != MAP_ENTRY)
            continue;
        if (!reader_number(reader, &field, &value))
            return false;
        message->map_entry = value != 0;
    }
    return reader_ended(reader, &wire);
}

/* As descriptor.proto numbers the parts of a message. */
enum message_part {
    MESSAGE_NAME = 1,
    MESSAGE_FIELD,
    MESSAGE_NESTED,
    MESSAGE_ENUM,
    MESSAGE_EXTENSION = 6,
    MESSAGE_OPTIONS,
    MESSAGE_ONEOF
};

/* Name, options and oneofs go first: the others need them. */
static bool read_message_head(struct reader *reader, const struct wire_field *from,
                              struct proto_message *message)
{
    struct wire wire = {.bytes = from->bytes, .offset = from->content};
    struct wire_field part;
    while (wire_next(&wire, &part)) {
        if ((part.number == MESSAGE_NAME && !reader_name(reader, &part, false, &message->name)) ||
            (part.number == MESSAGE_OPTIONS && !read_message_options(reader, &part, message)) ||
            (part.number == MESSAGE_ONEOF && !read_oneof(reader, &part, message)))
            return false;
    }
    message->file = reader->file;
    return reader_ended(reader, &wire) &&
           reader_full_name(reader, from->offset, message->name, &message->name);
}

static bool read_message(struct reader *reader, const struct wire_field *from,
                         struct proto_message *message);

static bool read_message_parts(struct reader *reader, const struct wire_field *from,
                               struct proto_message *m)
{
    struct wire wire = {.bytes = from->bytes, .offset = from->content};
    struct wire_field part;
    while (wire_next(&wire, &part)) {
        bool good = true;
        if (part.number == MESSAGE_FIELD)
            good = reader_field(reader, &part, &m->fields[m->field_count++], m);
        else if (part.number == MESSAGE_NESTED)
            good = read_message(reader, &part, &m->messages[m->message_count++]);
        else if (part.number == MESSAGE_ENUM)
            good = reader_enum(reader, &part, &m->enums[m->enum_count++]);
        else if (part.number == MESSAGE_EXTENSION)
            good = reader_extension(reader, &part, &m->declared[m->declared_count++]);
        if (!good)
            return false;
    }
    return index_fields(reader, from->offset, m);
}

static bool read_message(struct reader *reader, const struct wire_field *from,
                         struct proto_message *m)
{
    struct str outer = reader->scope;
    struct str bytes;
    if (reader->nesting == PROTOS_NESTING)
        return reader_fail(reader, from->offset, "messages are nested deeper than %d levels",
                           PROTOS_NESTING);
    if (!reader_bytes(reader, from, &bytes) ||
        !reader_reserve(reader, from->offset, bytes, MESSAGE_FIELD, sizeof *m->fields,
                        &m->fields) ||
        !reader_reserve(reader, from->offset, bytes, MESSAGE_NESTED, sizeof *m->messages,
                        &m->messages) ||
        !reader_reserve(reader, from->offset, bytes, MESSAGE_ENUM, sizeof *m->enums, &m->enums) ||
        !reader_reserve(reader, from->offset, bytes, MESSAGE_EXTENSION, sizeof *m->declared,
                        &m->declared) ||
        !reader_reserve(reader, from->offset, bytes, MESSAGE_ONEOF, sizeof *m->oneofs,
                        &m->oneofs) ||
        !read_message_head(reader, from, m))
        return false;
    reader->scope = m->name;
    reader->nesting++;
    bool good = read_message_parts(reader, from, m);
    reader->nesting--;
    reader->scope = outer;
    return good;
}

/* services */

static bool read_method(struct reader *reader, const struct wire_field *from,
                        struct proto_method *method)
{
    enum { NAME = 1, INPUT, OUTPUT, CLIENT_STREAMING = 5, SERVER_STREAMING };
    struct wire_field part;
    struct str bytes;
    if (!reader_bytes(reader, from, &bytes))
        return false;
    struct wire wire = {.bytes = bytes, .offset = from->content};
    while (wire_next(&wire, &part)) {
        uint64_t flag = 0;
        bool is_flag = part.number == CLIENT_STREAMING || part.number == SERVER_STREAMING;
        if ((part.number == NAME && !reader_name(reader, &part, false, &method->name)) ||
            (part.number == INPUT && !reader_name(reader, &part, true, &method->input_name)) ||
            (part.number == OUTPUT && !reader_name(reader, &part, true, &method->output_name)) ||
            (is_flag && !reader_number(reader, &part, &flag)))
            return false;
        if (part.number == CLIENT_STREAMING)
            method->client_streaming = flag != 0;
        if (part.number == SERVER_STREAMING)
            method->server_streaming = flag != 0;
    }
    if (!reader_ended(reader, &wire) ||
        !reader_full_name(reader, from->offset, method->name, &method->full_name))
        return false;
    return (method->input_name.size && method->output_name.size) ||
           reader_fail(reader, from->offset, "method '" STR_FMT "' lacks a message type",
                       STR_ARG(method->name));
}

static bool read_methods(struct reader *reader, const struct wire_field *from,
                         struct proto_service *service)
{
    enum { METHOD = 2 };
    struct wire wire = {.bytes = from->bytes, .offset = from->content};
    struct wire_field part;
    while (wire_next(&wire, &part)) {
        if (part.number != METHOD)
            continue;
        struct proto_method *method = &service->methods[service->method_count++];
        method->service = service;
        if (!read_method(reader, &part, method))
            return false;
    }
    return true;
}

static bool read_service(struct reader *reader, const struct wire_field *from,
                         struct proto_service *service)
{
    enum { NAME = 1, METHOD = 2 };
    struct wire_field part;
    struct str bytes;
    if (!reader_bytes(reader, from, &bytes) ||
        !reader_reserve(reader, from->offset, bytes, METHOD, sizeof *service->methods,
                        &service->methods))
        return false;
    struct wire wire = {.bytes = bytes, .offset = from->content};
    while (wire_next(&wire, &part)) {
        if (part.number == NAME && !reader_name(reader, &part, false, &service->name))
            return false;
    }
    service->file = reader->file;
    if (!reader_ended(reader, &wire) ||
        !reader_full_name(reader, from->offset, service->name, &service->name))
        return false;
    reader->scope = service->name;
    bool good = read_methods(reader, from, service);
    reader->scope = (struct str){0};
    return good;
}

/* files */

enum file_part {
    FILE_NAME = 1,
    FILE_PACKAGE,
    FILE_DEPENDENCY,
    FILE_MESSAGE,
    FILE_ENUM,
    FILE_SERVICE,
    FILE_EXTENSION,
    FILE_SYNTAX = 12,
    FILE_EDITION = 14
};

/* An error in the name itself is told without it. */
static bool read_file_name(struct reader *reader, const struct wire_field *part, struct str *name)
{
    struct str text;
    if (!reader_bytes(reader, part, &text))
        return false;
    if (!reader_is_text(text))
        return reader_fail(reader, part->offset, "a file's name is no text");
    *name = text;
    return true;
}

static bool check_syntax(struct reader *reader, size_t offset, struct str syntax, bool edition)
{
    struct proto_file *file = reader->file;
    if (file->name.size == 0)
        return reader_fail(reader, offset, "a file has no name");
    if (edition || str_is(syntax, "editions"))
        return reader_fail(reader, offset,
                           "it is written in an edition; only proto2 and proto3 are read");
    if (syntax.size && !str_is(syntax, "proto2") && !str_is(syntax, "proto3"))
        return reader_fail(reader, offset, "its syntax is neither proto2 nor proto3");
    file->proto3 = str_is(syntax, "proto3");
    return true;
}

/* What the other parts need: name, package, syntax. */
static bool read_file_head(struct reader *reader, struct str bytes, size_t offset)
{
    struct proto_file *file = reader->file;
    struct wire wire = {.bytes = bytes, .offset = offset};
    struct wire_field part;
    struct str syntax = {0};
    bool edition = false;
    while (wire_next(&wire, &part)) {
        if ((part.number == FILE_NAME && !read_file_name(reader, &part, &file->name)) ||
            (part.number == FILE_PACKAGE && !reader_name(reader, &part, true, &file->package)) ||
            (part.number == FILE_SYNTAX && !reader_bytes(reader, &part, &syntax)))
            return false;
        edition = edition || part.number == FILE_EDITION;
    }
    return reader_ended(reader, &wire) && check_syntax(reader, offset, syntax, edition);
}

static bool read_file_part(struct reader *reader, const struct wire_field *part)
{
    struct proto_file *file = reader->file;
    switch (part->number) {
    case FILE_DEPENDENCY:
        return read_file_name(reader, part, &file->dependencies[file->dependency_count++]);
    case FILE_MESSAGE:
        return read_message(reader, part, &file->messages[file->message_count++]);
    case FILE_ENUM:
        return reader_enum(reader, part, &file->enums[file->enum_count++]);
    case FILE_SERVICE:
        return read_service(reader, part, &file->services[file->service_count++]);
    case FILE_EXTENSION:
        return reader_extension(reader, part, &file->extensions[file->extension_count++]);
    default:
        return true;
    }
}

struct proto_file *protos_read_file(struct protos *protos, struct str bytes, size_t offset,
                                    struct protos_error *error)
{
    struct proto_file *file = arena_alloc(protos->arena, sizeof *file);
    struct reader reader = {protos, file, error, {0}, 0};
    struct wire wire = {.bytes = bytes, .offset = offset};
    struct wire_field part;
    if (!read_file_head(&reader, bytes, offset) ||
        !reader_reserve(&reader, offset, bytes, FILE_DEPENDENCY, sizeof *file->dependencies,
                        &file->dependencies) ||
        !reader_reserve(&reader, offset, bytes, FILE_MESSAGE, sizeof *file->messages,
                        &file->messages) ||
        !reader_reserve(&reader, offset, bytes, FILE_ENUM, sizeof *file->enums, &file->enums) ||
        !reader_reserve(&reader, offset, bytes, FILE_SERVICE, sizeof *file->services,
                        &file->services) ||
        !reader_reserve(&reader, offset, bytes, FILE_EXTENSION, sizeof *file->extensions,
                        &file->extensions))
        return NULL;
    while (wire_next(&wire, &part)) {
        if (!read_file_part(&reader, &part))
            return NULL;
    }
    file->bytes = bytes;
    return file;
}
