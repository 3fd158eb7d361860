/* Answers of HTTP/1 that go wrong: the twin of h1_codec. */
#include "server/http/h1_flaw.h"

#include "base/arena.h"
#include "server/port/port.h"

#include <string.h>

enum {
    FLOOD_BLOCK = 16 * 1024,  /**< bytes made at once */
    FLOOD_TURN = 1024 * 1024, /**< bytes before other connections have their turn */
};

static struct h1_flaws *flaws_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct h1_exchange, exchange)->flaws;
}

static struct stream *stream_of(const struct h1_flaws *flaws)
{
    return flaws->x->exchange.stream;
}

static void flaws_write(const struct h1_flaws *flaws, struct str bytes)
{
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    if (bytes.size)
        stream_write(stream_of(flaws), &part, 1);
}

/* Texts */

/** What the places of a text stand for: those of a head, or of a chunk. */
struct words {
    struct str version;
    unsigned status;
    struct str reason;
    long long length; /**< of the body; 0 = not known */
    long long off;    /**< added for the wrong one */
    unsigned long long size;
};

static struct words head_words(const struct h1_flaws *flaws, const struct response_head *head)
{
    return (struct words){
        .version = flaws->version.data ? flaws->version : STR("HTTP/1.1"),
        .status = head->status,
        .reason = head->reason.data ? head->reason : str_of(http_reason(head->status)),
        .length = head->content_length > 0 ? head->content_length : 0,
        .off = flaws->length_off,
    };
}

static void word_append(struct buf *into, char place, const struct words *words)
{
    switch (place) {
    case 'v':
        buf_append(into, words->version);
        break;
    case 'c':
        buf_printf(into, "%03u", words->status);
        break;
    case 'r':
        buf_append(into, words->reason);
        break;
    case 'l':
        buf_printf(into, "%lld", words->length);
        break;
    case 'd':
        buf_printf(into, "%lld", words->length + words->off);
        break;
    case 'n':
        buf_printf(into, "%llx", words->size);
        break;
    case 'N':
        buf_printf(into, "%016llx", words->size);
        break;
    case '+':
        buf_printf(into, "%llx", words->size + 16);
        break;
    default:
        buf_printf(into, "%llx", words->size - 1);
        break;
    }
}

static void text_append(struct buf *into, struct str text, const struct words *words)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '$' && i + 1 < text.size)
            word_append(into, text.data[++i], words);
        else
            buf_append_byte(into, text.data[i]);
    }
}

/* The end */

/** Nothing more is written. Who gives the answer gets to its end, or a later turn comes first: then
 * the connection ends that way. */
static void flaws_end(struct h1_flaws *flaws, enum close_how how)
{
    flaws->over = true;
    flaws->how = how;
    flaws->left = 0;
    buf_clear(&flaws->held);
    flaws->held_from = 0;
    timer_start(&flaws->timer, 0);
}

static void flaws_close(struct h1_flaws *flaws)
{
    struct stream *stream = stream_of(flaws);
    timer_stop(&flaws->timer);
    if (flaws->how != CLOSE_KEEP) {
        stream_close(stream, flaws->how);
        return;
    }
    /* silent until the client leaves; one that did, or is asked to, does not wait */
    exchange_gone(&flaws->x->exchange, false);
    if (stream->peer_ended || flaws->x->h1->draining)
        stream_close(stream, CLOSE_FIN);
}

/* Bodies */

static void write_first_chunk(struct h1_flaws *flaws, struct str data)
{
    const struct words words = {.size = data.size};
    struct buf *into = h1_head_start(stream_of(flaws));
    text_append(into, flaws->chunk_before, &words);
    buf_append(into, data);
    buf_append(into, flaws->chunk_after);
    flaws_write(flaws, buf_str(into));
    flaws->x->written += data.size;
    flaws_end(flaws, CLOSE_FIN);
}

/** Where a body of a size is cut: at the latest before its last byte. */
static uint64_t cut_at(const struct h1_cut *cut, uint64_t size)
{
    uint64_t at = cut->is_share ? (uint64_t)(cut->share * (double)size) : cut->at;
    return at < size ? at : size - 1;
}

/** Sends what stands before the cut whatever is still to come. */
static void write_until_cut(struct h1_flaws *flaws, struct str bytes)
{
    struct h1_exchange *x = flaws->x;
    const struct h1_cut *cut = &flaws->cut;
    bool fits = buf_append(&flaws->held, bytes) == 0;
    flaws->seen += bytes.size;
    uint64_t sure = flaws->seen + flaws->length_known;
    uint64_t until = cut_at(cut, sure);
    struct str held = str_from(buf_str(&flaws->held), flaws->held_from);
    struct str out = str_slice(held, 0, (size_t)(until - x->written));
    if (out.size)
        h1_codec.body(&x->exchange, out);
    flaws->held_from += out.size;
    if (flaws->held_from > flaws->held.size / 2) {
        buf_consume(&flaws->held, flaws->held_from);
        flaws->held_from = 0;
    }
    if (!fits || (!cut->is_share && sure > cut->at))
        flaws_end(flaws, CLOSE_FIN);
}

static void flaws_body(struct h1_flaws *flaws, struct str bytes)
{
    if (flaws->x->bodiless)
        return;
    if (flaws->chunk_before.data)
        write_first_chunk(flaws, bytes);
    else if (flaws->cut.cuts)
        write_until_cut(flaws, bytes);
    else
        h1_codec.body(&flaws->x->exchange, bytes);
}

static void flaws_finish(struct h1_flaws *flaws, const struct headers *trailers)
{
    struct h1_exchange *x = flaws->x;
    bool has_body = !x->bodiless;
    if (has_body && flaws->chunk_before.data) {
        /* no body to be wrong with */
        write_first_chunk(flaws, STR("x"));
    } else if (has_body && (flaws->cut.cuts || flaws->no_last_chunk)) {
        flaws_end(flaws, CLOSE_FIN);
    } else {
        h1_codec.finish(&x->exchange, trailers);
        flaws_write(flaws, flaws->extra);
        x->written += flaws->extra.size;
        x->close |= has_body && flaws->framing == H1_FRAMED_LENGTH;
    }
}

/* Heads */

/** Behind the last header, or the flood. */
static void flaws_end_head(struct h1_flaws *flaws)
{
    flaws_write(flaws, flaws->head_end);
    if (flaws->ends_with_head)
        flaws_end(flaws, flaws->how);
}

static void fields_append(const struct h1_flaws *flaws, const struct response_head *head,
                          struct buf *into)
{
    bool framed = flaws->framing != H1_FRAMED_RIGHT;
    for (size_t i = 0; head->headers && i < head->headers->count; i++) {
        const struct header *field = &head->headers->items[i];
        if (!framed || (!str_equal_nocase(field->name, STR("content-length")) &&
                        !str_equal_nocase(field->name, STR("transfer-encoding"))))
            h1_head_field(into, field->name, field->value);
    }
}

static void framing_append(struct h1_flaws *flaws, const struct response_head *head,
                           const struct words *words, struct buf *into)
{
    struct h1_exchange *x = flaws->x;
    if (flaws->framing == H1_FRAMED_RIGHT) {
        h1_head_framing(x, head, into);
    } else if (flaws->framing == H1_FRAMED_LENGTH) {
        text_append(into, flaws->length_line, words);
    } else {
        x->chunked = true;
        if (flaws->framing == H1_FRAMED_BOTH)
            text_append(into, flaws->length_line, words);
        buf_append(into, STR("transfer-encoding: chunked\r\n"));
    }
}

/** Decides where the body is cut, and how the head ends. */
static void flaws_plan(struct h1_flaws *flaws, const struct response_head *head)
{
    bool bodiless = flaws->x->bodiless;
    bool chunk = flaws->chunk_before.data || flaws->no_last_chunk;
    bool nothing = bodiless || head->content_length == 0;
    flaws->head_end = flaws->end == H1_END_RIGHT ? STR("\r\n") : STR("");
    flaws->ends_with_head = flaws->end == H1_END_STALL || flaws->end == H1_END_FIN;
    flaws->how = flaws->end == H1_END_STALL ? CLOSE_KEEP : CLOSE_FIN;
    if ((chunk && bodiless) || (flaws->cut.cuts && nothing)) {
        flaws->head_end = STR("");
        flaws->ends_with_head = true;
    } else if (flaws->cut.cuts && head->content_length > 0) {
        flaws->cut = (struct h1_cut){.cuts = true,
                                     .at = cut_at(&flaws->cut, (uint64_t)head->content_length)};
        flaws->length_known = true;
        flaws->ends_with_head |= flaws->cut.at == 0;
    }
}

/* Floods */

static void flood_append(struct h1_flaws *flaws, struct buf *into)
{
    static const struct str name = STR_INIT("x-flood: ");
    enum { PIECE = 4096, LINE_END = 2 };
    char fill[PIECE];
    uint64_t size;
    if (!flaws->line_left) {
        /* what is too short for a line of its own is put to the last one */
        flaws->line_left = flaws->flood_line;
        if (flaws->left < flaws->line_left || flaws->left - flaws->line_left < H1_LEAST_LINE)
            flaws->line_left = flaws->left;
        buf_append(into, name);
        flaws->line_left -= name.size;
        flaws->left -= name.size;
    }
    size = flaws->line_left - LINE_END;
    size = size < PIECE ? size : PIECE;
    memset(fill, 'a', (size_t)size);
    buf_append(into, (struct str){fill, (size_t)size});
    flaws->line_left -= size;
    flaws->left -= size;
    if (flaws->line_left == LINE_END) {
        buf_append(into, STR("\r\n"));
        flaws->line_left = 0;
        flaws->left -= LINE_END;
    }
}

static void garbage_append(struct h1_flaws *flaws, struct buf *into)
{
    enum { PIECE = 4096 };
    char bytes[PIECE];
    size_t size = flaws->left < PIECE ? (size_t)flaws->left : PIECE;
    random_bytes(&flaws->random, bytes, size);
    /* no answer begins like that, whatever is drawn */
    if (!flaws->x->written)
        bytes[0] = (char)((uint8_t)bytes[0] | 0x80);
    buf_append(into, (struct str){bytes, size});
    flaws->left -= size;
    flaws->x->written += size;
}

/** Writes while the queue has room and others need not wait. */
static void flaws_pump(struct h1_flaws *flaws)
{
    struct stream *stream = stream_of(flaws);
    bool garbage = flaws->instead == H1_GARBAGE;
    size_t sent = 0;
    struct buf block;
    buf_init(&block, BUF_OWN);
    while (flaws->left && sent < FLOOD_TURN && !stream->closing &&
           stream_queued(stream) <= STREAM_HIGH_MARK) {
        buf_reset(&block);
        while (flaws->left && block.size < FLOOD_BLOCK)
            (garbage ? garbage_append : flood_append)(flaws, &block);
        flaws_write(flaws, buf_str(&block));
        sent += block.size;
    }
    buf_clear(&block);
    flaws->x->exchange.body_sent = flaws->x->written;
    if (flaws->left) {
        if (sent >= FLOOD_TURN)
            timer_start(&flaws->timer, 0);
    } else if (garbage) {
        flaws_end(flaws, CLOSE_FIN);
    } else {
        flaws_end_head(flaws);
    }
}

/** The same in a later turn; behind it comes what waited. */
static void flaws_pump_on(struct h1_flaws *flaws)
{
    struct exchange *exchange = &flaws->x->exchange;
    flaws_pump(flaws);
    if (flaws->left)
        return;
    struct buf held = flaws->held;
    buf_init(&flaws->held, H1_MOST_HELD);
    if (held.size && !flaws->over)
        flaws_body(flaws, buf_str(&held));
    buf_clear(&held);
    if (flaws->finished && !flaws->over)
        flaws_finish(flaws, &flaws->trailers);
    exchange->body_sent = flaws->x->written;
    if (flaws->over)
        return;
    if (flaws->half_due)
        h1_codec.tunnel_end(exchange);
    if (flaws->finished)
        exchange_sent(exchange);
    else if (exchange->responder_writable)
        exchange->responder_writable(exchange);
}

bool h1_flaws_writable(struct h1_exchange *x)
{
    if (!x->flaws || !x->flaws->left)
        return false;
    flaws_pump_on(x->flaws);
    return true;
}

static void flaws_due(struct timer *timer)
{
    struct h1_flaws *flaws = CONTAINER_OF(timer, struct h1_flaws, timer);
    struct stream *stream = stream_of(flaws);
    if (stream->closing)
        return;
    stream_enter(stream);
    if (flaws->over)
        flaws_close(flaws);
    else
        flaws_pump_on(flaws);
    stream_leave(stream);
}

/* The codec */

/** Something else in place of the answer: nothing of it was sent. */
static void flaws_replace(struct h1_flaws *flaws)
{
    struct exchange *exchange = &flaws->x->exchange;
    exchange->status = 0;
    exchange->body_sent = 0;
    if (flaws->instead == H1_GARBAGE) {
        flaws->left = flaws->garbage;
        flaws_pump(flaws);
        return;
    }
    exchange->first_byte_ns = 0;
    flaws_end(flaws, CLOSE_FIN);
}

static void flawed_informational(struct exchange *exchange, unsigned status,
                                 const struct headers *headers)
{
    if (flaws_of(exchange)->instead == H1_ANSWER)
        h1_codec.informational(exchange, status, headers);
}

static void flawed_head(struct exchange *exchange, const struct response_head *head)
{
    struct h1_flaws *flaws = flaws_of(exchange);
    struct h1_exchange *x = flaws->x;
    const struct words words = head_words(flaws, head);
    if (flaws->instead != H1_ANSWER) {
        flaws_replace(flaws);
        return;
    }
    struct buf *into = h1_head_start(exchange->stream);
    h1_head_begin(x, head);
    text_append(into, flaws->status_line.data ? flaws->status_line : STR("$v $c $r\r\n"), &words);
    if (!flaws->only_status_line) {
        buf_append(into, flaws->fields);
        h1_head_date(x, head, into);
        fields_append(flaws, head, into);
        framing_append(flaws, head, &words, into);
        h1_head_connection(x, head, into);
        flaws_plan(flaws, head);
        if (!flaws->flood)
            buf_append(into, flaws->head_end);
    }
    struct iovec part = {into->data, into->size};
    stream_write_soon(exchange->stream, &part, 1);
    flaws->left = flaws->flood;
    if (flaws->only_status_line)
        flaws_end(flaws, CLOSE_FIN);
    else if (flaws->flood)
        flaws_pump(flaws);
    else if (flaws->ends_with_head)
        flaws_end(flaws, flaws->how);
}

static void flawed_body(struct exchange *exchange, struct str bytes)
{
    struct h1_flaws *flaws = flaws_of(exchange);
    if (flaws->left && flaws->instead == H1_ANSWER)
        (void)buf_append(&flaws->held, bytes);
    else if (!flaws->left && !flaws->over)
        flaws_body(flaws, bytes);
    exchange->body_sent = flaws->x->written;
}

/** The answer was given whole: ends it if it is over, waits while a flood is under way. */
static void flaws_given(struct h1_flaws *flaws)
{
    struct exchange *exchange = &flaws->x->exchange;
    exchange->body_sent = flaws->x->written;
    exchange->sending = flaws->left > 0;
    if (flaws->over)
        flaws_close(flaws);
}

static void flawed_finish(struct exchange *exchange, const struct headers *trailers)
{
    struct h1_flaws *flaws = flaws_of(exchange);
    flaws->finished = true;
    if (flaws->left && trailers)
        flaws->trailers = *trailers;
    else if (!flaws->left && !flaws->over)
        flaws_finish(flaws, trailers);
    flaws_given(flaws);
}

static void flawed_raw(struct exchange *exchange, struct str bytes)
{
    struct h1_flaws *flaws = flaws_of(exchange);
    flaws->finished = true;
    if (flaws->instead != H1_ANSWER) {
        flaws_replace(flaws);
    } else if (flaws->cut.cuts) {
        bytes = str_slice(bytes, 0, bytes.size ? (size_t)cut_at(&flaws->cut, bytes.size) : 0);
        flaws_end(flaws, CLOSE_FIN);
    }
    if (flaws->instead == H1_ANSWER) {
        flaws_write(flaws, bytes);
        flaws->x->written = bytes.size;
    }
    if (!flaws->over && flaws->instead == H1_ANSWER) {
        flaws_write(flaws, flaws->extra);
        flaws->x->written += flaws->extra.size;
    }
    flaws_given(flaws);
}

static void flawed_cut(struct exchange *exchange, enum close_how how)
{
    h1_codec.cut(exchange, how);
}

static void flawed_whole(struct exchange *exchange, const struct static_answer *answer)
{
    /* "HTTP/1.1 200 OK\r\n" */
    enum { VERSION = 9, LINE_END = 2 };
    struct str reason = str_from(answer->status_line, VERSION);
    reason = str_from(reason, (size_t)str_find_byte(reason, ' ') + 1);
    const struct response_head head = {
        .status = answer->status,
        .reason = str_slice(reason, 0, reason.size - LINE_END),
        .headers = answer->headers,
        .content_length = (int64_t)answer->body.size,
        .close = answer->close,
    };
    flawed_head(exchange, &head);
    if (answer->body.size)
        flawed_body(exchange, answer->body);
    flawed_finish(exchange, NULL);
}

static size_t flawed_queued(const struct exchange *exchange)
{
    const struct h1_flaws *flaws = h1_flaws_of(exchange);
    return flaws->left ? SIZE_MAX : stream_queued(exchange->stream);
}

static void flawed_resume(struct exchange *exchange)
{
    h1_codec.resume(exchange);
}

/** The head of a tunnel has no body: faults of a body do what they do to others without one, and
 * `extra` is the first that the tunnel brings. */
static bool flawed_tunnel(struct exchange *exchange, const struct response_head *head)
{
    struct h1_flaws *flaws = flaws_of(exchange);
    struct h1_exchange *x = flaws->x;
    const struct words words = head_words(flaws, head);
    bool upgrades = head->headers && headers_get(head->headers, STR("upgrade")).data;
    if (flaws->instead != H1_ANSWER) {
        flaws_replace(flaws);
        return false;
    }
    struct buf *into = h1_head_start(exchange->stream);
    x->bodiless = true;
    x->close = true;
    text_append(into, flaws->status_line.data ? flaws->status_line : STR("$v $c $r\r\n"), &words);
    if (!flaws->only_status_line) {
        buf_append(into, flaws->fields);
        h1_head_date(x, head, into);
        fields_append(flaws, head, into);
        if (flaws->framing != H1_FRAMED_RIGHT)
            framing_append(flaws, head, &words, into);
        if (upgrades)
            buf_append(into, STR("connection: upgrade\r\n"));
    }
    flaws_plan(flaws, head);
    x->bodiless = false;
    x->chunked = false;
    if (flaws->extra.size && !flaws->ends_with_head)
        flaws->head_end = arena_printf(exchange_arena(exchange), STR_FMT STR_FMT,
                                       STR_ARG(flaws->head_end), STR_ARG(flaws->extra));
    flaws->extra = (struct str){0};
    flaws_write(flaws, buf_str(into));
    flaws->left = flaws->only_status_line ? 0 : flaws->flood;
    if (flaws->only_status_line)
        flaws_end(flaws, CLOSE_FIN);
    else if (flaws->left)
        flaws_pump(flaws);
    else
        flaws_end_head(flaws);
    if (flaws->over || flaws->ends_with_head)
        return false;
    h1_read_on(exchange);
    return true;
}

static void flawed_tunnel_end(struct exchange *exchange)
{
    struct h1_flaws *flaws = flaws_of(exchange);
    flaws->half_due = flaws->left > 0;
    if (!flaws->half_due)
        h1_codec.tunnel_end(exchange);
}

static const struct exchange_codec flawed_codec = {
    .informational = flawed_informational,
    .head = flawed_head,
    .body = flawed_body,
    .finish = flawed_finish,
    .raw = flawed_raw,
    .cut = flawed_cut,
    .whole = flawed_whole,
    .queued = flawed_queued,
    .tunnel = flawed_tunnel,
    .tunnel_end = flawed_tunnel_end,
    .resume = flawed_resume,
    .done = h1_done,
};

struct h1_flaws *h1_flaws(struct exchange *exchange)
{
    struct h1_exchange *x = CONTAINER_OF(exchange, struct h1_exchange, exchange);
    if (x->flaws)
        return x->flaws;
    struct h1_flaws *flaws = arena_alloc(exchange_arena(exchange), sizeof *flaws);
    flaws->x = x;
    timer_init(&flaws->timer, exchange->stream->port->server->loop, flaws_due);
    buf_init(&flaws->held, H1_MOST_HELD);
    x->flaws = flaws;
    exchange->codec = &flawed_codec;
    return flaws;
}

struct h1_flaws *h1_flaws_of(const struct exchange *exchange)
{
    return exchange->codec == &flawed_codec
               ? CONTAINER_OF(exchange, const struct h1_exchange, exchange)->flaws
               : NULL;
}

void h1_flaws_clear(struct h1_exchange *x)
{
    if (!x->flaws)
        return;
    timer_stop(&x->flaws->timer);
    buf_clear(&x->flaws->held);
}
