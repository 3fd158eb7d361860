#include "runner/spec/rpcs.h"

#include "runner/check/verify.h"
#include "runner/scenario/condition.h"
#include "runner/spec/speech.h"
#include "server/grpc/match.h"
#include "server/http/match.h"

struct checking {
    struct reader *reader;
    const struct scenario_spec *scenario;
    struct list upstreams; /**< with what every `switch` makes of them */
};

/** The protos of a port; none if it ever speaks anything but gRPC, or may. */
static struct grpc_pools pools_of(const struct checking *checking, struct str port)
{
    const struct map_entry *entries = checking->upstreams.items;
    struct grpc_pools pools = {.items = arena_alloc_array(checking->reader->arena,
                                                          checking->upstreams.count,
                                                          sizeof(struct protos *))};
    if (!port.data || spec_port_speaks(checking->reader, checking->scenario, port) == SPEECH_ANY)
        return pools;
    for (size_t i = 0; i < checking->upstreams.count; i++) {
        const struct upstream_config *config = entries[i].value;
        if (!str_equal(entries[i].name, port))
            continue;
        if (!(upstream_config_speech(config) & SPEECH_GRPC))
            return (struct grpc_pools){0};
        if (config->grpc.pool)
            pools.items[pools.count++] = config->grpc.pool;
    }
    return pools;
}

/** Calls come where HTTP/2 is spoken; that a port has no requests at all is told elsewhere. */
static void need_calls(const struct checking *checking, struct str port, struct place place)
{
    if (port.data && spec_port_speaks(checking->reader, checking->scenario, port) & SPEECH_HTTP)
        spec_need_speech(checking->reader, checking->scenario, port, SPEECH_HTTP2, place,
                         STR("'rpc'"));
}

static void check_match(void *context, struct str port, const struct match *match)
{
    const struct checking *checking = context;
    struct grpc_pools pools = pools_of(checking, port);
    struct place place;
    if (match_rpc(match, &place).data)
        need_calls(checking, port, place);
    if (pools.count)
        (void)!grpc_check_match(checking->reader, &pools, match);
}

static void check_part(void *context, const struct condition_rpcs *rpcs)
{
    const struct checking *checking = context;
    struct grpc_pools pools = pools_of(checking, rpcs->to);
    struct place place;
    if (rpcs->rpc.data)
        need_calls(checking, rpcs->to, rpcs->rpc_place);
    if (rpcs->where && match_rpc(rpcs->where, &place).data)
        need_calls(checking, rpcs->to, place);
    if (!pools.count)
        return;
    (void)!grpc_check_match(checking->reader, &pools, rpcs->where);
    if (rpcs->rpc.data)
        (void)!grpc_check_rpc(checking->reader, &pools, rpcs->rpc, rpcs->rpc_place);
}

static void check_client(struct checking *checking, const struct client_spec *client)
{
    for (size_t i = 0; client && i < client->count; i++) {
        const struct chosen *verb = &client->read[i].verb;
        const struct chosen *condition = verb_condition(verb);
        if (condition)
            condition_each_rpcs(condition, check_part, checking);
        if (verb->member && verb->member->type == &verify_type)
            verify_each_match(verb->value, check_match, checking);
    }
}

void spec_check_rpcs(struct reader *reader, const struct scenario_spec *scenario)
{
    struct checking checking = {reader, scenario, spec_upstreams_ever(scenario, reader->arena)};
    const struct event_spec *events = scenario->events.items;
    const struct verify_item *items = scenario->verify.items;
    for (size_t i = 0; i < scenario->events.count; i++) {
        if (events[i].when)
            condition_each_rpcs(events[i].when, check_part, &checking);
        if (events[i].after)
            condition_each_rpcs(&events[i].after->condition, check_part, &checking);
    }
    for (size_t i = 0; i < scenario->client_count; i++)
        check_client(&checking, &scenario->clients[i]);
    check_client(&checking, scenario->finally);
    for (size_t i = 0; i < scenario->verify.count; i++)
        verify_each_match(&items[i], check_match, &checking);
}
