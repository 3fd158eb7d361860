/**
 * Programs under a supervisor: a loop, and what is heard of them.
 */
#ifndef GOTO_CTEST_SUPERVISOR_RIG_H
#define GOTO_CTEST_SUPERVISOR_RIG_H

#include "runner/client/supervisor.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "runner/client/supervisor_private.h"

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, PATIENCE_S = 40 };

#define PATH_VARIABLE "PATH=/usr/local/bin:/usr/bin:/bin"

static const char *const plain_env[] = {PATH_VARIABLE, NULL};

/** A loop with a supervisor, and a timer that fails the test when nothing ends it. */
struct bench {
    struct supervisor *supervisor;
    struct loop *loop;
    struct timer patience;
    int waiting; /**< ends until the loop is stopped */
};

/** What was heard of one program. */
struct heard {
    struct bench *bench;
    struct bench own; /**< of run_options(); its loop is NULL if there is none */
    struct process *process;
    int started;
    int ended;
    size_t lines;
    size_t lines_after_end;
    size_t cuts;
    struct buf text; /**< "1:line\n", "2:line\n"; "\\\n" at the end of a cut one */
    struct process_end end;
    const char *stop_at; /**< stops the loop when this line is heard */
    enum { FREE_NEVER, FREE_AT_START, FREE_AT_LINE, FREE_AT_END } free_at;
};

static inline void patience_ends(struct timer *timer)
{
    (void)timer;
    ck_abort_msg("it took too long");
}

static inline void bench_open_with(struct bench *bench, struct supervisor *supervisor)
{
    *bench = (struct bench){.supervisor = supervisor};
    ck_assert_ptr_nonnull(bench->supervisor);
    bench->loop = loop_new();
    ck_assert_int_eq(supervisor_attach(bench->supervisor, bench->loop), 0);
    timer_init(&bench->patience, bench->loop, patience_ends);
    timer_start(&bench->patience, PATIENCE_S * (int64_t)CLOCK_SECOND);
}

static inline void bench_open(struct bench *bench)
{
    int error;
    bench_open_with(bench, supervisor_new(&error));
}

static inline void bench_close(struct bench *bench)
{
    timer_stop(&bench->patience);
    supervisor_free(bench->supervisor);
    loop_free(bench->loop);
}

static inline void heard_free_at(struct heard *heard, int when)
{
    if ((int)heard->free_at != when)
        return;
    process_free(heard->process);
    heard->process = NULL;
    loop_stop(heard->bench->loop);
}

static inline void hear_started(void *context, int pid)
{
    struct heard *heard = context;
    ck_assert_int_gt(pid, 0);
    ck_assert(process_is_alive(heard->process));
    ck_assert_int_eq(process_pid(heard->process), pid);
    ck_assert_uint_eq(heard->lines, 0);
    heard->started++;
    heard_free_at(heard, FREE_AT_START);
}

static inline void hear_line(void *context, bool is_stderr, struct str line, bool cut)
{
    struct heard *heard = context;
    /* ck_assert() writes to a file: too slow for millions of lines */
    if (heard->started != 1 || !heard->process)
        ck_abort_msg("a line of what was not started, or was freed");
    heard->lines++;
    heard->lines_after_end += heard->ended != 0;
    heard->cuts += cut;
    buf_append_string(&heard->text, is_stderr ? "2:" : "1:");
    buf_append(&heard->text, line);
    buf_append_string(&heard->text, cut ? "\\\n" : "\n");
    if (heard->stop_at && str_is(line, heard->stop_at))
        loop_stop(heard->bench->loop);
    heard_free_at(heard, FREE_AT_LINE);
}

static inline void hear_ended(void *context, const struct process_end *end)
{
    struct heard *heard = context;
    ck_assert(!process_is_alive(heard->process));
    heard->ended++;
    heard->end = *end;
    if (--heard->bench->waiting == 0)
        loop_stop(heard->bench->loop);
    heard_free_at(heard, FREE_AT_END);
}

static const struct process_handler hearing = {hear_started, hear_line, hear_ended};

/** What most tests start with. */
static inline struct process_options options_of(const char *const *argv)
{
    return (struct process_options){
        .argv = argv, .env = plain_env, .cwd = "/", .most_output = 4 * MIB, .most_line = 1024};
}

static inline void heard_start(struct heard *heard, struct bench *bench,
                               const struct process_options *options)
{
    buf_init(&heard->text, BUF_OWN);
    heard->bench = bench;
    bench->waiting++;
    heard->process = process_start(bench->supervisor, options, &hearing, heard);
    ck_assert_ptr_nonnull(heard->process);
    ck_assert(!heard->started && !heard->ended);
}

static inline void heard_start_shell(struct heard *heard, struct bench *bench, const char *text)
{
    const char *argv[] = {"sh", "-c", text, NULL};
    struct process_options options = options_of(argv);
    heard_start(heard, bench, &options);
}

static inline void heard_clear(struct heard *heard)
{
    process_free(heard->process);
    buf_clear(&heard->text);
    if (heard->own.loop)
        bench_close(&heard->own);
}

/** Runs a program to its end. */
static inline void run_options(struct heard *heard, const struct process_options *options)
{
    bench_open(&heard->own);
    heard_start(heard, &heard->own, options);
    loop_run(heard->own.loop);
    ck_assert_int_eq(heard->ended, 1);
}

static inline void run_argv(struct heard *heard, const char *const *argv)
{
    struct process_options options = options_of(argv);
    run_options(heard, &options);
}

static inline void run_shell(struct heard *heard, const char *text)
{
    const char *argv[] = {"sh", "-c", text, NULL};
    run_argv(heard, argv);
}

/** A pause between two looks at something that another process does. */
static inline void look_again(int64_t deadline)
{
    struct timespec pause = {0, 2 * 1000 * 1000};
    ck_assert_msg(clock_now() < deadline, "it took too long");
    nanosleep(&pause, NULL);
}

static inline int64_t deadline_in_time(void)
{
    return clock_now() + PATIENCE_S * (int64_t)CLOCK_SECOND;
}

/** How many processes have this variable in their environment. */
static inline size_t marked_count(const char *mark)
{
    size_t count = 0;
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder))) {
        char path[64];
        char text[8192];
        snprintf(path, sizeof path, "/proc/%.20s/environ", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
        if (fd >= 0)
            close(fd);
        if (size > 0 && memmem(text, (size_t)size, mark, strlen(mark) + 1))
            count++;
    }
    closedir(folder);
    return count;
}

static inline void wait_for_marked(const char *mark, size_t least, size_t most)
{
    int64_t deadline = deadline_in_time();
    for (;;) {
        size_t count = marked_count(mark);
        if (count >= least && count <= most)
            return;
        look_again(deadline);
    }
}

#endif
