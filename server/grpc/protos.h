/**
 * The message types, enums and services of compiled .proto files, known at run time only.
 *
 * A pool takes FileDescriptorSets (what `protoc --descriptor_set_out` writes) and single
 * FileDescriptorProtos (what server reflection sends), in any order, and is then linked; after that
 * everything is found by its full name. Files of syntax proto2 and proto3 are read; a file of an
 * edition is refused by name. The same file may come twice, but not with other contents.
 *
 *     struct protos *protos = protos_new();
 *     struct protos_error error;
 *     if (protos_add_set(protos, bytes, &error) == 0 && protos_link(protos, &error) == 0)
 *         method = protos_method(protos, STR("shop.Orders/Place"));
 *
 * What comes in is not trusted: the depth of nesting, the number of things and their names are
 * checked, and an error says which file, which message and which byte. After an error the pool is
 * good for nothing but protos_free(). Everything that a pool hands out is borrowed from it and
 * lives as long as the pool; linking more files moves nothing.
 */
#ifndef GOTO_SERVER_GRPC_PROTOS_H
#define GOTO_SERVER_GRPC_PROTOS_H

#include "base/arena.h"
#include "base/str.h"

struct protos;
struct proto_enum;
struct proto_message;

/** The bounds of a pool. */
enum {
    PROTOS_NESTING = 64, /**< message types in message types */
    PROTOS_MOST_FILES = 16384,
    PROTOS_MOST_THINGS = 1000000,         /**< files, messages, fields, values … together */
    PROTOS_MOST_BYTES = 64 * 1024 * 1024, /**< of one set or file */
    PROTOS_LONGEST_NAME = 1024            /**< bytes of a full name */
};

/** As numbered in descriptor.proto. */
enum proto_kind {
    PROTO_DOUBLE = 1,
    PROTO_FLOAT,
    PROTO_INT64,
    PROTO_UINT64,
    PROTO_INT32,
    PROTO_FIXED64,
    PROTO_FIXED32,
    PROTO_BOOL,
    PROTO_STRING,
    PROTO_GROUP,
    PROTO_MESSAGE,
    PROTO_BYTES,
    PROTO_UINT32,
    PROTO_ENUM,
    PROTO_SFIXED32,
    PROTO_SFIXED64,
    PROTO_SINT32,
    PROTO_SINT64
};

/** Message types that have a JSON form of their own. */
enum proto_known {
    PROTO_PLAIN, /**< none */
    PROTO_ANY,
    PROTO_DURATION,
    PROTO_FIELD_MASK,
    PROTO_LIST_VALUE,
    PROTO_STRUCT,
    PROTO_TIMESTAMP,
    PROTO_VALUE,
    PROTO_WRAPPER /**< DoubleValue, StringValue … */
};

struct proto_file {
    struct str name;
    struct str package;
    struct str bytes; /**< the FileDescriptorProto as it came */
    bool proto3;
    struct str *dependencies; /**< names of files */
    size_t dependency_count;
    struct proto_message *messages;
    size_t message_count;
    struct proto_enum *enums;
    size_t enum_count;
    struct proto_field *extensions;
    size_t extension_count;
    struct proto_service *services;
    size_t service_count;
};

struct proto_oneof {
    struct str name;
    size_t index; /**< in its message */
};

struct proto_field {
    struct str name;      /**< of an extension: the full name */
    struct str json_name; /**< of an extension: "[full.name]" */
    uint32_t number;
    enum proto_kind kind;
    bool repeated;
    bool map; /**< repeated, and `message` is the type of its entries */
    bool required;
    bool packed;      /**< how it is written; both ways are read */
    bool presence;    /**< unset differs from the default value */
    bool closed_enum; /**< numbers without a name are unknown fields */
    bool has_default; /**< proto2 `[default = …]` */
    struct str default_text;
    const struct proto_oneof *oneof;      /**< NULL, also for proto3 `optional` */
    const struct proto_message *message;  /**< PROTO_MESSAGE, PROTO_GROUP */
    const struct proto_enum *enumeration; /**< PROTO_ENUM */
    const struct proto_file *file;
    struct str type_name; /**< as written in the file */
    struct str extendee;  /**< of an extension, as written in the file; else empty */
};

/** A name that JSON may use for a field. */
struct proto_field_name {
    struct str name;
    const struct proto_field *field;
};

struct proto_message {
    struct str name; /**< full: "shop.Order.Item" */
    const struct proto_file *file;
    enum proto_known known;
    bool map_entry;
    struct proto_field *fields; /**< in the order of the file */
    size_t field_count;
    size_t required_count;
    const struct proto_field **by_number;
    struct proto_field_name *json_names;     /**< sorted */
    struct proto_field_name *original_names; /**< sorted */
    struct proto_oneof *oneofs; /**< with unused places for those of proto3 `optional` */
    size_t oneof_count;
    const struct proto_field **extensions; /**< from anywhere in the pool, sorted by number */
    size_t extension_count;
    size_t extension_room;
    struct proto_message *messages;
    size_t message_count;
    struct proto_enum *enums;
    size_t enum_count;
    struct proto_field *declared; /**< extensions that are declared inside this message */
    size_t declared_count;
};

struct proto_enum_value {
    struct str name;
    int32_t number;
};

struct proto_enum {
    struct str name;
    const struct proto_file *file;
    struct proto_enum_value *values; /**< in the order of the file, at least one */
    size_t value_count;
    const struct proto_enum_value **by_number; /**< of an alias, the first comes first */
    const struct proto_enum_value **by_name;
};

struct proto_method {
    struct str name;      /**< "Place" */
    struct str full_name; /**< "shop.Orders.Place" */
    const struct proto_service *service;
    const struct proto_message *input;
    const struct proto_message *output;
    bool client_streaming;
    bool server_streaming;
    struct str input_name; /**< as written in the file */
    struct str output_name;
};

struct proto_service {
    struct str name;
    const struct proto_file *file;
    struct proto_method *methods;
    size_t method_count;
};

struct protos_error {
    struct str message; /**< borrowed from the pool */
    size_t offset;      /**< in the bytes that were added; 0 when linking */
};

GOTO_MUST_USE GOTO_NEVER_NULL struct protos *protos_new(void);
void protos_free(struct protos *protos);

/**
 * Takes in the files of a FileDescriptorSet; the bytes are copied. A file that is there already
 * with equal contents is passed over. Under google/protobuf/ the first one wins whatever the
 * second says: every protoc brings its own edition of those.
 *
 * @return 0, or -EINVAL with *error filled
 */
GOTO_MUST_USE int protos_add_set(struct protos *protos, struct str bytes,
                                 struct protos_error *error);

/** The same for one FileDescriptorProto. */
GOTO_MUST_USE int protos_add_file(struct protos *protos, struct str bytes,
                                  struct protos_error *error);

/** Whether a file that was added imports one that was not; `*name` is the first such name. */
GOTO_MUST_USE bool protos_missing(const struct protos *protos, struct str *name);

/**
 * Resolves the names in all files added since the last time. A file that is imported but missing is
 * an error only when a type of it is needed.
 *
 * @return 0, or -EINVAL with *error filled
 */
GOTO_MUST_USE int protos_link(struct protos *protos, struct protos_error *error);

/* Finding: all names are full names, with or without a dot in front; NULL when there is none. */

const struct proto_message *protos_message(const struct protos *protos, struct str name);
const struct proto_enum *protos_enum(const struct protos *protos, struct str name);
const struct proto_service *protos_service(const struct protos *protos, struct str name);
/** "shop.Orders/Place", with or without a slash in front, or "shop.Orders.Place". */
const struct proto_method *protos_method(const struct protos *protos, struct str path);
const struct proto_file *protos_file(const struct protos *protos, struct str name);
/** The file that defines a message, enum, service, method or extension. */
const struct proto_file *protos_file_of(const struct protos *protos, struct str symbol);

/** All services, in the order of their names. */
size_t protos_service_count(const struct protos *protos);
const struct proto_service *protos_service_at(const struct protos *protos, size_t index);

/** For "did you mean": the nearest full name (a method's as "shop.Orders/Place", in `arena`). */
struct nearest protos_nearest_message(const struct protos *protos, struct str wanted);
struct nearest protos_nearest_service(const struct protos *protos, struct str wanted);
struct nearest protos_nearest_method(const struct protos *protos, struct str wanted,
                                     struct arena *arena);

/** The file and all it imports, directly or not, as far as they are known; itself first. */
const struct proto_file **protos_closure(const struct protos *protos, const struct proto_file *file,
                                         struct arena *arena, size_t *count);

/* Parts of a message or an enum. */

/** Extensions included. */
const struct proto_field *proto_field_by_number(const struct proto_message *message,
                                                uint32_t number);
/** By JSON name, original name or "[full.name]" of an extension. */
const struct proto_field *proto_field_by_name(const struct proto_message *message, struct str name);
struct nearest proto_nearest_field(const struct proto_message *message, struct str wanted);
const struct proto_enum_value *proto_value_by_number(const struct proto_enum *enumeration,
                                                     int32_t number);
const struct proto_enum_value *proto_value_by_name(const struct proto_enum *enumeration,
                                                   struct str name);
struct nearest proto_nearest_value(const struct proto_enum *enumeration, struct str wanted);

/** "int32", "message", … */
const char *proto_kind_name(enum proto_kind kind);

#endif
