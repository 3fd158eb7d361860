/**
 * The head and the trailers of an answer, line by line as libcurl hands them over; and the rules of
 * HTTP/1 on them that libcurl does not mind.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_HEAD_H
#define GOTO_RUNNER_CLIENT_HTTP_HEAD_H

#include "server/http/message.h"

/** Bytes of all heads (interim ones too) and trailers of one answer. */
enum { HTTP_HEAD_SIZE = 300 * 1024 };

struct http_head {
    struct arena *arena;
    bool begun; /**< a status line came */
    bool done;  /**< the empty line behind the headers of a final answer came */
    unsigned status;
    struct str version; /**< "1.1" */
    struct str reason;
    struct headers headers;
    struct headers trailers;
    size_t size;        /**< bytes so far */
    bool upgrade_asked; /**< the request had an Upgrade header: 101 is allowed */
    bool is_h2;         /**< the connection speaks HTTP/2 */
    struct str broken;  /**< which rule was broken, in words; empty = none */
    bool too_large;
};

/** Ready for the answer of the next request. */
void http_head_reset(struct http_head *head);

/**
 * Takes one line with its end.
 *
 * @return false when `broken` or `too_large` was set: the exchange is over
 */
GOTO_MUST_USE bool http_head_line(struct http_head *head, struct str line);

#endif
