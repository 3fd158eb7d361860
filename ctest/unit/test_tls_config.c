#include "tls_rig.h"

#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tls_text text;

/** Reads a text that has to be right. */
static const struct tls_plan *good(const char *yaml)
{
    tls_text_read(&text, yaml);
    ck_assert_msg(text.result == READ_OK, "%s: %s", yaml, text.said.data);
    ck_assert_uint_eq(text.diagnostics.count, 0);
    return &text.config->plan;
}

/** Reads a text that has to be wrong in one way: "line:column: message". */
static void bad_in(const char *folder, const char *yaml, const char *said)
{
    char line[512];
    tls_text_read_in(&text, folder, yaml);
    ck_assert_msg(text.result == READ_FAILED, "read: %s", yaml);
    ck_assert_msg(text.diagnostics.count == 1, "%s: %s", yaml, text.said.data);
    const struct diagnostic *first = text.diagnostics.first;
    snprintf(line, sizeof line, "%u:%u: " STR_FMT, first->place.line, first->place.column,
             STR_ARG(first->message));
    ck_assert_str_eq(line, said);
    tls_text_clear(&text);
}

static void bad(const char *yaml, const char *said)
{
    bad_in("", yaml, said);
}

START_TEST(test_names_of_the_catalogue)
{
    for (const struct tls_fault *fault = tls_catalogue; fault->name; fault++) {
        good(fault->name);
        ck_assert_ptr_eq(text.config->fault, fault);
        ck_str_is(tls_config_name(text.config), fault->name);
        ck_assert_ptr_eq(tls_fault_find(str_of(fault->name)), fault);
        ck_assert(fault->doc && *fault->doc && fault->how);
        tls_text_clear(&text);
    }
    ck_assert_ptr_null(tls_fault_find(STR("expire")));
    bad("expird", "1:1: the catalogue of TLS has no 'expird'");
    bad("{fault: expird}", "1:9: the catalogue of TLS has no 'expird'");
    bad("5", "1:1: expected a name of the catalogue of TLS, such as expired, found a number '5'");
    bad("[expired]", "1:1: expected a name of the catalogue of TLS, such as expired, found a list");
}
END_TEST

START_TEST(test_did_you_mean)
{
    tls_text_read(&text, "expird");
    ck_assert_ptr_nonnull(strstr(text.said.data, "did you mean 'expired'?"));
    tls_text_clear(&text);
    tls_text_read(&text, "{alert: handshake_failur}");
    ck_assert_ptr_nonnull(strstr(text.said.data, "did you mean 'handshake_failure'?"));
    tls_text_clear(&text);
    tls_text_read(&text, "{subjct: CN=x}");
    ck_assert_ptr_nonnull(strstr(text.said.data, "did you mean 'subject'?"));
    tls_text_clear(&text);
}
END_TEST

START_TEST(test_every_key_of_a_certificate)
{
    const struct tls_plan *plan = good("{subject: 'CN=a.example,O=X', sans: [a.example, 10.0.0.1], "
                                       "issuer: unknown, valid: {from: -2h, until: 1.5d}, "
                                       "key-type: ec384, digest: sha384, send-chain: leaf, "
                                       "ocsp: stale, tickets: false}");
    ck_str_is(plan->subject, "CN=a.example,O=X");
    ck_assert_uint_eq(plan->sans->count, 2);
    ck_str_is(((struct str *)plan->sans->items)[1], "10.0.0.1");
    ck_assert_int_eq(plan->issuer, ISSUER_UNKNOWN);
    ck_assert_int_eq(plan->valid.from_ns, INT64_C(-7200000000000));
    ck_assert_int_eq(plan->valid.until_ns, INT64_C(129600000000000));
    ck_assert_int_eq(plan->key_type, KEY_EC384);
    ck_assert_int_eq(plan->digest, DIGEST_SHA384);
    ck_assert_int_eq(plan->send_chain, CHAIN_LEAF);
    ck_assert_int_eq(plan->ocsp, OCSP_STALE);
    ck_assert(!plan->tickets);
    ck_str_is(tls_config_name(text.config), "valid");
    tls_text_clear(&text);
}
END_TEST

START_TEST(test_every_key_of_parameters)
{
    const struct tls_plan *plan =
        good("{min: 1.1, max: TLSv1.3, ciphers: ['ECDHE-ECDSA-AES128-GCM-SHA256', "
             "TLS_AES_128_GCM_SHA256], groups: 'X25519:P-256', alpn: [h2, http/1.1], "
             "client-auth: require, sni: {a.example: expired, '*.B.example': {alpn: h2}}}");
    size_t others;
    ck_assert_int_eq(plan->min, TLS1_1_VERSION);
    ck_assert_int_eq(plan->max, TLS1_3_VERSION);
    ck_assert_uint_eq(ciphers_count(&plan->ciphers, &others), 1);
    ck_assert_uint_eq(others, 1);
    ck_assert_int_eq(plan->client_auth, CLIENT_AUTH_REQUIRE);
    struct list alpn = tls_config_alpn(text.config);
    ck_assert_uint_eq(alpn.count, 2);
    ck_str_is(((struct str *)alpn.items)[1], "http/1.1");
    struct list names = tls_config_names(text.config);
    ck_assert_uint_eq(names.count, 2);
    ck_str_is(((struct str *)names.items)[1], "*.B.example");
    tls_text_clear(&text);
    ck_assert_int_eq(good("{alert: access_denied}")->alert, 49);
    tls_text_clear(&text);
}
END_TEST

START_TEST(test_defaults)
{
    const struct tls_plan *plan = good("{}");
    ck_assert_int_eq(plan->valid.from_ns, INT64_C(-86400000000000));
    ck_assert_int_eq(plan->valid.until_ns, INT64_C(7776000000000000));
    ck_assert(plan->tickets);
    ck_assert_int_eq(plan->alert, -1);
    ck_assert_int_eq(plan_min(plan), TLS1_2_VERSION);
    ck_assert_int_eq(plan_max(plan), TLS1_3_VERSION);
    tls_text_clear(&text);
    plan = good("{valid: {until: 1h}}");
    ck_assert_int_eq(plan->valid.from_ns, INT64_C(-86400000000000));
    tls_text_clear(&text);
    ck_str_is(tls_config_name(NULL), "valid");
    ck_assert_uint_eq(tls_config_alpn(NULL).count, 0);
    ck_assert_uint_eq(tls_config_names(NULL).count, 0);
}
END_TEST

START_TEST(test_ciphers_decide_about_versions)
{
    static const struct {
        const char *yaml;
        int min;
        int max;
    } rows[] = {
        {"{max: '1.1'}", TLS1_1_VERSION, TLS1_1_VERSION},
        {"{min: '1.0'}", TLS1_VERSION, TLS1_3_VERSION},
        {"{ciphers: AES128-SHA}", TLS1_2_VERSION, TLS1_2_VERSION},
        {"{ciphers: TLS_AES_128_GCM_SHA256}", TLS1_3_VERSION, TLS1_3_VERSION},
        {"{ciphers: 'AES128-SHA:TLS_AES_128_GCM_SHA256'}", TLS1_2_VERSION, TLS1_3_VERSION},
        {"{ciphers: TLS_AES_128_GCM_SHA256, min: 1.2}", TLS1_2_VERSION, TLS1_3_VERSION},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct tls_plan *plan = good(rows[i].yaml);
        ck_assert_int_eq(plan_min(plan), rows[i].min);
        ck_assert_int_eq(plan_max(plan), rows[i].max);
        tls_text_clear(&text);
    }
}
END_TEST

START_TEST(test_wrong_values)
{
    bad("{subject: a.example}",
        "1:11: 'a.example' is no subject: it is not written as CN=a.example,O=X");
    bad("{subject: 'XX=a'}",
        "1:11: 'XX=a' is no subject: 'XX' cannot stand there: invalid field name");
    bad("{sans: ['a b']}", "1:9: 'a b' cannot be a name in a certificate: a name in a certificate "
                           "is ASCII without blanks (xn--… for others)");
    bad("{valid: {from: 5}}", "1:16: expected a duration such as 30d or -1d, found a number '5'");
    bad("{valid: {until: 1d-2d}}",
        "1:17: expected a duration such as 30d or -1d, found a string '1d-2d'");
    bad("{valid: {}}", "1:9: an empty valid says nothing; give at least one key");
    bad("{min: '1.4'}", "1:7: expected one of 1.0, 1.1, 1.2, 1.3, TLSv1, TLSv1.0, TLSv1.1, "
                        "TLSv1.2, TLSv1.3, found a string '1.4'");
    bad("{alpn: ['']}",
        "1:9: expected the ALPN name of a protocol (1 to 255 characters), found a string ''");
    bad("{alpn: []}", "1:2: an empty list of protocols agrees on nothing");
    bad("{ciphers: []}", "1:2: an empty list of ciphers agrees with nobody");
    bad("{groups: []}", "1:2: an empty list of groups agrees with nobody");
    bad("{ciphers: ''}", "1:2: an empty list of ciphers agrees with nobody");
}
END_TEST

START_TEST(test_what_openssl_refuses)
{
    bad("{min: '1.2',\n ciphers: NO-SUCH-CIPHER}",
        "2:11: OpenSSL knows no cipher 'NO-SUCH-CIPHER'");
    bad("{ciphers: [AES128-SHA, AES128-SAH]}", "1:11: OpenSSL knows no cipher 'AES128-SAH'");
    bad("{ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES'}", "1:11: OpenSSL knows no cipher 'TLS_AES'");
    bad("{ciphers: '!RC4'}", "1:11: OpenSSL refuses these ciphers: no cipher match");
    tls_text_read(&text, "{ciphers: TLS_NO_SUCH_SUITE}");
    ck_assert_int_eq(text.result, READ_FAILED);
    tls_text_clear(&text);
    bad("{groups: P-256:P-7}", "1:10: OpenSSL knows no group 'P-7'");
    bad("{groups: ['', x]}", "1:10: OpenSSL knows no group ''");
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(test_what_cannot_stand_together)
{
    bad("{min: 1.3,\n max: 1.2}", "1:7: 'min' is above 'max': no version is left");
    bad("{max: 1.2, ciphers: TLS_AES_128_GCM_SHA256}",
        "1:12: they are all of TLS 1.3, and 'max' is below");
    bad("{min: 1.3, ciphers: AES128-SHA}", "1:12: none of them is of TLS 1.3, and 'min' is");
    bad("{fault: expired, valid: {until: 1h}}",
        "1:18: 'fault: expired' decides about 'valid' itself");
    bad("{fault: wrong-host, sans: [a]}", "1:21: 'fault: wrong-host' decides about 'sans' itself");
    bad("{fault: tls1.0, max: 1.2}", "1:17: 'fault: tls1.0' decides about 'max' itself");
    bad("{fault: weak-key, key-type: ec256}",
        "1:19: 'fault: weak-key' decides about 'key-type' itself");
    bad("{fault: expired, alert: internal_error}",
        "1:18: an alert at the ClientHello leaves nothing of 'fault: expired'");
    bad("{fault: client-cert-rejected, alert: access_denied}",
        "1:31: OpenSSL never answers a client's certificate with access_denied");
    bad("{fault: client-cert-required, client-auth: request}",
        "1:31: 'fault: client-cert-required' decides about 'client-auth' itself");
    bad("{issuer: self, key-type: ed25519, digest: sha1}",
        "1:35: Ed25519 signs itself: it takes no 'digest'");
    good("{fault: client-cert-rejected, alert: certificate_revoked}");
    tls_text_clear(&text);
    good("{fault: expired, subject: CN=x, key-type: ec384}");
    tls_text_clear(&text);
}
END_TEST

START_TEST(test_what_a_name_cannot_have)
{
    bad("{sni: {a: handshake-stall}}",
        "1:8: handshake-stall is of the whole port, it cannot be of one name");
    bad("{sni: {a: {tickets: false}}}",
        "1:8: 'tickets' is of the whole port, it cannot be of one name");
    bad("{sni: {a: {sni: {b: valid}}}}",
        "1:8: 'sni' is of the whole port, it cannot be of one name");
    bad("{sni: {a: {alert: certificate_required}}}",
        "1:8: this alert is of the whole port, it cannot be of one name");
    bad("{sni: {'a b': valid}}", "1:8: 'a b' is no name of a host");
    bad("{sni: {a: valid, A: expired}}", "1:18: 'A' stands here twice: case does not count");
    bad("{fault: unrecognized-name, alert: internal_error}",
        "1:28: an alert at the ClientHello leaves nothing of 'fault: unrecognized-name'");
    good("{sni: {a: {alert: unrecognized_name, min: 1.3}}}");
    tls_text_clear(&text);
}
END_TEST

/* Files. */

static char folder[64];

static void file_write(const char *name, struct str one, struct str two)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fwrite(one.data ? one.data : "", 1, one.size, file);
    fwrite(two.data ? two.data : "", 1, two.size, file);
    fclose(file);
}

static void files_make(void)
{
    struct server server = {0};
    struct str none = {0};
    snprintf(folder, sizeof folder, "/tmp/goto-tls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    size_t end = strlen(folder);
    folder[end] = '/';
    folder[end + 1] = 0;
    struct str cert = tls_authority_pem(&server, TLS_FILE_CLIENT_CERT);
    struct str key = tls_authority_pem(&server, TLS_FILE_CLIENT_KEY);
    file_write("cert.pem", cert, none);
    file_write("key.pem", key, none);
    file_write("both.pem", cert, key);
    file_write("other.pem", tls_authority_pem(&server, TLS_FILE_CLIENT_KEY_EXPIRED), none);
    file_write("ca.pem", tls_authority_pem(&server, TLS_FILE_CA), none);
    file_write("text.pem", STR("hello\n"), none);
    file_write("broken.pem", STR("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
               none);
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    PEM_write_bio_PrivateKey(bio, pkey, EVP_aes_128_cbc(), (const unsigned char *)"pass", 4, NULL,
                             NULL);
    long size = BIO_get_mem_data(bio, &pem);
    file_write("locked.pem", (struct str){pem, (size_t)size}, none);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    tls_authority_free(server.authority);
}

static void files_remove(void)
{
    static const char *const names[] = {"cert.pem", "key.pem",  "both.pem",   "other.pem",
                                        "ca.pem",   "text.pem", "broken.pem", "locked.pem"};
    char path[128];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/** The same with "%s" standing for the folder in what is said. */
static void bad_file(const char *yaml, const char *format)
{
    char said[512];
    char *out = said;
    for (const char *at = format; *at; at++) {
        bool here = at[0] == '%' && at[1] == 's';
        out += here ? snprintf(out, 128, "%s", folder) : snprintf(out, 2, "%c", *at);
        at += here;
    }
    bad_in(folder, yaml, said);
}

START_TEST(test_good_files)
{
    files_make();
    static const char *const texts[] = {
        "{cert: cert.pem, key: key.pem}",
        "{cert: both.pem}",
        "{cert: cert.pem, key: both.pem, chain: ca.pem, send-chain: leaf}",
        "{cert: cert.pem, key: other.pem, fault: key-mismatch}",
        "{cert: cert.pem, fault: key-mismatch}",
        "{client-auth: request, client-ca: ca.pem}",
        "{sni: {a: {cert: both.pem}}}",
        "{cert: cert.pem, key: key.pem, fault: handshake-stall}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        tls_text_read_in(&text, folder, texts[i]);
        ck_assert_msg(text.result == READ_OK, "%s: %s", texts[i], text.said.data);
        tls_text_clear(&text);
    }
    files_remove();
}
END_TEST

START_TEST(test_bad_files)
{
    files_make();
    bad_file("{cert: no.pem}", "1:8: cannot use file '%sno.pem': No such file or directory");
    bad_file("{cert: text.pem}",
             "1:8: cannot use file '%stext.pem': it holds no certificate in PEM form");
    bad_file("{cert: key.pem}",
             "1:8: cannot use file '%skey.pem': it holds no certificate in PEM form");
    bad_file("{cert: .}", "1:8: cannot use file '%s.': it is no regular file");
    bad_file("{cert: ''}", "1:8: expected the path of a PEM file, found a string ''");
    bad_file("{cert: \"a\\0b\"}", "1:8: the path of a file holds no NUL");
    bad_file("{cert: cert.pem, key: cert.pem}",
             "1:23: cannot use file '%scert.pem': it holds no private key in PEM form (or one with "
             "a password)");
    bad_file("{cert: cert.pem, key: locked.pem}",
             "1:23: cannot use file '%slocked.pem': it holds no private key in PEM form (or one "
             "with a password)");
    bad_file("{cert: cert.pem}", "1:8: the certificate in '%scert.pem' has no private key");
    bad_file("{cert: cert.pem,\n key: other.pem}",
             "2:7: the key in '%sother.pem' is not that of the certificate in '%scert.pem'");
    bad_file("{key: key.pem}", "1:2: 'key' without the 'cert' it belongs to");
    bad_file("{chain: ca.pem}", "1:2: 'chain' without the 'cert' it belongs to");
    bad_file("{client-ca: ca.pem}",
             "1:2: 'client-ca' has no effect: 'client-auth' asks for no certificate");
    bad_file("{cert: both.pem, subject: CN=x}",
             "1:18: 'cert' is a certificate already made: 'subject' has no effect");
    bad_file("{cert: both.pem, ocsp: good}",
             "1:18: 'cert' is a certificate already made: 'ocsp' has no effect");
    bad_file("{cert: cert.pem, fault: expired}",
             "1:2: 'fault: expired' makes the certificate itself: no 'cert' beside it");
    tls_text_read_in(&text, folder, "{cert: broken.pem}");
    ck_assert_int_eq(text.result, READ_FAILED);
    ck_assert_ptr_nonnull(strstr(text.said.data, "it is not good PEM"));
    tls_text_clear(&text);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    files_remove();
}
END_TEST

START_TEST(test_a_fault_over_a_config)
{
    struct arena *arena = arena_new();
    const struct tls_fault *expired = tls_fault_find(STR("expired"));
    const struct tls_config *alone = tls_config_named(expired, arena);
    ck_str_is(tls_config_name(alone), "expired");
    ck_assert_int_lt(plan_of(alone).valid.until_ns, 0);
    good("{fault: tls1.0, key-type: ec384, alpn: h2}");
    const struct tls_config *with = tls_config_with(text.config, expired, arena);
    struct tls_plan plan = plan_of(with);
    ck_str_is(tls_config_name(with), "expired");
    ck_assert_int_eq(plan.key_type, KEY_EC384);
    ck_assert_int_eq(plan_max(&plan), TLS1_VERSION);
    ck_assert_int_lt(plan.valid.until_ns, 0);
    ck_assert(!plan.tickets);
    ck_assert_uint_eq(tls_config_alpn(with).count, 1);
    ck_str_is(tls_config_name(text.config), "tls1.0");
    tls_text_clear(&text);
    with = tls_config_with(NULL, expired, arena);
    with = tls_config_with(with, tls_fault_find(STR("wrong-host")), arena);
    plan = plan_of(with);
    ck_str_is(tls_config_name(with), "wrong-host");
    ck_assert_int_lt(plan.valid.until_ns, 0);
    ck_assert_uint_eq(plan.sans->count, 1);
    ck_assert_int_gt(plan_of(NULL).valid.until_ns, 0);
    arena_free(arena);
}
END_TEST

static bool covers(const char *later, const char *earlier)
{
    return tls_fault_covers(tls_fault_find(str_of(later)), tls_fault_find(str_of(earlier)));
}

START_TEST(test_a_fault_that_covers_another)
{
    ck_assert(covers("expired", "expired"));
    ck_assert(covers("not-yet-valid", "expired"));
    ck_assert(covers("no-san", "wrong-host"));
    ck_assert(covers("flipped-byte", "truncated-record"));
    ck_assert(!covers("wrong-host", "expired"));
    ck_assert(!covers("flipped-byte", "expired"));
    ck_assert(tls_fault_is_first(tls_fault_find(STR("handshake-reset"))));
    ck_assert(tls_fault_is_first(tls_fault_find(STR("unrecognized-name"))));
    ck_assert(!tls_fault_is_first(tls_fault_find(STR("expired"))));
    ck_assert(!tls_fault_is_first(tls_fault_find(STR("no-close-notify"))));
}
END_TEST

UNIT_MAIN("tls_config", test_names_of_the_catalogue, test_did_you_mean,
          test_every_key_of_a_certificate, test_every_key_of_parameters, test_defaults,
          test_ciphers_decide_about_versions, test_wrong_values, test_what_openssl_refuses,
          test_what_cannot_stand_together, test_what_a_name_cannot_have, test_good_files,
          test_bad_files, test_a_fault_over_a_config, test_a_fault_that_covers_another)
