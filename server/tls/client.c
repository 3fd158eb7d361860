#include "server/tls/client.h"

#include "base/memory.h"
#include "server/tls/authority.h"
#include "server/tls/config.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>

/* The record hangs on the connection's context. */

static void index_free(void *parent, void *object, CRYPTO_EX_DATA *data, int index, long argl,
                       void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    tls_client_release(object);
}

static int record_index(void)
{
    static int index = -1;
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, index_free);
    GOTO_ASSERT(index >= 0);
    return index;
}

static struct tls_client *record_of(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), record_index());
}

struct tls_client *tls_client_of(const SSL *ssl)
{
    struct tls_client *tls = ssl ? record_of(ssl) : NULL;
    if (tls)
        tls->references++;
    return tls;
}

void tls_client_release(struct tls_client *tls)
{
    if (!tls || --tls->references)
        return;
    X509_free(tls->leaf);
    memory_free(tls->sni);
    memory_free(tls);
}

static void keep_leaf(struct tls_client *tls, X509 *leaf)
{
    if (!leaf || tls->leaf)
        return;
    X509_up_ref(leaf);
    tls->leaf = leaf;
}

/* What OpenSSL tells while a connection lives. */

/** The error that ended something: the newest one of the TLS library itself. */
static void note_reason(struct tls_client *tls)
{
    const char *function = NULL;
    unsigned long error = ERR_peek_last_error_all(NULL, NULL, &function, NULL, NULL);
    if (ERR_GET_LIB(error) != ERR_LIB_SSL || tls->reason)
        return;
    tls->reason = ERR_GET_REASON(error);
    tls->about_alpn = function && strstr(function, "alpn");
}

/** close_notify and user_canceled end nothing by themselves; in TLS 1.3 all others are fatal. */
static bool is_fatal(const SSL *ssl, int value)
{
    int alert = value & 0xff;
    bool fatal = value >> 8 == SSL3_AL_FATAL || SSL_version(ssl) >= TLS1_3_VERSION;
    return fatal && alert != SSL_AD_CLOSE_NOTIFY && alert != SSL_AD_USER_CANCELLED;
}

static void note_alert(struct tls_client *tls, const SSL *ssl, int where, int value)
{
    if ((value & 0xff) == SSL_AD_CLOSE_NOTIFY && where & SSL_CB_READ)
        tls->closed = true;
    if (!is_fatal(ssl, value))
        return;
    int *alert = where & SSL_CB_READ ? &tls->alert_received : &tls->alert_sent;
    if (*alert < 0)
        *alert = value & 0xff;
    if (where & SSL_CB_WRITE)
        note_reason(tls);
}

static void note_agreed(struct tls_client *tls, const SSL *ssl)
{
    const unsigned char *alpn = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &size);
    if (size && size < sizeof tls->alpn)
        memcpy(tls->alpn, alpn, size);
    tls->stands = true;
    tls->version = SSL_get_version(ssl);
    tls->cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl));
    keep_leaf(tls, SSL_get0_peer_certificate(ssl)); /* of a session that is resumed */
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_client *tls = record_of(ssl);
    if (where & SSL_CB_HANDSHAKE_START && tls->sni && !tls->stands)
        SSL_set_tlsext_host_name((SSL *)ssl, tls->sni); /* libcurl has set its own by now */
    if (where & SSL_CB_ALERT)
        note_alert(tls, ssl, where, value);
    if (where & SSL_CB_HANDSHAKE_DONE)
        note_agreed(tls, ssl);
    if (where == SSL_CB_CONNECT_EXIT && value <= 0)
        note_reason(tls);
}

static void note_handshake_message(struct tls_client *tls, bool sent, int message, size_t size)
{
    /* a certificate message without certificates: 4 bytes of head, and lengths that are 0 */
    enum { EMPTY_CERTIFICATE = 8 };
    if (sent && message == SSL3_MT_CERTIFICATE)
        tls->sent_certificate = size > EMPTY_CERTIFICATE;
    else if (!sent && message == SSL3_MT_SERVER_HELLO)
        tls->hello = true;
    else if (!sent && message == SSL3_MT_CERTIFICATE_REQUEST)
        tls->asked_certificate = true;
}

static void note_record(struct tls_client *tls, const SSL *ssl, int type)
{
    if (!tls->stands || type != SSL3_RT_APPLICATION_DATA)
        return;
    tls->record_open = true;
    /* in TLS 1.3 every record looks so; what it is comes once it was deciphered */
    tls->answered = tls->answered || SSL_version(ssl) < TLS1_3_VERSION;
}

static void on_message(int sent, int version, int type, const void *bytes, size_t size, SSL *ssl,
                       void *context)
{
    struct tls_client *tls = context;
    const uint8_t *first = bytes;
    (void)version;
    if (size == 0)
        return;
    if (type == SSL3_RT_HANDSHAKE) {
        note_handshake_message(tls, sent, first[0], size);
    } else if (type == SSL3_RT_HEADER && !sent) {
        note_record(tls, ssl, first[0]);
    } else if (type == SSL3_RT_INNER_CONTENT_TYPE && !sent) {
        tls->record_open = false;
        tls->answered = tls->answered || (tls->stands && first[0] == SSL3_RT_APPLICATION_DATA);
    }
}

static int on_certificate(X509_STORE_CTX *chain, void *context)
{
    struct tls_client *tls = context;
    keep_leaf(tls, X509_STORE_CTX_get0_cert(chain));
    if (!tls->verify)
        return 1;
    int good = X509_verify_cert(chain);
    tls->verified = X509_STORE_CTX_get_error(chain);
    return good > 0;
}

static int on_status(SSL *ssl, void *context)
{
    struct tls_client *tls = context;
    tls->ocsp = tls_ocsp_judge(ssl, &tls->ocsp_words);
    if (tls->ocsp != TLS_OCSP_REVOKED && !tls->demand_ocsp)
        tls->ocsp = TLS_OCSP_FINE;
    return tls->ocsp == TLS_OCSP_FINE;
}

/* A new context. */

static void trust_file(X509_STORE *store, const struct pem_file *file)
{
    for (int i = 0; i < sk_X509_num(file->certificates); i++)
        X509_STORE_add_cert(store, sk_X509_value(file->certificates, i));
}

/** The system's, where OpenSSL was built to look for them; the environment has no say. */
static void trust_system(X509_STORE *store)
{
    X509_STORE_load_path(store, X509_get_default_cert_dir());
    X509_STORE_load_file(store, X509_get_default_cert_file());
}

static void set_trust(SSL_CTX *context, const struct tls_client_plan *plan)
{
    X509_STORE *store = X509_STORE_new();
    GOTO_ASSERT(store);
    if (plan->options && plan->options->ca) {
        trust_file(store, plan->options->ca);
    } else {
        /* without an authority nobody can have a certificate by it */
        if (plan->server && plan->server->authority)
            X509_STORE_add_cert(store, authority_ca(plan->server)->x509);
        if (!plan->only_run)
            trust_system(store);
    }
    /* as libcurl has it: an intermediate that is trusted needs no root above it */
    X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_cert_store(context, store);
    ERR_clear_error();
}

/** The name that is sent is the name that the certificate must be valid for. */
static void set_name(SSL_CTX *context, const struct tls_client_plan *plan, struct arena *arena)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    struct str name = plan->options && plan->options->sni.data ? plan->options->sni : plan->host;
    if (str_ends(name, STR(".")))
        name = str_slice(name, 0, name.size - 1);
    name = arena_copy(arena, name);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (!X509_VERIFY_PARAM_set1_ip_asc(param, name.data))
        X509_VERIFY_PARAM_set1_host(param, name.data, name.size);
    ERR_clear_error();
}

static void alpn_add(struct buf *wire, struct str name)
{
    buf_append_byte(wire, (char)name.size);
    buf_append(wire, name);
}

static void set_alpn(SSL_CTX *context, const struct tls_client_plan *plan)
{
    struct buf wire;
    buf_init(&wire, BUF_OWN);
    if (plan->options && plan->options->alpn) {
        const struct str *names = plan->options->alpn->items;
        for (size_t i = 0; i < plan->options->alpn->count; i++)
            alpn_add(&wire, names[i]);
    } else {
        for (size_t i = 0; i < COUNT_OF(plan->alpn) && plan->alpn[i]; i++)
            alpn_add(&wire, str_of(plan->alpn[i]));
    }
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)wire.data, (unsigned)wire.size);
    buf_clear(&wire);
}

static bool set_versions(SSL_CTX *context, const struct tls_client_options *options)
{
    int min = TLS1_2_VERSION;
    int max = options ? options->max : 0;
    /* Debian's level 2 has no TLS below 1.2 */
    if (options && options->min)
        min = options->min;
    else if (max && max < min)
        min = max;
    if (min < TLS1_2_VERSION)
        SSL_CTX_set_security_level(context, 0);
    return SSL_CTX_set_min_proto_version(context, min) &&
           SSL_CTX_set_max_proto_version(context, max);
}

static bool set_certificate(SSL_CTX *context, const struct tls_client_options *options)
{
    if (!options || !options->cert)
        return true;
    const struct pem_file *key = options->key ? options->key : options->cert;
    STACK_OF(X509) *certificates = options->cert->certificates;
    bool good = SSL_CTX_use_certificate(context, sk_X509_value(certificates, 0)) == 1;
    for (int i = 1; good && i < sk_X509_num(certificates); i++)
        good = SSL_CTX_add1_chain_cert(context, sk_X509_value(certificates, i)) == 1;
    return good && SSL_CTX_use_PrivateKey(context, key->key) == 1;
}

static struct tls_client *record_new(const struct tls_client_plan *plan)
{
    struct tls_client *tls = memory_alloc(sizeof *tls);
    tls->references = 1;
    tls->verify = !plan->options || plan->options->verify;
    tls->demand_ocsp = plan->options && plan->options->ocsp;
    tls->verified = X509_V_OK;
    tls->alert_received = -1;
    tls->alert_sent = -1;
    if (plan->options && plan->options->sni.data) {
        tls->sni = memory_alloc(plan->options->sni.size + 1);
        memcpy(tls->sni, plan->options->sni.data, plan->options->sni.size);
    }
    return tls;
}

static void set_callbacks(SSL_CTX *context, struct tls_client *tls)
{
    SSL_CTX_set_info_callback(context, on_info);
    SSL_CTX_set_msg_callback(context, on_message);
    SSL_CTX_set_msg_callback_arg(context, tls);
    SSL_CTX_set_verify(context, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(context, on_certificate, tls);
    if (tls->verify || tls->demand_ocsp) {
        SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
        SSL_CTX_set_tlsext_status_cb(context, on_status);
        SSL_CTX_set_tlsext_status_arg(context, tls);
    }
}

struct tls_client *tls_client_context(SSL_CTX *context, const struct tls_client_plan *plan,
                                      struct arena *arena, struct str *why)
{
    ERR_clear_error();
    if (!set_versions(context, plan->options) || !set_certificate(context, plan->options)) {
        *why = tls_error_text(arena);
        return NULL;
    }
    struct tls_client *tls = record_new(plan);
    SSL_CTX_set_ex_data(context, record_index(), tls); /* the context has the first reference */
    tls->references++;
    /* what ends without close_notify was maybe cut */
    SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    if (tls->verify || tls->demand_ocsp)
        set_trust(context, plan);
    set_name(context, plan, arena);
    set_alpn(context, plan);
    set_callbacks(context, tls);
    tls_log_keys(context);
    return tls;
}

/* What others ask. */

bool tls_client_is_closed(const struct tls_client *tls)
{
    return tls->closed;
}

bool tls_client_is_h2(const struct tls_client *tls)
{
    return str_is(str_of(tls->alpn), "h2");
}

void tls_client_sending(struct tls_client *tls)
{
    tls->answered = false;
    tls->record_open = false;
}

bool tls_client_has_received(const struct tls_client *tls)
{
    return tls->answered || tls->record_open;
}

/** The paths and names that the options have, a line each. */
struct str tls_client_key(const struct tls_client_plan *plan, struct arena *arena)
{
    static const struct tls_client_options defaults = {.verify = true};
    const struct tls_client_options *options = plan->options ? plan->options : &defaults;
    const struct pem_file *files[] = {options->ca, options->cert, options->key};
    const struct str *names = options->alpn ? options->alpn->items : NULL;
    struct buf key;
    buf_init(&key, BUF_OWN);
    buf_printf(&key, "%d %d %d %d %d %d " STR_FMT, options->verify, options->ocsp, options->min,
               options->max, plan->only_run, options->alpn != NULL, STR_ARG(options->sni));
    for (size_t i = 0; i < COUNT_OF(files); i++)
        buf_printf(&key, "\n" STR_FMT, STR_ARG(files[i] ? files[i]->path : STR("")));
    for (size_t i = 0; options->alpn && i < options->alpn->count; i++)
        buf_printf(&key, "\n" STR_FMT, STR_ARG(names[i]));
    for (size_t i = 0; !options->alpn && i < COUNT_OF(plan->alpn) && plan->alpn[i]; i++)
        buf_printf(&key, "\n%s", plan->alpn[i]);
    struct str text = arena_copy(arena, buf_str(&key));
    buf_clear(&key);
    return text;
}
