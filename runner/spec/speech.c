#include "runner/spec/speech.h"

#include "server/action.h"
#include "server/fault/fault.h"

void spec_each_action(const struct scenario_spec *scenario,
                      void (*each)(void *context, const struct chosen *chosen), void *context)
{
    for (size_t c = 0; c <= scenario->client_count; c++) {
        const struct client_spec *client =
            c < scenario->client_count ? &scenario->clients[c] : scenario->finally;
        for (size_t i = 0; client && i < client->count; i++) {
            const struct chosen *chosen = &client->read[i].verb;
            if (chosen->member && !step_verb(&client->read[i]))
                each(context, chosen);
        }
    }
    const struct event_spec *events = scenario->events.items;
    for (size_t i = 0; i < scenario->events.count; i++) {
        const struct chosen *actions = events[i].actions.items;
        for (size_t j = 0; j < events[i].actions.count; j++)
            if (actions[j].member)
                each(context, &actions[j]);
    }
}

/** Whether a value holds what is known only during the run. */
static bool is_open(struct reader *reader, const struct node *node)
{
    const struct node *resolved;
    return node && reader_resolve_tree(reader, node, &resolved) == READ_DEFERRED;
}

/** Whether what a mapping says of protocol and TLS is known only during the run. */
static bool speech_is_open(struct reader *reader, const struct node *node)
{
    const struct node *resolved = node;
    if (node_is_scalar(node) && reader_resolve_tree(reader, node, &resolved) != READ_OK)
        return true;
    if (resolved->kind != NODE_MAP)
        return false;
    return is_open(reader, node_get(resolved, "protocol")) ||
           is_open(reader, node_get(resolved, "tls"));
}

static bool has_port(const struct list *ports, struct str port)
{
    const struct str *names = ports->items;
    for (size_t i = 0; i < ports->count; i++)
        if (names[i].data && str_equal(names[i], port))
            return true;
    return false;
}

/** What a port speaks, while the actions are gone through. */
struct listening {
    struct reader *reader;
    struct str port;
    unsigned speech;
    unsigned by_tls; /**< what `tls` actions add, if it ever has TLS */
    bool forwards;   /**< an action has it forward */
};

static void listen_to(void *context, const struct chosen *chosen)
{
    struct listening *listening = context;
    struct reader *reader = listening->reader;
    struct list ports = {0};
    bool is_switch = false;
    const struct upstream_config *config = action_config(chosen, &ports, &is_switch);
    bool forwards = !config && action_forwards(chosen, &ports);
    if (!config && !forwards)
        return;
    const struct node *node = chosen->node;
    bool any_port =
        chosen->deferred && (node_is_scalar(node) || is_open(reader, node_get(node, "port")));
    if (!any_port && !has_port(&ports, listening->port))
        return;
    listening->forwards |= forwards;
    if (forwards)
        return;
    bool any_speech = chosen->deferred && (any_port || speech_is_open(reader, node));
    if (is_switch)
        listening->speech |= any_speech ? SPEECH_ANY : upstream_config_speech(config);
    else
        listening->by_tls |=
            any_speech ? SPEECH_HTTP1 | SPEECH_HTTP2 : upstream_tls_speech(config->tls);
}

static const struct map_entry *find_upstream(const struct scenario_spec *scenario, struct str name)
{
    const struct map_entry *entries = scenario->upstreams.items;
    for (size_t i = 0; i < scenario->upstreams.count; i++)
        if (str_equal(entries[i].name, name))
            return &entries[i];
    return NULL;
}

unsigned spec_port_speaks(struct reader *reader, const struct scenario_spec *scenario,
                          struct str port)
{
    const struct map_entry *entry = find_upstream(scenario, port);
    if (!entry || speech_is_open(reader, entry->node))
        return SPEECH_ANY;
    struct listening listening = {
        .reader = reader, .port = port, .speech = upstream_config_speech(entry->value)};
    spec_each_action(scenario, listen_to, &listening);
    if (listening.speech & SPEECH_TLS)
        listening.speech |= listening.by_tls;
    if (listening.speech & SPEECH_HTTP2 &&
        (listening.forwards || upstream_config_forwards(entry->value)))
        listening.speech |= SPEECH_CALLS;
    return listening.speech;
}

static void speech_is_missing(struct reader *reader, struct str port, unsigned speech,
                              struct place place, struct str what)
{
    diagnostics_add(reader->diagnostics, place,
                    STR_FMT " needs a port that speaks %s, and '" STR_FMT
                            "' never does in this scenario",
                    STR_ARG(what), speech_name(speech), STR_ARG(port));
    diagnostics_help(reader->diagnostics,
                     "give '" STR_FMT "' the protocol %s, or 'switch' it to one", STR_ARG(port),
                     speech_protocols(speech));
}

void spec_need_speech(struct reader *reader, const struct scenario_spec *scenario, struct str port,
                      unsigned speech, struct place place, struct str what)
{
    if (speech && !(spec_port_speaks(reader, scenario, port) & speech))
        speech_is_missing(reader, port, speech, place, what);
}

/** One reading of all actions. */
struct checking {
    struct reader *reader;
    const struct scenario_spec *scenario;
};

static void check_need(const struct checking *checking, struct str port,
                       const struct action_need *need, struct place place)
{
    spec_need_speech(checking->reader, checking->scenario, port, need->speech, place, need->what);
    if (need->counts_requests.line)
        spec_need_speech(checking->reader, checking->scenario, port, SPEECH_HTTP,
                         need->counts_requests, STR("'after.requests'"));
}

static void check_action(void *context, const struct chosen *chosen)
{
    const struct checking *checking = context;
    const struct action_type *type = chosen->member->extra;
    struct action_need need = {0};
    if (!type || !type->needs || !chosen->value)
        return;
    type->needs(chosen->value, &need);
    const struct str *names = need.ports.items;
    for (size_t i = 0; i < need.ports.count; i++)
        if (names[i].data)
            check_need(checking, names[i], &need, chosen->place);
}

/** The keys of one upstream. */
struct checking_upstream {
    const struct checking *checking;
    struct str name;
};

static void check_key(void *context, const struct node_pair *pair, unsigned speech, struct str what)
{
    const struct checking_upstream *upstream = context;
    spec_need_speech(upstream->checking->reader, upstream->checking->scenario, upstream->name,
                     speech, pair->key->place, what);
}

static void each_of_client(const struct client_spec *client,
                           void (*each)(void *context, const struct verify_item *item),
                           void *context)
{
    for (size_t i = 0; client && i < client->count; i++) {
        const struct chosen *verb = &client->read[i].verb;
        if (verb->member && verb->member->type == &verify_type)
            each(context, verb->value);
    }
}

void spec_each_verify(const struct scenario_spec *scenario,
                      void (*each)(void *context, const struct verify_item *item), void *context)
{
    const struct verify_item *items = scenario->verify.items;
    for (size_t i = 0; i < scenario->verify.count; i++)
        each(context, &items[i]);
    for (size_t i = 0; i < scenario->client_count; i++)
        each_of_client(&scenario->clients[i], each, context);
    each_of_client(scenario->finally, each, context);
}

/** Requests, handshakes and frames are counted where some can come. */
static void check_verify(void *context, const struct verify_item *item)
{
    const struct checking *checking = context;
    struct str port = {0};
    struct str what = arena_printf(checking->reader->arena, "'%s'",
                                   item->subject.member ? item->subject.member->key : "verify");
    unsigned speech = verify_needs(item, &port);
    spec_need_speech(checking->reader, checking->scenario, port, speech, item->subject.place, what);
    if (port.data && verify_asks_grpc_status(item) &&
        spec_port_speaks(checking->reader, checking->scenario, port) & SPEECH_HTTP)
        spec_need_speech(checking->reader, checking->scenario, port, SPEECH_HTTP2,
                         item->subject.place, STR("'grpc-status'"));
}

void spec_check_speech(struct reader *reader, const struct scenario_spec *scenario)
{
    struct checking checking = {reader, scenario};
    const struct map_entry *entries = scenario->upstreams.items;
    for (size_t i = 0; i < scenario->upstreams.count; i++) {
        struct checking_upstream upstream = {&checking, entries[i].name};
        if (entries[i].node->kind == NODE_MAP)
            upstream_config_each_need(entries[i].node, check_key, &upstream);
    }
    spec_each_action(scenario, check_action, &checking);
    spec_each_verify(scenario, check_verify, &checking);
}

/** Whether a key stands anywhere in a tree. */
static bool node_has(const struct node *node, const char *key)
{
    bool found = node->kind == NODE_MAP && node_get(node, key);
    for (size_t i = 0; i < node->count && !found && node->kind == NODE_MAP; i++)
        found = node_has(node->pairs[i].value, key);
    for (size_t i = 0; i < node->count && !found && node->kind == NODE_LIST; i++)
        found = node_has(node->items[i], key);
    return found;
}

/** A port of a document whose actions are not known. */
struct port_alone {
    struct reader *reader;
    const struct map_entry *entry;
    unsigned speech; /**< what it speaks as it is written, and what a `tls` action may add */
};

static void check_alone(const struct port_alone *port, unsigned speech, struct place place,
                        struct str what)
{
    if (speech && !(port->speech & speech))
        speech_is_missing(port->reader, port->entry->name, speech, place, what);
}

static void check_key_alone(void *context, const struct node_pair *pair, unsigned speech,
                            struct str what)
{
    check_alone(context, speech, pair->key->place, what);
}

static void check_fault_alone(void *context, const struct fault_config *fault)
{
    const struct port_alone *port = context;
    if (!fault)
        return;
    fault_check_first(port->reader->diagnostics, fault);
    check_alone(
        port, upstream_fault_speech(fault), fault->kind.place,
        arena_printf(port->reader->arena, "'" STR_FMT "'", STR_ARG(fault_config_kind(fault))));
    if (fault->after.requests_place.line)
        check_alone(port, SPEECH_HTTP, fault->after.requests_place, STR("'after.requests'"));
}

void spec_check_ports_alone(struct reader *reader, const struct scenario_spec *scenario)
{
    const struct map_entry *entries = scenario->upstreams.items;
    if (node_has(scenario->node, "switch"))
        return;
    for (size_t i = 0; i < scenario->upstreams.count; i++) {
        struct port_alone port = {.reader = reader, .entry = &entries[i]};
        const struct node *node = entries[i].node;
        if (entries[i].failed || node->kind != NODE_MAP || speech_is_open(reader, node))
            continue;
        port.speech = upstream_config_speech(entries[i].value);
        if (port.speech & SPEECH_TLS && port.speech & SPEECH_HTTP)
            port.speech |= SPEECH_HTTP1 | SPEECH_HTTP2;
        /* also where it is an action that forwards */
        if (port.speech & SPEECH_HTTP2 && node_has(scenario->node, "forward"))
            port.speech |= SPEECH_CALLS;
        upstream_config_each_need(node, check_key_alone, &port);
        upstream_config_each_fault(entries[i].value, check_fault_alone, &port);
    }
}

/** A list of upstreams that grows. */
struct collecting {
    struct arena *arena;
    struct map_entry *entries;
    size_t count;
    size_t capacity;
};

static void collect(struct collecting *collecting, const struct map_entry *entry)
{
    arena_grow(collecting->arena, &collecting->entries, collecting->count, &collecting->capacity,
               sizeof *collecting->entries);
    collecting->entries[collecting->count++] = *entry;
}

static void collect_switch(void *context, const struct chosen *chosen)
{
    struct collecting *collecting = context;
    struct list ports = {0};
    bool is_switch = false;
    const struct upstream_config *config = action_config(chosen, &ports, &is_switch);
    const struct str *names = ports.items;
    for (size_t i = 0; is_switch && i < ports.count; i++) {
        struct map_entry entry = {.name = names[i], .place = chosen->place, .node = chosen->node};
        /* nobody writes to it; an entry's value is of any use */
        entry.value = (void *)(uintptr_t)config;
        collect(collecting, &entry);
    }
}

struct list spec_upstreams_ever(const struct scenario_spec *scenario, struct arena *arena)
{
    struct collecting collecting = {.arena = arena};
    const struct map_entry *entries = scenario->upstreams.items;
    for (size_t i = 0; i < scenario->upstreams.count; i++)
        collect(&collecting, &entries[i]);
    spec_each_action(scenario, collect_switch, &collecting);
    return (struct list){collecting.entries, collecting.count};
}
