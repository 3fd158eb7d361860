/**
 * What an `http:` step says, as read from a spec.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_REQUEST_H
#define GOTO_RUNNER_CLIENT_HTTP_REQUEST_H

#include "schema/table.h"

/** The values of one header, query or form name: none and `null` for a written null. */
struct http_values {
    struct list texts; /**< of struct str */
    bool null;
};

/** A part of `multipart`: exactly one of `value` and `file` is there. */
struct http_part {
    struct str name;
    struct str value;        /**< data NULL if not given */
    struct str file;         /**< its path as opened; data NULL if not given */
    struct str filename;     /**< data NULL: that of `file` */
    struct str content_type; /**< data NULL if not given */
};

/** `auth`: exactly one is there. */
struct http_auth {
    struct str basic; /**< "user:password" */
    struct str bearer;
    struct str digest; /**< "user:password" */
};

enum http_request_version {
    HTTP_REQUEST_BY_PORT, /**< not written: over TLS by ALPN, 2 or 1.1; in clear h2c where
                             the run's port speaks it, else 1.1 */
    HTTP_REQUEST_1_1,
    HTTP_REQUEST_1_0,
    HTTP_REQUEST_2, /**< over TLS; in clear it is HTTP_REQUEST_H2C */
    HTTP_REQUEST_H2C,
};

struct tls_client_options;

/** Texts hold no NUL where they become C strings; data is NULL for what is not given. */
struct http_request {
    struct str method; /**< data NULL: GET, or POST with a body */
    struct str url;    /**< as written, maybe without a scheme */
    struct place url_place;
    struct list headers; /**< of struct map_entry: struct http_values */
    struct list query;   /**< the same */
    struct str body;
    struct json *json;
    struct list *form;      /**< as query */
    struct list *multipart; /**< of struct http_part */
    struct str file;        /**< its path as opened */
    struct http_auth *auth;
    struct list cookies; /**< of struct map_entry: struct str */
    int version;         /**< enum http_request_version */
    uint64_t follow;
    struct str proxy;
    struct list resolve; /**< of struct map_entry: struct str, an address */
    struct str connect_to;
    struct tls_client_options *tls; /**< NULL if not given */
    int64_t timeout_ns;             /**< 0 = none */
    int64_t connect_timeout_ns;     /**< 0 = none */
    uint64_t max_body;
    bool compressed;
    struct str interface;
    struct str unix_socket; /**< its path as opened */
};

extern const struct table http_request_table;

/** Whether it has a body of any kind. */
bool http_request_has_body(const struct http_request *request);
/** The method that is sent. */
struct str http_request_method(const struct http_request *request);
/** Whether a header of that name is written, also as null. */
const struct http_values *http_request_header(const struct http_request *request, const char *name);
/** Its name in words, from the node as written: "GET ${api}/x". */
struct str http_request_title(struct arena *arena, const struct node *node);

#endif
