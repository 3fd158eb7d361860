/* What an answer's head means: its framing, its connection (RFC 9112 sections 6 and 9). */
#include "server/http/h1_parse.h"

#include <string.h>

/** What is collected over the header lines. */
struct answer_facts {
    uint64_t length;
    bool has_length;
    bool close;
    bool keep_alive;
};

static bool answer_fail(struct h1_answer *answer, const char *why)
{
    answer->why = why;
    return false;
}

/** `timeout=N` of keep-alive, which no RFC of today has, but servers send. */
static void read_keep_alive(struct h1_answer *answer, struct str value)
{
    do {
        struct str member = h1_list_next(&value);
        uint64_t seconds;
        if (str_starts(member, STR("timeout=")) && str_to_u64(str_from(member, 8), 86400, &seconds))
            answer->keep_seconds = (int64_t)seconds;
    } while (value.data);
}

static bool answer_read_field(struct h1_answer *answer, const struct header *field,
                              struct answer_facts *facts)
{
    struct h1_fault fault = {0};
    switch (field->name.size) {
    case 10:
        if (str_equal_nocase(field->name, STR("connection"))) {
            answer->has_connection = true;
            h1_read_connection(field->value, &facts->close, &facts->keep_alive);
        } else if (str_equal_nocase(field->name, STR("keep-alive"))) {
            answer->has_connection = true;
            read_keep_alive(answer, field->value);
        }
        break;
    case 14:
        if (str_equal_nocase(field->name, STR("content-length")))
            fault = h1_read_length(field->value, &facts->has_length, &facts->length);
        break;
    case 17:
        if (str_equal_nocase(field->name, STR("transfer-encoding")))
            fault = h1_read_coding(field->value, &answer->chunked);
        break;
    default:
        break;
    }
    return fault.status ? answer_fail(answer, fault.why) : true;
}

bool h1_answer_read(const struct h1_scan *scan, const char *bytes, struct header *headers,
                    struct h1_answer *answer)
{
    enum { REASON = 13 };
    struct answer_facts facts = {0};
    *answer = (struct h1_answer){.status = scan->status,
                                 .version = scan->minor ? HTTP_1_1 : HTTP_1_0,
                                 .content_length = -1,
                                 .keep_seconds = -1};
    answer->reason = STR("");
    if (scan->fields_at > REASON + 2)
        answer->reason = (struct str){bytes + REASON, scan->fields_at - REASON - 2};
    answer->count = h1_fields_read(scan, bytes, headers);
    for (size_t i = 0; i < answer->count; i++) {
        if (!answer_read_field(answer, &headers[i], &facts))
            return false;
    }
    if (answer->chunked && facts.has_length)
        return answer_fail(answer, "both Content-Length and Transfer-Encoding");
    if (answer->chunked && answer->version == HTTP_1_0)
        return answer_fail(answer, "Transfer-Encoding in HTTP/1.0");
    if (facts.has_length)
        answer->content_length = (int64_t)facts.length;
    answer->keep_alive = !facts.close && (answer->version == HTTP_1_1 || facts.keep_alive);
    return true;
}
