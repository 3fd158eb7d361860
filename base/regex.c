#include "base/regex.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    MOST_PATTERN = 64 * 1024,
    MOST_STEPS = 10 * 1000 * 1000,
    MOST_HEAP_KIB = 64 * 1024,
    MOST_CPU_NS = 2000000000,
    USES_BEFORE_JIT = 32,
    STARTS_BETWEEN_CLOCKS = 16
};

/**
 * Stands before every pattern: a callout at each place where a match is tried. PCRE2's own limits
 * count from zero at each of these places, so a quadratic pattern on a long subject needs this
 * bound on the whole. It does not disturb PCRE2's search for the first letter.
 */
static const struct str prefix = STR_INIT("(?C1)");

/** How far a search has come; owned by the search under way. */
struct effort {
    uint64_t starts;
    int64_t began_ns; /**< 0 until the clock was first read */
};

struct regex {
    pcre2_general_context *memory;
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_code *code;
    uint32_t groups;
    struct use {
        unsigned count;
    } * use; /**< behind a pointer: searching does not change the regex for its callers */
};

static void *pcre_alloc(size_t size, void *unused)
{
    (void)unused;
    return memory_alloc(size);
}

static void pcre_free(void *block, void *unused)
{
    (void)unused;
    memory_free(block);
}

static int64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int effort_check(pcre2_callout_block *block, void *data)
{
    struct effort *effort = data;
    (void)block;
    if (++effort->starts % STARTS_BETWEEN_CLOCKS)
        return 0;
    int64_t now = cpu_now_ns();
    if (effort->began_ns == 0)
        effort->began_ns = now;
    return now - effort->began_ns > MOST_CPU_NS ? PCRE2_ERROR_CALLOUT : 0;
}

static pcre2_code *pattern_compile(pcre2_general_context *memory, struct str pattern,
                                   struct regex_error *error)
{
    char *text = memory_alloc(prefix.size + pattern.size);
    memcpy(text, prefix.data, prefix.size);
    if (pattern.size)
        memcpy(text + prefix.size, pattern.data, pattern.size);
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    int code = 0;
    size_t offset = 0;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)text, prefix.size + pattern.size,
                      PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, context);
    pcre2_compile_context_free(context);
    memory_free(text);
    if (compiled)
        return compiled;
    error->offset = offset > prefix.size ? offset - prefix.size : 0;
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)error->message, sizeof error->message) < 0)
        snprintf(error->message, sizeof error->message, "PCRE2 error %d", code);
    return NULL;
}

struct regex *regex_new(struct str pattern, struct regex_error *error)
{
    *error = (struct regex_error){0};
    if (pattern.size > MOST_PATTERN) {
        snprintf(error->message, sizeof error->message, "pattern is longer than %d KiB",
                 MOST_PATTERN / 1024);
        error->offset = MOST_PATTERN;
        return NULL;
    }
    pcre2_general_context *memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    pcre2_code *code = pattern_compile(memory, pattern, error);
    if (!code) {
        pcre2_general_context_free(memory);
        return NULL;
    }
    struct regex *regex = memory_alloc(sizeof *regex);
    regex->memory = memory;
    regex->code = code;
    regex->use = memory_alloc(sizeof *regex->use);
    regex->data = pcre2_match_data_create_from_pattern(code, memory);
    regex->context = pcre2_match_context_create(memory);
    pcre2_set_match_limit(regex->context, MOST_STEPS);
    pcre2_set_depth_limit(regex->context, MOST_STEPS);
    pcre2_set_heap_limit(regex->context, MOST_HEAP_KIB);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    return regex;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->data);
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    memory_free(regex->use);
    memory_free(regex);
}

/** PCRE2's result for well-formed subjects; one of its errors for UTF-8 when it is not. */
static int regex_run(const struct regex *regex, struct str subject, size_t from, uint32_t options)
{
    if (regex->use->count < USES_BEFORE_JIT && ++regex->use->count == USES_BEFORE_JIT) {
        /* Where there is no JIT the interpreter goes on. */
        (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    }
    struct effort effort = {0};
    PCRE2_SPTR text = (PCRE2_SPTR)(subject.size ? subject.data : "");
    pcre2_set_callout(regex->context, effort_check, &effort);
    int result =
        pcre2_match(regex->code, text, subject.size, from, options, regex->data, regex->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(regex->code, text, subject.size, from, options | PCRE2_NO_JIT,
                             regex->data, regex->context);
    pcre2_set_callout(regex->context, NULL, NULL);
    return result;
}

/** A subject with U+FFFD for every bad byte. */
struct cleaned {
    char *data;
    size_t size;
};

static struct cleaned subject_clean(struct str subject)
{
    struct cleaned cleaned = {memory_alloc_array(subject.size, 3), 0};
    for (size_t at = 0; at < subject.size;) {
        uint32_t code;
        size_t size = str_decode(str_from(subject, at), &code);
        if (size)
            memcpy(cleaned.data + cleaned.size, subject.data + at, size);
        else
            memcpy(cleaned.data + cleaned.size, "\xef\xbf\xbd", 3);
        cleaned.size += size ? size : 3;
        at += size ? size : 1;
    }
    return cleaned;
}

/** Where the character at or after `offset` of the subject stands in the cleaned text. */
static size_t subject_to_cleaned(struct str subject, size_t offset)
{
    size_t there = 0;
    for (size_t at = 0; at < offset;) {
        uint32_t code;
        size_t size = str_decode(str_from(subject, at), &code);
        there += size ? size : 3;
        at += size ? size : 1;
    }
    return there;
}

/** The offset in the subject of a character's start in the cleaned text: the reverse. */
static size_t subject_from_cleaned(struct str subject, size_t offset)
{
    size_t at = 0;
    for (size_t there = 0; there < offset;) {
        uint32_t code;
        size_t size = str_decode(str_from(subject, at), &code);
        there += size ? size : 3;
        at += size ? size : 1;
    }
    return at;
}

static bool is_utf_error(int result)
{
    return (result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21) ||
           result == PCRE2_ERROR_BADUTFOFFSET;
}

static void regex_groups(const struct regex *regex, struct regex_group *groups, size_t count)
{
    const size_t *offsets = pcre2_get_ovector_pointer(regex->data);
    for (size_t i = 0; i < count; i++) {
        groups[i] = (struct regex_group){0};
        if (i <= regex->groups && offsets[2 * i] != PCRE2_UNSET)
            groups[i] = (struct regex_group){true, offsets[2 * i], offsets[2 * i + 1]};
    }
}

static int regex_match(const struct regex *regex, struct str subject, size_t from, uint32_t options,
                       struct regex_group *groups, size_t count)
{
    if (from > subject.size)
        return 0;
    int result = regex_run(regex, subject, from, options);
    bool cleaned = is_utf_error(result);
    if (cleaned) {
        struct cleaned clean = subject_clean(subject);
        result = regex_run(regex, (struct str){clean.data, clean.size},
                           subject_to_cleaned(subject, from), options);
        memory_free(clean.data);
    }
    if (result == PCRE2_ERROR_NOMATCH)
        return 0;
    if (result < 0)
        return -E2BIG;
    regex_groups(regex, groups, count);
    for (size_t i = 0; cleaned && i < count; i++) {
        groups[i].start = subject_from_cleaned(subject, groups[i].start);
        groups[i].end = subject_from_cleaned(subject, groups[i].end);
    }
    return 1;
}

int regex_search(const struct regex *regex, struct str subject, size_t from,
                 struct regex_group *groups, size_t count)
{
    return regex_match(regex, subject, from, 0, groups, count);
}

int regex_matches_whole(const struct regex *regex, struct str subject)
{
    return regex_match(regex, subject, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, NULL, 0);
}

size_t regex_group_count(const struct regex *regex)
{
    return regex->groups;
}
