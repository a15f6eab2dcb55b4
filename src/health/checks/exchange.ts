/** The pattern of most checks: one datagram out, and the first datagram that is its answer decides. */
import type { Target } from '../health.ts';
import { ask } from './ask.ts';
import { attempt, fail, msText, silence, type Check, type CheckEnv, type Finding } from './attempt.ts';
import type { Payload } from './datagram.ts';

export interface Exchange {
  readonly payload: Payload;
  /** Returns what a datagram from the server says, or null when it is not the answer to this request and the answer may yet come. */
  judge(reply: Buffer, send: (payload: Uint8Array) => void): Finding | null;
  /** What to add to "no answer within …", when something came that was not the answer. */
  whenSilent?(): string | null;
}

/** Returns a check that makes an exchange for each try; `took` is the time since it began, as text. */
export function exchangeCheck(make: (target: Target, took: () => string, env: CheckEnv) => Exchange): Check {
  return (target, env) => {
    const startedMs = env.nowMs();
    const exchange = make(target, () => msText(env.nowMs() - startedMs), env);
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => {
        const more = exchange.whenSilent?.() ?? null;
        return more === null ? silence(target.timeoutMs) : fail(`${silence(target.timeoutMs).detail}; ${more}`);
      },
      begin: (settle) =>
        ask(target, env, {
          payload: exchange.payload,
          onError: settle,
          onReply: (reply, send) => {
            const finding = exchange.judge(reply, send);
            if (finding !== null) settle(finding);
          },
        }),
    });
  };
}
