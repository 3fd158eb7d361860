/**
 * TLS as a client: what a spec says about it (`tls:` of a step, of a far side), how OpenSSL is
 * told, what became of a connection's TLS, and the name of the error where it failed.
 *
 * tls_client_context() sets all that counts in the context of one connection, which libcurl made or
 * tls_connect() does: whom to trust, the name to be verified, versions, ALPN, the client's
 * certificate. So it is OpenSSL that refuses a certificate, within the handshake, and the server
 * gets the alert that any client of OpenSSL would send. What happens is written into a `struct
 * tls_client`, which lives as long as the connection or whoever looks at it.
 *
 * Nothing of OpenSSL is touched before the first connection that speaks TLS.
 */
#ifndef GOTO_SERVER_TLS_CLIENT_H
#define GOTO_SERVER_TLS_CLIENT_H

#include "schema/table.h"

#include <openssl/ssl.h>

struct pem_file;
struct protocol;
struct server;
struct stream;

/** `tls:` of a step. */
struct tls_client_options {
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

/** A certificate as `expect: {certificate: …}` compares it. */
struct tls_certificate {
    struct str subject; /**< RFC 2253: "CN=a.example,O=X" */
    struct str issuer;
    struct str *sans; /**< bare names and addresses */
    size_t san_count;
    struct str serial;  /**< hexadecimal, capitals */
    int64_t expires_ns; /**< from when it was seen; negative = it has expired */
    bool self_signed;
};

extern const struct table tls_client_table;
/** [struct tls_client_options *] NULL when not written. */
extern const struct type tls_client_type;

/** What the stapled OCSP answer came to. */
enum tls_ocsp {
    TLS_OCSP_FINE, /**< good; or nothing is wrong with it that was asked about */
    TLS_OCSP_REVOKED,
    TLS_OCSP_MISSING, /**< none came, but one was demanded */
    TLS_OCSP_BAD,     /**< of no use, but one was demanded: `ocsp_words` */
};

/** The TLS of one connection. Fields are written by tls_client.c. */
struct tls_client {
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
    enum tls_ocsp ocsp;
    const char *ocsp_words;
    X509 *leaf;          /**< the server's certificate; NULL = none was seen */
    const char *version; /**< "TLSv1.3"; NULL = not agreed */
    const char *cipher;  /**< NULL = not agreed */
    char alpn[256];      /**< empty = none agreed */
};

/** What a new connection is to be like. */
struct tls_client_plan {
    const struct tls_client_options *options; /**< NULL = the defaults */
    struct str host;                          /**< of the URL, without brackets */
    const char *alpn[2];                      /**< by the version of HTTP; ended by NULL */
    struct server *server;                    /**< whose authority is trusted; may be NULL */
    bool only_run;                            /**< nothing but the run's authority is trusted */
};

/**
 * Sets up the context of a new connection.
 *
 * @return its record, with one reference for the caller; or NULL with *why (in the arena)
 */
GOTO_MUST_USE struct tls_client *tls_client_context(SSL_CTX *context,
                                                    const struct tls_client_plan *plan,
                                                    struct arena *arena, struct str *why);
/** The record of a connection that was set up before, held for the caller; NULL if it has none. */
struct tls_client *tls_client_of(const SSL *ssl);
/** Gives a reference back; NULL is allowed. */
void tls_client_release(struct tls_client *tls);

/**
 * A handshake on a stream, as client: for connections that we made. It lives until `protocol` has
 * started or failed() was called.
 *
 *     dial = (struct stream_dial){.protocol = &tls_connect_protocol, .owner = &connect, …};
 */
struct tls_connect {
    struct tls_client_plan plan; /**< what it refers to is borrowed until the handshake has begun */
    const struct protocol *protocol; /**< what is spoken once it stands: its start() finds
                                        stream->tls, and `owner` as stream->owner */
    /** Chooses that by ALPN (data NULL = none was agreed on); NULL = `protocol`, whatever it is. */
    const struct protocol *(*agreed)(void *owner, struct stream *stream, struct str alpn);
    void *owner;
    struct stream *stream; /**< while the handshake is under way; else NULL */
    bool begun;            /**< the handshake has begun */
    /**
     * The handshake failed; the stream closes itself, and nothing else is called. `name` is that of
     * the error ("tls-expired", "connection-reset"); NULL: the options cannot be used. `why` is
     * borrowed.
     */
    void (*failed)(void *owner, const char *name, struct str why);
};
/** The protocol of a stream that is to speak TLS from its first byte: stream->owner is a struct
 * tls_connect. Who waits has a timer and calls stream_close(KILL): failed() is not called then. */
extern const struct protocol tls_connect_protocol;
/** Begins it on a stream that spoke another protocol so far, as behind a proxy's CONNECT. */
void tls_connect(struct stream *stream, struct tls_connect *connect);
/** What became of it; NULL for a stream in clear, or of a server. */
const struct tls_client *tls_stream_client(const struct stream *stream);
/** The name of the error that broke TLS after its handshake (then the stream closes itself), and
 * why in words; NULL = nothing did. */
const char *tls_stream_error(const struct stream *stream, struct str *why);

/** Whether ALPN agreed on HTTP/2. */
bool tls_client_is_h2(const struct tls_client *tls);
/** Whether close_notify came: what has no length of its own is whole. */
bool tls_client_is_closed(const struct tls_client *tls);
/** Another request goes onto the connection: what came before is no answer to it. */
void tls_client_sending(struct tls_client *tls);
/** Whether a byte of an answer came since. */
bool tls_client_has_received(const struct tls_client *tls);

/** What libcurl has to know to tell connections apart: a text that differs where options do. */
struct str tls_client_key(const struct tls_client_plan *plan, struct arena *arena);

/**
 * The name of the error that TLS made an exchange end with, NULL if TLS is not to blame (or an RST
 * or FIN in a handshake that has another name).
 *
 * @param words    libcurl's; OpenSSL's error is read from them where it is not known otherwise
 * @param os_errno of the socket; 0 = none
 */
const char *tls_client_error(const struct tls_client *tls, struct str words, int os_errno);
/** The same of an exchange that a FIN without close_notify ended. */
bool tls_client_is_eof(const struct tls_client *tls, struct str words);

/** The certificate as `expect: {certificate: …}` compares it, in the arena. */
const struct tls_certificate *tls_certificate_read(X509 *certificate, struct arena *arena);

/**
 * Judges the stapled OCSP answer of a handshake under way.
 *
 * @param words why it is TLS_OCSP_BAD
 */
enum tls_ocsp tls_ocsp_judge(SSL *ssl, const char **words);

#endif
