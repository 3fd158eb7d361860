/* `tls:` of a step, as read. */
#include "server/tls/client.h"
#include "server/tls/config.h"

#include <openssl/err.h>

#include <string.h>

static struct json *text_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1, \"maxLength\": 255}");
}

/** RFC 7301, section 3.1: a name of a protocol has 1 to 255 bytes. */
static enum read_result alpn_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str text = {0};
    enum read_result result = type_string.read(reader, &type_string, node, &text);
    if (result != READ_OK)
        return result;
    if (text.size == 0 || text.size > 255)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = text;
    return READ_OK;
}

static const struct type type_alpn_name = {
    .name = "the name of a protocol such as h2, of at most 255 bytes",
    .size = sizeof(struct str),
    .read = alpn_read,
    .schema = text_schema};
static const struct type type_alpn_list = TYPE_LIST(&type_alpn_name);
static const struct type type_alpn = TYPE_POINTER(&type_alpn_list);

/** What OpenSSL takes as the name of SNI (RFC 6066, section 3). */
static enum read_result sni_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct str text = {0};
    enum read_result result = type_string.read(reader, &type_string, node, &text);
    if (result != READ_OK)
        return result;
    bool good = text.size > 0 && text.size <= TLSEXT_MAXLEN_host_name;
    for (size_t i = 0; i < text.size; i++)
        good = good && (unsigned char)text.data[i] > ' ' && text.data[i] != 0x7f;
    if (!good)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = text;
    return READ_OK;
}

static const struct type type_sni = {.name = "the name of a host, of at most 255 bytes",
                                     .size = sizeof(struct str),
                                     .read = sni_read,
                                     .schema = text_schema};

static void options_preset(void *into)
{
    struct tls_client_options *options = into;
    options->verify = true;
}

static enum read_result refuse_key(struct reader *reader, const struct node *node, const char *key,
                                   const char *message)
{
    diagnostics_add(reader->diagnostics, node_get(node, key)->place, "%s", message);
    return READ_FAILED;
}

static enum read_result check_certificate(struct reader *reader, const struct node *node,
                                          const struct tls_client_options *options)
{
    if (options->key && !options->cert)
        return refuse_key(reader, node, "key", "a 'key' needs the 'cert' that it belongs to");
    if (!options->cert)
        return READ_OK;
    const struct pem_file *with_key = options->key ? options->key : options->cert;
    if (!with_key->key)
        return refuse_key(reader, node, "cert",
                          "a 'cert' needs its 'key': there is none in its file");
    X509 *leaf = sk_X509_value(options->cert->certificates, 0);
    if (X509_check_private_key(leaf, with_key->key))
        return READ_OK;
    ERR_clear_error();
    return refuse_key(reader, node, options->key ? "key" : "cert",
                      "the key does not belong to the certificate");
}

static enum read_result options_check(struct reader *reader, const struct node *node, void *into)
{
    const struct tls_client_options *options = into;
    enum read_result result = check_certificate(reader, node, options);
    if (options->min && options->max && options->min > options->max)
        result = refuse_key(reader, node, "min", "'min' is above 'max'");
    if (!options->verify && options->ca)
        result = refuse_key(reader, node, "ca", "with 'verify: false' there is no use for a 'ca'");
    return result;
}

static const struct row options_rows[] = {
    {"ca", &type_certificate_file, offsetof(struct tls_client_options, ca), 0,
     "the run's authority; for others than the run's ports also the system's",
     "A PEM file with the authorities that are trusted, and no others."},
    {"verify", &type_bool, offsetof(struct tls_client_options, verify), 0, "true",
     "Whether the server's certificate must be good; without it any is taken."},
    {"cert", &type_certificate_file, offsetof(struct tls_client_options, cert), 0, NULL,
     "A PEM file with the client's certificate and what signed it, such as ${client-cert}."},
    {"key", &type_key_file, offsetof(struct tls_client_options, key), 0,
     "the one in the file of 'cert'", "A PEM file with the key of `cert`, such as ${client-key}."},
    {"sni", &type_sni, offsetof(struct tls_client_options, sni), 0,
     "the URL's host, if it is a name",
     "The name that the server is asked for, and that its certificate must be valid for."},
    {"min", &type_tls_version, offsetof(struct tls_client_options, min), 0, "OpenSSL's: 1.2",
     "The lowest version that is offered; below 1.2 weak keys and digests are taken, too."},
    {"max", &type_tls_version, offsetof(struct tls_client_options, max), 0, "1.3",
     "The highest version that is offered."},
    {"alpn", &type_alpn, offsetof(struct tls_client_options, alpn), 0, "by `version`",
     "The protocols that are offered, whatever `version` says; [] offers none."},
    {"ocsp", &type_bool, offsetof(struct tls_client_options, ocsp), 0, "false",
     "A stapled OCSP answer must come and say that the certificate is good."},
};

const struct table tls_client_table = {
    TABLE_ROWS("tls", options_rows),
    .doc = "How the client speaks TLS.",
    .preset = options_preset,
    .check = options_check,
};
static const struct type options_type = TYPE_TABLE(&tls_client_table, struct tls_client_options);
const struct type tls_client_type = TYPE_POINTER(&options_type);
