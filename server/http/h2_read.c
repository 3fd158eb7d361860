/* Requests from frames: RFC 9113 sections 8.1 to 8.3. What breaks the protocol nghttp2 finds. */
#include "server/http/h2_private.h"
#include "server/http/upstream.h"
#include "server/port/port.h"

#include <stdio.h>
#include <string.h>

/** The exchange of a stream, or NULL. */
static struct h2_exchange *find(const struct h2 *h2, int32_t stream_id)
{
    void *data = nghttp2_session_get_stream_user_data(h2->session, stream_id);
    return data && !h2_reset_is_ours(data) ? data : NULL;
}

static bool is_reading(const struct h2_exchange *x)
{
    return x && x->is_reading && !x->refusal;
}

void h2_refuse(struct h2_exchange *x, unsigned status, const char *why)
{
    if (!is_reading(x))
        return;
    x->refusal = status;
    x->refusal_why = why;
    h2_notice(x);
}

/** More came of a request that is not whole, or in a tunnel. */
static void notice_more(struct h2_exchange *x)
{
    x->more = true;
    h2_notice(x);
}

void h2_request_whole(struct h2_exchange *x)
{
    x->whole = true;
    if (x->connect && !x->is_reading) {
        x->half = true;
        notice_more(x);
    }
    if (!is_reading(x))
        return;
    x->arrived = true;
    h2_exchange_was_read(x);
    h2_notice(x);
}

/* Streams that were. */

void h2_past_open(struct h2_past *past, uint32_t stream_id)
{
    uint32_t from = past->newest ? past->newest / 2 + 1 : 0;
    uint32_t to = stream_id / 2;
    if (to - from >= H2_PAST)
        from = to - H2_PAST + 1;
    for (uint32_t at = from; at <= to; at++) {
        past->opened[at % H2_PAST / 64] &= ~(UINT64_C(1) << at % 64);
        past->given_up[at % H2_PAST / 64] &= ~(UINT64_C(1) << at % 64);
    }
    past->opened[to % H2_PAST / 64] |= UINT64_C(1) << to % 64;
    past->newest = stream_id;
}

/** Whether it is remembered at all. */
static bool past_has(const struct h2_past *past, uint32_t stream_id)
{
    return stream_id <= past->newest && (past->newest - stream_id) / 2 < H2_PAST;
}

static bool past_bit(const uint64_t *bits, uint32_t stream_id)
{
    uint32_t at = stream_id / 2;
    return bits[at % H2_PAST / 64] >> at % 64 & 1;
}

static void past_give_up(struct h2_past *past, uint32_t stream_id)
{
    uint32_t at = stream_id / 2;
    if (past_has(past, stream_id))
        past->given_up[at % H2_PAST / 64] |= UINT64_C(1) << at % 64;
}

/** Ends the session if the frame is on a stream that the client has ended or reset, or skipped. */
static void check_stream(struct h2 *h2, uint32_t id)
{
    if (id % 2 == 0 || !past_has(&h2->past, id) || past_bit(h2->past.given_up, id))
        return;
    nghttp2_stream *stream = nghttp2_session_find_stream(h2->session, (int32_t)id);
    if (stream && nghttp2_stream_get_state(stream) != NGHTTP2_STREAM_STATE_IDLE)
        return;
    bool opened = past_bit(h2->past.opened, id);
    snprintf(h2->why, sizeof h2->why, "a frame on stream %u, which the client had %s", id,
             opened ? "ended" : "skipped");
    (void)nghttp2_session_terminate_session(h2->session, opened ? NGHTTP2_STREAM_CLOSED
                                                                : NGHTTP2_PROTOCOL_ERROR);
}

static int read_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    (void)session;
    if (head->type == NGHTTP2_HEADERS)
        check_stream(user, (uint32_t)head->stream_id);
    return 0;
}

/**
 * The bytes up to the end of the next DATA frame's head, or all. nghttp2 has no word to say about
 * DATA on a closed stream: this is how it is seen.
 */
static size_t framing_step(struct h2_framing *framing, struct str bytes, uint32_t *data_stream)
{
    size_t at = 0;
    while (at < bytes.size) {
        size_t skip = framing->skip < bytes.size - at ? framing->skip : bytes.size - at;
        framing->skip -= (uint32_t)skip;
        at += skip;
        while (framing->skip == 0 && at < bytes.size && framing->head_size < 9)
            framing->head[framing->head_size++] = (uint8_t)bytes.data[at++];
        if (framing->head_size < 9)
            break;
        const uint8_t *head = framing->head;
        framing->skip = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        framing->head_size = 0;
        if (head[3] == NGHTTP2_DATA) {
            *data_stream = ((uint32_t)head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 |
                           (uint32_t)head[7] << 8 | head[8];
            break;
        }
    }
    return at;
}

int h2_feed(struct h2 *h2, struct str bytes)
{
    while (bytes.size) {
        uint32_t data_stream = 0;
        size_t size = framing_step(&h2->framing, bytes, &data_stream);
        ssize_t taken = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.data, size);
        if (taken < 0)
            return (int)taken;
        if (data_stream)
            check_stream(h2, data_stream);
        bytes = str_from(bytes, size);
    }
    return 0;
}

/* Headers. */

static int read_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    int32_t id = frame->hd.stream_id;
    h2->current = NULL;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        h2->current = find(h2, id);
        return 0;
    }
    h2_past_open(&h2->past, (uint32_t)id);
    if (h2->count >= h2->most) {
        h2_journal_refused(h2, 0, STR("more requests at a time than the connection takes"));
        h2_submit_reset(h2, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    h2->current = h2_exchange_new(h2, id);
    nghttp2_session_set_stream_user_data(session, id, h2->current);
    return 0;
}

static void split_path(struct request *request, struct str target)
{
    ptrdiff_t mark = str_find_byte(target, '?');
    request->target = target;
    request->path = mark < 0 ? target : str_slice(target, 0, (size_t)mark);
    if (mark >= 0)
        request->query = str_from(target, (size_t)mark + 1);
}

/** A pseudo-header. nghttp2 has seen to it that each comes once, and before the others. */
static void read_pseudo(struct h2_exchange *x, struct str name, struct str value)
{
    struct request *request = &x->exchange.request;
    if (str_is(name, ":method")) {
        request->method = value;
    } else if (str_is(name, ":path")) {
        split_path(request, value);
    } else if (str_is(name, ":authority")) {
        /* what HTTP/1.1 says by its Host: so it is the first header here */
        request->authority = value;
        h2_exchange_add(x, &request->headers, STR("host"), value);
    }
}

static void read_regular(struct h2_exchange *x, struct str name, struct str value)
{
    struct request *request = &x->exchange.request;
    if (str_is(name, "host")) {
        if (request->authority.data && str_equal(request->authority, value))
            return;
        if (!request->authority.data)
            request->authority = value;
    }
    if (str_is(name, "cookie"))
        x->cookies++;
    h2_exchange_add(x, &request->headers, name, value);
}

static int read_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                       nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    struct h2_exchange *x = ((struct h2 *)user)->current;
    (void)session;
    (void)flags;
    if (!is_reading(x) || x->exchange.stream_id != (uint32_t)frame->hd.stream_id)
        return 0;
    uint64_t most = h2_limits(x->h2)->header_size;
    x->head_size += nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len + 4;
    if ((most && x->head_size > most) || ++x->fields > H2_MOST_HEADERS) {
        h2_refuse(x, 431, "the headers are larger than the limit `header-size`");
        return 0;
    }
    struct str name_text = h2_exchange_keep(x, name);
    struct str value_text = h2_exchange_keep(x, value);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        h2_exchange_add(x, &x->exchange.request.trailers, name_text, value_text);
    else if (str_starts(name_text, STR(":")))
        read_pseudo(x, name_text, value_text);
    else
        read_regular(x, name_text, value_text);
    return 0;
}

/** Makes one Cookie header of several (RFC 9113 section 8.2.3), where the first one stood. */
static void join_cookies(struct h2_exchange *x)
{
    struct headers *headers = &x->exchange.request.headers;
    struct header *first = NULL;
    struct buf joined;
    size_t left = 0;
    buf_init(&joined, BUF_OWN);
    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        if (!str_is(header->name, "cookie")) {
            headers->items[left++] = *header;
            continue;
        }
        if (first)
            buf_append_string(&joined, "; ");
        buf_append(&joined, header->value);
        if (!first) {
            first = &headers->items[left++];
            *first = *header;
        }
    }
    headers->count = left;
    if (first)
        first->value = arena_copy(exchange_arena(&x->exchange), buf_str(&joined));
    buf_clear(&joined);
}

void h2_continue(struct h2_exchange *x)
{
    const struct headers *headers = &x->exchange.request.headers;
    if (str_equal_nocase(headers_get(headers, STR("expect")), STR("100-continue")))
        h2_codec.informational(&x->exchange, 100, NULL);
}

/** The head is whole and a body follows. */
static void expect_body(struct h2_exchange *x)
{
    struct str length = headers_get(&x->exchange.request.headers, STR("content-length"));
    uint64_t size = 0;
    if (length.data && !str_to_u64(length, INT64_MAX, &size))
        h2_refuse(x, 413, H2_TOO_LARGE);
    x->declared = length.data ? size : 0;
    if (is_reading(x) && x->declared <= x->body.most)
        h2_continue(x);
    if (is_reading(x))
        notice_more(x);
}

/** CONNECT (RFC 9113 section 8.5) is whole with its head; what follows is for the tunnel, and waits
 * until there is one. */
static void begin_connect(struct h2_exchange *x, bool ended)
{
    struct request *request = &x->exchange.request;
    x->connect = true;
    x->exchange.stops = true;
    request->target = request->authority;
    request->path = request->authority;
    h2_request_whole(x);
    x->whole = false;
    if (ended)
        h2_request_whole(x);
}

void h2_head_whole(struct h2_exchange *x, bool ended)
{
    struct request *request = &x->exchange.request;
    x->is_head = str_is(request->method, "HEAD");
    if (x->cookies > 1)
        join_cookies(x);
    bool connect = str_is(request->method, "CONNECT");
    if (connect && !upstream_tunnels(x->h2->stream->port->owner))
        h2_refuse(x, 501, "CONNECT, but this is no tunnel");
    else if (connect)
        begin_connect(x, ended);
    else if (ended)
        h2_request_whole(x);
    else if (is_reading(x))
        expect_body(x);
    if (ended)
        x->whole = true;
}

/* Frames. */

static void journal_reset(struct h2 *h2, const nghttp2_frame *frame)
{
    struct entry entry = journal_entry(ENTRY_RESET, h2->stream->port->name_id);
    entry.connection = h2->stream->number;
    entry.value = frame->rst_stream.error_code;
    entry.extra = (uint64_t)frame->hd.stream_id;
    entry.flags = ENTRY_CLOSED_BY_CLIENT;
    journal_append(h2->stream->port->server->journal, &entry, (struct str){NULL, 0});
}

static void journal_goaway(struct h2 *h2, const nghttp2_goaway *goaway)
{
    struct entry entry = journal_entry(ENTRY_GOAWAY, h2->stream->port->name_id);
    entry.connection = h2->stream->number;
    entry.value = goaway->error_code;
    entry.extra = (uint64_t)goaway->last_stream_id;
    entry.flags = ENTRY_CLOSED_BY_CLIENT;
    struct str debug = {(const char *)goaway->opaque_data, goaway->opaque_data_len};
    journal_append(h2->stream->port->server->journal, &entry, debug);
}

static void read_headers(struct h2 *h2, const nghttp2_frame *frame)
{
    struct h2_exchange *x = find(h2, frame->hd.stream_id);
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    h2->current = NULL;
    if (x && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        h2_head_whole(x, ended);
    else if (x && ended)
        h2_request_whole(x);
}

static int read_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    struct h2_exchange *x;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        read_headers(h2, frame);
        break;
    case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && (x = find(h2, frame->hd.stream_id)))
            h2_request_whole(x);
        break;
    case NGHTTP2_RST_STREAM:
        x = find(h2, frame->hd.stream_id);
        if (x)
            x->reset = true;
        journal_reset(h2, frame);
        break;
    case NGHTTP2_GOAWAY:
        journal_goaway(h2, &frame->goaway);
        break;
    case NGHTTP2_SETTINGS:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            h2->unacknowledged -= h2->unacknowledged > 0;
            h2_cover_settings(h2);
        }
        break;
    case NGHTTP2_PING:
        /* our PING is back (not one of a flood): what came later than the first GOAWAY of the drain
         * is here */
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && h2->final_ns &&
            !memcmp(frame->ping.opaque_data, (uint8_t[8]){0}, 8))
            h2_submit_goaway(h2, NGHTTP2_NO_ERROR, H2_LAST_SEEN, (struct str){NULL, 0});
        break;
    default:
        break;
    }
    return 0;
}

/** Of what is sent on while it comes, the time counts from its last byte. */
static void note_progress(struct h2_exchange *x)
{
    bool since_last_byte;
    if (x->exchange.streams && exchange_is_timed(&x->exchange, &since_last_byte) && since_last_byte)
        x->began_ns = x->h2->stream->active_ns;
}

static int read_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                     const uint8_t *data, size_t size, void *user)
{
    struct h2 *h2 = user;
    struct h2_exchange *x = find(h2, stream_id);
    (void)session;
    (void)flags;
    if (x && x->connect && !x->refusal &&
        buf_append(&x->body, (struct str){(const char *)data, size}) == 0) {
        notice_more(x);
        return 0;
    }
    if (!is_reading(x))
        return 0;
    note_progress(x);
    if (!exchange_take_body(&x->exchange, &x->body, (struct str){(const char *)data, size}))
        h2_refuse(x, 413, H2_TOO_LARGE);
    else if (!x->exchange.offered || x->exchange.streams)
        notice_more(x);
    return 0;
}

static int read_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    struct h2 *h2 = user;
    struct h2_exchange *x = find(h2, stream_id);
    bool reset = h2_reset_is_ours(nghttp2_session_get_stream_user_data(session, stream_id));
    if (reset || (x && !x->reset && code != NGHTTP2_NO_ERROR))
        past_give_up(&h2->past, (uint32_t)stream_id);
    if (x) {
        x->closed = true;
        h2_notice(x);
    }
    return 0;
}

static int read_error(nghttp2_session *session, int code, const char *text, size_t size, void *user)
{
    struct h2 *h2 = user;
    (void)session;
    (void)code;
    snprintf(h2->why, sizeof h2->why, "%.*s", (int)(size < H2_WHY ? size : H2_WHY), text);
    return 0;
}

static int read_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                              void *user)
{
    struct h2 *h2 = user;
    (void)session;
    (void)frame;
    if (!h2->why[0])
        snprintf(h2->why, sizeof h2->why, "%s", nghttp2_strerror(error));
    return 0;
}

void h2_set_read_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, read_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, read_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, read_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, read_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, read_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, read_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, read_error);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, read_invalid_frame);
}
