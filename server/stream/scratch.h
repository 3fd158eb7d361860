/**
 * What all connections of a server share: buffers that are used only for the length of a callback.
 *
 * So an idle connection holds none of its own, and a request that is answered at once allocates
 * nothing.
 */
#ifndef GOTO_SERVER_STREAM_SCRATCH_H
#define GOTO_SERVER_STREAM_SCRATCH_H

#include "base/buf.h"
#include "server/server.h"

struct h1_exchange;
struct h2_exchange;
struct stream;

enum { SCRATCH_INPUT = 64 * 1024, SCRATCH_OUTPUT = 32 * 1024, SCRATCH_KEPT = 256 * 1024 };

struct scratch {
    bool input_taken;      /**< a read is under way; one within it uses memory of its own */
    struct stream *corked; /**< whose output is collected: see stream_enter() */
    size_t output_size;
    struct buf packed;   /**< a packed request */
    struct buf head;     /**< the head of an answer */
    int64_t date_second; /**< since 1970, of `date` */
    size_t date_size;
    char date[48];              /**< "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
    struct h1_exchange *unused; /**< exchanges for use */
    size_t unused_count;
    struct h2_exchange *unused_h2; /**< the same of HTTP/2 */
    size_t unused_h2_count;
    void (*clear_h2)(struct scratch *scratch); /**< frees them; NULL = there never were any */
    struct buf frames;                         /**< frames of HTTP/2 on their way out */
    char output[SCRATCH_OUTPUT];
    char input[SCRATCH_INPUT];
};

/** The server's scratch, made at the first call. */
struct scratch *server_scratch(struct server *server);
/** Empties a buffer of the scratch; one that grew beyond SCRATCH_KEPT gives its memory back. */
void scratch_reset(struct buf *buf);
/** The date header line of now (RFC 9110 section 5.6.7), made once a second. */
struct str server_date(struct server *server);

#endif
