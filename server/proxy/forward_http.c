/* An exchange that is answered from far sides. */

#include "base/clock.h"
#include "server/grpc/call.h"
#include "server/http/upstream.h"
#include "server/proxy/forward_run.h"
#include "server/stream/scratch.h"

size_t forwarding_most_body(const struct forwarding *forwarding)
{
    return (size_t)upstream_limits(forwarding->exchange->stream->port->owner)->body_size;
}

static const struct forward_response *response_of(const struct forwarding *forwarding)
{
    const struct forward_http *http = forwarding->job.forward->http;
    return http ? http->response : NULL;
}

/* The end. */

struct stream *forwarding_enter(struct forwarding *forwarding)
{
    struct stream *stream = forwarding->exchange->stream;
    forwarding->busy++;
    stream_enter(stream);
    return stream;
}

static void forwarding_free(struct forwarding *forwarding)
{
    for (struct leg *leg = forwarding->legs; leg;) {
        struct leg *next = leg->next;
        if (leg->owns)
            arena_free(leg->arena);
        leg = next;
    }
    arena_free(forwarding->arena);
}

void forwarding_exit(struct forwarding *forwarding, struct stream *stream)
{
    if (--forwarding->busy == 0 && forwarding->left)
        forwarding_free(forwarding);
    stream_leave(stream);
}

void forwarding_leave(struct forwarding *forwarding)
{
    struct exchange *exchange = forwarding->exchange;
    forwarding->left = true;
    timer_stop(&forwarding->delay);
    timer_stop(&forwarding->give_up);
    exchange->responder = NULL;
    exchange->responder_gone = NULL;
    exchange->responder_writable = NULL;
    exchange->responder_request = NULL;
    exchange->responder_left = NULL;
    for (struct leg *leg = forwarding->legs; leg; leg = leg->next) {
        leg_give_up(leg);
        leg_clear(leg);
    }
    for (const struct leg *leg = forwarding->legs; leg; leg = leg->next)
        leg_journal(leg, exchange->status);
}

static void forwarding_gone(struct exchange *exchange)
{
    struct forwarding *forwarding = exchange->responder;
    struct stream *stream = forwarding_enter(forwarding);
    forwarding_leave(forwarding);
    forwarding_exit(forwarding, stream);
}

void forwarding_finish(struct forwarding *forwarding)
{
    struct exchange *exchange = forwarding->exchange;
    const struct leg *chosen = forwarding->chosen;
    const struct headers *trailers = NULL;
    if (chosen && !forwarding->own_status && chosen->trailers.count)
        trailers = &chosen->trailers;
    forwarding_leave(forwarding);
    exchange_finish(exchange, trailers);
}

/** The far side broke off within its answer: the client sees the same. */
static void forwarding_cut(struct forwarding *forwarding, enum close_how how)
{
    struct exchange *exchange = forwarding->exchange;
    if (forwarding->ends_by_close && !exchange->aborted)
        how = CLOSE_RST;
    forwarding_leave(forwarding);
    exchange_cut(exchange, how);
}

/** The client closed its side: the far side hears of it, as it would without us in between. */
static void forwarding_client_left(struct exchange *exchange)
{
    struct forwarding *forwarding = exchange->responder;
    struct stream *stream = forwarding_enter(forwarding);
    forwarding_cut(forwarding, CLOSE_FIN);
    forwarding_exit(forwarding, stream);
}

/* Giving the answer. */

/** Gives what is left of a body that is there whole. */
static void forwarding_pump(struct forwarding *forwarding)
{
    while (forwarding->rest.size) {
        if (exchange_queued(forwarding->exchange) > STREAM_HIGH_MARK) {
            forwarding->blocked = true;
            return;
        }
        struct str piece = str_slice(forwarding->rest, 0, FORWARD_PIECE);
        forwarding->rest = str_from(forwarding->rest, piece.size);
        exchange_body(forwarding->exchange, piece);
        if (forwarding->left)
            return;
    }
    forwarding_finish(forwarding);
}

static void forwarding_writable(struct exchange *exchange)
{
    struct forwarding *forwarding = exchange->responder;
    struct stream *stream = forwarding_enter(forwarding);
    if (forwarding->blocked) {
        forwarding->blocked = false;
        forwarding_pump(forwarding);
    } else if (forwarding->chosen) {
        leg_pause(forwarding->chosen, false);
    }
    forwarding_exit(forwarding, stream);
}

static void give_head(struct forwarding *forwarding, struct response_head *head)
{
    const struct exchange *exchange = forwarding->exchange;
    forwarding->begun = true;
    forwarding->ends_by_close = head->content_length < 0 && exchange->request.version == HTTP_1_0;
    exchange_head(forwarding->exchange, head);
}

/** An answer of our own: 502, 503, 504. */
static void give_own(struct forwarding *forwarding)
{
    struct headers headers = {0};
    struct response_head head = {0};
    if (forwarding_own_grpc(forwarding, &head)) {
        give_head(forwarding, &head);
        if (!forwarding->left)
            forwarding_finish(forwarding);
        return;
    }
    head = (struct response_head){
        .status = forwarding->own_status,
        .headers = &headers,
        .content_length = (int64_t)forwarding->own_json.size,
    };
    headers_add(&headers, forwarding->arena, STR("content-type"), STR("application/json"));
    give_head(forwarding, &head);
    if (forwarding->left)
        return;
    forwarding->rest = forwarding->own_json;
    forwarding_pump(forwarding);
}

/** Whether an answer to this request, with this status, has a body. */
static bool has_body(const struct forwarding *forwarding, unsigned status)
{
    return !str_is(forwarding->exchange->request.method, "HEAD") && status != 204 && status != 304;
}

/** The answer that was made of whole ones. */
static void give_made(struct forwarding *forwarding, struct response_head *head)
{
    const struct forward_given *given = &forwarding->given;
    const struct leg *chosen = forwarding->chosen;
    bool empty = !has_body(forwarding, given->status);
    head->content_length = (int64_t)given->body.size;
    head->chunked = chosen && chosen->trailers.count && !empty;
    /* to HEAD: how long the body would be is not known where it would be made of theirs */
    head->no_framing = !given->has_body && empty;
    give_head(forwarding, head);
    if (forwarding->left)
        return;
    forwarding->rest = empty ? (struct str){0} : given->body;
    forwarding_pump(forwarding);
}

/** Whether trailers are announced for which a length that is told leaves no room: HTTP/1.1 has them
 * behind chunks only (RFC 9110 section 6.5), HTTP/2 behind a body. */
static bool gets_trailers(const struct forwarding *forwarding)
{
    const struct leg *chosen = forwarding->chosen;
    return chosen->content_length >= 0 && headers_get(&chosen->headers, STR("trailer")).data &&
           (forwarding->exchange->request.version != HTTP_2 || chosen->content_length == 0);
}

/** The answer of the far side, as far as it is there. */
static void give_theirs(struct forwarding *forwarding)
{
    struct leg *chosen = forwarding->chosen;
    struct forward_given *given = &forwarding->given;
    struct response_head head = {
        .status = given->status,
        .reason = given->reason,
        .headers = &given->headers,
        .no_date = !headers_get(&given->headers, STR("date")).data && chosen,
    };
    if (forwarding->collects) {
        give_made(forwarding, &head);
        return;
    }
    /* 304 tells the length of what it does not carry: another status would promise it */
    bool promises = !has_body(forwarding, chosen->status) && has_body(forwarding, given->status);
    head.content_length = promises ? 0 : chosen->content_length;
    head.chunked = has_body(forwarding, given->status) && gets_trailers(forwarding);
    give_head(forwarding, &head);
    if (!forwarding->left)
        exchange_body(forwarding->exchange, buf_str(&chosen->collected));
    if (forwarding->left)
        return;
    if (chosen->state == LEG_WHOLE)
        forwarding_finish(forwarding);
    else if (exchange_queued(forwarding->exchange) <= STREAM_HIGH_MARK)
        leg_pause(chosen, false);
}

void forwarding_begin(struct forwarding *forwarding)
{
    if (forwarding->own_status)
        give_own(forwarding);
    else if (forwarding->tunnels)
        forwarding_give_tunnel(forwarding);
    else
        give_theirs(forwarding);
}

static void forwarding_delay_over(struct timer *timer)
{
    struct forwarding *forwarding = CONTAINER_OF(timer, struct forwarding, delay);
    struct stream *stream = forwarding_enter(forwarding);
    forwarding_begin(forwarding);
    forwarding_exit(forwarding, stream);
}

void forwarding_ready(struct forwarding *forwarding)
{
    forwarding->ready = true;
    if (forwarding->waits) {
        forwarding_ready_early(forwarding);
        return;
    }
    if (forwarding->job.delay_ns <= 0) {
        forwarding_begin(forwarding);
        return;
    }
    if (forwarding->chosen)
        leg_pause(forwarding->chosen, true);
    timer_start(&forwarding->delay, forwarding->job.delay_ns);
}

void forwarding_own(struct forwarding *forwarding, unsigned status, struct str to, struct str why)
{
    struct arena *arena = forwarding->arena;
    struct json *object = json_object(arena);
    struct buf text;
    for (struct leg *leg = forwarding->legs; leg; leg = leg->next)
        leg_give_up(leg);
    json_put(arena, object, STR("error"), json_string(arena, why));
    if (to.size)
        json_put(arena, object, STR("to"), json_string(arena, to));
    buf_init(&text, BUF_OWN);
    json_write(object, &text);
    forwarding->own_status = status;
    forwarding->own_why = why;
    forwarding->own_json = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
}

static void forwarding_give_up(struct timer *timer)
{
    struct forwarding *forwarding = CONTAINER_OF(timer, struct forwarding, give_up);
    struct stream *stream = forwarding_enter(forwarding);
    if (forwarding->begun) {
        if (!forwarding_break_grpc(forwarding, 503, STR("no answer within limits.respond")))
            forwarding_cut(forwarding, CLOSE_FIN);
    } else {
        timer_stop(&forwarding->delay);
        forwarding_own(forwarding, 503, STR(""), STR("no answer was begun within limits.respond"));
        forwarding_begin(forwarding);
    }
    forwarding_exit(forwarding, stream);
}

/* What is made of the far sides' answers. */

/** Fills what templates may ask for. False with *why when a body cannot be read. */
static bool fill_answers(struct forwarding *forwarding, struct str *why)
{
    struct arena *arena = forwarding->arena;
    const struct forward_response *response = response_of(forwarding);
    size_t count = 0;
    for (const struct leg *leg = forwarding->legs; leg; leg = leg->next)
        count++;
    struct template_answer *answers = arena_alloc_array(arena, count + 1, sizeof *answers);
    count = 0;
    for (const struct leg *leg = forwarding->legs; leg; leg = leg->next) {
        if (!leg->config && leg != forwarding->chosen)
            continue;
        struct template_answer *answer = &answers[count++];
        answer->name = leg->name;
        answer->status = leg->status;
        answer->headers = &leg->headers;
        answer->body = buf_str(&leg->collected);
        if (response && response->reads_body &&
            !forward_unpack(&leg->headers, answer->body, forwarding_most_body(forwarding), arena,
                            &answer->body, why))
            return false;
    }
    forwarding->context.answers = answers;
    forwarding->context.answer_count = count;
    return true;
}

/** Makes what the client gets of what came. */
static void forwarding_make(struct forwarding *forwarding)
{
    const struct leg *chosen = forwarding->chosen;
    const struct forward_came came = {
        .status = chosen ? chosen->status : 0,
        .reason = chosen ? chosen->reason : (struct str){0},
        .headers = chosen ? &chosen->headers : NULL,
        .body = chosen && forwarding->collects ? buf_str(&chosen->collected) : (struct str){0},
        .bodiless = !chosen || forwarding->tunnels || !has_body(forwarding, chosen->status),
    };
    struct str why = {0};
    if (!fill_answers(forwarding, &why) ||
        !forward_make_answer(response_of(forwarding), &came, &forwarding->context,
                             forwarding_most_body(forwarding), forwarding->arena,
                             &forwarding->given, &why))
        forwarding_own(forwarding, 502, chosen ? chosen->endpoint.text : (struct str){0}, why);
}

void forwarding_informed(struct forwarding *forwarding, struct leg *leg, unsigned status,
                         const struct headers *headers)
{
    bool only = true;
    for (const struct leg *other = forwarding->legs; other; other = other->next)
        only &= other == leg || other->state == LEG_FAILED;
    /* 100 was said when the request was read */
    if (only && !leg->config && status != 100)
        exchange_informational(forwarding->exchange, status, headers);
}

/** Of several that were asked, this one answers. */
static void forwarding_choose(struct forwarding *forwarding, struct leg *leg)
{
    forwarding->chosen = leg;
    for (struct leg **link = &forwarding->legs; *link;) {
        struct leg *other = *link;
        if (other != leg && other->owns && other->call) {
            *link = other->next;
            leg_release(other);
            continue;
        }
        if (other != leg && !other->config)
            leg_give_up(other);
        forwarding->last = other;
        link = &other->next;
    }
}

/** Makes the head of a tunnel once all calls are whole; `response` may make another answer of it.
 */
static void forwarding_make_tunnel(struct forwarding *forwarding)
{
    struct leg *leg = forwarding->chosen;
    struct forward_given *given = &forwarding->given;
    for (const struct leg *other = forwarding->legs; other; other = other->next)
        if (other->config && other->state < LEG_WHOLE)
            return;
    forwarding_make(forwarding);
    bool stays = leg->kind == LEG_UPGRADE ? given->status == 101 : given->status / 100 == 2;
    if (!forwarding->own_status && !stays) {
        leg_give_up(leg);
        headers_remove(&given->headers, STR("upgrade"));
        forwarding->tunnels = false;
        forwarding->collects = true;
    }
    forwarding_ready(forwarding);
}

void forwarding_tunnel(struct forwarding *forwarding, struct leg *leg)
{
    struct stream *stream = forwarding_enter(forwarding);
    forwarding_choose(forwarding, leg);
    forwarding->tunnels = true;
    leg_pause(leg, true);
    forwarding_make_tunnel(forwarding);
    forwarding_exit(forwarding, stream);
}

void forwarding_head(struct forwarding *forwarding, struct leg *leg)
{
    if (leg->config)
        return;
    struct stream *stream = forwarding_enter(forwarding);
    forwarding_choose(forwarding, leg);
    if (!forwarding->collects) {
        forwarding_make(forwarding);
        forwarding_ready(forwarding);
    }
    forwarding_exit(forwarding, stream);
}

bool forwarding_body(struct forwarding *forwarding, struct leg *leg, struct str bytes)
{
    const struct forward_response *response = response_of(forwarding);
    struct exchange *exchange = forwarding->exchange;
    if (forwarding->collects)
        return response && response->makes_body && !response->reads_body;
    if (!forwarding->begun || leg != forwarding->chosen) {
        if (forwarding->waits)
            forwarding_keep(forwarding, leg, bytes.size);
        return false;
    }
    struct stream *stream = forwarding_enter(forwarding);
    exchange_body(exchange, bytes);
    if (!forwarding->left && exchange_queued(exchange) > forwarding_most_queued(forwarding))
        leg_pause(leg, true);
    forwarding_exit(forwarding, stream);
    return true;
}

/* Far sides that failed. */

static unsigned failure_status(enum call_failure failure)
{
    return failure == CALL_TIMEOUT ? 504 : 502;
}

static enum close_how failure_close(enum call_failure failure)
{
    return failure == CALL_RESET ? CLOSE_RST : CLOSE_FIN;
}

void forwarding_add(struct forwarding *forwarding, struct leg *leg)
{
    *(forwarding->last ? &forwarding->last->next : &forwarding->legs) = leg;
    forwarding->last = leg;
}

/** Whether another far side may still answer, or is asked now. */
static bool forwarding_has_other(struct forwarding *forwarding, const struct leg *failed)
{
    const struct forward *forward = forwarding->job.forward;
    const struct str *to = forward->to.items;
    bool untouched = failed->failure == CALL_DNS || failed->failure == CALL_CONNECT;
    if (failed->config || forwarding->chosen)
        return false;
    for (const struct leg *leg = forwarding->legs; leg; leg = leg->next)
        if (!leg->config && leg->state < LEG_WHOLE)
            return true;
    if (forward->pick != PICK_FIRST || !untouched)
        return false;
    while (forwarding->tried < forward->to.count) {
        const struct leg_plan plan = {.to = to[forwarding->tried++], .kind = failed->kind};
        struct leg *leg = leg_new(forwarding, &plan);
        forwarding_add(forwarding, leg);
        if (leg->state != LEG_FAILED)
            return true;
    }
    return false;
}

static void forwarding_failed(struct forwarding *forwarding, struct leg *leg)
{
    if (forwarding_has_other(forwarding, leg))
        return;
    if (forwarding->begun) {
        if (!forwarding_break_grpc(forwarding, failure_status(leg->failure), leg->why))
            forwarding_cut(forwarding, failure_close(leg->failure));
        return;
    }
    struct str why = leg->why;
    if (leg->name.size)
        why =
            arena_printf(forwarding->arena, STR_FMT ": " STR_FMT, STR_ARG(leg->name), STR_ARG(why));
    /* the delay under way, if there is one, holds this answer back as well */
    bool waits = forwarding->ready;
    forwarding_own(forwarding, failure_status(leg->failure), leg->endpoint.text, why);
    if (!waits)
        forwarding_ready(forwarding);
}

static bool all_whole(const struct forwarding *forwarding)
{
    for (const struct leg *leg = forwarding->legs; leg; leg = leg->next)
        if (leg->state < LEG_WHOLE)
            return false;
    return true;
}

void forwarding_leg_ended(struct forwarding *forwarding, struct leg *leg)
{
    if (forwarding->left || forwarding->own_status)
        return;
    struct stream *stream = forwarding_enter(forwarding);
    if (leg->state == LEG_FAILED) {
        forwarding_failed(forwarding, leg);
    } else if (forwarding->begun) {
        forwarding_finish(forwarding);
    } else if (forwarding->tunnels) {
        forwarding_make_tunnel(forwarding);
    } else if (forwarding->collects && all_whole(forwarding)) {
        forwarding_make(forwarding);
        forwarding_ready(forwarding);
    }
    /* the rest of the request is read though nobody takes it */
    if (!forwarding->left)
        forwarding_balance(forwarding);
    forwarding_exit(forwarding, stream);
}

/* The beginning. */

static struct str pick_one(struct forwarding *forwarding)
{
    const struct forward_job *job = &forwarding->job;
    const struct str *to = job->forward->to.items;
    size_t count = job->forward->to.count;
    if (job->forward->pick == PICK_ROUND_ROBIN)
        return to[job->turn % count];
    struct str key = arena_printf(forwarding->arena, "pick " STR_FMT, STR_ARG(job->route));
    struct random random = random_for(forwarding->context.seed, key, job->request_number);
    return to[random_between(&random, 0, count - 1)];
}

/** Whether the client asks for another protocol on this connection. That of HTTP/2 is not passed
 * on: its settings are about one connection. */
static bool asks_upgrade(const struct request *request)
{
    const struct headers *headers = &request->headers;
    return request->version == HTTP_1_1 && headers_get(headers, STR("upgrade")).data &&
           headers_has_token(headers, STR("connection"), STR("upgrade")) &&
           !headers_has_token(headers, STR("upgrade"), STR("h2c"));
}

static void ask_one(struct forwarding *forwarding, struct str to, enum leg_kind kind)
{
    bool race = forwarding->job.forward->pick == PICK_RACE && kind == LEG_CALL;
    const struct leg_plan plan = {.to = to, .kind = kind, .owns = race};
    forwarding_add(forwarding, leg_new(forwarding, &plan));
}

void forwarding_ask(struct forwarding *forwarding, enum leg_kind kind)
{
    const struct forward *forward = forwarding->job.forward;
    const struct str *to = forward->to.items;
    if (!forward->to.count)
        return;
    switch ((enum forward_pick)forward->pick) {
    case PICK_ROUND_ROBIN:
    case PICK_RANDOM:
        ask_one(forwarding, pick_one(forwarding), kind);
        break;
    case PICK_RACE:
        for (size_t i = 0; i < forward->to.count; i++)
            ask_one(forwarding, to[i], kind);
        break;
    case PICK_MIRROR:
        for (size_t i = 1; i < forward->to.count && kind == LEG_CALL; i++) {
            const struct leg_plan plan = {.to = to[i], .owns = true};
            leg_release(leg_new(forwarding, &plan));
        }
        /* fall through */
    case PICK_FIRST:
        forwarding->tried = 1;
        ask_one(forwarding, to[0], kind);
        break;
    }
}

static struct template_context context_of(const struct exchange *exchange,
                                          const struct forward_job *job)
{
    return (struct template_context){
        .request = &exchange->request,
        .path = job->captures,
        .request_number = job->request_number,
        .connection_number = exchange->stream->number,
        .tls = exchange->stream->tls,
        .upstream = exchange->stream->port->name,
        .seed = exchange->stream->port->server->seed,
        .draw = exchange->number,
        .json = exchange->call ? grpc_call_json(exchange->call) : NULL,
        .json_tried = exchange->call,
    };
}

static struct forwarding *forwarding_new(struct exchange *exchange, const struct forward_job *job)
{
    struct arena *arena = arena_new();
    struct loop *loop = exchange->stream->port->server->loop;
    struct forwarding *forwarding = arena_alloc(arena, sizeof *forwarding);
    const struct forward_http *http = job->forward->http;
    const struct forward_response *response = http ? http->response : NULL;
    uint16_t port;
    forwarding->exchange = exchange;
    forwarding->arena = arena;
    forwarding->job = *job;
    forwarding->waits = job->partial;
    forwarding->context = context_of(exchange, job);
    forwarding->context.client_address = exchange_client(exchange, &port);
    forwarding->collects =
        (response && (response->makes_body || response->reads_body)) || (http && http->calls.count);
    timer_init(&forwarding->delay, loop, forwarding_delay_over);
    timer_init(&forwarding->give_up, loop, forwarding_give_up);
    exchange->responder = forwarding;
    exchange->responder_gone = forwarding_gone;
    exchange->responder_writable = forwarding_writable;
    exchange->responder_request = forwarding_request;
    exchange->responder_left = forwarding_client_left;
    return forwarding;
}

/** Those that failed when they were to begin: where an endpoint leads nowhere. */
static struct leg *find_stillborn(const struct forwarding *forwarding)
{
    struct leg *leg = forwarding->legs;
    while (leg && leg->state != LEG_FAILED)
        leg = leg->next;
    return leg;
}

void forward_http_start(struct exchange *exchange, const struct forward_job *job)
{
    struct forwarding *forwarding = forwarding_new(exchange, job);
    const struct forward_http *http = job->forward->http;
    const struct map_entry *calls = http ? http->calls.items : NULL;
    unsigned status;
    struct stream *stream = forwarding_enter(forwarding);
    if (job->give_up_ns && !job->partial)
        timer_start_at(&forwarding->give_up, exchange->whole_ns + job->give_up_ns);
    const char *refusal = forwarding_refusal(forwarding, &status);
    if (refusal) {
        forwarding_own(forwarding, status, (struct str){0}, str_of(refusal));
        forwarding_ready(forwarding);
        forwarding_exit(forwarding, stream);
        return;
    }
    if (!forwarding_ask_tunnel(forwarding))
        forwarding_ask(forwarding, asks_upgrade(&exchange->request) ? LEG_UPGRADE : LEG_CALL);
    for (size_t i = 0; http && i < http->calls.count; i++) {
        const struct forward_call *call = calls[i].value;
        const struct leg_plan plan = {.to = call->to, .call = &calls[i]};
        forwarding_add(forwarding, leg_new(forwarding, &plan));
    }
    struct leg *stillborn = find_stillborn(forwarding);
    if (stillborn)
        forwarding_failed(forwarding, stillborn);
    forwarding_exit(forwarding, stream);
}
