/* What all readers of descriptors do: errors, names, numbers, arrays. */
#include "server/grpc/protos_reader.h"

#include <stdarg.h>
#include <stdio.h>

/* errors */

bool reader_fail(struct reader *reader, size_t offset, const char *format, ...)
{
    va_list args;
    char what[512];
    struct str name = reader->file->name;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (name.size == 0)
        return protos_fail(reader->protos, reader->error, offset, "%s", what);
    if (reader->scope.size == 0)
        return protos_fail(reader->protos, reader->error, offset, "file '" STR_FMT "': %s",
                           STR_ARG(name), what);
    return protos_fail(reader->protos, reader->error, offset,
                       "file '" STR_FMT "', '" STR_FMT "': %s", STR_ARG(name),
                       STR_ARG(reader->scope), what);
}

bool reader_ended(struct reader *reader, const struct wire *wire)
{
    return !wire->error || reader_fail(reader, wire->error_offset, "%s", wire->error);
}

/* names */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_identifier(struct str text, bool dots)
{
    bool start = true;
    if (text.size > PROTOS_LONGEST_NAME)
        return false;
    if (dots && text.size && text.data[0] == '.')
        text = str_from(text, 1);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (dots && c == '.' && !start)
            start = true;
        else if (is_letter(c) || (!start && c >= '0' && c <= '9'))
            start = false;
        else
            return false;
    }
    return !start;
}

bool reader_is_text(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    }
    return text.size > 0 && text.size <= PROTOS_LONGEST_NAME && str_is_utf8(text, NULL);
}

bool reader_bytes(struct reader *reader, const struct wire_field *field, struct str *bytes)
{
    if (field->type != WIRE_BYTES)
        return reader_fail(reader, field->offset, "descriptor field %u is no string or message",
                           field->number);
    *bytes = field->bytes;
    return true;
}

bool reader_name(struct reader *reader, const struct wire_field *field, bool dots, struct str *name)
{
    return reader_bytes(reader, field, name) &&
           (is_identifier(*name, dots) ||
            reader_fail(reader, field->offset, "a name that is no identifier"));
}

bool reader_number(struct reader *reader, const struct wire_field *field, uint64_t *value)
{
    if (field->type != WIRE_VARINT)
        return reader_fail(reader, field->offset, "descriptor field %u is no number",
                           field->number);
    *value = field->value;
    return true;
}

bool reader_full_name(struct reader *reader, size_t offset, struct str name, struct str *full)
{
    struct str scope = reader->scope.size ? reader->scope : reader->file->package;
    if (name.size == 0)
        return reader_fail(reader, offset, "something has no name");
    *full = scope.size == 0 ? name
                            : arena_printf(reader->protos->arena, STR_FMT "." STR_FMT,
                                           STR_ARG(scope), STR_ARG(name));
    if (full->size > PROTOS_LONGEST_NAME)
        return reader_fail(reader, offset, "a name is longer than %d bytes", PROTOS_LONGEST_NAME);
    return true;
}

/* counting, so that everything lies in arrays */

/* How often a field number is there. */
static size_t count_of(struct str bytes, uint32_t number)
{
    struct wire wire = {.bytes = bytes};
    struct wire_field field;
    size_t count = 0;
    while (wire_next(&wire, &field))
        count += field.number == number;
    return count;
}

bool reader_reserve(struct reader *reader, size_t offset, struct str bytes, uint32_t number,
                    size_t size, void *items)
{
    size_t count = count_of(bytes, number);
    if (count > PROTOS_MOST_THINGS - reader->protos->things)
        return reader_fail(reader, offset, "more than %d things are described", PROTOS_MOST_THINGS);
    reader->protos->things += count;
    *(void **)items = count ? arena_alloc_array(reader->protos->arena, count, size) : NULL;
    return true;
}
