/* Any bytes as a message: what is read can be written, and then says the same, unknown fields
 * included. The first byte chooses the type. */
#include "rich.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct message_unknowns unknowns;
    struct json *value;
};

static struct reading read_message(struct arena *arena, const struct proto_message *type,
                                   struct str bytes)
{
    struct reading reading = {0};
    struct message_problem problem = {0};
    struct message_decoding decoding = {.unknowns = &reading.unknowns};
    reading.value = message_decode(arena, rich_protos(), type, bytes, &decoding, &problem);
    GOTO_ASSERT(reading.value || (problem.message.size && problem.offset <= bytes.size));
    return reading;
}

static void write_message(struct arena *arena, const struct proto_message *type,
                          const struct reading *reading, struct buf *into)
{
    struct message_problems problems = {.arena = arena};
    struct message_encoding encoding = {.unknowns = &reading->unknowns};
    buf_init(into, BUF_OWN);
    GOTO_ASSERT(message_encode(rich_protos(), type, reading->value, &encoding, into, &problems) ==
                0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_problem problem;
    struct message_decoding defaults = {.defaults = true, .original_names = true};
    if (size < 1)
        return 0;
    struct arena *arena = arena_new();
    struct str bytes = {(const char *)data + 1, size - 1};
    const struct proto_message *type = rich_type(rich_protos(), data[0]);
    struct reading first = read_message(arena, type, bytes);
    bool whole = message_decode(arena, rich_protos(), type, bytes, &defaults, &problem) != NULL;
    GOTO_ASSERT(whole == (first.value != NULL));
    if (first.value) {
        struct buf once;
        struct buf twice;
        write_message(arena, type, &first, &once);
        struct reading second = read_message(arena, type, buf_str(&once));
        GOTO_ASSERT(second.value && json_equal(first.value, second.value));
        GOTO_ASSERT(first.unknowns.count == second.unknowns.count);
        write_message(arena, type, &second, &twice);
        GOTO_ASSERT(str_equal(buf_str(&once), buf_str(&twice)));
        buf_clear(&once);
        buf_clear(&twice);
    }
    arena_free(arena);
    return 0;
}
