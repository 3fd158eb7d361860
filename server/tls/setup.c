/* Makes the TLS of a port: a context of OpenSSL for the port and for each name of `sni`. */
#include "base/memory.h"
#include "server/tls/authority.h"
#include "server/tls/config.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

enum { SESSION_ID_SIZE = 16, COMMON_NAME_MOST = 64 };

/** One context and what its callbacks know. */
struct setup_context {
    struct str name; /**< of `sni`; data NULL = the port's own */
    SSL_CTX *context;
    struct str staple; /**< OCSP answer; data NULL = none */
    struct str alpn;   /**< on the wire: each name behind its length */
    struct str suites; /**< of TLS 1.3, ended by NUL; data NULL = OpenSSL's */
    struct str groups; /**< ended by NUL; data NULL = OpenSSL's */
    int alpn_how;      /**< enum plan_alpn */
    int alert;         /**< what the ClientHello is answered with; -1 = nothing wrong */
    int reject_error;  /**< verify result of all clients' certificates */
    int min;
    int max;
};

/** `own` of a setup. */
struct setup_contexts {
    struct setup_context *items; /**< the first is the port's own */
    size_t count;
    bool swapped; /**< each name gets the context of the next one */
};

/** One setup while it is made. */
struct making {
    struct tls_setup *setup;
    const struct tls_defaults *defaults;
    const struct tls_plan *port; /**< of the port itself */
    struct arena *arena;         /**< of the setup */
    struct str why;
};

/** Keeps the reason; returns false. */
static bool making_fail(struct making *making, const char *what)
{
    struct str reason = tls_error_text(making->arena);
    making->why = arena_printf(making->arena, "%s: " STR_FMT, what, STR_ARG(reason));
    return false;
}

/* Names of certificates. */

static void names_add(struct str *names, size_t *count, struct str name)
{
    const char *why;
    bool known = !san_check(name, &why);
    for (size_t i = 0; i < *count && !known; i++)
        known = str_equal_nocase(names[i], name);
    if (!known)
        names[(*count)++] = name;
}

/** What a certificate is for when the spec does not say. */
static struct list default_sans(const struct making *making, struct str name)
{
    const struct list *sni = &making->port->names;
    struct str *names = arena_alloc_array(making->arena, sni->count + 5, sizeof *names);
    size_t count = 0;
    if (name.data) {
        names[count++] = name;
    } else {
        names_add(names, &count, STR("localhost"));
        names_add(names, &count, STR("127.0.0.1"));
        names_add(names, &count, STR("::1"));
        names_add(names, &count, making->defaults->name);
        names_add(names, &count, making->defaults->host);
        for (size_t i = 0; i < sni->count; i++)
            names_add(names, &count, ((const struct str *)sni->items)[i]);
    }
    return (struct list){.items = names, .count = count};
}

/** "CN=" and a name, if that can be one. */
static struct str default_subject(struct arena *arena, struct str name)
{
    bool plain = name.size > 0 && name.size <= COMMON_NAME_MOST;
    for (size_t i = 0; i < name.size && plain; i++)
        plain = !memchr(",;+\"\\<>#=", name.data[i], 9);
    return arena_printf(arena, "CN=" STR_FMT, STR_ARG(plain ? name : STR("localhost")));
}

/* The certificate of a context. */

static const struct certificate *issuer_of(const struct making *making, int issuer)
{
    struct server *server = making->setup->server;
    switch (issuer) {
    case ISSUER_INTERMEDIATE:
        return authority_intermediate(server);
    case ISSUER_UNKNOWN:
        return authority_unknown(server);
    case ISSUER_SELF:
        return NULL;
    default:
        return authority_ca(server);
    }
}

/** Makes the certificate that a plan says. */
static bool certificate_of_plan(struct making *making, const struct tls_plan *plan, struct str name,
                                struct certificate *made)
{
    struct list sans = plan->sans ? *plan->sans : default_sans(making, name);
    struct str first = sans.count ? *(const struct str *)sans.items : (struct str){0};
    const struct certificate_order order = {
        .subject = plan->subject.data ? plan->subject : default_subject(making->arena, first),
        .sans = sans.items,
        .san_count = sans.count,
        .padding = plan->padding,
        .from_ns = plan->valid.from_ns,
        .until_ns = plan->valid.until_ns,
        .key_type = (enum key_type)plan->key_type,
        .digest = (enum certificate_digest)plan->digest,
        .usage = plan->client_usage ? USAGE_CLIENT : USAGE_SERVER,
        .issuer = issuer_of(making, plan->issuer),
    };
    return certificate_make(&order, made, making->arena, &making->why);
}

/** The certificate and the key of a plan with files; references of its own. */
static struct certificate certificate_of_file(const struct tls_plan *plan)
{
    EVP_PKEY *key = plan->key ? plan->key->key : plan->cert->key;
    struct certificate made = {.x509 = sk_X509_value(plan->cert->certificates, 0), .key = key};
    X509_up_ref(made.x509);
    if (key)
        EVP_PKEY_up_ref(key);
    return made;
}

/** Puts what follows a certificate from files into a context. */
static bool chain_of_file(const struct tls_plan *plan, SSL_CTX *context)
{
    bool good = true;
    const STACK_OF(X509) *own = plan->cert->certificates;
    for (int i = 1; i < sk_X509_num(own) && good; i++)
        good = SSL_CTX_add1_chain_cert(context, sk_X509_value(own, i)) == 1;
    for (int i = 0; plan->chain && i < sk_X509_num(plan->chain->certificates) && good; i++)
        good = SSL_CTX_add1_chain_cert(context, sk_X509_value(plan->chain->certificates, i)) == 1;
    return good;
}

/** Puts what a made certificate is sent with into a context. */
static bool chain_of_plan(const struct making *making, const struct tls_plan *plan,
                          SSL_CTX *context)
{
    struct server *server = making->setup->server;
    X509 *chain[2] = {NULL, NULL};
    size_t count = 0;
    bool reversed = plan->send_chain == CHAIN_REVERSED;
    /* Who asks for an OCSP answer needs its signer: libcurl looks for it in the chain only. */
    if (reversed || (plan->issuer == ISSUER_CA && plan->ocsp != OCSP_NONE))
        chain[count++] = authority_ca(server)->x509;
    if (plan->issuer == ISSUER_UNKNOWN)
        chain[count++] = authority_unknown(server)->x509;
    if (plan->issuer == ISSUER_INTERMEDIATE)
        chain[count++] = authority_intermediate(server)->x509;
    bool good = true;
    for (size_t i = 0; i < count && good; i++)
        good = SSL_CTX_add1_chain_cert(context, chain[i]) == 1;
    return good;
}

/** Gives a context its certificate, key, chain and OCSP answer. */
static bool context_certify(struct making *making, const struct tls_plan *plan,
                            struct setup_context *of, struct certificate *certificate)
{
    SSL_CTX *context = of->context;
    if (plan->wrong_key) {
        EVP_PKEY *wrong = certificate_wrong_key(certificate->x509, making->arena, &making->why);
        if (!wrong)
            return false;
        EVP_PKEY_free(certificate->key);
        certificate->key = wrong;
    }
    if (SSL_CTX_use_certificate(context, certificate->x509) != 1 ||
        SSL_CTX_use_PrivateKey(context, certificate->key) != 1)
        return making_fail(making, "OpenSSL refuses the certificate");
    bool chained =
        plan->send_chain == CHAIN_LEAF ||
        (plan->cert ? chain_of_file(plan, context) : chain_of_plan(making, plan, context));
    if (!chained)
        return making_fail(making, "OpenSSL refuses the chain");
    if (plan->ocsp == OCSP_NONE || plan->cert)
        return true;
    const struct certificate *issuer = issuer_of(making, plan->issuer);
    return ocsp_answer(certificate->x509, issuer ? issuer : certificate,
                       (enum ocsp_state)plan->ocsp, making->arena, &of->staple, &making->why);
}

static bool context_add_certificate(struct making *making, const struct tls_plan *plan,
                                    struct setup_context *of)
{
    struct certificate certificate;
    if (plan->cert)
        certificate = certificate_of_file(plan);
    else if (!certificate_of_plan(making, plan, of->name, &certificate))
        return false;
    bool good = context_certify(making, plan, of, &certificate);
    certificate_clear(&certificate);
    return good;
}

/* Callbacks. */

static int answer_status(SSL *ssl, void *context)
{
    const struct setup_context *of = context;
    unsigned char *copy = OPENSSL_memdup(of->staple.data, of->staple.size);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)of->staple.size);
    return SSL_TLSEXT_ERR_OK;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *offered, unsigned offered_size, void *context)
{
    static const char unoffered[] = "goto-run-unoffered";
    const struct setup_context *of = context;
    unsigned char *chosen;
    (void)ssl;
    if (of->alpn_how == ALPN_UNOFFERED) {
        *out = (const unsigned char *)unoffered;
        *out_size = sizeof unoffered - 1;
        return SSL_TLSEXT_ERR_OK;
    }
    if (of->alpn_how == ALPN_REJECT ||
        SSL_select_next_proto(&chosen, out_size, (const unsigned char *)of->alpn.data,
                              (unsigned)of->alpn.size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/** Refuses every certificate of a client, by the alert that OpenSSL has for that error. */
static int refuse_client(X509_STORE_CTX *store, void *context)
{
    const struct setup_context *of = context;
    X509_STORE_CTX_set_error(store, of->reject_error);
    return 0;
}

/** The name of a ClientHello; data NULL if there is none. */
static struct str hello_name(SSL *ssl)
{
    enum { HEAD = 5, TYPE_HOST = 0 }; /* RFC 6066: size of the list, type, size of the name */
    const unsigned char *data;
    size_t size;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) || size < HEAD ||
        data[2] != TYPE_HOST)
        return (struct str){0};
    size_t length = (size_t)data[3] << 8 | data[4];
    if (length > size - HEAD)
        return (struct str){0};
    return (struct str){(const char *)data + HEAD, length};
}

/** Whether "a.x.example" is "a.x.example" or "*.x.example". */
static bool name_matches(struct str pattern, struct str name)
{
    if (str_equal_nocase(pattern, name))
        return true;
    ptrdiff_t dot = str_find_byte(name, '.');
    return str_starts(pattern, STR("*.")) && dot > 0 &&
           str_equal_nocase(str_from(pattern, 1), str_from(name, (size_t)dot));
}

/** The context for a name: an exact one before one with a `*`; else the port's own. */
static const struct setup_context *contexts_find(const struct setup_contexts *contexts,
                                                 struct str name)
{
    size_t found = 0;
    for (size_t i = 1; i < contexts->count && name.data; i++) {
        if (str_equal_nocase(contexts->items[i].name, name)) {
            found = i;
            break;
        }
        if (!found && name_matches(contexts->items[i].name, name))
            found = i;
    }
    if (found && contexts->swapped)
        found = found % (contexts->count - 1) + 1;
    return &contexts->items[found];
}

/** Makes a connection that began with the port's own context one of another. */
static void context_adopt(const struct setup_context *of, SSL *ssl)
{
    SSL_set_SSL_CTX(ssl, of->context);
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(of->context), NULL);
    /* What follows SSL_new() copies and SSL_set_SSL_CTX() leaves. */
    bool good = SSL_set_min_proto_version(ssl, of->min) && SSL_set_max_proto_version(ssl, of->max);
    if (of->suites.data)
        good = good && SSL_set_ciphersuites(ssl, of->suites.data);
    if (of->groups.data)
        good = good && SSL_set1_groups_list(ssl, of->groups.data);
    GOTO_ASSERT(good); /* the context took the same */
}

static int answer_hello(SSL *ssl, int *alert, void *context)
{
    const struct setup_contexts *contexts = context;
    struct str name = hello_name(ssl);
    const struct setup_context *of = contexts_find(contexts, name);
    tls_layer_asked(ssl, name);
    if (of != contexts->items)
        context_adopt(of, ssl);
    if (of->alert < 0)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = of->alert;
    return SSL_CLIENT_HELLO_ERROR;
}

/** Takes any name: that it was understood is said to the client. */
static int answer_name(SSL *ssl, int *alert, void *context)
{
    (void)alert;
    (void)context;
    bool sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL;
    return sent ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* Contexts. */

/** Whether OpenSSL has to be told not to mind weakness: the spec asked for it. */
static bool plan_is_weak(const struct tls_plan *plan)
{
    return plan_min(plan) < TLS1_2_VERSION || plan->ciphers.count || plan->cert ||
           plan->digest == DIGEST_SHA1 || plan->digest == DIGEST_MD5 ||
           plan->key_type == KEY_RSA1024;
}

static bool context_set_clients(struct making *making, const struct tls_plan *plan,
                                struct setup_context *of)
{
    if (plan->client_auth <= CLIENT_AUTH_NONE)
        return true;
    bool required = plan->client_auth == CLIENT_AUTH_REQUIRE;
    X509_STORE *store = SSL_CTX_get_cert_store(of->context);
    const struct pem_file *file = plan->client_ca;
    int count = file ? sk_X509_num(file->certificates) : 1;
    for (int i = 0; i < count; i++) {
        X509 *authority =
            file ? sk_X509_value(file->certificates, i) : authority_ca(making->setup->server)->x509;
        if (!X509_STORE_add_cert(store, authority) ||
            !SSL_CTX_add_client_CA(of->context, authority))
            return making_fail(making, "OpenSSL refuses the authority of clients");
    }
    SSL_CTX_set_verify(of->context,
                       SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    of->reject_error = alert_verify_error(plan->client_alert);
    if (plan->reject_clients)
        SSL_CTX_set_cert_verify_callback(of->context, refuse_client, of);
    return true;
}

static void context_set_alpn(struct making *making, const struct tls_plan *plan,
                             struct setup_context *of)
{
    const struct str *names = plan->alpn.count ? plan->alpn.items : making->defaults->alpn;
    size_t count = plan->alpn.count ? plan->alpn.count : making->defaults->alpn_count;
    struct buf wire;
    buf_init(&wire, BUF_OWN);
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(&wire, (char)names[i].size);
        buf_append(&wire, names[i]);
    }
    of->alpn = arena_copy(making->arena, buf_str(&wire));
    of->alpn_how = plan->alpn_how;
    buf_clear(&wire);
    bool answers = plan->alpn_how == ALPN_SELECT ? count > 0 : plan->alpn_how != ALPN_NONE;
    if (answers)
        SSL_CTX_set_alpn_select_cb(of->context, select_alpn, of);
}

/** Sessions are resumed by tickets only, whose keys are the context's: they end with the setup. */
static bool context_set_sessions(const struct tls_plan *plan, SSL_CTX *context)
{
    unsigned char id[SESSION_ID_SIZE];
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!plan->tickets) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    }
    return RAND_bytes(id, sizeof id) == 1 &&
           SSL_CTX_set_session_id_context(context, id, sizeof id) == 1;
}

static bool context_set_parameters(struct making *making, const struct tls_plan *plan,
                                   struct setup_context *of)
{
    const char *what;
    of->min = plan_min(plan);
    of->max = plan_max(plan);
    if (plan->ciphers.count) {
        of->suites = plan_suites(plan, making->arena);
        SSL_CTX_set_dh_auto(of->context, 1); /* no DHE without a written list */
    }
    if (plan->groups.count)
        of->groups = plan_groups(plan, making->arena);
    if (!SSL_CTX_set_min_proto_version(of->context, of->min) ||
        !SSL_CTX_set_max_proto_version(of->context, of->max))
        return making_fail(making, "OpenSSL refuses these versions of TLS");
    if (plan_set_parameters(plan, of->context, making->arena, &what))
        return true;
    return making_fail(making, what[0] == 'c' ? "OpenSSL refuses these ciphers"
                                              : "OpenSSL refuses these groups");
}

/** Makes one context of a plan. */
static bool context_make(struct making *making, const struct tls_plan *plan, struct str name,
                         struct setup_context *of)
{
    ERR_clear_error();
    of->name = name.data ? arena_copy(making->arena, name) : (struct str){0};
    of->alert = plan->alert >= 0 && alert_is_sent_by_openssl(plan->alert) ? plan->alert : -1;
    of->context = SSL_CTX_new(TLS_server_method());
    if (!of->context)
        return making_fail(making, "OpenSSL makes no context");
    if (plan_is_weak(plan))
        SSL_CTX_set_security_level(of->context, 0);
    /* What OpenSSL finds in its stores must not complete a chain that is meant to be incomplete. */
    SSL_CTX_set_mode(of->context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(of->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (!context_set_parameters(making, plan, of) || !context_add_certificate(making, plan, of) ||
        !context_set_clients(making, plan, of))
        return false;
    if (!context_set_sessions(plan, of->context))
        return making_fail(making, "OpenSSL draws no random bytes");
    context_set_alpn(making, plan, of);
    if (of->staple.data) {
        SSL_CTX_set_tlsext_status_cb(of->context, answer_status);
        SSL_CTX_set_tlsext_status_arg(of->context, of);
    }
    SSL_CTX_set_tlsext_servername_callback(of->context, answer_name);
    tls_log_keys(of->context);
    return true;
}

/* Setups. */

/**
 * What holds for a name: the port's fault if it has none of its own, and the port's parameters
 * where it writes none.
 */
static struct tls_plan plan_of_name(const struct tls_plan *port, const struct tls_config *of_port,
                                    const struct tls_config *of_name)
{
    struct tls_config merged = {.fault = NULL};
    if (of_name)
        merged = *of_name;
    else
        plan_preset(&merged.plan);
    struct list *own_sans = merged.plan.sans;
    if (!merged.fault && of_port)
        merged.fault = of_port->fault;
    if (of_port) {
        merged.over = of_port->over;
        merged.over_count = of_port->over_count;
    }
    struct tls_plan plan = plan_of(&merged);
    if (plan.swap_names)
        plan.sans = port->names.count > 1 ? own_sans : port->sans;
    if (!plan.min && !plan.max && !plan.ciphers.count) {
        plan.min = port->min;
        plan.max = port->max;
    }
    plan.ciphers = plan.ciphers.count ? plan.ciphers : port->ciphers;
    plan.groups = plan.groups.count ? plan.groups : port->groups;
    plan.alpn = plan.alpn.count ? plan.alpn : port->alpn;
    plan.alpn_how = plan.alpn_how != ALPN_SELECT ? plan.alpn_how : port->alpn_how;
    plan.client_ca = plan.client_ca ? plan.client_ca : port->client_ca;
    plan.client_auth = plan.client_auth >= 0 ? plan.client_auth : port->client_auth;
    plan.reject_clients |= port->reject_clients;
    plan.client_alert = port->reject_clients ? port->client_alert : plan.client_alert;
    plan.alert = plan.alert >= 0 ? plan.alert : port->alert;
    plan.tickets = port->tickets;
    return plan;
}

/** Makes the contexts of all names, and lets the ClientHello choose among them. */
static bool making_contexts(struct making *making, const struct tls_config *config)
{
    const struct tls_plan *port = making->port;
    const struct map_entry *entries = port->sni.items;
    size_t count = port->sni.count;
    struct setup_contexts *contexts = making->setup->own;
    contexts->items = arena_alloc_array(making->arena, count + 1, sizeof *contexts->items);
    contexts->swapped = port->swap_names && count > 1;
    contexts->count = 1; /* those begun are freed, also when one fails */
    if (!context_make(making, port, (struct str){0}, &contexts->items[0]))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct tls_config *of_name = *(struct tls_config *const *)entries[i].value;
        struct tls_plan plan = plan_of_name(port, config, of_name);
        contexts->count++;
        if (!context_make(making, &plan, entries[i].name, &contexts->items[i + 1]))
            return false;
    }
    SSL_CTX_set_client_hello_cb(contexts->items[0].context, answer_hello, contexts);
    return true;
}

struct tls_setup *tls_setup_new(struct server *server, const struct tls_config *config,
                                const struct tls_defaults *defaults, struct arena *arena,
                                struct str *why)
{
    struct tls_plan port = plan_of(config);
    struct arena *own = arena_new();
    struct tls_setup *setup = arena_alloc(own, sizeof *setup);
    *setup = (struct tls_setup){.references = 1,
                                .server = server,
                                .arena = own,
                                .wire = port.wire,
                                .drip = port.drip,
                                .lies = port.lies,
                                .certificate = arena_copy(own, tls_config_name(config)),
                                .own = arena_alloc(own, sizeof(struct setup_contexts))};
    if (port.alert >= 0 && !alert_is_sent_by_openssl(port.alert)) {
        setup->wire = WIRE_ALERT;
        setup->raw_alert = port.alert;
    }
    struct making making = {.setup = setup, .defaults = defaults, .port = &port, .arena = own};
    if (!making_contexts(&making, config)) {
        *why = arena_copy(arena, making.why);
        tls_setup_release(setup);
        return NULL;
    }
    setup->context = ((struct setup_contexts *)setup->own)->items[0].context;
    return setup;
}

struct tls_setup *tls_setup_hold(struct tls_setup *setup)
{
    setup->references++;
    return setup;
}

void tls_setup_release(struct tls_setup *setup)
{
    if (!setup || --setup->references)
        return;
    struct setup_contexts *contexts = setup->own;
    for (size_t i = 0; i < contexts->count; i++)
        SSL_CTX_free(contexts->items[i].context);
    arena_free(setup->arena);
}

bool tls_setup_lies(const struct tls_setup *setup)
{
    return setup->lies;
}
