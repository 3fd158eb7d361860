/* The pool and what is found in it. Linking stands in protos_link.c, reading in protos_read.c. */
#include "server/grpc/protos_private.h"

#include "base/memory.h"
#include "server/grpc/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct protos *protos_new(void)
{
    struct protos *protos = memory_alloc(sizeof *protos);
    protos->arena = arena_new();
    return protos;
}

void protos_free(struct protos *protos)
{
    if (!protos)
        return;
    arena_free(protos->arena);
    memory_free(protos->files);
    memory_free(protos->symbols);
    memory_free(protos->services);
    memory_free(protos);
}

bool protos_fail(struct protos *protos, struct protos_error *error, size_t offset,
                 const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *error = (struct protos_error){arena_copy(protos->arena, str_of(text)), offset};
    return false;
}

/* adding */

/* Where a file of that name stands, or would stand, among the files sorted by name. */
static size_t file_position(const struct protos *protos, struct str name)
{
    size_t low = 0;
    size_t high = protos->file_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(protos->files[middle].file->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert_file(struct protos *protos, struct proto_file *file)
{
    size_t at = file_position(protos, file->name);
    memory_grow(&protos->files, protos->file_count, &protos->file_room, sizeof *protos->files);
    memmove(protos->files + at + 1, protos->files + at,
            (protos->file_count - at) * sizeof *protos->files);
    protos->files[at] = (struct pooled){file, false};
    protos->file_count++;
}

/* Whether every protoc brings its own edition of that file. */
static bool is_common(struct str name)
{
    return str_starts(name, STR("google/protobuf/"));
}

/* `bytes` lives as long as the pool. */
static bool add_file(struct protos *protos, struct str bytes, size_t offset,
                     struct protos_error *error)
{
    if (protos->things++ >= PROTOS_MOST_THINGS)
        return protos_fail(protos, error, offset, "more than %d things are described",
                           PROTOS_MOST_THINGS);
    struct proto_file *file = protos_read_file(protos, bytes, offset, error);
    if (!file)
        return false;
    const struct proto_file *known = protos_file(protos, file->name);
    if (known) {
        struct str difference = protos_difference(known, file);
        return difference.size == 0 || is_common(file->name) ||
               protos_fail(protos, error, offset,
                           "file '" STR_FMT "' is there twice with different contents: '" STR_FMT
                           "' is not the same",
                           STR_ARG(file->name), STR_ARG(difference));
    }
    if (protos->file_count == PROTOS_MOST_FILES)
        return protos_fail(protos, error, offset, "there are more than %d files",
                           PROTOS_MOST_FILES);
    insert_file(protos, file);
    return true;
}

static bool take_bytes(struct protos *protos, struct str *bytes, struct protos_error *error)
{
    if (bytes->size > PROTOS_MOST_BYTES)
        return protos_fail(protos, error, 0, "the descriptors are larger than %d bytes",
                           PROTOS_MOST_BYTES);
    *bytes = arena_copy(protos->arena, *bytes);
    return true;
}

int protos_add_set(struct protos *protos, struct str bytes, struct protos_error *error)
{
    enum { FILE = 1 };
    struct wire_field field;
    if (!take_bytes(protos, &bytes, error))
        return -EINVAL;
    struct wire wire = {.bytes = bytes};
    size_t before = protos->file_count;
    bool any = false;
    while (wire_next(&wire, &field)) {
        if (field.number != FILE || field.type != WIRE_BYTES) {
            (void)protos_fail(protos, error, field.offset, "this is no FileDescriptorSet");
            return -EINVAL;
        }
        any = true;
        if (!add_file(protos, field.bytes, field.content, error))
            return -EINVAL;
    }
    if (wire.error)
        (void)protos_fail(protos, error, wire.error_offset, "%s%s", wire.error,
                          protos->file_count == before ? "; is this a FileDescriptorSet?" : "");
    else if (!any)
        (void)protos_fail(protos, error, 0, "the FileDescriptorSet is empty");
    return wire.error || !any ? -EINVAL : 0;
}

int protos_add_file(struct protos *protos, struct str bytes, struct protos_error *error)
{
    if (!take_bytes(protos, &bytes, error))
        return -EINVAL;
    return add_file(protos, bytes, 0, error) ? 0 : -EINVAL;
}

bool protos_missing(const struct protos *protos, struct str *name)
{
    for (size_t i = 0; i < protos->file_count; i++) {
        const struct proto_file *file = protos->files[i].file;
        for (size_t j = 0; !protos->files[i].linked && j < file->dependency_count; j++) {
            if (protos_file(protos, file->dependencies[j]))
                continue;
            *name = file->dependencies[j];
            return true;
        }
    }
    return false;
}

/* finding */

const struct proto_file *protos_file(const struct protos *protos, struct str name)
{
    size_t at = file_position(protos, name);
    if (at == protos->file_count || !str_equal(protos->files[at].file->name, name))
        return NULL;
    return protos->files[at].file;
}

static struct str without_dot(struct str name)
{
    return name.size && name.data[0] == '.' ? str_from(name, 1) : name;
}

static int by_symbol_name(const void *key, const void *element)
{
    return str_compare(*(const struct str *)key, ((const struct symbol *)element)->name);
}

const struct symbol *protos_symbol(const struct protos *protos, struct str name)
{
    name = without_dot(name);
    return protos->symbol_count ? bsearch(&name, protos->symbols, protos->symbol_count,
                                          sizeof *protos->symbols, by_symbol_name)
                                : NULL;
}

static const void *find(const struct protos *protos, struct str name, enum symbol_kind kind)
{
    const struct symbol *symbol = protos_symbol(protos, name);
    return symbol && symbol->kind == kind ? symbol->thing : NULL;
}

const struct proto_message *protos_message(const struct protos *protos, struct str name)
{
    return find(protos, name, SYMBOL_MESSAGE);
}

const struct proto_enum *protos_enum(const struct protos *protos, struct str name)
{
    return find(protos, name, SYMBOL_ENUM);
}

const struct proto_service *protos_service(const struct protos *protos, struct str name)
{
    return find(protos, name, SYMBOL_SERVICE);
}

const struct proto_method *protos_method(const struct protos *protos, struct str path)
{
    if (path.size && path.data[0] == '/')
        path = str_from(path, 1);
    ptrdiff_t slash = str_find_byte(path, '/');
    if (slash < 0)
        return find(protos, path, SYMBOL_METHOD);
    const struct proto_service *service = protos_service(protos, str_slice(path, 0, (size_t)slash));
    struct str name = str_from(path, (size_t)slash + 1);
    for (size_t i = 0; service && i < service->method_count; i++) {
        if (str_equal(service->methods[i].name, name))
            return &service->methods[i];
    }
    return NULL;
}

const struct proto_file *protos_file_of(const struct protos *protos, struct str symbol)
{
    const struct symbol *found = protos_symbol(protos, symbol);
    return found ? found->file : NULL;
}

size_t protos_service_count(const struct protos *protos)
{
    return protos->service_count;
}

const struct proto_service *protos_service_at(const struct protos *protos, size_t index)
{
    GOTO_ASSERT(index < protos->service_count);
    return protos->services[index];
}

/* "did you mean": a name that was written without its package is the nearest of all. */
static bool is_last_part(struct str full, struct str name)
{
    return name.size && full.size > name.size && str_ends(full, name) &&
           full.data[full.size - name.size - 1] == '.';
}

static struct nearest nearest_symbol(const struct protos *protos, struct str wanted,
                                     enum symbol_kind kind)
{
    struct nearest nearest = {.wanted = without_dot(wanted)};
    for (size_t i = 0; i < protos->symbol_count; i++) {
        const struct symbol *symbol = &protos->symbols[i];
        if (symbol->kind != kind)
            continue;
        if (is_last_part(symbol->name, nearest.wanted)) {
            nearest.best = symbol->name;
            return nearest;
        }
        str_nearest(&nearest, symbol->name);
    }
    return nearest;
}

struct nearest protos_nearest_message(const struct protos *protos, struct str wanted)
{
    return nearest_symbol(protos, wanted, SYMBOL_MESSAGE);
}

struct nearest protos_nearest_service(const struct protos *protos, struct str wanted)
{
    return nearest_symbol(protos, wanted, SYMBOL_SERVICE);
}

struct nearest protos_nearest_method(const struct protos *protos, struct str wanted,
                                     struct arena *arena)
{
    struct nearest nearest = {.wanted = wanted};
    if (wanted.size && wanted.data[0] == '/')
        nearest.wanted = str_from(wanted, 1);
    for (size_t i = 0; i < protos->service_count; i++) {
        const struct proto_service *service = protos->services[i];
        for (size_t j = 0; j < service->method_count; j++) {
            struct str path = arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(service->name),
                                           STR_ARG(service->methods[j].name));
            if (is_last_part(path, nearest.wanted)) {
                nearest.best = path;
                return nearest;
            }
            str_nearest(&nearest, path);
        }
    }
    return nearest;
}

const struct proto_file **protos_closure(const struct protos *protos, const struct proto_file *file,
                                         struct arena *arena, size_t *count)
{
    const struct proto_file **files =
        arena_alloc_array(arena, protos->file_count + 1, sizeof(void *));
    bool *taken = arena_alloc_array(arena, protos->file_count + 1, sizeof *taken);
    taken[file_position(protos, file->name)] = true;
    files[0] = file;
    *count = 1;
    for (size_t i = 0; i < *count; i++) {
        for (size_t j = 0; j < files[i]->dependency_count; j++) {
            const struct proto_file *next = protos_file(protos, files[i]->dependencies[j]);
            size_t at = next ? file_position(protos, next->name) : 0;
            if (!next || taken[at])
                continue;
            taken[at] = true;
            files[(*count)++] = next;
        }
    }
    return files;
}

/* parts of a message or an enum */

static int by_number(const void *key, const void *element)
{
    uint32_t number = (*(const struct proto_field *const *)element)->number;
    uint32_t wanted = *(const uint32_t *)key;
    return wanted < number ? -1 : wanted > number;
}

static const struct proto_field *field_in(const struct proto_field *const *fields, size_t count,
                                          uint32_t number)
{
    const struct proto_field *const *found =
        count ? bsearch(&number, fields, count, sizeof(void *), by_number) : NULL;
    return found ? *found : NULL;
}

const struct proto_field *proto_field_by_number(const struct proto_message *message,
                                                uint32_t number)
{
    /* most messages number their fields from 1 without gaps */
    if (number <= message->field_count && message->by_number[number - 1]->number == number)
        return message->by_number[number - 1];
    const struct proto_field *field = field_in(message->by_number, message->field_count, number);
    return field ? field : field_in(message->extensions, message->extension_count, number);
}

static int by_field_name(const void *key, const void *element)
{
    return str_compare(*(const struct str *)key, ((const struct proto_field_name *)element)->name);
}

static const struct proto_field *named_in(const struct proto_field_name *names, size_t count,
                                          struct str name)
{
    const struct proto_field_name *found =
        count ? bsearch(&name, names, count, sizeof *names, by_field_name) : NULL;
    return found ? found->field : NULL;
}

const struct proto_field *proto_field_by_name(const struct proto_message *message, struct str name)
{
    const struct proto_field *field = named_in(message->json_names, message->field_count, name);
    if (!field)
        field = named_in(message->original_names, message->field_count, name);
    for (size_t i = 0; !field && i < message->extension_count; i++) {
        if (str_equal(message->extensions[i]->json_name, name))
            field = message->extensions[i];
    }
    return field;
}

struct nearest proto_nearest_field(const struct proto_message *message, struct str wanted)
{
    struct nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < message->field_count; i++) {
        str_nearest(&nearest, message->fields[i].json_name);
        str_nearest(&nearest, message->fields[i].name);
    }
    for (size_t i = 0; i < message->extension_count; i++)
        str_nearest(&nearest, message->extensions[i]->json_name);
    return nearest;
}

const struct proto_enum_value *proto_value_by_number(const struct proto_enum *enumeration,
                                                     int32_t number)
{
    size_t low = 0;
    size_t high = enumeration->value_count;
    /* the first of those that are not smaller, so the first alias */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (enumeration->by_number[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < enumeration->value_count && enumeration->by_number[low]->number == number
               ? enumeration->by_number[low]
               : NULL;
}

static int by_value_name(const void *key, const void *element)
{
    const struct proto_enum_value *value = *(const struct proto_enum_value *const *)element;
    return str_compare(*(const struct str *)key, value->name);
}

const struct proto_enum_value *proto_value_by_name(const struct proto_enum *enumeration,
                                                   struct str name)
{
    const struct proto_enum_value *const *found = bsearch(
        &name, enumeration->by_name, enumeration->value_count, sizeof(void *), by_value_name);
    return found ? *found : NULL;
}

struct nearest proto_nearest_value(const struct proto_enum *enumeration, struct str wanted)
{
    struct nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < enumeration->value_count; i++)
        str_nearest(&nearest, enumeration->values[i].name);
    return nearest;
}

const char *proto_kind_name(enum proto_kind kind)
{
    static const char *const names[] = {"nothing",  "double",   "float",   "int64",  "uint64",
                                        "int32",    "fixed64",  "fixed32", "bool",   "string",
                                        "group",    "message",  "bytes",   "uint32", "enum",
                                        "sfixed32", "sfixed64", "sint32",  "sint64"};
    return names[kind];
}
