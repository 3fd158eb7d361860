/**
 * A wire of the HTTP/2 client (h2_client.h) that is a stream: with what stages and TLS it has.
 *
 * The client closes the wire, which may be after the stream has gone or before: so it has memory of
 * its own, and both sides tell it. Who speaks on the stream hands over what it hears:
 *
 *     bytes:     wire->incoming = bytes; while (wire->incoming.size …) h2_stream_wire_tell(wire);
 *     writable:  h2_stream_wire_tell(wire);
 *     ended:     h2_stream_wire_end(wire, reset);
 *     gone:      h2_stream_wire_leave(wire);
 */
#ifndef GOTO_SERVER_HTTP_H2_STREAM_WIRE_H
#define GOTO_SERVER_HTTP_H2_STREAM_WIRE_H

#include "server/http/h2_client.h"
#include "server/stream/stream.h"

struct h2_stream_wire {
    struct h2_wire wire;
    struct stream *stream; /**< NULL once it is gone */
    struct str incoming;   /**< what the stream gave and the client did not read */
    bool peer_ended;
    bool broken;
    const char *remote;          /**< borrowed from the owner */
    void (*closed)(void *owner); /**< the client has closed the wire, which is freed; not called
                                    once the stream is gone */
    void *owner;
};

/** A wire on a stream that stands; the client that it is given to frees it. */
struct h2_stream_wire *h2_stream_wire_new(struct stream *stream, const char *remote,
                                          void (*closed)(void *owner), void *owner);
/** Has the client read and write what it can. The wire may be gone then. */
void h2_stream_wire_tell(struct h2_stream_wire *wire);
/** The peer has ended, as stream->peer_ended says, or reset the stream. The wire may be gone then.
 */
void h2_stream_wire_end(struct h2_stream_wire *wire, bool reset);
/** The stream goes away. */
void h2_stream_wire_leave(struct h2_stream_wire *wire);

#endif
