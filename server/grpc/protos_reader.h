/**
 * Reading descriptors part by part: what the readers of files, messages, fields and enums share.
 *
 * Functions that return bool have filled the error when they return false. Numbers of parts are
 * those of descriptor.proto. Arrays are made at their full size before they are filled, so pointers
 * into them stay.
 */
#ifndef GOTO_SERVER_GRPC_PROTOS_READER_H
#define GOTO_SERVER_GRPC_PROTOS_READER_H

#include "server/grpc/protos_private.h"
#include "server/grpc/wire.h"

struct reader {
    struct protos *protos;
    struct proto_file *file;
    struct protos_error *error;
    struct str scope; /**< the full name of what is being read; empty in the file itself */
    size_t nesting;
};

/** Always false. */
bool reader_fail(struct reader *reader, size_t offset, const char *format, ...) GOTO_PRINTF(3, 4);
/** Whether the loop over a wire ended because there is no more. */
bool reader_ended(struct reader *reader, const struct wire *wire);

/** A text without control bytes and of a sane length. */
bool reader_is_text(struct str text);
bool reader_bytes(struct reader *reader, const struct wire_field *field, struct str *bytes);
/** An identifier; with `dots`, several with dots between, perhaps one in front. */
bool reader_name(struct reader *reader, const struct wire_field *field, bool dots,
                 struct str *name);
bool reader_number(struct reader *reader, const struct wire_field *field, uint64_t *value);
/** The full name of something in the scope that is being read. */
bool reader_full_name(struct reader *reader, size_t offset, struct str name, struct str *full);

/** Makes the array at *items, one element of `size` bytes for each field of that number. */
bool reader_reserve(struct reader *reader, size_t offset, struct str bytes, uint32_t number,
                    size_t size, void *items);

/** A FieldDescriptorProto; of an extension `message` is NULL. */
bool reader_field(struct reader *reader, const struct wire_field *from, struct proto_field *field,
                  const struct proto_message *message);
/** An extension: what others need is its full name. */
bool reader_extension(struct reader *reader, const struct wire_field *from,
                      struct proto_field *field);
/** An EnumDescriptorProto. */
bool reader_enum(struct reader *reader, const struct wire_field *from, struct proto_enum *e);

#endif
