/**
 * TLS of the `http` verb: what a step says about it (`tls:`), how OpenSSL within libcurl is told,
 * and what became of a connection's TLS.
 *
 * libcurl makes an SSL_CTX for each connection and hands it to http_tls_context(), which sets all
 * that counts: whom to trust, the name to be verified, versions, ALPN, the client's certificate.
 * So it is OpenSSL that refuses a certificate, within the handshake, and the server gets the alert
 * that any client of OpenSSL would send. What happens is written into a `struct http_tls`, which
 * lives as long as the connection or a try that looks at it.
 *
 * Nothing of OpenSSL is touched before the first connection that speaks TLS.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_TLS_H
#define GOTO_RUNNER_CLIENT_HTTP_TLS_H

#include "runner/client/http_result.h"
#include "schema/table.h"

#include <openssl/ssl.h>

struct pem_file;
struct server;

/** `tls:` of a step. */
struct http_tls_options {
    struct pem_file *ca;   /**< trusted instead of all others; NULL = not written */
    bool verify;           /**< the server's certificate is looked at */
    struct pem_file *cert; /**< the client's, with what follows it; NULL = none */
    struct pem_file *key;  /**< NULL = in `cert` */
    struct str sni;        /**< sent, and verified, instead of the URL's host; data NULL */
    int min;               /**< of OpenSSL: TLS1_2_VERSION; 0 = OpenSSL's default */
    int max;
    struct list *alpn; /**< of struct str; NULL = by the version of HTTP, empty = none is sent */
    bool ocsp;         /**< a good stapled answer is demanded */
};

extern const struct table http_tls_table;
/** [struct http_tls_options *] NULL when not written. */
extern const struct type http_tls_type;

/** What the stapled OCSP answer came to. */
enum http_ocsp {
    HTTP_OCSP_FINE, /**< good; or nothing is wrong with it that was asked about */
    HTTP_OCSP_REVOKED,
    HTTP_OCSP_MISSING, /**< none came, but one was demanded */
    HTTP_OCSP_BAD,     /**< of no use, but one was demanded: `ocsp_words` */
};

/** The TLS of one connection. Fields are written by http_tls.c. */
struct http_tls {
    unsigned references;
    /* What was asked for */
    bool verify;
    bool demand_ocsp;
    char *sni; /**< NULL = libcurl's */
    /* What came */
    bool stands;            /**< the handshake was whole, as far as this side can know */
    bool hello;             /**< a ServerHello came */
    bool asked_certificate; /**< the server asked for the client's certificate */
    bool sent_certificate;
    bool closed;        /**< close_notify came */
    bool answered;      /**< application data came */
    bool record_open;   /**< a record of application data has begun, not (well) ended */
    long verified;      /**< X509_V_OK, or what is wrong with the certificate */
    int alert_received; /**< the fatal one; -1 = none */
    int alert_sent;     /**< -1 = none */
    int reason;         /**< SSL_R_… of OpenSSL's error; 0 = none */
    bool about_alpn;    /**< that error is one of ALPN */
    enum http_ocsp ocsp;
    const char *ocsp_words;
    X509 *leaf;          /**< the server's certificate; NULL = none was seen */
    const char *version; /**< "TLSv1.3"; NULL = not agreed */
    const char *cipher;  /**< NULL = not agreed */
    char alpn[256];      /**< empty = none agreed */
};

/** What a new connection is to be like. */
struct http_tls_plan {
    const struct http_tls_options *options; /**< NULL = the defaults */
    struct str host;                        /**< of the URL, without brackets */
    const char *alpn[2];                    /**< by the version of HTTP; ended by NULL */
    struct server *server;                  /**< whose authority is trusted; may be NULL */
    bool only_run;                          /**< nothing but the run's authority is trusted */
};

/**
 * Sets up the context of a new connection.
 *
 * @return its record, with one reference for the caller; or NULL with *why (in the arena)
 */
GOTO_MUST_USE struct http_tls *http_tls_context(SSL_CTX *context, const struct http_tls_plan *plan,
                                                struct arena *arena, struct str *why);
/** The record of a connection that was set up before, held for the caller; NULL if it has none. */
struct http_tls *http_tls_of(const SSL *ssl);
/** Gives a reference back; NULL is allowed. */
void http_tls_release(struct http_tls *tls);

/** Whether ALPN agreed on HTTP/2. */
bool http_tls_is_h2(const struct http_tls *tls);
/** Whether close_notify came: what has no length of its own is whole. */
bool http_tls_is_closed(const struct http_tls *tls);
/** Another request goes onto the connection: what came before is no answer to it. */
void http_tls_sending(struct http_tls *tls);
/** Whether a byte of an answer came since. */
bool http_tls_has_received(const struct http_tls *tls);

/** What libcurl has to know to tell connections apart: a text that differs where options do. */
struct str http_tls_key(const struct http_tls_plan *plan, struct arena *arena);

/** Writes what came into a result; `now_ns` of certificates is the present. */
void http_tls_collect(const struct http_tls *tls, struct http_result *result, struct arena *arena);

/**
 * The name of the error that TLS made an exchange end with, NULL if TLS is not to blame (or an RST
 * or FIN in a handshake that has another name).
 *
 * @param words    libcurl's; OpenSSL's error is read from them where it is not known otherwise
 * @param os_errno of the socket; 0 = none
 */
const char *http_tls_error(const struct http_tls *tls, struct str words, int os_errno);
/** The same of an exchange that a FIN without close_notify ended. */
bool http_tls_is_eof(const struct http_tls *tls, struct str words);

/** The certificate as `expect: {certificate: …}` compares it, in the arena. */
const struct http_certificate *http_certificate_read(X509 *certificate, struct arena *arena);

/**
 * Judges the stapled OCSP answer of a handshake under way.
 *
 * @param words why it is HTTP_OCSP_BAD
 */
enum http_ocsp http_ocsp_judge(SSL *ssl, const char **words);

#endif
