#include "runner/spec/proxies.h"

#include "runner/spec/speech.h"
#include "server/action.h"
#include "server/proxy/forward.h"
#include "server/proxy/forward_http.h"

/** One step of the way that bytes take: a port forwards to another. */
struct edge {
    size_t from; /**< positions in the scenario's upstreams */
    size_t to;
    struct place place; /**< of the endpoint */
};

struct edges {
    struct reader *reader;
    const struct scenario_spec *scenario;
    struct edge *items;
    size_t count;
    size_t capacity;
    size_t from; /**< of the port whose forwards are being looked at */
};

enum { NO_PORT = -1 };

static ptrdiff_t port_named(const struct scenario_spec *scenario, struct str name)
{
    const struct map_entry *entries = scenario->upstreams.items;
    for (size_t i = 0; i < scenario->upstreams.count; i++)
        if (str_equal(entries[i].name, name))
            return (ptrdiff_t)i;
    return NO_PORT;
}

/** An address leads to a port whose number is written. */
static ptrdiff_t port_at(const struct scenario_spec *scenario, struct str text)
{
    const struct map_entry *entries = scenario->upstreams.items;
    struct endpoint_parts parts = endpoint_split(text);
    for (size_t i = 0; i < scenario->upstreams.count; i++) {
        const struct upstream_config *config = entries[i].value;
        if (!entries[i].failed && config->port && config->port == parts.number &&
            endpoint_reaches(parts.host, config->host))
            return (ptrdiff_t)i;
    }
    return NO_PORT;
}

static void edge_add(void *context, struct str text, struct place place)
{
    struct edges *edges = context;
    struct str name = endpoint_name(text);
    ptrdiff_t to = name.data ? port_named(edges->scenario, name) : port_at(edges->scenario, text);
    if (to == NO_PORT)
        return;
    arena_grow(edges->reader->arena, &edges->items, edges->count, &edges->capacity,
               sizeof *edges->items);
    edges->items[edges->count++] =
        (struct edge){.from = edges->from, .to = (size_t)to, .place = place};
}

/** All that the ports forward to as they are written. */
static void edges_of_ports(struct edges *edges)
{
    const struct map_entry *entries = edges->scenario->upstreams.items;
    for (size_t i = 0; i < edges->scenario->upstreams.count; i++) {
        const struct upstream_config *config = entries[i].value;
        const struct route_config *routes = config->routes.items;
        edges->from = i;
        if (entries[i].failed)
            continue;
        if (config->forward)
            forward_each_endpoint(config->forward, edge_add, edges);
        for (size_t j = 0; j < config->routes.count; j++)
            if (routes[j].forward)
                forward_each_endpoint(routes[j].forward, edge_add, edges);
    }
}

/** The way of a search: which ports were seen, and by which edge each was reached. */
struct search {
    const struct edges *edges;
    bool *seen;
    const struct edge **by;
};

/** Whether `target` is reached from `from`. Each port is gone through once. */
static bool search_reaches(struct search *search, size_t from, size_t target)
{
    if (from == target)
        return true;
    if (search->seen[from])
        return false;
    search->seen[from] = true;
    for (size_t i = 0; i < search->edges->count; i++) {
        const struct edge *edge = &search->edges->items[i];
        if (edge->from != from)
            continue;
        search->by[from] = edge;
        if (search_reaches(search, edge->to, target))
            return true;
    }
    return false;
}

static struct search search_begin(const struct edges *edges)
{
    size_t count = edges->scenario->upstreams.count;
    struct arena *arena = edges->reader->arena;
    return (struct search){
        .edges = edges,
        .seen = arena_alloc_array(arena, count, sizeof(bool)),
        .by = arena_alloc_array(arena, count, sizeof(const struct edge *)),
    };
}

static struct str name_at(const struct edges *edges, size_t at)
{
    return ((const struct map_entry *)edges->scenario->upstreams.items)[at].name;
}

/** "edge → wire → edge" of the way that was found from `first` on. */
static struct str loop_words(const struct search *search, size_t start, size_t first)
{
    struct arena *arena = search->edges->reader->arena;
    struct str words = arena_copy(arena, name_at(search->edges, start));
    for (size_t at = first; at != start; at = search->by[at]->to)
        words = arena_printf(arena, STR_FMT " → " STR_FMT, STR_ARG(words),
                             STR_ARG(name_at(search->edges, at)));
    return arena_printf(arena, STR_FMT " → " STR_FMT, STR_ARG(words),
                        STR_ARG(name_at(search->edges, start)));
}

static void tell_loop(const struct edges *edges, struct place place, struct str words)
{
    diagnostics_add(edges->reader->diagnostics, place,
                    "what is forwarded here comes back: " STR_FMT, STR_ARG(words));
    diagnostics_help(edges->reader->diagnostics,
                     "a loop of proxies has no end; forward to something outside of it");
}

/** Tells each loop once: at the edge by which its first port, in the order written, leaves. */
static void check_ports(struct edges *edges)
{
    for (size_t i = 0; i < edges->count; i++) {
        const struct edge *edge = &edges->items[i];
        struct search search = search_begin(edges);
        bool first = true;
        if (!search_reaches(&search, edge->to, edge->from))
            continue;
        for (size_t at = edge->to; at != edge->from; at = search.by[at]->to)
            first = first && at > edge->from;
        if (first)
            tell_loop(edges, edge->place, loop_words(&search, edge->from, edge->to));
    }
}

/* tls */

/** Whether TLS may be spoken there. */
static bool may_have_tls(const struct edges *edges, struct str text)
{
    struct str name = endpoint_name(text);
    struct str scheme = endpoint_split(text).scheme;
    /* what is known only later may speak it, and so may programs and addresses */
    if (text.data && name.data && port_named(edges->scenario, name) != NO_PORT)
        return spec_port_speaks(edges->reader, edges->scenario, name) & SPEECH_TLS;
    return !str_is(scheme, "http") && !str_is(scheme, "h2c") && !str_is(scheme, "tcp");
}

/** `tls` says how TLS is spoken with one of these far sides, not that it is. */
static void check_tls_with(struct edges *edges, const struct node *node, const struct str *to,
                           size_t count)
{
    const struct node_pair *tls =
        node && node->kind == NODE_MAP ? node_find(node, STR("tls")) : NULL;
    bool secure = !count;
    for (size_t i = 0; i < count; i++)
        secure = secure || may_have_tls(edges, to[i]);
    if (!tls || secure)
        return;
    diagnostics_add(edges->reader->diagnostics, tls->key->place,
                    "'tls' needs a far side that speaks TLS, and none in 'to' ever does");
    diagnostics_help(edges->reader->diagnostics,
                     "leave it out, or write a URL with https or h2, or a port that has TLS");
}

static void check_tls(struct edges *edges, const struct forward *forward)
{
    const struct map_entry *calls = forward->http ? forward->http->calls.items : NULL;
    check_tls_with(edges, forward->node, forward->to.items, forward->to.count);
    for (size_t i = 0; forward->http && i < forward->http->calls.count; i++)
        if (calls[i].value)
            check_tls_with(edges, calls[i].node, &((const struct forward_call *)calls[i].value)->to,
                           1);
}

static void check_tls_of_ports(struct edges *edges)
{
    const struct map_entry *entries = edges->scenario->upstreams.items;
    for (size_t i = 0; i < edges->scenario->upstreams.count; i++) {
        const struct upstream_config *config = entries[i].value;
        const struct route_config *routes = config->routes.items;
        if (config->forward)
            check_tls(edges, config->forward);
        for (size_t j = 0; j < config->routes.count; j++)
            if (routes[j].forward)
                check_tls(edges, routes[j].forward);
    }
}

/* Actions */

/** One reading of all actions. */
struct checking {
    struct edges *edges;
    const struct chosen *except; /**< whose own ports do not count */
    struct str port;
    bool changed; /**< some action changes where that port forwards to */
};

static bool has_port(const struct list *ports, struct str name)
{
    const struct str *names = ports->items;
    for (size_t i = 0; i < ports->count; i++)
        if (!names[i].data || str_equal(names[i], name))
            return true;
    return false;
}

static void look_for_change(void *context, const struct chosen *chosen)
{
    struct checking *checking = context;
    struct list ports = {0};
    bool is_switch = false;
    const struct upstream_config *config = action_config(chosen, &ports, &is_switch);
    bool changes = (config && is_switch) || action_forwards(chosen, &ports);
    if (chosen != checking->except && changes && has_port(&ports, checking->port))
        checking->changed = true;
}

/** Whether an action other than this one ever changes where a port forwards to. */
static bool is_changed(struct edges *edges, const struct chosen *except, size_t at)
{
    struct checking checking = {edges, except, name_at(edges, at), false};
    spec_each_action(edges->scenario, look_for_change, &checking);
    return checking.changed;
}

/** A loop that an action makes, if nothing else changes on its way. */
static void check_way(struct edges *edges, const struct chosen *chosen, const struct edge *edge)
{
    struct search search = search_begin(edges);
    bool known = search_reaches(&search, edge->to, edge->from);
    for (size_t at = edge->to; known && at != edge->from; at = search.by[at]->to)
        known = !is_changed(edges, chosen, at);
    if (known)
        tell_loop(edges, edge->place, loop_words(&search, edge->from, edge->to));
}

/** The keys have to fit what the port speaks, where it never speaks anything else. */
static void check_fit(struct edges *edges, const struct forward *forward, struct str port)
{
    unsigned speech = spec_port_speaks(edges->reader, edges->scenario, port);
    if (!(speech & SPEECH_BYTES))
        (void)forward_check_http(edges->reader, forward);
    else if (!(speech & SPEECH_HTTP))
        (void)forward_check_bytes(edges->reader, forward);
}

static void check_action(void *context, const struct chosen *chosen)
{
    struct edges *edges = context;
    struct list ports = {0};
    const struct forward *forward = action_forwards(chosen, &ports);
    const struct str *names = ports.items;
    for (size_t i = 0; forward && i < ports.count; i++) {
        ptrdiff_t from = names[i].data ? port_named(edges->scenario, names[i]) : NO_PORT;
        struct edges own = {.reader = edges->reader, .scenario = edges->scenario};
        if (from == NO_PORT)
            continue;
        check_fit(edges, forward, names[i]);
        check_tls(edges, forward);
        own.from = (size_t)from;
        forward_each_endpoint(forward, edge_add, &own);
        for (size_t j = 0; j < own.count; j++)
            check_way(edges, chosen, &own.items[j]);
    }
}

/* verify */

static bool forwards(const struct upstream_config *config)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].forward)
            return true;
    return config->forward;
}

/** Connections are counted from where some can be made. */
static void check_verify(void *context, const struct verify_item *item)
{
    struct edges *edges = context;
    const struct map_entry *entries = edges->scenario->upstreams.items;
    struct str name = verify_dialling(item);
    ptrdiff_t at = name.data ? port_named(edges->scenario, name) : NO_PORT;
    if (at == NO_PORT || entries[at].failed || forwards(entries[at].value) ||
        is_changed(edges, NULL, (size_t)at))
        return;
    diagnostics_add(edges->reader->diagnostics, item->subject.place,
                    "'from' needs a port that forwards, and '" STR_FMT
                    "' never does in this scenario",
                    STR_ARG(name));
    diagnostics_help(edges->reader->diagnostics, "name a proxy, or the port with 'to'");
}

void spec_check_loops(struct reader *reader, const struct scenario_spec *scenario)
{
    struct edges edges = {.reader = reader, .scenario = scenario};
    edges_of_ports(&edges);
    check_ports(&edges);
}

void spec_check_proxies(struct reader *reader, const struct scenario_spec *scenario)
{
    struct edges edges = {.reader = reader, .scenario = scenario};
    edges_of_ports(&edges);
    check_ports(&edges);
    check_tls_of_ports(&edges);
    spec_each_action(scenario, check_action, &edges);
    spec_each_verify(scenario, check_verify, &edges);
}
