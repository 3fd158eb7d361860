/* The stage below TLS: records are bytes here, and go wrong as the setup says. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/port/port.h"
#include "server/stream/stream_private.h"
#include "server/tls/tls_private.h"

enum {
    RECORD_HEAD = 5,
    RECORD_CHANGE_CIPHER = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
    RECORD_OVERSIZED = (1 << 14) + 256 + 1,    /**< RFC 8446 section 5.2: one more than allowed */
    RECORD_HELLO_RANDOM = RECORD_HEAD + 4 + 2, /**< behind the message's head and its version */
    WIRE_GARBAGE_SIZE = 512,
};

struct wire {
    struct stage stage;
    enum tls_wire kind;
    int alert;
    uint64_t rate;             /**< bytes a second of a drip */
    struct stream_bytes hello; /**< what came of the client's first record */
    struct stream_bytes held;  /**< a drip: what is still to leave */
    struct timer timer;        /**< the next byte of a drip */
    int64_t due_ns;
    bool acted; /**< the fault has struck: what is behind it is dropped, or passes */
};

static struct wire *wire_of(struct stage *stage)
{
    return CONTAINER_OF(stage, struct wire, stage);
}

/** TLS above, always the next one. */
static struct tls_layer *wire_layer(const struct wire *wire)
{
    return CONTAINER_OF(wire->stage.up, struct tls_layer, stage);
}

static void wire_send(struct wire *wire, struct str bytes)
{
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    if (bytes.size)
        stage_out(&wire->stage, &part, 1);
}

static size_t record_length(const char *head)
{
    const unsigned char *bytes = (const unsigned char *)head;
    return RECORD_HEAD + ((size_t)bytes[3] << 8 | bytes[4]);
}

/** The first record of what OpenSSL wrote: it writes whole ones. */
static struct str record_first(struct str bytes)
{
    size_t size = bytes.size < RECORD_HEAD ? bytes.size : record_length(bytes.data);
    return str_slice(bytes, 0, size < bytes.size ? size : bytes.size);
}

/* In place of the ServerHello. */

static void wire_send_random(struct wire *wire, size_t size, struct str head)
{
    struct stream *stream = wire->stage.stream;
    struct random random = random_for(stream->server->seed, STR("tls garbage"), stream->number);
    char *bytes = memory_alloc(size + head.size);
    random_bytes(&random, bytes + head.size, size);
    /* the first byte of garbage is that of no record */
    if (head.size)
        memcpy(bytes, head.data, head.size);
    else
        bytes[0] = (char)0xff;
    wire_send(wire, (struct str){bytes, size + head.size});
    memory_free(bytes);
}

static void wire_send_alert(struct wire *wire)
{
    const char record[] = {RECORD_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, (char)wire->alert};
    wire_layer(wire)->alert_sent = wire->alert;
    wire_send(wire, (struct str){record, sizeof record});
}

static void wire_send_plaintext(struct wire *wire)
{
    wire_send(wire, STR("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n"
                        "content-length: 20\r\nconnection: close\r\n\r\nthis is no TLS port\n"));
}

/** The ClientHello is there: what this kind does in place of an answer. */
static void wire_answer(struct wire *wire)
{
    static const char oversized[] = {RECORD_HANDSHAKE, 3, 3, RECORD_OVERSIZED >> 8,
                                     RECORD_OVERSIZED & 0xff};
    struct stream *stream = wire->stage.stream;
    wire->acted = true;
    switch (wire->kind) {
    case WIRE_GARBAGE:
        wire_send_random(wire, WIRE_GARBAGE_SIZE, (struct str){NULL, 0});
        break;
    case WIRE_PLAINTEXT:
        wire_send_plaintext(wire);
        break;
    case WIRE_OVERSIZED_RECORD:
        wire_send_random(wire, RECORD_OVERSIZED, (struct str){oversized, sizeof oversized});
        break;
    case WIRE_ALERT:
        wire_send_alert(wire);
        break;
    default:
        break;
    }
    stream_close(stream, wire->kind == WIRE_RESET ? CLOSE_RST : CLOSE_FIN);
}

bool tls_wire_is_mute(enum tls_wire wire)
{
    static const enum tls_wire mute[] = {WIRE_STALL, WIRE_GARBAGE,   WIRE_RESET,
                                         WIRE_CLOSE, WIRE_PLAINTEXT, WIRE_OVERSIZED_RECORD,
                                         WIRE_ALERT};
    for (size_t i = 0; i < COUNT_OF(mute); i++)
        if (wire == mute[i])
            return true;
    return false;
}

/** Whether this kind answers the ClientHello itself. */
static bool wire_answers(const struct wire *wire)
{
    return wire->kind != WIRE_STALL && tls_wire_is_mute(wire->kind);
}

/** Whether the client's first record is whole; one that is none counts as such. */
static bool hello_is_whole(const struct stream_bytes *hello)
{
    struct str bytes = bytes_str(hello);
    if (bytes.size && bytes.data[0] != RECORD_HANDSHAKE)
        return true;
    return bytes.size >= RECORD_HEAD && bytes.size >= record_length(bytes.data);
}

static void wire_in(struct stage *stage, struct str bytes)
{
    struct wire *wire = wire_of(stage);
    bool first = wire_answers(wire) && !wire->acted;
    if (first)
        bytes_append(&wire->hello, bytes);
    /* TLS learns from it what the journal says of the handshake; its answer goes nowhere */
    stage_in(stage, bytes);
    if (first && !stage->stream->closing && hello_is_whole(&wire->hello))
        wire_answer(wire);
}

/* A drip. */

static void wire_drip(struct wire *wire)
{
    if (wire->held.size && !timer_is_active(&wire->timer))
        timer_start_at(&wire->timer, wire->due_ns);
}

static void wire_drip_due(struct timer *timer)
{
    struct wire *wire = CONTAINER_OF(timer, struct wire, timer);
    struct stream *stream = wire->stage.stream;
    if (stream->closed || wire->held.size == 0)
        return;
    stream_enter(stream);
    wire_send(wire, str_slice(bytes_str(&wire->held), 0, 1));
    bytes_consume(&wire->held, 1);
    wire->due_ns += INT64_C(1000000000) / (int64_t)wire->rate;
    wire_drip(wire);
    stream_leave(stream);
}

static void wire_hold(struct wire *wire, struct str bytes)
{
    int64_t now = clock_now();
    if (wire->held.size == 0 && wire->due_ns < now)
        wire->due_ns = now + INT64_C(1000000000) / (int64_t)wire->rate;
    bytes_append(&wire->held, bytes);
    wire_drip(wire);
}

/* Records on their way out. */

/** Passes the records up to the server's Finished, which is held back for good. */
static void wire_before_finished(struct wire *wire, struct str bytes)
{
    bool new = SSL_version(wire_layer(wire)->ssl) == TLS1_3_VERSION;
    bool encrypted = false;
    while (bytes.size) {
        struct str record = record_first(bytes);
        bytes = str_from(bytes, record.size);
        encrypted |= new &&record.data[0] == RECORD_DATA;
        /* TLS 1.3: the last record of the flight, each message has its own; before, what follows
         * the change of ciphers, which announces it */
        if ((encrypted && bytes.size == 0) || (!new &&record.data[0] == RECORD_CHANGE_CIPHER)) {
            wire->acted = true;
            return;
        }
        wire_send(wire, record);
    }
}

static void wire_flip(struct wire *wire, struct str bytes)
{
    struct str record = record_first(bytes);
    char *changed = memory_alloc(record.size);
    memcpy(changed, record.data, record.size);
    changed[record.size - 1] = (char)(changed[record.size - 1] ^ 1);
    wire->acted = true;
    wire_send(wire, (struct str){changed, record.size});
    memory_free(changed);
    wire_send(wire, str_from(bytes, record.size));
}

static void wire_truncate(struct wire *wire, struct str bytes)
{
    struct str record = record_first(bytes);
    wire->acted = true;
    wire_send(wire, str_slice(record, 0, RECORD_HEAD + (record.size - RECORD_HEAD) / 2));
    stream_close(wire->stage.stream, CLOSE_FIN);
}

/** Whether a record is a ServerHello that only asks the client to try again: its random says so
 * (RFC 8446 section 4.1.3). */
static bool record_asks_again(struct str record)
{
    static const unsigned char random[] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
    return record.size >= RECORD_HELLO_RANDOM + sizeof random &&
           memcmp(record.data + RECORD_HELLO_RANDOM, random, sizeof random) == 0;
}

static void wire_after_hello(struct wire *wire, struct str bytes)
{
    struct str hello = record_first(bytes);
    wire->acted = !record_asks_again(hello);
    wire_send(wire, wire->acted ? hello : bytes);
}

static void wire_pass(struct wire *wire, struct str bytes)
{
    bool stands = wire_layer(wire)->stands;
    switch (wire->kind) {
    case WIRE_STALL_AFTER_HELLO:
        if (!wire->acted)
            wire_after_hello(wire, bytes);
        break;
    case WIRE_STALL_BEFORE_FINISHED:
        if (!wire->acted)
            wire_before_finished(wire, bytes);
        break;
    case WIRE_DRIP:
        if (stands && wire->held.size == 0)
            wire_send(wire, bytes);
        else
            wire_hold(wire, bytes);
        break;
    case WIRE_FLIPPED_BYTE:
        if (stands && !wire->acted)
            wire_flip(wire, bytes);
        else
            wire_send(wire, bytes);
        break;
    case WIRE_TRUNCATED_RECORD:
        if (stands && !wire->acted)
            wire_truncate(wire, bytes);
        else if (!wire->acted)
            wire_send(wire, bytes);
        break;
    default:
        /* nothing of TLS leaves: a stall, or another answer */
        break;
    }
}

static void wire_out(struct stage *stage, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++)
        wire_pass(wire_of(stage), (struct str){parts[i].iov_base, parts[i].iov_len});
}

static size_t wire_held(const struct stage *stage)
{
    return CONTAINER_OF(stage, const struct wire, stage)->held.size;
}

static void wire_gone(struct stage *stage)
{
    struct wire *wire = wire_of(stage);
    timer_stop(&wire->timer);
    memory_free(wire->hello.data);
    memory_free(wire->held.data);
    memory_free(wire);
}

static const struct stage_type wire_type = {
    .name = "tls wire",
    .in = wire_in,
    .out = wire_out,
    .held = wire_held,
    .gone = wire_gone,
};

struct stage *tls_wire_new(struct stream *stream, const struct tls_setup *setup)
{
    if (setup->wire == WIRE_NONE || setup->wire == WIRE_NO_CLOSE_NOTIFY)
        return NULL;
    struct wire *wire = memory_alloc(sizeof *wire);
    wire->stage.type = &wire_type;
    wire->kind = setup->wire;
    wire->alert = setup->raw_alert;
    wire->rate = setup->drip ? setup->drip : 1;
    timer_init(&wire->timer, stream->server->loop, wire_drip_due);
    return &wire->stage;
}
