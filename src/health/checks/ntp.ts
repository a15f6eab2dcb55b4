/** `option ntpcheck`: a client request (RFC 5905 section 7.3) is answered by a server that is itself synchronised. */
import { randomBytes } from 'node:crypto';
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const PACKET_BYTES = 48;
const ORIGINATE = 24;
const TRANSMIT = 40;
const MODE_CLIENT = 3;
const MODE_SERVER = 4;
const LEAP_ALARM = 3;

/** Returns a check that accepts a synchronised server of at most `maxStratum`. */
export function ntpCheck({ maxStratum }: { readonly maxStratum: number }): Check {
  return exchangeCheck((_target, took) => {
    const request = Buffer.alloc(PACKET_BYTES);
    request[0] = (4 << 3) | MODE_CLIENT;
    // The transmit timestamp comes back as the originate timestamp: a random one cannot be guessed and tells nobody our clock.
    const nonce = randomBytes(8);
    nonce.copy(request, TRANSMIT);
    return { payload: request, judge: (reply) => judgeNtp(reply, nonce, maxStratum, took) };
  });
}

/** Returns what an NTP reply says, or null when it does not answer the request whose transmit timestamp is `nonce`. */
export function judgeNtp(reply: Buffer, nonce: Buffer, maxStratum: number, took: () => string): Finding | null {
  const first = reply[0] ?? 0;
  if (reply.length < PACKET_BYTES || (first & 7) !== MODE_SERVER || !reply.subarray(ORIGINATE, ORIGINATE + 8).equals(nonce)) return null;
  const stratum = reply[1] ?? 0;
  // Stratum 0 is a kiss of death whose code stands where the reference is; chrony and ntpd also say "unsynchronised" with it.
  if (first >> 6 === LEAP_ALARM) return fail('the server says that its own clock is not synchronised');
  if (stratum === 0) return fail(`kiss-o'-death ${codeText(reply.subarray(12, 16))}`);
  if (stratum > 15) return fail(`stratum ${stratum}: the server is not synchronised`);
  if (stratum > maxStratum) return fail(`stratum ${stratum}, expected ${maxStratum} at most`);
  if (reply.readBigUInt64BE(TRANSMIT) === 0n) return fail('the answer has no time in it');
  return pass(`stratum ${stratum} in ${took()}`);
}

function codeText(code: Buffer): string {
  return code.every((byte) => byte >= 0x20 && byte < 0x7f) ? code.toString('latin1').trim() : code.toString('hex');
}
