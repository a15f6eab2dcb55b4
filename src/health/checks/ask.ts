/** One question to a server's UDP service: at its own address, or at the VIP by the path that clients' datagrams take. */
import type { Target } from '../health.ts';
import type { CheckEnv, Finding } from './attempt.ts';
import { datagram, NO_PORT, type Payload } from './datagram.ts';

/** Sends `payload` once and gives replies and errors; `onReply` may send again. Returns what ends it. */
export function ask(target: Target, env: Pick<CheckEnv, 'paths'>, question: { readonly payload: Payload; onReply(reply: Buffer, send: (payload: Uint8Array) => void): void; onError(finding: Finding): void }): () => void {
  const { ip: server, port, source, via } = target;
  if (via === null) return datagram(target, question);
  if (port === 0) {
    question.onError(NO_PORT);
    return () => undefined;
  }
  const { payload } = question;
  return env.paths.ask({ ...via, server, port, source }, { ...question, payload: (local) => (typeof payload === 'function' ? payload(local) : payload) });
}
