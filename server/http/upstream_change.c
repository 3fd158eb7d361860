#include "server/http/upstream_private.h"

#include "base/memory.h"
#include "server/fault/fault.h"
#include "server/grpc/call.h"
#include "server/http/h2.h"
#include "server/tls/tls.h"

/** The longest that a drain of the old connections may take. */
#define DRAIN_NS INT64_C(5000000000)

/** What a protocol means for a port. */
struct manner {
    const char *scheme;              /**< NULL: `${name}` is host:port */
    const struct protocol *protocol; /**< in clear; behind a handshake that agreed on nothing; NULL
                                        = bytes: what the work says */
    bool tls;
    struct str alpn; /**< offered by default; data NULL = none */
};

static const struct manner manners[] = {
    [PROTOCOL_HTTP] = {"http", &h1_protocol, false, {NULL, 0}},
    [PROTOCOL_HTTPS] = {"https", &h1_protocol, true, {"http/1.1", 8}},
    [PROTOCOL_H2C] = {"http", &h2c_protocol, false, {NULL, 0}},
    [PROTOCOL_H2] = {"https", &h2_protocol, true, {"h2", 2}},
    [PROTOCOL_TCP] = {NULL, NULL, false, {NULL, 0}},
    [PROTOCOL_TLS] = {NULL, NULL, true, {NULL, 0}},
    [PROTOCOL_GRPC] = {NULL, &h2c_protocol, false, {NULL, 0}},
    [PROTOCOL_GRPCS] = {NULL, &h2_protocol, true, {"h2", 2}},
};

static const struct manner *manner_of(int protocol)
{
    GOTO_ASSERT(protocol >= 0 && (size_t)protocol < COUNT_OF(manners));
    return &manners[protocol];
}

static bool config_has_tls(const struct upstream_config *config)
{
    return manner_of(config->protocol)->tls;
}

/** The protocol of connections without ALPN. */
static const struct protocol *manner_protocol(const struct manner *manner,
                                              const struct upstream *upstream)
{
    if (manner->protocol)
        return manner->protocol;
    return upstream->forwards ? &forward_tcp_protocol : tcp_protocol(&upstream->now.work);
}

bool upstream_protocol_has_tls(int protocol)
{
    return manner_of(protocol)->tls;
}

const char *upstream_protocol_scheme(int protocol)
{
    return manner_of(protocol)->scheme;
}

int upstream_protocol(const struct upstream *upstream)
{
    return upstream->now.protocol;
}

bool upstream_is_grpc(const struct upstream *upstream)
{
    return upstream->now.protocol == PROTOCOL_GRPC || upstream->now.protocol == PROTOCOL_GRPCS;
}

const struct grpc_config *upstream_grpc(const struct upstream *upstream)
{
    return &upstream->now.grpc;
}

unsigned upstream_speech(const struct upstream *upstream)
{
    return upstream_config_speech(&upstream->now);
}

const struct tcp_work *upstream_work(const struct upstream *upstream)
{
    return &upstream->now.work;
}

const struct forward *upstream_forward(const struct upstream *upstream)
{
    return upstream->forwards ? upstream->now.forward : NULL;
}

/* Routes and defaults */

void upstream_bind_answers(struct upstream *upstream, struct str route, const struct list *respond)
{
    struct respond *const *blocks = respond->items;
    for (size_t i = 0; i < respond->count; i++)
        faults_bind(upstream->faults, route, respond_faults(blocks[i]));
}

static struct route_set *set_new(struct upstream *upstream, const struct upstream_config *config)
{
    struct port *port = upstream->port;
    struct route_set *set = arena_alloc(upstream->arena, sizeof *set);
    routes_init(&set->routes, config, port->name, port->server->journal, upstream->arena);
    set->older = upstream->sets;
    upstream->sets = set;
    for (size_t i = 0; i < set->routes.count; i++) {
        const struct route *route = &set->routes.items[i];
        faults_bind(upstream->faults, route->name, &route->config->faults);
        upstream_bind_answers(upstream, route->name, &route->config->respond);
    }
    return set;
}

static struct fallback *fallback_new(struct upstream *upstream,
                                     const struct upstream_config *config)
{
    struct arena *arena = upstream->arena;
    struct fallback *fallback = arena_alloc(arena, sizeof *fallback);
    struct route *route = &fallback->route;
    fallback->config = &config->fallback;
    route->name = arena_printf(arena, STR_FMT " default", STR_ARG(upstream->port->name));
    route->delay_key = arena_printf(arena, "delay " STR_FMT, STR_ARG(route->name));
    route->sequence.blocks = &config->fallback.respond;
    fallback->older = upstream->fallbacks;
    upstream->fallbacks = fallback;
    upstream_bind_answers(upstream, route->name, &config->fallback.respond);
    return fallback;
}

/* What a connection was accepted with */

/** Connections that are accepted from now on speak the present protocol. */
static void era_begin(struct upstream *upstream)
{
    const struct port *port = upstream->port;
    uint64_t first = port->accepted + 1;
    if (upstream->eras && upstream->eras->protocol == upstream->now.protocol)
        return;
    if (!upstream->eras || upstream->eras->first != first) {
        struct era *era = memory_alloc(sizeof *era);
        era->older = upstream->eras;
        era->first = first;
        upstream->eras = era;
    }
    upstream->eras->protocol = upstream->now.protocol;
    /* those before the era of the oldest connection that lives are of nobody */
    struct era *last = upstream->eras;
    while (last->older && port->oldest && last->first > port->oldest->number)
        last = last->older;
    while (last->older) {
        struct era *older = last->older;
        last->older = older->older;
        memory_free(older);
    }
}

static int era_protocol(const struct upstream *upstream, const struct stream *stream)
{
    const struct era *era = upstream->eras;
    while (era->older && era->first > stream->number)
        era = era->older;
    return era->protocol;
}

/* The port's questions */

/** port->tls: what a new connection's handshake is made with. */
static struct tls_setup *upstream_tls(struct port *port, struct stream *stream)
{
    const struct upstream *upstream = port->owner;
    struct tls_setup *faulty = faults_tls(upstream->faults, stream);
    return faulty ? faulty : upstream->setup;
}

/** port->agreed: the protocol behind a handshake. */
static const struct protocol *upstream_agreed(struct port *port, struct stream *stream,
                                              struct str alpn)
{
    const struct upstream *upstream = port->owner;
    const struct manner *manner = manner_of(era_protocol(upstream, stream));
    const struct tls_setup *setup = tls_stream_setup(stream);
    const struct protocol *agreed = manner_protocol(manner, upstream);
    if (!manner->protocol)
        return agreed; /* a name that was agreed on does not matter to bytes */
    if (str_is(alpn, "h2"))
        agreed = &h2_protocol;
    else if (str_starts(alpn, STR("http/1.")) ||
             (!alpn.data && upstream_tls_speech(upstream->now.tls) & SPEECH_HTTP1))
        agreed = &h1_protocol; /* who speaks no ALPN speaks HTTP/1.1, where that is spoken, too */
    if (!setup || !tls_setup_lies(setup))
        return agreed;
    return agreed == &h2_protocol ? &h1_protocol : &h2_protocol;
}

/* From the config and the changes to what is now */

/** The config with all changes over it, and one more, which may be NULL. */
static struct upstream_config upstream_sum(const struct upstream *upstream,
                                           const struct upstream_change *more)
{
    struct upstream_config sum = *upstream->base;
    for (const struct change *change = upstream->changes; change; change = change->newer)
        upstream_config_put(&sum, change->given.config, change->given.node);
    if (more)
        upstream_config_put(&sum, more->config, more->node);
    return sum;
}

/** Puts the faults of a config there, in place of those of the one before. */
static void upstream_take_faults(struct upstream *upstream, const struct list *list)
{
    struct fault_config *const *configs = list->items;
    struct str why = {0};
    if (upstream->faults_of == list->items)
        return;
    for (size_t i = 0; i < upstream->fault_count; i++)
        faults_undo(upstream->faults, upstream->fault_ids[i]);
    memory_free(upstream->fault_ids);
    upstream->faults_of = list->items;
    upstream->fault_ids = memory_alloc_array(list->count + 1, sizeof *upstream->fault_ids);
    upstream->fault_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct str none = {0};
        upstream->fault_ids[i] =
            faults_push(upstream->faults, none, configs[i], upstream->arena, &why);
        if (!upstream->fault_ids[i])
            journal_note(upstream->port->server->journal, ENTRY_NOTE, upstream->port->name_id,
                         "the fault " STR_FMT " cannot stand: " STR_FMT,
                         STR_ARG(fault_config_name(configs[i])), STR_ARG(why));
    }
}

static bool change_gives(const struct upstream_change *change, const char *key)
{
    return node_get(change->node, key);
}

/** Whether the default forwards after a change: the newest of what may stand there does. */
static bool change_forwards(const struct change *change, bool before)
{
    if (change_gives(&change->given, "forward"))
        return true;
    return before && !change->fallback && !change_gives(&change->given, "behave") &&
           !change_gives(&change->given, "script") && !change_gives(&change->given, "stream");
}

/** Takes over what is now: the port's fields, the routes and the default. */
static void upstream_take(struct upstream *upstream, const struct upstream_config *now)
{
    struct port *port = upstream->port;
    const struct manner *manner = manner_of(now->protocol);
    upstream->now = *now;
    upstream->set = upstream->base_set;
    upstream->fallback = upstream->base_fallback;
    upstream->forwards = upstream->base->forward;
    for (const struct change *change = upstream->changes; change; change = change->newer) {
        if (change->set)
            upstream->set = change->set;
        if (change->fallback)
            upstream->fallback = change->fallback;
        upstream->forwards = change_forwards(change, upstream->forwards);
    }
    port->protocol = manner_protocol(manner, upstream);
    port->scheme = manner->scheme;
    port->calls = upstream_is_grpc(upstream) ? &grpc_calls : NULL;
    port->tls = config_has_tls(now) ? upstream_tls : NULL;
    port->agreed = upstream_agreed;
    port->handshake_ns = now->limits.read_ns;
    port->life_ns = now->limits.life_ns;
    port->max_connections = now->limits.max_connections;
    era_begin(upstream);
    upstream_take_faults(upstream, &upstream->now.faults);
}

/** The TLS of a config: a new setup with ticket keys of its own; the faults go over it. NULL with
 * *why. */
static struct tls_setup *upstream_setup(struct upstream *upstream,
                                        const struct upstream_config *config, struct str *why)
{
    const struct manner *manner = manner_of(config->protocol);
    const struct tls_defaults defaults = {
        .name = upstream->port->name,
        .host = upstream->port->host,
        .alpn = &manner->alpn,
        .alpn_count = manner->alpn.data ? 1 : 0,
    };
    struct tls_setup *setup =
        tls_setup_new(upstream->port->server, config->tls, &defaults, upstream->arena, why);
    if (!setup ||
        faults_tls_changed(upstream->faults, config->tls, &defaults, upstream->arena, why))
        return setup;
    tls_setup_release(setup);
    return NULL;
}

static void upstream_take_setup(struct upstream *upstream, struct tls_setup *setup)
{
    tls_setup_release(upstream->setup);
    upstream->setup = setup;
}

/** Gives the upstream the setup that a config needs, or none. False with *why: it has the old one.
 */
static bool upstream_renew(struct upstream *upstream, const struct upstream_config *config,
                           struct str *why)
{
    struct tls_setup *setup = NULL;
    if (config_has_tls(config)) {
        setup = upstream_setup(upstream, config, why);
        if (!setup)
            return false;
    } else if (!faults_tls_changed(upstream->faults, NULL, NULL, upstream->arena, why)) {
        return false;
    }
    upstream_take_setup(upstream, setup);
    return true;
}

static bool config_changes_tls(const struct upstream_config *before,
                               const struct upstream_config *after)
{
    return before->protocol != after->protocol || before->tls != after->tls;
}

void upstream_begin(struct upstream *upstream)
{
    upstream->faults = faults_new(upstream->port);
    upstream->base_set = set_new(upstream, upstream->base);
    upstream->base_fallback = fallback_new(upstream, upstream->base);
    upstream_take(upstream, upstream->base);
}

bool upstream_prepare(struct upstream *upstream, struct str *why)
{
    return upstream_renew(upstream, &upstream->now, why);
}

void upstream_end(struct upstream *upstream)
{
    while (upstream->changes) {
        struct change *newer = upstream->changes->newer;
        memory_free(upstream->changes);
        upstream->changes = newer;
    }
    while (upstream->eras) {
        struct era *older = upstream->eras->older;
        memory_free(upstream->eras);
        upstream->eras = older;
    }
    upstream_take_setup(upstream, NULL);
    memory_free(upstream->fault_ids);
}

void upstream_config_changed(struct upstream *upstream)
{
    struct upstream_config sum = upstream_sum(upstream, NULL);
    upstream_take(upstream, &sum);
}

uint64_t upstream_change(struct upstream *upstream, const struct upstream_change *given,
                         struct str *why)
{
    /* first of all: what this lets happen may itself change the upstream */
    port_end_connections(upstream->port, given->connections, DRAIN_NS);
    struct upstream_config sum = upstream_sum(upstream, given);
    if (upstream_config_speech(&sum) & SPEECH_GRPC && !sum.grpc.pool &&
        !upstream_config_forwards(&sum)) {
        *why = arena_printf(upstream->arena,
                            "'" STR_FMT "' has neither 'protos' nor 'protosets' for gRPC",
                            STR_ARG(upstream->port->name));
        return 0;
    }
    if (config_changes_tls(&upstream->now, &sum) || change_gives(given, "tls")) {
        if (!upstream_renew(upstream, &sum, why))
            return 0;
    }
    struct change **end = &upstream->changes;
    while (*end)
        end = &(*end)->newer;
    struct change *change = memory_alloc(sizeof *change);
    *change = (struct change){.id = ++upstream->last_id, .given = *given};
    if (change_gives(given, "routes"))
        change->set = set_new(upstream, given->config);
    if (change_gives(given, "default"))
        change->fallback = fallback_new(upstream, given->config);
    *end = change;
    upstream_take(upstream, &sum);
    return change->id;
}

/** The change with an id, to be taken out; NULL if there is none. */
static struct change **change_find(struct upstream *upstream, uint64_t id)
{
    struct change **link = &upstream->changes;
    while (*link && (*link)->id != id)
        link = &(*link)->newer;
    return *link ? link : NULL;
}

/** What would be without the change that `*link` points to. */
static struct upstream_config sum_without(struct upstream *upstream, struct change **link)
{
    struct change *change = *link;
    *link = change->newer;
    struct upstream_config sum = upstream_sum(upstream, NULL);
    *link = change;
    return sum;
}

bool upstream_undo_change(struct upstream *upstream, uint64_t id)
{
    struct change **link = change_find(upstream, id);
    if (!link)
        return false;
    struct upstream_config sum = sum_without(upstream, link);
    if (config_changes_tls(&upstream->now, &sum)) {
        struct str why = {0};
        /* what this lets happen may itself change the upstream */
        port_end_connections(upstream->port, (*link)->given.connections, DRAIN_NS);
        link = change_find(upstream, id);
        if (!link)
            return true;
        sum = sum_without(upstream, link);
        if (!upstream_renew(upstream, &sum, &why)) {
            journal_note(upstream->port->server->journal, ENTRY_NOTE, upstream->port->name_id,
                         "its TLS cannot be made again, so it stays as it is: " STR_FMT,
                         STR_ARG(why));
            return true;
        }
    }
    struct change *change = *link;
    *link = change->newer;
    memory_free(change);
    upstream_take(upstream, &sum);
    return true;
}
