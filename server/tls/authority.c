#include "server/tls/authority.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/tls/tls.h"

#include <openssl/pem.h>

/** What the authority has made so far. */
struct tls_authority {
    struct arena *arena;
    struct certificate ca;
    struct certificate intermediate;
    struct certificate unknown;
    struct certificate client;
    struct certificate client_expired;
    struct certificate client_untrusted;
    struct str pem[TLS_FILES]; /**< data NULL = not wanted yet */
};

#define DAY_NS (INT64_C(86400) * CLOCK_SECOND)

/* Old enough for any certificate that is said to be expired, and for years to come. */
static const int64_t authority_from_ns = -3650 * DAY_NS;
static const int64_t authority_until_ns = 3650 * DAY_NS;

static struct tls_authority *authority_of(struct server *server)
{
    if (!server->authority) {
        server->authority = memory_alloc(sizeof *server->authority);
        server->authority->arena = arena_new();
    }
    return server->authority;
}

/**
 * Makes one at the first need. All of them are of P-256 and SHA-256: an OpenSSL that cannot make
 * those cannot speak TLS at all.
 */
static const struct certificate *authority_make(struct tls_authority *authority,
                                                struct certificate *certificate,
                                                const struct certificate_order *order)
{
    if (!certificate->x509) {
        struct str why;
        bool made = certificate_make(order, certificate, authority->arena, &why);
        GOTO_ASSERT(made);
    }
    return certificate;
}

static const struct certificate *authority_root(struct tls_authority *authority,
                                                struct certificate *certificate, struct str subject,
                                                const struct certificate *issuer)
{
    const struct certificate_order order = {.subject = subject,
                                            .from_ns = authority_from_ns,
                                            .until_ns = authority_until_ns,
                                            .usage = USAGE_AUTHORITY,
                                            .issuer = issuer};
    return authority_make(authority, certificate, &order);
}

const struct certificate *authority_ca(struct server *server)
{
    struct tls_authority *authority = authority_of(server);
    return authority_root(authority, &authority->ca, STR("CN=goto-run CA,O=goto-run"), NULL);
}

const struct certificate *authority_intermediate(struct server *server)
{
    struct tls_authority *authority = authority_of(server);
    return authority_root(authority, &authority->intermediate,
                          STR("CN=goto-run intermediate CA,O=goto-run"), authority_ca(server));
}

const struct certificate *authority_unknown(struct server *server)
{
    struct tls_authority *authority = authority_of(server);
    return authority_root(authority, &authority->unknown, STR("CN=unknown CA,O=nobody"), NULL);
}

static const struct certificate *authority_client(struct tls_authority *authority,
                                                  struct certificate *certificate,
                                                  const struct certificate *issuer, bool expired)
{
    static const struct str sans[] = {STR_INIT("client")};
    const struct certificate_order order = {.subject = STR("CN=client,O=goto-run"),
                                            .sans = sans,
                                            .san_count = COUNT_OF(sans),
                                            .from_ns = expired ? -2 * DAY_NS : -DAY_NS,
                                            .until_ns = expired ? -DAY_NS : 90 * DAY_NS,
                                            .usage = USAGE_CLIENT,
                                            .issuer = issuer};
    return authority_make(authority, certificate, &order);
}

/* Files. */

static const struct certificate *file_ca(struct server *server)
{
    return authority_ca(server);
}

static const struct certificate *file_client(struct server *server)
{
    struct tls_authority *authority = authority_of(server);
    return authority_client(authority, &authority->client, authority_ca(server), false);
}

static const struct certificate *file_client_expired(struct server *server)
{
    struct tls_authority *authority = authority_of(server);
    return authority_client(authority, &authority->client_expired, authority_ca(server), true);
}

static const struct certificate *file_client_untrusted(struct server *server)
{
    struct tls_authority *authority = authority_of(server);
    return authority_client(authority, &authority->client_untrusted, authority_unknown(server),
                            false);
}

static const struct file_row {
    const char *variable; /**< as in `${…}` */
    const char *name;     /**< of the file */
    bool key;             /**< the private key, else the certificate */
    const struct certificate *(*certificate)(struct server *server);
} files[TLS_FILES] = {
    [TLS_FILE_CA] = {"ca", "ca.pem", false, file_ca},
    [TLS_FILE_CLIENT_CERT] = {"client-cert", "client-cert.pem", false, file_client},
    [TLS_FILE_CLIENT_KEY] = {"client-key", "client-key.pem", true, file_client},
    [TLS_FILE_CLIENT_CERT_EXPIRED] = {"client-cert.expired", "client-cert-expired.pem", false,
                                      file_client_expired},
    [TLS_FILE_CLIENT_KEY_EXPIRED] = {"client-key.expired", "client-key-expired.pem", true,
                                     file_client_expired},
    [TLS_FILE_CLIENT_CERT_UNTRUSTED] = {"client-cert.untrusted", "client-cert-untrusted.pem", false,
                                        file_client_untrusted},
    [TLS_FILE_CLIENT_KEY_UNTRUSTED] = {"client-key.untrusted", "client-key-untrusted.pem", true,
                                       file_client_untrusted},
};

const char *tls_file_name(enum tls_file file)
{
    GOTO_ASSERT((size_t)file < TLS_FILES);
    return files[file].name;
}

bool tls_file_find(struct str variable, enum tls_file *file)
{
    for (size_t i = 0; i < TLS_FILES; i++) {
        if (!str_is(variable, files[i].variable))
            continue;
        *file = (enum tls_file)i;
        return true;
    }
    return false;
}

struct str tls_authority_pem(struct server *server, enum tls_file file)
{
    GOTO_ASSERT((size_t)file < TLS_FILES);
    const struct file_row *row = &files[file];
    struct tls_authority *authority = authority_of(server);
    struct str *pem = &authority->pem[file];
    if (pem->data)
        return *pem;
    const struct certificate *certificate = row->certificate(server);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    int written = row->key
                      ? PEM_write_bio_PrivateKey(bio, certificate->key, NULL, NULL, 0, NULL, NULL)
                      : PEM_write_bio_X509(bio, certificate->x509);
    GOTO_ASSERT(written == 1);
    long size = BIO_get_mem_data(bio, &text);
    *pem = arena_copy(authority->arena, (struct str){text, (size_t)size});
    BIO_free(bio);
    return *pem;
}

void tls_authority_free(struct tls_authority *authority)
{
    if (!authority)
        return;
    certificate_clear(&authority->ca);
    certificate_clear(&authority->intermediate);
    certificate_clear(&authority->unknown);
    certificate_clear(&authority->client);
    certificate_clear(&authority->client_expired);
    certificate_clear(&authority->client_untrusted);
    arena_free(authority->arena);
    memory_free(authority);
}
