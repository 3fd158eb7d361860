/* What happened to the exchanges of HTTP/2: looked at one by one, behind the callbacks of nghttp2.
 */
#include "base/clock.h"
#include "server/http/h2_private.h"

enum {
    H2_LINGER_NS = 100 * 1000 * 1000, /**< see h2_linger() */
};

void h2_notice(struct h2_exchange *x)
{
    struct h2 *h2 = x->h2;
    if (x->is_due)
        return;
    x->is_due = true;
    x->due_next = NULL;
    x->due_previous = h2->due_last;
    *(h2->due_last ? &h2->due_last->due_next : &h2->due) = x;
    h2->due_last = x;
}

static struct h2_exchange *due_take(struct h2 *h2)
{
    struct h2_exchange *x = h2->due;
    h2->due = x->due_next;
    *(h2->due ? &h2->due->due_previous : &h2->due_last) = NULL;
    x->is_due = false;
    return x;
}

/** Frees an exchange whose stream nghttp2 may still have. */
static void h2_forget(struct h2_exchange *x)
{
    if (!x->closed)
        nghttp2_session_set_stream_user_data(x->h2->session, (int32_t)x->exchange.stream_id, NULL);
    h2_exchange_free(x);
}

/** One thing is done at a look: the others that happened to it are looked at behind it. */
static void look_at_rest(struct h2_exchange *x)
{
    if (x->closed || x->ended || x->sent || x->cut_due || x->more || x->low)
        h2_notice(x);
}

static void look_arrived(struct h2_exchange *x)
{
    x->arrived = false;
    look_at_rest(x);
    x->exchange.request.body = buf_str(&x->body);
    exchange_arrived(&x->exchange);
}

/** More of a request came that is not whole. */
static void look_more(struct h2_exchange *x)
{
    struct exchange *exchange = &x->exchange;
    bool large = x->declared > x->body.most;
    x->more = false;
    look_at_rest(x);
    /* it may have become whole since, and its body something else (a message of gRPC) */
    if (exchange_request_is_whole(exchange))
        return;
    exchange->request.body = buf_str(&x->body);
    if (large && !exchange_allows_body(exchange, &x->body, x->declared)) {
        h2_refuse(x, 413, H2_TOO_LARGE);
        return;
    }
    x->declared = 0;
    if (large && exchange->state < EXCHANGE_ANSWERING)
        h2_continue(x);
    exchange_partly_read(exchange);
}

/**
 * A refused request is answered, but not whole: it is to be reset, as the client need not send the
 * rest of it (RFC 9113 section 8.1). Not at once: a client that reads the answer and the reset
 * together may overlook the answer (curl 7.88 does). What it sends meanwhile is dropped.
 */
void h2_linger(struct h2_exchange *x)
{
    if (x->linger_ns)
        return;
    x->linger_ns = clock_now() + H2_LINGER_NS;
    x->h2->lingering++;
}

static void look_sent(struct h2_exchange *x)
{
    switch (x->exchange.state) {
    case EXCHANGE_SENDING:
        exchange_sent(&x->exchange);
        break;
    case EXCHANGE_READING:
        if (!x->whole && !x->closed && !x->h2->stream->peer_ended)
            h2_linger(x);
        else
            h2_forget(x);
        break;
    case EXCHANGE_ENDED:
        /* the rest of the request may be on its way */
        if ((!x->linger_ns && !x->exchange.coming) || x->whole || x->closed)
            h2_forget(x);
        break;
    default:
        /* the head ended the stream; exchange_finish() is still to come */
        break;
    }
}

/** The client ended or reset the connection, or the stream, before the request was whole. */
static void look_broken_off(struct h2_exchange *x, const char *why)
{
    struct h2 *h2 = x->h2;
    if (!x->refused)
        h2_journal_refused(h2, 0, str_of(why));
    if (!h2->stream->closing)
        h2_forget(x);
}

static void look_closed(struct h2_exchange *x)
{
    struct h2 *h2 = x->h2;
    if (x->exchange.state == EXCHANGE_READING && x->reset) {
        look_broken_off(x, "the client reset the stream within a request");
        return;
    }
    exchange_gone(&x->exchange, x->reset || h2->stream->failed);
    if (!h2->stream->closing)
        h2_exchange_free(x);
}

static void look_ended(struct h2_exchange *x)
{
    struct stream *stream = x->h2->stream;
    x->ended = false;
    look_at_rest(x);
    if (x->exchange.state != EXCHANGE_READING)
        exchange_peer_ended(&x->exchange);
    else if (stream->peer_ended)
        look_broken_off(x, "the client closed the connection within a request");
}

/** Bytes of a tunnel, then its end; what is not taken waits, and the client's window with it. */
static void look_tunnel(struct h2_exchange *x)
{
    struct exchange *exchange = &x->exchange;
    struct h2 *h2 = x->h2;
    if (exchange->state != EXCHANGE_ANSWERING || !exchange->tunnel)
        return;
    if (x->body.size) {
        h2->looking = x;
        size_t taken = exchange->tunnel->bytes(exchange, buf_str(&x->body));
        if (!h2->looking)
            return;
        h2->looking = NULL;
        buf_consume(&x->body, taken);
    }
    exchange->stops = exchange->stops || x->body.size;
    if (x->body.size || !x->half)
        return;
    x->half = false;
    exchange_peer_ended(exchange);
}

/** A request is refused. One that has arrived already is answered only if nothing else has begun to
 * be; else its answer is cut, or there was all of it and no more of the request is wanted. */
static void look_refused(struct h2_exchange *x)
{
    struct h2 *h2 = x->h2;
    bool ended = x->exchange.state == EXCHANGE_ENDED;
    if (x->exchange.coming && x->exchange.state == EXCHANGE_HELD)
        exchange_gone(&x->exchange, false);
    if (!x->exchange.early || (!ended && x->exchange.state == EXCHANGE_ENDED)) {
        h2_write_refusal(x);
        return;
    }
    h2_journal_refused(h2, 0, str_of(x->refusal_why));
    if (!ended) {
        h2_reset(&x->exchange, NGHTTP2_CANCEL);
        return;
    }
    exchange_gone(&x->exchange, false);
    if (h2->stream->closing)
        return;
    h2_submit_reset(h2, (int32_t)x->exchange.stream_id, NGHTTP2_NO_ERROR);
    h2_exchange_free(x);
}

/** The place where an answer is cut was reached. */
static void look_cut(struct h2_exchange *x)
{
    struct h2 *h2 = x->h2;
    x->cut_due = false;
    switch (x->cut_how) {
    case H2_CUT_RESET:
        h2_reset(&x->exchange, x->cut_code);
        break;
    case H2_CUT_GOAWAY:
        h2_submit_goaway(h2, x->cut_code, H2_LAST_SEEN, (struct str){NULL, 0});
        h2->ending = true;
        break;
    case H2_CUT_FIN:
        stream_close(h2->stream, CLOSE_FIN);
        break;
    case H2_CUT_RST:
        stream_close(h2->stream, CLOSE_RST);
        break;
    case H2_CUT_STALL:
        break;
    }
}

void h2_look(struct h2 *h2)
{
    struct h2_exchange *x = due_take(h2);
    if (x->refusal && !x->refused && !x->closed && !h2->stream->peer_ended) {
        look_refused(x);
    } else if (x->arrived) {
        look_arrived(x);
    } else if (x->more && x->connect) {
        x->more = false;
        look_at_rest(x);
        look_tunnel(x);
    } else if (x->more && !x->refusal && x->exchange.early) {
        look_more(x);
    } else if (x->sent) {
        look_sent(x);
    } else if (x->closed) {
        look_closed(x);
    } else if (x->ended) {
        look_ended(x);
    } else if (x->cut_due) {
        look_cut(x);
    } else if (x->more) {
        x->more = false;
        if (!x->refusal)
            look_more(x);
    } else if (x->low) {
        x->low = false;
        if (x->exchange.responder_writable)
            x->exchange.responder_writable(&x->exchange);
    }
}
