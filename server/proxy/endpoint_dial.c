/* Connecting to an endpoint: the lookup of its addresses, then one after the other. */

#include "base/clock.h"
#include "base/memory.h"
#include "base/resolve.h"
#include "server/proxy/endpoint.h"
#include "server/stream/stream.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/** A listener's full queue is not told by poll: unix sockets are tried again. */
#define UNIX_AGAIN_NS (5 * INT64_C(1000000))

enum { ADDRESS_TEXT = 192, HOST_TEXT = 256 };

/* Looking up. */

struct endpoint_lookup {
    struct resolution *resolution;
    void (*found)(void *context, const struct addresses *addresses, struct str why);
    void *context;
    char host[HOST_TEXT];
};

static void lookup_told(void *context, const struct addresses *addresses, const char *words)
{
    struct endpoint_lookup *lookup = context;
    char why[HOST_TEXT + 128];
    snprintf(why, sizeof why, "the name %s was not found: %s", lookup->host, words);
    lookup->found(lookup->context, addresses, addresses->count ? STR("") : str_of(why));
    memory_free(lookup);
}

static void unix_address(struct str path, struct addresses *addresses)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&addresses->items[0];
    size_t size = path.size < sizeof address->sun_path ? path.size : sizeof address->sun_path - 1;
    addresses->items[0] = (struct sockaddr_storage){0};
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path.data, size);
    addresses->sizes[0] = sizeof *address;
    addresses->count = 1;
}

struct endpoint_lookup *
endpoint_lookup(struct loop *loop, const struct endpoint *endpoint,
                void (*found)(void *context, const struct addresses *addresses, struct str why),
                void *context)
{
    struct addresses addresses = {.count = 0};
    char host[HOST_TEXT];
    int error = 0;
    if (endpoint->unix_path.data) {
        unix_address(endpoint->unix_path, &addresses);
        found(context, &addresses, STR(""));
        return NULL;
    }
    if (endpoint->host.size >= sizeof host) {
        found(context, &addresses, STR("the name is too long for one"));
        return NULL;
    }
    snprintf(host, sizeof host, STR_FMT, STR_ARG(endpoint->host));
    if (resolve_known(host, endpoint->number, &addresses)) {
        found(context, &addresses, STR(""));
        return NULL;
    }
    struct endpoint_lookup *lookup = memory_alloc(sizeof *lookup);
    lookup->found = found;
    lookup->context = context;
    memcpy(lookup->host, host, sizeof host);
    lookup->resolution = resolve_start(loop, host, endpoint->number, lookup_told, lookup, &error);
    if (lookup->resolution)
        return lookup;
    lookup_told(lookup, &addresses, strerror(error));
    return NULL;
}

void endpoint_lookup_cancel(struct endpoint_lookup *lookup)
{
    if (!lookup)
        return;
    resolve_cancel(lookup->resolution);
    memory_free(lookup);
}

/* Dialing. */

struct endpoint_dial {
    struct server *server;
    struct endpoint_dial_user user;
    void *context;
    struct endpoint_lookup *lookup;
    struct stream *stream; /**< of the address that is being tried */
    struct timer timer;    /**< the first turn, and each further try on a unix socket */
    struct addresses addresses;
    size_t at; /**< of the address that is being tried */
    int64_t started_ns;
    uint64_t connection;
    uint8_t hops;
    uint32_t name_id;
    uint32_t to_id; /**< in the journal: the endpoint as written */
    int error;      /**< of the last address */
    char why[HOST_TEXT + 128];
};

static void address_show(const struct sockaddr_storage *address, socklen_t size,
                         char out[ADDRESS_TEXT])
{
    char host[96];
    char port[8];
    if (address->ss_family == AF_UNIX) {
        snprintf(out, ADDRESS_TEXT, "unix:%s", ((const struct sockaddr_un *)address)->sun_path);
        return;
    }
    if (getnameinfo((const struct sockaddr *)address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        host[0] = port[0] = '\0';
    bool six = address->ss_family == AF_INET6;
    snprintf(out, ADDRESS_TEXT, "%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
}

static void dial_free(struct endpoint_dial *dial)
{
    timer_stop(&dial->timer);
    memory_free(dial);
}

static struct entry dial_entry(const struct endpoint_dial *dial, enum entry_kind kind)
{
    struct entry entry = journal_entry(kind, dial->name_id);
    entry.connection = dial->connection;
    entry.route = dial->to_id;
    entry.extra2 = (uint64_t)(clock_now() - dial->started_ns);
    return entry;
}

static void dial_fail(struct endpoint_dial *dial)
{
    struct str why = str_of(dial->why);
    struct entry entry = dial_entry(dial, ENTRY_DIAL_FAILED);
    entry.status = (uint16_t)dial->error;
    timer_stop(&dial->timer);
    if (dial->name_id)
        journal_append(dial->server->journal, &entry, why);
    dial->user.failed(dial->context, dial->error, why);
    dial_free(dial);
}

/** The stream has connected: from here on it is the user's. */
static void *dial_stands(struct stream *stream)
{
    struct endpoint_dial *dial = stream->owner;
    char address[ADDRESS_TEXT];
    struct entry entry = dial_entry(dial, ENTRY_DIAL);
    address_show(&dial->addresses.items[dial->at], dial->addresses.sizes[dial->at], address);
    if (dial->name_id)
        stream->entry = journal_append(dial->server->journal, &entry, str_of(address));
    stream->owner = dial->context;
    stream->protocol = dial->user.protocol;
    dial_free(dial);
    return stream->protocol->start(stream);
}

/** What a stream has until it stands; start() puts the user's in its place. */
static const struct protocol dial_protocol = {.name = "dial", .start = dial_stands};

static void dial_try(struct endpoint_dial *dial);

static void dial_note(struct endpoint_dial *dial, int error)
{
    char address[ADDRESS_TEXT];
    dial->error = error;
    address_show(&dial->addresses.items[dial->at], dial->addresses.sizes[dial->at], address);
    if (error == ECONNREFUSED)
        snprintf(dial->why, sizeof dial->why, "%s refused the connection", address);
    else
        snprintf(dial->why, sizeof dial->why, "%s cannot be connected: %s", address,
                 strerror(error));
}

static void dial_failed(void *owner, int error)
{
    struct endpoint_dial *dial = owner;
    dial->stream = NULL;
    if (error == EAGAIN && dial->addresses.items[dial->at].ss_family == AF_UNIX) {
        timer_start(&dial->timer, UNIX_AGAIN_NS);
        return;
    }
    dial_note(dial, error);
    dial->at++;
    dial_try(dial);
}

static void dial_try(struct endpoint_dial *dial)
{
    for (; dial->at < dial->addresses.count; dial->at++) {
        const struct stream_dial to = {
            .address = &dial->addresses.items[dial->at],
            .address_size = dial->addresses.sizes[dial->at],
            .protocol = &dial_protocol,
            .owner = dial,
            .name_id = dial->name_id,
            .number = dial->connection,
            .hops = dial->hops,
            .failed = dial_failed,
        };
        int error = 0;
        dial->stream = stream_dial(dial->server, &to, &error);
        if (dial->stream)
            return;
        dial_note(dial, error);
    }
    dial_fail(dial);
}

static void dial_found(void *context, const struct addresses *addresses, struct str why)
{
    struct endpoint_dial *dial = context;
    dial->lookup = NULL;
    dial->addresses = *addresses;
    snprintf(dial->why, sizeof dial->why, STR_FMT, STR_ARG(why));
    timer_start(&dial->timer, 0);
}

static void dial_due(struct timer *timer)
{
    dial_try(CONTAINER_OF(timer, struct endpoint_dial, timer));
}

struct endpoint_dial *endpoint_dial_new(struct server *server, const struct endpoint *endpoint,
                                        const struct endpoint_dial_user *user, void *context,
                                        uint32_t name_id, uint64_t connection, unsigned hops)
{
    struct endpoint_dial *dial = memory_alloc(sizeof *dial);
    dial->server = server;
    dial->user = *user;
    dial->context = context;
    dial->name_id = name_id;
    dial->connection = connection;
    dial->hops = endpoint->own ? (uint8_t)hops : 0;
    dial->started_ns = clock_now();
    dial->to_id =
        journal_intern(server->journal, endpoint->name.data ? endpoint->name : endpoint->text);
    timer_init(&dial->timer, server->loop, dial_due);
    dial->lookup = endpoint_lookup(server->loop, endpoint, dial_found, dial);
    return dial;
}

void endpoint_dial_expire(struct endpoint_dial *dial)
{
    char address[ADDRESS_TEXT] = "the lookup of its name";
    endpoint_lookup_cancel(dial->lookup);
    if (dial->stream)
        stream_close(dial->stream, CLOSE_KILL);
    if (dial->at < dial->addresses.count)
        address_show(&dial->addresses.items[dial->at], dial->addresses.sizes[dial->at], address);
    dial->error = ETIMEDOUT;
    snprintf(dial->why, sizeof dial->why, "%s gave no answer in time", address);
    dial_fail(dial);
}

void endpoint_dial_cancel(struct endpoint_dial *dial)
{
    if (!dial)
        return;
    endpoint_lookup_cancel(dial->lookup);
    if (dial->stream)
        stream_close(dial->stream, CLOSE_KILL);
    dial_free(dial);
}
