/* Endpoints as a spec writes them, and where they lead at one moment. */

#include "server/proxy/endpoint.h"

#include "server/http/upstream.h"
#include "server/port/port.h"

#include <sys/un.h>

#define UNIX_PREFIX STR("unix:")

enum { UNIX_PATH_SIZE = sizeof(((struct sockaddr_un *)NULL)->sun_path) };

/** What a scheme of a URL says. */
struct scheme {
    const char *name;
    bool tls;
    enum endpoint_speech speech;
    uint16_t number; /**< of the port where none is written; 0 = one has to be */
};

static const struct scheme schemes[] = {
    {"http", false, ENDPOINT_EITHER, 80}, {"https", true, ENDPOINT_EITHER, 443},
    {"h2c", false, ENDPOINT_HTTP2, 80},   {"h2", true, ENDPOINT_HTTP2, 443},
    {"tcp", false, ENDPOINT_BYTES, 0},    {"tls", true, ENDPOINT_BYTES, 0},
    {"grpc", false, ENDPOINT_HTTP2, 0},   {"grpcs", true, ENDPOINT_HTTP2, 443},
};

static const struct scheme *scheme_of(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (str_equal_nocase(name, str_of(schemes[i].name)))
            return &schemes[i];
    return NULL;
}

/* Where it leads. */

static struct endpoint endpoint_unix(struct str text)
{
    return (struct endpoint){
        .text = text,
        .unix_path = str_from(text, UNIX_PREFIX.size),
        .speech = ENDPOINT_BYTES,
    };
}

void endpoint_speak(struct endpoint *endpoint, unsigned speech)
{
    endpoint->tls = speech & SPEECH_TLS;
    endpoint->speech = ENDPOINT_BYTES;
    if (speech & SPEECH_HTTP1)
        endpoint->speech = speech & SPEECH_HTTP2 ? ENDPOINT_EITHER : ENDPOINT_HTTP1;
    else if (speech & SPEECH_HTTP2)
        endpoint->speech = ENDPOINT_HTTP2;
}

/** What a port of the run speaks at this moment. */
static void endpoint_take_port(struct endpoint *endpoint, const struct port *port)
{
    endpoint_speak(endpoint, port->owner ? upstream_speech(port->owner) : 0);
}

static bool endpoint_by_name(const struct server *server, struct str name,
                             struct endpoint *endpoint)
{
    const struct port *port = server_port(server, name);
    if (!port)
        return server->program && server->program(server, name, endpoint);
    endpoint->name = port->name;
    endpoint->host = endpoint_host_of(port->host);
    endpoint->number = port->number;
    endpoint->own = true;
    endpoint_take_port(endpoint, port);
    return true;
}

/** A port of the run by its address; NULL if it is none. */
static const struct port *port_at(const struct server *server, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->ports[i]->number == endpoint->number &&
            endpoint_reaches(endpoint->host, server->ports[i]->host))
            return server->ports[i];
    return NULL;
}

/** An address of the run says what is spoken there; a scheme says whether that is over TLS. */
static void endpoint_by_address(const struct server *server, const struct scheme *scheme,
                                struct endpoint *endpoint)
{
    const struct port *port = port_at(server, endpoint);
    struct endpoint found = *endpoint;
    if (scheme) {
        endpoint->tls = scheme->tls;
        endpoint->speech = scheme->speech;
    }
    if (!port)
        return;
    endpoint->name = port->name;
    endpoint->own = true;
    endpoint_take_port(&found, port);
    if (!scheme)
        endpoint->tls = found.tls;
    if (!scheme || (scheme->speech == ENDPOINT_EITHER && found.tls == scheme->tls &&
                    found.speech != ENDPOINT_BYTES))
        endpoint->speech = found.speech;
}

bool endpoint_resolve(const struct server *server, struct str text, struct arena *arena,
                      struct endpoint *endpoint, struct str *why)
{
    if (str_starts(text, UNIX_PREFIX)) {
        *endpoint = endpoint_unix(text);
        return true;
    }
    struct endpoint_parts parts = endpoint_split(text);
    const struct scheme *scheme = parts.scheme.data ? scheme_of(parts.scheme) : NULL;
    *endpoint = (struct endpoint){
        .text = text, .host = parts.host, .number = parts.number, .speech = ENDPOINT_BYTES};
    if (parts.rest.size)
        endpoint->path = parts.rest;
    if (!parts.scheme.data && !parts.number && endpoint_by_name(server, parts.host, endpoint))
        return true;
    if (scheme && !endpoint->number)
        endpoint->number = scheme->number;
    if (parts.host.size == 0 || !endpoint->number || (parts.scheme.data && !scheme)) {
        *why = arena_printf(arena, "'" STR_FMT "' is neither a port of the run nor an address",
                            STR_ARG(text));
        return false;
    }
    endpoint_by_address(server, scheme, endpoint);
    return true;
}

/* As a spec writes it. */

static enum read_result endpoint_wrong(struct reader *reader, const struct node *node,
                                       const char *problem, const char *help)
{
    diagnostics_add(reader->diagnostics, node->place, "%s", problem);
    diagnostics_help(reader->diagnostics, "%s", help);
    return READ_FAILED;
}

static enum read_result check_unix(struct reader *reader, const struct node *node, struct str text)
{
    struct str path = str_from(text, UNIX_PREFIX.size);
    if (path.size == 0 || str_find_byte(path, '\0') >= 0)
        return endpoint_wrong(reader, node, "'unix:' needs the path of a socket",
                              "write unix:/run/app.sock");
    if (path.size < UNIX_PATH_SIZE)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place,
                    "the path of a unix socket has at most %d bytes, and this one has %zu",
                    UNIX_PATH_SIZE - 1, path.size);
    return READ_FAILED;
}

/** A word without a number has to be a port of the run. */
static enum read_result check_name(struct reader *reader, const struct node *node, struct str name)
{
    struct nearest nearest = {0};
    const struct scope *scope = reader->scope;
    if (!str_is_name(name))
        return endpoint_wrong(reader, node, "an address needs the number of its port",
                              "write HOST:PORT such as 127.0.0.1:8080");
    if (!scope || scope->defines(scope, NAME_PORT, name, &nearest))
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place,
                    "no upstream, proxy or program is called '" STR_FMT "'", STR_ARG(name));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

static enum read_result endpoint_check(struct reader *reader, const struct node *node,
                                       struct str text)
{
    if (str_starts(text, UNIX_PREFIX))
        return check_unix(reader, node, text);
    struct endpoint_parts parts = endpoint_split(text);
    const struct scheme *scheme = parts.scheme.data ? scheme_of(parts.scheme) : NULL;
    if (parts.scheme.data && !scheme)
        return endpoint_wrong(reader, node, "nothing is known of this kind of URL",
                              "write one of http:// https:// h2c:// h2:// grpc:// grpcs:// tcp:// "
                              "tls://, or HOST:PORT");
    if (parts.host.size == 0)
        return reader_expected(reader, node, endpoint_type.name);
    if (parts.number || (scheme && scheme->number))
        return READ_OK;
    if (scheme)
        return endpoint_wrong(
            reader, node, "this URL needs the number of a port",
            arena_printf(reader->arena, "write %s://HOST:PORT, or HOST:PORT", scheme->name).data);
    return check_name(reader, node, parts.host);
}

static enum read_result endpoint_read(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    if (!node_is_scalar(node) || text.size == 0)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = text;
    return endpoint_check(reader, node, text);
}

static struct json *endpoint_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

const struct type endpoint_type = {
    .name = "the name of an upstream, proxy or program, HOST:PORT, unix:PATH, or a URL",
    .size = sizeof(struct str),
    .read = endpoint_read,
    .schema = endpoint_schema,
};
