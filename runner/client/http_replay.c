#include "runner/client/http_try.h"
#include "runner/client/http_url.h"
#include "server/tls/config.h"

#include <string.h>

enum { LONGEST_INLINE = 32 * 1024 };

/** Whether a shell takes the text as it is. */
static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                            (byte >= 'A' && byte <= 'Z');
        if (!alphanumeric && (byte == '\0' || !strchr("%+,-./:=@_", byte)))
            return false;
    }
    return text.size > 0;
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (((unsigned char)text.data[i] < 0x20 && text.data[i] != '\n' && text.data[i] != '\t') ||
            text.data[i] == 0x7f)
            return false;
    return str_is_utf8(text, NULL);
}

/** 'text', or $'text' with escapes where bytes would not show. */
static void word_append(struct buf *line, struct str text)
{
    bool printable = is_printable(text);
    buf_append_byte(line, ' ');
    if (is_plain(text)) {
        buf_append(line, text);
        return;
    }
    buf_append_string(line, printable ? "'" : "$'");
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '\'')
            buf_append_string(line, printable ? "'\\''" : "\\'");
        else if (printable)
            buf_append_byte(line, (char)byte);
        else if (byte == '\\')
            buf_append_string(line, "\\\\");
        else if (byte < 0x20 || byte >= 0x7f)
            buf_printf(line, "\\%03o", byte);
        else
            buf_append_byte(line, (char)byte);
    }
    buf_append_byte(line, '\'');
}

static void option(struct buf *line, const char *name, struct str value)
{
    buf_printf(line, " %s", name);
    word_append(line, value);
}

static void header_option(struct buf *line, struct arena *arena, struct str name, struct str value)
{
    if (str_equal_nocase(name, STR("user-agent")) && value.size)
        option(line, "-A", value);
    else if (value.size)
        option(line, "-H",
               arena_printf(arena, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(value)));
    else
        option(line, "-H", arena_printf(arena, STR_FMT ";", STR_ARG(name)));
}

static void headers_append(struct buf *line, const struct http_request *request,
                           struct arena *arena)
{
    const struct map_entry *entries = request->headers.items;
    if (!http_request_header(request, "user-agent"))
        option(line, "-A", STR("goto-run/" GOTO_VERSION));
    if (request->compressed && !http_request_header(request, "accept-encoding"))
        option(line, "-H", STR("accept-encoding: gzip, deflate"));
    if (request->json && !http_request_header(request, "content-type"))
        option(line, "-H", STR("content-type: application/json"));
    /* curl -d would send the type of a form */
    if ((request->body.data || request->file.data) && !http_request_header(request, "content-type"))
        option(line, "-H", STR("content-type:"));
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct http_values *values = entries[i].value;
        const struct str *texts = values->texts.items;
        for (size_t at = 0; at < values->texts.count; at++)
            header_option(line, arena, entries[i].name, texts[at]);
        if (values->texts.count == 0)
            option(line, "-H", arena_printf(arena, STR_FMT ":", STR_ARG(entries[i].name)));
    }
}

static void identity_append(struct buf *line, const struct http_request *request,
                            struct arena *arena)
{
    const struct http_auth *auth = request->auth;
    const struct map_entry *entries = request->cookies.items;
    struct str cookies = STR("");
    for (size_t i = 0; i < request->cookies.count; i++)
        cookies =
            arena_printf(arena, STR_FMT "%s" STR_FMT "=" STR_FMT, STR_ARG(cookies), i ? "; " : "",
                         STR_ARG(entries[i].name), STR_ARG(*(const struct str *)entries[i].value));
    if (cookies.size)
        option(line, "-b", cookies);
    if (auth && auth->digest.data)
        buf_append_string(line, " --digest");
    if (auth && auth->bearer.data)
        option(line, "--oauth2-bearer", auth->bearer);
    else if (auth)
        option(line, "-u", auth->basic.data ? auth->basic : auth->digest);
}

/** In curl's -F a quoted text may hold ';' and ','. */
static struct str quoted(struct str text, struct arena *arena)
{
    struct buf out;
    buf_init(&out, BUF_OWN);
    buf_append_byte(&out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_append_byte(&out, '\\');
        buf_append_byte(&out, text.data[i]);
    }
    buf_append_byte(&out, '"');
    struct str result = arena_copy(arena, buf_str(&out));
    buf_clear(&out);
    return result;
}

static void part_append(struct buf *line, const struct http_part *part, struct arena *arena)
{
    bool file = part->file.data != NULL;
    bool more = part->filename.data || part->content_type.data;
    struct str value = file ? part->file : part->value;
    if (file || more)
        value = quoted(value, arena);
    struct str text = arena_printf(arena, STR_FMT "=%s" STR_FMT, STR_ARG(part->name),
                                   file ? "@" : "", STR_ARG(value));
    if (part->filename.data)
        text = arena_printf(arena, STR_FMT ";filename=" STR_FMT, STR_ARG(text),
                            STR_ARG(quoted(part->filename, arena)));
    if (part->content_type.data)
        text = arena_printf(arena, STR_FMT ";type=" STR_FMT, STR_ARG(text),
                            STR_ARG(part->content_type));
    option(line, file || more ? "-F" : "--form-string", text);
}

static void body_append(struct buf *line, const struct http_request *request, struct arena *arena)
{
    struct str body = request->body;
    if (request->json) {
        struct buf text;
        buf_init(&text, BUF_OWN);
        json_write(request->json, &text);
        body = arena_copy(arena, buf_str(&text));
        buf_clear(&text);
    } else if (request->form) {
        body = http_form_text(request->form, arena);
    } else if (request->file.data) {
        option(line, "--data-binary", arena_printf(arena, "@" STR_FMT, STR_ARG(request->file)));
        return;
    } else if (request->multipart) {
        const struct http_part *parts = request->multipart->items;
        for (size_t i = 0; i < request->multipart->count; i++)
            part_append(line, &parts[i], arena);
        return;
    }
    if (body.size > LONGEST_INLINE || (body.size && memchr(body.data, 0, body.size)))
        buf_append_string(
            line, " --data-binary @-"); /* too long for a line, or no argument can hold it */
    else if (body.data)
        option(line, "--data-raw", body);
}

static void route_append(struct buf *line, const struct http_request *request, struct arena *arena)
{
    const struct map_entry *entries = request->resolve.items;
    if (request->proxy.data)
        option(line, "-x", request->proxy);
    else
        option(line, "--noproxy", STR("*"));
    if (request->connect_to.data)
        option(line, "--connect-to",
               arena_printf(arena, "::" STR_FMT, STR_ARG(request->connect_to)));
    for (size_t i = 0; i < request->resolve.count; i++) {
        struct str address = *(const struct str *)entries[i].value;
        bool six = str_find_byte(address, ':') >= 0;
        option(line, "--connect-to",
               arena_printf(arena, STR_FMT "::%s" STR_FMT "%s:", STR_ARG(entries[i].name),
                            six ? "[" : "", STR_ARG(address), six ? "]" : ""));
    }
    if (request->interface.data)
        option(line, "--interface", request->interface);
    if (request->unix_socket.data)
        option(line, "--unix-socket", request->unix_socket);
}

static void time_append(struct buf *line, const char *name, int64_t ns)
{
    if (ns)
        buf_printf(line, " %s %.3f", name, (double)ns / 1e9);
}

static void version_append(struct buf *line, int version, bool tls)
{
    if (version == HTTP_REQUEST_H2C)
        buf_append_string(line, " --http2-prior-knowledge");
    else if (version == HTTP_REQUEST_1_0)
        buf_append_string(line, " -0");
    else if (version == HTTP_REQUEST_1_1 && tls)
        buf_append_string(line, " --http1.1");
    else if (version == HTTP_REQUEST_2)
        buf_append_string(line, " --http2");
}

static void tls_version_append(struct buf *line, const char *option, int version)
{
    if (version)
        buf_printf(line, " %s1.%d", option, version - TLS1_VERSION);
}

static void tls_append(struct buf *line, const struct tls_client_options *options, bool own)
{
    if (options && !options->verify)
        buf_append_string(line, " -k");
    else if (options && options->ca)
        option(line, "--cacert", options->ca->path);
    else if (own)
        buf_append_string(line, " --cacert \"$GOTO_RUN_CA\"");
    if (!options)
        return;
    if (options->cert)
        option(line, "--cert", options->cert->path);
    if (options->key)
        option(line, "--key", options->key->path);
    tls_version_append(line, "--tlsv", options->min);
    tls_version_append(line, "--tls-max ", options->max);
    if (options->alpn && options->alpn->count == 0)
        buf_append_string(line, " --no-alpn");
    if (options->ocsp)
        buf_append_string(line, " --cert-status");
}

static void rules_append(struct buf *line, const struct http_request *request)
{
    if (request->follow)
        buf_printf(line, " -L --max-redirs %u", (unsigned)request->follow);
    if (request->compressed)
        buf_append_string(line, " --compressed");
    time_append(line, "-m", request->timeout_ns);
    time_append(line, "--connect-timeout", request->connect_timeout_ns);
}

static void method_append(struct buf *line, const struct http_request *request)
{
    struct str method = http_request_method(request);
    bool body = http_request_has_body(request);
    bool post = str_is(method, "POST");
    if (str_is(method, "HEAD"))
        buf_append_string(line, " -I");
    else if (!(post && body) && !(str_is(method, "GET") && !body))
        option(line, "-X", method);
    if (!body && (post || str_is(method, "PUT") || str_is(method, "PATCH")))
        option(line, "-H", STR("content-length: 0"));
}

/** What curl would read as a pattern, or tidy up. */
static void url_append(struct buf *line, struct str url)
{
    bool pattern = false;
    for (size_t i = 0; i < url.size; i++)
        pattern = pattern || strchr("[]{}", url.data[i]);
    if (pattern)
        buf_append_string(line, " -g");
    if (str_find(url, STR("/.")) >= 0)
        buf_append_string(line, " --path-as-is");
    word_append(line, url);
}

struct str http_replay(const struct http_request *request, struct str url, int version, bool own,
                       struct arena *arena)
{
    bool tls = http_url_has_scheme(url, "https");
    struct buf line;
    buf_init(&line, BUF_OWN);
    buf_append_string(&line, "curl -q -sS");
    if (!str_is(http_request_method(request), "HEAD"))
        buf_append_string(&line, " -i");
    method_append(&line, request);
    version_append(&line, version, tls);
    if (tls)
        tls_append(&line, request->tls, own);
    rules_append(&line, request);
    route_append(&line, request, arena);
    headers_append(&line, request, arena);
    identity_append(&line, request, arena);
    body_append(&line, request, arena);
    url_append(&line, url);
    struct str result = arena_copy(arena, buf_str(&line));
    buf_clear(&line);
    return result;
}
