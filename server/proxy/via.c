#include "server/proxy/via.h"

#include "base/memory.h"
#include "server/proxy/call.h"
#include "server/stream/stage.h"
#include "server/stream/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VIA_WHY = 256 };

/** A tunnel on its way, then its bytes from side to side. It ends with both of its ends. */
struct via_dial {
    struct server *server;
    struct endpoint_dial_user user;
    void *context;       /**< NULL once the owner has its stream, or gave up */
    struct call *call;   /**< CONNECT to the last hop; NULL once it ended */
    struct stream *near; /**< our end of the pair */
    struct stream *far;  /**< the owner's end, until its protocol has started */
    struct timer timer;  /**< the first turn: of a failure that is known at once */
    struct via_for about;
    unsigned status; /**< of an answer that is no tunnel; 0 = none */
    bool held;       /**< the call is paused */
    char why[VIA_WHY];
};

static void via_settle(struct via_dial *via)
{
    if (via->call || via->near || via->far || timer_is_active(&via->timer))
        return;
    memory_free(via);
}

/** Ends what is left of it. */
static void via_end(struct via_dial *via, enum close_how how)
{
    struct call *call = via->call;
    struct stream *near = via->near;
    struct stream *far = via->far;
    via->call = NULL;
    via->near = NULL;
    via->far = NULL;
    timer_stop(&via->timer);
    if (call)
        call_cancel(call);
    if (near) {
        near->owner = NULL;
        stream_close(near, how);
    }
    if (far) {
        far->owner = NULL;
        stream_close(far, CLOSE_KILL);
    }
    via_settle(via);
}

/** Tells the owner, who has no stream yet, that there will be none. */
static void via_fail(struct via_dial *via, int error)
{
    void *context = via->context;
    char why[VIA_WHY];
    memcpy(why, via->why, sizeof why);
    struct endpoint_dial_user user = via->user;
    via->context = NULL;
    via_end(via, CLOSE_KILL);
    if (context)
        user.failed(context, error, str_of(why));
}

static void via_due(struct timer *timer)
{
    via_fail(CONTAINER_OF(timer, struct via_dial, timer), ECONNREFUSED);
}

/* Our end of the pair. */

static void *near_start(struct stream *stream)
{
    (void)stream;
    return NULL;
}

static size_t near_bytes(struct stream *stream, struct str bytes)
{
    const struct via_dial *via = stream->owner;
    if (!via || !via->call)
        return bytes.size;
    if (call_queued(via->call) > STREAM_HIGH_MARK) {
        stream_pause(stream);
        return 0;
    }
    call_tunnel_write(via->call, bytes);
    return bytes.size;
}

static void near_writable(struct stream *stream)
{
    struct via_dial *via = stream->owner;
    if (!via || !via->call || !via->held)
        return;
    via->held = false;
    call_resume(via->call);
}

static void near_ended(struct stream *stream, bool reset)
{
    struct via_dial *via = stream->owner;
    if (!via)
        return;
    if (reset)
        via_end(via, CLOSE_KILL);
    else if (stream->peer_ended && via->call)
        call_tunnel_end(via->call);
}

static void near_closing(struct stream *stream)
{
    struct via_dial *via = stream->owner;
    stream->owner = NULL;
    if (!via)
        return;
    via->near = NULL;
    via_end(via, CLOSE_KILL);
}

static void near_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool near_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static const struct protocol near_protocol = {
    .name = "via",
    .start = near_start,
    .bytes = near_bytes,
    .writable = near_writable,
    .ended = near_ended,
    .closing = near_closing,
    .drain = near_drain,
    .is_idle = near_is_idle,
    .gone = near_closing,
};

/* The owner's end, until it is the owner's. */

static void *far_start(struct stream *stream)
{
    struct via_dial *via = stream->owner;
    const struct protocol *protocol = via->user.protocol;
    via->far = NULL;
    stream->owner = via->context;
    via->context = NULL;
    stream_set_protocol(stream, protocol);
    return stream->state;
}

static void far_nothing(struct stream *stream)
{
    (void)stream;
}

static size_t far_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void far_ended(struct stream *stream, bool reset)
{
    (void)stream;
    (void)reset;
}

static const struct protocol far_protocol = {
    .name = "via",
    .start = far_start,
    .bytes = far_bytes,
    .writable = far_nothing,
    .ended = far_ended,
    .closing = far_nothing,
    .drain = far_nothing,
    .is_idle = near_is_idle,
    .gone = far_nothing,
};

/* The call to the last hop. */

static void via_head(void *context, unsigned status, struct str reason,
                     const struct headers *headers, int64_t content_length)
{
    struct via_dial *via = context;
    (void)reason;
    (void)headers;
    (void)content_length;
    via->status = status;
}

static struct stream *via_stream(struct via_dial *via, int socket, const struct protocol *protocol)
{
    int error;
    const struct stream_dial dial = {
        .socket = socket,
        .protocol = protocol,
        .owner = via,
        .name_id = via->about.name_id,
        .number = via->about.connection,
    };
    return stream_dial(via->server, &dial, &error);
}

static void via_tunnel(void *context)
{
    struct via_dial *via = context;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        snprintf(via->why, sizeof via->why, "no pair of sockets: %s", strerror(errno));
        via_fail(via, errno);
        return;
    }
    via->near = via_stream(via, pair[0], &near_protocol);
    via->far = via_stream(via, pair[1], &far_protocol);
}

static void via_body(void *context, struct str bytes)
{
    struct via_dial *via = context;
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    /* the body of an answer that is no tunnel */
    if (!via->near)
        return;
    stream_write(via->near, &part, 1);
    if (via->call && via->near && stream_queued(via->near) > STREAM_HIGH_MARK) {
        via->held = true;
        call_pause(via->call);
    }
}

static void via_call_over(struct via_dial *via, bool failed, struct str why)
{
    via->call = NULL;
    if (!via->context) {
        via_end(via, failed ? CLOSE_KILL : CLOSE_FIN);
        return;
    }
    if (failed)
        snprintf(via->why, sizeof via->why, STR_FMT, STR_ARG(why));
    else
        snprintf(via->why, sizeof via->why, "a proxy on the way answered %u to CONNECT",
                 via->status);
    via_fail(via, ECONNREFUSED);
}

static void via_finish(void *context, const struct headers *trailers, const struct call_end *end)
{
    (void)trailers;
    (void)end;
    via_call_over(context, false, (struct str){0});
}

static void via_failed(void *context, const struct call_end *end)
{
    via_call_over(context, true, end->why);
}

static void via_writable(void *context)
{
    const struct via_dial *via = context;
    if (via->near)
        stream_resume(via->near);
}

static void via_half_closed(void *context)
{
    const struct via_dial *via = context;
    if (via->near)
        stream_finish(via->near);
}

struct str via_target(const struct endpoint *endpoint, struct arena *arena)
{
    if (!endpoint->host.data)
        return (struct str){0};
    bool brackets = str_find_byte(endpoint->host, ':') >= 0;
    return arena_printf(arena, brackets ? "[" STR_FMT "]:%u" : STR_FMT ":%u",
                        STR_ARG(endpoint->host), (unsigned)endpoint->number);
}

static void via_call(struct via_dial *via, const struct via *hops, struct str target)
{
    static const struct call_user user = {
        .head = via_head,
        .body = via_body,
        .finish = via_finish,
        .failed = via_failed,
        .writable = via_writable,
        .tunnel = via_tunnel,
        .half_closed = via_half_closed,
    };
    const struct headers none = {0};
    const struct via before = {hops->hops, hops->count - 1};
    const struct call_request request = {
        .method = STR("CONNECT"),
        .target = target,
        .authority = target,
        .headers = &none,
        .connect = true,
        .fresh = true,
        .via = before.count ? &before : NULL,
        .name_id = via->about.name_id,
        .connection = via->about.connection,
        .hops = via->about.hops,
        .timeout_ns = via->about.timeout_ns,
    };
    via->call =
        call_new(call_pool_of(via->server), &hops->hops[before.count], &request, &user, via);
}

struct via_dial *via_dial_new(struct server *server, const struct via *via,
                              const struct endpoint *endpoint,
                              const struct endpoint_dial_user *user, void *context,
                              const struct via_for *about)
{
    struct via_dial *dial = memory_alloc(sizeof *dial);
    struct arena *arena = arena_new();
    struct str target = via_target(endpoint, arena);
    dial->server = server;
    dial->user = *user;
    dial->context = context;
    dial->about = *about;
    timer_init(&dial->timer, server->loop, via_due);
    if (target.data) {
        via_call(dial, via, target);
    } else {
        snprintf(dial->why, sizeof dial->why, "a unix socket cannot be reached through a proxy");
        timer_start(&dial->timer, 0);
    }
    arena_free(arena);
    return dial;
}

void via_dial_cancel(struct via_dial *via)
{
    if (!via)
        return;
    via->context = NULL;
    via_end(via, CLOSE_KILL);
}
