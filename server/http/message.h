/**
 * An HTTP message, as every version of HTTP has it: what codecs produce and exchanges work on.
 */
#ifndef GOTO_SERVER_HTTP_MESSAGE_H
#define GOTO_SERVER_HTTP_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

struct header {
    struct str name; /**< as sent; compare without regard to case */
    struct str value;
};

struct headers {
    struct header *items;
    size_t count;
    size_t capacity;
};

enum http_version { HTTP_1_0 = 10, HTTP_1_1 = 11, HTTP_2 = 20 };

/** A request that was read. All texts are borrowed from the exchange (or from a packed request). */
struct request {
    struct str method;
    struct str target;    /**< as sent: "/a%20b?x=1", "http://h/p", "*" */
    struct str path;      /**< of the target, still percent-encoded, without query: "/a%20b" */
    struct str query;     /**< without '?'; data NULL if there is none */
    struct str authority; /**< of the Host header, absolute form or :authority */
    enum http_version version;
    struct headers headers;
    struct headers trailers;
    struct str body; /**< decoded from its transfer coding */
};

/** "HTTP/1.1" and so on. */
const char *http_version_name(enum http_version version);
/** The reason phrase of RFC 9110, or "" for an unknown status. */
const char *http_reason(unsigned status);

/** Appends; the array lives in the arena (NULL: on the heap, to be freed by headers_clear()). */
void headers_add(struct headers *headers, struct arena *arena, struct str name, struct str value);
void headers_clear(struct headers *headers);
/** The first value of a name, data NULL if it is not there. */
struct str headers_get(const struct headers *headers, struct str name);
/** All values of a name as JSON: NULL (none), a string, or an array of strings. */
const struct json *headers_to_json(const struct headers *headers, struct str name,
                                   struct arena *arena);
/** Whether the values of metadata of this name are bytes: it ends with -bin. */
bool metadata_is_binary(struct str name);
/** The same of metadata of gRPC: bytes are Base64 with padding, whatever stood on the wire. */
const struct json *metadata_to_json(const struct headers *headers, struct str name,
                                    struct arena *arena);
/** Whether a comma-separated list header holds the token, without regard to case. */
bool headers_has_token(const struct headers *headers, struct str name, struct str token);

/** One value of the query or a form (percent-decoded, '+' is a blank): NULL, a string, or an array,
 * in order. */
const struct json *query_to_json(struct str query, struct str name, struct arena *arena);
/** All of a query as a JSON object; what came several times is an array. */
struct json *query_object(struct str query, struct arena *arena);
/** A cookie of the Cookie headers (RFC 6265), as sent, quotes included; data NULL if missing. */
struct str request_cookie(const struct request *request, struct str name);
/**
 * Percent-decodes into the arena; bad escapes stay as they are. `plus`: '+' is a blank. A text with
 * nothing to decode is returned itself. The result's data is never NULL.
 */
struct str percent_decode(struct str text, bool plus, struct arena *arena);

/** Percent-encodes all bytes but letters, digits, `-._~` and those of `keep`; in the arena. */
struct str percent_encode(struct str text, const char *keep, struct arena *arena);

/** Serialises a request for the journal: compact, self-contained; `into` is appended to. */
void request_pack(const struct request *request, struct buf *into);
/** Reads a packed request; texts point into `packed`, arrays live in the arena. False if it is not
 * one. */
GOTO_MUST_USE bool request_unpack(struct str packed, struct arena *arena, struct request *request);

#endif
