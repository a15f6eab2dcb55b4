/** `option udpcheck`: a datagram of the operator's choice, and what the reply must hold. */
import type { Expectation } from '../../config/model.ts';
import { ask } from './ask.ts';
import { attempt, fail, msText, pass, silence, type Check, type Finding } from './attempt.ts';
import { percentIn, percentText } from './weight.ts';

/** Where no reply is required, how long an ICMP error is waited for, at most. */
export const QUIET_MS = 1000;
/** A regular expression sees this much of a reply (REGEX_INPUT_BYTES of src/config/regex.ts): what it costs must not depend on the server. */
const REGEX_BYTES = 2048;

/** Returns a check that sends `send` and requires `expect` in the first reply; without `expect`, that no ICMP error comes. */
export function udpCheck(probe: { readonly send: Uint8Array; readonly expect: Expectation | null; readonly dynamic: boolean }): Check {
  const { send, expect, dynamic } = probe;
  const regex = expect?.kind === 'regex' ? new RegExp(expect.source, expect.flags.replace(/[gy]/g, '')) : null;
  return (target, env) => {
    const startedMs = env.nowMs();
    const timeoutMs = expect === null ? Math.min(target.timeoutMs, QUIET_MS) : target.timeoutMs;
    return attempt(env, {
      timeoutMs,
      onTimeout: () => (expect === null ? pass(`no ICMP error within ${timeoutMs} ms, no reply required (a host that is gone looks the same)`) : silence(timeoutMs)),
      begin: (settle) =>
        ask(target, env, {
          payload: send,
          onError: settle,
          onReply: (reply) => {
            const took = msText(env.nowMs() - startedMs);
            if (expect === null) settle(pass(`reply of ${reply.length} bytes in ${took}`));
            else if (holds(reply, expect, regex)) settle(dynamic ? weighed(reply, regex, took) : pass(`expected reply in ${took}`));
            else settle(fail(`reply of ${reply.length} bytes does not hold ${expectText(expect)}: ${preview(reply)}`));
          },
        }),
    });
  };
}

/** True when `expect` is met by `reply`: its bytes, mask bits 0 standing for any, at some place in it, or its expression on the latin1 text. */
export function holds(reply: Uint8Array, expect: Expectation, regex: RegExp | null = null): boolean {
  if (expect.kind === 'regex') {
    const text = Buffer.from(reply.buffer, reply.byteOffset, Math.min(reply.length, REGEX_BYTES)).toString('latin1');
    return (regex ?? new RegExp(expect.source, expect.flags.replace(/[gy]/g, ''))).test(text);
  }
  const { bytes, mask } = expect;
  for (let at = 0; at + bytes.length <= reply.length; at++) {
    let i = 0;
    while (i < bytes.length && (((reply[at + i] ?? 0) ^ (bytes[i] ?? 0)) & (mask[i] ?? 0xff)) === 0) i++;
    if (i === bytes.length) return true;
  }
  return false;
}

/** The number in the first brackets of the expression, when it has some, else the one that the reply names. */
function weighed(reply: Buffer, regex: RegExp | null, took: string): Finding {
  const text = reply.subarray(0, REGEX_BYTES).toString('latin1');
  const percent = percentIn(regex?.exec(text)?.[1] ?? text);
  return { ...pass(`expected reply in ${took}${percentText(percent)}`), ...(percent === null ? {} : { weightPercent: percent }) };
}

function expectText(expect: Expectation): string {
  return expect.kind === 'regex' ? `/${expect.source}/${expect.flags}` : expect.text;
}

/** The reply's first bytes as text for people: printable ASCII as it is, the rest as hex. */
function preview(reply: Buffer): string {
  const head = reply.subarray(0, 24);
  const printable = head.every((b) => b >= 32 && b < 127);
  return `${printable ? JSON.stringify(head.toString('latin1')) : head.toString('hex')}${reply.length > head.length ? '…' : ''}`;
}
