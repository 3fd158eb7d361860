#include "server/http/echo.h"

#include "server/tls/tls.h"

#include <stdlib.h>

struct named {
    struct str name; /**< in lower case */
    struct str value;
    size_t at; /**< its position in the request */
};

static int named_compare(const void *left, const void *right)
{
    const struct named *a = left;
    const struct named *b = right;
    int order = str_compare(a->name, b->name);
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

static struct str lower_case(struct str text, struct arena *arena)
{
    char *lower = arena_alloc(arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++)
        lower[i] =
            text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] | 0x20) : text.data[i];
    return (struct str){lower, text.size};
}

/** The values of `count` headers of one name: a string, or a list of them. */
static struct json *values_json(const struct named *first, size_t count, struct arena *arena)
{
    if (count == 1)
        return json_string(arena, first->value);
    struct json *list = json_array(arena);
    for (size_t i = 0; i < count; i++)
        json_push(arena, list, json_string(arena, first[i].value));
    return list;
}

/** Headers by name. They are sorted to find equal names: a flood of headers must not cost its
 * square. */
static struct json *headers_json(const struct headers *headers, struct arena *arena)
{
    struct json *object = json_object(arena);
    struct named *sorted = arena_alloc_array(arena, headers->count + 1, sizeof *sorted);
    struct json_member *members = arena_alloc_array(arena, headers->count + 1, sizeof *members);
    for (size_t i = 0; i < headers->count; i++)
        sorted[i] =
            (struct named){lower_case(headers->items[i].name, arena), headers->items[i].value, i};
    if (headers->count)
        qsort(sorted, headers->count, sizeof *sorted, named_compare);
    for (size_t i = 0, next; i < headers->count; i = next) {
        next = i + 1;
        while (next < headers->count && str_equal(sorted[next].name, sorted[i].name))
            next++;
        members[sorted[i].at] =
            (struct json_member){sorted[i].name, values_json(&sorted[i], next - i, arena)};
    }
    for (size_t i = 0; i < headers->count; i++)
        if (members[i].value)
            json_put(arena, object, members[i].name, members[i].value);
    return object;
}

/** A text, or null where there is none. */
static struct json *text_json(struct str text, struct arena *arena)
{
    return text.data ? json_string(arena, text) : json_null(arena);
}

static struct json *tls_json(const struct tls_info *tls, struct arena *arena)
{
    if (!tls)
        return json_null(arena);
    struct json *object = json_object(arena);
    json_put(arena, object, STR("version"), text_json(tls->version, arena));
    json_put(arena, object, STR("cipher"), text_json(tls->cipher, arena));
    json_put(arena, object, STR("sni"), text_json(tls->sni, arena));
    json_put(arena, object, STR("alpn"), text_json(tls->alpn, arena));
    json_put(arena, object, STR("client-cert"), text_json(tls->client_cert, arena));
    return object;
}

struct json *echo_json(struct exchange *exchange, struct str upstream, struct arena *arena)
{
    const struct request *request = &exchange->request;
    uint16_t port = 0;
    struct str address = exchange_client(exchange, &port);
    struct json *echo = json_object(arena);
    json_put(arena, echo, STR("upstream"), json_string(arena, upstream));
    json_put(arena, echo, STR("protocol"),
             json_string(arena, str_of(http_version_name(request->version))));
    json_put(arena, echo, STR("method"), json_string(arena, request->method));
    json_put(arena, echo, STR("path"), json_string(arena, request->path));
    json_put(arena, echo, STR("query"), query_object(request->query, arena));
    json_put(arena, echo, STR("headers"), headers_json(&request->headers, arena));
    json_put(arena, echo, STR("body"), json_string(arena, request->body));
    struct json_error error;
    struct json *json = request->body.size ? json_read(arena, request->body, &error) : NULL;
    if (json)
        json_put(arena, echo, STR("json"), json);
    struct json *client = json_object(arena);
    json_put(arena, client, STR("address"), json_string(arena, address));
    json_put(arena, client, STR("port"), json_integer(arena, port));
    json_put(arena, echo, STR("client"), client);
    json_put(arena, echo, STR("tls"), tls_json(exchange->stream->tls, arena));
    return echo;
}

struct str echo_text(struct exchange *exchange, struct str upstream, struct arena *arena)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(echo_json(exchange, upstream, arena), &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}
