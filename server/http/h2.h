/**
 * HTTP/2 on a stream, by nghttp2: exchanges from frames, answers into frames (RFC 9113).
 *
 * All frames of one turn leave in one write. A connection holds at most `max-streams` (100)
 * requests at a time; their bodies and heads are bounded by the upstream's limits, and by flow
 * control. RST_STREAM and GOAWAY of both sides are journalled with their codes (ENTRY_RESET,
 * ENTRY_GOAWAY). Raw frames may be put between frames of nghttp2: that is what faults do.
 */
#ifndef GOTO_SERVER_HTTP_H2_H
#define GOTO_SERVER_HTTP_H2_H

#include "schema/table.h"
#include "server/http/exchange.h"

/** HTTP/2 from the first byte: by ALPN, or by prior knowledge. */
extern const struct protocol h2_protocol;
/**
 * What an h2c port speaks: the preface of HTTP/2 begins it at once (prior knowledge); a request of
 * HTTP/1.1 is upgraded (RFC 7540 section 3.2), or answered 426 if it does not ask for that.
 */
extern const struct protocol h2c_protocol;

struct h2;
struct port;

/** "PROTOCOL_ERROR" of 1, "code 57005" of an unknown one (RFC 9113 section 7); and back: a name, or
 * a number, decimal or 0x…. */
struct str h2_error_name(uint32_t code, char out[24]);
bool h2_error_number(struct str name, uint32_t *code);
/** [uint32_t] such a name or number in a spec. */
extern const struct type h2_code_type;
/** [int64_t] the last stream of a GOAWAY in a spec; the default is H2_LAST_SEEN. */
extern const struct type h2_last_type;

/** Whether a stream speaks HTTP/2 now. */
bool h2_is(const struct stream *stream);

enum { H2_LAST_SEEN = -1 };
/**
 * Sends GOAWAY on a connection: no request after `last` (H2_LAST_SEEN = the last one that came) is
 * answered, those before are; with NO_ERROR the connection ends once they are done, with any other
 * code it ends by FIN after what is queued, unless `keep`.
 */
void h2_goaway(struct stream *stream, uint32_t code, int64_t last, struct str debug, bool keep);
/** The same, but with any code the requests up to `last` are answered first, then comes FIN. */
void h2_goaway_finish(struct stream *stream, uint32_t code, int64_t last, struct str debug);
/** Resets the stream of an exchange; journals it. The exchange ends, and may be freed. */
void h2_reset(struct exchange *exchange, uint32_t code);
/** How an answer is cut. */
enum h2_cut_how {
    H2_CUT_RESET,  /**< RST_STREAM */
    H2_CUT_GOAWAY, /**< GOAWAY with the newest stream, then FIN */
    H2_CUT_FIN,    /**< the connection ends */
    H2_CUT_RST,    /**< the same, by RST */
    H2_CUT_STALL,  /**< nothing more of it comes */
};
/** Has the answer that is still to come cut: behind `size` bytes of its body (0: behind its
 * HEADERS), or where its end would be if it is shorter. `code` is of RST_STREAM and GOAWAY. */
void h2_cut_within(struct exchange *exchange, enum h2_cut_how how, uint32_t code, uint64_t size);
/** DATA frames of the answer hold at most so many bytes. */
void h2_split(struct exchange *exchange, uint64_t size);
/** Puts bytes between two frames, as they are; in order with what was submitted before. */
void h2_raw(struct stream *stream, struct str bytes);
/** The stream id of an exchange of HTTP/2, 0 for others. */
uint32_t h2_stream_id(const struct exchange *exchange);

enum { H2_MOST_SETTINGS = 16 };
struct h2_setting {
    uint16_t id;
    uint32_t value;
};
/** Announces settings on a connection that lives, as h2_begin does for one that begins. */
void h2_settings(struct stream *stream, const struct h2_setting *settings, size_t count);
/** From now on no WINDOW_UPDATE leaves; or again: then what was held back leaves at once. */
void h2_hold_window(struct stream *stream, bool hold);

/** Which frames of the client are not acknowledged. */
struct h2_silence {
    bool settings;
    bool ping;
};
/** From now on no acknowledgement of those leaves, or again; what was kept back never comes. */
void h2_silence(struct stream *stream, struct h2_silence of, bool silent);

/** Frames that are sent again and again, as fast as the client takes them. */
struct h2_flood {
    struct str first; /**< bytes before all of them */
    struct str frame;
    struct str last;  /**< bytes behind all of them */
    uint64_t count;   /**< of `frame` */
    int64_t every_ns; /**< one frame each time, the first one at once; 0 = no pause */
    bool whole;       /**< no other frame comes between them */
    bool settings;    /**< they are SETTINGS, which the client acknowledges */
};
/** Begins one; bytes are copied. It ends when all is sent, or with the connection. */
void h2_flood(struct stream *stream, const struct h2_flood *flood, const void *owner);
/** Ends the oldest one of an owner, if one is under way: no further frame of it leaves. */
void h2_flood_end(struct stream *stream, const void *owner);

/** What a connection begins with; changed by port->h2_begin before the
 * first frame is sent. */
struct h2_begin {
    struct h2_setting settings[H2_MOST_SETTINGS]; /**< replace or add to ours; sent as they are,
                                                     also when illegal */
    size_t setting_count;
    bool no_settings; /**< send no SETTINGS at all */
    bool no_window;   /**< never send WINDOW_UPDATE: clients starve */
    struct h2_silence silence;
    struct str raw;       /**< bytes behind our SETTINGS */
    uint32_t max_streams; /**< 0 = 100 */
    struct h2 *h2;        /**< for h2_begin_flood() */
};
/** A flood from the start: behind SETTINGS. */
void h2_begin_flood(struct h2_begin *begin, const struct h2_flood *flood, const void *owner);
#endif
