#include "runner/client/http_try.h"
#include "runner/client/http_url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { BODY_FILE = 256 * 1024 * 1024 };

/** A C string in the arena; readers refuse NUL where one is needed. */
static const char *c_string(struct arena *arena, struct str text)
{
    return arena_copy(arena, text).data;
}

/* The URL and the form. */

void http_percent_encode(struct str text, bool plus, struct buf *into)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool unreserved = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                          (byte >= 'A' && byte <= 'Z') || (byte && strchr("-._~", byte));
        if (unreserved)
            buf_append_byte(into, (char)byte);
        else if (plus && byte == ' ')
            buf_append_byte(into, '+');
        else
            buf_printf(into, "%%%02X", byte);
    }
}

/** name=value pairs; `next` is what comes before the first. */
static void pairs_append(const struct list *map, bool plus, char next, struct buf *into)
{
    const struct map_entry *entries = map->items;
    for (size_t i = 0; i < map->count; i++) {
        const struct http_values *values = entries[i].value;
        const struct str *texts = values->texts.items;
        size_t count = values->null ? 1 : values->texts.count;
        for (size_t at = 0; at < count; at++) {
            if (next)
                buf_append_byte(into, next);
            http_percent_encode(entries[i].name, plus, into);
            if (!values->null) {
                buf_append_byte(into, '=');
                http_percent_encode(texts[at], plus, into);
            }
            next = '&';
        }
    }
}

/** A buffer's text in the arena; the buffer is cleared. */
static struct str buf_into_arena(struct buf *buf, struct arena *arena)
{
    struct str text = arena_copy(arena, buf_str(buf));
    buf_clear(buf);
    return text;
}

struct str http_form_text(const struct list *form, struct arena *arena)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    pairs_append(form, true, '\0', &text);
    return buf_into_arena(&text, arena);
}

struct str http_request_url(const struct http_request *request, struct scenario *scenario,
                            struct arena *arena)
{
    struct str url = request->url;
    struct buf text;
    if (str_find(url, STR("://")) < 0)
        url = scenario_endpoint_url(scenario, url, arena);
    ptrdiff_t fragment = str_find_byte(url, '#');
    if (fragment >= 0)
        url = str_slice(url, 0, (size_t)fragment);
    buf_init(&text, BUF_OWN);
    buf_append(&text, url);
    pairs_append(&request->query, false, str_find_byte(url, '?') < 0 ? '?' : '&', &text);
    return buf_into_arena(&text, arena);
}

/* Headers. */

static void slist_add(struct curl_slist **list, const char *line)
{
    *list = curl_slist_append(*list, line);
    GOTO_ASSERT(*list);
}

/** "name: value" as libcurl wants it: an empty value is told by ';', a header to leave out by
 * nothing. */
static void header_add(struct http_try *try, struct str name, struct str value, bool of_body)
{
    const char *between = str_trim(value).size ? ": " : ";";
    struct str line = arena_printf(try->attempt->arena, STR_FMT "%s" STR_FMT, STR_ARG(name),
                                   between, STR_ARG(str_trim(value).size ? value : STR("")));
    slist_add(&try->headers, line.data);
    if (!of_body)
        slist_add(&try->headers_of_get, line.data);
}

static void header_drop(struct http_try *try, struct str name)
{
    struct str line = arena_printf(try->attempt->arena, STR_FMT ":", STR_ARG(name));
    slist_add(&try->headers, line.data);
    slist_add(&try->headers_of_get, line.data);
}

static void header_default(struct http_try *try, const char *name, const char *value, bool of_body)
{
    if (!http_request_header(try->request, name))
        header_add(try, str_of(name), str_of(value), of_body);
}

/** RFC 9110, section 15.4: what is about the body goes with it. */
static bool is_of_body(struct str name)
{
    return (name.size > 8 && str_equal_nocase(str_slice(name, 0, 8), STR("content-"))) ||
           str_equal_nocase(name, STR("transfer-encoding"));
}

static void header_values(struct http_try *try, const struct map_entry *entry)
{
    const struct http_values *values = entry->value;
    const struct str *texts = values->texts.items;
    if (values->texts.count == 0)
        header_drop(try, entry->name);
    for (size_t i = 0; i < values->texts.count; i++)
        header_add(try, entry->name, texts[i], is_of_body(entry->name));
}

static void prepare_headers(struct http_try *try)
{
    const struct http_request *request = try->request;
    const struct map_entry *entries = request->headers.items;
    header_default(try, "user-agent", "goto-run/" GOTO_VERSION, false);
    header_default(try, "accept", "*/*", false);
    if (request->compressed)
        header_default(try, "accept-encoding", "gzip, deflate", false);
    if (request->json)
        header_default(try, "content-type", "application/json", true);
    else if (request->form)
        header_default(try, "content-type", "application/x-www-form-urlencoded", true);
    else if (!request->multipart && !http_request_header(request, "content-type"))
        header_drop(try, STR("content-type"));
    if (!http_request_header(request, "expect"))
        header_drop(try, STR("expect"));
    for (size_t i = 0; i < request->headers.count; i++)
        header_values(try, &entries[i]);
    curl_easy_setopt(try->easy, CURLOPT_HTTPHEADER, try->headers);
}

static void prepare_cookies(struct http_try *try)
{
    const struct map_entry *entries = try->request->cookies.items;
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (size_t i = 0; i < try->request->cookies.count; i++)
        buf_printf(&text, "%s" STR_FMT "=" STR_FMT, i ? "; " : "", STR_ARG(entries[i].name),
                   STR_ARG(*(const struct str *)entries[i].value));
    if (text.size)
        curl_easy_setopt(try->easy, CURLOPT_COOKIE, text.data);
    buf_clear(&text);
}

static void set_user(CURL *easy, struct arena *arena, struct str user, long how)
{
    size_t colon = (size_t)str_find_byte(user, ':');
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, how);
    curl_easy_setopt(easy, CURLOPT_USERNAME, c_string(arena, str_slice(user, 0, colon)));
    curl_easy_setopt(easy, CURLOPT_PASSWORD, c_string(arena, str_from(user, colon + 1)));
}

static void prepare_auth(struct http_try *try)
{
    const struct http_auth *auth = try->request->auth;
    struct arena *arena = try->attempt->arena;
    if (!auth)
        return;
    if (auth->basic.data)
        set_user(try->easy, arena, auth->basic, CURLAUTH_BASIC);
    if (auth->digest.data)
        set_user(try->easy, arena, auth->digest, CURLAUTH_DIGEST);
    if (auth->bearer.data) {
        curl_easy_setopt(try->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(try->easy, CURLOPT_XOAUTH2_BEARER, c_string(arena, auth->bearer));
    }
}

/* Bodies. */

static int file_load(struct arena *arena, const char *path, struct str *bytes)
{
    struct stat about;
    int result = -EFBIG;
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    if (fstat(fileno(file), &about) != 0) {
        result = -errno;
    } else if (about.st_size <= BODY_FILE) {
        char *data = arena_alloc(arena, (size_t)about.st_size + 1);
        *bytes = (struct str){data, fread(data, 1, (size_t)about.st_size, file)};
        result = ferror(file) ? -EIO : 0;
    }
    fclose(file);
    return result;
}

static CURLcode mime_add(struct http_try *try, const struct http_part *part)
{
    CURLcode code = CURLE_OK;
    struct arena *arena = try->attempt->arena;
    curl_mimepart *added = curl_mime_addpart(try->mime);
    GOTO_ASSERT(added);
    curl_mime_name(added, c_string(arena, part->name));
    if (part->file.data)
        code = curl_mime_filedata(added, part->file.data);
    else
        curl_mime_data(added, part->value.data, part->value.size);
    if (part->filename.data)
        curl_mime_filename(added, c_string(arena, part->filename));
    if (part->content_type.data)
        curl_mime_type(added, c_string(arena, part->content_type));
    return code;
}

static int prepare_multipart(struct http_try *try, struct str *why)
{
    const struct http_part *parts = try->request->multipart->items;
    int result = 0;
    try->mime = curl_mime_init(try->easy);
    GOTO_ASSERT(try->mime);
    for (size_t i = 0; i < try->request->multipart->count; i++)
        if (mime_add(try, &parts[i]) != CURLE_OK) {
            *why = arena_printf(try->attempt->arena, "cannot read file '" STR_FMT "'",
                                STR_ARG(parts[i].file));
            result = -1;
        }
    curl_easy_setopt(try->easy, CURLOPT_MIMEPOST, try->mime);
    return result;
}

static void set_body(CURL *easy, struct str body)
{
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.size ? body.data : "");
}

int http_body_load(const struct http_request *request, struct arena *arena, struct str *body,
                   struct str *why)
{
    *body = request->body;
    if (request->json) {
        struct buf text;
        buf_init(&text, BUF_OWN);
        json_write(request->json, &text);
        *body = buf_into_arena(&text, arena);
    } else if (request->form) {
        *body = http_form_text(request->form, arena);
    } else if (request->file.data) {
        int error = file_load(arena, request->file.data, body);
        if (error) {
            *why = arena_printf(arena, "cannot read file '" STR_FMT "': %s", STR_ARG(request->file),
                                strerror(-error));
            return -1;
        }
    }
    return 0;
}

static int prepare_body(struct http_try *try, struct str *why)
{
    struct str body;
    if (try->request->multipart)
        return prepare_multipart(try, why);
    if (http_body_load(try->request, try->attempt->arena, &body, why) != 0)
        return -1;
    set_body(try->easy, body);
    return 0;
}

/** RFC 9110, section 8.6: these say that they have no content. */
static bool tells_no_body(struct str method)
{
    return str_is(method, "POST") || str_is(method, "PUT") || str_is(method, "PATCH");
}

static int prepare_method(struct http_try *try, struct str *why)
{
    struct str method = http_request_method(try->request);
    int result = 0;
    if (str_is(method, "HEAD")) {
        curl_easy_setopt(try->easy, CURLOPT_NOBODY, 1L);
        return 0;
    }
    if (http_request_has_body(try->request))
        result = prepare_body(try, why);
    else if (tells_no_body(method))
        set_body(try->easy, STR(""));
    else
        curl_easy_setopt(try->easy, CURLOPT_HTTPGET, 1L);
    bool plain =
        str_is(method, "POST") || (str_is(method, "GET") && !http_request_has_body(try->request));
    if (plain)
        return result;
    curl_easy_setopt(try->easy, CURLOPT_CUSTOMREQUEST, c_string(try->attempt->arena, method));
    /* only POST becomes GET by 301 and 302 (RFC 9110, section 15.4) */
    curl_easy_setopt(try->easy, CURLOPT_POSTREDIR,
                     (long)(CURL_REDIR_POST_301 | CURL_REDIR_POST_302));
    return result;
}

void http_prepare_get(struct http_try *try)
{
    curl_easy_setopt(try->easy, CURLOPT_CUSTOMREQUEST, NULL);
    curl_easy_setopt(try->easy, CURLOPT_HTTPHEADER, try->headers_of_get);
}

/* Where connections go. */

/** The address that `resolve` gives a name, else the name. */
static struct str resolved_host(const struct http_request *request, struct str host,
                                struct arena *arena)
{
    const struct map_entry *entries = request->resolve.items;
    for (size_t i = 0; i < request->resolve.count; i++) {
        struct str address = *(const struct str *)entries[i].value;
        if (!str_equal_nocase(entries[i].name, host))
            continue;
        bool six = str_find_byte(address, ':') >= 0;
        return arena_printf(arena, "%s" STR_FMT "%s", six ? "[" : "", STR_ARG(address),
                            six ? "]" : "");
    }
    return host;
}

static void prepare_connect_to(struct http_try *try)
{
    const struct http_request *request = try->request;
    const struct map_entry *entries = request->resolve.items;
    struct arena *arena = try->attempt->arena;
    size_t colon = request->connect_to.size;
    while (colon && request->connect_to.data[colon - 1] != ':')
        colon--;
    if (colon) {
        struct str host =
            resolved_host(request, str_slice(request->connect_to, 0, colon - 1), arena);
        struct str line = arena_printf(arena, "::" STR_FMT ":" STR_FMT, STR_ARG(host),
                                       STR_ARG(str_from(request->connect_to, colon)));
        slist_add(&try->connect_to, line.data);
    }
    for (size_t i = 0; i < request->resolve.count; i++) {
        struct str address = resolved_host(request, entries[i].name, arena);
        struct str line = arena_printf(arena, STR_FMT "::" STR_FMT ":", STR_ARG(entries[i].name),
                                       STR_ARG(address));
        slist_add(&try->connect_to, line.data);
    }
    curl_easy_setopt(try->easy, CURLOPT_CONNECT_TO, try->connect_to);
}

/** An empty proxy and no exceptions: the environment has no say. */
static void prepare_route(struct http_try *try)
{
    const struct http_request *request = try->request;
    struct arena *arena = try->attempt->arena;
    struct str proxy = request->proxy.data ? request->proxy : STR("");
    if (proxy.size && str_find(proxy, STR("://")) < 0)
        proxy = scenario_endpoint_url(try->attempt->scenario, proxy, arena);
    curl_easy_setopt(try->easy, CURLOPT_PROXY, c_string(arena, proxy));
    curl_easy_setopt(try->easy, CURLOPT_NOPROXY, "");
    if (request->interface.data)
        curl_easy_setopt(try->easy, CURLOPT_INTERFACE, c_string(arena, request->interface));
    if (request->unix_socket.data)
        curl_easy_setopt(try->easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket.data);
    prepare_connect_to(try);
}

static void prepare_rules(struct http_try *try)
{
    CURL *easy = try->easy;
    const struct http_request *request = try->request;
    bool one_request = request->follow == 0 && !(request->auth && request->auth->digest.data);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                     1L); /* a name that is being resolved holds nobody up */
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->follow ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS,
                     -1L); /* we count: libcurl counts challenges of digest, too */
    /* over TLS it tells something whether libcurl would use the connection again */
    bool clear = !http_url_has_scheme(try->url, "https");
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, try->own_pool && one_request && clear ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, try->words);
}

int http_prepare(struct http_try *try, struct str *why)
{
    curl_easy_setopt(try->easy, CURLOPT_URL, try->url.data);
    prepare_rules(try);
    http_try_prepare_tls(try);
    prepare_headers(try);
    prepare_cookies(try);
    prepare_auth(try);
    prepare_route(try);
    return prepare_method(try, why);
}

void http_prepare_undo(struct http_try *try)
{
    curl_slist_free_all(try->headers);
    curl_slist_free_all(try->headers_of_get);
    curl_slist_free_all(try->connect_to);
    curl_mime_free(try->mime);
    try->headers = NULL;
    try->headers_of_get = NULL;
    try->connect_to = NULL;
    try->mime = NULL;
}
