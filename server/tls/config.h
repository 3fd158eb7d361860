/**
 * What a spec says about TLS, as read: config.c reads it, catalogue.c breaks it, setup.c makes it.
 *
 * A `struct tls_plan` holds all that can be said of what a port presents: what a key of the
 * language sets and what only a fault does. A config is the plan of its keys and a fault, which is
 * applied to a copy of the plan when a setup is made: so a fault may be put over any config later.
 */
#ifndef GOTO_SERVER_TLS_CONFIG_H
#define GOTO_SERVER_TLS_CONFIG_H

#include "server/tls/certificate.h"
#include "server/tls/ocsp.h"
#include "server/tls/tls.h"
#include "server/tls/tls_private.h"

/** Who signs the certificate. */
enum plan_issuer {
    ISSUER_CA,           /**< the run's authority */
    ISSUER_INTERMEDIATE, /**< one below it */
    ISSUER_SELF,
    ISSUER_UNKNOWN, /**< an authority that nobody trusts */
};
enum plan_chain {
    CHAIN_FULL,     /**< intermediates, and the root of the unknown authority */
    CHAIN_LEAF,     /**< the certificate alone */
    CHAIN_REVERSED, /**< the root before the intermediate */
};
enum plan_alpn {
    ALPN_SELECT,    /**< the first of ours that the client offers; none: no_application_protocol */
    ALPN_NONE,      /**< not answered */
    ALPN_REJECT,    /**< no_application_protocol, whatever is offered */
    ALPN_UNOFFERED, /**< one that no client offers is selected */
};
enum plan_client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST, CLIENT_AUTH_REQUIRE };

/** Certificates of a PEM file, and the key if one stood there, too. */
struct pem_file {
    struct str path; /**< as opened */
    STACK_OF(X509) * certificates;
    EVP_PKEY *key;
};

/** From when until when a certificate is valid, from now on; negative = before. */
struct plan_valid {
    int64_t from_ns;
    int64_t until_ns;
};

/** See the head of this file. Zero, but for what plan_preset() sets, is `valid`. */
struct tls_plan {
    /* The certificate */
    struct str subject; /**< RFC 2253; data NULL = by the first of `sans` */
    struct list *sans;  /**< of struct str; NULL = names of the port */
    int issuer;         /**< enum plan_issuer */
    struct plan_valid valid;
    int key_type;           /**< enum key_type */
    int digest;             /**< enum certificate_digest */
    int send_chain;         /**< enum plan_chain */
    struct pem_file *cert;  /**< from files, instead of all of the above */
    struct pem_file *key;   /**< NULL = in `cert` */
    struct pem_file *chain; /**< what follows `cert` */
    int ocsp;               /**< enum ocsp_state */
    bool client_usage;      /**< its extended key usage is clientAuth only */
    bool wrong_key;         /**< what it signs with is not its key */
    size_t padding;         /**< so many more names that mean nothing */
    /* Parameters */
    int min;             /**< of OpenSSL: TLS1_2_VERSION; 0 = not written */
    int max;             /**< 0 = not written */
    struct list ciphers; /**< of struct str; empty = OpenSSL's default */
    struct list groups;  /**< of struct str */
    struct list alpn;    /**< of struct str; empty = the port's default */
    int alpn_how;        /**< enum plan_alpn */
    bool tickets;
    /* Names */
    struct list sni;   /**< of struct map_entry: struct tls_config ** */
    struct list names; /**< of struct str: those of sni */
    bool swap_names;   /**< each name gets the certificate of another one, or that of the port */
    /* Certificates of clients */
    int client_auth; /**< enum plan_client_auth; -1 = not written */
    struct pem_file *client_ca;
    bool reject_clients; /**< their certificates are all refused, by client_alert */
    int client_alert;
    /* What is wrong otherwise */
    int alert;          /**< what a ClientHello is answered with; -1 = nothing wrong */
    enum tls_wire wire; /**< below TLS */
    uint64_t drip;      /**< bytes a second of WIRE_DRIP */
    bool lies;          /**< see tls_setup_lies() */
};

struct tls_config {
    const struct tls_fault *fault;       /**< NULL = none */
    struct tls_plan plan;                /**< of the keys */
    const struct tls_fault *const *over; /**< put over both, in that order */
    size_t over_count;
};

/** What `how` of a row of the catalogue points to. */
struct tls_fault_how {
    void (*apply)(struct tls_plan *plan); /**< NULL: changes nothing */
    /** It says what the certificate is like: files of certificates cannot stand beside it. */
    bool makes_certificate;
    enum tls_wire wire;
    const char *sets[4]; /**< the keys that it sets itself */
};

/** The defaults that are not zero. */
void plan_preset(struct tls_plan *plan);
/** The plan of a config with its fault applied; NULL = valid. */
struct tls_plan plan_of(const struct tls_config *config);

/** The alerts by name: the choices of `alert`, ended by a NULL name. */
extern const struct choice tls_alerts[];

/** Whether OpenSSL sends that alert, if a ClientHello is answered with it, as it is. */
bool alert_is_sent_by_openssl(int alert);
/** The verify result by which OpenSSL answers a client's certificate with that alert; X509_V_OK if
 * there is none. */
int alert_verify_error(int alert);

/** [int] a version of TLS, as OpenSSL numbers it: TLS1_2_VERSION. */
extern const struct type type_tls_version;
/** [struct pem_file *] a path, relative to the spec's folder, of a file with certificates. */
extern const struct type type_certificate_file;
/** [struct pem_file *] the same with a private key. */
extern const struct type type_key_file;

/** How many suites of TLS 1.3 are among ciphers of a list; *others: how many others are. */
size_t ciphers_count(const struct list *ciphers, size_t *others);
/** Takes the next name off a text such as "A:B". */
struct str names_step(struct str *rest);
/** The first of ciphers that OpenSSL does not know, which it leaves out of a list with others
 * without a word; data NULL if it knows each. Sets some in the context, and leaves errors. */
struct str ciphers_refused(const struct list *ciphers, SSL_CTX *context, struct arena *arena);
/** Sets ciphers (of all versions) and groups; *what is then "ciphers" or "groups", and false
 * returned, if OpenSSL refuses them. Leaves OpenSSL's errors in their queue. */
GOTO_MUST_USE bool plan_set_parameters(const struct tls_plan *plan, SSL_CTX *context,
                                       struct arena *arena, const char **what);
/** The suites of TLS 1.3, and the groups, as OpenSSL takes them, in the arena. */
struct str plan_suites(const struct tls_plan *plan, struct arena *arena);
struct str plan_groups(const struct tls_plan *plan, struct arena *arena);
/** The versions that hold. */
int plan_min(const struct tls_plan *plan);
int plan_max(const struct tls_plan *plan);

/** The newest of OpenSSL's errors in words, in the arena; empties their queue. */
struct str tls_error_text(struct arena *arena);

#endif
