/* Faults as read: the family of their names, and the options around one. */
#include "server/fault/fault_flow.h"
#include "server/fault/fault_private.h"

const char *fault_layer_name(enum fault_layer layer)
{
    static const char *const names[] = {"stream", "connect", "tls", "http1", "http2", "grpc"};
    return names[layer];
}

const char *fault_layer_title(enum fault_layer layer)
{
    static const char *const titles[] = {"a stream", "TCP", "TLS", "HTTP/1", "HTTP/2", "gRPC"};
    return titles[layer];
}

static const struct fault_kind *kind_of(const struct fault_config *config)
{
    return config->kind.member ? config->kind.member->extra : NULL;
}

struct str fault_config_kind(const struct fault_config *config)
{
    return config->kind.member ? str_of(config->kind.member->key) : STR("");
}

struct str fault_config_name(const struct fault_config *config)
{
    return config->name.data ? config->name : fault_config_kind(config);
}

enum fault_layer fault_config_layer(const struct fault_config *config)
{
    return kind_of(config)->layer;
}

bool fault_kind_is_live(const struct fault_kind *kind)
{
    if (kind->each_request || kind->layer == FAULT_STREAM)
        return true;
    return kind->how && (kind->how->live || kind->how->answer);
}

/* A name whose value may be left out, or `true` */

enum read_result fault_or_true_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    if (node->kind == NODE_NULL || (node->kind == NODE_BOOL && node->boolean))
        return READ_OK;
    if (node->kind == NODE_BOOL) {
        diagnostics_add(reader->diagnostics, node->place, "a fault that is false is none");
        diagnostics_help(reader->diagnostics, "leave the fault out");
        return READ_FAILED;
    }
    return reader_read(reader, type->of, node, into);
}

struct json *fault_or_true_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_either(writer, schema_text(writer, "{\"enum\": [true, null]}"),
                         schema_of(writer, type->of));
}

/* The rows */

static const struct row after_rows[] = {
    {"bytes", &type_size, offsetof(struct fault_after, bytes), 0, "0",
     "Bytes of the connection, from its first one on; of a live connection from when the fault is "
     "set. A fault of the stream counts each direction by itself."},
    {"requests", &type_count, offsetof(struct fault_after, requests), 0, "0",
     "So many requests pass first, from when the fault is set."},
    {"time", &type_time, offsetof(struct fault_after, time_ns), 0, "0ms",
     "From when the fault is set."},
};
static enum read_result after_check(struct reader *reader, const struct node *node, void *into)
{
    const struct node_pair *requests = node_find(node, STR("requests"));
    (void)reader;
    if (requests)
        ((struct fault_after *)into)->requests_place = requests->key->place;
    return READ_OK;
}

static const struct table after_table = {
    TABLE_ROWS("fault after", after_rows),
    .doc = "What has to come before a fault strikes; all that is written.",
    .check = after_check,
};
static const struct type type_after = TYPE_TABLE(&after_table, struct fault_after);

static const struct choice direction_choices[] = {
    {"both", FAULT_BOTH, "each direction by itself"},
    {"request", FAULT_REQUEST, "what comes from the client"},
    {"response", FAULT_RESPONSE, "what goes to the client"},
    {NULL},
};
static const struct type type_direction = TYPE_CHOICE(direction_choices);

static const struct choice apply_choices[] = {
    {"both", FAULT_APPLY_BOTH, "all connections"},
    {"existing", FAULT_APPLY_EXISTING, "those that live when the fault is set"},
    {"new", FAULT_APPLY_NEW, "those that come later"},
    {NULL},
};
static const struct type type_apply = TYPE_CHOICE(apply_choices);

static const struct row fault_rows[] = {
    {"direction", &type_direction, offsetof(struct fault_config, direction), 0, "both",
     "Which bytes a fault of the stream acts on; of `half-close` the response if not written."},
    {"chance", &type_share, offsetof(struct fault_config, chance), 0, "100%",
     "Drawn once for each connection or request."},
    {"times", &type_positive, offsetof(struct fault_config, times), 0, "no end",
     "It strikes so many connections or requests at most."},
    {"after", &type_after, offsetof(struct fault_config, after), 0, NULL,
     "What has to come before it strikes."},
    {"apply", &type_apply, offsetof(struct fault_config, apply), 0, "both",
     "Which connections it acts on."},
    {"optional", &type_bool, offsetof(struct fault_config, optional), 0, "false",
     "It need not strike."},
    {"name", &type_new_name, offsetof(struct fault_config, name), 0, "that of the fault",
     "By what `heal` lifts it."},
};

static const struct member *const fault_groups[] = {fault_stream_members,
                                                    fault_connect_members,
                                                    fault_tls_members,
                                                    fault_http1_members,
                                                    fault_http2_members,
                                                    fault_grpc_members,
                                                    NULL};
static const struct family fault_family = {"fault name", fault_groups};

/* What fits a name */

/** Adds an error at an option that has no meaning for this fault. */
static enum read_result refuse(struct reader *reader, struct place place, const char *option,
                               struct str kind, const char *why, const char *help)
{
    diagnostics_add(reader->diagnostics, place, "'%s' has no meaning for '" STR_FMT "': %s", option,
                    STR_ARG(kind), why);
    diagnostics_help(reader->diagnostics, "%s", help);
    return READ_FAILED;
}

static enum read_result check_after(struct reader *reader, const struct node *node,
                                    const struct fault_config *config)
{
    const struct fault_kind *kind = kind_of(config);
    const struct node *after = node_get(node, "after");
    const struct node_pair *bytes =
        after && after->kind == NODE_MAP ? node_find(after, STR("bytes")) : NULL;
    if (!bytes || kind->layer == FAULT_STREAM || kind->each_request)
        return READ_OK;
    return refuse(reader, bytes->key->place, "after.bytes", fault_config_kind(config),
                  "it begins with the connection, not within it",
                  "write after: {requests: …} or after: {time: …}, or leave it out");
}

static enum read_result check_apply(struct reader *reader, const struct node *node,
                                    struct fault_config *config)
{
    const struct node_pair *apply = node_find(node, STR("apply"));
    if (apply)
        config->apply_place = apply->key->place;
    if (!apply || config->apply != FAULT_APPLY_EXISTING || fault_kind_is_live(kind_of(config)))
        return READ_OK;
    return refuse(reader, apply->key->place, "apply: existing", fault_config_kind(config),
                  "it strikes connections only as they begin",
                  "leave it out; 'disconnect' makes clients come again");
}

/** `expired: false` would say that a fault is none. */
static enum read_result check_flag(struct reader *reader, const struct fault_config *config)
{
    const struct chosen *kind = &config->kind;
    if (kind->member->type->read != type_true.read || *(const bool *)kind->value)
        return READ_OK;
    diagnostics_add(reader->diagnostics, kind->place, "a fault that is false is none");
    diagnostics_help(reader->diagnostics, "leave the fault out, or write %s: true",
                     kind->member->key);
    return READ_FAILED;
}

static bool fault_is_of_whole_port(const struct fault_config *config)
{
    return kind_of(config)->how && kind_of(config)->how->stand;
}

/** What is for the whole port takes a name only. */
static enum read_result check_whole(struct reader *reader, const struct node *node,
                                    const struct fault_config *config)
{
    static const char *const options[] = {"direction", "chance", "times",
                                          "after",     "apply",  "optional"};
    enum read_result result = READ_OK;
    if (!fault_is_of_whole_port(config))
        return READ_OK;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const struct node_pair *option = node_find(node, str_of(options[i]));
        if (option)
            result =
                refuse(reader, option->key->place, options[i], fault_config_kind(config),
                       "it acts on the whole port", "leave it out; only 'name' may stand here");
    }
    return result;
}

/** `direction` where it has no meaning, and the one of `half-close`. */
static enum read_result check_direction(struct reader *reader, const struct node *node,
                                        struct fault_config *config)
{
    const struct node_pair *direction = node_find(node, STR("direction"));
    if (direction && fault_is_of_whole_port(config))
        return READ_OK; /* told by check_whole() */
    if (direction && kind_of(config)->layer != FAULT_STREAM)
        return refuse(reader, direction->key->place, "direction", fault_config_kind(config),
                      "it is no fault of the stream",
                      "leave it out; faults such as latency and drop have a direction");
    if (!str_is(fault_config_kind(config), "half-close"))
        return READ_OK;
    if (direction && config->direction == FAULT_BOTH)
        return refuse(reader, direction->key->place, "direction: both", fault_config_kind(config),
                      "it ends one direction", "write request, or response (the default)");
    config->direction = direction ? config->direction : FAULT_RESPONSE;
    return READ_OK;
}

static enum read_result fault_check(struct reader *reader, const struct node *node, void *into)
{
    struct fault_config *config = into;
    if (!kind_of(config))
        return READ_OK;
    enum read_result result = check_flag(reader, config);
    result = read_worse(result, check_direction(reader, node, config));
    result = read_worse(result, check_whole(reader, node, config));
    if (fault_is_of_whole_port(config))
        return result;
    result = read_worse(result, check_after(reader, node, config));
    return read_worse(result, check_apply(reader, node, config));
}

void fault_check_first(struct diagnostics *diagnostics, const struct fault_config *config)
{
    if (config->apply != FAULT_APPLY_EXISTING)
        return;
    diagnostics_add(diagnostics, config->apply_place,
                    "'apply: existing' of '" STR_FMT "' strikes nobody here: no connection lives "
                    "yet when the port begins",
                    STR_ARG(fault_config_kind(config)));
    diagnostics_help(diagnostics,
                     "leave it out, or set the fault by an action 'fault' while clients run");
}

static void fault_preset(void *into)
{
    ((struct fault_config *)into)->chance = 1;
}

const struct table fault_table = {
    TABLE_ROWS("fault", fault_rows),
    .doc = "What goes wrong: one fault by its name (without a value it is a bare word), and when "
           "it strikes whom.",
    .preset = fault_preset,
    .check = fault_check,
    .family = &fault_family,
    .family_offset = offsetof(struct fault_config, kind),
};
static const struct type type_fault_mapping = TYPE_TABLE(&fault_table, struct fault_config);

/* One fault: a mapping, or a bare word whose errors are better told than by the table. */

static void nearest_fault(void *context, const struct member *member)
{
    if (!(member->flags & ROW_LATER))
        str_nearest(context, str_of(member->key));
}

/** A bare word that is no fault, or none of this version. */
static enum read_result check_word(struct reader *reader, const struct node *node)
{
    struct slot slot;
    struct nearest nearest = {.wanted = node->text};
    bool known = table_find(&fault_table, node->text, &slot);
    if (known && slot.member && slot.member->flags & ROW_LATER) {
        diagnostics_add(reader->diagnostics, node->place,
                        "'" STR_FMT "' is part of the language but not of this version",
                        STR_ARG(node->text));
        return READ_FAILED;
    }
    if (known)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "no fault is called '" STR_FMT "'",
                    STR_ARG(reader_shown(reader, node->text)));
    family_visit(&fault_family, nearest_fault, &nearest);
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

static enum read_result fault_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    if (node->kind == NODE_STRING && check_word(reader, node) != READ_OK)
        return READ_FAILED;
    return reader_read(reader, type->of, node, into);
}

const struct type fault_type = {
    .name = "a fault such as expired, or a mapping such as {expired: true, chance: 25%}",
    .size = sizeof(struct fault_config),
    .read = fault_read,
    .schema = type_of_schema,
    .of = &type_fault_mapping,
};
static const struct type fault_pointer = TYPE_POINTER(&fault_type);
const struct type faults_type = TYPE_LIST(&fault_pointer);

/* Those of routes and answers */

enum read_result fault_check_route(struct reader *reader, const struct fault_config *config)
{
    const struct fault_kind *kind = config ? kind_of(config) : NULL;
    if (!kind)
        return READ_OK;
    bool answers = kind->how && kind->how->obstacle && kind->how->obstacle->answer;
    if (kind->on_route && answers && config->direction == FAULT_REQUEST) {
        diagnostics_add(reader->diagnostics, config->kind.place,
                        "'" STR_FMT "' of a route or an answer acts on the response",
                        STR_ARG(fault_config_kind(config)));
        diagnostics_help(reader->diagnostics,
                         "leave 'direction' out, or write the fault in 'faults' of the upstream");
        return READ_FAILED;
    }
    if (kind->on_route)
        return READ_OK;
    diagnostics_add(reader->diagnostics, config->kind.place,
                    "'" STR_FMT "' is no fault of a route or an answer: it strikes whole "
                    "connections, whatever they ask for",
                    STR_ARG(fault_config_kind(config)));
    diagnostics_help(reader->diagnostics,
                     "write it in 'faults' of the upstream, or in an action 'fault' with 'port'");
    return READ_FAILED;
}

static const struct type type_few_faults = TYPE_ONE_OR_LIST(&fault_pointer);

static enum read_result route_faults_read(struct reader *reader, const struct type *type,
                                          const struct node *node, void *into)
{
    enum read_result result = reader_read(reader, type->of, node, into);
    const struct list *list = into;
    struct fault_config *const *configs = list->items;
    for (size_t i = 0; i < list->count; i++)
        result = read_worse(result, fault_check_route(reader, configs[i]));
    return result;
}

const struct type route_faults_type = {
    .name = "a fault, or a list of them",
    .size = sizeof(struct list),
    .read = route_faults_read,
    .schema = type_of_schema,
    .of = &type_few_faults,
    .raw = true,
};
