/* Linking: names of types → what they name; and the comparison of two files of one name. */
#include "server/grpc/protos_private.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct linker {
    struct protos *protos;
    const struct proto_file *file;
    struct protos_error *error;
    size_t steps; /* of looking for relative names, which would else be without bound */
};

enum { MOST_STEPS = 10000000, MOST_EXTENSIONS = 20000 };

/* symbols */

static void add_symbol(struct linker *linker, struct str name, enum symbol_kind kind, void *thing)
{
    struct protos *protos = linker->protos;
    memory_grow(&protos->symbols, protos->symbol_count, &protos->symbol_room,
                sizeof *protos->symbols);
    protos->symbols[protos->symbol_count++] = (struct symbol){name, kind, thing, linker->file};
}

static void add_enums(struct linker *linker, struct proto_enum *enums, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_symbol(linker, enums[i].name, SYMBOL_ENUM, &enums[i]);
}

static void add_extensions(struct linker *linker, struct proto_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_symbol(linker, fields[i].name, SYMBOL_EXTENSION, &fields[i]);
}

static void add_messages(struct linker *linker, struct proto_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct proto_message *message = &messages[i];
        add_symbol(linker, message->name, SYMBOL_MESSAGE, message);
        add_messages(linker, message->messages, message->message_count);
        add_enums(linker, message->enums, message->enum_count);
        add_extensions(linker, message->declared, message->declared_count);
    }
}

static void add_services(struct linker *linker, struct proto_service *services, size_t count)
{
    struct protos *protos = linker->protos;
    for (size_t i = 0; i < count; i++) {
        struct proto_service *service = &services[i];
        memory_grow(&protos->services, protos->service_count, &protos->service_room,
                    sizeof *protos->services);
        protos->services[protos->service_count++] = service;
        add_symbol(linker, service->name, SYMBOL_SERVICE, service);
        for (size_t j = 0; j < service->method_count; j++)
            add_symbol(linker, service->methods[j].full_name, SYMBOL_METHOD, &service->methods[j]);
    }
}

static int by_symbol_name(const void *a, const void *b)
{
    return str_compare(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static int by_service_name(const void *a, const void *b)
{
    const struct proto_service *const *left = a;
    const struct proto_service *const *right = b;
    return str_compare((*left)->name, (*right)->name);
}

static bool sort_symbols(struct linker *linker)
{
    struct protos *protos = linker->protos;
    struct symbol *symbols = protos->symbols;
    if (protos->symbol_count)
        qsort(symbols, protos->symbol_count, sizeof *symbols, by_symbol_name);
    if (protos->service_count)
        qsort(protos->services, protos->service_count, sizeof(void *), by_service_name);
    for (size_t i = 1; i < protos->symbol_count; i++) {
        if (!str_equal(symbols[i - 1].name, symbols[i].name))
            continue;
        return protos_fail(protos, linker->error, 0,
                           "'" STR_FMT "' is defined twice: in '" STR_FMT "' and in '" STR_FMT "'",
                           STR_ARG(symbols[i].name), STR_ARG(symbols[i - 1].file->name),
                           STR_ARG(symbols[i].file->name));
    }
    return true;
}

/* A name as seen from a scope: there, else from the scope around it. */
static const struct symbol *resolve(struct linker *linker, struct str scope, struct str name)
{
    char full[2 * PROTOS_LONGEST_NAME + 2];
    if (name.size && name.data[0] == '.')
        return protos_symbol(linker->protos, name);
    for (;;) {
        int size = scope.size ? snprintf(full, sizeof full, STR_FMT "." STR_FMT, STR_ARG(scope),
                                         STR_ARG(name))
                              : snprintf(full, sizeof full, STR_FMT, STR_ARG(name));
        const struct symbol *found =
            protos_symbol(linker->protos, (struct str){full, (size_t)size});
        if (found || scope.size == 0 || linker->steps++ == MOST_STEPS)
            return found;
        while (scope.size && scope.data[scope.size - 1] != '.')
            scope.size--;
        scope.size -= scope.size > 0;
    }
}

static bool unresolved(struct linker *linker, struct str user, struct str name)
{
    return protos_fail(linker->protos, linker->error, 0,
                       "file '" STR_FMT "', '" STR_FMT "': the type '" STR_FMT
                       "' is not there; was an import left out?",
                       STR_ARG(linker->file->name), STR_ARG(user), STR_ARG(name));
}

/* fields */

static bool link_failed(struct linker *linker, struct str scope, const struct proto_field *field,
                        const char *what)
{
    return protos_fail(linker->protos, linker->error, 0,
                       "file '" STR_FMT "', '" STR_FMT "': field '" STR_FMT "' %s",
                       STR_ARG(linker->file->name), STR_ARG(scope), STR_ARG(field->name), what);
}

/* The key and the value of a map are its entries' fields 1 and 2. */
static bool is_map_entry(const struct proto_message *entry)
{
    if (entry->field_count != 2 || entry->by_number[0]->number != 1 ||
        entry->by_number[1]->number != 2 || entry->by_number[0]->repeated ||
        entry->by_number[1]->repeated)
        return false;
    switch (entry->by_number[0]->kind) {
    case PROTO_DOUBLE:
    case PROTO_FLOAT:
    case PROTO_BYTES:
    case PROTO_ENUM:
    case PROTO_MESSAGE:
    case PROTO_GROUP:
        return false;
    default:
        return entry->by_number[1]->kind != PROTO_GROUP;
    }
}

static bool link_field(struct linker *linker, struct str scope, struct proto_field *field)
{
    bool named = field->kind == 0 || field->kind == PROTO_MESSAGE || field->kind == PROTO_GROUP ||
                 field->kind == PROTO_ENUM;
    if (!named)
        return true;
    const struct symbol *symbol = resolve(linker, scope, field->type_name);
    if (!symbol)
        return unresolved(linker, scope, field->type_name);
    if (symbol->kind == SYMBOL_MESSAGE && field->kind != PROTO_ENUM) {
        field->kind = field->kind ? field->kind : PROTO_MESSAGE;
        field->presence = !field->repeated;
        field->packed = false;
        field->message = symbol->thing;
        return true;
    }
    if (symbol->kind != SYMBOL_ENUM || field->kind == PROTO_MESSAGE || field->kind == PROTO_GROUP)
        return link_failed(linker, scope, field, "has the name of something else as its type");
    field->kind = PROTO_ENUM;
    field->enumeration = symbol->thing;
    field->closed_enum = !field->file->proto3;
    return true;
}

/* Maps are told by their entries, which are complete only now. */
static bool link_map(struct linker *linker, const struct proto_message *message,
                     struct proto_field *field)
{
    if (!field->message || !field->message->map_entry || field->kind != PROTO_MESSAGE)
        return true;
    if (!field->repeated || !is_map_entry(field->message))
        return link_failed(linker, message->name, field, "is a map that is none");
    field->map = true;
    return true;
}

/* An extension of what is not there is an unknown field, nothing else. */
static bool link_extension(struct linker *linker, struct str scope, struct proto_field *field)
{
    const struct symbol *symbol = resolve(linker, scope, field->extendee);
    if (!symbol)
        return true;
    if (symbol->kind != SYMBOL_MESSAGE)
        return link_failed(linker, scope, field, "extends what is no message");
    if (!link_field(linker, scope, field))
        return false;
    struct proto_message *message = symbol->thing;
    if (proto_field_by_number(message, field->number))
        return link_failed(linker, scope, field, "extends a message with a number that is taken");
    if (message->extension_count == MOST_EXTENSIONS)
        return link_failed(linker, scope, field, "is one extension too many for one message");
    arena_grow(linker->protos->arena, &message->extensions, message->extension_count,
               &message->extension_room, sizeof *message->extensions);
    size_t at = message->extension_count++;
    for (; at && message->extensions[at - 1]->number > field->number; at--)
        message->extensions[at] = message->extensions[at - 1];
    message->extensions[at] = field;
    return true;
}

static bool link_extensions(struct linker *linker, struct str scope, struct proto_field *fields,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!link_extension(linker, scope, &fields[i]))
            return false;
    }
    return true;
}

/* messages and services */

static enum proto_known known_type(const struct proto_message *message)
{
    static const struct {
        const char *name;
        enum proto_known known;
        enum proto_kind wrapped;
    } rows[] = {
        {"Any", PROTO_ANY, 0},
        {"BoolValue", PROTO_WRAPPER, PROTO_BOOL},
        {"BytesValue", PROTO_WRAPPER, PROTO_BYTES},
        {"DoubleValue", PROTO_WRAPPER, PROTO_DOUBLE},
        {"Duration", PROTO_DURATION, 0},
        {"FieldMask", PROTO_FIELD_MASK, 0},
        {"FloatValue", PROTO_WRAPPER, PROTO_FLOAT},
        {"Int32Value", PROTO_WRAPPER, PROTO_INT32},
        {"Int64Value", PROTO_WRAPPER, PROTO_INT64},
        {"ListValue", PROTO_LIST_VALUE, 0},
        {"StringValue", PROTO_WRAPPER, PROTO_STRING},
        {"Struct", PROTO_STRUCT, 0},
        {"Timestamp", PROTO_TIMESTAMP, 0},
        {"UInt32Value", PROTO_WRAPPER, PROTO_UINT32},
        {"UInt64Value", PROTO_WRAPPER, PROTO_UINT64},
        {"Value", PROTO_VALUE, 0},
    };
    const struct str prefix = STR("google.protobuf.");
    if (!str_starts(message->name, prefix))
        return PROTO_PLAIN;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!str_is(str_from(message->name, prefix.size), rows[i].name))
            continue;
        if (rows[i].known != PROTO_WRAPPER)
            return rows[i].known;
        /* a wrapper is read by its field, so that must be what it should be */
        const struct proto_field *value = proto_field_by_number(message, 1);
        return value && !value->repeated && !value->presence && value->kind == rows[i].wrapped
                   ? PROTO_WRAPPER
                   : PROTO_PLAIN;
    }
    return PROTO_PLAIN;
}

static bool link_message(struct linker *linker, struct proto_message *message)
{
    message->known = known_type(message);
    for (size_t i = 0; i < message->field_count; i++) {
        if (!link_field(linker, message->name, &message->fields[i]))
            return false;
    }
    for (size_t i = 0; i < message->message_count; i++) {
        if (!link_message(linker, &message->messages[i]))
            return false;
    }
    for (size_t i = 0; i < message->field_count; i++) {
        if (!link_map(linker, message, &message->fields[i]))
            return false;
    }
    return link_extensions(linker, message->name, message->declared, message->declared_count);
}

static const struct proto_message *link_type(struct linker *linker,
                                             const struct proto_service *service, struct str name)
{
    const struct symbol *symbol = resolve(linker, service->name, name);
    if (symbol && symbol->kind == SYMBOL_MESSAGE)
        return symbol->thing;
    unresolved(linker, service->name, name);
    return NULL;
}

static bool link_service(struct linker *linker, struct proto_service *service)
{
    for (size_t i = 0; i < service->method_count; i++) {
        struct proto_method *method = &service->methods[i];
        method->input = link_type(linker, service, method->input_name);
        if (!method->input)
            return false;
        method->output = link_type(linker, service, method->output_name);
        if (!method->output)
            return false;
    }
    return true;
}

static bool link_file(struct linker *linker, struct proto_file *file)
{
    linker->file = file;
    for (size_t i = 0; i < file->message_count; i++) {
        if (!link_message(linker, &file->messages[i]))
            return false;
    }
    for (size_t i = 0; i < file->service_count; i++) {
        if (!link_service(linker, &file->services[i]))
            return false;
    }
    return link_extensions(linker, file->package, file->extensions, file->extension_count);
}

int protos_link(struct protos *protos, struct protos_error *error)
{
    struct linker linker = {protos, NULL, error, 0};
    for (size_t i = 0; i < protos->file_count; i++) {
        struct proto_file *file = protos->files[i].file;
        if (protos->files[i].linked)
            continue;
        linker.file = file;
        add_messages(&linker, file->messages, file->message_count);
        add_enums(&linker, file->enums, file->enum_count);
        add_extensions(&linker, file->extensions, file->extension_count);
        add_services(&linker, file->services, file->service_count);
    }
    if (!sort_symbols(&linker))
        return -EINVAL;
    for (size_t i = 0; i < protos->file_count; i++) {
        if (!protos->files[i].linked && !link_file(&linker, protos->files[i].file))
            return -EINVAL;
        protos->files[i].linked = true;
    }
    return 0;
}

/* comparing */

static bool same_type(struct str a, struct str b)
{
    return str_equal(a, b) ||
           (a.size && b.size && a.data[0] != b.data[0] && (str_ends(a, b) || str_ends(b, a)));
}

static bool same_fields(const struct proto_field *a, size_t a_count, const struct proto_field *b,
                        size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        bool oneof = !a[i].oneof == !b[i].oneof &&
                     (!a[i].oneof || str_equal(a[i].oneof->name, b[i].oneof->name));
        bool kind = a[i].kind == b[i].kind || a[i].kind == 0 || b[i].kind == 0;
        if (!oneof || !kind || !str_equal(a[i].name, b[i].name) || a[i].number != b[i].number ||
            a[i].repeated != b[i].repeated || a[i].required != b[i].required ||
            a[i].presence != b[i].presence || a[i].packed != b[i].packed ||
            !same_type(a[i].type_name, b[i].type_name) ||
            !same_type(a[i].extendee, b[i].extendee) ||
            !str_equal(a[i].json_name, b[i].json_name) ||
            !str_equal(a[i].default_text, b[i].default_text))
            return false;
    }
    return true;
}

static struct str enums_difference(const struct proto_enum *a, const struct proto_enum *b,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool same = str_equal(a[i].name, b[i].name) && a[i].value_count == b[i].value_count;
        for (size_t j = 0; same && j < a[i].value_count; j++)
            same = str_equal(a[i].values[j].name, b[i].values[j].name) &&
                   a[i].values[j].number == b[i].values[j].number;
        if (!same)
            return a[i].name;
    }
    return (struct str){0};
}

static struct str messages_difference(const struct proto_message *a, const struct proto_message *b,
                                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(a[i].name, b[i].name) || a[i].map_entry != b[i].map_entry ||
            a[i].message_count != b[i].message_count || a[i].enum_count != b[i].enum_count ||
            !same_fields(a[i].fields, a[i].field_count, b[i].fields, b[i].field_count) ||
            !same_fields(a[i].declared, a[i].declared_count, b[i].declared, b[i].declared_count))
            return a[i].name;
        struct str inner = messages_difference(a[i].messages, b[i].messages, a[i].message_count);
        if (inner.size == 0)
            inner = enums_difference(a[i].enums, b[i].enums, a[i].enum_count);
        if (inner.size)
            return inner;
    }
    return (struct str){0};
}

static struct str services_difference(const struct proto_service *a, const struct proto_service *b,
                                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool same = str_equal(a[i].name, b[i].name) && a[i].method_count == b[i].method_count;
        for (size_t j = 0; same && j < a[i].method_count; j++) {
            const struct proto_method *left = &a[i].methods[j];
            const struct proto_method *right = &b[i].methods[j];
            same = str_equal(left->name, right->name) &&
                   same_type(left->input_name, right->input_name) &&
                   same_type(left->output_name, right->output_name) &&
                   left->client_streaming == right->client_streaming &&
                   left->server_streaming == right->server_streaming;
        }
        if (!same)
            return a[i].name;
    }
    return (struct str){0};
}

struct str protos_difference(const struct proto_file *a, const struct proto_file *b)
{
    if (a->message_count != b->message_count || a->enum_count != b->enum_count ||
        a->service_count != b->service_count || a->proto3 != b->proto3 ||
        !str_equal(a->package, b->package) ||
        !same_fields(a->extensions, a->extension_count, b->extensions, b->extension_count))
        return a->name;
    struct str difference = messages_difference(a->messages, b->messages, a->message_count);
    if (difference.size == 0)
        difference = enums_difference(a->enums, b->enums, a->enum_count);
    if (difference.size == 0)
        difference = services_difference(a->services, b->services, a->service_count);
    return difference;
}
