/* Endpoints as text: their parts, and which addresses mean the same. */

#include "server/proxy/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static size_t authority_size(struct str text)
{
    size_t size = 0;
    while (size < text.size && text.data[size] != '/' && text.data[size] != '?' &&
           text.data[size] != '#')
        size++;
    return size;
}

/** The host and number of "user@[::1]:80"; a port that is none gives no host. */
static void split_authority(struct str authority, struct endpoint_parts *parts)
{
    ptrdiff_t at;
    while ((at = str_find_byte(authority, '@')) >= 0)
        authority = str_from(authority, (size_t)at + 1);
    ptrdiff_t bracket = str_starts(authority, STR("[")) ? str_find_byte(authority, ']') : -1;
    struct str behind;
    if (bracket >= 0) {
        parts->host = str_slice(authority, 1, (size_t)bracket - 1);
        behind = str_from(authority, (size_t)bracket + 1);
    } else {
        ptrdiff_t colon = str_find_byte(authority, ':');
        parts->host = colon < 0 ? authority : str_slice(authority, 0, (size_t)colon);
        behind = colon < 0 ? STR("") : str_from(authority, (size_t)colon);
    }
    uint64_t number = 0;
    bool none = behind.size == 0 || str_is(behind, ":");
    if (!none && (behind.data[0] != ':' || !str_to_u64(str_from(behind, 1), UINT16_MAX, &number)))
        parts->host = STR("");
    parts->number = (uint16_t)number;
}

struct endpoint_parts endpoint_split(struct str url)
{
    struct endpoint_parts parts = {0};
    ptrdiff_t colon = str_find(url, STR("://"));
    if (colon >= 0) {
        parts.scheme = str_slice(url, 0, (size_t)colon);
        url = str_from(url, (size_t)colon + 3);
    }
    size_t size = authority_size(url);
    parts.rest = str_from(url, size);
    split_authority(str_slice(url, 0, size), &parts);
    return parts;
}

/** An IPv4 or IPv6 address; an IPv4 one mapped into IPv6 counts as IPv4. */
struct address {
    uint8_t bytes[16];
    int family; /**< AF_UNSPEC: it is none */
};

static struct address address_of(struct str host)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address address = {.family = AF_UNSPEC};
    char text[INET6_ADDRSTRLEN];
    if (str_equal_nocase(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (host.size >= sizeof text)
        return address;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(host));
    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.family = AF_INET;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.family = AF_INET6;
    if (address.family == AF_INET6 && memcmp(address.bytes, mapped, sizeof mapped) == 0) {
        memmove(address.bytes, address.bytes + sizeof mapped, 4);
        address.family = AF_INET;
    }
    return address;
}

static bool address_is_loopback(const struct address *address)
{
    static const uint8_t six[16] = {[15] = 1};
    return address->family == AF_INET ? address->bytes[0] == 127
                                      : memcmp(address->bytes, six, sizeof six) == 0;
}

bool endpoint_reaches(struct str host, struct str bound)
{
    struct address to = address_of(host);
    struct address at = address_of(bound);
    if (to.family == AF_UNSPEC || at.family == AF_UNSPEC)
        return false;
    if (str_is(bound, "0.0.0.0"))
        return to.family == AF_INET && address_is_loopback(&to);
    /* Linux gives such a port the connections of IPv4, too */
    if (str_is(bound, "::"))
        return address_is_loopback(&to);
    return to.family == at.family &&
           memcmp(to.bytes, at.bytes, to.family == AF_INET ? 4 : sizeof to.bytes) == 0;
}

struct str endpoint_name(struct str text)
{
    struct endpoint_parts parts = endpoint_split(text);
    if (parts.scheme.data || parts.number || str_starts(text, STR("unix:")))
        return (struct str){0};
    return str_is_name(parts.host) ? parts.host : (struct str){0};
}

struct str endpoint_host_of(struct str bound)
{
    if (bound.size == 0 || str_is(bound, "0.0.0.0") || str_is(bound, "localhost"))
        return STR("127.0.0.1");
    return str_is(bound, "::") ? STR("::1") : bound;
}
