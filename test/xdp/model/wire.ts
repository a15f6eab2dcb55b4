/**
 * What a frame says, as the model reads it: everything else than what comes out of `read` is the kernel's. Offsets are of the frame;
 * addresses are latin1 strings of their bytes, so that they are keys as they are.
 */

/** A UDP datagram, or the first fragment of one. */
export interface Udp {
  readonly what: 'udp';
  readonly family: 4 | 6;
  readonly l3: number;
  readonly l4: number;
  /** TCI, 0 without a tag. */
  readonly tag: number;
  /** Source and destination address and port, as they lie on the wire: the key of a flow. */
  readonly key: string;
  /** UDP payload bytes, as its header says. */
  readonly length: number;
  /** Those that are in this frame, or more: padding. */
  readonly present: number;
  /** Where the fragment header lies (IPv6); -1: none; 0: an IPv4 fragment. */
  readonly fragment: number;
}

/** A fragment after the first of a UDP datagram. */
export interface Later {
  readonly what: 'later';
  readonly family: 4 | 6;
  readonly l3: number;
  readonly tag: number;
  readonly fragment: number;
}

/** An ICMP error about a UDP datagram; `l4`: the ICMP header; `inner`: the carried IP header. */
export interface Icmp {
  readonly what: 'icmp';
  readonly family: 4 | 6;
  readonly l3: number;
  readonly l4: number;
  readonly tag: number;
  readonly inner: number;
  /** The carried datagram's flow turned round: as if it were an answer to it. */
  readonly key: string;
  readonly evidence: boolean;
}

export type Seen = Udp | Later | Icmp;

const VLAN = 0x8100;
const IP4 = 0x0800;
const IP6 = 0x86dd;
const UDP = 17;
const ICMP = 1;
const ICMP6 = 58;
const FRAGMENT = 44;
const MORE = 0x2000;
const OFFSET = 0x1fff;

/** Returns what the frame is to us; null: nothing. */
export function read(frame: Buffer): Seen | null {
  if (frame.length < 14) return null;
  let [type, l3, tag] = [frame.readUInt16BE(12), 14, 0];
  if (type === VLAN) {
    if (frame.length < 18) return null;
    tag = frame.readUInt16BE(14);
    type = frame.readUInt16BE(16);
    l3 = 18;
  }
  if (type === IP4) return read4(frame, l3, tag);
  return type === IP6 ? read6(frame, l3, tag) : null;
}

function read4(frame: Buffer, l3: number, tag: number): Seen | null {
  if (frame.length < l3 + 20 || frame[l3] >> 4 !== 4) return null;
  const header = (frame[l3] & 15) * 4;
  const total = frame.readUInt16BE(l3 + 2);
  const flags = frame.readUInt16BE(l3 + 6);
  const protocol = frame[l3 + 9];
  if (header < 20 || total < header || l3 + total > frame.length) return null;
  if (protocol === ICMP) return (flags & (MORE | OFFSET)) !== 0 || header !== 20 ? null : readIcmp4(frame, l3, tag, total);
  if (protocol !== UDP) return null;
  if ((flags & OFFSET) !== 0) return { what: 'later', family: 4, l3, tag, fragment: 0 };
  const whole = (flags & MORE) === 0;
  const l4 = l3 + header;
  if (total < header + 8) return null;
  const length = frame.readUInt16BE(l4 + 4);
  if (length < 8 || (whole && total < header + length)) return null;
  return { what: 'udp', family: 4, l3, l4, tag, key: frame.toString('latin1', l3 + 12, l3 + 20) + frame.toString('latin1', l4, l4 + 4), length: length - 8, present: total - header - 8, fragment: whole ? -1 : 0 };
}

function read6(frame: Buffer, l3: number, tag: number): Seen | null {
  if (frame.length < l3 + 40 || frame[l3] >> 4 !== 6) return null;
  const payload = frame.readUInt16BE(l3 + 4);
  if (l3 + 40 + payload > frame.length) return null;
  let l4 = l3 + 40;
  let fragment = -1;
  switch (frame[l3 + 6]) {
    case ICMP6:
      return readIcmp6(frame, l3, tag, payload);
    case FRAGMENT:
      if (payload < 8 || frame[l4] !== UDP) return null;
      fragment = l4;
      if ((frame.readUInt16BE(l4 + 2) & 0xfff8) !== 0) return { what: 'later', family: 6, l3, tag, fragment };
      if (payload < 16) return null;
      l4 += 8;
      break;
    case UDP:
      if (payload < 8) return null;
      break;
    default:
      return null;
  }
  const length = frame.readUInt16BE(l4 + 4);
  if (length < 8 || (fragment < 0 && payload < length)) return null;
  return { what: 'udp', family: 6, l3, l4, tag, key: frame.toString('latin1', l3 + 8, l3 + 40) + frame.toString('latin1', l4, l4 + 4), length: length - 8, present: payload - (l4 - l3 - 40) - 8, fragment };
}

function readIcmp4(frame: Buffer, l3: number, tag: number, total: number): Icmp | null {
  const l4 = l3 + 20;
  const inner = l4 + 8;
  if (total < 56) return null;
  const [type, code] = [frame[l4], frame[l4 + 1]];
  if (type !== 3 && type !== 11) return null;
  if (frame[inner] !== 0x45 || frame[inner + 9] !== UDP || (frame.readUInt16BE(inner + 6) & OFFSET) !== 0) return null;
  if (frame.compare(frame, inner + 12, inner + 16, l3 + 16, l3 + 20) !== 0) return null;
  const key = frame.toString('latin1', inner + 16, inner + 20) + frame.toString('latin1', inner + 12, inner + 16) + frame.toString('latin1', inner + 22, inner + 24) + frame.toString('latin1', inner + 20, inner + 22);
  return { what: 'icmp', family: 4, l3, l4, tag, inner, key, evidence: type === 3 && code !== 4 };
}

function readIcmp6(frame: Buffer, l3: number, tag: number, payload: number): Icmp | null {
  const l4 = l3 + 40;
  const inner = l4 + 8;
  if (payload < 56) return null;
  const type = frame[l4];
  if (type < 1 || type > 3 || frame[inner] >> 4 !== 6 || frame[inner + 6] !== UDP) return null;
  if (frame.compare(frame, inner + 8, inner + 24, l3 + 24, l3 + 40) !== 0) return null;
  const key = frame.toString('latin1', inner + 24, inner + 40) + frame.toString('latin1', inner + 8, inner + 24) + frame.toString('latin1', inner + 42, inner + 44) + frame.toString('latin1', inner + 40, inner + 42);
  return { what: 'icmp', family: 6, l3, l4, tag, inner, key, evidence: type === 1 };
}
