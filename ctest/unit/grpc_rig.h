/**
 * What the tests of gRPC servers share: an upstream that is read from YAML, on a real port, and a
 * raw client on nghttp2 that sends the bytes of a call as its test cuts them.
 *
 * The services are those of ctest/specs/data/shop.proto.
 */
#ifndef GOTO_CTEST_GRPC_RIG_H
#define GOTO_CTEST_GRPC_RIG_H

#include "ctest/unit/rig.h"

#include "base/memory.h"
#include "schema/tree.h"
#include "server/grpc/framing.h"
#include "server/grpc/message.h"
#include "server/http/upstream.h"

#include <nghttp2/nghttp2.h>

/* The client. */

/** A call: what it sends, and what came. */
struct call {
    struct call *next;
    int32_t id;
    struct buf out;
    size_t piece; /**< bytes of a DATA frame; 0 = as much as fits */
    bool out_ended;
    bool waits;          /**< nghttp2 does */
    struct buf head;     /**< "name: value\n" of the first block */
    struct buf trailers; /**< of the second one */
    struct buf body;
    unsigned blocks;
    bool ended;
    bool reset;
    uint32_t code;
};

struct world {
    struct rig rig;
    struct arena *arena;
    struct diagnostics diagnostics;
    struct source source;
    struct upstream_config config;
    struct upstream *upstream;
    struct port *port;
    int fd;
    nghttp2_session *session;
    struct buf unsent;
    struct call *calls;
    bool deaf; /**< the client reads nothing */
    bool gone; /**< the server ended the connection */
};

static struct world w;

static inline struct call *call_by_id(int32_t id)
{
    struct call *call = w.calls;
    while (call && call->id != id)
        call = call->next;
    return call;
}

static inline ssize_t call_read(nghttp2_session *session, int32_t id, uint8_t *into, size_t most,
                                uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct call *call = source->ptr;
    size_t size = call->piece && call->piece < most ? call->piece : most;
    (void)session;
    (void)id;
    (void)user;
    size = call->out.size < size ? call->out.size : size;
    if (size)
        memcpy(into, call->out.data, size);
    buf_consume(&call->out, size);
    if (call->out_ended && call->out.size == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (size == 0)
        call->waits = true;
    return size || (*flags & NGHTTP2_DATA_FLAG_EOF) ? (ssize_t)size : NGHTTP2_ERR_DEFERRED;
}

static inline int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                            const uint8_t *name, size_t name_size, const uint8_t *value,
                            size_t value_size, uint8_t flags, void *user)
{
    struct call *call = call_by_id(frame->hd.stream_id);
    (void)session;
    (void)flags;
    (void)user;
    if (call)
        buf_printf(call->blocks ? &call->trailers : &call->head, "%.*s: %.*s\n", (int)name_size,
                   (const char *)name, (int)value_size, (const char *)value);
    return 0;
}

static inline int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct call *call = call_by_id(frame->hd.stream_id);
    (void)session;
    (void)user;
    if (!call)
        return 0;
    call->blocks += frame->hd.type == NGHTTP2_HEADERS;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        call->reset = true;
        call->code = frame->rst_stream.error_code;
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        call->ended = true;
    return 0;
}

static inline int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                          size_t size, void *user)
{
    struct call *call = call_by_id(id);
    (void)session;
    (void)flags;
    (void)user;
    if (call)
        (void)!buf_append(&call->body, (struct str){(const char *)data, size});
    return 0;
}

static inline void client_begin(void)
{
    nghttp2_session_callbacks *callbacks;
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    ck_assert_int_eq(nghttp2_session_client_new(&w.session, callbacks, NULL), 0);
    nghttp2_session_callbacks_del(callbacks);
    ck_assert_int_eq(nghttp2_submit_settings(w.session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    w.fd = rig_dial(w.port->number);
    ck_assert_int_ge(w.fd, 0);
}

/** Sends what the socket takes. */
static inline void client_send(void)
{
    enum { MOST = 65536 };
    const uint8_t *frame;
    ssize_t size;
    while (w.unsent.size < MOST && (size = nghttp2_session_mem_send(w.session, &frame)) > 0)
        buf_append(&w.unsent, (struct str){(const char *)frame, (size_t)size});
    size =
        w.unsent.size ? send(w.fd, w.unsent.data, w.unsent.size, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (size > 0)
        buf_consume(&w.unsent, (size_t)size);
}

/** Sends and hears what is there. */
static inline void client_turn(void)
{
    static uint8_t piece[65536];
    client_send();
    while (!w.deaf && !w.gone) {
        ssize_t got = recv(w.fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            break;
        w.gone = got <= 0;
        if (got > 0)
            ck_assert_int_eq(nghttp2_session_mem_recv(w.session, piece, (size_t)got), got);
        client_send();
    }
}

#define until(condition) rig_until(&w.rig, (client_turn(), (condition)))

static inline nghttp2_nv nv(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data,
                        name.size, value.size, NGHTTP2_NV_FLAG_NONE};
}

/**
 * Begins a call with a method and headers of its own: lines "name: value\n". Nothing is there by
 * itself but the pseudo-headers.
 */
static inline struct call *call_bare(const char *method, const char *path, const char *lines)
{
    enum { MOST = 32 };
    nghttp2_nv all[MOST];
    size_t count = 0;
    struct call *call = arena_alloc(w.arena, sizeof *call);
    nghttp2_data_provider source = {.source.ptr = call, .read_callback = call_read};
    all[count++] = nv(STR(":method"), str_of(method));
    all[count++] = nv(STR(":scheme"), STR("http"));
    all[count++] = nv(STR(":path"), str_of(path));
    all[count++] = nv(STR(":authority"), STR("shop.example"));
    for (struct str rest = str_of(lines); rest.size && count < MOST;) {
        ptrdiff_t end = str_find_byte(rest, '\n');
        struct str line = str_slice(rest, 0, end < 0 ? rest.size : (size_t)end);
        ptrdiff_t colon = str_find(line, STR(": "));
        ck_assert(colon > 0);
        all[count++] = nv(str_slice(line, 0, (size_t)colon), str_from(line, (size_t)colon + 2));
        rest = str_from(rest, line.size + 1);
    }
    buf_init(&call->out, BUF_OWN);
    buf_init(&call->head, BUF_OWN);
    buf_init(&call->trailers, BUF_OWN);
    buf_init(&call->body, BUF_OWN);
    call->id = nghttp2_submit_request(w.session, NULL, all, count, &source, NULL);
    ck_assert_int_gt(call->id, 0);
    call->next = w.calls;
    w.calls = call;
    return call;
}

/** Begins a call of an rpc of shop.Orders ("Get"), or of a path ("/a.B/C"), with more headers. */
static inline struct call *call_begin(const char *rpc, const char *more)
{
    struct str path = rpc[0] == '/' ? str_of(rpc) : arena_printf(w.arena, "/shop.Orders/%s", rpc);
    struct str lines =
        arena_printf(w.arena, "te: trailers\ncontent-type: application/grpc\n%s", more);
    return call_bare("POST", path.data, lines.data);
}

/** Sends bytes as they are. */
static inline void call_say(struct call *call, struct str bytes)
{
    (void)!buf_append(&call->out, bytes);
    if (call->waits)
        nghttp2_session_resume_data(w.session, call->id);
    call->waits = false;
}

static inline void call_end(struct call *call)
{
    call->out_ended = true;
    call_say(call, STR(""));
}

/** A frame of a message that is written as JSON, in the arena. */
static inline struct str frame_of(const char *type, const char *json)
{
    struct json_error error;
    struct message_problems problems = {.arena = w.arena};
    struct buf bytes;
    const struct protos *protos = w.config.grpc.pool;
    const struct json *value = json_read(w.arena, str_of(json), &error);
    ck_assert_ptr_nonnull(value);
    buf_init(&bytes, BUF_OWN);
    size_t frame = grpc_frame_open(&bytes);
    ck_assert_int_eq(message_encode(protos, protos_message(protos, str_of(type)), value, NULL,
                                    &bytes, &problems),
                     0);
    grpc_frame_close(&bytes, frame);
    struct str copy = arena_copy(w.arena, buf_str(&bytes));
    buf_clear(&bytes);
    return copy;
}

static inline void call_send(struct call *call, const char *type, const char *json)
{
    call_say(call, frame_of(type, json));
}

/** A whole call with one message; waits for its end. */
static inline struct call *call_once(const char *rpc, const char *more, const char *json)
{
    struct call *call = call_begin(rpc, more);
    call_send(call, "shop.Query", json);
    call_end(call);
    until(call->ended || call->reset);
    return call;
}

/** The messages that came as JSON, one behind the other; "?" where a frame is none. */
static inline struct str call_got(struct call *call, const char *type)
{
    const struct protos *protos = w.config.grpc.pool;
    struct grpc_frames frames;
    struct grpc_frame frame;
    struct str input = buf_str(&call->body);
    struct buf text;
    grpc_frames_init(&frames, BUF_OWN);
    buf_init(&text, BUF_OWN);
    while (grpc_frames_next(&frames, &input, &frame) == GRPC_FRAME_DONE) {
        struct message_problem problem;
        struct buf plain;
        buf_init(&plain, BUF_OWN);
        if (frame.compressed && grpc_decompress(GRPC_GZIP, frame.bytes, &plain) == GRPC_DECODED)
            frame.bytes = arena_copy(w.arena, buf_str(&plain));
        buf_clear(&plain);
        const struct json *value = message_decode(
            w.arena, protos, protos_message(protos, str_of(type)), frame.bytes, NULL, &problem);
        if (value)
            json_write(value, &text);
        else
            buf_append_byte(&text, '?');
    }
    struct str copy = arena_copy(w.arena, buf_str(&text));
    buf_clear(&text);
    grpc_frames_clear(&frames);
    return copy;
}

/** A header of a block, empty if it is not there. */
static inline struct str field(const struct buf *block, const char *name)
{
    struct str begin = arena_printf(w.arena, "\n%s: ", name);
    struct str all = arena_printf(w.arena, "\n" STR_FMT, STR_ARG(buf_str(block)));
    ptrdiff_t at = str_find(all, begin);
    if (at < 0)
        return STR("");
    struct str rest = str_from(all, (size_t)at + begin.size);
    return str_slice(rest, 0, (size_t)str_find_byte(rest, '\n'));
}

/** grpc-status, from the trailers or a block that stands alone. */
static inline struct str status_of(const struct call *call)
{
    return field(call->blocks > 1 ? &call->trailers : &call->head, "grpc-status");
}

static inline struct str message_of(const struct call *call)
{
    return field(call->blocks > 1 ? &call->trailers : &call->head, "grpc-message");
}

/** Ended with that status; shows all that came if not. */
#define ck_status(call, expected)                                                                  \
    ck_assert_msg((call)->ended &&str_is(status_of(call), expected),                               \
                  "grpc-status is not %s:\n" STR_FMT "--\n" STR_FMT "reset %d", expected,          \
                  STR_ARG(buf_str(&(call)->head)), STR_ARG(buf_str(&(call)->trailers)),            \
                  (call)->reset)

/* The world. */

/** An upstream by its YAML; `protos` and the protocol are there by themselves. */
static inline void world_begin(const char *yaml)
{
    struct documents documents = {0};
    struct str why = {0};
    int error = 0;
    w = (struct world){.fd = -1};
    rig_init(&w.rig);
    w.arena = arena_new();
    diagnostics_init(&w.diagnostics);
    buf_init(&w.unsent, BUF_OWN);
    w.source =
        (struct source){STR("ctest/specs/test.yaml"),
                        arena_printf(w.arena, "protocol: grpc\nprotos: data/shop.proto\n%s", yaml)};
    struct reader reader = {.arena = w.arena, .diagnostics = &w.diagnostics};
    ck_assert_int_eq(tree_read_yaml(w.arena, &w.source, &documents, &w.diagnostics), 0);
    enum read_result result = reader_read(&reader, &upstream_type, documents.items[0], &w.config);
    ck_assert_msg(result == READ_OK, STR_FMT,
                  STR_ARG(w.diagnostics.first ? w.diagnostics.first->message : STR("?")));
    w.port = port_new(&w.rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(w.port);
    w.upstream = upstream_new(w.port, &w.config);
    ck_assert(upstream_prepare(w.upstream, &why));
    ck_assert_int_eq(port_open(w.port), 0);
    client_begin();
}

static inline void world_end(void)
{
    close(w.fd);
    nghttp2_session_del(w.session);
    for (struct call *call = w.calls; call; call = call->next) {
        buf_clear(&call->out);
        buf_clear(&call->head);
        buf_clear(&call->trailers);
        buf_clear(&call->body);
    }
    buf_clear(&w.unsent);
    server_close_all(&w.rig.server);
    rig_until(&w.rig, w.rig.server.streams == 0);
    upstream_free(w.upstream);
    server_clear(&w.rig.server);
    loop_free(w.rig.loop);
    journal_free(w.rig.journal);
    diagnostics_clear(&w.diagnostics);
    arena_free(w.arena);
}

#endif
