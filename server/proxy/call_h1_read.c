/* The answers on a connection of HTTP/1.1 (RFC 9112 sections 4, 6 and 7). */
#include "base/memory.h"
#include "server/proxy/call_h1.h"

enum { INLINE_HEADERS = 64 };

void call_h1_read_start(struct call_h1 *h1)
{
    h1->phase = ANSWER_HEAD;
    h1->keep = false;
    h1_scan_answer(&h1->scan, CALL_HEAD_SIZE);
    buf_reset(&h1->partial);
}

static bool is_bodiless(const struct call *call, unsigned status)
{
    return call->is_head || status == 204 || status == 304;
}

/** How the body of a final answer is framed. True when there is none. */
static bool answer_frame(struct call_h1 *h1, const struct h1_answer *answer)
{
    h1->keep = answer->keep_alive;
    if (answer->keep_seconds >= 0) {
        int64_t told = (answer->keep_seconds - 1) * CLOCK_SECOND;
        h1->idle_limit_ns = told < h1->pool->idle_ns ? told : h1->pool->idle_ns;
    }
    if (is_bodiless(h1->call, answer->status))
        return true;
    if (answer->chunked) {
        h1->phase = ANSWER_CHUNKS;
        h1_chunks_start(&h1->chunks);
    } else if (answer->content_length >= 0) {
        h1->phase = ANSWER_LENGTH;
        h1->left = (uint64_t)answer->content_length;
        return h1->left == 0;
    } else {
        h1->phase = ANSWER_UNTIL_CLOSE;
        h1->keep = false;
    }
    return false;
}

static void answer_interim(struct call_h1 *h1, const struct h1_answer *answer,
                           struct headers *headers)
{
    struct call *call = h1->call;
    if (answer->status == 101) {
        call_h1_fail(h1, CALL_PROTOCOL, "switches protocols, which was not asked for");
        return;
    }
    if (++call->interim > CALL_MOST_INTERIM) {
        call_h1_fail(h1, CALL_PROTOCOL, "sent more than %d answers of 1xx", CALL_MOST_INTERIM);
        return;
    }
    h1_scan_answer(&h1->scan, CALL_HEAD_SIZE);
    call_filter_headers(headers, answer->has_connection, false);
    if (call->user->informational)
        call->user->informational(call->context, answer->status, headers);
}

/** The connection is the owner's, as bytes. */
static void answer_tunnel(struct call_h1 *h1, const struct h1_answer *answer,
                          const struct headers *headers)
{
    struct call *call = h1->call;
    const struct call_user *user = call->user;
    h1->phase = ANSWER_TUNNEL;
    call->tunnel = true;
    call->whole = true;
    h1->request_whole = true;
    if (user->head)
        user->head(call->context, answer->status, answer->reason, headers, -1);
    if (h1->call && user->tunnel)
        user->tunnel(call->context);
}

static void answer_final(struct call_h1 *h1, const struct h1_answer *answer,
                         const struct headers *headers, bool clean)
{
    struct call *call = h1->call;
    bool whole = answer_frame(h1, answer);
    if (call->user->head)
        call->user->head(call->context, answer->status, answer->reason, headers,
                         answer->content_length);
    if (whole && h1->call)
        call_h1_done(h1, clean, NULL);
}

/** A whole head. `clean`: nothing came behind it yet. */
static void answer_head(struct call_h1 *h1, const char *text, bool clean)
{
    struct header few[INLINE_HEADERS];
    struct header *many =
        h1->scan.count > INLINE_HEADERS ? memory_alloc_array(h1->scan.count, sizeof *many) : NULL;
    struct headers headers = {many ? many : few, 0, h1->scan.count};
    struct h1_answer answer;
    const struct call *call = h1->call;
    if (!h1_answer_read(&h1->scan, text, headers.items, &answer)) {
        call_h1_fail(h1, CALL_PROTOCOL, "gave no valid answer of HTTP: %s", answer.why);
        memory_free(many);
        return;
    }
    headers.count = answer.count;
    bool upgraded = answer.status == 101 && call->request.upgrade && answer.version == HTTP_1_1;
    bool connected = call->request.connect && answer.status / 100 == 2;
    if (answer.status < 200 && !upgraded) {
        answer_interim(h1, &answer, &headers);
    } else {
        call_filter_headers(&headers, answer.has_connection, upgraded);
        if (upgraded || connected)
            answer_tunnel(h1, &answer, &headers);
        else
            answer_final(h1, &answer, &headers, clean);
    }
    memory_free(many);
}

/** Scans on in what came; what is not whole is kept. *text is where a whole one begins. */
static enum h1_progress read_lines(struct call_h1 *h1, struct str bytes, size_t *taken,
                                   const char **text)
{
    size_t before = h1->scan.at;
    enum h1_progress progress;
    if (h1->partial.size == 0) {
        progress = h1_scan_step(&h1->scan, bytes.data, bytes.size);
        *text = bytes.data;
        if (progress == H1_MORE)
            (void)buf_append(&h1->partial, str_slice(bytes, 0, h1->scan.at));
    } else {
        /* one byte more than it may have shows that it is too large */
        size_t room = h1->partial.most - h1->partial.size;
        (void)buf_append(&h1->partial, str_slice(bytes, 0, room));
        progress = h1_scan_step(&h1->scan, h1->partial.data, h1->partial.size);
        buf_truncate(&h1->partial, h1->scan.at);
        *text = h1->partial.data;
    }
    *taken = h1->scan.at - before;
    return progress;
}

/** What was kept of a head or of trailers is done with. */
static void read_lines_done(struct call_h1 *h1)
{
    if (h1->partial.size)
        buf_clear(&h1->partial);
}

static size_t read_head(struct call_h1 *h1, struct str bytes)
{
    struct call *call = h1->call;
    const char *text;
    size_t taken;
    if (!call->end.first_byte_ns)
        call->end.first_byte_ns = h1->stream->active_ns;
    enum h1_progress progress = read_lines(h1, bytes, &taken, &text);
    if (progress == H1_BAD) {
        call_h1_fail(h1, CALL_PROTOCOL, "gave no valid answer of HTTP: %s", h1->scan.fault.why);
    } else if (progress == H1_DONE) {
        /* the head's bytes live until it was told, whatever its owner does within */
        struct buf kept = h1->partial;
        buf_init(&h1->partial, kept.most);
        answer_head(h1, text, taken == bytes.size);
        buf_clear(&kept);
    }
    return taken;
}

/** Gives a piece of the body; false when the call is gone by it. */
static bool give_body(struct call_h1 *h1, struct str data)
{
    struct call *call = h1->call;
    if (data.size == 0)
        return true;
    call->end.body_received += data.size;
    if (call->user->body)
        call->user->body(call->context, data);
    return h1->call != NULL;
}

static size_t read_length(struct call_h1 *h1, struct str bytes)
{
    struct str data = str_slice(bytes, 0, h1->left < bytes.size ? (size_t)h1->left : bytes.size);
    h1->left -= data.size;
    bool whole = h1->left == 0;
    if (give_body(h1, data) && whole)
        call_h1_done(h1, data.size == bytes.size, NULL);
    return data.size;
}

static size_t read_chunks(struct call_h1 *h1, struct str bytes)
{
    size_t taken;
    struct str data;
    enum h1_progress progress = h1_chunks_step(&h1->chunks, bytes, &taken, &data);
    if (progress == H1_BAD) {
        call_h1_fail(h1, CALL_PROTOCOL, "broke the framing of its answer: %s",
                     h1->chunks.fault.why);
        return taken;
    }
    if (progress == H1_DONE) {
        h1->phase = ANSWER_TRAILERS;
        h1_scan_fields(&h1->scan, CALL_HEAD_SIZE);
        h1->scan.answer = true;
    }
    give_body(h1, data);
    return taken;
}

static size_t read_trailers(struct call_h1 *h1, struct str bytes)
{
    const char *text;
    size_t taken;
    enum h1_progress progress = read_lines(h1, bytes, &taken, &text);
    if (progress == H1_BAD) {
        call_h1_fail(h1, CALL_PROTOCOL, "sent no valid trailers: %s", h1->scan.fault.why);
    } else if (progress == H1_DONE && h1->scan.count == 0) {
        read_lines_done(h1);
        call_h1_done(h1, taken == bytes.size, NULL);
    } else if (progress == H1_DONE) {
        struct headers trailers = {0};
        struct buf kept = h1->partial;
        buf_init(&h1->partial, kept.most);
        trailers.items = memory_alloc_array(h1->scan.count, sizeof *trailers.items);
        trailers.count = h1_fields_read(&h1->scan, text, trailers.items);
        trailers.capacity = trailers.count;
        call_filter_headers(&trailers, false, false);
        call_h1_done(h1, taken == bytes.size, trailers.count ? &trailers : NULL);
        memory_free(trailers.items);
        buf_clear(&kept);
    }
    return taken;
}

size_t call_h1_read(struct call_h1 *h1, struct str bytes)
{
    call_active(h1->call, h1->stream->active_ns);
    switch (h1->phase) {
    case ANSWER_HEAD:
        return read_head(h1, bytes);
    case ANSWER_LENGTH:
        return read_length(h1, bytes);
    case ANSWER_CHUNKS:
        return read_chunks(h1, bytes);
    case ANSWER_TRAILERS:
        return read_trailers(h1, bytes);
    default:
        give_body(h1, bytes);
        return bytes.size;
    }
}

/** Where in the answer the connection ended. */
static void read_broken(struct call_h1 *h1, enum call_failure failure, const char *how)
{
    unsigned long long got = h1->call->end.body_received;
    switch (h1->phase) {
    case ANSWER_HEAD:
        call_h1_fail(h1, failure, "%s the connection %s", how,
                     h1->call->end.first_byte_ns ? "within the head of its answer"
                                                 : "without an answer");
        break;
    case ANSWER_LENGTH:
        call_h1_fail(h1, failure, "%s the connection after %llu of %llu bytes of its answer", how,
                     got, got + (unsigned long long)h1->left);
        break;
    case ANSWER_TUNNEL:
        call_h1_fail(h1, failure, "%s the tunnel", how);
        break;
    default:
        call_h1_fail(h1, failure, "%s the connection within its answer, after %llu bytes", how,
                     got);
        break;
    }
}

static void tunnel_ended(struct call_h1 *h1)
{
    struct call *call = h1->call;
    if (!call->tunnel_ended && call->user->half_closed)
        call->user->half_closed(call->context);
    /* its owner may have ended ours within */
    if (h1->call && h1->call->tunnel_ended)
        call_h1_done(h1, false, NULL);
}

/** Whether anybody may have ended the connection: TLS ends with a close_notify. */
static bool tls_is_cut(const struct stream *stream)
{
    const struct tls_client *tls = tls_stream_client(stream);
    return tls && !tls_client_is_closed(tls);
}

void call_h1_read_end(struct call_h1 *h1)
{
    if (h1->phase == ANSWER_UNTIL_CLOSE && tls_is_cut(h1->stream))
        call_h1_fail(h1, CALL_CLOSED,
                     "closed the connection without a close_notify, and the length of its answer "
                     "was not told");
    else if (h1->phase == ANSWER_UNTIL_CLOSE)
        call_h1_done(h1, false, NULL);
    else if (h1->phase == ANSWER_TUNNEL)
        tunnel_ended(h1);
    else
        read_broken(h1, CALL_CLOSED, "closed");
}

void call_h1_read_reset(struct call_h1 *h1)
{
    read_broken(h1, CALL_RESET, "reset");
}
