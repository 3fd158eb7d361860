/* Calls: what their owners ask, how they end, and their time. */
#include "server/proxy/call.h"

#include "base/memory.h"
#include "server/proxy/call_private.h"

#include <stdarg.h>
#include <stdio.h>

const char *call_failure_name(enum call_failure failure)
{
    static const char *const names[] = {
        [CALL_DNS] = "name not resolved",
        [CALL_CONNECT] = "not connected",
        [CALL_TLS] = "TLS failed",
        [CALL_TIMEOUT] = "silent for too long",
        [CALL_CLOSED] = "closed",
        [CALL_RESET] = "reset",
        [CALL_PROTOCOL] = "no answer of HTTP",
    };
    GOTO_ASSERT((size_t)failure < COUNT_OF(names));
    return names[failure];
}

/* Memory: calls are used again, with their smaller buffers. */

static void call_due(struct timer *timer);

static struct call *call_alloc(struct call_pool *pool)
{
    struct call *call = pool->unused;
    if (call) {
        pool->unused = call->next;
        pool->unused_count--;
    } else {
        call = memory_alloc(sizeof *call);
        timer_init(&call->timer, pool->server->loop, call_due);
        buf_init(&call->head, BUF_OWN);
        buf_init(&call->pending, BUF_OWN);
    }
    call->pool = pool;
    call->held.most = BUF_OWN;
    call->previous = NULL;
    call->next = pool->calls;
    if (pool->calls)
        pool->calls->previous = call;
    pool->calls = call;
    return call;
}

static void call_keep_buffer(struct buf *buf)
{
    if (buf->capacity > CALL_KEPT_BUFFER)
        buf_clear(buf);
    buf_reset(buf);
}

static void call_delete(struct call *call)
{
    timer_stop(&call->timer);
    buf_clear(&call->head);
    buf_clear(&call->pending);
    memory_free(call);
}

/** Takes it off the living; its owner may still read what it says. */
static void call_unlink(struct call *call)
{
    struct call_pool *pool = call->pool;
    GOTO_ASSERT(!call->codec && !call->dial);
    if (call->previous)
        call->previous->next = call->next;
    else
        pool->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    if (call->site)
        site_release(pool, call->site);
    call->site = NULL;
    call->user = NULL;
}

void call_watch(struct call *call, bool *freed)
{
    call->freed = freed;
}

/** The timer of an unused call may still be active: it costs nothing to leave it. */
static void call_free(struct call *call)
{
    struct call_pool *pool = call->pool;
    if (call->freed)
        *call->freed = true;
    arena_free(call->arena);
    buf_clear(&call->held);
    if (pool->unused_count == CALL_KEPT_CALLS) {
        call_delete(call);
        return;
    }
    call_keep_buffer(&call->head);
    call_keep_buffer(&call->pending);
    *call = (struct call){.head = call->head,
                          .pending = call->pending,
                          .timer = call->timer,
                          .pool = pool,
                          .next = pool->unused};
    pool->unused = call;
    pool->unused_count++;
}

void call_pool_drop_unused(struct call_pool *pool)
{
    while (pool->unused) {
        struct call *call = pool->unused;
        pool->unused = call->next;
        call_delete(call);
    }
    pool->unused_count = 0;
}

/* Time. */

static void call_arm(struct call *call)
{
    int64_t limit = call->request.timeout_ns;
    if (!limit || call->tunnel)
        return;
    int64_t due = limit > INT64_MAX - call->active_ns ? INT64_MAX : call->active_ns + limit;
    /* one that fires early starts again: a busy call does not move it */
    if (timer_is_active(&call->timer) && call->timer.due_ns <= due)
        return;
    timer_start_at(&call->timer, due);
}

void call_active(struct call *call, int64_t now_ns)
{
    call->active_ns = now_ns;
}

/** Whether it is not the far side that is waited for: the rest of the request, or an owner that
 * takes no more of the answer. */
static bool call_waits_for_owner(const struct call *call)
{
    return call->paused || (!call->whole && call->codec && call_queued(call) == 0);
}

static void call_silent(struct call *call)
{
    const char *what = "did not take a connection";
    struct str remote = call_remote(call);
    char limit[32];
    char name[CALL_REMOTE];
    int64_t ms = call->request.timeout_ns / CLOCK_MS;
    if (ms % 1000 || ms == 0)
        snprintf(limit, sizeof limit, "%lldms", (long long)ms);
    else
        snprintf(limit, sizeof limit, "%llds", (long long)ms / 1000);
    if (!remote.size)
        remote = call->site->endpoint.text;
    snprintf(name, sizeof name, STR_FMT, STR_ARG(remote));
    if (call->codec && call->end.first_byte_ns)
        what = "stopped within its answer";
    else if (call->codec && call_queued(call))
        what = "took no more of the request";
    else if (call->codec)
        what = "did not answer";
    else if (call->dial && call->dial->stream)
        what = "did not finish the TLS handshake";
    if (call->codec)
        call->codec->drop(call);
    else
        dial_leave(call);
    call_failed(call, CALL_TIMEOUT, "%s %s within %s", name, what, limit);
}

static void call_due(struct timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    int64_t now = clock_now();
    if (!call->user)
        return;
    if (call->failing) {
        char why[CALL_WHY];
        snprintf(why, sizeof why, "%s", call->why);
        call_failed(call, call->end.failure, "%s", why);
        return;
    }
    if (!call->request.timeout_ns || call->tunnel)
        return;
    int64_t moved_ns = call->codec ? call->codec->moved_ns(call) : 0;
    if (call_waits_for_owner(call))
        call->active_ns = now;
    else if (moved_ns > call->active_ns)
        call->active_ns = moved_ns;
    if (call->active_ns > now - call->request.timeout_ns) {
        call->late = 0;
        call_arm(call);
    } else if (call->codec && call->late < CALL_MOST_LATE && call->codec->has_unread(call)) {
        /* a busy machine: sockets get their turn before the far side is blamed */
        call->late++;
        timer_start(&call->timer, CLOCK_MS);
    } else {
        call_silent(call);
    }
}

/* Its end. */

void call_finished(struct call *call, const struct headers *trailers)
{
    const struct call_user *user = call->user;
    call_unlink(call);
    user->finish(call->context, trailers, &call->end);
    call_free(call);
}

static void GOTO_PRINTF(3, 0)
    call_say(struct call *call, enum call_failure failure, const char *format, va_list arguments)
{
    call->end.failure = failure;
    vsnprintf(call->why, sizeof call->why, format, arguments);
    call->end.why = str_of(call->why);
}

void call_failed(struct call *call, enum call_failure failure, const char *format, ...)
{
    const struct call_user *user = call->user;
    va_list arguments;
    va_start(arguments, format);
    call_say(call, failure, format, arguments);
    va_end(arguments);
    call_unlink(call);
    user->failed(call->context, &call->end);
    call_free(call);
}

void call_fail_later(struct call *call, enum call_failure failure, const char *format, ...)
{
    va_list arguments;
    GOTO_ASSERT(!call->codec && !call->dial);
    va_start(arguments, format);
    call_say(call, failure, format, arguments);
    va_end(arguments);
    call->failing = true;
    timer_start(&call->timer, 0);
}

/** A stand-in of the run that ends a kept connection was told to: what it does to a request is not
 * to be hidden, and none of its ends is missed, as it runs on this very loop. */
static bool is_forgiven(const struct call *call)
{
    return call->repeatable && !call->site->endpoint.own;
}

bool call_may_repeat(const struct call *call, bool untouched)
{
    return !call->retried && !call->body_begun && !call->request.via && !call->end.first_byte_ns &&
           !call->pool->closed && (untouched || (call->end.reused && is_forgiven(call)));
}

bool call_is_repeated(const struct call *call)
{
    return is_forgiven(call) && !call->request.has_body;
}

void call_again(struct call *call)
{
    call->retried = true;
    call->pending_at = 0;
    call->end.connected_ns = 0;
    call->end.reused = false;
    pool_connect(call, true);
}

/* Its connection. */

void call_attach(struct call *call, const struct call_codec *codec, void *connection,
                 int64_t since_ns, bool reused)
{
    call->codec = codec;
    call->connection = connection;
    call->end.connected_ns = since_ns;
    call->end.reused = reused;
    call->active_ns = since_ns;
}

void call_release_pending(struct call *call)
{
    bool was_high = call->was_high;
    if (call->pending.size) {
        call->codec->body(call, buf_str(&call->pending));
        buf_clear(&call->pending);
    }
    if (call->whole && call->request.has_body)
        call->codec->finish(call, call->trailers.count ? &call->trailers : NULL);
    call->was_high = false;
    if (was_high && !call->whole && call->user->writable)
        call->user->writable(call->context);
}

/* What owners ask. */

static bool is_repeatable(struct str method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (str_is(method, methods[i]))
            return true;
    return false;
}

/** Keeps of the request what its connection needs: bytes where it is HTTP/1 at once. */
static void call_keep_request(struct call *call, const struct call_request *request)
{
    call->request = *request;
    call->request.method = (struct str){NULL, 0};
    call->request.target = (struct str){NULL, 0};
    call->request.authority = (struct str){NULL, 0};
    call->request.upgrade_to = (struct str){NULL, 0};
    call->request.headers = NULL;
    if (call->site->speech == ENDPOINT_HTTP1)
        call_write_head(call, request);
    else
        call_copy_request(call, request);
}

struct call *call_new(struct call_pool *pool, const struct endpoint *endpoint,
                      const struct call_request *request, const struct call_user *user,
                      void *context)
{
    struct call *call = call_alloc(pool);
    GOTO_ASSERT(user->finish && user->failed);
    call->user = user;
    call->context = context;
    call->is_head = str_is(request->method, "HEAD");
    call->repeatable = is_repeatable(request->method);
    call->whole = !request->has_body;
    call->site = site_find(pool, endpoint, request);
    call->active_ns = clock_now();
    call_keep_request(call, request);
    call->request.fresh = request->fresh || request->via;
    call_arm(call);
    if (pool->closed)
        call_fail_later(call, CALL_CLOSED, "the run has ended");
    else
        pool_connect(call, call->request.fresh);
    return call;
}

void call_body(struct call *call, struct str bytes)
{
    if (call->whole || bytes.size == 0 || call->failing)
        return;
    call->active_ns = clock_now();
    if (call->codec) {
        call->codec->body(call, bytes);
    } else {
        (void)buf_append(&call->pending, bytes);
        call->was_high |= call->pending.size >= STREAM_HIGH_MARK;
    }
}

void call_finish(struct call *call, const struct headers *trailers)
{
    if (call->whole || call->failing)
        return;
    call->whole = true;
    call->active_ns = clock_now();
    if (call->codec) {
        call->codec->finish(call, trailers && trailers->count ? trailers : NULL);
    } else if (trailers && trailers->count) {
        call->trailers = call_copy_headers(call, trailers);
    }
}

size_t call_queued(const struct call *call)
{
    return call->codec ? call->codec->queued(call) : call->pending.size;
}

void call_pause(struct call *call)
{
    if (call->paused)
        return;
    call->paused = true;
    if (call->codec)
        call->codec->pause(call);
}

void call_resume(struct call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    call->active_ns = clock_now();
    call_arm(call);
    if (call->codec)
        call->codec->resume(call);
    else if (call->finish_due)
        call_h2_resume(call);
}

void call_tunnel_write(struct call *call, struct str bytes)
{
    GOTO_ASSERT(call->tunnel);
    if (call->codec && bytes.size)
        call->codec->body(call, bytes);
}

void call_tunnel_end(struct call *call)
{
    GOTO_ASSERT(call->tunnel);
    if (call->tunnel_ended)
        return;
    call->tunnel_ended = true;
    if (call->codec)
        call->codec->tunnel_end(call);
}

void call_cancel(struct call *call)
{
    if (call->codec)
        call->codec->drop(call);
    else if (call->dial)
        dial_leave(call);
    call_unlink(call);
    call_free(call);
}

struct str call_remote(const struct call *call)
{
    return call->codec ? call->codec->remote(call) : (struct str){NULL, 0};
}
