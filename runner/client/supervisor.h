/**
 * The supervisor: a small process of ours that starts the user's programs and outlives nothing.
 *
 * It is forked before the first scenario runs (only when a spec runs programs), is a child
 * subreaper, and is bound to goto-run by one socket: when that ends for whatever reason, also a
 * kill -9 of goto-run, it kills all that descends from it. Programs are started in process groups
 * of their own.
 */
#ifndef GOTO_RUNNER_CLIENT_SUPERVISOR_H
#define GOTO_RUNNER_CLIENT_SUPERVISOR_H

#include "base/loop.h"
#include "base/str.h"

struct supervisor;
struct process;

/**
 * Forks the supervisor. Call it before threads, loops and ports exist, in the process that will use
 * it (a worker forked later would hold a copy of the socket, and the kill -9 of one alone would not
 * be seen). Programs get the limits and the umask of this moment. NULL with *error a negative
 * errno.
 */
GOTO_MUST_USE struct supervisor *supervisor_new(int *error);
/** Starts to hear from it on this loop. 0 or a negative errno. */
GOTO_MUST_USE int supervisor_attach(struct supervisor *supervisor, struct loop *loop);
/**
 * Kills every program that is left, waits until the supervisor has ended (at most 5 s), frees it.
 * Processes that were not freed yet have ended then and hear nothing more. Called before
 * loop_free(), not by a handler.
 */
void supervisor_free(struct supervisor *supervisor);

/** What a program is started with. Everything is copied. */
struct process_options {
    /**
     * NULL-terminated; argv[0] is looked up in the PATH of `env`, relative to `cwd`, if it holds no
     * '/'. At most 4 MiB together with the environment.
     */
    const char *const *argv;
    const char *const *env; /**< the whole environment, NULL-terminated */
    const char *cwd;        /**< NULL or empty: ours; a relative one is relative to ours */
    struct str input;       /**< written to its standard input, which then ends; empty: /dev/null */
    size_t most_output;     /**< bytes kept of each output; more is read, counted and dropped */
    size_t most_line;       /**< bytes of a line reported at once; longer ones are cut and marked */
};

/** How a process ended. */
struct process_end {
    int error; /**< it could not be started: errno (ENOENT, EACCES, E2BIG …); EOWNERDEAD: the
                  supervisor itself was killed, so nobody knows how it ended; else 0 */
    bool error_in_cwd; /**< the error is about `cwd`, not the program */
    int exit_code;     /**< -1 if a signal ended it */
    int signal;        /**< 0 if it exited */
    uint64_t rss;      /**< highest resident memory in bytes */
    int64_t cpu_ns;    /**< user + system */
};

/** What the owner of a process hears; all on the loop's thread, never from within process_start().
 */
struct process_handler {
    /** exec succeeded (pid > 0). Not called when it failed: then only ended(). */
    void (*started)(void *context, int pid);
    /**
     * A line of output without its end ("\n" or "\r\n"); the last one may have had none. `cut`: the
     * line goes on in the next call, or where it exceeds most_output not at all. Lines come after
     * started(), and also after ended() if a descendant keeps the pipe and writes.
     */
    void (*line)(void *context, bool is_stderr, struct str line, bool cut);
    /** It ended and what its pipes held was read (not waited for: a grandchild may keep them open).
     */
    void (*ended)(void *context, const struct process_end *end);
};

/**
 * Starts a program. Never NULL: what fails, also here, is heard by ended(). Freed by
 * process_free(), at any time, also by its handler; a living one is then killed with its group, and
 * so is what is left of one that process_stop() still gives time to. Else descendants live on until
 * supervisor_free().
 */
GOTO_MUST_USE struct process *process_start(struct supervisor *supervisor,
                                            const struct process_options *options,
                                            const struct process_handler *handler, void *context);
void process_free(struct process *process);

bool process_is_alive(const struct process *process);
int process_pid(const struct process *process);
/** Sends a signal to the whole group. -ESRCH when it has ended; one that is being started gets it
 * then. */
GOTO_MUST_USE int process_signal(struct process *process, int signal);
/**
 * TERM (and CONT) to the group, KILL after `grace_ns` to all that is left of it, also when the
 * first process ended before. A second call can only bring the KILL forward.
 */
void process_stop(struct process *process, int64_t grace_ns);
/** Reads what its pipes hold now, without waiting. Whether anything was there. */
bool process_read_rest(struct process *process);

/** What was kept of its output (borrowed until more is read), and how many bytes were read of it in
 * all. */
struct str process_stdout(const struct process *process, uint64_t *total);
struct str process_stderr(const struct process *process, uint64_t *total);

/** Of a living process, from /proc: resident bytes and cpu time. False if it is not there any more.
 */
bool process_sample(const struct process *process, uint64_t *rss, int64_t *cpu_ns);

/** A signal by name ("TERM", "SIGTERM") or 0; and its name without SIG ("" if unknown). */
int signal_number(struct str name);
const char *signal_name(int number);
/** All that signal_name() knows, ended by NULL. */
extern const char *const signal_names[];

#endif
