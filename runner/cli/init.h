/**
 * `goto-run init`: a first spec that passes offline.
 */
#ifndef GOTO_RUNNER_CLI_INIT_H
#define GOTO_RUNNER_CLI_INIT_H

/** Writes hello.goto.yaml into a folder (made if missing); says so, or why not. 0 or a negative
 * errno. */
int init_write(const char *folder);

#endif
