/**
 * `service network <interface>`: the addresses and routes of its section on that interface, added and removed exactly as configured.
 * What was there before weir is never touched: only what stands on the ledger is ever removed. Decided in planNetwork, which is pure;
 * carried out by `ip`, one argv each, undone in the opposite order when one fails.
 */
import type { NetworkSettings } from '../config/network.ts';
import { cidrText, parseCidr } from '../net/cidr.ts';
import { parseIp } from '../net/ip.ts';
import { CommandError, type RunCommand } from '../command/command.ts';
import type { Ledger } from './ledger.ts';
import type { Lifecycle } from './registry.ts';

/** What an interface has, as text. Unless it `promotes`, the kernel takes an address's network mates away with the first of them. */
export interface ObservedNetwork {
  readonly up: boolean;
  readonly promotes: boolean;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
}

export interface Owned {
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
}

/** `steps` in order; `owned` is what weir answers for afterwards. */
export interface NetworkPlan {
  readonly steps: readonly NetworkStep[];
  readonly owned: Owned;
}

export interface NetworkStep {
  readonly text: string;
  readonly argv: readonly string[];
  readonly undo: readonly string[] | null;
}

const NOTHING: Owned = { addresses: [], routes: [] };

/** Returns the steps that lead from what there is to `wanted` (null: nothing): routes go first, then addresses; they come in the opposite order. */
export function planNetwork(iface: string, wanted: NetworkSettings | null, observed: ObservedNetwork, owned: Owned): NetworkPlan {
  const addresses = (wanted?.addresses ?? []).map(({ ip, prefix }) => `${ip.text}/${prefix}`);
  const routes = (wanted?.routes ?? []).map((route) => routeText(cidrText(route.destination), route.gateway.text, route.table));
  const gone = { routes: minus(owned.routes, routes), addresses: minus(owned.addresses, addresses) };
  const come = { addresses: minus(addresses, observed.addresses), routes: minus(routes, observed.routes) };
  const steps: NetworkStep[] = [];
  if (wanted && !observed.up) steps.push({ text: `bring ${iface} up`, argv: ['ip', 'link', 'set', 'dev', iface, 'up'], undo: null });
  for (const route of gone.routes) if (observed.routes.includes(route)) steps.push(routeStep(iface, route, 'remove'));
  const leaving = gone.addresses.filter((address) => observed.addresses.includes(address));
  const guarded = !observed.promotes && leaving.some((address) => !address.includes(':'));
  if (guarded) steps.push(promoteStep(iface, '1'));
  for (const address of leaving) steps.push(addressStep(iface, address, 'remove'));
  if (guarded) steps.push(promoteStep(iface, '0'));
  for (const address of come.addresses) steps.push(addressStep(iface, address, 'add'));
  for (const route of come.routes) steps.push(routeStep(iface, route, 'add'));
  return {
    steps,
    owned: {
      addresses: addresses.filter((a) => come.addresses.includes(a) || owned.addresses.includes(a)),
      routes: routes.filter((r) => come.routes.includes(r) || owned.routes.includes(r)),
    },
  };
}

/** Returns what `ip -j address` and `ip -j route` say of an interface. */
export async function observeNetwork(run: RunCommand, iface: string): Promise<ObservedNetwork> {
  const [link] = await jsonOf(run, ['ip', '-j', 'address', 'show', 'dev', iface]);
  const addresses = listOf(link?.['addr_info']).flatMap(({ local, prefixlen }) => (typeof local === 'string' && typeof prefixlen === 'number' ? [`${parseIp(local)?.text ?? local}/${prefixlen}`] : []));
  const routes: string[] = [];
  for (const family of ['-4', '-6']) {
    for (const route of await jsonOf(run, ['ip', '-j', family, 'route', 'show', 'table', 'all', 'dev', iface])) {
      const { dst, gateway, table } = route;
      if (typeof dst !== 'string' || typeof gateway !== 'string') continue;
      const destination = dst === 'default' ? (family === '-4' ? '0.0.0.0/0' : '::/0') : dst;
      const cidr = parseCidr(destination);
      if (cidr) routes.push(routeText(cidrText(cidr), parseIp(gateway)?.text ?? gateway, table === undefined || table === 'main' ? null : table === 'default' ? 253 : Number(table)));
    }
  }
  const { stdout } = await run(['sysctl', '-n', `net/ipv4/conf/${iface}/promote_secondaries`]).catch(() => ({ stdout: '0' }));
  return { promotes: stdout.trim() === '1', up: listOfText(link?.['flags']).includes('UP'), addresses, routes };
}

/** Returns the part of one interface. `settings` gives its section as it runs now, null when there is none any more. */
export function networkPart(options: {
  readonly iface: string;
  readonly settings: () => NetworkSettings | null;
  readonly run: RunCommand;
  readonly ledger: Ledger;
}): Lifecycle & { /** True when the section has changed since it was put into force. */ behind(): boolean } {
  const { iface, run, ledger } = options;
  let inForce: string | null = null;

  async function reach(wanted: NetworkSettings | null): Promise<void> {
    const owned = ledger.read().interfaces[iface] ?? NOTHING;
    if (wanted === null && owned.addresses.length + owned.routes.length === 0) return;
    const observed = await observeNetwork(run, iface);
    const plan = planNetwork(iface, wanted, observed, owned);
    // Written before it is done: whatever stops weir half-way, what it added is known as its own.
    record({ addresses: [...new Set([...owned.addresses, ...plan.owned.addresses])], routes: [...new Set([...owned.routes, ...plan.owned.routes])] });
    const done: NetworkStep[] = [];
    try {
      for (const step of plan.steps) {
        await run(step.argv);
        done.push(step);
      }
    } catch (error) {
      for (const { undo } of done.toReversed()) if (undo) await run(undo).catch(() => undefined);
      record(owned);
      throw networkError(iface, error);
    }
    record(plan.owned);
    // The kernel drops routes with an address they need: what is configured is looked at again.
    if (wanted === null) return;
    const missing = planNetwork(iface, wanted, await observeNetwork(run, iface), plan.owned).steps;
    for (const step of missing) await run(step.argv).catch((error: unknown) => Promise.reject(networkError(iface, error)));
  }

  function record(owned: Owned): void {
    const entries = ledger.read();
    const interfaces = { ...entries.interfaces, [iface]: owned };
    if (owned.addresses.length + owned.routes.length === 0) delete interfaces[iface];
    ledger.write({ ...entries, interfaces });
  }

  const take = async (): Promise<void> => {
    const wanted = options.settings();
    await reach(wanted);
    inForce = JSON.stringify(wanted);
  };
  return {
    name: 'network',
    instance: iface,
    text() {
      const wanted = options.settings();
      if (wanted === null) return 'its section is gone';
      const parts = [...wanted.addresses.map(({ ip, prefix }) => `${ip.text}/${prefix}`), ...wanted.routes.map((r) => `route ${routeText(cidrText(r.destination), r.gateway.text, r.table)}`)];
      const unused = wanted.unused.length === 0 ? '' : `; not weir's to do: ${wanted.unused.join(', ')}`;
      return `${parts.length === 0 ? 'no addresses, no routes' : parts.join(', ')}${unused}`;
    },
    start: take,
    // Neither cuts what stays: only what differs is changed.
    restart: take,
    reload: take,
    async stop() {
      await reach(null);
      inForce = null;
    },
    behind: () => inForce !== null && inForce !== JSON.stringify(options.settings()),
  };
}

function routeText(destination: string, gateway: string, table: number | null): string {
  return `${destination} via ${gateway}${table === null || table === 254 ? '' : ` table ${table}`}`;
}

function promoteStep(iface: string, value: '0' | '1'): NetworkStep {
  const argv = (to: string): readonly string[] => ['sysctl', '-qw', `net/ipv4/conf/${iface}/promote_secondaries=${to}`];
  return { text: `promote_secondaries of ${iface} ${value}`, argv: argv(value), undo: argv(value === '1' ? '0' : '1') };
}

function addressStep(iface: string, address: string, what: 'add' | 'remove'): NetworkStep {
  // Usable at once: a VIP that waits for duplicate address detection cannot be bound to.
  const add = ['ip', 'address', 'add', address, 'dev', iface, ...(address.includes(':') ? ['nodad'] : [])];
  const remove = ['ip', 'address', 'del', address, 'dev', iface];
  return { text: `${what} address ${address}`, argv: what === 'add' ? add : remove, undo: what === 'add' ? remove : add };
}

function routeStep(iface: string, route: string, what: 'add' | 'remove'): NetworkStep {
  const family = route.includes(':') ? '-6' : '-4';
  const words = route.split(' ');
  const add = ['ip', family, 'route', 'add', ...words, 'dev', iface];
  const remove = ['ip', family, 'route', 'del', ...words, 'dev', iface];
  return { text: `${what} route ${route}`, argv: what === 'add' ? add : remove, undo: what === 'add' ? remove : add };
}

type Json = Readonly<Record<string, unknown>>;

async function jsonOf(run: RunCommand, argv: readonly string[]): Promise<readonly Json[]> {
  try {
    const { stdout } = await run(argv);
    return listOf(JSON.parse(stdout.trim() === '' ? '[]' : stdout));
  } catch (error) {
    // iproute2 calls an empty table of another family an error.
    if (error instanceof CommandError && /FIB table does not exist/.test(error.stderr)) return [];
    throw networkError(argv.at(-1) ?? '', error);
  }
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter((item): item is Json => typeof item === 'object' && item !== null) : [];
}

function listOfText(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function minus(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set(a)].filter((item) => !b.includes(item));
}

function networkError(iface: string, error: unknown): Error {
  if (!(error instanceof CommandError)) return error instanceof Error ? error : new Error(String(error));
  const said = error.stderr;
  const cure = error.kind === 'absent' ? 'install iproute2'
    : /Operation not permitted/.test(said) ? 'run weir as root, or with the capability CAP_NET_ADMIN; one that was started without network sections has given it up: restart it with them saved'
      : /does not exist|Cannot find device/.test(said) ? `there is no interface ${iface}: correct the section's name, or make the interface first`
        : /invalid gateway|unreachable/.test(said) ? 'the gateway must be in a network of the interface: add its address first'
          : 'see the message';
  return Object.assign(new Error(error.message.replace(/\s*\n\s*/g, ' ').trim(), { cause: error }), { cure });
}
