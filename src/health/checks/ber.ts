/** As much of BER (ITU-T X.690) as SNMP needs: definite lengths, integers, octet strings, object identifiers. */

export const BER = { integer: 0x02, octets: 0x04, null: 0x05, oid: 0x06, sequence: 0x30 } as const;

/** One element: its tag and where its content lies. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Where the next element begins. */
  readonly end: number;
}

/** Returns an element's bytes. */
export function ber(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

/** Returns an INTEGER of 0..2^31-1. */
export function berInteger(value: number): Buffer {
  const bytes = [value & 0xff];
  for (let rest = value >>> 8; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  // The highest bit is the sign.
  if ((bytes[0] ?? 0) > 0x7f) bytes.unshift(0);
  return ber(BER.integer, Buffer.from(bytes));
}

/** Returns an OBJECT IDENTIFIER of dotted decimal text with at least two numbers. */
export function berOid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left % 128) | 0x80);
    return groups;
  });
  return ber(BER.oid, Buffer.from(bytes));
}

/** Returns the element at `at`; null when the bytes are no element that ends within them. */
export function readBer(bytes: Buffer, at: number): Element | null {
  const tag = bytes[at];
  let length = bytes[at + 1];
  let start = at + 2;
  if (tag === undefined || length === undefined) return null;
  if (length >= 0x80) {
    const size = length & 0x7f;
    if (size === 0 || size > 3 || start + size > bytes.length) return null;
    length = bytes.readUIntBE(start, size);
    start += size;
  }
  return start + length > bytes.length ? null : { tag, content: bytes.subarray(start, start + length), end: start + length };
}

/** Returns the elements that fill `bytes`; null when they do not fill them exactly, or are more than `max`. */
export function readAll(bytes: Buffer, max = 16): readonly Element[] | null {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const element = readBer(bytes, at);
    if (element === null || found.length === max) return null;
    found.push(element);
    at = element.end;
  }
  return found;
}

/** Returns the value of an INTEGER of at most 6 bytes; null for longer or empty ones. */
export function integerOf({ content }: Element): number | null {
  return content.length === 0 || content.length > 6 ? null : content.readIntBE(0, content.length);
}
