/* Calls of gRPC that are forwarded: what their clients are told where a far side fails. */

#include "server/grpc/pass.h"
#include "server/grpc/status.h"
#include "server/proxy/forward_run.h"

/** What a client of gRPC makes of our status of HTTP, but for the far side's silence. */
static int status_of(unsigned status)
{
    return status == 504 ? GRPC_DEADLINE_EXCEEDED : GRPC_UNAVAILABLE;
}

bool forwarding_own_grpc(const struct forwarding *forwarding, struct response_head *head)
{
    struct arena *arena = forwarding->arena;
    if (!grpc_request_is(&forwarding->exchange->request))
        return false;
    struct headers *headers = arena_alloc(arena, sizeof *headers);
    headers_add(headers, arena, STR("content-type"), STR("application/grpc"));
    grpc_status_add(headers, arena, status_of(forwarding->own_status), forwarding->own_why);
    *head = (struct response_head){
        .status = 200,
        .headers = headers,
        .content_length = 0,
        .no_framing = true,
        .no_date = true,
    };
    return true;
}

bool forwarding_break_grpc(struct forwarding *forwarding, unsigned status, struct str why)
{
    struct exchange *exchange = forwarding->exchange;
    struct arena *arena = exchange_arena(exchange);
    struct headers *trailers = arena_alloc(arena, sizeof *trailers);
    if (!grpc_pass_is_open(exchange))
        return false;
    grpc_status_add(trailers, arena, status_of(status), why);
    forwarding_leave(forwarding);
    exchange_finish(exchange, trailers);
    return true;
}

void leg_speak_grpc(struct leg *leg, const struct forwarding *forwarding)
{
    struct endpoint *endpoint = &leg->endpoint;
    /* a port of HTTP/1 is spoken to as it speaks, right or wrong; of a program that is only what
     * stands where nothing is written */
    bool stays = endpoint->own && endpoint->speech == ENDPOINT_HTTP1;
    if (!stays && leg->kind == LEG_CALL && grpc_request_is(&forwarding->exchange->request))
        endpoint->speech = ENDPOINT_HTTP2;
}
