/** `option sipcheck`: an OPTIONS request (RFC 3261 section 11) is answered with a final status that is good. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { hostPortText } from '../../net/endpoint.ts';
import { fail, pass, type Check } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

/** Of an answer, so much is read: its status line and the headers that tell whose answer it is. */
const READ_BYTES = 4096;

interface Dialog {
  readonly uri: string;
  readonly branch: string;
  readonly callId: string;
  readonly tag: string;
}

/** Returns a check that accepts any 2xx, or one of `statuses` when there are some. */
export function sipCheck(probe: { readonly uri: string | null; readonly statuses: readonly number[] }): Check {
  return exchangeCheck((target, took) => {
    const dialog: Dialog = {
      uri: probe.uri ?? `sip:${hostPortText(target.ip, target.port)}`,
      branch: `z9hG4bK${randomBytes(8).toString('hex')}`,
      callId: `${randomBytes(12).toString('hex')}@weir`,
      tag: randomBytes(4).toString('hex'),
    };
    return {
      payload: (local) => Buffer.from(sipOptions(dialog, local)),
      judge: (reply) => {
        const status = sipStatus(reply, dialog);
        // A provisional answer says that the real one comes.
        if (status === null || status < 200) return null;
        const good = probe.statuses.length === 0 ? status < 300 : probe.statuses.includes(status);
        return good ? pass(`status ${status} in ${took()}`) : fail(`status ${status}, expected ${probe.statuses.length === 0 ? '200 to 299' : probe.statuses.join(' or ')}`);
      },
    };
  });
}

/** Returns the request's text. `rport` (RFC 3581) asks for the answer at the port it came from. */
export function sipOptions({ uri, branch, callId, tag }: Dialog, local: Pick<AddressInfo, 'address' | 'port' | 'family'>): string {
  const host = local.family === 'IPv6' ? `[${local.address}]:${local.port}` : `${local.address}:${local.port}`;
  return [
    `OPTIONS ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP ${host};branch=${branch};rport`,
    'Max-Forwards: 70',
    `From: <sip:weir@${host}>;tag=${tag}`,
    `To: <${uri}>`,
    `Call-ID: ${callId}`,
    'CSeq: 1 OPTIONS',
    `Contact: <sip:weir@${host}>`,
    'Accept: application/sdp',
    'User-Agent: weir-check',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

/** Returns the status of an answer in this dialog; null when `reply` is none. */
export function sipStatus(reply: Buffer, { branch, callId }: Pick<Dialog, 'branch' | 'callId'>): number | null {
  const text = reply.subarray(0, READ_BYTES).toString('latin1');
  const status = /^SIP\/2\.0 ([1-6]\d\d) /.exec(text);
  if (status === null) return null;
  const [head = ''] = text.split('\r\n\r\n', 1);
  const mine = head.split('\r\n').some((line) => /^(call-id|i)[ \t]*:/i.test(line) && line.slice(line.indexOf(':') + 1).trim() === callId);
  return mine && head.includes(`branch=${branch}`) ? Number(status[1]) : null;
}
