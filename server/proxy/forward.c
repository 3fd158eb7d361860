/* `forward:` as a spec says it: the keys of all ports, and what holds between them. */

#include "server/proxy/forward_private.h"

static const struct type to_type = TYPE_ONE_OR_LIST(&endpoint_type);
static const struct type http_type = TYPE_TABLE(&forward_http_table, struct forward_http);
static const struct type tcp_type = TYPE_TABLE(&forward_tcp_table, struct forward_tcp);

static const struct choice pick_choices[] = {
    {"first", PICK_FIRST, "the first that takes a connection"},
    {"round-robin", PICK_ROUND_ROBIN, "one after the other"},
    {"random", PICK_RANDOM, "any, drawn from the seed"},
    {"race", PICK_RACE, "all; the first answer counts"},
    {"mirror", PICK_MIRROR, "the first answers, the rest get a copy"},
    {NULL},
};
static const struct type pick_type = TYPE_CHOICE(pick_choices);

static const struct row forward_rows[] = {
    {"to", &to_type, offsetof(struct forward_read, forward.to), 0, NULL,
     "The far side: an upstream, proxy or program, HOST:PORT, unix:PATH or a URL. HTTP: or a "
     "list."},
    {"pick", &pick_type, offsetof(struct forward_read, forward.pick), 0, "first",
     "HTTP: which of several far sides a request goes to."},
    {"timeout", &type_time_positive, offsetof(struct forward_read, forward.timeout_ns), 0,
     "30s; tcp: 10s",
     "The far side has to begin its answer, and go on with it, within this time (504); tcp: it has "
     "to be connected."},
    {NULL, &http_type, offsetof(struct forward_read, http), ROW_INCLUDE, NULL, NULL},
    {NULL, &tcp_type, offsetof(struct forward_read, tcp), ROW_INCLUDE, NULL, NULL},
};

static enum read_result forward_check(struct reader *reader, const struct node *node, void *into)
{
    const struct forward_read *read = into;
    if (read->forward.to.count || read->tcp.sni.count || forward_http_leads(&read->http))
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "it does not say where to forward to");
    diagnostics_help(reader->diagnostics, "write to: ENDPOINT");
    return READ_FAILED;
}

static const struct table forward_table = {
    TABLE_ROWS("forward", forward_rows),
    .doc = "Where a proxy or a route sends what it gets. Which keys have a meaning depends on "
           "what the port speaks.",
    .shorthand = "to",
    .check = forward_check,
};
const struct type forward_read_type = TYPE_TABLE(&forward_table, struct forward_read);

/** A row of a table that may be written in a node. */
struct looking {
    const struct node *node;
    struct reader *reader; /**< NULL: nothing is added */
    const char *why;
    bool found;
};

static void look_row(void *context, const struct row *row, size_t offset)
{
    struct looking *looking = context;
    const struct node_pair *pair = node_find(looking->node, str_of(row->key));
    (void)offset;
    if (!pair)
        return;
    looking->found = true;
    if (looking->reader)
        diagnostics_add(looking->reader->diagnostics, pair->key->place, "'%s' %s", row->key,
                        looking->why);
}

static bool look_for(struct looking *looking, const struct table *table)
{
    const struct table_visitor visitor = {.row = look_row, .context = looking};
    if (looking->node->kind == NODE_MAP)
        table_visit(table, &visitor);
    return looking->found;
}

enum read_result forward_refuse(struct reader *reader, const struct forward *forward,
                                const struct table *table, const char *why)
{
    struct looking looking = {.node = forward->node, .reader = reader, .why = why};
    return look_for(&looking, table) ? READ_FAILED : READ_OK;
}

static bool has_keys_of(const struct node *node, const struct table *table)
{
    struct looking looking = {.node = node};
    return look_for(&looking, table);
}

static struct place place_of(const struct node *node, const char *key)
{
    const struct node *value = node->kind == NODE_MAP ? node_get(node, key) : NULL;
    return value ? value->place : node->place;
}

struct forward *forward_take(struct forward_read *read, const struct node *node)
{
    read->forward.node = node;
    read->forward.place = node->place;
    read->forward.to_place = place_of(node, "to");
    read->tcp.fallback_place = place_of(node, "default");
    if (has_keys_of(node, &forward_http_table))
        read->forward.http = &read->http;
    if (has_keys_of(node, &forward_tcp_table))
        read->forward.tcp = &read->tcp;
    return &read->forward;
}

static enum read_result forward_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct forward_read *read = arena_alloc(reader->arena, sizeof *read);
    enum read_result result = reader_read(reader, type->of, node, read);
    if (result != READ_FAILED)
        *(struct forward **)into = forward_take(read, node);
    return result;
}

const struct type forward_type = {
    .name = "an endpoint, or a mapping such as {to: api}",
    .size = sizeof(struct forward *),
    .read = forward_read,
    .schema = type_of_schema,
    .of = &forward_read_type,
    .raw = true,
};

void forward_each_endpoint(const struct forward *forward,
                           void (*each)(void *context, struct str text, struct place place),
                           void *context)
{
    const struct str *to = forward->to.items;
    for (size_t i = 0; i < forward->to.count; i++)
        if (to[i].data)
            each(context, to[i], forward->to_place);
    if (forward->http)
        forward_http_each_endpoint(forward->http, each, context);
    if (!forward->tcp)
        return;
    const struct map_entry *entries = forward->tcp->sni.items;
    for (size_t i = 0; i < forward->tcp->sni.count; i++)
        if (((const struct str *)entries[i].value)->data)
            each(context, *(const struct str *)entries[i].value, entries[i].place);
    if (forward->tcp->fallback.data)
        each(context, forward->tcp->fallback, forward->tcp->fallback_place);
}
