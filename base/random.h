/**
 * Random draws that depend only on a seed, on what they are for, and on a number (LANGUAGE section
 * 2).
 *
 * The same seed, key and number give the same draw on every machine; each key is independent. The
 * key is hashed by SipHash-2-4 (128 bits of output) under the seed and the number; the draws are
 * xoroshiro128++ from there. Good for tests, not for secrets.
 */
#ifndef GOTO_BASE_RANDOM_H
#define GOTO_BASE_RANDOM_H

#include "base/common.h"
#include "base/str.h"
#include "base/units.h"

/** A stream of draws. */
struct random {
    uint64_t state[2];
};

/** The stream of a seed, a key ("delay api.foobar") and a number (of the request or connection). */
struct random random_for(uint64_t seed, struct str key, uint64_t number);
/** 64 random bits. */
uint64_t random_next(struct random *random);
/** Uniform in [low, high], both included, without bias; low is at most high. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);
/** Uniform in [0, 1). */
double random_unit(struct random *random);
/** Normal with mean 0 and deviation 1; exact (Karney 2016), so that no maths library colours it. */
double random_normal(struct random *random);
/** A duration drawn, never below 0. */
int64_t random_duration(struct random *random, const struct duration *duration);
/** Fills bytes. */
void random_bytes(struct random *random, void *into, size_t size);
/** A seed from the system, below 2^53 so that JSON readers keep it. */
uint64_t random_seed(void);

#endif
