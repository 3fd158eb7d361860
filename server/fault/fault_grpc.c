/*
 * The faults of gRPC (LANGUAGE 7): the row of each name. What they do to an answer is done where it
 * passes (server/grpc/pass.c), whoever gives it: a grpc upstream, or the far side of a proxy.
 */
#include "server/fault/fault_private.h"

#include "server/fault/fault_how.h"
#include "server/grpc/pass.h"

#include <nghttp2/nghttp2.h>

static bool is_call(const struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    return grpc_request_is(&exchange->request);
}

static const char no_call[] = "none was a call of gRPC";

#define FLAW(name, statement)                                                                      \
    static bool name##_answer(struct exchange *exchange, const struct fault_config *config)        \
    {                                                                                              \
        struct grpc_flaws *flaws = &grpc_pass_of(exchange)->flaws;                                 \
        (void)config;                                                                              \
        statement;                                                                                 \
        return false;                                                                              \
    }                                                                                              \
    static const struct fault_how name = {                                                         \
        .speaks = h2_is, .fits = is_call, .unfit = no_call, .answer = name##_answer}

FLAW(no_trailers, flaws->no_trailers = true);
FLAW(bad_status, flaws->bad_status = true);
FLAW(wrong_content_type, flaws->wrong_content_type = true);
FLAW(truncated_message, flaws->truncated = true);
FLAW(oversized_message, flaws->oversized = *(const uint64_t *)config->kind.value);
FLAW(compressed_flag, flaws->compressed_flag = true);
FLAW(extra_message, flaws->extra = true);
FLAW(invalid_protobuf, flaws->invalid = true);
FLAW(split_message, flaws->split = *(const uint64_t *)config->kind.value);

/* too-many-pings */

/** As grpc-core and grpc-go do it: the last stream is the newest, so that no client takes the call
 * for one that was not looked at, and all calls end with the connection. */
static bool too_many_pings_answer(struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    h2_goaway(exchange->stream, NGHTTP2_ENHANCE_YOUR_CALM, H2_LAST_SEEN, STR("too_many_pings"),
              false);
    return true;
}

static const struct fault_how too_many_pings = {
    .speaks = h2_is, .fits = is_call, .unfit = no_call, .answer = too_many_pings_answer};

/* Sizes: [uint64_t] */

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

#define LENGTH_NAME "a size from 1 to 4294967295"
static const struct type length_type = {
    .name = LENGTH_NAME,
    .size = sizeof(uint64_t),
    .read = length_read,
    .schema = length_schema,
};

/* split-message */

struct fault_split {
    uint64_t size;
};

static void split_preset(void *into)
{
    ((struct fault_split *)into)->size = 1;
}

static const struct type split_size_type = FAULT_OR_TRUE(&length_type, uint64_t, LENGTH_NAME);
static const struct row split_rows[] = {
    {"size", &split_size_type, offsetof(struct fault_split, size), 0, "1",
     "Bytes of each DATA frame."},
};
static const struct table split_table = {
    TABLE_ROWS("split-message", split_rows),
    .doc = "DATA frames of so many bytes each.",
    .shorthand = "size",
    .preset = split_preset,
    .empty_allowed = true,
};
static const struct type split_type = TYPE_TABLE(&split_table, struct fault_split);

/* late-answer */

struct fault_late {
    int64_t by_ns;
};
#define LATE_USUAL_NS INT64_C(50000000)

static void late_preset(void *into)
{
    ((struct fault_late *)into)->by_ns = LATE_USUAL_NS;
}

static const struct type late_by_type = FAULT_OR_TRUE(&type_time, int64_t, "a duration");
static const struct row late_rows[] = {
    {"by", &late_by_type, offsetof(struct fault_late, by_ns), 0, "50ms",
     "How long after the deadline; an answer that takes longer by itself is not held back."},
};
static const struct table late_table = {
    TABLE_ROWS("late-answer", late_rows),
    .doc = "The answer comes after the client's deadline.",
    .shorthand = "by",
    .preset = late_preset,
    .empty_allowed = true,
};
static const struct type late_type = TYPE_TABLE(&late_table, struct fault_late);

static bool has_deadline(const struct exchange *exchange, const struct fault_config *config)
{
    return is_call(exchange, config) && grpc_deadline_of(exchange);
}

static bool late_answer_answer(struct exchange *exchange, const struct fault_config *config)
{
    int64_t by_ns = ((const struct fault_late *)config->kind.value)->by_ns;
    int64_t deadline_ns = grpc_deadline_of(exchange);
    exchange->not_before_ns = deadline_ns > INT64_MAX - by_ns ? INT64_MAX : deadline_ns + by_ns;
    return false;
}

static const struct fault_how late_answer = {
    .speaks = h2_is,
    .fits = has_deadline,
    .unfit = "none was a call of gRPC with a deadline (grpc-timeout)",
    .answer = late_answer_answer,
};

/* cut-call */

static const struct choice cut_choices[] = {
    {"rst-stream", H2_CUT_RESET, "RST_STREAM with `code`"},
    {"goaway", H2_CUT_GOAWAY, "GOAWAY with `code`, then FIN"},
    {"fin", H2_CUT_FIN, "the connection ends by FIN"},
    {"rst", H2_CUT_RST, "the connection ends by RST"},
    {"stall", H2_CUT_STALL, "nothing more of the answer comes; the connection goes on"},
    {NULL},
};
static const struct type cut_how_type = TYPE_CHOICE(cut_choices);

static enum read_result messages_read(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    if (!node_is_scalar(node) || !str_to_u64(node_scalar_text(node), UINT32_MAX, into))
        return reader_expected(reader, node, type->name);
    return READ_OK;
}

static struct json *messages_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_or_variable(writer,
                              schema_text(writer, "{\"type\": \"integer\", \"minimum\": 0}"));
}

static const struct type messages_type = {
    .name = "a number of messages",
    .size = sizeof(uint64_t),
    .read = messages_read,
    .schema = messages_schema,
};

static void cut_preset(void *into)
{
    ((struct grpc_cut *)into)->code = NGHTTP2_INTERNAL_ERROR;
}

static const struct row cut_rows[] = {
    {"messages", &messages_type, offsetof(struct grpc_cut, messages), ROW_REQUIRED, NULL,
     "Behind so many messages; 0: behind the HEADERS. An answer that has less is cut where its "
     "trailers would come."},
    {"how", &cut_how_type, offsetof(struct grpc_cut, how), 0, "rst-stream", "How it is cut."},
    {"code", &h2_code_type, offsetof(struct grpc_cut, code), 0, "INTERNAL_ERROR",
     "Of `rst-stream` and `goaway`: a code of RFC 9113 by name, or any number."},
};

static enum read_result cut_check(struct reader *reader, const struct node *node, void *into)
{
    const struct grpc_cut *cut = into;
    const struct node_pair *code = node->kind == NODE_MAP ? node_find(node, STR("code")) : NULL;
    if (!code || cut->how == H2_CUT_RESET || cut->how == H2_CUT_GOAWAY)
        return READ_OK;
    diagnostics_add(reader->diagnostics, code->key->place,
                    "'code' has an effect only with 'how: rst-stream' and 'how: goaway'");
    return READ_FAILED;
}

static const struct table cut_table = {
    TABLE_ROWS("cut-call", cut_rows),
    .doc = "The answer is cut behind so many messages.",
    .shorthand = "messages",
    .preset = cut_preset,
    .check = cut_check,
};
static const struct type cut_type = TYPE_TABLE(&cut_table, struct grpc_cut);

static bool cut_answer(struct exchange *exchange, const struct fault_config *config)
{
    grpc_pass_of(exchange)->flaws.cut = config->kind.value;
    return false;
}

static bool cut_is_within(const struct fault_config *config)
{
    (void)config;
    return true;
}

static const struct fault_how cut_call = {.speaks = h2_is,
                                          .fits = is_call,
                                          .unfit = no_call,
                                          .answer = cut_answer,
                                          .within = cut_is_within};

#define REQUEST(key, type, doc, how_pointer)                                                       \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_GRPC, .on_route = true, .each_request = true, .how = (how_pointer)      \
        }                                                                                          \
    }

const struct member fault_grpc_members[] = {
    REQUEST("no-trailers", &type_true,
            "The answer ends by END_STREAM on DATA, without trailers, and so without a status.",
            &no_trailers),
    REQUEST("bad-status", &type_true, "`grpc-status: bad`, which is no number.", &bad_status),
    REQUEST("wrong-content-type", &type_true, "`content-type: text/html`.", &wrong_content_type),
    REQUEST("truncated-message", &type_true,
            "The first message ends half way behind its length, and the trailers come.",
            &truncated_message),
    REQUEST("oversized-message", &length_type,
            "The first message claims so many bytes; behind those that it has come the trailers.",
            &oversized_message),
    REQUEST("compressed-flag", &type_true,
            "The first message has the flag of a compressed one, but there is no `grpc-encoding`.",
            &compressed_flag),
    REQUEST("extra-message", &type_true, "One empty message too many, behind the others.",
            &extra_message),
    REQUEST("invalid-protobuf", &type_true,
            "The first message is 0a 7f: a field that goes on beyond its end.", &invalid_protobuf),
    REQUEST("too-many-pings", &type_true,
            "GOAWAY ENHANCE_YOUR_CALM with `too_many_pings`, then FIN, in place of the answer: "
            "what servers do to a client that pings too often.",
            &too_many_pings),
    REQUEST("split-message", &split_type,
            "DATA frames of so many bytes each: below 5 they cut the head of a message, too.",
            &split_message),
    REQUEST("late-answer", &late_type,
            "The answer comes so long after the client's deadline (`grpc-timeout`), which is not "
            "kept.",
            &late_answer),
    REQUEST("cut-call", &cut_type, "The answer is cut behind so many messages.", &cut_call),
    {0},
};
