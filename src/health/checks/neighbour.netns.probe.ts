/** Runs one check in the namespace it is started in and prints the result: `probe <arp|default|icmp> <address>`. Part of neighbour.netns.test.ts. */
import { parseIp } from '../../net/ip.ts';
import { createIcmpSockets } from '../icmp-socket.ts';
import { createNeighbours } from '../neighbours.ts';
import { createVipPaths } from '../vip-path/vip-paths.ts';
import type { CheckEnv } from './attempt.ts';
import { checkFor } from './check-for.ts';

const [kind, address = ''] = process.argv.slice(2);
const ip = parseIp(address);
if (ip === undefined || (kind !== 'arp' && kind !== 'default' && kind !== 'icmp')) throw new Error('usage: probe <arp|default|icmp> <address>');
const nowMs = (): number => performance.now();
const setTimer: CheckEnv['setTimer'] = (fn, ms) => {
  const timer = setTimeout(fn, ms);
  return () => clearTimeout(timer);
};
const icmp = createIcmpSockets();
const neighbours = createNeighbours({ nowMs, setTimer });
const probe = kind === 'arp' ? ({ kind, iface: null } as const) : ({ kind } as const);
const result = await checkFor(probe)(
  { key: 'd|s|a|7', director: 'd', server: 's', ip, port: 7, probe, intervalMs: 2000, timeoutMs: 800, rise: 1, fall: 1, source: null, via: null, slowStartMs: 0, damping: null },
  { nowMs, setTimer, random: Math.random, icmp, neighbours, paths: createVipPaths({ neighbours, nowMs }), programs: { directory: '/nonexistent', running: 0 }, cancels: new Set() },
);
icmp.close();
process.stdout.write(JSON.stringify(result));
