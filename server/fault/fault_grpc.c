/*
 * The faults of gRPC (LANGUAGE 7): the row of each name. What they do to an answer is done where it
 * is sent (server/grpc/call.c): its first message, its content type, its trailers.
 */
#include "server/fault/fault_private.h"

#include "server/grpc/call.h"

#include <nghttp2/nghttp2.h>

static bool speaks_grpc(const struct stream *stream)
{
    return h2_is(stream) && stream->port->calls;
}

static bool is_call(const struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    return exchange->call;
}

#define FLAW(name, statement)                                                                      \
    static bool name##_answer(struct exchange *exchange, const struct fault_config *config)        \
    {                                                                                              \
        (void)config;                                                                              \
        statement;                                                                                 \
        return false;                                                                              \
    }                                                                                              \
    static const struct fault_how name = {                                                         \
        .speaks = speaks_grpc, .fits = is_call, .answer = name##_answer}

FLAW(no_trailers, exchange->call->flaws.no_trailers = true);
FLAW(bad_status, exchange->call->flaws.bad_status = true);
FLAW(wrong_content_type, exchange->call->flaws.wrong_content_type = true);
FLAW(truncated_message, exchange->call->flaws.truncated = true);
FLAW(oversized_message, exchange->call->flaws.oversized = *(const uint64_t *)config->kind.value);
FLAW(compressed_flag, exchange->call->flaws.compressed_flag = true);
FLAW(extra_message, exchange->call->flaws.extra = true);
FLAW(invalid_protobuf, exchange->call->flaws.invalid = true);

/** What a server of gRPC does with a client that pings too often. */
static bool too_many_pings_answer(struct exchange *exchange, const struct fault_config *config)
{
    uint32_t id = h2_stream_id(exchange);
    (void)config;
    h2_goaway_finish(exchange->stream, NGHTTP2_ENHANCE_YOUR_CALM, id > 2 ? id - 2 : 0,
                     STR("too_many_pings"));
    return true;
}

static const struct fault_how too_many_pings = {.speaks = speaks_grpc,
                                                .answer = too_many_pings_answer};

/* oversized-message */

static enum read_result length_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    uint64_t length = 0;
    enum read_result result = reader_read(reader, &type_size, node, &length);
    if (result != READ_OK)
        return result;
    if (length == 0 || length > UINT32_MAX)
        return reader_expected(reader, node, type->name);
    *(uint64_t *)into = length;
    return READ_OK;
}

static struct json *length_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_size);
}

static const struct type length_type = {
    .name = "a size from 1 to 4294967295",
    .size = sizeof(uint64_t),
    .read = length_read,
    .schema = length_schema,
};

#define REQUEST(key, type, doc, how_pointer)                                                       \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_GRPC, .on_route = true, .each_request = true, .how = (how_pointer)      \
        }                                                                                          \
    }

const struct member fault_grpc_members[] = {
    REQUEST("no-trailers", &type_true, "The answer ends without trailers, and so without a status.",
            &no_trailers),
    REQUEST("bad-status", &type_true, "grpc-status is no number.", &bad_status),
    REQUEST("wrong-content-type", &type_true, "The content type is text/html.",
            &wrong_content_type),
    REQUEST("truncated-message", &type_true,
            "The first message ends half way, and the answer with it.", &truncated_message),
    REQUEST("oversized-message", &length_type,
            "The first message claims so many bytes, and the answer ends behind what it has.",
            &oversized_message),
    REQUEST("compressed-flag", &type_true,
            "The first message says that it is compressed, but there is no grpc-encoding.",
            &compressed_flag),
    REQUEST("extra-message", &type_true, "One empty message too many, behind the others.",
            &extra_message),
    REQUEST("invalid-protobuf", &type_true, "The first message cannot be decoded.",
            &invalid_protobuf),
    REQUEST("too-many-pings", &type_true,
            "GOAWAY ENHANCE_YOUR_CALM with too_many_pings in place of the answer.",
            &too_many_pings),
    {0},
};
