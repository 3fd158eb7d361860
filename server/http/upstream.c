#include "server/http/upstream_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/fault/fault.h"
#include "server/grpc/built_in.h"
#include "server/grpc/call.h"
#include "server/grpc/pass.h"
#include "server/grpc/status.h"

struct upstream *upstream_new(struct port *port, const struct upstream_config *config)
{
    struct upstream *upstream = memory_alloc(sizeof *upstream);
    upstream->port = port;
    upstream->base = config;
    upstream->arena = arena_new();
    upstream->delay_key = arena_printf(upstream->arena, "delay " STR_FMT, STR_ARG(port->name));
    port->owner = upstream;
    upstream->health = grpc_health_new(upstream->arena);
    upstream_begin(upstream);
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    overrides_free(upstream->overrides);
    overrides_free(upstream->taken_back);
    upstream_end(upstream);
    faults_free(upstream->faults);
    arena_free(upstream->arena);
    memory_free(upstream);
}

struct server *upstream_server(const struct upstream *upstream)
{
    return upstream->port->server;
}

struct tcp_record **upstream_records(struct upstream *upstream, struct arena **arena)
{
    *arena = upstream->arena;
    return &upstream->records;
}

const struct limits *upstream_limits(const struct upstream *upstream)
{
    return &upstream->now.limits;
}

struct grpc_health_state *upstream_health(const struct upstream *upstream)
{
    return upstream->health;
}

struct port *upstream_port(const struct upstream *upstream)
{
    return upstream->port;
}

struct faults *upstream_faults(const struct upstream *upstream)
{
    return upstream->faults;
}

/* Answering. */

/** What is known of a request on its way to an answer. */
struct answering {
    struct upstream *upstream;
    struct exchange *exchange;
    struct route *route;
    const struct headers *captures;
    const struct forward *forward; /**< it is sent on; NULL: `job` answers it */
    bool unimplemented;            /**< of gRPC: there is no such rpc */
    struct respond_job job;
};

static int64_t draw_delay(const struct answering *answering, const struct duration *delay,
                          struct str key, const char *what, uint64_t number)
{
    if (delay->kind == DURATION_FIXED)
        return delay->low_ns;
    if (what)
        key = arena_printf(exchange_arena(answering->exchange), STR_FMT " %s", STR_ARG(key), what);
    struct random random = random_for(upstream_server(answering->upstream)->seed, key, number);
    return random_duration(&random, delay);
}

/** A fault holds the answer back. */
static void answering_hold(struct answering *answering)
{
    int64_t not_before_ns = answering->exchange->not_before_ns;
    int64_t wait_ns = not_before_ns ? not_before_ns - clock_now() : 0;
    if (wait_ns > answering->job.delay_ns)
        answering->job.delay_ns = wait_ns;
}

static int64_t add_delays(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t answering_delay(const struct answering *answering)
{
    struct upstream *upstream = answering->upstream;
    const struct route *route = answering->route;
    uint64_t number = route->requests;
    struct override **forced = upstream_override(upstream, route, OVERRIDE_DELAY);
    if (forced) {
        int64_t delay_ns =
            draw_delay(answering, &(*forced)->delay, route->delay_key, "forced", number);
        override_count_down(upstream, forced);
        return delay_ns;
    }
    const struct respond *respond = answering->job.respond;
    const struct duration *block = respond ? respond_delay(respond) : NULL;
    int64_t delay_ns = draw_delay(answering, &upstream->now.delay, upstream->delay_key, NULL,
                                  answering->exchange->number);
    if (route->config)
        delay_ns = add_delays(
            delay_ns, draw_delay(answering, &route->config->delay, route->delay_key, NULL, number));
    if (block)
        delay_ns =
            add_delays(delay_ns, draw_delay(answering, block, route->delay_key, "respond", number));
    return delay_ns;
}

/** The body of not-found. */
static struct str not_found_json(struct exchange *exchange, const struct route_miss *miss)
{
    struct arena *arena = exchange_arena(exchange);
    const struct request *request = &exchange->request;
    struct json *object = json_object(arena);
    struct buf text;
    buf_init(&text, BUF_OWN);
    buf_append_string(&text, "no route matches ");
    buf_append(&text, request->method);
    buf_append_byte(&text, ' ');
    buf_append(&text, request->path);
    json_put(arena, object, STR("error"), json_string(arena, arena_copy(arena, buf_str(&text))));
    if (miss->route.size) {
        json_put(arena, object, STR("nearest"), json_string(arena, miss->route));
        json_put(arena, object, STR("because"), json_string(arena, miss->because));
    }
    buf_reset(&text);
    json_write(object, &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void journal_miss(struct answering *answering, const struct route_miss *miss)
{
    struct exchange *exchange = answering->exchange;
    struct port *port = answering->upstream->port;
    struct entry entry = journal_entry(ENTRY_MISS, port->name_id);
    entry.connection = exchange->stream->number;
    entry.request = exchange->number;
    struct str text = arena_printf(exchange_arena(exchange), "nearest is " STR_FMT ": " STR_FMT,
                                   STR_ARG(miss->route), STR_ARG(miss->because));
    journal_append(port->server->journal, &entry, text);
}

/** Whether it is a failure that no route took the request: of gRPC, an rpc that no route names has
 * an answer of its own. */
static bool answering_is_missed(const struct answering *answering)
{
    const struct routes *routes = &answering->upstream->set->routes;
    bool grpc = upstream_is_grpc(answering->upstream);
    const struct grpc_call *call = grpc ? answering->exchange->call : NULL;
    if (answering->route->config || !routes->count)
        return false;
    return !call || !call->method || routes_name_rpc(routes, call->rpc);
}

/** What a grpc upstream answers to what no route took: the empty message, if it knows the rpc. */
static void answering_default_grpc(struct answering *answering, bool forced)
{
    struct upstream *upstream = answering->upstream;
    struct exchange *exchange = answering->exchange;
    enum default_kind kind = upstream->fallback->config->kind;
    struct route_miss miss;
    if (answering_is_missed(answering) && kind != DEFAULT_RESPOND) {
        miss = routes_nearest(&upstream->set->routes, exchange, upstream->port->server->seed);
        journal_miss(answering, &miss);
    }
    if (forced || answering->job.respond)
        return;
    if (kind == DEFAULT_RESPOND)
        answering->job.respond = sequence_take(&answering->route->sequence, false);
    else if (!exchange->call)
        answering->job.status = 415;
    else if (!exchange->call->method || kind == DEFAULT_NOT_FOUND)
        answering->unimplemented = true;
}

/** No route took the request: what the default answers. */
static void answering_default(struct answering *answering, bool forced)
{
    struct upstream *upstream = answering->upstream;
    const struct routes *routes = &upstream->set->routes;
    enum default_kind kind = upstream->fallback->config->kind;
    if (upstream->forwards) {
        if (!forced && !answering->job.respond)
            answering->forward = upstream->now.forward;
        return;
    }
    if (upstream_is_grpc(upstream)) {
        upstream->minded = upstream->minded || upstream_minds_unmatched(upstream);
        answering_default_grpc(answering, forced);
        return;
    }
    if (kind == DEFAULT_NONE)
        kind = routes->count ? DEFAULT_NOT_FOUND : DEFAULT_ECHO;
    upstream->minded = upstream->minded || upstream_minds_unmatched(upstream);
    struct route_miss miss = {0};
    if (kind == DEFAULT_NOT_FOUND) {
        miss = routes_nearest(routes, answering->exchange, upstream->port->server->seed);
        if (routes->count)
            journal_miss(answering, &miss);
    }
    if (forced || answering->job.respond)
        return;
    if (kind == DEFAULT_ECHO)
        answering->job.respond = respond_echo;
    if (kind == DEFAULT_RESPOND)
        answering->job.respond = sequence_take(&answering->route->sequence, false);
    if (kind == DEFAULT_NOT_FOUND) {
        answering->job.status = 404;
        answering->job.json = not_found_json(answering->exchange, &miss);
    }
}

/** Chooses what is answered: a forced status, an action's answer, the route's. */
static void answering_choose(struct answering *answering)
{
    struct upstream *upstream = answering->upstream;
    struct route *route = answering->route;
    struct override **status = upstream_override(upstream, route, OVERRIDE_STATUS);
    struct override **respond = upstream_override(upstream, route, OVERRIDE_RESPOND);
    bool cycle = route->config && route->config->cycle;
    if (status && (*status)->grpc)
        answering->job.respond = (*status)->grpc;
    else if (status)
        answering->job.forced_status = (*status)->status;
    else if (respond)
        answering->job.respond =
            sequence_take(&(*respond)->sequences[upstream_position(upstream, route)], cycle);
    else if (route->config && route->config->forward)
        answering->forward = route->config->forward;
    else if (route->config)
        answering->job.respond = sequence_take(&route->sequence, cycle);
    if (!route->config)
        answering_default(answering, status != NULL);
    if (status)
        override_count_down(upstream, status);
}

static struct template_context answering_context(const struct answering *answering)
{
    const struct upstream *upstream = answering->upstream;
    const struct exchange *exchange = answering->exchange;
    return (struct template_context){
        .request = &exchange->request,
        .path = answering->captures,
        .request_number = answering->route->requests,
        .connection_number = exchange->stream->number,
        .upstream = upstream->port->name,
        .seed = upstream->port->server->seed,
        .draw = exchange->number,
    };
}

/** The captures where they live as long as the exchange. */
static struct headers *keep_captures(const struct headers *captures, struct exchange *exchange)
{
    if (captures->count == 0)
        return NULL;
    struct headers *kept = arena_alloc(exchange_arena(exchange), sizeof *kept);
    *kept = *captures;
    return kept;
}

/** Lets faults act. Whether one has taken the request over: it may have been freed. */
static bool answering_fails(const struct answering *answering)
{
    const struct route *route = answering->route;
    const struct respond *respond = answering->job.respond;
    answering->exchange->by_hand = respond && respond_is_raw(respond);
    return faults_answer(answering->upstream->faults, route->name,
                         route->config ? &route->config->faults : NULL,
                         respond ? respond_faults(respond) : NULL, answering->exchange);
}

static struct forward_job answering_job(const struct answering *answering)
{
    const struct route *route = answering->route;
    return (struct forward_job){
        .forward = answering->forward,
        .captures = answering->captures,
        .route = route->config ? route->name : (struct str){0},
        .request_number = route->requests,
        .delay_ns = answering->job.delay_ns,
        .give_up_ns = answering->upstream->now.limits.respond_ns,
    };
}

/** Sends the request on, or its end. The exchange may be freed when it returns. */
static void answering_forward(const struct answering *answering)
{
    struct forward_job job = answering_job(answering);
    if (answering->exchange->call && !grpc_call_go_raw(answering->exchange->call))
        return;
    if (grpc_request_is(&answering->exchange->request))
        (void)grpc_pass_of(answering->exchange);
    if (answering->exchange->responder) {
        forward_http_arrived(answering->exchange, &job);
        return;
    }
    job.turn = answering->route->forwarded++;
    forward_http_start(answering->exchange, &job);
}

/** The forward of a route, or of the default, where no action has put an answer over it. */
static const struct forward *upstream_forward_now(struct upstream *upstream,
                                                  const struct route *route)
{
    if (upstream_override(upstream, route, OVERRIDE_STATUS) ||
        upstream_override(upstream, route, OVERRIDE_RESPOND))
        return NULL;
    if (route->config)
        return route->config->forward;
    return upstream->forwards ? upstream->now.forward : NULL;
}

bool upstream_answers_early(struct upstream *upstream, const struct exchange *exchange)
{
    struct route *route = exchange->streams;
    struct override **respond = upstream_override(upstream, route, OVERRIDE_RESPOND);
    if (upstream_override(upstream, route, OVERRIDE_STATUS))
        return true;
    if (respond) {
        const struct sequence *sequence =
            &(*respond)->sequences[upstream_position(upstream, route)];
        const struct respond *next = sequence_peek(sequence);
        return next && respond_is_constant(next);
    }
    const struct forward *forward = upstream_forward_now(upstream, route);
    return forward && exchange->responder && forward_http_is(exchange, forward);
}

bool upstream_tunnels(const struct upstream *upstream)
{
    const struct routes *routes = &upstream->set->routes;
    if (upstream->forwards && forward_takes_connect(upstream->now.forward))
        return true;
    for (size_t i = 0; i < routes->count; i++)
        if (forward_takes_connect(routes->items[i].config->forward))
            return true;
    return false;
}

/** Forwards a request that is not whole, if its route (NULL: none) does that. */
static void stream_by(struct upstream *upstream, struct exchange *exchange, struct route *route,
                      const struct headers *captures)
{
    route = route ? route : &upstream->fallback->route;
    struct answering answering = {
        .upstream = upstream,
        .exchange = exchange,
        .route = route,
        .forward = upstream_forward_now(upstream, route),
    };
    /* templates ask for the first message, and both sides may wait for what comes behind it */
    const struct grpc_call *call = exchange->call;
    bool known = call && grpc_call_is_bidirectional(call) && grpc_call_json(call);
    if (!answering.forward || forward_needs_whole_request(answering.forward, known))
        return;
    answering.captures = keep_captures(captures, exchange);
    exchange->streams = route;
    exchange->unbounded = !upstream->now.limits.body_size_written;
    exchange->captures = answering.captures;
    exchange->number = ++upstream->port->requests;
    route->requests++;
    if (grpc_request_is(&exchange->request))
        (void)grpc_pass_of(exchange);
    struct forward_job job = answering_job(&answering);
    job.turn = route->forwarded++;
    job.partial = true;
    forward_http_start(exchange, &job);
}

void upstream_stream(struct upstream *upstream, struct exchange *exchange)
{
    struct headers captures = {0};
    struct route *route;
    if (routes_find_by_head(&upstream->set->routes, exchange, upstream->port->server->seed,
                            &captures, &route))
        stream_by(upstream, exchange, route, &captures);
}

void upstream_stream_first(struct upstream *upstream, struct exchange *exchange, struct str first)
{
    struct headers captures = {0};
    struct str body = exchange->request.body;
    exchange->request.body = first;
    /* draws of `chance` are by the number that it will have */
    exchange->number = upstream->port->requests + 1;
    struct route *route =
        routes_find(&upstream->set->routes, exchange, upstream->port->server->seed, &captures);
    exchange->request.body = body;
    stream_by(upstream, exchange, route, &captures);
}

/** Fills which route takes the request. */
static void answering_route(struct answering *answering)
{
    struct upstream *upstream = answering->upstream;
    struct exchange *exchange = answering->exchange;
    struct server *server = upstream->port->server;
    struct headers captures = {0};
    if (exchange->streams) {
        answering->route = exchange->streams;
        answering->captures = exchange->captures;
        return;
    }
    struct route *route = routes_find(&upstream->set->routes, exchange, server->seed, &captures);
    answering->route = route ? route : &upstream->fallback->route;
    answering->captures = keep_captures(&captures, exchange);
    answering->route->requests++;
}

/** Answers by a block, or by what gRPC says of what has none. */
static void answering_respond(struct answering *answering)
{
    struct exchange *exchange = answering->exchange;
    /* a switch may have taken gRPC away while the request was read */
    struct grpc_call *call = upstream_is_grpc(answering->upstream) ? exchange->call : NULL;
    struct respond_job *job = &answering->job;
    if (!call && job->respond && respond_is_grpc(job->respond)) {
        job->respond = NULL;
        job->status = upstream_is_grpc(answering->upstream) ? 415 : 500;
        job->json = STR("{\"error\":\"this answer is of gRPC, and the request is not\"}");
    }
    if (call)
        grpc_call_go_own(call);
    if (!call || job->forced_status || (job->respond && respond_is_http(job->respond)))
        respond_start(exchange, job);
    else if (call->status)
        grpc_call_finish(call, call->status, call->why, NULL);
    else if (answering->unimplemented || (!call->method && (call->config.pool || !job->respond) &&
                                          !respond_fails(job->respond)))
        grpc_call_finish(
            call, GRPC_UNIMPLEMENTED,
            arena_printf(exchange_arena(exchange), "unknown rpc " STR_FMT, STR_ARG(call->rpc)),
            NULL);
    else
        grpc_answer_start(exchange, job);
}

/** What an action has put in the place of a forward may need the body, of which only the beginning
 * was kept: it is refused then. */
static void answering_refuse_cut(struct answering *answering)
{
    struct exchange *exchange = answering->exchange;
    struct respond_job *job = &answering->job;
    bool constant = job->forced_status || (job->respond && respond_is_constant(job->respond));
    if (!exchange->request.body_left_out || constant || exchange->responder)
        return;
    struct arena *arena = exchange_arena(exchange);
    struct json *object = json_object(arena);
    struct buf text;
    json_put(arena, object, STR("error"),
             json_string(arena, STR("what was put in the place of the forward needs the whole "
                                    "body, which is larger than what is kept of it")));
    json_put(arena, object, STR("body"),
             json_string(arena, request_body_lacks(&exchange->request, arena)));
    buf_init(&text, BUF_OWN);
    json_write(object, &text);
    *job = (struct respond_job){.status = 413, .json = arena_copy(arena, buf_str(&text))};
    answering->forward = NULL;
    buf_clear(&text);
}

void upstream_answer(struct upstream *upstream, struct exchange *exchange)
{
    struct answering answering = {.upstream = upstream, .exchange = exchange};
    answering_route(&answering);
    bool unmatched = answering_is_missed(&answering);
    journal_set_route(upstream->port->server->journal, exchange->entry, answering.route->name_id,
                      unmatched ? ENTRY_UNMATCHED : 0);
    answering_choose(&answering);
    /* an action that its arrival triggered has put something else in the place of what began */
    if (exchange->responder && !forward_http_is(exchange, answering.forward))
        exchange_forgotten(exchange);
    answering_refuse_cut(&answering);
    if (answering_fails(&answering))
        return;
    answering.job.delay_ns = answering_delay(&answering);
    answering_hold(&answering);
    if (answering.forward) {
        answering_forward(&answering);
        return;
    }
    answering.job.context = answering_context(&answering);
    answering.job.give_up_ns = upstream->now.limits.respond_ns;
    answering_respond(&answering);
}

/* What was not reached. */

bool upstream_minds_unmatched(const struct upstream *upstream)
{
    bool minds = upstream->set->routes.count > 0 && !upstream->forwards &&
                 upstream->fallback->config->kind == DEFAULT_NONE;
    return minds || upstream->minded;
}

/** Whom to tell of sequences that were not served whole. */
struct finding {
    const struct upstream *upstream;
    void (*found)(void *context, struct str name, struct place place, size_t served, size_t count);
    void *context;
};

static void finding_look(const struct finding *finding, const struct sequence *sequence,
                         struct str name, struct place place)
{
    if (sequence_is_unfinished(sequence))
        finding->found(finding->context, name, place, sequence->served, sequence->blocks->count);
}

static bool place_is(struct place a, struct place b)
{
    return a.source && a.source == b.source && a.line == b.line && a.column == b.column;
}

/** The sequence of a set's route if that stands at this place of the spec, else NULL. */
static const struct sequence *set_sequence(const struct route_set *set, size_t at,
                                           struct place place)
{
    if (at >= set->routes.count || !place_is(set->routes.items[at].config->respond_place, place))
        return NULL;
    return &set->routes.items[at].sequence;
}

/** An event may have brought a route again and again: it is told once, for the time that it came
 * farthest. */
static void find_unfinished_route(const struct finding *finding, const struct route_set *set,
                                  size_t at)
{
    const struct route *route = &set->routes.items[at];
    const struct sequence *farthest = &route->sequence;
    struct place place = route->config->respond_place;
    for (const struct route_set *newer = finding->upstream->sets; newer != set;
         newer = newer->older)
        if (set_sequence(newer, at, place))
            return;
    for (const struct route_set *older = set->older; older; older = older->older) {
        const struct sequence *again = set_sequence(older, at, place);
        if (again && again->served > farthest->served)
            farthest = again;
    }
    finding_look(finding, farthest, route->name, place);
}

/** The same for a default. */
static void find_unfinished_default(const struct finding *finding, const struct fallback *fallback)
{
    const struct sequence *farthest = &fallback->route.sequence;
    struct place place = fallback->config->place;
    for (const struct fallback *newer = finding->upstream->fallbacks; newer != fallback;
         newer = newer->older)
        if (place_is(newer->config->place, place))
            return;
    for (const struct fallback *older = fallback->older; older; older = older->older)
        if (place_is(older->config->place, place) &&
            older->route.sequence.served > farthest->served)
            farthest = &older->route.sequence;
    finding_look(finding, farthest, fallback->route.name, place);
}

static void find_unfinished_overrides(const struct finding *finding, const struct override *first)
{
    for (const struct override *o = first; o; o = o->older) {
        if (o->kind != OVERRIDE_RESPOND || o->route == ROUTE_UNKNOWN)
            continue;
        struct str name =
            o->route >= 0 ? o->set->routes.items[o->route].name : finding->upstream->port->name;
        finding_look(finding, override_sequence(o), name, (struct place){0});
    }
}

void upstream_unfinished(const struct upstream *upstream,
                         void (*found)(void *context, struct str name, struct place place,
                                       size_t served, size_t count),
                         void *context)
{
    const struct finding finding = {upstream, found, context};
    if (upstream->base->optional)
        return;
    for (const struct route_set *set = upstream->sets; set; set = set->older)
        for (size_t i = 0; i < set->routes.count; i++)
            if (!set->routes.items[i].config->optional)
                find_unfinished_route(&finding, set, i);
    for (const struct fallback *fallback = upstream->fallbacks; fallback;
         fallback = fallback->older)
        find_unfinished_default(&finding, fallback);
    find_unfinished_overrides(&finding, upstream->overrides);
    find_unfinished_overrides(&finding, upstream->taken_back);
}
