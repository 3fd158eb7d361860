/* Templates: whatever compiles is evaluated, as text and as JSON, on a fixed request. */
#include "server/http/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct str text = {(const char *)data, size};
    struct request request = {
        .method = STR("POST"),
        .path = STR("/a%20b"),
        .query = STR("n=41&m=1&m=2&empty="),
        .version = HTTP_1_1,
        .body = STR("{\"a\": {\"b\": [1, 2.5, null, \"\\u00e4\"]}, \"n\": -1e3}"),
    };
    struct headers path = {0};
    headers_add(&request.headers, arena, STR("x-a"), STR("\xff 1"));
    headers_add(&request.headers, arena, STR("cookie"), STR("a=1; b="));
    headers_add(&path, arena, STR("x"), STR("a/\xc3\xa4"));
    struct template_context context = {
        .request = &request,
        .path = &path,
        .request_number = 1,
        .connection_number = 1,
        .client_address = STR("::1"),
        .upstream = STR("api"),
    };
    struct str error = {0};
    size_t offset = 0;
    struct template *template = template_compile(arena, text, &error, &offset);
    if (template) {
        struct str made = template_text(template, &context, arena);
        const struct json *json = template_json(template, &context, arena);
        GOTO_ASSERT(json->kind == JSON_STRING);
        GOTO_ASSERT(!template_is_constant(template) || str_equal(made, text));
    } else {
        GOTO_ASSERT(error.size > 0 && offset <= size);
    }
    arena_free(arena);
    return 0;
}
