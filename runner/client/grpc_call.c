#include "runner/client/grpc_call.h"

#include "runner/client/http_h2c.h"
#include "server/http/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

enum { SENT_CONSUMED = 64 * 1024 };

/* The end. */

static void call_release(struct grpc_client_call *call)
{
    call->h2 = NULL;
    buf_clear(&call->out);
    grpc_frames_clear(&call->frames);
}

void grpc_client_call_forget(struct grpc_client_call *call)
{
    if (!call->begun)
        return;
    call->begun = false;
    call_release(call);
}

void grpc_client_call_cancel(struct grpc_client_call *call)
{
    struct h2_call *h2 = call->begun ? call->h2 : NULL;
    grpc_client_call_forget(call);
    if (h2)
        h2_call_cancel(h2, NGHTTP2_CANCEL);
}

void grpc_client_call_fail(struct grpc_client_call *call, enum grpc_status status,
                           const char *derived, const char *name, struct str why)
{
    struct grpc_answer *answer = &call->answer;
    grpc_client_call_cancel(call);
    answer->status = status;
    answer->derived = str_of(derived);
    answer->message = arena_copy(call->arena, why);
    answer->complete = name == NULL;
    answer->failure = (struct http_failure){.name = name, .why = answer->message};
}

/** What came breaks the rules of gRPC. */
static void call_broken(struct grpc_client_call *call, enum grpc_status status, const char *name,
                        struct str why)
{
    grpc_client_call_fail(call, status, "what came", name, why);
    call->user->ended(call->context);
}

/* What is sent. */

static ptrdiff_t source_read(void *context, char *into, size_t room, bool *end)
{
    struct grpc_client_call *call = context;
    struct str rest = str_from(buf_str(&call->out), call->out_at);
    size_t size = rest.size < room ? rest.size : room;
    if (size)
        memcpy(into, rest.data, size);
    call->out_at += size;
    if (call->out_at == call->out.size) {
        buf_reset(&call->out);
        call->out_at = 0;
    } else if (call->out_at >= SENT_CONSUMED) {
        buf_consume(&call->out, call->out_at);
        call->out_at = 0;
    }
    *end = call->out_ended && call->out.size == 0;
    return size || *end ? (ptrdiff_t)size : -EAGAIN;
}

void grpc_client_call_send(struct grpc_client_call *call, struct str message)
{
    struct buf packed;
    if (!call->h2)
        return;
    buf_init(&packed, BUF_OWN);
    bool compressed = call->out_encoding != GRPC_IDENTITY &&
                      grpc_compress(call->out_encoding, message, &packed) == 0;
    (void)!grpc_frame_write(&call->out, compressed, compressed ? buf_str(&packed) : message);
    buf_clear(&packed);
    h2_call_resume(call->h2);
}

void grpc_client_call_finish(struct grpc_client_call *call)
{
    call->out_ended = true;
    if (call->h2)
        h2_call_resume(call->h2);
}

/* What comes. */

static void headers_copy(struct headers *into, const struct headers *from, struct arena *arena)
{
    *into = (struct headers){0};
    for (size_t i = 0; i < from->count; i++)
        headers_add(into, arena, arena_copy(arena, from->items[i].name),
                    arena_copy(arena, from->items[i].value));
}

static void on_head(void *context, unsigned status, const struct headers *headers)
{
    struct grpc_client_call *call = context;
    struct str encoding = headers_get(headers, STR("grpc-encoding"));
    headers_copy(&call->answer.metadata, headers, call->arena);
    call->http_status = status;
    call->plain = status != 200 || !grpc_is_content_type(headers_get(headers, STR("content-type")));
    if (!call->plain && encoding.data && !grpc_encoding_read(encoding, &call->encoding))
        call_broken(call, GRPC_INTERNAL, "protocol",
                    arena_printf(call->arena,
                                 "its grpc-encoding '" STR_FMT "' is none that was offered",
                                 STR_ARG(encoding)));
}

static void on_frame(struct grpc_client_call *call, const struct grpc_frame *frame)
{
    struct buf message;
    if (!frame->compressed) {
        call->user->message(call->context, frame->bytes);
        return;
    }
    if (call->encoding == GRPC_IDENTITY) {
        call_broken(call, GRPC_INTERNAL, "protocol",
                    STR("a message is marked as compressed, and no grpc-encoding says how"));
        return;
    }
    buf_init(&message, call->most);
    switch (grpc_decompress(call->encoding, frame->bytes, &message)) {
    case GRPC_DECODED:
        call->user->message(call->context, buf_str(&message));
        break;
    case GRPC_DECODE_BAD:
        call_broken(call, GRPC_INTERNAL, "protocol",
                    arena_printf(call->arena, "a message is not in its grpc-encoding %s",
                                 grpc_encoding_name(call->encoding)));
        break;
    case GRPC_DECODE_LARGE:
        call_broken(call, GRPC_RESOURCE_EXHAUSTED, "body-too-large",
                    STR("a message is larger than what is taken, once it is decompressed"));
        break;
    }
    buf_clear(&message);
}

static void on_body(void *context, struct str bytes)
{
    struct grpc_client_call *call = context;
    struct str input = bytes;
    struct grpc_frame frame;
    call->body_came = call->body_came || bytes.size;
    while (call->h2 && !call->plain) {
        enum grpc_frame_result result = grpc_frames_next(&call->frames, &input, &frame);
        if (result == GRPC_FRAME_MORE)
            break;
        if (result == GRPC_FRAME_DONE)
            on_frame(call, &frame);
        else if (result == GRPC_FRAME_BAD_FLAG)
            call_broken(call, GRPC_INTERNAL, "protocol",
                        STR("the flag in front of a message is neither 0 nor 1"));
        else
            call_broken(call, GRPC_RESOURCE_EXHAUSTED, "body-too-large",
                        arena_printf(call->arena, "a message of %u bytes is announced",
                                     grpc_frames_length(&call->frames)));
    }
    if (call->h2)
        h2_call_consume(call->h2, bytes.size);
}

static void on_trailers(void *context, const struct headers *trailers)
{
    struct grpc_client_call *call = context;
    headers_copy(&call->answer.trailers, trailers, call->arena);
}

/** The headers that hold the status: the trailers, or the head if it is all that came. */
static struct str status_text(struct grpc_client_call *call)
{
    struct grpc_answer *answer = &call->answer;
    struct str text = headers_get(&answer->trailers, STR("grpc-status"));
    if (text.data || answer->trailers.count || call->body_came)
        return text;
    text = headers_get(&answer->metadata, STR("grpc-status"));
    if (text.data) {
        answer->trailers = answer->metadata;
        answer->metadata = (struct headers){0};
    }
    return text;
}

/** Libraries disagree about which of several counts. */
static bool status_is_one(const struct headers *headers)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++)
        count += str_equal_nocase(headers->items[i].name, STR("grpc-status"));
    return count == 1;
}

/** The server said how it ended; false: it did not. */
static bool read_status(struct grpc_client_call *call)
{
    struct grpc_answer *answer = &call->answer;
    struct str text = status_text(call);
    struct str message = headers_get(&answer->trailers, STR("grpc-message"));
    if (!text.data)
        return false;
    answer->complete = true;
    if (!status_is_one(&answer->trailers)) {
        grpc_client_call_fail(call, GRPC_UNKNOWN, "several grpc-status", "protocol",
                              STR("its grpc-status came more than once"));
        return true;
    }
    if (!grpc_status_read(text, &answer->status)) {
        grpc_client_call_fail(
            call, GRPC_UNKNOWN, "a grpc-status that is no number", "protocol",
            arena_printf(call->arena, "its grpc-status is '" STR_FMT "'", STR_ARG(text)));
        return true;
    }
    answer->message = grpc_message_read(call->arena, message.data ? message : STR(""));
    if (!grpc_frames_is_between(&call->frames))
        grpc_client_call_fail(call, GRPC_INTERNAL, "what came", "truncated",
                              STR("the answer ends within a message"));
    return true;
}

/** A whole answer of HTTP without a status of gRPC. */
static void derive_from_head(struct grpc_client_call *call)
{
    struct arena *arena = call->arena;
    struct str type = headers_get(&call->answer.metadata, STR("content-type"));
    unsigned status = call->http_status;
    if (status != 200) {
        struct str from = arena_printf(arena, "HTTP status %u", status);
        grpc_client_call_fail(
            call, grpc_status_of_http((int)status), from.data, NULL,
            arena_printf(arena, "the answer is %u of HTTP, without a grpc-status", status));
        return;
    }
    if (call->plain)
        grpc_client_call_fail(
            call, GRPC_UNKNOWN, "the content-type", "protocol",
            type.data ? arena_printf(arena, "the answer is '" STR_FMT "', no gRPC", STR_ARG(type))
                      : STR("the answer has no content-type"));
    else if (!grpc_frames_is_between(&call->frames))
        grpc_client_call_fail(call, GRPC_INTERNAL, "what came", "truncated",
                              STR("the answer ends within a message"));
    else if (headers_get(&call->answer.metadata, STR("grpc-status")).data)
        grpc_client_call_fail(call, GRPC_UNKNOWN, "a grpc-status before the messages", "protocol",
                              STR("the grpc-status stands in the head, and messages came behind "
                                  "it: it belongs in the trailers"));
    else
        grpc_client_call_fail(call, GRPC_UNKNOWN, "trailers without grpc-status", "protocol",
                              STR("the answer has no grpc-status"));
}

static enum grpc_status status_of_end(enum h2_end kind)
{
    switch (kind) {
    case H2_END_PROTOCOL:
    case H2_END_CUT:
    case H2_END_HEAD_SIZE:
    case H2_END_LOCAL:
        return GRPC_INTERNAL;
    default:
        return GRPC_UNAVAILABLE;
    }
}

static void derive_from_end(struct grpc_client_call *call, const struct h2_client_end *end)
{
    struct grpc_answer *answer = &call->answer;
    char room[24];
    answer->complete = false;
    http_h2c_failure(end, &answer->failure, call->arena);
    answer->message = answer->failure.why;
    answer->reset = end->kind == H2_END_RESET;
    if (answer->reset) {
        struct str name = h2_error_name(end->code, room);
        answer->status = grpc_status_of_reset(end->code);
        answer->derived = arena_printf(call->arena, "RST_STREAM " STR_FMT, STR_ARG(name));
    } else {
        answer->status = status_of_end(end->kind);
        answer->derived = answer->failure.name ? str_of(answer->failure.name) : STR("its end");
    }
}

static void on_finished(void *context, const struct h2_client_end *end)
{
    struct grpc_client_call *call = context;
    call->h2 = NULL;
    /* a reset behind trailers is the server's way to say that it reads no more */
    bool whole = end->kind == H2_END_WHOLE || call->answer.trailers.count;
    if (!whole || !read_status(call)) {
        if (end->kind == H2_END_WHOLE)
            derive_from_head(call);
        else
            derive_from_end(call, end);
    }
    grpc_client_call_forget(call);
    call->user->ended(call->context);
}

static const struct h2_call_user h2_user = {
    .head = on_head, .body = on_body, .trailers = on_trailers, .finished = on_finished};

/* The start. */

void grpc_client_call_start(struct grpc_client_call *call, struct h2_client *client,
                            const struct grpc_client_call_plan *plan,
                            const struct grpc_client_call_user *user, void *context)
{
    struct headers headers = {0};
    char timeout[GRPC_TIMEOUT_SIZE];
    bool agent = plan->metadata && headers_get(plan->metadata, STR("user-agent")).data;
    *call = (struct grpc_client_call){.user = user,
                                      .context = context,
                                      .arena = plan->arena,
                                      .most = plan->most,
                                      .out_encoding = plan->encoding,
                                      .begun = true,
                                      .source = {.read = source_read, .context = call}};
    buf_init(&call->out, BUF_OWN);
    grpc_frames_init(&call->frames, plan->most);
    headers_add(&headers, plan->arena, STR("te"), STR("trailers"));
    headers_add(&headers, plan->arena, STR("content-type"), STR("application/grpc"));
    if (!agent)
        headers_add(&headers, plan->arena, STR("user-agent"), STR("goto-run/" GOTO_VERSION));
    if (plan->encoding != GRPC_IDENTITY)
        headers_add(&headers, plan->arena, STR("grpc-encoding"),
                    str_of(grpc_encoding_name(plan->encoding)));
    headers_add(&headers, plan->arena, STR("grpc-accept-encoding"), STR("identity,gzip"));
    if (plan->timeout_ns) {
        grpc_timeout_write(plan->timeout_ns, timeout);
        headers_add(&headers, plan->arena, STR("grpc-timeout"),
                    arena_copy(plan->arena, str_of(timeout)));
    }
    for (size_t i = 0; plan->metadata && i < plan->metadata->count; i++)
        headers_add(&headers, plan->arena, plan->metadata->items[i].name,
                    plan->metadata->items[i].value);
    const struct h2_request request = {
        .method = STR("POST"),
        .scheme = plan->tls ? STR("https") : STR("http"),
        .authority = plan->authority,
        .path = plan->path,
        .headers = &headers,
        .source = &call->source,
        .soon = true,
    };
    call->h2 = h2_call_new(client, &request, &h2_user, call);
}
