#include "server/http/exchange.h"

#include "base/clock.h"
#include "server/http/route.h"
#include "server/http/upstream.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

static struct server *exchange_server(const struct exchange *exchange)
{
    return exchange->stream->port->server;
}

struct arena *exchange_arena(struct exchange *exchange)
{
    if (!exchange->arena)
        exchange->arena = arena_new();
    return exchange->arena;
}

/* The journal. */

/** The request as its entry has it; whether more of it changes nothing of that. */
static bool exchange_show(struct exchange *exchange, struct request *shown)
{
    const struct exchange_calls *calls = exchange->stream->port->calls;
    *shown = exchange->request;
    return exchange->streams && calls && calls->shows(exchange, shown);
}

bool exchange_shows_body(struct exchange *exchange)
{
    struct request shown;
    return exchange_show(exchange, &shown);
}

static void exchange_journal_request(struct exchange *exchange)
{
    struct server *server = exchange_server(exchange);
    struct buf *packed = &server_scratch(server)->packed;
    /* the body of one that is coming is told once it is whole */
    struct request request;
    if (!exchange_show(exchange, &request) && exchange->coming)
        request.body = (struct str){0};
    scratch_reset(packed);
    request_pack_head(&request, packed);
    const struct str parts[] = {buf_str(packed), request.body};
    struct entry entry = journal_entry(ENTRY_REQUEST, exchange->stream->port->name_id);
    entry.connection = exchange->stream->number;
    entry.request = exchange->number;
    entry.flags = exchange->reused ? ENTRY_REUSED : 0;
    entry.extra = exchange->stream_id;
    /* before the append: its observers may answer, hold or end the exchange */
    exchange->entry = journal_last(server->journal) + 1;
    journal_append_parts(server->journal, &entry, parts, COUNT_OF(parts));
}

/** Nothing more comes of a request that arrived early: its entry gets the rest. `flags`: those of
 * one that is not whole. */
static void exchange_end_request(struct exchange *exchange, unsigned flags)
{
    struct server *server = exchange_server(exchange);
    struct buf *packed = &server_scratch(server)->packed;
    const struct exchange_calls *calls = exchange->stream->port->calls;
    bool telling = exchange->telling;
    struct request shown;
    if (!exchange->coming)
        return;
    exchange->coming = false;
    /* who hears of it may let the exchange go on: that is done behind this */
    exchange->telling = true;
    exchange->request.state = flags ? REQUEST_BROKEN_OFF : REQUEST_WHOLE;
    /* what came together with its end */
    if (calls)
        (void)calls->reads(exchange);
    (void)exchange_show(exchange, &shown);
    scratch_reset(packed);
    request_pack_head(&shown, packed);
    const struct str parts[] = {buf_str(packed), shown.body};
    journal_set_data(server->journal, exchange->entry, parts, COUNT_OF(parts));
    struct entry entry = journal_entry(ENTRY_REQUEST_END, exchange->stream->port->name_id);
    entry.connection = exchange->stream->number;
    entry.request = exchange->number;
    entry.flags = (uint16_t)flags;
    entry.extra = request_body_size(&exchange->request);
    journal_append(server->journal, &entry, (struct str){0});
    exchange->telling = telling;
}

/** Journals the answer, once. `flags`: ABORTED, or CLOSED_BY_SERVER for one that our side cut. */
static void exchange_journal_response(struct exchange *exchange, unsigned flags)
{
    struct journal *journal = exchange_server(exchange)->journal;
    if (exchange->journalled)
        return;
    exchange->journalled = true;
    const struct entry *request = journal_get(journal, exchange->entry);
    struct entry entry = journal_entry(ENTRY_RESPONSE, exchange->stream->port->name_id);
    entry.connection = exchange->stream->number;
    entry.request = exchange->number;
    entry.route = request ? request->route : 0;
    entry.status = (uint16_t)exchange->status;
    entry.flags = (uint16_t)(flags | (request ? request->flags & ENTRY_UNMATCHED : 0));
    entry.extra = exchange->body_sent;
    entry.value = clock_now() - exchange->whole_ns;
    entry.extra2 =
        exchange->first_byte_ns ? (uint64_t)(exchange->first_byte_ns - exchange->whole_ns) : 0;
    journal_append(journal, &entry, exchange->verdict);
}

/** Ends the exchange: its responder stops, its holds forget it, its answer is journalled. */
static void exchange_end(struct exchange *exchange, unsigned flags)
{
    void (*responder_gone)(struct exchange *) = exchange->responder_gone;
    exchange->state = EXCHANGE_ENDED;
    exchange->responder_gone = NULL;
    exchange->responder_writable = NULL;
    exchange->responder_left = NULL;
    if (responder_gone)
        responder_gone(exchange);
    hold_forget(exchange->hold);
    exchange->hold = NULL;
    exchange_journal_response(exchange, flags);
}

/* From the codec. */

static void exchange_dispatch(struct exchange *exchange)
{
    /* an action may have put something in the place of what answers, which needs the whole */
    if (exchange->coming && !upstream_answers_early(exchange->stream->port->owner, exchange))
        return;
    exchange->state = EXCHANGE_WAITING;
    upstream_answer(exchange->stream->port->owner, exchange);
}

void exchange_partly_read(struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    if (exchange_request_is_whole(exchange) || (exchange->offered && !exchange->streams))
        return;
    stream_enter(stream);
    if (stream->port->calls && !stream->port->calls->reads(exchange)) {
        stream_leave(stream);
        return;
    }
    if (exchange->responder_request)
        exchange->responder_request(exchange);
    else if (!exchange->offered)
        upstream_stream(stream->port->owner, exchange);
    exchange->offered = true;
    stream_leave(stream);
}

bool exchange_request_is_whole(const struct exchange *exchange)
{
    return exchange->state != EXCHANGE_READING && !exchange->coming;
}

bool exchange_take_body(struct exchange *exchange, struct buf *body, struct str bytes)
{
    size_t room = body->most - body->size;
    if (bytes.size > room && !exchange->unbounded)
        return false;
    (void)buf_append(body, str_slice(bytes, 0, room));
    exchange->request.body = buf_str(body);
    if (bytes.size <= room)
        return true;
    bytes = str_from(bytes, room);
    exchange->request.body_left_out += bytes.size;
    if (exchange->responder_request)
        buf_append(&exchange->over, bytes);
    else
        exchange->over_passed += bytes.size;
    return true;
}

bool exchange_allows_body(struct exchange *exchange, const struct buf *body, uint64_t size)
{
    if (size <= body->most)
        return true;
    if (upstream_limits(exchange->stream->port->owner)->body_size_written)
        return false;
    exchange_partly_read(exchange);
    return exchange->unbounded;
}

bool exchange_is_timed(const struct exchange *exchange, bool *since_last_byte)
{
    const struct limits *limits = upstream_limits(exchange->stream->port->owner);
    *since_last_byte = exchange->streams && !limits->read_written;
    /* who sends both ways at once may be silent */
    bool talks =
        exchange->coming && exchange->state > EXCHANGE_HELD && exchange->state < EXCHANGE_ENDED;
    return limits->read_ns && !exchange->stops && !talks;
}

struct str exchange_request_bytes(struct exchange *exchange, uint64_t at)
{
    struct str body = exchange->request.body;
    struct buf *over = &exchange->over;
    if (at < body.size)
        return str_from(body, (size_t)at);
    size_t passed = (size_t)(at - body.size - exchange->over_passed);
    GOTO_ASSERT(passed <= over->size - exchange->over_at);
    exchange->over_at += passed;
    exchange->over_passed += passed;
    if (exchange->over_at == over->size) {
        buf_reset(over);
        exchange->over_at = 0;
    } else if (exchange->over_at > STREAM_HIGH_MARK) {
        buf_consume(over, exchange->over_at);
        exchange->over_at = 0;
    }
    return str_from(buf_str(over), exchange->over_at);
}

struct str exchange_request_peek(const struct exchange *exchange, uint64_t at)
{
    struct str body = exchange->request.body;
    if (at < body.size)
        return str_from(body, (size_t)at);
    if (at - body.size < exchange->over_passed)
        return (struct str){0};
    size_t ahead = (size_t)(at - body.size - exchange->over_passed);
    return str_from(buf_str(&exchange->over), exchange->over_at + ahead);
}

void exchange_forgotten(struct exchange *exchange)
{
    void (*responder_gone)(struct exchange *) = exchange->responder_gone;
    if (exchange->state == EXCHANGE_READING && exchange->streams) {
        exchange->streams->broken_off++;
        exchange->streams = NULL;
    }
    exchange->responder_gone = NULL;
    if (responder_gone)
        responder_gone(exchange);
}

void exchange_stop(struct exchange *exchange, bool stops)
{
    if (exchange->stops == stops || exchange_request_is_whole(exchange))
        return;
    exchange->stops = stops;
    if (!stops)
        exchange->codec->resume(exchange);
}

/** Journals it, and has it answered unless that holds it. */
static void exchange_arrive(struct exchange *exchange)
{
    struct server *server = exchange_server(exchange);
    struct exchange *arriving = server->arriving;
    exchange->state = EXCHANGE_HELD;
    server->arriving = exchange;
    exchange->telling = true;
    exchange_journal_request(exchange);
    exchange->telling = false;
    server->arriving = arriving;
    if (exchange->state == EXCHANGE_HELD && !exchange->hold)
        exchange_dispatch(exchange);
}

/** The rest of a request that arrived early has come. */
static void exchange_rest_came(struct exchange *exchange)
{
    exchange_end_request(exchange, 0);
    if (exchange->state == EXCHANGE_ENDED)
        exchange->codec->done(exchange, false);
    else if (exchange->state == EXCHANGE_HELD && !exchange->hold)
        exchange_dispatch(exchange);
    else if (exchange->responder_request)
        exchange->responder_request(exchange);
}

void exchange_arrived(struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    stream_enter(stream);
    if (exchange->early) {
        exchange_rest_came(exchange);
        stream_leave(stream);
        return;
    }
    exchange->whole_ns = clock_now();
    exchange->reused = stream->had_request;
    stream->had_request = true;
    if (stream->port->calls && stream->port->calls->arrived(exchange)) {
        stream_leave(stream);
        return;
    }
    if (!exchange->streams)
        exchange->number = ++stream->port->requests;
    exchange_arrive(exchange);
    stream_leave(stream);
}

void exchange_arrive_early(struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    if (exchange->state != EXCHANGE_READING)
        return;
    stream_enter(stream);
    exchange->early = true;
    exchange->coming = true;
    exchange->request.state = REQUEST_COMING;
    exchange->whole_ns = clock_now();
    exchange->reused = stream->had_request;
    stream->had_request = true;
    exchange_arrive(exchange);
    stream_leave(stream);
}

void exchange_released(struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    /* released while its entry is still being told: exchange_arrived() goes on */
    if (exchange->telling || exchange->state != EXCHANGE_HELD)
        return;
    stream_enter(stream);
    exchange_dispatch(exchange);
    stream_leave(stream);
}

void exchange_gone(struct exchange *exchange, bool aborted)
{
    unsigned flags = aborted ? ENTRY_ABORTED : ENTRY_CLOSED_BY_SERVER;
    if (exchange->state == EXCHANGE_READING)
        exchange_forgotten(exchange);
    if (exchange->state == EXCHANGE_READING)
        return;
    exchange_end_request(exchange, flags);
    if (exchange->state == EXCHANGE_ENDED)
        return;
    exchange->aborted |= aborted;
    exchange_end(exchange, flags);
}

void exchange_peer_ended(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_READING)
        return;
    exchange_end_request(exchange, ENTRY_ABORTED);
    if (exchange->state == EXCHANGE_ENDED)
        return;
    if (exchange->tunnel) {
        exchange->tunnel->ended(exchange);
        return;
    }
    exchange->aborted = true;
    exchange_journal_response(exchange, ENTRY_ABORTED);
    if (exchange->responder_left)
        exchange->responder_left(exchange);
}

/* From the upstream. */

static void exchange_begin(struct exchange *exchange, unsigned status)
{
    exchange->status = status;
    exchange->first_byte_ns = clock_now();
    exchange->state = EXCHANGE_ANSWERING;
}

/** The answer is whole. */
static void exchange_complete(struct exchange *exchange, bool close)
{
    /* what the kernel refused has not reached the client, even if we have not read its RST yet */
    bool aborted = exchange->stream->failed;
    exchange->aborted |= aborted;
    exchange_end(exchange, aborted ? ENTRY_ABORTED : 0);
    exchange->codec->done(exchange, close);
}

/** Everything was given to the codec. */
static void exchange_given(struct exchange *exchange, bool close)
{
    void (*responder_gone)(struct exchange *) = exchange->responder_gone;
    /* what came of giving it may have ended the exchange */
    if (exchange->state == EXCHANGE_ENDED)
        return;
    if (!exchange->sending) {
        exchange_complete(exchange, close);
        return;
    }
    exchange->state = EXCHANGE_SENDING;
    exchange->responder_gone = NULL;
    exchange->responder_writable = NULL;
    if (responder_gone)
        responder_gone(exchange);
}

void exchange_sent(struct exchange *exchange)
{
    if (exchange->state != EXCHANGE_SENDING)
        return;
    exchange->sending = false;
    exchange_complete(exchange, false);
}

void exchange_informational(struct exchange *exchange, unsigned status,
                            const struct headers *headers)
{
    if (exchange->state == EXCHANGE_WAITING ||
        (exchange->state == EXCHANGE_READING && exchange->streams))
        exchange->codec->informational(exchange, status, headers);
}

void exchange_pass_head(struct exchange *exchange, const struct response_head *head)
{
    if (exchange->state != EXCHANGE_WAITING)
        return;
    exchange_begin(exchange, head->status);
    exchange->codec->head(exchange, head);
}

void exchange_head(struct exchange *exchange, const struct response_head *head)
{
    if (exchange->filter && exchange->state == EXCHANGE_WAITING)
        exchange->filter->head(exchange, head);
    else
        exchange_pass_head(exchange, head);
}

void exchange_pass_body(struct exchange *exchange, struct str bytes)
{
    if (exchange->state != EXCHANGE_ANSWERING || bytes.size == 0)
        return;
    exchange->body_sent += bytes.size;
    exchange->codec->body(exchange, bytes);
}

void exchange_body(struct exchange *exchange, struct str bytes)
{
    if (exchange->filter && exchange->state == EXCHANGE_ANSWERING)
        exchange->filter->body(exchange, bytes);
    else
        exchange_pass_body(exchange, bytes);
}

void exchange_pass_finish(struct exchange *exchange, const struct headers *trailers)
{
    if (exchange->state != EXCHANGE_ANSWERING)
        return;
    exchange->codec->finish(exchange, trailers);
    exchange_given(exchange, false);
}

void exchange_finish(struct exchange *exchange, const struct headers *trailers)
{
    struct stream *stream = exchange->stream;
    if (exchange->state != EXCHANGE_ANSWERING)
        return;
    stream_enter(stream);
    if (exchange->filter)
        exchange->filter->finish(exchange, trailers);
    else
        exchange_pass_finish(exchange, trailers);
    stream_leave(stream);
}

void exchange_static(struct exchange *exchange, const struct static_answer *answer)
{
    struct stream *stream = exchange->stream;
    if (exchange->state != EXCHANGE_WAITING)
        return;
    stream_enter(stream);
    exchange_begin(exchange, answer->status);
    exchange->body_sent = str_is(exchange->request.method, "HEAD") ? 0 : answer->body.size;
    exchange->codec->whole(exchange, answer);
    exchange_given(exchange, answer->close);
    stream_leave(stream);
}

void exchange_raw(struct exchange *exchange, unsigned status, struct str bytes, bool close)
{
    struct stream *stream = exchange->stream;
    if (exchange->state != EXCHANGE_WAITING)
        return;
    if (!exchange->codec->raw) {
        journal_note(exchange_server(exchange)->journal, ENTRY_NOTE, stream->port->name_id,
                     "request %llu: `raw` is no answer of %s: its stream is reset",
                     (unsigned long long)exchange->number,
                     http_version_name(exchange->request.version));
        exchange_cut(exchange, CLOSE_FIN);
        return;
    }
    stream_enter(stream);
    exchange_begin(exchange, status);
    exchange->body_sent = bytes.size;
    exchange->codec->raw(exchange, bytes);
    exchange_given(exchange, close);
    stream_leave(stream);
}

bool exchange_tunnel(struct exchange *exchange, const struct response_head *head,
                     const struct exchange_tunnel *tunnel)
{
    if (exchange->state != EXCHANGE_WAITING || !exchange->codec->tunnel)
        return false;
    stream_enter(exchange->stream);
    exchange_begin(exchange, head->status);
    exchange->tunnel = tunnel;
    /* what follows is no answer of HTTP any more */
    if (exchange->codec->tunnel(exchange, head))
        exchange_journal_response(exchange, 0);
    stream_leave(exchange->stream);
    return true;
}

void exchange_tunnel_end(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_ANSWERING && exchange->tunnel)
        exchange->codec->tunnel_end(exchange);
}

void exchange_tunnel_resume(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_ANSWERING && exchange->tunnel)
        exchange->codec->resume(exchange);
}

void exchange_cut(struct exchange *exchange, enum close_how how)
{
    struct stream *stream = exchange->stream;
    if (exchange->state != EXCHANGE_WAITING && exchange->state != EXCHANGE_ANSWERING)
        return;
    stream_enter(stream);
    exchange_end_request(exchange, ENTRY_CLOSED_BY_SERVER);
    exchange_end(exchange, ENTRY_CLOSED_BY_SERVER);
    exchange->codec->cut(exchange, how);
    stream_leave(stream);
}

size_t exchange_queued(const struct exchange *exchange)
{
    return exchange->codec->queued ? exchange->codec->queued(exchange)
                                   : stream_queued(exchange->stream);
}

struct str exchange_client(struct exchange *exchange, uint16_t *port)
{
    *port = exchange->stream->peer.port;
    return stream_peer_address(exchange->stream, exchange->client);
}
