/**
 * `option dtlscheck`: a DTLS 1.2 ClientHello (RFC 6347) is answered with HelloVerifyRequest or ServerHello. The handshake goes no further:
 * a server that verifies addresses by a cookie keeps no state of it.
 */
import { randomBytes } from 'node:crypto';
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const RECORD = { alert: 21, handshake: 22 } as const;
const MESSAGE = { clientHello: 1, serverHello: 2, helloVerifyRequest: 3 } as const;
const RECORD_HEADER_BYTES = 13;
const DTLS_1_0 = 0xfeff;
const DTLS_1_2 = 0xfefd;
/** Enough for servers with certificates of either kind and for those with keys alone (CoAP): a server that finds none refuses. */
const CIPHERS = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9, 0xc0ac, 0xc0ae, 0xc023, 0xc027, 0xc009, 0xc00a, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035, 0xc037, 0xd001, 0x00a8, 0xc0a8, 0xccac, 0xccab];
const GROUPS = [0x001d, 0x0017, 0x0018];
const SIGNATURES = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807];
const ALERTS: Readonly<Record<number, string>> = { 10: 'unexpected_message', 40: 'handshake_failure', 47: 'illegal_parameter', 50: 'decode_error', 70: 'protocol_version', 71: 'insufficient_security', 80: 'internal_error', 112: 'unrecognized_name' };

/** Returns a check that sends one ClientHello, with `sni` as the server's name when that is given. */
export function dtlsCheck({ sni }: { readonly sni: string | null }): Check {
  return exchangeCheck((_target, took) => ({ payload: clientHello(sni), judge: (reply) => judgeDtls(reply, took) }));
}

/** Returns one record with one ClientHello. */
export function clientHello(sni: string | null): Buffer {
  const extensions = Buffer.concat([
    ...(sni === null ? [] : [extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(sni, 'latin1'))])))]),
    extension(10, vector(2, u16s(GROUPS))),
    extension(11, Buffer.from([1, 0])),
    extension(13, vector(2, u16s(SIGNATURES))),
    extension(23, Buffer.alloc(0)),
    extension(0xff01, Buffer.from([0])),
  ]);
  const body = Buffer.concat([u16s([DTLS_1_2]), randomBytes(32), vector(1, Buffer.alloc(0)), vector(1, Buffer.alloc(0)), vector(2, u16s(CIPHERS)), vector(1, Buffer.from([0])), vector(2, extensions)]);
  const message = Buffer.concat([Buffer.from([MESSAGE.clientHello]), u24(body.length), u16s([0]), u24(0), u24(body.length), body]);
  // The first record says 1.0, as RFC 6347 section 4.1 has it for peers whose version is not known.
  return Buffer.concat([Buffer.from([RECORD.handshake]), u16s([DTLS_1_0]), Buffer.alloc(8), vector(2, message)]);
}

/** Returns what a record says to a ClientHello, or null when it is none. */
export function judgeDtls(reply: Buffer, took: () => string): Finding | null {
  if (reply.length <= RECORD_HEADER_BYTES || reply[1] !== 0xfe || RECORD_HEADER_BYTES + reply.readUInt16BE(11) > reply.length) return null;
  const first = reply[RECORD_HEADER_BYTES];
  if (reply[0] === RECORD.alert) {
    const description = reply[RECORD_HEADER_BYTES + 1] ?? 0;
    return fail(`alert ${ALERTS[description] ?? description} to a ClientHello`);
  }
  if (reply[0] !== RECORD.handshake) return null;
  if (first === MESSAGE.helloVerifyRequest) return pass(`HelloVerifyRequest in ${took()}`);
  if (first === MESSAGE.serverHello) return pass(`ServerHello in ${took()}`);
  return fail(`handshake message ${first ?? ''} to a ClientHello`);
}

function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([u16s([type]), vector(2, content)]);
}

function vector(lengthBytes: 1 | 2, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

function u16s(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value, i * 2);
  return bytes;
}

function u24(value: number): Buffer {
  const bytes = Buffer.alloc(3);
  bytes.writeUIntBE(value, 0, 3);
  return bytes;
}
