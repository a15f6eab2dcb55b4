/** `option dnscheck`: the server answers a query of the operator's choice with an acceptable rcode. */
import { randomInt } from 'node:crypto';
import { encode, RECURSION_DESIRED, type Question } from 'dns-packet';
import { cannot, fail, pass, type Check } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'];
/** Types dns-packet does not know by name (RFC 9460). */
const NEWER_TYPES: Readonly<Record<string, string>> = { SVCB: 'UNKNOWN_64', HTTPS: 'UNKNOWN_65' };
const HEADER_BYTES = 12;

/** Returns a check that asks for `name` and `type` and accepts `rcodes` (none given: NOERROR). */
export function dnsCheck(probe: { readonly name: string; readonly type: string; readonly rcodes: readonly string[] }): Check {
  const accepted = probe.rcodes.length === 0 ? ['NOERROR'] : probe.rcodes.map((rcode) => rcode.toUpperCase());
  const template = dnsQuery(probe.name, probe.type);
  if (template === null) {
    const impossible = cannot(`no DNS query can be made of the name '${probe.name}' and the type '${probe.type}'`);
    return () => Promise.resolve({ ...impossible, latencyMs: 0 });
  }
  return exchangeCheck((_target, took) => {
    const query = Buffer.from(template);
    query.writeUInt16BE(randomInt(0x10000), 0);
    return {
      payload: query,
      judge: (reply) => {
        const rcode = rcodeOf(reply, query);
        if (rcode === undefined) return null;
        return accepted.includes(rcode) ? pass(`rcode ${rcode} in ${took()}`) : fail(`rcode ${rcode}, expected ${accepted.join(' or ')}`);
      },
    };
  });
}

/** Returns a query with id 0, or null when the name or type is not one of DNS. */
export function dnsQuery(name: string, type: string): Buffer | null {
  const bare = name.replace(/\.$/, '');
  if (bare.length > 253 || (bare !== '' && bare.split('.').some((label) => label === '' || Buffer.byteLength(label) > 63))) return null;
  const question: Question = { type: (NEWER_TYPES[type.toUpperCase()] ?? type.toUpperCase()) as Question['type'], name: bare === '' ? '.' : bare, class: 'IN' };
  try {
    const query = Buffer.from(encode({ type: 'query', id: 0, flags: RECURSION_DESIRED, questions: [question] }));
    return query.readUInt16BE(query.length - 4) === 0 ? null : query;
  } catch {
    return null;
  }
}

/** Returns the rcode of the reply to `query`; undefined when `reply` is none: another id or question, or a query itself (RFC 1035 section 4.1). */
export function rcodeOf(reply: Buffer, query: Buffer): string | undefined {
  if (reply.length < HEADER_BYTES || reply.readUInt16BE(0) !== query.readUInt16BE(0) || ((reply[2] ?? 0) & 0x80) === 0) return undefined;
  const code = (reply[3] ?? 0) & 15;
  const questions = reply.readUInt16BE(4);
  // A server that refuses or does not understand may leave the question out.
  if (questions === 0 ? code === 0 : questions !== 1 || !sameQuestion(reply, query)) return undefined;
  return RCODES[code] ?? `RCODE_${code}`;
}

/** Compares the question sections, ASCII letters in either case (RFC 4343). The reply's first name cannot be compressed: nothing comes before it. */
function sameQuestion(reply: Buffer, query: Buffer): boolean {
  if (reply.length < query.length) return false;
  const nameEnd = query.length - 4;
  for (let i = HEADER_BYTES; i < query.length; i++) {
    const a = reply[i] ?? 0;
    const b = query[i] ?? 0;
    if (a !== b && !(i < nameEnd && lower(a) === lower(b))) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}
