#include "server/http/h2_client_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/http/h2.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* Its end. */

void h2_call_end(struct h2_call *call, struct h2_client_end end, const char *format, ...)
{
    va_list arguments;
    if (call->ended)
        return;
    call->ended = true;
    call->client->ended_calls++;
    va_start(arguments, format);
    vsnprintf(call->words, sizeof call->words, format, arguments);
    va_end(arguments);
    call->end = end;
    call->end.words = str_of(call->words);
    call->end.phase = call->phase;
    call->end.first_byte_ns = call->first_byte_ns;
    call->end.end_ns = clock_now();
}

void h2_call_note_first_byte(struct h2_call *call)
{
    if (call->phase != H2_WAITING || call->ended)
        return;
    call->phase = H2_HEAD;
    call->first_byte_ns = clock_now();
}

static void call_unlink(struct h2_call *call)
{
    struct h2_call **at = &call->client->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    call->client->count--;
    call->client->ended_calls -= call->ended;
}

void h2_call_free(struct h2_call *call)
{
    struct h2_client *client = call->client;
    nghttp2_session *session = client->session;
    call_unlink(call);
    if (!client->over) {
        /* an answer may be whole before the request is: no more of it is sent */
        if (call->ended && nghttp2_session_get_stream_local_close(session, call->id) == 0)
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
        nghttp2_session_set_stream_user_data(session, call->id, NULL);
    }
    arena_free(call->arena);
    memory_free(call);
}

void h2_call_cancel(struct h2_call *call, uint32_t code)
{
    struct h2_client *client = call->client;
    GOTO_ASSERT(!call->telling);
    if (!client->over)
        nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, call->id, code);
    client->ended_calls -= call->ended;
    call->ended = false;
    h2_call_free(call);
    h2_client_push(client);
}

/* What nghttp2 tells. */

/** The call of a stream that somebody still waits for, NULL = none. */
static struct h2_call *call_of(nghttp2_session *session, struct h2_client *client, int32_t id)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(session, id);
    return call && !call->ended && !client->freed ? call : NULL;
}

/** The same for one whose stream may not be there yet, or any more. */
static struct h2_call *call_search(struct h2_client *client, int32_t id)
{
    struct h2_call *call = client->calls;
    while (call && call->id != id)
        call = call->next;
    return call && !call->ended && !client->freed ? call : NULL;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *context)
{
    struct h2_client *client = context;
    struct h2_call *call = call_of(session, client, head->stream_id);
    if (!call || (head->type != NGHTTP2_HEADERS && head->type != NGHTTP2_DATA))
        return 0;
    h2_call_note_first_byte(call);
    bool whole =
        (head->flags & (NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PADDED)) == NGHTTP2_FLAG_END_STREAM;
    call->ending = (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    call->coming = head->type == NGHTTP2_DATA && whole ? head->length : 0;
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2_call *call = call_of(session, context, frame->hd.stream_id);
    if (!call)
        return 0;
    call->headers = (struct headers){0};
    call->status = 0;
    return 0;
}

/** nghttp2 has judged both. */
static void call_take_pseudo(struct h2_call *call, struct str name, struct str value)
{
    uint64_t status = 0;
    if (str_is(name, ":status") && str_to_u64(value, 999, &status))
        call->status = (unsigned)status;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct h2_call *call = call_of(session, context, frame->hd.stream_id);
    struct str key = {(const char *)name, name_size};
    struct str text = {(const char *)value, value_size};
    uint64_t length = 0;
    (void)flags;
    if (!call)
        return 0;
    call->head_size += name_size + value_size;
    /* many empty ones have a size, too */
    call->head_size += 4;
    if (call->head_size > H2_CLIENT_HEAD_SIZE) {
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_HEAD_SIZE},
                    "the head exceeds %d KiB", H2_CLIENT_HEAD_SIZE / 1024);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (name_size && name[0] == ':') {
        call_take_pseudo(call, key, text);
        return 0;
    }
    if (str_is(key, "content-length") && str_to_u64(text, INT64_MAX, &length))
        call->length = (int64_t)length;
    headers_add(&call->headers, call->arena, arena_copy(call->arena, key),
                arena_copy(call->arena, text));
    return 0;
}

/** nghttp2 would leave it out; what is malformed is an error (RFC 9113, section 8.2.1). */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_size, const uint8_t *value,
                             size_t value_size, uint8_t flags, void *context)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_size;
    (void)value;
    (void)value_size;
    (void)flags;
    (void)context;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/** A whole block of headers. */
static void call_head(struct h2_call *call)
{
    const struct h2_call_user *user = call->user;
    if (call->phase == H2_BODY) {
        if (user->trailers)
            user->trailers(call->context, &call->headers);
    } else if (call->status < 200) {
        /* what an interim head says is not about the answer */
        call->length = -1;
        if (user->informational)
            user->informational(call->context, call->status, &call->headers);
    } else {
        call->phase = H2_BODY;
        if (user->head)
            user->head(call->context, call->status, &call->headers);
    }
}

static void call_reset(struct h2_call *call, uint32_t code)
{
    char name[24];
    struct str text = h2_error_name(code, name);
    h2_call_end(call, (struct h2_client_end){.kind = H2_END_RESET, .code = code},
                "the peer reset the stream: " STR_FMT, STR_ARG(text));
}

/** The answer is whole; a tunnel only once our side has ended, too. */
static void call_peer_ended(struct h2_call *call)
{
    if (!call->tunnel || call->status / 100 != 2 ||
        nghttp2_session_get_stream_local_close(call->client->session, call->id) == 1) {
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_WHOLE}, "whole");
        return;
    }
    call->peer_ended = true;
    if (call->user->peer_ended)
        call->user->peer_ended(call->context);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2_client *client = context;
    struct h2_call *call = call_of(session, client, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2_client_goaway(client, &frame->goaway);
    if (!call)
        return 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        call_reset(call, frame->rst_stream.error_code);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        call_head(call);
    /* its user may have cancelled it */
    call = call_of(session, client, frame->hd.stream_id);
    if (call && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        call_peer_ended(call);
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t size, void *context)
{
    struct h2_call *call = call_of(session, context, id);
    (void)flags;
    nghttp2_session_consume_connection(session, size);
    if (!call) {
        nghttp2_session_consume_stream(session, id, size);
        return 0;
    }
    call->received += size;
    call->coming = 0;
    call->unconsumed += size;
    if (call->user->body)
        call->user->body(call->context, (struct str){(const char *)data, size});
    else
        h2_call_consume(call, size);
    return 0;
}

void h2_call_note_violation(struct h2_client *client, int32_t id, int code)
{
    struct h2_call *call = call_search(client, id);
    if (call && call->violation == 0)
        call->violation = code;
}

/** Whether the stream has ended properly, but before its content-length. */
static bool is_cut(const struct h2_call *call)
{
    return call->ending && call->length >= 0 && call->status >= 200 &&
           call->violation != NGHTTP2_ERR_HTTP_HEADER &&
           call->received + call->coming < (uint64_t)call->length;
}

/** nghttp2 gives a stream up: the peer broke a rule in it, unless we know better. */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
    struct h2_client *client = context;
    struct h2_call *call = call_search(client, id);
    char name[24];
    (void)session;
    /* a head that ends the stream before its content-length is not told by nghttp2 */
    if (call && is_cut(call) && call->phase == H2_HEAD)
        call_head(call);
    call = call_search(client, id);
    if (!call)
        return 0;
    struct str text = h2_error_name(code, name);
    if (call->peer_ended && code == NGHTTP2_NO_ERROR)
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_WHOLE}, "whole");
    else if (is_cut(call))
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_CUT, .code = code},
                    "the stream ended after %" PRIu64 " of %" PRId64 " bytes",
                    call->received + call->coming, call->length);
    else
        h2_call_end(
            call, (struct h2_client_end){.kind = H2_END_PROTOCOL, .code = code}, "%s (" STR_FMT ")",
            h2_client_complaint(client, "the answer breaks the rules of HTTP"), STR_ARG(text));
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2_client *client = context;
    struct h2_call *call;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2_client_went_wrong(client, &frame->goaway);
    if (frame->hd.type == NGHTTP2_HEADERS && (call = call_of(session, client, frame->hd.stream_id)))
        call->opened = true;
    return 0;
}

static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int code,
                             void *context)
{
    struct h2_client *client = context;
    struct h2_call *call = call_search(client, frame->hd.stream_id);
    (void)session;
    if (!call || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (client->went_away)
        h2_call_end(call, client->goaway, "%s", client->goaway_words);
    else
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_LOCAL, .error = EMSGSIZE},
                    "the request cannot be sent: %s", nghttp2_strerror(code));
    return 0;
}

void h2_call_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
}

/* A request. */

static struct str lower_case(struct str text, struct arena *arena)
{
    char *copy = arena_alloc(arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++)
        copy[i] =
            (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20 : text.data[i]);
    return (struct str){copy, text.size};
}

static nghttp2_nv pair_of(struct str name, struct str value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.data,
                        .value = (uint8_t *)(uintptr_t)(value.data ? value.data : ""),
                        .namelen = name.size,
                        .valuelen = value.size};
}

/** Appends headers; returns how many there are then. */
static size_t pairs_add(nghttp2_nv *pairs, size_t count, const struct headers *headers,
                        struct arena *arena)
{
    for (size_t i = 0; i < headers->count; i++)
        pairs[count++] =
            pair_of(lower_case(headers->items[i].name, arena), headers->items[i].value);
    return count;
}

/** Behind the last byte of the body come the trailers, which end the stream. */
static void send_trailers(struct h2_call *call, uint32_t *flags)
{
    nghttp2_nv *pairs =
        arena_alloc_array(call->arena, call->trailers_out->count, sizeof(nghttp2_nv));
    size_t count = pairs_add(pairs, 0, call->trailers_out, call->arena);
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(call->client->session, call->id, pairs, count);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *into, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct h2_call *call = call_of(session, context, id);
    bool end = false;
    (void)source;
    if (!call)
        return NGHTTP2_ERR_DEFERRED;
    ptrdiff_t size = call->source.read(call->source.context, (char *)into, room, &end);
    if (size == -EAGAIN)
        return NGHTTP2_ERR_DEFERRED;
    if (size < 0) {
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_LOCAL, .error = (int)-size},
                    "the body of the request cannot be read: %s", strerror((int)-size));
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call->trailers_out && call->trailers_out->count)
            send_trailers(call, flags);
    }
    return size;
}

static void call_submit(struct h2_call *call, const struct h2_request *request)
{
    struct arena *arena = call->arena;
    nghttp2_data_provider provider = {.read_callback = on_read};
    size_t most = 4 + (request->headers ? request->headers->count : 0);
    nghttp2_nv *pairs = arena_alloc_array(arena, most, sizeof *pairs);
    size_t count = 0;
    pairs[count++] = pair_of(STR(":method"), request->method);
    if (request->path.data)
        pairs[count++] = pair_of(STR(":scheme"), request->scheme);
    if (request->authority.size)
        pairs[count++] = pair_of(STR(":authority"), request->authority);
    if (request->path.data)
        pairs[count++] = pair_of(STR(":path"), request->path);
    if (request->headers)
        count = pairs_add(pairs, count, request->headers, arena);
    call->id = nghttp2_submit_request(call->client->session, NULL, pairs, count,
                                      call->has_source ? &provider : NULL, call);
    if (call->id < 0)
        h2_call_end(call, (struct h2_client_end){.kind = H2_END_LOCAL, .error = ENOBUFS},
                    "the request cannot be sent: %s", nghttp2_strerror(call->id));
}

struct h2_call *h2_call_new(struct h2_client *client, const struct h2_request *request,
                            const struct h2_call_user *user, void *context)
{
    struct h2_call *call = memory_alloc(sizeof *call);
    struct h2_call **end = &client->calls;
    GOTO_ASSERT(user->finished && !client->freed);
    while (*end)
        end = &(*end)->next;
    *end = call;
    client->count++;
    call->client = client;
    call->user = user;
    call->context = context;
    call->arena = arena_new();
    call->has_source = request->source != NULL;
    if (request->source)
        call->source = *request->source;
    call->trailers_out = request->trailers;
    call->phase = client->connected ? H2_WAITING : H2_CONNECTING;
    call->length = -1;
    call->first_byte_ns = -1;
    call->tunnel = request->tunnel;
    if (!client->over)
        call_submit(call, request);
    if (!request->soon || call->ended || client->over)
        h2_client_push(client);
    return call;
}

void h2_call_consume(struct h2_call *call, size_t size)
{
    GOTO_ASSERT(size <= call->unconsumed);
    call->unconsumed -= size;
    if (call->client->over)
        return;
    nghttp2_session_consume_stream(call->client->session, call->id, size);
    h2_client_push(call->client);
}

void h2_call_resume(struct h2_call *call)
{
    if (call->client->over || !call->has_source)
        return;
    nghttp2_session_resume_data(call->client->session, call->id);
    h2_client_push(call->client);
}

enum h2_phase h2_call_phase(const struct h2_call *call)
{
    return call->phase;
}

bool h2_call_ends(const struct h2_call *call)
{
    return call->ending;
}

int32_t h2_call_stream(const struct h2_call *call)
{
    return call->id;
}
