/* Setups, each against an OpenSSL client in memory. */
#include "tls_rig.h"

#include <fcntl.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <unistd.h>

static struct server server;
static struct arena *arena;
static struct tls_text text;
static struct tls_setup *setup;
static struct tls_pair pair;

static void up(const char *yaml)
{
    server = (struct server){0};
    arena = arena_new();
    setup = tls_rig_setup(&server, &text, yaml);
}

static void down(void)
{
    tls_setup_release(setup);
    tls_text_clear(&text);
    tls_authority_free(server.authority);
    arena_free(arena);
}

/** A handshake that has to end well; the pair is left for a look. */
static void meet(const char *host)
{
    tls_pair_init(&pair, setup, host);
    tls_pair_run(&pair);
    ck_assert_msg(pair.client.stands && pair.server_stands, "%s: client %s, server %s", host,
                  pair.client.reason, pair.server_reason);
    ck_assert_str_eq(pair.heard, "hello");
}

static X509 *leaf(void)
{
    return SSL_get0_peer_certificate(pair.client.ssl);
}

START_TEST(test_valid)
{
    up("{}");
    meet("localhost");
    ck_assert_str_eq(SSL_get_version(pair.client.ssl), "TLSv1.3");
    ck_str_is(name_write(X509_get_subject_name(leaf()), arena), "CN=localhost");
    ck_str_is(tls_sans(leaf(), arena), "DNS:localhost IP:127.0.0.1 IP6:1 DNS:api");
    ck_assert_int_eq(sk_X509_num(SSL_get_peer_cert_chain(pair.client.ssl)), 1);
    ck_str_is(setup->certificate, "valid");
    tls_pair_clear(&pair);
    static const char *const hosts[] = {"127.0.0.1", "::1", "api"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        meet(hosts[i]);
        tls_pair_clear(&pair);
    }
    down();
}
END_TEST

START_TEST(test_keys_of_all_kinds)
{
    static const char *const kinds[] = {"ec256", "ec384", "rsa2048", "ed25519"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        char yaml[64];
        snprintf(yaml, sizeof yaml, "{key-type: %s, subject: 'CN=x,O=y'}", kinds[i]);
        up(yaml);
        meet("localhost");
        ck_str_is(name_write(X509_get_subject_name(leaf()), arena), "CN=x,O=y");
        tls_pair_clear(&pair);
        down();
    }
}
END_TEST

START_TEST(test_each_name_has_its_own)
{
    up("{min: 1.2, max: 1.2, alpn: [h2], client-auth: none, sni: {a.example: {alpn: x, max: 1.3}, "
       "'*.b.example': {subject: CN=b}, c.b.example: {subject: CN=c}, d: {alert: "
       "unrecognized_name}, e: {client-auth: require}, f: {groups: X448, ciphers: "
       "TLS_AES_128_GCM_SHA256}}}");
    static const struct {
        const char *host;
        const char *subject;
        const char *version;
    } rows[] = {
        {"A.Example", "CN=a.example", "TLSv1.3"},
        {"x.b.example", "CN=b", "TLSv1.2"},
        {"c.b.example", "CN=c", "TLSv1.2"},
        {"localhost", "CN=localhost", "TLSv1.2"},
        {"f", "CN=f", "TLSv1.3"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        tls_pair_init(&pair, setup, rows[i].host);
        tls_peer_offer(&pair.client, i ? "\2h2" : "\1x");
        tls_pair_run(&pair);
        ck_assert_msg(pair.client.stands, "%s: %s, %s", rows[i].host, pair.client.reason,
                      pair.server_reason);
        ck_str_is(name_write(X509_get_subject_name(leaf()), arena), rows[i].subject);
        ck_assert_str_eq(SSL_get_version(pair.client.ssl), rows[i].version);
        tls_pair_clear(&pair);
    }
    tls_pair_init(&pair, setup, "d");
    tls_pair_run(&pair);
    ck_assert_int_eq(pair.client.alert_received, 112);
    tls_pair_clear(&pair);
    tls_pair_init(&pair, setup, "e");
    tls_pair_run(&pair);
    ck_assert(!pair.server_stands);
    ck_assert_int_eq(pair.client.alert_received, 40);
    tls_pair_clear(&pair);
    down();
}
END_TEST

START_TEST(test_parameters_of_a_name)
{
    up("{sni: {f: {groups: X448, ciphers: TLS_CHACHA20_POLY1305_SHA256}}}");
    meet("f");
    ck_assert_str_eq(SSL_get_cipher_name(pair.client.ssl), "TLS_CHACHA20_POLY1305_SHA256");
    ck_assert_int_eq(SSL_get_shared_group(pair.server, 0), NID_X448);
    tls_pair_clear(&pair);
    meet("localhost");
    ck_assert_int_eq(SSL_get_shared_group(pair.server, 0), NID_X25519);
    tls_pair_clear(&pair);
    /* the certificate of the port is also for its names */
    tls_pair_init(&pair, setup, "127.0.0.1");
    SSL_set_tlsext_host_name(pair.client.ssl, "zzz");
    tls_pair_run(&pair);
    ck_str_is(tls_sans(leaf(), arena), "DNS:localhost IP:127.0.0.1 IP6:1 DNS:api DNS:f");
    tls_pair_clear(&pair);
    down();
}
END_TEST

START_TEST(test_a_fault_of_the_port_is_of_its_names)
{
    up("{fault: expired, sni: {a: {subject: CN=a}, b: self-signed}}");
    static const struct {
        const char *host;
        long result;
    } rows[] = {{"localhost", X509_V_ERR_CERT_HAS_EXPIRED},
                {"a", X509_V_ERR_CERT_HAS_EXPIRED},
                {"b", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        tls_pair_init(&pair, setup, rows[i].host);
        tls_pair_run(&pair);
        ck_assert_int_eq(SSL_get_verify_result(pair.client.ssl), rows[i].result);
        tls_pair_clear(&pair);
    }
    down();
}
END_TEST

START_TEST(test_swapped_names)
{
    up("{fault: wrong-sni-certificate, sni: {a: valid, b: valid, c: valid}}");
    static const char *const rows[][2] = {
        {"a", "DNS:b"}, {"b", "DNS:c"}, {"c", "DNS:a"}, {"localhost", "DNS:other.host.example"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        tls_pair_init(&pair, setup, rows[i][0]);
        SSL_set_verify(pair.client.ssl, SSL_VERIFY_NONE, NULL);
        tls_pair_run(&pair);
        ck_str_is(tls_sans(leaf(), arena), rows[i][1]);
        ck_assert_int_eq(SSL_get_verify_result(pair.client.ssl), X509_V_ERR_HOSTNAME_MISMATCH);
        tls_pair_clear(&pair);
    }
    down();
}
END_TEST

/** What ALPN came to: a name, "-" for none, or "alert". */
static const char *agree(const char *offer)
{
    static char name[256];
    const unsigned char *data;
    unsigned size;
    tls_pair_init(&pair, setup, "localhost");
    if (*offer)
        tls_peer_offer(&pair.client, offer);
    tls_pair_run(&pair);
    SSL_get0_alpn_selected(pair.server, &data, &size);
    snprintf(name, sizeof name, "%.*s", (int)size, (const char *)data);
    if (!pair.client.stands)
        snprintf(name, sizeof name, "alert %d", pair.client.alert_received);
    else if (!size)
        snprintf(name, sizeof name, "-");
    tls_pair_clear(&pair);
    return name;
}

START_TEST(test_alpn)
{
    up("{}");
    ck_assert_str_eq(agree("\10http/1.1\2h2"), "h2");
    ck_assert_str_eq(agree("\10http/1.1"), "http/1.1");
    ck_assert_str_eq(agree("\3foo"), "alert 120");
    ck_assert_str_eq(agree(""), "-");
    down();
    up("{alpn: foo}");
    ck_assert_str_eq(agree("\2h2\3foo"), "foo");
    ck_assert_str_eq(agree("\2h2"), "alert 120");
    down();
    up("alpn-none");
    ck_assert_str_eq(agree("\2h2"), "-");
    down();
    up("alpn-reject");
    ck_assert_str_eq(agree("\2h2"), "alert 120");
    ck_assert_str_eq(agree(""), "-");
    down();
    up("alpn-mismatch");
    ck_assert(tls_setup_lies(setup));
    ck_assert_str_eq(agree("\2h2"), "h2");
    down();
}
END_TEST

/** The session of a connection, once its tickets came. */
static SSL_SESSION *session_of(struct tls_setup *of)
{
    struct tls_setup *before = setup;
    setup = of;
    meet("localhost");
    SSL_SESSION *session = SSL_get1_session(pair.client.ssl);
    SSL_shutdown(pair.client.ssl);
    tls_pair_clear(&pair);
    setup = before;
    return session;
}

/** Whether a session is resumed by a setup. */
static bool resumes(struct tls_setup *of, SSL_SESSION *session, const char *host)
{
    tls_pair_init(&pair, of, host);
    SSL_set_session(pair.client.ssl, session);
    tls_pair_run(&pair);
    ck_assert_msg(pair.client.stands, "%s %s", pair.client.reason, pair.server_reason);
    bool resumed = SSL_session_reused(pair.client.ssl);
    tls_pair_clear(&pair);
    return resumed;
}

START_TEST(test_tickets_end_with_their_setup)
{
    static const char *const texts[] = {"{}", "{max: 1.2}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        up(texts[i]);
        struct tls_setup *other = tls_rig_setup_of(&server, text.config);
        SSL_SESSION *session = session_of(setup);
        ck_assert(resumes(setup, session, "localhost"));
        ck_assert(!resumes(other, session, "localhost"));
        SSL_SESSION_free(session);
        tls_setup_release(other);
        down();
    }
    up("{tickets: false, client-auth: request}");
    SSL_SESSION *session = session_of(setup);
    ck_assert(!resumes(setup, session, "localhost"));
    SSL_SESSION_free(session);
    down();
    up("{tickets: false, max: 1.2}");
    session = session_of(setup);
    ck_assert(!resumes(setup, session, "localhost"));
    SSL_SESSION_free(session);
    down();
}
END_TEST

START_TEST(test_resumption_does_not_cross_names)
{
    static const char *const texts[] = {"{sni: {a: {sans: [a, localhost]}}}",
                                        "{max: 1.2, sni: {a: {sans: [a, localhost]}}}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        up(texts[i]);
        SSL_SESSION *session = session_of(setup);
        ck_assert(!resumes(setup, session, "a"));
        ck_assert(resumes(setup, session, "localhost"));
        SSL_SESSION_free(session);
        down();
    }
}
END_TEST

/** The stapled answer's state; -2 if there is none. */
static int stapled_state(void)
{
    const unsigned char *data;
    tls_pair_init(&pair, setup, "localhost");
    SSL_set_tlsext_status_type(pair.client.ssl, TLSEXT_STATUSTYPE_ocsp);
    tls_pair_run(&pair);
    ck_assert_msg(pair.client.stands, "%s %s", pair.client.reason, pair.server_reason);
    long size = SSL_get_tlsext_status_ocsp_resp(pair.client.ssl, &data);
    int state = -2;
    if (size > 0) {
        ASN1_GENERALIZEDTIME *from;
        ASN1_GENERALIZEDTIME *until;
        X509 *ca = authority_ca(&server)->x509;
        OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &data, size);
        OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
        OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf(), ca);
        X509_STORE *store = SSL_CTX_get_cert_store(pair.client.context);
        ck_assert_int_eq(
            OCSP_basic_verify(basic, SSL_get_peer_cert_chain(pair.client.ssl), store, 0), 1);
        ck_assert_int_eq(OCSP_resp_find_status(basic, id, &state, NULL, NULL, &from, &until), 1);
        if (OCSP_check_validity(from, until, 60, -1) != 1)
            state = -1;
        ERR_clear_error();
        OCSP_CERTID_free(id);
        OCSP_BASICRESP_free(basic);
        OCSP_RESPONSE_free(response);
    }
    tls_pair_clear(&pair);
    return state;
}

START_TEST(test_ocsp)
{
    static const struct {
        const char *yaml;
        int state;
    } rows[] = {{"{}", -2},
                {"{ocsp: none}", -2},
                {"{ocsp: good}", V_OCSP_CERTSTATUS_GOOD},
                {"{ocsp: revoked}", V_OCSP_CERTSTATUS_REVOKED},
                {"{ocsp: stale}", -1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        up(rows[i].yaml);
        ck_assert_int_eq(stapled_state(), rows[i].state);
        down();
    }
    up("{ocsp: good}"); /* who does not ask gets none */
    meet("localhost");
    const unsigned char *data;
    ck_assert_int_le(SSL_get_tlsext_status_ocsp_resp(pair.client.ssl, &data), 0);
    tls_pair_clear(&pair);
    down();
}
END_TEST

/** The alert that a client with a certificate gets, -1 for none; cert TLS_FILES = it has none. */
static int present(enum tls_file cert, enum tls_file key)
{
    tls_pair_init(&pair, setup, "localhost");
    if (cert != TLS_FILES)
        tls_peer_present(&pair.client, &server, cert, key);
    tls_pair_run(&pair);
    int alert = pair.client.alert_received;
    ck_assert_int_eq(pair.server_stands, alert < 0);
    tls_pair_clear(&pair);
    return alert;
}

START_TEST(test_certificates_of_clients)
{
    up("{client-auth: require}");
    ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT, TLS_FILE_CLIENT_KEY), -1);
    ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT_EXPIRED, TLS_FILE_CLIENT_KEY_EXPIRED), 45);
    ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT_UNTRUSTED, TLS_FILE_CLIENT_KEY_UNTRUSTED), 48);
    ck_assert_int_eq(present(TLS_FILES, TLS_FILES), 116);
    tls_pair_init(&pair, setup, "localhost");
    tls_pair_run(&pair);
    const STACK_OF(X509_NAME) *asked = SSL_get0_peer_CA_list(pair.client.ssl);
    ck_assert_int_eq(sk_X509_NAME_num(asked), 1);
    ck_str_is(name_write(sk_X509_NAME_value(asked, 0), arena), "CN=goto-run CA,O=goto-run");
    tls_pair_clear(&pair);
    down();
    up("{client-auth: request}");
    ck_assert_int_eq(present(TLS_FILES, TLS_FILES), -1);
    ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT_EXPIRED, TLS_FILE_CLIENT_KEY_EXPIRED), 45);
    down();
    up("{client-auth: none}");
    ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT_EXPIRED, TLS_FILE_CLIENT_KEY_EXPIRED), -1);
    down();
}
END_TEST

START_TEST(test_clients_rejected_by_each_alert)
{
    static const char *const versions[] = {"1.2", "1.3"};
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        for (const struct choice *alert = tls_alerts; alert->name; alert++) {
            char yaml[128];
            if (alert_verify_error(alert->value) == X509_V_OK)
                continue;
            snprintf(yaml, sizeof yaml, "{fault: client-cert-rejected, alert: %s, max: '%s'}",
                     alert->name, versions[v]);
            up(yaml);
            ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT, TLS_FILE_CLIENT_KEY), alert->value);
            down();
        }
    }
    up("client-cert-rejected");
    ck_assert_int_eq(present(TLS_FILE_CLIENT_CERT, TLS_FILE_CLIENT_KEY), 48);
    ck_assert_int_eq(present(TLS_FILES, TLS_FILES), 116);
    down();
}
END_TEST

/* Each alert is either sent by OpenSSL as it is, or left to the records below. */
START_TEST(test_alerts_at_the_hello)
{
    for (const struct choice *alert = tls_alerts; alert->name; alert++) {
        char yaml[64];
        snprintf(yaml, sizeof yaml, "{alert: %s}", alert->name);
        up(yaml);
        if (setup->wire == WIRE_ALERT) {
            ck_assert_int_eq(setup->raw_alert, alert->value);
        } else {
            tls_pair_init(&pair, setup, "localhost");
            tls_pair_run(&pair);
            ck_assert_int_eq(pair.client.alert_received, alert->value);
            tls_pair_clear(&pair);
        }
        down();
    }
}
END_TEST

START_TEST(test_versions_and_ciphers)
{
    static const struct {
        const char *yaml;
        const char *version;
        const char *cipher;
    } rows[] = {
        {"tls1.0", "TLSv1", "ECDHE-ECDSA-AES256-SHA"},
        {"tls1.1", "TLSv1.1", "ECDHE-ECDSA-AES256-SHA"},
        {"tls1.2-only", "TLSv1.2", NULL},
        {"tls1.3-only", "TLSv1.3", NULL},
        {"{min: 1.0, max: 1.1}", "TLSv1.1", NULL},
        {"{ciphers: ECDHE-ECDSA-AES128-SHA}", "TLSv1.2", "ECDHE-ECDSA-AES128-SHA"},
        {"{ciphers: TLS_AES_128_GCM_SHA256}", "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
        {"{ciphers: ['DHE-RSA-AES128-SHA'], key-type: rsa2048}", "TLSv1.2", "DHE-RSA-AES128-SHA"},
        {"null-cipher", "TLSv1.2", "ECDHE-ECDSA-NULL-SHA"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        up(rows[i].yaml);
        tls_pair_init(&pair, setup, "localhost");
        SSL_set_security_level(pair.client.ssl, 0);
        SSL_set_min_proto_version(pair.client.ssl, TLS1_VERSION);
        SSL_set_cipher_list(pair.client.ssl, "ALL:eNULL:@SECLEVEL=0");
        tls_pair_run(&pair);
        ck_assert_msg(pair.client.stands, "%s: %s, %s", rows[i].yaml, pair.client.reason,
                      pair.server_reason);
        ck_assert_str_eq(SSL_get_version(pair.client.ssl), rows[i].version);
        if (rows[i].cipher)
            ck_assert_str_eq(SSL_get_cipher_name(pair.client.ssl), rows[i].cipher);
        tls_pair_clear(&pair);
        down();
    }
}
END_TEST

START_TEST(test_no_renegotiation)
{
    up("{max: 1.2}");
    meet("localhost");
    SSL_renegotiate(pair.client.ssl);
    SSL_do_handshake(pair.client.ssl);
    tls_pair_serve(&pair);
    SSL_do_handshake(pair.client.ssl);
    ck_assert_int_eq(SSL_total_renegotiations(pair.server), 0);
    ERR_clear_error();
    tls_pair_clear(&pair);
    down();
}
END_TEST

START_TEST(test_files)
{
    char folder[] = "/tmp/goto-tls-XXXXXX";
    char paths[3][64];
    char yaml[256];
    struct str why;
    struct certificate made;
    struct server own = {0};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    arena = arena_new();
    static const struct str sans[] = {STR_INIT("file.example")};
    const struct certificate_order order = {.subject = STR("CN=file"),
                                            .sans = sans,
                                            .san_count = 1,
                                            .until_ns = INT64_C(3600000000000),
                                            .issuer = authority_intermediate(&own)};
    ck_assert(certificate_make(&order, &made, arena, &why));
    static const char *const names[] = {"cert", "key", "chain"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s.pem", folder, names[i]);
        FILE *file = fopen(paths[i], "w");
        if (i == 1)
            PEM_write_PrivateKey(file, made.key, NULL, NULL, 0, NULL, NULL);
        else
            PEM_write_X509(file, i ? authority_intermediate(&own)->x509 : made.x509);
        fclose(file);
    }
    arena_free(arena);
    snprintf(yaml, sizeof yaml, "{cert: %s, key: %s, chain: %s}", paths[0], paths[1], paths[2]);
    up(yaml);
    for (size_t i = 0; i < 3; i++)
        unlink(paths[i]); /* what was read counts */
    rmdir(folder);
    tls_pair_init(&pair, setup, "file.example");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(pair.client.context), authority_ca(&own)->x509);
    tls_pair_run(&pair);
    ck_assert_msg(pair.client.stands, "%s %s", pair.client.reason, pair.server_reason);
    ck_assert_int_eq(X509_cmp(leaf(), made.x509), 0);
    ck_assert_int_eq(sk_X509_num(SSL_get_peer_cert_chain(pair.client.ssl)), 2);
    tls_pair_clear(&pair);
    certificate_clear(&made);
    tls_authority_free(own.authority);
    down();
}
END_TEST

START_TEST(test_secrets_are_logged)
{
    char path[] = "/tmp/goto-keys-XXXXXX";
    char room[8192];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    setenv("SSLKEYLOGFILE", path, 1);
    up("{sni: {a: valid}}");
    struct tls_setup *other = tls_rig_setup_of(&server, text.config);
    meet("localhost");
    tls_pair_clear(&pair);
    meet("a");
    tls_pair_clear(&pair);
    tls_setup_release(setup);
    setup = other;
    meet("localhost");
    tls_pair_clear(&pair);
    down();
    ssize_t size = read(fd, room, sizeof room - 1);
    ck_assert_int_gt(size, 0);
    room[size] = '\0';
    int found = 0;
    for (const char *at = room; (at = strstr(at, "SERVER_TRAFFIC_SECRET_0 ")); at++)
        found += at == room || at[-1] == '\n';
    ck_assert_int_eq(found, 3);
    ck_assert_int_eq(room[size - 1], '\n');
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(test_what_cannot_be_made_says_why)
{
    struct str why = {0};
    const struct tls_defaults defaults = {.name = STR("api"), .host = STR("127.0.0.1")};
    up("{}");
    text.config->plan.groups = (struct list){.items = &(struct str){"nonsense", 8}, .count = 1};
    struct tls_setup *none = tls_setup_new(&server, text.config, &defaults, arena, &why);
    ck_assert_ptr_null(none);
    ck_assert(str_starts(why, STR("OpenSSL refuses these groups")));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    tls_setup_release(NULL);
    ck_assert_ptr_eq(tls_setup_hold(setup), setup);
    tls_setup_release(setup);
    down();
}
END_TEST

UNIT_MAIN("tls_setup", test_valid, test_keys_of_all_kinds, test_each_name_has_its_own,
          test_parameters_of_a_name, test_a_fault_of_the_port_is_of_its_names, test_swapped_names,
          test_alpn, test_tickets_end_with_their_setup, test_resumption_does_not_cross_names,
          test_ocsp, test_certificates_of_clients, test_clients_rejected_by_each_alert,
          test_alerts_at_the_hello, test_versions_and_ciphers, test_no_renegotiation, test_files,
          test_secrets_are_logged, test_what_cannot_be_made_says_why)
