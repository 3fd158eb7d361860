#include "base/random.h"
#include "runner/client/http_h2c_private.h"

#include <openssl/evp.h>
#include <string.h>

/* What does not go over h2c. */

/** RFC 9113, section 8.2.2: what is about one connection of HTTP/1. */
static const char *const connection_headers[] = {
    "connection",        "keep-alive", "proxy-connection",
    "transfer-encoding", "upgrade",    "http2-settings",
};

static bool is_connection_header(const struct map_entry *entry)
{
    const struct http_values *values = entry->value;
    const struct str *texts = values->texts.items;
    for (size_t i = 0; i < COUNT_OF(connection_headers); i++)
        if (str_equal_nocase(entry->name, str_of(connection_headers[i])))
            return values->texts.count > 0;
    if (!str_equal_nocase(entry->name, STR("te")))
        return false;
    for (size_t i = 0; i < values->texts.count; i++)
        if (!str_equal_nocase(str_trim(texts[i]), STR("trailers")))
            return true;
    return false;
}

const char *http_h2c_wrong(const struct http_request *request, const char **key)
{
    const struct map_entry *entries = request->headers.items;
    const char *ignored;
    key = key ? key : &ignored;
    *key = "proxy";
    if (request->proxy.data)
        return "h2c goes through no proxy";
    *key = "auth";
    if (request->auth && request->auth->digest.data)
        return "digest does not go with h2c: basic and bearer do";
    *key = "headers";
    for (size_t i = 0; i < request->headers.count; i++)
        if (is_connection_header(&entries[i]))
            return "a header of a connection of HTTP/1.1 does not go with h2c (RFC 9113, section "
                   "8.2.2)";
    *key = NULL;
    return NULL;
}

/* Bodies. */

/** What libcurl takes a file for by its name. */
static const struct {
    const char *ending;
    const char *type;
} file_types[] = {
    {".gif", "image/gif"},       {".jpg", "image/jpeg"},    {".jpeg", "image/jpeg"},
    {".png", "image/png"},       {".svg", "image/svg+xml"}, {".txt", "text/plain"},
    {".htm", "text/html"},       {".html", "text/html"},    {".pdf", "application/pdf"},
    {".xml", "application/xml"},
};

static struct str file_type(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(file_types); i++) {
        struct str ending = str_of(file_types[i].ending);
        if (name.size >= ending.size &&
            str_equal_nocase(str_from(name, name.size - ending.size), ending))
            return str_of(file_types[i].type);
    }
    return STR("application/octet-stream");
}

/** A quoted name as HTML's forms write it: quotes and line breaks are percent-encoded. */
static void quoted_append(struct buf *into, struct str text)
{
    buf_append_byte(into, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\r' || text.data[i] == '\n')
            buf_printf(into, "%%%02X", (unsigned char)text.data[i]);
        else
            buf_append_byte(into, text.data[i]);
    }
    buf_append_byte(into, '"');
}

static int part_append(struct http_h2c *h2c, const struct http_part *part, struct buf *into,
                       struct str *why)
{
    struct str bytes = part->value;
    struct str filename = part->filename;
    struct str type = part->content_type;
    if (part->file.data) {
        const struct http_request file = {.file = part->file};
        if (http_body_load(&file, h2c->try->attempt->arena, &bytes, why) != 0)
            return -1;
        const char *slash = strrchr(part->file.data, '/');
        if (!filename.data)
            filename = slash ? str_of(slash + 1) : part->file;
    }
    if (!type.data && filename.data)
        type = file_type(filename);
    buf_append_string(into, "\r\ncontent-disposition: form-data; name=");
    quoted_append(into, part->name);
    if (filename.data) {
        buf_append_string(into, "; filename=");
        quoted_append(into, filename);
    }
    if (type.data)
        buf_printf(into, "\r\ncontent-type: " STR_FMT, STR_ARG(type));
    buf_append_string(into, "\r\n\r\n");
    buf_append(into, bytes);
    return 0;
}

/** RFC 7578. The boundary is random enough to stand in no part. */
static int multipart_load(struct http_h2c *h2c, struct str *why)
{
    struct arena *arena = h2c->try->attempt->arena;
    const struct list *parts = h2c->try->request->multipart;
    const struct http_part *items = parts->items;
    struct str boundary =
        arena_printf(arena, "----goto-run-%016llx%016llx", (unsigned long long)random_seed(),
                     (unsigned long long)random_seed());
    struct buf body;
    int result = 0;
    buf_init(&body, BUF_OWN);
    for (size_t i = 0; i < parts->count && result == 0; i++) {
        buf_printf(&body, "%s--" STR_FMT, i ? "\r\n" : "", STR_ARG(boundary));
        result = part_append(h2c, &items[i], &body, why);
    }
    buf_printf(&body, "\r\n--" STR_FMT "--\r\n", STR_ARG(boundary));
    if (result == 0 && buf_full(&body)) {
        *why = STR("the parts of 'multipart' are too large");
        result = -1;
    }
    h2c->body = arena_copy(arena, buf_str(&body));
    h2c->content_type = boundary;
    buf_clear(&body);
    return result;
}

int h2c_body_load(struct http_h2c *h2c, struct str *why)
{
    const struct http_request *request = h2c->try->request;
    h2c->has_body = http_request_has_body(request);
    if (!h2c->has_body)
        return 0;
    if (request->multipart)
        return multipart_load(h2c, why);
    return http_body_load(request, h2c->try->attempt->arena, &h2c->body, why);
}

static ptrdiff_t body_read(void *context, char *into, size_t room, bool *end)
{
    struct http_h2c *h2c = context;
    struct str piece = str_slice(h2c->body, h2c->body_sent, room);
    if (piece.size)
        memcpy(into, piece.data, piece.size);
    h2c->body_sent += piece.size;
    *end = h2c->body_sent == h2c->body.size;
    return (ptrdiff_t)piece.size;
}

/* Headers. */

static void header_add(struct http_h2c *h2c, const char *name, struct str value)
{
    headers_add(&h2c->headers, h2c->try->attempt->arena, str_of(name), value);
}

static void header_default(struct http_h2c *h2c, const char *name, struct str value)
{
    if (!http_request_header(h2c->try->request, name))
        header_add(h2c, name, value);
}

/** RFC 9110, section 15.4: what is about a body is not sent once there is none. */
static bool is_of_body(struct str name)
{
    return name.size > 8 && str_equal_nocase(str_slice(name, 0, 8), STR("content-"));
}

/** What is for the first host only. */
static bool is_secret(struct str name)
{
    return str_equal_nocase(name, STR("authorization")) || str_equal_nocase(name, STR("cookie"));
}

static struct str multipart_type(struct http_h2c *h2c, struct str written)
{
    return arena_printf(h2c->try->attempt->arena, STR_FMT "; boundary=" STR_FMT, STR_ARG(written),
                        STR_ARG(h2c->content_type));
}

static void prepare_body_headers(struct http_h2c *h2c)
{
    const struct http_request *request = h2c->try->request;
    bool empty =
        str_is(h2c->method, "POST") || str_is(h2c->method, "PUT") || str_is(h2c->method, "PATCH");
    if (h2c->has_body && request->json)
        header_default(h2c, "content-type", STR("application/json"));
    else if (h2c->has_body && request->form)
        header_default(h2c, "content-type", STR("application/x-www-form-urlencoded"));
    else if (h2c->has_body && request->multipart)
        header_default(h2c, "content-type", multipart_type(h2c, STR("multipart/form-data")));
    if (h2c->has_body || empty)
        header_default(
            h2c, "content-length",
            arena_printf(h2c->try->attempt->arena, "%zu", h2c->has_body ? h2c->body.size : 0));
}

static void prepare_written(struct http_h2c *h2c, const struct map_entry *entry)
{
    const struct http_values *values = entry->value;
    const struct str *texts = values->texts.items;
    bool host = str_equal_nocase(entry->name, STR("host"));
    bool multipart = h2c->content_type.data && str_equal_nocase(entry->name, STR("content-type"));
    if ((h2c->turned_get && is_of_body(entry->name)) ||
        (h2c->hop.foreign && (host || is_secret(entry->name))))
        return;
    for (size_t i = 0; i < values->texts.count; i++) {
        struct str value = str_trim(texts[i]);
        if (host)
            h2c->authority = value;
        else
            headers_add(&h2c->headers, h2c->try->attempt->arena, entry->name,
                        multipart ? multipart_type(h2c, value) : value);
    }
}

static struct str base64(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.size / 3 * 4 + 5);
    int size =
        EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text.data, (int)text.size);
    return (struct str){out, (size_t)size};
}

static void prepare_auth(struct http_h2c *h2c)
{
    const struct http_auth *auth = h2c->try->request->auth;
    struct arena *arena = h2c->try->attempt->arena;
    struct str user = h2c->hop.user;
    if (auth && auth->basic.data && !h2c->hop.foreign)
        user = auth->basic;
    if (http_request_header(h2c->try->request, "authorization"))
        return;
    if (auth && auth->bearer.data && !h2c->hop.foreign)
        header_add(h2c, "authorization",
                   arena_printf(arena, "Bearer " STR_FMT, STR_ARG(auth->bearer)));
    else if (user.data)
        header_add(h2c, "authorization",
                   arena_printf(arena, "Basic " STR_FMT, STR_ARG(base64(user, arena))));
}

static void prepare_cookies(struct http_h2c *h2c)
{
    const struct http_request *request = h2c->try->request;
    const struct map_entry *entries = request->cookies.items;
    struct arena *arena = h2c->try->attempt->arena;
    struct buf text;
    if (http_request_header(request, "cookie"))
        return;
    buf_init(&text, BUF_OWN);
    if (h2c->cookies)
        buf_append(&text, h2c_cookies(h2c->cookies, &h2c->hop, arena));
    for (size_t i = 0; i < request->cookies.count && !h2c->hop.foreign; i++)
        buf_printf(&text, "%s" STR_FMT "=" STR_FMT, text.size ? "; " : "", STR_ARG(entries[i].name),
                   STR_ARG(*(const struct str *)entries[i].value));
    if (text.size)
        header_add(h2c, "cookie", arena_copy(arena, buf_str(&text)));
    buf_clear(&text);
}

void h2c_request_prepare(struct http_h2c *h2c)
{
    const struct http_request *request = h2c->try->request;
    const struct map_entry *entries = request->headers.items;
    h2c->headers = (struct headers){0};
    h2c->authority = h2c->hop.authority;
    header_default(h2c, "user-agent", STR("goto-run/" GOTO_VERSION));
    header_default(h2c, "accept", STR("*/*"));
    if (request->compressed)
        header_default(h2c, "accept-encoding", STR("gzip, deflate"));
    prepare_body_headers(h2c);
    for (size_t i = 0; i < request->headers.count; i++)
        prepare_written(h2c, &entries[i]);
    prepare_auth(h2c);
    prepare_cookies(h2c);
    h2c->body_sent = 0;
    h2c->source = (struct h2_source){.read = body_read, .context = h2c};
}
