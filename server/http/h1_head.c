/* What a request's head means: its target, its framing, its connection (RFC 9112 sections 3, 6, 9).
 */
#include "server/http/h1_parse.h"

#include <string.h>

static bool head_fail(struct h1_head *head, unsigned status, const char *why)
{
    head->fault = (struct h1_fault){status, why};
    return false;
}

static bool is_alpha(char byte)
{
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'z';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/** Whether the text can be `uri-host [ ":" port ]` (RFC 3986 section 3.2.2); an empty one can. */
static bool is_host(struct str text)
{
    size_t at = 0;
    if (!text.data)
        text = STR("");
    if (str_starts(text, STR("["))) {
        ptrdiff_t end = str_find_byte(text, ']');
        if (end < 0)
            return false;
        for (at = 1; at < (size_t)end; at++) {
            if (!is_alpha(text.data[at]) && !is_digit(text.data[at]) &&
                !strchr(":.", text.data[at]))
                return false;
        }
        at++;
    } else {
        while (at < text.size && text.data[at] != ':') {
            char byte = text.data[at++];
            if (!is_alpha(byte) && !is_digit(byte) &&
                (byte == '\0' || !strchr("-._~%!$&'()*+,;=", byte)))
                return false;
        }
    }
    if (at < text.size && text.data[at++] != ':')
        return false;
    while (at < text.size) {
        if (!is_digit(text.data[at++]))
            return false;
    }
    return true;
}

static void head_split_path(struct h1_head *head, struct str text)
{
    ptrdiff_t mark = str_find_byte(text, '?');
    head->path = mark < 0 ? text : str_slice(text, 0, (size_t)mark);
    if (mark >= 0)
        head->query = str_from(text, (size_t)mark + 1);
}

/** "http://host/path?query": the scheme's size with "://", or 0. */
static size_t scheme_size(struct str target)
{
    size_t at = 0;
    while (at < target.size &&
           (is_alpha(target.data[at]) ||
            (at && (is_digit(target.data[at]) || memchr("+-.", target.data[at], 3)))))
        at++;
    return at && str_starts(str_from(target, at), STR("://")) ? at + 3 : 0;
}

/** Takes the target apart (RFC 9112 section 3.2). */
static bool head_read_target(struct h1_head *head)
{
    struct str target = head->target;
    if (str_is(head->method, "CONNECT")) {
        if (target.size == 0 || !is_host(target) || str_find_byte(target, ':') < 0)
            return head_fail(head, 400, "the target of CONNECT is not host:port");
        head->path = target;
        head->authority = target;
        return true;
    }
    if (target.data[0] == '/') {
        head_split_path(head, target);
        return true;
    }
    if (str_is(target, "*")) {
        head->path = target;
        return str_is(head->method, "OPTIONS")
                   ? true
                   : head_fail(head, 400, "the target * without OPTIONS");
    }
    size_t scheme = scheme_size(target);
    if (!scheme)
        return head_fail(head, 400, "the target is neither a path nor a URL");
    struct str rest = str_from(target, scheme);
    size_t size = 0;
    while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?')
        size++;
    head->authority = str_slice(rest, 0, size);
    if (size == 0 || !is_host(head->authority))
        return head_fail(head, 400, "the URL in the request line has no valid host");
    head_split_path(head, str_from(rest, size));
    if (head->path.size == 0)
        head->path = STR("/");
    return true;
}

struct str h1_list_next(struct str *list)
{
    ptrdiff_t comma = str_find_byte(*list, ',');
    struct str member = comma < 0 ? *list : str_slice(*list, 0, (size_t)comma);
    *list = comma < 0 ? (struct str){NULL, 0} : str_from(*list, (size_t)comma + 1);
    return str_trim(member);
}

struct h1_fault h1_read_length(struct str value, bool *has, uint64_t *length)
{
    do {
        struct str text = h1_list_next(&value);
        uint64_t number;
        for (size_t i = 0; i < text.size; i++) {
            if (!is_digit(text.data[i]))
                return (struct h1_fault){400, "a Content-Length that is no number"};
        }
        if (text.size == 0)
            return (struct h1_fault){400, "a Content-Length that is no number"};
        if (!str_to_u64(text, INT64_MAX, &number))
            number = INT64_MAX;
        if (*has && *length != number)
            return (struct h1_fault){400, "Content-Length values that differ"};
        *has = true;
        *length = number;
    } while (value.data);
    return (struct h1_fault){0};
}

struct h1_fault h1_read_coding(struct str value, bool *chunked)
{
    do {
        struct str coding = h1_list_next(&value);
        if (coding.size == 0)
            return (struct h1_fault){400, "an empty Transfer-Encoding"};
        if (*chunked)
            return (struct h1_fault){400, "a transfer coding behind chunked"};
        if (!str_equal_nocase(coding, STR("chunked")))
            return (struct h1_fault){501, "a transfer coding other than chunked"};
        *chunked = true;
    } while (value.data);
    return (struct h1_fault){0};
}

void h1_read_connection(struct str value, bool *close, bool *keep_alive)
{
    do {
        struct str token = h1_list_next(&value);
        *close |= str_equal_nocase(token, STR("close"));
        *keep_alive |= str_equal_nocase(token, STR("keep-alive"));
    } while (value.data);
}

/** What is collected over the header lines. */
struct head_facts {
    struct str host;
    unsigned hosts;
    bool close;
    bool keep_alive;
};

static bool head_read_field(struct h1_head *head, const struct header *field,
                            struct head_facts *facts)
{
    switch (field->name.size) {
    case 4:
        if (str_equal_nocase(field->name, STR("host"))) {
            facts->host = field->value;
            facts->hosts++;
        }
        return true;
    case 6:
        if (str_equal_nocase(field->name, STR("expect")))
            head->expects_continue = str_equal_nocase(field->value, STR("100-continue"));
        return true;
    case 10:
        if (str_equal_nocase(field->name, STR("connection")))
            h1_read_connection(field->value, &facts->close, &facts->keep_alive);
        return true;
    case 14:
        if (str_equal_nocase(field->name, STR("content-length")))
            head->fault = h1_read_length(field->value, &head->has_length, &head->content_length);
        return head->fault.status == 0;
    case 17:
        if (str_equal_nocase(field->name, STR("transfer-encoding")))
            head->fault = h1_read_coding(field->value, &head->chunked);
        return head->fault.status == 0;
    default:
        return true;
    }
}

static bool head_judge(struct h1_head *head, const struct head_facts *facts)
{
    if (head->chunked && head->has_length)
        return head_fail(head, 400, "both Content-Length and Transfer-Encoding");
    if (head->chunked && head->version == HTTP_1_0)
        return head_fail(head, 400, "Transfer-Encoding in HTTP/1.0");
    if (facts->hosts > 1)
        return head_fail(head, 400, "more than one Host header");
    if (facts->hosts == 0 && head->version == HTTP_1_1)
        return head_fail(head, 400, "no Host header");
    if (!is_host(facts->host))
        return head_fail(head, 400, "a Host header that is no host");
    if (!head->authority.data)
        head->authority = facts->host;
    head->keep_alive = !facts->close && (head->version == HTTP_1_1 || facts->keep_alive);
    return true;
}

bool h1_head_read(const struct h1_scan *scan, const char *bytes, struct header *headers,
                  struct h1_head *head)
{
    struct head_facts facts = {0};
    *head = (struct h1_head){.version = scan->minor ? HTTP_1_1 : HTTP_1_0};
    head->method = (struct str){bytes + scan->line_at, scan->method_size};
    head->target = (struct str){bytes + scan->target_at, scan->target_size};
    if (!head_read_target(head))
        return false;
    head->count = h1_fields_read(scan, bytes, headers);
    for (size_t i = 0; i < head->count; i++) {
        if (!head_read_field(head, &headers[i], &facts))
            return false;
    }
    return head_judge(head, &facts);
}
