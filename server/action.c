#include "server/action_private.h"

#include "base/memory.h"
#include "server/http/respond_private.h"

#include <string.h>

static const enum name_kind upstream_name = NAME_UPSTREAM;
static const enum name_kind route_name = NAME_ROUTE;
static const struct type port_type = TYPE_NAME(&upstream_name);
const struct type action_ports_type = TYPE_ONE_OR_LIST(&port_type);
static const struct type route_type = TYPE_NAME(&route_name);

/* What several actions share */

void action_add_undo(struct action_run *run, void (*function)(struct undo *), void *target,
                     uint64_t id)
{
    struct undo *undo = arena_alloc(run->arena, sizeof *undo);
    *undo = (struct undo){.next = run->undo, .undo = function, .target = target, .id = id};
    run->undo = undo;
    run->keep = true;
}

struct port *action_port(struct action_run *run, struct str name)
{
    struct port *port = server_port(run->context, name);
    if (!port)
        run->why = arena_printf(run->arena, "no upstream is called '" STR_FMT "'", STR_ARG(name));
    return port;
}

static void action_port_failed(struct action_run *run, const struct port *port, int error)
{
    run->why = arena_printf(run->arena, "the port of '" STR_FMT "' could not be opened: %s",
                            STR_ARG(port->name), strerror(-error));
    run->harness = true;
}

static void undo_port(struct undo *undo)
{
    /* a port that cannot be opened again shows as refused connections; its listen(2) succeeded
     * before */
    int error = port_undo(undo->target, undo->id);
    (void)error;
}

/** What acts on one route or on all of a port. */
struct action_scope {
    struct str route;
    struct str port;
    struct str of; /**< the port, also where a route is written; data NULL = not known yet */
};

static enum read_result action_scope_check(struct reader *reader, const struct node *node,
                                           struct action_scope *scope)
{
    ptrdiff_t dot = scope->route.data ? str_find_byte(scope->route, '.') : -1;
    scope->of = dot < 0 ? scope->port : str_slice(scope->route, 0, (size_t)dot);
    if ((scope->route.data != NULL) + (scope->port.data != NULL) == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "it needs either 'route' or 'port'");
    diagnostics_help(reader->diagnostics,
                     "write route: PORT.NAME for one route, or port: NAME for every route and "
                     "the default");
    return READ_FAILED;
}

/** What answers requests needs a port that has some. */
static void action_scope_needs(const struct action_scope *scope, const char *what,
                               struct action_need *need)
{
    /* nobody writes to it; the items of a list are of any use */
    *need = (struct action_need){{(void *)(uintptr_t)&scope->of, 1}, SPEECH_HTTP, str_of(what)};
}

/** The upstream that a scope names, if it has requests now; *route is the route's own name, or data
 * NULL for all of it. */
static struct upstream *action_upstream(struct action_run *run, const struct action_scope *scope,
                                        const char *action, struct str *route)
{
    struct str name = scope->port;
    *route = (struct str){0};
    if (scope->route.data) {
        ptrdiff_t dot = str_find_byte(scope->route, '.');
        name = dot < 0 ? scope->route : str_slice(scope->route, 0, (size_t)dot);
        *route = dot < 0 ? (struct str){0} : str_from(scope->route, (size_t)dot + 1);
    }
    struct port *port = action_port(run, name);
    if (!port || !action_port_speaks(run, port, SPEECH_HTTP, str_of(action), "HTTP"))
        return NULL;
    if (route->data && !upstream_has_route(port->owner, *route)) {
        run->why = arena_printf(run->arena, "'" STR_FMT "' has no route called '" STR_FMT "'",
                                STR_ARG(name), STR_ARG(*route));
        return NULL;
    }
    run->target(run, scope->route.data ? scope->route : scope->port);
    return port->owner;
}

void action_undo_upstream(struct undo *undo)
{
    upstream_undo(undo->target, undo->id);
}

/* open */

struct open_action {
    struct list ports; /**< of struct str */
};

static const struct row open_rows[] = {
    {"port", &action_ports_type, offsetof(struct open_action, ports), ROW_REQUIRED, NULL,
     "The port, or a list of them."},
};
static const struct table open_table = {
    TABLE_ROWS("open", open_rows),
    .doc = "Opens a port; opening an open port changes nothing.",
    .shorthand = "port",
};
static const struct type open_type = TYPE_TABLE(&open_table, struct open_action);

static void open_run(struct action_run *run, const void *value)
{
    const struct open_action *action = value;
    const struct str *names = action->ports.items;
    for (size_t i = 0; i < action->ports.count; i++) {
        struct port *port = action_port(run, names[i]);
        uint64_t id = 0;
        if (!port)
            return;
        run->target(run, names[i]);
        int error = run->wants_undo ? port_push(port, true, CLOSE_KEEP, 0, &id) : port_open(port);
        if (error) {
            action_port_failed(run, port, error);
            return;
        }
        if (run->wants_undo)
            action_add_undo(run, undo_port, port, id);
    }
}

static const struct action_type open_action = {.run = open_run, .undoable = true};

/* close */

struct close_action {
    struct list ports;
    int how;
    int64_t within_ns;
};

static const struct choice close_choices[] = {
    {"fin", CLOSE_FIN,
     "FIN after what is written, then read on until the peer closes, at most 1 s"},
    {"rst", CLOSE_RST, "RST once the peer has acknowledged what was written, at most 1 s later"},
    {"kill", CLOSE_KILL,
     "what the kernel does to a killed server: FIN, or RST where unread bytes wait"},
    {"drain", CLOSE_DRAIN, "finish what is under way, then FIN"},
    {"keep", CLOSE_KEEP, "live connections stay"},
    {0},
};
const struct type action_close_type = TYPE_CHOICE(close_choices);

static const struct row close_rows[] = {
    {"port", &action_ports_type, offsetof(struct close_action, ports), ROW_REQUIRED, NULL,
     "The port, or a list of them."},
    {"connections", &action_close_type, offsetof(struct close_action, how), 0, "fin",
     "What becomes of live connections."},
    {"within", &type_time, offsetof(struct close_action, within_ns), 0, "5s",
     "The longest that `drain` may take."},
};

static void close_preset(void *into)
{
    struct close_action *action = into;
    action->how = CLOSE_FIN;
    action->within_ns = INT64_C(5000000000);
}

static enum read_result close_check(struct reader *reader, const struct node *node, void *into)
{
    const struct close_action *action = into;
    const struct node_pair *within = node_find(node, STR("within"));
    if (!within || action->how == CLOSE_DRAIN)
        return READ_OK;
    diagnostics_add(reader->diagnostics, within->key->place,
                    "'within' has an effect only with 'connections: drain'");
    return READ_FAILED;
}

static const struct table close_table = {
    TABLE_ROWS("close", close_rows),
    .doc = "Closes a port: it refuses connections and stays reserved.",
    .shorthand = "port",
    .preset = close_preset,
    .check = close_check,
};
static const struct type close_type = TYPE_TABLE(&close_table, struct close_action);

static void close_run(struct action_run *run, const void *value)
{
    const struct close_action *action = value;
    const struct str *names = action->ports.items;
    for (size_t i = 0; i < action->ports.count; i++) {
        struct port *port = action_port(run, names[i]);
        uint64_t id = 0;
        if (!port)
            return;
        run->target(run, names[i]);
        if (!run->wants_undo) {
            port_close(port, (enum close_how)action->how, action->within_ns);
            continue;
        }
        int error = port_push(port, false, (enum close_how)action->how, action->within_ns, &id);
        if (error) {
            action_port_failed(run, port, error);
            return;
        }
        action_add_undo(run, undo_port, port, id);
    }
}

static const struct action_type close_action = {.run = close_run, .undoable = true};

/* reopen */

struct reopen_action {
    struct list ports;
    int64_t down_ns;
    int how;
};

static const struct row reopen_rows[] = {
    {"port", &action_ports_type, offsetof(struct reopen_action, ports), ROW_REQUIRED, NULL,
     "The port, or a list of them."},
    {"down", &type_time, offsetof(struct reopen_action, down_ns), 0, "0ms",
     "How long it stays closed."},
    {"connections", &action_close_type, offsetof(struct reopen_action, how), 0, "fin",
     "What becomes of live connections."},
};

static void reopen_preset(void *into)
{
    ((struct reopen_action *)into)->how = CLOSE_FIN;
}

static const struct table reopen_table = {
    TABLE_ROWS("reopen", reopen_rows),
    .doc = "Closes a port and opens it again a while later. It is done once the port is closed.",
    .shorthand = "port",
    .preset = reopen_preset,
};
static const struct type reopen_type = TYPE_TABLE(&reopen_table, struct reopen_action);

static void reopen_run(struct action_run *run, const void *value)
{
    const struct reopen_action *action = value;
    const struct str *names = action->ports.items;
    for (size_t i = 0; i < action->ports.count; i++) {
        struct port *port = action_port(run, names[i]);
        if (!port)
            return;
        run->target(run, names[i]);
        int error = port_reopen(port, (enum close_how)action->how, action->down_ns);
        if (error) {
            action_port_failed(run, port, error);
            return;
        }
    }
}

static const struct action_type reopen_action = {.run = reopen_run};

/* respond */

struct respond_action {
    struct action_scope scope;
    struct respond respond;
};

static const struct row respond_rows[] = {
    {"route", &route_type, offsetof(struct respond_action, scope.route), 0, NULL,
     "The route, as PORT.NAME."},
    {"port", &port_type, offsetof(struct respond_action, scope.port), 0, NULL,
     "Every route of this port and its default."},
    {NULL, &respond_type, offsetof(struct respond_action, respond), ROW_INCLUDE, NULL, NULL},
};

static enum read_result respond_check(struct reader *reader, const struct node *node, void *into)
{
    struct respond_action *action = into;
    if (respond_is_empty(&action->respond)) {
        diagnostics_add(reader->diagnostics, node->place,
                        "the action 'respond' says nothing of the answer");
        diagnostics_help(reader->diagnostics,
                         "give at least one key of a respond block, such as status: 200");
        return READ_FAILED;
    }
    return action_scope_check(reader, node, &action->scope);
}

static const struct table respond_action_table = {
    TABLE_ROWS("respond action", respond_rows),
    .doc =
        "Replaces the whole respond block of a route, or of every route and the default of a port.",
    .check = respond_check,
};
static const struct type respond_action_type =
    TYPE_TABLE(&respond_action_table, struct respond_action);

/** Whether the port can give that answer now. */
static bool answer_fits(struct action_run *run, const struct upstream *upstream,
                        const struct respond *respond)
{
    if (!respond_is_grpc(respond))
        return true;
    if (!action_port_speaks(run, upstream_port(upstream), SPEECH_GRPC, STR("an answer of gRPC"),
                            "gRPC"))
        return false;
    if ((!respond->message && !respond->messages) || upstream_grpc(upstream)->pool)
        return true;
    run->why =
        arena_printf(run->arena,
                     "'" STR_FMT "' of '" STR_FMT "' needs 'protos' or "
                     "'protosets' there",
                     STR_ARG(respond->grpc_key->text), STR_ARG(upstream_port(upstream)->name));
    return false;
}

static void respond_run(struct action_run *run, const void *value)
{
    const struct respond_action *action = value;
    struct str route;
    struct upstream *upstream = action_upstream(run, &action->scope, "respond", &route);
    if (!upstream || !answer_fits(run, upstream, &action->respond))
        return;
    const struct respond **block = arena_alloc(run->arena, sizeof *block);
    struct list *sequence = arena_alloc(run->arena, sizeof *sequence);
    *block = &action->respond;
    *sequence = (struct list){block, 1};
    action_add_undo(run, action_undo_upstream, upstream,
                    upstream_push_respond(upstream, route, sequence));
}

/** The route of that name among all that the upstream ever has; NULL if it is not known. */
static const struct route_config *find_route(const struct list *upstreams, struct str upstream,
                                             struct str name)
{
    const struct map_entry *entries = upstreams->items;
    for (size_t i = 0; i < upstreams->count; i++) {
        const struct upstream_config *config = entries[i].value;
        const struct route_config *routes = config->routes.items;
        for (size_t j = 0; str_equal(entries[i].name, upstream) && j < config->routes.count; j++) {
            if (routes[j].name.data && str_equal(routes[j].name, name))
                return &routes[j];
        }
    }
    return NULL;
}

/** The protos that an upstream has at any time; NULL: none. */
static const struct protos *protos_of(const struct list *upstreams, struct str name)
{
    const struct map_entry *entries = upstreams->items;
    for (size_t i = 0; i < upstreams->count; i++) {
        const struct upstream_config *config = entries[i].value;
        if (str_equal(entries[i].name, name) && config->grpc.pool)
            return config->grpc.pool;
    }
    return NULL;
}

static enum read_result check_respond_action(struct reader *reader, const struct chosen *chosen,
                                             const struct list *upstreams)
{
    const struct list none = {0};
    if (!chosen->member || chosen->member->type != &respond_action_type || !chosen->value)
        return READ_OK;
    const struct respond_action *action = chosen->value;
    ptrdiff_t dot = action->scope.route.data ? str_find_byte(action->scope.route, '.') : -1;
    if (dot < 0)
        return action->scope.port.data ? respond_check_path(reader, &action->respond, &none)
                                       : READ_OK;
    const struct route_config *route =
        find_route(upstreams, str_slice(action->scope.route, 0, (size_t)dot),
                   str_from(action->scope.route, (size_t)dot + 1));
    if (!route)
        return READ_OK;
    struct list captures = match_captures(route->match);
    return read_worse(respond_check_path(reader, &action->respond, &captures),
                      grpc_check_respond(reader, protos_of(upstreams, action->scope.of), route,
                                         &action->respond));
}

const struct list *action_respond_faults(const struct chosen *chosen, struct str *port)
{
    if (!chosen->member || chosen->member->type != &respond_action_type || !chosen->value)
        return NULL;
    const struct respond_action *action = chosen->value;
    ptrdiff_t dot = action->scope.route.data ? str_find_byte(action->scope.route, '.') : -1;
    *port = dot < 0 ? action->scope.port : str_slice(action->scope.route, 0, (size_t)dot);
    return respond_faults(&action->respond);
}

static void respond_needs(const void *value, struct action_need *need)
{
    const struct respond_action *action = value;
    action_scope_needs(&action->scope, "'respond'", need);
    if (!respond_is_grpc(&action->respond))
        return;
    need->speech = SPEECH_GRPC;
    need->what = STR("an answer of gRPC");
}

static const struct action_type respond_action = {
    .run = respond_run, .undoable = true, .needs = respond_needs};

/* status and delay */

/** A value, or `off` which lifts it. */
struct status_value {
    bool off;
    struct grpc_or_http_status status;
};

struct delay_value {
    bool off;
    struct duration delay;
};

static bool is_off(const struct node *node)
{
    return node->kind == NODE_STRING && str_is(node->text, "off");
}

static enum read_result status_value_read(struct reader *reader, const struct type *type,
                                          const struct node *node, void *into)
{
    struct status_value *value = into;
    value->off = is_off(node);
    return value->off ? READ_OK : reader_read(reader, type->of, node, &value->status);
}

static enum read_result delay_value_read(struct reader *reader, const struct type *type,
                                         const struct node *node, void *into)
{
    struct delay_value *value = into;
    (void)type;
    value->off = is_off(node);
    return value->off ? READ_OK : type_duration.read(reader, &type_duration, node, &value->delay);
}

static struct json *off_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_either(writer, schema_of(writer, type->of),
                         schema_text(writer, "{\"const\": \"off\"}"));
}

static const struct type status_value_type = {
    .raw = true,
    .name = "a status such as 503, of gRPC such as UNAVAILABLE, or 'off'",
    .size = sizeof(struct status_value),
    .read = status_value_read,
    .schema = off_schema,
    .of = &grpc_or_http_status_type,
};
static const struct type delay_value_type = {
    .name = "a duration such as 300ms, or 'off'",
    .size = sizeof(struct delay_value),
    .read = delay_value_read,
    .schema = off_schema,
    .of = &type_duration,
};

struct status_action {
    struct action_scope scope;
    struct status_value status;
    struct respond respond; /**< of a status of gRPC */
    uint64_t times;
};

struct delay_action {
    struct action_scope scope;
    struct delay_value delay;
    uint64_t times;
};

static const struct row status_rows[] = {
    {"route", &route_type, offsetof(struct status_action, scope.route), 0, NULL,
     "The route, as PORT.NAME."},
    {"port", &port_type, offsetof(struct status_action, scope.port), 0, NULL,
     "Every route of this port and its default."},
    {"status", &status_value_type, offsetof(struct status_action, status), ROW_REQUIRED, NULL,
     "The status to answer with, with an empty body; of gRPC a name such as UNAVAILABLE, or "
     "{code, message, details}; `off` lifts it."},
    {"times", &type_positive, offsetof(struct status_action, times), 0, "no end",
     "For so many requests."},
};

static enum read_result status_check(struct reader *reader, const struct node *node, void *into)
{
    struct status_action *action = into;
    action->respond.status.grpc = action->status.status.grpc;
    action->respond.grpc_key = node;
    return action_scope_check(reader, node, &action->scope);
}

static const struct table status_table = {
    TABLE_ROWS("status", status_rows),
    .doc = "Forces a status: an empty body, no forwarding, and no sequence advances.",
    .check = status_check,
};
static const struct type status_type = TYPE_TABLE(&status_table, struct status_action);

static const struct row delay_rows[] = {
    {"route", &route_type, offsetof(struct delay_action, scope.route), 0, NULL,
     "The route, as PORT.NAME."},
    {"port", &port_type, offsetof(struct delay_action, scope.port), 0, NULL,
     "Every route of this port and its default."},
    {"delay", &delay_value_type, offsetof(struct delay_action, delay), ROW_REQUIRED, NULL,
     "The delay before each answer, in place of all others; `off` lifts it."},
    {"times", &type_positive, offsetof(struct delay_action, times), 0, "no end",
     "For so many requests."},
};

static enum read_result delay_check(struct reader *reader, const struct node *node, void *into)
{
    struct delay_action *action = into;
    return action_scope_check(reader, node, &action->scope);
}

static const struct table delay_table = {
    TABLE_ROWS("delay action", delay_rows),
    .doc = "Forces a delay that replaces all others.",
    .check = delay_check,
};
static const struct type delay_type = TYPE_TABLE(&delay_table, struct delay_action);

static void status_run(struct action_run *run, const void *value)
{
    const struct status_action *action = value;
    struct str route;
    struct upstream *upstream = action_upstream(run, &action->scope, "status", &route);
    if (!upstream)
        return;
    if (action->status.off) {
        upstream_lift_status(upstream, route);
        return;
    }
    if (!action->status.status.grpc) {
        action_add_undo(run, action_undo_upstream, upstream,
                        upstream_push_status(upstream, route, (unsigned)action->status.status.http,
                                             action->times));
        return;
    }
    if (!action_port_speaks(run, upstream_port(upstream), SPEECH_GRPC, STR("a status of gRPC"),
                            "gRPC"))
        return;
    action_add_undo(run, action_undo_upstream, upstream,
                    upstream_push_grpc_status(upstream, route, &action->respond, action->times));
}

static void delay_run(struct action_run *run, const void *value)
{
    const struct delay_action *action = value;
    struct str route;
    struct upstream *upstream = action_upstream(run, &action->scope, "delay", &route);
    if (!upstream)
        return;
    if (action->delay.off) {
        upstream_lift_delay(upstream, route);
        return;
    }
    action_add_undo(run, action_undo_upstream, upstream,
                    upstream_push_delay(upstream, route, &action->delay.delay, action->times));
}

static void status_needs(const void *value, struct action_need *need)
{
    const struct status_action *action = value;
    action_scope_needs(&action->scope, "'status'", need);
    if (!action->status.status.grpc)
        return;
    need->speech = SPEECH_GRPC;
    need->what = STR("a status of gRPC");
}

static void delay_needs(const void *value, struct action_need *need)
{
    const struct delay_action *action = value;
    action_scope_needs(&action->scope, "'delay'", need);
}

/** The details of a forced status have to be known to the protos. */
static enum read_result check_status_action(struct reader *reader, const struct chosen *chosen,
                                            const struct list *upstreams)
{
    if (!chosen->member || chosen->member->type != &status_type || !chosen->value)
        return READ_OK;
    const struct status_action *action = chosen->value;
    return grpc_check_details(reader, protos_of(upstreams, action->scope.of),
                              action->status.status.grpc);
}

enum read_result action_check_captures(struct reader *reader, const struct chosen *chosen,
                                       const struct list *upstreams)
{
    return read_worse(check_respond_action(reader, chosen, upstreams),
                      check_status_action(reader, chosen, upstreams));
}

static const struct action_type status_action = {
    .run = status_run, .undoable = true, .needs = status_needs};
static const struct action_type delay_action = {
    .run = delay_run, .undoable = true, .needs = delay_needs};

/* disconnect */

struct disconnect_action {
    struct list ports;
    int how;
    int which;
};

static const struct choice disconnect_choices[] = {
    {"fin", CLOSE_FIN,
     "FIN after what is written, then read on until the peer closes, at most 1 s"},
    {"rst", CLOSE_RST, "RST once the peer has acknowledged what was written, at most 1 s later"},
    {"kill", CLOSE_KILL,
     "what the kernel does to a killed server: FIN, or RST where unread bytes wait"},
    {0},
};
static const struct choice which_choices[] = {
    {"all", WHICH_ALL, "every live connection"},
    {"idle", WHICH_IDLE, "those with no request under way"},
    {"oldest", WHICH_OLDEST, "the one accepted first"},
    {"newest", WHICH_NEWEST, "the one accepted last"},
    {0},
};
static const struct type disconnect_how_type = TYPE_CHOICE(disconnect_choices);
static const struct type which_type = TYPE_CHOICE(which_choices);

static const struct row disconnect_rows[] = {
    {"port", &action_ports_type, offsetof(struct disconnect_action, ports), ROW_REQUIRED, NULL,
     "The port, or a list of them."},
    {"how", &disconnect_how_type, offsetof(struct disconnect_action, how), 0, "fin",
     "How the connections end."},
    {"which", &which_type, offsetof(struct disconnect_action, which), 0, "all",
     "Which connections end."},
};

static void disconnect_preset(void *into)
{
    ((struct disconnect_action *)into)->how = CLOSE_FIN;
}

static const struct table disconnect_table = {
    TABLE_ROWS("disconnect", disconnect_rows),
    .doc = "Ends live connections of an open port.",
    .shorthand = "port",
    .preset = disconnect_preset,
};
static const struct type disconnect_type = TYPE_TABLE(&disconnect_table, struct disconnect_action);

static void disconnect_run(struct action_run *run, const void *value)
{
    const struct disconnect_action *action = value;
    const struct str *names = action->ports.items;
    for (size_t i = 0; i < action->ports.count; i++) {
        struct port *port = action_port(run, names[i]);
        if (!port)
            return;
        run->target(run, names[i]);
        port_disconnect(port, (enum which_streams)action->which, (enum close_how)action->how);
    }
}

static const struct action_type disconnect_action = {.run = disconnect_run};

/* The table of all. What this version does not have yet is told as such. */

const struct member server_actions[] = {
    {"open", &open_type, "Opens a port.", &open_action, 0},
    {"close", &close_type,
     "Closes a port; what becomes of live connections is said by `connections`.", &close_action, 0},
    {"reopen", &reopen_type, "Closes a port and opens it again after `down`.", &reopen_action, 0},
    {"respond", &respond_action_type, "Replaces what a route answers and starts its sequence anew.",
     &respond_action, 0},
    {"status", &status_type, "Forces a status.", &status_action, 0},
    {"delay", &delay_type, "Forces a delay.", &delay_action, 0},
    {"disconnect", &disconnect_type, "Ends live connections.", &disconnect_action, 0},
    {"switch", &action_switch_type, "Gives a port another protocol, on the same number.",
     &action_switch, 0},
    {"tls", &action_tls_type, "Changes a port's TLS; new handshakes use it.", &action_tls, 0},
    {"forward", &action_forward_type, "Changes where a proxy forwards to.", &action_forward, 0},
    {"fault", &action_fault_type, "Puts a fault on a port or route.", &action_fault, 0},
    {"heal", &action_heal_type, "Lifts faults.", &action_heal, 0},
    {"goaway", &action_goaway_type, "Sends GOAWAY on HTTP/2 connections.", &action_goaway, 0},
    {"health", &action_health_type, "Sets the health of services of a gRPC upstream.",
     &action_health, 0},
    {0},
};
