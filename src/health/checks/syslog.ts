/**
 * `option syslogcheck`: over TCP, for syslog over UDP answers nothing. The check connects, ends its side, and waits for the collector to
 * end its own: a kernel accepts for a program that hangs, but only the program itself reads a connection to its end.
 */
import { connect } from 'node:net';
import { attempt, errorFinding, fail, msText, pass, silence, type Check } from './attempt.ts';
import { NO_PORT } from './datagram.ts';

/** Facility syslog, severity debug. */
const PRIORITY = 5 * 8 + 7;

/** Returns a check that logs `message` on the way, when that is given (RFC 5424, framed by a line feed as RFC 6587 section 3.4.2 has it). */
export function syslogCheck({ message }: { readonly message: string | null }): Check {
  return (target, env) => {
    const startedMs = env.nowMs();
    let connected = false;
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => (connected ? fail(`connected, but nobody read the connection to its end within ${target.timeoutMs} ms`) : silence(target.timeoutMs)),
      begin: (settle) => {
        if (target.port === 0) {
          settle(NO_PORT);
          return () => undefined;
        }
        const { family, text } = target.ip;
        const socket = connect({ host: text, port: target.port, family, allowHalfOpen: true, ...(target.source === null ? {} : { localAddress: target.source.text }) });
        socket.on('error', (cause) => settle(errorFinding(cause)));
        socket.on('connect', () => {
          connected = true;
          socket.end(message === null ? '' : `<${PRIORITY}>1 - - weir-check - - - ${message}\n`);
        });
        socket.on('data', () => settle(fail('it answered: a syslog collector says nothing')));
        socket.on('end', () => settle(pass(`read to its end in ${msText(env.nowMs() - startedMs)}`)));
        return () => socket.destroy();
      },
    });
  };
}
