/**
 * The protobuf wire format: fields one by one, read from bytes and written to a buffer. It knows no
 * message types.
 *
 * The reader is strict where parsers agree: a varint has at most ten bytes and 64 bits (padding
 * with 0x80 is allowed, as everywhere), a tag has 32 bits, a field number is from 1 to 2^29 - 1,
 * the wire types are 0 to 5, a group is ended by its own number. Nothing is read beyond the given
 * bytes, and nesting of groups is bounded.
 *
 *     struct wire wire = {.bytes = message};
 *     struct wire_field field;
 *     while (wire_next(&wire, &field))
 *         ...
 *     if (wire.error)
 *         ... wire.error at byte wire.error_offset
 */
#ifndef GOTO_SERVER_GRPC_WIRE_H
#define GOTO_SERVER_GRPC_WIRE_H

#include "base/buf.h"
#include "base/str.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2, /**< a length and so many bytes: strings, bytes, messages, packed numbers */
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5
};

enum {
    WIRE_MOST_NUMBER = (1 << 29) - 1, /**< of a field */
    WIRE_DEPTH = 100,                 /**< groups in groups */
    WIRE_VARINT_SIZE = 10             /**< bytes of the longest varint */
};

/** A reader: start it with the bytes and, if they are a part of more, their offset there. */
struct wire {
    struct str bytes;
    size_t offset; /**< where `bytes` starts in the whole message, for places */
    size_t at;
    const char *error; /**< static; NULL while all is well */
    size_t error_offset;
};

/** One field, borrowed from the bytes. */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;   /**< WIRE_VARINT, WIRE_FIXED32, WIRE_FIXED64 */
    struct str bytes; /**< WIRE_BYTES: the content; WIRE_GROUP: what stands between its tags */
    struct str raw;   /**< the whole field, tags included */
    size_t offset;    /**< of the tag, in the whole message */
    size_t content;   /**< of the value or of `bytes`, in the whole message */
};

/** Reads the next field; false at the end and when something is wrong (then `error` is set). */
GOTO_MUST_USE bool wire_next(struct wire *wire, struct wire_field *field);

/** Reads a bare value of a packed field; false at the end and on an error, as wire_next(). */
GOTO_MUST_USE bool wire_next_packed(struct wire *wire, enum wire_type type, uint64_t *value);

/** "varint", "64-bit", "length-delimited", "group", "end of a group", "32-bit". */
const char *wire_type_name(enum wire_type type);

/** How a signed number is written by sint32 and sint64, and back. */
uint64_t wire_zigzag(int64_t value);
int64_t wire_unzigzag(uint64_t value);

/* The writer. What goes beyond the bound of the buffer marks it as full; check buf_full() once. */

void wire_put_varint(struct buf *into, uint64_t value);
void wire_put_tag(struct buf *into, uint32_t number, enum wire_type type);
/** A bare value of a numeric wire type; of WIRE_FIXED32 the lower half. */
void wire_put_value(struct buf *into, enum wire_type type, uint64_t value);
/** A whole field: tag and value; tag, length and bytes. */
void wire_put_number(struct buf *into, uint32_t number, enum wire_type type, uint64_t value);
void wire_put_bytes(struct buf *into, uint32_t number, struct str bytes);

/**
 * Starts a length-delimited field whose length is not known yet; what is appended until the
 * matching wire_close() is its content.
 *
 * @return the mark for wire_close()
 */
GOTO_MUST_USE size_t wire_open(struct buf *into, uint32_t number);
void wire_close(struct buf *into, size_t mark);

#endif
