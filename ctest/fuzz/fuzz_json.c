/* Any bytes: what the reader accepts survives writing, copying and reading again. */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json *write_and_read(struct arena *arena, const struct json *value, bool pretty)
{
    struct json_error error;
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    if (pretty)
        json_write_pretty(value, &buf);
    else
        json_write(value, &buf);
    struct json *again = json_read(arena, arena_copy(arena, buf_str(&buf)), &error);
    buf_clear(&buf);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct json_error error;
    struct str text = {(const char *)data, size};
    struct json *value = json_read(arena, text, &error);
    bool ordered;
    if (value) {
        size_t count;
        GOTO_ASSERT(json_equal(value, write_and_read(arena, value, false)));
        GOTO_ASSERT(json_is_subset(value, write_and_read(arena, value, true)));
        json_differences(arena, value, json_copy(arena, value), true, 10, &count);
        GOTO_ASSERT(count == 0);
    } else {
        GOTO_ASSERT(error.message && error.offset <= size && error.line && error.column);
    }
    /* The two halves as numbers. */
    struct str half = str_slice(text, 0, size / 2);
    struct str rest = str_from(text, size / 2);
    int order = number_compare(half, rest, &ordered);
    int back = number_compare(rest, half, &ordered);
    GOTO_ASSERT((order < 0) == (back > 0) && (order > 0) == (back < 0));
    GOTO_ASSERT(!number_is_valid(text) || (value && value->kind == JSON_NUMBER));
    arena_free(arena);
    return 0;
}
