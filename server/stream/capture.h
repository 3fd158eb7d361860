/**
 * What passes, for the record: the first bytes of each direction of a connection of bytes, or of a
 * tunnel, as entries of the journal. Kept only where a check of the scenario asks for them
 * (server->captures).
 *
 * `received` is what came from the client, behind the faults of that direction; `sent` what is
 * written to it, before them. Over TLS it is what TLS carries.
 */
#ifndef GOTO_SERVER_STREAM_CAPTURE_H
#define GOTO_SERVER_STREAM_CAPTURE_H

#include "base/common.h"
#include "base/str.h"

struct server;
struct stream;

enum { CAPTURE_MOST = 64 * 1024 /**< bytes of a direction */ };

struct capture {
    uint32_t kept[2]; /**< bytes; [0] received, [1] sent */
    bool cut[2];      /**< more came than is kept, which is noted */
};

/** Begins: the journal says that there is something to look at, though nothing may pass. */
void capture_start(const struct stream *stream, uint64_t request);
/** Keeps bytes that pass, up to the bound; `request`: of a tunnel, 0 = of the whole connection. */
void capture_bytes(struct capture *capture, const struct stream *stream, uint64_t request,
                   bool sent, struct str bytes);

/** From here on what the protocol of this stream reads and writes is kept, if any check asks. */
void stream_capture(struct stream *stream);
/** Whether bytes of a direction have to be seen: they cannot move within the kernel. */
bool stream_captures(const struct stream *stream, bool sent);

#endif
