/**
 * A row: what is set up, frames in and what must come of each, and every counter afterwards. Steps are data; the few that do something
 * to the maps in between say so in words.
 */
import assert from 'node:assert/strict';
import { tickNow, type Bed, type Device, LINKS, type LinkName } from './bed.ts';
import { readCounts, type Counts } from './counts.ts';
import { frame } from './frame.ts';
import { macOf, TICKS, write, type Layout, type Places } from './layout.ts';
import { makeOlder } from './time.ts';

export interface Row {
  readonly name: string;
  readonly layout: Layout;
  readonly steps: readonly Step[];
  /** Everything that counts, zeros left out. */
  readonly after: Counts;
}

/** A frame and what becomes of it. `out` is the frame that leaves, to the last byte; `pass` is the frame as it came. */
export interface Frame {
  readonly frame: Buffer;
  readonly on: Device;
  readonly out: Buffer | 'pass' | 'drop';
}

/** `what` says what is done to the maps. */
export interface Act {
  readonly what: string;
  readonly act: (scene: Scene) => void;
}

export type Step = Frame | Act;

/** What an act may touch. */
export interface Scene {
  readonly bed: Bed;
  readonly places: Places;
  readonly server: (name: string) => number;
  readonly director: (name: string) => number;
}

/** The router behind which clients are, as they come in by `clients`. */
export const ROUTER = '02:00:5e:00:53:01';

export interface Ways {
  readonly from?: LinkName;
  readonly to?: LinkName;
  /** The neighbour on the clients' side. */
  readonly router?: string;
  readonly tagIn?: number;
  readonly tagOut?: number;
  /** The neighbour on the servers' side, if not the server itself. */
  readonly gateway?: string;
}

type Outcome = Buffer | 'pass' | 'drop';

/** A client's packet, and the packet that leaves for a server. */
export function up(packet: Buffer, out: Outcome, ways: Ways = {}): Frame {
  const { from = 'clients', to = 'servers', router = ROUTER } = ways;
  return {
    frame: frame({ dst: LINKS[from].mac, src: router, ...tagged(ways.tagIn) }, packet), on: from,
    out: typeof out === 'string' ? out : frame({ dst: ways.gateway ?? macOf(destination(out)), src: LINKS[to].mac, ...tagged(ways.tagOut) }, out),
  };
}

/** A server's packet, and the packet that leaves for a client. */
export function down(packet: Buffer, out: Outcome, ways: Ways = {}): Frame {
  const { from = 'servers', to = 'clients', router = ROUTER } = ways;
  return {
    frame: frame({ dst: LINKS[from].mac, src: ways.gateway ?? macOf(source(packet)), ...tagged(ways.tagIn) }, packet), on: from,
    out: typeof out === 'string' ? out : frame({ dst: router, src: LINKS[to].mac, ...tagged(ways.tagOut) }, out),
  };
}

/** A packet that is answered: what goes back by the link it came in by (and in its VLAN), to the neighbour it came from. */
export function back({ frame: frameIn, on }: Frame, answer: Buffer): Frame {
  const tagged8021q = frameIn.readUInt16BE(12) === 0x8100;
  return { frame: frameIn, on, out: Buffer.concat([frameIn.subarray(6, 12), frameIn.subarray(0, 6), frameIn.subarray(12, tagged8021q ? 18 : 14), answer]) };
}

/** A frame that is not ours: it goes to the kernel as it came. */
export function passes(frameIn: Buffer, on: Device = 'clients'): Frame {
  return { frame: frameIn, on, out: 'pass' };
}

/** Time goes by: everything the maps hold becomes older by so many ticks. */
export function later(ticks: number): Act {
  return { what: `${ticks} ticks later`, act: ({ bed }) => makeOlder(bed, ticks) };
}

export function act(what: string, run: (scene: Scene) => void): Act {
  return { what, act: run };
}

/** One pass of the sweep over the first records, and what it must answer. */
export function sweeps(answer: { readonly done?: number; readonly freed?: number; readonly live?: number }, count = 64): Act {
  return act('the sweep', ({ bed }) => assert.deepEqual(bed.command('sweep', { first: 0, count }), { done: 0, freed: 0, live: 0, ...answer }));
}

/** Runs a row on maps that are made as after loading first. Throws an error that says which step. */
export function runRow(bed: Bed, row: Row): void {
  bed.reset();
  const places = write(bed, row.layout);
  const slot = (of: ReadonlyMap<string, number>, name: string): number => {
    const found = of.get(name);
    if (found === undefined) throw new RangeError(`row '${row.name}' has no ${name}`);
    return found;
  };
  const scene: Scene = { bed, places, server: (name) => slot(places.servers, name), director: (name) => slot(places.directors, name) };
  const limit = bed.globals.get(0, 'limit');
  row.steps.forEach((step, i) => {
    try {
      if ('act' in step) step.act(scene);
      else check(bed, step);
    } catch (error) {
      throw new Error(`step ${i + 1}${'act' in step ? ` (${step.what})` : ''}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  assert.deepEqual(readCounts(bed, places, limit), row.after);
}

function check(bed: Bed, { frame: frameIn, on, out }: Frame): void {
  const { verdict, data } = bed.run(frameIn, on);
  const wanted = out === 'pass' ? 'pass' : out === 'drop' ? 'drop' : 'redirect';
  if (verdict !== wanted) assert.fail(`verdict ${verdict}, wanted ${wanted}`);
  if (out === 'drop') return;
  const frameOut = out === 'pass' ? frameIn : out;
  if (!data.equals(frameOut)) assert.fail(`frame\n${hex(data)}\nwanted\n${hex(frameOut)}\nsent\n${hex(frameIn)}`);
}

function hex(bytes: Buffer): string {
  return (bytes.toString('hex').match(/.{1,64}/g) ?? []).map((line) => line.replace(/(..)(?=.)/g, '$1 ')).join('\n');
}

function tagged(tag: number | undefined): { readonly tag?: number } {
  return tag === undefined ? {} : { tag };
}

function destination(packet: Buffer): Buffer {
  return packet[0] >> 4 === 6 ? packet.subarray(24, 40) : packet.subarray(16, 20);
}

function source(packet: Buffer): Buffer {
  return packet[0] >> 4 === 6 ? packet.subarray(8, 24) : packet.subarray(12, 16);
}

/** Sets fields of a server. */
export function setServer(name: string, fields: Readonly<Record<string, number>>): Act {
  return act(`${name}: ${Object.entries(fields).map(([field, value]) => `${field} ${value}`).join(', ')}`, ({ bed, server }) => {
    for (const [field, value] of Object.entries(fields)) bed.servers.set(server(name), field, value);
  });
}

/** ICMP evidence against a server, for as long as evidence holds. */
export function blocked(name: string): Act {
  return act(`evidence against ${name}`, ({ bed, server }) => bed.servers.set(server(name), 'blocked_until', tickNow() + TICKS.block));
}
