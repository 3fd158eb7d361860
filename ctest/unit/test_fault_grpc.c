/* Each fault of gRPC as a raw peer sees it: the frames on the wire, and the journal. Answers are
 * given in pieces of any size, as those of a far side are. */
#include "ctest/unit/h2_rig.h"

#include "schema/tree.h"
#include "server/fault/fault.h"
#include "server/grpc/pass.h"

/* The world: an upstream that answers calls, with faults, and a client that keeps all bytes. */

static struct world w;
static struct arena *arena;
static struct faults *faults;
static struct buf raw;
static struct source source = {STR_INIT("t"), STR_INIT("")};
static size_t piece = 1; /**< bytes of the answer's body given at once */
static int64_t held_ns;  /**< how long after it was read whole the newest call is to be answered */

#define A "\0\0\0\0\3\n\1a"
#define B "\0\0\0\0\3\n\1b"
#define MESSAGES STR(A B)

static void give(struct exchange *exchange, struct str bytes)
{
    while (bytes.size) {
        struct str part = str_slice(bytes, 0, piece);
        bytes = str_from(bytes, part.size);
        exchange_body(exchange, part);
    }
}

static void give_head(struct exchange *exchange, struct str type, bool alone)
{
    struct header items[] = {{STR("content-type"), type},
                             {STR("grpc-encoding"), STR("gzip")},
                             {STR("grpc-status"), STR("5")},
                             {STR("x-t"), STR("v")}};
    struct headers headers = {items, alone ? 4 : 2, 4};
    struct response_head head = {
        .status = 200, .headers = &headers, .content_length = alone ? 0 : -1, .no_date = true};
    exchange_head(exchange, &head);
}

static void give_end(struct exchange *exchange)
{
    struct header items[] = {{STR("grpc-status"), STR("0")}, {STR("x-t"), STR("v")}};
    struct headers trailers = {items, 2, 2};
    exchange_finish(exchange, &trailers);
}

static bool answer_call(struct exchange *exchange)
{
    struct str path = exchange->request.path;
    if (faults_answer(faults, STR("api.r"), NULL, NULL, exchange))
        return true;
    held_ns = exchange->not_before_ns ? exchange->not_before_ns - exchange->whole_ns : 0;
    if (str_is(path, "/open")) {
        give_head(exchange, STR("application/grpc"), false);
        give(exchange, STR(A));
    } else if (str_is(path, "/page")) {
        give_head(exchange, STR("text/html"), false);
        give(exchange, STR("busy"));
        exchange_finish(exchange, NULL);
    } else if (str_is(path, "/fails")) {
        give_head(exchange, STR("application/grpc"), true);
        exchange_finish(exchange, NULL);
    } else {
        give_head(exchange, STR("application/grpc+proto"), false);
        give(exchange, MESSAGES);
        give_end(exchange);
    }
    return true;
}

static void begin_world(void)
{
    arena = arena_new();
    buf_init(&raw, BUF_OWN);
    world_init(&w);
    faults = faults_new(w.port);
    answers_first = answer_call;
    w.peer.raw = &raw;
}

static void end_world(void)
{
    world_clear(&w);
    faults_free(faults);
    buf_clear(&raw);
    arena_free(arena);
}

static uint64_t push(const char *yaml)
{
    static unsigned line;
    struct diagnostics diagnostics;
    struct documents documents;
    struct source *text = arena_alloc(arena, sizeof *text);
    struct fault_config *config = arena_alloc(arena, sizeof *config);
    struct str why = {0};
    *text = (struct source){STR("t"), str_of(yaml)};
    diagnostics_init(&diagnostics);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    ck_assert_int_eq(tree_read_yaml(arena, text, &documents, &diagnostics), 0);
    ck_assert_int_eq(reader_read(&reader, &fault_type, documents.items[0], config), READ_OK);
    diagnostics_clear(&diagnostics);
    config->kind.place = (struct place){&source, ++line, 1};
    uint64_t id = faults_push(faults, (struct str){0}, config, arena, &why);
    ck_assert_msg(id, STR_FMT, STR_ARG(why));
    return id;
}

/** Asks without waiting. */
static int32_t ask(const char *path, const char *timeout)
{
    const char *more[] = {
        "te",    "trailers", "content-type", "application/grpc", timeout ? "grpc-timeout" : NULL,
        timeout, NULL};
    buf_reset(&raw);
    return peer_submit(&w.peer, "POST", path, more, NULL);
}

static struct answer *call_path(const char *path)
{
    return world_answer(&w, ask(path, NULL));
}

static uint64_t strikes(void)
{
    return rig_count(&w.rig, ENTRY_FAULT);
}

/** The verdict of the newest answer. */
static struct str verdict(void)
{
    const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
    ck_assert_ptr_nonnull(entry);
    return (struct str){entry->data ? entry->data : "", entry->data_size};
}

/* Frames. */

/** "H8 D5 DE3 HE20": the frames of a stream that came, with their sizes but for those of headers;
 * E = END_STREAM. */
static struct str shape(int32_t id)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (size_t at = 0; at + 9 <= raw.size;) {
        const uint8_t *head = (const uint8_t *)raw.data + at;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        int32_t stream = (head[5] & 0x7f) << 24 | head[6] << 16 | head[7] << 8 | head[8];
        const char *end = head[4] & NGHTTP2_FLAG_END_STREAM ? "E" : "";
        at += 9 + size;
        if (stream != id)
            continue;
        buf_append_string(&text, text.size ? " " : "");
        if (head[3] == NGHTTP2_DATA)
            buf_printf(&text, "D%s%zu", end, size);
        else if (head[3] == NGHTTP2_HEADERS)
            buf_printf(&text, "H%s", end);
        else if (head[3] == NGHTTP2_RST_STREAM)
            buf_append_string(&text, "R");
    }
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

#define ck_body(answer, bytes)                                                                     \
    ck_assert_msg(str_equal(buf_str(&(answer)->body), STR(bytes)), "%zu bytes: %s",                \
                  (answer)->body.size, (answer)->body.data)

/* What passes without faults. */

START_TEST(test_an_answer_passes_as_it_is)
{
    begin_world();
    uint64_t id = push("{bad-status: true, times: 1}");
    struct answer *answer = call_path("/");
    ck_in(answer->trailers, "grpc-status: bad\nx-t: v\n");
    ck_body(answer, A B);
    ck_str_is(verdict(), "bad");
    faults_undo(faults, id);
    answer = call_path("/");
    ck_in(answer->trailers, "grpc-status: 0\nx-t: v\n");
    ck_in(answer->head, "grpc-encoding: gzip");
    ck_body(answer, A B);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_what_is_no_call_is_not_struck)
{
    begin_world();
    push("{no-trailers: true, name: n}");
    struct answer *answer = world_get(&w, "/");
    ck_in(answer->trailers, "grpc-status: 0");
    ck_assert_uint_eq(strikes(), 0);
    /* a page in the place of an answer is not changed, which is noted */
    answer = call_path("/page");
    ck_in(answer->head, "text/html");
    ck_body(answer, "busy");
    ck_assert(rig_has_text(&w.rig, ENTRY_NOTE, "none of gRPC"));
    end_world();
}
END_TEST

static void note_idle(void *context, const struct fault_idle *idle)
{
    *(struct str *)context = idle->why;
}

START_TEST(test_why_none_was_struck)
{
    struct str why = {0};
    begin_world();
    push("{late-answer: 10ms}");
    (void)call_path("/");
    faults_idle(faults, arena, note_idle, &why);
    ck_str_is(why, "1 request came, none was a call of gRPC with a deadline (grpc-timeout)");
    end_world();
}
END_TEST

/* The first message. */

/** Whatever pieces the answer comes in, and where its parts lie. */
START_TEST(test_the_first_message_in_pieces)
{
    static const struct {
        const char *yaml;
        struct str body;
    } cases[] = {
        {"truncated-message", STR_INIT("\0\0\0\0\3\n")},
        {"{oversized-message: 4294967295}", STR_INIT("\0\xff\xff\xff\xff\n\1a")},
        {"{oversized-message: 3}", STR_INIT(A B)},
        {"compressed-flag", STR_INIT("\1\0\0\0\3\n\1a" B)},
        {"invalid-protobuf", STR_INIT("\0\0\0\0\2\n\x7f" B)},
        {"extra-message", STR_INIT(A B "\0\0\0\0\0")},
    };
    begin_world();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t id = push(cases[i].yaml);
        for (piece = 1; piece <= 16; piece++) {
            struct answer *answer = call_path("/");
            ck_assert_msg(str_equal(buf_str(&answer->body), cases[i].body), "%s by %zu",
                          cases[i].yaml, piece);
            ck_in(answer->trailers, "grpc-status: 0\nx-t: v\n");
        }
        faults_undo(faults, id);
    }
    piece = 1;
    end_world();
}
END_TEST

START_TEST(test_an_answer_of_one_block_gets_a_body)
{
    begin_world();
    uint64_t id = push("truncated-message");
    struct answer *answer = call_path("/fails");
    ck_body(answer, "\0\0\0\0\1");
    ck_not_in(answer->head, "grpc-status");
    ck_in(answer->trailers, "grpc-status: 5\nx-t: v\n");
    faults_undo(faults, id);
    id = push("no-trailers");
    answer = call_path("/fails");
    ck_not_in(answer->head, "grpc-status");
    ck_assert_uint_eq(answer->trailers.size, 0);
    faults_undo(faults, id);
    id = push("bad-status");
    int32_t stream = ask("/fails", NULL);
    answer = world_answer(&w, stream);
    ck_in(answer->head, "grpc-status: bad");
    ck_str_is(shape(stream), "HE");
    faults_undo(faults, id);
    push("split-message");
    (void)call_path("/fails");
    ck_assert(rig_has_text(&w.rig, ENTRY_NOTE, "no message"));
    end_world();
}
END_TEST

/* The frames. */

START_TEST(test_no_trailers_ends_by_data)
{
    begin_world();
    piece = 100;
    push("no-trailers");
    int32_t id = ask("/", NULL);
    struct answer *answer = world_answer(&w, id);
    ck_str_is(shape(id), "H DE16");
    ck_body(answer, A B);
    ck_assert_uint_eq(answer->trailers.size, 0);
    ck_str_is(verdict(), "");
    piece = 1;
    end_world();
}
END_TEST

START_TEST(test_split_message)
{
    begin_world();
    piece = 100;
    uint64_t fault = push("split-message");
    int32_t id = ask("/", NULL);
    struct answer *answer = world_answer(&w, id);
    ck_str_is(shape(id), "H D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 D1 HE");
    ck_body(answer, A B);
    faults_undo(faults, fault);
    push("{split-message: 3}");
    id = ask("/", NULL);
    answer = world_answer(&w, id);
    ck_str_is(shape(id), "H D3 D3 D3 D3 D3 D1 HE");
    ck_body(answer, A B);
    piece = 1;
    end_world();
}
END_TEST

START_TEST(test_too_many_pings)
{
    begin_world();
    int32_t first = ask("/open", NULL);
    world_until(&w, peer_answer(&w.peer, first)->body.size == 8);
    push("too-many-pings");
    int32_t second = ask("/", NULL);
    world_until(&w, w.peer.fin);
    /* the newest stream is the last one: neither call may be tried again without a thought */
    ck_assert_int_eq(w.peer.goaway_last[0], second);
    ck_assert_uint_eq(w.peer.goaways, 1);
    ck_assert_uint_eq(w.peer.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    ck_str_is(buf_str(&w.peer.goaway_debug), "too_many_pings");
    ck_assert(!peer_answer(&w.peer, first)->reset && !peer_answer(&w.peer, first)->ended);
    ck_str_is(shape(second), "");
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

/* Cuts. */

START_TEST(test_cut_by_a_reset)
{
    begin_world();
    for (piece = 1; piece <= 16; piece += 5) {
        uint64_t id = push("{cut-call: {messages: 1, code: CANCEL}}");
        struct answer *answer = call_path("/");
        ck_assert(answer->reset && !answer->ended);
        ck_assert_uint_eq(answer->code, NGHTTP2_CANCEL);
        ck_body(answer, A);
        faults_undo(faults, id);
    }
    uint64_t id = push("{cut-call: 0}");
    struct answer *answer = call_path("/");
    ck_assert(answer->reset && answer->final && answer->body.size == 0);
    ck_assert_uint_eq(answer->code, NGHTTP2_INTERNAL_ERROR);
    /* one of one block: its status does not come */
    answer = call_path("/fails");
    ck_assert(answer->reset && answer->final && !answer->ended);
    ck_not_in(answer->head, "grpc-status");
    faults_undo(faults, id);
    /* one that has less: in the place of its trailers */
    push("{cut-call: 3}");
    answer = call_path("/");
    ck_assert(answer->reset && !answer->ended);
    ck_body(answer, A B);
    ck_assert_uint_eq(answer->trailers.size, 0);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags & ENTRY_CLOSED_BY_SERVER,
                      ENTRY_CLOSED_BY_SERVER);
    piece = 1;
    end_world();
}
END_TEST

START_TEST(test_cut_by_the_end_of_the_connection)
{
    begin_world();
    uint64_t id = push("{cut-call: {messages: 1, how: fin}}");
    int32_t stream = ask("/", NULL);
    world_until(&w, w.peer.fin);
    ck_body(peer_answer(&w.peer, stream), A);
    ck_str_is(str_slice(shape(stream), 0, 1), "H");
    ck_assert(!peer_answer(&w.peer, stream)->reset);
    ck_assert_uint_eq(w.peer.goaways, 0);
    faults_undo(faults, id);
    id = push("{cut-call: {messages: 2, how: rst}}");
    world_dial(&w, true);
    w.peer.raw = &raw;
    /* what it would acknowledge would meet the RST before it is read */
    w.peer.deaf = true;
    stream = ask("/", NULL);
    world_until(&w, w.peer.gone);
    ck_str_is(shape(stream), "H D16");
    faults_undo(faults, id);
    push("{cut-call: {messages: 1, how: goaway, code: NO_ERROR}}");
    world_dial(&w, true);
    w.peer.raw = &raw;
    stream = ask("/", NULL);
    world_until(&w, w.peer.fin);
    ck_body(peer_answer(&w.peer, stream), A);
    ck_assert_uint_eq(w.peer.goaways, 1);
    ck_assert_int_eq(w.peer.goaway_last[0], stream);
    ck_assert(!peer_answer(&w.peer, stream)->ended);
    end_world();
}
END_TEST

START_TEST(test_cut_by_silence)
{
    begin_world();
    push("{cut-call: {messages: 1, how: stall}, times: 1}");
    int32_t stream = ask("/", NULL);
    world_until(&w, peer_answer(&w.peer, stream)->body.size == 8);
    /* the connection goes on, and the client may give up */
    struct answer *answer = call_path("/");
    ck_body(answer, A B);
    ck_body(peer_answer(&w.peer, stream), A);
    ck_assert(!peer_answer(&w.peer, stream)->ended);
    nghttp2_submit_rst_stream(w.peer.session, 0, stream, NGHTTP2_CANCEL);
    world_until(&w, rig_count(&w.rig, ENTRY_RESPONSE) == 2);
    ck_assert(rig_entry(&w.rig, ENTRY_RESPONSE)->flags & ENTRY_ABORTED);
    end_world();
}
END_TEST

START_TEST(test_of_two_cuts_the_first_counts)
{
    begin_world();
    push("{cut-call: 1}");
    push("{rst-stream: {code: CANCEL, at: 3}}");
    struct answer *answer = call_path("/");
    ck_assert_uint_eq(answer->code, NGHTTP2_INTERNAL_ERROR);
    ck_body(answer, A);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_late_answer)
{
    begin_world();
    push("{late-answer: 20ms}");
    (void)world_answer(&w, ask("/", "30m"));
    ck_assert_uint_eq(strikes(), 1);
    ck_assert_int_eq(held_ns, INT64_C(50000000));
    (void)world_answer(&w, ask("/", NULL));
    ck_assert_uint_eq(strikes(), 1);
    ck_assert_int_eq(held_ns, 0);
    end_world();
}
END_TEST

/* Messages that are followed. */

START_TEST(test_skim)
{
    struct str bytes = STR(A "\0\0\0\0\0" B "\0\0");
    for (size_t size = 1; size <= bytes.size; size++) {
        struct grpc_skim skim = {0};
        size_t count = 0;
        for (size_t at = 0; at < bytes.size; at += size) {
            struct str part = str_slice(bytes, at, size);
            while (grpc_skim_next(&skim, &part))
                count++;
            ck_assert_uint_eq(part.size, 0);
        }
        ck_assert_uint_eq(count, 3);
        ck_assert_uint_eq(skim.count, 3);
        ck_assert_uint_eq(skim.head_size, 2);
    }
}
END_TEST

UNIT_MAIN("fault_grpc", test_an_answer_passes_as_it_is, test_what_is_no_call_is_not_struck,
          test_why_none_was_struck, test_the_first_message_in_pieces,
          test_an_answer_of_one_block_gets_a_body, test_no_trailers_ends_by_data,
          test_split_message, test_too_many_pings, test_cut_by_a_reset,
          test_cut_by_the_end_of_the_connection, test_cut_by_silence,
          test_of_two_cuts_the_first_counts, test_late_answer, test_skim)
