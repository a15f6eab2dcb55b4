/**
 * The loaded data plane: the object's maps, pinned by name so that they and the traffic outlive this process, its programs, and the
 * links by which they run, pinned as `link-<ifindex>-<mode>`. A start finds what is pinned, loads the program of this version upon the
 * maps that are there, and puts it in the place of the one that runs, without a packet in between.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import {
  CONSTANTS, COMMAND, DIRECTOR, GLOBALS, LINK, LOCALITY_KEY, PERSIST_KEY, POOL_HEADER, SERVER, SESSION,
} from './abi/spec.ts';
import { BpfError } from './bpf-error.ts';
import { structs } from './codec.ts';
import { dropCounts, serverCounts } from './counters.ts';
import type { Attachment, Kernel, NumberMap } from './kernel.ts';
import {
  attachXdp, BPF_F_INNER_MAP, createArray, mountBpffs, openObject, openPinnedLink, openPinnedMap, programInfo, testRun, unpin, type BpfMap, type LoadedObject, type XdpLink, type XdpMode,
} from './libbpf.ts';
import { TABLE_LINE, tableValues } from './target.ts';

export interface KernelOptions {
  readonly objectPath: string;
  /** Where maps and links are pinned; null pins nothing: a trial. */
  readonly pinDirectory: string | null;
  /** Records for new maps; a power of two. Maps that are there keep theirs. */
  readonly sessions: number;
}

interface RunningLink {
  readonly link: XdpLink;
  readonly attachment: Attachment;
  readonly path: string | null;
}

const BPF_FS_MAGIC = 0xcafe4a11;
const BUCKETS_PER_RECORD = 1 / 2;
const POOL_BYTES = POOL_HEADER.size + 4 * CONSTANTS.MAX_CANDIDATES;

/** Loads the object upon the maps that are pinned, or makes new ones. Throws BpfError. */
export function openKernel(options: KernelOptions): Kernel {
  const { pinDirectory } = options;
  if (pinDirectory !== null) ensureBpffs(pinDirectory);
  const object = openObject(options.objectPath);
  const pinned = new Map<string, BpfMap>();
  let loaded: LoadedObject | null = null;
  try {
    const shared = object.maps.filter((name) => !name.includes('.'));
    for (const name of shared) {
      const map = pinDirectory === null ? null : openPinnedMap(name, join(pinDirectory, name));
      if (map !== null) pinned.set(name, map);
    }
    const capacity = pinned.get('sessions')?.info.maxEntries ?? options.sessions;
    object.setMaxEntries('sessions', capacity);
    object.setMaxEntries('session_index', capacity * BUCKETS_PER_RECORD);
    for (const [name, map] of pinned) reuse(name, () => object.reuse(name, map), pinDirectory ?? '');
    loaded = object.load();
    const maps = new Map(shared.map((name) => [name, pinned.get(name) ?? (loaded as LoadedObject).map(name)]));
    // `sessions` last: it says that all others are there.
    const fresh = !pinned.has('sessions');
    for (const name of shared.toSorted((a, b) => Number(a === 'sessions') - Number(b === 'sessions'))) {
      if (pinDirectory !== null && !pinned.has(name)) maps.get(name)?.pin(join(pinDirectory, name));
    }
    return kernelOf(maps, loaded, { pinDirectory, fresh });
  } catch (error) {
    for (const map of pinned.values()) map.close();
    if (loaded !== null) loaded.close();
    else object.close();
    throw error;
  }
}

function kernelOf(maps: ReadonlyMap<string, BpfMap>, object: LoadedObject, { pinDirectory, fresh }: { readonly pinDirectory: string | null; readonly fresh: boolean }): Kernel {
  const map = (name: string): BpfMap => {
    const found = maps.get(name);
    if (found === undefined) throw new BpfError(`the object has no map ${name}`, 0, { cure: 'it is of another version of weir: npm run setup' });
    return found;
  };
  const program = object.program('weir');
  const commandProgram = object.program('command');
  const links = pinDirectory === null ? new Map<number, RunningLink>() : adoptLinks(pinDirectory, program);
  const pools = map('pools').memory();
  const candidates = new DataView(pools);
  const candidateAt = (pool: number, index: number): number => pool * POOL_BYTES + POOL_HEADER.size + 4 * index;
  const commands = Buffer.from(map('commands').memory(), 0, COMMAND.size);
  const close = (): void => {
    for (const { link } of links.values()) link.close();
    links.clear();
    for (const one of maps.values()) one.close();
    object.close();
  };
  return {
    capacity: map('sessions').info.maxEntries, fresh,
    sessions: structs(SESSION, map('sessions').memory()), servers: structs(SERVER, map('servers').memory()), directors: structs(DIRECTOR, map('directors').memory()),
    poolHeads: structs(POOL_HEADER, pools, { stride: POOL_BYTES, count: CONSTANTS.MAX_POOLS }), links: structs(LINK, map('links').memory()), globals: structs(GLOBALS, map('globals').memory()),
    candidate: (pool, index) => ({ server: candidates.getUint16(candidateAt(pool, index), true), weight: candidates.getUint16(candidateAt(pool, index) + 2, true) }),
    setCandidate(pool, index, server, weight) {
      candidates.setUint16(candidateAt(pool, index), server, true);
      candidates.setUint16(candidateAt(pool, index) + 2, weight, true);
    },
    vips: numberMap(map('vips')), linkIds: numberMap(map('link_ids')), vlanLinks: numberMap(map('vlan_links')), ports: numberMap(map('ports')), serverIds: remembered(numberMap(map('server_ids'))),
    setTables: (tables) => setTables(map('tables'), tables),
    serverCounts: (slot) => serverCounts(row(map('server_stats'), slot), map('server_stats').stride),
    dropCounts: (slot) => dropCounts(row(map('drop_stats'), slot), map('drop_stats').stride),
    clearServer: (slot) => map('server_stats').update(key32(slot), Buffer.alloc(map('server_stats').bytes)),
    clearDirector: (slot) => map('drop_stats').update(key32(slot), Buffer.alloc(map('drop_stats').bytes)),
    persisted(director, address) {
      const key = Buffer.alloc(PERSIST_KEY.size);
      key.set(address);
      key.writeUInt32LE(director, 16);
      const value = map('persists').lookup(key);
      return value === null ? null : { server: value.readUInt32LE(0), until: value.readUInt32LE(4) };
    },
    locality(director, destHash) {
      const key = Buffer.alloc(LOCALITY_KEY.size);
      key.writeUInt32LE(destHash, 0);
      key.writeUInt32LE(director, 4);
      const value = map('localities').lookup(key);
      return value === null ? [] : Array.from({ length: 16 }, (_, i) => value.readUInt16LE(2 * i)).filter((slot) => slot !== 0).map((slot) => slot - 1);
    },
    command(request) {
      commands.set(request);
      testRun(commandProgram, {});
      request.set(commands);
    },
    attached() {
      for (const [ifindex, { link, path }] of links) {
        if (link.info().ifindex === ifindex) continue;
        // The interface is gone, and its link with it.
        if (path !== null) unpin(path);
        link.close();
        links.delete(ifindex);
      }
      return [...links.values()].map(({ attachment }) => attachment);
    },
    attach(ifindex, mode, device) {
      const link = attachXdp(program, ifindex, mode, device);
      const path = pinDirectory === null ? null : join(pinDirectory, `link-${ifindex}-${mode}`);
      try {
        if (path !== null) link.pin(path);
      } catch (error) {
        link.close();
        throw error;
      }
      links.set(ifindex, { link, attachment: { ifindex, mode }, path });
    },
    detach(ifindex) {
      const found = links.get(ifindex);
      if (found === undefined) return;
      if (found.path !== null) unpin(found.path);
      found.link.close();
      links.delete(ifindex);
    },
    close,
    remove() {
      for (const { path } of links.values()) if (path !== null) unpin(path);
      if (pinDirectory !== null) for (const name of ['sessions', ...[...maps.keys()].filter((n) => n !== 'sessions')]) unpin(join(pinDirectory, name));
      close();
      if (pinDirectory !== null) removeEmpty(pinDirectory);
    },
  };
}

/** Loads the object as a trial, with a small table, and lets it judge a frame that is not its business. Throws BpfError. */
export function tryKernel(objectPath: string): void {
  onTrial(objectPath, (program) => {
    const { verdict } = testRun(program, { data: Buffer.alloc(64) });
    if (verdict !== XDP_PASS) throw new BpfError(`the program gave verdict ${verdict} for a frame that is not its own, expected ${XDP_PASS} (XDP_PASS)`, 0, { cure: 'report this as a fault of weir' });
  });
}

/** Runs the program natively on each device for a moment, balancing nothing; null when all can, else why one cannot. Throws BpfError when it cannot even be loaded. */
export function tryNative(objectPath: string, pinDirectory: string, devices: readonly { readonly device: string; readonly ifindex: number }[]): string | null {
  // Where ours runs already, in whichever mode, the answer is known: a start beside a data plane that runs has nothing to load for it.
  const runs = (mode: XdpMode, { ifindex }: { readonly ifindex: number }): boolean => existsSync(join(pinDirectory, `link-${ifindex}-${mode}`));
  const generic = devices.find((one) => runs('generic', one));
  if (generic !== undefined) return `${generic.device} runs in generic mode`;
  const unknown = devices.filter((one) => !runs('native', one));
  if (unknown.length === 0) return null;
  return onTrial(objectPath, (program) => {
    for (const { device, ifindex } of unknown) {
      try {
        attachXdp(program, ifindex, 'native', device).close();
      } catch (error) {
        if (error instanceof BpfError) return error.message;
        throw error;
      }
    }
    return null;
  });
}

/** Takes every pin away, links first: the program leaves its interfaces, and the maps go with the last that holds them. */
export function unpinAll(pinDirectory: string): void {
  if (!existsSync(pinDirectory)) return;
  for (const name of readdirSync(pinDirectory).toSorted((a, b) => Number(b.startsWith('link-')) - Number(a.startsWith('link-')))) unpin(join(pinDirectory, name));
  removeEmpty(pinDirectory);
}

function onTrial<T>(objectPath: string, work: (program: number) => T): T {
  const object = openObject(objectPath);
  object.setMaxEntries('sessions', TRIAL_SESSIONS);
  object.setMaxEntries('session_index', TRIAL_SESSIONS * BUCKETS_PER_RECORD);
  let loaded: LoadedObject;
  try {
    loaded = object.load();
  } catch (error) {
    object.close();
    throw error;
  }
  try {
    return work(loaded.program('weir'));
  } finally {
    loaded.close();
  }
}

const TRIAL_SESSIONS = 1024;

const XDP_PASS = 2;

/** Returns the links that are pinned, each with this version's program; those of interfaces that are gone are unpinned. */
function adoptLinks(directory: string, program: number): Map<number, RunningLink> {
  const links = new Map<number, RunningLink>();
  for (const name of readdirSync(directory)) {
    const match = /^link-(\d+)-(native|generic)$/.exec(name);
    const path = join(directory, name);
    const link = match === null ? null : openPinnedLink(path);
    if (match === null || link === null) continue;
    const { ifindex, programId } = link.info();
    if (ifindex !== Number(match[1])) {
      unpin(path);
      link.close();
      continue;
    }
    if (programId !== programInfo(program).id) link.update(program);
    links.set(ifindex, { link, attachment: { ifindex, mode: match[2] === 'native' ? 'native' : 'generic' }, path });
  }
  return links;
}

function reuse(name: string, work: () => void, directory: string): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    throw new BpfError(`${join(directory, name)}: ${error.message}`, error.errno, { cure: `it is of another version of weir: rm -r ${directory} takes the old data plane down (its sessions end), then start again` });
  }
}

function numberMap(map: BpfMap): NumberMap {
  return {
    entries() {
      const found = new Map<string, number>();
      // The program may put elements back to the head of their bucket meanwhile: they are met again, and not for ever.
      let steps = 0;
      for (let key = map.nextKey(null); key !== null && steps <= 2 * map.info.maxEntries; key = map.nextKey(key), steps++) {
        const value = map.lookup(key);
        if (value !== null) found.set(key.toString('hex'), value.readUInt32LE(0));
      }
      return found;
    },
    set: (key, value) => map.update(Buffer.from(key, 'hex'), key32(value)),
    remove: (key) => void map.remove(Buffer.from(key, 'hex')),
  };
}

/** The same map, read once: for one that nobody else writes and that is too large to read at every apply. */
function remembered(map: NumberMap): NumberMap {
  let known: Map<string, number> | null = null;
  return {
    entries: () => (known ??= new Map(map.entries())),
    set(key, value) {
      map.set(key, value);
      known?.set(key, value);
    },
    remove(key) {
      map.remove(key);
      known?.delete(key);
    },
  };
}

function setTables(map: BpfMap, tables: readonly { readonly pool: number; readonly entries: Uint16Array }[]): void {
  if (tables.length === 0) return;
  const inner: BpfMap[] = [];
  try {
    for (const { entries } of tables) inner.push(tableMap(entries));
    map.updateMany(Buffer.concat(tables.map(({ pool }) => key32(pool))), Buffer.concat(inner.map(({ fd }) => key32(fd))), tables.length);
  } finally {
    for (const one of inner) one.close();
  }
}

function tableMap(entries: Uint16Array): BpfMap {
  const values = tableValues(entries);
  const count = Math.max(1, values.length / TABLE_LINE);
  const map = createArray('table', { valueSize: 2 * TABLE_LINE, entries: count, flags: BPF_F_INNER_MAP });
  try {
    if (values.length > 0) map.updateMany(Buffer.from(Uint32Array.from({ length: count }, (_, i) => i).buffer), Buffer.from(values.buffer), count);
  } catch (error) {
    map.close();
    throw error;
  }
  return map;
}

function row(map: BpfMap, index: number): Buffer {
  const value = map.lookup(key32(index));
  if (value === null) throw new RangeError(`map ${map.name} has no row ${index}`);
  return value;
}

function key32(value: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(value >>> 0);
  return key;
}

/** Makes the directory, on a BPF file system: mounts one where there is none. */
function ensureBpffs(directory: string): void {
  const root = '/sys/fs/bpf';
  if (directory.startsWith(`${root}/`) && statfsSync(root).type !== BPF_FS_MAGIC) mountBpffs(root);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (statfsSync(directory).type !== BPF_FS_MAGIC) throw new BpfError(`${directory} is not on a BPF file system`, 0, { cure: `mount -t bpf bpf ${directory}` });
}

/** Takes the directory and its parent away where nothing is left in them. */
function removeEmpty(directory: string): void {
  for (const one of [directory, join(directory, '..')]) {
    try {
      rmdirSync(one);
    } catch {
      return;
    }
  }
}
