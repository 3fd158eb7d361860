/**
 * What a route matches (LANGUAGE 3.1), and which condition failed first when it does not.
 *
 * Read from `METHOD /path`, `/path` or a mapping; also the `where` of conditions and verify items.
 */
#ifndef GOTO_SERVER_HTTP_MATCH_H
#define GOTO_SERVER_HTTP_MATCH_H

#include "schema/body.h"
#include "schema/predicate.h"
#include "server/http/message.h"

struct match;
struct tls_info;

/** [struct match *] any `match`; an empty mapping is an error. */
extern const struct type type_match;

/** [struct match *] the same of requests that were recorded: what only a connection knows (sni,
 * client-cert) is an error. */
extern const struct type type_match_recorded;

/** [struct str] an rpc: package.Service/Method. */
extern const struct type type_rpc;
/** [struct match *] an rpc, which is all that is asked for: as the match `{rpc: …}`. */
extern const struct type type_match_rpc;

/** What a request is matched with beside itself. */
struct match_context {
    uint64_t seed;
    struct str key;             /**< of draws for `chance`: the route's name */
    uint64_t number;            /**< of the request on its port */
    const struct tls_info *tls; /**< of its connection; NULL = in clear */
    bool *lacks;                /**< set when the result hangs on a body that is not all there
                                   (request_body_lacks()); NULL = it always is */
};

/** Why a request did not match. */
struct match_miss {
    struct str condition; /**< "method", "path", "header x-a", "json" …; in the arena */
    struct str text;      /**< "method is POST, expected GET" */
    unsigned passed; /**< conditions that held before it: the nearest route has the most; the path
                        counts most */
};

/**
 * Tests a request. What is told is the first that fails of path, method, query, headers, cookies,
 * form, body, sni, client-cert, not, chance.
 *
 * @param context  NULL: as if all of it were 0, for a match without `chance`
 * @param captures filled with the path template's captures (decoded) in the arena; may be NULL
 * @param miss     filled when it does not match; may be NULL (cheaper)
 */
bool match_test(const struct match *match, const struct request *request,
                const struct match_context *context, struct arena *arena, struct headers *captures,
                struct match_miss *miss);

/** Names that the path template captures, a list of struct str; none for a NULL match. */
struct list match_captures(const struct match *match);
/**
 * For the trie: if the match has exactly one method or any, a path without captures or predicates,
 * and nothing else, gives them and returns true. `method` data NULL = any.
 */
bool match_is_static(const struct match *match, struct str *method, struct str *path);
/** Cheap first test of method and path only (no allocation when the path is static). False = it
 * cannot match. */
bool match_quick(const struct match *match, const struct request *request);
/** Whether it asks for the body. */
bool match_needs_body(const struct match *match);
/** Whether what it asks for is not all known once the head of a request was read: its body, or a
 * chance, which is drawn when the request is whole. */
bool match_needs_whole(const struct match *match);
/** "GET /foo/{foo}" for messages. */
struct str match_describe(const struct match *match, struct arena *arena);
/** The rpc that it names, "shop.Orders/Place", and where; data NULL if it names none. */
struct str match_rpc(const struct match *match, struct place *place);
/** Where it stands. */
struct place match_place(const struct match *match);

#endif
