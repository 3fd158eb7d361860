/**
 * The `http` verb: a request by libcurl on the scenario's loop, its answer, and its `expect`.
 *
 * Each step has its own connection, which its redirects may use again; steps of one client with the
 * same `session` share connections, sessions of TLS and cookies. Nothing is taken from the
 * environment: no proxy, netrc, CA path. What is sent: the request line, host, `user-agent:
 * goto-run/VERSION`, an `accept` of everything, what the step says, and what frames a body; nothing
 * else.
 *
 * libcurl asks once more by itself when a connection that a session had turns out to be closed
 * before any byte of an answer came (RFC 9112, section 9.3.1).
 *
 * HTTP/2 in clear goes by our own client (http_h2c.h): where the step says `version: h2c` (or "2"
 * with a URL in clear), or says none and the URL leads to a port of the run that speaks it at that
 * moment. Over TLS (tls_client.h) all versions are libcurl's.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_H
#define GOTO_RUNNER_CLIENT_HTTP_H

#include "runner/check/expect_http.h"
#include "runner/scenario/attempt.h"
#include "server/http/upstream.h"

/** [struct http_request] the value of `http:`; a string "GET URL" or "URL" is its short form. */
extern const struct type http_type;
extern const struct verb http_verb;

/** What a scenario's requests share: handles of libcurl, made at the first one and used again. */
struct http_client;
struct http_client *http_client_new(struct loop *loop);
/** Frees it; requests under way must have been cancelled. NULL is allowed. */
void http_client_free(struct http_client *client);
/** The sessions of one client (steps with `session: NAME`): their connections and cookies. */
struct http_sessions;
struct http_sessions *http_sessions_new(void);
/** Closes the connections; requests under way must have been cancelled. NULL is allowed. */
void http_sessions_free(struct http_sessions *sessions);

/** Where the verb finds these (implemented by the scenario). */
struct http_client *scenario_http_client(struct scenario *scenario);
struct http_sessions *client_http_sessions(struct client *client);
/**
 * The URL of an endpoint without a scheme ("api/x", "127.0.0.1:80/x"): a port of the run by name or
 * address gets its scheme. Returns the text to be used, in the arena.
 */
struct str scenario_endpoint_url(struct scenario *scenario, struct str url, struct arena *arena);

/** A port of the run that an endpoint leads to, as it is at this moment. */
struct scenario_endpoint {
    struct str name; /**< "api" */
    int protocol;    /**< enum upstream_protocol that it speaks now */
    bool tls;        /**< it speaks TLS now */
    bool program;    /**< of a program: its certificate is its own affair, not the run's */
};

/**
 * Whether an endpoint leads to a port of the run: by its name ("api", "api/x"), or by the address
 * of a URL or of host:port, with any scheme or none; "localhost" is 127.0.0.1, and a port that is
 * bound to all addresses has each loopback address.
 *
 * @return false: it leads elsewhere; *endpoint is not touched
 */
bool scenario_endpoint_port(struct scenario *scenario, struct str url,
                            struct scenario_endpoint *endpoint);

/** The names of errors that `expect: {error: …}` knows, ended by NULL; http_error_doc() has their
 * doc. */
extern const char *const error_names[];

#endif
