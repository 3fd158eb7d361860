#include "server/grpc/call.h"

#include "base/clock.h"
#include "server/grpc/message.h"
#include "server/grpc/pass.h"
#include "server/grpc/status.h"
#include "server/http/upstream.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <stdio.h>

/* The head. */

static void call_fail(struct grpc_call *call, int status, struct str why)
{
    if (call->status)
        return;
    call->status = status;
    call->why = why;
}

static void call_encodings(struct grpc_call *call)
{
    const struct headers *headers = &call->exchange->request.headers;
    struct str name = headers_get(headers, STR("grpc-encoding"));
    if (!name.data)
        return;
    if (!grpc_encoding_read(name, &call->encoding)) {
        call_fail(call, GRPC_UNIMPLEMENTED,
                  arena_printf(exchange_arena(call->exchange),
                               "grpc-encoding '" STR_FMT "' is not supported",
                               STR_ARG(str_slice(name, 0, 40))));
        return;
    }
    if (headers_has_token(headers, STR("grpc-accept-encoding"),
                          str_of(grpc_encoding_name(call->encoding))))
        call->answer_encoding = call->encoding;
}

static void call_deadline(struct grpc_call *call)
{
    struct str text = headers_get(&call->exchange->request.headers, STR("grpc-timeout"));
    int64_t timeout_ns;
    if (!text.data)
        return;
    if (!grpc_timeout_read(text, &timeout_ns)) {
        call_fail(call, GRPC_INTERNAL, STR("grpc-timeout cannot be read"));
        return;
    }
    int64_t now = clock_now();
    call->deadline_ns = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

static void call_clear(void *object)
{
    struct grpc_call *call = object;
    timer_stop(&call->late);
    grpc_frames_clear(&call->frames);
}

/** The request does not wait for its end any more. */
static void call_begin_early(struct grpc_call *call)
{
    call->early = true;
    call->taken = 0;
    timer_stop(&call->late);
    call->exchange->codec->early(call->exchange);
}

static void call_late(struct timer *timer)
{
    struct grpc_call *call = CONTAINER_OF(timer, struct grpc_call, late);
    struct exchange *exchange = call->exchange;
    if (exchange->state == EXCHANGE_ANSWERING && call->built_in) {
        call->more = NULL;
        exchange_forgotten(exchange);
        grpc_call_finish(call, GRPC_DEADLINE_EXCEEDED, STR("Deadline Exceeded"), NULL);
        return;
    }
    if (exchange->state != EXCHANGE_READING || call->early)
        return;
    call_fail(call, GRPC_DEADLINE_EXCEEDED, STR("Deadline Exceeded"));
    call_begin_early(call);
}

/** The method whose path is exactly that of the request, as servers of gRPC have it. */
static const struct proto_method *method_of(const struct protos *pool,
                                            const struct request *request, struct str rpc)
{
    bool plain = !request->query.data && str_find_byte(rpc, '/') > 0;
    return pool && plain ? protos_method(pool, rpc) : NULL;
}

/** The call of an exchange; made at the first time. NULL: the request is none of gRPC. */
static struct grpc_call *call_of(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    const struct grpc_config *config = upstream_grpc(exchange->stream->port->owner);
    if (exchange->call)
        return exchange->call;
    if (!grpc_request_is(request))
        return NULL;
    struct arena *arena = exchange_arena(exchange);
    struct grpc_call *call = arena_alloc(arena, sizeof *call);
    call->exchange = exchange;
    call->config = *config;
    call->rpc = str_starts(request->path, STR("/")) ? str_from(request->path, 1) : request->path;
    call->method = method_of(config->pool, request, call->rpc);
    if (!call->method)
        call->built_in = grpc_built_in_of(config, call->rpc);
    grpc_frames_init(&call->frames,
                     config->max_message < BUF_OWN ? (size_t)config->max_message : (size_t)BUF_OWN);
    arena_defer(arena, call_clear, call);
    call_encodings(call);
    call_deadline(call);
    timer_init(&call->late, exchange->stream->port->server->loop, call_late);
    if (call->deadline_ns)
        timer_start_at(&call->late, call->deadline_ns);
    exchange->call = call;
    return call;
}

bool grpc_call_is_bidirectional(const struct grpc_call *call)
{
    if (call->built_in)
        return call->built_in == GRPC_REFLECTION;
    return call->method && call->method->client_streaming && call->method->server_streaming;
}

/* Messages. */

static void call_journal(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    struct port *port = exchange->stream->port;
    struct entry entry = journal_entry(ENTRY_MESSAGE, port->name_id);
    entry.connection = exchange->stream->number;
    entry.extra = exchange->stream_id;
    entry.value = (int64_t)call->count;
    journal_append(port->server->journal, &entry, call->rpc);
}

/** The bytes of a frame as they were before compression, in the arena; false: it failed. */
static bool call_unpack(struct grpc_call *call, const struct grpc_frame *frame, struct arena *arena,
                        struct str *bytes)
{
    struct buf plain;
    if (!frame->compressed || call->encoding == GRPC_IDENTITY) {
        *bytes = arena_copy(arena, frame->bytes);
        if (frame->compressed)
            call_fail(call, GRPC_INTERNAL,
                      STR("a message is compressed, but there is no "
                          "grpc-encoding"));
        return !frame->compressed;
    }
    buf_init(&plain, call->config.max_message < BUF_OWN ? (size_t)call->config.max_message
                                                        : (size_t)BUF_OWN);
    enum grpc_decoded decoded = grpc_decompress(call->encoding, frame->bytes, &plain);
    *bytes = arena_copy(arena, buf_str(&plain));
    buf_clear(&plain);
    if (decoded == GRPC_DECODE_BAD)
        call_fail(call, GRPC_INTERNAL, STR("a message cannot be decompressed"));
    if (decoded == GRPC_DECODE_LARGE)
        call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                  arena_printf(exchange_arena(call->exchange),
                               "a message is larger than %llu bytes when decompressed",
                               (unsigned long long)call->config.max_message));
    return decoded == GRPC_DECODED;
}

/** A message as JSON; false: it failed. */
static bool call_decode(struct grpc_call *call, struct grpc_received *received, struct arena *arena)
{
    const struct message_decoding decoding = {.defaults = true};
    struct message_problem problem;
    if (!call->method)
        return true;
    received->json = message_decode(arena, call->config.pool, call->method->input, received->bytes,
                                    &decoding, &problem);
    if (!received->json)
        call_fail(call, GRPC_INTERNAL,
                  arena_printf(exchange_arena(call->exchange),
                               "a message of the request cannot be read: " STR_FMT,
                               STR_ARG(problem.message)));
    return received->json;
}

/** A message of a frame; NULL: it cannot be read. */
static struct grpc_received *call_receive(struct grpc_call *call, const struct grpc_frame *frame,
                                          struct arena *arena)
{
    struct grpc_received *received = arena_alloc(arena, sizeof *received);
    if (!call_unpack(call, frame, arena, &received->bytes) || !call_decode(call, received, arena))
        return NULL;
    return received;
}

static void call_keep(struct grpc_call *call, struct grpc_received *received)
{
    *(call->last ? &call->last->next : &call->first) = received;
    call->last = received;
}

static void call_add(struct grpc_call *call, const struct grpc_frame *frame)
{
    /* of a client's stream only the first message is matched and shown: the others need no memory
     * once they were checked */
    bool keeps = !call->first || call->built_in || grpc_call_is_bidirectional(call);
    struct arena *arena = keeps ? exchange_arena(call->exchange) : arena_new();
    struct grpc_received *received = call_receive(call, frame, arena);
    if (received && keeps)
        call_keep(call, received);
    if (received)
        call->count++;
    if (received && !call->built_in)
        call_journal(call);
    if (!keeps)
        arena_free(arena);
}

/** Takes messages out of bytes that came. */
static void call_feed(struct grpc_call *call, struct str bytes)
{
    struct grpc_frame frame;
    enum grpc_frame_result result = GRPC_FRAME_MORE;
    while (!call->status &&
           (result = grpc_frames_next(&call->frames, &bytes, &frame)) == GRPC_FRAME_DONE)
        call_add(call, &frame);
    if (result == GRPC_FRAME_BAD_FLAG)
        call_fail(call, GRPC_INTERNAL, STR("the flag of a message is neither 0 nor 1"));
    if (result == GRPC_FRAME_TOO_LARGE)
        call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                  arena_printf(exchange_arena(call->exchange),
                               "received message larger than max (%u vs. %llu)",
                               grpc_frames_length(&call->frames),
                               (unsigned long long)call->config.max_message));
}

static void call_take_body(struct grpc_call *call)
{
    struct str body = call->exchange->request.body;
    call_feed(call, str_from(body, call->taken));
    call->taken = body.size;
}

/** The client's half has ended: what is missing is told. */
static void call_end(struct grpc_call *call)
{
    call->ended = true;
    if (!grpc_frames_is_between(&call->frames))
        call_fail(call, GRPC_INTERNAL, STR("the request ends within a message"));
    else if (call->method && !call->method->client_streaming && call->count != 1)
        call_fail(call, GRPC_INTERNAL,
                  arena_printf(exchange_arena(call->exchange),
                               "the request holds %llu messages, not one",
                               (unsigned long long)call->count));
}

/** The first message as JSON. */
static struct str call_first_text(struct grpc_call *call)
{
    struct buf *text = &server_scratch(call->exchange->stream->port->server)->packed;
    scratch_reset(text);
    json_write(call->first->json, text);
    return arena_copy(exchange_arena(call->exchange), buf_str(text));
}

/** Counts messages of a call that is forwarded as it comes. */
static void call_watch(struct grpc_call *call)
{
    for (struct str bytes;
         (bytes = exchange_request_peek(call->exchange, call->skimmed)).size > 0;) {
        call->skimmed += bytes.size;
        while (grpc_skim_next(&call->skim, &bytes)) {
            /* those that came while it was not decided were counted */
            if (call->skim.count <= call->count)
                continue;
            call->count = call->skim.count;
            call_journal(call);
        }
    }
}

/** Has a call forwarded as it comes, once its head or its first message decides that. */
static bool call_streams(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    struct upstream *upstream = exchange->stream->port->owner;
    if (exchange->streams)
        return true;
    if (!call->offered)
        upstream_stream(upstream, exchange);
    call->offered = true;
    if (exchange->streams || call->offered_first || !call->first || !call->first->json)
        return exchange->streams;
    call->offered_first = true;
    upstream_stream_first(upstream, exchange, call_first_text(call));
    return exchange->streams;
}

static bool call_reads(struct exchange *exchange)
{
    struct grpc_call *call = call_of(exchange);
    if (!call)
        return true;
    if (call->early)
        return false;
    bool streams = !call->built_in && call_streams(call);
    if (!streams) {
        call_take_body(call);
        streams = !call->built_in && call_streams(call);
    }
    if (streams) {
        timer_stop(&call->late);
        call_watch(call);
        call->ended = exchange_request_is_whole(exchange);
        return true;
    }
    /* what fails otherwise is told once the request is whole: not all clients (curl 7.88) stand an
     * answer that ends before */
    bool begins = call->status == GRPC_RESOURCE_EXHAUSTED ||
                  ((call->count || call->status) && grpc_call_is_bidirectional(call));
    if (begins && exchange->state == EXCHANGE_READING)
        call_begin_early(call);
    return false;
}

/** At least one message of the largest size. */
static size_t body_most(const struct exchange *exchange, size_t body_size)
{
    const struct grpc_config *config = upstream_grpc(exchange->stream->port->owner);
    uint64_t message = config->max_message < BUF_OWN - GRPC_FRAME_HEAD
                           ? config->max_message + GRPC_FRAME_HEAD
                           : BUF_OWN;
    return message > body_size ? (size_t)message : body_size;
}

static int status_of_refusal(unsigned status)
{
    switch (status) {
    case 408:
        return GRPC_DEADLINE_EXCEEDED;
    case 413:
    case 431:
        return GRPC_RESOURCE_EXHAUSTED;
    default:
        return GRPC_INTERNAL;
    }
}

/** The first message as JSON is what is matched and journalled; without protos the bytes are. */
static void call_show_body(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    if (!call->config.pool && !call->built_in)
        return;
    exchange->request.body = (struct str){"", 0};
    if (call->first && call->first->json)
        exchange->request.body = call_first_text(call);
}

/** Reads the first message of a call that was forwarded as it came. */
static void call_read_first(struct grpc_call *call)
{
    struct str bytes = call->exchange->request.body;
    struct grpc_frame frame;
    if (call->first || call->tried_first || !call->method || !call->skim.count)
        return;
    call->tried_first = true;
    if (grpc_frames_next(&call->frames, &bytes, &frame) != GRPC_FRAME_DONE)
        return;
    call->taken = call->exchange->request.body.size - bytes.size;
    struct grpc_received *received = call_receive(call, &frame, exchange_arena(call->exchange));
    if (received)
        call_keep(call, received);
}

void grpc_call_go_own(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    struct str bytes;
    struct grpc_frame frame;
    if (!exchange->streams)
        return;
    call_read_first(call);
    bytes = str_from(exchange->request.body, call->taken);
    while (grpc_call_is_bidirectional(call) && !call->status &&
           grpc_frames_next(&call->frames, &bytes, &frame) == GRPC_FRAME_DONE) {
        struct grpc_received *received = call_receive(call, &frame, exchange_arena(exchange));
        if (received)
            call_keep(call, received);
    }
    call_show_body(call);
}

/** Of one that is forwarded as it comes the first message is all that is shown, as ever. */
static bool call_shows(struct exchange *exchange, struct request *shown)
{
    struct grpc_call *call = exchange->call;
    if (!call || !call->config.pool)
        return false;
    call_read_first(call);
    bool whole = exchange_request_is_whole(exchange);
    if (!whole && !call->first)
        return false;
    shown->body = call->first ? call_first_text(call) : (struct str){"", 0};
    shown->body_left_out = 0;
    shown->state = REQUEST_WHOLE;
    return true;
}

static bool call_arrived(struct exchange *exchange)
{
    struct grpc_call *call = call_of(exchange);
    if (!call)
        return false;
    timer_stop(&call->late);
    if (exchange->streams) {
        call_watch(call);
        call->ended = true;
        return false;
    }
    if (!call->early) {
        call_take_body(call);
        call_end(call);
        call->raw = exchange->request.body;
    }
    call_show_body(call);
    if (!call->built_in)
        return false;
    exchange->state = EXCHANGE_WAITING;
    exchange->journalled = true;
    if (call->deadline_ns)
        timer_start_at(&call->late, call->deadline_ns);
    grpc_built_in_answer(call);
    return true;
}

bool grpc_call_go_raw(struct grpc_call *call)
{
    if (call->early && call->status) {
        grpc_call_finish(call, call->status, call->why, NULL);
        return false;
    }
    if (call->early) {
        grpc_call_finish(call, GRPC_INTERNAL,
                         STR("it was to be answered, and cannot be forwarded any more"), NULL);
        return false;
    }
    if (call->raw.data)
        call->exchange->request.body = call->raw;
    return true;
}

const struct json *grpc_call_json(const struct grpc_call *call)
{
    return call->first ? call->first->json : NULL;
}

const struct exchange_calls grpc_calls = {
    .reads = call_reads,
    .arrived = call_arrived,
    .shows = call_shows,
    .body_most = body_most,
    .refusal = status_of_refusal,
};

/* What comes behind the beginning of an early answer. */

static size_t early_bytes(struct exchange *exchange, struct str bytes)
{
    struct grpc_call *call = exchange->call;
    call->early_size += bytes.size;
    if (call->early_size > upstream_limits(exchange->stream->port->owner)->body_size)
        call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                  STR("the messages of the call are larger than the limit `body-size`"));
    call_feed(call, bytes);
    if (call->more)
        call->more(call);
    return bytes.size;
}

static void early_ended(struct exchange *exchange)
{
    struct grpc_call *call = exchange->call;
    if (call->ended)
        return;
    call_end(call);
    if (call->more)
        call->more(call);
}

static const struct exchange_tunnel early_tunnel = {.bytes = early_bytes, .ended = early_ended};

void grpc_call_go_on(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    if (!call->early || exchange->tunnel)
        return;
    exchange->tunnel = &early_tunnel;
    exchange->codec->resume(exchange);
}

/* Answering. */

void grpc_call_head(struct grpc_call *call, const struct headers *extra, bool no_date)
{
    struct exchange *exchange = call->exchange;
    struct arena *arena = exchange_arena(exchange);
    struct headers headers = {0};
    struct response_head head = {
        .status = 200, .headers = &headers, .content_length = -1, .no_date = no_date};
    /* a fault takes the encoding away, of all messages */
    if (exchange->pass && exchange->pass->flaws.compressed_flag)
        call->answer_encoding = GRPC_IDENTITY;
    headers_add(&headers, arena, STR("content-type"), STR("application/grpc"));
    if (call->answer_encoding != GRPC_IDENTITY)
        headers_add(&headers, arena, STR("grpc-encoding"),
                    str_of(grpc_encoding_name(call->answer_encoding)));
    headers_add(&headers, arena, STR("grpc-accept-encoding"), STR("identity,gzip"));
    for (size_t i = 0; extra && i < extra->count; i++)
        headers_add(&headers, arena, extra->items[i].name, extra->items[i].value);
    exchange_head(exchange, &head);
}

void grpc_call_send(struct grpc_call *call, struct str frame)
{
    if (call->answer_encoding == GRPC_IDENTITY) {
        exchange_body(call->exchange, frame);
        return;
    }
    struct buf packed;
    struct buf framed;
    struct str message = str_from(frame, GRPC_FRAME_HEAD);
    buf_init(&packed, BUF_OWN);
    buf_init(&framed, BUF_OWN);
    bool compressed = grpc_compress(call->answer_encoding, message, &packed) == 0;
    if (grpc_frame_write(&framed, compressed, compressed ? buf_str(&packed) : message) == 0)
        exchange_body(call->exchange, buf_str(&framed));
    buf_clear(&framed);
    buf_clear(&packed);
}

void grpc_call_finish(struct grpc_call *call, int status, struct str message,
                      const struct headers *trailers)
{
    struct exchange *exchange = call->exchange;
    struct arena *arena = exchange_arena(exchange);
    struct headers block = {0};
    bool alone = exchange->state == EXCHANGE_WAITING;
    if (alone)
        headers_add(&block, arena, STR("content-type"), STR("application/grpc"));
    if (alone && status == GRPC_UNIMPLEMENTED)
        headers_add(&block, arena, STR("grpc-accept-encoding"), STR("identity,gzip"));
    grpc_status_add(&block, arena, status, message);
    for (size_t i = 0; trailers && i < trailers->count; i++)
        headers_add(&block, arena, trailers->items[i].name, trailers->items[i].value);
    exchange->verdict = grpc_status_in(&block, arena);
    if (!alone) {
        exchange_finish(exchange, &block);
        return;
    }
    struct response_head head = {
        .status = 200, .headers = &block, .content_length = 0, .no_framing = true, .no_date = true};
    exchange_head(exchange, &head);
    exchange_finish(exchange, NULL);
}
