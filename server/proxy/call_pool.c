/* Far sides, the connections to them that are kept, and those on their way. */
#include "base/memory.h"
#include "server/proxy/call_private.h"
#include "server/proxy/via.h"
#include "server/tls/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Far sides. */

static struct str keep_text(char **at, struct str text)
{
    if (!text.data)
        return text;
    char *copy = *at;
    if (text.size)
        memcpy(copy, text.data, text.size);
    *at += text.size;
    return (struct str){copy, text.size};
}

/** The endpoint with texts of the site's own. */
static void site_keep_endpoint(struct call_site *site, const struct endpoint *endpoint)
{
    size_t size = endpoint->text.size + endpoint->name.size + endpoint->host.size +
                  endpoint->unix_path.size + endpoint->path.size;
    char *at = memory_alloc(size + 1);
    site->texts = at;
    site->endpoint = *endpoint;
    site->endpoint.text = keep_text(&at, endpoint->text);
    site->endpoint.name = keep_text(&at, endpoint->name);
    site->endpoint.host = keep_text(&at, endpoint->host);
    site->endpoint.unix_path = keep_text(&at, endpoint->unix_path);
    site->endpoint.path = keep_text(&at, endpoint->path);
}

static bool same_text(struct str a, struct str b)
{
    return !a.data == !b.data && str_equal(a, b);
}

static bool site_is(const struct call_site *site, const struct endpoint *endpoint,
                    enum endpoint_speech speech, const struct tls_client_options *tls)
{
    const struct endpoint *own = &site->endpoint;
    return own->number == endpoint->number && site->speech == speech && own->tls == endpoint->tls &&
           own->own == endpoint->own && site->tls == tls && same_text(own->host, endpoint->host) &&
           same_text(own->unix_path, endpoint->unix_path);
}

static enum endpoint_speech speech_of(const struct endpoint *endpoint,
                                      const struct call_request *request)
{
    bool own_alpn = request->tls && request->tls->alpn;
    if (endpoint->speech == ENDPOINT_HTTP2)
        return ENDPOINT_HTTP2;
    /* HTTP/2 has no upgrade: it is not offered then */
    return endpoint->tls && !request->upgrade && (own_alpn || endpoint->speech == ENDPOINT_EITHER)
               ? ENDPOINT_EITHER
               : ENDPOINT_HTTP1;
}

static void site_free(struct call_site *site)
{
    memory_free(site->texts);
    memory_free(site);
}

/** Forgets far sides that nothing leads to. */
static void pool_sweep(struct call_pool *pool)
{
    struct call_site **at = &pool->sites;
    while (*at) {
        struct call_site *site = *at;
        if (site->users) {
            at = &site->next;
            continue;
        }
        *at = site->next;
        site_free(site);
        pool->site_count--;
    }
}

struct call_site *site_find(struct call_pool *pool, const struct endpoint *endpoint,
                            const struct call_request *request)
{
    enum endpoint_speech speech = speech_of(endpoint, request);
    const struct tls_client_options *tls = endpoint->tls ? request->tls : NULL;
    struct call_site **at = &pool->sites;
    while (*at && !site_is(*at, endpoint, speech, tls))
        at = &(*at)->next;
    struct call_site *site = *at;
    if (site) {
        *at = site->next;
    } else {
        if (pool->site_count >= CALL_KEPT_SITES)
            pool_sweep(pool);
        site = memory_alloc(sizeof *site);
        site->speech = speech;
        site->tls = tls;
        site_keep_endpoint(site, endpoint);
        pool->site_count++;
    }
    /* the one that was used last is found first */
    site->next = pool->sites;
    pool->sites = site;
    site->users++;
    return site;
}

void site_release(struct call_pool *pool, struct call_site *site)
{
    (void)pool;
    GOTO_ASSERT(site->users > 0);
    site->users--;
}

/* Words. */

void call_remote_of(const struct call_site *site, const struct stream *stream,
                    char out[CALL_REMOTE])
{
    char address[STREAM_ADDRESS_SIZE];
    struct str path = site->endpoint.unix_path;
    if (path.data) {
        snprintf(out, CALL_REMOTE, "unix:" STR_FMT, STR_ARG(path));
        return;
    }
    stream_peer_address(stream, address);
    snprintf(out, CALL_REMOTE, stream->peer.v6 ? "[%s]:%u" : "%s:%u", address, stream->peer.port);
}

enum call_failure call_closed_why(const struct stream *stream, const char *remote,
                                  char out[CALL_WHY])
{
    struct str why;
    const char *name = stream->tls ? tls_stream_error(stream, &why) : NULL;
    if (!name) {
        snprintf(out, CALL_WHY, "our side has closed the connection to %s", remote);
        return CALL_CLOSED;
    }
    snprintf(out, CALL_WHY, "TLS with %s broke (%s): " STR_FMT, remote, name, STR_ARG(why));
    return CALL_TLS;
}

/* Connections on their way. */

static void dial_free(struct call_dial *dial)
{
    struct call_pool *pool = dial->pool;
    GOTO_ASSERT(!dial->first);
    if (dial->site->joint == dial)
        dial->site->joint = NULL;
    if (dial->previous)
        dial->previous->next = dial->next;
    else
        pool->dials = dial->next;
    if (dial->next)
        dial->next->previous = dial->previous;
    site_release(pool, dial->site);
    memory_free(dial);
}

static void dial_give_up(struct call_dial *dial)
{
    endpoint_dial_cancel(dial->dial);
    via_dial_cancel(dial->via);
    if (dial->stream)
        stream_close(dial->stream, CLOSE_KILL);
    dial_free(dial);
}

static void dial_join(struct call_dial *dial, struct call *call)
{
    struct call **at = &dial->first;
    while (*at)
        at = &(*at)->next_waiting;
    *at = call;
    call->next_waiting = NULL;
    call->dial = dial;
}

static struct call *dial_take_first(struct call_dial *dial)
{
    struct call *call = dial->first;
    dial->first = call->next_waiting;
    call->dial = NULL;
    return call;
}

void dial_leave(struct call *call)
{
    struct call_dial *dial = call->dial;
    struct call **at = &dial->first;
    while (*at != call)
        at = &(*at)->next_waiting;
    *at = call->next_waiting;
    call->dial = NULL;
    if (!dial->first && !dial->settling)
        dial_give_up(dial);
}

/** No connection is to be had: each is told in its own turn, since owners may do anything. */
static void GOTO_PRINTF(3, 4)
    dial_fail(struct call_dial *dial, enum call_failure failure, const char *format, ...)
{
    char why[CALL_WHY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    while (dial->first)
        call_fail_later(dial_take_first(dial), failure, "%s", why);
    dial_free(dial);
}

static void dial_failed(void *context, int error, struct str why)
{
    struct call_dial *dial = context;
    dial->dial = NULL;
    dial->via = NULL;
    dial_fail(dial, error ? CALL_CONNECT : CALL_DNS, STR_FMT, STR_ARG(why));
}

/** Those that wait behind the first one go their own ways. */
static void dial_give_rest(struct call_dial *dial)
{
    if (dial->site->joint == dial)
        dial->site->joint = NULL;
    while (dial->first)
        pool_connect(dial_take_first(dial), false);
    dial_free(dial);
}

void dial_give(struct call_dial *dial, struct call_h1 *h1)
{
    dial->dial = NULL;
    dial->via = NULL;
    dial->settling = true;
    dial->site->is_h1 = true;
    call_h1_begin(h1, dial_take_first(dial), false);
    dial_give_rest(dial);
}

void dial_share(struct call_dial *dial, struct call_h2 *h2)
{
    dial->dial = NULL;
    dial->via = NULL;
    dial->settling = true;
    dial->site->is_h1 = false;
    if (dial->site->joint != dial)
        call_h2_unshare(h2);
    do
        call_h2_begin(h2, dial_take_first(dial), false);
    while (dial->first && call_h2_room(h2));
    dial_give_rest(dial);
}

/* TLS. */

/** What a connection speaks whose far side has chosen what was not asked for. */
static void *refused_start(struct stream *stream)
{
    struct call_dial *dial = stream->owner;
    char remote[CALL_REMOTE];
    call_remote_of(dial->site, stream, remote);
    dial_fail(dial, CALL_TLS, "%s agreed on " STR_FMT " by ALPN, and %s is wanted", remote,
              STR_ARG(stream->tls->alpn), dial->site->speech == ENDPOINT_HTTP2 ? "h2" : "http/1.1");
    stream_close(stream, CLOSE_FIN);
    return NULL;
}

static size_t refused_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void refused_nothing(struct stream *stream)
{
    (void)stream;
}

static void refused_ended(struct stream *stream, bool reset)
{
    (void)stream;
    (void)reset;
}

static bool refused_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static const struct protocol refused_protocol = {
    .name = "refused",
    .start = refused_start,
    .bytes = refused_bytes,
    .writable = refused_nothing,
    .ended = refused_ended,
    .closing = refused_nothing,
    .drain = refused_nothing,
    .is_idle = refused_is_idle,
    .gone = refused_nothing,
};

static const struct protocol *dial_agreed(void *owner, struct stream *stream, struct str alpn)
{
    const struct call_dial *dial = owner;
    enum endpoint_speech speech = dial->site->speech;
    (void)stream;
    if (str_is(alpn, "h2"))
        return speech == ENDPOINT_HTTP1 ? &refused_protocol : &call_h2_protocol;
    if (speech != ENDPOINT_HTTP2)
        return &call_h1_protocol;
    /* who knows no ALPN may speak it all the same */
    return alpn.data ? &refused_protocol : &call_h2_protocol;
}

static void dial_tls_failed(void *owner, const char *name, struct str why)
{
    struct call_dial *dial = owner;
    char remote[CALL_REMOTE];
    call_remote_of(dial->site, dial->stream, remote);
    if (name)
        dial_fail(dial, CALL_TLS, "the TLS handshake with %s failed (%s): " STR_FMT, remote, name,
                  STR_ARG(why));
    else
        dial_fail(dial, CALL_TLS, "TLS with %s cannot be spoken: " STR_FMT, remote, STR_ARG(why));
}

static void *dial_start_tls(struct stream *stream)
{
    struct call_dial *dial = stream->owner;
    const struct call_site *site = dial->site;
    bool first_h2 = site->speech != ENDPOINT_HTTP1;
    dial->dial = NULL;
    dial->via = NULL;
    dial->stream = stream;
    dial->tls = (struct tls_connect){
        .plan = {.options = site->tls,
                 .host = site->endpoint.host,
                 .alpn = {first_h2 ? "h2" : "http/1.1",
                          site->speech == ENDPOINT_EITHER ? "http/1.1" : NULL},
                 .server = dial->pool->server,
                 .only_run = site->endpoint.own},
        .agreed = dial_agreed,
        .owner = dial,
        .failed = dial_tls_failed,
    };
    stream->owner = &dial->tls;
    stream->protocol = &tls_connect_protocol;
    return stream->protocol->start(stream);
}

/** What a stream has until its handshake has begun. */
static const struct protocol dial_tls_protocol = {.name = "tls dial", .start = dial_start_tls};

/* Connections for calls. */

static struct call_dial *dial_new(struct call_pool *pool, struct call_site *site)
{
    struct call_dial *dial = memory_alloc(sizeof *dial);
    dial->pool = pool;
    dial->site = site;
    site->users++;
    dial->next = pool->dials;
    if (pool->dials)
        pool->dials->previous = dial;
    pool->dials = dial;
    return dial;
}

static struct call_dial *pool_dial(struct call_pool *pool, struct call *call)
{
    static const struct endpoint_dial_user over_tls = {.protocol = &dial_tls_protocol,
                                                       .failed = dial_failed};
    static const struct endpoint_dial_user h1 = {.protocol = &call_h1_protocol,
                                                 .failed = dial_failed};
    static const struct endpoint_dial_user h2 = {.protocol = &call_h2_protocol,
                                                 .failed = dial_failed};
    struct call_dial *dial = dial_new(pool, call->site);
    const struct endpoint *endpoint = &dial->site->endpoint;
    const struct endpoint_dial_user *user = dial->site->speech == ENDPOINT_HTTP2 ? &h2 : &h1;
    dial_join(dial, call);
    user = endpoint->tls ? &over_tls : user;
    if (call->request.via) {
        const struct via_for about = {call->request.name_id, call->request.connection,
                                      call->request.hops, call->request.timeout_ns};
        dial->via = via_dial_new(pool->server, call->request.via, endpoint, user, dial, &about);
        return dial;
    }
    dial->dial = endpoint_dial_new(pool->server, endpoint, user, dial, call->request.name_id,
                                   call->request.connection, call->request.hops);
    return dial;
}

/** The same of a far side that may speak HTTP/2: one connection, also for those that come while it
 * is on its way. */
static void pool_connect_shared(struct call *call, bool only_new)
{
    struct call_site *site = call->site;
    struct call_h2 *h2 = only_new ? NULL : call_h2_take(site, call);
    if (h2)
        call_h2_begin(h2, call, true);
    else if (call->request.fresh || site->is_h1)
        pool_dial(call->pool, call);
    else if (site->joint)
        dial_join(site->joint, call);
    else
        site->joint = pool_dial(call->pool, call);
}

void pool_connect(struct call *call, bool only_new)
{
    struct call_h1 *h1 = only_new ? NULL : call_h1_take(call->site, call);
    if (h1)
        call_h1_begin(h1, call, true);
    else if (call->site->speech == ENDPOINT_HTTP1)
        pool_dial(call->pool, call);
    else
        pool_connect_shared(call, only_new);
}

/* The pool. */

struct call_pool *call_pool_of(struct server *server)
{
    if (!server->calls) {
        server->calls = memory_alloc(sizeof *server->calls);
        server->calls->server = server;
        server->calls->idle_ns = CALL_IDLE_NS;
    }
    return server->calls;
}

void call_pool_close(struct call_pool *pool)
{
    if (!pool || pool->closed)
        return;
    pool->closed = true;
    /* an owner that hears of one end may cancel other calls */
    while (pool->calls) {
        struct call *call = pool->calls;
        if (call->codec)
            call->codec->drop(call);
        else if (call->dial)
            dial_leave(call);
        call_failed(call, CALL_CLOSED, "the run has ended");
    }
    while (pool->connections)
        call_h1_close(pool->connections, CLOSE_KILL);
    while (pool->h2_connections)
        call_h2_close(pool->h2_connections, CLOSE_KILL);
}

void call_pool_free(struct call_pool *pool)
{
    if (!pool)
        return;
    /* made after the pool was closed, and not told yet */
    while (pool->calls)
        call_cancel(pool->calls);
    GOTO_ASSERT(!pool->dials && !pool->connections);
    call_pool_drop_unused(pool);
    pool_sweep(pool);
    GOTO_ASSERT(!pool->sites);
    memory_free(pool);
}
