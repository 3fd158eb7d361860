#include "server/http/h2_client_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/http/h2.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum {
    READ_SIZE = 64 * 1024,
    READS_A_TURN = 16,
    OUT_SIZE = 256 * 1024, /**< frames that are made before the wire has to take them */
    WINDOW = 1024 * 1024,  /**< of one stream: what a user that does not consume may have to hold */
    CONNECTION_WINDOW = 16 * WINDOW, /**< given back as it comes: no call stops the others */
    REQUEST_HEAD = 1024 * 1024,
};

/* How it ends. */

void h2_client_over(struct h2_client *client, struct h2_client_end end, const char *format, ...)
{
    va_list arguments;
    if (client->over)
        return;
    client->over = true;
    va_start(arguments, format);
    vsnprintf(client->words, sizeof client->words, format, arguments);
    va_end(arguments);
    client->end = end;
    client->end.words = str_of(client->words);
    client->end.end_ns = clock_now();
    client->end.first_byte_ns = -1;
}

/** What a connection's end is for one of its calls. */
static void call_shares_end(struct h2_client *client, struct h2_call *call)
{
    const struct h2_client_end *end = &client->end;
    bool left = end->kind == H2_END_CLOSED || end->kind == H2_END_BROKEN;
    /* a GOAWAY with an error, or one that leaves this call out, is the reason of what follows it */
    if (left && client->went_away &&
        (client->goaway.code != NGHTTP2_NO_ERROR || call->id > client->goaway.last))
        end = &client->goaway;
    h2_call_end(call, *end, STR_FMT, STR_ARG(end->words));
}

static void wire_close(struct h2_client *client)
{
    if (client->wire)
        client->wire->type->close(client->wire);
    client->wire = NULL;
    buf_clear(&client->out);
}

static void client_delete(struct h2_client *client)
{
    timer_stop(&client->timer);
    wire_close(client);
    while (client->calls)
        h2_call_free(client->calls);
    nghttp2_session_del(client->session);
    memory_free(client);
}

static struct h2_call *first_ended(struct h2_client *client)
{
    struct h2_call *call = client->ended_calls ? client->calls : NULL;
    while (call && !call->ended)
        call = call->next;
    return call;
}

/** Tells one user of one end; false when there is nothing to tell. */
static bool client_tell(struct h2_client *client)
{
    struct h2_call *call = first_ended(client);
    if (call) {
        call->telling = true;
        call->user->finished(call->context, &call->end);
        h2_call_free(call);
        return true;
    }
    if (client->told || (!client->over && !client->went_away))
        return false;
    client->told = true;
    if (client->user && client->user->ended)
        client->user->ended(client->context, client->over ? &client->end : &client->goaway);
    return true;
}

/* Writing. */

/** Gives the wire what it takes. False when it takes no more now. */
static bool client_flush(struct h2_client *client)
{
    while (client->out.size) {
        ptrdiff_t sent = client->wire->type->write(client->wire, buf_str(&client->out));
        if (sent == -EAGAIN)
            return false;
        if (sent < 0) {
            /* what came before the connection broke is still to be read: reading tells the end */
            client->write_error = client->write_error ? client->write_error : (int)-sent;
            buf_reset(&client->out);
            return false;
        }
        buf_consume(&client->out, (size_t)sent);
    }
    return true;
}

/** All frames of this turn, into one write. */
static void client_write(struct h2_client *client)
{
    while (client->connected && client->wire) {
        const uint8_t *frames;
        ssize_t size = 0;
        while (client->out.size < OUT_SIZE &&
               (size = nghttp2_session_mem_send(client->session, &frames)) > 0)
            buf_append(&client->out, (struct str){(const char *)frames, (size_t)size});
        if (size < 0)
            h2_client_over(client, (struct h2_client_end){.kind = H2_END_PROTOCOL}, "%s",
                           nghttp2_strerror((int)size));
        if (client->out.size == 0)
            break;
        if (!client_flush(client))
            break;
    }
    if (client->wire)
        client->wire->type->want_write(client->wire, client->out.size > 0);
}

/** Both sides have nothing more to say: a GOAWAY of ours has left, or the peer's is done with. */
static void client_check_done(struct h2_client *client)
{
    if (!client->connected || client->over || client->out.size ||
        nghttp2_session_want_read(client->session) || nghttp2_session_want_write(client->session))
        return;
    struct h2_client_end wrong = {.kind = H2_END_PROTOCOL, .code = client->wrong_code};
    if (client->went_wrong)
        h2_client_over(client, wrong, "%s", client->complaint);
    else
        h2_client_over(client, client->goaway, "%s", client->goaway_words);
}

/** One GOAWAY on the way out, if the wire takes it at once. */
static void client_say_goodbye(struct h2_client *client)
{
    client->closing = true;
    if (!client->connected || client->over || client->out.size)
        return;
    nghttp2_session_terminate_session(client->session, NGHTTP2_NO_ERROR);
    client_write(client);
}

void h2_client_settle(struct h2_client *client)
{
    if (client->busy)
        return;
    client->busy++;
    do {
        if (!client->freed)
            client_write(client);
        client_check_done(client);
        if (client->over)
            for (struct h2_call *call = client->calls; call; call = call->next)
                call_shares_end(client, call);
        if (client->over)
            wire_close(client);
    } while (!client->freed && client_tell(client));
    if (client->freed)
        client_say_goodbye(client);
    client->busy--;
    if (client->freed)
        client_delete(client);
}

static void on_timer(struct timer *timer)
{
    h2_client_settle(CONTAINER_OF(timer, struct h2_client, timer));
}

void h2_client_push(struct h2_client *client)
{
    if (client->busy)
        return;
    client->busy++;
    client_write(client);
    client->busy--;
    if (client->over || first_ended(client))
        timer_start(&client->timer, 0);
}

/* Reading. */

/** The first bytes tell a server of HTTP/1 before nghttp2 finds a frame of strange size. */
static bool is_http1(struct h2_client *client, struct str bytes)
{
    size_t room = sizeof client->first - client->first_size;
    size_t size = bytes.size < room ? bytes.size : room;
    memcpy(client->first + client->first_size, bytes.data, size);
    client->first_size += size;
    return str_is((struct str){client->first, client->first_size < 7 ? client->first_size : 7},
                  "HTTP/1.");
}

static void client_receive(struct h2_client *client, struct str bytes)
{
    bool first = client->first_size < sizeof client->first;
    if (first && is_http1(client, bytes)) {
        for (struct h2_call *call = client->calls; call; call = call->next)
            h2_call_note_first_byte(call);
        h2_client_over(
            client, (struct h2_client_end){.kind = H2_END_PROTOCOL, .code = NGHTTP2_PROTOCOL_ERROR},
            "the peer speaks HTTP/1, not HTTP/2: its first bytes are 'HTTP/1.'");
        return;
    }
    ssize_t read =
        nghttp2_session_mem_recv(client->session, (const uint8_t *)bytes.data, bytes.size);
    if (read < 0)
        h2_client_over(client, (struct h2_client_end){.kind = H2_END_PROTOCOL}, "%s",
                       h2_client_complaint(client, nghttp2_strerror((int)read)));
    /* what nghttp2 found wrong it does when it sends: before the end of the bytes is seen */
    else
        client_write(client);
}

/** recv() says that there will be nothing more. */
static void client_read_end(struct h2_client *client)
{
    /* a failed send() has taken the error away from recv(); after a FIN it is EPIPE */
    if (client->write_error && client->write_error != EPIPE)
        h2_client_over(client,
                       (struct h2_client_end){.kind = H2_END_BROKEN, .error = client->write_error},
                       "the connection broke: %s", strerror(client->write_error));
    else
        h2_client_over(client, (struct h2_client_end){.kind = H2_END_CLOSED},
                       "the peer closed the connection%s",
                       client->went_away ? ", after a GOAWAY" : "");
}

static void client_read(struct h2_client *client)
{
    char room[READ_SIZE];
    for (int i = 0; i < READS_A_TURN && client->wire && !client->over && !client->freed; i++) {
        ptrdiff_t got = client->wire->type->read(client->wire, room, sizeof room);
        if (got == -EAGAIN || got == -EINTR)
            return;
        if (got > 0)
            client_receive(client, (struct str){room, (size_t)got});
        else if (got == 0)
            client_read_end(client);
        else
            h2_client_over(client,
                           (struct h2_client_end){.kind = H2_END_BROKEN, .error = (int)-got},
                           "the connection broke: %s", strerror((int)-got));
        if (got > 0 && (size_t)got < sizeof room)
            return;
    }
}

static void on_wire_ready(void *context)
{
    struct h2_client *client = context;
    client->busy++;
    client_read(client);
    client->busy--;
    h2_client_settle(client);
}

static void on_wire_connected(void *context, const struct h2_client_end *end)
{
    struct h2_client *client = context;
    client->busy++;
    if (end) {
        h2_client_over(client, *end, STR_FMT, STR_ARG(end->words));
    } else {
        struct str remote = client->wire->type->remote(client->wire);
        snprintf(client->remote, sizeof client->remote, STR_FMT, STR_ARG(remote));
        client->connected = true;
        client->connected_ns = clock_now();
        for (struct h2_call *call = client->calls; call; call = call->next)
            call->phase = H2_WAITING;
        if (client->user && client->user->connected)
            client->user->connected(client->context);
    }
    client->busy--;
    h2_client_settle(client);
}

static const struct h2_wire_user wire_user = {.connected = on_wire_connected,
                                              .ready = on_wire_ready};

/* What nghttp2 tells about the connection. */

static void complain(struct h2_client *client, struct str words)
{
    snprintf(client->complaint, sizeof client->complaint, STR_FMT, STR_ARG(str_trim(words)));
}

static int on_complaint(nghttp2_session *session, int code, const char *words, size_t size,
                        void *context)
{
    (void)session;
    (void)code;
    complain(context, (struct str){words, size});
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
                            void *context)
{
    struct h2_client *client = context;
    (void)session;
    h2_call_note_violation(client, frame->hd.stream_id, code);
    if (!client->complaint[0])
        complain(client, str_of(nghttp2_strerror(code)));
    return 0;
}

const char *h2_client_complaint(const struct h2_client *client, const char *otherwise)
{
    return client->complaint[0] ? client->complaint : otherwise;
}

void h2_client_goaway(struct h2_client *client, const nghttp2_goaway *frame)
{
    char name[24];
    struct str code = h2_error_name(frame->error_code, name);
    struct str debug = {(const char *)frame->opaque_data, frame->opaque_data_len};
    bool plain = str_is_utf8(debug, NULL) && debug.size && debug.size < 200;
    client->went_away = true;
    client->goaway = (struct h2_client_end){.kind = H2_END_GOAWAY,
                                            .code = frame->error_code,
                                            .last = frame->last_stream_id,
                                            .first_byte_ns = -1,
                                            .end_ns = clock_now()};
    snprintf(client->goaway_words, sizeof client->goaway_words,
             "GOAWAY " STR_FMT ", last stream %d%s" STR_FMT "%s", STR_ARG(code),
             frame->last_stream_id, plain ? ": '" : "", STR_ARG(plain ? debug : STR("")),
             plain ? "'" : "");
    client->goaway.words = str_of(client->goaway_words);
    for (struct h2_call *call = client->calls; call; call = call->next)
        if (call->id > frame->last_stream_id)
            h2_call_end(call, client->goaway, "%s; this is stream %d", client->goaway_words,
                        call->id);
}

void h2_client_went_wrong(struct h2_client *client, const nghttp2_goaway *frame)
{
    char name[24];
    struct str code = h2_error_name(frame->error_code, name);
    if (client->closing)
        return;
    client->went_wrong = true;
    client->wrong_code = frame->error_code;
    if (!client->complaint[0] && frame->opaque_data_len)
        complain(client, (struct str){(const char *)frame->opaque_data, frame->opaque_data_len});
    if (!client->complaint[0])
        complain(client, STR("the peer broke the rules of HTTP/2"));
    for (struct h2_call *call = client->calls; call; call = call->next)
        h2_call_end(call,
                    (struct h2_client_end){.kind = H2_END_PROTOCOL, .code = frame->error_code},
                    "%s (" STR_FMT ")", client->complaint, STR_ARG(code));
}

/* The user's side. */

/** SETTINGS come first; the connection's window grows with the first frames. */
static void client_greet(struct h2_client *client)
{
    uint32_t window = client->user ? client->user->window : 0;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window ? window : WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_CLIENT_HEAD_SIZE},
    };
    GOTO_ASSERT(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings,
                                        COUNT_OF(settings)) == 0);
    GOTO_ASSERT(nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0,
                                                      CONNECTION_WINDOW) == 0);
}

static void client_make_session(struct h2_client *client)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    GOTO_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    GOTO_ASSERT(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, REQUEST_HEAD);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_complaint);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    h2_call_set_callbacks(callbacks);
    GOTO_ASSERT(nghttp2_session_client_new2(&client->session, callbacks, client, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

struct h2_client *h2_client_new(struct loop *loop, struct h2_wire *wire,
                                const struct h2_client_user *user, void *context)
{
    struct h2_client *client = memory_alloc(sizeof *client);
    client->loop = loop;
    client->wire = wire;
    client->user = user;
    client->context = context;
    client->connected_ns = -1;
    timer_init(&client->timer, loop, on_timer);
    /* the last frame may go beyond OUT_SIZE: at most one header block */
    buf_init(&client->out, OUT_SIZE + 2 * REQUEST_HEAD);
    client_make_session(client);
    client_greet(client);
    wire->user = &wire_user;
    wire->context = client;
    wire->type->start(wire);
    return client;
}

void h2_client_free(struct h2_client *client)
{
    if (!client || client->freed)
        return;
    client->freed = true;
    /* within nghttp2 nothing can be sent, and nothing of it be freed */
    if (client->busy)
        return;
    h2_client_settle(client);
}

void h2_client_refresh(struct h2_client *client)
{
    /* nghttp2 is not to be called from within itself; what is there is being read then */
    if (client->connected && !client->over && !client->busy)
        on_wire_ready(client);
}

bool h2_client_is_usable(const struct h2_client *client)
{
    return !client->over && !client->went_away && !client->freed && !client->went_wrong &&
           nghttp2_session_check_request_allowed(client->session);
}

void h2_client_flush(struct h2_client *client)
{
    h2_client_push(client);
}

size_t h2_client_room(const struct h2_client *client)
{
    size_t most = nghttp2_session_get_remote_settings(client->session,
                                                      NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return client->count < most ? most - client->count : 0;
}

bool h2_client_is_connected(const struct h2_client *client)
{
    return client->connected;
}

int64_t h2_client_connected_ns(const struct h2_client *client)
{
    return client->connected_ns;
}

struct str h2_client_remote(const struct h2_client *client)
{
    return str_of(client->remote);
}
