#include "server/http/message.h"

#include "unit.h"

#include <string.h>

static struct arena *arena;

static void begin(void)
{
    arena = arena_new();
}

static void end(void)
{
    arena_free(arena);
}

/** The JSON text of a value, "-" for NULL. */
static struct str shown(const struct json *value)
{
    if (!value)
        return STR("-");
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(value, &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

START_TEST(test_names_versions_and_reasons)
{
    ck_assert_str_eq(http_version_name(HTTP_1_0), "HTTP/1.0");
    ck_assert_str_eq(http_version_name(HTTP_1_1), "HTTP/1.1");
    ck_assert_str_eq(http_version_name(HTTP_2), "HTTP/2");
    ck_assert_str_eq(http_reason(200), "OK");
    ck_assert_str_eq(http_reason(413), "Content Too Large");
    ck_assert_str_eq(http_reason(511), "Network Authentication Required");
    ck_assert_str_eq(http_reason(299), "");
    ck_assert_str_eq(http_reason(0), "");
}
END_TEST

START_TEST(test_finds_headers_without_regard_to_case)
{
    begin();
    struct headers headers = {0};
    headers_add(&headers, arena, STR("X-A"), STR("1"));
    headers_add(&headers, arena, STR("x-b"), (struct str){0});
    headers_add(&headers, arena, STR("x-a"), STR("2"));
    ck_str_is(headers_get(&headers, STR("x-A")), "1");
    ck_assert_ptr_nonnull(headers_get(&headers, STR("X-B")).data);
    ck_assert_ptr_null(headers_get(&headers, STR("x-c")).data);
    ck_str_is(shown(headers_to_json(&headers, STR("x-a"), arena)), "[\"1\",\"2\"]");
    ck_str_is(shown(headers_to_json(&headers, STR("x-b"), arena)), "\"\"");
    ck_str_is(shown(headers_to_json(&headers, STR("x-c"), arena)), "-");
    end();
}
END_TEST

START_TEST(test_keeps_headers_on_the_heap)
{
    struct headers headers = {0};
    for (int i = 0; i < 100; i++)
        headers_add(&headers, NULL, STR("a"), STR("b"));
    ck_assert_uint_eq(headers.count, 100);
    headers_clear(&headers);
    ck_assert_uint_eq(headers.count, 0);
    ck_assert_ptr_null(headers.items);
}
END_TEST

START_TEST(test_finds_tokens)
{
    begin();
    struct headers headers = {0};
    headers_add(&headers, arena, STR("Connection"), STR("keep-alive,\tUpgrade ,,"));
    headers_add(&headers, arena, STR("connection"), STR("HTTP2-Settings"));
    struct str name = STR("connection");
    ck_assert(headers_has_token(&headers, name, STR("upgrade")));
    ck_assert(headers_has_token(&headers, name, STR("keep-alive")));
    ck_assert(headers_has_token(&headers, name, STR("http2-settings")));
    ck_assert(!headers_has_token(&headers, name, STR("keep")));
    ck_assert(!headers_has_token(&headers, STR("te"), STR("keep-alive")));
    end();
}
END_TEST

START_TEST(test_percent_decodes)
{
    begin();
    ck_str_is(percent_decode(STR("a%20b+c"), false, arena), "a b+c");
    ck_str_is(percent_decode(STR("a%20b+c"), true, arena), "a b c");
    ck_str_is(percent_decode(STR("%C3%a9"), false, arena), "\xc3\xa9");
    ck_str_is(percent_decode(STR("%"), false, arena), "%");
    ck_str_is(percent_decode(STR("%4"), false, arena), "%4");
    ck_str_is(percent_decode(STR("%zz%41"), false, arena), "%zzA");
    ck_str_is(percent_decode(STR("%%41"), false, arena), "%A");
    ck_assert_uint_eq(percent_decode(STR("%00"), false, arena).size, 1);
    ck_assert_ptr_nonnull(percent_decode((struct str){0}, true, arena).data);
    end();
}
END_TEST

START_TEST(test_reads_queries)
{
    begin();
    struct str query = STR("a=1&b=x%26y&&a=2&c&d==&=e&%61=3");
    ck_str_is(shown(query_to_json(query, STR("a"), arena)), "[\"1\",\"2\",\"3\"]");
    ck_str_is(shown(query_to_json(query, STR("b"), arena)), "\"x&y\"");
    ck_str_is(shown(query_to_json(query, STR("c"), arena)), "\"\"");
    ck_str_is(shown(query_to_json(query, STR("d"), arena)), "\"=\"");
    ck_str_is(shown(query_to_json(query, STR(""), arena)), "\"e\"");
    ck_str_is(shown(query_to_json(query, STR("z"), arena)), "-");
    ck_str_is(shown(query_object(query, arena)),
              "{\"a\":[\"1\",\"2\",\"3\"],\"b\":\"x&y\",\"c\":\"\",\"d\":\"=\",\"\":\"e\"}");
    ck_str_is(shown(query_object((struct str){0}, arena)), "{}");
    ck_str_is(shown(query_object(STR("&&"), arena)), "{}");
    end();
}
END_TEST

START_TEST(test_reads_a_query_of_many_names_in_no_time)
{
    begin();
    struct buf query;
    buf_init(&query, BUF_OWN);
    for (int i = 0; i < 200000; i++)
        buf_printf(&query, "n%d=%d&", i, i);
    struct json *object = query_object(buf_str(&query), arena);
    ck_assert_uint_eq(object->count, 200000);
    ck_str_is(object->members[199999].value->text, "199999");
    buf_clear(&query);
    end();
}
END_TEST

START_TEST(test_finds_cookies)
{
    begin();
    struct request request = {0};
    headers_add(&request.headers, arena, STR("cookie"), STR("a=1; b = x=y;c; e="));
    headers_add(&request.headers, arena, STR("Cookie"), STR("d=\"q\";a=2"));
    ck_str_is(request_cookie(&request, STR("a")), "1");
    ck_str_is(request_cookie(&request, STR("b")), "x=y");
    ck_str_is(request_cookie(&request, STR("d")), "\"q\"");
    ck_assert_ptr_null(request_cookie(&request, STR("A")).data);
    ck_assert_ptr_null(request_cookie(&request, STR("c")).data);
    ck_assert_ptr_nonnull(request_cookie(&request, STR("e")).data);
    ck_assert_uint_eq(request_cookie(&request, STR("e")).size, 0);
    end();
}
END_TEST

static struct request a_request(void)
{
    struct request request = {
        .method = STR("POST"),
        .target = STR("/a?x=1"),
        .path = STR("/a"),
        .query = STR("x=1"),
        .authority = STR("h:1"),
        .version = HTTP_2,
        .body = STR("b\0c"),
    };
    headers_add(&request.headers, arena, STR("X-A"), STR("1"));
    headers_add(&request.headers, arena, STR("x-empty"), STR(""));
    headers_add(&request.trailers, arena, STR("t"), STR("2"));
    return request;
}

START_TEST(test_packs_and_unpacks)
{
    begin();
    struct request request = a_request();
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    request_pack(&request, &packed);
    struct request copy;
    ck_assert(request_unpack(buf_str(&packed), arena, &copy));
    ck_str_is(copy.method, "POST");
    ck_str_is(copy.target, "/a?x=1");
    ck_str_is(copy.path, "/a");
    ck_str_is(copy.query, "x=1");
    ck_str_is(copy.authority, "h:1");
    ck_assert_int_eq(copy.version, HTTP_2);
    ck_assert(str_equal(copy.body, STR("b\0c")));
    ck_assert_uint_eq(copy.headers.count, 2);
    ck_str_is(copy.headers.items[0].name, "X-A");
    ck_assert_ptr_nonnull(copy.headers.items[1].value.data);
    ck_assert_uint_eq(copy.trailers.count, 1);
    ck_str_is(headers_get(&copy.trailers, STR("T")), "2");
    buf_clear(&packed);
    end();
}
END_TEST

START_TEST(test_keeps_what_is_missing_and_what_is_large)
{
    begin();
    static char large[100000];
    memset(large, 'x', sizeof large);
    struct request request = {.version = HTTP_1_0, .body = {large, sizeof large}};
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    request_pack(&request, &packed);
    struct request copy;
    ck_assert(request_unpack(buf_str(&packed), arena, &copy));
    ck_assert_ptr_null(copy.query.data);
    ck_assert_uint_eq(copy.headers.count, 0);
    ck_assert(str_equal(copy.body, request.body));
    buf_clear(&packed);
    end();
}
END_TEST

START_TEST(test_knows_what_a_body_lacks)
{
    begin();
    struct request request = {.version = HTTP_2, .body = STR("abc")};
    struct request copy;
    struct buf packed;
    ck_assert_ptr_null(request_body_lacks(&request, arena).data);
    request.body_left_out = 1021;
    ck_str_is(request_body_lacks(&request, arena), "the record has the first 3 B of 1 KiB");
    request.state = REQUEST_COMING;
    ck_str_is(request_body_lacks(&request, arena),
              "more of the body was still to come after 1 KiB");
    request.state = REQUEST_BROKEN_OFF;
    ck_str_is(request_body_lacks(&request, arena), "the request broke off after 1 KiB");
    buf_init(&packed, BUF_OWN);
    request_pack(&request, &packed);
    ck_assert(request_unpack(buf_str(&packed), arena, &copy));
    ck_assert_int_eq(copy.state, REQUEST_BROKEN_OFF);
    ck_assert_uint_eq(copy.body_left_out, 1021);
    ck_assert_uint_eq(request_body_size(&copy), 1024);
    ck_str_is(copy.body, "abc");
    buf_clear(&packed);
    end();
}
END_TEST

START_TEST(test_refuses_what_is_no_packed_request)
{
    begin();
    struct request request = a_request();
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    request_pack(&request, &packed);
    struct request copy;
    for (size_t size = 0; size < packed.size; size++)
        ck_assert(!request_unpack(str_slice(buf_str(&packed), 0, size), arena, &copy));
    /* Whatever a byte is changed to, nothing outside is read and no memory beyond reason is asked.
     */
    for (size_t at = 0; at < packed.size; at++) {
        for (int value = 0; value < 256; value += 17) {
            char before = packed.data[at];
            packed.data[at] = (char)value;
            bool ok = request_unpack(buf_str(&packed), arena, &copy);
            ck_assert(ok || !ok);
            packed.data[at] = before;
        }
    }
    buf_append_byte(&packed, 'x');
    ck_assert(!request_unpack(buf_str(&packed), arena, &copy));
    ck_assert(
        !request_unpack(STR("R2\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), arena, &copy));
    buf_clear(&packed);
    end();
}
END_TEST

UNIT_MAIN("message", test_names_versions_and_reasons, test_finds_headers_without_regard_to_case,
          test_keeps_headers_on_the_heap, test_finds_tokens, test_percent_decodes,
          test_reads_queries, test_reads_a_query_of_many_names_in_no_time, test_finds_cookies,
          test_packs_and_unpacks, test_keeps_what_is_missing_and_what_is_large,
          test_knows_what_a_body_lacks, test_refuses_what_is_no_packed_request)
