/* Flows and obstacles: what the faults of bytes share. */
#include "server/fault/fault_flow.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/fault/fault_private.h"

#include <string.h>

enum {
    SETTLE_NS = 1000 * 1000 * 1000, /**< so long an end waits for who has to take what was before */
    SETTLE_LOOK_NS = 500 * 1000     /**< how often it is asked */
};

/** The bytes of one direction. */
struct flow {
    struct flows *flows;
    struct obstacle *first; /**< in the order of the faults */
    bool response;
};

/** The stage of a connection that faults act on. */
struct flows {
    struct stage stage;
    struct flow request;
    struct flow response;
    struct timer timer; /**< what cannot be done while bytes pass: ends, what is lifted */
    bool ends;          /**< a fault ends the connection: nothing comes any more */
    bool closes;        /**< it is to be closed */
    int64_t settle_ns;  /**< until then what passed before the end may be taken; 0 = nothing did */
    enum close_how how;
};

static const struct stage_type flows_type;

static struct flows *flows_of(const struct stream *stream)
{
    struct stage *bottom = stream->bottom;
    return bottom && bottom->type == &flows_type ? CONTAINER_OF(bottom, struct flows, stage) : NULL;
}

struct stream *obstacle_stream(const struct obstacle *obstacle)
{
    return obstacle->flow->flows->stage.stream;
}

struct random obstacle_random(const struct obstacle *obstacle, uint64_t number)
{
    return random_for(obstacle->seed, obstacle->flow->response ? STR("response") : STR("request"),
                      number);
}

/* What leaves a flow */

static void flow_close(struct flow *flow, enum close_how how)
{
    struct flows *flows = flow->flows;
    /* what it let pass on its way to the protocol comes there before the end does */
    if (!flow->response && !flows->settle_ns)
        flows->settle_ns = clock_now() + SETTLE_NS;
    if (!flows->closes || flows->how < how)
        flows->how = how;
    flows->ends = true;
    flows->closes = true;
    timer_start(&flows->timer, 0);
}

static void flow_leave(struct flow *flow, const struct flow_piece *piece)
{
    struct stage *stage = &flow->flows->stage;
    const struct iovec part = {(void *)(uintptr_t)piece->bytes.data, piece->bytes.size};
    switch (piece->kind) {
    case FLOW_BYTES:
        if (flow->response)
            stage_out(stage, &part, 1);
        else
            stage_in(stage, piece->bytes);
        break;
    case FLOW_CLOSE:
        flow_close(flow, piece->how);
        break;
    case FLOW_HALF:
        if (flow->response) {
            stream_half_close(stage->stream);
            break;
        }
        stage->stream->end_made = true;
        stage_in_end(stage);
        break;
    case FLOW_END:
        /* ours is waited for where it is kept, and sent once it is not */
        if (!flow->response)
            stage_in_end(stage);
        break;
    }
}

/* Obstacles */

bool obstacle_feels(struct obstacle *obstacle)
{
    if (!obstacle->asked && !obstacle->lifted) {
        obstacle->asked = true;
        if (!fault_felt(obstacle_stream(obstacle), obstacle->fault)) {
            obstacle->lifted = true;
            timer_start(&obstacle->flow->flows->timer, 0);
        }
    }
    return !obstacle->lifted;
}

void obstacle_keep(struct obstacle *obstacle, const struct flow_piece *piece)
{
    size_t size = piece->bytes.size;
    if (piece->kind == FLOW_BYTES && size == 0)
        return;
    if (size > STREAM_MOST_QUEUED - obstacle->held) {
        stream_overflow(obstacle_stream(obstacle));
        return;
    }
    /* not zeroed: there may be many bytes */
    struct flow_item *item = memory_resize(NULL, sizeof *item + size);
    *item = (struct flow_item){.piece = *piece};
    item->piece.bytes.data = item->data;
    if (size)
        memcpy(item->data, piece->bytes.data, size);
    if (obstacle->type->due_ns)
        item->due_ns = obstacle->type->due_ns(obstacle, clock_now());
    if (obstacle->last)
        obstacle->last->next = item;
    else
        obstacle->first = item;
    obstacle->last = item;
    obstacle->held += piece->kind == FLOW_BYTES ? size : 1;
    obstacle->weight += sizeof *item + size;
}

static void item_free(struct obstacle *obstacle)
{
    struct flow_item *item = obstacle->first;
    obstacle->first = item->next;
    if (!item->next)
        obstacle->last = NULL;
    obstacle->weight -= sizeof *item + item->piece.bytes.size;
    memory_free(item);
}

void obstacle_pass_part(struct obstacle *obstacle, size_t size)
{
    struct flow_item *item = obstacle->first;
    struct str bytes = str_slice(item->piece.bytes, item->taken, size);
    item->taken += size;
    obstacle->held -= size;
    obstacle_pass_bytes(obstacle, bytes);
    if (item->taken == item->piece.bytes.size)
        item_free(obstacle);
}

void obstacle_pass_first(struct obstacle *obstacle)
{
    struct flow_item *item = obstacle->first;
    if (item->piece.kind == FLOW_BYTES) {
        obstacle_pass_part(obstacle, item->piece.bytes.size - item->taken);
        return;
    }
    struct flow_piece piece = item->piece;
    obstacle->held--;
    item_free(obstacle);
    obstacle_pass(obstacle, &piece);
}

void obstacle_go(struct obstacle *obstacle)
{
    int64_t next_ns = INT64_MAX;
    while (obstacle->lifted && obstacle->first)
        obstacle_pass_first(obstacle);
    if (obstacle->first && obstacle->type->release)
        next_ns = obstacle->type->release(obstacle, clock_now());
    if (obstacle->first && next_ns < INT64_MAX)
        timer_start_at(&obstacle->timer, next_ns);
    else
        timer_stop(&obstacle->timer);
}

static void obstacle_due(struct timer *timer)
{
    struct obstacle *obstacle = CONTAINER_OF(timer, struct obstacle, timer);
    struct stream *stream = obstacle_stream(obstacle);
    if (stream->closed)
        return;
    stream_enter(stream);
    obstacle_go(obstacle);
    stream_leave(stream);
}

/** Nothing would be seen of it: an end that waits for no byte. */
static bool is_unfelt(const struct obstacle *obstacle, const struct flow_piece *piece)
{
    return obstacle->type->bytes && piece->kind != FLOW_BYTES && !obstacle->first;
}

static void obstacle_take_behind(struct obstacle *obstacle, const struct flow_piece *piece)
{
    if (obstacle->type->take) {
        obstacle->type->take(obstacle, piece);
    } else if (!is_unfelt(obstacle, piece) && obstacle_feels(obstacle)) {
        obstacle_keep(obstacle, piece);
        obstacle_go(obstacle);
    } else {
        obstacle_pass(obstacle, piece);
    }
    obstacle->offset += piece->bytes.size;
}

static void obstacle_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    struct flow_piece rest = *piece;
    if (obstacle->spent) {
        if (piece->kind != FLOW_BYTES)
            obstacle_pass(obstacle, piece);
        return;
    }
    if (obstacle->lifted) {
        if (obstacle->first)
            obstacle_keep(obstacle, piece);
        else
            obstacle_pass(obstacle, piece);
        return;
    }
    if (obstacle->offset < obstacle->from) {
        uint64_t before = obstacle->from - obstacle->offset;
        size_t size = before < rest.bytes.size ? (size_t)before : rest.bytes.size;
        if (rest.kind != FLOW_BYTES) {
            obstacle_pass(obstacle, piece);
            return;
        }
        obstacle->offset += size;
        obstacle_pass_bytes(obstacle, str_slice(rest.bytes, 0, size));
        rest.bytes = str_from(rest.bytes, size);
    }
    if (rest.kind != FLOW_BYTES || rest.bytes.size)
        obstacle_take_behind(obstacle, &rest);
}

void obstacle_pass(struct obstacle *obstacle, const struct flow_piece *piece)
{
    if (obstacle->next)
        obstacle_take(obstacle->next, piece);
    else
        flow_leave(obstacle->flow, piece);
}

void obstacle_pass_bytes(struct obstacle *obstacle, struct str bytes)
{
    const struct flow_piece piece = {.kind = FLOW_BYTES, .bytes = bytes};
    if (bytes.size)
        obstacle_pass(obstacle, &piece);
}

void obstacle_end(struct obstacle *obstacle, enum flow_kind kind, enum close_how how)
{
    const struct flow_piece piece = {.kind = kind, .how = how};
    obstacle->spent = true;
    obstacle_pass(obstacle, &piece);
}

static void obstacle_free(struct obstacle *obstacle)
{
    timer_stop(&obstacle->timer);
    while (obstacle->first)
        item_free(obstacle);
    memory_free(obstacle);
}

/* The flow as the stage has it */

static void flow_take(struct flow *flow, const struct flow_piece *piece)
{
    if (flow->first)
        obstacle_take(flow->first, piece);
    else
        flow_leave(flow, piece);
}

/** The obstacle behind which all is lost that comes, or the first one: what is kept before it
 * counts for nothing. */
static const struct obstacle *flow_counted(const struct flow *flow)
{
    const struct obstacle *counted = flow->first;
    for (const struct obstacle *obstacle = flow->first; obstacle; obstacle = obstacle->next)
        if (obstacle->spent)
            counted = obstacle;
    return counted;
}

static size_t flow_held(const struct flow *flow)
{
    size_t size = 0;
    for (const struct obstacle *obstacle = flow_counted(flow); obstacle; obstacle = obstacle->next)
        size += obstacle->held;
    return size;
}

static size_t flow_pressing(const struct flow *flow)
{
    size_t size = 0;
    for (const struct obstacle *obstacle = flow_counted(flow); obstacle; obstacle = obstacle->next)
        if (obstacle->weight > obstacle->room)
            size += obstacle->weight - obstacle->room;
    return size;
}

/** Frees what was lifted and keeps nothing. */
static void flow_sweep(struct flow *flow)
{
    struct obstacle **link = &flow->first;
    while (*link) {
        struct obstacle *obstacle = *link;
        if (!obstacle->lifted || obstacle->spent || obstacle->first) {
            link = &obstacle->next;
            continue;
        }
        *link = obstacle->next;
        obstacle_free(obstacle);
    }
}

/** Lets go what lifted obstacles keep: those at the end first, behind which the others' goes. */
static void flow_release(struct obstacle *obstacle)
{
    if (!obstacle)
        return;
    flow_release(obstacle->next);
    if (obstacle->lifted)
        obstacle_go(obstacle);
}

/* The stage */

static void flows_in(struct stage *stage, struct str bytes)
{
    struct flows *flows = CONTAINER_OF(stage, struct flows, stage);
    const struct flow_piece piece = {.kind = FLOW_BYTES, .bytes = bytes};
    if (!flows->ends)
        flow_take(&flows->request, &piece);
}

static void flows_in_end(struct stage *stage)
{
    struct flows *flows = CONTAINER_OF(stage, struct flows, stage);
    const struct flow_piece piece = {.kind = FLOW_END};
    if (!flows->ends)
        flow_take(&flows->request, &piece);
}

static void flows_out(struct stage *stage, const struct iovec *parts, int count)
{
    struct flows *flows = CONTAINER_OF(stage, struct flows, stage);
    for (int i = 0; i < count && !flows->ends; i++) {
        const struct flow_piece piece = {.kind = FLOW_BYTES,
                                         .bytes = {parts[i].iov_base, parts[i].iov_len}};
        if (piece.bytes.size)
            flow_take(&flows->response, &piece);
    }
}

static void flows_out_end(struct stage *stage)
{
    struct flows *flows = CONTAINER_OF(stage, struct flows, stage);
    const struct flow_piece piece = {.kind = FLOW_END};
    flow_take(&flows->response, &piece);
}

static size_t flows_held(const struct stage *stage)
{
    const struct flows *flows = CONTAINER_OF(stage, const struct flows, stage);
    /* an end that is due in the next turn comes before the protocol's own: RST is not overtaken */
    return flow_held(&flows->response) + (flows->closes ? 1 : 0);
}

static size_t flows_pressing(const struct stage *stage)
{
    return flow_pressing(&CONTAINER_OF(stage, const struct flows, stage)->response);
}

static size_t flows_held_in(const struct stage *stage)
{
    const struct flows *flows = CONTAINER_OF(stage, const struct flows, stage);
    for (const struct obstacle *obstacle = flows->request.first; obstacle;
         obstacle = obstacle->next)
        if (obstacle->shut && !flows->ends)
            return STREAM_MOST_INPUT;
    return flow_pressing(&flows->request);
}

/** An end that is kept is no byte; it is the last that comes. */
static size_t flows_unread(const struct stage *stage)
{
    const struct flows *flows = CONTAINER_OF(stage, const struct flows, stage);
    size_t size = 0;
    for (const struct obstacle *obstacle = flow_counted(&flows->request); obstacle;
         obstacle = obstacle->next)
        if (obstacle->last)
            size += obstacle->held - (obstacle->last->piece.kind == FLOW_BYTES ? 0 : 1);
    return size;
}

static int64_t flows_next_ns(const struct stage *stage)
{
    const struct flows *flows = CONTAINER_OF(stage, const struct flows, stage);
    int64_t next_ns = 0;
    for (const struct obstacle *obstacle = flow_counted(&flows->response); obstacle;
         obstacle = obstacle->next) {
        if (!obstacle->first || obstacle->lifted)
            continue;
        int64_t due_ns = timer_is_active(&obstacle->timer) ? obstacle->timer.due_ns : INT64_MAX;
        next_ns = due_ns > next_ns ? due_ns : next_ns;
    }
    return next_ns;
}

static void flows_gone(struct stage *stage)
{
    struct flows *flows = CONTAINER_OF(stage, struct flows, stage);
    struct flow *both[] = {&flows->request, &flows->response};
    timer_stop(&flows->timer);
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        while (both[i]->first) {
            struct obstacle *next = both[i]->first->next;
            obstacle_free(both[i]->first);
            both[i]->first = next;
        }
    }
    memory_free(flows);
}

static const struct stage_type flows_type = {
    .name = "faults",
    .in = flows_in,
    .in_end = flows_in_end,
    .out = flows_out,
    .out_end = flows_out_end,
    .held = flows_held,
    .pressing = flows_pressing,
    .next_ns = flows_next_ns,
    .held_in = flows_held_in,
    .unread = flows_unread,
    .gone = flows_gone,
};

/** Whether the protocol has what passed before the end, or does not take it. */
static bool flows_settled(const struct flows *flows)
{
    struct stream *stream = flows->stage.stream;
    return clock_now() >= flows->settle_ns || stream->closing || !stream->protocol->settle ||
           stream->protocol->settle(stream);
}

static void flows_due(struct timer *timer)
{
    struct flows *flows = CONTAINER_OF(timer, struct flows, timer);
    struct stream *stream = flows->stage.stream;
    if (stream->closed)
        return;
    stream_enter(stream);
    flow_release(flows->request.first);
    flow_release(flows->response.first);
    if (flows->closes && flows_settled(flows)) {
        flows->closes = false;
        stream_close(stream, flows->how);
    } else if (flows->closes) {
        timer_start(&flows->timer, SETTLE_LOOK_NS);
    }
    flow_sweep(&flows->request);
    flow_sweep(&flows->response);
    bool empty = !flows->request.first && !flows->response.first && !flows->ends;
    if (empty && !stream->closed)
        stream_remove_stage(&flows->stage);
    stream_leave(stream);
}

/* From the faults */

static struct flows *flows_new(struct stream *stream)
{
    struct flows *flows = memory_alloc(sizeof *flows);
    flows->stage.type = &flows_type;
    flows->request.flows = flows;
    flows->response.flows = flows;
    flows->response.response = true;
    timer_init(&flows->timer, stream->port->server->loop, flows_due);
    stream_insert_stage(stream, &flows->stage);
    return flows;
}

static struct obstacle *flow_obstruct(struct flow *flow, const struct fault *fault)
{
    struct stream *stream = flow->flows->stage.stream;
    struct server *server = stream->port->server;
    const struct obstacle_type *type = fault->kind->how->obstacle;
    struct obstacle *obstacle = memory_alloc(type->size);
    struct random random = random_for(server->seed, fault->key, stream->number);
    obstacle->flow = flow;
    obstacle->type = type;
    obstacle->config = fault->config;
    obstacle->fault = fault->id;
    obstacle->seed = random_next(&random);
    obstacle->from = fault_is_of_route(fault) ? 0 : fault->config->after.bytes;
    obstacle->offset = fault_moved(fault, stream, flow->response);
    timer_init(&obstacle->timer, server->loop, obstacle_due);
    if (type->init)
        type->init(obstacle);
    struct obstacle **link = &flow->first;
    while (*link && (*link)->fault < fault->id)
        link = &(*link)->next;
    obstacle->next = *link;
    *link = obstacle;
    return obstacle;
}

void flows_obstruct(struct stream *stream, const struct fault *fault, bool live)
{
    const struct obstacle_type *type = fault->kind->how->obstacle;
    struct flows *flows = flows_of(stream);
    struct obstacle *obstacles[2] = {NULL};
    int direction = fault->config->direction;
    size_t count = 0;
    if (!flows)
        flows = flows_new(stream);
    if ((fault_is_of_route(fault) && type->answer) || type->once)
        direction = FAULT_RESPONSE;
    if (direction != FAULT_RESPONSE)
        obstacles[count++] = flow_obstruct(&flows->request, fault);
    if (direction != FAULT_REQUEST)
        obstacles[count++] = flow_obstruct(&flows->response, fault);
    /* nothing is freed before the next turn */
    for (size_t i = 0; i < count && type->start; i++)
        if (!obstacles[i]->lifted && !flows->ends)
            type->start(obstacles[i], live);
}

static void flow_lift(struct flow *flow, uint64_t fault)
{
    for (struct obstacle *obstacle = flow->first; obstacle; obstacle = obstacle->next) {
        if (obstacle->fault != fault)
            continue;
        obstacle->lifted = true;
        obstacle->shut = false;
        timer_start(&flow->flows->timer, 0);
    }
}

void flows_lift(struct stream *stream, uint64_t fault)
{
    struct flows *flows = flows_of(stream);
    if (!flows)
        return;
    flow_lift(&flows->request, fault);
    flow_lift(&flows->response, fault);
}
