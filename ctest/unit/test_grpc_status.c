#include "server/grpc/status.h"

#include "unit.h"

START_TEST(test_names_and_codes)
{
    for (int i = 0; i < GRPC_STATUS_COUNT; i++)
        ck_assert_int_eq(grpc_status_code(str_of(grpc_status_name(i))), i);
    ck_assert_str_eq(grpc_status_name(GRPC_NOT_FOUND), "NOT_FOUND");
    ck_assert_str_eq(grpc_status_name(16), "UNAUTHENTICATED");
    ck_assert_ptr_null(grpc_status_name(17));
    ck_assert_ptr_null(grpc_status_name(-1));
    ck_assert_int_eq(grpc_status_code(STR("not_found")), -1);
    ck_str_is(grpc_status_nearest(STR("NOTFOUND")).best, "NOT_FOUND");
    ck_str_is(grpc_status_nearest(STR("CANCELED")).best, "CANCELLED");
    ck_str_is(grpc_status_nearest(STR("xyz")).best, "");
}
END_TEST

START_TEST(test_reads_the_header)
{
    int code;
    ck_assert(grpc_status_read(STR("0"), &code));
    ck_assert_int_eq(code, 0);
    ck_assert(grpc_status_read(STR("17"), &code));
    ck_assert_int_eq(code, 17);
    ck_assert(!grpc_status_read(STR(""), &code));
    ck_assert(!grpc_status_read(STR("-1"), &code));
    ck_assert(!grpc_status_read(STR("abc"), &code));
    ck_assert(!grpc_status_read(STR("2147483648"), &code));
}
END_TEST

START_TEST(test_derives_from_http)
{
    static const struct {
        int http;
        enum grpc_status status;
    } rows[] = {
        {400, GRPC_INTERNAL},      {401, GRPC_UNAUTHENTICATED}, {403, GRPC_PERMISSION_DENIED},
        {404, GRPC_UNIMPLEMENTED}, {429, GRPC_UNAVAILABLE},     {431, GRPC_UNKNOWN},
        {502, GRPC_UNAVAILABLE},   {503, GRPC_UNAVAILABLE},     {504, GRPC_UNAVAILABLE},
        {200, GRPC_UNKNOWN},       {418, GRPC_UNKNOWN},         {500, GRPC_UNKNOWN}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_int_eq(grpc_status_of_http(rows[i].http), rows[i].status);
}
END_TEST

START_TEST(test_derives_from_a_reset)
{
    static const enum grpc_status statuses[] = {
        GRPC_INTERNAL,          GRPC_INTERNAL, GRPC_INTERNAL, GRPC_INTERNAL,
        GRPC_INTERNAL,          GRPC_INTERNAL, GRPC_INTERNAL, GRPC_UNAVAILABLE,
        GRPC_CANCELLED,         GRPC_INTERNAL, GRPC_INTERNAL, GRPC_RESOURCE_EXHAUSTED,
        GRPC_PERMISSION_DENIED, GRPC_INTERNAL, GRPC_UNKNOWN};
    for (uint32_t i = 0; i < COUNT_OF(statuses); i++)
        ck_assert_int_eq(grpc_status_of_reset(i), statuses[i]);
    ck_assert_int_eq(grpc_status_of_reset(UINT32_MAX), GRPC_UNKNOWN);
}
END_TEST

START_TEST(test_escapes_messages)
{
    static const struct {
        struct str plain;
        const char *sent;
    } rows[] = {
        {STR_INIT(""), ""},
        {STR_INIT("not found"), "not found"},
        {STR_INIT("100%"), "100%25"},
        {STR_INIT("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"),
         "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP "
         "%F0%9F%98%88%09%0A"},
        {STR_INIT("\0\x1f ~\x7f\xff"), "%00%1F ~%7F%FF"},
        {STR_INIT("  a b "), "%20 a b%20"},
        {STR_INIT(" "), "%20"},
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf buf;
        buf_init(&buf, BUF_OWN);
        grpc_message_write(rows[i].plain, &buf);
        ck_str_is(buf_str(&buf), rows[i].sent);
        ck_assert(str_equal(grpc_message_read(arena, buf_str(&buf)), rows[i].plain));
        buf_clear(&buf);
    }
    ck_str_is(grpc_message_read(arena, STR("%")), "%");
    ck_str_is(grpc_message_read(arena, STR("%4")), "%4");
    ck_str_is(grpc_message_read(arena, STR("%zz%4x%41%6a")), "%zz%4xAj");
    arena_free(arena);
}
END_TEST

START_TEST(test_knows_its_content_types)
{
    static const char *const good[] = {"application/grpc",         "Application/GRPC",
                                       "application/grpc+proto",   "application/grpc; a=b",
                                       "application/grpc+proto;a", "application/grpc ;a=b"};
    static const char *const bad[] = {"",
                                      "application/grp",
                                      "application/grpc+json",
                                      "application/grpc+protobuf",
                                      "application/grpc-web",
                                      "application/grpcx",
                                      "text/html; application/grpc"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(grpc_is_content_type(str_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!grpc_is_content_type(str_of(bad[i])), "%s", bad[i]);
    ck_assert(!grpc_is_content_type((struct str){0}));
}
END_TEST

START_TEST(test_reads_timeouts)
{
    int64_t ns;
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {{"1n", 1},
                {"7u", 7000},
                {"250m", 250000000},
                {"3S", 3000000000},
                {"2M", 120000000000},
                {"1H", 3600000000000},
                {"0S", 0},
                {"00000001S", 1000000000},
                {"99999999n", 99999999},
                {"99999999H", INT64_MAX}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ck_assert_msg(grpc_timeout_read(str_of(rows[i].text), &ns), "%s", rows[i].text);
        ck_assert_int_eq(ns, rows[i].ns);
    }
    static const char *const wrong[] = {"",    "S",    "1",   "1s",  "1h",         "-1S",
                                        "+1S", "1.5S", " 1S", "1S ", "123456789S", "1SS"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!grpc_timeout_read(str_of(wrong[i]), &ns), "%s", wrong[i]);
}
END_TEST

START_TEST(test_writes_timeouts)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {{-5, "0n"},
                {0, "0n"},
                {1, "1n"},
                {99999999, "99999999n"},
                {100000000, "100000u"},
                {100000001, "100001u"}, /* never shorter than asked */
                {INT64_C(99999999000), "99999999u"},
                {INT64_C(99999999001), "100000m"},
                {INT64_C(3600000000000), "3600000m"},
                {INT64_MAX, "2562048H"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[GRPC_TIMEOUT_SIZE];
        grpc_timeout_write(rows[i].ns, out);
        ck_assert_str_eq(out, rows[i].text);
    }
}
END_TEST

UNIT_MAIN("grpc_status", test_names_and_codes, test_reads_the_header, test_derives_from_http,
          test_derives_from_a_reset, test_escapes_messages, test_knows_its_content_types,
          test_reads_timeouts, test_writes_timeouts)
