#include "runner/client/http_request.h"

#include "runner/client/http.h"
#include "runner/client/http_h2c.h"
#include "runner/client/http_url.h"
#include "server/tls/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { MAX_BODY = 64 * 1024 * 1024, MOST_REDIRECTS = 1000 };

static enum read_result refuse(struct reader *reader, struct place place, const char *message)
{
    diagnostics_add(reader->diagnostics, place, "%s", message);
    return READ_FAILED;
}

/* Texts that go onto one line. */

static bool is_one_line(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\n' || text.data[i] == '\r' || text.data[i] == '\0')
            return false;
    return true;
}

static enum read_result line_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str text = {0};
    enum read_result result = type_text.read(reader, &type_text, node, &text);
    if (result != READ_OK)
        return result;
    if (!is_one_line(text))
        return refuse(reader, node->place, "a line break or NUL cannot stand here");
    if (text.size == 0 && type->extra)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = text;
    return READ_OK;
}

static struct json *line_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_text);
}

/** [struct str] without line breaks. */
static const struct type type_line = {
    .name = "a text", .size = sizeof(struct str), .read = line_read, .schema = line_schema};
/** The same, not empty. */
static const struct type type_word = {.name = "a text that is not empty",
                                      .size = sizeof(struct str),
                                      .read = line_read,
                                      .schema = line_schema,
                                      .extra = "not empty"};

/* Method and URL. */

static enum read_result method_check(struct reader *reader, struct place place, struct str method)
{
    if (http_is_token(method))
        return READ_OK;
    diagnostics_add(reader->diagnostics, place, "'" STR_FMT "' is no method", STR_ARG(method));
    diagnostics_help(reader->diagnostics,
                     "write METHOD URL, such as GET http://127.0.0.1:8080/path");
    return READ_FAILED;
}

static enum read_result method_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct str text = {0};
    enum read_result result = type_string.read(reader, &type_string, node, &text);
    (void)type;
    if (result == READ_OK)
        result = method_check(reader, node->place, text);
    if (result == READ_OK)
        *(struct str *)into = text;
    return result;
}

static struct json *method_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

static const struct type type_method = {.name = "a method such as GET",
                                        .size = sizeof(struct str),
                                        .read = method_read,
                                        .schema = method_schema};

static enum read_result url_check(struct reader *reader, struct place place, struct str url,
                                  bool proxy)
{
    const char *wrong = http_url_wrong(reader->arena, url, proxy);
    if (!wrong)
        return READ_OK;
    diagnostics_add(reader->diagnostics, place, "bad URL '" STR_FMT "': %s", STR_ARG(url), wrong);
    return READ_FAILED;
}

/** .extra is set for the URL of a proxy. */
static enum read_result url_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    if (node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    enum read_result result = url_check(reader, node->place, node->text, type->extra != NULL);
    if (result == READ_OK)
        *(struct str *)into = node->text;
    return result;
}

static const struct type type_url = {
    .name = "a URL", .size = sizeof(struct str), .read = url_read, .schema = method_schema};
static const struct type type_proxy = {.name = "a URL",
                                       .size = sizeof(struct str),
                                       .read = url_read,
                                       .schema = method_schema,
                                       .extra = "proxy"};

/* Headers, query, form. */

static enum read_result values_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct http_values *values = into;
    bool list = node->kind == NODE_LIST;
    size_t count = list ? node->count : 1;
    *values = (struct http_values){.null = node->kind == NODE_NULL};
    if (values->null)
        return READ_OK;
    if (node->kind == NODE_MAP)
        return reader_expected(reader, node, type->name);
    struct str *texts = arena_alloc_array(reader->arena, count, sizeof *texts);
    enum read_result result = READ_OK;
    for (size_t i = 0; i < count; i++)
        result = read_worse(result,
                            reader_read(reader, type->of, list ? node->items[i] : node, &texts[i]));
    if (result == READ_OK)
        values->texts = (struct list){.items = texts, .count = count};
    return result;
}

static struct json *values_schema(struct schema_writer *writer, const struct type *type)
{
    struct json *list = schema_text(writer, "{\"type\": \"array\"}");
    json_put(schema_arena(writer), list, STR("items"), schema_of(writer, type->of));
    struct json *none = schema_text(writer, "{\"type\": \"null\"}");
    return schema_either(writer, schema_of(writer, type->of), schema_either(writer, list, none));
}

#define TYPE_VALUES(type_of)                                                                       \
    {                                                                                              \
        .name = "a text, a list of texts, or null", .size = sizeof(struct http_values),            \
        .read = values_read, .schema = values_schema, .of = (type_of)                              \
    }
static const struct type type_header_values = TYPE_VALUES(&type_line);
static const struct type type_query_values = TYPE_VALUES(&type_text);
static const struct type type_headers = TYPE_MAP(&type_header_values);
static const struct type type_query = TYPE_MAP(&type_query_values);
static const struct type type_form = TYPE_POINTER(&type_query);
static const struct type type_cookies = TYPE_MAP(&type_line);

/* Files and sockets, relative to the spec's folder. */

static const char *file_wrong(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return strerror(errno);
    if (!S_ISREG(about.st_mode))
        return "it is no regular file";
    return NULL;
}

static enum read_result file_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str written = {0};
    if (node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    enum read_result result = type_word.read(reader, &type_word, node, &written);
    if (result != READ_OK)
        return result;
    struct str path = place_path(node->place, written, reader->arena);
    const char *wrong = file_wrong(path.data);
    if (wrong) {
        diagnostics_add(reader->diagnostics, node->place, "cannot read file '" STR_FMT "': %s",
                        STR_ARG(path), wrong);
        return READ_FAILED;
    }
    *(struct str *)into = path;
    return READ_OK;
}

static const struct type type_file = {.name = "the path of a file",
                                      .size = sizeof(struct str),
                                      .read = file_read,
                                      .schema = method_schema};

static enum read_result unix_socket_read(struct reader *reader, const struct type *type,
                                         const struct node *node, void *into)
{
    struct str written = {0};
    (void)type;
    enum read_result result = type_word.read(reader, &type_word, node, &written);
    if (result != READ_OK)
        return result;
    struct str path = place_path(node->place, written, reader->arena);
    if (path.size >= sizeof((struct sockaddr_un){0}).sun_path)
        return refuse(reader, node->place, "the path of a Unix socket has at most 107 bytes");
    *(struct str *)into = path;
    return READ_OK;
}

static const struct type type_unix_socket = {.name = "the path of a Unix socket",
                                             .size = sizeof(struct str),
                                             .read = unix_socket_read,
                                             .schema = method_schema};

/* multipart: a mapping of name to part, or a list of parts. */

static enum read_result part_check(struct reader *reader, const struct node *node, void *into)
{
    const struct http_part *part = into;
    if ((part->value.data != NULL) + (part->file.data != NULL) == 1)
        return READ_OK;
    return refuse(reader, node->place, "a part has exactly one of 'value' and 'file'");
}

static const struct row part_rows[] = {
    {"name", &type_word, offsetof(struct http_part, name), 0, "the key in a mapping of parts",
     "Its name."},
    {"value", &type_text, offsetof(struct http_part, value), 0, NULL, "Its bytes, as text."},
    {"file", &type_file, offsetof(struct http_part, file), 0, NULL, "A file with its bytes."},
    {"filename", &type_line, offsetof(struct http_part, filename), 0, "that of 'file'",
     "The name of a file that is sent along."},
    {"content-type", &type_word, offsetof(struct http_part, content_type), 0,
     "by the filename's ending", "The type of the part."},
};
static const struct table part_table = {
    TABLE_ROWS("part", part_rows),
    .doc = "A part of a multipart body.",
    .shorthand = "value",
    .check = part_check,
};
static const struct type type_part = TYPE_TABLE(&part_table, struct http_part);
static const struct type type_part_list = TYPE_LIST(&type_part);
static const struct type type_part_map = TYPE_MAP(&type_part);

static enum read_result parts_check_names(struct reader *reader, const struct node *node,
                                          const struct list *parts)
{
    const struct http_part *items = parts->items;
    for (size_t i = 0; i < parts->count; i++)
        if (items[i].name.size == 0)
            return refuse(reader, node->items[i]->place, "a part in a list needs a 'name'");
    return READ_OK;
}

static enum read_result parts_check(struct reader *reader, const struct node *node,
                                    const struct list *parts)
{
    const struct http_part *items = parts->items;
    if (parts->count == 0)
        return refuse(reader, node->place, "a multipart body needs at least one part");
    for (size_t i = 0; i < parts->count; i++)
        if (!is_one_line(items[i].name))
            return refuse(reader, node->place, "the name of a part holds no line break");
    return READ_OK;
}

static enum read_result multipart_read(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    struct list parts = {0};
    enum read_result result;
    if (node->kind == NODE_LIST) {
        result = reader_read(reader, &type_part_list, node, &parts);
        if (result == READ_OK)
            result = parts_check_names(reader, node, &parts);
    } else if (node->kind == NODE_MAP) {
        struct list entries = {0};
        result = reader_read(reader, &type_part_map, node, &entries);
        parts.items = arena_alloc_array(reader->arena, entries.count, sizeof(struct http_part));
        parts.count = entries.count;
        for (size_t i = 0; i < entries.count; i++) {
            const struct map_entry *entry = &((struct map_entry *)entries.items)[i];
            struct http_part *part = &((struct http_part *)parts.items)[i];
            *part = *(const struct http_part *)entry->value;
            part->name = part->name.size ? part->name : entry->name;
        }
    } else {
        return reader_expected(reader, node, type->name);
    }
    if (result == READ_OK)
        result = parts_check(reader, node, &parts);
    if (result == READ_OK)
        *(struct list *)into = parts;
    return result;
}

static struct json *multipart_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_part_map),
                         schema_of(writer, &type_part_list));
}

static const struct type type_parts = {
    .name = "a mapping of parts by name, or a list of parts",
    .size = sizeof(struct list),
    .read = multipart_read,
    .schema = multipart_schema,
};
static const struct type type_multipart = TYPE_POINTER(&type_parts);

/* auth */

static enum read_result user_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str text = {0};
    enum read_result result = line_read(reader, &type_line, node, &text);
    if (result == READ_OK && str_find_byte(text, ':') < 0)
        return reader_expected(reader, node, type->name);
    if (result == READ_OK)
        *(struct str *)into = text;
    return result;
}

static const struct type type_user = {.name = "a text such as user:password",
                                      .size = sizeof(struct str),
                                      .read = user_read,
                                      .schema = line_schema};

static enum read_result auth_check(struct reader *reader, const struct node *node, void *into)
{
    (void)into;
    if (node->count == 1)
        return READ_OK;
    return refuse(reader, node->place, "'auth' has exactly one of 'basic', 'bearer' and 'digest'");
}

static const struct row auth_rows[] = {
    {"basic", &type_user, offsetof(struct http_auth, basic), 0, NULL,
     "user:password, sent at once (RFC 7617)."},
    {"bearer", &type_word, offsetof(struct http_auth, bearer), 0, NULL,
     "A token, sent at once (RFC 6750)."},
    {"digest", &type_user, offsetof(struct http_auth, digest), 0, NULL,
     "user:password, after the server's challenge (RFC 7616): two requests on one connection."},
};
static const struct table auth_table = {
    TABLE_ROWS("auth", auth_rows),
    .doc = "How the client shows who it is. It is not sent on to other hosts by redirects.",
    .check = auth_check,
};
static const struct type auth_type = TYPE_TABLE(&auth_table, struct http_auth);
static const struct type type_auth = TYPE_POINTER(&auth_type);

/* version */

static const struct choice version_choices[] = {
    {"1.1", HTTP_REQUEST_1_1, "HTTP/1.1"},
    {"1.0", HTTP_REQUEST_1_0, "HTTP/1.0"},
    {"2", HTTP_REQUEST_2, "HTTP/2; in clear by prior knowledge"},
    {"h2c", HTTP_REQUEST_H2C, "HTTP/2 in clear, by prior knowledge"},
    {0},
};

static const struct type type_version = TYPE_CHOICE(version_choices);

/* Where connections go. */

static bool is_address(struct arena *arena, struct str text)
{
    unsigned char room[sizeof(struct in6_addr)];
    struct str copy = arena_copy(arena, text);
    return inet_pton(AF_INET, copy.data, room) == 1 || inet_pton(AF_INET6, copy.data, room) == 1;
}

static enum read_result address_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    bool bracketed = str_starts(text, STR("[")) && str_ends(text, STR("]"));
    if (bracketed)
        text = str_slice(text, 1, text.size - 2);
    if (!is_one_line(text) || !is_address(reader->arena, text))
        return reader_expected(reader, node, type->name);
    *(struct str *)into = arena_copy(reader->arena, text);
    return READ_OK;
}

static const struct type type_address = {.name = "an IP address",
                                         .size = sizeof(struct str),
                                         .read = address_read,
                                         .schema = method_schema};
static const struct type type_resolve = TYPE_MAP(&type_address);

static enum read_result host_port_read(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    size_t colon = text.size;
    uint64_t port = 0;
    while (colon && text.data[colon - 1] != ':')
        colon--;
    struct str host = str_slice(text, 0, colon ? colon - 1 : 0);
    bool bracketed = str_starts(host, STR("[")) && str_ends(host, STR("]"));
    if (host.size == 0 || (!bracketed && str_find_byte(host, ':') >= 0) || !is_one_line(text) ||
        str_find_byte(host, '/') >= 0 || !str_to_u64(str_from(text, colon), 65535, &port) ||
        port == 0)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = text;
    return READ_OK;
}

static const struct type type_host_port = {.name = "host:port",
                                           .size = sizeof(struct str),
                                           .read = host_port_read,
                                           .schema = method_schema};

/* The request. */

static void request_preset(void *into)
{
    struct http_request *request = into;
    request->max_body = MAX_BODY;
}

/** What version, scheme and TLS have to do with one another, as far as they are written. */
static enum read_result check_version(struct reader *reader, const struct node *node,
                                      const struct http_request *request)
{
    bool clear = http_url_has_scheme(request->url, "http");
    bool h2c =
        request->version == HTTP_REQUEST_H2C || (request->version == HTTP_REQUEST_2 && clear);
    const char *key = NULL;
    const char *wrong = h2c ? http_h2c_wrong(request, &key) : NULL;
    if (!wrong && request->version == HTTP_REQUEST_H2C &&
        http_url_has_scheme(request->url, "https")) {
        key = "version";
        wrong = "h2c is HTTP/2 in clear, and the URL is https: write \"2\"";
    }
    if (!wrong && request->tls && (h2c || (clear && request->follow == 0))) {
        key = "tls";
        wrong =
            h2c ? "h2c is HTTP/2 in clear: there is no TLS" : "the URL is http: there is no TLS";
    }
    return wrong ? refuse(reader, node_get(node, key)->place, wrong) : READ_OK;
}

static enum read_result request_check(struct reader *reader, const struct node *node, void *into)
{
    const struct http_request *request = into;
    if (request->follow > MOST_REDIRECTS)
        return refuse(reader, node_get(node, "follow")->place, "'follow' is at most 1000");
    if (str_is(http_request_method(request), "HEAD") && http_request_has_body(request))
        return refuse(reader, node->place, "a HEAD request has no body");
    return check_version(reader, node, request);
}

static const struct row request_rows[] = {
    {"method", &type_method, offsetof(struct http_request, method), 0, "GET; POST with a body",
     "Any token, sent as written."},
    {"url", &type_url, offsetof(struct http_request, url), ROW_REQUIRED, NULL,
     "Where to: http://HOST:PORT/PATH or https://; without a scheme that of the run's port. Sent "
     "as "
     "written: dots in the path and percent-encoding stay."},
    {"headers", &type_headers, offsetof(struct http_request, headers), 0, NULL,
     "Name to text, a list of texts (sent several times), or null, which drops a default one. Sent "
     "as written, after "
     "`user-agent: goto-run/VERSION` and `accept: */*`."},
    {"query", &type_query, offsetof(struct http_request, query), 0, NULL,
     "Percent-encoded and put behind the query of the URL; null gives a name without '='."},
    {"body", &type_text, offsetof(struct http_request, body), 0, NULL,
     "The body as text; no content-type is sent."},
    {"json", &type_json, offsetof(struct http_request, json), 0, NULL,
     "The body as JSON, with `content-type: application/json`."},
    {"form", &type_form, offsetof(struct http_request, form), 0, NULL,
     "The body as an urlencoded form: name to text or a list of texts."},
    {"multipart", &type_multipart, offsetof(struct http_request, multipart), 0, NULL,
     "The body as multipart/form-data: a mapping of name to text or part, or a list of parts."},
    {"file", &type_file, offsetof(struct http_request, file), 0, NULL,
     "The body from a file, relative to the spec's folder; no content-type is sent."},
    {"auth", &type_auth, offsetof(struct http_request, auth), 0, NULL, "basic, bearer or digest."},
    {"cookies", &type_cookies, offsetof(struct http_request, cookies), 0, NULL, "Name to value."},
    {"version", &type_version, offsetof(struct http_request, version), 0,
     "over TLS by ALPN, 2 or 1.1; in clear h2c on a port of the run that speaks it now, else 1.1",
     "The version of HTTP that is spoken."},
    {"follow", &type_count, offsetof(struct http_request, follow), 0, "0",
     "How many redirects are followed; one more is the error redirect-loop. With 0 the redirect is "
     "the answer."},
    {"proxy", &type_proxy, offsetof(struct http_request, proxy), 0, "none", "The URL of a proxy."},
    {"resolve", &type_resolve, offsetof(struct http_request, resolve), 0, NULL,
     "Name to the address that connections to it go to."},
    {"connect-to", &type_host_port, offsetof(struct http_request, connect_to), 0, NULL,
     "Every connection goes to this host:port, whatever the URL says."},
    {"tls", &tls_client_type, offsetof(struct http_request, tls), 0, NULL, "How TLS is spoken."},
    {"timeout", &type_time_positive, offsetof(struct http_request, timeout_ns), 0, "none",
     "The longest one try may take."},
    {"connect-timeout", &type_time_positive, offsetof(struct http_request, connect_timeout_ns), 0,
     "none", "The longest until a TCP connection stands."},
    {"max-body", &type_size, offsetof(struct http_request, max_body), 0, "64MiB",
     "The largest body that is taken; beyond it the error is body-too-large."},
    {"compressed", &type_bool, offsetof(struct http_request, compressed), 0, "false",
     "Asks for gzip or deflate and decodes the body; without it bodies stay as they come."},
    {"interface", &type_word, offsetof(struct http_request, interface), 0, NULL,
     "The network interface or local address that connections come from."},
    {"unix-socket", &type_unix_socket, offsetof(struct http_request, unix_socket), 0, NULL,
     "The path of a Unix socket that connections go to, relative to the spec's folder."},
};

const struct table http_request_table = {
    TABLE_ROWS("http", request_rows),
    .doc = "One HTTP request on a connection of its own. Short form: METHOD URL, or a URL alone "
           "(GET).",
    .preset = request_preset,
    .check = request_check,
};
static const struct type request_type = TYPE_TABLE(&http_request_table, struct http_request);

bool http_request_has_body(const struct http_request *request)
{
    return request->body.data || request->json || request->form || request->multipart ||
           request->file.data;
}

struct str http_request_method(const struct http_request *request)
{
    if (request->method.data)
        return request->method;
    return http_request_has_body(request) ? STR("POST") : STR("GET");
}

const struct http_values *http_request_header(const struct http_request *request, const char *name)
{
    const struct map_entry *entries = request->headers.items;
    for (size_t i = 0; i < request->headers.count; i++)
        if (str_equal_nocase(entries[i].name, str_of(name)))
            return entries[i].value;
    return NULL;
}

/* Reading it: the short form, and what can be judged although variables have no value yet. */

/** "GET URL" or "URL": the method is empty if there is none. */
static void short_form(struct str text, struct str *method, struct str *url)
{
    text = str_trim(text);
    ptrdiff_t blank = str_find_byte(text, ' ');
    ptrdiff_t slash = str_find_byte(text, '/');
    *method = (struct str){0};
    *url = text;
    if (blank < 0 || (slash >= 0 && slash < blank))
        return;
    *method = str_slice(text, 0, (size_t)blank);
    *url = str_trim(str_from(text, (size_t)blank + 1));
}

static bool is_capitals(struct str method)
{
    for (size_t i = 0; i < method.size; i++)
        if (method.data[i] >= 'a' && method.data[i] <= 'z')
            return false;
    return true;
}

/** Methods in the short form are in capitals: `get URL` is a slip, and methods tell cases apart. */
static enum read_result short_method_check(struct reader *reader, const struct node *node,
                                           struct str method)
{
    if (method.size == 0 || text_has_variable(method))
        return READ_OK;
    struct place place =
        place_inside(node->place, node->quoted ? 1 : 0, (uint32_t)str_characters(method));
    enum read_result result = method_check(reader, place, method);
    if (result != READ_OK || is_capitals(method))
        return result;
    diagnostics_add(reader->diagnostics, place,
                    "'" STR_FMT "' is no method: methods are written in capitals", STR_ARG(method));
    diagnostics_help(reader->diagnostics, "write {method: " STR_FMT ", url: …} to send it so",
                     STR_ARG(method));
    return READ_FAILED;
}

/** "GET" alone: names of ports are in small letters, so it is no URL. */
static enum read_result lone_method_check(struct reader *reader, const struct node *node,
                                          struct str url)
{
    bool letters = url.size > 0;
    for (size_t i = 0; i < url.size; i++)
        letters = letters && url.data[i] >= 'A' && url.data[i] <= 'Z';
    if (!letters)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "a URL is missing behind '" STR_FMT "'",
                    STR_ARG(url));
    return READ_FAILED;
}

static enum read_result short_read(struct reader *reader, const struct node *node,
                                   struct http_request *request)
{
    struct str method;
    struct str url;
    const struct node *resolved = node;
    short_form(node->text, &method, &url);
    enum read_result result = short_method_check(reader, node, method);
    if (method.size == 0)
        result = read_worse(result, lone_method_check(reader, node, url));
    if (result != READ_OK)
        return result;
    result = reader_resolve(reader, node, &resolved);
    if (result != READ_OK)
        return result;
    if (resolved->kind != NODE_STRING)
        return reader_expected(reader, resolved, http_type.name);
    short_form(resolved->text, &method, &url);
    request_preset(request);
    request->url_place = node->place;
    if (method.size) {
        result = method_check(reader, node->place, method);
        request->method = method;
    }
    request->url = url;
    return result == READ_OK ? url_check(reader, node->place, url, false) : result;
}

/** Of each group at most one key may stand. */
static const char *const exclusive[][6] = {
    {"body", "json", "form", "multipart", "file", NULL},
    {"proxy", "connect-to", "unix-socket", NULL},
    {"resolve", "unix-socket", NULL},
};

static enum read_result exclusive_check(struct reader *reader, const struct node *node)
{
    enum read_result result = READ_OK;
    for (size_t group = 0; group < COUNT_OF(exclusive); group++) {
        const char *first = NULL;
        for (size_t i = 0; exclusive[group][i]; i++) {
            const struct node_pair *pair = node_find(node, str_of(exclusive[group][i]));
            if (pair && first) {
                diagnostics_add(reader->diagnostics, pair->key->place,
                                "'%s' and '%s' do not go together", first, exclusive[group][i]);
                result = READ_FAILED;
            }
            first = pair ? exclusive[group][i] : first;
        }
    }
    return result;
}

/** A key of the request and the header that would say the same. */
static const char *const twice[][2] = {{"auth", "authorization"}, {"cookies", "cookie"}};

static enum read_result header_name_check(struct reader *reader, const struct node *node,
                                          const struct node *name)
{
    if (!http_is_token(name->text)) {
        diagnostics_add(reader->diagnostics, name->place, "'" STR_FMT "' is no name of a header",
                        STR_ARG(name->text));
        return READ_FAILED;
    }
    for (size_t i = 0; i < COUNT_OF(twice); i++) {
        if (!str_equal_nocase(name->text, str_of(twice[i][1])) ||
            !node_find(node, str_of(twice[i][0])))
            continue;
        diagnostics_add(reader->diagnostics, name->place,
                        "'%s' and the header '%s' do not go together", twice[i][0], twice[i][1]);
        return READ_FAILED;
    }
    return READ_OK;
}

static enum read_result shape_check(struct reader *reader, const struct node *node)
{
    enum read_result result = exclusive_check(reader, node);
    const struct node *headers = node_get(node, "headers");
    for (size_t i = 0; headers && headers->kind == NODE_MAP && i < headers->count; i++)
        result = read_worse(result, header_name_check(reader, node, headers->pairs[i].key));
    const struct node *cookies = node_get(node, "cookies");
    for (size_t i = 0; cookies && cookies->kind == NODE_MAP && i < cookies->count; i++)
        if (!http_is_token(cookies->pairs[i].key->text))
            result = refuse(reader, cookies->pairs[i].key->place, "this is no name of a cookie");
    return result;
}

static enum read_result http_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct http_request *request = into;
    if (node->kind == NODE_STRING)
        return short_read(reader, node, request);
    if (node->kind != NODE_MAP)
        return reader_expected(reader, node, type->name);
    enum read_result result = shape_check(reader, node);
    result = read_worse(result, reader_read_table(reader, &http_request_table, node, request));
    const struct node *url = node_get(node, "url");
    request->url_place = url ? url->place : node->place;
    return result;
}

static struct json *http_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    struct json *text = schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
    return schema_either(writer, text, schema_of(writer, &request_type));
}

const struct type http_type = {
    .name = "a request such as GET ${api}/path, or a mapping with a url",
    .size = sizeof(struct http_request),
    .read = http_read,
    .schema = http_schema,
    .of = &request_type,
    .raw = true,
};

static bool node_has_body(const struct node *node)
{
    for (size_t i = 0; exclusive[0][i]; i++)
        if (node_get(node, exclusive[0][i]))
            return true;
    return false;
}

struct str http_request_title(struct arena *arena, const struct node *node)
{
    struct str method = {0};
    struct str url = {0};
    const struct node *written = node_get(node, "method");
    if (node->kind == NODE_MAP) {
        const struct node *target = node_get(node, "url");
        url = target ? node_scalar_text(target) : STR("");
        method = written               ? node_scalar_text(written)
                 : node_has_body(node) ? STR("POST")
                                       : STR("GET");
    } else {
        short_form(node_scalar_text(node), &method, &url);
        method = method.size ? method : STR("GET");
    }
    return arena_printf(arena, STR_FMT " " STR_FMT, STR_ARG(method), STR_ARG(url));
}
