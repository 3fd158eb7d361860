#include "runner/client/supervisor.h"

#include <signal.h>

/* clang-format 14 does not come to rest on this list */
/* clang-format off */
#define SIGNALS(X)                                                                                 \
    X(HUP)                                                                                         \
    X(INT)                                                                                         \
    X(QUIT) X(ILL) X(TRAP) X(ABRT) X(BUS) X(FPE) X(KILL) X(USR1) X(SEGV) X(USR2) X(PIPE) X(ALRM)   \
        X(TERM) X(STKFLT) X(CHLD) X(CONT) X(STOP) X(TSTP) X(TTIN) X(TTOU) X(URG) X(XCPU) X(XFSZ)   \
            X(VTALRM) X(PROF) X(WINCH) X(POLL) X(PWR) X(SYS)
/* clang-format on */

#define SIGNAL_ROW(name) {SIG##name, #name},
#define SIGNAL_NAME(name) #name,

struct signal_row {
    int number;
    const char *name;
};

/** The first name of a number is the one that is shown. */
static const struct signal_row signal_rows[] = {
    SIGNALS(SIGNAL_ROW){SIGABRT, "IOT"},
    {SIGCHLD, "CLD"},
    {SIGPOLL, "IO"},
};

const char *const signal_names[] = {SIGNALS(SIGNAL_NAME) NULL};

int signal_number(struct str name)
{
    struct str bare = str_starts(name, STR("SIG")) ? str_from(name, 3) : name;
    for (size_t i = 0; i < COUNT_OF(signal_rows); i++) {
        if (str_is(bare, signal_rows[i].name))
            return signal_rows[i].number;
    }
    return 0;
}

const char *signal_name(int number)
{
    for (size_t i = 0; i < COUNT_OF(signal_rows); i++) {
        if (signal_rows[i].number == number)
            return signal_rows[i].name;
    }
    return "";
}
