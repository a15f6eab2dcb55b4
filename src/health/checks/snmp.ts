/** `option snmpcheck`: an SNMPv2c get (RFC 3416) is answered with a value. The community is in no detail. */
import { randomInt } from 'node:crypto';
import { ber, BER, berInteger, berOid, integerOf, readAll, readBer } from './ber.ts';
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const VERSION_2C = 1;
const GET_REQUEST = 0xa0;
const RESPONSE = 0xa2;
const ERRORS = ['noError', 'tooBig', 'noSuchName', 'badValue', 'readOnly', 'genErr', 'noAccess'];
/** What stands in place of a value that is not there (RFC 3416 section 3). */
const ABSENT: Readonly<Record<number, string>> = { 0x80: 'noSuchObject', 0x81: 'noSuchInstance', 0x82: 'endOfMibView' };

/** Returns a check that gets `oid` with `community`. */
export function snmpCheck({ community, oid }: { readonly community: string; readonly oid: string }): Check {
  return exchangeCheck((_target, took) => {
    const id = randomInt(1, 0x7fff_ffff);
    return {
      payload: snmpGet(community, oid, id),
      judge: (reply) => judgeSnmp(reply, { community, oid, id }, took),
      whenSilent: () => 'an agent that does not know the community is silent too',
    };
  });
}

/** Returns a GetRequest message for one object. */
export function snmpGet(community: string, oid: string, id: number): Buffer {
  const binding = ber(BER.sequence, berOid(oid), ber(BER.null));
  const pdu = ber(GET_REQUEST, berInteger(id), berInteger(0), berInteger(0), ber(BER.sequence, binding));
  return ber(BER.sequence, berInteger(VERSION_2C), ber(BER.octets, Buffer.from(community, 'latin1')), pdu);
}

/** Returns what an SNMP message says to the request of this id, or null when it is not the response to it. */
export function judgeSnmp(reply: Buffer, asked: { readonly community: string; readonly oid: string; readonly id: number }, took: () => string): Finding | null {
  const message = readBer(reply, 0);
  const [version, community, pdu] = (message?.tag === BER.sequence && readAll(message.content)) || [];
  if (version === undefined || integerOf(version) !== VERSION_2C || community?.content.toString('latin1') !== asked.community || pdu?.tag !== RESPONSE) return null;
  const [id, status, index, bindings] = readAll(pdu.content) ?? [];
  if (id === undefined || integerOf(id) !== asked.id) return null;
  const error = status === undefined ? null : integerOf(status);
  if (error === null || index === undefined || bindings === undefined) return fail('a response that is cut off');
  if (error !== 0) return fail(`error ${ERRORS[error] ?? error}`);
  const binding = readBer(bindings.content, 0);
  const [name, value] = (binding !== null && readAll(binding.content)) || [];
  if (name === undefined || value === undefined) return fail('a response without a value');
  if (!berOid(asked.oid).subarray(2).equals(name.content)) return fail('a response about another object');
  const absent = ABSENT[value.tag];
  return absent === undefined ? pass(`a value in ${took()}`) : fail(`${absent} for ${asked.oid}`);
}
