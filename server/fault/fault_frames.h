/**
 * Frames of HTTP/2 that break a rule (RFC 9113), as bytes, and heads that never end.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_FRAMES_H
#define GOTO_SERVER_FAULT_FAULT_FRAMES_H

#include "base/buf.h"
#include "schema/table.h"

/** The ways in which a header block cannot be decoded (RFC 7541); the first one is the usual one.
 */
extern const struct choice fault_hpack_choices[];
/** Appends HEADERS of such an answer. */
void fault_frames_bad_hpack(int kind, uint32_t stream_id, struct buf *into);

/** The ways in which a frame breaks a rule; the first one is the usual one. */
extern const struct choice fault_frame_choices[];
/** Appends such a frame; `stream_id` is that of a request that waits for its answer. */
void fault_frames_bad(int kind, uint32_t stream_id, struct buf *into);

/** The head of an answer in parts: HEADERS, the CONTINUATION that comes again and again, and the
 * one that ends it. The answer has no body. */
void fault_frames_continuations(uint32_t stream_id, struct buf *first, struct buf *again,
                                struct buf *last);
/** An answer in parts: its head, the empty DATA that comes again and again, and the one that ends
 * it. */
void fault_frames_empty_data(uint32_t stream_id, struct buf *first, struct buf *again,
                             struct buf *last);

#endif
