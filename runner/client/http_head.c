#include "runner/client/http_head.h"

void http_head_reset(struct http_head *head)
{
    *head = (struct http_head){.arena = head->arena, .upgrade_asked = head->upgrade_asked};
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct str trim_blanks(struct str text)
{
    while (text.size && is_blank(text.data[text.size - 1]))
        text.size--;
    while (text.size && is_blank(text.data[0]))
        text = str_from(text, 1);
    return text;
}

/** "HTTP/1.1 200 OK"; libcurl has judged it already. */
static void head_status_line(struct http_head *head, struct str line)
{
    ptrdiff_t blank = str_find_byte(line, ' ');
    struct str version = str_slice(line, 0, blank < 0 ? line.size : (size_t)blank);
    struct str rest = blank < 0 ? STR("") : trim_blanks(str_from(line, (size_t)blank));
    uint64_t status = 0;
    if (!str_to_u64(str_slice(rest, 0, 3), 999, &status))
        status = 0;
    head->begun = true;
    head->status = (unsigned)status;
    head->version = arena_copy(head->arena, str_from(version, 5));
    head->reason = arena_copy(head->arena, trim_blanks(str_from(rest, 3)));
    head->headers = (struct headers){0};
    head->trailers = (struct headers){0};
}

/** A line that continues the one before (obs-fold, RFC 9112 section 5.2): the break becomes a
 * blank. */
static void head_fold(struct http_head *head, struct headers *headers, struct str line)
{
    if (headers->count == 0)
        return;
    struct header *last = &headers->items[headers->count - 1];
    struct str more = trim_blanks(line);
    const char *between = last->value.size && more.size ? " " : "";
    last->value = arena_printf(head->arena, STR_FMT "%s" STR_FMT, STR_ARG(last->value), between,
                               STR_ARG(more));
}

static void head_field(struct http_head *head, struct headers *headers, struct str line)
{
    ptrdiff_t colon = str_find_byte(line, ':');
    if (is_blank(line.data[0])) {
        head_fold(head, headers, line);
    } else if (colon > 0) {
        struct str name = trim_blanks(str_slice(line, 0, (size_t)colon));
        struct str value = trim_blanks(str_from(line, (size_t)colon + 1));
        headers_add(headers, head->arena, arena_copy(head->arena, name),
                    arena_copy(head->arena, value));
    }
}

/** RFC 9112 section 6.3: Content-Length is one number, maybe repeated. */
static void check_length(struct http_head *head)
{
    struct str first = {0};
    for (size_t i = 0; i < head->headers.count; i++) {
        const struct header *header = &head->headers.items[i];
        if (!str_equal_nocase(header->name, STR("content-length")))
            continue;
        for (struct str rest = header->value; rest.data;) {
            ptrdiff_t comma = str_find_byte(rest, ',');
            struct str number =
                trim_blanks(str_slice(rest, 0, comma < 0 ? rest.size : (size_t)comma));
            uint64_t length = 0;
            rest = comma < 0 ? (struct str){0} : str_from(rest, (size_t)comma + 1);
            if (!str_to_u64(number, INT64_MAX, &length))
                head->broken = arena_printf(
                    head->arena, "content-length '" STR_FMT "' is no length", STR_ARG(number));
            else if (first.data && !str_equal(first, number))
                head->broken =
                    arena_printf(head->arena, "content-length is both " STR_FMT " and " STR_FMT,
                                 STR_ARG(first), STR_ARG(number));
            first = number;
        }
    }
    if (first.data && headers_get(&head->headers, STR("transfer-encoding")).data)
        head->broken =
            STR("both content-length and transfer-encoding are given (RFC 9112, section 6.3)");
}

/** The empty line: what is whole now is a final answer, or an interim one that is forgotten. */
static void head_end(struct http_head *head)
{
    if (head->status == 101 && !head->upgrade_asked)
        head->broken = STR("101 Switching Protocols, which the request did not ask for");
    if (head->status < 200 && head->status != 101) {
        head->begun = false;
        head->status = 0;
        return;
    }
    /* RFC 9112 section 2.3: another major version has other messages */
    if (!head->is_h2 && !str_starts(head->version, STR("1.")))
        head->broken = arena_printf(head->arena, "HTTP/" STR_FMT " on a connection of HTTP/1",
                                    STR_ARG(head->version));
    check_length(head);
    head->done = head->broken.size == 0;
}

bool http_head_line(struct http_head *head, struct str line)
{
    head->size += line.size;
    while (line.size && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
        line.size--;
    head->too_large = head->size > HTTP_HEAD_SIZE;
    if (head->too_large)
        return false;
    if (str_starts(line, STR("HTTP/")) && !head->done)
        head_status_line(head, line);
    else if (line.size && head->done)
        head_field(head, &head->trailers, line);
    else if (line.size && head->begun)
        head_field(head, &head->headers, line);
    else if (head->begun && !head->done)
        head_end(head);
    else if (line.size)
        /* libcurl takes "http/1.1" for one */
        head->broken = arena_printf(head->arena, "'" STR_FMT "' is no status line", STR_ARG(line));
    return head->broken.size == 0;
}
