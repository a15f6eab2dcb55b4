/**
 * The program under test, in a network namespace of its own: the object loaded with small tables, its maps in memory, three pairs of
 * veth as the interfaces in play, and BPF_PROG_TEST_RUN, which hands it one frame as if it came in by one of them. Nothing is attached and
 * nothing is sent: the verdict and the frame come back. The main thread stays in the namespace until `close`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMAND, CONSTANTS, DIRECTOR, DROP_COUNTERS, ENUMS, GLOBALS, LINK, POOL_HEADER, SERVER, SERVER_COUNTERS, SESSION, type StructSpec } from '../../../src/engine/xdp/abi/spec.ts';
import { structs, type Structs } from '../../../src/engine/xdp/codec.ts';
import { openObject, testRun, type BpfMap, type LoadedObject } from '../../../src/engine/xdp/libbpf.ts';
import { deviceIndex, enterNamespace } from '../../../bench/libbpf.ts';
import { createNetns, sh, shInput } from '../../lvs/netns.ts';

const OBJECT = join(import.meta.dirname, '../../../bpf/weir.bpf.o');
/** Records and servers of the loaded maps; what is used of them is in `globals`, as a row wants it. */
export const RECORDS = 4096;
export const SERVERS = 256;

/** The interfaces: link ids, devices, MAC addresses. `elsewhere` is an interface that is in no link. */
export const LINKS = {
  clients: { id: 3, mac: '02:57:45:49:52:01' },
  servers: { id: 4, mac: '02:57:45:49:52:02' },
  second: { id: 5, mac: '02:57:45:49:52:03' },
} as const;
export type LinkName = keyof typeof LINKS;
export type Device = LinkName | 'elsewhere';

/** enum xdp_action. */
export const VERDICTS = ['aborted', 'drop', 'pass', 'tx', 'redirect'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Maps that hold entries by key, and not in memory. */
export const HASHES = ['vips', 'link_ids', 'vlan_links', 'server_ids', 'ports', 'fragments', 'persists', 'sources', 'localities'] as const;
export type HashName = (typeof HASHES)[number];

export interface CommandAnswer {
  readonly done: number;
  readonly freed: number;
  readonly live: number;
}

export class Bed {
  readonly sessions: Structs;
  readonly servers: Structs;
  readonly directors: Structs;
  readonly links: Structs;
  readonly globals: Structs;
  readonly poolHeads: Structs;
  /** Candidates of all pools, as they lie behind their heads. */
  readonly pools: DataView;
  readonly indexWords: BigUint64Array;
  readonly #object: LoadedObject;
  readonly #maps = new Map<string, BpfMap>();
  /** Descriptor of the program. */
  readonly program: number;
  readonly #command: number;
  readonly #commands: Structs;
  readonly #memories: ArrayBuffer[] = [];
  readonly #context = Buffer.alloc(24);
  readonly #devices: ReadonlyMap<Device, number>;
  readonly #close: () => void;

  /** `records`: session records, a power of two. */
  constructor(records: number = RECORDS) {
    const netns = createNetns(`weir-test-${process.pid}-bed`);
    enterNamespace(netns.name);
    this.#close = () => netns.close();
    this.#devices = makeDevices();
    const object = openObject(OBJECT);
    object.setMaxEntries('sessions', records);
    object.setMaxEntries('session_index', records / 2);
    object.setMaxEntries('servers', SERVERS);
    object.setMaxEntries('server_stats', SERVERS);
    this.#object = object.load();
    this.program = this.#object.program('weir');
    this.#command = this.#object.program('command');
    const memory = (name: string): ArrayBuffer => {
      const view = this.map(name).memory();
      this.#memories.push(view);
      return view;
    };
    this.sessions = structs(SESSION, memory('sessions'));
    this.servers = structs(SERVER, memory('servers'));
    this.directors = structs(DIRECTOR, memory('directors'));
    this.links = structs(LINK, memory('links'));
    this.globals = structs(GLOBALS, memory('globals'));
    const pools = memory('pools');
    this.poolHeads = structs(POOL_HEADER, pools, { stride: POOL_BYTES, count: CONSTANTS.MAX_POOLS });
    this.pools = new DataView(pools);
    this.indexWords = new BigUint64Array(memory('session_index'));
    this.#commands = structs(COMMAND, memory('commands'));
  }

  /** Returns an open map of the object. */
  map(name: string): BpfMap {
    const map = this.#maps.get(name) ?? this.#object.map(name);
    this.#maps.set(name, map);
    return map;
  }

  /** Returns a device's interface index. Throws when there is none of it. */
  ifindex(device: Device): number {
    const index = this.#devices.get(device);
    if (index === undefined) throw new RangeError(`no device ${device}`);
    return index;
  }

  /** Hands the program one frame that came in by a device. */
  run(frame: Buffer, device: Device): { readonly verdict: Verdict; readonly data: Buffer } {
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    this.#context.writeUInt32LE(frame.length, 4);
    this.#context.writeUInt32LE(this.ifindex(device), 12);
    const { verdict, data } = testRun(this.program, { data: frame, context: this.#context });
    return { verdict: VERDICTS[verdict], data };
  }

  /** Runs the program `command`. */
  command(op: (typeof ENUMS.command_op)[number], fields: { readonly first?: number; readonly count?: number; readonly server?: number; readonly linger?: number; readonly records?: readonly number[] }): CommandAnswer {
    const { records = [], ...words } = fields;
    this.#commands.clear(0);
    this.#commands.set(0, 'op', ENUMS.command_op.indexOf(op));
    this.#commands.set(0, 'count', records.length);
    for (const [name, value] of Object.entries(words)) this.#commands.set(0, name, value);
    records.forEach((record, i) => this.#commands.set(0, 'records', record, i));
    testRun(this.#command, {});
    return { done: this.#commands.get(0, 'done'), freed: this.#commands.get(0, 'freed'), live: this.#commands.get(0, 'live') };
  }

  /** Makes every map as it is after loading. */
  reset(): void {
    for (const memory of this.#memories) new Uint8Array(memory).fill(0);
    for (const name of HASHES) {
      if (name === 'ports') continue;
      const map = this.map(name);
      for (let key = map.nextKey(null); key !== null; key = map.nextKey(null)) map.remove(key);
    }
    this.#clear('server_stats', SERVERS);
    this.#clear('drop_stats', CONSTANTS.MAX_DIRECTORS + 1);
  }

  /** Returns how many entries a hash map holds. */
  entries(name: HashName): number {
    return this.keys(name).length;
  }

  /** Returns the keys of a hash map, all before anybody updates one: an update puts an element at the head of its bucket, so two of one bucket would follow each other for ever. */
  keys(name: HashName): Buffer[] {
    const map = this.map(name);
    const keys: Buffer[] = [];
    for (let key = map.nextKey(null); key !== null; key = map.nextKey(key)) keys.push(key);
    return keys;
  }

  /** Returns a row of a per-CPU map as one struct, summed over the CPUs; null when all of it is zero. */
  sums(name: 'server_stats' | 'drop_stats', row: number): Readonly<Record<string, readonly number[]>> | null {
    const spec: StructSpec = name === 'server_stats' ? SERVER_COUNTERS : DROP_COUNTERS;
    const map = this.map(name);
    const value = map.lookup(key32(row));
    if (value === null) throw new RangeError(`${name} has no row ${row}`);
    if (value.equals(zeros(value.length))) return null;
    const sums: Record<string, number[]> = {};
    let offset = 0;
    for (const field of spec.fields) {
      const count = field.count ?? 1;
      sums[field.name] = Array.from({ length: count }, (_, at) => {
        let sum = 0;
        for (let cpu = 0; cpu < map.cpus; cpu++) sum += Number(value.readBigUInt64LE(cpu * map.stride + offset + 8 * at));
        return sum;
      });
      offset += 8 * count;
    }
    return sums;
  }

  close(): void {
    for (const map of this.#maps.values()) map.close();
    this.#object.close();
    this.#close();
  }

  #clear(name: string, rows: number): void {
    const map = this.map(name);
    const zero = zeros(map.bytes);
    for (let row = 0; row < rows; row++) if (map.lookup(key32(row))?.equals(zero) === false) map.update(key32(row), zero);
  }
}

let zeroed = Buffer.alloc(0);
function zeros(length: number): Buffer {
  if (zeroed.length !== length) zeroed = Buffer.alloc(length);
  return zeroed;
}

/** Bytes of a pool: its head and its candidates. */
export const POOL_BYTES = POOL_HEADER.size + 4 * CONSTANTS.MAX_CANDIDATES;

/** Returns a key of an array map. */
export function key32(value: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(value);
  return key;
}

/** Returns now in the program's ticks. */
export function tickNow(): number {
  return Number((process.hrtime.bigint() >> 20n) & 0xffff_ffffn);
}

/** Pairs whose far ends nobody listens at: all that counts is that the near ones are up and forward. */
function makeDevices(): ReadonlyMap<Device, number> {
  const devices = [...Object.entries(LINKS).map(([name, { mac }]) => [name, mac] as const), ['elsewhere', '02:57:45:49:52:0f'] as const];
  shInput(devices.flatMap(([name, mac]) => [`link add ${name} address ${mac} type veth peer name ${name}-far`, `link set ${name} up`, `link set ${name}-far up`]).join('\n'), 'ip', '-batch', '-');
  shInput([
    'address add 10.0.0.1/24 dev servers', 'address add 2001:db8:10::1/64 dev servers nodad', 'address add 192.0.2.1/24 dev clients', 'address add 2001:db8:2::1/64 dev clients nodad',
  ].join('\n'), 'ip', '-batch', '-');
  for (const path of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) writeFileSync(`/proc/sys/net/${path}`, '1');
  return new Map(devices.map(([name]) => [name as Device, deviceIndex(name)]));
}

/** Runs `ip` in the namespace. */
export function ip(...words: readonly string[]): void {
  sh('ip', ...words);
}
