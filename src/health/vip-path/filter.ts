/** What a packet socket lets through to us, in the kernel's classic BPF (Documentation/networking/filter.rst): a datagram to one of our ports, or word that one was not delivered. Pure. */
import { endianness } from 'node:os';

/** Ports that probes are sent from: above those that the kernel gives out (net.ipv4.ip_local_port_range ends at 60999). */
export const PORTS = { first: 61_000, count: 1024 } as const;

const LD_B = 0x30;
const LD_H = 0x28;
const LD_B_X = 0x50;
const LD_H_X = 0x48;
/** X = 4 * (byte & 15): the length of an IPv4 header. */
const LDX_HEADER = 0xb1;
const JEQ = 0x15;
const JGE = 0x35;
const JGT = 0x25;
const JSET = 0x45;
const RET = 0x06;
const ALL = 0x40000;

type Step = readonly [code: number, value: number, whenTrue: number, whenFalse: number];

const LAST = PORTS.first + PORTS.count - 1;
// Jumps count the steps that are passed over; the last two of each are "drop" and "accept".
const V4: readonly Step[] = [
  [LD_H, 6, 0, 0],
  [JSET, 0x1fff, 9, 0],
  [LDX_HEADER, 0, 0, 0],
  [LD_B, 9, 0, 0],
  [JEQ, 17, 0, 3],
  [LD_H_X, 2, 0, 0],
  [JGE, PORTS.first, 0, 4],
  [JGT, LAST, 3, 4],
  [JEQ, 1, 0, 2],
  [LD_B_X, 0, 0, 0],
  [JEQ, 3, 1, 0],
  [RET, 0, 0, 0],
  [RET, ALL, 0, 0],
];
const V6: readonly Step[] = [
  [LD_B, 6, 0, 0],
  [JEQ, 17, 0, 3],
  [LD_H, 42, 0, 0],
  [JGE, PORTS.first, 0, 4],
  [JGT, LAST, 3, 4],
  [JEQ, 58, 0, 2],
  [LD_B, 40, 0, 0],
  [JEQ, 1, 1, 0],
  [RET, 0, 0, 0],
  [RET, ALL, 0, 0],
];

/** Returns the program as `struct sock_filter` in the machine's byte order, and its number of steps. */
export function filterOf(family: 4 | 6): { readonly code: Buffer; readonly steps: number } {
  const program = family === 4 ? V4 : V6;
  const code = Buffer.alloc(program.length * 8);
  const little = endianness() === 'LE';
  for (const [i, [operation, value, whenTrue, whenFalse]] of program.entries()) {
    if (little) code.writeUInt16LE(operation, i * 8);
    else code.writeUInt16BE(operation, i * 8);
    code[i * 8 + 2] = whenTrue;
    code[i * 8 + 3] = whenFalse;
    if (little) code.writeUInt32LE(value, i * 8 + 4);
    else code.writeUInt32BE(value, i * 8 + 4);
  }
  return { code, steps: program.length };
}
