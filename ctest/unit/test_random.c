#include "base/random.h"

#include "unit.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 200000, BETWEEN_42 = 73, DURATION_42 = 20309856 };
#define NORMAL_42 -0.68279138245476467

START_TEST(test_the_generator_is_xoroshiro)
{
    static const uint64_t expected[] = {393217, 669327710093319, 1732421326133921491ULL,
                                        11394790081659126983ULL, 9555452776773192676ULL};
    struct random random = {{1, 2}};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        ck_assert_uint_eq(random_next(&random), expected[i]);
}
END_TEST

/** The authors' vectors: key 00 01 … 0f, texts of 0 and 1 bytes and so on. */
START_TEST(test_the_hash_is_siphash)
{
    static const struct {
        struct str text;
        unsigned char hash[16];
    } cases[] = {
        {STR_INIT(""),
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {STR_INIT("\0"),
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct random random = random_for(0x0706050403020100, cases[i].text, 0x0f0e0d0c0b0a0908);
        for (int j = 0; j < 16; j++)
            ck_assert_uint_eq(random.state[j / 8] >> (8 * (j % 8)) & 0xff, cases[i].hash[j]);
    }
}
END_TEST

START_TEST(test_streams_depend_on_all_three)
{
    struct random a = random_for(7, STR("delay api.foobar"), 1);
    struct random b = random_for(7, STR("delay api.foobar"), 1);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(random_next(&a), random_next(&b));
    a = random_for(7, STR("delay api.foobar"), 1);
    uint64_t first = random_next(&a);
    b = random_for(8, STR("delay api.foobar"), 1);
    ck_assert_uint_ne(random_next(&b), first);
    b = random_for(7, STR("delay api.foobaz"), 1);
    ck_assert_uint_ne(random_next(&b), first);
    b = random_for(7, STR("delay api.foobar"), 2);
    ck_assert_uint_ne(random_next(&b), first);
    b = random_for(7, (struct str){0}, 1);
    a = random_for(7, STR(""), 1);
    ck_assert_uint_eq(random_next(&b), random_next(&a));
}
END_TEST

/** The promise of --seed: these values never change. */
START_TEST(test_draws_stay_what_they_were)
{
    struct random random = random_for(42, STR("fault api cut"), 3);
    uint64_t between = random_between(&random, 10, 100);
    double normal = random_normal(&random);
    int64_t duration =
        random_duration(&random, &(struct duration){DURATION_NORMAL, 20000000, 5000000});
    ck_assert_msg(between == BETWEEN_42 && duration == DURATION_42 &&
                      fabs(normal - NORMAL_42) < 1e-15,
                  "%llu %.17g %lld", (unsigned long long)between, normal, (long long)duration);
}
END_TEST

START_TEST(test_between_is_uniform)
{
    size_t seen[10] = {0};
    struct random random = random_for(1, STR("between"), 0);
    for (int i = 0; i < DRAWS; i++)
        seen[random_between(&random, 5, 14) - 5]++;
    double chi = 0;
    for (size_t i = 0; i < 10; i++)
        chi += pow((double)seen[i] - DRAWS / 10.0, 2) / (DRAWS / 10.0);
    ck_assert_double_lt(chi, 27.9); /* 9 degrees of freedom, p = 0.001 */
    ck_assert_uint_eq(random_between(&random, 3, 3), 3);
    ck_assert_uint_eq(random_between(&random, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    uint64_t any = 0;
    for (int i = 0; i < 64; i++)
        any |= random_between(&random, 0, UINT64_MAX);
    ck_assert_uint_eq(any, UINT64_MAX);
}
END_TEST

START_TEST(test_numbers_in_a_row_are_independent)
{
    int ones[64] = {0};
    for (uint64_t number = 0; number < 10000; number++) {
        struct random random = random_for(0, STR("k"), number);
        uint64_t word = random_next(&random);
        for (int bit = 0; bit < 64; bit++)
            ones[bit] += (int)(word >> bit & 1);
    }
    for (int bit = 0; bit < 64; bit++)
        ck_assert_int_le(abs(ones[bit] - 5000), 250);
}
END_TEST

START_TEST(test_unit_is_uniform)
{
    double sum = 0;
    struct random random = random_for(2, STR("unit"), 0);
    for (int i = 0; i < DRAWS; i++) {
        double unit = random_unit(&random);
        ck_assert(unit >= 0 && unit < 1);
        sum += unit;
    }
    ck_assert_double_lt(fabs(sum / DRAWS - 0.5), 0.003);
}
END_TEST

START_TEST(test_normal_is_normal)
{
    static const double bounds[] = {0.5, 1, 2, 3};
    static const double inside[] = {0.3829249, 0.6826895, 0.9544997, 0.9973002};
    double sums[4] = {0};
    double counts[4] = {0};
    struct random random = random_for(3, STR("normal"), 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = random_normal(&random);
        for (int p = 0; p < 4; p++)
            sums[p] += pow(x, p + 1);
        for (int b = 0; b < 4; b++)
            counts[b] += fabs(x) < bounds[b];
    }
    ck_assert_double_lt(fabs(sums[0] / DRAWS), 0.01);
    ck_assert_double_lt(fabs(sums[1] / DRAWS - 1), 0.015);
    ck_assert_double_lt(fabs(sums[2] / DRAWS), 0.03);
    ck_assert_double_lt(fabs(sums[3] / DRAWS - 3), 0.1);
    for (int b = 0; b < 4; b++)
        ck_assert_double_lt(fabs(counts[b] / DRAWS - inside[b]), 0.004);
}
END_TEST

START_TEST(test_durations)
{
    struct random random = random_for(4, STR("duration"), 0);
    struct duration fixed = {DURATION_FIXED, 5, 5};
    struct duration negative = {DURATION_FIXED, -5, -5};
    struct duration uniform = {DURATION_UNIFORM, 10, 12};
    struct duration normal = {DURATION_NORMAL, 1000, 2000};
    struct duration huge = {DURATION_NORMAL, INT64_MAX, INT64_MAX};
    ck_assert_int_eq(random_duration(&random, &fixed), 5);
    ck_assert_int_eq(random_duration(&random, &negative), 0);
    unsigned seen = 0;
    int zeros = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t drawn = random_duration(&random, &uniform);
        ck_assert(drawn >= 10 && drawn <= 12);
        seen |= 1U << (drawn - 10);
        drawn = random_duration(&random, &normal);
        ck_assert_int_ge(drawn, 0);
        zeros += drawn == 0;
        ck_assert_int_ge(random_duration(&random, &huge), 0);
    }
    ck_assert_uint_eq(seen, 7);
    ck_assert(zeros > 250 && zeros < 370); /* 31% lie below zero */
}
END_TEST

START_TEST(test_bytes)
{
    unsigned char a[100];
    unsigned char b[100];
    memset(b, 0, sizeof b);
    struct random random = random_for(5, STR("bytes"), 0);
    random_bytes(&random, a, sizeof a);
    random = random_for(5, STR("bytes"), 0);
    random_bytes(&random, b, 13);
    ck_assert_mem_eq(a, b, 13);
    ck_assert_uint_eq(b[13], 0);
    random_bytes(&random, b, 0);
    random = random_for(5, STR("bytes"), 0);
    ck_assert_uint_eq(a[0], random_next(&random) & 0xff);
}
END_TEST

START_TEST(test_seeds_fit_a_double)
{
    uint64_t any = 0;
    for (int i = 0; i < 64; i++) {
        uint64_t seed = random_seed();
        ck_assert_uint_lt(seed, 1ULL << 53);
        any |= seed;
    }
    ck_assert_uint_eq(any, (1ULL << 53) - 1);
}
END_TEST

UNIT_MAIN("random", test_the_generator_is_xoroshiro, test_the_hash_is_siphash,
          test_streams_depend_on_all_three, test_draws_stay_what_they_were, test_between_is_uniform,
          test_numbers_in_a_row_are_independent, test_unit_is_uniform, test_normal_is_normal,
          test_durations, test_bytes, test_seeds_fit_a_double)
