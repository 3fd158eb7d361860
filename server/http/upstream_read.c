#include "server/http/upstream.h"

#include "server/fault/fault.h"
#include "server/grpc/service.h"
#include "server/http/respond.h"
#include "server/tls/tls.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    LIMIT_HEADER_SIZE = 64 * 1024,
    LIMIT_BODY_SIZE = 16 * 1024 * 1024,
    LIMIT_IDLE_S = 60,
    LIMIT_READ_S = 30
};

#define SECOND_NS INT64_C(1000000000)

/* Limits: a value or `none`. */

static bool is_none(const struct node *node)
{
    return node->kind == NODE_STRING && str_is(node->text, "none");
}

/** Adds what is wrong with a limit of 0, which would read like none. */
static enum read_result refuse_zero(struct reader *reader, const struct node *node)
{
    diagnostics_add(reader->diagnostics, node->place, "a limit of 0 lets nothing through");
    diagnostics_help(reader->diagnostics, "write 'none' for no limit");
    return READ_FAILED;
}

static enum read_result limit_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    uint64_t value = 0;
    /* A time is an int64_t, the others are uint64_t: of one size, and 0 is 0 in both. */
    if (!is_none(node)) {
        enum read_result result = type->of->read(reader, type->of, node, &value);
        if (result != READ_OK)
            return result;
        if (value == 0)
            return refuse_zero(reader, node);
    } else if (type->of == &type_size) {
        value = LIMIT_SIZE_NONE;
    }
    memcpy(into, &value, sizeof value);
    return READ_OK;
}

static struct json *limit_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_either(writer, schema_of(writer, type->of),
                         schema_text(writer, "{\"const\": \"none\"}"));
}

#define TYPE_LIMIT(title, type_of)                                                                 \
    {                                                                                              \
        .name = (title), .size = sizeof(uint64_t), .read = limit_read, .schema = limit_schema,     \
        .of = (type_of)                                                                            \
    }
static const struct type type_limit_count = TYPE_LIMIT("a whole number or 'none'", &type_count);
static const struct type type_limit_size = TYPE_LIMIT("a size or 'none'", &type_size);
static const struct type type_limit_time = TYPE_LIMIT("a duration or 'none'", &type_time);

static void limits_preset(void *into)
{
    struct limits *limits = into;
    limits->header_size = LIMIT_HEADER_SIZE;
    limits->body_size = LIMIT_BODY_SIZE;
    limits->idle_ns = LIMIT_IDLE_S * SECOND_NS;
    limits->read_ns = LIMIT_READ_S * SECOND_NS;
}

static enum read_result limits_check(struct reader *reader, const struct node *node, void *into)
{
    struct limits *limits = into;
    (void)reader;
    limits->body_size_written = node_get(node, "body-size") != NULL;
    limits->read_written = node_get(node, "read") != NULL;
    return READ_OK;
}

static const struct row limits_rows[] = {
    {"max-connections", &type_limit_count, offsetof(struct limits, max_connections), 0, "none",
     "Connections at one time; more are accepted and reset."},
    {"header-size", &type_limit_size, offsetof(struct limits, header_size), 0, "64KiB",
     "Bytes of a request's head: 431 beyond, 414 when the request line alone is too long. 'none' "
     "is 1 GiB."},
    {"body-size", &type_limit_size, offsetof(struct limits, body_size), 0, "16MiB",
     "Bytes of a request's body: 413 beyond. 'none' is 1 GiB. Not written, it does not bound what "
     "is sent on as it comes."},
    {"idle", &type_limit_time, offsetof(struct limits, idle_ns), 0, "60s",
     "A connection without a request (of tcp and tls: without a byte) for so long gets FIN."},
    {"read", &type_limit_time, offsetof(struct limits, read_ns), 0, "30s",
     "A request that is not read whole within this time gets 408 (not written: what is sent on as "
     "it comes, when its client is silent for so long); of a script: a receive that has not got "
     "what it waits for fails."},
    {"respond", &type_limit_time, offsetof(struct limits, respond_ns), 0, "none",
     "An answer not begun within this time is replaced by 503, one not finished is cut."},
    {"life", &type_limit_time, offsetof(struct limits, life_ns), 0, "none",
     "A connection of that age is drained and ended."},
};
static const struct table limits_table = {
    TABLE_ROWS("limits", limits_rows),
    .doc = "What the stand-in takes at most; 'none' lifts a limit.",
    .preset = limits_preset,
    .check = limits_check,
    .empty_allowed = true,
};
const struct type limits_type = TYPE_TABLE(&limits_table, struct limits);

/* Routes. */

static struct place value_place(const struct node *node, const char *key)
{
    const struct node_pair *pair = node_find(node, str_of(key));
    return pair ? pair->value->place : node->place;
}

/** A list of no answers is an error; each answer's `path.NAME`s must be captures. */
static enum read_result check_sequence(struct reader *reader, const struct list *sequence,
                                       struct place place, const struct list *captures)
{
    enum read_result result = READ_OK;
    struct respond *const *blocks = sequence->items;
    for (size_t i = 0; i < sequence->count; i++)
        result = read_worse(result, respond_check_path(reader, blocks[i], captures));
    if (sequence->count == 0) {
        diagnostics_add(reader->diagnostics, place, "a sequence needs at least one answer");
        result = READ_FAILED;
    }
    return result;
}

static enum read_result route_check(struct reader *reader, const struct node *node, void *into)
{
    struct route_config *route = into;
    route->place = node->place;
    route->respond_place = value_place(node, "respond");
    const struct node_pair *forward = node_find(node, STR("forward"));
    struct list captures = match_captures(route->match);
    if (!node_get(node, "respond"))
        return forward_check_path(reader, route->forward, &captures);
    if (forward) {
        diagnostics_add(reader->diagnostics, forward->key->place,
                        "a route has either 'respond' or 'forward'");
        return READ_FAILED;
    }
    return check_sequence(reader, &route->respond, route->respond_place, &captures);
}

static const struct row route_rows[] = {
    {"name", &type_new_name, offsetof(struct route_config, name), 0, NULL,
     "A name: actions and checks call the route UPSTREAM.NAME."},
    {"match", &type_match, offsetof(struct route_config, match), ROW_REQUIRED, NULL,
     "Which requests: METHOD /path, /path, or a mapping."},
    {"respond", &respond_sequence_type, offsetof(struct route_config, respond), 0, NULL,
     "The answer, or a list of answers, one each request. Without it: 200 with an empty body."},
    {"delay", &type_duration, offsetof(struct route_config, delay), 0, "0ms",
     "Time before the first byte; those of upstream, route and answer add up."},
    {"times", &type_positive, offsetof(struct route_config, times), 0, NULL,
     "The route stops matching after so many requests."},
    {"cycle", &type_bool, offsetof(struct route_config, cycle), 0, "false",
     "After its last answer the sequence starts again."},
    {"optional", &type_bool, offsetof(struct route_config, optional), 0, "false",
     "The last answer of its sequence need not be served."},
    {"forward", &forward_type, offsetof(struct route_config, forward), 0, NULL,
     "Sends the request on to a far side, in place of `respond`."},
    {"fault", &route_faults_type, offsetof(struct route_config, faults), 0, NULL,
     "What goes wrong with this route's answers: a fault, or a list of them."},
};
static const struct table route_table = {
    TABLE_ROWS("route", route_rows),
    .doc = "What an upstream answers to some requests. The first route that matches wins.",
    .check = route_check,
};
static const struct type type_route = TYPE_TABLE(&route_table, struct route_config);
static const struct type type_routes = TYPE_LIST(&type_route);

/* The upstream's own keys. */

static const struct choice protocol_choices[] = {
    {"http", PROTOCOL_HTTP, "HTTP/1.0 and HTTP/1.1 in clear"},
    {"https", PROTOCOL_HTTPS, "HTTP/1.0 and HTTP/1.1 over TLS"},
    {"h2c", PROTOCOL_H2C, "HTTP/2 in clear: by prior knowledge and by Upgrade"},
    {"h2", PROTOCOL_H2, "HTTP/2 over TLS, agreed on by ALPN"},
    {"tcp", PROTOCOL_TCP, "bytes in clear"},
    {"tls", PROTOCOL_TLS, "bytes over TLS"},
    {"grpc", PROTOCOL_GRPC, "gRPC over HTTP/2 in clear"},
    {"grpcs", PROTOCOL_GRPCS, "gRPC over HTTP/2 over TLS"},
    {NULL},
};

const char *upstream_protocol_name(int protocol)
{
    const struct choice *choice = protocol_choices;
    while (choice->name && choice->value != protocol)
        choice++;
    return choice->name;
}

static const struct type type_protocol = {
    .name = "one of",
    .size = sizeof(int),
    .read = type_choice_read,
    .schema = type_choice_schema,
    .extra = protocol_choices,
};

static enum read_result port_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    uint64_t number;
    if (str_is(node_scalar_text(node), "auto")) {
        *(uint16_t *)into = 0;
        return READ_OK;
    }
    if (!node_is_scalar(node) || !str_to_u64(node->text, UINT16_MAX, &number) || number == 0)
        return reader_expected(reader, node, type->name);
    *(uint16_t *)into = (uint16_t)number;
    return READ_OK;
}

static struct json *port_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    struct json *number =
        schema_text(writer, "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}");
    return schema_either(writer, schema_text(writer, "{\"const\": \"auto\"}"),
                         schema_or_variable(writer, number));
}

static const struct type type_port = {
    .name = "'auto' or a port number from 1 to 65535",
    .size = sizeof(uint16_t),
    .read = port_read,
    .schema = port_schema,
};

static enum read_result host_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];
    struct str host = node_scalar_text(node);
    bool fits = host.size > 0 && host.size < sizeof text && node_is_scalar(node);
    if (fits) {
        memcpy(text, host.data, host.size);
        text[host.size] = 0;
        fits = inet_pton(AF_INET, text, &address) == 1 ||
               inet_pton(AF_INET6, text, &address) == 1 || str_is(host, "localhost");
    }
    if (!fits || strlen(text) != host.size)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = arena_copy(reader->arena, host);
    return READ_OK;
}

static struct json *host_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

static const struct type type_host = {
    .name = "an IP address of this machine such as 127.0.0.1, or localhost",
    .size = sizeof(struct str),
    .read = host_read,
    .schema = host_schema,
};

static const struct choice state_choices[] = {
    {"open", 0, "connections are accepted from the start"},
    {"closed", 1, "connections are refused until the port is opened"},
    {NULL},
};
static const struct type type_state = TYPE_CHOICE(state_choices);

static enum read_result default_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct upstream_default *fallback = into;
    fallback->place = node->place;
    if (str_is(node_scalar_text(node), "echo") || str_is(node_scalar_text(node), "not-found")) {
        fallback->kind = str_is(node->text, "echo") ? DEFAULT_ECHO : DEFAULT_NOT_FOUND;
        return READ_OK;
    }
    if (node_is_scalar(node))
        return reader_expected(reader, node, type->name);
    enum read_result result = reader_read(reader, &respond_sequence_type, node, &fallback->respond);
    if (result == READ_OK)
        fallback->kind = DEFAULT_RESPOND;
    return result;
}

static struct json *default_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_text(writer, "{\"enum\": [\"not-found\", \"echo\"]}"),
                         schema_of(writer, &respond_sequence_type));
}

static const struct type type_default = {
    .name = "'not-found', 'echo' or an answer",
    .size = sizeof(struct upstream_default),
    .read = default_read,
    .schema = default_schema,
};

static void upstream_preset(void *into)
{
    struct upstream_config *config = into;
    config->host = STR("127.0.0.1");
}

/** Two routes of one name could not be told apart. */
static enum read_result check_names(struct reader *reader, const struct list *routes,
                                    const struct node *list)
{
    enum read_result result = READ_OK;
    const struct route_config *items = routes->items;
    for (size_t i = 0; i < routes->count; i++) {
        for (size_t j = 0; j < i && items[i].name.size; j++) {
            if (!str_equal(items[i].name, items[j].name))
                continue;
            bool placed = list && list->kind == NODE_LIST && i < list->count &&
                          list->items[i]->kind == NODE_MAP;
            struct place place = placed ? value_place(list->items[i], "name") : items[i].place;
            diagnostics_add(reader->diagnostics, place, "two routes are named '" STR_FMT "'",
                            STR_ARG(items[i].name));
            result = READ_FAILED;
            break;
        }
    }
    return result;
}

/** What is done with the connections of tcp and tls is said once. */
static enum read_result check_one_work(struct reader *reader, const struct node *node)
{
    static const char *const keys[] = {"forward", "behave", "script", "stream"};
    const struct node_pair *first = NULL;
    enum read_result result = READ_OK;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct node_pair *pair = node_find(node, str_of(keys[i]));
        if (pair && first) {
            diagnostics_add(reader->diagnostics, pair->key->place,
                            "'%s' and '" STR_FMT "' exclude each other", keys[i],
                            STR_ARG(first->key->text));
            result = READ_FAILED;
        }
        first = first ? first : pair;
    }
    return result;
}

/** A forward has to fit what the port speaks, and stands in the place of a default. */
static enum read_result check_forward(struct reader *reader, const struct node *node,
                                      const struct upstream_config *config)
{
    const struct route_config *routes = config->routes.items;
    const struct node_pair *pair = node_find(node, STR("forward"));
    enum read_result result = READ_OK;
    if (pair && node_get(node, "default")) {
        diagnostics_add(reader->diagnostics, pair->key->place,
                        "an upstream has either 'default' or 'forward'");
        diagnostics_help(reader->diagnostics, "what no route matches is forwarded");
        result = READ_FAILED;
    }
    bool bytes = upstream_config_speech(config) & SPEECH_BYTES;
    result = read_worse(result, forward_check_path(reader, config->forward, &(struct list){0}));
    if (config->forward)
        result = read_worse(result, bytes ? forward_check_bytes(reader, config->forward)
                                          : forward_check_http(reader, config->forward));
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].forward)
            result = read_worse(result, forward_check_http(reader, routes[i].forward));
    return result;
}

static enum read_result service_check(struct reader *reader, const struct node *node, void *into)
{
    struct upstream_config *config = into;
    struct list none = {0};
    config->place = node->place;
    enum read_result result =
        read_worse(check_one_work(reader, node),
                   check_names(reader, &config->routes, node_get(node, "routes")));
    if (config->fallback.kind == DEFAULT_RESPOND)
        result = read_worse(result, check_sequence(reader, &config->fallback.respond,
                                                   config->fallback.place, &none));
    result = read_worse(result, check_forward(reader, node, config));
    return result == READ_OK ? grpc_check_upstream(reader, node, config) : result;
}

static const struct row service_rows[] = {
    {"protocol", &type_protocol, offsetof(struct upstream_config, protocol), ROW_REQUIRED, NULL,
     "What it speaks."},
    {"tls", &tls_type, offsetof(struct upstream_config, tls), 0, "valid",
     "The TLS that it speaks: a name of the catalogue, or a mapping."},
    {"delay", &type_duration, offsetof(struct upstream_config, delay), 0, "0ms",
     "Time before every response; those of upstream, route and answer add up."},
    {"limits", &limits_type, offsetof(struct upstream_config, limits), 0, NULL,
     "What it takes at most."},
    {"routes", &type_routes, offsetof(struct upstream_config, routes), 0, NULL,
     "What it answers to which requests; the first that matches wins."},
    {"default", &type_default, offsetof(struct upstream_config, fallback), 0, "not-found",
     "What it answers to all other requests: not-found, echo, or an answer. Without routes: echo."},
    {"faults", &faults_type, offsetof(struct upstream_config, faults), 0, NULL,
     "What goes wrong from the start: a list of faults."},
    {"forward", &forward_type, offsetof(struct upstream_config, forward), 0, NULL,
     "Sends all other requests on to a far side, in place of `default`; on a tcp or tls port all "
     "bytes."},
    {"behave", &tcp_behave_type, offsetof(struct upstream_config, work), 0, "echo",
     "What a tcp or tls upstream does with connections."},
    {"script", &tcp_script_type, offsetof(struct upstream_config, work), 0, NULL,
     "What a tcp or tls upstream sends and receives on each connection, one after the other."},
    {"stream", &tcp_flow_type, offsetof(struct upstream_config, work), 0, NULL,
     "What a tcp or tls upstream sends all the time."},
    {NULL, &grpc_service_type, offsetof(struct upstream_config, grpc), ROW_INCLUDE, NULL, NULL},
};
const struct table upstream_service_table = {
    TABLE_ROWS("service", service_rows),
    .doc = "What an upstream speaks and answers.",
    .check = service_check,
};
static const struct type service_type = TYPE_TABLE(&upstream_service_table, struct upstream_config);

static const struct row upstream_rows[] = {
    {NULL, &service_type, 0, ROW_INCLUDE, NULL, NULL},
    {"port", &type_port, offsetof(struct upstream_config, port), 0, "auto",
     "A number, or any free one; it is kept for the whole run, also while closed."},
    {"host", &type_host, offsetof(struct upstream_config, host), 0, "127.0.0.1",
     "The address it is bound to."},
    {"state", &type_state, offsetof(struct upstream_config, closed), 0, "open",
     "Whether it is open at the start."},
    {"optional", &type_bool, offsetof(struct upstream_config, optional), 0, "false",
     "It need not be contacted, nor its script be followed to the end."},
};
static enum read_result upstream_check(struct reader *reader, const struct node *node, void *into)
{
    return grpc_check_protos(reader, node, into);
}

static const struct table upstream_table = {
    TABLE_ROWS("upstream", upstream_rows),
    .doc = "A stand-in server on a port of its own.",
    .preset = upstream_preset,
    .check = upstream_check,
};
const struct type upstream_type = TYPE_TABLE(&upstream_table, struct upstream_config);

static void proxy_preset(void *into)
{
    upstream_preset(into);
    ((struct upstream_config *)into)->proxy = true;
}

static enum read_result proxy_check(struct reader *reader, const struct node *node, void *into)
{
    if (node_get(node, "forward") || upstream_config_forwards(into))
        return grpc_check_protos(reader, node, into);
    diagnostics_add(reader->diagnostics, node->place, "a proxy needs 'forward'");
    diagnostics_help(reader->diagnostics, "write forward: {to: ENDPOINT}, here or in a route");
    return READ_FAILED;
}

static const struct table proxy_table = {
    .name = "proxy",
    .rows = upstream_rows,
    .count = COUNT_OF(upstream_rows),
    .doc = "An upstream whose default is to forward.",
    .preset = proxy_preset,
    .check = proxy_check,
};
const struct type proxy_type = TYPE_TABLE(&proxy_table, struct upstream_config);

/** Copies the values of the rows whose keys stand in a node. */
struct putting {
    struct upstream_config *into;
    const struct upstream_config *from;
    const struct node *node;
};

static void put_row(void *context, const struct row *row, size_t offset)
{
    const struct putting *putting = context;
    if (row->flags & ROW_LATER || !node_get(putting->node, row->key))
        return;
    memcpy((char *)putting->into + offset, (const char *)putting->from + offset, row->type->size);
}

void upstream_config_put(struct upstream_config *into, const struct upstream_config *from,
                         const struct node *node)
{
    struct putting putting = {into, from, node};
    const struct table_visitor visitor = {.row = put_row, .context = &putting};
    table_visit(&upstream_service_table, &visitor);
    if (node_get(node, "protos") || node_get(node, "protosets"))
        into->grpc.pool = from->grpc.pool;
}

/** Whom to tell of faults. */
struct fault_visit {
    void (*each)(void *context, const struct fault_config *fault);
    void *context;
};

static void visit_faults(const struct fault_visit *visit, const struct list *faults)
{
    struct fault_config *const *configs = faults->items;
    for (size_t i = 0; i < faults->count; i++)
        visit->each(visit->context, configs[i] && configs[i]->kind.member ? configs[i] : NULL);
}

static void visit_answers(const struct fault_visit *visit, const struct list *sequence)
{
    struct respond *const *blocks = sequence->items;
    for (size_t i = 0; i < sequence->count; i++)
        if (blocks[i])
            visit_faults(visit, respond_faults(blocks[i]));
}

void upstream_config_each_fault(const struct upstream_config *config,
                                void (*each)(void *context, const struct fault_config *fault),
                                void *context)
{
    const struct fault_visit visit = {each, context};
    const struct route_config *routes = config->routes.items;
    visit_faults(&visit, &config->faults);
    for (size_t i = 0; i < config->routes.count; i++) {
        visit_faults(&visit, &routes[i].faults);
        visit_answers(&visit, &routes[i].respond);
    }
    visit_answers(&visit, &config->fallback.respond);
}
