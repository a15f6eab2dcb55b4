/**
 * The entries of the map `vips`: longest prefixes over address and port. Where directors overlap, the narrower one has the port: an
 * address before all addresses, few ports before many. The prefixes follow from that, not from the kernel's rule of the longest.
 */
import type { Ip } from '../../net/ip.ts';
import { isUnspecified } from '../../net/ip.ts';
import { CONSTANTS, VIP_KEY } from './abi/spec.ts';
import { mappedWords, swap16 } from './addresses.ts';
import { encode } from './codec.ts';

/** One director's claim: `ip` null or unspecified has no address of its own and every one of its family in turn. */
export interface VipClaim {
  readonly slot: number;
  readonly name: string;
  readonly ip: Ip;
  /** null: all ports. */
  readonly ports: { readonly first: number; readonly last: number } | null;
}

/** The key's bytes in hex, and the director slot it leads to. */
export type VipEntries = ReadonlyMap<string, number>;

const ADDRESS_BITS = 128;
const PORT_BITS = 16;
const ALL = { first: 0, last: 0xffff };

/** Returns the entries for these claims. `local` are the addresses that a wildcard claim stands for. */
export function vipEntries(claims: readonly VipClaim[], local: readonly Ip[]): VipEntries {
  const byAddress = new Map<string, { readonly ip: Ip; readonly claims: (VipClaim & { readonly wild: boolean })[] }>();
  const claim = (ip: Ip, one: VipClaim, wild: boolean): void => {
    const at = byAddress.get(ip.text) ?? { ip, claims: [] };
    byAddress.set(ip.text, at);
    at.claims.push({ ...one, wild });
  };
  for (const one of claims) {
    if (!isUnspecified(one.ip)) claim(one.ip, one, false);
    else for (const ip of local) if (ip.family === one.ip.family) claim(ip, one, true);
  }
  const entries = new Map<string, number>();
  for (const { ip, claims: here } of byAddress.values()) {
    for (const { first, last, slot } of owners(here)) for (const { port, bits } of prefixes(first, last)) entries.set(vipKey(ip, port, bits).toString('hex'), slot);
    // A later fragment has no port: that the address is a VIP is all there is to know of it.
    const whole = vipKey(ip, 0, 0).toString('hex');
    if (!entries.has(whole)) entries.set(whole, CONSTANTS.MAX_DIRECTORS);
  }
  return entries;
}

/** Returns a key: `portBits` 0 for all ports, 16 for one. */
export function vipKey(ip: Ip, port: number, portBits: number): Buffer {
  return encode(VIP_KEY, { prefix_bits: ADDRESS_BITS + portBits, addr_be: mappedWords(ip), port_be: swap16(port) });
}

/** Returns the director slot that the longest prefix leads to, as the kernel finds it; undefined when no entry holds the address. */
export function directorAt(entries: VipEntries, ip: Ip, port: number): number | undefined {
  for (let bits = PORT_BITS; bits >= 0; bits--) {
    const found = entries.get(vipKey(ip, bits === 0 ? 0 : (port >> (PORT_BITS - bits)) << (PORT_BITS - bits), bits).toString('hex'));
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Owned {
  readonly first: number;
  readonly last: number;
  readonly slot: number;
}

/** Returns who has which ports of an address, without overlap, sorted. */
function owners(claims: readonly (VipClaim & { readonly wild: boolean })[]): Owned[] {
  const width = (c: VipClaim & { readonly wild: boolean }): number => (c.wild ? 0x20000 : 0) + (c.ports === null ? 0x10000 : c.ports.last - c.ports.first);
  const owned: Owned[] = [];
  for (const claim of claims.toSorted((a, b) => width(a) - width(b) || (a.name < b.name ? -1 : 1))) {
    for (const gap of gaps(owned, claim.ports ?? ALL)) owned.push({ ...gap, slot: claim.slot });
    owned.sort((a, b) => a.first - b.first);
  }
  return owned;
}

/** Returns the parts of a range that nobody has yet. `owned` is sorted and does not overlap. */
function gaps(owned: readonly Owned[], { first, last }: { readonly first: number; readonly last: number }): { readonly first: number; readonly last: number }[] {
  const free: { first: number; last: number }[] = [];
  let from = first;
  for (const part of owned) {
    if (part.last < from || part.first > last) continue;
    if (part.first > from) free.push({ first: from, last: part.first - 1 });
    from = part.last + 1;
  }
  if (from <= last) free.push({ first: from, last });
  return free;
}

/** Returns the fewest prefixes that cover a range of ports: at most 30. */
export function prefixes(first: number, last: number): { readonly port: number; readonly bits: number }[] {
  const found: { port: number; bits: number }[] = [];
  let from = first;
  while (from <= last) {
    let size = from === 0 ? 1 << PORT_BITS : from & -from;
    while (from + size - 1 > last) size >>= 1;
    found.push({ port: from, bits: PORT_BITS - Math.log2(size) });
    from += size;
  }
  return found;
}
