/**
 * One try of an `http` step: the request on its way, and its answer. What the files of the verb
 * share:
 *
 * http.c          the verb: start, end, cancel, judge, capture
 * http_prepare.c  the request's fields as options of libcurl
 * http_replay.c   the request as a command line of curl
 * http_try_tls.c  the version of HTTP, and TLS of the connections
 * http_client.c   what a scenario keeps: handles, sessions
 *
 * A try by h2c is http_h2c.h's affair between its start and http_try_conclude().
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_TRY_H
#define GOTO_RUNNER_CLIENT_HTTP_TRY_H

#include "runner/client/http.h"
#include "runner/client/http_error.h"
#include "runner/client/http_h2c.h"
#include "runner/client/http_head.h"
#include "runner/client/http_multi.h"
#include "runner/client/http_request.h"
#include "server/tls/client.h"

/** Lives in the arena of the attempt; what it holds outside is freed by http_try_detach(). */
struct http_try {
    struct attempt *attempt;
    const struct http_request *request;
    struct str url; /**< of the request, with scheme and query */
    struct http_client *client;
    struct http_pool *pool; /**< NULL once it has ended */
    bool own_pool;          /**< not a session's */
    struct http_h2c *h2c;   /**< it goes by h2c, not by libcurl; NULL once it has ended */
    CURL *easy;             /**< NULL once it has ended */
    int version;            /**< enum http_request_version that it goes by */
    struct tls_client *tls; /**< held: of the present connection; NULL = it is in clear */
    bool goaway;            /**< the peer said GOAWAY on the present connection */
    bool intact;            /**< libcurl let the connection stand when the exchange was done */
    struct curl_slist *headers;
    struct curl_slist
        *headers_of_get; /**< without those of the body: after a redirect changed the method */
    struct curl_slist *connect_to;
    curl_mime *mime;
    char words[CURL_ERROR_SIZE]; /**< libcurl's about a failure */
    struct timer timeout;
    struct timer connect_timeout;
    unsigned sent;    /**< requests that went onto a connection */
    bool redirecting; /**< the last head sends us on */
    struct http_head head;
    struct buf body; /**< freed with the arena: failures may point into it */
    enum http_stop stop;
    struct str stop_words;
    struct http_result result;
};

/**
 * Sets all options of try->easy but those of the pool.
 *
 * @return 0, or -1 with *why when something the request needs cannot be had (a file that is gone)
 */
GOTO_MUST_USE int http_prepare(struct http_try *try, struct str *why);
/** Frees what http_prepare() made. */
void http_prepare_undo(struct http_try *try);
/** A redirect turned the method into GET: the next request has no body and no headers about one. */
void http_prepare_get(struct http_try *try);

/**
 * Sets try->version: as written, else by the scheme and what the port of the run speaks at this
 * moment. HTTP_REQUEST_BY_PORT is left where the two sides choose by ALPN.
 *
 * @return 0, or -1 with *why when the URL and what is written do not go together
 */
GOTO_MUST_USE int http_try_version(struct http_try *try, struct str *why);
/** Sets the options of libcurl about TLS and the version. */
void http_try_prepare_tls(struct http_try *try);
/** Another connection is made: what is known of the TLS of the one before does not hold for it. */
void http_try_forget_tls(struct http_try *try);
/** Writes what came of a connection's TLS into a result, whose texts live in the arena. */
void http_try_collect_tls(const struct tls_client *tls, struct http_result *result,
                          struct arena *arena);
/** Whether an answer that libcurl takes for whole is so, as far as HTTP/2 over TLS is concerned. */
bool http_try_is_whole(const struct http_try *try);
/** A request goes onto a connection: try->tls becomes that of it. False, with try->stop set, when
 * it does not speak the version that is demanded. */
bool http_try_sending_tls(struct http_try *try);

/** The URL that the request goes to: with a scheme and the query, in the attempt's arena. */
struct str http_request_url(const struct http_request *request, struct scenario *scenario,
                            struct arena *arena);
/**
 * The body of a request but for multipart: text, json, form, file.
 *
 * @return 0, or -1 with *why when a file cannot be read
 */
GOTO_MUST_USE int http_body_load(const struct http_request *request, struct arena *arena,
                                 struct str *body, struct str *why);
/** A form as it is sent. */
struct str http_form_text(const struct list *form, struct arena *arena);
/** Percent-encodes all but unreserved characters (RFC 3986); a blank is %20, or '+' with `plus`. */
void http_percent_encode(struct str text, bool plus, struct buf *into);

/**
 * The command line of curl that sends the same.
 *
 * @param version enum http_request_version: try->version
 * @param own     the URL leads to a port of the run, which the run's authority vouches for
 */
struct str http_replay(const struct http_request *request, struct str url, int version, bool own,
                       struct arena *arena);

/**
 * An easy handle with no options, for one try. A used one is no good for another: libcurl
 * before 8.1 still points to the headers of the answer before (an answer whose first header begins
 * with a blank is then put to freed memory, curl#11101), and 7.88 leaks its TLS sessions when it
 * comes to share others.
 */
CURL *http_easy_new(void);
struct http_pool *http_client_take_pool(struct http_client *client);
void http_client_give_pool(struct http_client *client, struct http_pool *pool);
/** The pool of a session, made at its first use. */
struct http_pool *http_session_pool(struct http_sessions *sessions, struct str name,
                                    struct loop *loop);
/** Where the session keeps its connections of h2c; NULL at first, freed with the session. */
struct http_h2c_session **http_session_h2c(struct http_sessions *sessions, struct str name,
                                           struct loop *loop);

/** The try has ended and gave everything back: collects the answer, judges it, is done. */
void http_try_conclude(struct http_try *try);
/** Undoes the codings of try->body; sets try->stop and stop_words when it cannot. */
void http_try_decode(struct http_try *try);

#endif
