#include "runner/client/supervisor.h"

#include <signal.h>

struct signal_row {
    int number;
    const char *name;
};

/** The first name of a number is the one that is shown. */
static const struct signal_row signal_rows[] = {
    {SIGHUP, "HUP"},       {SIGINT, "INT"},     {SIGQUIT, "QUIT"}, {SIGILL, "ILL"},
    {SIGTRAP, "TRAP"},     {SIGABRT, "ABRT"},   {SIGABRT, "IOT"},  {SIGBUS, "BUS"},
    {SIGFPE, "FPE"},       {SIGKILL, "KILL"},   {SIGUSR1, "USR1"}, {SIGSEGV, "SEGV"},
    {SIGUSR2, "USR2"},     {SIGPIPE, "PIPE"},   {SIGALRM, "ALRM"}, {SIGTERM, "TERM"},
    {SIGSTKFLT, "STKFLT"}, {SIGCHLD, "CHLD"},   {SIGCHLD, "CLD"},  {SIGCONT, "CONT"},
    {SIGSTOP, "STOP"},     {SIGTSTP, "TSTP"},   {SIGTTIN, "TTIN"}, {SIGTTOU, "TTOU"},
    {SIGURG, "URG"},       {SIGXCPU, "XCPU"},   {SIGXFSZ, "XFSZ"}, {SIGVTALRM, "VTALRM"},
    {SIGPROF, "PROF"},     {SIGWINCH, "WINCH"}, {SIGPOLL, "POLL"}, {SIGPOLL, "IO"},
    {SIGPWR, "PWR"},       {SIGSYS, "SYS"},
};

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
