/**
 * What the files of the supervisor share: the wire form, and goto-run's side of a supervisor.
 *
 * The wire. A SOCK_SEQPACKET pair joins goto-run and the supervisor; each packet is one struct
 * wire_message as it lies in memory (both ends are one program). Programs have numbers that are
 * never used twice.
 *
 *     goto-run → supervisor
 *       WIRE_START    with WIRE_FDS descriptors: a memfd with the program's words, and what become
 *                     its standard input, output and error
 *       WIRE_SIGNAL   `value` is sent to the program's group, if anything of it is left
 *     supervisor → goto-run
 *       WIRE_STARTED  exec succeeded; `value` is the pid
 *       WIRE_FAILED   instead: `value` is the errno, `in_cwd` whether the folder was the reason
 *       WIRE_ENDED    `value` is the wait status; rss, cpu_ns; the process is reaped
 *
 * The memfd holds a struct wire_words and then texts that each end with a NUL: the folder (may be
 * empty: none), the arguments, the environment; at most WIRE_MOST bytes in all. It is a memfd
 * because an environment may be larger than a packet.
 *
 * The supervisor may block in sending; goto-run never does, it keeps what the socket does not take.
 */
#ifndef GOTO_RUNNER_CLIENT_SUPERVISOR_PRIVATE_H
#define GOTO_RUNNER_CLIENT_SUPERVISOR_PRIVATE_H

#include "base/buf.h"
#include "base/loop.h"
#include "runner/client/supervisor.h"

#include <sys/types.h>

enum wire_kind { WIRE_START = 1, WIRE_SIGNAL, WIRE_STARTED, WIRE_FAILED, WIRE_ENDED };

/** Bytes of one program's arguments, environment and folder together. */
enum { WIRE_MOST = 4 * 1024 * 1024 };

/** The descriptors of WIRE_START, in this order. */
enum wire_fd { WIRE_FD_WORDS, WIRE_FD_INPUT, WIRE_FD_OUTPUT, WIRE_FD_ERRORS, WIRE_FDS };

struct wire_message {
    uint64_t id; /**< of the program */
    uint32_t kind;
    int32_t value;
    uint32_t in_cwd;
    uint32_t unused;
    uint64_t rss;
    int64_t cpu_ns;
};

/** The head of the memfd. */
struct wire_words {
    uint32_t arguments;
    uint32_t variables;
};

/** Runs the supervisor in the forked process and never returns; `socket` is its end. */
GOTO_NORETURN void supervisor_child_run(int socket);

/** A message that the socket did not take yet, with the descriptors it owns. */
struct outgoing {
    struct outgoing *next;
    struct wire_message message;
    int fds[WIRE_FDS];
    size_t fd_count;
};

struct supervisor {
    struct loop *loop; /**< NULL until attached */
    struct watcher watcher;
    int socket;
    pid_t pid;
    bool lost; /**< its end of the socket closed: it is dead */
    uint64_t last_id;
    struct process *processes; /**< all that were started and not freed */
    struct outgoing *first;    /**< not sent yet, in order */
    struct outgoing *last;
};

/** Sends a message, now or when the socket takes it; owns the descriptors from here on. */
void supervisor_send(struct supervisor *supervisor, const struct wire_message *message,
                     const int *fds, size_t fd_count);
/** Takes back a start that was not sent yet. Whether there was one. */
bool supervisor_withdraw(struct supervisor *supervisor, uint64_t id);

/** What a message, the end of the supervisor, or supervisor_free() means for one process. */
void process_hear(struct process *process, const struct wire_message *message);
void process_lose(struct process *process);
void process_detach(struct process *process);

/** The list of a supervisor's processes. */
uint64_t process_id(const struct process *process);
struct process *process_next(const struct process *process);
/** Whether process_lose() has something to do: it has not ended and its end is not due already. */
bool process_is_open(const struct process *process);

/**
 * One output of a program: what is kept, what is counted, and its lines.
 *
 * Lines are found in what is kept; a line longer than `most_line` is delivered in pieces, each but
 * the last marked as cut. What exceeds `most_output` ends the last line (cut) and is only counted.
 */
struct output {
    void (*line)(struct output *output, struct str line, bool cut);
    struct buf kept;
    struct buf partial; /**< the line that has no end yet, at most most_line + 1 bytes */
    size_t most_line;
    uint64_t total;
    bool exceeded;
};

void output_init(struct output *output, size_t most_output, size_t most_line,
                 void (*line)(struct output *output, struct str line, bool cut));
void output_clear(struct output *output);
/** Takes bytes as they came. */
void output_feed(struct output *output, struct str bytes);
/** Delivers a last line that had no end. */
void output_finish(struct output *output);

#endif
