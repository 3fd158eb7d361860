/*
 * The faults of connecting (LANGUAGE 7): the row of each name, and what it does. Those that strike
 * single connections are obstacles of their streams (fault_flow.h), the others are states of the
 * port.
 */
#include "server/fault/fault_flow.h"
#include "server/fault/fault_private.h"

/* refuse, blackhole */

static const struct fault_how refuse = {.stand = port_refuse};
static const struct fault_how blackhole = {.stand = port_blackhole};

/* accept-then-reset, max-connections */

static void reset_start(struct obstacle *obstacle, bool live)
{
    (void)live;
    if (obstacle_feels(obstacle))
        obstacle_end(obstacle, FLOW_CLOSE, CLOSE_RST);
}

static const struct obstacle_type reset_now = {
    .size = sizeof(struct obstacle), .once = true, .start = reset_start};

static bool max_connections_meets(const struct stream *stream, const struct fault_config *config)
{
    return port_exceeds(stream->port, *(const uint64_t *)config->kind.value);
}

static const struct fault_how accept_then_reset = {.obstacle = &reset_now};
static const struct fault_how max_connections = {.obstacle = &reset_now,
                                                 .meets = max_connections_meets};

/* accept-then-stall */

static void stall_start(struct obstacle *obstacle, bool live)
{
    (void)live;
    obstacle->shut = obstacle_feels(obstacle);
}

static const struct obstacle_type stall_now = {.size = sizeof(struct obstacle),
                                               .start = stall_start};
static const struct fault_how accept_then_stall = {.obstacle = &stall_now};

/* The rows */

#define CONNECT(key, type, doc, how_pointer, idle)                                                 \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_CONNECT, .may_idle = (idle), .how = (how_pointer)                       \
        }                                                                                          \
    }

const struct member fault_connect_members[] = {
    CONNECT("refuse", &type_true, "RST to every SYN: connections are refused.", &refuse, true),
    CONNECT("blackhole", &type_true,
            "No answer to any SYN: the handshake of TCP is never completed, connecting times out.",
            &blackhole, true),
    CONNECT("accept-then-reset", &type_true, "RST right after a connection was accepted.",
            &accept_then_reset, false),
    CONNECT("accept-then-stall", &type_true,
            "Nothing is read or written after a connection was accepted.", &accept_then_stall,
            false),
    CONNECT("max-connections", &type_count,
            "Connections beyond so many at a time are accepted and reset.", &max_connections,
            false),
    {0},
};
