#include "runner/client/tcp.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/check/expect_tcp.h"
#include "runner/scenario/scenario.h"
#include "schema/body.h"
#include "server/proxy/endpoint.h"
#include "server/tls/client.h"

#include <errno.h>

/** How often it is looked whether the kernel has taken what was sent. */
#define FLUSH_LOOK_NS INT64_C(500000)

/** What belongs to the connection, and lives as long as it does: the step may be over before. */
struct tcp_connection {
    struct tcp_try *try; /**< NULL once the step has ended */
    struct tls_connect tls;
    struct stream *stream; /**< once it is ours to speak on */
    struct script_run run;
    struct arena *arena; /**< of texts that TLS borrows */
};

/** One try of a step. */
struct tcp_try {
    struct attempt *attempt;
    const struct tcp_request *request;
    const struct tcp_expect *expect;
    struct endpoint endpoint;
    struct tcp_connection *connection; /**< NULL once it is gone */
    struct endpoint_dial *dial;
    struct buf received;
    struct tcp_result result;
    struct timer timer; /**< goes on in a turn of its own */
    enum close_how how; /**< how the script wants the connection to end */
    bool asked;         /**< by an item; false: it came to its end */
    bool scripted;      /**< the script is over */
    bool resetting;     /**< its RST is on its way */
    bool concluding;    /**< what is known is all: judged in the next turn */
};

/* The end of a step. */

static struct str outcome_words(const struct tcp_result *result, struct arena *arena)
{
    struct buf words;
    buf_init(&words, BUF_OWN);
    if (result->complete)
        buf_printf(&words, "%llu bytes received in ", (unsigned long long)result->size);
    else
        buf_printf(&words, "%s in ", result->failure.name ? result->failure.name : "failed");
    units_write_time(result->duration_ns, &words);
    struct str outcome = arena_copy(arena, buf_str(&words));
    buf_clear(&words);
    return outcome;
}

/** The connection is left to itself: it ends so, and nothing is asked of it. */
static void try_let_go(struct tcp_try *try, enum close_how how)
{
    struct tcp_connection *connection = try->connection;
    /* once the handshake of TLS has begun, the dial is gone */
    if (connection && !connection->tls.begun)
        endpoint_dial_cancel(try->dial);
    try->dial = NULL;
    try->connection = NULL;
    timer_stop(&try->timer);
    if (!connection)
        return;
    connection->try = NULL;
    if (connection->stream) {
        script_stop(&connection->run);
        stream_close(connection->stream, how);
        return;
    }
    if (connection->tls.stream)
        stream_close(connection->tls.stream, CLOSE_KILL);
    arena_free(connection->arena);
    memory_free(connection);
}

static void try_end(struct tcp_try *try)
{
    struct attempt *attempt = try->attempt;
    struct tcp_result *result = &try->result;
    try_let_go(try, result->complete && try->asked ? try->how : CLOSE_FIN);
    result->received = buf_str(&try->received);
    result->end_ns = clock_now();
    result->duration_ns = result->end_ns - result->start_ns;
    attempt->outcome = outcome_words(result, attempt->arena);
    tcp_expect_judge(try->expect, result, attempt->verb_place, attempt->loop, &attempt->failures);
    attempt_done(attempt);
}

/** What is known is all: the step ends in a turn of its own, when nothing of it is under way. */
static void try_conclude(struct tcp_try *try)
{
    if (try->concluding)
        return;
    try->concluding = true;
    timer_start(&try->timer, 0);
}

/** It failed; the first failure counts. */
static void try_fail(struct tcp_try *try, const char *name, struct str why)
{
    if (try->concluding)
        return;
    try->result.complete = false;
    try->result.failure.name = name;
    try->result.failure.why = arena_copy(try->attempt->arena, why);
    try_conclude(try);
}

/** The script is over, and so is what it waits for. */
static void try_complete(struct tcp_try *try)
{
    if (!try->concluding)
        try->result.complete = true;
    try_conclude(try);
}

static bool stream_is_flushed(const struct stream *stream)
{
    return stream->closed || stream->failed || stream_queued(stream) == 0;
}

static void try_due(struct timer *timer)
{
    struct tcp_try *try = CONTAINER_OF(timer, struct tcp_try, timer);
    const struct stream *stream = try->connection ? try->connection->stream : NULL;
    if (try->concluding) {
        try_end(try);
        return;
    }
    /* the script is over, and nothing more is waited for but that what it sent is taken */
    if (stream && !stream_is_flushed(stream)) {
        timer_start(&try->timer, FLUSH_LOOK_NS);
        return;
    }
    if (stream && try->asked && try->how == CLOSE_RST && !stream->closed) {
        try->resetting = true;
        stream_close(try->connection->stream, CLOSE_RST);
        timer_start(&try->timer, FLUSH_LOOK_NS);
        return;
    }
    if (stream && try->expect && try->expect->closed_by && !try->asked)
        stream_notice_end(try->connection->stream);
    if (!try->concluding) {
        try->result.complete = true;
        try_end(try);
    }
}

/* The script. */

static void script_failed(struct tcp_try *try, const struct script_end *end)
{
    static const char *const names[] = {
        [SCRIPT_PEER_ENDED] = "connection-closed",
        [SCRIPT_PEER_RESET] = "connection-reset",
        [SCRIPT_TIMEOUT] = "timeout",
        [SCRIPT_TOO_LARGE] = "body-too-large",
    };
    struct arena *arena = try->attempt->arena;
    if (try->concluding)
        return;
    try->result.failure.place = end->place;
    try->result.failure.expected = arena_copy(arena, end->expected);
    try->result.failure.actual = arena_copy(arena, end->actual);
    try_fail(try, names[end->failure],
             arena_printf(arena, "expected " STR_FMT ", got " STR_FMT, STR_ARG(end->expected),
                          STR_ARG(end->actual)));
}

/** The peer's end came: what of it the step waits for. */
static void try_peer_ended(struct tcp_try *try, bool reset, bool all_read)
{
    if (!reset && !all_read)
        return;
    if (reset && !tcp_expect_allows_reset(try->expect))
        try_fail(try, "connection-reset", STR("the peer reset the connection"));
    else
        try_complete(try);
}

static void connection_scripted(void *context, const struct script_end *end)
{
    struct tcp_connection *connection = context;
    struct tcp_try *try = connection->try;
    struct stream *stream = connection->stream;
    if (!try)
        return;
    try->scripted = true;
    try->how = end->how;
    try->asked = end->asked;
    if (end->failure) {
        script_failed(try, end);
        return;
    }
    if (end->how == CLOSE_RST && !end->asked)
        return; /* the peer's: connection_ended() goes on */
    /* what waited behind the last receive comes now */
    stream_resume(stream);
    if (!end->asked && tcp_expect_waits(try->expect)) {
        if (stream->peer_ended && !stream->input)
            try_peer_ended(try, false, true);
        return;
    }
    timer_start(&try->timer, 0);
}

/** Keeps what came. */
static void connection_took(void *context, struct str bytes)
{
    struct tcp_connection *connection = context;
    struct tcp_try *try = connection->try;
    if (!try)
        return;
    size_t room = TCP_MOST_RECEIVED - try->received.size;
    try->result.size += bytes.size;
    (void)buf_append(&try->received, str_slice(bytes, 0, bytes.size < room ? bytes.size : room));
}

/* The connection. */

static void *connection_start(struct stream *stream)
{
    static const struct script_user user = {
        .ended = connection_scripted,
        .took = connection_took,
    };
    struct tcp_connection *connection = stream->owner;
    struct tcp_try *try = connection->try;
    connection->stream = stream;
    try->dial = NULL;
    try->result.connected = true;
    /* the script may end before start() returns */
    stream->state = connection;
    script_start(&connection->run, stream, &try->request->script, &user, connection,
                 try->attempt->name, try->attempt->tries);
    return connection;
}

static size_t connection_bytes(struct stream *stream, struct str bytes)
{
    struct tcp_connection *connection = stream->state;
    struct tcp_try *try = connection->try;
    if (!try || try->concluding)
        return bytes.size;
    size_t taken = try->scripted ? 0 : script_bytes(&connection->run, bytes);
    if (!try->scripted)
        return taken;
    /* what comes behind the last receive is of the step, too */
    connection_took(connection, str_from(bytes, taken));
    return bytes.size;
}

static void connection_writable(struct stream *stream)
{
    struct tcp_connection *connection = stream->state;
    if (connection->try)
        script_writable(&connection->run);
}

static void connection_ended(struct stream *stream, bool reset)
{
    struct tcp_connection *connection = stream->state;
    struct tcp_try *try = connection->try;
    if (!try || try->concluding)
        return;
    if (try->result.closed_by == TCP_CLOSED_BY_NONE)
        try->result.closed_by = reset ? TCP_CLOSED_BY_RESET : TCP_CLOSED_BY_PEER;
    if (try->scripted) {
        if (reset || tcp_expect_waits(try->expect))
            try_peer_ended(try, reset, stream->peer_ended);
        return;
    }
    if (!reset) {
        script_peer_ended(&connection->run, false);
        return;
    }
    script_peer_ended(&connection->run, true);
    /* nobody reads what the script would send */
    try_peer_ended(try, true, true);
}

/** TLS may have broken; what we end ourselves has no try any more. */
static void connection_closing(struct stream *stream)
{
    struct tcp_connection *connection = stream->state;
    struct tcp_try *try = connection->try;
    struct str why = {0};
    const char *error = try ? tls_stream_error(stream, &why) : NULL;
    script_stop(&connection->run);
    if (try && !try->resetting)
        try_fail(try, error, error ? why : STR("the connection was ended"));
}

static void connection_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool connection_is_idle(const struct stream *stream)
{
    (void)stream;
    return false;
}

static void connection_gone(struct stream *stream)
{
    struct tcp_connection *connection = stream->state;
    script_stop(&connection->run);
    if (connection->try)
        connection->try->connection = NULL;
    arena_free(connection->arena);
    memory_free(connection);
}

static const struct protocol connection_protocol = {
    .name = "tcp client",
    .start = connection_start,
    .bytes = connection_bytes,
    .writable = connection_writable,
    .ended = connection_ended,
    .closing = connection_closing,
    .drain = connection_drain,
    .is_idle = connection_is_idle,
    .gone = connection_gone,
};

/* Connecting. */

static void try_dial_failed(struct tcp_try *try, int error, struct str why)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {0, "dns"},
        {ECONNREFUSED, "connection-refused"},
        {ENOENT, "connection-refused"},
        {ETIMEDOUT, "connect-timeout"},
    };
    const char *name = NULL;
    for (size_t i = 0; i < COUNT_OF(names) && !name; i++)
        if (names[i].error == error)
            name = names[i].name;
    try->dial = NULL;
    try_fail(try, name, why);
}

static void dial_failed(void *context, int error, struct str why)
{
    struct tcp_connection *connection = context;
    try_dial_failed(connection->try, error, why);
}

static void tls_dial_failed(void *context, int error, struct str why)
{
    struct tls_connect *tls = context;
    dial_failed(tls->owner, error, why);
}

static void handshake_failed(void *owner, const char *name, struct str why)
{
    struct tcp_connection *connection = owner;
    struct tcp_try *try = connection->try;
    try->dial = NULL;
    try->result.failure.harness = name == NULL;
    try_fail(try, name, why);
}

static bool try_speaks_tls(const struct tcp_try *try)
{
    const struct tcp_tls *tls = &try->request->tls;
    return tls->written ? !tls->off : try->endpoint.tls;
}

static void try_dial(struct tcp_try *try)
{
    static const struct endpoint_dial_user plain = {&connection_protocol, dial_failed};
    static const struct endpoint_dial_user secure = {&tls_connect_protocol, tls_dial_failed};
    struct server *server = scenario_server(try->attempt->scenario);
    struct tcp_connection *connection = memory_alloc(sizeof *connection);
    bool tls = try_speaks_tls(try);
    connection->try = try;
    connection->arena = arena_new();
    connection->tls = (struct tls_connect){
        .plan =
            {
                .options = try->request->tls.options,
                .host = arena_copy(connection->arena, try->endpoint.host),
                .server = server,
                .only_run = try->endpoint.own,
            },
        .protocol = &connection_protocol,
        .owner = connection,
        .failed = handshake_failed,
    };
    try->connection = connection;
    try->dial = endpoint_dial_new(server, &try->endpoint, tls ? &secure : &plain,
                                  tls ? (void *)&connection->tls : connection, 0, 0, 0);
}

/* The verb. */

static void received_free(void *object)
{
    buf_clear(object);
}

static void tcp_start(struct attempt *attempt)
{
    struct tcp_try *try = arena_alloc(attempt->arena, sizeof *try);
    struct str why = {0};
    try->attempt = attempt;
    try->request = attempt->value;
    try->expect = attempt->expect;
    try->result.start_ns = clock_now();
    buf_init(&try->received, TCP_MOST_RECEIVED);
    arena_defer(attempt->arena, received_free, &try->received);
    timer_init(&try->timer, attempt->loop, try_due);
    attempt->state = try;
    if (endpoint_resolve(scenario_server(attempt->scenario), try->request->to, attempt->arena,
                         &try->endpoint, &why)) {
        try_dial(try);
        return;
    }
    try->result.failure.harness = true;
    try_fail(try, NULL, why);
}

static void tcp_cancel(struct attempt *attempt)
{
    struct tcp_try *try = attempt->state;
    if (try)
        try_let_go(try, CLOSE_KILL);
}

static struct str tcp_waiting(struct attempt *attempt, struct arena *arena)
{
    const struct tcp_try *try = attempt->state;
    const struct tcp_connection *connection = try->connection;
    struct buf words;
    if (!connection || !connection->stream)
        return arena_printf(arena, "the connection to " STR_FMT, STR_ARG(try->request->to));
    if (try->scripted && tcp_expect_waits(try->expect))
        return arena_printf(arena, "the end of the connection by " STR_FMT,
                            STR_ARG(try->request->to));
    if (try->scripted || connection->run.state == SCRIPT_SENDING)
        return arena_printf(arena,
                            STR_FMT " to read: %llu bytes of a send have not been taken (nothing "
                                    "is received while it goes on)",
                            STR_ARG(try->request->to),
                            (unsigned long long)(connection->run.unsent.size +
                                                 stream_queued(connection->stream)));
    buf_init(&words, BUF_OWN);
    script_describe(&connection->run, &words);
    struct str text = words.size ? arena_printf(arena, STR_FMT " from " STR_FMT,
                                                STR_ARG(buf_str(&words)), STR_ARG(try->request->to))
                                 : STR("the script of its steps");
    buf_clear(&words);
    return text;
}

static void tcp_expire(struct attempt *attempt)
{
    struct tcp_try *try = attempt->state;
    struct tcp_connection *connection = try->connection;
    bool connected = try->result.connected || (connection && connection->tls.stream);
    if (try->concluding)
        return;
    if (connection && connection->stream)
        script_time_out(&connection->run);
    if (try->concluding)
        return;
    try_fail(try, connected ? "timeout" : "connect-timeout",
             connected ? arena_printf(attempt->arena,
                                      "the step's timeout ran out, waiting for " STR_FMT,
                                      STR_ARG(tcp_waiting(attempt, attempt->arena)))
                       : STR("no connection within the step's timeout"));
}

/* Captures. */

struct source_read {
    struct predicate *received;
};

static const struct row source_rows[] = {
    {"received", &text_source_type, offsetof(struct source_read, received), 0, NULL,
     "What came in this step: {matches: \"id=(\\\\d+)\"} is group 1, null the whole of it."},
};
static const struct table source_table = {
    TABLE_ROWS("capture", source_rows),
    .doc = "Where a value is found in what came.",
    .check = capture_check,
};
static const struct type source_type = TYPE_TABLE(&source_table, struct source_read);

static const struct json *tcp_capture(struct attempt *attempt, const struct node *source,
                                      struct str *why)
{
    const struct tcp_try *try = attempt->state;
    const struct node *of = source->kind == NODE_MAP ? node_get(source, "received") : NULL;
    if (!of || source->count != 1) {
        *why = STR("a capture of a tcp step has the source 'received'");
        return NULL;
    }
    if (try->result.received.size < try->result.size) {
        *why = STR("more came than the 64 MiB that are kept of it");
        return NULL;
    }
    return body_capture(attempt->arena, "body", of, try->result.received, why);
}

const struct verb tcp_verb = {
    .expect = &tcp_expect_type,
    .implied = true,
    .source = &source_type,
    .start = tcp_start,
    .expire = tcp_expire,
    .cancel = tcp_cancel,
    .capture = tcp_capture,
    .title = tcp_title,
    .waiting = tcp_waiting,
};
