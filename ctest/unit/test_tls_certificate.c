#include "tls_rig.h"

#include "base/clock.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#define DAY_NS (INT64_C(86400) * CLOCK_SECOND)

static struct server server;
static struct arena *arena;

static void up(void)
{
    server = (struct server){0};
    arena = arena_new();
}

static void down(void)
{
    tls_authority_free(server.authority);
    arena_free(arena);
}

static struct certificate make(const struct certificate_order *order)
{
    struct str why;
    struct certificate made;
    bool good = certificate_make(order, &made, arena, &why);
    ck_assert_msg(good, STR_FMT, STR_ARG(why));
    return made;
}

/** Reads a certificate back from its DER, as a client gets it. */
static X509 *parse_back(const struct certificate *made)
{
    unsigned char *der = NULL;
    int size = i2d_X509(made->x509, &der);
    ck_assert_int_gt(size, 0);
    const unsigned char *at = der;
    X509 *x509 = d2i_X509(NULL, &at, size);
    ck_assert_ptr_nonnull(x509);
    OPENSSL_free(der);
    return x509;
}

/** The verify result of a certificate against the run's CA alone. */
static int verify(X509 *x509, STACK_OF(X509) * others, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, authority_ca(&server)->x509);
    X509_STORE_CTX_init(context, store, x509, others);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_verify_cert(context);
    int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

/** Whether a time is `offset` from now, give or take a minute. */
static void check_time(const ASN1_TIME *time, int64_t offset_ns)
{
    int days;
    int seconds;
    ck_assert_int_eq(ASN1_TIME_diff(&days, &seconds, NULL, time), 1);
    int64_t off = ((int64_t)days * 86400 + seconds) - offset_ns / CLOCK_SECOND;
    ck_assert_int_lt(off < 0 ? -off : off, 60);
}

START_TEST(test_a_certificate_is_what_was_ordered)
{
    up();
    static const struct str sans[] = {STR_INIT("a.example"), STR_INIT("10.1.2.3"), STR_INIT("::7")};
    const struct certificate_order order = {.subject = STR("CN=a.example,OU=x\\, y,O=X"),
                                            .sans = sans,
                                            .san_count = 3,
                                            .from_ns = -3 * DAY_NS,
                                            .until_ns = 40 * DAY_NS,
                                            .issuer = authority_ca(&server)};
    struct certificate made = make(&order);
    X509 *x509 = parse_back(&made);
    ck_str_is(name_write(X509_get_subject_name(x509), arena), "CN=a.example,OU=x\\, y,O=X");
    ck_str_is(name_write(X509_get_issuer_name(x509), arena), "CN=goto-run CA,O=goto-run");
    ck_str_is(tls_sans(x509, arena), "DNS:a.example IP:10.1.2.3 IP6:7");
    check_time(X509_get0_notBefore(x509), -3 * DAY_NS);
    check_time(X509_get0_notAfter(x509), 40 * DAY_NS);
    ck_assert_int_eq(X509_get_version(x509), X509_VERSION_3);
    ck_assert_int_eq(X509_get_signature_nid(x509), NID_ecdsa_with_SHA256);
    ck_assert_int_eq(verify(x509, NULL, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    ck_assert_int_eq(verify(x509, NULL, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_INVALID_PURPOSE);
    ck_assert_int_eq(X509_check_private_key(x509, made.key), 1);
    ck_assert_int_eq(X509_check_ca(x509), 0);
    X509_free(x509);
    certificate_clear(&made);
    down();
}
END_TEST

/* Nanoseconds since 1970 end in the year 2262; the longest offsets are as long. */
START_TEST(test_times_far_away)
{
    up();
    struct certificate_order order = {.subject = STR("CN=a"),
                                      .from_ns = -INT64_MAX,
                                      .until_ns = INT64_MAX,
                                      .issuer = authority_ca(&server)};
    struct certificate made = make(&order);
    check_time(X509_get0_notBefore(made.x509), -INT64_MAX);
    check_time(X509_get0_notAfter(made.x509), INT64_MAX);
    certificate_clear(&made);
    down();
}
END_TEST

START_TEST(test_serials_differ)
{
    up();
    const struct certificate_order order = {
        .subject = STR("CN=x"), .until_ns = DAY_NS, .issuer = authority_ca(&server)};
    struct certificate one = make(&order);
    struct certificate two = make(&order);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(one.x509);
    ck_assert_int_ne(ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(two.x509)), 0);
    ck_assert_int_gt(ASN1_STRING_length(serial), 12);
    certificate_clear(&one);
    certificate_clear(&two);
    down();
}
END_TEST

START_TEST(test_all_kinds_of_keys_and_digests)
{
    up();
    static const struct {
        enum key_type type;
        const char *name;
        int bits;
    } keys[] = {{KEY_EC256, "EC", 256},
                {KEY_EC384, "EC", 384},
                {KEY_RSA2048, "RSA", 2048},
                {KEY_RSA1024, "RSA", 1024},
                {KEY_ED25519, "ED25519", 256}};
    static const struct {
        enum certificate_digest digest;
        int nid;
    } digests[] = {{DIGEST_SHA256, NID_sha256},
                   {DIGEST_SHA384, NID_sha384},
                   {DIGEST_SHA512, NID_sha512},
                   {DIGEST_SHA1, NID_sha1}};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        for (size_t j = 0; j < COUNT_OF(digests); j++) {
            int digest;
            struct certificate_order order = {.subject = STR("CN=x"),
                                              .until_ns = DAY_NS,
                                              .key_type = keys[i].type,
                                              .digest = digests[j].digest,
                                              .issuer = authority_ca(&server)};
            struct certificate made = make(&order);
            X509 *x509 = parse_back(&made);
            ck_assert(EVP_PKEY_is_a(X509_get0_pubkey(x509), keys[i].name));
            ck_assert_int_eq(EVP_PKEY_get_bits(X509_get0_pubkey(x509)), keys[i].bits);
            ck_assert(OBJ_find_sigid_algs(X509_get_signature_nid(x509), &digest, NULL));
            ck_assert_int_eq(digest, digests[j].nid);
            X509_free(x509);
            certificate_clear(&made);
            order.issuer = NULL;
            made = make(&order);
            ck_assert_int_eq(X509_self_signed(made.x509, 1), 1);
            certificate_clear(&made);
        }
    }
    down();
}
END_TEST

START_TEST(test_rsa_keys_are_made_once)
{
    up();
    const struct certificate_order order = {
        .subject = STR("CN=x"), .until_ns = DAY_NS, .key_type = KEY_RSA1024};
    struct certificate one = make(&order);
    struct certificate two = make(&order);
    ck_assert_ptr_eq(one.key, two.key);
    ck_assert_ptr_ne(one.x509, two.x509);
    certificate_clear(&one);
    certificate_clear(&two);
    down();
}
END_TEST

START_TEST(test_padding_and_no_names)
{
    up();
    struct certificate_order order = {.subject = STR("CN=x"), .until_ns = DAY_NS, .padding = 4000};
    struct certificate made = make(&order);
    ck_assert_int_gt(i2d_X509(made.x509, NULL), 100 * 1024);
    certificate_clear(&made);
    order.padding = 0;
    made = make(&order);
    ck_assert_int_eq(X509_get_ext_by_NID(made.x509, NID_subject_alt_name, -1), -1);
    certificate_clear(&made);
    down();
}
END_TEST

START_TEST(test_subjects)
{
    up();
    static const char *const good[][2] = {
        {"CN=a", "CN=a"},
        {" CN = a b , O=b ", "CN=a b,O=b"},
        {"CN=a+OU=b,O=c", "CN=a+OU=b,O=c"},
        {"CN=\"a,b\",O=c", "CN=a\\,b,O=c"},
        {"CN=a\\2Cb", "CN=a\\,b"},
        {"CN=J\xc3\xb6rg,C=DE", "CN=J\xc3\xb6rg,C=DE"},
        {"emailAddress=a@b,DC=x", "emailAddress=a@b,DC=x"},
        {"CN=a=b", "CN=a=b"},
        {"CN=a\\ ", "CN=a\\ "},
    };
    static const char *const bad[] = {
        "",       " ",         "a",    "=a",    "CN=",       "CN=a,",           "CN=a\\",
        "CN=\"a", "CN=\"a\"b", "XX=a", ",CN=a", "CN=a,,O=b", "C=much-too-long", "CN=\xff\xfe"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct str why;
        X509_NAME *name = name_read(str_of(good[i][0]), arena, &why);
        ck_assert_msg(name != NULL, "%s: " STR_FMT, good[i][0], STR_ARG(why));
        struct str text = name_write(name, arena);
        X509_NAME_free(name);
        ck_str_is(text, good[i][1]);
        X509_NAME *again = name_read(text, arena, &why); /* what is written reads the same */
        ck_assert_msg(again != NULL, STR_FMT, STR_ARG(text));
        struct str text_again = name_write(again, arena);
        ck_assert(str_equal(text_again, text));
        X509_NAME_free(again);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct str why = {0};
        ck_assert_msg(name_read(str_of(bad[i]), arena, &why) == NULL, "%s", bad[i]);
        ck_assert_uint_gt(why.size, 0);
        ck_assert_uint_eq(ERR_peek_error(), 0);
    }
    down();
}
END_TEST

START_TEST(test_names_of_certificates)
{
    up();
    const char *why;
    ck_assert(san_check(STR("*.a.example"), &why));
    ck_assert(san_check(STR("::1"), &why));
    ck_assert(!san_check(STR(""), &why));
    ck_assert(!san_check(STR("a b"), &why));
    ck_assert(!san_check(STR("j\xc3\xb6rg"), &why));
    ck_assert(!san_check(STR("a\0b"), &why));
    down();
}
END_TEST

START_TEST(test_the_authority_is_made_once)
{
    up();
    const struct certificate *ca = authority_ca(&server);
    ck_assert_ptr_eq(authority_ca(&server)->x509, ca->x509);
    ck_assert_int_eq(X509_check_ca(ca->x509), 1);
    ck_assert_int_eq(X509_self_signed(ca->x509, 1), 1);
    ck_assert_int_eq(verify(ca->x509, NULL, X509_PURPOSE_ANY), X509_V_OK);
    X509 *intermediate = authority_intermediate(&server)->x509;
    ck_assert_int_eq(verify(intermediate, NULL, X509_PURPOSE_ANY), X509_V_OK);
    X509 *unknown = authority_unknown(&server)->x509;
    ck_assert_int_eq(verify(unknown, NULL, X509_PURPOSE_ANY),
                     X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    struct server other = {0};
    ck_assert_int_ne(X509_cmp(authority_ca(&other)->x509, ca->x509), 0);
    tls_authority_free(other.authority);
    down();
}
END_TEST

/** A certificate and a key from the PEM of a file. */
static X509 *pem_pair(enum tls_file cert, enum tls_file key)
{
    struct str pem = tls_authority_pem(&server, cert);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    pem = tls_authority_pem(&server, key);
    bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ck_assert_ptr_nonnull(x509);
    ck_assert_int_eq(X509_check_private_key(x509, pkey), 1);
    EVP_PKEY_free(pkey);
    return x509;
}

START_TEST(test_certificates_of_clients)
{
    up();
    static const struct {
        enum tls_file cert;
        enum tls_file key;
        int result;
    } rows[] = {
        {TLS_FILE_CLIENT_CERT, TLS_FILE_CLIENT_KEY, X509_V_OK},
        {TLS_FILE_CLIENT_CERT_EXPIRED, TLS_FILE_CLIENT_KEY_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED},
        {TLS_FILE_CLIENT_CERT_UNTRUSTED, TLS_FILE_CLIENT_KEY_UNTRUSTED,
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        X509 *x509 = pem_pair(rows[i].cert, rows[i].key);
        ck_assert_int_eq(verify(x509, NULL, X509_PURPOSE_SSL_CLIENT), rows[i].result);
        ck_assert_ptr_eq(tls_authority_pem(&server, rows[i].cert).data,
                         tls_authority_pem(&server, rows[i].cert).data);
        X509_free(x509);
    }
    struct str ca = tls_authority_pem(&server, TLS_FILE_CA);
    ck_assert(str_starts(ca, STR("-----BEGIN CERTIFICATE-----\n")));
    down();
}
END_TEST

START_TEST(test_names_of_files)
{
    up();
    enum tls_file file;
    ck_assert(tls_file_find(STR("ca"), &file) && file == TLS_FILE_CA);
    ck_assert(tls_file_find(STR("client-key.untrusted"), &file));
    ck_assert_int_eq(file, TLS_FILE_CLIENT_KEY_UNTRUSTED);
    ck_assert(!tls_file_find(STR("client-cert.revoked"), &file));
    ck_assert(!tls_file_find(STR(""), &file));
    for (int i = 0; i < TLS_FILES; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(tls_file_name((enum tls_file)i), tls_file_name((enum tls_file)j));
    ck_assert_str_eq(tls_file_name(TLS_FILE_CLIENT_KEY_EXPIRED), "client-key-expired.pem");
    down();
}
END_TEST

START_TEST(test_wrong_keys_pass_for_right_ones)
{
    up();
    static const enum key_type types[] = {KEY_EC256, KEY_EC384, KEY_RSA2048, KEY_ED25519};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct str why = {0};
        const struct certificate_order order = {
            .subject = STR("CN=x"), .until_ns = DAY_NS, .key_type = types[i]};
        struct certificate made = make(&order);
        EVP_PKEY *wrong = certificate_wrong_key(made.x509, arena, &why);
        ck_assert_msg(wrong != NULL, "%zu: " STR_FMT, i, STR_ARG(why));
        ck_assert_int_eq(X509_check_private_key(made.x509, wrong), 1);
        unsigned char signature[512];
        size_t size = sizeof signature;
        const EVP_MD *digest = types[i] == KEY_ED25519 ? NULL : EVP_sha256();
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        ck_assert_int_eq(EVP_DigestSignInit(context, NULL, digest, NULL, wrong), 1);
        ck_assert_int_eq(EVP_DigestSign(context, signature, &size, signature, 1), 1);
        EVP_MD_CTX_reset(context);
        EVP_DigestVerifyInit(context, NULL, digest, NULL, X509_get0_pubkey(made.x509));
        ck_assert_int_ne(EVP_DigestVerify(context, signature, size, signature, 1), 1);
        ERR_clear_error();
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(wrong);
        certificate_clear(&made);
    }
    down();
}
END_TEST

/** The state of a certificate by an OCSP answer that its issuer signed: V_OCSP_CERTSTATUS_…; -1
 * when its time is over. */
static int ocsp_state_of(struct str answer, X509 *about, X509 *issuer)
{
    const unsigned char *at = (const unsigned char *)answer.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)answer.size);
    ck_assert_int_eq(OCSP_response_status(response), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, issuer);
    ck_assert_int_eq(OCSP_basic_verify(basic, NULL, store, 0), 1);
    int state;
    ASN1_GENERALIZEDTIME *from;
    ASN1_GENERALIZEDTIME *until;
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), about, issuer);
    ck_assert_int_eq(OCSP_resp_find_status(basic, id, &state, NULL, NULL, &from, &until), 1);
    if (OCSP_check_validity(from, until, 60, -1) != 1)
        state = -1;
    ERR_clear_error();
    OCSP_CERTID_free(id);
    X509_STORE_free(store);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return state;
}

START_TEST(test_ocsp_answers)
{
    up();
    static const struct {
        enum ocsp_state state;
        int wanted;
    } rows[] = {{OCSP_GOOD, V_OCSP_CERTSTATUS_GOOD},
                {OCSP_REVOKED, V_OCSP_CERTSTATUS_REVOKED},
                {OCSP_STALE, -1}};
    const struct certificate *ca = authority_ca(&server);
    const struct certificate_order order = {
        .subject = STR("CN=x"), .until_ns = DAY_NS, .issuer = ca};
    struct certificate made = make(&order);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str answer;
        struct str why;
        ck_assert(ocsp_answer(made.x509, ca, rows[i].state, arena, &answer, &why));
        ck_assert_int_eq(ocsp_state_of(answer, made.x509, ca->x509), rows[i].wanted);
    }
    certificate_clear(&made);
    down();
}
END_TEST

START_TEST(test_ocsp_answers_of_who_signs_itself)
{
    up();
    static const enum key_type types[] = {KEY_EC384, KEY_RSA2048, KEY_ED25519};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct str answer;
        struct str why = {0};
        const struct certificate_order order = {
            .subject = STR("CN=x"), .until_ns = DAY_NS, .key_type = types[i]};
        struct certificate made = make(&order);
        ck_assert_msg(ocsp_answer(made.x509, &made, OCSP_GOOD, arena, &answer, &why), STR_FMT,
                      STR_ARG(why));
        ck_assert_int_eq(ocsp_state_of(answer, made.x509, made.x509), V_OCSP_CERTSTATUS_GOOD);
        certificate_clear(&made);
    }
    down();
}
END_TEST

/* ECDSA has no signature with MD5. */
START_TEST(test_what_cannot_be_made_says_why)
{
    up();
    struct str why;
    struct certificate made;
    struct certificate_order order = {.subject = STR("CN=x"), .digest = DIGEST_MD5};
    ck_assert(!certificate_make(&order, &made, arena, &why));
    ck_assert_msg(str_starts(why, STR("OpenSSL cannot make such a certificate: ")), STR_FMT,
                  STR_ARG(why));
    order.key_type = KEY_RSA2048;
    made = make(&order);
    ck_assert_int_eq(X509_get_signature_nid(made.x509), NID_md5WithRSAEncryption);
    certificate_clear(&made);
    down();
}
END_TEST

START_TEST(test_alerts)
{
    up();
    char room[24];
    ck_str_is(tls_alert_name(45, room), "certificate_expired");
    ck_str_is(tls_alert_name(0, room), "close_notify");
    ck_str_is(tls_alert_name(200, room), "alert 200");
    ck_assert_int_eq(tls_alert_number(STR("alert 200")), 200);
    ck_assert_int_eq(tls_alert_number(STR("alert 256")), -1);
    ck_assert_int_eq(tls_alert_number(STR("nonsense")), -1);
    ck_assert_int_eq(tls_alert_number(STR("")), -1);
    for (int alert = 0; alert < 256; alert++)
        ck_assert_int_eq(tls_alert_number(tls_alert_name(alert, room)), alert);
    down();
}
END_TEST

UNIT_MAIN("tls_certificate", test_a_certificate_is_what_was_ordered, test_times_far_away,
          test_serials_differ, test_all_kinds_of_keys_and_digests, test_rsa_keys_are_made_once,
          test_padding_and_no_names, test_subjects, test_names_of_certificates,
          test_the_authority_is_made_once, test_certificates_of_clients, test_names_of_files,
          test_wrong_keys_pass_for_right_ones, test_ocsp_answers,
          test_ocsp_answers_of_who_signs_itself, test_what_cannot_be_made_says_why, test_alerts)
