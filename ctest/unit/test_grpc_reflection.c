/* Types from the far side's reflection (runner/client/grpc_reflection.c): what is asked, how often,
 * and what is made of each kind of answer. */
#include "ctest/unit/grpc_client_rig.h"

#include "server/grpc/framing.h"
#include "server/grpc/protoc.h"
#include "server/grpc/wire.h"

#define GET(more) "grpc: {target: '127.0.0.1:PORT', rpc: shop.Orders/Get}\nexpect: " more
#define OTHER(more) "grpc: {target: '127.0.0.1:PORT', rpc: other.Other/Do}\nexpect: " more

static struct arena *arena;

/** The FileDescriptorProto of shop.proto, and of a file that imports it. */
static struct str shop_file;
static struct str other_file;

static void begin(void)
{
    static const struct str files[] = {STR_INIT("ctest/specs/data/shop.proto"),
                                       STR_INIT("ctest/grpc/other.proto")};
    static const struct str imports[] = {STR_INIT("ctest/specs/data")};
    struct protoc_run run = {.files = files,
                             .file_count = COUNT_OF(files),
                             .imports = imports,
                             .import_count = COUNT_OF(imports),
                             .timeout_ns = INT64_C(20) * CLOCK_SECOND};
    arena = arena_new();
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_DONE);
    struct wire wire = {.bytes = run.set};
    struct wire_field file;
    ck_assert(wire_next(&wire, &file));
    shop_file = file.bytes;
    ck_assert(wire_next(&wire, &file));
    other_file = file.bytes;
    client_begin();
}

static void end(void)
{
    client_end();
    arena_free(arena);
    peer_forget();
}

/** Frames of an answer of reflection: one message with a field of bytes in a field. */
static void frame_told(struct buf *into, uint32_t id, uint32_t outer, uint32_t inner,
                       struct str bytes)
{
    struct buf framed;
    buf_init(&framed, BUF_OWN);
    size_t frame = grpc_frame_open(&framed);
    size_t mark = wire_open(&framed, outer);
    if (inner)
        wire_put_bytes(&framed, inner, bytes);
    else
        (void)!buf_append(&framed, bytes);
    wire_close(&framed, mark);
    grpc_frame_close(&framed, frame);
    frame_headers(into, id, false, HEAD);
    frame_data(into, id, false, buf_str(&framed));
    frame_headers(into, id, true, "grpc-status: 0");
    buf_clear(&framed);
}

/** list_services_response: {service: {name}}… of two names. */
static void frame_list(struct buf *into, uint32_t id)
{
    frame_told(into, id, 6, 0, STR("\x0a\x0d\x0a\x0bshop.Orders\x0a\x0d\x0a\x0bother.Other"));
}

/** error_response {error_code: 5, error_message: "no"} */
static void frame_refusal(struct buf *into, uint32_t id)
{
    frame_told(into, id, 7, 0, STR("\x08\5\x12\2no"));
}

/** A script with a stage for each request. */
static struct peer_script *script_begin(void)
{
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    return script;
}

START_TEST(test_an_endpoint_is_asked_once_for_all)
{
    begin();
    struct peer_script *script = script_begin();
    frame_told(stage_add(script, 1, NULL), 1, 4, 1, shop_file);
    frame_list(stage_add(script, 2, NULL), 3);
    frame_told(stage_add(script, 3, NULL), 5, 4, 1, other_file);
    frame_order(stage_add(script, 4, NULL), 7, "grpc-status: 0");
    for (int i = 0; i < 2; i++)
        frame_order(answer_to_first(PEER_STALL), 1, "grpc-status: 0");
    peer_start();
    ck_step(GET("{status: OK, json-subset: {id: a}}"));
    ck_heard("shop.Orders"); /* asked by its symbol */
    ck_heard("other.Other");
    /* neither the same service nor another one is asked for again */
    ck_step(GET("{status: OK}"));
    ck_step(OTHER("{status: OK, json-subset: {id: a}}"));
    end();
}
END_TEST

START_TEST(test_imports_are_asked_for)
{
    begin();
    struct peer_script *script = script_begin();
    frame_told(stage_add(script, 1, NULL), 1, 4, 1, other_file);
    frame_told(stage_add(script, 2, NULL), 3, 4, 1, shop_file);
    frame_refusal(stage_add(script, 3, NULL), 5); /* it lists nothing: no matter */
    frame_order(stage_add(script, 4, NULL), 7, "grpc-status: 0");
    peer_start();
    ck_step(OTHER("{status: OK, json-subset: {id: a}}"));
    ck_heard("shop.proto");
    end();
}
END_TEST

START_TEST(test_the_other_services_may_stay_unknown)
{
    begin();
    struct peer_script *script = script_begin();
    frame_told(stage_add(script, 1, NULL), 1, 4, 1, shop_file);
    frame_list(stage_add(script, 2, NULL), 3);
    frame_refusal(stage_add(script, 3, NULL), 5);
    frame_order(stage_add(script, 4, NULL), 7, "grpc-status: 0");
    peer_start();
    ck_step(GET("{status: OK}"));
    end();
}
END_TEST

START_TEST(test_the_list_may_end_with_a_status)
{
    begin();
    struct peer_script *script = script_begin();
    frame_told(stage_add(script, 1, NULL), 1, 4, 1, shop_file);
    frame_headers(stage_add(script, 2, NULL), 3, true, HEAD "\ngrpc-status: 7");
    frame_order(stage_add(script, 3, NULL), 5, "grpc-status: 0");
    peer_start();
    ck_step(GET("{status: OK}"));
    end();
}
END_TEST

START_TEST(test_v1alpha_is_asked_where_there_is_no_v1)
{
    begin();
    struct peer_script *script = script_begin();
    frame_headers(stage_add(script, 1, NULL), 1, true, HEAD "\ngrpc-status: 12");
    frame_told(stage_add(script, 2, NULL), 3, 4, 1, shop_file);
    frame_refusal(stage_add(script, 3, NULL), 5);
    frame_order(stage_add(script, 4, NULL), 7, "grpc-status: 0");
    peer_start();
    ck_step(GET("{status: OK}"));
    ck_heard(":path: /grpc.reflection.v1.ServerReflection/ServerReflectionInfo\n");
    ck_heard(":path: /grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo\n");
    end();
}
END_TEST

/** A first answer that leads to a failure of the step, which no error matches. */
static const struct failing {
    const char *what;
    const char *failure;
} failings[] = {
    {"none", "the step has no 'protos' or 'protosets', and the far side has no reflection service, "
             "neither v1 nor v1alpha"},
    {"refused", "the far side's reflection knows no service 'shop.Orders': NOT_FOUND, no"},
    {"denied", "the far side's reflection ended with PERMISSION_DENIED: go"},
    {"nonsense", "what the far side's reflection told cannot be used"},
    {"other", "the far side's reflection knows no method 'shop.Orders/Get'"},
};

START_TEST(test_what_is_of_no_use_fails_the_step)
{
    const struct failing *failing = &failings[_i];
    struct step step;
    begin();
    struct peer_script *script = script_begin();
    struct buf *out = stage_add(script, 1, NULL);
    switch (_i) {
    case 0:
        frame_headers(out, 1, true, HEAD "\ngrpc-status: 12");
        frame_headers(stage_add(script, 2, NULL), 3, true, HEAD "\ngrpc-status: 12");
        break;
    case 1:
        frame_refusal(out, 1);
        break;
    case 2:
        frame_headers(out, 1, true, HEAD "\ngrpc-status: 7\ngrpc-message: go");
        break;
    case 3:
        frame_told(out, 1, 4, 1, STR("\x0a\x7f"));
        break;
    default:
        frame_told(out, 1, 4, 1, STR("\x0a\1x"));
        frame_refusal(stage_add(script, 2, NULL), 3);
        break;
    }
    peer_start();
    step_begin(&step, GET("{error: any}"));
    ck_assert(!step_run(&step));
    ck_assert_msg(strstr(step.message, failing->failure), "%s: %s", failing->what, step.message);
    step_end(&step);
    end();
}
END_TEST

START_TEST(test_an_answer_to_something_else_is_an_error)
{
    begin();
    frame_told(answer_to_first(PEER_STALL), 1, 9, 0, STR("x"));
    peer_start();
    ck_step(GET("{error: protocol}"));
    end();
}
END_TEST

START_TEST(test_a_connection_that_breaks_within_is_an_error)
{
    begin();
    frame_reset(answer_to_first(PEER_STALL), 1, NGHTTP2_REFUSED_STREAM);
    (void)answer_to_first(PEER_RST);
    peer_start();
    ck_step(GET("{error: http2-reset(REFUSED_STREAM)}"));
    ck_step(GET("{error: connection-reset}"));
    end();
}
END_TEST

UNIT_MAIN_EACH("grpc_reflection", test_what_is_of_no_use_fails_the_step, COUNT_OF(failings),
               test_an_endpoint_is_asked_once_for_all, test_imports_are_asked_for,
               test_the_other_services_may_stay_unknown, test_the_list_may_end_with_a_status,
               test_v1alpha_is_asked_where_there_is_no_v1,
               test_an_answer_to_something_else_is_an_error,
               test_a_connection_that_breaks_within_is_an_error)
