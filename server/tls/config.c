/* What a spec says about TLS: the rows of `tls:`, and what cannot stand together. */
#include "server/tls/config.h"

#include "base/clock.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ALPN_MOST = 255 };

/* The types of single keys. */

static enum read_result fault_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct str name = node_scalar_text(node);
    const struct tls_fault *fault =
        node_is_scalar(node) && node->kind != NODE_NULL ? tls_fault_find(name) : NULL;
    if (fault) {
        *(const struct tls_fault **)into = fault;
        return READ_OK;
    }
    if (node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    struct nearest nearest = {.wanted = name};
    for (const struct tls_fault *known = tls_catalogue; known->name; known++)
        str_nearest(&nearest, str_of(known->name));
    diagnostics_add(reader->diagnostics, node->place, "the catalogue of TLS has no '" STR_FMT "'",
                    STR_ARG(reader_shown(reader, name)));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

static struct json *fault_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    struct arena *arena = schema_arena(writer);
    struct json *names = json_array(arena);
    for (const struct tls_fault *fault = tls_catalogue; fault->name; fault++)
        json_push(arena, names, json_string(arena, str_of(fault->name)));
    struct json *schema = json_object(arena);
    json_put(arena, schema, STR("enum"), names);
    return schema_or_variable(writer, schema);
}

static const struct type type_fault = {
    .name = "a name of the catalogue of TLS, such as expired",
    .size = sizeof(const struct tls_fault *),
    .read = fault_read,
    .schema = fault_schema,
};

static struct json *string_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

static enum read_result subject_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct str why;
    if (node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    X509_NAME *name = name_read(node->text, reader->arena, &why);
    if (!name) {
        diagnostics_add(reader->diagnostics, node->place, "'" STR_FMT "' is no subject: " STR_FMT,
                        STR_ARG(reader_shown(reader, node->text)), STR_ARG(why));
        return READ_FAILED;
    }
    X509_NAME_free(name);
    *(struct str *)into = node->text;
    return READ_OK;
}

static const struct type type_subject = {
    .name = "a subject such as CN=a.example,O=X",
    .size = sizeof(struct str),
    .read = subject_read,
    .schema = string_schema,
};

static enum read_result san_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    const char *why;
    if (node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    if (!san_check(node->text, &why)) {
        diagnostics_add(reader->diagnostics, node->place,
                        "'" STR_FMT "' cannot be a name in a certificate: %s",
                        STR_ARG(reader_shown(reader, node->text)), why);
        return READ_FAILED;
    }
    *(struct str *)into = node->text;
    return READ_OK;
}

static const struct type type_san = {
    .name = "a name or an address",
    .size = sizeof(struct str),
    .read = san_read,
    .schema = string_schema,
};
static const struct type type_sans = TYPE_ONE_OR_LIST(&type_san);
static const struct type type_sans_pointer = TYPE_POINTER(&type_sans);

static enum read_result protocol_read(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    if (node->kind != NODE_STRING || node->text.size == 0 || node->text.size > ALPN_MOST)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = node->text;
    return READ_OK;
}

static const struct type type_protocol = {
    .name = "the ALPN name of a protocol (1 to 255 characters)",
    .size = sizeof(struct str),
    .read = protocol_read,
    .schema = string_schema,
};
static const struct type type_protocols = TYPE_ONE_OR_LIST(&type_protocol);
static const struct type type_strings = TYPE_ONE_OR_LIST(&type_string);
static const struct type type_contexts = TYPE_MAP(&tls_type);

static enum read_result signed_time_read(struct reader *reader, const struct type *type,
                                         const struct node *node, void *into)
{
    bool has = node->kind == NODE_STRING || node->kind == NODE_NUMBER;
    if (!has || !units_read_time(node_scalar_text(node), true, into))
        return reader_expected(reader, node, type->name);
    return READ_OK;
}

static struct json *signed_time_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": [\"string\", \"integer\"], \"minimum\": 0, \"maximum\": "
                               "0, \"pattern\": "
                               "\"^(0|-?[0-9]+(\\\\.[0-9]+)?(us|ms|s|m|h|d))$|\\\\$\\\\{\"}");
}

static const struct type type_signed_time = {
    .name = "a duration such as 30d or -1d",
    .size = sizeof(int64_t),
    .read = signed_time_read,
    .schema = signed_time_schema,
};

/* `valid`. */

static void valid_preset(void *into)
{
    struct tls_plan plan;
    plan_preset(&plan);
    *(struct plan_valid *)into = plan.valid;
}

static const struct row valid_rows[] = {
    {"from", &type_signed_time, offsetof(struct plan_valid, from_ns), 0, "-1d",
     "From then on, seen from the moment it is made; negative = in the past."},
    {"until", &type_signed_time, offsetof(struct plan_valid, until_ns), 0, "90d",
     "The last moment."},
};
static const struct table valid_table = {
    TABLE_ROWS("valid", valid_rows),
    .doc = "When a certificate is valid.",
    .preset = valid_preset,
};
static const struct type type_valid = TYPE_TABLE(&valid_table, struct plan_valid);

/* Choices. */

static const struct choice issuer_choices[] = {
    {"ca", ISSUER_CA, "The run's authority, which the built-in clients trust."},
    {"self", ISSUER_SELF, "Itself."},
    {"unknown", ISSUER_UNKNOWN, "An authority that nobody trusts."},
    {NULL, 0, NULL},
};
static const struct choice key_choices[] = {
    {"ec256", KEY_EC256, "P-256."},
    {"ec384", KEY_EC384, "P-384."},
    {"rsa2048", KEY_RSA2048, "RSA of 2048 bits; takes 0.1 s to make."},
    {"rsa4096", KEY_RSA4096, "RSA of 4096 bits; takes a second to make."},
    {"rsa1024", KEY_RSA1024, "RSA of 1024 bits, which most clients refuse."},
    {"ed25519", KEY_ED25519, "Ed25519."},
    {NULL, 0, NULL},
};
static const struct choice digest_choices[] = {
    {"sha256", DIGEST_SHA256, "SHA-256."},
    {"sha384", DIGEST_SHA384, "SHA-384."},
    {"sha512", DIGEST_SHA512, "SHA-512."},
    {"sha1", DIGEST_SHA1, "SHA-1, which most clients refuse."},
    {"md5", DIGEST_MD5, "MD5, which most clients refuse."},
    {NULL, 0, NULL},
};
static const struct choice chain_choices[] = {
    {"full", CHAIN_FULL, "All that a client needs besides what it trusts."},
    {"leaf", CHAIN_LEAF, "The certificate alone."},
    {NULL, 0, NULL},
};
static const struct choice ocsp_choices[] = {
    {"none", OCSP_NONE, "Nothing is stapled."},
    {"good", OCSP_GOOD, "Its issuer says that it is good."},
    {"revoked", OCSP_REVOKED, "Its issuer says that it was revoked."},
    {"stale", OCSP_STALE, "Its issuer said that it was good, for a time that is over."},
    {NULL, 0, NULL},
};
static const struct choice version_choices[] = {
    {"1.0", TLS1_VERSION, "TLS 1.0."},       {"1.1", TLS1_1_VERSION, "TLS 1.1."},
    {"1.2", TLS1_2_VERSION, "TLS 1.2."},     {"1.3", TLS1_3_VERSION, "TLS 1.3."},
    {"TLSv1", TLS1_VERSION, "TLS 1.0."},     {"TLSv1.0", TLS1_VERSION, "TLS 1.0."},
    {"TLSv1.1", TLS1_1_VERSION, "TLS 1.1."}, {"TLSv1.2", TLS1_2_VERSION, "TLS 1.2."},
    {"TLSv1.3", TLS1_3_VERSION, "TLS 1.3."}, {NULL, 0, NULL},
};
static const struct choice client_auth_choices[] = {
    {"none", CLIENT_AUTH_NONE, "Clients are not asked for a certificate."},
    {"request", CLIENT_AUTH_REQUEST, "They are asked; what they send has to be good."},
    {"require", CLIENT_AUTH_REQUIRE, "They have to send a good one."},
    {NULL, 0, NULL},
};
static const struct type type_issuer = TYPE_CHOICE(issuer_choices);
static const struct type type_key = TYPE_CHOICE(key_choices);
static const struct type type_digest = TYPE_CHOICE(digest_choices);
static const struct type type_chain = TYPE_CHOICE(chain_choices);
static const struct type type_ocsp = TYPE_CHOICE(ocsp_choices);
const struct type type_tls_version = TYPE_CHOICE(version_choices);
static const struct type type_client_auth = TYPE_CHOICE(client_auth_choices);
static const struct type type_alert = TYPE_CHOICE(tls_alerts);

#define PLAN(member) offsetof(struct tls_config, plan.member)

static const struct row tls_rows[] = {
    {"fault", &type_fault, offsetof(struct tls_config, fault), 0, "valid",
     "What is wrong: a name of the catalogue. Holds for the names of `sni`, too."},
    {"alert", &type_alert, PLAN(alert), 0, NULL,
     "A fatal alert that answers every ClientHello; beside `fault: client-cert-rejected` the one "
     "that answers a client's certificate."},
    {"subject", &type_subject, PLAN(subject), 0, NULL,
     "The subject of the certificate by RFC 2253; CN and the first of `sans` if not written."},
    {"sans", &type_sans_pointer, PLAN(sans), 0, NULL,
     "Names and addresses that it is for; localhost, 127.0.0.1, ::1 and the port's own if not "
     "written."},
    {"issuer", &type_issuer, PLAN(issuer), 0, "ca", "Who signed it."},
    {"valid", &type_valid, PLAN(valid), 0, NULL, "When it is valid."},
    {"key-type", &type_key, PLAN(key_type), 0, "ec256", "Its key."},
    {"digest", &type_digest, PLAN(digest), 0, "sha256", "The digest of its signature."},
    {"send-chain", &type_chain, PLAN(send_chain), 0, "full", "What is sent besides it."},
    {"cert", &type_certificate_file, PLAN(cert), 0, NULL,
     "A PEM file with a certificate, then perhaps its chain and its key; relative to the spec's "
     "folder."},
    {"key", &type_key_file, PLAN(key), 0, NULL,
     "A PEM file with its private key, if `cert` does not hold it."},
    {"chain", &type_certificate_file, PLAN(chain), 0, NULL,
     "A PEM file with what is sent after it."},
    {"min", &type_tls_version, PLAN(min), 0, "1.2", "The lowest version of TLS."},
    {"max", &type_tls_version, PLAN(max), 0, "1.3", "The highest version of TLS."},
    {"ciphers", &type_strings, PLAN(ciphers), 0, NULL,
     "The ciphers, by OpenSSL's names and words; suites of TLS 1.3 (TLS_…) are told from others."},
    {"groups", &type_strings, PLAN(groups), 0, NULL,
     "The groups for the key exchange, by OpenSSL's names."},
    {"alpn", &type_protocols, PLAN(alpn), 0, NULL,
     "Protocols to agree on, the preferred first; those of the port if not written."},
    {"client-auth", &type_client_auth, PLAN(client_auth), 0, "none",
     "Whether clients have a certificate."},
    {"client-ca", &type_certificate_file, PLAN(client_ca), 0, "${ca}",
     "A PEM file with the authorities that sign certificates of clients."},
    {"sni", &type_contexts, PLAN(sni), 0, NULL,
     "Other TLS for those who ask for a name (`*.x` for any one label). Parameters that are not "
     "written are the port's."},
    {"ocsp", &type_ocsp, PLAN(ocsp), 0, "none", "The OCSP answer stapled for who asks for one."},
    {"tickets", &type_bool, PLAN(tickets), 0, "true", "Whether sessions can be resumed."},
};

/* What cannot stand together. */

/** Adds an error at the key, if it stands there. */
static enum read_result refuse(struct reader *reader, const struct node *node, const char *key,
                               const char *format, ...) GOTO_PRINTF(4, 5);

static enum read_result refuse(struct reader *reader, const struct node *node, const char *key,
                               const char *format, ...)
{
    char text[256];
    const struct node_pair *pair = node_find(node, str_of(key));
    if (!pair)
        return READ_OK;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    diagnostics_add(reader->diagnostics, pair->key->place, "%s", text);
    return READ_FAILED;
}

/** A fault, and the keys that it sets itself. */
static enum read_result check_fault(struct reader *reader, const struct node *node,
                                    const struct tls_config *config)
{
    enum read_result result = READ_OK;
    const struct tls_fault_how *how = config->fault ? config->fault->how : NULL;
    if (!how)
        return READ_OK;
    for (size_t i = 0; i < COUNT_OF(how->sets) && how->sets[i]; i++)
        result = read_worse(result, refuse(reader, node, how->sets[i],
                                           "'fault: %s' decides about '%s' itself",
                                           config->fault->name, how->sets[i]));
    if (how->makes_certificate)
        for (size_t i = 0; i < 3; i++) {
            static const char *const keys[] = {"cert", "key", "chain"};
            result = read_worse(result, refuse(reader, node, keys[i],
                                               "'fault: %s' makes the certificate itself: no '%s' "
                                               "beside it",
                                               config->fault->name, keys[i]));
        }
    return result;
}

/** `alert` beside a fault is that of the refusal of clients' certificates, or has no meaning. */
static enum read_result check_alert(struct reader *reader, const struct node *node,
                                    const struct tls_config *config)
{
    struct tls_plan plan = plan_of(config);
    if (config->plan.alert < 0 || !config->fault || !strcmp(config->fault->name, "valid"))
        return READ_OK;
    if (!plan.reject_clients)
        return refuse(reader, node, "alert",
                      "an alert at the ClientHello leaves nothing of 'fault: %s'",
                      config->fault->name);
    if (alert_verify_error(plan.client_alert) != X509_V_OK)
        return READ_OK;
    char room[24];
    struct str name = tls_alert_name(plan.client_alert, room);
    return refuse(reader, node, "alert",
                  "OpenSSL never answers a client's certificate with " STR_FMT, STR_ARG(name));
}

static enum read_result check_made(struct reader *reader, const struct node *node,
                                   const struct tls_config *config)
{
    static const char *const keys[] = {"subject",  "sans",   "issuer", "valid",
                                       "key-type", "digest", "ocsp"};
    const struct tls_plan *plan = &config->plan;
    enum read_result result = READ_OK;
    for (size_t i = 0; plan->cert && i < COUNT_OF(keys); i++)
        result = read_worse(result, refuse(reader, node, keys[i],
                                           "'cert' is a certificate already made: '%s' has no "
                                           "effect",
                                           keys[i]));
    if (!plan->cert)
        result = read_worse(result,
                            refuse(reader, node, "key", "'key' without the 'cert' it belongs to"));
    if (!plan->cert)
        result = read_worse(
            result, refuse(reader, node, "chain", "'chain' without the 'cert' it belongs to"));
    if (plan->issuer == ISSUER_SELF && plan->key_type == KEY_ED25519)
        result = read_worse(
            result, refuse(reader, node, "digest", "Ed25519 signs itself: it takes no 'digest'"));
    return result;
}

/** ECDSA has no signature with MD5, and the run's authorities sign by it. */
static enum read_result check_md5(struct reader *reader, const struct node *node,
                                  const struct tls_config *config)
{
    struct tls_plan plan = plan_of(config);
    bool rsa = plan.key_type == KEY_RSA1024 || plan.key_type == KEY_RSA2048 ||
               plan.key_type == KEY_RSA4096;
    if (config->plan.digest != DIGEST_MD5 || (plan.issuer == ISSUER_SELF && rsa))
        return READ_OK;
    enum read_result result =
        refuse(reader, node, "digest", "only a key of RSA that signs itself takes the digest md5");
    if (result != READ_OK)
        diagnostics_help(reader->diagnostics, "write 'issuer: self' and 'key-type: rsa2048', or "
                                              "take sha1");
    return result;
}

/** The private key of a certificate from a file: there is one, and it is the right one. */
static enum read_result check_key(struct reader *reader, const struct node *node,
                                  const struct tls_config *config)
{
    const struct tls_plan *plan = &config->plan;
    struct tls_plan faulty = plan_of(config);
    if (!faulty.cert || faulty.wrong_key)
        return READ_OK;
    const struct pem_file *from = plan->key ? plan->key : plan->cert;
    struct place place = node_find(node, plan->key ? STR("key") : STR("cert"))->value->place;
    if (!from->key) {
        diagnostics_add(reader->diagnostics, place,
                        "the certificate in '" STR_FMT "' has no private key",
                        STR_ARG(plan->cert->path));
        diagnostics_help(reader->diagnostics, "name its file by 'key', or put it into the same");
        return READ_FAILED;
    }
    if (X509_check_private_key(sk_X509_value(plan->cert->certificates, 0), from->key) == 1)
        return READ_OK;
    ERR_clear_error();
    diagnostics_add(reader->diagnostics, place,
                    "the key in '" STR_FMT "' is not that of the certificate in '" STR_FMT "'",
                    STR_ARG(from->path), STR_ARG(plan->cert->path));
    diagnostics_help(reader->diagnostics, "'fault: key-mismatch' is for that");
    return READ_FAILED;
}

/** The first group that OpenSSL refuses; data NULL if it takes each. */
static struct str refused_group(const struct tls_plan *plan, SSL_CTX *context, struct arena *arena)
{
    for (struct str rest = plan_groups(plan, arena); rest.size;) {
        struct str group = arena_copy(arena, names_step(&rest));
        if (!SSL_CTX_set1_groups_list(context, group.data))
            return group;
    }
    return (struct str){0};
}

/** Adds what OpenSSL has against the ciphers or groups at `key`: against one name of them, or (data
 * NULL) against all together. */
static enum read_result add_refusal(struct reader *reader, const struct node *node, const char *key,
                                    struct str name)
{
    struct place place = node_find(node, str_of(key))->value->place;
    struct str why = tls_error_text(reader->arena);
    if (name.data)
        diagnostics_add(reader->diagnostics, place, "OpenSSL knows no %.*s '" STR_FMT "'",
                        (int)strlen(key) - 1, key, STR_ARG(reader_shown(reader, name)));
    else
        diagnostics_add(reader->diagnostics, place, "OpenSSL refuses these %s: " STR_FMT, key,
                        STR_ARG(why));
    return READ_FAILED;
}

/** What OpenSSL says of ciphers and groups; it is not touched without them. */
static enum read_result check_parameters(struct reader *reader, const struct node *node,
                                         const struct tls_plan *plan)
{
    const char *key;
    size_t others;
    if (node_find(node, STR("ciphers")) && !ciphers_count(&plan->ciphers, &others) && !others)
        return refuse(reader, node, "ciphers", "an empty list of ciphers agrees with nobody");
    if (node_find(node, STR("groups")) && !plan->groups.count)
        return refuse(reader, node, "groups", "an empty list of groups agrees with nobody");
    if (!plan->ciphers.count && !plan->groups.count)
        return READ_OK;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    GOTO_ASSERT(context);
    SSL_CTX_set_security_level(context, 0);
    enum read_result result = READ_OK;
    struct str cipher = ciphers_refused(&plan->ciphers, context, reader->arena);
    struct str group = refused_group(plan, context, reader->arena);
    if (cipher.data)
        result = add_refusal(reader, node, "ciphers", cipher);
    if (group.data)
        result = add_refusal(reader, node, "groups", group);
    if (result == READ_OK && !plan_set_parameters(plan, context, reader->arena, &key))
        result = add_refusal(reader, node, key, (struct str){0});
    SSL_CTX_free(context);
    ERR_clear_error();
    return result;
}

static enum read_result check_versions(struct reader *reader, const struct node *node,
                                       const struct tls_plan *plan)
{
    size_t others;
    size_t suites = ciphers_count(&plan->ciphers, &others);
    if (plan->min && plan->max && plan->min > plan->max) {
        diagnostics_add(reader->diagnostics, node_find(node, STR("min"))->value->place,
                        "'min' is above 'max': no version is left");
        return READ_FAILED;
    }
    if (suites && !others && plan_max(plan) < TLS1_3_VERSION)
        return refuse(reader, node, "ciphers", "they are all of TLS 1.3, and 'max' is below");
    if (others && !suites && plan_min(plan) == TLS1_3_VERSION)
        return refuse(reader, node, "ciphers", "none of them is of TLS 1.3, and 'min' is");
    return READ_OK;
}

/** Whether something is wrong with a config that only a whole port can do. */
static bool is_of_port(const struct tls_plan *plan)
{
    return plan->wire != WIRE_NONE || plan->lies || plan->swap_names || plan->sni.count ||
           (plan->alert >= 0 && !alert_is_sent_by_openssl(plan->alert));
}

static enum read_result check_name(struct reader *reader, const struct map_entry *entry)
{
    const char *why;
    const struct tls_config *config = *(struct tls_config *const *)entry->value;
    struct tls_plan plan = plan_of(config);
    if (!san_check(entry->name, &why) || str_find_byte(entry->name, ':') >= 0) {
        diagnostics_add(reader->diagnostics, entry->place, "'" STR_FMT "' is no name of a host",
                        STR_ARG(reader_shown(reader, entry->name)));
        return READ_FAILED;
    }
    if (is_of_port(&plan) || !plan.tickets) {
        const char *what = plan.sni.count  ? "'sni'"
                           : !plan.tickets ? "'tickets'"
                           : config->fault ? config->fault->name
                                           : "this alert";
        diagnostics_add(reader->diagnostics, entry->place,
                        "%s is of the whole port, it cannot be of one name", what);
        return READ_FAILED;
    }
    return READ_OK;
}

/** The names of `sni`: fills `names`. */
static enum read_result check_names(struct reader *reader, struct tls_plan *plan)
{
    enum read_result result = READ_OK;
    const struct map_entry *entries = plan->sni.items;
    struct str *names = arena_alloc_array(reader->arena, plan->sni.count, sizeof *names);
    for (size_t i = 0; i < plan->sni.count; i++) {
        names[i] = entries[i].name;
        result = read_worse(result, check_name(reader, &entries[i]));
        for (size_t j = 0; j < i; j++)
            if (str_equal_nocase(names[i], names[j])) {
                diagnostics_add(reader->diagnostics, entries[i].place,
                                "'" STR_FMT "' stands here twice: case does not count",
                                STR_ARG(names[i]));
                result = READ_FAILED;
            }
    }
    plan->names = (struct list){.items = names, .count = plan->sni.count};
    return result;
}

static enum read_result tls_check(struct reader *reader, const struct node *node, void *into)
{
    struct tls_config *config = into;
    struct tls_plan *plan = &config->plan;
    enum read_result result = check_fault(reader, node, config);
    result = read_worse(result, check_alert(reader, node, config));
    result = read_worse(result, check_made(reader, node, config));
    result = read_worse(result, check_md5(reader, node, config));
    result = read_worse(result, check_key(reader, node, config));
    result = read_worse(result, check_versions(reader, node, plan));
    result = read_worse(result, check_parameters(reader, node, plan));
    result = read_worse(result, check_names(reader, plan));
    if (plan->client_auth <= CLIENT_AUTH_NONE)
        result = read_worse(result, refuse(reader, node, "client-ca",
                                           "'client-ca' has no effect: 'client-auth' asks for no "
                                           "certificate"));
    if (!plan->alpn.count && node_find(node, STR("alpn"))) {
        result = refuse(reader, node, "alpn", "an empty list of protocols agrees on nothing");
        diagnostics_help(reader->diagnostics, "'fault: alpn-none' is for that");
    }
    return result;
}

static void tls_preset(void *into)
{
    struct tls_config *config = into;
    config->fault = NULL;
    plan_preset(&config->plan);
}

static const struct table tls_table = {
    TABLE_ROWS("tls", tls_rows),
    .doc = "The TLS of a port: a name of the catalogue, or what its certificate and its handshake "
           "are like.",
    .shorthand = "fault",
    .preset = tls_preset,
    .check = tls_check,
    .empty_allowed = true,
};
static const struct type type_tls = TYPE_TABLE(&tls_table, struct tls_config);
const struct type tls_type = TYPE_POINTER(&type_tls);

/* Configs for others. */

static struct tls_config *config_new(struct arena *arena)
{
    struct tls_config *config = arena_alloc(arena, sizeof *config);
    tls_preset(config);
    return config;
}

const struct tls_config *tls_config_named(const struct tls_fault *fault, struct arena *arena)
{
    struct tls_config *config = config_new(arena);
    config->fault = fault;
    return config;
}

const struct tls_config *tls_config_with(const struct tls_config *base,
                                         const struct tls_fault *fault, struct arena *arena)
{
    struct tls_config *config = config_new(arena);
    if (base)
        *config = *base;
    const struct tls_fault **over =
        arena_alloc_array(arena, config->over_count + 1, sizeof(struct tls_fault *));
    for (size_t i = 0; i < config->over_count; i++)
        over[i] = config->over[i];
    over[config->over_count++] = fault;
    config->over = over;
    return config;
}

struct list tls_config_alpn(const struct tls_config *config)
{
    return config ? config->plan.alpn : (struct list){0};
}

struct list tls_config_names(const struct tls_config *config)
{
    return config ? config->plan.names : (struct list){0};
}

struct str tls_config_name(const struct tls_config *config)
{
    if (config && config->over_count)
        return str_of(config->over[config->over_count - 1]->name);
    return config && config->fault ? str_of(config->fault->name) : STR("valid");
}
