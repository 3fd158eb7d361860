/* The names of templates: what each one yields. */
#include "server/http/template_private.h"

#include "base/clock.h"
#include "schema/body.h"
#include "server/tls/tls.h"

static const struct json *text_or_missing(struct arena *arena, struct str text)
{
    return text.data ? json_string(arena, text) : NULL;
}

/** A number of the context, where 0 stands for none. */
static const struct json *number_or_missing(struct arena *arena, uint64_t number)
{
    if (number == 0)
        return NULL;
    return json_number(arena, arena_printf(arena, "%llu", (unsigned long long)number));
}

static const struct json *name_path(const struct template_call *call,
                                    struct template_context *context, struct arena *arena)
{
    for (size_t i = 0; context->path && i < context->path->count; i++) {
        if (str_equal(context->path->items[i].name, call->member))
            return json_string(arena, context->path->items[i].value);
    }
    return NULL;
}

static const struct json *name_method(const struct template_call *call,
                                      struct template_context *context, struct arena *arena)
{
    (void)call;
    return context->request ? text_or_missing(arena, context->request->method) : NULL;
}

static const struct json *name_request_path(const struct template_call *call,
                                            struct template_context *context, struct arena *arena)
{
    (void)call;
    return context->request ? text_or_missing(arena, context->request->path) : NULL;
}

static const struct json *name_query(const struct template_call *call,
                                     struct template_context *context, struct arena *arena)
{
    if (!context->request)
        return NULL;
    return query_to_json(context->request->query, call->member, arena);
}

static const struct json *name_header(const struct template_call *call,
                                      struct template_context *context, struct arena *arena)
{
    if (!context->request)
        return NULL;
    return headers_to_json(&context->request->headers, call->member, arena);
}

static const struct json *name_cookie(const struct template_call *call,
                                      struct template_context *context, struct arena *arena)
{
    if (!context->request)
        return NULL;
    return text_or_missing(arena, request_cookie(context->request, call->member));
}

static const struct json *name_body(const struct template_call *call,
                                    struct template_context *context, struct arena *arena)
{
    (void)call;
    return context->request ? json_string(arena, context->request->body) : NULL;
}

static const struct json *name_json(const struct template_call *call,
                                    struct template_context *context, struct arena *arena)
{
    if (!context->json_tried && context->request) {
        struct json_error error;
        context->json_tried = true;
        context->json = json_read(arena, context->request->body, &error);
    }
    return context->json ? body_jsonpath_value(call->path, context->json, arena) : NULL;
}

static const struct json *name_request_number(const struct template_call *call,
                                              struct template_context *context, struct arena *arena)
{
    (void)call;
    return number_or_missing(arena, context->request_number);
}

static const struct json *name_connection_number(const struct template_call *call,
                                                 struct template_context *context,
                                                 struct arena *arena)
{
    (void)call;
    return number_or_missing(arena, context->connection_number);
}

static const struct json *name_sni(const struct template_call *call,
                                   struct template_context *context, struct arena *arena)
{
    (void)call;
    return context->tls ? text_or_missing(arena, context->tls->sni) : NULL;
}

static const struct json *name_tls_version(const struct template_call *call,
                                           struct template_context *context, struct arena *arena)
{
    (void)call;
    return context->tls ? text_or_missing(arena, context->tls->version) : NULL;
}

static const struct json *name_client_address(const struct template_call *call,
                                              struct template_context *context, struct arena *arena)
{
    (void)call;
    return text_or_missing(arena, context->client_address);
}

static const struct json *name_now(const struct template_call *call,
                                   struct template_context *context, struct arena *arena)
{
    enum { SIZE = 40 };
    (void)call;
    (void)context;
    char *text = arena_alloc(arena, SIZE);
    clock_format(clock_wall(), text, SIZE);
    return json_string(arena, str_of(text));
}

static const struct json *name_now_ms(const struct template_call *call,
                                      struct template_context *context, struct arena *arena)
{
    (void)call;
    (void)context;
    return json_integer(arena, clock_wall() / CLOCK_MS);
}

/** The draws of this answer: the same for the same upstream, seed and request. */
static struct random *draws(struct template_context *context, struct arena *arena)
{
    if (!context->random_ready) {
        struct str key = arena_printf(arena, "template " STR_FMT, STR_ARG(context->upstream));
        context->random = random_for(context->seed, key, context->draw);
        context->random_ready = true;
    }
    return &context->random;
}

/** A version 4 UUID (RFC 9562). */
static const struct json *name_uuid(const struct template_call *call,
                                    struct template_context *context, struct arena *arena)
{
    (void)call;
    struct random *random = draws(context, arena);
    uint64_t high = random_next(random);
    uint64_t low = random_next(random);
    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    return json_string(arena, arena_printf(arena, "%08x-%04x-%04x-%04x-%012llx",
                                           (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff),
                                           (unsigned)(high & 0xffff), (unsigned)(low >> 48),
                                           (unsigned long long)(low & UINT64_C(0xffffffffffff))));
}

static const struct json *name_random(const struct template_call *call,
                                      struct template_context *context, struct arena *arena)
{
    uint64_t span = (uint64_t)call->high - (uint64_t)call->low;
    uint64_t drawn = random_between(draws(context, arena), 0, span);
    return json_integer(arena, (int64_t)((uint64_t)call->low + drawn));
}

static const struct json *name_random_string(const struct template_call *call,
                                             struct template_context *context, struct arena *arena)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct random *random = draws(context, arena);
    size_t size = (size_t)call->low;
    char *text = arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++)
        text[i] = letters[random_between(random, 0, sizeof letters - 2)];
    return json_string(arena, (struct str){text, size});
}

static const struct json *name_literal(const struct template_call *call,
                                       struct template_context *context, struct arena *arena)
{
    (void)context;
    (void)arena;
    return call->literal;
}

/* Answers of far sides. */

static struct template_answer *answer_of(const struct template_call *call,
                                         const struct template_context *context)
{
    for (size_t i = 0; i < context->answer_count; i++) {
        if (str_equal(context->answers[i].name, call->answer))
            return &context->answers[i];
    }
    return NULL;
}

static const struct json *name_answer_status(const struct template_call *call,
                                             struct template_context *context, struct arena *arena)
{
    const struct template_answer *answer = answer_of(call, context);
    return answer ? number_or_missing(arena, answer->status) : NULL;
}

static const struct json *name_answer_header(const struct template_call *call,
                                             struct template_context *context, struct arena *arena)
{
    const struct template_answer *answer = answer_of(call, context);
    return answer ? headers_to_json(answer->headers, call->member, arena) : NULL;
}

static const struct json *name_answer_body(const struct template_call *call,
                                           struct template_context *context, struct arena *arena)
{
    const struct template_answer *answer = answer_of(call, context);
    return answer ? json_string(arena, answer->body) : NULL;
}

static const struct json *name_answer_json(const struct template_call *call,
                                           struct template_context *context, struct arena *arena)
{
    struct template_answer *answer = answer_of(call, context);
    if (answer && !answer->json_tried) {
        struct json_error error;
        answer->json_tried = true;
        answer->json = json_read(arena, answer->body, &error);
    }
    return answer && answer->json ? body_jsonpath_value(call->path, answer->json, arena) : NULL;
}

const struct template_row template_literal_row = {
    .doc = {"\"text\"", "The text itself, such as \"{{\".", false},
    .name = "text",
    .value = name_literal,
};

#define NAME(form, name, shape, value, doc)                                                        \
    {                                                                                              \
        {form, doc, false}, name, shape, value, NULL, false, false, false, false                   \
    }
#define BODY(form, name, shape, value, doc)                                                        \
    {                                                                                              \
        {form, doc, false}, name, shape, value, NULL, false, false, false, true                    \
    }
#define ANSWER(form, name, shape, value, doc)                                                      \
    {                                                                                              \
        {form, doc, false}, name, shape, value, NULL, false, true, false, false                    \
    }

const struct template_row template_names[] = {
    {{"path.NAME", "What the route's path captured, percent-decoded.", false},
     "path",
     SHAPE_MEMBER,
     name_path,
     .of_path = true},
    NAME("request.method", "request.method", SHAPE_NONE, name_method, "The method."),
    NAME("request.path", "request.path", SHAPE_NONE, name_request_path,
         "The path as sent, without the query."),
    NAME("request.query.NAME", "request.query", SHAPE_MEMBER, name_query,
         "A field of the query, decoded; a list if it came several times."),
    NAME("request.header.NAME", "request.header", SHAPE_MEMBER, name_header,
         "A header; a list if it came several times."),
    NAME("request.cookie.NAME", "request.cookie", SHAPE_MEMBER, name_cookie, "A cookie."),
    BODY("request.body", "request.body", SHAPE_NONE, name_body, "The body as text."),
    BODY("request.json $.a.b", "request.json", SHAPE_PATH, name_json,
         "What a JSONPath finds in the body: a value, or the list of all for a path that may find "
         "several."),
    NAME("request.number", "request.number", SHAPE_NONE, name_request_number,
         "How many requests this route had, from 1."),
    NAME("connection.number", "connection.number", SHAPE_NONE, name_connection_number,
         "The number of the connection on its port, from 1."),
    NAME("tls.sni", "tls.sni", SHAPE_NONE, name_sni,
         "The server name asked for; missing without TLS."),
    NAME("tls.version", "tls.version", SHAPE_NONE, name_tls_version,
         "\"TLSv1.3\" and the like; missing without TLS."),
    NAME("client.address", "client.address", SHAPE_NONE, name_client_address,
         "The address of the client, without its port."),
    BODY("message $.a", "message", SHAPE_PATH, name_json,
         "What a JSONPath finds in the gRPC message: of a stream in the first one, of a "
         "bidirectional one in the one that is answered."),
    NAME("now", "now", SHAPE_NONE, name_now,
         "The time as RFC 3339 in UTC: \"2026-01-02T03:04:05.678Z\"."),
    NAME("now.ms", "now.ms", SHAPE_NONE, name_now_ms, "The time in milliseconds since 1970."),
    NAME("uuid", "uuid", SHAPE_NONE, name_uuid, "A random UUID, drawn from the seed."),
    NAME("random 1 100", "random", SHAPE_RANGE, name_random,
         "A whole number between two, both included, drawn from the seed."),
    NAME("random.string 16", "random.string", SHAPE_COUNT, name_random_string,
         "So many letters and digits, drawn from the seed; at most 65536."),
    ANSWER("response.status", "response.status", SHAPE_NONE, name_answer_status,
           "In forward.response: the far side's status. With `calls` also NAME.status, and so on."),
    ANSWER("response.header.NAME", "response.header", SHAPE_MEMBER, name_answer_header,
           "In forward.response: a header of the far side; a list if it came several times."),
    ANSWER("response.body", "response.body", SHAPE_NONE, name_answer_body,
           "In forward.response: the far side's body as text."),
    ANSWER("response.json $.x", "response.json", SHAPE_PATH, name_answer_json,
           "In forward.response: what a JSONPath finds in the far side's body."),
};
const size_t template_names_count = COUNT_OF(template_names);

const struct template_doc *template_name_doc(size_t index)
{
    return index < template_names_count ? &template_names[index].doc : NULL;
}

const struct template_row *template_answer_row(struct str part)
{
    static const struct str prefix = STR_INIT("response.");
    for (size_t i = 0; i < template_names_count; i++) {
        const struct template_row *row = &template_names[i];
        struct str name = str_of(row->name);
        if (!row->of_answer)
            continue;
        name = str_from(name, prefix.size);
        bool goes_on = row->shape == SHAPE_MEMBER && part.size > name.size &&
                       part.data[name.size] == '.' && str_starts(part, name);
        if (goes_on || str_equal(part, name))
            return row;
    }
    return NULL;
}

bool template_name_is_taken(struct str name)
{
    for (size_t i = 0; i < template_names_count; i++) {
        struct str row = str_of(template_names[i].name);
        if (str_starts(row, name) && (row.size == name.size || row.data[name.size] == '.'))
            return true;
    }
    return false;
}
