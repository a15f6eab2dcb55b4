/** Frames that are none of ours: untouched, uncounted, to the kernel. */
import { frame, icmp, udp } from '../frame.ts';
import { LINKS } from '../bed.ts';
import { passes, ROUTER, up, type Row } from '../row.ts';
import { CLIENT, CLIENT6, one, one6, VIP, VIP6 } from './names.ts';

const ether = { dst: LINKS.clients.mac, src: ROUTER };
const ask = udp({ src: CLIENT, dst: VIP });
const ask6 = udp({ src: CLIENT6, dst: VIP6 });

function protocol(packet: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(packet);
  copy[at] = value;
  return copy;
}

/** A frame with another Ethernet type. */
function typed(type: number, body: Buffer): Buffer {
  const bytes = frame(ether, body);
  bytes.writeUInt16BE(type, 12);
  return bytes;
}

/** An extension header before what the packet holds. */
function extended(packet: Buffer, kind: number): Buffer {
  const copy = Buffer.concat([packet.subarray(0, 40), Buffer.from([packet[6], 0, 1, 4, 0, 0, 0, 0]), packet.subarray(40)]);
  copy[6] = kind;
  copy.writeUInt16BE(copy.length - 40, 4);
  return copy;
}

export const foreignRows: readonly Row[] = [
  {
    name: 'other protocols, other addresses, other ports, other layers pass',
    layout: one(),
    steps: [
      up(udp({ src: CLIENT, dst: '198.51.100.2:53' }), 'pass'), up(udp({ src: CLIENT, dst: '198.51.100.1:54' }), 'pass'), up(udp({ src: CLIENT, dst: '255.255.255.255:53' }), 'pass'), up(udp({ src: CLIENT, dst: '224.0.0.251:53' }), 'pass'),
      ...[1, 2, 4, 6, 41, 47, 50, 132, 136, 255].map((number) => up(protocol(ask, 9, number), 'pass')),
      up(icmp({ src: '192.0.2.7', dst: '198.51.100.1', type: 8, code: 0, carries: Buffer.from('ping') }), 'pass'),
      passes(typed(0x0806, Buffer.alloc(46, 1))), passes(typed(0x88a8, ask)), passes(typed(0x8847, ask)), passes(typed(0x8864, ask)), passes(typed(0x0026, ask)), passes(typed(0x86dd, ask)),
      // Two tags: only the outer one is ours to read.
      passes(frame({ ...ether, tag: 10 }, Buffer.concat([Buffer.from([0x81, 0x00, 0, 5, 8, 0]), ask]).subarray(2))),
      passes(Buffer.concat([frame({ ...ether, tag: 10 }, ask).subarray(0, 16), Buffer.from([0x81, 0x00, 0, 5, 8, 0]), ask])),
    ],
    after: {},
  },
  {
    name: 'frames that end early pass, wherever they end',
    layout: one(),
    steps: [14, 15, 17, 18, 20, 33, 34, 41].flatMap((length) => [passes(frame(ether, ask).subarray(0, length)), passes(frame({ ...ether, tag: 10 }, ask).subarray(0, length))]),
    after: {},
  },
  {
    name: 'IPv6: other extension headers than a fragment\'s, and other protocols behind it, pass',
    layout: one6(),
    steps: [
      ...[0, 43, 51, 60, 135].map((kind) => up(extended(ask6, kind), 'pass')), ...[6, 50, 59, 132].map((next) => up(protocol(ask6, 6, next), 'pass')),
      up(protocol(extended(ask6, 44), 40, 6), 'pass'), up(udp({ src: CLIENT6, dst: '[2001:db8:51::2]:53' }), 'pass'), up(udp({ src: CLIENT6, dst: '[2001:db8:51:1::1]:53' }), 'pass'), up(udp({ src: CLIENT6, dst: '[::ffff:198.51.100.1]:53' }), 'pass'),
      ...[14, 53, 54, 61, 62].map((length) => passes(frame(ether, ask6).subarray(0, length))),
    ],
    after: {},
  },
  {
    name: 'an IPv6 address is not the IPv4 one it ends in',
    layout: one(),
    steps: [up(udp({ src: CLIENT6, dst: '[::c633:6401]:53' }), 'pass')],
    after: {},
  },
  {
    name: 'balancing nothing: everything passes',
    layout: { directors: {} },
    steps: [up(ask, 'pass'), up(ask6, 'pass')],
    after: {},
  },
];
