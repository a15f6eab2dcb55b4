/**
 * Netlink messages as bytes: written and read here, sent elsewhere. Every read is bounded by what is there: a length that lies ends
 * in NetlinkFormatError, never in a read beyond the buffer (linux/netlink.h; all numbers in host order, as the kernel's are).
 */

/** Bytes that are no netlink message. */
export class NetlinkFormatError extends Error {
  override readonly name = 'NetlinkFormatError';
}

export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const NLM_F_DUMP_INTR = 0x10;
/** struct nlmsghdr and struct genlmsghdr. */
const HEADER = 16;
const GENL_HEADER = 4;
const ATTRIBUTE_HEADER = 4;
/** The two top bits of a type say "nested" and "network order". */
const NLA_TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;

/** One attribute: its number and its bytes (for a nested one, those of the attributes in it). */
export interface Attribute {
  readonly type: number;
  readonly data: Buffer;
}

export interface NetlinkMessage {
  readonly type: number;
  readonly seq: number;
  /** A dump that was interrupted by a change: to be asked for again. */
  readonly interrupted: boolean;
  /** After the netlink header. */
  readonly payload: Buffer;
}

/** Returns a generic netlink request. `seq` is 32-bit. */
export function encodeRequest(options: { readonly family: number; readonly command: number; readonly version: number; readonly flags: number; readonly seq: number; readonly attributes: readonly Buffer[] }): Buffer {
  const body = Buffer.concat(options.attributes);
  const out = Buffer.alloc(HEADER + GENL_HEADER + body.length);
  out.writeUInt32LE(out.length, 0);
  out.writeUInt16LE(options.family, 4);
  out.writeUInt16LE(options.flags | NLM_F_REQUEST, 6);
  out.writeUInt32LE(options.seq >>> 0, 8);
  out[HEADER] = options.command;
  out[HEADER + 1] = options.version;
  body.copy(out, HEADER + GENL_HEADER);
  return out;
}

/** Returns one attribute, padded to four bytes. */
export function attribute(type: number, data: Uint8Array): Buffer {
  if (data.length > 0xffff - ATTRIBUTE_HEADER) throw new NetlinkFormatError(`an attribute holds at most 65531 bytes, got ${data.length}`);
  const out = Buffer.alloc(align(ATTRIBUTE_HEADER + data.length));
  out.writeUInt16LE(ATTRIBUTE_HEADER + data.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(data, ATTRIBUTE_HEADER);
  return out;
}

/** Returns an attribute made of attributes. */
export function nested(type: number, attributes: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

/** Returns an attribute of a 16-bit number in host order. */
export function u16(type: number, value: number): Buffer {
  const data = Buffer.alloc(2);
  data.writeUInt16LE(value);
  return attribute(type, data);
}

/** Returns an attribute of a 16-bit number in network order. */
export function be16(type: number, value: number): Buffer {
  const data = Buffer.alloc(2);
  data.writeUInt16BE(value);
  return attribute(type, data);
}

/** Returns an attribute of a 32-bit number in host order. */
export function u32(type: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value >>> 0);
  return attribute(type, data);
}

/** Returns an attribute of a text with its final zero. */
export function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`, 'latin1'));
}

/** Returns the messages in what one receive gave. Throws NetlinkFormatError. */
export function decodeMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < HEADER) throw new NetlinkFormatError(`${bytes.length - at} bytes are left where a header of ${HEADER} was expected`);
    const length = bytes.readUInt32LE(at);
    if (length < HEADER || at + length > bytes.length) throw new NetlinkFormatError(`a message of ${length} bytes where ${bytes.length - at} are left`);
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      interrupted: (bytes.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0,
      seq: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + HEADER, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Returns the error number of an NLMSG_ERROR or NLMSG_DONE (0: it is an acknowledgement). */
export function errorOf(message: NetlinkMessage): number {
  if (message.payload.length < 4) return 0;
  return Math.abs(message.payload.readInt32LE(0));
}

/** Returns the attributes after the generic netlink header of a reply. Throws NetlinkFormatError. */
export function replyAttributes(message: NetlinkMessage): Attribute[] {
  if (message.payload.length < GENL_HEADER) throw new NetlinkFormatError(`a generic netlink header has ${GENL_HEADER} bytes, got ${message.payload.length}`);
  return decodeAttributes(message.payload.subarray(GENL_HEADER));
}

/** Returns the attributes in `bytes`. Throws NetlinkFormatError. */
export function decodeAttributes(bytes: Buffer): Attribute[] {
  const attributes: Attribute[] = [];
  let at = 0;
  while (at + ATTRIBUTE_HEADER <= bytes.length) {
    const length = bytes.readUInt16LE(at);
    if (length < ATTRIBUTE_HEADER || at + length > bytes.length) throw new NetlinkFormatError(`an attribute of ${length} bytes where ${bytes.length - at} are left`);
    attributes.push({ type: bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, data: bytes.subarray(at + ATTRIBUTE_HEADER, at + length) });
    at += align(length);
  }
  return attributes;
}

/** The attributes of one level by number, read with a default where they are missing or too short. */
export class AttributeTable {
  readonly #byType: ReadonlyMap<number, Buffer>;

  constructor(attributes: readonly Attribute[]) {
    this.#byType = new Map(attributes.map(({ type, data }) => [type, data]));
  }

  has(type: number): boolean {
    return this.#byType.has(type);
  }

  /** The bytes; undefined when it is missing. */
  bytes(type: number): Buffer | undefined {
    return this.#byType.get(type);
  }

  u16(type: number): number {
    const data = this.#byType.get(type);
    return data !== undefined && data.length >= 2 ? data.readUInt16LE(0) : 0;
  }

  be16(type: number): number {
    const data = this.#byType.get(type);
    return data !== undefined && data.length >= 2 ? data.readUInt16BE(0) : 0;
  }

  u32(type: number): number {
    const data = this.#byType.get(type);
    return data !== undefined && data.length >= 4 ? data.readUInt32LE(0) : 0;
  }

  /** A 64-bit counter as a number, exact below 2^53. */
  u64(type: number): number {
    const data = this.#byType.get(type);
    return data !== undefined && data.length >= 8 ? Number(data.readBigUInt64LE(0)) : 0;
  }

  text(type: number): string {
    return (this.#byType.get(type)?.toString('latin1') ?? '').replace(/\0.*$/s, '');
  }

  nested(type: number): AttributeTable {
    return new AttributeTable(decodeAttributes(this.#byType.get(type) ?? Buffer.alloc(0)));
  }
}

function align(length: number): number {
  return (length + 3) & ~3;
}
