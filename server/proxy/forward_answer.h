/**
 * What a client gets instead of a far side's answer: `response` of a forward. Nothing here talks
 * to anybody.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_ANSWER_H
#define GOTO_SERVER_PROXY_FORWARD_ANSWER_H

#include "server/proxy/forward_http.h"

/** An answer of a far side, as it came. */
struct forward_came {
    unsigned status; /**< 0 = there is none: only `calls` are asked */
    struct str reason;
    const struct headers *headers; /**< end to end */
    struct str body;               /**< as far as it was collected */
    bool bodiless;                 /**< it has none: HEAD, 204, 304 */
};

/** What is given. Texts are those of what came, or in the arena. */
struct forward_given {
    unsigned status;
    struct str reason; /**< data NULL = the usual one */
    struct headers headers;
    struct str body; /**< of one that is made here, or was collected */
    bool has_body;   /**< `body` is the whole body; else that is what comes, or none */
};

/**
 * Makes the answer. context->answers holds what templates may ask for, bodies unpacked.
 *
 * @param response NULL = what came, as it is
 * @param most     bytes that the body may have
 * @return false with *why (in the arena): "json-patch: test "/a": it is 1, not 2"
 */
GOTO_MUST_USE bool forward_make_answer(const struct forward_response *response,
                                       const struct forward_came *came,
                                       struct template_context *context, size_t most,
                                       struct arena *arena, struct forward_given *given,
                                       struct str *why);

/**
 * A body without its content coding: gzip and deflate are unpacked, identity is itself.
 *
 * @return false with *why (in the arena): another coding, a broken one, more than `most` bytes
 */
GOTO_MUST_USE bool forward_unpack(const struct headers *headers, struct str body, size_t most,
                                  struct arena *arena, struct str *unpacked, struct str *why);

#endif
