#include "server/grpc/metadata.h"

#include "base/base64.h"

bool grpc_metadata_is_binary(struct str name)
{
    struct str end = STR("-bin");
    return name.size > end.size && str_equal_nocase(str_from(name, name.size - end.size), end);
}

static void push_binary(struct json *values, struct str text, struct arena *arena)
{
    while (true) {
        ptrdiff_t comma = str_find_byte(text, ',');
        struct str part = str_trim(comma < 0 ? text : str_slice(text, 0, (size_t)comma));
        struct str bytes;
        if (base64_read(arena, part, &bytes))
            part = base64_write(arena, bytes, true);
        json_push(arena, values, json_string(arena, part));
        if (comma < 0)
            return;
        text = str_from(text, (size_t)comma + 1);
    }
}

const struct json *grpc_metadata_json(const struct headers *headers, struct str name,
                                      struct arena *arena)
{
    if (!grpc_metadata_is_binary(name))
        return headers_to_json(headers, name, arena);
    struct json *values = json_array(arena);
    for (size_t i = 0; i < headers->count; i++)
        if (str_equal_nocase(headers->items[i].name, name))
            push_binary(values, headers->items[i].value, arena);
    if (values->count == 0)
        return NULL;
    return values->count == 1 ? values->elements[0] : values;
}
