/* Any JSON as a message: what is written can be read and written again, and is the same. The first
 * byte chooses the type. */
#include "rich.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool encode(struct arena *arena, const struct proto_message *type, const struct json *value,
                   bool fill, struct buf *into)
{
    struct message_problems problems = {.arena = arena};
    struct message_encoding encoding = {.fill_required = fill};
    buf_init(into, 1 << 20);
    int result = message_encode(rich_protos(), type, value, &encoding, into, &problems);
    GOTO_ASSERT((result == 0) == (problems.first == NULL));
    GOTO_ASSERT(result == 0 || into->size == 0);
    for (struct message_problem *p = problems.first; p; p = p->next)
        GOTO_ASSERT(p->message.size && str_is_utf8(p->message, NULL));
    return result == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_error error;
    if (size < 1)
        return 0;
    struct arena *arena = arena_new();
    struct str text = {(const char *)data + 1, size - 1};
    const struct proto_message *type = rich_type(rich_protos(), data[0]);
    struct json *value = json_read(arena, text, &error);
    struct buf once = {0};
    struct buf twice = {0};
    if (value && encode(arena, type, value, data[0] & 0x80, &once)) {
        struct message_problem problem;
        struct json *again =
            message_decode(arena, rich_protos(), type, buf_str(&once), NULL, &problem);
        /* "@value" says bytes, of which nothing is known */
        GOTO_ASSERT(again || str_find(text, STR("value")) >= 0);
        if (again) {
            GOTO_ASSERT(encode(arena, type, again, false, &twice));
            struct json *same =
                message_decode(arena, rich_protos(), type, buf_str(&twice), NULL, &problem);
            GOTO_ASSERT(same && json_equal(again, same));
            GOTO_ASSERT(str_equal(buf_str(&once), buf_str(&twice)) ||
                        str_find(text, STR("value")) >= 0);
        }
    }
    buf_clear(&once);
    buf_clear(&twice);
    arena_free(arena);
    return 0;
}
