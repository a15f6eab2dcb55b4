/** A host for unit tests: two interfaces, a default route, `ip` that answers, and nothing else. */
import { CommandError, type RunCommand } from '../../command/command.ts';

/** `down` are addresses without a way. Answers the calls of host.ts and neighbours.ts; `neighbours` holds what is kept resolved. */
export interface FakeHost {
  readonly run: RunCommand;
  readonly neighbours: Set<string>;
  /** Entries that somebody set by hand. */
  readonly permanent: Set<string>;
  readonly down: Set<string>;
  /** Sources that routes give, by device. */
  readonly source: Map<string, string>;
  readonly local: Set<string>;
}

const LINKS = [
  { ifindex: 1, ifname: 'lo', link_type: 'loopback', mtu: 65536, address: '00:00:00:00:00:00', addr_info: [{ local: '127.0.0.1', scope: 'host' }] },
  { ifindex: 2, ifname: 'front', link_type: 'ether', mtu: 1500, address: '02:00:00:00:00:02', addr_info: [{ local: '198.51.100.241', scope: 'global' }, { local: '198.51.100.254', scope: 'global' }, { local: '2001:db8:1::f0', scope: 'global' }] },
  { ifindex: 3, ifname: 'back', link_type: 'ether', mtu: 9000, address: '02:00:00:00:00:03', addr_info: [{ local: '192.0.2.254', scope: 'global' }] },
  { ifindex: 4, ifname: 'back.5', link: 'back', link_type: 'ether', mtu: 1500, address: '02:00:00:00:00:03', linkinfo: { info_kind: 'vlan', info_data: { id: 5 } }, addr_info: [] },
];

/** Returns the host. Servers are in 192.0.2.0/24 behind `back`, everything else behind the gateway on `front`. */
export function fakeHost(): FakeHost {
  const neighbours = new Set<string>();
  const down = new Set<string>();
  const permanent = new Set<string>();
  const source = new Map([['back', '192.0.2.254'], ['front', '198.51.100.254']]);
  const local = new Set<string>();
  const route = (address: string): object => {
    if (local.has(address)) return { type: 'local', dst: address, dev: 'lo' };
    const dev = address.startsWith('192.0.2.') || address.startsWith('2001:db8:2:') ? 'back' : 'front';
    return { dst: address, dev, prefsrc: source.get(dev), ...(dev === 'front' ? { gateway: '198.51.100.1' } : {}) };
  };
  const run: RunCommand = async (argv, options = {}) => {
    const lines = (options.input ?? '').split('\n').filter((line) => line !== '');
    if (argv.includes('address')) return said(JSON.stringify(LINKS));
    if (argv.includes('default')) return said(argv.includes('-4') ? JSON.stringify([{ dst: 'default', gateway: '198.51.100.1', dev: 'front' }]) : '');
    if (argv.includes('neigh')) return said(argv.includes('permanent') ? JSON.stringify([...permanent].map((n) => ({ dst: n.split(' ')[0], dev: n.split(' ')[1], lladdr: '02:00:00:00:00:98', state: ['PERMANENT'] }))) : JSON.stringify([...neighbours].map((n) => ({ dst: n.split(' ')[0], dev: n.split(' ')[1], lladdr: '02:00:00:00:00:99', state: ['REACHABLE'] }))));
    const answers: string[] = [];
    for (const line of lines) {
      const words = line.split(' ');
      if (words[0] === 'route') {
        if (down.has(words[2])) throw new CommandError({ kind: 'failed', argv, exitCode: 1, stderr: 'Network is unreachable' });
        answers.push(JSON.stringify([route(words[2])]));
      } else if (words[1] === 'replace') {
        neighbours.add(`${words[2]} ${words[4]}`);
      } else {
        neighbours.delete(`${words[2]} ${words[4]}`);
      }
    }
    return said(answers.join('\n'));
  };
  return { run, neighbours, permanent, down, source, local };
}

function said(stdout: string): { stdout: string; stderr: string } {
  return { stdout, stderr: '' };
}
