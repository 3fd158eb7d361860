/**
 * The proxy of bytes: a connection of a port of tcp or tls, and one to the far side.
 *
 * Bytes are passed on as they are, FIN as FIN (each half by itself), RST as RST. A side that takes
 * nothing stops the other one: at most STREAM_HIGH_MARK, what was read ahead, and a pipe of 1 MiB
 * wait in each direction. Faults stand on the client's connection, so that both directions pass
 * them; where none stands and much comes, bytes move through a pipe of the kernel (splice.h).
 *
 * What the language leaves open:
 * - A far side that cannot be connected (refused, silent beyond `timeout`, unknown): the client
 * gets FIN, as from haproxy; with `dial: first` RST, and nothing of the client is read before. The
 *   kernel has completed its handshake by then, whatever we do.
 * - A port of `tls` ends the TLS of its clients, and speaks TLS to a far side that has it: one of
 *   the run, or `tls://`. Nothing but the run's CA is trusted there, or the system's elsewhere.
 * - An end that our side makes of the client's connection (close, disconnect, a limit) is made of
 *   that to the far side, too: FIN, RST or KILL. `drain` passes on what has come, then FIN.
 * - A connection that has passed TCP_MOST_HOPS proxies of the run is reset: they are a loop.
 */
#ifndef GOTO_SERVER_PROXY_TCP_H
#define GOTO_SERVER_PROXY_TCP_H

enum { TCP_MOST_HOPS = 16 };

#endif
