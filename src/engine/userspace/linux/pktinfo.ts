/**
 * Wildcard VIPs (0.0.0.0 or ::): which local address a datagram hit (IP_PKTINFO, man 7 ip; RFC 3542 section 6), and the control
 * message that makes the reply leave from it. Each address hit gets a listener id of its own, so sessions keep it.
 */
import { ipBytes, ipFromBytes, type Ip } from '../../../net/ip.ts';
import { IP_PKTINFO, IPV6_PKTINFO, Memory, SOL_IP, SOL_IPV6 } from './libc.ts';
import type { Inbox } from './messages.ts';

const CMSG_HEADER = 16;
/** Offset of the destination address behind the header: in_pktinfo.ipi_spec_dst follows the interface index, in6_pktinfo.ipi6_addr comes first. */
const OFFSET = { 4: CMSG_HEADER + 4, 6: CMSG_HEADER } as const;
const SPACE = { 4: 32, 6: 40 } as const;
const CONTROL_BYTES = 128;

interface Child {
  readonly id: number;
  readonly parent: number;
  readonly address: Ip;
  readonly words: readonly number[];
  readonly control: Memory;
  readonly controlLength: number;
}

export class LocalAddresses {
  readonly #children = new Map<number, Child>();
  readonly #byParent = new Map<number, Child[]>();

  /** Returns the listener id of the address that message i of the inbox hit, or -1 when it has none yet. */
  find(parent: number, family: 4 | 6, box: Inbox, i: number): number {
    const at = (i * CONTROL_BYTES + OFFSET[family]) / 4;
    const { ints } = box.controls!;
    for (const child of this.#byParent.get(parent) ?? []) {
      let same = true;
      for (let w = 0; w < child.words.length; w++) if (child.words[w] !== ints[at + w]) same = false;
      if (same) return child.id;
    }
    return -1;
  }

  /** Returns the local address that message i of the inbox hit. */
  addressIn(family: 4 | 6, box: Inbox, i: number): Ip {
    const at = i * CONTROL_BYTES + OFFSET[family];
    return ipFromBytes(Uint8Array.from(box.controls!.bytes.subarray(at, at + (family === 4 ? 4 : 16))));
  }

  /** Gives a local address the listener id `id`. */
  add(id: number, parent: number, address: Ip): void {
    const { family } = address;
    const bytes = Uint8Array.from(ipBytes(address));
    const control = new Memory(SPACE[family]);
    control.words[0] = CMSG_HEADER + (family === 4 ? 12 : 20);
    control.words[2] = family === 4 ? SOL_IP : SOL_IPV6;
    control.words[3] = family === 4 ? IP_PKTINFO : IPV6_PKTINFO;
    control.bytes.set(bytes, OFFSET[family]);
    const words = [...new Int32Array(bytes.buffer)];
    const child: Child = { id, parent, address, words, control, controlLength: SPACE[family] };
    this.#children.set(id, child);
    this.#byParent.set(parent, [...(this.#byParent.get(parent) ?? []), child]);
  }

  /** Returns the ids made for a wildcard listener. */
  childrenOf(parent: number): readonly number[] {
    return (this.#byParent.get(parent) ?? []).map((c) => c.id);
  }

  /** Forgets a wildcard listener; returns the ids it had. */
  remove(parent: number): readonly number[] {
    const ids = this.childrenOf(parent);
    for (const id of ids) this.#children.delete(id);
    this.#byParent.delete(parent);
    return ids;
  }

  addressOf(id: number): Ip | undefined {
    return this.#children.get(id)?.address;
  }

  /** Returns the address of the control message for replies, 0 for the wildcard listener itself. */
  controlOf(id: number): number {
    return this.#children.get(id)?.control.address ?? 0;
  }

  controlLengthOf(id: number): number {
    return this.#children.get(id)?.controlLength ?? 0;
  }
}
