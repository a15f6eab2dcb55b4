/** `option stuncheck`: a Binding request (RFC 8489 section 7) is answered with the address it came from. */
import { randomBytes } from 'node:crypto';
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const COOKIE = 0x2112_a442;
const HEADER_BYTES = 20;
const BINDING = 0x0001;
const SUCCESS = 0x0101;
const ERROR = 0x0111;
const ATTRIBUTE = { mapped: 0x0001, error: 0x0009, xorMapped: 0x0020 } as const;

/** A check that sends one Binding request. */
export const stunCheck: Check = exchangeCheck((_target, took) => {
  const request = Buffer.alloc(HEADER_BYTES);
  request.writeUInt16BE(BINDING, 0);
  request.writeUInt32BE(COOKIE, 4);
  randomBytes(12).copy(request, 8);
  return { payload: request, judge: (reply) => judgeStun(reply, request, took) };
});

/** Returns what a STUN message says to `request`, or null when it is not the response to it. */
export function judgeStun(reply: Buffer, request: Buffer, took: () => string): Finding | null {
  if (reply.length < HEADER_BYTES || !reply.subarray(4, HEADER_BYTES).equals(request.subarray(4, HEADER_BYTES))) return null;
  const type = reply.readUInt16BE(0);
  if (type !== SUCCESS && type !== ERROR) return null;
  const end = Math.min(reply.length, HEADER_BYTES + reply.readUInt16BE(2));
  let code = '';
  for (let at = HEADER_BYTES; at + 4 <= end; ) {
    const kind = reply.readUInt16BE(at);
    const size = reply.readUInt16BE(at + 2);
    if (type === SUCCESS && (kind === ATTRIBUTE.xorMapped || kind === ATTRIBUTE.mapped) && at + 4 + size <= end) return pass(`binding response in ${took()}`);
    if (kind === ATTRIBUTE.error && size >= 4 && at + 8 <= end) code = ` ${((reply[at + 6] ?? 0) & 7) * 100 + (reply[at + 7] ?? 0)}`;
    at += 4 + Math.ceil(size / 4) * 4;
  }
  return fail(type === ERROR ? `error${code} to a binding request` : 'a binding response without an address');
}
