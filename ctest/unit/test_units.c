#include "base/units.h"

#include "unit.h"

#include <string.h>

#define US INT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)
#define DAY (86400 * S)

static void time_is(const char *text, bool negative, int64_t expected)
{
    int64_t ns = 77;
    ck_assert_msg(units_read_time(str_of(text), negative, &ns), "%s", text);
    ck_assert_msg(ns == expected, "%s is %lld", text, (long long)ns);
}

START_TEST(test_reads_times)
{
    time_is("250us", false, 250 * US);
    time_is("10ms", false, 10 * MS);
    time_is("1.5s", false, 1500 * MS);
    time_is("2m", false, 120 * S);
    time_is("1h", false, 3600 * S);
    time_is("30d", false, 30 * DAY);
    time_is("0", false, 0);
    time_is("0s", false, 0);
    time_is("-1d", true, -DAY);
    time_is("1d", true, DAY);
    time_is("0.001us", false, 1);
    time_is("1.000s", false, S);
    time_is("0.000000001s", false, 1);
    time_is("00.50ms", false, 500 * US);
    time_is("106751d", false, 106751 * DAY);
    time_is("9223372036854775.807us", false, INT64_MAX);
    time_is("0.50000000000000000000000000s", false, 500 * MS);
}
END_TEST

START_TEST(test_refuses_times)
{
    static const char *const wrong[] = {
        "",
        "10",
        "1",
        "s",
        "1 s",
        " 1s",
        "1s ",
        "-1s",
        "+1s",
        "1.s",
        ".5s",
        "1e3s",
        "1S",
        "1ns",
        "1sec",
        "1s2",
        "1m3s",
        "0x1s",
        "1..5s",
        "1.5.5s",
        "1,5s",
        "--1s",
        "106752d",
        "-",
        "0.0001us",
        "00",
        "0.0",
        "99999999999999999999s",
        "9223372036854775.808us",
        "0.0000000000000000001d",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int64_t ns = 77;
        ck_assert_msg(!units_read_time(str_of(wrong[i]), false, &ns), "%s", wrong[i]);
        ck_assert_int_eq(ns, 77);
    }
    int64_t ns;
    ck_assert(!units_read_time(STR("--1s"), true, &ns));
    ck_assert(!units_read_time(STR("1s\0"), true, &ns));
    ck_assert(!units_read_time((struct str){0}, true, &ns));
}
END_TEST

START_TEST(test_reads_durations)
{
    struct duration d;
    ck_assert(units_read_duration(STR("10ms"), &d));
    ck_assert(d.kind == DURATION_FIXED && d.low_ns == 10 * MS && d.high_ns == 10 * MS);
    ck_assert(units_read_duration(STR("1s-3s"), &d));
    ck_assert(d.kind == DURATION_UNIFORM && d.low_ns == S && d.high_ns == 3 * S);
    ck_assert(units_read_duration(STR("0-3s"), &d));
    ck_assert(d.kind == DURATION_UNIFORM && d.low_ns == 0 && d.high_ns == 3 * S);
    ck_assert(units_read_duration(STR("20ms~5ms"), &d));
    ck_assert(d.kind == DURATION_NORMAL && d.low_ns == 20 * MS && d.high_ns == 5 * MS);
    ck_assert(units_read_duration(STR("5ms~20ms"), &d));
    static const char *const wrong[] = {"3s-1s", "1-3s",     "1s-",      "-1s",      "~5ms",
                                        "5ms~",  "1s-2s-3s", "1s~2s~3s", "1s-2s~3s", "1s--2s",
                                        "",      "-",        "~"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!units_read_duration(str_of(wrong[i]), &d), "%s", wrong[i]);
}
END_TEST

static void size_is(const char *text, uint64_t expected)
{
    uint64_t bytes = 77;
    ck_assert_msg(units_read_size(str_of(text), &bytes), "%s", text);
    ck_assert_msg(bytes == expected, "%s is %llu", text, (unsigned long long)bytes);
}

START_TEST(test_reads_sizes)
{
    size_is("0", 0);
    size_is("512", 512);
    size_is("512B", 512);
    size_is("64KiB", 65536);
    size_is("1MiB", 1048576);
    size_is("10KB", 10000);
    size_is("1.5MiB", 1572864);
    size_is("1.5KB", 1500);
    size_is("2TiB", 2ULL << 40);
    size_is("18446744073709551615", UINT64_MAX);
    static const char *const wrong[] = {
        "",    "KiB",   "1.5",    "1KIB",        "1kb",
        "-1",  "1 KiB", "0.3KiB", "10-100",      "0x10",
        "1e3", "1K",    "1.KB",   "16777216TiB", "18446744073709551616"};
    uint64_t bytes;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!units_read_size(str_of(wrong[i]), &bytes), "%s", wrong[i]);
}
END_TEST

START_TEST(test_reads_size_ranges)
{
    struct size_range range;
    ck_assert(units_read_size_range(STR("10-100"), &range));
    ck_assert(range.low == 10 && range.high == 100);
    ck_assert(units_read_size_range(STR("1KiB-4KiB"), &range));
    ck_assert(range.low == 1024 && range.high == 4096);
    ck_assert(units_read_size_range(STR("7"), &range));
    ck_assert(range.low == 7 && range.high == 7);
    static const char *const wrong[] = {"", "-", "10-", "-10", "100-10", "1-2-3", "1~2"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!units_read_size_range(str_of(wrong[i]), &range), "%s", wrong[i]);
}
END_TEST

START_TEST(test_reads_rates)
{
    struct rate rate;
    ck_assert(units_read_rate(STR("100/s"), &rate));
    ck_assert(rate.amount == 100 && rate.per_ns == S && !rate.bytes);
    ck_assert(units_read_rate(STR("6000/m"), &rate));
    ck_assert(rate.amount == 6000 && rate.per_ns == 60 * S && !rate.bytes);
    ck_assert(units_read_rate(STR("1MiB/s"), &rate));
    ck_assert(rate.amount == 1048576 && rate.per_ns == S && rate.bytes);
    ck_assert(units_read_rate(STR("0.5/s"), &rate));
    ck_assert(rate.amount == 5 && rate.per_ns == 10 * S && !rate.bytes);
    ck_assert(units_read_rate(STR("2.0/h"), &rate));
    ck_assert(rate.amount == 2 && rate.per_ns == 3600 * S);
    static const char *const wrong[] = {"",
                                        "100",
                                        "/s",
                                        "100/",
                                        "0/s",
                                        "0KiB/s",
                                        "100/d",
                                        "1/ms",
                                        "1/2s",
                                        "-1/s",
                                        "1/s/s",
                                        "100 /s",
                                        "1s/s",
                                        "0.3KiB/s",
                                        "0.000000000001/h",
                                        "99999999999999999999/s"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!units_read_rate(str_of(wrong[i]), &rate), "%s", wrong[i]);
}
END_TEST

START_TEST(test_reads_shares)
{
    double share;
    ck_assert(units_read_share(STR("25%"), &share));
    ck_assert(share == 0.25);
    ck_assert(units_read_share(STR("0.5%"), &share));
    ck_assert(share == 0.005);
    ck_assert(units_read_share(STR("100%"), &share));
    ck_assert(share == 1.0);
    ck_assert(units_read_share(STR("0%"), &share));
    ck_assert(share == 0.0);
    ck_assert(units_read_share(STR("33.3%"), &share));
    ck_assert(share == 0.333);
    static const char *const wrong[] = {"",     "%",    "25",   "-1%", "100.1%",
                                        "101%", "25 %", "25%%", ".5%"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!units_read_share(str_of(wrong[i]), &share), "%s", wrong[i]);
}
END_TEST

START_TEST(test_writes_times)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0ms"},
        {1, "0.001us"},
        {340, "0.34us"},
        {340 * US, "340us"},
        {340 * US + 250, "340.3us"},
        {999 * US + 949, "999.9us"},
        {999 * US + 951, "1ms"},
        {12500 * US, "12.5ms"},
        {12345678, "12.35ms"},
        {1200 * MS, "1.2s"},
        {S, "1s"},
        {59994 * MS, "59.99s"},
        {59996 * MS, "1m"},
        {123 * S, "2m3s"},
        {3599 * S, "59m59s"},
        {3599 * S + 600 * MS, "1h"},
        {3900 * S, "1h5m"},
        {86399 * S, "1d"},
        {76 * 3600 * S, "3d4h"},
        {-1500 * MS, "-1.5s"},
        {INT64_MAX, "106752d"},
        {INT64_MIN, "-106752d"},
    };
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&buf);
        units_write_time(cases[i].ns, &buf);
        ck_str_is(buf_str(&buf), cases[i].text);
    }
    buf_clear(&buf);
}
END_TEST

START_TEST(test_writes_sizes)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},           {17, "17 B"},          {1023, "1023 B"},       {1024, "1 KiB"},
        {1536, "1.5 KiB"},    {1500, "1.465 KiB"},   {1048575, "1 MiB"},     {1047552, "1023 KiB"},
        {10 << 20, "10 MiB"}, {1ULL << 40, "1 TiB"}, {UINT64_MAX, "16 EiB"},
    };
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&buf);
        units_write_size(cases[i].bytes, &buf);
        ck_str_is(buf_str(&buf), cases[i].text);
    }
    buf_clear(&buf);
}
END_TEST

UNIT_MAIN("units", test_reads_times, test_refuses_times, test_reads_durations, test_reads_sizes,
          test_reads_size_ranges, test_reads_rates, test_reads_shares, test_writes_times,
          test_writes_sizes)
