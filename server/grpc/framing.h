/**
 * gRPC's frame around each message (a flag and a length, then the message), and the compression of
 * what is in it.
 *
 * The reader takes bytes as they come, split anywhere, and never holds more than one message of the
 * size that is allowed; an announced length costs nothing until its bytes arrive.
 *
 *     while ((result = grpc_frames_next(&frames, &input, &frame)) == GRPC_FRAME_DONE)
 *         ... frame.bytes, borrowed until the next call
 */
#ifndef GOTO_SERVER_GRPC_FRAMING_H
#define GOTO_SERVER_GRPC_FRAMING_H

#include "base/buf.h"
#include "base/str.h"

enum { GRPC_FRAME_HEAD = 5 };

struct grpc_frame {
    bool compressed;
    struct str bytes;
};

enum grpc_frame_result {
    GRPC_FRAME_MORE,     /**< the input is used up, the next frame is not complete */
    GRPC_FRAME_DONE,     /**< a frame; the rest of the input is left */
    GRPC_FRAME_BAD_FLAG, /**< the flag is neither 0 nor 1; stays so */
    GRPC_FRAME_TOO_LARGE /**< the length is above the bound; stays so */
};

struct grpc_frames {
    struct buf bytes; /**< of the message that is being read */
    unsigned char head[GRPC_FRAME_HEAD];
    size_t head_size;
    bool done; /**< the frame in `bytes` was handed out */
};

/** A reader of messages of at most `most` bytes each (as sent: before they are decompressed). */
void grpc_frames_init(struct grpc_frames *frames, size_t most);
void grpc_frames_clear(struct grpc_frames *frames);

/** Takes bytes from *input, which is moved on, until a frame is complete. */
GOTO_MUST_USE enum grpc_frame_result grpc_frames_next(struct grpc_frames *frames, struct str *input,
                                                      struct grpc_frame *frame);

/** Whether nothing of a next frame was read: where a stream may end. */
bool grpc_frames_is_between(const struct grpc_frames *frames);
/** The length that the head of the present frame says; 0 before it is there. */
uint32_t grpc_frames_length(const struct grpc_frames *frames);

/** Follows frames without keeping them: start it with zeros. */
struct grpc_skim {
    unsigned char head[GRPC_FRAME_HEAD];
    size_t head_size;
    uint32_t left;  /**< bytes of the present message that did not come */
    uint64_t count; /**< messages that ended */
};
/** Goes to the end of a message; *input is moved on. False: it is used up, and no message ended. */
GOTO_MUST_USE bool grpc_skim_next(struct grpc_skim *skim, struct str *input);

/** The length that the head of a frame says. */
uint32_t grpc_frame_size(const unsigned char head[GRPC_FRAME_HEAD]);
/** The head of a frame, any flag and any length. */
void grpc_frame_head(unsigned char head[GRPC_FRAME_HEAD], uint8_t flag, uint32_t length);
/**
 * Starts a frame whose message is not known yet; what is appended until grpc_frame_close() is it.
 *
 * @return the mark for grpc_frame_close()
 */
GOTO_MUST_USE size_t grpc_frame_open(struct buf *into);
/** What exceeds 4 GiB, or the bound of the buffer, marks that as full. */
void grpc_frame_close(struct buf *into, size_t mark);
/** Appends a frame; -EMSGSIZE when it is beyond the bound of `into` or 4 GiB. */
GOTO_MUST_USE int grpc_frame_write(struct buf *into, bool compressed, struct str message);

/** The values of grpc-encoding that are spoken. */
enum grpc_encoding { GRPC_IDENTITY, GRPC_GZIP };

/** False for an encoding that is not spoken. */
GOTO_MUST_USE bool grpc_encoding_read(struct str name, enum grpc_encoding *encoding);
const char *grpc_encoding_name(enum grpc_encoding encoding);

enum grpc_decoded {
    GRPC_DECODED,
    GRPC_DECODE_BAD,  /**< not of that encoding, cut, or followed by something else */
    GRPC_DECODE_LARGE /**< larger than the bound of `into` */
};

/** Appends the message compressed; -EMSGSIZE when it is beyond the bound. */
GOTO_MUST_USE int grpc_compress(enum grpc_encoding encoding, struct str bytes, struct buf *into);
/** Appends what a compressed message was; on errors `into` holds what was got so far. */
GOTO_MUST_USE enum grpc_decoded grpc_decompress(enum grpc_encoding encoding, struct str bytes,
                                                struct buf *into);

#endif
