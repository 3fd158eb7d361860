/**
 * What the parts of the message codec share: paths, problems, scalars, the known types.
 *
 * Functions that return bool have told the problem when they return false.
 */
#ifndef GOTO_SERVER_GRPC_MESSAGE_PRIVATE_H
#define GOTO_SERVER_GRPC_MESSAGE_PRIVATE_H

#include "server/grpc/message.h"
#include "server/grpc/wire.h"

#include <stdarg.h>

/** One step of the path to a value; the steps lie on the stack of those who go down. */
struct path {
    const struct path *up; /**< NULL at the root */
    struct str name;       /**< a member, when `data` is not NULL */
    bool key;              /**< the name is a key of a map */
    size_t index;          /**< else an element */
};

/** The path as text in the arena: "items[2].labels[\"x\"]"; of the root the type's name. */
struct str path_text(struct arena *arena, const struct path *path,
                     const struct proto_message *root);

/** A vprintf into the arena. */
struct str text_format(struct arena *arena, const char *format, va_list args) GOTO_PRINTF(2, 0);

/* scalars */

/** A value as it goes on the wire: a number by the field's wire type, or bytes. */
struct scalar {
    uint64_t number;
    struct str bytes;
};

/** The wire type of a kind; of messages WIRE_BYTES. */
enum wire_type kind_wire_type(enum proto_kind kind);
bool kind_is_message(enum proto_kind kind);
bool scalar_is_zero(const struct scalar *scalar);
/** Whether the field is of the enum google.protobuf.NullValue, whose JSON is null. */
bool scalar_is_null(const struct proto_field *field);
/** What counts of a number on the wire: an int32 has 32 bits, a bool one. */
uint64_t scalar_normal(enum proto_kind kind, uint64_t number);

/**
 * Reads a JSON value as a scalar of the field. Bytes are borrowed from the JSON or made in `arena`.
 *
 * @return NULL, or what is wrong, in `arena`: "expected int32, got \"x\""; `*help` may be set
 */
const char *scalar_read(struct arena *arena, const struct proto_field *field,
                        const struct json *value, struct scalar *scalar, struct str *help);

/** The same from a key of a JSON object, for maps. */
const char *scalar_read_key(struct arena *arena, const struct proto_field *field, struct str key,
                            struct scalar *scalar);

/** A scalar as JSON, by the mapping. Text is valid UTF-8 already. */
struct json *scalar_json(struct arena *arena, const struct proto_field *field,
                         const struct scalar *scalar);
/** A scalar as a key of a JSON object. */
struct str scalar_key(struct arena *arena, const struct proto_field *field,
                      const struct scalar *scalar);
/** What a field is when it is not set: its `[default = …]`, else zero, as JSON. */
struct json *scalar_default(struct arena *arena, const struct proto_field *field);

/** The order of map keys: numbers by value, texts by bytes. */
int scalar_compare(enum proto_kind kind, const struct scalar *a, const struct scalar *b);

void scalar_put(struct buf *into, enum proto_kind kind, const struct scalar *scalar);

/** An integer that a number text says exactly ("1", "1.0", "1e3"), within the bounds. */
bool scalar_integer(struct str text, const char *least, const char *most, uint64_t *value);

/** How a value reads in a message: short texts quoted, else its type. */
struct str scalar_shown(struct arena *arena, const struct json *value);

/** Any finite number text or .inf, .nan as a double; false when it is too large. */
bool scalar_double(struct arena *arena, struct str text, double *value);
/** The bits of a double, and back. */
uint64_t scalar_bits(double value);
double scalar_from_bits(uint64_t bits);

/* encoding */

struct encoder {
    const struct protos *protos;
    const struct proto_message *root;
    const struct message_encoding *encoding;
    struct arena *scratch;
    struct buf *into;
    struct message_problems *problems;
    size_t depth;
};

/** Adds a problem at a value; always false. */
bool encoder_fail(struct encoder *encoder, const struct path *path, const struct json *value,
                  const char *format, ...) GOTO_PRINTF(4, 5);
/** "expected X, got Y" */
bool encoder_expected(struct encoder *encoder, const struct path *path, const struct json *value,
                      const char *what);
/** The help of the newest problem. */
void encoder_help(struct encoder *encoder, const struct nearest *nearest);
/** One level down; false (told) when that is too deep. Comes with encoder->depth-- on success. */
bool encoder_enter(struct encoder *encoder, const struct path *path, const struct json *value);

/** The content of a message from its JSON form, whatever that is. */
bool encode_message(struct encoder *encoder, const struct path *path,
                    const struct proto_message *type, const struct json *value);
/** The fields of a message from the members of an object; those named "@type" are passed over when
 * `inside_any`. */
bool encode_fields(struct encoder *encoder, const struct path *path,
                   const struct proto_message *type, const struct json *object, bool inside_any);
/** Writes the unknown fields that were kept at a value. */
void encode_unknown(struct encoder *encoder, const struct json *value);

/** A message of a known type. */
bool encode_known(struct encoder *encoder, const struct path *path,
                  const struct proto_message *type, const struct json *value);
bool encode_struct(struct encoder *encoder, const struct path *path, const struct json *value);
bool encode_value(struct encoder *encoder, const struct path *path, const struct json *value);
bool encode_list(struct encoder *encoder, const struct path *path, const struct json *value);

/* decoding */

struct decoder;

/** A part of a message: one message may come in several, which are merged. */
struct piece {
    struct str bytes;
    size_t offset;
};

struct pieces {
    const struct piece *items;
    size_t count;
};

/** An entry of a map that was read. */
struct map_entry {
    struct scalar key;
    struct json *value;
    size_t order;
    enum proto_kind kind; /**< of the key */
    size_t unknown_from;  /**< the unknown fields that were kept while the value was read */
    size_t unknown_to;
};

/** Puts entries into an object, sorted by key; of equal keys the last counts. `key` is NULL for
 * texts. */
void decode_put_entries(struct decoder *decoder, const struct proto_field *key,
                        struct map_entry *entries, size_t count, struct json *object);

struct occurrence;

struct decoder {
    const struct protos *protos;
    const struct proto_message *root;
    const struct message_decoding *decoding;
    struct arena *arena;
    struct message_problem *problem;
    struct occurrence *occurrences; /**< a stack of those of the messages being read */
    size_t occurrence_count;
    size_t occurrence_room;
    size_t depth;
    size_t values;
};

/** Fills the problem; always false. */
bool decoder_fail(struct decoder *decoder, const struct path *path, size_t offset,
                  const char *format, ...) GOTO_PRINTF(4, 5);
/** One level down; false (told) when that is too deep. Comes with decoder->depth-- on success. */
bool decoder_enter(struct decoder *decoder, const struct path *path, size_t offset);
/** Counts a value that is made. */
bool decoder_count(struct decoder *decoder, const struct path *path, size_t offset);
bool decode_is_text(struct decoder *decoder, const struct path *path, struct str text,
                    size_t offset);
/** Whether a field of a known type has the wire type it must have. */
bool decode_expect(struct decoder *decoder, const struct path *path, const struct wire_field *field,
                   enum wire_type type);

/** A message in its JSON form; NULL when told. */
struct json *decode_message(struct decoder *decoder, const struct path *path,
                            const struct proto_message *type, struct pieces pieces);
/** Puts the fields of a message into an object. */
bool decode_fields(struct decoder *decoder, const struct path *path,
                   const struct proto_message *type, struct pieces pieces, struct json *object);
/** Keeps unknown bytes at a value, when asked to. */
void decode_keep(struct decoder *decoder, const struct json *value, struct str bytes);
/** Keeps the fields with numbers above `known` at the value. */
void decode_keep_above(struct decoder *decoder, const struct json *value, struct pieces pieces,
                       uint32_t known);

struct json *decode_known(struct decoder *decoder, const struct path *path,
                          const struct proto_message *type, struct pieces pieces);
struct json *decode_struct(struct decoder *decoder, const struct path *path, struct pieces pieces);
struct json *decode_value(struct decoder *decoder, const struct path *path, struct pieces pieces);
struct json *decode_list(struct decoder *decoder, const struct path *path, struct pieces pieces);

/* the texts of known types */

/** What a Timestamp or a Duration holds. */
struct moment {
    int64_t seconds;
    int32_t nanos;
};

/** Each returns NULL, or what is wrong (static). */
const char *moment_read_timestamp(struct str text, struct moment *moment);
const char *moment_read_duration(struct str text, struct moment *moment);
const char *moment_write_timestamp(struct arena *arena, struct moment moment, struct str *text);
const char *moment_write_duration(struct arena *arena, struct moment moment, struct str *text);

/** One path of a FieldMask: camelCase → snake_case and back; false when it has no such form. */
bool mask_read_path(struct arena *arena, struct str text, struct str *path);
bool mask_write_path(struct str path, struct buf *into);

#endif
