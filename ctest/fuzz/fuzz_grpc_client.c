/* Answers to a call of gRPC: whatever the frames of an answer hold and wherever they are cut, the
 * call ends once, with a status, and an answer that is none of gRPC has a failure with a name. */
#include "ctest/fuzz/grpc_frames.h"

#include "runner/client/grpc_call.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 64 * 1024, MOST_TURNS = 10000, MOST_MESSAGE = 1024 };

/** What the first byte of an input asks for. */
enum {
    WITH_GZIP = 1,
    WITH_TRAILERS = 2,
    WITH_OTHER = 4,
    WITH_RESET = 8,
    WITH_CANCEL = 16,
    WITH_PLAIN = 32,
    WITH_STATUS = 64
};

/* A wire that has all of the answer. */

struct wire {
    struct h2_wire wire;
    struct buf bytes;
    size_t at;
    bool closed;
};

static struct wire wire;

static void wire_start(struct h2_wire *it)
{
    it->user->connected(it->context, NULL);
}

static ptrdiff_t wire_read(struct h2_wire *it, char *into, size_t room)
{
    struct str rest = str_from(buf_str(&wire.bytes), wire.at);
    size_t size = rest.size < room ? rest.size : room;
    (void)it;
    if (size)
        memcpy(into, rest.data, size);
    wire.at += size;
    return (ptrdiff_t)size;
}

static ptrdiff_t wire_write(struct h2_wire *it, struct str bytes)
{
    (void)it;
    return (ptrdiff_t)bytes.size;
}

static void wire_want_write(struct h2_wire *it, bool want)
{
    (void)it;
    (void)want;
}

static struct str wire_remote(const struct h2_wire *it)
{
    (void)it;
    return STR("far");
}

static void wire_close(struct h2_wire *it)
{
    (void)it;
    wire.closed = true;
}

static const struct h2_wire_type wire_type = {.start = wire_start,
                                              .read = wire_read,
                                              .write = wire_write,
                                              .want_write = wire_want_write,
                                              .remote = wire_remote,
                                              .close = wire_close};

static void put_answer(uint8_t how, uint8_t cut, struct str body)
{
    static const char *const statuses[] = {"0", "5", "16", "77", "x", "-1"};
    struct buf *into = &wire.bytes;
    struct buf block;
    buf_init(&block, BUF_OWN);
    put_frame(into, NGHTTP2_SETTINGS, 0, 0, STR(""));
    put_field(&block, ":status", how & WITH_STATUS ? "503" : "200");
    if (!(how & WITH_PLAIN))
        put_field(&block, "content-type",
                  how & WITH_OTHER ? "application/grpc+proto;a=b" : "application/grpc");
    if (how & WITH_GZIP)
        put_field(&block, "grpc-encoding", how & WITH_OTHER ? "identity" : "gzip");
    put_headers(into, 1, false, &block);
    put_body(into, 1, !(how & (WITH_TRAILERS | WITH_RESET)), body, cut);
    if (how & WITH_RESET)
        put_frame(into, NGHTTP2_RST_STREAM, 0, 1, STR("\0\0\0\7"));
    else if (how & WITH_TRAILERS) {
        put_field(&block, "grpc-status", statuses[cut % COUNT_OF(statuses)]);
        put_field(&block, "grpc-message", "%41%x%");
        put_headers(into, 1, true, &block);
    }
    buf_clear(&block);
}

/* The call. */

static struct grpc_client_call call;
static unsigned ended;
static unsigned messages;
static bool cancels;

static void on_message(void *context, struct str bytes)
{
    (void)context;
    GOTO_ASSERT(ended == 0 && bytes.size <= MOST_MESSAGE);
    if (++messages == 2 && cancels) {
        grpc_client_call_cancel(&call);
        ended++;
    }
}

static void on_ended(void *context)
{
    (void)context;
    ended++;
}

static const struct grpc_client_call_user call_user = {.message = on_message, .ended = on_ended};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop *loop;
    if (size < 2 || size > MOST_INPUT)
        return 0;
    if (!loop)
        loop = loop_new();
    struct arena *arena = arena_new();
    ended = messages = 0;
    cancels = data[0] & WITH_CANCEL;
    wire = (struct wire){.wire.type = &wire_type};
    buf_init(&wire.bytes, BUF_OWN);
    struct h2_client *client = h2_client_new(loop, &wire.wire, NULL, NULL);
    const struct grpc_client_call_plan plan = {
        .arena = arena,
        .path = STR("/a.B/C"),
        .authority = STR("a"),
        .most = MOST_MESSAGE,
        .encoding = data[1] % 2 ? GRPC_GZIP : GRPC_IDENTITY,
    };
    grpc_client_call_start(&call, client, &plan, &call_user, NULL);
    grpc_client_call_send(&call, STR("\x0a\1a"));
    grpc_client_call_finish(&call);
    h2_client_flush(client);
    /* an answer before its request is none */
    put_answer(data[0], data[1], (struct str){(const char *)data + 2, size - 2});
    for (size_t i = 0; i < MOST_TURNS && !ended && !wire.closed; i++) {
        wire.wire.user->ready(wire.wire.context);
        loop_turn(loop);
    }
    GOTO_ASSERT(ended == 1);
    const struct grpc_answer *answer = &call.answer;
    GOTO_ASSERT(cancels || (answer->status >= 0 && (answer->complete || answer->failure.name)));
    h2_client_free(client);
    buf_clear(&wire.bytes);
    arena_free(arena);
    return 0;
}
