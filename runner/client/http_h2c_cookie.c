/* The jar is libcurl's, so that the steps of a session share it whatever version they speak; but
 * libcurl reads and sends cookies only with requests of its own. Which cookie goes where is RFC
 * 6265, sections 5.2 to 5.4. */
#include "base/clock.h"
#include "runner/client/http_h2c_private.h"

#include <arpa/inet.h>
#include <string.h>

/** The fields of libcurl's line of a cookie (Netscape's format). */
enum { DOMAIN, SUBDOMAINS, PATH, SECURE, EXPIRES, NAME, VALUE, FIELDS };

static CURL *jar_open(CURLSH *share)
{
    CURL *easy = curl_easy_init();
    GOTO_ASSERT(easy);
    curl_easy_setopt(easy, CURLOPT_SHARE, share);
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
    return easy;
}

static void jar_close(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, NULL);
    curl_easy_setopt(easy, CURLOPT_SHARE, NULL);
    curl_easy_cleanup(easy);
}

static bool is_address(struct str host, struct arena *arena)
{
    struct in6_addr room;
    const char *text = arena_copy(arena, host).data;
    return inet_pton(AF_INET, text, &room) == 1 || inet_pton(AF_INET6, text, &room) == 1;
}

static bool domain_matches(struct str host, struct str domain, struct arena *arena)
{
    if (str_equal_nocase(host, domain))
        return true;
    if (host.size <= domain.size || is_address(host, arena))
        return false;
    struct str end = str_from(host, host.size - domain.size);
    return str_equal_nocase(end, domain) && host.data[host.size - domain.size - 1] == '.';
}

static bool path_matches(struct str path, struct str prefix)
{
    if (!str_starts(path, prefix))
        return false;
    return path.size == prefix.size || str_ends(prefix, STR("/")) || path.data[prefix.size] == '/';
}

/** What is marked as secure goes over no clear line, but for this machine's own (as libcurl has
 * it). */
static bool is_trusted(struct str host)
{
    return str_equal_nocase(host, STR("localhost")) || str_is(host, "127.0.0.1") ||
           str_is(host, "::1");
}

/* Sending. */

/** Splits a line of the jar at its tabs; false if it is none. */
static bool line_split(struct str line, struct str *fields)
{
    if (str_starts(line, STR("#HttpOnly_")))
        line = str_from(line, 10);
    for (size_t i = 0; i < FIELDS; i++) {
        ptrdiff_t tab = str_find_byte(line, '\t');
        bool last = i + 1 == FIELDS;
        if (tab < 0 && !last && i + 2 != FIELDS)
            return false;
        fields[i] = last || tab < 0 ? line : str_slice(line, 0, (size_t)tab);
        line = last || tab < 0 ? STR("") : str_from(line, (size_t)tab + 1);
    }
    return true;
}

static bool line_goes(const struct str *fields, const struct h2c_hop *hop, struct arena *arena)
{
    struct str domain = fields[DOMAIN];
    uint64_t expires = 0;
    if (str_starts(domain, STR(".")))
        domain = str_from(domain, 1);
    if (!str_to_u64(fields[EXPIRES], INT64_MAX, &expires))
        return false;
    bool host = str_is(fields[SUBDOMAINS], "TRUE") ? domain_matches(hop->host, domain, arena)
                                                   : str_equal_nocase(hop->host, domain);
    return host && path_matches(hop->path, fields[PATH]) &&
           (!str_is(fields[SECURE], "TRUE") || is_trusted(hop->host)) &&
           (expires == 0 || (int64_t)expires > clock_wall() / CLOCK_SECOND);
}

/** Adds to the text those whose path has that size: longer paths go first. */
static size_t cookies_of_path(const struct curl_slist *list, const struct h2c_hop *hop, size_t size,
                              struct buf *text, struct arena *arena)
{
    size_t next = 0;
    struct str fields[FIELDS];
    for (; list; list = list->next) {
        if (!line_split(str_of(list->data), fields) || !line_goes(fields, hop, arena))
            continue;
        if (fields[PATH].size == size)
            buf_printf(text, "%s" STR_FMT "=" STR_FMT, text->size ? "; " : "",
                       STR_ARG(fields[NAME]), STR_ARG(fields[VALUE]));
        else if (fields[PATH].size < size && fields[PATH].size > next)
            next = fields[PATH].size;
    }
    return next;
}

struct str h2c_cookies(CURLSH *share, const struct h2c_hop *hop, struct arena *arena)
{
    struct curl_slist *list = NULL;
    struct buf text;
    CURL *easy = jar_open(share);
    curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &list);
    jar_close(easy);
    buf_init(&text, BUF_OWN);
    for (size_t size = hop->path.size; size;)
        size = cookies_of_path(list, hop, size, &text, arena);
    curl_slist_free_all(list);
    struct str cookies = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return cookies;
}

/* Keeping. */

struct cookie {
    struct str domain;
    bool subdomains;
    struct str path;
    bool secure;
    bool http_only;
    int64_t expires; /**< seconds since 1970; 0 = with the session */
};

/** RFC 6265, section 5.1.4. */
static struct str default_path(struct str path)
{
    size_t size = path.size;
    while (size && path.data[size - 1] != '/')
        size--;
    return size > 1 ? str_slice(path, 0, size - 1) : STR("/");
}

static void take_max_age(struct cookie *cookie, struct str value)
{
    uint64_t seconds = 0;
    int64_t now = clock_wall() / CLOCK_SECOND;
    if (str_starts(value, STR("-")))
        cookie->expires = 1;
    else if (str_to_u64(value, INT32_MAX, &seconds))
        cookie->expires = seconds ? now + (int64_t)seconds : 1;
}

/** Takes one attribute; false when the cookie is to be refused. */
static bool take_attribute(struct cookie *cookie, struct str name, struct str value,
                           const struct h2c_hop *hop, struct arena *arena, bool *has_max_age)
{
    if (str_equal_nocase(name, STR("domain")) && value.size) {
        cookie->domain = str_starts(value, STR(".")) ? str_from(value, 1) : value;
        cookie->subdomains = !is_address(hop->host, arena);
        return domain_matches(hop->host, cookie->domain, arena);
    }
    if (str_equal_nocase(name, STR("path")) && str_starts(value, STR("/")))
        cookie->path = value;
    if (str_equal_nocase(name, STR("secure"))) {
        cookie->secure = true;
        return is_trusted(hop->host);
    }
    if (str_equal_nocase(name, STR("httponly")))
        cookie->http_only = true;
    if (str_equal_nocase(name, STR("max-age"))) {
        *has_max_age = true;
        take_max_age(cookie, value);
    }
    if (str_equal_nocase(name, STR("expires")) && !*has_max_age) {
        time_t when = curl_getdate(arena_copy(arena, value).data, NULL);
        if (when != -1)
            cookie->expires = when > 0 ? when : 1;
    }
    return true;
}

static struct str next_part(struct str *rest)
{
    ptrdiff_t end = str_find_byte(*rest, ';');
    struct str part = str_slice(*rest, 0, end < 0 ? rest->size : (size_t)end);
    *rest = end < 0 ? STR("") : str_from(*rest, (size_t)end + 1);
    return str_trim(part);
}

void h2c_cookie_keep(CURLSH *share, const struct h2c_hop *hop, struct str header,
                     struct arena *arena)
{
    struct cookie cookie = {.domain = hop->host, .path = default_path(hop->path)};
    struct str pair = next_part(&header);
    ptrdiff_t equals = str_find_byte(pair, '=');
    bool has_max_age = false;
    if (equals <= 0 || str_find_byte(pair, '\t') >= 0)
        return;
    while (header.size) {
        struct str part = next_part(&header);
        ptrdiff_t at = str_find_byte(part, '=');
        struct str name = str_trim(str_slice(part, 0, at < 0 ? part.size : (size_t)at));
        struct str value = at < 0 ? STR("") : str_trim(str_from(part, (size_t)at + 1));
        if (str_find_byte(value, '\t') >= 0 ||
            !take_attribute(&cookie, name, value, hop, arena, &has_max_age))
            return;
    }
    struct str line =
        arena_printf(arena, "%s" STR_FMT "\t%s\t" STR_FMT "\t%s\t%lld\t" STR_FMT "\t" STR_FMT,
                     cookie.http_only ? "#HttpOnly_" : "", STR_ARG(cookie.domain),
                     cookie.subdomains ? "TRUE" : "FALSE", STR_ARG(cookie.path),
                     cookie.secure ? "TRUE" : "FALSE", (long long)cookie.expires,
                     STR_ARG(str_trim(str_slice(pair, 0, (size_t)equals))),
                     STR_ARG(str_trim(str_from(pair, (size_t)equals + 1))));
    CURL *easy = jar_open(share);
    curl_easy_setopt(easy, CURLOPT_COOKIELIST, line.data);
    jar_close(easy);
}
