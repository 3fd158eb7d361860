/* A request that is forwarded while it comes: it passes as fast as the far side takes it, and what
 * the far side answers meanwhile passes, too. */

#include "server/port/port.h"
#include "server/proxy/forward_run.h"
#include "server/stream/scratch.h"

/** Stops the client where the far side does not keep up. */
void forwarding_balance(struct forwarding *forwarding)
{
    struct exchange *exchange = forwarding->exchange;
    const struct leg *leg = forwarding->last;
    if (exchange_request_is_whole(exchange) || !leg)
        return;
    uint64_t came = request_body_size(&exchange->request);
    uint64_t left = leg->call ? came - leg->offered : 0;
    if (left > STREAM_HIGH_MARK)
        exchange_stop(exchange, true);
    else if (left <= STREAM_LOW_MARK)
        exchange_stop(exchange, false);
}

/** The end of the request goes on once nothing holds it: an action may still change the answer. */
static void forwarding_offer(struct forwarding *forwarding)
{
    bool whole = !forwarding->waits && exchange_request_is_whole(forwarding->exchange);
    for (struct leg *leg = forwarding->legs; leg; leg = leg->next)
        leg_more(leg, whole);
}

void forwarding_request(struct exchange *exchange)
{
    struct forwarding *forwarding = exchange->responder;
    struct stream *stream = forwarding_enter(forwarding);
    forwarding_offer(forwarding);
    /* the answer waited for a body that is too large to be looked at */
    if (forwarding->waits && forwarding->ready && exchange->state == EXCHANGE_READING)
        forwarding_ready_early(forwarding);
    if (!forwarding->left)
        forwarding_balance(forwarding);
    forwarding_exit(forwarding, stream);
}

void forwarding_taken(struct forwarding *forwarding)
{
    struct stream *stream = forwarding_enter(forwarding);
    if (!forwarding->left)
        forwarding_balance(forwarding);
    forwarding_exit(forwarding, stream);
}

/* Answers before the request is whole. */

void forwarding_keep(const struct forwarding *forwarding, struct leg *leg, size_t more)
{
    size_t most = forwarding_most_body(forwarding);
    if (leg && leg->collected.size + more + 2 * SCRATCH_INPUT > most)
        leg_pause(leg, true);
}

size_t forwarding_most_queued(const struct forwarding *forwarding)
{
    size_t most = forwarding_most_body(forwarding);
    if (exchange_request_is_whole(forwarding->exchange))
        return STREAM_HIGH_MARK;
    return most < FORWARD_MOST_KEPT ? most : FORWARD_MOST_KEPT;
}

/** Whether the request may arrive before it is whole: no event asks for its body, or what is shown
 * of it is there, or only its beginning is kept, of which none can be sure. A tunnel begins where
 * the request ends. */
static bool may_arrive(const struct forwarding *forwarding)
{
    struct exchange *exchange = forwarding->exchange;
    return exchange->state == EXCHANGE_READING && !forwarding->tunnels &&
           (!exchange->stream->port->bodies_asked || exchange->request.body_left_out ||
            exchange_shows_body(exchange));
}

void forwarding_ready_early(struct forwarding *forwarding)
{
    if (may_arrive(forwarding))
        exchange_arrive_early(forwarding->exchange);
    if (!forwarding->left && forwarding->waits)
        forwarding_keep(forwarding, forwarding->chosen, 0);
}

bool forward_http_is(const struct exchange *exchange, const struct forward *forward)
{
    const struct forwarding *forwarding = exchange->responder;
    return forwarding->job.forward == forward;
}

void forward_http_arrived(struct exchange *exchange, const struct forward_job *job)
{
    struct forwarding *forwarding = exchange->responder;
    struct stream *stream = forwarding_enter(forwarding);
    forwarding->waits = false;
    forwarding->job.delay_ns = job->delay_ns;
    forwarding->job.give_up_ns = job->give_up_ns;
    if (job->give_up_ns)
        timer_start_at(&forwarding->give_up, exchange->whole_ns + job->give_up_ns);
    for (struct leg *leg = forwarding->legs; leg; leg = leg->next)
        leg_place(leg, forwarding);
    forwarding_offer(forwarding);
    if (forwarding->ready)
        forwarding_ready(forwarding);
    forwarding_exit(forwarding, stream);
}
