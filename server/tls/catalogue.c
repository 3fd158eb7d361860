/* The catalogue: what can be wrong with TLS, one row each (LANGUAGE 6). */
#include "server/tls/config.h"

#include "base/clock.h"

#include <string.h>

#define DAY_NS (INT64_C(86400) * CLOCK_SECOND)

enum {
    HUGE_PADDING = 4000, /**< names of 40 bytes: more than the 100 KiB that OpenSSL takes */
    DRIP_RATE = 500,     /**< bytes a second: 3 s for a handshake with P-256 */
    ALERT_UNRECOGNIZED_NAME = 112,
};

/* Certificates. */

static void apply_expired(struct tls_plan *plan)
{
    plan->valid = (struct plan_valid){.from_ns = -30 * DAY_NS, .until_ns = -DAY_NS};
}

static void apply_not_yet_valid(struct tls_plan *plan)
{
    plan->valid = (struct plan_valid){.from_ns = DAY_NS, .until_ns = 90 * DAY_NS};
}

static void apply_wrong_host(struct tls_plan *plan)
{
    static struct str name = STR_INIT("wrong.host.example");
    static struct list names = {.items = &name, .count = 1};
    plan->sans = &names;
}

static void apply_self_signed(struct tls_plan *plan)
{
    plan->issuer = ISSUER_SELF;
}

static void apply_untrusted_root(struct tls_plan *plan)
{
    plan->issuer = ISSUER_UNKNOWN;
    plan->send_chain = CHAIN_FULL;
}

static void apply_incomplete_chain(struct tls_plan *plan)
{
    plan->issuer = ISSUER_INTERMEDIATE;
    plan->send_chain = CHAIN_LEAF;
}

static void apply_reversed_chain(struct tls_plan *plan)
{
    plan->issuer = ISSUER_INTERMEDIATE;
    plan->send_chain = CHAIN_REVERSED;
}

static void apply_revoked(struct tls_plan *plan)
{
    plan->ocsp = OCSP_REVOKED;
}

static void apply_no_san(struct tls_plan *plan)
{
    static struct list none;
    plan->sans = &none;
}

static void apply_wrong_usage(struct tls_plan *plan)
{
    plan->client_usage = true;
}

static void apply_weak_key(struct tls_plan *plan)
{
    plan->key_type = KEY_RSA1024;
}

static void apply_sha1(struct tls_plan *plan)
{
    plan->digest = DIGEST_SHA1;
}

static void apply_key_mismatch(struct tls_plan *plan)
{
    plan->wrong_key = true;
}

static void apply_huge_certificate(struct tls_plan *plan)
{
    plan->padding = HUGE_PADDING;
}

/* Versions, ciphers, groups. */

static void apply_version(struct tls_plan *plan, int version)
{
    plan->min = version;
    plan->max = version;
}

static void apply_tls10(struct tls_plan *plan)
{
    apply_version(plan, TLS1_VERSION);
}

static void apply_tls11(struct tls_plan *plan)
{
    apply_version(plan, TLS1_1_VERSION);
}

static void apply_tls12(struct tls_plan *plan)
{
    apply_version(plan, TLS1_2_VERSION);
}

static void apply_tls13(struct tls_plan *plan)
{
    apply_version(plan, TLS1_3_VERSION);
}

static void apply_null_cipher(struct tls_plan *plan)
{
    static struct str cipher = STR_INIT("eNULL");
    apply_tls12(plan); /* TLS 1.3 has none */
    plan->ciphers = (struct list){.items = &cipher, .count = 1};
}

static void apply_no_shared_group(struct tls_plan *plan)
{
    /* known to OpenSSL, offered by no client on its own, and forbidden in TLS 1.3 */
    static struct str group = STR_INIT("secp224r1");
    plan->groups = (struct list){.items = &group, .count = 1};
}

/* ALPN and SNI. */

static void apply_alpn_none(struct tls_plan *plan)
{
    plan->alpn_how = ALPN_NONE;
}

static void apply_alpn_reject(struct tls_plan *plan)
{
    plan->alpn_how = ALPN_REJECT;
}

static void apply_alpn_unoffered(struct tls_plan *plan)
{
    plan->alpn_how = ALPN_UNOFFERED;
}

static void apply_alpn_mismatch(struct tls_plan *plan)
{
    plan->lies = true;
}

static void apply_unrecognized_name(struct tls_plan *plan)
{
    plan->alert = ALERT_UNRECOGNIZED_NAME;
}

static void apply_wrong_sni(struct tls_plan *plan)
{
    static struct str name = STR_INIT("other.host.example");
    static struct list names = {.items = &name, .count = 1};
    plan->sans = &names;
    plan->swap_names = true;
}

/* Certificates of clients. */

static void apply_client_required(struct tls_plan *plan)
{
    plan->client_auth = CLIENT_AUTH_REQUIRE;
}

static void apply_client_rejected(struct tls_plan *plan)
{
    plan->client_auth = CLIENT_AUTH_REQUIRE;
    plan->reject_clients = true;
    if (plan->alert >= 0)
        plan->client_alert = plan->alert;
    plan->alert = -1;
}

static void apply_drip(struct tls_plan *plan)
{
    plan->drip = DRIP_RATE;
}

#define HOW(...) (&(const struct tls_fault_how){__VA_ARGS__})
/** A fault of the certificate that is made, with the keys that it sets itself. */
#define MADE(function, ...)                                                                        \
    HOW(.apply = (function), .makes_certificate = true, .sets = {__VA_ARGS__})
/** A fault of the parameters. */
#define PARAMETERS(function, ...) HOW(.apply = (function), .sets = {__VA_ARGS__})
/** A fault of the records below TLS. */
#define WIRE(kind) HOW(.wire = (kind))

const struct tls_fault tls_catalogue[] = {
    {"valid", "Nothing is wrong.", NULL, NULL, HOW(.apply = NULL)},

    {"expired", "The certificate's last moment was a day ago.", "tls-expired",
     "certificate has expired (verify result 10)", MADE(apply_expired, "valid")},
    {"not-yet-valid", "The certificate's first moment is tomorrow.", "tls-not-yet-valid",
     "certificate is not yet valid (verify result 9)", MADE(apply_not_yet_valid, "valid")},
    {"wrong-host", "The certificate is for wrong.host.example only.", "tls-hostname",
     "hostname mismatch (verify result 62), IP address mismatch (64)",
     MADE(apply_wrong_host, "sans")},
    {"self-signed", "The certificate is signed by itself.", "tls-self-signed",
     "self-signed certificate (verify result 18)", MADE(apply_self_signed, "issuer", "send-chain")},
    {"untrusted-root",
     "The certificate is signed by a root that nobody trusts, which is sent, too.", "tls-untrusted",
     "self-signed certificate in certificate chain (verify result 19)",
     MADE(apply_untrusted_root, "issuer", "send-chain")},
    {"incomplete-chain", "The intermediate that signed the certificate is not sent.",
     "tls-untrusted", "unable to get local issuer certificate (verify result 20)",
     MADE(apply_incomplete_chain, "issuer", "send-chain")},
    {"reversed-chain", "The root comes before the intermediate that signed the certificate.", NULL,
     "nothing: OpenSSL takes a chain in any order",
     MADE(apply_reversed_chain, "issuer", "send-chain")},
    {"revoked", "The stapled OCSP answer says that the certificate was revoked.", "tls-revoked",
     "nothing by itself: the client has to look at the answer", MADE(apply_revoked, "ocsp")},
    {"no-san", "The certificate has a common name, localhost, but no alternative names.",
     "tls-hostname",
     "IP address mismatch (verify result 64); it accepts the common name where a name is asked for",
     MADE(apply_no_san, "sans")},
    {"wrong-usage", "The certificate is for clients only (extended key usage).", "tls-usage",
     "unsuitable certificate purpose (verify result 26)", MADE(apply_wrong_usage)},
    {"weak-key", "The certificate's key is RSA of 1024 bits.", "tls-weak",
     "EE certificate key too weak (verify result 66)", MADE(apply_weak_key, "key-type")},
    {"sha1", "The certificate's signature is made with SHA-1.", "tls-weak",
     "CA signature digest algorithm too weak (verify result 68)", MADE(apply_sha1, "digest")},
    {"key-mismatch", "What the server signs with is not the certificate's key.", "tls-handshake",
     "bad signature", PARAMETERS(apply_key_mismatch)},
    {"huge-certificate", "The certificate has 4000 names more, 160 KB.", "tls-handshake",
     "excessive message size", MADE(apply_huge_certificate)},

    {"tls1.0", "Only TLS 1.0 is spoken.", "tls-version",
     "tlsv1 alert protocol version, or legacy sigalg disallowed or unsupported where old versions "
     "are "
     "not switched off",
     PARAMETERS(apply_tls10, "min", "max")},
    {"tls1.1", "Only TLS 1.1 is spoken.", "tls-version",
     "tlsv1 alert protocol version, or legacy sigalg disallowed or unsupported where old versions "
     "are "
     "not switched off",
     PARAMETERS(apply_tls11, "min", "max")},
    {"tls1.2-only", "Only TLS 1.2 is spoken.", NULL, NULL, PARAMETERS(apply_tls12, "min", "max")},
    {"tls1.3-only", "Only TLS 1.3 is spoken.", NULL, NULL, PARAMETERS(apply_tls13, "min", "max")},
    {"null-cipher", "Only ciphers that do not encrypt are spoken.", "tls-cipher",
     "sslv3 alert handshake failure", PARAMETERS(apply_null_cipher, "ciphers", "min", "max")},
    {"no-shared-group", "Only a group for the key exchange is known that no client offers.",
     "tls-cipher", "sslv3 alert handshake failure", PARAMETERS(apply_no_shared_group, "groups")},

    {"alpn-none", "ALPN is not answered.", NULL, NULL, PARAMETERS(apply_alpn_none, "alpn")},
    {"alpn-reject", "Whatever ALPN offers is refused.", "tls-alpn",
     "tlsv1 alert no application protocol", PARAMETERS(apply_alpn_reject, "alpn")},
    {"alpn-unoffered", "ALPN is answered by a protocol that was not offered.", "tls-alpn",
     "bad extension", PARAMETERS(apply_alpn_unoffered, "alpn")},
    {"alpn-mismatch", "After h2 was agreed on HTTP/1.1 is spoken, and the reverse.", "protocol",
     NULL, PARAMETERS(apply_alpn_mismatch)},

    {"unrecognized-name", "Every ClientHello is answered by the alert unrecognized_name.",
     "tls-handshake", "tlsv1 unrecognized name", PARAMETERS(apply_unrecognized_name)},
    {"wrong-sni-certificate",
     "The certificate is for another name of `sni` than was asked for; without two such names for "
     "other.host.example.",
     "tls-hostname", "hostname mismatch (verify result 62), IP address mismatch (64)",
     MADE(apply_wrong_sni, "sans")},

    {"client-cert-required", "A certificate that the run's authority signed is required.",
     "tls-client-cert", "tlsv13 alert certificate required; with TLS 1.2 handshake failure",
     PARAMETERS(apply_client_required, "client-auth")},
    {"client-cert-rejected",
     "A certificate is required, and each is refused by `alert` (unknown_ca).", "tls-client-cert",
     "tlsv1 alert unknown ca, or the alert asked for",
     PARAMETERS(apply_client_rejected, "client-auth", "client-ca")},

    {"handshake-stall", "The ClientHello is read, nothing is answered.", "timeout", NULL,
     WIRE(WIRE_STALL)},
    {"handshake-stall-after-hello", "After the ServerHello nothing more comes.", "timeout", NULL,
     WIRE(WIRE_STALL_AFTER_HELLO)},
    {"handshake-stall-before-finished", "All but the server's Finished comes.", "timeout", NULL,
     WIRE(WIRE_STALL_BEFORE_FINISHED)},
    {"handshake-garbage", "Random bytes in place of the ServerHello, then FIN.", "tls-handshake",
     "wrong version number", WIRE(WIRE_GARBAGE)},
    {"handshake-reset", "RST after the ClientHello.", "connection-reset",
     "Connection reset by peer", WIRE(WIRE_RESET)},
    {"handshake-close", "FIN after the ClientHello.", "tls-handshake",
     "unexpected eof while reading", WIRE(WIRE_CLOSE)},
    {"handshake-plaintext", "The ClientHello is answered by HTTP/1.1 in clear, then FIN.",
     "tls-handshake", "wrong version number", WIRE(WIRE_PLAINTEXT)},
    {"handshake-oversized-record", "A record is longer than TLS allows.", "tls-handshake",
     "data length too long", WIRE(WIRE_OVERSIZED_RECORD)},
    {"handshake-drip", "The server's handshake comes at 500 bytes a second.", NULL, NULL,
     HOW(.apply = apply_drip, .wire = WIRE_DRIP)},

    {"no-close-notify", "The connection ends by FIN without close_notify.", NULL,
     "unexpected eof while reading, where the end of the answer is the end of the connection",
     WIRE(WIRE_NO_CLOSE_NOTIFY)},
    {"flipped-byte", "A byte of the first record of application data is another.", "protocol",
     "decryption failed or bad record mac", WIRE(WIRE_FLIPPED_BYTE)},
    {"truncated-record", "The first record of application data ends half way, then FIN.",
     "connection-closed", "unexpected eof while reading", WIRE(WIRE_TRUNCATED_RECORD)},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct tls_fault *tls_fault_find(struct str name)
{
    for (const struct tls_fault *fault = tls_catalogue; fault->name; fault++)
        if (str_is(name, fault->name))
            return fault;
    return NULL;
}

static bool sets_key(const struct tls_fault_how *how, const char *key)
{
    for (size_t i = 0; i < COUNT_OF(how->sets) && how->sets[i]; i++)
        if (!strcmp(how->sets[i], key))
            return true;
    return false;
}

bool tls_fault_covers(const struct tls_fault *later, const struct tls_fault *earlier)
{
    const struct tls_fault_how *over = later->how;
    const struct tls_fault_how *under = earlier->how;
    if (later == earlier || (over->wire != WIRE_NONE && under->wire != WIRE_NONE))
        return true;
    for (size_t i = 0; i < COUNT_OF(over->sets) && over->sets[i]; i++)
        if (sets_key(under, over->sets[i]))
            return true;
    return false;
}

bool tls_fault_is_first(const struct tls_fault *fault)
{
    const struct tls_fault_how *how = fault->how;
    return tls_wire_is_mute(how->wire) || how->apply == apply_unrecognized_name;
}
