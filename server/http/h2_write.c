/* Answers into frames: RFC 9113 sections 8.1 and 8.3.2. */
#include "base/clock.h"
#include "server/http/h2_private.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <stdio.h>
#include <string.h>

/** Headers that need no memory of their own. */
enum { WRITE_INLINE_HEADERS = 24 };

/** The headers of one block, for nghttp2 to copy. */
struct block {
    nghttp2_nv *items;
    size_t count;
    char status[4];
    char length[24];
    nghttp2_nv inline_items[WRITE_INLINE_HEADERS];
};

/** Room for `count` headers and three of ours. */
static void block_start(struct block *block, struct h2_exchange *x, size_t count)
{
    block->count = 0;
    block->items = block->inline_items;
    if (count + 3 > WRITE_INLINE_HEADERS)
        block->items =
            arena_alloc_array(exchange_arena(&x->exchange), count + 3, sizeof *block->items);
}

static void block_add(struct block *block, struct str name, struct str value)
{
    block->items[block->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .value = (uint8_t *)(uintptr_t)(value.data ? value.data : ""),
        .namelen = name.size,
        .valuelen = value.size,
    };
}

static void block_add_status(struct block *block, unsigned status)
{
    status %= 1000;
    block->status[0] = (char)('0' + status / 100);
    block->status[1] = (char)('0' + status / 10 % 10);
    block->status[2] = (char)('0' + status % 10);
    block_add(block, STR(":status"), (struct str){block->status, 3});
}

static void block_add_length(struct block *block, uint64_t length)
{
    int size = snprintf(block->length, sizeof block->length, "%llu", (unsigned long long)length);
    block_add(block, STR("content-length"), (struct str){block->length, (size_t)size});
}

static void block_add_date(struct block *block, struct h2_exchange *x)
{
    /* "date: " before and CRLF behind it are of HTTP/1 */
    struct str line = server_date(x->h2->stream->port->server);
    block_add(block, STR("date"), str_slice(line, 6, line.size - 8));
}

/** Whether a header is about a connection of HTTP/1 and has no place here (RFC 9113 section 8.2.2).
 */
static bool is_of_connection(struct str name)
{
    switch (name.size) {
    case 7:
        return str_equal_nocase(name, STR("upgrade"));
    case 10:
        return str_equal_nocase(name, STR("connection")) ||
               str_equal_nocase(name, STR("keep-alive"));
    case 16:
        return str_equal_nocase(name, STR("proxy-connection"));
    case 17:
        return str_equal_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

static void block_add_all(struct block *block, const struct headers *headers)
{
    for (size_t i = 0; headers && i < headers->count; i++) {
        if (!is_of_connection(headers->items[i].name))
            block_add(block, headers->items[i].name, headers->items[i].value);
    }
}

/* The body. */

static size_t waiting(const struct h2_exchange *x)
{
    return x->out.size - x->out_at;
}

static void submit_trailers(struct h2_exchange *x)
{
    struct block block;
    block_start(&block, x, x->trailers.count);
    block_add_all(&block, &x->trailers);
    (void)nghttp2_submit_trailer(x->h2->session, (int32_t)x->exchange.stream_id, block.items,
                                 block.count);
}

/** The next frame of an answer's body. */
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *into, size_t most,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_exchange *x = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)source;
    (void)user;
    if (!x || h2_reset_is_ours(x))
        return NGHTTP2_ERR_DEFERRED;
    if (x->frame_most && x->frame_most < most)
        most = (size_t)x->frame_most;
    size_t size = waiting(x) < most ? waiting(x) : most;
    if (x->cuts && size > x->cut_at - x->framed)
        size = (size_t)(x->cut_at - x->framed);
    if (size)
        memcpy(into, x->out.data + x->out_at, size);
    x->out_at += size;
    x->framed += size;
    if (x->was_high && waiting(x) <= STREAM_LOW_MARK) {
        x->was_high = false;
        x->low = true;
        h2_notice(x);
    }
    if (x->cuts && size == 0 && (x->framed == x->cut_at || x->finished)) {
        x->cut_due = true;
        h2_notice(x);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (waiting(x) == 0 && x->finished && !x->cuts) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (x->trailers.count) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(x);
        }
    } else if (size == 0) {
        x->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)size;
}

static void queue_body(struct h2_exchange *x, struct str bytes)
{
    if (x->out_at == x->out.size) {
        buf_reset(&x->out);
        x->out_at = 0;
    } else if (x->out_at > STREAM_LOW_MARK && x->out_at > x->out.size / 2) {
        buf_consume(&x->out, x->out_at);
        x->out_at = 0;
    }
    (void)buf_append(&x->out, bytes);
    if (waiting(x) > STREAM_HIGH_MARK)
        x->was_high = true;
}

static void resume_body(struct h2_exchange *x)
{
    if (!x->deferred)
        return;
    x->deferred = false;
    (void)nghttp2_session_resume_data(x->h2->session, (int32_t)x->exchange.stream_id);
}

/** Submits the final head. Without a body it ends the stream. */
static void submit_head(struct h2_exchange *x, const struct block *block)
{
    nghttp2_data_provider body = {.read_callback = read_body};
    x->head_done = true;
    if (!x->closed)
        (void)nghttp2_submit_response(x->h2->session, (int32_t)x->exchange.stream_id, block->items,
                                      block->count, x->bodiless && !x->cuts ? NULL : &body);
}

/** Has the frames leave: in this turn, or with what else comes before the loop waits again. */
static void write_soon(struct h2 *h2)
{
    if (!h2->turns && !timer_is_active(&h2->soon))
        timer_start(&h2->soon, 0);
}

void h2_cut_within(struct exchange *exchange, enum h2_cut_how how, uint32_t code, uint64_t size)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    x->cuts = true;
    x->cut_how = how;
    x->cut_code = code;
    x->cut_at = size;
}

void h2_split(struct exchange *exchange, uint64_t size)
{
    h2_exchange_of(exchange)->frame_most = size;
}

/* The codec. */

static void write_informational(struct exchange *exchange, unsigned status,
                                const struct headers *headers)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct block block;
    if (x->closed)
        return;
    block_start(&block, x, headers ? headers->count : 0);
    block_add_status(&block, status);
    block_add_all(&block, headers);
    (void)nghttp2_submit_headers(x->h2->session, NGHTTP2_FLAG_NONE, (int32_t)exchange->stream_id,
                                 NULL, block.items, block.count, NULL);
    /* it is of use only before what follows: it leaves at once */
    h2_flush(x->h2);
}

static void write_head(struct exchange *exchange, const struct response_head *head)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    const struct headers *headers = head->headers;
    bool counted = headers && headers_get(headers, STR("content-length")).data;
    struct block block;
    block_start(&block, x, headers ? headers->count : 0);
    block_add_status(&block, head->status);
    if (!head->no_date && !(headers && headers_get(headers, STR("date")).data))
        block_add_date(&block, x);
    block_add_all(&block, headers);
    if (!counted && !head->no_framing && !head->chunked && head->content_length >= 0 &&
        !http_status_is_bodiless(head->status))
        block_add_length(&block, (uint64_t)head->content_length);
    x->close |=
        head->close || (headers && headers_has_token(headers, STR("connection"), STR("close")));
    /* trailers may follow where no length was told */
    x->bodiless = x->is_head || http_status_is_bodiless(head->status) ||
                  (head->content_length == 0 && !head->chunked);
    submit_head(x, &block);
    write_soon(x->h2);
}

static void write_body(struct exchange *exchange, struct str bytes)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    if (x->bodiless || x->closed)
        return;
    queue_body(x, bytes);
    resume_body(x);
    if (waiting(x) < H2_WRITE) {
        write_soon(x->h2);
        return;
    }
    h2_flush(x->h2);
}

/** The answer is all there; the exchange ends when the last frame of it is out. */
static void write_end(struct h2_exchange *x)
{
    x->finished = true;
    if (!x->closed)
        resume_body(x);
    if (!x->h2->turns)
        h2_flush(x->h2);
    x->exchange.sending = !x->sent;
}

static void write_finish(struct exchange *exchange, const struct headers *trailers)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    if (trailers && !x->bodiless) {
        struct arena *arena = exchange_arena(exchange);
        for (size_t i = 0; i < trailers->count; i++)
            headers_add(&x->trailers, arena, arena_copy(arena, trailers->items[i].name),
                        arena_copy(arena, trailers->items[i].value));
    }
    write_end(x);
}

static void write_whole(struct exchange *exchange, const struct static_answer *answer)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    const struct headers *headers = answer->headers;
    struct block block;
    x->close |= answer->close;
    x->bodiless = x->is_head || http_status_is_bodiless(answer->status) || answer->body.size == 0;
    block_start(&block, x, headers ? headers->count : 0);
    block_add_status(&block, answer->status);
    block_add_date(&block, x);
    block_add_all(&block, headers);
    if (!headers && !http_status_is_bodiless(answer->status))
        block_add_length(&block, answer->body.size);
    if (!x->bodiless)
        queue_body(x, answer->body);
    submit_head(x, &block);
    write_end(x);
}

static void write_cut(struct exchange *exchange, enum close_how how)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct h2 *h2 = x->h2;
    if (how == CLOSE_KEEP || h2->stream->closing)
        return;
    if (how == CLOSE_KILL) {
        stream_close(h2->stream, how);
        return;
    }
    h2_enter(h2);
    /* what was given of it goes before, as far as the client's window lets it */
    h2_flush(h2);
    if (!x->closed)
        h2_submit_reset(h2, (int32_t)exchange->stream_id, NGHTTP2_INTERNAL_ERROR);
    h2_exchange_free(x);
    h2_leave(h2);
}

static size_t write_queued(const struct exchange *exchange)
{
    const struct h2_exchange *x = exchange->codec_state;
    /* nobody takes it any more: writers wait until they are told */
    return exchange->stream->failed || x->closed ? STREAM_HIGH_MARK + 1 : waiting(x);
}

static void write_done(struct exchange *exchange, bool close)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct h2 *h2 = x->h2;
    close |= x->close;
    /* what ended the stream meanwhile, a journal's observer, leaves the exchange to gone() */
    if (h2->stream->closing)
        return;
    h2->stream->active_ns = clock_now();
    h2_enter(h2);
    if (exchange->call && x->connect && !x->whole && !x->closed && !h2->stream->peer_ended) {
        h2_linger(x);
        h2_leave(h2);
        return;
    }
    /* all of the answer was given, and what is left of the request belongs to its record */
    if (exchange->coming && !x->closed && !h2->stream->peer_ended) {
        x->close = close;
        x->began_ns = h2->stream->active_ns;
        exchange_stop(exchange, false);
        h2_leave(h2);
        return;
    }
    exchange_gone(exchange, true);
    if (!x->closed)
        nghttp2_session_set_stream_user_data(h2->session, (int32_t)exchange->stream_id, NULL);
    h2_exchange_free(x);
    if (close && !h2->final)
        h2_submit_goaway(h2, NGHTTP2_NO_ERROR, H2_LAST_SEEN, (struct str){NULL, 0});
    h2_leave(h2);
}

/** Gives the client the window that it was not given. */
static void read_on(struct exchange *exchange)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct h2 *h2 = x->h2;
    exchange->stops = false;
    if (h2->stream->closing || x->closed)
        return;
    /* the time that the far side took is not the client's */
    x->began_ns = clock_now();
    h2_enter(h2);
    if (x->connect) {
        x->more = true;
        h2_notice(x);
    }
    h2_flush(h2);
    if (!h2->holds_window && !x->whole)
        h2_append_window_update(&h2->raw, exchange->stream_id, &x->held);
    h2_leave(h2);
}

static void write_early(struct exchange *exchange)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct h2 *h2 = x->h2;
    h2_enter(h2);
    buf_consume(&x->body, x->body.size);
    x->connect = true;
    exchange->stops = true;
    h2_exchange_was_read(x);
    x->arrived = true;
    h2_notice(x);
    h2_leave(h2);
}

static bool write_tunnel(struct exchange *exchange, const struct response_head *head)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct block block;
    block_start(&block, x, head->headers ? head->headers->count : 0);
    block_add_status(&block, head->status);
    block_add_all(&block, head->headers);
    x->bodiless = false;
    submit_head(x, &block);
    write_soon(x->h2);
    read_on(exchange);
    return true;
}

static void write_tunnel_end(struct exchange *exchange)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    x->finished = true;
    if (x->closed)
        return;
    resume_body(x);
    write_soon(x->h2);
}

const struct exchange_codec h2_codec = {
    .informational = write_informational,
    .head = write_head,
    .body = write_body,
    .finish = write_finish,
    .cut = write_cut,
    .whole = write_whole,
    .queued = write_queued,
    .tunnel = write_tunnel,
    .tunnel_end = write_tunnel_end,
    .resume = read_on,
    .early = write_early,
    .done = write_done,
};

/** The refusal as clients of gRPC understand it. */
static void refuse_call(struct h2_exchange *x, struct str why)
{
    struct block block;
    char status[4];
    int size =
        snprintf(status, sizeof status, "%d", x->h2->stream->port->calls->refusal(x->refusal));
    block_start(&block, x, 3);
    block_add_status(&block, 200);
    block_add(&block, STR("content-type"), STR("application/grpc"));
    block_add(&block, STR("grpc-status"), (struct str){status, (size_t)size});
    block_add(&block, STR("grpc-message"), why);
    x->bodiless = true;
    x->finished = true;
    submit_head(x, &block);
}

void h2_write_refusal(struct h2_exchange *x)
{
    struct str why = str_of(x->refusal_why);
    struct block block;
    h2_exchange_was_read(x);
    h2_journal_refused(x->h2, x->refusal, why);
    x->refused = true;
    if (x->h2->stream->port->calls) {
        refuse_call(x, why);
        return;
    }
    block_start(&block, x, 1);
    block_add_status(&block, x->refusal);
    block_add_date(&block, x);
    block_add(&block, STR("content-type"), STR("text/plain"));
    block_add_length(&block, why.size + 1);
    x->bodiless = x->is_head;
    if (!x->bodiless) {
        queue_body(x, why);
        queue_body(x, STR("\n"));
    }
    x->finished = true;
    submit_head(x, &block);
}

/* Frames on their way. */

static void write_journal(struct h2 *h2, enum entry_kind kind, uint32_t code, int32_t stream_id,
                          struct str text)
{
    struct entry entry = journal_entry(kind, h2->stream->port->name_id);
    entry.connection = h2->stream->number;
    entry.value = code;
    entry.extra = (uint64_t)stream_id;
    entry.flags = ENTRY_CLOSED_BY_SERVER;
    journal_append(h2->stream->port->server->journal, &entry, text);
}

/** Journals what nghttp2 refuses by itself: `debug` is what it tells the client. */
static void write_fault(struct h2 *h2, int32_t stream_id, uint32_t code, struct str debug)
{
    char name[24];
    char text[H2_WHY + 128];
    struct str error = h2_error_name(code, name);
    struct str why = debug.size ? debug : str_of(h2->why);
    int size = stream_id ? snprintf(text, sizeof text, "stream %d: ", stream_id) : 0;
    size += snprintf(text + size, sizeof text - (size_t)size, STR_FMT "%s%.*s", STR_ARG(error),
                     why.size ? ": " : "", (int)(why.size < H2_WHY ? why.size : H2_WHY),
                     why.data ? why.data : "");
    h2->why[0] = '\0';
    h2_journal_refused(h2, 0, (struct str){text, (size_t)size});
}

static void wrote_reset(struct h2 *h2, const nghttp2_frame *frame)
{
    int32_t id = frame->hd.stream_id;
    uint32_t code = frame->rst_stream.error_code;
    struct h2_exchange *x = nghttp2_session_get_stream_user_data(h2->session, id);
    bool known = x && (h2_reset_is_ours(x) || x->refused);
    write_journal(h2, ENTRY_RESET, code, id, (struct str){NULL, 0});
    if (!known)
        write_fault(h2, id, code, (struct str){NULL, 0});
}

static void wrote_goaway(struct h2 *h2, const nghttp2_goaway *goaway)
{
    struct str debug = {(const char *)goaway->opaque_data, goaway->opaque_data_len};
    bool ours = h2->ours > 0;
    h2->told = h2->told || h2->final || !ours;
    if (ours)
        h2->ours--;
    write_journal(h2, ENTRY_GOAWAY, goaway->error_code, goaway->last_stream_id, debug);
    if (!ours)
        write_fault(h2, 0, goaway->error_code, debug);
}

static int wrote_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        wrote_reset(h2, frame);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        wrote_goaway(h2, &frame->goaway);
    } else if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
               (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        struct h2_exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (x && !h2_reset_is_ours(x)) {
            x->sent = true;
            h2_notice(x);
        }
    }
    return 0;
}

void h2_set_write_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, wrote_frame);
}

/** Whether the bytes are a SETTINGS frame that is no acknowledgement. */
static bool is_settings(const uint8_t *frame, size_t size)
{
    return size >= 9 && frame[3] == NGHTTP2_SETTINGS && !(frame[4] & NGHTTP2_FLAG_ACK);
}

static uint32_t number_at(const uint8_t *bytes)
{
    return ((uint32_t)bytes[0] & 0x7f) << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
}

/** Whether the frame is a WINDOW_UPDATE that is not to leave now: a fault holds all of them, a
 * request or tunnel that stops those of its stream. */
static bool holds_window_update(const struct h2 *h2, const uint8_t *frame, size_t size)
{
    if (frame[3] != NGHTTP2_WINDOW_UPDATE || size != 13)
        return false;
    uint32_t id = number_at(frame + 5);
    const struct h2_exchange *x =
        id ? nghttp2_session_get_stream_user_data(h2->session, (int32_t)id) : NULL;
    return h2->holds_window || (x && !h2_reset_is_ours(x) && x->exchange.stops);
}

/** A WINDOW_UPDATE that does not leave: what it would have given is remembered. */
static void hold_window_update(struct h2 *h2, const uint8_t *frame)
{
    uint32_t id = number_at(frame + 5);
    struct h2_exchange *x =
        id ? nghttp2_session_get_stream_user_data(h2->session, (int32_t)id) : NULL;
    if (!id)
        h2->held += number_at(frame + 9);
    else if (x && !h2_reset_is_ours(x))
        x->held += number_at(frame + 9);
}

/** Whether a frame is an acknowledgement that is not to leave. */
static bool is_silenced(const struct h2 *h2, const uint8_t *frame)
{
    return (frame[4] & NGHTTP2_FLAG_ACK) &&
           ((frame[3] == NGHTTP2_SETTINGS && h2->silence.settings) ||
            (frame[3] == NGHTTP2_PING && h2->silence.ping));
}

bool h2_take_frame(struct h2 *h2, struct buf *out)
{
    const uint8_t *frame;
    ssize_t size = nghttp2_session_mem_send(h2->session, &frame);
    if (size <= 0)
        return false;
    if (is_settings(frame, (size_t)size) && size == 9 && h2->ghosts) {
        h2->ghosts--;
        return true;
    }
    if (is_silenced(h2, frame))
        return true;
    if (holds_window_update(h2, frame, (size_t)size)) {
        hold_window_update(h2, frame);
        return true;
    }
    if (h2->settings.size && is_settings(frame, (size_t)size)) {
        buf_append(out, buf_str(&h2->settings));
        buf_clear(&h2->settings);
        return true;
    }
    buf_append(out, (struct str){(const char *)frame, (size_t)size});
    return true;
}
