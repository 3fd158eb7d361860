/**
 * What the files of matches share: match_read.c makes one from a spec, match.c tests it.
 */
#ifndef GOTO_SERVER_HTTP_MATCH_PRIVATE_H
#define GOTO_SERVER_HTTP_MATCH_PRIVATE_H

#include "server/http/match.h"
#include "server/http/path_template.h"

/** `method`: names of which it has to be one, or a predicate. */
struct match_method {
    struct str *names;
    size_t count;
    size_t capacity;
    struct predicate *predicate; /**< NULL where only names were written */
};

/** `path`: a template or a predicate on the decoded path; at most one is set. */
struct match_path {
    struct path_template *template;
    struct predicate *predicate;
};

struct match {
    struct place place;
    struct match_method method;
    struct match_path path;
    struct place rpc_place;
    struct str rpc; /**< "shop.Orders/Place": the path is made of it; data NULL = not written */
    struct list metadata; /**< as `headers` */
    /* Lists of struct map_entry whose value is a struct predicate *. */
    struct list query;
    struct list headers;
    struct list cookies;
    struct list form;
    struct body_check body;
    struct predicate *sni;
    struct predicate *client_cert;
    double *chance;       /**< 0 to 1 */
    struct match *unless; /**< `not` */
};

#endif
