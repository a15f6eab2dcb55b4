/**
 * libbpf (1.x, Debian: libbpf1) and the few calls of libc beside it, through koffi. Every call is checked and throws BpfError; every
 * buffer handed to C has its size checked here and is held until the call returned, for a short one would end the process without a
 * word. Nothing is `.async`: koffi would run it on libuv's threads. Loaded at the first use, so that a host without it can say so.
 */
import { rmSync } from 'node:fs';
import koffi from 'koffi';
import { BpfError, EBUSY, EINVAL, ENODEV, ENOENT, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM, ERANGE } from './bpf-error.ts';
import { calls } from './libbpf-calls.ts';

/** What the kernel says of a map. `name` is cut to 15 characters by the kernel. */
export interface MapInfo {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** An open map. Values of per-CPU maps are all CPUs' values, each rounded up to 8 bytes (`stride` bytes apart, `cpus` of them). */
export interface BpfMap {
  readonly name: string;
  readonly fd: number;
  readonly info: MapInfo;
  /** Bytes of what `lookup` returns and `update` takes. */
  readonly bytes: number;
  readonly stride: number;
  readonly cpus: number;
  /** Returns a value as a new Buffer; null when there is none of this key. */
  lookup(key: Uint8Array): Buffer | null;
  /** Writes a value. `flags`: BPF_ANY 0, BPF_NOEXIST 1, BPF_EXIST 2. */
  update(key: Uint8Array, value: Uint8Array, flags?: number): void;
  /** Writes many values in one call: keys and values one after the other. What the call did before it failed stays. */
  updateMany(keys: Uint8Array, values: Uint8Array, count: number): void;
  /** Returns whether there was one. */
  remove(key: Uint8Array): boolean;
  /** Returns the key after this one, of null the first; null at the end. A key that is gone starts again from the first. */
  nextKey(key: Uint8Array | null): Buffer | null;
  /** Maps an array with BPF_F_MMAPABLE into memory; the same view on every call, until `close`. Its elements are rounded up to 8 bytes. */
  memory(): ArrayBuffer;
  /** Pins it; the file must not be there. */
  pin(path: string): void;
  /** Closes the descriptor and takes the memory away: nothing may touch a view of it afterwards. */
  close(): void;
}

/** An object file, opened and not yet loaded. */
export interface OpenObject {
  readonly maps: readonly string[];
  setMaxEntries(map: string, entries: number): void;
  /** Uses this map instead of creating one. Throws BpfError that names what differs when it is not of the same shape. */
  reuse(map: string, other: BpfMap): void;
  /** What the object wants of a map (after setMaxEntries). */
  wanted(map: string): MapInfo;
  /** Loads all programs and maps. The error holds libbpf's and the verifier's words. */
  load(): LoadedObject;
  close(): void;
}

export interface LoadedObject {
  /** Returns a program's descriptor. It belongs to the object. */
  program(name: string): number;
  /** Returns a map on a descriptor of its own: it outlives the object. */
  map(name: string): BpfMap;
  /** Frees the object: programs live on only where they are pinned or attached. */
  close(): void;
}

/** An XDP link: as long as its descriptor or a pin of it is there, the program runs on the interface. */
export interface XdpLink {
  readonly fd: number;
  /** Interface and program as the kernel has them; ifindex 0: the interface is gone or it was detached. */
  info(): { readonly ifindex: number; readonly programId: number };
  /** Puts another program in place of the one that runs, without a packet in between. */
  update(program: number): void;
  pin(path: string): void;
  close(): void;
}

export interface TestRun {
  /** The frame, or absent for a program of kind `syscall`. */
  readonly data?: Buffer;
  /** Room for the frame that comes out; default: as large as `data` and 256 bytes. */
  readonly room?: number;
  /** struct xdp_md, or what a `syscall` program is given. A `syscall` program writes into it. */
  readonly context?: Buffer;
  /** Default 1. Not for `syscall`. */
  readonly repeat?: number;
  readonly flags?: number;
  readonly batch?: number;
}

export interface TestRunResult {
  readonly verdict: number;
  /** The frame that came out. */
  readonly data: Buffer;
  /** Of one run, on average, in ns. */
  readonly durationNs: number;
}

export type XdpMode = 'native' | 'generic';

/** enum bpf_map_type. */
export const MAP_TYPE_ARRAY = 2;
const MAP_TYPE_PERCPU_HASH = 5;
const MAP_TYPE_PERCPU_ARRAY = 6;
const MAP_TYPE_LRU_PERCPU_HASH = 10;
const MAP_TYPE_DEVMAP = 14;
const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_INNER_MAP = 1 << 12;
const PER_CPU: ReadonlySet<number> = new Set([MAP_TYPE_PERCPU_HASH, MAP_TYPE_PERCPU_ARRAY, MAP_TYPE_LRU_PERCPU_HASH]);
const BPF_XDP = 37;
const F_DUPFD_CLOEXEC = 1030;
const XDP_FLAGS: Readonly<Record<XdpMode, number>> = { generic: 1 << 1, native: 1 << 2 };
const REFUSED_CURE = 'a kernel of 5.15 or newer with BTF (CONFIG_DEBUG_INFO_BTF); where it has all that, report the log as a fault of weir';
/** Where the log does not fit, kernels before 6.4 say ENOSPC in the place of the reason; untouched pages cost nothing. */
const LOG_BYTES = 32 << 20;
const SAID_BYTES = 1 << 16;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
/** struct bpf_map_info and bpf_link_info as far as they are read (include/uapi/linux/bpf.h); the kernel fills what fits. */
const INFO_BYTES = 128;

/** Returns the object file, opened. `name` is what libbpf calls it in its words. */
export function openObject(path: string): OpenObject {
  const { bpf, said, sizes } = calls();
  const log = Buffer.alloc(LOG_BYTES);
  said.length = 0;
  const object: unknown = bpf.openFile(path, {
    sz: sizes.open, object_name: null, relaxed_maps: 0, pin_root_path: null, pad: 0, kconfig: null, btf_custom_path: null, kernel_log_buf: log, kernel_log_size: LOG_BYTES, kernel_log_level: 0,
  });
  if (isNull(object)) throw new BpfError(`libbpf cannot open ${path}`, koffi.errno(), { log: words(said, null), cure: 'build it: npm run setup (needs clang: apt-get install clang libbpf-dev)' });
  const find = (name: string): unknown => {
    const map: unknown = bpf.findMap(object, name);
    if (isNull(map)) throw new BpfError(`${path} has no map ${name}`, 0, { cure: 'it is of another version of weir: npm run setup' });
    return map;
  };
  const wanted = (name: string): MapInfo => {
    const map = find(name);
    return { type: bpf.mapType(map), keySize: bpf.keySize(map), valueSize: bpf.valueSize(map), maxEntries: bpf.maxEntries(map), flags: bpf.mapFlags(map) };
  };
  const maps: string[] = [];
  for (let map: unknown = bpf.nextMap(object, null); !isNull(map); map = bpf.nextMap(object, map)) maps.push(bpf.mapName(map));
  return {
    maps,
    setMaxEntries: (name, entries) => check(bpf.setMaxEntries(find(name), entries), `${entries} entries for map ${name}`),
    reuse(name, other) {
      const differs = difference(other.info, wanted(name));
      if (differs !== null) throw new BpfError(`the ${name} map that is there has ${differs}`, 0, { cure: 'it is of another version of weir or has another size: take it away (its sessions end), or run with the sizes it has' });
      check(bpf.reuseFd(find(name), other.fd), `reusing map ${name}`);
    },
    wanted,
    load() {
      said.length = 0;
      const result = bpf.load(object);
      if (result !== 0) throw new BpfError(`the kernel refused ${path}`, -result, { log: words(said, log), ...(result === -EPERM || result === -ENOMEM ? {} : { cure: REFUSED_CURE }) });
      return loaded(path, object);
    },
    close: () => bpf.closeObject(object),
  };
}

function loaded(path: string, object: unknown): LoadedObject {
  const { bpf, libc } = calls();
  return {
    program(name) {
      const program: unknown = bpf.findProgram(object, name);
      if (isNull(program)) throw new BpfError(`${path} has no program ${name}`, 0, { cure: 'it is of another version of weir: npm run setup' });
      return bpf.programFd(program);
    },
    map(name) {
      const fd = bpf.findMapFd(object, name);
      if (fd < 0) throw new BpfError(`${path} has no map ${name}`, -fd);
      const own = libc.fcntl(fd, F_DUPFD_CLOEXEC, 3);
      if (own < 0) throw new BpfError(`a descriptor for map ${name}`, koffi.errno());
      return mapOf(name, own);
    },
    close: () => bpf.closeObject(object),
  };
}

/** Returns a new array map that belongs to no object, e.g. an inner one. */
export function createArray(name: string, shape: { readonly valueSize: number; readonly entries: number; readonly flags: number }): BpfMap {
  const { bpf, sizes } = calls();
  const fd = bpf.createMap(MAP_TYPE_ARRAY, name, 4, shape.valueSize, shape.entries, {
    sz: sizes.create, btf_fd: 0, btf_key_type_id: 0, btf_value_type_id: 0, btf_vmlinux_value_type_id: 0, inner_map_fd: 0, map_flags: shape.flags, map_extra: 0, numa_node: 0, map_ifindex: 0,
  });
  if (fd < 0) throw new BpfError(`an array map ${name} of ${shape.entries} entries`, -fd);
  return mapOf(name, fd);
}

/** Returns a pinned map; null when nothing is pinned there. */
export function openPinnedMap(name: string, path: string): BpfMap | null {
  const fd = getPinned(path);
  return fd === null ? null : mapOf(name, fd);
}

/** Attaches an XDP program to an interface of this network namespace. */
export function attachXdp(program: number, ifindex: number, mode: XdpMode, device = `interface ${ifindex}`): XdpLink {
  const { bpf, sizes } = calls();
  const fd = bpf.createLink(program, ifindex, BPF_XDP, { sz: sizes.link, flags: XDP_FLAGS[mode], iter_info: null, iter_info_len: 0, target_btf_id: 0 });
  if (fd < 0) throw new BpfError(`${mode} XDP on ${device} was refused`, -fd, attachCure(-fd, device));
  return linkOf(fd);
}

/** Returns a pinned link; null when nothing is pinned there. */
export function openPinnedLink(path: string): XdpLink | null {
  const fd = getPinned(path);
  return fd === null ? null : linkOf(fd);
}

/** Returns what the kernel calls the program: `tag` is a hash of its instructions. */
export function programInfo(program: number): { readonly id: number; readonly tag: string } {
  const info = infoOf(program, 'a program');
  return { id: info.readUInt32LE(4), tag: info.subarray(8, 16).toString('hex') };
}

/** Takes a pin away, if it is there. */
export function unpin(path: string): void {
  rmSync(path, { force: true });
}

/** Runs a program once or often on a frame or a context (BPF_PROG_TEST_RUN). Blocks this thread until it is done. */
export function testRun(program: number, run: TestRun): TestRunResult {
  const { bpf, sizes } = calls();
  const data = run.data ?? null;
  const live = ((run.flags ?? 0) & BPF_F_TEST_XDP_LIVE_FRAMES) !== 0;
  const out = data === null || live ? null : Buffer.alloc(run.room ?? data.length + 256);
  const context = run.context ?? null;
  // A `syscall` program writes into the context it is given and has no ctx_out (net/bpf/test_run.c, bpf_prog_test_run_syscall).
  const options = {
    sz: sizes.testRun, data_in: data, data_out: out, data_size_in: data?.length ?? 0, data_size_out: out?.length ?? 0, ctx_in: context, ctx_out: null,
    ctx_size_in: context?.length ?? 0, ctx_size_out: 0, retval: 0, repeat: data === null ? 0 : (run.repeat ?? 1), duration: 0, flags: run.flags ?? 0, cpu: 0, batch_size: run.batch ?? 0,
  };
  const result = bpf.testRun(program, options);
  if (result !== 0) throw new BpfError('BPF_PROG_TEST_RUN', -result);
  return { verdict: options.retval, data: out === null ? Buffer.alloc(0) : out.subarray(0, options.data_size_out), durationNs: options.duration };
}

export const BPF_F_TEST_XDP_LIVE_FRAMES = 2;

/** Mounts a BPF file system on a directory. */
export function mountBpffs(directory: string): void {
  const { libc } = calls();
  if (libc.mount('bpf', directory, 'bpf', 0, 'mode=0700') !== 0) throw new BpfError(`mounting a BPF file system on ${directory}`, koffi.errno());
}

function mapOf(name: string, fd: number): BpfMap {
  const { bpf, libc } = calls();
  const raw = infoOf(fd, `map ${name}`);
  const info: MapInfo = { type: raw.readUInt32LE(0), keySize: raw.readUInt32LE(8), valueSize: raw.readUInt32LE(12), maxEntries: raw.readUInt32LE(16), flags: raw.readUInt32LE(20) };
  const perCpu = PER_CPU.has(info.type);
  const cpus = perCpu ? bpf.possibleCpus() : 1;
  const stride = perCpu ? Math.ceil(info.valueSize / 8) * 8 : info.valueSize;
  const bytes = stride * cpus;
  const room = Math.ceil(info.valueSize / 8) * 8 * info.maxEntries;
  let mapped: { readonly view: ArrayBuffer; readonly at: unknown } | null = null;
  const sized = (what: string, buffer: Uint8Array, size: number): Uint8Array => {
    if (buffer.length !== size) throw new RangeError(`map ${name}: a ${what} has ${size} bytes, got ${buffer.length}`);
    return buffer;
  };
  return {
    name, fd, info, bytes, stride, cpus,
    lookup(key) {
      const value = Buffer.alloc(bytes);
      const result = bpf.lookup(fd, sized('key', key, info.keySize), value);
      if (result === -ENOENT) return null;
      check(result, `reading map ${name}`);
      return value;
    },
    update: (key, value, flags = 0) => check(bpf.update(fd, sized('key', key, info.keySize), sized('value', value, bytes), flags), `writing map ${name}`, fullCure(name, info)),
    updateMany(keys, values, count) {
      const done = Buffer.alloc(4);
      done.writeUInt32LE(count);
      check(bpf.updateMany(fd, sized('list of keys', keys, info.keySize * count), sized('list of values', values, bytes * count), done, null), `writing ${count} entries of map ${name}`, fullCure(name, info));
    },
    remove(key) {
      const result = bpf.remove(fd, sized('key', key, info.keySize));
      if (result === -ENOENT) return false;
      check(result, `removing from map ${name}`);
      return true;
    },
    nextKey(key) {
      const next = Buffer.alloc(info.keySize);
      const result = bpf.nextKey(fd, key === null ? null : sized('key', key, info.keySize), next);
      if (result === -ENOENT) return null;
      check(result, `walking map ${name}`);
      return next;
    },
    memory() {
      if (mapped !== null) return mapped.view;
      const at: unknown = libc.mmap(null, room, PROT_READ_WRITE, MAP_SHARED, fd, 0);
      if (isNull(at) || koffi.address(at) === MAP_FAILED) throw new BpfError(`mapping ${name} into memory`, koffi.errno());
      mapped = { view: koffi.view(at, room), at };
      return mapped.view;
    },
    pin: (path) => check(bpf.pin(fd, path), `pinning ${path}`, pinCure(path)),
    close() {
      if (mapped !== null) libc.munmap(mapped.at, room);
      mapped = null;
      libc.close(fd);
    },
  };
}

function linkOf(fd: number): XdpLink {
  const { bpf, libc } = calls();
  return {
    fd,
    info() {
      const raw = infoOf(fd, 'an XDP link');
      return { programId: raw.readUInt32LE(8), ifindex: raw.readUInt32LE(16) };
    },
    update: (program) => check(bpf.updateLink(fd, program, null), 'changing the program of an XDP link'),
    pin: (path) => check(bpf.pin(fd, path), `pinning ${path}`, pinCure(path)),
    close: () => void libc.close(fd),
  };
}

function infoOf(fd: number, what: string): Buffer {
  const info = Buffer.alloc(INFO_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(INFO_BYTES);
  check(calls().bpf.info(fd, info, length), `what the kernel says of ${what}`);
  return info;
}

function getPinned(path: string): number | null {
  const fd = calls().bpf.get(path);
  if (fd === -ENOENT) return null;
  if (fd < 0) throw new BpfError(`opening ${path}`, -fd);
  return fd;
}

/** Returns what is not as wanted, in words; null when all is. */
export function difference(found: MapInfo, wanted: MapInfo): string | null {
  const words: [keyof MapInfo, string][] = [['type', 'type'], ['keySize', 'key size'], ['valueSize', 'value size'], ['maxEntries', 'entries'], ['flags', 'flags']];
  // The kernel makes device maps read-only for programs whether asked or not (kernel/bpf/devmap.c).
  const added = found.type === MAP_TYPE_DEVMAP ? BPF_F_RDONLY_PROG : 0;
  const differ = words.filter(([key]) => (key === 'flags' ? (found.flags & ~added) !== (wanted.flags & ~added) : found[key] !== wanted[key]));
  return differ.length === 0 ? null : differ.map(([key, text]) => `${text} ${found[key]}, wanted ${wanted[key]}`).join(', ');
}

/** libbpf 1.x returns -errno. */
function check(result: number, what: string, cure?: string): void {
  if (result < 0) throw new BpfError(what, -result, cure === undefined ? {} : { cure });
}

function pinCure(path: string): string {
  return `${path} must be free and lie on a BPF file system: mount -t bpf bpf /sys/fs/bpf`;
}

function fullCure(name: string, info: MapInfo): string {
  return `map ${name} holds ${info.maxEntries} entries: see the kernel log (dmesg)`;
}

function attachCure(errno: number, device: string): { readonly cure?: string } {
  switch (errno) {
    case EBUSY:
      return { cure: `another XDP program runs on ${device}: ip link show dev ${device} names it, 'ip link set dev ${device} xdp off' takes one away that is not held by a link` };
    case EOPNOTSUPP:
    case 524:
      return { cure: `the driver of ${device} has no native XDP: mode generic` };
    case ENOSPC:
    case ERANGE:
      return { cure: `native XDP on ${device} needs equal queue counts (both ends of a veth pair) and frames that fit a page (MTU <= 3498): ethtool -L, ip link set mtu; or mode generic` };
    case ENODEV:
    case EINVAL:
      return { cure: `there is no ${device} in this network namespace` };
    default:
      return {};
  }
}

function isNull(pointer: unknown): boolean {
  return pointer === null || pointer === undefined || koffi.address(pointer) === 0n;
}

/** What libbpf said and the verifier's log, the end of each: that is where the reason stands. */
function words(said: readonly string[], log: Buffer | null): string {
  const verifier = log === null ? '' : log.toString('utf8', 0, Math.max(0, log.indexOf(0)));
  const both = verifier === '' || said.some((line) => line.includes(verifier)) ? said.join('') : `${said.join('')}${verifier}`;
  return both.trimEnd().slice(-SAID_BYTES);
}
