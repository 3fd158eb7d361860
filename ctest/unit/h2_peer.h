/**
 * A server of HTTP/2 that does what no library would: frames made by hand, on a thread, a script a
 * connection. What clients send is taken down as lines: "HEADERS 1 END", ":method: GET", "DATA 1
 * 5", "RST_STREAM 1 8", "GOAWAY 0 0" (last stream, code), "WINDOW 1", "SETTINGS".
 */
#ifndef GOTO_CTEST_H2_PEER_H
#define GOTO_CTEST_H2_PEER_H

#include "ctest/unit/unit.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Frames. */

enum { END_STREAM = 1, END_HEADERS = 4, ACK = 1 };

static inline void frame_sized(struct buf *into, size_t size, int type, int flags, uint32_t id,
                               struct str payload)
{
    const char head[] = {(char)(size >> 16), (char)(size >> 8), (char)size,
                         (char)type,         (char)flags,       (char)(id >> 24),
                         (char)(id >> 16),   (char)(id >> 8),   (char)id};
    buf_append(into, (struct str){head, sizeof head});
    buf_append(into, payload);
}

static inline void frame(struct buf *into, int type, int flags, uint32_t id, struct str payload)
{
    frame_sized(into, payload.size, type, flags, id, payload);
}

static inline struct str number32(uint32_t value, char out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(value >> (24 - 8 * i));
    return (struct str){out, 4};
}

static inline void frame_settings(struct buf *into)
{
    frame(into, NGHTTP2_SETTINGS, 0, 0, STR(""));
}

/** SETTINGS with one entry. */
static inline void frame_setting(struct buf *into, int id, uint32_t value)
{
    char payload[6] = {(char)(id >> 8), (char)id};
    number32(value, payload + 2);
    frame(into, NGHTTP2_SETTINGS, 0, 0, (struct str){payload, 6});
}

static inline void frame_reset(struct buf *into, uint32_t id, uint32_t code)
{
    char out[4];
    frame(into, NGHTTP2_RST_STREAM, 0, id, number32(code, out));
}

static inline void frame_goaway(struct buf *into, uint32_t last, uint32_t code, const char *debug)
{
    struct buf payload;
    char out[4];
    buf_init(&payload, BUF_OWN);
    buf_append(&payload, number32(last, out));
    buf_append(&payload, number32(code, out));
    buf_append_string(&payload, debug);
    frame(into, NGHTTP2_GOAWAY, 0, 0, buf_str(&payload));
    buf_clear(&payload);
}

static inline void frame_window(struct buf *into, uint32_t id, uint32_t size)
{
    char out[4];
    frame(into, NGHTTP2_WINDOW_UPDATE, 0, id, number32(size, out));
}

static inline void frame_data(struct buf *into, uint32_t id, bool end, struct str bytes)
{
    frame(into, NGHTTP2_DATA, end ? END_STREAM : 0, id, bytes);
}

/** An integer of HPACK with a prefix of 7 bits (RFC 7541, section 5.1), its first bit 0. */
static inline void hpack_size(struct buf *block, size_t size)
{
    if (size < 127) {
        buf_append_byte(block, (char)size);
        return;
    }
    buf_append_byte(block, 127);
    for (size -= 127; size >= 128; size >>= 7)
        buf_append_byte(block, (char)(size % 128 + 128));
    buf_append_byte(block, (char)size);
}

/** Literal without indexing, new name. */
static inline void hpack_field(struct buf *block, struct str name, struct str value)
{
    buf_append_byte(block, 0);
    hpack_size(block, name.size);
    buf_append(block, name);
    hpack_size(block, value.size);
    buf_append(block, value);
}

/** "name: value\n" lines into a block. */
static inline void hpack_lines(struct buf *block, const char *lines)
{
    struct str rest = str_of(lines);
    while (rest.size) {
        ptrdiff_t end = str_find_byte(rest, '\n');
        struct str line = str_slice(rest, 0, end < 0 ? rest.size : (size_t)end);
        ptrdiff_t colon = str_find(str_from(line, 1), STR(": "));
        ck_assert(colon >= 0);
        hpack_field(block, str_slice(line, 0, (size_t)colon + 1),
                    str_from(line, (size_t)colon + 3));
        rest = end < 0 ? STR("") : str_from(rest, (size_t)end + 1);
    }
}

static inline void frame_headers(struct buf *into, uint32_t id, bool end, const char *lines)
{
    struct buf block;
    buf_init(&block, BUF_OWN);
    hpack_lines(&block, lines);
    frame(into, NGHTTP2_HEADERS, END_HEADERS | (end ? END_STREAM : 0), id, buf_str(&block));
    buf_clear(&block);
}

/** 200 with a body, whole. */
static inline void frame_answer(struct buf *into, uint32_t id, const char *body)
{
    frame_headers(into, id, false, ":status: 200");
    frame_data(into, id, true, str_of(body));
}

/* The server. */

enum peer_ending {
    PEER_FIN, /**< shut down, then read until the client closes */
    PEER_RST,
    PEER_STALL, /**< say no more until the client closes */
};

enum { MOST_STAGES = 8, MOST_PEERS = 6 };

/** What is sent once so many requests came whole, or `until` stands in what was taken down. */
struct stage {
    unsigned requests;
    const char *until;
    struct buf bytes;
};

struct peer_script {
    struct stage stages[MOST_STAGES];
    size_t count;
    enum peer_ending ending;
    bool raw; /**< takes no frames apart: what comes is not looked at */
};

struct peer {
    int fd;
    int port;
    pthread_t thread;
    struct peer_script scripts[MOST_PEERS];
    size_t count;
    pthread_mutex_t lock;
    struct buf heard;
    unsigned connections;
    unsigned ended; /**< connections whose side of ours has ended */
};

static struct peer the_peer;

/** A connection, as it is being read. */
struct peer_link {
    int fd;
    struct buf in;
    nghttp2_hd_inflater *inflater;
    unsigned requests;
    bool preface;
    size_t from; /**< in heard, where this connection began */
};

static inline void peer_note_headers(struct peer_link *link, struct str block)
{
    while (block.size) {
        nghttp2_nv pair;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(link->inflater, &pair, &flags,
                                              (const uint8_t *)block.data, block.size, 1);
        if (used < 0)
            return;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            buf_printf(&the_peer.heard, "%.*s: %.*s\n", (int)pair.namelen, (char *)pair.name,
                       (int)pair.valuelen, (char *)pair.value);
        block = str_from(block, (size_t)used);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            nghttp2_hd_inflate_end_headers(link->inflater);
        if (used == 0)
            return;
    }
}

static inline uint32_t at32(struct str bytes, size_t at)
{
    uint32_t value = 0;
    for (size_t i = at; i < at + 4 && i < bytes.size; i++)
        value = value << 8 | (unsigned char)bytes.data[i];
    return value;
}

static inline void peer_note(struct peer_link *link, int type, int flags, uint32_t id,
                             struct str payload)
{
    struct buf *heard = &the_peer.heard;
    bool end = (flags & END_STREAM) != 0 && type <= NGHTTP2_HEADERS;
    if (type == NGHTTP2_HEADERS) {
        buf_printf(heard, "HEADERS %u%s\n", id, end ? " END" : "");
        peer_note_headers(link, payload);
    } else if (type == NGHTTP2_CONTINUATION) {
        peer_note_headers(link, payload);
    } else if (type == NGHTTP2_DATA) {
        buf_printf(heard, "DATA %u %zu%s\n", id, payload.size, end ? " END" : "");
        if (payload.size < 2000) {
            buf_append_byte(heard, '<');
            buf_append(heard, payload);
            buf_append_string(heard, ">\n");
        }
    } else if (type == NGHTTP2_RST_STREAM) {
        buf_printf(heard, "RST_STREAM %u %u\n", id, at32(payload, 0));
    } else if (type == NGHTTP2_GOAWAY) {
        buf_printf(heard, "GOAWAY %u %u\n", at32(payload, 0), at32(payload, 4));
    } else if (type == NGHTTP2_WINDOW_UPDATE) {
        buf_printf(heard, "WINDOW %u\n", id);
    } else if (type == NGHTTP2_SETTINGS && !(flags & ACK)) {
        buf_printf(heard, "SETTINGS\n");
    }
    link->requests += end;
}

static inline void peer_take_apart(struct peer_link *link)
{
    if (!link->preface && link->in.size >= 24) {
        buf_append_string(&the_peer.heard, memcmp(link->in.data, "PRI * HTTP/2.0", 14) == 0
                                               ? "PREFACE\n"
                                               : "NO PREFACE\n");
        buf_consume(&link->in, 24);
        link->preface = true;
    }
    while (link->preface && link->in.size >= 9) {
        struct str in = buf_str(&link->in);
        size_t size = at32(in, 0) >> 8;
        if (in.size < 9 + size)
            return;
        peer_note(link, in.data[3], in.data[4], at32(in, 5), str_slice(in, 9, size));
        buf_consume(&link->in, 9 + size);
    }
}

/** Reads once; false when the client has closed. */
static inline bool peer_read(struct peer_link *link, const struct peer_script *script)
{
    char room[16384];
    ssize_t got = recv(link->fd, room, sizeof room, 0);
    if (got <= 0)
        return false;
    pthread_mutex_lock(&the_peer.lock);
    if (!script->raw) {
        buf_append(&link->in, (struct str){room, (size_t)got});
        peer_take_apart(link);
    }
    pthread_mutex_unlock(&the_peer.lock);
    return true;
}

static inline bool stage_is_due(const struct peer_link *link, const struct stage *stage)
{
    pthread_mutex_lock(&the_peer.lock);
    bool due = link->requests >= stage->requests &&
               (!stage->until || str_find(str_from(buf_str(&the_peer.heard), link->from),
                                          str_of(stage->until)) >= 0);
    pthread_mutex_unlock(&the_peer.lock);
    return due;
}

static inline bool peer_send(int fd, struct str bytes)
{
    while (bytes.size) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = str_from(bytes, (size_t)sent);
    }
    return true;
}

static inline void peer_play(int fd, const struct peer_script *script)
{
    struct peer_link link = {.fd = fd, .from = the_peer.heard.size};
    struct linger linger = {1, 0};
    bool alive = true;
    buf_init(&link.in, BUF_OWN);
    ck_assert(nghttp2_hd_inflate_new(&link.inflater) == 0);
    for (size_t i = 0; alive && i < script->count; i++) {
        while (alive && !stage_is_due(&link, &script->stages[i]))
            alive = peer_read(&link, script);
        alive = alive && peer_send(fd, buf_str(&script->stages[i].bytes));
    }
    if (script->ending == PEER_RST)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (script->ending == PEER_FIN)
        shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&the_peer.lock);
    the_peer.ended += script->ending != PEER_STALL;
    pthread_mutex_unlock(&the_peer.lock);
    while (alive && script->ending != PEER_RST)
        alive = peer_read(&link, script);
    close(fd);
    buf_clear(&link.in);
    nghttp2_hd_inflate_del(link.inflater);
}

static inline void *peer_run(void *context)
{
    (void)context;
    for (size_t i = 0; i < the_peer.count; i++) {
        int fd = accept(the_peer.fd, NULL, NULL);
        if (fd < 0)
            break;
        the_peer.connections++;
        peer_play(fd, &the_peer.scripts[i]);
    }
    return NULL;
}

/** A listener on an address; its port is the_peer.port. False if there is no such family. */
static inline bool peer_listen_on(const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_in taken = {0};
    socklen_t taken_size = sizeof taken;
    the_peer.fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (the_peer.fd < 0)
        return false;
    if (bind(the_peer.fd, address, size) != 0) {
        close(the_peer.fd);
        return false;
    }
    ck_assert(listen(the_peer.fd, 8) == 0);
    getsockname(the_peer.fd, (struct sockaddr *)&taken, &taken_size);
    the_peer.port = ntohs(taken.sin_port); /* at the same place in sockaddr_in6 */
    return true;
}

static inline void peer_new(void)
{
    the_peer = (struct peer){.fd = -1};
    pthread_mutex_init(&the_peer.lock, NULL);
    buf_init(&the_peer.heard, BUF_OWN);
}

static inline void peer_listen(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    peer_new();
    ck_assert(peer_listen_on((struct sockaddr *)&address, sizeof address));
}

/** The next connection's script; stages are added by stage_add(). */
static inline struct peer_script *peer_script(enum peer_ending ending)
{
    struct peer_script *script = &the_peer.scripts[the_peer.count++];
    script->ending = ending;
    return script;
}

/** What is sent once `requests` came and `until` (NULL = nothing) was heard. */
static inline struct buf *stage_add(struct peer_script *script, unsigned requests,
                                    const char *until)
{
    struct stage *stage = &script->stages[script->count++];
    stage->requests = requests;
    stage->until = until;
    buf_init(&stage->bytes, BUF_OWN);
    return &stage->bytes;
}

static inline void peer_start(void)
{
    ck_assert(pthread_create(&the_peer.thread, NULL, peer_run, NULL) == 0);
}

/** Waits until all scripts were played; connections that never came are given up. */
static inline void peer_stop(void)
{
    shutdown(the_peer.fd, SHUT_RDWR);
    pthread_join(the_peer.thread, NULL);
    close(the_peer.fd);
    for (size_t i = 0; i < the_peer.count; i++)
        for (size_t at = 0; at < the_peer.scripts[i].count; at++)
            buf_clear(&the_peer.scripts[i].stages[at].bytes);
}

static inline void peer_forget(void)
{
    buf_clear(&the_peer.heard);
}

/** Waits until so many connections were shut down. */
static inline void peer_await_end(unsigned count)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (bool ended = false; !ended;) {
        pthread_mutex_lock(&the_peer.lock);
        ended = the_peer.ended >= count;
        pthread_mutex_unlock(&the_peer.lock);
        if (!ended)
            nanosleep(&moment, NULL);
    }
}

static inline bool peer_heard(const char *part)
{
    pthread_mutex_lock(&the_peer.lock);
    bool found = str_find(buf_str(&the_peer.heard), str_of(part)) >= 0;
    pthread_mutex_unlock(&the_peer.lock);
    return found;
}

#define ck_heard(part)                                                                             \
    ck_assert_msg(peer_heard(part), "%s is not in: %.*s", part, STR_ARG(buf_str(&the_peer.heard)))
#define ck_not_heard(part)                                                                         \
    ck_assert_msg(!peer_heard(part), "%s is in: %.*s", part, STR_ARG(buf_str(&the_peer.heard)))

#endif
