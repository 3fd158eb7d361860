/*
 * The wire → JSON. A message's fields are gathered first and sorted by number, for they may come in
 * any order, several times, and in pieces.
 */
#include "server/grpc/message_private.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdlib.h>

/* A known field as it came. */
struct occurrence {
    const struct proto_field *field;
    uint64_t value;
    struct str bytes;
    size_t content; /* offset of the value or of `bytes` */
    uint32_t order;
    bool packed;
};

/* problems and bounds */

bool decoder_fail(struct decoder *decoder, const struct path *path, size_t offset,
                  const char *format, ...)
{
    va_list args;
    struct str text;
    va_start(args, format);
    text = text_format(decoder->arena, format, args);
    va_end(args);
    *decoder->problem = (struct message_problem){
        .message = arena_printf(decoder->arena, STR_FMT ": " STR_FMT " (at byte %zu)",
                                STR_ARG(path_text(decoder->arena, path, decoder->root)),
                                STR_ARG(text), offset),
        .offset = offset};
    return false;
}

bool decoder_enter(struct decoder *decoder, const struct path *path, size_t offset)
{
    if (decoder->depth >= MESSAGE_DEPTH)
        return decoder_fail(decoder, path, offset, "messages are nested deeper than %d levels",
                            MESSAGE_DEPTH);
    decoder->depth++;
    return true;
}

bool decoder_count(struct decoder *decoder, const struct path *path, size_t offset)
{
    return decoder->values++ < MESSAGE_MOST_VALUES ||
           decoder_fail(decoder, path, offset, "the message has more than %d values",
                        MESSAGE_MOST_VALUES);
}

bool decode_is_text(struct decoder *decoder, const struct path *path, struct str text,
                    size_t offset)
{
    size_t bad;
    return str_is_utf8(text, &bad) ||
           decoder_fail(decoder, path, offset + bad, "a string that is not UTF-8");
}

bool decode_expect(struct decoder *decoder, const struct path *path, const struct wire_field *field,
                   enum wire_type type)
{
    return field->type == type ||
           decoder_fail(decoder, path, field->offset, "field %u is %s on the wire, not %s",
                        field->number, wire_type_name(field->type), wire_type_name(type));
}

/* unknown fields */

void decode_keep(struct decoder *decoder, const struct json *value, struct str bytes)
{
    struct message_unknowns *unknowns = decoder->decoding->unknowns;
    if (!unknowns)
        return;
    arena_grow(decoder->arena, &unknowns->items, unknowns->count, &unknowns->room,
               sizeof *unknowns->items);
    unknowns->items[unknowns->count] = (struct message_unknown){value, bytes, unknowns->count};
    unknowns->count++;
}

static size_t unknown_count(const struct decoder *decoder)
{
    return decoder->decoding->unknowns ? decoder->decoding->unknowns->count : 0;
}

void decode_keep_above(struct decoder *decoder, const struct json *value, struct pieces pieces,
                       uint32_t known)
{
    for (size_t i = 0; decoder->decoding->unknowns && i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (field.number > known)
                decode_keep(decoder, value, field.raw);
        }
    }
}

/* A number that a closed enum does not have, as an unknown field. */
static void keep_enum(struct decoder *decoder, const struct json *value, uint32_t number,
                      uint64_t wire_value)
{
    struct buf buf;
    if (!decoder->decoding->unknowns)
        return;
    buf_init(&buf, BUF_OWN);
    wire_put_number(&buf, number, WIRE_VARINT, wire_value);
    decode_keep(decoder, value, arena_copy(decoder->arena, buf_str(&buf)));
    buf_clear(&buf);
}

static bool is_closed_out(const struct proto_field *field, uint64_t value)
{
    return field->closed_enum &&
           !proto_value_by_number(field->enumeration, (int32_t)(uint32_t)value);
}

/* Whether an entry of a map has a value that its closed enum does not have. */
static bool is_entry_out(const struct proto_field *field, struct str bytes)
{
    const struct proto_field *value = field->message->by_number[1];
    struct wire wire = {.bytes = bytes};
    struct wire_field part;
    bool out = false;
    while (value->closed_enum && wire_next(&wire, &part)) {
        if (part.number == value->number && part.type == WIRE_VARINT)
            out = is_closed_out(value, part.value);
    }
    return out;
}

static void keep_packed(struct decoder *decoder, const struct json *object,
                        const struct proto_field *field, struct str bytes)
{
    struct wire wire = {.bytes = bytes};
    uint64_t value;
    while (field->closed_enum && wire_next_packed(&wire, WIRE_VARINT, &value)) {
        if (is_closed_out(field, value))
            keep_enum(decoder, object, field->number, value);
    }
}

/* gathering */

static bool is_packable(const struct proto_field *field)
{
    enum wire_type type = kind_wire_type(field->kind);
    return field->repeated && type != WIRE_BYTES && type != WIRE_GROUP;
}

static void push(struct decoder *decoder, const struct proto_field *field,
                 const struct wire_field *from, size_t order, bool packed)
{
    memory_grow(&decoder->occurrences, decoder->occurrence_count, &decoder->occurrence_room,
                sizeof *decoder->occurrences);
    decoder->occurrences[decoder->occurrence_count++] = (struct occurrence){
        field, from->value, from->bytes, from->content, (uint32_t)order, packed};
}

static bool gather_field(struct decoder *decoder, const struct path *path,
                         const struct proto_message *type, const struct wire_field *from,
                         const struct json *object, size_t order)
{
    const struct proto_field *field = proto_field_by_number(type, from->number);
    if (!field) {
        decode_keep(decoder, object, from->raw);
        return true;
    }
    enum wire_type wanted = kind_wire_type(field->kind);
    bool packed = from->type == WIRE_BYTES && is_packable(field);
    if (from->type != wanted && !packed) {
        struct path step = {.up = path, .name = field->json_name};
        return decoder_fail(
            decoder, &step, from->offset, "field %u is %s on the wire, but %s is %s", from->number,
            wire_type_name(from->type), proto_kind_name(field->kind), wire_type_name(wanted));
    }
    bool out = packed       ? false
               : field->map ? is_entry_out(field, from->bytes)
                            : is_closed_out(field, from->value);
    if (packed)
        keep_packed(decoder, object, field, from->bytes);
    if (out)
        decode_keep(decoder, object, from->raw);
    else
        push(decoder, field, from, order, packed);
    return true;
}

static bool gather(struct decoder *decoder, const struct path *path,
                   const struct proto_message *type, struct pieces pieces,
                   const struct json *object)
{
    size_t order = 0;
    for (size_t i = 0; i < pieces.count; i++) {
        struct wire wire = {.bytes = pieces.items[i].bytes, .offset = pieces.items[i].offset};
        struct wire_field field;
        while (wire_next(&wire, &field)) {
            if (!gather_field(decoder, path, type, &field, object, order++))
                return false;
        }
        if (wire.error)
            return decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
    }
    return true;
}

/* Of a oneof, what came before the last change of the member is gone. */
static void drop_overridden(struct decoder *decoder, const struct proto_message *type, size_t start)
{
    struct member {
        const struct proto_field *field;
        bool changed;
    } *members = NULL;
    size_t kept = decoder->occurrence_count;
    for (size_t i = decoder->occurrence_count; i > start; i--) {
        struct occurrence *occurrence = &decoder->occurrences[i - 1];
        const struct proto_oneof *oneof = occurrence->field->oneof;
        if (oneof) {
            if (!members)
                members = memory_alloc_array(type->oneof_count, sizeof *members);
            struct member *member = &members[oneof->index];
            member->changed =
                member->changed || (member->field && member->field != occurrence->field);
            member->field = member->field ? member->field : occurrence->field;
            if (member->changed)
                continue;
        }
        decoder->occurrences[--kept] = *occurrence;
    }
    memory_free(members);
    /* what was kept stands at the end; move it to the start */
    size_t count = decoder->occurrence_count - kept;
    for (size_t i = 0; kept != start && i < count; i++)
        decoder->occurrences[start + i] = decoder->occurrences[kept + i];
    decoder->occurrence_count = start + count;
}

static int by_number(const void *a, const void *b)
{
    const struct occurrence *left = a;
    const struct occurrence *right = b;
    if (left->field->number != right->field->number)
        return left->field->number < right->field->number ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

static void sort(struct decoder *decoder, size_t start)
{
    size_t count = decoder->occurrence_count - start;
    if (count < 2)
        return;
    struct occurrence *occurrences = decoder->occurrences + start;
    /* every library writes them in order */
    for (size_t i = 1; i < count; i++) {
        if (by_number(&occurrences[i - 1], &occurrences[i]) > 0) {
            qsort(occurrences, count, sizeof *occurrences, by_number);
            return;
        }
    }
}

/* values */

static struct json *decode_scalar(struct decoder *decoder, const struct path *path,
                                  const struct proto_field *field, uint64_t value, struct str bytes,
                                  size_t content)
{
    struct scalar scalar = {scalar_normal(field->kind, value), bytes};
    if (!decoder_count(decoder, path, content) ||
        (field->kind == PROTO_STRING && !decode_is_text(decoder, path, bytes, content)))
        return NULL;
    return scalar_json(decoder->arena, field, &scalar);
}

static struct json *decode_submessage(struct decoder *decoder, const struct path *path,
                                      const struct proto_message *type, struct pieces pieces,
                                      size_t offset)
{
    if (!decoder_enter(decoder, path, offset))
        return NULL;
    struct json *value = decode_message(decoder, path, type, pieces);
    decoder->depth--;
    return value;
}

/* One value of a field, message or not. */
static struct json *decode_one(struct decoder *decoder, const struct path *path,
                               const struct occurrence *from)
{
    if (!kind_is_message(from->field->kind))
        return decode_scalar(decoder, path, from->field, from->value, from->bytes, from->content);
    struct piece piece = {from->bytes, from->content};
    return decode_submessage(decoder, path, from->field->message, (struct pieces){&piece, 1},
                             from->content);
}

static bool decode_packed(struct decoder *decoder, const struct path *path,
                          const struct occurrence *from, struct json *array)
{
    const struct proto_field *field = from->field;
    struct wire wire = {.bytes = from->bytes, .offset = from->content};
    uint64_t value;
    for (;;) {
        struct path step = {.up = path, .index = array->count};
        size_t at = wire.offset + wire.at;
        if (!wire_next_packed(&wire, kind_wire_type(field->kind), &value))
            break;
        if (is_closed_out(field, value))
            continue;
        struct json *element = decode_scalar(decoder, &step, field, value, (struct str){0}, at);
        if (!element)
            return false;
        json_push(decoder->arena, array, element);
    }
    struct path step = {.up = path, .index = array->count};
    return !wire.error || decoder_fail(decoder, &step, wire.error_offset, "%s", wire.error);
}

/* The occurrences of the message lie on a stack that moves when it grows: take copies. */
static struct json *decode_repeated(struct decoder *decoder, const struct path *path, size_t first,
                                    size_t count)
{
    struct json *array = json_array(decoder->arena);
    for (size_t i = 0; i < count; i++) {
        struct occurrence from = decoder->occurrences[first + i];
        struct path step = {.up = path, .index = array->count};
        if (from.packed) {
            if (!decode_packed(decoder, path, &from, array))
                return NULL;
            continue;
        }
        struct json *element = decode_one(decoder, &step, &from);
        if (!element)
            return NULL;
        json_push(decoder->arena, array, element);
    }
    return array;
}

static struct json *decode_singular(struct decoder *decoder, const struct path *path, size_t first,
                                    size_t count)
{
    struct occurrence last = decoder->occurrences[first + count - 1];
    if (count == 1 || !kind_is_message(last.field->kind))
        return decode_one(decoder, path, &last);
    struct piece *pieces = arena_alloc_array(decoder->arena, count, sizeof *pieces);
    for (size_t i = 0; i < count; i++) {
        const struct occurrence *from = &decoder->occurrences[first + i];
        pieces[i] = (struct piece){from->bytes, from->content};
    }
    return decode_submessage(decoder, path, last.field->message, (struct pieces){pieces, count},
                             last.content);
}

/* maps */

static int by_key(const void *a, const void *b)
{
    const struct map_entry *left = a;
    const struct map_entry *right = b;
    int order = scalar_compare(left->kind, &left->key, &right->key);
    if (order)
        return order;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* What was kept of a value that another one took the place of. */
static void decode_forget(struct decoder *decoder, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        decoder->decoding->unknowns->items[i].value = NULL;
}

void decode_put_entries(struct decoder *decoder, const struct proto_field *key,
                        struct map_entry *entries, size_t count, struct json *object)
{
    if (count)
        qsort(entries, count, sizeof *entries, by_key);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count &&
            scalar_compare(entries[i].kind, &entries[i].key, &entries[i + 1].key) == 0) {
            decode_forget(decoder, entries[i].unknown_from, entries[i].unknown_to);
            continue;
        }
        struct str name =
            key ? scalar_key(decoder->arena, key, &entries[i].key) : entries[i].key.bytes;
        json_put(decoder->arena, object, name, entries[i].value);
    }
}

/* The parts of an entry's value: a message may come in several, of scalars the last counts. */
struct entry_value {
    struct piece *pieces;
    size_t count;
    size_t room;
    struct wire_field last;
};

static struct json *decode_entry_value(struct decoder *decoder, const struct path *path,
                                       const struct proto_field *field,
                                       const struct entry_value *from)
{
    if (kind_is_message(field->kind))
        return decode_submessage(decoder, path, field->message,
                                 (struct pieces){from->pieces, from->count}, from->last.content);
    if (from->count == 0)
        return decoder_count(decoder, path, from->last.content)
                   ? scalar_default(decoder->arena, field)
                   : NULL;
    return decode_scalar(decoder, path, field, from->last.value, from->last.bytes,
                         from->last.content);
}

static bool decode_entry(struct decoder *decoder, const struct path *path,
                         const struct occurrence *from, struct map_entry *entry)
{
    const struct proto_field *key = from->field->message->by_number[0];
    const struct proto_field *value = from->field->message->by_number[1];
    struct wire wire = {.bytes = from->bytes, .offset = from->content};
    struct wire_field field;
    struct entry_value parts = {.last = {.content = from->content}};
    *entry = (struct map_entry){.order = from->order, .kind = key->kind};
    while (wire_next(&wire, &field)) {
        if (field.number > value->number)
            continue;
        bool is_key = field.number == key->number;
        if (!decode_expect(decoder, path, &field, kind_wire_type(is_key ? key->kind : value->kind)))
            return false;
        if (!is_key) {
            arena_grow(decoder->arena, &parts.pieces, parts.count, &parts.room,
                       sizeof *parts.pieces);
            parts.pieces[parts.count++] = (struct piece){field.bytes, field.content};
            parts.last = field;
            continue;
        }
        entry->key = (struct scalar){scalar_normal(key->kind, field.value), field.bytes};
        if (key->kind == PROTO_STRING && !decode_is_text(decoder, path, field.bytes, field.content))
            return false;
    }
    if (wire.error)
        return decoder_fail(decoder, path, wire.error_offset, "%s", wire.error);
    struct str name = scalar_key(decoder->arena, key, &entry->key);
    struct path step = {.up = path, .name = name.data ? name : STR(""), .key = true};
    entry->value = decode_entry_value(decoder, &step, value, &parts);
    return entry->value != NULL;
}

static struct json *decode_map(struct decoder *decoder, const struct path *path, size_t first,
                               size_t count)
{
    struct json *object = json_object(decoder->arena);
    struct map_entry *entries = memory_alloc_array(count, sizeof *entries);
    const struct proto_field *field = decoder->occurrences[first].field;
    for (size_t i = 0; i < count; i++) {
        struct occurrence from = decoder->occurrences[first + i];
        size_t unknown_from = unknown_count(decoder);
        bool good = decoder_enter(decoder, path, from.content) &&
                    decode_entry(decoder, path, &from, &entries[i]);
        if (!good) {
            memory_free(entries);
            return NULL;
        }
        decoder->depth--;
        entries[i].unknown_from = unknown_from;
        entries[i].unknown_to = unknown_count(decoder);
    }
    decode_put_entries(decoder, field->message->by_number[0], entries, count, object);
    memory_free(entries);
    return object;
}

/* messages */

static struct str name_of(const struct decoder *decoder, const struct proto_field *field)
{
    /* an extension has but one name in JSON */
    return decoder->decoding->original_names && field->extendee.size == 0 ? field->name
                                                                          : field->json_name;
}

/* All that came of one field. */
static bool decode_run(struct decoder *decoder, const struct path *path, size_t first, size_t count,
                       struct json *object)
{
    const struct occurrence *last = &decoder->occurrences[first + count - 1];
    const struct proto_field *field = last->field;
    struct path step = {.up = path, .name = name_of(decoder, field)};
    struct scalar scalar = {scalar_normal(field->kind, last->value), last->bytes};
    if (!field->repeated && !field->presence && !decoder->decoding->defaults &&
        scalar_is_zero(&scalar))
        return true;
    struct json *value = field->map        ? decode_map(decoder, &step, first, count)
                         : field->repeated ? decode_repeated(decoder, &step, first, count)
                                           : decode_singular(decoder, &step, first, count);
    if (!value)
        return false;
    /* nothing but unknown numbers of a closed enum */
    if (field->repeated && value->count == 0 && !decoder->decoding->defaults)
        return true;
    json_put(decoder->arena, object, step.name, value);
    return true;
}

static bool put_default(struct decoder *decoder, const struct path *path,
                        const struct proto_field *field, size_t offset, struct json *object)
{
    if (field->presence)
        return true;
    if (!decoder_count(decoder, path, offset))
        return false;
    json_put(decoder->arena, object, name_of(decoder, field),
             scalar_default(decoder->arena, field));
    return true;
}

static bool is_there(const struct decoder *decoder, size_t start, size_t end,
                     const struct proto_field *field)
{
    for (size_t i = start; i < end; i++) {
        if (decoder->occurrences[i].field == field)
            return true;
    }
    return false;
}

static bool check_required(struct decoder *decoder, const struct path *path,
                           const struct proto_message *type, size_t start, size_t end,
                           size_t offset)
{
    size_t seen = 0;
    for (size_t i = start; type->required_count && i < end; i++) {
        const struct proto_field *field = decoder->occurrences[i].field;
        seen += field->required && (i == start || decoder->occurrences[i - 1].field != field);
    }
    for (size_t i = 0; seen < type->required_count && i < type->field_count; i++) {
        const struct proto_field *field = type->by_number[i];
        if (!field->required || is_there(decoder, start, end, field))
            continue;
        struct path step = {.up = path, .name = field->json_name};
        return decoder_fail(decoder, &step, offset, "this required field is missing");
    }
    return true;
}

/* The fields from `start` on the stack, and between them, when asked for, those that are not there.
 */
static bool decode_runs(struct decoder *decoder, const struct path *path,
                        const struct proto_message *type, size_t start, size_t offset,
                        struct json *object)
{
    size_t end = decoder->occurrence_count;
    size_t absent = decoder->decoding->defaults ? 0 : type->field_count;
    for (size_t i = start; i < end;) {
        const struct proto_field *field = decoder->occurrences[i].field;
        size_t count = 1;
        while (i + count < end && decoder->occurrences[i + count].field == field)
            count++;
        for (; absent < type->field_count && type->by_number[absent]->number < field->number;
             absent++) {
            if (!put_default(decoder, path, type->by_number[absent], offset, object))
                return false;
        }
        absent += absent < type->field_count && type->by_number[absent] == field;
        if (!decode_run(decoder, path, i, count, object))
            return false;
        i += count;
    }
    for (; absent < type->field_count; absent++) {
        if (!put_default(decoder, path, type->by_number[absent], offset, object))
            return false;
    }
    return true;
}

bool decode_fields(struct decoder *decoder, const struct path *path,
                   const struct proto_message *type, struct pieces pieces, struct json *object)
{
    size_t start = decoder->occurrence_count;
    size_t offset = pieces.count ? pieces.items[0].offset : 0;
    if (!gather(decoder, path, type, pieces, object))
        return false;
    if (type->oneof_count)
        drop_overridden(decoder, type, start);
    sort(decoder, start);
    if (!check_required(decoder, path, type, start, decoder->occurrence_count, offset) ||
        !decode_runs(decoder, path, type, start, offset, object))
        return false;
    decoder->occurrence_count = start;
    return true;
}

struct json *decode_message(struct decoder *decoder, const struct path *path,
                            const struct proto_message *type, struct pieces pieces)
{
    if (!decoder_count(decoder, path, pieces.count ? pieces.items[0].offset : 0))
        return NULL;
    if (type->known != PROTO_PLAIN)
        return decode_known(decoder, path, type, pieces);
    struct json *object = json_object(decoder->arena);
    return decode_fields(decoder, path, type, pieces, object) ? object : NULL;
}

static int by_address(const void *a, const void *b)
{
    const struct message_unknown *left = a;
    const struct message_unknown *right = b;
    if (left->value != right->value)
        return (uintptr_t)left->value < (uintptr_t)right->value ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

static void finish_unknowns(struct message_unknowns *unknowns)
{
    size_t count = 0;
    for (size_t i = 0; i < unknowns->count; i++) {
        if (unknowns->items[i].value)
            unknowns->items[count++] = unknowns->items[i];
    }
    unknowns->count = count;
    if (count)
        qsort(unknowns->items, count, sizeof *unknowns->items, by_address);
}

struct json *message_decode(struct arena *arena, const struct protos *protos,
                            const struct proto_message *type, struct str bytes,
                            const struct message_decoding *decoding,
                            struct message_problem *problem)
{
    static const struct message_decoding none;
    struct path root = {0};
    struct piece piece = {bytes, 0};
    struct decoder decoder = {.protos = protos,
                              .root = type,
                              .decoding = decoding ? decoding : &none,
                              .arena = arena,
                              .problem = problem};
    struct json *value = decode_message(&decoder, &root, type, (struct pieces){&piece, 1});
    if (decoder.decoding->unknowns)
        finish_unknowns(decoder.decoding->unknowns);
    memory_free(decoder.occurrences);
    return value;
}
