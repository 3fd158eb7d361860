/* Health and reflection as a raw client sees them (server/grpc/built_in.c). */
#include "ctest/unit/grpc_rig.h"

#include "server/grpc/built_in.h"
#include "server/grpc/built_in_private.h"
#include "server/grpc/protoc.h"
#include "server/grpc/wire.h"

#define HEALTH "/grpc.health.v1.Health/"
#define REFLECTION "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define OLD_REFLECTION "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

/** Sends a message with one field of bytes. */
static void call_ask(struct call *call, uint32_t number, struct str bytes)
{
    struct buf framed;
    buf_init(&framed, BUF_OWN);
    size_t frame = grpc_frame_open(&framed);
    wire_put_bytes(&framed, number, bytes);
    grpc_frame_close(&framed, frame);
    call_say(call, buf_str(&framed));
    buf_clear(&framed);
}

/** How many whole messages came; *last is the newest. */
static size_t call_count(struct call *call, struct str *last)
{
    struct grpc_frames frames;
    struct grpc_frame frame;
    struct str input = buf_str(&call->body);
    size_t count = 0;
    grpc_frames_init(&frames, BUF_OWN);
    for (; grpc_frames_next(&frames, &input, &frame) == GRPC_FRAME_DONE; count++)
        *last = frame.bytes;
    grpc_frames_clear(&frames);
    return count;
}

/* Health. */

static struct call *health(const char *what, const char *headers, const char *service)
{
    struct call *call = call_begin(what, headers);
    call_ask(call, 1, str_of(service));
    call_end(call);
    return call;
}

START_TEST(test_health_is_checked)
{
    static const struct {
        const char *service;
        const char *status;
        struct str answer;
    } rows[] = {
        {"", "0", STR_INIT("\0\0\0\0\2\x08\1")},
        {"shop.Orders", "0", STR_INIT("\0\0\0\0\2\x08\2")},
        {"shop.Other", "5", STR_INIT("")},
    };
    world_begin("health: {shop.Orders: NOT_SERVING}\nlimits: {respond: 1ms}\ndelay: 1h");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call *call = health(HEALTH "Check", "", rows[i].service);
        until(call->ended);
        ck_status(call, rows[i].status);
        ck_assert(str_equal(buf_str(&call->body), rows[i].answer));
    }
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_MESSAGE), 0);
    world_end();
}
END_TEST

START_TEST(test_health_is_watched)
{
    struct str last = {0};
    world_begin("health: {shop.Orders: SERVING}");
    struct call *call = health(HEALTH "Watch", "", "shop.Orders");
    struct call *other = health(HEALTH "Watch", "", "shop.Later");
    until(call_count(call, &last) == 1 && call_count(other, &last) == 1);
    ck_assert(str_equal(last, STR("\x08\3"))); /* SERVICE_UNKNOWN, and it goes on */
    grpc_health_set(upstream_health(w.upstream), &w.config.grpc, STR("shop.Orders"),
                    GRPC_NOT_SERVING);
    until(call_count(call, &last) == 2);
    ck_assert(str_equal(last, STR("\x08\2")));
    /* the same again is no change */
    grpc_health_set(upstream_health(w.upstream), &w.config.grpc, STR("shop.Orders"),
                    GRPC_NOT_SERVING);
    grpc_health_set(upstream_health(w.upstream), &w.config.grpc, STR("shop.Later"), GRPC_SERVING);
    until(call_count(other, &last) == 2);
    ck_assert(str_equal(last, STR("\x08\1")));
    ck_assert_uint_eq(call_count(call, &last), 2);
    /* one that was given up hears nothing more */
    nghttp2_submit_rst_stream(w.session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
    call = health(HEALTH "Check", "", "");
    until(call->ended);
    grpc_health_set(upstream_health(w.upstream), &w.config.grpc, STR("shop.Orders"), GRPC_SERVING);
    world_end();
}
END_TEST

START_TEST(test_a_watch_has_a_deadline)
{
    struct str last = {0};
    world_begin("health: {shop.Orders: SERVING}");
    struct call *call = health(HEALTH "Watch", "grpc-timeout: 10m\n", "shop.Orders");
    until(call->ended);
    ck_status(call, "4");
    ck_assert_uint_eq(call_count(call, &last), 1);
    grpc_health_set(upstream_health(w.upstream), &w.config.grpc, STR("shop.Orders"),
                    GRPC_NOT_SERVING);
    world_end();
}
END_TEST

START_TEST(test_what_is_not_written_is_not_there)
{
    static const char *const paths[] = {HEALTH "Check", HEALTH "Watch", REFLECTION, OLD_REFLECTION};
    world_begin("");
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct call *call = health(paths[i], "", "");
        until(call->ended);
        ck_status(call, "12");
    }
    world_end();
}
END_TEST

START_TEST(test_a_broken_check_is_a_status)
{
    world_begin("health: {shop.Orders: SERVING}\nreflection: true");
    struct call *call = call_begin(HEALTH "Check", "");
    call_end(call);
    until(call->ended);
    ck_status(call, "13");
    ck_str_is(message_of(call), "the request holds not one message");
    call = call_begin(REFLECTION, "");
    call_say(call, STR("\5"));
    until(call->ended);
    ck_status(call, "13");
    world_end();
}
END_TEST

/* Reflection. */

/** The fields of one number in a message of reflection's answer, one a line. */
static struct str names_in(struct str message, uint32_t outer, uint32_t inner)
{
    struct wire wire = {.bytes = message};
    struct wire_field field;
    struct buf text;
    buf_init(&text, BUF_OWN);
    while (wire_next(&wire, &field)) {
        struct wire within = {.bytes = field.bytes};
        struct wire_field part;
        while (field.number == outer && field.type == WIRE_BYTES && wire_next(&within, &part)) {
            struct wire entry = {.bytes = part.bytes};
            struct wire_field name;
            if (part.type == WIRE_BYTES && part.number == 1 && wire_next(&entry, &name) &&
                name.number == inner && name.type == WIRE_BYTES)
                buf_printf(&text, STR_FMT "\n", STR_ARG(name.bytes));
        }
    }
    struct str copy = arena_copy(w.arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/** error_response.error_code; 0 where there is none. */
static uint64_t error_in(struct str message)
{
    struct wire wire = {.bytes = message};
    struct wire_field field;
    while (wire_next(&wire, &field)) {
        struct wire within = {.bytes = field.bytes};
        struct wire_field code;
        if (field.number == 7 && field.type == WIRE_BYTES && wire_next(&within, &code))
            return code.value;
    }
    return 0;
}

static const char *const services[] = {REFLECTION, OLD_REFLECTION};

START_TEST(test_reflection_takes_turns)
{
    static const struct {
        uint32_t field;
        const char *asked;
        const char *files; /**< their names; NULL: the error NOT_FOUND */
    } rows[] = {
        {3, "shop.proto", "shop.proto\n"},
        {3, "nothing.proto", NULL},
        {4, "shop.Orders", "shop.proto\n"},
        {4, "shop.Orders.Get", "shop.proto\n"},
        {4, "shop.Item", "shop.proto\n"},
        {4, "shop.Nothing", NULL},
        {4, "grpc.health.v1.Health", "grpc/health/v1/health.proto\n"},
        {3, "grpc/reflection/v1/reflection.proto", "grpc/reflection/v1/reflection.proto\n"},
        {5, "\x0a\x09shop.Item\x10\x07", NULL},
        {6, "shop.Nothing", NULL},
    };
    struct str last = {0};
    world_begin("reflection: true\nhealth: {shop.Orders: SERVING}");
    for (size_t s = 0; s < COUNT_OF(services); s++) {
        struct call *call = call_begin(services[s], "");
        call_ask(call, 7, STR("*"));
        until(call_count(call, &last) == 1);
        ck_str_is(names_in(last, 6, 1), "shop.Orders\ngrpc.health.v1.Health\n"
                                        "grpc.reflection.v1.ServerReflection\n"
                                        "grpc.reflection.v1alpha.ServerReflection\n");
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            call_ask(call, rows[i].field, str_of(rows[i].asked));
            until(call_count(call, &last) == i + 2);
            ck_assert_msg(error_in(last) == (rows[i].files ? 0 : 5), "%s", rows[i].asked);
            ck_str_is(names_in(last, 4, 1), rows[i].files ? rows[i].files : "");
        }
        call_ask(call, 9, STR("x"));
        until(call_count(call, &last) == COUNT_OF(rows) + 2);
        ck_assert_uint_eq(error_in(last), 3);
        call_end(call);
        until(call->ended);
        ck_status(call, "0");
    }
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    world_end();
}
END_TEST

START_TEST(test_reflection_shows_no_health_where_there_is_none)
{
    struct str last = {0};
    world_begin("reflection: true");
    struct call *call = call_begin(REFLECTION, "");
    call_ask(call, 7, STR(""));
    until(call_count(call, &last) == 1);
    ck_assert(str_find(names_in(last, 6, 1), STR("Health")) < 0);
    call_ask(call, 4, STR("grpc.health.v1.Health"));
    until(call_count(call, &last) == 2);
    ck_assert_uint_eq(error_in(last), 5);
    call_end(call);
    until(call->ended);
    world_end();
}
END_TEST

START_TEST(test_questions_wait_for_a_client_that_does_not_read)
{
    enum { COUNT = 4000 };
    struct str last = {0};
    world_begin("reflection: true");
    struct call *call = call_begin(REFLECTION, "");
    for (int i = 0; i < COUNT; i++)
        call_ask(call, 3, STR("shop.proto"));
    call_end(call);
    until(call->ended);
    ck_status(call, "0");
    ck_assert_uint_eq(call_count(call, &last), COUNT);
    world_end();
}
END_TEST

START_TEST(test_its_descriptors_are_those_of_protoc)
{
    static const struct str imports[] = {STR_INIT("ctest/grpc")};
    static const struct str files[] = {
        STR_INIT("ctest/grpc/grpc/health/v1/health.proto"),
        STR_INIT("ctest/grpc/grpc/reflection/v1/reflection.proto"),
        STR_INIT("ctest/grpc/grpc/reflection/v1alpha/reflection.proto")};
    struct arena *arena = arena_new();
    struct protoc_run run = {.files = files,
                             .file_count = COUNT_OF(files),
                             .imports = imports,
                             .import_count = 1,
                             .timeout_ns = RIG_PATIENCE_NS};
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_DONE);
    struct wire wire = {.bytes = run.set};
    struct wire_field file;
    size_t count = 0;
    while (wire_next(&wire, &file)) {
        bool found = false;
        for (size_t i = 0; i < GRPC_BUILT_IN_FILES; i++)
            found |= str_equal(grpc_built_in_files[i], file.bytes);
        ck_assert(found);
        count++;
    }
    ck_assert_uint_eq(count, GRPC_BUILT_IN_FILES);
    arena_free(arena);
}
END_TEST

UNIT_MAIN("grpc_built_in", test_health_is_checked, test_health_is_watched,
          test_a_watch_has_a_deadline, test_what_is_not_written_is_not_there,
          test_a_broken_check_is_a_status, test_reflection_takes_turns,
          test_reflection_shows_no_health_where_there_is_none,
          test_questions_wait_for_a_client_that_does_not_read,
          test_its_descriptors_are_those_of_protoc)
