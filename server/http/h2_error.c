/* Error codes by their names (RFC 9113 section 7), and how a spec has them. */
#include "server/http/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

struct str h2_error_name(uint32_t code, char out[24])
{
    if (code <= NGHTTP2_HTTP_1_1_REQUIRED)
        return str_of(nghttp2_http2_strerror(code));
    int size = snprintf(out, 24, "code %u", code);
    return (struct str){out, (size_t)size};
}

/** The digits behind "0x"; at most eight. */
static bool hex_number(struct str digits, uint32_t *code)
{
    uint32_t value = 0;
    if (digits.size == 0 || digits.size > 8)
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        char digit = digits.data[i];
        char letter = (char)(digit | 0x20);
        if (digit >= '0' && digit <= '9')
            value = value << 4 | (uint32_t)(digit - '0');
        else if (letter >= 'a' && letter <= 'f')
            value = value << 4 | (uint32_t)(letter - 'a' + 10);
        else
            return false;
    }
    *code = value;
    return true;
}

bool h2_error_number(struct str name, uint32_t *code)
{
    uint64_t number;
    for (uint32_t known = 0; known <= NGHTTP2_HTTP_1_1_REQUIRED; known++) {
        if (str_is(name, nghttp2_http2_strerror(known))) {
            *code = known;
            return true;
        }
    }
    if (str_starts(name, STR("0x")) || str_starts(name, STR("0X")))
        return hex_number(str_from(name, 2), code);
    if (str_starts(name, STR("code ")))
        name = str_from(name, 5);
    if (!str_to_u64(name, UINT32_MAX, &number))
        return false;
    *code = (uint32_t)number;
    return true;
}

/* In a spec. */

static enum read_result code_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    enum { CODES = 14 };
    struct nearest nearest = {.wanted = node_scalar_text(node)};
    char name[24];
    if (node_is_scalar(node) && h2_error_number(nearest.wanted, into))
        return READ_OK;
    reader_expected(reader, node, type->name);
    for (uint32_t code = 0; code < CODES; code++)
        str_nearest(&nearest, arena_copy(reader->arena, h2_error_name(code, name)));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

static struct json *code_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": [\"string\", \"integer\"]}");
}

const struct type h2_code_type = {
    .name = "a code of HTTP/2 such as NO_ERROR, or its number",
    .size = sizeof(uint32_t),
    .read = code_read,
    .schema = code_schema,
};

/** A stream id, read into an int64_t: what is not given is H2_LAST_SEEN. */
static enum read_result last_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    uint64_t id = 0;
    if (!node_is_scalar(node) || !str_to_u64(node_scalar_text(node), INT32_MAX, &id))
        return reader_expected(reader, node, type->name);
    *(int64_t *)into = (int64_t)id;
    return READ_OK;
}

static struct json *last_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_or_variable(
        writer,
        schema_text(writer, "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 2147483647}"));
}

const struct type h2_last_type = {
    .name = "the id of a stream, from 0 to 2147483647",
    .size = sizeof(int64_t),
    .read = last_read,
    .schema = last_schema,
};
