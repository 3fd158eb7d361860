/**
 * What the files of the `http` verb over h2c share:
 *
 * http_h2c.c             the exchange: hops, answer, limits, the name of its error
 * http_h2c_request.c     what is sent: headers, body
 * http_h2c_connection.c  connections, and those that a session keeps
 * http_h2c_cookie.c      the cookies of a session
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_H2C_PRIVATE_H
#define GOTO_RUNNER_CLIENT_HTTP_H2C_PRIVATE_H

#include "runner/client/h2_socket.h"
#include "runner/client/http_h2c.h"
#include "runner/client/http_try.h"

/** Where one request of an exchange goes: a URL, taken apart. In the attempt's arena. */
struct h2c_hop {
    struct str url;
    struct str host; /**< without brackets */
    uint16_t port;
    struct str authority; /**< host, and the port if it is not 80 */
    struct str path;      /**< "/a" */
    struct str target;    /**< "/a?x=1" */
    struct str user;      /**< "user:password" of the URL; data NULL */
    bool foreign;         /**< another host or port than the first: it gets no secrets */
};

/** A connection, maybe of a session. */
struct h2c_connection {
    struct h2c_connection *next;
    struct h2_client *client;
    char *key;            /**< where it goes */
    struct http_h2c *h2c; /**< of the exchange that is on it; NULL = idle */
};

struct http_h2c_session {
    struct h2c_connection *first;
};

struct http_h2c {
    struct http_try *try;
    struct http_h2c_session *session;
    bool own_session; /**< of this exchange only: its redirects share connections */
    CURLSH *cookies;  /**< of the session; NULL = none */
    struct h2c_connection *connection;
    struct h2_call *call;
    struct timer timeout;
    struct timer connect_timeout;
    struct timer next_hop; /**< a redirect is followed in the next turn, when an end was seen */
    struct h2c_hop hop;
    struct h2c_hop first_hop;
    struct str method;
    struct str body;
    bool has_body;
    struct str content_type; /**< of a multipart body; data NULL */
    struct headers headers;  /**< that are sent, without pseudo-headers */
    struct str authority;    /**< that is sent */
    struct h2_source source;
    size_t body_sent;
    bool turned_get; /**< a redirect made it a GET */
    bool redirecting;
    int64_t connect_began_ns; /**< 0 = the connection stood already */
};

/* http_h2c_request.c */

/** Reads what the body needs. 0, or -1 with *why. */
GOTO_MUST_USE int h2c_body_load(struct http_h2c *h2c, struct str *why);
/** Sets headers, authority and source for the hop at hand. */
void h2c_request_prepare(struct http_h2c *h2c);

/* http_h2c_connection.c */

struct http_h2c_session *h2c_session_new(void);
/** The session's connection to that place if it can be used, or a new one, on its way. */
struct h2c_connection *h2c_connection_take(struct http_h2c *h2c, const struct h2_target *target,
                                           const struct h2_client_user *user);
/** Leaves it to its session; or closes it, also when it is of no more use. */
void h2c_connection_give(struct http_h2c *h2c, bool reuse);

/* http_h2c_cookie.c */

/** "a=1; b=2": the cookies that go with a request, in the arena; empty = none. */
struct str h2c_cookies(CURLSH *share, const struct h2c_hop *hop, struct arena *arena);
/** Keeps (or forgets) what a Set-Cookie header says; what is not valid is ignored (RFC 6265). */
void h2c_cookie_keep(CURLSH *share, const struct h2c_hop *hop, struct str header,
                     struct arena *arena);

#endif
