#include "runner/spec/spec.h"

/** Schemes of the address that a program listens on. */
static const struct choice protocol_choices[] = {
    {"http", PROTOCOL_HTTP, "`${name}` is http://host:port"},
    {"https", PROTOCOL_HTTPS, "`${name}` is https://host:port"},
    {"h2c", PROTOCOL_H2C, "HTTP/2 in clear; `${name}` is http://host:port"},
    {"h2", PROTOCOL_H2, "HTTP/2 over TLS; `${name}` is https://host:port"},
    {"tcp", PROTOCOL_TCP, "bytes in clear; `${name}` is host:port"},
    {"tls", PROTOCOL_TLS, "bytes over TLS; `${name}` is host:port"},
    {"grpc", PROTOCOL_GRPC, "gRPC in clear; `${name}` is host:port"},
    {"grpcs", PROTOCOL_GRPCS, "gRPC over TLS; `${name}` is host:port"},
    {0},
};
static const struct type protocol_type = TYPE_CHOICE(protocol_choices);

static const struct row ready_rows[] = {
    {"port", &type_bool, offsetof(struct program_ready, port), 0, NULL,
     "Ready once its port accepts a connection."},
    {"output", &type_predicate_text, offsetof(struct program_ready, output), 0, NULL,
     "Ready once a line of its output holds this text, or fulfils this predicate."},
    {"http", &type_text, offsetof(struct program_ready, http), 0, NULL,
     "Ready once a GET of this path on its port is answered with a status below 400; by HTTP/1.1, "
     "for https over TLS whose certificate is not looked at."},
    {"within", &type_time_positive, offsetof(struct program_ready, within_ns), 0, "5s",
     "The longest it may take to be ready."},
};

static void ready_preset(void *into)
{
    ((struct program_ready *)into)->within_ns = INT64_C(5000000000);
}

static enum read_result ready_check(struct reader *reader, const struct node *node, void *into)
{
    const struct program_ready *ready = into;
    int count = ready->port + (ready->output != NULL) + (ready->http.data != NULL);
    if (count == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place,
                    "'ready' needs exactly one of 'port', 'output' and 'http'");
    return READ_FAILED;
}

static const struct table ready_table = {
    TABLE_ROWS("ready", ready_rows),
    .doc = "When a program is ready: exactly one of `port: true`, `output` and `http`.",
    .preset = ready_preset,
    .check = ready_check,
};
static const struct type ready_type = TYPE_TABLE(&ready_table, struct program_ready);
static const struct type ready_pointer = TYPE_POINTER(&ready_type);
static const struct type run_pointer = TYPE_POINTER(&run_type);

/** `auto` or a number from 1 to 65535. */
static enum read_result port_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    uint64_t number = 0;
    if (node->kind == NODE_STRING && str_is(node->text, "auto")) {
        *(uint16_t *)into = 0;
        return READ_OK;
    }
    if (node->kind != NODE_NUMBER || !str_to_u64(node->text, 65535, &number) || number == 0)
        return reader_expected(reader, node, type->name);
    *(uint16_t *)into = (uint16_t)number;
    return READ_OK;
}

static struct json *port_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(
        writer, "{\"anyOf\": [{\"const\": \"auto\"}, {\"type\": \"integer\", \"minimum\": 1, "
                "\"maximum\": 65535}]}");
}

static const struct type port_type = {
    .name = "'auto' or a port number from 1 to 65535",
    .size = sizeof(uint16_t),
    .read = port_read,
    .schema = port_schema,
};

static const struct row program_rows[] = {
    {"run", &run_pointer, offsetof(struct program_spec, run), ROW_REQUIRED, NULL,
     "The program: a list, or a mapping."},
    {"port", &port_type, offsetof(struct program_spec, port), 0, "auto",
     "A free port number is kept for the program; it must listen there itself."},
    {"host", &type_text, offsetof(struct program_spec, host), 0, "127.0.0.1",
     "The address it listens on."},
    {"protocol", &protocol_type, offsetof(struct program_spec, protocol), 0, "http",
     "What it speaks: the scheme of `${name}`, and what the built-in clients speak to it."},
    {"ready", &ready_pointer, offsetof(struct program_spec, ready), 0, "port: true",
     "When it is ready; the clients start then."},
    {"optional", &type_bool, offsetof(struct program_spec, optional), 0, "false",
     "It may end before the run does."},
};

static void program_preset(void *into)
{
    ((struct program_spec *)into)->host = STR("127.0.0.1");
}

/** Whether a program is ready is asked by HTTP/1.1. */
static enum read_result program_check(struct reader *reader, const struct node *node, void *into)
{
    const struct program_spec *program = into;
    bool h2 = program->protocol == PROTOCOL_H2 || program->protocol == PROTOCOL_H2C;
    if (!h2 || !program->ready || !program->ready->http.data)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_get(node, "ready")->place,
                    "'ready: {http: …}' asks by HTTP/1.1, and the program does not speak that");
    diagnostics_help(reader->diagnostics, "write ready: {port: true} or {output: TEXT}");
    return READ_FAILED;
}

static const struct table program_table = {
    TABLE_ROWS("program", program_rows),
    .doc = "A program under test in the middle: started before the clients, stopped at the end.",
    .preset = program_preset,
    .check = program_check,
};
static const struct type program_table_type = TYPE_TABLE(&program_table, struct program_spec);

static enum read_result program_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct program_spec *program = into;
    (void)type;
    enum read_result result = reader_read(reader, &program_table_type, node, program);
    program->node = node;
    program->place = node->place;
    return result;
}

static struct json *program_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &program_table_type);
}

const struct type program_type = {
    .raw = true,
    .name = "a program such as {run: [./gateway]}",
    .size = sizeof(struct program_spec),
    .read = program_read,
    .schema = program_schema,
    .of = &program_table_type,
};
