/* A proxy of HTTP whose far side answers before it has the whole request, between raw sockets that
 * speak any version of HTTP. */
#include "ctest/unit/h2_peer.h"
#include "ctest/unit/proxy_rig.h"

#include "server/http/message.h"

/** Who speaks what: the client, then the far side. */
struct pairing {
    bool client_h2;
    bool far_h2;
};

static const struct pairing pairings[] = {
    {false, false}, {false, true}, {true, false}, {true, true}};

/** One request through the proxy, and both who are at its ends. */
struct talk {
    struct proxy proxy;
    struct pairing pairing;
    int client;
    int far;
    struct heard at_client;
    struct heard at_far;
};

static bool hears(struct heard *heard, int fd, const char *text)
{
    heard_more(heard, fd);
    return heard->data && memmem(heard->data, heard->size, text, strlen(text));
}

/** Of the frames that were heard, whether one is of this type, on stream 1, and has these flags. */
static bool hears_frame(struct heard *heard, int fd, int type, int flags)
{
    heard_more(heard, fd);
    struct str rest = {heard->data, heard->size};
    if (str_starts(rest, STR(NGHTTP2_CLIENT_MAGIC)))
        rest = str_from(rest, NGHTTP2_CLIENT_MAGIC_LEN);
    while (rest.size >= 9) {
        const unsigned char *head = (const unsigned char *)rest.data;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (head[3] == type && (head[4] & flags) == flags && head[8] == 1)
            return true;
        rest = str_from(rest, 9 + size);
    }
    return false;
}

static void say_frames(int fd, struct buf *frames)
{
    say_bytes(fd, frames->data, frames->size);
    buf_clear(frames);
}

static void say_piece(int fd, bool h2, const char *text, bool end)
{
    struct buf out;
    buf_init(&out, BUF_OWN);
    if (h2)
        frame_data(&out, 1, end, str_of(text));
    else if (*text)
        buf_printf(&out, "%zx\r\n%s\r\n%s", strlen(text), text, end ? "0\r\n\r\n" : "");
    else
        buf_append_string(&out, "0\r\n\r\n");
    say_frames(fd, &out);
}

static void client_asks(struct talk *talk)
{
    struct buf out;
    buf_init(&out, BUF_OWN);
    talk->client = rig_dial(talk->proxy.port->number);
    ck_assert_int_ge(talk->client, 0);
    if (talk->pairing.client_h2) {
        buf_append(&out, STR(NGHTTP2_CLIENT_MAGIC));
        frame_settings(&out);
        frame_headers(&out, 1, false, ":method: POST\n:scheme: http\n:path: /up\n:authority: x");
    } else {
        buf_append_string(&out,
                          "POST /up HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    }
    say_frames(talk->client, &out);
    say_piece(talk->client, talk->pairing.client_h2, "hello", false);
}

static void far_answers(struct talk *talk, const char *text, bool end)
{
    struct buf out;
    buf_init(&out, BUF_OWN);
    if (talk->pairing.far_h2) {
        frame_settings(&out);
        frame_headers(&out, 1, false, ":status: 200");
    } else {
        buf_append_string(&out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    }
    say_frames(talk->far, &out);
    say_piece(talk->far, talk->pairing.far_h2, text, end);
}

/** Up to where the far side has the beginning of a request. */
static void talk_begin(struct talk *talk, struct pairing pairing, const char *limits)
{
    char yaml[200];
    *talk = (struct talk){.pairing = pairing};
    snprintf(yaml, sizeof yaml, "{protocol: %s, forward: {to: '%s://127.0.0.1:FAR'}%s}",
             pairing.client_h2 ? "h2c" : "http", pairing.far_h2 ? "h2c" : "http", limits);
    proxy_open(&talk->proxy, yaml);
    client_asks(talk);
    rig_until(&talk->proxy.rig, (talk->far = accept4(talk->proxy.listening, NULL, NULL,
                                                     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
    rig_until(&talk->proxy.rig, hears(&talk->at_far, talk->far, "hello"));
}

static void talk_end(struct talk *talk)
{
    if (talk->client >= 0)
        close(talk->client);
    close(talk->far);
    proxy_clear(&talk->proxy);
    heard_clear(&talk->at_client);
    heard_clear(&talk->at_far);
}

/** Whether the record's request has this body, and lacks nothing, or as much as is said. */
static void ck_recorded(struct talk *talk, const char *body, const char *lacks)
{
    const struct entry *entry = rig_entry(&talk->proxy.rig, ENTRY_REQUEST);
    struct arena *arena = arena_new();
    struct request request;
    ck_assert(request_unpack((struct str){entry->data, entry->data_size}, arena, &request));
    ck_str_is(request.body, body);
    struct str why = request_body_lacks(&request, arena);
    ck_assert(str_equal(why, str_of(lacks)));
    arena_free(arena);
}

static void both_sides_talk(struct pairing pairing)
{
    struct talk talk;
    talk_begin(&talk, pairing, "");
    struct rig *rig = &talk.proxy.rig;
    ck_assert_uint_eq(rig_count(rig, ENTRY_REQUEST), 0);
    far_answers(&talk, "first", false);
    rig_until(rig, hears(&talk.at_client, talk.client, "first"));
    ck_assert_uint_eq(rig_count(rig, ENTRY_REQUEST), 1);
    ck_recorded(&talk, "", "more of the body was still to come after 0 B");
    say_piece(talk.client, pairing.client_h2, "again", false);
    rig_until(rig, hears(&talk.at_far, talk.far, "again"));
    say_piece(talk.far, pairing.far_h2, "second", false);
    rig_until(rig, hears(&talk.at_client, talk.client, "second"));
    say_piece(talk.client, pairing.client_h2, "", true);
    rig_until(rig, pairing.far_h2 ? hears_frame(&talk.at_far, talk.far, NGHTTP2_DATA, END_STREAM)
                                  : hears(&talk.at_far, talk.far, "0\r\n\r\n"));
    ck_assert_uint_eq(rig_count(rig, ENTRY_REQUEST_END), 1);
    ck_assert_uint_eq(rig_count(rig, ENTRY_RESPONSE), 0);
    ck_recorded(&talk, "helloagain", "");
    say_piece(talk.far, pairing.far_h2, "", true);
    rig_until(rig, rig_count(rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_RESPONSE)->flags, 0);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_RESPONSE)->extra, 11);
    talk_end(&talk);
}

static void an_answer_may_be_whole_before_the_request(struct pairing pairing)
{
    struct talk talk;
    talk_begin(&talk, pairing, "");
    struct rig *rig = &talk.proxy.rig;
    far_answers(&talk, "enough", true);
    rig_until(rig, pairing.client_h2
                       ? hears_frame(&talk.at_client, talk.client, NGHTTP2_DATA, END_STREAM)
                       : hears(&talk.at_client, talk.client, "0\r\n\r\n"));
    rig_until(rig, rig_count(rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_count(rig, ENTRY_REQUEST_END), 0);
    say_piece(talk.client, pairing.client_h2, "more", true);
    rig_until(rig, rig_count(rig, ENTRY_REQUEST_END) == 1);
    ck_recorded(&talk, "hellomore", "");
    ck_assert(!heard_more(&talk.at_client, talk.client));
    if (!pairing.client_h2) {
        /* the connection goes on with another request */
        say(talk.client, "GET /again HTTP/1.1\r\nhost: x\r\n\r\n");
        rig_until(rig, rig_count(rig, ENTRY_DIAL) == 2 || rig_count(rig, ENTRY_REQUEST) == 2);
    }
    talk_end(&talk);
}

static void the_rest_of_an_answered_request_is_waited_for_within_a_limit(struct pairing pairing)
{
    struct talk talk;
    talk_begin(&talk, pairing, ", limits: {read: 100ms}");
    struct rig *rig = &talk.proxy.rig;
    far_answers(&talk, "enough", true);
    rig_until(rig, rig_count(rig, ENTRY_REQUEST_END) == 1);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_REQUEST_END)->flags, ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_RESPONSE)->flags, 0);
    ck_recorded(&talk, "hello", "the request broke off after 5 B");
    rig_until(rig, pairing.client_h2
                       ? hears_frame(&talk.at_client, talk.client, NGHTTP2_RST_STREAM, 0)
                       : heard_more(&talk.at_client, talk.client));
    ck_assert(!talk.at_client.reset);
    talk_end(&talk);
}

static void a_client_may_break_off_in_the_middle(struct pairing pairing)
{
    struct talk talk;
    talk_begin(&talk, pairing, "");
    struct rig *rig = &talk.proxy.rig;
    far_answers(&talk, "first", false);
    rig_until(rig, hears(&talk.at_client, talk.client, "first"));
    if (pairing.client_h2) {
        struct buf out;
        buf_init(&out, BUF_OWN);
        frame_reset(&out, 1, NGHTTP2_CANCEL);
        say_frames(talk.client, &out);
    } else {
        close(talk.client);
        talk.client = -1;
    }
    rig_until(rig, pairing.far_h2 ? hears_frame(&talk.at_far, talk.far, NGHTTP2_RST_STREAM, 0)
                                  : heard_more(&talk.at_far, talk.far));
    ck_assert_uint_eq(rig_count(rig, ENTRY_RESPONSE), 1);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_REQUEST_END)->flags, ENTRY_ABORTED);
    ck_recorded(&talk, "hello", "the request broke off after 5 B");
    ck_assert_uint_eq(rig_count(rig, ENTRY_REFUSED), 0);
    talk_end(&talk);
}

static void a_far_side_may_break_off_in_the_middle(struct pairing pairing)
{
    struct talk talk;
    talk_begin(&talk, pairing, "");
    struct rig *rig = &talk.proxy.rig;
    far_answers(&talk, "first", false);
    rig_until(rig, hears(&talk.at_client, talk.client, "first"));
    rig_reset(talk.far);
    talk.far = dup(talk.client);
    rig_until(rig, pairing.client_h2
                       ? hears_frame(&talk.at_client, talk.client, NGHTTP2_RST_STREAM, 0)
                       : heard_more(&talk.at_client, talk.client));
    ck_assert_uint_eq(rig_entry(rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    ck_recorded(&talk, "hello", "the request broke off after 5 B");
    talk_end(&talk);
}

static void a_written_limit_cuts_an_answer_that_has_begun(struct pairing pairing)
{
    struct talk talk;
    talk_begin(&talk, pairing, ", limits: {body-size: 8}");
    struct rig *rig = &talk.proxy.rig;
    far_answers(&talk, "first", false);
    rig_until(rig, hears(&talk.at_client, talk.client, "first"));
    say_piece(talk.client, pairing.client_h2, "more", false);
    rig_until(rig, pairing.client_h2
                       ? hears_frame(&talk.at_client, talk.client, NGHTTP2_RST_STREAM, 0)
                       : heard_more(&talk.at_client, talk.client));
    ck_assert_uint_eq(rig_count(rig, ENTRY_REFUSED), 1);
    ck_assert_uint_eq(rig_entry(rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    talk_end(&talk);
}

/* A written limit is looked at before a body comes that tells its size. */
START_TEST(test_a_size_beyond_the_limit_goes_nowhere)
{
    struct proxy proxy;
    struct heard heard = {0};
    proxy_open(&proxy, "{protocol: http, forward: '127.0.0.1:FAR', limits: {body-size: 8}}");
    int client = rig_dial(proxy.port->number);
    say(client, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n");
    rig_until(&proxy.rig, heard_has(&heard, client, "HTTP/1.1 413 "));
    ck_assert_uint_eq(rig_count(&proxy.rig, ENTRY_DIAL), 0);
    ck_assert_uint_eq(rig_count(&proxy.rig, ENTRY_FORWARD), 0);
    close(client);
    heard_clear(&heard);
    proxy_clear(&proxy);
}
END_TEST

static void (*const stories[])(struct pairing pairing) = {
    both_sides_talk,
    an_answer_may_be_whole_before_the_request,
    the_rest_of_an_answered_request_is_waited_for_within_a_limit,
    a_client_may_break_off_in_the_middle,
    a_far_side_may_break_off_in_the_middle,
    a_written_limit_cuts_an_answer_that_has_begun,
};

START_TEST(test_each_pairing)
{
    size_t at = (size_t)_i;
    stories[at / COUNT_OF(pairings)](pairings[at % COUNT_OF(pairings)]);
}
END_TEST

UNIT_MAIN_EACH("forward_stream", test_each_pairing, COUNT_OF(stories) * COUNT_OF(pairings),
               test_a_size_beyond_the_limit_goes_nowhere)
