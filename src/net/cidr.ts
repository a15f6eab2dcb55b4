/** Networks in CIDR form: `192.0.2.0/24`, `2001:db8::/32`, or a bare address as its own network. */
import { ipBytes, ipFromBytes, parseIp, type Ip } from './ip.ts';

/** A network: `ip` has its host bits zeroed, `prefix` counts the network bits (0..32 or 0..128). */
export interface Cidr {
  readonly ip: Ip;
  readonly prefix: number;
}

/** Returns the network `text` spells; undefined on a bad address, a bad prefix, or host bits that are set. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (!ip) return undefined;
  const bits = ip.family === 4 ? 32 : 128;
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  if (prefix > bits || networkOf(ip, prefix).text !== ip.text) return undefined;
  return Object.freeze({ ip, prefix });
}

/** Returns `192.0.2.0/24`; a single address prints bare. */
export function cidrText(cidr: Cidr): string {
  return cidr.prefix === (cidr.ip.family === 4 ? 32 : 128) ? cidr.ip.text : `${cidr.ip.text}/${cidr.prefix}`;
}

/** Returns `ip` with all bits after the first `prefix` zeroed. */
export function networkOf(ip: Ip, prefix: number): Ip {
  const bytes = ipBytes(ip);
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.max(0, Math.min(8, prefix - i * 8));
    bytes[i] = (bytes[i] ?? 0) & (0xff00 >> keep);
  }
  return ipFromBytes(bytes);
}

/** True when `ip` lies in the network (never across families). */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  return cidr.ip.family === ip.family && networkOf(ip, cidr.prefix).text === cidr.ip.text;
}

/** Returns the prefix length a dotted netmask spells (`255.255.255.0` is 24), or undefined when its ones are not contiguous. */
export function prefixOfNetmask(mask: Ip): number | undefined {
  const bits = Array.from(ipBytes(mask), (b) => b.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}
