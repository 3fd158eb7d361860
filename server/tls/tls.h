/**
 * The TLS of ports: what a port presents at one moment, and the layer that speaks it.
 *
 * A `struct tls_config` is what a spec says (`tls: NAME` or a mapping, LANGUAGE 6); a `struct
 * tls_setup` is made of it for one port: contexts of OpenSSL, certificates signed by the run's
 * authority, and what goes wrong on the wire. New connections get the setup that their port has
 * then; live ones keep theirs. OpenSSL is not touched before the first setup or file is wanted.
 *
 * Each handshake, whole or failed, is one ENTRY_HANDSHAKE of the journal.
 */
#ifndef GOTO_SERVER_TLS_TLS_H
#define GOTO_SERVER_TLS_TLS_H

#include "schema/table.h"
#include "server/server.h"

struct port;
struct stream;
struct tls_authority;
struct tls_config;
struct tls_setup;

/** [struct tls_config *] `tls:` of a port: a name of the catalogue or a mapping. Never NULL once
 * read. */
extern const struct type tls_type;

/** One name of the catalogue: a row. `tls_catalogue` ends with a NULL name. */
struct tls_fault {
    const char *name; /**< "expired" */
    const char *doc;  /**< one line: what is on the wire */
    const char *sees; /**< the error name that the built-in client ends with, by OpenSSL's verdict;
                         NULL: it accepts it */
    const char *openssl; /**< what an OpenSSL client reports, in its words; NULL: nothing */
    /** Makes a config break; the value it points to is private to the catalogue. */
    const void *how;
};
extern const struct tls_fault tls_catalogue[];
/** The row of a name, NULL if there is none. "valid" is one. */
const struct tls_fault *tls_fault_find(struct str name);

/** The config of a catalogue name alone, static or in the arena. */
const struct tls_config *tls_config_named(const struct tls_fault *fault, struct arena *arena);
/**
 * A config that is `base` (NULL = valid) with another fault put over it, and over those of its
 * `sni`. May be put over again. No sessions are resumed with it: each handshake is a whole one, and
 * an `alert` of the base goes, which would leave nothing of the fault.
 */
const struct tls_config *tls_config_with(const struct tls_config *base,
                                         const struct tls_fault *fault, struct arena *arena);
/** Whether nothing is seen of `earlier` once `later` is put over it: both decide about the same. */
bool tls_fault_covers(const struct tls_fault *later, const struct tls_fault *earlier);
/** Whether it ends (or stalls) every handshake before the server said anything of itself: nothing
 * is seen of any other fault beside it. */
bool tls_fault_is_first(const struct tls_fault *fault);
/** The ALPN names of `alpn:`, a list of struct str; count 0 when not written. */
struct list tls_config_alpn(const struct tls_config *config);
/** The names of `sni:`, a list of struct str. */
struct list tls_config_names(const struct tls_config *config);
/** "expired"; "valid" for a mapping without `fault`; what `verify: {handshakes: {certificate}}`
 * compares. */
struct str tls_config_name(const struct tls_config *config);

/** What a port knows that a config does not say. */
struct tls_defaults {
    struct str name;        /**< of the port: a name that its certificate is valid for */
    struct str host;        /**< as bound */
    const struct str *alpn; /**< when the config says nothing */
    size_t alpn_count;
};

/**
 * Makes the TLS of a port: certificates and contexts, each setup with ticket keys of its own.
 *
 * @param config NULL = valid; borrowed for the call only
 * @return a setup with one reference, or NULL with *why (in the arena): a certificate, ciphers or
 * groups that this OpenSSL refuses
 */
GOTO_MUST_USE struct tls_setup *tls_setup_new(struct server *server,
                                              const struct tls_config *config,
                                              const struct tls_defaults *defaults,
                                              struct arena *arena, struct str *why);
struct tls_setup *tls_setup_hold(struct tls_setup *setup);
/** Gives a reference back; NULL is allowed. */
void tls_setup_release(struct tls_setup *setup);
/** Whether ALPN is to lie: after h2 was agreed, HTTP/1.1 is spoken, and the reverse. */
bool tls_setup_lies(const struct tls_setup *setup);

/** What a handshake agreed on. Texts live as long as the stream. */
struct tls_info {
    struct str version;     /**< "TLSv1.3" */
    struct str cipher;      /**< OpenSSL's name */
    struct str sni;         /**< data NULL = none was sent */
    struct str alpn;        /**< data NULL = none agreed */
    struct str client_cert; /**< its subject, RFC 2253: "CN=a.example,O=X"; data NULL = none */
    bool resumed;
};

/**
 * Speaks TLS on a connection that was just accepted, as server: pushes the layer and gives the
 * stream a protocol that waits for the handshake (its deadline is the port's `handshake_ns`).
 * Once it stands, stream->tls is set and the stream gets port->agreed(port, ALPN).
 * Takes a reference of its own.
 */
void tls_accept(struct stream *stream, struct tls_setup *setup);
/** The setup that a stream's TLS was begun with, borrowed; NULL in clear. */
const struct tls_setup *tls_stream_setup(const struct stream *stream);

/* The run's authority: made at the first call that needs it, one for each server. */

/** What files a spec may want of it. */
enum tls_file {
    TLS_FILE_CA,
    TLS_FILE_CLIENT_CERT,
    TLS_FILE_CLIENT_KEY,
    TLS_FILE_CLIENT_CERT_EXPIRED,
    TLS_FILE_CLIENT_KEY_EXPIRED,
    TLS_FILE_CLIENT_CERT_UNTRUSTED,
    TLS_FILE_CLIENT_KEY_UNTRUSTED,
    TLS_FILES
};
/** "ca.pem", "client-cert.pem", "client-key-expired.pem" … */
const char *tls_file_name(enum tls_file file);
/** The file of `${ca}`, `${client-cert.expired}` …: true and *file, or false. */
bool tls_file_find(struct str variable, enum tls_file *file);
/** Its PEM, borrowed from the authority. */
struct str tls_authority_pem(struct server *server, enum tls_file file);
/** Frees a server's authority; NULL is allowed. Called by server_clear(). */
void tls_authority_free(struct tls_authority *authority);

/** "certificate_expired" of 45, "alert 200" of an unknown one; and back, -1 if there is none. */
struct str tls_alert_name(int alert, char out[24]);
int tls_alert_number(struct str name);

/** SSLKEYLOGFILE: sets the callback that appends the secrets of a context's connections to that
 * file; nothing when the variable is not set. Used by servers and the built-in clients. The
 * argument is an SSL_CTX *. */
void tls_log_keys(void *ssl_ctx);

#endif
