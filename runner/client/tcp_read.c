/* What `tcp:` says, as read. */
#include "runner/client/tcp.h"
#include "server/proxy/endpoint.h"
#include "server/tls/client.h"

static const struct type tls_table_type = TYPE_TABLE(&tls_client_table, struct tls_client_options);

static enum read_result tls_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct tcp_tls *tls = into;
    bool on = true;
    tls->written = true;
    if (node->kind != NODE_MAP) {
        enum read_result result = reader_read(reader, &type_bool, node, &on);
        tls->off = !on;
        return result;
    }
    struct tls_client_options *options = arena_alloc(reader->arena, sizeof *options);
    tls->options = options;
    return reader_read(reader, type->of, node, options);
}

static struct json *tls_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_either(writer, schema_of(writer, &type_bool), schema_of(writer, type->of));
}

const struct type tcp_tls_type = {
    .raw = true,
    .name = "true, false, or a mapping of how TLS is spoken",
    .size = sizeof(struct tcp_tls),
    .read = tls_read,
    .schema = tls_schema,
    .of = &tls_table_type,
};

static const struct row tcp_rows[] = {
    {"to", &endpoint_type, offsetof(struct tcp_request, to), ROW_REQUIRED, NULL,
     "Where to: a port of the run by name, host:port, or unix:PATH."},
    {"tls", &tcp_tls_type, offsetof(struct tcp_request, tls), 0, "as the port of the run does",
     "TLS: true, false, or how it is spoken. No protocol is offered by ALPN unless `alpn` says "
     "so."},
    {"steps", &script_type, offsetof(struct tcp_request, script), 0, "none: it only connects",
     "What is sent and received, one after the other."},
};

static enum read_result tcp_check(struct reader *reader, const struct node *node, void *into)
{
    struct tcp_request *request = into;
    (void)reader;
    request->to_place = node_get(node, "to")->place;
    return READ_OK;
}

static const struct table tcp_table = {
    TABLE_ROWS("tcp", tcp_rows),
    .doc = "A connection, and what is said on it.",
    .shorthand = "to",
    .check = tcp_check,
};
const struct type tcp_type = TYPE_TABLE(&tcp_table, struct tcp_request);

struct str tcp_title(struct arena *arena, const struct node *value)
{
    const struct node *to = value->kind == NODE_MAP ? node_get(value, "to") : value;
    return arena_printf(arena, "tcp " STR_FMT, STR_ARG(to ? node_scalar_text(to) : STR("")));
}
