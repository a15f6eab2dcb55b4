/** Returns the Internet checksum of some bytes (RFC 1071), an odd last one padded with zero; `begin` is added to the sum, for pseudo headers. */
export function internetChecksum(bytes: Uint8Array, begin = 0): number {
  let sum = begin;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
