/* Any bytes as a FileDescriptorSet or, behind a NUL, as a FileDescriptorProto: they are refused
 * with a reason, or everything in them can be found, and used as the types of messages. */
#include "server/grpc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_MESSAGES = 16, MOST_SIZE = 65536 };

static void use_message(const struct protos *protos, const struct proto_message *type,
                        struct str bytes)
{
    struct arena *arena = arena_new();
    struct message_problem problem = {0};
    struct message_problems problems = {.arena = arena};
    struct message_encoding encoding = {.fill_required = true};
    struct message_decoding decoding = {.defaults = true};
    struct buf buf;
    buf_init(&buf, MOST_SIZE);
    GOTO_ASSERT(protos_message(protos, type->name) == type);
    GOTO_ASSERT(protos_file_of(protos, type->name) == type->file);
    int result = message_encode(protos, type, json_object(arena), &encoding, &buf, &problems);
    GOTO_ASSERT((result == 0) == (problems.count == 0));
    if (!message_decode(arena, protos, type, bytes, &decoding, &problem))
        GOTO_ASSERT(problem.message.size && problem.offset <= bytes.size);
    for (size_t i = 0; i < type->field_count; i++)
        GOTO_ASSERT(proto_field_by_number(type, type->fields[i].number) == &type->fields[i] &&
                    proto_field_by_name(type, type->fields[i].json_name) == &type->fields[i]);
    (void)proto_nearest_field(type, STR("name"));
    buf_clear(&buf);
    arena_free(arena);
}

static void use_messages(const struct protos *protos, const struct proto_message *messages,
                         size_t count, struct str bytes, size_t *left)
{
    for (size_t i = 0; i < count && *left; i++, --*left) {
        use_message(protos, &messages[i], bytes);
        use_messages(protos, messages[i].messages, messages[i].message_count, bytes, left);
    }
}

static void use(const struct protos *protos, struct str bytes)
{
    struct arena *arena = arena_new();
    size_t left = MOST_MESSAGES;
    for (size_t i = 0; i < protos_service_count(protos); i++) {
        const struct proto_service *service = protos_service_at(protos, i);
        size_t count;
        GOTO_ASSERT(protos_service(protos, service->name) == service);
        GOTO_ASSERT(protos_file(protos, service->file->name) == service->file);
        const struct proto_file **files = protos_closure(protos, service->file, arena, &count);
        GOTO_ASSERT(count >= 1 && files[0] == service->file);
        for (size_t j = 0; j < count; j++)
            use_messages(protos, files[j]->messages, files[j]->message_count, bytes, &left);
        for (size_t j = 0; j < service->method_count; j++)
            use_messages(protos, service->methods[j].input, 1, bytes, &left);
    }
    (void)protos_nearest_method(protos, STR("rich.Riches/Gat"), arena);
    (void)protos_nearest_message(protos, STR("Scalar"));
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct protos *protos = protos_new();
    struct protos_error error = {0};
    struct str missing;
    int result = size && data[0] == 0 ? protos_add_file(protos, str_from(bytes, 1), &error)
                                      : protos_add_set(protos, bytes, &error);
    (void)protos_missing(protos, &missing);
    if (result == 0)
        result = protos_link(protos, &error);
    if (result == 0)
        use(protos, bytes);
    else
        GOTO_ASSERT(error.message.size && error.offset <= size);
    /* once more changes nothing */
    if (result == 0 && data[0] != 0)
        GOTO_ASSERT(protos_add_set(protos, bytes, &error) == 0 && protos_link(protos, &error) == 0);
    protos_free(protos);
    return 0;
}
