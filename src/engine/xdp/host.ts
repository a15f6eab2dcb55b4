/** What the host looks like, read by `ip -j`: interfaces, addresses, and the way to each server. Values in, values out but for `readHost`. */
import { parseIp, type Ip } from '../../net/ip.ts';
import type { RunCommand } from '../../command/command.ts';

export interface HostLink {
  readonly ifindex: number;
  readonly name: string;
  readonly mac: readonly number[];
  readonly mtu: number;
  /** False for loopback, tunnels and others whose frames are not Ethernet: no program runs there. */
  readonly ethernet: boolean;
  /** `veth`, `bridge`, `vlan`…; empty for a plain device. */
  readonly kind: string;
  /** Of a VLAN device: its parent's index and its tag. */
  readonly vlan: { readonly parent: number; readonly id: number } | null;
}

/** The way to an address: `gateway` null on-link, `source` what the kernel would send from. */
export interface Way {
  readonly device: string;
  readonly gateway: Ip | null;
  readonly source: Ip | null;
  /** The address is this host's own. */
  readonly local: boolean;
}

export interface HostFacts {
  readonly links: readonly HostLink[];
  readonly addresses: readonly { readonly ip: Ip; readonly device: string; readonly global: boolean }[];
  /** Devices of the default routes. */
  readonly defaults: readonly string[];
  /** By address text; null: there is no way. */
  readonly ways: ReadonlyMap<string, Way | null>;
}

interface JsonLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly link_type?: string;
  readonly link_index?: number;
  readonly link?: string;
  readonly mtu: number;
  readonly address?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: { readonly id?: number; readonly protocol?: string } };
  readonly addr_info?: readonly { readonly local?: string; readonly scope?: string; readonly tentative?: boolean }[];
}
interface JsonRoute {
  readonly type?: string;
  readonly dst?: string;
  readonly gateway?: string;
  readonly via?: { readonly host?: string };
  readonly dev?: string;
  readonly prefsrc?: string;
}

/** Returns the host's facts; `targets` are the addresses whose ways are asked for. Rejects with CommandError when `ip` cannot be run. */
export async function readHost(run: RunCommand, targets: readonly Ip[]): Promise<HostFacts> {
  const [links, four, six] = await Promise.all([
    run(['ip', '-j', '-d', 'address', 'show']),
    run(['ip', '-j', '-4', 'route', 'show', 'default']),
    run(['ip', '-j', '-6', 'route', 'show', 'default']).catch(() => ({ stdout: '[]' })),
  ]);
  const distinct = [...new Map(targets.map((ip) => [ip.text, ip])).values()];
  return { ...parseLinks(json(links.stdout) as readonly JsonLink[]), defaults: parseDefaults([...json(four.stdout), ...json(six.stdout)] as readonly JsonRoute[]), ways: await readWays(run, distinct) };
}

/** Returns interfaces and addresses from the output of `ip -j -d address`. */
export function parseLinks(list: readonly JsonLink[]): Pick<HostFacts, 'links' | 'addresses'> {
  const byName = new Map(list.map((l) => [l.ifname, l.ifindex]));
  const links = list.map((l): HostLink => {
    const id = l.linkinfo?.info_kind === 'vlan' ? l.linkinfo.info_data?.id : undefined;
    const parent = l.link_index ?? (l.link === undefined ? undefined : byName.get(l.link));
    return {
      ifindex: l.ifindex, name: l.ifname, mtu: l.mtu, kind: l.linkinfo?.info_kind ?? '',
      mac: (l.address ?? '').split(':').map((byte) => Number.parseInt(byte, 16)),
      ethernet: l.link_type === 'ether',
      vlan: id === undefined || parent === undefined ? null : { parent, id },
    };
  });
  const addresses = list.flatMap((l) => (l.addr_info ?? []).flatMap(({ local, scope }) => {
    const ip = parseIp(local ?? '');
    return ip === undefined ? [] : [{ ip, device: l.ifname, global: scope !== 'host' && scope !== 'link' }];
  }));
  return { links, addresses };
}

function parseDefaults(routes: readonly JsonRoute[]): string[] {
  return [...new Set(routes.flatMap((r) => (r.dev === undefined ? [] : [r.dev])))];
}

/** Returns the way of one line of `ip -j route get`; null when it leads nowhere. */
export function parseWay(route: JsonRoute | undefined): Way | null {
  if (route?.dev === undefined || route.type === 'unreachable' || route.type === 'blackhole' || route.type === 'prohibit') return null;
  return { device: route.dev, gateway: parseIp(route.gateway ?? route.via?.host ?? '') ?? null, source: parseIp(route.prefsrc ?? '') ?? null, local: route.type === 'local' };
}

/** One program for all: it ends at the first address without a way, so halves of a list that fails are asked again. */
async function readWays(run: RunCommand, ips: readonly Ip[]): Promise<Map<string, Way | null>> {
  if (ips.length === 0) return new Map();
  try {
    const { stdout } = await run(['ip', '-j', '-batch', '-'], { input: ips.map((ip) => `route get ${ip.text}\n`).join('') });
    // One JSON array a line of input.
    const answers = stdout.split('\n').filter((line) => line.trim() !== '').map((line) => (json(line) as readonly JsonRoute[])[0]);
    if (answers.length === ips.length) return new Map(ips.map((ip, i) => [ip.text, parseWay(answers[i])]));
    if (ips.length === 1) return new Map([[ips[0].text, parseWay(answers[0])]]);
  } catch (error) {
    if (!(error instanceof Error) || !('kind' in error) || error.kind !== 'failed') throw error;
    if (ips.length === 1) return new Map([[ips[0].text, null]]);
  }
  const half = ips.length >> 1;
  return new Map([...await readWays(run, ips.slice(0, half)), ...await readWays(run, ips.slice(half))]);
}

/** `ip -j` prints nothing at all when there is nothing. */
function json(text: string): readonly unknown[] {
  return text.trim() === '' ? [] : (JSON.parse(text) as readonly unknown[]);
}
