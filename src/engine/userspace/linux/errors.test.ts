/** What the kernel may put into an error queue, and what it never would: only ICMP unreachable of a known shape speaks against a server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import koffi from 'koffi';
import { holds } from '../../../../test/fuzz/holds.ts';
import { ErrorQueue } from './errors.ts';
import { ECONNREFUSED, EHOSTUNREACH, IP_RECVERR, IPV6_RECVERR, Memory, SOL_IP, SOL_IPV6, type Libc } from './libc.ts';

const FOR_MS = 1_000;
const MOST = 64;
const linux = { skip: process.platform === 'linux' ? false : 'needs Linux' };

/** One entry of the queue, as recvmsg would hand it out: the address asked, and control data of any shape. */
interface Entry {
  readonly port: number;
  readonly level: number;
  readonly type: number;
  readonly errno: number;
  readonly origin: number;
  readonly icmpType: number;
  readonly code: number;
  /** Bytes of control data: fewer than 32 hold no sock_extended_err. */
  readonly control: number;
  readonly noise: Uint8Array;
}

const entry: fc.Arbitrary<Entry> = fc.record({
  port: fc.integer({ min: 1, max: 65_535 }),
  level: fc.oneof({ arbitrary: fc.constantFrom(SOL_IP, SOL_IPV6), weight: 5 }, { arbitrary: fc.nat({ max: 300 }), weight: 1 }),
  type: fc.oneof({ arbitrary: fc.constantFrom(IP_RECVERR, IPV6_RECVERR), weight: 5 }, { arbitrary: fc.nat({ max: 60 }), weight: 1 }),
  errno: fc.oneof({ arbitrary: fc.constantFrom(ECONNREFUSED, EHOSTUNREACH), weight: 4 }, { arbitrary: fc.integer({ min: 0, max: 2 ** 31 - 1 }), weight: 2 }),
  origin: fc.oneof({ arbitrary: fc.constantFrom(2, 3), weight: 4 }, { arbitrary: fc.nat({ max: 255 }), weight: 1 }),
  icmpType: fc.oneof({ arbitrary: fc.constantFrom(1, 3), weight: 4 }, { arbitrary: fc.nat({ max: 255 }), weight: 1 }), code: fc.nat({ max: 255 }),
  control: fc.oneof({ arbitrary: fc.constant(48), weight: 6 }, { arbitrary: fc.nat({ max: 512 }), weight: 1 }),
  noise: fc.uint8Array({ maxLength: 480 }),
});

/** Returns libc whose recvmsg hands these entries out, writing where the header says and never beyond what it allows. */
function libcOf(entries: readonly Entry[]): Pick<Libc, 'recvmsg'> {
  const memcpy = koffi.load('libc.so.6').func('void *memcpy(uintptr_t, uintptr_t, size_t)') as (to: number, from: number, length: number) => unknown;
  const pointer = (words: Uint32Array, at: number): number => words[at] + words[at + 1] * 0x1_0000_0000;
  let next = 0;
  return {
    recvmsg(_fd, message) {
      const one = entries[next++];
      if (one === undefined) return -1;
      const header = new Memory(64);
      memcpy(header.address, message, 56);
      const [nameRoom, controlRoom] = [header.words[2], header.words[10]];
      const name = new Memory(32);
      name.ints[0] = 2 | (one.port << 16);
      memcpy(pointer(header.words, 0), name.address, Math.min(nameRoom, 16));
      const control = new Memory(512);
      control.bytes.set(one.noise, 32);
      control.words[0] = one.control;
      control.words[2] = one.level;
      control.words[3] = one.type;
      control.words[4] = one.errno;
      control.bytes.set([one.origin, one.icmpType, one.code], 20);
      const written = Math.min(controlRoom, one.control);
      memcpy(pointer(header.words, 8), control.address, written);
      header.words[2] = Math.min(nameRoom, 16);
      header.words[10] = written;
      memcpy(message, header.address, 56);
      return 0;
    },
  };
}

function speaks({ level, type, errno, origin, icmpType, control }: Entry): boolean {
  const told = (level === SOL_IP && type === IP_RECVERR) || (level === SOL_IPV6 && type === IPV6_RECVERR);
  const unreachable = (origin === 2 && icmpType === 3) || (origin === 3 && icmpType === 1);
  return told && control >= 32 && unreachable && (errno === ECONNREFUSED || errno === EHOSTUNREACH);
}

test('only port and host unreachable by ICMP speak against a server, whatever stands in the queue, and a visit is bounded', linux, async (t) => {
  const runs = await holds('userspace: the error queue', fc.property(fc.array(entry, { maxLength: 2 * MOST }), (entries) => {
    const ports: number[] = [];
    new ErrorQueue(libcOf(entries) as Libc).drain(7, { unreachable: (name, detail) => ports.push((name[0] >>> 16) + (detail.startsWith('ICMP ') ? 0 : NaN)) });
    assert.deepEqual(ports, entries.slice(0, MOST).filter(speaks).map(({ port }) => port));
  }), { forMs: FOR_MS });
  t.diagnostic(`${runs} queues`);
});
