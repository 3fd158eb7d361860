/**
 * The keys of `forward:` that only HTTP has, as read.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_HTTP_H
#define GOTO_SERVER_PROXY_FORWARD_HTTP_H

#include "server/proxy/forward.h"

/** What the far side is told as `host`. */
enum forward_host {
    FORWARD_HOST_NONE,    /**< not written */
    FORWARD_HOST_KEEP,    /**< what the client sent */
    FORWARD_HOST_REWRITE, /**< the far side's own */
};

/** The keys of HTTP. */
struct forward_http {
    int host; /**< enum forward_host */
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
