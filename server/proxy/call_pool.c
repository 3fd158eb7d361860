/* Far sides, the connections to them that are kept, and those on their way. */
#include "base/memory.h"
#include "server/proxy/call_private.h"

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
    if (endpoint->speech == ENDPOINT_HTTP2)
        return ENDPOINT_HTTP2;
    /* HTTP/2 has no upgrade: it is not offered then */
    return endpoint->speech == ENDPOINT_EITHER && endpoint->tls && !request->upgrade
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
    if (dial->dial)
        endpoint_dial_cancel(dial->dial);
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
    if (!dial->first)
        dial_give_up(dial);
}

static void dial_failed(void *context, int error, struct str why)
{
    struct call_dial *dial = context;
    enum call_failure failure = error ? CALL_CONNECT : CALL_DNS;
    dial->dial = NULL;
    /* each is told in its own turn: their owners may do anything */
    while (dial->first)
        call_fail_later(dial_take_first(dial), failure, STR_FMT, STR_ARG(why));
    dial_free(dial);
}

struct call *dial_done(struct call_dial *dial)
{
    struct call *call = dial_take_first(dial);
    dial->dial = NULL;
    dial_free(dial);
    return call;
}

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

static void pool_dial(struct call *call)
{
    static const struct endpoint_dial_user user = {.protocol = &call_h1_protocol,
                                                   .failed = dial_failed};
    struct call_pool *pool = call->pool;
    struct call_dial *dial = dial_new(pool, call->site);
    dial_join(dial, call);
    dial->dial =
        endpoint_dial_new(pool->server, &dial->site->endpoint, &user, dial, call->request.name_id,
                          call->request.connection, call->request.hops);
}

void pool_connect(struct call *call, bool only_new)
{
    struct call_h1 *h1 = only_new ? NULL : call_h1_take(call->site, call);
    if (h1)
        call_h1_begin(h1, call, true);
    else
        pool_dial(call);
}

/* The pool. */

struct call_pool *call_pool_of(struct server *server)
{
    if (!server->calls) {
        server->calls = memory_alloc(sizeof *server->calls);
        server->calls->server = server;
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
