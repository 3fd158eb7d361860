/**
 * What the files of TLS share: config.c reads what a spec says, certificate.c and authority.c make
 * certificates, catalogue.c has a row for each fault, setup.c makes contexts of all that, layer.c
 * speaks it on a connection, as server for accept.c and as client for connect.c, wire.c breaks the
 * records below.
 */
#ifndef GOTO_SERVER_TLS_TLS_PRIVATE_H
#define GOTO_SERVER_TLS_TLS_PRIVATE_H

#include "base/arena.h"
#include "server/stream/stage.h"
#include "server/tls/tls.h"

#include <openssl/ssl.h>

/** What goes wrong below TLS, where records are bytes. */
enum tls_wire {
    WIRE_NONE,
    WIRE_STALL,                 /**< nothing is sent: before the ServerHello */
    WIRE_STALL_AFTER_HELLO,     /**< the record of the ServerHello is the last that is sent */
    WIRE_STALL_BEFORE_FINISHED, /**< all of the server's flight but its Finished */
    WIRE_GARBAGE,               /**< random bytes in place of the ServerHello, then FIN */
    WIRE_RESET,                 /**< RST once the ClientHello came */
    WIRE_CLOSE,                 /**< FIN once the ClientHello came */
    WIRE_PLAINTEXT,             /**< an HTTP/1.1 answer in clear, then FIN */
    WIRE_OVERSIZED_RECORD, /**< a record whose length is more than 2^14 + 256, with that many bytes
                            */
    WIRE_DRIP,             /**< the handshake's bytes leave at `drip` a second */
    WIRE_ALERT,            /**< `raw_alert` as a record of its own, then FIN */
    WIRE_NO_CLOSE_NOTIFY,  /**< FIN without close_notify */
    WIRE_FLIPPED_BYTE,     /**< a byte of the first record of application data is another */
    WIRE_TRUNCATED_RECORD, /**< the first record of application data ends half way: FIN */
};

/** What a port presents: immutable once made. */
struct tls_setup {
    unsigned references;
    struct server *server;
    struct arena *arena;
    SSL_CTX *context; /**< of clients whose SNI has no own one; chosen among in a callback */
    enum tls_wire wire;
    uint64_t drip;          /**< bytes a second */
    int raw_alert;          /**< of WIRE_ALERT */
    bool lies;              /**< see tls_setup_lies() */
    struct str certificate; /**< "expired": for the journal */
    void *own;              /**< setup.c's: contexts by name, staples … */
};

struct tls_client;
struct tls_layer;

/** What a side makes of what happens on a connection. */
struct tls_role {
    void (*stands)(struct tls_layer *layer); /**< the handshake is whole: sets layer->stands */
    /** OpenSSL's queue says why; layer->failed is set, and what it wrote is not handed on yet. */
    void (*failed)(struct tls_layer *layer);
    void (*cut)(struct tls_layer *layer); /**< FIN of the peer within the handshake */
    void (*gone)(struct tls_layer *layer);
};

/** What layer.c knows of a connection; SSL_get_app_data() of its SSL. */
struct tls_layer {
    struct stage stage;
    const struct tls_role *role;
    struct tls_setup *setup;   /**< of a server, held */
    struct tls_client *client; /**< of a client, held */
    SSL *ssl;
    BIO *from_peer; /**< memory: records that came */
    BIO *to_peer;   /**< memory: records to be sent */
    struct tls_info info;
    struct arena *arena; /**< of info's texts */
    int64_t began_ns;
    int alert_received; /**< -1 = none; the last fatal one, or a warning that ended the handshake */
    int alert_sent;     /**< -1 = none */
    bool stands;        /**< the handshake is whole */
    bool journalled;    /**< its end is in the journal */
    bool peer_closed;   /**< close_notify came */
    bool failed;        /**< nothing can be read or written any more */
    bool abrupt;        /**< it ends without close_notify */
    const char *error;  /**< of a client: the name of the error that it failed with; NULL = none */
    struct str why;     /**< the same in words */
};

/** A layer that was not pushed yet. */
struct tls_layer *tls_layer_new(SSL_CTX *context, const struct tls_role *role);
/** The layer of a stream with this role; NULL if it has none. */
struct tls_layer *tls_layer_of(const struct stream *stream, const struct tls_role *role);
/** Hands on the records that OpenSSL has written. */
void tls_layer_pump(struct tls_layer *layer);
/** Goes on with the handshake; whether it stands now. */
bool tls_layer_shake(struct tls_layer *layer);
/** OpenSSL's reason for what just failed. */
struct str tls_layer_reason(void);

/** The ClientHello asks for that name (data NULL = none): so it is known also of a handshake that
 * is refused before OpenSSL has looked at it. What is no name is left to OpenSSL, and so is an SSL
 * without a layer. */
void tls_layer_asked(SSL *ssl, struct str name);

/** Whether nothing of TLS leaves at all: a stall, or another answer to the ClientHello. */
bool tls_wire_is_mute(enum tls_wire wire);
/**
 * The stage below a layer that breaks its records; NULL when the setup's wire is WIRE_NONE or
 * WIRE_NO_CLOSE_NOTIFY (which is the layer's). It is pushed before the layer.
 */
struct stage *tls_wire_new(struct stream *stream, const struct tls_setup *setup);

#endif
