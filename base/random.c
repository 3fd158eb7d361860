#include "base/random.h"

#include <errno.h>
#include <math.h>
#include <sys/random.h>
#include <time.h>

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

/** SipHash by Aumasson and Bernstein, 2 rounds a word, 4 at the end. */
struct sip {
    uint64_t v0, v1, v2, v3;
};

static void sip_rounds(struct sip *sip, int count)
{
    while (count--) {
        sip->v0 += sip->v1;
        sip->v1 = rotate_left(sip->v1, 13) ^ sip->v0;
        sip->v0 = rotate_left(sip->v0, 32);
        sip->v2 += sip->v3;
        sip->v3 = rotate_left(sip->v3, 16) ^ sip->v2;
        sip->v0 += sip->v3;
        sip->v3 = rotate_left(sip->v3, 21) ^ sip->v0;
        sip->v2 += sip->v1;
        sip->v1 = rotate_left(sip->v1, 17) ^ sip->v2;
        sip->v2 = rotate_left(sip->v2, 32);
    }
}

static void sip_word(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_rounds(sip, 2);
    sip->v0 ^= word;
}

/** Up to 8 bytes as a number, the first one lowest, on any machine. */
static uint64_t read_little_endian(const char *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return word;
}

static void sip_hash_128(uint64_t key0, uint64_t key1, struct str text, uint64_t hash[2])
{
    struct sip sip = {key0 ^ 0x736f6d6570736575, key1 ^ 0x646f72616e646f6d ^ 0xee,
                      key0 ^ 0x6c7967656e657261, key1 ^ 0x7465646279746573};
    size_t at = 0;
    for (; text.size - at >= 8; at += 8)
        sip_word(&sip, read_little_endian(text.data + at, 8));
    uint64_t rest = read_little_endian(text.data + at, text.size - at);
    sip_word(&sip, rest | (uint64_t)text.size << 56);
    sip.v2 ^= 0xee;
    sip_rounds(&sip, 4);
    hash[0] = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    sip.v1 ^= 0xdd;
    sip_rounds(&sip, 4);
    hash[1] = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

struct random random_for(uint64_t seed, struct str key, uint64_t number)
{
    struct random random;
    /* A str may have no data; offsets from NULL are undefined. */
    struct str text = key.size ? key : STR("");
    sip_hash_128(seed, number, text, random.state);
    if (random.state[0] == 0 && random.state[1] == 0)
        random.state[0] = 1; /* the one state that never leaves itself */
    return random;
}

/** xoroshiro128++ 1.0 by Blackman and Vigna. */
uint64_t random_next(struct random *random)
{
    uint64_t s0 = random->state[0];
    uint64_t s1 = random->state[1];
    uint64_t result = rotate_left(s0 + s1, 17) + s0;
    s1 ^= s0;
    random->state[0] = rotate_left(s0, 49) ^ s1 ^ s1 << 21;
    random->state[1] = rotate_left(s1, 28);
    return result;
}

/** Lemire's way: the high half of a product is uniform once the few short low halves are dropped.
 */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
    GOTO_ASSERT(low <= high);
    uint64_t count = high - low + 1;
    if (count == 0)
        return random_next(random);
    unsigned __int128 product = (unsigned __int128)random_next(random) * count;
    if ((uint64_t)product < count) {
        uint64_t threshold = (0 - count) % count;
        while ((uint64_t)product < threshold)
            product = (unsigned __int128)random_next(random) * count;
    }
    return low + (uint64_t)(product >> 64);
}

double random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

/** True with probability exp(-1/2): von Neumann's falling run of draws that begins below 1/2. */
static bool chance_root_of_e(struct random *random)
{
    uint64_t last = random_next(random);
    if (last >> 63)
        return true;
    for (bool even = false;; even = !even) {
        uint64_t next = random_next(random);
        if (next >= last)
            return even;
        last = next;
    }
}

/** True with probability exp(-x (2k + x) / (2k + 2)), x in units of 2^-64. */
static bool chance_of_part(struct random *random, unsigned k, uint64_t x)
{
    uint64_t last = x;
    for (bool even = true;; even = !even) {
        uint64_t next = random_next(random);
        if (next >= last)
            return even;
        unsigned __int128 drawn = (unsigned __int128)random_next(random) * (2 * k + 2);
        if (drawn >= ((unsigned __int128)(2 * k) << 64 | x))
            return even;
        last = next;
    }
}

/** Whether `count` draws with chance exp(-1/2) are all true. */
static bool chance_all(struct random *random, unsigned count)
{
    while (count--) {
        if (!chance_root_of_e(random))
            return false;
    }
    return true;
}

/**
 * Karney, "Sampling exactly from the normal distribution" (2016), algorithm N: the whole part k,
 * then the rest x, by comparisons of integers only.
 */
double random_normal(struct random *random)
{
    for (;;) {
        unsigned k = 0;
        while (chance_root_of_e(random))
            k++;
        if (k > 1 && !chance_all(random, k * (k - 1)))
            continue;
        uint64_t x = random_next(random);
        unsigned left = k + 1;
        while (left && chance_of_part(random, k, x))
            left--;
        if (left)
            continue;
        double size = (double)k + (double)(x >> 11) * 0x1p-53;
        return random_next(random) >> 63 ? -size : size;
    }
}

int64_t random_duration(struct random *random, const struct duration *duration)
{
    int64_t low = duration->low_ns > 0 ? duration->low_ns : 0;
    if (duration->kind == DURATION_FIXED)
        return low;
    if (duration->kind == DURATION_UNIFORM) {
        int64_t high = duration->high_ns > low ? duration->high_ns : low;
        return (int64_t)random_between(random, (uint64_t)low, (uint64_t)high);
    }
    double offset = rint((double)duration->high_ns * random_normal(random));
    int64_t sum;
    if (offset <= -0x1p62)
        return 0;
    if (offset >= 0x1p62 || __builtin_add_overflow(low, (int64_t)offset, &sum))
        return INT64_MAX;
    return sum > 0 ? sum : 0;
}

void random_bytes(struct random *random, void *into, size_t size)
{
    unsigned char *bytes = into;
    while (size) {
        uint64_t word = random_next(random);
        for (int i = 0; i < 8 && size; i++, size--, word >>= 8)
            *bytes++ = (unsigned char)word;
    }
}

uint64_t random_seed(void)
{
    uint64_t seed = 0;
    ssize_t got;
    do {
        got = getrandom(&seed, sizeof seed, 0);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof seed) {
        /* A seed needs no secrecy: where a sandbox forbids getrandom(), the time will do. */
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    }
    return seed & ((1ULL << 53) - 1);
}
