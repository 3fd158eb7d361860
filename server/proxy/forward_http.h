/**
 * The keys of `forward:` that only HTTP has, as read.
 *
 * What the language leaves open:
 * - `host` is `rewrite` by default: the far side is told the name that it has in the spec (its
 *   address for one of the run's ports), as it would be without the proxy. `headers: {set: {host:
 *   …}}` stands above both. Nothing else is added: no `via`, no `x-forwarded-…`.
 * - `path` is a template. What cannot stand in a path is percent-encoded, `/` stays: a capture
 *   `{rest*}` may hold several segments. The path of a URL in `to` comes before it.
 * - `set` replaces all values of a name, `add` adds one, `remove` takes all away; in that order:
 *   remove, set, add. What changes a query leaves the fields it does not name as they were.
 * - `response.headers` is either of set, add and remove, or a mapping as that of `respond`: a list
 *   repeats, null drops.
 * - Of `response`, `replace` works on the text of the body, then `json-patch` on what that gives.
 *   A body that comes as gzip or deflate is unpacked before, and sent on so.
 * - A call of `calls` is a request like the one that came, but for what its keys say; with `method:
 *   GET` or `HEAD` it has no body unless one is written.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_HTTP_H
#define GOTO_SERVER_PROXY_FORWARD_HTTP_H

#include "server/http/template.h"
#include "server/proxy/forward.h"
#include "server/proxy/json_patch.h"
#include "server/tls/client.h"

/** What the far side is told as `host`. */
enum forward_host {
    FORWARD_HOST_NONE,    /**< not written */
    FORWARD_HOST_KEEP,    /**< what the client sent */
    FORWARD_HOST_REWRITE, /**< the far side's own */
};

/** `set`, `add`, `remove` of a query or of headers. */
struct forward_edit {
    struct list set; /**< of struct map_entry whose value is a struct list of struct template * */
    struct list add; /**< the same */
    struct list remove; /**< of struct str */
};

/** What a request is changed to on its way to a far side. */
struct forward_request {
    struct template *path; /**< NULL = the client's */
    struct forward_edit query;
    struct forward_edit headers;
    int host;                       /**< enum forward_host */
    struct tls_client_options *tls; /**< NULL = not written */
};

/** An item of `replace`. */
struct forward_replace {
    struct str from;
    struct template *to;
};

/** An item of `json-patch`. */
struct forward_patch {
    int operation; /**< enum json_patch_operation */
    struct str path;
    struct str from;
    struct template *value; /**< of JSON */
};

/** `response`: what the far side's answer is changed to. */
struct forward_response {
    struct template *status; /**< NULL = the far side's */
    struct forward_edit headers;
    struct template *body;
    struct template *json;
    struct list replace; /**< of struct forward_replace */
    struct list patch;   /**< of struct forward_patch */
    bool makes_body;     /**< the body is not the far side's */
    bool reads_body;     /**< the far side's body has to be there first */
};

/** An item of `calls`. */
struct forward_call {
    struct str to;
    struct place to_place;
    struct str method; /**< data NULL = the client's */
    struct forward_request request;
    struct template *body;
    struct template *json;
    int64_t timeout_ns; /**< 0 = that of the forward */
};

/** `via`. */
struct forward_via {
    struct list hops; /**< of struct str: endpoints */
    struct place place;
};

/** The keys of HTTP. */
struct forward_http {
    struct forward_request request;
    struct forward_response *response; /**< NULL = the far side's answer as it is */
    struct list calls; /**< of struct map_entry whose value is a struct forward_call */
    bool tunnel;
    struct forward_via via;
};

/** Its rows, which forward.c includes. */
extern const struct table forward_http_table;

/** Whether it says where to forward to, without `to`. */
bool forward_http_leads(const struct forward_http *http);

/** Calls for each endpoint that its keys name, with its place. */
void forward_http_each_endpoint(const struct forward_http *http,
                                void (*each)(void *context, struct str text, struct place place),
                                void *context);

#endif
