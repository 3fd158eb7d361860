/* Requests as the bytes of HTTP/1 or as a copy, and the headers that stand for one hop only. */
#include "base/memory.h"
#include "server/proxy/call_private.h"

#include <stdio.h>
#include <string.h>

/* Requests. */

/** Appends to bytes that have room. */
static char *put(char *at, struct str text)
{
    if (text.size)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

static char *put_field(char *at, struct str name, struct str value)
{
    at = put(at, name);
    at = put(at, STR(": "));
    at = put(at, value);
    return put(at, STR("\r\n"));
}

/** How the body is framed (RFC 9112 section 6); methods that usually have one say that it is empty
 * (RFC 9110 section 8.6). */
static struct str framing_of(const struct call_request *request, char room[48])
{
    bool usual = str_is(request->method, "POST") || str_is(request->method, "PUT") ||
                 str_is(request->method, "PATCH");
    if (request->has_body && request->content_length < 0)
        return STR("transfer-encoding: chunked\r\n");
    if (!request->has_body && !usual)
        return (struct str){NULL, 0};
    long long length = request->has_body ? (long long)request->content_length : 0;
    int size = snprintf(room, 48, "content-length: %lld\r\n", length);
    return (struct str){room, (size_t)size};
}

void call_write_head(struct call *call, const struct call_request *request)
{
    const struct headers *headers = request->headers;
    char room[48];
    struct str framing = framing_of(request, room);
    struct str authority = request->authority;
    size_t size = request->method.size + request->target.size + authority.size + framing.size +
                  request->upgrade_to.size + 96;
    for (size_t i = 0; headers && i < headers->count; i++)
        size += headers->items[i].name.size + headers->items[i].value.size + 4;
    buf_reset(&call->head);
    char *start = buf_reserve(&call->head, size);
    /* only we write here, and not that much */
    GOTO_ASSERT(start);
    char *at = put(start, request->method);
    *at++ = ' ';
    at = put(at, request->target);
    at = put(at, STR(" HTTP/1.1\r\n"));
    at = put_field(at, STR("host"), authority);
    for (size_t i = 0; headers && i < headers->count; i++)
        at = put_field(at, headers->items[i].name, headers->items[i].value);
    at = put(at, framing);
    if (request->upgrade)
        at =
            put_field(put(at, STR("connection: upgrade\r\n")), STR("upgrade"), request->upgrade_to);
    else if (request->fresh && !request->connect)
        at = put(at, STR("connection: close\r\n"));
    at = put(at, STR("\r\n"));
    GOTO_ASSERT((size_t)(at - start) <= size);
    call->head.size += (size_t)(at - start);
}

struct headers call_copy_headers(struct call *call, const struct headers *headers)
{
    struct headers copy = {0};
    if (!call->arena)
        call->arena = arena_new();
    if (!headers || !headers->count)
        return copy;
    copy.items = arena_alloc_array(call->arena, headers->count, sizeof *copy.items);
    copy.count = headers->count;
    copy.capacity = headers->count;
    for (size_t i = 0; i < headers->count; i++) {
        copy.items[i].name = arena_copy(call->arena, headers->items[i].name);
        copy.items[i].value = arena_copy(call->arena, headers->items[i].value);
    }
    return copy;
}

void call_copy_request(struct call *call, const struct call_request *request)
{
    call->copied = call_copy_headers(call, request->headers);
    call->request.headers = &call->copied;
    call->request.method = arena_copy(call->arena, request->method);
    call->request.target = arena_copy(call->arena, request->target);
    call->request.authority = arena_copy(call->arena, request->authority);
    call->request.upgrade_to = arena_copy(call->arena, request->upgrade_to);
}

/* Headers of one hop. */

static bool is_hop_header(struct str name, bool with_upgrade)
{
    switch (name.size) {
    case 2:
        return str_equal_nocase(name, STR("te"));
    case 7:
        return !with_upgrade && str_equal_nocase(name, STR("upgrade"));
    case 10:
        return str_equal_nocase(name, STR("connection")) ||
               str_equal_nocase(name, STR("keep-alive"));
    case 14:
        return str_equal_nocase(name, STR("content-length"));
    case 16:
        return str_equal_nocase(name, STR("proxy-connection"));
    case 17:
        return str_equal_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

void call_filter_headers(struct headers *headers, bool has_connection, bool with_upgrade)
{
    struct headers all = *headers;
    size_t kept = 0;
    /* those that are named go first: the lines that name them must still be there */
    for (size_t i = 0; has_connection && i < all.count; i++) {
        struct str name = all.items[i].name;
        bool stays = with_upgrade && str_equal_nocase(name, STR("upgrade"));
        if (!stays && !is_hop_header(name, with_upgrade) &&
            headers_has_token(&all, STR("connection"), name))
            all.items[i].name.size = 0;
    }
    for (size_t i = 0; i < all.count; i++)
        if (all.items[i].name.size && !is_hop_header(all.items[i].name, with_upgrade))
            all.items[kept++] = all.items[i];
    headers->count = kept;
}
