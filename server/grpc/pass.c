#include "server/grpc/pass.h"

#include "server/grpc/call.h"
#include "server/grpc/status.h"
#include "server/port/port.h"

#include <string.h>

bool grpc_request_is(const struct request *request)
{
    return request->version == HTTP_2 && str_is(request->method, "POST") &&
           grpc_is_content_type(headers_get(&request->headers, STR("content-type")));
}

void grpc_status_add(struct headers *headers, struct arena *arena, int status, struct str message)
{
    struct buf text;
    headers_add(headers, arena, STR("grpc-status"),
                status == GRPC_OK ? STR("0") : arena_printf(arena, "%d", status));
    if (!message.size)
        return;
    buf_init(&text, BUF_OWN);
    grpc_message_write(message, &text);
    headers_add(headers, arena, STR("grpc-message"), arena_copy(arena, buf_str(&text)));
    buf_clear(&text);
}

struct str grpc_status_in(const struct headers *headers, struct arena *arena)
{
    struct str text = headers ? headers_get(headers, STR("grpc-status")) : (struct str){0};
    int code;
    if (!text.data)
        return text;
    const char *name = grpc_status_read(text, &code) ? grpc_status_name(code) : NULL;
    return name ? str_of(name) : arena_copy(arena, str_slice(text, 0, 40));
}

int64_t grpc_deadline_of(const struct exchange *exchange)
{
    struct str text = headers_get(&exchange->request.headers, STR("grpc-timeout"));
    int64_t timeout_ns;
    if (exchange->call)
        return exchange->call->deadline_ns;
    if (!text.data || !grpc_timeout_read(text, &timeout_ns))
        return 0;
    return timeout_ns > INT64_MAX - exchange->whole_ns ? INT64_MAX
                                                       : exchange->whole_ns + timeout_ns;
}

/* What the faults are about. */

/** Whether one is about the first message. */
static bool flaws_need_message(const struct grpc_flaws *flaws)
{
    return flaws->truncated || flaws->oversized || flaws->compressed_flag || flaws->invalid;
}

/** Whether one changes the body, or where it ends. */
static bool flaws_touch_body(const struct grpc_flaws *flaws)
{
    return flaws_need_message(flaws) || flaws->extra || flaws->cut;
}

static bool flaws_any(const struct grpc_flaws *flaws)
{
    return flaws_touch_body(flaws) || flaws->no_trailers || flaws->bad_status ||
           flaws->wrong_content_type || flaws->split;
}

/** Notes that faults which struck are not to be seen. */
static void pass_note(const struct exchange *exchange, const char *why)
{
    const struct port *port = exchange->stream->port;
    journal_note(port->server->journal, ENTRY_NOTE, port->name_id,
                 "request %llu: its faults of gRPC changed nothing: %s",
                 (unsigned long long)exchange->number, why);
}

static void pass_cut(struct exchange *exchange, uint64_t at)
{
    const struct grpc_cut *cut = exchange->pass->flaws.cut;
    exchange->pass->cut = true;
    h2_cut_within(exchange, (enum h2_cut_how)cut->how, cut->code, at);
}

/* The head. */

/** Whether a header of an answer of one block stays one when trailers are made of the others. */
static bool is_of_head(struct str name)
{
    static const char *const names[] = {"content-type", "grpc-encoding", "grpc-accept-encoding",
                                        "date", "server"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_nocase(name, str_of(names[i])))
            return true;
    return false;
}

/** Adds a header or trailer as the faults have it. */
static void add_flawed(const struct grpc_flaws *flaws, const struct header *header,
                       struct arena *arena, struct headers *into)
{
    struct str value = header->value;
    if (flaws->bad_status && str_equal_nocase(header->name, STR("grpc-status")))
        value = STR("bad");
    if (flaws->wrong_content_type && str_equal_nocase(header->name, STR("content-type")))
        value = STR("text/html");
    if (flaws->compressed_flag && str_equal_nocase(header->name, STR("grpc-encoding")))
        return;
    if (flaws_touch_body(flaws) && str_equal_nocase(header->name, STR("content-length")))
        return;
    headers_add(into, arena, header->name, value);
}

static void pass_head(struct exchange *exchange, const struct response_head *given)
{
    struct grpc_pass *pass = exchange->pass;
    const struct grpc_flaws *flaws = &pass->flaws;
    struct arena *arena = exchange_arena(exchange);
    struct response_head head = *given;
    struct headers headers = {0};
    bool alone = headers_get(given->headers, STR("grpc-status")).data;
    pass->plain = !alone && !grpc_is_content_type(headers_get(given->headers, STR("content-type")));
    if (pass->plain && flaws_any(flaws))
        pass_note(exchange, "the answer is none of gRPC");
    if (pass->plain) {
        exchange_pass_head(exchange, given);
        return;
    }
    bool parts = alone && (flaws_touch_body(flaws) || flaws->no_trailers);
    for (size_t i = 0; i < given->headers->count; i++) {
        const struct header *header = &given->headers->items[i];
        bool later = parts && !is_of_head(header->name);
        add_flawed(flaws, header, arena, later ? &pass->held : &headers);
    }
    head.headers = &headers;
    if (alone && !parts && flaws->split)
        pass_note(exchange, "the answer has no message");
    if (alone && !parts) {
        exchange->verdict = grpc_status_in(&headers, arena);
        head.no_framing = true;
    } else {
        pass->open = true;
        if (parts || flaws_touch_body(flaws))
            head.content_length = -1;
    }
    if (flaws->split)
        h2_split(exchange, flaws->split);
    if (flaws->cut && flaws->cut->messages == 0)
        pass_cut(exchange, 0);
    exchange_pass_head(exchange, &head);
}

/* The messages. */

static void pass_frame_head(struct exchange *exchange, uint8_t flag, uint32_t length)
{
    unsigned char head[GRPC_FRAME_HEAD];
    grpc_frame_head(head, flag, length);
    exchange_pass_body(exchange, (struct str){(const char *)head, sizeof head});
}

/** The head of a frame came: a message begins. */
static void message_begin(struct exchange *exchange)
{
    struct grpc_pass *pass = exchange->pass;
    const struct grpc_flaws *flaws = &pass->flaws;
    uint32_t length = grpc_frame_size(pass->head);
    uint8_t flag = pass->head[0];
    struct str own = {0};
    pass->left = length;
    pass->keep = length;
    if (pass->count++ == 0) {
        if (flaws->invalid) {
            /* a field that goes on beyond its end */
            own = STR("\x0a\x7f");
            flag = 0;
            length = (uint32_t)own.size;
            pass->keep = length;
        }
        if (flaws->truncated) {
            length = length ? length : 1;
            pass->keep /= 2;
        }
        if (flaws->oversized)
            length = (uint32_t)flaws->oversized;
        if (flaws->compressed_flag)
            flag = 1;
        pass->broken = length != pass->keep;
    }
    if (flaws->cut && pass->count == flaws->cut->messages)
        pass_cut(exchange, exchange->body_sent + GRPC_FRAME_HEAD + pass->keep);
    pass_frame_head(exchange, flag, length);
    if (!own.data)
        return;
    exchange_pass_body(exchange, str_slice(own, 0, (size_t)pass->keep));
    pass->keep = 0;
}

/** Takes bytes of the present message, or of the head of the next; returns how many. */
static size_t message_take(struct exchange *exchange, struct str bytes)
{
    struct grpc_pass *pass = exchange->pass;
    if (pass->head_size < GRPC_FRAME_HEAD) {
        size_t size = GRPC_FRAME_HEAD - pass->head_size;
        size = bytes.size < size ? bytes.size : size;
        memcpy(pass->head + pass->head_size, bytes.data, size);
        pass->head_size += size;
        if (pass->head_size == GRPC_FRAME_HEAD)
            message_begin(exchange);
        bytes.size = size;
    } else {
        bytes = str_slice(bytes, 0, pass->left < bytes.size ? (size_t)pass->left : bytes.size);
        size_t kept = pass->keep < bytes.size ? (size_t)pass->keep : bytes.size;
        pass->left -= bytes.size;
        pass->keep -= kept;
        exchange_pass_body(exchange, str_slice(bytes, 0, kept));
    }
    return bytes.size;
}

static void pass_body(struct exchange *exchange, struct str bytes)
{
    struct grpc_pass *pass = exchange->pass;
    if (pass->plain || !flaws_touch_body(&pass->flaws)) {
        exchange_pass_body(exchange, bytes);
        return;
    }
    while (bytes.size && exchange->state == EXCHANGE_ANSWERING) {
        bool done = pass->head_size == GRPC_FRAME_HEAD && pass->left == 0;
        if (done)
            pass->head_size = 0;
        if (pass->head_size == 0 && (pass->broken || pass->cut))
            return;
        bytes = str_from(bytes, message_take(exchange, bytes));
    }
}

/* The end. */

/** What faults do before the end of an answer. */
static void finish_flawed(struct exchange *exchange)
{
    struct grpc_pass *pass = exchange->pass;
    const struct grpc_flaws *flaws = &pass->flaws;
    if (pass->head_size && pass->head_size < GRPC_FRAME_HEAD)
        exchange_pass_body(exchange, (struct str){(const char *)pass->head, pass->head_size});
    if (flaws_need_message(flaws) && !pass->count)
        pass_body(exchange, STR("\0\0\0\0\0"));
    if (flaws->extra && !pass->broken)
        pass_frame_head(exchange, 0, 0);
    if (flaws->cut && !pass->cut)
        pass_cut(exchange, exchange->body_sent);
}

static void pass_finish(struct exchange *exchange, const struct headers *trailers)
{
    struct grpc_pass *pass = exchange->pass;
    struct arena *arena = exchange_arena(exchange);
    struct headers block = pass->held;
    if (pass->plain || !pass->open) {
        exchange_pass_finish(exchange, trailers);
        return;
    }
    finish_flawed(exchange);
    for (size_t i = 0; trailers && i < trailers->count; i++)
        add_flawed(&pass->flaws, &trailers->items[i], arena, &block);
    if (pass->flaws.no_trailers)
        block.count = 0;
    exchange->verdict = grpc_status_in(&block, arena);
    pass->open = false;
    exchange_pass_finish(exchange, block.count ? &block : NULL);
}

static const struct exchange_filter grpc_filter = {
    .head = pass_head, .body = pass_body, .finish = pass_finish};

struct grpc_pass *grpc_pass_of(struct exchange *exchange)
{
    if (!exchange->pass) {
        exchange->pass = arena_alloc(exchange_arena(exchange), sizeof *exchange->pass);
        exchange->filter = &grpc_filter;
    }
    return exchange->pass;
}

bool grpc_pass_is_open(const struct exchange *exchange)
{
    return exchange->pass && exchange->pass->open && exchange->state == EXCHANGE_ANSWERING;
}
