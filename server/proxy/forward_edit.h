/**
 * What a forward makes of a request on its way to a far side, and of the headers of its answer:
 * targets, queries, headers. Nothing here talks to anybody.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_EDIT_H
#define GOTO_SERVER_PROXY_FORWARD_EDIT_H

#include "server/proxy/forward_http.h"

/** A request as a far side gets it. Texts are of the request, the endpoint, or in the arena. */
struct forward_sent {
    struct str target; /**< path and query */
    struct str authority;
    struct headers headers; /**< end to end, without host and framing */
};

/**
 * Makes the request that is sent.
 *
 * @param edits NULL = only what every proxy changes
 */
void forward_edit_request(const struct forward_request *edits, const struct request *request,
                          const struct endpoint *endpoint, struct template_context *context,
                          struct arena *arena, struct forward_sent *sent);

/** Applies `remove`, `set` and `add` to headers, whose array is in the arena. */
void forward_edit_headers(const struct forward_edit *edit, struct template_context *context,
                          struct arena *arena, struct headers *headers);

/** The same for a query; data NULL when nothing is left. */
struct str forward_edit_query(const struct forward_edit *edit, struct str query,
                              struct template_context *context, struct arena *arena);

/** A template's path, what cannot stand in a path percent-encoded; it begins with '/'. */
struct str forward_edit_path(const struct template *path, struct template_context *context,
                             struct arena *arena);

/** Whether a header is about one connection, or about the framing on it, and not passed on (RFC
 * 9110 section 7.6.1). `connection` names more of them. */
bool forward_is_of_hop(struct str name);

/** The host of an endpoint as HTTP says it: "127.0.0.1:8080", without the port that its scheme has
 * by default; in the arena. */
struct str forward_authority(const struct endpoint *endpoint, struct arena *arena);

/** Takes a name away. */
void headers_remove(struct headers *headers, struct str name);

#endif
