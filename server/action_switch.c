#include "server/action_private.h"

#include "server/http/h2.h"
#include "server/tls/tls.h"

/** The target of each of these actions. */
#define PORT_ROW(struct_type)                                                                      \
    {                                                                                              \
        "port", &action_ports_type, offsetof(struct_type, ports), ROW_REQUIRED, NULL,              \
            "The port, or a list of them."                                                         \
    }

void action_change_ports(struct action_run *run, const struct list *ports,
                         const struct upstream_change *change)
{
    const struct str *names = ports->items;
    for (size_t i = 0; i < ports->count; i++) {
        struct port *port = action_port(run, names[i]);
        struct str why = {0};
        if (!port)
            return;
        run->target(run, names[i]);
        /* the change refers to memory of the arena, also where nobody takes it back */
        run->keep = true;
        uint64_t id = upstream_change(port->owner, change, &why);
        if (!id) {
            run->why = arena_printf(run->arena, "the TLS of '" STR_FMT "' cannot be made: " STR_FMT,
                                    STR_ARG(names[i]), STR_ARG(why));
            return;
        }
        action_add_undo(run, action_undo_upstream, port->owner, id);
    }
}

bool action_port_speaks(struct action_run *run, const struct port *port, unsigned speech,
                        struct str action, const char *what)
{
    const struct upstream *upstream = port->owner;
    if (!speech || upstream_speech(upstream) & speech)
        return true;
    run->why = arena_printf(
        run->arena, "'" STR_FMT "' needs a port that speaks %s; '" STR_FMT "' speaks %s now",
        STR_ARG(action), what, STR_ARG(port->name),
        upstream_protocol_name(upstream_protocol(upstream)));
    return false;
}

static bool ports_speak(struct action_run *run, const struct list *ports, unsigned speech,
                        const char *action, const char *what)
{
    const struct str *names = ports->items;
    for (size_t i = 0; i < ports->count; i++) {
        const struct port *port = action_port(run, names[i]);
        if (!port || !action_port_speaks(run, port, speech, str_of(action), what))
            return false;
    }
    return true;
}

/* switch */

struct switch_action {
    struct list ports;
    int how;
    struct upstream_config config;
    const struct node *node; /**< the mapping: which keys were given */
};

static const struct type service_type = TYPE_TABLE(&upstream_service_table, struct upstream_config);

static const struct row switch_rows[] = {
    PORT_ROW(struct switch_action),
    {"connections", &action_close_type, offsetof(struct switch_action, how), 0, "fin",
     "What becomes of live connections; `drain` takes at most 5 s."},
    {NULL, &service_type, offsetof(struct switch_action, config), ROW_INCLUDE, NULL, NULL},
};

static void switch_preset(void *into)
{
    ((struct switch_action *)into)->how = CLOSE_FIN;
}

/** The keys of a `switch` and what it makes the port speak. */
struct switch_fit {
    struct reader *reader;
    const struct upstream_config *config;
    enum read_result result;
};

static void switch_fits(void *context, const struct node_pair *pair, unsigned speech,
                        struct str what)
{
    struct switch_fit *fit = context;
    if (upstream_config_speech(fit->config) & speech)
        return;
    diagnostics_add(fit->reader->diagnostics, pair->key->place,
                    STR_FMT " does not fit the protocol %s", STR_ARG(what),
                    upstream_protocol_name(fit->config->protocol));
    diagnostics_help(fit->reader->diagnostics, "write protocol: %s, or leave " STR_FMT " out",
                     speech_protocols(speech), STR_ARG(what));
    fit->result = READ_FAILED;
}

/** The keys have to fit the protocol that they are given with. */
static enum read_result switch_check(struct reader *reader, const struct node *node, void *into)
{
    struct switch_action *action = into;
    struct switch_fit fit = {reader, &action->config, READ_OK};
    action->node = node;
    upstream_config_each_need(node, switch_fits, &fit);
    return fit.result;
}

static const struct table switch_table = {
    TABLE_ROWS("switch", switch_rows),
    .doc = "Gives a port another protocol on the same number. Keys that are not given stay as they "
           "are.",
    .preset = switch_preset,
    .check = switch_check,
};
static const struct type switch_table_type = TYPE_TABLE(&switch_table, struct switch_action);

/** Keys of an upstream that are not of a `switch`: they are told better than as unknown ones. */
static enum read_result refuse_fixed(struct reader *reader, const struct node *node)
{
    static const struct {
        const char *key;
        const char *help;
    } fixed[] = {
        {"host", "a port keeps its address and number for the whole run; leave it out"},
        {"state", "use the actions 'open' and 'close'"},
        {"optional", "it holds for the whole scenario: write it at the upstream"},
    };
    enum read_result result = READ_OK;
    for (size_t i = 0; node->kind == NODE_MAP && i < COUNT_OF(fixed); i++) {
        const struct node_pair *pair = node_find(node, str_of(fixed[i].key));
        if (!pair)
            continue;
        diagnostics_add(reader->diagnostics, pair->key->place, "'%s' cannot be switched",
                        fixed[i].key);
        diagnostics_help(reader->diagnostics, "%s", fixed[i].help);
        result = READ_FAILED;
    }
    return result;
}

/** `port: 8080` means the number that an upstream may have; here the port is called by name. */
static enum read_result refuse_number(struct reader *reader, const struct node *node)
{
    const struct node *port = node->kind == NODE_MAP ? node_get(node, "port") : NULL;
    if (!port || (port->kind != NODE_NUMBER && !str_is(node_scalar_text(port), "auto")))
        return READ_OK;
    diagnostics_add(reader->diagnostics, port->place,
                    "a port keeps its number: 'port' is the name "
                    "of the upstream here");
    diagnostics_help(reader->diagnostics, "write port: NAME");
    return READ_FAILED;
}

static enum read_result switch_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    (void)type;
    enum read_result result = read_worse(refuse_fixed(reader, node), refuse_number(reader, node));
    return result == READ_OK ? reader_read(reader, &switch_table_type, node, into) : result;
}

static struct json *switch_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_of(writer, type->of);
}

const struct type action_switch_type = {
    .name = "a mapping such as {port: api, protocol: h2}",
    .size = sizeof(struct switch_action),
    .read = switch_read,
    .schema = switch_schema,
    .of = &switch_table_type,
    .raw = true,
};

static void switch_run(struct action_run *run, const void *value)
{
    const struct switch_action *action = value;
    const struct upstream_change change = {
        .config = &action->config,
        .node = action->node,
        .connections = (enum close_how)action->how,
    };
    action_change_ports(run, &action->ports, &change);
}

const struct action_type action_switch = {.run = switch_run, .undoable = true};

/* tls */

struct tls_action {
    struct list ports;
    int how;
    struct upstream_config config; /**< only its `tls` counts */
    const struct node *node;
};

static const struct row tls_rows[] = {
    PORT_ROW(struct tls_action),
    {"tls", &tls_type, offsetof(struct tls_action, config.tls), ROW_REQUIRED, NULL,
     "A name of the catalogue, or a mapping."},
    {"connections", &action_close_type, offsetof(struct tls_action, how), 0, "keep",
     "What becomes of live connections; `drain` takes at most 5 s."},
};

static void tls_preset(void *into)
{
    ((struct tls_action *)into)->how = CLOSE_KEEP;
}

static enum read_result tls_check(struct reader *reader, const struct node *node, void *into)
{
    struct tls_action *action = into;
    (void)reader;
    action->node = node;
    return READ_OK;
}

static const struct table tls_table = {
    TABLE_ROWS("tls action", tls_rows),
    .doc = "Changes the TLS of a port: new handshakes use it.",
    .preset = tls_preset,
    .check = tls_check,
};
const struct type action_tls_type = TYPE_TABLE(&tls_table, struct tls_action);

static void tls_run(struct action_run *run, const void *value)
{
    const struct tls_action *action = value;
    const struct upstream_change change = {
        .config = &action->config,
        .node = action->node,
        .connections = (enum close_how)action->how,
    };
    if (ports_speak(run, &action->ports, SPEECH_TLS, "tls", "TLS"))
        action_change_ports(run, &action->ports, &change);
}

static void tls_needs(const void *value, struct action_need *need)
{
    const struct tls_action *action = value;
    *need = (struct action_need){action->ports, SPEECH_TLS, STR("'tls'")};
}

const struct action_type action_tls = {.run = tls_run, .undoable = true, .needs = tls_needs};

const struct upstream_config *action_config(const struct chosen *chosen, struct list *ports,
                                            bool *is_switch)
{
    const struct type *type = chosen->member && chosen->value ? chosen->member->type : NULL;
    *is_switch = type == &action_switch_type;
    if (*is_switch) {
        const struct switch_action *action = chosen->value;
        *ports = action->ports;
        return &action->config;
    }
    if (type != &action_tls_type)
        return NULL;
    const struct tls_action *action = chosen->value;
    *ports = action->ports;
    return &action->config;
}

/* goaway */

struct goaway_action {
    struct list ports;
    uint32_t code;
    int64_t last;
    struct str debug;
};

static const struct row goaway_rows[] = {
    PORT_ROW(struct goaway_action),
    {"code", &h2_code_type, offsetof(struct goaway_action, code), 0, "NO_ERROR",
     "A code of RFC 9113 by name, or any number."},
    {"last-stream-id", &h2_last_type, offsetof(struct goaway_action, last), 0,
     "the last one that came", "Requests on later streams are not answered."},
    {"debug", &type_text, offsetof(struct goaway_action, debug), 0, NULL,
     "The additional debug data."},
};

static void goaway_preset(void *into)
{
    ((struct goaway_action *)into)->last = H2_LAST_SEEN;
}

static const struct table goaway_table = {
    TABLE_ROWS("goaway", goaway_rows),
    .doc = "Sends GOAWAY on every live HTTP/2 connection of a port. With NO_ERROR each ends once "
           "its requests are answered, with any other code at once.",
    .shorthand = "port",
    .preset = goaway_preset,
};
const struct type action_goaway_type = TYPE_TABLE(&goaway_table, struct goaway_action);

static void goaway_port(const struct goaway_action *action, struct port *port)
{
    /* streams stay in the list, and their memory stays, until a later turn */
    for (struct stream *stream = port->oldest; stream; stream = stream->next) {
        if (stream->closing || !h2_is(stream))
            continue;
        stream_enter(stream);
        h2_goaway(stream, action->code, action->last, action->debug, false);
        stream_leave(stream);
    }
}

static void goaway_run(struct action_run *run, const void *value)
{
    const struct goaway_action *action = value;
    const struct str *names = action->ports.items;
    if (!ports_speak(run, &action->ports, SPEECH_HTTP2, "goaway", "HTTP/2"))
        return;
    for (size_t i = 0; i < action->ports.count; i++) {
        run->target(run, names[i]);
        goaway_port(action, server_port(run->context, names[i]));
    }
}

static void goaway_needs(const void *value, struct action_need *need)
{
    const struct goaway_action *action = value;
    *need = (struct action_need){action->ports, SPEECH_HTTP2, STR("'goaway'")};
}

const struct action_type action_goaway = {.run = goaway_run, .needs = goaway_needs};
