#include "runner/client/http_url.h"

#include <curl/curl.h>
#include <string.h>

bool http_is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                            (byte >= 'A' && byte <= 'Z');
        if (!alphanumeric && (byte == '\0' || !strchr("!#$%&'*+-.^_`|~", byte)))
            return false;
    }
    return text.size > 0;
}

bool http_url_has_scheme(struct str url, const char *scheme)
{
    ptrdiff_t end = str_find(url, STR("://"));
    return end > 0 && str_equal_nocase(str_slice(url, 0, (size_t)end), str_of(scheme));
}

/** A part of a URL, empty if it has none, in the arena. */
static struct str url_part(struct str url, CURLUPart part, struct arena *arena)
{
    char *found = NULL;
    CURLU *parsed = curl_url();
    curl_url_set(parsed, CURLUPART_URL, arena_copy(arena, url).data, CURLU_PATH_AS_IS);
    curl_url_get(parsed, part, &found, CURLU_DEFAULT_PORT);
    struct str text = arena_copy(arena, found ? str_of(found) : STR(""));
    curl_free(found);
    curl_url_cleanup(parsed);
    return text;
}

struct str http_url_host(struct str url, struct arena *arena)
{
    struct str host = url_part(url, CURLUPART_HOST, arena);
    bool bracketed = str_starts(host, STR("[")) && str_ends(host, STR("]"));
    return bracketed ? arena_copy(arena, str_slice(host, 1, host.size - 2)) : host;
}

struct str http_url_port(struct str url, struct arena *arena)
{
    return url_part(url, CURLUPART_PORT, arena);
}

/** What libcurl finds wrong with a URL; NULL if nothing. */
static const char *url_syntax(struct arena *arena, struct str url)
{
    bool scheme = str_find(url, STR("://")) >= 0;
    struct str whole = arena_printf(arena, "%s" STR_FMT, scheme ? "" : "http://", STR_ARG(url));
    CURLU *parsed = curl_url();
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, whole.data,
                                  CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS);
    curl_url_cleanup(parsed);
    return code == CURLUE_OK ? NULL : curl_url_strerror(code);
}

/** Why the scheme of a URL is not taken; NULL if it is. */
static const char *url_scheme(struct str url, bool proxy)
{
    static const char *const proxies[] = {"http", "socks4", "socks4a", "socks5", "socks5h"};
    ptrdiff_t end = str_find(url, STR("://"));
    struct str scheme = str_slice(url, 0, end < 0 ? 0 : (size_t)end);
    if (end < 0 && str_starts(url, STR("unix:")))
        return "a Unix socket stands in 'unix-socket', beside a URL such as http://localhost/path";
    if (end < 0 || str_equal_nocase(scheme, STR("http")))
        return NULL;
    if (!proxy && str_equal_nocase(scheme, STR("https")))
        return NULL;
    for (size_t i = 0; proxy && i < COUNT_OF(proxies); i++)
        if (str_equal_nocase(scheme, str_of(proxies[i])))
            return NULL;
    return proxy ? "a proxy's URL begins with http:// or socks5://"
                 : "the URL of a request begins with http:// or https://";
}

const char *http_url_wrong(struct arena *arena, struct str url, bool proxy)
{
    const char *wrong = url_scheme(url, proxy);
    if (url.size == 0)
        return "a request needs a URL";
    if (wrong)
        return wrong;
    if (url.data[0] == '/')
        return "the URL has no host: write ${NAME}/path, or http://HOST:PORT/path";
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] == ' ')
            return "a URL holds no blanks: write %20";
        if ((unsigned char)url.data[i] < 0x20 || url.data[i] == 0x7f)
            return "a URL holds no control characters";
    }
    return url_syntax(arena, url);
}
