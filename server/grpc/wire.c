#include "server/grpc/wire.h"

#include <string.h>

static bool wire_fail(struct wire *wire, size_t at, const char *error)
{
    wire->error = error;
    wire->error_offset = wire->offset + at;
    return false;
}

static bool read_varint(struct wire *wire, uint64_t *value)
{
    const unsigned char *bytes = (const unsigned char *)wire->bytes.data;
    size_t start = wire->at;
    uint64_t sum = 0;
    for (size_t i = 0; i < WIRE_VARINT_SIZE; i++) {
        if (wire->at == wire->bytes.size)
            return wire_fail(wire, start, "a varint is cut");
        unsigned char byte = bytes[wire->at++];
        if (i == WIRE_VARINT_SIZE - 1 && byte > 1)
            break;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return wire_fail(wire, start, "a varint has more than 64 bits");
}

static bool read_fixed(struct wire *wire, size_t size, uint64_t *value)
{
    const unsigned char *bytes = (const unsigned char *)wire->bytes.data + wire->at;
    uint64_t sum = 0;
    if (wire->bytes.size - wire->at < size)
        return wire_fail(wire, wire->at,
                         size == 4 ? "a 32-bit value is cut" : "a 64-bit value is cut");
    for (size_t i = 0; i < size; i++)
        sum |= (uint64_t)bytes[i] << (8 * i);
    wire->at += size;
    *value = sum;
    return true;
}

static bool read_tag(struct wire *wire, uint32_t *number, enum wire_type *type)
{
    size_t start = wire->at;
    uint64_t tag;
    if (!read_varint(wire, &tag))
        return false;
    if (tag > UINT32_MAX)
        return wire_fail(wire, start, "a field number is above 536870911");
    if (tag >> 3 == 0)
        return wire_fail(wire, start, "a field has the number 0");
    if ((tag & 7) > WIRE_FIXED32)
        return wire_fail(wire, start, "a field has a wire type that does not exist");
    *number = (uint32_t)(tag >> 3);
    *type = (enum wire_type)(tag & 7);
    return true;
}

static bool read_delimited(struct wire *wire, struct str *bytes)
{
    size_t start = wire->at;
    uint64_t size;
    if (!read_varint(wire, &size))
        return false;
    if (size > wire->bytes.size - wire->at)
        return wire_fail(wire, start, "a length goes beyond the end");
    *bytes = str_slice(wire->bytes, wire->at, (size_t)size);
    wire->at += (size_t)size;
    return true;
}

/* The value behind a tag that is no tag of a group. */
static bool read_value(struct wire *wire, enum wire_type type, uint64_t *value, struct str *bytes)
{
    switch (type) {
    case WIRE_VARINT:
        return read_varint(wire, value);
    case WIRE_FIXED64:
        return read_fixed(wire, 8, value);
    case WIRE_FIXED32:
        return read_fixed(wire, 4, value);
    default:
        return read_delimited(wire, bytes);
    }
}

/* Goes to the end of a group whose start was read; `*end` is where its end tag stands. */
static bool skip_group(struct wire *wire, uint32_t outermost, size_t start, size_t *end)
{
    uint32_t open[WIRE_DEPTH] = {outermost};
    size_t depth = 1;
    while (wire->at < wire->bytes.size) {
        size_t at = wire->at;
        uint32_t number;
        enum wire_type type;
        uint64_t value;
        struct str bytes;
        if (!read_tag(wire, &number, &type))
            return false;
        if (type == WIRE_GROUP) {
            if (depth == WIRE_DEPTH)
                return wire_fail(wire, at, "groups are nested deeper than 100 levels");
            open[depth++] = number;
        } else if (type == WIRE_GROUP_END) {
            if (open[--depth] != number)
                return wire_fail(wire, at, "the end of a group has another number than its start");
            *end = at;
            if (depth == 0)
                return true;
        } else if (!read_value(wire, type, &value, &bytes)) {
            return false;
        }
    }
    return wire_fail(wire, start, "a group has no end");
}

bool wire_next(struct wire *wire, struct wire_field *field)
{
    size_t start = wire->at;
    size_t end = start;
    if (wire->error || start >= wire->bytes.size)
        return false;
    *field = (struct wire_field){.offset = wire->offset + start};
    if (!read_tag(wire, &field->number, &field->type))
        return false;
    field->content = wire->offset + wire->at;
    if (field->type == WIRE_GROUP_END)
        return wire_fail(wire, start, "a group ends that was not started");
    if (field->type == WIRE_GROUP) {
        size_t content = wire->at;
        if (!skip_group(wire, field->number, start, &end))
            return false;
        field->bytes = str_slice(wire->bytes, content, end - content);
    } else if (!read_value(wire, field->type, &field->value, &field->bytes)) {
        return false;
    } else if (field->type == WIRE_BYTES) {
        field->content = wire->offset + wire->at - field->bytes.size;
    }
    field->raw = str_slice(wire->bytes, start, wire->at - start);
    return true;
}

bool wire_next_packed(struct wire *wire, enum wire_type type, uint64_t *value)
{
    struct str bytes;
    GOTO_ASSERT(type == WIRE_VARINT || type == WIRE_FIXED32 || type == WIRE_FIXED64);
    if (wire->error || wire->at >= wire->bytes.size)
        return false;
    return read_value(wire, type, value, &bytes);
}

const char *wire_type_name(enum wire_type type)
{
    static const char *const names[] = {"varint", "64-bit",         "length-delimited",
                                        "group",  "end of a group", "32-bit"};
    return names[type];
}

uint64_t wire_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

int64_t wire_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

/* Fills `out` from its start; returns the size. */
static size_t write_varint(char out[WIRE_VARINT_SIZE], uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        out[size++] = (char)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (char)value;
    return size;
}

/* A refused append marks the buffer, which the caller checks at the end. */
static void put(struct buf *into, const char *bytes, size_t size)
{
    (void)!buf_append(into, (struct str){bytes, size});
}

void wire_put_varint(struct buf *into, uint64_t value)
{
    char out[WIRE_VARINT_SIZE];
    put(into, out, write_varint(out, value));
}

void wire_put_tag(struct buf *into, uint32_t number, enum wire_type type)
{
    wire_put_varint(into, (uint64_t)number << 3 | (uint64_t)type);
}

void wire_put_value(struct buf *into, enum wire_type type, uint64_t value)
{
    char out[8];
    size_t size = type == WIRE_FIXED32 ? 4 : 8;
    if (type == WIRE_VARINT) {
        wire_put_varint(into, value);
        return;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(value >> (8 * i));
    put(into, out, size);
}

void wire_put_number(struct buf *into, uint32_t number, enum wire_type type, uint64_t value)
{
    wire_put_tag(into, number, type);
    wire_put_value(into, type, value);
}

void wire_put_bytes(struct buf *into, uint32_t number, struct str bytes)
{
    wire_put_tag(into, number, WIRE_BYTES);
    wire_put_varint(into, bytes.size);
    put(into, bytes.data, bytes.size);
}

size_t wire_open(struct buf *into, uint32_t number)
{
    wire_put_tag(into, number, WIRE_BYTES);
    put(into, "", 1);
    return into->size;
}

/* One byte was kept for the length; a longer one moves the content, which is rare and quick. */
void wire_close(struct buf *into, size_t mark)
{
    char out[WIRE_VARINT_SIZE];
    if (into->full)
        return;
    size_t content = into->size - mark;
    size_t size = write_varint(out, content);
    if (size > 1) {
        if (!buf_reserve(into, size - 1))
            return;
        memmove(into->data + mark + size - 1, into->data + mark, content);
        into->size += size - 1;
        into->data[into->size] = '\0';
    }
    memcpy(into->data + mark - 1, out, size);
}
