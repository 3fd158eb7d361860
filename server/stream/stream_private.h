/**
 * What the files of stream share: stream.c reads and tells the protocol, stream_queue.c writes,
 * stage.c leads both through the stages, stream_close.c ends.
 */
#ifndef GOTO_SERVER_STREAM_STREAM_PRIVATE_H
#define GOTO_SERVER_STREAM_STREAM_PRIVATE_H

#include "server/stream/stream.h"

/** Bytes that are added behind and taken in front. */
struct stream_bytes {
    char *data;
    size_t start;
    size_t size;
    size_t capacity;
};

/** Bytes not yet taken by the protocol. */
struct stream_input {
    struct stream_bytes bytes;
};

/** Bytes not yet taken by the kernel. */
struct stream_queue {
    struct stream_bytes bytes;
    struct stream *stream;
    struct timer soon; /**< active: nothing was tried yet, more may follow in this turn */
};

/** What stream_write_soon() was given for the stages: kept until more comes or the turn ends. */
struct stream_soon {
    struct stream_bytes bytes;
    struct stream *stream;
    struct timer timer;
};

/** A close under way. */
struct stream_end {
    struct stream *stream;
    struct timer timer;
    struct stage *ending; /**< the stage that is to end next, before the FIN; NULL = all have */
    bool told;            /**< its out_end() was called; it may hold bytes still */
    enum close_how how;
    bool fin_sent;
    int64_t deadline_ns; /**< of what is waited for now */
    uint64_t sent;       /**< stream->sent when the deadline was set: it moves on with progress */
};

void bytes_append(struct stream_bytes *bytes, struct str more);
void bytes_consume(struct stream_bytes *bytes, size_t size);
struct str bytes_str(const struct stream_bytes *bytes);

/** Tries to write the queue, or what the bracket collected, for which it goes through the stages.
 */
void queue_flush(struct stream *stream);
/** Adds to what the bracket collects, if this stream has it and there is room. */
bool queue_cork(struct stream *stream, const struct iovec *parts, int count);
/** What the bracket collected for this stream, whether for its stages or for the socket. */
struct str queue_collected(const struct stream *stream);
/** Behind the stages: sends, or queues behind what waits. */
void queue_write(struct stream *stream, const struct iovec *parts, int count);
/** Whether everything written was taken by the kernel. */
bool queue_is_empty(const struct stream *stream);
/** Frees the queue and what it holds. */
void queue_free(struct stream *stream);

/** Writes through the stages; `soon`: more is to follow in this turn. */
void stages_write(struct stream *stream, const struct iovec *parts, int count, bool soon);
/** Whoever sees now that much waits is told when it no longer does: what a stage holds comes and
 * goes without a queue. */
void stages_mark(struct stream *stream);
/** Leads through the stages what was collected for them, and has them hand on what they keep. */
void stages_flush(struct stream *stream);
/** Bytes that wait in the stages and above them. */
size_t stages_held(const struct stream *stream);
/** Of those the bytes that writers have to mind. */
size_t stages_pressing(const struct stream *stream);
/** When the stage that is to end next goes on by itself; INT64_MAX: only once somebody lets it; 0:
 * it does not say. */
int64_t stages_next_ns(const struct stream *stream);
/** Bytes that wait in the stages on their way to the protocol, as they count for reading on. */
size_t stages_held_in(const struct stream *stream);
/** Bytes that came and that stages keep from the protocol. */
size_t stages_unread(const struct stream *stream);
/** Ends the stages one after the other, from the top; true once all have and hold nothing. */
bool stages_end(struct stream *stream);
/** Forgets what waits above the stages. */
void stages_drop(struct stream *stream);
/** Frees the stages. */
void stages_free(struct stream *stream);

/** Keeps the peer's address; an IPv4 address mapped into IPv6 as IPv4; of a unix socket none. */
void stream_set_peer(struct stream_peer *peer, const struct sockaddr_storage *address);
/** The watcher's callback of every stream. */
void stream_ready(struct watcher *watcher, int events);
/** The peer's RST: the protocol is told, then the stream goes. Within a bracket. */
void stream_reset(struct stream *stream);
/** A connect() that was under way has come to something. */
void dial_ready(struct stream *stream);
/** Takes one that we connected off the server's list. */
void dial_forget(struct stream *stream);

/** Offers bytes to the protocol; keeps what it does not take. */
void stream_offer(struct stream *stream, struct str bytes);

/** Counts bytes that came or went. */
void stream_count(struct stream *stream, size_t received, size_t sent);
/** Sets what the socket is watched for. */
void stream_update(struct stream *stream);
/** The FIN of stream_half_close(), once nothing waits before it. */
void end_half(struct stream *stream);
/** Goes on with stream_finish(): what waits before the FIN may have gone. */
void finish_advance(struct stream *stream);
/** Goes on with a close: what it waits for may have come. */
void end_advance(struct stream *stream);
/** Closes the socket; journals the end; tells the protocol now or when the last bracket ends. */
void end_finish(struct stream *stream, bool rst);
/** Writes into the connection's entry who ended first. */
void end_journal(struct stream *stream);
/** Who ended first, if nobody did yet. `flags` of ENTRY_CLOSED_BY_…. */
void end_note(struct stream *stream, unsigned flags);
/** Reads and drops what comes after a close. */
void end_discard(struct stream *stream);
/** Frees the close under way. */
void end_free(struct stream *stream);

#endif
