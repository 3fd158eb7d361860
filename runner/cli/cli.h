/**
 * The program: what main() does.
 */
#ifndef GOTO_RUNNER_CLI_CLI_H
#define GOTO_RUNNER_CLI_CLI_H

/** Runs the command line; returns the exit status of LANGUAGE section 11. */
int cli_main(int argc, char **argv);

#endif
