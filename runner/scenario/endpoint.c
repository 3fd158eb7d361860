/* Where an endpoint leads: a name of the run, an address, a URL. */

#include "server/proxy/endpoint.h"
#include "runner/scenario/scenario_private.h"

static uint16_t default_number(struct str scheme)
{
    return str_equal_nocase(scheme, STR("https")) ? 443 : 80;
}

static const struct scenario_port *find_by_address(const struct scenario *scenario,
                                                   const struct endpoint_parts *parts)
{
    uint16_t number = parts->number ? parts->number : default_number(parts->scheme);
    for (size_t i = 0; i < scenario->port_count; i++) {
        const struct scenario_port *port = &scenario->ports[i];
        if (port->number == number && endpoint_reaches(parts->host, port->host))
            return port;
    }
    return NULL;
}

/** A name is one only without scheme and number: "api", "api/x". */
static const struct scenario_port *find_by_name(const struct scenario *scenario,
                                                const struct endpoint_parts *parts)
{
    if (parts->scheme.data || parts->number)
        return NULL;
    return scenario_find_port(scenario, parts->host);
}

bool scenario_endpoint_port(struct scenario *scenario, struct str url,
                            struct scenario_endpoint *endpoint)
{
    struct endpoint_parts parts = endpoint_split(url);
    const struct scenario_port *port = find_by_name(scenario, &parts);
    if (!port)
        port = find_by_address(scenario, &parts);
    if (!port)
        return false;
    int protocol = scenario_port_protocol(port);
    *endpoint = (struct scenario_endpoint){
        .name = port->name,
        .protocol = protocol,
        .tls = upstream_protocol_has_tls(protocol),
        .program = !port->port,
    };
    return true;
}

struct str scenario_endpoint_url(struct scenario *scenario, struct str url, struct arena *arena)
{
    struct endpoint_parts parts = endpoint_split(url);
    if (parts.scheme.data)
        return url;
    const struct scenario_port *named = find_by_name(scenario, &parts);
    const struct scenario_port *port = named ? named : find_by_address(scenario, &parts);
    bool tls = port && upstream_protocol_has_tls(scenario_port_protocol(port));
    const char *scheme = tls ? "https" : "http";
    if (!named)
        return arena_printf(arena, "%s://" STR_FMT, scheme, STR_ARG(url));
    struct str base = scenario_port_url(named, arena);
    if (str_find(base, STR("://")) < 0)
        base = arena_printf(arena, "%s://" STR_FMT, scheme, STR_ARG(base));
    return arena_printf(arena, STR_FMT STR_FMT, STR_ARG(base), STR_ARG(parts.rest));
}
