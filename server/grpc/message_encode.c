/* JSON → the wire. Known types stand in message_known.c and message_struct.c. */
#include "server/grpc/message_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

/* A member of an object and the field that it names. */
struct slot {
    const struct proto_field *field;
    const struct json_member *member;
};

/* An entry of a map with its key read. */
struct entry {
    struct scalar key;
    const struct json_member *member;
    enum proto_kind kind; /* of the key, for the order */
};

/* problems */

static void add_problem(struct encoder *encoder, const struct path *path, const struct json *value,
                        struct str text)
{
    struct message_problems *problems = encoder->problems;
    if (problems->count++ >= MESSAGE_MOST_PROBLEMS)
        return;
    struct message_problem *problem = arena_alloc(problems->arena, sizeof *problem);
    problem->message =
        arena_printf(problems->arena, STR_FMT ": " STR_FMT,
                     STR_ARG(path_text(encoder->scratch, path, encoder->root)), STR_ARG(text));
    problem->line = value ? value->line : 0;
    problem->column = value ? value->column : 0;
    if (problems->last)
        problems->last->next = problem;
    else
        problems->first = problem;
    problems->last = problem;
}

bool encoder_fail(struct encoder *encoder, const struct path *path, const struct json *value,
                  const char *format, ...)
{
    va_list args;
    struct str text;
    va_start(args, format);
    text = text_format(encoder->scratch, format, args);
    va_end(args);
    add_problem(encoder, path, value, text);
    return false;
}

bool encoder_expected(struct encoder *encoder, const struct path *path, const struct json *value,
                      const char *what)
{
    return encoder_fail(encoder, path, value, "expected %s, got " STR_FMT, what,
                        STR_ARG(scalar_shown(encoder->scratch, value)));
}

void encoder_help(struct encoder *encoder, const struct nearest *nearest)
{
    struct message_problems *problems = encoder->problems;
    if (nearest->best.size && problems->last && problems->count <= MESSAGE_MOST_PROBLEMS)
        problems->last->help =
            arena_printf(problems->arena, "did you mean '" STR_FMT "'?", STR_ARG(nearest->best));
}

bool encoder_enter(struct encoder *encoder, const struct path *path, const struct json *value)
{
    if (encoder->depth >= MESSAGE_DEPTH)
        return encoder_fail(encoder, path, value, "messages are nested deeper than %d levels",
                            MESSAGE_DEPTH);
    /* nothing that follows would change the result; required fields that fill each other in would
     * follow for ever */
    if (encoder->into->full || encoder->problems->count >= MESSAGE_MOST_PROBLEMS)
        return false;
    encoder->depth++;
    return true;
}

/* unknown fields */

void encode_unknown(struct encoder *encoder, const struct json *value)
{
    const struct message_unknowns *unknowns = encoder->encoding->unknowns;
    size_t low = 0;
    size_t high = unknowns ? unknowns->count : 0;
    size_t count = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)unknowns->items[middle].value < (uintptr_t)value)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && unknowns->items[low].value == value; low++)
        (void)!buf_append(encoder->into, unknowns->items[low].bytes);
}

/* single values */

static bool read_scalar(struct encoder *encoder, const struct path *path,
                        const struct proto_field *field, const struct json *value,
                        struct scalar *scalar)
{
    struct nearest nearest = {0};
    const char *wrong = scalar_read(encoder->scratch, field, value, scalar, &nearest.best);
    if (!wrong)
        return true;
    encoder_fail(encoder, path, value, "%s", wrong);
    encoder_help(encoder, &nearest);
    return false;
}

/* A whole field with a message or a group in it. */
static bool encode_submessage(struct encoder *encoder, const struct path *path,
                              const struct proto_field *field, const struct json *value)
{
    if (!encoder_enter(encoder, path, value))
        return false;
    size_t mark = 0;
    if (field->kind == PROTO_GROUP)
        wire_put_tag(encoder->into, field->number, WIRE_GROUP);
    else
        mark = wire_open(encoder->into, field->number);
    bool good = encode_message(encoder, path, field->message, value);
    if (field->kind == PROTO_GROUP)
        wire_put_tag(encoder->into, field->number, WIRE_GROUP_END);
    else
        wire_close(encoder->into, mark);
    encoder->depth--;
    return good;
}

/* A field with one value; `always` also when it is zero. */
static bool encode_single(struct encoder *encoder, const struct path *path,
                          const struct proto_field *field, const struct json *value, bool always)
{
    struct scalar scalar;
    if (kind_is_message(field->kind))
        return encode_submessage(encoder, path, field, value);
    if (!read_scalar(encoder, path, field, value, &scalar))
        return false;
    if (!always && scalar_is_zero(&scalar))
        return true;
    wire_put_tag(encoder->into, field->number, kind_wire_type(field->kind));
    scalar_put(encoder->into, field->kind, &scalar);
    return true;
}

/* Whether null is a value of the field and does not mean that it is not set. */
static bool takes_null(const struct proto_field *field)
{
    if (kind_is_message(field->kind))
        return field->message->known == PROTO_VALUE;
    return scalar_is_null(field);
}

/* lists */

static bool encode_packed(struct encoder *encoder, const struct path *path,
                          const struct proto_field *field, const struct json *array)
{
    bool good = true;
    size_t mark = wire_open(encoder->into, field->number);
    for (size_t i = 0; i < array->count; i++) {
        struct path step = {.up = path, .index = i};
        struct scalar scalar;
        if (read_scalar(encoder, &step, field, array->elements[i], &scalar))
            scalar_put(encoder->into, field->kind, &scalar);
        else
            good = false;
    }
    wire_close(encoder->into, mark);
    return good;
}

static bool encode_repeated(struct encoder *encoder, const struct path *path,
                            const struct proto_field *field, const struct json *array)
{
    bool good = true;
    if (array->kind != JSON_ARRAY)
        return encoder_expected(encoder, path, array, "a list");
    if (array->count == 0)
        return true;
    if (field->packed)
        return encode_packed(encoder, path, field, array);
    for (size_t i = 0; i < array->count; i++) {
        struct path step = {.up = path, .index = i};
        good = encode_single(encoder, &step, field, array->elements[i], true) && good;
    }
    return good;
}

/* maps */

static int by_key(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    int order = scalar_compare(left->kind, &left->key, &right->key);
    if (order)
        return order;
    return left->member < right->member ? -1 : left->member > right->member;
}

/* Both key and value are always written, as every library does. */
static bool encode_entry(struct encoder *encoder, const struct path *path,
                         const struct proto_field *field, const struct entry *entry)
{
    const struct proto_field *key = field->message->by_number[0];
    const struct proto_field *value = field->message->by_number[1];
    struct path step = {.up = path, .name = entry->member->name, .key = true};
    if (!encoder_enter(encoder, &step, entry->member->value))
        return false;
    size_t mark = wire_open(encoder->into, field->number);
    wire_put_tag(encoder->into, key->number, kind_wire_type(key->kind));
    scalar_put(encoder->into, key->kind, &entry->key);
    bool good = encode_single(encoder, &step, value, entry->member->value, true);
    wire_close(encoder->into, mark);
    encoder->depth--;
    return good;
}

static bool encode_map(struct encoder *encoder, const struct path *path,
                       const struct proto_field *field, const struct json *object)
{
    bool good = true;
    size_t count = 0;
    const struct proto_field *key = field->message->by_number[0];
    if (object->kind != JSON_OBJECT)
        return encoder_expected(encoder, path, object, "an object (a map)");
    struct entry *entries = arena_alloc_array(encoder->scratch, object->count, sizeof *entries);
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        struct path step = {.up = path, .name = member->name, .key = true};
        struct entry *entry = &entries[count];
        *entry = (struct entry){.member = member, .kind = key->kind};
        const char *wrong = scalar_read_key(encoder->scratch, key, member->name, &entry->key);
        if (wrong)
            good = encoder_fail(encoder, &step, member->value, "the key: %s", wrong);
        else
            count++;
    }
    qsort(entries, count, sizeof *entries, by_key);
    for (size_t i = 0; i < count; i++) {
        struct path step = {.up = path, .name = entries[i].member->name, .key = true};
        if (i && scalar_compare(key->kind, &entries[i - 1].key, &entries[i].key) == 0)
            good = encoder_fail(encoder, &step, entries[i].member->value, "the key is there twice");
        else
            good = encode_entry(encoder, path, field, &entries[i]) && good;
    }
    return good;
}

/* messages */

static bool encode_field(struct encoder *encoder, const struct path *path,
                         const struct proto_field *field, const struct json *value)
{
    struct path step = {.up = path, .name = field->json_name};
    if (field->map)
        return encode_map(encoder, &step, field, value);
    if (field->repeated)
        return encode_repeated(encoder, &step, field, value);
    return encode_single(encoder, &step, field, value, field->presence);
}

static int by_number(const void *a, const void *b)
{
    const struct slot *left = a;
    const struct slot *right = b;
    if (left->field->number != right->field->number)
        return left->field->number < right->field->number ? -1 : 1;
    return left->member < right->member ? -1 : left->member > right->member;
}

static bool unknown_member(struct encoder *encoder, const struct path *path,
                           const struct proto_message *type, const struct json_member *member)
{
    struct path step = {.up = path, .name = member->name.data ? member->name : STR("")};
    struct nearest nearest = proto_nearest_field(type, member->name);
    encoder_fail(encoder, &step, member->value, STR_FMT " has no such field", STR_ARG(type->name));
    encoder_help(encoder, &nearest);
    return false;
}

/* The members that are set, by the numbers of their fields. */
static bool find_slots(struct encoder *encoder, const struct path *path,
                       const struct proto_message *type, const struct json *object, bool inside_any,
                       struct slot *slots, size_t *count)
{
    bool good = true;
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        const struct proto_field *field = proto_field_by_name(type, member->name);
        if (inside_any && str_is(member->name, "@type"))
            continue;
        if (field)
            slots[(*count)++] = (struct slot){field, member};
        else
            good = unknown_member(encoder, path, type, member);
    }
    if (*count)
        qsort(slots, *count, sizeof *slots, by_number);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        struct path step = {.up = path, .name = slots[i].member->name};
        if (i && slots[i].field == slots[i - 1].field)
            good = encoder_fail(encoder, &step, slots[i].member->value, "the field is there twice");
    }
    for (size_t i = 0; i < *count; i++) {
        bool set = slots[i].member->value->kind != JSON_NULL ||
                   (takes_null(slots[i].field) && !slots[i].field->repeated);
        if (set)
            slots[kept++] = slots[i];
    }
    *count = kept;
    return good;
}

static bool check_oneofs(struct encoder *encoder, const struct path *path,
                         const struct proto_message *type, const struct slot *slots, size_t count)
{
    const struct slot **set = NULL;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        const struct proto_oneof *oneof = slots[i].field->oneof;
        if (!oneof)
            continue;
        if (!set)
            set = arena_alloc_array(encoder->scratch, type->oneof_count, sizeof(void *));
        struct path step = {.up = path, .name = slots[i].field->json_name};
        if (set[oneof->index])
            good = encoder_fail(encoder, &step, slots[i].member->value,
                                "'" STR_FMT "' is set too, and of the oneof '" STR_FMT
                                "' only one can be",
                                STR_ARG(set[oneof->index]->field->json_name), STR_ARG(oneof->name));
        set[oneof->index] = &slots[i];
    }
    return good;
}

static bool encode_missing(struct encoder *encoder, const struct path *path,
                           const struct json *object, const struct proto_field *field)
{
    struct path step = {.up = path, .name = field->json_name};
    if (encoder->encoding->fill_required)
        return encode_field(encoder, path, field, scalar_default(encoder->scratch, field));
    return encoder_fail(encoder, &step, object, "this required field is missing");
}

/* Writes the slots in order, and required fields that are missing between them. */
static bool encode_slots(struct encoder *encoder, const struct path *path,
                         const struct proto_message *type, const struct json *object,
                         const struct slot *slots, size_t count)
{
    bool good = true;
    size_t next = 0; /* of the fields by number */
    for (size_t i = 0; i <= count; i++) {
        for (; type->required_count && next < type->field_count; next++) {
            const struct proto_field *field = type->by_number[next];
            if (i < count && field->number >= slots[i].field->number)
                break;
            if (field->required)
                good = encode_missing(encoder, path, object, field) && good;
        }
        if (i == count)
            break;
        next += next < type->field_count && type->by_number[next] == slots[i].field;
        good = encode_field(encoder, path, slots[i].field, slots[i].member->value) && good;
    }
    return good;
}

bool encode_fields(struct encoder *encoder, const struct path *path,
                   const struct proto_message *type, const struct json *object, bool inside_any)
{
    size_t count = 0;
    struct slot *slots = arena_alloc_array(encoder->scratch, object->count, sizeof *slots);
    bool good = find_slots(encoder, path, type, object, inside_any, slots, &count);
    good = check_oneofs(encoder, path, type, slots, count) && good;
    good = encode_slots(encoder, path, type, object, slots, count) && good;
    encode_unknown(encoder, object);
    return good;
}

bool encode_message(struct encoder *encoder, const struct path *path,
                    const struct proto_message *type, const struct json *value)
{
    /* what stands for a message without fields may be no JSON form of the type */
    if (type->known != PROTO_PLAIN && encoder->encoding->fill_required &&
        value->kind == JSON_OBJECT && value->count == 0)
        return true;
    if (type->known != PROTO_PLAIN)
        return encode_known(encoder, path, type, value);
    if (value->kind != JSON_OBJECT)
        return encoder_expected(
            encoder, path, value,
            arena_printf(encoder->scratch, "an object (" STR_FMT ")", STR_ARG(type->name)).data);
    return encode_fields(encoder, path, type, value, false);
}

int message_encode(const struct protos *protos, const struct proto_message *type,
                   const struct json *value, const struct message_encoding *encoding,
                   struct buf *into, struct message_problems *problems)
{
    static const struct message_encoding none;
    size_t before = into->size;
    size_t problems_before = problems->count;
    bool was_full = into->full;
    struct path root = {0};
    struct arena *scratch = encoding ? encoding->scratch : NULL;
    struct arena *own = scratch ? NULL : arena_new();
    struct encoder encoder = {.protos = protos,
                              .root = type,
                              .encoding = encoding ? encoding : &none,
                              .scratch = scratch ? scratch : own,
                              .into = into,
                              .problems = problems};
    into->full = false;
    bool good = encode_message(&encoder, &root, type, value);
    bool full = into->full;
    if (full && problems->count == problems_before)
        encoder_fail(&encoder, &root, value, "the message is larger than %zu bytes",
                     into->most - before);
    if (!good || full)
        buf_truncate(into, before);
    into->full = was_full;
    arena_free(own);
    if (full)
        return -EMSGSIZE;
    return good ? 0 : -EINVAL;
}
