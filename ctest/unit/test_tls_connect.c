/* TLS as a client on a stream: the handshake stands, or it has the name of its error. */
#include "ctest/unit/tcp_rig.h"

#include "server/tls/authority.h"
#include "server/tls/client.h"

/** What became of a connection. */
struct talk {
    struct tls_connect connect;
    struct stream *stream;
    struct tls_client_options options;
    bool started;
    bool ended;
    bool gone;
    bool failed;
    char error[32];
    char why[160];
    char heard[64];
    size_t size;
    char alpn[16];
    char version[16];
};

static void *talk_start(struct stream *stream)
{
    struct talk *talk = stream->owner;
    char text[] = "hello";
    struct iovec hello = {text, 5};
    talk->started = true;
    snprintf(talk->alpn, sizeof talk->alpn, STR_FMT, STR_ARG(stream->tls->alpn));
    snprintf(talk->version, sizeof talk->version, STR_FMT, STR_ARG(stream->tls->version));
    stream_write(stream, &hello, 1);
    return talk;
}

static size_t talk_bytes(struct stream *stream, struct str bytes)
{
    struct talk *talk = stream->state;
    ck_assert_uint_le(talk->size + bytes.size, sizeof talk->heard);
    memcpy(talk->heard + talk->size, bytes.data, bytes.size);
    talk->size += bytes.size;
    return bytes.size;
}

static void talk_ended(struct stream *stream, bool reset)
{
    struct talk *talk = stream->state;
    talk->ended = true;
    if (!reset)
        stream_close(stream, CLOSE_FIN);
}

static void talk_nothing(struct stream *stream)
{
    (void)stream;
}

static bool talk_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void talk_gone(struct stream *stream)
{
    struct talk *talk = stream->owner;
    struct str why;
    const char *error = tls_stream_error(stream, &why);
    if (error)
        snprintf(talk->error, sizeof talk->error, "%s", error);
    talk->gone = true;
}

static const struct protocol talk_protocol = {
    .name = "talk",
    .start = talk_start,
    .bytes = talk_bytes,
    .writable = talk_nothing,
    .ended = talk_ended,
    .closing = talk_nothing,
    .drain = talk_nothing,
    .is_idle = talk_is_idle,
    .gone = talk_gone,
};

static void talk_failed(void *owner, const char *name, struct str why)
{
    struct talk *talk = owner;
    ck_assert(!talk->failed);
    talk->failed = true;
    snprintf(talk->error, sizeof talk->error, "%s", name ? name : "(none)");
    snprintf(talk->why, sizeof talk->why, STR_FMT, STR_ARG(why));
}

static void talk_refused(void *owner, int error)
{
    (void)owner;
    ck_abort_msg("refused: %d", error);
}

static void talk_dial(struct talk *talk, struct tcp_rig *tcp, const char *host)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    int error = 0;
    four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four->sin_port = htons(tcp->port->number);
    talk->connect.plan.host = str_of(host);
    talk->connect.plan.server = &tcp->rig.server;
    talk->connect.plan.only_run = true;
    talk->connect.protocol = &talk_protocol;
    talk->connect.owner = talk;
    talk->connect.failed = talk_failed;
    const struct stream_dial dial = {
        .address = &address,
        .address_size = sizeof *four,
        .protocol = &tls_connect_protocol,
        .owner = &talk->connect,
        .failed = talk_refused,
    };
    (void)authority_ca(&tcp->rig.server);
    talk->stream = stream_dial(&tcp->rig.server, &dial, &error);
    ck_assert_ptr_nonnull(talk->stream);
}

START_TEST(test_bytes_and_ends_go_both_ways)
{
    struct tcp_rig tcp;
    struct talk talk = {0};
    tcp_rig_init(&tcp, "{protocol: tls, tls: {alpn: [x]}}");
    talk.connect.plan.alpn[0] = "x";
    talk_dial(&talk, &tcp, "localhost");
    rig_until(&tcp.rig, talk.started);
    ck_assert_str_eq(talk.alpn, "x");
    ck_assert_str_eq(talk.version, "TLSv1.3");
    rig_until(&tcp.rig, talk.size == 5);
    ck_assert_mem_eq(talk.heard, "hello", 5);
    ck_assert(!talk.ended);
    /* our half ends: the echo answers to that with its own end */
    stream_finish(talk.stream);
    rig_until(&tcp.rig, talk.ended && talk.gone);
    ck_assert(!talk.failed && !talk.error[0]);
    tcp_rig_clear(&tcp);
}
END_TEST

static const struct {
    const char *yaml;
    const char *host;
    const char *error;
    const char *why;
} failures[] = {
    {"{protocol: tls, tls: expired}", "localhost", "tls-expired", "certificate has expired"},
    {"{protocol: tls, tls: self-signed}", "localhost", "tls-self-signed",
     "self-signed certificate"},
    {"{protocol: tls, tls: untrusted-root}", "127.0.0.1", "tls-untrusted", ""},
    {"{protocol: tls}", "other.example", "tls-hostname", "hostname mismatch"},
    {"{protocol: tls, tls: revoked}", "localhost", "tls-revoked", "revoked"},
    {"{protocol: tls, tls: unrecognized-name}", "localhost", "tls-handshake",
     "the server sent the alert unrecognized_name"},
    {"{protocol: tls, tls: handshake-close}", "localhost", "tls-handshake",
     "closed the connection within the handshake"},
    {"{protocol: tls, tls: handshake-reset}", "localhost", "connection-reset", "reset"},
    {"{protocol: tls, tls: handshake-plaintext}", "localhost", "tls-handshake", ""},
    {"{protocol: tcp, behave: close}", "localhost", "tls-handshake", "closed"},
    {"{protocol: tcp, behave: reset}", "localhost", "connection-reset", "reset"},
    {"{protocol: tls, tls: {alpn: [y]}}", "localhost", "tls-alpn", "no_application_protocol"},
};

START_TEST(test_a_failed_handshake_has_a_name)
{
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        struct tcp_rig tcp;
        struct talk talk = {0};
        tcp_rig_init(&tcp, failures[i].yaml);
        talk.connect.plan.alpn[0] = "x";
        talk_dial(&talk, &tcp, failures[i].host);
        rig_until(&tcp.rig, talk.failed);
        ck_assert_msg(strcmp(talk.error, failures[i].error) == 0, "%s: %s (%s)", failures[i].yaml,
                      talk.error, talk.why);
        ck_assert_msg(strstr(talk.why, failures[i].why), "%s: %s", failures[i].yaml, talk.why);
        ck_assert(!talk.started);
        tcp_rig_clear(&tcp);
    }
}
END_TEST

START_TEST(test_a_certificate_is_asked_for_too_late_to_fail_the_handshake)
{
    struct tcp_rig tcp;
    struct talk talk = {0};
    tcp_rig_init(&tcp, "{protocol: tls, tls: client-cert-required}");
    talk_dial(&talk, &tcp, "localhost");
    /* in TLS 1.3 our side is through before the server has judged */
    rig_until(&tcp.rig, talk.started && talk.gone);
    ck_assert_str_eq(talk.error, "tls-client-cert");
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_without_verification_anything_will_do)
{
    struct tcp_rig tcp;
    struct talk talk = {.options = {.verify = false}};
    tcp_rig_init(&tcp, "{protocol: tls, tls: expired}");
    talk.connect.plan.options = &talk.options;
    talk_dial(&talk, &tcp, "other.example");
    rig_until(&tcp.rig, talk.size == 5);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_one_that_is_given_up_is_told_of_nothing)
{
    struct tcp_rig tcp;
    struct talk talk = {0};
    tcp_rig_init(&tcp, "{protocol: tls, tls: handshake-stall}");
    talk_dial(&talk, &tcp, "localhost");
    rig_until(&tcp.rig, tcp.port->bytes_in > 0);
    stream_close(talk.stream, CLOSE_KILL);
    rig_until(&tcp.rig, !tcp.rig.server.dialed);
    ck_assert(!talk.failed && !talk.started);
    tcp_rig_clear(&tcp);
}
END_TEST

UNIT_MAIN("tls connect", test_bytes_and_ends_go_both_ways, test_a_failed_handshake_has_a_name,
          test_a_certificate_is_asked_for_too_late_to_fail_the_handshake,
          test_without_verification_anything_will_do, test_one_that_is_given_up_is_told_of_nothing)
