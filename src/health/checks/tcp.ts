/** `option tcpcheck`: the port accepts a connection, which is then reset so that no TIME_WAIT piles up on either side. */
import { connect } from 'node:net';
import { attempt, errorFinding, msText, pass, silence, type Check } from './attempt.ts';
import { NO_PORT } from './datagram.ts';

/** A check that makes one TCP handshake. */
export const tcpCheck: Check = (target, env) => {
  const startedMs = env.nowMs();
  return attempt(env, {
    timeoutMs: target.timeoutMs,
    onTimeout: () => silence(target.timeoutMs),
    begin: (settle) => {
      if (target.port === 0) {
        settle(NO_PORT);
        return () => undefined;
      }
      const { family } = target.ip;
      const socket = connect({
        host: target.ip.text,
        port: target.port,
        family,
        ...(target.source === null ? {} : { localAddress: target.source.text }),
      });
      socket.on('error', (cause) => settle(errorFinding(cause)));
      socket.on('connect', () => settle(pass(`connected in ${msText(env.nowMs() - startedMs)}`)));
      return () => {
        if (socket.connecting) socket.destroy();
        else socket.resetAndDestroy();
      };
    },
  });
};
