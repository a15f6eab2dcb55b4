/** UDP checksums: kept, made whole, left alone; and frames whose lengths do not add up, which are not ours. */
import { frame, udp, type Check, type Datagram } from '../frame.ts';
import { LINKS } from '../bed.ts';
import { down, passes, ROUTER, up, type Row } from '../row.ts';
import { A, A6, CLIENT, CLIENT6, one, one6, OWN, SESSION, VIP, VIP6 } from './names.ts';

const both = { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, ...SESSION } as const;
const forward = { packets_in: 1, bytes_in: 4, ...SESSION } as const;
const counted = { directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 } } as const;

function there(check: Check, leaves: Check, extra: Partial<Datagram> = {}) {
  return up(udp({ src: CLIENT, dst: VIP, check, ...extra }), udp({ src: `${OWN}:1024`, dst: A, check: leaves, ...extra, ttl: 63 }));
}

function back(check: Check, leaves: Check, extra: Partial<Datagram> = {}) {
  return down(udp({ src: A, dst: `${OWN}:1024`, check, ...extra }), udp({ src: VIP, dst: CLIENT, check: leaves, ...extra, ttl: 63 }));
}

function there6(check: Check, leaves: Check, extra: Partial<Datagram> = {}) {
  return up(udp({ src: CLIENT6, dst: VIP6, check, ...extra }), udp({ src: '[2001:db8:10::1]:1024', dst: A6, check: leaves, ...extra, ttl: 63 }));
}

function back6(check: Check, leaves: Check, extra: Partial<Datagram> = {}) {
  return down(udp({ src: A6, dst: '[2001:db8:10::1]:1024', check, ...extra }), udp({ src: VIP6, dst: CLIENT6, check: leaves, ...extra, ttl: 63 }));
}

/** A client's frame with some bytes of its packet changed. */
function broken(datagram: Datagram, change: (packet: Buffer) => Buffer | void) {
  const packet = udp(datagram);
  return passes(frame({ dst: LINKS.clients.mac, src: ROUTER }, change(packet) ?? packet));
}

const plain: Datagram = { src: CLIENT, dst: VIP, payload: Buffer.alloc(60, 'x') };
const plain6: Datagram = { src: CLIENT6, dst: VIP6, payload: Buffer.alloc(60, 'x') };

export const checksumRows: readonly Row[] = [
  { name: 'IPv4: no checksum stays none, both ways', layout: one(), steps: [there('none', 'none'), back('none', 'none')], after: { servers: { a: both }, ...counted } },
  { name: 'IPv6: no checksum, which RFC 8200 forbids, is made whole', layout: one6(), steps: [there6('none', 'whole'), back6('none', 'whole')], after: { servers: { a: both }, ...counted } },
  { name: 'IPv4: a checksum left to a device (CHECKSUM_PARTIAL) is made whole', layout: one(), steps: [there('partial', 'whole'), back('partial', 'whole')], after: { servers: { a: both }, ...counted } },
  { name: 'IPv6: a checksum left to a device is made whole', layout: one6(), steps: [there6('partial', 'whole'), back6('partial', 'whole')], after: { servers: { a: both }, ...counted } },
  {
    name: 'made whole over every length that leaves another rest of a word, and over a full frame',
    layout: one(),
    steps: [0, 1, 2, 3, 4, 5, 1023, 1472].map((length) => there('partial', 'whole', { payload: Buffer.alloc(length, 'weir!') })),
    after: { servers: { a: { ...SESSION, packets_in: 8, bytes_in: 2510 } }, ...counted },
  },
  { name: 'a wrong checksum stays wrong: the end it is for shall judge', layout: one(), steps: [there('wrong', 'wrong'), back('wrong', 'wrong')], after: { servers: { a: both }, ...counted } },
  { name: 'a wrong checksum stays wrong in IPv6', layout: one6(), steps: [there6('wrong', 'wrong'), back6('wrong', 'wrong')], after: { servers: { a: both }, ...counted } },
  {
    name: 'a checksum that comes out as zero is sent as all ones (RFC 768)',
    layout: one(),
    steps: (() => {
      // The two bytes of payload that make the sum of the datagram that leaves all ones.
      const leaves = udp({ src: `${OWN}:1024`, dst: A, payload: Buffer.alloc(2) }).readUInt16BE(26);
      const payload = Buffer.from([leaves >> 8, leaves & 255]);
      return [up(udp({ src: CLIENT, dst: VIP, payload }), udp({ src: `${OWN}:1024`, dst: A, payload, ttl: 63 }))];
    })(),
    after: { servers: { a: { ...forward, bytes_in: 2 } }, ...counted },
  },
  {
    name: 'trailing bytes below the least Ethernet frame stay, and belong to no checksum',
    layout: one(),
    steps: (() => {
      const padded = (step: ReturnType<typeof there>) => ({ ...step, frame: Buffer.concat([step.frame, Buffer.alloc(14, 0xee)]), out: Buffer.concat([step.out as Buffer, Buffer.alloc(14, 0xee)]) });
      return [padded(there('whole', 'whole')), padded(there('partial', 'whole'))];
    })(),
    after: { servers: { a: { ...forward, packets_in: 2, bytes_in: 8 } }, ...counted },
  },
  {
    name: 'lengths that do not add up are the kernel\'s to judge: cut short, longer than the frame, shorter than a header',
    layout: { directors: { ...one().directors, ...{ dns6: { vip: VIP6, servers: { a6: { at: A6 } } } } } },
    steps: [
      broken(plain, (p) => p.subarray(0, p.length - 1)),
      broken({ ...plain, check: 'partial' }, (p) => p.subarray(0, p.length - 1)),
      broken(plain, (p) => void p.writeUInt16BE(p.length + 1, 2)),
      broken(plain, (p) => void p.writeUInt16BE(p.length - 1, 2)),
      broken(plain, (p) => void p.writeUInt16BE(20, 2)),
      broken(plain, (p) => void p.writeUInt16BE(0, 2)),
      broken(plain, (p) => void p.writeUInt16BE(7, 24)),
      broken(plain, (p) => void p.writeUInt16BE(0, 24)),
      broken(plain, (p) => void p.writeUInt16BE(69, 24)),
      broken(plain, (p) => void (p[0] = 0x44)),
      broken(plain, (p) => void (p[0] = 0x4f)),
      broken(plain, (p) => void (p[0] = 0x65)),
      broken(plain, (p) => p.subarray(0, 27)),
      broken(plain, (p) => p.subarray(0, 20)),
      broken(plain, (p) => p.subarray(0, 19)),
      broken(plain6, (p) => p.subarray(0, p.length - 1)),
      broken({ ...plain6, check: 'none' }, (p) => p.subarray(0, p.length - 1)),
      broken(plain6, (p) => void p.writeUInt16BE(69, 4)),
      broken(plain6, (p) => void p.writeUInt16BE(67, 4)),
      broken(plain6, (p) => void p.writeUInt16BE(0, 4)),
      broken(plain6, (p) => void p.writeUInt16BE(7, 44)),
      broken(plain6, (p) => void (p[0] = 0x45)),
      broken(plain6, (p) => p.subarray(0, 47)),
      broken(plain6, (p) => p.subarray(0, 39)),
    ],
    after: {},
  },
  {
    name: 'a first fragment too short for a UDP header, with padding behind it that looks like one',
    layout: one(),
    steps: [
      broken(plain, (p) => {
        p.writeUInt16BE(20, 2);
        p.writeUInt16BE(0x2000, 6);
      }),
      broken(plain, (p) => {
        p.writeUInt16BE(27, 2);
        p.writeUInt16BE(0x2000, 6);
      }),
    ],
    after: {},
  },
];
